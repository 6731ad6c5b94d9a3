/* arena - memory of variable size that belongs to one worker.
 *
 *     held segments, gathered heads, message fields, connections
 *
 * With jemalloc (the default build) every arena is its own jemalloc arena with its own
 * thread cache, so workers share no allocator lock and what a worker holds can
 * be read off exactly. `-Darena=malloc` puts plain malloc behind the same
 * calls, because AddressSanitizer cannot see mallocx().
 *
 * The caller says the size again when it frees: that keeps `held_bytes` exact
 * without a header per block, and a cap can be asked before allocating.
 */
#ifndef DATAPLANE_BASE_ARENA_H
#define DATAPLANE_BASE_ARENA_H

#include <stddef.h>
#include <stdint.h>

struct arena {
	int flags;      /* of mallocx(); 0 with plain malloc */
	unsigned index; /* jemalloc's arena, thread cache */
	unsigned cache;
	uint64_t held_bytes; /* handed out and not yet freed, as asked for */
	uint64_t limit_bytes; /* of held_bytes: beyond it there is no memory */
};

/* arena_init - without a limit yet. Returns: 0, -ENOMEM. arena_fini() accepts a zeroed arena; every block must be back.
 */
int arena_init(struct arena *a);
void arena_fini(struct arena *a);

/* arena_take - `bytes` > 0 of memory, 16-byte aligned, or NULL over the
 * limit or when the machine has no more. */
void *arena_take(struct arena *a, size_t bytes);
void *arena_take_zeroed(struct arena *a, size_t bytes);
/* arena_resize - like realloc(); NULL leaves the old block as it was. */
void *arena_resize(struct arena *a, void *block, size_t old_bytes, size_t new_bytes);
void arena_give(struct arena *a, void *block, size_t bytes);

/* arena_process_bytes - what the whole process has allocated, as the allocator counts it. */
uint64_t arena_process_bytes(void);

#endif
