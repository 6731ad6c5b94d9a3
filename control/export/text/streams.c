/* streams - one line per direction of a TCP connection, sorted, for comparing
 * what was put together with what another program put together.
 *
 *     src dst epoch start delivered gap_bytes gaps conflict_bytes retx_bytes flags sha256
 *
 * Tabs between the columns. `start` is syn or mid; `gaps` lists the first eight
 * holes as offset+length; `sha256` is the first 32 digits of the hash of the delivered
 * bytes; `-` stands where there is nothing.
 *
 * A sorted list can only be printed at its end, so the lines wait in memory.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/export/text/json.h"
#include "control/export/text/text.h"
#include "dataplane/base/compiler.h"

/* Two addresses with ports, eight gaps, every flag and nine numbers stay below this. */
enum { LINE_ROOM = 1024 };

struct text {
	char **line; /* each ends in '\n' and 0 */
	size_t count, room;
	size_t printed;
	bool sorted;
};

static int streams_open(struct text **ret)
{
	struct text *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return -ENOMEM;
	*ret = t;
	return 0;
}

static void streams_close(struct text *t)
{
	for (size_t i = 0; i < t->count; i++)
		free(t->line[i]);
	free(t->line);
	free(t);
}

static char *put_endpoint(char *at, const uint8_t ip[16], unsigned version, uint16_t port)
{
	if (version != 4)
		*at++ = '[';
	at = json_address(at, ip, version);
	if (version != 4)
		*at++ = ']';
	*at++ = ':';
	at = json_digits(at, port);
	*at++ = '\t';
	return at;
}

static char *put_gaps(char *at, const struct record_stream *s)
{
	uint32_t count = s->gap_count < array_count(s->gap) ? s->gap_count
							    : (uint32_t)array_count(s->gap);

	for (uint32_t i = 0; i < count; i++) {
		if (i > 0)
			*at++ = ',';
		at = json_digits(at, s->gap[i].offset);
		*at++ = '+';
		at = json_digits(at, s->gap[i].bytes);
	}
	if (count == 0)
		*at++ = '-';
	*at++ = '\t';
	return at;
}

static char *put_flags(char *at, uint32_t seen)
{
	const char *begin = at;

	for (unsigned bit = 0; bit < STREAM_BIT_COUNT; bit++) {
		const char *name = record_stream_flag_name(bit);

		if ((seen >> bit & 1) == 0)
			continue;
		if (at > begin)
			*at++ = ',';
		at = json_raw(at, name, strlen(name));
	}
	if (at == begin)
		*at++ = '-';
	*at++ = '\t';
	return at;
}

static char *put_hash(char *at, const struct record_stream *s)
{
	if (s->delivered == 0) {
		*at++ = '-';
		return at;
	}
	for (unsigned i = 0; i < 16; i++) {
		*at++ = "0123456789abcdef"[s->sha256[i] >> 4];
		*at++ = "0123456789abcdef"[s->sha256[i] & 15];
	}
	return at;
}

static char *put_column(char *at, uint64_t value)
{
	at = json_digits(at, value);
	*at++ = '\t';
	return at;
}

static char *put_line(char *at, const struct record_stream *s)
{
	at = put_endpoint(at, s->src_ip, s->ip_version, s->src_port);
	at = put_endpoint(at, s->dst_ip, s->ip_version, s->dst_port);
	at = put_column(at, s->epoch);
	at = s->start_is_syn ? json_literal(at, "syn\t") : json_literal(at, "mid\t");
	at = put_column(at, s->delivered);
	at = put_column(at, s->gap_bytes);
	at = put_gaps(at, s);
	at = put_column(at, s->conflict_bytes);
	at = put_column(at, s->duplicate_bytes);
	at = put_flags(at, s->seen);
	at = put_hash(at, s);
	*at++ = '\n';
	return at;
}

static bool lines_reserve(struct text *t)
{
	size_t room = t->room != 0 ? 2 * t->room : 1024;
	char **line;

	if (t->count < t->room)
		return true;
	line = realloc(t->line, room * sizeof(*line));
	if (line == NULL)
		return false;
	t->line = line;
	t->room = room;
	return true;
}

static char *streams_record(struct text *t, char *at, const void *record,
			    const struct text_origin *origin)
{
	char text[LINE_ROOM];
	char *copy;

	(void)origin;
	*put_line(text, record) = 0;
	if (!lines_reserve(t) || (copy = strdup(text)) == NULL)
		return NULL;
	t->line[t->count++] = copy;
	return at;
}

static int compare_lines(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static char *streams_finish(struct text *t, char *at)
{
	const char *end = at + TEXT_LINE_MAX - LINE_ROOM;

	if (!t->sorted && t->count > 0)
		qsort(t->line, t->count, sizeof(*t->line), compare_lines);
	t->sorted = true;
	while (t->printed < t->count && at < end) {
		at = json_raw(at, t->line[t->printed], strlen(t->line[t->printed]));
		t->printed++;
	}
	return at;
}

const struct text_format text_streams = {
	.name = "streams",
	.type = RECORD_STREAM,
	.collects = true,
	.open = streams_open,
	.record = streams_record,
	.finish = streams_finish,
	.close = streams_close,
};
