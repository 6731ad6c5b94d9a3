/* packets - packets, conversations and captures in a line, for tests. */
#include "tests/support/packets.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

/* A growing run of bytes. */
struct writer {
	uint8_t *at;
	uint32_t bytes, room;
};

static uint8_t *grow(struct writer *w, uint32_t bytes)
{
	uint8_t *at = w->at + w->bytes;

	if (bytes > w->room - w->bytes)
		abort();
	memset(at, 0, bytes);
	w->bytes += bytes;
	return at;
}

static void put_bytes(struct writer *w, const void *bytes, uint32_t count)
{
	uint8_t *at = grow(w, count);

	if (count > 0)
		memcpy(at, bytes, count);
}

static void put8(struct writer *w, uint32_t v)
{
	*grow(w, 1) = (uint8_t)v;
}

static void store16(uint8_t *at, uint32_t v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

static void put16(struct writer *w, uint32_t v)
{
	store16(grow(w, 2), v);
}

static void put32(struct writer *w, uint32_t v)
{
	put16(w, v >> 16);
	put16(w, v & 0xffff);
}

/* The Internet checksum as RFC 1071 puts it, byte pair by byte pair: not the code under test. */
static uint32_t sum16(uint32_t sum, const uint8_t *at, uint32_t bytes)
{
	for (uint32_t i = 0; i < bytes; i++)
		sum += i % 2 == 0 ? (uint32_t)at[i] << 8 : at[i];
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static uint32_t address_bytes(const struct endpoint *e)
{
	return e->version == 6 ? 16 : 4;
}

static uint32_t pseudo_sum(const struct packet_spec *s, uint8_t protocol, const uint8_t *at,
			   uint32_t bytes)
{
	uint32_t sum = sum16(protocol, s->from.address, address_bytes(&s->from));

	sum = sum16(sum, s->to.address, address_bytes(&s->to));
	return ~sum16(sum + (bytes >> 16) + (bytes & 0xffff), at, bytes) & 0xffff;
}

struct endpoint endpoint(const char *address, uint16_t port)
{
	struct endpoint e = { .port = port };

	if (inet_pton(AF_INET, address, e.address) == 1)
		e.version = 4;
	else if (inet_pton(AF_INET6, address, e.address) == 1)
		e.version = 6;
	else
		abort();
	return e;
}

/* ---- link ---- */

static uint32_t ethertype_of(const struct packet_spec *s)
{
	return s->from.version == 6 ? 0x86dd : 0x0800;
}

static void put_vlans(struct writer *w, const struct packet_spec *s)
{
	for (uint32_t i = 0; i < s->vlans; i++) {
		put16(w, i == 0 && s->vlans > 1 ? 0x88a8 : 0x8100);
		put16(w, s->vlan[i]);
	}
	put16(w, ethertype_of(s));
}

static void put_snap(struct writer *w, const struct packet_spec *s)
{
	put_bytes(w, "\xaa\xaa\x03\0\0", 5);
	put8(w, 0);
	put16(w, ethertype_of(s));
}

static void put_wifi(struct writer *w, const struct packet_spec *s)
{
	put_bytes(w, "\x88\x01", 2); /* QoS data to the access point */
	grow(w, 24);
	put_snap(w, s);
}

static void put_link(struct writer *w, const struct packet_spec *s)
{
	bool six = s->from.version == 6;
	uint16_t link = s->link == 0 && !s->loopback ? LINK_ETHERNET : s->link;

	switch ((enum link_type)link) {
	case LINK_ETHERNET:
		put_bytes(w, "\2\0\0\0\0\2\2\0\0\0\0\1", 12);
		put_vlans(w, s);
		break;
	case LINK_NULL: put_bytes(w, six ? "\x1e\0\0\0" : "\2\0\0\0", 4); break;
	case LINK_LOOP: put32(w, six ? 24 : 2); break;
	case LINK_LINUX_SLL:
		grow(w, 14);
		put_vlans(w, s);
		break;
	case LINK_LINUX_SLL2:
		put16(w, ethertype_of(s));
		grow(w, 18);
		break;
	case LINK_PPP_HDLC:
		put16(w, 0xff03);
		put16(w, six ? 0x0057 : 0x0021);
		break;
	case LINK_PPP: put16(w, six ? 0x0057 : 0x0021); break;
	case LINK_PPP_ETHER:
		put_bytes(w, "\x11\0\0\1\0\0", 6);
		put16(w, six ? 0x0057 : 0x0021);
		break;
	case LINK_CISCO_HDLC:
		put16(w, 0x0f00);
		put16(w, ethertype_of(s));
		break;
	case LINK_IEEE80211_RADIOTAP:
		put_bytes(w, "\0\0\x08\0\0\0\0\0", 8);
		put_wifi(w, s);
		break;
	case LINK_IEEE80211: put_wifi(w, s); break;
	case LINK_RAW:
	case LINK_RAW_OLD:
	case LINK_RAW_OPENBSD:
	case LINK_IPV4:
	case LINK_IPV6: break;
	}
}

/* ---- transport ---- */

static void put_tcp(struct writer *w, const struct packet_spec *s)
{
	uint32_t header_bytes = 20 + (s->option_bytes + 3) / 4 * 4;

	put16(w, s->from.port);
	put16(w, s->to.port);
	put32(w, s->seq);
	put32(w, s->ack);
	put8(w, header_bytes / 4 << 4);
	put8(w, s->flags);
	put16(w, s->window == 0 ? 0xffff : s->window);
	put32(w, 0);
	put_bytes(w, s->options, s->option_bytes);
	grow(w, header_bytes - 20 - s->option_bytes);
	put_bytes(w, s->payload, s->payload_bytes);
	store16(w->at + 16, pseudo_sum(s, IPPROTO_TCP, w->at, w->bytes));
}

static void put_udp(struct writer *w, const struct packet_spec *s)
{
	put16(w, s->from.port);
	put16(w, s->to.port);
	put16(w, s->payload_bytes + 8 > 0xffff ? 0 : s->payload_bytes + 8);
	put16(w, 0);
	put_bytes(w, s->payload, s->payload_bytes);

	uint32_t sum = pseudo_sum(s, IPPROTO_UDP, w->at, w->bytes);

	store16(w->at + 6, sum == 0 ? 0xffff : sum);
}

static uint8_t protocol_of(const struct packet_spec *s)
{
	return s->protocol == 0 ? IPPROTO_TCP : s->protocol;
}

static void put_transport(struct writer *w, const struct packet_spec *s)
{
	if (protocol_of(s) == IPPROTO_TCP)
		put_tcp(w, s);
	else if (protocol_of(s) == IPPROTO_UDP)
		put_udp(w, s);
	else
		put_bytes(w, s->payload, s->payload_bytes);
}

/* ---- network ---- */

static void put_ip4(struct writer *w, const struct packet_spec *s, uint32_t payload_bytes)
{
	uint32_t header_bytes = 20 + s->ip_option_bytes;
	uint32_t total_bytes = header_bytes + payload_bytes;
	uint8_t *header = w->at + w->bytes;

	put8(w, 0x40 | header_bytes / 4);
	put8(w, 0);
	put16(w, total_bytes > 0xffff ? 0 : total_bytes);
	put16(w, s->fragment.id);
	put16(w, s->fragment.offset / 8 | (s->fragment.more ? 0x2000 : 0));
	put8(w, 64);
	put8(w, protocol_of(s));
	put16(w, 0);
	put_bytes(w, s->from.address, 4);
	put_bytes(w, s->to.address, 4);
	memset(grow(w, s->ip_option_bytes), 1, s->ip_option_bytes);
	store16(header + 10, ~sum16(0, header, header_bytes));
}

static void put_extension(struct writer *w, uint8_t protocol, uint8_t next)
{
	uint8_t *at = grow(w, protocol == IPPROTO_AH ? 12 : 8);

	at[0] = next;
	at[1] = protocol == IPPROTO_AH ? 1 : 0;
}

static void put_ip6(struct writer *w, const struct packet_spec *s, uint32_t payload_bytes)
{
	uint8_t chain[SPEC_EXTENSIONS + 2];
	uint32_t links = s->extensions;
	uint32_t header_at = w->bytes;

	memcpy(chain, s->extension, links);
	if (s->fragment.yes)
		chain[links++] = IPPROTO_FRAGMENT;
	chain[links] = protocol_of(s);

	put32(w, 6u << 28);
	put16(w, 0);
	put8(w, chain[0]);
	put8(w, 64);
	put_bytes(w, s->from.address, 16);
	put_bytes(w, s->to.address, 16);
	for (uint32_t i = 0; i < s->extensions; i++)
		put_extension(w, chain[i], chain[i + 1]);
	if (s->fragment.yes) {
		put16(w, (uint32_t)protocol_of(s) << 8);
		put16(w, s->fragment.offset | s->fragment.more);
		put32(w, s->fragment.id);
	}

	uint32_t length = w->bytes - header_at - 40 + payload_bytes;

	store16(w->at + header_at + 4, length > 0xffff ? 0 : length);
}

void packet_build(struct frame *ret, const struct packet_spec *s)
{
	static _Thread_local uint8_t space[2 * FRAME_BYTES_MAX];
	struct writer w = { .at = ret->at, .room = sizeof(ret->at) };
	struct writer transport = { .at = space, .room = sizeof(space) };
	uint32_t from = 0, bytes;

	if (s->from.version != s->to.version || s->vlans > SPEC_VLANS ||
	    s->extensions > SPEC_EXTENSIONS)
		abort();
	put_transport(&transport, s);
	bytes = transport.bytes;
	if (s->fragment.yes) {
		from = s->fragment.offset;
		bytes = s->fragment.bytes;
		if (from + bytes > transport.bytes)
			grow(&transport, from + bytes - transport.bytes);
	}
	put_link(&w, s);
	ret->link = s->link == 0 && !s->loopback ? LINK_ETHERNET : s->link;
	ret->network_at = ret->inside_at = w.bytes;
	if (s->from.version == 6)
		put_ip6(&w, s, bytes);
	else
		put_ip4(&w, s, bytes);
	ret->transport_at = w.bytes;
	put_bytes(&w, space + from, bytes);
	ret->bytes = w.bytes;
}

void packet_sum_ip(struct frame *f)
{
	uint8_t *header = f->at + f->network_at;

	store16(header + 10, 0);
	store16(header + 10, ~sum16(0, header, (header[0] & 15u) * 4));
}

/* ---- tunnels ---- */

#define WRAPPING_NAME(name) #name,

const char *wrapping_name(enum wrapping as)
{
	static const char *const names[] = { WRAPPING_LIST(WRAPPING_NAME) };

	return names[as];
}

bool wrapping_carries_frame(enum wrapping as)
{
	switch (as) {
	case WRAP_mpls_frame:
	case WRAP_mpls_control_word:
	case WRAP_gre_frame:
	case WRAP_nvgre:
	case WRAP_erspan_1:
	case WRAP_erspan_2:
	case WRAP_erspan_3:
	case WRAP_erspan_3_platform:
	case WRAP_vxlan:
	case WRAP_vxlan_policy:
	case WRAP_vxlan_linux:
	case WRAP_vxlan_gpe_frame:
	case WRAP_geneve:
	case WRAP_geneve_options:
	case WRAP_etherip: return true;
	default: return false;
	}
}

static bool inside_is_6(const struct frame *f)
{
	return f->at[f->network_at] >> 4 == 6;
}

static uint32_t inside_ethertype(const struct frame *f)
{
	return inside_is_6(f) ? 0x86dd : 0x0800;
}

static void put_gre(struct writer *w, const struct frame *f, const struct wrap_spec *s)
{
	switch (s->as) {
	case WRAP_gre_all: /* checksum (filled in later), routing, key, sequence number */
		put32(w, 0xf0000000 | inside_ethertype(f));
		put32(w, 0);
		put32(w, s->id);
		put32(w, 7);
		put_bytes(w, "\x08\0\0\4\1\2\3\4\0\0\0\0", 12); /* one route and the end */
		break;
	case WRAP_gre_frame: put32(w, 0x00006558); break;
	case WRAP_nvgre:
		put32(w, 0x20006558);
		put32(w, s->id << 8 | 0x5a);
		break;
	case WRAP_gre_mpls:
		put32(w, 0x00008847);
		put32(w, 99 << 12 | 0x140);
		break;
	case WRAP_gre_ppp:
		put32(w, 0x0000880b);
		put32(w, 0xff030000 | (inside_is_6(f) ? 0x57 : 0x21));
		break;
	case WRAP_wccp:
		put32(w, 0x0000883e);
		put32(w, 0);
		break;
	default: put32(w, 0x20000000 | inside_ethertype(f)); put32(w, s->id);
	}
}

static void put_pptp(struct writer *w, const struct frame *f, const struct wrap_spec *s,
		     uint32_t bytes)
{
	put32(w, 0x3081880b); /* key, sequence number, acknowledgement, version 1 */
	put16(w, bytes + 2);
	put16(w, s->id);
	put32(w, 1);
	put32(w, 2);
	put16(w, inside_is_6(f) ? 0x57 : 0x21);
}

static void put_erspan(struct writer *w, const struct wrap_spec *s)
{
	bool third = s->as == WRAP_erspan_3 || s->as == WRAP_erspan_3_platform;

	if (s->as == WRAP_erspan_1) {
		put32(w, 0x000088be);
		return;
	}
	put32(w, third ? 0x100022eb : 0x100088be);
	put32(w, 1);
	put16(w, third ? 0x2005 : 0x1005);
	put16(w, s->id);
	put32(w, 3);
	if (third)
		put32(w, s->as == WRAP_erspan_3_platform);
	if (s->as == WRAP_erspan_3_platform)
		grow(w, 8);
}

static void put_vxlan(struct writer *w, const struct frame *f, const struct wrap_spec *s)
{
	uint32_t flags = 0x08000000;

	if (s->as == WRAP_vxlan_policy)
		flags = 0x88081234;
	if (s->as == WRAP_vxlan_gpe)
		flags = 0x0c000000 | (inside_is_6(f) ? 2 : 1);
	if (s->as == WRAP_vxlan_gpe_frame)
		flags = 0x0c000003;
	put32(w, flags);
	put32(w, s->id << 8);
}

static void put_geneve(struct writer *w, const struct frame *f, const struct wrap_spec *s)
{
	put8(w, s->as == WRAP_geneve_options ? 5 : 0);
	put8(w, s->as == WRAP_geneve_options ? 0x40 : 0);
	put16(w, s->as == WRAP_geneve_ip ? inside_ethertype(f) : 0x6558);
	put32(w, s->id << 8);
	if (s->as == WRAP_geneve_options)
		put_bytes(w, "\1\2\x80\1abcd\1\2\3\2abcdefgh", 20);
}

static void put_gtp(struct writer *w, const struct wrap_spec *s, uint32_t bytes)
{
	bool sequence = s->as == WRAP_gtp_sequence, extensions = s->as == WRAP_gtp_extensions;

	put8(w, sequence ? 0x32 : extensions ? 0x34 : 0x30);
	put8(w, 255);
	put16(w, bytes + (sequence ? 4 : extensions ? 4 + 4 + 8 : 0));
	put32(w, s->id);
	if (sequence)
		put32(w, 0x00050000);
	if (extensions)
		put_bytes(w, "\0\0\0\x85\1\x10\5\xc0\2aaaaaa\0", 4 + 4 + 8);
}

static void put_l2tp(struct writer *w, const struct frame *f, const struct wrap_spec *s,
		     uint32_t bytes)
{
	bool all = s->as == WRAP_l2tp_all;

	put16(w, all ? 0x4a02 : 0x0002); /* length, sequence, offset */
	if (all)
		put16(w, 14 + 3 + 4 + bytes);
	put32(w, s->id);
	if (all)
		put_bytes(w, "\0\1\0\2\0\3pad", 9);
	if (all)
		put16(w, 0xff03);
	put16(w, inside_is_6(f) ? 0x57 : 0x21);
}

static void put_wrapping(struct writer *w, const struct frame *f, const struct wrap_spec *s,
			 uint32_t bytes)
{
	switch (s->as) {
	case WRAP_gre:
	case WRAP_gre_all:
	case WRAP_gre_frame:
	case WRAP_gre_mpls:
	case WRAP_gre_ppp:
	case WRAP_wccp:
	case WRAP_nvgre: put_gre(w, f, s); break;
	case WRAP_pptp: put_pptp(w, f, s, bytes); break;
	case WRAP_erspan_1:
	case WRAP_erspan_2:
	case WRAP_erspan_3:
	case WRAP_erspan_3_platform: put_erspan(w, s); break;
	case WRAP_vxlan:
	case WRAP_vxlan_policy:
	case WRAP_vxlan_linux:
	case WRAP_vxlan_gpe:
	case WRAP_vxlan_gpe_frame: put_vxlan(w, f, s); break;
	case WRAP_geneve:
	case WRAP_geneve_options:
	case WRAP_geneve_ip: put_geneve(w, f, s); break;
	case WRAP_gtp:
	case WRAP_gtp_sequence:
	case WRAP_gtp_extensions: put_gtp(w, s, bytes); break;
	case WRAP_l2tp:
	case WRAP_l2tp_all: put_l2tp(w, f, s, bytes); break;
	case WRAP_teredo_all:
		put_bytes(w, "\0\1\2\3cccvvnnnnnnnn\0", 4 + 5 + 9);
		put_bytes(w, "\0\0\x12\x34\1\2\3\4", 8);
		break;
	case WRAP_etherip: put16(w, 0x3000); break;
	default: break; /* the packet itself */
	}
}

/* 0: in an IP protocol of its own. */
static uint16_t wrapping_port(enum wrapping as)
{
	switch (as) {
	case WRAP_vxlan:
	case WRAP_vxlan_policy: return 4789;
	case WRAP_vxlan_linux: return 8472;
	case WRAP_vxlan_gpe:
	case WRAP_vxlan_gpe_frame: return 4790;
	case WRAP_geneve:
	case WRAP_geneve_options:
	case WRAP_geneve_ip: return 6081;
	case WRAP_gtp:
	case WRAP_gtp_sequence:
	case WRAP_gtp_extensions: return 2152;
	case WRAP_l2tp:
	case WRAP_l2tp_all: return 1701;
	case WRAP_teredo:
	case WRAP_teredo_all: return 3544;
	default: return 0;
	}
}

static uint8_t wrapping_protocol(const struct frame *f, enum wrapping as)
{
	switch (as) {
	case WRAP_ip: return inside_is_6(f) ? IPPROTO_IPV6 : IPPROTO_IPIP;
	case WRAP_etherip: return 97;
	default: return wrapping_port(as) != 0 ? IPPROTO_UDP : IPPROTO_GRE;
	}
}

/* Headers that stand between the frame's own and its IP packet. */
static void wrap_in_frame(struct frame *f, const struct wrap_spec *s)
{
	static _Thread_local struct frame old;
	uint32_t from = wrapping_carries_frame(s->as) ? 0 : f->network_at;
	struct writer w = { .at = f->at, .room = sizeof(f->at) };

	old = *f;
	put_bytes(&w, "\2\0\0\0\0\2\2\0\0\0\0\1", 12);
	if (s->vlan != 0) {
		put16(&w, 0x8100);
		put16(&w, s->vlan);
	}
	if (s->as == WRAP_pppoe) {
		put16(&w, 0x8864);
		put16(&w, 0x1100);
		put16(&w, s->id);
		put16(&w, old.bytes - from + 2);
		put16(&w, inside_is_6(&old) ? 0x57 : 0x21);
	} else {
		put16(&w, 0x8847);
		put32(&w, 16 << 12 | 0x040);
		put32(&w, s->id << 12 | 0x140);
	}
	if (s->as == WRAP_mpls_control_word)
		put32(&w, 77);
	f->network_at = w.bytes + old.network_at - from;
	f->inside_at = w.bytes + old.inside_at - from;
	f->transport_at = w.bytes + old.transport_at - from;
	put_bytes(&w, old.at + from, old.bytes - from);
	f->bytes = w.bytes;
}

void packet_wrap(struct frame *f, const struct wrap_spec *s)
{
	static _Thread_local uint8_t space[FRAME_BYTES_MAX];
	struct writer w = { .at = space, .room = sizeof(space) };
	uint32_t from = wrapping_carries_frame(s->as) ? 0 : f->network_at;
	uint32_t inside_at = f->inside_at - from;
	uint16_t port = wrapping_port(s->as);

	if (s->as <= WRAP_pppoe) {
		wrap_in_frame(f, s);
		return;
	}
	put_wrapping(&w, f, s, f->bytes - from);

	uint32_t header_bytes = w.bytes;

	put_bytes(&w, f->at + from, f->bytes - from);
	if (s->as == WRAP_gre_all)
		store16(space + 4, ~sum16(0, space, w.bytes));

	struct packet_spec outer = { .from = s->from,
				     .to = s->to,
				     .vlan = { s->vlan },
				     .vlans = s->vlan != 0,
				     .protocol = wrapping_protocol(f, s->as),
				     .payload = space,
				     .payload_bytes = w.bytes };

	outer.from.port = port == 1701 || port == 3544 ? port : 50000;
	outer.to.port = port;
	packet_build(f, &outer);
	f->inside_at = f->transport_at + (port != 0 ? 8 : 0) + header_bytes + inside_at;
}

struct packet packet_of(const struct frame *f, uint64_t number, uint64_t ts_ns)
{
	return (struct packet){ .frame = f->at,
				.ts_ns = ts_ns,
				.number = number,
				.caplen_bytes = f->bytes,
				.wire_bytes = f->bytes,
				.link = f->link };
}

/* ---- captures ---- */

void capture_add(struct capture *c, const struct frame *f, uint64_t ts_ns)
{
	if (c->count == c->room) {
		c->room = c->room == 0 ? 64 : 2 * c->room;
		c->packet = realloc(c->packet, c->room * sizeof(c->packet[0]));
		if (c->packet == NULL)
			abort();
	}

	uint8_t *at = malloc(f->bytes);

	if (at == NULL)
		abort();
	memcpy(at, f->at, f->bytes);
	c->packet[c->count++] = (struct captured){ .at = at,
						   .ts_ns = ts_ns,
						   .caplen_bytes = f->bytes,
						   .wire_bytes = f->bytes,
						   .link = f->link };
}

void capture_fini(struct capture *c)
{
	for (uint32_t i = 0; i < c->count; i++)
		free(c->packet[i].at);
	free(c->packet);
	*c = (struct capture){ 0 };
}

struct packet capture_packet(const struct capture *c, uint32_t i)
{
	const struct captured *from = &c->packet[i];

	return (struct packet){ .frame = from->at,
				.ts_ns = from->ts_ns,
				.number = i + 1,
				.caplen_bytes = from->caplen_bytes,
				.wire_bytes = from->wire_bytes,
				.link = from->link };
}

static bool write_packets(const struct capture *c, FILE *out)
{
	uint32_t link = c->count > 0 ? c->packet[0].link : LINK_ETHERNET;
	uint32_t header[6] = { 0xa1b23c4d, 2 | 4 << 16, 0, 0, 262144, link };

	if (fwrite(header, sizeof(header), 1, out) != 1)
		return false;
	for (uint32_t i = 0; i < c->count; i++) {
		const struct captured *p = &c->packet[i];
		uint32_t record[4] = { (uint32_t)(p->ts_ns / 1000000000),
				       (uint32_t)(p->ts_ns % 1000000000), p->caplen_bytes,
				       p->wire_bytes };

		if (fwrite(record, sizeof(record), 1, out) != 1 ||
		    fwrite(p->at, 1, p->caplen_bytes, out) != p->caplen_bytes)
			return false;
	}
	return true;
}

int capture_write(const struct capture *c, const char *path)
{
	FILE *out = fopen(path, "wb");

	if (out == NULL)
		return -errno;

	int err = write_packets(c, out) ? 0 : -errno;

	if (fclose(out) != 0 && err == 0)
		err = -errno;
	return err;
}

/* ---- conversations ---- */

void conversation_init(struct conversation *c, struct capture *capture, struct endpoint client,
		       struct endpoint server)
{
	*c = (struct conversation){
		.capture = capture,
		.end = { [CLIENT] = client, [SERVER] = server },
		.next_seq = { [CLIENT] = 1000, [SERVER] = 500000 },
		.now_ns = UINT64_C(1700000000000000000),
		.step_ns = 10000,
		.segment_bytes = 1448,
	};
}

void conversation_send(struct conversation *c, enum speaker who, uint8_t flags, const void *payload,
		       uint32_t bytes)
{
	enum speaker other = who == CLIENT ? SERVER : CLIENT;
	struct packet_spec spec = {
		.link = c->link,
		.from = c->end[who],
		.to = c->end[other],
		.vlan = { c->vlan },
		.vlans = c->vlan != 0,
		.seq = c->next_seq[who],
		.ack = (flags & TCP_ACK) != 0 ? c->next_seq[other] : 0,
		.flags = flags,
		.payload = payload,
		.payload_bytes = bytes,
	};
	struct frame *f = malloc(sizeof(*f));

	if (f == NULL)
		abort();
	packet_build(f, &spec);
	capture_add(c->capture, f, c->now_ns);
	free(f);
	c->now_ns += c->step_ns;
	c->next_seq[who] += bytes + ((flags & TCP_SYN) != 0) + ((flags & TCP_FIN) != 0);
}

void conversation_open(struct conversation *c, struct capture *capture, struct endpoint client,
		       struct endpoint server)
{
	conversation_init(c, capture, client, server);
	conversation_send(c, CLIENT, TCP_SYN, NULL, 0);
	conversation_send(c, SERVER, TCP_SYN | TCP_ACK, NULL, 0);
	conversation_send(c, CLIENT, TCP_ACK, NULL, 0);
}

void conversation_say(struct conversation *c, enum speaker who, const void *payload, uint32_t bytes)
{
	const uint8_t *at = payload;

	while (bytes > 0) {
		uint32_t now = bytes < c->segment_bytes ? bytes : c->segment_bytes;

		conversation_send(c, who, now == bytes ? TCP_PSH | TCP_ACK : TCP_ACK, at, now);
		at += now;
		bytes -= now;
	}
	conversation_send(c, who == CLIENT ? SERVER : CLIENT, TCP_ACK, NULL, 0);
}

void conversation_close(struct conversation *c)
{
	conversation_send(c, CLIENT, TCP_FIN | TCP_ACK, NULL, 0);
	conversation_send(c, SERVER, TCP_FIN | TCP_ACK, NULL, 0);
	conversation_send(c, CLIENT, TCP_ACK, NULL, 0);
}
