/* dpdk_args - the argument of --rx dpdk:DEVICE[,NAME=VALUE…]: what is weir's and what the driver's.
 *
 *     dpdk:net_af_packet0,iface=eth0,mbufs=16384,framesz=4096
 *          `------------- -----------  `-- weir's -------------' goes to EAL as it is
 *
 * Words whose name is in dpdk_options are weir's, wherever they stand; everything else is
 * the device and its driver's arguments, untouched and in order. No driver of DPDK 22.11 has an
 * argument of one of these names. A comma within brackets does not end a word.
 *
 * No DPDK type in here.
 */
#ifndef DATAPLANE_RX_DPDK_ARGS_H
#define DATAPLANE_RX_DPDK_ARGS_H

#include "dataplane/rx/options.h"

enum { DPDK_DEVICE_BYTES = 512, DPDK_NAME_BYTES = 64 };

/* What is known of a device: who counts beside it, and what it needs to be told. */
enum dpdk_kind {
	DPDK_PCI,
	DPDK_AF_PACKET,
	DPDK_AF_XDP,
	DPDK_PCAP_INTERFACE,
	DPDK_PCAP_FILE,
	DPDK_TAP,
	DPDK_RING,
	DPDK_NULL,
	DPDK_MEMIF,
	DPDK_OTHER, /* any other that EAL knows */
};

enum dpdk_pages { DPDK_PAGES_AUTO, DPDK_PAGES_HUGE, DPDK_PAGES_SMALL };
enum dpdk_flows { DPDK_FLOWS_NEW, DPDK_FLOWS_SAME };

struct dpdk_args {
	/* weir's options */
	uint64_t pages, mbufs, mbuf_bytes, descriptors, flows, rounds, core, telemetry, messages;
	char feed[256];
	/* the device */
	enum dpdk_kind kind;
	char name[DPDK_NAME_BYTES];     /* net_af_packet0, 0000:01:00.0 */
	char device[DPDK_DEVICE_BYTES]; /* what EAL gets: the name and the driver's arguments */
	char interface[48];             /* of the kernel, beneath it; "": none */
};

#define DPDK_NO_CORE UINT64_MAX

extern const struct rx_option dpdk_options[];

/* dpdk_args_read - Returns: 0; -EINVAL with err: what is wrong and what would be right. */
int dpdk_args_read(const char *argument, struct dpdk_args *ret, struct rx_error *err);

/* dpdk_args_value - of one of the driver's arguments; false: it is not given. A value that does not
 * fit is cut. */
bool dpdk_args_value(const struct dpdk_args *a, const char *name, char *ret, size_t bytes);

/* dpdk_args_nth - of one that may be given several times. */
bool dpdk_args_nth(const struct dpdk_args *a, const char *name, uint32_t n, char *ret,
		   size_t bytes);

/* dpdk_args_count - how often it is given. */
uint32_t dpdk_args_count(const struct dpdk_args *a, const char *name);

/* dpdk_args_add - `name=value` for the driver, unless the user gave that himself.
 * Returns: 0; -EINVAL: it does not fit. */
int dpdk_args_add(struct dpdk_args *a, const char *name, uint64_t value);

/* dpdk_args_complete - what the driver is told where the user did not say: rings that last for some
 * milliseconds, frames as long as the interface's (`mtu_bytes`; 0: unknown), a queue per worker.
 * Also makes mbuf_bytes large enough where the driver insists. Returns: as dpdk_args_add(). */
int dpdk_args_complete(struct dpdk_args *a, uint32_t workers, uint32_t mtu_bytes);

/* dpdk_args_memory_bytes - what its pools need for so many workers. */
uint64_t dpdk_args_memory_bytes(const struct dpdk_args *a, uint32_t workers);

#endif
