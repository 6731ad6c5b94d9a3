/* dpdk_clock - the rate and the offset of a port's clock, from readings beside the time of day. */
#include "dataplane/rx/dpdk_clock.h"

/* What is further from the expected than this is a clock that was set, not drift or jitter. */
static const int64_t step_ns = 1000 * 1000;

static void begin(struct dpdk_clock *c, uint64_t ticks, uint64_t wall_ns)
{
	*c = (struct dpdk_clock){ .ticks = ticks,
				  .wall_ns = wall_ns,
				  .first_ticks = ticks,
				  .first_wall_ns = wall_ns,
				  .ns_per_tick = c->ns_per_tick };
}

void dpdk_clock_read(struct dpdk_clock *c, uint64_t ticks, uint64_t wall_ns)
{
	int64_t off_ns;

	if (c->first_wall_ns == 0 || ticks <= c->first_ticks || wall_ns <= c->first_wall_ns) {
		begin(c, ticks, wall_ns);
		return;
	}
	off_ns = dpdk_clock_known(c) ? (int64_t)(wall_ns - dpdk_clock_wall_ns(c, ticks)) : 0;
	if (off_ns > step_ns || off_ns < -step_ns) {
		begin(c, ticks, wall_ns);
		return;
	}
	/* A quarter of the way: jitter of reading is smoothed, drift is caught up with. */
	c->wall_ns = dpdk_clock_known(c) ? wall_ns - (uint64_t)(off_ns - off_ns / 4) : wall_ns;
	c->ticks = ticks;
	c->ns_per_tick = (double)(wall_ns - c->first_wall_ns) / (double)(ticks - c->first_ticks);
}
