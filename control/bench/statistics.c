#include "control/bench/statistics.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/ensure.h"

enum {
	RUNS_MIN = 3,
	/* Beyond it the exact distribution of the Mann-Whitney statistic costs more than it tells:
	 * the normal one is as good. */
	EXACT_MAX = 30,
	/* Larger samples are compared by this many of their quantiles. */
	PAIRED_MAX = 1000,
};

static const double confidence = 0.95;
static const double normal_95 = 1.959964;

/* Student's test assumes a normal distribution. Of figures that have others (evenly spread, one run
 * in ten disturbed) up to three times as many fall out by chance as it says. So it is asked for
 * 1 %, and 5 % are kept: measured in the tests. */
static const double holm_level = 0.01;

/* ---- samples in order ---- */

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void *taken(size_t count)
{
	void *memory = calloc(count > 0 ? count : 1, sizeof(double));

	ENSURE(memory != NULL);
	return memory;
}

/* sorted - a copy of what was told. The caller frees it. */
static double *sorted(const double *sample, size_t count, size_t *ret_count)
{
	double *copy = taken(count);
	size_t n = 0;

	for (size_t i = 0; i < count; i++)
		if (isfinite(sample[i]))
			copy[n++] = sample[i];
	qsort(copy, n, sizeof(*copy), by_value);
	*ret_count = n;
	return copy;
}

static double quantile_of(const double *in_order, size_t n, double q)
{
	double at;
	size_t below;

	if (n == 0 || isnan(q))
		return NAN;
	at = (double)(n - 1) * fmin(fmax(q, 0), 1);
	below = (size_t)at;
	if (below + 1 >= n)
		return in_order[n - 1];
	return in_order[below] + (at - (double)below) * (in_order[below + 1] - in_order[below]);
}

static double mean_of(const double *x, size_t n)
{
	double mean = 0;

	for (size_t i = 0; i < n; i++)
		mean += (x[i] - mean) / (double)(i + 1);
	return n > 0 ? mean : NAN;
}

/* ---- one sample ---- */

/* median_rank - the largest k for which the median lies between the k-th and the k-th last of n
 * with at least 95 %: at most 2.5 % for fewer than k of n coins to show heads. 0: there is none. */
static size_t median_rank(size_t n)
{
	double tail = 0, term = exp2(-(double)n); /* of exactly k heads */
	size_t k = 0;

	if (n > 1000) { /* the term would not be a number: as the normal distribution has it */
		return (size_t)(((double)n - normal_95 * sqrt((double)n)) / 2);
	}
	while (tail + term <= (1 - confidence) / 2) {
		tail += term;
		k++;
		term *= (double)(n - k + 1) / (double)k;
	}
	return k;
}

static struct interval interval_of(const double *in_order, size_t n)
{
	size_t k = median_rank(n);

	if (n == 0)
		return (struct interval){ NAN, NAN };
	if (k == 0)
		return (struct interval){ in_order[0], in_order[n - 1] };
	return (struct interval){ in_order[k - 1], in_order[n - k] };
}

double statistics_quantile(const double *sample, size_t count, double q)
{
	size_t n;
	double *in_order = sorted(sample, count, &n);
	double found = quantile_of(in_order, n, q);

	free(in_order);
	return found;
}

struct interval statistics_interval(const double *sample, size_t count)
{
	size_t n;
	double *in_order = sorted(sample, count, &n);
	struct interval found = interval_of(in_order, n);

	free(in_order);
	return found;
}

struct summary statistics_summarise(const double *sample, size_t count)
{
	size_t n;
	double *in_order = sorted(sample, count, &n);
	struct summary s = { .count = n,
			     .min = n > 0 ? in_order[0] : NAN,
			     .median = quantile_of(in_order, n, 0.5),
			     .max = n > 0 ? in_order[n - 1] : NAN,
			     .mean = mean_of(in_order, n),
			     .interval = interval_of(in_order, n) };

	free(in_order);
	return s;
}

double statistics_noise(const double *first, const double *again, size_t count)
{
	double *apart = taken(count);
	double found;

	for (size_t i = 0; i < count; i++) {
		double middle = (fabs(first[i]) + fabs(again[i])) / 2;

		apart[i] = first[i] == again[i] ? 0 : fabs(first[i] - again[i]) / middle;
	}
	found = statistics_quantile(apart, count, 0.95);
	free(apart);
	return found;
}

/* ---- two samples ---- */

/* shift_rank - the largest k for which the shift lies between the k-th and the k-th last of the m n
 * differences of pairs with at least 95 %: at most 2.5 % for the Mann-Whitney statistic to be
 * below k. 0: there is none.
 *
 * Its distribution: the number of ways to have the sum u is the coefficient of q^u in the Gaussian
 * binomial of m + n over m. W(u; m, n) = W(u - n; m - 1, n) + W(u; m, n - 1), by whether the
 * largest of all is one of the m; here as shares of all ways, so that nothing overflows.
 */
static size_t shift_rank(size_t m, size_t n)
{
	size_t sums = m * n + 1, k = 0;
	double *ways, tail = 0;

	if (m > EXACT_MAX || n > EXACT_MAX) {
		double middle = (double)(m * n) / 2;
		double sd = sqrt(middle / 6 * (double)(m + n + 1));

		return (size_t)fmax(0, floor(middle - normal_95 * sd));
	}
	ways = taken((m + 1) * sums); /* row i: of i and j, for the j of the turn */
	for (size_t i = 0; i <= m; i++)
		ways[i * sums] = 1; /* of i and 0: all at 0 */
	for (size_t j = 1; j <= n; j++)
		for (size_t i = 1; i <= m; i++) {
			double from_m = (double)i / (double)(i + j);

			for (size_t u = sums; u-- > 0;) {
				double less = u >= j ? ways[(i - 1) * sums + u - j] : 0;
				double *w = &ways[i * sums + u];

				*w = from_m * less + (1 - from_m) * *w;
			}
		}
	while (k < sums && tail + ways[m * sums + k] <= (1 - confidence) / 2)
		tail += ways[m * sums + k++];
	free(ways);
	return k;
}

/* thinned - to at most PAIRED_MAX of its quantiles. */
static size_t thinned(double *in_order, size_t n)
{
	if (n <= PAIRED_MAX)
		return n;
	for (size_t i = 0; i < PAIRED_MAX; i++)
		in_order[i] = in_order[i * (n - 1) / (PAIRED_MAX - 1)];
	return PAIRED_MAX;
}

static struct interval shift_of(double *a, size_t a_count, double *b, size_t b_count)
{
	size_t m = thinned(a, a_count), n = thinned(b, b_count), k = shift_rank(m, n);
	double *apart = taken(m * n);
	struct interval found;

	for (size_t i = 0; i < m; i++)
		for (size_t j = 0; j < n; j++)
			apart[i * n + j] = b[j] - a[i];
	qsort(apart, m * n, sizeof(*apart), by_value);
	k = k > 0 ? k : 1; /* none of 95 %: from the least to the largest */
	found = (struct interval){ apart[k - 1], apart[m * n - k] };
	free(apart);
	return found;
}

/* student_tail - how often |t| is larger with so many degrees of freedom. A finite series, since
 * they are a whole number (Abramowitz and Stegun 26.7.3, 26.7.4). */
static double student_tail(double t, size_t freedom)
{
	const double pi = 3.14159265358979323846;
	double angle = atan(t / sqrt((double)freedom));
	double square = cos(angle) * cos(angle);
	bool odd = freedom % 2 != 0;
	double term = odd ? cos(angle) : 1, sum = 0;

	for (size_t k = odd ? 3 : 2; k <= freedom; k += 2) {
		sum += term;
		term *= square * (double)(k - 1) / (double)k;
	}
	sum *= sin(angle);
	return fmin(1, fmax(0, 1 - (odd ? 2 / pi * (angle + sum) : sum)));
}

static double squares_of(const double *x, size_t n)
{
	double mean = mean_of(x, n), sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += (x[i] - mean) * (x[i] - mean);
	return sum;
}

/* chance_of - of a difference of means as large as this one, if both are samples of the same
 * thing: then they have one variance, so it is taken from both together. */
static double chance_of(const double *a, size_t m, const double *b, size_t n)
{
	double apart = fabs(mean_of(b, n) - mean_of(a, m));
	double variance = (squares_of(a, m) + squares_of(b, n)) / (double)(m + n - 2);
	double t = apart / sqrt(variance * (1 / (double)m + 1 / (double)n));

	if (apart == 0 || isnan(t))
		return 1;
	return isinf(t) ? 0 : student_tail(t, m + n - 2);
}

static enum verdict verdict_of(const struct difference *d, enum better better, double noise)
{
	bool beyond_noise = fabs(d->change) > noise * fmax(fabs(d->before), fabs(d->after));
	bool apart = d->interval.low > 0 || d->interval.high < 0;

	if (better == BETTER_NEITHER || !apart || !beyond_noise || d->p > 1 - confidence)
		return VERDICT_SAME;
	return (d->change > 0) == (better == BETTER_HIGHER) ? VERDICT_BETTER : VERDICT_WORSE;
}

struct difference statistics_compare(const double *before, size_t before_count, const double *after,
				     size_t after_count, enum better better, double noise)
{
	size_t m, n;
	double *a = sorted(before, before_count, &m), *b = sorted(after, after_count, &n);
	struct difference d = { .before = quantile_of(a, m, 0.5), .after = quantile_of(b, n, 0.5) };

	d.change = d.after - d.before;
	d.relative = d.before != 0 ? d.change / fabs(d.before) : NAN;
	d.interval = (struct interval){ NAN, NAN };
	d.p = NAN;
	d.verdict = VERDICT_UNKNOWN;
	if (m >= RUNS_MIN && n >= RUNS_MIN) {
		d.p = chance_of(a, m, b, n);
		d.interval = shift_of(a, m, b, n); /* may thin them: the last to use them */
		d.interval.low = fmin(d.interval.low, d.change);
		d.interval.high = fmax(d.interval.high, d.change);
		d.verdict = verdict_of(&d, better, noise > 0 ? noise : 0);
	}
	free(a);
	free(b);
	return d;
}

/* counting_chance - of a difference of means as large as this one if both count the same: by the
 * normal distribution, which is near enough where it matters, with many of them. */
static double counting_chance(const double *before, size_t before_count, const double *after,
			      size_t after_count, double step)
{
	struct summary a = statistics_summarise(before, before_count);
	struct summary b = statistics_summarise(after, after_count);
	double m = (double)a.count, n = (double)b.count;
	double all = (fabs(a.mean) * m + fabs(b.mean) * n) / (m + n) / step;
	double z = fabs(b.mean - a.mean) / step / sqrt(all * (1 / m + 1 / n));

	return isnan(z) ? 1 : erfc(z / sqrt(2));
}

struct difference statistics_compare_counts(const double *before, size_t before_count,
					    const double *after, size_t after_count,
					    enum better better, double noise, double step)
{
	struct difference d = statistics_compare(before, before_count, after, after_count, better,
						 noise);

	if (d.verdict == VERDICT_UNKNOWN)
		return d;
	d.p = fmax(d.p, counting_chance(before, before_count, after, after_count, step));
	d.verdict = d.p > 1 - confidence ? VERDICT_SAME : d.verdict;
	return d;
}

/* ---- many figures ---- */

static int by_p(const void *a, const void *b)
{
	const struct difference *x = *(struct difference *const *)a;
	const struct difference *y = *(struct difference *const *)b;

	return (x->p > y->p) - (x->p < y->p);
}

void statistics_holm(struct difference *const *d, size_t count)
{
	struct difference **known = taken(count); /* pointers are no larger than doubles */
	size_t n = 0;
	double least = 0;

	for (size_t i = 0; i < count; i++)
		if (d[i]->verdict != VERDICT_UNKNOWN)
			known[n++] = d[i];
	qsort(known, n, sizeof(*known), by_p);
	for (size_t i = 0; i < n; i++) {
		least = fmax(least, fmin(1, known[i]->p * (double)(n - i)));
		known[i]->p = least;
		if (least > holm_level)
			known[i]->verdict = VERDICT_SAME;
	}
	free(known);
}

const char *verdict_name(enum verdict v)
{
	switch (v) {
	case VERDICT_SAME: return "no difference";
	case VERDICT_BETTER: return "better";
	case VERDICT_WORSE: return "worse";
	case VERDICT_UNKNOWN: break;
	}
	return "too few runs";
}
