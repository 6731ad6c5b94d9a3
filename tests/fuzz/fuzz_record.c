/* fuzz_record - any bytes as a record: what record_check() accepts can be walked to its end. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/shm/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* Keeps the compiler from leaving the walk out. */
static volatile uint64_t sink;

static uint64_t walk(const struct record *r, enum record_part part)
{
	uint64_t sum = 0;

	for (const struct record_field *f = record_first(r, part); f != NULL;
	     f = record_next(r, part, f)) {
		uint32_t name = f->name_bytes == RECORD_FIELD_PLAIN ? 0 : f->name_bytes;

		for (uint32_t i = 0; i < f->bytes; i++)
			sum += (uint64_t)f->data[i] << (i < name);
	}
	return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	/* Of its own size exactly, so that the first byte read too many is found. */
	uint8_t *copy = malloc(bytes + (bytes == 0));

	if (copy == NULL)
		return 0;
	memcpy(copy, data, bytes);
	/* The ring has already compared this word; most inputs would end there. */
	if (bytes >= sizeof(uint32_t))
		memcpy(copy, &(uint32_t){ (uint32_t)bytes }, sizeof(uint32_t));
	if (record_check(copy, bytes)) {
		const struct record *r = (const void *)copy;

		if (r->type == RECORD_PAIR)
			sink = walk(r, RECORD_REQUEST) + walk(r, RECORD_RESPONSE);
		else
			sink = ((const struct record_stream *)r)->gap_count;
	}
	free(copy);
	return 0;
}
