/* pair - requests meet responses. Knows no protocol.
 *
 *     request:   begin -> (waits in its connection's queue) -> end
 *     response:  begin takes its request out of the queue  -> end -> record
 *
 * A message carries `begin`, the stream offset of its first byte, and `acked`,
 * the other direction's offset that the segment with that byte acknowledged.
 *
 *     in order   a response belongs to the oldest open request
 *     by key     to the open request with that key
 *     server gap open requests sent before the gap was acknowledged (acked below its end) close
 *                `unanswered: gap`; a response beginning at s then belongs to the first request with
 *                acked == s; responses until then are `orphan: gap`
 *     client gap requests from before the gap are answered in order as ever; once they are used up,
 *                responses are `orphan: gap` until a request with acked == s appears
 *     midstream  (the connection's start is not in the capture) the first responses may be those of
 *                requests that nobody saw: they are held until one begins at s > 0, and a request
 *                with acked == s is there, which was sent when everything before had come. If there
 *                are then as many held responses as requests before it, they are pairs; else all of
 *                them are `midstream`. Later, and wherever the offsets say so, a response that does
 *                not acknowledge its request's first byte is an orphan too. A gap, a timeout and the
 *                end of the connection end the holding
 *     either     side may ask; the requests of each have a queue of their own, and a response
 *                belongs to one of the other side's
 *     limit      beyond `open_requests` a request is remembered by number only, its response is
 *                `orphan: limit`: nothing shifts. By key the oldest that has timed out makes room
 *     timeout    a request closes `unanswered: timeout` but keeps its place: its late response is
 *                `orphan: timeout`
 *     interim    (1xx) belongs to the oldest open request and uses up nothing
 *
 * When in doubt, never guess.
 *
 * Threads: the worker. Memory: messages come from a pool over the worker's arena.
 */
#ifndef DATAPLANE_PAIR_PAIR_H
#define DATAPLANE_PAIR_PAIR_H

#include "dataplane/base/arena.h"
#include "dataplane/base/clock.h"
#include "dataplane/ledger.h"
#include "dataplane/stage.h"
#include "dataplane/reassembly/sink.h"

enum { MESSAGE_FIELDS_INLINE = 640, INTERIM_MAX = 16 };

/* What has become of a message; pair's own. */
enum message_state {
	MESSAGE_ENDED = 1 << 0,  /* pair_end() was called */
	MESSAGE_QUEUED = 1 << 1, /* a request in its connection's queue */
	MESSAGE_TOLD = 1 << 2,   /* its record is out; it only keeps its place in the queue */
	MESSAGE_DUE = 1 << 3,    /* on the list for the request timeout */
	MESSAGE_HELD = 1 << 4,   /* a response: it waits to be told whose it is */
};

/* One message from its first byte to its record. */
struct message {
	struct message *next;     /* in its connection's queue, or in the pool */
	struct message *prev;     /* in its connection's queue */
	struct message *key_next; /* in the queue's index */
	struct message *partner;  /* the request that a response answers, and the other way round */
	struct pair_queue *queue; /* its connection's */
	struct conn *conn;
	uint64_t begin, acked; /* stream offsets, see above; acked UINT64_MAX: not known */
	uint64_t key, note;
	uint64_t ts_ns, end_ts_ns; /* first and last byte */
	uint64_t frame, end_frame;
	uint64_t head_bytes, body_bytes;
	uint64_t index;                      /* of a request on its connection */
	uint64_t stream;                     /* 1 + what message_stream() said */
	uint64_t opened_ns;                  /* pipeline time, for the request timeout */
	struct message *due_prev, *due_next; /* requests in order of opening */
	struct message *unfinished_prev, *unfinished_next; /* of its connection; the host's */
	uint32_t epoch, end_epoch;                         /* of the clock */
	uint32_t flags;                                    /* FLAG_* */
	uint32_t generation; /* of the client's gaps when a request was sent */
	uint32_t fields_bytes, fields_room;
	uint32_t pair_count; /* header lines kept */
	uint32_t body_kept, body_room;
	uint32_t keep_bytes; /* of the body at least, until it ends */
	uint32_t again;      /* times a request was repeated */
	uint8_t mask[4];     /* byte i of the body is XORed with mask[i & 3] */
	uint8_t *
		fields; /* struct record_field after each other: inline_fields, or from the arena */
	uint8_t *body;  /* the first body_kept bytes; NULL: none kept */
	struct inflate_window *window; /* of message_inflate() */
	uint8_t coding[4];             /* enum coding of the body, the one applied first first */
	uint8_t codings;               /* of them; CODINGS_OTHER: not to be decoded */
	uint8_t kind;   /* enum message_kind */
	uint8_t side;   /* enum side */
	uint8_t proto;
	uint8_t state;    /* enum message_state */
	uint8_t failed;   /* the protocol says failure */
	uint8_t why;      /* why it will have no partner; WHY_none: not known yet */
	uint8_t interims; /* of a request: interim codes among its fields */
	uint8_t early;    /* of a response: began before its request ended */
	uint8_t named;    /* by message_proto() */
	_Alignas(8) uint8_t inline_fields[MESSAGE_FIELDS_INLINE];
};

/* Requests of one side of a connection; zeroed is the start. */
struct pair_queue {
	struct message *first,
		*last; /* open requests, oldest first; closed ones keep their place */
	struct message **by_key; /* an index of those with a key, once there are many */
	struct pair_queue *main; /* of the connection's client, which counts for both; NULL: this */
	uint32_t keyed;          /* of them have a key */
	uint32_t count;
	uint32_t overflow;   /* requests behind `last` remembered by number only */
	uint64_t requests;   /* so far: the next one's index */
	uint32_t generation; /* client gaps so far */
	uint32_t anchored;   /* generation whose requests are answered in order */
	bool server_loose;   /* after a server gap: the next response needs acked == s */
	bool midstream;      /* the connection's start was not captured */
	bool sure;           /* … and yet it is known which request is answered next */
	uint32_t held;       /* responses that wait for that */
	struct message *held_first, *held_last;
	bool datagrams;      /* nobody can tell whether it was */
	const struct flow *flow;
	uint64_t conn_id; /* flow_conn_id() of the flow */
};

struct emit;

struct pair_settings {
	uint32_t open_requests;
	uint32_t pool_messages; /* kept for the next ones; a flood must not hold memory for good */
	uint64_t request_timeout_ns;
	bool stop; /* --until dissect: messages go no further */
};

struct pair {
	struct emit *emit;
	struct counters *counters;
	struct arena *arena;
	struct pipeline_clock *clock;
	struct stage_timer *timer;
	struct pair_settings settings;
	struct message *pool;
	uint32_t pooled;
	struct message *due_first, *due_last;
	uint64_t open_requests, open_responses; /* the gauges */
};

void pair_init(struct pair *p, const struct pair_settings *s, struct emit *emit,
	       struct arena *arena, struct counters *counters, struct pipeline_clock *clock,
	       struct stage_timer *timer);
void pair_fini(struct pair *p);

/* pair_message - a message begins: from the pool, its header zeroed. NULL: no memory. */
struct message *pair_message(struct pair *p);

/* pair_begin - the message's kind, side, begin, acked, key, note, ts, frame, queue and conn are
 * set. A request joins its queue; a response takes its request (m->partner) or learns that it is an
 * orphan. Returns when pair_timers() wants to be called because of it, UINT64_MAX: not because of
 * it. */
uint64_t pair_begin(struct pair *p, struct message *m);

/* message_field - append a field; false: no memory, or more than `limit_bytes` of fields. */
bool message_field(struct pair *p, struct message *m, uint16_t id, struct slice name,
		   struct slice value, bool is_pair, uint32_t limit_bytes);

/* pair_known - what would pair_begin() find for a response at `begin`? Changes nothing. */
enum request_known pair_known(const struct pair *p, const struct pair_queue *q, uint64_t begin,
			      uint64_t key, uint64_t *ret_note);

/* pair_rekey - the request that a response at `begin` would answer by `key` is answered by
 * `new_key`. pair_again - a request was repeated. pair_unanswered - it closes with `why`. Each
 * returns false if there is no such request. */
bool pair_rekey(struct pair *p, struct pair_queue *q, uint64_t begin, uint64_t key,
		uint64_t new_key);
bool pair_again(struct pair_queue *q, uint64_t key);
bool pair_unanswered(struct pair *p, struct pair_queue *q, uint64_t key, enum why why);

/* pair_end - the message is complete (or as complete as it will get); `m` is pair's now. */
void pair_end(struct pair *p, struct message *m);

/* pair_gap - [offset, offset+bytes) of `side` is missing, and a head may have been in it. */
void pair_gap(struct pair *p, struct pair_queue *q, bool server_side, uint64_t offset,
	      uint64_t bytes);

/* pair_lost - a message that began at `begin` could not be kept for want of memory. What follows
 * must not shift: a lost request is remembered by number, a lost response is treated as a gap. */
void pair_lost(struct pair *p, struct pair_queue *q, enum message_kind kind, uint64_t begin);

/* pair_close - nothing follows on this connection: open requests close with `why`. */
void pair_close(struct pair *p, struct pair_queue *q, enum why why);

/* pair_timers - requests over their timeout close. Returns when to call again. */
uint64_t pair_timers(struct pair *p, uint64_t now_ns);

#endif
