/* Proves that a program is found where run.h says and nowhere else, that its status, its
 * signal and the first line of its complaints come back whatever it writes, that it
 * inherits nothing, and that no shell looks at its words.
 */
#include "control/bench/run.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/check.h"

static char base[64];
static char found[PATH_MAX];
static char line[RUN_LINE_BYTES];

static const char *below_base(const char *path)
{
	static char full[8][PATH_MAX];
	static unsigned turn;
	char *ret = full[turn++ % 8];

	(void)snprintf(ret, PATH_MAX, "%s/%s", base, path);
	return ret;
}

static int make_folders(void **state)
{
	(void)state;
	strcpy(base, "/tmp/test_run-XXXXXX");
	if (mkdtemp(base) == NULL)
		return -1;
	return mkdir(below_base("one"), 0700) < 0 || mkdir(below_base("two"), 0700) < 0 ? -1 : 0;
}

static int remove_folders(void **state)
{
	char command[128];

	(void)state;
	(void)setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1);
	(void)snprintf(command, sizeof(command), "rm -r '%s'", base);
	return system(command);
}

static void put(const char *path, mode_t mode)
{
	int fd = open(below_base(path), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);

	assert_true(fd >= 0);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static void search(const char *first, const char *second)
{
	char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "%s:%s", first, second);
	(void)setenv("PATH", path, 1);
}

/* shell - run a line of shell, as a program that does something known. */
static int shell(const char *text)
{
	return run("/bin/sh", (const char *const[]){ "sh", "-c", text, NULL }, line);
}

/* ---- finding ---- */

static void the_first_folder_of_path_wins(void **state)
{
	(void)state;
	put("one/tool", 0755);
	put("two/tool", 0755);
	search(below_base("one"), below_base("two"));
	assert_int_equal(run_find("tool", found), 0);
	assert_string_equal(found, below_base("one/tool"));
	search(below_base("two"), below_base("one"));
	assert_int_equal(run_find("tool", found), 0);
	assert_string_equal(found, below_base("two/tool"));
}

static void what_cannot_be_executed_is_passed_over(void **state)
{
	(void)state;
	put("one/plain", 0644);
	assert_int_equal(mkdir(below_base("one/folder"), 0755), 0);
	put("two/folder", 0755);
	search(below_base("one"), below_base("two"));
	assert_int_equal(run_find("plain", found), -ENOENT);
	assert_int_equal(run_find("folder", found), 0);
	assert_string_equal(found, below_base("two/folder"));
}

static void a_name_with_a_slash_is_not_searched_for(void **state)
{
	(void)state;
	put("one/here", 0755);
	search(below_base("one"), below_base("two"));
	assert_int_equal(run_find(below_base("one/here"), found), 0);
	assert_string_equal(found, below_base("one/here"));
	assert_int_equal(run_find("./here", found), -ENOENT);
	assert_int_equal(run_find("/", found), -ENOENT);
}

static void programs_of_root_are_found_without_path(void **state)
{
	(void)state;
	if (access("/usr/sbin/ip", X_OK) < 0 && access("/sbin/ip", X_OK) < 0) {
		print_message("no ip in /usr/sbin or /sbin\n");
		skip();
	}
	(void)unsetenv("PATH");
	assert_int_equal(run_find("ip", found), 0);
	search(below_base("one"), "");
	assert_int_equal(run_find("ip", found), 0);
}

static void what_is_nowhere_is_refused_and_writes_nothing(void **state)
{
	char long_name[PATH_MAX + 10];

	(void)state;
	memset(long_name, 'x', sizeof(long_name));
	long_name[sizeof(long_name) - 1] = '\0';
	search(below_base("one"), "::");
	strcpy(found, "untouched");
	assert_int_equal(run_find("no-such-tool", found), -ENOENT);
	assert_int_equal(run_find("", found), -ENOENT);
	assert_int_equal(run_find(long_name, found), -ENOENT);
	long_name[0] = '/';
	assert_int_equal(run_find(long_name, found), -ENOENT);
	assert_string_equal(found, "untouched");
}

/* ---- running ---- */

static void status_and_signal_come_back(void **state)
{
	(void)state;
	assert_int_equal(shell("exit 0"), 0);
	assert_int_equal(shell("exit 37"), 37);
	assert_int_equal(shell("kill -9 $$"), 128 + SIGKILL);
}

static void the_first_line_of_complaints_is_kept(void **state)
{
	(void)state;
	assert_int_equal(shell("echo 'one thing'; echo first >&2; echo second >&2; exit 2"), 2);
	assert_string_equal(line, "first");
	assert_int_equal(shell("printf 'no end of line' >&2"), 0);
	assert_string_equal(line, "no end of line");
	assert_int_equal(shell("echo said nothing of note"), 0);
	assert_string_equal(line, "");
	assert_int_equal(shell("printf '\\nlater\\n' >&2"), 0);
	assert_string_equal(line, "");
}

static void a_long_line_is_cut_and_a_flood_is_drained(void **state)
{
	(void)state;
	assert_int_equal(shell("head -c 1000000 /dev/zero | tr '\\0' x >&2; exit 3"), 3);
	assert_int_equal(strlen(line), RUN_LINE_BYTES - 1);
	assert_int_equal(strspn(line, "x"), RUN_LINE_BYTES - 1);
	assert_int_equal(shell("echo a >&2; yes | head -c 1000000 >&2"), 0);
	assert_string_equal(line, "a");
}

static void a_program_reads_nothing_and_inherits_nothing(void **state)
{
	int fd = fcntl(STDERR_FILENO, F_DUPFD, 77); /* on purpose without close-on-exec */
	char look[64];

	(void)state;
	assert_true(fd >= 77);
	assert_int_equal(shell("cat >&2"), 0);
	assert_string_equal(line, "");
	assert_int_equal(shell("to=$(readlink /proc/$$/fd/1); echo $to >&2"), 0);
	assert_string_equal(line, "/dev/null");
	(void)snprintf(look, sizeof(look), "test -e /proc/$$/fd/%d", fd);
	assert_int_equal(shell(look), 1);
	close(fd);
}

static void no_shell_looks_at_the_words(void **state)
{
	(void)state;
	assert_int_equal(run("/bin/sh",
			     (const char *const[]){ "sh", "-c", "printf '%s|' \"$@\" >&2", "sh",
						    "a b", "$HOME", "*", "", "';", NULL },
			     line),
			 0);
	assert_string_equal(line, "a b|$HOME|*||';|");
}

static void what_cannot_be_started_is_an_errno(void **state)
{
	const char *const argv[] = { "x", NULL };

	(void)state;
	strcpy(line, "old");
	assert_int_equal(run("/no/such/program", argv, line), -ENOENT);
	assert_string_equal(line, "");
	assert_int_equal(run("/", argv, line), -EACCES);
}

static void descriptors_are_given_back(void **state)
{
	int before = dup(0), after;

	(void)state;
	close(before);
	for (int i = 0; i < 20; i++) {
		assert_int_equal(shell("exit 1"), 1);
		assert_int_equal(run("/no/such/program", (const char *const[]){ "x", NULL }, line),
				 -ENOENT);
	}
	after = dup(0);
	close(after);
	assert_int_equal(after, before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_first_folder_of_path_wins, make_folders,
						remove_folders),
		cmocka_unit_test_setup_teardown(what_cannot_be_executed_is_passed_over,
						make_folders, remove_folders),
		cmocka_unit_test_setup_teardown(a_name_with_a_slash_is_not_searched_for,
						make_folders, remove_folders),
		cmocka_unit_test_setup_teardown(programs_of_root_are_found_without_path,
						make_folders, remove_folders),
		cmocka_unit_test_setup_teardown(what_is_nowhere_is_refused_and_writes_nothing,
						make_folders, remove_folders),
		cmocka_unit_test(status_and_signal_come_back),
		cmocka_unit_test(the_first_line_of_complaints_is_kept),
		cmocka_unit_test(a_long_line_is_cut_and_a_flood_is_drained),
		cmocka_unit_test(a_program_reads_nothing_and_inherits_nothing),
		cmocka_unit_test(no_shell_looks_at_the_words),
		cmocka_unit_test(what_cannot_be_started_is_an_errno),
		cmocka_unit_test(descriptors_are_given_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
