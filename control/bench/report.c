#include "control/bench/report.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "control/bench/beside.h"
#include "control/bench/shown.h"
#include "control/export/text/json.h"
#include "dataplane/base/ensure.h"

/* ---- the page ---- */

/* Colours of Paul Tol's schemes, which the colour-blind can tell apart; and never colour alone. */
static const char style[] =
	":root{color-scheme:light dark;--back:#fff;--text:#1b1b1b;--dim:#5c5c5c;--line:#d0d0d0;"
	"--head:#f1f3f5;--bar:#9ec3e0;--dot:#0b4f8a;--ref:#c9c9c9;--bad:#a5360a;--good:#00608a}\n"
	"@media(prefers-color-scheme:dark){:root{--back:#16181b;--text:#e6e6e6;--dim:#a0a0a0;"
	"--line:#3c4045;--head:#22262a;--bar:#2f5f86;--dot:#a9d4f5;--ref:#5a5f65;--bad:#f4a582;"
	"--good:#7cc7ee}}\n"
	"*{box-sizing:border-box}\n"
	"body{margin:0;background:var(--back);color:var(--text);"
	"font:15px/1.45 system-ui,-apple-system,\"Segoe UI\",\"DejaVu Sans\",sans-serif}\n"
	"main{max-width:1320px;margin:0 auto;padding:24px}\n"
	"h1{font-size:1.7em;margin:0 0 4px}h2{font-size:1.25em;margin:36px 0 6px}\n"
	"p{margin:6px 0;max-width:90ch}.dim{color:var(--dim)}\n"
	".wide{overflow-x:auto}\n"
	"table{border-collapse:collapse;margin:10px 0;font-variant-numeric:tabular-nums}\n"
	"th,td{border-bottom:1px solid var(--line);padding:5px 12px 5px 8px;text-align:right;"
	"vertical-align:top;white-space:nowrap}\n"
	"thead th{background:var(--head);vertical-align:bottom;white-space:normal}\n"
	"th.name,td.text{text-align:left}td.text{white-space:normal;overflow-wrap:anywhere}\n"
	"th small,td small{display:block;font-weight:normal;color:var(--dim);font-size:.86em}\n"
	"td small{max-width:21ch;margin-left:auto;white-space:normal}"
	"td .change{display:block;font-size:.9em}.bad{color:var(--bad);font-weight:600}"
	".good{color:var(--good);font-weight:600}\n"
	"tr.reference th,tr.reference td{background:var(--head)}\n"
	".charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(460px,1fr));gap:18px}\n"
	"figure{margin:8px 0}figcaption{font-weight:600;margin-bottom:2px}\n"
	"svg,img{max-width:100%;height:auto}img{background:#fff}\n"
	"svg text{font:12px system-ui,\"DejaVu Sans\",sans-serif;fill:var(--text)}\n"
	"svg .axis{stroke:var(--line);stroke-width:1}svg .bar{fill:var(--bar)}"
	"svg .ref{fill:var(--ref)}\n"
	"svg .range{stroke:var(--text);stroke-width:1.5}"
	"svg .dot{fill:none;stroke:var(--dot);stroke-width:1.4}\n"
	"td.text.long{max-width:100ch}\n"
	"@media print{:root{--back:#fff;--text:#000;--dim:#444;--line:#bbb;--head:#eee;"
	"--bar:#9ec3e0;--dot:#0b4f8a;--ref:#c9c9c9;--bad:#a5360a;--good:#00608a}"
	"@page{size:landscape;margin:12mm}body{font-size:9px}section{break-before:auto}"
	"figure,tr{break-inside:avoid}main{max-width:none;padding:0}.wide{overflow:visible}"
	"th,td,td small{white-space:normal}}\n";

/* put_text - so that it is text wherever it stands, in HTML and in XML. */
static void put_text(FILE *to, const char *text)
{
	for (; *text != '\0'; text++) {
		switch (*text) {
		case '&': fputs("&amp;", to); break;
		case '<': fputs("&lt;", to); break;
		case '>': fputs("&gt;", to); break;
		case '"': fputs("&quot;", to); break;
		case '\'': fputs("&#39;", to); break;
		default: fputc((unsigned char)*text < ' ' ? ' ' : *text, to);
		}
	}
}

/* put_element - `<NAME>text</NAME>`; `open` may have attributes of our own. */
static void put_element(FILE *to, const char *open, const char *text)
{
	fprintf(to, "<%s>", open);
	put_text(to, text);
	fprintf(to, "</%.*s>", (int)strcspn(open, " "), open);
}

static const char *condition(const struct result *r, const char *section, const char *name)
{
	for (size_t i = 0; i < r->conditions; i++)
		if (strcmp(r->condition[i].section, section) == 0 &&
		    strcmp(r->condition[i].name, name) == 0)
			return r->condition[i].value;
	return NULL;
}

static void put_head(FILE *to, const struct result *r, const char *title)
{
	static const char *const about[][2] = { { "machine", "CPU" },
						{ "machine", "kernel" },
						{ "versions", "weir" },
						{ "versions", "git revision" } };
	char noise[256];

	fputs("<!DOCTYPE html>\n<html lang=\"en\" xmlns=\"http://www.w3.org/1999/xhtml\">\n<head>\n"
	      "<meta charset=\"utf-8\"/>\n"
	      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n",
	      to);
	put_element(to, "title", title);
	fprintf(to, "\n<style>\n%s</style>\n</head>\n<body>\n<main>\n", style);
	put_element(to, "h1", title);
	fputs("\n<p class=\"dim\">weir bench ", to);
	put_text(to, r->what);
	fputs(", ", to);
	put_text(to, r->begun);
	for (size_t i = 0; i < sizeof(about) / sizeof(about[0]); i++) {
		const char *value = condition(r, about[i][0], about[i][1]);

		if (value != NULL) {
			fprintf(to, " · %s ", about[i][1]);
			put_text(to, value);
		}
	}
	fputs("</p>\n", to);
	shown_noise(r, noise, sizeof(noise));
	put_element(to, "p", noise);
	fputs("\n", to);
}

/* ---- rows of words ---- */

static const char *class_of_words(const struct report_words *w, size_t row)
{
	const char *last = w->text[row * w->columns + w->columns - 1];

	if (last == NULL)
		return "";
	return strncmp(last, "FAIL", 4) == 0   ? " bad"
	       : strncmp(last, "PASS", 4) == 0 ? " good"
					       : "";
}

static void put_words(FILE *to, const struct report_words *w)
{
	if (w == NULL || w->columns == 0)
		return;
	fputs("<section>\n", to);
	put_element(to, "h2", w->title);
	fputs("\n", to);
	if (w->about != NULL)
		put_element(to, "p", w->about);
	fputs("<div class=\"wide\"><table>\n<thead><tr>", to);
	for (size_t c = 0; c < w->columns; c++)
		put_element(to, "th class=\"name\"", w->head[c]);
	fputs("</tr></thead>\n<tbody>\n", to);
	for (size_t row = 0; row < w->rows; row++) {
		fputs("<tr>", to);
		for (size_t c = 0; c < w->columns; c++) {
			const char *text = w->text[row * w->columns + c];

			fprintf(to, "<td class=\"text%s\">",
				c + 1 == w->columns ? class_of_words(w, row) : "");
			put_text(to, text != NULL ? text : "");
			fputs("</td>", to);
		}
		fputs("</tr>\n", to);
	}
	fputs("</tbody>\n</table></div>\n</section>\n", to);
}

/* ---- figures ---- */

static const char *class_of(const struct shown *s)
{
	switch (s->difference.verdict) {
	case VERDICT_WORSE: return " bad";
	case VERDICT_BETTER: return " good";
	default: return "";
	}
}

static void put_change(FILE *to, const struct shown *s, const char *noise)
{
	enum verdict v = s->difference.verdict;
	bool judged = s->figure->better != BETTER_NEITHER || v == VERDICT_UNKNOWN;
	bool alike = s->difference.interval.low == 0 && s->difference.interval.high == 0;

	if (alike) {
		fputs("<span class=\"change\">no difference</span>", to);
		return;
	}
	fprintf(to, "<span class=\"change%s\">%s%s%s</span>", class_of(s), s->change,
		judged ? " " : "", judged ? verdict_name(v) : "");
	if (v != VERDICT_UNKNOWN)
		fprintf(to, "<small>%s to %s; noise %s</small>", s->change_low, s->change_high,
			noise);
}

static void put_cell(FILE *to, const struct result *r, const struct report_table *t,
		     const struct report_column *c, const char *cell)
{
	struct shown s;
	char noise[SHOWN_BYTES];

	if (!shown_figure(r, t, c, cell, &s)) {
		fputs("<td>–</td>", to);
		return;
	}
	shown_percent(r->noise, noise);
	fprintf(to, "<td>%s", s.median);
	if (strcmp(s.low, s.high) != 0)
		fprintf(to, "<small>%s to %s</small>", s.low, s.high);
	if (s.compared)
		put_change(to, &s, noise);
	fputs("</td>", to);
}

static void put_table_head(FILE *to, const struct result *r, const struct report_table *t)
{
	fputs("<thead><tr>", to);
	put_element(to, "th class=\"name\"", t->first_column != NULL ? t->first_column : "");
	for (size_t i = 0; i < t->columns; i++) {
		fputs("<th>", to);
		put_text(to, shown_title(&t->column[i]));
		put_element(to, "small", shown_unit(r, &t->column[i]));
		fputs("</th>", to);
	}
	fputs("</tr></thead>\n", to);
}

/* ---- charts: each column of a table, with every run as a ring ---- */

enum {
	CHART_WIDTH = 600,
	CHART_ROW = 22,
	CHART_LABEL_MAX = 34,
	CHART_CHARACTER = 7,
	CHART_RIGHT = 26,
	CHART_AXIS = 40,
	CHART_TICKS = 5,
};

struct chart {
	double least, most; /* of the axis */
	double step;
	int left, height;
};

/* step_of - 1, 2 or 5 times a power of ten, so that at most CHART_TICKS fit into `range`. */
static double step_of(double range)
{
	double power = pow(10, floor(log10(range / CHART_TICKS))),
	       part = range / CHART_TICKS / power;

	return power * (part <= 1 ? 1 : part <= 2 ? 2 : part <= 5 ? 5 : 10);
}

static bool measure_chart(const struct result *r, const struct report_table *t,
			  const struct report_column *column, const char *const *cell, size_t cells,
			  struct chart *ret)
{
	size_t longest = 0;

	*ret = (struct chart){ .height = (int)cells * CHART_ROW + CHART_AXIS };
	for (size_t i = 0; i < cells; i++) {
		size_t length = strlen(cell[i]);
		struct shown s;

		longest = length > longest ? length : longest;
		if (!shown_figure(r, t, column, cell[i], &s))
			continue;
		ret->least = fmin(ret->least, s.summary.min);
		ret->most = fmax(ret->most, s.summary.max);
	}
	if (!(ret->most > ret->least) || !isfinite(ret->most - ret->least))
		return false; /* nothing, or nothing but zeros: the table says so */
	longest = longest < CHART_LABEL_MAX ? longest : CHART_LABEL_MAX;
	ret->left = (int)longest * CHART_CHARACTER + 12;
	ret->step = step_of(ret->most - ret->least);
	return true;
}

static double x_of(const struct chart *c, double value)
{
	double share = (value - c->least) / (c->most - c->least);

	return c->left + share * (CHART_WIDTH - c->left - CHART_RIGHT);
}

static void put_label(FILE *to, const struct chart *c, const char *cell, int y)
{
	size_t length = strlen(cell), kept = length;

	if (length > CHART_LABEL_MAX)
		for (kept = CHART_LABEL_MAX - 1; ((unsigned char)cell[kept] & 0xc0) == 0x80; kept--)
			;
	fprintf(to, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">", c->left - 8, y + 15);
	for (size_t i = 0; i < kept; i++)
		put_text(to, (const char[]){ cell[i], '\0' });
	fprintf(to, "%s</text>", kept < length ? "…" : "");
}

static void put_bar(FILE *to, const struct chart *c, const struct shown *s, double scale, int y,
		    bool reference)
{
	double zero = x_of(c, 0), median = x_of(c, s->summary.median);

	fprintf(to, "<rect class=\"%s\" x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"14\"/>",
		reference ? "ref" : "bar", fmin(zero, median), y + 4, fabs(median - zero));
	fprintf(to, "<line class=\"range\" x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\"/>",
		x_of(c, s->summary.interval.low), y + 11, x_of(c, s->summary.interval.high),
		y + 11);
	for (size_t i = 0; i < s->figure->count; i++)
		if (!isnan(s->figure->sample[i]))
			fprintf(to, "<circle class=\"dot\" cx=\"%.1f\" cy=\"%d\" r=\"3\"/>",
				x_of(c, s->figure->sample[i] * scale), y + 11);
}

static void put_axis(FILE *to, const struct chart *c, const char *unit)
{
	int bottom = c->height - CHART_AXIS;
	double first = ceil(c->least / c->step);

	for (double i = first; i * c->step <= c->most * (1 + 1e-9) && i < first + 20; i++) {
		char label[SHOWN_BYTES];
		double x = x_of(c, i * c->step);

		/* rounded, because 3 times 0.1 is not 0.3 */
		shown_number(
			strtod((snprintf(label, sizeof(label), "%.12g", i * c->step), label), NULL),
			label);
		fprintf(to,
			"<line class=\"axis\" x1=\"%.1f\" y1=\"0\" x2=\"%.1f\" y2=\"%d\"/>"
			"<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%s</text>",
			x, x, bottom + 4, x, bottom + 18, label);
	}
	fprintf(to, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">",
		(c->left + CHART_WIDTH - CHART_RIGHT) / 2, bottom + 34);
	put_text(to, unit);
	fputs("</text>", to);
}

static void put_chart(FILE *to, const struct result *r, const struct report_table *t,
		      const struct report_column *column, const char *const *cell, size_t cells)
{
	struct chart c;

	if (!measure_chart(r, t, column, cell, cells, &c))
		return;
	fputs("<figure>", to);
	put_element(to, "figcaption", shown_title(column));
	fprintf(to,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" "
		"height=\"%d\" role=\"img\">",
		CHART_WIDTH, c.height, CHART_WIDTH, c.height);
	put_axis(to, &c, shown_unit(r, column));
	for (size_t i = 0; i < cells; i++) {
		int y = (int)i * CHART_ROW;
		struct shown s;

		put_label(to, &c, cell[i], y);
		if (shown_figure(r, t, column, cell[i], &s))
			put_bar(to, &c, &s, column->scale != 0 ? column->scale : 1, y,
				t->reference != NULL && strcmp(t->reference, cell[i]) == 0);
	}
	fputs("</svg></figure>\n", to);
}

static void put_table(FILE *to, const struct result *r, const struct report_table *layout)
{
	struct report_table told = *layout, *t = &told;
	struct report_column *column;
	const char **cell;
	size_t cells = shown_cells(r, layout, &cell);
	char untold[512];

	t->columns = shown_columns(r, layout, &column);
	t->column = column;
	shown_untold(r, layout, untold, sizeof(untold));
	fputs("<section>\n", to);
	put_element(to, "h2", t->title);
	fputs("\n", to);
	if (t->about != NULL)
		put_element(to, "p", t->about);
	if (t->reference != NULL) {
		fputs("<p class=\"dim\">Differences are to ", to);
		put_text(to, t->reference);
		fputs(".</p>\n", to);
	}
	if (untold[0] != '\0') {
		fputs("<p class=\"dim\">Not told here: ", to);
		put_text(to, untold);
		fputs(".</p>\n", to);
	}
	fputs("<div class=\"wide\"><table>\n", to);
	put_table_head(to, r, t);
	fputs("<tbody>\n", to);
	for (size_t i = 0; i < cells; i++) {
		bool reference = t->reference != NULL && strcmp(t->reference, cell[i]) == 0;

		fprintf(to, "<tr%s>", reference ? " class=\"reference\"" : "");
		put_element(to, "th class=\"name\"", cell[i]);
		for (size_t c = 0; c < t->columns; c++)
			put_cell(to, r, t, &t->column[c], cell[i]);
		fputs("</tr>\n", to);
	}
	fputs("</tbody>\n</table></div>\n<div class=\"charts\">\n", to);
	for (size_t c = 0; c < t->columns; c++)
		put_chart(to, r, t, &t->column[c], cell, cells);
	fputs("</div>\n</section>\n", to);
	free(column);
	free(cell);
}

/* ---- images ---- */

/* put_image - as data in the page: nothing in it can reach out of its frame, or into another's. */
static bool put_image(FILE *to, const struct report_image *image)
{
	FILE *f = fopen(image->svg_path, "re");
	uint8_t block[3 << 10]; /* whole groups of three */
	char text[JSON_BASE64_ROOM(sizeof(block)) + JSON_SLACK_BYTES];
	size_t got;

	if (f == NULL)
		return false;
	fputs("<figure>", to);
	put_element(to, "figcaption", image->title);
	fputs("<img alt=\"", to);
	put_text(to, image->title);
	fputs("\" src=\"data:image/svg+xml;base64,", to);
	while ((got = fread(block, 1, sizeof(block), f)) > 0) {
		char *end = json_base64(text, block, got);

		fwrite(text + 1, 1, (size_t)(end - text) - 2, to); /* without its quotes */
	}
	(void)fclose(f);
	fputs("\"/></figure>\n", to);
	return true;
}

static void put_images(FILE *to, const struct report *layout)
{
	if (layout->images == 0)
		return;
	fputs("<section>\n<h2>Pictures</h2>\n", to);
	for (size_t i = 0; i < layout->images; i++)
		if (!put_image(to, &layout->image[i])) {
			fputs("<p class=\"dim\">", to);
			put_text(to, layout->image[i].title);
			fputs(": there is no picture.</p>\n", to);
		}
	fputs("</section>\n", to);
}

/* ---- what one has to know ---- */

static void put_notes(FILE *to, const struct result *r, bool tables)
{
	fputs("<section>\n<h2>How to read this</h2>\n<ul>\n", to);
	if (tables)
		fputs("<li>Each figure is the median of its runs, below it its interval of 95 % "
		      "(with fewer than six runs from the least to the largest). Rings are runs, "
		      "the line is that interval.</li>\n"
		      "<li>Below a difference is its interval of 95 %, and the noise: what a "
		      "configuration differs from itself. <i>Better</i> and <i>worse</i> are said "
		      "only of what is beyond both, and of at least three runs.</li>\n",
		      to);
	for (size_t i = 0; i < r->notes; i++) {
		put_element(to, "li", r->note[i]);
		fputs("\n", to);
	}
	fputs("</ul>\n</section>\n", to);
}

static void put_conditions(FILE *to, const struct result *r)
{
	const char *section = "";

	fputs("<section>\n<h2>Conditions</h2>\n<table>\n<tbody>\n", to);
	for (size_t i = 0; i < r->conditions; i++) {
		const struct condition *c = &r->condition[i];

		if (strcmp(c->section, section) != 0) {
			fputs("<tr>", to);
			put_element(to, "th class=\"name\" colspan=\"2\"", c->section);
			fputs("</tr>\n", to);
		}
		section = c->section;
		fputs("<tr>", to);
		put_element(to, "td class=\"text\"", c->name);
		put_element(to, "td class=\"text long\"", c->value);
		fputs("</tr>\n", to);
	}
	fputs("</tbody>\n</table>\n</section>\n", to);
}

int report_html(const struct result *r, const struct report *layout, const char *dir,
		char err[RESULT_ERROR_BYTES])
{
	struct beside b;
	int code = beside_open(dir, "report.html", &b);

	if (code == 0) {
		put_head(b.file, r, layout->title);
		put_words(b.file, layout->words);
		for (size_t i = 0; i < layout->tables; i++)
			put_table(b.file, r, &layout->table[i]);
		put_images(b.file, layout);
		put_notes(b.file, r, layout->tables > 0);
		put_conditions(b.file, r);
		fputs("</main>\n</body>\n</html>\n", b.file);
		code = beside_close(&b);
	}
	if (code < 0)
		(void)snprintf(
			err, RESULT_ERROR_BYTES,
			"%.300s cannot be written: %s; name another folder with --output-dir",
			b.path, strerror(-code));
	return code;
}
