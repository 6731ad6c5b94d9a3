/* ring - records of variable size from one producer to one consumer, in two
 * memory regions that each side can write only one of.
 *
 *     producer (dataplane worker)                  consumer (control)
 *     reserve -> fill -> commit ... publish  ===>  peek -> read -> next ... release
 *
 *     `up`    producer writes: written, records, data      consumer maps it read-only
 *     `down`  consumer writes: read, records_read, waiting  producer maps it read-only
 *
 * The data area is mapped twice in a row, so a record is always contiguous and
 * there is no wrap-around case for anybody. Positions are byte counts that only grow; index =
 * position & mask. Records are multiples of 8 bytes and begin with their size.
 *
 * publish makes everything committed visible with one release store, once per
 * burst. release frees everything read with one release store, after the
 * batch has left control for good (its write(2) has returned): what a consumer
 * read but did not release is there again after it was killed.
 *
 * Neither side believes the other: geometry is private to each view, and a
 * position that cannot be (backwards, or further apart than the ring) is refused and the
 * last good one kept (producer) or reported as -EPROTO (consumer).
 *
 * The same ring carries packets between workers (hand-off), with both regions in one process.
 */
#ifndef DATAPLANE_SHM_RING_H
#define DATAPLANE_SHM_RING_H

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/base/compiler.h"

/* Writer: producer. Readers: consumer. */
struct ring_up {
	_Alignas(CACHE_LINE_BYTES) _Atomic uint64_t written; /* bytes published */
	_Atomic uint64_t records;                            /* records published */
	_Atomic uint32_t full; /* 1 while the producer sleeps for room (a file waits for control) */
	_Atomic uint32_t closed; /* 1: nothing will follow `written` */
};

/* Writer: consumer. Readers: producer. */
struct ring_down {
	_Alignas(CACHE_LINE_BYTES) _Atomic uint64_t read; /* bytes released */
	_Atomic uint64_t records;                         /* records released */
	_Atomic uint32_t
		released;        /* counts releases: the producer's futex while it waits for room */
	_Atomic uint32_t asleep; /* 1 while the consumer sleeps and wants the bell rung */
	_Atomic uint64_t next_read,
		next_records; /* what `read` and `records` are about to become: a
			       * consumer killed in ring_release() leaves both counts exact */
};
static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "positions must be address-free between processes");

struct ring_producer {
	/* every record */
	uint8_t *data; /* mapped twice */
	uint64_t mask;
	uint64_t written; /* committed, of it published up to `published` */
	uint64_t read;    /* last good position seen of the consumer; may lag */
	uint64_t records;
	uint64_t published;
	struct ring_up *up;
	const struct ring_down *down;
	/* chores */
	uint64_t refused; /* positions of the consumer that could not be */
};

struct ring_consumer {
	const uint8_t *data;
	uint64_t mask;
	uint64_t next;    /* position of the next record to look at */
	uint64_t records; /* records looked at */
	uint64_t written; /* last position seen of the producer */
	const struct ring_up *up;
	struct ring_down *down;
};

/* ring_bytes_ok - a power of two, at least 64 KiB and a multiple of the page. */
bool ring_bytes_ok(uint64_t bytes);

/* ring_map - map `bytes` of `fd` from `offset` twice in a row.
 * Returns: the address, or NULL with errno set. Unmap 2 * bytes. */
void *ring_map(int fd, uint64_t offset, uint64_t bytes, bool writable);

void ring_producer_init(struct ring_producer *r, uint8_t *data, uint64_t bytes, struct ring_up *up,
			const struct ring_down *down);

/* ring_consumer_init - go on where the last consumer released. Returns: 0, -EPROTO if the positions
 * cannot be. */
int ring_consumer_init(struct ring_consumer *r, const uint8_t *data, uint64_t bytes,
		       const struct ring_up *up, struct ring_down *down);

/* ring_see_read - take over how far the consumer has released, if that can be. */
static inline void ring_see_read(struct ring_producer *r)
{
	/* Pairs with the release in ring_release(): the consumer is done with every byte before it.
	 */
	uint64_t read = atomic_load_explicit(&r->down->read, memory_order_acquire);

	if (unlikely(read < r->read || read > r->published))
		r->refused++;
	else
		r->read = read;
}

/* ring_reserve - room for `bytes` (a multiple of 8), or NULL while the ring is too full.
 *
 * Memory: borrowed until ring_commit(); reserving again without commit returns the same room.
 * Cost:   reads the consumer's line only when the ring looks full. */
static inline void *ring_reserve(struct ring_producer *r, uint64_t bytes)
{
	if (unlikely(r->written + bytes - r->read > r->mask + 1)) {
		ring_see_read(r);
		if (r->written + bytes - r->read > r->mask + 1)
			return NULL;
	}
	return r->data + (r->written & r->mask);
}

/* ring_commit - the room last reserved now holds a record of `bytes`. Not yet visible. */
static inline void ring_commit(struct ring_producer *r, uint64_t bytes)
{
	r->written += bytes;
	r->records++;
}

/* ring_publish - let the consumer see what was committed. Returns true if the bell should be rung:
 * the consumer sleeps and `ring_worth_waking` bytes wait. */
#define RING_WORTH_WAKING (256 * 1024)
static inline bool ring_publish(struct ring_producer *r)
{
	if (r->published == r->written)
		return false;
	r->published = r->written;
	atomic_store_explicit(&r->up->records, r->records, memory_order_relaxed);
	/* Pairs with the acquire in ring_peek(): whoever sees this position also sees the records
	 * before it. */
	atomic_store_explicit(&r->up->written, r->written, memory_order_release);
	if (likely(atomic_load_explicit(&r->down->asleep, memory_order_relaxed) == 0 ||
		   r->written - r->read < RING_WORTH_WAKING))
		return false;
	/* `read` may lag far behind what the consumer has released: look before waking somebody. */
	ring_see_read(r);
	return r->written - r->read >= RING_WORTH_WAKING;
}

/* ring_wait_room - publish, then sleep until the consumer releases something, at most `timeout_ms`.
 * For files only. Threads: producer. */
void ring_wait_room(struct ring_producer *r, uint32_t timeout_ms);

/* ring_close - publish; nothing will follow. */
void ring_close(struct ring_producer *r);

/* ring_peek - the next unread record and its size, or NULL while there is none.
 *
 * Returns: the record, with *ret_bytes a multiple of 8 that lies within what was published;
 *          NULL and *ret_bytes 0 when there is none; NULL and *ret_bytes UINT64_MAX when what the
 *          producer wrote cannot be (the consumer should detach).
 * Memory:  borrowed until ring_release(); but the producer's process may scribble: copy what is
 * checked. */
const void *ring_peek(struct ring_consumer *r, uint64_t *ret_bytes);

/* ring_next - done looking at the record of `bytes`. */
static inline void ring_next(struct ring_consumer *r, uint64_t bytes)
{
	r->next += bytes;
	r->records++;
}

/* ring_release - give everything looked at back to the producer, waking it if it waits for room. */
void ring_release(struct ring_consumer *r);

/* ring_drained - closed by the producer and everything looked at. */
bool ring_drained(struct ring_consumer *r);

#endif
