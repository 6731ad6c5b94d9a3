/* threads - every thread asked by a signal, one after the other. */
#include "dataplane/base/threads.h"

#include <dirent.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { ANSWER_MS = 2000 };

/* The question of the moment. */
static int (*ask)(void *context);
static void *ask_context;
static int answer;
static atomic_int answered;

static void on_signal(int number)
{
	int before = errno;

	(void)number;
	answer = ask(ask_context);
	/* Pairs with the acquire in ask_thread(). */
	atomic_store_explicit(&answered, 1, memory_order_release);
	errno = before;
}

static int ask_thread(pid_t thread)
{
	const struct timespec ms = { .tv_nsec = 1000 * 1000 };

	atomic_store_explicit(&answered, 0, memory_order_relaxed);
	if (syscall(SYS_tgkill, getpid(), thread, THREADS_SIGNAL) < 0)
		return errno == ESRCH ? 0 : -errno; /* it has ended meanwhile */
	for (int i = 0; i < ANSWER_MS; i++) {
		if (atomic_load_explicit(&answered, memory_order_acquire))
			return answer;
		nanosleep(&ms, NULL);
	}
	return -ETIMEDOUT;
}

int threads_each(int (*fn)(void *context), void *context)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART }, before;
	DIR *d = opendir("/proc/self/task");
	struct dirent *e;
	int err = 0;

	if (d == NULL)
		return -errno;
	ask = fn;
	ask_context = context;
	sigaction(THREADS_SIGNAL, &action, &before);
	while (err == 0 && (e = readdir(d)) != NULL) {
		pid_t thread = (pid_t)atoi(e->d_name);

		if (thread > 0 && thread != gettid())
			err = ask_thread(thread);
	}
	sigaction(THREADS_SIGNAL, &before, NULL);
	closedir(d);
	return err;
}
