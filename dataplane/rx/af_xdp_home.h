/* af_xdp_home - frames on their way home: from a worker that has read them to the one that owns
 * their queue.
 *
 *     member                                       owner of the queue
 *     rx ring -> packet read -> home_push() -----> home_pop() -> fill ring -> the kernel writes
 * into it
 *
 * A ring of frame numbers, one per member and queue, with one producer and one consumer. It has
 * room for every frame of its queue, so pushing always succeeds: no frame is lost here and nobody
 * waits.
 *
 * Why the order holds. A frame may be overwritten as soon as its number is in the fill ring, and
 * the member must have read it by then. The member's reads of the packet come before its release of
 * `pushed`; the owner's acquire of `pushed` comes before its write of the number into the fill
 * ring, which is released to the kernel. So whoever writes into the frame does it after the last
 * read. The same pair makes the number itself visible. In the other direction a place is written
 * again only when the producer has acquired a `taken` that the consumer released after reading it;
 * as the ring has room for all there are, that is a safeguard.
 *
 * Threads: push: the member. pop: the owner. Both wait-free.
 */
#ifndef DATAPLANE_RX_AF_XDP_HOME_H
#define DATAPLANE_RX_AF_XDP_HOME_H

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/compiler.h"
#include "dataplane/base/ensure.h"

struct af_xdp_home {
	/* written by the member */
	_Alignas(CACHE_LINE_BYTES) _Atomic uint32_t pushed;
	uint32_t taken_seen; /* `taken`, as known last */
	/* written by the owner */
	_Alignas(CACHE_LINE_BYTES) _Atomic uint32_t taken;
	/* never changes */
	_Alignas(CACHE_LINE_BYTES) uint32_t mask;
	uint32_t number[];
};

/* af_xdp_home_new - with room for `frames`. NULL: no memory. To be given to free(). */
static inline struct af_xdp_home *af_xdp_home_new(uint32_t frames)
{
	uint32_t room = CACHE_LINE_BYTES / sizeof(uint32_t);
	struct af_xdp_home *h;
	size_t bytes;

	while (room < frames)
		room *= 2;
	bytes = sizeof(*h) + room * sizeof(h->number[0]);
	bytes = (bytes + CACHE_LINE_BYTES - 1) / CACHE_LINE_BYTES * CACHE_LINE_BYTES;
	h = aligned_alloc(CACHE_LINE_BYTES, bytes);
	if (h == NULL)
		return NULL;
	memset(h, 0, bytes);
	h->mask = room - 1;
	return h;
}

/* af_xdp_home_push - `count` frames go home, by address; `shift` makes numbers of these. */
static inline void af_xdp_home_push(struct af_xdp_home *h, const uint64_t *at, uint32_t count,
				    uint32_t shift)
{
	uint32_t to = atomic_load_explicit(&h->pushed, memory_order_relaxed);

	if (unlikely(to + count - h->taken_seen > h->mask + 1)) {
		/* Pairs with the release in af_xdp_home_pop(): what it has taken, it has read. */
		h->taken_seen = atomic_load_explicit(&h->taken, memory_order_acquire);
		ENSURE(to + count - h->taken_seen <= h->mask + 1);
	}
	for (uint32_t i = 0; i < count; i++)
		h->number[(to + i) & h->mask] = (uint32_t)(at[i] >> shift);
	/* Pairs with the acquire in af_xdp_home_pop(): see the top. */
	atomic_store_explicit(&h->pushed, to + count, memory_order_release);
}

/* af_xdp_home_pop - up to `room` addresses. Returns how many. Cost: nothing there, one shared line.
 */
static inline uint32_t af_xdp_home_pop(struct af_xdp_home *h, uint64_t *at, uint32_t room,
				       uint32_t shift)
{
	uint32_t from = atomic_load_explicit(&h->taken, memory_order_relaxed);
	/* Pairs with the release in af_xdp_home_push(). */
	uint32_t count = atomic_load_explicit(&h->pushed, memory_order_acquire) - from;

	if (count > room)
		count = room;
	for (uint32_t i = 0; i < count; i++)
		at[i] = (uint64_t)h->number[(from + i) & h->mask] << shift;
	if (count > 0)
		/* Pairs with the acquire in af_xdp_home_push(). */
		atomic_store_explicit(&h->taken, from + count, memory_order_release);
	return count;
}

#endif
