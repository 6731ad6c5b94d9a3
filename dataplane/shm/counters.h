/* counters - a worker's counters as others may see them, and its histograms.
 *
 * The worker counts in private memory and publishes all counters together under a sequence
 * lock: odd while it writes, even when done. A reader takes a snapshot that
 * belongs to one moment or tries again, so a balance whose terms all belong to
 * one worker is exact in every snapshot.
 *
 * Histograms are written in place, each bucket one relaxed store by the only
 * writer; a reader may see one bucket newer than another, never a torn one.
 */
#ifndef DATAPLANE_SHM_COUNTERS_H
#define DATAPLANE_SHM_COUNTERS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "dataplane/base/compiler.h"
#include "dataplane/ledger.h"

/* Writer: the worker. Readers: control. */
struct counters_page {
	_Alignas(CACHE_LINE_BYTES) _Atomic uint64_t sequence;
	_Atomic uint64_t value[COUNTER_COUNT];
};

/* counters_publish - Threads: the worker; wait-free. */
void counters_publish(struct counters_page *page, const struct counters *c);

/* counters_snapshot - Returns false if the writer was writing all the time (it may be dead in the
 * middle): `ret` is untouched then. Threads: any reader. */
bool counters_snapshot(const struct counters_page *page, struct counters *ret);

/* Latency histogram: buckets of 1/8 octave, so a value is known to within 12.5 %.
 * Bucket of v: v below 8 is its own; above, 8 per power of two. Units: ns. */
enum { HISTOGRAM_BUCKETS = 8 + 61 * 8 };

struct histogram {
	_Atomic uint64_t count[HISTOGRAM_BUCKETS];
	_Atomic uint64_t sum_ns;
	_Atomic uint64_t max_ns;
};

static inline uint32_t histogram_bucket(uint64_t v)
{
	if (v < 8)
		return (uint32_t)v;
	uint32_t octave = 63 - (uint32_t)__builtin_clzll(v); /* >= 3 */

	return 8 + (octave - 3) * 8 + (uint32_t)(v >> (octave - 3) & 7);
}

/* histogram_floor - smallest value of a bucket. */
uint64_t histogram_floor(uint32_t bucket);

/* histogram_add - Threads: the only writer. */
static inline void histogram_add(struct histogram *h, uint64_t ns)
{
	_Atomic uint64_t *c = &h->count[histogram_bucket(ns)];

	atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + 1,
			      memory_order_relaxed);
	atomic_store_explicit(&h->sum_ns,
			      atomic_load_explicit(&h->sum_ns, memory_order_relaxed) + ns,
			      memory_order_relaxed);
	if (unlikely(ns > atomic_load_explicit(&h->max_ns, memory_order_relaxed)))
		atomic_store_explicit(&h->max_ns, ns, memory_order_relaxed);
}

/* histogram_quantile - smallest value such that at least q (0..1) of the observations are not above
 * its bucket; 0 for an empty histogram. */
uint64_t histogram_quantile(const struct histogram *h, double q);

#endif
