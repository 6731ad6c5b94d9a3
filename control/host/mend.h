/* mend - what --fix and --undo do, told line by line.
 *
 * Threads: main.
 */
#ifndef CONTROL_HOST_MEND_H
#define CONTROL_HOST_MEND_H

#include "control/host/check.h"
#include "control/host/undo.h"

/* The journal of `weir check --fix`, and what the names of all others begin with. */
#define MEND_OWNER "check"

struct deed {
	enum undo_end_of what; /* of an undo */
	const char *word;      /* "set", "back", "gone", "left", "same"; with dry "would" */
	bool failed;           /* it is not as it should be */
	char text[CHECK_TEXT_BYTES + 64];
};

struct deeds {
	struct deed *deed;
	uint32_t count, room, failed;
	uint32_t made; /* settings changed, or with `dry` that would be */
};

void deeds_free(struct deeds *d);

/* mend_fix - make the changes that a report wants. Those of an interface that has an address and
 * was not chosen are left: this host lives on it. Returns: 0; -errno: nothing can be changed, and
 * nothing was. */
int mend_fix(const struct host *h, const struct report *r, bool dry, struct deeds *ret);

/* mend_undo - put back everything that any journal names, unless its owner is alive.
 * Returns: 0; -errno. */
int mend_undo(const struct host *h, bool dry, struct deeds *ret);

/* mend_leftovers - put back what captures that were killed have left. Returns: as mend_undo(). */
int mend_leftovers(const struct host *h, struct deeds *ret);

#endif
