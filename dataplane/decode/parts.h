/* parts - what the parts of decode share: what is left of a packet, what is around it, and whose it
 * is. */
#ifndef DATAPLANE_DECODE_PARTS_H
#define DATAPLANE_DECODE_PARTS_H

#include "dataplane/decode/decode.h"
#include "dataplane/flow/path.h"

/* What is left of a packet behind the headers read so far. Only `captured_bytes` may be read. */
struct layer {
	const uint8_t *at;
	uint32_t captured_bytes;
	uint32_t wire_bytes; /* >= captured_bytes */
};

/* layer_advance - step over a header of at most `captured_bytes`. */
static inline void layer_advance(struct layer *l, uint32_t bytes)
{
	l->at += bytes;
	l->captured_bytes -= bytes;
	l->wire_bytes -= bytes;
}

/* layer_limit - nothing from `wire_bytes` on belongs to this layer: padding, a frame check
 * sequence. */
static inline void layer_limit(struct layer *l, uint32_t wire_bytes)
{
	if (wire_bytes >= l->wire_bytes)
		return;
	l->wire_bytes = wire_bytes;
	if (l->captured_bytes > wire_bytes)
		l->captured_bytes = wire_bytes;
}

/* decode_deeper - may there be another header around the packet under way? */
static inline bool decode_deeper(struct decode *d)
{
	return d->depth++ < d->settings.encapsulations;
}

/* decode_around - another tunnel around `p`, inside those found before it. Behind decode_deeper(),
 * so there is room. */
struct record_tunnel *decode_around(struct decode *d, struct packet *p, enum tunnel_type type);

/* decode_owns - does this worker count the packet of this number, which reaches no flow?
 * Alone it counts everything, and spares the division. */
static inline bool decode_owns(const struct decode_settings *s, uint64_t number)
{
	return s->workers == 1 || number % s->workers == s->worker;
}

static inline bool decode_owns_flow(const struct decode_settings *s, const struct flow_key *key)
{
	return s->workers == 1 || flow_key_spread(key, s->spread) % s->workers == s->worker;
}

#endif
