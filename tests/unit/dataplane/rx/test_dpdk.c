/* Proves of the dpdk back end, with devices that need neither privilege nor a network: a file comes
 * whole and is counted, packets in several mbufs are put together, a looped file has new
 * connections in each round, the feeder's rounds and queues add up, what nobody counts is unknown,
 * the stop ends everything, devices can be opened again, and what is wrong is refused with its
 * remedy.
 */
#include "captures.h"

#include <errno.h>
#include <sched.h>

#include "dataplane/base/clock.h"
#include "dataplane/base/compiler.h"

static int begin(void **state)
{
	(void)state;
	memset(&test_settings, 0, offsetof(struct settings, input));
	return 0;
}

static const char *format(const char *how, const char *path)
{
	static char text[256];

	snprintf(text, sizeof(text), how, path);
	return text;
}

static struct rx_port *open_dpdk(const char *argument, uint32_t worker, uint32_t workers)
{
	struct rx_open how = how_default();

	how.argument = argument;
	how.worker = worker;
	how.workers = workers;
	how.spread = (struct spread){ 0x9e3779b1, 0x85ebca6b };
	return port_open("dpdk", &how);
}

static int refused(const char *argument, uint32_t workers, const char *why)
{
	struct rx_open how = how_default();
	struct rx_error err = { "" };
	struct rx_port *p;
	int code;

	how.argument = argument;
	how.workers = workers;
	code = backend("dpdk")->open(&how, &p, &err);
	if (strstr(err.text, why) == NULL)
		fail_msg("%s: \"%s\" does not say \"%s\"", argument, err.text, why);
	return code;
}

static struct rx_counters counters_of(struct rx_port *p)
{
	struct rx_counters c;

	backend("dpdk")->counters(p, &c);
	return c;
}

/* pull_all_to_the_end - ports of several workers, in turn: none may end before all have everything,
 * because one that ends is the end of the capture. */
static void pull_all_to_the_end(struct rx_port **p, uint32_t ports, uint64_t *ret_came)
{
	uint64_t until_ns = clock_monotonic_ns() + 20 * CLOCK_SECOND_NS;
	uint32_t ended = 0;

	memset(ret_came, 0, ports * sizeof(*ret_came));
	while (ended < ports && clock_monotonic_ns() < until_ns) {
		ended = 0;
		for (uint32_t w = 0; w < ports; w++) {
			struct packet packet[BURST_PACKETS];
			uint32_t came = backend("dpdk")->pull(p[w], packet, 7);

			assert_true(came == 0 || ended == 0);
			ret_came[w] += came;
			backend("dpdk")->give_back(p[w]);
			ended += backend("dpdk")->state(p[w], NULL) == RX_END;
		}
	}
	assert_int_equal(ended, ports);
}

/* ---- files ---- */

static void a_file_comes_whole_and_is_counted(void **state)
{
	struct blob b = pcap_plain(1, 3000);
	struct held_file f = file_of(&b);
	struct rx_port *p = open_dpdk(format("net_pcap0,rx_pcap=%s", f.path), 0, 1);
	struct packet packet[BURST_PACKETS];
	uint64_t n = 0;
	uint32_t came;

	(void)state;
	assert_true(counters_of(p).offered == RX_UNKNOWN);
	while ((came = backend("dpdk")->pull(p, packet, 17)) > 0 ||
	       backend("dpdk")->state(p, NULL) == RX_OPEN) {
		for (uint32_t i = 0; i < came; i++) {
			assert_int_equal(packet[i].number, ++n);
			assert_int_equal(packet[i].caplen_bytes, n * 131 % 1515);
			assert_int_equal(packet[i].ts_ns, UINT64_C(1700000000000000000) + n * 1000);
			for (uint32_t j = 0; j < packet[i].caplen_bytes; j++)
				assert_int_equal(packet[i].frame[j], frame_byte(n, j));
		}
		backend("dpdk")->give_back(p);
	}
	assert_int_equal(n, 3000);
	assert_int_equal(counters_of(p).offered, 3000);
	assert_int_equal(counters_of(p).received, 3000);
	backend("dpdk")->close(p);
	close(f.fd);
}

static void packets_in_several_mbufs_are_put_together(void **state)
{
	static const uint32_t sizes[] = { 60, 1999, 2048, 2049, 4096, 9014, 65000 };
	struct blob b = { 0 };
	struct held_file f;
	struct rx_port *p;
	struct packet packet[BURST_PACKETS];
	uint32_t n = 0;

	(void)state;
	pcap_head(&b, PCAP_US, 262144, LINK_ETHERNET);
	for (uint32_t i = 0; i < array_count(sizes); i++)
		pcap_record(&b, i + 1, sizes[i]);
	f = file_of(&b);
	p = open_dpdk(format("net_pcap0,rx_pcap=%s", f.path), 0, 1);
	n = backend("dpdk")->pull(p, packet, BURST_PACKETS);
	assert_int_equal(n, array_count(sizes));
	for (uint32_t i = 0; i < n; i++) {
		assert_int_equal(packet[i].caplen_bytes, sizes[i]);
		assert_int_equal(packet[i].wire_bytes, sizes[i]);
		for (uint32_t j = 0; j < sizes[i]; j++)
			assert_int_equal(packet[i].frame[j], frame_byte(i + 1, j));
	}
	backend("dpdk")->give_back(p);
	backend("dpdk")->close(p);
	close(f.fd);
}

static void any_number_of_them_needs_no_more_room(void **state)
{
	struct blob b = { 0 };
	struct held_file f;
	struct rx_port *p;
	struct packet packet[BURST_PACKETS];
	uint32_t came, n = 0;

	(void)state;
	pcap_head(&b, PCAP_US, 262144, LINK_ETHERNET);
	for (uint32_t i = 0; i < 300; i++)
		pcap_record(&b, i + 1, 60000);
	f = file_of(&b);
	p = open_dpdk(format("net_pcap0,rx_pcap=%s", f.path), 0, 1);
	while ((came = backend("dpdk")->pull(p, packet, BURST_PACKETS)) > 0) {
		for (uint32_t i = 0; i < came; i++, n++)
			for (uint32_t j = 0; j < 60000; j++)
				if (packet[i].frame[j] != frame_byte(n + 1, j))
					fail_msg("packet %u, byte %u", n + 1, j);
		backend("dpdk")->give_back(p);
	}
	assert_int_equal(n, 300);
	backend("dpdk")->close(p);
	close(f.fd);
}

static void the_snap_length_cuts_but_the_wire_length_stays(void **state)
{
	struct blob b = pcap_plain(10, 1);
	struct held_file f = file_of(&b);
	struct packet packet[1];
	struct rx_port *p;

	(void)state;
	test_settings.snaplen_bytes = 96;
	p = open_dpdk(format("net_pcap0,rx_pcap=%s", f.path), 0, 1);
	assert_int_equal(backend("dpdk")->pull(p, packet, 1), 1);
	assert_int_equal(packet[0].caplen_bytes, 96);
	assert_int_equal(packet[0].wire_bytes, 1310);
	backend("dpdk")->give_back(p);
	backend("dpdk")->close(p);
	close(f.fd);
}

static void two_workers_read_a_file_each(void **state)
{
	struct blob a = pcap_plain(1, 30), b = pcap_plain(1, 70);
	struct held_file one = file_of(&a), two = file_of(&b);
	char argument[256];
	struct rx_port *p[2];
	uint64_t n[2];

	(void)state;
	snprintf(argument, sizeof(argument), "net_pcap0,rx_pcap=%s,rx_pcap=%s", one.path, two.path);
	p[0] = open_dpdk(argument, 0, 2);
	p[1] = open_dpdk(argument, 1, 2);
	pull_all_to_the_end(p, 2, n);
	assert_int_equal(n[0], 30);
	assert_int_equal(n[1], 70);
	for (int w = 0; w < 2; w++)
		assert_int_equal(counters_of(p[w]).offered, n[w]);
	backend("dpdk")->close(p[0]);
	backend("dpdk")->close(p[1]);
	close(one.fd);
	close(two.fd);
}

/* ---- loops ---- */

enum { LOOPED = 50 };

/* loop_make - a file of LOOPED packets, each of its own connection. */
static struct held_file loop_make(void)
{
	struct blob b = { 0 };

	pcap_head(&b, PCAP_US, 65535, LINK_ETHERNET);
	for (uint16_t i = 0; i < LOOPED; i++) {
		uint8_t frame[60] = { [12] = 8,  [14] = 0x45, [17] = 46, [22] = 64, [23] = 6,
				      [26] = 10, [29] = 1,    [30] = 10, [33] = 2 };

		frame[34] = (uint8_t)((1000 + i) >> 8);
		frame[35] = (uint8_t)(1000 + i);
		frame[37] = 80;
		pcap_record_head(&b, 1700000000, i, sizeof(frame), sizeof(frame));
		blob_put(&b, frame, sizeof(frame));
	}
	return file_of(&b);
}

static uint32_t client_of(const struct packet *p)
{
	const uint8_t *at = p->frame + 26;

	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static uint16_t port_of(const struct packet *p)
{
	return (uint16_t)(p->frame[34] << 8 | p->frame[35]);
}

/* loop_check - packets of `rounds` rounds come in order, with the addresses of their round. */
static void loop_check(struct rx_port *p, uint32_t rounds, bool new_flows)
{
	uint64_t until_ns = clock_monotonic_ns() + 20 * CLOCK_SECOND_NS;
	struct packet packet[BURST_PACKETS];
	uint32_t n = 0;

	while (n < rounds * LOOPED) {
		uint32_t came = backend("dpdk")->pull(p, packet, BURST_PACKETS);

		for (uint32_t i = 0; i < came && n < rounds * LOOPED; i++, n++) {
			uint32_t round = new_flows ? n / LOOPED : 0;

			assert_int_equal(port_of(&packet[i]), 1000 + n % LOOPED);
			assert_int_equal(client_of(&packet[i]), 0x0a000001 ^ round);
		}
		backend("dpdk")->give_back(p);
		if (clock_monotonic_ns() > until_ns)
			fail_msg("%u packets came", n);
	}
}

static void a_looped_file_has_new_connections_in_each_round(void **state)
{
	struct held_file f = loop_make();
	struct rx_port *p = open_dpdk(format("net_pcap0,rx_pcap=%s,infinite_rx=1", f.path), 0, 1);

	(void)state;
	loop_check(p, 20, true);
	assert_true(counters_of(p).offered == RX_UNKNOWN);
	assert_int_equal(backend("dpdk")->state(p, NULL), RX_OPEN);
	backend("dpdk")->stop(p);
	backend("dpdk")->close(p);

	p = open_dpdk(format("net_pcap0,rx_pcap=%s,infinite_rx=1,flows=same", f.path), 0, 1);
	loop_check(p, 3, false);
	backend("dpdk")->close(p);
	close(f.fd);
}

static void the_feed_has_new_connections_in_each_round(void **state)
{
	struct held_file f = loop_make();
	struct rx_port *p = open_dpdk(format("net_ring0,feed=%s", f.path), 0, 1);

	(void)state;
	loop_check(p, 100, true);
	backend("dpdk")->close(p);
	p = open_dpdk(format("net_ring0,feed=%s,flows=same", f.path), 0, 1);
	loop_check(p, 100, false);
	backend("dpdk")->close(p);
	close(f.fd);
}

/* pull_to_the_end - Returns how many came. */
static uint64_t pull_to_the_end(struct rx_port *p)
{
	uint64_t until_ns = clock_monotonic_ns() + 20 * CLOCK_SECOND_NS, n = 0;
	struct packet packet[BURST_PACKETS];

	while (backend("dpdk")->state(p, NULL) == RX_OPEN && clock_monotonic_ns() < until_ns) {
		n += backend("dpdk")->pull(p, packet, BURST_PACKETS);
		backend("dpdk")->give_back(p);
	}
	assert_int_equal(backend("dpdk")->state(p, NULL), RX_END);
	return n;
}

static void the_feed_ends_after_its_rounds(void **state)
{
	struct held_file f = loop_make();
	struct rx_port *p = open_dpdk(format("net_ring0,feed=%s,rounds=7", f.path), 0, 1);

	(void)state;
	assert_int_equal(pull_to_the_end(p), 7 * LOOPED);
	assert_int_equal(counters_of(p).offered, 7 * LOOPED);
	assert_int_equal(counters_of(p).received, 7 * LOOPED);
	assert_int_equal(counters_of(p).in_flight, 0);
	backend("dpdk")->close(p);
	close(f.fd);
}

static void a_feed_that_is_stopped_closes_its_books(void **state)
{
	struct held_file f = loop_make();
	struct rx_port *p = open_dpdk(format("net_ring0,feed=%s", f.path), 0, 1);
	uint64_t n = 0;

	(void)state;
	for (int i = 0; i < 100; i++) {
		struct packet packet[3];

		n += backend("dpdk")->pull(p, packet, 3);
		backend("dpdk")->give_back(p);
	}
	backend("dpdk")->stop(p);
	n += pull_to_the_end(p);
	assert_int_equal(counters_of(p).offered, n);
	assert_int_equal(counters_of(p).received, n);
	backend("dpdk")->close(p);
	close(f.fd);
}

static void what_was_fed_and_not_pulled_is_gone_with_the_port(void **state)
{
	struct held_file f = loop_make();

	(void)state;
	for (int i = 0; i < 3; i++) {
		struct rx_port *p = open_dpdk(format("net_ring0,feed=%s,rounds=1", f.path), 0, 1);
		uint64_t until_ns = clock_monotonic_ns() + 20 * CLOCK_SECOND_NS;

		while (counters_of(p).offered < LOOPED && clock_monotonic_ns() < until_ns)
			sched_yield();
		assert_int_equal(counters_of(p).in_flight, LOOPED);
		backend("dpdk")->close(p);
	}
	close(f.fd);
	the_feed_ends_after_its_rounds(state);
}

static void the_feed_of_several_workers_adds_up(void **state)
{
	struct held_file f = loop_make();
	char argument[256];
	struct rx_port *p[3];
	uint64_t n = 0, own[3];

	(void)state;
	snprintf(argument, sizeof(argument), "net_ring0,feed=%s,rounds=5", f.path);
	for (uint32_t w = 0; w < 3; w++)
		p[w] = open_dpdk(argument, w, 3);
	pull_all_to_the_end(p, 3, own);
	for (uint32_t w = 0; w < 3; w++) {
		assert_int_equal(counters_of(p[w]).offered, own[w]);
		assert_true(own[w] > 0);
		n += own[w];
	}
	assert_int_equal(n, 5 * LOOPED);
	for (uint32_t w = 0; w < 3; w++)
		backend("dpdk")->close(p[w]);
	close(f.fd);
}

/* ---- everything else ---- */

static void what_nobody_counts_is_unknown_and_ends_when_stopped(void **state)
{
	struct rx_port *p = open_dpdk("net_null0,size=100", 0, 1);
	struct packet packet[BURST_PACKETS];
	uint64_t before_ns = clock_wall_ns();
	struct rx_about about;

	(void)state;
	assert_int_equal(backend("dpdk")->pull(p, packet, BURST_PACKETS), BURST_PACKETS);
	assert_int_equal(packet[5].wire_bytes, 100);
	assert_int_equal(packet[5].number, 0);
	assert_in_range(packet[5].ts_ns, before_ns, clock_wall_ns());
	backend("dpdk")->give_back(p);
	assert_true(counters_of(p).offered == RX_UNKNOWN);
	assert_int_equal(counters_of(p).received, BURST_PACKETS);
	backend("dpdk")->about(p, &about);
	assert_string_equal(about.interface, "net_null0");
	assert_non_null(strstr(about.mode, "not checkable"));
	assert_string_equal(about.clock, "pull");
	backend("dpdk")->stop(p);
	assert_int_equal(backend("dpdk")->pull(p, packet, BURST_PACKETS), 0);
	assert_int_equal(backend("dpdk")->state(p, NULL), RX_END);
	backend("dpdk")->close(p);
}

/* Drivers bring nothing when they are asked for a few; who pulls a few must get them all the same,
 * and in order. */
static void a_burst_is_handed_on_in_whatever_room_there_is(void **state)
{
	struct rx_port *p = open_dpdk("net_null0", 0, 1);
	struct packet packet[3];
	uint64_t n = 0;

	(void)state;
	assert_int_equal(backend("dpdk")->pull(p, packet, 0), 0);
	for (int i = 0; i < 1000; i++) {
		n += backend("dpdk")->pull(p, packet, 1);
		n += backend("dpdk")->pull(p, packet + 1, 2);
		backend("dpdk")->give_back(p);
	}
	assert_in_range(n, 2900, 3000);
	assert_int_equal(counters_of(p).received, n);
	backend("dpdk")->close(p);
}

/* Each of these would run out of one thing or another if it were not given back. */
static void a_device_can_be_opened_again_and_again(void **state)
{
	(void)state;
	for (int i = 0; i < 20; i++) {
		struct rx_port *p = open_dpdk("net_null0", 0, 1);
		struct packet packet[BURST_PACKETS];

		assert_int_equal(backend("dpdk")->pull(p, packet, BURST_PACKETS), BURST_PACKETS);
		backend("dpdk")->close(p); /* with frames lent out */
	}
}

static void a_thousand_turns_use_up_no_mbufs(void **state)
{
	struct rx_port *p = open_dpdk("net_null0,mbufs=1024", 0, 1);
	struct packet packet[BURST_PACKETS];

	(void)state;
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(backend("dpdk")->pull(p, packet, BURST_PACKETS), BURST_PACKETS);
		backend("dpdk")->give_back(p);
	}
	backend("dpdk")->close(p);
}

static void what_is_wrong_is_refused_with_its_remedy(void **state)
{
	struct blob b = pcap_plain(1, 0);
	struct held_file empty = file_of(&b);
	struct rx_port *p;

	(void)state;
	assert_int_equal(refused("net_foo0", 1, "no such device"), -EINVAL);
	assert_int_equal(refused("net_null0,siez=64", 1, "an option siez"), -EINVAL);
	assert_int_equal(refused("0000:de:ad.0", 1, "no such PCI device"), -ENODEV);
	assert_int_equal(refused("de:ad.0", 1, "no such PCI device"), -ENODEV);
	assert_int_equal(refused("net_pcap0,rx_pcap=/nonexistent", 1, "no such file"), -ENOENT);
	assert_int_equal(refused("net_pcap0,rx_pcap=/nonexistent", 2, "use --workers 1"), -EINVAL);
	assert_int_equal(refused("net_pcap0,rx_iface=lo", 2, "--workers 1"), -EINVAL);
	assert_int_equal(refused("net_ring0,feed=/nonexistent", 1, "no such file"), -ENOENT);
	assert_int_equal(refused(format("net_ring0,feed=%s", empty.path), 1, "no packets"),
			 -ENODATA);
	assert_int_equal(
		refused(format("net_pcap0,rx_pcap=%s,infinite_rx=1", empty.path), 1, "no packets"),
		-ENODATA);
	assert_int_equal(refused("net_ring0,feed=/nonexistent", 17, "no such file"), -ENOENT);
	p = open_dpdk("net_null0", 0, 1);
	assert_int_equal(refused("net_null0,size=65", 1, "named twice"), -EINVAL);
	backend("dpdk")->close(p);
	close(empty.fd);
}

static void more_workers_than_queues_are_refused(void **state)
{
	struct held_file f = loop_make();

	(void)state;
	assert_int_equal(refused(format("net_ring0,feed=%s", f.path), 17, "use --workers 16"),
			 -EINVAL);
	assert_int_equal(refused("net_null0", 65, "64 receive queues"), -EINVAL);
	close(f.fd);
}

static void the_probe_opens_nothing(void **state)
{
	struct rx_error found = { "" };

	(void)state;
	assert_int_equal(backend("dpdk")->probe(NULL, &found), 0);
	assert_non_null(strstr(found.text, "DPDK"));
	assert_int_equal(backend("dpdk")->probe("lo", &found), 0);
	assert_non_null(strstr(found.text, "net_af_xdp0,iface=lo"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_file_comes_whole_and_is_counted, begin),
		cmocka_unit_test_setup(packets_in_several_mbufs_are_put_together, begin),
		cmocka_unit_test_setup(any_number_of_them_needs_no_more_room, begin),
		cmocka_unit_test_setup(the_snap_length_cuts_but_the_wire_length_stays, begin),
		cmocka_unit_test_setup(two_workers_read_a_file_each, begin),
		cmocka_unit_test_setup(a_looped_file_has_new_connections_in_each_round, begin),
		cmocka_unit_test_setup(the_feed_has_new_connections_in_each_round, begin),
		cmocka_unit_test_setup(the_feed_ends_after_its_rounds, begin),
		cmocka_unit_test_setup(a_feed_that_is_stopped_closes_its_books, begin),
		cmocka_unit_test_setup(what_was_fed_and_not_pulled_is_gone_with_the_port, begin),
		cmocka_unit_test_setup(the_feed_of_several_workers_adds_up, begin),
		cmocka_unit_test_setup(what_nobody_counts_is_unknown_and_ends_when_stopped, begin),
		cmocka_unit_test_setup(a_burst_is_handed_on_in_whatever_room_there_is, begin),
		cmocka_unit_test_setup(a_device_can_be_opened_again_and_again, begin),
		cmocka_unit_test_setup(a_thousand_turns_use_up_no_mbufs, begin),
		cmocka_unit_test_setup(what_is_wrong_is_refused_with_its_remedy, begin),
		cmocka_unit_test_setup(more_workers_than_queues_are_refused, begin),
		cmocka_unit_test_setup(the_probe_opens_nothing, begin),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
