/* fragment - IP datagrams put together again. */
#include "dataplane/decode/fragment.h"

#include <errno.h>

#include "dataplane/base/compiler.h"

enum {
	DATAGRAM_BYTES_MAX = 65535,
	FRAGMENT_UNIT_BYTES = 8,
	BUCKETS_MIN = 64,
	BUCKETS_MAX = 1 << 17,
	/* Of the cap on memory, per bucket: about what the smallest datagrams take. */
	BUCKET_SHARE_BYTES = 512,
};

/* The end of a datagram whose last fragment has not come. */
#define END_UNKNOWN UINT32_MAX

struct piece {
	struct piece *older; /* that came before it */
	struct piece *after; /* next by offset */
	uint32_t from, to;   /* bytes of the datagram, on the wire */
	uint32_t captured_bytes;
	uint8_t data[];
};

struct datagram {
	struct fragment_key key;
	struct datagram *chain; /* next in the bucket */
	struct datagram *older, *younger;
	struct piece *newest;
	struct piece *first, *last; /* by offset */
	uint64_t made_ns;           /* of the pipeline clock */
	uint64_t number;            /* packet that made it: its owner counts what becomes of it */
	uint32_t epoch;
	uint32_t pieces;
	uint32_t covered_bytes;
	uint32_t reach;          /* where the furthest piece ends */
	uint32_t end;            /* or END_UNKNOWN */
	uint32_t captured_until; /* the first byte cut by the snap length */
	enum counter fate;       /* of its fragments: C_fragment_kept until it is condemned */
	uint8_t protocol;
};

struct completed {
	struct completed *next;
	size_t bytes;
	uint8_t data[];
};

struct fragments {
	struct decode_settings settings;
	struct arena *arena;
	struct counters *counters;
	struct pipeline_clock clock;
	struct datagram *oldest, *youngest;
	struct completed *completed;
	uint64_t held_bytes;
	uint32_t bucket_mask;
	struct datagram *bucket[];
};

static size_t fragments_bytes(uint32_t buckets)
{
	return sizeof(struct fragments) + buckets * sizeof(struct datagram *);
}

int fragments_new(const struct decode_settings *settings, struct arena *arena,
		  struct counters *counters, struct fragments **ret)
{
	uint32_t buckets = BUCKETS_MIN;

	while (buckets < BUCKETS_MAX && buckets < settings->fragment_bytes / BUCKET_SHARE_BYTES)
		buckets *= 2;

	struct fragments *f = arena_take_zeroed(arena, fragments_bytes(buckets));

	if (f == NULL)
		return -ENOMEM;
	f->settings = *settings;
	f->arena = arena;
	f->counters = counters;
	f->bucket_mask = buckets - 1;
	*ret = f;
	return 0;
}

void fragments_clock(struct fragments *f, uint64_t ts_ns)
{
	clock_see(&f->clock, ts_ns);
}

/* ---- memory under the cap ---- */

static void give(struct fragments *f, void *block, size_t bytes)
{
	f->held_bytes -= bytes;
	arena_give(f->arena, block, bytes);
}

static void free_pieces(struct fragments *f, struct datagram *g)
{
	while (g->newest != NULL) {
		struct piece *piece = g->newest;

		g->newest = piece->older;
		give(f, piece, sizeof(*piece) + piece->captured_bytes);
	}
	g->first = g->last = NULL;
}

static struct datagram **bucket_of(struct fragments *f, const struct fragment_key *key)
{
	uint64_t word[sizeof(*key) / sizeof(uint64_t)];

	memcpy(word, key, sizeof(word));
	return &f->bucket[hash_words(f->settings.hash_key, word, array_count(word)) &
			  f->bucket_mask];
}

static void remove_datagram(struct fragments *f, struct datagram *g)
{
	struct datagram **at = bucket_of(f, &g->key);

	while (*at != g)
		at = &(*at)->chain;
	*at = g->chain;
	*(g->older != NULL ? &g->older->younger : &f->oldest) = g->younger;
	*(g->younger != NULL ? &g->younger->older : &f->youngest) = g->older;
	free_pieces(f, g);
	give(f, g, sizeof(*g));
}

static void count_expired(struct fragments *f, const struct datagram *g)
{
	if (decode_owns(&f->settings, g->number))
		count(f->counters, fragments_expired);
}

static void give_up(struct fragments *f, struct datagram *g)
{
	if (g->fate == C_fragment_kept) /* else it was counted when it was condemned */
		count_expired(f, g);
	remove_datagram(f, g);
}

/* Memory under the cap; the oldest datagrams other than `keep` make room. NULL: that is not enough.
 */
static void *take(struct fragments *f, size_t bytes, const struct datagram *keep)
{
	while (f->held_bytes + bytes > f->settings.fragment_bytes) {
		struct datagram *victim = f->oldest;

		if (victim != NULL && victim == keep)
			victim = victim->younger;
		if (victim == NULL)
			return NULL;
		give_up(f, victim);
	}

	void *block = arena_take(f->arena, bytes);

	if (block == NULL)
		count(f->counters, out_of_memory);
	else
		f->held_bytes += bytes;
	return block;
}

void fragments_release(struct fragments *f)
{
	while (f->completed != NULL) {
		struct completed *c = f->completed;

		f->completed = c->next;
		arena_give(f->arena, c, sizeof(*c) + c->bytes);
	}
}

void fragments_free(struct fragments *f)
{
	if (f == NULL)
		return;
	fragments_release(f);
	while (f->oldest != NULL)
		remove_datagram(f, f->oldest);
	arena_give(f->arena, f, fragments_bytes(f->bucket_mask + 1));
}

/* ---- datagrams ---- */

static struct datagram *make(struct fragments *f, const struct packet *p,
			     const struct fragment *part)
{
	struct datagram *g = take(f, sizeof(*g), NULL);

	if (g == NULL)
		return NULL;
	*g = (struct datagram){
		.key = part->key,
		.older = f->youngest,
		.made_ns = f->clock.now_ns,
		.epoch = f->clock.epoch,
		.number = p->number,
		.end = END_UNKNOWN,
		.captured_until = END_UNKNOWN,
		.fate = C_fragment_kept,
	};

	struct datagram **bucket = bucket_of(f, &g->key);

	g->chain = *bucket;
	*bucket = g;
	*(f->youngest != NULL ? &f->youngest->younger : &f->oldest) = g;
	f->youngest = g;
	return g;
}

static struct datagram *find(struct fragments *f, const struct fragment_key *key)
{
	struct datagram *g = *bucket_of(f, key);

	while (g != NULL && memcmp(&g->key, key, sizeof(*key)) != 0)
		g = g->chain;
	if (g == NULL || g->epoch == f->clock.epoch)
		return g;
	/* The clock was set since: nobody can say how old this one is. */
	give_up(f, g);
	return NULL;
}

static void expire(struct fragments *f)
{
	while (f->oldest != NULL &&
	       f->clock.now_ns - f->oldest->made_ns >= f->settings.fragment_timeout_ns)
		give_up(f, f->oldest);
}

/* The datagram will not be whole any more; what comes of it ends as `fate`. */
static enum counter condemn(struct fragments *f, struct datagram *g, enum counter fate)
{
	count_expired(f, g);
	free_pieces(f, g);
	g->fate = fate;
	return fate;
}

/* ---- pieces ---- */

static bool possible(const struct fragment *part)
{
	uint32_t bytes = part->payload.wire_bytes;

	if (bytes == 0 || bytes > DATAGRAM_BYTES_MAX || part->offset + bytes > DATAGRAM_BYTES_MAX)
		return false;
	return !part->more || bytes % FRAGMENT_UNIT_BYTES == 0;
}

/* Does this fragment agree with what is known about the datagram's end? */
static bool consistent(const struct datagram *g, const struct fragment *part)
{
	uint32_t to = part->offset + part->payload.wire_bytes;

	if (part->more)
		return to < g->end;
	return (g->end == END_UNKNOWN || g->end == to) && to >= g->reach;
}

/* The last piece that begins at or before `offset`, NULL if none does. */
static struct piece *piece_before(const struct datagram *g, uint32_t offset)
{
	struct piece *before = NULL;

	if (g->last == NULL || g->last->from <= offset)
		return g->last;
	for (struct piece *p = g->first; p->from <= offset; p = p->after)
		before = p;
	return before;
}

/* How many bytes of [from, to) no piece covers yet. */
static uint32_t missing_bytes(const struct datagram *g, uint32_t from, uint32_t to)
{
	uint32_t missing = 0;

	if (from >= g->reach)
		return to - from;
	for (const struct piece *p = g->first; p != NULL && p->from < to && from < to;
	     p = p->after) {
		if (p->to <= from)
			continue;
		if (p->from > from)
			missing += p->from - from;
		from = p->to;
	}
	return from < to ? missing + (to - from) : missing;
}

static bool is_copy(const struct piece *p, const struct fragment *part)
{
	return p != NULL && p->from == part->offset &&
	       p->to - p->from == part->payload.wire_bytes &&
	       p->captured_bytes == part->payload.captured_bytes &&
	       memcmp(p->data, part->payload.at, p->captured_bytes) == 0;
}

/* Copies the fragment into the datagram; false: over the cap. */
static bool keep(struct fragments *f, struct datagram *g, const struct fragment *part)
{
	uint32_t captured_bytes = part->payload.captured_bytes;
	struct piece *before = piece_before(g, part->offset);
	struct piece *p = take(f, sizeof(*p) + captured_bytes, g);

	if (p == NULL)
		return false;

	struct piece **link = before != NULL ? &before->after : &g->first;

	*p = (struct piece){
		.older = g->newest,
		.after = *link,
		.from = part->offset,
		.to = part->offset + part->payload.wire_bytes,
		.captured_bytes = captured_bytes,
	};
	memcpy(p->data, part->payload.at, captured_bytes);
	*link = g->newest = p;
	if (p->after == NULL)
		g->last = p;
	if (p->to > g->reach)
		g->reach = p->to;
	if (captured_bytes < part->payload.wire_bytes &&
	    p->from + captured_bytes < g->captured_until)
		g->captured_until = p->from + captured_bytes;
	g->pieces++;
	return true;
}

/* The pieces become one buffer, the datagram leaves the table. */
static enum counter complete(struct fragments *f, struct datagram *g, struct layer *ret_payload,
			     uint8_t *ret_protocol)
{
	struct completed *c = arena_take(f->arena, sizeof(*c) + g->end);

	if (c == NULL) {
		count(f->counters, out_of_memory);
		return condemn(f, g, C_passed_fragment_limit);
	}
	for (const struct piece *p = g->newest; p != NULL; p = p->older)
		memcpy(c->data + p->from, p->data, p->captured_bytes);
	c->bytes = g->end;
	c->next = f->completed;
	f->completed = c;
	*ret_payload = (struct layer){
		.at = c->data,
		.captured_bytes = g->captured_until < g->end ? g->captured_until : g->end,
		.wire_bytes = g->end,
	};
	*ret_protocol = g->protocol;
	remove_datagram(f, g);
	return C_datagrams_completed;
}

/* What an overlapping fragment does; C_to_flow: it has bytes to add. */
static enum counter overlap(struct fragments *f, struct datagram *g, const struct packet *p,
			    const struct fragment *part, uint32_t missing)
{
	if (part->key.ip_version == 6) {
		if (is_copy(piece_before(g, part->offset), part))
			return C_fragment_kept;
		return condemn(f, g, C_malformed_fragment_overlap);
	}
	if (decode_owns(&f->settings, p->number))
		count(f->counters, fragments_overlapping);
	return missing == 0 ? C_fragment_kept : C_to_flow;
}

static enum counter add(struct fragments *f, struct datagram *g, const struct packet *p,
			const struct fragment *part)
{
	uint32_t bytes = part->payload.wire_bytes;
	uint32_t missing = missing_bytes(g, part->offset, part->offset + bytes);
	enum counter fate = C_to_flow;

	if (missing < bytes)
		fate = overlap(f, g, p, part, missing);
	if (fate == C_to_flow) {
		if (g->pieces >= f->settings.fragments_per_datagram || !keep(f, g, part))
			return condemn(f, g, C_passed_fragment_limit);
		g->covered_bytes += missing;
		fate = C_fragment_kept;
	}
	if (fate != C_fragment_kept)
		return fate;
	if (!part->more)
		g->end = part->offset + bytes;
	if (part->offset == 0)
		g->protocol = part->protocol;
	return C_fragment_kept;
}

enum counter fragments_add(struct fragments *f, const struct packet *p, const struct fragment *part,
			   struct layer *ret_payload, uint8_t *ret_protocol)
{
	expire(f);
	if (!possible(part))
		return C_malformed_fragment;

	struct datagram *g = find(f, &part->key);

	if (g == NULL)
		g = make(f, p, part);
	if (g == NULL)
		return C_passed_fragment_limit;
	if (g->fate != C_fragment_kept)
		return g->fate;
	if (!consistent(g, part))
		return C_malformed_fragment;

	enum counter fate = add(f, g, p, part);

	if (fate != C_fragment_kept || g->covered_bytes != g->end)
		return fate;
	return complete(f, g, ret_payload, ret_protocol);
}
