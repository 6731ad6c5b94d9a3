/* early - packets of a connection of which earlier ones may still be under way.
 *
 *     SYN, SYN/ACK         taken as they come
 *     anything else        before both of them: kept, in the order in which it was captured, until
 *                          both are there or --gap-wait is over; then taken in that order
 *
 * Where one worker hands packets to another, a connection's first ones may come behind later ones.
 * Behind its start that is a hole, which reassembly waits for. Where a stream starts nobody can
 * tell from a packet in the middle of it: so that one waits. Whoever expects no such thing
 * (reassembly_settings.starts_late) keeps nothing here.
 *
 * A connection has such packets while SEEN_EARLY is among what its side A has seen, and is then on
 * the list of those that wait.
 *
 * Reassembly's own. Threads: the worker. Memory: the worker's arena, under the caps on what is held
 * and EARLY_MOST packets.
 */
#ifndef DATAPLANE_REASSEMBLY_EARLY_H
#define DATAPLANE_REASSEMBLY_EARLY_H

#include "dataplane/reassembly/reassembly.h"

/* Of a connection, and of all of a worker's. */
enum { EARLY_FEW = 256, EARLY_MOST = 16384 };

struct early {
	struct early *next;
	struct packet packet; /* its payload is `data`, and nothing else of its frame is there */
	uint8_t data[];
};

/* early_wants - has the packet of an open connection to wait, or to queue behind some that do? */
bool early_wants(const struct reassembly *r, const struct flow *f, const struct packet *p);

/* early_keep - a copy of it. False: there is no room. */
bool early_keep(struct reassembly *r, struct flow *f, const struct packet *p);

/* early_is_over - both SYNs are there. */
bool early_is_over(const struct reassembly *r, const struct flow *f);

/* early_take - all of them, oldest first, NULL: none; the connection has none any more. Each is
 * given back with early_free(). */
struct early *early_take(struct reassembly *r, struct flow *f);
void early_free(struct reassembly *r, struct early *e);

#endif
