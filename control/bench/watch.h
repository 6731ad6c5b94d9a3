/* watch - a capture that is running, as its ctl.sock tells of it.
 *
 * Threads: one.
 */
#ifndef CONTROL_BENCH_WATCH_H
#define CONTROL_BENCH_WATCH_H

#include <stdint.h>
#include <sys/types.h>

enum { WATCH_WORKERS_MAX = 64 };

struct watch_state {
	pid_t dataplane, control;
	double received, lost, pairs;
	uint32_t workers;
	double turn[WATCH_WORKERS_MAX]; /* how often each has come round: its heartbeat */
};

/* watch_ask - of the capture called `name`. Returns: 0 and ret; -ENOENT: nobody of that name
 * listens yet, or any more; -ETIMEDOUT: it does not answer within the time; -EPROTO. */
int watch_ask(const char *name, double seconds, struct watch_state *ret);

/* watch_parse - the answer to `status json`. Returns: 0; -EPROTO. */
int watch_parse(const char *json, struct watch_state *ret);

#endif
