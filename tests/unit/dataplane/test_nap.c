/* Proves that a nap fits the rings: never longer than a quarter of them lasts, never outside its
 * limits, none when nothing comes, and none for sources that gather by themselves.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "dataplane/nap.h"

#define START_NS UINT64_C(1000000000)

/* after - the nap of a worker that has seen `rate` packets per second for 100 ms. */
static uint64_t after(uint64_t ring_packets, uint64_t rate)
{
	struct nap n = { .ring_packets = ring_packets };
	uint64_t ns = 0;

	for (uint64_t i = 0; i <= 100; i++) {
		nap_saw(&n, (uint32_t)(rate / 1000));
		ns = nap_ns(&n, START_NS + i * 1000000);
	}
	return ns;
}

static void a_nap_lasts_a_quarter_of_the_rings(void **state)
{
	(void)state;
	/* 4096 packets at 10 M/s fill in 409.6 us. */
	assert_in_range(after(4096, 10000000), 102000, 103000);
	assert_in_range(after(8192, 10000000), 204000, 206000);
	assert_in_range(after(8192, 4000000), 510000, 514000);
}

static void a_nap_stays_within_its_limits(void **state)
{
	(void)state;
	assert_int_equal(after(64, 10000000), NAP_MIN_NS);
	assert_int_equal(after(8192, 1000000), NAP_MAX_NS);
	assert_int_equal(after(1 << 20, 1000), NAP_MAX_NS);
}

static void who_has_seen_nothing_for_a_while_sleeps_until_woken(void **state)
{
	struct nap n = { .ring_packets = 4096 };

	(void)state;
	assert_int_equal(nap_ns(&n, START_NS), 0);
	nap_saw(&n, 1);
	assert_int_equal(nap_ns(&n, START_NS + 1000000), NAP_MAX_NS);
	assert_int_equal(nap_ns(&n, START_NS + NAP_QUIET_NS), NAP_MAX_NS);
	assert_int_equal(nap_ns(&n, START_NS + 1000000 + NAP_QUIET_NS), 0);
	assert_int_equal(nap_ns(&n, START_NS + 5 * NAP_QUIET_NS), 0);
}

static void the_time_asleep_says_nothing_of_the_rate(void **state)
{
	struct nap n = { .ring_packets = 4096 };
	uint64_t now = START_NS, ns = 0;

	(void)state;
	for (int i = 0; i < 100; i++, now += 100000) {
		nap_saw(&n, 1000);
		ns = nap_ns(&n, now);
	}
	assert_in_range(ns, 100000, 105000);
	now += 3600 * UINT64_C(1000000000);
	assert_int_equal(nap_ns(&n, now), 0);
	nap_saw(&n, 1);
	ns = nap_ns(&n, now + 1000);
	assert_in_range(ns, NAP_MIN_NS, NAP_MAX_NS);
}

static void sources_that_gather_need_no_nap(void **state)
{
	(void)state;
	assert_int_equal(after(0, 1000000), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_nap_lasts_a_quarter_of_the_rings),
		cmocka_unit_test(a_nap_stays_within_its_limits),
		cmocka_unit_test(who_has_seen_nothing_for_a_while_sleeps_until_woken),
		cmocka_unit_test(the_time_asleep_says_nothing_of_the_rate),
		cmocka_unit_test(sources_that_gather_need_no_nap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
