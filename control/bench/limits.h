/* limits - what `weir bench gates` judges by, and the loads under which it does: an INI file.
 *
 *     [limits]
 *     scenario = Medium          where CPU time and added latency are judged
 *     cpu_percent = 5            below: of all cores together, both daemons
 *     memory_mb = 100            below: Pss of all processes of the capture, in 10^6 bytes
 *     events_per_second = 10000  above: pairs matched
 *     added_latency_ms = 1       below: the client's median with the capture, less that without
 *     error_percent = 1          below: requests without a good answer
 *     leak_mb = 10               below: growth of Pss, once a load has gone on for a while
 *     leak_events = 10000        in which so many pairs or more are matched
 *     heartbeat_percent = 99.9   at least: seconds in which every worker came round
 *
 *     [scenario Medium]
 *     requests_per_second = 200
 *     connections = 10
 *     seconds = 60
 *
 * What a file does not say is preset. A file that has scenarios has those and no others.
 */
#ifndef CONTROL_BENCH_LIMITS_H
#define CONTROL_BENCH_LIMITS_H

#include <stdint.h>
#include <stdio.h>

enum { LIMITS_SCENARIOS_MAX = 16, LIMITS_NAME_BYTES = 32, LIMITS_ERROR_BYTES = 512 };

struct scenario {
	char name[LIMITS_NAME_BYTES]; /* letters, digits, _ and -; it is in names of files */
	double rate;                  /* requests a second */
	double connections, seconds;
};

struct limits {
	char scenario[LIMITS_NAME_BYTES];
	double cpu_percent, memory_mb, events_per_second, added_latency_ms, error_percent, leak_mb,
		leak_events, heartbeat_percent;
	struct scenario list[LIMITS_SCENARIOS_MAX];
	uint32_t scenarios;
};

/* limits_preset - those of the eBPF HTTP tracer. */
void limits_preset(struct limits *ret);

/* limits_read - `name` is what the file is called in err. Returns: 0 and *ret; -EINVAL and err:
 * what is wrong in which line; *ret is unspecified then. */
int limits_read(FILE *from, const char *name, struct limits *ret, char err[LIMITS_ERROR_BYTES]);

/* limits_print - as limits_read() reads it back. */
void limits_print(const struct limits *l, FILE *to);

/* limits_scenario - by name; NULL: there is none. */
const struct scenario *limits_scenario(const struct limits *l, const char *name);

#endif
