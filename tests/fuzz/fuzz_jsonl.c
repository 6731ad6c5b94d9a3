/* fuzz_jsonl - any record that passes record_check() becomes text: one line, of no more than the
 * promised length, without a byte that JSON forbids.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "control/export/text/text.h"
#include "dataplane/base/ensure.h"
#include "dataplane/shm/record.h"
#include "dissectors/registry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void check_line(const char *line, const char *end, size_t record_bytes)
{
	size_t bytes = (size_t)(end - line);

	ENSURE(bytes <= 16 * record_bytes + (64 << 10));
	ENSURE(bytes > 0 && memchr(line, '\n', bytes) == end - 1);
	for (const char *at = line; at < end - 1; at++)
		ENSURE((unsigned char)*at >= 0x20);
}

static void tell(const uint8_t *copy, size_t bytes)
{
	static char *line;
	static struct text *jsonl;
	struct text_origin origin;

	if (line == NULL) {
		line = malloc(TEXT_LINE_MAX);
		ENSURE(line != NULL && text_jsonl.open(&jsonl) == 0);
	}
	text_origin_init(&origin, "k3q9", 0, NULL);
	check_line(line, text_jsonl.record(jsonl, line, copy, &origin), bytes);
}

static void collect(const uint8_t *copy)
{
	struct text_origin origin;
	struct text *streams;
	char *line = malloc(TEXT_LINE_MAX), *end;

	ENSURE(line != NULL && text_streams.open(&streams) == 0);
	text_origin_init(&origin, "k3q9", 0, NULL);
	ENSURE(text_streams.record(streams, line, copy, &origin) == line);
	end = text_streams.finish(streams, line);
	ENSURE(end > line && memchr(line, '\n', (size_t)(end - line)) == end - 1);
	text_streams.close(streams);
	free(line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	uint8_t *copy = calloc(1, bytes + TEXT_SLACK_BYTES);
	const struct record *r = (const void *)copy;

	if (copy == NULL)
		return 0;
	memcpy(copy, data, bytes);
	/* The ring has already compared this word; most inputs would end there. */
	if (bytes >= sizeof(uint32_t))
		memcpy(copy, &(uint32_t){ (uint32_t)bytes }, sizeof(uint32_t));
	if (record_check(copy, bytes)) {
		if (r->type == RECORD_STREAM)
			collect(copy);
		else if (r->proto < dissector_count)
			tell(copy, bytes);
	}
	free(copy);
	return 0;
}
