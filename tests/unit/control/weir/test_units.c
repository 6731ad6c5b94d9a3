/* Proves what units.h promises: what is written is read back as the same
 * number, nothing is rounded, and what could mean two things is refused.
 */
#include "control/weir/units.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static uint64_t parsed(enum setting_unit unit, const char *text)
{
	uint64_t value = 77;

	assert_int_equal(units_parse(unit, text, &value), 0);
	return value;
}

static int refusal(enum setting_unit unit, const char *text)
{
	uint64_t value = 77;
	int e = units_parse(unit, text, &value);

	assert_int_equal(value, 77); /* untouched on failure */
	return e;
}

static void counts_are_plain_or_hexadecimal(void **state)
{
	(void)state;
	assert_int_equal(parsed(UNIT_COUNT, "0"), 0);
	assert_int_equal(parsed(UNIT_COUNT, "1000"), 1000);
	assert_int_equal(parsed(UNIT_COUNT, "0x3E8"), 1000);
	assert_true(parsed(UNIT_COUNT, "18446744073709551615") == UINT64_MAX);
	assert_true(parsed(UNIT_COUNT, "0xffffffffffffffff") == UINT64_MAX);

	assert_int_equal(refusal(UNIT_COUNT, "18446744073709551616"), -ERANGE);
	assert_int_equal(refusal(UNIT_COUNT, "0x10000000000000000"), -ERANGE);
	assert_int_equal(refusal(UNIT_COUNT, ""), -EINVAL);
	assert_int_equal(refusal(UNIT_COUNT, "0x"), -EINVAL);
	assert_int_equal(refusal(UNIT_COUNT, "0xg"), -EINVAL);
	assert_int_equal(refusal(UNIT_COUNT, "-1"), -EINVAL);
	assert_int_equal(refusal(UNIT_COUNT, "+1"), -EINVAL);
	assert_int_equal(refusal(UNIT_COUNT, " 1"), -EINVAL);
	assert_int_equal(refusal(UNIT_COUNT, "1 "), -EINVAL);
	assert_int_equal(refusal(UNIT_COUNT, "1k"), -EINVAL);
	assert_int_equal(refusal(UNIT_COUNT, "1.5"), -EINVAL);
}

static void sizes_go_by_1024(void **state)
{
	(void)state;
	assert_int_equal(parsed(UNIT_BYTES, "512"), 512);
	assert_int_equal(parsed(UNIT_BYTES, "512B"), 512);
	assert_int_equal(parsed(UNIT_BYTES, "64k"), 65536);
	assert_int_equal(parsed(UNIT_BYTES, "64K"), 65536);
	assert_int_equal(parsed(UNIT_BYTES, "64KiB"), 65536);
	assert_int_equal(parsed(UNIT_BYTES, "64kib"), 65536);
	assert_int_equal(parsed(UNIT_BYTES, "1MiB"), 1 << 20);
	assert_int_equal(parsed(UNIT_BYTES, "1.5M"), 3 << 19);
	assert_true(parsed(UNIT_BYTES, "2T") == UINT64_C(1) << 41);

	assert_int_equal(refusal(UNIT_BYTES, "1MB"), -EINVAL);
	assert_int_equal(refusal(UNIT_BYTES, "k"), -EINVAL);
	assert_int_equal(refusal(UNIT_BYTES, "1 k"), -EINVAL);
	assert_int_equal(refusal(UNIT_BYTES, "0.3k"), -EINVAL); /* 307.2 bytes */
	assert_int_equal(refusal(UNIT_BYTES, "1."), -EINVAL);
	assert_int_equal(refusal(UNIT_BYTES, ".5k"), -EINVAL);
	assert_int_equal(refusal(UNIT_BYTES, "1.0000000000000k"), -EINVAL);
	assert_int_equal(refusal(UNIT_BYTES, "16777216T"), -ERANGE);
	assert_int_equal(refusal(UNIT_BYTES, "16777215.9999999999T"), -EINVAL);
	assert_int_equal(refusal(UNIT_BYTES, "99999999999999999999"), -ERANGE);
}

static void times_are_seconds_unless_they_say(void **state)
{
	(void)state;
	assert_int_equal(parsed(UNIT_TIME_NS, "0"), 0);
	assert_int_equal(parsed(UNIT_TIME_NS, "20ms"), 20000000);
	assert_int_equal(parsed(UNIT_TIME_NS, "0.02"), 20000000);
	assert_int_equal(parsed(UNIT_TIME_NS, "5"), 5000000000);
	assert_int_equal(parsed(UNIT_TIME_NS, "5s"), 5000000000);
	assert_int_equal(parsed(UNIT_TIME_NS, "2m"), 120000000000);
	assert_int_equal(parsed(UNIT_TIME_NS, "24h"), 86400000000000);
	assert_int_equal(parsed(UNIT_TIME_NS, "1d"), 86400000000000);
	assert_int_equal(parsed(UNIT_TIME_NS, "3us"), 3000);
	assert_int_equal(parsed(UNIT_TIME_NS, "3ns"), 3);

	assert_int_equal(refusal(UNIT_TIME_NS, "0.5ns"), -EINVAL);
	assert_int_equal(refusal(UNIT_TIME_NS, "5x"), -EINVAL);
	assert_int_equal(refusal(UNIT_TIME_NS, "5 s"), -EINVAL);
	assert_int_equal(refusal(UNIT_TIME_NS, "-5s"), -EINVAL);
	assert_int_equal(refusal(UNIT_TIME_NS, "213504d"), -ERANGE);
}

static void a_switch_is_on_or_off(void **state)
{
	(void)state;
	assert_int_equal(parsed(UNIT_SWITCH, "on"), 1);
	assert_int_equal(parsed(UNIT_SWITCH, "off"), 0);
	assert_int_equal(refusal(UNIT_SWITCH, "1"), -EINVAL);
	assert_int_equal(refusal(UNIT_SWITCH, "yes"), -EINVAL);
	assert_int_equal(refusal(UNIT_SWITCH, ""), -EINVAL);
}

static void what_is_written_is_read_back(void **state)
{
	static const uint64_t values[] = {
		0,          1,           59,
		1000,       1023,        1024,
		1025,       65536,       1 << 20,
		3 << 19,    60000000000, 86400000000000,
		1000000007, UINT64_MAX,  UINT64_C(1) << 63,
	};
	static const enum setting_unit units[] = { UNIT_COUNT, UNIT_BYTES, UNIT_TIME_NS };
	char text[UNITS_TEXT_BYTES];

	(void)state;
	for (size_t u = 0; u < sizeof(units) / sizeof(units[0]); u++) {
		for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
			units_format(units[u], values[i], text);
			assert_true(parsed(units[u], text) == values[i]);
		}
	}
}

static void the_shortest_text_is_chosen(void **state)
{
	char text[UNITS_TEXT_BYTES];

	(void)state;
	units_format(UNIT_BYTES, 8 << 20, text);
	assert_string_equal(text, "8MiB");
	units_format(UNIT_BYTES, 1500, text);
	assert_string_equal(text, "1500");
	units_format(UNIT_TIME_NS, 300000000000, text);
	assert_string_equal(text, "5m");
	units_format(UNIT_TIME_NS, 20000000, text);
	assert_string_equal(text, "20ms");
	units_format(UNIT_TIME_NS, 0, text);
	assert_string_equal(text, "0");
	units_format(UNIT_SWITCH, 1, text);
	assert_string_equal(text, "on");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_are_plain_or_hexadecimal),
		cmocka_unit_test(sizes_go_by_1024),
		cmocka_unit_test(times_are_seconds_unless_they_say),
		cmocka_unit_test(a_switch_is_on_or_off),
		cmocka_unit_test(what_is_written_is_read_back),
		cmocka_unit_test(the_shortest_text_is_chosen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
