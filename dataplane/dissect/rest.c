/* rest - see rest.h. */
#include "dataplane/dissect/rest.h"

#include <string.h>

/* In struct flow. All zero: no connection rests. */
struct rest {
	uint32_t requests;
	uint32_t kept; /* what the dissector's rest() said */
	uint8_t phase; /* enum conn_phase; CONN_UNDECIDED: none rests */
	uint8_t proto;
	uint8_t client;
	uint8_t why;
	uint8_t changes;
	uint8_t sides; /* SIDE_OPAQUE … of side A, and of side B shifted by four */
	bool midstream, sure;
};
static_assert(sizeof(struct rest) <= sizeof(((struct flow *)0)->kept), "it has a place in the flow");
static_assert(CONN_UNDECIDED == 0, "a zeroed flow has no connection at rest");

enum { SIDE_OPAQUE = 1, SIDE_MIDSTREAM = 2, SIDE_BITS = 4 };

static struct rest *rest_of(struct flow *f)
{
	return (struct rest *)(void *)f->kept;
}

static size_t state_bytes(uint32_t proto)
{
	/* While it is spare it holds a pointer. */
	return dissectors[proto]->conn_bytes + sizeof(void *);
}

/* ---- making and freeing ---- */

static void prefetch(const void *block, size_t bytes)
{
	for (size_t at = 0; block != NULL && at < bytes; at += CACHE_LINE_BYTES)
		__builtin_prefetch((const uint8_t *)block + at, 1);
}

/* Zeroed. NULL: no memory. */
static void *take(struct host *h, struct spare *from, size_t bytes)
{
	void *block = from->first;

	if (block == NULL)
		return arena_take_zeroed(h->arena, bytes);
	memcpy(&from->first, block, sizeof(from->first));
	from->count--;
	prefetch(from->first, bytes);
	return memset(block, 0, bytes);
}

static void give(struct host *h, struct spare *to, void *block, size_t bytes)
{
	if (block == NULL)
		return;
	if (to->count >= h->settings.spare_conns) {
		arena_give(h->arena, block, bytes);
		return;
	}
	memcpy(block, &to->first, sizeof(to->first));
	to->first = block;
	to->count++;
}

static void spare_fini(struct host *h, struct spare *of, size_t bytes)
{
	while (of->first != NULL) {
		void *block = of->first;

		memcpy(&of->first, block, sizeof(of->first));
		arena_give(h->arena, block, bytes);
	}
	of->count = 0;
}

static void begin(struct conn *c, struct host *h, struct flow *f)
{
	c->host = h;
	c->flow = f;
	c->client = f->client;
	c->queue.flow = f;
	c->queue.conn_id = flow_conn_id(f);
	c->side[1].side = 1;
	h->conns++;
	f->sink = c;
}

struct conn *conn_new(struct host *h, struct flow *f)
{
	struct conn *c = take(h, &h->spare_conns, sizeof(*c));

	if (c == NULL) {
		count(h->counters, out_of_memory);
		return NULL;
	}
	begin(c, h, f);
	c->proto = DISSECTOR_NONE;
	c->side[0].candidates = c->side[1].candidates = UINT64_MAX;
	return c;
}

void *conn_state_take(struct host *h, uint32_t proto)
{
	return take(h, &h->spare_states[proto], state_bytes(proto));
}

void conn_memory_free(struct host *h, struct memory **list)
{
	while (*list != NULL) {
		struct memory *m = *list;

		*list = m->next;
		arena_give(h->arena, m, sizeof(*m) + m->bytes);
	}
}

void conn_state_free(struct conn *c)
{
	if (c->state != NULL) {
		if (dissectors[c->proto]->fini != NULL)
			dissectors[c->proto]->fini(c);
		give(c->host, &c->host->spare_states[c->proto], c->state, state_bytes(c->proto));
	}
	c->state = NULL;
	for (struct message *m = c->unfinished; m != NULL; m = m->unfinished_next)
		m->window = NULL;
	conn_memory_free(c->host, &c->memory);
	c->memory_bytes = 0;
}

void conn_free(struct conn *c)
{
	struct host *h = c->host;

	conn_state_free(c);
	c->flow->sink = NULL;
	h->conns--;
	give(h, &h->spare_conns, c, sizeof(*c));
}

/* ---- to rest ---- */

static bool side_rests(const struct conn_side *s)
{
	return s->gathered == NULL && s->skip == 0 && s->need == 0 && !s->waiting && !s->listed &&
	       !s->closing && !s->closed && !s->anew;
}

/* No message knows the connection, and the order of what follows is not in doubt. */
static bool queue_rests(const struct pair_queue *q)
{
	return q->first == NULL && q->by_key == NULL && q->overflow == 0 && !q->server_loose &&
	       q->generation == q->anchored && q->requests <= UINT32_MAX && !q->datagrams;
}

static bool may_rest(const struct conn *c)
{
	return c->unfinished == NULL && c->phase != CONN_UNDECIDED && queue_rests(&c->queue) &&
	       side_rests(&c->side[0]) && side_rests(&c->side[1]) && c->reverse == NULL &&
	       c->memory == NULL && c->handed == NULL && c->hands == NULL && !c->becomes_now &&
	       !c->anew;
}

static uint8_t side_bits(const struct conn_side *s)
{
	return (uint8_t)((s->opaque ? SIDE_OPAQUE : 0) | (s->midstream ? SIDE_MIDSTREAM : 0));
}

bool conn_rest(struct conn *c)
{
	uint32_t kept = 0;

	if (!may_rest(c))
		return false;
	if (c->phase == CONN_SPOKEN &&
	    (c->dissector->rest == NULL || !c->dissector->rest(c->state, &kept)))
		return false;
	*rest_of(c->flow) = (struct rest){
		.requests = (uint32_t)c->queue.requests,
		.kept = kept,
		.phase = c->phase,
		.proto = c->proto,
		.client = c->client,
		.why = c->why,
		.changes = (uint8_t)c->changes,
		.sides = (uint8_t)(side_bits(&c->side[0]) | side_bits(&c->side[1]) << SIDE_BITS),
		.midstream = c->queue.midstream,
		.sure = c->queue.sure,
	};
	conn_free(c);
	return true;
}

/* ---- and back ---- */

static void side_wake(struct conn_side *s, uint8_t bits)
{
	s->opaque = (bits & SIDE_OPAQUE) != 0;
	s->midstream = (bits & SIDE_MIDSTREAM) != 0;
}

struct conn *conn_wake(struct host *h, struct flow *f)
{
	struct rest r = *rest_of(f);
	struct conn *c;

	if (r.phase != CONN_SPOKEN)
		return NULL;
	conn_forget(f);
	c = conn_new(h, f);
	if (c == NULL)
		return NULL;
	c->state = conn_state_take(h, r.proto);
	if (c->state == NULL) {
		count(h->counters, out_of_memory);
		conn_free(c);
		return NULL;
	}
	c->phase = r.phase;
	c->proto = r.proto;
	c->dissector = dissectors[r.proto];
	c->client = r.client;
	c->why = r.why;
	c->changes = r.changes;
	c->queue.requests = r.requests;
	c->queue.midstream = r.midstream;
	c->queue.sure = r.sure;
	side_wake(&c->side[0], r.sides);
	side_wake(&c->side[1], (uint8_t)(r.sides >> SIDE_BITS));
	c->dissector->wake(c->state, r.kept);
	return c;
}

bool conn_rests_unread(const struct flow *f)
{
	return ((const struct rest *)(const void *)f->kept)->phase == CONN_OPAQUE;
}

void conn_forget(struct flow *f)
{
	*rest_of(f) = (struct rest){ 0 };
}

void conn_spare_fini(struct host *h)
{
	spare_fini(h, &h->spare_conns, sizeof(struct conn));
	for (uint32_t proto = 0; proto < dissector_count; proto++)
		spare_fini(h, &h->spare_states[proto], state_bytes(proto));
}
