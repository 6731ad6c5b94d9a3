/* frames - HTTP/2 in a line, for tests: blocks by nghttp2's encoder, so that what is decoded was
 * not encoded by us. */
#ifndef TESTS_SUPPORT_FRAMES_H
#define TESTS_SUPPORT_FRAMES_H

#include <nghttp2/nghttp2.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* What one side sends, and its table. */
struct frames {
	uint8_t at[1 << 17];
	size_t n;
	nghttp2_hd_deflater *table;
};

static inline void frames_init(struct frames *f, size_t table_bytes)
{
	f->n = 0;
	if (nghttp2_hd_deflate_new(&f->table, table_bytes) != 0)
		abort();
}

static inline void frames_fini(struct frames *f)
{
	nghttp2_hd_deflate_del(f->table);
}

static inline void put_frame(struct frames *f, uint8_t type, uint8_t flags, uint32_t stream,
			     const void *payload, size_t bytes)
{
	const uint8_t head[] = { (uint8_t)(bytes >> 16),
				 (uint8_t)(bytes >> 8),
				 (uint8_t)bytes,
				 type,
				 flags,
				 (uint8_t)(stream >> 24),
				 (uint8_t)(stream >> 16),
				 (uint8_t)(stream >> 8),
				 (uint8_t)stream };

	if (f->n + sizeof(head) + bytes > sizeof(f->at))
		abort();
	memcpy(f->at + f->n, head, sizeof(head));
	if (bytes > 0)
		memcpy(f->at + f->n + sizeof(head), payload, bytes);
	f->n += sizeof(head) + bytes;
}

/* block_of - of "name: value\n…", as nghttp2 encodes it. Pseudo-header names keep their colon. */
static inline size_t block_of(struct frames *f, const char *text, uint8_t *ret, size_t room)
{
	nghttp2_nv nv[300];
	size_t n = 0;
	ssize_t bytes;

	for (const char *line = text; *line != 0 && n < 300;) {
		const char *colon = strchr(line + 1, ':'), *end = strchr(line, '\n');

		nv[n++] = (nghttp2_nv){ (uint8_t *)(uintptr_t)line,
					(uint8_t *)(uintptr_t)(colon + 2), (size_t)(colon - line),
					(size_t)(end - colon - 2), NGHTTP2_NV_FLAG_NONE };
		line = end + 1;
	}
	bytes = nghttp2_hd_deflate_hd(f->table, ret, room, nv, n);
	if (bytes < 0)
		abort();
	return (size_t)bytes;
}

enum { F_END_STREAM = 1, F_ACK = 1, F_END_HEADERS = 4, F_PADDED = 8, F_PRIORITY = 32 };

static inline void put_headers(struct frames *f, uint32_t stream, uint8_t flags, const char *text)
{
	static uint8_t block[1 << 16];
	size_t n = block_of(f, text, block, sizeof(block));

	put_frame(f, 1, (uint8_t)(flags | F_END_HEADERS), stream, block, n);
}

static inline void put_data(struct frames *f, uint32_t stream, uint8_t flags, const void *data,
			    size_t bytes)
{
	put_frame(f, 0, flags, stream, data, bytes);
}

static inline void put_u32(struct frames *f, uint8_t type, uint32_t stream, uint32_t value)
{
	const uint8_t at[] = { (uint8_t)(value >> 24), (uint8_t)(value >> 16),
			       (uint8_t)(value >> 8), (uint8_t)value };

	put_frame(f, type, 0, stream, at, sizeof(at));
}

static inline void put_setting(struct frames *f, uint16_t id, uint32_t value)
{
	const uint8_t at[] = { (uint8_t)(id >> 8),     (uint8_t)id,
			       (uint8_t)(value >> 24), (uint8_t)(value >> 16),
			       (uint8_t)(value >> 8),  (uint8_t)value };

	put_frame(f, 4, 0, 0, at, sizeof(at));
}

static inline void put_preface(struct frames *f)
{
	memcpy(f->at + f->n, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24);
	f->n += 24;
	put_frame(f, 4, 0, 0, NULL, 0);
}

#endif
