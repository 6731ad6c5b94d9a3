/* Proves the promises of handoff.h, with all workers in one thread: every packet reaches the owner
 * of its flow with the bytes it had, in order, and is counted on both sides; a fragment goes as it
 * came and a datagram with its payload; a full ring loses by name and recovers; a file waits
 * for nobody who is further behind; at the end nothing is left and nobody waits.
 */
#include "dataplane/flow/handoff.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { RING = 64 * 1024, WORKERS = 3, FRAME = 200 };

static struct {
	struct handoff_net *net;
	struct handoff worker[WORKERS];
	struct counters counters[WORKERS];
	uint8_t frame[BURST_PACKETS][FRAME];
	struct burst burst;
} t;

static void open_workers(uint32_t workers, bool waits, uint64_t force)
{
	memset(&t, 0, sizeof(t));
	assert_int_equal(handoff_net_make(&t.net, workers, RING), 0);
	for (uint32_t w = 0; w < workers; w++) {
		struct handoff_settings s = {
			.worker = w, .workers = workers, .waits = waits, .force_one_in = force
		};

		handoff_init(&t.worker[w], &s, t.net, &t.counters[w]);
	}
}

static int close_workers(void **state)
{
	(void)state;
	handoff_net_free(t.net);
	t.net = NULL;
	return 0;
}

/* A packet of `number` with its payload behind 54 bytes of headers. */
static void add(uint32_t home, uint64_t number)
{
	uint32_t i = t.burst.count++;

	memset(t.frame[i], (int)number, FRAME);
	t.burst.packet[i] = (struct packet){ .frame = t.frame[i],
					     .number = number,
					     .caplen_bytes = FRAME,
					     .wire_bytes = FRAME,
					     .payload = t.frame[i] + 54,
					     .payload_bytes = FRAME - 54,
					     .payload_captured_bytes = FRAME - 54,
					     .home = (uint8_t)home };
}

static void assert_packet(const struct packet *p, uint64_t number)
{
	assert_int_equal(p->number, number);
	assert_ptr_equal(p->payload, p->frame + 54);
	assert_int_equal(p->caplen_bytes, FRAME);
	for (uint32_t i = 0; i < FRAME; i++)
		assert_int_equal(p->frame[i], (uint8_t)number);
}

static uint64_t value(uint32_t worker, enum counter c)
{
	return t.counters[worker].value[c];
}

/* A turn of a worker that has received what is in t.burst. */
static void turn(uint32_t worker)
{
	handoff_pull(&t.worker[worker], &t.burst);
	handoff_burst(&t.worker[worker], &t.burst);
}

static void what_others_own_reaches_them_in_order(void **state)
{
	(void)state;
	open_workers(3, false, 0);
	for (uint64_t n = 1; n <= 6; n++)
		add((uint32_t)n % 3, n);
	turn(0);
	assert_int_equal(t.burst.count, 2);
	assert_packet(&t.burst.packet[0], 3);
	assert_packet(&t.burst.packet[1], 6);
	handoff_release(&t.worker[0]);
	assert_int_equal(handoff_waiting(&t.worker[1]), 2);
	for (uint32_t w = 1; w < 3; w++) {
		memset(t.frame, 0, sizeof(t.frame)); /* the giver's frames are gone by now */
		t.burst.count = 0;
		turn(w);
		assert_int_equal(t.burst.count, 2);
		assert_packet(&t.burst.packet[0], w);
		assert_packet(&t.burst.packet[1], w + 3);
		assert_true(t.burst.packet[0].handed);
		handoff_release(&t.worker[w]);
		assert_int_equal(value(w, C_handed_in), 2);
		assert_int_equal(handoff_waiting(&t.worker[w]), 0);
	}
	assert_int_equal(value(0, C_handed_out), 4);
}

static void a_fragment_goes_as_it_came_and_is_decoded_there(void **state)
{
	(void)state;
	open_workers(2, false, 0);
	add(1, 7);
	t.burst.packet[0].raw = true;
	turn(0);
	handoff_release(&t.worker[0]);
	t.burst.count = 0;
	assert_int_equal(handoff_pull(&t.worker[1], &t.burst), 1);
	assert_int_equal(t.burst.count, 1);
	assert_packet(&t.burst.packet[0], 7);
	assert_true(t.burst.packet[0].handed);
	assert_false(t.burst.packet[0].raw);
	handoff_release(&t.worker[1]);
}

static void a_datagram_takes_its_payload_along_and_no_frame(void **state)
{
	(void)state;
	uint8_t *whole = malloc(5000);

	open_workers(2, false, 0);
	add(1, 9);
	memset(whole, 5, 5000);
	t.burst.packet[0].datagram = true;
	t.burst.packet[0].tcp_options = whole + 20;
	t.burst.packet[0].tcp_option_bytes = 12;
	t.burst.packet[0].payload = whole + 32;
	t.burst.packet[0].payload_bytes = t.burst.packet[0].payload_captured_bytes = 4968;
	turn(0);
	handoff_release(&t.worker[0]);
	memset(whole, 0, 5000);
	free(whole);
	t.burst.count = 0;
	turn(1);
	assert_int_equal(t.burst.count, 1);
	assert_int_equal(t.burst.packet[0].payload_captured_bytes, 4968);
	assert_int_equal(t.burst.packet[0].payload - t.burst.packet[0].tcp_options, 12);
	for (int i = 0; i < 12 + 4968; i++)
		assert_int_equal(t.burst.packet[0].tcp_options[i], 5);
	handoff_release(&t.worker[1]);
}

static void a_full_ring_loses_by_name_and_recovers(void **state)
{
	(void)state;
	uint64_t given = 0, taken = 0;

	open_workers(2, false, 0);
	while (value(0, C_handoff_full) == 0) {
		t.burst.count = 0;
		add(1, ++given);
		turn(0);
		handoff_release(&t.worker[0]);
		assert_in_range(given, 1, RING / FRAME);
	}
	assert_int_equal(value(0, C_handed_out), given - 1);
	do {
		t.burst.count = 0;
		turn(1);
		for (uint32_t i = 0; i < t.burst.count; i++)
			assert_packet(&t.burst.packet[i], ++taken);
		handoff_release(&t.worker[1]);
	} while (t.burst.count > 0);
	assert_int_equal(taken, given - 1);
	t.burst.count = 0;
	add(1, 1);
	turn(0);
	assert_int_equal(value(0, C_handed_out), given);
}

static void a_packet_larger_than_any_record_is_lost_by_name(void **state)
{
	(void)state;
	open_workers(2, false, 0);
	add(1, 1);
	t.burst.packet[0].caplen_bytes = 3u << 20;
	turn(0);
	assert_int_equal(value(0, C_handoff_full), 1);
	assert_int_equal(t.burst.count, 0);
}

static void what_was_sent_the_wrong_way_is_sent_on(void **state)
{
	(void)state;
	open_workers(2, false, 1);
	add(0, 4);
	turn(0);
	assert_int_equal(t.burst.count, 0);
	handoff_release(&t.worker[0]);
	turn(1);
	assert_int_equal(t.burst.count, 0);
	handoff_release(&t.worker[1]);
	turn(0);
	assert_int_equal(t.burst.count, 1);
	assert_packet(&t.burst.packet[0], 4);
	for (uint32_t w = 0; w < 2; w++) {
		assert_int_equal(value(w, C_handed_out), 1);
		assert_int_equal(value(w, C_handed_in), 1);
	}
}

static void a_burst_leaves_room_for_what_waits(void **state)
{
	(void)state;
	open_workers(2, false, 0);
	assert_int_equal(handoff_room(&t.worker[1]), BURST_PACKETS);
	for (uint64_t n = 1; n <= BURST_PACKETS; n++)
		add(1, n);
	turn(0);
	handoff_release(&t.worker[0]);
	assert_int_equal(handoff_room(&t.worker[1]), BURST_PACKETS / 2);
	t.burst.count = 0;
	for (uint64_t n = 1; n <= BURST_PACKETS / 2; n++)
		add(1, 100 + n);
	turn(1);
	assert_int_equal(t.burst.count, BURST_PACKETS);
	assert_int_equal(handoff_waiting(&t.worker[1]), BURST_PACKETS / 2);
	handoff_release(&t.worker[1]);
}

static bool rings(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

static void a_bell_rings_only_for_one_who_sleeps(void **state)
{
	(void)state;
	int fd;

	open_workers(2, false, 0);
	add(1, 1);
	turn(0);
	handoff_release(&t.worker[0]);
	assert_false(handoff_may_sleep(&t.worker[1], &fd)); /* something is there */
	assert_false(rings(fd));
	handoff_awake(&t.worker[1]);
	t.burst.count = 0;
	turn(1);
	handoff_release(&t.worker[1]);

	t.burst.count = 0;
	add(1, 2);
	turn(0);
	handoff_release(&t.worker[0]);
	assert_false(rings(fd)); /* it has not said that it sleeps */
	t.burst.count = 0;
	turn(1);
	handoff_release(&t.worker[1]);

	assert_true(handoff_may_sleep(&t.worker[1], &fd));
	t.burst.count = 0;
	add(1, 3);
	turn(0);
	handoff_release(&t.worker[0]);
	assert_true(rings(fd));
	handoff_awake(&t.worker[1]);
	assert_false(rings(fd));
}

static void time_is_certain_when_the_others_have_found_nothing_twice(void **state)
{
	struct handoff *h = &t.worker[0];

	(void)state;
	open_workers(3, false, 0);
	handoff_found_nothing(&t.worker[1], 50);
	assert_int_equal(handoff_certain(h, 100, 1000), 0);
	handoff_found_nothing(&t.worker[2], 60);
	assert_int_equal(handoff_certain(h, 100, 1000), 0); /* a round begins */
	handoff_found_nothing(&t.worker[1], 101);
	handoff_found_nothing(&t.worker[2], 100); /* its turn may have begun before */
	assert_int_equal(handoff_certain(h, 200, 2000), 0);
	handoff_found_nothing(&t.worker[2], 101);
	/* What one of them has given to the other may be on its way: another round. */
	assert_int_equal(handoff_certain(h, 200, 2000), 0);
	handoff_found_nothing(&t.worker[1], 201);
	handoff_found_nothing(&t.worker[2], 201);
	assert_int_equal(handoff_certain(h, 300, 3000), 1000);
	assert_int_equal(handoff_certain(h, 400, 4000), 1000);
}

static void what_was_given_is_taken_before_its_time_is_certain(void **state)
{
	struct handoff *h = &t.worker[0];

	(void)state;
	open_workers(2, false, 0);
	for (uint64_t n = 1; n <= 3; n++) {
		handoff_found_nothing(&t.worker[1], n * 100);
		(void)handoff_certain(h, n * 100, n * 1000);
	}
	assert_int_equal(handoff_certain(h, 301, 3001), 1000);
	add(0, 5);
	turn(1);
	handoff_release(&t.worker[1]);
	handoff_found_nothing(&t.worker[1], 310);
	assert_int_equal(handoff_certain(h, 320, 3200), 1000);
	turn(0);
	assert_int_equal(handoff_certain(h, 320, 3200), 2000);
	handoff_release(&t.worker[0]);
}

static void one_that_never_ends_holds_up_a_round_for_its_time_and_no_longer(void **state)
{
	struct handoff *h = &t.worker[0];
	uint64_t r = HANDOFF_ROUND_NS;

	(void)state;
	open_workers(2, false, 0);
	(void)handoff_certain(h, r, 1000);
	(void)handoff_certain(h, 2 * r - 1, 2000);
	(void)handoff_certain(h, 2 * r, 3000);
	assert_int_equal(handoff_certain(h, 3 * r - 1, 4000), 0);
	assert_int_equal(handoff_certain(h, 3 * r, 4000), 1000);
}

static void nobody_waits_for_one_who_has_ended(void **state)
{
	struct handoff *h = &t.worker[0];

	(void)state;
	open_workers(2, false, 0);
	handoff_sources_ended(&t.worker[1]);
	for (uint64_t n = 1; n <= 3; n++)
		(void)handoff_certain(h, n * 100, n * 1000);
	assert_int_equal(handoff_certain(h, 400, 4000), 2000);
}

static void at_the_end_nothing_is_left_and_nobody_waits(void **state)
{
	(void)state;
	open_workers(2, false, 0);
	add(1, 1);
	turn(0);
	assert_false(handoff_all_ended(&t.worker[0]));
	handoff_sources_ended(&t.worker[0]); /* publishes, too */
	handoff_sources_ended(&t.worker[1]);
	assert_true(handoff_all_ended(&t.worker[0]) && handoff_all_ended(&t.worker[1]));
	handoff_close(&t.worker[0]);
	handoff_close(&t.worker[1]);
	assert_true(handoff_drained(&t.worker[0]));
	assert_false(handoff_drained(&t.worker[1]));
	t.burst.count = 0;
	turn(1);
	assert_int_equal(t.burst.count, 1);
	handoff_release(&t.worker[1]);
	assert_true(handoff_drained(&t.worker[1]));
}

static void of_a_file_each_packet_is_received_once_and_reaches_its_owner(void **state)
{
	(void)state;
	open_workers(2, true, 1);
	for (uint64_t n = 1; n <= 3; n++)
		add(1, n);
	handoff_burst(&t.worker[0], &t.burst);
	handoff_release(&t.worker[0]);
	assert_int_equal(t.burst.count, 0);
	assert_int_equal(value(0, C_received), 3);
	assert_int_equal(value(0, C_handed_out), 3);
	for (uint64_t n = 1; n <= 3; n++) {
		add(1, n);
		memset(t.frame[n - 1], 0xee, FRAME); /* not these bytes, but the copy */
	}
	handoff_burst(&t.worker[1], &t.burst);
	assert_int_equal(t.burst.count, 3);
	for (uint64_t n = 1; n <= 3; n++)
		assert_packet(&t.burst.packet[n - 1], n);
	handoff_release(&t.worker[1]);
	assert_int_equal(value(1, C_received), 0);
	assert_int_equal(value(1, C_handed_in), 3);
}

static void of_a_file_that_was_stopped_the_rest_is_cut_by_name(void **state)
{
	(void)state;
	open_workers(2, true, 1);
	add(1, 1);
	handoff_burst(&t.worker[0], &t.burst);
	handoff_close(&t.worker[0]);
	handoff_close(&t.worker[1]);
	handoff_cut(&t.worker[1]);
	handoff_cut(&t.worker[0]);
	assert_int_equal(value(1, C_handed_in), 1);
	assert_int_equal(value(1, C_cut_rx), 1);
	/* One who walks on waits for nobody who has closed. */
	t.burst.count = 0;
	add(1, 2);
	handoff_burst(&t.worker[1], &t.burst);
	assert_int_equal(t.burst.count, 0);
}

static void without_a_net_nothing_happens(void **state)
{
	(void)state;
	struct handoff_settings s = { .workers = 1 };
	int fd;

	memset(&t, 0, sizeof(t));
	handoff_init(&t.worker[0], &s, NULL, &t.counters[0]);
	add(3, 1);
	turn(0);
	assert_int_equal(t.burst.count, 1);
	handoff_release(&t.worker[0]);
	assert_true(handoff_may_sleep(&t.worker[0], &fd));
	assert_int_equal(fd, -1);
	handoff_found_nothing(&t.worker[0], 1);
	assert_int_equal(handoff_certain(&t.worker[0], 2, 3), UINT64_MAX);
	handoff_sources_ended(&t.worker[0]);
	assert_true(handoff_all_ended(&t.worker[0]) && handoff_drained(&t.worker[0]));
	handoff_cut(&t.worker[0]);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_teardown(f, close_workers)
	const struct CMUnitTest tests[] = {
		TEST(what_others_own_reaches_them_in_order),
		TEST(a_fragment_goes_as_it_came_and_is_decoded_there),
		TEST(a_datagram_takes_its_payload_along_and_no_frame),
		TEST(a_full_ring_loses_by_name_and_recovers),
		TEST(a_packet_larger_than_any_record_is_lost_by_name),
		TEST(what_was_sent_the_wrong_way_is_sent_on),
		TEST(a_burst_leaves_room_for_what_waits),
		TEST(a_bell_rings_only_for_one_who_sleeps),
		TEST(time_is_certain_when_the_others_have_found_nothing_twice),
		TEST(what_was_given_is_taken_before_its_time_is_certain),
		TEST(one_that_never_ends_holds_up_a_round_for_its_time_and_no_longer),
		TEST(nobody_waits_for_one_who_has_ended),
		TEST(at_the_end_nothing_is_left_and_nobody_waits),
		TEST(of_a_file_each_packet_is_received_once_and_reaches_its_owner),
		TEST(of_a_file_that_was_stopped_the_rest_is_cut_by_name),
		TEST(without_a_net_nothing_happens),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
