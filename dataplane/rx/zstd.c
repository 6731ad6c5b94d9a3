/* zstd - RFC 8878, several frames one after the other, skippable ones too. */
#include <stdlib.h>

#include <zstd.h>

#include "dataplane/rx/codec.h"

struct zstd {
	ZSTD_DStream *stream;
	enum codec_state state;
};

static bool zstd_recognise(const uint8_t magic[CODEC_MAGIC_BYTES])
{
	bool frame = magic[0] == 0x28 && magic[1] == 0xb5 && magic[2] == 0x2f && magic[3] == 0xfd;
	/* Parallel compressors put a skippable frame first (RFC 8878 3.1.2). */
	bool skippable = (magic[0] & 0xf0) == 0x50 && magic[1] == 0x2a && magic[2] == 0x4d &&
			 magic[3] == 0x18;

	return frame || skippable;
}

static void *zstd_open(void)
{
	struct zstd *z = calloc(1, sizeof(*z));

	if (z == NULL)
		return NULL;
	/* libzstd refuses windows beyond 128 MiB by itself: that is the bound of its memory. */
	z->stream = ZSTD_createDStream();
	if (z->stream == NULL) {
		free(z);
		return NULL;
	}
	return z;
}

static enum codec_state zstd_step(void *state, struct codec_step *s)
{
	struct zstd *z = state;
	ZSTD_inBuffer in = { .src = s->in, .size = s->in_bytes };
	ZSTD_outBuffer out = { .dst = s->out, .size = s->out_bytes };
	size_t left = ZSTD_decompressStream(z->stream, &out, &in);

	s->in += in.pos;
	s->in_bytes -= in.pos;
	s->out += out.pos;
	s->out_bytes -= out.pos;
	if (ZSTD_isError(left))
		z->state = CODEC_CORRUPT;
	else if (in.pos > 0 ||
		 out.pos > 0) /* otherwise `left` is only a hint for what may follow */
		z->state = left == 0 ? CODEC_WHOLE : CODEC_INSIDE;
	return z->state;
}

static void zstd_close(void *state)
{
	struct zstd *z = state;

	ZSTD_freeDStream(z->stream);
	free(z);
}

const struct codec codec_zstd = {
	.name = "zstd",
	.recognise = zstd_recognise,
	.open = zstd_open,
	.step = zstd_step,
	.close = zstd_close,
};
