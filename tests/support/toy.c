#include "tests/support/toy.h"

#include <stdlib.h>
#include <string.h>

struct toy_side {
	struct message *body_of;
	bool searching;
};

static enum guess probe(struct slice first, uint16_t port_hint)
{
	(void)port_hint;
	return memchr("?=~!%@", first.at[0], 6) != NULL ? GUESS_YES : GUESS_NO;
}

/* What begins with this line; returns false for a line that is no message. */
static bool line_kind(struct slice *line, struct message_open *open, uint64_t *body)
{
	static const char marks[] = "?=~!";
	const char *mark = memchr(marks, line->at[0], 4);

	if (line->at[0] != '%' && mark == NULL)
		return false;
	open->kind = mark == NULL ? MESSAGE_REQUEST : (enum message_kind)(mark - marks);
	if (mark != NULL)
		*line = slice_after(*line, 1);
	if (line->bytes > 1 && line->at[0] == '%')
		*body = strtoul((const char *)line->at + 1, NULL, 10);
	if (line->bytes > 1 && line->at[0] == '#')
		open->key = strtoul((const char *)line->at + 1, NULL, 10);
	return true;
}

static size_t feed(struct conn *c, enum side side, struct slice in)
{
	struct toy_side *s = (struct toy_side *)conn_state(c) + side;
	const uint8_t *end = in.bytes > 0 ? memchr(in.at, '\n', in.bytes) : NULL;
	struct message_open open = { 0 };
	struct slice line;
	struct message *m;
	uint64_t body = 0, note;

	if (s->body_of != NULL) {
		message_end(s->body_of, NULL);
		s->body_of = NULL;
		return 0;
	}
	if (end == NULL)
		return conn_full(c, side) ? in.bytes : 0;
	line = slice_of(in.at, (size_t)(end - in.at));
	if (line.bytes > 0 && line.at[0] == '@') {
		conn_become(c, NULL);
		return line.bytes + 1;
	}
	if (line.bytes == 0 || !line_kind(&line, &open, &body))
		return (size_t)(end - in.at) + 1;
	if (open.kind == MESSAGE_RESPONSE && !conn_waited(c, side) &&
	    conn_request_note(c, side, in.at, open.key, &note) == REQUEST_NONE) {
		conn_wait_peer(c, side);
		return 0;
	}
	m = message_begin(c, side, in.at, open);
	message_text(m, open.kind == MESSAGE_REQUEST ? FIELD_TARGET : FIELD_CODE, line);
	message_head(m, end + 1);
	if (body > 0) {
		s->body_of = m;
		conn_skip(c, side, body, m);
	} else {
		message_end(m, end + 1);
	}
	return (size_t)(end - in.at) + 1;
}

static enum resync gap(struct conn *c, enum side side, uint64_t bytes)
{
	struct toy_side *s = (struct toy_side *)conn_state(c) + side;

	(void)bytes;
	message_flag(s->body_of, FLAG_gap_in_body);
	message_end(s->body_of, NULL);
	s->body_of = NULL;
	return RESYNC_SEARCH;
}

static const struct field fields[] = { { "interim", FIELD_LIST, "interim codes" } };

const struct dissector dissector_toy = {
	.name = "toy",
	.proto = "toy",
	.title = "Lines for tests",
	.fields = fields,
	.field_count = 1,
	.interim_field = FIELD_OWN,
	.conn_bytes = 2 * sizeof(struct toy_side),
	.probe = probe,
	.feed = feed,
	.gap = gap,
};

const struct dissector *const dissectors[] = { &dissector_toy };
const uint32_t dissector_count = 1;

uint32_t dissector_find(const char *name)
{
	return strcmp(name, "toy") == 0 ? 0 : DISSECTOR_NONE;
}
