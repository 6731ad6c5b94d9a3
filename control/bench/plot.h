/* plot - pictures by gnuplot: series of points with a band, or bars with intervals, as PNG and SVG.
 *
 *                     title
 *              legend of all panels
 *     +- title -------+  +- title -------+
 *     |   panel 0     |  |   panel 1     |    as many columns as asked for
 *     +---------------+  +---------------+
 *
 * gnuplot (package gnuplot-nox) gets a script on its standard input and writes on its standard
 * output: neither a shell nor a path of ours is in between, and names that come from outside are
 * quoted. Colours are those of a palette that colour-blind readers can tell apart (Okabe and Ito
 * 2008); beyond its eight, dashes and points tell lines apart.
 *
 * The SVG has no prologue, scales with its place, and its ids are its own, so that several stand in
 * one page of HTML as they are.
 */
#ifndef CONTROL_BENCH_PLOT_H
#define CONTROL_BENCH_PLOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PLOT_ERROR_BYTES = 512 };

struct plot_line {
	const char *name;         /* in the legend, once for all panels; NULL: not there */
	uint32_t colour;          /* index into the palette: equal ones for what belongs together */
	const double *x, *y;      /* NaN: a gap */
	const double *low, *high; /* a band; NULL: none */
	size_t count;
};

struct plot_bar {
	const char *name;
	double value, low, high; /* low and high NaN: no interval */
	uint32_t colour;
};

/* Bars lie down: their names on the left, the value's axis below, which has y_label nevertheless;
 * x_label is not shown, because names speak for themselves. */
struct plot_panel {
	const char *title, *x_label, *y_label; /* with units; NULL: none */
	const struct plot_line *line;
	size_t lines;
	const struct plot_bar *bar; /* instead of lines */
	size_t bars;
	bool x_log, y_log; /* of lines; what is not above 0 is a gap then */
};

/* plot_draw - panels in a grid of so many columns, one legend; PATH.svg and PATH.png. Returns: 0;
 * -ENOENT: no gnuplot; -EIO: it complained; -errno: a file cannot be written. err: cause and remedy
 * in one sentence. */
int plot_draw(const char *path, const char *title, const struct plot_panel *panel, size_t panels,
	      size_t columns, char err[PLOT_ERROR_BYTES]);

/* plot_colour - of the palette, as #rrggbb. */
const char *plot_colour(uint32_t colour);

#endif
