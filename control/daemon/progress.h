/* progress - one line on a terminal, redrawn four times a second: how far the input has been read.
 *
 *      42 %   512.3 MB/s   1234567 packets   61234 pairs   0:12 left
 *
 * Without a known length (a pipe) the bytes read stand in place of the per cent, and no time is
 * left.
 */
#ifndef CONTROL_DAEMON_PROGRESS_H
#define CONTROL_DAEMON_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "control/daemon/books.h"

struct progress {
	bool enabled, shown;
	uint64_t started_ns, last_ns; /* CLOCK_MONOTONIC */
};

void progress_init(struct progress *p, bool enabled, uint64_t now_ns);

/* progress_due - is it time to draw? */
bool progress_due(const struct progress *p, uint64_t now_ns);

/* progress_draw - over the line drawn before. */
void progress_draw(struct progress *p, const struct books *b, uint64_t now_ns, FILE *to);

/* progress_erase - leave the line empty for something else. */
void progress_erase(struct progress *p, FILE *to);

#endif
