/* Proves the order of the runs, that the first cell's second run is in no figure but the noise,
 * that the estimate adds up, and that an end in between keeps what was measured. A trial is played.
 */
#include "control/bench/series.h"
#include "control/bench/traffic.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/check.h"

static char order[128];
static double value[64], others;
static uint32_t runs, end_after, fail_at, fails, calls;
static bool interrupted;

int trial_run(struct place *p, const struct trial_load *load, const struct trial_receiver *receiver,
	      struct trial_outcome *ret, struct trial_error *err)
{
	(void)p;
	(void)load;
	strcat(order, receiver->name);
	*ret = (struct trial_outcome){ .pairs = value[runs++] };
	if (fail_at > 0 && runs >= fail_at && runs < fail_at + fails) {
		strcpy(err->text, "no more");
		return -EIO;
	}
	interrupted = runs == end_after;
	ret->interrupted = interrupted;
	return 0;
}

void trial_result(const struct trial_outcome *o, const char *cell, struct result *r)
{
	result_add(r, cell, "cpu", "cycles/packet", BETTER_LOWER, o->pairs);
	result_add(r, cell, "disturbed", "%", BETTER_NEITHER,
		   strcmp(cell, "two") == 0 ? others : 1);
}

void traffic_note(const struct trial_load *load, const struct place *p, struct result *r)
{
	(void)p;
	result_condition(r, "traffic", "rate", "%g", load->rate);
}

int place_interrupted(void)
{
	return interrupted;
}

static void count(const struct series_cell *c, uint32_t round, const struct trial_outcome *o,
		  void *user)
{
	(void)c;
	(void)round;
	(void)o;
	(void)user;
	calls++;
}

static const struct series_cell cells[] = {
	{ .name = "one", .load = { .seconds = 2 }, .receiver = { .name = "a" } },
	{ .name = "two", .load = { .seconds = 3 }, .receiver = { .name = "b" } },
	{ .name = "three", .load = { .seconds = 4 }, .receiver = { .name = "c" } },
};
static struct series s;
static struct result *r;
static struct trial_error err;

static int begin(void **state)
{
	(void)state;
	s = (struct series){ .what = "test",
			     .cell = cells,
			     .cells = 3,
			     .rounds = 3,
			     .overhead_s = 1,
			     .quiet = true,
			     .each = count };
	order[0] = '\0';
	runs = end_after = fail_at = calls = 0;
	others = 2;
	interrupted = false;
	for (uint32_t i = 0; i < 64; i++)
		value[i] = 100;
	r = result_new("test");
	return 0;
}

static int end(void **state)
{
	(void)state;
	result_free(r);
	return 0;
}

static void cells_take_turns_and_the_first_runs_twice(void **state)
{
	(void)state;
	assert_int_equal(series_run(&s, r, &err), 0);
	assert_string_equal(order, "aabcbcaacaab");
	assert_int_equal(calls, 9);
	assert_int_equal(result_find(r, "one", "cpu")->count, 3);
	assert_int_equal(result_find(r, "three", "cpu")->count, 3);
}

static void a_machine_that_was_busy_with_something_else_is_told_of(void **state)
{
	(void)state;
	others = 9;
	assert_int_equal(series_run(&s, r, &err), 0);
	assert_int_equal(r->notes, 0);
	result_free(r);
	r = result_new("test");
	others = 150;
	assert_int_equal(series_run(&s, r, &err), 0);
	assert_int_equal(r->notes, 1);
	assert_non_null(strstr(r->note[0], "1 of 3 cells (at two with 150 % of a core)"));
}

static void the_estimate_is_of_all_runs(void **state)
{
	(void)state;
	assert_true(series_seconds(&s) == 3 * (3 + 3 + 4 + 5));
}

/* Runs 0 and 1, 5 and 6, 9 and 10 are the first cell's. */
static void noise_is_how_much_the_first_cell_differs_from_itself(void **state)
{
	(void)state;
	value[1] = 110;  /* 2/21 */
	value[6] = 90;   /* 2/19 */
	value[10] = 300; /* 1; and of three the quantile is nine tenths of the way to the largest */
	assert_int_equal(series_run(&s, r, &err), 0);
	assert_true(fabs(r->noise - (2.0 / 19 + 0.9 * (1 - 2.0 / 19))) < 1e-9);
	assert_true(result_find(r, "one", "cpu")->sample[0] == 100);
	assert_true(result_find(r, "one", "cpu")->sample[2] == 100);
}

static void noise_of_several_series_is_the_largest(void **state)
{
	(void)state;
	r->noise = 0.5;
	assert_int_equal(series_run(&s, r, &err), 0);
	assert_true(r->noise == 0.5);
}

static void an_end_in_between_keeps_what_was_measured(void **state)
{
	(void)state;
	end_after = 6;
	assert_int_equal(series_run(&s, r, &err), -EINTR);
	assert_string_equal(order, "aabcbc");
	assert_int_equal(result_find(r, "two", "cpu")->count, 2);
	assert_int_equal(result_find(r, "three", "cpu")->count, 1);
}

static void a_failure_ends_it_and_says_why(void **state)
{
	(void)state;
	fail_at = 3;
	fails = 2;
	assert_int_equal(series_run(&s, r, &err), -EIO);
	assert_string_equal(err.text, "no more");
	assert_int_equal(result_find(r, "one", "cpu")->count, 1);
	assert_null(result_find(r, "two", "cpu"));
}

static void one_failure_is_told_and_the_run_is_tried_again(void **state)
{
	(void)state;
	fail_at = 3;
	fails = 1;
	assert_int_equal(series_run(&s, r, &err), 0);
	assert_string_equal(order, "aabbcbcaacaab");
	assert_int_equal(result_find(r, "two", "cpu")->count, 3);
	assert_int_equal(r->notes, 1);
	assert_non_null(strstr(r->note[0], "no more"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(cells_take_turns_and_the_first_runs_twice, begin,
						end),
		cmocka_unit_test_setup_teardown(
			a_machine_that_was_busy_with_something_else_is_told_of, begin, end),
		cmocka_unit_test_setup_teardown(the_estimate_is_of_all_runs, begin, end),
		cmocka_unit_test_setup_teardown(
			noise_is_how_much_the_first_cell_differs_from_itself, begin, end),
		cmocka_unit_test_setup_teardown(noise_of_several_series_is_the_largest, begin, end),
		cmocka_unit_test_setup_teardown(an_end_in_between_keeps_what_was_measured, begin,
						end),
		cmocka_unit_test_setup_teardown(a_failure_ends_it_and_says_why, begin, end),
		cmocka_unit_test_setup_teardown(one_failure_is_told_and_the_run_is_tried_again,
						begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
