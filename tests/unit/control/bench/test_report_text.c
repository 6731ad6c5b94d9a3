/* Proves that tables stand in columns, plain and as Markdown, and that the text files have the
 * names and lines that the users of the eBPF tracer know.
 */
#include "control/bench/report.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/check.h"

static const struct report_column columns[] = { { .figure = "cpu", .title = "CPU|core" },
						{ .figure = "instructions" },
						{ .figure = "lost" } };
static const struct report_table table = { .title = "Costs",
					   .about = "Per packet.",
					   .first_column = "back end",
					   .column = columns,
					   .columns = 3,
					   .reference = "none" };

static struct result *sample(void)
{
	struct result *r = result_new("backends");

	r->noise = 0.0125;
	strcpy(r->begun, "2026-02-03T04:05:06Z");
	result_note(r, "A note.");
	result_condition(r, "machine", "CPU", "fast");
	result_condition(r, "versions", "weir", "1");
	result_condition(r, "machine", "kernel", "new");
	for (int i = 0; i < 5; i++) {
		result_add(r, "none", "cpu", "cycles", BETTER_LOWER, 1000 + 10 * i);
		result_add(r, "pcap", "cpu", "cycles", BETTER_LOWER, 2000 + 10 * i);
		result_add(r, "none", "lost", "packets", BETTER_NEITHER, 0);
		result_add(r, "pcap", "lost", "packets", BETTER_NEITHER, 7);
	}
	result_add(r, "möglich", "cpu", "cycles", BETTER_LOWER, 5);
	return r;
}

static char *text_of(enum report_style style, const struct report_words *words)
{
	const struct report layout = { .title = "T", .words = words, .table = &table, .tables = 1 };
	struct result *r = sample();
	char *text = NULL;
	size_t bytes;
	FILE *f = open_memstream(&text, &bytes);

	assert_non_null(f);
	report_text(r, &layout, style, f);
	assert_int_equal(fclose(f), 0);
	result_free(r);
	return text;
}

static void plain_tables_stand_in_columns(void **state)
{
	char *text = text_of(REPORT_PLAIN, NULL);

	(void)state;
	/* With 5 and 5 the third difference and the third last: 970 and 1030 of 1020. */
	assert_string_equal(text, "Costs\n"
				  "Per packet.\n"
				  "\n"
				  "back end         CPU|core, cycles                to none; noise "
				  "1.2 %   lost, packets   "
				  "to none; noise 1.2 %\n"
				  "none       1,020 (1,000 to 1,040)                               "
				  "                    0\n"
				  "pcap       2,020 (2,000 to 2,040)   +98.0 % (+95.1 % to +101 %) "
				  "worse               7   "
				  "       +7 (+7 to +7)\n"
				  "möglich                         5                -99.5 % too "
				  "few runs               -\n"
				  "Not told here: instructions.\n"
				  "\n"
				  "The harness against itself differs by up to 1.2 %: no smaller "
				  "difference says anything.\n"
				  "A note.\n");
	free(text);
}

static void markdown_has_its_bars_and_nobody_elses(void **state)
{
	char *text = text_of(REPORT_MARKDOWN, NULL);

	(void)state;
	assert_true(strncmp(text, "### Costs\n\nPer packet.\n\n| back end | CPU\\|core, cycles |",
			    48) == 0);
	assert_non_null(strstr(text, "|\n|---|--:|--:|--:|--:|\n| none |"));
	assert_non_null(strstr(text, "\n- A note.\n"));
	assert_non_null(strstr(text, " |\n\nNot told here: instructions.\n\n"));
	free(text);
}

static void words_stand_before_the_tables(void **state)
{
	static const char *const head[] = { "gate", "verdict" };
	static const char *const rows[] = { "cpu", "PASS", "memory", NULL };
	const struct report_words w = {
		.title = "Gates", .head = head, .columns = 2, .text = rows, .rows = 2
	};
	char *text = text_of(REPORT_PLAIN, &w);

	(void)state;
	assert_true(strncmp(text, "Gates\n\ngate     verdict\ncpu      PASS\nmemory\n\nCosts\n",
			    52) == 0);
	free(text);
}

static void read_file(const char *folder, const char *name, char ret[1024])
{
	char path[256];
	size_t got;
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "r");
	assert_non_null(f);
	got = fread(ret, 1, 1023, f);
	ret[got] = '\0';
	fclose(f);
	assert_int_equal(unlink(path), 0);
}

static void the_files_are_those_that_users_know(void **state)
{
	static const struct report_part parts[] = { { "Light", 30.2, 0 }, { "Stress", 11.6, 1 } };
	char folder[] = "/tmp/test_report_text-XXXXXX", text[1024], err[RESULT_ERROR_BYTES];
	struct result *r = sample();

	(void)state;
	assert_non_null(mkdtemp(folder));
	assert_int_equal(report_files(r, parts, 2, folder, err), 0);
	read_file(folder, "benchmark_summary_20260203_040506.txt", text);
	assert_string_equal(text, "Light: SUCCESS (30s)\nStress: FAILED (12s)\n");
	read_file(folder, "system_info.txt", text);
	assert_string_equal(text, "weir bench backends, 2026-02-03T04:05:06Z\n"
				  "\n[machine]\nCPU: fast\nkernel: new\n"
				  "\n[versions]\nweir: 1\n");
	assert_int_equal(rmdir(folder), 0);
	assert_int_equal(report_files(r, parts, 2, folder, err), -ENOENT);
	assert_non_null(strstr(err, "system_info.txt"));
	result_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_tables_stand_in_columns),
		cmocka_unit_test(markdown_has_its_bars_and_nobody_elses),
		cmocka_unit_test(words_stand_before_the_tables),
		cmocka_unit_test(the_files_are_those_that_users_know),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
