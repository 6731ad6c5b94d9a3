/* Proves for every form of tunnel that the packet inside is found and what is around it is named;
 * that both directions have one key whatever differs between them; that tunnels are opened to the
 * limit and not beyond it; that a UDP port alone proves nothing; and that no byte behind the
 * captured ones is read.
 */
#include "tests/unit/dataplane/decode/decoding.h"

#include <stdlib.h>

#include "dataplane/flow/path.h"
#include "tests/support/guarded.h"

static struct frame frame;

static struct endpoint outer_a(void)
{
	return endpoint("192.0.2.1", 0);
}

static struct endpoint outer_b(void)
{
	return endpoint("192.0.2.2", 0);
}

/* Teredo has no other inside, and WCCP no IPv6. */
static bool can_carry(enum wrapping as, bool six)
{
	if (as == WRAP_teredo || as == WRAP_teredo_all)
		return six;
	return as != WRAP_wccp || !six;
}

static void build_inside(bool six, bool back)
{
	struct endpoint a = six ? client6() : client4(), b = six ? server6() : server4();

	packet_build(&frame, PACKET(.from = back ? b : a, .to = back ? a : b, .seq = 7,
				    .flags = TCP_ACK, PAYLOAD("hello")));
}

static const uint32_t some_id = 0x1234;

static void wrap(enum wrapping as)
{
	packet_wrap(&frame, WRAP(.as = as, .from = outer_a(), .to = outer_b(), .id = some_id));
}

static enum tunnel_type type_of(enum wrapping as, bool six)
{
	switch (as) {
	case WRAP_mpls:
	case WRAP_mpls_frame:
	case WRAP_mpls_control_word: return TUNNEL_mpls;
	case WRAP_pppoe: return TUNNEL_pppoe;
	case WRAP_nvgre: return TUNNEL_nvgre;
	case WRAP_pptp: return TUNNEL_pptp;
	case WRAP_erspan_1:
	case WRAP_erspan_2:
	case WRAP_erspan_3:
	case WRAP_erspan_3_platform: return TUNNEL_erspan;
	case WRAP_vxlan:
	case WRAP_vxlan_policy:
	case WRAP_vxlan_linux: return TUNNEL_vxlan;
	case WRAP_vxlan_gpe:
	case WRAP_vxlan_gpe_frame: return TUNNEL_vxlan_gpe;
	case WRAP_geneve:
	case WRAP_geneve_options:
	case WRAP_geneve_ip: return TUNNEL_geneve;
	case WRAP_gtp:
	case WRAP_gtp_sequence:
	case WRAP_gtp_extensions: return TUNNEL_gtp;
	case WRAP_l2tp:
	case WRAP_l2tp_all: return TUNNEL_l2tp;
	case WRAP_teredo:
	case WRAP_teredo_all: return TUNNEL_teredo;
	case WRAP_ip: return six ? TUNNEL_ip6in4 : TUNNEL_ipip;
	case WRAP_etherip: return TUNNEL_etherip;
	default: return TUNNEL_gre;
	}
}

static bool has_id(enum wrapping as)
{
	switch (as) {
	case WRAP_gre_frame:
	case WRAP_gre_mpls:
	case WRAP_gre_ppp:
	case WRAP_wccp:
	case WRAP_erspan_1:
	case WRAP_teredo:
	case WRAP_teredo_all:
	case WRAP_ip:
	case WRAP_etherip: return false;
	default: return true;
	}
}

/* Does the session have ten bits? */
static uint32_t id_of(enum wrapping as)
{
	return type_of(as, false) == TUNNEL_erspan ? some_id & 0x3ff : some_id;
}

static void check_inside(const struct packet *p, bool six)
{
	assert_int_equal(p->key.ip_version, six ? 6 : 4);
	assert_int_equal(p->key.port[p->side], 40000);
	assert_int_equal(p->payload_bytes, 5);
	assert_memory_equal(p->payload, "hello", 5);
}

static void check_path(const struct packet *p, enum wrapping as, bool six)
{
	static const uint8_t a[16] = { [10] = 0xff, 0xff, 192, 0, 2, 1 };
	static const uint8_t b[16] = { [10] = 0xff, 0xff, 192, 0, 2, 2 };
	const struct record_tunnel *t;

	assert_non_null(p->path);
	assert_int_equal(p->path->count, as == WRAP_gre_mpls ? 2 : 1);
	t = &p->path->tunnel[0];
	assert_string_equal(tunnel_name(t->type), tunnel_name(type_of(as, six)));
	assert_int_equal(t->has_id, has_id(as));
	if (t->has_id)
		assert_int_equal(t->id, id_of(as));
	assert_int_equal(t->ip_version, as <= WRAP_pppoe ? 0 : 4);
	if (t->ip_version == 0)
		return;
	assert_memory_equal(t->src, a, sizeof(a));
	assert_memory_equal(t->dst, b, sizeof(b));
}

static void every_tunnel_is_opened_and_named(void **state)
{
	(void)state;
	struct decode_settings s = plain_settings();
	struct decoding t;
	struct packet p;

	s.checksum = true;
	decoding_init(&t, &s);
	for (int as = 0; as < WRAPPINGS; as++) {
		for (int six = 0; six < 2; six++) {
			if (!can_carry((enum wrapping)as, six))
				continue;
			build_inside(six, false);
			wrap((enum wrapping)as);
			if (decode_frame(&t, &frame, &p) != C_to_flow)
				fail_msg("%s is not opened", wrapping_name((enum wrapping)as));
			check_inside(&p, six);
			check_path(&p, (enum wrapping)as, six);
		}
	}
	decoding_fini(&t);
}

static void tunnels_over_ipv6_are_opened_too(void **state)
{
	(void)state;
	struct decode_settings s = plain_settings();
	struct decoding t;
	struct packet p;

	decoding_init(&t, &s);
	for (int as = WRAP_pppoe + 1; as < WRAPPINGS; as++) {
		for (int six = 0; six < 2; six++) {
			if (!can_carry((enum wrapping)as, six))
				continue;
			build_inside(six, false);
			packet_wrap(&frame, WRAP(.as = (enum wrapping)as, .from = client6(),
						 .to = server6(), .id = some_id));
			assert_fate(decode_frame(&t, &frame, &p), to_flow);
			check_inside(&p, six);
			assert_int_equal(p.path->tunnel[0].ip_version, 6);
			if (as == WRAP_ip)
				assert_string_equal(tunnel_name(p.path->tunnel[0].type),
						    six ? "6in6" : "4in6");
		}
	}
	decoding_fini(&t);
}

static void a_plain_packet_has_no_path(void **state)
{
	(void)state;
	struct decode_settings s = plain_settings();
	struct decoding t;
	struct packet p;

	decoding_init(&t, &s);
	build_inside(false, false);
	assert_fate(decode_frame(&t, &frame, &p), to_flow);
	assert_null(p.path);
	assert_int_equal(p.key.outer, 0);
	decoding_fini(&t);
}

/* ---- the key ---- */

/* Decodes one packet there and one back, whose tunnels have ids of their own. */
static void there_and_back(const struct decode_settings *s, enum wrapping as, uint32_t there,
			   uint32_t back, bool *ret_same)
{
	struct decoding t;
	struct packet p, q;
	bool six = !can_carry(as, false);

	decoding_init(&t, s);
	build_inside(six, false);
	packet_wrap(&frame, WRAP(.as = as, .from = outer_a(), .to = outer_b(), .id = there));
	assert_fate(decode_frame(&t, &frame, &p), to_flow);
	build_inside(six, true);
	packet_wrap(&frame, WRAP(.as = as, .from = outer_b(), .to = outer_a(), .id = back));
	assert_fate(decode_frame(&t, &frame, &q), to_flow);
	assert_int_not_equal(p.side, q.side);
	*ret_same = flow_key_equal(&p.key, &q.key) && p.hash == q.hash;
	decoding_fini(&t);
}

static bool names_network(enum wrapping as)
{
	switch (type_of(as, false)) {
	case TUNNEL_pppoe:
	case TUNNEL_nvgre:
	case TUNNEL_vxlan:
	case TUNNEL_vxlan_gpe:
	case TUNNEL_geneve: return true;
	default: return false;
	}
}

static void both_directions_have_one_key(void **state)
{
	(void)state;
	struct decode_settings s = plain_settings();
	bool same;

	for (int as = 0; as < WRAPPINGS; as++) {
		there_and_back(&s, (enum wrapping)as, 0x1234, 0x1234, &same);
		assert_true(same);
		there_and_back(&s, (enum wrapping)as, 0x1234, 0x1235, &same);
		if (same != !names_network((enum wrapping)as))
			fail_msg("%s: %s", wrapping_name((enum wrapping)as),
				 same ? "two networks are one" : "the direction is in the key");
	}
}

static void five_tuples_know_no_networks(void **state)
{
	(void)state;
	struct decode_settings s = plain_settings();
	bool same;

	s.key_without_tunnels = s.key_without_vlan = true;
	for (int as = 0; as < WRAPPINGS; as++) {
		there_and_back(&s, (enum wrapping)as, 0x1234, 0x1235, &same);
		assert_true(same);
	}
}

static void what_names_no_network_leaves_the_key_alone(void **state)
{
	(void)state;
	struct decode_settings s = plain_settings();
	struct decoding t;
	struct packet p, plain;

	decoding_init(&t, &s);
	build_inside(false, false);
	assert_fate(decode_frame(&t, &frame, &plain), to_flow);
	wrap(WRAP_gtp);
	assert_fate(decode_frame(&t, &frame, &p), to_flow);
	assert_true(flow_key_equal(&p.key, &plain.key));
	wrap(WRAP_vxlan);
	assert_fate(decode_frame(&t, &frame, &p), to_flow);
	assert_false(flow_key_equal(&p.key, &plain.key));
	decoding_fini(&t);
}

/* ---- VLAN tags ---- */

static void tags_inside_are_the_packets_and_tags_outside_the_tunnels(void **state)
{
	(void)state;
	struct decode_settings s = plain_settings();
	struct decoding t;
	struct packet p;

	decoding_init(&t, &s);
	for (int as = 0; as < WRAPPINGS; as++) {
		bool frames = wrapping_carries_frame((enum wrapping)as);
		bool in_frame = as == WRAP_mpls || as == WRAP_pppoe;
		bool six = !can_carry((enum wrapping)as, false);

		packet_build(&frame, PACKET(.from = six ? client6() : client4(),
					    .to = six ? server6() : server4(), .vlan = { 12 },
					    .vlans = 1, PAYLOAD("hello")));
		packet_wrap(&frame, WRAP(.as = (enum wrapping)as, .from = outer_a(),
					 .to = outer_b(), .id = some_id, .vlan = 7));
		assert_fate(decode_frame(&t, &frame, &p), to_flow);
		assert_int_equal(p.key.vlan[0], frames     ? VLAN_PRESENT | 12
						: in_frame ? VLAN_PRESENT | 7
							   : 0);
		assert_int_equal(p.path->vlan[0], p.key.vlan[0]);
		assert_int_equal(p.path->tunnel[0].vlan[0], in_frame ? 0 : VLAN_PRESENT | 7);
	}
	decoding_fini(&t);
}

/* ---- depth ---- */

/* Any that carries IPv4 and is one encapsulation. */
static enum wrapping any_wrapping(void)
{
	enum wrapping as;

	do
		as = (enum wrapping)(rand() % WRAPPINGS);
	while (!can_carry(as, false) || as == WRAP_gre_mpls);
	return as;
}

static void every_nesting_is_opened_to_the_limit_and_not_beyond(void **state)
{
	(void)state;
	struct decode_settings s = plain_settings();
	struct decoding t;
	struct packet p;

	srand(4);
	decoding_init(&t, &s);
	for (int round = 0; round < 2000; round++) {
		enum wrapping used[9];

		build_inside(false, false);
		for (uint32_t depth = 0; depth < 9; depth++) {
			do
				used[depth] = any_wrapping();
			/* Labels and PPPoE replace the frame's header, and what carries a packet
			 * takes it from behind that. */
			while (depth > 0 && used[depth - 1] <= WRAP_pppoe &&
			       !wrapping_carries_frame(used[depth]));
			wrap(used[depth]);
			if (depth > 0 && used[depth - 1] <= WRAP_pppoe)
				assert_true(wrapping_carries_frame(used[depth]));

			enum counter fate = decode_frame(&t, &frame, &p);

			if (depth == 8) {
				assert_fate(fate, malformed_too_deep);
				continue;
			}
			if (fate != C_to_flow)
				fail_msg("%s at depth %u: %s", wrapping_name(used[depth]), depth,
					 ledger_line[fate].id);
			check_inside(&p, false);
			assert_int_equal(p.path->count, depth + 1);
			for (uint32_t i = 0; i <= depth; i++)
				assert_int_equal(p.path->tunnel[i].type,
						 type_of(used[depth - i], false));
		}
	}
	decoding_fini(&t);
}

static void tags_and_tunnels_count_together(void **state)
{
	(void)state;
	packet_build(&frame, PACKET(.from = client4(), .to = server4(),
				    .vlan = { 1, 2, 3, 4, 5, 6 }, .vlans = 6, PAYLOAD("hello")));
	packet_wrap(&frame, WRAP(.as = WRAP_vxlan, .from = outer_a(), .to = outer_b(), .vlan = 9));
	assert_fate(fate_of(&frame), to_flow);
	packet_wrap(&frame, WRAP(.as = WRAP_erspan_2, .from = outer_a(), .to = outer_b()));
	assert_fate(fate_of(&frame), malformed_too_deep);
}

/* ---- fragments ---- */

/* Cuts what is in the outermost IPv4 packet of `from` at `at`. */
static void cut(const struct frame *from, uint32_t at, struct frame ret[2], uint16_t id)
{
	uint32_t network_at = 14, body_at = network_at + 20, bytes = from->bytes - body_at;

	for (int i = 0; i < 2; i++) {
		uint32_t first = i == 0 ? 0 : at, last = i == 0 ? at : bytes;
		uint32_t total = 20 + last - first, offset = first / 8 | (i == 0 ? 0x2000 : 0);

		ret[i] = *from;
		ret[i].network_at = network_at;
		ret[i].at[network_at + 2] = (uint8_t)(total >> 8);
		ret[i].at[network_at + 3] = (uint8_t)total;
		ret[i].at[network_at + 4] = (uint8_t)(id >> 8);
		ret[i].at[network_at + 5] = (uint8_t)id;
		ret[i].at[network_at + 6] = (uint8_t)(offset >> 8);
		ret[i].at[network_at + 7] = (uint8_t)offset;
		memcpy(ret[i].at + body_at, from->at + body_at + first, last - first);
		ret[i].bytes = body_at + last - first;
		packet_sum_ip(&ret[i]);
	}
}

static struct frame half[2], quarter[4];

static void a_datagram_put_together_is_opened(void **state)
{
	(void)state;
	struct decode_settings s = plain_settings();
	struct decoding t;
	struct packet p;

	s.checksum = true;
	decoding_init(&t, &s);
	for (int as = WRAP_pppoe + 1; as < WRAPPINGS; as++) {
		bool six = !can_carry((enum wrapping)as, false);

		build_inside(six, false);
		wrap((enum wrapping)as);
		cut(&frame, 16, half, (uint16_t)(as + 1));
		assert_fate(decode_frame(&t, &half[1], &p), fragment_kept);
		assert_fate(decode_frame(&t, &half[0], &p), to_flow);
		check_inside(&p, six);
		check_path(&p, (enum wrapping)as, six);
	}
	decoding_fini(&t);
}

static void fragments_inside_are_put_together_in_their_own_tunnel(void **state)
{
	(void)state;
	struct decode_settings s = plain_settings();
	struct decoding t;
	struct packet p;

	decoding_init(&t, &s);
	for (int as = 0; as < WRAPPINGS; as++) {
		if (!can_carry((enum wrapping)as, false) || as == WRAP_gre_mpls)
			continue;
		build_inside(false, false);
		cut(&frame, 16, half, 77);
		frame = half[0];
		wrap((enum wrapping)as);
		assert_fate(decode_frame(&t, &frame, &p), fragment_kept);
		/* The same datagram's number in another tunnel is another datagram. */
		if (has_id((enum wrapping)as)) {
			frame = half[1];
			packet_wrap(&frame, WRAP(.as = (enum wrapping)as, .from = outer_a(),
						 .to = outer_b(), .id = some_id + 1));
			assert_fate(decode_frame(&t, &frame, &p), fragment_kept);
		}
		frame = half[1];
		wrap((enum wrapping)as);
		assert_fate(decode_frame(&t, &frame, &p), to_flow);
		check_inside(&p, false);
	}
	decoding_fini(&t);
}

static void fragments_in_fragments_are_put_together_and_each_is_counted(void **state)
{
	(void)state;
	struct decode_settings s = plain_settings();
	static struct burst b;
	struct decoding t;

	decoding_init(&t, &s);
	build_inside(false, false);
	cut(&frame, 16, half, 5);
	for (int i = 0; i < 2; i++) {
		frame = half[i];
		wrap(WRAP_vxlan);
		cut(&frame, 32, &quarter[2 * i], (uint16_t)(100 + i));
	}
	b.count = 4;
	for (int i = 0; i < 4; i++)
		b.packet[i] = next_packet(&t, &quarter[i]);
	decode_burst(&t.decode, &b);
	assert_int_equal(b.count, 1);
	check_inside(&b.packet[0], false);
	check_path(&b.packet[0], WRAP_vxlan, false);
	assert_int_equal(t.counters.value[C_datagrams_completed], 3);
	assert_int_equal(t.counters.value[C_fragment_kept], 6);
	assert_int_equal(packets_residual(&t.counters, 1), 0);
	decoding_fini(&t);
}

/* ---- what is no tunnel ---- */

static const enum wrapping in_udp[] = {
	WRAP_vxlan, WRAP_vxlan_policy,   WRAP_vxlan_gpe, WRAP_geneve, WRAP_geneve_options,
	WRAP_gtp,   WRAP_gtp_extensions, WRAP_l2tp_all,  WRAP_teredo,
};

static bool is_opened(struct decoding *t, const struct frame *f)
{
	struct packet p;

	assert_fate(decode_frame(t, f, &p), to_flow);
	assert_int_equal(p.path != NULL, p.key.protocol == IPPROTO_TCP);
	return p.path != NULL;
}

/* Where the payload of UDP begins. */
enum { UDP_PAYLOAD_AT = 14 + 20 + 8 };

/* Bits of the tunnel's header that are fixed: flags, versions, lengths, what is reserved. */
struct fixed {
	enum wrapping as;
	uint32_t at;
	uint8_t mask;
};
static const struct fixed fixed[] = {
	{ WRAP_vxlan, 0, 0x7f },
	{ WRAP_vxlan, 1, 0xff },
	{ WRAP_vxlan, 2, 0xff },
	{ WRAP_vxlan, 3, 0xff },
	{ WRAP_vxlan, 7, 0xff },
	{ WRAP_vxlan_policy, 1, 0xb7 },
	{ WRAP_vxlan_gpe, 0, 0xf9 },
	{ WRAP_vxlan_gpe, 1, 0xff },
	{ WRAP_vxlan_gpe, 2, 0xff },
	{ WRAP_vxlan_gpe, 7, 0xff },
	{ WRAP_geneve, 0, 0xc0 },
	{ WRAP_geneve, 1, 0xbf },
	{ WRAP_geneve, 7, 0xff },
	{ WRAP_geneve_options, 0, 0xc7 },
	{ WRAP_geneve_options, 11, 0x03 },
	{ WRAP_gtp, 0, 0xf8 },
	{ WRAP_gtp, 1, 0xff },
	{ WRAP_gtp, 2, 0xff },
	{ WRAP_gtp, 3, 0xff },
	{ WRAP_gtp_extensions, 0, 0xf8 },
	{ WRAP_gtp_extensions, 16, 0x7f },
	{ WRAP_l2tp_all, 0, 0xb4 },
	{ WRAP_l2tp_all, 1, 0xff },
	{ WRAP_l2tp_all, 2, 0xff },
	{ WRAP_l2tp_all, 3, 0xff },
	{ WRAP_teredo, 0, 0xf0 },
	{ WRAP_teredo, 4, 0xff },
};

static void one_wrong_bit_makes_it_an_ordinary_udp_packet(void **state)
{
	(void)state;
	struct decode_settings s = plain_settings();
	struct decoding t;

	decoding_init(&t, &s);
	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++) {
		const struct fixed *x = &fixed[i];

		build_inside(!can_carry(x->as, false), false);
		wrap(x->as);
		assert_true(is_opened(&t, &frame));
		for (int bit = 0; bit < 8; bit++) {
			if ((x->mask >> bit & 1) == 0)
				continue;
			frame.at[UDP_PAYLOAD_AT + x->at] ^= (uint8_t)(1u << bit);
			if (is_opened(&t, &frame))
				fail_msg("%s is opened in spite of byte %u, bit %d",
					 wrapping_name(x->as), x->at, bit);
			frame.at[UDP_PAYLOAD_AT + x->at] ^= (uint8_t)(1u << bit);
		}
	}
	decoding_fini(&t);
}

static void what_is_inside_must_be_what_it_is_called(void **state)
{
	(void)state;
	struct decode_settings s = plain_settings();
	struct decoding t;

	decoding_init(&t, &s);
	for (size_t i = 0; i < sizeof(in_udp) / sizeof(in_udp[0]); i++) {
		build_inside(!can_carry(in_udp[i], false), false);
		wrap(in_udp[i]);
		frame.at[frame.inside_at] ^= 0x20; /* the version: 6, or 4 */
		assert_false(is_opened(&t, &frame));
		frame.at[frame.inside_at] = 0x10;
		assert_false(is_opened(&t, &frame));
	}
	decoding_fini(&t);
}

static void text_on_a_tunnels_port_stays_udp(void **state)
{
	(void)state;
	static const uint16_t ports[] = { 1701, 2152, 3544, 4789, 4790, 6081, 8472 };
	struct decode_settings s = plain_settings();
	struct decoding t;

	decoding_init(&t, &s);
	for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++) {
		struct endpoint to = server4();

		to.port = ports[i];
		packet_build(&frame,
			     PACKET(.from = client4(), .to = to, .protocol = IPPROTO_UDP,
				    PAYLOAD("nothing that looks like a tunnel to anybody")));
		assert_false(is_opened(&t, &frame));
		packet_build(&frame, PACKET(.from = client4(), .to = to, .protocol = IPPROTO_UDP));
		assert_false(is_opened(&t, &frame));
	}
	decoding_fini(&t);
}

static void a_tunnel_on_another_port_stays_udp(void **state)
{
	(void)state;
	struct decode_settings s = plain_settings();
	struct decoding t;

	decoding_init(&t, &s);
	build_inside(false, false);
	wrap(WRAP_vxlan);
	frame.at[14 + 20 + 3] += 2;
	assert_false(is_opened(&t, &frame));
	decoding_fini(&t);
}

/* ---- malformed ---- */

static void gre_that_cannot_be_is_malformed(void **state)
{
	(void)state;
	enum { GRE_AT = 14 + 20 };

	build_inside(false, false);
	wrap(WRAP_gre);
	frame.at[GRE_AT + 1] = 2; /* version */
	assert_fate(fate_of(&frame), malformed_tunnel);
	build_inside(false, false);
	wrap(WRAP_pptp);
	frame.at[GRE_AT] &= 0xdf; /* no key */
	assert_fate(fate_of(&frame), malformed_tunnel);
	build_inside(false, false);
	wrap(WRAP_erspan_2);
	frame.at[GRE_AT + 8] = 0x30; /* version */
	assert_fate(fate_of(&frame), malformed_tunnel);
	build_inside(false, false);
	wrap(WRAP_etherip);
	frame.at[GRE_AT] = 0x40;
	assert_fate(fate_of(&frame), malformed_tunnel);
	build_inside(false, false);
	wrap(WRAP_gre_all);
	frame.at[GRE_AT + 19] = 255; /* a source route beyond the end */
	assert_fate(fate_of(&frame), malformed_tunnel);
}

static void gre_checksums_are_verified_when_asked(void **state)
{
	(void)state;
	struct decode_settings s = plain_settings();
	struct decoding t;
	struct packet p;

	s.checksum = true;
	decoding_init(&t, &s);
	build_inside(false, false);
	wrap(WRAP_gre_all);
	frame.at[frame.bytes - 1] ^= 1;
	assert_fate(decode_frame(&t, &frame, &p), malformed_tunnel);
	assert_fate(fate_of(&frame), to_flow);
	decoding_fini(&t);
}

static void what_is_inside_is_verified_too(void **state)
{
	(void)state;
	struct decode_settings s = plain_settings();
	struct decoding t;
	struct packet p;

	s.checksum = true;
	decoding_init(&t, &s);
	build_inside(false, false);
	frame.at[frame.bytes - 1] ^= 1;
	wrap(WRAP_vxlan);
	assert_fate(decode_frame(&t, &frame, &p), malformed_l4_checksum);
	decoding_fini(&t);
}

static void what_is_no_packet_of_users_is_passed_over(void **state)
{
	(void)state;
	packet_build(&frame, PACKET(.from = client4(), .to = server4(), .protocol = 47,
				    .payload = "\0\0\0\0", .payload_bytes = 4));
	assert_fate(fate_of(&frame), passed_not_ip); /* a keep-alive */
	packet_build(&frame,
		     PACKET(.from = client4(), .to = server4(), .protocol = 47,
			    .payload = "\x20\x81\x88\x0b\0\0\0\1\0\0\0\2", .payload_bytes = 12));
	assert_fate(fate_of(&frame), passed_not_ip); /* PPTP: an acknowledgement alone */
	packet_build(&frame, PACKET(.from = client4(), .to = server4(), .protocol = 47,
				    .payload = "\0\0\x08\x06 who has", .payload_bytes = 12));
	assert_fate(fate_of(&frame), passed_arp);
}

static void extension_headers_of_gtp_have_a_limit(void **state)
{
	(void)state;
	static uint8_t payload[256] = { 0x34, 255, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0x85 };
	uint32_t bytes = 12;

	for (int i = 0; i < 20; i++, bytes += 4)
		memcpy(payload + bytes, "\1aa\x85", 4);
	payload[3] = (uint8_t)(bytes - 8);

	struct endpoint to = server4();

	to.port = 2152;
	packet_build(&frame, PACKET(.from = client4(), .to = to, .protocol = IPPROTO_UDP,
				    .payload = payload, .payload_bytes = bytes));
	assert_fate(fate_of(&frame), malformed_too_deep);
}

static void what_the_mirror_cut_off_is_not_captured(void **state)
{
	(void)state;
	struct decode_settings s = plain_settings();
	struct decoding t;
	struct packet p;

	decoding_init(&t, &s);
	build_inside(false, false);
	frame.bytes -= 3;
	wrap(WRAP_erspan_2);
	frame.at[14 + 20 + 8 + 2] |= 4;
	assert_fate(decode_frame(&t, &frame, &p), to_flow);
	assert_int_equal(p.payload_bytes, 5);
	assert_int_equal(p.payload_captured_bytes, 2);
	decoding_fini(&t);
}

static void udp_over_ipv6_may_do_without_checksum_around_a_tunnel_only(void **state)
{
	(void)state;
	struct decode_settings s = plain_settings();
	struct decoding t;
	struct packet p;

	s.checksum = true;
	decoding_init(&t, &s);
	build_inside(false, false);
	packet_wrap(&frame, WRAP(.as = WRAP_vxlan, .from = client6(), .to = server6(), .id = 5));
	frame.at[14 + 40 + 6] = frame.at[14 + 40 + 7] = 0;
	assert_fate(decode_frame(&t, &frame, &p), to_flow);
	check_inside(&p, false);
	frame.at[14 + 40 + 3] += 2;
	assert_fate(decode_frame(&t, &frame, &p), malformed_l4_checksum);
	decoding_fini(&t);
}

/* ---- hostile bytes ---- */

static void try_at_the_edge(struct decoding *t, struct guarded *g, uint32_t bytes, bool honest)
{
	struct packet p = next_packet(t, &frame);

	p.caplen_bytes = bytes;
	p.wire_bytes = honest ? frame.bytes : bytes;
	p.frame = guarded_put(g, frame.at, bytes);
	if (decode_one(&t->decode, &p) != C_to_flow)
		return;
	assert_true(p.payload_captured_bytes <= p.payload_bytes);
	for (uint32_t k = 0; k < p.payload_captured_bytes; k++)
		(void)*(const volatile uint8_t *)(p.payload + k);
}

static void no_tunnel_reads_behind_the_captured_bytes(void **state)
{
	(void)state;
	struct decode_settings s = plain_settings();
	struct decoding t;
	struct guarded g;

	s.checksum = true;
	guarded_init(&g, FRAME_BYTES_MAX);
	decoding_init(&t, &s);
	for (int as = 0; as < WRAPPINGS; as++) {
		for (int six = 0; six < 2; six++) {
			build_inside(six, false);
			wrap((enum wrapping)as);
			for (uint32_t bytes = 0; bytes <= frame.bytes; bytes++) {
				try_at_the_edge(&t, &g, bytes, true);
				try_at_the_edge(&t, &g, bytes, false);
			}
		}
	}
	decoding_fini(&t);
	guarded_fini(&g);
}

static void mutated_tunnels_read_nothing_else(void **state)
{
	(void)state;
	struct decode_settings s = plain_settings();
	struct decoding t;
	struct guarded g;

	srand(9);
	guarded_init(&g, FRAME_BYTES_MAX);
	decoding_init(&t, &s);
	for (int round = 0; round < 60000; round++) {
		build_inside(rand() % 2, false);
		for (int depth = rand() % 3; depth >= 0; depth--)
			wrap((enum wrapping)(rand() % WRAPPINGS));
		for (int n = rand() % 4; n > 0; n--)
			frame.at[(uint32_t)rand() % frame.bytes] = (uint8_t)(rand() % 4 ? rand()
											: 0);
		try_at_the_edge(&t, &g,
				rand() % 2 ? frame.bytes : (uint32_t)rand() % (frame.bytes + 1),
				rand() % 2);
	}
	decoding_fini(&t);
	guarded_fini(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_tunnel_is_opened_and_named),
		cmocka_unit_test(tunnels_over_ipv6_are_opened_too),
		cmocka_unit_test(a_plain_packet_has_no_path),
		cmocka_unit_test(both_directions_have_one_key),
		cmocka_unit_test(five_tuples_know_no_networks),
		cmocka_unit_test(what_names_no_network_leaves_the_key_alone),
		cmocka_unit_test(tags_inside_are_the_packets_and_tags_outside_the_tunnels),
		cmocka_unit_test(every_nesting_is_opened_to_the_limit_and_not_beyond),
		cmocka_unit_test(tags_and_tunnels_count_together),
		cmocka_unit_test(a_datagram_put_together_is_opened),
		cmocka_unit_test(fragments_inside_are_put_together_in_their_own_tunnel),
		cmocka_unit_test(fragments_in_fragments_are_put_together_and_each_is_counted),
		cmocka_unit_test(one_wrong_bit_makes_it_an_ordinary_udp_packet),
		cmocka_unit_test(what_is_inside_must_be_what_it_is_called),
		cmocka_unit_test(text_on_a_tunnels_port_stays_udp),
		cmocka_unit_test(a_tunnel_on_another_port_stays_udp),
		cmocka_unit_test(gre_that_cannot_be_is_malformed),
		cmocka_unit_test(gre_checksums_are_verified_when_asked),
		cmocka_unit_test(what_is_inside_is_verified_too),
		cmocka_unit_test(what_is_no_packet_of_users_is_passed_over),
		cmocka_unit_test(extension_headers_of_gtp_have_a_limit),
		cmocka_unit_test(what_the_mirror_cut_off_is_not_captured),
		cmocka_unit_test(udp_over_ipv6_may_do_without_checksum_around_a_tunnel_only),
		cmocka_unit_test(no_tunnel_reads_behind_the_captured_bytes),
		cmocka_unit_test(mutated_tunnels_read_nothing_else),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
