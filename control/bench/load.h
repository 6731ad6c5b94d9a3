/* load - an open-loop HTTP client: requests are due at times that no answer changes.
 *
 * `rate` requests a second are due, evenly, over `connections` keep-alive connections. A request
 * that is due while its connection still waits is sent as soon as the answer is there, and its
 * latency counts from when it was due: a server that stalls for a second has made every request of
 * that second late, and the report says so ("coordinated omission"). --closed is what wrk and hey
 * do: the next request when the answer is there; rate 0 means as fast as that goes.
 *
 * One thread, epoll. The time stamps are CLOCK_MONOTONIC's.
 */
#ifndef CONTROL_BENCH_LOAD_H
#define CONTROL_BENCH_LOAD_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "control/bench/hdr.h"

struct load_plan {
	char host[64]; /* an address */
	uint16_t port;
	const char *target; /* "/1024" */
	double rate; /* requests a second, of all connections together; 0: as fast as they go */
	uint32_t connections;
	uint64_t duration_ns, warmup_ns; /* what the warm-up asks is in no figure */
	bool closed;
};

struct load_report {
	uint64_t due, sent, answered; /* due: asked for by the plan in the measured time */
	uint64_t failed;              /* no answer: reset, closed, refused, still open at the end */
	uint64_t bad_status;          /* answered, with 400 or more */
	uint64_t bytes;
	uint64_t elapsed_ns;
	struct hdr latency; /* ns; from due to last byte of the answer */
	struct hdr service; /* ns; from sent to last byte: what closed-loop tools tell */
};

/* load_run - INT and TERM end it early. Returns: 0; -errno, with err: nothing could be connected.
 */
int load_run(const struct load_plan *plan, struct load_report *ret, char err[256]);

/* load_json - one line: due sent answered failed bad_status bytes seconds rate, latency_ns and
 * service_ns with p50 p90 p99 p999 p9999 max mean, and the buckets of `latency`. */
void load_json(const struct load_report *r, FILE *to);

#endif
