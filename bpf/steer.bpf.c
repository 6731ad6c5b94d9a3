/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* steer - XDP: every frame of an open queue gets a time stamp and goes to the queue's socket.
 *
 * Loaded with or without BPF_F_XDP_HAS_FRAGS, which user space chooses: with it a frame may lie in
 * several buffers. Nothing here looks into the frame.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "bpf/shared.h"

/* Set before the program is loaded; the verifier then sees constants. */
const volatile __u32 processors = 1;
const volatile __u32 queues_known = 0;
const volatile _Bool frags = 0;

/* The numbers of entries are set before loading too. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct steer_queue);
} queues SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct steer_counts);
} counts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} sockets SEC(".maps");

/* The helper, which knows of further buffers, is younger than XDP without them (kernel 5.18). */
static __always_inline __u64 frame_bytes(struct xdp_md *ctx)
{
	return frags ? bpf_xdp_get_buff_len(ctx) : ctx->data_end - ctx->data;
}

/* A frame without room for a stamp goes on without one. */
static __always_inline void stamp(struct xdp_md *ctx)
{
	struct steer_stamp *s;

	if (bpf_xdp_adjust_meta(ctx, -(int)sizeof(*s)) != 0)
		return;
	s = (void *)(long)ctx->data_meta;
	if ((void *)(s + 1) > (void *)(long)ctx->data)
		return;
	s->monotonic_ns = bpf_ktime_get_ns();
	s->magic = STEER_STAMP_MAGIC;
	s->spare = 0;
}

/* Programs do not interrupt each other on one processor, so plain additions are enough. */
SEC("xdp")
int steer(struct xdp_md *ctx)
{
	__u32 index = ctx->rx_queue_index;
	__u32 set = index < queues_known ? index : queues_known;
	__u32 line = set * processors + bpf_get_smp_processor_id();
	struct steer_queue *queue = bpf_map_lookup_elem(&queues, &index);
	struct steer_counts *count = bpf_map_lookup_elem(&counts, &line);

	if (!count)
		return XDP_PASS;
	if (!queue) {
		count->passed++;
		return XDP_PASS;
	}
	if (!*(volatile __u32 *)&queue->open) {
		count->passed++;
		return XDP_PASS;
	}
	if (frame_bytes(ctx) > queue->frame_bytes_max) {
		count->seen++;
		count->too_big++;
		return XDP_PASS;
	}
	stamp(ctx);
	if (bpf_redirect_map(&sockets, index, XDP_PASS) != XDP_REDIRECT) {
		count->passed++;
		return XDP_PASS;
	}
	count->seen++;
	count->redirected++;
	return XDP_REDIRECT;
}

char terms[] SEC("license") = "Dual BSD/GPL";
