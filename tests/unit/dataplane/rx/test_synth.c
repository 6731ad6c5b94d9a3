/* Proves what the head of synth.c and its help promise: the numbers of packets and pairs are those
 * of the formula, checksums are right, every byte of both streams of every connection comes once
 * and in order, requests and responses carry their number, and an argument that makes no sense is
 * refused by name.
 */
#include <ctype.h>
#include <errno.h>

#include "captures.h"

#include "dataplane/base/bytes.h"
#include "dataplane/base/compiler.h"

enum { CONNECTIONS_MAX = 64 };

/* One direction as its receiver sees it. */
struct direction {
	uint32_t next; /* sequence number */
	bool open, closed;
	struct blob stream;
};

struct seen {
	struct direction direction[CONNECTIONS_MAX][2]; /* [0]: from the client */
	uint64_t packets, data_packets, gaps, out_of_order, repeated;
	struct rx_counters counters;
	struct packet last;
	uint64_t ports[4]; /* packets of each worker */
};

static uint16_t folded(const uint8_t *at, size_t bytes, uint64_t sum)
{
	for (size_t i = 0; i < bytes; i++)
		sum += i % 2 == 0 ? (uint64_t)at[i] << 8 : at[i];
	while (sum > 0xffff)
		sum = (sum >> 16) + (sum & 0xffff);
	return (uint16_t)sum;
}

/* tcp_of - where TCP begins and how long it is, after the checksums were found right. */
static const uint8_t *tcp_of(const struct packet *p, uint32_t *ret_bytes)
{
	const uint8_t *ip = p->frame + 14;
	bool v6 = be16_at(p->frame + 12) == 0x86dd;
	const uint8_t *tcp = ip + (v6 ? 40 : 20);
	uint32_t bytes = v6 ? be16_at(ip + 4) : be16_at(ip + 2) - 20u;

	assert_int_equal(p->link, LINK_ETHERNET);
	assert_int_equal(tcp + bytes - p->frame, p->caplen_bytes);
	assert_int_equal(p->caplen_bytes, p->wire_bytes);
	if (!v6)
		assert_int_equal(folded(ip, 20, 0), 0xffff);
	assert_int_equal(folded(tcp, bytes, folded(ip + (v6 ? 8 : 12), v6 ? 32 : 8, 6 + bytes)),
			 0xffff);
	*ret_bytes = bytes;
	return tcp;
}

static void see_segment(struct seen *s, const uint8_t *tcp, uint32_t bytes)
{
	uint16_t source = be16_at(tcp), target = be16_at(tcp + 2);
	uint16_t client = source == 80 ? target : source;
	struct direction *d = &s->direction[client - 10000][source == 80];
	uint32_t header = (uint32_t)(tcp[12] >> 4) * 4, seq = be32_at(tcp + 4);
	uint8_t flags = tcp[13];

	assert_in_range(client, 10000, 10000 + CONNECTIONS_MAX - 1);
	if (flags & TCP_SYN) {
		assert_false(d->open);
		d->open = true;
		d->next = seq + 1;
		return;
	}
	assert_true(d->open);
	s->data_packets += bytes > header;
	if ((int32_t)(seq - d->next) > 0)
		s->gaps++;
	else if (bytes > header && seq != d->next)
		s->repeated++;
	if (seq != d->next)
		return;
	blob_put(&d->stream, tcp + header, bytes - header);
	d->next += bytes - header;
	if (flags & TCP_FIN) {
		assert_false(d->closed);
		d->closed = true;
		d->next++;
	}
}

/* see_more - what one worker's port gives, beside what was seen before. */
static void see_more(struct seen *s, struct rx_open how, const char *argument)
{
	struct packet packet[BURST_PACKETS];
	struct rx_port *port;
	uint64_t ts_ns = 0;
	uint32_t n;

	inputs_name(0, NULL);
	how.argument = argument;
	port = port_open("synth", &how);
	while ((n = backend("synth")->pull(port, packet, BURST_PACKETS)) > 0) {
		for (uint32_t i = 0; i < n; i++) {
			uint32_t bytes;
			const uint8_t *tcp = tcp_of(&packet[i], &bytes);

			see_segment(s, tcp, bytes);
			assert_true(packet[i].ts_ns > ts_ns);
			ts_ns = packet[i].ts_ns;
			s->packets++;
		}
		s->last = packet[n - 1];
		s->ports[how.worker] += n;
		backend("synth")->give_back(port);
	}
	assert_int_equal(backend("synth")->state(port, NULL), RX_END);
	backend("synth")->counters(port, &s->counters);
	backend("synth")->close(port);
}

static struct seen *see(const char *argument)
{
	struct seen *s = calloc(1, sizeof(*s));

	see_more(s, how_default(), argument);
	return s;
}

static void forget(struct seen *s)
{
	for (int c = 0; c < CONNECTIONS_MAX; c++)
		for (int i = 0; i < 2; i++)
			blob_free(&s->direction[c][i].stream);
	free(s);
}

/* take_number - the next message of a stream: checks its frame, returns its number. */
static uint64_t take_number(struct blob *stream, size_t *at, const char *mark, size_t bytes)
{
	const char *message = (const char *)stream->at + *at, *found;

	assert_true(stream->bytes - *at >= bytes);
	found = memmem(message, bytes, mark, strlen(mark));
	assert_non_null(found);
	*at += bytes;
	return strtoull(found + strlen(mark), NULL, 10);
}

/* pairs_of - requests and responses of every connection, whole and with the same numbers. */
static uint64_t pairs_of(struct seen *s, size_t request_bytes, size_t response_bytes)
{
	uint64_t pairs = 0;

	for (int c = 0; c < CONNECTIONS_MAX; c++) {
		struct direction *d = s->direction[c];
		size_t at[2] = { 0, 0 };

		assert_true(d[0].open == d[1].open && d[0].closed == d[0].open &&
			    d[1].closed == d[1].open);
		while (at[0] < d[0].stream.bytes) {
			uint64_t number = take_number(&d[0].stream, &at[0], "GET /", request_bytes);

			assert_int_equal(
				take_number(&d[1].stream, &at[1], "X-Number: ", response_bytes),
				number);
			pairs++;
		}
		assert_int_equal(at[1], d[1].stream.bytes);
	}
	return pairs;
}

static size_t response_bytes(size_t size)
{
	char head[128];

	return (size_t)snprintf(
		       head, sizeof(head),
		       "HTTP/1.1 200 OK\r\nX-Number: 000000000000\r\nContent-Length: %zu\r\n\r\n",
		       size) +
	       size;
}

static void packets_and_pairs_are_as_many_as_the_help_says(void **state)
{
	static const struct {
		const char *argument;
		uint64_t packets, pairs;
		size_t request, size;
	} plan[] = {
		{ "packets=1000", 1000, (1000 - 300) / 2, 80, 1024 },
		{ "packets=1001", 1001, (1000 - 300) / 2, 80, 1024 },
		/* 6 segments and 2 acknowledgements of the response, 1 of the request */
		{ "packets=2000,connections=40,size=5000,mss=1000,pipelining=3", 2000, 1760 / 9, 80,
		  5000 },
		{ "packets=8,connections=1", 8, 1, 80, 1024 },
		{ "pairs=77,connections=10,mss=1000,v6=1", 60 + 77 * 3, 77, 80, 1024 },
		{ "pairs=3,connections=40", 240 + 3 * 2, 3, 80, 1024 },
		{ "pairs=30,connections=3,mss=1,request=64,size=0", 18 + 30 * (64 + 31 + 62 + 30),
		  30, 64, 0 },
		{ "seconds=2,rate=1000,connections=4", 2000, 1976 / 2, 80, 1024 },
		{ "pairs=4,connections=2,size=200000,mss=65000,request=5000", 12 + 4 * 6, 4, 5000,
		  200000 },
		/* 6 segments and 2 acknowledgements of the response, 2 segments of the request */
		{ "pairs=7,connections=2,size=5k,mss=1k,request=2k", 12 + 7 * 10, 7, 2048, 5120 },
		{ "pairs=500,connections=60,group=7,scatter=1", 360 + 500 * 2, 500, 80, 1024 },
		{ "pairs=50,connections=7,group=64,scatter=1,pipelining=2", 42 + 50 * 2, 50, 80,
		  1024 },
		{ "pairs=3,connections=1,scatter=1", 6 + 3 * 2, 3, 80, 1024 },
		/* more segments than frames are kept for */
		{ "pairs=2,connections=2,size=1000000,mss=100", 12 + 2 * (1 + 10001 + 5000), 2, 80,
		  1000000 },
	};

	(void)state;
	for (size_t i = 0; i < array_count(plan); i++) {
		struct seen *s = see(plan[i].argument);

		assert_int_equal(pairs_of(s, plan[i].request, response_bytes(plan[i].size)),
				 plan[i].pairs);
		assert_int_equal(s->counters.offered, s->packets);
		assert_int_equal(s->counters.received, s->packets);
		assert_int_equal(s->gaps, 0);
		assert_int_equal(s->repeated, 0);
		assert_int_equal(s->packets, plan[i].packets);
		forget(s);
	}
}

static void numbers_survive_being_cut_into_single_bytes(void **state)
{
	struct seen *s = see("pairs=30,connections=3,mss=1,size=10");

	(void)state;
	assert_int_equal(pairs_of(s, 80, response_bytes(10)), 30);
	forget(s);
}

/* The client ports of data packets in the order in which they come. */
static uint32_t talkers(const char *argument, uint16_t *ret, uint32_t room)
{
	struct rx_open how = how_default();
	struct packet packet[BURST_PACKETS];
	struct rx_port *port;
	uint32_t n, found = 0;

	inputs_name(0, NULL);
	how.argument = argument;
	port = port_open("synth", &how);
	while ((n = backend("synth")->pull(port, packet, BURST_PACKETS)) > 0) {
		for (uint32_t i = 0; i < n; i++) {
			uint32_t bytes;
			const uint8_t *tcp = tcp_of(&packet[i], &bytes);

			if (bytes > (uint32_t)(tcp[12] >> 4) * 4 && found < room)
				ret[found++] = be16_at(tcp) == 80 ? be16_at(tcp + 2) : be16_at(tcp);
		}
		backend("synth")->give_back(port);
	}
	backend("synth")->close(port);
	return found;
}

static void a_group_asks_before_it_is_answered(void **state)
{
	uint16_t port[8];

	(void)state;
	assert_int_equal(talkers("pairs=4,connections=4,group=2", port, 8), 8);
	for (int i = 0; i < 8; i++)
		assert_int_equal(port[i], 10000 + i / 4 * 2 + i % 2);
}

static void scattered_neighbours_talk_far_apart(void **state)
{
	uint16_t port[64];

	(void)state;
	assert_int_equal(talkers("pairs=32,connections=32,scatter=1", port, 64), 64);
	assert_int_equal(port[0], 10000);
	for (int i = 1; i < 32; i++)
		assert_true(abs(port[i] - port[i - 1]) > 2);
	assert_memory_equal(port, port + 32, 32 * sizeof(port[0]));
}

/* Each frame of a burst is a frame of its own until the burst is given back. */
static void no_two_packets_of_a_burst_share_bytes(void **state)
{
	struct rx_open how = how_default();
	struct packet packet[BURST_PACKETS];
	struct rx_port *port;
	uint32_t n;

	(void)state;
	inputs_name(0, NULL);
	how.argument = "pairs=3000,connections=100,size=10,request=90,group=100,disorder=0.1,"
		       "duplicates=0.1";
	port = port_open("synth", &how);
	while ((n = backend("synth")->pull(port, packet, BURST_PACKETS)) > 0) {
		for (uint32_t i = 0; i < n; i++)
			for (uint32_t j = 0; j < i; j++)
				assert_true(packet[i].frame >= packet[j].frame + 64 ||
					    packet[j].frame >= packet[i].frame + 64);
		backend("synth")->give_back(port);
	}
	backend("synth")->close(port);
}

static void the_last_packet_is_where_the_rate_puts_it(void **state)
{
	struct seen *s = see("packets=3001,rate=3000");

	(void)state;
	assert_int_equal(s->last.ts_ns, UINT64_C(1735689601000000000));
	forget(s);
}

static void loss_is_told_and_really_missing(void **state)
{
	struct seen *s = see("pairs=5000,loss=0.1,connections=20");

	(void)state;
	assert_in_range(s->counters.lost[RX_LOST_nic], 900, 1100);
	assert_int_equal(s->counters.offered, 120 + 10000);
	assert_int_equal(s->packets + s->counters.lost[RX_LOST_nic], s->counters.offered);
	assert_true(s->gaps > 0);
	forget(s);

	s = see("pairs=500,loss=1,connections=20");
	assert_int_equal(s->packets, 120);
	assert_int_equal(s->data_packets, 0);
	forget(s);
}

static void duplicates_come_twice(void **state)
{
	struct seen *s = see("pairs=500,duplicates=1,connections=20");

	(void)state;
	assert_int_equal(s->packets, 120 + 2000);
	assert_int_equal(s->counters.offered, 120 + 2000);
	assert_int_equal(s->repeated, 1000);
	assert_int_equal(pairs_of(s, 80, response_bytes(1024)), 500);
	forget(s);
}

static void disorder_changes_places_and_loses_nothing(void **state)
{
	struct seen *s = see("pairs=50,disorder=0.2,connections=1,size=100000"), *t;

	(void)state;
	assert_true(s->gaps > 100);
	assert_int_equal(s->counters.offered, s->packets);
	t = see("pairs=50,connections=1,size=100000");
	assert_int_equal(s->packets, t->packets);
	assert_int_equal(s->data_packets, t->data_packets);
	assert_int_equal(t->gaps, 0);
	forget(s);
	forget(t);
}

static void seeds_choose_other_numbers(void **state)
{
	struct seen *s = see("pairs=5,connections=1,seed=7"),
		    *t = see("pairs=5,connections=1,seed=8");

	(void)state;
	assert_true(s->direction[0][0].next != t->direction[0][0].next);
	assert_int_equal(s->packets, t->packets);
	forget(s);
	forget(t);
}

static void the_snap_length_cuts_frames(void **state)
{
	struct rx_open how = how_default();

	(void)state;
	inputs_name(0, NULL);
	test_settings.snaplen_bytes = 60;
	how.argument = "pairs=1,connections=1";
	struct drained d = drain(port_open("synth", &how), false);

	assert_int_equal(d.packets, 8);
	assert_int_equal(d.first.caplen_bytes, 60);
	assert_int_equal(d.first.wire_bytes, 62);
}

static void workers_that_share_invent_what_one_would(void **state)
{
	static const char *const plan[] = { "packets=2000,connections=40,share=1",
					    "packets=1001,connections=23,v6=1,pipelining=3,share=1",
					    "pairs=3,connections=40,share=1" };

	(void)state;
	for (size_t i = 0; i < array_count(plan); i++) {
		struct seen *one = see(plan[i]), *four = calloc(1, sizeof(*four));
		struct rx_open how = how_default();

		how.spread = (struct spread){ 0x9e3779b1, 0x85ebca6b };
		how.workers = 4;
		for (how.worker = 0; how.worker < 4; how.worker++)
			see_more(four, how, plan[i]);
		assert_int_equal(four->packets, one->packets);
		assert_int_equal(pairs_of(four, 80, response_bytes(1024)),
				 pairs_of(one, 80, response_bytes(1024)));
		for (int w = 0; w < 4; w++)
			assert_in_range(four->ports[w], 1, one->packets / 2);
		forget(one);
		forget(four);
	}
}

static void arguments_that_make_no_sense_are_refused_by_name(void **state)
{
	static const struct {
		const char *argument, *why;
	} bad[] = {
		{ "speed=1", "there is no option speed" },
		{ "packets", "synth: packets: an option is written NAME=VALUE" },
		{ "eth0,pairs=5", "eth0: an option is written NAME=VALUE" },
		{ "packets=100,", "an option is written NAME=VALUE" },
		{ "=5", "there is no option " },
		{ "mss=0", "mss=0: a size from 1 to 65000" },
		{ "mss=65001", "a size from 1 to 65000" },
		{ "mss=", "mss=: a size" },
		{ "mss=-1", "mss=-1: a size" },
		{ "connections=0", "connections=0: a number from 1 to 4194304" },
		{ "group=0", "group=0: a number from 1 to" },
		{ "scatter=2", "scatter=2: a number from 0 to 1" },
		{ "connections=1k", "connections=1k: a number" },
		{ "pairs=0", "pairs=0: a number from 1 to" },
		{ "seed=18446744073709551616", "seed=18446744073709551616: a number" },
		{ "loss=1.1", "loss=1.1: a portion from 0 to 1" },
		{ "loss=-0.1", "a portion from 0 to 1" },
		{ "loss=nan", "a portion from 0 to 1" },
		{ "loss=", "a portion from 0 to 1" },
		{ "packets=100,pairs=5", "exclude each other" },
		{ "pairs=5,seconds=5", "exclude each other" },
		{ "packets=301", "301 packets are too few for 50 connections and one exchange; "
				 "at least 302" },
	};
	struct rx_open how = how_default();

	(void)state;
	inputs_name(0, NULL);
	for (size_t i = 0; i < array_count(bad); i++) {
		struct rx_port *port = NULL;
		struct rx_error err = { "" };

		how.argument = bad[i].argument;
		assert_int_equal(backend("synth")->open(&how, &port, &err), -EINVAL);
		assert_null(port);
		if (strstr(err.text, bad[i].why) == NULL)
			fail_msg("\"%s\" does not say \"%s\"", err.text, bad[i].why);
	}
}

static void the_default_is_a_million_packets(void **state)
{
	struct rx_open how = how_default();

	(void)state;
	inputs_name(0, NULL);
	assert_int_equal(drain(port_open("synth", &how), false).packets, 1000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packets_and_pairs_are_as_many_as_the_help_says),
		cmocka_unit_test(numbers_survive_being_cut_into_single_bytes),
		cmocka_unit_test(a_group_asks_before_it_is_answered),
		cmocka_unit_test(scattered_neighbours_talk_far_apart),
		cmocka_unit_test(no_two_packets_of_a_burst_share_bytes),
		cmocka_unit_test(the_last_packet_is_where_the_rate_puts_it),
		cmocka_unit_test(loss_is_told_and_really_missing),
		cmocka_unit_test(duplicates_come_twice),
		cmocka_unit_test(disorder_changes_places_and_loses_nothing),
		cmocka_unit_test(seeds_choose_other_numbers),
		cmocka_unit_test(the_snap_length_cuts_frames),
		cmocka_unit_test(workers_that_share_invent_what_one_would),
		cmocka_unit_test(arguments_that_make_no_sense_are_refused_by_name),
		cmocka_unit_test(the_default_is_a_million_packets),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
