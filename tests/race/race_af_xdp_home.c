/* Tries to break the argument of af_xdp_home.h: frames go round between two workers, one of whom
 * writes into them as the kernel does. Every frame is there once at the end, and nobody saw a byte
 * that was written for somebody else. */
#include "dataplane/rx/af_xdp_home.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>

#include <cmocka.h>

enum { FRAMES = 96, SHIFT = 11, BATCH = 32, ROUNDS = 400000, WORDS = 4 };

/* Out: from the owner to the member, as the rx ring is. The way home is what is tested. */
static struct {
	struct af_xdp_home *out, *home;
	uint64_t frame[FRAMES][WORDS]; /* not atomic: ThreadSanitizer watches the order */
	_Atomic uint32_t torn;
} t;

static int set_up(void **state)
{
	(void)state;
	t.out = af_xdp_home_new(FRAMES);
	t.home = af_xdp_home_new(FRAMES);
	return t.out == NULL || t.home == NULL;
}

static int tear_down(void **state)
{
	(void)state;
	free(t.out);
	free(t.home);
	return 0;
}

static void write_into(uint64_t *frame, uint64_t value)
{
	for (int i = 0; i < WORDS; i++)
		frame[i] = value + (uint64_t)i;
}

static bool is_whole(const uint64_t *frame)
{
	for (int i = 1; i < WORDS; i++)
		if (frame[i] != frame[0] + (uint64_t)i)
			return false;
	return true;
}

static void *member(void *unused)
{
	uint64_t at[BATCH];

	for (uint32_t done = 0; done < ROUNDS;) {
		uint32_t n = af_xdp_home_pop(t.out, at, BATCH, SHIFT);

		for (uint32_t i = 0; i < n; i++)
			if (!is_whole(t.frame[at[i] >> SHIFT]))
				atomic_fetch_add_explicit(&t.torn, 1, memory_order_relaxed);
		if (n > 0)
			af_xdp_home_push(t.home, at, n, SHIFT);
		else
			sched_yield();
		done += n;
	}
	return unused;
}

static void send_out(uint64_t *at, uint32_t n, uint64_t *stamp)
{
	for (uint32_t i = 0; i < n; i++)
		write_into(t.frame[at[i] >> SHIFT], (*stamp)++ * WORDS);
	if (n > 0)
		af_xdp_home_push(t.out, at, n, SHIFT);
}

static void frames_go_round_and_each_is_read_before_it_is_written_again(void **state)
{
	uint64_t at[FRAMES], stamp = 1;
	uint32_t sent = FRAMES, back = 0;
	bool here[FRAMES] = { false };
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, member, NULL), 0);
	for (uint32_t i = 0; i < FRAMES; i++)
		at[i] = (uint64_t)i << SHIFT;
	send_out(at, FRAMES, &stamp);
	while (back < ROUNDS) {
		uint32_t n = af_xdp_home_pop(t.home, at, BATCH, SHIFT);
		uint32_t again = n < ROUNDS - sent ? n : ROUNDS - sent;

		back += n;
		send_out(at, again, &stamp);
		sent += again;
		for (uint32_t i = again; i < n; i++) {
			assert_false(here[at[i] >> SHIFT]);
			here[at[i] >> SHIFT] = true;
		}
		if (n == 0)
			sched_yield();
	}
	pthread_join(thread, NULL);
	assert_int_equal(back, ROUNDS);
	assert_int_equal(atomic_load(&t.torn), 0);
	for (uint32_t i = 0; i < FRAMES; i++)
		assert_true(here[i]);
	assert_int_equal(af_xdp_home_pop(t.home, at, BATCH, SHIFT), 0);
}

/* All of them at once fit, from any place in the ring, and nothing wraps over. */
static void there_is_always_room_for_every_frame(void **state)
{
	uint64_t at[FRAMES], got[FRAMES];

	(void)state;
	for (uint32_t i = 0; i < FRAMES; i++)
		at[i] = (uint64_t)(FRAMES - 1 - i) << SHIFT;
	for (int round = 0; round < 1000; round++) {
		af_xdp_home_push(t.home, at, FRAMES, SHIFT);
		assert_int_equal(af_xdp_home_pop(t.home, got, 7, SHIFT), 7);
		assert_int_equal(af_xdp_home_pop(t.home, got + 7, FRAMES, SHIFT), FRAMES - 7);
		assert_memory_equal(at, got, sizeof(at));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			frames_go_round_and_each_is_read_before_it_is_written_again, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(there_is_always_room_for_every_frame, set_up,
						tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
