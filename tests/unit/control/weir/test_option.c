/* Proves that every option reads what it writes, that every number keeps to
 * its limits, and what each of the options that are no numbers refuses.
 */
#include "control/weir/option.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "control/weir/units.h"
#include "dissectors/registry.h"

static struct settings *s;
static struct option_error why;

static int make_settings(void **state)
{
	(void)state;
	s = malloc(sizeof(*s));
	if (s != NULL)
		settings_defaults(s);
	return s != NULL ? 0 : -1;
}

static int free_settings(void **state)
{
	(void)state;
	free(s);
	return 0;
}

static int set(const char *name, const char *value)
{
	const struct option *o = option_find(name);

	assert_non_null(o);
	why.text[0] = '\0';
	return o->read(o, value, s, &why);
}

static void refuses(const char *name, const char *value, const char *reason)
{
	assert_int_equal(set(name, value), -EINVAL);
	if (strstr(why.text, reason) == NULL)
		fail_msg("--%s %s: \"%s\" does not say \"%s\"", name, value, why.text, reason);
}

static const char *written(const char *name)
{
	static char text[1 << 18];
	const struct option *o = option_find(name);
	FILE *to = fmemopen(text, sizeof(text), "w");

	assert_non_null(to);
	o->write(o, s, to);
	fputc('\0', to);
	fclose(to);
	return text;
}

static void every_number_keeps_to_its_limits(void **state)
{
	char text[UNITS_TEXT_BYTES];

	(void)state;
#define CHECK_NUMBER(field, name, def, min, max, unit, help)                                       \
	units_format(unit, min, text);                                                             \
	assert_int_equal(set(name, text), 0);                                                      \
	assert_true(s->field == (uint64_t)(min));                                                  \
	units_format(unit, max, text);                                                             \
	assert_int_equal(set(name, text), 0);                                                      \
	assert_true(s->field == (uint64_t)(max));                                                  \
	if (unit != UNIT_SWITCH && (uint64_t)(max) < UINT64_MAX) {                                 \
		units_format(unit == UNIT_TIME_NS ? UNIT_TIME_NS : UNIT_COUNT,                     \
			     (uint64_t)(max) + 1, text);                                           \
		refuses(name, text, "must be ");                                                   \
	}                                                                                          \
	if ((min) > 0) {                                                                           \
		units_format(unit == UNIT_TIME_NS ? UNIT_TIME_NS : UNIT_COUNT,                     \
			     (uint64_t)(min) - (uint64_t)((min) > 0), text);                       \
		refuses(name, text, "must be ");                                                   \
	}                                                                                          \
	refuses(name, "", "must be ");                                                             \
	refuses(name, "many", "must be ");                                                         \
	refuses(name, "-1", "must be ");                                                           \
	assert_true(s->field == (uint64_t)(max)); /* a refused value changes nothing */
	SETTINGS_LIST(CHECK_NUMBER)
}

static void every_number_is_written_as_it_is_read(void **state)
{
	(void)state;
#define CHECK_WRITTEN(field, name, def, min, max, unit, help)                                      \
	{                                                                                          \
		char *line, *value;                                                                \
		s->field = (def);                                                                  \
		line = strdup(written(name));                                                      \
		value = strstr(line, " = ");                                                       \
		assert_non_null(value);                                                            \
		*strchr(value, '\n') = '\0';                                                       \
		s->field = (max);                                                                  \
		assert_int_equal(set(name, value + 3), 0);                                         \
		assert_true(s->field == (uint64_t)(def));                                          \
		free(line);                                                                        \
	}
	SETTINGS_LIST(CHECK_WRITTEN)
}

static void refusals_say_the_range_in_the_same_unit(void **state)
{
	(void)state;
	refuses("workers", "99", "must be 1 to 64");
	refuses("history", "64M", "must be 0 to 16MiB");
	refuses("gap-wait", "2m", "must be 0 to 1m");
	refuses("checksum", "1", "must be on or off");
	refuses("hash-seed", "18446744073709551616", "must be 0 to 18446744073709551615");
}

static void workers_may_be_left_to_weir(void **state)
{
	(void)state;
	assert_int_equal(set("workers", "auto"), 0);
	assert_int_equal(s->workers, 0);
	assert_string_equal(written("workers"), "workers = auto\n");
	assert_int_equal(set("workers", "3"), 0);
	assert_string_equal(written("workers"), "workers = 3\n");
	refuses("workers", "0", "or auto");
	refuses("workers", "automatic", "or auto");
}

static void cores_are_a_list(void **state)
{
	(void)state;
	assert_int_equal(set("cores", "2-5,8"), 0);
	assert_int_equal(s->core_count, 5);
	assert_int_equal(s->core[0], 2);
	assert_int_equal(s->core[4], 8);
	assert_string_equal(written("cores"), "cores = 2-5,8\n");
	option_find("cores")->clear(s);
	assert_string_equal(written("cores"), "cores =\n");
	refuses("cores", "5-2", "such as 2-5,8");
	refuses("cores", "one", "such as 2-5,8");
	refuses("cores", "4096", "such as 2-5,8");
	refuses("cores", "0-64", "more than 64 processors");
	option_find("cores")->clear(s);
}

static void one_packet_in_so_many_is_a_fraction(void **state)
{
	(void)state;
	assert_int_equal(set("force-handoff", "1/3"), 0);
	assert_int_equal(s->force_handoff, 3);
	refuses("force-handoff", "2/3", "1/N");
	refuses("force-handoff", "1/0", "1/N");
	assert_int_equal(set("force-handoff", "0"), 0);
}

static void a_ring_is_a_power_of_two(void **state)
{
	(void)state;
	assert_int_equal(set("ring", "16M"), 0);
	refuses("ring", "5M", "4MiB or 8MiB");
	refuses("name", "tap/0", "letters, digits");
	refuses("name", "undo", "must be another");
	assert_true(s->ring_bytes == 16 << 20);
}

static void headers_are_all_none_or_names(void **state)
{
	(void)state;
	assert_int_equal(set("headers", "Host, User-Agent"), 0);
	assert_int_equal(s->headers, HEADERS_NAMED);
	assert_memory_equal(s->header_names, "host\0user-agent\0", 17); /* and a second 0 */
	assert_int_equal(set("headers", "HOST,via"), 0);
	assert_memory_equal(s->header_names, "host\0user-agent\0via\0", 21);
	assert_string_equal(written("headers"), "headers = host,user-agent,via\n");

	assert_int_equal(set("headers", "none"), 0);
	assert_int_equal(s->headers, HEADERS_NONE);
	assert_int_equal(s->header_names[0], 0);
	assert_string_equal(written("headers"), "headers = none\n");
	assert_int_equal(set("headers", "all"), 0);
	assert_int_equal(s->headers, HEADERS_ALL);
	assert_string_equal(written("headers"), "headers = all\n");
}

static void header_names_are_tokens(void **state)
{
	char longest[400], many[SETTINGS_NAMES_BYTES + 1];

	(void)state;
	memset(longest, 'a', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	refuses("headers", "host:", "no header name");
	refuses("headers", "h\xc3\xb6st", "no header name");
	refuses("headers", longest, "no header name");
	assert_int_equal(set("headers", "all"), 0);
	refuses("headers", "", "must be all, none");
	refuses("headers", " , ", "must be all, none");

	/* Names of three bytes each: 4,096 bytes hold 1,023 of them and the end. */
	for (unsigned i = 0; i + 4 < sizeof(many); i += 4) {
		many[i] = (char)('a' + i / 4 / 676 % 26);
		many[i + 1] = (char)('a' + i / 4 / 26 % 26);
		many[i + 2] = (char)('a' + i / 4 % 26);
		many[i + 3] = i + 8 < sizeof(many) ? ',' : '\0';
	}
	refuses("headers", many, "bytes of names");
	many[SETTINGS_NAMES_BYTES - 5] = '\0';
	assert_int_equal(set("headers", "all"), 0);
	assert_int_equal(set("headers", many), 0);
}

static void stages_go_by_name(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < STAGE_COUNT; i++) {
		assert_int_equal(set("until", stage_name(i)), 0);
		assert_int_equal(s->until, i);
	}
	refuses("until", "reasembly", "\"reassembly\"");
	refuses("until", "", "there are: open rx decode flow");
	refuses("until", "Pair", "no such stage");
	assert_string_equal(written("until"), "until = normal\n");
}

static void formats_go_by_name(void **state)
{
	(void)state;
	assert_int_equal(set("format", "streams"), 0);
	assert_string_equal(s->format, "streams");
	refuses("format", "json", "\"jsonl\"");
	refuses("format", "", "jsonl, streams");
	assert_string_equal(s->format, "streams");
}

static void dissectors_are_the_registered_ones(void **state)
{
	const char *first = dissectors[0]->name;
	char mistyped[64], expected[64];

	(void)state;
	assert_int_equal(set("dissectors", first), 0);
	assert_int_equal(set("dissectors", first), 0);
	assert_string_equal(s->dissectors, first);
	assert_int_equal(s->dissectors[strlen(first) + 1], 0); /* once */
	assert_int_equal(set("dissectors", "all"), 0);
	assert_int_equal(s->dissectors[0], 0);

	(void)snprintf(mistyped, sizeof(mistyped), "%sx", first);
	(void)snprintf(expected, sizeof(expected), "did you mean \"%s\"", first);
	refuses("dissectors", mistyped, expected);
	refuses("dissectors", "qqqqqq", "weir dissectors");
}

static bool ignores(unsigned port)
{
	return (s->ignore_ports[port >> 3] >> (port & 7) & 1) != 0;
}

static void ports_are_numbers_and_ranges(void **state)
{
	(void)state;
	assert_int_equal(set("ignore-ports", "22, 8000-8002,65535"), 0);
	assert_int_equal(s->ignores_ports, 1);
	assert_true(ignores(22) && ignores(8000) && ignores(8002) && ignores(65535));
	assert_false(ignores(21) || ignores(23) || ignores(7999) || ignores(8003) || ignores(0));
	assert_string_equal(written("ignore-ports"), "ignore-ports = 22,8000-8002,65535\n");

	refuses("ignore-ports", "65536", "no port");
	refuses("ignore-ports", "http", "no port");
	refuses("ignore-ports", "80-79", "\"80-79\" is no port");
	refuses("ignore-ports", "-80", "no port");
	refuses("ignore-ports", "80-", "no port");
	refuses("ignore-ports", "0x50", "no port");
	refuses("ignore-ports", "80-90-100", "no port");
}

static void many_ports_are_written_on_many_lines(void **state)
{
	static uint8_t before[sizeof(s->ignore_ports)];
	char *text, *line, *rest;

	(void)state;
	for (uint32_t port = 0; port < 65536; port += 2)
		s->ignore_ports[port >> 3] |= (uint8_t)(1u << (port & 7));
	memcpy(before, s->ignore_ports, sizeof(before));
	text = strdup(written("ignore-ports"));
	option_find("ignore-ports")->clear(s);
	assert_int_equal(s->ignores_ports, 0);
	for (line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
		assert_true(strlen(line) < 110);
		assert_int_equal(set("ignore-ports", strstr(line, " = ") + 3), 0);
	}
	assert_memory_equal(before, s->ignore_ports, sizeof(before));
	free(text);
}

static void sources_are_names_with_arguments(void **state)
{
	char longest[600];

	(void)state;
	strcpy(s->command, "read");
	assert_int_equal(set("rx", "file"), 0);
	assert_int_equal(s->rx_count, 0);
	assert_string_equal(written("rx"), "rx = file\n");
	for (unsigned i = 0; i < SETTINGS_RX_MAX; i++)
		assert_int_equal(set("rx", "synth:packets=1000, seed = 2"), 0);
	assert_string_equal(s->rx[SETTINGS_RX_MAX - 1], "synth:packets=1000, seed = 2");
	refuses("rx", "synth", "more than 8");

	option_find("rx")->clear(s);
	refuses("rx", "", "NAME:ARGUMENT");
	refuses("rx", ":x", "NAME:ARGUMENT");
	refuses("rx", "../x", "NAME:ARGUMENT");
	refuses("rx", "file:x", "no argument");
	memset(longest, 'a', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	refuses("rx", longest, "longer than 511");
	assert_int_equal(s->rx_count, 0);
}

static void inputs_are_kept_in_order(void **state)
{
	(void)state;
	assert_int_equal(set("input", "b"), 0);
	assert_int_equal(set("input", "a b"), 0);
	assert_int_equal(s->input_count, 2);
	assert_int_equal(s->input_bytes, 6);
	assert_memory_equal(s->input, "b\0a b", 6);
	refuses("input", "", "is empty");
	assert_int_equal(s->input_count, 2);
}

static void inputs_end_where_their_room_ends(void **state)
{
	char path[SETTINGS_PATH_BYTES + 1];

	(void)state;
	memset(path, 'a', sizeof(path));
	path[SETTINGS_PATH_BYTES] = '\0';
	refuses("input", path, "longer than 4095");
	path[SETTINGS_PATH_BYTES - 1] = '\0';
	for (int i = 0; i < SETTINGS_INPUT_BYTES / SETTINGS_PATH_BYTES; i++)
		assert_int_equal(set("input", path), 0);
	refuses("input", "a", "name a folder");
	assert_int_equal(s->input_bytes, SETTINGS_INPUT_BYTES);
}

static void texts_end_where_their_room_ends(void **state)
{
	static char text[SETTINGS_FILTER_BYTES + 1];

	(void)state;
	memset(text, 'a', SETTINGS_FILTER_BYTES);
	refuses("filter", text, "longer than 16383");
	text[SETTINGS_FILTER_BYTES - 1] = '\0';
	assert_int_equal(set("filter", text), 0);
	refuses("output", text, "longer than 4095");
	refuses("ledger", text, "longer than 4095");
}

static void quiet_is_a_switch(void **state)
{
	(void)state;
	assert_int_equal(set("quiet", "on"), 0);
	assert_int_equal(s->quiet, 1);
	assert_string_equal(written("quiet"), "quiet = on\n");
	refuses("quiet", "maybe", "on or off");
}

static void mistyped_names_are_guessed(void **state)
{
	(void)state;
	assert_null(option_find("wokrers"));
	assert_null(option_find(""));
	assert_string_equal(option_suggest("wokrers", "read"), "workers");
	assert_null(option_suggest("zzzzzzzz", "read"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, make_settings, free_settings)
		TEST(every_number_keeps_to_its_limits),
		TEST(every_number_is_written_as_it_is_read),
		TEST(refusals_say_the_range_in_the_same_unit),
		TEST(a_ring_is_a_power_of_two),
		TEST(workers_may_be_left_to_weir),
		TEST(cores_are_a_list),
		TEST(one_packet_in_so_many_is_a_fraction),
		TEST(headers_are_all_none_or_names),
		TEST(header_names_are_tokens),
		TEST(stages_go_by_name),
		TEST(formats_go_by_name),
		TEST(dissectors_are_the_registered_ones),
		TEST(ports_are_numbers_and_ranges),
		TEST(many_ports_are_written_on_many_lines),
		TEST(sources_are_names_with_arguments),
		TEST(inputs_are_kept_in_order),
		TEST(inputs_end_where_their_room_ends),
		TEST(texts_end_where_their_room_ends),
		TEST(quiet_is_a_switch),
		TEST(mistyped_names_are_guessed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
