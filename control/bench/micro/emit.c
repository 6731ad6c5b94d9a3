/* emit - a record built in the ring, of a request and a response with some header lines each. */
#include <stdlib.h>
#include <string.h>

#include "control/bench/micro/micro.h"
#include "control/bench/micro/stand.h"
#include "dissectors/registry.h"

enum { AT_ONCE = 64, FIELDS_BYTES = 4096 };

struct emitting {
	struct stand *stand;
	struct connection connection;
	struct pair_queue queue;
	struct message *request, *response;
	uint64_t drained;
};

static struct slice text(const char *at)
{
	return slice_of((const uint8_t *)at, strlen(at));
}

static void field(struct emitting *e, struct message *m, uint16_t id, const char *value)
{
	micro_need(message_field(&e->stand->worker->pair, m, id, text(""), text(value), false,
				 FIELDS_BYTES),
		   "there is no memory for fields");
}

static void line(struct emitting *e, struct message *m, const char *name, const char *value)
{
	const struct dissector *d = dissectors[m->proto];
	uint16_t id = FIELD_OWN;

	while (id - FIELD_OWN < (int)d->field_count &&
	       d->fields[id - FIELD_OWN].kind != FIELD_PAIRS)
		id++;
	micro_need(message_field(&e->stand->worker->pair, m, id, text(name), text(value), true,
				 FIELDS_BYTES),
		   "there is no memory for fields");
}

static struct message *message(struct emitting *e, enum side side)
{
	struct message *m = pair_message(&e->stand->worker->pair);

	micro_need(m != NULL, "there is no memory for messages");
	m->kind = side == SIDE_A ? MESSAGE_REQUEST : MESSAGE_RESPONSE;
	m->side = (uint8_t)side;
	m->proto = (uint8_t)dissector_find("http1");
	m->queue = &e->queue;
	m->ts_ns = UINT64_C(1700000000000000000) + (side == SIDE_B ? 81230 : 0);
	m->end_ts_ns = m->ts_ns;
	m->head_bytes = 200;
	m->body_bytes = side == SIDE_B ? 1024 : 0;
	return m;
}

static void *begin(uint64_t lines)
{
	struct emitting *e = calloc(1, sizeof(*e));

	micro_need(e != NULL, "there is no memory");
	e->stand = stand_open(
		&(struct stand_plan){ .rx = "synth:packets=1000", .until = STAGE_normal });
	connection_open(e->stand, &e->connection, 0, false);
	e->queue.flow = e->connection.flow;
	e->queue.conn_id = flow_conn_id(e->connection.flow);
	e->request = message(e, SIDE_A);
	e->response = message(e, SIDE_B);
	field(e, e->request, FIELD_METHOD, "GET");
	field(e, e->request, FIELD_TARGET, "/index.html");
	field(e, e->response, FIELD_CODE, "200");
	if (lines == 0)
		return e;
	line(e, e->request, "Host", "www.example.org");
	line(e, e->request, "User-Agent", "bench/1.0");
	line(e, e->request, "Accept", "*/*");
	line(e, e->request, "Accept-Encoding", "gzip");
	line(e, e->response, "Server", "bench");
	line(e, e->response, "Content-Type", "text/html");
	line(e, e->response, "Content-Length", "1024");
	line(e, e->response, "Connection", "keep-alive");
	return e;
}

static uint64_t run(void *of)
{
	struct emitting *e = of;

	for (int i = 0; i < AT_ONCE; i++)
		emit_pair(&e->stand->worker->emit, e->request, e->response, OUTCOME_paired,
			  WHY_none);
	e->drained += stand_drain(e->stand);
	return AT_ONCE;
}

/* By the control that drained them. */
static uint64_t done(const void *of)
{
	return ((const struct emitting *)of)->drained;
}

static void end(void *of)
{
	struct emitting *e = of;

	/* Their memory is the arena's, which wants all of it back. */
	e->stand->worker->pair.settings.stop = true;
	pair_end(&e->stand->worker->pair, e->request);
	pair_end(&e->stand->worker->pair, e->response);
	stand_close(e->stand);
	free(e);
}

/* clang-format off */
const struct micro_benchmark micro_emit[] = {
	{ "emit/record", "record", "a record of method, target and code into the ring, and drained", "http1", true,
	  begin, 0, run, done, end },
	{ "emit/record/headers", "record", "the same with four header lines on each side", "http1", true, begin, 1,
	  run, done, end },
	{ .name = NULL },
};
/* clang-format on */
