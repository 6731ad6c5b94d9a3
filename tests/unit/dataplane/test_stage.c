/* Proves stage.h: a stage is charged with its own cycles only, however stages nest, and an idle
 * timer remembers where it is and charges nobody.
 */
#include "dataplane/stage.h"
#include "tests/support/check.h"

static uint64_t all_cycles(const struct stage_timer *t)
{
	uint64_t sum = 0;

	for (int i = 0; i < STAGE_COUNT; i++)
		sum += t->cycles[i];
	return sum;
}

static void spend_time(void)
{
	uint64_t until = clock_monotonic_ns() + 1000000;

	while (clock_monotonic_ns() < until)
		continue;
}

static void an_idle_timer_charges_nobody(void **state)
{
	struct stage_timer t = { .now = STAGE_rx };

	(void)state;
	assert_int_equal(stage_switch(&t, STAGE_flow), STAGE_rx);
	spend_time();
	assert_int_equal(stage_switch(&t, STAGE_rx), STAGE_flow);
	assert_int_equal(all_cycles(&t), 0);
}

static void the_stage_that_is_left_is_charged(void **state)
{
	struct stage_timer t = { .now = STAGE_rx, .on = true, .since = clock_cycles() };

	(void)state;
	spend_time();
	stage_switch(&t, STAGE_decode);
	assert_true(t.cycles[STAGE_rx] > 0);
	assert_int_equal(all_cycles(&t), t.cycles[STAGE_rx]);
}

static void nested_stages_pay_for_themselves(void **state)
{
	struct stage_timer t = { .now = STAGE_reassembly, .on = true, .since = clock_cycles() };
	uint64_t begin = t.since, outer_before;
	enum stage from;

	(void)state;
	from = stage_switch(&t, STAGE_dissect);
	outer_before = t.cycles[STAGE_reassembly];
	spend_time();
	stage_switch(&t, from);
	assert_int_equal(t.now, STAGE_reassembly);
	assert_int_equal(t.cycles[STAGE_reassembly], outer_before);
	stage_switch(&t, STAGE_rx);
	assert_true(t.cycles[STAGE_dissect] > t.cycles[STAGE_reassembly]);
	/* Together they are exactly the time that has passed. */
	assert_int_equal(all_cycles(&t), t.since - begin);
}

static void charges_add_up_over_visits(void **state)
{
	struct stage_timer t = { .now = STAGE_rx, .on = true, .since = clock_cycles() };
	uint64_t begin = t.since, before = 0;

	(void)state;
	for (int i = 0; i < 100; i++) {
		stage_switch(&t, STAGE_pair);
		stage_switch(&t, STAGE_emit);
		stage_switch(&t, STAGE_rx);
		assert_true(t.cycles[STAGE_pair] >= before);
		before = t.cycles[STAGE_pair];
	}
	assert_int_equal(all_cycles(&t), t.since - begin);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_idle_timer_charges_nobody),
		cmocka_unit_test(the_stage_that_is_left_is_charged),
		cmocka_unit_test(nested_stages_pay_for_themselves),
		cmocka_unit_test(charges_add_up_over_visits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
