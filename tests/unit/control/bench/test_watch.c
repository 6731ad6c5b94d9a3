/* Proves that a capture's answer is read whole, and that one that says too little is none. The
 * asking is proved by every trial of tests/e2e/bench.py.
 */
#include "control/bench/watch.h"

#include <errno.h>

#include "tests/support/check.h"

static void an_answer_is_read(void **state)
{
	struct watch_state s;

	(void)state;
	assert_int_equal(watch_parse("{\"run\":\"x\",\"dataplane_pid\":12,\"control_pid\":13,"
				     "\"workers\":2,\"worker_turns\":[5,7],"
				     "\"packets\":{\"received\":100,\"lost\":4},"
				     "\"pairs\":{\"matched\":9}}\n",
				     &s),
			 0);
	assert_int_equal(s.dataplane, 12);
	assert_int_equal(s.control, 13);
	assert_int_equal(s.workers, 2);
	assert_true(s.turn[0] == 5 && s.turn[1] == 7);
	assert_true(s.received == 100 && s.lost == 4 && s.pairs == 9);
}

static void one_that_says_too_little_is_none(void **state)
{
	struct watch_state s = { .dataplane = 1 };

	(void)state;
	assert_int_equal(watch_parse("", &s), -EPROTO);
	assert_int_equal(watch_parse("{\"dataplane_pid\":12,\"control_pid\":13}", &s), -EPROTO);
	assert_int_equal(watch_parse("{\"control_pid\":13,\"worker_turns\":[1]}", &s), -EPROTO);
	assert_int_equal(s.dataplane, 1);
}

static void nobody_of_that_name_is_nobody(void **state)
{
	struct watch_state s;

	(void)state;
	assert_int_equal(watch_ask("there-is-no-such-capture", 0.1, &s), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_answer_is_read),
		cmocka_unit_test(one_that_says_too_little_is_none),
		cmocka_unit_test(nobody_of_that_name_is_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
