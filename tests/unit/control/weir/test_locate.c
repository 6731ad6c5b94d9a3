/* Proves the order in which locate.h looks for a daemon, that only an
 * executable file counts, and that a failure names every place.
 */
#include "control/weir/locate.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char base[64];
static char found[LOCATE_TEXT_BYTES];

/* The folders of a build tree, of an installation, and of somebody who knows better. */
static const char *const folders[] = {
	"env",
	"build",
	"build/control",
	"build/control/weir",
	"build/control/daemon",
	"build/dataplane",
	"installed",
};

static const char *below_base(const char *path)
{
	static char full[16][PATH_MAX];
	static unsigned turn;
	char *ret = full[turn++ % 16];

	(void)snprintf(ret, PATH_MAX, "%s/%s", base, path);
	return ret;
}

static int make_tree(void **state)
{
	(void)state;
	strcpy(base, "/tmp/test_locate-XXXXXX");
	if (mkdtemp(base) == NULL)
		return -1;
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		if (mkdir(below_base(folders[i]), 0700) < 0)
			return -1;
	return 0;
}

static int remove_tree(void **state)
{
	char command[128];

	(void)state;
	(void)snprintf(command, sizeof(command), "rm -r '%s'", base);
	return system(command);
}

static void put(const char *path, mode_t mode)
{
	int fd = open(below_base(path), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);

	assert_true(fd >= 0);
	close(fd);
}

static struct locate all_places(void)
{
	return (struct locate){
		.libexecdir_env = below_base("env"),
		.executable_dir = below_base("build/control/weir"),
		.installed_dir = below_base("installed"),
	};
}

static void expect(const struct locate *where, const char *path)
{
	assert_int_equal(locate_find(where, &locate_control, found), 0);
	assert_string_equal(found, below_base(path));
}

static void places_are_tried_in_order(void **state)
{
	struct locate where = all_places();

	(void)state;
	put("installed/weir-control", 0700);
	expect(&where, "installed/weir-control");
	put("build/control/daemon/weir-control", 0700);
	expect(&where, "build/control/weir/../daemon/weir-control");
	put("build/control/weir/weir-control", 0700);
	expect(&where, "build/control/weir/weir-control");
	put("env/weir-control", 0700);
	expect(&where, "env/weir-control");
}

static void the_dataplane_has_its_own_place_in_the_build_tree(void **state)
{
	struct locate where = all_places();

	(void)state;
	put("build/dataplane/weir-dataplane", 0700);
	assert_int_equal(locate_find(&where, &locate_dataplane, found), 0);
	assert_string_equal(found, below_base("build/control/weir/../../dataplane/weir-dataplane"));
}

static void only_an_executable_file_counts(void **state)
{
	struct locate where = { .libexecdir_env = below_base("env"),
				.installed_dir = below_base("installed") };

	(void)state;
	assert_int_equal(mkdir(below_base("env/weir-control"), 0700), 0);
	put("installed/weir-control", 0600);
	assert_int_equal(locate_find(&where, &locate_control, found), -ENOENT);
	assert_int_equal(chmod(below_base("installed/weir-control"), 0700), 0);
	expect(&where, "installed/weir-control");
}

static void failure_names_every_place(void **state)
{
	struct locate where = all_places();

	(void)state;
	assert_int_equal(locate_find(&where, &locate_control, found), -ENOENT);
	assert_non_null(strstr(found, below_base("env/weir-control\n")));
	assert_non_null(strstr(found, below_base("build/control/weir/weir-control\n")));
	assert_non_null(strstr(found, below_base("build/control/weir/../daemon/weir-control\n")));
	assert_non_null(strstr(found, below_base("installed/weir-control")));
}

static void unknown_and_overlong_places_are_passed_over(void **state)
{
	char longest[PATH_MAX];
	struct locate where = { .libexecdir_env = longest, .installed_dir = "" };

	(void)state;
	memset(longest, 'a', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	assert_int_equal(locate_find(&where, &locate_control, found), -ENOENT);
	assert_string_equal(found, "");
}

static void weir_knows_its_own_folder(void **state)
{
	char executable_dir[PATH_MAX], own[PATH_MAX];
	struct locate where;
	ssize_t bytes = readlink("/proc/self/exe", own, sizeof(own) - 1);

	(void)state;
	assert_true(bytes > 0);
	own[bytes] = '\0';
	*strrchr(own, '/') = '\0';
	assert_int_equal(setenv("WEIR_LIBEXECDIR", "/somewhere", 1), 0);
	locate_here(&where, executable_dir, 4);
	assert_null(where.executable_dir);
	locate_here(&where, executable_dir, sizeof(executable_dir));
	assert_string_equal(where.executable_dir, own);
	assert_string_equal(where.libexecdir_env, "/somewhere");
	assert_non_null(where.installed_dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(places_are_tried_in_order, make_tree, remove_tree),
		cmocka_unit_test_setup_teardown(the_dataplane_has_its_own_place_in_the_build_tree,
						make_tree, remove_tree),
		cmocka_unit_test_setup_teardown(only_an_executable_file_counts, make_tree,
						remove_tree),
		cmocka_unit_test_setup_teardown(failure_names_every_place, make_tree, remove_tree),
		cmocka_unit_test(unknown_and_overlong_places_are_passed_over),
		cmocka_unit_test(weir_knows_its_own_folder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
