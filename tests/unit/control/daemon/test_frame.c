/* Proves the first and the last line: every source in order, also one that is no UTF-8; the mark
 * that only this run's files begin with; the ledger; and quantiles over all workers and dissectors
 * of a protocol.
 */
#include "tests/unit/control/records.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "control/daemon/frame.h"

static struct settings *s;
static struct books *b;
static char *line;

static int make_settings(void **state)
{
	(void)state;
	s = calloc(1, sizeof(*s));
	b = calloc(1, sizeof(*b));
	if (s == NULL || b == NULL)
		return -1;
	strcpy(s->run, "k3q9");
	s->started_wall_ns = UINT64_C(1763683200000000000);
	b->exporter.format = "jsonl";
	return 0;
}

static int free_settings(void **state)
{
	(void)state;
	free(s);
	free(b);
	free(line);
	line = NULL;
	return 0;
}

static void add_input(const char *path)
{
	strcpy(s->input + s->input_bytes, path);
	s->input_bytes += (uint32_t)strlen(path) + 1;
	s->input_count++;
}

static const char *start(bool restarted, size_t *ret_mark)
{
	size_t bytes;

	line = frame_start(s, "0.1", NULL, 2, restarted, &bytes, ret_mark);
	assert_non_null(line);
	assert_int_equal(line[bytes - 1], '\n');
	line[bytes - 1] = 0;
	return line;
}

static void the_start_line_names_every_source_in_order(void **state)
{
	size_t mark;

	(void)state;
	add_input("a \"b\".pcap");
	add_input("c.pcapng");
	assert_string_equal(
		start(false, &mark),
		"{\"type\":\"start\",\"run\":\"k3q9\",\"version\":\"0.1\","
		"\"sources\":[\"a \\\"b\\\".pcap\",\"c.pcapng\"],\"clock\":\"file\",\"workers\":2,"
		"\"started\":\"2025-11-21T00:00:00.000000000Z\"}");
	assert_int_equal(mark, strlen("{\"type\":\"start\",\"run\":\"k3q9\""));
}

static void a_back_end_is_named_as_it_was_asked_for(void **state)
{
	size_t mark;

	(void)state;
	strcpy(s->rx[0], "synth:seed=1");
	s->rx_count = 1;
	assert_non_null(
		strstr(start(true, &mark), "\"sources\":[\"synth:seed=1\"],\"clock\":\"file\""));
	assert_non_null(strstr(line, "Z\",\"restarted\":true}"));
}

static void a_path_that_is_no_text_comes_with_its_bytes(void **state)
{
	size_t mark;

	(void)state;
	add_input("\xff");
	add_input("a");
	assert_non_null(strstr(
		start(false, &mark),
		"\"sources\":[\"\xef\xbf\xbd\",\"a\"],\"sources_b64\":[\"/w==\",\"YQ==\"],"));
}

static void no_source_is_an_empty_list(void **state)
{
	size_t mark;

	(void)state;
	assert_non_null(strstr(start(false, &mark), "\"sources\":[],"));
}

static void many_bad_paths_fit(void **state)
{
	size_t mark;

	(void)state;
	while (s->input_bytes + 3 < SETTINGS_INPUT_BYTES)
		add_input("\x01\xff");
	assert_true(strlen(start(false, &mark)) > SETTINGS_INPUT_BYTES);
}

static const char *finish(const struct region_reader *regions)
{
	size_t bytes;

	line = frame_end(s, b, regions, &bytes);
	assert_non_null(line);
	assert_int_equal(line[bytes - 1], '\n');
	line[bytes - 1] = 0;
	return line;
}

static void the_end_line_has_the_ledger_and_no_empty_histogram(void **state)
{
	(void)state;
	finish(NULL);
	assert_memory_equal(
		line,
		"{\"type\":\"end\",\"run\":\"k3q9\",\"ledger\":{\"closed\":false,\"balances\":[",
		strlen("{\"type\":\"end\",\"run\":\"k3q9\",\"ledger\":{\"closed\":false,"
		       "\"balances\":["));
	assert_non_null(strstr(line, "},\"latency\":{}}"));
	assert_null(strstr(line, "died"));
}

static void the_end_line_says_that_the_dataplane_died(void **state)
{
	(void)state;
	b->died = true;
	assert_non_null(
		strstr(finish(NULL), "\"run\":\"k3q9\",\"dataplane\":\"died\",\"ledger\":"));
}

static void quantiles_are_those_of_all_workers_together(void **state)
{
	static struct histogram histogram[2][2];
	struct region_reader regions[2] = { { .histogram = histogram[0], .protocols = 2 },
					    { .histogram = histogram[1], .protocols = 2 } };

	(void)state;
	memset(histogram, 0, sizeof(histogram));
	b->workers = 2;
	for (int i = 0; i < 900; i++)
		histogram_add(&histogram[0][0], 5);
	for (int i = 0; i < 99; i++)
		histogram_add(&histogram[1][0], 1024);
	histogram_add(&histogram[1][0], UINT64_C(1) << 40);
	assert_non_null(strstr(
		finish(regions),
		"\"latency\":{\"web\":{\"count\":1000,\"p50_ns\":5,\"p90_ns\":5,\"p99_ns\":1024,"
		"\"p999_ns\":1024,\"max_ns\":1099511627776}}}"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_settings, free_settings)
	const struct CMUnitTest tests[] = {
		TEST(the_start_line_names_every_source_in_order),
		TEST(a_back_end_is_named_as_it_was_asked_for),
		TEST(a_path_that_is_no_text_comes_with_its_bytes),
		TEST(no_source_is_an_empty_list),
		TEST(many_bad_paths_fit),
		TEST(the_end_line_has_the_ledger_and_no_empty_histogram),
		TEST(the_end_line_says_that_the_dataplane_died),
		TEST(quantiles_are_those_of_all_workers_together),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
