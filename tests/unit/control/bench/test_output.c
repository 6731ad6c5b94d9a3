/* output - Promises:
 * - the preset name has the benchmark and the time to the second;
 * - folders are made with those above them, and one that is there will do;
 * - what cannot be a folder is refused in a sentence that names it and --output-dir.
 */
#include "control/bench/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/check.h"

static char err[OUTPUT_ERROR_BYTES];

static void the_preset_name_has_the_time(void **state)
{
	char name[PATH_MAX];
	int date, hour;

	(void)state;
	output_name("gates", name);
	assert_int_equal(strlen(name), strlen("weir-bench-gates-20260101-000000"));
	assert_int_equal(sscanf(name, "weir-bench-gates-%8d-%6d", &date, &hour), 2);
	assert_in_range(date, 20200101, 99991231);
	assert_in_range(hour, 0, 235960);
}

static void folders_are_made_with_those_above(void **state)
{
	char root[] = "/tmp/test_output.XXXXXX", path[PATH_MAX];
	struct stat s;

	(void)state;
	assert_non_null(mkdtemp(root));
	(void)snprintf(path, sizeof(path), "%s/a//b/c/", root);
	assert_int_equal(output_make(path, err), 0);
	assert_int_equal(stat(path, &s), 0);
	assert_true(S_ISDIR(s.st_mode));
	assert_int_equal(output_make(path, err), 0);

	(void)snprintf(path, sizeof(path), "%s/file", root);
	close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
	assert_int_equal(output_make(path, err), -ENOTDIR);
	assert_non_null(strstr(err, path));
	assert_non_null(strstr(err, "--output-dir"));
	(void)snprintf(path, sizeof(path), "%s/file/under", root);
	assert_int_equal(output_make(path, err), -ENOTDIR);

	(void)snprintf(path, sizeof(path), "rm -r %s", root);
	assert_int_equal(system(path), 0);
}

static void what_cannot_be_a_folder_is_refused(void **state)
{
	static char long_path[2 * PATH_MAX];

	(void)state;
	assert_int_equal(output_make("", err), -ENOENT);
	assert_true(output_make("/proc/no/such", err) < 0);
	memset(long_path, 'a', sizeof(long_path) - 1);
	assert_int_equal(output_make(long_path, err), -ENAMETOOLONG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_preset_name_has_the_time),
		cmocka_unit_test(folders_are_made_with_those_above),
		cmocka_unit_test(what_cannot_be_a_folder_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
