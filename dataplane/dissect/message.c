/* message - what dissectors call to put a message together. See dissectors/dissector.h. */
#include <string.h>
#include <strings.h>

#include "dataplane/dissect/conn.h"
#include "dataplane/dissect/content.h"
#include "dataplane/shm/record.h"
#include "dataplane/shm/settings.h"

const struct segment *conn_segment_at(const struct conn_side *s, uint64_t offset)
{
	const struct gathered *g = s->gathered;
	uint32_t i;

	if (likely(g == NULL || g->mark_count == 0))
		return &s->segment;
	for (i = g->mark_count; i > 1 && g->mark[i - 1].offset > offset; i--)
		continue;
	return &g->mark[i - 1].segment;
}

static void unfinished_add(struct conn *c, struct message *m)
{
	m->unfinished_next = c->unfinished;
	if (c->unfinished != NULL)
		c->unfinished->unfinished_prev = m;
	c->unfinished = m;
}

static void unfinished_remove(struct conn *c, struct message *m)
{
	if (m->unfinished_prev == NULL)
		c->unfinished = m->unfinished_next;
	else
		m->unfinished_prev->unfinished_next = m->unfinished_next;
	if (m->unfinished_next != NULL)
		m->unfinished_next->unfinished_prev = m->unfinished_prev;
}

void conn_client_is(struct conn *c, enum side side)
{
	if (c->client != SIDE_UNKNOWN)
		return;
	c->client = (uint8_t)side;
	c->flow->client = c->client;
}

static void note_client(struct conn *c, enum side side, enum message_kind kind)
{
	if (kind == MESSAGE_REQUEST || kind == MESSAGE_RESPONSE)
		conn_client_is(c, kind == MESSAGE_REQUEST ? side : side_other(side));
}

/* The queue of the side that asks. What nobody asked for and nobody answers is in none: any will
 * do. */
static struct pair_queue *queue_of(struct conn *c, enum side side, enum message_kind kind)
{
	switch (kind) {
	case MESSAGE_REQUEST: return conn_queue(c, side, true);
	case MESSAGE_RESPONSE:
	case MESSAGE_INTERIM: return conn_queue(c, side_other(side), true);
	case MESSAGE_ONEWAY: break;
	}
	return &c->queue;
}

struct message *message_begin(struct conn *c, enum side side, const uint8_t *at,
			      struct message_open open)
{
	struct conn_side *s = &c->side[side];
	struct pair_queue *q;
	const struct segment *from;
	struct message *m;
	uint64_t due;

	note_client(c, side, open.kind);
	q = queue_of(c, side, open.kind);
	m = q == NULL ? NULL : pair_message(c->host->pair);
	if (m == NULL) {
		if (q != NULL)
			pair_lost(c->host->pair, q, open.kind, conn_offset_of(s, at));
		return NULL;
	}
	m->kind = (uint8_t)open.kind;
	m->key = open.key;
	m->note = open.note;
	m->side = (uint8_t)side;
	m->proto = c->proto;
	m->conn = c;
	m->queue = q;
	m->begin = conn_offset_of(s, at);
	from = conn_segment_at(s, m->begin);
	m->acked = from->acked;
	m->ts_ns = m->end_ts_ns = from->ts_ns;
	m->frame = m->end_frame = from->number;
	m->epoch = m->end_epoch = from->epoch;
	if (from->conflict)
		m->flags |= FLAG_overlap_conflict;
	if (unlikely(s->cut) && conn_is_datagrams(c))
		m->flags |= FLAG_cut_capture;
	unfinished_add(c, m);
	due = pair_begin(c->host->pair, m);
	if (due < *c->host->due_ns)
		*c->host->due_ns = due;
	return m;
}

void message_note(struct message *m, uint64_t note)
{
	if (m != NULL)
		m->note = note;
}

bool message_proto(struct message *m, const struct dissector *d)
{
	uint32_t i = 0;

	if (m == NULL)
		return false;
	while (i < dissector_count && dissectors[i] != d)
		i++;
	if (i == dissector_count || (m->conn->host->identify->enabled >> i & 1) == 0)
		return false;
	m->proto = (uint8_t)i;
	m->named = 1;
	return true;
}

void message_stream(struct message *m, uint64_t stream)
{
	if (m != NULL)
		m->stream = stream + 1;
}

/* ---- fields ---- */

static bool is_pairs(const struct message *m, uint16_t field)
{
	const struct dissector *d = dissectors[m->proto];

	return field >= FIELD_OWN && field - FIELD_OWN < (int)d->field_count &&
	       d->fields[field - FIELD_OWN].kind == FIELD_PAIRS;
}

static bool decodes(const struct message *m)
{
	const struct host_settings *s = &m->conn->host->settings;

	return s->decode_bodies && s->body_limit_bytes > 0;
}

bool message_wants(const struct message *m, uint16_t field)
{
	if (m == NULL)
		return false;
	if (field == FIELD_DECODED)
		return decodes(m);
	return m->conn->host->settings.headers != HEADERS_NONE || !is_pairs(m, field);
}

static bool is_named(const struct host *h, struct slice name)
{
	const char *listed = h->settings.header_names;

	if (h->settings.headers == HEADERS_ALL)
		return true;
	if (h->settings.headers == HEADERS_NONE)
		return false;
	for (; *listed != 0; listed += strlen(listed) + 1)
		if (strlen(listed) == name.bytes &&
		    strncasecmp(listed, (const char *)name.at, name.bytes) == 0)
			return true;
	return false;
}

/* A record has room for the fields of a request and of its response at any settings; interim codes
 * take 16 bytes each, once with the request and once with the response; so does the number of
 * repeats. */
enum {
	FIELDS_BYTES_MAX = (RECORD_BYTES_MAX - sizeof(struct record) -
			    RECORD_TUNNELS_MAX * sizeof(struct record_tunnel) -
			    INTERIM_MAX * 2 * 16 - 16) /
			   2 / 8 * 8
};

static void add(struct message *m, uint16_t field, struct slice name, struct slice value,
		bool is_pair)
{
	struct host *h = m->conn->host;
	/* Every field has 8 bytes of header and up to 7 of padding around its bytes. */
	uint32_t limit = h->settings.head_bytes + (h->settings.head_fields + 16) * 16;

	limit = limit < FIELDS_BYTES_MAX ? limit : FIELDS_BYTES_MAX;
	if (!message_field(h->pair, m, field, name, value, is_pair, limit))
		m->flags |= FLAG_head_cut;
}

void message_text(struct message *m, uint16_t field, struct slice value)
{
	if (m != NULL)
		add(m, field, slice_of(NULL, 0), value, false);
}

void message_number(struct message *m, uint16_t field, uint64_t value)
{
	if (m != NULL)
		add(m, field, slice_of(NULL, 0), slice_of(&value, sizeof(value)), false);
}

void message_pair(struct message *m, uint16_t field, struct slice name, struct slice value)
{
	if (m == NULL || !is_named(m->conn->host, name))
		return;
	if (m->pair_count >= m->conn->host->settings.head_fields) {
		m->flags |= FLAG_head_cut;
		return;
	}
	m->pair_count++;
	add(m, field, name, value, true);
}

void message_flag(struct message *m, enum flag flag)
{
	if (m == NULL)
		return;
	m->flags |= flag;
	if ((flag & (FLAG_gap_in_head | FLAG_gap_in_body)) != 0 && m->conn->side[m->side].cut)
		m->flags |= FLAG_cut_capture;
}

void message_failed(struct message *m)
{
	if (m != NULL)
		m->failed = 1;
}

struct slice message_told(const struct message *m, uint16_t field)
{
	const struct record_field *f;

	for (uint32_t at = 0; m != NULL && at < m->fields_bytes;
	     at += (uint32_t)record_field_room(f->bytes)) {
		f = (const struct record_field *)(const void *)(m->fields + at);
		if (f->id == field)
			return slice_of(f->data, f->bytes);
	}
	return slice_of(NULL, 0);
}

void message_head(struct message *m, const uint8_t *end)
{
	if (m != NULL)
		m->head_bytes = conn_offset_of(&m->conn->side[m->side], end) - m->begin;
}

/* ---- bodies ---- */

static bool body_grow(struct arena *a, struct message *m, uint32_t need)
{
	uint32_t room = m->body_room == 0 ? 1024 : m->body_room;
	uint8_t *moved;

	while (room < need)
		room *= 2;
	moved = m->body == NULL ? arena_take(a, room)
				: arena_resize(a, m->body, m->body_room, room);
	if (moved == NULL)
		return false;
	m->body = moved;
	m->body_room = room;
	return true;
}

/* `at` is the body's byte `from`, and those behind it. */
static void unmask(const struct message *m, uint64_t from, uint8_t *at, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		at[i] ^= m->mask[(from + i) & 3];
}

static bool is_masked(const struct message *m)
{
	return (m->mask[0] | m->mask[1] | m->mask[2] | m->mask[3]) != 0;
}

/* `bytes` are the last ones of those that body_bytes counts. */
static void body_keep(struct host *h, struct message *m, struct slice bytes)
{
	uint32_t limit = h->settings.body_limit_bytes;
	uint64_t keep = (limit > m->keep_bytes ? limit : m->keep_bytes) - m->body_kept;

	if (limit > 0 && m->body_kept + bytes.bytes > limit)
		m->flags |= FLAG_body_cut;
	keep = bytes.bytes < keep ? bytes.bytes : keep;
	if (keep == 0)
		return;
	if (m->body_kept + keep > m->body_room &&
	    !body_grow(h->arena, m, m->body_kept + (uint32_t)keep)) {
		count(h->counters, out_of_memory);
		m->flags |= FLAG_body_cut;
		return;
	}
	memcpy(m->body + m->body_kept, bytes.at, keep);
	if (unlikely(is_masked(m)))
		unmask(m, m->body_bytes - bytes.bytes, m->body + m->body_kept, keep);
	m->body_kept += (uint32_t)keep;
}

void message_skipped(struct conn *c, struct message *m, struct slice bytes)
{
	if (m == NULL)
		return;
	m->body_bytes += bytes.bytes;
	if (bytes.at != NULL && (c->host->settings.body_limit_bytes | m->keep_bytes) > 0)
		body_keep(c->host, m, bytes);
}

void message_body(struct message *m, struct slice bytes)
{
	if (m != NULL)
		message_skipped(m->conn, m, bytes);
}

uint64_t message_body_bytes(const struct message *m)
{
	return m == NULL ? 0 : m->body_bytes;
}

void message_mask(struct message *m, const uint8_t key[4])
{
	for (uint64_t i = 0; m != NULL && i < sizeof(m->mask); i++)
		m->mask[(m->body_bytes + i) & 3] = key[i];
}

void message_keep(struct message *m, uint32_t bytes)
{
	uint32_t most;

	if (m == NULL)
		return;
	most = m->conn->host->settings.head_bytes;
	m->keep_bytes = bytes < most ? bytes : most;
}

struct slice message_kept(const struct message *m)
{
	return m == NULL || m->body == NULL ? slice_of(NULL, 0) : slice_of(m->body, m->body_kept);
}

/* ---- encoded bodies ---- */

enum {
	CODINGS_OTHER = 255,
	/* Of a message of permessage-deflate: the next ones depend on the whole of it. */
	INFLATE_KEPT_BYTES = 65536,
};

static void add_coding(struct message *m, struct slice name)
{
	if (name.bytes == 0 ||
	    (name.bytes == 8 && strncasecmp((const char *)name.at, "identity", 8) == 0))
		return;
	if (m->codings >= sizeof(m->coding) || content_coding(name) == CODING_unknown)
		m->codings = CODINGS_OTHER;
	else
		m->coding[m->codings++] = (uint8_t)content_coding(name);
}

void message_encoding(struct message *m, struct slice codings)
{
	if (m == NULL || !decodes(m))
		return;
	while (codings.bytes > 0) {
		size_t n = 0, from = 0, to;

		while (n < codings.bytes && codings.at[n] != ',')
			n++;
		for (to = n; from < n && (codings.at[from] == ' ' || codings.at[from] == '\t');)
			from++;
		while (to > from && (codings.at[to - 1] == ' ' || codings.at[to - 1] == '\t'))
			to--;
		if (m->codings != CODINGS_OTHER)
			add_coding(m, slice_of(codings.at + from, to - from));
		codings = slice_after(codings, n + 1);
	}
}

void message_inflate(struct message *m, struct inflate_window *window)
{
	if (m == NULL || !decodes(m))
		return;
	m->window = window;
	m->keep_bytes = INFLATE_KEPT_BYTES;
}

/* What the message has become, in memory of its own, takes the place of what was sent. */
static void body_becomes(struct host *h, struct message *m, uint8_t *room, size_t room_bytes,
			 size_t bytes)
{
	uint8_t *less = bytes == 0 || bytes == room_bytes
				? NULL
				: arena_resize(h->arena, room, room_bytes, bytes);

	arena_give(h->arena, m->body, m->body_room);
	m->body = less != NULL ? less : room;
	m->body_room = (uint32_t)(less != NULL ? bytes : room_bytes);
	m->body_kept = (uint32_t)bytes;
}

static enum content_end decode_once(struct host *h, struct message *m, uint8_t *to, size_t room,
				    size_t *ret_bytes)
{
	struct slice in = slice_of(m->body, m->body_kept);

	if (m->window != NULL)
		return content_inflate(h->arena, m->window, in, to, room, ret_bytes);
	return content_decode(h->arena, (enum coding)m->coding[m->codings - 1], in, to, room,
			      ret_bytes);
}

/* Returns false if nothing comes of it: the body stays as it was sent. */
static bool decode_layer(struct host *h, struct message *m)
{
	size_t room_bytes = h->settings.body_limit_bytes, bytes = 0;
	bool cut = m->body_kept < m->body_bytes;
	uint8_t *room = arena_take(h->arena, room_bytes);
	enum content_end end;

	if (room == NULL) {
		count(h->counters, out_of_memory);
		return false;
	}
	end = decode_once(h, m, room, room_bytes, &bytes);
	if (end == CONTENT_BROKEN)
		m->flags |= FLAG_anomaly;
	else if (end != CONTENT_WHOLE)
		m->flags |= FLAG_body_cut;
	else if (!cut)
		m->flags &= ~(uint32_t)FLAG_body_cut; /* the limit is for what it has become */
	if (bytes == 0 && end != CONTENT_WHOLE) {
		arena_give(h->arena, room, room_bytes);
		return false;
	}
	body_becomes(h, m, room, room_bytes, bytes);
	return true;
}

/* A hole in what was encoded leaves nothing to decode behind it, and nobody knows where it is. */
static void body_decode(struct host *h, struct message *m)
{
	bool torn = (m->flags & FLAG_gap_in_body) != 0, decoded = false;

	if (m->window != NULL) {
		m->window->lost |= torn || m->body_kept < m->body_bytes;
		decoded = !m->window->lost && decode_layer(h, m);
	} else {
		for (; !torn && m->codings > 0 && m->body_kept > 0 && decode_layer(h, m);
		     m->codings--)
			decoded = true;
	}
	if (decoded)
		message_number(m, FIELD_DECODED, m->body_kept);
}

/* ---- ends ---- */

void message_end(struct message *m, const uint8_t *end)
{
	const struct segment *last;
	struct conn_side *s;
	struct conn *c;
	uint64_t to;

	if (m == NULL)
		return;
	c = m->conn;
	s = &c->side[m->side];
	to = end == NULL ? s->at : conn_offset_of(s, end);
	/* A message of no bytes after its begin (end == at) keeps its begin's packet. */
	if (to > m->begin) {
		last = conn_segment_at(s, to - 1);
		m->end_ts_ns = last->ts_ns;
		m->end_frame = last->number;
		m->end_epoch = last->epoch;
	}
	if (s->skip_message == m)
		s->skip_message = NULL;
	if (unlikely(m->window != NULL || (m->codings > 0 && m->codings != CODINGS_OTHER)))
		body_decode(c->host, m);
	/* What was kept for the dissector only is its no more. */
	if (m->body_kept > c->host->settings.body_limit_bytes)
		m->body_kept = c->host->settings.body_limit_bytes;
	unfinished_remove(c, m);
	pair_end(c->host->pair, m);
}

void conn_finish_messages(struct conn *c, enum side side)
{
	struct message *m = c->unfinished, *next;

	for (; m != NULL; m = next) {
		next = m->unfinished_next;
		if (side == SIDE_UNKNOWN || m->side == side)
			message_end(m, NULL);
	}
}

void conn_flag_messages(struct conn *c, enum side side, enum flag flag)
{
	for (struct message *m = c->unfinished; m != NULL; m = m->unfinished_next)
		if (m->side == side)
			m->flags |= flag;
}
