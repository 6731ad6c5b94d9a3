/* report - a result as people read it: DIR/report.html, plots, and the text files.
 *
 * The page is one file without a reference to anything else: styles and SVG are in it. Its tables
 * are made by a layout that the benchmark gives: rows are cells, columns are figures.
 */
#ifndef CONTROL_BENCH_REPORT_H
#define CONTROL_BENCH_REPORT_H

#include <stddef.h>
#include <stdio.h>

#include "control/bench/result.h"

struct report_column {
	const char *figure; /* a figure's name */
	const char *title;  /* NULL: the name */
	double scale;       /* shown value = value times scale; 0: 1 */
	const char *unit;   /* NULL: the figure's */
};

struct report_table {
	const char *title;
	const char *about;        /* a sentence or two; NULL: none */
	const char *first_column; /* "back end" */
	const char *const *cell; /* NULL-terminated; NULL: every cell that has one of the figures */
	const struct report_column *column;
	size_t columns;
	const char *reference; /* a cell; differences to it, with intervals, stand beside. NULL */
};

/* Rows that are not figures, such as verdicts: text as it is to be shown, row by row. It stands
 * before the tables. A row whose last text begins with FAIL is shown as bad, PASS as good (by more
 * than colour). */
struct report_words {
	const char *title, *about; /* about: NULL: none */
	const char *const *head;
	size_t columns;
	const char *const *text; /* rows * columns */
	size_t rows;
};

struct report_image {
	const char *title, *svg_path; /* put into the page as it is */
};

struct report {
	const char *title;                /* "What each back end costs" */
	const struct report_words *words; /* NULL: none */
	const struct report_table *table;
	size_t tables;
	const struct report_image *image;
	size_t images;
};

/* report_html - DIR/report.html. Returns: 0; -errno and err. */
int report_html(const struct result *r, const struct report *layout, const char *dir,
		char err[RESULT_ERROR_BYTES]);

/* report_text - the tables as Markdown or plain columns, for a terminal and a README. */
enum report_style { REPORT_PLAIN, REPORT_MARKDOWN };
void report_text(const struct result *r, const struct report *layout, enum report_style style,
		 FILE *to);

/* report_files - system_info.txt (the conditions), benchmark_summary_YYYYMMDD_HHMMSS.txt (a line
 * `NAME: SUCCESS (12s)` or `NAME: FAILED (12s)` per part), as users of the eBPF tracer know them.
 */
struct report_part {
	const char *name;
	double seconds;
	int failed;
};
int report_files(const struct result *r, const struct report_part *part, size_t parts,
		 const char *dir, char err[RESULT_ERROR_BYTES]);

#endif
