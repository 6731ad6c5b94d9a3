/* af_xdp_busy - preferred busy polling: the worker's own calls drive the driver, not interrupts.
 *
 * Besides options of the sockets it takes two settings of the interface, which are everybody's:
 * napi_defer_hard_irqs and gro_flush_timeout. The kernel wants CAP_NET_ADMIN from whoever writes
 * them, even into a file opened before, and a port has no privilege left when it is closed. So a
 * small process is left behind that holds the two files, the former values and that one
 * capability, and does nothing but wait until its pipe is closed: by af_xdp_busy_close() or
 * because this process is gone, killed too. Then it puts the values back and ends.
 *
 * Threads: main.
 */
#ifndef DATAPLANE_RX_AF_XDP_BUSY_H
#define DATAPLANE_RX_AF_XDP_BUSY_H

#include "dataplane/rx/rx.h"

struct af_xdp_busy {
	bool on;
	int stop_fd, done_fd; /* pipes: to the keeper of the settings, and from it */
};

/* af_xdp_busy_socket - Returns: 0; -errno with err. */
int af_xdp_busy_socket(int fd, uint32_t budget_packets, struct rx_error *err);

/* af_xdp_busy_open - set the interface's settings. Returns: 0; -ENOTSUP with err: /sys is not the
 * one of this network namespace; -errno with err. */
int af_xdp_busy_open(struct af_xdp_busy *ret, const char *interface, int ifindex,
		     struct rx_error *err);

/* af_xdp_busy_close - the settings are as they were when this returns, unless that takes more than
 * a second. Accepts a zeroed one. */
void af_xdp_busy_close(struct af_xdp_busy *b);

#endif
