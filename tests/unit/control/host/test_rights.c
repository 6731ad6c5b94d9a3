/* Proves that missing capabilities are named, and what a limit on locked memory means. */
#include <linux/capability.h>
#include <string.h>

#include "tests/support/machine.h"

static struct host host;

static int begin(void **state)
{
	(void)state;
	machine_make(&host);
	return 0;
}

static int end(void **state)
{
	(void)state;
	machine_remove(&host);
	return 0;
}

static void root_may_everything(void **state)
{
	(void)state;
	assert_int_equal(check_worst(machine_look(&host, rights_checks)), LEVEL_OK);
}

static void what_is_missing_is_named(void **state)
{
	const struct report *r;

	(void)state;
	host.capabilities = 0;
	r = machine_look(&host, rights_checks);
	assert_int_equal(machine_line(r, "rights", "CAP_NET_RAW")->level, LEVEL_INFO);
	host.capabilities = UINT64_C(1) << CAP_NET_RAW;
	r = machine_look(&host, rights_checks);
	assert_null(strstr(machine_line(r, "rights", "CAP_BPF")->text, "CAP_NET_RAW"));
	assert_non_null(strstr(machine_line(r, "rights", NULL)->text, "no af_xdp"));
}

static void a_limit_that_is_too_low_has_a_remedy(void **state)
{
	const struct report *r;

	(void)state;
	host.capabilities = UINT64_C(1) << CAP_NET_RAW;
	host.memlock_bytes = 8 << 20;
	r = machine_look(&host, rights_checks);
	assert_int_equal(machine_line(r, "memlock", "8192 KiB")->level, LEVEL_WARN);
	assert_string_not_equal(machine_line(r, "memlock", NULL)->fix, "");
	host.memlock_bytes = 40 << 20;
	r = machine_look(&host, rights_checks);
	assert_int_equal(machine_line(r, "memlock", "2 AF_XDP queues")->level, LEVEL_OK);
	/* Who cannot capture at all has nothing to mend here. */
	host.capabilities = 0;
	host.memlock_bytes = 0;
	assert_int_equal(check_worst(machine_look(&host, rights_checks)), LEVEL_INFO);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(root_may_everything),
		TEST(what_is_missing_is_named),
		TEST(a_limit_that_is_too_low_has_a_remedy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
