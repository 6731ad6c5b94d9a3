/* Proves that a datagram comes together from its fragments in any order, with duplicates and
 * overlaps (first copy wins in IPv4, none survive in IPv6); that impossible fragments are refused
 * one by one; that the caps hold and a flood makes room for real datagrams; that time gives
 * datagrams up; and that every fragment has exactly one line of the ledger.
 */
#include "tests/unit/dataplane/decode/decoding.h"

#include <stdlib.h>

enum { DATAGRAM_BYTES = 120 }; /* UDP header and text */

static struct frame frame;
static struct decoding stage;
static struct packet last; /* as decode left it */
static char text[DATAGRAM_BYTES - 8];

static void begin_with(const struct decode_settings *s)
{
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (char)('a' + i % 26);
	decoding_init(&stage, s);
}

static void begin(void)
{
	struct decode_settings s = plain_settings();

	begin_with(&s);
}

static struct packet_spec datagram(bool six, uint32_t id)
{
	return (struct packet_spec){
		.from = six ? client6() : client4(),
		.to = six ? server6() : server4(),
		.protocol = IPPROTO_UDP,
		.payload = text,
		.payload_bytes = sizeof(text),
		.fragment = { .yes = true, .id = id },
	};
}

/* Bytes [offset, offset + bytes) of the datagram arrive. */
static enum counter arrives(bool six, uint32_t id, uint32_t offset, uint32_t bytes, bool more)
{
	struct packet_spec spec = datagram(six, id);

	spec.fragment.offset = offset;
	spec.fragment.bytes = bytes;
	spec.fragment.more = more;
	packet_build(&frame, &spec);
	return decode_frame(&stage, &frame, &last);
}

/* The same, but other text: what an attacker would have liked to be there. */
static enum counter forgery_arrives(bool six, uint32_t id, uint32_t offset, uint32_t bytes,
				    bool more)
{
	struct packet_spec spec = datagram(six, id);

	spec.fragment.offset = offset;
	spec.fragment.bytes = bytes;
	spec.fragment.more = more;
	packet_build(&frame, &spec);
	memset(frame.at + frame.transport_at, '!', bytes);
	return decode_frame(&stage, &frame, &last);
}

static void check_text(void)
{
	assert_int_equal(last.payload_bytes, sizeof(text));
	assert_int_equal(last.payload_captured_bytes, sizeof(text));
	assert_memory_equal(last.payload, text, sizeof(text));
	assert_int_equal(last.key.port[last.side], 40000);
	assert_int_equal(last.key.protocol, IPPROTO_UDP);
}

static uint64_t expired(void)
{
	return stage.counters.value[C_fragments_expired];
}

static uint64_t overlapping(void)
{
	return stage.counters.value[C_fragments_overlapping];
}

/* The n-th order of `count` things. */
static void permute(uint32_t n, uint32_t *order, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		order[i] = i;
	for (uint32_t i = count; i > 1; i--) {
		uint32_t j = n % i, moved = order[i - 1];

		n /= i;
		order[i - 1] = order[j];
		order[j] = moved;
	}
}

static void fragments_in_every_order_make_the_datagram(void **state)
{
	(void)state;
	begin();
	for (uint32_t n = 0; n < 2 * 120; n++) { /* five fragments, both versions */
		uint32_t order[5];

		permute(n / 2, order, 5);
		for (uint32_t i = 0; i < 5; i++) {
			enum counter fate = arrives(n % 2, n, order[i] * 24, 24, order[i] != 4);

			if (i == 4)
				assert_fate(fate, to_flow);
			else
				assert_fate(fate, fragment_kept);
		}
		check_text();
	}
	assert_int_equal(overlapping(), 0);
	assert_int_equal(expired(), 0);
	decoding_fini(&stage);
}

static void datagram_has_number_and_time_of_its_last_fragment(void **state)
{
	(void)state;
	begin();
	assert_fate(arrives(false, 1, 64, 56, false), fragment_kept);
	assert_fate(arrives(false, 1, 0, 64, true), to_flow);
	assert_int_equal(last.number, 2);
	assert_int_equal(last.ts_ns, stage.now_ns);
	decoding_fini(&stage);
}

static void duplicates_change_nothing(void **state)
{
	(void)state;
	begin();
	for (int six = 0; six < 2; six++) {
		for (int again = 0; again < 3; again++) {
			assert_fate(arrives(six, 1, 56, 64, false), fragment_kept);
			assert_fate(arrives(six, 1, 8, 48, true), fragment_kept);
		}
		assert_fate(arrives(six, 1, 0, 8, true), to_flow);
		check_text();
	}
	assert_int_equal(overlapping(), 4); /* IPv4's only */
	decoding_fini(&stage);
}

static void first_copy_wins_in_ipv4_whatever_the_overlap(void **state)
{
	(void)state;
	/* Offset and length of a forgery that comes after the true [40, 80) and [80, 120). */
	static const uint32_t forged[][2] = {
		{ 40, 40 }, { 72, 16 }, { 48, 8 }, { 40, 8 }, { 72, 8 }, { 40, 72 }, { 80, 32 },
	};

	begin();
	for (uint32_t i = 0; i < sizeof(forged) / sizeof(forged[0]); i++) {
		assert_fate(arrives(false, i, 40, 40, true), fragment_kept);
		assert_fate(arrives(false, i, 80, 40, false), fragment_kept);
		assert_fate(forgery_arrives(false, i, forged[i][0], forged[i][1], true),
			    fragment_kept);
		assert_int_equal(overlapping(), i + 1);
		assert_fate(arrives(false, i, 0, 40, true), to_flow);
		check_text();
	}
	decoding_fini(&stage);
}

static void late_copy_fills_only_what_is_missing(void **state)
{
	(void)state;
	begin();
	assert_fate(arrives(false, 7, 0, 16, true), fragment_kept);
	assert_fate(arrives(false, 7, 32, 16, true), fragment_kept);
	assert_fate(arrives(false, 7, 64, 16, true), fragment_kept);
	assert_fate(arrives(false, 7, 104, 16, false), fragment_kept);
	/* Covers three pieces and fills three holes, one of them in part. */
	assert_fate(forgery_arrives(false, 7, 8, 80, true), fragment_kept);
	assert_int_equal(overlapping(), 1);
	assert_fate(arrives(false, 7, 88, 16, true), to_flow);
	for (uint32_t i = 0; i < sizeof(text); i++) {
		uint32_t at = i + 8;
		bool hole = (at >= 16 && at < 32) || (at >= 48 && at < 64) || (at >= 80 && at < 88);

		assert_int_equal(last.payload[i], hole ? '!' : text[i]);
	}
	decoding_fini(&stage);
}

static void overlap_in_ipv6_drops_the_datagram_and_what_follows_of_it(void **state)
{
	(void)state;
	begin();
	assert_fate(arrives(true, 5, 0, 56, true), fragment_kept);
	assert_fate(arrives(true, 5, 48, 72, false), malformed_fragment_overlap);
	assert_fate(arrives(true, 5, 56, 64, false), malformed_fragment_overlap);
	assert_fate(arrives(true, 5, 0, 56, true), malformed_fragment_overlap);
	assert_int_equal(expired(), 1);
	/* Same place, same length, other bytes. */
	assert_fate(arrives(true, 6, 0, 56, true), fragment_kept);
	assert_fate(forgery_arrives(true, 6, 0, 56, true), malformed_fragment_overlap);
	/* Others go on, and after its time the id is free again. */
	assert_fate(arrives(true, 8, 0, 56, true), fragment_kept);
	assert_fate(arrives(true, 8, 56, 64, false), to_flow);
	stage.now_ns += 31 * CLOCK_SECOND_NS;
	assert_fate(arrives(true, 5, 0, 56, true), fragment_kept);
	assert_fate(arrives(true, 5, 56, 64, false), to_flow);
	check_text();
	assert_int_equal(expired(), 2); /* counted once each */
	decoding_fini(&stage);
}

static void extension_headers_behind_the_fragment_header_are_read(void **state)
{
	(void)state;
	/* Destination options that carry UDP, as the bytes of the datagram. */
	static const uint8_t inside[24] = { 17, 0, 0, 0, 0, 0, 0, 0, 0x9c, 0x40, 0, 53, 0, 16 };
	struct packet_spec spec = datagram(true, 9);

	begin();
	spec.protocol = IPPROTO_DSTOPTS;
	spec.payload = inside;
	spec.payload_bytes = sizeof(inside);
	spec.fragment.offset = 16;
	spec.fragment.bytes = 8;
	packet_build(&frame, &spec);
	assert_fate(decode_frame(&stage, &frame, &last), fragment_kept);
	spec.fragment.offset = 0;
	spec.fragment.bytes = 16;
	spec.fragment.more = true;
	packet_build(&frame, &spec);
	assert_fate(decode_frame(&stage, &frame, &last), to_flow);
	assert_int_equal(last.key.protocol, IPPROTO_UDP);
	assert_int_equal(last.payload_bytes, 8);
	decoding_fini(&stage);
}

static void fragment_inside_a_datagram_of_fragments_is_malformed(void **state)
{
	(void)state;
	static const uint8_t inside[24] = { 17, 0, 0, 1, 0, 0, 0, 7 };
	struct packet_spec spec = datagram(true, 9);

	begin();
	spec.protocol = IPPROTO_FRAGMENT;
	spec.payload = inside;
	spec.payload_bytes = sizeof(inside);
	spec.fragment.bytes = 16;
	spec.fragment.more = true;
	packet_build(&frame, &spec);
	/* The builder's chain leads into the fragment header of `inside`. */
	assert_fate(decode_frame(&stage, &frame, &last), fragment_kept);
	spec.fragment.offset = 16;
	spec.fragment.bytes = 8;
	spec.fragment.more = false;
	packet_build(&frame, &spec);
	assert_fate(decode_frame(&stage, &frame, &last), malformed_fragment);
	decoding_fini(&stage);
}

static void impossible_fragments_are_refused_and_the_datagram_waits_on(void **state)
{
	(void)state;
	begin();
	for (int six = 0; six < 2; six++) {
		assert_fate(arrives(six, 3, 0, 64, true), fragment_kept);
		assert_fate(arrives(six, 3, 64, 12, true),
			    malformed_fragment); /* no multiple of 8 */
		assert_fate(arrives(six, 3, 64, 0, true), malformed_fragment); /* nothing */
		assert_fate(arrives(six, 3, 120, 0, false), malformed_fragment);
		assert_fate(arrives(six, 3, 65528, 8, false), malformed_fragment); /* 65,536 */
		assert_fate(arrives(six, 3, 64800, 1400, true), malformed_fragment);
		assert_fate(arrives(six, 3, 24, 16, false),
			    malformed_fragment); /* ends too early */
		assert_fate(arrives(six, 3, 64, 56, false), to_flow);
		check_text();
	}
	decoding_fini(&stage);
}

static void fragments_that_contradict_the_last_one_are_refused(void **state)
{
	(void)state;
	begin();
	for (int six = 0; six < 2; six++) {
		assert_fate(arrives(six, 4, 64, 56, false), fragment_kept);
		assert_fate(arrives(six, 4, 120, 8, true), malformed_fragment);
		assert_fate(arrives(six, 4, 112, 8, true), malformed_fragment);
		assert_fate(arrives(six, 4, 120, 8, false), malformed_fragment);
		assert_fate(arrives(six, 4, 64, 48, false), malformed_fragment);
		assert_fate(arrives(six, 4, 0, 64, true), to_flow);
		check_text();
	}
	decoding_fini(&stage);
}

static void largest_datagram_comes_together(void **state)
{
	(void)state;
	static uint8_t big[65535 - 20];
	struct packet_spec spec = datagram(false, 11);

	begin();
	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (uint8_t)(i * 7 >> 3);
	spec.payload = big + 8;
	spec.payload_bytes = sizeof(big) - 8;
	spec.fragment.bytes = 1480;
	for (spec.fragment.offset = 0; spec.fragment.offset < sizeof(big);
	     spec.fragment.offset += 1480) {
		uint32_t left = (uint32_t)sizeof(big) - spec.fragment.offset;

		spec.fragment.more = left > 1480;
		spec.fragment.bytes = left > 1480 ? 1480 : left;
		packet_build(&frame, &spec);

		enum counter fate = decode_frame(&stage, &frame, &last);

		if (spec.fragment.more)
			assert_fate(fate, fragment_kept);
		else
			assert_fate(fate, to_flow);
	}
	assert_int_equal(last.payload_bytes, sizeof(big) - 8);
	assert_memory_equal(last.payload, big + 8, sizeof(big) - 8);
	decoding_fini(&stage);
}

static void atomic_ipv6_fragments_are_plain_packets(void **state)
{
	(void)state;
	begin();
	assert_fate(arrives(true, 1, 0, 56, true), fragment_kept);
	assert_fate(arrives(true, 1, 0, DATAGRAM_BYTES, false),
		    to_flow); /* RFC 6946: no part of it */
	check_text();
	assert_fate(arrives(true, 1, 56, 64, false), to_flow);
	check_text();
	decoding_fini(&stage);
}

static void datagrams_are_told_apart_by_addresses_id_protocol_and_vlan(void **state)
{
	(void)state;
	struct packet_spec spec = datagram(false, 1);
	struct packet_spec other[5];

	begin();
	spec.fragment.bytes = 64;
	spec.fragment.more = true;
	packet_build(&frame, &spec);
	assert_fate(decode_frame(&stage, &frame, &last), fragment_kept);
	for (int i = 0; i < 5; i++)
		other[i] = datagram(false, 1);
	other[0].from = endpoint("10.0.0.3", 40000);
	other[1].to = endpoint("10.0.0.3", 80);
	other[2].fragment.id = 2;
	other[3].protocol = IPPROTO_TCP;
	other[4].vlan[0] = 5;
	other[4].vlans = 1;
	for (int i = 0; i < 5; i++) {
		other[i].fragment.offset = 64;
		other[i].fragment.bytes = 56;
		packet_build(&frame, &other[i]);
		assert_fate(decode_frame(&stage, &frame, &last), fragment_kept);
	}
	assert_fate(arrives(false, 1, 64, 56, false), to_flow);
	decoding_fini(&stage);
}

static void cut_fragment_ends_what_is_captured_of_the_datagram(void **state)
{
	(void)state;
	begin();
	for (uint32_t cut = 1; cut <= 48; cut++) {
		assert_fate(arrives(false, cut, 0, 40, true), fragment_kept);
		assert_fate(arrives(false, cut, 88, 32, false), fragment_kept);

		struct packet_spec spec = datagram(false, cut);

		spec.fragment.offset = 40;
		spec.fragment.bytes = 48;
		spec.fragment.more = true;
		packet_build(&frame, &spec);
		last = next_packet(&stage, &frame);
		last.caplen_bytes -= cut;
		assert_fate(decode_one(&stage.decode, &last), to_flow);
		assert_int_equal(last.payload_bytes, sizeof(text));
		assert_int_equal(last.payload_captured_bytes, 88 - cut - 8);
		assert_memory_equal(last.payload, text, 88 - cut - 8);
	}
	decoding_fini(&stage);
}

static void datagram_of_too_many_fragments_is_refused_from_there_on(void **state)
{
	(void)state;
	struct decode_settings s = plain_settings();

	s.fragments_per_datagram = 4;
	begin_with(&s);
	for (uint32_t i = 0; i < 4; i++)
		assert_fate(arrives(false, 1, i * 8, 8, true), fragment_kept);
	assert_fate(arrives(false, 1, 0, 8, true), fragment_kept); /* nothing new to keep */
	assert_fate(arrives(false, 1, 32, 8, true), passed_fragment_limit);
	assert_int_equal(expired(), 1);
	assert_fate(arrives(false, 1, 32, 88, false), passed_fragment_limit);
	assert_fate(arrives(false, 2, 0, 64, true), fragment_kept);
	assert_fate(arrives(false, 2, 64, 56, false), to_flow);
	decoding_fini(&stage);
}

static void flood_makes_room_for_real_datagrams_under_the_cap(void **state)
{
	(void)state;
	struct decode_settings s = plain_settings();
	uint64_t table_bytes;

	s.fragment_bytes = 65536;
	begin_with(&s);
	table_bytes = stage.arena.held_bytes;
	for (uint32_t i = 0; i < 20000; i++) {
		assert_fate(arrives(i % 2, 100000 + i, 8 + i % 64 * 8, 64, true), fragment_kept);
		assert_true(stage.arena.held_bytes <= table_bytes + s.fragment_bytes);
		if (i % 1000 != 0)
			continue;
		assert_fate(arrives(false, i, 0, 64, true), fragment_kept);
		assert_fate(arrives(true, 1, i % 64 * 8, 8, true), fragment_kept);
		assert_fate(arrives(false, i, 64, 56, false), to_flow);
		check_text();
	}
	assert_true(expired() > 19000);
	decoding_fini(&stage);
}

static void datagram_over_the_whole_cap_is_refused(void **state)
{
	(void)state;
	struct decode_settings s = plain_settings();

	s.fragment_bytes = 2048;
	begin_with(&s);
	assert_fate(arrives(false, 1, 0, 1480, true), fragment_kept);
	assert_fate(arrives(false, 1, 1480, 1480, true), passed_fragment_limit);
	assert_fate(arrives(false, 1, 2960, 8, false), passed_fragment_limit);
	assert_fate(arrives(false, 2, 0, 64, true), fragment_kept);
	assert_fate(arrives(false, 2, 64, 56, false), to_flow);
	decoding_fini(&stage);
	s.fragment_bytes = 16;
	begin_with(&s);
	assert_fate(arrives(false, 1, 0, 64, true), passed_fragment_limit);
	decoding_fini(&stage);
}

static void datagram_is_given_up_when_its_time_is_over(void **state)
{
	(void)state;
	begin();
	assert_fate(arrives(false, 1, 0, 64, true), fragment_kept);
	stage.now_ns += 29 * CLOCK_SECOND_NS;
	assert_fate(arrives(false, 2, 0, 64, true), fragment_kept);
	assert_fate(arrives(false, 1, 64, 56, false), to_flow);
	stage.now_ns += 31 * CLOCK_SECOND_NS;
	assert_fate(arrives(false, 2, 64, 56, false),
		    fragment_kept); /* a new one, without its start */
	assert_int_equal(expired(), 1);
	decoding_fini(&stage);
}

static void datagram_from_before_the_clock_was_set_is_given_up(void **state)
{
	(void)state;
	begin();
	assert_fate(arrives(false, 1, 0, 64, true), fragment_kept);
	stage.now_ns += 7200 * CLOCK_SECOND_NS;
	assert_fate(arrives(false, 1, 64, 56, false), fragment_kept);
	assert_int_equal(expired(), 1);
	assert_fate(arrives(false, 1, 0, 64, true), to_flow);
	decoding_fini(&stage);
}

/* Splits a datagram at random places, adds duplicates, and hands everything over in random order.
 */
static void random_orders_with_duplicates_make_the_datagram(void **state)
{
	(void)state;
	struct decode_settings s = plain_settings();

	srand(42);
	s.fragments_per_datagram = 16;
	begin_with(&s);
	for (uint32_t round = 0; round < 3000; round++) {
		struct {
			uint32_t from, to;
		} part[32];
		uint32_t parts = 0, from = 0;
		bool done = false;

		while (from < DATAGRAM_BYTES) {
			uint32_t to = from + 8 + (uint32_t)(rand() % 4) * 8;

			part[parts].from = from;
			part[parts++].to = from = to < DATAGRAM_BYTES ? to : DATAGRAM_BYTES;
		}
		if (parts == 1)
			continue;
		for (uint32_t i = 0; i < parts && parts < 30; i += 3)
			part[parts++] = part[i];
		for (uint32_t i = parts; i > 1; i--) {
			uint32_t j = (uint32_t)rand() % i;
			__typeof__(part[0]) moved = part[i - 1];

			part[i - 1] = part[j];
			part[j] = moved;
		}
		for (uint32_t i = 0; i < parts; i++) {
			enum counter fate = arrives(round & 1, round, part[i].from,
						    part[i].to - part[i].from,
						    part[i].to != DATAGRAM_BYTES);

			if (fate == C_to_flow && !done) {
				check_text();
				done = true;
			} else {
				assert_fate(fate, fragment_kept); /* late duplicates begin anew */
			}
		}
		assert_true(done);
	}
	decoding_fini(&stage);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fragments_in_every_order_make_the_datagram),
		cmocka_unit_test(datagram_has_number_and_time_of_its_last_fragment),
		cmocka_unit_test(duplicates_change_nothing),
		cmocka_unit_test(first_copy_wins_in_ipv4_whatever_the_overlap),
		cmocka_unit_test(late_copy_fills_only_what_is_missing),
		cmocka_unit_test(overlap_in_ipv6_drops_the_datagram_and_what_follows_of_it),
		cmocka_unit_test(extension_headers_behind_the_fragment_header_are_read),
		cmocka_unit_test(fragment_inside_a_datagram_of_fragments_is_malformed),
		cmocka_unit_test(impossible_fragments_are_refused_and_the_datagram_waits_on),
		cmocka_unit_test(fragments_that_contradict_the_last_one_are_refused),
		cmocka_unit_test(largest_datagram_comes_together),
		cmocka_unit_test(atomic_ipv6_fragments_are_plain_packets),
		cmocka_unit_test(datagrams_are_told_apart_by_addresses_id_protocol_and_vlan),
		cmocka_unit_test(cut_fragment_ends_what_is_captured_of_the_datagram),
		cmocka_unit_test(datagram_of_too_many_fragments_is_refused_from_there_on),
		cmocka_unit_test(flood_makes_room_for_real_datagrams_under_the_cap),
		cmocka_unit_test(datagram_over_the_whole_cap_is_refused),
		cmocka_unit_test(datagram_is_given_up_when_its_time_is_over),
		cmocka_unit_test(datagram_from_before_the_clock_was_set_is_given_up),
		cmocka_unit_test(random_orders_with_duplicates_make_the_datagram),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
