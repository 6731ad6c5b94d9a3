/* dedup - the second copy of a packet. */
#include "dataplane/decode/dedup.h"

#include <errno.h>

#include "dataplane/base/compiler.h"

enum { BUCKET_COPIES = 4 };

struct seen {
	uint64_t fingerprint; /* 0: none */
	uint64_t at_ns;
};

struct bucket {
	struct seen seen[BUCKET_COPIES];
};
static_assert(sizeof(struct bucket) == CACHE_LINE_BYTES, "a bucket is one cache line");

struct dedup {
	struct hash_key secret;
	struct counters *counters;
	uint64_t window_ns;
	uint32_t epoch; /* of the pipeline clock: times of another cannot be compared */
	uint32_t bucket_mask;
	size_t bytes;          /* of all this */
	struct bucket *bucket; /* behind it, at the beginning of a line */
};

int dedup_new(const struct decode_settings *settings, struct arena *arena,
	      struct counters *counters, struct dedup **ret)
{
	uint32_t buckets = 1;

	while (buckets < settings->dedup_packets / BUCKET_COPIES)
		buckets *= 2;

	size_t bytes = sizeof(struct dedup) + CACHE_LINE_BYTES + buckets * sizeof(struct bucket);
	struct dedup *d = arena_take_zeroed(arena, bytes);

	if (d == NULL)
		return -ENOMEM;
	d->secret = settings->hash_key;
	d->counters = counters;
	d->window_ns = settings->dedup_ns;
	d->bucket_mask = buckets - 1;
	d->bytes = bytes;
	d->bucket = (void *)(((uintptr_t)(d + 1) + CACHE_LINE_BYTES - 1) &
			     ~(uintptr_t)(CACHE_LINE_BYTES - 1));
	*ret = d;
	return 0;
}

void dedup_free(struct dedup *d, struct arena *arena)
{
	if (d != NULL)
		arena_give(arena, d, d->bytes);
}

/* ---- what must be equal ---- */

/* Whole words of bytes; the last is filled with zeros, which the length that is hashed too tells
 * from real ones. */
static uint64_t hash_bytes(struct hash_key secret, uint64_t before, const uint8_t *at,
			   uint32_t bytes)
{
	enum { WORDS = 32 };
	uint64_t word[WORDS + 1];

	while (bytes > 0) {
		uint32_t now = bytes < WORDS * 8 ? bytes : WORDS * 8;
		uint32_t words = (now + 7) / 8;

		word[0] = before;
		word[words] = 0;
		memcpy(word + 1, at, now);
		before = hash_words(secret, word, words + 1);
		at += now;
		bytes -= now;
	}
	return before;
}

static uint64_t fingerprint(const struct dedup *d, const struct packet *p)
{
	uint64_t word[] = {
		p->hash,
		(uint64_t)p->seq << 32 | p->ack,
		(uint64_t)p->ip_id << 48 | (uint64_t)p->window << 32 |
			(uint64_t)p->tcp_flags << 16 | (uint64_t)p->tcp_option_bytes << 8 | p->side,
		(uint64_t)p->payload_bytes << 32 | p->payload_captured_bytes,
	};
	uint64_t hash = hash_words(d->secret, word, array_count(word));

	hash = hash_bytes(d->secret, hash, p->tcp_options, p->tcp_option_bytes);
	hash = hash_bytes(d->secret, hash, p->payload, p->payload_captured_bytes);
	return hash != 0 ? hash : 1;
}

/* ---- the table ---- */

/* Its place: where it stands already, else the oldest of the bucket. */
static struct seen *place_of(struct bucket *b, uint64_t print)
{
	struct seen *oldest = &b->seen[0];

	for (int i = 0; i < BUCKET_COPIES; i++) {
		if (b->seen[i].fingerprint == print)
			return &b->seen[i];
		if (b->seen[i].at_ns < oldest->at_ns)
			oldest = &b->seen[i];
	}
	return oldest;
}

/* Was it here within the window? If not, it is from now on. */
static bool seen_before(struct dedup *d, uint64_t print, uint64_t now_ns)
{
	struct seen *s = place_of(&d->bucket[print & d->bucket_mask], print);
	bool recent = s->fingerprint != 0 && now_ns - s->at_ns <= d->window_ns;

	if (recent && s->fingerprint == print)
		return true;
	if (recent)
		count(d->counters, copies_forgotten);
	*s = (struct seen){ print, now_ns };
	return false;
}

void dedup_burst(struct dedup *d, struct burst *b)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < b->count; i++) {
		struct packet *p = &b->packet[i];

		if (unlikely(p->epoch != d->epoch)) {
			memset(d->bucket, 0, ((size_t)d->bucket_mask + 1) * sizeof(d->bucket[0]));
			d->epoch = p->epoch;
		}
		if (seen_before(d, fingerprint(d, p), p->now_ns)) {
			count(d->counters, duplicate_packets);
			continue;
		}
		if (unlikely(kept != i))
			b->packet[kept] = *p;
		kept++;
	}
	b->count = kept;
}
