/* dpdk_device - one device of EAL's, opened for all workers: a receive queue for each.
 *
 *     plan -> EAL up -> probe -> configure -> queues -> start -> who counts beneath it
 *
 * The first worker's port opens the device, the others find it; the last that closes gives it back.
 *
 * Threads: main.
 */
#ifndef DATAPLANE_RX_DPDK_DEVICE_H
#define DATAPLANE_RX_DPDK_DEVICE_H

#include <stdatomic.h>

#include <rte_ethdev.h>

#include "dataplane/rx/dpdk_args.h"
#include "dataplane/rx/dpdk_capture.h"
#include "dataplane/rx/dpdk_clock.h"
#include "dataplane/rx/dpdk_feed.h"
#include "dataplane/rx/dpdk_kernel.h"

enum { DPDK_QUEUES = 64, DPDK_BURST = 64 };

struct dpdk_queue {
	int fd; /* of the driver's socket; -1: it has none that is known */
	struct rte_mempool *pool;
	uint64_t records; /* of the file it reads; 0: unknown */
};

struct dpdk_device {
	struct dpdk_device *next;
	struct dpdk_args args;
	uint32_t users, workers;
	uint16_t port;
	struct rte_eth_dev_info info;
	struct dpdk_queue queue[DPDK_QUEUES];
	uint32_t ring_packets;
	bool loops; /* a file without end */
	enum rx_spread spread;
	bool stamps; /* the port stamps packets with its own clock */
	struct af_xdp_program *program;
	uint32_t first_queue; /* of the interface beneath */
	struct dpdk_feed *feed;
	struct interface held;  /* keeps it promiscuous; its port's is another */
	atomic_uint running;    /* ports that were not stopped */
	atomic_uint unfinished; /* ports whose file or feed is not over */
	atomic_bool removed;    /* the device was taken out */
	/* Worker 0 reads the port's clock, all use what it found. */
	struct dpdk_clock clock[2];
	atomic_uint clock_at;
};

/* dpdk_device_open - for worker 0 of a source: `ret` has one user. Others: the same device, found.
 * Returns: 0; -EINVAL: the argument, or more workers than queues; -ENODEV, -EBUSY, -EPERM and
 * others: the source; with err. */
int dpdk_device_open(const struct rx_open *how, struct dpdk_device **ret, struct rx_error *err);
void dpdk_device_close(struct dpdk_device *d);

/* dpdk_device_count - make the books of a queue's port. Returns: 0, -errno with err. */
int dpdk_device_count(struct dpdk_device *d, uint32_t queue, struct dpdk_kernel *ret,
		      struct rx_error *err);

/* dpdk_device_read_clock - Threads: worker 0's and, before it, main. */
void dpdk_device_read_clock(struct dpdk_device *d);

#endif
