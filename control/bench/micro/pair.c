/* pair - requests meet responses, on one connection in order. Where records would be made it ends.
 */
#include <stdlib.h>

#include "control/bench/micro/micro.h"
#include "control/bench/micro/stand.h"

enum { AT_ONCE = 64 };

struct pairing {
	struct stand *stand;
	struct connection connection;
	struct pair_queue queue;
	uint64_t offset[2]; /* stream offsets of the next request and response */
};

static void *begin(uint64_t argument)
{
	struct pairing *p = calloc(1, sizeof(*p));

	(void)argument;
	micro_need(p != NULL, "there is no memory");
	p->stand = stand_open(
		&(struct stand_plan){ .rx = "synth:packets=1000", .until = STAGE_pair });
	connection_open(p->stand, &p->connection, 0, false);
	p->queue.flow = p->connection.flow;
	p->queue.conn_id = flow_conn_id(p->connection.flow);
	return p;
}

static void message(struct pairing *p, enum message_kind kind)
{
	struct pair *pair = &p->stand->worker->pair;
	struct message *m = pair_message(pair);
	enum side side = kind == MESSAGE_REQUEST ? SIDE_A : SIDE_B;

	micro_need(m != NULL, "there is no memory for messages");
	m->kind = (uint8_t)kind;
	m->side = (uint8_t)side;
	m->queue = &p->queue;
	m->begin = p->offset[side];
	m->acked = p->offset[side_other(side)];
	p->offset[side] += 100;
	pair_begin(pair, m);
	pair_end(pair, m);
}

/* One after the other: with several open requests it would be pipelining, which is rare. */
static uint64_t run(void *of)
{
	struct pairing *p = of;

	for (int i = 0; i < AT_ONCE; i++) {
		message(p, MESSAGE_REQUEST);
		message(p, MESSAGE_RESPONSE);
	}
	micro_use(p->queue.requests);
	return AT_ONCE;
}

static uint64_t done(const void *of)
{
	return ((const struct pairing *)of)->stand->worker->counters.value[C_requests_paired];
}

static void end(void *of)
{
	struct pairing *p = of;

	stand_close(p->stand);
	free(p);
}

const struct micro_benchmark micro_pair[] = {
	{ "pair/in_order", "pair", "a request and the response that answers it", NULL, true, begin,
	  0, run, done, end },
	{ .name = NULL },
};
