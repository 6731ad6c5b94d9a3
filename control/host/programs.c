/* programs - checks of the programs that weir's commands and scripts call. */
#include <stdio.h>
#include <string.h>

#include "control/bench/lab.h"
#include "control/bench/run.h"
#include "control/host/check.h"

/* What the scripts of deploy/ and tests/ call; those of weir's own commands are in lab.h. */
static const struct {
	const char *program, *package, *caller;
} scripts[] = {
	{ "nginx", "nginx-light", "deploy/quickstart" },
	{ "wrk", "wrk", "deploy/quickstart" },
	{ "tcpdump", "tcpdump", "deploy/quickstart" },
	{ "python3", "python3", "deploy/quickstart" },
	{ "bpftool", "bpftool", "the tests" },
	{ "perf", "linux-perf", "the benchmarks" },
};

/* A list of names that are there. */
struct names {
	char text[200];
};

static void check_program(struct report *r, struct names *there, enum level without,
			  const char *program, const char *package, const char *caller)
{
	size_t used = strlen(there->text);
	char path[PATH_MAX];

	if (run_find(program, path) == 0) {
		(void)snprintf(there->text + used, sizeof(there->text) - used, "%s%s",
			       used > 0 ? ", " : "", program);
		return;
	}
	report(r, without, "%s: is neither in PATH nor in /usr/sbin, and %s calls it", program,
	       caller);
	report_fix(r, "apt install %s", package);
}

static void check_programs(const struct host *h, struct report *r)
{
	struct names there = { "" };

	(void)h;
	for (uint32_t i = 0; i < LAB_TOOLS; i++)
		check_program(r, &there, LEVEL_WARN, lab_tools[i].program, lab_tools[i].package,
			      "weir lab");
	for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++)
		check_program(r, &there, LEVEL_INFO, scripts[i].program, scripts[i].package,
			      scripts[i].caller);
	if (there.text[0] != 0)
		report(r, LEVEL_OK, "there: %s", there.text);
}

const struct check program_checks[] = {
	{ "programs", "is every program there that weir calls?", check_programs, NULL },
	{ .name = NULL },
};
