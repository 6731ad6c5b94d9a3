/* Proves what a file promises: text arrives as it is, a restarted control goes on behind the last
 * whole line of its own run and behind nothing else, rotation loses and splits no line, and every
 * kind of failure says its cause, counts whole lines and leaves whole lines.
 */
#include "control/export/sink/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define HEAD "{\"run\":\"a\",\"x\":1}\n"
#define MARK (sizeof("{\"run\":\"a\"") - 1)

static char folder[64], path[128];

static int make_folder(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/weir-test-XXXXXX");
	if (mkdtemp(folder) == NULL)
		return -1;
	(void)snprintf(path, sizeof(path), "%s/out.jsonl", folder);
	signal(SIGPIPE, SIG_IGN);
	return 0;
}

static int remove_folder(void **state)
{
	char command[128];

	(void)state;
	(void)snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command);
}

static void put_file(const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
	fclose(f);
}

static const char *read_file(const char *name)
{
	static char text[1 << 16];
	FILE *f = fopen(name, "r");

	assert_non_null(f);
	text[fread(text, 1, sizeof(text) - 1, f)] = 0;
	fclose(f);
	return text;
}

static struct sink_how how_to(bool restarted)
{
	return (struct sink_how){ .target = path,
				  .restarted = restarted,
				  .head = HEAD,
				  .head_bytes = sizeof(HEAD) - 1,
				  .mark_bytes = MARK };
}

static struct sink *must_open(const struct sink_how *how)
{
	struct sink_error err;
	struct sink *s;

	assert_int_equal(sink_file.open(how, &s, &err), 0);
	return s;
}

static void must_write(struct sink *s, const char *lines, uint64_t count)
{
	struct sink_error err;
	uint64_t written = 77;

	assert_int_equal(sink_file.write(s, lines, strlen(lines), &written, &err), 0);
	assert_int_equal(written, count);
}

static void must_close(struct sink *s)
{
	struct sink_error err;

	assert_int_equal(sink_file.close(s, &err), 0);
}

/* ---- what arrives ---- */

static void lines_arrive_behind_the_head(void **state)
{
	struct sink_how how = how_to(false);
	struct sink *s;

	(void)state;
	put_file("of another run\n");
	s = must_open(&how);
	must_write(s, "1\n2\n", 2);
	must_write(s, "", 0);
	must_write(s, "3\n", 1);
	assert_string_equal(read_file(path), HEAD "1\n2\n3\n"); /* before it is closed */
	must_close(s);
}

static void a_sink_without_a_head_begins_with_the_first_line(void **state)
{
	struct sink_how how = { .target = path };
	struct sink *s = must_open(&how);

	(void)state;
	must_write(s, "1\n", 1);
	must_close(s);
	assert_string_equal(read_file(path), "1\n");
}

/* ---- restarting ---- */

static void check_restart(const char *before, const char *after)
{
	struct sink_how how = how_to(true);
	struct sink *s;

	put_file(before);
	s = must_open(&how);
	must_write(s, "9\n", 1);
	must_close(s);
	assert_string_equal(read_file(path), after);
}

static void a_restart_goes_on_behind_the_last_whole_line(void **state)
{
	(void)state;
	check_restart(HEAD "1\n2\n", HEAD "1\n2\n" HEAD "9\n");
	check_restart(HEAD "1\n{\"torn", HEAD "1\n" HEAD "9\n");
	check_restart("{\"run\":\"a\",\"x\":1}\n", HEAD HEAD "9\n");
}

static void a_restart_cuts_a_torn_line_of_any_length(void **state)
{
	static char before[1 << 18];
	struct sink_how how = how_to(true);

	(void)state;
	strcpy(before, HEAD "1\n");
	memset(before + strlen(before), 'x', sizeof(before) - sizeof(HEAD "1\n"));
	put_file(before);
	must_close(must_open(&how));
	assert_string_equal(read_file(path), HEAD "1\n" HEAD);
}

static void a_restart_keeps_nothing_that_another_run_wrote(void **state)
{
	(void)state;
	check_restart("{\"run\":\"b\"}\n1\n", HEAD "9\n");
	check_restart("{\"run\":", HEAD "9\n"); /* its own first line, torn */
	check_restart("", HEAD "9\n");
}

static void a_restart_without_a_file_makes_one(void **state)
{
	struct sink_how how = how_to(true);

	(void)state;
	unlink(path);
	must_close(must_open(&how));
	assert_string_equal(read_file(path), HEAD);
}

static void a_restart_into_a_pipe_begins_a_new_line(void **state)
{
	struct sink_how how = how_to(true);
	struct sink *s;
	char text[64];
	int reader;

	(void)state;
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	reader = open(path, O_RDWR);
	s = must_open(&how);
	must_close(s);
	text[read(reader, text, sizeof(text) - 1)] = 0;
	assert_string_equal(text, "\n" HEAD);
	close(reader);
	unlink(path);
}

/* ---- rotation ---- */

static void rotated(glob_t *ret)
{
	char pattern[160];

	(void)snprintf(pattern, sizeof(pattern), "%s/out-*.jsonl", folder);
	if (glob(pattern, 0, NULL, ret) != 0)
		ret->gl_pathc = 0;
}

static void remove_rotated(void)
{
	glob_t files;

	rotated(&files);
	for (size_t i = 0; i < files.gl_pathc; i++)
		unlink(files.gl_pathv[i]);
	globfree(&files);
}

static void rotation_by_size_splits_between_lines_and_loses_none(void **state)
{
	struct sink_how how = how_to(false);
	struct stat st;
	struct sink *s;
	unsigned next = 0;
	glob_t files;

	(void)state;
	how.rotate_bytes = sizeof(HEAD) - 1 + 20;
	s = must_open(&how);
	for (unsigned i = 0; i < 100; i += 10) {
		char lines[128] = "";

		for (unsigned k = i; k < i + 10; k++)
			(void)sprintf(lines + strlen(lines), "%04u\n", k);
		must_write(s, lines, 10);
	}
	must_close(s);
	rotated(&files);
	assert_int_equal(files.gl_pathc, 24); /* four lines of five bytes fit into each */
	for (size_t i = 0; i <= files.gl_pathc; i++) {
		const char *name = i < files.gl_pathc ? files.gl_pathv[i] : path;
		const char *text = read_file(name);

		assert_int_equal(stat(name, &st), 0);
		assert_true((uint64_t)st.st_size <= how.rotate_bytes);
		assert_memory_equal(text, HEAD, sizeof(HEAD) - 1);
		for (text += sizeof(HEAD) - 1; *text != 0; text += 5)
			assert_int_equal(atoi(text), next++);
	}
	assert_int_equal(next, 100);
	globfree(&files);
	remove_rotated();
}

static void a_line_longer_than_a_file_gets_one_of_its_own(void **state)
{
	struct sink_how how = how_to(false);
	struct sink *s;
	glob_t files;

	(void)state;
	how.rotate_bytes = 8;
	s = must_open(&how);
	must_write(s, "a line that is too long\nb\nanother line that is too long\n", 3);
	must_close(s);
	rotated(&files);
	assert_int_equal(files.gl_pathc, 2);
	assert_string_equal(read_file(files.gl_pathv[0]), HEAD "a line that is too long\n");
	assert_string_equal(read_file(files.gl_pathv[1]), HEAD "b\n");
	assert_string_equal(read_file(path), HEAD "another line that is too long\n");
	globfree(&files);
	remove_rotated();
}

static void rotation_by_time_waits_for_a_line(void **state)
{
	struct sink_how how = how_to(false);
	struct sink *s;
	glob_t files;

	(void)state;
	how.rotate_ns = 1;
	s = must_open(&how);
	must_write(s, "1\n", 1);
	must_write(s, "2\n", 1);
	must_close(s);
	rotated(&files);
	assert_int_equal(files.gl_pathc, 1);
	assert_string_equal(read_file(files.gl_pathv[0]), HEAD "1\n");
	assert_string_equal(read_file(path), HEAD "2\n");
	globfree(&files);
	remove_rotated();
}

static void rotation_never_replaces_a_file(void **state)
{
	struct sink_how how = how_to(false);
	glob_t files;

	(void)state;
	how.rotate_bytes = 8;
	for (int round = 0; round < 3; round++) { /* within a second: the same names */
		struct sink *s = must_open(&how);

		must_write(s, "1\n2\n3\n", 3);
		must_close(s);
	}
	rotated(&files);
	assert_int_equal(files.gl_pathc, 6);
	globfree(&files);
	remove_rotated();
}

static void a_file_that_was_moved_away_is_begun_anew(void **state)
{
	struct sink_how how = how_to(false);
	struct sink *s;

	(void)state;
	how.rotate_bytes = 8;
	s = must_open(&how);
	must_write(s, "1\n", 1);
	assert_int_equal(unlink(path), 0);
	must_write(s, "2\n", 1);
	must_close(s);
	assert_string_equal(read_file(path), HEAD "2\n");
}

static void what_is_no_regular_file_is_not_rotated(void **state)
{
	struct sink_how how = { .target = "/dev/null", .rotate_bytes = 1, .rotate_ns = 1 };
	struct sink *s = must_open(&how);

	(void)state;
	must_write(s, "1\n2\n", 2);
	must_close(s);
}

/* ---- failures ---- */

static void check_open_fails(const char *target, int errno_expected, enum sink_failure failure,
			     const char *says)
{
	struct sink_how how = { .target = target, .head = HEAD, .head_bytes = sizeof(HEAD) - 1 };
	struct sink_error err;
	struct sink *s = (void *)&how;

	assert_int_equal(sink_file.open(&how, &s, &err), -errno_expected);
	assert_ptr_equal(s, &how); /* untouched */
	assert_int_equal(err.failure, failure);
	assert_non_null(strstr(err.text, target));
	assert_non_null(strstr(err.text, says));
	assert_null(strchr(err.text, '\n'));
}

static void what_cannot_be_opened_says_why(void **state)
{
	(void)state;
	check_open_fails("/nowhere/at/all.jsonl", ENOENT, SINK_FAILED_io, "make the folder first");
	check_open_fails(folder, EISDIR, SINK_FAILED_io, "name a file in it");
	check_open_fails("/dev/full", ENOSPC, SINK_FAILED_no_space, "make room");
}

/* Root may write anywhere: it looks as nobody does. */
static void a_forbidden_place_is_a_matter_of_permission(void **state)
{
	const bool is_root = geteuid() == 0;

	(void)state;
	unlink(path);
	assert_int_equal(chmod(folder, 0555), 0);
	if (is_root)
		assert_int_equal(seteuid(65534), 0);
	check_open_fails(path, EACCES, SINK_FAILED_permission, "may not: choose a place");
	if (is_root)
		assert_int_equal(seteuid(0), 0);
	assert_int_equal(chmod(folder, 0755), 0);
}

static void a_full_disk_is_a_failure_with_whole_lines_counted(void **state)
{
	struct sink_how how = { .target = "/dev/full" };
	struct sink *s = must_open(&how);
	struct sink_error err;
	uint64_t written = 77;

	(void)state;
	assert_int_equal(sink_file.write(s, "1\n", 2, &written, &err), -ENOSPC);
	assert_int_equal(written, 0);
	assert_int_equal(err.failure, SINK_FAILED_no_space);
	must_close(s);
}

/* The limit on file sizes makes a write(2) short in the middle of a line, as a full disk does. */
static void a_file_that_fails_in_a_line_ends_with_the_line_before(void **state)
{
	struct rlimit before, limit;
	struct sink_how how = how_to(false);
	struct sink_error err;
	uint64_t written = 77;
	struct sink *s;

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	s = must_open(&how);
	getrlimit(RLIMIT_FSIZE, &before);
	limit = before;
	limit.rlim_cur = sizeof(HEAD) - 1 + 7;
	setrlimit(RLIMIT_FSIZE, &limit);
	assert_int_equal(sink_file.write(s, "1\n2\n3xxxxxxxxxxx\n", 17, &written, &err), -EFBIG);
	setrlimit(RLIMIT_FSIZE, &before);
	assert_int_equal(written, 2);
	assert_int_equal(err.failure, SINK_FAILED_no_space);
	must_close(s);
	assert_string_equal(read_file(path), HEAD "1\n2\n");
}

static void a_reader_that_leaves_is_a_closed_pipe(void **state)
{
	struct sink_how how = { .target = path };
	struct sink_error err;
	uint64_t written = 77;
	struct sink *s;
	int reader;

	(void)state;
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	reader = open(path, O_RDONLY | O_NONBLOCK);
	s = must_open(&how);
	must_write(s, "1\n", 1);
	close(reader);
	assert_int_equal(sink_file.write(s, "2\n", 2, &written, &err), -EPIPE);
	assert_int_equal(written, 0);
	assert_int_equal(err.failure, SINK_FAILED_closed_pipe);
	assert_non_null(strstr(err.text, "--output"));
	must_close(s);
	unlink(path);
}

/* A pipe takes 64 KiB: more than that arrives in several writes, also through a descriptor that
 * never blocks. */
static void a_slow_reader_gets_everything(void **state)
{
	enum { LINES = 30000 };
	static char lines[LINES * 8 + 1];
	struct sink_how how = { .target = path };
	struct sink *s;
	pid_t child;
	int status;

	(void)state;
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	for (unsigned i = 0; i < LINES; i++)
		(void)sprintf(lines + i * 8, "%07u\n", i % 10000000);
	child = fork();
	if (child == 0) {
		FILE *f = fopen(path, "r");
		unsigned next = 0, value;

		usleep(20000);
		while (f != NULL && fscanf(f, "%u", &value) == 1 && value == next)
			next++;
		_exit(next == LINES ? 0 : 1);
	}
	s = must_open(&how);
	must_write(s, lines, LINES);
	must_close(s);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_arrive_behind_the_head),
		cmocka_unit_test(a_sink_without_a_head_begins_with_the_first_line),
		cmocka_unit_test(a_restart_goes_on_behind_the_last_whole_line),
		cmocka_unit_test(a_restart_cuts_a_torn_line_of_any_length),
		cmocka_unit_test(a_restart_keeps_nothing_that_another_run_wrote),
		cmocka_unit_test(a_restart_without_a_file_makes_one),
		cmocka_unit_test(a_restart_into_a_pipe_begins_a_new_line),
		cmocka_unit_test(rotation_by_size_splits_between_lines_and_loses_none),
		cmocka_unit_test(a_line_longer_than_a_file_gets_one_of_its_own),
		cmocka_unit_test(rotation_by_time_waits_for_a_line),
		cmocka_unit_test(rotation_never_replaces_a_file),
		cmocka_unit_test(a_file_that_was_moved_away_is_begun_anew),
		cmocka_unit_test(what_is_no_regular_file_is_not_rotated),
		cmocka_unit_test(what_cannot_be_opened_says_why),
		cmocka_unit_test(a_forbidden_place_is_a_matter_of_permission),
		cmocka_unit_test(a_full_disk_is_a_failure_with_whole_lines_counted),
		cmocka_unit_test(a_file_that_fails_in_a_line_ends_with_the_line_before),
		cmocka_unit_test(a_reader_that_leaves_is_a_closed_pipe),
		cmocka_unit_test(a_slow_reader_gets_everything),
	};
	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
