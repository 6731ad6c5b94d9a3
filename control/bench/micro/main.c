/* weir-bench-micro - one small benchmark, once, in a process of its own. `weir bench micro` runs it
 * over and over and makes a result of what it prints.
 *
 *     weir-bench-micro                          what there is: name, operation, frugal or -, about;
 * tabs between weir-bench-micro NAME [SECONDS [RUNS]]    one line, KEY=VALUE with spaces between
 *
 * With RUNS it runs so often and without warm-up, for programs that count instructions by
 * themselves. Status 1: it did not do what it says it measures; 2: usage.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/bench/micro/measure.h"
#include "control/bench/micro/micro.h"
#include "dataplane/base/log.h"
#include "dissectors/registry.h"

#define MICRO_POINTER(file) micro_##file,
static const struct micro_benchmark *const lists[] = { MICRO_LIST(MICRO_POINTER) };
enum { LISTS = sizeof(lists) / sizeof(lists[0]) };

enum { STATUS_DONE, STATUS_NO, STATUS_USAGE };

uint64_t micro_used;

void micro_need(bool ok, const char *sentence)
{
	if (ok)
		return;
	fprintf(stderr, "weir-bench-micro: %s\n", sentence);
	exit(STATUS_NO);
}

static bool is_here(const struct micro_benchmark *b)
{
	return b->needs == NULL || dissector_find(b->needs) != DISSECTOR_NONE;
}

static void print_list(void)
{
	for (size_t i = 0; i < LISTS; i++)
		for (const struct micro_benchmark *b = lists[i]; b->name != NULL; b++)
			if (is_here(b))
				printf("%s\t%s\t%s\t%s\n", b->name, b->operation,
				       b->frugal ? "frugal" : "-", b->about);
}

static const struct micro_benchmark *find(const char *name)
{
	for (size_t i = 0; i < LISTS; i++)
		for (const struct micro_benchmark *b = lists[i]; b->name != NULL; b++)
			if (strcmp(b->name, name) == 0 && is_here(b))
				return b;
	return NULL;
}

static int run(const struct micro_benchmark *b, double seconds, uint64_t runs)
{
	void *of = b->open(b->argument);
	struct measured m;
	uint64_t done;

	measure(b, of, seconds, runs, &m);
	done = b->done(of);
	b->close(of);
	if (done != m.all) {
		fprintf(stderr,
			"weir-bench-micro: %s: %llu operations were asked for, and %llu done\n",
			b->name, (unsigned long long)m.all, (unsigned long long)done);
		return STATUS_NO;
	}
	printf("operations=%llu ns=%.6g least_ns=%.6g cycles=%.6g cycles_by=%s instructions=%.6g "
	       "allocations=%.6g allocated_bytes=%.6g system_calls=%.6g yield=%016llx\n",
	       (unsigned long long)m.operations, m.ns, m.least_ns, m.cycles,
	       m.by_pmu ? "pmu" : "tsc", m.instructions, m.allocations, m.allocated_bytes,
	       m.system_calls, (unsigned long long)micro_used);
	return STATUS_DONE;
}

int main(int argc, char **argv)
{
	const struct micro_benchmark *b = argc > 1 ? find(argv[1]) : NULL;
	double seconds = argc > 2 ? strtod(argv[2], NULL) : 0.2;
	uint64_t runs = argc > 3 ? strtoull(argv[3], NULL, 10) : 0;

	log_open("weir-bench-micro", LOG_WARN);
	if (argc == 1) {
		print_list();
		return STATUS_DONE;
	}
	if (b == NULL || argc > 4 || !(seconds > 0 && seconds < 3600)) {
		fputs("weir-bench-micro: started by weir bench micro, with NAME [SECONDS [RUNS]]; "
		      "without a word it lists the names\n",
		      stderr);
		return STATUS_USAGE;
	}
	return run(b, seconds, runs);
}
