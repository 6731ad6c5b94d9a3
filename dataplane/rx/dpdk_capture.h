/* dpdk_capture - walks a capture file once, before the first packet: what a feed is made of, and
 * how many packets a file has that a driver will read.
 *
 * No DPDK type in here. Threads: main, before the sandbox.
 */
#ifndef DATAPLANE_RX_DPDK_CAPTURE_H
#define DATAPLANE_RX_DPDK_CAPTURE_H

#include "dataplane/rx/rx.h"

/* What is called for every packet. Returns: 0; anything else ends the walk, and is its result. */
typedef int dpdk_capture_fn(void *context, const struct packet *packet);

/* dpdk_capture_walk - everything that weir reads, compressed or not. Returns: 0; what fn returned;
 * -ENOENT and others, with err: it cannot be read, or is damaged. */
int dpdk_capture_walk(const char *path, dpdk_capture_fn *fn, void *context, struct rx_error *err);

struct dpdk_capture_size {
	uint64_t packets, bytes;
	uint32_t longest_bytes;
};

/* dpdk_capture_measure - Returns: as dpdk_capture_walk(). */
int dpdk_capture_measure(const char *path, struct dpdk_capture_size *ret, struct rx_error *err);

#endif
