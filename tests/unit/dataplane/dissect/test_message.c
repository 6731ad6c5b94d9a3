/* Proves what message_*() of dissector.h promise, as it shows in the records:
 *
 *   - which header lines are kept (all, none, named without regard to case) and in what order;
 *   - what is over a limit is left out and the message says so: fields, lines, bytes, body;
 *   - bodies are counted whole and kept up to the limit, across segments and gaps;
 *   - a message may be of a protocol inside this one, have a number of its own, and keep of its
 * body what its dissector wants to see, unmasked if it was masked;
 *   - flags reach the record, of both halves; a message that is not there may be passed anywhere.
 *
 * The test is the registry. Its protocol has a first line, header lines, and a blank line; a
 * line `n` of digits makes a body of as many bytes follow.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/check.h"
#include "tests/support/rig.h"

enum { FIELD_HEADERS = FIELD_OWN, FIELD_COUNT };

/* ---- the protocol ---- */

struct post_state {
	struct message *body_of[2];
};

/* What a test has the dissector do besides. */
static struct {
	enum flag flag;
	bool failed;
	size_t text_bytes; /* a text of so many bytes in each message */
	bool wants_headers, wants_target;
	uint64_t note; /* the request's, read by its response */
	enum request_known known;
	const struct dissector *inner[2]; /* message_proto() of each side */
	uint32_t keep_bytes;              /* message_keep() */
	bool head_is_body;                /* message_body() of its first three bytes */
	const char *encoding;             /* message_encoding() */
	struct inflate_window *window;    /* message_inflate() of the response */
	bool wants_decoded;
	const char *mask; /* message_mask() before its body */
	uint64_t passed;  /* message_body_bytes() at the end */
	char told[64];    /* message_told() of the target */
	char kept[64];    /* message_kept() at the end */
} post;

static uint8_t filler[2 << 20];

static struct slice next_line(struct slice *in)
{
	const uint8_t *end = in->bytes > 0 ? memchr(in->at, '\n', in->bytes) : NULL;
	struct slice line = slice_of(in->at, end == NULL ? 0 : (size_t)(end - in->at));

	if (end != NULL)
		*in = slice_after(*in, line.bytes + 1);
	return line;
}

static void header(struct message *m, struct slice line, uint64_t *body)
{
	const uint8_t *colon = memchr(line.at, ':', line.bytes);

	if (colon == NULL) {
		*body = strtoul((const char *)line.at, NULL, 10);
		message_number(m, FIELD_COUNT, *body);
		return;
	}
	message_pair(m, FIELD_HEADERS, slice_of(line.at, (size_t)(colon - line.at)),
		     slice_after(line, (size_t)(colon - line.at) + 1));
}

static void ask_and_flag(struct conn *c, enum side side, struct message *m)
{
	post.wants_headers = message_wants(m, FIELD_HEADERS);
	post.wants_target = message_wants(m, FIELD_TARGET);
	message_flag(m, post.flag);
	if (post.inner[side] != NULL) {
		message_proto(m, post.inner[side]);
		message_stream(m, 5);
	}
	message_keep(m, post.keep_bytes);
	if (post.failed)
		message_failed(m);
	if (post.text_bytes > 0)
		message_text(m, FIELD_VERSION, slice_of(filler, post.text_bytes));
	if (side == SIDE_A)
		message_note(m, 77);
	(void)c;
}

static size_t feed(struct conn *c, enum side side, struct slice in)
{
	struct post_state *s = conn_state(c);
	struct slice rest = in, line;
	struct message *m;
	uint64_t body = 0;

	if (s->body_of[side] != NULL) {
		struct slice kept = message_kept(s->body_of[side]);

		snprintf(post.kept, sizeof(post.kept), "%.*s", (int)kept.bytes,
			 (const char *)kept.at);
		post.passed = message_body_bytes(s->body_of[side]);
		message_end(s->body_of[side], NULL);
		s->body_of[side] = NULL;
		return 0;
	}
	if (in.bytes < 2 || memmem(in.at, in.bytes, "\n\n", 2) == NULL)
		return 0;
	if (side == SIDE_B)
		post.known = conn_request_note(c, side, in.at, 0, &post.note);
	m = message_begin(c, side, in.at,
			  (struct message_open){ .kind = side == SIDE_A ? MESSAGE_REQUEST
									: MESSAGE_RESPONSE });
	message_text(m, side == SIDE_A ? FIELD_TARGET : FIELD_CODE, next_line(&rest));
	while ((line = next_line(&rest)).bytes > 0)
		header(m, line, &body);
	message_head(m, rest.at);
	ask_and_flag(c, side, m);
	if (post.head_is_body)
		message_body(m, slice_of(in.at, 3));
	post.wants_decoded = message_wants(m, FIELD_DECODED);
	if (post.encoding != NULL && side == SIDE_B)
		message_encoding(m, slice_of(post.encoding, strlen(post.encoding)));
	if (post.window != NULL && side == SIDE_B)
		message_inflate(m, post.window);
	if (post.mask != NULL)
		message_mask(m, (const uint8_t *)post.mask);
	if (side == SIDE_A) {
		struct slice told = message_told(m, FIELD_TARGET);

		snprintf(post.told, sizeof(post.told), "%.*s", (int)told.bytes,
			 (const char *)told.at);
		assert_null(message_told(m, FIELD_METHOD).at);
	}
	if (body > 0) {
		s->body_of[side] = m;
		conn_skip(c, side, body, m);
	} else {
		message_end(m, rest.at);
	}
	return in.bytes - rest.bytes;
}

static enum guess probe(struct slice first, uint16_t port_hint)
{
	(void)first, (void)port_hint;
	return GUESS_YES;
}

static enum resync gap(struct conn *c, enum side side, uint64_t bytes)
{
	(void)c, (void)side, (void)bytes;
	return RESYNC_SEARCH;
}

static const struct field fields[] = { { "headers", FIELD_PAIRS, "header lines" },
				       { "count", FIELD_NUMBER, "bytes of body" } };

static const struct dissector dissector_post = {
	.name = "post",
	.proto = "post",
	.title = "Heads and bodies",
	.fields = fields,
	.field_count = array_count(fields),
	.conn_bytes = sizeof(struct post_state),
	.probe = probe,
	.feed = feed,
	.gap = gap,
};

static const struct field inner_fields[] = { { "headers", FIELD_PAIRS, "header lines" },
					     { "count", FIELD_NUMBER, "bytes of body" },
					     { "more", FIELD_TEXT, "what only this has" } };

static const struct dissector dissector_inner = { .name = "inner",
						  .proto = "inner",
						  .fields = inner_fields,
						  .field_count = array_count(inner_fields) };

static const struct dissector dissector_unlisted = { .name = "unlisted", .proto = "unlisted" };

const struct dissector *const dissectors[] = { &dissector_post, &dissector_inner };
const uint32_t dissector_count = 2;

uint32_t dissector_find(const char *name)
{
	return strcmp(name, "post") == 0 ? 0 : DISSECTOR_NONE;
}

/* ---- around each test ---- */

static struct rig rig;

static int start(void **state)
{
	memset(&post, 0, sizeof(post));
	*state = &rig;
	return 0;
}

static void open_with(struct rig *r, const struct host_settings *host)
{
	struct rig_settings s = rig_settings();

	s.host = *host;
	rig_open(r, &s);
	bench_handshake(&r->b);
}

static int end(void **state)
{
	rig_close(*state);
	return 0;
}

static struct host_settings settings(void)
{
	return rig_settings().host;
}

#define C(text) rig_say(r, SIDE_A, text)
#define S(text) rig_say(r, SIDE_B, text)

/* The header lines of a part as "Name=value;". */
static const char *headers_of(const struct record *rec, enum record_part part)
{
	static char text[4096];
	const struct record_field *f;
	size_t at = 0;

	text[0] = 0;
	for (f = record_first(rec, part); f != NULL; f = record_next(rec, part, f)) {
		if (f->id != FIELD_HEADERS)
			continue;
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%.*s=%.*s;", f->name_bytes,
				       (const char *)f->data, (int)(f->bytes - f->name_bytes),
				       (const char *)f->data + f->name_bytes);
	}
	return text;
}

static const struct record_field *field_of(const struct record *rec, enum record_part part,
					   uint16_t id)
{
	const struct record_field *f = record_first(rec, part);

	while (f != NULL && f->id != id)
		f = record_next(rec, part, f);
	return f;
}

static void assert_body(const struct record *rec, const char *text)
{
	const struct record_field *f = field_of(rec, RECORD_RESPONSE, FIELD_BODY);

	assert_non_null(f);
	assert_int_equal(f->bytes, strlen(text));
	assert_memory_equal(f->data, text, strlen(text));
}

static const struct record *hear(struct rig *r)
{
	const struct record *rec = rig_hear(r);

	assert_non_null(rec);
	return rec;
}

/* ---- header lines ---- */

static const char lines[] = "target\nHost:a\nx-ID:1\nhost:b\nHosts:c\nHos:d\nX-Id:\n\n";

static void all_header_lines_keep_order_case_and_repeats(void **state)
{
	struct rig *r = *state;
	struct host_settings s = settings();

	open_with(r, &s);
	C(lines);
	S("200\n\n");
	assert_string_equal(headers_of(hear(r), RECORD_REQUEST),
			    "Host=a;x-ID=1;host=b;Hosts=c;Hos=d;X-Id=;");
	assert_true(post.wants_headers);
	assert_true(post.wants_target);
}

static void without_headers_the_other_fields_are_kept(void **state)
{
	struct rig *r = *state;
	struct host_settings s = settings();
	const struct record *rec;

	s.headers = HEADERS_NONE;
	open_with(r, &s);
	C(lines);
	S("200\nA:b\n\n");
	rec = hear(r);
	assert_string_equal(r->text, "paired target 200");
	assert_int_equal(rec->flags, 0);
	assert_false(post.wants_headers);
	assert_true(post.wants_target);
}

static void named_header_lines_are_found_without_regard_to_case(void **state)
{
	struct rig *r = *state;
	struct host_settings s = settings();

	s.headers = HEADERS_NAMED;
	s.header_names = "host\0x-id\0";
	open_with(r, &s);
	C(lines);
	S("200\n\n");
	assert_string_equal(headers_of(hear(r), RECORD_REQUEST), "Host=a;x-ID=1;host=b;X-Id=;");
	assert_true(post.wants_headers);
}

static void no_names_are_no_header_lines(void **state)
{
	struct rig *r = *state;
	struct host_settings s = settings();

	s.headers = HEADERS_NAMED;
	open_with(r, &s);
	C(lines);
	S("200\n\n");
	assert_string_equal(headers_of(hear(r), RECORD_REQUEST), "");
}

/* ---- limits -----------------------------------------------------------------------------------
 */

static void as_many_header_lines_as_allowed_are_kept(void **state)
{
	struct rig *r = *state;
	struct host_settings s = settings();
	const struct record *rec;

	s.head_fields = 6;
	open_with(r, &s);
	C(lines);
	S("200\n\n");
	rec = hear(r);
	assert_string_equal(headers_of(rec, RECORD_REQUEST),
			    "Host=a;x-ID=1;host=b;Hosts=c;Hos=d;X-Id=;");
	assert_int_equal(rec->flags, 0);
}

static void header_lines_over_the_limit_are_left_out_and_flagged(void **state)
{
	struct rig *r = *state;
	struct host_settings s = settings();
	const struct record *rec;

	s.head_fields = 5;
	open_with(r, &s);
	C(lines);
	S("200\n\n");
	rec = hear(r);
	assert_string_equal(headers_of(rec, RECORD_REQUEST), "Host=a;x-ID=1;host=b;Hosts=c;Hos=d;");
	assert_int_equal(rec->flags, FLAG_head_cut);
}

static void header_lines_not_asked_for_do_not_count_towards_the_limit(void **state)
{
	struct rig *r = *state;
	struct host_settings s = settings();
	const struct record *rec;

	s.headers = HEADERS_NAMED;
	s.header_names = "x-id\0";
	s.head_fields = 2;
	open_with(r, &s);
	C(lines);
	S("200\n\n");
	rec = hear(r);
	assert_string_equal(headers_of(rec, RECORD_REQUEST), "x-ID=1;X-Id=;");
	assert_int_equal(rec->flags, 0);
}

static void a_text_of_the_head_limit_fits(void **state)
{
	struct rig *r = *state;
	struct host_settings s = settings();
	const struct record *rec;

	post.text_bytes = s.head_bytes;
	open_with(r, &s);
	C("target\n\n");
	S("200\n\n");
	rec = hear(r);
	assert_int_equal(field_of(rec, RECORD_REQUEST, FIELD_VERSION)->bytes, s.head_bytes);
	assert_int_equal(rec->flags, 0);
}

static void a_text_over_the_head_limit_is_left_out_and_flagged(void **state)
{
	struct rig *r = *state;
	struct host_settings s = settings();
	const struct record *rec;

	post.text_bytes = s.head_bytes + (s.head_fields + 17) * 16;
	open_with(r, &s);
	C("target\nA:b\n\n");
	S("200\n\n");
	rec = hear(r);
	assert_null(field_of(rec, RECORD_REQUEST, FIELD_VERSION));
	assert_string_equal(headers_of(rec, RECORD_REQUEST), "A=b;");
	assert_int_equal(rec->flags, FLAG_head_cut);
}

static void a_header_name_too_long_for_a_record_is_left_out_and_flagged(void **state)
{
	struct rig *r = *state;
	struct host_settings s = settings();
	static char long_name[80000];
	const struct record *rec;

	memset(long_name, 'n', sizeof(long_name) - 1);
	memcpy(long_name, "target\n", 7);
	memcpy(long_name + 7 + UINT16_MAX, ":value\n\n", 9);
	s.head_bytes = 1 << 17;
	open_with(r, &s);
	C(long_name);
	S("200\n\n");
	rec = hear(r);
	assert_string_equal(headers_of(rec, RECORD_REQUEST), "");
	assert_int_equal(rec->flags, FLAG_head_cut);
}

/* At the largest settings, too: rig_hear() checks the record as control would. */
static void two_of_the_largest_heads_fit_one_record(void **state)
{
	struct rig *r = *state;
	struct host_settings s = settings();
	const struct record *rec;

	s.head_bytes = 1 << 20;
	s.head_fields = 65535;
	post.text_bytes = s.head_bytes;
	open_with(r, &s);
	C("target\n\n");
	S("200\n\n");
	rec = hear(r);
	assert_int_equal(rec->flags, FLAG_head_cut);
	assert_non_null(field_of(rec, RECORD_REQUEST, FIELD_TARGET));
	assert_non_null(field_of(rec, RECORD_RESPONSE, FIELD_CODE));
	rig_forget(r);
	post.text_bytes = s.head_bytes - 3072;
	C("target\n\n");
	S("200\n\n");
	rec = hear(r);
	assert_int_equal(rec->flags, 0);
	assert_non_null(field_of(rec, RECORD_REQUEST, FIELD_VERSION));
	assert_non_null(field_of(rec, RECORD_RESPONSE, FIELD_VERSION));
}

/* ---- bodies
 * ----------------------------------------------------------------------------------------- */

static void open_for_bodies(struct rig *r, uint32_t limit_bytes)
{
	struct host_settings s = settings();

	s.body_limit_bytes = limit_bytes;
	open_with(r, &s);
	C("target\n\n");
}

static void without_a_limit_bodies_are_counted_and_not_kept(void **state)
{
	struct rig *r = *state;
	const struct record *rec;

	open_for_bodies(r, 0);
	S("200\n6\n\nabcdef");
	rec = hear(r);
	assert_int_equal(rec->response.body_bytes, 6);
	assert_null(field_of(rec, RECORD_RESPONSE, FIELD_BODY));
	assert_int_equal(rec->flags, 0);
}

static void a_body_of_the_limit_is_kept_whole(void **state)
{
	struct rig *r = *state;
	const struct record *rec;

	open_for_bodies(r, 6);
	S("200\n6\n\nab");
	S("c");
	S("def");
	rec = hear(r);
	assert_int_equal(rec->response.body_bytes, 6);
	assert_body(rec, "abcdef");
	assert_int_equal(rec->flags, 0);
}

static void a_body_over_the_limit_is_cut_and_flagged(void **state)
{
	struct rig *r = *state;
	const struct record *rec;

	open_for_bodies(r, 5);
	S("200\n8\n\nab");
	S("cdef");
	S("gh");
	rec = hear(r);
	assert_int_equal(rec->response.body_bytes, 8);
	assert_body(rec, "abcde");
	assert_int_equal(rec->flags, FLAG_body_cut);
}

static void a_body_is_kept_on_both_sides_of_a_gap(void **state)
{
	struct rig *r = *state;
	const struct record *rec;

	open_for_bodies(r, 6);
	S("200\n10\n\nab");
	rig_lose(r, SIDE_B, 4);
	S("ghij");
	rig_send(r, SIDE_A, NULL, 0);
	bench_later(&r->b, 30000000);
	rec = hear(r);
	assert_int_equal(rec->response.body_bytes, 10);
	assert_body(rec, "abghij");
	assert_int_equal(rec->flags, FLAG_gap_in_body);
}

static void a_long_body_grows_to_its_limit(void **state)
{
	struct rig *r = *state;
	const struct record_field *f;
	char head[32];

	open_for_bodies(r, 1 << 20);
	snprintf(head, sizeof(head), "200\n%d\n\n", 100000);
	S(head);
	for (uint32_t at = 0; at < 100000; at += 1000) {
		char part[1000];

		memset(part, 'a' + (int)(at / 1000 % 26), sizeof(part));
		rig_send(r, SIDE_B, part, sizeof(part));
	}
	f = field_of(hear(r), RECORD_RESPONSE, FIELD_BODY);
	assert_int_equal(f->bytes, 100000);
	for (uint32_t at = 0; at < 100000; at++)
		assert_int_equal(f->data[at], 'a' + at / 1000 % 26);
}

static void the_body_of_a_message_without_end_is_kept(void **state)
{
	struct rig *r = *state;
	const struct record *rec;

	open_for_bodies(r, 6);
	S("200\n10\n\nabc");
	flow_close_all(&r->b.flows, WHY_capture_ended);
	rec = hear(r);
	assert_int_equal(rec->response.body_bytes, 3);
	assert_body(rec, "abc");
}

/* ---- flags and the rest
 * ----------------------------------------------------------------------------------- */

static void flags_and_failure_reach_the_record(void **state)
{
	struct rig *r = *state;
	struct host_settings s = settings();
	const struct record *rec;

	open_with(r, &s);
	post.flag = FLAG_anomaly;
	C("target\n\n");
	post.flag = FLAG_hpack_unknown;
	post.failed = true;
	S("500\n\n");
	rec = hear(r);
	assert_int_equal(rec->flags, FLAG_anomaly | FLAG_hpack_unknown);
	assert_int_equal(rec->error, 1);
	assert_int_equal(r->b.counters.value[C_anomalies], 1);
	post.flag = 0;
	post.failed = false;
	C("target\n\n");
	S("200\n\n");
	rec = hear(r);
	assert_int_equal(rec->flags, 0);
	assert_int_equal(rec->error, 0);
}

static void a_gap_made_by_the_snap_length_says_so(void **state)
{
	struct rig *r = *state;
	const struct record *rec;

	open_for_bodies(r, 0);
	bench_send(&r->b, (struct sent){ .side = SIDE_B,
					 .data = "200\n6\n\nabcdef",
					 .bytes = 13,
					 .cut_bytes = 4,
					 .ack = 8 });
	r->offset[SIDE_B] = 13;
	rig_send(r, SIDE_A, NULL, 0);
	bench_later(&r->b, 30000000);
	rec = hear(r);
	assert_int_equal(rec->response.body_bytes, 6);
	assert_int_equal(rec->flags, FLAG_gap_in_body | FLAG_cut_capture);
}

static void a_differing_copy_flags_the_message_that_it_meets(void **state)
{
	struct rig *r = *state;
	struct host_settings s = settings();
	const struct record *rec;

	open_with(r, &s);
	C("target\n\n");
	S("200\n6\n\nab");
	bench_send(&r->b, (struct sent){ .side = SIDE_B, .offset = 11, .data = "ef", .bytes = 2 });
	bench_send(&r->b, (struct sent){ .side = SIDE_B, .offset = 11, .data = "XX", .bytes = 2 });
	bench_send(&r->b, (struct sent){ .side = SIDE_B, .offset = 9, .data = "cd", .bytes = 2 });
	rec = hear(r);
	assert_int_equal(rec->flags & FLAG_overlap_conflict, FLAG_overlap_conflict);
	assert_int_equal(rec->response.body_bytes, 6);
}

static void a_response_reads_its_request_s_note(void **state)
{
	struct rig *r = *state;
	struct host_settings s = settings();

	open_with(r, &s);
	C("target\n\n");
	S("200\n\n");
	assert_int_equal(post.known, REQUEST_FOUND);
	assert_int_equal(post.note, 77);
	S("200\n\n");
	assert_int_equal(post.known, REQUEST_NONE);
}

static void sizes_of_head_and_numbers_are_told(void **state)
{
	struct rig *r = *state;
	struct host_settings s = settings();
	const struct record_field *f;
	const struct record *rec;
	uint64_t number;

	open_with(r, &s);
	C("target\n3\n\nabcnext\n\n");
	S("200\n\n404\n\n");
	rec = hear(r);
	assert_int_equal(rec->request.head_bytes, 10);
	assert_int_equal(rec->response.head_bytes, 5);
	f = field_of(rec, RECORD_REQUEST, FIELD_COUNT);
	assert_int_equal(f->bytes, sizeof(number));
	memcpy(&number, f->data, sizeof(number));
	assert_int_equal(number, 3);
	assert_int_equal(hear(r)->request.head_bytes, 6);
}

static void a_message_that_is_not_there_may_be_passed_anywhere(void **state)
{
	struct rig *r = *state;
	struct host_settings s = settings();
	struct slice some = slice_of("text", 4);
	uint64_t held;

	open_with(r, &s);
	held = r->b.arena.held_bytes;
	message_note(NULL, 1);
	message_text(NULL, FIELD_TARGET, some);
	message_pair(NULL, FIELD_HEADERS, some, some);
	message_number(NULL, FIELD_COUNT, 1);
	message_flag(NULL, FLAG_anomaly);
	message_failed(NULL);
	message_proto(NULL, &dissector_inner);
	message_stream(NULL, 1);
	message_keep(NULL, 1);
	message_mask(NULL, filler);
	message_encoding(NULL, some);
	message_inflate(NULL, NULL);
	assert_int_equal(message_body_bytes(NULL), 0);
	assert_int_equal(message_told(NULL, FIELD_TARGET).bytes, 0);
	message_body(NULL, some);
	assert_int_equal(message_kept(NULL).bytes, 0);
	message_head(NULL, some.at);
	message_end(NULL, NULL);
	assert_false(message_wants(NULL, FIELD_TARGET));
	assert_int_equal(r->b.arena.held_bytes, held);
	rig_expect_nothing(r);
}

static void a_message_may_be_of_a_protocol_inside_this_one(void **state)
{
	struct rig *r = *state;
	struct host_settings s = settings();
	const struct record *rec;

	open_with(r, &s);
	post.inner[SIDE_A] = &dissector_inner;
	C(lines);
	S("200\n\n");
	rec = hear(r);
	assert_int_equal(rec->proto, 1);
	assert_int_equal(rec->request.proto, 1);
	assert_int_equal(rec->response.proto, 0);
	assert_int_equal(rec->stream, 6);
	/* A name that only the response has counts more than none. */
	post.inner[SIDE_A] = NULL;
	post.inner[SIDE_B] = &dissector_inner;
	C(lines);
	S("200\n\n");
	rec = hear(r);
	assert_int_equal(rec->proto, 1);
	assert_int_equal(rec->request.proto, 0);
	assert_int_equal(rec->response.proto, 1);
	assert_int_equal(rec->stream, 6);
	post.inner[SIDE_B] = NULL;
	C(lines);
	S("200\n\n");
	rec = hear(r);
	assert_int_equal(rec->proto, 0);
	assert_int_equal(rec->stream, 0);
}

static void a_protocol_that_is_not_enabled_names_no_message(void **state)
{
	struct rig *r = *state;
	struct rig_settings s = rig_settings();

	s.dissectors = "post\0";
	rig_open(r, &s);
	bench_handshake(&r->b);
	post.inner[SIDE_A] = &dissector_inner;
	post.inner[SIDE_B] = &dissector_unlisted;
	C(lines);
	S("200\n\n");
	assert_int_equal(hear(r)->proto, 0);
}

static void of_a_body_may_be_kept_what_only_the_dissector_sees(void **state)
{
	struct rig *r = *state;
	struct host_settings s = settings();
	const struct record *rec;

	s.body_limit_bytes = 2;
	open_with(r, &s);
	post.keep_bytes = 5;
	C("one\n\n");
	S("200\n8\n\nabcd");
	S("efgh");
	rec = hear(r);
	assert_string_equal(post.kept, "abcde");
	assert_body(rec, "ab");
	assert_int_equal(rec->flags, FLAG_body_cut);
	assert_int_equal(rec->response.body_bytes, 8);
	post.keep_bytes = 1;
	C("one\n\n");
	S("200\n2\n\nab");
	rec = hear(r);
	assert_string_equal(post.kept, "ab");
	assert_int_equal(rec->flags, 0);
}

static void without_a_limit_nothing_of_what_was_kept_is_told(void **state)
{
	struct rig *r = *state;
	struct host_settings s = settings();
	const struct record *rec;

	s.body_limit_bytes = 0;
	open_with(r, &s);
	post.keep_bytes = UINT32_MAX; /* the head limit */
	C("one\n\n");
	S("200\n3\n\nabc");
	rec = hear(r);
	assert_string_equal(post.kept, "abc");
	assert_null(field_of(rec, RECORD_RESPONSE, FIELD_BODY));
	assert_int_equal(rec->flags, 0);
}

static void bytes_that_were_read_may_be_body_too(void **state)
{
	struct rig *r = *state;
	struct host_settings s = settings();
	const struct record *rec;

	s.body_limit_bytes = 16;
	open_with(r, &s);
	post.head_is_body = true;
	C("one\n\n");
	S("200\n3\n\nabc");
	rec = hear(r);
	assert_body(rec, "200abc");
	assert_int_equal(rec->response.body_bytes, 6);
}

static void a_masked_body_is_kept_unmasked(void **state)
{
	struct rig *r = *state;
	struct host_settings s = settings();
	const struct record *rec;

	s.body_limit_bytes = 9;
	open_with(r, &s);
	post.mask = "\1\2\3\4";
	post.head_is_body = true; /* the key's first byte is for the body's fourth */
	C("one\n\n");
	S("200\n8\n\n");
	S("``");
	S("``ddd");
	S("d");
	rec = hear(r);
	assert_body(rec, "200abcdef");
	assert_true((rec->flags & FLAG_body_cut) != 0);
	assert_int_equal(post.passed, 11);
	assert_string_equal(post.told, "one");
}

/* ---- encoded bodies ---- */

/* "hello, hello, hello" by gzip, and that by gzip again. */
static const uint8_t once[] = { 0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03,
				0xcb, 0x48, 0xcd, 0xc9, 0xc9, 0xd7, 0x51, 0xc8, 0x40, 0xa2,
				0x00, 0x9f, 0xa1, 0xca, 0x09, 0x13, 0x00, 0x00, 0x00 };
static const uint8_t twice[] = { 0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03,
				 0x93, 0xef, 0xe6, 0x60, 0x00, 0x01, 0x26, 0xe6, 0xd3, 0x1e,
				 0x67, 0x4f, 0x9e, 0xbc, 0x1e, 0x78, 0xc2, 0x61, 0x11, 0xc3,
				 0xfc, 0x85, 0xa7, 0x38, 0x85, 0x81, 0x82, 0x00, 0xf2, 0x5e,
				 0xa1, 0x25, 0x1d, 0x00, 0x00, 0x00 };

/* A response whose body has `whole` bytes, of which some come. */
static void say_encoded(struct rig *r, const uint8_t *body, size_t bytes, size_t whole)
{
	uint8_t text[400];
	int n = snprintf((char *)text, sizeof(text), "200\n%zu\n\n", whole);

	C("one\n\n");
	memcpy(text + n, body, bytes);
	rig_send(r, SIDE_B, text, (uint32_t)n + (uint32_t)bytes);
}

static uint64_t decoded_of(const struct record *rec)
{
	const struct record_field *f = field_of(rec, RECORD_RESPONSE, FIELD_DECODED);
	uint64_t v = UINT64_MAX;

	if (f != NULL)
		memcpy(&v, f->data, sizeof(v));
	return v;
}

static void open_for_encoding(struct rig *r, uint32_t limit, const char *encoding, bool decode)
{
	struct host_settings s = settings();

	s.body_limit_bytes = limit;
	s.decode_bodies = decode;
	open_with(r, &s);
	post.encoding = encoding;
}

static void an_encoded_body_is_told_as_it_was_before(void **state)
{
	static const char *const codings[] = { "gzip", "GZip", " identity, x-gzip\t",
					       "identity,gzip," };
	struct rig *r = *state;
	const struct record *rec;

	for (size_t i = 0; i < sizeof(codings) / sizeof(codings[0]); i++) {
		if (i == 0)
			open_for_encoding(r, 100, codings[i], true);
		post.encoding = codings[i];
		say_encoded(r, once, sizeof(once), sizeof(once));
		assert_true(post.wants_decoded);
		rec = hear(r);
		assert_body(rec, "hello, hello, hello");
		assert_true(decoded_of(rec) == 19);
		assert_int_equal(rec->response.body_bytes, sizeof(once));
		assert_int_equal(rec->flags, 0);
	}
	post.encoding = "gzip, gzip";
	say_encoded(r, twice, sizeof(twice), sizeof(twice));
	assert_body(hear(r), "hello, hello, hello");
}

static void a_body_stays_as_it_is_where_nobody_can_or_shall_decode_it(void **state)
{
	static const char *const codings[] = { "compress", "gzip, aes128gcm", "x",
					       "gzip,gzip,gzip,gzip,gzip" };
	struct rig *r = *state;
	const struct record *rec;

	open_for_encoding(r, 100, "gzip", false);
	for (size_t i = 0; i < sizeof(codings) / sizeof(codings[0]) + 1; i++) {
		say_encoded(r, once, sizeof(once), sizeof(once));
		rec = hear(r);
		assert_true(decoded_of(rec) == UINT64_MAX);
		assert_memory_equal(field_of(rec, RECORD_RESPONSE, FIELD_BODY)->data, once,
				    sizeof(once));
		assert_int_equal(rec->flags, 0);
		/* from now on they would be decoded */
		r->host.settings.decode_bodies = true;
		post.encoding = codings[i % 4];
	}
}

static void what_becomes_of_a_body_is_cut_at_the_limit(void **state)
{
	struct rig *r = *state;
	const struct record *rec;

	open_for_encoding(r, 10, "gzip", true);
	say_encoded(r, once, sizeof(once), sizeof(once));
	rec = hear(r); /* ten bytes are the header of gzip */
	assert_true(decoded_of(rec) == UINT64_MAX);
	assert_int_equal(rec->flags, FLAG_body_cut);
	r->host.settings.body_limit_bytes = 18;
	say_encoded(r, once, sizeof(once), sizeof(once));
	rec = hear(r);
	assert_true(decoded_of(rec) > 0 && decoded_of(rec) < 19);
	assert_memory_equal(field_of(rec, RECORD_RESPONSE, FIELD_BODY)->data, "hello, hello, hello",
			    decoded_of(rec));
	assert_int_equal(rec->flags, FLAG_body_cut);
}

static void a_broken_body_is_an_anomaly(void **state)
{
	struct rig *r = *state;
	const struct record *rec;
	uint8_t body[sizeof(once)];

	open_for_encoding(r, 100, "gzip", true);
	memcpy(body, once, sizeof(once));
	body[sizeof(once) - 6] ^= 1; /* the check sum: the text was there before */
	say_encoded(r, body, sizeof(body), sizeof(body));
	rec = hear(r);
	assert_body(rec, "hello, hello, hello");
	assert_int_equal(rec->flags, FLAG_anomaly);
	say_encoded(r, (const uint8_t *)"<html>", 6, 6);
	rec = hear(r);
	assert_body(rec, "<html>");
	assert_true(decoded_of(rec) == UINT64_MAX);
	assert_int_equal(rec->flags, FLAG_anomaly);
}

static void a_body_with_a_hole_is_not_decoded(void **state)
{
	struct rig *r = *state;
	const struct record *rec;

	open_for_encoding(r, 100, "gzip", true);
	say_encoded(r, once, 15, sizeof(once));
	rig_lose(r, SIDE_B, 4);
	rig_send(r, SIDE_B, once + 19, sizeof(once) - 19);
	rig_send(r, SIDE_A, NULL, 0);
	bench_later(&r->b, 30000000);
	rec = hear(r);
	assert_true(decoded_of(rec) == UINT64_MAX);
	assert_int_equal(rec->flags, FLAG_gap_in_body);
}

/* RFC 7692 7.2.3.1, 7.2.3.2: the second one refers to the first. */
static void messages_of_permessage_deflate_share_a_window(void **state)
{
	static const uint8_t first[] = { 0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00 };
	static const uint8_t again[] = { 0xf2, 0x00, 0x11, 0x00, 0x00 };
	static uint8_t memory[INFLATE_WINDOW_BYTES];
	struct inflate_window w = { .at = memory };
	struct rig *r = *state;
	const struct record *rec;

	open_for_encoding(r, 5, NULL, true); /* less than the message has on the wire */
	post.window = &w;
	say_encoded(r, first, sizeof(first), sizeof(first));
	rec = hear(r);
	assert_body(rec, "Hello");
	assert_int_equal(rec->flags, 0);
	say_encoded(r, again, sizeof(again), sizeof(again));
	assert_body(hear(r), "Hello");
	/* One that is not whole takes the window with it. */
	say_encoded(r, again, 2, sizeof(again));
	rig_lose(r, SIDE_B, 3);
	say_encoded(r, again, sizeof(again), sizeof(again));
	bench_later(&r->b, 30000000);
	hear(r);
	assert_true(w.lost);
	assert_true(decoded_of(hear(r)) == UINT64_MAX);
}

static void a_body_that_its_side_ends_has_fewer_bytes_than_were_skipped(void **state)
{
	struct rig *r = *state;
	struct host_settings s = settings();

	open_with(r, &s);
	C("one\n\n");
	S("200\n8\n\nabc");
	flow_close_all(&r->b.flows, WHY_capture_ended);
	hear(r);
	assert_int_equal(post.passed, 3);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, start, end)
	const struct CMUnitTest tests[] = {
		T(all_header_lines_keep_order_case_and_repeats),
		T(without_headers_the_other_fields_are_kept),
		T(named_header_lines_are_found_without_regard_to_case),
		T(no_names_are_no_header_lines),
		T(as_many_header_lines_as_allowed_are_kept),
		T(header_lines_over_the_limit_are_left_out_and_flagged),
		T(header_lines_not_asked_for_do_not_count_towards_the_limit),
		T(a_text_of_the_head_limit_fits),
		T(a_text_over_the_head_limit_is_left_out_and_flagged),
		T(a_header_name_too_long_for_a_record_is_left_out_and_flagged),
		T(two_of_the_largest_heads_fit_one_record),
		T(without_a_limit_bodies_are_counted_and_not_kept),
		T(a_body_of_the_limit_is_kept_whole),
		T(a_body_over_the_limit_is_cut_and_flagged),
		T(a_body_is_kept_on_both_sides_of_a_gap),
		T(a_long_body_grows_to_its_limit),
		T(the_body_of_a_message_without_end_is_kept),
		T(flags_and_failure_reach_the_record),
		T(a_gap_made_by_the_snap_length_says_so),
		T(a_differing_copy_flags_the_message_that_it_meets),
		T(a_response_reads_its_request_s_note),
		T(sizes_of_head_and_numbers_are_told),
		T(a_message_may_be_of_a_protocol_inside_this_one),
		T(a_protocol_that_is_not_enabled_names_no_message),
		T(of_a_body_may_be_kept_what_only_the_dissector_sees),
		T(without_a_limit_nothing_of_what_was_kept_is_told),
		T(bytes_that_were_read_may_be_body_too),
		T(a_masked_body_is_kept_unmasked),
		T(an_encoded_body_is_told_as_it_was_before),
		T(a_body_stays_as_it_is_where_nobody_can_or_shall_decode_it),
		T(what_becomes_of_a_body_is_cut_at_the_limit),
		T(a_broken_body_is_an_anomaly),
		T(a_body_with_a_hole_is_not_decoded),
		T(messages_of_permessage_deflate_share_a_window),
		T(a_body_that_its_side_ends_has_fewer_bytes_than_were_skipped),
		T(a_message_that_is_not_there_may_be_passed_anywhere),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
