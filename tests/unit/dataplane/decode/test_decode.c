/* Proves that a burst keeps its order when packets leave it; that each packet and each datagram is
 * counted once, by one worker, and the workers' counters add up to those of one alone; that no byte
 * behind the captured ones is read, for every length of every kind of packet; and, over mutated
 * packets, that the balance closes and no payload leaves its frame.
 */
#include "tests/unit/dataplane/decode/decoding.h"

#include <stdlib.h>

#include "tests/support/guarded.h"

enum { MUTATIONS = 200000, WORKERS_MAX = 4 };

static struct frame frame;
static struct burst burst;

/* ---- traffic of every kind ---- */

static void add(struct capture *c, const struct packet_spec *spec)
{
	packet_build(&frame, spec);
	capture_add(c, &frame, UINT64_C(1700000000000000000) + c->count * UINT64_C(1000));
}

static void add_datagram(struct capture *c, bool six, uint32_t id)
{
	struct packet_spec spec = {
		.from = six ? client6() : client4(),
		.to = six ? server6() : server4(),
		.protocol = IPPROTO_UDP,
		PAYLOAD("the text of a datagram that travels in three fragments, to be put "
			"together"),
		.fragment = { .yes = true, .id = id, .bytes = 24, .more = true },
	};

	add(c, &spec);
	spec.fragment.offset = 24;
	add(c, &spec);
	spec.fragment.offset = 48;
	spec.fragment.bytes = 35;
	spec.fragment.more = false;
	add(c, &spec);
}

static void add_link_types(struct capture *c)
{
	static const uint16_t types[] = {
		LINK_NULL,
		LINK_RAW,
		LINK_PPP,
		LINK_PPP_HDLC,
		LINK_PPP_ETHER,
		LINK_CISCO_HDLC,
		LINK_LOOP,
		LINK_LINUX_SLL,
		LINK_LINUX_SLL2,
		LINK_IEEE80211,
		LINK_IEEE80211_RADIOTAP,
	};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		add(c, PACKET(.link = types[i], .loopback = types[i] == LINK_NULL,
			      .from = client4(), .to = server4(), .seq = 7, PAYLOAD("link")));
}

static void add_every_kind(struct capture *c)
{
	add(c, PACKET(.from = client4(), .to = server4(), .flags = TCP_SYN, .options = "\2\4\5\xb4",
		      .option_bytes = 4));
	add(c, PACKET(.from = client6(), .to = server6(), .flags = TCP_ACK, PAYLOAD("hello")));
	add(c, PACKET(.from = client4(), .to = server4(), .protocol = IPPROTO_UDP,
		      PAYLOAD("question")));
	add(c, PACKET(.from = client4(), .to = server4(), .vlan = { 5, 6 }, .vlans = 2,
		      PAYLOAD("tagged")));
	add(c, PACKET(.from = client6(), .to = server6(), .extension = { 0, 60, 43, 51, 44, 135 },
		      .extensions = 6, PAYLOAD("chain")));
	add(c,
	    PACKET(.from = client4(), .to = server4(), .ip_option_bytes = 12, PAYLOAD("options")));
	add(c,
	    PACKET(.from = client4(), .to = server4(), .protocol = IPPROTO_ICMP, PAYLOAD("ping")));
	add(c, PACKET(.from = client4(), .to = server4(), .protocol = 132, PAYLOAD("other")));
	add_datagram(c, false, 1);
	add_datagram(c, true, 2);
	add_link_types(c);
}

/* Connections from many ports, so that every worker has some, with everything else in between. */
static void add_much(struct capture *c)
{
	for (uint16_t i = 0; i < 200; i++) {
		struct conversation talk;

		conversation_open(&talk, c, endpoint("10.0.0.1", (uint16_t)(30000 + i)), server4());
		conversation_say(&talk, CLIENT, "request", 7);
		conversation_say(&talk, SERVER, "response", 8);
		conversation_close(&talk);
		add_datagram(c, i & 1, i);
		add_every_kind(c);
		c->packet[c->count - 1].caplen_bytes -= 2;
	}
	for (uint32_t i = 0; i < c->count; i++)
		c->packet[i].ts_ns = UINT64_C(1700000000000000000) + i * UINT64_C(1000);
}

/* ---- bursts ---- */

static uint64_t went_on; /* packets that were left in bursts */

static void run(struct decoding *t, const struct capture *c, void (*see)(const struct burst *))
{
	for (uint32_t from = 0; from < c->count; from += burst.count) {
		burst.count = 0;
		while (burst.count < BURST_PACKETS && from + burst.count < c->count) {
			burst.packet[burst.count] = capture_packet(c, from + burst.count);
			burst.count++;
		}

		uint32_t taken = burst.count;

		decode_burst(&t->decode, &burst);
		went_on += burst.count;
		if (see != NULL)
			see(&burst);
		burst.count = taken;
	}
}

static uint64_t last_number;

static void check_order(const struct burst *b)
{
	for (uint32_t i = 0; i < b->count; i++) {
		assert_true(b->packet[i].number > last_number);
		last_number = b->packet[i].number;
	}
}

static void burst_stays_dense_and_in_order(void **state)
{
	(void)state;
	struct decode_settings s = plain_settings();
	struct capture c = { 0 };
	struct decoding t;

	add_much(&c);
	decoding_init(&t, &s);
	last_number = went_on = 0;
	run(&t, &c, check_order);
	assert_int_equal(t.counters.value[C_received], c.count);
	assert_int_equal(t.counters.value[C_datagrams_completed], 200 * 3);
	assert_int_equal(t.counters.value[C_passed_icmp], 200);
	assert_int_equal(t.counters.value[C_passed_ip_protocol], 200);
	assert_int_equal(t.counters.value[C_fragment_kept], 200 * 9);
	assert_int_equal(t.counters.value[C_packets_cut], 200);
	assert_int_equal(went_on, c.count - 200 * (9 + 2) + 200 * 3);
	assert_int_equal(packets_residual(&t.counters, went_on), 0);
	decoding_fini(&t);
	capture_fini(&c);
}

static void empty_burst_is_left_alone(void **state)
{
	(void)state;
	struct decode_settings s = plain_settings();
	struct decoding t;

	decoding_init(&t, &s);
	burst.count = 0;
	decode_burst(&t.decode, &burst);
	assert_int_equal(burst.count, 0);
	assert_int_equal(t.counters.value[C_received], 0);
	decoding_fini(&t);
}

static void datagram_is_borrowed_until_the_next_burst(void **state)
{
	(void)state;
	struct decode_settings s = plain_settings();
	struct capture c = { 0 };
	struct decoding t;
	uint64_t held_bytes;

	for (uint32_t id = 0; id < 20; id++)
		add_datagram(&c, false, id);
	decoding_init(&t, &s);
	held_bytes = t.arena.held_bytes;
	went_on = 0;
	run(&t, &c, NULL);
	assert_int_equal(went_on, 20);
	for (uint32_t i = 0; i < 20; i++)
		assert_memory_equal(burst.packet[i].payload, "the text of a datagram", 22);
	assert_true(t.arena.held_bytes > held_bytes);
	burst.count = 0;
	decode_burst(&t.decode, &burst);
	assert_int_equal(t.arena.held_bytes, held_bytes);
	decoding_fini(&t);
	capture_fini(&c);
}

static void decode_that_was_never_made_can_be_finished(void **state)
{
	(void)state;
	struct decode d = { 0 };

	decode_fini(&d);
	assert_null(d.fragments);
}

/* ---- workers ---- */

static uint8_t seen_by[1 << 16]; /* how many workers let a packet go on, by number */

static void note_seen(const struct burst *b)
{
	for (uint32_t i = 0; i < b->count; i++)
		seen_by[b->packet[i].number]++;
}

static void run_workers(const struct capture *c, const struct decode_settings *plain,
			uint32_t workers, struct counters *ret)
{
	*ret = (struct counters){ 0 };
	memset(seen_by, 0, sizeof(seen_by));
	went_on = 0;
	for (uint32_t w = 0; w < workers; w++) {
		struct decode_settings s = *plain;
		struct decoding t;
		uint64_t before = went_on;

		s.worker = w;
		s.workers = workers;
		decoding_init(&t, &s);
		run(&t, c, note_seen);
		assert_int_equal(packets_residual(&t.counters, went_on - before), 0);
		/* The capture is such that nobody is idle. */
		assert_true(t.counters.value[C_received] > c->count / workers / 4);
		for (int i = 0; i < COUNTER_COUNT; i++)
			ret->value[i] += t.counters.value[i];
		decoding_fini(&t);
	}
}

static void workers_together_count_what_one_counts_alone(void **state)
{
	(void)state;
	struct decode_settings s = plain_settings();
	struct capture c = { 0 };
	struct counters alone, together;
	uint64_t alone_went_on;

	add_much(&c);
	srand(7);
	/* So that counters beside the balance have something to count as well. */
	for (uint32_t i = 0; i < c.count; i += 7)
		c.packet[i].at[(uint32_t)rand() % c.packet[i].caplen_bytes] ^= 1;
	s.fragment_bytes = 4096;
	run_workers(&c, &s, 1, &alone);
	alone_went_on = went_on;
	assert_int_equal(alone.value[C_received], c.count);
	assert_true(alone.value[C_fragments_expired] > 0);
	for (uint32_t workers = 2; workers <= WORKERS_MAX; workers++) {
		run_workers(&c, &s, workers, &together);
		assert_memory_equal(&together, &alone, sizeof(alone));
		assert_int_equal(went_on, alone_went_on);
		for (uint32_t i = 1; i <= c.count; i++)
			assert_true(seen_by[i] <= 1);
	}
	capture_fini(&c);
}

/* ---- hostile bytes ---- */

static void no_byte_behind_the_captured_ones_is_read(void **state)
{
	(void)state;
	struct decode_settings s = plain_settings();
	struct capture c = { 0 };
	struct guarded g;
	struct decoding t;

	s.checksum = true;
	guarded_init(&g, FRAME_BYTES_MAX);
	decoding_init(&t, &s);
	add_every_kind(&c);
	for (uint32_t i = 0; i < c.count; i++) {
		for (uint32_t bytes = 0; bytes <= c.packet[i].wire_bytes; bytes++) {
			for (int honest = 0; honest < 2; honest++) {
				struct packet p = capture_packet(&c, i);

				p.caplen_bytes = bytes;
				p.wire_bytes = honest ? p.wire_bytes : bytes;
				p.frame = guarded_put(&g, c.packet[i].at, bytes);
				if (decode_one(&t.decode, &p) != C_to_flow)
					continue;
				assert_true(p.payload_captured_bytes <= p.payload_bytes);
				for (uint32_t k = 0; k < p.payload_captured_bytes; k++)
					(void)*(const volatile uint8_t *)(p.payload + k);
			}
		}
	}
	decoding_fini(&t);
	guarded_fini(&g);
	capture_fini(&c);
}

static void check_inside(const struct packet *p, uint64_t datagrams)
{
	const uint8_t *end = p->frame + p->caplen_bytes;

	assert_true(p->payload_captured_bytes <= p->payload_bytes);
	assert_true(p->side <= SIDE_B);
	assert_int_equal(p->hash, flow_key_hash(&p->key, plain_settings().hash_key));
	if (p->payload >= p->frame && p->payload <= end)
		assert_true(p->payload_captured_bytes <= (uint32_t)(end - p->payload));
	else
		assert_true(datagrams > 0); /* only those lie somewhere else */
}

/* Flips, sets and moves bytes, mostly in the headers, and lies about lengths. */
static void mutate(uint8_t *at, struct packet *p)
{
	uint32_t bytes = p->caplen_bytes;

	for (int n = rand() % 5; n > 0 && bytes > 0; n--) {
		uint32_t reach = rand() % 3 != 0 && bytes > 64 ? 64 : bytes;
		int value = rand() % 2 != 0 ? rand() : rand() % 3 - 1;

		at[(uint32_t)rand() % reach] = (uint8_t)value;
	}
	if (rand() % 4 == 0)
		p->caplen_bytes = (uint32_t)rand() % (bytes + 1);
	if (rand() % 4 == 0)
		p->wire_bytes = p->caplen_bytes;
	if (rand() % 16 == 0)
		p->link = (uint16_t)(rand() % 130);
	if (rand() % 1000 == 0)
		p->ts_ns += (uint64_t)rand() * 1000;
}

static void mutated_packets_keep_the_balance(void **state)
{
	(void)state;
	struct decode_settings s = plain_settings();
	struct capture c = { 0 };
	struct guarded g[BURST_PACKETS];
	struct decoding t;
	uint64_t number = 0;

	srand(1);
	add_every_kind(&c);
	for (int i = 0; i < BURST_PACKETS; i++)
		guarded_init(&g[i], 4096);
	s.fragment_bytes = 65536;
	s.fragments_per_datagram = 8;
	decoding_init(&t, &s);
	went_on = 0;
	while (number < MUTATIONS) {
		uint64_t datagrams = t.counters.value[C_datagrams_completed];

		for (burst.count = 0; burst.count < BURST_PACKETS; burst.count++) {
			uint32_t from = (uint32_t)rand() % c.count;
			struct packet p = capture_packet(&c, from);
			uint8_t space[4096];

			memcpy(space, c.packet[from].at, p.wire_bytes);
			p.number = ++number;
			p.ts_ns += number * 1000;
			mutate(space, &p);
			p.frame = guarded_put(&g[burst.count], space, p.caplen_bytes);
			burst.packet[burst.count] = p;
		}
		decode_burst(&t.decode, &burst);
		went_on += burst.count;
		for (uint32_t i = 0; i < burst.count; i++)
			check_inside(&burst.packet[i],
				     t.counters.value[C_datagrams_completed] - datagrams);
		assert_int_equal(packets_residual(&t.counters, went_on), 0);
	}
	assert_int_equal(t.counters.value[C_received], number);
	assert_true(went_on > number / 10);
	assert_true(t.counters.value[C_datagrams_completed] > 0);
	decoding_fini(&t);
	for (int i = 0; i < BURST_PACKETS; i++)
		guarded_fini(&g[i]);
	capture_fini(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(burst_stays_dense_and_in_order),
		cmocka_unit_test(empty_burst_is_left_alone),
		cmocka_unit_test(datagram_is_borrowed_until_the_next_burst),
		cmocka_unit_test(decode_that_was_never_made_can_be_finished),
		cmocka_unit_test(workers_together_count_what_one_counts_alone),
		cmocka_unit_test(no_byte_behind_the_captured_ones_is_read),
		cmocka_unit_test(mutated_packets_keep_the_balance),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
