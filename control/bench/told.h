/* told - what the programs of a trial say of it in the end: books, JSON and tables, as figures.
 *
 * Texts come from our own programs and from wrk and hey, whose formats are theirs. What is not told
 * stays NaN in the outcome.
 *
 * All: Returns: 0; -EINVAL: it is no such text; the outcome may have taken a part of it then.
 */
#ifndef CONTROL_BENCH_TOLD_H
#define CONTROL_BENCH_TOLD_H

#include "control/bench/trial.h"

/* told_nothing - an outcome before anybody has said anything. */
void told_nothing(struct trial_outcome *ret);

/* told_ledger - `--ledger FILE`: received refused lost pairs stage_cycles pair_delay closed, and
 * what the source says was offered, which counts only where the load does not say it. */
int told_ledger(const char *json, struct trial_outcome *ret, double *ret_offered);

/* told_send - `weir send --json`: offered rate late; the numbers of the first and last frame. */
int told_send(const char *json, struct trial_outcome *ret, double *ret_first, double *ret_last);

/* told_load - `weir bench load --json`. */
int told_load(const char *json, struct trial_outcome *ret);

/* told_wrk - `wrk --latency`; told_hey. */
int told_wrk(const char *text, struct trial_outcome *ret);
int told_hey(const char *text, struct trial_outcome *ret);

/* told_selected - how many of the frames first to last, of so many flows, belong to one of them. */
double told_selected(double first, double last, uint32_t flows, uint32_t flow);

#endif
