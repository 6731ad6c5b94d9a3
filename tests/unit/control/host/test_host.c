/* Proves that files are read below the root, whole and without their newline, that lists of
 * processors are read both ways and nonsense is refused, and which interfaces are looked at. */
#include "control/host/host.h"

#include <errno.h>
#include <string.h>

#include "tests/support/machine.h"

static struct host host;
static struct fake_nics nics;
static struct nic nic;

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

static void a_file_is_read_without_its_newline(void **state)
{
	char text[16];

	(void)state;
	machine_put(&host, "/proc/x", "12\n34\n\n");
	assert_int_equal(host_read(&host, "/proc/x", text, sizeof(text)), 0);
	assert_string_equal(text, "12\n34");
	assert_int_equal(host_read(&host, "/proc/y", text, sizeof(text)), -ENOENT);
	assert_int_equal(host_read(&host, "/proc", text, sizeof(text)), -EISDIR);
	assert_true(host_exists(&host, "/proc/x"));
	assert_false(host_exists(&host, "/proc/y"));
}

static void what_is_longer_is_cut(void **state)
{
	char text[4];

	(void)state;
	machine_put(&host, "/a", "abcdefg");
	assert_int_equal(host_read(&host, "/a", text, sizeof(text)), 0);
	assert_string_equal(text, "abc");
}

static void numbers_are_numbers(void **state)
{
	int64_t n = 7;

	(void)state;
	machine_put(&host, "/a", "-1\n");
	assert_int_equal(host_read_number(&host, "/a", &n), 0);
	assert_int_equal(n, -1);
	machine_put(&host, "/a", "12x\n");
	assert_int_equal(host_read_number(&host, "/a", &n), -EINVAL);
	machine_put(&host, "/a", "");
	assert_int_equal(host_read_number(&host, "/a", &n), -EINVAL);
	assert_int_equal(host_read_number(&host, "/b", &n), -ENOENT);
	assert_int_equal(n, -1);
}

static void a_file_is_written_and_never_made(void **state)
{
	char text[16];

	(void)state;
	machine_put(&host, "/a", "long before\n");
	assert_int_equal(host_write(&host, "/a", "x"), 0);
	assert_int_equal(host_read(&host, "/a", text, sizeof(text)), 0);
	assert_string_equal(text, "x");
	assert_int_equal(host_write(&host, "/b", "x"), -ENOENT);
}

static bool count(const char *entry, void *context)
{
	(void)entry;
	++*(int *)context;
	return true;
}

static bool once(const char *entry, void *context)
{
	(void)entry;
	++*(int *)context;
	return false;
}

static void every_entry_of_a_folder_is_seen(void **state)
{
	int n = 0;

	(void)state;
	machine_put(&host, "/d/a", "");
	machine_put(&host, "/d/b", "");
	machine_put(&host, "/d/.hidden", "");
	assert_int_equal(host_each(&host, "/d", count, &n), 0);
	assert_int_equal(n, 2);
	assert_int_equal(host_each(&host, "/d", once, &n), 0);
	assert_int_equal(n, 3);
	assert_int_equal(host_each(&host, "/none", count, &n), -ENOENT);
}

static void lists_of_processors_are_read_both_ways(void **state)
{
	static const char *const good[] = { "", "0", "0-3", "0-3,8", "1,3,5-6,1023" };
	struct cpus c;
	char text[64];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(cpus_parse(good[i], &c), 0);
		cpus_format(&c, text, sizeof(text));
		assert_string_equal(text, good[i]);
	}
	assert_int_equal(cpus_count(&c), 5);
	assert_true(cpus_has(&c, 1023) && !cpus_has(&c, 2) && !cpus_has(&c, 99999));
}

static void nonsense_is_no_list(void **state)
{
	static const char *const bad[] = { "x",
					   "3-1",
					   "1,",
					   ",1",
					   "1-",
					   "-1",
					   "1024",
					   "0-1024",
					   "1 2",
					   "1--2",
					   "0x1",
					   "1,,2",
					   "99999999999999999999" };
	struct cpus c = { { 5 } };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(cpus_parse(bad[i], &c), -EINVAL);
	assert_int_equal(c.bit[0], 5);
}

static void one_list_is_within_another(void **state)
{
	struct cpus a, b;

	(void)state;
	assert_int_equal(cpus_parse("2-3", &a), 0);
	assert_int_equal(cpus_parse("0-3", &b), 0);
	assert_true(cpus_within(&a, &b));
	assert_false(cpus_within(&b, &a));
	assert_int_equal(cpus_parse("", &a), 0);
	assert_true(cpus_within(&a, &b));
}

static void a_long_list_is_cut_and_ends(void **state)
{
	struct cpus c = { { 0 } };
	char text[8];

	(void)state;
	for (uint32_t i = 0; i < 1000; i += 2)
		cpus_add(&c, i);
	cpus_format(&c, text, sizeof(text));
	assert_int_equal(strlen(text), 7);
}

static void set_link(int i, const char *name, bool up, bool loopback)
{
	struct nic_link *l = &nics.link[i].link;

	*l = (struct nic_link){ .index = i + 1, .up = up, .loopback = loopback };
	memcpy(l->name, name, strlen(name) + 1);
}

static void those_that_are_up_are_looked_at_without_lo(void **state)
{
	(void)state;
	memset(&nics, 0, sizeof(nics));
	set_link(0, "lo", true, true);
	set_link(1, "wtest7", true, false);
	set_link(2, "wtest8", false, false);
	(void)strcpy(nics.link[1].driver, "ixgbe");
	machine_nics(&host, &nics, &nic);
	assert_int_equal(host.link_count, 1);
	assert_string_equal(host.link[0].nic.name, "wtest7");
	assert_string_equal(host.link[0].driver, "ixgbe");
	assert_false(host.link[0].chosen || host.link[0].has_address);
}

static void one_is_looked_at_by_name_even_if_it_is_down(void **state)
{
	(void)state;
	memset(&nics, 0, sizeof(nics));
	set_link(2, "wtest8", false, false);
	machine_nics(&host, &nics, &nic);
	assert_int_equal(host.link_count, 0);
	assert_int_equal(host_add_link(&host, "wtest8"), 0);
	assert_int_equal(host_add_link(&host, "wtest8"), 0); /* named twice */
	assert_int_equal(host.link_count, 1);
	assert_true(host.link[0].chosen);
	assert_string_equal(host.link[0].driver, "the driver");
	assert_int_equal(host_add_link(&host, "wtest9"), -ENODEV);
	host.nic = NULL;
	assert_int_equal(host_add_link(&host, "wtest9"), -EOPNOTSUPP);
}

static void this_machine_opens(void **state)
{
	struct host here;
	struct nic real;

	(void)state;
	assert_int_equal(nic_open(&real), 0);
	host_open(&here, &real);
	assert_string_equal(here.root, "");
	assert_true(here.af_xdp <= 0 && here.pmu <= 0);
	assert_int_equal(host_add_link(&here, "lo"), 0);
	assert_true(here.link[0].has_address || !here.link[0].nic.up);
	nic_close(&real);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_file_is_read_without_its_newline),
		TEST(what_is_longer_is_cut),
		TEST(numbers_are_numbers),
		TEST(a_file_is_written_and_never_made),
		TEST(every_entry_of_a_folder_is_seen),
		TEST(lists_of_processors_are_read_both_ways),
		TEST(nonsense_is_no_list),
		TEST(one_list_is_within_another),
		TEST(a_long_list_is_cut_and_ends),
		TEST(those_that_are_up_are_looked_at_without_lo),
		TEST(one_is_looked_at_by_name_even_if_it_is_down),
		TEST(this_machine_opens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
