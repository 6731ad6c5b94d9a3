/* plot - pictures by gnuplot: a script from panels, and an SVG that may stand in a page. */
#include "control/bench/plot.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "control/bench/run.h"

/* Pixels. */
enum {
	PANEL_WIDE = 700,
	PANEL_HIGH = 390,
	PANEL_LEFT = 105, /* numbers and the label of the axis */
	PANEL_RIGHT = 30,
	PANEL_TOP = 58,
	PANEL_BOTTOM = 82,
	BAR_HIGH = 34,
	BAR_NAME_MAX = 400,
	TITLE_HIGH = 50,
	KEY_HIGH = 30,
	KEY_SAMPLE = 90, /* and the space around it */
	LETTER_WIDE = 10,
	EDGE = 12,
	FONT = 16,
	POINTS_DRAWN = 2 * PANEL_WIDE, /* of a line; more than pixels would not be seen */
};

enum { COLOURS = 8, DASHES = 5, POINTS = 12, POINTS_SHOWN = 12, TICS = 7, TEXT_MAX = 400 };

/* Okabe and Ito, with a grey for their yellow, which is faint on white. */
static const char *const palette[COLOURS] = {
	"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#808080",
};
/* Open and filled shapes of gnuplot that differ most. */
static const int point_type[POINTS] = { 7, 5, 9, 13, 11, 6, 4, 8, 12, 10, 2, 1 };

const char *plot_colour(uint32_t colour)
{
	return palette[colour % COLOURS];
}

/* The drawing under way: what is where, in pixels. */
struct sheet {
	FILE *script;
	const struct plot_panel *panel;
	size_t panels, columns, rows;
	int wide, high, legend_top;
	size_t entries, entry_columns;
};

/* ---- text ---- */

/* utf8_bytes - of the well-formed character at s; 0: it is none, or not printable. */
static size_t utf8_bytes(const unsigned char *s)
{
	size_t n = s[0] < 0x80   ? 1
		   : s[0] < 0xc2 ? 0
		   : s[0] < 0xe0 ? 2
		   : s[0] < 0xf0 ? 3
		   : s[0] < 0xf5 ? 4
				 : 0;

	if (n == 1)
		return s[0] >= 0x20 && s[0] != 0x7f;
	for (size_t i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
	    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f) ||
	    (s[0] == 0xc2 && s[1] < 0xa0))
		return 0;
	return n;
}

/* put_text - as a string of gnuplot. In single quotes only the quote itself is special; a backquote
 * is replaced all the same, because elsewhere it runs a program. */
static void put_text(FILE *to, const char *text)
{
	const unsigned char *s = (const unsigned char *)(text != NULL ? text : "");
	size_t written = 0;

	fputc('\'', to);
	while (*s != '\0' && written++ < TEXT_MAX) {
		size_t n = utf8_bytes(s);

		if (n == 0 || *s == '`')
			fputc('?', to);
		else if (*s == '\'')
			fputs("''", to);
		else
			fwrite(s, 1, n, to);
		s += n == 0 ? 1 : n;
	}
	fputc('\'', to);
}

/* letters - what a text takes up, in letters. */
static size_t letters(const char *text)
{
	size_t n = 0;

	for (const char *s = text; s != NULL && *s != '\0'; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

static bool is_given(const char *text)
{
	return text != NULL && *text != '\0';
}

/* ---- legend ---- */

static bool same_entry(const struct plot_line *a, const struct plot_line *b)
{
	return a->colour == b->colour && strcmp(a->name, b->name) == 0;
}

/* is_first - no line before this one has its entry in the legend. */
static bool is_first(const struct sheet *s, size_t panel, size_t line)
{
	const struct plot_line *l = &s->panel[panel].line[line];

	if (l->name == NULL || s->panel[panel].bars > 0)
		return false;
	for (size_t p = 0; p <= panel; p++)
		for (size_t i = 0; i < (p < panel ? s->panel[p].lines : line); i++)
			if (s->panel[p].bars == 0 && s->panel[p].line[i].name != NULL &&
			    same_entry(&s->panel[p].line[i], l))
				return false;
	return true;
}

static void measure_legend(struct sheet *s)
{
	size_t longest = 0;

	for (size_t p = 0; p < s->panels; p++)
		for (size_t i = 0; i < s->panel[p].lines; i++)
			if (is_first(s, p, i)) {
				size_t n = letters(s->panel[p].line[i].name);

				longest = n > longest ? n : longest;
				s->entries++;
			}
	s->entry_columns = (size_t)(s->wide - 2 * EDGE) / (longest * LETTER_WIDE + KEY_SAMPLE);
	if (s->entry_columns == 0)
		s->entry_columns = 1;
	if (s->entry_columns > s->entries)
		s->entry_columns = s->entries;
}

static int legend_high(const struct sheet *s)
{
	if (s->entries == 0)
		return 0;
	return (int)((s->entries + s->entry_columns - 1) / s->entry_columns) * KEY_HIGH + 2 * EDGE;
}

/* ---- styles ---- */

static void put_line_style(FILE *to, uint32_t colour, size_t points)
{
	fprintf(to, "linespoints lc rgb '%s' lw 2 dt %u pt %d ps 0.7 pi %zu", plot_colour(colour),
		(unsigned)(colour / COLOURS % DASHES + 1), point_type[colour % POINTS],
		points > POINTS_SHOWN ? points / POINTS_SHOWN : 1);
}

static void put_legend(const struct sheet *s)
{
	const char *comma = "";

	fprintf(s->script,
		"set lmargin at screen 0\nset rmargin at screen 1\n"
		"set tmargin at screen 0.5\nset bmargin at screen 0.4\n"
		"unset border\nunset tics\nset xrange [0:1]\nset yrange [0:1]\n"
		"set key at screen 0.5, screen %.6f center top horizontal Left reverse noenhanced "
		"maxcols %zu samplen 3 spacing 1.3 width 2\nplot ",
		1 - (double)s->legend_top / s->high, s->entry_columns);
	for (size_t p = 0; p < s->panels; p++)
		for (size_t i = 0; i < s->panel[p].lines; i++) {
			const struct plot_line *l = &s->panel[p].line[i];

			if (!is_first(s, p, i))
				continue;
			fprintf(s->script, "%sNaN with ", comma);
			put_line_style(s->script, l->colour, 1);
			fputs(" title ", s->script);
			put_text(s->script, l->name);
			comma = ", ";
		}
	fputs("\nset border 3 lc rgb '#444444'\nset tics nomirror out\nunset key\n", s->script);
}

/* ---- data ---- */

struct range {
	double low, high;
};

static void widen(struct range *r, double v)
{
	if (!isfinite(v))
		return;
	r->low = v < r->low ? v : r->low;
	r->high = v > r->high ? v : r->high;
}

static bool can_be_shown(double v, bool is_log)
{
	return isfinite(v) && (!is_log || v > 0);
}

static bool has_band(const struct plot_panel *p, const struct plot_line *l, size_t i)
{
	return l->low != NULL && l->high != NULL && can_be_shown(l->x[i], p->x_log) &&
	       can_be_shown(l->low[i], p->y_log) && can_be_shown(l->high[i], p->y_log);
}

static bool has_point(const struct plot_panel *p, const struct plot_line *l, size_t i)
{
	return can_be_shown(l->x[i], p->x_log) && can_be_shown(l->y[i], p->y_log);
}

/* group_of - how many points of a line are drawn as two, the least and the most: gnuplot takes
 * minutes for a day of samples, and whoever looks sees the same. 1: each as it is. */
static size_t group_of(const struct plot_line *l)
{
	return l->count > POINTS_DRAWN ? (l->count + PANEL_WIDE - 1) / PANEL_WIDE : 1;
}

/* put_points - of the group from..to: the least and the most, in their order. An empty line is a
 * gap, which neither a line nor a band goes across. */
static void put_points(FILE *script, const struct plot_panel *p, const struct plot_line *l,
		       size_t from, size_t to)
{
	size_t least = to, most = to, gaps = 0;

	for (size_t k = from; k < to; k++) {
		if (!has_point(p, l, k)) {
			gaps++;
			continue;
		}
		least = least == to || l->y[k] < l->y[least] ? k : least;
		most = most == to || l->y[k] > l->y[most] ? k : most;
	}
	for (size_t k = from; k < to; k++)
		if (k == least || k == most)
			fprintf(script, "%.17g %.17g\n", l->x[k], l->y[k]);
	if (gaps > 0)
		fputc('\n', script);
}

/* put_band - the same of a band, as wide as it is anywhere in the group. */
static void put_band(FILE *script, const struct plot_panel *p, const struct plot_line *l,
		     size_t from, size_t to)
{
	double low = INFINITY, high = -INFINITY;
	size_t first = to, gaps = 0;

	for (size_t k = from; k < to; k++) {
		if (!has_band(p, l, k)) {
			gaps++;
			continue;
		}
		first = first == to ? k : first;
		low = fmin(low, l->low[k]);
		high = fmax(high, l->high[k]);
	}
	if (first < to)
		fprintf(script, "%.17g %.17g %.17g\n", l->x[first], low, high);
	if (gaps > 0)
		fputc('\n', script);
}

static void put_blocks(const struct sheet *s, size_t number)
{
	const struct plot_panel *p = &s->panel[number];

	for (size_t i = 0; i < p->lines; i++) {
		const struct plot_line *l = &p->line[i];
		size_t group = group_of(l);

		fprintf(s->script, "$line_%zu_%zu << END_OF_BLOCK\n", number, i);
		for (size_t k = 0; k < l->count; k += group)
			put_points(s->script, p, l, k, k + group < l->count ? k + group : l->count);
		fprintf(s->script, "END_OF_BLOCK\n$band_%zu_%zu << END_OF_BLOCK\n", number, i);
		for (size_t k = 0; k < l->count; k += group)
			put_band(s->script, p, l, k, k + group < l->count ? k + group : l->count);
		fputs("END_OF_BLOCK\n", s->script);
	}
}

static void find_ranges(const struct plot_panel *p, struct range *x, struct range *y)
{
	*x = *y = (struct range){ INFINITY, -INFINITY };
	for (size_t i = 0; i < p->lines; i++)
		for (size_t k = 0; k < p->line[i].count; k++) {
			const struct plot_line *l = &p->line[i];

			if (has_point(p, l, k)) {
				widen(x, l->x[k]);
				widen(y, l->y[k]);
			}
			if (has_band(p, l, k)) {
				widen(x, l->x[k]);
				widen(y, l->low[k]);
				widen(y, l->high[k]);
			}
		}
}

/* ---- panels ---- */

/* put_number - as people write it on an axis: 150, 1.5k, 20M. `digits`: that matter. */
static void put_number(FILE *to, double v, int digits)
{
	static const struct {
		double from, by;
		const char *suffix;
	} scale[] = { { 1e13, 1, "" }, { 1e10, 1e9, "G" }, { 1e7, 1e6, "M" }, { 1e4, 1e3, "k" } };

	for (size_t i = 0; i < sizeof(scale) / sizeof(scale[0]); i++)
		if (fabs(v) >= scale[i].from) {
			fprintf(to, "%.*g%s", digits, v / scale[i].by, scale[i].suffix);
			return;
		}
	fprintf(to, "%.*g", digits, v);
}

/* tic_step - 1, 2 or 5 times a power of ten: the least that makes no more than so many tics. */
static double tic_step(double width, int most)
{
	double step = pow(10, floor(log10(width / most)));

	while (width / step > most)
		step *= width / (2 * step) <= most ? 2 : width / (5 * step) <= most ? 5 : 10;
	return step;
}

/* put_tics - all in the same unit, so that they can be compared at a glance. */
static void put_tics(FILE *to, char axis, const struct range *r, int most)
{
	double step = tic_step(r->high - r->low, most);
	double top = fmax(fabs(r->low), fabs(r->high));
	double by = top >= 1e10 ? 1e9 : top >= 1e7 ? 1e6 : top >= 1e4 ? 1e3 : 1;
	const char *suffix = by > 1e6 ? "G" : by > 1e3 ? "M" : by > 1 ? "k" : "";
	const char *comma = "";

	fprintf(to, "unset %ctics\nset %ctics nomirror (", axis, axis);
	for (int i = 0; i <= most; i++) {
		double v = (ceil(r->low / step) + i) * step;

		if (v > r->high)
			break;

		fprintf(to, "%s'%.6g%s' %.17g", comma, v == 0 ? 0 : v / by, v == 0 ? "" : suffix,
			v);
		comma = ", ";
	}
	fputs(")\n", to);
}

/* put_range - from 0 where nothing is below it. */
static void put_range(FILE *to, char axis, struct range r, bool from_zero, bool is_log)
{
	double room;

	if (is_log) {
		fprintf(to, "set log %c\nset %crange [%.17g:%.17g]\nset %ctics nomirror auto\n",
			axis, axis, r.low / 1.3, r.high * 1.3, axis);
		return;
	}
	if (from_zero && r.low >= 0)
		r.low = 0;
	room = r.high > r.low ? (r.high - r.low) * 0.06 : fmax(fabs(r.high) * 0.1, 1);
	/* What is never below 0 does not begin there. */
	r.low = r.low >= 0 ? fmax(r.low - (from_zero ? 0 : room), 0) : r.low - room;
	r.high += room;
	fprintf(to, "unset log %c\nset %crange [%.17g:%.17g]\n", axis, axis, r.low, r.high);
	put_tics(to, axis, &r, TICS);
}

static int bar_name_wide(const struct plot_panel *p)
{
	size_t longest = 0;

	for (size_t i = 0; i < p->bars; i++) {
		size_t n = letters(p->bar[i].name);

		longest = n > longest ? n : longest;
	}
	longest = longest * LETTER_WIDE + 20;
	return longest > BAR_NAME_MAX ? BAR_NAME_MAX : (int)longest;
}

static int panel_high(const struct plot_panel *p)
{
	int bars = (int)p->bars * BAR_HIGH + PANEL_TOP + PANEL_BOTTOM;

	return p->bars > 0 ? bars : PANEL_HIGH;
}

static int row_high(const struct sheet *s, size_t row)
{
	int most = 0;

	for (size_t c = 0; c < s->columns && row * s->columns + c < s->panels; c++) {
		int high = panel_high(&s->panel[row * s->columns + c]);

		most = high > most ? high : most;
	}
	return most;
}

static void put_place(const struct sheet *s, size_t number, int top)
{
	const struct plot_panel *p = &s->panel[number];
	int left = EDGE + (int)(number % s->columns) * PANEL_WIDE;
	int from = left + (p->bars > 0 ? bar_name_wide(p) : PANEL_LEFT);
	int bottom = top + panel_high(p) - PANEL_BOTTOM;

	fprintf(s->script,
		"set lmargin at screen %.6f\nset rmargin at screen %.6f\n"
		"set tmargin at screen %.6f\nset bmargin at screen %.6f\n",
		(double)from / s->wide, (double)(left + PANEL_WIDE - PANEL_RIGHT) / s->wide,
		1 - (double)(top + PANEL_TOP) / s->high, 1 - (double)bottom / s->high);
}

static void put_labels(FILE *to, const char *title, const char *x, const char *y)
{
	fputs("set title ", to);
	put_text(to, title);
	fputs(" noenhanced offset 0,-0.3\nset xlabel ", to);
	put_text(to, x);
	fputs(" noenhanced\nset ylabel ", to);
	put_text(to, y);
	fputs(" noenhanced\n", to);
}

static size_t count_band(const struct plot_panel *p, const struct plot_line *l)
{
	size_t n = 0;

	for (size_t k = 0; k < l->count; k++)
		n += has_band(p, l, k);
	return n;
}

static size_t count_points(const struct plot_panel *p, const struct plot_line *l)
{
	size_t n = 0;

	for (size_t k = 0; k < l->count; k++)
		n += has_point(p, l, k);
	return n;
}

/* Bands first, so that no line is below another's. */
static void put_plots(const struct sheet *s, size_t number)
{
	const struct plot_panel *p = &s->panel[number];
	const char *word = "plot ";

	for (size_t i = 0; i < p->lines; i++) {
		if (count_band(p, &p->line[i]) == 0)
			continue;
		fprintf(s->script,
			"%s$band_%zu_%zu using 1:2:3 with filledcurves fs solid noborder lc rgb "
			"'#c0%s' notitle",
			word, number, i, plot_colour(p->line[i].colour) + 1);
		word = ", ";
	}
	for (size_t i = 0; i < p->lines; i++) {
		if (count_points(p, &p->line[i]) == 0)
			continue;
		fprintf(s->script, "%s$line_%zu_%zu using 1:2 with ", word, number, i);
		put_line_style(s->script, p->line[i].colour,
			       p->line[i].count > POINTS_DRAWN ? POINTS_DRAWN : p->line[i].count);
		fputs(" notitle", s->script);
		word = ", ";
	}
	fputc('\n', s->script);
}

/* A panel without a point says so: an empty one would look like a mistake. */
static void put_nothing(const struct sheet *s)
{
	fputs("unset log\nset xrange [0:1]\nset yrange [0:1]\nset format ''\n"
	      "set label 1 'no data' at graph 0.5, graph 0.5 center tc rgb '#666666'\n"
	      "plot NaN notitle\nunset label 1\n",
	      s->script);
}

static void put_lines(const struct sheet *s, size_t number)
{
	const struct plot_panel *p = &s->panel[number];
	struct range x, y;

	put_labels(s->script, p->title, p->x_label, p->y_label);
	fputs("set format '%g'\nset xtics nomirror auto\nset ytics nomirror auto\nset grid xtics "
	      "ytics lc rgb "
	      "'#cccccc' lw 1 dt 1\n",
	      s->script);
	find_ranges(p, &x, &y);
	if (x.low > x.high || y.low > y.high) {
		put_nothing(s);
		return;
	}
	put_range(s->script, 'x', x, false, p->x_log);
	put_range(s->script, 'y', y, true, p->y_log);
	put_plots(s, number);
}

static bool has_interval(const struct plot_bar *b)
{
	return isfinite(b->value) && isfinite(b->low) && isfinite(b->high);
}

static void put_bar_rows(const struct sheet *s, size_t number)
{
	const struct plot_panel *p = &s->panel[number];

	fprintf(s->script, "$bars_%zu << END_OF_BLOCK\n", number);
	for (size_t i = 0; i < p->bars; i++)
		if (isfinite(p->bar[i].value))
			fprintf(s->script, "%.17g %zu 0x%s\n", p->bar[i].value, i,
				plot_colour(p->bar[i].colour) + 1);
	fprintf(s->script, "END_OF_BLOCK\n$intervals_%zu << END_OF_BLOCK\n", number);
	for (size_t i = 0; i < p->bars; i++)
		if (has_interval(&p->bar[i]))
			fprintf(s->script, "%.17g %zu %.17g %.17g\n", p->bar[i].value, i,
				p->bar[i].low, p->bar[i].high);
	fputs("END_OF_BLOCK\n", s->script);
}

static void put_value(FILE *to, size_t bar, double value, double at)
{
	fprintf(to, "set label %zu '", bar + 1);
	put_number(to, value, 4);
	fprintf(to, "' at first %.17g, %zu left offset 0.8,0\n", at, bar);
}

/* The value in figures stands behind its bar and its interval. */
static void put_bar_names(const struct sheet *s, const struct plot_panel *p, const struct range *r)
{
	const char *comma = "";

	fputs("unset ytics\nset ytics nomirror scale 0 (", s->script);
	for (size_t i = 0; i < p->bars; i++) {
		fputs(comma, s->script);
		put_text(s->script, p->bar[i].name);
		fprintf(s->script, " %zu", i);
		comma = ", ";
	}
	fputs(") noenhanced\n", s->script);
	for (size_t i = 0; i < p->bars; i++) {
		const struct plot_bar *b = &p->bar[i];
		double at = has_interval(b) ? fmax(fmax(b->high, b->value), 0) : fmax(b->value, 0);

		if (isfinite(b->value))
			put_value(s->script, i, b->value, at);
		else
			fprintf(s->script,
				"set label %zu 'not measured' at first %.17g, %zu left offset "
				"0.8,0 tc "
				"rgb '#666666'\n",
				i + 1, fmax(r->low, 0), i);
	}
}

static void put_bars(const struct sheet *s, size_t number)
{
	const struct plot_panel *p = &s->panel[number];
	struct range r = { 0, 0 };
	size_t values = 0, intervals = 0;

	for (size_t i = 0; i < p->bars; i++) {
		widen(&r, p->bar[i].value);
		values += isfinite(p->bar[i].value);
		if (!has_interval(&p->bar[i]))
			continue;
		widen(&r, p->bar[i].low);
		widen(&r, p->bar[i].high);
		intervals++;
	}
	put_labels(s->script, p->title, p->y_label, NULL);
	put_bar_rows(s, number);
	put_bar_names(s, p, &r);
	if (r.high <= r.low)
		r.high = 1;
	r = (struct range){ r.low - (r.low < 0 ? 0.05 * (r.high - r.low) : 0),
			    r.high + 0.16 * (r.high - r.low) };
	put_tics(s->script, 'x', &r, TICS);
	fprintf(s->script,
		"unset log\nset grid xtics noytics lc rgb '#cccccc' lw 1 dt 1\n"
		"set xrange [%.17g:%.17g]\nset yrange [%.1f:-0.6]\nplot NaN notitle",
		r.low, r.high, (double)p->bars - 0.4);
	if (values > 0)
		fprintf(s->script,
			", $bars_%zu using (0):2:(0):1:($2-0.36):($2+0.36):3 with boxxyerror fs "
			"solid 0.85 noborder lc rgb var notitle",
			number);
	if (intervals > 0)
		fprintf(s->script,
			", $intervals_%zu using 1:2:3:4 with xerrorbars lc rgb '#222222' lw 2 pt 7 "
			"ps 0.4 notitle",
			number);
	fprintf(s->script, "\nunset label\nunset ytics\nset ytics nomirror scale 1 auto\n");
}

/* ---- the script ---- */

static void lay_out(struct sheet *s, const char *title)
{
	s->rows = (s->panels + s->columns - 1) / s->columns;
	s->wide = (int)s->columns * PANEL_WIDE + 2 * EDGE;
	measure_legend(s);
	s->legend_top = EDGE + (is_given(title) ? TITLE_HIGH : 0);
	s->high = s->legend_top + legend_high(s) + EDGE;
	for (size_t r = 0; r < s->rows; r++)
		s->high += row_high(s, r);
}

static void put_script(struct sheet *s, const char *terminal, const char *title)
{
	int top = s->legend_top + legend_high(s);

	fprintf(s->script, "set terminal %s size %d,%d\nset encoding utf8\n", terminal, s->wide,
		s->high);
	for (size_t i = 0; i < s->panels; i++)
		if (s->panel[i].bars == 0)
			put_blocks(s, i);
	fputs("set multiplot\nset border 3 lc rgb '#444444'\nset tics nomirror out\nunset key\n"
	      "set datafile missing 'NaN'\n",
	      s->script);
	if (is_given(title)) {
		fputs("set label 999 ", s->script);
		put_text(s->script, title);
		fprintf(s->script, " at screen 0.5, screen %.6f center noenhanced font ',%d'\n",
			1 - (EDGE + TITLE_HIGH / 2.0) / s->high, FONT + 6);
	}
	if (s->entries > 0) {
		put_legend(s);
		fputs("unset label 999\n", s->script);
	}
	for (size_t i = 0; i < s->panels; i++) {
		put_place(s, i, top);
		if (s->panel[i].bars > 0)
			put_bars(s, i);
		else
			put_lines(s, i);
		fputs("unset label 999\n", s->script);
		if (i % s->columns == s->columns - 1)
			top += row_high(s, i / s->columns);
	}
	fputs("unset multiplot\n", s->script);
}

/* ---- gnuplot ---- */

/* first_line - of what it complained, with what it points at left out. */
static void first_line(int fd, char ret[256])
{
	char text[4096];
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
	char *at, *save = NULL;

	text[n < 0 ? 0 : n] = '\0';
	ret[0] = '\0';
	for (at = strtok_r(text, "\n", &save); at != NULL; at = strtok_r(NULL, "\n", &save)) {
		size_t skip = strspn(at, " \t^");

		if (at[skip] == '\0' || strncasecmp(at, "fontconfig", 10) == 0)
			continue;
		(void)snprintf(ret, 256, "%.200s", at + skip);
		if (strstr(at, "line ") != NULL)
			return;
	}
}

static int spawn(const char *gnuplot, const int fd[3], pid_t *ret)
{
	char *argv[] = { (char[]){ "gnuplot" }, (char[]){ "--default-settings" }, (char[]){ "-" },
			 NULL };
	posix_spawn_file_actions_t actions;
	int err = posix_spawn_file_actions_init(&actions);

	if (err != 0)
		return -err;
	for (int i = 0; i < 3 && err == 0; i++)
		err = posix_spawn_file_actions_adddup2(&actions, fd[i], i);
	if (err == 0)
		err = posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
	if (err == 0)
		err = posix_spawn(ret, gnuplot, &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	return -err;
}

/* draw - the script in fd[0], the picture in fd[1], complaints in fd[2]: files in memory, so that
 * neither side ever waits for the other. */
static int draw(const char *gnuplot, const int fd[3], char err[PLOT_ERROR_BYTES])
{
	char line[256];
	int status = 0, bad;
	struct stat st;
	pid_t pid;

	lseek(fd[0], 0, SEEK_SET);
	bad = spawn(gnuplot, fd, &pid);
	if (bad < 0) {
		(void)snprintf(err, PLOT_ERROR_BYTES, "%s cannot be started: %s", gnuplot,
			       strerror(-bad));
		return -EIO;
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -EIO;
	if (status == 0 && fstat(fd[1], &st) == 0 && st.st_size > 0)
		return 0;
	first_line(fd[2], line);
	(void)snprintf(
		err, PLOT_ERROR_BYTES,
		"gnuplot did not draw the picture: %s; is gnuplot-nox 5.4 or newer installed?",
		line[0] != '\0' ? line : "it ended without a word");
	return -EIO;
}

/* ---- files ---- */

static int write_file(const char *path, const char *kind, const char *bytes, size_t count,
		      char err[PLOT_ERROR_BYTES])
{
	char name[PATH_MAX];
	FILE *f;
	int bad = 0;

	if (snprintf(name, sizeof(name), "%s.%s", path, kind) >= (int)sizeof(name)) {
		(void)snprintf(err, PLOT_ERROR_BYTES, "the path of the picture is too long");
		return -ENAMETOOLONG;
	}
	errno = 0;
	f = fopen(name, "we");
	if (f == NULL || fwrite(bytes, 1, count, f) != count)
		bad = errno != 0 ? -errno : -EIO;
	if (f != NULL && fclose(f) != 0 && bad == 0)
		bad = -errno;
	if (bad < 0)
		(void)snprintf(
			err, PLOT_ERROR_BYTES,
			"%.300s cannot be written: %s; is the folder there, with room and the "
			"right to write?",
			name, strerror(-bad));
	return bad;
}

/* ---- svg ---- */

static uint32_t hash(const char *path, const char *bytes, size_t count)
{
	uint32_t h = 2166136261U;

	for (; *path != '\0'; path++)
		h = (h ^ (unsigned char)*path) * 16777619U;
	for (size_t i = 0; i < count; i++)
		h = (h ^ (unsigned char)bytes[i]) * 16777619U;
	return h;
}

/* is_reference - behind what the name of an element follows. */
static size_t is_reference(const char *at)
{
	static const char *const before[] = { " id='", " id=\"", "href='#", "href=\"#", "url(#" };

	for (size_t i = 0; i < sizeof(before) / sizeof(before[0]); i++)
		if (strncmp(at, before[i], strlen(before[i])) == 0)
			return strlen(before[i]);
	return 0;
}

static void put_escaped(FILE *to, const char *text)
{
	const unsigned char *s = (const unsigned char *)(text != NULL ? text : "");

	while (*s != '\0') {
		size_t n = utf8_bytes(s);

		if (n == 0)
			fputc('?', to);
		else if (*s == '<' || *s == '&')
			fputs(*s == '<' ? "&lt;" : "&amp;", to);
		else
			fwrite(s, 1, n, to);
		s += n == 0 ? 1 : n;
	}
}

/* own_ids - from gnuplot's SVG what may stand in a page: from <svg on, every name with a prefix of
 * this picture's, and one title in place of those which would show up under the mouse. */
static void own_ids(const char *svg, const char *title, uint32_t own, FILE *to)
{
	const char *at = strstr(svg, "<svg");
	bool titled = false;

	while (at != NULL && *at != '\0') {
		size_t n = is_reference(at);

		if (strncmp(at, "<title>", 7) == 0) {
			const char *end = strstr(at, "</title>");

			if (end == NULL)
				return;
			at = end + 8;
			if (titled)
				continue;
			fputs("<title>", to);
			put_escaped(to, title);
			fputs("</title>", to);
			titled = true;
			continue;
		}
		if (n > 0) {
			fprintf(to, "%.*sp%08x_", (int)n, at, own);
			at += n;
			continue;
		}
		fputc(*at++, to);
	}
}

static int write_svg(const char *path, const char *title, const char *svg, size_t count,
		     char err[PLOT_ERROR_BYTES])
{
	char *text = NULL;
	size_t bytes = 0;
	FILE *to = open_memstream(&text, &bytes);
	int bad;

	if (to == NULL)
		return -ENOMEM;
	own_ids(svg, title, hash(path, svg, count), to);
	fclose(to);
	bad = write_file(path, "svg", text, bytes, err);
	free(text);
	return bad;
}

/* ---- drawing ---- */

/* one_picture - by that terminal, into PATH.KIND. */
static int one_picture(struct sheet *s, const char *gnuplot, const char *path, const char *title,
		       bool is_svg, char err[PLOT_ERROR_BYTES])
{
	static const char svg[] = "svg dynamic enhanced font 'sans-serif,16' background '#ffffff'";
	static const char png[] = "pngcairo enhanced font 'Sans,12' background '#ffffff'";
	int fd[3] = { -1, -1, -1 }, bad = 0;
	struct stat st;
	char *bytes;

	for (int i = 0; i < 3; i++) {
		fd[i] = memfd_create("weir-plot", MFD_CLOEXEC);
		bad = fd[i] < 0 ? -errno : bad;
	}
	s->script = bad == 0 ? fdopen(dup(fd[0]), "w") : NULL;
	if (s->script == NULL) {
		bad = bad < 0 ? bad : -errno;
		(void)snprintf(err, PLOT_ERROR_BYTES, "no memory for a picture: %s",
			       strerror(-bad));
		goto out;
	}
	put_script(s, is_svg ? svg : png, title);
	fclose(s->script);
	bad = draw(gnuplot, fd, err);
	if (bad < 0 || fstat(fd[1], &st) < 0)
		goto out;
	bytes = calloc(1, (size_t)st.st_size + 1);
	if (bytes == NULL || pread(fd[1], bytes, (size_t)st.st_size, 0) != st.st_size)
		bad = -ENOMEM;
	else if (is_svg)
		bad = write_svg(path, title, bytes, (size_t)st.st_size, err);
	else
		bad = write_file(path, "png", bytes, (size_t)st.st_size, err);
	free(bytes);
out:
	for (int i = 0; i < 3; i++)
		if (fd[i] >= 0)
			close(fd[i]);
	return bad;
}

int plot_draw(const char *path, const char *title, const struct plot_panel *panel, size_t panels,
	      size_t columns, char err[PLOT_ERROR_BYTES])
{
	struct sheet s = { .panel = panel, .panels = panels, .columns = columns > 0 ? columns : 1 };
	char gnuplot[PATH_MAX];
	int bad;

	err[0] = '\0';
	if (run_find("gnuplot", gnuplot) < 0) {
		(void)snprintf(err, PLOT_ERROR_BYTES,
			       "there is no gnuplot to draw pictures with; install the package "
			       "gnuplot-nox");
		return -ENOENT;
	}
	if (s.columns > panels && panels > 0)
		s.columns = panels;
	lay_out(&s, title);
	bad = one_picture(&s, gnuplot, path, title, true, err);
	return bad < 0 ? bad : one_picture(&s, gnuplot, path, title, false, err);
}
