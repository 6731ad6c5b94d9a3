/* Proves that a program that runs beside this one keeps its words for us, ends when it is told to,
 * whatever it makes of signals, and ends when we do.
 */
#include "control/bench/child.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "control/bench/hold.h"
#include "tests/support/check.h"

static struct child c;
static char text[4096];

static int end(void **state)
{
	(void)state;
	child_free(&c);
	assert_int_equal(c.pid, 0);
	return 0;
}

static void start(const char *script)
{
	const char *words[] = { "sh", "-c", script, NULL };
	struct child_how how = { .word = words };

	assert_int_equal(child_start(&c, &how), 0);
}

static void its_words_are_kept_apart(void **state)
{
	(void)state;
	start("echo out; echo err >&2; echo more; exit 3");
	assert_true(child_wait(&c, 10));
	assert_int_equal(c.status, 3);
	assert_int_equal(child_text(&c, CHILD_OUT, text, sizeof(text)), 9);
	assert_string_equal(text, "out\nmore\n");
	(void)child_text(&c, CHILD_ERR, text, sizeof(text));
	assert_string_equal(text, "err\n");
	assert_int_equal(child_text(&c, CHILD_OUT, text, 3), 2);
	assert_string_equal(text, "ou");
}

static void its_words_can_be_read_while_it_runs(void **state)
{
	double end_s = hold_now_s() + 10;

	(void)state;
	start("echo begun; sleep 60");
	while (child_text(&c, CHILD_OUT, text, sizeof(text)) == 0 && hold_now_s() < end_s)
		(void)hold_wait(0.01);
	assert_string_equal(text, "begun\n");
	assert_false(child_ended(&c));
	assert_false(child_wait(&c, 0.05));
}

static void the_last_line_explains_and_errors_first(void **state)
{
	(void)state;
	start("echo out; echo first >&2; echo why >&2; echo >&2");
	assert_true(child_wait(&c, 10));
	child_line(&c, text, sizeof(text));
	assert_string_equal(text, "why");
	child_free(&c);
	start("echo one; echo two");
	assert_true(child_wait(&c, 10));
	child_line(&c, text, sizeof(text));
	assert_string_equal(text, "two");
	child_free(&c);
	start(":");
	assert_true(child_wait(&c, 10));
	child_line(&c, text, sizeof(text));
	assert_string_equal(text, "");
}

static void one_that_ignores_signals_is_killed(void **state)
{
	double begun_s;

	(void)state;
	start("trap '' INT TERM; echo ready; while :; do sleep 0.1; done");
	while (child_text(&c, CHILD_OUT, text, sizeof(text)) == 0)
		(void)hold_wait(0.01);
	begun_s = hold_now_s();
	child_interrupt(&c, 0.1);
	assert_true(child_ended(&c));
	assert_int_equal(c.status, 128 + SIGKILL);
	assert_true(hold_now_s() - begun_s < 10);
}

static void one_that_ends_by_itself_has_the_time_for_it(void **state)
{
	(void)state;
	start("trap 'sleep 0.2; echo books; exit 4' INT; echo ready; while :; do sleep 0.05; done");
	while (child_text(&c, CHILD_OUT, text, sizeof(text)) == 0)
		(void)hold_wait(0.01);
	child_interrupt(&c, 10);
	assert_int_equal(c.status, 4);
	(void)child_text(&c, CHILD_OUT, text, sizeof(text));
	assert_string_equal(text, "ready\nbooks\n");
}

static void held_signals_are_not_held_in_it(void **state)
{
	(void)state;
	hold_begin();
	start("exec sleep 60");
	(void)hold_wait(0.05);
	child_interrupt(&c, 10);
	hold_end();
	assert_int_equal(c.status, 128 + SIGINT);
}

static void what_cannot_be_executed_says_so(void **state)
{
	const char *words[] = { "/nowhere/at-all", NULL };
	struct child_how how = { .word = words };

	(void)state;
	assert_int_equal(child_start(&c, &how), 0);
	assert_true(child_wait(&c, 10));
	assert_int_equal(c.status, 127);
	child_line(&c, text, sizeof(text));
	assert_true(strlen(text) > 0);
}

static void its_errors_can_go_to_a_file_from_its_beginning(void **state)
{
	char path[] = "/tmp/test_child-XXXXXX";
	const char *words[] = { "sh", "-c", "echo fresh >&2", NULL };
	struct child_how how = { .word = words, .log_path = path };
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "old old old old\n", 16), 16);
	close(fd);
	assert_int_equal(child_start(&c, &how), 0);
	assert_true(child_wait(&c, 10));
	(void)child_text(&c, CHILD_ERR, text, sizeof(text));
	unlink(path);
	assert_string_equal(text, "fresh\n");
}

static void forever(void *user)
{
	(void)user;
	for (;;)
		pause();
}

static void a_function_can_run_instead(void **state)
{
	struct child_how how = { .function = forever };

	(void)state;
	assert_int_equal(child_start(&c, &how), 0);
	assert_false(child_wait(&c, 0.05));
	child_interrupt(&c, 10);
	assert_int_equal(c.status, 128 + SIGINT);
}

/* A program in between starts one, and is killed. */
static void it_ends_with_whoever_started_it(void **state)
{
	struct child_how how = { .function = forever };
	int told[2];
	pid_t parent, grandchild = 0;
	double end_s = hold_now_s() + 10;

	(void)state;
	assert_int_equal(pipe(told), 0);
	parent = fork();
	if (parent == 0) {
		struct child inner;

		if (child_start(&inner, &how) < 0 ||
		    write(told[1], &inner.pid, sizeof(inner.pid)) != sizeof(inner.pid))
			_exit(1);
		forever(NULL);
	}
	assert_int_equal(read(told[0], &grandchild, sizeof(grandchild)), sizeof(grandchild));
	assert_int_equal(kill(grandchild, 0), 0);
	assert_int_equal(kill(parent, SIGKILL), 0);
	assert_int_equal(waitpid(parent, NULL, 0), parent);
	for (;;) {
		char path[64], state_text[256] = "";
		FILE *f;

		(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)grandchild);
		f = fopen(path, "re");
		if (f == NULL)
			break; /* gone, and waited for */
		(void)!fgets(state_text, sizeof(state_text), f);
		fclose(f);
		if (strstr(state_text, ") Z ") != NULL)
			break; /* gone, and nobody waits for it here */
		assert_true(hold_now_s() < end_s);
		(void)hold_wait(0.01);
	}
	close(told[0]);
	close(told[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(its_words_are_kept_apart, end),
		cmocka_unit_test_teardown(its_words_can_be_read_while_it_runs, end),
		cmocka_unit_test_teardown(the_last_line_explains_and_errors_first, end),
		cmocka_unit_test_teardown(one_that_ignores_signals_is_killed, end),
		cmocka_unit_test_teardown(one_that_ends_by_itself_has_the_time_for_it, end),
		cmocka_unit_test_teardown(held_signals_are_not_held_in_it, end),
		cmocka_unit_test_teardown(what_cannot_be_executed_says_so, end),
		cmocka_unit_test_teardown(its_errors_can_go_to_a_file_from_its_beginning, end),
		cmocka_unit_test_teardown(a_function_can_run_instead, end),
		cmocka_unit_test(it_ends_with_whoever_started_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
