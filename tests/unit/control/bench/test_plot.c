/* Proves that pictures come out whole whatever names and numbers are in them, that an SVG may stand
 * in a page beside another, and that what cannot be drawn or written is said in a sentence. */
#include "control/bench/plot.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/bench/run.h"
#include "tests/support/check.h"

static char folder[] = "/tmp/weir-plot-XXXXXX";
static char err[PLOT_ERROR_BYTES];

static const char *in_folder(const char *name)
{
	static char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

/* whole - of a file; NULL: there is none. */
static char *whole(const char *name, size_t *ret_bytes)
{
	FILE *f = fopen(in_folder(name), "r");
	char *text;

	if (f == NULL)
		return NULL;
	text = calloc(1, 1 << 22);
	assert_non_null(text);
	*ret_bytes = fread(text, 1, (1 << 22) - 1, f);
	fclose(f);
	return text;
}

static void need_gnuplot(void)
{
	char path[PATH_MAX];

	if (run_find("gnuplot", path) < 0)
		skip();
}

static size_t occurrences(const char *text, const char *what)
{
	size_t n = 0;

	for (const char *at = strstr(text, what); at != NULL; at = strstr(at + 1, what))
		n++;
	return n;
}

static const double x[] = { 0, 1, 2, 3 }, y[] = { 1, 4, NAN, 2 }, low[] = { 0, 3, NAN, 1 },
		    high[] = { 2, 5, NAN, 4 };

static struct plot_line line_called(const char *name)
{
	return (struct plot_line){
		.name = name, .x = x, .y = y, .low = low, .high = high, .count = 4
	};
}

/* draw_line - one panel with a line of that name. Returns: what plot_draw() says. */
static int draw_line(const char *file, const char *name)
{
	struct plot_line line = line_called(name);
	struct plot_panel panel = {
		.title = name, .x_label = "time (s)", .line = &line, .lines = 1
	};

	return plot_draw(in_folder(file), name, &panel, 1, 1, err);
}

static void both_pictures_are_what_they_say(void **state)
{
	static const char png[] = "\x89PNG\r\n\x1a\n";
	size_t bytes;
	char *text;

	(void)state;
	need_gnuplot();
	assert_int_equal(draw_line("both", "a line"), 0);
	text = whole("both.png", &bytes);
	assert_non_null(text);
	assert_true(bytes > 1000);
	assert_memory_equal(text, png, 8);
	free(text);
	text = whole("both.svg", &bytes);
	assert_non_null(text);
	assert_memory_equal(text, "<svg", 4);
	assert_non_null(strstr(text, "</svg>"));
	assert_non_null(strstr(text, "a line"));
	free(text);
}

/* Titles come from names of files: nothing in them may be read as a command. */
static void a_hostile_name_is_only_a_name(void **state)
{
	char name[512], *text;
	size_t bytes;

	(void)state;
	need_gnuplot();
	(void)snprintf(name, sizeof(name), "it's `touch %s/made` '.system('touch %s/made').' \n",
		       folder, folder);
	strcat(name, "\"; set output '|touch /dev/null' # <b>&amp; \xff\xc3 {/=99 big}_x^y @a $b");
	assert_int_equal(draw_line("hostile", name), 0);
	assert_int_equal(access(in_folder("made"), F_OK), -1);
	text = whole("hostile.svg", &bytes);
	assert_non_null(text);
	assert_null(strstr(text, "<b>"));
	assert_non_null(strstr(text, "{/=99 big}_x^y"));
	free(text);
}

static void names_inside_two_pictures_differ(void **state)
{
	char *a, *b, *at;
	size_t bytes, seen = 0;

	(void)state;
	need_gnuplot();
	assert_int_equal(draw_line("first", "same"), 0);
	assert_int_equal(draw_line("second", "same"), 0);
	a = whole("first.svg", &bytes);
	b = whole("second.svg", &bytes);
	assert_non_null(a);
	assert_non_null(b);
	for (at = strstr(a, " id="); at != NULL; at = strstr(at + 1, " id=")) {
		char id[64];

		(void)snprintf(id, sizeof(id), "%.*s", (int)strcspn(at + 5, "'\"") + 5, at);
		assert_null(strstr(b, id));
		seen++;
	}
	assert_true(seen > 0);
	/* What refers to a name inside has followed it. */
	assert_int_equal(occurrences(a, "href='#"), occurrences(a, "href='#p"));
	free(a);
	free(b);
}

static void what_two_panels_share_is_in_the_legend_once(void **state)
{
	struct plot_line line[] = { line_called("shared"), line_called("shared"), line_called(NULL),
				    line_called("alone") };
	struct plot_panel panel[] = { { .line = line, .lines = 3 }, { .line = line, .lines = 4 } };
	size_t bytes;
	char *text;

	(void)state;
	need_gnuplot();
	assert_int_equal(plot_draw(in_folder("legend"), NULL, panel, 2, 2, err), 0);
	text = whole("legend.svg", &bytes);
	assert_non_null(text);
	assert_int_equal(occurrences(text, ">shared<"), 1);
	assert_int_equal(occurrences(text, ">alone<"), 1);
	free(text);
}

static void bars_show_their_values_and_what_was_not_measured(void **state)
{
	struct plot_bar bar[] = { { "first", 12.5, 11, 14, 0 },
				  { "none", NAN, NAN, NAN, 1 },
				  { "below", -3, NAN, NAN, 9 } };
	struct plot_panel panel = { .title = "bars", .y_label = "ns", .bar = bar, .bars = 3 };
	size_t bytes;
	char *text;

	(void)state;
	need_gnuplot();
	assert_int_equal(plot_draw(in_folder("bars"), "b", &panel, 1, 1, err), 0);
	text = whole("bars.svg", &bytes);
	assert_non_null(text);
	assert_int_equal(occurrences(text, ">12.5<"), 1);
	assert_int_equal(occurrences(text, ">not measured<"), 1);
	assert_int_equal(occurrences(text, ">below<"), 1);
	free(text);
}

/* Each of these makes gnuplot stop if it is drawn as it comes. */
static void nothing_to_draw_is_drawn(void **state)
{
	double nothing[] = { NAN, INFINITY }, zero[] = { 0, 0 };
	struct plot_line line[] = { { .name = "nan", .x = zero, .y = nothing, .count = 2 },
				    { .name = "no points", .count = 0 },
				    { .name = "one place", .x = zero, .y = zero, .count = 2 } };
	struct plot_bar bar = { "nothing", NAN, NAN, NAN, 0 };
	struct plot_panel panel[] = { { .title = "no lines" },
				      { .line = line, .lines = 2 },
				      { .line = line, .lines = 3, .x_log = true, .y_log = true },
				      { .line = line, .lines = 3 },
				      { .bar = &bar, .bars = 1 } };
	size_t bytes;
	char *text;

	(void)state;
	need_gnuplot();
	assert_int_equal(plot_draw(in_folder("nothing"), "", panel, 5, 2, err), 0);
	text = whole("nothing.svg", &bytes);
	assert_non_null(text);
	assert_int_equal(occurrences(text, ">no data<"), 3);
	free(text);
}

static void a_hundred_lines_are_drawn(void **state)
{
	static struct plot_line line[100];
	static char name[100][16];
	struct plot_panel panel = { .line = line, .lines = 100 };

	(void)state;
	need_gnuplot();
	for (unsigned i = 0; i < 100; i++) {
		(void)snprintf(name[i], sizeof(name[i]), "line %u", i);
		line[i] = line_called(name[i]);
		line[i].colour = i;
	}
	assert_int_equal(plot_draw(in_folder("hundred"), "t", &panel, 1, 3, err), 0);
}

enum { DAYS_SAMPLES = 86400 };

/* above - how many corners lines of the first colour have above that pixel. */
static size_t above(const char *file, double pixel)
{
	static const char begin[] = "stroke='rgb(  0, 114, 178)'  d='";
	size_t bytes, n = 0;
	char *text = whole(file, &bytes), *at = text;

	assert_non_null(text);
	while ((at = strstr(at, begin)) != NULL) {
		for (at += sizeof(begin) - 1; *at != '\0' && *at != '\''; at++) {
			double y_pixel;

			n += *at == ',' && sscanf(at + 1, "%lf", &y_pixel) == 1 && y_pixel < pixel;
		}
	}
	free(text);
	return n;
}

/* Not every sample is in the picture, but what lasts only one is seen. */
static void a_day_of_samples_is_a_picture_of_usual_size(void **state)
{
	static double at[DAYS_SAMPLES], value[DAYS_SAMPLES];
	struct plot_line line = { .x = at, .y = value, .count = DAYS_SAMPLES };
	struct plot_panel panel = { .line = &line, .lines = 1 };
	struct stat day;

	(void)state;
	need_gnuplot();
	for (size_t i = 0; i < DAYS_SAMPLES; i++) {
		at[i] = (double)i;
		value[i] = (double)(i % 7);
	}
	value[54321] = 1000;
	value[12345] = NAN;
	assert_int_equal(plot_draw(in_folder("day"), NULL, &panel, 1, 1, err), 0);
	assert_int_equal(stat(in_folder("day.svg"), &day), 0);
	assert_in_range(day.st_size, 10000, 100000);
	assert_int_equal(above("day.svg", 200), 1);
	assert_true(above("day.svg", 390) > 1000);
}

static void a_folder_that_is_not_there_is_named(void **state)
{
	struct plot_panel panel = { .title = "t" };

	(void)state;
	need_gnuplot();
	assert_int_equal(plot_draw(in_folder("missing/graph"), "t", &panel, 1, 1, err), -ENOENT);
	assert_non_null(strstr(err, "missing/graph.svg"));
	assert_non_null(strstr(err, "is the folder there"));
}

/* path_of - a folder that is all of PATH. */
static void path_is(const char *where)
{
	assert_int_equal(setenv("PATH", where, 1), 0);
}

static void a_missing_gnuplot_is_told_with_its_package(void **state)
{
	char path[PATH_MAX] = "";
	struct plot_panel panel = { .title = "t" };

	(void)state;
	(void)snprintf(path, sizeof(path), "%s", getenv("PATH"));
	path_is("/nowhere");
	assert_int_equal(plot_draw(in_folder("none"), "t", &panel, 1, 1, err), -ENOENT);
	path_is(path);
	assert_non_null(strstr(err, "gnuplot-nox"));
	assert_int_equal(access(in_folder("none.svg"), F_OK), -1);
}

static void what_gnuplot_complains_of_is_passed_on(void **state)
{
	char path[PATH_MAX] = "", bin[PATH_MAX];
	struct plot_panel panel = { .title = "t" };
	FILE *f;

	(void)state;
	(void)snprintf(path, sizeof(path), "%s", getenv("PATH"));
	(void)snprintf(bin, sizeof(bin), "%s/gnuplot", folder);
	f = fopen(bin, "w");
	assert_non_null(f);
	fputs("#!/bin/sh\ncat > /dev/null\necho '  line 7: no such terminal' >&2\nexit 1\n", f);
	fclose(f);
	assert_int_equal(chmod(bin, 0700), 0);
	(void)snprintf(bin, sizeof(bin), "%s:/usr/bin:/bin", folder);
	path_is(bin);
	assert_int_equal(plot_draw(in_folder("bad"), "t", &panel, 1, 1, err), -EIO);
	path_is(path);
	assert_non_null(strstr(err, "line 7: no such terminal"));
	assert_int_equal(access(in_folder("bad.svg"), F_OK), -1);
}

static void colours_come_round(void **state)
{
	(void)state;
	assert_string_equal(plot_colour(0), plot_colour(8));
	assert_string_not_equal(plot_colour(0), plot_colour(1));
	assert_int_equal(strlen(plot_colour(UINT32_MAX)), 7);
}

static int make_folder(void **state)
{
	(void)state;
	return mkdtemp(folder) == NULL ? -1 : 0;
}

static int remove_folder(void **state)
{
	static const char *const names[] = { "both",   "hostile", "first",   "second",
					     "legend", "bars",    "nothing", "hundred",
					     "none",   "bad",     "day" };
	char name[32];

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		(void)snprintf(name, sizeof(name), "%s.svg", names[i]);
		(void)unlink(in_folder(name));
		(void)snprintf(name, sizeof(name), "%s.png", names[i]);
		(void)unlink(in_folder(name));
	}
	(void)unlink(in_folder("gnuplot"));
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_pictures_are_what_they_say),
		cmocka_unit_test(a_hostile_name_is_only_a_name),
		cmocka_unit_test(names_inside_two_pictures_differ),
		cmocka_unit_test(what_two_panels_share_is_in_the_legend_once),
		cmocka_unit_test(bars_show_their_values_and_what_was_not_measured),
		cmocka_unit_test(nothing_to_draw_is_drawn),
		cmocka_unit_test(a_hundred_lines_are_drawn),
		cmocka_unit_test(a_day_of_samples_is_a_picture_of_usual_size),
		cmocka_unit_test(a_folder_that_is_not_there_is_named),
		cmocka_unit_test(a_missing_gnuplot_is_told_with_its_package),
		cmocka_unit_test(what_gnuplot_complains_of_is_passed_on),
		cmocka_unit_test(colours_come_round),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
