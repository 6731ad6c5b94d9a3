/* plot_logs - stats logs as one picture: `weir plot`, and the end of `weir bench modes`.
 *
 *     01_no_pcap_0.log 01_no_pcap_1.log ... 08_normal_2.log
 *          \________ one colour ________/
 *
 * Logs whose names begin with the same number are runs of the same thing: one colour, the median
 * of the runs as a line and from the least to the most as a band.
 */
#ifndef CONTROL_BENCH_PLOT_LOGS_H
#define CONTROL_BENCH_PLOT_LOGS_H

#include <stddef.h>

struct plot_logs_plan {
	const char *command; /* for what is told: "weir plot" */
	const char *const *path;
	size_t count;
	const char *output; /* OUTPUT.png, OUTPUT.svg, OUTPUT.html */
	const char *title;
	const char *table; /* a file for every sample, tab-separated; NULL: none */
};

/* plot_logs - what is wrong with a log is told on standard error, by name; the others are drawn.
 * Returns: an exit status: 4: a log has no stats lines, or one that breaks off; 5: one cannot be
 * read; 6: something could not be drawn or written. */
int plot_logs(const struct plot_logs_plan *plan);

#endif
