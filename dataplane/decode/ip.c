/* ip - IPv4 and IPv6 headers, down to the transport. */
#include "dataplane/decode/ip.h"

#include <netinet/in.h>

#include "dataplane/base/bytes.h"
#include "dataplane/base/compiler.h"
#include "dataplane/decode/checksum.h"
#include "dataplane/decode/fragment.h"

enum {
	IP4_BYTES = 20,
	IP4_MORE_FRAGMENTS = 0x2000,
	IP4_OFFSET_MASK = 0x1fff,
	IP6_BYTES = 40,
	IP6_EXTENSION_BYTES = 8, /* the least, and the unit of most lengths */
	IP6_MORE_FRAGMENTS = 0x0001,
	IP6_OFFSET_MASK = 0xfff8,
};

/* Extension headers that <netinet/in.h> does not name (RFC 7401, RFC 5533). */
enum { PROTOCOL_HIP = 139, PROTOCOL_SHIM6 = 140 };

static void set_address4(uint8_t address[16], const uint8_t *at)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	memcpy(address, mapped, sizeof(mapped));
	memcpy(address + sizeof(mapped), at, 4);
}

static void start_key(struct flow_key *key, enum ip_version version)
{
	key->ip_version = (uint8_t)version;
	key->zero = 0;
	key->outer = 0;
}

/* The outermost of all IP headers: fragments in a tunnel meet where those of the tunnel do. */
static uint32_t outermost(const struct packet *p)
{
	static const uint8_t none[16];

	for (uint32_t i = 0; p->path != NULL && i < p->path->count; i++)
		if (memcmp(p->path->tunnel[i].src, none, sizeof(none)) != 0) {
			uint8_t address[2][16];

			memcpy(address[0], p->path->tunnel[i].src, sizeof(address[0]));
			memcpy(address[1], p->path->tunnel[i].dst, sizeof(address[1]));
			return spread_addresses(address);
		}
	return spread_addresses(p->key.address);
}

/* The fragments of a datagram have to meet, and only the first knows the ports: the addresses say
 * where. If that is elsewhere the packet leaves as it came. */
static bool fragment_is_home(const struct decode *d, struct packet *p)
{
	uint32_t number;

	if (p->handed || p->datagram)
		return true;
	number = spread_number(d->settings.spread, outermost(p), 0);
	p->home = (uint8_t)(number % d->settings.home.workers);
	p->raw = p->home != d->settings.home.worker;
	return !p->raw;
}

/* Hands a fragment over; when it was the last one missing, *ip becomes the datagram. */
static enum counter fragment_decode(struct decode *d, struct packet *p, struct fragment *part,
				    struct ip_packet *ip)
{
	if (ip->whole) /* a fragment of a datagram that was put together already */
		return C_malformed_fragment;
	memcpy(part->key.address, p->key.address, sizeof(part->key.address));
	memcpy(part->key.vlan, p->key.vlan, sizeof(part->key.vlan));
	part->key.ip_version = p->key.ip_version;
	if (p->path != NULL)
		part->key.way = path_way(p->path, d->settings.hash_key);
	part->payload = ip->payload;
	if (unlikely(d->settings.home.fragments) && !fragment_is_home(d, p))
		return C_handed_out;

	enum counter fate = fragments_add(d->fragments, p, part, &ip->payload, &ip->protocol);

	ip->whole = fate == C_datagrams_completed;
	return fate;
}

static enum counter ip4_decode(struct decode *d, struct packet *p, struct layer l,
			       struct ip_packet *ret)
{
	const uint8_t *at = l.at;

	if (unlikely(l.captured_bytes < IP4_BYTES || at[0] >> 4 != 4))
		return C_malformed_ip_header;

	uint32_t header_bytes = (at[0] & 15u) * 4;
	uint32_t total_bytes = be16_at(at + 2);
	uint16_t offset = be16_at(at + 6);

	if (unlikely(header_bytes < IP4_BYTES || header_bytes > l.captured_bytes))
		return C_malformed_ip_header;
	if (likely(total_bytes != 0)) {
		if (unlikely(total_bytes < header_bytes))
			return C_malformed_ip_length;
		layer_limit(&l, total_bytes);
	}
	if (unlikely(d->settings.checksum) && total_bytes != 0 &&
	    checksum_finish(checksum_add(0, at, header_bytes)) != 0)
		return C_malformed_ip_checksum;

	start_key(&p->key, IP_VERSION_4);
	p->ip_id = be16_at(at + 4);
	set_address4(p->key.address[0], at + 12);
	set_address4(p->key.address[1], at + 16);
	layer_advance(&l, header_bytes);
	*ret = (struct ip_packet){ .payload = l,
				   .protocol = at[9],
				   .no_length = total_bytes == 0,
				   .no_checksum = total_bytes == 0 };
	if (likely((offset & (IP4_MORE_FRAGMENTS | IP4_OFFSET_MASK)) == 0))
		return C_to_flow;

	struct fragment part = {
		.key = { .id = be16_at(at + 4), .protocol = at[9] },
		.offset = (offset & IP4_OFFSET_MASK) * 8u,
		.more = (offset & IP4_MORE_FRAGMENTS) != 0,
		.protocol = at[9],
	};

	return fragment_decode(d, p, &part, ret);
}

/* A fragment header; at least its eight bytes are there. */
static enum counter ip6_fragment(struct decode *d, struct packet *p, struct ip_packet *ip)
{
	const uint8_t *at = ip->payload.at;
	uint16_t offset = be16_at(at + 2);
	struct fragment part = {
		.key = { .id = be32_at(at + 4) },
		.offset = offset & IP6_OFFSET_MASK,
		.more = (offset & IP6_MORE_FRAGMENTS) != 0,
		.protocol = at[0],
	};

	layer_advance(&ip->payload, IP6_EXTENSION_BYTES);
	ip->protocol = at[0];
	if (part.offset == 0 && !part.more) /* atomic: RFC 6946 */
		return C_to_flow;
	return fragment_decode(d, p, &part, ip);
}

/* How long the extension header at `at` is; 0: `protocol` is not one that can be stepped over. */
static uint32_t extension_bytes(uint8_t protocol, const uint8_t *at)
{
	switch (protocol) {
	case IPPROTO_HOPOPTS:
	case IPPROTO_ROUTING:
	case IPPROTO_DSTOPTS:
	case IPPROTO_MH:
	case PROTOCOL_HIP:
	case PROTOCOL_SHIM6: return (at[1] + 1u) * IP6_EXTENSION_BYTES;
	case IPPROTO_AH: return (at[1] + 2u) * 4; /* RFC 4302 2.2 */
	default: return 0;
	}
}

static bool is_extension(uint8_t protocol)
{
	static const uint8_t any_header[2];

	return protocol == IPPROTO_FRAGMENT || extension_bytes(protocol, any_header) != 0;
}

static enum counter ip6_extension(struct decode *d, struct packet *p, struct ip_packet *ip)
{
	const uint8_t *at = ip->payload.at;

	if (ip->payload.captured_bytes < IP6_EXTENSION_BYTES)
		return C_malformed_extension;
	if (ip->protocol == IPPROTO_FRAGMENT)
		return ip6_fragment(d, p, ip);

	uint32_t bytes = extension_bytes(ip->protocol, at);

	if (bytes > ip->payload.captured_bytes)
		return C_malformed_extension;
	/* With segments left the checksum is over the last of them, not the address in the IP
	 * header (RFC 8200 8.1). */
	if (ip->protocol == IPPROTO_ROUTING && at[3] != 0)
		ip->no_checksum = true;
	ip->protocol = at[0];
	layer_advance(&ip->payload, bytes);
	return C_to_flow;
}

static enum counter ip6_extensions(struct decode *d, struct packet *p, struct ip_packet *ip)
{
	while (unlikely(is_extension(ip->protocol))) {
		if (ip->extensions++ >= d->settings.extension_headers)
			return C_malformed_too_deep;

		enum counter fate = ip6_extension(d, p, ip);

		if (fate != C_to_flow)
			return fate;
	}
	return C_to_flow;
}

static enum counter ip6_decode(struct decode *d, struct packet *p, struct layer l,
			       struct ip_packet *ret)
{
	const uint8_t *at = l.at;

	if (unlikely(l.captured_bytes < IP6_BYTES || at[0] >> 4 != 6))
		return C_malformed_ip_header;

	uint32_t payload_bytes = be16_at(at + 4);

	start_key(&p->key, IP_VERSION_6);
	p->ip_id = 0;
	memcpy(p->key.address, at + 8, sizeof(p->key.address));
	layer_advance(&l, IP6_BYTES);
	if (likely(payload_bytes != 0))
		layer_limit(&l, payload_bytes);
	*ret = (struct ip_packet){ .payload = l,
				   .protocol = at[6],
				   .no_length = payload_bytes == 0,
				   .no_checksum = payload_bytes == 0 };
	return ip6_extensions(d, p, ret);
}

enum counter ip_decode(struct decode *d, struct packet *p, struct layer l, enum ip_version version,
		       struct ip_packet *ret)
{
	if (version == IP_VERSION_ANY) {
		if (l.captured_bytes == 0)
			return C_malformed_ip_header;
		version = (enum ip_version)(l.at[0] >> 4);
	}
	if (likely(version == IP_VERSION_4))
		return ip4_decode(d, p, l, ret);
	if (version == IP_VERSION_6)
		return ip6_decode(d, p, l, ret);
	return C_malformed_ip_header;
}

enum counter ip_resume(struct decode *d, struct packet *p, struct ip_packet *ip)
{
	if (p->key.ip_version == IP_VERSION_4)
		return C_to_flow;
	return ip6_extensions(d, p, ip);
}
