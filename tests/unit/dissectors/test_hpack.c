/* Proves of dissectors/hpack.c:
 *   - what nghttp2 encodes is decoded, in one piece or byte by byte;
 *   - who joins late is told what is literal or static, that the rest is unknown, and nothing
 * wrong, for as long as the connection lasts;
 *   - a table may grow and shrink as the settings say;
 *   - a block that cannot be decoded breaks the decoder for good.
 */
#include "tests/support/check.h"

#include <stdio.h>

#include "dissectors/hpack.h"
#include "tests/support/fake_host.h"
#include "tests/support/frames.h"

extern const struct dissector dissector_http2;

static struct conn c;
static struct frames f;

static int set_up(void **state)
{
	(void)state;
	fake_open(&c, &dissector_http2, NULL);
	frames_init(&f, 4096);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	frames_fini(&f);
	fake_free(&c);
	return 0;
}

static char told[1 << 16];

static void tell(void *context, struct slice name, struct slice value)
{
	size_t n = strlen(told);

	(void)context;
	if (name.at == NULL)
		snprintf(told + n, sizeof(told) - n, "?\n");
	else
		snprintf(told + n, sizeof(told) - n, "%.*s: %.*s\n", (int)name.bytes,
			 (const char *)name.at, (int)value.bytes, (const char *)value.at);
}

static const char *decoded(struct hpack *h, struct slice block)
{
	told[0] = 0;
	assert_true(hpack_decode(h, block, true, tell, NULL));
	return told;
}

static void what_is_encoded_is_decoded(void **state)
{
	(void)state;
	static const char text[] = ":method: GET\n:path: /a/b\nuser-agent: somebody\ncookie: a=1\n";
	struct hpack *h = hpack_new(&c, false);
	uint8_t block[1000];

	for (int i = 0; i < 3; i++) {
		size_t n = block_of(&f, text, block, sizeof(block));

		assert_string_equal(decoded(h, slice_of(block, n)), text);
	}
	hpack_free(h);
}

static void a_block_may_come_byte_by_byte(void **state)
{
	(void)state;
	static const char text[] = ":method: POST\n:path: /with/a/path\nx-long: "
				   "0123456789012345678901234567890123456789\n";
	struct hpack *h = hpack_new(&c, false);
	uint8_t block[1000];
	size_t n = block_of(&f, text, block, sizeof(block));

	told[0] = 0;
	for (size_t i = 0; i < n; i++)
		assert_true(hpack_decode(h, slice_of(block + i, 1), i == n - 1, tell, NULL));
	assert_string_equal(told, text);
	hpack_free(h);
}

static void text_of_round(int round, char *ret, size_t room)
{
	uint64_t seed = (uint64_t)round + 1;

	snprintf(ret, room,
		 ":method: GET\n:path: /%d\nx-%d: value-%d\nx-kept: the same\nx-%d: value-%d\n",
		 round % 7, round, round, (int)(fake_random(&seed) % 30),
		 (int)(fake_random(&seed) % 3));
}

/* Every line told must be the line that was encoded in its place. */
static void expect_nothing_wrong(const char *text)
{
	const char *t = told, *w = text;

	while (*t != 0) {
		size_t n = strcspn(t, "\n"), m = strcspn(w, "\n");

		if (t[0] != '?') {
			assert_int_equal(n, m);
			assert_memory_equal(t, w, n);
		}
		t += n + 1;
		w += m + 1;
	}
	assert_int_equal(*w, 0);
}

static void who_joins_late_is_told_nothing_wrong(void **state)
{
	(void)state;
	for (int missed = 1; missed < 60; missed += 7) {
		struct hpack *h = hpack_new(&c, true);
		int unknown = 0;

		tear_down(state);
		set_up(state);
		h = hpack_new(&c, true);
		for (int round = 0; round < 400; round++) {
			char text[400];
			uint8_t block[1000];
			size_t n;

			text_of_round(round, text, sizeof(text));
			n = block_of(&f, text, block, sizeof(block));
			if (round < missed)
				continue;
			decoded(h, slice_of(block, n));
			expect_nothing_wrong(text);
			unknown += strchr(told, '?') != NULL;
			if (round >
			    300) /* every entry from before the join has left the table by now */
				assert_string_equal(told, text);
		}
		assert_true(unknown > 0);
		hpack_free(h);
	}
}

static void a_table_grows_and_shrinks_as_the_settings_say(void **state)
{
	(void)state;
	static const size_t sizes[] = { 65536, 0, 128, 4096 };
	struct hpack *h = hpack_new(&c, false);
	uint8_t block[1000];

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		nghttp2_hd_deflate_change_table_size(f.table, sizes[i]);
		hpack_limit(h, (uint32_t)sizes[i]);
		for (int round = 0; round < 200; round++) {
			char text[400];
			size_t n;

			text_of_round(round, text, sizeof(text));
			n = block_of(&f, text, block, sizeof(block));
			assert_string_equal(decoded(h, slice_of(block, n)), text);
		}
	}
	hpack_free(h);
}

static void what_cannot_be_decoded_breaks_it_for_good(void **state)
{
	(void)state;
	static const uint8_t beyond[] = { 0xff, 0xff, 0x7f }, fine[] = { 0x82 };
	struct hpack *h = hpack_new(&c, false);

	told[0] = 0;
	assert_false(hpack_decode(h, slice_of(beyond, sizeof(beyond)), true, tell, NULL));
	assert_false(hpack_decode(h, slice_of(fine, sizeof(fine)), true, tell, NULL));
	assert_string_equal(told, "");
	hpack_free(h);
	hpack_free(NULL);
}

/* RFC 7541 7.3: the connection's memory is the limit, not what the peer asks for. */
static void a_huge_table_ends_at_the_memory_of_the_connection(void **state)
{
	(void)state;
	struct hpack *h = hpack_new(&c, false);
	static uint8_t block[4200];
	bool whole = true;

	hpack_limit(h, UINT32_C(1) << 31);
	/* a table of 2^31 bytes, then entries of 4 KB each that differ in their names */
	static const uint8_t update[] = { 0x3f, 0xe1, 0xff, 0xff, 0xff, 0x07 };

	told[0] = 0;
	whole = hpack_decode(h, slice_of(update, sizeof(update)), true, tell, NULL);
	for (int i = 0; i < 400 && whole; i++) {
		block[0] = 0x40;
		block[1] = 2;
		block[2] = (uint8_t)('a' + i % 26);
		block[3] = (uint8_t)('a' + i / 26);
		block[4] = 0x7f;
		block[5] = 0x81;
		block[6] = 0x1f; /* 127 + 1 + 31 * 128 = 4096 */
		memset(block + 7, 'v', 4096);
		told[0] = 0;
		whole = hpack_decode(h, slice_of(block, 7 + 4096), true, tell, NULL);
	}
	assert_true(c.taken_bytes <= 300 * 1024);
	hpack_free(h);
	assert_int_equal(c.taken_bytes, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		TEST(what_is_encoded_is_decoded),
		TEST(a_block_may_come_byte_by_byte),
		TEST(who_joins_late_is_told_nothing_wrong),
		TEST(a_table_grows_and_shrinks_as_the_settings_say),
		TEST(what_cannot_be_decoded_breaks_it_for_good),
		TEST(a_huge_table_ends_at_the_memory_of_the_connection),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
