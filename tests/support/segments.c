#include "tests/support/segments.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/check.h"

static struct bench_event *note(struct bench *b, enum bench_event_kind kind, enum side side)
{
	assert_true(b->events < BENCH_EVENTS);
	b->event[b->events] = (struct bench_event){ .kind = kind, .side = side };
	return &b->event[b->events++];
}

static void on_deliver(void *context, struct flow *f, enum side side, uint64_t offset,
		       struct slice bytes, const struct segment *from)
{
	struct bench *b = context;
	struct bench_event *e = note(b, HEARD_BYTES, side);

	f->sink = b;
	assert_true(bytes.bytes > 0);
	assert_int_equal(offset, b->heard_bytes[side]);
	if (offset + bytes.bytes <= BENCH_BYTES)
		memcpy(b->heard[side] + offset, bytes.at, bytes.bytes);
	b->heard_bytes[side] += bytes.bytes;
	e->offset = offset;
	e->bytes = bytes.bytes;
	e->acked = from->acked;
}

static void on_gap(void *context, struct flow *f, enum side side, uint64_t offset, uint64_t bytes,
		   bool cut)
{
	struct bench *b = context;
	struct bench_event *e = note(b, HEARD_GAP, side);

	(void)cut;
	f->sink = b;
	assert_int_equal(offset, b->heard_bytes[side]);
	assert_true(bytes > 0);
	b->heard_bytes[side] += bytes;
	b->gap_bytes[side] += bytes;
	e->offset = offset;
	e->bytes = bytes;
}

static void on_close(void *context, struct flow *f, enum side side, enum why why)
{
	(void)f;
	note(context, HEARD_CLOSE, side)->why = why;
}

static void on_end(void *context, struct flow *f)
{
	struct bench *b = context;

	f->sink = NULL;
	note(b, HEARD_END, SIDE_UNKNOWN);
	b->heard_bytes[0] = b->heard_bytes[1] =
		0; /* the next connection of the tuple starts at 0 */
}

struct flow_settings bench_flow_settings(void)
{
	return (struct flow_settings){
		.flows = 64,
		.half_open = 16,
		.timeout_ns = { 10 * CLOCK_SECOND_NS, 300 * CLOCK_SECOND_NS, 10 * CLOCK_SECOND_NS,
				60 * CLOCK_SECOND_NS },
		.workers = 1,
	};
}

struct reassembly_settings bench_reassembly_settings(void)
{
	return (struct reassembly_settings){ .gap_wait_ns = 20000000,
					     .held_bytes = 1 << 20,
					     .held_segments = 1024,
					     .held_worker_bytes = 32 << 20 };
}

void bench_open(struct bench *b, const struct flow_settings *flow,
		const struct reassembly_settings *reassembly)
{
	struct flow_settings fs = flow != NULL ? *flow : bench_flow_settings();
	struct reassembly_settings rs = reassembly != NULL ? *reassembly
							   : bench_reassembly_settings();
	struct sink sink = {
		.context = b, .deliver = on_deliver, .gap = on_gap, .close = on_close, .end = on_end
	};

	memset(b, 0, sizeof(*b));
	b->isn[0] = 1000;
	b->isn[1] = 5000;
	b->client_port = 40000;
	b->heard[0] = calloc(2, BENCH_BYTES);
	b->heard[1] = b->heard[0] + BENCH_BYTES;
	assert_int_equal(arena_init(&b->arena), 0);
	assert_int_equal(flow_init(&b->flows, &fs, &b->counters, &b->clock, reassembly_close,
				   &b->reassembly),
			 0);
	reassembly_init(&b->reassembly, &rs, &b->flows, &b->arena, &b->counters, &b->clock, sink);
	clock_see(&b->clock, UINT64_C(1700000000) * CLOCK_SECOND_NS);
}

void bench_close(struct bench *b)
{
	flow_close_all(&b->flows, WHY_capture_ended);
	bench_books(b);
	assert_int_equal(b->reassembly.held_bytes, 0);
	assert_int_equal(b->flows.count, 0);
	flow_fini(&b->flows);
	arena_fini(&b->arena);
	free(b->heard[0]);
}

void bench_books(const struct bench *b)
{
	uint64_t in[BALANCE_NONE + 1] = { 0 }, out[BALANCE_NONE + 1] = { 0 };

	out[BALANCE_PAYLOAD] = b->reassembly.held_bytes;
	for (int i = 0; i < COUNTER_COUNT; i++) {
		if (ledger_line[i].side == BALANCE_IN)
			in[ledger_line[i].balance] += b->counters.value[i];
		else
			out[ledger_line[i].balance] += b->counters.value[i];
	}
	assert_int_equal(in[BALANCE_PAYLOAD], out[BALANCE_PAYLOAD]);
	assert_int_equal(in[BALANCE_DATAGRAMS], out[BALANCE_DATAGRAMS]);
}

static void fill_key(const struct bench *b, struct packet *p, const struct sent *s)
{
	static const uint8_t prefix[12] = { [10] = 0xff, [11] = 0xff };
	static const uint8_t a[4] = { 10, 0, 0, 1 }, z[4] = { 10, 0, 0, 2 };

	memcpy(p->key.address[0], prefix, 12);
	memcpy(p->key.address[1], prefix, 12);
	memcpy(p->key.address[0] + 12, a, 4);
	memcpy(p->key.address[1] + 12, z, 4);
	p->key.port[0] = b->client_port;
	p->key.port[1] = 80;
	p->key.protocol = s->datagram ? IPPROTO_UDP : IPPROTO_TCP;
	p->key.ip_version = 4;
	p->side = (uint8_t)s->side;
	p->hash = flow_key_hash(&p->key, (struct hash_key){ 1, 2 });
}

void bench_send(struct bench *b, struct sent s)
{
	struct packet *p = &b->burst.packet[0];
	uint8_t *copy = malloc(s.bytes +
			       1); /* exactly as long as the payload: ASan sees one byte too far */

	memset(p, 0, sizeof(*p));
	fill_key(b, p, &s);
	p->ts_ns = b->clock.last_ns + (s.after_ns != 0 ? s.after_ns : 1000);
	p->number = ++b->number;
	p->tcp_flags = s.flags != 0 ? s.flags : (uint8_t)(TCP_ACK | (s.bytes ? TCP_PSH : 0));
	p->seq = b->isn[s.side] + (uint32_t)s.offset;
	p->ack = (p->tcp_flags & TCP_ACK) ? b->isn[side_other(s.side)] + (uint32_t)s.ack : 0;
	p->payload_bytes = s.bytes;
	p->payload_captured_bytes = s.bytes - s.cut_bytes;
	if (s.bytes > 0)
		memcpy(copy, s.data, p->payload_captured_bytes);
	p->payload = copy;
	p->epoch = clock_see(&b->clock, p->ts_ns);
	p->now_ns = b->clock.now_ns;
	b->burst.count = 1;
	flow_burst(&b->flows, &b->burst);
	if (b->burst.count == 1)
		reassembly_packet(&b->reassembly, p);
	flow_release(&b->flows);
	bench_books(b);
	free(copy);
}

void bench_handshake(struct bench *b)
{
	bench_send(b, (struct sent){ .side = SIDE_A, .flags = TCP_SYN, .offset = -1 });
	bench_send(b, (struct sent){ .side = SIDE_B, .flags = TCP_SYN | TCP_ACK, .offset = -1 });
	bench_send(b, (struct sent){ .side = SIDE_A });
}

void bench_later(struct bench *b, uint64_t ns)
{
	clock_see(&b->clock, b->clock.last_ns + ns);
	if (b->reassembly.due_ns <= b->clock.now_ns)
		reassembly_timers(&b->reassembly);
	flow_release(&b->flows);
}
