/* stream - the bytes of one input in order, decompressed where they are compressed. */
#include "dataplane/rx/stream.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dataplane/base/ensure.h"

enum { RAW_BYTES = 128 * 1024 };

/* Is there something to read without waiting? At the end of the input: yes. */
static bool is_ready(int fd, bool wait)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int n;

	do
		n = poll(&p, 1, wait ? -1 : 0);
	while (n < 0 && errno == EINTR);
	return n != 0;
}

/* fd_end - the descriptor has nothing more. `err` is what read(2) said, 0 for the end of the file.
 */
static void fd_end(struct stream *s, int err)
{
	s->fd_ended = true;
	if (err != 0)
		s->damage = strerrordesc_np(err);
	else if (s->read_bytes < s->size_bytes)
		s->damage = "the file became shorter while it was read";
}

/* fd_read - fill `buffer` from the descriptor. Returns what came: less at its end, or when nothing
 * more is there yet. */
static size_t fd_read(struct stream *s, uint8_t *buffer, size_t bytes, bool wait)
{
	size_t have = 0;

	while (have < bytes && !s->fd_ended) {
		ssize_t n;

		if (!s->regular && !is_ready(s->fd, wait))
			break;
		n = read(s->fd, buffer + have, bytes - have);
		if (n > 0) {
			have += (size_t)n;
			s->read_bytes += (uint64_t)n;
		} else if (n == 0 || (errno != EINTR && errno != EAGAIN)) {
			fd_end(s, n == 0 ? 0 : errno);
		} else if (errno == EAGAIN && !wait) {
			break;
		}
	}
	return have;
}

static size_t read_plain(struct stream *s, uint8_t *buffer, size_t bytes, bool wait)
{
	size_t n = fd_read(s, buffer, bytes, wait);

	s->ended = s->fd_ended;
	return n;
}

static void end_compressed(struct stream *s, const char *damage)
{
	s->ended = true;
	if (s->damage == NULL)
		s->damage = damage;
}

/* raw_refill - more compressed bytes. Returns false when there are none now, or none any more. */
static bool raw_refill(struct stream *s, bool wait)
{
	s->raw_at = 0;
	s->raw_bytes = fd_read(s, s->raw, RAW_BYTES, wait);
	if (s->raw_bytes > 0)
		return true;
	if (s->fd_ended)
		end_compressed(s, s->codec_state == CODEC_WHOLE
					  ? NULL
					  : "the compressed data end too early");
	return false;
}

/* codec_start - Returns false when there is no memory for it. */
static bool codec_start(struct stream *s)
{
	s->raw = malloc(RAW_BYTES);
	s->codec_memory = s->codec->open();
	return s->raw != NULL && s->codec_memory != NULL;
}

static void codec_stop(struct stream *s)
{
	if (s->codec_memory != NULL)
		s->codec->close(s->codec_memory);
	free(s->raw);
	s->codec_memory = NULL;
	s->codec_state = CODEC_INSIDE;
	s->more_inside = false;
	s->raw = NULL;
	s->raw_at = s->raw_bytes = 0;
}

static size_t read_compressed(struct stream *s, uint8_t *buffer, size_t bytes, bool wait)
{
	struct codec_step step = { .out = buffer, .out_bytes = bytes };

	if (s->codec_memory == NULL && !codec_start(s)) {
		end_compressed(s, "there is no memory to decompress it");
		return 0;
	}
	while (step.out_bytes > 0) {
		if (s->raw_at == s->raw_bytes && !s->more_inside && !raw_refill(s, wait))
			break;
		step.in = s->raw + s->raw_at;
		step.in_bytes = s->raw_bytes - s->raw_at;
		s->codec_state = s->codec->step(s->codec_memory, &step);
		s->raw_at = s->raw_bytes - step.in_bytes;
		s->more_inside = step.out_bytes == 0;
		if (s->codec_state == CODEC_CORRUPT) {
			end_compressed(s, "the compressed data are corrupt");
			break;
		}
	}
	return bytes - step.out_bytes;
}

/* take_again - give out bytes that were taken from the descriptor before. */
static size_t take_again(struct stream *s, uint8_t *buffer, size_t bytes)
{
	size_t have = s->again_bytes - s->again_at;

	if (have > bytes)
		have = bytes;
	memcpy(buffer, s->again + s->again_at, have);
	s->again_at += (uint32_t)have;
	return have;
}

static size_t read_any(struct stream *s, uint8_t *buffer, size_t bytes, bool wait)
{
	size_t have = take_again(s, buffer, bytes);

	if (have == bytes || s->ended)
		return have;
	if (s->codec != NULL)
		return have + read_compressed(s, buffer + have, bytes - have, wait);
	return have + read_plain(s, buffer + have, bytes - have, wait);
}

/* choose_codec - read the magic number and let the chosen reader have it again. */
static int choose_codec(struct stream *s)
{
	size_t n = fd_read(s, s->again, CODEC_MAGIC_BYTES, true);

	if (n == CODEC_MAGIC_BYTES)
		s->codec = codec_find(s->again);
	if (s->codec == NULL) {
		s->again_bytes = (uint32_t)n;
		s->ended = s->fd_ended;
		return 0;
	}
	if (!codec_start(s))
		return -ENOMEM;
	memcpy(s->raw, s->again, n);
	s->raw_bytes = n;
	return 0;
}

int stream_open(struct stream *s, int fd)
{
	struct stat st;
	int err;

	*s = (struct stream){ .fd = -1 };
	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	s->fd = fd;
	/* Standard input may be a file of which somebody else has read a part. */
	s->regular = S_ISREG(st.st_mode) && lseek(fd, 0, SEEK_CUR) == 0;
	if (s->regular)
		s->size_bytes = (uint64_t)st.st_size;
	err = choose_codec(s);
	if (err < 0) {
		codec_stop(s);
		s->fd = -1;
	}
	return err;
}

size_t stream_peek(struct stream *s, uint8_t *ret, size_t bytes)
{
	size_t n;

	ENSURE(bytes >= CODEC_MAGIC_BYTES && bytes <= STREAM_PEEK_BYTES && s->again_at == 0);
	n = read_any(s, ret, bytes, true);
	memcpy(s->again, ret, n);
	s->again_bytes = (uint32_t)n;
	s->again_at = 0;
	return n;
}

void stream_rewind(struct stream *s)
{
	/* A regular file whose first bytes were just read can be set back to them. */
	ENSURE(s->regular && lseek(s->fd, 0, SEEK_SET) == 0);
	codec_stop(s);
	s->again_at = s->again_bytes = 0;
	s->read_bytes = 0;
	s->ended = s->fd_ended = false;
	s->damage = NULL;
}

size_t stream_read(struct stream *s, uint8_t *buffer, size_t bytes)
{
	return read_any(s, buffer, bytes, false);
}

void stream_close(struct stream *s)
{
	if (s->fd < 0)
		return;
	codec_stop(s);
	close(s->fd);
	s->fd = -1;
}
