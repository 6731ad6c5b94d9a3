/* dpdk_eal - DPDK's environment (EAL), started once per process.
 *
 * It runs in a thread of its own, which ends when it is up: rte_eal_init() binds its caller to
 * a core, and that is to be nobody of ours. Its threads (interrupts, telemetry) block all signals.
 *
 * Its lines and those of the drivers go to weir's log. While ports are opened or closed they are
 * kept, as what weir's own sentence gives as the cause; afterwards what is no mere information is
 * logged. `messages=all` logs everything.
 *
 * Nothing is left on disk: memory is anonymous (with huge pages --in-memory, which needs no mounted
 * hugetlbfs; else --no-huge). Only the telemetry's socket needs a folder: it is made in weir's own,
 * which weir removes whatever happens.
 *
 * Threads: main, before the sandbox.
 */
#ifndef DATAPLANE_RX_DPDK_EAL_H
#define DATAPLANE_RX_DPDK_EAL_H

#include "dataplane/rx/dpdk_args.h"

struct settings;

struct dpdk_eal_how {
	bool pci; /* look at that bus */
	enum dpdk_pages pages;
	uint64_t bytes;     /* of memory that will be asked for, in all */
	const char *folder; /* in which dpdk/weir/ is made for the telemetry; "" or NULL: no
			       telemetry */
	const struct settings *settings; /* whose user owns that */
	bool all_messages;
};

/* dpdk_eal_start - does nothing when it is up already, and remembers a failure: EAL does not start
 * twice. Returns: 0; -ENOMEM: huge pages were demanded and are not there; -EIO; with err. */
int dpdk_eal_start(const struct dpdk_eal_how *how, struct rx_error *err);

bool dpdk_eal_is_up(void);
bool dpdk_eal_huge(void); /* is memory on huge pages? */
bool dpdk_eal_looks_at_pci(void);

/* dpdk_eal_listen - keep what is said from here on until dpdk_eal_heard(), which returns the first
 * complaint, without the speaker's name and newline; "": none. */
void dpdk_eal_listen(void);
const char *dpdk_eal_heard(void);

/* dpdk_eal_free_bytes - of huge pages of all sizes, in the whole machine. */
uint64_t dpdk_eal_free_bytes(void);

#endif
