/* decode - headers found, offsets noted. */
#include "dataplane/decode/decode.h"

#include "dataplane/base/compiler.h"
#include "dataplane/base/ensure.h"
#include "dataplane/decode/fragment.h"
#include "dataplane/decode/ip.h"
#include "dataplane/decode/l4.h"
#include "dataplane/decode/link.h"

enum { PREFETCH_AHEAD = 4 };
static_assert(BURST_PACKETS <= 64, "decode_headers() keeps one bit per packet in a word");

int decode_init(struct decode *d, const struct decode_settings *s, struct arena *arena,
		struct counters *counters)
{
	struct fragments *fragments;

	ENSURE(s->workers > 0 && s->worker < s->workers);

	int err = fragments_new(s, arena, counters, &fragments);

	if (err < 0)
		return err;
	*d = (struct decode){
		.settings = *s, .counters = counters, .arena = arena, .fragments = fragments
	};
	return 0;
}

void decode_fini(struct decode *d)
{
	fragments_free(d->fragments);
	d->fragments = NULL;
}

/* Link and IP headers; C_datagrams_completed if a datagram takes the packet's place. */
static enum counter decode_network(struct decode *d, struct packet *p, struct ip_packet *ip)
{
	enum ip_version version;
	struct layer l;

	fragments_clock(d->fragments, p->ts_ns);

	enum counter fate = link_decode(&d->settings, p, &l, &version);

	if (unlikely(fate != C_to_flow))
		return fate;
	return ip_decode(d, p, l, version, ip);
}

static enum counter decode_datagram(struct decode *d, struct packet *p, struct ip_packet *ip)
{
	enum counter fate = ip_resume(d, p, ip);

	return fate == C_to_flow ? l4_decode(&d->settings, p, ip) : fate;
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

/* Every header of one packet; what ends is counted. Returns: does it go on? */
static bool decode_packet(struct decode *d, struct packet *p, bool *ret_is_datagram)
{
	struct ip_packet ip;
	enum counter fate = decode_network(d, p, &ip);

	*ret_is_datagram = fate == C_datagrams_completed;
	if (likely(fate == C_to_flow)) {
		fate = l4_decode(&d->settings, p, &ip);
	} else if (fate == C_datagrams_completed) {
		count_end(d, p, C_fragment_kept, false);
		fate = decode_datagram(d, p, &ip);
	}
	if (likely(fate == C_to_flow))
		return true;
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

		finish_key(d, p);
		if (!decode_owns_flow(&d->settings, &p->key))
			continue;
		count_in(d, p, (datagrams >> i & 1) != 0);
		if (unlikely(kept != i))
			b->packet[kept] = *p;
		kept++;
	}
	b->count = kept;
}

void decode_burst(struct decode *d, struct burst *b)
{
	fragments_release(d->fragments);
	decode_keys(d, b, decode_headers(d, b));
}

enum counter decode_one(struct decode *d, struct packet *p)
{
	struct ip_packet ip;

	fragments_release(d->fragments);

	enum counter fate = decode_network(d, p, &ip);

	if (fate == C_to_flow)
		fate = l4_decode(&d->settings, p, &ip);
	else if (fate == C_datagrams_completed)
		fate = decode_datagram(d, p, &ip);
	if (fate == C_to_flow)
		finish_key(d, p);
	return fate;
}
