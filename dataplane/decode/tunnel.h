/* tunnel - what is inside an IP packet that carries another packet.
 *
 *     IP protocol 4, 41      the packet itself: IP-in-IP, 6in4, and both over IPv6
 *     IP protocol 47         GRE with all its fields (RFC 1701, 2784, 2890): IP, MPLS, PPP,
 * Ethernet (NVGRE), WCCP, ERSPAN I to III; version 1 as PPTP has it (RFC 2637) IP protocol 97, 137
 * EtherIP; MPLS UDP to 4789, 8472      VXLAN (RFC 7348), with a group policy too UDP to 4790
 * VXLAN-GPE UDP to 6081            GENEVE (RFC 8926) UDP to 2152            GTP-U version 1 (3GPP
 * TS 29.281): user packets, not signalling UDP, 1701              L2TP version 2 (RFC 2661): data
 * with IP in PPP UDP, 3544              Teredo (RFC 4380)
 *
 * An IP protocol says for certain what follows: what does not fit is malformed. A UDP port is a
 * hint, because anybody may use it: unless every reserved bit, length and version is as it must be,
 * down to the first bytes of the packet inside, it is an ordinary UDP packet and stays one.
 *
 * Left alone: L2TPv3, whose header has no fixed length; GTP-U that carries Ethernet; NSH;
 * compressed or encrypted PPP.
 */
#ifndef DATAPLANE_DECODE_TUNNEL_H
#define DATAPLANE_DECODE_TUNNEL_H

#include "dataplane/decode/ip.h"

enum tunnel_ports {
	PORT_L2TP = 1701,
	PORT_GTP_U = 2152,
	PORT_TEREDO = 3544,
	PORT_VXLAN = 4789,
	PORT_VXLAN_GPE = 4790,
	PORT_GENEVE = 6081,
	PORT_VXLAN_LINUX = 8472,
};

/* tunnel_port - may a UDP packet to `port` be a tunnel? */
static inline bool tunnel_port(uint16_t port)
{
	switch (port) {
	case PORT_L2TP:
	case PORT_GTP_U:
	case PORT_TEREDO:
	case PORT_VXLAN:
	case PORT_VXLAN_GPE:
	case PORT_GENEVE:
	case PORT_VXLAN_LINUX: return true;
	default: return false;
	}
}

/* What a tunnel holds: for link_inside(). */
struct tunnel_inside {
	struct layer layer;
	uint16_t ethertype;
};

/* tunnel_open - step into the tunnel that `ip` is, if it is one. `fate` is what l4_decode() said
 * of it: C_to_flow (UDP; the payload is in `p`) or C_passed_ip_protocol.
 *
 * Returns: true, *ret is what is inside and the tunnel is in p's path;
 *          false, *fate is the ledger line where the packet ends, or C_to_flow as before: it is no
 *          tunnel.
 */
bool tunnel_open(struct decode *d, struct packet *p, const struct ip_packet *ip,
		 struct tunnel_inside *ret, enum counter *fate);

#endif
