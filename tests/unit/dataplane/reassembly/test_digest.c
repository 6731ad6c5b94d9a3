/* Proves digest.h, from segments to records in the ring: SHA-256 of exactly the delivered bytes,
 * gaps only where delivered bytes follow them, what each direction has seen, and one record per
 * direction of every connection.
 */
#include <sodium.h>
#include <string.h>

#include "dataplane/reassembly/digest.h"
#include "tests/support/check.h"
#include "tests/support/rig.h"
#include "tests/support/toy.h"

struct streams {
	struct rig rig;
	struct digest digest;
};

static struct streams streams;

static int open_streams(void **state)
{
	struct rig_settings s = rig_settings();
	struct rig *r = &streams.rig;

	assert_true(sodium_init() >= 0);
	s.reassembly.history_bytes = 1024;
	rig_open(r, &s);
	streams.digest = (struct digest){ &r->b.arena, &r->emit, &r->b.counters };
	reassembly_init(&r->b.reassembly, &s.reassembly, &r->b.flows, &r->b.arena, &r->b.counters,
			&r->b.clock, digest_sink(&streams.digest));
	*state = r;
	return 0;
}

static int close_streams(void **state)
{
	rig_close(*state); /* the arena asserts that every byte is back */
	return 0;
}

#define C(text) rig_say(r, SIDE_A, text)
#define S(text) rig_say(r, SIDE_B, text)

static const struct record_stream *next_stream(struct rig *r)
{
	const struct record_stream *s;
	uint64_t bytes;

	emit_publish(&r->emit);
	s = ring_peek(&r->consumer, &bytes);
	if (s == NULL)
		return NULL;
	assert_true(record_check(s, bytes));
	assert_int_equal(s->type, RECORD_STREAM);
	assert_int_equal(s->seq, r->seq++);
	ring_next(&r->consumer, bytes);
	return s;
}

/* The client's direction, then the server's, of the one connection there is. */
static void end_and_hear(struct rig *r, const struct record_stream *ret[2])
{
	flow_close_all(&r->b.flows, WHY_capture_ended);
	ret[0] = next_stream(r);
	ret[1] = next_stream(r);
	assert_non_null(ret[0]);
	assert_non_null(ret[1]);
	assert_null(next_stream(r));
}

static void assert_hash_of(const struct record_stream *s, const char *text)
{
	uint8_t wanted[32];

	crypto_hash_sha256(wanted, (const uint8_t *)text, strlen(text));
	assert_int_equal(s->delivered, strlen(text));
	assert_memory_equal(s->sha256, wanted, sizeof(wanted));
}

static void assert_hash_is(const struct record_stream *s, const char *hex)
{
	char text[65];

	sodium_bin2hex(text, sizeof(text), s->sha256, sizeof(s->sha256));
	assert_string_equal(text, hex);
}

static bool has(const struct record_stream *s, enum record_stream_bit bit)
{
	return (s->seen >> bit & 1) != 0;
}

/* ---- hashes ---- */

static void known_bytes_have_their_known_hash(void **state)
{
	struct rig *r = *state;
	const struct record_stream *s[2];

	rig_connect(r);
	C("abc");
	S("abcdbcdecdefdefgefghfghighijhijk");
	S("ijkljklmklmnlmnomnopnopq");
	end_and_hear(r, s);
	/* FIPS 180-2, appendix B. */
	assert_hash_is(s[0], "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	assert_hash_is(s[1], "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
	assert_int_equal(s[0]->delivered, 3);
	assert_int_equal(s[1]->delivered, 56);
}

static void order_and_copies_do_not_change_the_hash(void **state)
{
	struct rig *r = *state;
	const struct record_stream *s[2];

	rig_connect(r);
	bench_send(&r->b, (struct sent){ .side = SIDE_A, .offset = 6, .data = "ghi", .bytes = 3 });
	bench_send(&r->b, (struct sent){ .side = SIDE_A, .offset = 0, .data = "abc", .bytes = 3 });
	bench_send(&r->b,
		   (struct sent){ .side = SIDE_A, .offset = 1, .data = "bXdef", .bytes = 5 });
	end_and_hear(r, s);
	assert_hash_of(s[0], "abcdefghi"); /* the first copy of a byte wins */
	assert_int_equal(s[0]->duplicate_bytes, 2);
	assert_int_equal(s[0]->conflict_bytes, 1);
	assert_int_equal(s[0]->gap_bytes, 0);
}

static void a_direction_without_bytes_has_no_hash(void **state)
{
	static const uint8_t zeros[32];
	struct rig *r = *state;
	const struct record_stream *s[2];

	rig_connect(r);
	C("abc");
	end_and_hear(r, s);
	assert_int_equal(s[1]->delivered, 0);
	assert_memory_equal(s[1]->sha256, zeros, sizeof(zeros));
}

/* ---- gaps ---- */

static void a_gap_is_told_when_bytes_follow_it(void **state)
{
	struct rig *r = *state;
	const struct record_stream *s[2];

	rig_connect(r);
	C("abc");
	rig_lose(r, SIDE_A, 5);
	C("def");
	end_and_hear(r, s);
	assert_hash_of(s[0], "abcdef");
	assert_int_equal(s[0]->gap_bytes, 5);
	assert_int_equal(s[0]->gap_count, 1);
	assert_int_equal(s[0]->gap[0].offset, 3);
	assert_int_equal(s[0]->gap[0].bytes, 5);
}

static void a_gap_that_nothing_follows_is_not_told(void **state)
{
	struct rig *r = *state;
	const struct record_stream *s[2];

	rig_connect(r);
	C("abc");
	rig_lose(r, SIDE_A, 5);
	S("ok"); /* acknowledges what was lost */
	end_and_hear(r, s);
	assert_int_equal(r->b.counters.value[C_gap_bytes], 5);
	assert_hash_of(s[0], "abc");
	assert_int_equal(s[0]->gap_bytes, 0);
	assert_int_equal(s[0]->gap_count, 0);
}

static void a_direction_of_nothing_but_gap_has_none(void **state)
{
	struct rig *r = *state;
	const struct record_stream *s[2];

	rig_connect(r);
	rig_lose(r, SIDE_A, 5);
	S("ok");
	end_and_hear(r, s);
	assert_int_equal(s[0]->delivered, 0);
	assert_int_equal(s[0]->gap_bytes, 0);
	assert_int_equal(s[0]->gap_count, 0);
}

static void eight_gaps_are_listed_and_all_are_counted(void **state)
{
	struct rig *r = *state;
	const struct record_stream *s[2];

	rig_connect(r);
	for (int i = 0; i < 11; i++) {
		rig_lose(r, SIDE_A, 2);
		C("x");
	}
	end_and_hear(r, s);
	assert_hash_of(s[0], "xxxxxxxxxxx");
	assert_int_equal(s[0]->gap_bytes, 22);
	assert_int_equal(s[0]->gap_count, 8);
	for (uint32_t i = 0; i < 8; i++) {
		assert_int_equal(s[0]->gap[i].offset, i * 3);
		assert_int_equal(s[0]->gap[i].bytes, 2);
	}
}

/* ---- what a direction has seen ---- */

static void endpoints_are_each_direction_s_own(void **state)
{
	static const uint8_t a[4] = { 10, 0, 0, 1 }, z[4] = { 10, 0, 0, 2 };
	struct rig *r = *state;
	const struct record_stream *s[2];

	rig_connect(r);
	C("abc");
	end_and_hear(r, s);
	assert_int_equal(s[0]->ip_version, 4);
	assert_memory_equal(s[0]->src_ip + 12, a, 4);
	assert_memory_equal(s[0]->dst_ip + 12, z, 4);
	assert_int_equal(s[0]->src_port, r->b.client_port);
	assert_int_equal(s[0]->dst_port, 80);
	assert_memory_equal(s[1]->src_ip + 12, z, 4);
	assert_int_equal(s[1]->dst_port, r->b.client_port);
	assert_int_equal(s[0]->start_is_syn, 1);
	assert_int_equal(s[1]->start_is_syn, 1);
	assert_int_equal(s[0]->seen, 0);
}

static void a_direction_joined_in_the_middle_did_not_start_with_a_syn(void **state)
{
	struct rig *r = *state;
	const struct record_stream *s;

	r->b.client_port++;
	C("abc");
	flow_close_all(&r->b.flows, WHY_capture_ended);
	s = next_stream(r);
	assert_hash_of(s, "abc");
	assert_int_equal(s->start_is_syn, 0);
}

static void what_a_direction_has_seen_is_told_by_name(void **state)
{
	static const struct {
		uint32_t seen;
		enum record_stream_bit bit;
	} table[] = {
		{ SEEN_AFTER_FIN, STREAM_BIT_AFTERFIN },
		{ SEEN_AFTER_RST, STREAM_BIT_AFTERRST },
		{ SEEN_BEFORE, STREAM_BIT_BEFORE },
		{ SEEN_FAR, STREAM_BIT_FARSEQ },
		{ SEEN_KEEPALIVE, STREAM_BIT_KEEPALIVE },
		{ SEEN_RST, STREAM_BIT_RST },
		{ SEEN_RST_DATA, STREAM_BIT_RSTDATA },
		{ SEEN_TFO, STREAM_BIT_TFO },
		{ SEEN_SYNACK_DATA, STREAM_BIT_SYNACKDATA },
		{ SEEN_URG, STREAM_BIT_URG },
	};
	struct rig *r = *state;
	struct sink sink = digest_sink(&streams.digest);

	for (size_t i = 0; i < array_count(table); i++) {
		struct flow f = { .sides_seen = 1 << SIDE_A,
				  .direction = { { .seen = SEEN_START | table[i].seen } } };
		const struct record_stream *s;

		sink.forget(sink.context, &f);
		s = next_stream(r);
		assert_int_equal(s->seen, 1u << table[i].bit);
		assert_null(next_stream(r)); /* the other side never said anything */
	}
}

static void only_bytes_across_the_wrap_of_the_sequence_are_a_wrap(void **state)
{
	struct rig *r = *state;
	const struct record_stream *s[2];

	r->b.isn[SIDE_A] = UINT32_MAX - 4; /* four bytes, and the fifth has sequence number 0 */
	r->b.isn[SIDE_B] = UINT32_MAX - 4;
	rig_connect(r);
	C("abcdefgh");
	S("abcd");
	end_and_hear(r, s);
	assert_true(has(s[0], STREAM_BIT_WRAP));
	assert_false(has(s[1], STREAM_BIT_WRAP));
	assert_hash_of(s[0], "abcdefgh");
}

/* ---- connections ---- */

static void each_connection_of_a_tuple_has_its_own_records(void **state)
{
	struct rig *r = *state;
	const struct record_stream *s;

	rig_connect(r);
	C("first");
	bench_send(&r->b, (struct sent){ .side = SIDE_A, .flags = TCP_RST | TCP_ACK, .offset = 5 });
	assert_null(next_stream(r)); /* late packets may still add to what it has seen */
	r->b.isn[SIDE_A] += 100000;
	r->b.client_port--; /* rig_connect() takes the next one */
	rig_connect(r);
	s = next_stream(r);
	assert_non_null(s);
	assert_hash_of(s, "first");
	assert_int_equal(s->epoch, 0);
	assert_true(has(s, STREAM_BIT_RST));
	assert_non_null(next_stream(r));
	C("second");
	flow_close_all(&r->b.flows, WHY_capture_ended);
	s = next_stream(r);
	assert_non_null(s);
	assert_hash_of(s, "second");
	assert_int_equal(s->epoch, 1);
	assert_false(has(s, STREAM_BIT_RST));
}

static void a_side_that_sent_nothing_has_no_record(void **state)
{
	struct rig *r = *state;

	r->b.client_port++;
	bench_send(&r->b, (struct sent){ .side = SIDE_A, .flags = TCP_SYN, .offset = -1 });
	flow_close_all(&r->b.flows, WHY_capture_ended);
	assert_non_null(next_stream(r));
	assert_null(next_stream(r));
}

static void what_was_missing_before_the_first_bytes_of_a_joined_side_is_not_told(void **state)
{
	struct rig *r = *state;
	const struct record_stream *s[2];

	r->b.client_port++;
	S("hello"); /* acknowledges offset 0 of the other side, which is its start */
	rig_lose(r, SIDE_A, 7);
	C("abc");
	rig_lose(r, SIDE_A, 2);
	C("def");
	end_and_hear(r, s);
	assert_hash_of(s[0], "abcdef");
	assert_int_equal(s[0]->gap_bytes, 2);
	assert_int_equal(s[0]->gap_count, 1);
	assert_int_equal(s[0]->gap[0].offset, 3); /* from the first byte delivered */
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, open_streams, close_streams)
	const struct CMUnitTest tests[] = {
		T(known_bytes_have_their_known_hash),
		T(order_and_copies_do_not_change_the_hash),
		T(a_direction_without_bytes_has_no_hash),
		T(a_gap_is_told_when_bytes_follow_it),
		T(a_gap_that_nothing_follows_is_not_told),
		T(a_direction_of_nothing_but_gap_has_none),
		T(eight_gaps_are_listed_and_all_are_counted),
		T(endpoints_are_each_direction_s_own),
		T(a_direction_joined_in_the_middle_did_not_start_with_a_syn),
		T(what_a_direction_has_seen_is_told_by_name),
		T(only_bytes_across_the_wrap_of_the_sequence_are_a_wrap),
		T(each_connection_of_a_tuple_has_its_own_records),
		T(a_side_that_sent_nothing_has_no_record),
		T(what_was_missing_before_the_first_bytes_of_a_joined_side_is_not_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
