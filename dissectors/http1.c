/* http1 - HTTP/1.0 and 1.1 (RFC 9112, RFC 9110), and the request line of HTTP/0.9.
 *
 * Understood: pipelining, keep-alive, every rule of message length (RFC 9112
 * 6.3), chunked bodies with extensions and trailers, 1xx, Upgrade and CONNECT,
 * obs-fold, lone LF. After a gap or after bytes that are no message the next
 * start line is searched for.
 *
 * Left alone: bodies (skipped, not shown), trailer fields, what the headers mean.
 *
 * Where a message breaks the rules one interpretation is chosen, the same
 * every time, and the message is flagged `anomaly`:
 *     Transfer-Encoding and Content-Length      the former counts (RFC 9112 6.3, 3)
 *     several Content-Lengths that differ       the first counts
 *     a Content-Length that is no number        there is none
 *     a request whose last coding is not chunked   it has no body
 *     white space before the colon              the field counts
 *     CRLF and lone LF in one head              both end lines
 *
 * A head is read line by line, each taken as soon as it is complete, so only a
 * line is ever gathered; where the whole head is there it is one pass.
 */
#include <string.h>

#include "dataplane/base/compiler.h"
#include "dissectors/dissector.h"

enum own_field { HTTP_HOST = FIELD_OWN, HTTP_REASON, HTTP_INTERIM, HTTP_HEADERS };

static const struct field fields[] = {
	{ "host", FIELD_TEXT, "Host of the request" },
	{ "reason", FIELD_TEXT, "reason phrase of the response" },
	{ "interim", FIELD_LIST, "codes of the 1xx responses that came before" },
	{ "headers", FIELD_PAIRS, "header lines in order" },
};

/* What whoever reads the response must know of the request. */
enum note { NOTE_HEAD = 1, NOTE_CONNECT = 2, NOTE_UPGRADE = 4 };

enum state {
	AT_START, /* of a message */
	IN_HEAD,
	IN_BODY,  /* of known length; the next feed() is its end */
	AT_CHUNK, /* a chunk-size line */
	IN_CHUNK, /* the next feed() is behind its data */
	IN_TRAILER,
	UNTIL_CLOSE, /* the next feed() is the end of the side */
	SEARCHING,   /* for the next start line */
	HELD,        /* a client that asked for an upgrade waits for the answer */
};

enum { METHOD_BYTES = 32, START_LINE_SEARCHED = 8192, FOLDED_BYTES = 8192, UPGRADE_BYTES = 32 };

struct http_side {
	struct message *m;
	uint8_t state;
	bool begun;
	bool dirty;     /* bytes that were no message came before: the next one is an anomaly */
	bool drop_line; /* the rest of this line is over a limit */
	bool response;  /* what `m` is */
	bool interim;
	/* the head so far */
	bool crlf, lone_lf;
	bool has_length, has_coding, chunked;
	bool asks_upgrade;
	uint16_t status;
	uint64_t length;
	uint64_t note;   /* of the request that this response answers */
	size_t searched; /* bytes of the first line not taken that hold no line end */
	char upgrade[UPGRADE_BYTES];
};

struct http_conn {
	struct http_side side[2];
	bool undecided; /* an upgrade or CONNECT has been asked for and not been answered */
};

/* ---- characters ---- */

/* RFC 9110 5.6.2: tchar. */
static const uint8_t tchar[256] = {
	['!'] = 1, ['#'] = 1, ['$'] = 1, ['%'] = 1,         ['&'] = 1,         ['\''] = 1,
	['*'] = 1, ['+'] = 1, ['-'] = 1, ['.'] = 1,         ['^'] = 1,         ['_'] = 1,
	['`'] = 1, ['|'] = 1, ['~'] = 1, ['0' ... '9'] = 1, ['A' ... 'Z'] = 1, ['a' ... 'z'] = 1,
};

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

static struct slice trimmed(struct slice s)
{
	while (s.bytes > 0 && is_blank(s.at[0]))
		s = slice_after(s, 1);
	while (s.bytes > 0 && is_blank(s.at[s.bytes - 1]))
		s.bytes--;
	return s;
}

/* `name` in lower case. */
static bool is_word(struct slice s, const char *name, size_t bytes)
{
	if (s.bytes != bytes)
		return false;
	for (size_t i = 0; i < bytes; i++)
		if ((s.at[i] | 0x20) != name[i])
			return false;
	return true;
}
#define IS_WORD(s, name) is_word(s, name, sizeof(name) - 1)

static bool starts_with(struct slice s, const char *text, size_t bytes)
{
	return s.bytes >= bytes && memcmp(s.at, text, bytes) == 0;
}

/* ---- start lines ---- */

struct start_line {
	struct slice method, target, version, code, reason;
};

static bool is_version(struct slice s)
{
	return s.bytes == 8 && memcmp(s.at, "HTTP/", 5) == 0 && is_digit(s.at[5]) &&
	       s.at[6] == '.' && is_digit(s.at[7]);
}

/* RFC 9112 3: method SP request-target SP HTTP-version. Without a version: HTTP/0.9, GET only. */
static bool read_request_line(struct slice line, struct start_line *ret)
{
	size_t n = 0;
	struct slice rest;

	while (n < line.bytes && n <= METHOD_BYTES && tchar[line.at[n]])
		n++;
	if (n == 0 || n > METHOD_BYTES || n + 1 >= line.bytes || line.at[n] != ' ')
		return false;
	*ret = (struct start_line){ .method = slice_of(line.at, n) };
	rest = slice_after(line, n + 1);
	if (rest.bytes > 9 && rest.at[rest.bytes - 9] == ' ' &&
	    is_version(slice_after(rest, rest.bytes - 8))) {
		ret->version = slice_of(rest.at + rest.bytes - 3, 3);
		ret->target = slice_of(rest.at, rest.bytes - 9);
		return true;
	}
	ret->version = slice_of("0.9", 3);
	ret->target = rest;
	return n == 3 && memcmp(line.at, "GET", 3) == 0 && rest.at[0] == '/' &&
	       memchr(rest.at, ' ', rest.bytes) == NULL;
}

/* RFC 9112 4: HTTP-version SP status-code SP [reason-phrase]; the second SP is often left out. */
static bool read_status_line(struct slice line, struct start_line *ret)
{
	if (line.bytes < 12 || !is_version(slice_of(line.at, 8)) || line.at[8] != ' ' ||
	    !is_digit(line.at[9]) || !is_digit(line.at[10]) || !is_digit(line.at[11]) ||
	    (line.bytes > 12 && line.at[12] != ' '))
		return false;
	*ret = (struct start_line){ .version = slice_of(line.at + 5, 3),
				    .code = slice_of(line.at + 9, 3),
				    .reason = slice_after(line, 13) };
	return true;
}

/* ---- lines ---- */

/* The first line of `in` without its end; *ret_taken includes the end. False: not complete yet. */
static bool take_line(struct http_side *s, struct slice in, struct slice *ret, size_t *ret_taken)
{
	const uint8_t *lf = in.bytes > s->searched
				    ? memchr(in.at + s->searched, '\n', in.bytes - s->searched)
				    : NULL;
	size_t n;

	if (lf == NULL) {
		s->searched = in.bytes;
		return false;
	}
	n = (size_t)(lf - in.at);
	*ret_taken = n + 1;
	if (n > 0 && in.at[n - 1] == '\r') {
		n--;
		s->crlf = true;
	} else {
		s->lone_lf = true;
	}
	*ret = slice_of(in.at, n);
	s->searched = 0;
	return true;
}

/* RFC 9112 5.2: a line that begins with white space continues the one before. Returns false while
 * it cannot be told whether the line goes on. With *ret_folded there are line ends inside *ret. */
static bool take_field_line(struct conn *c, enum side side, struct http_side *s, struct slice in,
			    struct slice *ret, size_t *ret_taken, bool *ret_folded)
{
	*ret_folded = false;
	if (!take_line(s, in, ret, ret_taken))
		return false;
	if (ret->bytes == 0)
		return true;
	while (*ret_taken < in.bytes) {
		struct slice more;

		if (!is_blank(in.at[*ret_taken]))
			return true;
		s->searched = *ret_taken;
		if (!take_line(s, in, &more, ret_taken))
			return false;
		ret->bytes = more.bytes; /* counted from the same start */
		*ret_folded = true;
	}
	if (conn_full(c, side))
		return true;
	s->searched = *ret_taken - 1; /* the line end is found again with the byte that tells */
	return false;
}

/* One space for each line end with the white space behind it. */
static struct slice unfold(struct slice line, uint8_t room[FOLDED_BYTES])
{
	size_t n = 0;

	for (size_t i = 0; i < line.bytes && n < FOLDED_BYTES; i++) {
		if (line.at[i] != '\r' && line.at[i] != '\n') {
			room[n++] = line.at[i];
			continue;
		}
		while (i + 1 < line.bytes && (is_blank(line.at[i + 1]) || line.at[i + 1] == '\n' ||
					      line.at[i + 1] == '\r'))
			i++;
		room[n++] = ' ';
	}
	return slice_of(room, n);
}

/* ---- header fields ---- */

/* RFC 9112 6.2: 1*DIGIT. A list of equal numbers is read as one. False: no number. */
static bool read_length(struct slice value, uint64_t *ret, bool *ret_odd)
{
	uint64_t v = 0;
	size_t i = 0;

	for (; i < value.bytes && is_digit(value.at[i]); i++) {
		if (v > (UINT64_C(1) << 63) / 10)
			return false;
		v = v * 10 + (uint64_t)(value.at[i] - '0');
	}
	if (i == 0 || v > INT64_MAX)
		return false;
	*ret = v;
	*ret_odd = i < value.bytes;
	if (i < value.bytes) {
		struct slice rest = trimmed(slice_after(value, i));
		uint64_t again;
		bool odd;

		if (rest.at[0] != ',' || !read_length(trimmed(slice_after(rest, 1)), &again, &odd))
			return false;
	}
	return true;
}

static void take_length(struct http_side *s, struct slice value)
{
	uint64_t v = 0;
	bool odd = false;

	if (!read_length(value, &v, &odd)) {
		message_flag(s->m, FLAG_anomaly);
		return;
	}
	if (odd || s->has_length)
		message_flag(s->m, FLAG_anomaly);
	if (!s->has_length)
		s->length = v;
	s->has_length = true;
}

/* RFC 9112 6.1: only the last coding decides how the length is told. */
static void take_coding(struct http_side *s, struct slice value)
{
	size_t from = value.bytes;

	if (s->has_coding)
		message_flag(s->m, FLAG_anomaly);
	s->has_coding = true;
	while (from > 0 && value.at[from - 1] != ',')
		from--;
	s->chunked = IS_WORD(trimmed(slice_after(value, from)), "chunked");
}

static void take_upgrade(struct http_side *s, struct slice value)
{
	size_t n = 0;

	while (n < value.bytes && n + 1 < UPGRADE_BYTES && value.at[n] != ',' &&
	       !is_blank(value.at[n]) && value.at[n] != '/') {
		s->upgrade[n] = (char)(value.at[n] >= 'A' && value.at[n] <= 'Z' ? value.at[n] | 0x20
										: value.at[n]);
		n++;
	}
	s->upgrade[n] = 0;
	s->asks_upgrade = n > 0;
}

static void take_framing_field(struct http_side *s, struct slice name, struct slice value,
			       bool folded)
{
	bool framing = true;

	if (IS_WORD(name, "content-length"))
		take_length(s, value);
	else if (IS_WORD(name, "transfer-encoding"))
		take_coding(s, value);
	else
		framing = false;
	if (framing && (folded || memchr(value.at, '\r', value.bytes) != NULL))
		message_flag(s->m, FLAG_anomaly);
	if (IS_WORD(name, "upgrade"))
		take_upgrade(s, value);
	if (!s->response && IS_WORD(name, "host"))
		message_text(s->m, HTTP_HOST, value);
}

static void take_field(struct http_side *s, struct slice line, bool wanted, bool folded)
{
	struct slice name = { .at = line.at }, value;

	while (name.bytes < line.bytes && tchar[line.at[name.bytes]])
		name.bytes++;
	if (unlikely(name.bytes == 0 || name.bytes == line.bytes || line.at[name.bytes] != ':')) {
		/* RFC 9112 5.1: no white space before the colon, nor anything else that is no
		 * token. */
		const uint8_t *colon = memchr(line.at, ':', line.bytes);

		message_flag(s->m, FLAG_anomaly);
		if (colon == NULL || colon == line.at || is_blank(line.at[0]))
			return;
		name.bytes = (size_t)(colon - line.at);
	}
	value = trimmed(slice_after(line, name.bytes + 1));
	name = trimmed(name);
	/* Names that matter have one of four lengths. */
	if (name.bytes == 4 || name.bytes == 7 || name.bytes == 14 || name.bytes == 17)
		take_framing_field(s, name, value, folded);
	if (wanted)
		message_pair(s->m, HTTP_HEADERS, name, value);
}

/* Apart from take_field(), which would have to clear the way for so much stack each time. */
static __attribute__((noinline)) void take_folded_field(struct http_side *s, struct slice line,
							bool wanted)
{
	uint8_t room[FOLDED_BYTES];

	take_field(s, unfold(line, room), wanted, true);
}

/* ---- the end of a head: how long is the body? ---- */

static void end_message(struct http_side *s, const uint8_t *end)
{
	message_end(s->m, end);
	s->m = NULL;
	s->state = AT_START;
}

static void skip(struct conn *c, enum side side, struct http_side *s, uint64_t bytes,
		 enum state next)
{
	s->state = (uint8_t)next;
	conn_skip(c, side, bytes, s->m);
}

/* RFC 9112 6.3, in its order; what is left of it behind the cases of responses. */
static void begin_body(struct conn *c, enum side side, struct http_side *s, const uint8_t *end)
{
	if (s->has_coding && s->has_length)
		message_flag(s->m, FLAG_anomaly);
	if (s->has_coding && s->chunked) {
		s->state = AT_CHUNK;
	} else if (s->has_coding && s->response) {
		skip(c, side, s, UINT64_MAX, UNTIL_CLOSE);
	} else if (s->has_coding) {
		message_flag(s->m, FLAG_anomaly);
		end_message(s, end);
	} else if (s->has_length && s->length > 0) {
		skip(c, side, s, s->length, IN_BODY);
	} else if (s->response && !s->has_length) {
		skip(c, side, s, UINT64_MAX, UNTIL_CLOSE);
	} else {
		end_message(s, end);
	}
}

static void end_response_head(struct conn *c, enum side side, struct http_side *s,
			      const uint8_t *end)
{
	struct http_conn *h = conn_state(c);
	bool final = !s->interim;

	if (final && (s->note & (NOTE_CONNECT | NOTE_UPGRADE)) != 0)
		h->undecided = false;
	if (s->status == 101) {
		if ((s->note & NOTE_UPGRADE) == 0)
			message_flag(s->m, FLAG_anomaly);
		end_message(s, end);
		conn_become(c, strcmp(s->upgrade, "h2c") == 0 ? "http2" : s->upgrade);
	} else if ((s->note & NOTE_CONNECT) != 0 && s->status / 100 == 2) {
		end_message(s, end);
		conn_become(c, NULL);
	} else if (!final || (s->note & NOTE_HEAD) != 0 || s->status == 204 || s->status == 304) {
		end_message(s, end);
	} else {
		begin_body(c, side, s, end);
	}
}

static void end_head(struct conn *c, enum side side, struct http_side *s, const uint8_t *end)
{
	struct http_conn *h = conn_state(c);
	uint64_t note = s->note;

	message_head(s->m, end);
	if (s->crlf && s->lone_lf)
		message_flag(s->m, FLAG_anomaly);
	if (s->response) {
		end_response_head(c, side, s, end);
		return;
	}
	if (s->asks_upgrade && s->upgrade[0] != 0)
		note |= NOTE_UPGRADE;
	if (note != 0)
		message_note(s->m, note);
	begin_body(c, side, s, end);
	if ((note & (NOTE_CONNECT | NOTE_UPGRADE)) != 0) {
		h->undecided = true;
		if (s->state == AT_START)
			s->state = HELD;
	}
}

/* ---- heads ---- */

static void reset_head(struct http_side *s)
{
	s->has_length = s->has_coding = s->chunked = s->asks_upgrade = s->interim = false;
	s->length = 0;
	s->note = 0;
	s->status = 0;
	s->upgrade[0] = 0;
}

static void begin_request(struct conn *c, enum side side, struct http_side *s,
			  const struct start_line *l)
{
	struct message_open open = { .kind = MESSAGE_REQUEST };

	reset_head(s);
	if (l->method.bytes == 4 && memcmp(l->method.at, "HEAD", 4) == 0)
		open.note = NOTE_HEAD;
	else if (l->method.bytes == 7 && memcmp(l->method.at, "CONNECT", 7) == 0)
		open.note = NOTE_CONNECT;
	s->note = open.note;
	s->response = false;
	s->m = message_begin(c, side, l->method.at, open);
	message_text(s->m, FIELD_METHOD, l->method);
	message_text(s->m, FIELD_TARGET, l->target);
	message_text(s->m, FIELD_VERSION, l->version);
}

/* Returns false while the request may only be late. */
static bool begin_response(struct conn *c, enum side side, struct http_side *s, const uint8_t *at,
			   const struct start_line *l)
{
	struct message_open open = { .kind = MESSAGE_RESPONSE };
	uint64_t note = 0;
	uint16_t status = (uint16_t)((l->code.at[0] - '0') * 100 + (l->code.at[1] - '0') * 10 +
				     (l->code.at[2] - '0'));

	if (conn_request_note(c, side, at, 0, &note) == REQUEST_NONE && !conn_waited(c, side)) {
		conn_wait_peer(c, side);
		return false;
	}
	reset_head(s);
	s->note = note;
	s->status = status;
	s->response = true;
	/* RFC 9110 15.2: 101 is the last word in HTTP; every other 1xx is not. */
	s->interim = status / 100 == 1 && status != 101;
	if (s->interim)
		open.kind = MESSAGE_INTERIM;
	s->m = message_begin(c, side, at, open);
	message_text(s->m, FIELD_CODE, l->code);
	message_text(s->m, FIELD_VERSION, l->version);
	if (l->reason.bytes > 0)
		message_text(s->m, HTTP_REASON, l->reason);
	if (status >= 500)
		message_failed(s->m);
	return true;
}

static void lost(struct http_side *s, bool dirty)
{
	s->state = SEARCHING;
	s->searched = 0;
	s->dirty = s->dirty || dirty;
}

static bool is_response_side(const struct conn *c, enum side side, struct slice in)
{
	enum side client = conn_client(c);

	return client == SIDE_UNKNOWN ? starts_with(in, "HTTP/", 5) : client != side;
}

static size_t empty_lines(struct slice in)
{
	size_t n = 0;

	while (n < in.bytes && (in.at[n] == '\r' || in.at[n] == '\n'))
		n++;
	return n;
}

static size_t at_start(struct conn *c, enum side side, struct http_side *s, struct slice in)
{
	size_t dropped, taken;
	struct start_line l;
	struct slice line;
	bool response;

	/* RFC 9112 2.2: ignore empty lines before a request line. */
	dropped = s->searched == 0 ? empty_lines(in) : 0;
	if (dropped > 0)
		return dropped;
	s->crlf = s->lone_lf = false;
	if (!take_line(s, in, &line, &taken)) {
		if (conn_full(c, side))
			lost(s, true);
		return 0;
	}
	response = is_response_side(c, side, in);
	if (response ? !read_status_line(line, &l) : !read_request_line(line, &l)) {
		lost(s, true);
		return 0;
	}
	if (!response)
		begin_request(c, side, s, &l);
	else if (!begin_response(c, side, s, line.at, &l))
		return 0;
	if (s->dirty)
		message_flag(s->m, FLAG_anomaly);
	s->dirty = false;
	s->state = IN_HEAD;
	if (!response && l.version.at[0] == '0')
		end_head(c, side, s, in.at + taken); /* HTTP/0.9 has no header lines */
	return taken;
}

/* A line longer than what is gathered: what is there of it is dropped, and the rest as it comes. */
static size_t drop_long_line(struct http_side *s, struct slice in)
{
	const uint8_t *lf = memchr(in.at, '\n', in.bytes);

	s->drop_line = lf == NULL;
	s->searched = 0;
	return lf == NULL ? in.bytes : (size_t)(lf - in.at) + 1;
}

static size_t in_head(struct conn *c, enum side side, struct http_side *s, struct slice in)
{
	bool wanted = message_wants(s->m, HTTP_HEADERS), folded;
	size_t total = 0, taken;
	struct slice line;

	if (s->drop_line)
		return drop_long_line(s, in);
	while (s->state == IN_HEAD && total < in.bytes) {
		if (!take_field_line(c, side, s, slice_after(in, total), &line, &taken, &folded)) {
			if (!conn_full(c, side) || total > 0)
				return total;
			message_flag(s->m, FLAG_head_cut);
			return drop_long_line(s, in);
		}
		total += taken;
		if (line.bytes == 0)
			end_head(c, side, s, in.at + total);
		else if (unlikely(folded))
			take_folded_field(s, line, wanted);
		else
			take_field(s, line, wanted, false);
	}
	return total;
}

/* ---- chunks ---- */

/* RFC 9112 7.1: 1*HEXDIG [chunk-ext]. False: no size, or one that no body has. */
static bool read_chunk_size(struct slice line, uint64_t *ret, bool *ret_odd)
{
	struct slice digits = line;
	const uint8_t *ext = memchr(line.at, ';', line.bytes);
	uint64_t v = 0;

	if (ext != NULL)
		digits.bytes = (size_t)(ext - line.at);
	*ret_odd = trimmed(digits).bytes != digits.bytes;
	digits = trimmed(digits);
	for (size_t i = 0; i < digits.bytes; i++) {
		uint8_t ch = digits.at[i], low = ch | 0x20;

		if (!is_digit(ch) && (low < 'a' || low > 'f'))
			return false;
		if (v >> 59 != 0)
			return false;
		v = v << 4 | (uint64_t)(is_digit(ch) ? ch - '0' : low - 'a' + 10);
	}
	*ret = v;
	return digits.bytes > 0;
}

static void bad_chunk(struct http_side *s)
{
	message_flag(s->m, FLAG_anomaly);
	end_message(s, NULL);
	lost(s, false);
}

static size_t at_chunk(struct conn *c, enum side side, struct http_side *s, struct slice in)
{
	struct slice line = in;
	size_t taken = in.bytes;
	uint64_t size;
	bool odd;

	if (s->drop_line)
		return drop_long_line(s, in);
	if (!take_line(s, in, &line, &taken)) {
		if (conn_full(c, side))
			bad_chunk(s);
		return 0;
	}
	if (!read_chunk_size(line, &size, &odd)) {
		bad_chunk(s);
		return 0;
	}
	if (odd)
		message_flag(s->m, FLAG_anomaly);
	if (size == 0)
		s->state = IN_TRAILER;
	else
		skip(c, side, s, size, IN_CHUNK);
	return taken;
}

/* Behind the data of a chunk: its CRLF. */
static size_t in_chunk(struct conn *c, enum side side, struct http_side *s, struct slice in)
{
	size_t n = in.bytes > 0 && in.at[0] == '\r' ? 1 : 0;

	if (in.bytes == n) {
		if (n > 0 && conn_full(c, side))
			bad_chunk(s);
		return 0;
	}
	if (in.at[n] != '\n') {
		bad_chunk(s);
		return 0;
	}
	s->state = AT_CHUNK;
	return n + 1;
}

static size_t in_trailer(struct conn *c, enum side side, struct http_side *s, struct slice in)
{
	struct http_conn *h = conn_state(c);
	size_t total = 0, taken;
	struct slice line;

	if (s->drop_line)
		return drop_long_line(s, in);
	while (s->state == IN_TRAILER && total < in.bytes) {
		if (!take_line(s, slice_after(in, total), &line, &taken))
			return conn_full(c, side) && total == 0 ? drop_long_line(s, in) : total;
		total += taken;
		if (line.bytes > 0)
			continue;
		end_message(s, in.at + total);
		if (h->undecided && !s->response)
			s->state = HELD;
	}
	return total;
}

/* ---- searching ---- */

/* Could a start line begin here, as far as can be seen? */
static bool may_start(bool response, struct slice in)
{
	size_t n = in.bytes < 7 ? in.bytes : 7;

	return response ? memcmp(in.at, "HTTP/1.", n) == 0 : tchar[in.at[0]];
}

static bool is_start_line(bool response, struct slice line)
{
	struct start_line l;

	if (line.bytes > 0 && line.at[line.bytes - 1] == '\r')
		line.bytes--;
	if (response)
		return read_status_line(line, &l);
	return read_request_line(line, &l) && l.version.at[0] != '0';
}

/* Where to look next: behind the line end; and behind a body that should not have been there
 * the next status line may stand anywhere. */
static size_t next_place(const struct http_side *s, bool response, struct slice in, size_t at)
{
	const uint8_t *lf = memchr(in.at + at, '\n', in.bytes - at);
	size_t next = lf == NULL ? in.bytes : (size_t)(lf - in.at) + 1;
	const uint8_t *status;

	if (!response || !s->dirty)
		return next;
	status = memmem(in.at + at + 1, next - at - 1, "HTTP/1.", 7);
	return status == NULL ? next : (size_t)(status - in.at);
}

/* Takes everything before the next complete start line; at_start() reads that. A segment is as
 * good a place for one as a line. */
static size_t searching(struct conn *c, enum side side, struct http_side *s, struct slice in)
{
	bool response = is_response_side(c, side, in);
	size_t at = 0;

	while (at < in.bytes) {
		struct slice left = slice_after(in, at);
		const uint8_t *lf = memchr(left.at, '\n', left.bytes);

		if (may_start(response, left)) {
			if (lf == NULL && !conn_full(c, side) && left.bytes < START_LINE_SEARCHED)
				return at;
			if (lf != NULL &&
			    is_start_line(response, slice_of(left.at, (size_t)(lf - left.at)))) {
				s->state = AT_START;
				s->searched = 0;
				return at;
			}
		}
		at = next_place(s, response, in, at);
	}
	return at;
}

/* ---- the dissector ---- */

static size_t held(struct conn *c, enum side side, struct http_side *s)
{
	struct http_conn *h = conn_state(c);

	if (h->undecided && !conn_waited(c, side)) {
		conn_wait_peer(c, side);
		return 0;
	}
	h->undecided = false;
	s->state = AT_START;
	return 0;
}

static size_t step(struct conn *c, enum side side, struct http_side *s, struct slice in)
{
	switch ((enum state)s->state) {
	case AT_START: return at_start(c, side, s, in);
	case IN_HEAD: return in_head(c, side, s, in);
	case AT_CHUNK: return at_chunk(c, side, s, in);
	case IN_CHUNK: return in_chunk(c, side, s, in);
	case IN_TRAILER: return in_trailer(c, side, s, in);
	case SEARCHING: return searching(c, side, s, in);
	case HELD: return held(c, side, s);
	case IN_BODY:
	case UNTIL_CLOSE: break;
	}
	end_message(s, NULL);
	if (!s->response && ((struct http_conn *)conn_state(c))->undecided)
		s->state = HELD;
	return 0;
}

static size_t feed(struct conn *c, enum side side, struct slice in)
{
	struct http_side *s = &((struct http_conn *)conn_state(c))->side[side];
	uint8_t before;
	size_t n;

	if (!s->begun) {
		s->begun = true;
		if (conn_is_midstream(c, side))
			lost(s, false);
	}
	do {
		before = s->state;
		n = in.bytes > 0 || before == IN_BODY || before == UNTIL_CLOSE
			    ? step(c, side, s, in)
			    : 0;
		/* A change of state without a byte taken: the new state looks at the same bytes. */
	} while (n == 0 && s->state != before && in.bytes > 0);
	return n;
}

static enum resync gap(struct conn *c, enum side side, uint64_t bytes)
{
	struct http_side *s = &((struct http_conn *)conn_state(c))->side[side];

	(void)bytes;
	if (s->m != NULL) {
		message_flag(s->m, s->state == IN_HEAD ? FLAG_gap_in_head : FLAG_gap_in_body);
		end_message(s, NULL);
	}
	s->begun = true;
	s->drop_line = false;
	s->dirty = false;
	lost(s, false);
	return RESYNC_SEARCH;
}

static void close_side(struct conn *c, enum side side, enum why why)
{
	struct http_side *s = &((struct http_conn *)conn_state(c))->side[side];

	(void)why;
	if (s->m == NULL)
		return;
	if (s->state == IN_HEAD)
		message_flag(s->m, FLAG_head_cut);
	end_message(s, NULL);
}

static const struct pattern patterns[] = {
	{ "^HTTP/1\\.", 0 },
	{ "^(GET|PUT|HEAD|POST|PATCH|TRACE|DELETE|OPTIONS|CONNECT) ", 0 },
	{ "^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32} [^ \\r\\n]", 0 },
	{ "^[\\r\\n]+[A-Z]", 0 },
};

static enum guess probe(struct slice first, uint16_t port_hint)
{
	static const char *const known[] = { "GET ",   "PUT ",    "HEAD ",    "POST ",   "PATCH ",
					     "TRACE ", "DELETE ", "OPTIONS ", "CONNECT " };
	const uint8_t *lf;
	struct start_line l;
	struct slice line;

	(void)port_hint;
	first = slice_after(first, empty_lines(first));
	if (starts_with(first, "HTTP/1.", 7))
		return GUESS_YES;
	if (first.bytes < 7 && first.bytes > 0 && memcmp(first.at, "HTTP/1.", first.bytes) == 0)
		return GUESS_MORE;
	if (starts_with(first, "PRI * HTTP/2", 12))
		return GUESS_NO;
	lf = memchr(first.at, '\n', first.bytes);
	line = slice_of(first.at, lf == NULL ? first.bytes : (size_t)(lf - first.at));
	if (lf != NULL && line.bytes > 0 && line.at[line.bytes - 1] == '\r')
		line.bytes--;
	if (lf != NULL)
		return read_request_line(line, &l) ? GUESS_YES : GUESS_NO;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		size_t n = strlen(known[i]);

		if (starts_with(first, known[i], n))
			return GUESS_YES;
		if (first.bytes < n && memcmp(first.at, known[i], first.bytes) == 0)
			return GUESS_MORE;
	}
	for (size_t i = 0; i < first.bytes; i++)
		if (!tchar[first.at[i]])
			return first.at[i] == ' ' && i > 0 && i <= METHOD_BYTES ? GUESS_MORE
										: GUESS_NO;
	return first.bytes <= METHOD_BYTES ? GUESS_MORE : GUESS_NO;
}

const struct dissector dissector_http1 = {
	.name = "http1",
	.proto = "http",
	.title = "HTTP/1.0 and HTTP/1.1",
	.fields = fields,
	.field_count = sizeof(fields) / sizeof(fields[0]),
	.interim_field = HTTP_INTERIM,
	.conn_bytes = sizeof(struct http_conn),
	.patterns = patterns,
	.pattern_count = sizeof(patterns) / sizeof(patterns[0]),
	.probe = probe,
	.feed = feed,
	.gap = gap,
	.close = close_side,
};
