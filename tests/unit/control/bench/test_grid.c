/* Proves that texts stand in columns, whatever they are, and that Markdown keeps its own signs. */
#include "control/bench/grid.h"

#include <stdlib.h>
#include <string.h>

#include "tests/support/check.h"

static char *written(struct grid *g, enum report_style style)
{
	char *text = NULL;
	size_t bytes;
	FILE *f = open_memstream(&text, &bytes);

	assert_non_null(f);
	grid_write(g, style, f);
	assert_int_equal(fclose(f), 0);
	grid_fini(g);
	return text;
}

static void fill(struct grid *g)
{
	grid_put(g, "name");
	grid_put(g, "%d", 1);
	grid_put(g, "note");
	grid_put(g, "ö");
	grid_put(g, "%d", 1000);
	grid_put(g, "%s", "");
}

static void columns_are_as_wide_as_their_widest_text(void **state)
{
	struct grid g = { .columns = 3, .left = 1 | 1 << 2 };
	char *text;

	(void)state;
	fill(&g);
	text = written(&g, REPORT_PLAIN);
	assert_string_equal(text, "name      1   note\n"
				  "ö      1000\n");
	free(text);
}

static void markdown_tells_which_side_and_escapes(void **state)
{
	struct grid g = { .columns = 3, .left = 1 | 1 << 2 };
	char *text;

	(void)state;
	fill(&g);
	grid_put(&g, "a|b<c*d_e`f\\g");
	grid_put(&g, "2");
	grid_put(&g, "x");
	text = written(&g, REPORT_MARKDOWN);
	assert_string_equal(text, "| name | 1 | note |\n"
				  "|---|--:|---|\n"
				  "| ö | 1000 |  |\n"
				  "| a\\|b\\<c\\*d\\_e\\`f\\\\g | 2 | x |\n");
	free(text);
}

static void many_rows_are_kept_and_none_is_nothing(void **state)
{
	struct grid g = { .columns = 2, .left = 1 };
	char *text = written(&g, REPORT_PLAIN);

	(void)state;
	assert_string_equal(text, "");
	free(text);
	for (int i = 0; i < 1000; i++) {
		grid_put(&g, "row");
		grid_put(&g, "%d", i);
	}
	text = written(&g, REPORT_PLAIN);
	assert_non_null(strstr(text, "row   999\n"));
	assert_int_equal(strlen(text), 1000 * strlen("row   999\n"));
	free(text);
	assert_int_equal(g.count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(columns_are_as_wide_as_their_widest_text),
		cmocka_unit_test(markdown_tells_which_side_and_escapes),
		cmocka_unit_test(many_rows_are_kept_and_none_is_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
