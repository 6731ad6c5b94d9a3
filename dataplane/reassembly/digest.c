#include "dataplane/reassembly/digest.h"

#include <sodium.h>
#include <string.h>

#include "dataplane/flow/flow.h"

struct digest_side {
	crypto_hash_sha256_state hash;
	uint64_t delivered, gap_bytes, wrapped;
	uint64_t first_offset;                  /* of the first byte captured */
	uint64_t pending_offset, pending_bytes; /* a gap that nothing has followed yet */
	uint32_t gap_count;
	struct {
		uint64_t offset, bytes;
	} gap[8];
};

struct digest_flow {
	struct digest_side side[2];
};

static struct digest_flow *state(struct digest *d, struct flow *f)
{
	struct digest_flow *s = f->sink;

	if (s != NULL)
		return s;
	s = f->sink = arena_take_zeroed(d->arena, sizeof(*s));
	if (s == NULL) {
		count(d->counters, out_of_memory);
		return NULL;
	}
	crypto_hash_sha256_init(&s->side[0].hash);
	crypto_hash_sha256_init(&s->side[1].hash);
	return s;
}

static void deliver(void *context, struct flow *f, enum side side, uint64_t offset,
		    struct slice bytes, const struct segment *from)
{
	struct digest_flow *flow = state(context, f);
	struct digest_side *s;
	uint64_t first = f->direction[side].base_seq + offset;

	(void)from;
	if (flow == NULL)
		return;
	s = &flow->side[side];
	if (s->pending_bytes > 0) {
		s->gap_bytes += s->pending_bytes;
		if (s->gap_count < 8) {
			s->gap[s->gap_count].offset = s->pending_offset;
			s->gap[s->gap_count++].bytes = s->pending_bytes;
		}
		s->pending_bytes = 0;
	}
	s->wrapped |= first < (UINT64_C(1) << 32) && first + bytes.bytes > (UINT64_C(1) << 32);
	s->delivered += bytes.bytes;
	crypto_hash_sha256_update(&s->hash, bytes.at, bytes.bytes);
}

static void gap(void *context, struct flow *f, enum side side, uint64_t offset, uint64_t bytes,
		bool cut)
{
	struct digest_flow *flow = state(context, f);
	struct digest_side *s;

	(void)cut;
	if (flow == NULL)
		return;
	s = &flow->side[side];
	/* Who joined in the middle cannot have captured what came before the first segment. */
	if (s->delivered == 0 &&
	    (f->direction[side].seen & (SEEN_SYN | SEEN_BY_PEER)) == SEEN_BY_PEER) {
		s->first_offset = offset + bytes;
		return;
	}
	if (s->pending_bytes == 0)
		s->pending_offset = offset - s->first_offset;
	s->pending_bytes += bytes;
}

static uint32_t stream_flags(const struct direction *d, bool wrapped)
{
	static const struct {
		uint32_t seen;
		enum record_stream_bit bit;
	} map[] = {
		{ SEEN_AFTER_FIN, STREAM_BIT_AFTERFIN },
		{ SEEN_AFTER_RST, STREAM_BIT_AFTERRST },
		{ SEEN_BEFORE, STREAM_BIT_BEFORE },
		{ SEEN_FAR, STREAM_BIT_FARSEQ },
		{ SEEN_KEEPALIVE, STREAM_BIT_KEEPALIVE },
		{ SEEN_RST, STREAM_BIT_RST },
		{ SEEN_RST_DATA, STREAM_BIT_RSTDATA },
		{ SEEN_SYNACK_DATA, STREAM_BIT_SYNACKDATA },
		{ SEEN_TFO, STREAM_BIT_TFO },
		{ SEEN_URG, STREAM_BIT_URG },
	};
	uint32_t flags = wrapped ? 1u << STREAM_BIT_WRAP : 0;

	for (size_t i = 0; i < array_count(map); i++)
		if ((d->seen & map[i].seen) != 0)
			flags |= 1u << map[i].bit;
	return flags;
}

static void record_side(struct digest *d, const struct flow *f, enum side side,
			struct digest_side *s)
{
	const struct direction *dir = &f->direction[side];
	struct record_stream r = {
		.bytes = sizeof(r),
		.type = RECORD_STREAM,
		.why = WHY_none,
		.src_port = f->key.port[side],
		.dst_port = f->key.port[side_other(side)],
		.ip_version = f->key.ip_version,
		.start_is_syn = (dir->seen & SEEN_SYN) != 0 || (dir->seen & SEEN_START) == 0,
		.epoch = f->generation,
		.seen = stream_flags(dir, s != NULL && s->wrapped),
	};

	memcpy(r.src_ip, f->key.address[side], sizeof(r.src_ip));
	memcpy(r.dst_ip, f->key.address[side_other(side)], sizeof(r.dst_ip));
	if (dir->extra != NULL) {
		r.conflict_bytes = dir->extra->conflict_bytes;
		r.duplicate_bytes = dir->extra->duplicate_bytes;
	}
	if (s != NULL && s->delivered > 0) {
		r.delivered = s->delivered;
		r.gap_bytes = s->gap_bytes;
		r.gap_count = s->gap_count;
		memcpy(r.gap, s->gap, sizeof(r.gap));
		crypto_hash_sha256_final(&s->hash, r.sha256);
	}
	emit_record(d->emit, &r, sizeof(r));
}

static void end(void *context, struct flow *f)
{
	(void)context, (void)f;
}

/* A direction is told of here, not when its bytes end: what comes after the end still adds flags.
 */
static void forget(void *context, struct flow *f)
{
	struct digest *d = context;
	struct digest_flow *flow = f->sink;

	for (int side = 0; side < 2; side++)
		if ((f->sides_seen >> side & 1) != 0)
			record_side(d, f, (enum side)side, flow == NULL ? NULL : &flow->side[side]);
	arena_give(d->arena, flow, sizeof(*flow));
	f->sink = NULL;
}

static void close(void *context, struct flow *f, enum side side, enum why why)
{
	(void)context, (void)f, (void)side, (void)why;
}

struct sink digest_sink(struct digest *d)
{
	return (struct sink){ .context = d,
			      .deliver = deliver,
			      .gap = gap,
			      .close = close,
			      .end = end,
			      .forget = forget };
}
