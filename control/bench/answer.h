/* answer - where an HTTP/1.x answer ends, byte by byte; nothing of it is kept.
 *
 * What a load generator has to know: the status, the end, and whether the connection may be used
 * again. Lengths by Content-Length, chunks or the end of the connection (RFC 9112 section 6.3), for
 * answers to GET. 1xx answers are passed over. Lines end with CRLF or LF.
 *
 * Left alone: everything that does not move the end, such as content codings and trailers.
 */
#ifndef CONTROL_BENCH_ANSWER_H
#define CONTROL_BENCH_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	ANSWER_LINE_BYTES = 256,         /* of a longer header line only the beginning is read */
	ANSWER_HEAD_BYTES_MAX = 1 << 20, /* more is no answer */
};

enum answer_end { ANSWER_MORE, ANSWER_DONE, ANSWER_BAD };

enum answer_state {
	ANSWER_STATUS,
	ANSWER_HEADERS,
	ANSWER_BODY, /* `left` bytes to go */
	ANSWER_UNTIL_CLOSE,
	ANSWER_CHUNK_SIZE,
	ANSWER_CHUNK,      /* `left` bytes to go */
	ANSWER_CHUNK_TAIL, /* the end of the line behind a chunk */
	ANSWER_TRAILERS,
};

struct answer {
	enum answer_state state;
	uint32_t status;
	bool close; /* the connection ends with this answer */
	bool chunked, has_length;
	uint64_t left;
	uint32_t head_bytes, line_bytes;
	char line[ANSWER_LINE_BYTES];
};

void answer_begin(struct answer *a);

/* answer_feed - the next bytes. Returns: DONE with ret_used, the bytes that belong to this answer;
 * MORE: all were used; BAD: no such answer, ret_used is unspecified. */
enum answer_end answer_feed(struct answer *a, const char *bytes, size_t count, size_t *ret_used);

/* answer_close - the connection has ended. DONE if that is the answer's end, else BAD. */
enum answer_end answer_close(const struct answer *a);

#endif
