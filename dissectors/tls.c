/* tls - the handshake of SSL 3.0 to TLS 1.3 (RFC 8446, RFC 5246), as far as it is in the clear.
 *
 * Understood: ClientHello is the request, ServerHello (also HelloRetryRequest, which the second
 * ClientHello follows) or a fatal alert is its response; before TLS 1.3 the server's certificate
 * adds its subject. Handshake messages may be cut over records and records over segments in any
 * way.
 *
 * Left alone: everything encrypted, which the host counts as opaque once the hellos are through;
 * SSLv2 and its ClientHello; DTLS; what follows a hole, because nothing in a record marks its
 * beginning.
 *
 *     record   type 1 | version 2 | length 2 | fragment          at most 2^14 + 2048 bytes (RFC
 * 5246 6.2.3) fragments of type 22, put together:   type 1 | length 3 | body
 *
 * The fragments of a side are read as one stream, of which `fragment` bytes are left in the current
 * record. A message of interest is taken when all of it is there; others are passed over as they
 * come.
 *
 * One interpretation where the rules are broken: a hello whose lengths do not add up is a message
 * without fields, flagged `anomaly`; a record that cannot be one ends the reading of both sides.
 */
#include <string.h>

#include "dissectors/tls_hello.h"

enum content {
	CONTENT_CHANGE_CIPHER = 20,
	CONTENT_ALERT,
	CONTENT_HANDSHAKE,
	CONTENT_DATA,
	CONTENT_HEARTBEAT
};

enum {
	RECORD_HEADER_BYTES = 5,
	FRAGMENT_BYTES_MAX = 16384 + 2048,
	ALERT_BYTES = 2,
	ALERT_FATAL = 2,
	MESSAGE_BYTES_MAX = 65536, /* put together; a longer one is passed over */
	HELLO_BYTES_MIN = 38,      /* version, random, and four lengths */
};

struct tls_side {
	uint32_t fragment; /* bytes of the current handshake record not taken yet; 0: a record
			      begins */
	uint32_t pass;     /* bytes of a handshake message that is of no interest */
	/* How far what is not taken has been walked through, so that no byte is walked twice. */
	uint32_t walked;   /* bytes, from the first not taken */
	uint32_t gathered; /* of them handshake bytes */
	uint32_t left;     /* of the record where the walk stands */
	bool encrypted;    /* what follows is not in the clear */
};

struct tls_conn {
	struct tls_side side[2];
	struct message *hello; /* of the server, waiting for its certificate */
	uint8_t session_id[32];
	uint8_t session_id_bytes;
	bool retried;  /* the server asked for another ClientHello */
	bool answered; /* by a ServerHello that asks for nothing */
	bool done;     /* nothing is read any more */
};

static struct tls_conn *state_of(struct conn *c)
{
	return conn_state(c);
}

static void end_hello(struct conn *c, const uint8_t *end)
{
	struct tls_conn *t = state_of(c);

	message_end(t->hello, end);
	t->hello = NULL;
}

/* The hellos are through: the rest is counted as opaque. */
static void end_reading(struct conn *c, const uint8_t *end)
{
	end_hello(c, end);
	state_of(c)->done = true;
	conn_become(c, NULL);
}

/* ---- messages ---- */

/* A handshake message, or an alert, and where it lies in the input. */
struct found {
	struct slice body;
	const uint8_t *begin, *end;
};

static void client_hello(struct conn *c, enum side side, struct found f)
{
	struct message *m = message_begin(c, side, f.begin,
					  (struct message_open){ .kind = MESSAGE_REQUEST });
	struct tls_conn *t = state_of(c);
	struct tls_client_hello h;

	message_text(m, FIELD_METHOD, slice_of("ClientHello", 11));
	if (tls_client_hello_read(f.body, &h)) {
		tls_client_hello_tell(m, &h, 't');
		t->session_id_bytes = (uint8_t)h.session_id.bytes;
		if (h.session_id.bytes > 0)
			memcpy(t->session_id, h.session_id.at, h.session_id.bytes);
	} else {
		message_flag(m, FLAG_anomaly);
	}
	message_head(m, f.end);
	message_end(m, f.end);
}

/* RFC 5246 7.4.1.3: the session goes on if the server echoes the id that the client offered. */
static bool resumes(const struct tls_conn *t, const struct tls_server_hello *h)
{
	return h->version <= 0x0303 && h->session_id.bytes > 0 &&
	       h->session_id.bytes == t->session_id_bytes &&
	       memcmp(h->session_id.at, t->session_id, t->session_id_bytes) == 0;
}

static void server_hello(struct conn *c, enum side side, struct found f)
{
	struct tls_conn *t = state_of(c);
	struct tls_server_hello h;
	struct message *m;

	end_hello(c, f.begin);
	m = message_begin(c, side, f.begin, (struct message_open){ .kind = MESSAGE_RESPONSE });
	if (!tls_server_hello_read(f.body, &h)) {
		message_flag(m, FLAG_anomaly);
		message_head(m, f.end);
		message_end(m, f.end);
		end_reading(c, f.end);
		return;
	}
	tls_server_hello_tell(m, &h);
	if (resumes(t, &h))
		message_text(m, TLS_RESUMED, slice_of("session_id", 10));
	message_head(m, f.end);
	t->hello = m;
	t->retried = t->retried || h.is_retry;
	t->answered = !h.is_retry;
	if (h.is_retry)
		end_hello(c, f.end);
	else if (h.version > 0x0303 ||
		 resumes(t, &h)) /* the rest is encrypted, or there is no certificate */
		end_reading(c, f.end);
}

static void take_message(struct conn *c, enum side side, uint8_t type, struct found f)
{
	struct tls_conn *t = state_of(c);

	switch ((enum tls_handshake)type) {
	case TLS_CLIENT_HELLO: client_hello(c, side, f); break;
	case TLS_SERVER_HELLO: server_hello(c, side, f); break;
	case TLS_CERTIFICATE:
		if (t->hello == NULL || side == conn_client(c))
			break;
		tls_certificate_tell(t->hello, f.body);
		end_reading(c, f.end);
		break;
	case TLS_SERVER_HELLO_DONE: /* without a certificate: anonymous, or by a shared key */
		if (t->answered)
			end_reading(c, f.begin);
		break;
	case TLS_FINISHED: break;
	}
}

static bool is_of_interest(uint8_t type)
{
	return type == TLS_CLIENT_HELLO || type == TLS_SERVER_HELLO || type == TLS_CERTIFICATE ||
	       type == TLS_SERVER_HELLO_DONE;
}

/* ---- the stream of fragments ---- */

/* A record header can only be one of these (RFC 8446 5.1; versions as senders write them). */
static bool is_record(const uint8_t *at)
{
	return at[0] >= CONTENT_CHANGE_CIPHER && at[0] <= CONTENT_HEARTBEAT && at[1] == 3 &&
	       at[2] <= 4 && (at[3] << 8 | at[4]) <= FRAGMENT_BYTES_MAX;
}

static uint32_t record_bytes(const uint8_t *at)
{
	return (uint32_t)(at[3] << 8 | at[4]);
}

static void walk_from(struct tls_side *s, uint32_t fragment)
{
	s->walked = s->gathered = 0;
	s->left = fragment;
}

/* walk - until `wanted` handshake bytes have been walked over. Returns: 1 they are there; 0 more
 * input is needed, *ret_need bytes of it at least; -1 what follows is no handshake record. */
static int walk(struct tls_side *s, struct slice in, uint32_t wanted, size_t *ret_need)
{
	while (s->gathered < wanted) {
		struct slice rest = slice_after(in, s->walked);
		uint32_t step = s->left < wanted - s->gathered ? s->left : wanted - s->gathered;

		if (s->left == 0 && rest.bytes < RECORD_HEADER_BYTES) {
			*ret_need = s->walked + RECORD_HEADER_BYTES;
			return 0;
		}
		if (s->left == 0) {
			if (!is_record(rest.at) || rest.at[0] != CONTENT_HANDSHAKE)
				return -1;
			s->left = record_bytes(rest.at);
			s->walked += RECORD_HEADER_BYTES;
			continue;
		}
		if (rest.bytes < step) {
			*ret_need = s->walked + step;
			return 0;
		}
		s->walked += step;
		s->gathered += step;
		s->left -= step;
	}
	return 1;
}

/* gather - the first `bytes` handshake bytes of `in`, of which `fragment` are left in the first
 * record. */
static void gather(struct slice in, uint32_t fragment, uint8_t *to, uint32_t bytes)
{
	while (bytes > 0) {
		uint32_t n = fragment < bytes ? fragment : bytes;

		memcpy(to, in.at, n);
		to += n;
		bytes -= n;
		in = slice_after(in, n);
		if (bytes > 0) {
			fragment = record_bytes(in.at);
			in = slice_after(in, RECORD_HEADER_BYTES);
		}
	}
}

static __attribute__((noinline)) void take_scattered(struct conn *c, enum side side,
						     struct slice in, uint32_t bytes)
{
	struct tls_side *s = &state_of(c)->side[side];
	uint8_t whole[MESSAGE_BYTES_MAX];

	gather(in, s->fragment, whole, bytes);
	take_message(c, side, whole[0],
		     (struct found){ slice_of(whole + TLS_HANDSHAKE_HEADER_BYTES,
					      bytes - TLS_HANDSHAKE_HEADER_BYTES),
				     in.at, in.at + s->walked });
}

/* pass_over - bytes of a message of no interest, as far as the current record goes. Returns how
 * many. */
static size_t pass_over(struct tls_side *s, struct slice in)
{
	uint32_t n = s->pass < s->fragment ? s->pass : s->fragment;

	if (in.bytes < n)
		n = (uint32_t)in.bytes;
	s->pass -= n;
	s->fragment -= n;
	return n;
}

static uint32_t message_bytes(struct slice in, uint32_t fragment)
{
	uint8_t header[TLS_HANDSHAKE_HEADER_BYTES];

	gather(in, fragment, header, sizeof(header));
	return (uint32_t)header[1] << 16 | (uint32_t)header[2] << 8 | header[3];
}

/* What has been walked over is taken. */
static size_t take_walked(struct tls_side *s)
{
	size_t n = s->walked;

	s->fragment = s->left;
	walk_from(s, s->fragment);
	return n;
}

/* A server's answer that overtook its question: directions may be skewed. */
static bool is_early(struct conn *c, enum side side, const uint8_t *at)
{
	uint64_t note;

	if (conn_request_note(c, side, at, 0, &note) != REQUEST_NONE || conn_waited(c, side) ||
	    conn_full(c, side))
		return false;
	conn_wait_peer(c, side);
	return true;
}

/* read_handshake - a message that begins at `in`. Returns how many bytes were taken; 0: more are
 * needed, or nothing can be read any more. */
static size_t read_handshake(struct conn *c, enum side side, struct slice in)
{
	struct tls_side *s = &state_of(c)->side[side];
	size_t need = 0;
	uint32_t bytes;
	int there;

	if (s->gathered < TLS_HANDSHAKE_HEADER_BYTES) {
		if (s->walked == 0)
			walk_from(s, s->fragment);
		there = walk(s, in, TLS_HANDSHAKE_HEADER_BYTES, &need);
		if (there <= 0)
			goto not_there;
	}
	bytes = message_bytes(in, s->fragment);
	if (!is_of_interest(in.at[0]) || bytes + TLS_HANDSHAKE_HEADER_BYTES > MESSAGE_BYTES_MAX) {
		s->pass = bytes;
		return take_walked(s);
	}
	bytes += TLS_HANDSHAKE_HEADER_BYTES;
	there = walk(s, in, bytes, &need);
	if (there <= 0)
		goto not_there;
	if (in.at[0] == TLS_SERVER_HELLO && is_early(c, side, in.at))
		return 0;
	if (s->walked == bytes)
		take_message(c, side, in.at[0],
			     (struct found){ slice_after(slice_of(in.at, bytes),
							 TLS_HANDSHAKE_HEADER_BYTES),
					     in.at, in.at + bytes });
	else
		take_scattered(c, side, in, bytes);
	return take_walked(s);

not_there:
	if (there < 0 || conn_full(c, side))
		end_reading(c, in.at);
	else
		conn_need(c, side, need);
	return 0;
}

/* ---- records ---- */

static size_t read_alert(struct conn *c, enum side side, struct slice in)
{
	struct tls_conn *t = state_of(c);
	const uint8_t *end = in.at + RECORD_HEADER_BYTES + ALERT_BYTES;
	uint8_t level = in.at[RECORD_HEADER_BYTES], description = in.at[RECORD_HEADER_BYTES + 1];
	struct message *m;

	/* RFC 8446 6: a fatal alert ends the connection, whoever sends it; a warning says nothing
	 * about the hellos. */
	if (level != ALERT_FATAL)
		return (size_t)(end - in.at);
	if (!t->answered && conn_client(c) == side_other(side) && is_early(c, side, in.at))
		return 0;
	if (!t->answered && conn_client(c) == side_other(side)) {
		m = message_begin(c, side, in.at,
				  (struct message_open){ .kind = MESSAGE_RESPONSE });
		tls_alert_tell(m, description);
		message_head(m, end);
		message_end(m, end);
	}
	end_reading(c, in.at);
	return (size_t)(end - in.at);
}

/* May a handshake record after ChangeCipherSpec be in the clear? Only around a HelloRetryRequest,
 * where TLS 1.3 sends it for the sake of middleboxes (RFC 8446 D.4). */
static bool goes_on_in_clear(const struct tls_conn *t)
{
	return t->retried && !t->answered;
}

/* read_record - whose header is at `in`. Returns how many bytes were taken. */
static size_t read_record(struct conn *c, enum side side, struct slice in)
{
	struct tls_conn *t = state_of(c);
	struct tls_side *s = &t->side[side];
	uint32_t bytes = record_bytes(in.at);
	bool clear = !s->encrypted || goes_on_in_clear(t);

	if (in.at[0] == CONTENT_HANDSHAKE && clear) {
		s->fragment = bytes;
		walk_from(s, bytes);
		return RECORD_HEADER_BYTES;
	}
	if (in.at[0] == CONTENT_ALERT && clear && bytes == ALERT_BYTES) {
		if (in.bytes >= RECORD_HEADER_BYTES + ALERT_BYTES)
			return read_alert(c, side, in);
		conn_need(c, side, RECORD_HEADER_BYTES + ALERT_BYTES);
		return 0;
	}
	s->encrypted = true;
	/* Early data comes before the server has said anything: only both sides' silence is the
	 * end. */
	if (t->side[side_other(side)].encrypted && !goes_on_in_clear(t)) {
		end_reading(c, in.at);
		return 0;
	}
	if (t->hello != NULL && conn_client(c) == side_other(side))
		end_hello(c, in.at);
	conn_skip(c, side, bytes, NULL);
	return RECORD_HEADER_BYTES;
}

static size_t feed(struct conn *c, enum side side, struct slice in)
{
	struct tls_side *s = &state_of(c)->side[side];
	size_t taken = 0, n;

	for (;; taken += n) {
		struct slice rest = slice_after(in, taken);
		bool is_header = s->fragment == 0 && s->gathered == 0 && s->walked == 0;

		if (rest.bytes < (is_header ? RECORD_HEADER_BYTES : 1)) {
			if (rest.bytes > 0)
				conn_need(c, side, RECORD_HEADER_BYTES);
			return taken;
		}
		if (is_header && !is_record(rest.at)) {
			end_reading(c, rest.at);
			return taken;
		}
		if (is_header) {
			bool skips = rest.at[0] != CONTENT_HANDSHAKE || s->encrypted;

			n = read_record(c, side, rest);
			if (n == 0 || state_of(c)->done || (skips && s->fragment == 0))
				return taken + n;
			continue;
		}
		n = s->pass > 0 ? pass_over(s, rest) : read_handshake(c, side, rest);
		if (n == 0 || state_of(c)->done)
			return taken + n;
	}
}

/* ---- the rest of the contract ---- */

static enum resync gap(struct conn *c, enum side side, uint64_t bytes)
{
	struct tls_conn *t = state_of(c);

	(void)bytes;
	if (t->hello != NULL && conn_client(c) == side_other(side))
		end_hello(c, NULL);
	return RESYNC_OPAQUE;
}

static void close_side(struct conn *c, enum side side, enum why why)
{
	(void)why;
	if (conn_client(c) != side)
		end_hello(c, NULL);
}

/* The header of a handshake record, and as much of the hello's as is in it. */
static enum guess probe(struct slice first, uint16_t port_hint)
{
	static const uint8_t client[] = { CONTENT_HANDSHAKE, 3 };
	struct cursor c = cursor_over(first);
	uint32_t fragment, body;
	uint8_t type;

	(void)port_hint;
	if (memcmp(first.at, client, first.bytes < 2 ? first.bytes : 2) != 0)
		return GUESS_NO;
	cursor_take(&c, 3);
	fragment = cursor_be16(&c);
	type = cursor_u8(&c);
	if (c.failed)
		return GUESS_MORE;
	if (!is_record(first.at) || fragment == 0 ||
	    (type != TLS_CLIENT_HELLO && type != TLS_SERVER_HELLO))
		return GUESS_NO;
	if (fragment < TLS_HANDSHAKE_HEADER_BYTES) /* a hello in small pieces */
		return GUESS_YES;
	body = (uint32_t)cursor_be(&c, 3);
	if (c.failed)
		return GUESS_MORE;
	return body >= HELLO_BYTES_MIN - 4 && body < MESSAGE_BYTES_MAX ? GUESS_YES : GUESS_NO;
}

/* 2: `.` is any byte. */
static const struct pattern patterns[] = { { "^\\x16\\x03[\\x00-\\x04]..[\\x01\\x02]", 2 } };

const struct dissector dissector_tls = {
	.name = "tls",
	.proto = "tls",
	.title = "Transport Layer Security: the handshake",
	.fields = tls_fields,
	.field_count = TLS_FIELD_COUNT,
	.conn_bytes = sizeof(struct tls_conn),
	.patterns = patterns,
	.pattern_count = sizeof(patterns) / sizeof(patterns[0]),
	.probe = probe,
	.feed = feed,
	.gap = gap,
	.close = close_side,
};
