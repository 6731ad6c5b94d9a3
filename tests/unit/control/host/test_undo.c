/* Proves that everything goes back in reverse order and exactly, wherever a process dies between
 * two steps, that a change that was not made is not undone, that a journal in use is left alone,
 * and what becomes of interfaces that are gone, renamed, or somewhere else. */
#include "control/host/undo.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/control/host/nics.h"

static struct host host;
static struct fake_nics nics;
static struct nic nic;
static char journal[UNDO_JOURNAL_MAX];

/* What undo_back() said. */
static struct {
	enum undo_end_of what[64];
	char target[64][64];
	int count;
} heard;

static void hear(const struct undo_news *news, void *context)
{
	(void)context;
	assert_true(heard.count < 64);
	heard.what[heard.count] = news->what;
	heard.target[heard.count][0] = 0;
	if (news->change != NULL)
		change_describe(news->change, heard.target[heard.count], 64);
	heard.count++;
}

static int begin(void **state)
{
	(void)state;
	machine_make(&host);
	nics_make(&nics);
	machine_nics(&host, &nics, &nic);
	machine_put(&host, "/proc/self/ns/net", "");
	heard.count = 0;
	return 0;
}

static int end(void **state)
{
	(void)state;
	machine_remove(&host);
	return 0;
}

static struct change change(enum change_kind kind, const char *target, const char *name)
{
	struct change c = { .kind = kind };

	memcpy(c.target, target, strlen(target) + 1);
	memcpy(c.name, name, strlen(name) + 1);
	return c;
}

static void make(struct undo *u, enum change_kind kind, const char *target, const char *name,
		 const char *value)
{
	struct change c = change(kind, target, name);

	assert_int_equal(undo_change(u, &c, value, NULL), 1);
}

static bool has_journal(const char *owner)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "/run/weir/undo/%s", owner);
	return host_read(&host, path, journal, sizeof(journal)) == 0;
}

static void everything_goes_back_the_latest_first(void **state)
{
	struct nic_link untouched = nics.link[0].link;
	struct undo u;

	(void)state;
	machine_put(&host, "/proc/x", "0\n");
	assert_int_equal(undo_begin(&u, &host, "check"), 0);
	make(&u, CHANGE_FEATURE, NICS_CARD, "rx-gro", "off");
	make(&u, CHANGE_RINGS, NICS_CARD, "rx", "4096");
	make(&u, CHANGE_FILE, "/proc/x", "", "1");
	make(&u, CHANGE_FILE, "/proc/x", "", "2"); /* the same once more */
	assert_false(nics_feature(&nics.link[0], "rx-gro"));
	assert_int_equal(undo_back(&u, false, hear, NULL), 0);
	assert_int_equal(heard.count, 4);
	assert_string_equal(heard.target[0], "/proc/x");
	assert_string_equal(heard.target[1], "/proc/x");
	assert_string_equal(heard.target[2], NICS_CARD " ring rx");
	assert_string_equal(heard.target[3], NICS_CARD " rx-gro");
	assert_true(nics_feature(&nics.link[0], "rx-gro"));
	assert_int_equal(nics.link[0].rings.rx, 2048);
	assert_int_equal(host_read(&host, "/proc/x", journal, sizeof(journal)), 0);
	assert_string_equal(journal, "0");
	assert_memory_equal(&untouched, &nics.link[0].link, sizeof(untouched));
	undo_end(&u);
	assert_false(has_journal("check"));
}

static void the_journal_is_roots_alone_and_outlives_its_owner(void **state)
{
	char path[HOST_PATH_BYTES];
	struct stat s;
	struct undo u;

	(void)state;
	assert_int_equal(undo_begin(&u, &host, "check"), 0);
	make(&u, CHANGE_FEATURE, NICS_CARD, "rx-gro", "off");
	undo_end(&u);
	assert_true(has_journal("check"));
	host_path(&host, path, "/run/weir/undo");
	assert_int_equal(stat(path, &s), 0);
	assert_int_equal(s.st_mode & 0777, 0700);
	host_path(&host, path, "/run/weir/undo/check");
	assert_int_equal(stat(path, &s), 0);
	assert_int_equal(s.st_mode & 0777, 0600);
	/* Somebody else's folder is not believed. */
	host_path(&host, path, "/run/weir/undo");
	assert_int_equal(chmod(path, 0777), 0);
	assert_int_equal(undo_begin(&u, &host, "check"), -EPERM);
	assert_int_equal(chmod(path, 0700), 0);
}

static void what_is_so_already_is_no_change(void **state)
{
	struct change c = change(CHANGE_FEATURE, NICS_VETH, "rx-gro");
	struct undo u;

	(void)state;
	assert_int_equal(undo_begin(&u, &host, "check"), 0);
	assert_int_equal(undo_change(&u, &c, "off", NULL), 0);
	assert_int_equal(nics.changes, 0);
	undo_end(&u);
	assert_false(has_journal("check"));
}

static void a_refused_change_leaves_all_as_it_was(void **state)
{
	struct change c = change(CHANGE_FEATURE, NICS_CARD, "rx-gro");
	struct undo u;

	(void)state;
	assert_int_equal(undo_begin(&u, &host, "check"), 0);
	nics.link[0].refuses = -EPERM;
	assert_int_equal(undo_change(&u, &c, "off", journal), -EPERM);
	assert_string_equal(journal, "on");
	nics.link[0].refuses = 0;
	/* It could not be set back either, so its line stays until it finds nothing to do. */
	assert_int_equal(undo_back(&u, false, hear, NULL), 0);
	assert_int_equal(heard.what[0], UNDO_NOTHING);
	c = change(CHANGE_FEATURE, NICS_CARD, "rx-gro-hw"); /* not granted, and that is no change */
	assert_int_equal(undo_change(&u, &c, "on", NULL), -EOPNOTSUPP);
	undo_end(&u);
	assert_false(has_journal("check"));
}

static void a_value_that_would_break_the_journal_is_refused(void **state)
{
	struct change c = change(CHANGE_FILE, "/proc/x", "");
	struct undo u;

	(void)state;
	machine_put(&host, "/proc/x", "0\n");
	assert_int_equal(undo_begin(&u, &host, "check"), 0);
	assert_int_equal(undo_change(&u, &c, "1\n+\tfile", NULL), -EINVAL);
	undo_end(&u);
}

/* ---- dying ---- */

enum { LINE_BYTES = 42 };

/* die_after - a process makes so many changes and is killed. Then `torn` bytes of a further line.
 */
static void die_after(int changes, int torn)
{
	static const char further[] = "+\tfile\t/proc/x\t\t0\t0\t00:00:00:00:00:00\t7\t8\n";
	int how, fd;
	char path[HOST_PATH_BYTES];
	pid_t child = fork();

	assert_int_equal(sizeof(further) - 1, LINE_BYTES);

	if (child == 0) {
		static const char *const values[] = { "1", "2", "3", "4" };
		struct change c = change(CHANGE_FILE, "/proc/x", "");
		struct undo u;

		if (undo_begin(&u, &host, "check") < 0)
			_exit(1);
		for (int i = 0; i < changes; i++)
			(void)undo_change(&u, &c, values[i], NULL);
		(void)raise(SIGKILL);
	}
	assert_int_equal(waitpid(child, &how, 0), child);
	assert_true(WIFSIGNALED(how));
	host_path(&host, path, "/run/weir/undo/check");
	fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, further, (size_t)torn), torn);
	close(fd);
}

static void whenever_it_is_killed_everything_goes_back(void **state)
{
	(void)state;
	for (int changes = 0; changes <= 4; changes++)
		for (int torn = 0; torn < LINE_BYTES; torn++) {
			machine_put(&host, "/proc/x", "0\n");
			die_after(changes, torn);
			heard.count = 0;
			assert_int_equal(undo_all(&host, "", false, hear, NULL), 0);
			assert_int_equal(heard.count, changes);
			assert_int_equal(host_read(&host, "/proc/x", journal, sizeof(journal)), 0);
			assert_string_equal(journal, "0");
			assert_false(has_journal("check"));
		}
}

static void killed_between_writing_down_and_changing_is_harmless(void **state)
{
	(void)state;
	machine_put(&host, "/proc/x", "7\n");
	/* The whole line is there, and the change was not made. */
	die_after(0, LINE_BYTES);
	assert_int_equal(undo_all(&host, "", false, hear, NULL), 0);
	assert_int_equal(heard.count, 1);
	assert_int_equal(heard.what[0], UNDO_NOTHING);
	assert_int_equal(host_read(&host, "/proc/x", journal, sizeof(journal)), 0);
	assert_string_equal(journal, "7");
}

static void a_torn_line_does_not_spoil_the_next(void **state)
{
	struct undo u;

	(void)state;
	machine_put(&host, "/proc/x", "0\n");
	die_after(1, 20);
	assert_int_equal(undo_begin(&u, &host, "check"), 0);
	make(&u, CHANGE_FEATURE, NICS_CARD, "rx-gro", "off");
	assert_int_equal(undo_back(&u, false, hear, NULL), 0);
	assert_int_equal(heard.count, 2);
	assert_int_equal(heard.what[0], UNDO_DONE);
	assert_int_equal(heard.what[1], UNDO_DONE);
	undo_end(&u);
}

static void killed_while_putting_back_it_goes_on_later(void **state)
{
	struct undo u;
	int fd;
	char path[HOST_PATH_BYTES];

	(void)state;
	machine_put(&host, "/proc/x", "0\n");
	die_after(3, 0);
	/* The last of three was put back and marked, the second put back and not marked. */
	assert_int_equal(undo_begin(&u, &host, "check"), 0);
	undo_end(&u);
	assert_true(has_journal("check"));
	host_path(&host, path, "/run/weir/undo/check");
	fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, "-", 1, (off_t)(strrchr(journal, '+') - journal)), 1);
	close(fd);
	machine_put(&host, "/proc/x", "1\n");
	assert_int_equal(undo_all(&host, "", false, hear, NULL), 0);
	assert_int_equal(heard.count, 2);
	assert_int_equal(heard.what[0], UNDO_NOTHING);
	assert_int_equal(heard.what[1], UNDO_DONE);
	assert_int_equal(host_read(&host, "/proc/x", journal, sizeof(journal)), 0);
	assert_string_equal(journal, "0");
}

static void a_journal_in_use_is_left_alone(void **state)
{
	struct undo u, other;

	(void)state;
	assert_int_equal(undo_begin(&u, &host, "capture-a-" NICS_CARD), 0);
	make(&u, CHANGE_FEATURE, NICS_CARD, "rx-gro", "off");
	assert_int_equal(undo_begin(&other, &host, "capture-a-" NICS_CARD), -EBUSY);
	assert_int_equal(undo_all(&host, "", false, hear, NULL), 0);
	assert_int_equal(heard.count, 1);
	assert_int_equal(heard.what[0], UNDO_BUSY);
	assert_false(nics_feature(&nics.link[0], "rx-gro"));
	undo_end(&u);
	heard.count = 0;
	assert_int_equal(undo_all(&host, "check", false, hear, NULL), 0); /* another prefix */
	assert_int_equal(heard.count, 0);
	assert_int_equal(undo_all(&host, "capture-", false, hear, NULL), 0);
	assert_true(nics_feature(&nics.link[0], "rx-gro"));
}

static void dry_changes_nothing(void **state)
{
	struct undo u;

	(void)state;
	assert_int_equal(undo_begin(&u, &host, "check"), 0);
	make(&u, CHANGE_FEATURE, NICS_CARD, "rx-gro", "off");
	undo_end(&u);
	assert_int_equal(undo_all(&host, "", true, hear, NULL), 1);
	assert_int_equal(heard.what[0], UNDO_DONE);
	assert_false(nics_feature(&nics.link[0], "rx-gro"));
	assert_int_equal(undo_all(&host, "", false, hear, NULL), 0);
	assert_true(nics_feature(&nics.link[0], "rx-gro"));
}

static void nothing_was_ever_changed(void **state)
{
	(void)state;
	assert_int_equal(undo_all(&host, "", false, hear, NULL), 0);
	assert_int_equal(heard.count, 0);
}

/* ---- interfaces ---- */

static void leave_gro_off(void)
{
	struct undo u;

	assert_int_equal(undo_begin(&u, &host, "check"), 0);
	make(&u, CHANGE_FEATURE, NICS_CARD, "rx-gro", "off");
	undo_end(&u);
}

static void one_that_is_gone_is_said_and_forgotten(void **state)
{
	(void)state;
	leave_gro_off();
	nics.link[0].link.index = 0;
	assert_int_equal(undo_all(&host, "", false, hear, NULL), 0);
	assert_int_equal(heard.what[0], UNDO_GONE);
	assert_false(has_journal("check"));
}

static void one_that_was_made_anew_is_not_touched(void **state)
{
	(void)state;
	leave_gro_off();
	nics.link[0].link.index = 9; /* the same name and address */
	assert_int_equal(undo_all(&host, "", false, hear, NULL), 0);
	assert_int_equal(heard.what[0], UNDO_GONE);
	assert_false(nics_feature(&nics.link[0], "rx-gro"));
}

static void one_that_was_renamed_is_found(void **state)
{
	(void)state;
	leave_gro_off();
	(void)strcpy(nics.link[0].link.name, "wtest9");
	assert_int_equal(undo_all(&host, "", false, hear, NULL), 0);
	assert_int_equal(heard.what[0], UNDO_DONE);
	assert_string_equal(heard.target[0], "wtest9 rx-gro");
	assert_true(nics_feature(&nics.link[0], "rx-gro"));
}

static void one_with_a_new_address_is_found(void **state)
{
	(void)state;
	leave_gro_off();
	nics.link[0].link.address[5] = 99;
	assert_int_equal(undo_all(&host, "", false, hear, NULL), 0);
	assert_int_equal(heard.what[0], UNDO_DONE);
}

static void one_of_another_namespace_waits_for_as_long_as_that_is_there(void **state)
{
	char from[HOST_PATH_BYTES], to[HOST_PATH_BYTES];

	(void)state;
	leave_gro_off();
	/* The namespace has a name, and this process has moved to another. */
	machine_put(&host, "/run/netns/x", "");
	host_path(&host, from, "/proc/self/ns/net");
	host_path(&host, to, "/run/netns/x");
	assert_int_equal(rename(from, to), 0);
	machine_put(&host, "/proc/self/ns/net", "");
	assert_int_equal(undo_all(&host, "", false, hear, NULL), 1);
	assert_int_equal(heard.what[0], UNDO_AWAY);
	assert_true(has_journal("check"));
	/* Gone with all in it. The other file takes care that its number is not used again. */
	machine_put(&host, "/run/other", "");
	assert_int_equal(remove(to), 0);
	assert_int_equal(undo_all(&host, "", false, hear, NULL), 0);
	assert_int_equal(heard.what[1], UNDO_GONE);
	assert_false(nics_feature(&nics.link[0], "rx-gro"));
}

static void what_cannot_be_put_back_stays_in_the_journal(void **state)
{
	(void)state;
	leave_gro_off();
	nics.link[0].refuses = -EBUSY;
	assert_int_equal(undo_all(&host, "", false, hear, NULL), 1);
	assert_int_equal(heard.what[0], UNDO_FAILED);
	nics.link[0].refuses = 0;
	assert_int_equal(undo_all(&host, "", false, hear, NULL), 0);
	assert_true(nics_feature(&nics.link[0], "rx-gro"));
}

static void a_file_that_is_gone_is_said_and_forgotten(void **state)
{
	struct undo u;

	(void)state;
	machine_put(&host, "/proc/x", "0\n");
	assert_int_equal(undo_begin(&u, &host, "check"), 0);
	make(&u, CHANGE_FILE, "/proc/x", "", "1");
	machine_take(&host, "/proc/x");
	assert_int_equal(undo_back(&u, false, hear, NULL), 0);
	assert_int_equal(heard.what[0], UNDO_GONE);
	undo_end(&u);
}

static void a_line_that_cannot_be_read_is_said_and_kept(void **state)
{
	static const char *const bad[] = {
		"+\n",
		"+x\n",
		"+\tfile\n",
		"+\tfile\t/a\t\t0\t0\t00:00:00:00:00:00\t1\n",
		"+\tfile\t/a\t\t0\t0\t00:00:00:00:00:00\t1\t2\t3\n",
		"+\tnone\t/a\t\t0\t0\t00:00:00:00:00:00\t1\t2\n",
		"+\tfile\t/a\t\t0\t0\tno address\t1\t2\n",
	};

	(void)state;
	leave_gro_off();
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		machine_put(&host, "/run/weir/undo/check", bad[i]);
		heard.count = 0;
		assert_int_equal(undo_all(&host, "", false, hear, NULL), 1);
		assert_int_equal(heard.what[0], UNDO_FAILED);
		assert_string_equal(heard.target[0], "");
	}
}

static void owners_are_names_of_files(void **state)
{
	static const char *const bad[] = { "", ".", "../x", "a/b" };
	struct undo u;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(undo_begin(&u, &host, bad[i]), -EINVAL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(everything_goes_back_the_latest_first),
		TEST(the_journal_is_roots_alone_and_outlives_its_owner),
		TEST(what_is_so_already_is_no_change),
		TEST(a_refused_change_leaves_all_as_it_was),
		TEST(a_value_that_would_break_the_journal_is_refused),
		TEST(whenever_it_is_killed_everything_goes_back),
		TEST(killed_between_writing_down_and_changing_is_harmless),
		TEST(a_torn_line_does_not_spoil_the_next),
		TEST(killed_while_putting_back_it_goes_on_later),
		TEST(a_journal_in_use_is_left_alone),
		TEST(dry_changes_nothing),
		TEST(nothing_was_ever_changed),
		TEST(one_that_is_gone_is_said_and_forgotten),
		TEST(one_that_was_made_anew_is_not_touched),
		TEST(one_that_was_renamed_is_found),
		TEST(one_with_a_new_address_is_found),
		TEST(one_of_another_namespace_waits_for_as_long_as_that_is_there),
		TEST(what_cannot_be_put_back_stays_in_the_journal),
		TEST(a_file_that_is_gone_is_said_and_forgotten),
		TEST(a_line_that_cannot_be_read_is_said_and_kept),
		TEST(owners_are_names_of_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
