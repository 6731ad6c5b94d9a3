/* Proves the rules of reassembly.h, one by one: deliver, overlap, gap, start,
 * end. After every packet the payload balance must close, which bench_send()
 * asserts, and after every test nothing may be held.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/support/check.h"
#include "tests/support/segments.h"

#define A(off, text)                                                                               \
	{                                                                                          \
		.side = SIDE_A, .offset = (off), .data = (text), .bytes = sizeof(text) - 1         \
	}
#define B(off, text, ackd)                                                                         \
	{                                                                                          \
		.side = SIDE_B, .offset = (off), .data = (text), .bytes = sizeof(text) - 1,        \
		.ack = (ackd)                                                                      \
	}

static void send_all(struct bench *b, const struct sent *s, size_t count_)
{
	for (size_t i = 0; i < count_; i++)
		bench_send(b, s[i]);
}
#define SEND(b, ...)                                                                               \
	do {                                                                                       \
		const struct sent s_[] = { __VA_ARGS__ };                                          \
		send_all(b, s_, sizeof(s_) / sizeof(s_[0]));                                       \
	} while (0)

static void assert_heard(const struct bench *b, enum side side, const char *text)
{
	assert_int_equal(b->heard_bytes[side], strlen(text));
	assert_memory_equal(b->heard[side], text, strlen(text));
}

static uint64_t counted(const struct bench *b, enum counter c)
{
	return b->counters.value[c];
}

static uint32_t heard_of(const struct bench *b, enum bench_event_kind kind)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < b->events; i++)
		n += b->event[i].kind == kind;
	return n;
}

static struct bench bench;

static int open_bench(void **state)
{
	bench_open(&bench, NULL, NULL);
	*state = &bench;
	return 0;
}

static int close_bench(void **state)
{
	bench_close(*state);
	return 0;
}

static void segments_in_order_are_delivered_at_once(void **state)
{
	struct bench *b = *state;

	bench_handshake(b);
	SEND(b, A(0, "hello "), A(6, "world"));
	assert_heard(b, SIDE_A, "hello world");
	assert_int_equal(b->arena.held_bytes, 0);
	assert_int_equal(counted(b, C_payload_delivered), 11);
}

static void segments_out_of_order_wait_for_the_hole_to_fill(void **state)
{
	struct bench *b = *state;

	bench_handshake(b);
	SEND(b, A(6, "world"), A(11, "!"));
	assert_int_equal(b->heard_bytes[SIDE_A], 0);
	assert_int_equal(b->reassembly.held_bytes, 6);
	SEND(b, A(0, "hello "));
	assert_heard(b, SIDE_A, "hello world!");
	assert_int_equal(b->reassembly.held_bytes, 0);
	assert_int_equal(counted(b, C_gaps), 0);
}

static void the_first_copy_of_a_byte_wins(void **state)
{
	struct bench *b = *state;

	bench_handshake(b);
	SEND(b, A(4, "4567"), A(2, "xx4XXXab"), A(0, "01"));
	assert_heard(b, SIDE_A, "01xx4567ab");
	assert_int_equal(counted(b, C_payload_duplicate), 4);
	assert_int_equal(counted(b, C_conflict_bytes), 3);
}

static void a_segment_that_fills_a_hole_is_compared_with_what_was_held(void **state)
{
	struct bench *b = *state;

	bench_handshake(b);
	SEND(b, A(2, "ef"), A(0, "cdXX"));
	assert_heard(b, SIDE_A, "cdef");
	assert_int_equal(counted(b, C_conflict_bytes), 2);
	assert_int_equal(counted(b, C_payload_duplicate), 2);
}

static void a_retransmission_is_duplicate_and_changes_nothing(void **state)
{
	struct bench *b = *state;

	bench_handshake(b);
	SEND(b, A(0, "abc"), A(0, "abc"), A(0, "abcdef"), A(2, "cd"));
	assert_heard(b, SIDE_A, "abcdef");
	assert_int_equal(counted(b, C_payload_duplicate), 3 + 3 + 2);
	assert_int_equal(counted(b, C_payload_late), 0);
}

static void history_shows_copies_that_differ_after_delivery(void **state)
{
	struct reassembly_settings s = bench_reassembly_settings();
	struct bench *b = *state;

	bench_close(b);
	s.history_bytes = 8;
	bench_open(b, NULL, &s);
	bench_handshake(b);
	SEND(b, A(0, "0123456789abcdef"), A(8, "89XXcdef"), A(6, "????"));
	/* Only the last eight bytes are kept: two X, and the last two question marks. */
	assert_int_equal(counted(b, C_conflict_bytes), 4);
	assert_heard(b, SIDE_A, "0123456789abcdef");
}

static void a_gap_is_declared_when_acknowledged_and_waited_for(void **state)
{
	struct bench *b = *state;

	bench_handshake(b);
	SEND(b, A(3, "def"), { .side = SIDE_B, .ack = 6 });
	bench_later(b, 19000000);
	assert_int_equal(counted(b, C_gaps), 0);
	bench_later(b, 2000000);
	assert_int_equal(counted(b, C_gap_bytes), 3);
	assert_int_equal(b->heard_bytes[SIDE_A], 6);
	assert_memory_equal(b->heard[SIDE_A] + 3, "def", 3);
	SEND(b, A(0, "abc"));
	assert_int_equal(counted(b, C_payload_late), 3);
	assert_int_equal(counted(b, C_payload_duplicate), 0);
}

static void what_may_be_under_way_by_another_way_is_no_gap_yet(void **state)
{
	struct bench *b = *state;

	bench_handshake(b);
	SEND(b, A(4, "efgh"), { .side = SIDE_B, .ack = 8 });
	b->reassembly.certain_ns = b->clock.now_ns + 1000;
	bench_later(b, 60 * CLOCK_SECOND_NS);
	SEND(b, { .side = SIDE_B, .ack = 8 });
	assert_int_equal(counted(b, C_gaps), 0);
	b->reassembly.certain_ns += 20000000;
	bench_later(b, 1000);
	assert_int_equal(counted(b, C_gaps), 1);
	assert_int_equal(b->heard_bytes[SIDE_A], 8);
}

/* Or it would depend on when the next packet of anybody comes. */
static void a_second_hole_waits_from_when_the_first_should_have_ended(void **state)
{
	struct bench *b = *state;

	bench_handshake(b);
	SEND(b, A(2, "c"), A(5, "f"), { .side = SIDE_B, .ack = 6 });
	bench_later(b, 30000000);
	assert_int_equal(counted(b, C_gaps), 1);
	bench_later(b, 9999999);
	assert_int_equal(counted(b, C_gaps), 1);
	bench_later(b, 1);
	assert_int_equal(counted(b, C_gaps), 2);
}

static void holes_that_waited_for_other_ways_are_over_in_their_order(void **state)
{
	struct bench *b = *state;

	bench_handshake(b);
	b->reassembly.certain_ns = b->clock.now_ns;
	SEND(b, A(2, "c"), A(5, "f"), A(8, "i"), { .side = SIDE_B, .ack = 9 });
	bench_later(b, 50000000); /* two of three waits, one behind the other */
	assert_int_equal(counted(b, C_gaps), 0);
	b->reassembly.certain_ns = b->clock.now_ns;
	bench_later(b, 1);
	assert_int_equal(counted(b, C_gaps), 2);
	assert_int_equal(b->heard_bytes[SIDE_A], 6);
	/* The third one's begins now. */
	b->reassembly.certain_ns = b->clock.now_ns + 19999999;
	bench_later(b, 60 * CLOCK_SECOND_NS);
	assert_int_equal(counted(b, C_gaps), 2);
	b->reassembly.certain_ns += 1;
	bench_later(b, 1);
	assert_int_equal(counted(b, C_gaps), 3);
	assert_int_equal(b->heard_bytes[SIDE_A], 9);
}

static void assert_waits_are_sorted(const struct reassembly *r)
{
	uint64_t since_ns = 0;

	for (uint32_t i = r->wait_first; i != FLOW_NONE; i = r->flows->wait[i].next) {
		assert_true(r->flows->wait[i].since_ns >= since_ns);
		since_ns = r->flows->wait[i].since_ns;
	}
}

static void deliver_to_nobody(void *context, struct flow *f, enum side side, uint64_t offset,
			      struct slice bytes, const struct segment *from)
{
	(void)context, (void)f, (void)side, (void)offset, (void)bytes, (void)from;
}

static void gap_for_nobody(void *context, struct flow *f, enum side side, uint64_t offset,
			   uint64_t bytes, bool cut)
{
	(void)context, (void)f, (void)side, (void)offset, (void)bytes, (void)cut;
}

static void close_for_nobody(void *context, struct flow *f, enum side side, enum why why)
{
	(void)context, (void)f, (void)side, (void)why;
}

static void end_for_nobody(void *context, struct flow *f)
{
	(void)context, (void)f;
}

/* Also where time is not certain for a while. Several connections, so nobody listens. */
static void holes_wait_in_the_order_of_their_time(void **state)
{
	struct reassembly_settings s = bench_reassembly_settings();
	struct bench *b = *state;
	unsigned seed = 1;

	bench_close(b);
	s.starts_late = true;
	bench_open(b, NULL, &s);
	b->reassembly.certain_ns = 0;
	b->reassembly.sink = (struct sink){ .deliver = deliver_to_nobody,
					    .gap = gap_for_nobody,
					    .close = close_for_nobody,
					    .end = end_for_nobody };
	for (uint32_t i = 0; i < 20000; i++) {
		int64_t at = 2 * (rand_r(&seed) % 100);

		b->client_port = (uint16_t)(1024 + rand_r(&seed) % 40);
		SEND(b, { .side = SIDE_A, .offset = at, .data = "x", .bytes = 1, .ack = 1 },
		     { .side = SIDE_B, .ack = rand_r(&seed) % 200,
		       .after_ns = (uint64_t)rand_r(&seed) % 1000000 });
		if (i % 500 == 0)
			b->reassembly.certain_ns = i % 1000 == 0 ? b->clock.now_ns : UINT64_MAX;
		if (i % 500 == 1)
			b->reassembly.certain_ns = b->clock.now_ns;
		if (rand_r(&seed) % 64 == 0)
			SEND(b, { .side = SIDE_A, .flags = TCP_SYN, .offset = 1000 + i });
		assert_waits_are_sorted(&b->reassembly);
	}
	assert_true(counted(b, C_gaps) > 100);
}

static void without_acknowledgement_a_hole_waits_until_the_end(void **state)
{
	struct bench *b = *state;

	bench_handshake(b);
	SEND(b, A(3, "def"));
	bench_later(b, 5 * CLOCK_SECOND_NS);
	assert_int_equal(counted(b, C_gaps), 0);
	flow_close_all(&b->flows, WHY_capture_ended);
	assert_int_equal(counted(b, C_gap_bytes), 3);
	assert_int_equal(counted(b, C_payload_delivered), 3);
}

static void a_hole_that_fills_in_time_is_no_gap(void **state)
{
	struct bench *b = *state;

	bench_handshake(b);
	SEND(b, A(3, "def"), { .side = SIDE_B, .ack = 6 });
	bench_later(b, 10000000);
	SEND(b, A(0, "abc"));
	bench_later(b, 100000000);
	assert_heard(b, SIDE_A, "abcdef");
	assert_int_equal(counted(b, C_gaps), 0);
}

static void acknowledged_bytes_that_never_came_are_a_gap_too(void **state)
{
	struct bench *b = *state;

	bench_handshake(b);
	SEND(b, A(0, "abc"), { .side = SIDE_B, .ack = 300 });
	bench_later(b, 30000000);
	assert_int_equal(counted(b, C_gap_bytes), 297);
	SEND(b, A(300, "more"));
	assert_int_equal(counted(b, C_payload_delivered), 7);
}

static void one_byte_acknowledged_beyond_may_be_a_fin(void **state)
{
	struct bench *b = *state;

	bench_handshake(b);
	SEND(b, A(0, "abc"), { .side = SIDE_B, .ack = 4 });
	bench_later(b, 30000000);
	assert_int_equal(counted(b, C_gaps), 0);
}

static void a_full_window_gives_way_with_a_gap(void **state)
{
	struct reassembly_settings s = bench_reassembly_settings();
	struct bench *b = *state;

	bench_close(b);
	s.held_segments = 4;
	bench_open(b, NULL, &s);
	bench_handshake(b);
	for (int i = 1; i <= 5; i++)
		bench_send(b, (struct sent){
				      .side = SIDE_A, .offset = i * 10, .data = "x", .bytes = 1 });
	assert_int_equal(counted(b, C_gaps), 1);
	assert_true(b->flows.flow[0].direction[SIDE_A].held_count <= 4);
	assert_int_equal(counted(b, C_payload_delivered), 1);
}

static void sequence_numbers_wrap_without_notice(void **state)
{
	struct bench *b = *state;
	uint8_t bytes[5000], back[5000];

	b->isn[SIDE_A] = 0xffffff00;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 7);
	bench_handshake(b);
	for (uint32_t i = 0; i < sizeof(bytes);
	     i += 100) /* each pair of segments the wrong way round */
		bench_send(b, (struct sent){ .side = SIDE_A,
					     .offset = (int64_t)i / 200 * 200 + (i % 200 ? 0 : 100),
					     .data = bytes + i / 200 * 200 + (i % 200 ? 0 : 100),
					     .bytes = 100 });
	memcpy(back, b->heard[SIDE_A], sizeof(back));
	assert_int_equal(b->heard_bytes[SIDE_A], sizeof(bytes));
	assert_memory_equal(back, bytes, sizeof(bytes));
}

static void a_connection_joined_in_the_middle_starts_at_the_acknowledgement(void **state)
{
	struct bench *b = *state;

	/* B's acknowledgement says where A is; A's next segment is ahead of it. */
	SEND(b, { .side = SIDE_B, .offset = 50, .ack = 100 });
	b->isn[SIDE_A] += 100; /* from here on offsets of A count from the acknowledgement */
	SEND(b, A(3, "def"), A(0, "abc"), A(-4, "late"));
	assert_heard(b, SIDE_A, "abcdef");
	assert_int_equal(counted(b, C_payload_late), 4);
}

static void a_fin_ends_its_side_and_both_end_the_connection(void **state)
{
	struct bench *b = *state;

	bench_handshake(b);
	SEND(b, A(0, "bye"), { .side = SIDE_A, .flags = TCP_FIN | TCP_ACK, .offset = 3 },
	     { .side = SIDE_B, .flags = TCP_FIN | TCP_ACK, .ack = 4 });
	assert_int_equal(heard_of(b, HEARD_CLOSE), 2);
	assert_int_equal(heard_of(b, HEARD_END), 1);
	SEND(b, A(4, "zombie"), A(0, "bye"));
	assert_int_equal(counted(b, C_discarded_after_fin), 6);
	assert_int_equal(counted(b, C_payload_duplicate), 3);
	assert_int_equal(counted(b, C_packets_after_close), 2);
}

static void a_fin_waits_for_the_hole_before_it(void **state)
{
	struct bench *b = *state;

	bench_handshake(b);
	SEND(b, { .side = SIDE_A,
		  .flags = TCP_FIN | TCP_ACK,
		  .offset = 3,
		  .data = "def",
		  .bytes = 3 });
	assert_int_equal(heard_of(b, HEARD_CLOSE), 0);
	SEND(b, A(0, "abc"));
	assert_heard(b, SIDE_A, "abcdef");
	assert_int_equal(heard_of(b, HEARD_CLOSE), 1);
}

static void only_an_exact_reset_ends_the_connection(void **state)
{
	struct bench *b = *state;

	bench_handshake(b);
	SEND(b, A(0, "one"), { .side = SIDE_B, .flags = TCP_RST, .offset = 100000 },
	     { .side = SIDE_B,
	       .flags = TCP_RST | TCP_ACK,
	       .offset = 10,
	       .data = "TEXT",
	       .bytes = 4,
	       .ack = 3 });
	assert_int_equal(heard_of(b, HEARD_END), 0);
	assert_int_equal(counted(b, C_discarded_reset_payload), 4);
	SEND(b, { .side = SIDE_B, .flags = TCP_RST });
	assert_int_equal(heard_of(b, HEARD_END), 1);
	assert_int_equal(b->event[b->events - 2].why, WHY_reset);
	SEND(b, A(3, "after"));
	assert_int_equal(counted(b, C_discarded_after_reset), 5);
}

static void a_reset_before_any_data_ends_nothing_yet(void **state)
{
	struct bench *b = *state;

	SEND(b, { .side = SIDE_A, .flags = TCP_SYN, .offset = -1 },
	     { .side = SIDE_B, .flags = TCP_RST | TCP_ACK, .offset = -5001 },
	     { .side = SIDE_B, .flags = TCP_FIN | TCP_ACK, .offset = 77 });
	assert_int_equal(heard_of(b, HEARD_CLOSE), 0);
	SEND(b, { .side = SIDE_B, .flags = TCP_SYN | TCP_ACK, .offset = -1 }, A(0, "ask"),
	     B(0, "answer", 3));
	assert_heard(b, SIDE_A, "ask");
	assert_heard(b, SIDE_B, "answer");
}

static void a_refused_connection_is_soon_forgotten(void **state)
{
	struct bench *b = *state;

	SEND(b, { .side = SIDE_A, .flags = TCP_SYN, .offset = -1 },
	     { .side = SIDE_B, .flags = TCP_RST | TCP_ACK, .offset = -5001 });
	bench_later(b, 11 * CLOCK_SECOND_NS);
	assert_int_equal(heard_of(b, HEARD_END), 1);
	assert_int_equal(b->flows.count, 0);
}

static void what_is_held_beyond_the_fin_is_discarded(void **state)
{
	struct bench *b = *state;

	bench_handshake(b);
	SEND(b, A(50, "zombie"),
	     { .side = SIDE_A, .flags = TCP_FIN | TCP_ACK, .data = "bye", .bytes = 3 });
	assert_int_equal(heard_of(b, HEARD_CLOSE), 1);
	assert_int_equal(counted(b, C_discarded_after_fin), 6);
}

static void syn_payload_counts_only_if_it_is_acknowledged(void **state)
{
	struct bench *b = *state;

	SEND(b, { .side = SIDE_A, .flags = TCP_SYN, .offset = -1, .data = "early", .bytes = 5 });
	assert_int_equal(b->reassembly.held_bytes, 5);
	SEND(b, { .side = SIDE_B, .flags = TCP_SYN | TCP_ACK, .offset = -1, .ack = 3 });
	assert_heard(b, SIDE_A, "ear");
	assert_int_equal(counted(b, C_discarded_syn_refused), 2);
	SEND(b, A(3, "ly"));
	assert_heard(b, SIDE_A, "early");
}

static void syn_payload_that_is_refused_is_sent_again(void **state)
{
	struct bench *b = *state;

	SEND(b, { .side = SIDE_A, .flags = TCP_SYN, .offset = -1, .data = "early", .bytes = 5 },
	     { .side = SIDE_B, .flags = TCP_SYN | TCP_ACK, .offset = -1, .ack = 0 }, A(0, "early"));
	assert_heard(b, SIDE_A, "early");
	assert_int_equal(counted(b, C_discarded_syn_refused), 5);
	assert_int_equal(counted(b, C_payload_duplicate), 0);
}

static void a_syn_with_another_number_opens_a_new_connection(void **state)
{
	struct bench *b = *state;

	bench_handshake(b);
	SEND(b, A(0, "first"));
	b->isn[SIDE_A] = 0x70000000;
	b->isn[SIDE_B] = 0x10000000;
	bench_handshake(b);
	assert_int_equal(heard_of(b, HEARD_END), 1);
	SEND(b, A(0, "second"));
	assert_heard(b, SIDE_A, "second");
	assert_int_equal(counted(b, C_ports_in_use_again), 1);
}

static void a_syn_captured_before_the_first_packet_opens_nothing(void **state)
{
	struct bench *b = *state;

	SEND(b, { .side = SIDE_A, .offset = 4, .data = "later", .bytes = 5, .ack = 9 },
	     { .side = SIDE_A, .flags = TCP_SYN, .offset = -1, .after_ns = (uint64_t)-5000 },
	     A(9, "!"));
	assert_heard(b, SIDE_A, "later!");
	assert_int_equal(counted(b, C_ports_in_use_again), 0);
}

static void a_syn_of_the_same_time_or_long_before_opens_a_new_connection(void **state)
{
	const uint64_t after_ns[] = { (uint64_t)-1000, (uint64_t)-2000000000 };
	struct bench *b = *state;

	for (size_t i = 0; i < 2; i++) {
		b->client_port++;
		b->isn[SIDE_A] = 1000;
		SEND(b, A(4, "first"), A(9, "!"));
		b->isn[SIDE_A] = 0x70000000;
		SEND(b, { .side = SIDE_A,
			  .flags = TCP_SYN,
			  .offset = -1,
			  .after_ns = after_ns[i] });
		assert_int_equal(counted(b, C_ports_in_use_again), i + 1);
	}
}

/* Less than a second, which may be packets out of order. */
static void a_clock_that_is_set_back_hides_no_new_connection(void **state)
{
	struct bench *b = *state;

	bench_handshake(b);
	SEND(b, A(0, "first"),
	     { .side = SIDE_A, .flags = TCP_FIN | TCP_ACK, .offset = 5 },
	     { .side = SIDE_B, .flags = TCP_FIN | TCP_ACK, .ack = 6 });
	b->isn[SIDE_A] = 0x70000000;
	b->isn[SIDE_B] = 0x10000000;
	SEND(b, { .side = SIDE_A,
		  .flags = TCP_SYN,
		  .offset = -1,
		  .after_ns = (uint64_t)-500000000 });
	assert_int_equal(counted(b, C_ports_in_use_again), 1);
	SEND(b, { .side = SIDE_B, .flags = TCP_SYN | TCP_ACK, .offset = -1 }, A(0, "second"));
	assert_heard(b, SIDE_A, "second");
}

static void a_repeated_syn_is_the_same_connection(void **state)
{
	struct bench *b = *state;

	bench_handshake(b);
	SEND(b, A(0, "data"), { .side = SIDE_A, .flags = TCP_SYN, .offset = -1 }, A(4, "!"));
	assert_heard(b, SIDE_A, "data!");
	assert_int_equal(counted(b, C_ports_in_use_again), 0);
}

static void a_keepalive_is_a_duplicate_whatever_it_carries(void **state)
{
	struct bench *b = *state;

	bench_handshake(b);
	SEND(b, A(0, "abc"), A(2, "\0"), A(3, "def"));
	assert_heard(b, SIDE_A, "abcdef");
	assert_int_equal(counted(b, C_conflict_bytes), 0);
}

static void bytes_too_far_ahead_are_out_of_window(void **state)
{
	struct bench *b = *state;

	bench_handshake(b);
	SEND(b, A(0, "abc"), A((INT64_C(1) << 30) + 100, "far"));
	assert_int_equal(counted(b, C_discarded_out_of_window), 3);
	assert_int_equal(b->reassembly.held_bytes, 0);
}

static void a_snap_length_makes_a_hole(void **state)
{
	struct bench *b = *state;

	bench_handshake(b);
	SEND(b, { .side = SIDE_A, .data = "0123", .bytes = 10, .cut_bytes = 6 }, A(10, "next"),
	     { .side = SIDE_B, .ack = 14 });
	bench_later(b, 30000000);
	assert_int_equal(counted(b, C_not_captured_bytes), 6);
	assert_int_equal(counted(b, C_gap_bytes), 6);
	assert_int_equal(counted(b, C_payload_delivered), 8);
}

static void each_segment_says_what_its_packet_acknowledged(void **state)
{
	struct bench *b = *state;

	bench_handshake(b);
	SEND(b, A(0, "ask"), B(0, "answer", 3),
	     { .side = SIDE_A, .offset = 3, .data = "again", .bytes = 5, .ack = 6 });
	assert_int_equal(b->event[0].acked, 0);
	assert_int_equal(b->event[1].acked, 3);
	assert_int_equal(b->event[2].acked, 6);
}

static void any_order_and_any_copies_give_the_same_bytes(void **state)
{
	struct bench *b = *state;
	uint8_t bytes[600];
	unsigned seed = 1;

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)rand_r(&seed);
	for (int round = 0; round < 500; round++) {
		b->events = 0;
		b->isn[SIDE_A] = (uint32_t)rand_r(&seed) * 2654435761u;
		b->isn[SIDE_B] = (uint32_t)rand_r(&seed) * 2654435761u;
		b->client_port = (uint16_t)(1024 + round);
		bench_handshake(b);
		while (b->heard_bytes[SIDE_A] < sizeof(bytes)) {
			uint32_t at = (uint32_t)rand_r(&seed) % sizeof(bytes);
			uint32_t n = 1 + (uint32_t)rand_r(&seed) % 60;

			n = at + n > sizeof(bytes) ? (uint32_t)sizeof(bytes) - at : n;
			bench_send(b, (struct sent){ .side = SIDE_A,
						     .offset = at,
						     .data = bytes + at,
						     .bytes = n });
		}
		assert_memory_equal(b->heard[SIDE_A], bytes, sizeof(bytes));
		b->events = 0;
		flow_close_all(&b->flows, WHY_capture_ended);
	}
	assert_int_equal(counted(b, C_gaps), 0);
	assert_int_equal(counted(b, C_conflict_bytes), 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, open_bench, close_bench)
	const struct CMUnitTest tests[] = {
		T(segments_in_order_are_delivered_at_once),
		T(segments_out_of_order_wait_for_the_hole_to_fill),
		T(the_first_copy_of_a_byte_wins),
		T(a_segment_that_fills_a_hole_is_compared_with_what_was_held),
		T(a_retransmission_is_duplicate_and_changes_nothing),
		T(history_shows_copies_that_differ_after_delivery),
		T(a_gap_is_declared_when_acknowledged_and_waited_for),
		T(what_may_be_under_way_by_another_way_is_no_gap_yet),
		T(a_second_hole_waits_from_when_the_first_should_have_ended),
		T(holes_that_waited_for_other_ways_are_over_in_their_order),
		T(holes_wait_in_the_order_of_their_time),
		T(without_acknowledgement_a_hole_waits_until_the_end),
		T(a_hole_that_fills_in_time_is_no_gap),
		T(acknowledged_bytes_that_never_came_are_a_gap_too),
		T(one_byte_acknowledged_beyond_may_be_a_fin),
		T(a_full_window_gives_way_with_a_gap),
		T(sequence_numbers_wrap_without_notice),
		T(a_connection_joined_in_the_middle_starts_at_the_acknowledgement),
		T(a_fin_ends_its_side_and_both_end_the_connection),
		T(a_fin_waits_for_the_hole_before_it),
		T(only_an_exact_reset_ends_the_connection),
		T(a_reset_before_any_data_ends_nothing_yet),
		T(a_refused_connection_is_soon_forgotten),
		T(what_is_held_beyond_the_fin_is_discarded),
		T(syn_payload_counts_only_if_it_is_acknowledged),
		T(syn_payload_that_is_refused_is_sent_again),
		T(a_syn_with_another_number_opens_a_new_connection),
		T(a_syn_captured_before_the_first_packet_opens_nothing),
		T(a_syn_of_the_same_time_or_long_before_opens_a_new_connection),
		T(a_clock_that_is_set_back_hides_no_new_connection),
		T(a_repeated_syn_is_the_same_connection),
		T(a_keepalive_is_a_duplicate_whatever_it_carries),
		T(bytes_too_far_ahead_are_out_of_window),
		T(a_snap_length_makes_a_hole),
		T(each_segment_says_what_its_packet_acknowledged),
		T(any_order_and_any_copies_give_the_same_bytes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
