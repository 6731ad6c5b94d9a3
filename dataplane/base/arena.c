#include "dataplane/base/arena.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/ensure.h"

#ifdef ARENA_MALLOC

#include <malloc.h>

int arena_init(struct arena *a)
{
	*a = (struct arena){ .limit_bytes = UINT64_MAX };
	return 0;
}

void arena_fini(struct arena *a)
{
	ENSURE(a->held_bytes == 0);
}

static void *allocate(const struct arena *a, size_t bytes)
{
	(void)a;
	return malloc(bytes);
}

static void *reallocate(const struct arena *a, void *block, size_t bytes)
{
	(void)a;
	return realloc(block, bytes);
}

static void release(const struct arena *a, void *block, size_t bytes)
{
	(void)a, (void)bytes;
	free(block);
}

uint64_t arena_process_bytes(void)
{
	return mallinfo2().uordblks;
}

#else

#include <jemalloc/jemalloc.h>

int arena_init(struct arena *a)
{
	size_t bytes = sizeof(unsigned);
	unsigned index, cache;

	if (mallctl("arenas.create", &index, &bytes, NULL, 0) != 0)
		return -ENOMEM;
	if (mallctl("tcache.create", &cache, &bytes, NULL, 0) != 0)
		return -ENOMEM;
	*a = (struct arena){ .flags = MALLOCX_ARENA(index) | MALLOCX_TCACHE(cache),
			     .index = index,
			     .cache = cache,
			     .limit_bytes = UINT64_MAX };
	return 0;
}

void arena_fini(struct arena *a)
{
	ENSURE(a->held_bytes == 0);
	if (a->flags != 0)
		mallctl("tcache.destroy", NULL, NULL, &a->cache, sizeof(a->cache));
	*a = (struct arena){ 0 };
}

static void *allocate(const struct arena *a, size_t bytes)
{
	return mallocx(bytes, a->flags);
}

static void *reallocate(const struct arena *a, void *block, size_t bytes)
{
	return rallocx(block, bytes, a->flags);
}

static void release(const struct arena *a, void *block, size_t bytes)
{
	sdallocx(block, bytes, a->flags);
}

uint64_t arena_process_bytes(void)
{
	uint64_t epoch = 1;
	size_t allocated = 0, bytes = sizeof(epoch);

	/* jemalloc refreshes its statistics when the epoch is written. */
	mallctl("epoch", &epoch, &bytes, &epoch, sizeof(epoch));
	bytes = sizeof(allocated);
	mallctl("stats.allocated", &allocated, &bytes, NULL, 0);
	return allocated;
}

#endif

void *arena_take(struct arena *a, size_t bytes)
{
	void *block = bytes > a->limit_bytes - a->held_bytes ? NULL : allocate(a, bytes);

	if (block != NULL)
		a->held_bytes += bytes;
	return block;
}

void *arena_take_zeroed(struct arena *a, size_t bytes)
{
	void *block = arena_take(a, bytes);

	if (block != NULL)
		memset(block, 0, bytes);
	return block;
}

void *arena_resize(struct arena *a, void *block, size_t old_bytes, size_t new_bytes)
{
	void *moved = NULL;

	if (new_bytes <= old_bytes || new_bytes - old_bytes <= a->limit_bytes - a->held_bytes)
		moved = reallocate(a, block, new_bytes);
	if (moved != NULL)
		a->held_bytes += new_bytes - old_bytes;
	return moved;
}

void arena_give(struct arena *a, void *block, size_t bytes)
{
	if (block == NULL)
		return;
	ENSURE(a->held_bytes >= bytes);
	a->held_bytes -= bytes;
	release(a, block, bytes);
}
