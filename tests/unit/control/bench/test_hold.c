/* Proves that signals that would end this program only end its waits while they are held, that
 * none is lost before a wait, and that everything is as before afterwards.
 */
#include "control/bench/hold.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/check.h"

static void a_signal_ends_a_wait_and_nothing_else(void **state)
{
	double begun_s = hold_now_s();
	pid_t parent = getpid(), child;

	(void)state;
	hold_begin();
	assert_int_equal(hold_signal(), 0);
	child = fork();
	if (child == 0) {
		usleep(50000);
		_exit(kill(parent, SIGTERM));
	}
	assert_false(hold_wait(20));
	assert_true(hold_now_s() - begun_s < 10);
	assert_int_equal(hold_signal(), SIGTERM);
	assert_int_equal(waitpid(child, NULL, 0), child);
	hold_end();
}

static void one_that_came_before_the_wait_ends_it_too(void **state)
{
	double begun_s = hold_now_s();

	(void)state;
	hold_begin();
	(void)raise(SIGINT);
	assert_false(hold_wait(20));
	assert_false(hold_poll(-1, 20, true));
	assert_true(hold_now_s() - begun_s < 10);
	assert_int_equal(hold_signal(), SIGINT);
	hold_end();
}

static void a_wait_that_must_not_be_shortened_is_not(void **state)
{
	double begun_s = hold_now_s();

	(void)state;
	hold_begin();
	(void)raise(SIGINT);
	assert_false(hold_poll(-1, 0.1, false));
	assert_true(hold_now_s() - begun_s >= 0.1);
	hold_end();
}

static void without_a_signal_a_wait_lasts(void **state)
{
	double begun_s = hold_now_s();

	(void)state;
	hold_begin();
	assert_true(hold_wait(0.05));
	hold_end();
	assert_true(hold_wait(0.05));
	assert_true(hold_now_s() - begun_s >= 0.1);
}

/* A program that is told to ignore one (nohup) goes on ignoring it. */
static void what_was_ignored_stays_ignored(void **state)
{
	(void)state;
	(void)signal(SIGHUP, SIG_IGN);
	hold_begin();
	(void)raise(SIGHUP);
	assert_true(hold_wait(0.01));
	assert_int_equal(hold_signal(), 0);
	hold_end();
	(void)raise(SIGHUP); /* or this would be the end */
	(void)signal(SIGHUP, SIG_DFL);
}

static void afterwards_signals_end_again(void **state)
{
	pid_t child = fork();
	int status;

	(void)state;
	if (child == 0) {
		hold_begin();
		(void)raise(SIGTERM);
		hold_end();
		(void)raise(SIGTERM);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_signal_ends_a_wait_and_nothing_else),
		cmocka_unit_test(one_that_came_before_the_wait_ends_it_too),
		cmocka_unit_test(a_wait_that_must_not_be_shortened_is_not),
		cmocka_unit_test(without_a_signal_a_wait_lasts),
		cmocka_unit_test(what_was_ignored_stays_ignored),
		cmocka_unit_test(afterwards_signals_end_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
