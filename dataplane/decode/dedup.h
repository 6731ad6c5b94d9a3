/* dedup - the second copy of a packet, which a mirror port of both sides makes.
 *
 *     bucket of the packet's fingerprint (one cache line): 4 x { fingerprint, time }
 *
 * A mirror of several ports shows a packet that came in at one and left at another twice, within
 * microseconds. Between the two a switch or router may have changed: MAC addresses, VLAN tags, MPLS
 * labels and other tunnels without a network id, TTL or hop limit, traffic class, the IPv4
 * header's checksum; a card, the checksum of TCP or UDP. None of that is asked. What must be equal:
 *
 *     the flow key and the direction
 *     the IPv4 identification; of IPv6 there is none
 *     sequence and acknowledgement number, flags, window and all options of TCP
 *     the payload: how long it is, how much was captured, and every byte
 *
 * by a keyed hash of 64 bits. VLAN ids are not in the key while copies are looked for: of a
 * connection routed between two VLANs the first copies of one direction are in the one, those of
 * the other direction in the other. Copies inside and outside of a VXLAN or GENEVE network are of
 * two flows, unless --flow-key 5tuple makes them one. Copies on both sides of an address
 * translation are different packets.
 *
 * A real retransmission is not mistaken where it differs in anything: the identification, which
 * most systems count on, the acknowledgement, a time stamp option. Where it does not (IPv6, or an
 * identification that stays 0, within the time stamp's millisecond and within the window) it is
 * taken for a copy, and nothing is lost by that: the same bytes came before. The window should be
 * well below the least retransmission time-out (200 ms on Linux) and above what a mirror delays.
 *
 * A full bucket forgets the oldest of its four: if that is within the window still, it is counted
 * (`copies_forgotten`), because a copy may be missed.
 *
 * Threads: the worker that owns the flow, so the number of workers changes nothing.
 * Cost: one cache miss and the payload's bytes per packet; without --dedup nothing.
 */
#ifndef DATAPLANE_DECODE_DEDUP_H
#define DATAPLANE_DECODE_DEDUP_H

#include "dataplane/decode/decode.h"

/* dedup_new - Returns: 0, -ENOMEM. */
int dedup_new(const struct decode_settings *settings, struct arena *arena,
	      struct counters *counters, struct dedup **ret);
/* dedup_free - accepts NULL. */
void dedup_free(struct dedup *d, struct arena *arena);

/* dedup_burst - takes copies out of a burst that decode is done with, counted as `duplicate`. Time
 * is that of the pipeline, which the worker noted. */
void dedup_burst(struct dedup *d, struct burst *b);

#endif
