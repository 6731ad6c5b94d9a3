/* counters - publishing under a sequence lock, and reading histograms. */
#include "dataplane/shm/counters.h"

#include <string.h>

/* Publishing takes far less than a microsecond, so a reader that failed this often is facing a
 * writer that was stopped in the middle, not one that is quick. */
enum { SNAPSHOT_TRIES = 1000 };

/* ThreadSanitizer does not model fences and gcc says so. Nothing is lost here: every access below
 * is atomic, so there is no race for it to find. */
#if defined(__SANITIZE_THREAD__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wtsan"
#endif

void counters_publish(struct counters_page *page, const struct counters *c)
{
	uint64_t sequence = atomic_load_explicit(&page->sequence, memory_order_relaxed);

	/* A writer begins even, whatever the page held. */
	sequence &= ~UINT64_C(1);
	atomic_store_explicit(&page->sequence, sequence + 1, memory_order_relaxed);
	/* Pairs with the acquire fence in counters_snapshot(): a reader that saw one of the values
	 * below sees the odd number too when it looks again. */
	atomic_thread_fence(memory_order_release);
	for (unsigned i = 0; i < COUNTER_COUNT; i++)
		atomic_store_explicit(&page->value[i], c->value[i], memory_order_relaxed);
	/* Pairs with the acquire load in counters_snapshot(): whoever sees this number sees at
	 * least these values. */
	atomic_store_explicit(&page->sequence, sequence + 2, memory_order_release);
}

static bool snapshot_once(const struct counters_page *page, struct counters *ret)
{
	/* Pairs with the release store at the end of counters_publish(). */
	uint64_t before = atomic_load_explicit(&page->sequence, memory_order_acquire);

	if ((before & 1) != 0)
		return false;
	for (unsigned i = 0; i < COUNTER_COUNT; i++)
		ret->value[i] = atomic_load_explicit(&page->value[i], memory_order_relaxed);
	/* Pairs with the release fence in counters_publish(). */
	atomic_thread_fence(memory_order_acquire);
	return atomic_load_explicit(&page->sequence, memory_order_relaxed) == before;
}

bool counters_snapshot(const struct counters_page *page, struct counters *ret)
{
	struct counters seen;

	for (int i = 0; i < SNAPSHOT_TRIES; i++) {
		if (snapshot_once(page, &seen)) {
			memcpy(ret, &seen, sizeof(*ret));
			return true;
		}
	}
	return false;
}

uint64_t histogram_floor(uint32_t bucket)
{
	if (bucket < 8)
		return bucket;
	if (bucket >= HISTOGRAM_BUCKETS)
		return UINT64_MAX;
	return (UINT64_C(8) + (bucket - 8) % 8) << (bucket - 8) / 8;
}

/* Which observation, counted from 1 in ascending order, has the share `q` at or below it. */
static uint64_t rank_of(double q, uint64_t total)
{
	double exact = q * (double)total;
	uint64_t rank;

	if (!(q > 0)) /* also what is not a number */
		return 1;
	if (q >= 1)
		return total;
	rank = (uint64_t)exact;
	return (double)rank < exact ? rank + 1 : rank;
}

uint64_t histogram_quantile(const struct histogram *h, double q)
{
	/* The writer goes on counting: one private copy, so that the total is that of the buckets.
	 */
	uint64_t count[HISTOGRAM_BUCKETS];
	uint64_t total = 0, below = 0, rank;

	for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
		count[i] = atomic_load_explicit(&h->count[i], memory_order_relaxed);
		total += count[i];
	}
	if (total == 0)
		return 0;
	rank = rank_of(q, total);
	for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
		below += count[i];
		if (below >= rank)
			return histogram_floor(i);
	}
	return histogram_floor(HISTOGRAM_BUCKETS - 1);
}
