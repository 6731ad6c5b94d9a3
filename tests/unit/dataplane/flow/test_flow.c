/* Proves flow.h: a key has one flow whichever side sent, a full table makes
 * room in the order it promises and says so, and time ends what is idle.
 */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/flow/flow.h"
#include "tests/support/check.h"

enum { FLOWS = 64 };

static struct flow_table table;
static struct counters counters;
static struct pipeline_clock now;
static struct burst burst;
static uint32_t closed[WHY_COUNT];
static uint32_t closed_index[1 << 16], closed_count;

static void on_close(void *context, struct flow *f, enum why why)
{
	assert_ptr_equal(context, &table);
	closed[why]++;
	closed_index[closed_count++ & 0xffff] = f->key.port[0];
}

static struct flow_settings settings(void)
{
	return (struct flow_settings){
		.flows = FLOWS,
		.half_open = FLOWS,
		.timeout_ns = { 10 * CLOCK_SECOND_NS, 300 * CLOCK_SECOND_NS, 10 * CLOCK_SECOND_NS,
				60 * CLOCK_SECOND_NS },
		.workers = 1,
	};
}

static void open_table(const struct flow_settings *s)
{
	memset(&counters, 0, sizeof(counters));
	memset(closed, 0, sizeof(closed));
	closed_count = 0;
	now = (struct pipeline_clock){ 0 };
	clock_see(&now, CLOCK_SECOND_NS);
	assert_int_equal(flow_init(&table, s, &counters, &now, on_close, &table), 0);
}

static void close_table(void)
{
	flow_close_all(&table, WHY_capture_ended);
	assert_int_equal(table.count, 0);
	flow_fini(&table);
}

static struct packet *put(uint16_t port, enum side side, uint64_t hash)
{
	struct packet *p = &burst.packet[burst.count++];

	memset(p, 0, sizeof(*p));
	p->key.port[0] = port;
	p->key.port[1] = 60000;
	p->key.protocol = IPPROTO_TCP;
	p->key.ip_version = 4;
	p->side = (uint8_t)side;
	p->hash = hash != 0 ? hash : flow_key_hash(&p->key, (struct hash_key){ 7, 9 });
	p->now_ns = now.now_ns;
	p->ts_ns = now.now_ns;
	return p;
}

static struct flow *one(uint16_t port, enum side side)
{
	burst.count = 0;
	put(port, side, 0);
	flow_burst(&table, &burst);
	flow_release(&table);
	return burst.count == 1 ? burst.packet[0].flow : NULL;
}

static void later(uint64_t seconds)
{
	clock_see(&now, now.last_ns + seconds * CLOCK_SECOND_NS);
	flow_release(&table);
}

static void both_sides_find_one_flow(void **state)
{
	struct flow_settings s = settings();
	struct flow *f;

	(void)state;
	open_table(&s);
	f = one(1, SIDE_A);
	assert_non_null(f);
	assert_ptr_equal(one(1, SIDE_B), f);
	assert_ptr_not_equal(one(2, SIDE_A), f);
	assert_int_equal(counters.value[C_flows_made], 2);
	close_table();
	assert_int_equal(closed[WHY_capture_ended], 2);
}

static void equal_hashes_do_not_mix_flows(void **state)
{
	struct flow_settings s = settings();
	struct flow *f[FLOWS];

	(void)state;
	open_table(&s);
	for (int round = 0; round < 2; round++) {
		for (uint16_t i = 0; i < FLOWS; i++) {
			burst.count = 0;
			put(i, SIDE_A, 42);
			flow_burst(&table, &burst);
			assert_int_equal(burst.count, 1);
			assert_int_equal(burst.packet[0].flow->key.port[0], i);
			if (round == 0)
				f[i] = burst.packet[0].flow;
			assert_ptr_equal(burst.packet[0].flow, f[i]);
		}
	}
	close_table();
}

static void chains_shrink_again_when_flows_end(void **state)
{
	struct flow_settings s = settings();

	(void)state;
	open_table(&s);
	for (int round = 0; round < 50; round++) { /* many times what overflow buckets there are */
		for (uint16_t i = 0; i < FLOWS; i++) {
			burst.count = 0;
			put((uint16_t)(i + round), SIDE_A, 42);
			flow_burst(&table, &burst);
			assert_int_equal(burst.count, 1);
		}
		later(20);
		assert_int_equal(table.count, 0);
	}
	close_table();
}

static void a_full_table_evicts_half_open_flows_first(void **state)
{
	struct flow_settings s = settings();
	struct flow *live;

	(void)state;
	open_table(&s);
	live = one(1, SIDE_A);
	flow_classify(&table, live, FLOW_LIVE);
	for (uint16_t i = 2; i <= FLOWS; i++)
		one(i, SIDE_A);
	assert_int_equal(table.count, FLOWS);
	assert_non_null(one(1000, SIDE_A));
	assert_int_equal(counters.value[C_flows_evicted], 1);
	assert_int_equal(closed_index[0], 2); /* the oldest half-open one */
	assert_ptr_equal(one(1, SIDE_B), live);
	close_table();
}

static void the_half_open_share_is_bounded(void **state)
{
	struct flow_settings s = settings();

	(void)state;
	s.half_open = 8;
	open_table(&s);
	for (uint16_t i = 0; i < 1000; i++)
		assert_non_null(one(i, SIDE_A));
	assert_int_equal(table.age[FLOW_HALF_OPEN].count, 8);
	assert_int_equal(counters.value[C_flows_evicted], 992);
	close_table();
}

static void a_table_full_of_busy_flows_passes_packets_over(void **state)
{
	struct flow_settings s = settings();

	(void)state;
	open_table(&s);
	for (uint16_t i = 0; i < FLOWS; i++)
		flow_classify(&table, one(i, SIDE_A), FLOW_LIVE);
	assert_null(one(5000, SIDE_A));
	assert_int_equal(counters.value[C_passed_flow_table_full], 1);
	later(11); /* … until one has been idle long enough */
	assert_non_null(one(5000, SIDE_A));
	assert_int_equal(closed[WHY_evicted], 1);
	close_table();
}

static void nothing_that_the_burst_uses_is_evicted(void **state)
{
	struct flow_settings s = settings();

	(void)state;
	s.flows = 16;
	s.half_open = 16;
	open_table(&s);
	burst.count = 0;
	for (uint16_t i = 0; i < BURST_PACKETS; i++)
		put(i, SIDE_A, 0);
	flow_burst(&table, &burst);
	assert_int_equal(burst.count, 16);
	for (uint32_t i = 0; i < burst.count; i++)
		assert_int_equal(burst.packet[i].flow->key.port[0], burst.packet[i].key.port[0]);
	assert_int_equal(counters.value[C_passed_flow_table_full], BURST_PACKETS - 16);
	close_table();
}

static void idle_flows_end_after_their_class_s_time(void **state)
{
	struct flow_settings s = settings();

	(void)state;
	open_table(&s);
	one(1, SIDE_A);
	flow_classify(&table, one(2, SIDE_A), FLOW_LIVE);
	later(9);
	assert_int_equal(table.count, 2);
	later(2);
	assert_int_equal(table.count, 1);
	assert_int_equal(closed[WHY_timeout], 1);
	later(285);
	assert_int_equal(table.count, 1);
	later(20);
	assert_int_equal(table.count, 0);
	close_table();
}

static void a_packet_now_and_then_keeps_a_flow_alive(void **state)
{
	struct flow_settings s = settings();
	struct flow *f;

	(void)state;
	open_table(&s);
	f = one(1, SIDE_A);
	flow_classify(&table, f, FLOW_LIVE);
	for (int i = 0; i < 100; i++) {
		later(200);
		assert_ptr_equal(one(1, SIDE_A), f);
	}
	close_table();
}

static void a_leap_of_the_clock_expires_nothing(void **state)
{
	struct flow_settings s = settings();
	struct flow *f;

	(void)state;
	open_table(&s);
	f = one(1, SIDE_A);
	later(10 * 365 * 86400ull);
	assert_ptr_equal(one(1, SIDE_A), f);
	clock_see(&now, CLOCK_SECOND_NS);
	assert_ptr_equal(one(1, SIDE_A), f);
	close_table();
}

static void conn_ids_name_the_connection_not_the_run(void **state)
{
	struct flow a = { .first_ts_ns = 5 }, b = { .first_ts_ns = 5 };

	(void)state;
	a.key.port[0] = b.key.port[0] = 80;
	a.index = 7;
	assert_true(flow_conn_id(&a) == flow_conn_id(&b));
	b.generation = 1;
	assert_true(flow_conn_id(&a) != flow_conn_id(&b));
	b.generation = 0;
	b.first_ts_ns = 6;
	assert_true(flow_conn_id(&a) != flow_conn_id(&b));
}

/* ---- paths ---- */

struct short_path {
	struct path path;
	struct record_tunnel tunnel[1];
};

static void send_in_tunnel(enum side side, uint32_t id, uint8_t flags)
{
	static struct short_path way;

	way = (struct short_path){ .path.count = 1,
				   .tunnel[0] = { .type = TUNNEL_gtp, .id = id, .has_id = 1 } };
	burst.count = 0;
	put(1, side, 0);
	burst.packet[0].path = &way.path;
	burst.packet[0].tcp_flags = flags;
	flow_burst(&table, &burst);
}

static uint32_t id_of_path(enum side side)
{
	const struct path *p = flow_path(&table, burst.packet[0].flow, side);

	return p == NULL ? 0 : p->tunnel[0].id;
}

static void each_side_keeps_its_first_path_until_a_syn_names_another(void **state)
{
	(void)state;
	struct flow_settings s = settings();
	struct arena arena;

	assert_int_equal(arena_init(&arena), 0);
	s.arena = &arena;
	s.paths = 8;
	open_table(&s);
	one(1, SIDE_A);
	assert_int_equal(id_of_path(SIDE_A), 0);
	send_in_tunnel(SIDE_A, 5, TCP_ACK);
	assert_int_equal(id_of_path(SIDE_A), 5);
	assert_int_equal(id_of_path(SIDE_B), 0);
	send_in_tunnel(SIDE_B, 6, TCP_ACK);
	send_in_tunnel(SIDE_A, 7, TCP_ACK);
	assert_int_equal(id_of_path(SIDE_A), 5);
	assert_int_equal(id_of_path(SIDE_B), 6);
	send_in_tunnel(SIDE_A, 7, TCP_SYN);
	assert_int_equal(id_of_path(SIDE_A), 7);
	assert_int_equal(table.paths.count, 2);
	close_table();
	assert_int_equal(arena.held_bytes, 0);
	arena_fini(&arena);
}

static void refuses_a_table_of_nothing(void **state)
{
	struct flow_settings s = settings();

	(void)state;
	s.flows = 0;
	assert_true(flow_init(&table, &s, &counters, &now, on_close, &table) < 0);
	s = settings();
	s.workers = 0;
	assert_true(flow_init(&table, &s, &counters, &now, on_close, &table) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_sides_find_one_flow),
		cmocka_unit_test(equal_hashes_do_not_mix_flows),
		cmocka_unit_test(chains_shrink_again_when_flows_end),
		cmocka_unit_test(a_full_table_evicts_half_open_flows_first),
		cmocka_unit_test(the_half_open_share_is_bounded),
		cmocka_unit_test(a_table_full_of_busy_flows_passes_packets_over),
		cmocka_unit_test(nothing_that_the_burst_uses_is_evicted),
		cmocka_unit_test(idle_flows_end_after_their_class_s_time),
		cmocka_unit_test(a_packet_now_and_then_keeps_a_flow_alive),
		cmocka_unit_test(a_leap_of_the_clock_expires_nothing),
		cmocka_unit_test(conn_ids_name_the_connection_not_the_run),
		cmocka_unit_test(each_side_keeps_its_first_path_until_a_syn_names_another),
		cmocka_unit_test(refuses_a_table_of_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
