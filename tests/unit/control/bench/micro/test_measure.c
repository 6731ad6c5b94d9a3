/* measure, counting: what is counted is what was done between warm-up and end, to the last one. */
#include "tests/support/check.h"

#include <math.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "control/bench/micro/measure.h"
#include "dataplane/base/arena.h"
#include "dataplane/base/clock.h"

uint64_t micro_used;

void micro_need(bool ok, const char *sentence)
{
	if (!ok)
		fail_msg("%s", sentence);
}

enum { PER_RUN = 4 };

struct toy {
	uint64_t operations;
	struct arena *arena; /* a block of it per operation; NULL: none */
	uint32_t blocks;     /* of malloc() per operation */
	bool maps;
	uint64_t sleep_ns; /* per run */
};

static uint64_t run(void *of)
{
	struct toy *t = of;
	struct timespec sleep = { .tv_nsec = (long)t->sleep_ns };

	for (int i = 0; i < PER_RUN; i++) {
		for (uint32_t k = 0; k < t->blocks; k++) {
			void *volatile block = malloc(48);

			free(block);
		}
		if (t->arena != NULL)
			arena_give(t->arena, arena_take(t->arena, 100), 100);
		if (t->maps) {
			void *at = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

			assert_true(at != MAP_FAILED);
			munmap(at, 4096);
		}
	}
	if (t->sleep_ns != 0)
		nanosleep(&sleep, NULL);
	t->operations += PER_RUN;
	return PER_RUN;
}

static const struct micro_benchmark toy = { .name = "toy", .operation = "turn", .run = run };

static void work_without_an_allocation_has_none(void **state)
{
	struct toy t = { .sleep_ns = 1 };
	struct measured m;

	(void)state;
	measure(&toy, &t, 0.01, 0, &m);
	assert_true(m.allocations == 0);
	assert_true(m.allocated_bytes == 0);
}

static void every_allocation_is_counted(void **state)
{
	struct toy t = { .blocks = 3 };
	struct measured m;

	(void)state;
	measure(&toy, &t, 0.01, 0, &m);
	assert_true(m.allocations == 3);
#ifndef ARENA_MALLOC
	assert_true(m.allocated_bytes == 3 * 48);
#endif
}

static void those_of_the_arena_too(void **state)
{
	struct arena a;
	struct toy t = { .arena = &a };
	struct measured m;

	(void)state;
	assert_int_equal(arena_init(&a), 0);
	measure(&toy, &t, 0.01, 0, &m);
	arena_fini(&a);
	assert_true(m.allocations == 1);
#ifndef ARENA_MALLOC
	assert_true(m.allocated_bytes >= 100 && m.allocated_bytes < 200);
#endif
}

static void and_mappings(void **state)
{
	struct toy t = { .maps = true };
	struct measured m;

	(void)state;
	measure(&toy, &t, 0.01, 0, &m);
	assert_true(m.allocations == 1);
}

static void one_allocation_in_all_that_time_is_seen(void **state)
{
	struct toy t = { .sleep_ns = 1 };
	struct measured m;

	(void)state;
	t.blocks = 1; /* in one run, the only one */
	measure(&toy, &t, 1, 1, &m);
	assert_int_equal(m.operations, PER_RUN);
	assert_true(m.allocations == 1);
}

/* The time of sleeping, because it is the least that a run can take. */
static void time_is_that_of_one_operation(void **state)
{
	struct toy t = { .sleep_ns = 2000000 };
	struct measured m;

	(void)state;
	measure(&toy, &t, 0.03, 0, &m);
	assert_true(m.ns >= 2000000.0 / PER_RUN);
	assert_true(m.ns < 1e9 && m.least_ns <= m.ns);
	assert_true(m.cycles > 0);
}

static void the_warm_up_is_told_and_not_measured(void **state)
{
	struct toy t = { .sleep_ns = 1000 };
	struct measured m;

	(void)state;
	measure(&toy, &t, 0.02, 0, &m);
	assert_int_equal(m.all, t.operations);
	assert_true(m.operations < m.all);
	assert_true(m.operations >= 5 * PER_RUN);
}

static void so_many_runs_are_so_many(void **state)
{
	struct toy t = { 0 };
	struct measured m;

	(void)state;
	measure(&toy, &t, 1, 17, &m);
	assert_int_equal(t.operations, 17 * PER_RUN);
	assert_int_equal(m.operations, 17 * PER_RUN);
	assert_int_equal(m.all, 17 * PER_RUN);
}

/* Where the kernel gives no counter it is NaN, never 0: that would read as "none". */
static void what_cannot_be_counted_is_no_number(void **state)
{
	struct toy t = { .blocks = 1 };
	struct measured m;

	(void)state;
	measure(&toy, &t, 0.01, 0, &m);
	assert_true(isnan(m.instructions) || m.instructions > 1);
	assert_true(isnan(m.system_calls) || (m.system_calls >= 0 && m.system_calls < 1));
	if (m.by_pmu)
		assert_true(m.cycles > 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(work_without_an_allocation_has_none),
		cmocka_unit_test(every_allocation_is_counted),
		cmocka_unit_test(those_of_the_arena_too),
		cmocka_unit_test(and_mappings),
		cmocka_unit_test(one_allocation_in_all_that_time_is_seen),
		cmocka_unit_test(time_is_that_of_one_operation),
		cmocka_unit_test(the_warm_up_is_told_and_not_measured),
		cmocka_unit_test(so_many_runs_are_so_many),
		cmocka_unit_test(what_cannot_be_counted_is_no_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
