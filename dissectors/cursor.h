/* cursor - a slice of somebody else's bytes, and reading from it in order.
 *
 * Taking past the end yields zeros and sets `failed` for good, so a parser can
 * be written straight down the page like the packet diagram it implements and
 * ask once, at the end, whether everything was there.
 */
#ifndef DISSECTORS_CURSOR_H
#define DISSECTORS_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Borrowed bytes; whoever passes a slice says until when. */
struct slice {
	const uint8_t *at;
	size_t bytes;
};

static inline struct slice slice_of(const void *at, size_t bytes)
{
	return (struct slice){ .at = at, .bytes = bytes };
}

/* slice_after - what is left behind the first `bytes`; empty when there are not that many. */
static inline struct slice slice_after(struct slice s, size_t bytes)
{
	if (bytes > s.bytes)
		bytes = s.bytes;
	if (bytes == 0)
		return s; /* its `at` may be NULL */
	return (struct slice){ .at = s.at + bytes, .bytes = s.bytes - bytes };
}

struct cursor {
	struct slice left;
	bool failed;
};

static inline struct cursor cursor_over(struct slice s)
{
	return (struct cursor){ .left = s };
}

static inline struct slice cursor_take(struct cursor *c, size_t bytes)
{
	struct slice got;

	if (c->failed || bytes > c->left.bytes) {
		c->failed = true;
		return (struct slice){ 0 };
	}
	got = (struct slice){ .at = c->left.at, .bytes = bytes };
	c->left = slice_after(c->left, bytes);
	return got;
}

static inline uint64_t cursor_be(struct cursor *c, unsigned bytes)
{
	struct slice s = cursor_take(c, bytes);
	uint64_t v = 0;

	for (size_t i = 0; i < s.bytes; i++)
		v = v << 8 | s.at[i];
	return v;
}

static inline uint8_t cursor_u8(struct cursor *c)
{
	return (uint8_t)cursor_be(c, 1);
}

static inline uint16_t cursor_be16(struct cursor *c)
{
	return (uint16_t)cursor_be(c, 2);
}

static inline uint32_t cursor_be32(struct cursor *c)
{
	return (uint32_t)cursor_be(c, 4);
}

#endif
