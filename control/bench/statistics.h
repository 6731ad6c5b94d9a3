/* statistics - what a handful of runs says, and what it does not.
 *
 * Samples need not be sorted; none is changed. What is NaN or infinite in one was not told: it is
 * left out and not counted.
 *
 * What can be concluded from how many runs of one figure, all at 95 %:
 *
 *     1, 2 each    nothing: VERDICT_UNKNOWN
 *     3 each       two sides of which every run of one is above every run of the other. That
 *                  alone happens by chance in 1 of 10 comparisons of a thing with itself: no
 *                  interval of 95 % exists without assuming a distribution (of 3 and 4 neither;
 *                  of 4 and 4, or 3 and 5, it does). So the interval shown is that of all
 *                  differences of pairs, and a t-test has to agree
 *     5 each       differences of about 3 times the scatter of the runs
 *     7 and more   differences about as large as the scatter
 *
 * And from how many figures: of 200, ten would fall out by chance. statistics_holm() puts that
 * right for all figures of a result together, and asks more of each: of 200 figures, about 15
 * times the scatter with 3 runs, 5 times with 5, 3.5 times with 7, 2.5 times with 10.
 *
 * No number of runs helps against what changes between two results: the same build after an hour
 * may be slower because its neighbours are louder. That is what `noise` is for.
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
 * samples on; of fewer no such interval exists, and it is from the least to the largest. NaN of
 * no samples. */
struct interval statistics_interval(const double *sample, size_t count);

/* noise - how much a configuration differs from itself: `first` and `again` are its two runs of
 * each round. What 19 of 20 rounds do not exceed, relative to the mean of the two. NaN of no
 * rounds. */
double statistics_noise(const double *first, const double *again, size_t count);

enum verdict { VERDICT_SAME, VERDICT_BETTER, VERDICT_WORSE, VERDICT_UNKNOWN };

/* What is good for a figure. */
enum better { BETTER_LOWER, BETTER_HIGHER, BETTER_NEITHER };

struct difference {
	double before, after;     /* medians */
	double change;            /* after - before */
	double relative;          /* change / |before|; NaN where before is 0 */
	struct interval interval; /* of `change`, 95 % */
	double p; /* how often chance alone makes such a difference; NaN with VERDICT_UNKNOWN */
	enum verdict verdict;
};

/* compare - is `after` better or worse than `before`?
 *
 * noise: relative difference that a configuration shows against itself on this machine, of the
 *        larger of both medians; what is no larger is no difference, whatever the interval says.
 *        0 or NaN: not known.
 * Worse or better needs all three: the interval does not hold 0, p is at most 0.05, and the change
 * is more than the noise. The interval is that of Hodges and Lehmann from the Mann-Whitney test,
 * which assumes no distribution; where none of 95 % exists, of all differences of pairs; and never
 * without `change`. p is of Student's t-test: an outlier in either makes it careful, never bold.
 * The same samples the other way round give the opposite verdict. BETTER_NEITHER is never more
 * than SAME. UNKNOWN: a side has fewer than three samples, so nothing can be said.
 */
struct difference statistics_compare(const double *before, size_t before_count, const double *after,
				     size_t after_count, enum better better, double noise);

/* counted - the same for counts that come `step` at a time (packets: 1; memory: a page): they
 * scatter by the root of their number even if three runs happen to be alike, so p is at least what
 * counting alone makes (Poisson), and three times one lost packet is no more than three times none.
 */
struct difference statistics_compare_counts(const double *before, size_t before_count,
					    const double *after, size_t after_count,
					    enum better better, double noise, double step);

/* holm - for differences that are looked at together: takes back verdicts until the chance that
 * even one of them is wrong is at most 5 %, however they depend on each other (Holm 1979, on a
 * level of 1 %, because the t-test does not know how the figures scatter). `p` becomes the adjusted
 * one. VERDICT_UNKNOWN does not count. */
void statistics_holm(struct difference *const *d, size_t count);

const char *verdict_name(enum verdict v); /* "no difference", "better", "worse", "too few runs" */

#endif
