/* Proves what statistics.h promises, on examples that are published or done by hand beside the
 * test, and by drawing many results of things that do not differ: 19 of 20 have to say so.
 */
#include "control/bench/statistics.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/check.h"

#define COUNT(x) (sizeof(x) / sizeof((x)[0]))
#define SAMPLE(...)                                                                                \
	((const double[]){ __VA_ARGS__ }), sizeof((const double[]){ __VA_ARGS__ }) / sizeof(double)

static void near(double found, double wanted, double within)
{
	if (!(fabs(found - wanted) <= within))
		fail_msg("found %.9g, wanted %.9g", found, wanted);
}

/* ---- one sample ---- */

/* R's own example of its preset, type 7: quantile(1:10, c(.25, .5, .75, .9)) is 3.25 5.50 7.75
 * 9.10; and of 15 20 35 40 50 the 40th percentile is 29: (5 - 1) 0.4 = 1.6, so 20 + 0.6 15. */
static void quantiles_are_of_type_7(void **state)
{
	const double ten[] = { 3, 1, 2, 10, 9, 8, 4, 5, 7, 6 };

	(void)state;
	near(statistics_quantile(ten, 10, 0.25), 3.25, 1e-12);
	near(statistics_quantile(ten, 10, 0.5), 5.5, 1e-12);
	near(statistics_quantile(ten, 10, 0.75), 7.75, 1e-12);
	near(statistics_quantile(ten, 10, 0.9), 9.1, 1e-12);
	near(statistics_quantile(SAMPLE(15, 20, 35, 40, 50), 0.4), 29, 1e-12);
	near(ten[0], 3, 0); /* as it was */
}

static void quantiles_end_where_the_sample_ends(void **state)
{
	const double three[] = { 7, 5, 6 };

	(void)state;
	near(statistics_quantile(three, 3, 0), 5, 0);
	near(statistics_quantile(three, 3, 1), 7, 0);
	near(statistics_quantile(three, 3, -1), 5, 0);
	near(statistics_quantile(three, 3, 2), 7, 0);
	near(statistics_quantile(three, 1, 0.3), 7, 0);
	assert_true(isnan(statistics_quantile(three, 0, 0.5)));
	assert_true(isnan(statistics_quantile(NULL, 0, 0.5)));
}

/* The table for the median at 95 % that books on distribution-free statistics print: the ranks of
 * its ends. For 10: P(at most 1 head of 10) = 11/1024 = 1.1 %, of 2: 56/1024 = 5.5 %; so the
 * second and the second last. For 6: P(0 of 6) = 1/64 = 1.6 %. */
static void the_interval_of_the_median_has_the_ranks_of_the_binomial_table(void **state)
{
	static const struct {
		size_t n, low, high;
	} table[] = { { 6, 1, 6 },   { 7, 1, 7 },    { 8, 1, 8 },   { 9, 2, 8 },   { 10, 2, 9 },
		      { 11, 2, 10 }, { 12, 3, 10 },  { 15, 4, 12 }, { 17, 5, 13 }, { 20, 6, 15 },
		      { 25, 8, 18 }, { 30, 10, 21 }, { 50, 18, 33 } };
	double rank[50];

	(void)state;
	for (size_t i = 0; i < 50; i++)
		rank[i] = (double)i + 1;
	for (size_t i = 0; i < COUNT(table); i++) {
		struct interval found = statistics_interval(rank, table[i].n);

		near(found.low, (double)table[i].low, 0);
		near(found.high, (double)table[i].high, 0);
	}
}

static void fewer_than_six_have_the_interval_from_the_least_to_the_largest(void **state)
{
	const double five[] = { 3, 1, 5, 4, 2 };

	(void)state;
	for (size_t n = 2; n <= 5; n++) {
		struct interval found = statistics_interval(five, n);

		near(found.low, 1, 0);
		near(found.high, n == 2 ? 3 : 5, 0);
	}
	near(statistics_interval(five, 1).low, 3, 0);
	assert_true(isnan(statistics_interval(five, 0).low));
}

static void a_large_sample_has_the_interval_of_the_normal_distribution(void **state)
{
	enum { N = 100000 };
	double *x = calloc(N, sizeof(*x));
	struct interval found;

	(void)state;
	assert_non_null(x);
	for (size_t i = 0; i < N; i++)
		x[i] = (double)i;
	found = statistics_interval(x, N);
	near(found.low, 50000 - 1.96 * sqrt(N) / 2, 2); /* half of 1.96 roots of n to each side */
	near(found.high, 50000 + 1.96 * sqrt(N) / 2, 2);
	found = statistics_interval(x, 1000); /* the last that is counted: 469 and 532 */
	near(found.low, 468, 0);
	near(found.high, 531, 0);
	free(x);
}

static void a_summary_leaves_out_what_was_not_told(void **state)
{
	struct summary s = statistics_summarise(SAMPLE(NAN, 4, INFINITY, 2, 6, -INFINITY, 2));

	(void)state;
	assert_int_equal(s.count, 4);
	near(s.min, 2, 0);
	near(s.median, 3, 0);
	near(s.max, 6, 0);
	near(s.mean, 3.5, 1e-12);
	near(s.interval.low, 2, 0);
	near(s.interval.high, 6, 0);
}

static void nothing_has_a_summary_of_nothing(void **state)
{
	struct summary s = statistics_summarise(SAMPLE(NAN, NAN));

	(void)state;
	assert_int_equal(s.count, 0);
	assert_true(isnan(s.min) && isnan(s.median) && isnan(s.max) && isnan(s.mean));
	assert_true(isnan(s.interval.low) && isnan(s.interval.high));
}

/* Rounds 100 and 102: 2/101 = 1.98 %; 100 and 100: 0; 50 and 51: 1/50.5 = 1.98 %; -1 and 1: 200 %.
 */
static void noise_is_what_a_thing_differs_from_itself(void **state)
{
	const double first[] = { 100, 100, 50, NAN, 0 }, again[] = { 102, 100, 51, 4, 0 };

	(void)state;
	near(statistics_noise(first, again, 1), 2.0 / 101, 1e-12);
	near(statistics_noise(first, again, 5), 2.0 / 101, 1e-12);
	near(statistics_noise((const double[]){ -1 }, (const double[]){ 1 }, 1), 2, 0);
	assert_true(isnan(statistics_noise(first, again, 0)));
	assert_true(isnan(statistics_noise(first + 3, again + 3, 1)));
}

/* ---- two samples ---- */

/* Before 1.1 2.2 3.0 4.7, after 5.0 6.1 7.9 9.3. The 16 differences in order: 0.3 1.4 2.0 2.8
 * 3.1 3.2 3.9 3.9 4.6 4.9 5.0 5.7 6.3 6.8 7.1 8.2. With 4 and 4 the Mann-Whitney statistic is 0
 * in 1 of 70, so its interval goes from the first to the last difference (1/70 < 2.5 % < 2/70). */
static void four_and_four_by_hand(void **state)
{
	struct difference d = statistics_compare(SAMPLE(3.0, 1.1, 4.7, 2.2),
						 SAMPLE(9.3, 5.0, 7.9, 6.1), BETTER_LOWER, 0);

	(void)state;
	near(d.before, 2.6, 1e-12);
	near(d.after, 7.0, 1e-12);
	near(d.change, 4.4, 1e-12);
	near(d.relative, 4.4 / 2.6, 1e-12);
	near(d.interval.low, 0.3, 1e-12);
	near(d.interval.high, 8.2, 1e-12);
	assert_int_equal(d.verdict, VERDICT_WORSE);
}

/* Before 0 1 2 3 4, after 0 10 20 30 40. With 5 and 5 the table of Mann and Whitney has 2 at 5 %
 * on both sides: so the third difference and the third last. In order they are
 * -4 -3 -2 -1 0 6 7 8 9 10 16 17 18 19 20 26 27 28 29 30 36 37 38 39 40. */
static void five_and_five_by_hand(void **state)
{
	struct difference d = statistics_compare(SAMPLE(0, 1, 2, 3, 4), SAMPLE(0, 10, 20, 30, 40),
						 BETTER_LOWER, 0);

	(void)state;
	near(d.interval.low, -2, 0);
	near(d.interval.high, 38, 0);
	assert_int_equal(d.verdict, VERDICT_SAME);
}

/* The table of Mann and Whitney for 5 % on both sides. `after` is so far above that the order of
 * differences is known: with before i and after (j + 1) 1000, the k-th is of the block of the
 * first `after` if k is at most the size of `before`, and so on. */
static void the_interval_has_the_ranks_of_the_mann_whitney_table(void **state)
{
	static const struct {
		size_t m, n, critical;
	} table[] = { { 4, 4, 0 },    { 3, 5, 0 },   { 3, 8, 2 },    { 5, 5, 2 },
		      { 5, 8, 6 },    { 6, 6, 5 },   { 7, 7, 8 },    { 8, 8, 13 },
		      { 10, 10, 23 }, { 12, 9, 26 }, { 15, 15, 64 }, { 20, 20, 127 } };

	(void)state;
	for (size_t t = 0; t < COUNT(table); t++) {
		double before[20], after[20];
		size_t m = table[t].m, n = table[t].n, k = table[t].critical; /* from 0 */
		struct difference d;

		for (size_t i = 0; i < m; i++)
			before[i] = (double)i;
		for (size_t j = 0; j < n; j++)
			after[j] = (double)(j + 1) * 1000;
		d = statistics_compare(before, m, after, n, BETTER_LOWER, 0);
		near(d.interval.low, (double)(k / m + 1) * 1000 - (double)(m - 1 - k % m), 0);
		near(d.interval.high, (double)(n - k / m) * 1000 - (double)(k % m), 0);
		d = statistics_compare(after, n, before, m, BETTER_LOWER, 0);
		near(d.interval.high, -((double)(k / m + 1) * 1000 - (double)(m - 1 - k % m)), 0);
	}
}

/* 3 and 3, 3 and 4: no interval of 95 %, so all differences. */
static void too_few_for_an_interval_have_that_of_all_differences(void **state)
{
	struct difference d = statistics_compare(SAMPLE(1, 2, 3), SAMPLE(11, 12, 13, 14),
						 BETTER_LOWER, 0);

	(void)state;
	near(d.interval.low, 8, 0);
	near(d.interval.high, 13, 0);
	d = statistics_compare(SAMPLE(1, 2, 3), SAMPLE(5, 6, 7), BETTER_LOWER, 0);
	near(d.interval.low, 2, 0);
	near(d.interval.high, 6, 0);
}

/* Beyond 30 runs the ranks are those of the normal distribution: of 40 and 40, 800 - 1.96
 * sqrt(40 40 81 / 12) = 596.3, so the 596th difference (the table has 596 for 5 %). */
static void many_runs_have_the_interval_of_the_normal_distribution(void **state)
{
	double before[40], after[40];
	struct difference d;

	(void)state;
	for (size_t i = 0; i < 40; i++) {
		before[i] = (double)i;
		after[i] = (double)(i + 1) * 1000;
	}
	d = statistics_compare(before, 40, after, 40, BETTER_HIGHER, 0);
	near(d.interval.low, 15 * 1000 - (39 - 595 % 40), 0);
	assert_int_equal(d.verdict, VERDICT_BETTER);
}

/* Of 1 2 3 the variance is 1, so t = change / sqrt(2/3); the tables have 2.776445 for 5 % and 4
 * degrees of freedom, 4.604095 for 1 %, 8.610302 for 0.1 %. Of 1 2 3 and 1 2 3 4 it is
 * (2 + 5) / 5 = 1.4 with 5 degrees: 2.570582 for 5 %. */
static void p_is_that_of_students_table(void **state)
{
	static const struct {
		double t, p;
	} table[] = { { 2.776445, 0.05 }, { 4.604095, 0.01 }, { 8.610302, 0.001 }, { 0, 1 } };
	struct difference d;
	double by;

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++) {
		by = table[i].t * sqrt(2.0 / 3);
		d = statistics_compare(SAMPLE(1, 2, 3), SAMPLE(1 + by, 2 + by, 3 + by),
				       BETTER_LOWER, 0);
		near(d.p, table[i].p, 1e-6);
	}
	by = 2.570582 * sqrt(1.4 * (1.0 / 3 + 1.0 / 4)) - 0.5;
	d = statistics_compare(SAMPLE(1, 2, 3), SAMPLE(1 + by, 2 + by, 3 + by, 4 + by),
			       BETTER_LOWER, 0);
	near(d.p, 0.05, 1e-6);
}

static void three_runs_have_to_be_wholly_apart_and_far(void **state)
{
	(void)state;
	assert_int_equal(
		statistics_compare(SAMPLE(100, 101, 102), SAMPLE(110, 111, 112), BETTER_LOWER, 0.01)
			.verdict,
		VERDICT_WORSE);
	assert_int_equal(
		statistics_compare(SAMPLE(100, 101, 102), SAMPLE(102, 111, 112), BETTER_LOWER, 0.01)
			.verdict,
		VERDICT_SAME);
	/* apart, but no farther than they scatter: t is 2.4 */
	assert_int_equal(statistics_compare(SAMPLE(100, 101, 102), SAMPLE(102.1, 103, 103.9),
					    BETTER_LOWER, 0)
				 .verdict,
			 VERDICT_SAME);
}

static void what_is_no_more_than_the_noise_is_no_difference(void **state)
{
	const double before[] = { 100, 100.1, 100.2 }, after[] = { 103, 103.1, 103.2 };

	(void)state;
	assert_int_equal(statistics_compare(before, 3, after, 3, BETTER_LOWER, 0.03).verdict,
			 VERDICT_SAME);
	assert_int_equal(statistics_compare(before, 3, after, 3, BETTER_LOWER, 0.029).verdict,
			 VERDICT_WORSE);
	assert_int_equal(statistics_compare(before, 3, after, 3, BETTER_LOWER, 0).verdict,
			 VERDICT_WORSE);
	assert_int_equal(statistics_compare(before, 3, after, 3, BETTER_LOWER, NAN).verdict,
			 VERDICT_WORSE);
}

static void which_way_is_good_decides_the_word(void **state)
{
	static const struct {
		enum better better;
		enum verdict up, down;
	} cases[] = { { BETTER_LOWER, VERDICT_WORSE, VERDICT_BETTER },
		      { BETTER_HIGHER, VERDICT_BETTER, VERDICT_WORSE },
		      { BETTER_NEITHER, VERDICT_SAME, VERDICT_SAME } };
	const double low[] = { 1, 2, 3 }, high[] = { 101, 102, 103 };

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_int_equal(statistics_compare(low, 3, high, 3, cases[i].better, 0.1).verdict,
				 cases[i].up);
		assert_int_equal(statistics_compare(high, 3, low, 3, cases[i].better, 0.1).verdict,
				 cases[i].down);
	}
}

static void from_nothing_to_something_is_a_difference_without_a_ratio(void **state)
{
	struct difference d = statistics_compare(SAMPLE(0, 0, 0), SAMPLE(5000, 4800, 5100),
						 BETTER_LOWER, 0.2);

	(void)state;
	assert_true(isnan(d.relative));
	assert_int_equal(d.verdict, VERDICT_WORSE);
	d = statistics_compare(SAMPLE(0, 0, 0), SAMPLE(0, 0, 0), BETTER_LOWER, 0);
	assert_int_equal(d.verdict, VERDICT_SAME);
	near(d.p, 1, 0);
}

static void what_never_varies_differs_by_the_least_step(void **state)
{
	struct difference d = statistics_compare(SAMPLE(4, 4, 4), SAMPLE(5, 5, 5), BETTER_LOWER,
						 0.1);

	(void)state;
	assert_int_equal(d.verdict, VERDICT_WORSE);
	near(d.p, 0, 0);
}

static void fewer_than_three_say_nothing(void **state)
{
	const double two[] = { 1, 1, NAN, INFINITY }, three[] = { 9, 9, 9 };

	(void)state;
	for (int turn = 0; turn < 2; turn++) {
		struct difference d =
			turn == 0 ? statistics_compare(two, 4, three, 3, BETTER_LOWER, 0)
				  : statistics_compare(three, 3, two, 4, BETTER_LOWER, 0);

		assert_int_equal(d.verdict, VERDICT_UNKNOWN);
		assert_true(isnan(d.p) && isnan(d.interval.low) && isnan(d.interval.high));
		near(fabs(d.change), 8, 0);
	}
	assert_int_equal(statistics_compare(NULL, 0, NULL, 0, BETTER_LOWER, 0).verdict,
			 VERDICT_UNKNOWN);
}

static void numbers_at_the_end_of_doubles_do_no_harm(void **state)
{
	struct difference d = statistics_compare(SAMPLE(-1e308, -1.1e308, -1.2e308),
						 SAMPLE(1e308, 1.1e308, 1.2e308), BETTER_LOWER, 0);

	(void)state;
	assert_int_equal(d.verdict, VERDICT_SAME); /* careful: the scatter is beyond doubles */
	d = statistics_compare(SAMPLE(1e-320, 2e-320, 3e-320), SAMPLE(1e-310, 2e-310, 3e-310),
			       BETTER_LOWER, 0);
	assert_true(d.p >= 0 && d.p <= 1);
}

static void the_interval_holds_the_change(void **state)
{
	/* 30 and 30, of which half are far away: the medians jump, the shift does not */
	double before[30], after[30];
	struct difference d;

	(void)state;
	for (size_t i = 0; i < 30; i++) {
		before[i] = i < 16 ? (double)i : 1e6 + (double)i;
		after[i] = i < 14 ? (double)i : 1e6 + (double)i;
	}
	d = statistics_compare(before, 30, after, 30, BETTER_LOWER, 0);
	assert_true(d.change > 900000);
	assert_true(d.interval.low <= d.change && d.change <= d.interval.high);
}

static void thousands_of_samples_are_compared_too(void **state)
{
	enum { N = 20000 };
	double *a = calloc(N, sizeof(*a)), *b = calloc(N, sizeof(*b));
	struct difference d;

	(void)state;
	assert_true(a != NULL && b != NULL);
	for (size_t i = 0; i < N; i++) {
		a[i] = (double)(i % 1000);
		b[i] = (double)(i % 1000) + 100;
	}
	d = statistics_compare(a, N, b, N, BETTER_LOWER, 0.05);
	near(d.change, 100, 0);
	assert_true(d.interval.low > 50 && d.interval.high < 150);
	assert_int_equal(d.verdict, VERDICT_WORSE);
	free(a);
	free(b);
}

/* ---- many figures ---- */

/* Holm's way by hand: of 0.002 0.004 0.03 0.04, times 4 3 2 1: 0.008 0.012 0.06 0.04, and each at
 * least the one before. Only the first is within 1 %. */
static void holm_by_hand(void **state)
{
	struct difference d[5] = { { .p = 0.03, .verdict = VERDICT_WORSE },
				   { .p = 0.002, .verdict = VERDICT_BETTER },
				   { .p = NAN, .verdict = VERDICT_UNKNOWN },
				   { .p = 0.04, .verdict = VERDICT_SAME },
				   { .p = 0.004, .verdict = VERDICT_WORSE } };
	struct difference *const all[] = { &d[0], &d[1], &d[2], &d[3], &d[4] };

	(void)state;
	statistics_holm(all, 5);
	near(d[1].p, 0.008, 1e-12);
	near(d[4].p, 0.012, 1e-12);
	near(d[0].p, 0.06, 1e-12);
	near(d[3].p, 0.06, 1e-12);
	assert_true(isnan(d[2].p));
	assert_int_equal(d[1].verdict, VERDICT_BETTER);
	assert_int_equal(d[0].verdict, VERDICT_SAME);
	assert_int_equal(d[3].verdict, VERDICT_SAME);
	assert_int_equal(d[4].verdict, VERDICT_SAME);
	assert_int_equal(d[2].verdict, VERDICT_UNKNOWN);
	statistics_holm(all, 0);
}

/* Three of 3 packets are one each: 3 of 3 coins on one side come in 1 of 4. z = 3 / sqrt(3) = 1.73,
 * p = 0.083. 30 against none: z = 5.48, p = 4.3e-8. Pages of 4096 bytes are counted as such. */
static void counts_that_are_alike_by_chance_are_no_difference(void **state)
{
	struct difference d = statistics_compare_counts(SAMPLE(0, 0, 0), SAMPLE(1, 1, 1),
							BETTER_LOWER, 0, 1);

	(void)state;
	near(d.p, 0.0833, 0.0005);
	assert_int_equal(d.verdict, VERDICT_SAME);
	d = statistics_compare_counts(SAMPLE(0, 0, 0), SAMPLE(10, 10, 10), BETTER_LOWER, 0, 1);
	near(d.p, 4.3e-8, 1e-9);
	assert_int_equal(d.verdict, VERDICT_WORSE);
	d = statistics_compare_counts(SAMPLE(0, 0, 0), SAMPLE(4096, 4096, 4096), BETTER_LOWER, 0,
				      4096);
	assert_int_equal(d.verdict, VERDICT_SAME);
	d = statistics_compare_counts(SAMPLE(5, 5, 5), SAMPLE(5, 5, 5), BETTER_LOWER, 0, 1);
	near(d.p, 1, 0);
	d = statistics_compare_counts(SAMPLE(0, 0, 0), SAMPLE(0, 0, 0), BETTER_LOWER, 0, 1);
	near(d.p, 1, 0);
	d = statistics_compare_counts(SAMPLE(0, 0), SAMPLE(9, 9, 9), BETTER_LOWER, 0, 1);
	assert_int_equal(d.verdict, VERDICT_UNKNOWN);
	/* and what scatters more than counting does stays what it is */
	d = statistics_compare_counts(SAMPLE(100, 900, 500), SAMPLE(300, 1100, 700), BETTER_LOWER,
				      0, 1);
	assert_true(d.p > 0.4);
}

static uint64_t seed;

static double uniform(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return ((double)(seed >> 11) + 0.5) / (double)(UINT64_C(1) << 53);
}

static double normal(void)
{
	return sqrt(-2 * log(uniform())) * cos(6.283185307179586 * uniform());
}

/* What figures look like: quiet ones, times with a long tail, runs that were disturbed, and
 * counts that are mostly 0. */
enum shape { SHAPE_NORMAL, SHAPE_UNIFORM, SHAPE_TAIL, SHAPE_DISTURBED, SHAPE_COUNT, SHAPES };
static const char *const shape_name[] = { "normal", "uniform", "long tail", "disturbed", "count" };

static double draw(enum shape shape, bool disturbed)
{
	switch (shape) {
	case SHAPE_NORMAL: return 100 + 5 * normal();
	case SHAPE_UNIFORM: return 100 + 10 * uniform();
	case SHAPE_TAIL: return 100 * exp(normal());
	case SHAPE_DISTURBED: return (disturbed ? 150 : 100) + normal();
	case SHAPE_COUNT: return uniform() < 0.8 ? 0 : floor(-20 * log(uniform()));
	case SHAPES: break;
	}
	return 0;
}

enum { FIGURES = 200, RUNS_MAX = 10 };

/* alarms - of a result of FIGURES figures compared with another of the same, whose first figure is
 * `more`. */
static size_t alarms(const enum shape *shape, size_t runs, double more, double noise)
{
	static struct difference d[FIGURES];
	static struct difference *all[FIGURES];
	bool disturbed[2 * RUNS_MAX];
	size_t found = 0;

	for (size_t i = 0; i < 2 * RUNS_MAX; i++)
		disturbed[i] = uniform() < 0.1; /* a run, with all its figures */
	for (size_t f = 0; f < FIGURES; f++) {
		double before[RUNS_MAX], after[RUNS_MAX];
		enum shape s = shape != NULL ? *shape : (enum shape)(f % SHAPES);

		for (size_t i = 0; i < runs; i++) {
			before[i] = draw(s, disturbed[i]);
			after[i] = (f == 0 ? more : 0) + draw(s, disturbed[RUNS_MAX + i]);
		}
		d[f] = statistics_compare(before, runs, after, runs, BETTER_LOWER, noise);
		all[f] = &d[f];
	}
	statistics_holm(all, FIGURES);
	for (size_t f = 0; f < FIGURES; f++)
		found += d[f].verdict == VERDICT_BETTER || d[f].verdict == VERDICT_WORSE;
	return found;
}

static size_t false_alarms(const enum shape *shape, size_t runs, size_t results)
{
	size_t found = 0;

	seed = UINT64_C(0x9e3779b97f4a7c15);
	for (size_t i = 0; i < results; i++)
		found += alarms(shape, runs, 0, 0.02) > 0;
	return found;
}

static void the_same_against_itself_is_no_difference_in_19_of_20(void **state)
{
	static const size_t runs[] = { 3, 5, 10 };
	enum { RESULTS = 100 };

	(void)state;
	for (size_t r = 0; r < COUNT(runs); r++) {
		size_t mixed = false_alarms(NULL, runs[r], RESULTS);

		print_message("%zu runs, 200 figures of all shapes: %zu of %d\n", runs[r], mixed,
			      RESULTS);
		assert_true(mixed <= RESULTS / 20);
		for (enum shape s = 0; s < SHAPES; s++) {
			size_t found = false_alarms(&s, runs[r], RESULTS);

			print_message("%zu runs, 200 figures, %s: %zu of %d\n", runs[r],
				      shape_name[s], found, RESULTS);
			assert_true(found <= RESULTS / 20);
		}
	}
}

/* The header's numbers: one of 200 figures that differs so many times the scatter is found in
 * half of the results or more. */
static void what_the_header_says_can_be_found_is_found(void **state)
{
	static const struct {
		size_t runs;
		double scatters;
	} cases[] = { { 3, 15 }, { 5, 5 }, { 7, 3.5 }, { 10, 2.5 } };
	const enum shape quiet = SHAPE_NORMAL;
	enum { RESULTS = 60 };

	(void)state;
	seed = 42;
	for (size_t i = 0; i < COUNT(cases); i++) {
		size_t found = 0;

		for (size_t r = 0; r < RESULTS; r++)
			found += alarms(&quiet, cases[i].runs, cases[i].scatters * 5, 0.02) > 0;
		print_message("%zu runs, one of 200 by %g scatters: found in %zu of %d\n",
			      cases[i].runs, cases[i].scatters, found, RESULTS);
		assert_true(found >= RESULTS / 2);
	}
}

static void every_verdict_has_its_words(void **state)
{
	(void)state;
	assert_string_equal(verdict_name(VERDICT_SAME), "no difference");
	assert_string_equal(verdict_name(VERDICT_BETTER), "better");
	assert_string_equal(verdict_name(VERDICT_WORSE), "worse");
	assert_string_equal(verdict_name(VERDICT_UNKNOWN), "too few runs");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quantiles_are_of_type_7),
		cmocka_unit_test(quantiles_end_where_the_sample_ends),
		cmocka_unit_test(the_interval_of_the_median_has_the_ranks_of_the_binomial_table),
		cmocka_unit_test(fewer_than_six_have_the_interval_from_the_least_to_the_largest),
		cmocka_unit_test(a_large_sample_has_the_interval_of_the_normal_distribution),
		cmocka_unit_test(a_summary_leaves_out_what_was_not_told),
		cmocka_unit_test(nothing_has_a_summary_of_nothing),
		cmocka_unit_test(noise_is_what_a_thing_differs_from_itself),
		cmocka_unit_test(four_and_four_by_hand),
		cmocka_unit_test(five_and_five_by_hand),
		cmocka_unit_test(the_interval_has_the_ranks_of_the_mann_whitney_table),
		cmocka_unit_test(too_few_for_an_interval_have_that_of_all_differences),
		cmocka_unit_test(many_runs_have_the_interval_of_the_normal_distribution),
		cmocka_unit_test(p_is_that_of_students_table),
		cmocka_unit_test(three_runs_have_to_be_wholly_apart_and_far),
		cmocka_unit_test(what_is_no_more_than_the_noise_is_no_difference),
		cmocka_unit_test(which_way_is_good_decides_the_word),
		cmocka_unit_test(from_nothing_to_something_is_a_difference_without_a_ratio),
		cmocka_unit_test(what_never_varies_differs_by_the_least_step),
		cmocka_unit_test(fewer_than_three_say_nothing),
		cmocka_unit_test(numbers_at_the_end_of_doubles_do_no_harm),
		cmocka_unit_test(the_interval_holds_the_change),
		cmocka_unit_test(thousands_of_samples_are_compared_too),
		cmocka_unit_test(counts_that_are_alike_by_chance_are_no_difference),
		cmocka_unit_test(holm_by_hand),
		cmocka_unit_test(the_same_against_itself_is_no_difference_in_19_of_20),
		cmocka_unit_test(what_the_header_says_can_be_found_is_found),
		cmocka_unit_test(every_verdict_has_its_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
