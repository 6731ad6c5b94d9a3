/* content - decoders of other people's, on a leash. See content.h. */
#include "dataplane/dissect/content.h"

#include <string.h>
#include <strings.h>

#ifdef WITH_ZLIB
#include <zlib.h>
#endif
#ifdef WITH_BROTLI
#include <brotli/decode.h>
#endif
#ifdef WITH_ZSTD
#define ZSTD_STATIC_LINKING_ONLY /* memory of our own */
#include <zstd.h>
#endif

/* Where a decoder stands. */
struct way {
	struct slice in; /* not yet read */
	uint8_t *to;
	size_t room, bytes;
};

/* ---- memory: each block knows its size, and all of them have a limit ---- */

struct purse {
	struct arena *arena;
	size_t left;
};

struct block {
	_Alignas(16) size_t bytes;
};

__attribute__((unused)) static void *take(void *context, size_t bytes)
{
	struct purse *p = context;
	struct block *b;

	if (bytes > p->left || p->left - bytes < sizeof(*b))
		return NULL;
	b = arena_take(p->arena, sizeof(*b) + bytes);
	if (b == NULL)
		return NULL;
	b->bytes = sizeof(*b) + bytes;
	p->left -= b->bytes;
	return b + 1;
}

__attribute__((unused)) static void give(void *context, void *at)
{
	struct purse *p = context;
	struct block *b;

	if (at == NULL)
		return;
	b = (struct block *)at - 1;
	p->left += b->bytes;
	arena_give(p->arena, b, b->bytes);
}

/* ---- zlib ---- */

#ifdef WITH_ZLIB
enum { RAW = -15, ZLIB = 15, GZIP = 15 + 16, INFLATED_MAX = 4 << 20 };

static void *take_items(void *context, unsigned items, unsigned bytes)
{
	size_t all;

	return __builtin_mul_overflow((size_t)items, (size_t)bytes, &all) ? NULL
									  : take(context, all);
}

/* RFC 1950 2.2. Many senders leave that frame out. */
static bool has_zlib_header(struct slice in)
{
	return in.bytes >= 2 && (in.at[0] & 0x0f) == 8 && (in.at[0] << 8 | in.at[1]) % 31 == 0;
}

static int inflate_some(z_stream *z, struct way *w)
{
	int result;

	z->next_in = (uint8_t *)(uintptr_t)w->in.at;
	z->avail_in = (uInt)w->in.bytes;
	z->next_out = w->to + w->bytes;
	z->avail_out = (uInt)(w->room - w->bytes);
	result = inflate(z, Z_SYNC_FLUSH);
	w->in = slice_after(w->in, w->in.bytes - z->avail_in);
	w->bytes = w->room - z->avail_out;
	return result;
}

/* RFC 1952 2.2: one member may follow the other. */
static bool next_member(z_stream *z, const struct way *w)
{
	return w->in.bytes > 0 && w->in.at[0] == 0x1f && inflateReset(z) == Z_OK;
}

static enum content_end decode_zlib(struct purse *p, struct way *w, int bits)
{
	z_stream z = { .zalloc = take_items, .zfree = give, .opaque = p };
	enum content_end end = CONTENT_BROKEN;
	uint8_t beyond;
	int result;

	if (inflateInit2(&z, bits) != Z_OK)
		return CONTENT_BROKEN;
	do
		result = inflate_some(&z, w);
	while (result == Z_STREAM_END && bits == GZIP && next_member(&z, w));
	if (result == Z_STREAM_END)
		end = w->in.bytes == 0 ? CONTENT_WHOLE : CONTENT_BROKEN;
	else if ((result == Z_OK || result == Z_BUF_ERROR) && w->bytes < w->room)
		end = CONTENT_CUT;
	else if (result == Z_OK || result == Z_BUF_ERROR) {
		/* The room may be exactly enough: what follows may be the stream's end. */
		struct way more = { .in = w->in, .to = &beyond, .room = 1 };

		result = inflate_some(&z, &more);
		end = more.bytes > 0           ? CONTENT_FULL
		      : result == Z_STREAM_END ? CONTENT_WHOLE
					       : CONTENT_CUT;
	}
	inflateEnd(&z);
	return end;
}

/* Into nowhere, so that the window is right. Returns false if there is no end to it. */
static bool inflate_rest(z_stream *z, struct slice *in)
{
	static _Thread_local uint8_t nowhere[4096];

	for (size_t all = 0; all < INFLATED_MAX;) {
		struct way w = { .in = *in, .to = nowhere, .room = sizeof(nowhere) };
		int result = inflate_some(z, &w);

		*in = w.in;
		all += w.bytes;
		if (result != Z_OK && result != Z_BUF_ERROR)
			return false;
		if (w.bytes < w.room)
			return w.in.bytes == 0;
	}
	return false;
}

enum content_end content_inflate(struct arena *a, struct inflate_window *window, struct slice in,
				 uint8_t *to, size_t room, size_t *ret_bytes)
{
	/* RFC 7692 7.2.2: what the sender has left out at the end. */
	static const uint8_t tail[] = { 0, 0, 0xff, 0xff };
	struct purse p = { a, CONTENT_MEMORY_BYTES };
	z_stream z = { .zalloc = take_items, .zfree = give, .opaque = &p };
	struct slice parts[] = { in, slice_of(tail, sizeof(tail)) };
	struct way w = { .to = to, .room = room };
	enum content_end end = CONTENT_WHOLE;
	uInt kept = INFLATE_WINDOW_BYTES;

	*ret_bytes = 0;
	if (window->lost)
		return CONTENT_BROKEN;
	if (inflateInit2(&z, RAW) != Z_OK)
		return CONTENT_BROKEN;
	if (window->bytes > 0)
		inflateSetDictionary(&z, window->at, window->bytes);
	for (int i = 0; i < 2 && (end == CONTENT_WHOLE || end == CONTENT_FULL); i++) {
		int result = Z_OK;
		size_t before;

		w.in = parts[i];
		if (w.bytes < w.room)
			result = inflate_some(&z, &w);
		before = w.in.bytes;
		if (result == Z_STREAM_END) /* 7.2.3.5: a block that says it is the last */
			break;
		if (result != Z_OK && result != Z_BUF_ERROR)
			end = CONTENT_BROKEN;
		else if (w.bytes == w.room) {
			uLong total = z.total_out;

			if (!inflate_rest(&z, &w.in))
				end = CONTENT_BROKEN;
			else if (z.total_out > total)
				end = CONTENT_FULL;
		} else if (before > 0)
			end = CONTENT_BROKEN;
	}
	if (window->at != NULL) {
		window->lost = end == CONTENT_BROKEN ||
			       inflateGetDictionary(&z, window->at, &kept) != Z_OK;
		window->bytes = kept;
	}
	inflateEnd(&z);
	*ret_bytes = w.bytes;
	return end;
}
#else
enum content_end content_inflate(struct arena *a, struct inflate_window *window, struct slice in,
				 uint8_t *to, size_t room, size_t *ret_bytes)
{
	(void)a, (void)window, (void)in, (void)to, (void)room;
	*ret_bytes = 0;
	return CONTENT_BROKEN;
}
#endif

/* ---- brotli ---- */

#ifdef WITH_BROTLI
static enum content_end decode_brotli(struct purse *p, struct way *w)
{
	BrotliDecoderState *s = BrotliDecoderCreateInstance(take, give, p);
	size_t in_left = w->in.bytes, room = w->room;
	const uint8_t *in = w->in.at;
	uint8_t *to = w->to;
	BrotliDecoderResult result;
	enum content_end end = CONTENT_BROKEN;

	if (s == NULL)
		return CONTENT_BROKEN;
	result = BrotliDecoderDecompressStream(s, &in_left, &in, &room, &to, NULL);
	w->bytes = w->room - room;
	if (result == BROTLI_DECODER_RESULT_SUCCESS)
		end = in_left == 0 ? CONTENT_WHOLE : CONTENT_BROKEN;
	else if (result == BROTLI_DECODER_RESULT_NEEDS_MORE_INPUT)
		end = CONTENT_CUT;
	else if (result == BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT)
		end = CONTENT_FULL;
	BrotliDecoderDestroyInstance(s);
	return end;
}
#endif

/* ---- zstd ---- */

#ifdef WITH_ZSTD
enum { WINDOW_LOG_MAX = 23 };

static enum content_end decode_zstd(struct purse *p, struct way *w)
{
	ZSTD_DStream *s = ZSTD_createDStream_advanced((ZSTD_customMem){ take, give, p });
	ZSTD_inBuffer in = { w->in.at, w->in.bytes, 0 };
	ZSTD_outBuffer out = { w->to, w->room, 0 };
	enum content_end end = CONTENT_BROKEN;
	size_t result = 1;

	if (s == NULL)
		return CONTENT_BROKEN;
	if (ZSTD_isError(ZSTD_DCtx_setParameter(s, ZSTD_d_windowLogMax, WINDOW_LOG_MAX)))
		goto out;
	/* Frames follow each other (RFC 8878 3). */
	do {
		size_t read = in.pos, written = out.pos;

		result = ZSTD_decompressStream(s, &out, &in);
		if (read == in.pos && written == out.pos)
			break;
	} while (!ZSTD_isError(result) && (in.pos < in.size || result > 0));
	if (ZSTD_isError(result))
		end = CONTENT_BROKEN;
	else if (result == 0 && in.pos == in.size)
		end = CONTENT_WHOLE;
	else
		end = out.pos == out.size ? CONTENT_FULL : CONTENT_CUT;
out:
	w->bytes = out.pos;
	ZSTD_freeDStream(s);
	return end;
}
#endif

/* ---- by name ---- */

/* RFC 9110 8.4.1: x-gzip is gzip. */
enum coding content_coding(struct slice name)
{
	static const struct {
		const char *name;
		enum coding coding;
	} known[] = {
#ifdef WITH_ZLIB
		{ "gzip", CODING_gzip }, { "x-gzip", CODING_gzip }, { "deflate", CODING_deflate },
#endif
#ifdef WITH_BROTLI
		{ "br", CODING_br },
#endif
#ifdef WITH_ZSTD
		{ "zstd", CODING_zstd },
#endif
		{ "", CODING_unknown },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (name.bytes > 0 && name.bytes == strlen(known[i].name) &&
		    strncasecmp((const char *)name.at, known[i].name, name.bytes) == 0)
			return known[i].coding;
	return CODING_unknown;
}

enum content_end content_decode(struct arena *a, enum coding coding, struct slice in, uint8_t *to,
				size_t room, size_t *ret_bytes)
{
	struct purse p = { a, CONTENT_MEMORY_BYTES };
	struct way w = { .in = in, .to = to, .room = room };
	enum content_end end = CONTENT_BROKEN;

	(void)p;
	switch (coding) {
#ifdef WITH_ZLIB
	case CODING_gzip: end = decode_zlib(&p, &w, GZIP); break;
	case CODING_deflate: end = decode_zlib(&p, &w, has_zlib_header(in) ? ZLIB : RAW); break;
#endif
#ifdef WITH_BROTLI
	case CODING_br: end = decode_brotli(&p, &w); break;
#endif
#ifdef WITH_ZSTD
	case CODING_zstd: end = decode_zstd(&p, &w); break;
#endif
	default: break;
	}
	*ret_bytes = w.bytes;
	return end;
}
