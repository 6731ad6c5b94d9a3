/* stats_log - a log with stats lines, weir's or the Go tapper's, as series over time.
 *
 *     [2022-05-08T16:03:01.018+0300] INFO  ▶ app stats - {"packetsCount":174883,…}      weir,
 * tapper [2022-05-08T16:03:01.018+0300] INFO  ▶ stats - {"packetsCount":174883,…}          old
 * tappers … heap-alloc: 24441240, … goroutines: 29, cpu: 91.208791, … rss: 87052288.000000 … mem:
 * 24441240, goroutines: 29, cpu: …                                           old tappers …
 * packet-source-stats: [host-lo: rec: 123 dropped: 4]
 *
 * Time is in seconds since the log's first time stamp. A line without one has the time of the line
 * before. Where the clock goes back, time stands still, and the interval across it has no rate.
 *
 * Counts are those of an interval; here they are per second. The first interval began with the
 * log's first time stamp; where that is too near, the log is a piece of a longer one, and the first
 * interval was as long as the longest of the others. What sources dropped is told since the
 * beginning, so its rate is that of the difference.
 *
 * Memory: grows with the log; what cannot be had ends the program, which is a benchmark.
 */
#ifndef CONTROL_BENCH_STATS_LOG_H
#define CONTROL_BENCH_STATS_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* X(id, name as in the tapper's plot, unit of its axis, what it is, rate: a count per second) */
/* clang-format off */
#define STATS_LOG_LIST(X) \
	X(CPU,        "cpu",              "% of one core", false) \
	X(RSS,        "rss",              "MiB",           false) \
	X(PACKETS,    "packetsCount",     "packets/s",     true) \
	X(MATCHED,    "matchedCount",     "pairs/s",       true) \
	X(LIVE,       "liveStreamsCount", "streams",       false) \
	X(BYTES,      "processedBytes",   "MiB/s",         true) \
	X(HEAP,       "heap",             "MiB",           false) \
	X(GOROUTINES, "goroutines",       "goroutines or threads", false) \
	X(DROPPED,    "packets dropped by sources", "packets/s", true) \
	X(SHED,       "throttledPackets + droppedTcpStreams", "1/s", true)
/* clang-format on */

#define STATS_LOG_ENUM(id, name, unit, rate) STATS_LOG_##id,
enum { STATS_LOG_LIST(STATS_LOG_ENUM) STATS_LOG_SERIES };

struct stats_log_kind {
	const char *name, *unit;
	bool rate;
};
extern const struct stats_log_kind stats_log_kind[STATS_LOG_SERIES];

/* One series: NaN where that line did not tell it. */
struct stats_log_series {
	double *x, *y; /* seconds; the unit */
	size_t count, room;
};

struct stats_log {
	struct stats_log_series series[STATS_LOG_SERIES];
	double total[STATS_LOG_SERIES]; /* of rates: the count itself; NaN: never told */
	double seconds;                 /* from the first to the last time stamp */
	uint64_t lines, count_lines, resource_lines, source_lines;
	/* What is wrong with it. */
	uint64_t cut;       /* stats lines that break off */
	uint64_t backwards; /* times that the clock went back, by more than a second */
	uint64_t unstamped; /* stats lines before the first time stamp: left out */
	bool binary, compressed, no_interval; /* the last: one interval of unknown length */
	/* reading */
	bool stamped;
	double first_s, last_s, set_back_s;
	double counts_at_s; /* of the stats line before; NaN: none */
	double longest_s;   /* interval but for the first */
	double dropped[2];  /* sources: before, and its time */
	bool first_is_open; /* the first interval's length is not known yet */
};

void stats_log_init(struct stats_log *log);
void stats_log_free(struct stats_log *log);

/* stats_log_line - the next line, without its newline. `whole`: it had one. */
void stats_log_line(struct stats_log *log, const char *line, size_t bytes, bool whole);

/* stats_log_end - after the last line. */
void stats_log_end(struct stats_log *log);

/* stats_log_read - init, all lines of a file, end. Lines longer than 64 KiB are read as far.
 * Returns: 0; -errno: it cannot be read, and the log is freed. */
int stats_log_read(struct stats_log *log, const char *path);

/* stats_log_usable - it has something to show. */
bool stats_log_usable(const struct stats_log *log);

#endif
