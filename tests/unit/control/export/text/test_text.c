/* Proves that formats are found by their names and by nothing else, and that the envelope of a
 * region is made once and right.
 */
#include "tests/unit/control/records.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static void formats_are_found_by_their_whole_name(void **state)
{
	(void)state;
	assert_ptr_equal(text_find("jsonl"), &text_jsonl);
	assert_ptr_equal(text_find("streams"), &text_streams);
	assert_null(text_find(""));
	assert_null(text_find("json"));
	assert_null(text_find("jsonl2"));
	assert_null(text_find("JSONL"));
}

static void the_envelope_takes_the_longest_run(void **state)
{
	struct text_origin o;

	(void)state;
	text_origin_init(&o, "0123456789abcdef", UINT32_MAX, NULL);
	assert_int_equal(o.envelope_bytes,
			 strlen(",\"run\":\"0123456789abcdef\",\"worker\":4294967295,\"seq\":"));
	assert_memory_equal(
		o.envelope,
		",\"run\":\"0123456789abcdef\",\"worker\":4294967295,\"seq\":", o.envelope_bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(formats_are_found_by_their_whole_name),
		cmocka_unit_test(the_envelope_takes_the_longest_run),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
