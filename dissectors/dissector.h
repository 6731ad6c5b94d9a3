/* dissector - what a protocol provides, and what it is promised.
 *
 *     bytes of one side, in order            the host (dataplane/dissect)
 *        feed(conn, side, bytes)  ---------->  message_begin / field / end
 *        gap(conn, side, bytes)                conn_skip / conn_need / conn_wait_peer
 *        close(conn, side, why)                conn_request_note / conn_become
 *     each datagram                         the same but need, skip and wait
 *        take(conn, side, datagram)
 *
 * A dissector turns the bytes of a connection into messages. It has no threads,
 * no I/O and no allocation of its own; everything it keeps lives in the
 * `conn_bytes` that the host zeroes when the connection is given to it. Input
 * comes from the network and may be anything: every length, depth and count in
 * it is the peer's claim. There is no error to return: a dissector that can no
 * longer follow says so with conn_become(c, NULL).
 *
 * The host's promises
 *   - feed() gets the bytes of a side in order, each byte once unless feed()
 *     did not take it. `in` is borrowed for the call.
 *   - What feed() does not take is gathered (copied) up to the head limit and
 *     offered again, together with what follows, when at least one more byte
 *     (or what conn_need() asked for) is there, when the peer moved and
 *     conn_wait_peer() had been called, or when nothing can follow.
 *   - A gap never shows up inside `in`. A gap inside skipped bytes is flagged
 *     `gap_in_body` on their message and is not the dissector's business.
 *   - After close() of both sides nothing is called any more; messages still
 *     open are ended by the host.
 *
 * A protocol may be spoken in datagrams too, or only: see struct over_datagrams.
 *
 * Cost: feed() must be linear in the bytes over the life of a connection. Who
 *       searches for an end (of a line, say) remembers how far he has searched:
 *       the same bytes are offered again with every byte that comes.
 *
 * Threads: a connection belongs to one worker; no call may look beyond its `conn`.
 */
#ifndef DISSECTORS_DISSECTOR_H
#define DISSECTORS_DISSECTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/shm/words.h"
#include "dissectors/cursor.h"

/* The two endpoints of a connection, in the fixed order of its key. Neither is the client
 * by being first: ask conn_client(). */
enum side { SIDE_A, SIDE_B, SIDE_UNKNOWN };

static inline enum side side_other(enum side s)
{
	return s == SIDE_A ? SIDE_B : SIDE_A;
}

struct conn;    /* a connection, as the host knows it */
struct message; /* one message being put together; ended by message_end(), then gone */

enum message_kind { MESSAGE_REQUEST, MESSAGE_RESPONSE, MESSAGE_INTERIM, MESSAGE_ONEWAY };

struct message_open {
	enum message_kind kind;
	uint64_t key;  /* 0: answered in order; else the response with the same key answers it */
	uint64_t note; /* of a request: what whoever reads the response must know (HEAD, API key) */
};

/* ---- fields ---- */

/* Every protocol speaks these; a protocol's own fields follow from FIELD_OWN on. */
enum field_id {
	FIELD_METHOD, /* request: text */
	FIELD_TARGET, /* request: text */
	FIELD_CODE,   /* response: text */
	FIELD_VERSION,
	FIELD_BODY,    /* put in by conn_skip(), not by dissectors */
	FIELD_INTERIM, /* put in by pairing: codes of interim responses, see struct dissector */
	FIELD_DECODED, /* put in at the end: bytes of the body as it was decoded */
	FIELD_OWN = 8,
};

enum field_kind {
	FIELD_TEXT,   /* bytes, usually UTF-8 */
	FIELD_NUMBER, /* 64 bits; written as a JSON number up to 2^53, else as a string */
	FIELD_LIST,   /* several texts under one name */
	FIELD_PAIRS,  /* several (name, value), in order, with repeats */
};

/* One of a protocol's own fields. Its id is FIELD_OWN plus its index in the table, and
 * the table's order is the order in the output. */
struct field {
	const char *name;
	enum field_kind kind;
	const char *meaning; /* one line for `weir dissectors` */
};

/* ---- what a protocol provides ---- */

enum guess { GUESS_NO, GUESS_MAYBE, GUESS_YES, GUESS_MORE };

/* A regular expression (PCRE as Hyperscan reads it, anchored where `^` says so) over the first 64
 * bytes of a side: a match makes the dissector a candidate whose probe() is asked. */
struct pattern {
	const char *regex;
	unsigned hs_flags; /* 0, or HS_FLAG_* values such as 1 for caseless */
};

enum resync {
	RESYNC_SEARCH, /* feed() goes on; it may drop bytes until a message begins */
	RESYNC_OPAQUE, /* the rest of this side is only counted */
};

/* over_datagrams - how a protocol is read over UDP.
 *
 * Each datagram is shown once and whole: there is no order, no gap, nothing is gathered. Addresses
 * and ports that speak to each other are a connection until nothing has come for the UDP time-out;
 * then close() is called for both sides. Its client is the side whose first message is begun as a
 * request. Answers belong to requests by key.
 */
struct over_datagrams {
	const struct pattern *patterns; /* over the first 64 bytes of a datagram */
	uint32_t pattern_count;

	/* probe - is this one of this protocol's datagrams? Shown is its beginning, at most 256
	 * bytes. GUESS_MORE is a maybe. The first two of each side are asked about. */
	enum guess (*probe)(struct slice first, uint16_t port_hint);

	/* take - read one. Returns how many of its bytes are done with; the rest is counted as
	 * opaque. conn_is_cut() says that the snap length has shortened it. conn_need(),
	 * conn_skip() and conn_wait_peer() have no meaning here; conn_full() is true. */
	size_t (*take)(struct conn *c, enum side side, struct slice datagram);
};

struct dissector {
	const char *name;  /* as in --dissectors and file names; lower case */
	const char *proto; /* as in records */
	const char *title;
	const struct field *fields;
	uint32_t field_count;
	uint16_t interim_field; /* list that takes the codes of interim responses; 0: none */
	uint16_t again_field;   /* number that takes how often a request was repeated; 0: none */
	uint32_t conn_bytes;    /* state of one connection, both sides, zeroed */
	const struct pattern *patterns;
	uint32_t pattern_count;

	/* probe - is this the beginning of one side of this protocol?
	 * `first` is what the side has sent so far, at most 256 bytes. Ports are a hint, never
	 * proof. NULL: spoken only where conn_become() says so.
	 */
	enum guess (*probe)(struct slice first, uint16_t port_hint);

	/* feed - read on. Returns how many bytes of `in` are done with. `in.bytes` may be 0: after
	 * the last skipped byte feed() is always called once, so that a message can be ended there.
	 * NULL: not spoken over TCP; then probe, patterns and gap have nothing to say.
	 */
	size_t (*feed)(struct conn *c, enum side side, struct slice in);

	/* gap - `bytes` are missing before whatever feed() sees next. UINT64_MAX: unknown how many.
	 */
	enum resync (*gap)(struct conn *c, enum side side, uint64_t bytes);

	/* close - nothing follows on this side. What was gathered has been offered before. May be
	 * NULL. */
	void (*close)(struct conn *c, enum side side, enum why why);

	/* fini - what conn_take() does not free with the connection is to be let go now: called
	 * once, when the connection ends or speaks something else. No message may be touched. May
	 * be NULL. */
	void (*fini)(struct conn *c);

	/* rest, wake - on a connection where no message is open, no request unanswered and no byte
	 * left over: what of its state must be known when it goes on, in 32 bits, and that put back
	 * into zeroed state. rest() says false if close() would still have something to do, or if
	 * 32 bits do not do. NULL, both: its state is kept. */
	bool (*rest)(const void *state, uint32_t *ret);
	void (*wake)(void *state, uint32_t kept);

	const struct over_datagrams *datagrams; /* NULL: not spoken over UDP */
};

/* ---- what the host offers ---- */

/* conn_state - the dissector's own `conn_bytes` of this connection. */
void *conn_state(struct conn *c);

/* conn_client - which side is the client: the sender of the SYN, else whoever sent the first
 * message that was begun as a request; SIDE_UNKNOWN until then. */
enum side conn_client(const struct conn *c);

/* conn_client_is - the protocol itself says who the client is (only a server sends this): holds where nothing has said it
 * before. */
void conn_client_is(struct conn *c, enum side side);

/* conn_is_midstream - true if the side's first bytes were not its first bytes on the wire. */
bool conn_is_midstream(const struct conn *c, enum side side);

/* conn_is_cut - true in take() if the snap length has cut bytes off the datagram's end. Messages
 * begun in it are flagged `cut_capture`. */
bool conn_is_cut(const struct conn *c, enum side side);

/* conn_port - of a side, host order. */
uint16_t conn_port(const struct conn *c, enum side side);

/* conn_need - do not call feed() for this side before `bytes` are there (counted from the
 * first byte not taken). More than the head limit is cut to it. Holds for the next call only. */
void conn_need(struct conn *c, enum side side, size_t bytes);

/* conn_full - true while feed() sees as much as will ever be gathered, or when nothing can
 * follow: what it does not take now, it will never see whole. */
bool conn_full(const struct conn *c, enum side side);

/* conn_skip - after what this feed() takes, the next `bytes` are body of `m` (NULL: of nothing):
 * counted, kept up to --body-limit, not shown. UINT64_MAX: until the side ends. Once per feed(). */
void conn_skip(struct conn *c, enum side side, uint64_t bytes, struct message *m);

/* conn_wait_peer - offer the bytes not taken again only when the other side has moved or
 * --gap-wait is over. conn_waited() is true in the call that comes because it is over. */
void conn_wait_peer(struct conn *c, enum side side);
bool conn_waited(const struct conn *c, enum side side);

/* conn_take - zeroed memory that lives until the connection ends or speaks something else; NULL
 * over the connection's cap. conn_give() gives it back earlier (NULL: nothing); conn_resize() moves
 * it, what is new is not zeroed, and NULL leaves the old as it was. Enough for a library that wants
 * an allocator. */
void *conn_take(struct conn *c, size_t bytes);
void conn_give(struct conn *c, void *memory);
void *conn_resize(struct conn *c, void *memory, size_t bytes);

/* conn_become - from here on the connection speaks `name`, both sides, each from its first byte not
 * yet taken. WHAT_IS_FOUND: nobody knows yet what (in a tunnel, say); what follows is identified
 * like a new connection. NULL, or a name nobody registered: nobody reads the rest, which is counted
 * as opaque. Messages open stay open until both sides close unless they were ended. */
#define WHAT_IS_FOUND ""
void conn_become(struct conn *c, const char *name);

/* conn_become_with - the same, and the new dissector finds `note` in conn_handed(): what was
 * negotiated, say. At most HANDED_BYTES; a longer one is handed over as an empty one. */
enum { HANDED_BYTES = 1024 };
void conn_become_with(struct conn *c, const char *name, struct slice note);
struct slice conn_handed(const struct conn *c);

/* What is known of the request that a response beginning at `at` would answer. */
enum request_known {
	REQUEST_NONE,  /* none is open: it may only be late, conn_wait_peer() is sensible */
	REQUEST_FOUND, /* *ret_note is its note */
	REQUEST_LOST,  /* cannot be told any more (after a gap, over a limit): waiting does not help
			*/
};

/* conn_request_note - ask for that request. `key` as in message_open; changes nothing.
 * `at` points into the `in` of the feed() going on. */
enum request_known conn_request_note(struct conn *c, enum side side, const uint8_t *at,
				     uint64_t key, uint64_t *ret_note);

/* conn_request_key - the request that a response of `side` beginning at `at` would answer (by
 * `key`, as above) is from now on answered by `new_key`: its answer comes from another dissector,
 * or out of order. Returns false if there is no such request. */
bool conn_request_key(struct conn *c, enum side side, const uint8_t *at, uint64_t key,
		      uint64_t new_key);

/* conn_request_again - `side` has sent its open request with this key once more: it is counted
 * in the dissector's again_field, and is no request of its own. Returns false if no such request is
 * open. */
bool conn_request_again(struct conn *c, enum side side, uint64_t key);

/* conn_request_close - the open request of `side` with this key will not be answered (a stream was
 * reset, a channel closed): its record says so with `why`. Returns false if there is no such
 * request. */
bool conn_request_close(struct conn *c, enum side side, uint64_t key, enum why why);

/* message_begin - a message starts at `at`, which points into the `in` of the feed() going on.
 *
 * A response takes its request out of the queue here; an interim response does not. Either side may
 * ask: a response belongs to a request of the other side. Records keep the connection's client;
 * those of messages that its server began are flagged `from_server`. Any number of messages of a
 * side may be open at once, ended in any order. Returns NULL when there is no memory; every
 * message_*() accepts NULL and does nothing.
 */
struct message *message_begin(struct conn *c, enum side side, const uint8_t *at,
			      struct message_open open);

/* message_note - change a request's note, as long as it has not been answered. */
void message_note(struct message *m, uint64_t note);

/* message_proto - the message is of a protocol inside this one (gRPC in HTTP/2): its record bears
 * that name. `d` is in the list of dissectors too, often with fields only. Fields added from here
 * on are of its table, and those added before keep their number: begin it with the same ones. Returns
 * false, and nothing happens, where that dissector is not enabled: tell it as one of your own. */
bool message_proto(struct message *m, const struct dissector *d);

/* message_stream - the number that the protocol itself gives to the exchange: a stream, a channel.
 * Shown beside `index`. */
void message_stream(struct message *m, uint64_t stream);

/* message_wants - false if no output asks for this field: spare the work. */
bool message_wants(const struct message *m, uint16_t field);

/* message_text, _pair, _number - add a field. Copied at once. Beyond the head limit or the limit of
 * pairs a field is left out and the message flagged `head_cut`. */
void message_text(struct message *m, uint16_t field, struct slice value);
void message_pair(struct message *m, uint16_t field, struct slice name, struct slice value);
void message_number(struct message *m, uint16_t field, uint64_t value);

/* message_told - the first value that message_text() was given for this field, if it was kept;
 * borrowed until the next field is added. */
struct slice message_told(const struct message *m, uint16_t field);

/* message_body - bytes that feed() was shown are body of the message: counted and kept like skipped
 * ones. For what must be read on its way by, or has been unmasked. */
void message_body(struct message *m, struct slice bytes);

/* message_body_bytes - of the body so far, missing ones in holes included. Behind a conn_skip() it
 * tells whether all that were to be skipped have come, or the side has ended. */
uint64_t message_body_bytes(const struct message *m);

/* message_mask - from here on each byte of the body is XORed with the next byte of this key, which
 * is repeated; zeros: as it is. What is kept of it is unmasked, what is skipped costs nothing. */
void message_mask(struct message *m, const uint8_t key[4]);

/* message_encoding - the body is encoded with this coding of content, or a list of them (RFC 9110
 * 8.4), upon those that were named before. Where bodies are kept and --decode-bodies is on, the
 * record has it as it was before, as far as that is known. Before the body ends. */
void message_encoding(struct message *m, struct slice codings);

/* message_inflate - the same for a message of permessage-deflate (RFC 7692). `window` is in the
 * dissector's state, zeroed at first, and goes from one message of a side to its next. A dissector
 * takes memory for it only if message_wants(m, FIELD_DECODED), and says that it is lost when a
 * message will not be complete. Before the body begins. */
enum { INFLATE_WINDOW_BYTES = 32768 };
struct inflate_window {
	uint8_t *at; /* so many; NULL: each message is compressed by itself */
	uint32_t bytes;
	bool lost;
};
void message_inflate(struct message *m, struct inflate_window *window);

/* message_keep - keep at least the first `bytes` of the body for message_kept(), whatever
 * --body-limit says; at most the head limit. Before the body begins. */
void message_keep(struct message *m, uint32_t bytes);
struct slice message_kept(const struct message *m);

void message_flag(struct message *m, enum flag flag);
/* message_failed - the protocol itself says that this is a failure. */
void message_failed(struct message *m);

/* message_head - the head ends before `end` (points into `in`, may be one past its last byte). */
void message_head(struct message *m, const uint8_t *end);

/* message_end - the message ends before `end`; NULL: at the last byte seen of its side. `m` is
 * gone. */
void message_end(struct message *m, const uint8_t *end);

#endif
