/* Proves what stream.h and codec.h promise: compressed input is recognised by its bytes and read
 * through all of its members; what was peeked is read again; every way of ending early is told
 * apart from the end; nothing is waited for on a pipe but by open and peek.
 */
#include "dataplane/rx/stream.h"

#include <errno.h>
#include <fcntl.h>

#include <zlib.h>
#include <zstd.h>

#include "captures.h"

enum { TEXT_BYTES = 300000 };

static uint8_t text[TEXT_BYTES], got[TEXT_BYTES + 100];

static int set_up(void **state)
{
	uint32_t x = 1;

	(void)state;
	/* Not too well compressible, so that compressed input too is longer than what is read at
	 * once. */
	for (size_t i = 0; i < TEXT_BYTES; i++)
		text[i] = (uint8_t)((x = x * 1664525 + 1013904223) >> 25);
	return 0;
}

static void put_gzip(struct blob *b, const void *at, size_t bytes)
{
	z_stream z = { 0 };
	uint8_t *out = malloc(bytes + 10000);

	assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_in = (void *)(uintptr_t)at;
	z.avail_in = (uInt)bytes;
	z.next_out = out;
	z.avail_out = (uInt)bytes + 10000;
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	blob_put(b, out, z.total_out);
	deflateEnd(&z);
	free(out);
}

static void put_zstd(struct blob *b, const void *at, size_t bytes)
{
	ZSTD_CCtx *z = ZSTD_createCCtx();
	uint8_t *out = malloc(ZSTD_compressBound(bytes));
	size_t n;

	ZSTD_CCtx_setParameter(z, ZSTD_c_checksumFlag, 1); /* as the command does */
	n = ZSTD_compress2(z, out, ZSTD_compressBound(bytes), at, bytes);
	assert_false(ZSTD_isError(n));
	blob_put(b, out, n);
	ZSTD_freeCCtx(z);
	free(out);
}

typedef void put_fn(struct blob *b, const void *at, size_t bytes);

static void put_plain(struct blob *b, const void *at, size_t bytes)
{
	blob_put(b, at, bytes);
}

static put_fn *const all[] = { put_plain, put_gzip, put_zstd };
static put_fn *const compressed[] = { put_gzip, put_zstd };

static struct stream stream_of(const void *at, size_t bytes)
{
	struct held_file f = file_of_bytes(at, bytes);
	struct stream s;

	assert_int_equal(stream_open(&s, f.fd), 0);
	return s;
}

/* read_all - in steps of `step`. */
static size_t read_all(struct stream *s, size_t step)
{
	size_t n, have = 0;

	do {
		size_t room = sizeof(got) - have < step ? sizeof(got) - have : step;

		n = stream_read(s, got + have, room);
		have += n;
	} while (n > 0);
	return have;
}

static void every_kind_is_recognised_and_read_whole(void **state)
{
	static const size_t step[] = { 13, 4096, sizeof(got) };

	(void)state;
	for (size_t k = 0; k < 3; k++)
		for (size_t i = 0; i < 3; i++) {
			struct blob b = { 0 };
			struct stream s;

			all[k](&b, text, TEXT_BYTES);
			s = stream_of(b.at, b.bytes);
			assert_int_equal(s.codec != NULL, k > 0);
			assert_int_equal(read_all(&s, step[i]), TEXT_BYTES);
			assert_memory_equal(got, text, TEXT_BYTES);
			assert_true(s.ended);
			assert_null(s.damage);
			assert_int_equal(s.read_bytes, b.bytes);
			assert_int_equal(s.size_bytes, b.bytes);
			stream_close(&s);
			blob_free(&b);
		}
}

static void members_and_frames_follow_each_other(void **state)
{
	(void)state;
	for (size_t k = 0; k < 2; k++) {
		struct blob b = { 0 };
		struct stream s;

		compressed[k](&b, text, 1000);
		compressed[k](&b, text, 0);
		compressed[k](&b, text + 1000, TEXT_BYTES - 1000);
		s = stream_of(b.at, b.bytes);
		assert_int_equal(read_all(&s, sizeof(got)), TEXT_BYTES);
		assert_memory_equal(got, text, TEXT_BYTES);
		assert_null(s.damage);
		stream_close(&s);
		blob_free(&b);
	}
}

static void zeros_may_follow_gzip_but_nothing_else_may(void **state)
{
	struct blob b = { 0 };
	struct stream s;

	(void)state;
	put_gzip(&b, text, 1000);
	blob_put(&b, "\0\0\0", 3);
	s = stream_of(b.at, b.bytes);
	assert_int_equal(read_all(&s, sizeof(got)), 1000);
	assert_null(s.damage);
	stream_close(&s);

	blob_put(&b, "x", 1);
	s = stream_of(b.at, b.bytes);
	assert_int_equal(read_all(&s, sizeof(got)), 1000);
	assert_string_equal(s.damage, "the compressed data are corrupt");
	stream_close(&s);
	blob_free(&b);
}

static void a_skippable_frame_may_come_first(void **state)
{
	struct blob b = { 0 };
	struct stream s;

	(void)state;
	blob_put(&b, "\x5e\x2a\x4d\x18\x05\0\0\0hello", 13);
	put_zstd(&b, text, 500);
	s = stream_of(b.at, b.bytes);
	assert_int_equal(read_all(&s, sizeof(got)), 500);
	assert_null(s.damage);
	stream_close(&s);
	blob_free(&b);
}

static void compressed_data_cut_anywhere_are_damaged(void **state)
{
	(void)state;
	for (size_t k = 0; k < 2; k++) {
		struct blob b = { 0 };

		compressed[k](&b, text, 300);
		for (size_t cut = 4; cut < b.bytes; cut++) {
			struct stream s = stream_of(b.at, cut);
			size_t n = read_all(&s, sizeof(got));

			assert_true(n <= 300);
			assert_memory_equal(got, text, n);
			assert_true(s.ended);
			assert_string_equal(s.damage, "the compressed data end too early");
			stream_close(&s);
		}
		blob_free(&b);
	}
}

static void corrupt_data_are_damage(void **state)
{
	(void)state;
	for (size_t k = 0; k < 2; k++) {
		struct blob b = { 0 };
		struct stream s;

		compressed[k](&b, text, TEXT_BYTES);
		memset(b.at + b.bytes / 2, 0xff, 1000);
		s = stream_of(b.at, b.bytes);
		assert_true(read_all(&s, sizeof(got)) <= TEXT_BYTES); /* a checksum comes last */
		assert_string_equal(s.damage, "the compressed data are corrupt");
		stream_close(&s);
		blob_free(&b);
	}
}

static void what_was_peeked_is_read_again_and_rewinding_starts_over(void **state)
{
	(void)state;
	for (size_t k = 0; k < 3; k++) {
		struct blob b = { 0 };
		uint8_t first[STREAM_PEEK_BYTES];
		struct stream s;

		all[k](&b, text, TEXT_BYTES);
		s = stream_of(b.at, b.bytes);
		assert_int_equal(stream_peek(&s, first, 28), 28);
		assert_memory_equal(first, text, 28);
		assert_int_equal(stream_peek(&s, first, 30), 30);
		assert_memory_equal(first, text, 30);
		assert_int_equal(read_all(&s, 1000), TEXT_BYTES);
		stream_rewind(&s);
		assert_null(s.raw);
		assert_int_equal(read_all(&s, sizeof(got)), TEXT_BYTES);
		assert_memory_equal(got, text, TEXT_BYTES);
		assert_int_equal(s.read_bytes, b.bytes);
		stream_close(&s);
		blob_free(&b);
	}
}

static void short_inputs_are_whole_when_they_are_short(void **state)
{
	(void)state;
	for (size_t bytes = 0; bytes < 6; bytes++) {
		struct stream s = stream_of(text, bytes);
		uint8_t first[STREAM_PEEK_BYTES];

		assert_int_equal(stream_peek(&s, first, sizeof(first)), bytes);
		assert_int_equal(read_all(&s, 100), bytes);
		assert_true(s.ended);
		assert_null(s.damage);
		stream_close(&s);
	}
}

static void a_file_that_shrinks_is_damaged_and_one_that_grows_is_read_on(void **state)
{
	struct stream s = stream_of(text, 1000);

	(void)state;
	assert_int_equal(stream_read(&s, got, 600), 600);
	assert_int_equal(ftruncate(s.fd, 700), 0);
	assert_int_equal(stream_read(&s, got, 600), 100);
	assert_true(s.ended);
	assert_string_equal(s.damage, "the file became shorter while it was read");
	stream_close(&s);

	s = stream_of(text, 1000);
	assert_int_equal(stream_read(&s, got, 600), 600);
	assert_int_equal(pwrite(s.fd, text, 500, 1000), 500);
	assert_int_equal(stream_read(&s, got, 2000), 900);
	assert_true(s.ended);
	assert_null(s.damage);
	stream_close(&s);
}

static void an_empty_pipe_is_not_waited_for(void **state)
{
	struct stream s;
	int fd[2];

	(void)state;
	assert_int_equal(pipe(fd), 0);
	assert_int_equal(write(fd[1], text, 10), 10);
	assert_int_equal(stream_open(&s, fd[0]), 0);
	assert_false(s.regular);
	assert_int_equal(s.size_bytes, 0);
	assert_int_equal(stream_read(&s, got, 100), 10);
	assert_false(s.ended);
	assert_int_equal(stream_read(&s, got, 100), 0);
	assert_false(s.ended);
	assert_int_equal(write(fd[1], text + 10, 5), 5);
	assert_int_equal(stream_read(&s, got, 100), 5);
	close(fd[1]);
	assert_int_equal(stream_read(&s, got, 100), 0);
	assert_true(s.ended);
	assert_null(s.damage);
	stream_close(&s);
	stream_close(&s); /* closing again is harmless */
}

static void compressed_pipes_go_on_where_they_ran_dry(void **state)
{
	(void)state;
	for (size_t k = 0; k < 2; k++) {
		struct blob b = { 0 };
		struct stream s;
		size_t have = 0;
		int fd[2];

		compressed[k](&b, text, 20000);
		assert_int_equal(pipe(fd), 0);
		assert_int_equal(write(fd[1], b.at, 4), 4);
		assert_int_equal(stream_open(&s, fd[0]), 0);
		for (size_t i = 4; i < b.bytes; i++) {
			assert_int_equal(write(fd[1], b.at + i, 1), 1);
			have += stream_read(&s, got + have, 40000);
			assert_int_equal(stream_read(&s, got + have, 1), 0);
			assert_false(s.ended);
		}
		close(fd[1]);
		have += stream_read(&s, got + have, 40000);
		assert_true(s.ended);
		assert_null(s.damage);
		assert_int_equal(have, 20000);
		assert_memory_equal(got, text, have);
		stream_close(&s);
		blob_free(&b);
	}
}

static void what_cannot_be_read_is_refused_or_damage(void **state)
{
	struct stream s;
	int fd = open("/", O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_int_equal(stream_open(&s, fd), -EISDIR);
	close(fd);
	assert_int_equal(stream_open(&s, fd), -EBADF);

	s = stream_of(text, 1000);
	fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	assert_true(dup2(fd, s.fd) == s.fd); /* reading it fails from now on */
	close(fd);
	assert_int_equal(stream_read(&s, got, 100), 4); /* what was read to recognise it */
	assert_true(s.ended);
	assert_string_equal(s.damage, strerror(EBADF));
	stream_close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_is_recognised_and_read_whole),
		cmocka_unit_test(members_and_frames_follow_each_other),
		cmocka_unit_test(zeros_may_follow_gzip_but_nothing_else_may),
		cmocka_unit_test(a_skippable_frame_may_come_first),
		cmocka_unit_test(compressed_data_cut_anywhere_are_damaged),
		cmocka_unit_test(corrupt_data_are_damage),
		cmocka_unit_test(what_was_peeked_is_read_again_and_rewinding_starts_over),
		cmocka_unit_test(short_inputs_are_whole_when_they_are_short),
		cmocka_unit_test(a_file_that_shrinks_is_damaged_and_one_that_grows_is_read_on),
		cmocka_unit_test(an_empty_pipe_is_not_waited_for),
		cmocka_unit_test(compressed_pipes_go_on_where_they_ran_dry),
		cmocka_unit_test(what_cannot_be_read_is_refused_or_damage),
	};
	return cmocka_run_group_tests(tests, set_up, NULL);
}
