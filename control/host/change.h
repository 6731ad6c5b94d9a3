/* change - one setting of this machine: what it is now, and how it becomes something else.
 *
 *     kind      target     name               value
 *     file      path       -                  the file's text
 *     feature   interface  rx-gro             on, off
 *     rings     interface  rx                 packets
 *     rss       interface  -                  transform, key and table (change.c says how)
 *     fields    interface  tcp4               the fields hashed, a number in hexadecimal
 *
 * Values are text without tab and newline, so that the journal (undo.h) can hold any of them.
 */
#ifndef CONTROL_HOST_CHANGE_H
#define CONTROL_HOST_CHANGE_H

#include "control/host/host.h"

enum { CHANGE_TARGET_BYTES = 192, CHANGE_NAME_BYTES = 32, CHANGE_VALUE_BYTES = 32768 };

enum change_kind {
	CHANGE_FILE,
	CHANGE_FEATURE,
	CHANGE_RINGS,
	CHANGE_RSS,
	CHANGE_FIELDS,
	CHANGE_KINDS
};

struct change {
	enum change_kind kind;
	char target[CHANGE_TARGET_BYTES];
	char name[CHANGE_NAME_BYTES];
};

extern const char *const change_kind_names[CHANGE_KINDS];

/* change_is_of_link - its target is an interface. */
bool change_is_of_link(const struct change *c);

/* change_now - Returns: 0; -EOPNOTSUPP: there is no such setting; -E2BIG; -errno. */
int change_now(const struct host *h, const struct change *c, char ret[CHANGE_VALUE_BYTES]);

/* change_to - Returns: 0: it is so now, as read again; -EINVAL: no such value; -errno. */
int change_to(const struct host *h, const struct change *c, const char *value);

/* change_rss_format - an RSS as the value of a change. */
int change_rss_format(const struct nic_rss *rss, char ret[CHANGE_VALUE_BYTES]);

/* change_describe - "eth0 rx-gro", "/proc/sys/net/core/bpf_jit_enable". */
void change_describe(const struct change *c, char *ret, size_t bytes);

#endif
