/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* shared - what the programs in the kernel and user space both know: fixed widths only.
 *
 * The maps of steer.bpf.c are mapped into user space, so a number is written on one side and read
 * on the other without a system call. Each line has one writer:
 *
 *     slots     user space   one struct steer_slot per slot
 *     counts    the program  one struct steer_counts per slot and processor, at
 *                            slot * processors + processor; behind those of the last slot one
 *                            more set, for queues that the interface did not have at the start
 *
 * A *slot* is a place for a socket: each receive queue has `members` of them, at queue * members +
 * member. Which member gets a frame follows from its flow, by steer_number(), the same for both
 * directions. User space computes the same for packets that the program could not read so far.
 */
#ifndef BPF_SHARED_H
#define BPF_SHARED_H

#include <linux/types.h>

enum {
	STEER_LINE_BYTES = 64,
	STEER_STAMP_MAGIC = 0x72696577,
};

/* Lies before the frame, where bpf_xdp_adjust_meta() makes room. Without the magic there is no
 * stamp: not every driver carries these bytes over. */
struct steer_stamp {
	__u64 monotonic_ns; /* CLOCK_MONOTONIC when the program saw the frame */
	__u32 magic;
	__u32 spare;
};

/* What user space says about a slot. */
struct steer_slot {
	__u32 open;            /* 0: its frames go to the stack, and are none of ours */
	__u32 frame_bytes_max; /* longer ones cannot be received: they go to the stack, counted */
	__u32 spare[14];
};

/* seen = redirected + too_big; `passed` are beside it. Numbers only grow. */
struct steer_counts {
	__u64 seen;
	__u64 redirected; /* handed to the slot's socket, which may still be out of room */
	__u64 too_big;
	__u64 passed; /* the slot is not open, or has no socket */
	__u64 spare[4];
};

/* What a filter in front of steer refused: one per processor, in a map of its own. */
struct steer_refused {
	__u64 frames;
	__u64 spare[7];
};

/* steer_number - which member a flow's frames go to, modulo the members, as spread_number() of
 * flow/key.h: from the XOR of all 32-bit
 * words of both addresses and the XOR of both ports, in host order, so it is the same whoever
 * sends. The factors are odd, and secret: else somebody could choose flows that all go to one. */
static inline __attribute__((always_inline)) __u32
steer_number(__u32 addresses, __u32 ports, __u32 address_factor, __u32 port_factor)
{
	return (addresses * address_factor + ports * port_factor) >> 16;
}

#endif
