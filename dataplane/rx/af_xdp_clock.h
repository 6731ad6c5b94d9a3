/* af_xdp_clock - from the program's time stamps, which are CLOCK_MONOTONIC, to the time of day.
 *
 * The two clocks run alike but for steps of the time of day, when somebody sets it. So their
 * difference is read anew every 100 ms of stamps; what differs by less than a step could is the
 * jitter of reading two clocks, and would only shuffle packets.
 *
 * Threads: the worker's.
 */
#ifndef DATAPLANE_RX_AF_XDP_CLOCK_H
#define DATAPLANE_RX_AF_XDP_CLOCK_H

#include <stdint.h>

#include "dataplane/base/clock.h"
#include "dataplane/base/compiler.h"

enum { AF_XDP_CLOCK_READ_NS = 100 * 1000 * 1000, AF_XDP_CLOCK_JITTER_NS = 10 * 1000 };

struct af_xdp_clock {
	int64_t offset_ns; /* time of day - monotonic */
	uint64_t next_ns;  /* monotonic time from which on it is read again */
};

static inline void af_xdp_clock_read(struct af_xdp_clock *c)
{
	uint64_t before_ns = clock_monotonic_ns(), wall_ns = clock_wall_ns();
	uint64_t after_ns = clock_monotonic_ns();
	int64_t offset_ns = (int64_t)(wall_ns - (before_ns + (after_ns - before_ns) / 2));
	int64_t change_ns = offset_ns - c->offset_ns;

	if (change_ns > AF_XDP_CLOCK_JITTER_NS || change_ns < -AF_XDP_CLOCK_JITTER_NS)
		c->offset_ns = offset_ns;
	c->next_ns = after_ns + AF_XDP_CLOCK_READ_NS;
}

/* af_xdp_clock_wall_ns - Cost: two additions; every 100 ms three clock reads. */
static inline uint64_t af_xdp_clock_wall_ns(struct af_xdp_clock *c, uint64_t monotonic_ns)
{
	if (unlikely(monotonic_ns >= c->next_ns))
		af_xdp_clock_read(c);
	return monotonic_ns + (uint64_t)c->offset_ns;
}

#endif
