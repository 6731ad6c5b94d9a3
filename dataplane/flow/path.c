/* path - the tunnels around a packet. See path.h for what counts and what does not. */
#include "dataplane/flow/path.h"

#include <errno.h>
#include <stddef.h>

#include "dataplane/base/compiler.h"
#include "dataplane/base/ensure.h"
#include "dataplane/base/map.h"

struct path_entry {
	struct path_entry *next; /* in the bucket */
	uint64_t hash;
	uint32_t users;
	uint32_t unused;
	struct path path;
};

enum { PATH_WORDS_MAX = 1 + RECORD_TUNNELS_MAX * 6 };

/* Does its id name the same network in both directions? */
static bool names_network(const struct record_tunnel *t)
{
	switch ((enum tunnel_type)t->type) {
	case TUNNEL_pppoe:
	case TUNNEL_nvgre:
	case TUNNEL_vxlan:
	case TUNNEL_vxlan_gpe:
	case TUNNEL_geneve: return true;
	default: return false;
	}
}

/* Not 0, which says that there is nothing. */
static uint32_t short_hash(struct hash_key secret, const uint64_t *word, uint32_t count)
{
	uint32_t hash = (uint32_t)hash_words(secret, word, count);

	return hash != 0 ? hash : 1;
}

uint32_t path_outer(const struct path *p, struct hash_key secret)
{
	uint64_t word[RECORD_TUNNELS_MAX];
	uint32_t words = 0;

	for (uint32_t i = 0; i < p->count; i++)
		if (names_network(&p->tunnel[i]))
			word[words++] = (uint64_t)p->tunnel[i].type << 32 | p->tunnel[i].id;
	return words == 0 ? 0 : short_hash(secret, word, words);
}

static uint32_t words_of(const struct path *p, uint64_t word[PATH_WORDS_MAX])
{
	ENSURE(p->count <= RECORD_TUNNELS_MAX);
	memcpy(word, p, path_bytes(p));
	return (uint32_t)(path_bytes(p) / sizeof(word[0]));
}

uint32_t path_way(const struct path *p, struct hash_key secret)
{
	uint64_t word[PATH_WORDS_MAX];
	uint32_t words = words_of(p, word);

	return short_hash(secret, word, words);
}

void path_mirror(struct record_tunnel *to, const struct record_tunnel *from, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		to[i] = from[i];
		if (!names_network(&from[i]))
			to[i].has_id = 0;
		if (from[i].type == TUNNEL_erspan)
			continue;
		memcpy(to[i].src, from[i].dst, sizeof(to[i].src));
		memcpy(to[i].dst, from[i].src, sizeof(to[i].dst));
	}
}

/* ---- the table ---- */

static size_t bucket_bytes(const struct paths *t)
{
	return ((size_t)t->bucket_mask + 1) * sizeof(t->bucket[0]);
}

int paths_init(struct paths *t, uint32_t limit, struct hash_key secret, struct arena *arena,
	       struct counters *counters)
{
	uint32_t buckets = 64;

	*t = (struct paths){ .arena = arena, .counters = counters, .secret = secret };
	if (limit == 0)
		return 0;
	while (buckets < limit && buckets < UINT32_C(1) << 30)
		buckets *= 2;
	t->bucket_mask = buckets - 1;
	t->bucket = map_zeroed(bucket_bytes(t), false);
	if (t->bucket == NULL)
		return -ENOMEM;
	t->limit = limit;
	return 0;
}

void paths_fini(struct paths *t)
{
	ENSURE(t->count == 0);
	if (t->bucket != NULL)
		map_free(t->bucket, bucket_bytes(t));
	*t = (struct paths){ 0 };
}

static size_t entry_bytes(const struct path *p)
{
	return offsetof(struct path_entry, path) + path_bytes(p);
}

static struct path_entry *make(struct paths *t, const struct path *p, uint64_t hash)
{
	struct path_entry *e = NULL;

	if (t->count < t->limit)
		e = arena_take(t->arena, entry_bytes(p));
	if (e == NULL) {
		count(t->counters, paths_forgotten);
		return NULL;
	}
	*e = (struct path_entry){ .next = t->bucket[hash & t->bucket_mask], .hash = hash };
	memcpy(&e->path, p, path_bytes(p));
	t->bucket[hash & t->bucket_mask] = e;
	t->count++;
	return e;
}

const struct path *paths_take(struct paths *t, const struct path *p)
{
	uint64_t word[PATH_WORDS_MAX];
	uint32_t words;

	if (t->limit == 0)
		return NULL;
	words = words_of(p, word);

	uint64_t hash = hash_words(t->secret, word, words);
	struct path_entry *e = t->bucket[hash & t->bucket_mask];

	while (e != NULL && (e->hash != hash || path_bytes(&e->path) != path_bytes(p) ||
			     memcmp(&e->path, p, path_bytes(p)) != 0))
		e = e->next;
	if (e == NULL)
		e = make(t, p, hash);
	if (e == NULL)
		return NULL;
	e->users++;
	return &e->path;
}

void paths_give(struct paths *t, const struct path *p)
{
	struct path_entry *e = (void *)((uintptr_t)p - offsetof(struct path_entry, path));
	struct path_entry **at = &t->bucket[e->hash & t->bucket_mask];

	if (--e->users > 0)
		return;
	while (*at != e)
		at = &(*at)->next;
	*at = e->next;
	t->count--;
	arena_give(t->arena, e, entry_bytes(&e->path));
}
