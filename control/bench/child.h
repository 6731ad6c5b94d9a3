/* child - a program, or a function, that runs beside this one and ends with it.
 *
 *     child_start -> child_text, child_ended … -> child_interrupt or child_wait -> child_free
 *
 * It has a process group of its own, so that Ctrl-C reaches us alone and ending has an order; it
 * reads nothing; its words are kept in memory, where they can be read while it runs. If we die it
 * is killed (PR_SET_PDEATHSIG).
 *
 * Threads: one. The caller's blocked signals are not blocked in it.
 */
#ifndef CONTROL_BENCH_CHILD_H
#define CONTROL_BENCH_CHILD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "control/bench/lab.h"
#include "dataplane/base/cpu.h"

enum { CHILD_WORDS_MAX = 64, CHILD_TEXT_BYTES = 256 * 1024 };

struct child_how {
	const char *lab;    /* NULL: in the namespaces of the caller */
	enum lab_host host; /* of the lab */
	const struct cpu_set *cores;
	const char *const *word;      /* the program and its arguments; NULL-terminated */
	void (*function)(void *user); /* instead of a program; it never returns */
	void *user;
	const char *log_path; /* where its standard error goes too, from its beginning; NULL */
	int death_signal;     /* 0: SIGKILL */
};

struct child {
	pid_t pid; /* 0: none, or it has been waited for */
	int out_fd, err_fd;
	int status; /* exit status, or 128 plus the signal; once it has ended */
};

/* child_start - Returns: 0 and ret; -errno. A program that cannot be executed ends with status 127
 * and says why on standard error. */
int child_start(struct child *ret, const struct child_how *how);

/* child_ended - does not wait. */
bool child_ended(struct child *c);

/* child_wait - at most so long; a signal that place.h holds ends the wait. Returns: it has ended.
 */
bool child_wait(struct child *c, double seconds);

/* child_interrupt - SIGINT, `seconds` to end in, SIGTERM, a second, SIGKILL. Signals that are held
 * do not shorten this. */
void child_interrupt(struct child *c, double seconds);

/* child_text - what it has written until now, into `ret` with a zero byte. Returns: its length. */
enum child_stream { CHILD_OUT, CHILD_ERR };
size_t child_text(const struct child *c, enum child_stream which, char *ret, size_t bytes);

/* child_line - the last line of either stream that is not empty, for a sentence of ours; standard
 * error first. Empty: it said nothing. */
void child_line(const struct child *c, char *ret, size_t bytes);

/* child_free - ends it if need be. Accepts a zeroed one. */
void child_free(struct child *c);

#endif
