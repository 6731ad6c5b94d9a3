/* judge - do the figures of a run of gates keep within the limits?
 *
 * Cells are SCENARIO/with and SCENARIO/without (the capture), and JUDGE_EVENTS: as many requests as
 * the load can ask. Beside what trial_result() adds they have these figures, one sample a run:
 *
 *     cpu.share   %          CPU time of the capture's processes / wall time / cores
 *     matched     pairs/s    in the measured time
 *     due         requests   asked for by the load, of which `failed` have no good answer
 *     leaked      bytes      of Pss, in the second half of the measured time
 *     leaked_over pairs      matched meanwhile
 *     seconds     s
 *
 *     gate              of which cells          measured is
 *     cpu               limits.scenario/with    the median of the runs
 *     memory            all with                the largest peak
 *     events            JUDGE_EVENTS            the median
 *     added latency     limits.scenario         the median of (with - without), round by round
 *     errors            all with                all failed of all due, of the worst cell
 *     leak              JUDGE_EVENTS            the largest
 *     heartbeat         all with                all good seconds of all seconds
 *
 * What has no figure, in any run of any of its cells, or one that means nothing because the load
 * was not there, is not measured: that fails too, and never passes.
 */
#ifndef CONTROL_BENCH_JUDGE_H
#define CONTROL_BENCH_JUDGE_H

#include "control/bench/limits.h"
#include "control/bench/result.h"

#define JUDGE_EVENTS "events/with"

/* Of what is due under a scenario, so much has to be answered or it was not that scenario. */
#define JUDGE_REACHED 0.8

enum { JUDGE_GATES = 7, JUDGE_NOTE_BYTES = 160, GATE_NUMBER_BYTES = 32 };

enum gate_verdict { GATE_PASS, GATE_FAIL, GATE_NOT_MEASURED };

struct gate {
	const char *name, *unit;
	const char *relation; /* "<", ">", ">=": measured to limit */
	double limit, measured;
	struct interval interval; /* of the runs, see statistics_interval() */
	enum gate_verdict verdict;
	char note[JUDGE_NOTE_BYTES]; /* why it was not measured, or what else is to be known */
};

void judge(const struct limits *l, const struct result *r, struct gate ret[JUDGE_GATES]);

const char *gate_verdict_name(enum gate_verdict v); /* "PASS", "FAIL", "FAIL (not measured)" */

/* gate_number - as it is shown: three digits, and no fraction from a thousand on; - of NaN. */
void gate_number(double value, char ret[GATE_NUMBER_BYTES]);

#endif
