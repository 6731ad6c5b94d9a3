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
 *     shunts    user space   struct steer_shunt, a power of two for each worker, at
 *                            worker * that many + steer_shunt_place() modulo that many
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

/* seen = redirected + too_big + shunted; `passed` are beside it. Numbers only grow. */
struct steer_counts {
	__u64 seen;
	__u64 redirected; /* handed to the slot's socket, which may still be out of room */
	__u64 too_big;
	__u64 passed;  /* the slot is not open, or has no socket */
	__u64 shunted; /* dropped: in a range of struct steer_shunt */
	__u64 shunted_bytes;
	__u64 spare[2];
};

/* A part of one direction of a connection that nobody wants to see. What is dropped are segments
 * that lie in it as a whole, without FIN, RST or SYN, and in frames without a VLAN tag.
 *
 * `range` is one word, written last and cleared first; and nobody writes another key into a place
 * before every program has ended that may have seen its range. So whoever sees a range sees its
 * key. */
struct steer_shunt {
	__u64 range; /* first sequence number, and << 32 the one after the last; 0: nothing is here
		      */
	__u32 source[4],
		destination[4]; /* as they lie in the packet; IPv4: the first word, the rest 0 */
	__u16 source_port, destination_port;
	__u32 spare[5];
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

/* Every bit of the result depends on every bit of `x` (the finalizer of MurmurHash3). */
static inline __attribute__((always_inline)) __u32 steer_mix(__u32 x)
{
	x ^= x >> 16;
	x *= 0x85ebca6b;
	x ^= x >> 13;
	x *= 0xc2b2ae35;
	return x ^ x >> 16;
}

/* steer_shunt_place - of one direction. `secret` as the factors above. */
static inline __attribute__((always_inline)) __u32
steer_shunt_place(const __u32 *source, const __u32 *destination, __u32 ports, __u32 secret)
{
	__u32 h = secret ^ ports;

	for (int i = 0; i < 4; i++)
		h = steer_mix(h ^ source[i]) + destination[i];
	return steer_mix(h);
}

#endif
