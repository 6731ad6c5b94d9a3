/* Tries to break the argument of counters.h with writer and reader running at once, as threads and
 * as processes: every snapshot belongs to one moment, and moments do not go back; a writer killed
 * at any point leaves a consistent page or none; a writer that scribbles cannot keep a reader for
 * ever.
 */
#include "dataplane/shm/counters.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { SNAPSHOTS = 20000, KILLS = 30, ADDITIONS = 300000 };

static struct shared {
	struct counters_page page;
	struct histogram histogram;
	_Atomic uint32_t stop;
} * s;

static int map_shared(void **state)
{
	(void)state;
	s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return s == MAP_FAILED ? -1 : 0;
}

static int unmap_shared(void **state)
{
	(void)state;
	return munmap(s, sizeof(*s));
}

/* Moment n: counter i holds n * (i + 1), so that two moments have no value in common. */
static void *publish_moments(void *arg)
{
	struct counters c;

	for (uint64_t n = 1; atomic_load_explicit(&s->stop, memory_order_relaxed) == 0; n++) {
		for (unsigned i = 0; i < COUNTER_COUNT; i++)
			c.value[i] = n * (i + 1);
		counters_publish(&s->page, &c);
		sched_yield();
	}
	return arg;
}

static bool one_moment(const struct counters *c)
{
	for (unsigned i = 0; i < COUNTER_COUNT; i++)
		if (c->value[i] != c->value[0] * (i + 1))
			return false;
	return true;
}

/* Takes snapshots while somebody publishes. */
static void assert_moments_in_order(void)
{
	uint64_t last = 0, taken = 0;

	for (int i = 0; i < SNAPSHOTS; i++) {
		struct counters seen;

		if (!counters_snapshot(&s->page, &seen)) {
			sched_yield(); /* to a writer that lost its core in the middle */
			continue;
		}
		taken++;
		assert_true(one_moment(&seen));
		assert_true(seen.value[0] >= last);
		last = seen.value[0];
	}
	assert_true(taken > SNAPSHOTS / 100);
	assert_true(last > 0);
}

static void a_snapshot_is_of_one_moment_between_threads(void **state)
{
	(void)state;
	pthread_t writer;

	assert_int_equal(pthread_create(&writer, NULL, publish_moments, NULL), 0);
	while (atomic_load(&s->page.sequence) == 0)
		sched_yield();
	assert_moments_in_order();
	atomic_store(&s->stop, 1);
	assert_int_equal(pthread_join(writer, NULL), 0);
}

static pid_t writer_start(void)
{
	uint64_t sequence = atomic_load(&s->page.sequence);
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		publish_moments(NULL);
		_exit(0);
	}
	while (atomic_load(&s->page.sequence) == sequence)
		sched_yield();
	return child;
}

static void a_snapshot_is_of_one_moment_between_processes(void **state)
{
	(void)state;
	pid_t child = writer_start();

	assert_moments_in_order();
	atomic_store(&s->stop, 1);
	assert_int_equal(waitpid(child, NULL, 0), child);
}

static void a_killed_writer_leaves_a_moment_or_nothing(void **state)
{
	(void)state;
	for (int i = 0; i < KILLS; i++) {
		struct counters seen;
		pid_t child = writer_start();

		usleep((useconds_t)i * 31);
		kill(child, SIGKILL);
		assert_int_equal(waitpid(child, NULL, 0), child);
		assert_true(counters_snapshot(&s->page, &seen) == (s->page.sequence % 2 == 0));
		if (s->page.sequence % 2 == 0)
			assert_true(one_moment(&seen));
	}
}

static void *scribble(void *arg)
{
	_Atomic uint64_t *word = (void *)&s->page;
	uint64_t v = 1;

	while (atomic_load_explicit(&s->stop, memory_order_relaxed) == 0) {
		v = v * UINT64_C(6364136223846793005) + 1;
		atomic_store_explicit(&word[v >> 33 & (v >> 20 & 1 ? 0 : 63)], v >> 3,
				      memory_order_relaxed);
	}
	return arg;
}

static void a_scribbling_writer_does_not_keep_a_reader(void **state)
{
	(void)state;
	pthread_t writer;
	struct counters seen;

	assert_int_equal(pthread_create(&writer, NULL, scribble, NULL), 0);
	for (int i = 0; i < SNAPSHOTS; i++)
		(void)counters_snapshot(&s->page, &seen); /* whatever it says, it returns */
	atomic_store(&s->stop, 1);
	assert_int_equal(pthread_join(writer, NULL), 0);
}

static void *add_observations(void *arg)
{
	for (uint64_t i = 0; i < ADDITIONS; i++)
		histogram_add(&s->histogram, 1000 + i % 1000);
	atomic_store(&s->stop, 1);
	return arg;
}

static void quantiles_hold_while_observations_are_added(void **state)
{
	(void)state;
	uint64_t floor_ns = histogram_floor(histogram_bucket(1000));
	pthread_t writer;
	uint64_t total = 0;

	assert_int_equal(pthread_create(&writer, NULL, add_observations, NULL), 0);
	while (atomic_load(&s->stop) == 0) {
		uint64_t median_ns = histogram_quantile(&s->histogram, 0.5);

		assert_true(median_ns == 0 || (median_ns >= floor_ns && median_ns < 2000));
	}
	assert_int_equal(pthread_join(writer, NULL), 0);
	for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++)
		total += s->histogram.count[i];
	assert_int_equal(total, ADDITIONS);
}

int main(void)
{
#define SHARED(f) cmocka_unit_test_setup_teardown(f, map_shared, unmap_shared)
	const struct CMUnitTest tests[] = {
		SHARED(a_snapshot_is_of_one_moment_between_threads),
		SHARED(a_snapshot_is_of_one_moment_between_processes),
		SHARED(a_killed_writer_leaves_a_moment_or_nothing),
		SHARED(a_scribbling_writer_does_not_keep_a_reader),
		SHARED(quantiles_hold_while_observations_are_added),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
