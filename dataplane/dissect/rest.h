/* rest - a connection on which nothing is under way needs hardly anything.
 *
 *     struct conn, the dissector's state  ---conn_rest()--->  16 bytes in the flow
 *                                         <--conn_wake()----
 *
 * Between two exchanges of a keep-alive connection nothing is gathered, no
 * message is open and no request unanswered: all that must be known is who
 * speaks what, how many requests there have been, and what little the dissector
 * says. So an idle connection costs its flow and nothing else, and the memory of those
 * that talk is used again while it is still in the caches.
 *
 * Waking costs some stores, so connections rest only while there are more than
 * `conns_awake` of them. What nobody reads rests at once and for good: its bytes are counted without
 * it.
 *
 * The host's own. Threads: the worker.
 */
#ifndef DATAPLANE_DISSECT_REST_H
#define DATAPLANE_DISSECT_REST_H

#include "dataplane/dissect/conn.h"

/* conn_new - a zeroed connection of the flow, undecided. NULL: no memory, and it is counted. */
struct conn *conn_new(struct host *h, struct flow *f);

/* conn_free - it has ended; its state goes too. */
void conn_free(struct conn *c);

/* conn_state_take, _free - a dissector's state, zeroed; _free also what conn_take() gave: who spoke
 * it speaks it no more. NULL: no memory. */
void *conn_state_take(struct host *h, uint32_t proto);
void conn_state_free(struct conn *c);
void conn_memory_free(struct host *h, struct memory **list);

/* conn_rest - lay it to rest if nothing is under way on it. Returns true if `c` is gone. */
bool conn_rest(struct conn *c);

/* conn_wake - the flow's connection if it rests and somebody reads it; else NULL. Without the memory
 * it is forgotten: what comes then is joined in the middle. */
struct conn *conn_wake(struct host *h, struct flow *f);

/* conn_rests_unread - does a connection rest that nobody reads? */
bool conn_rests_unread(const struct flow *f);

/* conn_forget - the connection has ended. */
void conn_forget(struct flow *f);

/* conn_spare_fini - give back what is kept for the next ones. */
void conn_spare_fini(struct host *h);

#endif
