/* Proves what together.h promises: who is behind hears how far the others are, and when that is
 * final.
 */
#include "dataplane/together.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static struct together t;

static void who_is_behind_has_as_much_left_as_the_furthest_is_ahead(void **state)
{
	bool final;

	(void)state;
	together_init(&t, 3);
	together_walked(&t, 0, 64);
	together_walked(&t, 1, 64);
	together_walked(&t, 1, 36);
	assert_int_equal(together_left(&t, 0, &final), 36);
	assert_int_equal(together_left(&t, 1, &final), 0);
	assert_int_equal(together_left(&t, 2, &final), 100);
	together_walked(&t, 2, 100);
	assert_int_equal(together_left(&t, 2, &final), 0);
}

static void it_is_final_when_all_have_ended(void **state)
{
	bool final = true;

	(void)state;
	together_init(&t, 2);
	together_walked(&t, 0, 5);
	together_ended(&t, 0);
	assert_int_equal(together_left(&t, 0, &final), 0);
	assert_false(final);
	together_walked(&t, 1, 7);
	together_ended(&t, 1);
	assert_int_equal(together_left(&t, 0, &final), 2);
	assert_true(final);
	assert_int_equal(together_left(&t, 1, &final), 0);
	assert_true(final);
}

static void workers_that_are_not_there_hold_nobody_up(void **state)
{
	bool final = false;

	(void)state;
	together_init(&t, 1);
	together_walked(&t, 0, 3);
	together_ended(&t, 0);
	assert_int_equal(together_left(&t, 0, &final), 0);
	assert_true(final);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_is_behind_has_as_much_left_as_the_furthest_is_ahead),
		cmocka_unit_test(it_is_final_when_all_have_ended),
		cmocka_unit_test(workers_that_are_not_there_hold_nobody_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
