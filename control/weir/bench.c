/* bench - `weir bench WHAT`: a table of benchmarks. */
#include "control/bench/bench.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "control/weir/command.h"
#include "control/weir/suggest.h"

static const struct command benches[] = {
	{ "backends", "what each back end costs: cycles of the whole machine, losses, delays",
	  bench_backends },
	{ "compare", "is one result better or worse than another, figure by figure?", bench_compare },
	{ "gates", "do the promises hold: CPU time, memory, added latency, errors, leaks",
	  bench_gates },
	{ "load", "an open-loop HTTP client: latency from when a request was due", bench_load },
	{ "micro", "parts of weir one by one: time, cycles and allocations per operation", bench_micro },
	{ "modes", "what each mode of the tapper's ladder and each stage costs", bench_modes },
	{ "plot", "stats logs, weir's and the Go tapper's, as one picture", bench_plot },
};

enum { BENCHES = sizeof(benches) / sizeof(benches[0]) };

static void print_overview(void)
{
	fputs("weir bench - what capturing costs on this machine, and whether the promises hold\n"
	      "\n"
	      "usage: weir bench WHAT [OPTION...]\n"
	      "\n",
	      stdout);
	for (size_t i = 0; i < BENCHES; i++)
		printf("  %-11s %s\n", benches[i].name, benches[i].help);
	fputs("\n"
	      "Each makes a lab (weir lab), says how long it will take, and writes result.json, "
	      "report.html,\n"
	      "plots and text files into --output-dir. --quick is a first look. weir bench WHAT "
	      "--help\n"
	      "\n"
	      "Example\n"
	      "  sudo weir bench backends --quick --output-dir /tmp/backends\n",
	      stdout);
}

static int refuse(const char *word)
{
	struct suggest s;

	suggest_begin(&s, word);
	for (size_t i = 0; i < BENCHES; i++)
		suggest_offer(&s, benches[i].name);
	fprintf(stderr, "weir bench: no such benchmark: %.80s\n", word);
	if (s.best != NULL)
		fprintf(stderr, "  did you mean weir bench %s?\n", s.best);
	else
		fputs("  see weir bench --help\n", stderr);
	return STATUS_USAGE;
}

int command_bench(int argc, char **argv)
{
	if (argc > 0 && (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0)) {
		print_overview();
		return STATUS_DONE;
	}
	if (argc == 0) {
		fputs("weir bench: what? weir bench --help\n", stderr);
		return STATUS_USAGE;
	}
	for (size_t i = 0; i < BENCHES; i++)
		if (strcmp(argv[0], benches[i].name) == 0)
			return benches[i].run(argc - 1, argv + 1);
	return refuse(argv[0]);
}
