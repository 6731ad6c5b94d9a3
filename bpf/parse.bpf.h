/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* parse - walking the headers of a frame, in a way that the verifier accepts. The only such code in
 * bpf/.
 *
 *     Ethernet -> up to 4 VLAN tags -> IPv4 or IPv6 with up to 6 extension headers -> ports of TCP,
 * UDP
 *
 * It stops at the first header that it does not know: what lies in a tunnel is not looked for.
 */
#ifndef BPF_PARSE_BPF_H
#define BPF_PARSE_BPF_H

#include <bpf/bpf_endian.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

enum { PARSE_TAGS = 4, PARSE_EXTENSIONS = 6, PARSE_FRAGMENT_BITS = 0x3fff };

/* What a frame says of its flow. */
struct parsed {
	__u32 words; /* of each address: 1, 4, or 2 for those of Ethernet where there is no IP; the
			rest is 0 */
	__u32 source[4], destination[4];
	__u16 source_port, destination_port; /* as they lie there; 0: of a fragment, or none */
	__u8 tagged;                         /* with VLANs */
	__u8 protocol;                       /* that the ports are of; 0: there are none */
	void *l4;                            /* the header of that protocol */
	__u32 l4_bytes;                      /* by the IP header, from there on */
};

struct parse_tag {
	__be16 id, type;
};

static __always_inline int is_tag(__be16 type)
{
	return type == bpf_htons(ETH_P_8021Q) || type == bpf_htons(ETH_P_8021AD) ||
	       type == bpf_htons(0x9100);
}

/* Returns what is behind the tags, and its type. */
static __always_inline void *parse_tags(void *at, void *end, __be16 *type)
{
	for (int i = 0; i < PARSE_TAGS && is_tag(*type); i++) {
		struct parse_tag *t = at;

		if ((void *)(t + 1) > end)
			break;
		*type = t->type;
		at = t + 1;
	}
	return at;
}

static __always_inline void parse_ports(void *at, void *end, __u8 protocol, __u32 bytes,
					struct parsed *ret)
{
	__u16 *port = at;

	if (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP)
		return;
	if ((void *)(port + 2) > end)
		return;
	ret->source_port = port[0];
	ret->destination_port = port[1];
	ret->protocol = protocol;
	ret->l4 = at;
	ret->l4_bytes = bytes;
}

static __always_inline void parse_ipv4(void *at, void *end, struct parsed *ret)
{
	struct iphdr *ip = at;
	__u32 head, total;

	if ((void *)(ip + 1) > end)
		return;
	ret->words = 1;
	ret->source[0] = ip->saddr;
	ret->destination[0] = ip->daddr;
	head = ip->ihl * 4;
	total = bpf_ntohs(ip->tot_len);
	if (head < sizeof(*ip) || total < head ||
	    (ip->frag_off & bpf_htons(PARSE_FRAGMENT_BITS)) != 0)
		return;
	parse_ports(at + head, end, ip->protocol, total - head, ret);
}

static __always_inline void parse_ipv6(void *at, void *end, struct parsed *ret)
{
	struct ipv6hdr *ip = at;
	__u32 bytes;
	__u8 next;

	if ((void *)(ip + 1) > end)
		return;
	ret->words = 4;
	__builtin_memcpy(ret->source, &ip->saddr, sizeof(ret->source));
	__builtin_memcpy(ret->destination, &ip->daddr, sizeof(ret->destination));
	next = ip->nexthdr;
	bytes = bpf_ntohs(ip->payload_len);
	at = ip + 1;
	for (int i = 0; i < PARSE_EXTENSIONS; i++) {
		__u8 *head = at;
		__u32 length;

		if (next != IPPROTO_HOPOPTS && next != IPPROTO_ROUTING && next != IPPROTO_DSTOPTS)
			break;
		if ((void *)(head + 2) > end)
			return;
		next = head[0];
		length = (head[1] + 1) * 8;
		if (length > bytes)
			return;
		bytes -= length;
		at = head + length;
	}
	parse_ports(at, end, next, bytes, ret);
}

static __always_inline void parse(void *at, void *end, struct parsed *ret)
{
	struct ethhdr *e = at;
	__be16 type;

	__builtin_memset(ret, 0, sizeof(*ret));
	if ((void *)(e + 1) > end)
		return;
	type = e->h_proto;
	at = parse_tags(e + 1, end, &type);
	ret->tagged = at != (void *)(e + 1);
	if (type == bpf_htons(ETH_P_IP))
		parse_ipv4(at, end, ret);
	else if (type == bpf_htons(ETH_P_IPV6))
		parse_ipv6(at, end, ret);
	if (ret->words != 0)
		return;
	ret->words = 2;
	__builtin_memcpy(ret->source, e->h_source, ETH_ALEN);
	__builtin_memcpy(ret->destination, e->h_dest, ETH_ALEN);
}

#endif
