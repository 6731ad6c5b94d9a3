/* Proves that numbers are shown with enough digits and no more, and that what is shown of a
 * figure is what its samples say.
 */
#include "control/bench/shown.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/check.h"

static void numbers_have_the_digits_that_matter(void **state)
{
	static const struct {
		double value;
		const char *text;
	} cases[] = { { 0, "0" },
		      { -0.0, "0" },
		      { 7, "7" },
		      { 999, "999" },
		      { 1000, "1,000" },
		      { -1234567, "-1,234,567" },
		      { 812.25, "812" },
		      { 1234.5, "1,234" },
		      { 99.96, "100" },
		      { 81.25, "81.2" },
		      { 9.996, "10.0" },
		      { 1.239, "1.24" },
		      { 0.99961, "1.00" },
		      { 0.1234, "0.123" },
		      { 0.01234, "0.0123" },
		      { 0.0001234, "0.000123" },
		      { 1.5e-9, "1.5e-09" },
		      { 123456789012345, "123,456,789,012,345" },
		      { 1e300, "1e+300" },
		      { -1e300, "-1e+300" },
		      { NAN, "-" },
		      { INFINITY, "inf" } };
	char text[SHOWN_BYTES];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		shown_number(cases[i].value, text);
		assert_string_equal(text, cases[i].text);
	}
}

static void changes_are_in_percent_or_have_no_measure(void **state)
{
	static const struct {
		double change, of;
		const char *text;
	} cases[] = { { 12.34, 100, "+12.3 %" },
		      { -0.04, 100, "-0.0 %" },
		      { 250, 100, "+250 %" },
		      { -50, -100, "-50.0 %" },
		      { 5000, 0, "+5,000" },
		      { -0.25, 0, "-0.250" },
		      { 0, 0, "+0" },
		      { 1e9, 1, "+1e+11 %" },
		      { NAN, 3, "-" },
		      { 1e308, 1e-308, "+1e+308" } };
	char text[SHOWN_BYTES];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		shown_change(cases[i].change, cases[i].of, text);
		assert_string_equal(text, cases[i].text);
	}
}

static void shares_are_percent(void **state)
{
	char text[SHOWN_BYTES];

	(void)state;
	shown_percent(0.0123, text);
	assert_string_equal(text, "1.2 %");
	shown_percent(0.12, text);
	assert_string_equal(text, "12 %");
	shown_percent(NAN, text);
	assert_string_equal(text, "not measured");
}

static struct result *sample(void)
{
	struct result *r = result_new("backends");

	r->noise = 0.02;
	for (int i = 0; i < 3; i++) {
		result_add(r, "none", "cpu", "cycles", BETTER_LOWER, 1000 + 10 * i);
		result_add(r, "pcap", "cpu", "cycles", BETTER_LOWER, 2000 + 10 * i);
		result_add(r, "pcap", "lost", "packets", BETTER_LOWER, i);
		result_add(r, "alone", "other", "", BETTER_NEITHER, 1);
		result_add(r, "silent", "cpu", "cycles", BETTER_LOWER, NAN);
	}
	return r;
}

static const struct report_column columns[] = { { .figure = "cpu", .scale = 0.001, .unit = "k" },
						{ .figure = "lost", .title = "lost packets" } };

static void cells_are_those_that_have_a_figure_of_the_table(void **state)
{
	static const char *const order[] = { "pcap", "missing", "alone", "none", NULL };
	struct report_table t = { .column = columns, .columns = 2 };
	struct result *r = sample();
	const char **cell;

	(void)state;
	assert_int_equal(shown_cells(r, &t, &cell), 3);
	assert_string_equal(cell[0], "none");
	assert_string_equal(cell[1], "pcap");
	assert_string_equal(cell[2], "silent");
	free(cell);
	t.cell = order;
	assert_int_equal(shown_cells(r, &t, &cell), 2);
	assert_string_equal(cell[0], "pcap");
	assert_string_equal(cell[1], "none");
	free(cell);
	t.columns = 0;
	assert_int_equal(shown_cells(r, &t, &cell), 0);
	free(cell);
	result_free(r);
}

static void a_figure_is_scaled_and_compared_with_the_reference(void **state)
{
	struct report_table t = { .column = columns, .columns = 2, .reference = "none" };
	struct result *r = sample();
	struct shown s;

	(void)state;
	assert_true(shown_figure(r, &t, &columns[0], "pcap", &s));
	assert_string_equal(s.median, "2.01");
	assert_string_equal(s.low, "2");
	assert_string_equal(s.high, "2.02");
	assert_true(s.compared);
	assert_string_equal(s.change, "+99.0 %"); /* 1000 of 1010 */
	assert_string_equal(s.change_low, "+97.0 %");
	assert_int_equal(s.difference.verdict, VERDICT_WORSE);
	assert_true(shown_figure(r, &t, &columns[0], "none", &s));
	assert_false(s.compared); /* with itself */
	assert_true(shown_figure(r, &t, &columns[1], "pcap", &s));
	assert_false(s.compared); /* the reference has none */
	result_free(r);
}

static void what_no_run_told_is_not_shown(void **state)
{
	struct report_table t = { .column = columns, .columns = 2, .reference = "silent" };
	struct result *r = sample();
	struct shown s;

	(void)state;
	assert_false(shown_figure(r, &t, &columns[0], "silent", &s));
	assert_false(shown_figure(r, &t, &columns[0], "missing", &s));
	assert_true(shown_figure(r, &t, &columns[0], "none", &s));
	assert_false(s.compared);
	result_free(r);
}

static void columns_that_no_run_told_are_named_and_left_out(void **state)
{
	static const struct report_column four[] = { { .figure = "missing" },
						     { .figure = "cpu" },
						     { .figure = "other", .title = "another" },
						     { .figure = "lost" } };
	static const char *const cells[] = { "none", "pcap", NULL };
	struct report_table t = { .cell = cells, .column = four, .columns = 4 };
	struct result *r = sample();
	struct report_column *told;
	char untold[64];

	(void)state;
	assert_int_equal(shown_columns(r, &t, &told), 2);
	assert_string_equal(told[0].figure, "cpu");
	assert_string_equal(told[1].figure, "lost");
	free(told);
	shown_untold(r, &t, untold, sizeof(untold));
	assert_string_equal(untold, "missing, another");
	shown_untold(r, &t, untold, 8); /* as much as there is room for */
	assert_string_equal(untold, "missing");
	t.columns = 0;
	assert_int_equal(shown_columns(r, &t, &told), 0);
	free(told);
	shown_untold(r, &t, untold, sizeof(untold));
	assert_string_equal(untold, "");
	result_free(r);
}

static void titles_and_units_are_the_layouts_or_the_figures(void **state)
{
	const struct report_column plain = { .figure = "cpu" }, none = { .figure = "missing" };
	struct result *r = sample();

	(void)state;
	assert_string_equal(shown_title(&columns[1]), "lost packets");
	assert_string_equal(shown_unit(r, &columns[1]), "packets");
	assert_string_equal(shown_title(&plain), "cpu");
	assert_string_equal(shown_unit(r, &columns[0]), "k");
	assert_string_equal(shown_unit(r, &none), "");
	result_free(r);
}

static void the_noise_is_a_sentence(void **state)
{
	struct result *r = sample();
	char text[256];

	(void)state;
	shown_noise(r, text, sizeof(text));
	assert_non_null(strstr(text, "up to 2.0 %"));
	r->noise = NAN;
	shown_noise(r, text, sizeof(text));
	assert_non_null(strstr(text, "not measured"));
	result_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_have_the_digits_that_matter),
		cmocka_unit_test(changes_are_in_percent_or_have_no_measure),
		cmocka_unit_test(shares_are_percent),
		cmocka_unit_test(cells_are_those_that_have_a_figure_of_the_table),
		cmocka_unit_test(a_figure_is_scaled_and_compared_with_the_reference),
		cmocka_unit_test(what_no_run_told_is_not_shown),
		cmocka_unit_test(columns_that_no_run_told_are_named_and_left_out),
		cmocka_unit_test(titles_and_units_are_the_layouts_or_the_figures),
		cmocka_unit_test(the_noise_is_a_sentence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
