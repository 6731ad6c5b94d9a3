/* stand: it is a whole worker, and what is sent on it goes the whole way. */
#include "tests/support/check.h"

#include <string.h>

#include "control/bench/micro/micro.h"
#include "control/bench/micro/stand.h"

uint64_t micro_used;

void micro_need(bool ok, const char *sentence)
{
	if (!ok)
		fail_msg("%s", sentence);
}

#define SYNTH "synth:packets=20000,connections=10"

static struct stand *stand_until(enum stage until)
{
	return stand_open(&(struct stand_plan){ .rx = SYNTH, .until = until });
}

static void an_exchange_becomes_a_record(void **state)
{
	static const char request[] = "GET / HTTP/1.1\r\n\r\n",
			  response[] = "HTTP/1.1 204 No Content\r\n\r\n";
	struct stand *s = stand_until(STAGE_normal);
	struct connection c;

	(void)state;
	connection_open(s, &c, 0, false);
	connection_send(s, &c, SIDE_A, request, sizeof(request) - 1);
	assert_int_equal(stand_messages(s), 1);
	assert_int_equal(stand_drain(s), 0);
	connection_send(s, &c, SIDE_B, response, sizeof(response) - 1);
	assert_int_equal(stand_messages(s), 2);
	assert_int_equal(s->worker->counters.value[C_requests_paired], 1);
	assert_int_equal(stand_drain(s), 1);
	assert_int_equal(stand_drain(s), 0);
	stand_close(s);
}

static void a_hundred_thousand_connections_are_each_another(void **state)
{
	struct stand *s = stand_until(STAGE_reassembly);
	struct connection c, before = { 0 };

	(void)state;
	for (uint32_t i = 0; i < 100000; i++) {
		connection_open(s, &c, i, false);
		assert_false(flow_key_equal(&c.key, &before.key));
		before = c;
	}
	assert_int_equal(s->worker->counters.value[C_flows_made], 100000);
	stand_close(s);
}

static void datagrams_need_no_handshake(void **state)
{
	struct stand *s = stand_until(STAGE_normal);
	struct connection c;

	(void)state;
	connection_open(s, &c, 7, true);
	connection_send(s, &c, SIDE_A, "?", 1);
	assert_int_equal(s->worker->counters.value[C_udp_packets], 1);
	assert_int_equal(s->worker->counters.value[C_tcp_packets], 0);
	stand_close(s);
}

static void its_source_gives_what_it_says(void **state)
{
	struct stand *s = stand_until(STAGE_normal);
	uint64_t pulled = 0;

	(void)state;
	do {
		stand_pull(s);
		pulled += s->worker->burst.count;
		stand_give_back(s);
	} while (s->worker->burst.count > 0);
	assert_int_equal(pulled, 20000);
	stand_close(s);
}

static void frames_are_kept_and_come_again(void **state)
{
	struct frames f;
	static struct burst first, again;

	(void)state;
	frames_open(&f, SYNTH, 2 * BURST_PACKETS);
	frames_burst(&f, &first);
	frames_burst(&f, &again);
	assert_true(first.packet[0].frame != again.packet[0].frame);
	frames_burst(&f, &again);
	for (uint32_t i = 0; i < BURST_PACKETS; i++) {
		assert_true(first.packet[i].frame == again.packet[i].frame);
		assert_int_equal(first.packet[i].number, i + 1);
		assert_true(first.packet[i].caplen_bytes >= 54);
	}
	frames_close(&f);
}

static void only_the_dissector_asked_for_is_there(void **state)
{
	static const char request[] = "GET / HTTP/1.1\r\n\r\n";
	struct stand *s = stand_open(
		&(struct stand_plan){ .rx = SYNTH, .dissector = "redis", .until = STAGE_normal });
	struct connection c;

	(void)state;
	connection_open(s, &c, 0, false);
	connection_send(s, &c, SIDE_A, request, sizeof(request) - 1);
	assert_int_equal(stand_messages(s), 0);
	stand_close(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_exchange_becomes_a_record),
		cmocka_unit_test(a_hundred_thousand_connections_are_each_another),
		cmocka_unit_test(datagrams_need_no_handshake),
		cmocka_unit_test(its_source_gives_what_it_says),
		cmocka_unit_test(frames_are_kept_and_come_again),
		cmocka_unit_test(only_the_dissector_asked_for_is_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
