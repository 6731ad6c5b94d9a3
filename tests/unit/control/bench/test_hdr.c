/* hdr - Promises:
 * - every quantile is the exact one of what was recorded (nearest rank), or more by at most 0.4 %,
 *   for any order of recording and any shape of the distribution;
 * - it is never above the largest recorded, and values below 256 are told exactly;
 * - count, least, largest and mean are exact;
 * - what is too large is kept as the largest there is, and counted;
 * - adding two histograms is recording everything into one;
 * - of nothing everything is 0.
 */
#include "control/bench/hdr.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/check.h"

enum { VALUES = 19997 }; /* a prime, so that no rank is whole */

static const double quantiles[] = { 0,   0.001, 0.1,  0.25,  0.5,    0.75,
				    0.9, 0.95,  0.99, 0.999, 0.9999, 1 };
enum { QUANTILES = sizeof(quantiles) / sizeof(quantiles[0]) };

static struct hdr h, other;
static uint64_t values[VALUES];

/* The same numbers in every run (Knuth's generator). */
static uint64_t next_random(void)
{
	static uint64_t state = 42;

	state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return state >> 11;
}

static double fraction(void)
{
	return (double)next_random() / (double)(UINT64_C(1) << 53);
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* The one that has at least q of all values at or below it. */
static uint64_t exact(double q)
{
	double rank = ceil(q * VALUES);

	return values[rank < 1 ? 0 : (size_t)rank - 1];
}

/* Up to the end of the bucket, and not one further. */
static void check_error(uint64_t value, uint64_t found)
{
	uint64_t width = value >> HDR_SUB_BITS;

	assert_true(found >= value);
	assert_true(found - value < (width > 0 ? width : 1));
}

static void check_quantiles(void)
{
	hdr_clear(&h);
	for (size_t i = 0; i < VALUES; i++)
		hdr_record(&h, values[i]);
	qsort(values, VALUES, sizeof(values[0]), compare);
	for (size_t i = 0; i < QUANTILES; i++) {
		uint64_t wanted = exact(quantiles[i]), found = hdr_quantile(&h, quantiles[i]);

		check_error(wanted, found);
		assert_true(found <= values[VALUES - 1]);
	}
	assert_int_equal(h.min, values[0]);
	assert_int_equal(h.max, values[VALUES - 1]);
	assert_int_equal(hdr_quantile(&h, 1), values[VALUES - 1]);
	assert_int_equal(h.count, VALUES);
}

static void quantiles_are_those_of_a_uniform_distribution(void **state)
{
	(void)state;
	for (size_t i = 0; i < VALUES; i++)
		values[i] = next_random() % 1000000000;
	check_quantiles();
}

static void quantiles_are_those_of_a_long_tail(void **state)
{
	(void)state;
	for (size_t i = 0; i < VALUES; i++)
		values[i] = (uint64_t)(20000 / pow(fraction() + 1e-9, 1.2));
	check_quantiles();
}

static void quantiles_are_those_of_two_humps_with_nothing_between(void **state)
{
	(void)state;
	for (size_t i = 0; i < VALUES; i++)
		values[i] = (i % 10 == 0 ? 500000000 : 80000) + next_random() % 1000;
	check_quantiles();
	/* Nine of ten are low: the median is, and the last tenth is high. */
	assert_true(hdr_quantile(&h, 0.8999) < 82000);
	assert_true(hdr_quantile(&h, 0.9001) >= 500000000);
}

static void quantiles_are_those_of_equal_values(void **state)
{
	(void)state;
	for (size_t i = 0; i < VALUES; i++)
		values[i] = 123456789;
	check_quantiles();
	/* The bucket reaches further, but nothing was there. */
	assert_int_equal(hdr_quantile(&h, 0.5), 123456789);
}

static void small_values_are_exact(void **state)
{
	(void)state;
	hdr_clear(&h);
	for (uint64_t v = 1; v <= 200; v++)
		hdr_record(&h, v);
	assert_int_equal(hdr_quantile(&h, 0), 1);
	assert_int_equal(hdr_quantile(&h, 0.5), 100);
	assert_int_equal(hdr_quantile(&h, 0.95), 190);
	assert_int_equal(hdr_quantile(&h, 0.99), 198);
	assert_int_equal(hdr_quantile(&h, 1), 200);
	assert_true(hdr_mean(&h) == 100.5);
}

static void every_power_of_two_and_its_neighbours_are_told_within_the_error(void **state)
{
	(void)state;
	for (uint32_t power = 0; power < HDR_POWERS; power++) {
		for (int around = -1; around <= 1; around++) {
			uint64_t v = (UINT64_C(1) << power) + (uint64_t)(int64_t)around;
			uint64_t found;

			hdr_clear(&h);
			hdr_record(&h, v);
			hdr_record(&h, HDR_MAX);
			found = hdr_quantile(&h, 0.5);
			check_error(v, found);
			assert_int_equal(h.over, 0);
		}
	}
}

static void what_is_too_large_is_counted_and_kept_as_the_largest(void **state)
{
	(void)state;
	hdr_clear(&h);
	hdr_record(&h, HDR_MAX);
	assert_int_equal(h.over, 0);
	hdr_record(&h, HDR_MAX + 1);
	hdr_record(&h, UINT64_MAX);
	assert_int_equal(h.over, 2);
	assert_int_equal(h.count, 3);
	assert_int_equal(h.max, HDR_MAX);
	assert_int_equal(hdr_quantile(&h, 1), HDR_MAX);
	assert_int_equal(h.bucket[HDR_BUCKETS - 1], 3);
}

static void adding_is_recording_into_one(void **state)
{
	struct hdr *one = calloc(1, sizeof(*one));

	(void)state;
	assert_non_null(one);
	hdr_clear(&h);
	hdr_clear(&other);
	for (size_t i = 0; i < VALUES; i++) {
		uint64_t v = i == 17 ? UINT64_MAX : 1000 + next_random() % 100000;

		hdr_record(one, v);
		hdr_record(i % 3 == 0 ? &h : &other, v);
	}
	hdr_add(&h, &other);
	assert_int_equal(h.count, one->count);
	assert_int_equal(h.over, one->over);
	assert_int_equal(h.min, one->min);
	assert_int_equal(h.max, one->max);
	assert_true(fabs(h.sum - one->sum) < 1);
	assert_memory_equal(h.bucket, one->bucket, sizeof(h.bucket));

	hdr_clear(&other);
	hdr_add(&h, &other); /* nothing: its least is none */
	assert_int_equal(h.min, one->min);
	hdr_add(&other, &h);
	assert_int_equal(other.min, one->min);
	free(one);
}

static void what_the_buckets_say_makes_the_same_histogram(void **state)
{
	(void)state;
	hdr_clear(&h);
	hdr_clear(&other);
	for (size_t i = 0; i < VALUES; i++)
		hdr_record(&h, next_random() >> (next_random() % 53));
	for (uint32_t i = 0; i < HDR_BUCKETS; i++)
		hdr_record_many(&other, hdr_bucket_largest(i), h.bucket[i]);
	assert_int_equal(other.count, h.count);
	assert_memory_equal(other.bucket, h.bucket, sizeof(h.bucket));
}

static void of_nothing_everything_is_zero(void **state)
{
	(void)state;
	memset(&h, 0xff, sizeof(h));
	hdr_clear(&h);
	assert_int_equal(hdr_quantile(&h, 0.5), 0);
	assert_int_equal(hdr_quantile(&h, 1), 0);
	assert_true(hdr_mean(&h) == 0);
	assert_int_equal(h.count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quantiles_are_those_of_a_uniform_distribution),
		cmocka_unit_test(quantiles_are_those_of_a_long_tail),
		cmocka_unit_test(quantiles_are_those_of_two_humps_with_nothing_between),
		cmocka_unit_test(quantiles_are_those_of_equal_values),
		cmocka_unit_test(small_values_are_exact),
		cmocka_unit_test(every_power_of_two_and_its_neighbours_are_told_within_the_error),
		cmocka_unit_test(what_is_too_large_is_counted_and_kept_as_the_largest),
		cmocka_unit_test(adding_is_recording_into_one),
		cmocka_unit_test(what_the_buckets_say_makes_the_same_histogram),
		cmocka_unit_test(of_nothing_everything_is_zero),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
