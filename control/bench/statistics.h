/* statistics - what a handful of runs says, and what it does not.
 *
 * Nothing here assumes a distribution: runs on a shared machine have none that is worth a name.
 * Samples need not be sorted; none is changed.
 */
#ifndef CONTROL_BENCH_STATISTICS_H
#define CONTROL_BENCH_STATISTICS_H

#include <stddef.h>
#include <stdint.h>

struct interval {
	double low, high;
};

struct summary {
	size_t count;
	double min, median, max, mean;
	struct interval interval; /* of the median, see statistics_interval() */
};

/* quantile - by linear interpolation between order statistics (type 7 of Hyndman and Fan 1996).
 * q from 0 to 1. NaN of no samples. */
double statistics_quantile(const double *sample, size_t count, double q);

/* summarise - all zero but for NaN figures if there are no samples. */
struct summary statistics_summarise(const double *sample, size_t count);

/* interval - that holds the median with 95 % confidence: by order statistics (binomial) from six
 * samples on; of fewer no such interval exists, and it is from the least to the largest. */
struct interval statistics_interval(const double *sample, size_t count);

enum verdict { VERDICT_SAME, VERDICT_BETTER, VERDICT_WORSE, VERDICT_UNKNOWN };

/* What is good for a figure. */
enum better { BETTER_LOWER, BETTER_HIGHER, BETTER_NEITHER };

struct difference {
	double before, after;     /* medians */
	double change;            /* after - before */
	double relative;          /* change / |before|; NaN where before is 0 */
	struct interval interval; /* of `change`, 95 % */
	enum verdict verdict;
};

/* compare - is `after` better or worse than `before`?
 *
 * noise: relative difference that a configuration shows against itself on this machine; what is no
 *        larger is no difference, whatever the interval says. 0: not known.
 * Worse or better needs both: the interval (Hodges-Lehmann shift, from the Mann-Whitney test) does
 * not hold 0, and the change is more than the noise. BETTER_NEITHER is never more than SAME.
 * UNKNOWN: a side has fewer than three samples, so nothing can be said.
 */
struct difference statistics_compare(const double *before, size_t before_count, const double *after,
				     size_t after_count, enum better better, double noise);

const char *verdict_name(enum verdict v); /* "no difference", "better", "worse", "too few runs" */

#endif
