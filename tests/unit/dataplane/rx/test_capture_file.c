/* Proves what capture_file.h promises of pcap files: every byte order, resolution and
 * record header is read; numbers, lengths and frames are right wherever the window
 * happens to end; a damaged file is read up to the damage, which is named with its offset;
 * no claimed length is believed.
 */
#include "dataplane/rx/capture_file.h"

#include "captures.h"

static void both_byte_orders_and_all_resolutions_are_read(void **state)
{
	static const struct {
		uint32_t magic;
		bool swapped;
		uint64_t ns;
	} file[] = {
		{ PCAP_US, false, 5000 },
		{ PCAP_US, true, 5000 },
		{ PCAP_NS, false, 5 },
		{ PCAP_NS, true, 5 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(file) / sizeof(file[0]); i++) {
		struct blob b = { .swapped = file[i].swapped };
		struct drained d;

		pcap_head(&b, file[i].magic, 65535, LINK_LINUX_SLL);
		pcap_record_head(&b, 1700000000, 5, 60, 1514);
		blob_frame(&b, 1, 60);
		d = drain_blob(&b);
		assert_int_equal(d.state, RX_END);
		assert_int_equal(d.packets, 1);
		assert_int_equal(d.last.ts_ns, UINT64_C(1700000000000000000) + file[i].ns);
		assert_int_equal(d.last.caplen_bytes, 60);
		assert_int_equal(d.last.wire_bytes, 1514);
		assert_int_equal(d.last.link, LINK_LINUX_SLL);
		assert_int_equal(d.last.iface, 0);
	}
}

static void longer_record_headers_of_modified_pcap_are_skipped(void **state)
{
	struct blob b = { 0 };
	struct drained d;

	(void)state;
	pcap_head(&b, PCAP_MODIFIED, 65535, LINK_ETHERNET);
	for (uint32_t i = 1; i <= 3; i++) {
		pcap_record_head(&b, 1, 0, 61, 61);
		blob_u64(&b, UINT64_MAX); /* interface, protocol, packet type */
		blob_frame(&b, i, 61);
	}
	d = drain_blob(&b);
	assert_int_equal(d.packets, 3);
	assert_int_equal(d.state, RX_END);
}

static void check_sequence_length_is_no_part_of_the_link_type(void **state)
{
	struct blob b = { 0 };

	(void)state;
	pcap_head(&b, PCAP_US, 0, LINK_ETHERNET | UINT32_C(0x24000000));
	pcap_record(&b, 1, 64);
	assert_int_equal(drain_blob(&b).last.link, LINK_ETHERNET);
}

static void fractions_of_more_than_a_second_carry(void **state)
{
	struct blob b = { 0 };

	(void)state;
	pcap_head(&b, PCAP_US, 65535, LINK_ETHERNET);
	pcap_record_head(&b, 10, 2500000, 0, 0);
	assert_int_equal(drain_blob(&b).last.ts_ns, UINT64_C(12500000000));
}

static void a_record_longer_than_the_wire_is_believed_in_what_it_has(void **state)
{
	struct blob b = { 0 };
	struct drained d;

	(void)state;
	pcap_head(&b, PCAP_US, 65535, LINK_ETHERNET);
	pcap_record_head(&b, 1, 1, 100, 20);
	blob_frame(&b, 1, 100);
	d = drain_blob(&b);
	assert_int_equal(d.last.caplen_bytes, 100);
	assert_int_equal(d.last.wire_bytes, 100);
}

static void a_header_alone_is_an_empty_capture(void **state)
{
	struct blob b = pcap_plain(1, 0);
	struct drained d = drain_blob(&b);

	(void)state;
	assert_int_equal(d.packets, 0);
	assert_int_equal(d.state, RX_END);
	assert_int_equal(d.counters.offered, 0);
}

/* Packets around the window's end, of every alignment, keep their bytes. */
static void frames_survive_the_end_of_the_window(void **state)
{
	(void)state;
	for (uint32_t shift = 0; shift < 40; shift++) {
		struct blob b = { 0 };
		struct drained d;

		pcap_head(&b, PCAP_US, 262144, LINK_ETHERNET);
		pcap_record(&b, 1, CAPTURE_WINDOW_BYTES - 24 - 16 - 20 - shift);
		for (uint32_t i = 2; i < 6; i++)
			pcap_record(&b, i, 3);
		d = drain_blob(&b);
		assert_int_equal(d.packets, 5);
		assert_int_equal(d.state, RX_END);
	}
}

static void a_record_larger_than_the_window_makes_it_grow(void **state)
{
	struct blob b = { 0 };
	struct drained d;

	(void)state;
	pcap_head(&b, PCAP_US, 1 << 20, LINK_ETHERNET);
	pcap_record(&b, 1, 10);
	pcap_record(&b, 2, 1 << 20);
	pcap_record(&b, 3, 10);
	d = drain_blob(&b);
	assert_int_equal(d.packets, 3);
	assert_int_equal(d.state, RX_END);
}

/* one_bad_record - a good record, then one that claims `caplen`. */
static struct drained one_bad_record(uint32_t snaplen, uint32_t caplen)
{
	struct blob b = { 0 };

	pcap_head(&b, PCAP_US, snaplen, LINK_ETHERNET);
	pcap_record(&b, 1, 60);
	pcap_record_head(&b, 1, 0, caplen, caplen);
	blob_frame(&b, 2, 60);
	return drain_blob(&b);
}

static void an_impossible_length_is_damage_at_its_offset(void **state)
{
	struct drained d = one_bad_record(65535, INT32_MAX);

	(void)state;
	assert_int_equal(d.packets, 1);
	assert_int_equal(d.state, RX_DAMAGED);
	assert_non_null(strstr(d.err.text, ": damaged at offset 100: packet record says 2147483647 "
					   "bytes (limit 262144)"));
	assert_int_equal(d.counters.offered, 1);
}

static void the_limit_follows_the_snap_length_up_to_its_own_limit(void **state)
{
	(void)state;
	assert_non_null(strstr(one_bad_record(0, 262145).err.text, "limit 262144"));
	assert_non_null(strstr(one_bad_record(500000, 500001).err.text, "limit 500000"));
	assert_non_null(strstr(one_bad_record(UINT32_MAX, UINT32_MAX).err.text, "limit 16777216"));
	/* At the limit it is not the length that is wrong, but that the file ends. */
	assert_non_null(strstr(one_bad_record(0, 262144).err.text, "the file ends inside a packet "
								   "record, after 76 of 262160"));
	assert_non_null(strstr(one_bad_record(UINT32_MAX, 16 << 20).err.text, "the file ends"));
}

static void every_prefix_is_read_up_to_where_it_was_cut(void **state)
{
	struct blob b = pcap_plain(1, 4);

	(void)state;
	for (size_t cut = 24; cut <= b.bytes; cut++) {
		struct held_file f = file_of_bytes(b.at, cut);
		struct drained d = drain(file_port(f.path), true);
		size_t whole = 24, packets = 0;

		while (packets < 4 && whole + 16 + (packets + 1) * 131 <= cut)
			whole += 16 + ++packets * 131;
		assert_int_equal(d.packets, packets);
		assert_int_equal(d.state, whole == cut ? RX_END : RX_DAMAGED);
		close(f.fd);
	}
	blob_free(&b);
}

static void what_is_no_capture_is_refused_with_a_reason(void **state)
{
	uint8_t head[CAPTURE_HEAD_BYTES] = { 0xd4, 0xc3, 0xb2, 0xa1 };

	(void)state;
	assert_null(capture_recognise(head, 28));
	assert_null(capture_recognise(head, 24));
	assert_string_equal(capture_recognise(head, 23), "its pcap header is cut short");
	assert_string_equal(capture_recognise(head, 3), "it is too short to be a capture");
	assert_string_equal(capture_recognise(head, 0), "it is empty");
	head[0] = 0xd5;
	assert_non_null(strstr(capture_recognise(head, 28), "neither pcap nor pcapng"));
	memcpy(head, "\x0a\x0d\x0d\x0a\x1c\0\0\0\x4d\x3c\x2b\x1a", 12);
	assert_null(capture_recognise(head, 28));
	assert_non_null(strstr(capture_recognise(head, 27), "cut short"));
	head[8] = 0;
	assert_non_null(strstr(capture_recognise(head, 28), "byte-order"));
}

/* Packets that a pipe gives until it has nothing more for now. */
static uint32_t pull_all(struct rx_port *port)
{
	struct packet packet[BURST_PACKETS];
	uint32_t n, all = 0;

	while ((n = backend("file")->pull(port, packet, BURST_PACKETS)) > 0) {
		all += n;
		backend("file")->give_back(port);
	}
	return all;
}

/* Whole records among the first `bytes` of a little-endian pcap file. */
static uint32_t whole_records(const struct blob *b, size_t bytes)
{
	size_t at = 24;
	uint32_t caplen, n = 0;

	while (at + 16 <= bytes) {
		memcpy(&caplen, b->at + at + 8, sizeof(caplen));
		at += 16 + caplen;
		n += at <= bytes;
	}
	return n;
}

static void a_pipe_gives_every_packet_as_soon_as_it_is_whole(void **state)
{
	struct blob b = pcap_plain(1, 2000);
	const char *path = "-";
	struct rx_open how = how_default();
	struct rx_port *port;
	int pipe_fd[2], saved = dup(STDIN_FILENO);
	size_t written = 28;
	uint32_t seen = 0;

	(void)state;
	assert_int_equal(pipe(pipe_fd), 0);
	assert_true(dup2(pipe_fd[0], STDIN_FILENO) == STDIN_FILENO);
	close(pipe_fd[0]);
	assert_int_equal(write(pipe_fd[1], b.at, written), written);
	inputs_name(1, &path);
	port = port_open("file", &how);
	assert_true(backend("file")->wait_fd(port) >= 0);
	while (written < b.bytes) {
		size_t some = b.bytes - written < 7001 ? b.bytes - written : 7001;

		assert_int_equal(write(pipe_fd[1], b.at + written, some), some);
		written += some;
		seen += pull_all(port);
		assert_int_equal(seen, whole_records(&b, written));
		assert_int_equal(backend("file")->state(port, NULL), RX_OPEN);
	}
	close(pipe_fd[1]);
	assert_int_equal(pull_all(port), 0);
	assert_int_equal(backend("file")->state(port, NULL), RX_END);
	backend("file")->close(port);
	assert_true(dup2(saved, STDIN_FILENO) == STDIN_FILENO);
	close(saved);
	blob_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_byte_orders_and_all_resolutions_are_read),
		cmocka_unit_test(longer_record_headers_of_modified_pcap_are_skipped),
		cmocka_unit_test(check_sequence_length_is_no_part_of_the_link_type),
		cmocka_unit_test(fractions_of_more_than_a_second_carry),
		cmocka_unit_test(a_record_longer_than_the_wire_is_believed_in_what_it_has),
		cmocka_unit_test(a_header_alone_is_an_empty_capture),
		cmocka_unit_test(frames_survive_the_end_of_the_window),
		cmocka_unit_test(a_record_larger_than_the_window_makes_it_grow),
		cmocka_unit_test(an_impossible_length_is_damage_at_its_offset),
		cmocka_unit_test(the_limit_follows_the_snap_length_up_to_its_own_limit),
		cmocka_unit_test(every_prefix_is_read_up_to_where_it_was_cut),
		cmocka_unit_test(what_is_no_capture_is_refused_with_a_reason),
		cmocka_unit_test(a_pipe_gives_every_packet_as_soon_as_it_is_whole),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
