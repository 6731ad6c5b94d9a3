/* ip - IPv4 and IPv6 headers, down to the transport.
 *
 *     IPv4 header (+ options)            \
 *                                          -> [fragment.h] -> extension headers -> transport
 *     IPv6 header (+ extension headers)  /
 *
 * Which length counts, where the IP header and the frame disagree:
 *     shorter than the frame   the header's: the rest is padding
 *     beyond what was captured the header's: the snap length cut it
 *     beyond the wire          the wire's; nothing is marked, because the common cause is a
 *                              tool that shortened frames and forgot their first length
 *     0                        the wire's: a super-packet, or a jumbogram (RFC 2675)
 */
#ifndef DATAPLANE_DECODE_IP_H
#define DATAPLANE_DECODE_IP_H

#include "dataplane/decode/link.h"
#include "dataplane/decode/parts.h"

/* The payload of an IP packet. */
struct ip_packet {
	struct layer payload;
	uint8_t protocol;    /* of the payload */
	bool whole;          /* put together from fragments */
	bool no_length;      /* its length was 0: a length of 0 further in is no lie either */
	bool no_checksum;    /* the transport's checksum cannot be verified: not yet made, or over
				another address */
	uint32_t extensions; /* headers walked so far */
};

/* ip_decode - read the IP headers at `l`.
 *
 * Sets p->key but for the ports and its order.
 * Returns: C_to_flow, *ret is the transport;
 *          C_datagrams_completed, p was the last fragment missing and *ret is the datagram: go on
 * with ip_resume(); else the ledger line where the packet ends (C_fragment_kept is one).
 */
enum counter ip_decode(struct decode *d, struct packet *p, struct layer l, enum ip_version version,
		       struct ip_packet *ret);

/* ip_resume - extension headers behind the fragment header of a completed datagram. Returns as
 * above, but never C_datagrams_completed. */
enum counter ip_resume(struct decode *d, struct packet *p, struct ip_packet *ip);

#endif
