/* frame - the lines around the records: what this run is, and how it ended.
 *
 *     {"type":"start","run":…,"version":…,"sources":[…],"clock":…,"capture":[{"backend","interface","mode"}],"workers":…,"started":…}
 *     {"type":"end","run":…,"ledger":{…},"latency":{"http":{"count":…,"p50_ns":…, …}}}
 *
 * A control that was killed and started again writes a second start line, with "restarted":true;
 * a run whose dataplane died ends with "dataplane":"died".
 */
#ifndef CONTROL_DAEMON_FRAME_H
#define CONTROL_DAEMON_FRAME_H

#include <stdbool.h>
#include <stddef.h>

#include "control/daemon/books.h"
#include "dataplane/shm/settings.h"

/* frame_start - the start line with its newline, from malloc(); NULL without memory. `first`:
 * worker 0's region, which knows how live sources are captured; NULL: files. *ret_mark_bytes: up to
 * there it is the same in every start line of this run and in none of another. */
char *frame_start(const struct settings *s, const char *version, const struct region_reader *first,
		  uint32_t workers, bool restarted, size_t *ret_bytes, size_t *ret_mark_bytes);

/* frame_end - the end line with its newline, from malloc(); NULL without memory. */
char *frame_end(const struct settings *s, const struct books *b,
		const struct region_reader *regions, size_t *ret_bytes);

#endif
