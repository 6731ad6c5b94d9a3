/* ring - what is not on every record's path: mapping, starting, sleeping, waking. */
#include "dataplane/shm/ring.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "dataplane/base/ensure.h"
#include "dataplane/shm/record.h"

enum { RING_BYTES_MIN = 64 * 1024, RECORD_ALIGN = 8 };

bool ring_bytes_ok(uint64_t bytes)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

	return bytes >= RING_BYTES_MIN && (bytes & (bytes - 1)) == 0 && bytes % page == 0;
}

void *ring_map(int fd, uint64_t offset, uint64_t bytes, bool writable)
{
	int protection = writable ? PROT_READ | PROT_WRITE : PROT_READ;
	uint8_t *at;

	if (bytes == 0 || bytes > SIZE_MAX / 2) {
		errno = EINVAL;
		return NULL;
	}
	/* Reserving both halves first is what makes the two MAP_FIXED safe: nobody else's mapping
	 * can be in between. */
	at = mmap(NULL, 2 * bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (at == MAP_FAILED)
		return NULL;
	for (int half = 0; half < 2; half++) {
		if (mmap(at + (uint64_t)half * bytes, bytes, protection, MAP_SHARED | MAP_FIXED, fd,
			 (off_t)offset) == MAP_FAILED) {
			int err = errno;

			munmap(at, 2 * bytes);
			errno = err;
			return NULL;
		}
	}
	return at;
}

void ring_producer_init(struct ring_producer *r, uint8_t *data, uint64_t bytes, struct ring_up *up,
			const struct ring_down *down)
{
	ENSURE(ring_bytes_ok(bytes));
	*r = (struct ring_producer){ .data = data, .mask = bytes - 1, .up = up, .down = down };
	atomic_store_explicit(&up->records, 0, memory_order_relaxed);
	atomic_store_explicit(&up->full, 0, memory_order_relaxed);
	atomic_store_explicit(&up->closed, 0, memory_order_relaxed);
	atomic_store_explicit(&up->written, 0, memory_order_release);
}

/* How many records were released together with the bytes before `read`. The last consumer may have
 * been killed anywhere in ring_release(): if it came as far as `read`, its announcement counts,
 * else the count of the release before. */
static uint64_t records_released(const struct ring_down *down, uint64_t read)
{
	if (atomic_load_explicit(&down->next_read, memory_order_relaxed) == read)
		return atomic_load_explicit(&down->next_records, memory_order_relaxed);
	return atomic_load_explicit(&down->records, memory_order_relaxed);
}

int ring_consumer_init(struct ring_consumer *r, const uint8_t *data, uint64_t bytes,
		       const struct ring_up *up, struct ring_down *down)
{
	uint64_t read, records, written;

	ENSURE(ring_bytes_ok(bytes));
	read = atomic_load_explicit(&down->read, memory_order_acquire);
	records = records_released(down, read);
	/* Read after `read`, so it can only be further. Pairs with the release in ring_publish(),
	 * before which the producer has counted the records. */
	written = atomic_load_explicit(&up->written, memory_order_acquire);
	if (read > written || written - read > bytes || (read | written) % RECORD_ALIGN != 0)
		return -EPROTO;
	if (records > atomic_load_explicit(&up->records, memory_order_relaxed))
		return -EPROTO;

	atomic_store_explicit(&down->records, records, memory_order_relaxed);
	atomic_store_explicit(&down->asleep, 0, memory_order_relaxed);
	*r = (struct ring_consumer){
		.data = data,
		.mask = bytes - 1,
		.next = read,
		.records = records,
		.written = written,
		.up = up,
		.down = down,
	};
	return 0;
}

/* True if the consumer has released something since ring_reserve() last looked. A position that
 * cannot be is nothing: a consumer that scribbles must not keep the producer from sleeping. */
static bool room_was_made(const struct ring_producer *r)
{
	uint64_t read = atomic_load_explicit(&r->down->read, memory_order_seq_cst);

	return read > r->read && read <= r->published;
}

/*
 * No wake-up is lost. Four accesses are sequentially consistent and so have one order for both
 * sides:
 *
 *     producer                          consumer, in ring_release()
 *     P1  full = 1                      C1  read = next
 *     P2  look at read                  C2  released++
 *     P3  FUTEX_WAIT(released == seen)  C3  look at full, FUTEX_WAKE if it is 1
 *
 * If C1 is before P2, the producer sees the room and does not sleep. If it is after P2, it is after
 * P1 too, and so is C3: the consumer sees `full` and wakes. C2 is before that wake, so a producer
 * that is not asleep yet finds `released` changed in P3. `seen` is taken before P2: a release that
 * `seen` already counts is one whose `read` P2 cannot miss.
 */
void ring_wait_room(struct ring_producer *r, uint32_t timeout_ms)
{
	struct timespec timeout = {
		.tv_sec = (time_t)(timeout_ms / 1000),
		.tv_nsec = (long)(timeout_ms % 1000) * 1000000L,
	};
	uint32_t seen;

	/* The bell is not for this ring to ring: a consumer asleep looks again by itself, soon. */
	(void)ring_publish(r);
	/* Pairs with the release on `released` in ring_release(). */
	seen = atomic_load_explicit(&r->down->released, memory_order_acquire);
	atomic_store_explicit(&r->up->full, 1, memory_order_seq_cst);
	if (!room_was_made(r))
		/* Not FUTEX_PRIVATE: the other side is another process. Waiting needs no right to
		 * write the word. Whatever ends the wait, the caller tries ring_reserve() again. */
		syscall(SYS_futex, &r->down->released, FUTEX_WAIT, seen, &timeout, NULL, 0);
	atomic_store_explicit(&r->up->full, 0, memory_order_relaxed);
}

void ring_close(struct ring_producer *r)
{
	(void)ring_publish(r);
	/* Pairs with the acquire in ring_drained(): whoever sees this sees the last `written`. */
	atomic_store_explicit(&r->up->closed, 1, memory_order_release);
}

/* Look how far the producer is. False if it cannot be there. */
static bool see_written(struct ring_consumer *r)
{
	/* Pairs with the release in ring_publish(). */
	uint64_t written = atomic_load_explicit(&r->up->written, memory_order_acquire);

	if (written < r->written || written - r->next > r->mask + 1 || written % RECORD_ALIGN != 0)
		return false;
	r->written = written;
	return true;
}

const void *ring_peek(struct ring_consumer *r, uint64_t *ret_bytes)
{
	const uint8_t *at = r->data + (r->next & r->mask);
	uint64_t waiting, bytes;

	*ret_bytes = UINT64_MAX;
	if (r->next == r->written && !see_written(r))
		return NULL;
	waiting = r->written - r->next;
	if (waiting == 0) {
		*ret_bytes = 0;
		return NULL;
	}
	/* Loaded once, and atomically: what is checked must be what is returned, although the
	 * producer's process may write here at any time. */
	bytes = __atomic_load_n((const uint32_t *)(const void *)at, __ATOMIC_RELAXED);
	if (bytes < RECORD_ALIGN || bytes % RECORD_ALIGN != 0 || bytes > waiting ||
	    bytes > RECORD_BYTES_MAX)
		return NULL;
	*ret_bytes = bytes;
	return at;
}

/*
 * `read` and `records` are two words and a consumer can be killed between them, so where both are
 * going is written down first: next_read, then next_records, then `read`, then `records`. Whoever
 * comes after finds next_read == read exactly if `read` moved, and next_records is complete then.
 * The orders keep the compiler from changing this sequence; a kill cannot.
 */
void ring_release(struct ring_consumer *r)
{
	struct ring_down *d = r->down;
	uint32_t released = atomic_load_explicit(&d->released, memory_order_relaxed) + 1;

	if (r->next == atomic_load_explicit(&d->read, memory_order_relaxed))
		return;
	atomic_store_explicit(&d->next_read, r->next, memory_order_relaxed);
	atomic_store_explicit(&d->next_records, r->records, memory_order_release);
	/* C1 above. As a release it pairs with the acquire in ring_reserve(): the producer may
	 * overwrite what lies before this position, because nobody reads it any more. */
	atomic_store_explicit(&d->read, r->next, memory_order_seq_cst);
	atomic_store_explicit(&d->records, r->records, memory_order_release);
	/* Pairs with the acquire in ring_wait_room(). */
	atomic_store_explicit(&d->released, released, memory_order_release);
	if (unlikely(atomic_load_explicit(&r->up->full, memory_order_seq_cst) != 0))
		syscall(SYS_futex, &d->released, FUTEX_WAKE, 1, NULL, NULL, 0);
}

bool ring_drained(struct ring_consumer *r)
{
	/* Pairs with the release in ring_close(). */
	if (atomic_load_explicit(&r->up->closed, memory_order_acquire) == 0)
		return false;
	return r->next == atomic_load_explicit(&r->up->written, memory_order_acquire);
}
