/* gates_text - Promises:
 * - the files have the tracer's lines in its order, and its fields by their names;
 * - counts are sums over the runs, times medians, and rates what follows from them;
 * - a scenario says how it differs from the same without the capture;
 * - what was not measured is not there; a cell without runs says so;
 * - all files are written, or one sentence says which could not be.
 */
#include "control/bench/gates_text.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/check.h"

enum { TEXT_BYTES = 8192 };

static struct limits limits;
static struct result *result;
static char text[TEXT_BYTES];

static void put(const char *cell, const char *name, double a, double b)
{
	result_add(result, cell, name, "", BETTER_NEITHER, a);
	result_add(result, cell, name, "", BETTER_NEITHER, b);
}

static int begin(void **state)
{
	(void)state;
	limits_preset(&limits);
	result = result_new("gates");
	put("Medium/without", "seconds", 2, 2);
	put("Medium/without", "load_seconds", 3, 3);
	put("Medium/without", "due", 600, 600);
	put("Medium/without", "failed", 0, 0);
	put("Medium/without", "rate", 199, 201);
	put("Medium/without", "latency.mean", 200e3, 400e3);
	put("Medium/without", "latency.p50", 100e3, 100e3);
	put("Medium/with", "seconds", 2, 2);
	put("Medium/with", "load_seconds", 3, 3);
	put("Medium/with", "due", 600, 600);
	put("Medium/with", "failed", 5, 7);
	put("Medium/with", "rate", 199, 201);
	put("Medium/with", "latency.mean", 1200e3, 1400e3);
	put("Medium/with", "latency.p50", 150e3, 250e3);
	put("Medium/with", "latency.p95", 2e9, 2e9);
	put("Medium/with", "pairs", 590, 595);
	put("Medium/with", "cpu.share", 3, 4);
	put("Medium/with", "memory.peak", 40e6, 44e6);
	put("Medium/with", "heartbeat", NAN, NAN);
	return 0;
}

static int end(void **state)
{
	(void)state;
	result_free(result);
	return 0;
}

static FILE *open_text(void)
{
	FILE *f;

	memset(text, 0, sizeof(text));
	f = fmemopen(text, sizeof(text), "w");
	assert_non_null(f);
	return f;
}

static void write_scenario(const char *name)
{
	FILE *f = open_text();

	gates_text_scenario(limits_scenario(&limits, name), result, f);
	fclose(f);
}

static void has(const char *line)
{
	const char *at = strstr(text, line);

	if (at == NULL || (at != text && at[-1] != '\n'))
		fail_msg("no line %s in\n%s", line, text);
}

static void the_lines_are_the_tracers_in_its_order(void **state)
{
	static const char *const lines[] = {
		"Benchmark Results: Medium\n=========================\n",
		"Duration: 6.00s\n",
		"Requests Sent: 1200\n",
		"Requests Succeeded: 1188\n",
		"Requests Failed: 12\n",
		"Throughput: 200.00 req/sec\n",
		"Error Rate: 1.00%\n",
		"Average Latency: 1.300ms\n",
		"95th Percentile Latency: 2.000s\n",
		"Events Generated: 1185\n",
		"CPU Overhead: 3.50%\n",
		"Peak Memory: 42.00 MB\n",
	};
	const char *before = text;

	(void)state;
	write_scenario("Medium");
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		const char *at = strstr(text, lines[i]);

		has(lines[i]);
		assert_true(at >= before);
		before = at;
	}
	has("Runs: 2\n");
	has("Load: 200 req/sec, 10 connections\n");
}

static void the_fields_have_their_names_and_plain_numbers(void **state)
{
	(void)state;
	write_scenario("Medium");
	has("TestName=Medium\n");
	has("RequestsSent=1200\n");
	has("RequestsSucceeded=1188\n");
	has("RequestsFailed=12\n");
	has("AvgLatency=1300000\n");
	has("P95Latency=2000000000\n");
	has("Throughput=200\n");
	has("ErrorRate=1\n");
}

static void a_scenario_says_how_it_differs(void **state)
{
	(void)state;
	write_scenario("Medium");
	has("Average Latency Difference: 1.000ms\n");
	has("50th Percentile Latency Difference: 100.0µs\n");
	has("Throughput Difference: 0.00 req/sec\n");
	has("P50LatencyDifference=100000\n");
}

static void what_was_not_measured_is_not_there(void **state)
{
	(void)state;
	write_scenario("Medium");
	assert_null(strstr(text, "nan"));
	assert_null(strstr(text, "99th"));
	assert_null(strstr(text, "Heartbeat"));
	write_scenario("Heavy");
	has("Not measured\n");
	assert_null(strstr(text, "Requests"));
}

static void the_baseline_is_the_judged_scenario_without(void **state)
{
	FILE *f = open_text();

	(void)state;
	gates_text_baseline(&limits, result, f);
	fclose(f);
	has("Baseline Performance (No Tracing)\n");
	has("Requests Sent: 1200\n");
	has("Requests Failed: 0\n");
	has("Average Latency: 300.0µs\n");
	has("TestName=Baseline\n");
	assert_null(strstr(text, "CPU"));
	assert_null(strstr(text, "Difference"));
}

static void all_files_are_written(void **state)
{
	static const char *const names[] = {
		"baseline_performance.txt",     "benchmark_Light_results.txt",
		"benchmark_Medium_results.txt", "benchmark_Heavy_results.txt",
		"benchmark_Stress_results.txt",
	};
	char dir[] = "/tmp/test_gates_text.XXXXXX", path[128], err[RESULT_ERROR_BYTES];

	(void)state;
	assert_non_null(mkdtemp(dir));
	assert_int_equal(gates_text_files(&limits, result, dir, err), 0);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		assert_int_equal(unlink(path), 0);
	}
	assert_int_equal(rmdir(dir), 0);
	assert_int_equal(gates_text_files(&limits, result, dir, err), -ENOENT);
	assert_non_null(strstr(err, "baseline_performance.txt"));
	assert_non_null(strstr(err, "--output-dir"));
}

#define WITH_RESULT(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_RESULT(the_lines_are_the_tracers_in_its_order),
		WITH_RESULT(the_fields_have_their_names_and_plain_numbers),
		WITH_RESULT(a_scenario_says_how_it_differs),
		WITH_RESULT(what_was_not_measured_is_not_there),
		WITH_RESULT(the_baseline_is_the_judged_scenario_without),
		WITH_RESULT(all_files_are_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
