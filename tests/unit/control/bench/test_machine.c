/* Proves that idle times are read of the core that is meant and of no other, that a core that is
 * kept busy is found busy, and that a process's time is its own.
 */
#include "control/bench/machine.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/check.h"

static const char timers[] = "Timer List Version: v0.10\nnow at 5000 nsecs\n\n"
			     "cpu: 0\n clock 0:\n #0: <x>, tick, S:01\n"
			     "  .idle_sleeptime : 700 nsecs\n  .iowait_sleeptime: 11 nsecs\n"
			     "cpu: 1\n  .idle_sleeptime : 800 nsecs\n"
			     "  .iowait_sleeptime: 22 nsecs\n"
			     "cpu: 10\n  .idle_sleeptime : 900 nsecs\n"
			     "  .iowait_sleeptime: 33 nsecs\n"
			     "cpu: 2\n  .nohz : 1\nTick Device: mode: 1\n";

static void idle_time_is_that_of_the_core(void **state)
{
	uint64_t now_ns = 0, idle_ns = 0;

	(void)state;
	assert_int_equal(machine_parse_timers(timers, 0, &now_ns, &idle_ns), 0);
	assert_int_equal(now_ns, 5000);
	assert_int_equal(idle_ns, 711);
	assert_int_equal(machine_parse_timers(timers, 1, &now_ns, &idle_ns), 0);
	assert_int_equal(idle_ns, 822);
	assert_int_equal(machine_parse_timers(timers, 10, &now_ns, &idle_ns), 0);
	assert_int_equal(idle_ns, 933);
}

static void a_core_without_idle_time_is_refused(void **state)
{
	uint64_t now_ns, idle_ns = 1;

	(void)state;
	assert_int_equal(machine_parse_timers(timers, 2, &now_ns, &idle_ns), -EINVAL);
	assert_int_equal(machine_parse_timers(timers, 3, &now_ns, &idle_ns), -EINVAL);
	assert_int_equal(machine_parse_timers("", 0, &now_ns, &idle_ns), -EINVAL);
	assert_int_equal(
		machine_parse_timers("\ncpu: 0\n.idle_sleeptime : 1\n", 0, &now_ns, &idle_ns),
		-EINVAL);
	assert_int_equal(idle_ns, 1);
}

static void ticks_are_those_of_the_core(void **state)
{
	static const char stat[] = "cpu  1 2 3 100 50 6 7 8 9 10\n"
				   "cpu1 1 2 3 40 5 0 0 0 0 0\n"
				   "cpu11 1 2 3 60 7 0 0 0 0 0\n";
	uint64_t ticks = 0;

	(void)state;
	assert_int_equal(machine_parse_stat(stat, 1, &ticks), 0);
	assert_int_equal(ticks, 45);
	assert_int_equal(machine_parse_stat(stat, 11, &ticks), 0);
	assert_int_equal(ticks, 67);
	assert_int_equal(machine_parse_stat(stat, 0, &ticks), -EINVAL);
	assert_int_equal(machine_parse_stat("\ncpu0 1 2", 0, &ticks), -EINVAL);
}

static double spend(double seconds)
{
	struct timespec t;
	double begun_s, now_s;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	begun_s = now_s = (double)t.tv_sec + (double)t.tv_nsec / 1e9;
	while (now_s < begun_s + seconds) {
		(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
		now_s = (double)t.tv_sec + (double)t.tv_nsec / 1e9;
	}
	return now_s - begun_s;
}

/* Whoever else is at work makes it more, never less. */
static void work_is_found(void **state)
{
	struct machine_work work;
	struct machine *m;

	(void)state;
	if (machine_open(&m) < 0)
		skip();
	assert_true(machine_cores(m) >= 1);
	assert_true(machine_hz(m) > 1e6);
	assert_true(strlen(machine_text(m)) > 0);
	machine_begin(m);
	(void)spend(0.2);
	machine_end(m, &work);
	assert_true(work.seconds >= 0.19);
	assert_true(work.busy_s >= 0.19);
	assert_true(work.busy_s <= work.seconds * machine_cores(m) * 1.02);
	assert_true(work.cycles > 0);
	assert_true(isnan(work.context_switches) || work.context_switches >= 0);
	machine_close(m);
}

static void system_calls_are_counted_where_they_may_be(void **state)
{
	struct machine *m;
	double calls;

	(void)state;
	if (machine_open(&m) < 0)
		skip();
	machine_calls_begin(m);
	for (int i = 0; i < 10000; i++)
		(void)getppid();
	calls = machine_calls_end(m);
	assert_true(isnan(calls) || calls >= 10000);
	machine_close(m);
}

static void a_process_has_its_own_time(void **state)
{
	struct process_work before, after;
	pid_t gone = fork();

	(void)state;
	if (gone == 0)
		_exit(0);
	assert_int_equal(waitpid(gone, NULL, 0), gone);
	assert_int_equal(process_work(gone, &before), -ESRCH);

	assert_int_equal(process_work(getpid(), &before), 0);
	(void)spend(0.05);
	assert_int_equal(process_work(getpid(), &after), 0);
	assert_true(after.cpu_s - before.cpu_s >= 0.049);
	assert_true(after.pss_bytes > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(idle_time_is_that_of_the_core),
		cmocka_unit_test(a_core_without_idle_time_is_refused),
		cmocka_unit_test(ticks_are_those_of_the_core),
		cmocka_unit_test(work_is_found),
		cmocka_unit_test(system_calls_are_counted_where_they_may_be),
		cmocka_unit_test(a_process_has_its_own_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
