/* af_xdp_shunt - one worker's places in the program's table of what nobody wants to see. */
#include "dataplane/rx/af_xdp_shunt.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { IPV4_AT = 12 };

int af_xdp_shunts_init(struct af_xdp_shunts *s, struct steer_shunt *place, uint32_t secret)
{
	*s = (struct af_xdp_shunts){ .place = place, .secret = secret };
	if (place == NULL)
		return 0;
	s->left_ns = calloc(AF_XDP_SHUNTS, sizeof(*s->left_ns));
	return s->left_ns == NULL ? -ENOMEM : 0;
}

void af_xdp_shunts_fini(struct af_xdp_shunts *s)
{
	free(s->left_ns);
	*s = (struct af_xdp_shunts){ 0 };
}

static void address_of(const struct rx_shunt *what, enum side side, __u32 ret[4])
{
	const uint8_t *at = what->key->address[side];

	memset(ret, 0, 4 * sizeof(*ret));
	if (what->key->ip_version == 4)
		memcpy(ret, at + IPV4_AT, sizeof(*ret));
	else
		memcpy(ret, at, 4 * sizeof(*ret));
}

static struct steer_shunt key_of(const struct rx_shunt *what)
{
	enum side from = what->side, to = side_other(from);
	struct steer_shunt k = { .source_port = htons(what->key->port[from]),
				 .destination_port = htons(what->key->port[to]) };

	address_of(what, from, k.source);
	address_of(what, to, k.destination);
	return k;
}

static bool same_key(const struct steer_shunt *a, const struct steer_shunt *b)
{
	return memcmp(a->source, b->source, sizeof(a->source)) == 0 &&
	       memcmp(a->destination, b->destination, sizeof(a->destination)) == 0 &&
	       a->source_port == b->source_port && a->destination_port == b->destination_port;
}

static void take_key(struct steer_shunt *p, const struct steer_shunt *k)
{
	memcpy(p->source, k->source, sizeof(p->source));
	memcpy(p->destination, k->destination, sizeof(p->destination));
	p->source_port = k->source_port;
	p->destination_port = k->destination_port;
}

bool af_xdp_shunts_set(struct af_xdp_shunts *s, const struct rx_shunt *what, uint64_t now_ns)
{
	struct steer_shunt k = key_of(what), *p;
	uint32_t i;

	/* The program looks into no tunnel, and leaves alone what has a tag. */
	if (s->place == NULL || what->key->outer != 0 || what->key->vlan[0] != 0)
		return false;
	i = steer_shunt_place(k.source, k.destination,
			      k.source_port | (uint32_t)k.destination_port << 16, s->secret) %
	    AF_XDP_SHUNTS;
	p = &s->place[i];
	if (!same_key(p, &k)) {
		if (what->first == what->end || p->range != 0 ||
		    (s->left_ns[i] != 0 && now_ns - s->left_ns[i] < AF_XDP_SHUNT_REST_NS))
			return false;
		take_key(p, &k);
	}
	if (what->first == what->end) {
		__atomic_store_n(&p->range, 0, __ATOMIC_RELAXED);
		s->left_ns[i] = now_ns;
		return false;
	}
	/* Pairs with the barrier in the program: who sees the range sees the key. */
	__atomic_store_n(&p->range, what->first | (uint64_t)what->end << 32, __ATOMIC_RELEASE);
	return true;
}
