/* key - what makes two packets belong to one flow.
 *
 * The innermost addresses and ports, the protocol, the VLAN ids of the innermost frame, and of the
 * tunnels around it the ids that are the same in both directions (path.h says which). With
 * --flow-key 5tuple neither VLAN ids nor tunnels. The two
 * endpoints are stored in one fixed order (the smaller address:port first), so
 * both directions have the same key and the same hash; `enum side` says which of the
 * two sent a packet.
 *
 * IPv4 addresses are stored as ::ffff:a.b.c.d (RFC 4291 2.5.5.2) and `ip_version` keeps the two
 * apart.
 */
#ifndef DATAPLANE_FLOW_KEY_H
#define DATAPLANE_FLOW_KEY_H

#include <assert.h>
#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "dataplane/base/hash.h"
#include "dissectors/dissector.h" /* enum side */

enum { VLAN_DEPTH = 2 };

struct flow_key {
	uint8_t address[2][16];
	uint16_t port[2];          /* host order */
	uint16_t vlan[VLAN_DEPTH]; /* outermost first: 12 bits of id, 0x8000 marks presence; 0: none
				    */
	uint8_t protocol;          /* IPPROTO_TCP or IPPROTO_UDP */
	uint8_t ip_version;        /* 4 or 6 */
	uint16_t zero;
	uint32_t outer; /* path_outer() of the tunnels around it; 0: none that counts */
};
static_assert(sizeof(struct flow_key) == 48, "hashed and compared as six words, so no padding");

#define VLAN_PRESENT 0x8000

/* flow_key_order - put the two endpoints into their fixed order.
 * Takes the key with the sender as endpoint 0. Returns the side that sent: 0 if nothing moved.
 */
static inline enum side flow_key_order(struct flow_key *k)
{
	int order = memcmp(k->address[0], k->address[1], sizeof(k->address[0]));

	if (order < 0 || (order == 0 && k->port[0] <= k->port[1]))
		return SIDE_A;
	uint8_t address[16];
	uint16_t port = k->port[0];

	memcpy(address, k->address[0], sizeof(address));
	memcpy(k->address[0], k->address[1], sizeof(address));
	memcpy(k->address[1], address, sizeof(address));
	k->port[0] = k->port[1];
	k->port[1] = port;
	return SIDE_B;
}

static inline uint64_t flow_key_hash(const struct flow_key *k, struct hash_key secret)
{
	uint64_t word[6];

	memcpy(word, k, sizeof(word));
	return hash_words(secret, word, 6);
}

/* The two factors of flow_key_spread(): odd, and live random, so that nobody can choose packets
 * that all go to one worker. */
struct spread {
	uint32_t address, port;
};

/* spread_number - of all bits of the two addresses and the two ports XORed, which a program in the
 * kernel can do as well, in 32-bit words:
 *
 *     address = XOR of the 32-bit words of both addresses     host byte order
 *     port    = XOR of both ports; of a fragment 0
 *     number  = (address * factor + port * factor) >> 16
 */
static inline uint32_t spread_number(struct spread s, uint32_t address, uint32_t port)
{
	return (address * s.address + port * s.port) >> 16;
}

static inline uint32_t spread_addresses(const uint8_t address[2][16])
{
	uint32_t word[8], sum = 0;

	memcpy(word, address, sizeof(word));
	for (int i = 0; i < 8; i++)
		sum ^= word[i];
	return be32toh(sum);
}

/* flow_key_spread - the worker that a flow belongs to is this number modulo the workers: the same
 * for both directions, and whether the key is in order or not. Of a flow in a tunnel the inner
 * addresses and ports count.
 * Why: a hash of its own, because it is computed in the kernel too (the fan-out of packet sockets),
 *      so that packets come to the worker that they belong to. */
static inline uint32_t flow_key_spread(const struct flow_key *k, struct spread s)
{
	return spread_number(s, spread_addresses(k->address), (uint32_t)(k->port[0] ^ k->port[1]));
}

static inline bool flow_key_equal(const struct flow_key *a, const struct flow_key *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

#endif
