/* link - from the frame to the IP packet in it. */
#include "dataplane/decode/link.h"

#include "dataplane/base/bytes.h"
#include "dataplane/base/compiler.h"

enum {
	ETHERTYPE_ARP = 0x0806,
	ETHERTYPE_VLAN = 0x8100,
	ETHERTYPE_MPLS_MULTICAST = 0x8848,
	ETHERTYPE_PPPOE = 0x8864,
	ETHERTYPE_QINQ = 0x88a8,
	ETHERTYPE_QINQ_OLD = 0x9100,
};

enum ppp_protocol { PPP_IPV4 = 0x0021, PPP_IPV6 = 0x0057, PPP_MPLS = 0x0281 };

enum mpls_label { MPLS_LABEL_GENERIC_CHANNEL = 13 }; /* RFC 5586 */

enum {
	ETHERNET_BYTES = 14,
	ETHERTYPE_AT = 12,
	VLAN_TAG_BYTES = 4,
	MPLS_BYTES = 4,
	CONTROL_WORD_BYTES = 4,
	IP4_BYTES = 20,
	IP6_BYTES = 40,
	VLAN_ID_MASK = 0x0fff,
	LLC_BYTES = 3,
	SNAP_BYTES = 8,
	FAMILY_BYTES = 4,
	SLL_BYTES = 16,
	SLL2_BYTES = 20,
	HDLC_BYTES = 4,
	PPPOE_BYTES = 6,
	RADIOTAP_BYTES = 8,
	RADIOTAP_WORDS_AT = 4, /* where the bit maps of fields begin */
	WIFI_BYTES = 24,
};

/* What the link headers have led to so far. */
struct link {
	struct decode *decode;
	struct packet *packet;
	struct layer layer;
	enum ip_version version;
	uint32_t ids; /* VLAN ids that the packet's key has */
};

static uint16_t le16_at(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static enum counter found(struct link *k, enum ip_version version)
{
	k->version = version;
	return C_to_flow;
}

/* IEEE 802.2: only SNAP with an Ethernet type, and the SAP of IP, can hold IP.
 * Leaves *ret_ethertype alone where there is none. */
static enum counter llc(struct link *k, uint16_t *ret_ethertype)
{
	const uint8_t *at = k->layer.at;

	if (k->layer.captured_bytes < LLC_BYTES)
		return C_malformed_link;
	if (at[0] == 0x06 && at[1] == 0x06 && at[2] == 0x03) {
		layer_advance(&k->layer, LLC_BYTES);
		*ret_ethertype = ETHERTYPE_IPV4;
		return C_to_flow;
	}
	if (at[0] != 0xaa || at[1] != 0xaa || at[2] != 0x03)
		return C_passed_not_ip;
	if (k->layer.captured_bytes < SNAP_BYTES)
		return C_malformed_link;

	uint32_t organisation = (uint32_t)at[3] << 16 | be16_at(at + 4);
	uint16_t ethertype = be16_at(at + 6);

	/* RFC 1042 and, for types that bridges must not translate, IEEE 802.1H. */
	if ((organisation != 0x000000 && organisation != 0x0000f8) || ethertype < ETHERTYPE_MIN)
		return C_passed_not_ip;
	layer_advance(&k->layer, SNAP_BYTES);
	*ret_ethertype = ethertype;
	return C_to_flow;
}

/* Takes a VLAN tag off. */
static enum counter vlan(struct link *k, uint16_t *ret_ethertype)
{
	if (!decode_deeper(k->decode))
		return C_malformed_too_deep;
	if (k->layer.captured_bytes < VLAN_TAG_BYTES)
		return C_malformed_link;

	uint16_t id = be16_at(k->layer.at) & VLAN_ID_MASK;

	if (id != 0 && k->ids < VLAN_DEPTH)
		k->packet->key.vlan[k->ids++] = VLAN_PRESENT | id;
	*ret_ethertype = be16_at(k->layer.at + 2);
	layer_advance(&k->layer, VLAN_TAG_BYTES);
	return C_to_flow;
}

/* ---- what is behind labels ---- */

static bool is_ip4(const struct layer *l)
{
	const uint8_t *at = l->at;

	if (l->wire_bytes < IP4_BYTES)
		return false;
	if (l->captured_bytes < IP4_BYTES)
		return true;

	uint32_t header_bytes = (at[0] & 15u) * 4, total_bytes = be16_at(at + 2);

	return header_bytes >= IP4_BYTES && total_bytes <= l->wire_bytes &&
	       (total_bytes == 0 || total_bytes >= header_bytes);
}

/* Without a length it is a jumbogram, whose first header is hop-by-hop, or has nothing to carry. */
static bool is_ip6(const struct layer *l)
{
	enum { HOP_BY_HOP = 0, NOTHING = 59 };
	const uint8_t *at = l->at;

	if (l->wire_bytes < IP6_BYTES)
		return false;
	if (l->captured_bytes < IP6_BYTES)
		return true;
	if (be16_at(at + 4) == 0)
		return at[6] == HOP_BY_HOP || at[6] == NOTHING;
	return be16_at(at + 4) <= l->wire_bytes - IP6_BYTES;
}

bool link_is_ip(const struct layer *l)
{
	if (l->captured_bytes == 0)
		return l->wire_bytes >= IP4_BYTES;
	if (l->at[0] >> 4 == 6)
		return is_ip6(l);
	return l->at[0] >> 4 == 4 && is_ip4(l);
}

/* Can the frame whose ethertype is at `type_at` be one? */
static bool is_frame(const struct layer *l, uint32_t type_at)
{
	struct layer inside = *l;

	if (l->wire_bytes < type_at + 2)
		return false;
	if (l->captured_bytes < type_at + 2)
		return true;
	layer_advance(&inside, type_at + 2);
	return link_is_called(&inside, be16_at(l->at + type_at));
}

/* IEEE 802.2, of `bytes`: both ends of what bridges and routers say are called alike. */
static bool is_llc(const struct layer *l, uint16_t bytes)
{
	if (bytes < LLC_BYTES || bytes > l->wire_bytes)
		return false;
	return l->captured_bytes < 2 || l->at[0] == l->at[1];
}

bool link_is_called(const struct layer *l, uint16_t ethertype)
{
	switch (ethertype) {
	case ETHERTYPE_IPV4:
	case ETHERTYPE_IPV6:
		return link_is_ip(l) && (l->captured_bytes == 0 ||
					 (l->at[0] >> 4 == 4) == (ethertype == ETHERTYPE_IPV4));
	case ETHERTYPE_FRAME: return is_frame(l, ETHERTYPE_AT);
	case ETHERTYPE_ARP:
	case ETHERTYPE_VLAN:
	case ETHERTYPE_QINQ:
	case ETHERTYPE_QINQ_OLD:
	case ETHERTYPE_MPLS:
	case ETHERTYPE_MPLS_MULTICAST:
	case ETHERTYPE_PPPOE: return l->wire_bytes >= MPLS_BYTES;
	default: return ethertype < ETHERTYPE_MIN && is_llc(l, ethertype);
	}
}

/* An Ethernet frame inside: its tags are those that count. */
static enum counter frame_inside(struct link *k, uint16_t *ret_ethertype)
{
	if (k->layer.captured_bytes < ETHERNET_BYTES)
		return C_malformed_link;
	memset(k->packet->key.vlan, 0, sizeof(k->packet->key.vlan));
	k->ids = 0;
	*ret_ethertype = be16_at(k->layer.at + ETHERTYPE_AT);
	layer_advance(&k->layer, ETHERNET_BYTES);
	return C_to_flow;
}

/* A pseudowire (RFC 4448), with or without a control word. */
static enum counter pseudowire(struct link *k, struct record_tunnel *tunnel,
			       uint16_t *ret_ethertype)
{
	const struct layer *l = &k->layer;

	if (l->captured_bytes >= CONTROL_WORD_BYTES && be16_at(l->at) == 0 &&
	    is_frame(l, CONTROL_WORD_BYTES + ETHERTYPE_AT))
		layer_advance(&k->layer, CONTROL_WORD_BYTES);
	else if (!is_frame(l, ETHERTYPE_AT))
		return C_passed_not_ip;
	memcpy(tunnel->vlan, k->packet->key.vlan, sizeof(tunnel->vlan));
	return frame_inside(k, ret_ethertype);
}

/* Takes a stack of labels off; *ret_label is the innermost. */
static enum counter labels(struct link *k, uint32_t *ret_label)
{
	for (uint32_t i = 0; i < MPLS_LABELS_MAX; i++) {
		if (k->layer.captured_bytes < MPLS_BYTES)
			return C_malformed_link;

		uint32_t entry = be32_at(k->layer.at);

		layer_advance(&k->layer, MPLS_BYTES);
		*ret_label = entry >> 12;
		if ((entry >> 8 & 1) != 0)
			return C_to_flow;
	}
	return C_malformed_too_deep;
}

static __attribute__((noinline)) enum counter mpls(struct link *k, uint16_t *ret_ethertype)
{
	struct record_tunnel *tunnel;
	uint32_t label = 0;
	enum counter fate;

	if (!decode_deeper(k->decode))
		return C_malformed_too_deep;
	fate = labels(k, &label);
	if (fate != C_to_flow)
		return fate;
	if (label == MPLS_LABEL_GENERIC_CHANNEL)
		return C_passed_not_ip;
	if (k->layer.captured_bytes == 0)
		return C_malformed_link;
	tunnel = decode_around(k->decode, k->packet, TUNNEL_mpls);
	tunnel->id = label;
	tunnel->has_id = 1;
	if (!link_is_ip(&k->layer))
		return pseudowire(k, tunnel, ret_ethertype);
	*ret_ethertype = k->layer.at[0] >> 4 == 4 ? ETHERTYPE_IPV4 : ETHERTYPE_IPV6;
	return C_to_flow;
}

/* A PPP protocol field: one byte if its lowest bit is set, else two (RFC 1661 2, 6.5). */
static enum counter ppp_protocol(struct link *k, uint16_t *ret_ethertype)
{
	if (k->layer.captured_bytes < 1)
		return C_malformed_link;

	uint16_t protocol = k->layer.at[0];
	uint32_t bytes = 1;

	if ((protocol & 1) == 0) {
		if (k->layer.captured_bytes < 2)
			return C_malformed_link;
		protocol = be16_at(k->layer.at);
		bytes = 2;
	}
	layer_advance(&k->layer, bytes);
	switch ((enum ppp_protocol)protocol) {
	case PPP_IPV4: *ret_ethertype = ETHERTYPE_IPV4; return C_to_flow;
	case PPP_IPV6: *ret_ethertype = ETHERTYPE_IPV6; return C_to_flow;
	case PPP_MPLS: *ret_ethertype = ETHERTYPE_MPLS; return C_to_flow;
	}
	return C_passed_not_ip;
}

/* Address and control field, if they are there, and the protocol. */
static enum counter ppp_frame(struct link *k, uint16_t *ret_ethertype)
{
	if (k->layer.captured_bytes >= 2 && be16_at(k->layer.at) == 0xff03)
		layer_advance(&k->layer, 2);
	return ppp_protocol(k, ret_ethertype);
}

static __attribute__((noinline)) enum counter pppoe(struct link *k, uint16_t *ret_ethertype)
{
	const uint8_t *at = k->layer.at;
	struct record_tunnel *tunnel;

	if (!decode_deeper(k->decode))
		return C_malformed_too_deep;
	if (k->layer.captured_bytes < PPPOE_BYTES || at[0] != 0x11)
		return C_malformed_link;
	if (at[1] != 0) /* discovery, not a session's data */
		return C_passed_not_ip;
	tunnel = decode_around(k->decode, k->packet, TUNNEL_pppoe);
	tunnel->id = be16_at(at + 2);
	tunnel->has_id = 1;
	layer_advance(&k->layer, PPPOE_BYTES);
	if (be16_at(at + 4) != 0)
		layer_limit(&k->layer, be16_at(at + 4));
	return ppp_protocol(k, ret_ethertype);
}

static enum counter ethertype_decode(struct link *k, uint16_t ethertype)
{
	enum counter fate;

	for (;;) {
		switch (ethertype) {
		case ETHERTYPE_IPV4: return found(k, IP_VERSION_4);
		case ETHERTYPE_IPV6: return found(k, IP_VERSION_6);
		case ETHERTYPE_ARP: return C_passed_arp;
		case ETHERTYPE_VLAN:
		case ETHERTYPE_QINQ:
		case ETHERTYPE_QINQ_OLD: fate = vlan(k, &ethertype); break;
		case ETHERTYPE_MPLS:
		case ETHERTYPE_MPLS_MULTICAST: fate = mpls(k, &ethertype); break;
		case ETHERTYPE_PPPOE: fate = pppoe(k, &ethertype); break;
		default:
			if (ethertype >= ETHERTYPE_MIN)
				return C_passed_not_ip;
			fate = llc(k, &ethertype);
		}
		if (fate != C_to_flow)
			return fate;
	}
}

static enum counter ethernet(struct link *k)
{
	if (unlikely(k->layer.captured_bytes < ETHERNET_BYTES))
		return C_malformed_link;

	uint16_t ethertype = be16_at(k->layer.at + 12);

	layer_advance(&k->layer, ETHERNET_BYTES);
	return ethertype_decode(k, ethertype);
}

/* The number of AF_INET6 depends on the system that captured. */
static enum counter family(struct link *k)
{
	if (k->layer.captured_bytes < FAMILY_BYTES)
		return C_malformed_link;

	uint32_t value = be32_at(k->layer.at);

	if (value > 0xffff)
		value = __builtin_bswap32(value);
	layer_advance(&k->layer, FAMILY_BYTES);
	switch (value) {
	case 2: return found(k, IP_VERSION_4);
	case 10: /* Linux */
	case 23: /* Windows */
	case 24: /* NetBSD, OpenBSD */
	case 28: /* FreeBSD */
	case 30: /* macOS */ return found(k, IP_VERSION_6);
	default: return C_passed_not_ip;
	}
}

/* Linux cooked capture, version 1 or 2: `type_at` is where the protocol stands. */
static enum counter cooked(struct link *k, uint32_t header_bytes, uint32_t type_at)
{
	if (k->layer.captured_bytes < header_bytes)
		return C_malformed_link;

	uint16_t type = be16_at(k->layer.at + type_at);

	/* Below ETHERTYPE_MIN stand Linux's own numbers for frames without an ethertype; 4 is LLC.
	 */
	if (type < ETHERTYPE_MIN && type != 4)
		return C_passed_not_ip;
	layer_advance(&k->layer, header_bytes);
	return ethertype_decode(k, type);
}

static enum counter cisco_hdlc(struct link *k)
{
	if (k->layer.captured_bytes < HDLC_BYTES)
		return C_malformed_link;

	uint16_t type = be16_at(k->layer.at + 2);

	if (type < ETHERTYPE_MIN)
		return C_passed_not_ip;
	layer_advance(&k->layer, HDLC_BYTES);
	return ethertype_decode(k, type);
}

static enum counter ppp(struct link *k)
{
	const uint8_t *at = k->layer.at;
	uint16_t ethertype = 0;

	if (k->layer.captured_bytes < 2)
		return C_malformed_link;
	/* Cisco's framing shares the link type: its address byte is no PPP address. */
	if ((at[0] == 0x0f || at[0] == 0x8f) && k->packet->link == LINK_PPP_HDLC)
		return cisco_hdlc(k);

	enum counter fate = ppp_frame(k, &ethertype);

	return fate == C_to_flow ? ethertype_decode(k, ethertype) : fate;
}

/* How long the header of this 802.11 frame is if it is a plain data frame, else 0. */
static uint32_t wifi_header_bytes(const struct layer *l)
{
	enum {
		TO_DS = 0x01,
		FROM_DS = 0x02,
		MORE_FRAGMENTS = 0x04,
		PROTECTED = 0x40,
		ORDER = 0x80
	};
	uint8_t control = l->at[0], flags = l->at[1];
	bool qos = (control & 0x80) != 0;
	uint32_t bytes = WIFI_BYTES;

	if ((control & 0x0f) != 0x08 ||
	    (control & 0x40) != 0) /* version 0, type data, not a null frame */
		return 0;
	if ((flags & (PROTECTED | MORE_FRAGMENTS)) != 0 || (l->at[22] & 0x0f) != 0)
		return 0;
	if ((flags & (TO_DS | FROM_DS)) == (TO_DS | FROM_DS))
		bytes += 6;
	if (qos)
		bytes += (flags & ORDER) != 0 ? 6 : 2;
	return bytes;
}

static enum counter wifi(struct link *k, bool padded)
{
	uint16_t ethertype = 0;

	if (k->layer.captured_bytes < 2)
		return C_malformed_link;
	/* Control frames are shorter than WIFI_BYTES, and are no data. */
	if ((k->layer.at[0] & 0x0c) != 0x08)
		return C_passed_not_ip;
	if (k->layer.captured_bytes < WIFI_BYTES)
		return C_malformed_link;

	uint32_t bytes = wifi_header_bytes(&k->layer);
	bool four_addresses = (k->layer.at[1] & 0x03) == 0x03;

	if (bytes == 0)
		return C_passed_not_ip;
	if (bytes > k->layer.captured_bytes)
		return C_malformed_link;
	/* An aggregate holds several packets, each behind a header of its own. */
	if ((k->layer.at[0] & 0x80) != 0 && (k->layer.at[four_addresses ? 30 : 24] & 0x80) != 0)
		return C_passed_not_ip;
	if (padded)
		bytes = (bytes + 3) & ~UINT32_C(3);
	if (bytes > k->layer.captured_bytes)
		return C_malformed_link;
	layer_advance(&k->layer, bytes);

	enum counter fate = llc(k, &ethertype);

	return fate == C_to_flow ? ethertype_decode(k, ethertype) : fate;
}

/* The flags field of a radiotap header of `bytes`; 0 where it has none. */
static uint8_t radiotap_flags(const uint8_t *at, uint32_t bytes)
{
	enum { HAS_TSFT = 1 << 0, HAS_FLAGS = 1 << 1, MORE_WORDS = 0x80 };
	uint8_t fields = at[RADIOTAP_WORDS_AT];
	uint32_t next = RADIOTAP_WORDS_AT;

	while (next + 4 <= bytes && (at[next + 3] & MORE_WORDS) != 0)
		next += 4;
	next += 4;
	if ((fields & HAS_TSFT) != 0)
		next = ((next + 7) & ~UINT32_C(7)) + 8;
	return (fields & HAS_FLAGS) != 0 && next < bytes ? at[next] : 0;
}

static enum counter radiotap(struct link *k)
{
	enum { FLAG_PADDED = 0x20 };
	const uint8_t *at = k->layer.at;

	if (k->layer.captured_bytes < RADIOTAP_BYTES || at[0] != 0)
		return C_malformed_link;

	uint32_t bytes = le16_at(at + 2);

	if (bytes < RADIOTAP_BYTES || bytes > k->layer.captured_bytes)
		return C_malformed_link;
	layer_advance(&k->layer, bytes);
	return wifi(k, (radiotap_flags(at, bytes) & FLAG_PADDED) != 0);
}

static enum counter by_link_type(struct link *k)
{
	switch ((enum link_type)k->packet->link) {
	case LINK_ETHERNET: return ethernet(k);
	case LINK_NULL:
	case LINK_LOOP: return family(k);
	case LINK_RAW:
	case LINK_RAW_OLD:
	case LINK_RAW_OPENBSD: return found(k, IP_VERSION_ANY);
	case LINK_IPV4: return found(k, IP_VERSION_4);
	case LINK_IPV6: return found(k, IP_VERSION_6);
	case LINK_LINUX_SLL: return cooked(k, SLL_BYTES, 14);
	case LINK_LINUX_SLL2: return cooked(k, SLL2_BYTES, 0);
	case LINK_PPP:
	case LINK_PPP_HDLC: return ppp(k);
	case LINK_PPP_ETHER: return ethertype_decode(k, ETHERTYPE_PPPOE);
	case LINK_CISCO_HDLC: return cisco_hdlc(k);
	case LINK_IEEE80211: return wifi(k, false);
	case LINK_IEEE80211_RADIOTAP: return radiotap(k);
	}
	return C_passed_link_type;
}

enum counter link_decode(struct decode *d, struct packet *p, struct layer *ret,
			 enum ip_version *ret_version)
{
	struct link k = {
		.decode = d,
		.packet = p,
		.layer = { .at = p->frame,
			   .captured_bytes = p->caplen_bytes,
			   .wire_bytes = p->wire_bytes < p->caplen_bytes ? p->caplen_bytes
									 : p->wire_bytes },
	};

	memset(p->key.vlan, 0, sizeof(p->key.vlan));

	enum counter fate = by_link_type(&k);

	if (fate == C_to_flow) {
		*ret = k.layer;
		*ret_version = k.version;
	}
	return fate;
}

/* The ethertype of what a tunnel holds, behind the headers that have none. */
static enum counter inside(struct link *k, uint16_t *ethertype)
{
	switch (*ethertype) {
	case ETHERTYPE_FRAME: return frame_inside(k, ethertype);
	case ETHERTYPE_PPP: return ppp_frame(k, ethertype);
	default: return *ethertype < ETHERTYPE_MIN ? C_passed_not_ip : C_to_flow;
	}
}

enum counter link_inside(struct decode *d, struct packet *p, uint16_t ethertype, struct layer l,
			 struct layer *ret, enum ip_version *ret_version)
{
	struct link k = {
		.decode = d,
		.packet = p,
		.layer = l,
	};

	memset(p->key.vlan, 0, sizeof(p->key.vlan));

	enum counter fate = inside(&k, &ethertype);

	if (fate == C_to_flow)
		fate = ethertype_decode(&k, ethertype);
	if (fate == C_to_flow) {
		*ret = k.layer;
		*ret_version = k.version;
	}
	return fate;
}
