/* Proves the table of clock.h: every step of a time stamp, at its bounds and one beyond, moves the
 * time or counts as a setting of the clock; the time itself never goes back and never leaps.
 */
#include <stdlib.h>

#include "dataplane/base/clock.h"
#include "tests/support/check.h"

#define BEGIN_NS (UINT64_C(1700000000) * CLOCK_SECOND_NS)

static struct pipeline_clock started(void)
{
	struct pipeline_clock c = { 0 };

	clock_see(&c, BEGIN_NS);
	return c;
}

static void the_first_packet_starts_the_clock(void **state)
{
	struct pipeline_clock c = { 0 };

	(void)state;
	assert_int_equal(clock_see(&c, BEGIN_NS), 0);
	assert_int_equal(c.now_ns, BEGIN_NS);
	assert_int_equal(c.epoch, 0);
	/* Even where its time stamp is the beginning of time, or its end. */
	c = (struct pipeline_clock){ 0 };
	assert_int_equal(clock_see(&c, 0), 0);
	assert_int_equal(c.now_ns, 0);
	c = (struct pipeline_clock){ 0 };
	assert_int_equal(clock_see(&c, UINT64_MAX), 0);
	assert_int_equal(c.now_ns, UINT64_MAX);
}

static void every_step_does_what_the_table_says(void **state)
{
	static const struct {
		int64_t step_ns;
		uint64_t advances_ns;
		uint32_t epoch;
		int64_t last_ns; /* the newest time stamp afterwards, from the one before */
	} table[] = {
		{ 0, 0, 0, 0 },
		{ 1, 1, 0, 1 },
		{ CLOCK_LEAP_NS - 1, CLOCK_LEAP_NS - 1, 0, CLOCK_LEAP_NS - 1 },
		{ CLOCK_LEAP_NS, CLOCK_LEAP_NS, 0, CLOCK_LEAP_NS },
		{ CLOCK_LEAP_NS + 1, 0, 1, CLOCK_LEAP_NS + 1 },
		{ -1, 0, 0, 0 },
		{ -CLOCK_REORDER_NS, 0, 0, 0 },
		{ -CLOCK_REORDER_NS - 1, 0, 1, -CLOCK_REORDER_NS - 1 },
		{ -CLOCK_LEAP_NS, 0, 1, -CLOCK_LEAP_NS },
		{ INT64_MAX, 0, 1, INT64_MAX },
		{ INT64_MIN, 0, 1, INT64_MIN },
	};

	(void)state;
	for (size_t i = 0; i < array_count(table); i++) {
		struct pipeline_clock c = started();
		uint32_t epoch = clock_see(&c, BEGIN_NS + (uint64_t)table[i].step_ns);

		assert_int_equal(epoch, table[i].epoch);
		assert_int_equal(c.epoch, table[i].epoch);
		assert_int_equal(c.now_ns, BEGIN_NS + table[i].advances_ns);
		assert_int_equal(c.last_ns, BEGIN_NS + (uint64_t)table[i].last_ns);
	}
}

static void after_a_setting_time_goes_on_from_the_new_time_stamps(void **state)
{
	struct pipeline_clock c = started();

	(void)state;
	clock_see(&c, BEGIN_NS - 3600 * CLOCK_SECOND_NS);
	clock_see(&c, BEGIN_NS - 3599 * CLOCK_SECOND_NS);
	assert_int_equal(c.now_ns, BEGIN_NS + CLOCK_SECOND_NS);
	assert_int_equal(c.epoch, 1);
	clock_see(&c, BEGIN_NS + 86400 * CLOCK_SECOND_NS);
	clock_see(&c, BEGIN_NS + 86401 * CLOCK_SECOND_NS);
	assert_int_equal(c.now_ns, BEGIN_NS + 2 * CLOCK_SECOND_NS);
	assert_int_equal(c.epoch, 2);
}

static void a_little_disorder_is_measured_from_the_newest_time_stamp(void **state)
{
	struct pipeline_clock c = started();

	(void)state;
	/* Ever older packets do not drag the clock along. */
	for (uint64_t late_ns = 100000000; late_ns <= CLOCK_SECOND_NS; late_ns += 100000000)
		assert_int_equal(clock_see(&c, BEGIN_NS - late_ns), 0);
	clock_see(&c, BEGIN_NS + 5);
	assert_int_equal(c.now_ns, BEGIN_NS + 5);
}

static void hostile_time_stamps_never_turn_time_back_nor_make_it_leap(void **state)
{
	struct pipeline_clock c = started();

	(void)state;
	srand(1);
	for (int i = 0; i < 100000; i++) {
		uint64_t before_ns = c.now_ns;
		uint32_t epoch = c.epoch;
		uint64_t ts_ns = ((uint64_t)rand() << 33 ^ (uint64_t)rand()) >> (rand() % 64);

		clock_see(&c, rand() % 2 ? ts_ns : c.last_ns + ts_ns % (2 * CLOCK_SECOND_NS));
		assert_true(c.now_ns >= before_ns);
		assert_true(c.now_ns - before_ns <= (uint64_t)CLOCK_LEAP_NS);
		assert_true(c.epoch == epoch || (c.epoch == epoch + 1 && c.now_ns == before_ns));
	}
}

static void the_machine_s_clocks_run_forward(void **state)
{
	uint64_t monotonic = clock_monotonic_ns(), cycles = clock_cycles();

	(void)state;
	assert_true(clock_wall_ns() > BEGIN_NS);
	assert_true(clock_monotonic_ns() >= monotonic);
	assert_true(clock_cycles() >= cycles);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_packet_starts_the_clock),
		cmocka_unit_test(every_step_does_what_the_table_says),
		cmocka_unit_test(after_a_setting_time_goes_on_from_the_new_time_stamps),
		cmocka_unit_test(a_little_disorder_is_measured_from_the_newest_time_stamp),
		cmocka_unit_test(hostile_time_stamps_never_turn_time_back_nor_make_it_leap),
		cmocka_unit_test(the_machine_s_clocks_run_forward),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
