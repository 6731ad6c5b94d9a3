/* plot - pictures by gnuplot: series of points with a band, as PNG and SVG.
 *
 * gnuplot (package gnuplot-nox) is run with a script on its standard input; colours are those of a
 * palette that colour-blind readers can tell apart (Okabe and Ito 2008).
 */
#ifndef CONTROL_BENCH_PLOT_H
#define CONTROL_BENCH_PLOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PLOT_ERROR_BYTES = 512 };

struct plot_line {
	const char *name; /* in the legend */
	uint32_t colour;  /* index into the palette: equal ones for what belongs together */
	const double *x, *y;
	const double *low, *high; /* a band; NULL: none */
	size_t count;
};

struct plot_bar {
	const char *name;
	double value, low, high;
	uint32_t colour;
};

struct plot_panel {
	const char *title, *x_label, *y_label; /* with units */
	const struct plot_line *line;
	size_t lines;
	const struct plot_bar *bar; /* instead of lines */
	size_t bars;
};

/* plot_draw - panels in a grid of so many columns, one legend; PATH.svg and PATH.png. Returns: 0;
 * -ENOENT: no gnuplot; -EIO: it complained, with err. */
int plot_draw(const char *path, const char *title, const struct plot_panel *panel, size_t panels,
	      size_t columns, char err[PLOT_ERROR_BYTES]);

#endif
