/* Proves what pcapng.h promises: sections in both byte orders, interfaces with their link type,
 * name and clock, all three packet blocks, drop counts, and damage told with its offset for
 * everything that contradicts itself.
 */
#include "dataplane/rx/pcapng.h"

#include "captures.h"

static void sections_and_interfaces_each_have_their_own_ways(void **state)
{
	struct blob b = { 0 };
	struct drained d;

	(void)state;
	ng_section(&b);
	ng_interface(&b, LINK_ETHERNET, 0);
	ng_interface(&b, LINK_RAW, 0);
	ng_packet(&b, 1, 1000000, 1, 33);
	b.swapped = true;
	ng_section(&b);
	ng_interface(&b, LINK_LINUX_SLL2, 0);
	ng_packet(&b, 0, 3000000, 2, 34);
	d = drain_blob(&b);
	assert_int_equal(d.state, RX_END);
	assert_int_equal(d.packets, 2);
	assert_int_equal(d.first.link, LINK_RAW);
	assert_int_equal(d.first.ts_ns, UINT64_C(1000000000));
	assert_int_equal(d.last.link, LINK_LINUX_SLL2);
	assert_int_equal(d.last.ts_ns, UINT64_C(3000000000));
}

static void interfaces_of_a_section_end_with_it(void **state)
{
	struct blob b = { 0 };
	struct drained d;

	(void)state;
	ng_section(&b);
	ng_interface(&b, LINK_ETHERNET, 0);
	ng_packet(&b, 0, 0, 1, 33);
	ng_section(&b);
	ng_packet(&b, 0, 0, 2, 33);
	d = drain_blob(&b);
	assert_int_equal(d.packets, 1);
	assert_int_equal(d.state, RX_DAMAGED);
	assert_non_null(strstr(d.err.text, "a packet of interface 0, which is not described"));
}

static uint64_t ns_of(uint8_t resolution, uint64_t offset_s, uint64_t ticks)
{
	struct blob b = { 0 };
	struct drained d;
	size_t at;

	ng_section(&b);
	at = ng_interface_begin(&b, LINK_ETHERNET, 0);
	block_option(&b, 9, &resolution, 1);
	block_option_u64(&b, 14, offset_s);
	block_option(&b, 0, NULL, 0);
	block_end(&b, at);
	ng_packet(&b, 0, ticks, 1, 1);
	d = drain_blob(&b);
	return d.state == RX_END ? d.last.ts_ns : UINT64_MAX;
}

static void time_stamps_of_every_resolution_become_nanoseconds(void **state)
{
	(void)state;
	assert_int_equal(ns_of(0, 0, 7), UINT64_C(7000000000));
	assert_int_equal(ns_of(3, 0, 7), 7000000);
	assert_int_equal(ns_of(9, 0, 7), 7);
	assert_int_equal(ns_of(12, 0, 7999), 7);
	assert_int_equal(ns_of(18, 0, UINT64_C(7000000000)), 7);
	assert_int_equal(ns_of(0x80, 0, 7), UINT64_C(7000000000));
	assert_int_equal(ns_of(0x80 | 1, 0, 7), UINT64_C(3500000000));
	assert_int_equal(ns_of(0x80 | 32, 0, UINT64_C(5) << 32 | UINT64_C(1) << 31),
			 UINT64_C(5500000000));
	assert_int_equal(ns_of(0x80 | 62, 0, UINT64_C(1) << 61), 500000000);
	assert_int_equal(ns_of(6, 100, 1), UINT64_C(100000001000));
	assert_int_equal(ns_of(6, (uint64_t)-100, 200000000), UINT64_C(100000000000));
}

static void absurd_resolutions_are_refused(void **state)
{
	(void)state;
	assert_int_equal(ns_of(19, 0, 1), UINT64_MAX);
	assert_int_equal(ns_of(127, 0, 1), UINT64_MAX);
	assert_int_equal(ns_of(0x80 | 63, 0, 1), UINT64_MAX);
	assert_int_equal(ns_of(0xff, 0, 1), UINT64_MAX);
}

struct told {
	uint32_t count;
	char name[4][PCAPNG_NAME_BYTES];
};

static uint16_t note_name(void *context, const char *name)
{
	struct told *t = context;

	assert_true(t->count < 4);
	strcpy(t->name[t->count], name);
	return (uint16_t)t->count++;
}

static void names_are_told_and_their_index_comes_back_plus_one(void **state)
{
	struct blob b = { 0 };
	struct told told = { 0 };
	struct rx_open how = how_default();
	char longest[200];
	struct held_file f;
	struct drained d;
	const char *path;
	size_t at;

	(void)state;
	memset(longest, 'n', sizeof(longest));
	ng_section(&b);
	ng_interface(&b, LINK_ETHERNET, 0); /* nameless */
	at = ng_interface_begin(&b, LINK_ETHERNET, 0);
	block_option(&b, 2, "eth0", 4);
	block_end(&b, at);
	at = ng_interface_begin(&b, LINK_ETHERNET, 0);
	block_option(&b, 2, longest, sizeof(longest));
	block_end(&b, at);
	ng_packet(&b, 0, 0, 1, 1);
	f = file_of_bytes(b.at, b.bytes);
	path = f.path;
	how.iface = note_name;
	how.iface_context = &told;
	inputs_name(1, &path);
	d = drain(port_open("file", &how), true);
	assert_int_equal(d.last.iface, 0);
	assert_int_equal(told.count, 2);
	assert_string_equal(told.name[0], "eth0");
	assert_int_equal(strlen(told.name[1]), PCAPNG_NAME_BYTES - 1);
	close(f.fd);

	ng_packet(&b, 2, 0, 2, 1);
	f = file_of(&b);
	told.count = 0;
	inputs_name(1, &path);
	d = drain(port_open("file", &how), true);
	assert_int_equal(d.last.iface, 2);
	close(f.fd);
}

static void simple_packets_take_length_and_time_from_elsewhere(void **state)
{
	struct blob b = { 0 };
	struct drained d;
	size_t at;

	(void)state;
	ng_section(&b);
	ng_interface(&b, LINK_ETHERNET, 40);
	ng_packet(&b, 0, 5000000, 1, 30);
	at = block_begin(&b, 3); /* cut by the snap length */
	blob_u32(&b, 100);
	blob_frame(&b, 2, 40);
	block_end(&b, at);
	at = block_begin(&b, 3); /* padded */
	blob_u32(&b, 33);
	blob_frame(&b, 3, 33);
	block_end(&b, at);
	d = drain_blob(&b);
	assert_int_equal(d.packets, 3);
	assert_int_equal(d.last.caplen_bytes, 33);
	assert_int_equal(d.last.wire_bytes, 33);
	assert_int_equal(d.last.ts_ns, UINT64_C(5000000000));
}

static void obsolete_packets_and_their_drops_are_read(void **state)
{
	static const uint16_t drops[] = { 5, 0xffff /* unknown */, 2 };
	struct blob b = { 0 };
	struct drained d;

	(void)state;
	ng_section(&b);
	ng_interface(&b, LINK_ETHERNET, 0);
	for (uint32_t i = 0; i < 3; i++) {
		size_t at = block_begin(&b, 2);

		blob_u16(&b, 0);
		blob_u16(&b, drops[i]);
		blob_u32(&b, 0);
		blob_u32(&b, 1000);
		blob_u32(&b, 9);
		blob_u32(&b, 99);
		blob_frame(&b, i + 1, 9);
		block_end(&b, at);
	}
	d = drain_blob(&b);
	assert_int_equal(d.packets, 3);
	assert_int_equal(d.last.wire_bytes, 99);
	assert_int_equal(d.last.ts_ns, 1000000);
	assert_int_equal(d.counters.lost[RX_LOST_nic], 7);
	assert_int_equal(d.counters.offered, 10);
}

static void statistics(struct blob *b, uint64_t dropped)
{
	size_t at = block_begin(b, 5);

	blob_u32(b, 0);
	blob_u64(b, 0);
	block_option_u64(b, 4, 1000); /* received: none of our business */
	block_option_u64(b, 5, dropped);
	block_option(b, 0, NULL, 0);
	block_end(b, at);
}

static void statistics_count_from_the_start_and_packets_from_the_last(void **state)
{
	struct blob b = { 0 };
	struct drained d;
	size_t at;

	(void)state;
	ng_section(&b);
	ng_interface(&b, LINK_ETHERNET, 0);
	statistics(&b, 10);
	statistics(&b, 15);
	statistics(&b, 3); /* went back: nothing new */
	at = ng_packet_begin(&b, 0, 0, 1, 5);
	block_option_u64(&b, 4, 100);
	block_end(&b, at);
	at = ng_packet_begin(&b, 0, 0, 2, 5);
	block_option_u64(&b, 4, UINT64_MAX); /* no count */
	block_end(&b, at);
	d = drain_blob(&b);
	assert_int_equal(d.packets, 2);
	assert_int_equal(d.counters.lost[RX_LOST_nic], 115);
	assert_int_equal(d.counters.offered, 117);
}

static void other_blocks_are_skipped_however_long(void **state)
{
	static const uint32_t length[] = { 0, 4, 300000, 20 << 20 };
	struct blob b = { 0 };
	struct drained d;

	(void)state;
	ng_section(&b);
	ng_interface(&b, LINK_ETHERNET, 0);
	for (uint32_t i = 0; i < 4; i++) {
		size_t at = block_begin(&b, 0x80000bad);
		void *zeros = calloc(1, length[i] + 1);

		blob_put(&b, zeros, length[i]);
		free(zeros);
		block_end(&b, at);
		ng_packet(&b, 0, 0, i + 1, 50);
	}
	d = drain_blob(&b);
	assert_int_equal(d.packets, 4);
	assert_int_equal(d.state, RX_END);
}

static void a_skipped_block_must_end_as_it_began(void **state)
{
	struct blob b = { 0 };
	struct drained d;
	size_t at;
	void *zeros = calloc(1, 300000);

	(void)state;
	ng_section(&b);
	at = block_begin(&b, 77);
	blob_put(&b, zeros, 300000);
	block_end(&b, at);
	free(zeros);
	b.at[b.bytes - 4] ^= 4;
	d = drain_blob(&b);
	assert_int_equal(d.state, RX_DAMAGED);
	assert_non_null(
		strstr(d.err.text, "block says 300012 bytes at its start and 300008 at its end"));
}

/* one_bad_block - after a good packet comes a block made by hand. */
static struct drained one_bad_block(uint32_t type, uint32_t length, uint32_t trailer)
{
	struct blob b = { 0 };

	ng_section(&b);
	ng_interface(&b, LINK_ETHERNET, 0);
	ng_packet(&b, 0, 0, 1, 4);
	blob_u32(&b, type);
	blob_u32(&b, length);
	for (int i = 0; i < 24; i++)
		blob_u32(&b, trailer);
	return drain_blob(&b);
}

static void lengths_that_cannot_be_are_damage(void **state)
{
	static const struct {
		uint32_t type, length, trailer;
		const char *said;
	} bad[] = {
		{ 6, 0, 0, "offset 84: block of type 6 says 0 bytes" },
		{ 99, 8, 8, "offset 84: block of type 99 says 8 bytes" },
		{ 6, 28, 28, "says 28 bytes" },
		{ 1, 16, 16, "says 16 bytes" },
		{ 99, 33, 33, "says 33 bytes" },
		{ 6, UINT32_MAX - 3, 0, "says 4294967292 bytes (limit 16777216)" },
		{ 99, 40, 44, "says 40 bytes at its start and 44 at its end" },
		{ 99, UINT32_MAX - 3, 0, "the file ends inside a block that it says" },
		{ 6, 200, 200, "the file ends inside a block, after 104 of 200 bytes" },
		{ 6, 64, 64, "a packet of interface 64" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct drained d = one_bad_block(bad[i].type, bad[i].length, bad[i].trailer);

		assert_int_equal(d.packets, 1);
		assert_int_equal(d.state, RX_DAMAGED);
		assert_non_null(strstr(d.err.text, bad[i].said));
	}
}

static void a_packet_larger_than_its_block_is_damage(void **state)
{
	struct blob b = { 0 };
	struct drained d;
	size_t at;

	(void)state;
	ng_section(&b);
	ng_interface(&b, LINK_ETHERNET, 0);
	at = ng_packet_begin(&b, 0, 0, 1, 8);
	block_end(&b, at);
	b.at[at + 20] = 9;
	d = drain_blob(&b);
	assert_int_equal(d.packets, 0);
	assert_non_null(strstr(d.err.text, "a packet of 9 bytes in a block of 40"));
}

static void broken_options_spoil_an_interface_but_not_a_packet(void **state)
{
	struct blob b = { 0 };
	struct drained d;
	size_t at;

	(void)state;
	ng_section(&b);
	ng_interface(&b, LINK_ETHERNET, 0);
	at = ng_packet_begin(&b, 0, 0, 1, 8);
	blob_u16(&b, 4);
	blob_u16(&b, 0xffff);
	block_end(&b, at);
	at = ng_interface_begin(&b, LINK_ETHERNET, 0);
	blob_u16(&b, 2);
	blob_u16(&b, 0xffff);
	block_end(&b, at);
	d = drain_blob(&b);
	assert_int_equal(d.packets, 1);
	assert_int_equal(d.state, RX_DAMAGED);
	assert_non_null(strstr(d.err.text, "the options of interface 1 do not end"));
}

static void interfaces_have_a_limit(void **state)
{
	struct blob b = { 0 };
	struct drained d;

	(void)state;
	ng_section(&b);
	for (int i = 0; i < PCAPNG_INTERFACES_MAX; i++)
		ng_interface(&b, LINK_ETHERNET, 0);
	ng_packet(&b, PCAPNG_INTERFACES_MAX - 1, 0, 1, 8);
	ng_interface(&b, LINK_ETHERNET, 0);
	d = drain_blob(&b);
	assert_int_equal(d.packets, 1);
	assert_int_equal(d.state, RX_DAMAGED);
	assert_non_null(strstr(d.err.text, "more than 65536 interfaces"));
}

static void every_prefix_ends_in_damage_or_between_blocks(void **state)
{
	struct blob b = { 0 };
	size_t whole[5], count = 0;

	(void)state;
	ng_section(&b);
	whole[count++] = b.bytes;
	ng_interface(&b, LINK_ETHERNET, 0);
	whole[count++] = b.bytes;
	ng_packet(&b, 0, 0, 1, 61);
	whole[count++] = b.bytes;
	statistics(&b, 5);
	whole[count++] = b.bytes;
	ng_packet(&b, 0, 0, 2, 62);
	whole[count++] = b.bytes;
	for (size_t cut = 28; cut <= b.bytes; cut++) {
		struct held_file f = file_of_bytes(b.at, cut);
		struct drained d = drain(file_port(f.path), true);
		bool is_whole = false;

		for (size_t i = 0; i < count; i++)
			is_whole |= cut == whole[i];
		assert_int_equal(d.state, is_whole ? RX_END : RX_DAMAGED);
		assert_int_equal(d.packets, (cut >= whole[2]) + (cut >= whole[4]));
		close(f.fd);
	}
	blob_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sections_and_interfaces_each_have_their_own_ways),
		cmocka_unit_test(interfaces_of_a_section_end_with_it),
		cmocka_unit_test(time_stamps_of_every_resolution_become_nanoseconds),
		cmocka_unit_test(absurd_resolutions_are_refused),
		cmocka_unit_test(names_are_told_and_their_index_comes_back_plus_one),
		cmocka_unit_test(simple_packets_take_length_and_time_from_elsewhere),
		cmocka_unit_test(obsolete_packets_and_their_drops_are_read),
		cmocka_unit_test(statistics_count_from_the_start_and_packets_from_the_last),
		cmocka_unit_test(other_blocks_are_skipped_however_long),
		cmocka_unit_test(a_skipped_block_must_end_as_it_began),
		cmocka_unit_test(lengths_that_cannot_be_are_damage),
		cmocka_unit_test(a_packet_larger_than_its_block_is_damage),
		cmocka_unit_test(broken_options_spoil_an_interface_but_not_a_packet),
		cmocka_unit_test(interfaces_have_a_limit),
		cmocka_unit_test(every_prefix_ends_in_damage_or_between_blocks),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
