/* emit - records are built in the ring itself. */
#include "dataplane/emit/emit.h"

#include <string.h>
#include <unistd.h>

#include "dataplane/base/ballast.h"
#include "dataplane/flow/flow.h"
#include "dissectors/registry.h"

enum { WAIT_MS = 100, GIVE_UP_MS = 1000 };

void emit_init(struct emit *e, const struct emit_settings *s, struct region_writer *region,
	       struct counters *counters, struct emit_door *door, int bell_fd,
	       struct stage_timer *timer)
{
	*e = (struct emit){ .region = region,
			    .counters = counters,
			    .door = door,
			    .timer = timer,
			    .bell_fd = bell_fd,
			    .waits = s->waits,
			    .cut = s->cut,
			    .stop_pair = s->stop_pair,
			    .flows = s->flows };
}

static void ring_bell(const struct emit *e)
{
	uint64_t one = 1;

	/* A full eventfd has been rung already: nothing to do. */
	if (write(e->bell_fd, &one, sizeof(one)) < 0)
		return;
}

/* A file waits for control. It gives up only when the run is to stop and nobody has been attached
 * for a while: then nobody will come. */
static void *wait_for_room(struct emit *e, uint64_t bytes)
{
	struct ring_producer *r = &e->region->ring;
	uint32_t alone_ms = 0;
	void *room;

	if (ring_publish(r))
		ring_bell(e);
	while ((room = ring_reserve(r, bytes)) == NULL) {
		bool attached = atomic_load_explicit(&e->door->attached, memory_order_relaxed);
		bool stop = atomic_load_explicit(&e->door->stop, memory_order_relaxed);

		alone_ms = attached || !stop ? 0 : alone_ms + WAIT_MS;
		if (alone_ms >= GIVE_UP_MS) {
			atomic_store_explicit(&e->door->gave_up, true, memory_order_relaxed);
			e->waits = false;
			return NULL;
		}
		ring_wait_room(r, WAIT_MS);
	}
	return room;
}

/* Room for a record, or NULL and it is counted as lost. */
static void *reserve(struct emit *e, uint64_t bytes)
{
	void *room = ring_reserve(&e->region->ring, bytes);

	count(e->counters, records_made);
	if (unlikely(room == NULL) && e->waits)
		room = wait_for_room(e, bytes);
	if (unlikely(room == NULL))
		count(e->counters, records_ring_full);
	return room;
}

static void commit(struct emit *e, uint64_t bytes)
{
	if (unlikely(e->cut))
		count(e->counters, records_cut);
	else
		ring_commit(&e->region->ring, bytes);
}

/* ---- fields ---- */

static uint64_t body_room(const struct message *m)
{
	return m->body_kept > 0 ? record_field_room(m->body_kept) : 0;
}

static uint64_t interim_room(const struct message *request)
{
	/* Codes are a few bytes; a field with up to eight of them takes 16. */
	return request == NULL ? 0 : (uint64_t)request->interims * 16;
}

static uint8_t *put_body(uint8_t *at, const struct message *m, uint32_t bytes)
{
	struct record_field *f = (void *)at;

	if (bytes == 0)
		return at;
	*f = (struct record_field){ FIELD_BODY, RECORD_FIELD_PLAIN, bytes };
	memcpy(f->data, m->body, bytes);
	return at + record_field_room(bytes);
}

/* A request's own fields; the interim codes kept with it belong to its response's part. */
static uint8_t *put_fields(uint8_t *at, const struct message *m)
{
	const uint8_t *from = m->fields, *end = m->fields + m->fields_bytes;

	if (likely(m->interims == 0)) {
		memcpy(at, m->fields, m->fields_bytes);
		return at + m->fields_bytes;
	}
	while (from < end) {
		const struct record_field *f = (const void *)from;
		uint64_t bytes = record_field_room(f->bytes);

		if (f->id != FIELD_INTERIM) {
			memcpy(at, f, bytes);
			at += bytes;
		}
		from += bytes;
	}
	return at;
}

static uint8_t *put_interims(uint8_t *at, const struct message *request,
			     const struct message *response)
{
	const uint8_t *from, *end;
	uint16_t id;

	if (request == NULL || request->interims == 0)
		return at;
	id = dissectors[response->proto]->interim_field;
	from = request->fields;
	for (end = from + request->fields_bytes; id != 0 && from < end;) {
		const struct record_field *f = (const void *)from;

		from += record_field_room(f->bytes);
		if (f->id != FIELD_INTERIM || record_field_room(f->bytes) > 16)
			continue;
		memcpy(at, f, record_field_room(f->bytes));
		((struct record_field *)(void *)at)->id = id;
		at += record_field_room(f->bytes);
	}
	return at;
}

/* Room for how often a request was repeated. */
static uint64_t again_room(const struct message *request)
{
	return request == NULL || request->again == 0 ? 0 : record_field_room(sizeof(uint64_t));
}

static uint8_t *put_again(uint8_t *at, const struct message *request)
{
	struct record_field *f = (void *)at;
	uint64_t times = request->again;
	uint16_t id = dissectors[request->proto]->again_field;

	if (times == 0 || id == 0)
		return at;
	*f = (struct record_field){ id, RECORD_FIELD_PLAIN, sizeof(times) };
	memcpy(f->data, &times, sizeof(times));
	return at + record_field_room(sizeof(times));
}

/* ---- the tunnels ---- */

/* The way from client to server. */
struct way {
	const struct path *path; /* NULL: there is no tunnel */
	bool mirrored;           /* only the server's packets told of it */
};

static struct way way_of(const struct emit *e, const struct flow *f, enum side client)
{
	struct way w = { NULL, false };

	if (likely(f->paths == 0) || e->flows == NULL)
		return w;
	w.path = flow_path(e->flows, f, client);
	w.mirrored = w.path == NULL;
	if (w.mirrored)
		w.path = flow_path(e->flows, f, side_other(client));
	return w;
}

static uint64_t way_room(struct way w)
{
	return w.path == NULL ? 0 : w.path->count * sizeof(struct record_tunnel);
}

/* Behind the fixed part. Returns where the fields begin. */
static uint8_t *put_way(struct record *r, struct way w)
{
	struct record_tunnel *at = (void *)(r + 1);

	if (likely(w.path == NULL))
		return (uint8_t *)at;
	r->tunnels = w.path->count;
	memcpy(r->vlan, w.path->vlan, sizeof(r->vlan));
	if (w.mirrored)
		path_mirror(at, w.path->tunnel, w.path->count);
	else
		memcpy(at, w.path->tunnel, way_room(w));
	return (uint8_t *)(at + w.path->count);
}

/* ---- the fixed part ---- */

static void fill_endpoints(struct record *r, const struct flow *f, enum side client)
{
	enum side server = side_other(client);

	r->ip_version = f->key.ip_version;
	r->client_port = f->key.port[client];
	r->server_port = f->key.port[server];
	memcpy(r->client_ip, f->key.address[client], sizeof(r->client_ip));
	memcpy(r->server_ip, f->key.address[server], sizeof(r->server_ip));
	memcpy(r->vlan, f->key.vlan, sizeof(r->vlan));
	r->iface = f->iface;
}

static void fill_message(struct record_message *to, const struct message *m)
{
	to->present = 1;
	to->proto = m->proto;
	to->head_bytes = m->head_bytes;
	to->body_bytes = m->body_bytes;
	if (m->epoch == m->end_epoch && m->end_ts_ns > m->ts_ns)
		to->duration_ns = m->end_ts_ns - m->ts_ns;
}

/* Last byte of the request to first byte of the response; never negative. */
static uint64_t latency(const struct message *request, const struct message *response,
			uint32_t *flags)
{
	if (!response->early && request->end_epoch != response->epoch) {
		*flags |= FLAG_clock_backwards;
		return 0;
	}
	if (response->early || response->ts_ns < request->end_ts_ns) {
		*flags |= FLAG_early_response;
		return 0;
	}
	return response->ts_ns - request->end_ts_ns;
}

/* The connection's client; where nobody has asked yet, of a message without an answer, who speaks
 * from the higher port, and among equals who speaks. */
static enum side client_of(const struct flow *f, enum side from)
{
	enum side other = side_other(from);

	if (likely(f->client != SIDE_UNKNOWN))
		return (enum side)f->client;
	return f->key.port[other] > f->key.port[from] ? other : from;
}

/* What the pair is called: like its request, unless only the response was given a name. */
static uint8_t proto_of(const struct message *request, const struct message *response)
{
	if (request == NULL || (response != NULL && response->named && !request->named))
		return response->proto;
	return request->proto;
}

/* Who asked, or was asked, and who is the client. */
struct ends {
	enum side from, client;
};

static struct ends ends_of(const struct message *request, const struct message *response)
{
	const struct message *any = request != NULL ? request : response;
	enum side from = (enum side)any->side;

	if (request == NULL)
		from = side_other(from);
	return (struct ends){ from, client_of(any->queue->flow, from) };
}

static void fill(struct emit *e, struct record *r, const struct message *request,
		 const struct message *response, enum outcome outcome, enum why why,
		 struct ends ends)
{
	const struct message *any = request != NULL ? request : response;

	*r = (struct record){ .type = RECORD_PAIR,
			      .outcome = (uint8_t)outcome,
			      .why = (uint8_t)why,
			      .proto = proto_of(request, response),
			      .seq = e->seq++,
			      .ts_ns = any->ts_ns,
			      .conn = any->queue->conn_id,
			      .index = any->index,
			      .stream = any->stream,
			      .flags = any->flags };
	fill_endpoints(r, any->queue->flow, ends.client);
	if (request != NULL) {
		fill_message(&r->request, request);
		r->frames[0] = request->frame;
		r->frames[1] = request->end_frame;
		r->error = request->failed;
	}
	if (response != NULL) {
		fill_message(&r->response, response);
		r->frames[2] = response->frame;
		r->frames[3] = response->end_frame;
		r->flags |= response->flags;
		if (r->stream == 0)
			r->stream = response->stream;
		r->error |= response->failed;
	}
	if (unlikely(ends.from != ends.client))
		r->flags |= FLAG_from_server;
	if (any->queue->midstream)
		r->flags |= FLAG_midstream;
	if (outcome == OUTCOME_paired) {
		r->latency_ns = latency(request, response, &r->flags);
		histogram_add(&e->region->histogram[r->proto], r->latency_ns);
	}
}

static void make_pair(struct emit *e, const struct message *request, const struct message *response,
		      enum outcome outcome, enum why why)
{
	struct ends ends = ends_of(request, response);
	struct way way = way_of(e, (request != NULL ? request : response)->queue->flow,
				ends.client);
	uint64_t bytes = sizeof(struct record) + way_room(way) + interim_room(request) +
			 again_room(request);
	uint32_t request_body = 0, response_body = 0;
	struct record *r;
	uint8_t *at, *fields;

	if (request != NULL) {
		bytes += request->fields_bytes + body_room(request);
		request_body = request->body_kept;
	}
	if (response != NULL) {
		bytes += response->fields_bytes + body_room(response);
		response_body = response->body_kept;
	}
	/* Heads always fit; bodies over the rest are left out whole and flagged. */
	if (unlikely(bytes > RECORD_BYTES_MAX)) {
		bytes -= (request_body ? body_room(request) : 0) +
			 (response_body ? body_room(response) : 0);
		request_body = response_body = 0;
	}
	r = reserve(e, bytes);
	if (unlikely(r == NULL)) {
		e->seq++;
		return;
	}
	fill(e, r, request, response, outcome, why, ends);
	at = fields = put_way(r, way);
	if (request != NULL) {
		at = put_body(put_again(put_fields(at, request), request), request, request_body);
		if (request_body != request->body_kept)
			r->flags |= FLAG_body_cut;
	}
	r->request.fields_bytes = (uint32_t)(at - fields);
	fields = at;
	if (response != NULL) {
		at = put_body(put_interims(put_fields(at, response), request, response), response,
			      response_body);
		if (response_body != response->body_kept)
			r->flags |= FLAG_body_cut;
	}
	r->response.fields_bytes = (uint32_t)(at - fields);
	r->bytes = (uint32_t)(at - (uint8_t *)r);
	commit(e, r->bytes);
}

void emit_pair(struct emit *e, const struct message *request, const struct message *response,
	       enum outcome outcome, enum why why)
{
	enum stage from = stage_switch(e->timer, STAGE_emit);

	BALLAST(emit, 1);
	if (likely(!e->stop_pair))
		make_pair(e, request, response, outcome, why);
	stage_switch(e->timer, from);
}

void emit_record(struct emit *e, void *record, uint32_t bytes)
{
	struct record_stream *r = record;
	void *room = reserve(e, bytes);

	r->seq = e->seq++;
	if (room == NULL)
		return;
	memcpy(room, record, bytes);
	commit(e, bytes);
}

void emit_publish(struct emit *e)
{
	if (ring_publish(&e->region->ring))
		ring_bell(e);
}
