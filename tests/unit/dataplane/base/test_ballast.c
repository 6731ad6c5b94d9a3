/* ballast: it costs about what it says, and nothing where it is not. */
#include "tests/support/check.h"

#include "dataplane/base/ballast.h"
#include "dataplane/base/clock.h"

static uint64_t cycles_of_a_thousand(void)
{
	uint64_t begun = clock_cycles();

	ballast_carry(1000);
	return clock_cycles() - begun;
}

/* A core may run at another clock than its counter; by no more than this, up or down. Whoever was
 * interrupted is not the quickest. */
static void one_costs_about_three_hundred_cycles(void **state)
{
	uint64_t best = UINT64_MAX;

	(void)state;
	for (int i = 0; i < 200; i++) {
		uint64_t took = cycles_of_a_thousand();

		best = took < best ? took : best;
	}
#if defined(__x86_64__) && defined(__OPTIMIZE__)
	assert_in_range(best / 1000, BALLAST_CYCLES / 3, BALLAST_CYCLES * 3);
#else
	assert_true(best > 0);
#endif
}

/* All of these would take years. */
static void elsewhere_there_is_none(void **state)
{
	uint64_t years = UINT64_C(1) << 50;

	(void)state;
	if (BALLAST_HERE != BALLAST_decode)
		BALLAST(decode, years);
	if (BALLAST_HERE != BALLAST_http1)
		BALLAST(http1, years);
	if (BALLAST_HERE != BALLAST_emit)
		BALLAST(emit, years);
}

static void a_build_knows_where_it_has_some(void **state)
{
	(void)state;
	if (BALLAST_HERE == BALLAST_none)
		assert_string_equal(BALLAST_NAME, "none");
	else
		assert_string_not_equal(BALLAST_NAME, "none");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_costs_about_three_hundred_cycles),
		cmocka_unit_test(elsewhere_there_is_none),
		cmocka_unit_test(a_build_knows_where_it_has_some),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
