#include "control/bench/judge.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "dataplane/base/compiler.h"

#define MEGA  1e6
#define MILLI 1e6 /* ns */

static const char with[] = "/with", without[] = "/without";

enum { ROUNDS_MAX = 4096 };

__attribute__((format(printf, 2, 3))) static void note(struct gate *g, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(g->note, sizeof(g->note), format, args);
	va_end(args);
}

/* not_told - and so the gate is not measured, whatever other cells say. */
static void not_told(struct gate *g, const char *cell)
{
	g->measured = NAN;
	g->interval = (struct interval){ NAN, NAN };
	note(g, "%s has no figure of every run", cell);
}

/* ---- figures ---- */

static const struct figure *figure_of(const struct result *r, const char *scenario,
				      const char *side, const char *name)
{
	char cell[RESULT_NAME_BYTES];

	(void)snprintf(cell, sizeof(cell), "%s%s", scenario, side);
	return result_find(r, cell, name);
}

/* cell_of - the cells with the capture, one after the other; all of them have to be there. Returns:
 * false behind the last. */
static bool cell_of(const struct limits *l, uint32_t index, char ret[RESULT_NAME_BYTES])
{
	if (index < l->scenarios)
		(void)snprintf(ret, RESULT_NAME_BYTES, "%s%s", l->list[index].name, with);
	else
		(void)snprintf(ret, RESULT_NAME_BYTES, "%s", JUDGE_EVENTS);
	return index <= l->scenarios;
}

static double sum_of(const struct figure *f)
{
	double sum = 0;

	for (size_t i = 0; f != NULL && i < f->count; i++)
		if (!isnan(f->sample[i]))
			sum += f->sample[i];
	return sum;
}

/* is_whole - every run told. */
static bool is_whole(const struct figure *f)
{
	for (size_t i = 0; f != NULL && i < f->count; i++)
		if (isnan(f->sample[i]))
			return false;
	return f != NULL && f->count > 0;
}

static double median_of(const struct figure *f)
{
	return f == NULL ? NAN : statistics_summarise(f->sample, f->count).median;
}

static void take_interval(struct gate *g, const struct figure *f, double scale)
{
	g->interval = statistics_interval(f->sample, f->count);
	g->interval.low *= scale;
	g->interval.high *= scale;
}

/* reached - whether the scenario was the one that was asked for. */
static bool reached(const struct limits *l, const struct result *r, const char *side,
		    struct gate *g)
{
	const struct scenario *s = limits_scenario(l, l->scenario);
	double rate = median_of(figure_of(r, l->scenario, side, "rate"));

	if (rate >= JUDGE_REACHED * s->rate)
		return true;
	if (isnan(rate))
		note(g, "no run of %s%s was measured", s->name, side);
	else
		note(g, "the load %s%s reached only %.1f of %.1f requests/s", s->name, side, rate,
		     s->rate);
	return false;
}

/* ---- gates ---- */

/* Each fills in `measured` and `interval`; what it leaves NaN was not measured. */

static void judge_cpu(const struct limits *l, const struct result *r, struct gate *g)
{
	const struct figure *f = figure_of(r, l->scenario, with, "cpu.share");

	if (!reached(l, r, with, g) || !is_whole(f))
		return;
	g->measured = median_of(f);
	take_interval(g, f, 1);
	note(g, "under %s", l->scenario);
}

static void judge_memory(const struct limits *l, const struct result *r, struct gate *g)
{
	char cell[RESULT_NAME_BYTES];

	for (uint32_t i = 0; cell_of(l, i, cell); i++) {
		const struct figure *f = result_find(r, cell, "memory.peak");
		double peak;

		if (!is_whole(f)) {
			not_told(g, cell);
			return;
		}
		peak = statistics_summarise(f->sample, f->count).max / MEGA;
		if (!(peak > g->measured) && !isnan(g->measured))
			continue;
		g->measured = peak;
		take_interval(g, f, 1 / MEGA);
		note(g, "largest: %s", f->cell);
	}
}

static void judge_events(const struct limits *l, const struct result *r, struct gate *g)
{
	const struct figure *f = result_find(r, JUDGE_EVENTS, "matched");
	double offered = median_of(result_find(r, JUDGE_EVENTS, "rate"));

	if (!is_whole(f))
		return;
	/* Nobody can match what nobody asks. */
	if (!(median_of(f) > l->events_per_second) && !(offered > l->events_per_second)) {
		note(g, "the load asked only %.0f/s, of which %.0f/s were matched", offered,
		     median_of(f));
		return;
	}
	g->measured = median_of(f);
	take_interval(g, f, 1);
	note(g, "%.0f/s were asked", offered);
}

static void judge_latency(const struct limits *l, const struct result *r, struct gate *g)
{
	const struct figure *a = figure_of(r, l->scenario, without, "latency.p50"),
			    *b = figure_of(r, l->scenario, with, "latency.p50");
	double added[ROUNDS_MAX];
	size_t rounds;

	if (!reached(l, r, without, g) || !reached(l, r, with, g))
		return;
	if (!is_whole(a) || !is_whole(b) || a->count > ROUNDS_MAX)
		return;
	rounds = a->count < b->count ? a->count : b->count;
	for (size_t i = 0; i < rounds; i++)
		added[i] = (b->sample[i] - a->sample[i]) / MILLI;
	g->measured = statistics_summarise(added, rounds).median;
	g->interval = statistics_interval(added, rounds);
	note(g, "under %s, in each round; p50 is %.3f ms without, %.3f ms with", l->scenario,
	     median_of(a) / MILLI, median_of(b) / MILLI);
}

static void judge_errors(const struct limits *l, const struct result *r, struct gate *g)
{
	char cell[RESULT_NAME_BYTES];
	double run[ROUNDS_MAX], all = 0;

	for (uint32_t i = 0; cell_of(l, i, cell); i++) {
		const struct figure *due = result_find(r, cell, "due"),
				    *failed = result_find(r, cell, "failed");
		double share;

		if (!is_whole(failed) || !is_whole(due) || !(sum_of(due) > 0) ||
		    failed->count != due->count || due->count > ROUNDS_MAX) {
			not_told(g, cell);
			return;
		}
		all += sum_of(due);
		share = 100 * sum_of(failed) / sum_of(due);
		if (!(share > g->measured) && !isnan(g->measured))
			continue;
		for (size_t n = 0; n < due->count; n++)
			run[n] = 100 * failed->sample[n] / due->sample[n];
		g->measured = share;
		g->interval = statistics_interval(run, due->count);
		note(g, "%s: %.0f of %.0f", cell, sum_of(failed), sum_of(due));
	}
	if (g->measured <= 0)
		note(g, "none of %.0f", all);
}

static void judge_leak(const struct limits *l, const struct result *r, struct gate *g)
{
	const struct figure *growth = result_find(r, JUDGE_EVENTS, "leaked"),
			    *over = result_find(r, JUDGE_EVENTS, "leaked_over");
	double least;

	if (!is_whole(growth) || !is_whole(over))
		return;
	least = statistics_summarise(over->sample, over->count).min;
	if (least < l->leak_events) {
		note(g, "in one run only %.0f pairs were matched, and %.0f are needed", least,
		     l->leak_events);
		return;
	}
	g->measured = statistics_summarise(growth->sample, growth->count).max / MEGA;
	take_interval(g, growth, 1 / MEGA);
	note(g, "over %.0f pairs or more", least);
}

static void judge_heartbeat(const struct limits *l, const struct result *r, struct gate *g)
{
	char cell[RESULT_NAME_BYTES];
	double good = 0, all = 0, run[ROUNDS_MAX];
	size_t runs = 0;

	for (uint32_t i = 0; cell_of(l, i, cell); i++) {
		const struct figure *seconds = result_find(r, cell, "seconds"),
				    *f = result_find(r, cell, "heartbeat");

		if (!is_whole(seconds) || !is_whole(f) || f->count != seconds->count ||
		    runs + f->count > ROUNDS_MAX) {
			not_told(g, cell);
			return;
		}
		for (size_t n = 0; n < f->count; n++) {
			good += f->sample[n] / 100 * seconds->sample[n];
			all += seconds->sample[n];
			run[runs++] = f->sample[n];
		}
	}
	g->measured = 100 * good / all;
	g->interval = statistics_interval(run, runs);
	note(g, "of %.0f s in %zu runs", all, runs);
}

/* ---- all of them ---- */

static bool keeps(const struct gate *g)
{
	if (g->relation[0] == '<')
		return g->measured < g->limit;
	return g->relation[1] == '=' ? g->measured >= g->limit : g->measured > g->limit;
}

void judge(const struct limits *l, const struct result *r, struct gate ret[JUDGE_GATES])
{
	const struct {
		const char *name, *unit, *relation;
		double limit;
		void (*look)(const struct limits *l, const struct result *r, struct gate *g);
	} gates[JUDGE_GATES] = {
		{ "CPU overhead", "%", "<", l->cpu_percent, judge_cpu },
		{ "memory", "MB", "<", l->memory_mb, judge_memory },
		{ "events", "1/s", ">", l->events_per_second, judge_events },
		{ "added latency", "ms", "<", l->added_latency_ms, judge_latency },
		{ "error rate", "%", "<", l->error_percent, judge_errors },
		{ "leak", "MB", "<", l->leak_mb, judge_leak },
		{ "heartbeat", "%", ">=", l->heartbeat_percent, judge_heartbeat },
	};

	for (size_t i = 0; i < JUDGE_GATES; i++) {
		struct gate *g = &ret[i];

		*g = (struct gate){ .name = gates[i].name,
				    .unit = gates[i].unit,
				    .relation = gates[i].relation,
				    .limit = gates[i].limit,
				    .measured = NAN,
				    .interval = { NAN, NAN },
				    .verdict = GATE_NOT_MEASURED };
		gates[i].look(l, r, g);
		if (!isnan(g->measured))
			g->verdict = keeps(g) ? GATE_PASS : GATE_FAIL;
		else if (g->note[0] == '\0')
			note(g, "no run told it");
	}
}

/* ---- telling ---- */

const char *gate_verdict_name(enum gate_verdict v)
{
	static const char *const names[] = { "PASS", "FAIL", "FAIL (not measured)" };

	return names[v];
}

void gate_number(double value, char ret[GATE_NUMBER_BYTES])
{
	if (isnan(value))
		(void)snprintf(ret, GATE_NUMBER_BYTES, "-");
	else if (fabs(value) >= 1000)
		(void)snprintf(ret, GATE_NUMBER_BYTES, "%.0f", value);
	else
		(void)snprintf(ret, GATE_NUMBER_BYTES, "%.3g", value);
}
