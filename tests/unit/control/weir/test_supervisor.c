/* Proves the life cycle in supervisor.h with daemons that are shell scripts:
 * who is started again and who is not, what each end means for the other one,
 * what a signal to weir does, that the gravest status is left with, and that
 * nothing stays behind whatever kills weir.
 */
#include "control/weir/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "dataplane/base/clock.h"

/* Long enough to tell one start from the next on a busy machine, short enough for a test. */
#define RESTART_WAIT_NS UINT64_C(200000000)
#define DRAIN_WAIT_NS   UINT64_C(300000000)

enum { RESTARTS_MAX = 5, PATIENCE_MS = 20000 };

static char base[64];
static char text[65536];

static const char *below_base(const char *name)
{
	static char path[8][128];
	static unsigned turn;
	char *ret = path[turn++ % 8];

	(void)snprintf(ret, sizeof(path[0]), "%s/%s", base, name);
	return ret;
}

static int make_folder(void **state)
{
	(void)state;
	strcpy(base, "/tmp/test_supervisor-XXXXXX");
	if (mkdtemp(base) == NULL || setenv("T", base, 1) < 0)
		return -1;
	/* Whoever loses his parent becomes our child, so that we see him end. */
	return prctl(PR_SET_CHILD_SUBREAPER, 1);
}

static int remove_folder(void **state)
{
	char command[128];

	(void)state;
	(void)snprintf(command, sizeof(command), "rm -r '%s'", base);
	return system(command);
}

static void write_daemon(const char *name, const char *script)
{
	FILE *f = fopen(below_base(name), "we");

	assert_non_null(f);
	fprintf(f, "#!/bin/sh\n%s\n", script);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(below_base(name), 0700), 0);
}

static const char *contents(const char *name)
{
	FILE *f = fopen(below_base(name), "re");
	size_t bytes = 0;

	if (f != NULL) {
		bytes = fread(text, 1, sizeof(text) - 1, f);
		fclose(f);
	}
	text[bytes] = '\0';
	return text;
}

static void nap(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);
}

static void wait_for(const char *name, const char *what)
{
	for (int ms = 0; ms < PATIENCE_MS; ms += 5, nap())
		if (strstr(contents(name), what) != NULL)
			return;
	fail_msg("%s never said %s", name, what);
}

/* begin - a supervisor in a process of its own; standard error goes to the file `err`. */
static pid_t begin(const char *dataplane, const char *control)
{
	struct supervisor s = {
		.name = "weir test",
		.dataplane_path = below_base("dataplane"),
		.control_path = below_base("control"),
		.restart_wait_ns = RESTART_WAIT_NS,
		.drain_wait_ns = DRAIN_WAIT_NS,
		.restarts_max = RESTARTS_MAX,
	};
	pid_t pid;

	if (dataplane != NULL)
		write_daemon("dataplane", dataplane);
	write_daemon("control", control);
	pid = fork();
	assert_true(pid >= 0);
	if (pid > 0)
		return pid;
	s.settings_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	(void)dup2(open(below_base("err"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600), 2);
	_exit(supervisor_run(&s));
}

static int status_of(pid_t pid)
{
	int how;

	for (int ms = 0; ms < PATIENCE_MS; ms += 5, nap()) {
		if (waitpid(pid, &how, WNOHANG) == pid) {
			assert_true(WIFEXITED(how));
			return WEXITSTATUS(how);
		}
	}
	(void)kill(pid, SIGKILL);
	fail_msg("the supervisor does not end");
	return -1;
}

static int run(const char *dataplane, const char *control)
{
	return status_of(begin(dataplane, control));
}

static unsigned count(const char *what, const char *in)
{
	unsigned found = 0;

	for (; (in = strstr(in, what)) != NULL; in++)
		found++;
	return found;
}

/* Scripts wait for each other by files, never for a time; and not for longer than the folder is
 * there. */
#define WAIT_FOR(file) "until [ -e $T/" file " -o ! -d $T ]; do sleep 0.01; done; "
#define UNTIL_TERM                                                                                 \
	"trap 'echo TERM >>$T/log; exit 0' TERM; echo ready >>$T/log; while [ -d $T ]; do sleep "  \
	"0.01; "                                                                                   \
	"done"

static void the_gravest_status_wins_and_three_above_all(void **state)
{
	static const int order[] = { 0, 1, 2, 4, 5, 6, 3 };

	(void)state;
	for (int i = 0; i < 7; i++) {
		for (int j = 0; j < 7; j++) {
			int graver = order[i > j ? i : j];

			assert_int_equal(supervisor_gravest(order[i], order[j]), graver);
		}
	}
}

/* run_to_end - both leave by themselves, and when they are told to they have made up their minds.
 */
static int run_to_end(int dataplane, int control)
{
	char dataplane_script[256], control_script[256];

	(void)snprintf(dataplane_script, sizeof(dataplane_script),
		       "trap '' TERM; " WAIT_FOR("ready") "rm $T/ready; touch $T/done; exit %d",
		       dataplane);
	(void)snprintf(control_script, sizeof(control_script),
		       "trap '' TERM; touch $T/ready; " WAIT_FOR("done") "rm $T/done; exit %d",
		       control);
	return run(dataplane_script, control_script);
}

static void both_daemons_decide_the_status(void **state)
{
	(void)state;
	assert_int_equal(run_to_end(0, 0), 0);
	assert_int_equal(run_to_end(4, 0), 4);
	assert_int_equal(run_to_end(0, 4), 4);
	assert_int_equal(run_to_end(4, 3), 3);
	assert_int_equal(run_to_end(5, 6), 6);
	assert_int_equal(run_to_end(2, 1), 2);
	assert_string_equal(contents("err"), "");
}

static void a_status_of_somebody_else_is_a_failure(void **state)
{
	(void)state;
	assert_int_equal(run_to_end(0, 99), 6);
	assert_int_equal(run_to_end(99, 0), 5);
	assert_int_equal(count("unknown status 99", contents("err")), 2);
}

static void a_killed_control_is_started_again_not_too_soon(void **state)
{
	uint64_t begun_ns = clock_monotonic_ns();

	(void)state;
	assert_int_equal(run(WAIT_FOR("done") "exit 0",
			     "echo start ${WEIR_RESTART-first} >>$T/log\n"
			     "[ $(wc -l <$T/log) -ge 4 ] || kill -9 $$\n"
			     "touch $T/done"),
			 0);
	assert_true(clock_monotonic_ns() - begun_ns >= 3 * RESTART_WAIT_NS);
	assert_string_equal(contents("log"), "start first\nstart 1\nstart 1\nstart 1\n");
	assert_int_equal(count("signal 9", contents("err")), 3);
}

static void a_control_that_always_dies_is_given_up(void **state)
{
	(void)state;
	assert_int_equal(run(UNTIL_TERM, "echo start >>$T/starts; kill -SEGV $$"), 6);
	assert_int_equal(count("start\n", contents("starts")), RESTARTS_MAX + 1);
	assert_non_null(strstr(contents("log"), "TERM"));
	assert_non_null(strstr(contents("err"), "not complete"));
}

static void a_control_that_left_is_not_started_again(void **state)
{
	(void)state;
	assert_int_equal(run(UNTIL_TERM, WAIT_FOR("log") "echo start >>$T/starts; exit 6"), 6);
	assert_string_equal(contents("starts"), "start\n");
	assert_string_equal(contents("log"), "ready\nTERM\n"); /* the dataplane was stopped, once */
}

static void a_dataplane_stopped_for_want_of_control_is_no_crash(void **state)
{
	(void)state;
	assert_int_equal(run("exec sleep 1000", "exit 4"), 4);
	assert_string_equal(contents("err"), "");
}

static void a_control_that_is_done_early_stops_nobody(void **state)
{
	(void)state;
	assert_int_equal(
		run("trap 'echo TERM >>$T/log' TERM; " WAIT_FOR("done") "sleep 0.1; exit 0",
		    "touch $T/done; exit 0"),
		0);
	assert_string_equal(contents("log"), "");
}

static void a_dataplane_that_does_not_stop_without_control_is_killed(void **state)
{
	(void)state;
	assert_int_equal(run("trap '' TERM; touch $T/log; while [ -d $T ]; do sleep 0.01; done",
			     WAIT_FOR("log") "exit 6"),
			 6);
	assert_non_null(strstr(contents("err"), "SIGKILL"));
}

static void a_dead_dataplane_ends_the_run_and_is_named(void **state)
{
	(void)state;
	assert_int_equal(run("kill -SEGV $$", "sleep 0.1; echo finished >>$T/log; exit 0"), 5);
	assert_non_null(
		strstr(contents("err"), "weir-dataplane was ended by signal 11 (Segmentation"));
	assert_string_equal(contents("log"), "finished\n");
}

static void the_survivor_of_a_crash_is_urged_to_end(void **state)
{
	(void)state;
	assert_int_equal(run(WAIT_FOR("log") "kill -KILL $$", UNTIL_TERM), 5);
	assert_string_equal(contents("log"), "ready\nTERM\n");
	assert_int_equal(run("kill -KILL $$", "trap '' TERM; while [ -d $T ]; do sleep 0.01; done"),
			 6);
	assert_non_null(strstr(contents("err"), "weir-control does not end; it gets a SIGKILL"));
}

static void a_control_that_never_attached_leaves_with_a_failed_dataplane(void **state)
{
	(void)state;
	assert_int_equal(run("exit 5", "exec sleep 1000"), 5);
	assert_int_equal(run("exit 2", "exec sleep 1000"), 2);
	assert_string_equal(contents("err"), "");
}

static void damaged_input_is_drained_to_the_end(void **state)
{
	(void)state;
	assert_int_equal(run("exit 4", "sleep 0.2; echo finished >>$T/log; exit 0"), 4);
	assert_string_equal(contents("log"), "finished\n");
}

static void control_may_finish_slowly_after_a_good_end(void **state)
{
	(void)state;
	assert_int_equal(run("exit 0", "sleep 1; echo finished >>$T/log; exit 0"), 0);
	assert_string_equal(contents("log"), "finished\n");
	assert_string_equal(contents("err"), "");
}

static void a_control_killed_after_the_end_leaves_a_failure(void **state)
{
	(void)state;
	assert_int_equal(run("exit 0", "sleep 0.2; kill -9 $$"), 6);
	assert_non_null(strstr(contents("err"), "not complete"));
}

static void the_end_while_control_is_down_is_a_failure(void **state)
{
	(void)state;
	assert_int_equal(
		run(WAIT_FOR("starts") "sleep 0.05; exit 0", "echo start >>$T/starts; kill -9 $$"),
		6);
	assert_string_equal(contents("starts"), "start\n");
}

static void a_missing_daemon_ends_the_run(void **state)
{
	(void)state;
	assert_int_equal(run(NULL, UNTIL_TERM), 5);
	assert_non_null(strstr(contents("err"), "dataplane: No such file or directory"));
}

static void one_interrupt_is_passed_to_the_dataplane(void **state)
{
	pid_t pid = begin("trap 'echo INT >>$T/log; touch $T/done; exit 0' INT\n"
			  "echo ready >>$T/log; while [ -d $T ]; do sleep 0.01; done",
			  "trap 'echo wrong >>$T/log' INT TERM; " WAIT_FOR("done") "exit 0");

	(void)state;
	wait_for("log", "ready");
	assert_int_equal(kill(pid, SIGINT), 0);
	assert_int_equal(status_of(pid), 0);
	assert_string_equal(contents("log"), "ready\nINT\n");
}

static void a_hangup_stops_as_a_termination_does(void **state)
{
	pid_t pid = begin(
		UNTIL_TERM,
		WAIT_FOR("log") "until grep -q TERM $T/log || [ ! -d $T ]; do sleep 0.01; done");

	(void)state;
	wait_for("log", "ready");
	assert_int_equal(kill(pid, SIGHUP), 0);
	assert_int_equal(status_of(pid), 0);
}

static void a_second_interrupt_kills_both(void **state)
{
	static const char stubborn[] = "trap '' TERM; trap 'echo INT >>$T/log' INT\n"
				       "echo ready >>$T/log; while [ -d $T ]; do sleep 0.01; done";
	pid_t pid = begin(stubborn, stubborn);

	(void)state;
	wait_for("log", "ready\nready");
	assert_int_equal(kill(pid, SIGINT), 0);
	wait_for("log", "INT");
	assert_int_equal(kill(pid, SIGINT), 0);
	assert_int_equal(status_of(pid), 130);
}

static void stopping_weir_stops_both(void **state)
{
	pid_t pid = begin(
		"trap 'exit 0' TERM; while [ -d $T ]; do echo beat >>$T/log; sleep 0.01; done",
		WAIT_FOR("log") "exec sleep 0.01");
	unsigned beats;
	int how;

	(void)state;
	wait_for("log", "beat");
	assert_int_equal(kill(pid, SIGTSTP), 0);
	assert_int_equal(waitpid(pid, &how, WUNTRACED), pid);
	assert_true(WIFSTOPPED(how));
	nap();
	beats = count("beat", contents("log"));
	for (int i = 0; i < 20; i++)
		nap();
	assert_int_equal(count("beat", contents("log")), beats);
	assert_int_equal(kill(pid, SIGCONT), 0);
	for (int i = 0; i < 2000 && count("beat", contents("log")) <= beats; i++)
		nap();
	assert_true(count("beat", contents("log")) > beats);
	assert_int_equal(kill(pid, SIGTERM), 0);
	assert_int_equal(status_of(pid), 0);
}

static void nothing_is_left_when_weir_is_killed(void **state)
{
	static const char idle[] = "echo $$ >>$T/log; exec sleep 1000";
	pid_t pid = begin(idle, idle);
	char *at = text;

	(void)state;
	while (count("\n", contents("log")) < 2)
		nap();
	assert_int_equal(kill(pid, SIGKILL), 0);
	for (int i = 0; i < 2; i++) { /* the daemons became our children */
		pid_t daemon = (pid_t)strtol(at, &at, 10);
		int how, waited_ms = 0;

		assert_true(daemon > 0);
		for (; waited_ms < PATIENCE_MS && waitpid(daemon, &how, WNOHANG) != daemon;
		     waited_ms += 5)
			nap();
		assert_true(waited_ms < PATIENCE_MS);
		assert_true(WIFSIGNALED(how) && WTERMSIG(how) == SIGTERM);
	}
}

static void daemons_inherit_the_settings_and_nothing_else(void **state)
{
	int stranger = open("/dev/null", O_RDONLY); /* as a careless parent of weir may leave one */

	(void)state;
	assert_true(dup2(stranger, 77) == 77);
	assert_int_equal(
		run("echo \"args $@\" >>$T/log; for f in /proc/$$/fd/*; do echo ${f##*/} >>$T/fds;"
		    " [ ${f##*/} = $2 ] && echo settings >>$T/log; done; exit 0",
		    "exit 0"),
		0);
	close(77);
	close(stranger);
	assert_non_null(strstr(contents("log"), "args --settings-fd "));
	assert_non_null(strstr(contents("log"), "\nsettings\n"));
	assert_non_null(strstr(contents("fds"), "0\n1\n"));
	assert_non_null(strstr(contents("fds"), "\n2\n"));
	assert_null(strstr(contents("fds"), "77\n"));
}

static void daemons_are_in_process_groups_of_their_own(void **state)
{
	static const char tell[] =
		"read -r _ _ _ _ group _ </proc/$$/stat; [ $group = $$ ] || exit 4; exit 0";

	(void)state;
	assert_int_equal(run(tell, tell), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, make_folder, remove_folder)
		TEST(the_gravest_status_wins_and_three_above_all),
		TEST(both_daemons_decide_the_status),
		TEST(a_status_of_somebody_else_is_a_failure),
		TEST(a_killed_control_is_started_again_not_too_soon),
		TEST(a_control_that_always_dies_is_given_up),
		TEST(a_control_that_left_is_not_started_again),
		TEST(a_dataplane_stopped_for_want_of_control_is_no_crash),
		TEST(a_control_that_is_done_early_stops_nobody),
		TEST(a_dataplane_that_does_not_stop_without_control_is_killed),
		TEST(a_dead_dataplane_ends_the_run_and_is_named),
		TEST(the_survivor_of_a_crash_is_urged_to_end),
		TEST(a_control_that_never_attached_leaves_with_a_failed_dataplane),
		TEST(damaged_input_is_drained_to_the_end),
		TEST(control_may_finish_slowly_after_a_good_end),
		TEST(a_control_killed_after_the_end_leaves_a_failure),
		TEST(the_end_while_control_is_down_is_a_failure),
		TEST(a_missing_daemon_ends_the_run),
		TEST(one_interrupt_is_passed_to_the_dataplane),
		TEST(a_hangup_stops_as_a_termination_does),
		TEST(a_second_interrupt_kills_both),
		TEST(stopping_weir_stops_both),
		TEST(nothing_is_left_when_weir_is_killed),
		TEST(daemons_inherit_the_settings_and_nothing_else),
		TEST(daemons_are_in_process_groups_of_their_own),
	};

	/* Under nohup it would be ignored, by the supervisor too. */
	(void)signal(SIGHUP, SIG_DFL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
