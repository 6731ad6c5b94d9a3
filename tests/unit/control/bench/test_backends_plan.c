/* Proves which cells there are for what was asked, that `none` is always the first of a traffic,
 * and that lists that cannot be are refused.
 */
#include "control/bench/backends.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/check.h"

static struct backends_plan plan;
static struct backends_cells cells;
static double list[BACKENDS_LIST_MAX];

static int begin(void **state)
{
	(void)state;
	memset(&plan, 0, sizeof(plan));
	memset(&cells, 0, sizeof(cells));
	return 0;
}

static int end(void **state)
{
	(void)state;
	free(cells.cell);
	return 0;
}

static const struct series_cell *find(const char *name)
{
	for (uint32_t i = 0; i < cells.cells; i++)
		if (strcmp(cells.cell[i].name, name) == 0)
			return &cells.cell[i];
	return NULL;
}

/* ---- lists ---- */

static void numbers_have_thousands_and_millions(void **state)
{
	(void)state;
	assert_int_equal(backends_take_numbers("200k,1m,1.5M,64", 1, 1e9, list), 4);
	assert_true(list[0] == 200e3 && list[1] == 1e6 && list[2] == 1.5e6 && list[3] == 64);
}

static void numbers_that_cannot_be_are_refused(void **state)
{
	static const char *const bad[] = { "",    ",",   "64,",   ",64", "x",    "64x", "64kk",
					   "-64", "0.5", "64 65", "nan", "1,,2", "inf", "1001" };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (backends_take_numbers(bad[i], 1, 1000, list) != -EINVAL)
			fail_msg("'%s' is taken", bad[i]);
	assert_int_equal(backends_take_numbers("1,2,3,4,5,6,7,8", 1, 9, list), 8);
	assert_int_equal(backends_take_numbers("1,2,3,4,5,6,7,8,9", 1, 9, list), -EINVAL);
}

static void names_are_meant_by_how_they_begin(void **state)
{
	bool use[BACKENDS] = { false };

	(void)state;
	assert_int_equal(backends_take_names("pcap,af_xdp", backend_name, BACKENDS, use), 0);
	assert_true(use[BACKEND_pcap] && use[BACKEND_af_xdp_generic] && use[BACKEND_af_xdp_native]);
	assert_true(use[BACKEND_af_xdp_busy] && !use[BACKEND_af_packet] && !use[BACKEND_none]);
	assert_int_equal(backends_take_names("dpdk-af_x", backend_name, BACKENDS, use), 0);
	assert_true(use[BACKEND_dpdk_af_xdp] && !use[BACKEND_dpdk_af_packet] && !use[BACKEND_pcap]);
	assert_int_equal(backends_take_names("pcap,netmap", backend_name, BACKENDS, use), -EINVAL);
	assert_int_equal(backends_take_names("", backend_name, BACKENDS, use), -EINVAL);
	assert_int_equal(backends_take_names("pcap,", backend_name, BACKENDS, use), -EINVAL);
	assert_true(use[BACKEND_dpdk_af_xdp]); /* untouched by what was refused */
	assert_null(backend_name(BACKENDS));
	assert_null(backends_part_name(PARTS));
}

/* ---- cells ---- */

static void everything_is_tried_on_everything(void **state)
{
	(void)state;
	backends_preset(&plan);
	assert_int_equal(plan.common.runs, 5);
	backends_lay_out(&plan, &cells);
	assert_int_equal(cells.groups, 3 * 3 + 3); /* the limit is found otherwise */
	for (enum backend b = 0; b < BACKENDS; b++) {
		char name[96];

		(void)snprintf(name, sizeof(name), "%s/64/200000", backend_name(b));
		assert_non_null(find(name));
		(void)snprintf(name, sizeof(name), "%s/idle", backend_name(b));
		assert_non_null(find(name));
	}
	assert_null(find("spin/1500/1000000"));
	assert_null(find("spin/http"));
	assert_non_null(find("af_xdp-native/1500/1000000"));
}

static void none_is_the_first_of_every_traffic(void **state)
{
	(void)state;
	(void)backends_take_names("pcap", backend_name, BACKENDS, plan.use);
	backends_preset(&plan);
	backends_lay_out(&plan, &cells);
	for (uint32_t i = 0; i < cells.groups; i++) {
		const struct series_cell *c = &cells.cell[cells.group[i].first];

		assert_int_equal(cells.group[i].cells, 2);
		assert_int_equal(c->receiver.kind, RECEIVER_NONE);
		assert_int_equal(c[1].receiver.kind, RECEIVER_WEIR);
		assert_string_equal(c[1].receiver.word[1], "pcap:{iface}");
	}
}

static void a_first_look_is_short(void **state)
{
	(void)state;
	plan.common.quick = true;
	backends_preset(&plan);
	assert_int_equal(plan.common.runs, 3);
	assert_true(plan.common.seconds == 2);
	assert_false(plan.part[PART_limit]);
	backends_lay_out(&plan, &cells);
	assert_int_equal(cells.groups, 2);
	assert_int_equal(cells.group[0].cells, BACKENDS);
	assert_null(find("af_xdp-generic/http"));
	assert_non_null(find("af_xdp-native/http"));
}

static void who_is_named_is_tried_in_a_first_look_too(void **state)
{
	(void)state;
	plan.common.quick = true;
	(void)backends_take_names("af_xdp-generic", backend_name, BACKENDS, plan.use);
	backends_preset(&plan);
	backends_lay_out(&plan, &cells);
	assert_non_null(find("af_xdp-generic/http"));
}

static void what_was_given_stays(void **state)
{
	(void)state;
	plan.common.quick = true;
	plan.common.runs = 9;
	plan.size[0] = 100;
	plan.sizes = 1;
	plan.rate[0] = 7;
	plan.rates = 1;
	plan.part[PART_filter] = plan.part[PART_rates] = true;
	backends_preset(&plan);
	assert_int_equal(plan.common.runs, 9);
	backends_lay_out(&plan, &cells);
	assert_int_equal(cells.groups, 2);
	assert_non_null(find("pcap/100/7"));
	assert_int_equal(find("pcap/100/7")->load.frame_bytes, 100);
	assert_non_null(find("pcap/filter"));
}

static void a_filter_asks_for_one_flow_of_ten(void **state)
{
	const struct series_cell *c;

	(void)state;
	backends_preset(&plan);
	backends_lay_out(&plan, &cells);
	c = find("af_packet/filter");
	assert_int_equal(c->load.flows, 10);
	assert_int_equal(c->load.selected_flow, 4); /* source ports begin at 9 */
	assert_string_equal(c->receiver.word[4], "udp port 12");
	assert_string_equal(find("af_packet/http")->receiver.word[3], "normal");
	assert_string_equal(find("af_packet/64/200000")->receiver.word[3], "rx");
}

static void of_an_interface_there_is_what_it_has(void **state)
{
	(void)state;
	plan.common.interface = "eth0";
	backends_preset(&plan);
	backends_lay_out(&plan, &cells);
	assert_int_equal(cells.groups, 1);
	assert_int_equal(find("pcap/live")->load.kind, LOAD_NONE);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(numbers_have_thousands_and_millions),
		TEST(numbers_that_cannot_be_are_refused),
		TEST(names_are_meant_by_how_they_begin),
		TEST(everything_is_tried_on_everything),
		TEST(none_is_the_first_of_every_traffic),
		TEST(a_first_look_is_short),
		TEST(who_is_named_is_tried_in_a_first_look_too),
		TEST(what_was_given_stays),
		TEST(a_filter_asks_for_one_flow_of_ten),
		TEST(of_an_interface_there_is_what_it_has),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
