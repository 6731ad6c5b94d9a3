/* Proves of the stamps' clock: a stamp becomes the time of day, a clock that was set is followed,
 * and reading it anew does not shuffle packets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/rx/af_xdp_clock.h"

enum { CLOSE_NS = 50 * 1000 * 1000 };

static void assert_now(uint64_t ts_ns)
{
	int64_t off_ns = (int64_t)(clock_wall_ns() - ts_ns);

	assert_in_range(off_ns + CLOSE_NS, 0, 2 * CLOSE_NS);
}

static void a_stamp_becomes_the_time_of_day(void **state)
{
	struct af_xdp_clock c = { 0 };

	(void)state;
	assert_now(af_xdp_clock_wall_ns(&c, clock_monotonic_ns()));
	assert_now(af_xdp_clock_wall_ns(&c, clock_monotonic_ns()));
}

static void the_distance_of_stamps_is_kept(void **state)
{
	struct af_xdp_clock c = { 0 };
	uint64_t now_ns = clock_monotonic_ns(), first = af_xdp_clock_wall_ns(&c, now_ns);

	(void)state;
	assert_int_equal(af_xdp_clock_wall_ns(&c, now_ns + 1), first + 1);
	assert_int_equal(af_xdp_clock_wall_ns(&c, now_ns - 1000), first - 1000);
}

static void reading_again_changes_nothing_while_nobody_sets_the_clock(void **state)
{
	struct af_xdp_clock c = { 0 };
	int64_t offset_ns;
	int changes = 0;

	(void)state;
	af_xdp_clock_read(&c);
	for (int i = 0; i < 1000; i++) {
		offset_ns = c.offset_ns;
		af_xdp_clock_read(&c);
		changes += c.offset_ns != offset_ns;
	}
	/* A process that is taken off its processor between two reads sees a step. */
	assert_in_range(changes, 0, 100);
}

static void a_clock_that_was_set_is_followed_with_the_next_reading(void **state)
{
	struct af_xdp_clock c = { 0 };
	uint64_t now_ns = clock_monotonic_ns();

	(void)state;
	af_xdp_clock_read(&c);
	/* As if the time of day had been an hour ahead when it was read. */
	c.offset_ns += (int64_t)(3600 * CLOCK_SECOND_NS);
	assert_true(af_xdp_clock_wall_ns(&c, now_ns) > clock_wall_ns() + 3599 * CLOCK_SECOND_NS);
	c.next_ns = now_ns;
	assert_now(af_xdp_clock_wall_ns(&c, now_ns));
	assert_true(c.next_ns >= now_ns + AF_XDP_CLOCK_READ_NS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stamp_becomes_the_time_of_day),
		cmocka_unit_test(the_distance_of_stamps_is_kept),
		cmocka_unit_test(reading_again_changes_nothing_while_nobody_sets_the_clock),
		cmocka_unit_test(a_clock_that_was_set_is_followed_with_the_next_reading),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
