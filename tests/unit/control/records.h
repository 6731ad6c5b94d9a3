/* records - records built by hand, field by field, and the two dissectors they speak of.
 *
 *     struct made m;
 *     made_begin(&m);  m.head->seq = 17;  made_text(&m, FIELD_METHOD, "GET");  ...
 *     made_response(&m);  made_text(&m, FIELD_CODE, "200");  ...
 *     made_end(&m);
 *
 * Requests come first, as they do in a record. Defines `dissectors`: include it in one file of a
 * test.
 */
#ifndef TESTS_UNIT_CONTROL_RECORDS_H
#define TESTS_UNIT_CONTROL_RECORDS_H

#include <string.h>

#include "control/export/text/text.h"
#include "dataplane/base/compiler.h"
#include "dataplane/shm/record.h"
#include "dissectors/registry.h"

/* The fields of the first dissector, in the order of its table. */
enum { OWN_HOST = FIELD_OWN, OWN_REASON, OWN_INTERIM, OWN_LENGTH, OWN_HEADERS };

static const struct field made_fields[] = {
	{ "host", FIELD_TEXT, "" },     { "reason", FIELD_TEXT, "" },
	{ "interim", FIELD_LIST, "" },  { "length", FIELD_NUMBER, "" },
	{ "headers", FIELD_PAIRS, "" },
};
static const struct dissector made_web = { .name = "web1",
					   .proto = "web",
					   .fields = made_fields,
					   .field_count = array_count(made_fields) };
static const struct dissector made_bare = { .name = "bare", .proto = "bare" };
const struct dissector *const dissectors[] = { &made_web, &made_bare };
const uint32_t dissector_count = array_count(dissectors);

struct made {
	union {
		struct record head[1];
		struct record_stream stream[1];
		_Alignas(16) uint8_t bytes[192 * 1024];
	};
	uint32_t used;
	struct record_message *message; /* the one that fields go to */
};

static inline void made_begin(struct made *m)
{
	memset(m->bytes, 0, sizeof(struct record_stream));
	*m->head = (struct record){
		.type = RECORD_PAIR,
		.outcome = OUTCOME_paired,
		.why = WHY_none,
		.ip_version = 4,
		.client_ip = { [12] = 10, 0, 0, 1 },
		.server_ip = { [12] = 10, 0, 0, 2 },
		.client_port = 39154,
		.server_port = 8080,
		.request.present = 1,
	};
	m->used = sizeof(struct record);
	m->message = &m->head->request;
}

static inline void made_response(struct made *m)
{
	m->message = &m->head->response;
	m->message->present = 1;
}

static inline void made_field(struct made *m, uint16_t id, uint16_t name_bytes, const void *data,
			      uint32_t bytes)
{
	struct record_field *f = (void *)(m->bytes + m->used);
	uint32_t room = (uint32_t)record_field_room(bytes);

	memset(f, 0, room);
	f->id = id;
	f->name_bytes = name_bytes;
	f->bytes = bytes;
	memcpy(f->data, data, bytes);
	m->used += room;
	m->message->fields_bytes += room;
}

static inline void made_text(struct made *m, uint16_t id, const char *text)
{
	made_field(m, id, RECORD_FIELD_PLAIN, text, (uint32_t)strlen(text));
}

static inline void made_number(struct made *m, uint16_t id, uint64_t value)
{
	made_field(m, id, RECORD_FIELD_PLAIN, &value, sizeof(value));
}

static inline void made_pair(struct made *m, uint16_t id, const char *name, const char *value)
{
	char both[4096];

	memcpy(stpcpy(both, name), value, strlen(value));
	made_field(m, id, (uint16_t)strlen(name), both, (uint32_t)(strlen(name) + strlen(value)));
}

static inline void made_end(struct made *m)
{
	m->head->bytes = m->used;
}

static inline void made_stream(struct made *m)
{
	*m->stream = (struct record_stream){
		.bytes = sizeof(struct record_stream),
		.type = RECORD_STREAM,
		.why = WHY_none,
		.proto = 255,
		.ip_version = 4,
		.start_is_syn = 1,
	};
	m->used = sizeof(struct record_stream);
}

#endif
