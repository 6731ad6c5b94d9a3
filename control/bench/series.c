/* series - cells in turn, several rounds. */
#include "control/bench/series.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "control/bench/hold.h"
#include "control/bench/traffic.h"

/* What stands beside differences is the noise of this figure, which every cell has. */
static const char *const noise_figure[] = { "cpu", "busy" };

/* What the harness itself adds to a run whose overhead nobody knows. */
#define OVERHEAD_PRESET_S 2.5

/* In % of a core. What an idle machine does for itself is 1. */
#define DISTURBED 10.0

static double run_s(const struct series *s, const struct series_cell *c)
{
	return c->load.seconds + (s->overhead_s > 0 ? s->overhead_s : OVERHEAD_PRESET_S);
}

double series_seconds(const struct series *s)
{
	double sum = s->cells > 0 ? run_s(s, &s->cell[0]) : 0; /* the first one again */

	for (uint32_t i = 0; i < s->cells; i++)
		sum += run_s(s, &s->cell[i]);
	return sum * s->rounds;
}

/* ---- progress ---- */

struct progress {
	const struct series *series;
	uint32_t done, all; /* runs */
	double begun_s, planned_s, planned_all_s;
	bool terminal;
};

/* left_s - by the plan, corrected by how long what is done has really taken. */
static double left_s(const struct progress *p)
{
	double rest = p->planned_all_s - p->planned_s, took = hold_now_s() - p->begun_s;

	return p->planned_s > 0 ? rest * took / p->planned_s : rest;
}

/* line_columns - how long a line on the terminal may be; SIZE_MAX: as it likes. */
static size_t line_columns(const struct progress *p)
{
	struct winsize w;

	if (!p->terminal || ioctl(STDERR_FILENO, TIOCGWINSZ, &w) < 0 || w.ws_col < 2)
		return SIZE_MAX;
	return w.ws_col - 1U;
}

/* show - where the terminal is narrow, the end of the line: what is beyond would stay there. */
static void show(const struct progress *p, const struct series_cell *c, uint32_t round)
{
	int left = (int)ceil(left_s(p));
	char line[RESULT_NAME_BYTES + 160];
	size_t bytes, columns = line_columns(p);

	if (p->series->quiet)
		return;
	(void)snprintf(line, sizeof(line),
		       "weir bench %.32s: round %u of %u, %u of %u: %s, %d:%02d left",
		       p->series->what, round + 1, p->series->rounds, p->done + 1, p->all, c->name,
		       left / 60, left % 60);
	bytes = strlen(line);
	fprintf(stderr, "%s%s%s", p->terminal ? "\r" : "",
		bytes > columns ? line + bytes - columns : line, p->terminal ? "\033[K" : "\n");
	fflush(stderr);
}

static void show_end(const struct progress *p)
{
	if (p->terminal && !p->series->quiet)
		fputs("\r\033[K", stderr);
}

/* ---- noise ---- */

/* noise_of - of the first cell's two runs of each round. NaN: there is no such figure. */
static double noise_of(const struct result *r, const struct result *again, const char *cell,
		       const char *name)
{
	const struct figure *a = result_find(r, cell, name), *b = result_find(again, cell, name);

	if (a == NULL || b == NULL)
		return NAN;
	return statistics_noise(a->sample, b->sample, a->count < b->count ? a->count : b->count);
}

static void take_noise(const struct series *s, struct result *r, const struct result *again)
{
	for (size_t i = 0; i < sizeof(noise_figure) / sizeof(noise_figure[0]); i++) {
		double noise = noise_of(r, again, s->cell[0].name, noise_figure[i]);

		if (isnan(noise))
			continue;
		if (isnan(r->noise) || r->noise < noise)
			r->noise = noise;
		return;
	}
}

/* ---- who else was at work ---- */

/* note_disturbed - a result that was measured beside something else says so. */
static void note_disturbed(const struct series *s, struct result *r)
{
	const struct series_cell *worst = NULL;
	char text[RESULT_NAME_BYTES + 256];
	uint32_t disturbed = 0;
	double most = 0;

	for (uint32_t i = 0; i < s->cells; i++) {
		const struct figure *f = result_find(r, s->cell[i].name, "disturbed");
		double busy = f != NULL ? statistics_quantile(f->sample, f->count, 0.5)
					: (double)NAN;

		disturbed += busy > DISTURBED;
		if (busy > most) {
			most = busy;
			worst = &s->cell[i];
		}
	}
	if (disturbed == 0)
		return;
	(void)snprintf(text, sizeof(text),
		       "The machine was busy with something else right before the runs of %u of "
		       "%u cells (at %s with %.0f %% of a core): that is in their figures.",
		       disturbed, s->cells, worst->name, most);
	result_note(r, text);
}

/* ---- running ---- */

/* try_cell - a run that fails is tried once more, and told of: an hour is not given up for a port
 * that was in use for a moment. */
static int try_cell(const struct series *s, const struct series_cell *c, struct trial_outcome *ret,
		    struct result *into, struct trial_error *err)
{
	int code = trial_run(s->place, &c->load, &c->receiver, ret, err);
	char note[sizeof(err->text) + RESULT_NAME_BYTES + 64];

	if (code >= 0 || code == -EINTR)
		return code;
	(void)snprintf(note, sizeof(note), "A run of %s failed and was tried again: %s.", c->name,
		       err->text);
	result_note(into, note);
	return trial_run(s->place, &c->load, &c->receiver, ret, err);
}

static int run_one(const struct series *s, struct progress *p, const struct series_cell *c,
		   uint32_t round, bool again, struct result *into, struct trial_error *err)
{
	struct trial_outcome outcome;
	int code;

	show(p, c, round);
	code = try_cell(s, c, &outcome, into, err);
	p->done++;
	p->planned_s += run_s(s, c);
	if (code < 0)
		return code;
	if (outcome.interrupted)
		return -EINTR;
	trial_result(&outcome, c->name, into);
	if (s->each != NULL && !again)
		s->each(c, round, &outcome, s->user);
	return place_interrupted() != 0 ? -EINTR : 0;
}

static int run_round(const struct series *s, struct progress *p, uint32_t round, struct result *r,
		     struct result *again, struct trial_error *err)
{
	int code = 0;

	for (uint32_t i = 0; i < s->cells && code == 0; i++) {
		uint32_t turn = (round + i) % s->cells;

		code = run_one(s, p, &s->cell[turn], round, false, r, err);
		if (code == 0 && turn == 0)
			code = run_one(s, p, &s->cell[0], round, true, again, err);
	}
	return code;
}

int series_run(const struct series *s, struct result *r, struct trial_error *err)
{
	struct result *again = result_new(s->what);
	struct progress p = { .series = s,
			      .all = s->rounds * (s->cells + 1),
			      .begun_s = hold_now_s(),
			      .planned_all_s = series_seconds(s),
			      .terminal = isatty(STDERR_FILENO) == 1 };
	int code = 0;

	for (uint32_t i = 0; i < s->cells; i++)
		traffic_note(&s->cell[i].load, s->place, r);
	for (uint32_t round = 0; round < s->rounds && code == 0; round++)
		code = run_round(s, &p, round, r, again, err);
	show_end(&p);
	if (s->cells > 0)
		take_noise(s, r, again);
	note_disturbed(s, r);
	result_free(again);
	return code;
}
