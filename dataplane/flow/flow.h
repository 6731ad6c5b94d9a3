/* flow - each packet has a flow.
 *
 *     bucket (one cache line): 8 tags | 8 indices  -->  flow[index]
 *
 * One table per worker, fixed in size, made in setup. A bucket holds the tags
 * and indices of up to seven flows and a link to an overflow bucket, so finding a flow costs two
 * cache misses, one after the other: the bucket's and the flow's. flow_burst() hides both: it
 * prefetches the buckets of the whole burst, then the flows that their tags promise, before it
 * looks at the first key. What the stages behind will touch of a flow comes along.
 *
 * Life of a flow:
 *     made        by the first packet of its key
 *     half open   until both sides have been heard of (at most a quarter of the table)
 *     live        idle time 300 s, UDP 60 s
 *     closing     10 s after it ended; late packets still find it, a new SYN opens it anew
 *     released    in flow_release(), never while a burst that may point at it is under way
 *
 * A full table makes room: the half-open flow idle longest first, then a closing one, then one idle
 * for FLOW_EVICT_IDLE_NS. When none qualifies the packet is passed over and counted.
 */
#ifndef DATAPLANE_FLOW_FLOW_H
#define DATAPLANE_FLOW_FLOW_H

#include "dataplane/base/clock.h"
#include "dataplane/burst.h"
#include "dataplane/flow/path.h"
#include "dataplane/ledger.h"

#define FLOW_EVICT_IDLE_NS (10 * CLOCK_SECOND_NS)
#define FLOW_NONE          UINT32_MAX

enum { FLOW_KEPT_WORDS = 4 };

enum flow_class { FLOW_HALF_OPEN, FLOW_LIVE, FLOW_CLOSING, FLOW_UDP, FLOW_CLASSES };

/* A segment that is ahead of what could be delivered; the list is in order of offset, without
 * overlap. */
struct held {
	struct held *next;
	uint64_t offset;
	uint32_t bytes;
	uint64_t ts_ns, number, acked;
	uint32_t epoch;
	bool conflict;
	uint8_t data[];
};

/* Bits of what a direction has seen; `--format streams` prints some of them by name. */
enum direction_seen {
	SEEN_SYN = 1 << 0,    /* its SYN: the ISN is known */
	SEEN_START = 1 << 1,  /* the first offset is fixed, by SYN, acknowledgement or segment */
	SEEN_FIN = 1 << 2,    /* fin_offset is known */
	SEEN_CLOSED = 1 << 3, /* the sink's close() has been called */
	SEEN_CUT = 1 << 4,    /* packets cut by the snap length */
	SEEN_RST = 1 << 5,
	SEEN_RST_DATA = 1 << 6,
	SEEN_KEEPALIVE = 1 << 7,
	SEEN_URG = 1 << 8,
	SEEN_AFTER_FIN = 1 << 9,
	SEEN_AFTER_RST = 1 << 10,
	SEEN_BEFORE = 1 << 11, /* bytes before the start */
	SEEN_FAR = 1 << 12,    /* too far ahead to belong here */
	SEEN_TFO = 1 << 13,    /* SYN payload accepted */
	SEEN_SYNACK_DATA = 1 << 14,
	SEEN_WAITING = 1 << 15,   /* on the list of holes that wait for --gap-wait */
	SEEN_SYN_AGAIN = 1 << 16, /* SYNs with several ISNs: the peer's ACK chooses */
	SEEN_CONFLICT = 1 << 17,  /* a copy that differs came since the last delivery */
	SEEN_RESET = 1 << 18,     /* ended by an RST */
	SEEN_BY_PEER =
		1 << 19, /* started by the peer's acknowledgement, before a packet of its own */
	SEEN_EARLY = 1 << 20, /* of side A: packets of either side wait for those before them */
	SEEN_SHUNT = 1 << 21, /* `next` is in the rest of a body that is not followed */
};

enum { GAPS_REMEMBERED = 4 };

/* What few directions need: taken when first needed, given back when the connection ends. */
struct direction_extra {
	uint64_t history_from; /* offset of the oldest byte in `history` */
	uint64_t history_to;   /* one past the newest */
	uint64_t gap_from[GAPS_REMEMBERED],
		gap_to[GAPS_REMEMBERED]; /* declared last: bytes in them are late */
	uint64_t shunt_told; /* of it, the source was told to keep back what is before this; 0:
				nothing */
	uint64_t shunt_from,
		shunt_to; /* while SEEN_SHUNT: the rest of a body, which is not followed */
	uint64_t duplicate_bytes, conflict_bytes;
	uint8_t *syn; /* payload of a SYN that nothing has answered yet */
	uint32_t syn_bytes;
	uint32_t gap_next;
	uint64_t syn_ts_ns, syn_number;
	uint32_t history_bytes; /* a ring: offset modulo this */
	uint8_t history[];
};

/* One direction: what its sender sent. Offsets are stream bytes, 0 is the byte after the SYN. */
struct direction {
	/* every packet */
	_Alignas(CACHE_LINE_BYTES) uint64_t next; /* offset of the next byte to deliver */
	uint64_t acked;                           /* highest offset that the peer acknowledged */
	struct held *held;                        /* ahead of `next`, in order */
	uint32_t base_seq;                        /* sequence number of offset 0 */
	uint32_t seen;                            /* enum direction_seen */
	/* set-up and chores */
	struct held *held_last;
	struct direction_extra *extra;
	uint64_t fin_offset;
	uint32_t held_bytes;
	uint32_t held_count;
};
static_assert(sizeof(struct direction) == CACHE_LINE_BYTES, "a direction is one cache line");

/* A direction whose hole waits for --gap-wait, or a connection (its side A) whose first packets do.
 * Few do: they are in a table of their own, of which only what is used is ever touched. */
struct flow_wait {
	uint64_t since_ns;   /* pipeline time at which the peer acknowledged the end of the hole */
	uint32_t prev, next; /* list of them: flow index * 2 + side; FLOW_NONE ends it */
	/* while SEEN_EARLY: reassembly/early.h */
	struct early *early, *early_last;
	uint32_t early_count;
	bool early_syn, early_syn_ack; /* are among them */
};

/* Four cache lines. At a million flows each is a miss, so none may straddle two. */
struct flow {
	/* every packet */
	struct flow_key key;
	uint64_t seen_ns; /* pipeline time of the last packet */
	void *sink;       /* the sink's; NULL until it took something */
	struct direction direction[2];
	uint8_t class;       /* enum flow_class */
	uint8_t client;      /* enum side; who sent the SYN, or SIDE_UNKNOWN */
	uint8_t closed;      /* 1: reset, or closed on both sides; the sink has ended */
	uint8_t sides_seen;  /* bit per side that sent a packet */
	uint32_t generation; /* connections on this tuple so far, less one */
	uint64_t listed_ns;  /* when it was put at the end of its class's list */
	/* set-up and chores */
	uint64_t hash;
	uint64_t first_ts_ns; /* time stamp of the connection's first packet; with the key it makes
				 `conn` */
	uint32_t index;
	uint32_t age_prev, age_next; /* list of its class; FLOW_NONE ends it */
	uint16_t iface;
	uint8_t refused; /* the sink's: datagrams of either side that nobody knew, 4 bits each */
	uint8_t paths;   /* bit per side whose path is known: struct flow_paths has it */
	uint32_t kept[FLOW_KEPT_WORDS]; /* the sink's, in place of what `sink` would point to */
};
static_assert(sizeof(struct flow) == (size_t)4 * CACHE_LINE_BYTES, "no line is wasted");

/* flow_conn_id - the 64 bits that name the connection, the same for any number of workers. */
uint64_t flow_conn_id(const struct flow *f);

/* The tunnels around each side's packets. Beside the flows, because most have none. */
struct flow_paths {
	const struct path *side[2];
};

/* What to do with a flow that must go: declared by the worker, which knows the stages behind. */
typedef void flow_close_fn(void *context, struct flow *f, enum why why);

struct flow_settings {
	uint32_t flows;     /* size of the table */
	uint32_t half_open; /* of them half open at most */
	uint64_t timeout_ns[FLOW_CLASSES];
	uint32_t worker, workers;
	uint32_t paths;           /* different ways through tunnels that are remembered; 0: none */
	struct hash_key hash_key; /* of those */
	struct arena *arena;      /* holds those */
};

struct flow_bucket;

struct flow_table {
	/* every packet */
	struct flow *flow;
	struct flow_bucket *bucket;
	struct flow_wait *wait; /* of flow index * 2 + side; reassembly's */
	uint32_t bucket_mask;
	uint32_t count;
	struct counters *counters;
	struct pipeline_clock *clock;
	/* set-up and chores */
	struct flow_settings settings;
	struct {
		uint32_t first, last, count;
	} age[FLOW_CLASSES];
	uint32_t free_first; /* flows given back; linked through age_next */
	uint32_t never_used; /* flows from here on have never been touched: their pages are not
				there yet */
	uint32_t overflow_free, overflow_never_used, overflow_count;
	flow_close_fn *close;
	void *close_context;
	struct paths paths;
	struct flow_paths *path; /* by index of the flow */
};

/* flow_init - make the table. Memory is mapped, touched only as flows come.
 * Returns: 0, -ENOMEM, -EINVAL (a size of 0). flow_fini() accepts a zeroed table; it closes
 * nothing. */
int flow_init(struct flow_table *t, const struct flow_settings *s, struct counters *counters,
	      struct pipeline_clock *clock, flow_close_fn *close, void *close_context);
void flow_fini(struct flow_table *t);

/* flow_path - the tunnels around what `side` of a flow sends; NULL: none, or not known. */
static inline const struct path *flow_path(const struct flow_table *t, const struct flow *f,
					   enum side side)
{
	if (likely((f->paths >> side & 1) == 0))
		return NULL;
	return t->path[f->index].side[side];
}

/* flow_burst - give every packet its flow; packets without one leave the burst. Frees nothing.
 * Reads the key and hash that decode left, and the pipeline time that the worker noted. */
void flow_burst(struct flow_table *t, struct burst *b);

/* flow_release - end and free what became due: call after the burst's packets are done with. */
void flow_release(struct flow_table *t);

/* flow_classify - the flow's class has changed (handshake done, closed). */
void flow_classify(struct flow_table *t, struct flow *f, enum flow_class class);

/* flow_close_all - end every flow, in the order of their first packets' numbers, and free them. */
void flow_close_all(struct flow_table *t, enum why why);

#endif
