/* pair - requests meet responses; the rules are in pair.h. */
#include "dataplane/pair/pair.h"

#include <stddef.h>
#include <string.h>

#include "dataplane/base/ballast.h"
#include "dataplane/base/ensure.h"
#include "dataplane/emit/emit.h"

/* Requests with a key are searched one by one while they are few. */
enum { KEYED_FEW = 16, KEY_BUCKETS = 256 };

/* Responses of a connection joined in the middle that wait to be told whose they are. */
enum { HELD_MAX = 64 };

/* ---- messages ---- */

struct message *pair_message(struct pair *p)
{
	struct message *m = p->pool;

	if (likely(m != NULL)) {
		p->pool = m->next;
		p->pooled--;
	} else {
		m = arena_take(p->arena, sizeof(*m));
	}
	if (unlikely(m == NULL)) {
		count(p->counters, out_of_memory);
		return NULL;
	}
	memset(m, 0, offsetof(struct message, inline_fields));
	m->fields = m->inline_fields;
	m->fields_room = MESSAGE_FIELDS_INLINE;
	m->why = WHY_none;
	return m;
}

static void due_remove(struct pair *p, struct message *m)
{
	if ((m->state & MESSAGE_DUE) == 0)
		return;
	m->state &= (uint8_t)~MESSAGE_DUE;
	if (m->due_prev == NULL)
		p->due_first = m->due_next;
	else
		m->due_prev->due_next = m->due_next;
	if (m->due_next == NULL)
		p->due_last = m->due_prev;
	else
		m->due_next->due_prev = m->due_prev;
}

static void message_free(struct pair *p, struct message *m)
{
	due_remove(p, m);
	if (m->fields != m->inline_fields)
		arena_give(p->arena, m->fields, m->fields_room);
	arena_give(p->arena, m->body, m->body_room);
	if (p->pooled >= p->settings.pool_messages) {
		arena_give(p->arena, m, sizeof(*m));
		return;
	}
	m->next = p->pool;
	p->pool = m;
	p->pooled++;
}

static bool fields_grow(struct pair *p, struct message *m, uint32_t need)
{
	uint32_t room = m->fields_room * 2;
	uint8_t *moved;

	while (room < need)
		room *= 2;
	if (m->fields == m->inline_fields) {
		moved = arena_take(p->arena, room);
		if (moved != NULL)
			memcpy(moved, m->fields, m->fields_bytes);
	} else {
		moved = arena_resize(p->arena, m->fields, m->fields_room, room);
	}
	if (moved == NULL) {
		count(p->counters, out_of_memory);
		return false;
	}
	m->fields = moved;
	m->fields_room = room;
	return true;
}

bool message_field(struct pair *p, struct message *m, uint16_t id, struct slice name,
		   struct slice value, bool is_pair, uint32_t limit_bytes)
{
	uint64_t bytes = name.bytes + value.bytes;
	uint64_t need = m->fields_bytes + record_field_room(bytes);
	struct record_field *f;

	if (unlikely(need > limit_bytes || name.bytes >= RECORD_FIELD_PLAIN))
		return false;
	if (unlikely(need > m->fields_room) && !fields_grow(p, m, (uint32_t)need))
		return false;
	f = (struct record_field *)(void *)(m->fields + m->fields_bytes);
	f->id = id;
	f->name_bytes = is_pair ? (uint16_t)name.bytes : RECORD_FIELD_PLAIN;
	f->bytes = (uint32_t)bytes;
	if (name.bytes > 0)
		memcpy(f->data, name.at, name.bytes);
	if (value.bytes > 0)
		memcpy(f->data + name.bytes, value.at, value.bytes);
	m->fields_bytes = (uint32_t)need;
	return true;
}

/* ---- telling ---- */

static void tell_request(struct pair *p, struct message *m, enum why why)
{
	p->counters->value[C_unanswered_connection_closed + why]++;
	p->open_requests--;
	m->why = (uint8_t)why;
	m->state |= MESSAGE_TOLD;
	emit_pair(p->emit, m, NULL, OUTCOME_unanswered, why);
}

static void tell_orphan(struct pair *p, struct message *m)
{
	p->counters->value[C_orphan_connection_closed + m->why]++;
	p->open_responses--;
	emit_pair(p->emit, NULL, m, OUTCOME_orphan, m->why);
	message_free(p, m);
}

static void tell_pair(struct pair *p, struct message *request, struct message *response)
{
	count(p->counters, requests_paired);
	count(p->counters, responses_paired);
	p->open_requests--;
	p->open_responses--;
	emit_pair(p->emit, request, response, OUTCOME_paired, WHY_none);
	message_free(p, request);
	message_free(p, response);
}

/* A request gets no response any more. Its record comes now, or when it is complete. */
static void close_request(struct pair *p, struct message *m, enum why why)
{
	due_remove(p, m);
	if ((m->state & MESSAGE_TOLD) != 0)
		return;
	m->why = (uint8_t)why;
	if ((m->state & MESSAGE_ENDED) != 0)
		tell_request(p, m, why);
}

/* ---- the queue ---- */

static struct message **bucket_of(const struct pair_queue *q, uint64_t key)
{
	return &q->by_key[key * UINT64_C(0x9e3779b97f4a7c15) >> 56];
}

/* Behind those with the same key: the oldest is answered first. */
static void index_add(const struct pair_queue *q, struct message *m)
{
	struct message **at = bucket_of(q, m->key);

	while (*at != NULL)
		at = &(*at)->key_next;
	m->key_next = NULL;
	*at = m;
}

static void index_remove(const struct pair_queue *q, const struct message *m)
{
	struct message **at = bucket_of(q, m->key);

	while (*at != m)
		at = &(*at)->key_next;
	*at = m->key_next;
}

/* Without memory for it they are searched one by one. */
static void index_build(struct pair *p, struct pair_queue *q)
{
	q->by_key = arena_take_zeroed(p->arena, KEY_BUCKETS * sizeof(struct message *));
	for (struct message *m = q->first; q->by_key != NULL && m != NULL; m = m->next)
		if (m->key != 0)
			index_add(q, m);
}

static void key_joins(struct pair *p, struct pair_queue *q, struct message *m)
{
	if (m->key == 0)
		return;
	q->keyed++;
	if (q->by_key != NULL)
		index_add(q, m);
	else if (q->keyed > KEYED_FEW)
		index_build(p, q);
}

static void key_leaves(struct pair_queue *q, const struct message *m)
{
	if (m->key == 0)
		return;
	q->keyed--;
	if (q->by_key != NULL)
		index_remove(q, m);
}

static void queue_push(struct pair *p, struct pair_queue *q, struct message *m)
{
	m->prev = q->last;
	m->next = NULL;
	if (q->last == NULL)
		q->first = m;
	else
		q->last->next = m;
	q->last = m;
	q->count++;
	m->state |= MESSAGE_QUEUED;
	key_joins(p, q, m);
}

static void queue_remove(struct pair_queue *q, struct message *m)
{
	if (m->prev == NULL)
		q->first = m->next;
	else
		m->prev->next = m->next;
	if (m->next == NULL)
		q->last = m->prev;
	else
		m->next->prev = m->prev;
	q->count--;
	m->state &= (uint8_t)~MESSAGE_QUEUED;
	key_leaves(q, m);
}

/* A request leaves the queue for good without a response. */
static void queue_drop(struct pair *p, struct pair_queue *q, struct message *m, enum why why)
{
	queue_remove(q, m);
	close_request(p, m, why);
	if ((m->state & MESSAGE_TOLD) != 0)
		message_free(p, m);
}

/* ---- finding a response's request ---- */

/* Is the order of what follows unknown because bytes are missing? */
static bool is_loose(const struct pair_queue *q)
{
	uint32_t next = q->first != NULL ? q->first->generation : q->generation;

	return q->server_loose || next != q->anchored;
}

static struct message *find_by_key(const struct pair_queue *q, uint64_t key)
{
	struct message *m;

	if (q->by_key != NULL) {
		for (m = *bucket_of(q, key); m != NULL && m->key != key;)
			m = m->key_next;
		return m;
	}
	for (m = q->first; m != NULL && m->key != key;)
		m = m->next;
	return m;
}

/* After a gap only a request sent exactly when everything before the response had been received can
 * be the one that it answers. */
static struct message *find_by_offset(const struct pair_queue *q, uint64_t begin)
{
	struct message *m = q->first;

	while (m != NULL && (m->key != 0 || m->acked != begin))
		m = m->next;
	return m;
}

static struct message *find_oldest(const struct pair_queue *q)
{
	struct message *m = q->first;

	while (m != NULL && unlikely(m->key != 0))
		m = m->next;
	return m;
}

/* The oldest request that no held response would take. */
static struct message *find_next(const struct pair_queue *q)
{
	struct message *m = q->first;
	uint32_t taken = 0;

	while (m != NULL && (m->key != 0 || taken++ < q->held))
		m = m->next;
	return m;
}

/* For whoever must read a response before anybody knows whose it is. */
static struct message *find_guess(const struct pair_queue *q, uint64_t begin)
{
	struct message *m = find_next(q);

	return m != NULL ? m : find_by_offset(q, begin);
}

static struct message *find(const struct pair_queue *q, uint64_t begin, uint64_t key)
{
	if (key != 0)
		return find_by_key(q, key);
	if (unlikely(is_loose(q)))
		return find_by_offset(q, begin);
	return likely(q->held == 0) ? find_oldest(q) : find_guess(q, begin);
}

enum request_known pair_known(const struct pair *p, const struct pair_queue *q, uint64_t begin,
			      uint64_t key, uint64_t *ret_note)
{
	const struct message *m = find(q, begin, key);

	if (unlikely(p->settings.stop)) /* nobody remembers requests */
		return REQUEST_LOST;
	if (m != NULL) {
		*ret_note = m->note;
		return REQUEST_FOUND;
	}
	return q->overflow > 0 ? REQUEST_LOST : REQUEST_NONE;
}

static enum why orphan_why(struct pair_queue *q)
{
	if (is_loose(q))
		return unlikely(q->midstream && !q->sure) ? WHY_midstream : WHY_gap;
	if (q->overflow > 0) {
		q->overflow--;
		return WHY_limit;
	}
	if (q->datagrams)
		return q->requests == 0 ? WHY_midstream : WHY_connection_closed;
	return q->midstream ? WHY_midstream : WHY_connection_closed;
}

/* An answer in order says that those before it, of which bytes were missing, get none. */
static void drop_before(struct pair *p, struct pair_queue *q, const struct message *request)
{
	struct message *m = q->first, *next;

	for (; m != request; m = next) {
		next = m->next;
		if (m->key == 0)
			queue_drop(p, q, m, WHY_gap);
	}
}

static void answer(struct pair *p, struct message *request, struct message *m)
{
	queue_remove(m->queue, request);
	if ((request->state & MESSAGE_TOLD) != 0) {
		m->why = request->why;
		message_free(p, request);
		return;
	}
	due_remove(p, request);
	if (request->why != WHY_none) {
		/* Closed before it was complete: its record is still to come, alone. */
		m->why = request->why;
		return;
	}
	m->partner = request;
	m->early = (request->state & MESSAGE_ENDED) == 0;
	request->partner = m;
}

/* ---- joined in the middle ---- */

static void end_response(struct pair *p, struct message *m);

static void hold(struct pair_queue *q, struct message *m)
{
	m->state |= MESSAGE_HELD;
	m->next = NULL;
	if (q->held_last == NULL)
		q->held_first = m;
	else
		q->held_last->next = m;
	q->held_last = m;
	q->held++;
}

/* The first held response goes its way: to `request`, or to nobody. */
static void let_go(struct pair *p, struct pair_queue *q, struct message *request)
{
	struct message *m = q->held_first;

	q->held_first = m->next;
	if (m->next == NULL)
		q->held_last = NULL;
	q->held--;
	m->state &= (uint8_t)~MESSAGE_HELD;
	m->why = WHY_midstream;
	if (request != NULL) {
		m->why = WHY_none;
		answer(p, request, m);
	}
	if ((m->state & MESSAGE_ENDED) != 0)
		end_response(p, m);
}

/* Is the request one that a held response may answer? Up to `end` (which is none), or with NULL:
 * sent before the last of them had been received. */
static bool is_in_doubt(const struct pair_queue *q, const struct message *m,
			const struct message *end)
{
	return m != NULL && m != end && (end != NULL || m->acked <= q->held_last->begin);
}

/* No more will be known of the held responses. As many requests as there are of them are theirs;
 * else nobody can tell whose they are. */
static void settle(struct pair *p, struct pair_queue *q, const struct message *end)
{
	struct message *m, *next;
	uint32_t requests = 0;
	bool told;

	for (m = q->first; q->held > 0 && is_in_doubt(q, m, end); m = m->next)
		requests += m->key == 0;
	told = requests == q->held;
	for (m = q->first; q->held > 0 && is_in_doubt(q, m, end); m = next) {
		next = m->next;
		if (m->key != 0)
			continue;
		if (told)
			let_go(p, q, m);
		else
			queue_drop(p, q, m, WHY_midstream);
	}
	while (q->held > 0)
		let_go(p, q, NULL);
}

/* forget_requests - those that were sent before `acked` bytes of the capture had been received. */
static void forget_requests(struct pair *p, struct pair_queue *q, uint64_t acked, enum why why)
{
	struct message *m = q->first, *next;

	for (; m != NULL; m = next) {
		next = m->next;
		if (m->key == 0 && m->acked < acked)
			queue_drop(p, q, m, why);
	}
}

/* A gap: whose the held responses are will not be known, nor who asked before anything of the
 * capture had come. Who asked later is told by what he had received, as after every gap. */
static void forget_uncertain(struct pair *p, struct pair_queue *q)
{
	while (q->held > 0)
		let_go(p, q, NULL);
	forget_requests(p, q, 1, WHY_midstream);
}

/* Nothing of what has been asked can be told from what was asked before: a new beginning, as after
 * a gap. */
static void abandon(struct pair *p, struct pair_queue *q)
{
	while (q->held > 0)
		let_go(p, q, NULL);
	forget_requests(p, q, UINT64_MAX, WHY_midstream);
	q->overflow = 0;
	q->server_loose = true;
}

/* Who sent a request when he had received bytes that are in the capture, and exactly those before
 * the response, has sent all others with that acknowledgement into the capture too. NULL: nobody,
 * or not all requests before have got a response. */
static struct message *find_anchor(const struct pair_queue *q, const struct message *response)
{
	struct message *m = q->first;
	uint32_t before = 0;

	for (; m != NULL && (m->key != 0 || m->acked != response->begin); m = m->next)
		before += m->key == 0;
	if (m == NULL || m->acked == 0 || response->acked <= m->begin || before > q->held)
		return NULL;
	return m;
}

/* Returns true if the response goes on as on any other connection. */
static bool is_certain(struct pair *p, struct message *m)
{
	struct pair_queue *q = m->queue;
	const struct message *request = find(q, m->begin, 0), *anchor;

	m->why = WHY_midstream;
	if (q->sure || is_loose(q))
		return request == NULL ||
		       (m->acked > request->begin && (q->sure || request->acked > 0));
	anchor = find_anchor(q, m);
	if (anchor != NULL) {
		settle(p, q, anchor);
		return true;
	}
	request = find_oldest(q);
	if (q->overflow > 0 || q->held >= HELD_MAX) {
		abandon(p, q);
	} else if (request == NULL || m->acked <= request->begin) {
		while (q->held > 0)
			let_go(p, q, NULL);
	} else {
		m->why = WHY_none;
		hold(q, m);
	}
	return false;
}

/* ---- responses ---- */

static void begin_response(struct pair *p, struct message *m)
{
	struct pair_queue *q = m->queue;
	struct message *request;

	count(p->counters, responses);
	p->open_responses++;
	if (unlikely(q->midstream) && m->key == 0 && !is_certain(p, m))
		return;
	m->why = WHY_none;
	request = find(q, m->begin, m->key);
	if (request == NULL) {
		m->why = (uint8_t)orphan_why(q);
		return;
	}
	if (m->key == 0) {
		drop_before(p, q, request);
		q->anchored = request->generation;
		q->server_loose = false;
		q->sure = true;
	}
	answer(p, request, m);
}

/* By key nothing can shift, so one that has timed out need not keep its place. */
static bool make_room(struct pair *p, struct pair_queue *q)
{
	struct message *m = q->first;

	while (m != NULL && (m->key == 0 || (m->state & MESSAGE_TOLD) == 0))
		m = m->next;
	if (m != NULL)
		queue_drop(p, q, m, WHY_timeout);
	return m != NULL;
}

/* Is it one over the limit? In order all that follow such a one are too. */
static bool is_over(struct pair *p, struct pair_queue *q, const struct message *m)
{
	if (unlikely(q->overflow > 0) && m->key == 0)
		return true;
	if (likely(q->count < p->settings.open_requests))
		return false;
	return m->key == 0 || !make_room(p, q);
}

static uint64_t begin_request(struct pair *p, struct message *m)
{
	struct pair_queue *q = m->queue;

	count(p->counters, requests);
	p->open_requests++;
	m->index = q->main == NULL ? q->requests++ : q->main->requests++;
	m->generation = q->generation;
	m->opened_ns = p->clock->now_ns;
	if (unlikely(is_over(p, q, m))) {
		q->overflow++;
		m->why = WHY_limit;
		return UINT64_MAX;
	}
	queue_push(p, q, m);
	m->state |= MESSAGE_DUE;
	m->due_prev = p->due_last;
	if (p->due_last == NULL)
		p->due_first = m;
	else
		p->due_last->due_next = m;
	p->due_last = m;
	return m->opened_ns + p->settings.request_timeout_ns;
}

uint64_t pair_begin(struct pair *p, struct message *m)
{
	enum stage from = stage_switch(p->timer, STAGE_pair);
	uint64_t due = UINT64_MAX;

	BALLAST(pair, 1);
	if (unlikely(p->settings.stop))
		; /* --until dissect: nobody remembers it */
	else if (m->kind == MESSAGE_REQUEST)
		due = begin_request(p, m);
	else if (m->kind == MESSAGE_RESPONSE)
		begin_response(p, m);
	else if (m->kind == MESSAGE_ONEWAY)
		m->index = m->queue->requests++; /* it has its place among them */
	stage_switch(p->timer, from);
	return due;
}

/* ---- ends ---- */

static void end_request(struct pair *p, struct message *m)
{
	if (m->partner != NULL) {
		if ((m->partner->state & MESSAGE_ENDED) != 0)
			tell_pair(p, m, m->partner);
		return;
	}
	if (m->why == WHY_none)
		return;
	tell_request(p, m, m->why);
	if ((m->state & MESSAGE_QUEUED) == 0)
		message_free(p, m);
}

static void end_response(struct pair *p, struct message *m)
{
	if (unlikely((m->state & MESSAGE_HELD) != 0))
		return;
	if (m->partner == NULL)
		tell_orphan(p, m);
	else if ((m->partner->state & MESSAGE_ENDED) != 0)
		tell_pair(p, m->partner, m);
}

/* The code of an interim response is kept with the oldest open request. */
static void end_interim(struct pair *p, struct message *m)
{
	struct message *request = m->key != 0 ? find_by_key(m->queue, m->key) : find_next(m->queue);
	const struct record_field *f = (const void *)m->fields;

	count(p->counters, interim);
	if (request != NULL && request->interims < INTERIM_MAX && m->fields_bytes > 0 &&
	    f->id == FIELD_CODE &&
	    message_field(p, request, FIELD_INTERIM, slice_of(NULL, 0), slice_of(f->data, f->bytes),
			  false, UINT32_MAX))
		request->interims++;
	message_free(p, m);
}

static void end_message(struct pair *p, struct message *m)
{
	switch ((enum message_kind)m->kind) {
	case MESSAGE_REQUEST: end_request(p, m); break;
	case MESSAGE_RESPONSE: end_response(p, m); break;
	case MESSAGE_INTERIM: end_interim(p, m); break;
	case MESSAGE_ONEWAY:
		count(p->counters, oneway);
		emit_pair(p->emit, m, NULL, OUTCOME_oneway, WHY_none);
		message_free(p, m);
		break;
	}
}

void pair_end(struct pair *p, struct message *m)
{
	enum stage from = stage_switch(p->timer, STAGE_pair);

	m->state |= MESSAGE_ENDED;
	if ((m->flags & FLAG_anomaly) != 0)
		count(p->counters, anomalies);
	if (unlikely(p->settings.stop))
		message_free(p, m);
	else
		end_message(p, m);
	stage_switch(p->timer, from);
}

void pair_gap(struct pair *p, struct pair_queue *q, bool server_side, uint64_t offset,
	      uint64_t bytes)
{
	uint64_t end = offset + bytes;

	if (unlikely(q->midstream && !q->sure))
		forget_uncertain(p, q);
	if (!server_side) {
		q->generation++;
		return;
	}
	/* Whoever had received what is missing here asked again later; all others' responses may be
	 * in it. */
	q->server_loose = true;
	forget_requests(p, q, end, WHY_gap);
}

bool pair_rekey(struct pair *p, struct pair_queue *q, uint64_t begin, uint64_t key,
		uint64_t new_key)
{
	struct message *m;

	if (unlikely(q->held > 0) && key == 0)
		settle(p, q, NULL);
	m = unlikely(p->settings.stop) ? NULL : find(q, begin, key);
	if (m == NULL)
		return false;
	key_leaves(q, m);
	m->key = new_key;
	key_joins(p, q, m);
	return true;
}

bool pair_again(struct pair_queue *q, uint64_t key)
{
	struct message *m = find_by_key(q, key);

	if (m == NULL || (m->state & MESSAGE_TOLD) != 0)
		return false;
	m->again++;
	return true;
}

bool pair_unanswered(struct pair *p, struct pair_queue *q, uint64_t key, enum why why)
{
	struct message *m = find_by_key(q, key);

	if (m == NULL)
		return false;
	queue_drop(p, q, m, why);
	return true;
}

void pair_lost(struct pair *p, struct pair_queue *q, enum message_kind kind, uint64_t begin)
{
	if (kind == MESSAGE_REQUEST)
		q->overflow++;
	else if (kind == MESSAGE_RESPONSE)
		pair_gap(p, q, true, begin, 1);
}

void pair_close(struct pair *p, struct pair_queue *q, enum why why)
{
	settle(p, q, NULL);
	while (q->first != NULL)
		queue_drop(p, q, q->first, why);
	arena_give(p->arena, q->by_key, KEY_BUCKETS * sizeof(struct message *));
	q->by_key = NULL;
	q->overflow = 0;
}

uint64_t pair_timers(struct pair *p, uint64_t now_ns)
{
	while (p->due_first != NULL) {
		struct message *m = p->due_first;

		if (m->opened_ns + p->settings.request_timeout_ns > now_ns)
			return m->opened_ns + p->settings.request_timeout_ns;
		if (unlikely(m->queue->held > 0))
			settle(p, m->queue, NULL);
		else
			close_request(p, m, WHY_timeout);
	}
	return UINT64_MAX;
}

void pair_init(struct pair *p, const struct pair_settings *s, struct emit *emit,
	       struct arena *arena, struct counters *counters, struct pipeline_clock *clock,
	       struct stage_timer *timer)
{
	*p = (struct pair){ .emit = emit,
			    .timer = timer,
			    .counters = counters,
			    .arena = arena,
			    .clock = clock,
			    .settings = *s };
}

void pair_fini(struct pair *p)
{
	while (p->pool != NULL) {
		struct message *m = p->pool;

		p->pool = m->next;
		arena_give(p->arena, m, sizeof(*m));
	}
}
