/* http1 - HTTP/1.0 and 1.1 (RFC 9112, RFC 9110), and the request of HTTP/0.9.
 *
 * Understood: pipelining, keep-alive, every rule of message length (RFC 9112
 * 6.3), chunked bodies with extensions and trailers, 1xx, Upgrade and CONNECT,
 * obs-fold, lone LF. After a gap or after bytes that are no message the next
 * start line is searched for.
 *
 * Left alone: bodies (skipped, not shown; but for GraphQL in requests), trailer fields, what the
 * headers mean, responses of HTTP/0.9 (bytes without a head: their requests stay unanswered).
 *
 * Where a message breaks the rules one interpretation is chosen, the same
 * every time, and the message is flagged `anomaly`:
 *     Transfer-Encoding and Content-Length      the former counts (RFC 9112 6.3, 3)
 *     several Content-Lengths that differ       the first counts
 *     a Content-Length that is no number        there is none
 *     a request whose last coding is not chunked   it has no body
 *     white space before the colon              the field counts
 *     any other character that no name has      a name like any other, but not the one it resembles
 *     CRLF and lone LF in one head              both end lines
 *     CR without LF, or NUL                     a character like any other
 *     more or other white space in a request line   the target is what is between the ends
 *     a chunk that is not framed as one         the body ends before it
 *
 * A head is read line by line, each taken as soon as it is complete, so only a
 * line is ever gathered; where the whole head is there it is one pass.
 */
#include <endian.h>
#include <string.h>

#include "dataplane/base/ballast.h"
#include "dissectors/graphql.h"
#include "dissectors/upgrade.h"

enum own_field {
	HTTP_HOST = FIELD_OWN,
	HTTP_REASON,
	HTTP_INTERIM,
	HTTP_GRAPHQL_TYPE,
	HTTP_GRAPHQL_OPERATION,
	HTTP_HEADERS,
};

static const struct field fields[] = {
	{ "host", FIELD_TEXT, "Host of the request" },
	{ "reason", FIELD_TEXT, "reason phrase of the response" },
	{ "interim", FIELD_LIST, "codes of the 1xx responses that came before" },
	{ "graphql_type", FIELD_TEXT, "GraphQL: query, mutation or subscription" },
	{ "graphql_operation", FIELD_TEXT, "GraphQL: name of the operation" },
	{ "headers", FIELD_PAIRS, "header lines in order" },
};

/* What whoever reads the response must know of the request. */
enum note {
	NOTE_HEAD = 1,
	NOTE_CONNECT = 2,
	NOTE_UPGRADE = 4,
	NOTE_SIMPLE = 8,   /* HTTP/0.9 */
	NOTE_UNKNOWN = 16, /* its head is not complete: it may still ask for an upgrade */
	NOTE_H2C = 32,     /* the upgrade is to HTTP/2 */
};

enum state {
	AT_START, /* of a message */
	IN_HEAD,
	BEHIND_HEAD, /* of an orphan: is there a body? */
	IN_BODY,     /* of known length; the next feed() is its end */
	AT_CHUNK,    /* a chunk-size line */
	AT_DATA,     /* behind a chunk-size line too long to be read at once */
	IN_CHUNK,    /* the next feed() is behind its data */
	IN_TRAILER,
	UNTIL_CLOSE, /* the next feed() is the end of the side */
	SEARCHING,   /* for the next start line */
};

enum {
	METHOD_BYTES = 32,
	STATUS_BYTES = 12, /* "HTTP/1.1 200" */
	/* A start line longer than this is not looked for among bytes that are none. */
	START_LINE_SEARCHED = 8192,
	FOLDED_BYTES = 8192,
	UPGRADE_BYTES = 32,
	H2C_STREAM = 1,
	/* The smallest head limit there is: less than this is all there is because the side has
	 * ended, and not because it is all that is gathered. */
	LIMIT_BYTES = 1024,
};

struct http_side {
	struct message *m;
	uint8_t state;
	bool begun;      /* feed() has been called */
	bool spoken;     /* a message has begun */
	bool dirty;      /* bytes that were no message came before: the next one is an anomaly */
	bool drop_line;  /* the rest of this line is over a limit */
	bool line_start; /* while SEARCHING: the next byte is the first of a line */
	/* the line so far */
	bool odd; /* CR without LF, or NUL */
	bool folded;
	size_t searched; /* bytes not taken that have been searched for its end */
	/* the head so far */
	bool response;
	bool interim;
	bool orphan;
	bool http10;
	bool crlf, lone_lf;
	bool has_host, has_length, has_coding, chunked, asks_upgrade, encoded;
	uint8_t graphql; /* enum graphql_kind: what the request's body may be */
	uint16_t status;
	uint64_t length;
	uint64_t note; /* of a response: its request's */
	char upgrade[UPGRADE_BYTES];
};

struct http_conn {
	struct http_side side[2];
	bool undecided; /* an upgrade or CONNECT has been asked for and not been answered */
	/* What the other protocol must know, from an upgrade's request to its answer. NULL: nobody
	 * asks. */
	struct upgrade *upgrade;
};

/* One call of feed(). */
struct reader {
	struct conn *c;
	enum side side;
	struct http_conn *h;
	struct http_side *s;
	const uint8_t *from; /* where its `in` began */
	bool stop;           /* what follows is a body, or not HTTP any more */
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

/* `word` in lower case. */
static bool is_word(struct slice s, const char *word, size_t bytes)
{
	if (s.bytes != bytes)
		return false;
	for (size_t i = 0; i < bytes; i++)
		if ((s.at[i] >= 'A' && s.at[i] <= 'Z' ? s.at[i] | 0x20 : s.at[i]) != word[i])
			return false;
	return true;
}
#define IS_WORD(s, word) is_word(s, word, sizeof(word) - 1)

static bool starts_with(struct slice s, const char *text, size_t bytes)
{
	return s.bytes >= bytes && memcmp(s.at, text, bytes) == 0;
}

static size_t token_bytes(struct slice s)
{
	size_t n = 0;

	while (n < s.bytes && tchar[s.at[n]])
		n++;
	return n;
}

/* ---- start lines ---- */

static bool is_known_method(struct slice method)
{
	static const char *const known[] = { "GET",   "PUT",    "HEAD",    "POST",   "PATCH",
					     "TRACE", "DELETE", "OPTIONS", "CONNECT" };

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strlen(known[i]) == method.bytes &&
		    memcmp(known[i], method.at, method.bytes) == 0)
			return true;
	return false;
}

struct start_line {
	struct slice method, target, version, code, reason;
	bool odd;
};

/* RFC 9112 2.3; major version 1 is the only one with these messages. */
static bool is_version(struct slice s)
{
	return s.bytes == 8 && memcmp(s.at, "HTTP/1.", 7) == 0 && is_digit(s.at[7]);
}

/* RFC 1945 4.1, Simple-Request: GET only. */
static bool read_simple_request(struct start_line *l, struct slice rest)
{
	l->version = slice_of("0.9", 3);
	l->target = rest;
	return l->method.bytes == 3 && memcmp(l->method.at, "GET", 3) == 0 && rest.at[0] == '/' &&
	       memchr(rest.at, ' ', rest.bytes) == NULL;
}

/* RFC 9112 3: method SP request-target SP HTTP-version. */
static bool read_request_line(struct slice line, struct start_line *ret)
{
	size_t n = token_bytes(line);
	struct slice rest = slice_after(line, n + 1), all = trimmed(rest);

	if (n == 0 || n > METHOD_BYTES || n >= line.bytes || line.at[n] != ' ' || all.bytes == 0)
		return false;
	*ret = (struct start_line){ .method = slice_of(line.at, n) };
	if (all.bytes < 10 || all.at[all.bytes - 9] != ' ' ||
	    !is_version(slice_after(all, all.bytes - 8)))
		return read_simple_request(ret, rest);
	ret->version = slice_of(all.at + all.bytes - 3, 3);
	ret->target = trimmed(slice_of(all.at, all.bytes - 9));
	ret->odd = n + 1 + ret->target.bytes + 9 != line.bytes ||
		   memchr(ret->target.at, ' ', ret->target.bytes) != NULL;
	return true;
}

/* RFC 9112 4: HTTP-version SP status-code SP [reason-phrase]; the second SP is often left out. */
static bool read_status_line(struct slice line, struct start_line *ret)
{
	if (line.bytes < STATUS_BYTES || !is_version(slice_of(line.at, 8)) || line.at[8] != ' ' ||
	    !is_digit(line.at[9]) || !is_digit(line.at[10]) || !is_digit(line.at[11]) ||
	    (line.bytes > STATUS_BYTES && line.at[STATUS_BYTES] != ' '))
		return false;
	*ret = (struct start_line){ .version = slice_of(line.at + 5, 3),
				    .code = slice_of(line.at + 9, 3),
				    .reason = slice_after(line, STATUS_BYTES + 1) };
	return true;
}

/* Could a status line begin here, as far as can be seen? */
static bool may_be_status(struct slice in)
{
	static const char like[STATUS_BYTES + 1] = "HTTP/1.0 000";

	for (size_t i = 0; i < in.bytes && i < STATUS_BYTES; i++)
		if (like[i] == '0' ? !is_digit(in.at[i]) : in.at[i] != like[i])
			return false;
	return true;
}

static bool may_be_request(struct slice in)
{
	size_t n = token_bytes(in);

	if (n == 0 || n > METHOD_BYTES)
		return false;
	return n == in.bytes || (in.at[n] == ' ' && (n + 1 == in.bytes || in.at[n + 1] > ' '));
}

static bool is_response_side(const struct reader *r, struct slice in)
{
	enum side client = conn_client(r->c);

	return client == SIDE_UNKNOWN ? starts_with(in, "HTTP/", 5) : client != r->side;
}

static bool may_start(const struct reader *r, struct slice in)
{
	if (conn_client(r->c) == SIDE_UNKNOWN)
		return may_be_status(in) || may_be_request(in);
	return is_response_side(r, in) ? may_be_status(in) : may_be_request(in);
}

/* What is searched for is only what is beyond doubt; at the start of a segment, where the line
 * may have begun before, also only a method that the rest of a word is not. */
static bool is_start_line(const struct reader *r, struct slice line, bool line_start)
{
	struct start_line l;

	if (is_response_side(r, line))
		return read_status_line(line, &l);
	return read_request_line(line, &l) && !l.odd && l.version.at[0] != '0' &&
	       (line_start || is_known_method(l.method));
}

static struct slice without_end(const uint8_t *at, const uint8_t *lf)
{
	size_t n = (size_t)(lf - at);

	return slice_of(at, n > 0 && lf[-1] == '\r' ? n - 1 : n);
}

/* ---- lines ---- */

struct line {
	struct slice text; /* without its end; with those inside if it is folded */
	size_t taken;      /* with its end */
	bool odd, folded, lone_lf;
	bool cut; /* longer than what is gathered: the rest is dropped as it comes */
};

typedef uint8_t bytes16 __attribute__((vector_size(16)));

/* The first byte that ends a line or does not belong in one, with the few that come before CR in
 * ASCII: what is rare need not be told apart here. Sixteen at a time, because header lines
 * are short: a call of memchr() for each of LF, CR and NUL takes twice as long. */
static const uint8_t *find_stop(const uint8_t *p, const uint8_t *end)
{
	for (; end - p >= 16; p += 16) {
		bytes16 v;
		uint64_t hit[2];

		memcpy(&v, p, sizeof(v));
		v = (bytes16)(v <= (uint8_t)'\r');
		memcpy(hit, &v, sizeof(hit));
		if ((hit[0] | hit[1]) == 0)
			continue;
		if (hit[0] != 0)
			return p + __builtin_ctzll(le64toh(hit[0])) / 8;
		return p + 8 + __builtin_ctzll(le64toh(hit[1])) / 8;
	}
	while (p<end && * p> '\r')
		p++;
	return p;
}

/* Is `in` all there will ever be? Behind bytes taken in this call there may be room for more. */
static bool is_all(const struct reader *r, struct slice in)
{
	return in.at == r->from && conn_full(r->c, r->side);
}

static bool cut_line(struct reader *r, struct slice in, struct line *ret)
{
	if (in.bytes == 0 || !is_all(r, in))
		return false;
	*ret = (struct line){
		.text = in, .taken = in.bytes, .odd = r->s->odd, .folded = r->s->folded, .cut = true
	};
	r->s->drop_line = true;
	return true;
}

/* The first line of `in`. `folds`: RFC 9112 5.2, a line that begins with white space continues the
 * one before. False: it is not complete, or cannot be told to be. */
static bool take_line(struct reader *r, struct slice in, bool folds, struct line *ret)
{
	struct http_side *s = r->s;
	const uint8_t *end = in.at + in.bytes, *p = in.at + s->searched, *next;

	for (;; p = next) {
		p = find_stop(p, end);
		next = p + 1;
		if (p == end || (*p == '\r' && next == end))
			break;
		if (*p == '\r' && *next == '\n') {
			next++;
			s->crlf = true;
		} else if (*p == '\n') {
			s->lone_lf = true;
		} else {
			s->odd = s->odd || *p == '\r' || *p == 0;
			continue;
		}
		if (folds && p > in.at) {
			if (next == end && !is_all(r, in))
				break;
			if (next < end && is_blank(*next)) {
				s->folded = true;
				continue;
			}
		}
		*ret = (struct line){ .text = slice_of(in.at, (size_t)(p - in.at)),
				      .taken = (size_t)(next - in.at),
				      .odd = s->odd,
				      .folded = s->folded,
				      .lone_lf = *p == '\n' };
		goto found;
	}
	s->searched = (size_t)(p - in.at);
	if (!cut_line(r, in, ret))
		return false;
found:
	s->searched = 0;
	s->odd = s->folded = false;
	return true;
}

static size_t drop_line(struct http_side *s, struct slice in)
{
	const uint8_t *lf = memchr(in.at, '\n', in.bytes);

	s->drop_line = lf == NULL;
	return lf == NULL ? in.bytes : (size_t)(lf - in.at) + 1;
}

/* RFC 9112 5.2: each obs-fold, with the white space around it, is one SP. */
static struct slice unfold(struct slice text, uint8_t room[FOLDED_BYTES], bool *ret_cut)
{
	size_t n = 0, i = 0;

	while (i < text.bytes && n < FOLDED_BYTES) {
		if (text.at[i] != '\n') {
			room[n++] = text.at[i++];
			continue;
		}
		while (n > 0 && (is_blank(room[n - 1]) || room[n - 1] == '\r'))
			n--;
		while (i < text.bytes &&
		       (is_blank(text.at[i]) || text.at[i] == '\n' || text.at[i] == '\r'))
			i++;
		room[n++] = ' ';
	}
	*ret_cut = i < text.bytes;
	return slice_of(room, n);
}

/* ---- header fields ---- */

/* 1*DIGIT, up to 2^63-1. */
static bool read_number(struct slice s, uint64_t *ret)
{
	uint64_t v = 0;

	for (size_t i = 0; i < s.bytes; i++) {
		if (!is_digit(s.at[i]) || v > INT64_MAX / 10)
			return false;
		v = v * 10 + (uint64_t)(s.at[i] - '0');
	}
	*ret = v;
	return s.bytes > 0 && v <= INT64_MAX;
}

/* The text before the first comma; *list is what is behind it. */
static struct slice take_element(struct slice *list)
{
	const uint8_t *comma = memchr(list->at, ',', list->bytes);
	size_t n = comma == NULL ? list->bytes : (size_t)(comma - list->at);
	struct slice element = trimmed(slice_of(list->at, n));

	*list = slice_after(*list, n + 1);
	return element;
}

/* RFC 9110 8.6: one number. A list of the same number is what became of a field sent twice. */
static bool take_length(struct http_side *s, struct slice value)
{
	bool plain = !s->has_length, more;
	uint64_t first = 0, next;

	more = memchr(value.at, ',', value.bytes) != NULL;
	if (!read_number(take_element(&value), &first))
		return false;
	for (; more; plain = false) {
		more = memchr(value.at, ',', value.bytes) != NULL;
		if (!read_number(take_element(&value), &next))
			return false;
	}
	if (!s->has_length)
		s->length = first;
	s->has_length = true;
	return plain;
}

/* RFC 9112 6.1: only the last coding decides how the length is told; chunked is there once. */
static bool take_coding(struct http_side *s, struct slice value)
{
	bool plain = !s->has_coding;

	s->has_coding = true;
	do {
		struct slice coding = take_element(&value);
		bool chunked = IS_WORD(coding, "chunked");

		if (coding.bytes == 0)
			continue;
		plain = plain && !(chunked && s->chunked);
		s->chunked = chunked;
	} while (value.bytes > 0);
	return plain;
}

/* RFC 9110 7.8: the first protocol of the list, without its version. */
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

/* RFC 6455 4.2.2: what the server grants with a 101. */
static void take_granted(struct reader *r, struct slice name, struct slice value)
{
	struct upgrade *u = r->h->upgrade;

	if (u != NULL && IS_WORD(name, "sec-websocket-protocol"))
		upgrade_add(&u->subprotocol, value);
	else if (u != NULL && IS_WORD(name, "sec-websocket-extensions"))
		upgrade_add(&u->extensions, value);
}

/* Returns false if the field breaks the rules. */
static bool take_known_field(struct http_side *s, struct slice name, struct slice value)
{
	if (IS_WORD(name, "content-length"))
		return take_length(s, value);
	if (IS_WORD(name, "transfer-encoding"))
		return take_coding(s, value);
	if (IS_WORD(name, "content-encoding")) {
		s->encoded = true;
		message_encoding(s->m, value);
	} else if (IS_WORD(name, "content-type")) {
		s->graphql = (uint8_t)graphql_kind(value);
	} else if (IS_WORD(name, "upgrade")) {
		take_upgrade(s, value);
	} else if (!s->response && IS_WORD(name, "host")) {
		bool again = s->has_host;

		if (!again)
			message_text(s->m, HTTP_HOST, value);
		s->has_host = true;
		return !again; /* RFC 9112 3.2 */
	}
	return true;
}

/* `text` is one line, unfolded if it was folded. */
static void take_field(struct reader *r, struct slice text, bool wanted, bool cut)
{
	struct http_side *s = r->s;
	size_t n = token_bytes(text);
	struct slice name = slice_of(text.at, n), value;

	if (n == 0 || n == text.bytes || text.at[n] != ':') {
		/* RFC 9112 5.1: no white space before the colon, nor anything else that is no
		 * token. */
		const uint8_t *colon = memchr(text.at, ':', text.bytes);

		message_flag(s->m, FLAG_anomaly);
		if (colon == NULL || colon == text.at || is_blank(text.at[0]))
			return;
		n = (size_t)(colon - text.at);
		name = trimmed(slice_of(text.at, n));
	}
	value = trimmed(slice_after(text, n + 1));
	/* The names that matter have 4, 7, 14, 16 or 17 bytes; of a request, 12 too. */
	if ((n = name.bytes, n <= 17 && ((s->response ? 0x34090u : 0x35090u) >> n & 1) != 0) &&
	    !cut && !take_known_field(s, name, value))
		message_flag(s->m, FLAG_anomaly);
	if (s->status == 101)
		take_granted(r, name, value);
	if (wanted)
		message_pair(s->m, HTTP_HEADERS, name, value);
}

static void __attribute__((noinline))
take_folded_field(struct reader *r, struct slice text, bool wanted, bool cut)
{
	struct http_side *s = r->s;
	uint8_t room[FOLDED_BYTES];
	bool over;
	struct slice flat = unfold(text, room, &over), name = flat;

	if (over)
		message_flag(s->m, FLAG_head_cut);
	/* RFC 9112 5.2: obsolete. It is harmless in text; where it tells the length of a body,
	 * readers differ. */
	name.bytes = token_bytes(flat);
	if (IS_WORD(name, "content-length") || IS_WORD(name, "transfer-encoding"))
		message_flag(s->m, FLAG_anomaly);
	take_field(r, flat, wanted, cut || over);
}

/* ---- the end of a head: how long is the body? ---- */

static void end_message(struct http_side *s, const uint8_t *end)
{
	message_end(s->m, end);
	s->m = NULL;
	s->state = AT_START;
}

static void tell_graphql(struct http_side *s, const struct graphql *g)
{
	message_text(s->m, HTTP_GRAPHQL_TYPE, slice_of(g->type, strlen(g->type)));
	if (g->name_bytes > 0)
		message_text(s->m, HTTP_GRAPHQL_OPERATION, slice_of(g->name, g->name_bytes));
}

/* Once the head is there: in the target, or to come in the body. */
static void expect_graphql(struct http_side *s)
{
	struct slice method = message_told(s->m, FIELD_METHOD);
	struct graphql g;

	if (method.bytes == 3 && memcmp(method.at, "GET", 3) == 0 &&
	    graphql_in_target(message_told(s->m, FIELD_TARGET), &g))
		tell_graphql(s, &g);
	if (s->encoded || method.bytes != 4 || memcmp(method.at, "POST", 4) != 0)
		s->graphql = GRAPHQL_NONE;
	if (s->graphql != GRAPHQL_NONE)
		message_keep(s->m, GRAPHQL_BYTES);
}

/* The body is over, and nothing says that it is not whole. */
static void take_graphql(struct http_side *s)
{
	struct slice kept = message_kept(s->m);
	struct graphql g;

	if (s->graphql != GRAPHQL_NONE && kept.bytes == message_body_bytes(s->m) &&
	    graphql_in_body((enum graphql_kind)s->graphql, kept, &g))
		tell_graphql(s, &g);
}

static void skip(struct reader *r, uint64_t bytes, enum state next)
{
	r->s->state = (uint8_t)next;
	r->stop = true;
	conn_skip(r->c, r->side, bytes, r->s->m);
}

static void become(struct reader *r, const char *name)
{
	r->stop = true;
	conn_become(r->c, name);
}

static const char *upgraded_to(const struct http_side *s)
{
	if (s->upgrade[0] == 0) /* RFC 9110 7.8: it must be said */
		return NULL;
	return strcmp(s->upgrade, "h2c") == 0 ? "http2" : s->upgrade;
}

/* An upgrade is asked for. RFC 9110 7.8: whoever asks for several at once does not wait for the
 * answer; which one is granted is not clear then. */
static void note_upgrade(struct reader *r)
{
	struct http_conn *h = r->h;
	bool again = h->upgrade != NULL;

	if (!again)
		h->upgrade = conn_take(r->c, sizeof(*h->upgrade));
	if (h->upgrade == NULL)
		return;
	memset(h->upgrade, 0, sizeof(*h->upgrade));
	if (!again)
		upgrade_add(&h->upgrade->target, message_told(r->s->m, FIELD_TARGET));
}

static void forget_upgrade(struct reader *r)
{
	r->h->undecided = false;
	conn_give(r->c, r->h->upgrade);
	r->h->upgrade = NULL;
}

static void become_upgraded(struct reader *r)
{
	uint8_t note[HANDED_BYTES];
	size_t n = 0;

	if (r->h->upgrade != NULL && (r->s->note & NOTE_UPGRADE) != 0)
		n = upgrade_write(r->h->upgrade, note);
	r->stop = true;
	conn_become_with(r->c, upgraded_to(r->s), slice_of(note, n));
}

/* RFC 9112 6.3, in its order; what is left of it behind the cases of responses. */
static void begin_body(struct reader *r, const uint8_t *end)
{
	struct http_side *s = r->s;

	if (s->has_coding && s->chunked) {
		s->state = AT_CHUNK;
	} else if (s->has_coding && s->response) {
		skip(r, UINT64_MAX, UNTIL_CLOSE);
	} else if (s->has_coding) {
		message_flag(s->m, FLAG_anomaly);
		end_message(s, end);
	} else if (s->has_length && s->length > 0) {
		skip(r, s->length, IN_BODY);
	} else if (s->response && !s->has_length) {
		skip(r, UINT64_MAX, UNTIL_CLOSE);
	} else {
		end_message(s, end);
	}
}

static void end_response_head(struct reader *r, const uint8_t *end)
{
	struct http_side *s = r->s;

	if (s->status != 101 && !s->interim && (s->note & (NOTE_CONNECT | NOTE_UPGRADE)) != 0)
		forget_upgrade(r);
	if (s->status == 101) {
		if ((s->note & NOTE_UPGRADE) == 0)
			message_flag(s->m, FLAG_anomaly);
		end_message(s, end);
		become_upgraded(r);
	} else if ((s->note & NOTE_CONNECT) != 0 && s->status / 100 == 2) {
		end_message(s, end);
		become(r, WHAT_IS_FOUND); /* RFC 9110 9.3.6: a tunnel */
	} else if (s->interim || (s->note & NOTE_HEAD) != 0 || s->status == 204 ||
		   s->status == 304) {
		end_message(s, end);
	} else if (s->orphan && (s->has_coding || !s->has_length || s->length > 0)) {
		s->state = BEHIND_HEAD;
	} else {
		begin_body(r, end);
	}
}

static void end_request_head(struct reader *r, const uint8_t *end)
{
	struct http_side *s = r->s;

	if (s->asks_upgrade) {
		s->note |= NOTE_UPGRADE;
		note_upgrade(r);
	}
	if (s->asks_upgrade && strcmp(s->upgrade, "h2c") == 0)
		s->note |= NOTE_H2C;
	message_note(s->m, s->note);
	expect_graphql(s);
	if ((s->note & (NOTE_CONNECT | NOTE_UPGRADE)) != 0)
		r->h->undecided = true;
	begin_body(r, end);
}

static void end_head(struct reader *r, const uint8_t *end)
{
	struct http_side *s = r->s;

	message_head(s->m, end);
	/* RFC 9112 2.2: a lone LF may end a line; a head with both kinds is read differently by
	 * different readers. 6.1: no codings in HTTP/1.0, no Content-Length beside them. */
	if ((s->crlf && s->lone_lf) || (s->has_coding && (s->has_length || s->http10)))
		message_flag(s->m, FLAG_anomaly);
	if (s->response)
		end_response_head(r, end);
	else
		end_request_head(r, end);
}

/* An orphan may answer a HEAD: then the next status line is where its body should be. */
static size_t behind_head(struct reader *r, struct slice in)
{
	if (!may_be_status(in))
		begin_body(r, in.at);
	else if (in.bytes >= STATUS_BYTES)
		end_message(r->s, in.at);
	else if (is_all(r, in))
		begin_body(r, in.at);
	return 0;
}

/* ---- heads ---- */

static void reset_head(struct http_side *s)
{
	s->spoken = true;
	s->response = s->interim = s->orphan = s->http10 = false;
	s->has_host = s->has_length = s->has_coding = s->chunked = s->asks_upgrade = s->encoded =
		false;
	s->graphql = GRAPHQL_NONE;
	s->length = 0;
	s->note = 0;
	s->status = 0;
	s->upgrade[0] = 0;
}

static void begin_request(struct reader *r, const struct start_line *l)
{
	struct message_open open = { .kind = MESSAGE_REQUEST };
	struct http_side *s = r->s;

	reset_head(s);
	if (l->method.bytes == 4 && memcmp(l->method.at, "HEAD", 4) == 0)
		open.note = NOTE_HEAD;
	else if (l->method.bytes == 7 && memcmp(l->method.at, "CONNECT", 7) == 0)
		open.note = NOTE_CONNECT;
	else if (l->version.bytes > 0 && l->version.at[0] == '0')
		open.note = NOTE_SIMPLE;
	s->note = open.note;
	open.note |= NOTE_UNKNOWN;
	BALLAST(http1, 1);
	s->m = message_begin(r->c, r->side, l->method.at, open);
	message_text(s->m, FIELD_METHOD, l->method);
	message_text(s->m, FIELD_TARGET, l->target);
	if (l->version.bytes > 0)
		message_text(s->m, FIELD_VERSION, l->version);
}

/* Returns false while the request, or the rest of its head, may only be late. */
static bool begin_response(struct reader *r, const uint8_t *at, const struct start_line *l)
{
	struct message_open open = { .kind = MESSAGE_RESPONSE };
	struct http_side *s = r->s;
	uint64_t note = 0;
	enum request_known known = conn_request_note(r->c, r->side, at, 0, &note);
	bool goes_on;

	if ((known == REQUEST_NONE || (note & NOTE_UNKNOWN) != 0) && !conn_waited(r->c, r->side)) {
		conn_wait_peer(r->c, r->side);
		return false;
	}
	reset_head(s);
	s->response = true;
	s->orphan = known != REQUEST_FOUND;
	s->note = s->orphan ? 0 : note & ~(uint64_t)NOTE_UNKNOWN;
	s->status = (uint16_t)((l->code.at[0] - '0') * 100 + (l->code.at[1] - '0') * 10 +
			       (l->code.at[2] - '0'));
	/* RFC 9110 15.2: 101 is the last word in HTTP; every other 1xx is not. */
	s->interim = s->status / 100 == 1 && s->status != 101;
	/* RFC 7540 3.2: the answer to a request that was upgraded comes on stream 1 of HTTP/2. */
	goes_on = s->status == 101 && (s->note & NOTE_H2C) != 0;
	if (s->interim || goes_on)
		open.kind = MESSAGE_INTERIM;
	if (goes_on) {
		conn_request_key(r->c, r->side, at, 0, H2C_STREAM);
		open.key = H2C_STREAM;
	}
	BALLAST(http1, 1);
	s->m = message_begin(r->c, r->side, at, open);
	message_text(s->m, FIELD_CODE, l->code);
	message_text(s->m, FIELD_VERSION, l->version);
	if (l->reason.bytes > 0)
		message_text(s->m, HTTP_REASON, l->reason);
	if (s->status >= 500)
		message_failed(s->m);
	if (s->status < 100 || s->status > 599) /* RFC 9110 15 */
		message_flag(s->m, FLAG_anomaly);
	return true;
}

static void lost(struct http_side *s, bool dirty)
{
	s->state = SEARCHING;
	s->searched = 0;
	s->odd = s->folded = s->drop_line = s->line_start = false;
	s->dirty = s->dirty || dirty;
}

/* What is here is no message. */
static void not_a_message(struct reader *r, struct slice in)
{
	uint64_t note = 0;

	/* RFC 1945 6: the answer to a Simple-Request has no head. */
	if (is_response_side(r, in) &&
	    conn_request_note(r->c, r->side, in.at, 0, &note) == REQUEST_FOUND &&
	    (note & NOTE_SIMPLE) != 0) {
		lost(r->s, false);
		skip(r, UINT64_MAX, UNTIL_CLOSE);
	} else {
		lost(r->s, true);
	}
}

/* The request line is longer than what is gathered. */
static bool read_cut_request_line(struct slice text, struct start_line *ret)
{
	size_t n = token_bytes(text);
	struct slice rest = slice_after(text, n + 1);
	const uint8_t *space = memchr(rest.at, ' ', rest.bytes);

	if (text.bytes < LIMIT_BYTES || !may_be_request(text))
		return false;
	*ret = (struct start_line){ .method = slice_of(text.at, n), .target = rest };
	if (space != NULL)
		ret->target.bytes = (size_t)(space - rest.at);
	return true;
}

static bool read_start_line(struct reader *r, const struct line *line, struct start_line *ret)
{
	if (is_response_side(r, line->text))
		return !line->cut && read_status_line(line->text, ret);
	if (line->cut)
		return read_cut_request_line(line->text, ret);
	return read_request_line(line->text, ret) &&
	       (ret->version.at[0] != '0' || (!r->s->spoken && !r->s->dirty));
}

static size_t empty_lines(struct slice in)
{
	size_t n = 0;

	while (n < in.bytes && (in.at[n] == '\r' || in.at[n] == '\n'))
		n++;
	return n;
}

/* The client has asked for another protocol: what it says next is in that one, or in HTTP. */
static bool must_wait(struct reader *r, struct slice in)
{
	if (!r->h->undecided || is_response_side(r, in))
		return false;
	if (!conn_waited(r->c, r->side)) {
		conn_wait_peer(r->c, r->side);
		return true;
	}
	r->h->undecided = false;
	return false;
}

static size_t at_start(struct reader *r, struct slice in)
{
	struct http_side *s = r->s;
	struct start_line l;
	struct line line;
	bool simple;

	if (must_wait(r, in))
		return 0;
	/* RFC 9112 2.2: ignore empty lines before a request line. */
	if (in.at[0] == '\r' || in.at[0] == '\n')
		return empty_lines(in);
	if (!take_line(r, in, false, &line)) {
		if (!may_start(r, in))
			not_a_message(r, in);
		return 0;
	}
	if (!read_start_line(r, &line, &l)) {
		not_a_message(r, in);
		return 0;
	}
	if (l.code.bytes == 0)
		begin_request(r, &l);
	else if (!begin_response(r, in.at, &l))
		return 0;
	if (s->dirty || l.odd || line.odd)
		message_flag(s->m, FLAG_anomaly);
	if (line.cut)
		message_flag(s->m, FLAG_head_cut);
	simple = (s->note & NOTE_SIMPLE) != 0 && !s->response;
	s->http10 = l.version.bytes == 3 && l.version.at[2] == '0';
	s->crlf = !line.lone_lf && !line.cut;
	s->lone_lf = line.lone_lf;
	s->dirty = false;
	s->state = IN_HEAD;
	if (simple)
		end_head(r, in.at + line.taken); /* it has no header lines */
	return line.taken;
}

static size_t in_head(struct reader *r, struct slice in)
{
	struct http_side *s = r->s;
	bool wanted = message_wants(s->m, HTTP_HEADERS);
	size_t total = 0;
	struct line line;

	while (s->state == IN_HEAD && !s->drop_line && total < in.bytes) {
		if (!take_line(r, slice_after(in, total), true, &line))
			break;
		total += line.taken;
		if (line.text.bytes == 0) {
			end_head(r, in.at + total);
			break;
		}
		if (line.cut && line.text.bytes < LIMIT_BYTES)
			break; /* the side ends, or has a hole, in this line */
		if (line.odd)
			message_flag(s->m, FLAG_anomaly);
		if (line.cut)
			message_flag(s->m, FLAG_head_cut);
		if (line.folded)
			take_folded_field(r, line.text, wanted, line.cut);
		else
			take_field(r, line.text, wanted, line.cut);
	}
	return total;
}

/* ---- chunks ---- */

/* RFC 9112 7.1: 1*HEXDIG [chunk-ext]. False: no size, or one that no body has. */
static bool read_chunk_size(struct slice text, uint64_t *ret, bool *ret_odd)
{
	uint64_t v = 0;
	size_t n = 0;
	struct slice line = trimmed(text), rest;

	for (; n < line.bytes; n++) {
		uint8_t ch = line.at[n], low = ch | 0x20;

		if (!is_digit(ch) && (low < 'a' || low > 'f'))
			break;
		if (v >> 59 != 0)
			return false;
		v = v << 4 | (uint64_t)(is_digit(ch) ? ch - '0' : low - 'a' + 10);
	}
	*ret = v;
	rest = trimmed(slice_after(line, n));
	/* 7.1.1: white space only around a `;`, where it ends no size. */
	*ret_odd = line.at != text.at || (rest.bytes == 0 && n < text.bytes);
	return n > 0 && (rest.bytes == 0 || rest.at[0] == ';');
}

static size_t bad_chunk(struct http_side *s, const uint8_t *at)
{
	message_flag(s->m, FLAG_anomaly);
	end_message(s, at);
	lost(s, false);
	return 0;
}

static void at_data(struct reader *r)
{
	if (r->s->length == 0)
		r->s->state = IN_TRAILER;
	else
		skip(r, r->s->length, IN_CHUNK);
}

static size_t at_chunk(struct reader *r, struct slice in)
{
	struct http_side *s = r->s;
	struct line line;
	bool odd;

	if (!take_line(r, in, false, &line))
		return 0;
	if (!read_chunk_size(line.text, &s->length, &odd))
		return bad_chunk(s, in.at);
	if (odd || line.odd)
		message_flag(s->m, FLAG_anomaly);
	if (line.cut)
		s->state = AT_DATA;
	else
		at_data(r);
	return line.taken;
}

/* Behind the data of a chunk: its CRLF. */
static size_t in_chunk(struct reader *r, struct slice in)
{
	struct http_side *s = r->s;
	size_t n = in.at[0] == '\r' ? 1 : 0;

	if (in.bytes == n)
		return is_all(r, in) ? bad_chunk(s, in.at) : 0;
	if (in.at[n] != '\n')
		return bad_chunk(s, in.at);
	s->state = AT_CHUNK;
	return n + 1;
}

static size_t in_trailer(struct reader *r, struct slice in)
{
	struct http_side *s = r->s;
	struct line line;
	size_t n;

	if (!take_line(r, in, false, &line))
		return 0;
	if (line.text.bytes == 0) {
		if (s->graphql != GRAPHQL_NONE)
			take_graphql(s);
		end_message(s, in.at + line.taken);
		return line.taken;
	}
	n = token_bytes(line.text);
	if (!line.cut && !is_blank(line.text.at[0]) &&
	    (n == line.text.bytes || line.text.at[n] != ':')) {
		message_flag(s->m, FLAG_anomaly);
		/* The empty line is missing, and nothing is gained by missing a message too. */
		if (is_start_line(r, line.text, true)) {
			end_message(s, in.at);
			return 0;
		}
	}
	return line.taken;
}

/* ---- searching ---- */

/* Where to look next: behind the line end; and behind a body that should not have been there
 * the next status line may stand anywhere. */
static size_t next_place(const struct reader *r, struct slice in, size_t at, const uint8_t *lf)
{
	size_t next = lf == NULL ? in.bytes : (size_t)(lf - in.at) + 1;
	const uint8_t *status;

	if (!r->s->dirty || conn_client(r->c) == r->side)
		return next;
	status = memmem(in.at + at + 1, next - at - 1, "HTTP/1.", 7);
	return status == NULL ? next : (size_t)(status - in.at);
}

/* Takes everything before the next complete start line; at_start() reads that. A segment is as
 * good a place for one as a line. */
static size_t searching(struct reader *r, struct slice in)
{
	struct http_side *s = r->s;
	const uint8_t *lf = memchr(in.at + s->searched, '\n', in.bytes - s->searched);
	size_t at = 0;

	s->searched = 0;
	while (at < in.bytes) {
		struct slice left = slice_after(in, at);

		s->line_start = at > 0 ? in.at[at - 1] == '\n' : s->line_start;
		if (lf != NULL && lf < left.at)
			lf = memchr(left.at, '\n', left.bytes);
		if (lf == NULL && left.bytes < START_LINE_SEARCHED && may_start(r, left) &&
		    !is_all(r, left)) {
			s->searched = left.bytes;
			return at;
		}
		if (lf != NULL && is_start_line(r, without_end(left.at, lf), s->line_start)) {
			s->state = AT_START;
			return at;
		}
		at = next_place(r, in, at, lf);
	}
	s->line_start = in.at[in.bytes - 1] == '\n';
	return at;
}

/* ---- the dissector ---- */

static size_t step(struct reader *r, struct slice in)
{
	struct http_side *s = r->s;

	if (s->state == IN_BODY || s->state == UNTIL_CLOSE) {
		if (s->graphql != GRAPHQL_NONE && s->length == message_body_bytes(s->m))
			take_graphql(s);
		end_message(s, in.bytes > 0 ? in.at : NULL);
		return 0;
	}
	if (in.bytes == 0)
		return 0;
	if (s->drop_line)
		return drop_line(s, in);
	switch ((enum state)s->state) {
	case AT_START: return at_start(r, in);
	case IN_HEAD: return in_head(r, in);
	case BEHIND_HEAD: return behind_head(r, in);
	case AT_CHUNK: return at_chunk(r, in);
	case AT_DATA: at_data(r); return 0;
	case IN_CHUNK: return in_chunk(r, in);
	case IN_TRAILER: return in_trailer(r, in);
	case SEARCHING: return searching(r, in);
	case IN_BODY:
	case UNTIL_CLOSE: break;
	}
	return 0;
}

static size_t feed(struct conn *c, enum side side, struct slice in)
{
	struct http_conn *h = conn_state(c);
	struct reader r = { .c = c, .side = side, .h = h, .s = &h->side[side], .from = in.at };
	struct slice left = in;
	size_t n;
	uint8_t before;

	if (!r.s->begun) {
		r.s->begun = true;
		if (conn_is_midstream(c, side))
			lost(r.s, false);
	}
	do {
		before = r.s->state;
		n = step(&r, left);
		if (n > 0)
			left = slice_after(left, n);
		/* A change of state without a byte taken: the new state looks at the same bytes. */
	} while (!r.stop && left.bytes > 0 && (n > 0 || r.s->state != before));
	return in.bytes - left.bytes;
}

/* The rest of a head will not come. */
static void cut_head(struct http_side *s, enum flag flag)
{
	message_flag(s->m, flag);
	if (!s->response)
		message_note(s->m, s->note);
}

static enum resync gap(struct conn *c, enum side side, uint64_t bytes)
{
	struct http_side *s = &((struct http_conn *)conn_state(c))->side[side];

	(void)bytes;
	if (s->m != NULL) {
		if (s->state == IN_HEAD)
			cut_head(s, FLAG_gap_in_head);
		else
			message_flag(s->m, FLAG_gap_in_body);
		end_message(s, NULL);
	}
	s->begun = true;
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
		cut_head(s, FLAG_head_cut);
	end_message(s, NULL);
}

enum { REST_BEGUN = 1, REST_SPOKEN = 2, REST_DIRTY = 4, REST_BITS = 3 };

/* Between two messages of a side nothing is known of a head. */
static bool rest(const void *state, uint32_t *ret)
{
	const struct http_conn *h = state;
	uint32_t kept = 0;

	if (h->undecided)
		return false;
	for (int i = 0; i < 2; i++) {
		const struct http_side *s = &h->side[i];

		if (s->m != NULL || s->state != AT_START || s->drop_line || s->odd || s->folded ||
		    s->searched > 0)
			return false;
		kept |= ((s->begun ? REST_BEGUN : 0u) | (s->spoken ? REST_SPOKEN : 0u) |
			 (s->dirty ? REST_DIRTY : 0u))
			<< i * REST_BITS;
	}
	*ret = kept;
	return true;
}

static void wake(void *state, uint32_t kept)
{
	struct http_conn *h = state;

	for (int i = 0; i < 2; i++, kept >>= REST_BITS) {
		h->side[i].begun = (kept & REST_BEGUN) != 0;
		h->side[i].spoken = (kept & REST_SPOKEN) != 0;
		h->side[i].dirty = (kept & REST_DIRTY) != 0;
	}
}

/* A method is a candidate before the whole of it has come. */
static const struct pattern patterns[] = {
	{ "^[\\r\\n]{0,4}HTTP/1\\.", 0 },
	{ "^[\\r\\n]{0,4}[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}( [!-~]| ?$)", 0 },
};

/* RFC 9112 3.2: the four forms of a target. `GET key` is a line of other protocols as well. */
static bool is_plain_target(struct slice method, struct slice target)
{
	return target.at[0] == '/' || target.at[0] == '*' || starts_with(target, "http", 4) ||
	       (method.bytes == 7 && memcmp(method.at, "CONNECT", 7) == 0);
}

static enum guess probe_line(struct slice line)
{
	struct start_line l;

	if (!read_request_line(line, &l))
		return GUESS_NO;
	return is_known_method(l.method) && is_plain_target(l.method, l.target) ? GUESS_YES
										: GUESS_MAYBE;
}

static enum guess probe(struct slice first, uint16_t port_hint)
{
	const uint8_t *lf;
	size_t n;

	(void)port_hint;
	first = slice_after(first, empty_lines(first));
	if (starts_with(first, "HTTP/1.", 7))
		return GUESS_YES;
	if (may_be_status(first))
		return GUESS_MORE;
	if (!may_be_request(first))
		return GUESS_NO;
	lf = memchr(first.at, '\n', first.bytes);
	n = token_bytes(first);
	if (lf != NULL) {
		n = (size_t)(lf - first.at);
		return probe_line(slice_of(first.at, n - (first.at[n - 1] == '\r')));
	}
	if (first.bytes > n + 1 && is_known_method(slice_of(first.at, n)) &&
	    is_plain_target(slice_of(first.at, n), slice_after(first, n + 1)))
		return GUESS_YES;
	return GUESS_MORE;
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
	.rest = rest,
	.wake = wake,
};
