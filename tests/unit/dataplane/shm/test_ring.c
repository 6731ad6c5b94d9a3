/* Proves the promises in ring.h: what goes in comes out, whole and in order, at every size and
 * position; a full ring refuses and recovers; nothing is visible before publish; what was read but
 * not released is there again for the next consumer, and both counts are exact wherever the last
 * one was killed; neither side believes a position or a size that cannot be; waiting ends.
 */
#include "dataplane/shm/ring.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "dataplane/base/clock.h"
#include "dataplane/shm/record.h"

enum { RING = 64 * 1024, BIG_RING = 4 << 20, RECORDS = 1000000 };

static struct {
	int fd;
	uint64_t bytes;
	uint8_t *write_map, *read_map;
	struct ring_up up;
	struct ring_down down;
	struct ring_producer tx;
	struct ring_consumer rx;
} t;

static void open_ring(uint64_t bytes)
{
	memset(&t, 0, sizeof(t));
	t.bytes = bytes;
	t.fd = memfd_create("ring", MFD_CLOEXEC);
	assert_true(t.fd >= 0);
	assert_int_equal(ftruncate(t.fd, (off_t)bytes), 0);
	t.write_map = ring_map(t.fd, 0, bytes, true);
	t.read_map = ring_map(t.fd, 0, bytes, false);
	assert_non_null(t.write_map);
	assert_non_null(t.read_map);
	ring_producer_init(&t.tx, t.write_map, bytes, &t.up, &t.down);
	assert_int_equal(ring_consumer_init(&t.rx, t.read_map, bytes, &t.up, &t.down), 0);
}

static int open_small(void **state)
{
	(void)state;
	open_ring(RING);
	return 0;
}

static int open_big(void **state)
{
	(void)state;
	open_ring(BIG_RING);
	return 0;
}

static int close_ring(void **state)
{
	(void)state;
	munmap(t.write_map, 2 * t.bytes);
	munmap(t.read_map, 2 * t.bytes);
	return close(t.fd);
}

static bool put(uint32_t bytes, uint32_t tag)
{
	uint32_t *at = ring_reserve(&t.tx, bytes);

	if (at == NULL)
		return false;
	at[0] = bytes;
	at[1] = tag;
	ring_commit(&t.tx, bytes);
	return true;
}

/* The next record's tag, looked at and passed. */
static uint32_t take(void)
{
	uint64_t bytes;
	const uint32_t *at = ring_peek(&t.rx, &bytes);

	assert_non_null(at);
	assert_int_equal(at[0], bytes);
	ring_next(&t.rx, bytes);
	return at[1];
}

static void assert_peek_finds_nothing(void)
{
	uint64_t bytes = 77;

	assert_null(ring_peek(&t.rx, &bytes));
	assert_int_equal(bytes, 0);
}

static void assert_peek_refuses(void)
{
	uint64_t bytes = 77;

	assert_null(ring_peek(&t.rx, &bytes));
	assert_true(bytes == UINT64_MAX);
}

static void unusable_sizes_are_refused(void **state)
{
	(void)state;
	assert_false(ring_bytes_ok(0));
	assert_false(ring_bytes_ok(RING / 2));
	assert_false(ring_bytes_ok(RING - 1));
	assert_false(ring_bytes_ok(RING + 4096)); /* not a power of two */
	assert_false(ring_bytes_ok(UINT64_MAX));
	assert_true(ring_bytes_ok(RING));
	assert_true(ring_bytes_ok(8 << 20));
}

static void the_map_shows_the_same_bytes_twice(void **state)
{
	(void)state;
	memset(t.write_map + RING - 4, 0x5a, 8); /* over the seam */
	assert_memory_equal(t.write_map, "\x5a\x5a\x5a\x5a\0", 5);
	assert_memory_equal(t.read_map + RING, "\x5a\x5a\x5a\x5a\0", 5);
	assert_memory_equal(t.read_map + 2 * RING - 4, "\x5a\x5a\x5a\x5a", 4);
}

static void a_map_that_cannot_be_says_why(void **state)
{
	(void)state;
	errno = 0;
	assert_null(ring_map(-1, 0, RING, true));
	assert_int_equal(errno, EBADF);
	assert_null(ring_map(t.fd, 0, 0, true));
	assert_int_equal(errno, EINVAL);
	assert_null(ring_map(t.fd, 0, UINT64_C(1) << 63, true));
	assert_int_equal(errno, EINVAL);
	assert_null(ring_map(t.fd, 1, RING, true)); /* no page begins there */
	assert_int_equal(errno, EINVAL);
}

static void nothing_is_seen_before_publish(void **state)
{
	(void)state;
	assert_peek_finds_nothing();
	assert_true(put(16, 1));
	assert_true(put(24, 2));
	assert_peek_finds_nothing();
	ring_publish(&t.tx);
	assert_int_equal(take(), 1);
	assert_int_equal(take(), 2);
	assert_peek_finds_nothing();
	assert_int_equal(t.up.records, 2);
}

static void reserving_again_is_the_same_room(void **state)
{
	(void)state;
	assert_true(put(64, 1));
	assert_ptr_equal(ring_reserve(&t.tx, 8), ring_reserve(&t.tx, 4096));
	assert_ptr_equal(ring_reserve(&t.tx, 8), t.write_map + 64);
}

static void a_full_ring_refuses_and_recovers(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 64; i++)
		assert_true(put(1024, i));
	assert_null(ring_reserve(&t.tx, 8));
	ring_publish(&t.tx);
	assert_null(ring_reserve(&t.tx, 8));

	assert_int_equal(take(), 0);
	assert_null(ring_reserve(&t.tx, 8)); /* looked at is not released */
	ring_release(&t.rx);
	assert_null(ring_reserve(&t.tx, 1032)); /* one step more than was released */
	assert_true(put(1024, 64));
	assert_null(ring_reserve(&t.tx, 8));
	ring_publish(&t.tx);
	for (uint32_t i = 1; i <= 64; i++)
		assert_int_equal(take(), i);
	ring_release(&t.rx);
	assert_int_equal(t.down.records, 65);
	assert_true(t.down.read == UINT64_C(65) * 1024);
}

static void a_record_as_large_as_the_ring_fits_and_one_larger_does_not(void **state)
{
	(void)state;
	assert_true(put(8, 0)); /* so that the large one wraps */
	ring_publish(&t.tx);
	assert_int_equal(take(), 0);
	ring_release(&t.rx);

	assert_null(ring_reserve(&t.tx, RING + 8));
	assert_true(put(RING, 1));
	ring_publish(&t.tx);
	assert_int_equal(take(), 1);
	ring_release(&t.rx);
	assert_non_null(ring_reserve(&t.tx, RING));
}

/* ---- against a model ---- */

static uint64_t mixed(uint64_t v)
{
	v ^= v >> 33;
	v *= UINT64_C(0xff51afd7ed558ccd);
	v ^= v >> 33;
	v *= UINT64_C(0xc4ceb9fe1a85ec53);
	return v ^ v >> 33;
}

/* Mostly small; one in 64 up to 16 KiB, one in 4,096 up to the whole ring. */
static uint32_t size_of(uint64_t seq)
{
	uint64_t h = mixed(seq + 1);
	uint32_t limit = h % 4096 == 0 ? RING : h % 64 == 0 ? 16384 : 256;

	return 8 + (uint32_t)((h >> 20) % (limit / 8)) * 8;
}

static void fill(uint64_t *at, uint64_t seq, uint32_t bytes)
{
	for (uint32_t i = 1; i < bytes / 8; i++)
		at[i] = seq ^ i;
	at[0] = (mixed(seq) << 32) | bytes;
}

static void assert_filled(const uint64_t *at, uint64_t seq, uint64_t bytes)
{
	uint64_t wrong = 0;

	for (uint32_t i = 1; i < bytes / 8; i++)
		wrong |= at[i] ^ seq ^ i;
	assert_true(wrong == 0);
	assert_true(at[0] == ((mixed(seq) << 32) | bytes));
}

static void a_million_records_of_random_sizes_come_out_as_they_went_in(void **state)
{
	(void)state;
	uint64_t random = 1;
	uint64_t committed = 0, published = 0, taken = 0; /* records, by the model */
	uint64_t written = 0, read = 0, released = 0;     /* bytes, by the model */

	while (taken < RECORDS) {
		random = mixed(random + 1);
		for (uint64_t n = random % 16; n > 0 && committed < RECORDS; n--) {
			uint32_t bytes = size_of(committed);
			uint64_t *at = ring_reserve(&t.tx, bytes);

			assert_true((at != NULL) == (written + bytes - released <= RING));
			if (at == NULL)
				break;
			fill(at, committed++, bytes);
			ring_commit(&t.tx, bytes);
			written += bytes;
		}
		if ((random & 0x100) != 0) {
			ring_publish(&t.tx);
			published = committed;
		}
		for (uint64_t n = (random >> 16) % 24; n > 0; n--) {
			uint64_t bytes;
			const void *at = ring_peek(&t.rx, &bytes);

			assert_true((at != NULL) == (taken < published));
			if (at == NULL)
				break;
			assert_true(bytes == size_of(taken));
			assert_filled(at, taken++, bytes);
			ring_next(&t.rx, bytes);
			read += bytes;
		}
		if ((random & 0x200) != 0) {
			ring_release(&t.rx);
			released = read;
		}
	}
	ring_release(&t.rx);
	assert_true(t.up.records == RECORDS && t.down.records == RECORDS);
	assert_true(t.up.written == t.down.read);
	assert_true(t.tx.refused == 0);
}

/* ---- the other side lies ---- */

static void the_producer_keeps_the_last_good_position(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 64; i++)
		assert_true(put(1024, i));
	ring_publish(&t.tx);
	take();
	take();
	ring_release(&t.rx);
	assert_true(put(2048, 64));
	ring_publish(&t.tx);
	assert_true(t.tx.read == 2048);

	static const uint64_t lies[] = { 0, 2040, 67592, UINT64_MAX, UINT64_C(1) << 63 };

	for (size_t i = 0; i < array_count(lies); i++) {
		t.down.read = lies[i];
		assert_null(ring_reserve(&t.tx, 8));
		assert_true(t.tx.read == 2048);
		assert_true(t.tx.refused == i + 1);
	}
	t.down.read = 4096; /* back to its senses */
	assert_non_null(ring_reserve(&t.tx, 2048));
	assert_true(t.tx.refused == array_count(lies));
}

static void the_producer_refuses_what_is_committed_but_not_published(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 64; i++)
		assert_true(put(1024, i));
	t.down.read = 1024;
	assert_null(ring_reserve(&t.tx, 8));
	assert_true(t.tx.refused == 1);
}

static void the_consumer_refuses_a_producer_that_goes_backwards(void **state)
{
	(void)state;
	assert_true(put(16, 1));
	ring_publish(&t.tx);
	take();
	t.up.written = 8;
	assert_peek_refuses();
	t.up.written = 0;
	assert_peek_refuses();
	t.up.written = 16;
	assert_peek_finds_nothing();
}

static void the_consumer_refuses_a_producer_too_far_ahead(void **state)
{
	(void)state;
	t.up.written = RING + 8;
	assert_peek_refuses();
	t.up.written = UINT64_MAX & ~UINT64_C(7);
	assert_peek_refuses();
	t.up.written = 12; /* no record ends there */
	assert_peek_refuses();
	assert_true(t.rx.next == 0 && t.rx.written == 0);
}

static void the_consumer_refuses_sizes_that_cannot_be(void **state)
{
	(void)state;
	static const uint32_t lies[] = { 0, 1, 7, 12, 1032, RING, UINT32_MAX, UINT32_MAX & ~7U };
	uint32_t *at;

	assert_true(put(1024, 1));
	ring_publish(&t.tx);
	at = (uint32_t *)(void *)t.write_map;
	for (size_t i = 0; i < array_count(lies); i++) {
		at[0] = lies[i];
		assert_peek_refuses();
	}
	at[0] = 1024;
	assert_int_equal(take(), 1);
}

static void the_consumer_refuses_a_record_over_the_largest(void **state)
{
	(void)state;
	assert_true(put(RECORD_BYTES_MAX, 1));
	assert_true(put(RECORD_BYTES_MAX - 8, 2));
	ring_publish(&t.tx);
	*(uint32_t *)(void *)t.write_map = RECORD_BYTES_MAX + 8;
	assert_peek_refuses();
	*(uint32_t *)(void *)t.write_map = RECORD_BYTES_MAX;
	assert_int_equal(take(), 1);
	assert_int_equal(take(), 2);
}

static void a_consumer_does_not_begin_at_a_position_that_cannot_be(void **state)
{
	(void)state;
	static const struct {
		uint64_t read, written, records, published;
	} lies[] = {
		{ 8, 0, 0, 0 },              /* ahead of the producer */
		{ 0, RING + 8, 0, 1 },       /* further apart than the ring */
		{ UINT64_MAX - 7, 8, 0, 1 }, /* the same, around the end of 64 bits */
		{ 4, 16, 0, 1 },
		{ 8, 20, 0, 1 }, /* inside a record for certain */
		{ 8, 16, 3, 2 }, /* more released than there were */
	};

	for (size_t i = 0; i < array_count(lies); i++) {
		struct ring_consumer again = { .next = 77 };

		t.down.read = lies[i].read;
		t.down.next_read = UINT64_MAX;
		t.down.records = lies[i].records;
		t.up.written = lies[i].written;
		t.up.records = lies[i].published;
		assert_int_equal(ring_consumer_init(&again, t.read_map, RING, &t.up, &t.down),
				 -EPROTO);
		assert_true(again.next == 77); /* untouched on failure */
	}
}

/* ---- the consumer dies ---- */

static void what_was_read_but_not_released_is_there_again(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 10; i++)
		assert_true(put(16 + 8 * i, i));
	ring_publish(&t.tx);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(take(), i);
	ring_release(&t.rx);
	for (uint32_t i = 3; i < 7; i++)
		assert_int_equal(take(), i);

	/* Killed here, before its release. */
	t.down.asleep = 1;
	assert_int_equal(ring_consumer_init(&t.rx, t.read_map, RING, &t.up, &t.down), 0);
	assert_int_equal(t.down.asleep, 0);
	assert_true(t.rx.records == 3);
	for (uint32_t i = 3; i < 10; i++)
		assert_int_equal(take(), i);
	ring_release(&t.rx);
	assert_true(t.down.records == 10 && t.down.read == t.up.written);
}

static void counts_are_exact_wherever_the_consumer_was_killed(void **state)
{
	(void)state;
	struct ring_down before, after, *d = &t.down;

	for (uint32_t i = 0; i < 10; i++)
		assert_true(put(16, i));
	ring_publish(&t.tx);
	take();
	take();
	ring_release(&t.rx);
	memcpy(&before, d, sizeof(before));
	for (int i = 0; i < 5; i++)
		take();
	ring_release(&t.rx);
	memcpy(&after, d, sizeof(after));

	/* ring_release() stores five words, in this order; it may die after any number of them. */
	for (int stores = 0; stores <= 5; stores++) {
		bool moved = stores >= 3;

		memcpy(d, &before, sizeof(before));
		if (stores >= 1)
			d->next_read = after.next_read;
		if (stores >= 2)
			d->next_records = after.next_records;
		if (stores >= 3)
			d->read = after.read;
		if (stores >= 4)
			d->records = after.records;
		if (stores >= 5)
			d->released = after.released;
		assert_int_equal(ring_consumer_init(&t.rx, t.read_map, RING, &t.up, d), 0);
		assert_true(t.rx.next == (moved ? 7 * 16 : 2 * 16));
		assert_true(t.rx.records == (moved ? 7 : 2));
		assert_true(d->records == t.rx.records); /* also for whoever reads the ledger */
		for (uint32_t i = moved ? 7 : 2; i < 10; i++)
			assert_int_equal(take(), i);
		ring_release(&t.rx);
		assert_true(d->records == 10 && d->next_records == 10);
	}
}

static void releasing_nothing_changes_nothing(void **state)
{
	(void)state;
	struct ring_down before;

	assert_true(put(16, 1));
	ring_publish(&t.tx);
	take();
	ring_release(&t.rx);
	memcpy(&before, &t.down, sizeof(before));
	ring_release(&t.rx);
	assert_memory_equal(&before, &t.down, sizeof(before));
}

/* ---- sleeping and ending ---- */

static void the_bell_is_for_a_sleeper_and_enough_bytes(void **state)
{
	(void)state;
	assert_true(put(RING_WORTH_WAKING, 1));
	assert_false(ring_publish(&t.tx)); /* awake */
	assert_true(put(16, 2));
	t.down.asleep = 1;
	assert_true(ring_publish(&t.tx));
	assert_false(ring_publish(&t.tx)); /* nothing new */
	assert_int_equal(ring_consumer_init(&t.rx, t.read_map, BIG_RING, &t.up, &t.down), 0);

	ring_producer_init(&t.tx, t.write_map, BIG_RING, &t.up, &t.down);
	t.down.asleep = 1;
	assert_true(put(RING_WORTH_WAKING - 8, 1));
	assert_false(ring_publish(&t.tx)); /* too little */
	assert_true(put(8, 2));
	assert_true(ring_publish(&t.tx));
}

static void drained_is_closed_and_everything_looked_at(void **state)
{
	(void)state;
	assert_false(ring_drained(&t.rx));
	assert_true(put(16, 1));
	ring_publish(&t.tx);
	assert_true(put(16, 2));
	assert_int_equal(take(), 1);
	assert_false(ring_drained(&t.rx));
	ring_close(&t.tx); /* publishes the second */
	assert_false(ring_drained(&t.rx));
	assert_int_equal(take(), 2);
	assert_true(ring_drained(&t.rx));
}

static uint64_t wait_ns(uint32_t timeout_ms)
{
	uint64_t begin_ns = clock_monotonic_ns();

	ring_wait_room(&t.tx, timeout_ms);
	return clock_monotonic_ns() - begin_ns;
}

static void waiting_publishes_and_ends_by_itself(void **state)
{
	(void)state;
	assert_true(put(16, 1));
	assert_true(wait_ns(30) >= 25 * 1000000);
	assert_int_equal(take(), 1);
	assert_int_equal(t.up.full, 0);
}

static void waiting_ends_at_once_where_room_was_made_meanwhile(void **state)
{
	(void)state;
	assert_true(put(RING, 1));
	ring_publish(&t.tx);
	assert_null(ring_reserve(&t.tx, 8));
	assert_int_equal(take(), 1);
	ring_release(&t.rx);
	assert_true(wait_ns(60000) < 10 * CLOCK_SECOND_NS);
	assert_non_null(ring_reserve(&t.tx, 8));
}

static void positions_that_cannot_be_do_not_end_the_wait(void **state)
{
	(void)state;
	assert_true(put(RING, 1));
	t.down.read = UINT64_MAX;
	assert_true(wait_ns(30) >= 25 * 1000000);
	t.down.read = RING + 8;
	assert_true(wait_ns(30) >= 25 * 1000000);
}

static void *release_while_the_producer_sleeps(void *arg)
{
	(void)arg;
	while (atomic_load(&t.up.full) == 0)
		usleep(100);
	usleep(20000); /* now it most likely is in the kernel */
	ring_release(&t.rx);
	return NULL;
}

static void a_release_wakes_the_producer(void **state)
{
	(void)state;
	pthread_t consumer;

	assert_true(put(RING, 1));
	ring_publish(&t.tx);
	assert_null(ring_reserve(&t.tx, 8));
	assert_int_equal(take(), 1);
	assert_int_equal(pthread_create(&consumer, NULL, release_while_the_producer_sleeps, NULL),
			 0);
	assert_true(wait_ns(60000) < 10 * CLOCK_SECOND_NS);
	assert_int_equal(pthread_join(consumer, NULL), 0);
	assert_non_null(ring_reserve(&t.tx, RING));
}

int main(void)
{
#define SMALL(f) cmocka_unit_test_setup_teardown(f, open_small, close_ring)
#define BIG(f)   cmocka_unit_test_setup_teardown(f, open_big, close_ring)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unusable_sizes_are_refused),
		SMALL(the_map_shows_the_same_bytes_twice),
		SMALL(a_map_that_cannot_be_says_why),
		SMALL(nothing_is_seen_before_publish),
		SMALL(reserving_again_is_the_same_room),
		SMALL(a_full_ring_refuses_and_recovers),
		SMALL(a_record_as_large_as_the_ring_fits_and_one_larger_does_not),
		SMALL(a_million_records_of_random_sizes_come_out_as_they_went_in),
		SMALL(the_producer_keeps_the_last_good_position),
		SMALL(the_producer_refuses_what_is_committed_but_not_published),
		SMALL(the_consumer_refuses_a_producer_that_goes_backwards),
		SMALL(the_consumer_refuses_a_producer_too_far_ahead),
		SMALL(the_consumer_refuses_sizes_that_cannot_be),
		BIG(the_consumer_refuses_a_record_over_the_largest),
		SMALL(a_consumer_does_not_begin_at_a_position_that_cannot_be),
		SMALL(what_was_read_but_not_released_is_there_again),
		SMALL(counts_are_exact_wherever_the_consumer_was_killed),
		SMALL(releasing_nothing_changes_nothing),
		BIG(the_bell_is_for_a_sleeper_and_enough_bytes),
		SMALL(drained_is_closed_and_everything_looked_at),
		SMALL(waiting_publishes_and_ends_by_itself),
		SMALL(waiting_ends_at_once_where_room_was_made_meanwhile),
		SMALL(positions_that_cannot_be_do_not_end_the_wait),
		SMALL(a_release_wakes_the_producer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
