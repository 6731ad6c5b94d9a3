/* Proves dpdk_clock.h: the rate comes from two readings, stamps between and after them are right,
 * jitter of a reading does not shuffle stamps, drift is followed, and a clock that was set begins
 * anew. */
#include "dataplane/rx/dpdk_clock.h"

#include "tests/support/check.h"

#define START_NS UINT64_C(1700000000000000000)
#define SECOND   UINT64_C(1000000000)

/* A clock of 156.25 MHz: 6.4 ns a tick. */
static uint64_t ticks_at(uint64_t ns)
{
	return 123456 + ns * 10 / 64;
}

static void assert_near(uint64_t a, uint64_t b, uint64_t ns)
{
	assert_in_range(a - b + ns, 0, 2 * ns);
}

static void the_rate_comes_from_two_readings(void **state)
{
	struct dpdk_clock c = { 0 };

	(void)state;
	assert_false(dpdk_clock_known(&c));
	dpdk_clock_read(&c, ticks_at(0), START_NS);
	assert_false(dpdk_clock_known(&c));
	dpdk_clock_read(&c, ticks_at(20000000), START_NS + 20000000);
	assert_true(dpdk_clock_known(&c));
	assert_near(dpdk_clock_wall_ns(&c, ticks_at(10000000)), START_NS + 10000000, 100);
	assert_near(dpdk_clock_wall_ns(&c, ticks_at(SECOND)), START_NS + SECOND, 1000);
}

static void jitter_of_a_reading_is_smoothed(void **state)
{
	struct dpdk_clock c = { 0 };

	(void)state;
	dpdk_clock_read(&c, ticks_at(0), START_NS);
	for (uint64_t s = 1; s <= 100; s++)
		dpdk_clock_read(&c, ticks_at(s * SECOND), START_NS + s * SECOND);
	/* Once it took 40 us between the two clocks. */
	dpdk_clock_read(&c, ticks_at(101 * SECOND), START_NS + 101 * SECOND + 40000);
	assert_near(dpdk_clock_wall_ns(&c, ticks_at(101 * SECOND)), START_NS + 101 * SECOND, 12000);
}

static void drift_is_followed(void **state)
{
	struct dpdk_clock c = { 0 };
	uint64_t s;

	(void)state;
	/* 50 millionths too fast from the beginning. */
	dpdk_clock_read(&c, ticks_at(0), START_NS);
	for (s = 1; s <= 60; s++)
		dpdk_clock_read(&c, ticks_at(s * (SECOND + 50000)), START_NS + s * SECOND);
	assert_near(dpdk_clock_wall_ns(&c, ticks_at((s - 1) * (SECOND + 50000))),
		    START_NS + (s - 1) * SECOND, 1000);
}

static void a_clock_that_was_set_begins_anew(void **state)
{
	struct dpdk_clock c = { 0 };

	(void)state;
	dpdk_clock_read(&c, ticks_at(0), START_NS);
	dpdk_clock_read(&c, ticks_at(SECOND), START_NS + SECOND);
	/* The time of day was set an hour ahead. */
	dpdk_clock_read(&c, ticks_at(2 * SECOND), START_NS + 3602 * SECOND);
	assert_near(dpdk_clock_wall_ns(&c, ticks_at(2 * SECOND)), START_NS + 3602 * SECOND, 100);
	assert_near(dpdk_clock_wall_ns(&c, ticks_at(3 * SECOND)), START_NS + 3603 * SECOND, 1000);
	/* The port's clock began at 0 again. */
	dpdk_clock_read(&c, 5, START_NS + 3604 * SECOND);
	assert_near(dpdk_clock_wall_ns(&c, 5 + 15625000), START_NS + 3604 * SECOND + 100000000,
		    1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_rate_comes_from_two_readings),
		cmocka_unit_test(jitter_of_a_reading_is_smoothed),
		cmocka_unit_test(drift_is_followed),
		cmocka_unit_test(a_clock_that_was_set_begins_anew),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
