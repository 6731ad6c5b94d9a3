/* Proves arena.h: what is handed out is counted to the byte, aligned, and must be back at the end.
 */
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dataplane/base/arena.h"
#include "tests/support/check.h"

static struct arena arena;

static int open_arena(void **state)
{
	assert_int_equal(arena_init(&arena), 0);
	*state = &arena;
	return 0;
}

static int close_arena(void **state)
{
	arena_fini(*state);
	return 0;
}

static void blocks_are_counted_to_the_byte(void **state)
{
	struct arena *a = *state;
	void *one = arena_take(a, 1), *many = arena_take(a, 100000);

	assert_non_null(one);
	assert_non_null(many);
	assert_int_equal(a->held_bytes, 100001);
	arena_give(a, one, 1);
	assert_int_equal(a->held_bytes, 100000);
	arena_give(a, many, 100000);
	assert_int_equal(a->held_bytes, 0);
}

static void blocks_are_aligned_and_do_not_overlap(void **state)
{
	struct arena *a = *state;
	uint8_t *block[200];

	for (size_t i = 0; i < 200; i++) {
		block[i] = arena_take(a, i + 1);
		/* Nothing of a type that wants 16 bytes fits a smaller block. */
		if (i + 1 >= 16)
			assert_int_equal((uintptr_t)block[i] % 16, 0);
		memset(block[i], (int)i, i + 1);
	}
	for (size_t i = 0; i < 200; i++) {
		for (size_t k = 0; k <= i; k++)
			assert_int_equal(block[i][k], i);
		arena_give(a, block[i], i + 1);
	}
}

static void zeroed_blocks_are_zero_even_where_memory_was_used_before(void **state)
{
	struct arena *a = *state;

	for (int round = 0; round < 10; round++) {
		uint8_t *block = arena_take_zeroed(a, 300);

		for (size_t i = 0; i < 300; i++)
			assert_int_equal(block[i], 0);
		memset(block, 0xff, 300);
		arena_give(a, block, 300);
	}
}

static void a_resized_block_keeps_its_bytes(void **state)
{
	struct arena *a = *state;
	uint8_t *block = arena_take(a, 10);

	memcpy(block, "0123456789", 10);
	block = arena_resize(a, block, 10, 1 << 20);
	assert_non_null(block);
	assert_memory_equal(block, "0123456789", 10);
	assert_int_equal(a->held_bytes, 1 << 20);
	block = arena_resize(a, block, 1 << 20, 4);
	assert_memory_equal(block, "0123", 4);
	assert_int_equal(a->held_bytes, 4);
	arena_give(a, block, 4);
}

static void giving_nothing_changes_nothing(void **state)
{
	struct arena *a = *state;

	arena_give(a, NULL, 100);
	assert_int_equal(a->held_bytes, 0);
}

static void arenas_count_for_themselves(void **state)
{
	struct arena *a = *state, other;
	void *block = arena_take(a, 50);

	assert_int_equal(arena_init(&other), 0);
	assert_int_equal(other.held_bytes, 0);
	arena_fini(&other);
	assert_int_equal(a->held_bytes, 50);
	arena_give(a, block, 50);
}

static void a_zeroed_arena_may_be_ended(void **state)
{
	struct arena none = { 0 };

	(void)state;
	arena_fini(&none);
	assert_int_equal(none.held_bytes, 0);
}

/* Run in a child, whose standard error is nobody's business. Returns the signal that ended it. */
static int signal_of(void (*act)(struct arena *a))
{
	int status = 0;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0) {
		struct arena a;

		signal(SIGABRT, SIG_DFL);
		close(STDERR_FILENO);
		if (arena_init(&a) == 0)
			act(&a);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void forget_a_block(struct arena *a)
{
	void *volatile block = arena_take(a, 10);

	(void)block;
	arena_fini(a);
}

static void give_more_than_was_taken(struct arena *a)
{
	arena_give(a, arena_take(a, 10), 11);
}

static void forgotten_blocks_stop_the_process(void **state)
{
	(void)state;
	assert_int_equal(signal_of(forget_a_block), SIGABRT);
}

static void giving_back_more_than_was_taken_stops_the_process(void **state)
{
	(void)state;
	assert_int_equal(signal_of(give_more_than_was_taken), SIGABRT);
}

static void the_process_total_follows_what_is_taken(void **state)
{
#ifdef __SANITIZE_ADDRESS__
	(void)state;
	skip(); /* the sanitizer's allocator keeps no such statistics */
#else
	enum { BYTES = 16 << 20 };
	struct arena *a = *state;
	uint64_t before = arena_process_bytes();
	void *block = arena_take(a, BYTES);

	/* Large blocks of plain malloc are mapped and not counted with the heap's. */
	if (arena_process_bytes() != before)
		assert_true(arena_process_bytes() >= before + BYTES);
	arena_give(a, block, BYTES);
	assert_true(arena_process_bytes() < before + BYTES);
#endif
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, open_arena, close_arena)
	const struct CMUnitTest tests[] = {
		T(blocks_are_counted_to_the_byte),
		T(blocks_are_aligned_and_do_not_overlap),
		T(zeroed_blocks_are_zero_even_where_memory_was_used_before),
		T(a_resized_block_keeps_its_bytes),
		T(giving_nothing_changes_nothing),
		T(arenas_count_for_themselves),
		T(a_zeroed_arena_may_be_ended),
		T(forgotten_blocks_stop_the_process),
		T(giving_back_more_than_was_taken_stops_the_process),
		T(the_process_total_follows_what_is_taken),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
