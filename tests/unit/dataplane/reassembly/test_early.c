/* Proves early.h: where packets come by two ways, a connection begins with those that were captured
 * first, whichever come first; it waits no longer than for a hole, keeps no more than it may, and
 * waits for nothing where everything comes in order. The bench checks the books after each packet.
 */
#include <stdlib.h>
#include <string.h>

#include "dataplane/reassembly/early.h"
#include "tests/support/check.h"
#include "tests/support/segments.h"

#define US UINT64_C(1000)

static struct bench bench;
static uint64_t start_ns;

static void open_with(const struct reassembly_settings *s)
{
	bench_open(&bench, NULL, s);
	start_ns = bench.clock.now_ns;
}

static int open_bench(void **state)
{
	struct reassembly_settings s = bench_reassembly_settings();

	s.starts_late = true;
	open_with(&s);
	*state = &bench;
	return 0;
}

static int close_bench(void **state)
{
	bench_close(*state);
	assert_int_equal(bench.reassembly.early_count, 0);
	return 0;
}

/* What was captured so many microseconds after the start comes now. */
static void come(struct bench *b, uint64_t at_us, struct sent s)
{
	s.after_ns = start_ns + at_us * US - b->clock.last_ns;
	bench_send(b, s);
}

static const struct sent syn = { .side = SIDE_A, .flags = TCP_SYN, .offset = -1 };
static const struct sent syn_ack = { .side = SIDE_B, .flags = TCP_SYN | TCP_ACK, .offset = -1 };
static const struct sent ask = { .side = SIDE_A, .data = "ask ", .bytes = 4 };
static const struct sent answer = { .side = SIDE_B, .data = "answer ", .bytes = 7, .ack = 4 };
static const struct sent again = {
	.side = SIDE_A, .offset = 4, .data = "again ", .bytes = 6, .ack = 7
};
static const struct sent more = {
	.side = SIDE_B, .offset = 7, .data = "more", .bytes = 4, .ack = 10
};

static void assert_heard(const struct bench *b, const char *of_a, const char *of_b)
{
	assert_int_equal(b->heard_bytes[SIDE_A], strlen(of_a));
	assert_memory_equal(b->heard[SIDE_A], of_a, strlen(of_a));
	assert_int_equal(b->heard_bytes[SIDE_B], strlen(of_b));
	assert_memory_equal(b->heard[SIDE_B], of_b, strlen(of_b));
	assert_int_equal(b->gap_bytes[SIDE_A] + b->gap_bytes[SIDE_B], 0);
}

static void a_connection_in_order_keeps_nothing(void **state)
{
	struct bench *b = *state;

	bench_handshake(b);
	assert_int_equal(b->reassembly.early_count, 0);
	bench_send(b, ask);
	assert_heard(b, "ask ", "");
	bench_send(b, answer);
	assert_heard(b, "ask ", "answer ");
}

static void later_packets_wait_for_both_syns(void **state)
{
	struct bench *b = *state;

	come(b, 30, again);
	come(b, 40, more);
	come(b, 0, syn);
	assert_heard(b, "", "");
	come(b, 10, syn_ack);
	/* The rest is a hole like any other. */
	assert_heard(b, "", "");
	assert_int_equal(b->reassembly.early_count, 0);
	come(b, 20, ask);
	come(b, 25, answer);
	assert_heard(b, "ask again ", "answer more");
	assert_int_equal(b->counters.value[C_gaps], 0);
	assert_int_equal(b->counters.value[C_ports_in_use_again], 0);
	assert_int_equal(b->flows.flow[0].first_ts_ns, start_ns);
}

static void a_syn_ack_that_overtakes_the_syn_waits_for_it(void **state)
{
	struct bench *b = *state;

	come(b, 10, syn_ack);
	come(b, 20, ask);
	assert_heard(b, "", "");
	come(b, 0, syn);
	assert_heard(b, "ask ", "");
	assert_int_equal(b->flows.flow[0].client, SIDE_A);
}

static void behind_a_syn_data_waits_for_the_syn_ack(void **state)
{
	struct bench *b = *state;

	come(b, 0, syn);
	come(b, 40, again); /* acknowledges what has not come */
	assert_heard(b, "", "");
	come(b, 10, syn_ack);
	come(b, 30, answer);
	come(b, 20, ask);
	assert_heard(b, "ask again ", "answer ");
}

static void joined_in_the_middle_it_begins_with_what_was_captured_first(void **state)
{
	struct bench *b = *state;

	come(b, 30, again);
	come(b, 40, more);
	come(b, 10, ask);
	come(b, 20, answer);
	assert_heard(b, "", "");
	bench_later(b, bench_reassembly_settings().gap_wait_ns - 100 * US);
	assert_heard(b, "", "");
	bench_later(b, 200 * US);
	assert_heard(b, "ask again ", "answer more");
	assert_int_equal(b->counters.value[C_payload_late], 0);
	assert_int_equal(b->flows.flow[0].first_ts_ns, start_ns + 10 * US);
	/* It has begun: nothing waits any more. */
	come(b, 90000, (struct sent){ .offset = 10, .data = "end", .bytes = 3, .ack = 11 });
	assert_heard(b, "ask again end", "answer more");
}

static void of_one_direction_alone_it_begins_when_the_wait_is_over(void **state)
{
	struct bench *b = *state;

	come(b, 0, syn);
	come(b, 10, ask);
	assert_heard(b, "", "");
	bench_later(b, 2 * bench_reassembly_settings().gap_wait_ns);
	assert_heard(b, "ask ", "");
}

static void the_end_of_the_capture_ends_the_wait(void **state)
{
	struct bench *b = *state;

	come(b, 10, answer);
	come(b, 0, ask);
	assert_int_equal(b->events, 0);
	flow_close_all(&b->flows, WHY_capture_ended);
	assert_int_equal(b->event[0].kind, HEARD_BYTES);
	assert_int_equal(b->event[0].side, SIDE_A);
	assert_int_equal(b->event[1].kind, HEARD_BYTES);
	assert_int_equal(b->event[1].side, SIDE_B);
	assert_int_equal(b->event[b->events - 1].kind, HEARD_END);
}

static void a_reset_waits_only_behind_others(void **state)
{
	struct bench *b = *state;

	come(b, 0, syn);
	come(b, 10, (struct sent){ .side = SIDE_B, .flags = TCP_RST | TCP_ACK, .offset = -5001 });
	assert_int_equal(b->reassembly.early_count, 0);
	b->client_port++;
	come(b, 30, (struct sent){ .side = SIDE_A, .flags = TCP_RST, .offset = 4 });
	come(b, 40, ask);
	come(b, 50, (struct sent){ .side = SIDE_A, .flags = TCP_RST, .offset = 4 });
	assert_int_equal(b->reassembly.early_count, 2);
	bench_later(b, 2 * bench_reassembly_settings().gap_wait_ns);
	assert_int_equal(b->event[b->events - 1].kind, HEARD_END);
	assert_int_equal(b->event[b->events - 2].why, WHY_reset);
}

static void a_new_connection_may_wait_behind_the_old_one(void **state)
{
	struct bench *b = *state;

	come(b, 10, again);
	b->isn[SIDE_A] = 0x70000000;
	b->isn[SIDE_B] = 0x10000000;
	come(b, 30, syn_ack);
	come(b, 20, syn);
	assert_int_equal(b->counters.value[C_ports_in_use_again], 1);
	come(b, 40, ask);
	assert_heard(b, "ask ", "");
}

static void an_old_syn_that_comes_late_ends_no_new_connection(void **state)
{
	struct bench *b = *state;
	struct sent old = syn;

	come(b, 20, syn);
	come(b, 30, syn_ack);
	come(b, 40, ask);
	old.offset = -100000;
	come(b, 10, old);
	assert_int_equal(b->counters.value[C_ports_in_use_again], 0);
	come(b, 50, again);
	assert_heard(b, "ask again ", "");
}

static void without_room_it_begins_with_what_is_there(void **state)
{
	struct reassembly_settings s = bench_reassembly_settings();
	struct bench *b = *state;

	bench_close(b);
	s.starts_late = true;
	s.held_worker_bytes = 9;
	open_with(&s);
	come(b, 30, again);
	come(b, 40, more);
	assert_heard(b, "again ", "more");
	assert_int_equal(b->reassembly.early_count, 0);
}

static void it_waits_with_so_many_packets_and_no_more(void **state)
{
	struct bench *b = *state;

	for (uint32_t i = 0; i < EARLY_FEW; i++)
		come(b, 10 + i, (struct sent){ .offset = i, .data = "x", .bytes = 1 });
	assert_int_equal(b->reassembly.early_count, EARLY_FEW);
	assert_int_equal(b->heard_bytes[SIDE_A], 0);
	come(b, 10 + EARLY_FEW, (struct sent){ .offset = EARLY_FEW, .data = "x", .bytes = 1 });
	assert_int_equal(b->heard_bytes[SIDE_A], EARLY_FEW + 1);
	assert_int_equal(b->reassembly.early_count, 0);
}

static void it_keeps_no_more_than_a_direction_may_hold(void **state)
{
	struct reassembly_settings s = bench_reassembly_settings();
	struct bench *b = *state;

	bench_close(b);
	s.starts_late = true;
	s.held_segments = 2;
	open_with(&s);
	come(b, 30, again);
	come(b, 40, more);
	assert_int_equal(b->reassembly.early_count, 2);
	come(b, 20, answer);
	assert_int_equal(b->reassembly.early_count, 0);
	assert_heard(b, "again ", "more");
}

static void all_connections_together_keep_so_many_packets(void **state)
{
	struct flow_settings flow = bench_flow_settings();
	struct reassembly_settings s = bench_reassembly_settings();
	struct bench *b = *state;

	bench_close(b);
	flow.flows = EARLY_MOST / EARLY_FEW + 1;
	s.starts_late = true;
	bench_open(b, &flow, &s);
	start_ns = b->clock.now_ns;
	for (uint32_t i = 0; i < EARLY_MOST; i++) {
		b->client_port = (uint16_t)(1024 + i / EARLY_FEW);
		come(b, 10, (struct sent){ .side = SIDE_A });
	}
	assert_int_equal(b->reassembly.early_count, EARLY_MOST);
	b->client_port++;
	come(b, 10, ask);
	assert_int_equal(b->reassembly.early_count, EARLY_MOST);
	assert_heard(b, "ask ", "");
	bench_later(b, 2 * s.gap_wait_ns);
	assert_int_equal(b->reassembly.early_count, 0);
}

/* Where the clock was set in between, time stamps tell no order: that in which they came remains. */
static void time_stamps_of_two_clocks_are_not_compared(void **state)
{
	struct bench *b = *state;

	come(b, 10000000, ask);
	come(b, 10, again); /* ten seconds before */
	assert_int_equal(b->clock.epoch, 1);
	bench_later(b, 2 * bench_reassembly_settings().gap_wait_ns);
	assert_heard(b, "ask again ", "");
	assert_int_equal(b->flows.flow[0].first_ts_ns, start_ns + 10000000 * US);
}

static void what_has_ended_keeps_nothing(void **state)
{
	struct bench *b = *state;

	/* nothing is known of the other direction */
	come(b, 10, (struct sent){ .flags = TCP_PSH, .data = "ask ", .bytes = 4 });
	come(b, 20, (struct sent){ .flags = TCP_RST, .offset = 4 });
	bench_later(b, 2 * bench_reassembly_settings().gap_wait_ns);
	assert_int_equal(b->event[b->events - 1].kind, HEARD_END);
	come(b, 60000, answer);
	assert_int_equal(b->reassembly.early_count, 0);
	assert_int_equal(b->counters.value[C_discarded_after_reset], 7);
}

static void a_connection_that_must_make_room_gives_all_back(void **state)
{
	struct bench *b = *state;

	for (uint32_t i = 0; i <= bench_flow_settings().half_open; i++) {
		b->client_port++;
		come(b, 10 + i,
		     (struct sent){ .side = SIDE_B,
				    .flags = TCP_SYN | TCP_ACK,
				    .offset = -1,
				    .data = "fast",
				    .bytes = 4 });
	}
	assert_int_equal(b->counters.value[C_flows_evicted], 1);
	assert_int_equal(b->counters.value[C_discarded_evicted], 4);
	assert_int_equal(b->reassembly.held_bytes, 4 * bench_flow_settings().half_open);
}

static void who_expects_no_two_ways_waits_for_nothing(void **state)
{
	struct reassembly_settings s = bench_reassembly_settings();
	struct bench *b = *state;

	bench_close(b);
	open_with(&s);
	come(b, 30, again);
	assert_heard(b, "again ", "");
}

/* Each way keeps its order; how they fall into each other is chance. */
static void two_ways_in_any_order_are_one_connection(void **state)
{
	const struct sent all[] = { syn, syn_ack, { .side = SIDE_A }, ask, answer, again, more };
	const size_t n = sizeof(all) / sizeof(all[0]);
	struct bench *b = *state;
	unsigned seed = 1;

	for (int round = 0; round < 2000; round++) {
		size_t at[2] = { 0, 0 };
		uint32_t way = (uint32_t)rand_r(&seed); /* a bit per packet */

		b->events = 0;
		b->client_port = (uint16_t)(1024 + round);
		start_ns = b->clock.last_ns + 1000 * US;
		while (at[0] < n || at[1] < n) {
			uint32_t w = (uint32_t)rand_r(&seed) % 2;

			while (at[w] < n && (way >> at[w] & 1) != w)
				at[w]++;
			if (at[w] < n) {
				come(b, 1 + 10 * at[w], all[at[w]]);
				at[w]++;
			}
		}
		assert_heard(b, "ask again ", "answer more");
		flow_close_all(&b->flows, WHY_capture_ended);
	}
	assert_int_equal(b->counters.value[C_ports_in_use_again], 0);
	assert_int_equal(b->counters.value[C_payload_late], 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, open_bench, close_bench)
	const struct CMUnitTest tests[] = {
		T(a_connection_in_order_keeps_nothing),
		T(later_packets_wait_for_both_syns),
		T(a_syn_ack_that_overtakes_the_syn_waits_for_it),
		T(behind_a_syn_data_waits_for_the_syn_ack),
		T(joined_in_the_middle_it_begins_with_what_was_captured_first),
		T(of_one_direction_alone_it_begins_when_the_wait_is_over),
		T(the_end_of_the_capture_ends_the_wait),
		T(a_reset_waits_only_behind_others),
		T(a_new_connection_may_wait_behind_the_old_one),
		T(an_old_syn_that_comes_late_ends_no_new_connection),
		T(without_room_it_begins_with_what_is_there),
		T(it_waits_with_so_many_packets_and_no_more),
		T(it_keeps_no_more_than_a_direction_may_hold),
		T(all_connections_together_keep_so_many_packets),
		T(time_stamps_of_two_clocks_are_not_compared),
		T(what_has_ended_keeps_nothing),
		T(a_connection_that_must_make_room_gives_all_back),
		T(who_expects_no_two_ways_waits_for_nothing),
		T(two_ways_in_any_order_are_one_connection),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
