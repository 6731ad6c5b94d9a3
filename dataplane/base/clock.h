/* clock - the pipeline's time: capture time with its accidents taken out.
 *
 * Every timer of the pipeline runs on `now_ns`, which follows the time stamps
 * of the packets but never goes back and never leaps: a capture whose clock was set
 * back an hour must not stop every timer for that hour, and one that was set
 * ahead ten years must not expire every flow at once.
 *
 *     step of the time stamp            now_ns              epoch
 *     0 .. CLOCK_LEAP_NS                advances by it      same
 *     0 .. -CLOCK_REORDER_NS            stays               same    (packets a little out of order)
 *     anything else                     stays               +1      (the clock was set)
 *
 * Two time stamps may be subtracted only if their epochs are the same.
 */
#ifndef DATAPLANE_BASE_CLOCK_H
#define DATAPLANE_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

#include "dataplane/base/compiler.h"

#define CLOCK_SECOND_NS  UINT64_C(1000000000)
#define CLOCK_LEAP_NS    ((int64_t)(3600 * CLOCK_SECOND_NS))
#define CLOCK_REORDER_NS ((int64_t)CLOCK_SECOND_NS)

struct pipeline_clock {
	uint64_t now_ns;  /* starts at the first packet's time stamp */
	uint64_t last_ns; /* largest time stamp of this epoch */
	uint32_t epoch;
	uint32_t started;
};

/* clock_see - take note of a packet's time stamp. Returns how often the clock has been set (the
 * epoch). */
static inline uint32_t clock_see(struct pipeline_clock *c, uint64_t ts_ns)
{
	int64_t step = (int64_t)(ts_ns - c->last_ns);

	if (likely(c->started && step >= 0 && step <= CLOCK_LEAP_NS)) {
		c->now_ns += (uint64_t)step;
		c->last_ns = ts_ns;
		return c->epoch;
	}
	if (!c->started) {
		*c = (struct pipeline_clock){ .now_ns = ts_ns, .last_ns = ts_ns, .started = 1 };
		return 0;
	}
	if (step < 0 && step >= -CLOCK_REORDER_NS)
		return c->epoch;
	c->last_ns = ts_ns;
	return ++c->epoch;
}

static inline uint64_t clock_monotonic_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * CLOCK_SECOND_NS + (uint64_t)t.tv_nsec;
}

static inline uint64_t clock_wall_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * CLOCK_SECOND_NS + (uint64_t)t.tv_nsec;
}

/* clock_cycles - the processor's time-stamp counter, for the stages' own cycle counts. */
static inline uint64_t clock_cycles(void)
{
#if defined(__x86_64__)
	return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
	uint64_t v;

	__asm__ volatile("mrs %0, cntvct_el0" : "=r"(v));
	return v;
#else
	return clock_monotonic_ns();
#endif
}

#endif
