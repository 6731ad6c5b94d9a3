/* supervisor - starts the two daemons, keeps control alive, and leaves with the gravest status. */
#include "control/weir/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "control/weir/command.h"
#include "dataplane/base/clock.h"

#define NEVER_NS UINT64_MAX

/* What the child reports when exec failed; no daemon leaves with it. */
enum { STATUS_EXEC_FAILED = 127 };

struct child {
	const char *title;
	const char *path;
	pid_t pid; /* 0: not running */
	uint64_t started_ns;
	bool exited; /* by itself, with `status` */
	int status;
	int died_of;          /* the signal, if it did not leave by itself */
	uint64_t deadline_ns; /* when it is told to leave, the next time less kindly */
	bool told;            /* by urge() */
	bool unneeded; /* told to leave because the other one left; dying of that is no news */
};

struct watch {
	const struct supervisor *s;
	struct child dataplane, control;
	uint64_t restart_ns;   /* when control is to be started again */
	uint32_t hasty_deaths; /* of control, in a row */
	uint32_t signals;      /* that asked weir to stop */
	int status;            /* gravest so far */
	sigset_t waited, before;
};

/* ---- statuses ---- */

static int gravity(int status)
{
	static const int order[] = { STATUS_DONE,   STATUS_NO,     STATUS_USAGE, STATUS_DAMAGED,
				     STATUS_SOURCE, STATUS_OUTPUT, STATUS_LEDGER };

	for (int i = 0; i < (int)(sizeof(order) / sizeof(order[0])); i++)
		if (order[i] == status)
			return i;
	return -1;
}

int supervisor_gravest(int a, int b)
{
	return gravity(b) > gravity(a) ? b : a;
}

static void worsen(struct watch *w, int status)
{
	w->status = supervisor_gravest(w->status, status);
}

/* ---- starting ---- */

/* become - in the child: settle what is inherited, then run the daemon. */
_Noreturn static void become(const struct watch *w, const struct child *c, pid_t parent, bool again)
{
	char fd_text[16];

	(void)setpgid(0, 0);
	(void)signal(SIGTTOU, SIG_IGN);
	(void)signal(SIGTTIN, SIG_IGN);
	/* A shell without job control has its background commands ignore it. */
	(void)signal(SIGINT, SIG_DFL);
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent) /* it was killed before the line above */
		_exit(STATUS_EXEC_FAILED);
	(void)close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
	(void)fcntl(w->s->settings_fd, F_SETFD, 0);
	if (again)
		(void)setenv("WEIR_RESTART", "1", 1);
	else
		(void)unsetenv("WEIR_RESTART");
	(void)sigprocmask(SIG_SETMASK, &w->before, NULL);
	(void)snprintf(fd_text, sizeof(fd_text), "%d", w->s->settings_fd);
	execl(c->path, c->title, "--settings-fd", fd_text, (char *)NULL);
	fprintf(stderr, "%s: %s: %s\n", w->s->name, c->path, strerror(errno));
	_exit(STATUS_EXEC_FAILED);
}

static void start(struct watch *w, struct child *c, bool again)
{
	pid_t parent = getpid(), pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0)
		become(w, c, parent, again);
	*c = (struct child){ .title = c->title, .path = c->path, .deadline_ns = NEVER_NS };
	c->started_ns = clock_monotonic_ns();
	if (pid > 0) {
		c->pid = pid;
		return;
	}
	fprintf(stderr, "%s: %s cannot be started: %s\n", w->s->name, c->title, strerror(errno));
	c->exited = true;
	c->status = STATUS_EXEC_FAILED;
}

static void tell(const struct child *c, int signal_number)
{
	if (c->pid > 0)
		(void)kill(c->pid, signal_number);
}

static void tell_both(const struct watch *w, int signal_number)
{
	tell(&w->dataplane, signal_number);
	tell(&w->control, signal_number);
}

/* ---- ends ---- */

/* set_deadline - the other daemon is gone in a way that this one may never notice. */
static void set_deadline(const struct watch *w, struct child *c)
{
	if (c->pid > 0 && c->deadline_ns == NEVER_NS)
		c->deadline_ns = clock_monotonic_ns() + w->s->drain_wait_ns;
}

/* A status that is none of ours comes from the dynamic linker, a sanitizer, or a failed exec. */
static int known_status(const struct watch *w, const struct child *c, int otherwise)
{
	if (gravity(c->status) >= 0)
		return c->status;
	if (c->status != STATUS_EXEC_FAILED)
		fprintf(stderr, "%s: %s left with the unknown status %d\n", w->s->name, c->title,
			c->status);
	return otherwise;
}

static bool died_unexpectedly(const struct child *c)
{
	if (c->exited || (c->unneeded && c->died_of == SIGTERM))
		return false;
	return !(c->told && c->died_of == SIGKILL);
}

/* dismiss - tell a child that the other one left without having done its work. */
static void dismiss(struct child *c)
{
	c->unneeded = true;
	tell(c, SIGTERM);
}

static void on_dataplane_exit(struct watch *w)
{
	struct child *d = &w->dataplane;

	worsen(w, known_status(w, d, STATUS_SOURCE));
	/* It may have failed before control could attach to it. A control that has attached ends
	 * when it has drained, and not earlier for being told to. */
	if (d->status != STATUS_DONE && d->status != STATUS_DAMAGED)
		dismiss(&w->control);
}

static void on_dataplane_end(struct watch *w)
{
	struct child *d = &w->dataplane;

	if (d->exited) {
		on_dataplane_exit(w);
	} else if (died_unexpectedly(d)) {
		fprintf(stderr, "%s: %s was ended by signal %d (%s)\n", w->s->name, d->title,
			d->died_of, strsignal(d->died_of));
		worsen(w, STATUS_SOURCE);
	}
	if (!d->exited)
		set_deadline(w, &w->control);
	if (w->restart_ns != NEVER_NS) {
		fprintf(stderr,
			"%s: the capture ended while %s was down: the output is not complete\n",
			w->s->name, w->control.title);
		w->restart_ns = NEVER_NS;
		worsen(w, STATUS_OUTPUT);
	}
}

/* without_control - nobody will take records any more: the dataplane has no reason to go on. */
static void without_control(struct watch *w)
{
	dismiss(&w->dataplane);
	set_deadline(w, &w->dataplane);
}

static void on_control_death(struct watch *w)
{
	struct child *c = &w->control;
	uint64_t now = clock_monotonic_ns(), lived_ns = now - c->started_ns;

	if (c->unneeded && c->died_of == SIGTERM)
		return;
	w->hasty_deaths = lived_ns < 10 * w->s->restart_wait_ns ? w->hasty_deaths + 1 : 0;
	if (w->dataplane.pid == 0 || c->told || w->hasty_deaths > w->s->restarts_max) {
		fprintf(stderr, "%s: %s was ended by signal %d (%s): the output is not complete\n",
			w->s->name, c->title, c->died_of, strsignal(c->died_of));
		worsen(w, STATUS_OUTPUT);
		without_control(w);
		return;
	}
	fprintf(stderr, "%s: %s was ended by signal %d (%s); it is started again\n", w->s->name,
		c->title, c->died_of, strsignal(c->died_of));
	w->restart_ns = c->started_ns + w->s->restart_wait_ns;
}

static void on_control_end(struct watch *w)
{
	if (!w->control.exited) {
		on_control_death(w);
		return;
	}
	worsen(w, known_status(w, &w->control, STATUS_OUTPUT));
	if (w->control.status != STATUS_DONE)
		without_control(w);
}

static void reap(struct watch *w)
{
	int how;
	pid_t pid;

	while ((pid = waitpid(-1, &how, WNOHANG)) > 0) {
		struct child *c = pid == w->dataplane.pid ? &w->dataplane : &w->control;

		if (pid != c->pid)
			continue;
		c->pid = 0;
		c->exited = WIFEXITED(how);
		c->status = c->exited ? WEXITSTATUS(how) : 0;
		c->died_of = c->exited ? 0 : WTERMSIG(how);
		if (w->signals >= 2)
			continue; /* it was killed, which is no news */
		if (c == &w->dataplane)
			on_dataplane_end(w);
		else
			on_control_end(w);
	}
}

/* ---- time ---- */

static void urge(const struct watch *w, struct child *c, uint64_t now)
{
	if (c->pid == 0 || now < c->deadline_ns)
		return;
	fprintf(stderr, "%s: %s does not end; it gets a %s\n", w->s->name, c->title,
		c->told ? "SIGKILL" : "SIGTERM");
	tell(c, c->told ? SIGKILL : SIGTERM);
	c->deadline_ns = c->told ? NEVER_NS : now + w->s->drain_wait_ns;
	c->told = true;
}

static void look_at_clock(struct watch *w)
{
	uint64_t now = clock_monotonic_ns();

	if (now >= w->restart_ns) {
		w->restart_ns = NEVER_NS;
		start(w, &w->control, true);
		if (w->control.exited)
			on_control_end(w);
	}
	urge(w, &w->dataplane, now);
	urge(w, &w->control, now);
}

static uint64_t next_wake_ns(const struct watch *w)
{
	uint64_t next = w->restart_ns;

	if (w->dataplane.pid > 0 && w->dataplane.deadline_ns < next)
		next = w->dataplane.deadline_ns;
	if (w->control.pid > 0 && w->control.deadline_ns < next)
		next = w->control.deadline_ns;
	return next;
}

/* ---- signals ---- */

/* wait_signal - sleep until one of the waited signals, or until it is time for something.
 * Returns: the signal, 0 when the time has come. */
static int wait_signal(const struct watch *w)
{
	uint64_t next = next_wake_ns(w), now = clock_monotonic_ns();
	uint64_t left = next > now ? next - now : 0;
	struct timespec t = { .tv_sec = (time_t)(left / CLOCK_SECOND_NS),
			      .tv_nsec = (long)(left % CLOCK_SECOND_NS) };
	int got = sigtimedwait(&w->waited, NULL, next != NEVER_NS ? &t : NULL);

	return got > 0 ? got : 0;
}

static void on_stop(struct watch *w, int signal_number)
{
	if (++w->signals == 1) {
		tell(&w->dataplane, signal_number == SIGHUP ? SIGTERM : signal_number);
		return;
	}
	w->status = STATUS_SIGNAL + signal_number;
	w->restart_ns = NEVER_NS;
	tell_both(w, SIGKILL);
}

static void on_signal(struct watch *w, int signal_number)
{
	switch (signal_number) {
	case SIGINT:
	case SIGTERM:
	case SIGHUP: on_stop(w, signal_number); break;
	case SIGTSTP:
		tell_both(w, SIGSTOP);
		(void)raise(SIGSTOP);
		tell_both(w, SIGCONT);
		break;
	default: break; /* SIGCHLD, SIGCONT and the clock: looked after in every turn */
	}
}

/* is_ignored - weir was started to live on, by nohup or a shell without job control. A blocked
 * signal is queued even when it is ignored, so it must not be waited for. */
static bool is_ignored(int signal_number)
{
	struct sigaction how;

	return sigaction(signal_number, NULL, &how) == 0 && how.sa_handler == SIG_IGN;
}

static void block_signals(struct watch *w)
{
	static const int always[] = { SIGINT, SIGTERM, SIGCHLD };
	static const int unless_ignored[] = { SIGHUP, SIGTSTP };

	sigemptyset(&w->waited);
	for (size_t i = 0; i < sizeof(always) / sizeof(always[0]); i++)
		sigaddset(&w->waited, always[i]);
	for (size_t i = 0; i < sizeof(unless_ignored) / sizeof(unless_ignored[0]); i++)
		if (!is_ignored(unless_ignored[i]))
			sigaddset(&w->waited, unless_ignored[i]);
	(void)signal(SIGCHLD,
		     SIG_DFL); /* ignored, it would make children vanish without a status */
	(void)sigprocmask(SIG_BLOCK, &w->waited, &w->before);
}

int supervisor_run(const struct supervisor *s)
{
	struct watch w = {
		.s = s,
		.dataplane = { .title = "weir-dataplane", .path = s->dataplane_path },
		.control = { .title = "weir-control", .path = s->control_path },
		.restart_ns = NEVER_NS,
	};

	block_signals(&w);
	start(&w, &w.dataplane, false);
	start(&w, &w.control, false);
	if (w.dataplane.exited)
		on_dataplane_end(&w);
	if (w.control.exited)
		on_control_end(&w);
	while (w.dataplane.pid > 0 || w.control.pid > 0 || w.restart_ns != NEVER_NS) {
		on_signal(&w, wait_signal(&w));
		reap(&w);
		look_at_clock(&w);
	}
	(void)sigprocmask(SIG_SETMASK, &w.before, NULL);
	return w.status;
}
