/* Proves that result_machine() tells of this machine what the kernel says, leaves out nothing
 * that judging a figure takes, and starts programs without leaving any behind.
 */
#include "control/bench/result.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/check.h"

static const char *value_of(const struct result *r, const char *section, const char *name)
{
	for (size_t i = 0; i < r->conditions; i++)
		if (strcmp(r->condition[i].section, section) == 0 &&
		    strcmp(r->condition[i].name, name) == 0)
			return r->condition[i].value;
	fail_msg("no condition %s of %s", name, section);
	return NULL;
}

static void everything_is_told(void **state)
{
	static const char *const wanted[][2] = {
		{ "machine", "kernel" },
		{ "machine", "distribution" },
		{ "machine", "CPU" },
		{ "machine", "cores" },
		{ "machine", "hypervisor" },
		{ "machine", "memory" },
		{ "machine", "huge pages" },
		{ "machine", "frequency governor" },
		{ "machine", "busy polling" },
		{ "machine", "boot parameters" },
		{ "machine", "clock source" },
		{ "versions", "weir" },
		{ "versions", "git revision" },
		{ "versions", "compiler" },
		{ "versions", "libraries" },
		{ "versions", "weir executable" },
		{ "versions", "weir-dataplane" },
		{ "versions", "nginx" },
		{ "versions", "wrk" },
	};
	struct result *r = result_new("test");

	(void)state;
	result_machine(r);
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		assert_true(strlen(value_of(r, wanted[i][0], wanted[i][1])) > 0);
	for (size_t i = 0; i < r->conditions; i++)
		assert_null(strchr(r->condition[i].value, '\n'));
	result_free(r);
}

static void it_is_what_the_kernel_says(void **state)
{
	struct result *r = result_new("test");
	struct utsname u;

	(void)state;
	assert_int_equal(uname(&u), 0);
	result_machine(r);
	assert_non_null(strstr(value_of(r, "machine", "kernel"), u.release));
	assert_non_null(strstr(value_of(r, "machine", "memory"), "kB"));
	assert_string_equal(value_of(r, "versions", "weir"), WEIR_VERSION);
	result_free(r);
}

/* The same executable has the same hash, so a comparison warns of another build alone. */
static void twice_is_the_same(void **state)
{
	struct result *one = result_new("test"), *two = result_new("test");

	(void)state;
	result_machine(one);
	result_machine(two);
	assert_int_equal(one->conditions, two->conditions);
	assert_string_equal(value_of(one, "versions", "weir executable"),
			    value_of(two, "versions", "weir executable"));
	result_machine(one); /* and replaces */
	assert_int_equal(one->conditions, two->conditions);
	result_free(one);
	result_free(two);
}

static void put_program(const char *folder, const char *name, const char *text)
{
	char path[128];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	assert_int_equal(chmod(path, 0755), 0);
}

/* Programs that say it on standard error, that say nothing for ever, much, or no UTF-8. */
static void programs_may_say_what_they_like(void **state)
{
	char folder[] = "/tmp/test_result_machine-XXXXXX", path[256], err[RESULT_ERROR_BYTES];
	const char *before = getenv("PATH");
	struct result *r = result_new("test");

	(void)state;
	assert_non_null(mkdtemp(folder));
	put_program(folder, "nginx", "#!/bin/sh\necho nginx 9.9 >&2\n");
	put_program(folder, "wrk", "#!/bin/sh\nexec sleep 1000\n");
	put_program(folder, "gnuplot", "#!/bin/sh\nexec yes | tr -d '\\n'\n");
	put_program(folder, "ethtool", "#!/bin/sh\nprintf 'ethtool \\377\\n'\n");
	put_program(folder, "tc", "#!/no/such/interpreter\n");
	(void)snprintf(path, sizeof(path), "%s:%s", folder, before);
	setenv("PATH", path, 1);
	result_machine(r);
	setenv("PATH", strchr(path, ':') + 1, 1);
	assert_string_equal(value_of(r, "versions", "nginx"), "nginx 9.9");
	assert_string_equal(value_of(r, "versions", "wrk"), "installed");
	assert_true(strlen(value_of(r, "versions", "gnuplot")) > 100);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
	assert_int_equal(result_write(r, folder, err), 0);
	(void)snprintf(path, sizeof(path), "rm -r '%s'", folder);
	assert_int_equal(system(path), 0);
	result_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_is_told),
		cmocka_unit_test(it_is_what_the_kernel_says),
		cmocka_unit_test(twice_is_the_same),
		cmocka_unit_test(programs_may_say_what_they_like),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
