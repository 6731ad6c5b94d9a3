/* common - what every benchmark takes and leaves: options, an output folder, and the report in it.
 *
 *     COMMON_ARGUMENTS in a table of options, whose `user` begins with a struct common
 *     common_begin -> (the benchmark) -> common_end
 */
#ifndef CONTROL_BENCH_COMMON_H
#define CONTROL_BENCH_COMMON_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "control/bench/report.h"
#include "control/bench/result.h"

struct common {
	const char *output_dir; /* NULL: weir-bench-WHAT-YYYYMMDD-HHMMSS */
	const char *interface;  /* NULL: the lab */
	const char *cores;      /* NULL: the first is the load's, the others the receiver's */
	uint32_t runs;          /* 0: not given */
	double seconds;         /* 0: not given */
	bool quick, quiet;
	char folder[PATH_MAX]; /* common_begin() has made it */
};

int common_take_output_dir(const char *value, void *user);
int common_take_interface(const char *value, void *user);
int common_take_cores(const char *value, void *user);
int common_take_runs(const char *value, void *user);
int common_take_seconds(const char *value, void *user);
int common_take_quick(const char *value, void *user);
int common_take_quiet(const char *value, void *user);

/* clang-format off */
#define COMMON_ARGUMENTS(quick_help, runs_preset, seconds_preset) \
	{ "output-dir", 'o', "DIR", "where the results go (a new folder, named by the time)", \
	  common_take_output_dir, "the name of a folder" }, \
	{ "quick", 0, NULL, quick_help, common_take_quick, NULL }, \
	{ "runs", 'n', "N", "of every cell, taking turns (" runs_preset ")", \
	  common_take_runs, "a number from 1 to 1000" }, \
	{ "seconds", 's', "TIME", "of each run (" seconds_preset ")", \
	  common_take_seconds, "a time such as 2s, from 100ms to 1h" }, \
	{ "quiet", 'q', NULL, "no progress", common_take_quiet, NULL }
#define COMMON_PLACE_ARGUMENTS \
	{ "iface", 'i', "IFACE", "measure on this interface and the traffic that it has (a lab)", \
	  common_take_interface, "the name of an interface" }, \
	{ "cores", 0, "LIST", "the load's, then the receiver's, such as 0,2-3 (the first; the others)", \
	  common_take_cores, "a list such as 0,2-3" }
/* clang-format on */

/* common_begin - make the folder. Returns: a status of command.h, after a
 * sentence if it is not STATUS_DONE. `command`: "weir bench modes". */
int common_begin(struct common *c, const char *command, const char *what);

/* common_say_time - how long it will take, on standard error. */
void common_say_time(const char *command, double seconds, const char *folder);

/* common_end - result.json, report.html, report.md, the text files; the tables on standard output.
 * Returns: as common_begin(). */
int common_end(const struct common *c, const char *command, const struct result *r,
	       const struct report *layout, const struct report_part *part, size_t parts);

#endif
