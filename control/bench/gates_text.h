/* gates_text - the text files that users of the eBPF HTTP tracer know, of one result of gates.
 *
 *     baseline_performance.txt            the judged scenario without the capture
 *     benchmark_SCENARIO_results.txt      with it, and how it differs from without
 *
 * Lines are those of the tracer, in its order, then what its files do not have; below them the same
 * as NAME=VALUE with the names of its fields and plain numbers. Counts are sums over all runs, the
 * others medians of the runs; what was not measured is not there.
 */
#ifndef CONTROL_BENCH_GATES_TEXT_H
#define CONTROL_BENCH_GATES_TEXT_H

#include <stdio.h>

#include "control/bench/limits.h"
#include "control/bench/result.h"

void gates_text_baseline(const struct limits *l, const struct result *r, FILE *to);
void gates_text_scenario(const struct scenario *s, const struct result *r, FILE *to);

/* gates_text_files - all of them, into DIR. Returns: 0; -errno and err. */
int gates_text_files(const struct limits *l, const struct result *r, const char *dir,
		     char err[RESULT_ERROR_BYTES]);

#endif
