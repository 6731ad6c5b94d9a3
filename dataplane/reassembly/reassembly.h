/* reassembly - bytes in order.
 *
 *     deliver   a segment at `next` goes to the sink at once, in place; anything
 *               ahead is copied and held, under caps per direction and worker
 *     overlap   first copy wins; a byte that differs from a copy still kept is
 *               counted as conflict (held bytes, and the last `history_bytes` delivered)
 *     gap       [a,b) is declared when the peer has acknowledged b and gap_wait
 *               has passed since, when a cap is hit, or when the direction ends
 *     shunt     with --shunt, the rest of a body whose length is known is not followed: what comes
 *               of it is counted, what does not is no gap, and nothing of it is held
 *     start     by SYN; else at the peer's acknowledgement if one was seen; else at the first
 *               segment. Bytes before it are late. Where packets come by two ways (starts_late),
 *               both SYNs are waited for as a hole is: early.h
 *     end       FIN, or an RST at exactly the next sequence number (RFC 5961 3.2);
 *               payload of a RST is no stream data (RFC 9293 3.5.3); SYN payload counts
 *               if the SYN/ACK covers it (RFC 7413); a SYN with another ISN on a flow
 *               that carried data or closed opens a new connection on the tuple, unless it was
 *               captured before that one's first packet (and, where all packets come by one way,
 *               that one's own SYN has not been seen: else the clock was set back a little)
 *
 * UDP: a datagram is given to the sink as it comes; nothing is held, nothing is missing.
 *
 * Sequence numbers become 64-bit offsets by their signed distance from `next`,
 * so wrap-around is no case of its own.
 *
 * Threads: the worker. Memory: held segments come from the worker's arena.
 * Cost: in order, nothing is allocated or copied and one flow is touched.
 */
#ifndef DATAPLANE_REASSEMBLY_REASSEMBLY_H
#define DATAPLANE_REASSEMBLY_REASSEMBLY_H

#include "dataplane/base/arena.h"
#include "dataplane/flow/flow.h"
#include "dataplane/reassembly/sink.h"

struct reassembly_settings {
	uint64_t gap_wait_ns;
	uint32_t held_bytes;        /* per direction */
	uint32_t held_segments;     /* per direction */
	uint64_t held_worker_bytes; /* all directions of this worker */
	uint32_t history_bytes;     /* 0: none */
	bool shunts;                /* ask the sink what need not be followed */
	bool starts_late;           /* the first packets may come behind later ones */
};

/* Sequence numbers [first, end) of a direction are of no use to anybody; equal: all are again. */
typedef void reassembly_shunt_fn(void *context, const struct flow *f, enum side side,
				 uint32_t first, uint32_t end);

struct reassembly {
	/* every packet */
	struct sink sink;
	struct counters *counters;
	struct pipeline_clock *clock;
	uint64_t due_ns;     /* earliest timer; UINT64_MAX: none */
	uint64_t certain_ns; /* timers run no further than to here: packets from before may still be
				under way. UINT64_MAX: none are */
	/* set-up and chores */
	struct flow_table *flows;
	struct arena *arena;
	struct reassembly_settings settings;
	reassembly_shunt_fn *shunt; /* who could keep back what is not followed; NULL: nobody */
	void *shunt_context;
	uint64_t held_bytes; /* the gauge `held`: held segments, early ones, and SYN payload not yet
				decided on */
	uint32_t early_count;           /* packets that wait for those before them */
	uint32_t wait_first, wait_last; /* directions with an acknowledged hole, oldest first: flow
					   index * 2 + side */
};

void reassembly_init(struct reassembly *r, const struct reassembly_settings *s,
		     struct flow_table *flows, struct arena *arena, struct counters *counters,
		     struct pipeline_clock *clock, struct sink sink);

/* reassembly_packet - take one packet that has a flow. Runs timers that are due first. */
void reassembly_packet(struct reassembly *r, const struct packet *p);

/* reassembly_timers - run what is due by the pipeline clock. */
void reassembly_timers(struct reassembly *r);

/* reassembly_close - the flow ends: holes become gaps, what is held is delivered (or, evicted,
 * discarded), both directions close, the sink's end() is called. A flow_close_fn. */
void reassembly_close(void *reassembly, struct flow *f, enum why why);

#endif
