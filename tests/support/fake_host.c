/* fake_host - see fake_host.h. */
#include "tests/support/fake_host.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

enum { HEAD_BYTES = 65536, GUARDED_BYTES = 4 << 20, CONN_TAKE_BYTES = 256 << 10 };

#define MUST(cond)                                                                                 \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			fprintf(stderr, "fake_host: the dissector broke: %s\n", #cond);            \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

static void *checked(void *memory)
{
	if (memory == NULL)
		abort();
	return memory;
}

uint64_t fake_random(uint64_t *seed)
{
	uint64_t z = *seed += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

/* ---- text that grows ---- */

static void __attribute__((format(printf, 4, 5)))
add_text(char **text, size_t *bytes, size_t *room, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (*bytes + (size_t)n + 1 > *room) {
		*room = (*bytes + (size_t)n + 1) * 2;
		*text = checked(realloc(*text, *room));
	}
	va_start(args, format);
	vsnprintf(*text + *bytes, *room - *bytes, format, args);
	va_end(args);
	*bytes += (size_t)n;
}

static void add_slice(struct message *m, struct slice s)
{
	for (size_t i = 0; i < s.bytes; i++) {
		bool plain = s.at[i] >= ' ' && s.at[i] < 0x7f && s.at[i] != '\\';

		add_text(&m->fields, &m->fields_bytes, &m->fields_room, plain ? "%c" : "\\x%02x",
			 s.at[i]);
	}
}

static void add_field(struct message *m, const char *format, const char *name)
{
	add_text(&m->fields, &m->fields_bytes, &m->fields_room, format,
		 m->fields_bytes == 0 ? "" : " ", name);
}

/* ---- feeding ---- */

static uint64_t hash_more(uint64_t hash, struct slice s)
{
	for (size_t i = 0; i < s.bytes; i++)
		hash = (hash ^ s.at[i]) * UINT64_C(0x100000001b3);
	return hash;
}

static void body_passes(struct message *m, struct slice bytes)
{
	MUST(!m->ended);
	for (size_t i = 0; i < bytes.bytes; i++) {
		uint8_t plain = bytes.at[i] ^ m->mask[m->body_bytes++ & 3];

		m->body_hash = hash_more(m->body_hash, slice_of(&plain, 1));
		if (m->kept_bytes < m->keep_bytes)
			m->kept[m->kept_bytes++] = plain;
	}
}

static size_t take_skipped(struct fake_side *s, struct slice in)
{
	size_t n = in.bytes < s->skip ? in.bytes : (size_t)s->skip;

	if (s->skip != UINT64_MAX)
		s->skip -= n;
	if (s->skip_message != NULL)
		body_passes(s->skip_message, slice_of(in.at, n));
	return n;
}

static size_t call_feed(struct conn *c, struct fake_side *s, struct slice in)
{
	size_t n;

	s->need = 0;
	s->in = in;
	s->feeding = true;
	s->skipped = false;
	c->feeds++;
	n = c->dissector->feed(c, (enum side)(s - c->side), in);
	MUST(n <= in.bytes);
	s->feeding = false;
	return n;
}

/* Offers what is pending until nothing more is taken. Returns whether anything was. */
static bool offer(struct conn *c, struct fake_side *s)
{
	const uint8_t *at = c->settings.in_place
				    ? s->pending
				    : guarded_put(&s->guarded, s->pending, s->pending_bytes);
	struct slice in = slice_of(at, s->pending_bytes);
	size_t before = in.bytes;
	bool call = false;

	while (in.bytes > 0 || call) {
		bool owed = call;
		size_t n;

		call = false;
		if (c->opaque) {
			n = in.bytes;
			c->opaque_bytes += n;
		} else if (s->skip > 0) {
			n = take_skipped(s, in);
			call = s->skip == 0;
		} else if (in.bytes < s->need && !s->last && !owed) {
			break;
		} else {
			n = call_feed(c, s, in);
			if (n == 0 && !owed && s->skip == 0 && !c->opaque)
				break;
		}
		s->at += n;
		in = slice_after(in, n);
	}
	if (in.bytes > 0 && in.at != s->pending)
		memmove(s->pending, in.at, in.bytes);
	s->pending_bytes = in.bytes;
	return in.bytes < before;
}

static size_t head_limit(const struct conn *c)
{
	return c->settings.head_bytes != 0 ? c->settings.head_bytes : HEAD_BYTES;
}

/* The wait is over, or can have no good end. */
static void decide(struct conn *c, struct fake_side *s)
{
	s->waiting = false;
	s->waited = true;
	offer(c, s);
	s->waited = false;
}

static void drop_pending(struct conn *c, struct fake_side *s)
{
	s->at += s->pending_bytes;
	c->opaque_bytes += s->pending_bytes;
	s->pending_bytes = 0;
}

/* Each side that moves may be what the other is waiting for. */
static void settle(struct conn *c, struct fake_side *moved)
{
	struct fake_side *s = &c->side[side_other((enum side)(moved - c->side))];

	while (s->waiting) {
		s->waiting = false;
		if (!offer(c, s))
			return;
		s = &c->side[side_other((enum side)(s - c->side))];
	}
}

void fake_feed(struct conn *c, enum side side, const void *data, size_t bytes)
{
	struct fake_side *s = &c->side[side];

	if (s->closed)
		abort();
	if (s->pending_bytes + bytes > s->pending_room) {
		s->pending_room = (s->pending_bytes + bytes) * 2;
		s->pending = checked(realloc(s->pending, s->pending_room));
	}
	if (bytes > 0)
		memcpy(s->pending + s->pending_bytes, data, bytes);
	s->pending_bytes += bytes;
	if (s->waiting && s->pending_bytes < head_limit(c))
		return;
	if (s->waiting)
		decide(c, s);
	else
		offer(c, s);
	if (!s->waiting && s->pending_bytes >= head_limit(c)) {
		offer(c, s);
		MUST(s->pending_bytes < head_limit(c));
	}
	settle(c, s);
}

static void take_datagram(struct conn *c, enum side side, const void *data, size_t bytes, bool cut)
{
	struct fake_side *s = &c->side[side];
	size_t n = 0;

	if (s->closed)
		abort();
	s->whole = s->last = true;
	s->cut = cut;
	if (!c->opaque) {
		s->in = slice_of(guarded_put(&s->guarded, data, bytes), bytes);
		s->feeding = true;
		c->feeds++;
		n = c->dissector->datagrams->take(c, side, s->in);
		MUST(n <= bytes);
		s->feeding = false;
	}
	c->opaque_bytes += bytes - n;
	s->at += bytes;
}

void fake_datagram(struct conn *c, enum side side, const void *data, size_t bytes)
{
	take_datagram(c, side, data, bytes, false);
}

void fake_datagram_cut(struct conn *c, enum side side, const void *data, size_t bytes)
{
	take_datagram(c, side, data, bytes, true);
}

void fake_say(struct conn *c, enum side side, const char *text)
{
	fake_feed(c, side, text, strlen(text));
}

void fake_feed_bytewise(struct conn *c, enum side side, const void *data, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		fake_feed(c, side, (const uint8_t *)data + i, 1);
}

void fake_feed_both(struct conn *c, struct slice a, struct slice b, size_t most, uint64_t *seed)
{
	struct slice left[2] = { a, b };

	while (left[0].bytes + left[1].bytes > 0) {
		enum side side = (enum side)(fake_random(seed) & 1);
		size_t n = 1 + (size_t)(fake_random(seed) % most);

		if (left[side].bytes == 0)
			side = side_other(side);
		if (n > left[side].bytes)
			n = left[side].bytes;
		fake_feed(c, side, left[side].at, n);
		left[side] = slice_after(left[side], n);
	}
}

/* Nothing can be added to what is pending. */
static void offer_rest(struct conn *c, struct fake_side *s)
{
	s->last = true;
	if (s->pending_bytes > 0)
		decide(c, s);
	s->last = false;
	s->waiting = false;
	drop_pending(c, s);
}

void fake_gap(struct conn *c, enum side side, uint64_t bytes)
{
	struct fake_side *s = &c->side[side];

	offer_rest(c, s);
	while (bytes > 0 && s->skip > 0 && !c->opaque) {
		uint64_t n = bytes < s->skip ? bytes : s->skip;

		message_flag(s->skip_message, FLAG_gap_in_body);
		if (s->skip_message != NULL)
			s->skip_message->body_bytes += n;
		if (s->skip != UINT64_MAX)
			s->skip -= n;
		s->at += n;
		bytes -= n;
		if (s->skip == 0)
			s->at += call_feed(c, s, (struct slice){ 0 });
	}
	s->at += bytes;
	if (bytes > 0 && !c->opaque) {
		c->lost = true;
		if (side != c->client)
			for (struct message *m = c->first; m != NULL; m = m->next)
				m->answered = true;
		if (c->dissector->gap(c, side, bytes) == RESYNC_OPAQUE)
			c->opaque = true;
	}
	settle(c, s);
}

void fake_wait_over(struct conn *c)
{
	for (int i = 0; i < 2; i++)
		if (c->side[i].waiting) {
			decide(c, &c->side[i]);
			settle(c, &c->side[i]);
		}
}

void fake_close(struct conn *c, enum side side)
{
	struct fake_side *s = &c->side[side];
	bool owed;

	offer_rest(c, s);
	s->closed = s->last = true;
	owed = s->skip != 0;
	s->skip = 0;
	if (owed && !c->opaque)
		call_feed(c, s, (struct slice){ 0 });
	if (!c->opaque && c->dissector->close != NULL)
		c->dissector->close(c, side, WHY_connection_closed);
	settle(c, s);
}

void fake_close_both(struct conn *c)
{
	fake_close(c, SIDE_A);
	fake_close(c, SIDE_B);
}

struct fake_memory {
	struct fake_memory *next;
	size_t bytes;
	_Alignas(16) uint8_t data[];
};

void fake_open(struct conn *c, const struct dissector *d, const struct fake_settings *settings)
{
	*c = (struct conn){ .dissector = d };
	if (settings != NULL)
		c->settings = *settings;
	c->client = c->settings.client_unknown ? SIDE_UNKNOWN : SIDE_A;
	c->state = checked(calloc(1, d->conn_bytes + 1));
	for (int i = 0; i < 2; i++)
		guarded_init(&c->side[i].guarded, GUARDED_BYTES);
}

void fake_free(struct conn *c)
{
	while (c->first != NULL) {
		struct message *m = c->first;

		c->first = m->next;
		free(m->fields);
		free(m->kept);
		for (size_t i = 0; i < sizeof(m->told) / sizeof(m->told[0]); i++)
			free((void *)(uintptr_t)m->told[i].at);
		free(m);
	}
	for (int i = 0; i < 2; i++) {
		guarded_fini(&c->side[i].guarded);
		free(c->side[i].pending);
	}
	if (c->dissector->fini != NULL)
		c->dissector->fini(c);
	while (c->taken != NULL)
		conn_give(c, c->taken->data);
	free(c->state);
}

/* ---- what became of it ---- */

struct message *fake_message(const struct conn *c, enum side side, uint32_t n)
{
	for (struct message *m = c->first; m != NULL; m = m->next)
		if (m->side == side && n-- == 0)
			return m;
	return NULL;
}

uint32_t fake_count(const struct conn *c, enum side side)
{
	uint32_t n = 0;

	for (struct message *m = c->first; m != NULL; m = m->next)
		n += m->side == side;
	return n;
}

char *fake_text(const struct conn *c)
{
	static const char *const kinds[] = { "request", "response", "interim", "oneway" };
	char *text = NULL;
	size_t bytes = 0, room = 0;
	struct message *m;

	add_text(&text, &bytes, &room, "%s%s\n", c->opaque ? "becomes " : "", c->become);
	for (int side = 0; side < 2; side++)
		for (uint32_t i = 0; (m = fake_message(c, (enum side)side, i)) != NULL; i++)
			add_text(&text, &bytes, &room,
				 "%c %s [%" PRIu64 ",%" PRIu64 ") head=%" PRIu64 " body=%" PRIu64
				 "/%" PRIx64 " key=%" PRIx64 " note=%" PRIx64 " flags=%x%s%s%s "
				 "answers=%" PRId64 "%s%s%s again=%u stream=%" PRIu64 " %s\n",
				 "AB"[side], kinds[m->kind], m -> begin, m -> end, m -> head_bytes,
				 m -> body_bytes, m -> body_hash, m -> key, m -> note, m -> flags,
				 m -> failed ? " failed" : "", m->headed ? "" : " headless",
				 m->ended ? "" : " open", m->answers, m->closed ? " closed" : "",
				 m->proto == NULL ? "" : " ",
				 m->proto == NULL ? "" : m->proto->proto, m->again, m->stream,
				 m->fields == NULL ? "" : m->fields);
	return text;
}

/* ---- what the dissector calls ---- */

void *conn_state(struct conn *c)
{
	return c->state;
}

void conn_client_is(struct conn *c, enum side side)
{
	if (c->client == SIDE_UNKNOWN)
		c->client = side;
}

enum side conn_client(const struct conn *c)
{
	return c->client;
}

bool conn_is_midstream(const struct conn *c, enum side side)
{
	(void)side;
	return c->settings.midstream;
}

uint16_t conn_port(const struct conn *c, enum side side)
{
	if (c->settings.port[side] != 0)
		return c->settings.port[side];
	return side == c->client ? 40000 : 80;
}

void conn_need(struct conn *c, enum side side, size_t bytes)
{
	MUST(!c->side[side].whole);
	c->side[side].need = bytes < head_limit(c) ? bytes : head_limit(c);
}

bool conn_full(const struct conn *c, enum side side)
{
	return c->side[side].last || c->side[side].in.bytes >= head_limit(c);
}

void conn_skip(struct conn *c, enum side side, uint64_t bytes, struct message *m)
{
	struct fake_side *s = &c->side[side];

	MUST(s->feeding && !s->skipped && !s->whole);
	s->skipped = true;
	s->skip = bytes;
	s->skip_message = m;
}

void conn_wait_peer(struct conn *c, enum side side)
{
	MUST(!c->side[side].whole);
	if (!c->side[side].waited)
		c->side[side].waiting = true;
}

bool conn_waited(const struct conn *c, enum side side)
{
	return c->side[side].waited;
}

bool conn_is_cut(const struct conn *c, enum side side)
{
	return c->side[side].cut;
}

void *conn_take(struct conn *c, size_t bytes)
{
	struct fake_memory *m;

	if (bytes > CONN_TAKE_BYTES - c->taken_bytes)
		return NULL;
	m = checked(calloc(1, sizeof(*m) + bytes));
	m->bytes = bytes;
	m->next = c->taken;
	c->taken = m;
	c->taken_bytes += bytes;
	return m->data;
}

void conn_give(struct conn *c, void *memory)
{
	struct fake_memory **at = &c->taken, *m;

	if (memory == NULL)
		return;
	while (*at != NULL && (*at)->data != memory)
		at = &(*at)->next;
	MUST(*at != NULL); /* it was taken and not given back */
	m = *at;
	*at = m->next;
	c->taken_bytes -= m->bytes;
	free(m);
}

void *conn_resize(struct conn *c, void *memory, size_t bytes)
{
	struct fake_memory *m = c->taken;
	void *moved;

	if (memory == NULL)
		return conn_take(c, bytes);
	while (m != NULL && m->data != memory)
		m = m->next;
	MUST(m != NULL);
	moved = conn_take(c, bytes);
	if (moved == NULL)
		return NULL;
	memcpy(moved, memory, bytes < m->bytes ? bytes : m->bytes);
	conn_give(c, memory);
	return moved;
}

void conn_become_with(struct conn *c, const char *name, struct slice note)
{
	MUST(!c->opaque);
	c->opaque = true;
	if (name != NULL && name[0] == 0)
		name = "?";
	snprintf(c->become, sizeof(c->become), "%s", name == NULL ? "" : name);
	c->hands_bytes = note.bytes <= HANDED_BYTES ? note.bytes : 0;
	if (c->hands_bytes > 0)
		memcpy(c->hands, note.at, c->hands_bytes);
}

void conn_become(struct conn *c, const char *name)
{
	conn_become_with(c, name, slice_of(NULL, 0));
}

struct slice conn_handed(const struct conn *c)
{
	const char *handed = c->settings.handed;

	if (handed == NULL)
		return slice_of(NULL, 0);
	return slice_of(handed,
			c->settings.handed_bytes ? c->settings.handed_bytes : strlen(handed));
}

static uint64_t offset_of(const struct fake_side *s, const uint8_t *at)
{
	MUST(s->feeding && at >= s->in.at && at <= s->in.at + s->in.bytes);
	return s->at + (uint64_t)(at - s->in.at);
}

static struct message *open_request(const struct conn *c, enum side from, uint64_t key)
{
	for (struct message *m = c->first; m != NULL; m = m->next)
		if (m->kind == MESSAGE_REQUEST && m->side == from && !m->answered && m->key == key)
			return m;
	return NULL;
}

bool conn_request_key(struct conn *c, enum side side, const uint8_t *at, uint64_t key,
		      uint64_t new_key)
{
	struct message *request = open_request(c, side_other(side), key);

	offset_of(&c->side[side], at);
	if (request == NULL)
		return false;
	request->key = new_key;
	return true;
}

bool conn_request_again(struct conn *c, enum side side, uint64_t key)
{
	struct message *request = open_request(c, side, key);

	if (request == NULL)
		return false;
	request->again++;
	return true;
}

bool conn_request_close(struct conn *c, enum side side, uint64_t key, enum why why)
{
	struct message *request = open_request(c, side, key);

	MUST(why < WHY_COUNT);
	if (request == NULL)
		return false;
	request->answered = request->closed = true;
	return true;
}

enum request_known conn_request_note(struct conn *c, enum side side, const uint8_t *at,
				     uint64_t key, uint64_t *ret_note)
{
	struct message *request = open_request(c, side_other(side), key);

	offset_of(&c->side[side], at);
	if (request == NULL)
		return c->lost ? REQUEST_LOST : REQUEST_NONE;
	*ret_note = request->note;
	return REQUEST_FOUND;
}

static void begin_request(struct conn *c, struct message *m)
{
	m->number = c->requests++;
	c->lost = false;
	if (c->client == SIDE_UNKNOWN)
		c->client = m->side;
}

static void begin_response(struct conn *c, struct message *m)
{
	struct message *request = open_request(c, side_other(m->side), m->key);

	if (request == NULL)
		return;
	m->answers = (int64_t)request->number;
	if (m->kind == MESSAGE_RESPONSE)
		request->answered = true;
}

struct message *message_begin(struct conn *c, enum side side, const uint8_t *at,
			      struct message_open open)
{
	struct message *m = checked(calloc(1, sizeof(*m)));

	*m = (struct message){ .conn = c,
			       .side = side,
			       .kind = open.kind,
			       .key = open.key,
			       .note = open.note,
			       .begin = offset_of(&c->side[side], at),
			       .answers = -1 };
	if (m->kind == MESSAGE_REQUEST)
		begin_request(c, m);
	else if (m->kind != MESSAGE_ONEWAY)
		begin_response(c, m);
	if (c->last == NULL)
		c->first = m;
	else
		c->last->next = m;
	c->last = m;
	return m;
}

void message_note(struct message *m, uint64_t note)
{
	if (m == NULL)
		return;
	MUST(!m->ended && m->kind == MESSAGE_REQUEST);
	m->note = note;
}

bool message_proto(struct message *m, const struct dissector *d)
{
	if (m == NULL || m->conn->settings.alone)
		return false;
	MUST(!m->ended);
	m->proto = d;
	return true;
}

void message_stream(struct message *m, uint64_t stream)
{
	if (m == NULL)
		return;
	MUST(!m->ended);
	m->stream = stream + 1;
}

void message_body(struct message *m, struct slice bytes)
{
	if (m != NULL)
		body_passes(m, bytes);
}

uint64_t message_body_bytes(const struct message *m)
{
	return m == NULL ? 0 : m->body_bytes;
}

void message_encoding(struct message *m, struct slice codings)
{
	size_t n;

	if (m == NULL)
		return;
	MUST(!m->ended);
	n = strlen(m->encoding);
	snprintf(m->encoding + n, sizeof(m->encoding) - n, "%s%.*s", n > 0 ? "," : "",
		 (int)codings.bytes, (const char *)codings.at);
}

void message_inflate(struct message *m, struct inflate_window *window)
{
	if (m == NULL)
		return;
	MUST(!m->ended && m->body_bytes == 0);
	m->window = window;
}

void message_mask(struct message *m, const uint8_t key[4])
{
	for (uint64_t i = 0; m != NULL && i < sizeof(m->mask); i++)
		m->mask[(m->body_bytes + i) & 3] = key[i];
}

struct slice message_told(const struct message *m, uint16_t field)
{
	MUST(field < sizeof(m->told) / sizeof(m->told[0]));
	return m == NULL ? slice_of(NULL, 0) : m->told[field];
}

void message_keep(struct message *m, uint32_t bytes)
{
	if (m == NULL)
		return;
	MUST(!m->ended && m->kept == NULL);
	m->keep_bytes = bytes < head_limit(m->conn) ? bytes : head_limit(m->conn);
	m->kept = checked(malloc(m->keep_bytes + 1));
}

struct slice message_kept(const struct message *m)
{
	return m == NULL ? slice_of(NULL, 0) : slice_of(m->kept, m->kept_bytes);
}

/* Whose table a message's fields are of. */
static const struct dissector *table_of(const struct message *m)
{
	return m->proto != NULL ? m->proto : m->conn->dissector;
}

bool message_wants(const struct message *m, uint16_t field)
{
	uint16_t own = (uint16_t)(field - FIELD_OWN);

	return m != NULL && !(m->conn->settings.without_headers && field >= FIELD_OWN &&
			      table_of(m)->fields[own].kind == FIELD_PAIRS);
}

static const char *field_name(const struct message *m, uint16_t field)
{
	static const char *const common[] = { "method", "target", "code", "version" };

	if (field < sizeof(common) / sizeof(common[0]))
		return common[field];
	MUST(field >= FIELD_OWN && field - FIELD_OWN < (int)table_of(m)->field_count);
	return table_of(m)->fields[field - FIELD_OWN].name;
}

void message_text(struct message *m, uint16_t field, struct slice value)
{
	if (m == NULL)
		return;
	MUST(!m->ended);
	add_field(m, "%s%s=", field_name(m, field));
	add_slice(m, value);
	if (field < sizeof(m->told) / sizeof(m->told[0]) && m->told[field].at == NULL) {
		uint8_t *copy = checked(malloc(value.bytes + 1));

		if (value.bytes > 0)
			memcpy(copy, value.at, value.bytes);
		m->told[field] = slice_of(copy, value.bytes);
	}
}

void message_pair(struct message *m, uint16_t field, struct slice name, struct slice value)
{
	if (m == NULL)
		return;
	MUST(!m->ended && message_wants(m, field));
	add_field(m, "%s%s", "(");
	add_slice(m, name);
	add_text(&m->fields, &m->fields_bytes, &m->fields_room, ": ");
	add_slice(m, value);
	add_text(&m->fields, &m->fields_bytes, &m->fields_room, ")");
}

void message_number(struct message *m, uint16_t field, uint64_t value)
{
	if (m == NULL)
		return;
	MUST(!m->ended);
	add_field(m, "%s%s=", field_name(m, field));
	add_text(&m->fields, &m->fields_bytes, &m->fields_room, "%" PRIu64, value);
}

void message_flag(struct message *m, enum flag flag)
{
	if (m == NULL)
		return;
	MUST(!m->ended);
	m->flags |= (uint32_t)flag;
}

void message_failed(struct message *m)
{
	if (m == NULL)
		return;
	MUST(!m->ended);
	m->failed = true;
}

void message_head(struct message *m, const uint8_t *end)
{
	if (m == NULL)
		return;
	MUST(!m->ended && !m->headed);
	m->headed = true;
	m->head_bytes = offset_of(&m->conn->side[m->side], end) - m->begin;
}

void message_end(struct message *m, const uint8_t *end)
{
	struct fake_side *s;

	if (m == NULL)
		return;
	MUST(!m->ended);
	s = &m->conn->side[m->side];
	m->ended = true;
	m->end = end != NULL ? offset_of(s, end) : s->at;
}
