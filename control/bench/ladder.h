/* ladder - what each rung cuts off, and what the stage between two rungs costs.
 *
 *     open  rx  decode  flow  reassembly  dissect  pair  emit  drain  format  normal
 *      |         |       |        |                 |                   |       |
 *   no_pcap  no_assembler |   no_dissectors       no_emit            no_send  normal   (the
 * tapper's) no_tcp_stream                             only_http: two dissectors of all
 *
 * The price of a stage is told twice: by the difference between what a packet costs with it and
 * without it, taken in every round between runs that stand near each other; and by the workers' own
 * cycle counters in the runs of `normal`. Stages of which a ladder leaves one out are priced
 * together: "rx + decode".
 */
#ifndef CONTROL_BENCH_LADDER_H
#define CONTROL_BENCH_LADDER_H

#include <stdint.h>

#include "control/bench/result.h"
#include "dataplane/shm/settings.h"

enum ladder { LADDER_BOTH, LADDER_TAPPER, LADDER_STAGES };

enum { LADDER_RUNGS_MAX = 16, LADDER_ROUNDS_MAX = 1000, LADDER_WORDS = 3, LADDER_NAME_BYTES = 96 };

struct rung {
	const char *name;               /* of the cell */
	char log[32];                   /* "01_no_pcap" */
	const char *word[LADDER_WORDS]; /* for weir capture, NULL-terminated */
	int stage;                      /* enum stage; -1: cuts nothing off, only_http */
};

/* ladder_rungs - the rungs in the order of the logs' numbers. Returns: how many. */
uint32_t ladder_rungs(enum ladder which, struct rung ret[LADDER_RUNGS_MAX]);

/* What a packet costs at every rung, in every round. NaN: not measured. */
struct ladder_costs {
	uint32_t rounds;
	double machine[LADDER_RUNGS_MAX][LADDER_ROUNDS_MAX]; /* cycles per packet, all cores */
	double process[LADDER_RUNGS_MAX][LADDER_ROUNDS_MAX]; /* of weir's processes alone */
	/* All cycle counters together but rx's: a worker that waits for packets does it there. */
	double workers[LADDER_RUNGS_MAX][LADDER_ROUNDS_MAX];
	double counter[STAGE_COUNT][LADDER_ROUNDS_MAX]; /* by the workers of `normal` */
};

/* ladder_costs_clear - all NaN. */
void ladder_costs_clear(struct ladder_costs *c);

/* ladder_stage - of a name of the workers' counters; -1: none. */
int ladder_stage(const char *name);

/* ladder_prices - into the result, cell "price/STAGE": the figures difference.machine,
 * difference.process, difference.workers and counter, in cycles per packet, a sample for each
 * round, and noise.
 *
 * noise: how much a packet of `normal` costs more or less from one run to the next, cycles. NaN:
 *        not known. */
void ladder_prices(const struct rung *rung, uint32_t rungs, const struct ladder_costs *c,
		   double noise, struct result *r);

#endif
