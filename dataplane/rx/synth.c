/* synth - invents HTTP traffic, so that tests and benchmarks need no network and no file.
 *
 *     open     every connection: SYN, SYN/ACK, ACK
 *     talk     in rounds; a round visits the connections in groups of `group`: the
 *              requests of a whole group, `pipelining` for each connection, then
 *              their responses. Who receives a message acknowledges every second
 *              segment of it but the last, which the next message acknowledges
 *     fill     acknowledgements until the number of packets asked for is reached
 *     close    every connection: FIN, FIN, ACK
 *
 * So the counts are known beforehand. With R and S segments in a request and a
 * response an exchange takes X = R + (R-1)/2 + S + (S-1)/2 packets, a connection
 * 6 more, and `packets` packets on `connections` connections hold
 * (packets - 6 * connections) / X pairs.
 *
 * The n-th exchange of all asks for /n, and its response says X-Number: n, so a pair
 * that was shifted shows. The same argument gives the same bytes, always.
 *
 * Nothing is copied per packet: of each segment of the two messages some frames are kept with
 * its payload in place (`struct stock`), and only headers, the number and the checksum, which is
 * a sum over what changes, are written. So a packet costs about what a port costs that finds it in
 * memory, and what is measured is the rest of the pipeline.
 *
 * With `share` each worker's port invents only the connections that its worker owns: so n workers
 * do each an n-th of the work of one, and with n times the packets n times the work of one. All
 * ports together give what one would, but for the time stamps and the packets' numbers.
 *
 * `group` and `scatter` say how far apart the packets of a connection are: at a million
 * connections everything that a stage keeps of one has left the caches before its next
 * packet comes.
 */
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/clock.h"
#include "dataplane/base/compiler.h"
#include "dataplane/rx/options.h"
#include "dataplane/shm/settings.h"

enum {
	NUMBER_DIGITS = 12,
	OPENING_PACKETS = 3,
	CLOSING_PACKETS = 3,
	ETHERNET_BYTES = 14,
	IPV4_BYTES = 20,
	IPV6_BYTES = 40,
	TCP_BYTES = 20,
	SYN_OPTION_BYTES = 8,
	HEADERS_MAX = ETHERNET_BYTES + IPV6_BYTES + TCP_BYTES + SYN_OPTION_BYTES,
	HOST_BYTES = 2, /* the part of an address that tells clients apart */
	SERVER_PORT = 80,
	CLIENT_PORT_FIRST = 10000,
	CLIENT_PORTS = 50000, /* per client address */
	STOCK_FRAMES = 4096,  /* as the ring of a port has */
	STOCK_BYTES_MAX = 64 << 20,
};

#define FIRST_TS_NS (UINT64_C(1735689600) * CLOCK_SECOND_NS) /* 2025-01-01 */

/* ---- the argument ---- */

struct plan {
	uint64_t packets, pairs, seconds, rate; /* of the first three all but one are 0 */
	uint64_t size, request, connections, pipelining, group, scatter, mss, seed, v6, share;
	double disorder, loss, duplicates;
};

/* clang-format off */
#define COUNT(name, def, min, max, help) { #name, RX_OPTION_COUNT, offsetof(struct plan, name), def, min, max, NULL, help },
#define BYTES(name, def, min, max, help) { #name, RX_OPTION_BYTES, offsetof(struct plan, name), def, min, max, NULL, help },
#define PORTION(name, help)              { #name, RX_OPTION_PORTION, offsetof(struct plan, name), 0, 0, 1, NULL, help },

static const struct rx_option synth_options[] = {
	COUNT(packets,     0, 7, UINT64_C(1) << 40, "segments on the wire; the last few fill up what is no whole exchange (default 1000000)")
	COUNT(pairs,       0, 1, UINT64_C(1) << 36, "exchanges, instead of packets")
	COUNT(seconds,     0, 1, 1 << 20, "capture time, instead of packets: packets = seconds * rate")
	COUNT(rate,        1000000, 1, 1000000000, "packets per second of capture time")
	BYTES(size,        1024, 0, 16 << 20, "of each response body")
	BYTES(request,     80, 64, 1 << 20, "of each request")
	COUNT(connections, 50, 1, 1 << 22, "keep-alive connections")
	COUNT(pipelining,  1, 1, 1 << 16, "requests that a client sends before it waits")
	COUNT(group,       32, 1, 1 << 22, "connections that ask before the first of them is answered")
	COUNT(scatter,     0, 0, 1, "1: connections that were opened one after the other do not talk one after the other")
	BYTES(mss,         1460, 1, 65000, "payload of a segment, at most")
	COUNT(seed,        1, 0, UINT64_MAX, "of everything that looks random")
	COUNT(v6,          0, 0, 1, "1: IPv6")
	COUNT(share,       0, 0, 1, "1: each worker invents only its own connections, to measure how several scale")
	PORTION(disorder,   "of the segments with payload that change places with the packet behind them")
	PORTION(loss,       "that is missing from the capture, told as lost")
	PORTION(duplicates, "that comes twice")
	{ .name = NULL },
};
/* clang-format on */

/* ---- the two messages ---- */

/* Frames that have the payload of one segment in place, used in turns: so many that none is used
 * again before it was given back. */
struct stock {
	uint8_t *frames; /* NULL: there are none, the payload is copied */
	uint32_t next, count;
};

struct message {
	uint8_t *bytes;
	uint32_t length, segments;
	uint32_t number_at;    /* where its number goes */
	uint32_t *segment_sum; /* of each segment's bytes, as if the number were zeros */
	struct stock *stock;   /* of each segment */
};

/* sum16 - of big-endian 16-bit words, not yet folded; a last odd byte is a high one. */
static uint64_t sum16(const uint8_t *at, size_t bytes)
{
	uint64_t sum = 0;

	for (size_t i = 0; i + 1 < bytes; i += 2)
		sum += (uint64_t)at[i] << 8 | at[i + 1];
	if (bytes % 2 != 0)
		sum += (uint64_t)at[bytes - 1] << 8;
	return sum;
}

static uint16_t fold(uint64_t sum)
{
	while (sum > 0xffff)
		sum = (sum >> 16) + (sum & 0xffff);
	return (uint16_t)sum;
}

static uint32_t segment_bytes(const struct message *m, uint32_t mss, uint32_t index)
{
	uint32_t left = m->length - index * mss;

	return left < mss ? left : mss;
}

/* message_cut - the sums of its segments. The number's bytes are zero from here on. */
static int message_cut(struct message *m, uint32_t mss)
{
	m->segments = (m->length + mss - 1) / mss;
	m->segment_sum = calloc(m->segments, sizeof(*m->segment_sum));
	m->stock = calloc(m->segments, sizeof(*m->stock));
	if (m->segment_sum == NULL || m->stock == NULL)
		return -ENOMEM;
	memset(m->bytes + m->number_at, 0, NUMBER_DIGITS);
	for (uint32_t i = 0; i < m->segments; i++)
		m->segment_sum[i] = fold(
			sum16(m->bytes + (size_t)i * mss, segment_bytes(m, mss, i)));
	return 0;
}

static int request_make(struct message *m, uint32_t bytes, uint32_t mss)
{
	static const char head[] = "GET /000000000000 HTTP/1.1\r\nHost: synth.test\r\nX-Fill: ";

	*m = (struct message){ .bytes = malloc(bytes), .length = bytes, .number_at = 5 };
	if (m->bytes == NULL)
		return -ENOMEM;
	memset(m->bytes, 'x', bytes);
	memcpy(m->bytes, head, sizeof(head) - 1);
	memcpy(m->bytes + bytes - 4, "\r\n\r\n", 4);
	return message_cut(m, mss);
}

static int response_make(struct message *m, uint32_t body_bytes, uint32_t mss)
{
	char head[128];
	int n = snprintf(head, sizeof(head),
			 "HTTP/1.1 200 OK\r\nX-Number: 000000000000\r\nContent-Length: %" PRIu32
			 "\r\n\r\n",
			 body_bytes);
	uint32_t length = (uint32_t)n + body_bytes;

	*m = (struct message){ .bytes = malloc(length), .length = length, .number_at = 27 };
	if (m->bytes == NULL)
		return -ENOMEM;
	memcpy(m->bytes, head, (size_t)n);
	for (uint32_t i = 0; i < body_bytes; i++)
		m->bytes[(uint32_t)n + i] = (uint8_t)('a' + i % 26);
	return message_cut(m, mss);
}

static void message_free(struct message *m)
{
	for (uint32_t i = 0; m->stock != NULL && i < m->segments; i++)
		free(m->stock[i].frames);
	free(m->stock);
	free(m->bytes);
	free(m->segment_sum);
}

/* ---- the order of segments ---- */

enum phase { PHASE_OPEN, PHASE_TALK, PHASE_FILL, PHASE_CLOSE, PHASE_OVER };

/* What goes on the wire next. */
struct segment {
	uint32_t connection;
	bool from_client;
	uint8_t flags;
	uint32_t seq, ack;
	const struct message *message; /* NULL: no payload */
	uint32_t index;                /* of the segment in it */
	uint64_t number;               /* of the exchange */
};

/* A frame being put together or held back. */
struct slot {
	uint8_t *frame; /* its own, or one of a stock */
	uint32_t bytes;
	uint8_t *own;
};

/* The headers of one side's frames with all that never changes, and the sums over that. */
struct heading {
	uint8_t bytes[HEADERS_MAX];
	uint64_t ip_sum, tcp_sum;
	uint32_t host_at, port_at; /* what tells clients apart */
};

struct synth_port {
	struct rx_port_head head;
	/* every packet: where the traffic is */
	enum phase phase;
	uint32_t connection; /* that acts */
	uint32_t step;       /* of its opening or closing */
	bool responding;     /* the group's servers speak */
	uint32_t group;      /* its first connection */
	uint32_t exchange;   /* in the batch of this connection */
	uint32_t segment;    /* next of the message */
	bool ack_due;        /* the receiver acknowledges what it has of it */
	uint64_t done;       /* exchanges of each connection before this round */
	uint64_t fill_left;
	struct message request, response;
	/* every packet: what becomes of it */
	uint64_t random;
	uint64_t made, lost, given;
	uint64_t ts_ns, ts_rest;
	uint32_t used;                                 /* slots lent out */
	bool repeat;                                   /* the packet given last comes again */
	bool held, held_due;                           /* `spare` holds a packet; it is its turn */
	uint64_t lose_below, swap_below, repeat_below; /* portions of 2^32 */
	uint32_t cut_bytes;
	struct heading heading[2]; /* [1]: from the client */
	struct slot slot[BURST_PACKETS], spare;
	uint32_t last; /* slot of the packet given last */
	/* set-up */
	uint32_t connections, mss, group_size;
	uint32_t all;  /* connections of all ports */
	uint32_t *own; /* of `share`: which of all they are, in order; NULL: all */
	uint32_t worker, workers;
	bool share;
	uint32_t stride; /* from a connection to the one that talks next */
	uint32_t frame_bytes, headers_bytes;
	uint64_t pipelining, pairs, seed;
	uint64_t quota,
		quota_more; /* exchanges of each connection; the first so many have one more */
	uint64_t rate, tick_ns, tick_rest; /* from packet to packet */
	bool v6;
	uint8_t *frames;
};

extern const struct rx_backend rx_synth;

static struct synth_port *of(struct rx_port *p)
{
	return (struct synth_port *)(void *)p;
}

static uint64_t mix(uint64_t x)
{
	x += UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

/* named - which of all connections this port's n-th is. */
static uint32_t named(const struct synth_port *p, uint32_t connection)
{
	return likely(p->own == NULL) ? connection : p->own[connection];
}

/* quota - exchanges of a connection in all. */
static uint64_t quota(const struct synth_port *p, uint32_t connection)
{
	return p->quota + (connection < p->quota_more);
}

/* talker - the connection whose turn it is in a round. The first is always the first. */
static uint32_t talker(const struct synth_port *p)
{
	if (likely(p->stride == 1))
		return p->connection;
	return (uint32_t)((uint64_t)p->connection * p->stride % p->connections);
}

/* batch - its exchanges of this round. */
static uint32_t batch(const struct synth_port *p, uint32_t connection)
{
	uint64_t all = quota(p, connection), left = all > p->done ? all - p->done : 0;

	return (uint32_t)(left < p->pipelining ? left : p->pipelining);
}

/* speak - a segment of `connection`; what each side has sent before is in exchanges. */
static struct segment speak(const struct synth_port *p, uint32_t connection, bool from_client,
			    uint64_t requests, uint64_t responses)
{
	uint32_t name = named(p, connection);
	uint64_t isn = mix(p->seed + name);
	uint32_t client = (uint32_t)isn + 1 + (uint32_t)requests * p->request.length;
	uint32_t server = (uint32_t)(isn >> 32) + 1 + (uint32_t)responses * p->response.length;

	return (struct segment){
		.connection = name,
		.from_client = from_client,
		.flags = TCP_ACK,
		.seq = from_client ? client : server,
		.ack = from_client ? server : client,
	};
}

/* after_talk - of the first connection, which has the most to say: there is nothing more. */
static enum phase after_talk(const struct synth_port *p)
{
	return p->fill_left > 0 ? PHASE_FILL : PHASE_CLOSE;
}

static struct segment next_opening(struct synth_port *p)
{
	struct segment s = speak(p, p->connection, p->step != 1, 0, 0);

	if (p->step < 2) {
		s.flags = p->step == 0 ? TCP_SYN : TCP_SYN | TCP_ACK;
		s.seq--;
	}
	if (p->step == 0)
		s.ack = 0;
	if (++p->step < OPENING_PACKETS)
		return s;
	p->step = 0;
	if (++p->connection < p->connections)
		return s;
	p->connection = 0;
	p->phase = batch(p, 0) > 0 ? PHASE_TALK : after_talk(p);
	return s;
}

static struct segment next_closing(struct synth_port *p)
{
	uint64_t all = quota(p, p->connection);
	struct segment s = speak(p, p->connection, p->step != 1, all, all);

	if (p->step < 2)
		s.flags = TCP_FIN | TCP_ACK;
	if (p->step == 1)
		s.ack++;
	if (p->step == 2) {
		s.seq++;
		s.ack++;
	}
	if (++p->step < CLOSING_PACKETS)
		return s;
	p->step = 0;
	if (++p->connection == p->connections)
		p->phase = PHASE_OVER;
	return s;
}

static struct segment next_filling(struct synth_port *p)
{
	uint64_t all = quota(p, p->connection);
	struct segment s = speak(p, p->connection, true, all, all);

	p->connection = (p->connection + 1) % p->connections;
	if (--p->fill_left == 0) {
		p->connection = 0;
		p->phase = PHASE_CLOSE;
	}
	return s;
}

/* turn - to the next connection, the group's servers, the next group, the next round. */
static void turn(struct synth_port *p)
{
	uint32_t left = p->connections - p->group;
	uint32_t group_end = p->group + (left < p->group_size ? left : p->group_size);

	if (++p->connection < group_end)
		return;
	p->connection = p->group;
	p->responding = !p->responding;
	if (p->responding)
		return;
	p->group = p->connection = group_end;
	if (group_end < p->connections)
		return;
	p->group = p->connection = 0;
	p->done += p->pipelining;
	if (batch(p, 0) == 0) /* the first connection has the most */
		p->phase = after_talk(p);
}

/* next_batch - In the last round some connections have nothing more to say. */
static void next_batch(struct synth_port *p)
{
	p->exchange = 0;
	do
		turn(p);
	while (p->phase == PHASE_TALK && batch(p, talker(p)) == 0);
}

/* next_talking - a segment of a message, or the acknowledgement of the one before. */
static struct segment next_talking(struct synth_port *p)
{
	const struct message *m = p->responding ? &p->response : &p->request;
	uint32_t connection = talker(p), all = batch(p, connection);
	bool from_client = p->responding == p->ack_due;
	/* Servers begin when the whole batch of requests is there. */
	uint64_t requests = p->done + (p->responding ? all : p->exchange);
	uint64_t responses = p->done + (p->responding ? p->exchange : 0);
	struct segment s = speak(p, connection, from_client, requests, responses);
	uint32_t offset = p->segment * p->mss;

	if (p->ack_due) {
		s.ack += offset;
		p->ack_due = false;
		return s;
	}
	s.seq += offset;
	s.message = m;
	s.index = p->segment++;
	s.number = (p->done + p->exchange) * p->all + s.connection + 1;
	if (p->segment < m->segments) {
		p->ack_due = p->segment % 2 == 0;
		return s;
	}
	s.flags |= TCP_PSH;
	p->segment = 0;
	if (++p->exchange == all)
		next_batch(p);
	return s;
}

static struct segment next_segment(struct synth_port *p)
{
	switch (p->phase) {
	case PHASE_OPEN: return next_opening(p);
	case PHASE_TALK: return next_talking(p);
	case PHASE_FILL: return next_filling(p);
	default: return next_closing(p);
	}
}

/* ---- frames ---- */

static uint8_t *put16(uint8_t *at, uint32_t v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
	return at + 2;
}

static uint8_t *put32(uint8_t *at, uint32_t v)
{
	v = __builtin_bswap32(v);
	memcpy(at, &v, sizeof(v));
	return at + sizeof(v);
}

/* put_address - of the server, or of the clients but for what tells them apart. */
static uint8_t *put_address(uint8_t *at, bool v6, bool client)
{
	uint32_t net = client ? 1 : 0, host = client ? 0 : 1;

	if (!v6)
		return put32(at, 10u << 24 | net << 16 | host); /* 10.0.0.1, 10.1.0.0/16 */
	at = put32(at, UINT32_C(0xfd000000));                   /* fd00::1, fd00::1:0:0/96 */
	at = put32(at, 0);
	at = put32(at, net);
	return put32(at, host);
}

static uint8_t *put_ethernet(uint8_t *at, bool from_client, bool v6)
{
	/* Locally administered; the last byte tells server and client apart. */
	static const uint8_t station[2][6] = { { 2, 0, 0, 0, 0, 1 }, { 2, 0, 0, 0, 0, 2 } };

	memcpy(at, station[!from_client], 6);
	memcpy(at + 6, station[from_client], 6);
	return put16(at + 12, v6 ? 0x86dd : 0x0800);
}

static void put_ip(uint8_t *at, bool v6)
{
	if (v6) {
		put32(at, UINT32_C(0x60000000));
		put32(at + 4, IPPROTO_TCP << 8 | 64); /* next header, hop limit */
		return;
	}
	put32(at, UINT32_C(0x45000000));
	put32(at + 4, UINT32_C(0x00004000)); /* do not fragment */
	put32(at + 8, UINT32_C(64) << 24 | IPPROTO_TCP << 16);
}

static void heading_make(struct heading *h, bool from_client, bool v6)
{
	uint8_t *ip = put_ethernet(h->bytes, from_client, v6);
	uint8_t *source = ip + (v6 ? 8 : 12), *target, *tcp;

	put_ip(ip, v6);
	target = put_address(source, v6, from_client);
	tcp = put_address(target, v6, !from_client);
	put16(tcp + (from_client ? 2 : 0), SERVER_PORT);
	put16(tcp + 14, 0xffff); /* the window */
	h->host_at = (uint32_t)((from_client ? target : tcp) - h->bytes) - HOST_BYTES;
	h->port_at = (uint32_t)(tcp - h->bytes) + (from_client ? 0 : 2);
	h->ip_sum = sum16(ip, IPV4_BYTES);
	/* The pseudo header (RFC 9293 3.1) but for the length, and what there is of the header. */
	h->tcp_sum = sum16(source, (size_t)(tcp - source)) + IPPROTO_TCP + sum16(tcp, TCP_BYTES);
}

/* put_options - on SYNs: a window scale, because pipelined responses exceed 64 KiB. */
static uint32_t put_options(uint8_t *at, const struct synth_port *p, uint8_t flags)
{
	if (!(flags & TCP_SYN))
		return 0;
	put32(at, UINT32_C(0x02040000) | p->mss);
	put32(at + 4, UINT32_C(0x0103030a)); /* no operation; shift by 10 */
	return SYN_OPTION_BYTES;
}

/* put_number - the part of the exchange's number that lies in this segment. Returns its sum. */
static uint64_t put_number(uint8_t *payload, const struct segment *s, uint32_t mss, uint32_t bytes)
{
	uint32_t first = s->index * mss, at = s->message->number_at + NUMBER_DIGITS;
	uint64_t rest = s->number, sum = 0;

	if (first >= at || first + bytes <= s->message->number_at)
		return 0;
	for (int i = 0; i < NUMBER_DIGITS; i++, rest /= 10) {
		uint8_t digit = (uint8_t)('0' + rest % 10);
		uint32_t offset = --at - first; /* wraps for digits of the segment before */

		if (offset >= bytes)
			continue;
		payload[offset] = digit;
		sum += offset % 2 == 0 ? (uint64_t)digit << 8 : digit;
	}
	return sum;
}

/* frame_for - where the segment is put together; its payload, but for the number, is there. */
static uint8_t *frame_for(const struct synth_port *p, const struct segment *s, struct slot *slot)
{
	const struct message *m = s->message;
	struct stock *stock = m == NULL ? NULL : &m->stock[s->index];

	if (stock == NULL)
		return slot->own;
	if (unlikely(stock->frames == NULL)) {
		memcpy(slot->own + p->headers_bytes, m->bytes + (size_t)s->index * p->mss,
		       segment_bytes(m, p->mss, s->index));
		return slot->own;
	}
	if (++stock->next == stock->count)
		stock->next = 0;
	return stock->frames + (size_t)stock->next * p->frame_bytes;
}

static uint64_t halves(uint32_t v)
{
	return (v >> 16) + (v & 0xffff);
}

/* put_headers - all of them; `payload_sum` is of what follows the TCP header. */
static void put_headers(uint8_t *frame, const struct synth_port *p, const struct segment *s,
			uint32_t options, uint32_t payload_bytes, uint64_t payload_sum)
{
	const struct heading *h = &p->heading[s->from_client];
	uint32_t host = s->connection / CLIENT_PORTS + 1;
	uint32_t port = CLIENT_PORT_FIRST + s->connection % CLIENT_PORTS;
	uint32_t tcp_bytes = TCP_BYTES + options, flags = tcp_bytes / 4 << 12 | s->flags;
	uint8_t *ip = frame + ETHERNET_BYTES, *tcp = frame + p->headers_bytes - TCP_BYTES;

	tcp_bytes += payload_bytes;
	memcpy(frame, h->bytes, ETHERNET_BYTES + IPV4_BYTES + TCP_BYTES);
	if (p->v6)
		memcpy(frame + ETHERNET_BYTES + IPV4_BYTES + TCP_BYTES,
		       h->bytes + ETHERNET_BYTES + IPV4_BYTES + TCP_BYTES, IPV6_BYTES - IPV4_BYTES);
	put16(frame + h->host_at, host);
	put16(frame + h->port_at, port);
	if (p->v6) {
		put16(ip + 4, tcp_bytes);
	} else {
		put16(ip + 2, IPV4_BYTES + tcp_bytes);
		put16(ip + 10, (uint16_t)~fold(h->ip_sum + host + IPV4_BYTES + tcp_bytes));
	}
	put32(tcp + 4, s->seq);
	put32(tcp + 8, s->ack);
	put16(tcp + 12, flags);
	put16(tcp + 16, (uint16_t)~fold(h->tcp_sum + host + port + tcp_bytes + halves(s->seq) +
					halves(s->ack) + flags + payload_sum));
}

static void build(const struct synth_port *p, const struct segment *s, struct slot *ret)
{
	uint8_t *frame = frame_for(p, s, ret), *payload = frame + p->headers_bytes;
	uint32_t options = put_options(payload, p, s->flags), bytes = 0;
	uint64_t sum = sum16(payload, options);

	if (s->message != NULL) {
		bytes = segment_bytes(s->message, p->mss, s->index);
		sum = s->message->segment_sum[s->index] + put_number(payload, s, p->mss, bytes);
	}
	put_headers(frame, p, s, options, bytes, sum);
	ret->frame = frame;
	ret->bytes = p->headers_bytes + options + bytes;
}

/* ---- what becomes of a segment ---- */

static bool chance(struct synth_port *p, uint64_t below)
{
	return below != 0 && mix(p->random++) >> 32 < below;
}

static void give(struct synth_port *p, uint32_t index, struct packet *packet)
{
	const struct slot *s = &p->slot[index];

	packet->frame = s->frame;
	packet->ts_ns = p->ts_ns;
	packet->number = ++p->given;
	if (unlikely(p->share)) /* such that the worker owns it */
		packet->number = packet->number * p->workers + p->worker;
	packet->wire_bytes = s->bytes;
	packet->caplen_bytes = s->bytes < p->cut_bytes ? s->bytes : p->cut_bytes;
	packet->link = LINK_ETHERNET;
	packet->iface = 0;
	p->last = index;
	p->ts_ns += p->tick_ns;
	p->ts_rest += p->tick_rest;
	if (p->ts_rest >= p->rate) {
		p->ts_rest -= p->rate;
		p->ts_ns++;
	}
}

/* give_again - the packet given last, as a frame of its own. */
static void give_again(struct synth_port *p, struct packet *packet)
{
	struct slot *to = &p->slot[p->used];

	to->frame = to->own;
	memmove(to->frame, p->slot[p->last].frame, p->slot[p->last].bytes);
	to->bytes = p->slot[p->last].bytes;
	p->repeat = false;
	p->made++;
	give(p, p->used++, packet);
}

static void give_held(struct synth_port *p, struct packet *packet)
{
	struct slot s = p->slot[p->used];

	p->slot[p->used] = p->spare;
	p->spare = s;
	p->held = p->held_due = false;
	give(p, p->used++, packet);
}

/* make - the next segment into a slot or aside. Returns false if no packet came of it. */
static bool make(struct synth_port *p, struct packet *packet)
{
	struct segment s = next_segment(p);
	bool payload = s.message != NULL;

	p->made++;
	if (payload && chance(p, p->lose_below)) {
		p->lost++;
		return false;
	}
	if (payload && !p->held && chance(p, p->swap_below)) {
		build(p, &s, &p->spare);
		p->held = true;
		return false;
	}
	build(p, &s, &p->slot[p->used]);
	give(p, p->used++, packet);
	p->held_due = p->held;
	p->repeat = payload && chance(p, p->repeat_below);
	return true;
}

/* next_packet - Returns false at the end. */
static bool next_packet(struct synth_port *p, struct packet *packet)
{
	for (;;) {
		if (p->repeat) {
			give_again(p, packet);
			return true;
		}
		if (p->held_due || (p->held && p->phase == PHASE_OVER)) {
			give_held(p, packet);
			return true;
		}
		if (p->phase == PHASE_OVER)
			return false;
		if (make(p, packet))
			return true;
	}
}

/* ---- the back end ---- */

static uint64_t packets_of(const struct message *m)
{
	return m->segments + (m->segments - 1) / 2;
}

/* plan_length - how many pairs there will be, and how many packets fill up the rest. */
static int plan_length(struct synth_port *p, const struct plan *plan, struct rx_error *err)
{
	uint64_t each = packets_of(&p->request) + packets_of(&p->response);
	uint64_t frame = plan->connections * (OPENING_PACKETS + CLOSING_PACKETS);
	uint64_t packets = plan->packets;

	if ((plan->packets != 0) + (plan->pairs != 0) + (plan->seconds != 0) > 1) {
		snprintf(err->text, sizeof(err->text),
			 "synth: packets, pairs and seconds exclude each other");
		return -EINVAL;
	}
	if (plan->pairs != 0)
		packets = frame + plan->pairs * each;
	else if (plan->seconds != 0)
		packets = plan->seconds * plan->rate;
	else if (packets == 0)
		packets = 1000000;
	if (packets < frame + each) {
		snprintf(err->text, sizeof(err->text),
			 "synth: %" PRIu64 " packets are too few for %" PRIu64
			 " connections and one exchange; at least %" PRIu64 " are needed",
			 packets, plan->connections, frame + each);
		return -EINVAL;
	}
	p->pairs = (packets - frame) / each;
	p->quota = p->pairs / p->connections;
	p->quota_more = p->pairs % p->connections;
	p->fill_left = (packets - frame) % each;
	return 0;
}

/* stock_make - `count` frames with the payload of a segment. Without the memory they are copied. */
static void stock_make(const struct synth_port *p, struct message *m, uint32_t index,
		       uint32_t count)
{
	uint8_t *frames = aligned_alloc(CACHE_LINE_BYTES, (size_t)count * p->frame_bytes);
	uint32_t bytes = segment_bytes(m, p->mss, index);

	m->stock[index] = (struct stock){ .frames = frames, .count = count };
	for (uint32_t i = 0; frames != NULL && i < count; i++)
		memcpy(frames + (size_t)i * p->frame_bytes + p->headers_bytes,
		       m->bytes + (size_t)index * p->mss, bytes);
}

static void stocks_make(struct synth_port *p)
{
	uint32_t kinds = p->request.segments + p->response.segments;
	uint32_t count = STOCK_FRAMES / kinds + 1;

	/* A burst, a packet held back, and one that is being made. */
	if (count < BURST_PACKETS + 2)
		count = BURST_PACKETS + 2;
	if ((uint64_t)count * kinds * p->frame_bytes > STOCK_BYTES_MAX)
		return;
	for (uint32_t i = 0; i < p->request.segments; i++)
		stock_make(p, &p->request, i, count);
	for (uint32_t i = 0; i < p->response.segments; i++)
		stock_make(p, &p->response, i, count);
}

static int frames_make(struct synth_port *p)
{
	uint32_t longest = p->request.length > p->response.length ? p->request.length
								  : p->response.length;
	uint32_t bytes = HEADERS_MAX + (longest < p->mss ? longest : p->mss);

	p->frame_bytes = (bytes + CACHE_LINE_BYTES - 1) / CACHE_LINE_BYTES * CACHE_LINE_BYTES;
	p->frames = aligned_alloc(CACHE_LINE_BYTES, (size_t)p->frame_bytes * (BURST_PACKETS + 1));
	if (p->frames == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < BURST_PACKETS; i++)
		p->slot[i].own = p->frames + (size_t)i * p->frame_bytes;
	p->spare.own = p->frames + (size_t)BURST_PACKETS * p->frame_bytes;
	stocks_make(p);
	return 0;
}

/* stride_of - near the golden section of `n` and without a divisor in common with it: every
 * connection comes once in a round, and two that were neighbours come far apart. */
static uint32_t stride_of(uint32_t n)
{
	uint32_t stride = (uint32_t)((double)n * 0.6180339887);

	for (; stride > 1; stride--) {
		uint32_t a = n, b = stride;

		while (b != 0) {
			uint32_t rest = a % b;

			a = b;
			b = rest;
		}
		if (a == 1)
			return stride;
	}
	return 1;
}

/* own_connection - as decode will see it. */
static bool own_connection(const struct synth_port *p, uint32_t connection, struct spread spread)
{
	uint8_t ip[2][16] = { { 0 } };
	uint32_t port = CLIENT_PORT_FIRST + connection % CLIENT_PORTS;

	put_address(ip[1], p->v6, false);
	put16(put_address(ip[0], p->v6, true) - HOST_BYTES, connection / CLIENT_PORTS + 1);
	return spread_number(spread, spread_addresses(ip), port ^ SERVER_PORT) % p->workers ==
	       p->worker;
}

/* share_out - the connections of this worker, and its part of what fills up. A worker that owns
 * none is at its end at once. */
static int share_out(struct synth_port *p, bool scatter, struct spread spread)
{
	uint64_t fill = p->fill_left, quota_more = p->quota_more;

	p->own = calloc(p->all, sizeof(*p->own));
	if (p->own == NULL)
		return -ENOMEM;
	p->connections = 0;
	p->fill_left = p->quota_more = 0;
	for (uint32_t i = 0; i < p->all; i++) {
		if (!own_connection(p, i, spread))
			continue;
		p->own[p->connections++] = i;
		p->quota_more += i < quota_more;
		p->fill_left += fill / p->all + (i < fill % p->all);
	}
	p->stride = scatter ? stride_of(p->connections) : 1;
	if (p->connections == 0)
		p->phase = PHASE_OVER;
	return 0;
}

static void synth_close(struct rx_port *port)
{
	struct synth_port *p = of(port);

	message_free(&p->request);
	message_free(&p->response);
	free(p->frames);
	free(p->own);
	free(p);
}

static uint64_t portion(double of_one)
{
	return (uint64_t)(of_one * 0x1p32);
}

static struct synth_port *port_make(const struct plan *plan, const struct rx_open *how)
{
	struct synth_port *p = calloc(1, sizeof(*p));
	uint64_t snaplen_bytes = how->settings->snaplen_bytes, second_ns = CLOCK_SECOND_NS;

	if (p == NULL)
		return NULL;
	p->head.backend = &rx_synth;
	p->connections = p->all = (uint32_t)plan->connections;
	p->worker = how->worker;
	p->workers = how->workers;
	p->share = plan->share != 0;
	if (p->share)
		second_ns *= p->workers;
	p->pipelining = plan->pipelining;
	p->mss = (uint32_t)plan->mss;
	p->group_size = (uint32_t)plan->group;
	p->stride = plan->scatter != 0 ? stride_of(p->connections) : 1;
	p->rate = plan->rate;
	p->tick_ns = second_ns / plan->rate;
	p->tick_rest = second_ns % plan->rate;
	p->seed = mix(plan->seed);
	p->v6 = plan->v6 != 0;
	p->headers_bytes = ETHERNET_BYTES + (p->v6 ? IPV6_BYTES : IPV4_BYTES) + TCP_BYTES;
	heading_make(&p->heading[0], false, p->v6);
	heading_make(&p->heading[1], true, p->v6);
	p->random = mix(plan->seed);
	p->lose_below = portion(plan->loss);
	p->swap_below = portion(plan->disorder);
	p->repeat_below = portion(plan->duplicates);
	p->ts_ns = FIRST_TS_NS;
	p->cut_bytes = snaplen_bytes != 0 ? (uint32_t)snaplen_bytes : UINT32_MAX;
	return p;
}

static int synth_open(const struct rx_open *how, struct rx_port **ret, struct rx_error *err)
{
	struct plan plan = { 0 };
	struct synth_port *p;
	int code = options_read("synth", synth_options, how->argument, NULL, 0, &plan, err);

	if (code < 0)
		return code;
	p = port_make(&plan, how);
	if (p == NULL || request_make(&p->request, (uint32_t)plan.request, p->mss) < 0 ||
	    response_make(&p->response, (uint32_t)plan.size, p->mss) < 0 || frames_make(p) < 0) {
		snprintf(err->text, sizeof(err->text),
			 "synth: there is no memory for such messages");
		code = -ENOMEM;
	} else {
		code = plan_length(p, &plan, err);
	}
	if (code == 0 && p->share && share_out(p, plan.scatter != 0, how->spread) < 0) {
		snprintf(err->text, sizeof(err->text), "synth: there is no memory");
		code = -ENOMEM;
	}
	if (code == 0)
		*ret = (struct rx_port *)(void *)p;
	else if (p != NULL)
		synth_close((struct rx_port *)(void *)p);
	return code;
}

static uint32_t synth_pull(struct rx_port *port, struct packet *packet, uint32_t room)
{
	struct synth_port *p = of(port);
	uint32_t n = 0;

	while (n < room && p->used < BURST_PACKETS && next_packet(p, &packet[n]))
		n++;
	return n;
}

static void synth_give_back(struct rx_port *port)
{
	of(port)->used = 0;
}

static enum rx_state synth_state(struct rx_port *port, struct rx_error *err)
{
	struct synth_port *p = of(port);

	(void)err;
	return p->phase == PHASE_OVER && !p->held && !p->repeat ? RX_END : RX_OPEN;
}

static void synth_about(struct rx_port *port, struct rx_about *ret)
{
	*ret = (struct rx_about){ .clock = "file",
				  .spread = RX_SPREAD_OWN,
				  .share = of(port)->share };
}

static void synth_counters(struct rx_port *port, struct rx_counters *ret)
{
	struct synth_port *p = of(port);

	*ret = (struct rx_counters){
		.offered = p->made - p->held, /* what is held back is still to come */
		.lost[RX_LOST_nic] = p->lost,
		.received = p->given,
	};
}

const struct rx_backend rx_synth = {
	.name = "synth",
	.help = "invented HTTP traffic; pairs = (packets - 6 * connections) / X, where X = "
		"R + (R-1)/2 + S + (S-1)/2 for R and S segments in a request and a response",
	.options = synth_options,
	.live = false,
	.open = synth_open,
	.about = synth_about,
	.pull = synth_pull,
	.give_back = synth_give_back,
	.state = synth_state,
	.counters = synth_counters,
	.wait_fd = NULL,
	.close = synth_close,
};
