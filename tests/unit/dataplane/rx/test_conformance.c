/* Proves, for every back end that needs neither network nor privilege, what rx.h promises of all:
 * frames stay intact until give_back, numbers rise by one, `room` is respected, the end is sticky,
 * what was offered was received or lost, and closing halfway leaks nothing.
 */
#include "captures.h"

#include "dataplane/base/clock.h"
#include "dataplane/base/compiler.h"

/* What a case reads: a back end and its argument, or for `file` a capture made here. */
struct conformance {
	const char *name, *argument;
	struct blob (*make)(void);
	struct held_file file;
};

static struct blob make_pcap(void)
{
	return pcap_plain(1, 3000);
}

static struct blob make_pcapng(void)
{
	struct blob b = { 0 };

	ng_section(&b);
	ng_interface(&b, LINK_ETHERNET, 0);
	for (uint32_t i = 1; i <= 3000; i++) {
		size_t at = ng_packet_begin(&b, 0, UINT64_C(1700000000000000) + i, i,
					    i * 131 % 1515);

		if (i % 100 == 0)
			block_option_u64(&b, 4, i); /* lost before this packet */
		block_end(&b, at);
	}
	return b;
}

static struct blob make_damaged(void)
{
	struct blob b = pcap_plain(1, 500);

	b.bytes -= 7;
	return b;
}

static struct blob make_empty(void)
{
	return pcap_plain(1, 0);
}

static struct conformance conformance[] = {
	{ .name = "file", .make = make_pcap },
	{ .name = "file", .make = make_pcapng },
	{ .name = "file", .make = make_damaged },
	{ .name = "file", .make = make_empty },
	{ .name = "dpdk", .argument = "net_pcap0,rx_pcap=%s", .make = make_pcap },
	{ .name = "dpdk", .argument = "net_pcap0,rx_pcap=%s", .make = make_empty },
	{ .name = "synth", .argument = "packets=5000" },
	{ .name = "synth", .argument = "pairs=300,size=5000,mss=700,pipelining=4,v6=1" },
	{ .name = "synth",
	  .argument = "pairs=500,size=9000,loss=0.05,disorder=0.1,duplicates=0.1" },
};

static struct rx_port *open_case(struct conformance *c)
{
	struct rx_open how = how_default();
	const char *path = c->file.path;
	static char argument[256];

	/* Built without its library? */
	if (rx_backend_find(c->name, strlen(c->name)) == NULL)
		skip();
	if (c->make != NULL && c->file.fd == 0) {
		struct blob b = c->make();

		c->file = file_of(&b);
	}
	inputs_name(c->make != NULL, &path);
	snprintf(argument, sizeof(argument), c->argument != NULL ? c->argument : "", path);
	how.argument = c->argument != NULL ? argument : NULL;
	return port_open(c->name, &how);
}

/* Marks of one burst's frames, to be found again before they are given back. */
static uint64_t mark_of(const struct packet *packet, uint32_t count)
{
	uint64_t h = UINT64_C(14695981039346656037);

	for (uint32_t i = 0; i < count; i++)
		for (uint32_t j = 0; j < packet[i].caplen_bytes; j++)
			h = (h ^ packet[i].frame[j]) * UINT64_C(1099511628211);
	return h;
}

static void check_packet(const struct packet *p, uint64_t number)
{
	assert_int_equal(p->number, number);
	assert_non_null(p->frame);
	assert_true(p->caplen_bytes <= p->wire_bytes);
	assert_in_range(p->ts_ns / CLOCK_SECOND_NS, 1600000000, 1900000000);
}

static void check_counters(const struct rx_backend *b, struct rx_port *port, uint64_t received)
{
	struct rx_counters c;
	uint64_t lost = 0;

	b->counters(port, &c);
	for (int i = 0; i < RX_LOST_COUNT; i++)
		lost += c.lost[i];
	assert_int_equal(c.received, received);
	/* A live one may not know before the end what it was offered. */
	if (b->live && c.offered == RX_UNKNOWN)
		return;
	assert_int_equal(c.offered, received + lost);
}

/* run - with bursts of at most `room`. Returns a mark of everything that came. */
static uint64_t run(struct conformance *c, uint32_t room)
{
	const struct rx_backend *b = rx_backend_find(c->name, strlen(c->name));
	struct rx_port *port = open_case(c);
	struct packet packet[BURST_PACKETS + 1];
	uint64_t number = 0, all = 0;
	struct rx_counters last;
	uint32_t n;

	do {
		memset(packet, 0xee, sizeof(packet));
		n = b->pull(port, packet, room);
		assert_true(n <= room);
		for (uint32_t i = 0; i < n; i++)
			check_packet(&packet[i], ++number);
		/* Nothing was written behind what was asked for. */
		assert_int_equal(packet[n].number, UINT64_C(0xeeeeeeeeeeeeeeee));
		all = all * 31 + mark_of(packet, n) * (n > 0);
		check_counters(b, port, number);
		b->give_back(port);
	} while (n > 0);
	assert_true(b->state(port, NULL) == RX_END || b->state(port, NULL) == RX_DAMAGED);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(b->pull(port, packet, room), 0);
		assert_true(b->state(port, NULL) != RX_OPEN);
		b->give_back(port);
	}
	check_counters(b, port, number);
	b->counters(port, &last);
	assert_true(last.offered != RX_UNKNOWN);
	b->close(port);
	return all;
}

static void the_whole_input_comes_in_any_room(void **state)
{
	struct conformance *c = *state;

	(void)run(c, BURST_PACKETS);
	(void)run(c, 17);
	(void)run(c, 1);
}

static void the_same_input_comes_the_same_way_twice(void **state)
{
	assert_int_equal(run(*state, BURST_PACKETS), run(*state, BURST_PACKETS));
}

static void no_room_takes_nothing(void **state)
{
	struct conformance *c = *state;
	struct rx_port *port = open_case(c);
	struct packet packet[1];

	assert_int_equal(backend(c->name)->pull(port, packet, 0), 0);
	check_counters(backend(c->name), port, 0);
	backend(c->name)->close(port);
}

/* Pulling again before giving back may bring more or nothing, but what is lent out stays as it is.
 */
static void borrowed_frames_stay_until_they_are_given_back(void **state)
{
	struct conformance *c = *state;
	const struct rx_backend *b = rx_backend_find(c->name, strlen(c->name));
	struct rx_port *port = open_case(c);
	uint32_t n;

	do {
		static struct packet packet[8 * BURST_PACKETS];
		uint64_t mark[8];
		uint32_t count[8];

		n = 0;
		for (int i = 0; i < 8; i++) {
			count[i] = b->pull(port, packet + n, BURST_PACKETS);
			mark[i] = mark_of(packet + n, count[i]);
			n += count[i];
		}
		for (uint32_t i = 0, at = 0; i < 8; at += count[i++])
			assert_int_equal(mark_of(packet + at, count[i]), mark[i]);
		b->give_back(port);
	} while (n > 0);
	assert_true(b->state(port, NULL) != RX_OPEN);
	b->close(port);
}

static void closing_halfway_leaks_nothing(void **state)
{
	struct conformance *c = *state;
	struct rx_port *port = open_case(c);
	struct packet packet[BURST_PACKETS];

	backend(c->name)->pull(port, packet, 5);
	backend(c->name)->close(port); /* with frames lent out; the leak checker looks on */

	port = open_case(c);
	backend(c->name)->close(port);
}

/* Every worker's port of an input that is walked by all delivers all of it. */
static void ports_of_several_workers_deliver_the_same(void **state)
{
	struct conformance *c = *state;
	const struct rx_backend *b = rx_backend_find(c->name, strlen(c->name));
	struct rx_port *port[2];
	struct packet packet[2][BURST_PACKETS];
	uint32_t n;

	if (b == NULL || b->live)
		skip(); /* its ports share the source */
	port[0] = open_case(c);
	port[1] = open_case(c);
	do {
		n = b->pull(port[0], packet[0], BURST_PACKETS);
		assert_int_equal(b->pull(port[1], packet[1], BURST_PACKETS), n);
		assert_int_equal(mark_of(packet[0], n), mark_of(packet[1], n));
		b->give_back(port[0]);
		b->give_back(port[1]);
	} while (n > 0);
	b->close(port[0]);
	b->close(port[1]);
}

int main(void)
{
	static void (*const promise[])(void **) = {
		the_whole_input_comes_in_any_room,
		the_same_input_comes_the_same_way_twice,
		no_room_takes_nothing,
		borrowed_frames_stay_until_they_are_given_back,
		closing_halfway_leaks_nothing,
		ports_of_several_workers_deliver_the_same,
	};
	static const char *const promise_name[] = {
		"the_whole_input_comes_in_any_room",
		"the_same_input_comes_the_same_way_twice",
		"no_room_takes_nothing",
		"borrowed_frames_stay_until_they_are_given_back",
		"closing_halfway_leaks_nothing",
		"ports_of_several_workers_deliver_the_same",
	};
	struct CMUnitTest tests[array_count(conformance) * array_count(promise)];
	char name[array_count(tests)][160];
	size_t n = 0;

	for (size_t c = 0; c < array_count(conformance); c++)
		for (size_t i = 0; i < array_count(promise); i++, n++) {
			snprintf(name[n], sizeof(name[n]), "%s:%s %zu %s", conformance[c].name,
				 conformance[c].argument != NULL ? conformance[c].argument : "", c,
				 promise_name[i]);
			tests[n] = (struct CMUnitTest){
				.name = name[n],
				.test_func = promise[i],
				.initial_state = &conformance[c],
			};
		}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
