/* Proves that interrupts on one core are spread, that they and the NUMA node are held against the
 * cores asked for, and that the /sys of another network namespace is not believed. */
#include "tests/unit/control/host/nics.h"

#include <stdio.h>

static struct host host;
static struct fake_nics nics;
static struct nic nic;

static int begin(void **state)
{
	(void)state;
	machine_make(&host);
	nics_make(&nics);
	nics.link[1].link.index = 0;
	machine_nics(&host, &nics, &nic);
	machine_put(&host, "/sys/class/net/" NICS_CARD "/ifindex", "7\n");
	machine_put(&host, "/sys/devices/system/cpu/online", "0-3\n");
	return 0;
}

static int end(void **state)
{
	(void)state;
	machine_remove(&host);
	return 0;
}

static void put_interrupt(unsigned number, const char *cores)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "/sys/class/net/" NICS_CARD "/device/msi_irqs/%u",
		       number);
	machine_put(&host, path, "msix\n");
	(void)snprintf(path, sizeof(path), "/proc/irq/%u/smp_affinity_list", number);
	machine_put(&host, path, "0-3\n");
	(void)snprintf(path, sizeof(path), "/proc/irq/%u/effective_affinity_list", number);
	machine_put(&host, path, cores);
}

static const struct finding *line(const char *check)
{
	return machine_line(machine_look(&host, path_checks), check, NULL);
}

static void interrupts_on_one_core_are_spread(void **state)
{
	const struct report *r;
	unsigned cores = 0;

	(void)state;
	for (unsigned i = 0; i < 6; i++)
		put_interrupt(40 + i, "2\n");
	r = machine_look(&host, path_checks);
	assert_int_equal(machine_line(r, "interrupts", "all 6")->level, LEVEL_WARN);
	assert_int_equal(r->wanted_count, 6);
	for (unsigned i = 0; i < 6; i++) {
		assert_non_null(strstr(r->wanted[i].change.target, "/smp_affinity_list"));
		cores |= 1U << (r->wanted[i].value[0] - '0');
	}
	assert_int_equal(cores, 0xf);
}

static void spread_ones_are_ok(void **state)
{
	(void)state;
	put_interrupt(40, "0\n");
	put_interrupt(41, "3\n");
	assert_string_equal(line("interrupts")->text, NICS_CARD ": 2 interrupts on cores 0,3");
	assert_int_equal(line("interrupts")->level, LEVEL_OK);
	host.has_cores = true;
	assert_int_equal(cpus_parse("1-2", &host.cores), 0);
	assert_int_equal(line("interrupts")->level, LEVEL_INFO);
	assert_int_equal(cpus_parse("0-3", &host.cores), 0);
	assert_int_equal(line("interrupts")->level, LEVEL_OK);
}

static void one_interrupt_cannot_be_spread(void **state)
{
	(void)state;
	put_interrupt(40, "2\n");
	assert_int_equal(line("interrupts")->level, LEVEL_OK);
}

static void the_other_file_is_read_where_the_first_is_not_there(void **state)
{
	(void)state;
	put_interrupt(40, "0\n");
	machine_take(&host, "/proc/irq/40/effective_affinity_list");
	assert_string_equal(line("interrupts")->text, NICS_CARD ": 1 interrupt on cores 0-3");
	machine_take(&host, "/proc/irq/40/smp_affinity_list");
	assert_non_null(strstr(line("interrupts")->text, "not readable: interrupt 40"));
}

static void an_interface_without_interrupts_says_so(void **state)
{
	(void)state;
	assert_non_null(strstr(line("interrupts")->text, "none of its own"));
}

static void another_namespaces_sys_is_not_believed(void **state)
{
	(void)state;
	put_interrupt(40, "0\n");
	machine_put(&host, "/sys/class/net/" NICS_CARD "/ifindex", "8\n");
	assert_non_null(strstr(line("interrupts")->text, "not readable: /sys"));
}

static void cores_of_another_node_are_said(void **state)
{
	(void)state;
	assert_non_null(strstr(line("numa")->text, "one node"));
	machine_put(&host, "/sys/devices/system/node/node1/cpulist", "2-3\n");
	machine_put(&host, "/sys/class/net/" NICS_CARD "/device/numa_node", "1\n");
	assert_int_equal(line("numa")->level, LEVEL_INFO);
	host.has_cores = true;
	assert_int_equal(cpus_parse("2", &host.cores), 0);
	assert_int_equal(line("numa")->level, LEVEL_OK);
	assert_int_equal(cpus_parse("1-2", &host.cores), 0);
	assert_int_equal(line("numa")->level, LEVEL_WARN);
	assert_string_equal(line("numa")->fix, "choose from --cores 2-3");
	machine_put(&host, "/sys/class/net/" NICS_CARD "/device/numa_node", "-1\n");
	assert_int_equal(line("numa")->level, LEVEL_OK);
	machine_put(&host, "/sys/class/net/" NICS_CARD "/device/numa_node", "5\n");
	assert_non_null(strstr(line("numa")->text, "not readable"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(interrupts_on_one_core_are_spread),
		TEST(spread_ones_are_ok),
		TEST(one_interrupt_cannot_be_spread),
		TEST(the_other_file_is_read_where_the_first_is_not_there),
		TEST(an_interface_without_interrupts_says_so),
		TEST(another_namespaces_sys_is_not_believed),
		TEST(cores_of_another_node_are_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
