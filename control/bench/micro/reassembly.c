/* reassembly - bytes in order: segments that come in order, and shuffled. */
#include <stdlib.h>

#include "control/bench/micro/micro.h"
#include "control/bench/micro/stand.h"
#include "dataplane/reassembly/count.h"

enum { CONNECTIONS = 64, GROUP = 8, SEGMENT_BYTES = 1460 };

enum { IN_ORDER, SHUFFLED };

/* Of each eight segments four are ahead of one that is missing. */
static const uint8_t order[][GROUP] = {
	[IN_ORDER] = { 0, 1, 2, 3, 4, 5, 6, 7 },
	[SHUFFLED] = { 1, 0, 3, 2, 7, 4, 6, 5 },
};

struct reassembling {
	struct stand *stand;
	struct connection connection[CONNECTIONS];
	struct packet packet[CONNECTIONS];
	const uint8_t *order;
	uint64_t delivered; /* when it began */
	uint8_t bytes[SEGMENT_BYTES];
};

static void *begin(uint64_t how)
{
	struct reassembling *r = calloc(1, sizeof(*r));

	micro_need(r != NULL, "there is no memory");
	r->order = order[how];
	r->stand = stand_open(
		&(struct stand_plan){ .rx = "synth:packets=1000", .until = STAGE_reassembly });
	for (uint32_t i = 0; i < CONNECTIONS; i++) {
		struct connection *c = &r->connection[i];

		connection_open(r->stand, c, i, false);
		r->packet[i] = r->stand->worker->burst.packet[0];
		r->packet[i].payload = r->bytes;
		r->packet[i].payload_bytes = r->packet[i].payload_captured_bytes = SEGMENT_BYTES;
		r->packet[i].flow = c->flow;
	}
	r->delivered = r->stand->worker->counters.value[C_segments_delivered];
	return r;
}

static uint64_t run(void *of)
{
	struct reassembling *r = of;
	struct reassembly *to = &r->stand->worker->reassembly;

	for (uint32_t k = 0; k < GROUP; k++)
		for (uint32_t i = 0; i < CONNECTIONS; i++) {
			struct packet *p = &r->packet[i];

			p->seq = r->connection[i].next[SIDE_A] + r->order[k] * SEGMENT_BYTES;
			reassembly_packet(to, p);
		}
	for (uint32_t i = 0; i < CONNECTIONS; i++)
		r->connection[i].next[SIDE_A] += GROUP * SEGMENT_BYTES;
	micro_use(r->stand->worker->counters.value[C_payload_delivered]);
	return CONNECTIONS * GROUP;
}

/* In order, by the ledger: nothing is held, discarded or missing at the end. */
static uint64_t done(const void *of)
{
	const struct reassembling *r = of;
	const uint64_t *v = r->stand->worker->counters.value;

	if (v[C_payload_delivered] != v[C_payload_captured] || v[C_gaps] != 0)
		return 0;
	return v[C_segments_delivered] - r->delivered;
}

static void end(void *of)
{
	struct reassembling *r = of;

	stand_close(r->stand);
	free(r);
}

/* clang-format off */
const struct micro_benchmark micro_reassembly[] = {
	{ "reassembly/in_order", "packet", "a segment of 1,460 bytes delivered in place", NULL, true, begin, IN_ORDER, run,
	  done, end },
	{ "reassembly/shuffled", "packet", "the same, but half of them are ahead of one that is missing, and are kept",
	  NULL, false, begin, SHUFFLED, run, done, end },
	{ .name = NULL },
};
/* clang-format on */
