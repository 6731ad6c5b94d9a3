/* Proves that `--workers auto` is what can be used and fed, that what was chosen says why, and that
 * a processor that weir may not use is refused with those that it may.
 */
#include "control/weir/workers.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct settings *made(const char *rx, const char *input)
{
	struct settings *s = calloc(1, sizeof(*s));

	if (rx != NULL)
		strcpy(s->rx[s->rx_count++], rx);
	if (input != NULL) {
		strcpy(s->input, input);
		s->input_count = 1;
	}
	return s;
}

static uint32_t three_queues(const char *interface)
{
	return strcmp(interface, "eth0") == 0 ? 3 : 0;
}

static void auto_is(const char *rx, const char *input, uint32_t processors, uint32_t quota,
		    uint32_t workers, const char *why)
{
	struct settings *s = made(rx, input);
	char text[WORKERS_TEXT_BYTES];

	workers_auto(s, processors, quota, three_queues, text);
	assert_int_equal(s->workers, workers);
	assert_non_null(strstr(text, why));
	free(s);
}

static void auto_leaves_one_processor_to_the_other_threads(void **state)
{
	(void)state;
	auto_is("af_packet:eth0", NULL, 8, 0, 7, "8 processors");
	auto_is("af_packet:eth0", NULL, 2, 0, 1, "2 processors");
	auto_is("af_packet:eth0", NULL, 1, 0, 1, "1 processor may");
	auto_is("af_packet:eth0", NULL, 1000, 0, 64, "most");
}

static void a_quota_counts_as_fewer_processors(void **state)
{
	(void)state;
	auto_is("af_packet:eth0", NULL, 8, 3, 2, "quota");
	auto_is("af_packet:eth0", NULL, 8, 100, 7, "8 processors may");
}

static void a_source_gets_no_more_than_it_can_feed(void **state)
{
	(void)state;
	auto_is("af_xdp:eth0,ring=64,spread=off", NULL, 8, 0, 3, "queue of eth0");
	auto_is("af_xdp:eth1,spread=off", NULL, 8, 0, 7, "8 processors");
	auto_is("af_xdp:eth0,ring=64", NULL, 8, 0, 7, "8 processors");
	auto_is("auto:eth0", NULL, 8, 0, 7, "8 processors");
	auto_is("pcap:eth0", NULL, 8, 0, 1, "libpcap");
	auto_is(NULL, "-", 8, 0, 1, "only once");
	auto_is(NULL, "/dev/null", 8, 0, 1, "only once");
	auto_is(NULL, "/proc/self/exe", 8, 0, 7, "8 processors");
}

static bool only_four(uint32_t cpu)
{
	return cpu < 4;
}

static void a_processor_that_weir_may_not_use_is_refused(void **state)
{
	(void)state;
	struct settings *s = made(NULL, NULL);
	struct cpu_set allowed;
	char why[WORKERS_TEXT_BYTES];

	assert_int_equal(cpu_list_read("0,2-3", &allowed), 0);
	s->core[0] = 2;
	s->core_count = 1;
	assert_int_equal(workers_check(s, &allowed, only_four, why), 0);
	s->core[s->core_count++] = 1;
	assert_int_equal(workers_check(s, &allowed, only_four, why), -EINVAL);
	assert_string_equal(why, "--cores: weir may not use processor 1: its affinity or cpuset "
				 "allows 0,2-3");
	s->core[1] = 9;
	assert_int_equal(workers_check(s, &allowed, only_four, why), -EINVAL);
	assert_string_equal(why, "--cores: there is no processor 9 online; weir may use 0,2-3");
	free(s);
}

static void what_was_asked_for_stays(void **state)
{
	(void)state;
	struct settings *s = made("af_packet:eth0", NULL);
	char why[WORKERS_TEXT_BYTES];

	s->workers = 5;
	assert_int_equal(workers_settle(s, why), 0);
	assert_int_equal(s->workers, 5);
	s->workers = 0;
	assert_int_equal(workers_settle(s, why), 0);
	assert_in_range(s->workers, 1, SETTINGS_WORKERS_MAX);
	s->core[0] = CPU_MAX - 1;
	s->core_count = 1;
	assert_int_equal(workers_settle(s, why), -EINVAL);
	free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(auto_leaves_one_processor_to_the_other_threads),
		cmocka_unit_test(a_quota_counts_as_fewer_processors),
		cmocka_unit_test(a_source_gets_no_more_than_it_can_feed),
		cmocka_unit_test(a_processor_that_weir_may_not_use_is_refused),
		cmocka_unit_test(what_was_asked_for_stays),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
