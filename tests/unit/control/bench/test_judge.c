/* judge - Promises, with worked numbers:
 * - a machine that keeps all limits passes all gates, and measured is what judge.h says it is;
 * - each gate fails by what it is there for, and no other gate then: exactly at its limit too;
 * - what was not measured is said so, counts as failed and never passes: no runs, a run that did
 *   not tell, a load that was not there, too few pairs;
 * - an interval is that of the runs, and every gate says of what it was measured.
 */
#include "control/bench/judge.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/check.h"

enum { CPU, MEMORY, EVENTS, LATENCY, ERRORS, LEAK, HEARTBEAT };
enum { ROUNDS = 3 };

static struct limits limits;
static struct result *result;
static struct gate gate[JUDGE_GATES];

static void put(const char *cell, const char *name, double a, double b, double c)
{
	const double v[ROUNDS] = { a, b, c };

	for (size_t i = 0; i < ROUNDS; i++)
		result_add(result, cell, name, "", BETTER_NEITHER, v[i]);
}

/* Instead of what was there. */
static void put_anew(const char *cell, const char *name, double a, double b, double c)
{
	struct figure *f = (struct figure *)(uintptr_t)result_find(result, cell, name);

	assert_non_null(f);
	assert_int_equal(f->count, ROUNDS);
	f->sample[0] = a;
	f->sample[1] = b;
	f->sample[2] = c;
}

/* Nobody measured it. */
static void take_away(const char *cell, const char *name)
{
	struct figure *f = (struct figure *)(uintptr_t)result_find(result, cell, name);

	assert_non_null(f);
	strcpy(f->name, "gone");
}

static void put_scenario(const struct scenario *s)
{
	char cell[64];

	(void)snprintf(cell, sizeof(cell), "%s/without", s->name);
	put(cell, "rate", s->rate, s->rate, s->rate);
	put(cell, "seconds", s->seconds, s->seconds, s->seconds);
	put(cell, "due", 1000, 1000, 1000);
	put(cell, "failed", 0, 0, 0);
	put(cell, "latency.p50", 200e3, 300e3, 250e3);
	(void)snprintf(cell, sizeof(cell), "%s/with", s->name);
	put(cell, "rate", s->rate, s->rate, s->rate);
	put(cell, "seconds", s->seconds, s->seconds, s->seconds);
	put(cell, "due", 1000, 1000, 1000);
	put(cell, "failed", 1, 0, 2);
	put(cell, "latency.p50", 210e3, 340e3, 270e3); /* 10, 40 and 20 us more */
	put(cell, "cpu.share", 2, 4, 3);
	put(cell, "memory.peak", 40e6, 42e6, 41e6);
	put(cell, "heartbeat", 100, 100, 100);
}

static int good(void **state)
{
	(void)state;
	limits_preset(&limits);
	result = result_new("gates");
	for (uint32_t i = 0; i < limits.scenarios; i++)
		put_scenario(&limits.list[i]);
	put(JUDGE_EVENTS, "rate", 21000, 19000, 20000);
	put(JUDGE_EVENTS, "matched", 20000, 18000, 19000);
	put(JUDGE_EVENTS, "seconds", 10, 10, 10);
	put(JUDGE_EVENTS, "due", 200000, 200000, 200000);
	put(JUDGE_EVENTS, "failed", 0, 0, 0);
	put(JUDGE_EVENTS, "memory.peak", 50e6, 60e6, 55e6);
	put(JUDGE_EVENTS, "heartbeat", 100, 100, 100);
	put(JUDGE_EVENTS, "leaked", 5e6, 7e6, 6e6);
	put(JUDGE_EVENTS, "leaked_over", 200000, 180000, 190000);
	return 0;
}

static int end(void **state)
{
	(void)state;
	result_free(result);
	return 0;
}

static void look(void)
{
	judge(&limits, result, gate);
}

/* only - this gate has the verdict, and all others pass. */
static void only(int which, enum gate_verdict verdict)
{
	look();
	for (int i = 0; i < JUDGE_GATES; i++)
		assert_int_equal(gate[i].verdict, i == which ? verdict : GATE_PASS);
	assert_true((verdict == GATE_NOT_MEASURED) == isnan(gate[which].measured));
}

static bool near(double a, double b)
{
	return fabs(a - b) < 1e-9;
}

static void what_keeps_all_limits_passes(void **state)
{
	(void)state;
	only(CPU, GATE_PASS);
	assert_true(near(gate[CPU].measured, 3) && near(gate[CPU].interval.low, 2) &&
		    near(gate[CPU].interval.high, 4));
	assert_true(near(gate[MEMORY].measured, 60) && near(gate[MEMORY].interval.low, 50));
	assert_non_null(strstr(gate[MEMORY].note, JUDGE_EVENTS));
	assert_true(near(gate[EVENTS].measured, 19000));
	/* Round by round: 10, 40, 20 us; the medians alone would say 20 too, but not 10 to 40. */
	assert_true(near(gate[LATENCY].measured, 0.02) && near(gate[LATENCY].interval.low, 0.01) &&
		    near(gate[LATENCY].interval.high, 0.04));
	assert_true(near(gate[ERRORS].measured, 0.1) && near(gate[ERRORS].interval.high, 0.2));
	assert_true(near(gate[LEAK].measured, 7));
	assert_true(near(gate[HEARTBEAT].measured, 100));
}

static void cpu_time_at_the_limit_fails(void **state)
{
	(void)state;
	put_anew("Medium/with", "cpu.share", 4.99, 1, 7);
	only(CPU, GATE_PASS);
	put_anew("Medium/with", "cpu.share", 5, 1, 7);
	only(CPU, GATE_FAIL);
	/* Only the judged scenario counts. */
	put_anew("Medium/with", "cpu.share", 1, 1, 1);
	put_anew("Heavy/with", "cpu.share", 50, 50, 50);
	only(CPU, GATE_PASS);
	strcpy(limits.scenario, "Heavy");
	only(CPU, GATE_FAIL);
}

static void memory_of_one_run_at_the_limit_fails(void **state)
{
	(void)state;
	put_anew("Light/with", "memory.peak", 10e6, 100e6, 10e6);
	only(MEMORY, GATE_FAIL);
	assert_non_null(strstr(gate[MEMORY].note, "Light/with"));
	put_anew("Light/with", "memory.peak", 10e6, 99.9e6, 10e6);
	only(MEMORY, GATE_PASS);
}

static void fewer_events_than_were_asked_fail(void **state)
{
	(void)state;
	put_anew(JUDGE_EVENTS, "matched", 10000, 10000, 10000);
	only(EVENTS, GATE_FAIL);
	put_anew(JUDGE_EVENTS, "matched", 10001, 10001, 10001);
	only(EVENTS, GATE_PASS);
	put_anew(JUDGE_EVENTS, "matched", 0, 0, 0);
	only(EVENTS, GATE_FAIL);
}

static void events_that_nobody_asked_for_are_not_measured(void **state)
{
	(void)state;
	put_anew(JUDGE_EVENTS, "rate", 9000, 9000, 9000);
	put_anew(JUDGE_EVENTS, "matched", 9000, 9000, 9000);
	only(EVENTS, GATE_NOT_MEASURED);
	assert_non_null(strstr(gate[EVENTS].note, "asked only 9000/s"));
}

static void latency_that_is_added_fails(void **state)
{
	(void)state;
	put_anew("Medium/with", "latency.p50", 1.2e6, 1.3e6, 1.25e6);
	only(LATENCY, GATE_FAIL);
	assert_true(near(gate[LATENCY].measured, 1));
	put_anew("Medium/with", "latency.p50", 1.1e6, 1.2e6, 1.15e6);
	only(LATENCY, GATE_PASS);
	/* A client that is slow without the capture too is not slowed by it. */
	put_anew("Medium/without", "latency.p50", 9e6, 9e6, 9e6);
	put_anew("Medium/with", "latency.p50", 9.5e6, 9.5e6, 9.5e6);
	only(LATENCY, GATE_PASS);
}

static void failed_requests_of_any_scenario_fail(void **state)
{
	(void)state;
	put_anew("Stress/with", "failed", 30, 0, 0); /* 1 % of all three runs */
	only(ERRORS, GATE_FAIL);
	assert_true(near(gate[ERRORS].measured, 1) && near(gate[ERRORS].interval.high, 3));
	assert_non_null(strstr(gate[ERRORS].note, "Stress/with: 30 of 3000"));
	put_anew("Stress/with", "failed", 29, 0, 0);
	only(ERRORS, GATE_PASS);
	put_anew("Stress/without", "failed", 900, 900, 900); /* not the capture's fault */
	only(ERRORS, GATE_PASS);
	for (uint32_t i = 0; i < limits.scenarios; i++) {
		char cell[64];

		(void)snprintf(cell, sizeof(cell), "%s/with", limits.list[i].name);
		put_anew(cell, "failed", 0, 0, 0);
	}
	only(ERRORS, GATE_PASS);
	assert_string_equal(gate[ERRORS].note, "none of 612000");
	put_anew("Stress/with", "failed", 1000, 1000, 1000);
	only(ERRORS, GATE_FAIL);
	assert_true(near(gate[ERRORS].measured, 100));
}

static void growth_of_one_run_fails(void **state)
{
	(void)state;
	put_anew(JUDGE_EVENTS, "leaked", 1e6, 1e6, 10e6);
	only(LEAK, GATE_FAIL);
	put_anew(JUDGE_EVENTS, "leaked", -3e6, 1e6, 9.99e6);
	only(LEAK, GATE_PASS);
}

static void growth_over_too_few_pairs_is_not_measured(void **state)
{
	(void)state;
	put_anew(JUDGE_EVENTS, "leaked_over", 1e6, 9999, 1e6);
	only(LEAK, GATE_NOT_MEASURED);
	assert_non_null(strstr(gate[LEAK].note, "only 9999 pairs"));
	put_anew(JUDGE_EVENTS, "leaked_over", 1e6, 10000, 1e6);
	only(LEAK, GATE_PASS);
}

static void one_second_in_five_hundred_without_a_heartbeat_fails(void **state)
{
	(void)state;
	/* 570 s in all: one second of the 60 of a run is 0.18 % of all. */
	put_anew("Medium/with", "heartbeat", 100, 100 * 59.0 / 60, 100);
	only(HEARTBEAT, GATE_FAIL);
	assert_true(fabs(gate[HEARTBEAT].measured - 100 * 569.0 / 570) < 1e-6);
	put_anew("Medium/with", "heartbeat", 100, 100, 100);
	limits.heartbeat_percent = 100; /* at least */
	only(HEARTBEAT, GATE_PASS);
	put_anew(JUDGE_EVENTS, "heartbeat", 0, 0, 0);
	only(HEARTBEAT, GATE_FAIL);
}

static void what_no_run_told_is_not_measured(void **state)
{
	static const struct {
		int gate;
		const char *cell, *figure;
	} gone[] = {
		{ CPU, "Medium/with", "cpu.share" },
		{ EVENTS, JUDGE_EVENTS, "matched" },
		{ LATENCY, "Medium/without", "latency.p50" },
		{ LATENCY, "Medium/without", "rate" },
		{ ERRORS, "Light/with", "failed" },
		{ LEAK, JUDGE_EVENTS, "leaked" },
		{ LEAK, JUDGE_EVENTS, "leaked_over" },
		{ HEARTBEAT, "Light/with", "heartbeat" },
		{ HEARTBEAT, JUDGE_EVENTS, "heartbeat" },
		{ MEMORY, "Stress/with", "memory.peak" },
		{ ERRORS, JUDGE_EVENTS, "due" },
	};

	for (size_t i = 0; i < sizeof(gone) / sizeof(gone[0]); i++) {
		take_away(gone[i].cell, gone[i].figure);
		only(gone[i].gate, GATE_NOT_MEASURED);
		end(state);
		good(state);
	}
}

static void one_run_that_did_not_tell_is_enough(void **state)
{
	put_anew("Medium/with", "cpu.share", 1, NAN, 1);
	only(CPU, GATE_NOT_MEASURED);
	end(state);
	good(state);
	put_anew("Medium/with", "latency.p50", 1, NAN, 1);
	only(LATENCY, GATE_NOT_MEASURED);
	end(state);
	good(state);
	put_anew("Light/with", "failed", 0, NAN, 0);
	only(ERRORS, GATE_NOT_MEASURED);
	end(state);
	good(state);
	put_anew("Light/with", "heartbeat", 100, NAN, 100);
	only(HEARTBEAT, GATE_NOT_MEASURED);
	end(state);
	good(state);
	put_anew("Heavy/with", "memory.peak", 1, NAN, 1);
	only(MEMORY, GATE_NOT_MEASURED);
	end(state);
	good(state);
	put_anew(JUDGE_EVENTS, "leaked", 1, NAN, 1);
	only(LEAK, GATE_NOT_MEASURED);
}

static void a_load_that_was_not_there_measures_nothing(void **state)
{
	(void)state;
	put_anew("Medium/with", "rate", 159, 159, 159); /* of 200 */
	look();
	assert_int_equal(gate[CPU].verdict, GATE_NOT_MEASURED);
	assert_int_equal(gate[LATENCY].verdict, GATE_NOT_MEASURED);
	assert_non_null(strstr(gate[CPU].note, "reached only 159.0 of 200.0"));
	put_anew("Medium/with", "rate", 160, 160, 160);
	only(CPU, GATE_PASS);
}

static void of_nothing_nothing_passes(void **state)
{
	struct result *none = result_new("gates");

	(void)state;
	judge(&limits, none, gate);
	for (size_t i = 0; i < JUDGE_GATES; i++) {
		assert_int_equal(gate[i].verdict, GATE_NOT_MEASURED);
		assert_true(gate[i].note[0] != '\0');
	}
	result_free(none);
}

static void numbers_and_verdicts_are_short(void **state)
{
	char text[GATE_NUMBER_BYTES];

	(void)state;
	gate_number(NAN, text);
	assert_string_equal(text, "-");
	gate_number(99.9, text);
	assert_string_equal(text, "99.9");
	gate_number(10000, text);
	assert_string_equal(text, "10000");
	gate_number(0.0123, text);
	assert_string_equal(text, "0.0123");
	assert_string_equal(gate_verdict_name(GATE_PASS), "PASS");
	assert_string_equal(gate_verdict_name(GATE_FAIL), "FAIL");
	assert_string_equal(gate_verdict_name(GATE_NOT_MEASURED), "FAIL (not measured)");
}

#define JUDGED(test) cmocka_unit_test_setup_teardown(test, good, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		JUDGED(what_keeps_all_limits_passes),
		JUDGED(cpu_time_at_the_limit_fails),
		JUDGED(memory_of_one_run_at_the_limit_fails),
		JUDGED(fewer_events_than_were_asked_fail),
		JUDGED(events_that_nobody_asked_for_are_not_measured),
		JUDGED(latency_that_is_added_fails),
		JUDGED(failed_requests_of_any_scenario_fail),
		JUDGED(growth_of_one_run_fails),
		JUDGED(growth_over_too_few_pairs_is_not_measured),
		JUDGED(one_second_in_five_hundred_without_a_heartbeat_fails),
		JUDGED(what_no_run_told_is_not_measured),
		JUDGED(one_run_that_did_not_tell_is_enough),
		JUDGED(a_load_that_was_not_there_measures_nothing),
		JUDGED(of_nothing_nothing_passes),
		cmocka_unit_test(numbers_and_verdicts_are_short),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
