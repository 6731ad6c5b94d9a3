/* sink - where reassembly ends: the bytes of each direction, in order.
 *
 *     dissect  finds messages            (dissect/host.h; the normal case)
 *     digest   hashes them               (digest.h; --format streams)
 *     count    counts them               (count.h; --until reassembly)
 *
 * Per direction the calls are: any mix of deliver and gap, offsets rising
 * without overlap or hole, then one close; after both closes one end.
 * `offset` counts stream bytes from 0 at the direction's start; bytes that a gap covers are counted
 * too.
 *
 * Datagrams are not put in order: each is passed on whole as it comes. Of a flow whose datagrams
 * made the sink take something, both directions close and it ends when the flow's time is over.
 *
 * Threads: the worker that owns the flow.
 * Memory:  `bytes` and `from` are borrowed for the call. `flow->sink` belongs to the sink: it may
 *          take what it needs at the first deliver and must give it back in end(). So do the words
 * of `flow->kept`, zero at the start.
 */
#ifndef DATAPLANE_REASSEMBLY_SINK_H
#define DATAPLANE_REASSEMBLY_SINK_H

#include <stdbool.h>
#include <stdint.h>

#include "dissectors/dissector.h"

struct flow;

/* The packet that carried some bytes. */
struct segment {
	uint64_t ts_ns;
	uint64_t number; /* of the packet, as in struct packet */
	uint64_t acked;  /* offset in the other direction that it acknowledged */
	uint32_t epoch;  /* of the pipeline clock */
	bool conflict;   /* the bytes met another copy that differs */
};

struct sink {
	void *context;
	void (*deliver)(void *context, struct flow *f, enum side side, uint64_t offset,
			struct slice bytes, const struct segment *from);
	/* gap - [offset, offset+bytes) is missing for good. `cut`: the snap length cut packets of
	 * this side. */
	void (*gap)(void *context, struct flow *f, enum side side, uint64_t offset, uint64_t bytes,
		    bool cut);
	/* datagram - one, whole but for what the snap length cut off (`cut`). `offset`: bytes of
	 * datagrams that this side sent before. NULL: the sink does not look at them. */
	void (*datagram)(void *context, struct flow *f, enum side side, uint64_t offset,
			 struct slice bytes, bool cut, const struct segment *from);
	/* unfollowed - the sink is in the middle of something of which only the length matters: the
	 * offset where that ends; 0: it is not. Asked after a delivery, with --shunt. NULL: never.
	 */
	uint64_t (*unfollowed)(void *context, struct flow *f, enum side side);
	/* skip - [offset, offset+bytes) of that went by, seen or not. `from`: the newest packet of
	 * it; NULL: only what the peer said tells of them. */
	void (*skip)(void *context, struct flow *f, enum side side, uint64_t offset, uint64_t bytes,
		     const struct segment *from);
	void (*close)(void *context, struct flow *f, enum side side, enum why why);
	void (*end)(void *context, struct flow *f);
	/* forget - the flow is freed or opened anew: late packets of the connection can no longer
	 * come. NULL: nothing to do. Only a sink with forget() may keep flow->sink after end(). */
	void (*forget)(void *context, struct flow *f);
	/* compare - how many of `bytes` differ from what the sink still keeps of them; NULL: it
	 * keeps nothing. */
	uint64_t (*compare)(void *context, const struct flow *f, enum side side, uint64_t offset,
			    struct slice bytes);
	/* timers - run what is due at `now_ns` of the pipeline clock; returns when it wants to be
	 * called next, UINT64_MAX for never. A sink that wants to be called earlier than it said
	 * lowers *due_ns, which reassembly sets in init. */
	uint64_t (*timers)(void *context, uint64_t now_ns);
	uint64_t **due_ns;
};

#endif
