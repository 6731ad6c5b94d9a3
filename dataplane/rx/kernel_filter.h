/* kernel_filter - the user's filter expression, run in the kernel where that cannot change the
 * answer.
 *
 * libpcap compiles the expression for Ethernet (classic BPF). Two things are made of it:
 *
 *     for a packet socket   the same program behind a test: a frame whose VLAN tag the kernel
 *                           has taken out is always accepted, since it looks different there
 *     for XDP               the same program as eBPF, instruction by instruction
 *
 * What passes is asked again by filter_burst() on the frame with its tags restored, so accepting
 * too much is allowed, and refusing too much is not.
 */
#ifndef DATAPLANE_RX_KERNEL_FILTER_H
#define DATAPLANE_RX_KERNEL_FILTER_H

#include <linux/bpf.h>
#include <linux/filter.h>

#include "dataplane/rx/rx.h"

/* kernel_filter_socket - Memory: *ret is for SO_ATTACH_FILTER; its `filter` is free()d by the
 * caller. Returns: 0; -ENODATA: the expression is empty or makes no sense for Ethernet, do not
 * filter; -E2BIG: more than the kernel takes; -ENOMEM. */
int kernel_filter_socket(const char *expression, struct sock_fprog *ret);

/* What the translated program does when it has its answer. */
struct kernel_filter_ends {
	int tail_map_fd; /* BPF_MAP_TYPE_PROG_ARRAY: accepted frames go on in program `tail_index`
			  */
	uint32_t tail_index;
	int counter_map_fd; /* BPF_MAP_TYPE_ARRAY, BPF_F_MMAPABLE, one value of `counter_bytes`; a
			       uint64_t at counter_offset + cpu * counter_stride_bytes is raised for
			       each refused frame. -1: none */
	uint32_t counter_offset, counter_stride_bytes, counter_bytes;
	uint32_t refused; /* XDP action for refused frames: XDP_DROP or XDP_PASS */
	uint32_t failed;  /* XDP action if the tail call finds no program: XDP_PASS */
};

enum { KERNEL_FILTER_INSNS = 65536 };

/* kernel_filter_translate - classic BPF to an XDP program in eBPF. Every load is checked against
 * the end of the frame: one beyond it refuses, as bpf_filter(3) does; bytes of a frame in several
 * buffers are fetched with bpf_xdp_load_bytes() (kernel 5.18). BPF_LEN is the whole length of the
 * frame.
 *
 * Memory:  *ret is free()d by the caller; *ret_count instructions.
 * Returns: 0; -ENODATA as above; -EOPNOTSUPP: an instruction that has no equal in XDP (ancillary
 * loads); -E2BIG; -ENOMEM. */
int kernel_filter_translate(const char *expression, const struct kernel_filter_ends *ends,
			    struct bpf_insn **ret, uint32_t *ret_count);

#endif
