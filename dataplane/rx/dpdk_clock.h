/* dpdk_clock - from the ticks of a port's own clock to the time of day.
 *
 * A port that stamps packets does it by a clock of which nothing is known but that it runs evenly:
 * neither where it began nor how fast it goes. So it is read beside the time of day: at the start,
 * some milliseconds later, then every second. What two readings far apart say is the rate; the
 * offset follows slowly, so that time stamps never jump by what reading costs.
 *
 * No DPDK type in here. Threads: one at a time.
 */
#ifndef DATAPLANE_RX_DPDK_CLOCK_H
#define DATAPLANE_RX_DPDK_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

struct dpdk_clock {
	uint64_t ticks, wall_ns;             /* of the last reading */
	uint64_t first_ticks, first_wall_ns; /* of that which the rate is reckoned from */
	double ns_per_tick;                  /* 0: not known yet */
};

/* dpdk_clock_read - the port's clock said `ticks` when the time of day was `wall_ns`. A reading
 * that does not fit what was known (the clock was set, or stood) begins anew. */
void dpdk_clock_read(struct dpdk_clock *c, uint64_t ticks, uint64_t wall_ns);

static inline bool dpdk_clock_known(const struct dpdk_clock *c)
{
	return c->ns_per_tick > 0;
}

/* dpdk_clock_wall_ns - the rate must be known. Stamps from before the last reading are right too.
 */
static inline uint64_t dpdk_clock_wall_ns(const struct dpdk_clock *c, uint64_t ticks)
{
	int64_t since = (int64_t)(ticks - c->ticks);

	return c->wall_ns + (uint64_t)(int64_t)((double)since * c->ns_per_tick);
}

#endif
