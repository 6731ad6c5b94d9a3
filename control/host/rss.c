/* rss - both directions of a flow on one receive queue, by the interface's own hash. */
#include "control/host/rss.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/ethtool.h>
#include <stdio.h>
#include <string.h>

#include "dataplane/base/compiler.h"

enum { QUEUES_MAX = 1024 };

/* Everything about it at one time. */
struct view {
	struct nic_rss rss;
	struct nic_fields fields;
	uint32_t queues;
	uint32_t uses[QUEUES_MAX]; /* entries of the table per queue */
};

/* ---- looking ---- */

static void count_uses(struct view *v)
{
	memset(v->uses, 0, sizeof(v->uses));
	for (uint32_t i = 0; i < v->rss.entries; i++)
		if (v->rss.entry[i] < QUEUES_MAX)
			v->uses[v->rss.entry[i]]++;
}

static uint32_t count_queues(const struct host *h, const char *interface, const struct view *v)
{
	struct nic_channels c;
	uint32_t n = 0;

	if (nic_channels(h->nic, interface, &c) == 0)
		n = c.combined + c.rx;
	for (uint32_t i = 0; n == 0 && i < v->rss.entries; i++)
		if (v->rss.entry[i] + 1 > n)
			n = v->rss.entry[i] + 1;
	return n < QUEUES_MAX ? n : QUEUES_MAX;
}

static int look(const struct host *h, const char *interface, struct view *ret)
{
	int code = h->nic == NULL ? -EOPNOTSUPP : nic_rss(h->nic, interface, &ret->rss);

	if (code < 0)
		return code;
	/* A driver that does not tell the fields hashes what all do. */
	if (nic_fields(h->nic, interface, &ret->fields) < 0)
		ret->fields = (struct nic_fields){ { 0 } };
	ret->queues = count_queues(h, interface, ret);
	count_uses(ret);
	return 0;
}

static const char *by(const struct nic_rss *rss)
{
	if ((rss->transform & NIC_TRANSFORM_SYMMETRIC_OR_XOR) != 0)
		return "symmetric-or-xor";
	return (rss->transform & NIC_TRANSFORM_SYMMETRIC_XOR) != 0 ? "symmetric-xor" : "key";
}

static void judge(const struct view *v, struct rss_about *ret)
{
	uint32_t least = UINT32_MAX, most = 0;

	*ret = (struct rss_about){ .queues = v->queues, .entries = v->rss.entries };
	for (uint32_t i = 0; i < v->queues; i++) {
		ret->used += v->uses[i] > 0;
		least = v->uses[i] < least ? v->uses[i] : least;
		most = v->uses[i] > most ? v->uses[i] : most;
	}
	ret->even = v->rss.entries == 0 || most - least <= 1;
	if (v->queues <= 1)
		ret->state = RSS_ONE_QUEUE;
	else if (nic_is_symmetric(&v->rss, &v->fields))
		ret->state = RSS_SYMMETRIC;
	else
		ret->state = RSS_NOT_SYMMETRIC;
	if (ret->state == RSS_SYMMETRIC)
		ret->by = by(&v->rss);
}

int rss_look(const struct host *h, const char *interface, struct rss_about *ret)
{
	static struct view v;
	int code = look(h, interface, &v);

	if (code == -EOPNOTSUPP) {
		*ret = (struct rss_about){ .state = RSS_NONE };
		return 0;
	}
	if (code == 0)
		judge(&v, ret);
	return code;
}

/* ---- making ---- */

static void name_target(struct change *c, const char *interface)
{
	(void)snprintf(c->target, sizeof(c->target), "%s", interface);
}

/* pair_fields - what is hashed of one side is hashed of both. */
static int pair_fields(struct undo *u, const char *interface, const struct nic_fields *fields)
{
	const uint64_t ports = RXH_L4_B_0_1 | RXH_L4_B_2_3;
	char value[24];

	for (uint32_t i = 0; i < NIC_FLOW_KINDS; i++) {
		struct change c = { .kind = CHANGE_FIELDS };
		uint64_t to = RXH_IP_SRC | RXH_IP_DST;
		int code;

		if (nic_fields_paired(fields->of[i]))
			continue;
		if ((fields->of[i] & ports) != 0)
			to |= ports;
		name_target(&c, interface);
		(void)snprintf(c.name, sizeof(c.name), "%s", nic_flow_kinds[i]);
		(void)snprintf(value, sizeof(value), "0x%" PRIx64, to);
		code = undo_change(u, &c, value, NULL);
		if (code < 0)
			return code;
	}
	return 0;
}

static void repeat_key(struct nic_rss *rss)
{
	for (uint32_t i = 0; i < rss->key_bytes; i++)
		rss->key[i] = i % 2 == 0 ? 0x6d : 0x5a;
}

static void even_out(struct nic_rss *rss, uint32_t queues)
{
	for (uint32_t i = 0; i < rss->entries; i++)
		rss->entry[i] = i % queues;
}

static bool is_symmetric_now(const struct host *h, const char *interface)
{
	static struct view v;

	return look(h, interface, &v) == 0 && nic_is_symmetric(&v.rss, &v.fields);
}

/* attempt - one way. What does not work is taken back by undo_change(). */
static int attempt(struct undo *u, const char *interface, const struct nic_rss *to)
{
	static char value[CHANGE_VALUE_BYTES];
	struct change c = { .kind = CHANGE_RSS };
	int code = change_rss_format(to, value);

	name_target(&c, interface);
	if (code == 0)
		code = undo_change(u, &c, value, NULL);
	if (code >= 0 && !is_symmetric_now(u->host, interface))
		code = -EOPNOTSUPP;
	return code;
}

static int attempt_all(struct undo *u, const char *interface, const struct view *v, bool even)
{
	static const uint32_t transforms[] = { NIC_TRANSFORM_SYMMETRIC_OR_XOR,
					       NIC_TRANSFORM_SYMMETRIC_XOR };
	static struct nic_rss to;
	int code = -EOPNOTSUPP;

	for (size_t i = 0; code < 0 && i < array_count(transforms); i++) {
		to = v->rss;
		to.transform = transforms[i];
		if (even)
			even_out(&to, v->queues);
		code = attempt(u, interface, &to);
		if (code == -EPERM)
			return code;
	}
	if (code < 0 && v->rss.hash == NIC_HASH_TOEPLITZ && v->rss.key_bytes > 2) {
		to = v->rss;
		repeat_key(&to);
		if (even)
			even_out(&to, v->queues);
		code = attempt(u, interface, &to);
	}
	return code;
}

static void ignore(const struct undo_news *news, void *context)
{
	(void)news;
	(void)context;
}

int rss_make_symmetric(struct undo *u, const char *interface, struct rss_about *ret)
{
	static struct view v;
	struct rss_about about;
	int code = rss_look(u->host, interface, &about);

	if (code < 0)
		return code;
	*ret = about;
	if (about.state != RSS_NOT_SYMMETRIC)
		return 0;
	code = look(u->host, interface, &v);
	if (code == 0)
		code = pair_fields(u, interface, &v.fields);
	if (code == 0 && !is_symmetric_now(u->host, interface)) {
		code = attempt_all(u, interface, &v, !about.even);
		if (code < 0 && !about.even)
			code = attempt_all(u, interface, &v, false);
	}
	if (code < 0) {
		(void)undo_back(u, false, ignore, NULL);
		return code;
	}
	return rss_look(u->host, interface, ret) < 0 ? -EIO : 1;
}
