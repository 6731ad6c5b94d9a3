/* options - the argument of a back end: `ARG,option=value,…`. */
#include "dataplane/rx/options.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "dataplane/base/ensure.h"

enum {
	ARGUMENT_BYTES = 512,
	VALUE_BYTES = 256, /* of what options_print() shows between `=` and the meaning */
};

/* refuse - `backend: …` */
__attribute__((format(printf, 3, 4))) static int refuse(struct rx_error *err, const char *backend,
							const char *format, ...)
{
	int begun = snprintf(err->text, sizeof(err->text), "%s: ", backend);
	va_list ap;

	va_start(ap, format);
	vsnprintf(err->text + begun, sizeof(err->text) - (size_t)begun, format, ap);
	va_end(ap);
	return -EINVAL;
}

__attribute__((format(printf, 3, 4))) static void append(char *text, size_t room,
							 const char *format, ...)
{
	size_t length = strlen(text);
	va_list ap;

	va_start(ap, format);
	vsnprintf(text + length, room - length, format, ap);
	va_end(ap);
}

/* ---- numbers ---- */

struct factor {
	const char *suffix; /* NULL ends the list */
	uint64_t times;
};

/* How numbers of a kind are written; the largest factor first. */
static const struct unit {
	struct factor factor[5];
	const char *noun, *such_as;
} units[] = {
	[RX_OPTION_COUNT] = { { { "", 1 } }, "number", "" },
	[RX_OPTION_BYTES] = { { { "g", UINT64_C(1) << 30 },
				{ "m", UINT64_C(1) << 20 },
				{ "k", UINT64_C(1) << 10 },
				{ "", 1 } },
			      "size",
			      ", in bytes or with k, m or g" },
	[RX_OPTION_TIME_NS] = { { { "s", 1000000000 },
				  { "ms", 1000000 },
				  { "us", 1000 },
				  { "ns", 1 } },
				"time",
				", such as 20ms" },
};

/* number_read - Returns whether `text` is a number of this unit that 64 bits can hold. */
static bool number_read(const struct unit *u, const char *text, uint64_t *ret)
{
	uint64_t value;
	char *end;

	if (*text < '0' || *text > '9') /* strtoull() takes signs and spaces */
		return false;
	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno != 0)
		return false;
	for (const struct factor *f = u->factor; f->suffix != NULL; f++)
		if (strcasecmp(f->suffix, end) == 0)
			return !__builtin_mul_overflow(value, f->times, ret);
	return false;
}

/* number_append - as short as number_read() takes it. */
static void number_append(const struct unit *u, uint64_t value, char *text, size_t room)
{
	const struct factor *f = u->factor;

	while (f[1].suffix != NULL && (value == 0 || value % f->times != 0))
		f++;
	append(text, room, "%" PRIu64 "%s", value / f->times, f->suffix);
}

static int set_number(const char *backend, const struct rx_option *o, const char *text,
		      uint64_t *ret, struct rx_error *err)
{
	const struct unit *u = &units[o->kind];
	uint64_t value;

	if (number_read(u, text, &value) && value >= o->min && value <= o->max) {
		*ret = value;
		return 0;
	}
	refuse(err, backend, "%s=%.80s: a %s from ", o->name, text, u->noun);
	number_append(u, o->min, err->text, sizeof(err->text));
	append(err->text, sizeof(err->text), " to ");
	number_append(u, o->max, err->text, sizeof(err->text));
	append(err->text, sizeof(err->text), " is needed%s", u->such_as);
	return -EINVAL;
}

/* ---- other values ---- */

static int set_portion(const char *backend, const struct rx_option *o, const char *text,
		       double *ret, struct rx_error *err)
{
	char *end;
	double value = strtod(text, &end);

	/* Written so that "nan" is refused too. */
	if (end == text || *end != 0 || !(value >= 0 && value <= 1))
		return refuse(err, backend, "%s=%.80s: a portion from 0 to 1 is needed", o->name,
			      text);
	*ret = value;
	return 0;
}

static int set_word(const char *backend, const struct rx_option *o, const char *text, uint64_t *ret,
		    struct rx_error *err)
{
	for (uint64_t i = 0; o->words[i] != NULL; i++)
		if (strcmp(o->words[i], text) == 0) {
			*ret = i;
			return 0;
		}
	refuse(err, backend, "%s=%.80s: one of these is needed:", o->name, text);
	for (const char *const *word = o->words; *word != NULL; word++)
		append(err->text, sizeof(err->text), " %s", *word);
	return -EINVAL;
}

static int set_text(const char *backend, const struct rx_option *o, const char *text, char *ret,
		    struct rx_error *err)
{
	if (strlen(text) >= o->max)
		return refuse(err, backend, "%s=%.80s: at most %" PRIu64 " letters are expected",
			      o->name, text, o->max - 1);
	memcpy(ret, text, strlen(text) + 1);
	return 0;
}

/* ---- the argument ---- */

static void *member(const struct rx_option *o, void *of)
{
	return (char *)of + o->offset;
}

static void set_defaults(const struct rx_option *options, void *ret)
{
	for (const struct rx_option *o = options; o->name != NULL; o++)
		if (o->kind == RX_OPTION_PORTION)
			*(double *)member(o, ret) = (double)o->def;
		else if (o->kind == RX_OPTION_TEXT)
			*(char *)member(o, ret) = 0;
		else
			*(uint64_t *)member(o, ret) = o->def;
}

static int set_option(const char *backend, const struct rx_option *o, const char *text, void *ret,
		      struct rx_error *err)
{
	switch (o->kind) {
	case RX_OPTION_PORTION: return set_portion(backend, o, text, member(o, ret), err);
	case RX_OPTION_WORD: return set_word(backend, o, text, member(o, ret), err);
	case RX_OPTION_TEXT: return set_text(backend, o, text, member(o, ret), err);
	case RX_OPTION_COUNT:
	case RX_OPTION_BYTES:
	case RX_OPTION_TIME_NS: return set_number(backend, o, text, member(o, ret), err);
	}
	ENSURE(!"the kind of an option is known");
	return -EINVAL;
}

static int refuse_name(const char *backend, const struct rx_option *options, const char *name,
		       struct rx_error *err)
{
	const char *before = "; there are ";

	refuse(err, backend, "there is no option %.80s", name);
	for (const struct rx_option *o = options; o->name != NULL; o++, before = ", ")
		append(err->text, sizeof(err->text), "%s%s", before, o->name);
	return -EINVAL;
}

/* read_word - one `option=value`, which is cut apart. */
static int read_word(const char *backend, const struct rx_option *options, char *word, void *ret,
		     struct rx_error *err)
{
	char *value = strchr(word, '=');

	if (value == NULL)
		return refuse(err, backend, "%.80s: an option is written NAME=VALUE", word);
	*value++ = 0;
	for (const struct rx_option *o = options; o->name != NULL; o++)
		if (strcmp(o->name, word) == 0)
			return set_option(backend, o, value, ret, err);
	return refuse_name(backend, options, word, err);
}

/* take_bare - moves *rest behind the bare argument, if there is one. */
static int take_bare(const char *backend, char **rest, char *bare, size_t bare_bytes,
		     struct rx_error *err)
{
	size_t length = strcspn(*rest, ",");

	bare[0] = 0;
	if (memchr(*rest, '=', length) != NULL)
		return 0;
	if (length >= bare_bytes)
		return refuse(err, backend, "%.80s: at most %zu letters are expected", *rest,
			      bare_bytes - 1);
	memcpy(bare, *rest, length);
	bare[length] = 0;
	*rest = (*rest)[length] == ',' ? *rest + length + 1 : NULL;
	return 0;
}

int options_read(const char *backend, const struct rx_option *options, const char *argument,
		 char *bare, size_t bare_bytes, void *ret, struct rx_error *err)
{
	char text[ARGUMENT_BYTES], *rest = text, *word;
	int code = 0;

	set_defaults(options, ret);
	if (bare != NULL)
		bare[0] = 0;
	if (argument == NULL || argument[0] == 0)
		return 0;
	if (snprintf(text, sizeof(text), "%s", argument) >= (int)sizeof(text))
		return refuse(err, backend, "the argument is longer than %zu bytes",
			      sizeof(text) - 1);
	if (bare != NULL)
		code = take_bare(backend, &rest, bare, bare_bytes, err);
	while (code == 0 && (word = strsep(&rest, ",")) != NULL)
		code = read_word(backend, options, word, ret, err);
	return code;
}

/* ---- the list, for people ---- */

/* put_values - `name=` and what may follow. */
static void put_values(const struct rx_option *o, char *text, size_t room)
{
	const char *before = "";

	snprintf(text, room, "%s=", o->name);
	switch (o->kind) {
	case RX_OPTION_PORTION: append(text, room, "0..1"); return;
	case RX_OPTION_TEXT: append(text, room, "TEXT"); return;
	case RX_OPTION_WORD:
		for (const char *const *word = o->words; *word != NULL; word++, before = "|")
			append(text, room, "%s%s", before, *word);
		return;
	case RX_OPTION_COUNT:
	case RX_OPTION_BYTES:
	case RX_OPTION_TIME_NS:
		number_append(&units[o->kind], o->min, text, room);
		append(text, room, "..");
		if (o->max != UINT64_MAX)
			number_append(&units[o->kind], o->max, text, room);
	}
}

/* put_default - "" for one that stands for "not given", outside of what may be given. */
static void put_default(const struct rx_option *o, char *text, size_t room)
{
	text[0] = 0;
	if (o->kind == RX_OPTION_WORD)
		append(text, room, " (default %s)", o->words[o->def]);
	else if (o->kind == RX_OPTION_PORTION)
		append(text, room, " (default %" PRIu64 ")", o->def);
	else if (o->kind != RX_OPTION_TEXT && o->def >= o->min && o->def <= o->max) {
		append(text, room, " (default ");
		number_append(&units[o->kind], o->def, text, room);
		append(text, room, ")");
	}
}

void options_print(const struct rx_option *options, FILE *to)
{
	char text[VALUE_BYTES], preset[VALUE_BYTES];
	int width = 0;

	for (const struct rx_option *o = options; o->name != NULL; o++) {
		int length;

		put_values(o, text, sizeof(text));
		length = (int)strlen(text);
		width = length > width ? length : width;
	}
	for (const struct rx_option *o = options; o->name != NULL; o++) {
		put_values(o, text, sizeof(text));
		put_default(o, preset, sizeof(preset));
		fprintf(to, "  %-*s  %s%s\n", width, text, o->help, preset);
	}
}
