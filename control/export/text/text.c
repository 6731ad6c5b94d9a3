#include "control/export/text/text.h"

#include <string.h>

#include "control/export/text/json.h"
#include "dataplane/base/compiler.h"
#include "dataplane/base/ensure.h"

#define TEXT_ROW(name, help) &text_##name,
static const struct text_format *const formats[] = { TEXT_LIST(TEXT_ROW) };

const struct text_format *text_find(const char *name)
{
	for (size_t i = 0; i < array_count(formats); i++)
		if (strcmp(formats[i]->name, name) == 0)
			return formats[i];
	return NULL;
}

void text_origin_init(struct text_origin *o, const char *run, uint32_t worker,
		      const struct region_reader *region)
{
	char text[sizeof(o->envelope) + JSON_STRING_ROOM(16) + JSON_NUMBER_ROOM];
	char *at = text;
	bool bad = false;

	at = json_literal(at, ",\"run\":");
	at = json_quoted(at, run, strnlen(run, 16), &bad);
	at = json_literal(at, ",\"worker\":");
	at = json_number(at, worker);
	at = json_literal(at, ",\"seq\":");
	ENSURE((size_t)(at - text) <= sizeof(o->envelope));
	*o = (struct text_origin){ .region = region, .envelope_bytes = (uint32_t)(at - text) };
	memcpy(o->envelope, text, o->envelope_bytes);
}
