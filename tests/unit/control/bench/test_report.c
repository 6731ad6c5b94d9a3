/* Proves that the page is one file that refers to nothing outside of it, well-formed whatever the
 * result says, and that it has every figure, difference, note, condition and picture.
 */
#include "control/bench/report.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/check.h"

static char folder[64], svg[128];
static char page[1 << 20];
static char err[RESULT_ERROR_BYTES];

static int make_folder(void **state)
{
	FILE *f;

	(void)state;
	strcpy(folder, "/tmp/test_report-XXXXXX");
	if (mkdtemp(folder) == NULL)
		return -1;
	(void)snprintf(svg, sizeof(svg), "%s/plot.svg", folder);
	f = fopen(svg, "w");
	if (f == NULL)
		return -1;
	fputs("<svg xmlns=\"http://www.w3.org/2000/svg\"><script>alert(1)</script></svg>", f);
	return fclose(f);
}

static int remove_folder(void **state)
{
	char command[128];

	(void)state;
	(void)snprintf(command, sizeof(command), "rm -r '%s'", folder);
	return system(command);
}

static const char *read_page(void)
{
	char path[128];
	size_t got;
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/report.html", folder);
	f = fopen(path, "r");
	assert_non_null(f);
	got = fread(page, 1, sizeof(page) - 1, f);
	fclose(f);
	page[got] = '\0';
	return page;
}

/* well_formed - every element is closed by its own end, and no < or > stands elsewhere. */
static void well_formed(const char *text)
{
	char open[32][16];
	size_t depth = 0;
	const char *at = strstr(text, "<html");

	assert_non_null(at);
	assert_true(strncmp(text, "<!DOCTYPE html>\n", 16) == 0);
	while ((at = strpbrk(at, "<>")) != NULL) {
		const char *end = strchr(at, '>');
		size_t name;

		assert_true(*at == '<' && end != NULL);
		name = strcspn(at + 1, " >/");
		if (at[1] == '/') {
			name = strcspn(at + 2, ">");
			assert_true(depth > 0);
			depth--;
			if (strlen(open[depth]) != name || strncmp(open[depth], at + 2, name) != 0)
				fail_msg("%.40s closes %s", at, open[depth]);
		} else if (end[-1] != '/') {
			assert_true(depth < 32 && name < 16);
			(void)snprintf(open[depth++], 16, "%.*s", (int)name, at + 1);
		}
		at = end + 1;
	}
	assert_int_equal(depth, 0);
}

static const struct report_column columns[] = {
	{ .figure = "cpu", .title = "<CPU> & \"co\"", .scale = 0.5 },
	{ .figure = "lost" },
	{ .figure = "neither" },
	{ .figure = "missing", .unit = "<u>" },
};
static const char *const head[] = { "gate", "limit", "verdict" };
static const char *const words[] = { "cpu",    "< 5 %",    "PASS",
				     "memory", "< 100 MB", "FAIL (by 3 MB)",
				     "error",  NULL,       NULL };

static struct result *sample(void)
{
	struct result *r = result_new("backends");

	r->noise = 0.0125;
	result_condition(r, "machine", "CPU", "<script>alert('1')</script>");
	result_condition(r, "machine", "kernel", "a\x01\xff&amp;");
	result_note(r, "Notes </li> too & \"so\".");
	for (int i = 0; i < 5; i++) {
		result_add(r, "none", "cpu", "cycles", BETTER_LOWER, 1000 + 10 * i);
		result_add(r, "pcap <x>", "cpu", "cycles", BETTER_LOWER, 2000 + 10 * i);
		result_add(r, "af_xdp", "cpu", "cycles", BETTER_LOWER, 500 + 10 * i);
		result_add(r, "none", "lost", "packets", BETTER_LOWER, 0);
		result_add(r, "pcap <x>", "lost", "packets", BETTER_LOWER, -1e300 * i);
		result_add(r, "none", "neither", "x", BETTER_NEITHER, i);
		result_add(r, "pcap <x>", "neither", "x", BETTER_NEITHER, 10 + i);
		result_add(r, "af_xdp", "neither", "x", BETTER_NEITHER, NAN);
	}
	result_add(r, "a name that is much longer than the place for it, and öäü at its end", "cpu",
		   "cycles", BETTER_LOWER, 3);
	return r;
}

static void write_sample(const struct result *r)
{
	const struct report_table t = { .title = "What <it> costs",
					.about = "Per packet & second.",
					.first_column = "back end",
					.column = columns,
					.columns = 4,
					.reference = "none" };
	const struct report_words w = {
		.title = "Gates", .head = head, .columns = 3, .text = words, .rows = 3
	};
	const struct report_image images[] = { { "A \"plot\"", svg }, { "none", "/no/such.svg" } };
	const struct report layout = { .title = "What each back end costs < 1",
				       .words = &w,
				       .table = &t,
				       .tables = 1,
				       .image = images,
				       .images = 2 };

	assert_int_equal(report_html(r, &layout, folder, err), 0);
}

static void the_page_is_well_formed_whatever_is_in_it(void **state)
{
	struct result *r = sample();

	(void)state;
	write_sample(r);
	well_formed(read_page());
	assert_null(strstr(page, "<script"));
	assert_null(strchr(page, '\x01'));
	assert_null(strchr(page, '\xff'));
	assert_non_null(strstr(page, "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;"));
	assert_non_null(strstr(page, "a??&amp;amp;"));
	assert_null(strstr(page, "nan"));
	assert_null(strstr(page, "inf"));
	result_free(r);
}

static void it_refers_to_nothing_outside(void **state)
{
	static const char *const outside[] = { "http://", "https://", "@import", "url(", "<link" };
	struct result *r = sample();

	(void)state;
	write_sample(r);
	(void)read_page();
	for (size_t i = 0; i < sizeof(outside) / sizeof(outside[0]); i++)
		for (const char *at = page; (at = strstr(at, outside[i])) != NULL; at++)
			assert_true(at - page > 7 && strncmp(at - 7, "xmlns=\"", 7) == 0);
	assert_non_null(strstr(page, "src=\"data:image/svg+xml;base64,PHN2Zy"));
	assert_non_null(strstr(page, "none: there is no picture."));
	result_free(r);
}

static void every_figure_stands_with_interval_difference_and_noise(void **state)
{
	struct result *r = sample();

	(void)state;
	write_sample(r);
	(void)read_page();
	/* Scaled by a half: 1000 of 1020 more. */
	assert_non_null(strstr(page,
			       "<td>1,010<small>1,000 to 1,020</small><span class=\"change "
			       "bad\">+98.0 % worse</span><small>+95.1 % to +101 %; noise 1.2 %"
			       "</small></td>"));
	assert_non_null(strstr(page, "<span class=\"change good\">-49.0 % better</span>"));
	assert_non_null(strstr(page, "<span class=\"change\">+500 %</span>"));
	assert_non_null(strstr(page, "too few runs</span></td>"));
	assert_non_null(strstr(page, "<td>–</td>"));
	assert_non_null(strstr(page, "<tr class=\"reference\"><th class=\"name\">none</th>"));
	assert_non_null(strstr(page, "up to 1.2 %"));
	assert_non_null(strstr(page, "Not told here: missing.</p>"));
	assert_null(strstr(page, "&lt;u&gt;")); /* the unit of its column */
	result_free(r);
}

static void words_say_pass_and_fail(void **state)
{
	struct result *r = sample();

	(void)state;
	write_sample(r);
	(void)read_page();
	assert_non_null(strstr(page, "<td class=\"text good\">PASS</td>"));
	assert_non_null(strstr(page, "<td class=\"text bad\">FAIL (by 3 MB)</td>"));
	assert_non_null(strstr(page, "<td class=\"text\">error</td>"));
	result_free(r);
}

/* Every place in a chart is inside of its frame. */
static void nothing_is_drawn_outside_of_its_chart(void **state)
{
	static const char *const places[] = { " x=\"", " x1=\"", " x2=\"", " cx=\"" };
	struct result *r = sample();
	size_t found = 0;

	(void)state;
	write_sample(r);
	(void)read_page();
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		for (const char *at = page; (at = strstr(at, places[i])) != NULL; at++) {
			double x = strtod(at + strlen(places[i]), NULL);

			assert_true(x >= 0 && x <= 600);
			found++;
		}
	assert_true(found > 40);
	assert_non_null(strstr(page, "…</text>")); /* the long name, cut between characters */
	result_free(r);
}

static void an_empty_result_has_a_page_too(void **state)
{
	const struct report layout = { .title = "Nothing" };
	struct result *r = result_new("micro");

	(void)state;
	assert_int_equal(report_html(r, &layout, folder, err), 0);
	well_formed(read_page());
	assert_non_null(strstr(page, "was not measured"));
	result_free(r);
}

static void a_folder_that_is_none_is_told(void **state)
{
	const struct report layout = { .title = "Nothing" };
	struct result *r = result_new("micro");

	(void)state;
	assert_int_equal(report_html(r, &layout, "/no/such/folder", err), -ENOENT);
	assert_non_null(strstr(err, "/no/such/folder/report.html"));
	result_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_page_is_well_formed_whatever_is_in_it),
		cmocka_unit_test(it_refers_to_nothing_outside),
		cmocka_unit_test(every_figure_stands_with_interval_difference_and_noise),
		cmocka_unit_test(words_say_pass_and_fail),
		cmocka_unit_test(nothing_is_drawn_outside_of_its_chart),
		cmocka_unit_test(an_empty_result_has_a_page_too),
		cmocka_unit_test(a_folder_that_is_none_is_told),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
