/* dpdk_kernel - what the kernel counts beneath a virtual device of DPDK.
 *
 * The drivers' own counters do not tell what was lost: that of net_af_packet never asks its socket,
 * that of net_af_xdp leaves out what found the ring full. But their sockets are descriptors of this
 * process: they are found by looking which were opened while the driver set up its queue, and asked
 * past it.
 *
 *     net_af_packet, net_pcap   the packet socket's statistics: packet_socket.h
 *     net_af_xdp                the socket's statistics, and an XDP program that counts what it
 *                               hands to it. The driver's own program counts nothing and stays
 *                               attached when the process is killed; it is replaced by weir's (the
 *                               sockets are the driver's all the same), which goes with it
 *     net_tap                   what the kernel says it gave to the tap, and dropped before that
 *     all others                nobody: what they lost cannot be checked
 *
 * No DPDK type in here. Threads: open and close in the main thread; the others are the port's.
 * System calls after open(): getsockopt on the driver's socket, those of interface.h.
 */
#ifndef DATAPLANE_RX_DPDK_KERNEL_H
#define DATAPLANE_RX_DPDK_KERNEL_H

#include <sys/socket.h>

#include "dataplane/rx/packet_socket.h"

struct af_xdp_program;

/* ---- descriptors ---- */

enum { DPDK_FDS = 4096 };

struct dpdk_fds {
	uint8_t open[DPDK_FDS / 8];
};

/* dpdk_fds_note - which descriptors are open now. */
void dpdk_fds_note(struct dpdk_fds *ret);

/* dpdk_fds_socket - the n-th socket of that family that was not open then; of AF_PACKET, bound to
 * the interface. Drivers open those of their queues in order. Returns: -1: there is none. */
int dpdk_fds_socket(const struct dpdk_fds *before, int family, int ifindex, uint32_t n);

/* ---- counting ---- */

enum dpdk_counts { DPDK_COUNTS_NOBODY, DPDK_COUNTS_SOCKET, DPDK_COUNTS_XSK, DPDK_COUNTS_TAP };

struct dpdk_kernel {
	enum dpdk_counts who;
	struct packet_socket socket; /* SOCKET */
	/* XSK and TAP */
	uint64_t received;
	bool ended, gone, leads;
	uint64_t deadline_ns; /* CLOCK_MONOTONIC after which nothing comes any more */
	struct interface interface;
	struct interface_losses losses;
	/* XSK */
	int fd;
	uint32_t queue, ring_packets;
	struct af_xdp_program *program; /* NULL: the user's own */
	uint64_t driver;                /* as told: it never falls */
};

/* dpdk_kernel_socket - `interface` is taken. */
void dpdk_kernel_socket(struct dpdk_kernel *k, int fd, const struct interface *interface,
			bool leads);

/* dpdk_kernel_xsk - `program` and `interface` are taken. */
void dpdk_kernel_xsk(struct dpdk_kernel *k, int fd, uint32_t queue, uint32_t ring_packets,
		     struct af_xdp_program *program, const struct interface *interface, bool leads);

/* dpdk_kernel_tap - `interface` is taken. One of several ports leads and counts for all. */
void dpdk_kernel_tap(struct dpdk_kernel *k, const struct interface *interface, bool leads);

void dpdk_kernel_close(struct dpdk_kernel *k); /* accepts a zeroed one */

/* dpdk_kernel_keep_silent - before net_af_xdp: libxdp, on which it calls, would say on the terminal
 * what goes wrong, and at the end that the program which the driver attached is not there any more. */
void dpdk_kernel_keep_silent(void);

/* dpdk_kernel_replace - the XDP program that the driver has attached, by weir's: *ret with one
 * user, whose queues are still to be connected. Returns: 0; -errno with err. */
int dpdk_kernel_replace(const char *interface, int ifindex, uint32_t queues,
			struct af_xdp_program **ret, struct rx_error *err);

/* ---- capture ---- */

uint32_t dpdk_kernel_room(const struct dpdk_kernel *k, uint32_t room);
void dpdk_kernel_pulled(struct dpdk_kernel *k, uint32_t count);

/* dpdk_kernel_stop - draw the line, where the kernel can. */
void dpdk_kernel_stop(struct dpdk_kernel *k);

/* dpdk_kernel_state - `waiting`: more can be pulled at once. */
enum rx_state dpdk_kernel_state(struct dpdk_kernel *k, bool waiting, struct rx_error *err);

/* dpdk_kernel_counters - all of ret; `waiting` packets are in the port's hands already. With nobody
 * who counts, `offered` is RX_UNKNOWN. */
void dpdk_kernel_counters(struct dpdk_kernel *k, uint32_t waiting, struct rx_counters *ret);

/* dpdk_kernel_wait_fd - -1: there is nothing to be woken by. */
int dpdk_kernel_wait_fd(const struct dpdk_kernel *k);

#endif
