/* Proves that huge pages are told per node, and of the machine where there are no nodes. */
#include <stdio.h>
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

static void put_node(const char *node, const char *all, const char *left)
{
	char path[128];

	(void)snprintf(path, sizeof(path),
		       "/sys/devices/system/node/%s/hugepages/hugepages-2048kB/nr_hugepages", node);
	machine_put(&host, path, all);
	(void)snprintf(path, sizeof(path),
		       "/sys/devices/system/node/%s/hugepages/hugepages-2048kB/free_hugepages",
		       node);
	machine_put(&host, path, left);
}

static void pages_are_told_per_node(void **state)
{
	const struct report *r;

	(void)state;
	put_node("node0", "512\n", "100\n");
	put_node("node1", "0\n", "0\n");
	machine_put(&host, "/sys/devices/system/node/possible", "0-1\n");
	r = machine_look(&host, memory_checks);
	assert_string_equal(machine_line(r, "huge-pages", "node 0")->text,
			    "node 0: 512 of 2 MiB, 100 free");
	assert_int_equal(machine_line(r, "huge-pages", "node 1")->level, LEVEL_INFO);
	assert_non_null(strstr(machine_line(r, "huge-pages", "node 1")->fix, "vm.nr_hugepages"));
}

static void one_node_is_the_machine(void **state)
{
	(void)state;
	put_node("node0", "8\n", "8\n");
	assert_string_equal(
		machine_line(machine_look(&host, memory_checks), "huge-pages", NULL)->text,
		"8 of 2 MiB, 8 free");
}

static void a_machine_without_nodes_has_pages_too(void **state)
{
	(void)state;
	machine_put(&host, "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "4\n");
	machine_put(&host, "/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "3\n");
	assert_string_equal(
		machine_line(machine_look(&host, memory_checks), "huge-pages", NULL)->text,
		"4 of 2 MiB, 3 free");
}

static void what_cannot_be_read_is_said(void **state)
{
	const struct report *r = machine_look(&host, memory_checks);

	(void)state;
	(void)machine_line(r, "huge-pages", "not readable");
	(void)machine_line(r, "thp", "not readable");
}

static void pages_put_together_are_told(void **state)
{
	const char *path = "/sys/kernel/mm/transparent_hugepage/enabled";

	(void)state;
	machine_put(&host, path, "[always] madvise never\n");
	assert_int_equal(machine_line(machine_look(&host, memory_checks), "thp", NULL)->level,
			 LEVEL_INFO);
	machine_put(&host, path, "always [madvise] never\n");
	assert_int_equal(machine_line(machine_look(&host, memory_checks), "thp", NULL)->level,
			 LEVEL_OK);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(pages_are_told_per_node),
		TEST(one_node_is_the_machine),
		TEST(a_machine_without_nodes_has_pages_too),
		TEST(what_cannot_be_read_is_said),
		TEST(pages_put_together_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
