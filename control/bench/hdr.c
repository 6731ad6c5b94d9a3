#include "control/bench/hdr.h"

#include <math.h>
#include <string.h>

enum { SUB_BUCKETS = 1 << HDR_SUB_BITS };

/* bucket_of - below SUB_BUCKETS a bucket has one value; above, the highest bit chooses a group of
 * SUB_BUCKETS and the bits behind it the bucket. */
static uint32_t bucket_of(uint64_t value)
{
	uint32_t shift;

	if (value < SUB_BUCKETS)
		return (uint32_t)value;
	shift = 63 - (uint32_t)__builtin_clzll(value) - HDR_SUB_BITS;
	return shift * SUB_BUCKETS + (uint32_t)(value >> shift);
}

uint64_t hdr_bucket_largest(uint32_t bucket)
{
	uint32_t shift;

	if (bucket < SUB_BUCKETS)
		return bucket;
	shift = bucket / SUB_BUCKETS - 1;
	return ((((uint64_t)bucket % SUB_BUCKETS) + SUB_BUCKETS + 1) << shift) - 1;
}

void hdr_clear(struct hdr *h)
{
	memset(h, 0, sizeof(*h));
}

void hdr_record(struct hdr *h, uint64_t value)
{
	hdr_record_many(h, value, 1);
}

void hdr_record_many(struct hdr *h, uint64_t value, uint64_t times)
{
	if (times == 0)
		return;
	if (value > HDR_MAX) {
		value = HDR_MAX;
		h->over += times;
	}
	h->bucket[bucket_of(value)] += times;
	if (h->count == 0 || value < h->min)
		h->min = value;
	if (value > h->max)
		h->max = value;
	h->sum += (double)value * (double)times;
	h->count += times;
}

void hdr_add(struct hdr *to, const struct hdr *from)
{
	if (from->count == 0)
		return;
	if (to->count == 0 || from->min < to->min)
		to->min = from->min;
	if (from->max > to->max)
		to->max = from->max;
	to->count += from->count;
	to->over += from->over;
	to->sum += from->sum;
	for (uint32_t i = 0; i < HDR_BUCKETS; i++)
		to->bucket[i] += from->bucket[i];
}

uint64_t hdr_quantile(const struct hdr *h, double q)
{
	uint64_t rank, seen = 0;

	if (h->count == 0)
		return 0;
	/* Nearest rank: the least value that has at least q of all at or below it. */
	rank = q > 0 ? (uint64_t)ceil(q * (double)h->count) : 1;
	if (rank > h->count)
		rank = h->count;
	for (uint32_t i = 0; i < HDR_BUCKETS; i++) {
		seen += h->bucket[i];
		if (seen >= rank)
			return hdr_bucket_largest(i) < h->max ? hdr_bucket_largest(i) : h->max;
	}
	return h->max;
}

double hdr_mean(const struct hdr *h)
{
	return h->count > 0 ? h->sum / (double)h->count : 0;
}
