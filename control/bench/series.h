/* series - cells in turn, several rounds, so that a machine that slows down slows them all.
 *
 *     round 1: a b c    round 2: b c a    round 3: c a b
 *
 * The first cell is run twice in every round; how much it differs from itself is the noise of the
 * harness, which stands beside every difference. Progress goes to standard error: what runs, which
 * of how many, how long it still takes; on a terminal one line that changes, else one per cell.
 * That something else kept the machine busy (figure `disturbed`) becomes a note.
 */
#ifndef CONTROL_BENCH_SERIES_H
#define CONTROL_BENCH_SERIES_H

#include <stdbool.h>
#include <stdint.h>

#include "control/bench/result.h"
#include "control/bench/trial.h"

struct series_cell {
	char name[RESULT_NAME_BYTES];
	struct trial_load load;
	struct trial_receiver receiver;
};

struct series {
	const char *what; /* "modes", for progress */
	struct place *place;
	const struct series_cell *cell;
	uint32_t cells;
	uint32_t rounds;
	double overhead_s; /* of a run, beside its load: starting, settling, ending */
	bool quiet;
	/* each - after a run; may be NULL. Not after the first cell's second run of a round, which
	 * is in no figure of the result but the noise. */
	void (*each)(const struct series_cell *c, uint32_t round, const struct trial_outcome *o,
		     void *user);
	void *user;
};

/* series_seconds - how long it will take. */
double series_seconds(const struct series *s);

/* series_run - every outcome into the result (trial_result), and the noise. INT and TERM end it
 * after the run under way; what was measured stays. A run that fails is tried once more. Returns:
 * 0; -EINTR; -errno and err. */
int series_run(const struct series *s, struct result *r, struct trial_error *err);

#endif
