/* report - Promises:
 * - the line says what the header says, and tells the unusual only when it happened;
 * - the object is valid JSON whatever the interface is called, null where something does not apply;
 * - too slow is told beyond 1 %, but not of what a timer can be late.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "control/send/report.h"
#include "dataplane/base/clock.h"

typedef void write_fn(const struct send_report *r, FILE *to);

static void writes(write_fn *write, const struct send_report *r, const char *text)
{
	char *at = NULL;
	size_t bytes = 0;
	FILE *to = open_memstream(&at, &bytes);

	assert_non_null(to);
	write(r, to);
	assert_int_equal(fclose(to), 0);
	assert_string_equal(at, text);
	free(at);
}

static struct send_report plain(void)
{
	return (struct send_report){
		.frames = 1000000,
		.bytes = 64000000,
		.elapsed_ns = 2 * CLOCK_SECOND_NS,
		.rate = 499980.2,
		.asked = 500000,
		.is_numbered = true,
		.last_number = 999999,
		.tx = "af_xdp",
		.mode = "copy",
		.interface = "mirror0",
		.has_queue = true,
	};
}

static void the_line_says_it_in_words(void **state)
{
	struct send_report r = plain();

	(void)state;
	writes(report_line, &r,
	       "weir send: 1000000 frames, 64000000 bytes, 2.00 s, 499980 packets/s (asked "
	       "500000), 0 dropped, af_xdp on mirror0 queue 0\n");
	r.asked = 0;
	r.has_queue = false;
	r.tx = "af_packet";
	r.dropped = 5;
	r.retries = 6;
	r.cut = 7;
	r.unsendable = 8;
	writes(report_line, &r,
	       "weir send: 1000000 frames, 64000000 bytes, 2.00 s, 499980 packets/s, 5 dropped, "
	       "6 offered again, 7 cut by the capture, 8 not sendable: too long for the "
	       "interface, or too short, af_packet on mirror0\n");
}

static void the_object_has_everything(void **state)
{
	struct send_report r = plain();

	(void)state;
	writes(report_json, &r,
	       "{\"frames\":1000000,\"bytes\":64000000,\"seconds\":2.000000,\"rate\":499980,"
	       "\"asked\":500000,\"dropped\":0,\"retries\":0,\"cut\":0,\"unsendable\":0,"
	       "\"tx\":\"af_xdp\",\"mode\":\"copy\",\"iface\":\"mirror0\",\"queue\":0,"
	       "\"first_number\":0,\"last_number\":999999}\n");
}

static void what_does_not_apply_is_null(void **state)
{
	struct send_report r = { .tx = "af_packet", .mode = "" };

	(void)state;
	memcpy(r.interface, "a\"\\\x01\xff", 6);
	writes(report_json, &r,
	       "{\"frames\":0,\"bytes\":0,\"seconds\":0.000000,\"rate\":0,\"asked\":null,"
	       "\"dropped\":0,\"retries\":0,\"cut\":0,\"unsendable\":0,\"tx\":\"af_packet\","
	       "\"mode\":\"\",\"iface\":\"a\\\"\\\\\\u0001\\u00ff\",\"queue\":null,"
	       "\"first_number\":null,\"last_number\":null}\n");
}

static bool is_short(uint64_t asked, uint64_t frames, uint64_t elapsed_ns)
{
	struct send_report r = { .asked = asked, .frames = frames, .elapsed_ns = elapsed_ns };

	r.rate = elapsed_ns != 0 ? (double)frames * 1e9 / (double)elapsed_ns : 0;
	return report_fell_short(&r);
}

static void too_slow_is_told_beyond_one_percent(void **state)
{
	(void)state;
	assert_false(is_short(1000000, 1000000, CLOCK_SECOND_NS));
	assert_false(is_short(1000000, 990001, CLOCK_SECOND_NS));
	assert_true(is_short(1000000, 989999, CLOCK_SECOND_NS));
	assert_true(is_short(1000000, 0, CLOCK_SECOND_NS));
	assert_false(is_short(0, 10, CLOCK_SECOND_NS));
	assert_false(is_short(1000, 0, 0));
	/* Ten frames, which take 10 us, in 500 us. */
	assert_false(is_short(1000000, 10, 500000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_line_says_it_in_words),
		cmocka_unit_test(the_object_has_everything),
		cmocka_unit_test(what_does_not_apply_is_null),
		cmocka_unit_test(too_slow_is_told_beyond_one_percent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
