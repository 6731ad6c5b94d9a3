/* Proves what settings_parse.h promises: what wins over what, which operand is
 * a file and which the filter, that every mistake is named with its place, and
 * that printed settings are read back as the same settings.
 */
#include "control/weir/settings_parse.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "control/weir/option.h"

#include "control/weir/units.h"

enum { ARGUMENTS_MAX = 64 };

static char base[64];
static struct settings *s;
static enum settings_wish wish;
static struct settings_error err;

static void put(const char *name, const char *text)
{
	FILE *f = fopen(name, "we");

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

/* The tests run in a folder of their own with two captures and a folder in it. */
static int make_folder(void **state)
{
	(void)state;
	strcpy(base, "/tmp/test_settings_parse-XXXXXX");
	s = malloc(sizeof(*s));
	if (s == NULL || mkdtemp(base) == NULL || chdir(base) < 0 || mkdir("folder", 0700) < 0)
		return -1;
	put("a.pcap", "");
	put("b.pcap", "");
	return 0;
}

static int remove_folder(void **state)
{
	char command[128];

	(void)state;
	free(s);
	(void)snprintf(command, sizeof(command), "rm -r '%s'", base);
	return chdir("/") == 0 ? system(command) : -1;
}

/* Arguments up to a NULL. */
static const char *command = "read";

/* serve - be the sub-command that takes this option. */
static void serve(const char *name)
{
	command = option_serves(option_find(name), "read") ? "read" : "capture";
}

static int parse_list(const char *config, va_list list)
{
	char *argv[ARGUMENTS_MAX];
	int argc = 0;

	while (argc < ARGUMENTS_MAX && (argv[argc] = va_arg(list, char *)) != NULL)
		argc++;
	memset(&err, 0, sizeof(err));
	wish = SETTINGS_RUN;
	return settings_parse(command, argc, argv, config, s, &wish, &err);
}

static void accepts(const char *config, ...)
{
	va_list list;

	va_start(list, config);
	if (parse_list(config, list) != 0)
		fail_msg("refused: %s", err.text);
	va_end(list);
}

static void refuses(int status, const char *reason, ...)
{
	va_list list;

	va_start(list, reason);
	assert_int_equal(parse_list(NULL, list), -EINVAL);
	va_end(list);
	if (strstr(err.text, reason) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", err.text, reason);
	assert_int_equal(err.status, status);
}

#define END ((char *)NULL)

static void without_options_pairs_go_to_standard_output(void **state)
{
	(void)state;
	accepts(NULL, "a.pcap", END);
	assert_int_equal(wish, SETTINGS_RUN);
	assert_string_equal(s->output, "-");
	assert_string_equal(s->format, "jsonl");
	assert_int_equal(s->until, STAGE_normal);
	assert_int_equal(s->headers, HEADERS_ALL);
	assert_int_equal(s->input_count, 1);
	assert_memory_equal(s->input, "a.pcap", 7);
	assert_true(s->history_bytes == 0);
}

static void every_number_is_an_option_in_both_spellings(void **state)
{
	char text[UNITS_TEXT_BYTES], joined[128];

	(void)state;
#define CHECK_OPTION(field, name, def, min, max, unit, help)                                       \
	units_format(unit, max, text);                                                             \
	serve(name);                                                                               \
	accepts(NULL, "--print-settings", "--output=x", "--flows=67108864", "--" name, text, END); \
	assert_true(s->field == (uint64_t)(max));                                                  \
	(void)snprintf(joined, sizeof(joined), "--%s=%s", name, text);                             \
	accepts(NULL, "--print-settings", "--output=x", "--flows=67108864", joined, END);          \
	assert_true(s->field == (uint64_t)(max));                                                  \
	refuses(2, "--" name " x!: must be ", "--" name, "x!", END);                               \
	refuses(2, "--" name " needs a value", "--" name, END);
	SETTINGS_LIST(CHECK_OPTION)
	command = "read";
}

static void the_last_of_two_counts(void **state)
{
	(void)state;
	accepts(NULL, "--workers", "2", "a.pcap", "--workers=3", END);
	assert_true(s->workers == 3);
}

static void a_value_out_of_range_is_named_with_its_range(void **state)
{
	(void)state;
	refuses(2, "--workers 99: must be 1 to 64", "a.pcap", "--workers", "99", END);
	refuses(2, "--until x: no such stage", "a.pcap", "--until", "x", END);
}

static void unknown_options_are_refused_with_the_nearest(void **state)
{
	char longest[200] = "--";

	(void)state;
	memset(longest + 2, 'a', sizeof(longest) - 3);
	longest[sizeof(longest) - 1] = '\0';
	refuses(2, "did you mean --workers?", "--wrokers", "2", END);
	refuses(2, "no such option: --zzzzzzzzz", "--zzzzzzzzz", END);
	refuses(2, "no such option: --aaaa", longest, END);
	refuses(2, "no such option: --\n", "--=", END);
	refuses(2, "did you mean --print-settings?", "--print-setting", END);
	refuses(2, "no such option: -w", "-w", END);
	refuses(2, "--help takes no value", "--help=x", END);
}

static void files_come_first_and_the_filter_after(void **state)
{
	(void)state;
	accepts(NULL, "a.pcap", "--workers", "2", "folder", "-", "tcp", "--quiet", "port", "80",
		END);
	assert_int_equal(s->input_count, 3);
	assert_memory_equal(s->input, "a.pcap\0folder\0-", 16);
	assert_string_equal(s->filter, "tcp port 80");
	assert_int_equal(s->quiet, 1);
	assert_true(s->workers == 2);

	accepts(NULL, "a.pcap", "tcp port 80 or net 10.0.0.0/8", END);
	assert_string_equal(s->filter, "tcp port 80 or net 10.0.0.0/8");
	accepts(NULL, "a.pcap", "--filter", "udp", "b.pcap", END);
	assert_string_equal(s->filter, "udp");
	assert_int_equal(s->input_count, 2);
}

static void behind_two_dashes_nothing_is_an_option(void **state)
{
	(void)state;
	put("--quiet", "");
	accepts(NULL, "--", "--quiet", "tcp", END);
	assert_int_equal(s->quiet, 0);
	assert_memory_equal(s->input, "--quiet", 8);
	assert_string_equal(s->filter, "tcp");
}

static void what_is_neither_file_nor_filter_is_said_to_be_neither(void **state)
{
	(void)state;
	refuses(2, "tpc port 80: no such file, and no filter expression: ", "a.pcap", "tpc", "port",
		"80", END);
	refuses(2, "no filter expression", "a.pcap", "--filter", "tcp port", END);
	refuses(2, "--filter is there already", "a.pcap", "udp", "--filter", "tcp", END);
}

static void a_missing_file_is_not_taken_for_a_filter(void **state)
{
	(void)state;
	refuses(5, "c.pcap: no such file", "a.pcap", "c.pcap", END);
	refuses(5, "c.pcapng: no such file", "c.pcapng", END);
	refuses(5, "c.gz: no such file", "c.gz", END);
	refuses(5, "c.zst: no such file", "c.zst", END);
	refuses(5, "x/y: no such file", "x/y", END);
	refuses(5, "missing: no such file", "--input", "missing", END);
}

static void something_must_be_read(void **state)
{
	(void)state;
	refuses(2, "no FILE", "--quiet", END);
	refuses(2, "no FILE", "tcp", "port", "80", END);
	accepts(NULL, "--rx", "synth:packets=10", END);
	assert_int_equal(s->rx_count, 1);
	accepts(NULL, "--rx=synth", "tcp", END);
	assert_string_equal(s->filter, "tcp");
	refuses(2, "--rx synth reads no files", "--rx", "synth", "a.pcap", END);
}

static void options_that_contradict_are_refused(void **state)
{
	(void)state;
	refuses(2, "half-open", "a.pcap", "--flows", "100", "--half-open", "101", END);
	refuses(2, "held", "a.pcap", "--held", "2M", "--held-worker", "1M", END);
	refuses(2, "rotated", "a.pcap", "--rotate-size", "1M", END);
	refuses(2, "overwrite", "a.pcap", "b.pcap", "--output", "./b.pcap", END);
	refuses(2, "overwrite", "a.pcap", "--ledger", "a.pcap", END);
	accepts(NULL, "a.pcap", "--rotate-size", "1M", "--output", "c.jsonl", END);
}

static void what_depends_on_a_value_follows_it(void **state)
{
	(void)state;
	accepts(NULL, "a.pcap", "--format", "streams", END);
	assert_true(s->history_bytes == STREAMS_HISTORY_BYTES);
	accepts(NULL, "a.pcap", "--format", "streams", "--history", "0", END);
	assert_true(s->history_bytes == 0);
	accepts(NULL, "a.pcap", "--flows", "1000", END);
	assert_true(s->half_open == 250);
	accepts(NULL, "a.pcap", "--flows", "16", END);
	assert_true(s->half_open == 4);
	accepts(NULL, "a.pcap", "--held", "64M", END);
	assert_true(s->held_worker_bytes == 64 << 20);
	accepts(NULL, "a.pcap", "--held-worker", "64k", END);
	assert_true(s->held_bytes == 65536);
}

static void the_command_line_wins_over_the_file(void **state)
{
	(void)state;
	put("weir.ini", "# a comment\n; another\n\nworkers = 3\n[read]\nflows=5000\n"
			"ignore-ports = 22\nignore-ports = 23\nfilter = tcp\n");
	accepts(NULL, "a.pcap", "--workers", "2", "--config", "weir.ini", "--ignore-ports", "80",
		END);
	assert_true(s->workers == 2);
	assert_true(s->flows == 5000);
	assert_int_equal(s->ignore_ports[22 >> 3], 0); /* the list starts anew */
	assert_int_equal(s->ignore_ports[80 >> 3], 1);
	assert_string_equal(s->filter, "tcp");

	accepts("weir.ini", "a.pcap", END); /* from the environment */
	assert_true(s->workers == 3);
	assert_int_equal(s->ignore_ports[22 >> 3], 0xc0);
	accepts("", "a.pcap", END);
	assert_true(s->workers == 1);
	accepts("missing.ini", "a.pcap", "--config=weir.ini", END);
	assert_true(s->workers == 3);
}

static void inputs_of_the_file_give_way_to_operands(void **state)
{
	(void)state;
	put("weir.ini", "input = a.pcap\ninput = b.pcap\nfilter = tcp\n");
	accepts("weir.ini", END);
	assert_memory_equal(s->input, "a.pcap\0b.pcap", 14);
	accepts("weir.ini", "folder", "udp", END);
	assert_int_equal(s->input_count, 1);
	assert_memory_equal(s->input, "folder", 7);
	assert_string_equal(s->filter, "udp");
}

static void mistakes_in_the_file_are_named_with_their_line(void **state)
{
	(void)state;
	put("weir.ini", "[read]\n\nworkers = 99\n");
	refuses(2, "weir.ini:3: workers = 99: must be 1 to 64", "--config", "weir.ini", END);
	put("weir.ini", "wrokers = 2\n");
	refuses(2, "weir.ini:1: no such setting: wrokers\n  did you mean workers",
		"--config=weir.ini", END);
	put("weir.ini", "workers = 2\nconfig = x\n");
	refuses(2, "weir.ini:2: no such setting: config", "--config=weir.ini", END);
	put("weir.ini", "workers = 2\nflows\nworkers = 99\n");
	refuses(2, "weir.ini:2: neither", "--config=weir.ini", END);
	put("weir.ini", "workers = 2\n[raed]\nflows = 99\n");
	refuses(2, "weir.ini:3: no such section: [raed]", "--config=weir.ini", END);
	put("weir.ini", "workers = 2\noutput = \"x\n");
	refuses(2, "weir.ini:2: output: the quotation", "--config=weir.ini", END);
	put("weir.ini", "workers = \n");
	refuses(2, "weir.ini:1: workers = : must be a number", "--config=weir.ini", END);
}

static void an_overlong_line_is_not_cut_in_two(void **state)
{
	FILE *f = fopen("weir.ini", "we");

	(void)state;
	assert_non_null(f);
	fputs("workers = 2\nfilter = ", f);
	for (int i = 0; i < 100000; i++)
		fputc('a', f);
	fputs("\nflows = 100\n", f);
	fclose(f);
	refuses(2, "weir.ini:2: the line is longer", "--config=weir.ini", END);
}

static void a_config_that_cannot_be_read_is_refused(void **state)
{
	(void)state;
	refuses(2, "--config missing.ini: No such file", "a.pcap", "--config", "missing.ini", END);
	refuses(2, "--config folder: is a folder", "a.pcap", "--config", "folder", END);
	refuses(2, "--config needs a value", "a.pcap", "--config", END);
}

static void help_and_print_need_no_file(void **state)
{
	(void)state;
	accepts(NULL, "--help", END);
	assert_int_equal(wish, SETTINGS_HELP);
	accepts("missing.ini", "-h", "--print-settings", END);
	assert_int_equal(wish, SETTINGS_HELP);
	accepts(NULL, "--print-settings", "--help", END);
	assert_int_equal(wish, SETTINGS_HELP);
	accepts(NULL, "--print-settings", END);
	assert_int_equal(wish, SETTINGS_PRINT);
	refuses(2, "--workers 0", "--print-settings", "--workers", "0", END);
}

/* print_and_read_back - the settings of `s` in an allocated copy, after a round trip that must not
 * change them. */
static void survives_printing(void)
{
	struct settings *before = malloc(sizeof(*before));
	FILE *f = fopen("printed.ini", "we");

	assert_non_null(before);
	assert_non_null(f);
	memcpy(before, s, sizeof(*before));
	settings_print(s, f);
	assert_int_equal(fclose(f), 0);
	memset(s, 0x5a, sizeof(*s));
	accepts(NULL, "--print-settings", "--config", "printed.ini", END);
	assert_memory_equal(before, s, sizeof(*before));
	free(before);
}

static void printed_settings_are_read_back(void **state)
{
	(void)state;
	accepts(NULL, "a.pcap", END);
	survives_printing();
	accepts(NULL, "--print-settings", END);
	survives_printing();
	accepts(NULL, "--rx", "synth:packets=10;x", "--rx=synth", "--headers", "none", END);
	survives_printing();
	accepts(NULL, "a.pcap", "folder", "-", "tcp port 80 and tcp[13] = 2", "--headers",
		"Host,Via", "--ignore-ports", "1-9,80,443", "--format", "streams", "--output",
		" a ;b \"c\"\n", "--ledger", "l # m", "--until", "emit", "--quiet", "--checksum=on",
		"--gap-wait", "1.5ms", "--history", "1000", "--rotate-interval", "90",
		"--hash-seed", "18446744073709551615", END);
	survives_printing();
}

static void a_capture_has_interfaces_and_a_filter_and_no_files(void **state)
{
	(void)state;
	command = "capture";
	accepts(NULL, "-i", "eth0", "tcp", "port", "80", END);
	assert_int_equal(s->rx_count, 1);
	assert_string_equal(s->rx[0], "auto:eth0");
	assert_string_equal(s->filter, "tcp port 80");
	accepts(NULL, "-i", "eth0", "--interface=eth1", "--duration", "2s", END);
	assert_string_equal(s->rx[1], "auto:eth1");
	refuses(2, "nothing to capture from", "tcp", END);
	refuses(2, "named twice", "--rx", "pcap:eth0", "--rx", "af_packet:eth0,blocks=4", END);
	refuses(2, "weir read", "-i", "eth0", "/etc/passwd", END);
	refuses(2, "weir read", "--rx", "file:x", END);
	refuses(2, "no name of an interface", "-i", "eth0/1", END);
	refuses(2, "filter", "-i", "eth0", "no", "such", "thing", END);
	refuses(2, "PORT", "-i", "eth0", "--metrics", "x", END);
	refuses(2, "dataplane or control", "-i", "eth0", "--only", "both", END);
	command = "read";
	refuses(2, "no such option: --duration", "--duration", "2s", END);
	refuses(2, "", "-i", "eth0", END);
}

static void every_number_survives_printing(void **state)
{
	char text[UNITS_TEXT_BYTES];

	(void)state;
#define CHECK_PRINTED(field, name, def, min, max, unit, help)                                      \
	units_format(unit, max, text);                                                             \
	serve(name);                                                                               \
	accepts(NULL, "--print-settings", "--output=x", "--" name, text, "--flows=67108864", END); \
	survives_printing();                                                                       \
	assert_true(s->field == (uint64_t)(max));
	SETTINGS_LIST(CHECK_PRINTED)
	command = "read";
}

static void many_long_inputs_survive_printing(void **state)
{
	static char text[1 << 17];
	char path[1024];
	size_t used = 0;

	(void)state;
	memset(path, 'p', sizeof(path));
	for (int i = 0; i < 100; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "input = %.1000s%d\n",
					 path, i);
	put("weir.ini", text);
	accepts("weir.ini", "--print-settings", END);
	assert_int_equal(s->input_count, 100);
	survives_printing();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, make_folder, remove_folder)
		TEST(without_options_pairs_go_to_standard_output),
		TEST(every_number_is_an_option_in_both_spellings),
		TEST(the_last_of_two_counts),
		TEST(a_value_out_of_range_is_named_with_its_range),
		TEST(unknown_options_are_refused_with_the_nearest),
		TEST(files_come_first_and_the_filter_after),
		TEST(behind_two_dashes_nothing_is_an_option),
		TEST(what_is_neither_file_nor_filter_is_said_to_be_neither),
		TEST(a_missing_file_is_not_taken_for_a_filter),
		TEST(something_must_be_read),
		TEST(options_that_contradict_are_refused),
		TEST(what_depends_on_a_value_follows_it),
		TEST(the_command_line_wins_over_the_file),
		TEST(inputs_of_the_file_give_way_to_operands),
		TEST(mistakes_in_the_file_are_named_with_their_line),
		TEST(an_overlong_line_is_not_cut_in_two),
		TEST(a_config_that_cannot_be_read_is_refused),
		TEST(help_and_print_need_no_file),
		TEST(printed_settings_are_read_back),
		TEST(a_capture_has_interfaces_and_a_filter_and_no_files),
		TEST(every_number_survives_printing),
		TEST(many_long_inputs_survive_printing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
