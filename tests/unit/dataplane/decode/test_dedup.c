/* Proves that a second copy is recognised although everything a switch, a router or a card may
 * change is changed; that whatever a retransmission differs in is enough to keep it; that time,
 * the table's size and the number of workers do what they say; and that the books close.
 */
#include "tests/unit/dataplane/decode/decoding.h"

#include "dataplane/decode/dedup.h"
#include "dataplane/decode/parts.h"

#define WINDOW_NS UINT64_C(10000000)

static struct frame frame;
static struct burst burst;
static struct decoding t;
static uint64_t went_on;

static struct decode_settings dedup_settings(void)
{
	struct decode_settings s = plain_settings();

	s.dedup_ns = WINDOW_NS;
	s.dedup_packets = 1024;
	s.key_without_vlan = true;
	return s;
}

static void open_stage(void)
{
	struct decode_settings s = dedup_settings();

	went_on = 0;
	decoding_init(&t, &s);
}

static void close_stage(void)
{
	assert_int_equal(packets_residual(&t.counters, went_on), 0);
	decoding_fini(&t);
}

/* Sends `frame`; returns: did it go on? */
static bool goes_on(void)
{
	burst.count = 1;
	burst.packet[0] = next_packet(&t, &frame);
	burst.packet[0].now_ns = t.now_ns;
	decode_burst(&t.decode, &burst);
	went_on += burst.count;
	return burst.count == 1;
}

static uint64_t copies(void)
{
	return t.counters.value[C_duplicate_packets];
}

static struct packet_spec segment_spec(void)
{
	return (struct packet_spec){ .from = client4(),
				     .to = server4(),
				     .seq = 1000,
				     .ack = 77,
				     .flags = TCP_ACK | TCP_PSH,
				     .options = "\1\1\x08\x0a\0\0\0\1\0\0\0\2",
				     .option_bytes = 12,
				     PAYLOAD("a payload of some bytes") };
}

static void build(const struct packet_spec *spec)
{
	packet_build(&frame, spec);
}

static void the_second_copy_is_taken_out_and_counted(void **state)
{
	(void)state;
	struct packet_spec s = segment_spec();

	open_stage();
	build(&s);
	assert_true(goes_on());
	assert_false(goes_on());
	assert_false(goes_on());
	assert_int_equal(copies(), 2);
	assert_int_equal(t.counters.value[C_received], 3);
	close_stage();
}

static void what_a_router_changes_is_not_asked(void **state)
{
	(void)state;
	struct packet_spec s = segment_spec();

	open_stage();
	build(&s);
	assert_true(goes_on());
	s.vlan[0] = 20;
	s.vlans = 1;
	build(&s);
	frame.at[0] = 0x42, frame.at[6] = 0x44; /* MAC addresses */
	frame.at[frame.network_at + 1] = 0x28;  /* class of service */
	frame.at[frame.network_at + 8]--;       /* TTL */
	packet_sum_ip(&frame);
	frame.at[frame.transport_at + 16] ^= 1; /* a checksum that a card has not made yet */
	assert_false(goes_on());
	packet_wrap(&frame, WRAP(.as = WRAP_mpls, .id = 5));
	assert_false(goes_on());
	packet_wrap(&frame, WRAP(.as = WRAP_erspan_2, .from = endpoint("192.0.2.1", 0),
				 .to = endpoint("192.0.2.2", 0)));
	assert_false(goes_on());
	close_stage();
}

static void hop_limits_of_ipv6_are_not_asked(void **state)
{
	(void)state;
	open_stage();
	packet_build(&frame,
		     PACKET(.from = client6(), .to = server6(), .flags = TCP_ACK, PAYLOAD("six")));
	assert_true(goes_on());
	frame.at[frame.network_at + 7]--;
	assert_false(goes_on());
	close_stage();
}

/* What a real retransmission, or the next packet, may differ in. */
static void whatever_differs_makes_another_packet(void **state)
{
	(void)state;
	struct packet_spec s = segment_spec();

	open_stage();
	build(&s);
	assert_true(goes_on());
	build(&s);
	frame.at[frame.network_at + 5]++; /* identification */
	packet_sum_ip(&frame);
	assert_true(goes_on());
	s.seq++, build(&s);
	assert_true(goes_on());
	s.ack++, build(&s);
	assert_true(goes_on());
	s.window = 500, build(&s);
	assert_true(goes_on());
	s.flags = TCP_ACK, build(&s);
	assert_true(goes_on());
	s.options = "\1\1\x08\x0a\0\0\0\2\0\0\0\2", build(&s);
	assert_true(goes_on());
	s.payload = "A payload of some bytes", build(&s);
	assert_true(goes_on());
	s.payload_bytes--, build(&s);
	assert_true(goes_on());
	s.from = server4(), s.to = client4(), build(&s);
	assert_true(goes_on());
	assert_int_equal(copies(), 0);
	close_stage();
}

static void every_byte_of_the_payload_counts(void **state)
{
	(void)state;
	static uint8_t payload[700];
	struct packet_spec s = segment_spec();

	s.payload = payload;
	s.payload_bytes = sizeof(payload);
	open_stage();
	build(&s);
	assert_true(goes_on());
	for (uint32_t i = 0; i < sizeof(payload); i++) {
		payload[i] = 1;
		build(&s);
		assert_true(goes_on());
		payload[i] = 0;
	}
	assert_int_equal(copies(), 0);
	close_stage();
}

static void a_copy_cut_shorter_is_kept(void **state)
{
	(void)state;
	struct packet_spec s = segment_spec();

	open_stage();
	build(&s);
	assert_true(goes_on());
	burst.count = 1;
	burst.packet[0] = next_packet(&t, &frame);
	burst.packet[0].caplen_bytes -= 4;
	burst.packet[0].now_ns = t.now_ns;
	decode_burst(&t.decode, &burst);
	assert_int_equal(burst.count, 1);
	went_on++;
	close_stage();
}

static void copies_of_datagrams_are_recognised_behind_their_fragments(void **state)
{
	(void)state;
	struct packet_spec s = segment_spec();

	open_stage();
	s.fragment.yes = true;
	s.fragment.id = 9;
	for (int copy = 0; copy < 2; copy++) {
		s.fragment.offset = 0, s.fragment.bytes = 32, s.fragment.more = true;
		build(&s);
		assert_false(goes_on());
		s.fragment.offset = 32, s.fragment.bytes = 23, s.fragment.more = false;
		build(&s);
		assert_int_equal(goes_on(), copy == 0);
	}
	assert_int_equal(copies(), 1);
	assert_int_equal(t.counters.value[C_datagrams_completed], 2);
	close_stage();
}

/* ---- time ---- */

static void a_copy_within_the_window_is_one_and_behind_it_none(void **state)
{
	(void)state;
	struct packet_spec s = segment_spec();

	open_stage();
	build(&s);
	assert_true(goes_on());
	t.now_ns += WINDOW_NS - 1000;
	assert_false(goes_on());
	assert_true(goes_on()); /* counted from the first copy */
	assert_false(goes_on());
	close_stage();
}

static void a_clock_that_was_set_forgets_all(void **state)
{
	(void)state;
	struct packet_spec s = segment_spec();

	open_stage();
	build(&s);
	assert_true(goes_on());
	burst.count = 2;
	for (int i = 0; i < 2; i++) {
		burst.packet[i] = next_packet(&t, &frame);
		burst.packet[i].now_ns = t.now_ns;
		burst.packet[i].epoch = 1;
	}
	decode_burst(&t.decode, &burst);
	assert_int_equal(burst.count, 1);
	went_on++;
	close_stage();
}

/* ---- the table ---- */

static void a_full_table_forgets_and_says_so(void **state)
{
	(void)state;
	struct packet_spec s = segment_spec();

	open_stage();
	for (uint32_t i = 0; i < 5000; i++) {
		s.seq = i;
		build(&s);
		t.now_ns -= 1000; /* all at once */
		assert_true(goes_on());
	}
	assert_true(t.counters.value[C_copies_forgotten] >= 5000 - 1024);
	assert_false(goes_on());
	close_stage();
}

static void room_is_made_by_time_without_a_word(void **state)
{
	(void)state;
	struct packet_spec s = segment_spec();

	open_stage();
	for (uint32_t i = 0; i < 5000; i++) {
		s.seq = i;
		build(&s);
		t.now_ns += WINDOW_NS;
		assert_true(goes_on());
	}
	assert_int_equal(t.counters.value[C_copies_forgotten], 0);
	close_stage();
}

/* ---- the rest ---- */

static void tags_are_told_although_they_are_not_in_the_key(void **state)
{
	(void)state;
	struct packet_spec s = segment_spec();

	open_stage();
	s.vlan[0] = 12;
	s.vlans = 1;
	build(&s);
	assert_true(goes_on());
	assert_int_equal(burst.packet[0].key.vlan[0], 0);
	assert_non_null(burst.packet[0].path);
	assert_int_equal(burst.packet[0].path->count, 0);
	assert_int_equal(burst.packet[0].path->vlan[0], VLAN_PRESENT | 12);
	close_stage();
}

static void networks_are_told_apart(void **state)
{
	(void)state;
	struct packet_spec s = segment_spec();

	open_stage();
	for (uint32_t id = 5; id < 7; id++) {
		build(&s);
		packet_wrap(&frame, WRAP(.as = WRAP_vxlan, .from = endpoint("192.0.2.1", 0),
					 .to = endpoint("192.0.2.2", 0), .id = id));
		assert_true(goes_on());
	}
	close_stage();
}

static void any_number_of_workers_takes_out_the_same(void **state)
{
	(void)state;
	enum { PACKETS = 60 };
	uint64_t found[5] = { 0 };

	for (uint32_t workers = 1; workers <= 4; workers++) {
		for (uint32_t w = 0; w < workers; w++) {
			struct decode_settings s = dedup_settings();

			s.worker = w;
			s.workers = workers;
			went_on = 0;
			decoding_init(&t, &s);
			for (uint32_t i = 0; i < PACKETS; i++) {
				struct packet_spec x = segment_spec();

				x.from.port = (uint16_t)(1000 + i / 3);
				x.vlan[0] = (uint16_t)(1 + i % 3);
				x.vlans = 1;
				build(&x);
				goes_on();
			}
			found[workers] += copies();
			close_stage();
		}
		assert_int_equal(found[workers], PACKETS / 3 * 2);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_second_copy_is_taken_out_and_counted),
		cmocka_unit_test(what_a_router_changes_is_not_asked),
		cmocka_unit_test(hop_limits_of_ipv6_are_not_asked),
		cmocka_unit_test(whatever_differs_makes_another_packet),
		cmocka_unit_test(every_byte_of_the_payload_counts),
		cmocka_unit_test(a_copy_cut_shorter_is_kept),
		cmocka_unit_test(copies_of_datagrams_are_recognised_behind_their_fragments),
		cmocka_unit_test(a_copy_within_the_window_is_one_and_behind_it_none),
		cmocka_unit_test(a_clock_that_was_set_forgets_all),
		cmocka_unit_test(a_full_table_forgets_and_says_so),
		cmocka_unit_test(room_is_made_by_time_without_a_word),
		cmocka_unit_test(tags_are_told_although_they_are_not_in_the_key),
		cmocka_unit_test(networks_are_told_apart),
		cmocka_unit_test(any_number_of_workers_takes_out_the_same),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
