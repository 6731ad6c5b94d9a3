/* conn - one connection as the host sees it. The host's own: dissectors know `struct conn`
 * by name only, and no other stage includes this.
 *
 *     undecided --(identify)--> spoken by a dissector --(become)--> another | opaque
 *         ^                                  |
 *         +-----(become what is found)-------+
 */
#ifndef DATAPLANE_DISSECT_CONN_H
#define DATAPLANE_DISSECT_CONN_H

#include <netinet/in.h>

#include "dataplane/dissect/host.h"
#include "dataplane/flow/flow.h"

enum conn_phase { CONN_UNDECIDED, CONN_SPOKEN, CONN_OPAQUE };

/* From `offset` on, gathered bytes came with this packet. */
struct mark {
	uint64_t offset;
	struct segment segment;
};
enum { MARKS = 64 };

/* Bytes of a side that could not be taken when they came. */
struct gathered {
	uint8_t *at;
	uint32_t bytes, room;
	uint32_t mark_count;
	/* When they run out, the last one stands for all that follow, and its `acked` is UINT64_MAX. */
	struct mark mark[MARKS];
};

struct conn_side {
	/* every segment */
	uint64_t skip; /* body bytes still to come; UINT64_MAX: until the side ends */
	struct message *skip_message; /* whose body they are */
	uint64_t at;                  /* stream offset of the first byte not yet taken */
	struct gathered *gathered;    /* NULL: nothing */
	uint32_t need;                /* bytes wanted before feed() is called again */
	bool waiting;                 /* for the peer, on the host's list */
	bool waited;                  /* the wait is over: this feed() decides */
	bool last;                    /* nothing can follow what is there now */
	bool anew;                    /* who reads this side has changed: offer what is gathered */
	bool opaque;
	bool cut; /* a gap here, or the end of a datagram, was made by the snap length */
	bool midstream;
	bool closing;           /* reassembly has closed it; it still waits for its peer */
	bool closed;            /* for the dissector too */
	uint8_t side;           /* its own index */
	uint8_t segments;       /* seen while undecided */
	uint8_t tries;          /* times an undecided midstream side was looked at afresh */
	struct slice in;        /* what feed() is looking at */
	struct segment segment; /* of the newest byte */
	uint64_t candidates;    /* dissectors still possible while undecided */
	bool refused;           /* no dissector wants it */
	/* waiting */
	bool listed;            /* among those whose wait has an end */
	uint64_t wait_since_ns; /* while it is listed */
	struct conn_side *wait_prev, *wait_next;
};

struct conn {
	/* every segment */
	struct host *host;
	struct flow *flow;
	const struct dissector *dissector; /* NULL unless spoken */
	void *state;
	uint8_t phase; /* enum conn_phase */
	uint8_t proto;
	uint8_t client; /* enum side */
	uint8_t why;    /* of the last close */
	struct message *unfinished;
	struct conn_side side[2];
	struct pair_queue queue;    /* of the client's requests */
	struct pair_queue *reverse; /* of the server's; NULL until it asks */
	/* chores */
	struct memory *memory; /* of conn_take() */
	struct memory *handed; /* by who spoke it before … */
	struct memory *hands;  /* … and to who will speak it next */
	uint32_t memory_bytes;
	uint32_t becomes; /* conn_become() asked for this dissector … */
	bool becomes_now; /* … and it has not happened yet */
	bool anew;        /* it is to be identified again, and has not been looked at yet */
	uint32_t changes; /* of protocol so far */
};

/* A block of conn_take(). */
struct memory {
	struct memory *prev, *next;
	size_t bytes;
	_Alignas(16) uint8_t data[];
};

static inline struct conn *conn_of(struct conn_side *s)
{
	return container_of(s - s->side, struct conn, side[0]);
}

static inline bool conn_is_datagrams(const struct conn *c)
{
	return c->flow->key.protocol != IPPROTO_TCP;
}

/* conn_segment_at - the packet that carried the byte at `offset` of this side. */
const struct segment *conn_segment_at(const struct conn_side *s, uint64_t offset);

/* conn_offset_of - stream offset of `at`, which points into the slice feed() is looking at. */
static inline uint64_t conn_offset_of(const struct conn_side *s, const uint8_t *at)
{
	return s->at + (uint64_t)(at - s->in.at);
}

/* conn_queue - of the requests that `side` asks; NULL: there is none, and with `make` no memory for
 * one. */
struct pair_queue *conn_queue(struct conn *c, enum side side, bool make);

/* conn_finish_messages - end every message still open; of one side, or of both (SIDE_UNKNOWN). */
void conn_finish_messages(struct conn *c, enum side side);

/* conn_flag_messages - flag what is open on a side. */
void conn_flag_messages(struct conn *c, enum side side, enum flag flag);

/* message_skipped - bytes of the body of `m` went by; at is NULL where they are in a gap. */
void message_skipped(struct conn *c, struct message *m, struct slice bytes);

#endif
