/* Proves of dataplane/dissect/content.h:
 *   - each coding is undone, whole, and as far as there is input or room;
 *   - what is not what it says is found out, whatever byte is wrong, and memory is given back;
 *   - a bomb costs no more than the room, and a decoder no more memory than is allowed;
 *   - messages of permessage-deflate share their window, until one is lost.
 * Input ends at an unreadable page. Codings whose library is missing here are left out.
 */
#include "tests/support/check.h"

#include <zlib.h>

#include "dataplane/dissect/content.h"
#include "tests/support/guarded.h"

enum { ROOM = 1 << 20 };

static struct guarded page;
static struct arena arena;
static uint8_t plain[100000], to[ROOM];

static int start(void **state)
{
	(void)state;
	assert_int_equal(arena_init(&arena), 0);
	arena.limit_bytes = 64 << 20;
	guarded_init(&page, 1 << 20);
	for (size_t i = 0; i < sizeof(plain); i++)
		plain[i] = (uint8_t)((uint8_t)"the quick brown fox "[i % 20] + i / 5000 % 3);
	return 0;
}

static int end(void **state)
{
	(void)state;
	assert_int_equal(arena.held_bytes, 0);
	guarded_fini(&page);
	arena_fini(&arena);
	return 0;
}

/* `bits` as zlib counts them: RAW -15, zlib 15, gzip 31. */
static size_t deflated(int bits, const void *data, size_t bytes, uint8_t *ret, size_t room)
{
	z_stream z = { 0 };

	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, bits, 8, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_in = (uint8_t *)(uintptr_t)data;
	z.avail_in = (uInt)bytes;
	z.next_out = ret;
	z.avail_out = (uInt)room;
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	deflateEnd(&z);
	return room - z.avail_out;
}

static enum content_end decode(enum coding coding, const void *in, size_t bytes, size_t room,
			       size_t *ret)
{
	const uint8_t *at = guarded_put(&page, in, bytes);
	enum content_end how = content_decode(&arena, coding, slice_of(at, bytes), to, room, ret);

	assert_true(*ret <= room);
	assert_int_equal(arena.held_bytes, 0);
	return how;
}

/* "hello, hello, hello", by python3-brotli. */
static const uint8_t brotli_hello[] = { 0x1b, 0x12, 0x00, 0xf8, 0x8d, 0x94, 0x6e, 0xde,
					0x44, 0x09, 0x52, 0x86, 0x96, 0x6c, 0x2c, 0x6f,
					0x11, 0x4f, 0x24, 0xd0, 0x71, 0x00 };

static const struct {
	enum coding coding;
	int bits;
} by_zlib[] = { { CODING_gzip, 31 }, { CODING_deflate, 15 }, { CODING_deflate, -15 } };

static void each_coding_is_undone(void **state)
{
	static uint8_t packed[200000];
	size_t n, got;

	(void)state;
	for (size_t i = 0; i < sizeof(by_zlib) / sizeof(by_zlib[0]); i++) {
		n = deflated(by_zlib[i].bits, plain, sizeof(plain), packed, sizeof(packed));
		assert_int_equal(decode(by_zlib[i].coding, packed, n, ROOM, &got), CONTENT_WHOLE);
		assert_int_equal(got, sizeof(plain));
		assert_memory_equal(to, plain, sizeof(plain));
		/* The room is exactly enough, and one too small. */
		assert_int_equal(decode(by_zlib[i].coding, packed, n, sizeof(plain), &got),
				 CONTENT_WHOLE);
		assert_int_equal(got, sizeof(plain));
		assert_int_equal(decode(by_zlib[i].coding, packed, n, sizeof(plain) - 1, &got),
				 CONTENT_FULL);
		assert_int_equal(got, sizeof(plain) - 1);
		assert_memory_equal(to, plain, sizeof(plain) - 1);
	}
}

static void what_is_cut_is_decoded_as_far_as_it_goes(void **state)
{
	static uint8_t packed[200000];
	size_t n, got, before;

	(void)state;
	for (size_t i = 0; i < sizeof(by_zlib) / sizeof(by_zlib[0]); i++) {
		n = deflated(by_zlib[i].bits, plain, 3000, packed, sizeof(packed));
		before = 0;
		for (size_t k = 0; k < n; k++) {
			enum content_end how = decode(by_zlib[i].coding, packed, k, ROOM, &got);

			/* One byte of zlib's frame may be anything. */
			assert_true(how == CONTENT_CUT || (k == 1 && how == CONTENT_BROKEN));
			assert_true(got >= before && got <= 3000);
			assert_memory_equal(to, plain, got);
			before = got;
		}
		assert_int_equal(before, 3000);
	}
}

static void what_is_none_is_found_out(void **state)
{
	static uint8_t packed[200000];
	size_t n, got;

	(void)state;
	for (int coding = 0; coding < CODING_COUNT; coding++) {
		assert_int_equal(decode((enum coding)coding, "<html><body>", 12, ROOM, &got),
				 CONTENT_BROKEN);
		assert_true(got < 12);
	}
	n = deflated(31, plain, 3000, packed, sizeof(packed));
	packed[n] = 'x';
	assert_int_equal(decode(CODING_gzip, packed, n + 1, ROOM, &got), CONTENT_BROKEN);
	assert_int_equal(got, 3000);
	packed[n - 5] ^= 1; /* the check sum */
	assert_int_equal(decode(CODING_gzip, packed, n, ROOM, &got), CONTENT_BROKEN);
	assert_int_equal(got, 3000);
	for (size_t k = 0; k < n; k++) { /* any byte may be wrong */
		packed[k] ^= 0x55;
		decode(CODING_gzip, packed, k + 1, ROOM, &got);
		for (int coding = 0; coding < CODING_COUNT; coding++)
			decode((enum coding)coding, packed, n, ROOM, &got);
		packed[k] ^= 0x55;
	}
	assert_int_equal(decode(CODING_unknown, packed, n, ROOM, &got), CONTENT_BROKEN);
	assert_int_equal(got, 0);
}

static void members_of_gzip_follow_each_other(void **state)
{
	static uint8_t packed[20000];
	size_t n, got;

	(void)state;
	n = deflated(31, "one ", 4, packed, sizeof(packed));
	n += deflated(31, "two", 3, packed + n, sizeof(packed) - n);
	assert_int_equal(decode(CODING_gzip, packed, n, ROOM, &got), CONTENT_WHOLE);
	assert_int_equal(got, 7);
	assert_memory_equal(to, "one two", 7);
}

static void brotli_is_undone(void **state)
{
	size_t got;

	(void)state;
	if (content_coding(slice_of("br", 2)) == CODING_unknown)
		skip();
	for (size_t k = 0; k < sizeof(brotli_hello); k++) {
		enum content_end how = decode(CODING_br, brotli_hello, k, ROOM, &got);

		assert_true(how == CONTENT_CUT);
		assert_memory_equal(to, "hello, hello, hello", got);
	}
	assert_int_equal(decode(CODING_br, brotli_hello, sizeof(brotli_hello), ROOM, &got),
			 CONTENT_WHOLE);
	assert_int_equal(got, 19);
	assert_memory_equal(to, "hello, hello, hello", 19);
	assert_int_equal(decode(CODING_br, brotli_hello, sizeof(brotli_hello), 19, &got),
			 CONTENT_WHOLE);
	assert_int_equal(decode(CODING_br, brotli_hello, sizeof(brotli_hello), 18, &got),
			 CONTENT_FULL);
	assert_int_equal(got, 18);
}

/* RFC 8878 3.1.1: a frame of one raw block; one of a block of the same byte, 128 KiB of it. */
static void zstd_is_undone(void **state)
{
	static const uint8_t raw[] = { 0x28, 0xb5, 0x2f, 0xfd, 0x20, 0x05, 0x29,
				       0x00, 0x00, 'h',  'e',  'l',  'l',  'o' };
	static const uint8_t window[] = { 0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xff, 0x29,
					  0,    0,    'h',  'e',  'l',  'l',  'o' };
	uint8_t twice[2 * sizeof(raw)];
	size_t got;

	(void)state;
	if (content_coding(slice_of("zstd", 4)) == CODING_unknown)
		skip();
	assert_int_equal(decode(CODING_zstd, raw, sizeof(raw), ROOM, &got), CONTENT_WHOLE);
	assert_int_equal(got, 5);
	assert_memory_equal(to, "hello", 5);
	assert_int_equal(decode(CODING_zstd, raw, sizeof(raw), 5, &got), CONTENT_WHOLE);
	assert_int_equal(decode(CODING_zstd, raw, sizeof(raw), 4, &got), CONTENT_FULL);
	for (size_t k = 0; k < sizeof(raw); k++)
		assert_int_equal(decode(CODING_zstd, raw, k, ROOM, &got), CONTENT_CUT);
	memcpy(twice, raw, sizeof(raw));
	memcpy(twice + sizeof(raw), raw, sizeof(raw));
	assert_int_equal(decode(CODING_zstd, twice, sizeof(twice), ROOM, &got), CONTENT_WHOLE);
	assert_int_equal(got, 10);
	/* A window of terabytes is nobody's. */
	assert_int_equal(decode(CODING_zstd, window, sizeof(window), ROOM, &got), CONTENT_BROKEN);
}

static void a_bomb_fills_the_room_and_no_more(void **state)
{
	static uint8_t packed[200000], zeros[8 << 20];
	size_t n, got;

	(void)state;
	n = deflated(31, zeros, sizeof(zeros), packed, sizeof(packed));
	assert_true(n < 10000);
	assert_int_equal(decode(CODING_gzip, packed, n, 5000, &got), CONTENT_FULL);
	assert_int_equal(got, 5000);
}

static void without_memory_nothing_is_decoded(void **state)
{
	static uint8_t packed[20000];
	size_t n, got;

	(void)state;
	n = deflated(31, plain, 3000, packed, sizeof(packed));
	arena.limit_bytes = 4096;
	assert_int_equal(decode(CODING_gzip, packed, n, ROOM, &got), CONTENT_BROKEN);
	assert_int_equal(got, 0);
	decode(CODING_br, brotli_hello, sizeof(brotli_hello), ROOM, &got);
	decode(CODING_zstd, "\x28\xb5\x2f\xfd\x20\x05\x29\0\0hello", 14, ROOM, &got);
	arena.limit_bytes = 64 << 20;
}

static void names_of_codings_are_known_without_regard_to_case(void **state)
{
	(void)state;
	assert_int_equal(content_coding(slice_of("GZip", 4)), CODING_gzip);
	assert_int_equal(content_coding(slice_of("x-gzip", 6)), CODING_gzip);
	assert_int_equal(content_coding(slice_of("deflate", 7)), CODING_deflate);
	assert_int_equal(content_coding(slice_of("gzi", 3)), CODING_unknown);
	assert_int_equal(content_coding(slice_of("compress", 8)), CODING_unknown);
	assert_int_equal(content_coding(slice_of("", 0)), CODING_unknown);
}

/* ---- permessage-deflate ---- */

static uint8_t window_bytes[INFLATE_WINDOW_BYTES];

static enum content_end inflate_message(struct inflate_window *w, const void *in, size_t bytes,
					size_t room, size_t *ret)
{
	const uint8_t *at = guarded_put(&page, in, bytes);
	enum content_end how = content_inflate(&arena, w, slice_of(at, bytes), to, room, ret);

	assert_int_equal(arena.held_bytes, 0);
	return how;
}

/* RFC 7692 7.2.3.1 to 7.2.3.6. */
static void the_examples_of_the_standard_are_read(void **state)
{
	static const uint8_t first[] = { 0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00 };
	static const uint8_t again[] = { 0xf2, 0x00, 0x11, 0x00, 0x00 };
	static const uint8_t stored[] = { 0x00, 0x05, 0x00, 0xfa, 0xff, 0x48,
					  0x65, 0x6c, 0x6c, 0x6f, 0x00 };
	static const uint8_t final[] = { 0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00 };
	static const uint8_t two[] = { 0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff,
				       0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00 };
	struct inflate_window w = { .at = window_bytes }, alone = { 0 };
	size_t got;

	(void)state;
#define HELLO(window, bytes)                                                                       \
	do {                                                                                       \
		assert_int_equal(inflate_message(&(window), bytes, sizeof(bytes), ROOM, &got),     \
				 CONTENT_WHOLE);                                                   \
		assert_int_equal(got, 5);                                                          \
		assert_memory_equal(to, "Hello", 5);                                               \
	} while (0)
	HELLO(w, first);
	HELLO(w, again);
	HELLO(alone, first);
	HELLO(alone, stored);
	HELLO(alone, final);
	HELLO(alone, two);
	assert_int_equal(inflate_message(&alone, again, sizeof(again), ROOM, &got), CONTENT_BROKEN);
	assert_int_equal(inflate_message(&alone, "", 0, ROOM, &got), CONTENT_WHOLE);
	assert_int_equal(got, 0);
}

static void messages_share_a_window_of_any_length(void **state)
{
	static uint8_t packed[200000];
	struct inflate_window w = { .at = window_bytes };
	z_stream z = { 0 };
	size_t got;

	(void)state;
	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
	for (size_t i = 1; i < 40; i++) {
		size_t bytes = i * 2501,
		       room = i % 3 == 0   ? bytes / 2
			      : i % 3 == 1 ? bytes
					   : ROOM,
		       n;

		z.next_in = plain;
		z.avail_in = (uInt)bytes;
		z.next_out = packed;
		z.avail_out = sizeof(packed);
		assert_int_equal(deflate(&z, Z_SYNC_FLUSH), Z_OK);
		n = sizeof(packed) - z.avail_out - 4;
		assert_int_equal(inflate_message(&w, packed, n, room, &got),
				 room < bytes ? CONTENT_FULL : CONTENT_WHOLE);
		assert_int_equal(got, room < bytes ? room : bytes);
		assert_memory_equal(to, plain, got);
		assert_false(w.lost);
	}
	/* One that cannot be read takes the window with it. */
	assert_int_equal(inflate_message(&w, "\xff\xff\xff", 3, ROOM, &got), CONTENT_BROKEN);
	assert_true(w.lost);
	assert_int_equal(inflate_message(&w, packed, 10, ROOM, &got), CONTENT_BROKEN);
	assert_int_equal(got, 0);
	deflateEnd(&z);
}

static void a_message_without_end_loses_the_window(void **state)
{
	static uint8_t packed[200000], zeros[64 << 20];
	struct inflate_window w = { .at = window_bytes };
	size_t n, got;

	(void)state;
	n = deflated(-15, zeros, sizeof(zeros), packed, sizeof(packed));
	assert_int_equal(inflate_message(&w, packed, n, 100, &got), CONTENT_BROKEN);
	assert_true(w.lost);
	assert_int_equal(got, 100);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_coding_is_undone, start, end),
		cmocka_unit_test_setup_teardown(what_is_cut_is_decoded_as_far_as_it_goes, start,
						end),
		cmocka_unit_test_setup_teardown(what_is_none_is_found_out, start, end),
		cmocka_unit_test_setup_teardown(members_of_gzip_follow_each_other, start, end),
		cmocka_unit_test_setup_teardown(brotli_is_undone, start, end),
		cmocka_unit_test_setup_teardown(zstd_is_undone, start, end),
		cmocka_unit_test_setup_teardown(a_bomb_fills_the_room_and_no_more, start, end),
		cmocka_unit_test_setup_teardown(without_memory_nothing_is_decoded, start, end),
		cmocka_unit_test_setup_teardown(names_of_codings_are_known_without_regard_to_case,
						start, end),
		cmocka_unit_test_setup_teardown(the_examples_of_the_standard_are_read, start, end),
		cmocka_unit_test_setup_teardown(messages_share_a_window_of_any_length, start, end),
		cmocka_unit_test_setup_teardown(a_message_without_end_loses_the_window, start, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
