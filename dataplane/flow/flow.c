/* flow - the table. See flow.h for its shape and the life of a flow. */
#include "dataplane/flow/flow.h"

#include <errno.h>
#include <stddef.h>

#include "dataplane/base/ballast.h"
#include "dataplane/base/ensure.h"
#include "dataplane/base/map.h"

/* Seven slots and a link fill a line: 7 * 2 + 7 * 4 + 4 = 46 bytes, rounded up to 64. */
enum {
	BUCKET_SLOTS = 7,
	PREFETCH_FLOWS = 2048, /* fewer are in the second cache anyway */
};

struct flow_bucket {
	_Alignas(CACHE_LINE_BYTES) uint16_t tag[BUCKET_SLOTS]; /* 0: the slot is free */
	uint16_t unused;
	uint32_t index[BUCKET_SLOTS];
	uint32_t more; /* index of an overflow bucket; 0: none (bucket 0 is nobody's overflow) */
};
static_assert(sizeof(struct flow_bucket) == CACHE_LINE_BYTES, "a bucket is one cache line");

/* Buckets for the hash, and as many again for overflow: even if every flow hashed to one
 * bucket the chain would find room. */
static uint32_t bucket_count(uint32_t flows)
{
	uint32_t n = 4;

	while (n < flows / 4)
		n *= 2;
	return n;
}

static uint32_t overflow_count(uint32_t flows)
{
	return flows / BUCKET_SLOTS + 2;
}

static size_t bucket_bytes(uint32_t flows)
{
	return ((size_t)bucket_count(flows) + overflow_count(flows)) * sizeof(struct flow_bucket);
}

static size_t flow_bytes(uint32_t flows)
{
	return (size_t)flows * sizeof(struct flow);
}

static size_t wait_bytes(uint32_t flows)
{
	return (size_t)flows * 2 * sizeof(struct flow_wait);
}

static size_t paths_bytes(uint32_t flows)
{
	return (size_t)flows * sizeof(struct flow_paths);
}

int flow_init(struct flow_table *t, const struct flow_settings *s, struct counters *counters,
	      struct pipeline_clock *clock, flow_close_fn *close, void *close_context)
{
	if (s->flows == 0 || s->half_open == 0 || s->workers == 0)
		return -EINVAL;
	*t = (struct flow_table){
		.bucket_mask = bucket_count(s->flows) - 1,
		.counters = counters,
		.clock = clock,
		.settings = *s,
		.free_first = FLOW_NONE,
		.overflow_count = overflow_count(s->flows),
		.close = close,
		.close_context = close_context,
	};
	for (int c = 0; c < FLOW_CLASSES; c++)
		t->age[c].first = t->age[c].last = FLOW_NONE;
	t->flow = map_zeroed(flow_bytes(s->flows), true);
	t->bucket = map_zeroed(bucket_bytes(s->flows), true);
	t->wait = map_zeroed(wait_bytes(s->flows), false);
	t->path = map_zeroed(paths_bytes(s->flows), false);
	if (t->flow == NULL || t->bucket == NULL || t->wait == NULL || t->path == NULL ||
	    paths_init(&t->paths, s->paths, s->hash_key, s->arena, counters) < 0) {
		flow_fini(t);
		return -ENOMEM;
	}
	return 0;
}

void flow_fini(struct flow_table *t)
{
	map_free(t->flow, flow_bytes(t->settings.flows));
	map_free(t->bucket, bucket_bytes(t->settings.flows));
	map_free(t->wait, wait_bytes(t->settings.flows));
	map_free(t->path, paths_bytes(t->settings.flows));
	paths_fini(&t->paths);
	*t = (struct flow_table){ 0 };
}

uint64_t flow_conn_id(const struct flow *f)
{
	/* Not secret, but fixed: the same connection has the same id in every run of `read`. */
	static const struct hash_key fixed = { UINT64_C(0x9f3c51d2a07be644),
					       UINT64_C(0x3c6ef372fe94f82b) };
	uint64_t word[8];

	memcpy(word, &f->key, sizeof(f->key));
	word[6] = f->first_ts_ns;
	word[7] = f->generation;
	return hash_words(fixed, word, 8);
}

/* ---- buckets ---- */

static uint16_t tag_of(uint64_t hash)
{
	/* The low bits chose the bucket; 0 means free. */
	return (uint16_t)(hash >> 48 | 1);
}

static struct flow *bucket_find(const struct flow_table *t, uint64_t hash,
				const struct flow_key *key)
{
	const struct flow_bucket *b = &t->bucket[hash & t->bucket_mask];
	uint16_t tag = tag_of(hash);

	for (;;) {
		for (int i = 0; i < BUCKET_SLOTS; i++) {
			if (b->tag[i] != tag)
				continue;
			struct flow *f = &t->flow[b->index[i]];

			if (likely(flow_key_equal(&f->key, key)))
				return f;
		}
		if (likely(b->more == 0))
			return NULL;
		b = &t->bucket[b->more];
	}
}

static uint32_t overflow_take(struct flow_table *t)
{
	uint32_t at = t->overflow_free;

	if (at != 0) {
		t->overflow_free = t->bucket[at].more;
	} else {
		ENSURE(t->overflow_never_used < t->overflow_count);
		at = t->bucket_mask + 1 + t->overflow_never_used++;
	}
	t->bucket[at] = (struct flow_bucket){ 0 };
	return at;
}

static void bucket_insert(struct flow_table *t, uint64_t hash, uint32_t index)
{
	struct flow_bucket *b = &t->bucket[hash & t->bucket_mask];

	for (;;) {
		for (int i = 0; i < BUCKET_SLOTS; i++) {
			if (b->tag[i] == 0) {
				b->tag[i] = tag_of(hash);
				b->index[i] = index;
				return;
			}
		}
		if (b->more == 0) {
			uint32_t more = overflow_take(t);

			b->more = more;
		}
		b = &t->bucket[b->more];
	}
}

/* The last entry of the chain fills the hole, so that chains stay dense and an emptied overflow
 * bucket can go back: without that a flood would leave its chains behind for good. */
static void bucket_remove(struct flow_table *t, uint64_t hash, uint32_t index)
{
	struct flow_bucket *b = &t->bucket[hash & t->bucket_mask];
	struct flow_bucket *hole = NULL, *before = NULL;
	int hole_slot = 0, last;

	for (;; before = b, b = &t->bucket[b->more]) {
		for (int i = 0; hole == NULL && i < BUCKET_SLOTS; i++) {
			if (b->tag[i] != 0 && b->index[i] == index) {
				hole = b;
				hole_slot = i;
			}
		}
		if (b->more == 0)
			break;
	}
	ENSURE(hole != NULL);
	last = BUCKET_SLOTS - 1;
	while (b->tag[last] == 0)
		last--;
	hole->tag[hole_slot] = b->tag[last];
	hole->index[hole_slot] = b->index[last];
	b->tag[last] = 0;
	if (last == 0 && before != NULL) {
		uint32_t at = before->more;

		before->more = 0;
		t->bucket[at].more = t->overflow_free;
		t->overflow_free = at;
	}
}

/* ---- aging ---- */

/* A packet moves its flow to the end of the list only when it was put there longer ago than this
 * part of the time-out, so that the packet's path touches no neighbour. Flows end that much late.
 */
static uint64_t slack(const struct flow_table *t, enum flow_class class)
{
	return t->settings.timeout_ns[class] / 64;
}

static void age_push(struct flow_table *t, struct flow *f, uint64_t now_ns)
{
	uint32_t last = t->age[f->class].last;

	f->listed_ns = now_ns;
	f->age_prev = last;
	f->age_next = FLOW_NONE;
	if (last == FLOW_NONE)
		t->age[f->class].first = f->index;
	else
		t->flow[last].age_next = f->index;
	t->age[f->class].last = f->index;
	t->age[f->class].count++;
}

static void age_remove(struct flow_table *t, struct flow *f)
{
	if (f->age_prev == FLOW_NONE)
		t->age[f->class].first = f->age_next;
	else
		t->flow[f->age_prev].age_next = f->age_next;
	if (f->age_next == FLOW_NONE)
		t->age[f->class].last = f->age_prev;
	else
		t->flow[f->age_next].age_prev = f->age_prev;
	t->age[f->class].count--;
}

void flow_classify(struct flow_table *t, struct flow *f, enum flow_class class)
{
	if (f->class == class)
		return;
	age_remove(t, f);
	f->class = (uint8_t) class;
	age_push(t, f, t->clock->now_ns);
}

static void age_touch(struct flow_table *t, struct flow *f, uint64_t now_ns)
{
	f->seen_ns = now_ns;
	if (unlikely(now_ns - f->listed_ns > slack(t, f->class))) {
		age_remove(t, f);
		age_push(t, f, now_ns);
	}
}

/* The flow of a class idle longest, if that is at least `idle_ns`. */
static struct flow *age_oldest(const struct flow_table *t, enum flow_class class, uint64_t idle_ns)
{
	uint32_t first = t->age[class].first;
	struct flow *f = first == FLOW_NONE ? NULL : &t->flow[first];

	return f != NULL && f->seen_ns + idle_ns <= t->clock->now_ns ? f : NULL;
}

/* ---- the ways through tunnels ---- */

/* The first packet of a side names its path, and each SYN anew: a handover changes the tunnel under
 * a connection, but a connection that begins again on old ports may come another way. */
static void note_path(struct flow_table *t, struct flow *f, const struct packet *p)
{
	const struct path **at = &t->path[f->index].side[p->side];
	bool known = (f->paths >> p->side & 1) != 0;
	const struct path *path;

	if (known && (p->tcp_flags & TCP_SYN) == 0)
		return;
	path = paths_take(&t->paths, p->path);
	if (path == NULL)
		return;
	if (known)
		paths_give(&t->paths, *at);
	*at = path;
	f->paths |= (uint8_t)(1u << p->side);
}

static void forget_paths(struct flow_table *t, const struct flow *f)
{
	for (unsigned side = 0; side < 2; side++)
		if ((f->paths >> side & 1) != 0)
			paths_give(&t->paths, t->path[f->index].side[side]);
}

/* ---- making and freeing ---- */

static void flow_free(struct flow_table *t, struct flow *f)
{
	ENSURE(f->sink == NULL);
	if (unlikely(f->paths != 0))
		forget_paths(t, f);
	age_remove(t, f);
	bucket_remove(t, f->hash, f->index);
	f->age_next = t->free_first;
	t->free_first = f->index;
	t->count--;
}

static bool burst_uses(const struct burst *b, uint32_t upto, const struct flow *f)
{
	for (uint32_t i = 0; i < upto; i++)
		if (b->packet[i].flow == f)
			return true;
	return false;
}

/* Which flow has to make room, or NULL. Half-open ones go first: a flood of SYNs must not cost
 * a connection that carries data. */
static struct flow *evictable(struct flow_table *t)
{
	struct flow *f = age_oldest(t, FLOW_HALF_OPEN, 0);

	if (f == NULL)
		f = age_oldest(t, FLOW_CLOSING, 0);
	if (f == NULL)
		f = age_oldest(t, FLOW_UDP, FLOW_EVICT_IDLE_NS);
	if (f == NULL)
		f = age_oldest(t, FLOW_LIVE, FLOW_EVICT_IDLE_NS);
	return f;
}

static bool evict(struct flow_table *t, struct flow *f, const struct burst *b, uint32_t upto)
{
	/* A packet earlier in this burst may point at it: then nothing can be freed now. */
	if (f == NULL || burst_uses(b, upto, f))
		return false;
	t->close(t->close_context, f, WHY_evicted);
	count(t->counters, flows_evicted);
	flow_free(t, f);
	return true;
}

static uint32_t index_take(struct flow_table *t)
{
	uint32_t index = t->free_first;

	if (index != FLOW_NONE)
		t->free_first = t->flow[index].age_next;
	else if (t->never_used < t->settings.flows)
		index = t->never_used++;
	return index;
}

static struct flow *flow_make(struct flow_table *t, const struct packet *p, const struct burst *b,
			      uint32_t upto)
{
	bool tcp = p->key.protocol == 6;
	struct flow *f;
	uint32_t index;

	if (tcp && t->age[FLOW_HALF_OPEN].count >= t->settings.half_open &&
	    !evict(t, age_oldest(t, FLOW_HALF_OPEN, 0), b, upto))
		return NULL;
	index = index_take(t);
	if (index == FLOW_NONE && evict(t, evictable(t), b, upto))
		index = index_take(t);
	if (index == FLOW_NONE)
		return NULL;
	f = &t->flow[index];
	*f = (struct flow){
		.key = p->key,
		.hash = p->hash,
		.class = tcp ? FLOW_HALF_OPEN : FLOW_UDP,
		.client = SIDE_UNKNOWN,
		.index = index,
		.iface = p->iface,
		.first_ts_ns = p->ts_ns,
		.seen_ns = p->now_ns,
	};
	age_push(t, f, p->now_ns);
	bucket_insert(t, p->hash, index);
	t->count++;
	count(t->counters, flows_made);
	return f;
}

/* ---- the stage ---- */

static void prefetch_flow(const struct flow *f)
{
	__builtin_prefetch(&f->key);
	__builtin_prefetch(&f->direction[0]);
	__builtin_prefetch(&f->direction[1]);
	__builtin_prefetch(&f->class);
}

/* The flow that the packet's tag promises, if it is in the first bucket: nearly always the one.
 * Without a branch that looks at the key, so that the misses of a whole burst overlap. */
static void prefetch_found(const struct flow_table *t, const struct packet *p)
{
	const struct flow_bucket *b = &t->bucket[p->hash & t->bucket_mask];
	uint16_t tag = tag_of(p->hash);

	for (int i = 0; i < BUCKET_SLOTS; i++)
		if (b->tag[i] == tag)
			prefetch_flow(&t->flow[b->index[i]]);
}

static void prefetch_burst(const struct flow_table *t, const struct burst *b)
{
	for (uint32_t i = 0; i < b->count; i++)
		__builtin_prefetch(&t->bucket[b->packet[i].hash & t->bucket_mask]);
	if (t->count < PREFETCH_FLOWS)
		return;
	for (uint32_t i = 0; i < b->count; i++)
		prefetch_found(t, &b->packet[i]);
}

void flow_burst(struct flow_table *t, struct burst *b)
{
	uint32_t kept = 0;

	BALLAST(flow, b->count);
	prefetch_burst(t, b);
	for (uint32_t i = 0; i < b->count; i++) {
		struct packet *p = &b->packet[i];
		struct flow *f = bucket_find(t, p->hash, &p->key);

		if (unlikely(f == NULL))
			f = flow_make(t, p, b, kept);
		if (unlikely(f == NULL)) {
			count(t->counters, passed_flow_table_full);
			continue;
		}
		age_touch(t, f, p->now_ns);
		if (unlikely(p->path != NULL))
			note_path(t, f, p);
		p->flow = f;
		if (unlikely(kept != i))
			b->packet[kept] = *p;
		kept++;
	}
	b->count = kept;
}

static void expire(struct flow_table *t, enum flow_class class)
{
	uint64_t patience = t->settings.timeout_ns[class] + slack(t, class);

	while (t->age[class].first != FLOW_NONE) {
		struct flow *f = &t->flow[t->age[class].first];

		if (f->listed_ns + patience > t->clock->now_ns)
			return;
		t->close(t->close_context, f, WHY_timeout);
		count(t->counters, flows_expired);
		flow_free(t, f);
	}
}

void flow_release(struct flow_table *t)
{
	for (int c = 0; c < FLOW_CLASSES; c++)
		expire(t, (enum flow_class)c);
}

void flow_close_all(struct flow_table *t, enum why why)
{
	for (int c = 0; c < FLOW_CLASSES; c++) {
		while (t->age[c].first != FLOW_NONE) {
			struct flow *f = &t->flow[t->age[c].first];

			t->close(t->close_context, f, why);
			flow_free(t, f);
		}
	}
}
