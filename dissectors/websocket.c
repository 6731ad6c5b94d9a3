/* websocket - the WebSocket Protocol (RFC 6455) and its permessage-deflate (RFC 7692).
 *
 *     frame   FIN RSV1-3 opcode | MASK length 7, 7+16 or 7+64 | masking key 4 | payload
 *
 * Understood: both sides' frames after an upgrade in HTTP/1; messages of several frames as one
 * record, control frames between them; masking; close codes and reasons; which messages are
 * compressed, and what was, where bodies are kept (the host decodes it). Every message is `oneway`:
 * nobody answers a frame, not even a PING in any order that could be told from a PONG unasked.
 * `target` is the path of the upgrade.
 *
 * Left alone: payloads (skipped; what is kept of them is unmasked by the host), extensions other
 * than permessage-deflate, WebSocket inside a stream of HTTP/2 (RFC 8441: http2 tells the stream).
 *
 * A frame has two to fourteen bytes of header and next to nothing in them that random bytes have
 * not too: one in fifty looks like one. So it is read only where http1 saw the upgrade: there is no
 * probe, a connection joined late stays what it is, and what follows a hole that hides the
 * beginning of a frame is opaque. A hole within a payload hides none.
 *
 * One interpretation where the rules are broken, flagged `anomaly`:
 *     a continuation of nothing                 a message of its own, CONTINUATION
 *     a new message before the end of another   the other ends here
 *     a control frame in pieces, or a long one  a whole message
 *     reserved bits and opcodes nobody agreed   a message like any other; RESERVED is its name
 *     masked by the server, not by the client   as the bit says
 *     a length not in its shortest form         the length counts
 *     a length of 2^63 and more                 nothing can be told any more: opaque
 *     frames behind a CLOSE                     like others
 */
#include "dissectors/upgrade.h"

enum own_field {
	WS_REASON = FIELD_OWN,
	WS_SUBPROTOCOL,
	WS_FRAGMENTS,
	WS_COMPRESSED,
	WS_UNFINISHED,
};

static const struct field fields[] = {
	{ "reason", FIELD_TEXT, "reason of a CLOSE; `code` is its number" },
	{ "subprotocol", FIELD_TEXT, "as the upgrade agreed it" },
	{ "fragments", FIELD_NUMBER, "frames of the message, where there are several" },
	{ "compressed", FIELD_NUMBER, "1: by permessage-deflate; sizes are those on the wire" },
	{ "unfinished", FIELD_NUMBER, "1: its end did not come" },
};

enum opcode {
	OP_CONTINUATION = 0,
	OP_TEXT = 1,
	OP_BINARY = 2,
	OP_CLOSE = 8,
	OP_PING = 9,
	OP_PONG = 10,
};

enum {
	FIN = 0x80,
	RSV1 = 0x40,
	RSV = 0x70,
	MASK = 0x80,
	HEADER_BYTES = 2, /* at least */
	KEY_BYTES = 4,
	CONTROL_BYTES = 125, /* 5.5: the longest payload of a control frame */
	CODE_BYTES = 2,
};

/* What reserved bits and opcodes may mean. */
enum extensions {
	EXT_UNKNOWN = 0, /* nobody knows what was agreed: anything */
	EXT_NONE,
	EXT_DEFLATE, /* RSV1 on a message's first frame */
};

struct ws_side {
	struct message *data; /* in pieces, and not all of them have come */
	struct message *now;  /* of the frame whose payload goes by */
	uint64_t due;         /* bytes of its body when it has gone by */
	uint64_t fragments;   /* of `data` so far */
	bool in_payload;      /* the next feed() is behind it … */
	bool control;         /* … and it is a control frame's */
	bool ends;            /* this frame ends its message of data */
	bool closed;          /* a CLOSE has been sent */
	struct inflate_window window;
};

struct ws_conn {
	struct ws_side side[2];
	bool begun;
	uint8_t extensions; /* enum extensions */
	bool alone[2];      /* RFC 7692 7.1.1: each message of the side is compressed by itself */
};

struct frame {
	uint64_t payload;
	uint8_t first; /* FIN, RSV, opcode */
	bool masked, longer;
	uint8_t key[KEY_BYTES];
	size_t header; /* bytes */
};

/* ---- what was agreed ---- */

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

/* RFC 7692 7: the one extension, granted with or without parameters. A list of several is more than
 * is known here. */
static enum extensions extensions_of(struct slice agreed)
{
	static const char name[] = "permessage-deflate";
	size_t n = sizeof(name) - 1;

	while (agreed.bytes > 0 && is_blank(agreed.at[0]))
		agreed = slice_after(agreed, 1);
	if (agreed.bytes == 0)
		return EXT_NONE;
	if (agreed.bytes < n || memcmp(agreed.at, name, n) != 0 ||
	    memchr(agreed.at, ',', agreed.bytes) != NULL)
		return EXT_UNKNOWN;
	return agreed.bytes == n || agreed.at[n] == ';' || is_blank(agreed.at[n]) ? EXT_DEFLATE
										  : EXT_UNKNOWN;
}

static bool has_parameter(struct slice agreed, const char *name)
{
	return memmem(agreed.at, agreed.bytes, name, strlen(name)) != NULL;
}

static void begin_reading(struct conn *c, struct ws_conn *w)
{
	enum side client = conn_client(c) == SIDE_B ? SIDE_B : SIDE_A;
	struct upgrade_read u = { 0 };

	w->begun = true;
	w->extensions = EXT_UNKNOWN;
	if (upgrade_read(conn_handed(c), &u) && !u.extensions_cut)
		w->extensions = (uint8_t)extensions_of(u.extensions);
	if (w->extensions != EXT_DEFLATE)
		return;
	w->alone[client] = has_parameter(u.extensions, "client_no_context_takeover");
	w->alone[side_other(client)] = has_parameter(u.extensions, "server_no_context_takeover");
}

/* ---- frames ---- */

static enum opcode opcode_of(const struct frame *f)
{
	return (enum opcode)(f->first & 0x0f);
}

/* 5.5: by the top bit, also of those that are reserved. */
static bool is_control(const struct frame *f)
{
	return (f->first & 0x08) != 0;
}

/* The bytes of a header, as far as its first two say. */
static size_t header_bytes(const uint8_t *at)
{
	size_t n = HEADER_BYTES + ((at[1] & MASK) != 0 ? KEY_BYTES : 0);

	switch (at[1] & 0x7f) {
	case 126: return n + 2;
	case 127: return n + 8;
	default: return n;
	}
}

/* 5.2. All of its header_bytes() are there. */
static struct frame read_header(struct slice in)
{
	struct cursor c = cursor_over(in);
	struct frame f = { .first = cursor_u8(&c), .header = header_bytes(in.at) };
	uint8_t second = cursor_u8(&c);

	f.masked = (second & MASK) != 0;
	f.payload = second & 0x7f;
	if (f.payload == 126) {
		f.payload = cursor_be16(&c);
		f.longer = f.payload < 126;
	} else if (f.payload == 127) {
		f.payload = cursor_be(&c, 8);
		f.longer = f.payload <= UINT16_MAX;
	}
	if (f.masked)
		memcpy(f.key, cursor_take(&c, KEY_BYTES).at, KEY_BYTES);
	return f;
}

static bool is_known(enum opcode op)
{
	return op <= OP_BINARY || (op >= OP_CLOSE && op <= OP_PONG);
}

static const char *name_of(enum opcode op)
{
	switch (op) {
	case OP_CONTINUATION: return "CONTINUATION";
	case OP_TEXT: return "TEXT";
	case OP_BINARY: return "BINARY";
	case OP_CLOSE: return "CLOSE";
	case OP_PING: return "PING";
	case OP_PONG: return "PONG";
	}
	return "RESERVED";
}

/* Does the frame break a rule by itself? `first`: of its message. */
static bool is_odd(struct conn *c, enum side side, const struct frame *f, bool first)
{
	const struct ws_conn *w = conn_state(c);
	uint8_t rsv = f->first & RSV;

	if (w->extensions == EXT_DEFLATE && first && !is_control(f))
		rsv &= (uint8_t)~RSV1;
	if (w->extensions != EXT_UNKNOWN && (rsv != 0 || !is_known(opcode_of(f))))
		return true;
	if (is_control(f) && ((f->first & FIN) == 0 || f->payload > CONTROL_BYTES))
		return true;
	/* 5.1: a client masks, a server does not. */
	return f->longer || w->side[side].closed || f->masked != (conn_client(c) == side);
}

/* A window is there from the first compressed message on, or never. */
static void expect_inflated(struct conn *c, enum side side, struct message *m)
{
	struct ws_conn *w = conn_state(c);
	struct inflate_window *window = &w->side[side].window;

	if (w->alone[side]) {
		window->lost = false;
	} else if (window->at == NULL && !window->lost) {
		if (message_wants(m, FIELD_DECODED))
			window->at = conn_take(c, INFLATE_WINDOW_BYTES);
		window->lost = window->at == NULL;
	}
	message_inflate(m, window);
}

static struct message *begin_message(struct conn *c, enum side side, const uint8_t *at,
				     const struct frame *f)
{
	const struct ws_conn *w = conn_state(c);
	struct message *m = message_begin(c, side, at,
					  (struct message_open){ .kind = MESSAGE_ONEWAY });
	const char *name = name_of(opcode_of(f));
	struct upgrade_read u = { 0 };

	message_text(m, FIELD_METHOD, slice_of(name, strlen(name)));
	if (upgrade_read(conn_handed(c), &u)) {
		if (u.target.bytes > 0)
			message_text(m, FIELD_TARGET, u.target);
		if (u.subprotocol.bytes > 0)
			message_text(m, WS_SUBPROTOCOL, u.subprotocol);
		if (u.target_cut || u.subprotocol_cut)
			message_flag(m, FLAG_head_cut);
	}
	if (w->extensions == EXT_DEFLATE && !is_control(f) && (f->first & RSV1) != 0) {
		message_number(m, WS_COMPRESSED, 1);
		expect_inflated(c, side, m);
	}
	message_head(m, at + f->header);
	return m;
}

static void end_data(struct ws_side *s, const uint8_t *end)
{
	if (s->fragments > 1)
		message_number(s->data, WS_FRAGMENTS, s->fragments);
	message_end(s->data, end);
	s->data = NULL;
	s->fragments = 0;
}

/* The message is torn: by the next one, a hole, or the end of the connection. */
static void tear_data(struct ws_side *s, const uint8_t *end)
{
	message_number(s->data, WS_UNFINISHED, 1);
	s->window.lost = true;
	end_data(s, end);
}

/* ---- CLOSE ---- */

/* 7.4: 1005, 1006 and 1015 stand for something else and are never sent; what is not assigned below
 * 3000 is not either. */
static bool may_be_sent(uint16_t code)
{
	return (code >= 1000 && code <= 1014 && (code < 1004 || code > 1006)) ||
	       (code >= 3000 && code < 5000);
}

/* 7.4.1: from 1002 on something was wrong, but for a restart (1012). */
static bool is_failure(uint16_t code)
{
	return code >= 1002 && code <= 1014 && code != 1012;
}

static void tell_close(struct message *m, struct slice payload)
{
	uint8_t digit[5];
	uint16_t code;
	size_t n = sizeof(digit);

	if (payload.bytes < CODE_BYTES) {
		if (payload.bytes > 0)
			message_flag(m, FLAG_anomaly);
		return;
	}
	code = (uint16_t)(payload.at[0] << 8 | payload.at[1]);
	for (unsigned v = code; n == sizeof(digit) || v > 0; v /= 10)
		digit[--n] = (uint8_t)('0' + v % 10);
	message_text(m, FIELD_CODE, slice_of(digit + n, sizeof(digit) - n));
	if (payload.bytes > CODE_BYTES)
		message_text(m, WS_REASON, slice_after(payload, CODE_BYTES));
	if (!may_be_sent(code))
		message_flag(m, FLAG_anomaly);
	if (is_failure(code))
		message_failed(m);
}

/* A CLOSE is read, where others are skipped. Its payload is all there. */
static void take_close(struct message *m, const struct frame *f, const uint8_t *payload)
{
	uint8_t plain[CONTROL_BYTES];

	for (size_t i = 0; i < f->payload; i++)
		plain[i] = payload[i] ^ f->key[i % KEY_BYTES];
	tell_close(m, slice_of(plain, (size_t)f->payload));
	message_body(m, slice_of(payload, (size_t)f->payload));
}

/* ---- feed ---- */

/* The message that a data frame belongs to. */
static struct message *data_message(struct conn *c, enum side side, const uint8_t *at,
				    const struct frame *f)
{
	struct ws_side *s = &((struct ws_conn *)conn_state(c))->side[side];
	bool continues = opcode_of(f) == OP_CONTINUATION, odd = is_odd(c, side, f, !continues);

	if (continues != (s->fragments > 0)) {
		odd = true;
		if (!continues)
			tear_data(s, at);
	}
	if (s->fragments++ == 0)
		s->data = begin_message(c, side, at, f);
	if (odd)
		message_flag(s->data, FLAG_anomaly);
	return s->data;
}

static void end_frame(struct ws_side *s, const uint8_t *at)
{
	s->in_payload = false;
	if (message_body_bytes(s->now) < s->due) { /* the side ended within it */
		message_number(s->now, WS_UNFINISHED, 1);
		s->window.lost = true;
	}
	if (s->control)
		message_end(s->now, at);
	else if (s->ends)
		end_data(s, at);
}

static size_t take_frame(struct conn *c, enum side side, struct slice in, const struct frame *f)
{
	struct ws_side *s = &((struct ws_conn *)conn_state(c))->side[side];
	bool control = is_control(f), close = opcode_of(f) == OP_CLOSE;
	struct message *m;

	if (!control) {
		m = data_message(c, side, in.at, f);
	} else {
		m = begin_message(c, side, in.at, f);
		if (is_odd(c, side, f, true))
			message_flag(m, FLAG_anomaly);
	}
	message_mask(m, f->key);
	s->closed = s->closed || close;
	if (close && f->payload <= in.bytes - f->header && f->payload <= CONTROL_BYTES) {
		take_close(m, f, in.at + f->header);
		message_end(m, in.at + f->header + f->payload);
		return f->header + (size_t)f->payload;
	}
	s->now = m;
	s->in_payload = true;
	s->due = message_body_bytes(m) + f->payload;
	s->control = control;
	s->ends = (f->first & FIN) != 0;
	if (f->payload > 0)
		conn_skip(c, side, f->payload, m);
	else
		end_frame(s, in.at + f->header);
	return f->header;
}

/* What is torn ends. A control frame's message is `now` alone. */
static void tear(struct ws_side *s, enum flag flag)
{
	if (s->in_payload && s->control) {
		message_flag(s->now, flag);
		message_number(s->now, WS_UNFINISHED, 1);
		message_end(s->now, NULL);
	}
	s->in_payload = false;
	if (s->fragments > 0) {
		message_flag(s->data, flag);
		tear_data(s, NULL);
	}
}

/* read_frame - which begins at `in`. Returns how many bytes were taken; 0: it is not all there. */
static size_t read_frame(struct conn *c, enum side side, struct slice in)
{
	struct ws_conn *w = conn_state(c);
	size_t need = HEADER_BYTES;
	struct frame f;

	if (in.bytes >= need)
		need = header_bytes(in.at);
	if (in.bytes < need) {
		conn_need(c, side, need);
		return 0;
	}
	f = read_header(in);
	if (f.payload > INT64_MAX) { /* 5.2: the most significant bit must be 0 */
		tear(&w->side[side], FLAG_anomaly);
		tear(&w->side[side_other(side)], (enum flag)0);
		conn_become(c, NULL);
		return 0;
	}
	if (opcode_of(&f) == OP_CLOSE && f.payload <= CONTROL_BYTES &&
	    in.bytes < f.header + f.payload && !conn_full(c, side)) {
		conn_need(c, side, f.header + (size_t)f.payload);
		return 0;
	}
	return take_frame(c, side, in, &f);
}

static size_t feed(struct conn *c, enum side side, struct slice in)
{
	struct ws_conn *w = conn_state(c);
	struct ws_side *s = &w->side[side];
	size_t taken = 0, n;

	if (!w->begun)
		begin_reading(c, w);
	do {
		struct slice rest = slice_after(in, taken);

		if (s->in_payload)
			end_frame(s, in.bytes > 0 ? rest.at : NULL);
		n = rest.bytes > 0 ? read_frame(c, side, rest) : 0;
		taken += n;
	} while (n > 0 && !s->in_payload);
	return taken;
}

static enum resync gap(struct conn *c, enum side side, uint64_t bytes)
{
	(void)bytes;
	tear(&((struct ws_conn *)conn_state(c))->side[side], FLAG_gap_in_body);
	return RESYNC_OPAQUE;
}

static void close_side(struct conn *c, enum side side, enum why why)
{
	(void)why;
	tear(&((struct ws_conn *)conn_state(c))->side[side], (enum flag)0);
}

const struct dissector dissector_websocket = {
	.name = "websocket",
	.proto = "websocket",
	.title = "WebSocket, after its upgrade in HTTP/1",
	.fields = fields,
	.field_count = sizeof(fields) / sizeof(fields[0]),
	.conn_bytes = sizeof(struct ws_conn),
	.feed = feed,
	.gap = gap,
	.close = close_side,
};
