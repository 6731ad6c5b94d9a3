/* together - the workers of a file end at the same packet, also when they are stopped.
 *
 * Each walks the whole input and keeps what is its own, so a packet that one has walked past and
 * its owner never came to would be in nobody's books. Whoever stops first goes on to where the one
 * that is furthest was.
 *
 * Threads: each function for the worker whose number is given; all may call at the same time.
 * Memory: a cache line per worker, within the struct.
 */
#ifndef DATAPLANE_TOGETHER_H
#define DATAPLANE_TOGETHER_H

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/base/compiler.h"
#include "dataplane/shm/settings.h"

struct together_worker {
	_Alignas(CACHE_LINE_BYTES) _Atomic uint64_t packets; /* writer: the worker */
	_Atomic bool ended;
};

struct together {
	uint32_t workers;
	struct together_worker worker[SETTINGS_WORKERS_MAX];
};

void together_init(struct together *t, uint32_t workers);

/* together_walked - so many packets more, before anything is done with them: the others have to be
 * able to see where a worker is that waits for one of them. */
void together_walked(struct together *t, uint32_t worker, uint32_t packets);

/* together_ended - from here on the worker walks only to where another one is. */
void together_ended(struct together *t, uint32_t worker);

/* together_left - packets that another has walked past and this worker has not.
 * ret_final: all have ended, so there will be no more. */
uint64_t together_left(const struct together *t, uint32_t worker, bool *ret_final);

#endif
