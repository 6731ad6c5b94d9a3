/* Proves the promises in counters.h: a snapshot is what was published; a writer that died in the
 * middle makes readers give up, with their output untouched, and a writer after it makes them well
 * again; buckets and their floors agree over all 64 bits; a quantile is the floor of the right
 * bucket.
 */
#include "dataplane/shm/counters.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct counters_page page;
static struct histogram histogram;

static int clear(void **state)
{
	(void)state;
	memset(&page, 0, sizeof(page));
	memset(&histogram, 0, sizeof(histogram));
	return 0;
}

static struct counters numbered(uint64_t from)
{
	struct counters c;

	for (unsigned i = 0; i < COUNTER_COUNT; i++)
		c.value[i] = from + i;
	return c;
}

static void a_snapshot_is_what_was_published(void **state)
{
	(void)state;
	struct counters seen, zero = { 0 }, first = numbered(100), second = numbered(7);

	assert_true(counters_snapshot(&page, &seen));
	assert_memory_equal(&seen, &zero, sizeof(seen));
	counters_publish(&page, &first);
	assert_true(counters_snapshot(&page, &seen));
	assert_memory_equal(&seen, &first, sizeof(seen));
	counters_publish(&page, &second);
	assert_true(counters_snapshot(&page, &seen));
	assert_memory_equal(&seen, &second, sizeof(seen));
	assert_int_equal(page.sequence, 4);
}

static void a_writer_dead_in_the_middle_gives_no_snapshot(void **state)
{
	(void)state;
	struct counters first = numbered(100), seen = numbered(7), before = seen;

	counters_publish(&page, &first);
	page.sequence |= 1;
	page.value[0] = 0;
	assert_false(counters_snapshot(&page, &seen));
	assert_memory_equal(&seen, &before, sizeof(seen));
}

static void publishing_after_an_odd_sequence_heals_the_page(void **state)
{
	(void)state;
	struct counters c = numbered(100), seen;

	page.sequence = 5;
	counters_publish(&page, &c);
	assert_int_equal(page.sequence, 6);
	assert_true(counters_snapshot(&page, &seen));
	assert_memory_equal(&seen, &c, sizeof(seen));
}

static void counting_macros_count(void **state)
{
	(void)state;
	struct counters c = { 0 };

	count(&c, received);
	count_by(&c, received, 41);
	gauge_set(&c, flows_live, 9);
	gauge_set(&c, flows_live, 3);
	assert_int_equal(c.value[C_received], 42);
	assert_int_equal(c.value[C_flows_live], 3);
}

static void buckets_and_floors_agree(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
		assert_int_equal(histogram_bucket(histogram_floor(i)), i);
		if (i > 0) {
			assert_true(histogram_floor(i) > histogram_floor(i - 1));
			assert_int_equal(histogram_bucket(histogram_floor(i) - 1), i - 1);
		}
	}
	assert_int_equal(histogram_bucket(UINT64_MAX), HISTOGRAM_BUCKETS - 1);
	assert_true(histogram_floor(HISTOGRAM_BUCKETS) == UINT64_MAX);
	assert_true(histogram_floor(UINT32_MAX) == UINT64_MAX);
}

static void a_bucket_is_an_eighth_of_its_floor_at_most(void **state)
{
	(void)state;
	for (uint32_t i = 8; i + 1 < HISTOGRAM_BUCKETS; i++) {
		uint64_t width = histogram_floor(i + 1) - histogram_floor(i);

		assert_true(width <= histogram_floor(i) / 8);
	}
}

static void an_empty_histogram_has_no_quantile(void **state)
{
	(void)state;
	assert_int_equal(histogram_quantile(&histogram, 0.5), 0);
	assert_int_equal(histogram_quantile(&histogram, 1), 0);
}

static void quantiles_of_a_hundred_values(void **state)
{
	(void)state;
	uint64_t sum = 0;

	for (uint64_t i = 1; i <= 100; i++) {
		histogram_add(&histogram, i << 20);
		sum += i << 20;
	}
	assert_true(histogram.sum_ns == sum);
	static const struct {
		double q;
		uint64_t rank;
	} cases[] = {
		{ 0.01, 1 }, { 0.011, 2 }, { 0.5, 50 }, { 0.501, 51 }, { 0.99, 99 }, { 1, 100 },
	};

	for (size_t i = 0; i < array_count(cases); i++) {
		uint32_t bucket = histogram_bucket(cases[i].rank << 20);

		assert_true(histogram_quantile(&histogram, cases[i].q) == histogram_floor(bucket));
	}
}

static void shares_outside_0_and_1_are_the_ends(void **state)
{
	(void)state;
	histogram_add(&histogram, 3);
	histogram_add(&histogram, 5);
	assert_int_equal(histogram_quantile(&histogram, 0), 3);
	assert_int_equal(histogram_quantile(&histogram, -1), 3);
	assert_int_equal(histogram_quantile(&histogram, (double)NAN), 3);
	assert_int_equal(histogram_quantile(&histogram, 2), 5);
	assert_int_equal(histogram_quantile(&histogram, (double)INFINITY), 5);
}

static void the_largest_value_and_absurd_counts_are_harmless(void **state)
{
	(void)state;
	histogram_add(&histogram, UINT64_MAX);
	assert_true(histogram_quantile(&histogram, 0.5) == histogram_floor(HISTOGRAM_BUCKETS - 1));
	memset(&histogram, 0xff, sizeof(histogram));
	for (double q = -0.5; q < 1.5; q += 0.01)
		assert_true(histogram_quantile(&histogram, q) <=
			    histogram_floor(HISTOGRAM_BUCKETS - 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_snapshot_is_what_was_published, clear),
		cmocka_unit_test_setup(a_writer_dead_in_the_middle_gives_no_snapshot, clear),
		cmocka_unit_test_setup(publishing_after_an_odd_sequence_heals_the_page, clear),
		cmocka_unit_test_setup(counting_macros_count, clear),
		cmocka_unit_test_setup(buckets_and_floors_agree, clear),
		cmocka_unit_test_setup(a_bucket_is_an_eighth_of_its_floor_at_most, clear),
		cmocka_unit_test_setup(an_empty_histogram_has_no_quantile, clear),
		cmocka_unit_test_setup(quantiles_of_a_hundred_values, clear),
		cmocka_unit_test_setup(shares_outside_0_and_1_are_the_ends, clear),
		cmocka_unit_test_setup(the_largest_value_and_absurd_counts_are_harmless, clear),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
