/* af_xdp_umem - the frames of one queue: one area of memory that the kernel writes packets into.
 *
 * It lies on huge pages where the machine has some to spare. The area is shared with nobody, and
 * children do not inherit it: the kernel holds its pages.
 *
 * Threads: main. Cost: all memory is there when af_xdp_umem_open() returns.
 */
#ifndef DATAPLANE_RX_AF_XDP_UMEM_H
#define DATAPLANE_RX_AF_XDP_UMEM_H

#include "dataplane/rx/rx.h"

enum af_xdp_huge { AF_XDP_HUGE_AUTO, AF_XDP_HUGE_ON, AF_XDP_HUGE_OFF };

struct af_xdp_umem {
	uint8_t *area;
	size_t bytes, mapped_bytes;
	bool huge;
};

/* af_xdp_umem_open - Returns: 0; -ENOMEM with err. */
int af_xdp_umem_open(struct af_xdp_umem *ret, size_t bytes, enum af_xdp_huge huge,
		     struct rx_error *err);
void af_xdp_umem_close(struct af_xdp_umem *u); /* accepts a zeroed one */

#endif
