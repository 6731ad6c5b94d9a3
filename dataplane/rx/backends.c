/* backends - the table of capture back ends, from the lists in rx/meson.build, and the choice. */
#include "dataplane/rx/backends.h"

#include <errno.h>
#include <string.h>

#include "dataplane/base/compiler.h"
#include "dataplane/rx/module.h"
#include "dataplane/rx/options.h"
#include "dataplane/shm/settings.h"

#define RX_BACKEND(name) extern const struct rx_backend rx_##name;
#include "dataplane/rx/rx_backends.inc"
#undef RX_BACKEND

const struct rx_backend *const rx_backends[] = {
#define RX_BACKEND(name) &rx_##name,
#include "dataplane/rx/rx_backends.inc"
#undef RX_BACKEND
};

const uint32_t rx_backend_count = array_count(rx_backends);

/* Those that are modules. A program that has one linked in (a test) has its symbol. */
#define RX_MODULE(name, needs) extern const struct rx_backend rx_##name __attribute__((weak));
#include "dataplane/rx/rx_modules.inc"
#undef RX_MODULE

static struct {
	const char *name, *needs;
	const struct rx_backend *backend; /* NULL: not loaded */
} modules[] = {
#define RX_MODULE(name, needs) { #name, needs, &rx_##name },
#include "dataplane/rx/rx_modules.inc"
#undef RX_MODULE
};

static bool is_called(const char *known, const char *name, size_t bytes)
{
	return strlen(known) == bytes && memcmp(known, name, bytes) == 0;
}

const struct rx_backend *rx_backend_find(const char *name, size_t bytes)
{
	for (uint32_t i = 0; i < rx_backend_count; i++)
		if (is_called(rx_backends[i]->name, name, bytes))
			return rx_backends[i];
	for (uint32_t i = 0; i < array_count(modules); i++)
		if (is_called(modules[i].name, name, bytes))
			return modules[i].backend;
	return NULL;
}

/* load - module `i`, unless it is there already. Returns: as module_load(). */
static int load(uint32_t i, struct rx_error *err)
{
	struct module_place place;
	int code;

	if (modules[i].backend != NULL)
		return 0;
	code = module_place_here(&place);
	if (code < 0) {
		snprintf(err->text, sizeof(err->text), "%s: /proc/self/exe: %s", modules[i].name,
			 strerror(-code));
		return code;
	}
	return module_load(&place, modules[i].name, modules[i].needs, &modules[i].backend, err);
}

/* load_named - Returns: 0 also where no module is called that; as module_load(). */
static int load_named(const char *name, size_t bytes, struct rx_error *err)
{
	for (uint32_t i = 0; i < array_count(modules); i++)
		if (is_called(modules[i].name, name, bytes))
			return load(i, err);
	return 0;
}

/* ---- opening ---- */

/* What to write down about those that were passed over. */
struct reasons {
	char *at;
	size_t room;
};

static void note(struct reasons *w, const struct rx_backend *b, const char *reason)
{
	int n = w->room == 0 ? 0 : snprintf(w->at, w->room, "not %s: %s\n", b->name, reason);
	size_t used = n < 0 ? 0 : (size_t)n < w->room ? (size_t)n : w->room;

	w->at += used;
	w->room -= used;
}

/* next_best - the back end that comes after `after` in order of preference; NULL at the end. */
static const struct rx_backend *next_best(const struct rx_backend *after)
{
	const struct rx_backend *best = NULL;

	for (uint32_t i = 0; i < rx_backend_count; i++) {
		const struct rx_backend *b = rx_backends[i];

		if (b->preference == 0 || (after != NULL && b->preference >= after->preference))
			continue;
		if (best == NULL || b->preference > best->preference)
			best = b;
	}
	return best;
}

/* The complaint of the last, plainest one is the one to show: what it lacks they all lack. */
static int open_best(struct rx_open *how, struct rx_port **ret, struct reasons *why,
		     struct rx_error *err)
{
	int code = -ENODEV;

	snprintf(err->text, sizeof(err->text), "this build has no back end for interfaces");
	for (const struct rx_backend *b = next_best(NULL); b != NULL; b = next_best(b)) {
		struct rx_error found = { "" };

		code = b->probe != NULL ? b->probe(how->argument, &found) : 0;
		if (code == 0)
			code = b->open(how, ret, &found);
		if (code == 0)
			return 0;
		note(why, b, found.text);
		*err = found;
	}
	return code;
}

int backends_open(const char *spec, const struct rx_open *asked, struct rx_port **ret,
		  char *ret_why, size_t why_bytes, struct rx_error *err)
{
	size_t bytes = strcspn(spec, ":");
	struct rx_open how = *asked;
	struct reasons why = { ret_why, ret_why != NULL ? why_bytes : 0 };
	const struct rx_backend *b;
	int code;

	how.argument = spec[bytes] == ':' ? spec + bytes + 1 : NULL;
	if (why.room > 0)
		*why.at = 0;
	if (bytes == strlen(BACKENDS_AUTO) && memcmp(spec, BACKENDS_AUTO, bytes) == 0)
		return open_best(&how, ret, &why, err);
	code = load_named(spec, bytes, err);
	if (code < 0)
		return code;
	b = rx_backend_find(spec, bytes);
	if (b != NULL && b->live != (how.settings->live != 0)) {
		snprintf(err->text, sizeof(err->text),
			 b->live ? "--rx %s: an interface is captured from with `weir capture`"
				 : "--rx %s: is no interface; use `weir read`",
			 spec);
		return -EINVAL;
	}
	if (b != NULL)
		return b->open(&how, ret, err);
	snprintf(err->text, sizeof(err->text), "--rx %s: no such source; see --list-rx", spec);
	return -EINVAL;
}

/* ---- telling ---- */

static void list_one(const struct rx_backend *b, const char *interface, FILE *to)
{
	struct rx_error found = { "" };
	int code = b->probe != NULL ? b->probe(interface, &found) : 0;

	fprintf(to, "%-11s %s\n", b->name, b->help);
	if (b->probe != NULL)
		fprintf(to, "            %s: %s\n", code == 0 ? "usable" : "not usable",
			found.text);
	if (b->options != NULL)
		options_print(b->options, to);
}

void backends_list(const char *interface, FILE *to)
{
	bool any = interface == NULL || interface[0] == 0;

	for (const struct rx_backend *b = next_best(NULL); b != NULL; b = next_best(b))
		list_one(b, any ? NULL : interface, to);
	for (uint32_t i = 0; i < rx_backend_count; i++)
		if (rx_backends[i]->live && rx_backends[i]->preference == 0)
			list_one(rx_backends[i], any ? NULL : interface, to);
	for (uint32_t i = 0; i < array_count(modules); i++) {
		struct rx_error err;

		if (load(i, &err) == 0)
			list_one(modules[i].backend, any ? NULL : interface, to);
		else
			fprintf(to, "%-11s not usable: %s\n", modules[i].name, err.text);
	}
}
