/* shown - a figure as people read it, the same on the page, in a terminal and in a README. */
#ifndef CONTROL_BENCH_SHOWN_H
#define CONTROL_BENCH_SHOWN_H

#include <stdbool.h>
#include <stddef.h>

#include "control/bench/report.h"

enum { SHOWN_BYTES = 40 };

struct shown {
	const struct figure *figure;
	struct summary summary; /* scaled */
	char median[SHOWN_BYTES], low[SHOWN_BYTES], high[SHOWN_BYTES];
	bool compared; /* there is a reference, and this is not its cell; the rest is about that */
	struct difference difference; /* scaled */
	char change[SHOWN_BYTES], change_low[SHOWN_BYTES], change_high[SHOWN_BYTES];
};

/* number - three or more significant digits, thousands by commas. "-" for NaN. */
void shown_number(double value, char ret[SHOWN_BYTES]);

/* change - with its sign: in percent of `of`, or where that is 0 as a number. */
void shown_change(double change, double of, char ret[SHOWN_BYTES]);

/* percent - of a share; "not measured" for NaN. */
void shown_percent(double share, char ret[SHOWN_BYTES]);

/* cells - of the table, in their order: those of the layout that have one of its figures, or all
 * that do. Memory: *ret is freed by the caller, the names are borrowed. Returns: how many. */
size_t shown_cells(const struct result *r, const struct report_table *t, const char ***ret);

/* figure - of a cell and column. Returns: whether a run told it. */
bool shown_figure(const struct result *r, const struct report_table *t,
		  const struct report_column *c, const char *cell, struct shown *ret);

/* columns - of the table that a run of any of its cells told: a machine without a PMU has no
 * instructions. Memory: *ret is freed by the caller. Returns: how many. */
size_t shown_columns(const struct result *r, const struct report_table *t,
		     struct report_column **ret);

/* untold - the titles of the others, joined by commas; empty if there are none. */
void shown_untold(const struct result *r, const struct report_table *t, char *ret, size_t room);

/* title, unit - of a column. */
const char *shown_title(const struct report_column *c);
const char *shown_unit(const struct result *r, const struct report_column *c);

/* noise - a sentence about how much the harness differs from itself. */
void shown_noise(const struct result *r, char *ret, size_t room);

#endif
