/* check - the list of lists, and the report that they fill. */
#include "control/host/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/compiler.h"
#include "dataplane/base/ensure.h"

const char *const level_names[LEVELS] = {
	[LEVEL_OK] = "ok", [LEVEL_INFO] = "info", [LEVEL_WARN] = "warn", [LEVEL_FAIL] = "fail"
};

const struct check *const check_lists[] = {
	kernel_checks, rights_checks, memory_checks,  cpu_checks,
	link_checks,   path_checks,   program_checks,
};

const uint32_t check_list_count = array_count(check_lists);

static void run_on_machine(const struct host *h, const struct check *c, struct report *r)
{
	for (; c->name != NULL; c++) {
		r->check = c;
		r->link = NULL;
		if (c->machine != NULL)
			c->machine(h, r);
	}
}

/* One interface after the other, so that all about it stands together. */
static void run_on_link(const struct host *h, const struct host_link *l, struct report *r)
{
	for (uint32_t i = 0; i < check_list_count; i++)
		for (const struct check *c = check_lists[i]; c->name != NULL; c++) {
			r->check = c;
			r->link = l;
			if (c->link != NULL)
				c->link(h, l, r);
		}
}

void check_all(const struct host *h, struct report *ret)
{
	*ret = (struct report){ 0 };
	for (uint32_t i = 0; i < check_list_count; i++)
		run_on_machine(h, check_lists[i], ret);
	for (uint32_t i = 0; i < h->link_count; i++)
		run_on_link(h, &h->link[i], ret);
}

void check_free(struct report *r)
{
	free(r->finding);
	free(r->wanted);
	*r = (struct report){ 0 };
}

enum level check_worst(const struct report *r)
{
	enum level worst = LEVEL_OK;

	for (uint32_t i = 0; i < r->count; i++)
		if (r->finding[i].level > worst)
			worst = r->finding[i].level;
	return worst;
}

/* ---- lines ---- */

static void *make_room(void *array, uint32_t count, uint32_t *room, size_t bytes)
{
	if (count < *room)
		return array;
	*room = *room == 0 ? 64 : *room * 2;
	array = realloc(array, *room * bytes);
	ENSURE(array != NULL);
	return array;
}

void report(struct report *r, enum level level, const char *format, ...)
{
	struct finding *f;
	va_list values;

	r->finding = make_room(r->finding, r->count, &r->room, sizeof(*f));
	f = &r->finding[r->count++];
	*f = (struct finding){ .level = level, .check = r->check, .link = r->link };
	va_start(values, format);
	(void)vsnprintf(f->text, sizeof(f->text), format, values);
	va_end(values);
}

void report_fix(struct report *r, const char *format, ...)
{
	struct finding *f = &r->finding[r->count - 1];
	va_list values;

	va_start(values, format);
	(void)vsnprintf(f->fix, sizeof(f->fix), format, values);
	va_end(values);
}

void report_change(struct report *r, enum change_kind kind, const char *target, const char *name,
		   const char *value)
{
	struct wanted *w;

	r->wanted = make_room(r->wanted, r->wanted_count, &r->wanted_room, sizeof(*w));
	w = &r->wanted[r->wanted_count++];
	*w = (struct wanted){ .finding = r->count - 1, .change = { .kind = kind } };
	(void)snprintf(w->change.target, sizeof(w->change.target), "%s", target);
	(void)snprintf(w->change.name, sizeof(w->change.name), "%s", name);
	(void)snprintf(w->value, sizeof(w->value), "%s", value);
	r->finding[r->count - 1].wants++;
}

void report_unreadable(struct report *r, const char *what, int code)
{
	report(r, LEVEL_INFO, "not readable: %s: %s", what, strerror(-code));
}
