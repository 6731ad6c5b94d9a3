/* Proves what is said of kernels, their BPF, their clock and their counters, on machines made up of
 * files, and that what cannot be read is said and not guessed. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/machine.h"

static struct host host;

static int begin(void **state)
{
	(void)state;
	machine_make(&host);
	machine_put(&host, "/proc/sys/kernel/osrelease", "6.18.4-amd64\n");
	machine_put(&host, "/proc/sys/net/core/bpf_jit_enable", "1\n");
	machine_put(&host, "/sys/kernel/btf/vmlinux", "x");
	machine_put(&host, "/proc/self/mounts", "bpf /sys/fs/bpf bpf rw 0 0\n");
	machine_put(&host, "/sys/devices/system/clocksource/clocksource0/current_clocksource",
		    "tsc\n");
	machine_put(&host, "/sys/devices/system/clocksource/clocksource0/available_clocksource",
		    "tsc hpet acpi_pm \n");
	machine_put(&host, "/sys/devices/system/cpu/vulnerabilities/meltdown", "Not affected\n");
	machine_put(&host, "/proc/sys/kernel/perf_event_paranoid", "2\n");
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
	return machine_line(machine_look(&host, kernel_checks), check, NULL);
}

static void a_good_machine_is_good(void **state)
{
	const struct report *r = machine_look(&host, kernel_checks);

	(void)state;
	assert_int_equal(check_worst(r), LEVEL_OK);
	assert_int_equal(r->wanted_count, 0);
}

static void an_empty_machine_is_not_readable(void **state)
{
	struct host nothing;
	const struct report *r;

	(void)state;
	machine_remove(&host);
	machine_make(&nothing);
	r = machine_look(&nothing, kernel_checks);
	assert_int_equal(check_worst(r), LEVEL_INFO);
	(void)machine_line(r, "kernel", "not readable");
	(void)machine_line(r, "bpf-jit", "not readable");
	(void)machine_line(r, "bpf-fs", "not readable");
	(void)machine_line(r, "clock", "not readable");
	(void)machine_line(r, "mitigations", "not readable");
	(void)machine_line(r, "perf", "not readable");
	host = nothing;
}

static void an_older_kernel_says_what_it_lacks(void **state)
{
	const struct finding *f;

	(void)state;
	machine_put(&host, "/proc/sys/kernel/osrelease", "6.1.0-18-amd64\n");
	f = line("kernel");
	assert_int_equal(f->level, LEVEL_INFO);
	assert_non_null(strstr(f->text, "in several frames (6.6)"));
	assert_null(strstr(f->text, "5.11"));
	machine_put(&host, "/proc/sys/kernel/osrelease", "6.8.0\n");
	assert_int_equal(line("kernel")->level, LEVEL_OK);
	machine_put(&host, "/proc/sys/kernel/osrelease", "10.0.0\n");
	assert_int_equal(line("kernel")->level, LEVEL_OK);
	machine_put(&host, "/proc/sys/kernel/osrelease", "5.8.18\n");
	assert_int_equal(line("kernel")->level, LEVEL_FAIL);
	assert_string_not_equal(line("kernel")->fix, "");
	machine_put(&host, "/proc/sys/kernel/osrelease", "new\n");
	assert_int_equal(line("kernel")->level, LEVEL_INFO);
}

static void af_xdp_is_what_the_kernel_answered(void **state)
{
	(void)state;
	host.af_xdp = -EPERM;
	assert_int_equal(line("af-xdp")->level, LEVEL_OK);
	host.af_xdp = -EAFNOSUPPORT;
	assert_int_equal(line("af-xdp")->level, LEVEL_FAIL);
}

static void an_interpreter_is_mended(void **state)
{
	const struct report *r;

	(void)state;
	machine_put(&host, "/proc/sys/net/core/bpf_jit_enable", "0\n");
	r = machine_look(&host, kernel_checks);
	assert_int_equal(machine_line(r, "bpf-jit", NULL)->level, LEVEL_WARN);
	assert_int_equal(r->wanted_count, 1);
	assert_string_equal(r->wanted[0].change.target, "/proc/sys/net/core/bpf_jit_enable");
	assert_string_equal(r->wanted[0].value, "1");
	machine_put(&host, "/proc/sys/net/core/bpf_jit_enable", "2\n");
	assert_non_null(strstr(line("bpf-jit")->text, "debug"));
}

static void a_slow_clock_is_mended_where_a_fast_one_is_there(void **state)
{
	const char *folder = "/sys/devices/system/clocksource/clocksource0/";
	char path[128];
	const struct report *r;

	(void)state;
	(void)snprintf(path, sizeof(path), "%scurrent_clocksource", folder);
	machine_put(&host, path, "hpet\n");
	r = machine_look(&host, kernel_checks);
	assert_int_equal(machine_line(r, "clock", NULL)->level, LEVEL_WARN);
	assert_int_equal(r->wanted_count, 1);
	assert_string_equal(r->wanted[0].change.target, path);
	assert_string_equal(r->wanted[0].value, "tsc");
	(void)snprintf(path, sizeof(path), "%savailable_clocksource", folder);
	machine_put(&host, path, "hpet nottsc tsc2\n");
	r = machine_look(&host, kernel_checks);
	assert_int_equal(r->wanted_count, 0);
	assert_string_not_equal(machine_line(r, "clock", NULL)->fix, "");
}

static void mitigations_are_named(void **state)
{
	const struct finding *f;

	(void)state;
	machine_put(&host, "/sys/devices/system/cpu/vulnerabilities/retbleed",
		    "Mitigation: untrained return thunk\n");
	f = line("mitigations");
	assert_int_equal(f->level, LEVEL_INFO);
	assert_non_null(strstr(f->text, "1 on"));
	assert_non_null(strstr(f->text, "(retbleed)"));
}

static void who_may_not_profile_is_told(void **state)
{
	const struct report *r;

	(void)state;
	host.capabilities = 0;
	host.pmu = -EACCES;
	r = machine_look(&host, kernel_checks);
	assert_int_equal(machine_line(r, "perf", "may not count")->level, LEVEL_INFO);
	assert_string_not_equal(machine_line(r, "perf", "paranoid is 2")->fix, "");
	machine_put(&host, "/proc/sys/kernel/perf_event_paranoid", "-1\n");
	r = machine_look(&host, kernel_checks);
	assert_int_equal(machine_line(r, "perf", "paranoid is -1")->level, LEVEL_OK);
	host.pmu = -ENOENT;
	(void)machine_line(machine_look(&host, kernel_checks), "perf", "no PMU");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_good_machine_is_good),
		TEST(an_empty_machine_is_not_readable),
		TEST(an_older_kernel_says_what_it_lacks),
		TEST(af_xdp_is_what_the_kernel_answered),
		TEST(an_interpreter_is_mended),
		TEST(a_slow_clock_is_mended_where_a_fast_one_is_there),
		TEST(mitigations_are_named),
		TEST(who_may_not_profile_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
