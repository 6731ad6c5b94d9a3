/* gzip - RFC 1952, several members one after the other as `cat a.gz b.gz` makes them. */
#include <stdlib.h>

#define ZLIB_CONST /* next_in points to bytes that zlib only reads */
#include <zlib.h>

#include "dataplane/rx/codec.h"

struct gzip {
	z_stream z;
	enum codec_state state;
	bool padded; /* zeros were seen behind a member: nothing but zeros may follow */
};

static bool gzip_recognise(const uint8_t magic[CODEC_MAGIC_BYTES])
{
	return magic[0] == 0x1f && magic[1] == 0x8b && magic[2] == Z_DEFLATED;
}

static void *gzip_open(void)
{
	struct gzip *g = calloc(1, sizeof(*g));

	if (g == NULL)
		return NULL;
	/* 16: a gzip header and trailer, checked by zlib. */
	if (inflateInit2(&g->z, 16 + MAX_WBITS) != Z_OK) {
		free(g);
		return NULL;
	}
	return g;
}

/* between_members - what follows a complete member: another one, or the zeros
 * with which tapes and block devices fill their last block. */
static void between_members(struct gzip *g, struct codec_step *s)
{
	while (s->in_bytes > 0 && *s->in == 0) {
		g->padded = true;
		s->in++;
		s->in_bytes--;
	}
	if (s->in_bytes == 0)
		return;
	g->state = CODEC_CORRUPT;
	if (!g->padded && *s->in == 0x1f && inflateReset(&g->z) == Z_OK)
		g->state = CODEC_INSIDE;
}

static void inflate_some(struct gzip *g, struct codec_step *s)
{
	int z;

	g->z.next_in = s->in;
	g->z.avail_in = (uInt)s->in_bytes;
	g->z.next_out = s->out;
	g->z.avail_out = (uInt)s->out_bytes;
	z = inflate(&g->z, Z_NO_FLUSH);
	s->in = g->z.next_in;
	s->in_bytes = g->z.avail_in;
	s->out = g->z.next_out;
	s->out_bytes = g->z.avail_out;
	if (z == Z_STREAM_END)
		g->state = CODEC_WHOLE;
	else if (z != Z_OK && z != Z_BUF_ERROR)
		g->state = CODEC_CORRUPT;
}

static enum codec_state gzip_step(void *state, struct codec_step *s)
{
	struct gzip *g = state;

	if (g->state == CODEC_WHOLE)
		between_members(g, s);
	if (g->state == CODEC_INSIDE)
		inflate_some(g, s);
	return g->state;
}

static void gzip_close(void *state)
{
	struct gzip *g = state;

	inflateEnd(&g->z);
	free(g);
}

const struct codec codec_gzip = {
	.name = "gzip",
	.recognise = gzip_recognise,
	.open = gzip_open,
	.step = gzip_step,
	.close = gzip_close,
};
