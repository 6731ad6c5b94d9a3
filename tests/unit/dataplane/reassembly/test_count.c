/* Proves count.h: with this sink everything is delivered and counted, the books close (which the
 * bench asserts after every packet), and nothing is kept of any flow.
 */
#include "dataplane/reassembly/count.h"
#include "tests/support/check.h"
#include "tests/support/segments.h"

static struct bench bench;

static int open_bench(void **state)
{
	struct reassembly_settings s = bench_reassembly_settings();

	bench_open(&bench, NULL, NULL);
	reassembly_init(&bench.reassembly, &s, &bench.flows, &bench.arena, &bench.counters,
			&bench.clock, count_sink());
	bench_handshake(&bench);
	*state = &bench;
	return 0;
}

static int close_bench(void **state)
{
	bench_close(*state);
	return 0;
}

static void send(struct bench *b, enum side side, int64_t offset, int64_t ack)
{
	bench_send(b, (struct sent){ .side = side,
				     .offset = offset,
				     .data = "0123456789",
				     .bytes = 10,
				     .ack = ack });
}

static void delivered_bytes_are_counted_and_nothing_is_kept(void **state)
{
	struct bench *b = *state;

	send(b, SIDE_A, 0, 0);
	send(b, SIDE_B, 0, 10);
	send(b, SIDE_A, 10, 10);
	assert_int_equal(b->counters.value[C_payload_delivered], 30);
	assert_int_equal(b->arena.held_bytes, 0);
	assert_null(b->burst.packet[0].flow->sink);
}

static void gaps_copies_and_ends_are_counted_all_the_same(void **state)
{
	struct bench *b = *state;

	send(b, SIDE_A, 0, 0);
	send(b, SIDE_A, 0, 0);
	send(b, SIDE_A, 20, 0);
	send(b, SIDE_B, 0, 30);
	bench_later(b, 30000000);
	bench_send(b, (struct sent){ .side = SIDE_A, .flags = TCP_RST | TCP_ACK, .offset = 30 });
	assert_int_equal(b->counters.value[C_payload_delivered], 30);
	assert_int_equal(b->counters.value[C_payload_duplicate], 10);
	assert_int_equal(b->counters.value[C_gap_bytes], 10);
}

static void datagrams_are_counted_and_nobody_sees_them(void **state)
{
	struct bench *b = *state;

	bench_send(b, (struct sent){ .datagram = true, .data = "0123456789", .bytes = 10 });
	assert_int_equal(b->counters.value[C_datagrams_captured], 10);
	assert_int_equal(b->counters.value[C_datagrams_cut], 10);
	assert_int_equal(b->counters.value[C_payload_captured], 0);
}

static void it_wants_no_timers_and_compares_nothing(void **state)
{
	struct bench *b = *state;
	struct sink sink = count_sink();

	assert_null(sink.timers);
	assert_null(sink.compare);
	assert_null(sink.due_ns);
	send(b, SIDE_A, 0, 0);
	assert_true(b->reassembly.due_ns == UINT64_MAX);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, open_bench, close_bench)
	const struct CMUnitTest tests[] = {
		T(delivered_bytes_are_counted_and_nothing_is_kept),
		T(gaps_copies_and_ends_are_counted_all_the_same),
		T(datagrams_are_counted_and_nobody_sees_them),
		T(it_wants_no_timers_and_compares_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
