/* undo - a journal of changes to this machine, so that each can be put back exactly.
 *
 *     /run/weir/undo/OWNER        root's alone
 *     + kind target name namespace index address before after      one line per change
 *
 * Before a change is made its line is on the disk (fsync). So whatever kills weir, when, the
 * journal names at least what was changed; undoing a change that was not made finds the old value
 * there already and does nothing. A line that was put back gets a - instead of its +, in place; a
 * line without its newline was being written when weir died, before its change, and does not count.
 *
 * The journal is locked for as long as its owner lives. A locked one is left alone: somebody is
 * using what it says. /run is emptied when the machine starts, which is also when the settings are
 * new.
 *
 * An interface is known by the namespace it is in, its index, and its name or its address. One that
 * is gone took its settings with it: its lines are dropped. One of another namespace cannot be seen
 * from here: its lines stay, as long as that namespace is there.
 */
#ifndef CONTROL_HOST_UNDO_H
#define CONTROL_HOST_UNDO_H

#include "control/host/change.h"

/* In /run/weir, among the folders of runs, none of which has this name. */
#define UNDO_FOLDER "undo"

enum { UNDO_OWNER_BYTES = 96, UNDO_JOURNAL_MAX = 1 << 20 };

struct undo {
	const struct host *host;
	int folder_fd, fd; /* fd: the journal, locked */
	char owner[UNDO_OWNER_BYTES];
};

/* undo_begin - open or make the journal of an owner, and lock it. What is in it stays in it.
 * Returns: 0; -EBUSY: its owner is alive; -EACCES, -EPERM: only root may; -errno. */
int undo_begin(struct undo *ret, const struct host *h, const char *owner);

/* undo_end - and remove the journal if there is nothing left to put back. */
void undo_end(struct undo *u);

/* undo_change - write down what is, then change it. Returns: 1: changed; 0: it was so already;
 * -errno: it is as it was. `ret_before` may be NULL. */
int undo_change(struct undo *u, const struct change *c, const char *value,
		char ret_before[CHANGE_VALUE_BYTES]);

/* What became of a line. */
enum undo_end_of {
	UNDO_DONE,    /* put back */
	UNDO_NOTHING, /* it was as before */
	UNDO_GONE,    /* the interface is not there any more: dropped */
	UNDO_AWAY,    /* it is in another network namespace: kept */
	UNDO_FAILED,  /* kept; code says why */
	UNDO_BUSY,    /* its owner is alive: kept; there is no change to show */
};

struct undo_news {
	enum undo_end_of what;
	const char *owner;
	const struct change *change;
	const char *from, *to;
	int code;
};

typedef void undo_say_fn(const struct undo_news *news, void *context);

/* undo_back - the latest first. With `dry` nothing is changed and UNDO_DONE means "would be".
 * Returns: lines that are left (with `dry`: that would be put back); -errno: the journal cannot be
 * read. */
int undo_back(struct undo *u, bool dry, undo_say_fn *say, void *context);

/* undo_all - every journal whose owner begins with `prefix`. Returns: lines that are left; 0 also
 * where there never was a journal; -errno. */
int undo_all(const struct host *h, const char *prefix, bool dry, undo_say_fn *say, void *context);

#endif
