/* Proves that the ladders have the rungs that people know, each once, and that a price is the
 * difference of two rungs of one round and the counters of all stages between them. */
#include "control/bench/ladder.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/check.h"

static struct rung rung[LADDER_RUNGS_MAX];
static struct ladder_costs costs;

static void check_logs(uint32_t found, const char *const *wanted, uint32_t count)
{
	assert_int_equal(found, count);
	for (uint32_t i = 0; i < count; i++)
		assert_string_equal(rung[i].log, wanted[i]);
}

static void the_tappers_modes_have_its_numbers(void **state)
{
	static const char *const wanted[] = { "01_no_pcap",       "02_no_assembler",
					      "03_no_tcp_stream", "04_only_http",
					      "05_no_dissectors", "06_no_emit",
					      "07_no_send",       "08_normal" };

	(void)state;
	check_logs(ladder_rungs(LADDER_TAPPER, rung), wanted, 8);
	assert_string_equal(rung[0].word[1], "open");
	assert_string_equal(rung[3].word[0], "--dissectors");
	assert_null(rung[7].word[0]);
}

static void every_stage_is_a_rung(void **state)
{
	(void)state;
	assert_int_equal(ladder_rungs(LADDER_STAGES, rung), STAGE_COUNT);
	for (int s = 0; s < STAGE_COUNT; s++) {
		assert_int_equal(rung[s].stage, s);
		assert_string_equal(rung[s].word[1], stage_name((unsigned)s));
	}
	assert_string_equal(rung[1].log, "02_rx");
}

static void both_have_each_stage_once(void **state)
{
	uint32_t n = ladder_rungs(LADDER_BOTH, rung), seen[STAGE_COUNT] = { 0 };

	(void)state;
	assert_int_equal(n, 12);
	for (uint32_t i = 0; i < n; i++)
		if (rung[i].stage >= 0)
			seen[rung[i].stage]++;
	for (int s = 0; s < STAGE_COUNT; s++)
		assert_int_equal(seen[s], 1);
	assert_string_equal(rung[7].log, "08_normal");
	assert_string_equal(rung[11].log, "12_drain");
}

static void counters_are_known_by_their_stage(void **state)
{
	(void)state;
	assert_int_equal(ladder_stage("decode"), STAGE_decode);
	assert_int_equal(ladder_stage("decod"), -1);
	assert_int_equal(ladder_stage(""), -1);
}

static double sample(const struct result *r, const char *cell, const char *name, size_t i)
{
	const struct figure *f = result_find(r, cell, name);

	if (f == NULL || i >= f->count)
		fail_msg("%s of %s has no sample %zu", name, cell, i);
	return f->sample[i];
}

/* Rung i costs 100 (i + 1) in the first round, and 1000 more than that in the second. */
static void fill(uint32_t rungs)
{
	ladder_costs_clear(&costs);
	costs.rounds = 2;
	for (uint32_t i = 0; i < rungs; i++)
		for (uint32_t k = 0; k < 2; k++) {
			costs.machine[i][k] = 100 * (i + 1) + 1000 * k;
			costs.process[i][k] = costs.machine[i][k] / 10;
			costs.workers[i][k] = costs.machine[i][k] / 100;
		}
	for (int s = STAGE_rx; s <= STAGE_emit; s++)
		costs.counter[s][0] = costs.counter[s][1] = s;
}

static void a_price_is_the_difference_within_a_round(void **state)
{
	uint32_t n = ladder_rungs(LADDER_STAGES, rung);
	struct result *r = result_new("test");

	(void)state;
	fill(n);
	costs.machine[STAGE_flow][0] += 7;
	ladder_prices(rung, n, &costs, 12, r);
	for (size_t k = 0; k < 2; k++) {
		assert_true(sample(r, "price/decode", "difference.machine", k) == 100);
		assert_true(sample(r, "price/decode", "difference.process", k) == 10);
		assert_true(fabs(sample(r, "price/decode", "difference.workers", k) - 1) < 1e-9);
		assert_true(sample(r, "price/decode", "counter", k) == STAGE_decode);
	}
	assert_true(isnan(sample(r, "price/rx", "difference.workers", 0)));
	assert_true(sample(r, "price/rx", "counter", 0) == STAGE_rx);
	assert_true(sample(r, "price/flow", "difference.machine", 0) == 107);
	assert_true(sample(r, "price/flow", "difference.machine", 1) == 100);
	assert_true(sample(r, "price/reassembly", "difference.machine", 0) == 93);
	assert_true(sample(r, "price/decode", "noise", 0) == 12);
	assert_true(isnan(sample(r, "price/drain", "counter", 0)));
	assert_non_null(result_find(r, "price/write", "difference.machine"));
	assert_null(result_find(r, "price/open", "difference.machine"));
	result_free(r);
}

static void stages_without_a_rung_between_are_priced_together(void **state)
{
	uint32_t n = ladder_rungs(LADDER_TAPPER, rung);
	struct result *r = result_new("test");

	(void)state;
	fill(n);
	ladder_prices(rung, n, &costs, NAN, r);
	assert_true(sample(r, "price/rx + decode", "counter", 0) == STAGE_rx + STAGE_decode);
	assert_true(sample(r, "price/rx + decode", "difference.machine", 0) == 100);
	/* no_dissectors to no_emit: only_http, which lies between them, is no rung of it. */
	assert_true(sample(r, "price/reassembly", "difference.machine", 0) == 200);
	assert_true(sample(r, "price/dissect + pair", "counter", 1) == STAGE_dissect + STAGE_pair);
	assert_true(isnan(sample(r, "price/emit + drain + format", "counter", 0)));
	assert_null(result_find(r, "price/flow", "noise"));
	result_free(r);
}

static void a_round_that_was_not_finished_has_no_price(void **state)
{
	uint32_t n = ladder_rungs(LADDER_STAGES, rung);
	struct result *r = result_new("test");

	(void)state;
	fill(n);
	costs.machine[STAGE_decode][1] = NAN;
	ladder_prices(rung, n, &costs, NAN, r);
	assert_true(sample(r, "price/decode", "difference.machine", 0) == 100);
	assert_true(isnan(sample(r, "price/decode", "difference.machine", 1)));
	assert_true(isnan(sample(r, "price/flow", "difference.machine", 1)));
	result_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_tappers_modes_have_its_numbers),
		cmocka_unit_test(every_stage_is_a_rung),
		cmocka_unit_test(both_have_each_stage_once),
		cmocka_unit_test(counters_are_known_by_their_stage),
		cmocka_unit_test(a_price_is_the_difference_within_a_round),
		cmocka_unit_test(stages_without_a_rung_between_are_priced_together),
		cmocka_unit_test(a_round_that_was_not_finished_has_no_price),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
