/* Proves that a source is the sum of its ports where they share it, and one port where each sees
 * all of it; that what one port does not know nobody knows; and that losses are all there.
 */
#include "control/daemon/sources.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct books *b;

/* Two workers with two ports each; every number says where it is from. */
static int begin(void **state)
{
	(void)state;
	b = calloc(1, sizeof(*b));
	if (b == NULL)
		return -1;
	b->workers = 2;
	b->live = true;
	for (uint32_t w = 0; w < 2; w++) {
		b->worker[w].ports = 2;
		for (uint32_t p = 0; p < 2; p++) {
			struct region_port_view *port = &b->worker[w].port[p];
			uint64_t unit = w == 0 ? 1 : 10;

			strcpy(port->about.interface, p == 0 ? "eth0" : "eth1");
			port->offered = (p + 1) * 1000 * unit;
			port->received = (p + 1) * 100 * unit;
			port->refused = (p + 1) * 7 * unit;
			port->in_flight = (p + 1) * unit;
			for (unsigned i = 0; i < RX_LOST_COUNT; i++)
				port->lost[i] = (p + 1) * (i + 1) * unit;
		}
	}
	return 0;
}

static int end(void **state)
{
	(void)state;
	free(b);
	return 0;
}

static void live_ports_are_added_up(void **state)
{
	struct sources s;

	(void)state;
	sources_sum(&s, b);
	assert_int_equal(s.count, 2);
	assert_string_equal(s.source[0].about.interface, "eth0");
	assert_string_equal(s.source[1].about.interface, "eth1");
	assert_int_equal(s.source[0].offered, 11000);
	assert_int_equal(s.source[1].offered, 22000);
	assert_int_equal(s.source[1].received, 2200);
	assert_int_equal(s.source[1].refused, 154);
	assert_int_equal(s.source[1].in_flight, 22);
	assert_int_equal(s.source[1].lost[RX_LOST_driver], 44);
	assert_int_equal(sources_lost(&s.source[0]), 11 * RX_LOST_COUNT * (RX_LOST_COUNT + 1) / 2);
}

static void of_a_file_the_first_worker_speaks(void **state)
{
	struct sources s;

	(void)state;
	b->live = false;
	sources_sum(&s, b);
	assert_int_equal(s.count, 2);
	assert_int_equal(s.source[0].offered, 1000);
	assert_int_equal(s.source[1].received, 200);
}

static void what_one_port_does_not_know_nobody_knows(void **state)
{
	struct sources s;

	(void)state;
	b->worker[1].port[0].offered = RX_UNKNOWN;
	sources_sum(&s, b);
	assert_true(s.source[0].offered == RX_UNKNOWN);
	assert_int_equal(s.source[1].offered, 22000);
	b->worker[0].port[1].offered = RX_UNKNOWN;
	sources_sum(&s, b);
	assert_true(s.source[1].offered == RX_UNKNOWN);
}

static void without_workers_there_is_no_source(void **state)
{
	struct sources s;

	(void)state;
	b->workers = 0;
	sources_sum(&s, b);
	assert_int_equal(s.count, 0);
}

static void every_loss_has_a_name(void **state)
{
	(void)state;
	for (unsigned i = 0; i < RX_LOST_COUNT; i++)
		assert_true(strlen(sources_lost_name[i]) > 0);
	assert_string_equal(sources_lost_name[RX_LOST_fill_ring], "fill_ring");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(live_ports_are_added_up),
		TEST(of_a_file_the_first_worker_speaks),
		TEST(what_one_port_does_not_know_nobody_knows),
		TEST(without_workers_there_is_no_source),
		TEST(every_loss_has_a_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
