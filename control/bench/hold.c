/* hold - the signals that would end this program wait, and end its waiting. */
#include "control/bench/hold.h"

#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <time.h>

#include "dataplane/base/compiler.h"

static const int held_signal[] = { SIGINT, SIGTERM, SIGHUP };

static volatile sig_atomic_t came;
static bool holds;
static sigset_t before, while_waiting;
static struct sigaction action_before[array_count(held_signal)];

static void note(int number)
{
	if (came == 0)
		came = number;
}

void hold_begin(void)
{
	const struct sigaction act = { .sa_handler = note };
	sigset_t held;

	sigemptyset(&held);
	for (size_t i = 0; i < array_count(held_signal); i++)
		sigaddset(&held, held_signal[i]);
	(void)sigprocmask(SIG_BLOCK, &held, &before);
	while_waiting = before;
	came = 0;
	for (size_t i = 0; i < array_count(held_signal); i++) {
		(void)sigaction(held_signal[i], NULL, &action_before[i]);
		if (action_before[i].sa_handler == SIG_IGN) /* nohup */
			continue;
		(void)sigaction(held_signal[i], &act, NULL);
		sigdelset(&while_waiting, held_signal[i]);
	}
	holds = true;
}

void hold_end(void)
{
	if (!holds)
		return;
	(void)hold_signal(); /* what waits is taken here */
	(void)sigprocmask(SIG_SETMASK, &while_waiting, NULL);
	for (size_t i = 0; i < array_count(held_signal); i++)
		(void)sigaction(held_signal[i], &action_before[i], NULL);
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	holds = false;
}

int hold_signal(void)
{
	const struct timespec now = { 0 };

	if (holds)
		(void)ppoll(NULL, 0, &now, &while_waiting);
	return (int)came;
}

double hold_now_s(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static struct timespec span(double seconds)
{
	if (!(seconds > 0))
		seconds = 0;
	return (struct timespec){ .tv_sec = (time_t)seconds,
				  .tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9) };
}

bool hold_wait(double seconds)
{
	double end_s = hold_now_s() + seconds;

	while (hold_signal() == 0 && hold_now_s() < end_s) {
		struct timespec rest = span(end_s - hold_now_s());

		(void)ppoll(NULL, 0, &rest, holds ? &while_waiting : NULL);
	}
	return hold_signal() == 0;
}

bool hold_poll(int fd, double seconds, bool may_be_interrupted)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct timespec rest = span(seconds);

	if (may_be_interrupted && hold_signal() != 0)
		return false;
	return ppoll(&p, 1, &rest, holds && may_be_interrupted ? &while_waiting : NULL) > 0 &&
	       p.revents != 0;
}
