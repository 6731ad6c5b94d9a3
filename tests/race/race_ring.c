/* Tries to break the argument of ring.h with the two sides running at once, as threads (which
 * ThreadSanitizer watches: both use one mapping, so it sees every access) and as processes: nothing
 * is lost, torn or reordered; no wake-up is lost; consumers killed at any moment leave both counts
 * exact; a side that scribbles over every word it can write makes the other refuse, but never
 * crash, hang or look outside.
 */
#include "dataplane/shm/ring.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "dataplane/base/clock.h"

enum {
	RING = 64 * 1024,
	RECORDS = 300000,
	BATCH = 32, /* records between two publishes, and between two releases */
	ROUNDS = 100000,
	KILLS = 30,
	SCRIBBLES = 200000,
	PATIENCE_MS = 20000, /* a wake-up lost would be this late */
};

/* What both sides can see. One page each, as in a region; `seen` is the test's own. */
struct shared {
	struct ring_up up;
	_Alignas(4096) struct ring_down down;
	_Alignas(4096) _Atomic uint32_t seen[RECORDS];
	_Atomic uint32_t stop;
};

static struct {
	int fd, words_fd;
	struct shared *s;
	uint8_t *data;
	struct ring_producer tx;
	struct ring_consumer rx;
} t;

static void *map_words(void)
{
	void *at = mmap(NULL, sizeof(struct shared), PROT_READ | PROT_WRITE, MAP_SHARED, t.words_fd,
			0);

	assert_ptr_not_equal(at, MAP_FAILED);
	return at;
}

static int open_ring(void **state)
{
	(void)state;
	t.fd = memfd_create("ring", MFD_CLOEXEC);
	t.words_fd = memfd_create("words", MFD_CLOEXEC);
	assert_int_equal(ftruncate(t.fd, RING), 0);
	assert_int_equal(ftruncate(t.words_fd, sizeof(struct shared)), 0);
	t.s = map_words();
	t.data = ring_map(t.fd, 0, RING, true);
	assert_non_null(t.data);
	ring_producer_init(&t.tx, t.data, RING, &t.s->up, &t.s->down);
	return ring_consumer_init(&t.rx, t.data, RING, &t.s->up, &t.s->down);
}

static int close_ring(void **state)
{
	(void)state;
	munmap(t.data, 2 * RING);
	munmap(t.s, sizeof(*t.s));
	close(t.words_fd);
	return close(t.fd);
}

static uint32_t size_of(uint32_t seq)
{
	return 16 + (seq * UINT32_C(2654435761) >> 24) * 8;
}

static void fill(uint32_t *at, uint32_t seq)
{
	uint32_t words = size_of(seq) / 4;

	at[0] = words * 4;
	for (uint32_t i = 1; i < words; i++)
		at[i] = seq + i;
}

static bool filled(const uint32_t *at, uint64_t bytes, uint32_t seq)
{
	bool good = bytes == size_of(seq);

	for (uint32_t i = 1; good && i < bytes / 4; i++)
		good = at[i] == seq + i;
	return good;
}

/* Writes all records: a live source tries again and again, a file sleeps. */
static void produce(bool sleeps)
{
	for (uint32_t seq = 0; seq < RECORDS;) {
		uint32_t *at = ring_reserve(&t.tx, size_of(seq));

		if (at == NULL && sleeps) {
			ring_wait_room(&t.tx, PATIENCE_MS);
			continue;
		}
		if (at == NULL) {
			ring_publish(&t.tx);
			sched_yield();
			continue;
		}
		fill(at, seq);
		ring_commit(&t.tx, size_of(seq));
		if (++seq % BATCH == 0)
			ring_publish(&t.tx);
	}
	ring_close(&t.tx);
}

static void *produce_live(void *arg)
{
	produce(false);
	return arg;
}

static void *produce_sleeping(void *arg)
{
	produce(true);
	return arg;
}

/* Reads on until the end. False at the first record that is not the next one, whole. */
static bool consume(void)
{
	while (!ring_drained(&t.rx)) {
		uint32_t seq = (uint32_t)t.rx.records;
		uint64_t bytes;
		const uint32_t *at = ring_peek(&t.rx, &bytes);

		if (at == NULL && bytes != 0)
			return false;
		if (at == NULL) {
			ring_release(&t.rx);
			sched_yield();
			continue;
		}
		if (seq >= RECORDS || !filled(at, bytes, seq))
			return false;
		atomic_fetch_add_explicit(&t.s->seen[seq], 1, memory_order_relaxed);
		ring_next(&t.rx, bytes);
		if (t.rx.records % BATCH == 0)
			ring_release(&t.rx);
	}
	ring_release(&t.rx);
	return true;
}

static void assert_all_arrived(void)
{
	for (uint32_t i = 0; i < RECORDS; i++)
		assert_true(t.s->seen[i] >= 1);
	assert_int_equal(t.s->up.records, RECORDS);
	assert_int_equal(t.s->down.records, RECORDS);
	assert_true(t.s->down.read == t.s->up.written);
	assert_true(t.tx.refused == 0);
}

static void two_threads_see_one_order(void **state)
{
	(void)state;
	pthread_t producer;

	assert_int_equal(pthread_create(&producer, NULL, produce_live, NULL), 0);
	assert_true(consume());
	assert_int_equal(pthread_join(producer, NULL), 0);
	assert_all_arrived();
}

static void no_wake_up_is_lost_between_threads(void **state)
{
	(void)state;
	uint64_t begin_ns = clock_monotonic_ns();
	pthread_t producer;

	assert_int_equal(pthread_create(&producer, NULL, produce_sleeping, NULL), 0);
	assert_true(consume());
	assert_int_equal(pthread_join(producer, NULL), 0);
	assert_all_arrived();
	assert_true(clock_monotonic_ns() - begin_ns < PATIENCE_MS * UINT64_C(1000000));
}

/* Every record fills the ring, so each one needs a wait and a wake-up of its own. */
static void *produce_one_at_a_time(void *arg)
{
	for (uint32_t i = 0; i < ROUNDS; i++) {
		uint32_t *at;

		while ((at = ring_reserve(&t.tx, RING)) == NULL)
			ring_wait_room(&t.tx, PATIENCE_MS);
		at[0] = RING;
		ring_commit(&t.tx, RING);
	}
	ring_close(&t.tx);
	return arg;
}

static void no_wake_up_is_lost_where_every_record_needs_one(void **state)
{
	(void)state;
	uint64_t begin_ns = clock_monotonic_ns(), bytes;
	pthread_t producer;

	assert_int_equal(pthread_create(&producer, NULL, produce_one_at_a_time, NULL), 0);
	while (!ring_drained(&t.rx)) {
		if (ring_peek(&t.rx, &bytes) == NULL)
			continue; /* spinning, so that the release comes as close as it can */
		ring_next(&t.rx, bytes);
		ring_release(&t.rx);
	}
	assert_int_equal(pthread_join(producer, NULL), 0);
	assert_int_equal(t.s->down.records, ROUNDS);
	assert_true(clock_monotonic_ns() - begin_ns < PATIENCE_MS * UINT64_C(1000000));
}

/* ---- as processes ---- */

/* A consumer that begins where the last one released; it dies with us, should a test fail. */
static pid_t consumer_start(void)
{
	pid_t child = fork();

	if (child != 0)
		return child;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (ring_consumer_init(&t.rx, t.data, RING, &t.s->up, &t.s->down) != 0)
		_exit(2);
	_exit(consume() ? 0 : 1);
}

static void two_processes_see_one_order(void **state)
{
	(void)state;
	uint64_t begin_ns = clock_monotonic_ns();
	pid_t child = consumer_start();
	int status;

	assert_true(child > 0);
	produce(true);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_all_arrived();
	for (uint32_t i = 0; i < RECORDS; i++)
		assert_int_equal(t.s->seen[i], 1);
	assert_true(clock_monotonic_ns() - begin_ns < PATIENCE_MS * UINT64_C(1000000));
}

/* In a child: what is killed at some moment is replaced by the next. */
static bool kill_consumers_until_done(void)
{
	for (int i = 0; i < KILLS; i++) {
		pid_t child = consumer_start();
		int status;

		usleep(200 + (useconds_t)i * 97);
		kill(child, SIGKILL);
		waitpid(child, &status, 0);
		if (WIFEXITED(status) && WEXITSTATUS(status) != 0)
			return false;
	}
	return ring_consumer_init(&t.rx, t.data, RING, &t.s->up, &t.s->down) == 0 && consume();
}

static void killed_consumers_lose_nothing_and_keep_the_count(void **state)
{
	(void)state;
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(kill_consumers_until_done() ? 0 : 1);
	}
	/* The one who dies between moving `read` and waking leaves the producer to its timeout. */
	for (uint32_t seq = 0; seq < RECORDS;) {
		uint32_t *at = ring_reserve(&t.tx, size_of(seq));

		if (at == NULL) {
			ring_wait_room(&t.tx, 10);
			continue;
		}
		fill(at, seq);
		ring_commit(&t.tx, size_of(seq++));
	}
	ring_close(&t.tx);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_all_arrived();
}

/* ---- scribbling ---- */

struct target {
	void *at;
	size_t bytes;
};

static uint64_t mixed(uint64_t v)
{
	v ^= v >> 33;
	v *= UINT64_C(0xff51afd7ed558ccd);
	v ^= v >> 33;
	return v;
}

/* Small numbers and powers of two fool more than random ones do. */
static uint64_t lie(uint64_t random)
{
	switch (random % 4) {
	case 0: return random >> 32;
	case 1: return random % 64 * 8;
	case 2: return UINT64_C(1) << (random >> 8) % 64;
	default: return random;
	}
}

static void *scribble(void *arg)
{
	const struct target *target = arg;
	_Atomic uint64_t *words = target->at;

	for (uint64_t i = 1; atomic_load_explicit(&t.s->stop, memory_order_relaxed) == 0; i++) {
		uint64_t random = mixed(i * UINT64_C(0x9e3779b97f4a7c15));

		atomic_store_explicit(&words[random % (target->bytes / 8)], lie(mixed(random)),
				      memory_order_relaxed);
	}
	return NULL;
}

static pthread_t scribbler_start(struct target *target)
{
	pthread_t scribbler;

	atomic_store(&t.s->stop, 0);
	assert_int_equal(pthread_create(&scribbler, NULL, scribble, target), 0);
	return scribbler;
}

static void scribbler_stop(pthread_t scribbler)
{
	atomic_store(&t.s->stop, 1);
	assert_int_equal(pthread_join(scribbler, NULL), 0);
}

static void a_scribbling_consumer_cannot_lead_the_producer_outside(void **state)
{
	(void)state;
	/* Another mapping of the same page, as another process would have. */
	struct shared *other = map_words();
	struct target target = { &other->down, sizeof(other->down) };
	pthread_t scribbler = scribbler_start(&target);

	for (uint32_t i = 0; i < SCRIBBLES; i++) {
		uint64_t bytes = size_of(i);
		uint8_t *at = ring_reserve(&t.tx, bytes);

		assert_true(t.tx.read <= t.tx.published);
		assert_true(t.tx.written - t.tx.read <= RING);
		if (at == NULL) {
			ring_publish(&t.tx);
			if (i % 1024 == 0)
				ring_wait_room(&t.tx, 1);
			continue;
		}
		assert_true(at >= t.data && at + bytes <= t.data + 2 * RING);
		memset(at, 0xa5, bytes);
		ring_commit(&t.tx, bytes);
	}
	scribbler_stop(scribbler);
	assert_true(t.tx.refused > 0);
	munmap(other, sizeof(*other));
}

/* Looks at up to `limit` records as they come; false if one leads outside. */
static bool look_around(uint32_t limit, volatile uint32_t *sum)
{
	for (uint32_t i = 0; i < limit; i++) {
		uint64_t bytes;
		const uint8_t *at = ring_peek(&t.rx, &bytes);

		if (at == NULL && bytes != 0 && bytes != UINT64_MAX)
			return false;
		if (at == NULL)
			return true;
		if (at < t.rx.data || bytes > RING || at + bytes > t.rx.data + 2 * RING)
			return false;
		for (uint64_t b = 0; b < bytes; b += 4)
			*sum += *(const volatile uint32_t *)(const void *)(at + b);
		ring_next(&t.rx, bytes);
	}
	return true;
}

static void a_scribbling_producer_cannot_lead_the_consumer_outside(void **state)
{
	(void)state;
	struct shared *other = map_words();
	uint8_t *other_data = ring_map(t.fd, 0, RING, true);
	struct target words = { &other->up, sizeof(other->up) }, data = { other_data, RING };
	volatile uint32_t sum = 0;
	pthread_t scribbler[2];
	uint32_t begun = 0;

	assert_non_null(other_data);
	scribbler[0] = scribbler_start(&words);
	scribbler[1] = scribbler_start(&data);
	/* On a busy machine it may take long until nonsense happens to look right. */
	for (uint32_t i = 0; i < SCRIBBLES || (begun == 0 && i < 1000 * SCRIBBLES); i++) {
		/* A consumer that was told nonsense detaches, and one attaches again. */
		if (ring_consumer_init(&t.rx, t.data, RING, &t.s->up, &t.s->down) == 0) {
			begun++;
			assert_true(look_around(16, &sum));
			ring_release(&t.rx);
			(void)ring_drained(&t.rx);
		} else {
			t.s->down = (struct ring_down){ 0 };
		}
	}
	scribbler_stop(scribbler[0]);
	scribbler_stop(scribbler[1]);
	assert_true(begun > 0);
	munmap(other_data, 2 * RING);
	munmap(other, sizeof(*other));
}

int main(void)
{
#define OPEN(f) cmocka_unit_test_setup_teardown(f, open_ring, close_ring)
	const struct CMUnitTest tests[] = {
		OPEN(two_threads_see_one_order),
		OPEN(no_wake_up_is_lost_between_threads),
		OPEN(no_wake_up_is_lost_where_every_record_needs_one),
		OPEN(two_processes_see_one_order),
		OPEN(killed_consumers_lose_nothing_and_keep_the_count),
		OPEN(a_scribbling_consumer_cannot_lead_the_producer_outside),
		OPEN(a_scribbling_producer_cannot_lead_the_consumer_outside),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
