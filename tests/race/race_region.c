/* Tries to break the promise of region.h that neither side believes the other: while one side
 * scribbles over every word of its half, the other attaches, reads and writes as it always does,
 * and neither crashes, hangs nor looks outside. What is true while it runs is checked too: a name
 * that is counted is whole, and a control that comes and goes sees every record.
 *
 * The two sides have mappings of their own, as in life.
 */
#include "dataplane/shm/region.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "dataplane/shm/record.h"

enum { RING = 64 * 1024, PROTOCOLS = 2, ATTACHES = 3000, WRITES = 200000, RECORDS = 200000 };

static struct region_writer w;
static _Atomic uint32_t stop;

static int make(void **state)
{
	(void)state;
	atomic_store(&stop, 0);
	return region_create(&w, 0, 1, RING, PROTOCOLS, "race");
}

static int destroy(void **state)
{
	(void)state;
	region_destroy(&w);
	return 0;
}

static uint64_t mixed(uint64_t v)
{
	v ^= v >> 33;
	v *= UINT64_C(0xff51afd7ed558ccd);
	v ^= v >> 33;
	return v;
}

static uint32_t lie(uint64_t random)
{
	switch (random % 4) {
	case 0: return (uint32_t)(random >> 40) & 0xff;
	case 1: return UINT32_C(1) << (random >> 8) % 32;
	case 2: return 0;
	default: return (uint32_t)random;
	}
}

struct target {
	void *at;
	size_t bytes;
	bool puts_back; /* each word gets its old value again, so that some attaches succeed */
};

static void *scribble(void *arg)
{
	const struct target *t = arg;
	_Atomic uint32_t *words = t->at;

	for (uint64_t i = 1; atomic_load_explicit(&stop, memory_order_relaxed) == 0; i++) {
		uint64_t random = mixed(i * UINT64_C(0x9e3779b97f4a7c15));
		_Atomic uint32_t *word = &words[random % (t->bytes / 4)];
		uint32_t before = atomic_load_explicit(word, memory_order_relaxed);

		atomic_store_explicit(word, lie(mixed(random)), memory_order_relaxed);
		if (t->puts_back)
			atomic_store_explicit(word, before, memory_order_relaxed);
	}
	return NULL;
}

/* Everything that control reads. False if something leads outside. */
static bool look_around(struct region_reader *r)
{
	struct counters seen;
	char name[REGION_INTERFACE_BYTES];

	(void)counters_snapshot(r->counters, &seen);
	for (uint32_t i = 0; i < r->protocols; i++)
		(void)histogram_quantile(&r->histogram[i], 0.99);
	for (uint32_t i = 0; i < REGION_INTERFACES; i++) {
		const char *known = region_interface(r, i);

		if (known != NULL)
			memcpy(name, known, sizeof(name));
	}
	for (int i = 0; i < 64; i++) {
		static _Alignas(8) uint8_t copy[RING];
		uint64_t bytes;
		const uint8_t *at = ring_peek(&r->ring, &bytes);

		if (at == NULL)
			break;
		if (at < r->data || bytes > RING || at + bytes > r->data + 2 * RING)
			return false;
		memcpy(copy, at, bytes);
		(void)record_check(copy, bytes);
		ring_next(&r->ring, bytes);
	}
	ring_release(&r->ring);
	(void)ring_drained(&r->ring);
	return true;
}

/* Attaches and reads, again and again. Returns how often it could. */
static uint32_t attach_often(void)
{
	uint32_t attached = 0;

	for (int i = 0; i < ATTACHES; i++) {
		struct region_reader r;
		int err = region_attach(&r, w.up_fd, w.down_fd);

		assert_true(err == 0 || err == -EPROTO);
		if (err != 0)
			continue;
		attached++;
		assert_int_equal(r.protocols, PROTOCOLS);
		assert_int_equal(r.ring_bytes, RING);
		assert_true(look_around(&r));
		*r.down = (struct ring_down){ 0 };
		region_detach(&r);
	}
	return attached;
}

static void a_dataplane_that_scribbles_over_its_header_is_survived(void **state)
{
	(void)state;
	struct target target = { w.header, sizeof(*w.header), true };
	pthread_t dataplane;

	assert_int_equal(pthread_create(&dataplane, NULL, scribble, &target), 0);
	assert_true(attach_often() > 0);
	atomic_store(&stop, 1);
	assert_int_equal(pthread_join(dataplane, NULL), 0);
}

static void a_dataplane_that_scribbles_over_everything_is_survived(void **state)
{
	(void)state;
	/* Behind what never changes: all that is read while attached, and the records. */
	uint8_t *changing = (uint8_t *)&w.header->ring;
	struct target head = { changing, w.head_bytes - offsetof(struct region_header, ring),
			       false };
	struct target data = { w.data, RING, false };
	pthread_t dataplane[2];

	assert_int_equal(pthread_create(&dataplane[0], NULL, scribble, &head), 0);
	assert_int_equal(pthread_create(&dataplane[1], NULL, scribble, &data), 0);
	(void)attach_often();
	atomic_store(&stop, 1);
	assert_int_equal(pthread_join(dataplane[0], NULL), 0);
	assert_int_equal(pthread_join(dataplane[1], NULL), 0);
}

static void a_control_that_scribbles_is_survived(void **state)
{
	(void)state;
	struct region_reader r;
	struct target target;
	pthread_t control;

	assert_int_equal(region_attach(&r, w.up_fd, w.down_fd), 0);
	target = (struct target){ r.down, sizeof(*r.down), false };
	assert_int_equal(pthread_create(&control, NULL, scribble, &target), 0);
	for (uint32_t i = 0; i < WRITES; i++) {
		uint64_t bytes = 16 + i % 512 * 8;
		uint8_t *at = ring_reserve(&w.ring, bytes);

		if (at == NULL) {
			ring_publish(&w.ring);
			if (i % 1024 == 0)
				ring_wait_room(&w.ring, 1);
			continue;
		}
		assert_true(at >= w.data && at + bytes <= w.data + 2 * RING);
		memset(at, 0xa5, bytes);
		ring_commit(&w.ring, bytes);
	}
	atomic_store(&stop, 1);
	assert_int_equal(pthread_join(control, NULL), 0);
	region_detach(&r);
}

static void *add_names(void *arg)
{
	for (uint32_t i = 0; i < REGION_INTERFACES; i++) {
		char name[REGION_INTERFACE_BYTES];

		snprintf(name, sizeof(name), "an-interface-with-a-long-name-%u", i);
		region_interface_add(&w, name);
		sched_yield();
	}
	return arg;
}

static void a_name_that_is_counted_is_whole(void **state)
{
	(void)state;
	struct region_reader r;
	pthread_t dataplane;
	uint32_t known = 0;

	assert_int_equal(region_attach(&r, w.up_fd, w.down_fd), 0);
	assert_int_equal(pthread_create(&dataplane, NULL, add_names, NULL), 0);
	while (known < REGION_INTERFACES) {
		const char *name = region_interface(&r, known);
		char expected[REGION_INTERFACE_BYTES];

		if (name == NULL)
			continue;
		snprintf(expected, sizeof(expected), "an-interface-with-a-long-name-%u", known++);
		assert_string_equal(name, expected);
	}
	assert_int_equal(pthread_join(dataplane, NULL), 0);
	region_detach(&r);
}

/* One control after the other, each for a few records, until nothing follows. */
static bool controls_see_every_record(void)
{
	uint64_t next = 0;
	bool done = false;

	while (!done) {
		struct region_reader r;

		if (region_attach(&r, w.up_fd, w.down_fd) != 0)
			return false;
		for (int i = 0; i < 5000 && !done; i++) {
			uint64_t bytes;
			const uint64_t *at = ring_peek(&r.ring, &bytes);

			done = ring_drained(&r.ring);
			if (at == NULL) {
				ring_release(&r.ring);
				sched_yield();
				continue;
			}
			if (at[1] != next++)
				return false;
			ring_next(&r.ring, bytes);
		}
		ring_release(&r.ring);
		region_detach(&r);
	}
	return next == RECORDS;
}

static void controls_that_come_and_go_see_every_record(void **state)
{
	(void)state;
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (child == 0)
		_exit(controls_see_every_record() ? 0 : 1);
	for (uint64_t i = 0; i < RECORDS;) {
		uint64_t bytes = 16 + i % 32 * 8, *at = ring_reserve(&w.ring, bytes);

		if (at == NULL) {
			ring_wait_room(&w.ring, 1000);
			continue;
		}
		at[0] = bytes;
		at[1] = i++;
		ring_commit(&w.ring, bytes);
	}
	ring_close(&w.ring);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(w.down->records, RECORDS);
}

int main(void)
{
#define MADE(f) cmocka_unit_test_setup_teardown(f, make, destroy)
	const struct CMUnitTest tests[] = {
		MADE(a_dataplane_that_scribbles_over_its_header_is_survived),
		MADE(a_dataplane_that_scribbles_over_everything_is_survived),
		MADE(a_control_that_scribbles_is_survived),
		MADE(a_name_that_is_counted_is_whole),
		MADE(controls_that_come_and_go_see_every_record),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
