/* Proves that TCP and UDP fields and payloads come out as they were put in, that every impossible
 * header is refused, that ports can be ignored and that checksums count exactly when they are asked
 * for and can be known.
 */
#include "tests/unit/dataplane/decode/decoding.h"

#include "dataplane/shm/settings.h"

static struct frame frame;
static struct decoding stage;

static uint8_t *l4(void)
{
	return frame.at + frame.transport_at;
}

static void build_tcp(void)
{
	packet_build(&frame, PACKET(.from = client4(), .to = server4(), .flags = TCP_ACK,
				    PAYLOAD("payload")));
}

static void build_udp(bool six)
{
	packet_build(&frame, PACKET(.protocol = IPPROTO_UDP, .from = six ? client6() : client4(),
				    .to = six ? server6() : server4(), PAYLOAD("datagram!")));
}

static void set_udp_length(uint32_t bytes)
{
	l4()[4] = (uint8_t)(bytes >> 8);
	l4()[5] = (uint8_t)bytes;
}

static void tcp_fields_come_out_as_put_in(void **state)
{
	(void)state;
	struct decode_settings s = plain_settings();
	struct packet p;

	decoding_init(&stage, &s);
	packet_build(&frame, PACKET(.from = client4(), .to = server4(), .seq = 0xfffffff0,
				    .ack = 0x12345678, .flags = TCP_SYN | TCP_ACK | 0xc0,
				    .window = 4321, .options = "\2\4\5\xb4\1\3\3\7",
				    .option_bytes = 8, PAYLOAD("payload")));
	assert_fate(decode_frame(&stage, &frame, &p), to_flow);
	assert_int_equal(p.seq, 0xfffffff0);
	assert_int_equal(p.ack, 0x12345678);
	assert_int_equal(p.tcp_flags, TCP_SYN | TCP_ACK); /* ECN's bits are nobody's business */
	assert_int_equal(p.window, 4321);
	assert_int_equal(p.tcp_option_bytes, 8);
	assert_memory_equal(p.tcp_options, "\2\4\5\xb4\1\3\3\7", 8);
	assert_int_equal(p.payload_bytes, 7);
	assert_memory_equal(p.payload, "payload", 7);
	assert_int_equal(p.key.port[p.side], 40000);
	assert_int_equal(p.key.port[!p.side], 80);
	decoding_fini(&stage);
}

static void udp_leaves_nothing_of_an_earlier_tcp_packet(void **state)
{
	(void)state;
	struct decode_settings s = plain_settings();
	struct packet p;

	decoding_init(&stage, &s);
	build_udp(false);
	p = next_packet(&stage, &frame);
	p.tcp_flags = 0xff;
	p.seq = p.ack = 77;
	p.tcp_options = frame.at;
	p.tcp_option_bytes = 40;
	assert_fate(decode_one(&stage.decode, &p), to_flow);
	assert_int_equal(p.tcp_flags, 0);
	assert_int_equal(p.seq, 0);
	assert_int_equal(p.ack, 0);
	assert_int_equal(p.tcp_option_bytes, 0);
	assert_int_equal(p.key.protocol, IPPROTO_UDP);
	assert_int_equal(p.payload_bytes, 9);
	assert_memory_equal(p.payload, "datagram!", 9);
	decoding_fini(&stage);
}

static void tcp_header_must_be_whole_and_possible(void **state)
{
	(void)state;
	build_tcp();
	for (uint32_t bytes = 0; bytes < 20; bytes++) {
		frame.bytes = frame.transport_at + bytes;
		assert_fate(fate_of(&frame), malformed_tcp_header);
	}
	for (uint8_t words = 0; words < 5; words++) {
		build_tcp();
		l4()[12] = (uint8_t)(words << 4);
		assert_fate(fate_of(&frame), malformed_tcp_header);
	}
	build_tcp();
	l4()[12] = 7 << 4; /* 28 bytes of header, of 27 */
	assert_fate(fate_of(&frame), malformed_tcp_header);
	l4()[12] = 6 << 4;
	assert_fate(fate_of(&frame), to_flow);
}

static void udp_length_must_fit_its_datagram(void **state)
{
	(void)state;
	build_udp(false);
	for (uint32_t bytes = 0; bytes < 8; bytes++) {
		set_udp_length(bytes);
		assert_fate(fate_of(&frame), malformed_udp_header);
	}
	set_udp_length(8);
	assert_fate(fate_of(&frame), to_flow);
	set_udp_length(18);
	assert_fate(fate_of(&frame), malformed_udp_header);
	set_udp_length(65535);
	assert_fate(fate_of(&frame), malformed_udp_header);
	build_udp(false);
	for (uint32_t bytes = 0; bytes < 8; bytes++) {
		frame.bytes = frame.transport_at + bytes;
		assert_fate(fate_of(&frame), malformed_udp_header);
	}
}

static void udp_payload_is_what_its_own_length_says(void **state)
{
	(void)state;
	struct decode_settings s = plain_settings();
	struct packet p;

	decoding_init(&stage, &s);
	build_udp(false);
	set_udp_length(8 + 3);
	assert_fate(decode_frame(&stage, &frame, &p), to_flow);
	assert_int_equal(p.payload_bytes, 3);
	assert_int_equal(p.payload_captured_bytes, 3);
	p = next_packet(&stage, &frame);
	p.caplen_bytes = frame.transport_at + 9;
	assert_fate(decode_one(&stage.decode, &p), to_flow);
	assert_int_equal(p.payload_bytes, 3);
	assert_int_equal(p.payload_captured_bytes, 1);
	decoding_fini(&stage);
}

static void udp_length_of_zero_is_right_in_super_packets_only(void **state)
{
	(void)state;
	static uint8_t zeros[66 * 1024];
	struct decode_settings s = plain_settings();
	struct packet p;

	decoding_init(&stage, &s);
	packet_build(&frame, PACKET(.protocol = IPPROTO_UDP, .from = client6(), .to = server6(),
				    .payload = zeros, .payload_bytes = sizeof(zeros)));
	assert_fate(decode_frame(&stage, &frame, &p), to_flow);
	assert_int_equal(p.payload_bytes, sizeof(zeros));
	build_udp(true);
	set_udp_length(0);
	assert_fate(decode_frame(&stage, &frame, &p), malformed_udp_header);
	decoding_fini(&stage);
}

static void either_port_can_be_ignored(void **state)
{
	(void)state;
	static uint8_t bitmap[65536 / 8];
	struct decode_settings s = plain_settings();
	struct packet p;

	bitmap[80 >> 3] |= 1 << (80 & 7);
	bitmap[65535 >> 3] |= 1 << (65535 & 7);
	s.ignore_ports = bitmap;
	decoding_init(&stage, &s);
	build_tcp();
	assert_fate(decode_frame(&stage, &frame, &p), passed_ignored_port);
	packet_build(&frame, PACKET(.from = server4(), .to = client4()));
	assert_fate(decode_frame(&stage, &frame, &p), passed_ignored_port);
	build_udp(true);
	assert_fate(decode_frame(&stage, &frame, &p), passed_ignored_port);
	packet_build(&frame,
		     PACKET(.from = endpoint("1.2.3.4", 65535), .to = endpoint("1.2.3.5", 81)));
	assert_fate(decode_frame(&stage, &frame, &p), passed_ignored_port);
	packet_build(&frame,
		     PACKET(.from = endpoint("1.2.3.4", 65534), .to = endpoint("1.2.3.5", 81)));
	assert_fate(decode_frame(&stage, &frame, &p), to_flow);
	decoding_fini(&stage);
}

/* The address must be one that weir listens on, and so must its port. */
static void traffic_of_weir_itself_is_left_out(void **state)
{
	static const struct settings_own own[] = {
		{ { [10] = 0xff, [11] = 0xff, 10, 0, 0, 9 }, 9100 },
		{ { [15] = 1 }, 9100 },
	};
	struct decode_settings s = plain_settings();
	struct packet p;

	(void)state;
	s.own = own;
	s.own_count = 2;
	decoding_init(&stage, &s);
	packet_build(&frame, PACKET(.from = client4(), .to = endpoint("10.0.0.9", 9100)));
	assert_fate(decode_frame(&stage, &frame, &p), passed_own_traffic);
	packet_build(&frame, PACKET(.from = endpoint("10.0.0.9", 9100), .to = client4()));
	assert_fate(decode_frame(&stage, &frame, &p), passed_own_traffic);
	packet_build(&frame, PACKET(.from = endpoint("::1", 9100), .to = endpoint("::2", 5)));
	assert_fate(decode_frame(&stage, &frame, &p), passed_own_traffic);
	packet_build(&frame, PACKET(.from = client4(), .to = endpoint("10.0.0.9", 9101)));
	assert_fate(decode_frame(&stage, &frame, &p), to_flow);
	packet_build(&frame, PACKET(.from = client4(), .to = endpoint("10.0.0.8", 9100)));
	assert_fate(decode_frame(&stage, &frame, &p), to_flow);
	packet_build(&frame,
		     PACKET(.from = endpoint("10.0.0.9", 5), .to = endpoint("10.0.0.8", 9100)));
	assert_fate(decode_frame(&stage, &frame, &p), to_flow);
	decoding_fini(&stage);
}

static enum counter checked(uint32_t cut)
{
	struct packet p = next_packet(&stage, &frame);

	p.caplen_bytes -= cut;
	return decode_one(&stage.decode, &p);
}

static void begin_checked(void)
{
	struct decode_settings s = plain_settings();

	s.checksum = true;
	decoding_init(&stage, &s);
}

static void wrong_checksums_are_refused_when_asked_for(void **state)
{
	(void)state;
	begin_checked();
	for (int kind = 0; kind < 4; kind++) {
		bool six = kind & 1;
		uint8_t protocol = kind & 2 ? IPPROTO_UDP : IPPROTO_TCP;

		/* Odd and even lengths end differently. */
		for (uint32_t bytes = 0; bytes < 12; bytes++) {
			packet_build(&frame,
				     PACKET(.protocol = protocol,
					    .from = six ? client6() : client4(),
					    .to = six ? server6() : server4(),
					    .payload = "abcdefghijkl", .payload_bytes = bytes));
			assert_fate(checked(0), to_flow);
			frame.at[frame.bytes - 1] ^= 0x40;
			assert_fate(checked(0), malformed_l4_checksum);
			assert_fate(fate_of(&frame), to_flow);
		}
	}
	decoding_fini(&stage);
}

static void checksum_that_cannot_be_known_is_not_held_against_a_packet(void **state)
{
	(void)state;
	begin_checked();
	build_tcp();
	l4()[16] ^= 0xff;
	assert_fate(checked(1), to_flow); /* cut by the snap length */
	assert_fate(checked(0), malformed_l4_checksum);
	frame.at[frame.network_at + 2] = frame.at[frame.network_at + 3] = 0;
	assert_fate(checked(0), to_flow); /* a super-packet */

	packet_build(&frame, PACKET(.from = client6(), .to = server6(), .extension = { 43 },
				    .extensions = 1));
	l4()[16] ^= 0xff;
	assert_fate(checked(0), malformed_l4_checksum);
	frame.at[frame.network_at + 40 + 3] = 1; /* segments left: the address will be another */
	assert_fate(checked(0), to_flow);
	decoding_fini(&stage);
}

static void udp_may_go_without_checksum_in_ipv4_only(void **state)
{
	(void)state;
	begin_checked();
	for (int six = 0; six < 2; six++) {
		build_udp(six);
		l4()[6] = l4()[7] = 0;
		if (six)
			assert_fate(checked(0), malformed_l4_checksum);
		else
			assert_fate(checked(0), to_flow);
	}
	decoding_fini(&stage);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tcp_fields_come_out_as_put_in),
		cmocka_unit_test(udp_leaves_nothing_of_an_earlier_tcp_packet),
		cmocka_unit_test(tcp_header_must_be_whole_and_possible),
		cmocka_unit_test(udp_length_must_fit_its_datagram),
		cmocka_unit_test(udp_payload_is_what_its_own_length_says),
		cmocka_unit_test(udp_length_of_zero_is_right_in_super_packets_only),
		cmocka_unit_test(either_port_can_be_ignored),
		cmocka_unit_test(traffic_of_weir_itself_is_left_out),
		cmocka_unit_test(wrong_checksums_are_refused_when_asked_for),
		cmocka_unit_test(checksum_that_cannot_be_known_is_not_held_against_a_packet),
		cmocka_unit_test(udp_may_go_without_checksum_in_ipv4_only),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
