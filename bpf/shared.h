/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* shared - what the programs in the kernel and user space both know: fixed widths only.
 *
 * The maps of steer.bpf.c are mapped into user space, so a number is written on one side and read
 * on the other without a system call. Each line has one writer:
 *
 *     queues    user space   one struct steer_queue per receive queue
 *     counts    the program  one struct steer_counts per receive queue and processor, at
 *                            queue * processors + processor; behind those of the last queue one
 *                            more set, for queues that the interface did not have at the start
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

/* What user space says about a queue. */
struct steer_queue {
	__u32 open;            /* 0: frames of this queue go to the stack, and are none of ours */
	__u32 frame_bytes_max; /* longer ones cannot be received: they go to the stack, counted */
	__u32 spare[14];
};

/* seen = redirected + too_big; `passed` are beside it. Numbers only grow. */
struct steer_counts {
	__u64 seen;
	__u64 redirected; /* handed to the queue's socket, which may still be out of room */
	__u64 too_big;
	__u64 passed; /* the queue is not open, or has no socket */
	__u64 spare[4];
};

/* What a filter in front of steer refused: one per processor, in a map of its own. */
struct steer_refused {
	__u64 frames;
	__u64 spare[7];
};

#endif
