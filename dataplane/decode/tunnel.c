/* tunnel - what is inside an IP packet that carries another packet. */
#include "dataplane/decode/tunnel.h"

#include <netinet/in.h>

#include "dataplane/base/bytes.h"
#include "dataplane/base/compiler.h"
#include "dataplane/decode/checksum.h"
#include "dataplane/decode/link.h"

enum { PROTOCOL_ETHERIP = 97, PROTOCOL_MPLS = 137 };

/* In place of a ledger line: this is no tunnel. */
#define NO_TUNNEL COUNTER_COUNT

/* What a tunnel's header says. */
struct header {
	enum tunnel_type type;
	bool has_id;
	uint32_t id;
	struct tunnel_inside inside;
};

static uint32_t be24_at(const uint8_t *at)
{
	return be32_at(at) >> 8;
}

static void set_id(struct header *h, uint32_t id)
{
	h->has_id = true;
	h->id = id;
}

/* ---- UDP: whatever is not certain is NO_TUNNEL ---- */

/* What `h` holds must begin as its ethertype has it. */
static enum counter believable(const struct header *h)
{
	return link_is_called(&h->inside.layer, h->inside.ethertype) ? C_to_flow : NO_TUNNEL;
}

/* The same for an IP packet that is all there is, without padding. */
static enum counter believable_ip(struct header *h)
{
	const struct layer *l = &h->inside.layer;
	uint32_t bytes = l->wire_bytes;

	if (l->captured_bytes >= 6)
		bytes = l->at[0] >> 4 == 6 ? be16_at(l->at + 4) + 40u : be16_at(l->at + 2);
	if (l->captured_bytes == 0 || bytes != l->wire_bytes)
		return NO_TUNNEL;
	h->inside.ethertype = l->at[0] >> 4 == 6 ? ETHERTYPE_IPV6 : ETHERTYPE_IPV4;
	return believable(h);
}

/* RFC 7348 5, and the group policy extension, which uses the 24 bits behind the flags. */
static enum counter vxlan(struct header *h)
{
	enum { BYTES = 8, FLAG_ID = 0x08, FLAG_POLICY = 0x80, POLICY_BITS = 0x48 };
	struct layer *l = &h->inside.layer;
	const uint8_t *at = l->at;

	if (l->captured_bytes < BYTES || (at[0] & ~FLAG_POLICY) != FLAG_ID || at[7] != 0)
		return NO_TUNNEL;
	if ((at[0] & FLAG_POLICY) != 0 ? (at[1] & ~POLICY_BITS) != 0 : be24_at(at + 1) != 0)
		return NO_TUNNEL;
	h->type = TUNNEL_vxlan;
	set_id(h, be24_at(at + 4));
	h->inside.ethertype = ETHERTYPE_FRAME;
	layer_advance(l, BYTES);
	return believable(h);
}

/* draft-ietf-nvo3-vxlan-gpe: version 0, no maintenance packet. */
static enum counter vxlan_gpe(struct header *h)
{
	enum { BYTES = 8, FLAG_ID = 0x08, FLAG_NEXT = 0x04, FLAG_REPLICATED = 0x02 };
	static const uint16_t next[] = { 0, ETHERTYPE_IPV4, ETHERTYPE_IPV6, ETHERTYPE_FRAME,
					 0, ETHERTYPE_MPLS };
	struct layer *l = &h->inside.layer;
	const uint8_t *at = l->at;

	if (l->captured_bytes < BYTES || at[7] != 0 || at[1] != 0 || at[2] != 0)
		return NO_TUNNEL;
	if ((at[0] & ~(FLAG_NEXT | FLAG_REPLICATED)) != FLAG_ID || at[3] >= array_count(next))
		return NO_TUNNEL;
	if ((at[0] & FLAG_NEXT) == 0 && at[3] != 0)
		return NO_TUNNEL;
	h->type = TUNNEL_vxlan_gpe;
	set_id(h, be24_at(at + 4));
	h->inside.ethertype = (at[0] & FLAG_NEXT) != 0 ? next[at[3]] : ETHERTYPE_FRAME;
	layer_advance(l, BYTES);
	return believable(h);
}

/* The options must fill their room exactly (RFC 8926 3.5). */
static bool geneve_options(const uint8_t *at, uint32_t bytes)
{
	enum { OPTION_BYTES = 4, LENGTH_MASK = 0x1f };

	while (bytes >= OPTION_BYTES) {
		uint32_t option = OPTION_BYTES + (at[3] & LENGTH_MASK) * 4u;

		if (option > bytes)
			return false;
		at += option;
		bytes -= option;
	}
	return bytes == 0;
}

static enum counter geneve(struct header *h)
{
	enum { BYTES = 8, VERSION_MASK = 0xc0, OPTIONS_MASK = 0x3f, FLAG_CRITICAL = 0x40 };
	struct layer *l = &h->inside.layer;
	const uint8_t *at = l->at;

	/* With the control flag it is no user's packet (RFC 8926 3.4). */
	if (l->captured_bytes < BYTES || (at[0] & VERSION_MASK) != 0 ||
	    (at[1] & ~FLAG_CRITICAL) != 0 || at[7] != 0)
		return NO_TUNNEL;

	uint32_t option_bytes = (at[0] & OPTIONS_MASK) * 4u;

	if (option_bytes > l->captured_bytes - BYTES || !geneve_options(at + BYTES, option_bytes))
		return NO_TUNNEL;
	h->type = TUNNEL_geneve;
	set_id(h, be24_at(at + 4));
	h->inside.ethertype = be16_at(at + 2);
	layer_advance(l, BYTES + option_bytes);
	return believable(h);
}

/* Steps over the extension headers, the first of which is of `type` (TS 29.281 5.2.1). */
static enum counter gtp_extensions(const struct decode *d, struct layer *l, uint8_t type)
{
	for (uint32_t n = 0; type != 0; n++) {
		if (n >= d->settings.extension_headers)
			return C_malformed_too_deep;
		if (l->captured_bytes < 1)
			return NO_TUNNEL;

		uint32_t bytes = l->at[0] * 4u;

		if (bytes == 0 || bytes > l->captured_bytes)
			return NO_TUNNEL;
		type = l->at[bytes - 1];
		layer_advance(l, bytes);
	}
	return C_to_flow;
}

static enum counter gtp(const struct decode *d, struct header *h)
{
	enum {
		BYTES = 8,
		OPTIONAL_BYTES = 4,
		VERSION_MASK = 0xf8, /* version, protocol type, and a bit that is 0 */
		VERSION_1 = 0x30,
		OPTIONAL_MASK = 0x07,
		FLAG_EXTENSION = 0x04,
		G_PDU = 255,
	};
	struct layer *l = &h->inside.layer;
	const uint8_t *at = l->at;
	enum counter fate = C_to_flow;

	if (l->captured_bytes < BYTES || (at[0] & VERSION_MASK) != VERSION_1 || at[1] != G_PDU ||
	    be16_at(at + 2) != l->wire_bytes - BYTES)
		return NO_TUNNEL;
	h->type = TUNNEL_gtp;
	set_id(h, be32_at(at + 4));
	layer_advance(l, BYTES);
	if ((at[0] & OPTIONAL_MASK) != 0) {
		if (l->captured_bytes < OPTIONAL_BYTES)
			return NO_TUNNEL;
		layer_advance(l, OPTIONAL_BYTES);
		if ((at[0] & FLAG_EXTENSION) != 0)
			fate = gtp_extensions(d, l, at[BYTES + OPTIONAL_BYTES - 1]);
	}
	return fate == C_to_flow ? believable_ip(h) : fate;
}

/* The length of an L2TP header with these flags, but for the padding; 0: it is none of data. */
static uint32_t l2tp_bytes(uint16_t flags)
{
	enum { CONTROL = 0x8000, LENGTH = 0x4000, SEQUENCE = 0x0800, OFFSET = 0x0200 };
	enum { RESERVED = 0x34f0, VERSION_MASK = 0x000f, VERSION_2 = 2 };

	if ((flags & (CONTROL | RESERVED)) != 0 || (flags & VERSION_MASK) != VERSION_2)
		return 0;
	return 6u + ((flags & LENGTH) != 0 ? 2u : 0) + ((flags & SEQUENCE) != 0 ? 4u : 0) +
	       ((flags & OFFSET) != 0 ? 2u : 0);
}

/* Is this PPP with an IP packet in it, its protocol field in any of its forms? */
static bool is_ppp_ip(struct layer l)
{
	uint32_t skip = 0;

	if (l.captured_bytes < 5)
		return false;
	if (be16_at(l.at) == 0xff03)
		skip = 2;
	if (l.at[skip] == 0)
		skip++;
	if (l.at[skip] != 0x21 && l.at[skip] != 0x57)
		return false;

	bool four = l.at[skip] == 0x21;

	layer_advance(&l, skip + 1);
	return l.captured_bytes > 0 && link_is_ip(&l) && (l.at[0] >> 4 == 4) == four;
}

static enum counter l2tp(struct header *h)
{
	enum { LENGTH = 0x4000, OFFSET = 0x0200 };
	struct layer *l = &h->inside.layer;
	const uint8_t *at = l->at;
	uint32_t bytes = l->captured_bytes < 2 ? 0 : l2tp_bytes(be16_at(at));

	if (bytes == 0 || l->captured_bytes < bytes)
		return NO_TUNNEL;

	uint16_t flags = be16_at(at);
	uint32_t ids_at = (flags & LENGTH) != 0 ? 4 : 2;

	if ((flags & LENGTH) != 0 && be16_at(at + 2) != l->wire_bytes)
		return NO_TUNNEL;
	if ((flags & OFFSET) != 0)
		bytes += be16_at(at + bytes - 2);
	if (bytes > l->captured_bytes)
		return NO_TUNNEL;
	h->type = TUNNEL_l2tp;
	set_id(h, be32_at(at + ids_at));
	h->inside.ethertype = ETHERTYPE_PPP;
	layer_advance(l, bytes);
	return is_ppp_ip(*l) ? C_to_flow : NO_TUNNEL;
}

/* An authentication and an origin indication may stand in front (RFC 4380 5.1.1). */
static enum counter teredo(struct header *h)
{
	enum { AUTHENTICATION = 1, AUTHENTICATION_BYTES = 13, ORIGIN = 0, ORIGIN_BYTES = 8 };
	struct layer *l = &h->inside.layer;

	if (l->captured_bytes >= AUTHENTICATION_BYTES && be16_at(l->at) == AUTHENTICATION) {
		uint32_t bytes = AUTHENTICATION_BYTES + (uint32_t)l->at[2] + l->at[3];

		if (bytes > l->captured_bytes)
			return NO_TUNNEL;
		layer_advance(l, bytes);
	}
	if (l->captured_bytes >= ORIGIN_BYTES && be16_at(l->at) == ORIGIN)
		layer_advance(l, ORIGIN_BYTES);
	if (l->captured_bytes == 0 || l->at[0] >> 4 != 6)
		return NO_TUNNEL;
	h->type = TUNNEL_teredo;
	return believable_ip(h);
}

static enum counter in_udp(const struct decode *d, const struct packet *p, struct header *h)
{
	uint16_t from = p->key.port[0], to = p->key.port[1];

	h->inside.layer = (struct layer){ .at = p->payload,
					  .captured_bytes = p->payload_captured_bytes,
					  .wire_bytes = p->payload_bytes };
	switch (to) {
	case PORT_GTP_U: return gtp(d, h);
	case PORT_VXLAN:
	case PORT_VXLAN_LINUX: return vxlan(h);
	case PORT_VXLAN_GPE: return vxlan_gpe(h);
	case PORT_GENEVE: return geneve(h);
	default: break;
	}
	if (to == PORT_L2TP || from == PORT_L2TP)
		return l2tp(h);
	if (to == PORT_TEREDO || from == PORT_TEREDO)
		return teredo(h);
	return NO_TUNNEL;
}

/* ---- GRE ---- */

enum gre_flag {
	GRE_CHECKSUM = 0x8000,
	GRE_ROUTING = 0x4000,
	GRE_KEY = 0x2000,
	GRE_SEQUENCE = 0x1000,
	GRE_ACK = 0x0080, /* version 1 */
	GRE_VERSION_MASK = 0x0007,
};

enum gre_payload { GRE_ERSPAN = 0x88be, GRE_ERSPAN_3 = 0x22eb, GRE_WCCP = 0x883e };

/* A mirrored frame that the mirror cut: how long it was nobody says, its own headers do. */
static void cut_by_mirror(struct layer *l)
{
	enum { LONGEST_BYTES = 65535 + 40 };

	if (l->wire_bytes < LONGEST_BYTES)
		l->wire_bytes = LONGEST_BYTES;
}

/* What both versions of the ERSPAN header have in common. */
static void erspan_begin(struct header *h, uint32_t bytes)
{
	enum { SESSION_MASK = 0x03ff, FLAG_CUT = 0x0400 };
	struct layer *l = &h->inside.layer;
	uint16_t word = be16_at(l->at + 2);

	set_id(h, word & SESSION_MASK);
	layer_advance(l, bytes);
	if ((word & FLAG_CUT) != 0)
		cut_by_mirror(l);
}

/* Type I has no header of its own, and unlike type II no sequence number. */
static enum counter erspan(struct header *h, bool sequence)
{
	enum { BYTES = 8, VERSION_II = 1 };
	struct layer *l = &h->inside.layer;

	h->type = TUNNEL_erspan;
	h->has_id = false;
	h->inside.ethertype = ETHERTYPE_FRAME;
	if (!sequence)
		return C_to_flow;
	if (l->captured_bytes < BYTES || l->at[0] >> 4 != VERSION_II)
		return C_malformed_tunnel;
	erspan_begin(h, BYTES);
	return C_to_flow;
}

static enum counter erspan_3(struct header *h)
{
	enum { BYTES = 12, PLATFORM_BYTES = 8, VERSION_III = 2, FLAG_PLATFORM = 1 };
	enum { FRAME_ETHERNET = 0, FRAME_IP = 2 };
	struct layer *l = &h->inside.layer;
	uint32_t bytes = BYTES;

	if (l->captured_bytes < BYTES || l->at[0] >> 4 != VERSION_III)
		return C_malformed_tunnel;

	uint16_t word = be16_at(l->at + 10);
	uint32_t frame = word >> 10 & 0x1f;

	if ((word & FLAG_PLATFORM) != 0)
		bytes += PLATFORM_BYTES;
	if (bytes > l->captured_bytes)
		return C_malformed_tunnel;
	h->type = TUNNEL_erspan;
	erspan_begin(h, bytes);
	if (frame == FRAME_ETHERNET)
		h->inside.ethertype = ETHERTYPE_FRAME;
	else if (frame == FRAME_IP && l->captured_bytes > 0)
		h->inside.ethertype = l->at[0] >> 4 == 6 ? ETHERTYPE_IPV6 : ETHERTYPE_IPV4;
	else
		return C_passed_not_ip;
	return C_to_flow;
}

/* Version 2 of WCCP has a header of four bytes, version 1 none; no field says which. */
static enum counter wccp(struct header *h)
{
	enum { REDIRECT_BYTES = 4 };
	struct layer *l = &h->inside.layer;

	if (l->captured_bytes > REDIRECT_BYTES && l->at[0] >> 4 != 4)
		layer_advance(l, REDIRECT_BYTES);
	h->inside.ethertype = ETHERTYPE_IPV4;
	return C_to_flow;
}

/* NVGRE has a key, nothing else, and none of the subnets that are reserved (RFC 7637 3.2). */
static void nvgre(struct header *h, uint16_t flags)
{
	enum { SUBNET_MIN = 0x001000, FLOW_BITS = 8 };

	if ((flags & (GRE_CHECKSUM | GRE_ROUTING | GRE_SEQUENCE)) != 0 || !h->has_id ||
	    h->id >> FLOW_BITS < SUBNET_MIN)
		return;
	h->type = TUNNEL_nvgre;
	h->id >>= FLOW_BITS;
}

/* Steps over source routes (RFC 1701): an entry without address family and length is the last. */
static bool gre_routes(struct layer *l)
{
	enum { ENTRY_BYTES = 4 };

	while (l->captured_bytes >= ENTRY_BYTES) {
		bool last = be16_at(l->at) == 0 && l->at[3] == 0;
		uint32_t bytes = ENTRY_BYTES + l->at[3];

		if (bytes > l->captured_bytes)
			return false;
		layer_advance(l, bytes);
		if (last)
			return true;
	}
	return false;
}

static enum counter gre_payload(struct header *h, uint16_t flags, uint16_t type)
{
	h->inside.ethertype = type;
	switch (type) {
	case GRE_ERSPAN: return erspan(h, (flags & GRE_SEQUENCE) != 0);
	case GRE_ERSPAN_3: return erspan_3(h);
	case GRE_WCCP: return wccp(h);
	case ETHERTYPE_FRAME: nvgre(h, flags); return C_to_flow;
	default: return C_to_flow;
	}
}

/* The checksum is over all of it, the header included. */
static bool gre_checksum_wrong(const struct decode *d, const struct layer *l, uint16_t flags)
{
	return d->settings.checksum && (flags & GRE_CHECKSUM) != 0 &&
	       l->captured_bytes == l->wire_bytes &&
	       checksum_finish(checksum_add(0, l->at, l->captured_bytes)) != 0;
}

static enum counter gre_0(const struct decode *d, struct header *h, uint16_t flags)
{
	struct layer *l = &h->inside.layer;
	const uint8_t *at = l->at;
	uint32_t bytes = 4;

	if ((flags & (GRE_CHECKSUM | GRE_ROUTING)) != 0)
		bytes += 4;

	uint32_t key_at = bytes;

	if ((flags & GRE_KEY) != 0)
		bytes += 4;
	if ((flags & GRE_SEQUENCE) != 0)
		bytes += 4;
	if (l->captured_bytes < bytes || gre_checksum_wrong(d, l, flags))
		return C_malformed_tunnel;
	h->type = TUNNEL_gre;
	if ((flags & GRE_KEY) != 0)
		set_id(h, be32_at(at + key_at));
	layer_advance(l, bytes);
	if ((flags & GRE_ROUTING) != 0 && !gre_routes(l))
		return C_malformed_tunnel;
	return gre_payload(h, flags, be16_at(at + 2));
}

/* PPTP (RFC 2637 4.1): the key is the payload's length and the call. */
static enum counter gre_1(struct header *h, uint16_t flags)
{
	struct layer *l = &h->inside.layer;
	const uint8_t *at = l->at;
	uint32_t bytes = 8;

	if ((flags & GRE_SEQUENCE) != 0)
		bytes += 4;
	if ((flags & GRE_ACK) != 0)
		bytes += 4;
	if ((flags & GRE_KEY) == 0 || l->captured_bytes < bytes || be16_at(at + 2) != ETHERTYPE_PPP)
		return C_malformed_tunnel;
	h->type = TUNNEL_pptp;
	set_id(h, be16_at(at + 6));
	h->inside.ethertype = ETHERTYPE_PPP;
	layer_advance(l, bytes);
	layer_limit(l, be16_at(at + 4));
	return l->wire_bytes == 0 ? C_passed_not_ip : C_to_flow; /* an acknowledgement alone */
}

static enum counter gre(const struct decode *d, struct header *h)
{
	const struct layer *l = &h->inside.layer;

	if (l->captured_bytes < 4)
		return C_malformed_tunnel;

	uint16_t flags = be16_at(l->at);

	switch (flags & GRE_VERSION_MASK) {
	case 0: return gre_0(d, h, flags);
	case 1: return gre_1(h, flags);
	default: return C_malformed_tunnel;
	}
}

/* ---- IP protocols ---- */

static enum counter etherip(struct header *h)
{
	enum { BYTES = 2, VERSION_3 = 0x3000 };
	struct layer *l = &h->inside.layer;

	if (l->captured_bytes < BYTES || be16_at(l->at) != VERSION_3)
		return C_malformed_tunnel;
	h->type = TUNNEL_etherip;
	h->inside.ethertype = ETHERTYPE_FRAME;
	layer_advance(l, BYTES);
	return C_to_flow;
}

static enum counter ip_inside(struct header *h, enum tunnel_type type, uint16_t ethertype)
{
	h->type = type;
	h->inside.ethertype = ethertype;
	return C_to_flow;
}

static enum counter in_ip(const struct decode *d, const struct packet *p,
			  const struct ip_packet *ip, struct header *h)
{
	bool over4 = p->key.ip_version == 4;

	h->inside.layer = ip->payload;
	switch (ip->protocol) {
	case IPPROTO_IPIP: return ip_inside(h, over4 ? TUNNEL_ipip : TUNNEL_ip4in6, ETHERTYPE_IPV4);
	case IPPROTO_IPV6:
		return ip_inside(h, over4 ? TUNNEL_ip6in4 : TUNNEL_ip6in6, ETHERTYPE_IPV6);
	case IPPROTO_GRE: return gre(d, h);
	case PROTOCOL_ETHERIP: return etherip(h);
	/* The labels name themselves; there is no tunnel but theirs. */
	case PROTOCOL_MPLS: return ip_inside(h, TUNNEL_mpls, ETHERTYPE_MPLS);
	default: return NO_TUNNEL;
	}
}

static void note(struct decode *d, struct packet *p, const struct header *h)
{
	struct record_tunnel *t = decode_around(d, p, h->type);

	t->ip_version = p->key.ip_version;
	t->id = h->id;
	t->has_id = h->has_id;
	memcpy(t->src, p->key.address[0], sizeof(t->src));
	memcpy(t->dst, p->key.address[1], sizeof(t->dst));
	memcpy(t->vlan, p->key.vlan, sizeof(t->vlan));
}

bool tunnel_open(struct decode *d, struct packet *p, const struct ip_packet *ip,
		 struct tunnel_inside *ret, enum counter *fate)
{
	struct header h = { .has_id = false };
	enum counter found = *fate == C_to_flow ? in_udp(d, p, &h) : in_ip(d, p, ip, &h);

	if (found == NO_TUNNEL)
		return false;
	if (found == C_to_flow && !decode_deeper(d))
		found = C_malformed_too_deep;
	if (found != C_to_flow) {
		*fate = found;
		return false;
	}
	note(d, p, &h);
	*ret = h.inside;
	return true;
}
