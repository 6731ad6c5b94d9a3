/* tx_af_xdp - keeps the promises of tx_promises.h; and of its own:
 * - a queue that is not there and one that is taken are refused with a sentence;
 * - it can be opened again after it was closed, many times. */
#include "tests/unit/control/send/tx_promises.h"

static void batches_arrive_in_order(void **state)
{
	(void)state;
	promise_batches_arrive_in_order(&tx_af_xdp);
}

static void refused_frames_are_known_one_by_one(void **state)
{
	(void)state;
	promise_refused_frames_are_known_one_by_one(&tx_af_xdp);
}

static void a_lost_carrier_refuses_every_frame(void **state)
{
	(void)state;
	promise_a_lost_carrier_refuses_every_frame(&tx_af_xdp);
}

static void an_interface_that_is_down_is_an_error(void **state)
{
	(void)state;
	promise_an_interface_that_is_down_is_an_error(&tx_af_xdp);
}

static void an_interface_that_is_gone_is_an_error(void **state)
{
	(void)state;
	promise_an_interface_that_is_gone_is_an_error(&tx_af_xdp);
}

static int try_open(uint32_t queue, struct tx **ret, struct send_error *err)
{
	struct wire w = veth_wire();
	struct tx_open how = {
		.wire = &w, .queue = queue, .frame_bytes_max = 1518, .stop = &never
	};

	return tx_af_xdp.open(&how, ret, err);
}

static void a_queue_that_is_not_there_is_refused(void **state)
{
	struct send_error err = { "" };
	struct tx *t = NULL;
	struct wire w = veth_wire();

	(void)state;
	tx_done(&tx_af_xdp, tx_make(&tx_af_xdp, &w));
	assert_int_equal(try_open(5, &t, &err), -ERANGE);
	assert_null(t);
	assert_non_null(strstr(err.text, "queue 5"));
}

static void a_queue_that_is_taken_is_refused(void **state)
{
	struct send_error err = { "" };
	struct tx *first, *second = NULL;
	struct wire w = veth_wire();

	(void)state;
	first = tx_make(&tx_af_xdp, &w);
	assert_int_equal(try_open(0, &second, &err), -EBUSY);
	assert_null(second);
	assert_non_null(strstr(err.text, "another --queue"));
	tx_done(&tx_af_xdp, first);
}

static void it_opens_again_after_it_was_closed(void **state)
{
	struct wire w = veth_wire();

	(void)state;
	for (int i = 0; i < 20; i++)
		tx_done(&tx_af_xdp, tx_make(&tx_af_xdp, &w));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(batches_arrive_in_order),
		cmocka_unit_test(refused_frames_are_known_one_by_one),
		cmocka_unit_test(a_lost_carrier_refuses_every_frame),
		cmocka_unit_test(an_interface_that_is_down_is_an_error),
		cmocka_unit_test(an_interface_that_is_gone_is_an_error),
		cmocka_unit_test(a_queue_that_is_not_there_is_refused),
		cmocka_unit_test(a_queue_that_is_taken_is_refused),
		cmocka_unit_test(it_opens_again_after_it_was_closed),
	};

	return cmocka_run_group_tests(tests, veth_make, NULL);
}
