/* jsonl - the text of a record, as control writes it. */
#include <stdlib.h>
#include <string.h>

#include "control/bench/micro/micro.h"
#include "control/bench/micro/stand.h"
#include "control/export/text/text.h"

enum { AT_ONCE = 16, RECORD_ROOM = 8192 };

struct writing {
	struct text *text;
	struct text_origin origin;
	char *line;
	uint64_t lines, line_bytes;
	bool differs;
	uint32_t record_bytes;
	_Alignas(8) uint8_t record[RECORD_ROOM + TEXT_SLACK_BYTES];
};

/* A record as the dataplane makes it, of traffic that it is shown. */
static void make_record(struct writing *w, const char *request, const char *response)
{
	struct stand *s = stand_open(
		&(struct stand_plan){ .rx = "synth:packets=1000", .until = STAGE_normal });
	struct connection c;
	const void *record;
	uint64_t bytes;

	connection_open(s, &c, 0, false);
	connection_send(s, &c, SIDE_A, request, (uint32_t)strlen(request));
	connection_send(s, &c, SIDE_B, response, (uint32_t)strlen(response));
	emit_publish(&s->worker->emit);
	record = ring_peek(&s->control.ring, &bytes);
	micro_need(record != NULL && bytes <= RECORD_ROOM && record_check(record, bytes),
		   "the dataplane made no record");
	memcpy(w->record, record, bytes);
	w->record_bytes = (uint32_t)bytes;
	ring_next(&s->control.ring, bytes);
	stand_close(s);
}

static void *begin(uint64_t headers)
{
	struct writing *w = calloc(1, sizeof(*w));

	micro_need(w != NULL, "there is no memory");
	w->line = malloc(TEXT_LINE_MAX);
	micro_need(w->line != NULL && text_jsonl.open(&w->text) == 0, "there is no memory");
	text_origin_init(&w->origin, "micro", 0, NULL);
	if (headers != 0)
		make_record(w,
			    "GET /index.html HTTP/1.1\r\nHost: www.example.org\r\n"
			    "User-Agent: bench/1.0\r\nAccept: */*\r\nAccept-Encoding: gzip\r\n\r\n",
			    "HTTP/1.1 200 OK\r\nServer: bench\r\nContent-Type: text/html\r\n"
			    "Content-Length: 2\r\nConnection: keep-alive\r\n\r\nok");
	else
		make_record(w, "GET /index.html HTTP/1.0\r\n\r\n",
			    "HTTP/1.1 204 No Content\r\n\r\n");
	w->line_bytes = (uint64_t)(text_jsonl.record(w->text, w->line, w->record, &w->origin) -
				   w->line);
	return w;
}

static uint64_t run(void *of)
{
	struct writing *w = of;

	for (int i = 0; i < AT_ONCE; i++) {
		const char *end = text_jsonl.record(w->text, w->line, w->record, &w->origin);

		w->differs |= (uint64_t)(end - w->line) != w->line_bytes || end[-1] != '\n';
		micro_use((uint64_t)(uint8_t)w->line[i] ^ w->line_bytes);
		w->lines++;
	}
	return AT_ONCE;
}

static uint64_t done(const void *of)
{
	const struct writing *w = of;

	return w->differs || w->line_bytes < 100 ? 0 : w->lines;
}

static void end(void *of)
{
	struct writing *w = of;

	text_jsonl.close(w->text);
	free(w->line);
	free(w);
}

/* clang-format off */
const struct micro_benchmark micro_jsonl[] = {
	{ "jsonl/plain", "record", "a pair without header lines as JSON", "http1", true, begin, 0,
	  run, done, end },
	{ "jsonl/headers", "record", "a pair with four header lines on each side", "http1", true,
	  begin, 1, run, done, end },
	{ .name = NULL },
};
/* clang-format on */
