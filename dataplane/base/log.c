#include "dataplane/base/log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "dataplane/base/clock.h"

#define LOG_SILENCE_NS (20 * CLOCK_SECOND_NS)

static const char *program = "weir";
static enum log_level most = LOG_INFO;

void log_open(const char *name, enum log_level level)
{
	program = name;
	most = level;
}

/* Whoever moves the time on is the one who prints; the others are counted. */
static bool may_speak(struct log_site *site, uint32_t *ret_kept)
{
	uint64_t now = clock_monotonic_ns();
	uint64_t next = atomic_load_explicit(&site->next_ns, memory_order_relaxed);

	if (now < next ||
	    !atomic_compare_exchange_strong_explicit(&site->next_ns, &next, now + LOG_SILENCE_NS,
						     memory_order_relaxed, memory_order_relaxed)) {
		atomic_fetch_add_explicit(&site->kept, 1, memory_order_relaxed);
		return false;
	}
	*ret_kept = atomic_exchange_explicit(&site->kept, 0, memory_order_relaxed);
	return true;
}

void log_line(struct log_site *site, enum log_level level, const char *format, ...)
{
	static const char *const word[] = { "error: ", "warning: ", "", "debug: " };
	char line[1024];
	uint32_t kept = 0;
	va_list ap;
	int at;

	if (level > most || (site != NULL && !may_speak(site, &kept)))
		return;
	at = snprintf(line, sizeof(line), "%s: %s", program, word[level]);
	va_start(ap, format);
	at += vsnprintf(line + at, sizeof(line) - (size_t)at, format, ap);
	va_end(ap);
	if (at > (int)sizeof(line) - 40)
		at = (int)sizeof(line) - 40;
	if (kept > 0)
		at += snprintf(line + at, sizeof(line) - (size_t)at, " (and %u more)", kept);
	line[at++] = '\n';
	/* One write, so that lines of two processes do not mix. */
	if (write(STDERR_FILENO, line, (size_t)at) < 0)
		return;
}
