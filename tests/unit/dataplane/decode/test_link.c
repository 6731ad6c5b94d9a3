/* Proves for every link type of burst.h that IP is found behind it and the same flow comes out;
 * that VLAN ids reach the key, up to the limit; and that what is not IP, cut short or impossible
 * ends under its own name.
 */
#include "tests/unit/dataplane/decode/decoding.h"

static struct frame frame, other;

static void build(uint16_t link, bool six)
{
	packet_build(&frame,
		     PACKET(.link = link, .loopback = link == LINK_NULL,
			    .from = six ? client6() : client4(), .to = six ? server6() : server4(),
			    .seq = 7, .flags = TCP_ACK, PAYLOAD("hello")));
}

/* A frame of any bytes. */
static void raw(uint16_t link, const void *bytes, uint32_t count)
{
	frame = (struct frame){ .link = link, .bytes = count };
	memcpy(frame.at, bytes, count);
}
#define RAW(link, text) raw(link, text, sizeof(text) - 1)

/* Puts `bytes` in front of the IP packet of `frame` in place of its link header. */
static void relink(uint16_t link, const void *bytes, uint32_t count)
{
	other = (struct frame){ .link = link,
				.network_at = count,
				.bytes = count + frame.bytes - frame.network_at };
	memcpy(other.at, bytes, count);
	memcpy(other.at + count, frame.at + frame.network_at, frame.bytes - frame.network_at);
	frame = other;
}
#define RELINK(link, text) relink(link, text, sizeof(text) - 1)

static void check_found(bool six)
{
	struct decode_settings s = plain_settings();
	struct decoding t;
	struct packet p;

	decoding_init(&t, &s);
	assert_fate(decode_frame(&t, &frame, &p), to_flow);
	assert_int_equal(p.key.ip_version, six ? 6 : 4);
	assert_int_equal(p.key.port[p.side], 40000);
	assert_int_equal(p.payload_bytes, 5);
	assert_memory_equal(p.payload, "hello", 5);
	decoding_fini(&t);
}

static const uint16_t types[] = {
	LINK_NULL,
	LINK_ETHERNET,
	LINK_RAW_OLD,
	LINK_RAW_OPENBSD,
	LINK_PPP,
	LINK_PPP_HDLC,
	LINK_PPP_ETHER,
	LINK_CISCO_HDLC,
	LINK_RAW,
	LINK_IEEE80211,
	LINK_LOOP,
	LINK_LINUX_SLL,
	LINK_IEEE80211_RADIOTAP,
	LINK_IPV4,
	LINK_IPV6,
	LINK_LINUX_SLL2,
};

static void every_link_type_leads_to_ip_of_both_versions(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		for (int six = 0; six < 2; six++) {
			if (types[i] == (six ? LINK_IPV4 : LINK_IPV6))
				continue;
			build(types[i], six);
			check_found(six);
		}
	}
}

static void link_header_cut_anywhere_is_malformed(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		build(types[i], types[i] == LINK_IPV6);
		for (uint32_t bytes = 0; bytes < frame.network_at; bytes++) {
			frame.bytes = bytes;
			assert_fate(fate_of(&frame), malformed_link);
		}
		frame.bytes = frame.network_at;
		assert_fate(fate_of(&frame), malformed_ip_header);
	}
}

static void unknown_link_types_are_passed_over(void **state)
{
	(void)state;
	static const uint16_t unknown[] = { 2, 6, 147, 189, 195, 277, 65535 };

	for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
		build(LINK_RAW, false);
		frame.link = unknown[i];
		assert_fate(fate_of(&frame), passed_link_type);
	}
}

static void version_must_be_what_the_link_layer_says(void **state)
{
	(void)state;
	build(LINK_RAW, true);
	frame.link = LINK_IPV4;
	assert_fate(fate_of(&frame), malformed_ip_header);
	build(LINK_RAW, false);
	frame.link = LINK_IPV6;
	assert_fate(fate_of(&frame), malformed_ip_header);
	build(LINK_ETHERNET, true);
	frame.at[12] = 0x08, frame.at[13] = 0x00;
	assert_fate(fate_of(&frame), malformed_ip_header);
	build(LINK_RAW, false);
	frame.at[0] = 0x55;
	assert_fate(fate_of(&frame), malformed_ip_header);
}

static void families_of_all_systems_are_known_in_both_byte_orders(void **state)
{
	(void)state;
	static const uint8_t six[] = { 10, 23, 24, 28, 30 };

	for (int swapped = 0; swapped < 2; swapped++) {
		for (size_t i = 0; i < sizeof(six); i++) {
			build(LINK_LOOP, true);
			memset(frame.at, 0, 4);
			frame.at[swapped ? 3 : 0] = six[i];
			check_found(true);
		}
		build(LINK_LOOP, false);
		memset(frame.at, 0, 4);
		frame.at[swapped ? 3 : 0] = 2;
		frame.link = LINK_NULL;
		check_found(false);
		frame.at[swapped ? 3 : 0] = 7;
		assert_fate(fate_of(&frame), passed_not_ip);
	}
}

static void llc_and_snap_carry_ip(void **state)
{
	(void)state;
	build(LINK_RAW, false);
	RELINK(LINK_ETHERNET, "\2\0\0\0\0\1\2\0\0\0\0\2\0\x40\xaa\xaa\x03\0\0\0\x08\0");
	check_found(false);
	build(LINK_RAW, false);
	RELINK(LINK_ETHERNET, "\2\0\0\0\0\1\2\0\0\0\0\2\0\x40\x06\x06\x03");
	check_found(false);
	build(LINK_RAW, true);
	RELINK(LINK_ETHERNET, "\2\0\0\0\0\1\2\0\0\0\0\2\0\x40\xaa\xaa\x03\0\0\xf8\x86\xdd");
	check_found(true);
	/* A tag, then a length, then SNAP. */
	build(LINK_RAW, false);
	RELINK(LINK_ETHERNET, "\2\0\0\0\0\1\2\0\0\0\0\2\x81\0\0\x05\0\x40\xaa\xaa\x03\0\0\0\x08\0");
	check_found(false);
	build(LINK_RAW, false);
	RELINK(LINK_LINUX_SLL, "\0\0\0\1\0\6\0\0\0\0\0\0\0\0\0\4\xaa\xaa\x03\0\0\0\x08\0");
	check_found(false);
}

static void llc_without_ip_is_passed_over_and_cut_llc_malformed(void **state)
{
	(void)state;
	RAW(LINK_ETHERNET,
	    "\1\x80\xc2\0\0\0\2\0\0\0\0\2\0\x26\x42\x42\x03\0\0"); /* spanning tree */
	assert_fate(fate_of(&frame), passed_not_ip);
	RAW(LINK_ETHERNET, "\2\0\0\0\0\1\2\0\0\0\0\2\0\x40\xaa\xaa\x03\0\0\x0c\x20\0"); /* Cisco */
	assert_fate(fate_of(&frame), passed_not_ip);
	RAW(LINK_ETHERNET, "\2\0\0\0\0\1\2\0\0\0\0\2\0\x40\xaa\xaa\x03\0\0\0\0\x40");
	assert_fate(fate_of(&frame), passed_not_ip);
	RAW(LINK_ETHERNET, "\2\0\0\0\0\1\2\0\0\0\0\2\0\x40\xaa\xaa");
	assert_fate(fate_of(&frame), malformed_link);
	RAW(LINK_ETHERNET, "\2\0\0\0\0\1\2\0\0\0\0\2\0\x40\xaa\xaa\x03\0\0\0\x08");
	assert_fate(fate_of(&frame), malformed_link);
}

static void arp_and_other_ethertypes_have_their_lines(void **state)
{
	(void)state;
	build(LINK_ETHERNET, false);
	frame.at[13] = 0x06;
	assert_fate(fate_of(&frame), passed_arp);
	frame.at[12] = 0x88, frame.at[13] = 0x47; /* MPLS */
	assert_fate(fate_of(&frame), passed_not_ip);
	frame.at[13] = 0xcc; /* LLDP */
	assert_fate(fate_of(&frame), passed_not_ip);
}

static void first_two_vlan_ids_reach_the_key_outermost_first(void **state)
{
	(void)state;
	static const uint16_t expected[4][2] = {
		{ 0, 0 },
		{ VLAN_PRESENT | 5, 0 },
		{ VLAN_PRESENT | 5, VLAN_PRESENT | 0xfff },
		{ VLAN_PRESENT | 5, VLAN_PRESENT | 0xfff },
	};
	struct decode_settings s = plain_settings();
	struct decoding t;
	struct packet p;

	decoding_init(&t, &s);
	for (uint32_t vlans = 0; vlans < 4; vlans++) {
		/* Priority and drop bits are no part of the id. */
		packet_build(&frame, PACKET(.from = client4(), .to = server4(),
					    .vlan = { 0xf005, 0x0fff, 9 }, .vlans = vlans));
		assert_fate(decode_frame(&t, &frame, &p), to_flow);
		assert_int_equal(p.key.vlan[0], expected[vlans][0]);
		assert_int_equal(p.key.vlan[1], expected[vlans][1]);
	}
	frame.at[12] = 0x91, frame.at[13] = 0x00;
	assert_fate(decode_frame(&t, &frame, &p), to_flow);
	assert_int_equal(p.key.vlan[0], VLAN_PRESENT | 5);
	decoding_fini(&t);
}

static void priority_tag_is_in_no_vlan(void **state)
{
	(void)state;
	struct decode_settings s = plain_settings();
	struct decoding t;
	struct packet tagged, plain;

	decoding_init(&t, &s);
	packet_build(&frame,
		     PACKET(.from = client4(), .to = server4(), .vlan = { 0xe000 }, .vlans = 1));
	assert_fate(decode_frame(&t, &frame, &tagged), to_flow);
	build(LINK_ETHERNET, false);
	assert_fate(decode_frame(&t, &frame, &plain), to_flow);
	assert_true(flow_key_equal(&tagged.key, &plain.key));
	decoding_fini(&t);
}

static void one_vlan_tag_over_the_limit_is_too_deep(void **state)
{
	(void)state;
	packet_build(&frame, PACKET(.from = client4(), .to = server4(), .vlans = 8));
	assert_fate(fate_of(&frame), to_flow);
	packet_build(&frame, PACKET(.from = client4(), .to = server4(), .vlans = 9));
	assert_fate(fate_of(&frame), malformed_too_deep);
	packet_build(&frame, PACKET(.from = client4(), .to = server4(), .vlans = 2));
	frame.bytes = 14 + 4 + 3;
	assert_fate(fate_of(&frame), malformed_link);
}

static void ppp_fields_may_be_compressed(void **state)
{
	(void)state;
	build(LINK_RAW, false);
	RELINK(LINK_PPP, "\x21");
	check_found(false);
	build(LINK_RAW, true);
	RELINK(LINK_PPP, "\xff\x03\x57");
	check_found(true);
	build(LINK_RAW, false);
	RELINK(LINK_PPP_HDLC, "\x8f\0\x08\0"); /* Cisco's framing */
	check_found(false);
	RAW(LINK_PPP, "\xff\x03\xc0\x21\1\1\0\4"); /* LCP */
	assert_fate(fate_of(&frame), passed_not_ip);
	RAW(LINK_CISCO_HDLC, "\x8f\0\x80\x35\0\0\0\0"); /* SLARP */
	assert_fate(fate_of(&frame), passed_not_ip);
	RAW(LINK_CISCO_HDLC, "\x8f\0\0\4\0\0\0\0");
	assert_fate(fate_of(&frame), passed_not_ip);
}

static void pppoe_discovery_and_other_versions_are_told_apart(void **state)
{
	(void)state;
	RAW(LINK_PPP_ETHER, "\x11\x09\0\0\0\4\1\1\0\0");
	assert_fate(fate_of(&frame), passed_not_ip);
	RAW(LINK_PPP_ETHER, "\x21\0\0\1\0\4\0\x21\0\0");
	assert_fate(fate_of(&frame), malformed_link);
}

/* An 802.11 header of `bytes`, then SNAP and the IP packet. */
static void wifi_frame(uint8_t control, uint8_t flags, uint32_t bytes)
{
	uint8_t header[64] = { control, flags };

	memcpy(header + bytes, "\xaa\xaa\x03\0\0\0\x08\0", 8);
	build(LINK_RAW, false);
	relink(LINK_IEEE80211, header, bytes + 8);
}

static void data_frames_of_80211_have_headers_of_five_lengths(void **state)
{
	(void)state;
	wifi_frame(0x08, 0x01, 24);
	check_found(false);
	wifi_frame(0x08, 0x03, 30);
	check_found(false);
	wifi_frame(0x88, 0x02, 26);
	check_found(false);
	wifi_frame(0x88, 0x03, 32);
	check_found(false);
	wifi_frame(0x88, 0x82, 30); /* with HT control */
	check_found(false);
}

static void other_80211_frames_are_passed_over(void **state)
{
	(void)state;
	static const uint8_t fields[][2] = {
		{ 0x80, 0x00 }, /* beacon */
		{ 0xd4, 0x00 }, /* acknowledgement */
		{ 0x48, 0x01 }, /* no data */
		{ 0xc8, 0x01 }, /* no data, QoS */
		{ 0x08, 0x41 }, /* encrypted */
		{ 0x08, 0x05 }, /* more fragments */
		{ 0x09, 0x01 }, /* version 1 */
	};

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		wifi_frame(fields[i][0], fields[i][1], 24);
		assert_fate(fate_of(&frame), passed_not_ip);
	}
	wifi_frame(0x08, 0x01, 24);
	frame.at[22] = 0x01; /* second fragment */
	assert_fate(fate_of(&frame), passed_not_ip);
	wifi_frame(0x88, 0x01, 26);
	frame.at[24] = 0x80; /* aggregate */
	assert_fate(fate_of(&frame), passed_not_ip);
	wifi_frame(0x88, 0x03, 32);
	frame.at[30] = 0x80;
	assert_fate(fate_of(&frame), passed_not_ip);
}

static void radiotap_length_and_padding_are_obeyed(void **state)
{
	(void)state;
	/* A second word of fields, a time stamp at the next multiple of 8, then flags: padded. */
	static const uint8_t header[] = { 0, 0, 28, 0, 3, 0, 0, 0x80, 0, 0, 0,    0, 0, 0,
					  0, 0, 0,  0, 0, 0, 0, 0,    0, 0, 0x20, 0, 0, 0 };
	uint8_t all[sizeof(header) + 28 + 8] = { 0 };

	build(LINK_RAW, false);
	memcpy(all, header, sizeof(header));
	all[28] = 0x88, all[29] = 0x01;
	memcpy(all + 28 + 28, "\xaa\xaa\x03\0\0\0\x08\0", 8);
	relink(LINK_IEEE80211_RADIOTAP, all, sizeof(all));
	check_found(false);
	frame.at[2] = 7;
	assert_fate(fate_of(&frame), malformed_link);
	frame.at[2] = 28, frame.at[3] = 0x40;
	assert_fate(fate_of(&frame), malformed_link);
	frame.at[3] = 0, frame.at[0] = 1;
	assert_fate(fate_of(&frame), malformed_link);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_link_type_leads_to_ip_of_both_versions),
		cmocka_unit_test(link_header_cut_anywhere_is_malformed),
		cmocka_unit_test(unknown_link_types_are_passed_over),
		cmocka_unit_test(version_must_be_what_the_link_layer_says),
		cmocka_unit_test(families_of_all_systems_are_known_in_both_byte_orders),
		cmocka_unit_test(llc_and_snap_carry_ip),
		cmocka_unit_test(llc_without_ip_is_passed_over_and_cut_llc_malformed),
		cmocka_unit_test(arp_and_other_ethertypes_have_their_lines),
		cmocka_unit_test(first_two_vlan_ids_reach_the_key_outermost_first),
		cmocka_unit_test(priority_tag_is_in_no_vlan),
		cmocka_unit_test(one_vlan_tag_over_the_limit_is_too_deep),
		cmocka_unit_test(ppp_fields_may_be_compressed),
		cmocka_unit_test(pppoe_discovery_and_other_versions_are_told_apart),
		cmocka_unit_test(data_frames_of_80211_have_headers_of_five_lengths),
		cmocka_unit_test(other_80211_frames_are_passed_over),
		cmocka_unit_test(radiotap_length_and_padding_are_obeyed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
