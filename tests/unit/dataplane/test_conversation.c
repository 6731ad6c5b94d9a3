/* Proves that how a conversation was delivered does not show in what is told of it.
 *
 * Seven connections (pipelining, chunked bodies, 1xx, HEAD, a body until the end, an upgrade, a
 * tunnel) are cut into packets and delivered in 500 seeded ways: in segments of any size, down to
 * one byte; out of order, twice, overlapping; with sequence numbers that wrap; interleaved or one
 * after the other; to one, two or four workers. Every time
 *
 *   - the set of exchanges is the one written beside the conversation here: nothing is missing,
 *     nothing is told twice, no answer has moved to another request;
 *   - every balance of every worker closes: packets, payload, requests, responses, records;
 *   - every byte of memory is back when the capture has ended.
 *
 * The stages are the real ones, from frames to records; so is the registry.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "dataplane/decode/decode.h"
#include "dataplane/dissect/host.h"
#include "dataplane/emit/emit.h"
#include "dataplane/flow/flow.h"
#include "dataplane/reassembly/reassembly.h"
#include "dataplane/shm/settings.h"
#include "tests/support/check.h"
#include "tests/support/packets.h"

enum {
	WAYS = 500,
	CONNECTIONS = 8,
	TURNS = 64,
	STREAM_BYTES = 16 * 1024,
	WORKERS = 4,
	LINES = 256,
	LINE_BYTES = 160,
	DOWN_BYTES = 4096,
	RING_BYTES = 1 << 20,
	STEP_NS = 10000,
};

/* ---- random numbers ---- */

/* One stream per way: what fails once fails again. */
static uint64_t seed;

static uint32_t random_below(uint32_t limit)
{
	uint64_t z = seed += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return (uint32_t)((z ^ z >> 31) % limit);
}

/* ---- the conversation ---- */

/* What one side says before the other goes on, as a part of its stream. */
struct turn {
	enum speaker who;
	uint32_t from, bytes;
	uint32_t acked; /* of the other's stream */
};

struct connection {
	struct endpoint end[2];
	char stream[2][STREAM_BYTES];
	uint32_t bytes[2];
	struct turn turn[TURNS];
	uint32_t turns;
};

struct lines {
	char line[LINES][LINE_BYTES];
	uint32_t count;
};

static struct connection connection[CONNECTIONS];
static uint32_t connections;
static struct lines expected;

static struct connection *meet(const char *client, const char *server)
{
	struct connection *c = &connection[connections];

	c->end[CLIENT] = endpoint(client, (uint16_t)(40000 + connections));
	c->end[SERVER] = endpoint(server, 8080);
	connections++;
	return c;
}

static void say_bytes(struct connection *c, enum speaker who, const char *text, size_t bytes)
{
	assert_true(c->turns < TURNS && c->bytes[who] + bytes <= STREAM_BYTES);
	memcpy(c->stream[who] + c->bytes[who], text, bytes);
	c->turn[c->turns++] = (struct turn){ .who = who,
					     .from = c->bytes[who],
					     .bytes = (uint32_t)bytes,
					     .acked = c->bytes[1 - who] };
	c->bytes[who] += (uint32_t)bytes;
}

static void say(struct connection *c, enum speaker who, const char *text)
{
	say_bytes(c, who, text, strlen(text));
}

/* A message of this head and `bytes` of body; among them what looks like messages. */
static void say_body(struct connection *c, enum speaker who, const char *head, uint32_t bytes)
{
	static const char filler[] = "HTTP/1.1 200 OK\r\n\r\nGET /body HTTP/1.1\r\n\r\n";
	char text[STREAM_BYTES];
	size_t at = strlen(head);

	assert_true(at + bytes <= sizeof(text));
	memcpy(text, head, at);
	for (uint32_t i = 0; i < bytes; i++)
		text[at + i] = filler[i % (sizeof(filler) - 1)];
	say_bytes(c, who, text, at + bytes);
}

/* "index outcome method target request-body code response-body interim...". */
static void expect(const struct connection *c, const char *line)
{
	assert_true(expected.count < LINES);
	snprintf(expected.line[expected.count++], LINE_BYTES, "%u %s", c->end[CLIENT].port, line);
}

#define C(text) say(c, CLIENT, text)
#define S(text) say(c, SERVER, text)

static void talk_in_turns(void)
{
	struct connection *c = meet("10.0.0.1", "10.0.0.2");

	C("GET /a HTTP/1.1\r\nHost: one\r\n\r\n");
	S("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
	expect(c, "0 paired GET /a 0 200 5");
	say_body(c, CLIENT, "PUT /b HTTP/1.1\r\nHost: one\r\nContent-Length: 3000\r\n\r\n", 3000);
	S("HTTP/1.1 204 No Content\r\n\r\n");
	expect(c, "1 paired PUT /b 3000 204 0");
	C("GET /c HTTP/1.1\r\nHost: one\r\n\r\n");
	say_body(c, SERVER, "HTTP/1.1 404 Not Found\r\nContent-Length: 4000\r\n\r\n", 4000);
	expect(c, "2 paired GET /c 0 404 4000");
	C("GET /never HTTP/1.1\r\nHost: one\r\n\r\n");
	expect(c, "3 unanswered:connection_closed GET /never 0 - 0");
}

static void talk_pipelined(void)
{
	struct connection *c = meet("10.0.0.9", "10.0.0.2"); /* the client is the other side now */
	char text[128];

	for (int i = 0; i < 12; i++) {
		snprintf(text, sizeof(text), "GET /p%d HTTP/1.1\r\nHost: two\r\n\r\n", i);
		C(text);
	}
	for (uint32_t i = 0; i < 12; i++) {
		snprintf(text, sizeof(text), "HTTP/1.1 2%02u OK\r\nContent-Length: %u\r\n\r\n", i,
			 i * 10);
		say_body(c, SERVER, text, i == 4 ? 0 : i * 10); /* 204 has no body */
		snprintf(text, sizeof(text), "%u paired GET /p%u 0 2%02u %u", i, i, i,
			 i == 4 ? 0 : i * 10);
		expect(c, text);
	}
}

static void talk_in_chunks(void)
{
	struct connection *c = meet("10.0.0.1", "10.0.0.2");

	C("POST /chunks HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
	C("a;ext=\"1\"\r\n0\r\n\r\nGET /\r\n0\r\nTrailer: x\r\n\r\n");
	S("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
	S("1\r\nx\r\n1\r\ny\r\n1\r\nz\r\n");
	say_body(c, SERVER, "7d0\r\n", 2000);
	S("\r\n0\r\n\r\n");
	expect(c, "0 paired POST /chunks 13 200 2003");
	C("GET /after HTTP/1.1\r\n\r\n");
	S("HTTP/1.1 500 Oh\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
	expect(c, "1 paired GET /after 0 500 0");
}

static void talk_with_interim_answers(void)
{
	struct connection *c = meet("2001:db8::1", "2001:db8::2");

	C("POST /wait HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 6\r\n\r\n");
	S("HTTP/1.1 100 Continue\r\n\r\n");
	C("abcdef");
	S("HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nok");
	expect(c, "0 paired POST /wait 6 201 2 100");
	C("HEAD /head HTTP/1.1\r\n\r\n");
	C("GET /hints HTTP/1.1\r\n\r\n");
	S("HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n");
	expect(c, "1 paired HEAD /head 0 200 0");
	S("HTTP/1.1 103 Hints\r\nLink: a\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n");
	S("HTTP/1.1 304 Not Modified\r\nContent-Length: 77\r\n\r\n");
	expect(c, "2 paired GET /hints 0 304 0 103 102");
	C("HEAD /chunked HTTP/1.1\r\n\r\n");
	S("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
	expect(c, "3 paired HEAD /chunked 0 200 0");
}

static void talk_until_the_end(void)
{
	struct connection *c = meet("10.0.0.1", "10.0.0.2");

	C("GET /all HTTP/1.0\r\n\r\n");
	say_body(c, SERVER, "HTTP/1.0 200 OK\r\n\r\n", 2500);
	expect(c, "0 paired GET /all 0 200 2500");
}

static void talk_and_upgrade(void)
{
	struct connection *c = meet("10.0.0.1", "10.0.0.2");

	C("GET /plain HTTP/1.1\r\n\r\n");
	S("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n!");
	expect(c, "0 paired GET /plain 0 200 1");
	C("GET /up HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: x-tunnel\r\n\r\n");
	S("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x-tunnel\r\n\r\n\x81\x05hello");
	expect(c, "1 paired GET /up 0 101 0");
	C("\x81\x20GET /not HTTP/1.1\r\n\r\n");
	S("HTTP/1.1 200 not this\r\n\r\n");
}

static void talk_through_a_tunnel(void)
{
	struct connection *c = meet("10.0.0.200", "10.0.0.2");

	C("CONNECT far:443 HTTP/1.1\r\nHost: far\r\n\r\n");
	S("HTTP/1.1 407 Who\r\nContent-Length: 3\r\n\r\nyou");
	expect(c, "0 paired CONNECT far:443 0 407 3");
	C("CONNECT far:443 HTTP/1.1\r\nHost: far\r\n\r\n");
	S("HTTP/1.1 200 Go\r\n\r\n");
	expect(c, "1 paired CONNECT far:443 0 200 0");
	C("GET /inside HTTP/1.1\r\n\r\n");
	S("HTTP/1.1 200 inside\r\n\r\n");
	expect(c, "2 paired GET /inside 0 200 0");
}

/* ---- packets: one way of delivering it ---- */

struct way {
	uint32_t segment_bytes;  /* at most */
	uint32_t window_packets; /* a packet comes at most so many of its connection's too late */
	uint32_t again_one_in;   /* segments that come twice or overlap another; 0: none */
	uint32_t isn[CONNECTIONS][2];
	bool one_after_the_other;
	uint32_t workers;
};

/* The packets of a connection in the order in which they were sent. */
static struct capture sent[CONNECTIONS];

/* The same of all, in the order in which they come; `from` is borrowed from `sent`. */
struct arrival {
	const struct captured *from;
	uint32_t rank;
};
static struct arrival *arrived;
static uint32_t arrivals;

static void send_packet(const struct way *w, uint32_t which, enum speaker who, uint8_t flags,
			int64_t offset, uint32_t bytes, int64_t acked)
{
	static struct frame f;
	const struct connection *c = &connection[which];
	enum speaker other = 1 - who;

	packet_build(&f, PACKET(.from = c->end[who], .to = c->end[other], .flags = flags,
				.seq = w->isn[which][who] + 1 + (uint32_t)offset,
				.ack = (flags & TCP_ACK) != 0
					       ? w->isn[which][other] + 1 + (uint32_t)acked
					       : 0,
				.payload = bytes > 0 ? c->stream[who] + offset : NULL,
				.payload_bytes = bytes));
	capture_add(&sent[which], &f, 0);
}

static void send_handshake(const struct way *w, uint32_t which)
{
	send_packet(w, which, CLIENT, TCP_SYN, -1, 0, 0);
	send_packet(w, which, SERVER, TCP_SYN | TCP_ACK, -1, 0, 0);
	send_packet(w, which, CLIENT, TCP_ACK, 0, 0, 0);
}

/* The segment once more, or a stretch that begins earlier and ends later than it. */
static void send_again(const struct way *w, uint32_t which, const struct turn *t, uint32_t from,
		       uint32_t bytes)
{
	uint32_t back = random_below(from + 1), end = from + bytes;

	back = back < 40 ? back : 40;
	end += random_below(t->from + t->bytes - end + 1);
	if (random_below(2) == 0)
		send_packet(w, which, t->who, TCP_ACK, from, bytes, t->acked);
	else
		send_packet(w, which, t->who, TCP_ACK, from - back, end - (from - back), t->acked);
}

static void send_turn(const struct way *w, uint32_t which, const struct turn *t)
{
	for (uint32_t at = 0, n; at < t->bytes; at += n) {
		n = 1 + random_below(w->segment_bytes);
		n = n < t->bytes - at ? n : t->bytes - at;
		send_packet(w, which, t->who, TCP_ACK | TCP_PSH, t->from + at, n, t->acked);
		if (w->again_one_in > 0 && random_below(w->again_one_in) == 0)
			send_again(w, which, t, t->from + at, n);
	}
	send_packet(w, which, 1 - t->who, TCP_ACK, t->acked, 0, t->from + t->bytes);
}

static void send_connection(const struct way *w, uint32_t which)
{
	const struct connection *c = &connection[which];
	const uint32_t *bytes = c->bytes;

	send_handshake(w, which);
	for (uint32_t i = 0; i < c->turns; i++)
		send_turn(w, which, &c->turn[i]);
	send_packet(w, which, SERVER, TCP_FIN | TCP_ACK, bytes[SERVER], 0, bytes[CLIENT]);
	send_packet(w, which, CLIENT, TCP_FIN | TCP_ACK, bytes[CLIENT], 0, bytes[SERVER] + 1);
	send_packet(w, which, SERVER, TCP_ACK, bytes[SERVER] + 1, 0, bytes[CLIENT] + 1);
}

static int compare_rank(const void *a, const void *b)
{
	const struct arrival *x = a, *y = b;

	if (x->rank != y->rank)
		return x->rank < y->rank ? -1 : 1;
	return x->from < y->from ? -1 : x->from > y->from;
}

/* A connection's packets as they come: the handshake in order, then each up to a window late. */
static struct arrival *shuffle(const struct way *w, const struct capture *c)
{
	struct arrival *a = calloc(c->count, sizeof(*a));

	assert_non_null(a);
	for (uint32_t i = 0; i < c->count; i++)
		a[i] = (struct arrival){ &c->packet[i],
					 i < 3 ? 0 : i + random_below(w->window_packets + 1) };
	qsort(a, c->count, sizeof(*a), compare_rank);
	return a;
}

static void deliver_all(const struct way *w)
{
	struct arrival *each[CONNECTIONS];
	uint32_t next[CONNECTIONS] = { 0 }, total = 0;

	for (uint32_t i = 0; i < connections; i++) {
		send_connection(w, i);
		each[i] = shuffle(w, &sent[i]);
		total += sent[i].count;
	}
	arrived = calloc(total, sizeof(*arrived));
	assert_non_null(arrived);
	for (arrivals = 0; arrivals < total;) {
		uint32_t i = w->one_after_the_other ? 0 : random_below(connections);

		while (next[i] == sent[i].count)
			i = (i + 1) % connections;
		arrived[arrivals++] = each[i][next[i]++];
	}
	for (uint32_t i = 0; i < connections; i++)
		free(each[i]);
}

static void forget_all(void)
{
	for (uint32_t i = 0; i < connections; i++)
		capture_fini(&sent[i]);
	free(arrived);
}

/* ---- a worker ---- */

static struct worker {
	struct burst burst;
	struct decode decode;
	struct flow_table flows;
	struct reassembly reassembly;
	struct host host;
	struct pair pair;
	struct emit emit;
	struct counters counters;
	struct pipeline_clock clock;
	struct stage_timer timer;
	struct identify identify;
	struct arena arena;
	struct emit_door door;
	struct region_writer region;
	struct ring_consumer consumer;
	struct ring_down *down;
	uint64_t records;
} worker[WORKERS];

static struct identify_database *database;
static uint64_t enabled;
static struct lines heard;

static void open_region(struct worker *w, uint32_t number, uint32_t workers)
{
	void *down;

	assert_int_equal(
		region_create(&w->region, number, workers, RING_BYTES, dissector_count, "test"), 0);
	down = mmap(NULL, DOWN_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, w->region.down_fd, 0);
	assert_true(down != MAP_FAILED);
	w->down = down;
	assert_int_equal(ring_consumer_init(&w->consumer, w->region.data,
					    w->region.header->ring_bytes, &w->region.header->ring,
					    w->down),
			 0);
}

static void open_worker(struct worker *w, uint32_t number, uint32_t workers)
{
	struct hash_key key = { 1, 2 };
	struct decode_settings decode = { .checksum = true,
					  .extension_headers = 16,
					  .encapsulations = 8,
					  .fragment_bytes = 1 << 20,
					  .fragments_per_datagram = 64,
					  .fragment_timeout_ns = 30 * CLOCK_SECOND_NS,
					  .hash_key = key,
					  .spread = { 0x9e3779b1, 0x85ebca6b },
					  .worker = number,
					  .workers = workers };
	struct flow_settings flow = {
		.flows = 64,
		.half_open = 16,
		.timeout_ns = { 10 * CLOCK_SECOND_NS, 300 * CLOCK_SECOND_NS, 10 * CLOCK_SECOND_NS,
				60 * CLOCK_SECOND_NS },
		.worker = number,
		.workers = workers,
	};
	struct reassembly_settings reassembly = { .gap_wait_ns = 20000000,
						  .held_bytes = 1 << 20,
						  .held_segments = 1024,
						  .held_worker_bytes = 32 << 20 };
	struct host_settings host = { .gap_wait_ns = 20000000,
				      .head_bytes = 64 * 1024,
				      .head_fields = 256,
				      .conn_memory_bytes = 4096,
				      .spare_conns = 64,
				      .headers = HEADERS_ALL,
				      .header_names = "" };
	struct pair_settings pair = { .open_requests = 512,
				      .pool_messages = 64,
				      .request_timeout_ns = 60 * CLOCK_SECOND_NS };
	struct emit_settings emit = { .waits = false };

	memset(w, 0, sizeof(*w));
	assert_int_equal(arena_init(&w->arena), 0);
	open_region(w, number, workers);
	assert_int_equal(decode_init(&w->decode, &decode, &w->arena, &w->counters), 0);
	assert_int_equal(flow_init(&w->flows, &flow, &w->counters, &w->clock, reassembly_close,
				   &w->reassembly),
			 0);
	assert_int_equal(identify_init(&w->identify, database, enabled), 0);
	emit_init(&w->emit, &emit, &w->region, &w->counters, &w->door, -1, &w->timer);
	pair_init(&w->pair, &pair, &w->emit, &w->arena, &w->counters, &w->clock, &w->timer);
	host_init(&w->host, &host, &w->identify, &w->pair, &w->arena, &w->counters, &w->clock,
		  &w->timer);
	reassembly_init(&w->reassembly, &reassembly, &w->flows, &w->arena, &w->counters, &w->clock,
			host_sink(&w->host));
}

static void balance_closes(const struct worker *w, enum balance which)
{
	uint64_t in = 0, out = 0;

	for (int i = 0; i < COUNTER_COUNT; i++) {
		if (ledger_line[i].balance != which)
			continue;
		if (ledger_line[i].side == BALANCE_IN)
			in += w->counters.value[i];
		else
			out += w->counters.value[i];
	}
	assert_int_equal(in, out);
}

static void close_worker(struct worker *w)
{
	balance_closes(w, BALANCE_PACKETS);
	balance_closes(w, BALANCE_PAYLOAD);
	balance_closes(w, BALANCE_REQUESTS);
	balance_closes(w, BALANCE_RESPONSES);
	assert_int_equal(w->counters.value[C_records_made], w->records);
	assert_int_equal(w->counters.value[C_gaps], 0);
	assert_int_equal(w->counters.value[C_conflict_bytes], 0);
	assert_int_equal(w->counters.value[C_anomalies], 0);
	assert_int_equal(w->reassembly.held_bytes, 0);
	assert_int_equal(w->pair.open_requests + w->pair.open_responses, 0);
	host_fini(&w->host);
	pair_fini(&w->pair);
	flow_fini(&w->flows);
	decode_fini(&w->decode);
	identify_fini(&w->identify);
	arena_fini(&w->arena); /* asserts that every byte is back */
	munmap(w->down, DOWN_BYTES);
	region_destroy(&w->region);
}

/* ---- records ---- */

static void add(char *line, const char *text, size_t bytes)
{
	size_t at = strlen(line);

	snprintf(line + at, LINE_BYTES - at, "%.*s", (int)bytes, text);
}

/* All fields of this kind, each after a blank; `none` if there is none. */
static void add_fields(char *line, const struct record *r, enum record_part part, uint16_t id,
		       const char *none)
{
	bool found = false;

	for (const struct record_field *f = record_first(r, part); f != NULL;
	     f = record_next(r, part, f)) {
		if (f->id != id)
			continue;
		add(line, " ", 1);
		add(line, (const char *)f->data, f->bytes);
		found = true;
	}
	if (!found)
		add(line, none, strlen(none));
}

static void describe(char *line, const struct record *r)
{
	char number[32];

	snprintf(line, LINE_BYTES, "%u %lu %s", r->client_port, (unsigned long)r->index,
		 outcome_name(r->outcome));
	if (r->why != WHY_none) {
		add(line, ":", 1);
		add(line, why_name(r->why), LINE_BYTES);
	}
	add_fields(line, r, RECORD_REQUEST, FIELD_METHOD, " -");
	add_fields(line, r, RECORD_REQUEST, FIELD_TARGET, " -");
	snprintf(number, sizeof(number), " %lu", (unsigned long)r->request.body_bytes);
	add(line, number, sizeof(number));
	add_fields(line, r, RECORD_RESPONSE, FIELD_CODE, " -");
	snprintf(number, sizeof(number), " %lu", (unsigned long)r->response.body_bytes);
	add(line, number, sizeof(number));
	add_fields(line, r, RECORD_RESPONSE, dissectors[r->proto]->interim_field, "");
}

static void hear(struct worker *w)
{
	const struct record *r;
	uint64_t bytes;

	emit_publish(&w->emit);
	while ((r = ring_peek(&w->consumer, &bytes)) != NULL) {
		assert_true(record_check(r, bytes));
		assert_int_equal(r->type, RECORD_PAIR);
		assert_int_equal(r->seq, w->records++);
		assert_true(heard.count < LINES);
		describe(heard.line[heard.count], r);
		/* Whether an answer was captured before its request is up to the way. */
		if ((r->flags & ~(uint32_t)(FLAG_early_response | FLAG_clock_backwards)) != 0)
			fail_msg("flags %x: %s", r->flags, heard.line[heard.count]);
		heard.count++;
		ring_next(&w->consumer, bytes);
	}
	ring_release(&w->consumer);
}

/* ---- the way through the stages ---- */

static void turn(struct worker *w, uint32_t from, uint32_t count)
{
	struct burst *b = &w->burst;

	b->count = count;
	for (uint32_t i = 0; i < count; i++) {
		const struct captured *c = arrived[from + i].from;
		struct packet *p = &b->packet[i];

		*p = (struct packet){ .frame = c->at,
				      .ts_ns = CLOCK_SECOND_NS + (from + i) * (uint64_t)STEP_NS,
				      .number = from + i + 1,
				      .caplen_bytes = c->caplen_bytes,
				      .wire_bytes = c->wire_bytes,
				      .link = c->link };
		p->epoch = clock_see(&w->clock, p->ts_ns);
		p->now_ns = w->clock.now_ns;
	}
	decode_burst(&w->decode, b);
	flow_burst(&w->flows, b);
	count_by(&w->counters, to_flow, b->count);
	for (uint32_t i = 0; i < b->count; i++)
		reassembly_packet(&w->reassembly, &b->packet[i]);
	flow_release(&w->flows);
	hear(w);
}

static void run_worker(struct worker *w, uint32_t number, uint32_t workers)
{
	open_worker(w, number, workers);
	for (uint32_t at = 0, n; at < arrivals; at += n) {
		n = 1 + random_below(BURST_PACKETS);
		n = n < arrivals - at ? n : arrivals - at;
		turn(w, at, n);
	}
	flow_close_all(&w->flows, WHY_capture_ended);
	hear(w);
}

static int compare_lines(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void check_lines(uint64_t number)
{
	qsort(heard.line, heard.count, LINE_BYTES, compare_lines);
	for (uint32_t i = 0; i < heard.count || i < expected.count; i++) {
		const char *wanted = i < expected.count ? expected.line[i] : "nothing";
		const char *got = i < heard.count ? heard.line[i] : "nothing";

		if (strcmp(wanted, got) != 0)
			fail_msg("way %lu: wanted \"%s\", heard \"%s\"", (unsigned long)number,
				 wanted, got);
	}
}

static void deliver(const struct way *w, uint64_t number)
{
	uint64_t packets = 0;

	heard.count = 0;
	deliver_all(w);
	for (uint32_t i = 0; i < w->workers; i++) {
		run_worker(&worker[i], i, w->workers);
		packets += worker[i].counters.value[C_received];
	}
	check_lines(number);
	assert_int_equal(packets, arrivals);
	for (uint32_t i = 0; i < w->workers; i++)
		close_worker(&worker[i]);
	forget_all();
}

/* ---- tests ---- */

static int start(void **state)
{
	const char *bad;

	(void)state;
	talk_in_turns();
	talk_pipelined();
	talk_in_chunks();
	talk_with_interim_answers();
	talk_until_the_end();
	talk_and_upgrade();
	talk_through_a_tunnel();
	qsort(expected.line, expected.count, LINE_BYTES, compare_lines);
	return identify_compile("", &database, &enabled, &bad);
}

static int end(void **state)
{
	(void)state;
	identify_free(database);
	return 0;
}

static struct way plain(void)
{
	return (struct way){ .segment_bytes = 1400, .workers = 1 };
}

static void a_conversation_in_order_gives_its_exchanges(void **state)
{
	struct way w = plain();

	(void)state;
	seed = 1;
	deliver(&w, 0);
}

static void one_byte_per_segment_gives_the_same(void **state)
{
	struct way w = plain();

	(void)state;
	seed = 2;
	w.segment_bytes = 1;
	deliver(&w, 0);
}

/* At every byte of the longer stream once: wherever a segment, a head or a body is cut by it. */
static void sequence_numbers_that_wrap_anywhere_give_the_same(void **state)
{
	(void)state;
	for (uint32_t at = 0; at < 300; at++) {
		struct way w = plain();

		seed = at;
		w.segment_bytes = 50;
		for (uint32_t i = 0; i < connections; i++)
			w.isn[i][CLIENT] = w.isn[i][SERVER] = UINT32_MAX - at;
		deliver(&w, at);
	}
}

static void workers_share_out_the_connections(void **state)
{
	struct way w = plain();
	uint32_t busy = 0;

	(void)state;
	seed = 3;
	w.workers = 4;
	deliver(&w, 0);
	for (uint32_t i = 0; i < w.workers; i++)
		busy += worker[i].records > 0;
	assert_true(busy > 1);
}

static struct way way_of(uint64_t number)
{
	static const uint32_t segment_bytes[] = { 1, 3, 20, 200, 1400, 9000 };
	static const uint32_t window_packets[] = { 0, 1, 4, 16, 40 };
	struct way w = {
		.segment_bytes = segment_bytes[random_below(array_count(segment_bytes))],
		.window_packets = window_packets[random_below(array_count(window_packets))],
		.again_one_in = random_below(6),
		.one_after_the_other = random_below(8) == 0,
		.workers = 1u << number % 3,
	};

	/* Half of them wrap within the stream. */
	for (uint32_t i = 0; i < connections; i++)
		for (int k = 0; k < 2; k++)
			w.isn[i][k] = random_below(2) == 0 ? random_below(UINT32_MAX)
							   : UINT32_MAX - random_below(2000);
	return w;
}

static void the_same_is_told_in_500_ways_of_delivery(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < WAYS; i++) {
		struct way w;

		seed = i * 1000003;
		w = way_of(i);
		deliver(&w, i);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_conversation_in_order_gives_its_exchanges),
		cmocka_unit_test(one_byte_per_segment_gives_the_same),
		cmocka_unit_test(sequence_numbers_that_wrap_anywhere_give_the_same),
		cmocka_unit_test(workers_share_out_the_connections),
		cmocka_unit_test(the_same_is_told_in_500_ways_of_delivery),
	};

	return cmocka_run_group_tests(tests, start, end);
}
