/* mend - what --fix and --undo do, told line by line. */
#include "control/host/mend.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/host/rss.h"
#include "dataplane/base/ensure.h"

enum { SHOWN_BYTES = 48, NAME_BYTES = CHANGE_TARGET_BYTES + CHANGE_NAME_BYTES + 16 };

void deeds_free(struct deeds *d)
{
	free(d->deed);
	*d = (struct deeds){ 0 };
}

__attribute__((format(printf, 4, 5))) static void note(struct deeds *d, const char *word,
						       bool failed, const char *format, ...)
{
	va_list values;

	if (d->count == d->room) {
		d->room = d->room == 0 ? 16 : d->room * 2;
		d->deed = realloc(d->deed, d->room * sizeof(*d->deed));
		ENSURE(d->deed != NULL);
	}
	d->deed[d->count] = (struct deed){ .word = word, .failed = failed };
	va_start(values, format);
	(void)vsnprintf(d->deed[d->count].text, sizeof(d->deed[0].text), format, values);
	va_end(values);
	d->count++;
	d->failed += failed;
}

/* ---- fix ---- */

/* on_host - the interface carries this host's own traffic, and nobody said to touch it. */
static bool on_host(const struct finding *f)
{
	return f->link != NULL && f->link->has_address && !f->link->chosen;
}

static void fix_one(struct undo *u, const struct host *h, const struct wanted *w, bool dry,
		    struct deeds *ret)
{
	static char before[CHANGE_VALUE_BYTES];
	char name[NAME_BYTES];
	int code;

	change_describe(&w->change, name, sizeof(name));
	before[0] = 0;
	code = dry ? change_now(h, &w->change, before)
		   : undo_change(u, &w->change, w->value, before);
	if (code < 0) {
		note(ret, "left", true, "%s: cannot be set to %s: %s", name, w->value,
		     code == -EOPNOTSUPP ? "the driver does not take it" : strerror(-code));
		return;
	}
	note(ret, dry ? "would" : "set", false, "%s: %.*s -> %s", name, SHOWN_BYTES, before,
	     w->value);
	ret->made++;
}

static void fix_all(struct undo *u, const struct host *h, const struct report *r, bool dry,
		    struct deeds *ret)
{
	for (uint32_t i = 0; i < r->wanted_count; i++) {
		const struct wanted *w = &r->wanted[i];
		const struct finding *f = &r->finding[w->finding];
		char name[NAME_BYTES];

		if (f->level < LEVEL_WARN)
			continue;
		if (!on_host(f)) {
			fix_one(u, h, w, dry, ret);
			continue;
		}
		change_describe(&w->change, name, sizeof(name));
		note(ret, "left", true,
		     "%s: this host has an address there; to change it all the "
		     "same: -i %s",
		     name, f->link->nic.name);
	}
}

int mend_fix(const struct host *h, const struct report *r, bool dry, struct deeds *ret)
{
	struct undo u;
	int code;

	*ret = (struct deeds){ 0 };
	if (dry) {
		fix_all(NULL, h, r, true, ret);
		return 0;
	}
	code = undo_begin(&u, h, MEND_OWNER);
	if (code < 0)
		return code;
	fix_all(&u, h, r, false, ret);
	undo_end(&u);
	return 0;
}

/* ---- undo ---- */

struct telling {
	struct deeds *deeds;
	bool dry;
};

static void tell(const struct undo_news *news, void *context)
{
	const struct telling *t = context;
	char name[NAME_BYTES] = "";

	if (news->change != NULL)
		change_describe(news->change, name, sizeof(name));
	switch (news->what) {
	case UNDO_DONE:
		/* The numbers of an RSS tell nobody anything. */
		if (news->change->kind == CHANGE_RSS)
			note(t->deeds, t->dry ? "would" : "back", false,
			     "%s: key, table and "
			     "transform as before",
			     name);
		else
			note(t->deeds, t->dry ? "would" : "back", false, "%s: %.*s -> %.*s", name,
			     SHOWN_BYTES, news->from, SHOWN_BYTES, news->to);
		t->deeds->made++;
		break;
	case UNDO_NOTHING:
		note(t->deeds, "same", false, "%s: is %.*s, as it was before", name, SHOWN_BYTES,
		     news->to);
		break;
	case UNDO_GONE:
		note(t->deeds, "gone", false, "%s: is not there any more, and its settings with it",
		     name);
		break;
	case UNDO_AWAY:
		note(t->deeds, "left", true,
		     "%s: is in another network namespace: run weir check "
		     "--undo there",
		     name);
		break;
	case UNDO_FAILED:
		if (news->change == NULL)
			note(t->deeds, "left", true,
			     "/run/weir/undo/%s: has a line that cannot be "
			     "read",
			     news->owner);
		else
			note(t->deeds, "left", true, "%s: cannot be set back to %.*s: %s", name,
			     SHOWN_BYTES, news->to, strerror(-news->code));
		break;
	case UNDO_BUSY:
		note(t->deeds, "left", true,
		     "what %s has changed: it runs, and puts that back when it "
		     "ends",
		     news->owner);
		break;
	}
	t->deeds->deed[t->deeds->count - 1].what = news->what;
}

int mend_undo(const struct host *h, bool dry, struct deeds *ret)
{
	struct telling t = { ret, dry };
	int left;

	*ret = (struct deeds){ 0 };
	left = undo_all(h, "", dry, tell, &t);
	return left < 0 ? left : 0;
}

int mend_leftovers(const struct host *h, struct deeds *ret)
{
	struct telling t = { ret, false };
	int left;

	*ret = (struct deeds){ 0 };
	left = undo_all(h, "capture-", false, tell, &t);
	return left < 0 ? left : 0;
}
