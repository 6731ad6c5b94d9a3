/* Proves that lines stand in columns, remedies below each other, colour only where asked for, and
 * that JSON is JSON whatever is in a text. */
#include "control/host/show.h"

#include <stdlib.h>
#include <string.h>

#include "tests/support/check.h"

static const struct check gro = { .name = "gro" }, kernel = { .name = "kernel" };
static struct host_link link0 = { .nic = { .name = "eth0" } };
static struct report r;
static char *text;
static size_t bytes;

static int begin(void **state)
{
	(void)state;
	r = (struct report){ .check = &kernel };
	report(&r, LEVEL_OK, "fine");
	r.check = &gro;
	r.link = &link0;
	report(&r, LEVEL_WARN, "eth0: on; super-packets of 64 KB reach AF_XDP as several frames");
	report_fix(&r, "ethtool -K eth0 gro off");
	report_change(&r, CHANGE_FEATURE, "eth0", "rx-gro", "off");
	report(&r, LEVEL_INFO, "short");
	report_fix(&r, "more");
	return 0;
}

static int end(void **state)
{
	(void)state;
	check_free(&r);
	free(text);
	text = NULL;
	return 0;
}

static void lines(const struct deeds *d, bool colour, bool quiet)
{
	FILE *to = open_memstream(&text, &bytes);

	assert_non_null(to);
	show_lines(&r, d, colour, quiet, to);
	assert_int_equal(fclose(to), 0);
}

static void lines_stand_in_columns(void **state)
{
	(void)state;
	lines(NULL, false, false);
	assert_string_equal(
		text, "ok    kernel         fine\n"
		      "warn  gro            eth0: on; super-packets of 64 KB reach AF_XDP as "
		      "several frames  fix: ethtool -K eth0 gro off\n"
		      "info  gro            short                                             "
		      "               fix: more\n");
}

static void quiet_is_what_is_to_mend(void **state)
{
	(void)state;
	lines(NULL, false, true);
	assert_int_equal(strncmp(text, "warn  gro ", 10), 0);
	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
}

static void colour_is_asked_for(void **state)
{
	(void)state;
	lines(NULL, true, false);
	assert_non_null(strstr(text, "\033[33mwarn\033[0m  gro"));
	free(text);
	lines(NULL, false, false);
	assert_null(strchr(text, '\033'));
}

static void deeds_come_first(void **state)
{
	struct deed one = { .word = "set", .text = "eth0 rx-gro: on -> off" };
	struct deeds d = { .deed = &one, .count = 1 };

	(void)state;
	lines(&d, false, false);
	assert_int_equal(strncmp(text, "set   eth0 rx-gro: on -> off\nok    kernel", 40), 0);
}

static void json_is_json(void **state)
{
	struct deed one = { .word = "left", .failed = true, .text = "a \"b\" \\ \n \x80" };
	struct deeds d = { .deed = &one, .count = 1 };
	FILE *to = open_memstream(&text, &bytes);

	(void)state;
	assert_non_null(to);
	show_json(1, &r, &d, false, to);
	assert_int_equal(fclose(to), 0);
	assert_string_equal(
		text,
		"{\"type\":\"check\",\"status\":1,\"findings\":["
		"{\"level\":\"ok\",\"check\":\"kernel\",\"text\":\"fine\",\"fixable\":false},"
		"{\"level\":\"warn\",\"check\":\"gro\",\"interface\":\"eth0\",\"text\":\"eth0: "
		"on; super-packets of 64 KB reach AF_XDP as several frames\",\"fix\":\"ethtool "
		"-K eth0 gro off\",\"fixable\":true},"
		"{\"level\":\"info\",\"check\":\"gro\",\"interface\":\"eth0\",\"text\":"
		"\"short\",\"fix\":\"more\",\"fixable\":false}],\"changes\":["
		"{\"what\":\"left\",\"text\":\"a \\\"b\\\" \\\\ \\n \xef\xbf\xbd\",\"failed\":"
		"true}]}\n");
}

static void quiet_json_has_only_what_is_to_mend(void **state)
{
	FILE *to = open_memstream(&text, &bytes);

	(void)state;
	assert_non_null(to);
	show_json(1, &r, NULL, true, to);
	assert_int_equal(fclose(to), 0);
	assert_string_equal(
		text,
		"{\"type\":\"check\",\"status\":1,\"findings\":["
		"{\"level\":\"warn\",\"check\":\"gro\",\"interface\":\"eth0\",\"text\":\"eth0: "
		"on; super-packets of 64 KB reach AF_XDP as several frames\",\"fix\":\"ethtool "
		"-K eth0 gro off\",\"fixable\":true}],\"changes\":[]}\n");
}

static void nothing_is_json_too(void **state)
{
	FILE *to = open_memstream(&text, &bytes);

	(void)state;
	assert_non_null(to);
	show_json(0, NULL, NULL, false, to);
	assert_int_equal(fclose(to), 0);
	assert_string_equal(text,
			    "{\"type\":\"check\",\"status\":0,\"findings\":[],\"changes\":[]}\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(lines_stand_in_columns), TEST(quiet_is_what_is_to_mend),
		TEST(colour_is_asked_for),    TEST(deeds_come_first),
		TEST(json_is_json),           TEST(quiet_json_has_only_what_is_to_mend),
		TEST(nothing_is_json_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
