/* Proves that every back end in the table is complete and is found by its name alone. */
#include "captures.h"

static void every_back_end_is_complete_and_found_by_its_name(void **state)
{
	(void)state;
	assert_true(rx_backend_count >= 2);
	for (uint32_t i = 0; i < rx_backend_count; i++) {
		const struct rx_backend *b = rx_backends[i];

		assert_non_null(b->help);
		assert_non_null(b->open);
		assert_non_null(b->pull);
		assert_non_null(b->give_back);
		assert_non_null(b->state);
		assert_non_null(b->counters);
		assert_non_null(b->close);
		assert_ptr_equal(rx_backend_find(b->name, strlen(b->name)), b);
	}
}

static void a_name_needs_no_end_but_its_whole_length(void **state)
{
	(void)state;
	assert_string_equal(rx_backend_find("file:argument", 4)->name, "file");
	assert_null(rx_backend_find("file:argument", 5));
	assert_null(rx_backend_find("file", 3));
	assert_null(rx_backend_find("", 0));
	assert_null(rx_backend_find("File", 4));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_back_end_is_complete_and_found_by_its_name),
		cmocka_unit_test(a_name_needs_no_end_but_its_whole_length),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
