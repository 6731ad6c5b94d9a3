/* Proves what arguments.h promises: options are taken wherever they stand, in each of their
 * forms, what is none keeps its order, and a refusal changes nothing behind it.
 */
#include "control/weir/arguments.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct taken {
	char seconds[16];
	int quick, takes;
	const char *loud; /* what was given, or this */
};

static int take_seconds(const char *value, void *user)
{
	struct taken *t = user;

	if (strcmp(value, "never") == 0)
		return -EINVAL;
	t->takes++;
	(void)snprintf(t->seconds, sizeof(t->seconds), "%s", value);
	return 0;
}

static int take_quick(const char *value, void *user)
{
	struct taken *t = user;

	assert_null(value);
	t->takes++;
	t->quick++;
	return 0;
}

static int take_loud(const char *value, void *user)
{
	struct taken *t = user;

	t->loud = value != NULL ? value : "name alone";
	return 0;
}

static const struct argument list[] = {
	{ "seconds", 's', "TIME", "how long (2s)", take_seconds, "a time such as 2s is needed" },
	{ "quick", 0, NULL, "a first look", take_quick, NULL },
	{ "loud", 0, "[=on|off]", "how loud", take_loud, NULL },
};

static const struct arguments all = {
	.command = "weir test",
	.usage = "weir test [OPTION...]",
	.about = "Tests.\n",
	.list = list,
	.count = 3,
};

enum { WORDS = 8 };

static enum arguments_end take(struct taken *t, int *operands, char *word[WORDS])
{
	int argc = 0;

	memset(t, 0, sizeof(*t));
	*operands = -1;
	while (argc < WORDS && word[argc] != NULL)
		argc++;
	return arguments_take(&all, argc, word, t, operands);
}

static void a_value_stands_behind_a_space_an_equals_sign_or_a_letter(void **state)
{
	char *forms[][WORDS] = {
		{ "--seconds", "3s" }, { "--seconds=3s" }, { "-s", "3s" }, { "-s3s" }
	};
	struct taken t;
	int operands;

	(void)state;
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		assert_int_equal(take(&t, &operands, forms[i]), ARGUMENTS_TAKEN);
		assert_string_equal(t.seconds, "3s");
		assert_int_equal(operands, 0);
	}
}

static void a_value_in_brackets_can_be_left_out(void **state)
{
	char *alone[WORDS] = { "--loud", "off" }, *given[WORDS] = { "--loud=off" };
	struct taken t;
	int operands;

	(void)state;
	assert_int_equal(take(&t, &operands, alone), ARGUMENTS_TAKEN);
	assert_string_equal(t.loud, "name alone");
	assert_int_equal(operands, 1);
	assert_int_equal(take(&t, &operands, given), ARGUMENTS_TAKEN);
	assert_string_equal(t.loud, "off");
	assert_int_equal(operands, 0);
}

static void what_is_no_option_keeps_its_order(void **state)
{
	char *word[WORDS] = { "a", "--quick", "b", "-", "--", "--seconds", NULL };
	struct taken t;
	int operands;

	(void)state;
	assert_int_equal(take(&t, &operands, word), ARGUMENTS_TAKEN);
	assert_int_equal(t.quick, 1);
	assert_int_equal(t.takes, 1);
	assert_int_equal(operands, 4);
	assert_string_equal(word[0], "a");
	assert_string_equal(word[1], "b");
	assert_string_equal(word[2], "-");
	assert_string_equal(word[3], "--seconds");
}

static void words_behind_two_dashes_are_counted(void **state)
{
	char word[][8] = { "first", "--", "--size", "--" };
	char *argv[] = { word[0], word[1], word[2], word[3] };

	(void)state;
	assert_int_equal(arguments_behind(4, argv), 2);
	assert_int_equal(arguments_behind(2, argv), 0);
	assert_int_equal(arguments_behind(1, argv), 0);
	assert_int_equal(arguments_behind(0, argv), 0);
}

static void what_is_wrong_is_refused(void **state)
{
	char *wrong[][WORDS] = { { "--second", "3s" },
				 { "--seconds" },
				 { "--seconds", "never" },
				 { "--quick=yes" },
				 { "-x" },
				 { "-s" },
				 { "--=" },
				 { "--quick", "-q" } };
	struct taken t;
	int operands;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(take(&t, &operands, wrong[i]), ARGUMENTS_REFUSED);
		assert_int_equal(operands, -1);
	}
}

static void help_has_every_option(void **state)
{
	char *text = NULL;
	size_t bytes;
	FILE *f = open_memstream(&text, &bytes);

	(void)state;
	assert_non_null(f);
	arguments_help(&all, f);
	fclose(f);
	assert_non_null(strstr(text, "usage: weir test [OPTION...]"));
	assert_non_null(strstr(text, "  -s, --seconds TIME"));
	assert_non_null(strstr(text, "  --quick "));
	assert_non_null(strstr(text, "  --loud[=on|off] "));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_value_stands_behind_a_space_an_equals_sign_or_a_letter),
		cmocka_unit_test(a_value_in_brackets_can_be_left_out),
		cmocka_unit_test(what_is_no_option_keeps_its_order),
		cmocka_unit_test(words_behind_two_dashes_are_counted),
		cmocka_unit_test(what_is_wrong_is_refused),
		cmocka_unit_test(help_has_every_option),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
