/* tx_af_packet - keeps the promises of tx_promises.h. */
#include "tests/unit/control/send/tx_promises.h"

static void batches_arrive_in_order(void **state)
{
	(void)state;
	promise_batches_arrive_in_order(&tx_af_packet);
}

static void refused_frames_are_known_one_by_one(void **state)
{
	(void)state;
	promise_refused_frames_are_known_one_by_one(&tx_af_packet);
}

static void a_lost_carrier_refuses_every_frame(void **state)
{
	(void)state;
	promise_a_lost_carrier_refuses_every_frame(&tx_af_packet);
}

static void an_interface_that_is_down_is_an_error(void **state)
{
	(void)state;
	promise_an_interface_that_is_down_is_an_error(&tx_af_packet);
}

static void an_interface_that_is_gone_is_an_error(void **state)
{
	(void)state;
	promise_an_interface_that_is_gone_is_an_error(&tx_af_packet);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(batches_arrive_in_order),
		cmocka_unit_test(refused_frames_are_known_one_by_one),
		cmocka_unit_test(a_lost_carrier_refuses_every_frame),
		cmocka_unit_test(an_interface_that_is_down_is_an_error),
		cmocka_unit_test(an_interface_that_is_gone_is_an_error),
	};

	return cmocka_run_group_tests(tests, veth_make, NULL);
}
