/* pipeline - all stages, as a worker's turn has them, on invented HTTP traffic in order. */
#include <stdlib.h>

#include "control/bench/micro/micro.h"
#include "control/bench/micro/stand.h"

enum { WARM_PACKETS = 50000 }; /* all connections are open and have had an exchange or more */

struct piping {
	struct stand *stand;
	uint64_t begun; /* packets */
};

static uint64_t run(void *of);

static void *begin(uint64_t argument)
{
	struct piping *p = calloc(1, sizeof(*p));

	(void)argument;
	micro_need(p != NULL, "there is no memory");
	p->stand = stand_open(
		&(struct stand_plan){ .rx = "synth:pairs=68719476736,connections=1000,size=4080",
				      .until = STAGE_normal });
	while (p->begun < WARM_PACKETS)
		p->begun += run(p);
	return p;
}

static uint64_t run(void *of)
{
	struct stand *s = ((struct piping *)of)->stand;
	struct worker *w = s->worker;
	struct burst *b = &w->burst;
	uint64_t pulled;

	stand_pull(s);
	pulled = b->count;
	decode_burst(&w->decode, b);
	flow_burst(&w->flow, b);
	for (uint32_t i = 0; i < b->count; i++)
		reassembly_packet(&w->reassembly, &b->packet[i]);
	flow_release(&w->flow);
	stand_drain(s);
	stand_give_back(s);
	return pulled;
}

/* By the ledger, which knows what became of each; and nothing in it says that bytes are missing. */
static uint64_t done(const void *of)
{
	const struct piping *p = of;
	const uint64_t *v = p->stand->worker->counters.value;

	return v[C_gaps] == 0 && v[C_records_ring_full] == 0 &&
			       v[C_payload_delivered] == v[C_payload_captured]
		       ? v[C_received] - p->begun
		       : 0;
}

static void end(void *of)
{
	struct piping *p = of;

	stand_close(p->stand);
	free(p);
}

const struct micro_benchmark micro_pipeline[] = {
	{ "pipeline", "packet", "every stage, packets of 900 bytes, five of them a pair", "http1",
	  true, begin, 0, run, done, end },
	{ .name = NULL },
};
