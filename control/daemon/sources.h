/* sources - what the ports of all workers say of each source together.
 *
 * Source S is port S of every worker. Live ports share the source, so their numbers are added up;
 * of a file each worker's port walks all of it, and the first worker's speaks for all.
 */
#ifndef CONTROL_DAEMON_SOURCES_H
#define CONTROL_DAEMON_SOURCES_H

#include <stdint.h>

#include "control/daemon/books.h"
#include "dataplane/rx/rx.h"
#include "dataplane/shm/region.h"

struct sources {
	uint32_t count;
	struct region_port_view source[REGION_PORTS]; /* offered RX_UNKNOWN: not checkable */
};

/* sources_sum - from books that were taken. */
void sources_sum(struct sources *ret, const struct books *b);

/* sources_lost - what one source has lost, all reasons together. */
uint64_t sources_lost(const struct region_port_view *source);

/* The names of RX_LOST_LIST. */
extern const char *const sources_lost_name[RX_LOST_COUNT];

#endif
