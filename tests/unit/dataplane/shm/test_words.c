/* Proves the promises in words.h: every word has a name and a meaning, no name twice in a list; a
 * number outside a list has none; masks and bits of flags are the same thing.
 */
#include "dataplane/shm/words.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void assert_names(const char *(*name)(unsigned), unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		assert_non_null(name(i));
		assert_int_equal(strspn(name(i), "abcdefghijklmnopqrstuvwxyz_"), strlen(name(i)));
		for (unsigned j = 0; j < i; j++)
			assert_string_not_equal(name(i), name(j));
	}
}

static void assert_nothing_outside(const char *(*name)(unsigned), unsigned count)
{
	assert_null(name(count));
	assert_null(name(255));
	assert_null(name(UINT_MAX));
}

static void every_word_has_one_name(void **state)
{
	(void)state;
	assert_names(outcome_name, OUTCOME_COUNT);
	assert_names(why_name, WHY_COUNT);
	assert_names(flag_name, FLAG_COUNT);
}

static void names_are_those_of_the_enums(void **state)
{
	(void)state;
	assert_string_equal(outcome_name(OUTCOME_paired), "paired");
	assert_string_equal(outcome_name(OUTCOME_oneway), "oneway");
	assert_string_equal(why_name(WHY_connection_closed), "connection_closed");
	assert_string_equal(why_name(WHY_capture_ended), "capture_ended");
	assert_string_equal(flag_name(FLAG_BIT_gap_in_body), "gap_in_body");
	assert_string_equal(flag_name(FLAG_BIT_anomaly), "anomaly");
}

static void numbers_outside_a_list_have_no_name(void **state)
{
	(void)state;
	assert_nothing_outside(outcome_name, OUTCOME_COUNT);
	assert_nothing_outside(why_name, WHY_COUNT);
	assert_nothing_outside(flag_name, FLAG_COUNT);
	assert_nothing_outside(why_meaning, WHY_COUNT);
	assert_nothing_outside(flag_meaning, FLAG_COUNT);
	assert_null(why_name(WHY_none));
}

static void every_meaning_is_a_sentence_for_people(void **state)
{
	(void)state;
	for (unsigned i = 0; i < WHY_COUNT; i++)
		assert_true(strchr(why_meaning(i), ' ') != NULL);
	for (unsigned i = 0; i < FLAG_COUNT; i++)
		assert_true(strchr(flag_meaning(i), ' ') != NULL);
}

static void a_mask_is_its_bit(void **state)
{
	(void)state;
#define MASK(name, meaning) assert_int_equal(FLAG_##name, 1u << FLAG_BIT_##name);
	FLAG_LIST(MASK)
	assert_true(FLAG_COUNT <= 32); /* record.flags */
}

static void counts_leave_room_for_none(void **state)
{
	(void)state;
	assert_true(WHY_COUNT <= WHY_none);
	assert_true(OUTCOME_COUNT <= UINT8_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_word_has_one_name),
		cmocka_unit_test(names_are_those_of_the_enums),
		cmocka_unit_test(numbers_outside_a_list_have_no_name),
		cmocka_unit_test(every_meaning_is_a_sentence_for_people),
		cmocka_unit_test(a_mask_is_its_bit),
		cmocka_unit_test(counts_leave_room_for_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
