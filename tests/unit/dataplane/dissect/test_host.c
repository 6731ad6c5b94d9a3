/* Proves what host.c and dissector.h promise to a dissector, and what a connection costs:
 *
 *   - bytes of a side are offered in order, those not taken again when more is there, as asked
 *     for by need, skip and wait_peer; a gap never shows up inside them;
 *   - a message knows the packets that carried it, wherever its bytes were kept meanwhile;
 *   - either side may ask and be answered, by key in any order, with a record that keeps its
 * client;
 *   - what is handed over, taken, given back and let go is just that, once;
 *   - a datagram is shown once and whole, and its flow ends by time;
 *   - limits end in bytes that are counted, never in memory or calls without end;
 *   - every byte of memory is back when the connection has ended (rig_close asserts it).
 *
 * The test is the registry: `tape` does what each test's own feed function does and everything
 * said to it is noted; `other` takes what it is given.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/check.h"
#include "tests/support/rig.h"

#include "dataplane/dissect/rest.h"

/* ---- two dissectors ---- */

enum { CALLS = 4096, CALL_TEXT = 64 };

enum call_kind { CALLED_FEED, CALLED_GAP, CALLED_CLOSE };

struct call {
	enum call_kind kind;
	const char *owner;
	enum side side;
	uint64_t bytes;
	char text[CALL_TEXT];
	bool full, waited;
	enum why why;
};

typedef size_t feed_fn(struct conn *c, enum side side, struct slice in);

/* What a test tells the dissectors, and what it hears of them. */
static struct {
	struct call call[CALLS];
	uint32_t calls;
	feed_fn *feed;
	enum resync on_gap;
	size_t take_bytes; /* conn_take() of this much at the first call; 0: none */
	bool hold;         /* wait for the peer as long as this is set */
	bool stubborn;     /* and even when the wait is over */
	void *taken;
	uint32_t finis;     /* calls of fini() */
	const char *become; /* what a line `become` makes of the connection */
} tape;

/* What the dissector keeps of a connection. */
struct tape_state {
	struct message *body_of[2];
	uint32_t calls;
};

static struct call *note(enum call_kind kind, const char *owner, enum side side)
{
	assert_true(tape.calls < CALLS);
	tape.call[tape.calls] = (struct call){ .kind = kind, .owner = owner, .side = side };
	return &tape.call[tape.calls++];
}

static void note_feed(struct conn *c, const char *owner, enum side side, struct slice in)
{
	struct call *n = note(CALLED_FEED, owner, side);

	n->bytes = in.bytes;
	if (in.bytes > 0)
		memcpy(n->text, in.at, in.bytes < CALL_TEXT ? in.bytes : CALL_TEXT - 1);
	n->full = conn_full(c, side);
	n->waited = conn_waited(c, side);
}

static size_t tape_feed(struct conn *c, enum side side, struct slice in)
{
	struct tape_state *s = conn_state(c);

	note_feed(c, "tape", side, in);
	if (s->calls++ == 0 && tape.take_bytes > 0)
		tape.taken = conn_take(c, tape.take_bytes);
	return tape.feed(c, side, in);
}

static void tape_fini(struct conn *c)
{
	assert_non_null(conn_state(c));
	tape.finis++;
}

static size_t other_feed(struct conn *c, enum side side, struct slice in)
{
	const uint64_t *state = conn_state(c);

	assert_int_equal(*state, 0);
	note_feed(c, "other", side, in);
	return in.bytes;
}

static enum resync on_gap(struct conn *c, enum side side, uint64_t bytes)
{
	(void)c;
	note(CALLED_GAP, "", side)->bytes = bytes;
	return tape.on_gap;
}

static void on_close(struct conn *c, enum side side, enum why why)
{
	(void)c;
	note(CALLED_CLOSE, "", side)->why = why;
}

/* A side that begins with `z` speaks nothing we know. */
static enum guess probe(struct slice first, uint16_t port_hint)
{
	(void)port_hint;
	return first.at[0] == 'z' ? GUESS_NO : GUESS_YES;
}

static enum guess probe_never(struct slice first, uint16_t port_hint)
{
	(void)first, (void)port_hint;
	return GUESS_NO;
}

static const struct over_datagrams tape_datagrams = { .probe = probe, .take = tape_feed };

static const struct dissector dissector_tape = {
	.name = "tape",
	.proto = "tape",
	.title = "What the test says",
	.conn_bytes = sizeof(struct tape_state),
	.probe = probe,
	.feed = tape_feed,
	.gap = on_gap,
	.close = on_close,
	.fini = tape_fini,
	.datagrams = &tape_datagrams,
};

static const struct dissector dissector_other = {
	.name = "other",
	.proto = "other",
	.title = "Takes all",
	.conn_bytes = sizeof(uint64_t),
	.probe = probe_never,
	.feed = other_feed,
	.gap = on_gap,
};

const struct dissector *const dissectors[] = { &dissector_tape, &dissector_other };
const uint32_t dissector_count = 2;

uint32_t dissector_find(const char *name)
{
	for (uint32_t i = 0; i < dissector_count; i++)
		if (strcmp(dissectors[i]->name, name) == 0)
			return i;
	return DISSECTOR_NONE;
}

/* ---- what feed() may do ---- */

static struct message *begin(struct conn *c, enum side side, const uint8_t *at)
{
	return message_begin(c, side, at,
			     (struct message_open){ .kind = side == SIDE_A ? MESSAGE_REQUEST
									   : MESSAGE_RESPONSE });
}

static void whole_message(struct conn *c, enum side side, struct slice text, const uint8_t *end)
{
	struct message *m = begin(c, side, text.at);

	message_text(m, side == SIDE_A ? FIELD_TARGET : FIELD_CODE, text);
	message_head(m, end);
	message_end(m, end);
}

/* A line is a message: of the client a request, of the server a response. */
static size_t lines(struct conn *c, enum side side, struct slice in)
{
	const uint8_t *end = in.bytes > 0 ? memchr(in.at, '\n', in.bytes) : NULL;
	struct slice line;

	if (end == NULL)
		return 0;
	line = slice_of(in.at, (size_t)(end - in.at));
	whole_message(c, side, line, end + 1);
	return line.bytes + 1;
}

/* Two digits say how long the text behind them is; a `*` before them makes it a skipped body. */
static size_t frames(struct conn *c, enum side side, struct slice in)
{
	struct tape_state *s = conn_state(c);
	bool body = in.bytes > 0 && in.at[0] == '*';
	size_t head = body ? 3 : 2, bytes;

	if (s->body_of[side] != NULL) {
		message_end(s->body_of[side], NULL);
		s->body_of[side] = NULL;
		return 0;
	}
	conn_need(c, side, head);
	if (in.bytes < head)
		return 0;
	bytes = (size_t)(in.at[head - 2] - '0') * 10 + (size_t)(in.at[head - 1] - '0');
	if (body) {
		s->body_of[side] = begin(c, side, in.at);
		message_head(s->body_of[side], in.at + head);
		conn_skip(c, side, bytes, s->body_of[side]);
		return head;
	}
	conn_need(c, side, head + bytes);
	if (in.bytes < head + bytes)
		return 0;
	whole_message(c, side, slice_of(in.at + head, bytes), in.at + head + bytes);
	conn_need(c, side, 0);
	return head + bytes;
}

/* Lines, but a response waits for its request. */
static size_t lines_in_turn(struct conn *c, enum side side, struct slice in)
{
	uint64_t note;

	if (side == SIDE_B && !conn_waited(c, side) &&
	    conn_request_note(c, side, in.at, 0, &note) == REQUEST_NONE) {
		conn_wait_peer(c, side);
		return 0;
	}
	return lines(c, side, in);
}

/* Lines again, of either side: `?K text` asks, `=K text` answers, `+K` repeats, `-K` gives up,
 * `!text` tells; K is a key, and `0` is none. `>KL` moves a request from K to L. `become` ends it
 * all. */
static void take_turn(struct conn *c, enum side side, struct slice line, const uint8_t *end)
{
	struct message_open open = { .key = line.at[1] == '0' ? 0 : line.at[1] };
	struct message *m;

	switch (line.at[0]) {
	case '?': open.kind = MESSAGE_REQUEST; break;
	case '=': open.kind = MESSAGE_RESPONSE; break;
	case '!': open.kind = MESSAGE_ONEWAY; break;
	case '+': assert_true(conn_request_again(c, side, open.key)); return;
	case '-': assert_true(conn_request_close(c, side, open.key, WHY_reset)); return;
	case '>': assert_true(conn_request_key(c, side, line.at, open.key, line.at[2])); return;
	default: conn_become_with(c, tape.become, slice_of("handed over", 11)); return;
	}
	m = message_begin(c, side, line.at, open);
	message_stream(m, line.at[1]);
	message_text(m, open.kind == MESSAGE_RESPONSE ? FIELD_CODE : FIELD_TARGET, line);
	message_head(m, end);
	message_end(m, end);
}

static size_t turns(struct conn *c, enum side side, struct slice in)
{
	const uint8_t *end = in.bytes > 0 ? memchr(in.at, '\n', in.bytes) : NULL;

	if (end == NULL)
		return 0;
	take_turn(c, side, slice_of(in.at, (size_t)(end - in.at)), end + 1);
	return (size_t)(end - in.at) + 1;
}

static size_t nothing(struct conn *c, enum side side, struct slice in)
{
	(void)c, (void)side, (void)in;
	return 0;
}

static size_t everything(struct conn *c, enum side side, struct slice in)
{
	(void)c, (void)side;
	return in.bytes;
}

/* Lines, but the server's wait for the client as long as the test wants it. */
static size_t patient_lines(struct conn *c, enum side side, struct slice in)
{
	if (side == SIDE_B && tape.hold && (tape.stubborn || !conn_waited(c, side))) {
		conn_wait_peer(c, side);
		return 0;
	}
	return lines(c, side, in);
}

/* The same, with the sides the other way round. */
static size_t patient_client(struct conn *c, enum side side, struct slice in)
{
	if (side == SIDE_A && tape.hold && !conn_waited(c, side)) {
		conn_wait_peer(c, side);
		return 0;
	}
	return lines(c, side, in);
}

/* Everything behind the first byte is body until the side ends. */
static size_t endless_body(struct conn *c, enum side side, struct slice in)
{
	struct tape_state *s = conn_state(c);

	if (s->body_of[side] != NULL) {
		message_end(s->body_of[side], NULL);
		s->body_of[side] = NULL;
	}
	if (in.bytes == 0)
		return 0;
	s->body_of[side] = begin(c, side, in.at);
	conn_skip(c, side, UINT64_MAX, s->body_of[side]);
	return 1;
}

/* Until `!`, which is taken, or `^`, which is not; what follows is `other`'s. */
static size_t until_mark(struct conn *c, enum side side, struct slice in)
{
	for (size_t i = 0; i < in.bytes; i++) {
		if (in.at[i] != '!' && in.at[i] != '^')
			continue;
		conn_become(c, "other");
		return i + (in.at[i] == '!');
	}
	return side == SIDE_A ? in.bytes : 0;
}

/* ---- around each test ---- */

static struct rig rig;

static void open_with(const struct rig_settings *s)
{
	memset(&tape, 0, sizeof(tape));
	tape.feed = lines;
	rig_open(&rig, s);
	bench_handshake(&rig.b);
}

static int open_rig(void **state)
{
	struct rig_settings s = rig_settings();

	s.pair.open_requests = 128;
	open_with(&s);
	*state = &rig;
	return 0;
}

static int close_rig(void **state)
{
	rig_close(*state);
	return 0;
}

#define C(text) rig_say(r, SIDE_A, text)
#define S(text) rig_say(r, SIDE_B, text)

static uint64_t counted(const struct rig *r, enum counter c)
{
	return r->b.counters.value[c];
}

static uint32_t calls_of(enum call_kind kind)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < tape.calls; i++)
		n += tape.call[i].kind == kind;
	return n;
}

static const struct call *call_at(uint32_t i)
{
	assert_true(i < tape.calls);
	return &tape.call[i];
}

static void assert_fed(uint32_t i, const char *owner, enum side side, const char *text)
{
	const struct call *n = call_at(i);

	assert_int_equal(n->kind, CALLED_FEED);
	assert_string_equal(n->owner, owner);
	assert_int_equal(n->side, side);
	assert_string_equal(n->text, text);
}

static void say_datagram(struct rig *r, enum side side, const char *text, uint32_t cut_bytes)
{
	bench_send(&r->b, (struct sent){ .datagram = true,
					 .side = side,
					 .data = text,
					 .bytes = (uint32_t)strlen(text),
					 .cut_bytes = cut_bytes });
}

#define CD(text) say_datagram(r, SIDE_A, text, 0)
#define SD(text) say_datagram(r, SIDE_B, text, 0)

/* ---- gathering ---- */

static void bytes_that_are_taken_are_never_copied(void **state)
{
	struct rig *r = *state;
	uint64_t held;

	C("first line\n");
	S("first answer\n");
	held = r->b.arena.held_bytes;
	for (int i = 0; i < 100; i++) {
		C("one more\n");
		S("its answer\n");
		assert_int_equal(r->b.arena.held_bytes, held);
	}
}

static void half_a_message_is_kept_until_the_rest_is_there(void **state)
{
	struct rig *r = *state;
	uint64_t held;

	C("first line\n");
	S("first answer\n");
	held = r->b.arena.held_bytes;
	C("half");
	assert_true(r->b.arena.held_bytes > held);
	C(" and half\n");
	S("answer\n");
	assert_int_equal(r->b.arena.held_bytes, held);
	rig_expect(r, "paired first line first answer");
	rig_expect(r, "paired half and half answer");
}

static void what_is_not_taken_is_offered_again_only_with_more(void **state)
{
	struct rig *r = *state;

	C("first line\nab");
	assert_int_equal(tape.calls, 2);
	C("c");
	assert_int_equal(tape.calls, 3);
	C("\n");
	assert_int_equal(tape.calls, 4);
	assert_fed(1, "tape", SIDE_A, "ab");
	assert_fed(2, "tape", SIDE_A, "abc");
	assert_fed(3, "tape", SIDE_A, "abc\n");
}

static void bytewise_feeding_equals_all_at_once(void **state)
{
	static const char ask[] = "05hello*11ten of body0014fourteen bytes";
	static const char answer[] = "02ok*03abc01x00*2012345678901234567890";
	struct rig *r = *state;
	static char whole[8][RIG_TEXT_BYTES];
	uint32_t heard = 0;

	tape.feed = frames;
	C(ask);
	S(answer);
	while (rig_hear(r) != NULL)
		strcpy(whole[heard++], r->text);
	assert_int_equal(heard, 5);
	rig_connect(r);
	rig_say_bytewise(r, SIDE_A, ask);
	rig_say_bytewise(r, SIDE_B, answer);
	for (uint32_t i = 0; i < heard; i++)
		rig_expect(r, whole[i]);
	rig_expect_nothing(r);
}

static void say_chopped(struct rig *r, enum side side, const char *text, size_t bytes)
{
	while (bytes > 0) {
		size_t n = 1 + (size_t)rand() % 7;

		n = n < bytes ? n : bytes;
		rig_send(r, side, text, (uint32_t)n);
		text += n;
		bytes -= n;
	}
}

static void any_chopping_gives_the_same_records(void **state)
{
	struct rig *r = *state;
	char ask[1024] = "", wanted[64];

	tape.feed = frames;
	for (int i = 0; i < 40; i++)
		snprintf(ask + strlen(ask), sizeof(ask) - strlen(ask),
			 i % 3 == 2 ? "*05xyzzy" : "04a%03d", i);
	for (unsigned seed = 1; seed <= 200; seed++) {
		srand(seed);
		tape.calls = 0;
		rig_connect(r);
		say_chopped(r, SIDE_A, ask, strlen(ask));
		say_chopped(r, SIDE_B, ask, strlen(ask));
		for (int i = 0; i < 40; i++) {
			snprintf(wanted, sizeof(wanted), "paired a%03d a%03d", i, i);
			rig_expect(r, i % 3 == 2 ? "paired xyzz xyzz" : wanted);
		}
		flow_close_all(&r->b.flows, WHY_capture_ended);
		rig_forget(r);
	}
	assert_int_equal(counted(r, C_opaque_bytes), 0);
}

/* ---- marks ---- */

/* Takes nothing before there is an empty line, then line by line. */
static size_t lines_behind_a_blank(struct conn *c, enum side side, struct slice in)
{
	if (in.bytes < 2 || (in.at[in.bytes - 1] != '.' && in.at[0] != '\n'))
		return in.bytes > 0 && tape.hold ? 0 : lines(c, side, in);
	tape.hold = false;
	return lines(c, side, in);
}

/* Send `count` lines, one in each segment, that are all taken at the end; returns the number of
 * the packet with the first. */
static uint64_t gather_lines(struct rig *r, uint32_t count)
{
	uint64_t first = r->b.number + 1;
	char line[32];

	tape.feed = lines_behind_a_blank;
	tape.hold = true;
	for (uint32_t i = 0; i < count; i++) {
		snprintf(line, sizeof(line), "line %03u\n", i);
		C(line);
	}
	assert_int_equal(counted(r, C_requests), 0);
	C(".");
	assert_int_equal(counted(r, C_requests), count);
	return first;
}

static void up_to_64_gathered_segments_each_message_knows_its_own_packet(void **state)
{
	struct rig *r = *state;
	uint64_t first = gather_lines(r, 64);
	const struct record *rec;

	flow_close_all(&r->b.flows, WHY_capture_ended);
	for (uint32_t i = 0; i < 64; i++) {
		rec = rig_hear(r);
		assert_non_null(rec);
		assert_int_equal(rec->frames[0], first + i);
		assert_int_equal(rec->frames[1], first + i);
		assert_int_equal(rec->request.duration_ns, 0);
	}
}

static void beyond_64_gathered_segments_the_last_mark_stands_for_the_rest(void **state)
{
	struct rig *r = *state;
	uint64_t first = gather_lines(r, 70);
	const struct record *rec;

	flow_close_all(&r->b.flows, WHY_capture_ended);
	for (uint32_t i = 0; i < 70; i++) {
		rec = rig_hear(r);
		assert_non_null(rec);
		assert_int_equal(rec->frames[0], first + (i < 63 ? i : 63));
	}
}

static void a_message_over_several_gathered_segments_has_their_first_and_last(void **state)
{
	struct rig *r = *state;
	uint64_t at = r->b.number;
	const struct record *rec;

	C("begin of one, ");
	C("end\nbegin ");
	C("of two, ");
	C("end\n");
	flow_close_all(&r->b.flows, WHY_capture_ended);
	rec = rig_expect(r, "unanswered:capture_ended begin of one, end");
	assert_int_equal(rec->frames[0], at + 1);
	assert_int_equal(rec->frames[1], at + 2);
	assert_int_equal(rec->request.duration_ns, 1000);
	rec = rig_expect(r, "unanswered:capture_ended begin of two, end");
	assert_int_equal(rec->frames[0], at + 2);
	assert_int_equal(rec->frames[1], at + 4);
	assert_int_equal(rec->request.duration_ns, 2000);
}

/* Frames of the server that wait as long as the test wants it. */
static size_t patient_frames(struct conn *c, enum side side, struct slice in)
{
	const struct tape_state *s = conn_state(c);

	if (side == SIDE_B && tape.hold && s->body_of[side] == NULL) {
		conn_wait_peer(c, side);
		return 0;
	}
	return frames(c, side, in);
}

static void a_gathered_body_ends_in_its_own_packet(void **state)
{
	struct rig *r = *state;
	const struct record *rec;
	uint64_t at;

	tape.feed = patient_frames;
	tape.hold = true;
	C("03one03two");
	at = r->b.number;
	S("*04ab");
	S("cd");
	S("02no");
	tape.hold = false;
	C("05three");
	rec = rig_expect(r, "paired one abcd");
	assert_int_equal(rec->frames[2], at + 1);
	assert_int_equal(rec->frames[3], at + 2);
	assert_int_equal(rec->response.duration_ns, 1000);
	rec = rig_expect(r, "paired two no");
	assert_int_equal(rec->frames[2], at + 3);
}

/* ---- need ---- */

static void need_keeps_feed_from_being_called_in_vain(void **state)
{
	struct rig *r = *state;

	tape.feed = frames;
	C("08at first");
	tape.calls = 0;
	rig_say_bytewise(r, SIDE_A, "20twenty characters ok");
	assert_int_equal(tape.calls, 3);
	assert_fed(0, "tape", SIDE_A, "2");
	assert_fed(1, "tape", SIDE_A, "20");
	assert_fed(2, "tape", SIDE_A, "20twenty characters ok");
}

static size_t insatiable(struct conn *c, enum side side, struct slice in)
{
	conn_need(c, side, SIZE_MAX);
	return conn_full(c, side) ? in.bytes : 0;
}

static void need_is_cut_to_the_head_limit(void **state)
{
	struct rig *r = *state;
	static char page[1024];

	memset(page, 'p', sizeof(page));
	tape.feed = insatiable;
	for (int i = 0; i < 4; i++)
		rig_send(r, SIDE_A, page, sizeof(page));
	assert_int_equal(calls_of(CALLED_FEED), 2);
	assert_false(call_at(0)->full);
	assert_true(call_at(1)->full);
	assert_int_equal(call_at(1)->bytes, 4096);
	assert_int_equal(counted(r, C_opaque_bytes), 0);
}

static void need_is_void_when_nothing_can_follow(void **state)
{
	struct rig *r = *state;

	tape.feed = insatiable;
	C("too little");
	bench_send(&r->b,
		   (struct sent){ .side = SIDE_A, .flags = TCP_FIN | TCP_ACK, .offset = 10 });
	assert_int_equal(tape.calls, 3);
	assert_fed(1, "tape", SIDE_A, "too little");
	assert_true(call_at(1)->full);
	assert_int_equal(call_at(2)->kind, CALLED_CLOSE);
}

/* ---- skip ---- */

static void a_skipped_body_is_counted_and_not_shown(void **state)
{
	struct rig *r = *state;
	const struct record *rec;

	tape.feed = frames;
	C("03one03two");
	tape.calls = 0;
	S("*12abcd");
	S("efgh");
	S("ijkl02no");
	assert_int_equal(tape.calls, 3);
	assert_fed(0, "tape", SIDE_B, "*12abcd");
	assert_fed(1, "tape", SIDE_B, "02no"); /* the call owed at the body's end */
	assert_fed(2, "tape", SIDE_B, "02no");
	rec = rig_expect(r, "paired one abcd");
	assert_int_equal(rec->response.body_bytes, 12);
	assert_int_equal(rec->response.head_bytes, 3);
	rig_expect(r, "paired two no");
}

static void a_body_that_ends_with_its_segment_is_ended_at_once(void **state)
{
	struct rig *r = *state;

	tape.feed = frames;
	C("06before03one");
	S("02ok");
	rig_expect(r, "paired before ok");
	tape.calls = 0;
	S("*04");
	S("abcd");
	assert_int_equal(tape.calls, 2);
	assert_fed(1, "tape", SIDE_B, "");
	rig_expect(r, "paired one abcd");
}

static void a_gap_inside_a_body_is_not_the_dissector_s_business(void **state)
{
	struct rig *r = *state;
	const struct record *rec;

	tape.feed = frames;
	C("03one");
	S("*10ab");
	rig_lose(r, SIDE_B, 4);
	S("ghij");
	C("03two");
	bench_later(&r->b, 30000000);
	rec = rig_expect(r, "paired one abgh");
	assert_int_equal(rec->flags, FLAG_gap_in_body | FLAG_body_cut);
	assert_int_equal(rec->response.body_bytes, 10);
	assert_int_equal(calls_of(CALLED_GAP), 0);
	S("02no");
	rig_expect(r, "paired two no");
}

static void a_gap_that_ends_with_the_body_ends_it(void **state)
{
	struct rig *r = *state;
	const struct record *rec;

	tape.feed = frames;
	C("03one03two");
	S("*10ab");
	rig_lose(r, SIDE_B, 8);
	S("02no");
	bench_send(
		&r->b,
		(struct sent){ .side = SIDE_A, .offset = 10, .ack = (int64_t)r->offset[SIDE_B] });
	bench_later(&r->b, 30000000);
	rec = rig_expect(r, "paired one ab");
	assert_int_equal(rec->flags, FLAG_gap_in_body);
	assert_int_equal(rec->response.body_bytes, 10);
	assert_int_equal(calls_of(CALLED_GAP), 0);
	rig_expect(r, "paired two no");
}

static void what_of_a_gap_lies_behind_the_body_is_told(void **state)
{
	struct rig *r = *state;

	tape.feed = frames;
	C("03one");
	S("*10ab");
	rig_lose(r, SIDE_B, 13);
	S("02no");
	C("03two");
	bench_later(&r->b, 30000000);
	rig_expect(r, "paired one ab");
	assert_int_equal(calls_of(CALLED_GAP), 1);
	for (uint32_t i = 0; i < tape.calls; i++)
		if (tape.call[i].kind == CALLED_GAP)
			assert_int_equal(tape.call[i].bytes, 5);
}

/* Bodies one behind the other, as chunks are: 8 bytes each, and nothing between them. */
static size_t chunks(struct conn *c, enum side side, struct slice in)
{
	conn_skip(c, side, 8, NULL);
	return in.bytes > 0 && in.at[0] == 'h' ? 1 : 0;
}

static void a_gap_may_cross_several_bodies(void **state)
{
	struct rig *r = *state;

	tape.feed = chunks;
	C("h1234567812345678");
	rig_lose(r, SIDE_A, 20);
	C("5678last");
	bench_send(&r->b, (struct sent){ .side = SIDE_B, .ack = (int64_t)r->offset[SIDE_A] });
	tape.calls = 0;
	bench_later(&r->b, 30000000);
	assert_int_equal(calls_of(CALLED_GAP), 0);
	assert_int_equal(calls_of(CALLED_FEED),
			 3); /* after 16 and 24 of the gap's and 4 more bytes … */
	assert_fed(2, "tape", SIDE_A, "last"); /* … one body has ended before this */
}

static void a_body_until_the_end_is_ended_by_the_end(void **state)
{
	struct rig *r = *state;
	const struct record *rec;

	C("ask for all\n");
	tape.feed = endless_body;
	S("=abc");
	S("def");
	rig_expect_nothing(r);
	tape.calls = 0;
	bench_send(&r->b,
		   (struct sent){
			   .side = SIDE_B, .flags = TCP_FIN | TCP_ACK, .offset = 7, .ack = 12 });
	assert_int_equal(tape.calls, 2);
	assert_fed(0, "tape", SIDE_B, "");
	assert_true(call_at(0)->full);
	assert_int_equal(call_at(1)->kind, CALLED_CLOSE);
	rec = rig_expect(r, "paired ask for all abcd");
	assert_int_equal(rec->response.body_bytes, 6);
}

/* ---- waiting for the peer ---- */

static void a_waiting_server_goes_on_when_the_client_moves(void **state)
{
	struct rig *r = *state;

	tape.feed = patient_lines;
	tape.hold = true;
	S("answer of it\n");
	S("next answer\n");
	assert_int_equal(counted(r, C_responses), 0);
	tape.hold = false;
	C("question and\nanother\n");
	rig_expect(r, "paired question and answer of it");
	rig_expect(r, "paired another next answer");
}

static void a_waiting_client_goes_on_when_the_server_moves(void **state)
{
	struct rig *r = *state;

	tape.feed = patient_client;
	tape.hold = true;
	C("question\n");
	assert_int_equal(counted(r, C_requests), 0);
	tape.hold = false;
	S("greeting it is\n");
	assert_int_equal(counted(r, C_requests), 1);
}

static void bytes_that_come_during_the_wait_are_kept_and_not_offered(void **state)
{
	struct rig *r = *state;

	tape.feed = patient_lines;
	tape.hold = true;
	S("answer of it\n");
	tape.calls = 0;
	S("more\n");
	S("and more\n");
	assert_int_equal(tape.calls, 0);
}

static void the_wait_is_over_after_gap_wait(void **state)
{
	struct rig *r = *state;

	tape.feed = patient_lines;
	tape.hold = true;
	S("answer of it\n");
	bench_later(&r->b, 19999999);
	assert_int_equal(counted(r, C_responses), 0);
	bench_later(&r->b, 1);
	rig_expect(r, "orphan:connection_closed answer of it");
	assert_true(call_at(tape.calls - 1)->waited);
}

static void a_peer_that_moves_in_vain_does_not_prolong_the_wait(void **state)
{
	struct rig *r = *state;

	tape.feed = patient_lines;
	tape.hold = true;
	S("answer of it\n");
	bench_later(&r->b, 15000000);
	C("not a whole lin");
	assert_int_equal(counted(r, C_responses), 0);
	bench_later(&r->b, 5000000);
	rig_expect(r, "orphan:connection_closed answer of it");
}

static void sides_wait_in_the_order_of_their_time(void **state)
{
	struct rig *r = *state;

	tape.feed = patient_lines;
	tape.hold = true;
	S("first one\n");
	bench_later(&r->b, 10000000);
	rig_connect(r);
	S("second one\n");
	bench_later(&r->b, 11000000);
	rig_expect(r, "orphan:connection_closed first one");
	rig_expect_nothing(r);
	bench_later(&r->b, 10000000);
	rig_expect(r, "orphan:connection_closed second one");
}

static void asking_again_when_the_wait_is_over_is_in_vain(void **state)
{
	struct rig *r = *state;

	tape.feed = patient_lines;
	tape.hold = tape.stubborn = true;
	S("answer of it\n");
	bench_later(&r->b, 30000000);
	assert_int_equal(tape.calls, 2);
	bench_later(&r->b, 30000000);
	assert_int_equal(tape.calls, 2);
	tape.hold = false;
	S("and more\n");
	rig_expect(r, "orphan:connection_closed answer of it");
	rig_expect(r, "orphan:connection_closed and more");
}

static void a_waiting_side_decides_at_the_head_limit(void **state)
{
	struct rig *r = *state;
	static char line[1024];

	memset(line, 'x', sizeof(line));
	line[sizeof(line) - 1] = '\n';
	tape.feed = patient_lines;
	tape.hold = true;
	for (int i = 0; i < 4; i++)
		rig_send(r, SIDE_B, line, sizeof(line));
	assert_int_equal(counted(r, C_responses), 4);
	assert_int_equal(counted(r, C_opaque_bytes), 0);
}

static void a_side_that_waited_long_keeps_what_is_not_whole_yet(void **state)
{
	struct rig *r = *state;
	static char line[1024];

	memset(line, 'x', sizeof(line));
	line[sizeof(line) - 1] = '\n';
	tape.feed = patient_lines;
	tape.hold = true;
	for (int i = 0; i < 3; i++)
		rig_send(r, SIDE_B, line, sizeof(line));
	line[0] = '\n';
	rig_send(r, SIDE_B, line + sizeof(line) - 1, 1);
	rig_send(r, SIDE_B, line, sizeof(line) - 1);
	assert_int_equal(counted(r, C_responses), 5);
	for (uint32_t i = 0; i < tape.calls; i++)
		assert_int_equal(tape.call[i].full, tape.call[i].bytes >= 4096);
	tape.hold = false;
	S("the rest\n");
	assert_int_equal(counted(r, C_responses), 6);
	assert_int_equal(counted(r, C_opaque_bytes), 0);
}

/* ---- limits ---- */

static void a_head_over_the_limit_is_shown_whole_once_and_given_up(void **state)
{
	struct rig *r = *state;
	static char page[1000];

	memset(page, 'p', sizeof(page));
	for (int i = 0; i < 5; i++)
		rig_send(r, SIDE_A, page, sizeof(page));
	assert_true(call_at(tape.calls - 1)->full);
	assert_int_equal(call_at(tape.calls - 1)->bytes, 5000);
	assert_int_equal(counted(r, C_opaque_bytes), 5000);
	tape.calls = 0;
	C("a line, but nobody reads it\n");
	assert_int_equal(tape.calls, 0);
	assert_int_equal(counted(r, C_opaque_bytes), 5028);
	S("the other side is read\n");
	assert_int_equal(counted(r, C_responses), 1);
}

static void the_head_limit_holds_for_a_single_segment(void **state)
{
	struct rig *r = *state;
	static char page[60000];

	memset(page, 'p', sizeof(page));
	rig_send(r, SIDE_A, page, sizeof(page));
	assert_true(call_at(tape.calls - 1)->full);
	assert_int_equal(counted(r, C_opaque_bytes), sizeof(page));
}

static void conn_take_gives_zeroed_memory_up_to_its_cap(void **state)
{
	struct rig *r = *state;

	tape.take_bytes = 4096;
	C("first line\n");
	assert_non_null(tape.taken);
	assert_int_equal((uintptr_t)tape.taken % 16, 0);
	for (size_t i = 0; i < tape.take_bytes; i++)
		assert_int_equal(((uint8_t *)tape.taken)[i], 0);
}

static void conn_take_gives_nothing_over_its_cap(void **state)
{
	struct rig *r = *state;

	tape.take_bytes = 4097;
	C("first line\n");
	assert_null(tape.taken);
	tape.take_bytes = SIZE_MAX;
	rig_connect(r);
	C("first line\n");
	assert_null(tape.taken);
}

/* Takes half of the cap with every line. */
static size_t greedy_lines(struct conn *c, enum side side, struct slice in)
{
	tape.taken = conn_take(c, 2048);
	return lines(c, side, in);
}

static void the_cap_is_on_everything_that_a_connection_has_taken(void **state)
{
	struct rig *r = *state;

	tape.feed = greedy_lines;
	C("first line\n");
	assert_non_null(tape.taken);
	C("second line\n");
	assert_non_null(tape.taken);
	C("third line\n");
	assert_null(tape.taken);
	rig_connect(r);
	C("first line\n");
	assert_non_null(tape.taken);
}

/* ---- becoming another protocol ---- */

static void the_rest_of_the_segment_goes_to_the_new_owner(void **state)
{
	struct rig *r = *state;

	tape.feed = until_mark;
	C("start tls!client hello");
	assert_int_equal(tape.calls, 2);
	assert_fed(1, "other", SIDE_A, "client hello");
	S("server hello");
	assert_fed(2, "other", SIDE_B, "server hello");
}

static void a_new_owner_sees_gathered_bytes_that_were_not_taken(void **state)
{
	struct rig *r = *state;

	tape.feed = until_mark;
	S("not taken, ");
	assert_int_equal(tape.calls, 1);
	tape.calls = 0;
	S("^hello");
	assert_int_equal(tape.calls, 2);
	assert_fed(0, "tape", SIDE_B, "not taken, ^hello");
	assert_fed(1, "other", SIDE_B, "^hello");
	assert_int_equal(counted(r, C_opaque_bytes), 0);
}

static void a_new_owner_sees_what_the_other_side_had_gathered(void **state)
{
	struct rig *r = *state;

	tape.feed = until_mark;
	S("gathered");
	tape.calls = 0;
	C("go!hello");
	assert_int_equal(tape.calls, 3);
	assert_fed(0, "tape", SIDE_A, "go!hello");
	assert_fed(1, "other", SIDE_A, "hello");
	assert_fed(2, "other", SIDE_B, "gathered");
}

static size_t waiting_until_mark(struct conn *c, enum side side, struct slice in)
{
	if (side == SIDE_A)
		return until_mark(c, side, in);
	conn_need(c, side, 1000);
	conn_wait_peer(c, side);
	return 0;
}

static void needs_and_waits_of_the_old_owner_do_not_bind_the_new_one(void **state)
{
	struct rig *r = *state;

	tape.feed = waiting_until_mark;
	S("gathered");
	C("go!hello");
	assert_fed(tape.calls - 1, "other", SIDE_B, "gathered");
	assert_null(r->host.wait_first);
}

static size_t become_nobody(struct conn *c, enum side side, struct slice in)
{
	(void)side, (void)in;
	conn_become(c, NULL);
	return 2;
}

static size_t become_unknown(struct conn *c, enum side side, struct slice in)
{
	(void)side, (void)in;
	conn_become(c, "gopher");
	return 2;
}

static void nobody_and_unknown_names_make_the_rest_opaque(void **state)
{
	static feed_fn *const feeds[] = { become_nobody, become_unknown };
	struct rig *r = *state;

	for (uint64_t i = 0; i < array_count(feeds); i++) {
		tape.feed = feeds[i];
		tape.calls = 0;
		rig_connect(r);
		C("xy0123456789");
		S("abc");
		assert_int_equal(tape.calls, 1);
		assert_int_equal(counted(r, C_opaque_bytes), (i + 1) * 13);
		assert_int_equal(counted(r, C_flows_opaque), i + 1);
	}
}

static void a_disabled_dissector_cannot_be_become(void **state)
{
	struct rig *r = *state;

	r->identify.enabled = 1; /* tape alone */
	tape.feed = until_mark;
	C("start tls!client hello");
	assert_int_equal(tape.calls, 1);
	assert_int_equal(counted(r, C_opaque_bytes), 12);
}

static size_t become_tape_again(struct conn *c, enum side side, struct slice in)
{
	struct tape_state *s = conn_state(c);

	(void)side, (void)in;
	assert_int_equal(s->calls, 1); /* zeroed: what the last owner knew is gone */
	conn_become(c, "tape");
	return 0;
}

static void a_connection_cannot_change_for_ever(void **state)
{
	struct rig *r = *state;

	tape.feed = become_tape_again;
	tape.take_bytes = 4096;
	C("again and again");
	assert_int_equal(tape.calls, 5);
	assert_non_null(tape.taken); /* and so is the memory it had taken */
	assert_int_equal(counted(r, C_opaque_bytes), 15);
	assert_int_equal(counted(r, C_flows_opaque), 1);
}

/* ---- the end ---- */

static void close_offers_the_rest_and_counts_what_nobody_takes(void **state)
{
	struct rig *r = *state;

	C("a line\nand half a");
	tape.calls = 0;
	bench_send(&r->b,
		   (struct sent){ .side = SIDE_A, .flags = TCP_FIN | TCP_ACK, .offset = 17 });
	assert_int_equal(tape.calls, 2);
	assert_fed(0, "tape", SIDE_A, "and half a");
	assert_true(call_at(0)->full);
	assert_int_equal(call_at(1)->kind, CALLED_CLOSE);
	assert_int_equal(call_at(1)->why, WHY_connection_closed);
	assert_int_equal(counted(r, C_opaque_bytes), 10);
}

static void a_gap_offers_the_rest_before_it_is_told(void **state)
{
	struct rig *r = *state;

	C("a line\nand half a");
	tape.calls = 0;
	rig_lose(r, SIDE_A, 5);
	C("behind\n");
	bench_send(&r->b, (struct sent){ .side = SIDE_B, .ack = (int64_t)r->offset[SIDE_A] });
	bench_later(&r->b, 30000000);
	assert_int_equal(tape.calls, 3);
	assert_fed(0, "tape", SIDE_A, "and half a");
	assert_true(call_at(0)->full);
	assert_int_equal(call_at(1)->kind, CALLED_GAP);
	assert_int_equal(call_at(1)->bytes, 5);
	assert_fed(2, "tape", SIDE_A, "behind\n");
	assert_false(call_at(2)->full);
}

static void a_dissector_may_give_a_side_up_at_a_gap(void **state)
{
	struct rig *r = *state;

	tape.on_gap = RESYNC_OPAQUE;
	C("a line\n");
	rig_lose(r, SIDE_A, 5);
	C("behind\n");
	bench_send(&r->b, (struct sent){ .side = SIDE_B, .ack = (int64_t)r->offset[SIDE_A] });
	bench_later(&r->b, 30000000);
	assert_int_equal(counted(r, C_opaque_bytes), 7);
	S("read as before\n");
	assert_int_equal(counted(r, C_responses), 1);
}

static void each_side_closes_once_and_nothing_is_called_after(void **state)
{
	struct rig *r = *state;

	C("a line\n");
	S("a line\n");
	bench_send(
		&r->b,
		(struct sent){ .side = SIDE_A, .flags = TCP_RST | TCP_ACK, .offset = 7, .ack = 7 });
	assert_int_equal(calls_of(CALLED_CLOSE), 2);
	assert_int_equal(call_at(tape.calls - 1)->why, WHY_reset);
	tape.calls = 0;
	S("late line\n");
	flow_close_all(&r->b.flows, WHY_capture_ended);
	assert_int_equal(tape.calls, 0);
}

/* Begins a message and leaves it to the host to end it. */
static size_t never_ends(struct conn *c, enum side side, struct slice in)
{
	begin(c, side, in.at);
	return in.bytes;
}

static void messages_still_open_are_ended_by_the_host(void **state)
{
	struct rig *r = *state;

	tape.feed = never_ends;
	C("0123456789");
	C("0123456789");
	rig_expect_nothing(r);
	bench_send(&r->b,
		   (struct sent){ .side = SIDE_A, .flags = TCP_RST | TCP_ACK, .offset = 20 });
	rig_expect(r, "unanswered:reset");
	rig_expect(r, "unanswered:reset");
	rig_expect_nothing(r);
}

static void memory_is_back_whatever_was_under_way(void **state)
{
	static feed_fn *const feeds[] = { nothing,       lines,        frames,     patient_lines,
					  endless_body,  until_mark,   never_ends, everything,
					  become_nobody, greedy_lines, insatiable };
	struct rig *r = *state;

	tape.hold = true;
	for (size_t i = 0; i < array_count(feeds); i++) {
		for (int evicted = 0; evicted < 2; evicted++) {
			tape.feed = feeds[i];
			rig_connect(r);
			C("05hell*99!under way\nmore");
			S("*50half\na body");
			rig_lose(r, SIDE_A, 3);
			C("held");
			flow_close_all(&r->b.flows, evicted ? WHY_evicted : WHY_capture_ended);
			while (rig_hear(r) != NULL)
				continue;
			pair_fini(&r->pair); /* the pool of messages */
			conn_spare_fini(&r->host);
			assert_int_equal(r->b.arena.held_bytes, 0);
			assert_null(r->host.wait_first);
		}
	}
}

/* ---- who speaks ---- */

static void a_short_first_message_is_decided_by_a_pause(void **state)
{
	struct rig *r = *state;

	C("ab\n");
	bench_later(&r->b, 19999999);
	assert_int_equal(tape.calls, 0);
	bench_later(&r->b, 1);
	assert_fed(0, "tape", SIDE_A, "ab\n");
}

static void a_short_first_message_is_decided_by_the_other_side(void **state)
{
	struct rig *r = *state;

	C("ab\n");
	S("z");
	assert_fed(0, "tape", SIDE_A, "ab\n");
	assert_fed(1, "tape", SIDE_B, "z");
}

static void a_short_first_message_is_decided_by_its_third_segment(void **state)
{
	struct rig *r = *state;

	C("a");
	C("b");
	assert_int_equal(tape.calls, 0);
	C("\n");
	assert_fed(0, "tape", SIDE_A, "ab\n");
}

static void a_short_first_message_is_decided_by_the_end(void **state)
{
	struct rig *r = *state;

	C("ab\n");
	flow_close_all(&r->b.flows, WHY_capture_ended);
	rig_expect(r, "unanswered:capture_ended ab");
}

static void what_one_side_cannot_tell_the_other_may(void **state)
{
	struct rig *r = *state;

	tape.feed = lines_in_turn;
	C("z question\n");
	assert_int_equal(tape.calls, 0);
	S("an answer\n");
	rig_expect(r, "paired z question an answer");
	assert_int_equal(counted(r, C_opaque_bytes), 0);
}

static void the_end_of_a_side_is_not_forgotten_before_the_protocol_is_known(void **state)
{
	struct rig *r = *state;

	C("z half a question");
	bench_send(&r->b,
		   (struct sent){ .side = SIDE_A, .flags = TCP_FIN | TCP_ACK, .offset = 17 });
	assert_int_equal(tape.calls, 0);
	S("an answer\n");
	assert_fed(0, "tape", SIDE_B, "an answer\n");
	assert_fed(1, "tape", SIDE_A, "z half a question");
	assert_true(call_at(1)->full);
	assert_int_equal(call_at(2)->kind, CALLED_CLOSE);
	assert_int_equal(call_at(2)->side, SIDE_A);
	assert_int_equal(counted(r, C_opaque_bytes), 17);
}

static void a_flow_refused_on_both_sides_is_opaque(void **state)
{
	struct rig *r = *state;

	C("z question\n");
	S("z answer\n");
	assert_int_equal(counted(r, C_flows_opaque), 1);
	assert_int_equal(counted(r, C_opaque_bytes), 20);
	C("a line\n");
	S("a line\n");
	assert_int_equal(counted(r, C_opaque_bytes), 34);
	assert_int_equal(tape.calls, 0);
	assert_null(r->host.wait_first);
}

static void little_is_kept_of_a_side_that_was_refused(void **state)
{
	struct rig *r = *state;
	static char page[1000];

	memset(page, 'z', sizeof(page));
	for (int i = 0; i < 5; i++)
		rig_send(r, SIDE_A, page, sizeof(page));
	assert_int_equal(counted(r, C_flows_opaque), 0);
	assert_int_equal(counted(r, C_opaque_bytes), 5000);
	S("an answer\n");
	assert_fed(0, "tape", SIDE_B, "an answer\n");
	C("a line\n"); /* the refused side is joined in the middle */
	assert_fed(1, "tape", SIDE_A, "a line\n");
	assert_int_equal(counted(r, C_opaque_bytes), 5000);
}

static void a_flow_that_ends_undecided_is_opaque(void **state)
{
	struct rig *r = *state;

	C("z question\n");
	flow_close_all(&r->b.flows, WHY_capture_ended);
	assert_int_equal(counted(r, C_flows_opaque), 1);
	assert_int_equal(counted(r, C_opaque_bytes), 11);
}

/* ---- joined in the middle ---- */

/* A connection whose handshake was not captured. */
static void join(struct rig *r)
{
	r->b.client_port++;
	r->offset[SIDE_A] = r->offset[SIDE_B] = 0;
}

static void a_side_joined_in_the_middle_is_looked_at_afresh(void **state)
{
	struct rig *r = *state;

	join(r);
	for (int i = 0; i < 10; i++)
		C("z of a body that began before\n");
	assert_int_equal(counted(r, C_opaque_bytes), 300);
	C("a request\n");
	assert_int_equal(counted(r, C_requests), 1);
	assert_int_equal(counted(r, C_opaque_bytes), 300);
}

static void a_side_joined_in_the_middle_is_looked_at_so_many_times(void **state)
{
	struct rig *r = *state;

	join(r);
	for (int i = 0; i < 33; i++)
		C("z of a body that began before\n");
	C("a request\n");
	assert_int_equal(counted(r, C_requests), 0);
	for (int i = 0; i < 33; i++)
		S("z of a body that began before\n");
	assert_int_equal(counted(r, C_flows_opaque), 1);
	assert_int_equal(counted(r, C_opaque_bytes), 66 * 30 + 10);
}

static void short_unknown_bytes_in_the_middle_wait_for_nothing(void **state)
{
	struct rig *r = *state;

	join(r);
	C("z");
	S("z");
	assert_int_equal(counted(r, C_opaque_bytes), 1);
	bench_later(&r->b, 30000000);
	assert_int_equal(counted(r, C_opaque_bytes), 2);
	C("a request\n");
	assert_int_equal(counted(r, C_requests), 1);
}

static void short_unknown_bytes_before_a_gap_wait_for_nothing(void **state)
{
	struct rig *r = *state;

	join(r);
	C("z");
	rig_lose(r, SIDE_A, 10);
	C("z");
	bench_send(&r->b, (struct sent){ .side = SIDE_B, .ack = (int64_t)r->offset[SIDE_A] });
	bench_later(&r->b, 25000000);
	bench_later(&r->b, 25000000);
	C("a request\n");
	assert_int_equal(counted(r, C_requests), 1);
	assert_int_equal(counted(r, C_opaque_bytes), 2);
}

static void bytes_on_both_sides_of_a_gap_are_never_joined(void **state)
{
	struct rig *r = *state;

	join(r);
	for (int i = 0; i < 33; i++)
		C("z of a body that began before\n");
	rig_lose(r, SIDE_A, 10);
	C("a request\n");
	bench_send(&r->b, (struct sent){ .side = SIDE_B, .ack = (int64_t)r->offset[SIDE_A] });
	bench_later(&r->b, 30000000);
	S("an answer\n");
	assert_int_equal(counted(r, C_opaque_bytes), 33 * 30);
	for (uint32_t i = 0; i < tape.calls; i++)
		if (tape.call[i].kind == CALLED_FEED && tape.call[i].side == SIDE_A)
			assert_string_equal(tape.call[i].text, "a request\n");
	assert_int_equal(counted(r, C_requests), 1);
}

static size_t tells(struct conn *c, enum side side, struct slice in)
{
	assert_int_equal(conn_is_midstream(c, side), tape.hold);
	assert_int_equal(conn_port(c, SIDE_B), 80);
	assert_int_equal(conn_port(c, SIDE_A), rig.b.client_port);
	return in.bytes;
}

static void a_dissector_may_ask_how_the_connection_began(void **state)
{
	struct rig *r = *state;

	tape.feed = tells;
	C("a request\n");
	rig_connect(r);
	C("a request\n");
	join(r);
	tape.hold = true;
	C("a request\n");
	assert_int_equal(tape.calls, 3);
}

static size_t learns_the_client(struct conn *c, enum side side, struct slice in)
{
	assert_int_equal(conn_client(c), SIDE_UNKNOWN);
	lines(c, side, in);
	assert_int_equal(conn_client(c), SIDE_A);
	tape.feed = lines;
	return in.bytes;
}

static void without_a_handshake_the_first_message_tells_the_client(void **state)
{
	struct rig *r = *state;

	tape.feed = learns_the_client;
	join(r);
	S("an answer\n");
	tape.feed = learns_the_client;
	join(r);
	C("a request\n");
	assert_int_equal(tape.calls, 2);
}

/* ---- copies ---- */

static void a_copy_is_compared_with_what_is_gathered(void **state)
{
	struct rig *r = *state;

	C("first line\nabcdef");
	bench_send(&r->b,
		   (struct sent){ .side = SIDE_A, .offset = 8, .data = "XX\nabCDef", .bytes = 9 });
	assert_int_equal(counted(r, C_conflict_bytes), 2); /* what was taken is not kept */
}

/* ---- who asks whom ---- */

static void either_side_may_ask(void **state)
{
	struct rig *r = *state;
	const struct record *rec;

	tape.feed = turns;
	C("?0 one\n");
	S("?0 two\n=0 1\n");
	C("=0 2\n");
	rec = rig_expect(r, "paired ?0 one =0 1");
	assert_int_equal(rec->index, 0);
	assert_int_equal(rec->flags, 0);
	rec = rig_expect(r, "paired ?0 two =0 2");
	assert_int_equal(rec->index, 1);
	assert_int_equal(rec->flags, FLAG_from_server);
	assert_int_equal(rec->client_port, r->b.client_port);
	assert_int_equal(rec->stream, '0' + 1);
}

static void nobody_answers_himself(void **state)
{
	struct rig *r = *state;

	tape.feed = turns;
	C("?a\n=a\n?0\n=0\n");
	rig_expect(r, "orphan:connection_closed =a");
	rig_expect(r, "orphan:connection_closed =0");
	S("=a\n=0\n");
	rig_expect(r, "paired ?a =a");
	rig_expect(r, "paired ?0 =0");
}

static void open_questions_of_both_sides_close_with_the_connection(void **state)
{
	struct rig *r = *state;

	tape.feed = turns;
	C("?a\n");
	S("?b\n?0\n");
	flow_close_all(&r->b.flows, WHY_capture_ended);
	rig_expect(r, "unanswered:capture_ended ?a");
	rig_expect(r, "unanswered:capture_ended ?b");
	assert_int_equal(rig_expect(r, "unanswered:capture_ended ?0")->flags, FLAG_from_server);
}

static void a_gap_counts_for_the_questions_of_the_other_side(void **state)
{
	struct rig *r = *state;

	tape.feed = turns;
	tape.on_gap = RESYNC_SEARCH;
	C("?0 one\n");
	S("?0 two\n");
	rig_lose(r, SIDE_A, 5);
	bench_send(&r->b, (struct sent){ .side = SIDE_B,
					 .offset = (int64_t)r->offset[SIDE_B],
					 .ack = (int64_t)r->offset[SIDE_A] });
	bench_later(&r->b, 30000000);
	rig_expect(r, "unanswered:gap ?0 two");
	S("=0 1\n");
	rig_expect(r, "paired ?0 one =0 1");
}

static void who_only_tells_is_neither_client_nor_server(void **state)
{
	struct rig *r = *state;

	tape.feed = turns;
	S("!0 news\n");
	assert_int_equal(rig_expect(r, "oneway !0 news")->flags, FLAG_from_server);
	tape.feed = turns;
	SD("!0 datagram");
	assert_int_equal(calls_of(CALLED_FEED), 2);
}

static void many_keys_are_answered_in_any_order(void **state)
{
	struct rig *r = *state;
	char ask[4] = "?x\n", answer[4] = "=x\n", wanted[32];

	tape.feed = turns;
	for (char k = 'A'; k <= 'z'; k++) {
		ask[1] = k;
		C(ask);
	}
	for (char k = 'z'; k >= 'A'; k -= 2) {
		answer[1] = k;
		S(answer);
		snprintf(wanted, sizeof(wanted), "paired ?%c =%c", k, k);
		rig_expect(r, wanted);
	}
	for (char k = 'A'; k <= 'z'; k += 2) {
		answer[1] = k;
		S(answer);
		snprintf(wanted, sizeof(wanted), "paired ?%c =%c", k, k);
		rig_expect(r, wanted);
	}
}

static void the_oldest_of_those_with_one_key_is_answered_first(void **state)
{
	struct rig *r = *state;

	tape.feed = turns;
	for (int i = 0; i < 20; i++)
		C("?k first\n");
	C("?q\n?k last\n");
	for (int i = 0; i < 20; i++) {
		S("=k\n");
		rig_expect(r, "paired ?k first =k");
	}
	S("=k\n");
	rig_expect(r, "paired ?k last =k");
}

static void a_request_may_get_another_key(void **state)
{
	struct rig *r = *state;

	tape.feed = turns;
	C("?0 upgrade\n?0 next\n");
	S(">0x\n=0 in order\n=x by key\n");
	rig_expect(r, "paired ?0 next =0 in order");
	rig_expect(r, "paired ?0 upgrade =x by key");
}

static void a_request_given_up_is_told_at_once_with_its_reason(void **state)
{
	struct rig *r = *state;

	tape.feed = turns;
	C("?a\n?b\n-a\n");
	rig_expect(r, "unanswered:reset ?a");
	S("=b\n");
	rig_expect(r, "paired ?b =b");
}

static void a_repeated_request_is_no_request_of_its_own(void **state)
{
	struct rig *r = *state;

	tape.feed = turns;
	C("?a\n+a\n+a\n");
	S("=a\n");
	rig_expect(r, "paired ?a =a");
	rig_expect_nothing(r);
	assert_int_equal(counted(r, C_requests), 1);
}

/* ---- what is handed over ---- */

static size_t sees_what_was_handed(struct conn *c, enum side side, struct slice in)
{
	(void)side;
	assert_int_equal(conn_handed(c).bytes, 11);
	assert_memory_equal(conn_handed(c).at, "handed over", 11);
	return in.bytes;
}

static void the_next_dissector_finds_what_it_is_handed(void **state)
{
	struct rig *r = *state;

	tape.feed = turns;
	tape.become = "tape";
	C("?0 a\nbecome\n");
	assert_int_equal(tape.finis, 1);
	tape.feed = sees_what_was_handed;
	C("rest");
	flow_close_all(&r->b.flows, WHY_capture_ended);
	assert_int_equal(tape.finis, 2);
	rig_expect(r, "unanswered:capture_ended ?0 a");
}

static size_t hands_too_much(struct conn *c, enum side side, struct slice in)
{
	static const uint8_t note[HANDED_BYTES + 1];

	(void)side;
	conn_become_with(c, "tape", slice_of(note, HANDED_BYTES));
	conn_become_with(c, "tape", slice_of(note, sizeof(note)));
	return in.bytes;
}

static size_t sees_nothing_handed(struct conn *c, enum side side, struct slice in)
{
	(void)side;
	assert_int_equal(conn_handed(c).bytes, 0);
	return in.bytes;
}

static void too_long_a_note_is_handed_over_empty(void **state)
{
	struct rig *r = *state;

	tape.feed = hands_too_much;
	C("12345678");
	tape.feed = sees_nothing_handed;
	C("rest");
	assert_int_equal(tape.calls, 2);
}

static void fini_comes_when_nobody_reads_on(void **state)
{
	struct rig *r = *state;

	tape.feed = turns;
	tape.become = NULL;
	C("?0 a\nbecome\n");
	assert_int_equal(tape.finis, 1);
	flow_close_all(&r->b.flows, WHY_capture_ended);
	assert_int_equal(tape.finis, 1);
}

static void what_is_in_a_tunnel_is_found_like_a_new_connection(void **state)
{
	struct rig *r = *state;

	tape.feed = turns;
	tape.become = WHAT_IS_FOUND;
	C("?0 a\n");
	S("=0 b\nbecome\nz is nothing known, but the client will tell");
	C("?0 insi");
	assert_int_equal(tape.finis, 1);
	C("de\n");
	assert_int_equal(counted(r, C_flows_opaque), 0);
	flow_close_all(&r->b.flows, WHY_capture_ended);
	rig_expect(r, "paired ?0 a =0 b");
	rig_expect(r, "unanswered:capture_ended ?0 inside");
	assert_int_equal(tape.finis, 2);
}

static void a_short_beginning_in_a_tunnel_is_decided_by_a_pause(void **state)
{
	struct rig *r = *state;

	tape.feed = turns;
	tape.become = WHAT_IS_FOUND;
	C("become\n?1\n");
	rig_expect_nothing(r);
	bench_later(&r->b, 30000000);
	S("=1\n");
	rig_expect(r, "paired ?1 =1");
}

static void a_tunnel_to_nowhere_is_opaque(void **state)
{
	struct rig *r = *state;

	tape.feed = turns;
	tape.become = WHAT_IS_FOUND;
	C("become\nz0123456789012345678901234567890123456789012345678901234567890123456789");
	S("z0123456789012345678901234567890123456789012345678901234567890123456789");
	assert_int_equal(counted(r, C_flows_opaque), 1);
}

static size_t takes_and_gives(struct conn *c, enum side side, struct slice in)
{
	uint8_t *a = conn_take(c, 1000), *b = conn_take(c, 1000), *d;

	(void)side;
	memset(a, 1, 1000);
	memset(b, 2, 1000);
	assert_null(conn_take(c, 3000));
	assert_null(conn_resize(c, a, 3097));
	assert_int_equal(a[999], 1);
	a = conn_resize(c, a, 3096);
	assert_non_null(a);
	assert_int_equal(a[999], 1);
	a = conn_resize(c, a, 10);
	assert_int_equal(a[9], 1);
	d = conn_resize(c, NULL, 3086);
	assert_non_null(d);
	conn_give(c, b);
	conn_give(c, NULL);
	assert_non_null(conn_take(c, 1000));
	return in.bytes;
}

static void memory_may_be_given_back_and_resized_under_the_cap(void **state)
{
	struct rig *r = *state;

	tape.feed = takes_and_gives;
	C("12345678");
	assert_int_equal(tape.calls, 1);
}

/* ---- datagrams ---- */

/* The first letter says what it is: `?` a request, `=` a response; the second is its key. */
static size_t keyed(struct conn *c, enum side side, struct slice in)
{
	struct message_open open = { .kind = in.at[0] == '?' ? MESSAGE_REQUEST : MESSAGE_RESPONSE,
				     .key = in.at[1] };
	struct message *m = message_begin(c, side, in.at, open);

	message_text(m, open.kind == MESSAGE_REQUEST ? FIELD_TARGET : FIELD_CODE, in);
	message_head(m, in.at + in.bytes);
	message_end(m, in.at + in.bytes);
	return in.bytes;
}

static void a_datagram_is_shown_once_and_whole(void **state)
{
	struct rig *r = *state;
	const struct record *rec;

	tape.feed = keyed;
	CD("?a first");
	CD("?b second");
	SD("=b");
	SD("=a");
	assert_int_equal(tape.calls, 4);
	assert_fed(0, "tape", SIDE_A, "?a first");
	assert_fed(2, "tape", SIDE_B, "=b");
	assert_true(call_at(0)->full);
	rec = rig_expect(r, "paired ?b second =b");
	assert_int_equal(rec->request.head_bytes, 9);
	assert_int_equal(rec->latency_ns, 1000);
	assert_int_equal(rec->frames[0] + 1, rec->frames[2]);
	assert_int_equal(rec->flags, 0);
	rig_expect(r, "paired ?a first =a");
	assert_int_equal(counted(r, C_datagrams_captured), 21);
	assert_int_equal(counted(r, C_datagrams_read), 21);
	assert_int_equal(counted(r, C_payload_captured), 0);
}

static void of_a_datagram_what_is_not_taken_is_opaque_and_gone(void **state)
{
	struct rig *r = *state;

	tape.feed = nothing;
	CD("never taken");
	CD("again");
	assert_fed(0, "tape", SIDE_A, "never taken");
	assert_fed(1, "tape", SIDE_A, "again");
	assert_int_equal(counted(r, C_datagrams_opaque), 16);
	assert_int_equal(counted(r, C_opaque_bytes), 0);
}

static void who_asks_first_is_the_client_of_datagrams(void **state)
{
	struct rig *r = *state;
	const struct record *rec;

	tape.feed = keyed;
	SD("?a");
	CD("=a");
	rec = rig_expect(r, "paired ?a =a");
	assert_int_equal(rec->client_port, 80);
	assert_int_equal(rec->server_port, r->b.client_port);
}

static void an_idle_flow_of_datagrams_closes_by_time(void **state)
{
	struct rig *r = *state;

	tape.feed = keyed;
	CD("?a");
	bench_later(&r->b, 100 * CLOCK_SECOND_NS);
	rig_expect(r, "unanswered:timeout ?a");
	bench_later(&r->b, 100 * CLOCK_SECOND_NS);
	assert_int_equal(calls_of(CALLED_CLOSE), 2);
	conn_spare_fini(&r->host);
	assert_int_equal(r->b.arena.held_bytes, sizeof(struct message));
	SD("=a");
	rig_expect(r, "orphan:midstream =a");
}

static void unknown_datagrams_are_looked_at_twice_a_side_and_cost_no_memory(void **state)
{
	struct rig *r = *state;

	tape.feed = everything;
	CD("z1");
	CD("z2");
	CD("known now, but too late");
	assert_int_equal(tape.calls, 0);
	assert_int_equal(counted(r, C_flows_opaque), 0);
	SD("z3");
	assert_int_equal(r->b.arena.held_bytes, 0);
	SD("known in time");
	assert_int_equal(tape.calls, 1);
	CD("zz and so is the other side");
	assert_int_equal(tape.calls, 2);
}

static void datagrams_unknown_on_both_sides_are_opaque(void **state)
{
	struct rig *r = *state;

	CD("z");
	SD("z");
	CD("z");
	SD("z");
	SD("z");
	assert_int_equal(counted(r, C_flows_opaque), 1);
	assert_int_equal(counted(r, C_datagrams_opaque), 5);
	assert_int_equal(r->b.arena.held_bytes, 0);
}

static size_t whole_if_not_cut(struct conn *c, enum side side, struct slice in)
{
	assert_int_equal(conn_is_cut(c, side), in.bytes == 4);
	return keyed(c, side, in);
}

static void a_datagram_cut_short_says_so(void **state)
{
	struct rig *r = *state;

	tape.feed = whole_if_not_cut;
	say_datagram(r, SIDE_A, "?a56789", 3);
	SD("=a567");
	assert_int_equal(rig_expect(r, "paired ?a56 =a567")->flags, FLAG_cut_capture);
	assert_int_equal(counted(r, C_not_captured_bytes), 3);
}

static size_t asks_for_the_impossible(struct conn *c, enum side side, struct slice in)
{
	conn_need(c, side, 4096);
	conn_wait_peer(c, side);
	conn_skip(c, side, 1000, NULL);
	return in.bytes / 2;
}

static void need_skip_and_wait_mean_nothing_in_datagrams(void **state)
{
	struct rig *r = *state;

	tape.feed = asks_for_the_impossible;
	CD("1234");
	CD("5678");
	bench_later(&r->b, 30000000);
	assert_int_equal(calls_of(CALLED_FEED), 2);
	assert_fed(1, "tape", SIDE_A, "5678");
	assert_int_equal(counted(r, C_datagrams_opaque), 4);
}

static size_t become_other(struct conn *c, enum side side, struct slice in)
{
	(void)side, (void)in;
	conn_become(c, "other");
	return 0;
}

static void datagrams_cannot_become_what_is_not_spoken_in_them(void **state)
{
	struct rig *r = *state;

	tape.feed = become_other;
	CD("1234");
	CD("5678");
	assert_int_equal(calls_of(CALLED_FEED), 1);
	assert_int_equal(counted(r, C_flows_opaque), 1);
	assert_int_equal(counted(r, C_datagrams_opaque), 8);
}

static void an_empty_datagram_is_nothing(void **state)
{
	struct rig *r = *state;

	CD("");
	assert_int_equal(tape.calls, 0);
	assert_int_equal(r->b.arena.held_bytes, 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, open_rig, close_rig)
	const struct CMUnitTest tests[] = {
		T(bytes_that_are_taken_are_never_copied),
		T(half_a_message_is_kept_until_the_rest_is_there),
		T(what_is_not_taken_is_offered_again_only_with_more),
		T(bytewise_feeding_equals_all_at_once),
		T(any_chopping_gives_the_same_records),
		T(up_to_64_gathered_segments_each_message_knows_its_own_packet),
		T(beyond_64_gathered_segments_the_last_mark_stands_for_the_rest),
		T(a_message_over_several_gathered_segments_has_their_first_and_last),
		T(a_gathered_body_ends_in_its_own_packet),
		T(need_keeps_feed_from_being_called_in_vain),
		T(need_is_cut_to_the_head_limit),
		T(need_is_void_when_nothing_can_follow),
		T(a_skipped_body_is_counted_and_not_shown),
		T(a_body_that_ends_with_its_segment_is_ended_at_once),
		T(a_gap_inside_a_body_is_not_the_dissector_s_business),
		T(a_gap_that_ends_with_the_body_ends_it),
		T(what_of_a_gap_lies_behind_the_body_is_told),
		T(a_gap_may_cross_several_bodies),
		T(a_body_until_the_end_is_ended_by_the_end),
		T(a_waiting_server_goes_on_when_the_client_moves),
		T(a_waiting_client_goes_on_when_the_server_moves),
		T(bytes_that_come_during_the_wait_are_kept_and_not_offered),
		T(the_wait_is_over_after_gap_wait),
		T(a_peer_that_moves_in_vain_does_not_prolong_the_wait),
		T(sides_wait_in_the_order_of_their_time),
		T(asking_again_when_the_wait_is_over_is_in_vain),
		T(a_waiting_side_decides_at_the_head_limit),
		T(a_side_that_waited_long_keeps_what_is_not_whole_yet),
		T(a_head_over_the_limit_is_shown_whole_once_and_given_up),
		T(the_head_limit_holds_for_a_single_segment),
		T(conn_take_gives_zeroed_memory_up_to_its_cap),
		T(conn_take_gives_nothing_over_its_cap),
		T(the_cap_is_on_everything_that_a_connection_has_taken),
		T(the_rest_of_the_segment_goes_to_the_new_owner),
		T(a_new_owner_sees_gathered_bytes_that_were_not_taken),
		T(a_new_owner_sees_what_the_other_side_had_gathered),
		T(needs_and_waits_of_the_old_owner_do_not_bind_the_new_one),
		T(nobody_and_unknown_names_make_the_rest_opaque),
		T(a_disabled_dissector_cannot_be_become),
		T(a_connection_cannot_change_for_ever),
		T(close_offers_the_rest_and_counts_what_nobody_takes),
		T(a_gap_offers_the_rest_before_it_is_told),
		T(a_dissector_may_give_a_side_up_at_a_gap),
		T(each_side_closes_once_and_nothing_is_called_after),
		T(messages_still_open_are_ended_by_the_host),
		T(memory_is_back_whatever_was_under_way),
		T(a_short_first_message_is_decided_by_a_pause),
		T(a_short_first_message_is_decided_by_the_other_side),
		T(a_short_first_message_is_decided_by_its_third_segment),
		T(a_short_first_message_is_decided_by_the_end),
		T(what_one_side_cannot_tell_the_other_may),
		T(the_end_of_a_side_is_not_forgotten_before_the_protocol_is_known),
		T(a_flow_refused_on_both_sides_is_opaque),
		T(little_is_kept_of_a_side_that_was_refused),
		T(a_flow_that_ends_undecided_is_opaque),
		T(a_side_joined_in_the_middle_is_looked_at_afresh),
		T(a_side_joined_in_the_middle_is_looked_at_so_many_times),
		T(short_unknown_bytes_in_the_middle_wait_for_nothing),
		T(short_unknown_bytes_before_a_gap_wait_for_nothing),
		T(bytes_on_both_sides_of_a_gap_are_never_joined),
		T(a_dissector_may_ask_how_the_connection_began),
		T(without_a_handshake_the_first_message_tells_the_client),
		T(a_copy_is_compared_with_what_is_gathered),
		T(either_side_may_ask),
		T(nobody_answers_himself),
		T(open_questions_of_both_sides_close_with_the_connection),
		T(a_gap_counts_for_the_questions_of_the_other_side),
		T(who_only_tells_is_neither_client_nor_server),
		T(many_keys_are_answered_in_any_order),
		T(the_oldest_of_those_with_one_key_is_answered_first),
		T(a_request_may_get_another_key),
		T(a_request_given_up_is_told_at_once_with_its_reason),
		T(a_repeated_request_is_no_request_of_its_own),
		T(the_next_dissector_finds_what_it_is_handed),
		T(too_long_a_note_is_handed_over_empty),
		T(fini_comes_when_nobody_reads_on),
		T(what_is_in_a_tunnel_is_found_like_a_new_connection),
		T(a_short_beginning_in_a_tunnel_is_decided_by_a_pause),
		T(a_tunnel_to_nowhere_is_opaque),
		T(memory_may_be_given_back_and_resized_under_the_cap),
		T(a_datagram_is_shown_once_and_whole),
		T(of_a_datagram_what_is_not_taken_is_opaque_and_gone),
		T(who_asks_first_is_the_client_of_datagrams),
		T(an_idle_flow_of_datagrams_closes_by_time),
		T(unknown_datagrams_are_looked_at_twice_a_side_and_cost_no_memory),
		T(datagrams_unknown_on_both_sides_are_opaque),
		T(a_datagram_cut_short_says_so),
		T(need_skip_and_wait_mean_nothing_in_datagrams),
		T(datagrams_cannot_become_what_is_not_spoken_in_them),
		T(an_empty_datagram_is_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
