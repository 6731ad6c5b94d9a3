/* Proves of dissectors/registry.c: every dissector of the list is complete and can be told from the
 * others, is found by its name, and nothing else is found.
 */
#include "tests/support/check.h"

#include <ctype.h>
#include <string.h>

#include "dissectors/registry.h"

/* Names become command line arguments, JSON values and parts of metric names. */
static bool is_plain(const char *name)
{
	for (const char *p = name; *p != 0; p++)
		if (!islower((unsigned char)*p) && !isdigit((unsigned char)*p) && *p != '_')
			return false;
	return *name != 0;
}

static void every_dissector_is_found_by_its_name(void **state)
{
	(void)state;
	assert_true(dissector_count > 0 && dissector_count <= DISSECTORS_MAX);
	for (uint32_t i = 0; i < dissector_count; i++)
		assert_int_equal(dissector_find(dissectors[i]->name), i);
}

static void a_name_that_is_not_in_the_list_is_not_found(void **state)
{
	(void)state;
	static const char *const no[] = {
		"", "http", "HTTP1", "http1 ", "http10", "dissector_http1"
	};

	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
		assert_int_equal(dissector_find(no[i]), DISSECTOR_NONE);
}

static void every_dissector_is_complete(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < dissector_count; i++) {
		const struct dissector *d = dissectors[i];

		assert_true(is_plain(d->name) && is_plain(d->proto));
		assert_true(d->title != NULL && *d->title != 0);
		/* With neither it is a name and its fields, for messages inside others. */
		if (d->feed != NULL)
			assert_non_null(d->gap);
		if (d->datagrams != NULL)
			assert_non_null(d->datagrams->take);
		if (d->feed != NULL || d->datagrams != NULL)
			assert_true(d->conn_bytes > 0);
		for (uint32_t k = 0; k < d->pattern_count; k++)
			assert_true(d->patterns[k].regex[0] == '^');
		for (uint32_t k = 0; d->datagrams != NULL && k < d->datagrams->pattern_count; k++)
			assert_true(d->datagrams->patterns[k].regex[0] == '^');
	}
}

static void fields_have_names_and_meanings_of_their_own(void **state)
{
	(void)state;
	static const char *const common[] = { "method", "target", "code", "version", "body" };

	for (uint32_t i = 0; i < dissector_count; i++) {
		const struct dissector *d = dissectors[i];

		for (uint32_t k = 0; k < d->field_count; k++) {
			assert_true(is_plain(d->fields[k].name));
			assert_true(d->fields[k].meaning != NULL && *d->fields[k].meaning != 0);
			for (size_t n = 0; n < sizeof(common) / sizeof(common[0]); n++)
				assert_string_not_equal(d->fields[k].name, common[n]);
			for (uint32_t n = 0; n < k; n++)
				assert_string_not_equal(d->fields[k].name, d->fields[n].name);
		}
	}
}

static void the_field_for_interim_codes_is_a_list(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < dissector_count; i++) {
		const struct dissector *d = dissectors[i];

		if (d->interim_field == 0)
			continue;
		assert_in_range(d->interim_field, FIELD_OWN, FIELD_OWN + d->field_count - 1);
		assert_int_equal(d->fields[d->interim_field - FIELD_OWN].kind, FIELD_LIST);
	}
}

static void the_field_for_repeats_is_a_number(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < dissector_count; i++) {
		const struct dissector *d = dissectors[i];

		if (d->again_field == 0)
			continue;
		assert_in_range(d->again_field, FIELD_OWN, FIELD_OWN + d->field_count - 1);
		assert_int_equal(d->fields[d->again_field - FIELD_OWN].kind, FIELD_NUMBER);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_dissector_is_found_by_its_name),
		cmocka_unit_test(a_name_that_is_not_in_the_list_is_not_found),
		cmocka_unit_test(every_dissector_is_complete),
		cmocka_unit_test(fields_have_names_and_meanings_of_their_own),
		cmocka_unit_test(the_field_for_interim_codes_is_a_list),
		cmocka_unit_test(the_field_for_repeats_is_a_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
