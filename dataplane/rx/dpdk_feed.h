/* dpdk_feed - a capture in memory, put into the rings of a net_ring port over and over.
 *
 *     open: capture -> frames in memory, an mbuf for each -> by flow to the queue of a worker
 *     run:  a thread per queue: [ new addresses ] -> ring -> worker -> free
 *
 * An mbuf is never freed: the feeder holds it, lends it to the worker with a second reference, and
 * uses it again when that is gone; so nothing is copied or allocated while it runs. Each
 * queue has the flows that its worker owns. When the ring is full the feeder waits: nothing is
 * lost.
 *
 * What was offered is what the feeder has put into the ring.
 *
 * Threads: open, stop and close: main or the worker whose queue it is; the counts: any.
 */
#ifndef DATAPLANE_RX_DPDK_FEED_H
#define DATAPLANE_RX_DPDK_FEED_H

#include "dataplane/rx/dpdk_args.h"

struct dpdk_feed;

/* dpdk_feed_open - read the capture; a queue for each of how->workers. Memory: once its size.
 * Returns: 0; -ENOENT and others of the capture, -ENODATA: nothing is in it, -ENOMEM; with err. */
int dpdk_feed_open(const struct dpdk_args *args, const struct rx_open *how, struct dpdk_feed **ret,
		   struct rx_error *err);

/* dpdk_feed_start - begin to fill the queues of this port. Returns: 0, -errno. */
int dpdk_feed_start(struct dpdk_feed *f, uint16_t port);

/* dpdk_feed_stop - `queue` gets nothing more after this has returned. */
void dpdk_feed_stop(struct dpdk_feed *f, uint32_t queue);

/* dpdk_feed_offered - put into the ring of the queue so far; `ret_over`: and there will be no
 * more. */
uint64_t dpdk_feed_offered(const struct dpdk_feed *f, uint32_t queue, bool *ret_over);

uint32_t dpdk_feed_link(const struct dpdk_feed *f); /* the capture's link type */

/* dpdk_feed_close - every mbuf must have been given back. Accepts NULL. */
void dpdk_feed_close(struct dpdk_feed *f);

#endif
