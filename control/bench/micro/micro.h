/* micro - small benchmarks of one part of weir each: weir-bench-micro, which `weir bench micro`
 * runs.
 *
 *     open -> { run }* (until it is warm) -> { run }* (measured) -> done -> close
 *
 * Adding one: a file that defines `const struct micro_benchmark micro_<file>[]`, ended by one
 * without a name, and a word in MICRO_LIST; or a row in one that is there.
 *
 * Threads: one. Memory: what open() takes it may take from where it likes; allocations are counted
 * only while it is measured.
 */
#ifndef CONTROL_BENCH_MICRO_MICRO_H
#define CONTROL_BENCH_MICRO_MICRO_H

#include <stdbool.h>
#include <stdint.h>

#define MICRO_LIST(X)                                                                              \
	X(decode)                                                                                  \
	X(hash)                                                                                    \
	X(flow) X(reassembly) X(identify) X(dissect) X(pair) X(emit) X(ring) X(jsonl) X(pipeline)

struct micro_benchmark {
	const char *name;      /* "flow/hit/1k": what is measured, then how */
	const char *operation; /* one of what run() counts: "packet" */
	const char *about;     /* half a sentence */

	const char *needs; /* a dissector that a build may be without; NULL: none */

	/* DESIGN: per packet in order there is no allocation. One is a failure. */
	bool frugal;

	/* `argument` is the row's. What cannot be had ends the program, with a sentence. */
	void *(*open)(uint64_t argument);
	uint64_t argument;

	/* run - some operations, always as many. What they yield goes to micro_use(), so that no
	 * compiler leaves them out. Returns how many. */
	uint64_t (*run)(void *of);

	/* done - operations since open() by somebody else's count: the ledger, or what came out. */
	uint64_t (*done)(const void *of);
	void (*close)(void *of);
};

#define MICRO_DECLARE(file) extern const struct micro_benchmark micro_##file[];
MICRO_LIST(MICRO_DECLARE)

/* micro_used - a sum over all that was yielded. */
extern uint64_t micro_used;

static inline void micro_use(uint64_t value)
{
	micro_used = (micro_used ^ value) * UINT64_C(0x100000001b3);
}

/* micro_need - `ok`, or the program ends with this sentence. */
void micro_need(bool ok, const char *sentence);

#endif
