/* Proves threads.h: every thread but the caller's is asked once, an answer that is not 0 is
 * returned, and a thread that cannot be reached is told, not waited for without end. */
#include "dataplane/base/threads.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "tests/support/check.h"

enum { THREADS = 5 };

static atomic_bool leave;
static atomic_uint begun, asked;
static __thread bool was_asked;

static void *live(void *blocks)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, THREADS_SIGNAL);
	if (blocks != NULL)
		pthread_sigmask(SIG_BLOCK, &set, NULL);
	atomic_fetch_add(&begun, 1);
	while (!atomic_load(&leave))
		usleep(1000);
	return (void *)(uintptr_t)was_asked;
}

static void start(pthread_t *thread, int count, void *blocks)
{
	atomic_store(&leave, false);
	atomic_store(&begun, 0);
	atomic_store(&asked, 0);
	for (int i = 0; i < count; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, live, blocks), 0);
	while (atomic_load(&begun) < (unsigned)count)
		usleep(100);
}

static int count_me(void *context)
{
	was_asked = true;
	atomic_fetch_add(&asked, 1);
	return *(int *)context;
}

static void every_other_thread_is_asked_once(void **state)
{
	pthread_t thread[THREADS];
	int ok = 0;

	(void)state;
	start(thread, THREADS, NULL);
	assert_int_equal(threads_each(count_me, &ok), 0);
	assert_int_equal(atomic_load(&asked), THREADS);
	assert_false(was_asked);
	atomic_store(&leave, true);
	for (int i = 0; i < THREADS; i++) {
		void *result;

		pthread_join(thread[i], &result);
		assert_ptr_equal(result, (void *)1);
	}
}

static void an_answer_that_is_not_0_ends_the_asking(void **state)
{
	pthread_t thread[THREADS];
	int no = -EPERM;

	(void)state;
	start(thread, THREADS, NULL);
	assert_int_equal(threads_each(count_me, &no), -EPERM);
	assert_int_equal(atomic_load(&asked), 1);
	atomic_store(&leave, true);
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
}

static void a_thread_that_cannot_be_reached_is_told(void **state)
{
	pthread_t thread;
	int ok = 0;

	(void)state;
	start(&thread, 1, &ok);
	assert_int_equal(threads_each(count_me, &ok), -ETIMEDOUT);
	atomic_store(&leave, true);
	pthread_join(thread, NULL);
}

static void alone_there_is_nobody_to_ask(void **state)
{
	int no = -EPERM;

	(void)state;
	assert_int_equal(threads_each(count_me, &no), 0);
}

static int forbid(void *unused)
{
	(void)unused;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

static void *says_what_it_may(void *unused)
{
	(void)unused;
	while (!atomic_load(&leave))
		usleep(1000);
	return (void *)(intptr_t)prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
}

/* What is forbidden belongs to a thread: this is what the sandbox does it for. */
static void what_belongs_to_a_thread_reaches_it(void **state)
{
	pthread_t thread;
	void *forbidden;

	(void)state;
	atomic_store(&leave, false);
	assert_int_equal(pthread_create(&thread, NULL, says_what_it_may, NULL), 0);
	assert_int_equal(threads_each(forbid, NULL), 0);
	atomic_store(&leave, true);
	pthread_join(thread, &forbidden);
	assert_ptr_equal(forbidden, (void *)1);
	assert_int_equal(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 0); /* the caller does it itself */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_other_thread_is_asked_once),
		cmocka_unit_test(an_answer_that_is_not_0_ends_the_asking),
		cmocka_unit_test(a_thread_that_cannot_be_reached_is_told),
		cmocka_unit_test(alone_there_is_nobody_to_ask),
		cmocka_unit_test(what_belongs_to_a_thread_reaches_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
