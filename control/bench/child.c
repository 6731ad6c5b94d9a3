/* child - a program, or a function, that runs beside this one and ends with it. */
#include "control/bench/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "control/bench/hold.h"
#include "control/bench/run.h"
#include "dataplane/base/clock.h"

enum { STATUS_NOT_STARTED = 127, KILL_WAIT_S = 1 };

/* ---- in the child ---- */

static void leave(const char *why)
{
	fprintf(stderr, "%s\n", why);
	fflush(stderr);
	_exit(STATUS_NOT_STARTED);
}

/* die_with - the parent may have gone before the kernel was told. */
static void die_with(pid_t parent, int number)
{
	(void)prctl(PR_SET_PDEATHSIG, number);
	if (getppid() != parent)
		_exit(STATUS_NOT_STARTED);
}

static void redirect(const struct child *c)
{
	int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (dup2(nothing, STDIN_FILENO) < 0 || dup2(c->out_fd, STDOUT_FILENO) < 0 ||
	    dup2(c->err_fd, STDERR_FILENO) < 0)
		_exit(STATUS_NOT_STARTED);
}

static void become(const struct child_how *how)
{
	char *word[CHILD_WORDS_MAX + 1];
	char path[PATH_MAX];
	struct lab_error err;
	int count = 0;

	while (count < CHILD_WORDS_MAX && how->word[count] != NULL) {
		word[count] = strdup(how->word[count]); /* for execv(), which takes no const */
		if (word[count++] == NULL)
			leave("no memory");
	}
	word[count] = NULL;
	if (how->lab != NULL) {
		(void)lab_exec(how->lab, how->host, count, word, &err);
		leave(err.text);
	}
	if (run_find(how->word[0], path) == 0)
		execv(path, word);
	leave(strerror(errno));
}

static void run_child(const struct child_how *how, const struct child *c, pid_t parent)
{
	sigset_t none;

	(void)setpgid(0, 0);
	die_with(parent, how->death_signal != 0 ? how->death_signal : SIGKILL);
	redirect(c);
	for (int number = 1; number < SIGRTMIN; number++)
		(void)signal(number, SIG_DFL);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	if (how->cores != NULL && cpu_allow(how->cores) < 0)
		leave("it cannot be moved to its cores");
	if (how->function != NULL) {
		how->function(how->user);
		_exit(0);
	}
	become(how);
}

/* ---- outside ---- */

int child_start(struct child *ret, const struct child_how *how)
{
	struct child c = { 0 };
	pid_t parent = getpid();
	int err;

	c.out_fd = memfd_create("out", MFD_CLOEXEC);
	c.err_fd = how->log_path == NULL
			   ? memfd_create("err", MFD_CLOEXEC)
			   : open(how->log_path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (c.out_fd < 0 || c.err_fd < 0) {
		err = -errno;
		goto err_files;
	}
	/* Whoever writes there appends, whatever descriptor of it he has. */
	(void)fcntl(c.out_fd, F_SETFL, O_APPEND);
	(void)fcntl(c.err_fd, F_SETFL, O_APPEND);
	fflush(NULL);
	c.pid = fork();
	if (c.pid < 0) {
		err = -errno;
		goto err_files;
	}
	if (c.pid == 0)
		run_child(how, &c, parent);
	(void)setpgid(c.pid, c.pid); /* both sides do, whoever is first */
	*ret = c;
	return 0;

err_files:
	if (c.out_fd >= 0)
		close(c.out_fd);
	if (c.err_fd >= 0)
		close(c.err_fd);
	return err;
}

static void note_end(struct child *c, int status)
{
	c->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	c->pid = 0;
}

bool child_ended(struct child *c)
{
	int status;

	if (c->pid == 0)
		return true;
	if (waitpid(c->pid, &status, WNOHANG) != c->pid)
		return false;
	note_end(c, status);
	return true;
}

/* wait_pid - Returns: false after so long, or if a held signal came and that may end it. */
static bool wait_pid(struct child *c, double seconds, bool may_be_interrupted)
{
	double end_s = hold_now_s() + seconds;
	int fd;

	if (child_ended(c))
		return true;
	fd = (int)syscall(SYS_pidfd_open, c->pid, 0);
	while (!child_ended(c) && hold_now_s() < end_s) {
		if (!hold_poll(fd, end_s - hold_now_s(), may_be_interrupted) &&
		    may_be_interrupted && hold_signal() != 0)
			break;
	}
	if (fd >= 0)
		close(fd);
	return child_ended(c);
}

bool child_wait(struct child *c, double seconds)
{
	return wait_pid(c, seconds, true);
}

void child_interrupt(struct child *c, double seconds)
{
	static const int number[] = { SIGINT, SIGTERM, SIGKILL };
	const double patience_s[] = { seconds, KILL_WAIT_S, KILL_WAIT_S };

	for (size_t i = 0; i < sizeof(number) / sizeof(number[0]) && !child_ended(c); i++) {
		(void)kill(c->pid, number[i]);
		if (number[i] == SIGKILL) /* whatever it has started in its group, too */
			(void)kill(-c->pid, number[i]);
		(void)wait_pid(c, patience_s[i], false);
	}
}

size_t child_text(const struct child *c, enum child_stream which, char *ret, size_t bytes)
{
	int fd = which == CHILD_OUT ? c->out_fd : c->err_fd;
	size_t used = 0;
	ssize_t n;

	while (used + 1 < bytes && (n = pread(fd, ret + used, bytes - 1 - used, (off_t)used)) > 0)
		used += (size_t)n;
	ret[used] = '\0';
	return used;
}

void child_line(const struct child *c, char *ret, size_t bytes)
{
	static char text[CHILD_TEXT_BYTES];
	size_t used = child_text(c, CHILD_ERR, text, sizeof(text));
	char *line;

	if (used == 0)
		used = child_text(c, CHILD_OUT, text, sizeof(text));
	while (used > 0 && (text[used - 1] == '\n' || text[used - 1] == ' '))
		text[--used] = '\0';
	line = strrchr(text, '\n');
	(void)snprintf(ret, bytes, "%s", line != NULL ? line + 1 : text);
}

void child_free(struct child *c)
{
	if (c->out_fd <= 0)
		return;
	if (c->pid != 0)
		child_interrupt(c, KILL_WAIT_S);
	close(c->out_fd);
	close(c->err_fd);
	*c = (struct child){ 0 };
}
