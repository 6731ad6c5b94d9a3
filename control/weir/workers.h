/* workers - how many workers, and on which processors, before the settings are sealed. */
#ifndef CONTROL_WEIR_WORKERS_H
#define CONTROL_WEIR_WORKERS_H

#include <stddef.h>

#include "dataplane/base/cpu.h"
#include "dataplane/shm/settings.h"

enum { WORKERS_TEXT_BYTES = 512 };

/* workers_auto - `--workers auto` becomes a number: as many as there are processors, less one for
 * weir's other threads, and no more than the sources can feed: one for a pipe and for libpcap, one
 * per receive queue where workers do not share them (af_xdp with spread=off). At least 1. In `why`:
 * what was chosen and why. Pure: `queues` is asked for the receive queues of an interface (0:
 * unknown).
 */
void workers_auto(struct settings *s, uint32_t processors, uint32_t quota,
		  uint32_t (*queues)(const char *interface), char why[WORKERS_TEXT_BYTES]);

/* workers_check - may a worker be pinned to each of --cores? Returns: 0; -EINVAL, with what is
 * wrong and what would be right in `why`. */
int workers_check(const struct settings *s, const struct cpu_set *allowed,
		  bool (*is_online)(uint32_t cpu), char why[WORKERS_TEXT_BYTES]);

/* workers_most - what auto comes to on this machine where no source takes fewer. */
uint32_t workers_most(void);

/* workers_settle - both, on this machine; what was chosen is logged.
 * Returns: 0; -EINVAL with `why`. */
int workers_settle(struct settings *s, char why[WORKERS_TEXT_BYTES]);

#endif
