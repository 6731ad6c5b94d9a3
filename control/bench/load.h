/* load - an open-loop HTTP client: requests are due at times that no answer changes.
 *
 * `rate` requests a second are due, evenly, over `connections` keep-alive connections: request n is
 * connection (n mod connections)'s. A request that is due while its connection still waits is sent
 * as soon as the answer is there, and its latency counts from when it was due: a server that stalls
 * for a second has made every request of that second late, and the report says so ("coordinated
 * omission"). --closed is what wrk and hey do: the next request when the answer is there, and a
 * rate only keeps them apart. Rate 0 is closed, as fast as that goes.
 *
 *     |-- warm-up --|---------- duration ----------|-- LOAD_GRACE_NS --|
 *     |  in no      |  what is due here is         |  nothing is due;  |  what is still open
 *     |  figure     |  measured                    |  the rest is sent |  has failed
 *
 * A connection that ends is made anew when its next request is due. No request is ever repeated,
 * and none is given up before the end.
 *
 * The generator judges itself: `lateness` is how long after it could have gone a request went, and
 * `busy` how much of the time the generator had no rest. load_kept_up() is whether the other
 * figures are the server's or the generator's.
 *
 * One thread, asleep until something is due or comes. The time stamps are CLOCK_MONOTONIC's.
 */
#ifndef CONTROL_BENCH_LOAD_H
#define CONTROL_BENCH_LOAD_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "control/bench/hdr.h"

#define LOAD_GRACE_NS        UINT64_C(2000000000)
#define LOAD_LATE_NS         UINT64_C(1000000) /* p99 of lateness: more is a generator that is late */
#define LOAD_BUSY            0.95
#define LOAD_RATE_MAX        10e6
#define LOAD_CONNECTIONS_MAX 20000

enum { LOAD_ERROR_BYTES = 256, LOAD_REQUEST_BYTES = 4096 };

struct load_plan {
	char host[64]; /* an address, or a name */
	uint16_t port;
	const char *target; /* "/1024" */
	double rate; /* requests a second, of all connections together; 0: as fast as they go */
	uint32_t connections;
	uint64_t duration_ns, warmup_ns; /* what the warm-up asks is in no figure */
	bool closed;
};

/* Why a request has no answer. */
enum load_failure {
	LOAD_REFUSED,     /* nobody listens */
	LOAD_UNREACHABLE, /* no way there, or no local port left */
	LOAD_RESET,
	LOAD_CLOSED,     /* before the end of the answer */
	LOAD_BAD_ANSWER, /* what came is not HTTP */
	LOAD_UNFINISHED, /* still open at the end */
	LOAD_UNSENT,     /* its connection was never free */
	LOAD_OTHER,
	LOAD_FAILURES,
};

const char *load_failure_name(enum load_failure f); /* "refused", "bad_answer", … */

struct load_report {
	uint64_t due, sent, answered; /* due: asked for by the plan in the measured time */
	uint64_t failed;              /* no answer; the sum of failure[] */
	uint64_t failure[LOAD_FAILURES];
	uint64_t bad_status; /* answered, with 400 or more */
	uint64_t bytes;      /* of answers */
	uint64_t in_time;    /* answers that came in the measured time: what the rate is of */
	uint64_t connects;   /* connections made, the first ones included */
	uint64_t elapsed_ns;
	double asked; /* the plan's rate */
	bool interrupted;
	double busy;        /* share of the time in which the generator ran, or waited for a core */
	struct hdr latency; /* ns; from due to last byte of the answer */
	struct hdr service; /* ns; from sent to last byte: what closed-loop tools tell */
	struct hdr lateness; /* ns; from when it was due and its connection free, to sent */
};

/* load_url - "http://HOST[:PORT][/TARGET]" into host, port and target. Memory: the target is the
 * text's. Returns: 0; -EINVAL: none, or with blanks or control characters; -EPROTONOSUPPORT: https.
 */
int load_url(const char *text, struct load_plan *plan);

/* load_request - the request as it is sent. Returns: its length. */
size_t load_request(const struct load_plan *plan, char ret[LOAD_REQUEST_BYTES]);

/* load_run - INT and TERM end it early; what was measured until then is told.
 * Returns: 0; -errno, with err: nothing could be connected. */
int load_run(const struct load_plan *plan, struct load_report *ret, char err[LOAD_ERROR_BYTES]);

/* ---- what came of it ---- */

double load_rate(const struct load_report *r); /* answers a second */

/* load_kept_up - false: the generator was the bottleneck, or late by itself. */
bool load_kept_up(const struct load_report *r);

/* load_text - for a terminal. */
void load_text(const struct load_report *r, FILE *to);

/* load_json - one line: due sent answered failed bad_status bytes in_time connects seconds rate
 * asked busy kept_up interrupted, failures by name; latency_ns, service_ns and lateness_ns with min
 * p50 p90 p95 p99 p999 p9999 max mean, and `buckets`: [largest value of the bucket, count]. */
void load_json(const struct load_report *r, FILE *to);

/* load_parse - what load_json() wrote. Quantiles are the same; mean and least of a histogram are
 * those of its buckets. Returns: 0; -EINVAL: it is not. */
int load_parse(const char *json, struct load_report *ret);

#endif
