/* Proves that a program that is not there is named with its package, and that what is there is. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "control/bench/lab.h"
#include "control/bench/run.h"
#include "tests/support/machine.h"

static struct host host;

static int begin(void **state)
{
	(void)state;
	machine_make(&host);
	return 0;
}

static int end(void **state)
{
	(void)state;
	machine_remove(&host);
	return 0;
}

static void every_program_is_there_or_has_its_package(void **state)
{
	const struct report *r = machine_look(&host, program_checks);
	char path[PATH_MAX];

	(void)state;
	for (int i = 0; i < LAB_TOOLS; i++) {
		const struct finding *f = machine_line(r, "programs",
						       run_find(lab_tools[i].program, path) == 0
							       ? "there: "
							       : lab_tools[i].program);

		assert_non_null(strstr(f->text, lab_tools[i].program));
	}
}

static void one_that_is_missing_is_named(void **state)
{
	const struct report *r;
	char path[HOST_PATH_BYTES];

	(void)state;
	/* wrk is in no /sbin: an empty folder as PATH hides it. */
	machine_put(&host, "/bin/nothing", "");
	host_path(&host, path, "/bin");
	assert_int_equal(setenv("PATH", path, 1), 0);
	r = machine_look(&host, program_checks);
	assert_int_equal(machine_line(r, "programs", "wrk: is neither")->level, LEVEL_INFO);
	assert_string_equal(machine_line(r, "programs", "wrk: is neither")->fix, "apt install wrk");
	/* And a program of that name is found again. */
	machine_put(&host, "/bin/wrk", "#!/bin/sh\n");
	host_path(&host, path, "/bin/wrk");
	assert_int_equal(chmod(path, 0755), 0);
	r = machine_look(&host, program_checks);
	assert_non_null(strstr(machine_line(r, "programs", "there: ")->text, "wrk"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_program_is_there_or_has_its_package),
		TEST(one_that_is_missing_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
