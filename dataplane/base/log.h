/* log - lines for people, on stderr. Never bytes of traffic.
 *
 * One cause is one call site, and one call site prints at most one line per
 * 20 s; how many it kept to itself is told with the next line it prints.
 *
 * Threads: any. Cost: a clock read where nothing is printed. Not for a packet's path:
 *          there a line of the ledger is counted instead.
 */
#ifndef DATAPLANE_BASE_LOG_H
#define DATAPLANE_BASE_LOG_H

#include <stdatomic.h>
#include <stdint.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

struct log_site {
	_Atomic uint64_t
		next_ns; /* CLOCK_MONOTONIC before which this site stays silent; 0: never spoke */
	_Atomic uint32_t kept; /* lines suppressed since the last one */
};

/* log_open - name that begins every line, and the level up to which lines are printed. */
void log_open(const char *program, enum log_level level);

__attribute__((format(printf, 3, 4))) void log_line(struct log_site *site, enum log_level level,
						    const char *format, ...);

#define log_at(level, ...)                                                                         \
	do {                                                                                       \
		static struct log_site site_;                                                      \
		log_line(&site_, level, __VA_ARGS__);                                              \
	} while (0)
#define log_error(...) log_at(LOG_ERROR, __VA_ARGS__)
#define log_warn(...)  log_at(LOG_WARN, __VA_ARGS__)
#define log_info(...)  log_at(LOG_INFO, __VA_ARGS__)

/* log_each - a line that is never kept back: of what is told once for each thing that is set up. */
#define log_each(...) log_line(NULL, LOG_INFO, __VA_ARGS__)

#endif
