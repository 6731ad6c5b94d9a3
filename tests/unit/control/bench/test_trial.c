/* Proves which figures an outcome becomes, per what, and that what nobody told becomes none. Trials
 * themselves are proved by tests/e2e/bench.py.
 */
#include "control/bench/trial.h"

#include <math.h>
#include <string.h>

#include "control/bench/told.h"
#include "tests/support/check.h"

static struct trial_outcome o;
static struct result *r;

static int begin(void **state)
{
	(void)state;
	told_nothing(&o);
	r = result_new("test");
	return 0;
}

static int end(void **state)
{
	(void)state;
	result_free(r);
	return 0;
}

static double last(const char *name)
{
	const struct figure *f = result_find(r, "cell", name);

	return f == NULL ? NAN : f->sample[f->count - 1];
}

static void losses_are_one_sum_where_a_receiver_tells(void **state)
{
	(void)state;
	assert_true(isnan(trial_lost(&o)));
	o.received = 10;
	assert_true(trial_lost(&o) == 0);
	o.losses = 2;
	o.lost[0] = (struct trial_lost){ "rx_ring", 3 };
	o.lost[1] = (struct trial_lost){ "driver", 4 };
	assert_true(trial_lost(&o) == 7);
	trial_result(&o, "cell", r);
	assert_true(last("lost") == 7);
	assert_true(last("lost.rx_ring") == 3);
	assert_true(last("lost.driver") == 4);
	assert_true(last("lost.nic") == 0);
	o.losses = 0; /* the next run loses nothing, and says so */
	trial_result(&o, "cell", r);
	assert_int_equal(result_find(r, "cell", "lost.rx_ring")->count, 2);
	assert_true(last("lost.rx_ring") == 0);
}

static void work_is_told_per_packet(void **state)
{
	(void)state;
	o.packets = 2000;
	o.seconds = 2;
	o.system_calls = 500;
	o.receiver_cpu_s = 0.5;
	o.machine = (struct machine_work){ .seconds = 2,
					   .busy_s = 1,
					   .cycles = 1e6,
					   .instructions = NAN,
					   .cache_misses = 4000,
					   .context_switches = 200,
					   .migrations = 6 };
	trial_result(&o, "cell", r);
	assert_true(last("cpu") == 500);
	assert_true(last("busy") == 50);
	assert_true(last("busy.process") == 25);
	assert_true(last("cache_misses") == 2);
	assert_true(last("context_switches") == 0.1);
	assert_true(last("system_calls") == 0.5);
	assert_true(last("migrations") == 3);
	assert_null(result_find(r, "cell", "instructions"));
	assert_string_equal(result_find(r, "cell", "cpu")->unit, "cycles/packet");
}

static void without_packets_nothing_is_told_per_packet(void **state)
{
	(void)state;
	o.packets = 0;
	o.machine = (struct machine_work){ .seconds = 2, .busy_s = 1, .cycles = 1e6 };
	trial_result(&o, "cell", r);
	assert_null(result_find(r, "cell", "cpu"));
	assert_true(last("busy") == 50);
}

static void times_have_their_quantiles(void **state)
{
	(void)state;
	o.client = (struct trial_times){ 9, 1, 2, 3, NAN, NAN, 6, 7 };
	o.pair_delay = (struct trial_times){ 9, 10, 20, 30, 40, 50, 60, NAN };
	trial_result(&o, "cell", r);
	assert_true(last("latency.p50") == 1 && last("latency.p99") == 3);
	assert_null(result_find(r, "cell", "latency.p999"));
	assert_true(last("delay.p9999") == 50 && last("delay.max") == 60);
	assert_null(result_find(r, "cell", "service.p50"));
	assert_int_equal(result_find(r, "cell", "delay.p50")->better, BETTER_LOWER);
}

/* Differences are taken between samples of the same round. */
static void a_run_that_did_not_tell_has_its_place_all_the_same(void **state)
{
	const struct figure *f;

	(void)state;
	o.seconds = 2;
	trial_result(&o, "cell", r);
	o.client.p50 = 7;
	o.stages = 1;
	o.stage_name[0] = "decode";
	o.stage_cycles[0] = 40;
	trial_result(&o, "cell", r);
	o.client.p50 = NAN;
	o.stages = 0;
	trial_result(&o, "cell", r);
	f = result_find(r, "cell", "latency.p50");
	assert_int_equal(f->count, 3);
	assert_true(isnan(f->sample[0]) && f->sample[1] == 7 && isnan(f->sample[2]));
	f = result_find(r, "cell", "stage.decode");
	assert_int_equal(f->count, 3);
	assert_true(isnan(f->sample[0]) && f->sample[1] == 40 && isnan(f->sample[2]));
	assert_null(result_find(r, "cell", "stage.rx"));
}

static void what_happened_in_the_measured_time_is_told_of_it(void **state)
{
	(void)state;
	o.matched = 300;
	o.matched_s = 1.5;
	o.receiver_pss_first_bytes = 1000;
	o.receiver_pss_bytes = 1700;
	o.due = 310;
	trial_result(&o, "cell", r);
	assert_null(result_find(r, "cell", "leaked"));
	assert_true(last("matched") == 200 && last("growth") == 700 && last("due") == 310);
	assert_null(result_find(r, "cell", "seconds"));
}

/* Samples of a figure are in the order of the runs, so one that did not tell leaves its place. */
static void a_run_that_does_not_tell_leaves_its_place(void **state)
{
	(void)state;
	o.pairs = 5;
	trial_result(&o, "cell", r);
	o.pairs = NAN;
	trial_result(&o, "cell", r);
	assert_int_equal(result_find(r, "cell", "pairs")->count, 2);
	assert_true(isnan(last("pairs")));
}

static void stages_have_their_names(void **state)
{
	(void)state;
	o.stages = 2;
	o.stage_name[0] = "rx";
	o.stage_cycles[0] = 100;
	o.stage_name[1] = "decode";
	o.stage_cycles[1] = 20;
	trial_result(&o, "cell", r);
	assert_true(last("stage.rx") == 100 && last("stage.decode") == 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(losses_are_one_sum_where_a_receiver_tells, begin,
						end),
		cmocka_unit_test_setup_teardown(work_is_told_per_packet, begin, end),
		cmocka_unit_test_setup_teardown(without_packets_nothing_is_told_per_packet, begin,
						end),
		cmocka_unit_test_setup_teardown(times_have_their_quantiles, begin, end),
		cmocka_unit_test_setup_teardown(a_run_that_did_not_tell_has_its_place_all_the_same,
						begin, end),
		cmocka_unit_test_setup_teardown(what_happened_in_the_measured_time_is_told_of_it,
						begin, end),
		cmocka_unit_test_setup_teardown(a_run_that_does_not_tell_leaves_its_place, begin,
						end),
		cmocka_unit_test_setup_teardown(stages_have_their_names, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
