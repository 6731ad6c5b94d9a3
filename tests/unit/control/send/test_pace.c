/* pace - Promises:
 * - frame n is due at start + n / rate, without drift, for any rate and any number of frames;
 * - a batch is at most 200 us worth, at least one frame, and never more than 256;
 * - who is late catches up at no more than twice the rate, and reaches the schedule again;
 * - as fast as possible is always due;
 * - waiting ends at the time, not before it, and early only when stopped.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "control/send/pace.h"
#include "dataplane/base/clock.h"

#define START_NS UINT64_C(123456789)

static volatile sig_atomic_t stop;

static void frames_are_due_without_drift(void **state)
{
	static const uint64_t rates[] = { 1, 3, 7, 1000, 999983, 1000000, 1000000000 };

	(void)state;
	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		struct pace p;

		pace_begin(&p, rates[i], START_NS);
		assert_int_equal(pace_due_ns(&p), START_NS);
		for (uint64_t batch = 0; batch < 1000; batch++)
			pace_took(&p, p.batch, pace_due_ns(&p));
		assert_int_equal(p.frames, 1000 * (uint64_t)p.batch);
		assert_int_equal(pace_due_ns(&p),
				 START_NS + (uint64_t)((unsigned __int128)p.frames *
						       CLOCK_SECOND_NS / rates[i]));
	}
}

static void years_of_frames_do_not_overflow(void **state)
{
	struct pace p;

	(void)state;
	pace_begin(&p, PACE_RATE_MAX, 0);
	p.frames = UINT64_C(1) << 62;
	assert_int_equal(pace_due_ns(&p), UINT64_C(1) << 62);
}

static void a_batch_is_200_us_worth(void **state)
{
	static const struct {
		uint64_t rate;
		uint32_t batch;
	} cases[] = { { 1, 1 },       { 4999, 1 },      { 9999, 1 },      { 10000, 2 },
		      { 100000, 20 }, { 1000000, 200 }, { 1280000, 256 }, { 1000000000, 256 } };
	struct pace p;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		pace_begin(&p, cases[i].rate, 0);
		assert_int_equal(p.batch, cases[i].batch);
	}
}

static void who_is_late_catches_up_at_twice_the_rate(void **state)
{
	struct pace p;
	uint64_t now_ns = 1000 * 1000 * 1000, before_ns;

	(void)state;
	pace_begin(&p, 100000, 0);
	before_ns = pace_due_ns(&p);
	assert_int_equal(before_ns, 0);
	/* The first batch goes a second late. */
	for (int batch = 0; batch < 10000; batch++) {
		uint64_t due_ns;

		pace_took(&p, p.batch, now_ns);
		due_ns = pace_due_ns(&p);
		if (pace_end_ns(&p) >= now_ns + 100000) {
			assert_int_equal(due_ns, pace_end_ns(&p));
			/* It took another second: 200,000 frames are 2 s worth. */
			assert_in_range(p.frames, 199900, 200100);
			return;
		}
		assert_int_equal(due_ns, now_ns + 100000);
		now_ns = due_ns;
	}
	fail_msg("the schedule was never reached again");
}

static void as_fast_as_possible_is_always_due(void **state)
{
	struct pace p;

	(void)state;
	pace_begin(&p, 0, START_NS);
	assert_int_equal(p.batch, PACE_BATCH_MAX);
	for (int i = 0; i < 10; i++) {
		pace_took(&p, p.batch, START_NS + 5);
		assert_true(pace_due_ns(&p) <= START_NS);
		assert_int_equal(pace_end_ns(&p), START_NS);
	}
}

static void waiting_ends_at_the_time(void **state)
{
	static const uint64_t waits_ns[] = { 0, 1000, 30000, 100000, 3000000, 150000000 };

	(void)state;
	stop = 0;
	for (size_t i = 0; i < sizeof(waits_ns) / sizeof(waits_ns[0]); i++) {
		uint64_t due_ns = clock_monotonic_ns() + waits_ns[i];

		pace_wait(due_ns, &stop);
		assert_true(clock_monotonic_ns() >= due_ns);
	}
}

static void waiting_ends_early_when_stopped(void **state)
{
	uint64_t before_ns = clock_monotonic_ns();

	(void)state;
	stop = 1;
	pace_wait(before_ns + 60 * CLOCK_SECOND_NS, &stop);
	assert_true(clock_monotonic_ns() - before_ns < 10 * CLOCK_SECOND_NS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_are_due_without_drift),
		cmocka_unit_test(years_of_frames_do_not_overflow),
		cmocka_unit_test(a_batch_is_200_us_worth),
		cmocka_unit_test(who_is_late_catches_up_at_twice_the_rate),
		cmocka_unit_test(as_fast_as_possible_is_always_due),
		cmocka_unit_test(waiting_ends_at_the_time),
		cmocka_unit_test(waiting_ends_early_when_stopped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
