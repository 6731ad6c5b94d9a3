/* burst - up to 64 packets, and what each stage has learned about them.
 *
 *     rx       frame, caplen, wire bytes, time, number, interface, link type
 *     filter   dropped packets leave the burst here (the rest moves up)
 *     decode   key, side, TCP fields, where the payload is, the tunnels around it
 *     flow     the flow
 *
 * A packet that goes no further is taken out of `packet[]` by the stage that
 * ends its way, which counts one line of ledger.h for it; what is left keeps
 * its order. So each stage walks a dense array and no stage tests for what an
 * earlier one has refused.
 *
 * Memory: `frame` and `payload` are borrowed until rx_give_back(); for a datagram put
 *         together from fragments `payload` belongs to decode until its next burst, and so does
 *         `path`.
 */
#ifndef DATAPLANE_BURST_H
#define DATAPLANE_BURST_H

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/flow/key.h"

enum { BURST_PACKETS = 64 };

/* Link types, as in pcap files and https://www.tcpdump.org/linktypes.html. */
enum link_type {
	LINK_NULL = 0,
	LINK_ETHERNET = 1,
	LINK_RAW_OLD = 12, /* DLT_RAW on most systems */
	LINK_RAW_OPENBSD = 14,
	LINK_PPP = 9,
	LINK_PPP_HDLC = 50,
	LINK_PPP_ETHER = 51,
	LINK_CISCO_HDLC = 104,
	LINK_RAW = 101,
	LINK_IEEE80211 = 105,
	LINK_LOOP = 108,
	LINK_LINUX_SLL = 113,
	LINK_IEEE80211_RADIOTAP = 127,
	LINK_IPV4 = 228,
	LINK_IPV6 = 229,
	LINK_LINUX_SLL2 = 276,
};

/* link_type_known - can decode read such frames? */
static inline bool link_type_known(uint16_t link)
{
	switch ((enum link_type)link) {
	case LINK_NULL:
	case LINK_ETHERNET:
	case LINK_PPP:
	case LINK_RAW_OLD:
	case LINK_RAW_OPENBSD:
	case LINK_PPP_HDLC:
	case LINK_PPP_ETHER:
	case LINK_RAW:
	case LINK_CISCO_HDLC:
	case LINK_IEEE80211:
	case LINK_LOOP:
	case LINK_LINUX_SLL:
	case LINK_IEEE80211_RADIOTAP:
	case LINK_IPV4:
	case LINK_IPV6:
	case LINK_LINUX_SLL2: return true;
	}
	return false;
}

enum tcp_flag {
	TCP_FIN = 0x01,
	TCP_SYN = 0x02,
	TCP_RST = 0x04,
	TCP_PSH = 0x08,
	TCP_ACK = 0x10,
	TCP_URG = 0x20,
};

struct flow;
struct path;

struct packet {
	/* rx */
	const uint8_t *frame;
	uint64_t ts_ns;  /* since 1970-01-01 UTC */
	uint64_t number; /* ordinal in the capture, from 1, as Wireshark counts; 0 when live */
	uint32_t caplen_bytes; /* of frame */
	uint32_t wire_bytes;   /* what was on the wire; >= caplen_bytes */
	uint16_t link;         /* enum link_type, or a type that decode does not know */
	uint16_t iface; /* 1 + index into the region's table of interfaces; 0: the source names none
			 */
	uint32_t epoch; /* of the pipeline clock when the packet was seen; by the worker */
	uint64_t now_ns; /* pipeline time when the packet was seen; by the worker */
	bool handed;     /* another worker has received it (flow/handoff.h) */

	/* decode */
	uint8_t side;      /* enum side of flow/key.h: which endpoint of the key sent this */
	uint8_t tcp_flags; /* enum tcp_flag */
	uint16_t window;   /* as on the wire, unscaled */
	uint16_t ip_id;    /* the identification of IPv4; 0 of IPv6 */
	uint32_t seq, ack;
	const uint8_t *payload;
	uint32_t payload_bytes;          /* by the IP length: on the wire */
	uint32_t payload_captured_bytes; /* <= payload_bytes; the rest was cut by the snap length */
	const uint8_t *tcp_options;
	uint8_t tcp_option_bytes;
	const struct path *path; /* the tunnels around it (flow/path.h); NULL: none. Borrowed as
				    `payload` of a datagram is */
	uint64_t hash;           /* of key, keyed */
	struct flow_key key;
	bool datagram; /* put together from fragments */
	bool raw;     /* a fragment that its home has to keep: nothing but the addresses is known */
	uint8_t home; /* the worker that owns it, where packets are handed over */

	/* flow */
	struct flow *flow;
};

struct burst {
	uint32_t count;
	struct packet packet[BURST_PACKETS];
};

#endif
