/* dpdk_rounds - the addresses of a frame, found and changed. */
#include "dataplane/rx/dpdk_rounds.h"

#include <string.h>

enum {
	ETHERTYPE_AT = 12,
	ETHERTYPE_IPV4 = 0x0800,
	ETHERTYPE_IPV6 = 0x86dd,
	ETHERTYPE_TAG = 0x8100,
	ETHERTYPE_SERVICE_TAG = 0x88a8,
	IPV4_BYTES = 20,
	IPV4_CHECKSUM_AT = 10,
	IPV4_FROM_AT = 12,
	IPV4_TO_AT = 16,
	IPV6_BYTES = 40,
	IPV6_FROM_AT = 8,
	IPV6_FROM_END_AT = 20, /* the last four bytes of the address */
	IPV6_TO_END_AT = 36,
	PROTOCOL_TCP = 6,
	PROTOCOL_UDP = 17,
	TCP_CHECKSUM_AT = 16,
	UDP_CHECKSUM_AT = 6,
};

#define IPV4_ROUND_MASK UINT32_C(0x00ffffff)

static uint16_t get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static void put16(uint8_t *at, uint16_t v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

/* ---- finding ---- */

/* locate_checksum - of TCP or UDP, where it is there. */
static void locate_checksum(struct dpdk_round_place *p, uint8_t protocol, uint32_t at,
			    uint32_t bytes)
{
	uint32_t where = at + (protocol == PROTOCOL_TCP ? TCP_CHECKSUM_AT : UDP_CHECKSUM_AT);

	if ((protocol != PROTOCOL_TCP && protocol != PROTOCOL_UDP) || where + 2 > bytes)
		return;
	p->checksum = (uint16_t)where;
	p->zero_is_none = protocol == PROTOCOL_UDP;
}

static struct dpdk_round_place locate_ipv4(const uint8_t *frame, uint32_t ip, uint32_t bytes)
{
	struct dpdk_round_place p = { .ip = (uint16_t)ip };
	uint32_t header_bytes = (frame[ip] & 15u) * 4;

	/* The checksum of a datagram in fragments is in the first. */
	if (header_bytes >= IPV4_BYTES && (get16(frame + ip + 6) & 0x1fff) == 0)
		locate_checksum(&p, frame[ip + 9], ip + header_bytes, bytes);
	return p;
}

static struct dpdk_round_place locate_ipv6(const uint8_t *frame, uint32_t ip, uint32_t bytes)
{
	struct dpdk_round_place p = { .ip = (uint16_t)ip, .v6 = true };

	locate_checksum(&p, frame[ip + 6], ip + IPV6_BYTES, bytes);
	return p;
}

struct dpdk_round_place dpdk_round_locate(const uint8_t *frame, uint32_t bytes)
{
	const struct dpdk_round_place none = { 0 };
	uint32_t at = ETHERTYPE_AT;

	for (int tags = 0; tags < 3 && at + 2 <= bytes; tags++, at += 4) {
		uint16_t type = get16(frame + at);

		if (type == ETHERTYPE_TAG || type == ETHERTYPE_SERVICE_TAG)
			continue;
		at += 2;
		if (type == ETHERTYPE_IPV4 && at + IPV4_BYTES <= bytes && frame[at] >> 4 == 4)
			return locate_ipv4(frame, at, bytes);
		if (type == ETHERTYPE_IPV6 && at + IPV6_BYTES <= bytes && frame[at] >> 4 == 6)
			return locate_ipv6(frame, at, bytes);
		return none;
	}
	return none;
}

/* ---- changing ---- */

/* change_word - RFC 1624, equation 3: `sum` gathers ~old + new of what the checksum covers. */
static void change_word(uint8_t *at, uint16_t change, uint32_t *sum)
{
	uint16_t old = get16(at), new = old ^ change;

	put16(at, new);
	*sum += (uint16_t)~old + (uint32_t) new;
}

static void change_checksum(uint8_t *at, uint32_t sum)
{
	sum += (uint16_t)~get16(at);
	sum = (sum >> 16) + (sum & 0xffff);
	sum = (sum >> 16) + (sum & 0xffff);
	put16(at, (uint16_t)~sum);
}

void dpdk_round_rewrite(uint8_t *frame, struct dpdk_round_place place, uint32_t change)
{
	uint8_t *ip = frame + place.ip;
	uint8_t *from = ip + (place.v6 ? IPV6_FROM_END_AT : IPV4_FROM_AT);
	uint8_t *to = ip + (place.v6 ? IPV6_TO_END_AT : IPV4_TO_AT);
	uint32_t sum = 0;

	if (place.ip == 0)
		return;
	change &= place.v6 ? UINT32_MAX : IPV4_ROUND_MASK;
	change_word(from, (uint16_t)(change >> 16), &sum);
	change_word(from + 2, (uint16_t)change, &sum);
	change_word(to, (uint16_t)(change >> 16), &sum);
	change_word(to + 2, (uint16_t)change, &sum);
	if (!place.v6)
		change_checksum(ip + IPV4_CHECKSUM_AT, sum);
	if (place.checksum == 0 || (place.zero_is_none && get16(frame + place.checksum) == 0))
		return;
	change_checksum(frame + place.checksum, sum);
}

/* ---- sharing out ---- */

uint32_t dpdk_round_spread(const uint8_t *frame, struct dpdk_round_place place, uint32_t bytes,
			   struct spread s)
{
	uint32_t size = place.v6 ? 16 : 4;
	uint32_t at = place.ip + (uint32_t)(place.v6 ? IPV6_FROM_AT : IPV4_FROM_AT);
	uint8_t address[2][16] = { { 0 } };
	uint32_t ports = 0, l4;

	if (place.ip == 0)
		return 0;
	memcpy(address[0], frame + at, size);
	memcpy(address[1], frame + at + size, size);
	/* The ports stand at the beginning of what the checksum belongs to. */
	l4 = place.checksum - (uint32_t)(place.zero_is_none ? UDP_CHECKSUM_AT : TCP_CHECKSUM_AT);
	if (place.checksum != 0 && l4 + 4 <= bytes)
		ports = (uint32_t)(get16(frame + l4) ^ get16(frame + l4 + 2));
	return spread_number(s, spread_addresses(address), ports);
}
