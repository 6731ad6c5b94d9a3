/* rss - both directions of a flow on one receive queue, by the interface's own hash.
 *
 * In order of preference: a transform that makes the hash symmetric (symmetric-or-xor, then
 * symmetric-xor), else a Toeplitz key that repeats every 16 bits. Fields hashed for one side only
 * are hashed for both; a table that is uneven becomes even, where the driver lets it.
 */
#ifndef CONTROL_HOST_RSS_H
#define CONTROL_HOST_RSS_H

#include "control/host/undo.h"

enum rss_state {
	RSS_SYMMETRIC,
	RSS_NOT_SYMMETRIC,
	RSS_ONE_QUEUE, /* all packets come in on one */
	RSS_NONE,      /* the interface has none that can be asked */
};

struct rss_about {
	enum rss_state state;
	uint32_t queues, used, entries; /* `used`: that the table names */
	bool even;                      /* each of them about as often */
	const char *by;                 /* "key", "symmetric-xor"; NULL where not symmetric */
};

/* rss_look - Returns: 0; -errno. */
int rss_look(const struct host *h, const char *interface, struct rss_about *ret);

/* rss_make_symmetric - Returns: 1: it was made so, *ret says how; 0: nothing to do, or nothing that
 * could be done: *ret is what there is; -errno: no way worked, and all is as it was. */
int rss_make_symmetric(struct undo *u, const char *interface, struct rss_about *ret);

#endif
