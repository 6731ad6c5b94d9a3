/* Proves what is said of governors, cores and irqbalance, and that each slow core is set by itself.
 */
#include <string.h>

#include "tests/support/machine.h"

static struct host host;

static int begin(void **state)
{
	(void)state;
	machine_make(&host);
	machine_put(&host, "/sys/devices/system/cpu/online", "0-3\n");
	machine_put(&host, "/sys/devices/system/cpu/isolated", "\n");
	machine_put(&host, "/sys/devices/system/cpu/nohz_full", "(null)\n");
	machine_put(&host, "/proc/1/comm", "init\n");
	return 0;
}

static int end(void **state)
{
	(void)state;
	machine_remove(&host);
	return 0;
}

static const struct finding *line(const char *check)
{
	return machine_line(machine_look(&host, cpu_checks), check, NULL);
}

static void a_virtual_machine_has_no_governor(void **state)
{
	(void)state;
	machine_put(&host, "/sys/devices/system/cpu/cpu0/topology/core_id", "0\n");
	assert_int_equal(line("governor")->level, LEVEL_OK);
}

static void each_slow_core_is_set(void **state)
{
	const struct report *r;

	(void)state;
	machine_put(&host, "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "powersave\n");
	machine_put(&host, "/sys/devices/system/cpu/cpu1/cpufreq/scaling_governor",
		    "performance\n");
	machine_put(&host, "/sys/devices/system/cpu/cpu12/cpufreq/scaling_governor", "powersave\n");
	machine_put(&host, "/sys/devices/system/cpu/cpufreq/boost", "1\n");
	r = machine_look(&host, cpu_checks);
	assert_int_equal(machine_line(r, "governor", "powersave on 2 of 3")->level, LEVEL_WARN);
	assert_int_equal(r->wanted_count, 2);
	assert_string_equal(r->wanted[0].value, "performance");
	assert_non_null(strstr(r->wanted[0].change.target, "scaling_governor"));
}

static void all_at_full_speed_is_ok(void **state)
{
	(void)state;
	machine_put(&host, "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor",
		    "performance\n");
	assert_string_equal(line("governor")->text, "performance, on all 1");
}

static void cores_kept_free_are_told(void **state)
{
	(void)state;
	assert_int_equal(line("isolated")->level, LEVEL_INFO);
	machine_put(&host, "/sys/devices/system/cpu/isolated", "2-3\n");
	machine_put(&host, "/sys/devices/system/cpu/nohz_full", "2-3\n");
	assert_int_equal(line("isolated")->level, LEVEL_OK);
	host.has_cores = true;
	assert_int_equal(cpus_parse("1-2", &host.cores), 0);
	assert_int_equal(line("isolated")->level, LEVEL_INFO);
	assert_non_null(strstr(line("isolated")->text, "not all"));
}

static void cores_that_are_not_there_are_said(void **state)
{
	(void)state;
	host.has_cores = true;
	assert_int_equal(cpus_parse("3-5", &host.cores), 0);
	assert_int_equal(line("cores")->level, LEVEL_FAIL);
	assert_string_equal(line("cores")->text, "core 4-5 is not there");
	assert_int_equal(cpus_parse("3", &host.cores), 0);
	assert_int_equal(line("cores")->level, LEVEL_OK);
}

static void more_workers_than_cores_are_said(void **state)
{
	(void)state;
	host.workers = 4;
	assert_int_equal(line("cores")->level, LEVEL_OK);
	host.workers = 5;
	assert_int_equal(line("cores")->level, LEVEL_WARN);
	assert_string_equal(line("cores")->fix, "--workers 3");
}

static void irqbalance_is_found_by_its_name(void **state)
{
	(void)state;
	machine_put(&host, "/proc/77/comm", "irqbalance-ui\n");
	assert_int_equal(line("irqbalance")->level, LEVEL_OK);
	machine_put(&host, "/proc/78/comm", "irqbalance\n");
	assert_int_equal(line("irqbalance")->level, LEVEL_WARN);
	assert_non_null(strstr(line("irqbalance")->text, "process 78"));
}

static void what_cannot_be_read_is_said(void **state)
{
	const struct report *r;

	(void)state;
	machine_remove(&host);
	machine_make(&host);
	r = machine_look(&host, cpu_checks);
	assert_int_equal(check_worst(r), LEVEL_INFO);
	(void)machine_line(r, "governor", "not readable");
	(void)machine_line(r, "isolated", "not readable");
	(void)machine_line(r, "cores", "not readable");
	(void)machine_line(r, "irqbalance", "not readable");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_virtual_machine_has_no_governor), TEST(each_slow_core_is_set),
		TEST(all_at_full_speed_is_ok),           TEST(cores_kept_free_are_told),
		TEST(cores_that_are_not_there_are_said), TEST(more_workers_than_cores_are_said),
		TEST(irqbalance_is_found_by_its_name),   TEST(what_cannot_be_read_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
