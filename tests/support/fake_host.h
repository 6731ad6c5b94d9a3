/* fake_host - a host for tests of one dissector: dissector.h in the simplest way that is right.
 *
 *     fake_feed(), fake_datagram(), fake_gap(), fake_close() -> dissector -> message_*() -> struct
 * message, kept
 *
 * One connection at a time. Messages stay readable after their end. Every call of the dissector
 * is held to the contract (positions inside `in`, one skip per feed(), no use of a message that has
 * ended, nothing taken beyond the input): a breach ends the test. Input ends at an unreadable page.
 *
 * Pairing is the plainest: a response answers the oldest request of the other side, with the same
 * key, that has none. After a gap nothing is known until the next request begins.
 */
#ifndef TESTS_SUPPORT_FAKE_HOST_H
#define TESTS_SUPPORT_FAKE_HOST_H

#include "dissectors/dissector.h"
#include "tests/support/guarded.h"

/* Zeroed: the client is SIDE_A, both sides captured from their start, everything wanted. */
struct fake_settings {
	size_t head_bytes;    /* gathered at most; 0: 65536 */
	bool client_unknown;  /* nobody saw the SYN */
	bool midstream;       /* of both sides */
	bool alone;           /* message_proto() says no: the protocols inside are not enabled */
	bool without_headers; /* message_wants() says no to FIELD_PAIRS */
	bool in_place;        /* input is not copied to the page: for measuring what feed() costs */
	const char *handed;   /* what conn_handed() says; NULL: nothing */
	size_t handed_bytes;  /* 0: as long as the text is */
	uint16_t port[2];     /* 0: 40000 of the client, 80 of the server */
};

struct message {
	struct conn *conn;
	struct message *next; /* of the connection, in order of message_begin() */
	enum side side;
	enum message_kind kind;
	uint64_t key, note;
	uint32_t flags; /* FLAG_* */
	bool failed, headed, ended;
	uint64_t begin, end; /* offsets in the side's stream */
	uint64_t head_bytes, body_bytes;
	uint64_t body_hash; /* of the bytes of the body */
	uint64_t stream;    /* 1 + what message_stream() said */
	uint32_t again;     /* a request: times it was repeated */
	uint8_t *kept;      /* by message_keep() */
	size_t kept_bytes, keep_bytes;
	char encoding[64];             /* by message_encoding() */
	struct inflate_window *window; /* by message_inflate() */
	uint8_t mask[4];       /* by message_mask(): body byte i is XORed with mask[i & 3] */
	struct slice told[16]; /* first values by field, copies: those below 16 */
	const struct dissector *proto; /* by message_proto(); NULL: the connection's */
	bool closed;                   /* a request: conn_request_close() */
	uint64_t number;               /* of a request on its connection, from 0 */
	bool answered;                 /* a request: a response has taken it, or it gets none */
	int64_t answers;               /* a response: number of its request, -1: orphan */
	char *fields; /* "method=GET target=/ (Host: a)", what is not printable as \xhh */
	size_t fields_bytes, fields_room;
};

struct fake_memory;

struct fake_side {
	struct guarded guarded;
	uint8_t *pending; /* not taken yet */
	size_t pending_bytes, pending_room;
	struct slice in; /* what feed() is looking at */
	uint64_t at;     /* stream offset of its first byte */
	uint64_t skip;
	struct message *skip_message;
	size_t need;
	bool feeding, skipped, waiting, waited, last, closed;
	bool whole; /* what it looks at is a datagram */
	bool cut;   /* of which the end is missing */
};

struct conn {
	const struct dissector *dissector;
	struct fake_settings settings;
	struct fake_side side[2];
	enum side client;
	void *state;
	struct fake_memory *taken; /* by conn_take() */
	size_t taken_bytes;
	struct message *first, *last;
	uint64_t requests;
	bool lost;                   /* a gap: which request comes next cannot be told */
	bool opaque;                 /* after conn_become() */
	char become[64];             /* its name; "" for NULL, "?" for "" */
	uint8_t hands[HANDED_BYTES]; /* what is handed over with it */
	size_t hands_bytes;
	uint64_t feeds; /* calls of feed() so far */
	uint64_t opaque_bytes;
};

void fake_open(struct conn *c, const struct dissector *d, const struct fake_settings *settings);
/* fake_free - after this nothing of the connection may be looked at. */
void fake_free(struct conn *c);

/* fake_feed - one segment. fake_say() the same for text. */
void fake_feed(struct conn *c, enum side side, const void *data, size_t bytes);
void fake_say(struct conn *c, enum side side, const char *text);
void fake_feed_bytewise(struct conn *c, enum side side, const void *data, size_t bytes);
/* fake_feed_both - both sides in random pieces of at most `most` bytes, each side's in order. */
void fake_feed_both(struct conn *c, struct slice a, struct slice b, size_t most, uint64_t *seed);

/* fake_datagram - one datagram; fake_datagram_cut() one whose end the snap length has cut off. */
void fake_datagram(struct conn *c, enum side side, const void *data, size_t bytes);
void fake_datagram_cut(struct conn *c, enum side side, const void *data, size_t bytes);

/* fake_gap - `bytes` of a side were sent and never seen. */
void fake_gap(struct conn *c, enum side side, uint64_t bytes);
/* fake_wait_over - who waits for its peer has waited long enough. */
void fake_wait_over(struct conn *c);
/* fake_close - nothing follows on this side. fake_close_both() ends the connection. */
void fake_close(struct conn *c, enum side side);
void fake_close_both(struct conn *c);

/* fake_message - the n-th message of a side, from 0, in the order of their beginnings; NULL: no
 * such. */
struct message *fake_message(const struct conn *c, enum side side, uint32_t n);
uint32_t fake_count(const struct conn *c, enum side side);

/* fake_text - all messages, side by side, one line each. Two ways of cutting the same bytes
 * must give the same text. Memory: the caller's, free(). */
char *fake_text(const struct conn *c);

/* fake_random - the next number of a sequence that `seed` names. */
uint64_t fake_random(uint64_t *seed);

#endif
