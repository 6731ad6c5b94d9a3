/* stage - what each stage of the pipeline costs: one burst in 64 is timed.
 *
 * A stage that is entered takes over the clock and hands it back when it is
 * left, so nested stages (dissect in reassembly, pair in dissect, emit in
 * pair) are each charged with their own cycles only. While no burst is timed
 * this is a store and a branch.
 *
 * Threads: one timer per worker.
 */
#ifndef DATAPLANE_STAGE_H
#define DATAPLANE_STAGE_H

#include "dataplane/base/clock.h"
#include "dataplane/shm/settings.h"

enum { STAGE_TIMED_ONE_IN = 64 };

struct stage_timer {
	uint64_t since;
	uint64_t cycles[STAGE_COUNT];
	uint8_t now; /* enum stage */
	bool on;
};

/* stage_switch - from here on `to` is charged. Returns the stage to switch back to. */
static inline enum stage stage_switch(struct stage_timer *t, enum stage to)
{
	enum stage from = (enum stage)t->now;

	t->now = (uint8_t)to;
	if (unlikely(t->on)) {
		uint64_t now = clock_cycles();

		t->cycles[from] += now - t->since;
		t->since = now;
	}
	return from;
}

#endif
