/* Proves that `weir bench compare` says worse where something is, with status 1, and only there:
 * with many figures, of one side, of too few runs, under other conditions.
 */
#include <fcntl.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include "control/bench/bench.h"
#include "control/bench/result.h"
#include "control/weir/command.h"
#include "tests/support/check.h"

static char folder[64], path[2][128];
static char out[1 << 18], err[1 << 14];

static int make_folder(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/test_compare-XXXXXX");
	if (mkdtemp(folder) == NULL)
		return -1;
	(void)snprintf(path[0], sizeof(path[0]), "%s/a", folder);
	(void)snprintf(path[1], sizeof(path[1]), "%s/b", folder);
	return mkdir(path[0], 0700) < 0 || mkdir(path[1], 0700) < 0 ? -1 : 0;
}

static int remove_folder(void **state)
{
	char command[128];

	(void)state;
	(void)snprintf(command, sizeof(command), "rm -r '%s'", folder);
	return system(command);
}

/* ---- running it, with its outputs kept ---- */

static int redirect(int fd, FILE *to)
{
	int kept = dup(fd);

	assert_true(kept >= 0 && dup2(fileno(to), fd) >= 0);
	return kept;
}

static void restore(int fd, int kept, FILE *from, char *ret, size_t room)
{
	size_t got;

	assert_true(dup2(kept, fd) >= 0);
	close(kept);
	rewind(from);
	got = fread(ret, 1, room - 1, from);
	ret[got] = '\0';
	fclose(from);
}

static int run(const char *first, ...)
{
	FILE *files[2] = { tmpfile(), tmpfile() };
	char *argv[10] = { (char *)first };
	int argc = first != NULL, kept[2], status;
	va_list words;

	va_start(words, first);
	while (argc > 0 && argc < 10 && (argv[argc] = va_arg(words, char *)) != NULL)
		argc++;
	va_end(words);
	assert_true(files[0] != NULL && files[1] != NULL);
	fflush(NULL);
	kept[0] = redirect(1, files[0]);
	kept[1] = redirect(2, files[1]);
	status = bench_compare(argc, argv);
	fflush(NULL);
	restore(1, kept[0], files[0], out, sizeof(out));
	restore(2, kept[1], files[1], err, sizeof(err));
	return status;
}

static int run_both(const char *option)
{
	return run(path[0], path[1], option, NULL);
}

static void has(const char *text, const char *part)
{
	if (strstr(text, part) == NULL)
		fail_msg("\"%s\" is not in: %s", part, text);
}

/* ---- results ---- */

static void add(struct result *r, const char *cell, const char *name, enum better better,
		double base, int runs)
{
	for (int i = 0; i < runs; i++)
		result_add(r, cell, name, "cycles", better, base * (1 + 0.002 * (i % 3)));
}

static struct result *sample(double times)
{
	struct result *r = result_new("modes");

	r->noise = 0.03;
	result_condition(r, "machine", "kernel", "Linux 6");
	result_condition(r, "machine", "load before", "%g", times);
	add(r, "normal", "cpu", BETTER_LOWER, 1000 * times, 5);
	add(r, "normal", "pairs", BETTER_HIGHER, 500, 5);
	add(r, "normal", "switches", BETTER_NEITHER, 100 * times * times, 5);
	return r;
}

static void write_side(int side, struct result *r)
{
	char error[RESULT_ERROR_BYTES];

	assert_int_equal(result_write(r, path[side], error), 0);
	result_free(r);
}

static void write_both(double times)
{
	write_side(0, sample(1));
	write_side(1, sample(times));
}

/* ---- tests ---- */

static void the_same_is_no_difference(void **state)
{
	(void)state;
	write_both(1);
	assert_int_equal(run_both(NULL), STATUS_DONE);
	has(out, "3 figures: 0 worse, 0 better, 3 no difference; no change of up to 3.0 % is one");
	assert_string_equal(err, "");
	assert_null(strstr(out, "normal")); /* nothing to list */
}

static void worse_is_told_with_status_1(void **state)
{
	(void)state;
	write_both(1.2);
	assert_int_equal(run_both(NULL), STATUS_NO);
	has(out, "worse     normal   cpu       1,002   1,202   cycles      +20.0 %");
	has(out, "noise 3.0 %");
	has(out, "3 figures: 1 worse, 0 better, 2 no difference");
	assert_null(strstr(out, "switches"));
}

static void better_is_no_failure(void **state)
{
	(void)state;
	write_both(0.8);
	assert_int_equal(run_both(NULL), STATUS_DONE);
	has(out, "better");
	has(out, "3 figures: 0 worse, 1 better, 2 no difference");
}

static void all_lists_every_figure_the_worst_first(void **state)
{
	(void)state;
	write_both(1.2);
	assert_int_equal(run_both("--all"), STATUS_NO);
	assert_true(strstr(out, "cpu") < strstr(out, "switches"));
	assert_true(strstr(out, "switches") < strstr(out, "pairs"));
	has(out, "neither         normal   switches ");
}

static void noise_can_be_given(void **state)
{
	(void)state;
	write_both(1.04);
	assert_int_equal(run_both(NULL), STATUS_NO);
	assert_int_equal(run_both("--noise=5"), STATUS_DONE);
	has(out, "no change of up to 5.0 % is one");
	write_both(1.01);
	assert_int_equal(run_both(NULL), STATUS_DONE);
	assert_int_equal(run_both("--noise=0.5%"), STATUS_NO);
}

static void noise_is_the_larger_and_never_nothing(void **state)
{
	struct result *a = sample(1), *b = sample(1);

	(void)state;
	a->noise = 0.001;
	b->noise = NAN;
	write_side(0, a);
	write_side(1, b);
	assert_int_equal(run_both(NULL), STATUS_DONE);
	has(out, "no change of up to 2.0 % is one");
	b = sample(1);
	b->noise = 0.2;
	write_side(1, b);
	assert_int_equal(run_both(NULL), STATUS_DONE);
	has(out, "no change of up to 20 % is one");
}

static void conditions_that_differ_are_a_warning(void **state)
{
	struct result *b = sample(1);

	(void)state;
	write_side(0, sample(1));
	result_condition(b, "machine", "kernel", "Linux 7");
	result_condition(b, "machine", "load before", "99");
	result_condition(b, "options", "workers", "2");
	write_side(1, b);
	assert_int_equal(run_both(NULL), STATUS_DONE);
	has(err, "2 conditions differ");
	has(err, "machine, kernel: Linux 6 -> Linux 7");
	has(err, "options, workers: (not told) -> 2");
	assert_null(strstr(err, "load before"));
}

static void figures_of_one_side_are_told(void **state)
{
	struct result *a = sample(1), *b = sample(1);

	(void)state;
	for (int i = 0; i < 12; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "stage %d", i);
		add(a, "old", name, BETTER_LOWER, 5, 3);
	}
	add(b, "new", "cpu", BETTER_LOWER, 5, 3);
	result_add(a, "same", "size", "bytes", BETTER_LOWER, 1);
	result_add(b, "same", "size", "kB", BETTER_LOWER, 1);
	write_side(0, a);
	write_side(1, b);
	assert_int_equal(run_both(NULL), STATUS_DONE);
	has(out, "a: 13 figures\n  old stage 0, cycles\n");
	has(out, "  and 3 more, see --all\n");
	has(out, "b: 2 figures\n  new cpu, cycles\n  same size, kB\n");
	assert_int_equal(run_both("--all"), STATUS_DONE);
	has(out, "  old stage 11, cycles\n");
}

static void too_few_runs_say_nothing_and_how_to_get_more(void **state)
{
	struct result *a = sample(1), *b = sample(1);

	(void)state;
	add(a, "short", "cpu", BETTER_LOWER, 100, 2);
	add(b, "short", "cpu", BETTER_LOWER, 900, 5);
	add(a, "silent", "cpu", BETTER_LOWER, NAN, 5); /* told by nobody, so of no account */
	add(b, "silent", "cpu", BETTER_LOWER, NAN, 5);
	write_side(0, a);
	write_side(1, b);
	assert_int_equal(run_both(NULL), STATUS_DONE);
	has(out, "4 figures: 0 worse");
	has(out, "1 of too few runs (three a side are needed: --runs)");
}

/* Of 300 figures with three runs each, 30 fall out by being wholly apart; none is called worse. */
static void of_many_figures_none_is_worse_by_chance(void **state)
{
	uint64_t seed = 1;

	(void)state;
	for (int side = 0; side < 2; side++) {
		struct result *r = result_new("modes");

		for (int f = 0; f < 300; f++)
			for (int i = 0; i < 3; i++) {
				char name[32];

				seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
				(void)snprintf(name, sizeof(name), "figure %d", f);
				result_add(r, "normal", name, "ns", BETTER_LOWER,
					   100 + (double)(seed >> 40) / (1 << 24) * 20);
			}
		write_side(side, r);
	}
	assert_int_equal(run_both(NULL), STATUS_DONE);
	has(out, "300 figures: 0 worse, 0 better, 300 no difference");
}

static void json_has_every_figure(void **state)
{
	json_t *all, *figure;

	(void)state;
	write_both(1.2);
	assert_int_equal(run_both("--json"), STATUS_NO);
	all = json_loads(out, 0, NULL);
	assert_non_null(all);
	assert_int_equal(json_integer_value(json_object_get(all, "worse")), 1);
	assert_int_equal(json_integer_value(json_object_get(all, "no difference")), 2);
	assert_true(json_number_value(json_object_get(all, "noise")) == 0.03);
	assert_int_equal(json_array_size(json_object_get(all, "figures")), 3);
	figure = json_array_get(json_object_get(all, "figures"), 0);
	assert_string_equal(json_string_value(json_object_get(figure, "name")), "cpu");
	assert_string_equal(json_string_value(json_object_get(figure, "verdict")), "worse");
	assert_true(fabs(json_number_value(json_object_get(figure, "relative")) - 0.2) < 1e-9);
	assert_int_equal(json_array_size(json_object_get(figure, "interval")), 2);
	json_decref(all);
}

static void what_cannot_be_compared_is_refused(void **state)
{
	struct result *other = result_new("micro");

	(void)state;
	write_both(1);
	assert_int_equal(run(path[0], NULL), STATUS_USAGE);
	has(err, "two results are needed");
	assert_int_equal(run(NULL), STATUS_USAGE);
	assert_int_equal(run(path[0], path[1], path[0], NULL), STATUS_USAGE);
	assert_int_equal(run_both("--noise=lots"), STATUS_USAGE);
	assert_int_equal(run_both("--noise=-1"), STATUS_USAGE);
	assert_int_equal(run_both("--noise=nan"), STATUS_USAGE);
	assert_int_equal(run_both("--al"), STATUS_USAGE);
	assert_int_equal(run(path[0], "/no/such/result.json", NULL), STATUS_SOURCE);
	has(err, "/no/such/result.json: No such file");
	add(other, "decode", "cycles", BETTER_LOWER, 9, 3);
	write_side(1, other);
	assert_int_equal(run_both(NULL), STATUS_USAGE);
	has(err, "no figure in common");
	assert_int_equal(run("--help", NULL), STATUS_DONE);
	has(out, "weir bench compare A B");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_is_no_difference),
		cmocka_unit_test(worse_is_told_with_status_1),
		cmocka_unit_test(better_is_no_failure),
		cmocka_unit_test(all_lists_every_figure_the_worst_first),
		cmocka_unit_test(noise_can_be_given),
		cmocka_unit_test(noise_is_the_larger_and_never_nothing),
		cmocka_unit_test(conditions_that_differ_are_a_warning),
		cmocka_unit_test(figures_of_one_side_are_told),
		cmocka_unit_test(too_few_runs_say_nothing_and_how_to_get_more),
		cmocka_unit_test(of_many_figures_none_is_worse_by_chance),
		cmocka_unit_test(json_has_every_figure),
		cmocka_unit_test(what_cannot_be_compared_is_refused),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
