/* grid - texts in columns, for a terminal or as Markdown. The first row is the head.
 *
 * Memory: grows with what is put; grid_fini() gives it back. A grid begins as
 *         { .columns = N, .left = mask }.
 */
#ifndef CONTROL_BENCH_GRID_H
#define CONTROL_BENCH_GRID_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "control/bench/report.h"

struct grid {
	size_t columns;
	uint64_t left; /* bit of each column that is flush left; numbers are not */
	char **text;   /* row by row */
	size_t count, room;
};

/* put - the next text of the row, or the first of the next. */
void grid_put(struct grid *g, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* write - plain lines have no blanks at their end. Characters of any script count as one column. */
void grid_write(const struct grid *g, enum report_style style, FILE *to);

void grid_fini(struct grid *g);

#endif
