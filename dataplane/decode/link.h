/* link - from the frame to the IP packet in it.
 *
 *     Ethernet   802.3 with LLC/SNAP as well
 *     802.11     plain data frames; with radiotap in front too
 *     NULL, LOOP an address family of any system, in either byte order
 *     PPP        address and control field present or compressed, protocol field too
 *     others     raw IP, Linux cooked (both), Cisco HDLC, PPPoE sessions
 *
 * Every header that names its content with an ethertype ends in one switch, where
 * VLAN tags are taken off. The first two VLAN ids go into the packet's key; VLAN 0
 * is a priority tag and says that the frame is in no VLAN (IEEE 802.1Q), so it does not:
 * often only one direction of a connection carries it.
 */
#ifndef DATAPLANE_DECODE_LINK_H
#define DATAPLANE_DECODE_LINK_H

#include "dataplane/decode/parts.h"

/* The version of IP that a link header announced. */
enum ip_version { IP_VERSION_ANY = 0, IP_VERSION_4 = 4, IP_VERSION_6 = 6 };

/* link_decode - find the IP packet in p->frame.
 *
 * Returns: C_to_flow with *ret the IP packet, *ret_version what the link layer calls it and
 *          p->key.vlan set; or the ledger line where the packet ends.
 */
enum counter link_decode(const struct decode_settings *s, struct packet *p, struct layer *ret,
			 enum ip_version *ret_version);

#endif
