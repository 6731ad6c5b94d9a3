/* link - from the frame to the IP packet in it.
 *
 *     Ethernet   802.3 with LLC/SNAP as well
 *     802.11     plain data frames; with radiotap in front too
 *     NULL, LOOP an address family of any system, in either byte order
 *     PPP        address and control field present or compressed, protocol field too
 *     others     raw IP, Linux cooked (both), Cisco HDLC, PPPoE sessions
 *
 * Every header that names its content with an ethertype ends in one switch, where VLAN tags,
 * MPLS labels and PPPoE are taken off. The first two VLAN ids go into the packet's key; VLAN 0
 * is a priority tag and says that the frame is in no VLAN (IEEE 802.1Q), so it does not:
 * often only one direction of a connection carries it.
 *
 * What is behind the last MPLS label no field says. In this order: an IP packet whose lengths are
 * possible; Ethernet behind a control word (RFC 4448: its first 16 bits are 0); Ethernet. A stack
 * counts as one encapsulation and ends after MPLS_LABELS_MAX labels.
 */
#ifndef DATAPLANE_DECODE_LINK_H
#define DATAPLANE_DECODE_LINK_H

#include "dataplane/decode/parts.h"

/* The version of IP that a link header announced. */
enum ip_version { IP_VERSION_ANY = 0, IP_VERSION_4 = 4, IP_VERSION_6 = 6 };

enum {
	MPLS_LABELS_MAX = 16,
	/* What tunnels call a whole frame, and PPP, where an ethertype is expected. */
	ETHERTYPE_FRAME = 0x6558,
	ETHERTYPE_PPP = 0x880b,
	ETHERTYPE_IPV4 = 0x0800,
	ETHERTYPE_IPV6 = 0x86dd,
	ETHERTYPE_MPLS = 0x8847,
	ETHERTYPE_MIN = 0x0600, /* IEEE 802.3 3.2.6: below is a length, LLC follows */
};

/* link_decode - find the IP packet in p->frame.
 *
 * Returns: C_to_flow with *ret the IP packet, *ret_version what the link layer calls it and
 *          p->key.vlan set; or the ledger line where the packet ends.
 */
enum counter link_decode(struct decode *d, struct packet *p, struct layer *ret,
			 enum ip_version *ret_version);

/* link_inside - the same for what a tunnel holds, and calls `ethertype`. p->key.vlan is set anew
 * to what is inside. */
enum counter link_inside(struct decode *d, struct packet *p, uint16_t ethertype, struct layer l,
			 struct layer *ret, enum ip_version *ret_version);

/* link_is_ip, link_is_called - could this be an IP packet, or what `ethertype` says, or the
 * beginning of one that was cut? For what no header announces for certain: of a frame the
 * ethertype must be one that is known. */
bool link_is_ip(const struct layer *l);
bool link_is_called(const struct layer *l, uint16_t ethertype);

#endif
