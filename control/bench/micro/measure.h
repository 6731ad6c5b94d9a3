/* measure - a benchmark run for a while: time, cycles, instructions, allocations, system calls.
 *
 *     warm-up    runs until a fifth of the time is over
 *     batches    of runs, about 100 us each. Nanoseconds and, by the time stamp counter, cycles
 *                are those of the median batch: one that was interrupted is not the median
 *     totals     cycles and instructions by the PMU, allocations, system calls: of this thread,
 *                over all batches
 *
 * Allocations are the calls of malloc(), mallocx() and their like, and of mmap(), that weir's own
 * code makes (counting.c); allocated bytes are what the allocator has given this thread, those of
 * libraries included.
 */
#ifndef CONTROL_BENCH_MICRO_MEASURE_H
#define CONTROL_BENCH_MICRO_MEASURE_H

#include "control/bench/micro/micro.h"

/* Per operation, but for the first two. NaN: cannot be told here. */
struct measured {
	uint64_t operations; /* measured */
	uint64_t all;        /* with those of the warm-up */
	double ns, cycles, instructions;
	double least_ns; /* of the best batch: nobody disturbed it */
	double allocations, allocated_bytes, system_calls;
	bool by_pmu; /* cycles; else by the time stamp counter */
};

/* measure - run it for so long; `runs` not 0: so often instead, without warm-up. */
void measure(const struct micro_benchmark *b, void *of, double seconds, uint64_t runs,
	     struct measured *ret);

/* counting - allocations of weir's own code so far. */
extern uint64_t counting_calls;

#endif
