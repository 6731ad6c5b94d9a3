/* stream - the bytes of one input in order, decompressed where they are compressed.
 *
 *     open -> peek -> [rewind] -> read ... -> close
 *
 * open() finds out from the first bytes, never from a name, whether the input is
 * compressed. Whoever opens many inputs to look at their first bytes rewinds each: a
 * regular file then keeps nothing but its descriptor until it is read.
 *
 * Regular files are read with blocking reads. Pipes, sockets and terminals are
 * asked first whether there is something, so that whoever reads can go and wait
 * for other things too; only open() and peek() wait.
 */
#ifndef DATAPLANE_RX_STREAM_H
#define DATAPLANE_RX_STREAM_H

#include "dataplane/rx/codec.h"

enum { STREAM_PEEK_BYTES = 32 };

struct stream {
	int fd;
	bool regular;        /* can be read again, and has a size */
	bool ended;          /* stream_read() will give nothing more */
	bool fd_ended;       /* the descriptor gives nothing more */
	const char *damage;  /* of an ended stream: why it ended early; NULL: it did not */
	uint64_t size_bytes; /* on disk when it was opened; 0: unknown */
	uint64_t read_bytes; /* taken from the descriptor so far */

	/* bytes already taken that stream_read() gives first */
	uint8_t again[STREAM_PEEK_BYTES];
	uint32_t again_at, again_bytes;

	/* compressed inputs only */
	const struct codec *codec;
	enum codec_state codec_state;
	void *codec_memory;
	uint8_t *raw;
	size_t raw_at, raw_bytes;
	bool more_inside; /* the codec filled the last output and may have more without more input
			   */
};

/* stream_open - take `fd` (closed by stream_close(), not on failure) and read enough to know
 * what it is. Returns: 0; -ENOMEM; -errno of the first read. May wait on a pipe. */
int stream_open(struct stream *s, int fd);

/* stream_peek - the first `bytes` (4 .. STREAM_PEEK_BYTES) bytes, which stream_read() gives again.
 * Directly after stream_open(). Returns their count: fewer when that is all there is. May wait on a
 * pipe. */
size_t stream_peek(struct stream *s, uint8_t *ret, size_t bytes);

/* stream_rewind - to the first byte of a regular file again, giving back the codec's memory. */
void stream_rewind(struct stream *s);

/* stream_read - fill `buffer` completely.
 * Returns: bytes put there: less than asked for when the stream ended (see `ended`, `damage`) or,
 * on what is no regular file, when nothing more is there yet. */
size_t stream_read(struct stream *s, uint8_t *buffer, size_t bytes);

/* stream_close - accepts one that is closed. */
void stream_close(struct stream *s);

#endif
