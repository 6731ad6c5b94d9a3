/* stand - a worker of the dataplane on a test stand. */
#include "control/bench/micro/stand.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "control/bench/micro/micro.h"

enum { FRAME_BYTES = 2048, CLIENT_PORT = 10000, CLIENT_PORTS = 50000, WINDOW = 65535 };

/* ---- life ---- */

static void fill_settings(struct settings *s, const struct stand_plan *plan)
{
	settings_defaults(s);
	memcpy(s->run, "micro", sizeof("micro"));
	memcpy(s->format, "jsonl", sizeof("jsonl"));
	s->until = (uint32_t)plan->until;
	s->workers = 1;
	if (plan->flows != 0) {
		s->flows = plan->flows;
		s->half_open = plan->flows;
	}
	if (plan->dissector != NULL)
		strncpy(s->dissectors, plan->dissector, sizeof(s->dissectors) - 2);
	s->rx_count = 1;
	strncpy(s->rx[0], plan->rx, sizeof(s->rx[0]) - 1);
}

void stand_touch(const struct region_writer *w, const struct region_reader *r)
{
	enum { PAGE_BYTES = 4096 };

	memset(w->data, 0, 2 * r->ring_bytes); /* mapped twice in a row */
	for (uint64_t at = 0; at < 2 * r->ring_bytes; at += PAGE_BYTES)
		micro_use(r->data[at]);
}

struct stand *stand_open(const struct stand_plan *plan)
{
	struct stand *s = calloc(1, sizeof(*s));

	micro_need(s != NULL, "there is no memory");
	s->settings = calloc(1, sizeof(*s->settings));
	micro_need(s->settings != NULL, "there is no memory");
	fill_settings(s->settings, plan);
	micro_need(setup_dataplane(&s->dataplane, s->settings) == 0, "no worker can be made");
	s->worker = &s->dataplane.worker[0];
	micro_need(region_attach(&s->control, s->worker->region.up_fd, s->worker->region.down_fd) ==
			   0,
		   "the worker's region cannot be mapped");
	stand_touch(&s->worker->region, &s->control);
	return s;
}

void stand_close(struct stand *s)
{
	flow_close_all(&s->worker->flow, WHY_capture_ended);
	stand_drain(s);
	region_detach(&s->control);
	setup_undo(&s->dataplane);
	free(s->settings);
	free(s);
}

/* ---- its source and its control ---- */

static void note_time(struct worker *w, struct packet *p)
{
	p->handed = p->raw = p->datagram = false;
	p->epoch = clock_see(&w->clock, p->ts_ns);
	p->now_ns = w->clock.now_ns;
}

void stand_pull(struct stand *s)
{
	struct worker *w = s->worker;
	struct rx_port *port = w->rx.port[0];
	struct burst *b = &w->burst;

	b->count = rx_port_backend(port)->pull(port, b->packet, BURST_PACKETS);
	for (uint32_t i = 0; i < b->count; i++)
		note_time(w, &b->packet[i]);
}

void stand_give_back(struct stand *s)
{
	struct rx_port *port = s->worker->rx.port[0];

	rx_port_backend(port)->give_back(port);
}

uint64_t stand_drain(struct stand *s)
{
	struct ring_consumer *ring = &s->control.ring;
	const struct record *r;
	uint64_t bytes, records = 0;

	emit_publish(&s->worker->emit);
	while ((r = ring_peek(ring, &bytes)) != NULL) {
		micro_use(r->latency_ns ^ r->bytes);
		ring_next(ring, bytes);
		records++;
	}
	ring_release(ring);
	return records;
}

uint64_t stand_messages(const struct stand *s)
{
	const uint64_t *v = s->worker->counters.value;

	return v[C_requests] + v[C_responses] + v[C_interim] + v[C_oneway];
}

/* ---- frames in memory ---- */

static void keep(struct frames *f, const struct packet *p)
{
	uint8_t *at = f->bytes + (size_t)f->count * FRAME_BYTES;

	micro_need(p->caplen_bytes <= FRAME_BYTES, "a frame is longer than those that are kept");
	memcpy(at, p->frame, p->caplen_bytes);
	f->packet[f->count] = *p;
	f->packet[f->count].frame = at;
	f->count++;
}

void frames_open(struct frames *ret, const char *rx, uint32_t count)
{
	struct stand *s = stand_open(&(struct stand_plan){ .rx = rx, .until = STAGE_rx });

	*ret = (struct frames){ .packet = calloc(count, sizeof(*ret->packet)),
				.bytes = calloc(count, FRAME_BYTES) };
	micro_need(ret->packet != NULL && ret->bytes != NULL, "there is no memory");
	while (ret->count < count) {
		const struct burst *b = &s->worker->burst;

		stand_pull(s);
		micro_need(b->count > 0, "the source has too few packets");
		for (uint32_t i = 0; i < b->count && ret->count < count; i++)
			keep(ret, &b->packet[i]);
		stand_give_back(s);
	}
	stand_close(s);
}

void frames_close(struct frames *f)
{
	free(f->packet);
	free(f->bytes);
}

void frames_burst(struct frames *f, struct burst *b)
{
	b->count = BURST_PACKETS;
	for (uint32_t i = 0; i < BURST_PACKETS; i++) {
		const struct packet *from = &f->packet[f->next + i];
		struct packet *p = &b->packet[i];

		p->frame = from->frame;
		p->ts_ns = from->ts_ns;
		p->number = from->number;
		p->caplen_bytes = from->caplen_bytes;
		p->wire_bytes = from->wire_bytes;
		p->link = from->link;
		p->iface = from->iface;
		p->handed = p->raw = p->datagram = false;
	}
	f->next = (f->next + BURST_PACKETS) % f->count;
}

/* ---- connections made by hand ---- */

static void send_packet(struct stand *s, struct connection *c, enum side side, uint8_t flags,
			const void *bytes, uint32_t count)
{
	struct worker *w = s->worker;
	struct packet *p = &w->burst.packet[0];

	*p = (struct packet){
		.ts_ns = w->clock.last_ns + 1000,
		.number = ++s->packets,
		.side = (uint8_t)side,
		.tcp_flags = flags,
		.window = WINDOW,
		.seq = c->next[side],
		.ack = c->next[side_other(side)],
		.payload = bytes,
		.payload_bytes = count,
		.payload_captured_bytes = count,
		.key = c->key,
		.hash = c->hash,
		.flow = c->flow,
	};
	note_time(w, p);
	if (unlikely(c->flow == NULL)) {
		w->burst.count = 1;
		flow_burst(&w->flow, &w->burst);
		micro_need(w->burst.count == 1, "a connection finds no place in the table");
		c->flow = p->flow;
	}
	reassembly_packet(&w->reassembly, p);
}

void connection_open(struct stand *s, struct connection *c, uint32_t number, bool datagrams)
{
	*c = (struct connection){ .next = { 1000, 5000 } };
	c->key = (struct flow_key){
		.address = { { [10] = 0xff, 0xff, 10, 0 }, { [10] = 0xff, 0xff, 10, 1, 0, 1 } },
		.port = { (uint16_t)(CLIENT_PORT + number % CLIENT_PORTS), 80 },
		.protocol = datagrams ? IPPROTO_UDP : IPPROTO_TCP,
		.ip_version = 4,
	};
	c->key.address[0][14] = (uint8_t)(number / CLIENT_PORTS >> 8);
	c->key.address[0][15] = (uint8_t)(number / CLIENT_PORTS);
	c->hash = flow_key_hash(&c->key, s->worker->decode.settings.hash_key);
	if (datagrams)
		return;
	send_packet(s, c, SIDE_A, TCP_SYN, NULL, 0);
	c->next[SIDE_A]++;
	send_packet(s, c, SIDE_B, TCP_SYN | TCP_ACK, NULL, 0);
	c->next[SIDE_B]++;
	send_packet(s, c, SIDE_A, TCP_ACK, NULL, 0);
}

void connection_send(struct stand *s, struct connection *c, enum side side, const void *bytes,
		     uint32_t count)
{
	send_packet(s, c, side, TCP_ACK | TCP_PSH, bytes, count);
	c->next[side] += count;
}
