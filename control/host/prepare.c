/* prepare - the machine as a capture needs it, for as long as the capture runs. */
#include "control/host/prepare.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/host/mend.h"
#include "control/host/rss.h"

bool prepare_interface(const char *source, char ret[NIC_NAME_BYTES])
{
	static const char *const prefixes[] = { "af_xdp:", "auto:" };

	for (int i = 0; i < 2; i++) {
		size_t bytes = strlen(prefixes[i]), name_bytes;

		if (strncmp(source, prefixes[i], bytes) != 0)
			continue;
		name_bytes = strcspn(source + bytes, ",");
		if (name_bytes == 0 || name_bytes >= NIC_NAME_BYTES)
			return false;
		(void)snprintf(ret, NIC_NAME_BYTES, "%.*s", (int)name_bytes, source + bytes);
		return true;
	}
	return false;
}

/* ---- what was left ---- */

static void put_back_leftovers(const struct host *h, const char *name)
{
	struct deeds d;

	if (mend_leftovers(h, &d) < 0)
		fprintf(stderr,
			"%s: what an earlier capture changed cannot be put back: the journal in "
			"/run/weir/undo cannot be used\n",
			name);
	/* A capture that runs beside this one is no news. */
	for (uint32_t i = 0; i < d.count; i++)
		if (d.deed[i].what != UNDO_BUSY)
			fprintf(stderr, "%s: left by a capture that was killed: %s %s\n", name,
				d.deed[i].word, d.deed[i].text);
	deeds_free(&d);
}

/* ---- RSS ---- */

static void say_rss(const char *name, const char *interface, int code, const struct rss_about *a,
		    bool quiet)
{
	if (code < 0)
		fprintf(stderr,
			"%s: %s: RSS cannot be made symmetric (%s): weir brings the directions of "
			"a "
			"flow together itself\n",
			name, interface, strerror(-code));
	else if (code > 0 && !quiet)
		fprintf(stderr, "%s: %s: RSS is symmetric by %s while this runs\n", name, interface,
			a->by);
	else if (code == 0 && a->state == RSS_NONE && !quiet)
		fprintf(stderr,
			"%s: %s has no RSS that could be set: weir brings the directions of a flow "
			"together itself\n",
			name, interface);
}

/* begin_journal - one per interface: what one refuses does not undo the other. */
static int begin_journal(struct undo *ret, const struct host *h, const struct settings *s,
			 const char *interface)
{
	char owner[UNDO_OWNER_BYTES];

	(void)snprintf(owner, sizeof(owner), "capture-%.32s-%.16s",
		       s->name[0] != 0 ? s->name : s->run, interface);
	return undo_begin(ret, h, owner);
}

static void prepare_rss(struct prepared *p, const struct settings *s, const char *interface,
			const char *name)
{
	struct undo *u = &p->undo;
	struct rss_about about = { .state = RSS_NONE };
	int code = rss_look(p->host, interface, &about);

	/* No interface of that name: whoever opens it has the better words. */
	if (code == -ENODEV)
		return;
	if (code == 0 && about.state == RSS_NOT_SYMMETRIC) {
		code = begin_journal(u, p->host, s, interface);
		p->changes = code == 0;
		if (code == 0)
			code = rss_make_symmetric(u, interface, &about);
	}
	say_rss(name, interface, code, &about, s->quiet != 0);
}

static bool is_chosen_for_af_xdp(const struct host *h, const char *source, const char *interface)
{
	if (strncmp(source, "auto:", strlen("auto:")) != 0)
		return true;
	for (uint32_t i = 0; i < h->link_count; i++)
		if (strcmp(h->link[i].nic.name, interface) == 0)
			return !h->link[i].has_address;
	return false;
}

void prepare_host(struct prepared *p, struct host *host, const struct settings *s, const char *name)
{
	char interface[NIC_NAME_BYTES];

	p->host = host;
	put_back_leftovers(host, name);
	if (s->rx_count == 1 && s->workers != 1 && strstr(s->rx[0], ",spread=on") == NULL &&
	    prepare_interface(s->rx[0], interface) && host_add_link(host, interface) == 0 &&
	    is_chosen_for_af_xdp(host, s->rx[0], interface))
		prepare_rss(p, s, interface, name);
}

void prepare_begin(struct prepared *ret, const struct settings *s, const char *name)
{
	struct host *host = malloc(sizeof(*host));

	*ret = (struct prepared){ .host = NULL };
	if (host == NULL || nic_open(&ret->nic) < 0) {
		free(host);
		return;
	}
	ret->owns_host = true;
	host_open(host, &ret->nic);
	prepare_host(ret, host, s, name);
}

/* ---- the end ---- */

struct ending {
	const char *name;
};

static void tell(const struct undo_news *news, void *context)
{
	const struct ending *e = context;
	char what[256] = "";

	if (news->what != UNDO_FAILED && news->what != UNDO_AWAY)
		return;
	if (news->change != NULL)
		change_describe(news->change, what, sizeof(what));
	fprintf(stderr, "%s: %s is not put back (%s): try `weir check --undo`\n", e->name, what,
		news->code < 0 ? strerror(-news->code) : "it is in another network namespace");
}

void prepare_end(struct prepared *p, const char *name)
{
	struct ending e = { name };

	if (p->host == NULL)
		return;
	if (p->changes) {
		if (undo_back(&p->undo, false, tell, &e) < 0)
			fprintf(stderr, "%s: the journal /run/weir/undo/%s cannot be read\n", name,
				p->undo.owner);
		undo_end(&p->undo);
	}
	p->changes = false;
	if (p->owns_host) {
		nic_close(&p->nic);
		free(p->host);
	}
	p->host = NULL;
}
