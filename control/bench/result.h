/* result - what a benchmark found, with everything one needs to judge it: result.json.
 *
 * The schema is in control/bench/RESULT.md. A result is a list of conditions and a list of figures.
 * A figure is one number of one cell, with every raw sample in the order of the runs; medians and
 * intervals are computed by whoever shows them, never stored instead.
 *
 * Text is UTF-8 without control characters; what is none is replaced by `?` as it is added.
 *
 * Memory: grows with what is added; one that cannot be had ends the program, which is a benchmark.
 * Threads: one at a time.
 */
#ifndef CONTROL_BENCH_RESULT_H
#define CONTROL_BENCH_RESULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "control/bench/statistics.h"

enum {
	RESULT_SCHEMA = 1,
	RESULT_NAME_BYTES = 96,
	RESULT_ERROR_BYTES = 512,
	/* What a file may have at most. */
	RESULT_FIGURES_MAX = 10000,
	RESULT_CONDITIONS_MAX = 1000,
};

struct figure {
	char cell[RESULT_NAME_BYTES]; /* "af_xdp/64/500000": its parts are joined by / */
	char name[RESULT_NAME_BYTES]; /* "cpu", "lost.rx_ring", "latency.p99" */
	char unit[32];                /* "cycles/packet", "packets", "ns", "%" */
	enum better better;
	double *sample; /* NaN where a run did not tell; null in the file */
	size_t count;
};

struct condition {
	char section[32]; /* "machine", "lab", "options", "versions", "traffic" */
	char name[64];
	char *value;
};

struct result {
	char what[32];  /* "modes", "backends", "gates", "micro" */
	char begun[40]; /* RFC 3339, UTC */
	double noise;   /* relative; see statistics_compare(). NaN: not measured */
	struct condition *condition;
	size_t conditions;
	struct figure *figure; /* in the order in which they were first added */
	size_t figures;
	char **note; /* what one has to know to trust the figures, a sentence each */
	size_t notes;
};

struct result *result_new(const char *what);
void result_free(struct result *r);

/* condition - of this name replaces one of the same section and name; a section's stand together,
 * in the order in which they came. printf's format. */
void result_condition(struct result *r, const char *section, const char *name, const char *format,
		      ...) __attribute__((format(printf, 4, 5)));

/* result_machine - the conditions that every result has: kernel, distribution, CPU model, cores,
 * frequency governor, mitigations, virtualisation, memory, huge pages, busy polling, compiler,
 * version and git revision of weir, versions of the programs that take part. */
void result_machine(struct result *r);

/* result_note - one that is there already is not told twice. */
void result_note(struct result *r, const char *sentence);

/* result_add - one more sample of a figure, which is made if it is new. Infinite is NaN. Names have
 * to be shorter than RESULT_NAME_BYTES. */
void result_add(struct result *r, const char *cell, const char *name, const char *unit,
		enum better better, double value);

/* result_find - NULL: there is none. */
const struct figure *result_find(const struct result *r, const char *cell, const char *name);

/* result_compare - by the rule for its unit: counts (packets, requests, pairs, bytes in pages)
 * scatter by their number alone. */
struct difference result_compare(const struct figure *before, const struct figure *after,
				 double noise);

/* result_write - DIR/result.json, made beside and renamed, so that it is there whole or not.
 * Returns: 0; -errno, with the cause and remedy in err. */
int result_write(const struct result *r, const char *dir, char err[RESULT_ERROR_BYTES]);

/* result_read - a result.json, or a directory that has one. Keys that this weir does not know are
 * passed over. Returns: 0 and *ret; -errno; -EFBIG: beyond 256 MiB; -EINVAL: no result, or of a
 * schema that this weir does not know. err has the cause and remedy. */
int result_read(const char *path, struct result **ret, char err[RESULT_ERROR_BYTES]);

#endif
