/* Proves which length counts where the IP header and the frame disagree, that every impossible
 * header ends under its own name, and that IPv6 extension headers are stepped over up to the limit.
 */
#include "tests/unit/dataplane/decode/decoding.h"

static struct frame frame;

static struct decoding stage;

static void begin(void)
{
	struct decode_settings s = plain_settings();

	decoding_init(&stage, &s);
}

static uint8_t *ip(void)
{
	return frame.at + frame.network_at;
}

static void build4(void)
{
	packet_build(&frame, PACKET(.from = client4(), .to = server4(), .flags = TCP_ACK,
				    PAYLOAD("0123456789")));
}

static void build6(void)
{
	packet_build(&frame, PACKET(.from = client6(), .to = server6(), .flags = TCP_ACK,
				    PAYLOAD("0123456789")));
}

static void check_payload(uint32_t bytes, uint32_t captured_bytes)
{
	struct packet p;

	begin();
	assert_fate(decode_frame(&stage, &frame, &p), to_flow);
	assert_int_equal(p.payload_bytes, bytes);
	assert_int_equal(p.payload_captured_bytes, captured_bytes);
	assert_memory_equal(p.payload, "0123456789", captured_bytes);
	decoding_fini(&stage);
}

static void set_total(uint32_t bytes)
{
	ip()[2] = (uint8_t)(bytes >> 8);
	ip()[3] = (uint8_t)bytes;
	packet_sum_ip(&frame);
}

static void padding_is_no_payload(void **state)
{
	(void)state;
	build4();
	memset(frame.at + frame.bytes, 0xee, 20);
	frame.bytes += 20;
	check_payload(10, 10);
	set_total(40 + 4);
	check_payload(4, 4);
	build6();
	frame.bytes += 6;
	check_payload(10, 10);
}

static void length_beyond_the_wire_is_cut_to_it(void **state)
{
	(void)state;
	build4();
	set_total(1500);
	check_payload(10, 10);
	set_total(65535);
	check_payload(10, 10);
	build6();
	ip()[4] = 0xff;
	check_payload(10, 10);
}

static void length_of_zero_is_a_super_packet(void **state)
{
	(void)state;
	static uint8_t zeros[66 * 1024];
	struct packet p;

	build4();
	set_total(0);
	check_payload(10, 10);
	build6();
	ip()[4] = ip()[5] = 0;
	check_payload(10, 10);

	begin();
	for (int six = 0; six < 2; six++) {
		packet_build(&frame, PACKET(.from = six ? client6() : client4(),
					    .to = six ? server6() : server4(), .payload = zeros,
					    .payload_bytes = sizeof(zeros)));
		assert_fate(decode_frame(&stage, &frame, &p), to_flow);
		assert_int_equal(p.payload_bytes, sizeof(zeros));
	}
	decoding_fini(&stage);
}

static void snap_length_cuts_payload_but_not_its_length(void **state)
{
	(void)state;
	struct packet p;

	begin();
	for (int six = 0; six < 2; six++) {
		six ? build6() : build4();
		for (uint32_t cut = 0; cut <= 10; cut++) {
			p = next_packet(&stage, &frame);
			p.caplen_bytes -= cut;
			assert_fate(decode_one(&stage.decode, &p), to_flow);
			assert_int_equal(p.payload_bytes, 10);
			assert_int_equal(p.payload_captured_bytes, 10 - cut);
		}
		p = next_packet(&stage, &frame);
		p.caplen_bytes -= 11;
		assert_fate(decode_one(&stage.decode, &p), malformed_tcp_header);
	}
	decoding_fini(&stage);
}

static void ipv4_header_must_be_whole_and_possible(void **state)
{
	(void)state;
	build4();
	for (uint32_t bytes = 0; bytes < 20; bytes++) {
		frame.bytes = frame.network_at + bytes;
		assert_fate(fate_of(&frame), malformed_ip_header);
	}
	for (uint8_t words = 0; words < 5; words++) {
		build4();
		ip()[0] = (uint8_t)(0x40 | words);
		assert_fate(fate_of(&frame), malformed_ip_header);
	}
	build4();
	ip()[0] = 0x4f; /* 60 bytes of header where 50 are there */
	assert_fate(fate_of(&frame), malformed_ip_header);
	build4();
	ip()[0] = 0x65;
	assert_fate(fate_of(&frame), malformed_ip_header);
}

static void ipv4_length_below_its_header_is_malformed(void **state)
{
	(void)state;
	build4();
	for (uint32_t bytes = 1; bytes < 20; bytes++) {
		set_total(bytes);
		assert_fate(fate_of(&frame), malformed_ip_length);
	}
	set_total(20);
	assert_fate(fate_of(&frame), malformed_tcp_header);
	packet_build(&frame, PACKET(.from = client4(), .to = server4(), .ip_option_bytes = 8));
	set_total(27);
	assert_fate(fate_of(&frame), malformed_ip_length);
}

static void ipv4_options_are_stepped_over(void **state)
{
	(void)state;
	for (uint32_t bytes = 0; bytes <= 40; bytes += 4) {
		packet_build(&frame, PACKET(.from = client4(), .to = server4(),
					    .ip_option_bytes = bytes, PAYLOAD("0123456789")));
		check_payload(10, 10);
	}
}

static void addresses_are_stored_as_the_key_wants_them(void **state)
{
	(void)state;
	static const uint8_t mapped[16] = { [10] = 0xff, [11] = 0xff, 10, 0, 0, 1 };
	struct packet p, back;

	begin();
	build4();
	assert_fate(decode_frame(&stage, &frame, &p), to_flow);
	assert_memory_equal(p.key.address[p.side], mapped, 16);
	assert_int_equal(p.key.protocol, IPPROTO_TCP);
	assert_int_equal(p.key.outer, 0);
	packet_build(&frame, PACKET(.from = server4(), .to = client4()));
	assert_fate(decode_frame(&stage, &frame, &back), to_flow);
	assert_true(flow_key_equal(&p.key, &back.key));
	assert_int_equal(p.hash, back.hash);
	assert_int_not_equal(p.side, back.side);
	build6();
	assert_fate(decode_frame(&stage, &frame, &p), to_flow);
	assert_memory_equal(p.key.address[p.side], client6().address, 16);
	decoding_fini(&stage);
}

static void icmp_and_other_protocols_are_passed_over(void **state)
{
	(void)state;
	static const uint8_t others[] = { 2, 50, 59, 89, 132, 253 };

	for (int six = 0; six < 2; six++) {
		struct endpoint from = six ? client6() : client4();
		struct endpoint to = six ? server6() : server4();

		packet_build(&frame, PACKET(.from = from, .to = to, .protocol = six ? 58 : 1,
					    PAYLOAD("ping")));
		assert_fate(fate_of(&frame), passed_icmp);
		for (size_t i = 0; i < sizeof(others); i++) {
			packet_build(&frame, PACKET(.from = from, .to = to, .protocol = others[i],
						    PAYLOAD("something inside")));
			assert_fate(fate_of(&frame), passed_ip_protocol);
		}
	}
}

static void ipv6_header_must_be_whole(void **state)
{
	(void)state;
	build6();
	for (uint32_t bytes = 0; bytes < 40; bytes++) {
		frame.bytes = frame.network_at + bytes;
		assert_fate(fate_of(&frame), malformed_ip_header);
	}
	build6();
	ip()[0] = 0x45;
	assert_fate(fate_of(&frame), malformed_ip_header);
}

static void build_chain(const uint8_t *headers, uint32_t count)
{
	struct packet_spec spec = { .from = client6(), .to = server6(), PAYLOAD("0123456789") };

	memcpy(spec.extension, headers, count);
	spec.extensions = count;
	packet_build(&frame, &spec);
}

static void every_extension_header_is_stepped_over(void **state)
{
	(void)state;
	/* 44 is an atomic fragment: RFC 6946. */
	static const uint8_t chain[] = { 0, 60, 43, 44, 51, 135, 139, 140, 60 };

	build_chain(chain, sizeof(chain));
	check_payload(10, 10);
	for (uint32_t i = 0; i < sizeof(chain); i++) {
		build_chain(chain + i, 1);
		check_payload(10, 10);
	}
}

static void extension_header_cut_short_is_malformed(void **state)
{
	(void)state;
	static const uint8_t chain[] = { 0, 51, 44, 60 };
	uint32_t whole;

	build_chain(chain, sizeof(chain));
	whole = frame.bytes;
	for (uint32_t cut = whole - 30; cut > frame.network_at + 40; cut--) {
		frame.bytes = cut - 1;
		assert_fate(fate_of(&frame), malformed_extension);
	}
	build_chain(chain, 1);
	ip()[41] = 255; /* says 2,048 bytes */
	assert_fate(fate_of(&frame), malformed_extension);
}

static void one_extension_header_over_the_limit_is_too_deep(void **state)
{
	(void)state;
	uint8_t chain[17];

	memset(chain, 60, sizeof(chain));
	build_chain(chain, 16);
	assert_fate(fate_of(&frame), to_flow);
	build_chain(chain, 17);
	assert_fate(fate_of(&frame), malformed_too_deep);
}

static void wrong_ipv4_checksum_matters_only_when_asked_for(void **state)
{
	(void)state;
	struct decode_settings s = plain_settings();
	struct packet p;

	s.checksum = true;
	decoding_init(&stage, &s);
	build4();
	assert_fate(decode_frame(&stage, &frame, &p), to_flow);
	ip()[10] ^= 1;
	assert_fate(decode_frame(&stage, &frame, &p), malformed_ip_checksum);
	assert_fate(fate_of(&frame), to_flow);
	/* The network card would have filled in length and checksums. */
	ip()[2] = ip()[3] = 0;
	assert_fate(decode_frame(&stage, &frame, &p), to_flow);
	decoding_fini(&stage);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(padding_is_no_payload),
		cmocka_unit_test(length_beyond_the_wire_is_cut_to_it),
		cmocka_unit_test(length_of_zero_is_a_super_packet),
		cmocka_unit_test(snap_length_cuts_payload_but_not_its_length),
		cmocka_unit_test(ipv4_header_must_be_whole_and_possible),
		cmocka_unit_test(ipv4_length_below_its_header_is_malformed),
		cmocka_unit_test(ipv4_options_are_stepped_over),
		cmocka_unit_test(addresses_are_stored_as_the_key_wants_them),
		cmocka_unit_test(icmp_and_other_protocols_are_passed_over),
		cmocka_unit_test(ipv6_header_must_be_whole),
		cmocka_unit_test(every_extension_header_is_stepped_over),
		cmocka_unit_test(extension_header_cut_short_is_malformed),
		cmocka_unit_test(one_extension_header_over_the_limit_is_too_deep),
		cmocka_unit_test(wrong_ipv4_checksum_matters_only_when_asked_for),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
