/* Proves what map.h promises: the memory is zero from its first byte to its last, begins on a page,
 * and is given back whole; sizes that cannot be are refused. */
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "tests/support/check.h"

#include "dataplane/base/map.h"

/* mincore() knows which addresses are mapped: ENOMEM where they are not. */
static bool is_mapped(void *at)
{
	unsigned char resident;

	return mincore(at, 4096, &resident) == 0;
}

static void check(size_t bytes, bool dense)
{
	size_t last_page = (bytes - 1) / 4096 * 4096;
	uint8_t *at = map_zeroed(bytes, dense);

	assert_non_null(at);
	assert_int_equal((uintptr_t)at % 4096, 0);
	for (size_t i = 0; i < bytes; i += 509)
		assert_int_equal(at[i], 0);
	assert_int_equal(at[bytes - 1], 0);
	memset(at, 0xff, bytes);
	map_free(at, bytes);
	assert_false(is_mapped(at));
	assert_false(is_mapped(at + last_page));
}

static void memory_is_zero_and_given_back_whole(void **state)
{
	static const size_t size[] = { 1, 4095, 4096, 4097, 2 << 20, (2 << 20) + 1, 5000001 };

	(void)state;
	for (size_t i = 0; i < sizeof(size) / sizeof(size[0]); i++) {
		check(size[i], false);
		check(size[i], true);
	}
}

static void large_dense_tables_lie_where_huge_pages_can(void **state)
{
	uint8_t *at = map_zeroed(5 << 20, true);

	(void)state;
	assert_non_null(at);
	assert_int_equal((uintptr_t)at % (2 << 20), 0);
	map_free(at, 5 << 20);
}

static void what_is_not_used_costs_no_memory(void **state)
{
	uint8_t *at = map_zeroed(1 << 20, false);
	unsigned char resident[256];

	(void)state;
	assert_non_null(at);
	at[200 * 4096] = 1;
	assert_int_equal(mincore(at, 1 << 20, resident), 0);
	for (int i = 0; i < 256; i++)
		assert_int_equal(resident[i] & 1, i == 200);
	map_free(at, 1 << 20);
}

static void sizes_that_cannot_be_are_refused(void **state)
{
	(void)state;
	assert_null(map_zeroed(0, false));
	assert_null(map_zeroed(0, true));
	assert_null(map_zeroed(SIZE_MAX, false));
	assert_null(map_zeroed(SIZE_MAX, true));
	assert_null(map_zeroed(SIZE_MAX / 2, true));
	map_free(NULL, 0);
	map_free(NULL, 4096);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_is_zero_and_given_back_whole),
		cmocka_unit_test(large_dense_tables_lie_where_huge_pages_can),
		cmocka_unit_test(what_is_not_used_costs_no_memory),
		cmocka_unit_test(sizes_that_cannot_be_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
