/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* steer - XDP: every frame of an open slot gets a time stamp and goes to the slot's socket.
 *
 * A receive queue has one slot or several (shared.h). With several the frame's flow chooses: then,
 * and only then, its headers are read.
 *
 * Loaded with or without BPF_F_XDP_HAS_FRAGS, which user space chooses: with it a frame may lie in
 * several buffers.
 */
#include <linux/bpf.h>
#include <linux/tcp.h>

#include <bpf/bpf_helpers.h>

#include "bpf/parse.bpf.h"
#include "bpf/shared.h"

/* Set before the program is loaded; the verifier then sees constants. */
const volatile __u32 processors = 1;
const volatile __u32 queues_known = 0;
const volatile __u32 members = 1;                         /* slots of each queue */
const volatile __u32 address_factor = 1, port_factor = 1; /* of steer_number() */
const volatile __u32 shunts = 0; /* places of each worker, a power of two; 0: none */
const volatile __u32 workers = 1;
const volatile _Bool frags = 0;

/* The numbers of entries are set before loading too. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct steer_slot);
} slots SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct steer_counts);
} counts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct steer_shunt);
} shunted SEC(".maps");

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

static __always_inline __u32 number_of(const struct parsed *f)
{
	__u32 addresses = 0;

	for (int i = 0; i < 4; i++)
		addresses ^= f->source[i] ^ f->destination[i];
	return steer_number(bpf_ntohl(addresses), bpf_ntohs(f->source_port ^ f->destination_port),
			    address_factor, port_factor);
}

static __always_inline int is_key(const struct steer_shunt *s, const struct parsed *f)
{
	__u32 differ = (s->source_port ^ f->source_port) |
		       (s->destination_port ^ f->destination_port);

	for (int i = 0; i < 4; i++)
		differ |= (s->source[i] ^ f->source[i]) | (s->destination[i] ^ f->destination[i]);
	return differ == 0;
}

/* The bytes of a segment that nobody wants to see; 0: it is wanted. */
static __always_inline __u32 unwanted(const struct parsed *f, void *end, __u32 number)
{
	struct tcphdr *t = f->l4;
	struct steer_shunt *s;
	__u32 place, head, from, bytes, seq;
	__u64 range;

	if (f->protocol != IPPROTO_TCP || f->tagged)
		return 0;
	if ((void *)(t + 1) > end)
		return 0;
	head = t->doff * 4;
	if (f->l4_bytes <= head || t->syn || t->fin || t->rst || t->urg || !t->ack)
		return 0;
	place = steer_shunt_place(f->source, f->destination,
				  f->source_port | (__u32)f->destination_port << 16,
				  address_factor);
	place = number % workers * shunts + (place & (shunts - 1));
	s = bpf_map_lookup_elem(&shunted, &place);
	if (!s || *(volatile __u64 *)&s->range == 0)
		return 0;
	/* A barrier as well: the key is read after it. */
	range = __sync_fetch_and_add(&s->range, 0);
	if (range == 0 || !is_key(s, f))
		return 0;
	from = (__u32)range;
	seq = bpf_ntohl(t->seq) - from;
	bytes = f->l4_bytes - head;
	return seq + bytes <= (__u32)(range >> 32) - from && seq < seq + bytes ? bytes : 0;
}

/* Programs do not interrupt each other on one processor, so plain additions are enough. */
SEC("xdp")
int steer(struct xdp_md *ctx)
{
	struct parsed f;
	__u32 queue = ctx->rx_queue_index, number = 0, bytes = 0;
	__u32 slot = queues_known * members;

	if (members > 1 || shunts > 0) {
		parse((void *)(long)ctx->data, (void *)(long)ctx->data_end, &f);
		number = number_of(&f);
		if (shunts > 0)
			bytes = unwanted(&f, (void *)(long)ctx->data_end, number);
	}
	if (queue < queues_known)
		slot = queue * members + number % members;
	__u32 line = slot * processors + bpf_get_smp_processor_id();
	struct steer_slot *told = bpf_map_lookup_elem(&slots, &slot);
	struct steer_counts *count = bpf_map_lookup_elem(&counts, &line);

	if (!count)
		return XDP_PASS;
	if (!told) {
		count->passed++;
		return XDP_PASS;
	}
	if (!*(volatile __u32 *)&told->open) {
		count->passed++;
		return XDP_PASS;
	}
	if (bytes > 0) {
		count->seen++;
		count->shunted++;
		count->shunted_bytes += bytes;
		return XDP_DROP;
	}
	if (frame_bytes(ctx) > told->frame_bytes_max) {
		count->seen++;
		count->too_big++;
		return XDP_PASS;
	}
	stamp(ctx);
	if (bpf_redirect_map(&sockets, slot, XDP_PASS) != XDP_REDIRECT) {
		count->passed++;
		return XDP_PASS;
	}
	count->seen++;
	count->redirected++;
	return XDP_REDIRECT;
}

char terms[] SEC("license") = "Dual BSD/GPL";
