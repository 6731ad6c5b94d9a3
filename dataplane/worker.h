/* worker - one core: the stages in order, and the chores in the gaps.
 *
 * A worker owns everything in this struct and shares no mutable word with
 * another worker. What others may see of it is in its region (shm/region.h),
 * what it is told comes through `door`.
 */
#ifndef DATAPLANE_WORKER_H
#define DATAPLANE_WORKER_H

#include <pthread.h>

#include "dataplane/base/arena.h"
#include "dataplane/burst.h"
#include "dataplane/decode/decode.h"
#include "dataplane/dissect/host.h"
#include "dataplane/emit/emit.h"
#include "dataplane/flow/flow.h"
#include "dataplane/flow/handoff.h"
#include "dataplane/nap.h"
#include "dataplane/pair/pair.h"
#include "dataplane/reassembly/digest.h"
#include "dataplane/reassembly/reassembly.h"
#include "dataplane/rx/filter.h"
#include "dataplane/rx/rx.h"
#include "dataplane/shm/region.h"
#include "dataplane/shm/settings.h"
#include "dataplane/stage.h"
#include "dataplane/together.h"

/* What was pulled from one of several ports and has not been taken into a burst yet. */
struct pulled {
	uint32_t count, at;
	bool borrowed; /* frames to give back when all are taken */
	struct packet packet[BURST_PACKETS];
};

/* The ports of one worker: one per --rx. Several are merged by time: a worker that is late finds
 * much in each, and a response must not overtake its request. */
struct ports {
	struct rx_port *port[SETTINGS_RX_MAX];
	struct region_port *published[SETTINGS_RX_MAX]; /* what control sees of each */
	uint32_t count;
	struct pulled pulled[SETTINGS_RX_MAX]; /* of several ports only */
};

struct worker {
	/* every turn */
	_Alignas(4096) struct burst burst; /* a worker shares no page with another */
	struct ports rx;
	struct filter filter;
	struct handoff handoff;
	struct decode decode;
	struct flow_table flow;
	struct reassembly reassembly;
	struct host host;
	struct pair pair;
	struct emit emit;
	struct counters counters;
	struct pipeline_clock clock;
	struct stage_timer timer;
	enum stage until;
	uint32_t number, workers;
	uint8_t spread;        /* enum rx_spread of its sources: the one that promises least */
	bool expects_lag;      /* worker_expect_lag() */
	uint64_t packets_left; /* until --count; UINT64_MAX: no end */
	struct nap nap;
	bool live, spin;
	bool follows; /* was stopped, and walks to where the others are: see together.h */
	/* set-up and chores */
	struct digest digest;
	struct identify identify;
	struct arena arena;
	struct region_writer region;
	struct emit_door *door;
	struct together *together; /* NULL: it ends where it likes */
	uint64_t publish_ns; /* CLOCK_MONOTONIC at which counters are published next */
	uint64_t turn;
	uint64_t quiet_ns, quiet_from_ns; /* CLOCK_MONOTONIC at which nothing came any more; the
					     clock then. 0: packets come */
	bool is_pinned;
	uint32_t core; /* to which */
	pthread_t thread;
	pthread_barrier_t *start; /* all threads and main, twice: between, the sandbox closes */
	int done_fd;              /* eventfd: written when the worker has finished */
	enum rx_state end;        /* gravest state of its ports at the end */
};

/* worker_expect_lag - the directions of a flow come by different workers, one of which may be
 * behind the other by as long as a processor with other work keeps a thread waiting: holes may be
 * filled for longer, and a connection's first packets may come behind later ones. Before the start
 * where that is the rule, else with the first packet that was handed over. */
void worker_expect_lag(struct worker *w);

/* worker_run - thread: settle on its processor, wait for the sandbox and for the start, work until
 * the input ends or the stop is asked for, close the books. The argument is the worker. */
void *worker_run(void *worker);

#endif
