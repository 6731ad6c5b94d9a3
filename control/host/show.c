/* show - findings and deeds as lines for people, or as one JSON object. */
#include "control/host/show.h"

#include <stdlib.h>
#include <string.h>

#include "control/export/text/json.h"
#include "dataplane/base/ensure.h"

enum {
	TEXT_COLUMNS = 100,  /* beyond that a remedy follows its text wherever that ends */
	STRING_BYTES = 1024, /* no text here is longer */
};

/* ---- lines ---- */

static const char *const colours[LEVELS] = { [LEVEL_OK] = "\033[32m",
					     [LEVEL_INFO] = "\033[36m",
					     [LEVEL_WARN] = "\033[33m",
					     [LEVEL_FAIL] = "\033[1;31m" };

/* text_columns - where remedies begin: behind the longest text that has one. */
static int text_columns(const struct report *r)
{
	size_t widest = 0;

	for (uint32_t i = 0; i < r->count; i++) {
		size_t n = strlen(r->finding[i].text);

		if (r->finding[i].fix[0] != 0 && n > widest && n <= TEXT_COLUMNS)
			widest = n;
	}
	return (int)widest;
}

static void show_finding(const struct finding *f, int columns, bool colour, FILE *to)
{
	fprintf(to, "%s%-4s%s  %-13s  ", colour ? colours[f->level] : "", level_names[f->level],
		colour ? "\033[0m" : "", f->check->name);
	if (f->fix[0] != 0)
		fprintf(to, "%-*s  fix: %s\n", columns, f->text, f->fix);
	else
		fprintf(to, "%s\n", f->text);
}

static bool is_shown(const struct finding *f, bool quiet)
{
	return !quiet || f->level >= LEVEL_WARN;
}

void show_lines(const struct report *r, const struct deeds *d, bool colour, bool quiet, FILE *to)
{
	int columns = r != NULL ? text_columns(r) : 0;

	for (uint32_t i = 0; d != NULL && i < d->count; i++)
		fprintf(to, "%s%-5s%s %s\n", colour && d->deed[i].failed ? colours[LEVEL_WARN] : "",
			d->deed[i].word, colour && d->deed[i].failed ? "\033[0m" : "",
			d->deed[i].text);
	for (uint32_t i = 0; r != NULL && i < r->count; i++)
		if (is_shown(&r->finding[i], quiet))
			show_finding(&r->finding[i], columns, colour, to);
}

/* ---- JSON ---- */

static void put_string(const char *text, FILE *to)
{
	static char room[JSON_STRING_ROOM(STRING_BYTES)];
	size_t bytes = strlen(text) < STRING_BYTES ? strlen(text) : STRING_BYTES;
	bool bad = false;
	const char *end = json_quoted(room, text, bytes, &bad);

	fwrite(room, 1, (size_t)(end - room), to);
}

static void put_member(const char *separator, const char *key, const char *text, FILE *to)
{
	fprintf(to, "%s\"%s\":", separator, key);
	put_string(text, to);
}

static void put_finding(const struct finding *f, FILE *to)
{
	put_member("{", "level", level_names[f->level], to);
	put_member(",", "check", f->check->name, to);
	if (f->link != NULL)
		put_member(",", "interface", f->link->nic.name, to);
	put_member(",", "text", f->text, to);
	if (f->fix[0] != 0)
		put_member(",", "fix", f->fix, to);
	fprintf(to, ",\"fixable\":%s}", f->wants > 0 && f->level >= LEVEL_WARN ? "true" : "false");
}

static void put_deed(const struct deed *d, FILE *to)
{
	put_member("{", "what", d->word, to);
	put_member(",", "text", d->text, to);
	fprintf(to, ",\"failed\":%s}", d->failed ? "true" : "false");
}

void show_json(int status, const struct report *r, const struct deeds *d, bool quiet, FILE *to)
{
	const char *separator = "";

	fprintf(to, "{\"type\":\"check\",\"status\":%d,\"findings\":[", status);
	for (uint32_t i = 0; r != NULL && i < r->count; i++) {
		if (!is_shown(&r->finding[i], quiet))
			continue;
		fputs(separator, to);
		put_finding(&r->finding[i], to);
		separator = ",";
	}
	fputs("],\"changes\":[", to);
	for (uint32_t i = 0; d != NULL && i < d->count; i++) {
		if (i > 0)
			fputc(',', to);
		put_deed(&d->deed[i], to);
	}
	fputs("]}\n", to);
}
