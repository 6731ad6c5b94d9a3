/* Proves that any value comes back from an INI line as it was, and that a
 * quotation which ends anywhere but at the end is refused.
 */
#include "control/weir/ini_text.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *written(const char *value)
{
	static char text[256];
	FILE *to = fmemopen(text, sizeof(text), "w");

	assert_non_null(to);
	ini_text_write(value, to);
	fputc('\0', to);
	fclose(to);
	return text;
}

static int read_copy(const char *text, char ret[256])
{
	strcpy(ret, text);
	return ini_text_read(ret);
}

static void ordinary_values_are_not_quoted(void **state)
{
	(void)state;
	assert_string_equal(written("tcp port 80 and tcp[13] & 2 != 0"),
			    "tcp port 80 and tcp[13] & 2 != 0");
	assert_string_equal(written("/a b/c\\d;e#f"), "/a b/c\\d;e#f");
	assert_string_equal(written("a \"b\" c"), "a \"b\" c");
	assert_string_equal(written(""), "");
}

static void what_would_come_back_different_is_quoted(void **state)
{
	static const char *const values[] = { " leading",   "trailing ", "\tx",
					      "two\nlines", "cr\rlf\n",  "\"quoted\"",
					      "\"",         " \\ ",      "\"\\\"" };
	char back[256];

	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		const char *text = written(values[i]);

		assert_int_equal(text[0], '"');
		assert_null(strpbrk(text, "\n\r"));
		assert_int_equal(read_copy(text, back), 0);
		assert_string_equal(back, values[i]);
	}
}

static void unquoted_values_are_taken_as_they_are(void **state)
{
	char back[256];

	(void)state;
	assert_int_equal(read_copy("a\\n\"b", back), 0);
	assert_string_equal(back, "a\\n\"b");
	assert_int_equal(read_copy("", back), 0);
	assert_string_equal(back, "");
	assert_int_equal(read_copy("\"\"", back), 0);
	assert_string_equal(back, "");
}

static void broken_quotations_are_refused(void **state)
{
	static const char *const broken[] = { "\"",        "\"abc",    "\"abc\" d", "\"abc\\",
					      "\"abc\\\"", "\"a\\x\"", "\"\"\"" };
	char back[256];

	(void)state;
	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++)
		assert_int_equal(read_copy(broken[i], back), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ordinary_values_are_not_quoted),
		cmocka_unit_test(what_would_come_back_different_is_quoted),
		cmocka_unit_test(unquoted_values_are_taken_as_they_are),
		cmocka_unit_test(broken_quotations_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
