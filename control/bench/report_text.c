/* report_text - the tables for a terminal and a README, and the files that users of the eBPF tracer
 * know.
 */
#include "control/bench/report.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/bench/beside.h"
#include "control/bench/grid.h"
#include "control/bench/shown.h"

/* ---- tables ---- */

static void put_title(const char *title, const char *about, enum report_style style, FILE *to)
{
	fprintf(to, "%s%s\n", style == REPORT_MARKDOWN ? "### " : "", title);
	if (about != NULL)
		fprintf(to, "%s%s\n", style == REPORT_MARKDOWN ? "\n" : "", about);
	fputs("\n", to);
}

static void fill_figure(struct grid *g, const struct shown *s)
{
	if (strcmp(s->low, s->high) != 0)
		grid_put(g, "%s (%s to %s)", s->median, s->low, s->high);
	else
		grid_put(g, "%s", s->median);
}

static void fill_change(struct grid *g, const struct shown *s, bool told)
{
	bool judged = told && s->compared && s->figure->better != BETTER_NEITHER;

	if (!told || !s->compared)
		grid_put(g, "%s", "");
	else if (s->difference.interval.low == 0 && s->difference.interval.high == 0)
		grid_put(g, "%s", verdict_name(VERDICT_SAME));
	else if (s->difference.verdict == VERDICT_UNKNOWN)
		grid_put(g, "%s %s", s->change, verdict_name(VERDICT_UNKNOWN));
	else
		grid_put(g, "%s (%s to %s)%s%s", s->change, s->change_low, s->change_high,
			 judged ? " " : "", judged ? verdict_name(s->difference.verdict) : "");
}

static void fill_row(struct grid *g, const struct result *r, const struct report_table *t,
		     const char *cell)
{
	grid_put(g, "%s", cell);
	for (size_t c = 0; c < t->columns; c++) {
		struct shown s;
		bool told = shown_figure(r, t, &t->column[c], cell, &s);

		if (told)
			fill_figure(g, &s);
		else
			grid_put(g, "-");
		if (t->reference != NULL)
			fill_change(g, &s, told);
	}
}

static void put_table(const struct result *r, const struct report_table *layout,
		      enum report_style style, FILE *to)
{
	struct report_table told = *layout, *t = &told;
	struct report_column *column;
	char noise[SHOWN_BYTES], untold[512];
	const char **cell;
	size_t cells = shown_cells(r, layout, &cell);
	struct grid g = { .left = 1 };

	t->columns = shown_columns(r, layout, &column);
	t->column = column;
	g.columns = 1 + t->columns * (t->reference != NULL ? 2 : 1);
	shown_untold(r, layout, untold, sizeof(untold));
	shown_percent(r->noise, noise);
	put_title(t->title, t->about, style, to);
	grid_put(&g, "%s", t->first_column != NULL ? t->first_column : "");
	for (size_t c = 0; c < t->columns; c++) {
		const char *unit = shown_unit(r, &t->column[c]);

		grid_put(&g, "%s%s%s", shown_title(&t->column[c]), unit[0] != '\0' ? ", " : "",
			 unit);
		if (t->reference != NULL)
			grid_put(&g, "to %s; noise %s", t->reference, noise);
	}
	for (size_t i = 0; i < cells; i++)
		fill_row(&g, r, t, cell[i]);
	grid_write(&g, style, to);
	if (untold[0] != '\0')
		fprintf(to, "%sNot told here: %s.\n", style == REPORT_MARKDOWN ? "\n" : "", untold);
	fputs("\n", to);
	grid_fini(&g);
	free(column);
	free(cell);
}

static void put_words(const struct report_words *w, enum report_style style, FILE *to)
{
	struct grid g = { .columns = w->columns, .left = UINT64_MAX };

	put_title(w->title, w->about, style, to);
	for (size_t c = 0; c < w->columns; c++)
		grid_put(&g, "%s", w->head[c]);
	for (size_t i = 0; i < w->rows * w->columns; i++)
		grid_put(&g, "%s", w->text[i] != NULL ? w->text[i] : "");
	grid_write(&g, style, to);
	fputs("\n", to);
	grid_fini(&g);
}

void report_text(const struct result *r, const struct report *layout, enum report_style style,
		 FILE *to)
{
	char noise[256];

	if (layout->words != NULL && layout->words->columns > 0)
		put_words(layout->words, style, to);
	for (size_t i = 0; i < layout->tables; i++)
		put_table(r, &layout->table[i], style, to);
	shown_noise(r, noise, sizeof(noise));
	fprintf(to, "%s%s\n", style == REPORT_MARKDOWN ? "- " : "", noise);
	for (size_t i = 0; i < r->notes; i++)
		fprintf(to, "%s%s\n", style == REPORT_MARKDOWN ? "- " : "", r->note[i]);
}

/* ---- files ---- */

static int closed(struct beside *b, int code, char err[RESULT_ERROR_BYTES])
{
	if (code == 0)
		code = beside_close(b);
	if (code < 0)
		(void)snprintf(
			err, RESULT_ERROR_BYTES,
			"%.300s cannot be written: %s; name another folder with --output-dir",
			b->path, strerror(-code));
	return code;
}

static int write_system(const struct result *r, const char *dir, char err[RESULT_ERROR_BYTES])
{
	struct beside b;
	int code = beside_open(dir, "system_info.txt", &b);
	const char *section = "";

	if (code == 0) {
		fprintf(b.file, "weir bench %s, %s\n", r->what, r->begun);
		for (size_t i = 0; i < r->conditions; i++) {
			const struct condition *c = &r->condition[i];

			if (strcmp(c->section, section) != 0)
				fprintf(b.file, "\n[%s]\n", c->section);
			section = c->section;
			fprintf(b.file, "%s: %s\n", c->name, c->value);
		}
	}
	return closed(&b, code, err);
}

/* stamp - YYYYMMDD_HHMMSS of when the benchmark began. */
static void stamp(const struct result *r, char ret[16])
{
	size_t used = 0;

	for (const char *c = r->begun; *c != '\0' && used < 15; c++) {
		if (used == 8)
			ret[used++] = '_';
		if (isdigit((unsigned char)*c))
			ret[used++] = *c;
	}
	ret[used] = '\0';
}

static int write_summary(const struct result *r, const struct report_part *part, size_t parts,
			 const char *dir, char err[RESULT_ERROR_BYTES])
{
	char name[64], when[16];
	struct beside b;
	int code;

	stamp(r, when);
	(void)snprintf(name, sizeof(name), "benchmark_summary_%s.txt", when);
	code = beside_open(dir, name, &b);
	for (size_t i = 0; code == 0 && i < parts; i++)
		fprintf(b.file, "%s: %s (%.0fs)\n", part[i].name,
			part[i].failed ? "FAILED" : "SUCCESS", part[i].seconds);
	return closed(&b, code, err);
}

int report_files(const struct result *r, const struct report_part *part, size_t parts,
		 const char *dir, char err[RESULT_ERROR_BYTES])
{
	int code = write_system(r, dir, err);

	return code < 0 ? code : write_summary(r, part, parts, dir, err);
}
