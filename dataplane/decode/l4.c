/* l4 - TCP and UDP headers, and where their payload is. */
#include "dataplane/decode/l4.h"

#include <netinet/in.h>

#include "dataplane/base/bytes.h"
#include "dataplane/base/compiler.h"
#include "dataplane/decode/checksum.h"
#include "dataplane/decode/tunnel.h"
#include "dataplane/shm/settings.h"

enum { TCP_BYTES = 20, TCP_FLAG_MASK = 0x3f, UDP_BYTES = 8 };

static bool port_in(const uint8_t *bitmap, uint16_t port)
{
	return (bitmap[port >> 3] >> (port & 7) & 1) != 0;
}

static bool ignored(const struct decode_settings *s, const struct flow_key *key)
{
	if (likely(s->ignore_ports == NULL))
		return false;
	return port_in(s->ignore_ports, key->port[0]) || port_in(s->ignore_ports, key->port[1]);
}

static bool is_own(const struct decode_settings *s, const struct flow_key *key)
{
	for (uint32_t i = 0; i < s->own_count; i++)
		for (int side = 0; side < 2; side++)
			if (key->port[side] == s->own[i].port &&
			    memcmp(key->address[side], s->own[i].ip, sizeof(s->own[i].ip)) == 0)
				return true;
	return false;
}

/* Is the checksum over the pseudo header and `segment` right? True where it cannot be told.
 *
 * The pseudo header's addresses are taken from the key: the ffff in front of a mapped IPv4 address
 * is zero in one's complement. */
static bool checksum_right(const struct packet *p, const struct ip_packet *ip, struct layer segment)
{
	if (ip->no_checksum || segment.captured_bytes < segment.wire_bytes)
		return true;

	uint8_t tail[8] = { 0 };
	uint32_t wire_bytes = __builtin_bswap32(segment.wire_bytes);

	memcpy(tail, &wire_bytes, sizeof(wire_bytes));
	tail[7] = p->key.protocol;

	uint64_t sum = checksum_add(0, p->key.address[0], sizeof(p->key.address));

	sum = checksum_add(sum, tail, sizeof(tail));
	sum = checksum_add(sum, segment.at, segment.captured_bytes);
	return checksum_finish(sum) == 0;
}

static void set_payload(struct packet *p, struct layer l)
{
	p->payload = l.at;
	p->payload_bytes = l.wire_bytes;
	p->payload_captured_bytes = l.captured_bytes;
}

static void set_ports(struct flow_key *key, uint8_t protocol, const uint8_t *at)
{
	key->protocol = protocol;
	key->port[0] = be16_at(at);
	key->port[1] = be16_at(at + 2);
}

static enum counter tcp_decode(const struct decode_settings *s, struct packet *p,
			       const struct ip_packet *ip)
{
	struct layer l = ip->payload;
	const uint8_t *at = l.at;

	if (unlikely(l.captured_bytes < TCP_BYTES))
		return C_malformed_tcp_header;

	uint32_t header_bytes = (at[12] >> 4) * 4u;

	if (unlikely(header_bytes < TCP_BYTES || header_bytes > l.captured_bytes))
		return C_malformed_tcp_header;
	set_ports(&p->key, IPPROTO_TCP, at);
	if (unlikely(ignored(s, &p->key)))
		return C_passed_ignored_port;
	if (unlikely(is_own(s, &p->key)))
		return C_passed_own_traffic;
	if (unlikely(s->checksum) && !checksum_right(p, ip, l))
		return C_malformed_l4_checksum;
	p->seq = be32_at(at + 4);
	p->ack = be32_at(at + 8);
	p->tcp_flags = at[13] & TCP_FLAG_MASK;
	p->window = be16_at(at + 14);
	p->tcp_options = at + TCP_BYTES;
	p->tcp_option_bytes = (uint8_t)(header_bytes - TCP_BYTES);
	layer_advance(&l, header_bytes);
	set_payload(p, l);
	return C_to_flow;
}

static enum counter udp_decode(const struct decode_settings *s, struct packet *p,
			       const struct ip_packet *ip)
{
	struct layer l = ip->payload;
	const uint8_t *at = l.at;

	if (l.captured_bytes < UDP_BYTES)
		return C_malformed_udp_header;

	uint32_t bytes = be16_at(at + 4);

	/* 0 is what RFC 2675 4 asks for above 65,535 bytes, and what super-packets carry. */
	if (bytes == 0 && ip->no_length)
		bytes = l.wire_bytes;
	if (bytes < UDP_BYTES || bytes > l.wire_bytes)
		return C_malformed_udp_header;
	layer_limit(&l, bytes);
	set_ports(&p->key, IPPROTO_UDP, at);
	if (unlikely(ignored(s, &p->key)))
		return C_passed_ignored_port;

	/* RFC 768; over IPv6 only tunnels may do without (RFC 6935). */
	bool unused = be16_at(at + 6) == 0 &&
		      (p->key.ip_version == 4 || tunnel_port(p->key.port[1]));

	if (unlikely(s->checksum) && !unused && !checksum_right(p, ip, l))
		return C_malformed_l4_checksum;
	p->seq = 0;
	p->ack = 0;
	p->tcp_flags = 0;
	p->window = 0;
	p->tcp_options = NULL;
	p->tcp_option_bytes = 0;
	layer_advance(&l, UDP_BYTES);
	set_payload(p, l);
	return C_to_flow;
}

enum counter l4_decode(const struct decode_settings *s, struct packet *p,
		       const struct ip_packet *ip)
{
	if (likely(ip->protocol == IPPROTO_TCP))
		return tcp_decode(s, p, ip);
	switch (ip->protocol) {
	case IPPROTO_UDP: return udp_decode(s, p, ip);
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6: return C_passed_icmp;
	default: return C_passed_ip_protocol;
	}
}
