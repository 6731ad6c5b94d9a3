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

static bool pair_ok(const struct record *r, uint64_t bytes)
{
	const uint8_t *fields = (const uint8_t *)(r + 1);

	if (bytes < sizeof(*r))
		return false;
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

static const uint8_t *part_begin(const struct record *r, enum record_part part)
{
	const uint8_t *fields = (const uint8_t *)(r + 1);

	return part == RECORD_REQUEST ? fields : fields + r->request.fields_bytes;
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
