/* change - one setting of this machine: what it is now, and how it becomes something else.
 *
 * The value of an RSS: "transform=2 key=6d5a6d5a entries=0,1,2,3". A part that the interface does
 * not have is empty.
 */
#include "control/host/change.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const change_kind_names[CHANGE_KINDS] = {
	[CHANGE_FILE] = "file", [CHANGE_FEATURE] = "feature", [CHANGE_RINGS] = "rings",
	[CHANGE_RSS] = "rss",   [CHANGE_FIELDS] = "fields",
};

bool change_is_of_link(const struct change *c)
{
	return c->kind != CHANGE_FILE;
}

void change_describe(const struct change *c, char *ret, size_t bytes)
{
	const char *name = c->kind == CHANGE_RSS ? "RSS" : c->name;

	if (c->kind == CHANGE_FILE)
		(void)snprintf(ret, bytes, "%s", c->target);
	else if (c->kind == CHANGE_FIELDS)
		(void)snprintf(ret, bytes, "%s fields of %s", c->target, name);
	else if (c->kind == CHANGE_RINGS)
		(void)snprintf(ret, bytes, "%s ring %s", c->target, name);
	else
		(void)snprintf(ret, bytes, "%s %s", c->target, name);
}

static int put(char ret[CHANGE_VALUE_BYTES], const char *text)
{
	int n = snprintf(ret, CHANGE_VALUE_BYTES, "%s", text);

	return n < CHANGE_VALUE_BYTES ? 0 : -E2BIG;
}

/* ---- files ---- */

/* chosen_word - of "always [madvise] never", which is how some files show a choice. */
static void keep_chosen_word(char *text)
{
	char *begin = strchr(text, '['), *end = begin != NULL ? strchr(begin, ']') : NULL;

	if (end == NULL)
		return;
	*end = 0;
	memmove(text, begin + 1, strlen(begin + 1) + 1);
}

static int file_now(const struct host *h, const struct change *c, char ret[CHANGE_VALUE_BYTES])
{
	int code = host_read(h, c->target, ret, CHANGE_VALUE_BYTES);

	if (code == 0)
		keep_chosen_word(ret);
	if (code == 0 && strpbrk(ret, "\t\n") != NULL)
		code = -E2BIG;
	return code;
}

static int file_to(const struct host *h, const struct change *c, const char *value)
{
	return host_write(h, c->target, value);
}

/* ---- offloads ---- */

static int feature_now(const struct host *h, const struct change *c, char ret[CHANGE_VALUE_BYTES])
{
	struct nic_feature f = { .name = c->name };
	int code = nic_features(h->nic, c->target, &f, 1);

	if (code == 0 && !f.known)
		code = -EOPNOTSUPP;
	return code < 0 ? code : put(ret, f.active ? "on" : "off");
}

static int feature_to(const struct host *h, const struct change *c, const char *value)
{
	bool on = strcmp(value, "on") == 0;

	if (!on && strcmp(value, "off") != 0)
		return -EINVAL;
	return nic_feature_set(h->nic, c->target, c->name, on);
}

/* ---- rings ---- */

static int rings_now(const struct host *h, const struct change *c, char ret[CHANGE_VALUE_BYTES])
{
	struct nic_rings rings;
	char text[16];
	int code = nic_rings(h->nic, c->target, &rings);

	if (code < 0)
		return code;
	(void)snprintf(text, sizeof(text), "%" PRIu32, rings.rx);
	return put(ret, text);
}

static int rings_to(const struct host *h, const struct change *c, const char *value)
{
	char *end;
	unsigned long v = strtoul(value, &end, 10);

	if (end == value || *end != 0 || v == 0 || v > UINT32_MAX)
		return -EINVAL;
	return nic_rings_set(h->nic, c->target, (uint32_t)v);
}

/* ---- RSS ---- */

int change_rss_format(const struct nic_rss *rss, char ret[CHANGE_VALUE_BYTES])
{
	size_t used, room = CHANGE_VALUE_BYTES;

	used = (size_t)snprintf(ret, room, "transform=%" PRIu32 " key=", rss->transform);
	for (uint32_t i = 0; i < rss->key_bytes && used < room; i++)
		used += (size_t)snprintf(ret + used, room - used, "%02x", rss->key[i]);
	if (used < room)
		used += (size_t)snprintf(ret + used, room - used, " entries=");
	for (uint32_t i = 0; i < rss->entries && used < room; i++)
		used += (size_t)snprintf(ret + used, room - used, "%s%" PRIu32, i > 0 ? "," : "",
					 rss->entry[i]);
	return used < room ? 0 : -E2BIG;
}

/* skip_word - *at moves behind it. */
static bool skip_word(const char **at, const char *word)
{
	size_t bytes = strlen(word);

	if (strncmp(*at, word, bytes) != 0)
		return false;
	*at += bytes;
	return true;
}

static int hex_digit(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = c != 0 ? strchr(digits, c) : NULL;

	return at != NULL ? (int)(at - digits) : -1;
}

static bool read_key(const char **at, struct nic_rss *rss)
{
	for (; hex_digit((*at)[0]) >= 0; *at += 2) {
		if (hex_digit((*at)[1]) < 0 || rss->key_bytes == sizeof(rss->key))
			return false;
		rss->key[rss->key_bytes++] = (uint8_t)(hex_digit((*at)[0]) << 4 |
						       hex_digit((*at)[1]));
	}
	return true;
}

static bool read_number(const char **at, uint32_t *ret)
{
	char *end;
	unsigned long v;

	if (**at < '0' || **at > '9')
		return false;
	v = strtoul(*at, &end, 10);
	*at = end;
	*ret = (uint32_t)v;
	return v <= UINT32_MAX;
}

static bool read_entries(const char **at, struct nic_rss *rss)
{
	while (**at != 0) {
		if (rss->entries == NIC_ENTRIES_MAX || !read_number(at, &rss->entry[rss->entries]))
			return false;
		rss->entries++;
		if (**at == ',')
			++*at;
		else if (**at != 0)
			return false;
	}
	return true;
}

static int parse_rss(const char *at, struct nic_rss *ret)
{
	*ret = (struct nic_rss){ 0 };
	if (skip_word(&at, "transform=") && read_number(&at, &ret->transform) &&
	    skip_word(&at, " key=") && read_key(&at, ret) && skip_word(&at, " entries=") &&
	    read_entries(&at, ret))
		return 0;
	return -EINVAL;
}

static int rss_now(const struct host *h, const struct change *c, char ret[CHANGE_VALUE_BYTES])
{
	struct nic_rss rss;
	int code = nic_rss(h->nic, c->target, &rss);

	return code < 0 ? code : change_rss_format(&rss, ret);
}

/* Only what differs is set: a driver may refuse to be told what it has already. */
static int rss_to(const struct host *h, const struct change *c, const char *value)
{
	struct nic_rss now, to;
	uint32_t parts = 0;
	int code = parse_rss(value, &to);

	if (code == 0)
		code = nic_rss(h->nic, c->target, &now);
	if (code < 0)
		return code;
	if (to.key_bytes != now.key_bytes || to.entries != now.entries)
		return -EINVAL;
	if (to.transform != now.transform)
		parts |= NIC_RSS_TRANSFORM;
	if (memcmp(to.key, now.key, now.key_bytes) != 0)
		parts |= NIC_RSS_KEY;
	if (memcmp(to.entry, now.entry, now.entries * sizeof(now.entry[0])) != 0)
		parts |= NIC_RSS_ENTRIES;
	return parts == 0 ? 0 : nic_rss_set(h->nic, c->target, &to, parts);
}

/* ---- fields that are hashed ---- */

static int find_flow_kind(const char *name)
{
	for (int i = 0; i < NIC_FLOW_KINDS; i++)
		if (strcmp(nic_flow_kinds[i], name) == 0)
			return i;
	return -EINVAL;
}

static int fields_now(const struct host *h, const struct change *c, char ret[CHANGE_VALUE_BYTES])
{
	struct nic_fields fields;
	char text[24];
	int kind = find_flow_kind(c->name), code;

	if (kind < 0)
		return kind;
	code = nic_fields(h->nic, c->target, &fields);
	if (code < 0)
		return code;
	(void)snprintf(text, sizeof(text), "0x%" PRIx64, fields.of[kind]);
	return put(ret, text);
}

static int fields_to(const struct host *h, const struct change *c, const char *value)
{
	int kind = find_flow_kind(c->name);
	char *end;
	uint64_t v = strtoull(value, &end, 16);

	if (kind < 0 || end == value || *end != 0)
		return -EINVAL;
	return nic_fields_set(h->nic, c->target, (uint32_t)kind, v);
}

/* ---- all of them ---- */

static const struct {
	int (*now)(const struct host *h, const struct change *c, char ret[CHANGE_VALUE_BYTES]);
	int (*to)(const struct host *h, const struct change *c, const char *value);
} how[CHANGE_KINDS] = {
	[CHANGE_FILE] = { file_now, file_to },       [CHANGE_FEATURE] = { feature_now, feature_to },
	[CHANGE_RINGS] = { rings_now, rings_to },    [CHANGE_RSS] = { rss_now, rss_to },
	[CHANGE_FIELDS] = { fields_now, fields_to },
};

int change_now(const struct host *h, const struct change *c, char ret[CHANGE_VALUE_BYTES])
{
	if (change_is_of_link(c) && h->nic == NULL)
		return -EOPNOTSUPP;
	return how[c->kind].now(h, c, ret);
}

int change_to(const struct host *h, const struct change *c, const char *value)
{
	static char now[CHANGE_VALUE_BYTES];
	int code;

	if (change_is_of_link(c) && h->nic == NULL)
		return -EOPNOTSUPP;
	code = how[c->kind].to(h, c, value);
	if (code == 0)
		code = change_now(h, c, now);
	if (code < 0)
		return code;
	return strcmp(now, value) == 0 ? 0 : -EOPNOTSUPP;
}
