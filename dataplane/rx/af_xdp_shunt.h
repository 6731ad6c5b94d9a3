/* af_xdp_shunt - one worker's places in the program's table of what nobody wants to see.
 *
 * The table is mapped: no system call is made. A place follows from the direction's addresses and
 * ports (bpf/shared.h); where another connection has it, this one is not kept back, which costs
 * time and nothing else. A place that was given up is taken for another key only after
 * AF_XDP_SHUNT_REST_NS: by then no program runs that may have seen its range.
 *
 * Threads: the worker's.
 */
#ifndef DATAPLANE_RX_AF_XDP_SHUNT_H
#define DATAPLANE_RX_AF_XDP_SHUNT_H

#include "bpf/shared.h"
#include "dataplane/rx/rx.h"

#define AF_XDP_SHUNT_REST_NS (100 * UINT64_C(1000000))

enum { AF_XDP_SHUNTS = 4096 };

struct af_xdp_shunts {
	struct steer_shunt *place; /* mapped; AF_XDP_SHUNTS of them; NULL: there is no table */
	uint32_t secret;
	uint64_t *left_ns; /* CLOCK_MONOTONIC when each was given up; 0: never */
};

/* af_xdp_shunts_init - Returns: 0; -ENOMEM. fini accepts a zeroed one. */
int af_xdp_shunts_init(struct af_xdp_shunts *s, struct steer_shunt *place, uint32_t secret);
void af_xdp_shunts_fini(struct af_xdp_shunts *s);

/* af_xdp_shunts_set - Returns whether the program knows it now. */
bool af_xdp_shunts_set(struct af_xdp_shunts *s, const struct rx_shunt *what, uint64_t now_ns);

#endif
