/* nap - how long a worker sleeps when its rings are empty.
 *
 * Being woken for each packet costs several times what the packet costs
 * itself; so while traffic flows a worker sleeps on a timer, for a quarter of the time in which
 * its rings would fill at the rate it sees, and only when nothing has come for 10 ms does it sleep
 * until it is woken.
 *
 *     traffic, empty rings            nap 50 us … 1 ms
 *     nothing for 10 ms               poll() on the sources
 *     sources that gather by          poll() at once: the kernel wakes once per block
 *     themselves (ring_packets 0)
 *
 * Threads: the worker. Pure arithmetic: no clock is read and nothing sleeps here.
 */
#ifndef DATAPLANE_NAP_H
#define DATAPLANE_NAP_H

#include <stdint.h>

#define NAP_MIN_NS   (50 * UINT64_C(1000))
#define NAP_MAX_NS   (1000 * UINT64_C(1000))
#define NAP_QUIET_NS (10 * UINT64_C(1000000))

struct nap {
	uint64_t ring_packets; /* of the smallest ring; 0: the sources gather by themselves */
	uint64_t packets;      /* since the last question */
	uint64_t asked_ns;     /* when that was; 0: never */
	uint64_t busy_ns;      /* when packets were last seen */
	uint64_t gap_ns_q8;    /* mean time between packets, in 1/256 ns; 0: unknown */
};

/* nap_saw - so many packets were pulled. */
static inline void nap_saw(struct nap *n, uint32_t packets)
{
	n->packets += packets;
}

/* nap_ns - the rings are empty at `now_ns` (CLOCK_MONOTONIC): how long to nap. 0: sleep until
 * something comes. */
uint64_t nap_ns(struct nap *n, uint64_t now_ns);

#endif
