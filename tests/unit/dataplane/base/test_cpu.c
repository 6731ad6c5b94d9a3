/* Proves that lists of processors are read and written as the kernel writes them, that nonsense is
 * refused, that a thread that goes to a processor runs there and memory it touches lies on that
 * processor's node, and that quotas are rounded up.
 */
#include "dataplane/base/cpu.h"

#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

static void lists_are_read_and_written_alike(void **state)
{
	static const char *const list[] = { "0", "0-3", "2-5,8", "0,2,4,6", "63-65,1022-1023" };

	(void)state;
	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		struct cpu_set set;
		char text[64];

		assert_int_equal(cpu_list_read(list[i], &set), 0);
		assert_int_equal(cpu_list(&set, text, sizeof(text)), strlen(list[i]));
		assert_string_equal(text, list[i]);
	}
}

static void what_is_no_list_is_refused(void **state)
{
	static const char *const list[] = { "",   ",", "1,",  "3-1",   "1-",
					    "-1", "a", "1 2", "1-2-3", "0x1" };
	struct cpu_set set;

	(void)state;
	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++)
		assert_int_equal(cpu_list_read(list[i], &set), -EINVAL);
	assert_int_equal(cpu_list_read("1024", &set), -ERANGE);
	assert_int_equal(cpu_list_read("5-99999999999999999999", &set), -ERANGE);
}

static uint32_t first_allowed(void)
{
	struct cpu_set set;

	assert_int_equal(cpu_allowed(&set), 0);
	for (uint32_t i = 0; i < CPU_MAX; i++)
		if (cpu_has(&set, i))
			return i;
	fail();
	return 0;
}

static void a_pinned_thread_runs_there_and_what_it_touches_lies_there(void **state)
{
	(void)state;
	struct cpu_set before;
	uint32_t cpu = first_allowed();
	int node = cpu_node(cpu), where = -1;
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_int_equal(cpu_allowed(&before), 0);
	assert_int_equal(cpu_pin(cpu), 0);
	assert_int_equal(sched_getcpu(), cpu);
	memset(page, 1, 4096);
	/* Asks the kernel where the page is: MPOL_F_NODE | MPOL_F_ADDR. */
	if (syscall(SYS_get_mempolicy, &where, NULL, 0, page, 1 | 2) == 0 && node >= 0)
		assert_int_equal(where, node);
	assert_int_equal(cpu_allow(&before), 0);
	munmap(page, 4096);
}

static void a_processor_that_is_not_there_is_refused(void **state)
{
	(void)state;
	assert_int_equal(cpu_pin(CPU_MAX - 1), -EINVAL);
	assert_int_equal(cpu_pin(CPU_MAX), -EINVAL);
	assert_false(cpu_is_online(CPU_MAX - 1));
	assert_true(cpu_is_online(first_allowed()));
}

static void processors_are_avoided_where_there_are_others(void **state)
{
	(void)state;
	struct cpu_set before, now;
	uint16_t all[CPU_MAX];
	uint32_t count = 0;

	assert_int_equal(cpu_allowed(&before), 0);
	for (uint16_t i = 0; i < CPU_MAX; i++)
		if (cpu_has(&before, i))
			all[count++] = i;
	assert_false(cpu_avoid(all, count));
	assert_int_equal(cpu_allowed(&now), 0);
	assert_memory_equal(&now, &before, sizeof(now));
	assert_false(cpu_avoid(NULL, 0));
	if (count < 2)
		return;
	assert_true(cpu_avoid(all, 1));
	assert_int_equal(cpu_allowed(&now), 0);
	assert_false(cpu_has(&now, all[0]));
	assert_int_equal(cpu_count(&now), count - 1);
	assert_int_equal(cpu_allow(&before), 0);
}

static void quotas_are_rounded_up(void **state)
{
	(void)state;
	assert_int_equal(cpu_quota_read("max 100000\n"), 0);
	assert_int_equal(cpu_quota_read("200000 100000\n"), 2);
	assert_int_equal(cpu_quota_read("150000 100000\n"), 2);
	assert_int_equal(cpu_quota_read("50000 100000\n"), 1);
	assert_int_equal(cpu_quota_read("100000 0\n"), 0);
	assert_int_equal(cpu_quota_read(""), 0);
	(void)cpu_quota(); /* whatever this machine has, it can be asked */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_are_read_and_written_alike),
		cmocka_unit_test(what_is_no_list_is_refused),
		cmocka_unit_test(a_pinned_thread_runs_there_and_what_it_touches_lies_there),
		cmocka_unit_test(a_processor_that_is_not_there_is_refused),
		cmocka_unit_test(processors_are_avoided_where_there_are_others),
		cmocka_unit_test(quotas_are_rounded_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
