/* hdr - a histogram of times with a bounded relative error, whatever their size (HDR histogram).
 *
 * Buckets are log-linear: 2^HDR_SUB_BITS to a power of two, so a value is told with an error of at
 * most 1/2^HDR_SUB_BITS, 0.4 %. Values above HDR_MAX are kept as HDR_MAX and counted in `over`.
 * Percentiles are those of what was recorded, never of a sample of it.
 */
#ifndef CONTROL_BENCH_HDR_H
#define CONTROL_BENCH_HDR_H

#include <stdint.h>

enum {
	HDR_SUB_BITS = 8,
	HDR_POWERS = 40,
	HDR_BUCKETS = (HDR_POWERS - HDR_SUB_BITS + 1) << HDR_SUB_BITS,
};
#define HDR_MAX ((UINT64_C(1) << HDR_POWERS) - 1) /* ns: 18 minutes */

struct hdr {
	uint64_t count, over, min, max;
	double sum;
	uint64_t bucket[HDR_BUCKETS];
};

void hdr_clear(struct hdr *h);
void hdr_record(struct hdr *h, uint64_t value);
void hdr_record_many(struct hdr *h, uint64_t value, uint64_t times);
void hdr_add(struct hdr *to, const struct hdr *from);

/* hdr_quantile - the largest value of the bucket in which the quantile (0 to 1) lies, never above
 * the largest recorded; 0 of none. */
uint64_t hdr_quantile(const struct hdr *h, double q);
double hdr_mean(const struct hdr *h);

/* hdr_bucket_largest - a value of bucket[i], by which it can be written down and recorded anew. */
uint64_t hdr_bucket_largest(uint32_t bucket);

#endif
