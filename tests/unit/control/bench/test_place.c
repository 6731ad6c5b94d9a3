/* Proves how cores are shared out between load and receiver. Labs and servers are proved by every
 * trial of tests/e2e/bench.py.
 */
#include "control/bench/place.h"

#include <errno.h>
#include <string.h>

#include "tests/support/check.h"

static const struct cpu_set four = { .word = { 0x0f } };
static struct cpu_set load, receive;
static struct trial_error err;

static void the_first_is_the_loads_and_the_others_are_the_receivers(void **state)
{
	(void)state;
	assert_int_equal(place_cores(NULL, &four, &load, &receive, &err), 0);
	assert_int_equal(load.word[0], 0x01);
	assert_int_equal(receive.word[0], 0x0e);
	assert_int_equal(place_cores("2,0", &four, &load, &receive, &err), 0);
	assert_int_equal(load.word[0], 0x04);
	assert_int_equal(receive.word[0], 0x01);
	assert_int_equal(place_cores("1-3", &four, &load, &receive, &err), 0);
	assert_int_equal(load.word[0], 0x02);
	assert_int_equal(receive.word[0], 0x0c);
}

static void a_single_core_is_shared(void **state)
{
	const struct cpu_set one = { .word = { 0x10 } };

	(void)state;
	assert_int_equal(place_cores(NULL, &one, &load, &receive, &err), 0);
	assert_int_equal(load.word[0], 0x10);
	assert_int_equal(receive.word[0], 0x10);
	assert_int_equal(place_cores("3", &four, &load, &receive, &err), 0);
	assert_int_equal(load.word[0], 0x08);
	assert_int_equal(receive.word[0], 0x08);
}

static void what_is_no_list_or_not_here_is_refused(void **state)
{
	(void)state;
	assert_int_equal(place_cores("both", &four, &load, &receive, &err), -EINVAL);
	assert_non_null(strstr(err.text, "both"));
	assert_int_equal(place_cores("", &four, &load, &receive, &err), -EINVAL);
	assert_int_equal(place_cores("0,4", &four, &load, &receive, &err), -ENXIO);
	assert_non_null(strstr(err.text, "core 4"));
}

static void a_refusal_is_a_sentence_and_its_code(void **state)
{
	(void)state;
	assert_int_equal(trial_refuse(&err, -EIO, "%s is %d", "it", 7), -EIO);
	assert_string_equal(err.text, "it is 7");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_is_the_loads_and_the_others_are_the_receivers),
		cmocka_unit_test(a_single_core_is_shared),
		cmocka_unit_test(what_is_no_list_or_not_here_is_refused),
		cmocka_unit_test(a_refusal_is_a_sentence_and_its_code),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
