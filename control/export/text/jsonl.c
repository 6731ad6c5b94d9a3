/* jsonl - one JSON object per record and line, keys in the order users were promised.
 *
 *     envelope   type outcome why proto version ts latency_ns conn index stream client server vlan
 *                outer iface frames run worker seq error flags
 *     request    method target head_bytes body_bytes duration_ns, the protocol's own fields, decoded_bytes, body
 *     response   code   head_bytes body_bytes duration_ns, the protocol's own fields, decoded_bytes, body
 *
 * Text that is not valid UTF-8 shows U+FFFD for each bad byte, and `<key>_b64` follows with
 * the exact bytes; a pair gets its value's base64 as a third element, and its name's as a
 * fourth where that is bad too. Bodies are either text or `body_b64`, never both.
 *
 * A message is walked once to find the first and last field of each id; then the
 * keys are written in the order of the dissector's table. So each key appears once, whatever
 * the record holds, and the length of a line is bounded by the record's.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/export/text/json.h"
#include "control/export/text/text.h"
#include "dataplane/base/ballast.h"
#include "dataplane/base/compiler.h"
#include "dataplane/base/ensure.h"
#include "dissectors/registry.h"

enum {
	KEY_ROOM = 32,       /* a key is copied as two 16-byte moves, whatever its length */
	OWN_FIELDS_MAX = 48, /* of one dissector; checked when the tables are made */
	IDS_MAX = FIELD_OWN + OWN_FIELDS_MAX,
};

/* `"name":`, ready to be copied. */
struct key {
	char text[KEY_ROOM];
	uint8_t bytes;
	uint8_t kind; /* enum field_kind */
};

struct protocol {
	struct key name; /* ,"proto":"http" */
	uint32_t field_count;
	struct key own[OWN_FIELDS_MAX];
};

struct text {
	struct json_clock clock;
	uint32_t protocol_count;
	struct key method, target, code, body, decoded, version;
	struct protocol protocol[];
};

/* Where a message's fields are. Lists and pairs may have others in between. */
struct found {
	const struct record_field *first[IDS_MAX];
	const struct record_field *last[IDS_MAX];
};

static void key_init(struct key *k, const char *name, enum field_kind kind)
{
	size_t bytes = strlen(name);

	ENSURE(bytes + 3 <= sizeof(k->text));
	k->text[0] = '"';
	memcpy(k->text + 1, name, bytes);
	memcpy(k->text + 1 + bytes, "\":", 2);
	k->bytes = (uint8_t)(bytes + 3);
	k->kind = (uint8_t)kind;
}

/* All of it at a length the compiler knows: a copy of `bytes` bytes would cost more than these two
 * moves, and the buffer has room. */
static inline char *put_key(char *at, const struct key *k)
{
	memcpy(at, k->text, KEY_ROOM);
	return at + k->bytes;
}

/* `"name_b64":` */
static char *put_b64_key(char *at, const struct key *k)
{
	at = json_raw(at, k->text, (size_t)k->bytes - 2);
	return json_literal(at, "_b64\":");
}

static void protocol_init(struct protocol *p, const struct dissector *d)
{
	ENSURE(d->field_count <= OWN_FIELDS_MAX);
	ENSURE(strlen(d->proto) + sizeof(",\"proto\":\"\"") <= KEY_ROOM);
	p->name.bytes = (uint8_t)(strlen(d->proto) + sizeof(",\"proto\":\"\"") - 1);
	memcpy(stpcpy(stpcpy(p->name.text, ",\"proto\":\""), d->proto), "\"", 1);
	p->field_count = d->field_count;
	for (uint32_t i = 0; i < d->field_count; i++)
		key_init(&p->own[i], d->fields[i].name, d->fields[i].kind);
}

static int jsonl_open(struct text **ret)
{
	struct text *t = calloc(1, sizeof(*t) + dissector_count * sizeof(t->protocol[0]));

	if (t == NULL)
		return -ENOMEM;
	key_init(&t->method, "method", FIELD_TEXT);
	key_init(&t->target, "target", FIELD_TEXT);
	key_init(&t->code, "code", FIELD_TEXT);
	key_init(&t->body, "body", FIELD_TEXT);
	key_init(&t->decoded, "decoded_bytes", FIELD_NUMBER);
	key_init(&t->version, "version", FIELD_TEXT);
	t->protocol_count = dissector_count;
	for (uint32_t i = 0; i < dissector_count; i++)
		protocol_init(&t->protocol[i], dissectors[i]);
	*ret = t;
	return 0;
}

static void jsonl_close(struct text *t)
{
	free(t);
}

static void find_fields(struct found *found, const struct record *r, enum record_part part,
			uint32_t id_count)
{
	memset(found->first, 0, id_count * sizeof(found->first[0]));
	for (const struct record_field *f = record_first(r, part); f != NULL;
	     f = record_next(r, part, f)) {
		if (f->id >= id_count)
			continue;
		if (found->first[f->id] == NULL)
			found->first[f->id] = f;
		found->last[f->id] = f;
	}
}

static uint32_t ids_of(const struct text *t, const struct record_message *m)
{
	return FIELD_OWN + t->protocol[m->proto].field_count;
}

/* A pair's name and value; of anything else an empty name and all of it. */
static uint32_t name_bytes(const struct record_field *f)
{
	return f->name_bytes <= f->bytes ? f->name_bytes : 0;
}

/* ---- values: each leaves a comma behind, the last of which becomes the bracket ---- */

static inline char *close_with(char *at, char bracket)
{
	at[-1] = bracket;
	return at;
}

static char *put_text(char *at, const struct key *k, const struct record_field *f)
{
	bool bad = false;

	if (f == NULL)
		return at;
	at = json_padded(put_key(at, k), f->data, f->bytes, &bad);
	*at++ = ',';
	if (likely(!bad))
		return at;
	at = json_base64(put_b64_key(at, k), f->data, f->bytes);
	*at++ = ',';
	return at;
}

/* One or the other: whoever wants a body that is no text wants its bytes. */
static char *put_body(char *at, const struct key *k, const struct record_field *f)
{
	char *begin = at;
	bool bad = false;

	if (f == NULL)
		return at;
	at = json_padded(put_key(at, k), f->data, f->bytes, &bad);
	if (bad)
		at = json_base64(put_b64_key(begin, k), f->data, f->bytes);
	*at++ = ',';
	return at;
}

static char *put_field_number(char *at, const struct key *k, const struct record_field *f)
{
	uint64_t value;

	if (f == NULL || f->bytes != sizeof(value))
		return at;
	memcpy(&value, f->data, sizeof(value));
	at = json_number(put_key(at, k), value);
	*at++ = ',';
	return at;
}

/* The next field with the id of `f`, or NULL behind `last`. */
static const struct record_field *next_alike(const struct record *r, enum record_part part,
					     const struct record_field *f,
					     const struct record_field *last)
{
	const uint16_t id = f->id;

	while (f != last) {
		f = record_next(r, part, f);
		if (f == NULL || f->id == id)
			return f;
	}
	return NULL;
}

/* All items again in base64 if one of them is no text, so that the two lists stay parallel. */
static char *put_list(char *at, const struct key *k, const struct record *r, enum record_part part,
		      const struct found *found, uint16_t id)
{
	const struct record_field *first = found->first[id], *last = found->last[id];
	bool bad = false;

	if (first == NULL)
		return at;
	at = put_key(at, k);
	*at++ = '[';
	for (const struct record_field *f = first; f; f = next_alike(r, part, f, last)) {
		at = json_padded(at, f->data, f->bytes, &bad);
		*at++ = ',';
	}
	at = close_with(at, ']');
	*at++ = ',';
	if (likely(!bad))
		return at;
	at = put_b64_key(at, k);
	*at++ = '[';
	for (const struct record_field *f = first; f; f = next_alike(r, part, f, last)) {
		at = json_base64(at, f->data, f->bytes);
		*at++ = ',';
	}
	at = close_with(at, ']');
	*at++ = ',';
	return at;
}

static char *put_pair(char *at, const struct record_field *f)
{
	uint32_t split = name_bytes(f);
	bool bad_name = false, bad_value = false;

	*at++ = '[';
	at = json_padded(at, f->data, split, &bad_name);
	*at++ = ',';
	at = json_padded(at, f->data + split, f->bytes - split, &bad_value);
	if (unlikely(bad_name || bad_value)) {
		*at++ = ',';
		at = json_base64(at, f->data + split, f->bytes - split);
	}
	if (unlikely(bad_name)) {
		*at++ = ',';
		at = json_base64(at, f->data, split);
	}
	*at++ = ']';
	*at++ = ',';
	return at;
}

static char *put_pairs(char *at, const struct key *k, const struct record *r, enum record_part part,
		       const struct found *found, uint16_t id)
{
	if (found->first[id] == NULL)
		return at;
	at = put_key(at, k);
	*at++ = '[';
	for (const struct record_field *f = found->first[id]; f;
	     f = next_alike(r, part, f, found->last[id]))
		at = put_pair(at, f);
	at = close_with(at, ']');
	*at++ = ',';
	return at;
}

static char *put_own(char *at, const struct protocol *p, const struct record *r,
		     enum record_part part, const struct found *found)
{
	for (uint16_t i = 0; i < p->field_count; i++) {
		const struct key *k = &p->own[i];
		uint16_t id = (uint16_t)(FIELD_OWN + i);

		switch (k->kind) {
		case FIELD_TEXT: at = put_text(at, k, found->first[id]); break;
		case FIELD_NUMBER: at = put_field_number(at, k, found->first[id]); break;
		case FIELD_LIST: at = put_list(at, k, r, part, found, id); break;
		case FIELD_PAIRS: at = put_pairs(at, k, r, part, found, id); break;
		}
	}
	return at;
}

static char *put_message(char *at, const struct text *t, const struct record *r,
			 enum record_part part, const struct found *found)
{
	const struct record_message *m = part == RECORD_REQUEST ? &r->request : &r->response;

	at = put_text(at, &t->method, found->first[FIELD_METHOD]);
	at = put_text(at, &t->target, found->first[FIELD_TARGET]);
	at = put_text(at, &t->code, found->first[FIELD_CODE]);
	at = json_number(json_literal(at, "\"head_bytes\":"), m->head_bytes);
	at = json_number(json_literal(at, ",\"body_bytes\":"), m->body_bytes);
	at = json_number(json_literal(at, ",\"duration_ns\":"), m->duration_ns);
	*at++ = ',';
	at = put_own(at, &t->protocol[m->proto], r, part, found);
	at = put_field_number(at, &t->decoded, found->first[FIELD_DECODED]);
	at = put_body(at, &t->body, found->first[FIELD_BODY]);
	return close_with(at, '}');
}

/* ---- the envelope: each value brings its comma along ---- */

static char *put_endpoint(char *at, const uint8_t ip[16], unsigned version, uint16_t port)
{
	at = json_literal(at, "{\"ip\":\"");
	at = json_address(at, ip, version);
	at = json_literal(at, "\",\"port\":");
	at = json_digits(at, port);
	*at++ = '}';
	return at;
}

static char *put_vlan(char *at, const uint16_t vlan[RECORD_VLANS])
{
	const uint16_t present = 0x8000;

	if (likely(((vlan[0] | vlan[1]) & present) == 0))
		return at;
	at = json_literal(at, ",\"vlan\":[");
	for (unsigned i = 0; i < RECORD_VLANS; i++) {
		if ((vlan[i] & present) == 0)
			continue;
		at = json_digits(at, vlan[i] & 0xfff);
		*at++ = ',';
	}
	return close_with(at, ']');
}

static char *put_tunnel(char *at, const struct record_tunnel *t)
{
	const char *name = tunnel_name(t->type);

	at = json_literal(at, "{\"type\":\"");
	at = json_raw(at, name, strlen(name));
	*at++ = '"';
	if (t->has_id)
		at = json_number(json_literal(at, ",\"id\":"), t->id);
	if (t->ip_version != 0) {
		at = json_address(json_literal(at, ",\"src\":\""), t->src, t->ip_version);
		at = json_address(json_literal(at, "\",\"dst\":\""), t->dst, t->ip_version);
		*at++ = '"';
	}
	at = put_vlan(at, t->vlan);
	*at++ = '}';
	*at++ = ',';
	return at;
}

static char *put_outer(char *at, const struct record *r)
{
	if (likely(r->tunnels == 0))
		return at;
	at = json_literal(at, ",\"outer\":[");
	for (uint32_t i = 0; i < r->tunnels; i++)
		at = put_tunnel(at, &record_tunnels(r)[i]);
	return close_with(at, ']');
}

static char *put_iface(char *at, const struct record *r, const struct text_origin *origin)
{
	const char *name;
	bool bad = false;

	if (r->iface == 0 || origin->region == NULL)
		return at;
	name = region_interface(origin->region, (uint32_t)r->iface - 1);
	if (name == NULL)
		return at;
	at = json_literal(at, ",\"iface\":");
	return json_quoted(at, name, strnlen(name, REGION_INTERFACE_BYTES), &bad);
}

static char *put_frames(char *at, const struct record *r)
{
	if ((r->frames[0] | r->frames[1] | r->frames[2] | r->frames[3]) == 0)
		return at;
	at = json_literal(at, ",\"frames\":[");
	for (unsigned i = 0; i < array_count(r->frames); i++) {
		at = json_number(at, r->frames[i]);
		*at++ = ',';
	}
	return close_with(at, ']');
}

static char *put_flags(char *at, uint32_t flags)
{
	if (likely(flags == 0))
		return at;
	at = json_literal(at, ",\"flags\":[");
	for (unsigned bit = 0; bit < FLAG_COUNT; bit++) {
		if ((flags >> bit & 1) == 0)
			continue;
		*at++ = '"';
		at = json_raw(at, flag_name(bit), strlen(flag_name(bit)));
		*at++ = '"';
		*at++ = ',';
	}
	return close_with(at, ']');
}

static char *put_outcome(char *at, const struct record *r)
{
	if (likely(r->outcome == OUTCOME_paired))
		return json_literal(at, "{\"type\":\"pair\",\"outcome\":\"paired\"");
	at = json_literal(at, "{\"type\":\"pair\",\"outcome\":\"");
	at = json_raw(at, outcome_name(r->outcome), strlen(outcome_name(r->outcome)));
	if (r->why != WHY_none) {
		at = json_literal(at, "\",\"why\":\"");
		at = json_raw(at, why_name(r->why), strlen(why_name(r->why)));
	}
	*at++ = '"';
	return at;
}

static char *put_envelope(char *at, struct text *t, const struct record *r,
			  const struct text_origin *origin, const struct record_field *version)
{
	at = put_outcome(at, r);
	at = put_key(at, &t->protocol[r->proto].name);
	if (version != NULL) {
		*at++ = ',';
		at = put_text(at, &t->version, version) - 1;
	}
	at = json_time(&t->clock, json_literal(at, ",\"ts\":"), r->ts_ns);
	if (r->outcome == OUTCOME_paired)
		at = json_number(json_literal(at, ",\"latency_ns\":"), r->latency_ns);
	at = json_hex(json_literal(at, ",\"conn\":"), r->conn);
	if (r->request.present) /* it counts requests: an orphan has none to count */
		at = json_number(json_literal(at, ",\"index\":"), r->index);
	if (r->stream != 0)
		at = json_number(json_literal(at, ",\"stream\":"), r->stream - 1);
	at = json_literal(at, ",\"client\":");
	at = put_endpoint(at, r->client_ip, r->ip_version, r->client_port);
	at = json_literal(at, ",\"server\":");
	at = put_endpoint(at, r->server_ip, r->ip_version, r->server_port);
	at = put_vlan(at, r->vlan);
	at = put_outer(at, r);
	at = put_iface(at, r, origin);
	at = put_frames(at, r);
	memcpy(at, origin->envelope, sizeof(origin->envelope));
	at = json_number(at + origin->envelope_bytes, r->seq);
	if (unlikely(r->error))
		at = json_literal(at, ",\"error\":true");
	return put_flags(at, r->flags);
}

static char *jsonl_record(struct text *t, char *at, const void *record,
			  const struct text_origin *origin)
{
	const struct record *r = record;
	struct found request, response;
	const struct record_field *version;

	BALLAST(format, 1);
	ENSURE(r->proto < t->protocol_count && r->request.proto < t->protocol_count &&
	       r->response.proto < t->protocol_count);
	find_fields(&request, r, RECORD_REQUEST, ids_of(t, &r->request));
	find_fields(&response, r, RECORD_RESPONSE, ids_of(t, &r->response));
	version = request.first[FIELD_VERSION];
	if (version == NULL)
		version = response.first[FIELD_VERSION];

	at = put_envelope(at, t, r, origin, version);
	if (r->request.present) {
		at = json_literal(at, ",\"request\":{");
		at = put_message(at, t, r, RECORD_REQUEST, &request);
	}
	if (r->response.present) {
		at = json_literal(at, ",\"response\":{");
		at = put_message(at, t, r, RECORD_RESPONSE, &response);
	}
	return json_literal(at, "}\n");
}

const struct text_format text_jsonl = {
	.name = "jsonl",
	.type = RECORD_PAIR,
	.framed = true,
	.open = jsonl_open,
	.record = jsonl_record,
	.close = jsonl_close,
};
