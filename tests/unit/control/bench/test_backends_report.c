/* Proves that what a back end adds is its cell less `none` of the same round, that a loss is told
 * in per cent, that AF_XDP is held against pcap only where neither lost anything, and that the
 * report is there with all of it.
 */
#include "control/bench/backends.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/weir/command.h"
#include "tests/support/check.h"

static struct backends_plan plan;
static struct backends_cells cells;
static struct result *r;
static char base[64], text[1 << 20];

static int begin(void **state)
{
	(void)state;
	memset(&plan, 0, sizeof(plan));
	plan.common.quick = plan.common.quiet = true;
	plan.part[PART_rates] = true;
	backends_preset(&plan);
	backends_lay_out(&plan, &cells);
	r = result_new("backends");
	strcpy(base, "/tmp/test_backends-XXXXXX");
	return mkdtemp(base) == NULL ? -1 : 0;
}

static int end(void **state)
{
	char command[128];

	(void)state;
	result_free(r);
	free(cells.cell);
	(void)snprintf(command, sizeof(command), "rm -r '%s'", base);
	return system(command);
}

static void add(const char *cell, const char *name, double a, double b, double c)
{
	char full[96];
	const double value[] = { a, b, c };

	(void)snprintf(full, sizeof(full), "%s/64/200000", cell);
	for (int i = 0; i < 3; i++)
		result_add(r, full, name, "x", BETTER_LOWER, value[i]);
}

static const struct figure *find(const char *cell, const char *name)
{
	char full[96];

	(void)snprintf(full, sizeof(full), "%s/64/200000", cell);
	return result_find(r, full, name);
}

static void what_a_back_end_adds_is_told_round_by_round(void **state)
{
	const struct figure *f;

	(void)state;
	add("none", "cpu", 100, 200, 300);
	add("pcap", "cpu", 150, 260, 370);
	add("af_packet", "cpu", 150, NAN, 290);
	backends_sum_up(&cells, r);
	f = find("pcap", "above");
	assert_int_equal(f->count, 3);
	assert_true(f->sample[0] == 50 && f->sample[1] == 60 && f->sample[2] == 70);
	assert_string_equal(f->unit, "x");
	f = find("af_packet", "above");
	assert_true(f->sample[0] == 50 && isnan(f->sample[1]) && f->sample[2] == -10);
	assert_null(find("none", "above"));
	assert_null(find("dpdk-af_xdp", "above"));
}

static void losses_are_told_in_per_cent_too(void **state)
{
	(void)state;
	add("pcap", "offered", 1000, 1000, 0);
	add("pcap", "lost", 10, 0, 0);
	backends_sum_up(&cells, r);
	assert_true(find("pcap", "loss")->sample[0] == 1);
	assert_true(find("pcap", "loss")->sample[1] == 0);
	assert_true(isnan(find("pcap", "loss")->sample[2]));
}

static void frames_without_an_account_are_added_up_whatever_their_sign(void **state)
{
	(void)state;
	assert_true(backends_unexplained(r) == 0);
	add("pcap", "unexplained", 0, 3, NAN);
	add("af_packet", "unexplained", -2, 0, 0);
	assert_true(backends_unexplained(r) == 5);
}

/* report - made, and its text returned. */
static const char *report(void)
{
	struct report_part part = { .name = "Back ends", .seconds = 1 };
	FILE *before = stdout, *f;
	char path[128];
	int status;
	size_t bytes;

	(void)snprintf(plan.common.folder, sizeof(plan.common.folder), "%s", base);
	stdout = fmemopen(text, sizeof(text), "w");
	status = backends_report(&plan, &cells, r, &part, 1);
	fclose(stdout);
	stdout = before;
	assert_int_equal(status, STATUS_DONE);
	(void)snprintf(path, sizeof(path), "%s/report.html", base);
	f = fopen(path, "re");
	assert_non_null(f);
	bytes = fread(text, 1, sizeof(text) - 1, f);
	text[bytes] = '\0';
	fclose(f);
	return text;
}

static void fill(double pcap_loss, double xdp_cpu)
{
	add("none", "cpu", 1000, 1001, 1002);
	add("pcap", "cpu", 2000, 2001, 2002);
	add("pcap", "offered", 100, 100, 100);
	add("pcap", "lost", pcap_loss, 0, 0);
	add("af_xdp-native", "cpu", xdp_cpu, xdp_cpu + 1, xdp_cpu + 2);
	add("af_xdp-native", "offered", 100, 100, 100);
	add("af_xdp-native", "lost", 0, 0, 0);
	backends_sum_up(&cells, r);
}

static void af_xdp_is_held_against_pcap(void **state)
{
	const char *page;

	(void)state;
	fill(0, 3000);
	page = report();
	assert_non_null(strstr(page, "AF_XDP against pcap"));
	assert_non_null(strstr(page, "zero-copy")); /* what a veth cannot prove */
	assert_non_null(strstr(page, "2.00 (2.00 "));
	assert_null(strstr(page, "not comparable"));
}

static void nothing_is_compared_where_packets_were_lost(void **state)
{
	const char *page;

	(void)state;
	fill(1, 3000);
	page = report();
	assert_non_null(strstr(page, "not comparable: packets were lost"));
	assert_null(strstr(page, "AF_XDP costs"));
}

/* 0.5, 2 and -10: of the rounds that have a ratio the median would be 1.25. */
static void what_costs_no_more_than_nobody_has_no_ratio(void **state)
{
	const char *page;

	(void)state;
	add("none", "cpu", 1000, 1000, 1000);
	add("pcap", "cpu", 1100, 1100, 990);
	add("af_xdp-native", "cpu", 1050, 1200, 1100);
	backends_sum_up(&cells, r);
	page = report();
	assert_non_null(strstr(page, "AF_XDP against pcap"));
	assert_null(strstr(page, "1.25 (0.50 "));
	assert_non_null(strstr(page, "1.09 (0.95 ")); /* of the whole machine there is one */
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(what_a_back_end_adds_is_told_round_by_round),
		TEST(losses_are_told_in_per_cent_too),
		TEST(frames_without_an_account_are_added_up_whatever_their_sign),
		TEST(af_xdp_is_held_against_pcap),
		TEST(nothing_is_compared_where_packets_were_lost),
		TEST(what_costs_no_more_than_nobody_has_no_ratio),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
