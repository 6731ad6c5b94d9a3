/* record - may it be walked, and the walk. */
#include "dataplane/shm/record.h"

#include "dataplane/base/compiler.h"

enum { FIELD_ALIGN = 8, STREAM_GAPS = array_count(((struct record_stream *)0)->gap) };

#define STREAM_FLAG_NAME(name) #name,
static const char *const stream_flags[] = { RECORD_STREAM_FLAGS(STREAM_FLAG_NAME) };

const char *record_stream_flag_name(unsigned bit)
{
	return bit < STREAM_BIT_COUNT ? stream_flags[bit] : NULL;
}

/* Every field with its padding must end at or before `bytes`, the last one exactly there. */
static bool fields_ok(const uint8_t *at, uint64_t bytes)
{
	while (bytes != 0) {
		const struct record_field *f = (const void *)at;
		uint64_t room;

		if (bytes < sizeof(*f))
			return false;
		room = record_field_room(f->bytes);
		if (room > bytes)
			return false;
		if (f->name_bytes != RECORD_FIELD_PLAIN && f->name_bytes > f->bytes)
			return false;
		at += room;
		bytes -= room;
	}
	return true;
}

static bool message_ok(const struct record_message *m)
{
	return m->present <= 1 && (m->present != 0 || m->fields_bytes == 0) &&
	       m->fields_bytes % FIELD_ALIGN == 0;
}

const struct record_tunnel *record_tunnels(const struct record *r)
{
	return (const void *)(r + 1);
}

static const uint8_t *part_begin(const struct record *r, enum record_part part)
{
	const uint8_t *fields = (const uint8_t *)(record_tunnels(r) + r->tunnels);

	return part == RECORD_REQUEST ? fields : fields + r->request.fields_bytes;
}

static bool tunnel_ok(const struct record_tunnel *t)
{
	return t->type < TUNNEL_COUNT && t->has_id <= 1 &&
	       (t->ip_version == 0 || t->ip_version == 4 || t->ip_version == 6);
}

/* Are there as many tunnels as the record says, each one that can be? */
static bool tunnels_ok(const struct record *r, uint64_t bytes)
{
	if (r->tunnels > RECORD_TUNNELS_MAX ||
	    r->tunnels * sizeof(struct record_tunnel) > bytes - sizeof(*r))
		return false;
	for (uint32_t i = 0; i < r->tunnels; i++)
		if (!tunnel_ok(&record_tunnels(r)[i]))
			return false;
	return true;
}

static bool pair_ok(const struct record *r, uint64_t bytes)
{
	const uint8_t *fields;

	if (bytes < sizeof(*r) || !tunnels_ok(r, bytes))
		return false;
	bytes -= r->tunnels * sizeof(struct record_tunnel);
	fields = part_begin(r, RECORD_REQUEST);
	if ((r->flags >> FLAG_COUNT) != 0 || !message_ok(&r->request) || !message_ok(&r->response))
		return false;
	if ((uint64_t)r->request.fields_bytes + r->response.fields_bytes != bytes - sizeof(*r))
		return false;
	return fields_ok(fields, r->request.fields_bytes) &&
	       fields_ok(fields + r->request.fields_bytes, r->response.fields_bytes);
}

static bool stream_ok(const struct record_stream *s, uint64_t bytes)
{
	return bytes == sizeof(*s) && s->gap_count <= STREAM_GAPS &&
	       (s->seen >> STREAM_BIT_COUNT) == 0;
}

/* What both types begin with; the record may be no longer than this. */
struct prefix {
	uint32_t bytes;
	uint8_t type, outcome, why, proto;
};

bool record_check(const void *record, uint64_t bytes)
{
	const struct prefix *p = record;

	if (bytes < sizeof(*p) || bytes > RECORD_BYTES_MAX || bytes % FIELD_ALIGN != 0)
		return false;
	if (p->bytes != bytes || p->outcome >= OUTCOME_COUNT)
		return false;
	if (p->why >= WHY_COUNT && p->why != WHY_none)
		return false;
	switch (p->type) {
	case RECORD_PAIR: return pair_ok(record, bytes);
	case RECORD_STREAM: return stream_ok(record, bytes);
	default: return false;
	}
}

static const uint8_t *part_end(const struct record *r, enum record_part part)
{
	const struct record_message *m = part == RECORD_REQUEST ? &r->request : &r->response;

	return part_begin(r, part) + m->fields_bytes;
}

const struct record_field *record_first(const struct record *r, enum record_part part)
{
	const uint8_t *begin = part_begin(r, part);

	return begin == part_end(r, part) ? NULL : (const void *)begin;
}

const struct record_field *record_next(const struct record *r, enum record_part part,
				       const struct record_field *f)
{
	const uint8_t *next = (const uint8_t *)f + record_field_room(f->bytes);

	return next == part_end(r, part) ? NULL : (const void *)next;
}
