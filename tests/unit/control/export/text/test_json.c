/* Proves that the writer says every value exactly: each class of escape, each kind of invalid UTF-8
 * as one U+FFFD per byte, numbers at every change of length and around 2^53, times, addresses; and
 * that it never writes behind the room its header promises.
 */
#include "control/export/text/json.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* Both ways to write a string must agree, whatever lies behind its end. */
static void check_string(const char *bytes, size_t count, const char *expected, bool expected_bad)
{
	uint8_t padded[512];
	char text[4096], plain[4096];
	bool bad = false, plain_bad = false;
	char *end, *plain_end;

	assert_true(count + JSON_SLACK_BYTES <= sizeof(padded));
	memset(padded, '"', sizeof(padded));
	memcpy(padded, bytes, count);
	end = json_padded(text, padded, count, &bad);
	plain_end = json_quoted(plain, bytes, count, &plain_bad);
	*end = *plain_end = 0;
	assert_string_equal(text, expected);
	assert_string_equal(plain, expected);
	assert_true(bad == expected_bad && plain_bad == expected_bad);
	assert_true((size_t)(end - text) + JSON_SLACK_BYTES <= JSON_STRING_ROOM(count));
}

#define CHECK_TEXT(bytes, expected) check_string(bytes, sizeof(bytes) - 1, expected, false)
#define CHECK_BAD(bytes, expected)  check_string(bytes, sizeof(bytes) - 1, expected, true)
#define R                           "\xef\xbf\xbd"

static void clean_text_of_every_length_is_copied(void **state)
{
	char bytes[100], expected[104];

	(void)state;
	for (size_t n = 0; n < sizeof(bytes); n++) {
		for (size_t i = 0; i < n; i++)
			bytes[i] = (char)('a' + i % 26);
		(void)snprintf(expected, sizeof(expected), "\"%.*s\"", (int)n, bytes);
		check_string(bytes, n, expected, false);
	}
}

static void a_byte_to_escape_is_found_at_every_place(void **state)
{
	char bytes[40], expected[48];

	(void)state;
	for (size_t n = 1; n < sizeof(bytes); n++) {
		for (size_t at = 0; at < n; at++) {
			memset(bytes, 'x', n);
			bytes[at] = '"';
			memset(expected, 'x', n + 2);
			expected[0] = expected[at + 2] = expected[n + 2] = '"';
			expected[at + 1] = '\\';
			expected[n + 3] = 0;
			check_string(bytes, n, expected, false);
		}
	}
}

static void every_ascii_byte_is_escaped_as_json_wants(void **state)
{
	static const char *const named[0x20] = {
		['\b'] = "\\b", ['\t'] = "\\t", ['\n'] = "\\n", ['\f'] = "\\f", ['\r'] = "\\r"
	};

	(void)state;
	for (unsigned b = 0; b < 0x80; b++) {
		char byte = (char)b, expected[16];

		if (b < 0x20 && named[b] != NULL)
			(void)snprintf(expected, sizeof(expected), "\"%s\"", named[b]);
		else if (b < 0x20)
			(void)snprintf(expected, sizeof(expected), "\"\\u%04x\"", b);
		else if (b == '"' || b == '\\')
			(void)snprintf(expected, sizeof(expected), "\"\\%c\"", (int)b);
		else
			(void)snprintf(expected, sizeof(expected), "\"%c\"", (int)b);
		check_string(&byte, 1, expected, false);
	}
}

static void valid_utf8_stays_as_it_is(void **state)
{
	(void)state;
	CHECK_TEXT("\xc2\x80", "\"\xc2\x80\"");                                 /* U+0080 */
	CHECK_TEXT("\xdf\xbf", "\"\xdf\xbf\"");                                 /* U+07FF */
	CHECK_TEXT("\xe0\xa0\x80", "\"\xe0\xa0\x80\"");                         /* U+0800 */
	CHECK_TEXT("\xed\x9f\xbf", "\"\xed\x9f\xbf\"");                         /* U+D7FF */
	CHECK_TEXT("\xee\x80\x80\xef\xbf\xbf", "\"\xee\x80\x80\xef\xbf\xbf\""); /* U+E000, U+FFFF */
	CHECK_TEXT("\xf0\x90\x80\x80", "\"\xf0\x90\x80\x80\"");                 /* U+10000 */
	CHECK_TEXT("\xf4\x8f\xbf\xbf", "\"\xf4\x8f\xbf\xbf\"");                 /* U+10FFFF */
	CHECK_TEXT("gr\xc3\xbc\xc3\x9f\xe2\x82\xac, sixteen and more: \xf0\x9f\x90\x9f",
		   "\"gr\xc3\xbc\xc3\x9f\xe2\x82\xac, sixteen and more: \xf0\x9f\x90\x9f\"");
}

static void each_byte_that_is_no_utf8_becomes_one_replacement(void **state)
{
	(void)state;
	CHECK_BAD("\x80", "\"" R "\""); /* continuation alone */
	CHECK_BAD("a\xff\xfe"
		  "b",
		  "\"a" R R "b\"");                                   /* never valid */
	CHECK_BAD("\xc0\xaf", "\"" R R "\"");                         /* overlong `/` */
	CHECK_BAD("\xe0\x80\xaf", "\"" R R R "\"");                   /* overlong */
	CHECK_BAD("\xf0\x8f\xbf\xbf", "\"" R R R R "\"");             /* overlong U+FFFF */
	CHECK_BAD("\xed\xa0\x80\xed\xb0\x80", "\"" R R R R R R "\""); /* surrogates */
	CHECK_BAD("\xf4\x90\x80\x80", "\"" R R R R "\"");             /* beyond U+10FFFF */
	CHECK_BAD("\xf5\x80\x80\x80", "\"" R R R R "\"");
	CHECK_BAD("\xe2\x82", "\"" R R "\"");       /* cut at the end */
	CHECK_BAD("\xe2\x82\"", "\"" R R "\\\"\""); /* cut by a quote */
	CHECK_BAD("\xf0\x9f\x90", "\"" R R R "\"");
	CHECK_BAD("\xc3\xbc\xc3", "\"\xc3\xbc" R "\"");
}

static void a_sequence_is_not_completed_by_what_lies_behind_the_end(void **state)
{
	uint8_t bytes[32] = { 0xe2, 0x82, 0xac };
	char text[64];
	bool bad = false;

	(void)state;
	*json_padded(text, bytes, 2, &bad) = 0;
	assert_string_equal(text, "\"" R R "\"");
	assert_true(bad);
}

static void the_vector_scan_agrees_with_the_scalar_one(void **state)
{
	uint8_t bytes[16];

	(void)state;
	srand(7);
	for (int round = 0; round < 20000; round++) {
		for (unsigned i = 0; i < sizeof(bytes); i++)
			bytes[i] = (uint8_t)(round < 256 ? round : rand());
		assert_int_equal(json_special(bytes), json_special_scalar(bytes));
	}
}

static void any_bytes_fit_the_promised_room(void **state)
{
	enum { COUNT = 300 };
	uint8_t bytes[COUNT + JSON_SLACK_BYTES] = { 0 };
	uint8_t room[JSON_STRING_ROOM(COUNT) + 1];
	bool bad = false;

	(void)state;
	for (unsigned value = 0; value < 256; value++) {
		memset(bytes, (int)value, COUNT);
		memset(room, 0xa5, sizeof(room));
		json_padded((char *)room, bytes, COUNT, &bad);
		assert_int_equal(room[sizeof(room) - 1], 0xa5);
	}
}

static void check_number(uint64_t value, const char *expected)
{
	char text[64];

	*json_number(text, value) = 0;
	assert_string_equal(text, expected);
}

static void numbers_are_exact_at_every_length(void **state)
{
	char text[64], expected[64];
	uint64_t power = 1;

	(void)state;
	for (int i = 0; i < 20; i++, power *= 10) {
		for (uint64_t v = power - 1; v <= power + 1; v++) {
			*json_digits(text, v) = 0;
			(void)snprintf(expected, sizeof(expected), "%llu", (unsigned long long)v);
			assert_string_equal(text, expected);
		}
	}
	for (uint64_t v = 1; v < UINT64_MAX / 3; v = v * 3 + 1) {
		*json_digits(text, v) = 0;
		(void)snprintf(expected, sizeof(expected), "%llu", (unsigned long long)v);
		assert_string_equal(text, expected);
	}
	for (uint64_t v = 0; v < 30000; v++) {
		*json_digits(text, v) = 0;
		assert_int_equal(strtoull(text, NULL, 10), v);
		assert_true(text[0] != '0' || v == 0);
	}
}

static void numbers_above_2_to_the_53_are_strings(void **state)
{
	char text[64];

	(void)state;
	check_number(0, "0");
	check_number(UINT64_C(9007199254740992), "9007199254740992");
	check_number(UINT64_C(9007199254740993), "\"9007199254740993\"");
	check_number(UINT64_MAX, "\"18446744073709551615\"");
	*json_signed(text, -1) = 0;
	assert_string_equal(text, "-1");
	*json_signed(text, INT64_MIN) = 0;
	assert_string_equal(text, "\"-9223372036854775808\"");
	*json_signed(text, 12) = 0;
	assert_string_equal(text, "12");
}

static void check_hex(uint64_t value, const char *expected)
{
	char text[64];

	*json_hex(text, value) = 0;
	assert_string_equal(text, expected);
}

static void hexadecimal_has_sixteen_digits(void **state)
{
	(void)state;
	check_hex(0, "\"0000000000000000\"");
	check_hex(UINT64_C(0x9f3c51d2a07be644), "\"9f3c51d2a07be644\"");
	check_hex(UINT64_C(0x0123456789abcdef), "\"0123456789abcdef\"");
	check_hex(UINT64_MAX, "\"ffffffffffffffff\"");
}

static void check_time(struct json_clock *clock, uint64_t ns, const char *expected)
{
	char text[64];

	*json_time(clock, text, ns) = 0;
	assert_string_equal(text, expected);
}

static void times_have_nine_digits_and_every_second_its_date(void **state)
{
	struct json_clock clock = { 0 };

	(void)state;
	check_time(&clock, 0, "\"1970-01-01T00:00:00.000000000Z\"");
	check_time(&clock, 999999999, "\"1970-01-01T00:00:00.999999999Z\"");
	check_time(&clock, UINT64_C(1763683200000081231), "\"2025-11-21T00:00:00.000081231Z\"");
	check_time(&clock, UINT64_C(1763683200123456789), "\"2025-11-21T00:00:00.123456789Z\"");
	check_time(&clock, UINT64_C(951782400000000000), "\"2000-02-29T00:00:00.000000000Z\"");
	check_time(&clock, UINT64_C(1763683201000000001), "\"2025-11-21T00:00:01.000000001Z\"");
	check_time(&clock, UINT64_MAX, "\"2554-07-21T23:34:33.709551615Z\"");
}

static void check_base64(const char *bytes, const char *expected)
{
	char text[64];
	size_t count = strlen(bytes);
	char *end = json_base64(text, (const uint8_t *)bytes, count);

	*end = 0;
	assert_string_equal(text, expected);
	assert_int_equal(end - text, JSON_BASE64_ROOM(count));
}

static void base64_is_the_one_of_rfc_4648(void **state)
{
	(void)state;
	check_base64("", "\"\"");
	check_base64("f", "\"Zg==\"");
	check_base64("fo", "\"Zm8=\"");
	check_base64("foo", "\"Zm9v\"");
	check_base64("foobar", "\"Zm9vYmFy\"");
	check_base64("\xfb\xef\xff", "\"++//\"");
}

static void check_ip6(const char *spelling, const char *expected)
{
	uint8_t ip[16];
	char text[64];

	assert_int_equal(inet_pton(AF_INET6, spelling, ip), 1);
	*json_address(text, ip, 6) = 0;
	assert_string_equal(text, expected);
}

static void addresses_have_their_shortest_spelling(void **state)
{
	const uint8_t four[16] = { [12] = 255, 0, 10, 199 };
	char text[64];

	(void)state;
	*json_address(text, four, 4) = 0;
	assert_string_equal(text, "255.0.10.199");
	check_ip6("::", "::");
	check_ip6("::1", "::1");
	check_ip6("1::", "1::");
	check_ip6("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1");    /* the first of equal runs */
	check_ip6("2001:0:0:1:0:0:0:1", "2001:0:0:1::1");          /* the longest run */
	check_ip6("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"); /* one group is no run */
	check_ip6("fe80:0:0:0:abcd:ef01:2345:6789", "fe80::abcd:ef01:2345:6789");
	check_ip6("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8");
	check_ip6("1:2:3:4:5:6:0:0", "1:2:3:4:5:6::");
	check_ip6("::ffff:1.2.3.4", "::ffff:102:304");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clean_text_of_every_length_is_copied),
		cmocka_unit_test(a_byte_to_escape_is_found_at_every_place),
		cmocka_unit_test(every_ascii_byte_is_escaped_as_json_wants),
		cmocka_unit_test(valid_utf8_stays_as_it_is),
		cmocka_unit_test(each_byte_that_is_no_utf8_becomes_one_replacement),
		cmocka_unit_test(a_sequence_is_not_completed_by_what_lies_behind_the_end),
		cmocka_unit_test(the_vector_scan_agrees_with_the_scalar_one),
		cmocka_unit_test(any_bytes_fit_the_promised_room),
		cmocka_unit_test(numbers_are_exact_at_every_length),
		cmocka_unit_test(numbers_above_2_to_the_53_are_strings),
		cmocka_unit_test(hexadecimal_has_sixteen_digits),
		cmocka_unit_test(times_have_nine_digits_and_every_second_its_date),
		cmocka_unit_test(base64_is_the_one_of_rfc_4648),
		cmocka_unit_test(addresses_have_their_shortest_spelling),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
