#include "control/bench/shown.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/ensure.h"

/* ---- numbers ---- */

/* grouped - commas between thousands of what is before the point. */
static void grouped(const char *digits, char ret[SHOWN_BYTES])
{
	size_t sign = digits[0] == '-' || digits[0] == '+',
	       whole = strspn(digits + sign, "0123456789");
	size_t used = 0;

	for (size_t i = 0; digits[i] != '\0' && used + 2 < SHOWN_BYTES; i++) {
		if (i > sign && i < sign + whole && (sign + whole - i) % 3 == 0)
			ret[used++] = ',';
		ret[used++] = digits[i];
	}
	ret[used] = '\0';
}

static int decimals(double value)
{
	double size = fabs(value);

	if (value == floor(value) || size >= 99.95)
		return 0;
	return size >= 9.995 ? 1 : size >= 0.9995 ? 2 : size >= 0.09995 ? 3 : 4;
}

static void number(double value, bool sign, char ret[SHOWN_BYTES])
{
	char digits[SHOWN_BYTES];
	double size = fabs(value);

	if (isnan(value))
		(void)snprintf(ret, SHOWN_BYTES, "-");
	else if (size >= 1e15 || (size < 0.001 && size > 0))
		(void)snprintf(ret, SHOWN_BYTES, sign ? "%+.3g" : "%.3g", value);
	else {
		(void)snprintf(digits, sizeof(digits), sign ? "%+.*f" : "%.*f", decimals(value),
			       value);
		grouped(digits, ret);
	}
}

void shown_number(double value, char ret[SHOWN_BYTES])
{
	number(value + 0.0, false, ret); /* -0 is 0 */
}

void shown_change(double change, double of, char ret[SHOWN_BYTES])
{
	double percent = 100 * change / fabs(of);

	if (of == 0 || !isfinite(percent))
		number(change, true, ret);
	else if (fabs(percent) >= 1e6)
		(void)snprintf(ret, SHOWN_BYTES, "%+.2g %%", percent);
	else
		(void)snprintf(ret, SHOWN_BYTES, "%+.*f %%", fabs(percent) < 99.95 ? 1 : 0,
			       percent);
}

void shown_percent(double share, char ret[SHOWN_BYTES])
{
	if (isnan(share))
		(void)snprintf(ret, SHOWN_BYTES, "not measured");
	else
		(void)snprintf(ret, SHOWN_BYTES, "%.*f %%", share < 0.0995 ? 1 : 0, 100 * share);
}

void shown_noise(const struct result *r, char *ret, size_t room)
{
	char percent[SHOWN_BYTES];

	shown_percent(r->noise, percent);
	if (isnan(r->noise))
		(void)snprintf(
			ret, room,
			"The noise of the harness was not measured, so any difference may be "
			"it.");
	else
		(void)snprintf(ret, room,
			       "The harness against itself differs by up to %s: no smaller "
			       "difference says anything.",
			       percent);
}

/* ---- figures ---- */

static bool has_figure(const struct result *r, const struct report_table *t, const char *cell)
{
	for (size_t i = 0; i < t->columns; i++)
		if (result_find(r, cell, t->column[i].figure) != NULL)
			return true;
	return false;
}

static bool is_in(const char *const *list, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(list[i], name) == 0)
			return true;
	return false;
}

size_t shown_cells(const struct result *r, const struct report_table *t, const char ***ret)
{
	size_t wanted = 0, count = 0;
	const char **list;

	while (t->cell != NULL && t->cell[wanted] != NULL)
		wanted++;
	list = calloc((t->cell != NULL ? wanted : r->figures) + 1, sizeof(*list));
	ENSURE(list != NULL);
	for (size_t i = 0; i < wanted; i++)
		if (has_figure(r, t, t->cell[i]))
			list[count++] = t->cell[i];
	for (size_t i = 0; t->cell == NULL && i < r->figures; i++)
		if (!is_in(list, count, r->figure[i].cell) && has_figure(r, t, r->figure[i].cell))
			list[count++] = r->figure[i].cell;
	*ret = list;
	return count;
}

static double *scaled(const struct figure *f, double scale)
{
	double *copy = calloc(f->count + 1, sizeof(*copy));

	ENSURE(copy != NULL);
	for (size_t i = 0; i < f->count; i++)
		copy[i] = f->sample[i] * scale;
	return copy;
}

static void compare(const struct result *r, const struct figure *reference, double scale,
		    struct shown *s)
{
	struct difference *d = &s->difference;

	*d = result_compare(reference, s->figure, r->noise);
	d->before *= scale;
	d->after *= scale;
	d->change *= scale;
	d->interval.low *= scale;
	d->interval.high *= scale;
	shown_change(d->change, d->before, s->change);
	shown_change(d->interval.low, d->before, s->change_low);
	shown_change(d->interval.high, d->before, s->change_high);
	s->compared = true;
}

bool shown_figure(const struct result *r, const struct report_table *t,
		  const struct report_column *c, const char *cell, struct shown *ret)
{
	double scale = c->scale != 0 ? c->scale : 1;
	const struct figure *reference = NULL;
	double *sample;

	memset(ret, 0, sizeof(*ret));
	ret->figure = result_find(r, cell, c->figure);
	if (ret->figure == NULL)
		return false;
	sample = scaled(ret->figure, scale);
	ret->summary = statistics_summarise(sample, ret->figure->count);
	shown_number(ret->summary.median, ret->median);
	shown_number(ret->summary.interval.low, ret->low);
	shown_number(ret->summary.interval.high, ret->high);
	if (t->reference != NULL && strcmp(t->reference, cell) != 0)
		reference = result_find(r, t->reference, c->figure);
	if (reference != NULL && ret->summary.count > 0 &&
	    statistics_summarise(reference->sample, reference->count).count > 0)
		compare(r, reference, scale, ret);
	free(sample);
	return ret->summary.count > 0;
}

static bool is_told(const struct result *r, const struct report_table *t,
		    const struct report_column *c, const char *const *cell, size_t cells)
{
	struct shown s;

	for (size_t i = 0; i < cells; i++)
		if (shown_figure(r, t, c, cell[i], &s))
			return true;
	return false;
}

size_t shown_columns(const struct result *r, const struct report_table *t,
		     struct report_column **ret)
{
	struct report_column *list = calloc(t->columns + 1, sizeof(*list));
	const char **cell;
	size_t cells = shown_cells(r, t, &cell), count = 0;

	ENSURE(list != NULL);
	for (size_t i = 0; i < t->columns; i++)
		if (is_told(r, t, &t->column[i], cell, cells))
			list[count++] = t->column[i];
	free(cell);
	*ret = list;
	return count;
}

void shown_untold(const struct result *r, const struct report_table *t, char *ret, size_t room)
{
	const char **cell;
	size_t cells = shown_cells(r, t, &cell), used = 0;

	ret[0] = '\0';
	for (size_t i = 0; i < t->columns && used < room; i++)
		if (!is_told(r, t, &t->column[i], cell, cells))
			used += (size_t)snprintf(ret + used, room - used, "%s%s",
						 used > 0 ? ", " : "", shown_title(&t->column[i]));
	free(cell);
}

const char *shown_title(const struct report_column *c)
{
	return c->title != NULL ? c->title : c->figure;
}

const char *shown_unit(const struct result *r, const struct report_column *c)
{
	if (c->unit != NULL)
		return c->unit;
	for (size_t i = 0; i < r->figures; i++)
		if (strcmp(r->figure[i].name, c->figure) == 0)
			return r->figure[i].unit;
	return "";
}
