/* Proves of the sharing of queues: every queue has one owner, who reads it; spread, everybody reads
 * all and rings are no larger in sum. */
#include "dataplane/rx/af_xdp_spread.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "dataplane/base/compiler.h"

static void one_worker_has_every_queue_for_itself(void **state)
{
	struct af_xdp_spread s;

	(void)state;
	af_xdp_spread_init(&s, 1, 5, AF_XDP_SPREAD_ON);
	assert_false(s.on);
	assert_int_equal(af_xdp_spread_members(&s), 1);
	for (uint32_t q = 0; q < 5; q++) {
		assert_true(af_xdp_spread_reads(&s, 0, q));
		assert_int_equal(af_xdp_spread_owner(&s, q), af_xdp_spread_member(&s, 0));
	}
	assert_int_equal(af_xdp_spread_ring(&s, 8192), 8192);
}

static void a_queue_that_is_not_spread_has_one_reader(void **state)
{
	struct af_xdp_spread s;

	(void)state;
	af_xdp_spread_init(&s, 3, 8, AF_XDP_SPREAD_OFF);
	assert_int_equal(af_xdp_spread_members(&s), 1);
	for (uint32_t q = 0; q < 8; q++) {
		uint32_t readers = 0;

		for (uint32_t w = 0; w < 3; w++)
			readers += af_xdp_spread_reads(&s, w, q);
		assert_int_equal(readers, 1);
		assert_int_equal(af_xdp_spread_owner(&s, q), 0);
	}
	assert_int_equal(af_xdp_spread_ring(&s, 4096), 4096);
}

static void a_queue_that_is_spread_has_every_worker_and_one_owner_among_them(void **state)
{
	static const uint32_t with[][2] = { { 2, 1 }, { 4, 1 }, { 4, 2 }, { 2, 4 }, { 3, 7 } };

	(void)state;
	for (size_t i = 0; i < array_count(with); i++) {
		struct af_xdp_spread s;
		uint32_t owned[8] = { 0 }, least = UINT32_MAX, most = 0;

		af_xdp_spread_init(&s, with[i][0], with[i][1], AF_XDP_SPREAD_AUTO);
		assert_true(s.on);
		assert_int_equal(af_xdp_spread_members(&s), with[i][0]);
		for (uint32_t q = 0; q < s.queues; q++) {
			assert_in_range(af_xdp_spread_owner(&s, q), 0, s.workers - 1);
			owned[af_xdp_spread_owner(&s, q)]++;
		}
		for (uint32_t w = 0; w < s.workers; w++) {
			assert_int_equal(af_xdp_spread_member(&s, w), w);
			assert_true(af_xdp_spread_reads(&s, w, s.queues - 1));
			least = owned[w] < least ? owned[w] : least;
			most = owned[w] > most ? owned[w] : most;
		}
		assert_in_range(most - least, 0, 1);
	}
}

static void rings_are_shared_out_in_powers_of_two_and_stay_useful(void **state)
{
	struct af_xdp_spread s;

	(void)state;
	af_xdp_spread_init(&s, 4, 1, AF_XDP_SPREAD_ON);
	assert_int_equal(af_xdp_spread_ring(&s, 8192), 8192);
	af_xdp_spread_init(&s, 4, 3, AF_XDP_SPREAD_ON);
	assert_int_equal(af_xdp_spread_ring(&s, 8192), 2048);
	assert_int_equal(af_xdp_spread_ring(&s, 128), 64);
	assert_int_equal(af_xdp_spread_ring(&s, 64), 64);
}

static void an_interface_that_does_as_well_is_let_do_it(void **state)
{
	(void)state;
	assert_int_equal(af_xdp_spread_choose(AF_XDP_SPREAD_AUTO, 4, 4, true), AF_XDP_SPREAD_OFF);
	assert_int_equal(af_xdp_spread_choose(AF_XDP_SPREAD_AUTO, 4, 9, true), AF_XDP_SPREAD_OFF);
	/* Not if a worker would have nothing to read, or it is not symmetric, or the user chose. */
	assert_int_equal(af_xdp_spread_choose(AF_XDP_SPREAD_AUTO, 4, 3, true), AF_XDP_SPREAD_AUTO);
	assert_int_equal(af_xdp_spread_choose(AF_XDP_SPREAD_AUTO, 4, 9, false), AF_XDP_SPREAD_AUTO);
	assert_int_equal(af_xdp_spread_choose(AF_XDP_SPREAD_ON, 4, 9, true), AF_XDP_SPREAD_ON);
	assert_int_equal(af_xdp_spread_choose(AF_XDP_SPREAD_OFF, 4, 3, false), AF_XDP_SPREAD_OFF);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_worker_has_every_queue_for_itself),
		cmocka_unit_test(a_queue_that_is_not_spread_has_one_reader),
		cmocka_unit_test(a_queue_that_is_spread_has_every_worker_and_one_owner_among_them),
		cmocka_unit_test(an_interface_that_does_as_well_is_let_do_it),
		cmocka_unit_test(rings_are_shared_out_in_powers_of_two_and_stay_useful),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
