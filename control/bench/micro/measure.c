/* measure - a benchmark run for a while. */
#include "control/bench/micro/measure.h"

#include <linux/perf_event.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "control/bench/tracepoint.h"
#include "dataplane/base/clock.h"

#ifndef ARENA_MALLOC
#include <jemalloc/jemalloc.h>
#endif

enum { BATCHES_MAX = 1 << 16, BATCHES_MIN = 5, BATCH_NS = 100000, WARM_PART = 5 };

/* ---- counters of the kernel ---- */

static int counter_open(uint32_t type, uint64_t config)
{
	struct perf_event_attr a = {
		.size = sizeof(a), .type = type, .config = config, .disabled = 1, .exclude_hv = 1
	};

	return (int)syscall(SYS_perf_event_open, &a, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

enum { CYCLES, INSTRUCTIONS, SYSTEM_CALLS, COUNTERS };

static void counters_open(int fd[COUNTERS])
{
	uint64_t event = tracepoint_system_calls();

	fd[CYCLES] = counter_open(PERF_TYPE_HARDWARE, PERF_COUNT_HW_CPU_CYCLES);
	fd[INSTRUCTIONS] = counter_open(PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS);
	fd[SYSTEM_CALLS] = event != 0 ? counter_open(PERF_TYPE_TRACEPOINT, event) : -1;
}

/* That of the system calls is switched on last and off first: it sees the call that switches it
 * off, and no other of these. */
static void counters_switch(const int fd[COUNTERS], unsigned long request)
{
	for (int i = 0; i < COUNTERS; i++) {
		int which = request == PERF_EVENT_IOC_ENABLE ? i : COUNTERS - 1 - i;

		if (fd[which] >= 0)
			ioctl(fd[which], request, 0);
	}
}

static double counter_take(int fd)
{
	uint64_t value;
	double taken = NAN;

	if (fd < 0)
		return NAN;
	if (read(fd, &value, sizeof(value)) == sizeof(value))
		taken = (double)value;
	close(fd);
	return taken;
}

/* allocated - by this thread, ever, as the allocator counts; 0 where it does not. */
static uint64_t allocated(void)
{
#ifdef ARENA_MALLOC
	return 0;
#else
	uint64_t value = 0;
	size_t bytes = sizeof(value);

	return mallctl("thread.allocated", &value, &bytes, NULL, 0) == 0 ? value : 0;
#endif
}

/* ---- batches ---- */

struct batch {
	double ns, cycles; /* per operation */
};

struct batches {
	struct batch *at;
	uint32_t count;
	uint64_t operations;
};

static uint64_t run_batch(const struct micro_benchmark *b, void *of, uint64_t runs,
			  struct batch *ret)
{
	uint64_t operations = 0, ns = clock_monotonic_ns(), cycles = clock_cycles();

	for (uint64_t i = 0; i < runs; i++)
		operations += b->run(of);
	cycles = clock_cycles() - cycles;
	ns = clock_monotonic_ns() - ns;
	ret->ns = (double)ns / (double)operations;
	ret->cycles = (double)cycles / (double)operations;
	return operations;
}

/* warm - for a while; ret_runs: of a batch. Returns operations. */
static uint64_t warm(const struct micro_benchmark *b, void *of, double seconds, uint64_t *ret_runs)
{
	uint64_t begun = clock_monotonic_ns(), wanted = (uint64_t)(seconds / WARM_PART * 1e9);
	uint64_t operations = 0, best = UINT64_MAX, before = begun, now;

	do {
		operations += b->run(of);
		now = clock_monotonic_ns();
		best = now - before < best ? now - before : best;
		before = now;
	} while (now - begun < wanted);
	*ret_runs = best == 0 || best >= BATCH_NS ? 1 : BATCH_NS / best;
	return operations;
}

static void run_batches(const struct micro_benchmark *b, void *of, double seconds, uint64_t runs,
			struct batches *ret)
{
	uint64_t begun = clock_monotonic_ns(), wanted = (uint64_t)(seconds * 1e9);

	do
		ret->operations += run_batch(b, of, runs, &ret->at[ret->count++]);
	while (ret->count < BATCHES_MAX &&
	       (ret->count < BATCHES_MIN || clock_monotonic_ns() - begun < wanted));
}

static int by_ns(const void *a, const void *b)
{
	double x = ((const struct batch *)a)->ns, y = ((const struct batch *)b)->ns;

	return (x > y) - (x < y);
}

void measure(const struct micro_benchmark *b, void *of, double seconds, uint64_t runs,
	     struct measured *ret)
{
	struct batches batches = { .at = calloc(BATCHES_MAX, sizeof(*batches.at)) };
	uint64_t per_batch = runs, calls, bytes, warmed = 0;
	int fd[COUNTERS];
	double n;

	micro_need(batches.at != NULL, "there is no memory");
	memset(batches.at, 1, BATCHES_MAX * sizeof(*batches.at)); /* its pages are there */
	if (runs == 0)
		warmed = warm(b, of, seconds, &per_batch);
	counters_open(fd);
	bytes = allocated();
	calls = counting_calls;
	counters_switch(fd, PERF_EVENT_IOC_ENABLE);
	if (runs != 0)
		batches.operations = run_batch(b, of, runs, &batches.at[batches.count++]);
	else
		run_batches(b, of, seconds, per_batch, &batches);
	counters_switch(fd, PERF_EVENT_IOC_DISABLE);
	calls = counting_calls - calls;
	bytes = allocated() - bytes;
	n = (double)batches.operations;
	qsort(batches.at, batches.count, sizeof(*batches.at), by_ns);
	*ret = (struct measured){
		.operations = batches.operations,
		.all = batches.operations + warmed,
		.ns = batches.at[batches.count / 2].ns,
		.least_ns = batches.at[0].ns,
		.cycles = counter_take(fd[CYCLES]) / n,
		.instructions = counter_take(fd[INSTRUCTIONS]) / n,
		.allocations = (double)calls / n,
		.allocated_bytes = (double)bytes / n,
		.system_calls = (counter_take(fd[SYSTEM_CALLS]) - 1) / n,
	};
	ret->by_pmu = !isnan(ret->cycles) && ret->cycles > 0;
	if (!ret->by_pmu)
		ret->cycles = batches.at[batches.count / 2].cycles;
	free(batches.at);
}
