/* decode - headers found, offsets noted. */
#include "dataplane/decode/decode.h"

#include <errno.h>
#include <netinet/in.h>

#include "dataplane/base/ballast.h"
#include "dataplane/base/compiler.h"
#include "dataplane/base/ensure.h"
#include "dataplane/decode/dedup.h"
#include "dataplane/decode/fragment.h"
#include "dataplane/decode/ip.h"
#include "dataplane/decode/l4.h"
#include "dataplane/decode/link.h"
#include "dataplane/decode/tunnel.h"

enum { PREFETCH_AHEAD = 4 };
static_assert(BURST_PACKETS <= 64, "decode_headers() keeps one bit per packet in a word");

/* Room for as many tunnels as there may be headers around a packet. */
static uint32_t path_room(const struct decode_settings *s)
{
	return (uint32_t)(sizeof(struct path) + s->encapsulations * sizeof(struct record_tunnel));
}

int decode_init(struct decode *d, const struct decode_settings *s, struct arena *arena,
		struct counters *counters)
{
	int err;

	ENSURE(s->workers > 0 && s->worker < s->workers);
	ENSURE(s->encapsulations <= RECORD_TUNNELS_MAX);
	*d = (struct decode){
		.settings = *s, .counters = counters, .arena = arena, .path_room = path_room(s)
	};
	err = fragments_new(s, arena, counters, &d->fragments);
	if (err == 0 && s->dedup_ns != 0)
		err = dedup_new(s, arena, counters, &d->dedup);
	if (err == 0) {
		d->paths = arena_take(arena, (size_t)d->path_room * BURST_PACKETS);
		err = d->paths == NULL ? -ENOMEM : 0;
	}
	if (err < 0)
		decode_fini(d);
	return err;
}

void decode_fini(struct decode *d)
{
	if (d->paths != NULL)
		arena_give(d->arena, d->paths, (size_t)d->path_room * BURST_PACKETS);
	d->paths = NULL;
	dedup_free(d->dedup, d->arena);
	d->dedup = NULL;
	fragments_free(d->fragments);
	d->fragments = NULL;
}

/* ---- paths ---- */

/* The packet's path, empty at first. */
static struct path *path_of(struct decode *d, struct packet *p)
{
	struct path *path = (void *)(d->paths + (size_t)d->path * d->path_room);

	if (p->path == NULL) {
		*path = (struct path){ .count = 0 };
		p->path = path;
	}
	return path;
}

struct record_tunnel *decode_around(struct decode *d, struct packet *p, enum tunnel_type type)
{
	struct path *path = path_of(d, p);
	struct record_tunnel *t = &path->tunnel[path->count++];

	*t = (struct record_tunnel){ .type = (uint8_t)type };
	return t;
}

/* The key takes of what is around what it may, and the path keeps the rest. */
static __attribute__((noinline)) void finish_path(struct decode *d, struct packet *p)
{
	static const uint16_t none[VLAN_DEPTH];
	struct path *path;

	if (p->path == NULL && memcmp(p->key.vlan, none, sizeof(none)) == 0)
		return;
	path = path_of(d, p);
	memcpy(path->vlan, p->key.vlan, sizeof(path->vlan));
	if (d->settings.key_without_vlan)
		memset(p->key.vlan, 0, sizeof(p->key.vlan));
	if (!d->settings.key_without_tunnels)
		p->key.outer = path_outer(path, d->settings.hash_key);
	d->path++;
}

/* ---- headers ---- */

/* Link and IP headers; C_datagrams_completed if a datagram takes the packet's place. */
static enum counter decode_network(struct decode *d, struct packet *p, struct ip_packet *ip)
{
	enum ip_version version;
	struct layer l;

	fragments_clock(d->fragments, p->ts_ns);
	d->depth = 0;
	p->path = NULL;

	enum counter fate = link_decode(d, p, &l, &version);

	if (unlikely(fate != C_to_flow))
		return fate;
	return ip_decode(d, p, l, version, ip);
}

/* From an IP packet that is not TCP through all tunnels to one that is none; returns as
 * decode_network() does. Not inline: most packets never come here. */
static __attribute__((noinline)) enum counter decode_inside(struct decode *d, struct packet *p,
							    struct ip_packet *ip)
{
	for (;;) {
		struct tunnel_inside inside;
		enum ip_version version;
		struct layer l;
		enum counter fate = l4_decode(&d->settings, p, ip);

		if (ip->protocol == IPPROTO_TCP ||
		    (fate != C_to_flow && fate != C_passed_ip_protocol))
			return fate;
		if (!tunnel_open(d, p, ip, &inside, &fate))
			return fate;
		fate = link_inside(d, p, inside.ethertype, inside.layer, &l, &version);
		if (fate == C_to_flow)
			fate = ip_decode(d, p, l, version, ip);
		if (fate != C_to_flow)
			return fate;
	}
}

static enum counter decode_transport(struct decode *d, struct packet *p, struct ip_packet *ip)
{
	if (likely(ip->protocol == IPPROTO_TCP))
		return l4_decode(&d->settings, p, ip);
	return decode_inside(d, p, ip);
}

static void finish_key(struct decode *d, struct packet *p)
{
	p->side = (uint8_t)flow_key_order(&p->key);
	p->hash = flow_key_hash(&p->key, d->settings.hash_key);
}

static void count_in(struct decode *d, const struct packet *p, bool is_datagram)
{
	if (unlikely(is_datagram)) {
		count(d->counters, datagrams_completed);
		return;
	}
	if (unlikely(p->handed)) /* and counted so */
		return;
	count(d->counters, received);
	count_by(d->counters, received_bytes, p->caplen_bytes);
	if (p->caplen_bytes < p->wire_bytes)
		count(d->counters, packets_cut);
}

static void count_end(struct decode *d, const struct packet *p, enum counter fate, bool is_datagram)
{
	if (!decode_owns(&d->settings, p->number))
		return;
	count_in(d, p, is_datagram);
	d->counters->value[fate]++;
}

/* The datagram that the packet completed takes its place, and what was read of it before ends as a
 * fragment. Several times, where tunnels are in fragments that are in tunnels. */
static __attribute__((noinline)) enum counter
decode_datagrams(struct decode *d, struct packet *p, struct ip_packet *ip, bool *is_datagram)
{
	enum counter fate;

	do {
		count_end(d, p, C_fragment_kept, *is_datagram);
		*is_datagram = p->datagram = true;
		fate = ip_resume(d, p, ip);
		if (fate == C_to_flow)
			fate = decode_transport(d, p, ip);
	} while (fate == C_datagrams_completed);
	return fate;
}

/* Whose it is. Returns: does it go on here? */
static bool finish_home(struct decode *d, struct packet *p)
{
	const struct decode_home *home = &d->settings.home;
	bool plain = !p->datagram && (p->path == NULL || p->path->count == 0);

	if (unlikely(home->workers != 0)) {
		p->home = (uint8_t)home->worker;
		if (!home->stays || !plain)
			p->home = (uint8_t)(flow_key_spread(&p->key, d->settings.spread) %
					    home->workers);
		if (home->keeps)
			return true;
	} else if (!decode_owns_flow(&d->settings, &p->key)) {
		return false;
	}
	count_in(d, p, p->datagram);
	return true;
}

/* Every header of one packet; what ends is counted. Returns: does it go on? */
static bool decode_packet(struct decode *d, struct packet *p, bool *ret_is_datagram)
{
	struct ip_packet ip;
	enum counter fate = decode_network(d, p, &ip);

	*ret_is_datagram = false;
	if (likely(fate == C_to_flow))
		fate = decode_transport(d, p, &ip);
	if (unlikely(fate == C_datagrams_completed))
		fate = decode_datagrams(d, p, &ip, ret_is_datagram);
	if (unlikely(p->raw))
		return true;
	if (likely(fate == C_to_flow)) {
		if (unlikely(p->path != NULL || d->settings.key_without_vlan))
			finish_path(d, p);
		return true;
	}
	count_end(d, p, fate, *ret_is_datagram);
	return false;
}

/* Frames at random places: 59 ns per packet without, 58 with the first line only, 49 with both. */
static void prefetch_headers(const struct packet *p)
{
	__builtin_prefetch(p->frame);
	__builtin_prefetch(p->frame + CACHE_LINE_BYTES);
}

/* Takes out of the burst what ends here. Returns: bit i is set if packet i is a datagram that was
 * put together. */
static uint64_t decode_headers(struct decode *d, struct burst *b)
{
	uint64_t datagrams = 0;
	uint32_t kept = 0;

	for (uint32_t i = 0; i < b->count; i++) {
		struct packet *p = &b->packet[i];
		bool is_datagram;

		if (i + PREFETCH_AHEAD < b->count)
			prefetch_headers(&p[PREFETCH_AHEAD]);
		if (unlikely(!decode_packet(d, p, &is_datagram)))
			continue;
		if (unlikely(kept != i))
			b->packet[kept] = *p;
		datagrams |= (uint64_t)is_datagram << kept++;
	}
	b->count = kept;
	return datagrams;
}

/* Takes out of the burst what belongs to other workers' flows. A loop of its own, because a key
 * hashed right behind the small stores that filled it waits for them: 50 instead of 42 ns per
 * packet. */
static void decode_keys(struct decode *d, struct burst *b, uint64_t datagrams)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < b->count; i++) {
		struct packet *p = &b->packet[i];

		if (unlikely(p->raw)) {
			count_in(d, p, false);
		} else {
			finish_key(d, p);
			p->datagram = (datagrams >> i & 1) != 0;
			if (!finish_home(d, p))
				continue;
		}
		if (unlikely(kept != i))
			b->packet[kept] = *p;
		kept++;
	}
	b->count = kept;
}

void decode_burst(struct decode *d, struct burst *b)
{
	BALLAST(decode, b->count);
	fragments_release(d->fragments);
	d->path = 0;
	decode_keys(d, b, decode_headers(d, b));
	if (d->settings.home.workers == 0)
		decode_copies(d, b);
}

void decode_copies(struct decode *d, struct burst *b)
{
	if (unlikely(d->dedup != NULL))
		dedup_burst(d->dedup, b);
}

enum counter decode_one(struct decode *d, struct packet *p)
{
	struct ip_packet ip;

	fragments_release(d->fragments);
	d->path = 0;

	enum counter fate = decode_network(d, p, &ip);

	if (fate == C_to_flow)
		fate = decode_transport(d, p, &ip);
	while (fate == C_datagrams_completed) {
		fate = ip_resume(d, p, &ip);
		if (fate == C_to_flow)
			fate = decode_transport(d, p, &ip);
	}
	if (fate != C_to_flow)
		return fate;
	if (p->path != NULL || d->settings.key_without_vlan)
		finish_path(d, p);
	finish_key(d, p);
	return fate;
}
