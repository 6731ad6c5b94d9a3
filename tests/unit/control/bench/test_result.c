/* Proves that what was added to a result is in its file and comes back, that the file is there
 * whole or not, and that a file that is cut, of wrong types, too large or another program's is
 * refused with a sentence.
 */
#include "control/bench/result.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/check.h"

static char folder[64], file[128];
static char err[RESULT_ERROR_BYTES];

static int make_folder(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/test_result-XXXXXX");
	if (mkdtemp(folder) == NULL)
		return -1;
	(void)snprintf(file, sizeof(file), "%s/result.json", folder);
	return 0;
}

static int remove_folder(void **state)
{
	char command[128];

	(void)state;
	(void)snprintf(command, sizeof(command), "rm -r '%s'", folder);
	return system(command);
}

static struct result *sample(void)
{
	struct result *r = result_new("backends");

	r->noise = 0.0125;
	result_condition(r, "machine", "kernel", "Linux %d.%d", 6, 1);
	result_condition(r, "options", "runs", "%d", 3);
	result_condition(r, "machine", "CPU", "slow");
	result_condition(r, "machine", "CPU", "<fast & \"large\">");
	result_note(r, "Client and server have one core.");
	result_note(r, "A veth copies: ∞ is not zero.");
	result_note(r, "Client and server have one core.");
	result_add(r, "af_xdp/64/500000", "cpu", "cycles/packet", BETTER_LOWER, 812.25);
	result_add(r, "pcap/64/500000", "cpu", "cycles/packet", BETTER_LOWER, 1e300);
	result_add(r, "af_xdp/64/500000", "cpu", "cycles/packet", BETTER_LOWER, NAN);
	result_add(r, "af_xdp/64/500000", "received", "packets", BETTER_HIGHER, 1500000);
	result_add(r, "af_xdp/64/500000", "cpu", "cycles/packet", BETTER_LOWER, 0.1);
	result_add(r, "af_xdp/64/500000", "offered", "packets", BETTER_NEITHER, -INFINITY);
	return r;
}

static void put(const char *text, size_t bytes)
{
	FILE *f = fopen(file, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, bytes, f), bytes);
	assert_int_equal(fclose(f), 0);
}

static size_t entries(void)
{
	DIR *d = opendir(folder);
	size_t count = 0;

	assert_non_null(d);
	while (readdir(d) != NULL)
		count++;
	closedir(d);
	return count - 2;
}

/* ---- what goes well ---- */

static void check_sample(const struct result *r)
{
	const struct figure *f = result_find(r, "af_xdp/64/500000", "cpu");

	assert_string_equal(r->what, "backends");
	assert_true(r->noise == 0.0125);
	assert_int_equal(r->conditions, 3);
	assert_string_equal(r->condition[0].value, "Linux 6.1");
	assert_int_equal(r->notes, 2);
	assert_string_equal(r->note[1], "A veth copies: ∞ is not zero.");
	assert_int_equal(r->figures, 4);
	assert_non_null(f);
	assert_int_equal(f->count, 3);
	assert_true(f->sample[0] == 812.25 && isnan(f->sample[1]) && f->sample[2] == 0.1);
	assert_int_equal(f->better, BETTER_LOWER);
	assert_string_equal(f->unit, "cycles/packet");
	assert_true(result_find(r, "pcap/64/500000", "cpu")->sample[0] == 1e300);
	assert_int_equal(result_find(r, "af_xdp/64/500000", "received")->better, BETTER_HIGHER);
	f = result_find(r, "af_xdp/64/500000", "offered");
	assert_int_equal(f->better, BETTER_NEITHER);
	assert_true(isnan(f->sample[0]));
	assert_null(result_find(r, "af_xdp/64/500000", "lost"));
	assert_null(result_find(r, "af_xdp/64", "cpu"));
}

static void what_was_added_is_there_in_its_order(void **state)
{
	struct result *r = sample();

	(void)state;
	check_sample(r);
	assert_string_equal(r->figure[1].cell, "pcap/64/500000");
	assert_int_equal(strlen(r->begun), strlen("2026-01-01T00:00:00Z"));
	result_free(r);
	result_free(NULL);
}

static void what_is_written_comes_back(void **state)
{
	struct result *r = sample(), *back = NULL;
	char begun[40];

	(void)state;
	strcpy(begun, r->begun);
	assert_int_equal(result_write(r, folder, err), 0);
	assert_int_equal(entries(), 1);
	result_free(r);
	assert_int_equal(result_read(folder, &back, err), 0);
	check_sample(back);
	assert_string_equal(back->begun, begun);
	result_free(back);
	assert_int_equal(result_read(file, &back, err), 0);
	check_sample(back);
	result_free(back);
}

static void what_is_not_known_is_null(void **state)
{
	struct result *r = result_new("micro"), *back = NULL;

	(void)state;
	assert_int_equal(result_write(r, folder, err), 0);
	result_free(r);
	assert_int_equal(result_read(folder, &back, err), 0);
	assert_true(isnan(back->noise));
	assert_int_equal(back->figures, 0);
	result_free(back);
}

static void text_that_is_no_utf8_is_written_all_the_same(void **state)
{
	struct result *r = result_new("micro"), *back = NULL;

	(void)state;
	result_condition(r, "machine", "CPU", "a\xff\x80z");
	assert_int_equal(result_write(r, folder, err), 0);
	result_free(r);
	assert_int_equal(result_read(folder, &back, err), 0);
	assert_string_equal(back->condition[0].value, "a??z");
	result_free(back);
}

static const char with_more[] =
	"{\"schema\":1,\"what\":\"modes\",\"begun\":\"2026-01-01T00:00:00Z\",\"noise\":null,"
	"\"probes\":[{\"name\":\"uprobe\"}],\"conditions\":{\"machine\":{\"kernel\":\"6\"}},"
	"\"notes\":[],"
	"\"figures\":[{\"cell\":\"c\",\"name\":\"n\",\"unit\":\"u\",\"better\":\"lower\",\"probe\":"
	"\"kernel_uprobe\",\"more\":{\"a\":[1]},\"samples\":[1,null,2.5,9007199254740993]}]}";

static void keys_to_come_are_passed_over(void **state)
{
	struct result *back = NULL;

	(void)state;
	put(with_more, strlen(with_more));
	assert_int_equal(result_read(folder, &back, err), 0);
	assert_int_equal(back->figure[0].count, 4);
	assert_true(back->figure[0].sample[2] == 2.5);
	result_free(back);
}

static void a_folder_that_cannot_be_written_is_told(void **state)
{
	struct result *r = sample();

	(void)state;
	assert_int_equal(result_write(r, "/tmp/there/is/no/such/folder", err), -ENOENT);
	assert_non_null(strstr(err, "/tmp/there/is/no/such/folder/result.json"));
	assert_non_null(strstr(err, "--output-dir"));
	assert_int_equal(result_write(r, "/dev/null", err), -ENOTDIR);
	result_free(r);
}

static void a_result_that_cannot_take_its_place_leaves_nothing(void **state)
{
	struct result *r = sample();

	(void)state;
	assert_int_equal(unlink(file), 0);
	assert_int_equal(mkdir(file, 0700), 0);
	assert_int_equal(result_write(r, folder, err), -EISDIR);
	assert_int_equal(entries(), 1);
	assert_int_equal(rmdir(file), 0);
	result_free(r);
}

static void counts_are_compared_as_counts(void **state)
{
	struct result *r = result_new("backends");
	enum verdict wanted[] = { VERDICT_SAME, VERDICT_WORSE, VERDICT_SAME };
	static const char *const units[] = { "packets", "%", "bytes" };

	(void)state;
	for (int i = 0; i < 3; i++)
		for (int run = 0; run < 3; run++) {
			result_add(r, "before", units[i], units[i], BETTER_LOWER, 0);
			result_add(r, "after", units[i], units[i], BETTER_LOWER, 1);
		}
	for (int i = 0; i < 3; i++)
		assert_int_equal(result_compare(result_find(r, "before", units[i]),
						result_find(r, "after", units[i]), 0)
					 .verdict,
				 wanted[i]);
	result_free(r);
}

/* ---- what is refused ---- */

static int refused(const char *text, size_t bytes)
{
	struct result *back = NULL;
	int code;

	put(text, bytes);
	err[0] = '\0';
	code = result_read(folder, &back, err);
	if (code == 0) {
		result_free(back);
		return 0;
	}
	assert_null(back);
	assert_non_null(strstr(err, file));
	assert_null(strchr(err, '\n'));
	return code;
}

static void no_prefix_of_a_result_is_one(void **state)
{
	size_t whole = strlen(with_more);

	(void)state;
	for (size_t bytes = 0; bytes < whole; bytes++)
		assert_int_equal(refused(with_more, bytes), -EINVAL);
	assert_int_equal(refused(with_more, whole), 0);
	assert_int_equal(refused(with_more, whole + 1), -EINVAL); /* and a zero byte */
}

/* Each byte of a good file replaced by bytes that mean something: read or refused, never worse. */
static void no_byte_breaks_the_reader(void **state)
{
	static const char bytes[] = { '\0', '"', '{', ']', ',', '-', '9', 'e', '\\', '\xff' };
	char text[sizeof(with_more)];

	(void)state;
	for (size_t at = 0; at < strlen(with_more); at++)
		for (size_t i = 0; i < sizeof(bytes); i++) {
			memcpy(text, with_more, sizeof(text));
			text[at] = bytes[i];
			(void)refused(text, strlen(with_more));
		}
}

/* with - the good file with one of its values replaced. */
static int refused_with(const char *from, const char *to)
{
	char text[2048];
	const char *at = strstr(with_more, from);

	assert_non_null(at);
	(void)snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - with_more), with_more, to,
		       at + strlen(from));
	return refused(text, strlen(text));
}

static void wrong_types_are_refused(void **state)
{
	static const char *const cases[][2] = {
		{ "\"schema\":1,", "" },
		{ "\"schema\":1", "\"schema\":\"1\"" },
		{ "\"schema\":1", "\"schema\":1.5" },
		{ "\"modes\"", "7" },
		{ "\"modes\"", "null" },
		{ "\"what\":\"modes\",", "" },
		{ "\"2026-01-01T00:00:00Z\"", "[]" },
		{ "\"noise\":null", "\"noise\":\"small\"" },
		{ "\"noise\":null", "\"noise\":NaN" },
		{ "\"noise\":null,", "" },
		{ "{\"machine\":{\"kernel\":\"6\"}}", "[]" },
		{ "{\"kernel\":\"6\"}", "6" },
		{ "{\"kernel\":\"6\"}", "{\"kernel\":6}" },
		{ "\"notes\":[]", "\"notes\":[1]" },
		{ "\"notes\":[],", "" },
		{ "\"notes\":[]", "\"notes\":{}" },
		{ "\"cell\":\"c\",", "" },
		{ "\"name\":\"n\"", "\"name\":{}" },
		{ "\"unit\":\"u\"", "\"unit\":0" },
		{ "\"lower\"", "\"best\"" },
		{ "\"lower\"", "1" },
		{ "[1,null,2.5,9007199254740993]", "{}" },
		{ "[1,null,2.5,9007199254740993]", "[true]" },
		{ "[1,null,2.5,9007199254740993]", "[\"1\"]" },
		{ "[1,null,2.5,9007199254740993]", "[[1]]" },
		{ "[1,null,2.5,9007199254740993]", "[NaN]" },
		{ "[1,null,2.5,9007199254740993]", "[Infinity]" },
		{ "[1,null,2.5,9007199254740993]", "[1e999]" },
		{ "[1,null,2.5,9007199254740993]", "[99999999999999999999999999999999]" },
		{ "\"cell\":\"c\"", "\"cell\":\"c\",\"cell\":\"d\"" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (refused_with(cases[i][0], cases[i][1]) != -EINVAL)
			fail_msg("%s instead of %s was taken", cases[i][1], cases[i][0]);
}

static void another_schema_is_told_by_its_number(void **state)
{
	(void)state;
	assert_int_equal(refused_with("\"schema\":1", "\"schema\":2"), -EINVAL);
	assert_non_null(strstr(err, "its schema is 2 and this weir reads 1"));
}

static void names_that_are_too_long_are_refused(void **state)
{
	char to[400];

	(void)state;
	(void)snprintf(to, sizeof(to), "\"name\":\"%0*d\"", RESULT_NAME_BYTES - 1, 0);
	assert_int_equal(refused_with("\"name\":\"n\"", to), 0);
	(void)snprintf(to, sizeof(to), "\"name\":\"%0*d\"", RESULT_NAME_BYTES, 0);
	assert_int_equal(refused_with("\"name\":\"n\"", to), -EINVAL);
	(void)snprintf(to, sizeof(to), "{\"%0*d\":", 32, 0);
	assert_int_equal(refused_with("{\"machine\":", to), -EINVAL);
	(void)snprintf(to, sizeof(to), "{\"%0*d\":", 64, 0);
	assert_int_equal(refused_with("{\"kernel\":", to), -EINVAL);
}

static void a_figure_that_is_there_twice_is_refused(void **state)
{
	const char *at = strstr(with_more, "{\"cell\"");
	char to[400];

	(void)state;
	(void)snprintf(to, sizeof(to), "[%.*s,", (int)(strlen(at) - 2), at);
	assert_int_equal(refused_with("[{\"cell\"", to), -EINVAL);
	(void)snprintf(to, sizeof(to), "[%.*s,{\"cell\"", (int)(strlen(at) - 2), at);
	assert_int_equal(refused_with("[{\"cell\"", to), -EINVAL);
	assert_non_null(strstr(err, "figure n of c is there twice"));
}

static void too_much_is_refused(void **state)
{
	enum { BYTES = 1 << 20 };
	char *text = malloc(BYTES + 512);
	size_t used = (size_t)sprintf(
		text, "%.*s[", (int)(strstr(with_more, "[{\"cell\"") - with_more), with_more);

	(void)state;
	for (size_t i = 0; i <= RESULT_FIGURES_MAX; i++)
		used += (size_t)sprintf(text + used,
					"%s{\"cell\":\"%zu\",\"name\":\"n\",\"unit\":\"\","
					"\"better\":\"lower\",\"samples\":[]}",
					i > 0 ? "," : "", i);
	assert_true(used < BYTES);
	strcpy(text + used, "]}");
	assert_int_equal(refused(text, used + 2), -EINVAL);
	assert_non_null(strstr(err, "more than 10000 figures"));
	memset(text, '[', BYTES);
	assert_int_equal(refused(text, BYTES), -EINVAL);
	free(text);
}

static void what_is_no_result_is_refused(void **state)
{
	struct result *back = NULL;

	(void)state;
	assert_int_equal(refused("", 0), -EINVAL);
	assert_int_equal(refused("[]", 2), -EINVAL);
	assert_int_equal(refused("{}", 2), -EINVAL);
	assert_non_null(strstr(err, "no result of weir bench"));
	assert_int_equal(refused("null", 4), -EINVAL);
	assert_int_equal(result_read("/no/such/result.json", &back, err), -ENOENT);
	assert_non_null(strstr(err, "/no/such/result.json"));
	assert_int_equal(result_read("/proc", &back, err), -ENOENT);
	assert_int_equal(result_read("/dev/zero", &back, err), -EFBIG);
	assert_null(back);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_added_is_there_in_its_order),
		cmocka_unit_test(what_is_written_comes_back),
		cmocka_unit_test(what_is_not_known_is_null),
		cmocka_unit_test(text_that_is_no_utf8_is_written_all_the_same),
		cmocka_unit_test(keys_to_come_are_passed_over),
		cmocka_unit_test(a_folder_that_cannot_be_written_is_told),
		cmocka_unit_test(a_result_that_cannot_take_its_place_leaves_nothing),
		cmocka_unit_test(counts_are_compared_as_counts),
		cmocka_unit_test(no_prefix_of_a_result_is_one),
		cmocka_unit_test(no_byte_breaks_the_reader),
		cmocka_unit_test(wrong_types_are_refused),
		cmocka_unit_test(another_schema_is_told_by_its_number),
		cmocka_unit_test(names_that_are_too_long_are_refused),
		cmocka_unit_test(a_figure_that_is_there_twice_is_refused),
		cmocka_unit_test(too_much_is_refused),
		cmocka_unit_test(what_is_no_result_is_refused),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
