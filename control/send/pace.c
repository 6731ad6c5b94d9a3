#include "control/send/pace.h"

#include <time.h>

#include "dataplane/base/clock.h"

#define NAP_NS UINT64_C(100000000)

/* time_of - what `frames` frames take. */
static uint64_t time_of(const struct pace *p, uint64_t frames)
{
	return (uint64_t)((unsigned __int128)frames * CLOCK_SECOND_NS / p->rate);
}

void pace_begin(struct pace *p, uint64_t rate, uint64_t now_ns)
{
	uint64_t batch = rate * PACE_BATCH_NS / CLOCK_SECOND_NS;

	*p = (struct pace){ .rate = rate, .start_ns = now_ns, .batch = PACE_BATCH_MAX };
	if (rate != 0 && batch < PACE_BATCH_MAX)
		p->batch = batch > 0 ? (uint32_t)batch : 1;
}

uint64_t pace_end_ns(const struct pace *p)
{
	return p->rate == 0 ? p->start_ns : p->start_ns + time_of(p, p->frames);
}

uint64_t pace_due_ns(const struct pace *p)
{
	uint64_t due_ns = pace_end_ns(p);

	return due_ns > p->floor_ns ? due_ns : p->floor_ns;
}

void pace_took(struct pace *p, uint32_t frames, uint64_t now_ns)
{
	p->frames += frames;
	if (p->rate != 0)
		p->floor_ns = now_ns + time_of(p, frames) / 2;
}

void pace_wait(uint64_t due_ns, const volatile sig_atomic_t *stop)
{
	uint64_t now_ns;

	while (!*stop && (now_ns = clock_monotonic_ns()) < due_ns) {
		uint64_t until_ns = due_ns - now_ns > NAP_NS ? now_ns + NAP_NS : due_ns;

		if (due_ns - now_ns <= PACE_SPIN_NS)
			continue;
		(void)clock_nanosleep(
			CLOCK_MONOTONIC, TIMER_ABSTIME,
			&(struct timespec){ .tv_sec = (time_t)(until_ns / CLOCK_SECOND_NS),
					    .tv_nsec = (long)(until_ns % CLOCK_SECOND_NS) },
			NULL);
	}
}
