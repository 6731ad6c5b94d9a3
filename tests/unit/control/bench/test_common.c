/* Proves what the options of all benchmarks take and refuse, and that without a folder for the
 * results nothing begins.
 */
#include "control/bench/common.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/weir/command.h"
#include "tests/support/check.h"

static struct common c;
static char base[64];

static int begin(void **state)
{
	(void)state;
	memset(&c, 0, sizeof(c));
	strcpy(base, "/tmp/test_common-XXXXXX");
	return mkdtemp(base) == NULL ? -1 : 0;
}

static int end(void **state)
{
	char command[128];

	(void)state;
	(void)snprintf(command, sizeof(command), "rm -r '%s'", base);
	return system(command);
}

static void runs_and_seconds_have_limits(void **state)
{
	(void)state;
	assert_int_equal(common_take_runs("7", &c), 0);
	assert_int_equal(c.runs, 7);
	assert_int_equal(common_take_runs("0", &c), -EINVAL);
	assert_int_equal(common_take_runs("1001", &c), -EINVAL);
	assert_int_equal(common_take_runs("many", &c), -EINVAL);
	assert_int_equal(c.runs, 7);
	assert_int_equal(common_take_seconds("500ms", &c), 0);
	assert_true(c.seconds == 0.5);
	assert_int_equal(common_take_seconds("1h", &c), 0);
	assert_int_equal(common_take_seconds("99ms", &c), -EINVAL);
	assert_int_equal(common_take_seconds("2h", &c), -EINVAL);
	assert_int_equal(common_take_seconds("", &c), -EINVAL);
	assert_true(c.seconds == 3600);
}

static void words_are_taken_as_they_are(void **state)
{
	(void)state;
	assert_int_equal(common_take_output_dir("a/b", &c), 0);
	assert_string_equal(c.output_dir, "a/b");
	assert_int_equal(common_take_output_dir("", &c), -EINVAL);
	assert_int_equal(common_take_interface("eth0", &c), 0);
	assert_string_equal(c.interface, "eth0");
	assert_int_equal(common_take_interface("", &c), -EINVAL);
	assert_int_equal(common_take_quick(NULL, &c), 0);
	assert_int_equal(common_take_quiet(NULL, &c), 0);
	assert_true(c.quick && c.quiet);
}

static void the_folder_is_that_of_the_option(void **state)
{
	char path[PATH_MAX];
	struct stat st;

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/results", base);
	c.output_dir = path;
	assert_int_equal(common_begin(&c, "test", "what"), STATUS_DONE);
	assert_string_equal(c.folder, path);
	assert_int_equal(stat(path, &st), 0);
}

static void what_cannot_be_a_folder_is_refused(void **state)
{
	char path[PATH_MAX];
	FILE *f;

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/file", base);
	f = fopen(path, "we");
	assert_non_null(f);
	fclose(f);
	c.output_dir = path;
	assert_int_equal(common_begin(&c, "test", "what"), STATUS_OUTPUT);
	(void)snprintf(path, sizeof(path), "%s/file/below", base);
	assert_int_equal(common_begin(&c, "test", "what"), STATUS_OUTPUT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(runs_and_seconds_have_limits, begin, end),
		cmocka_unit_test_setup_teardown(words_are_taken_as_they_are, begin, end),
		cmocka_unit_test_setup_teardown(the_folder_is_that_of_the_option, begin, end),
		cmocka_unit_test_setup_teardown(what_cannot_be_a_folder_is_refused, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
