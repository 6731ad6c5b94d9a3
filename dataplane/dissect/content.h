/* content - bodies that were encoded on their way (RFC 9110 8.4), decoded again for the record.
 *
 *     gzip, deflate (with zlib's frame or without), br, zstd; up to CONTENT_CODINGS of them, one in
 * the other. permessage-deflate (RFC 7692) with the window that its sender keeps.
 *
 * What is decoded is limited by the room for it, and what a decoder takes by CONTENT_MEMORY_BYTES:
 * a body that would become enormous costs as much as one that fills the room. Each library is
 * optional: without it its coding is one nobody knows.
 *
 * Threads: the worker. Memory: its arena; given back before the call returns.
 */
#ifndef DATAPLANE_DISSECT_CONTENT_H
#define DATAPLANE_DISSECT_CONTENT_H

#include "dataplane/base/arena.h"
#include "dissectors/dissector.h"

enum coding { CODING_gzip, CODING_deflate, CODING_br, CODING_zstd, CODING_COUNT, CODING_unknown };

enum {
	CONTENT_CODINGS = 4,
	CONTENT_MEMORY_BYTES = 12 << 20, /* zstd's largest window on the web is 8 MiB (RFC 9659) */
};

enum content_end {
	CONTENT_WHOLE,
	CONTENT_CUT,    /* the input ended first */
	CONTENT_FULL,   /* there is more than fits */
	CONTENT_BROKEN, /* not what it says it is, from here on; or no memory */
};

/* content_coding - by its name; CODING_unknown also where its library is missing. */
enum coding content_coding(struct slice name);

/* content_decode - to `room` bytes at `to`. *ret_bytes are right, however it ended. */
enum content_end content_decode(struct arena *a, enum coding coding, struct slice in, uint8_t *to,
				size_t room, size_t *ret_bytes);

/* content_inflate - one message of permessage-deflate, whole. The window is what came before it,
 * and afterwards what comes before the next; it is lost if that cannot be told. More than `room` is
 * decoded for it, but not without limit. */
enum content_end content_inflate(struct arena *a, struct inflate_window *window, struct slice in,
				 uint8_t *to, size_t room, size_t *ret_bytes);

#endif
