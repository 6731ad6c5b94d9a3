/* http2 - HTTP/2 (RFC 9113) in the clear, and gRPC in it.
 *
 * Understood: prior knowledge and h2c upgrades, connections joined late, CONTINUATION, padding,
 * many streams at once, 1xx, trailers, PUSH_PROMISE, RST_STREAM, GOAWAY, changes of the header
 * table's size, CONNECT and extended CONNECT (RFC 8441). Of gRPC: calls and their messages,
 * counted.
 *
 * Left alone: bodies (counted; but for GraphQL in requests), priorities, flow control, what is
 * inside a CONNECT.
 *
 *     frame   length 3 | type 1 | flags 1 | stream 4 | payload
 *
 * A header block is read when all of it is there, its CONTINUATIONs too; what is longer than the
 * head limit ends the reading, because the tables of both ends would not agree with ours any more.
 *
 * A pushed exchange is one record, `oneway` and `from_server`: the promised request, with the
 * status and the body that the server sent unasked.
 *
 * One interpretation where the rules are broken:
 *     a block without :method and :status     trailers if the side has a message open, else nothing
 *     a second request on an open stream      trailers
 *     frames between the pieces of a block    nothing can be told any more: opaque
 *     a message on stream 0                   the same
 *     a line before the pseudo-header lines   a line like any other
 */
#include <string.h>

#include "dissectors/graphql.h"
#include "dissectors/hpack.h"
#include "dissectors/http2_fields.h"

const struct field http2_fields[HTTP2_FIELD_COUNT] = {
	{ "host", FIELD_TEXT, ":authority, or Host of the request" },
	{ "scheme", FIELD_TEXT, ":scheme of the request, where it is not http" },
	{ "protocol", FIELD_TEXT, ":protocol of an extended CONNECT" },
	{ "interim", FIELD_LIST, "codes of the 1xx responses that came before" },
	{ "pushed", FIELD_TEXT, "status of the response that the server pushed" },
	{ "reset", FIELD_TEXT, "why the stream was reset" },
	{ "graphql_type", FIELD_TEXT, "GraphQL: query, mutation or subscription" },
	{ "graphql_operation", FIELD_TEXT, "GraphQL: name of the operation" },
	{ "headers", FIELD_PAIRS, "header lines in order" },
	{ "trailers", FIELD_PAIRS, "lines behind the body" },
	{ "status", FIELD_TEXT, "gRPC: name of the code" },
	{ "message", FIELD_TEXT, "gRPC: what the server says about a failure" },
	{ "encoding", FIELD_TEXT, "gRPC: how messages are compressed" },
	{ "messages", FIELD_NUMBER, "gRPC: messages sent by this side" },
	{ "message_bytes", FIELD_NUMBER, "gRPC: their bytes, without their prefixes" },
	{ "compressed", FIELD_NUMBER, "gRPC: messages among them that are compressed" },
};

enum frame_type {
	FRAME_DATA,
	FRAME_HEADERS,
	FRAME_PRIORITY,
	FRAME_RST_STREAM,
	FRAME_SETTINGS,
	FRAME_PUSH_PROMISE,
	FRAME_PING,
	FRAME_GOAWAY,
	FRAME_WINDOW_UPDATE,
	FRAME_CONTINUATION,
};

enum frame_flag {
	END_STREAM = 0x01,
	ACK = 0x01,
	END_HEADERS = 0x04,
	PADDED = 0x08,
	PRIORITY = 0x20
};

enum {
	FRAME_HEADER_BYTES = 9,
	PREFACE_BYTES = 24,
	SETTING_BYTES = 6,
	SETTING_TABLE_SIZE = 1,
	STREAMS_MAX = 512,        /* remembered at once */
	FORGOTTEN_IDS = 128,      /* of the oldest of them at once, beyond that */
	LINES_MAX = 256,          /* of a block; beyond: head_cut */
	BLOCK_TEXT_BYTES = 65536, /* of its lines */
	LIMITS_MAX = 4,           /* table sizes not acknowledged yet */
	GRPC_PREFIX_BYTES = 5,    /* compressed or not, length */
	CODE_BYTES = 8,
};

static const char preface[PREFACE_BYTES + 1] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/* ---- state ---- */

/* gRPC messages of one side of a stream. */
struct calls {
	uint64_t messages, bytes, compressed;
	uint32_t left; /* of the current message */
	uint8_t prefix[GRPC_PREFIX_BYTES];
	uint8_t prefix_bytes;
	bool unsure; /* bytes are missing: nothing is told of them */
};

/* One side of a stream. */
struct half {
	struct message *m;
	bool over; /* its message has ended, or it has none */
	bool grpc;
	uint8_t graphql;       /* enum graphql_kind: what the request's body may be */
	bool headed;           /* a final response's head has come */
	char code[CODE_BYTES]; /* of a response: grpc-status once it is known, else "" */
	struct calls calls;
};

struct stream {
	uint32_t id;   /* 0: the slot is free */
	uint8_t asker; /* enum side: who sent the request; SIDE_UNKNOWN */
	bool pushed;
	bool cancelled;        /* by its asker, while unanswered: the answer may be on its way */
	uint32_t cancelled_at; /* the newest stream then */
	struct half half[2];
};

struct http2_side {
	struct hpack *hpack;
	bool begun;    /* something has been read: no preface any more */
	bool in_data;  /* within a DATA frame */
	bool broken;   /* its blocks cannot be decoded any more */
	bool resumes;  /* after a hole: is this the beginning of a frame? */
	uint8_t flags; /* of the DATA frame */
	uint32_t stream;
	uint32_t left, pad; /* of the DATA frame */
	/* A header block that is not all there. */
	uint32_t walked; /* bytes, from the first not taken, of whole frames */
	/* What this side has asked of the other's table, until it is acknowledged. */
	uint32_t limit[LIMITS_MAX];
	uint32_t unacknowledged; /* SETTINGS sent; at most LIMITS_MAX are told apart */
	bool limit_known[LIMITS_MAX];
};

struct http2_conn {
	struct http2_side side[2];
	struct stream *stream; /* a hash table by id */
	uint32_t slots, streams;
	uint32_t newest;    /* of the streams asked for */
	uint32_t cancelled; /* streams that are */
	bool from_start;    /* the preface was seen */
	bool done;
};

static struct http2_conn *state_of(struct conn *c)
{
	return conn_state(c);
}

static size_t end_reading(struct conn *c)
{
	state_of(c)->done = true;
	conn_become(c, NULL);
	return 0;
}

/* ---- streams ---- */

static uint32_t slot_of(const struct http2_conn *h, uint32_t id)
{
	return (id * UINT32_C(2654435761) >> 7) & (h->slots - 1);
}

static struct stream *stream_find(const struct http2_conn *h, uint32_t id)
{
	if (h->slots == 0 || id == 0)
		return NULL;
	for (uint32_t i = slot_of(h, id); h->stream[i].id != 0; i = (i + 1) & (h->slots - 1))
		if (h->stream[i].id == id)
			return &h->stream[i];
	return NULL;
}

static struct stream *free_slot(const struct http2_conn *h, uint32_t id)
{
	uint32_t i = slot_of(h, id);

	while (h->stream[i].id != 0)
		i = (i + 1) & (h->slots - 1);
	return &h->stream[i];
}

/* At most half of the slots are used. */
static bool grow(struct conn *c, struct http2_conn *h)
{
	struct stream *old = h->stream;
	uint32_t slots = h->slots;
	struct stream *more = conn_take(c, (slots == 0 ? 8 : 2 * slots) * sizeof(*more));

	if (more == NULL)
		return false;
	h->stream = more;
	h->slots = slots == 0 ? 8 : 2 * slots;
	for (uint32_t i = 0; i < slots; i++)
		if (old[i].id != 0)
			*free_slot(h, old[i].id) = old[i];
	conn_give(c, old);
	return true;
}

/* The slots behind it move up, so that no search ends too early. */
static void stream_remove(struct http2_conn *h, struct stream *s)
{
	uint32_t mask = h->slots - 1, hole = (uint32_t)(s - h->stream);

	h->cancelled -= s->cancelled;
	for (uint32_t i = (hole + 1) & mask; h->stream[i].id != 0; i = (i + 1) & mask) {
		uint32_t home = slot_of(h, h->stream[i].id);

		if (((i - home) & mask) >= ((i - hole) & mask)) {
			h->stream[hole] = h->stream[i];
			hole = i;
		}
	}
	h->stream[hole].id = 0;
	h->stream[hole].cancelled = false;
	h->streams--;
}

static bool may_be_forgotten(const struct stream *s)
{
	return s->id != 0 && s->half[0].m == NULL && s->half[1].m == NULL;
}

/* Makes room: the oldest streams whose requests are complete wait for responses that may never
 * come. Several at once, so that a flood of requests does not walk the table for each. */
static void forget_oldest(struct http2_conn *h)
{
	uint32_t oldest = UINT32_MAX;

	for (uint32_t i = 0; i < h->slots; i++)
		if (may_be_forgotten(&h->stream[i]) && h->stream[i].id < oldest)
			oldest = h->stream[i].id;
	for (uint32_t i = 0; oldest != UINT32_MAX && i < h->slots;) {
		struct stream *s = &h->stream[i];

		if (may_be_forgotten(s) && s->id - oldest < FORGOTTEN_IDS)
			stream_remove(h, s); /* another one may have come into the slot */
		else
			i++;
	}
}

/* NULL: too many are open, or no memory. Then its messages are not read. */
static struct stream *stream_make(struct conn *c, struct http2_conn *h, uint32_t id)
{
	struct stream *s;

	if (h->streams >= STREAMS_MAX)
		forget_oldest(h);
	if (h->streams >= STREAMS_MAX || (2 * (h->streams + 1) > h->slots && !grow(c, h)))
		return NULL;
	s = free_slot(h, id);
	*s = (struct stream){ .id = id, .asker = SIDE_UNKNOWN };
	h->streams++;
	return s;
}

/* ---- names ---- */

/* RFC 9113 7. */
static const char *error_name(uint32_t code)
{
	static const char *const names[] = { "NO_ERROR",
					     "PROTOCOL_ERROR",
					     "INTERNAL_ERROR",
					     "FLOW_CONTROL_ERROR",
					     "SETTINGS_TIMEOUT",
					     "STREAM_CLOSED",
					     "FRAME_SIZE_ERROR",
					     "REFUSED_STREAM",
					     "CANCEL",
					     "COMPRESSION_ERROR",
					     "CONNECT_ERROR",
					     "ENHANCE_YOUR_CALM",
					     "INADEQUATE_SECURITY",
					     "HTTP_1_1_REQUIRED" };

	return code < sizeof(names) / sizeof(names[0]) ? names[code] : "unknown error";
}

/* The status codes of gRPC. */
static const char *grpc_name(struct slice code)
{
	static const char *const names[] = { "OK",
					     "CANCELLED",
					     "UNKNOWN",
					     "INVALID_ARGUMENT",
					     "DEADLINE_EXCEEDED",
					     "NOT_FOUND",
					     "ALREADY_EXISTS",
					     "PERMISSION_DENIED",
					     "RESOURCE_EXHAUSTED",
					     "FAILED_PRECONDITION",
					     "ABORTED",
					     "OUT_OF_RANGE",
					     "UNIMPLEMENTED",
					     "INTERNAL",
					     "UNAVAILABLE",
					     "DATA_LOSS",
					     "UNAUTHENTICATED" };
	uint32_t n = 0;

	for (size_t i = 0; i < code.bytes; i++) {
		if (code.at[i] < '0' || code.at[i] > '9' || n > 99)
			return NULL;
		n = 10 * n + (code.at[i] - '0');
	}
	return code.bytes > 0 && n < sizeof(names) / sizeof(names[0]) ? names[n] : NULL;
}

static void tell_word(struct message *m, uint16_t field, const char *word)
{
	message_text(m, field, slice_of(word, strlen(word)));
}

/* ---- a block ---- */

struct line {
	struct slice name, value;
};

/* The lines of a header block, copied as they are decoded. */
struct block {
	uint32_t lines;
	uint32_t text_bytes;
	bool unknown, cut, broken;
	struct line line[LINES_MAX];
	uint8_t text[BLOCK_TEXT_BYTES];
};

static struct slice copied(struct block *b, struct slice s)
{
	struct slice copy = slice_of(b->text + b->text_bytes, s.bytes);

	if (s.bytes > 0)
		memcpy(b->text + b->text_bytes, s.at, s.bytes);
	b->text_bytes += (uint32_t)s.bytes;
	return copy;
}

static void add_line(void *block, struct slice name, struct slice value)
{
	struct block *b = block;

	if (name.at == NULL) {
		b->unknown = true;
	} else if (b->lines == LINES_MAX ||
		   name.bytes + value.bytes > sizeof(b->text) - b->text_bytes) {
		b->cut = true;
	} else {
		b->line[b->lines].name = copied(b, name);
		b->line[b->lines++].value = copied(b, value);
	}
}

static bool is(struct slice s, const char *word)
{
	return s.bytes == strlen(word) && memcmp(s.at, word, s.bytes) == 0;
}

static bool is_pseudo(struct slice name)
{
	return name.bytes > 0 && name.at[0] == ':';
}

/* The first line of that name; NULL where there is none. */
static const struct slice *value_of(const struct block *b, const char *name)
{
	for (uint32_t i = 0; i < b->lines; i++)
		if (is(b->line[i].name, name))
			return &b->line[i].value;
	return NULL;
}

/* gRPC over HTTP/2: application/grpc, perhaps with + or ; and more behind. */
static bool is_grpc(const struct block *b)
{
	static const char type[] = "application/grpc";
	const struct slice *value = value_of(b, "content-type");
	size_t n = sizeof(type) - 1;

	return value != NULL && value->bytes >= n && memcmp(value->at, type, n) == 0 &&
	       (value->bytes == n || value->at[n] == '+' || value->at[n] == ';');
}

static void tell_encoding(struct message *m, const struct block *b)
{
	for (uint32_t i = 0; i < b->lines; i++)
		if (is(b->line[i].name, "content-encoding"))
			message_encoding(m, b->line[i].value);
}

static void tell_lines(struct message *m, const struct block *b, uint16_t field)
{
	for (uint32_t i = 0; i < b->lines && message_wants(m, field); i++)
		if (!is_pseudo(b->line[i].name))
			message_pair(m, field, b->line[i].name, b->line[i].value);
	if (b->unknown)
		message_flag(m, FLAG_hpack_unknown);
	if (b->cut)
		message_flag(m, FLAG_head_cut);
}

static void tell_value(struct message *m, uint16_t field, const struct slice *value)
{
	if (value != NULL)
		message_text(m, field, *value);
}

/* ---- the end of messages ---- */

static void tell_calls(const struct half *half)
{
	message_number(half->m, GRPC_MESSAGES, half->calls.messages);
	message_number(half->m, GRPC_MESSAGE_BYTES, half->calls.bytes);
	if (half->calls.compressed > 0)
		message_number(half->m, GRPC_COMPRESSED, half->calls.compressed);
}

/* A gRPC response's code comes last. */
static void tell_grpc_code(const struct half *half)
{
	struct slice code = slice_of(half->code, strnlen(half->code, CODE_BYTES));
	const char *name = grpc_name(code);

	if (code.bytes == 0)
		return;
	message_text(half->m, FIELD_CODE, code);
	if (name != NULL)
		tell_word(half->m, GRPC_STATUS, name);
	if (!is(code, "0"))
		message_failed(half->m);
}

static void tell_graphql(struct message *m, const struct graphql *g)
{
	tell_word(m, HTTP2_GRAPHQL_TYPE, g->type);
	if (g->name_bytes > 0)
		message_text(m, HTTP2_GRAPHQL_OPERATION, slice_of(g->name, g->name_bytes));
}

/* In the target, or to come in the body. */
static void expect_graphql(struct half *half, const struct block *b)
{
	const struct slice *method = value_of(b, ":method"), *path = value_of(b, ":path"),
			   *type = value_of(b, "content-type");
	struct graphql g;

	if (method != NULL && is(*method, "GET") && path != NULL && graphql_in_target(*path, &g))
		tell_graphql(half->m, &g);
	half->graphql = GRAPHQL_NONE;
	if (type == NULL || method == NULL || !is(*method, "POST") ||
	    value_of(b, "content-encoding") != NULL)
		return;
	half->graphql = (uint8_t)graphql_kind(*type);
	if (half->graphql != GRAPHQL_NONE)
		message_keep(half->m, GRAPHQL_BYTES);
}

/* END_STREAM: the body is over. */
static void take_graphql(struct half *half)
{
	struct slice kept = message_kept(half->m);
	struct graphql g;

	if (half->graphql != GRAPHQL_NONE && !half->calls.unsure &&
	    kept.bytes == message_body_bytes(half->m) &&
	    graphql_in_body((enum graphql_kind)half->graphql, kept, &g))
		tell_graphql(half->m, &g);
}

static void end_half(struct stream *s, enum side side, const uint8_t *end)
{
	struct half *half = &s->half[side];

	half->over = true;
	if (half->m == NULL)
		return;
	if (half->grpc && !half->calls.unsure)
		tell_calls(half);
	if (half->grpc && s->asker != side)
		tell_grpc_code(half);
	message_end(half->m, end);
	half->m = NULL;
}

/* The answer is complete, and of the request nothing is to come: it may have been before the
 * capture. */
static void remove_if_over(struct http2_conn *h, struct stream *s)
{
	if (s->asker == SIDE_UNKNOWN)
		return;
	if (s->half[side_other((enum side)s->asker)].over && s->half[s->asker].m == NULL)
		stream_remove(h, s);
}

/* ---- the beginning of messages ---- */

/* A frame's place in the input. */
struct place {
	enum side side;
	const uint8_t *begin, *end;
	uint8_t flags;
};

static void method_of_call(struct message *m, const struct slice *path)
{
	struct slice method = path == NULL ? slice_of(NULL, 0) : *path;

	if (method.bytes > 0 && method.at[0] == '/')
		method = slice_after(method, 1);
	if (method.bytes > 0)
		message_text(m, FIELD_METHOD, method);
}

static void tell_request(struct half *half, const struct block *b)
{
	const struct slice *host = value_of(b, ":authority"), *scheme = value_of(b, ":scheme");

	tell_word(half->m, FIELD_VERSION, "2");
	half->grpc = is_grpc(b) && message_proto(half->m, &dissector_grpc);
	if (half->grpc)
		method_of_call(half->m, value_of(b, ":path"));
	else
		tell_value(half->m, FIELD_METHOD, value_of(b, ":method"));
	tell_value(half->m, FIELD_TARGET, value_of(b, ":path"));
	tell_value(half->m, HTTP2_HOST, host != NULL ? host : value_of(b, "host"));
	if (scheme != NULL && !is(*scheme, "http"))
		message_text(half->m, HTTP2_SCHEME, *scheme);
	tell_value(half->m, HTTP2_PROTOCOL, value_of(b, ":protocol"));
	if (half->grpc)
		tell_value(half->m, GRPC_ENCODING, value_of(b, "grpc-encoding"));
	if (!half->grpc) {
		expect_graphql(half, b);
		tell_encoding(half->m, b);
	}
	tell_lines(half->m, b, HTTP2_HEADERS);
}

static void begin_request(struct conn *c, struct stream *s, struct place p, const struct block *b)
{
	struct half *half = &s->half[p.side];

	s->asker = (uint8_t)p.side;
	half->m = message_begin(c, p.side, p.begin,
				(struct message_open){ .kind = MESSAGE_REQUEST, .key = s->id });
	message_stream(half->m, s->id);
	tell_request(half, b);
	message_head(half->m, p.end);
}

static bool is_interim(struct slice status)
{
	return status.bytes == 3 && status.at[0] == '1';
}

static void interim(struct conn *c, const struct stream *s, struct place p, struct slice status,
		    const struct block *b)
{
	struct message *m = message_begin(
		c, p.side, p.begin, (struct message_open){ .kind = MESSAGE_INTERIM, .key = s->id });

	message_text(m, FIELD_CODE, status);
	tell_lines(m, b, HTTP2_HEADERS);
	message_head(m, p.end);
	message_end(m, p.end);
}

/* grpc-status in the trailers, or in a response that has nothing else. */
static void note_grpc(struct half *half, const struct block *b)
{
	const struct slice *status = value_of(b, "grpc-status"),
			   *message = value_of(b, "grpc-message");

	if (status != NULL && status->bytes < CODE_BYTES) {
		memset(half->code, 0, CODE_BYTES);
		memcpy(half->code, status->at, status->bytes);
	}
	if (message != NULL && message->bytes > 0)
		message_text(half->m, GRPC_MESSAGE, *message);
}

static void tell_response(struct stream *s, struct half *half, enum side side,
			  const struct block *b)
{
	const struct slice *status = value_of(b, ":status");

	tell_word(half->m, FIELD_VERSION, "2");
	half->grpc = (is_grpc(b) || s->half[side_other(side)].grpc) &&
		     message_proto(half->m, &dissector_grpc);
	if (half->grpc) {
		tell_value(half->m, GRPC_ENCODING, value_of(b, "grpc-encoding"));
		note_grpc(half, b);
	} else {
		tell_value(half->m, FIELD_CODE, status);
		tell_encoding(half->m, b);
		if (status != NULL && status->bytes == 3 && status->at[0] >= '5')
			message_failed(half->m);
	}
	tell_lines(half->m, b, HTTP2_HEADERS);
}

/* A response on a stream that was asked for after a reset says that its sender knew of the reset:
 * no answer to what was cancelled is on its way any more. */
static void close_cancelled(struct conn *c, struct http2_conn *h, uint32_t id)
{
	for (uint32_t i = 0; i < h->slots && h->cancelled > 0;) {
		struct stream *s = &h->stream[i];

		if (s->id == 0 || !s->cancelled || s->cancelled_at >= id) {
			i++;
			continue;
		}
		conn_request_close(c, (enum side)s->asker, s->id, WHY_reset);
		stream_remove(h, s); /* another one may have come into the slot */
	}
}

/* The head of a response that overtook its request is not waited for here: streams tell which
 * belongs to which. */
static void begin_response(struct conn *c, struct stream *s, struct place p, const struct block *b)
{
	struct half *half = &s->half[p.side];

	if (s->asker == SIDE_UNKNOWN)
		s->asker = (uint8_t)side_other(p.side);
	if (s->cancelled)
		state_of(c)->cancelled--;
	s->cancelled = false;
	half->headed = true;
	half->m = message_begin(c, p.side, p.begin,
				(struct message_open){ .kind = MESSAGE_RESPONSE, .key = s->id });
	message_stream(half->m, s->id);
	tell_response(s, half, p.side, b);
	message_head(half->m, p.end);
}

static void trailers(struct half *half, const struct block *b)
{
	if (half->grpc)
		note_grpc(half, b);
	tell_lines(half->m, b, HTTP2_TRAILERS);
}

/* The pushed response: its request was promised by the same side, and is told with it. */
static void pushed_response(struct half *half, const struct block *b)
{
	half->headed = true;
	tell_value(half->m, HTTP2_PUSHED, value_of(b, ":status"));
}

/* Is it a request or a response? Where the lines that say so refer to what was never seen, the side
 * says it: who asks is the client, and a stream that has been asked is answered. */
static void kind_of(struct conn *c, const struct stream *s, enum side side, const struct block *b,
		    bool *ret_asks, bool *ret_answers)
{
	*ret_asks = value_of(b, ":method") != NULL;
	*ret_answers = value_of(b, ":status") != NULL;
	if (*ret_asks || *ret_answers || !b->unknown)
		return;
	if (s != NULL)
		*ret_answers = s->asker == side_other(side) && !s->half[side].headed;
	else
		*ret_asks = conn_client(c) == side;
}

/* take_headers - a block of HEADERS, decoded. */
static void take_headers(struct conn *c, uint32_t id, struct place p, const struct block *b)
{
	struct http2_conn *h = state_of(c);
	const struct slice *status = value_of(b, ":status");
	struct stream *s = stream_find(h, id);
	bool asks, answers;

	kind_of(c, s, p.side, b, &asks, &answers);
	if (answers && h->cancelled > 0) {
		close_cancelled(c, h, id);
		s = stream_find(h, id);
	}
	if (s == NULL && (asks || answers))
		s = stream_make(c, h, id);
	if (s == NULL)
		return;
	h->newest = asks && id > h->newest ? id : h->newest;
	if (status != NULL && is_interim(*status))
		interim(c, s, p, *status, b);
	else if (s->pushed && !s->half[p.side].headed)
		pushed_response(&s->half[p.side], b);
	else if (asks && s->half[p.side].m == NULL && !s->half[p.side].over)
		begin_request(c, s, p, b);
	else if (answers && s->half[p.side].m == NULL && !s->half[p.side].over)
		begin_response(c, s, p, b);
	else
		trailers(&s->half[p.side], b);
	if ((p.flags & END_STREAM) != 0 && (status == NULL || !is_interim(*status))) {
		take_graphql(&s->half[p.side]);
		end_half(s, p.side, p.end);
		remove_if_over(h, s);
	}
}

/* RFC 9113 8.4: on the stream that it promises the server answers without being asked. */
static void take_promise(struct conn *c, uint32_t id, struct place p, const struct block *b)
{
	struct http2_conn *h = state_of(c);
	struct stream *s;
	struct half *half;

	if (id == 0 || stream_find(h, id) != NULL)
		return;
	s = stream_make(c, h, id);
	if (s == NULL)
		return;
	half = &s->half[p.side];
	s->pushed = true;
	s->asker = (uint8_t)p.side;
	s->half[side_other(p.side)].over = true;
	half->m = message_begin(c, p.side, p.begin,
				(struct message_open){ .kind = MESSAGE_ONEWAY });
	message_stream(half->m, id);
	message_flag(half->m, FLAG_from_server);
	tell_request(half, b);
	message_head(half->m, p.end);
}

/* ---- header blocks: HEADERS or PUSH_PROMISE, and its CONTINUATIONs ---- */

static uint32_t be32(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static uint32_t payload_bytes(const uint8_t *frame)
{
	return be32(frame) >> 8;
}

static uint32_t stream_id(const uint8_t *frame)
{
	return be32(frame + 5) & 0x7fffffff;
}

/* The part of a frame's payload that belongs to the block. Returns false if padding or priority do
 * not fit into it. */
static bool fragment_of(const uint8_t *frame, struct slice *ret)
{
	struct cursor c = cursor_over(slice_of(frame + FRAME_HEADER_BYTES, payload_bytes(frame)));
	uint8_t type = frame[3], flags = type == FRAME_CONTINUATION ? 0 : frame[4];
	uint8_t pad = (flags & PADDED) != 0 ? cursor_u8(&c) : 0;

	if (type == FRAME_HEADERS && (flags & PRIORITY) != 0)
		cursor_take(&c, 5);
	if (type == FRAME_PUSH_PROMISE)
		cursor_take(&c, 4);
	if (c.failed || pad > c.left.bytes)
		return false;
	*ret = slice_of(c.left.at, c.left.bytes - pad);
	return true;
}

/* The stream that a PUSH_PROMISE promises, once its fragment is known to be there. */
static uint32_t promised_id(const uint8_t *frame)
{
	return be32(frame + FRAME_HEADER_BYTES + ((frame[4] & PADDED) != 0)) & 0x7fffffff;
}

static struct hpack *hpack_of(struct conn *c, enum side side)
{
	struct http2_side *s = &state_of(c)->side[side];

	if (s->hpack == NULL)
		s->hpack = hpack_new(c, !state_of(c)->from_start && conn_is_midstream(c, side));
	return s->hpack;
}

/* Of `bytes` of whole frames. Returns false if they are no block. */
static bool decode_block(struct conn *c, enum side side, struct slice frames, struct block *b)
{
	struct hpack *hpack = hpack_of(c, side);
	struct http2_side *s = &state_of(c)->side[side];

	b->broken = s->broken || hpack == NULL;
	while (frames.bytes > 0) {
		struct slice piece,
			next = slice_after(frames, FRAME_HEADER_BYTES + payload_bytes(frames.at));

		if (!fragment_of(frames.at, &piece))
			return false;
		if (!b->broken && !hpack_decode(hpack, piece, next.bytes == 0, add_line, b))
			b->broken = s->broken = true;
		frames = next;
	}
	return true;
}

static __attribute__((noinline)) size_t take_block(struct conn *c, enum side side,
						   struct slice frames)
{
	struct place p = { side, frames.at, frames.at + frames.bytes, frames.at[4] };
	struct block b; /* its text is written before it is read */

	b.lines = b.text_bytes = 0;
	b.unknown = b.cut = b.broken = false;
	if (!decode_block(c, side, frames, &b))
		return end_reading(c);
	/* A table that cannot be followed any more: what this block says is not known, only that it
	 * ends the stream. */
	if (b.broken) {
		b.lines = 0;
		b.unknown = true;
	}
	if (frames.at[3] == FRAME_PUSH_PROMISE)
		take_promise(c, promised_id(frames.at), p, &b);
	else
		take_headers(c, stream_id(frames.at), p, &b);
	return frames.bytes;
}

/* read_block - which begins at `in`. Returns how many bytes were taken; 0: it is not all there, or
 * nothing can be read any more. */
static size_t read_block(struct conn *c, enum side side, struct slice in)
{
	struct http2_side *s = &state_of(c)->side[side];

	for (;;) {
		struct slice rest = slice_after(in, s->walked);
		bool is_header = rest.bytes >= FRAME_HEADER_BYTES;
		size_t need = FRAME_HEADER_BYTES + (is_header ? payload_bytes(rest.at) : 0);

		if (is_header && s->walked > 0 &&
		    (rest.at[3] != FRAME_CONTINUATION || stream_id(rest.at) != stream_id(in.at)))
			return end_reading(c);
		if (rest.bytes < need && conn_full(c, side))
			return end_reading(c);
		if (rest.bytes < need) {
			conn_need(c, side, s->walked + need);
			return 0;
		}
		s->walked += (uint32_t)need;
		if ((rest.at[4] & END_HEADERS) != 0)
			break;
	}
	in.bytes = s->walked;
	s->walked = 0;
	return take_block(c, side, in);
}

/* ---- DATA ---- */

/* Prefix and messages of gRPC, as they go by in a body. Returns how many bytes of `in` were read,
 * at least one. The rest of the message is skipped; *ret_skip says how much. */
static size_t read_prefix(struct calls *k, struct slice in, uint32_t left)
{
	size_t n = GRPC_PREFIX_BYTES - k->prefix_bytes;

	if (n > left)
		n = left;
	if (n > in.bytes)
		n = in.bytes;
	if (n > 0)
		memcpy(k->prefix + k->prefix_bytes, in.at, n);
	k->prefix_bytes += (uint8_t)n;
	if (k->prefix_bytes == GRPC_PREFIX_BYTES) {
		k->left = be32(k->prefix + 1);
		k->messages++;
		k->bytes += k->left;
		k->compressed += k->prefix[0] & 1;
		if (k->left == 0)
			k->prefix_bytes = 0;
	}
	return n;
}

/* read_data - within a DATA frame. Returns how many bytes were taken; *ret_stops: the host skips
 * what follows, or nothing is there.
 */
static size_t read_data(struct conn *c, enum side side, struct slice in, bool *ret_stops)
{
	struct http2_conn *h = state_of(c);
	struct http2_side *s = &h->side[side];
	struct stream *stream = stream_find(h, s->stream);
	struct half *half = stream == NULL ? NULL : &stream->half[side];
	struct calls *k = half != NULL && half->grpc && !half->calls.unsure ? &half->calls : NULL;
	struct message *m = half == NULL ? NULL : half->m;
	uint32_t skip = s->left;
	size_t n;

	*ret_stops = false;
	if (s->left > 0 && k != NULL && k->left == 0) {
		*ret_stops = in.bytes == 0; /* and nothing is there yet */
		n = read_prefix(k, in, s->left);
		message_body(m, slice_of(in.at, n));
		s->left -= (uint32_t)n;
		return n;
	}
	if (k != NULL && k->left < skip)
		skip = k->left;
	if (skip == 0 && s->pad > 0) {
		skip = s->pad;
		s->pad = 0;
		m = NULL;
	} else {
		s->left -= skip;
	}
	if (skip > 0) {
		if (k != NULL && m != NULL && (k->left -= skip) == 0)
			k->prefix_bytes = 0;
		*ret_stops = true;
		conn_skip(c, side, skip, m);
		return 0;
	}
	s->in_data = false;
	if (stream != NULL && (s->flags & END_STREAM) != 0) {
		take_graphql(&stream->half[side]);
		end_half(stream, side, in.at);
		remove_if_over(h, stream);
	}
	return 0;
}

/* Returns how many bytes were taken; 0: the padding's length is not there yet, or nothing can be
 * read any more. */
static size_t begin_data(struct conn *c, enum side side, struct slice in)
{
	struct http2_side *s = &state_of(c)->side[side];
	bool padded = (in.at[4] & PADDED) != 0;
	size_t n = FRAME_HEADER_BYTES + padded;

	s->left = payload_bytes(in.at);
	if (padded && s->left == 0)
		return end_reading(c);
	if (in.bytes < n) {
		conn_need(c, side, n);
		return 0;
	}
	s->pad = padded ? in.at[FRAME_HEADER_BYTES] : 0;
	if (padded && s->pad >= s->left)
		return end_reading(c);
	s->left -= s->pad + padded;
	s->flags = in.at[4];
	s->stream = stream_id(in.at);
	s->in_data = true;
	return n;
}

/* ---- frames that say something about streams or tables ---- */

static void reset(struct conn *c, enum side side, struct slice frame)
{
	struct http2_conn *h = state_of(c);
	struct stream *s = stream_find(h, stream_id(frame.at));
	struct half *half;
	const char *why;

	if (s == NULL || payload_bytes(frame.at) < 4)
		return;
	why = error_name(be32(frame.at + FRAME_HEADER_BYTES));
	/* The word is told on what the resetting side has open, or else on what it breaks off. */
	half = s->half[side].m != NULL ? &s->half[side] : &s->half[side_other(side)];
	tell_word(half->m, HTTP2_RESET, why);
	end_half(s, SIDE_A, NULL);
	end_half(s, SIDE_B, NULL);
	if (s->asker == SIDE_UNKNOWN || s->pushed ||
	    s->half[side_other((enum side)s->asker)].headed) {
		stream_remove(h, s);
	} else if (s->asker == side) {
		s->half[side_other(side)].over = false;
		h->cancelled += !s->cancelled;
		s->cancelled = true;
		s->cancelled_at = h->newest;
	} else {
		conn_request_close(c, (enum side)s->asker, s->id, WHY_reset);
		stream_remove(h, s);
	}
}

/* RFC 9113 6.8: streams beyond the last one named were not and will not be answered. */
static void goaway(struct conn *c, enum side side, struct slice frame)
{
	struct http2_conn *h = state_of(c);
	uint32_t last;

	if (payload_bytes(frame.at) < 8)
		return;
	last = be32(frame.at + FRAME_HEADER_BYTES) & 0x7fffffff;
	for (uint32_t i = 0; i < h->slots;) {
		struct stream *s = &h->stream[i];

		if (s->id <= last || s->asker != side_other(side) || s->pushed ||
		    s->half[side].headed || s->half[s->asker].m != NULL) {
			i++;
			continue;
		}
		conn_request_close(c, (enum side)s->asker, s->id, WHY_connection_closed);
		stream_remove(h, s); /* another one may have come into the slot */
	}
}

/* RFC 9113 6.5.3: a value is in force for the other side's blocks once that side has acknowledged
 * it. */
static void settings(struct conn *c, enum side side, struct slice frame)
{
	struct http2_side *s = &state_of(c)->side[side],
			  *peer = &state_of(c)->side[side_other(side)];
	struct cursor v = cursor_over(
		slice_of(frame.at + FRAME_HEADER_BYTES, payload_bytes(frame.at)));
	uint32_t value = 0;
	bool known = false;

	if ((frame.at[4] & ACK) != 0) {
		struct hpack *hpack = hpack_of(c, side);

		if (peer->unacknowledged == 0)
			return;
		if (peer->limit_known[0] && hpack != NULL)
			hpack_limit(hpack, peer->limit[0]);
		peer->unacknowledged--;
		memmove(peer->limit, peer->limit + 1, (LIMITS_MAX - 1) * sizeof(peer->limit[0]));
		memmove(peer->limit_known, peer->limit_known + 1,
			(LIMITS_MAX - 1) * sizeof(peer->limit_known[0]));
		return;
	}
	while (v.left.bytes >= SETTING_BYTES) {
		uint16_t id = cursor_be16(&v);
		uint32_t setting = cursor_be32(&v);

		if (id == SETTING_TABLE_SIZE) {
			known = true;
			value = setting;
		}
	}
	if (s->unacknowledged == LIMITS_MAX) { /* nobody sends so many without waiting */
		peer->broken = peer->broken || known;
		return;
	}
	s->limit[s->unacknowledged] = value;
	s->limit_known[s->unacknowledged++] = known;
}

/* Returns how many bytes were taken; 0: it is not all there, or it will never be. */
static size_t read_small(struct conn *c, enum side side, struct slice in)
{
	size_t bytes = FRAME_HEADER_BYTES + payload_bytes(in.at);

	if (in.bytes < bytes) {
		if (conn_full(c, side))
			return end_reading(c);
		conn_need(c, side, bytes);
		return 0;
	}
	in.bytes = bytes;
	if (in.at[3] == FRAME_RST_STREAM)
		reset(c, side, in);
	else if (in.at[3] == FRAME_SETTINGS)
		settings(c, side, in);
	else
		goaway(c, side, in);
	return bytes;
}

/* ---- what a frame looks like ---- */

/* How much a frame's header, and what is seen of its payload, says about HTTP/2. */
static enum guess weigh(const uint8_t *frame, struct slice payload)
{
	static const uint8_t flags[] = {
		0x09, 0x2d, 0x00, 0x00, 0x01, 0x0c, 0x01, 0x00, 0x00, 0x04
	};
	uint32_t bytes = payload_bytes(frame), id = be32(frame + 5);
	uint8_t type = frame[3];

	if (bytes > 16384 || type > FRAME_CONTINUATION || (frame[4] & ~flags[type]) != 0 ||
	    id > 0x7fffffff)
		return GUESS_NO;
	if ((type == FRAME_SETTINGS || type == FRAME_PING || type == FRAME_GOAWAY) != (id == 0) &&
	    type != FRAME_WINDOW_UPDATE)
		return GUESS_NO;
	switch ((enum frame_type)type) {
	case FRAME_SETTINGS:
		if (bytes % SETTING_BYTES != 0 || bytes > 40 * SETTING_BYTES ||
		    ((frame[4] & ACK) != 0 && bytes != 0))
			return GUESS_NO;
		if (payload.bytes >= 2 && (payload.at[0] != 0 || payload.at[1] > 16) &&
		    (payload.at[0] & 0x0f) != 0x0a) /* ids: assigned, or reserved to be ignored */
			return GUESS_NO;
		return bytes > 0 && payload.bytes >= SETTING_BYTES ? GUESS_YES : GUESS_MAYBE;
	case FRAME_PING: return bytes == 8 ? GUESS_YES : GUESS_NO;
	case FRAME_WINDOW_UPDATE: return bytes == 4 ? GUESS_MAYBE : GUESS_NO;
	case FRAME_GOAWAY: return bytes >= 8 && bytes < 1024 ? GUESS_MAYBE : GUESS_NO;
	case FRAME_RST_STREAM: return bytes == 4 ? GUESS_MAYBE : GUESS_NO;
	case FRAME_PRIORITY: return bytes == 5 ? GUESS_MAYBE : GUESS_NO;
	case FRAME_HEADERS: {
		/* A block of a first request or response begins with a line of the static table, or
		 * a change of the table's size. */
		size_t skip = ((frame[4] & PADDED) != 0) + ((frame[4] & PRIORITY) != 0 ? 5u : 0);
		uint8_t first;

		if (id % 2 == 0 || bytes <= skip)
			return GUESS_NO;
		if (payload.bytes <= skip)
			return GUESS_MAYBE;
		first = payload.at[skip];
		return (first >= 0x82 && first <= 0xc0 + 62) || (first >= 0x41 && first <= 0x48) ||
				       (first & 0xe0) == 0x20
			       ? GUESS_YES
			       : GUESS_MAYBE;
	}
	case FRAME_DATA:
	case FRAME_PUSH_PROMISE:
	case FRAME_CONTINUATION: break;
	}
	return GUESS_MAYBE;
}

/* After a hole a frame is believed to begin where it can hardly be anything else, or speaks of a
 * stream that is open. */
static bool is_resumed(const struct http2_conn *h, enum side side, struct slice in)
{
	enum guess g = weigh(in.at, slice_after(in, FRAME_HEADER_BYTES));
	const struct stream *s = stream_find(h, stream_id(in.at));

	if (g == GUESS_MAYBE)
		return in.at[3] != FRAME_DATA ? payload_bytes(in.at) < 16 || s != NULL
					      : s != NULL && s->half[side].m != NULL;
	return g == GUESS_YES;
}

/* ---- feed ---- */

/* The client's preface (RFC 9113 3.4). Returns its bytes; 0: more are needed; -1: there is none. */
static int read_preface(struct slice in)
{
	size_t n = in.bytes < PREFACE_BYTES ? in.bytes : PREFACE_BYTES;

	if (memcmp(in.at, preface, n) != 0)
		return -1;
	return n == PREFACE_BYTES ? PREFACE_BYTES : 0;
}

/* read_frame - which begins at `in`, its header being there. */
static size_t read_frame(struct conn *c, enum side side, struct slice in, bool *ret_stops)
{
	/* RFC 9113 6.1, 6.2, 6.6: these belong to a stream. */
	if (stream_id(in.at) == 0 &&
	    (in.at[3] == FRAME_DATA || in.at[3] == FRAME_HEADERS || in.at[3] == FRAME_PUSH_PROMISE))
		return end_reading(c);
	switch ((enum frame_type)in.at[3]) {
	case FRAME_DATA: return begin_data(c, side, in);
	case FRAME_HEADERS:
	case FRAME_PUSH_PROMISE: return read_block(c, side, in);
	case FRAME_CONTINUATION: return end_reading(c);
	case FRAME_RST_STREAM:
	case FRAME_SETTINGS:
	case FRAME_GOAWAY: return read_small(c, side, in);
	case FRAME_PRIORITY:
	case FRAME_PING:
	case FRAME_WINDOW_UPDATE: break;
	}
	/* RFC 9113 4.1: also of a type that is not known. */
	*ret_stops = payload_bytes(in.at) > 0;
	if (*ret_stops)
		conn_skip(c, side, payload_bytes(in.at), NULL);
	return FRAME_HEADER_BYTES;
}

static size_t feed(struct conn *c, enum side side, struct slice in)
{
	struct http2_conn *h = state_of(c);
	struct http2_side *s = &h->side[side];
	size_t taken = 0, n = 0;

	if (!s->begun && in.bytes > 0) {
		int found = read_preface(in);

		if (found == 0 && !conn_full(c, side))
			return 0;
		s->begun = true;
		h->from_start = h->from_start || found > 0;
		taken = found > 0 ? (size_t)found : 0;
	}
	while (!h->done) {
		struct slice rest = slice_after(in, taken);
		bool stops = false, in_data = s->in_data;

		if (!in_data && rest.bytes < FRAME_HEADER_BYTES) {
			if (rest.bytes > 0)
				conn_need(c, side, FRAME_HEADER_BYTES);
			return taken;
		}
		if (s->resumes && !is_resumed(h, side, rest)) {
			conn_skip(c, side, UINT64_MAX, NULL);
			return taken;
		}
		s->resumes = false;
		n = in_data ? read_data(c, side, rest, &stops) : read_frame(c, side, rest, &stops);
		taken += n;
		if (stops || (n == 0 && !in_data))
			return taken;
	}
	return taken;
}

/* ---- the rest of the contract ---- */

/* A hole between frames: which of them are missing nobody knows, so the table's entries are unknown
 * again, and every message open may lack a piece. Within a frame it is the same; then what follows
 * is no frame's beginning. */
static enum resync gap(struct conn *c, enum side side, uint64_t bytes)
{
	struct http2_conn *h = state_of(c);
	struct http2_side *s = &h->side[side];

	(void)bytes;
	hpack_free(s->hpack);
	s->hpack = hpack_new(c, true);
	s->broken = false;
	s->in_data = false;
	s->walked = 0;
	s->begun = s->resumes = true;
	for (uint32_t i = 0; i < h->slots; i++) {
		struct half *half = &h->stream[i].half[side];

		if (h->stream[i].id == 0 || half->m == NULL)
			continue;
		message_flag(half->m, FLAG_gap_in_body);
		half->calls.unsure = true;
	}
	return RESYNC_SEARCH;
}

static void close_side(struct conn *c, enum side side, enum why why)
{
	struct http2_conn *h = state_of(c);

	(void)why;
	for (uint32_t i = 0; i < h->slots; i++)
		if (h->stream[i].id != 0)
			end_half(&h->stream[i], side, NULL);
}

static void fini(struct conn *c)
{
	struct http2_conn *h = state_of(c);

	for (int i = 0; i < 2; i++)
		hpack_free(h->side[i].hpack);
}

/* Whole frames one behind the other: two that fit are proof, one that can hardly be anything else
 * too. */
static enum guess probe_frames(struct slice in)
{
	uint32_t fitting = 0;

	while (in.bytes > 0) {
		enum guess g;

		if (in.bytes < FRAME_HEADER_BYTES)
			return fitting > 1 ? GUESS_YES : GUESS_MORE;
		g = weigh(in.at, slice_after(slice_of(in.at, in.bytes), FRAME_HEADER_BYTES));
		if (g == GUESS_NO)
			return GUESS_NO;
		if (g == GUESS_YES || ++fitting > 2)
			return GUESS_YES;
		in = slice_after(in, FRAME_HEADER_BYTES + payload_bytes(in.at));
	}
	return GUESS_MORE;
}

static enum guess probe(struct slice first, uint16_t port_hint)
{
	size_t n = first.bytes < PREFACE_BYTES ? first.bytes : PREFACE_BYTES;

	(void)port_hint;
	if (n == 0)
		return GUESS_MORE;
	if (memcmp(first.at, preface, n) == 0)
		return n == PREFACE_BYTES ? GUESS_YES : GUESS_MORE;
	return probe_frames(first);
}

/* 2: `.` is any byte. The preface; a frame of at most 2^14 bytes. */
static const struct pattern patterns[] = {
	{ "^PRI \\* HT", 0 },
	{ "^\\x00[\\x00-\\x40].[\\x00-\\x09][\\x00-\\x2f][\\x00-\\x7f]", 2 },
};

const struct dissector dissector_http2 = {
	.name = "http2",
	.proto = "http2",
	.title = "HTTP/2 in the clear",
	.fields = http2_fields,
	.field_count = HTTP2_FIELD_COUNT,
	.interim_field = HTTP2_INTERIM,
	.conn_bytes = sizeof(struct http2_conn),
	.patterns = patterns,
	.pattern_count = sizeof(patterns) / sizeof(patterns[0]),
	.probe = probe,
	.feed = feed,
	.gap = gap,
	.close = close_side,
	.fini = fini,
};
