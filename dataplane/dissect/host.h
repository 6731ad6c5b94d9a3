/* host - what dissectors run in: bytes become messages.
 *
 *     sink.deliver -> identify -> [gather] -> dissector.feed() -> message_*() -> pair
 *
 * A connection (`struct conn`) is made at its first delivered byte. Until the
 * protocol is known its first bytes are kept (identify.h); then each in-order
 * segment is offered to the dissector in place. Only bytes that it does not
 * take are gathered.
 *
 * A datagram is offered once, in place. A flow gets a connection when one of its first datagrams is
 * known; what nobody knows is counted and costs no memory.
 *
 * Skipped bytes (bodies) are counted without being looked at, across segments and gaps.
 *
 * Threads: the worker. Memory: connections and messages from the worker's arena.
 */
#ifndef DATAPLANE_DISSECT_HOST_H
#define DATAPLANE_DISSECT_HOST_H

#include "dataplane/base/arena.h"
#include "dataplane/dissect/identify.h"
#include "dataplane/pair/pair.h"
#include "dataplane/reassembly/sink.h"

struct host_settings {
	uint64_t gap_wait_ns;
	uint32_t head_bytes;
	uint32_t head_fields;
	uint32_t body_limit_bytes;
	bool decode_bodies;
	uint64_t shunt_bytes;       /* of a body that are followed, where reassembly shunts */
	uint32_t conn_memory_bytes; /* conn_take() of one connection, at most */
	uint32_t conns_awake;       /* with more of them, those with nothing under way rest */
	uint32_t spare_conns;       /* of those, as many are kept for the next to wake */
	uint32_t headers;           /* enum headers_mode */
	const char *header_names;   /* as in struct settings */
};

/* Blocks of one size, the one used last first; each begins with a pointer to the next. */
struct spare {
	void *first;
	uint32_t count;
};

struct host {
	/* every segment */
	struct pair *pair;
	struct counters *counters;
	struct pipeline_clock *clock;
	const struct identify *identify;
	struct arena *arena;
	struct stage_timer *timer;
	uint64_t *due_ns; /* reassembly's: when timers() is wanted */
	struct host_settings settings;
	/* sides that wait for their peer, in order of time */
	struct conn_side *wait_first, *wait_last;
	/* connections that are awake, and what is kept for those that wake next (rest.h) */
	uint32_t conns;
	struct spare spare_conns, spare_states[DISSECTORS_MAX];
};

void host_init(struct host *h, const struct host_settings *s, const struct identify *identify,
	       struct pair *pair, struct arena *arena, struct counters *counters,
	       struct pipeline_clock *clock, struct stage_timer *timer);

void host_fini(struct host *h);

/* host_sink - the sink to give to reassembly. */
struct sink host_sink(struct host *h);

#endif
