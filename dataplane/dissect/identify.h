/* identify - which protocol is this?
 *
 * One Hyperscan block scan over at most the first 64 bytes of the side that
 * speaks first names the candidates; their probes decide. The other side is
 * scanned only when none said yes. Ports are a hint to a probe, never proof. Datagrams have
 * patterns and probes of their own; each is looked at for itself.
 *
 * Threads: the database is shared and read-only; each worker has its own scratch.
 */
#ifndef DATAPLANE_DISSECT_IDENTIFY_H
#define DATAPLANE_DISSECT_IDENTIFY_H

#include <stdint.h>

#include "dissectors/registry.h"

enum {
	IDENTIFY_SCAN_BYTES = 64,   /* looked at by the scan */
	IDENTIFY_FIRST_BYTES = 8,   /* wanted before it */
	IDENTIFY_PROBE_BYTES = 256, /* shown to probes; undecided after that is decided */
	IDENTIFY_SEGMENTS = 3,      /* or after this many segments */
	IDENTIFY_DATAGRAMS = 2,     /* of a side that nobody knew: the rest is not looked at */
};

struct identify_database; /* two hs_database_t behind it: of streams and of datagrams */

struct identify {
	const struct identify_database *database;
	void *scratch;    /* hs_scratch_t */
	uint64_t enabled; /* bit per dissector */
};

/* identify_compile - of every registered dissector's patterns, once per process.
 * `names` as settings.dissectors; empty: all. Returns: 0; -EINVAL with *ret_bad naming what did not
 * compile or is not known; -ENOMEM. */
int identify_compile(const char *names, struct identify_database **ret, uint64_t *ret_enabled,
		     const char **ret_bad);
void identify_free(struct identify_database *d);

/* identify_init - one worker's view. Returns: 0, -ENOMEM. */
int identify_init(struct identify *i, const struct identify_database *d, uint64_t enabled);
void identify_fini(struct identify *i);

/* identify_side - what does this side speak? `candidates` is a set of dissectors, updated: on the
 * first call UINT64_MAX; later calls (more bytes) ask only the probes that are still undecided.
 *
 * Returns: GUESS_YES and *ret; GUESS_MORE while somebody wants more and `last` is false; GUESS_NO.
 *          With `last` a MAYBE wins when nobody said yes. */
enum guess identify_side(const struct identify *i, struct slice first, uint16_t port, bool last,
			 uint64_t *candidates, uint32_t *ret);

/* identify_datagram - what is this datagram? Returns true and *ret, or false: nobody knows it. */
bool identify_datagram(const struct identify *i, struct slice datagram, uint16_t port,
		       uint32_t *ret);

#endif
