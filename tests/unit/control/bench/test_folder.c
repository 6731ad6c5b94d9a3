/* folder: made where it is wanted or under a name of its own, and never over a result. */
#include "tests/support/check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/bench/folder.h"

static char path[PATH_MAX], err[FOLDER_ERROR_BYTES];

static int enter_temporary(void **state)
{
	char place[] = "/tmp/weir-folder-XXXXXX";

	(void)state;
	err[0] = 0;
	return mkdtemp(place) == NULL || chdir(place) < 0;
}

static int leave_temporary(void **state)
{
	char here[PATH_MAX], command[PATH_MAX + 16];

	(void)state;
	if (getcwd(here, sizeof(here)) == NULL || chdir("/") < 0)
		return -1;
	snprintf(command, sizeof(command), "rm -r '%s'", here);
	return system(command);
}

static void is_a_folder(const char *at)
{
	struct stat s;

	assert_int_equal(stat(at, &s), 0);
	assert_true(S_ISDIR(s.st_mode));
}

static void it_is_made_where_it_is_wanted(void **state)
{
	(void)state;
	assert_int_equal(folder_make("micro", "here", path, err), 0);
	assert_string_equal(path, "here");
	is_a_folder("here");
}

static void without_a_wish_its_name_says_what_and_when(void **state)
{
	int year, month, day, hour, minute, second;

	(void)state;
	assert_int_equal(folder_make("modes", NULL, path, err), 0);
	assert_int_equal(sscanf(path, "weir-bench-modes-%4d%2d%2d-%2d%2d%2d", &year, &month, &day,
				&hour, &minute, &second),
			 6);
	assert_in_range(year, 2024, 2200);
	is_a_folder(path);
}

static void one_that_is_there_is_taken(void **state)
{
	(void)state;
	assert_int_equal(mkdir("there", 0755), 0);
	assert_int_equal(folder_make("micro", "there", path, err), 0);
}

static void a_result_is_not_written_over(void **state)
{
	FILE *f;

	(void)state;
	assert_int_equal(mkdir("full", 0755), 0);
	f = fopen("full/result.json", "w");
	assert_non_null(f);
	fclose(f);
	assert_int_equal(folder_make("micro", "full", path, err), -EEXIST);
	assert_string_equal(err,
			    "full: there is a result in it; choose another --output-dir");
}

static void what_cannot_be_made_is_told(void **state)
{
	static char longest[PATH_MAX + 10];

	(void)state;
	assert_int_equal(folder_make("micro", "no/such/parent", path, err), -ENOENT);
	assert_non_null(strstr(err, "no/such/parent: No such file or directory"));
	memset(longest, 'x', sizeof(longest) - 1);
	assert_int_equal(folder_make("micro", longest, path, err), -ENAMETOOLONG);
}

static void a_file_is_no_folder(void **state)
{
	FILE *f = fopen("file", "w");

	(void)state;
	assert_non_null(f);
	fclose(f);
	assert_int_equal(chmod("file", 0755), 0);
	assert_int_equal(folder_make("micro", "file", path, err), -ENOTDIR);
	assert_non_null(strstr(err, "choose another --output-dir"));
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, enter_temporary, leave_temporary)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(it_is_made_where_it_is_wanted),
		CASE(without_a_wish_its_name_says_what_and_when),
		CASE(one_that_is_there_is_taken),
		CASE(a_result_is_not_written_over),
		CASE(what_cannot_be_made_is_told),
		CASE(a_file_is_no_folder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
