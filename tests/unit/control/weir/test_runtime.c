/* Proves that a run gets a directory of its own that nobody else can enter,
 * somewhere in any case, and that removing it leaves nothing behind, neither
 * touching a neighbour nor following a link.
 */
#include "control/weir/runtime.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char base[64];
static char made[92];

static const char *below_base(const char *path)
{
	static char full[16][PATH_MAX];
	static unsigned turn;
	char *ret = full[turn++ % 16];

	(void)snprintf(ret, PATH_MAX, "%s/%s", base, path);
	return ret;
}

static int make_base(void **state)
{
	(void)state;
	strcpy(base, "/tmp/test_runtime-XXXXXX");
	return mkdtemp(base) != NULL ? 0 : -1;
}

static int remove_base(void **state)
{
	char command[128];

	(void)state;
	(void)snprintf(command, sizeof(command), "rm -r '%s'", base);
	return system(command);
}

static bool exists(const char *path)
{
	struct stat s;

	return lstat(path, &s) == 0;
}

static void put(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	close(fd);
}

static void a_run_has_its_directory_to_itself(void **state)
{
	struct runtime_base where = { .preferred = base, .fallback = base };
	struct stat s;

	(void)state;
	assert_int_equal(runtime_make(&where, "read-abc", made, sizeof(made)), 0);
	assert_string_equal(made, below_base("weir/read-abc"));
	assert_int_equal(stat(made, &s), 0);
	assert_int_equal(s.st_mode & 0777, 0700);
}

static void removing_leaves_nothing(void **state)
{
	struct runtime_base where = { .preferred = base, .fallback = base };

	(void)state;
	assert_int_equal(runtime_make(&where, "read-abc", made, sizeof(made)), 0);
	put(below_base("weir/read-abc/attach.sock"));
	put(below_base("weir/read-abc/ctl.sock"));
	assert_int_equal(runtime_remove(made), 0);
	assert_false(exists(below_base("weir")));
	assert_true(exists(base));
	assert_int_equal(runtime_remove(made), 0); /* again: somebody else was faster */
}

static void another_run_is_not_disturbed(void **state)
{
	struct runtime_base where = { .preferred = base, .fallback = base };
	char other[92];

	(void)state;
	assert_int_equal(runtime_make(&where, "read-abc", made, sizeof(made)), 0);
	assert_int_equal(runtime_make(&where, "read-xyz", other, sizeof(other)), 0);
	assert_int_equal(runtime_remove(made), 0);
	assert_true(exists(other));
	assert_int_equal(runtime_remove(other), 0);
	assert_false(exists(below_base("weir")));
}

static void without_a_usable_folder_there_is_a_fresh_one(void **state)
{
	static const char *const unusable[] = { NULL, "", "relative", "/nonexistent", "/dev/null" };

	(void)state;
	for (size_t i = 0; i < sizeof(unusable) / sizeof(unusable[0]); i++) {
		struct runtime_base where = { .preferred = unusable[i], .fallback = base };
		struct stat s;

		assert_int_equal(runtime_make(&where, "read-abc", made, sizeof(made)), 0);
		assert_memory_equal(made, below_base("weir-"), strlen(base) + 6);
		assert_int_equal(stat(made, &s), 0);
		assert_int_equal(s.st_mode & 0777, 0700);
		assert_int_equal(runtime_remove(made), 0);
		assert_false(exists(made));
	}
}

/* listen_in - as a dataplane does. Returns the socket. */
static int listen_in(const char *directory)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s/attach.sock", directory);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(fd, 1), 0);
	return fd;
}

static void make_old(const char *directory)
{
	struct timespec long_ago[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };

	assert_int_equal(utimensat(AT_FDCWD, directory, long_ago, 0), 0);
}

static void a_name_in_use_is_refused_and_what_a_killed_run_left_is_taken(void **state)
{
	struct runtime_base where = { .preferred = base, .fallback = base };
	int fd;

	(void)state;
	assert_int_equal(runtime_make(&where, "tap", made, sizeof(made)), 0);
	assert_int_equal(runtime_make(&where, "tap", made, sizeof(made)), -EEXIST); /* too young */
	fd = listen_in(made);
	make_old(made);
	assert_true(runtime_in_use(made));
	assert_int_equal(runtime_make(&where, "tap", made, sizeof(made)), -EEXIST);
	close(fd);
	assert_false(runtime_in_use(made));
	assert_int_equal(runtime_make(&where, "tap", made, sizeof(made)), 0);
	assert_string_equal(made, below_base("weir/tap"));
}

static void what_killed_runs_left_is_swept_by_the_next(void **state)
{
	struct runtime_base where = { .preferred = base, .fallback = base };
	char left[256], alive[256];
	int fd;

	(void)state;
	assert_int_equal(runtime_make(&where, "left", left, sizeof(left)), 0);
	assert_int_equal(runtime_make(&where, "alive", alive, sizeof(alive)), 0);
	fd = listen_in(alive);
	make_old(left);
	make_old(alive);
	assert_int_equal(runtime_make(&where, "next", made, sizeof(made)), 0);
	assert_false(exists(left));
	assert_true(exists(alive));
	close(fd);
}

static void the_journal_of_changes_is_no_run_and_stays(void **state)
{
	struct runtime_base where = { .preferred = base, .fallback = base };
	char journal[256];

	(void)state;
	assert_int_equal(runtime_make(&where, "before", made, sizeof(made)), 0);
	(void)snprintf(journal, sizeof(journal), "%s", below_base("weir/undo"));
	assert_int_equal(mkdir(journal, 0700), 0);
	make_old(journal);
	assert_int_equal(runtime_make(&where, "next", made, sizeof(made)), 0);
	assert_true(exists(journal));
}

static void a_name_too_long_gets_a_fresh_one(void **state)
{
	struct runtime_base where = { .preferred = base, .fallback = base };
	char longest[256];

	(void)state;
	memset(longest, 'a', sizeof(longest));
	longest[200] = '\0';
	assert_int_equal(runtime_make(&where, longest, made, sizeof(made)), 0);
	assert_true(strlen(made) < sizeof(made));
}

static void impossible_places_are_refused(void **state)
{
	struct runtime_base nowhere = { .preferred = NULL, .fallback = "/nonexistent" };
	struct runtime_base where = { .preferred = base, .fallback = base };
	char tiny[8] = "before";

	(void)state;
	assert_int_equal(runtime_make(&nowhere, "read-abc", tiny, sizeof(tiny)), -ENAMETOOLONG);
	assert_int_equal(runtime_make(&where, "read-abc", tiny, sizeof(tiny)), -ENAMETOOLONG);
	assert_string_equal(tiny, "before"); /* untouched on failure */
	assert_int_equal(runtime_make(&nowhere, "read-abc", made, sizeof(made)), -ENOENT);
}

static void links_are_not_followed(void **state)
{
	(void)state;
	assert_int_equal(mkdir(below_base("precious"), 0700), 0);
	put(below_base("precious/file"));
	assert_int_equal(symlink(below_base("precious"), below_base("link")), 0);
	assert_true(runtime_remove(below_base("link")) < 0);
	assert_true(exists(below_base("precious/file")));

	assert_int_equal(mkdir(below_base("run"), 0700), 0);
	assert_int_equal(symlink(below_base("precious/file"), below_base("run/attach.sock")), 0);
	assert_int_equal(runtime_remove(below_base("run")), 0);
	assert_true(exists(below_base("precious/file")));
}

/* As DPDK makes them for its telemetry; a link in there leads nowhere. */
static void folders_in_it_go_with_it(void **state)
{
	(void)state;
	assert_int_equal(mkdir(below_base("run"), 0700), 0);
	assert_int_equal(mkdir(below_base("run/dpdk"), 0700), 0);
	assert_int_equal(mkdir(below_base("run/dpdk/weir"), 0700), 0);
	put(below_base("run/dpdk/weir/file"));
	assert_int_equal(mkdir(below_base("kept"), 0700), 0);
	put(below_base("kept/file"));
	assert_int_equal(symlink(below_base("kept"), below_base("run/dpdk/link")), 0);
	assert_int_equal(runtime_remove(below_base("run")), 0);
	assert_false(exists(below_base("run")));
	assert_true(exists(below_base("kept/file")));
}

static void begin_and_end(const struct runtime_base *where, int number)
{
	char name[32];

	(void)snprintf(name, sizeof(name), "read-%d", number);
	for (int i = 0; i < 300; i++)
		if (runtime_make(where, name, made, sizeof(made)) < 0 || runtime_remove(made) < 0)
			_exit(1);
	_exit(0);
}

static void runs_may_begin_and_end_at_the_same_time(void **state)
{
	struct runtime_base where = { .preferred = base, .fallback = base };
	int how;

	(void)state;
	for (int i = 0; i < 4; i++) {
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (pid == 0)
			begin_and_end(&where, i);
	}
	for (int i = 0; i < 4; i++) {
		assert_true(wait(&how) > 0);
		assert_true(WIFEXITED(how) && WEXITSTATUS(how) == 0);
	}
	assert_int_equal(rmdir(base), 0); /* empty: nobody left anything */
	assert_int_equal(mkdir(base, 0700), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_run_has_its_directory_to_itself, make_base,
						remove_base),
		cmocka_unit_test_setup_teardown(removing_leaves_nothing, make_base, remove_base),
		cmocka_unit_test_setup_teardown(another_run_is_not_disturbed, make_base,
						remove_base),
		cmocka_unit_test_setup_teardown(without_a_usable_folder_there_is_a_fresh_one,
						make_base, remove_base),
		cmocka_unit_test_setup_teardown(
			a_name_in_use_is_refused_and_what_a_killed_run_left_is_taken, make_base,
			remove_base),
		cmocka_unit_test_setup_teardown(the_journal_of_changes_is_no_run_and_stays,
						make_base, remove_base),
		cmocka_unit_test_setup_teardown(what_killed_runs_left_is_swept_by_the_next,
						make_base, remove_base),
		cmocka_unit_test_setup_teardown(a_name_too_long_gets_a_fresh_one, make_base,
						remove_base),
		cmocka_unit_test_setup_teardown(impossible_places_are_refused, make_base,
						remove_base),
		cmocka_unit_test_setup_teardown(links_are_not_followed, make_base, remove_base),
		cmocka_unit_test_setup_teardown(folders_in_it_go_with_it, make_base, remove_base),
		cmocka_unit_test_setup_teardown(runs_may_begin_and_end_at_the_same_time, make_base,
						remove_base),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
