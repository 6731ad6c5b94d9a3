/* status - how a run is doing now, for `weir ctl status`: aligned text for people, or JSON.
 *
 *     status_init -> { status_tick, once per STATUS_TICK_NS }* ; status_text, status_json at any
 * time
 *
 * Rates are over the last one to two seconds; in the first second since the start.
 *
 * The ledger of a run that goes on is *consistent* when no balance that one process counts in one
 * place has a residual: a worker's packets, payload, requests and responses are exact in every
 * snapshot, and so is the exporter's balance between two rounds of draining. What crosses a
 * boundary (sources, records, hand-off) is counted on two sides at two times, and is judged at the
 * end only.
 */
#ifndef CONTROL_DAEMON_STATUS_H
#define CONTROL_DAEMON_STATUS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "control/daemon/books.h"
#include "dataplane/shm/settings.h"

#define STATUS_TICK_NS UINT64_C(1000000000)

struct status_sample {
	uint64_t at_ns; /* CLOCK_MONOTONIC */
	uint64_t packets, pairs;
};

struct status_rates {
	struct status_sample older, newer;
};

/* What the books do not know of a run. The pointers are borrowed. */
struct status_run {
	const struct settings *settings;
	const struct region_reader *regions;
	const char *version;
	uint32_t control_pid, dataplane_pid;
	bool restarted; /* a control before this one was killed */
};

/* status_init - with the books of the beginning. */
void status_init(struct status_rates *r, const struct books *b, uint64_t now_ns);

/* status_due - is it time for status_tick(), with fresh books? */
bool status_due(const struct status_rates *r, uint64_t now_ns);
void status_tick(struct status_rates *r, const struct books *b, uint64_t now_ns);

/* status_consistent - as said above. */
bool status_consistent(const struct books *b);

/* status_text, status_json - from books taken just now; the JSON is one line. */
void status_text(const struct status_run *run, const struct status_rates *r, const struct books *b,
		 uint64_t now_ns, FILE *to);
void status_json(const struct status_run *run, const struct status_rates *r, const struct books *b,
		 uint64_t now_ns, FILE *to);

#endif
