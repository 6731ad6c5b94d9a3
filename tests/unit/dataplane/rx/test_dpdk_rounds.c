/* Proves dpdk_rounds.h: addresses are found behind tags, both are changed by the same bits, all
 * checksums stay right, rounds can be gone back, a flow belongs to the same worker in each, and
 * what has no addresses, or is cut, is left alone.
 */
#include "dataplane/rx/dpdk_rounds.h"

#include <string.h>

#include "dataplane/base/compiler.h"
#include "tests/support/check.h"
#include "tests/support/guarded.h"
#include "tests/support/packets.h"

static uint16_t get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static uint32_t sum_of(const uint8_t *at, uint32_t bytes)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < bytes; i++)
		sum += i % 2 == 0 ? (uint32_t)at[i] << 8 : at[i];
	return sum;
}

static uint32_t folded(uint32_t sum)
{
	while (sum > 0xffff)
		sum = (sum >> 16) + (sum & 0xffff);
	return sum;
}

/* sums_are_right - of the IPv4 header, and of TCP or UDP with the pseudo header. */
static bool sums_are_right(const struct frame *f, bool v6)
{
	const uint8_t *ip = f->at + f->network_at, *l4 = f->at + f->transport_at;
	uint32_t l4_bytes = f->bytes - f->transport_at;
	uint32_t pseudo = sum_of(ip + (v6 ? 8 : 12), v6 ? 32 : 8) + ip[v6 ? 6 : 9] + l4_bytes;

	if (!v6 && folded(sum_of(ip, 20)) != 0xffff)
		return false;
	return folded(pseudo + sum_of(l4, l4_bytes)) == 0xffff;
}

static const struct packet_spec tcp4 = { .from = { { 10, 1, 2, 3 }, 4, 40000 },
					 .to = { { 10, 9, 8, 7 }, 4, 80 },
					 .flags = 0x18,
					 .seq = 1,
					 PAYLOAD("GET / HTTP/1.1\r\n\r\n") };

static void both_addresses_change_and_every_sum_stays_right(void **state)
{
	static const uint32_t rounds[] = { 1, 2, 0xff, 0x12345, 0xffffff };
	struct packet_spec v6 = tcp4, udp = tcp4;

	(void)state;
	v6.from = endpoint("2001:db8::1", 40000);
	v6.to = endpoint("2001:db8::ffff:ffff", 80);
	udp.protocol = 17;
	for (size_t i = 0; i < array_count(rounds); i++) {
		const struct packet_spec *spec[] = { &tcp4, &udp, &v6 };

		for (int s = 0; s < 3; s++) {
			struct frame f, before;
			struct dpdk_round_place p;
			uint32_t at = s == 2 ? 20 : 12, to = s == 2 ? 36 : 16;

			packet_build(&f, spec[s]);
			before = f;
			p = dpdk_round_locate(f.at, f.bytes);
			assert_int_equal(p.ip, f.network_at);
			assert_true(sums_are_right(&f, s == 2));
			dpdk_round_rewrite(f.at, p, rounds[i]);
			assert_true(sums_are_right(&f, s == 2));
			for (uint32_t b = 0; b < 4; b++) {
				uint8_t change = (uint8_t)(rounds[i] >> (24 - 8 * b));

				assert_int_equal(f.at[p.ip + at + b] ^ before.at[p.ip + at + b],
						 change);
				assert_int_equal(f.at[p.ip + to + b] ^ before.at[p.ip + to + b],
						 change);
			}
			dpdk_round_rewrite(f.at, p, rounds[i]);
			assert_memory_equal(f.at, before.at, f.bytes);
		}
	}
}

static void the_first_byte_of_an_ipv4_address_stays(void **state)
{
	struct frame f;

	(void)state;
	packet_build(&f, &tcp4);
	dpdk_round_rewrite(f.at, dpdk_round_locate(f.at, f.bytes), UINT32_MAX);
	assert_int_equal(f.at[f.network_at + 12], 10);
	assert_int_equal(f.at[f.network_at + 16], 10);
	assert_true(sums_are_right(&f, false));
}

static void addresses_are_found_behind_tags(void **state)
{
	struct packet_spec tagged = tcp4;
	struct frame f;

	(void)state;
	tagged.vlan[0] = 7;
	tagged.vlan[1] = 8;
	for (tagged.vlans = 1; tagged.vlans <= 2; tagged.vlans++) {
		packet_build(&f, &tagged);
		assert_int_equal(dpdk_round_locate(f.at, f.bytes).ip, f.network_at);
	}
	tagged.vlans = 3; /* nobody has so many */
	packet_build(&f, &tagged);
	assert_int_equal(dpdk_round_locate(f.at, f.bytes).ip, 0);
}

static void a_udp_sum_that_was_not_computed_stays_so(void **state)
{
	struct packet_spec udp = tcp4;
	struct frame f;

	(void)state;
	udp.protocol = 17;
	packet_build(&f, &udp);
	memset(f.at + f.transport_at + 6, 0, 2);
	dpdk_round_rewrite(f.at, dpdk_round_locate(f.at, f.bytes), 5);
	assert_int_equal(get16(f.at + f.transport_at + 6), 0);
}

static void a_later_fragment_has_no_sum_of_tcp(void **state)
{
	struct frame f;

	(void)state;
	packet_build(&f, &tcp4);
	f.at[f.network_at + 7] = 9;
	assert_int_equal(dpdk_round_locate(f.at, f.bytes).checksum, 0);
	assert_int_equal(dpdk_round_locate(f.at, f.bytes).ip, f.network_at);
}

static void what_has_no_addresses_is_left_alone(void **state)
{
	uint8_t arp[60] = { [12] = 8, [13] = 6 }, before[60];
	struct dpdk_round_place p = dpdk_round_locate(arp, sizeof(arp));

	(void)state;
	memcpy(before, arp, sizeof(arp));
	assert_int_equal(p.ip, 0);
	dpdk_round_rewrite(arp, p, 77);
	assert_memory_equal(arp, before, sizeof(arp));
}

/* A frame that ends anywhere is looked at only as far as it goes, and changed no further. */
static void no_length_is_read_or_written_beyond(void **state)
{
	struct packet_spec v6 = tcp4, tagged = tcp4;
	const struct packet_spec *spec[] = { &tcp4, &v6, &tagged };
	struct guarded g;

	(void)state;
	guarded_init(&g, FRAME_BYTES_MAX);
	v6.from = endpoint("2001:db8::1", 40000);
	v6.to = endpoint("2001:db8::2", 80);
	tagged.vlans = 2;
	for (int s = 0; s < 3; s++) {
		struct frame f;

		packet_build(&f, spec[s]);
		for (uint32_t bytes = 0; bytes <= f.bytes; bytes++) {
			uint8_t *at = g.end - bytes;
			struct dpdk_round_place p;

			memcpy(at, f.at, bytes);
			p = dpdk_round_locate(at, bytes);
			dpdk_round_rewrite(at, p, 0x010203);
			(void)dpdk_round_spread(at, p, bytes, (struct spread){ 3, 5 });
		}
	}
	guarded_fini(&g);
}

static void flows_go_where_they_belong_in_every_round(void **state)
{
	static const struct spread spread = { 0x9e3779b1, 0x85ebca6b };
	static const char *const ends[][2] = { { "10.0.0.1", "10.9.8.7" },
					       { "2001:db8::1", "fd00:1:2:3:4:5:6:7" } };

	(void)state;
	for (uint16_t port = 1000; port < 1400; port++) {
		struct packet_spec there = tcp4, back = tcp4;
		const char *const *end = ends[port % 2];
		struct dpdk_round_place p;
		struct flow_key key = { .port = { 80, port } };
		struct frame a, b;
		uint32_t number;

		there.from = back.to = endpoint(end[0], port);
		there.to = back.from = endpoint(end[1], 80);
		memcpy(key.address[0], there.from.address, 16);
		memcpy(key.address[1], there.to.address, 16);
		packet_build(&a, &there);
		packet_build(&b, &back);
		p = dpdk_round_locate(a.at, a.bytes);
		number = flow_key_spread(&key, spread);
		assert_int_equal(dpdk_round_spread(a.at, p, a.bytes, spread), number);
		assert_int_equal(dpdk_round_spread(b.at, p, b.bytes, spread), number);
		dpdk_round_rewrite(a.at, p, port * 12345u);
		assert_int_equal(dpdk_round_spread(a.at, p, a.bytes, spread), number);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_addresses_change_and_every_sum_stays_right),
		cmocka_unit_test(the_first_byte_of_an_ipv4_address_stays),
		cmocka_unit_test(addresses_are_found_behind_tags),
		cmocka_unit_test(a_udp_sum_that_was_not_computed_stays_so),
		cmocka_unit_test(a_later_fragment_has_no_sum_of_tcp),
		cmocka_unit_test(what_has_no_addresses_is_left_alone),
		cmocka_unit_test(no_length_is_read_or_written_beyond),
		cmocka_unit_test(flows_go_where_they_belong_in_every_round),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
