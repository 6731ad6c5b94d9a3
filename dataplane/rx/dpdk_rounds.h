/* dpdk_rounds - makes the connections of each round of a looped capture new ones.
 *
 * The same packets again are nothing but retransmissions to whoever follows TCP. In round r both
 * addresses of a packet are XORed with the same bits of r, so that both directions of a connection
 * still meet, and no two rounds share one (for 2^24 rounds). Only the low 24 bits of an IPv4
 * address and the low 32 of an IPv6 one change. The header's checksum and that of TCP or UDP are
 * kept right. Outermost addresses only: what is in a tunnel stays as it is.
 *
 * No DPDK type in here. Threads: any. Cost: some 20 cycles where the addresses are in the cache.
 */
#ifndef DATAPLANE_RX_DPDK_ROUNDS_H
#define DATAPLANE_RX_DPDK_ROUNDS_H

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/burst.h"

/* Where the addresses of a frame are. ip 0: there are none, or they are cut off. */
struct dpdk_round_place {
	uint16_t ip;       /* offset of the IP header */
	uint16_t checksum; /* of that of TCP or UDP; 0: none */
	bool v6;
	bool zero_is_none; /* UDP: a checksum of 0 was not computed and stays */
};

/* dpdk_round_locate - of an Ethernet frame, with tags or without. */
struct dpdk_round_place dpdk_round_locate(const uint8_t *frame, uint32_t bytes);

/* dpdk_round_rewrite - from one round to another: `change` is the XOR of the two. */
void dpdk_round_rewrite(uint8_t *frame, struct dpdk_round_place place, uint32_t change);

/* dpdk_round_spread - flow_key_spread() of its flow, by the outermost addresses: the same in every
 * round, because what both addresses are XORed with cancels out. 0 without addresses. */
uint32_t dpdk_round_spread(const uint8_t *frame, struct dpdk_round_place place, uint32_t bytes,
			   struct spread s);

#endif
