/* ctl - the socket RUNTIME/ctl.sock, on which `weir ctl` asks and weir-control answers.
 *
 *     client                         weir-control
 *     connect                     -> accept, SO_PEERCRED: root or our own user
 *     "status json\n"             ->
 *                                 <- "weir-ctl STATUS BYTES\n", then so many bytes of text; with
 *                                    `settings` their memfd comes along (SCM_RIGHTS)
 *     (end of file)               <- closed; after `stop` only when weir-control leaves
 *
 * A request is one line: a word of CTL_LIST, and `json` behind it if that is wanted. STATUS is the
 * exit status with which `weir ctl` leaves; where it is CTL_REFUSED the text is a sentence that
 * says why.
 *
 * Draining never waits for a client: no descriptor here blocks, an answer is made at once and
 * leaves as the socket takes it, a client that does nothing for CTL_IDLE_NS is dropped, and while
 * there are CTL_CLIENTS of them the next ones wait in the backlog.
 *
 * Threads: one.
 */
#ifndef CONTROL_DAEMON_CTL_H
#define CONTROL_DAEMON_CTL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#define CTL_SOCKET  "ctl.sock"
#define CTL_IDLE_NS UINT64_C(5000000000)

/* X(word, has_json, "what it answers") */
#define CTL_LIST(X)                                                                                \
	X(status, true, "how the run is doing: sources, packets, losses, pairs, rates, the ring")  \
	X(stats, true, "the stats line of this moment")                                            \
	X(ledger, true, "all balances as they are now")                                            \
	X(settings, false, "the settings of the run, as an INI file")                              \
	X(stop, false, "end the run: its books are closed, its output completed")

#define CTL_ENUM(word, has_json, what) CTL_##word,
enum ctl_word { CTL_LIST(CTL_ENUM) CTL_WORDS };

enum {
	CTL_CLIENTS = 8,
	CTL_REQUEST_BYTES = 128, /* longest request, with its newline */
	CTL_HEAD_BYTES = 64,     /* room for the first line of an answer */
	CTL_REFUSED = 2,         /* STATUS_USAGE */
};

/* What the daemon has to say. */
struct ctl_answers {
	/* answer - write the text. Returns: the status. */
	int (*answer)(void *context, enum ctl_word word, bool json, FILE *to);
	void *context;
	int settings_fd; /* sealed; the caller's */
};

struct ctl_client {
	int fd; /* -1: free */
	bool stranger, lingers;
	uint64_t moved_ns; /* when something last came or went */
	size_t asked;      /* bytes of the request */
	char request[CTL_REQUEST_BYTES];
	char *answer; /* NULL: still asking. From malloc() */
	size_t bytes, sent;
	int pass_fd; /* goes with the first byte; -1: none */
};

struct ctl {
	int listen_fd, epoll_fd; /* -1: closed */
	bool full;               /* nobody is accepted */
	char path[108];
	struct ctl_answers answers;
	struct ctl_client client[CTL_CLIENTS];
};

/* ctl_open - listen in `directory`, where no other weir-control is at work: a socket that a killed
 * one has left is replaced. Returns: 0; -ENAMETOOLONG; -errno. */
int ctl_open(struct ctl *ret, const char *directory, const struct ctl_answers *answers);

/* ctl_fd - becomes readable when ctl_run() has something to do. */
int ctl_fd(const struct ctl *c);

/* ctl_run - take what has come, send what can be sent, drop who is idle. Cost: one system call
 * while nothing happens. */
void ctl_run(struct ctl *c, uint64_t now_ns);

/* ctl_close - away with the socket and the clients; accepts one that could not be opened. */
void ctl_close(struct ctl *c);

/* ctl_may - may a process of user `uid` ask a weir-control of user `own`? */
bool ctl_may(uid_t uid, uid_t own);

/* ctl_parse - the line without its newline. Returns false for one that is no request. */
bool ctl_parse(const char *line, enum ctl_word *ret_word, bool *ret_json);

/* ctl_word_name - NULL: there is no such word. */
const char *ctl_word_name(unsigned word);

#endif
