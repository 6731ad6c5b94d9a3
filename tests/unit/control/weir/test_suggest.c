/* Proves that a mistyped word finds the one that was meant, and that nothing
 * is suggested where nothing is near.
 */
#include "control/weir/suggest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *nearest(const char *typed)
{
	static const char *const words[] = { "workers",           "headers", "half-open",
					     "half-open-timeout", "held",    "ring" };
	struct suggest s;

	suggest_begin(&s, typed);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		suggest_offer(&s, words[i]);
	return s.best;
}

static void one_slip_of_the_finger_is_understood(void **state)
{
	(void)state;
	assert_string_equal(nearest("wokrers"), "workers"); /* swapped */
	assert_string_equal(nearest("worker"), "workers");  /* missing */
	assert_string_equal(nearest("workerss"), "workers");
	assert_string_equal(nearest("warkers"), "workers");
	assert_string_equal(nearest("rign"), "ring");
}

static void the_beginning_of_a_word_is_understood(void **state)
{
	(void)state;
	assert_string_equal(nearest("half"), "half-open");
	assert_string_equal(nearest("half-open-t"), "half-open-timeout");
	assert_string_equal(nearest("he"), "headers"); /* before "held": offered first */
}

static void what_is_near_to_nothing_suggests_nothing(void **state)
{
	char longest[4096];

	(void)state;
	memset(longest, 'w', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	assert_null(nearest("output"));
	assert_null(nearest("x"));
	assert_null(nearest(""));
	assert_null(nearest(longest));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_slip_of_the_finger_is_understood),
		cmocka_unit_test(the_beginning_of_a_word_is_understood),
		cmocka_unit_test(what_is_near_to_nothing_suggests_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
