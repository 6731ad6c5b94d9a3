#include "control/bench/result.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "control/bench/beside.h"
#include "dataplane/base/ensure.h"

enum {
	FILE_BYTES_MAX = 256 << 20,
	PATH_BYTES = 4096,
	/* Doubles are whole numbers up to here, so they are written as such. */
	EXACT_BITS = 53,
};

static const char file_name[] = "result.json";
static const char *const better_names[] = {
	[BETTER_LOWER] = "lower",
	[BETTER_HIGHER] = "higher",
	[BETTER_NEITHER] = "neither",
};
enum { BETTERS = sizeof(better_names) / sizeof(better_names[0]) };

/* ---- memory ---- */

/* grown - room for one more behind `count`: doubled whenever that is a power of two. */
static void *grown(void *memory, size_t count, size_t bytes)
{
	if ((count & (count - 1)) != 0)
		return memory;
	memory = reallocarray(memory, count == 0 ? 1 : 2 * count, bytes);
	ENSURE(memory != NULL);
	return memory;
}

static char *copied(const char *text)
{
	char *copy = strdup(text);

	ENSURE(copy != NULL);
	return copy;
}

/* plain - text that JSON and pages can have: UTF-8 without control characters. Others' programs say
 * what they like. */
static void plain(char *text)
{
	json_t *valid = json_string(text);

	for (char *c = text; *c != '\0'; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f ||
		    (valid == NULL && (unsigned char)*c >= 0x80))
			*c = '?';
	json_decref(valid);
}

/* put_plain - as much of it as there is room for. */
static void put_plain(char *ret, size_t room, const char *text)
{
	(void)snprintf(ret, room, "%s", text);
	plain(ret);
}

static struct result *made(void)
{
	struct result *r = calloc(1, sizeof(*r));

	ENSURE(r != NULL);
	r->noise = NAN;
	return r;
}

struct result *result_new(const char *what)
{
	struct result *r = made();
	time_t now = time(NULL);
	struct tm utc;

	(void)snprintf(r->what, sizeof(r->what), "%s", what);
	gmtime_r(&now, &utc);
	(void)strftime(r->begun, sizeof(r->begun), "%Y-%m-%dT%H:%M:%SZ", &utc);
	return r;
}

void result_free(struct result *r)
{
	if (r == NULL)
		return;
	for (size_t i = 0; i < r->conditions; i++)
		free(r->condition[i].value);
	for (size_t i = 0; i < r->figures; i++)
		free(r->figure[i].sample);
	for (size_t i = 0; i < r->notes; i++)
		free(r->note[i]);
	free(r->condition);
	free(r->figure);
	free(r->note);
	free(r);
}

/* ---- adding ---- */

static struct condition *condition_of(struct result *r, const char *section, const char *name)
{
	struct condition *c;
	size_t at;

	ENSURE(strlen(section) < sizeof(c->section) && strlen(name) < sizeof(c->name));
	for (size_t i = 0; i < r->conditions; i++)
		if (strcmp(r->condition[i].section, section) == 0 &&
		    strcmp(r->condition[i].name, name) == 0)
			return &r->condition[i];
	r->condition = grown(r->condition, r->conditions, sizeof(*r->condition));
	for (at = r->conditions; at > 0; at--) /* behind the last of its section */
		if (strcmp(r->condition[at - 1].section, section) == 0)
			break;
	at = at > 0 ? at : r->conditions;
	c = &r->condition[at];
	memmove(c + 1, c, (r->conditions++ - at) * sizeof(*c));
	memset(c, 0, sizeof(*c));
	put_plain(c->section, sizeof(c->section), section);
	put_plain(c->name, sizeof(c->name), name);
	return c;
}

void result_condition(struct result *r, const char *section, const char *name, const char *format,
		      ...)
{
	struct condition *c = condition_of(r, section, name);
	va_list list;

	free(c->value);
	va_start(list, format);
	ENSURE(vasprintf(&c->value, format, list) >= 0);
	va_end(list);
	plain(c->value);
}

void result_note(struct result *r, const char *sentence)
{
	char *note = copied(sentence);

	plain(note);
	for (size_t i = 0; i < r->notes; i++)
		if (strcmp(r->note[i], note) == 0) {
			free(note);
			return;
		}
	r->note = grown(r->note, r->notes, sizeof(*r->note));
	r->note[r->notes++] = note;
}

static struct figure *figure_new(struct result *r, const char *cell, const char *name,
				 const char *unit, enum better better)
{
	struct figure *f;

	r->figure = grown(r->figure, r->figures, sizeof(*r->figure));
	f = &r->figure[r->figures++];
	memset(f, 0, sizeof(*f));
	put_plain(f->cell, sizeof(f->cell), cell);
	put_plain(f->name, sizeof(f->name), name);
	put_plain(f->unit, sizeof(f->unit), unit);
	f->better = better;
	return f;
}

static void figure_add(struct figure *f, double value)
{
	f->sample = grown(f->sample, f->count, sizeof(*f->sample));
	f->sample[f->count++] = isfinite(value) ? value : NAN;
}

/* figure_of - names too long for a figure would find no figure again: that is our mistake. */
static struct figure *figure_of(const struct result *r, const char *cell, const char *name)
{
	ENSURE(strlen(cell) < RESULT_NAME_BYTES && strlen(name) < RESULT_NAME_BYTES);
	for (size_t i = 0; i < r->figures; i++)
		if (strcmp(r->figure[i].name, name) == 0 && strcmp(r->figure[i].cell, cell) == 0)
			return &r->figure[i];
	return NULL;
}

void result_add(struct result *r, const char *cell, const char *name, const char *unit,
		enum better better, double value)
{
	struct figure *f = figure_of(r, cell, name);

	figure_add(f != NULL ? f : figure_new(r, cell, name, unit, better), value);
}

const struct figure *result_find(const struct result *r, const char *cell, const char *name)
{
	return figure_of(r, cell, name);
}

/* ---- comparing ---- */

/* step_of - what a count of this unit rises by; 0: it is no count. */
static double step_of(const char *unit)
{
	static const struct {
		const char *unit;
		double step;
	} counts[] = { { "packets", 1 }, { "frames", 1 },   { "requests", 1 }, { "pairs", 1 },
		       { "records", 1 }, { "messages", 1 }, { "events", 1 },   { "bytes", 4096 } };

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		if (strcmp(counts[i].unit, unit) == 0)
			return counts[i].step;
	return 0;
}

struct difference result_compare(const struct figure *before, const struct figure *after,
				 double noise)
{
	double step = step_of(before->unit);

	if (step == 0)
		return statistics_compare(before->sample, before->count, after->sample,
					  after->count, before->better, noise);
	return statistics_compare_counts(before->sample, before->count, after->sample, after->count,
					 before->better, noise, step);
}

/* ---- writing ---- */

static json_t *number(double value)
{
	if (!isfinite(value))
		return json_null();
	if (value == floor(value) && fabs(value) <= exp2(EXACT_BITS))
		return json_integer((json_int_t)value);
	return json_real(value);
}

static json_t *text(const char *value)
{
	json_t *made_text = json_string(value);

	ENSURE(made_text != NULL);
	return made_text;
}

static void put(json_t *object, const char *key, json_t *value)
{
	ENSURE(json_object_set_new(object, key, value) == 0);
}

static void append(json_t *array, json_t *value)
{
	ENSURE(json_array_append_new(array, value) == 0);
}

static json_t *conditions_made(const struct result *r)
{
	json_t *sections = json_object();

	for (size_t i = 0; i < r->conditions; i++) {
		const struct condition *c = &r->condition[i];
		json_t *section = json_object_get(sections, c->section);

		if (section == NULL) {
			section = json_object();
			put(sections, c->section, section);
		}
		put(section, c->name, text(c->value));
	}
	return sections;
}

static json_t *figure_made(const struct figure *f)
{
	json_t *figure = json_object(), *samples = json_array();

	for (size_t i = 0; i < f->count; i++)
		append(samples, number(f->sample[i]));
	put(figure, "cell", text(f->cell));
	put(figure, "name", text(f->name));
	put(figure, "unit", text(f->unit));
	put(figure, "better", text(better_names[f->better]));
	put(figure, "probe", json_null());
	put(figure, "samples", samples);
	return figure;
}

static json_t *result_made(const struct result *r)
{
	json_t *all = json_object(), *figures = json_array(), *notes = json_array();

	for (size_t i = 0; i < r->figures; i++)
		append(figures, figure_made(&r->figure[i]));
	for (size_t i = 0; i < r->notes; i++)
		append(notes, text(r->note[i]));
	put(all, "schema", json_integer(RESULT_SCHEMA));
	put(all, "what", text(r->what));
	put(all, "begun", text(r->begun));
	put(all, "noise", number(r->noise));
	put(all, "conditions", conditions_made(r));
	put(all, "notes", notes);
	put(all, "figures", figures);
	return all;
}

static int refuse_write(const char *path, int code, char err[RESULT_ERROR_BYTES])
{
	(void)snprintf(err, RESULT_ERROR_BYTES,
		       "%.300s cannot be written: %s; name another folder with --output-dir", path,
		       strerror(-code));
	return code;
}

int result_write(const struct result *r, const char *dir, char err[RESULT_ERROR_BYTES])
{
	struct beside b;
	int code = beside_open(dir, file_name, &b);
	json_t *all;

	if (code < 0)
		return refuse_write(b.path, code, err);
	all = result_made(r);
	if (json_dumpf(all, b.file, JSON_INDENT(1)) == 0)
		(void)fputc('\n', b.file); /* what fails is seen by beside_close() */
	json_decref(all);
	code = beside_close(&b);
	return code < 0 ? refuse_write(b.path, code, err) : 0;
}

/* ---- reading ---- */

/* What is wrong with the file, for the sentence. */
struct trouble {
	char text[RESULT_ERROR_BYTES / 2];
};

static bool wrong(struct trouble *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

static bool wrong(struct trouble *t, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	(void)vsnprintf(t->text, sizeof(t->text), format, list);
	va_end(list);
	return false;
}

static bool take_text(const json_t *object, const char *key, char *ret, size_t room,
		      struct trouble *t)
{
	const char *value = json_string_value(json_object_get(object, key));

	if (value == NULL)
		return wrong(t, "it has no text \"%s\" where one has to be", key);
	if (strlen(value) >= room)
		return wrong(t, "\"%s\" is longer than %zu bytes", key, room - 1);
	memcpy(ret, value, strlen(value) + 1);
	return true;
}

/* take_number - null is NaN; what is beyond doubles is refused by jansson. */
static bool take_number(const json_t *value, double *ret)
{
	if (json_is_null(value))
		*ret = NAN;
	else if (json_is_number(value))
		*ret = json_number_value(value);
	else
		return false;
	return true;
}

static bool take_better(const json_t *object, enum better *ret, struct trouble *t)
{
	const char *value = json_string_value(json_object_get(object, "better"));

	for (size_t i = 0; value != NULL && i < BETTERS; i++)
		if (strcmp(value, better_names[i]) == 0) {
			*ret = (enum better)i;
			return true;
		}
	return wrong(t, "\"better\" of a figure is not lower, higher or neither");
}

static bool take_figure(struct result *r, const json_t *object, struct trouble *t)
{
	const json_t *samples = json_object_get(object, "samples");
	struct figure head = { .count = 0 }, *f;

	if (!take_text(object, "cell", head.cell, sizeof(head.cell), t) ||
	    !take_text(object, "name", head.name, sizeof(head.name), t) ||
	    !take_text(object, "unit", head.unit, sizeof(head.unit), t) ||
	    !take_better(object, &head.better, t))
		return false;
	if (!json_is_array(samples))
		return wrong(t, "figure %s of %s has no \"samples\"", head.name, head.cell);
	f = figure_new(r, head.cell, head.name, head.unit, head.better);
	for (size_t i = 0; i < json_array_size(samples); i++) {
		double value;

		if (!take_number(json_array_get(samples, i), &value))
			return wrong(t, "a sample of %s of %s is no number", head.name, head.cell);
		figure_add(f, value);
	}
	return true;
}

static int by_name(const void *a, const void *b)
{
	const struct figure *x = *(const struct figure *const *)a;
	const struct figure *y = *(const struct figure *const *)b;
	int order = strcmp(x->name, y->name);

	return order != 0 ? order : strcmp(x->cell, y->cell);
}

static bool are_single(const struct result *r, struct trouble *t)
{
	const struct figure **all = calloc(r->figures + 1, sizeof(*all)), *twice = NULL;

	ENSURE(all != NULL);
	for (size_t i = 0; i < r->figures; i++)
		all[i] = &r->figure[i];
	qsort(all, r->figures, sizeof(*all), by_name);
	for (size_t i = 1; i < r->figures && twice == NULL; i++)
		if (by_name(&all[i - 1], &all[i]) == 0)
			twice = all[i];
	free(all);
	return twice == NULL ||
	       wrong(t, "figure %s of %s is there twice", twice->name, twice->cell);
}

static bool take_figures(struct result *r, const json_t *figures, struct trouble *t)
{
	if (!json_is_array(figures))
		return wrong(t, "it has no \"figures\"");
	if (json_array_size(figures) > RESULT_FIGURES_MAX)
		return wrong(t, "it has more than %d figures", RESULT_FIGURES_MAX);
	for (size_t i = 0; i < json_array_size(figures); i++)
		if (!take_figure(r, json_array_get(figures, i), t))
			return false;
	return are_single(r, t);
}

static bool take_conditions(struct result *r, json_t *sections, struct trouble *t)
{
	const char *section, *name;
	json_t *list, *value;

	if (!json_is_object(sections))
		return wrong(t, "it has no \"conditions\"");
	json_object_foreach(sections, section, list)
	{
		if (!json_is_object(list) || strlen(section) >= sizeof(r->condition->section))
			return wrong(t, "conditions \"%.40s\" are no list of names", section);
		json_object_foreach(list, name, value)
		{
			if (!json_is_string(value) || strlen(name) >= sizeof(r->condition->name))
				return wrong(t, "condition \"%.70s\" is no text", name);
			if (r->conditions >= RESULT_CONDITIONS_MAX)
				return wrong(t, "it has more than %d conditions",
					     RESULT_CONDITIONS_MAX);
			result_condition(r, section, name, "%s", json_string_value(value));
		}
	}
	return true;
}

static bool take_notes(struct result *r, const json_t *notes, struct trouble *t)
{
	if (!json_is_array(notes) || json_array_size(notes) > RESULT_CONDITIONS_MAX)
		return wrong(t, "it has no \"notes\", or too many");
	for (size_t i = 0; i < json_array_size(notes); i++) {
		const char *note = json_string_value(json_array_get(notes, i));

		if (note == NULL)
			return wrong(t, "a note is no text");
		result_note(r, note);
	}
	return true;
}

static bool take_result(struct result *r, const json_t *all, struct trouble *t)
{
	const json_t *schema = json_object_get(all, "schema");

	if (!json_is_integer(schema))
		return wrong(t, "it is no result of weir bench");
	if (json_integer_value(schema) != RESULT_SCHEMA)
		return wrong(
			t, "its schema is %lld and this weir reads %d: use the weir that wrote it",
			(long long)json_integer_value(schema), RESULT_SCHEMA);
	if (!take_text(all, "what", r->what, sizeof(r->what), t) ||
	    !take_text(all, "begun", r->begun, sizeof(r->begun), t))
		return false;
	if (!take_number(json_object_get(all, "noise"), &r->noise))
		return wrong(t, "\"noise\" is no number");
	return take_conditions(r, json_object_get(all, "conditions"), t) &&
	       take_notes(r, json_object_get(all, "notes"), t) &&
	       take_figures(r, json_object_get(all, "figures"), t);
}

/* read_file - Returns: 0, *ret and its length; -errno; -EFBIG. */
static int read_file(const char *path, char **ret, size_t *ret_bytes)
{
	FILE *f = fopen(path, "re");
	size_t bytes = 0, room = 1 << 16, got;
	char *text_read = NULL;
	int code = 0;

	if (f == NULL)
		return -errno;
	do {
		room *= 2;
		text_read = realloc(text_read, room);
		ENSURE(text_read != NULL);
		got = fread(text_read + bytes, 1, room - bytes, f);
		bytes += got;
	} while (bytes == room && room < FILE_BYTES_MAX);
	if (ferror(f))
		code = -errno;
	else if (bytes == room)
		code = -EFBIG;
	(void)fclose(f);
	if (code < 0) {
		free(text_read);
		return code;
	}
	*ret = text_read;
	*ret_bytes = bytes;
	return 0;
}

static int refuse_read(const char *path, int code, const char *why, char err[RESULT_ERROR_BYTES])
{
	(void)snprintf(err, RESULT_ERROR_BYTES,
		       "%.200s: %s; name the %s of a benchmark, or its folder", path, why,
		       file_name);
	return code;
}

int result_read(const char *path, struct result **ret, char err[RESULT_ERROR_BYTES])
{
	struct trouble t = { "" };
	struct result *r;
	char full[PATH_BYTES], *bytes = NULL;
	size_t count = 0;
	json_error_t error;
	json_t *all;
	struct stat s;
	bool folder, good;
	int code;

	if (stat(path, &s) < 0)
		return refuse_read(path, -errno, strerror(errno), err);
	folder = S_ISDIR(s.st_mode);
	if (snprintf(full, sizeof(full), "%s%s%s", path, folder ? "/" : "",
		     folder ? file_name : "") >= (int)sizeof(full))
		return refuse_read(path, -ENAMETOOLONG, strerror(ENAMETOOLONG), err);
	code = read_file(full, &bytes, &count);
	if (code < 0)
		return refuse_read(full, code, strerror(-code), err);
	all = json_loadb(bytes, count, JSON_REJECT_DUPLICATES, &error);
	free(bytes);
	if (all == NULL) {
		(void)snprintf(t.text, sizeof(t.text), "line %d is no JSON, %s", error.line,
			       error.text);
		return refuse_read(full, -EINVAL, t.text, err);
	}
	r = made();
	good = take_result(r, all, &t);
	json_decref(all);
	if (!good) {
		result_free(r);
		return refuse_read(full, -EINVAL, t.text, err);
	}
	*ret = r;
	return 0;
}
