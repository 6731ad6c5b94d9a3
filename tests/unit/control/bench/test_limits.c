/* limits - Promises:
 * - preset are the tracer's limits and its four scenarios;
 * - what is printed is read back as the same; what a file leaves out is preset;
 * - a file with scenarios has those and no others, each whole, and the one that is judged;
 * - what is wrong is refused with the file, the line and what is needed.
 */
#include "control/bench/limits.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/check.h"

static char err[LIMITS_ERROR_BYTES];

static int read_text(const char *text, struct limits *ret)
{
	FILE *f = fmemopen((void *)(uintptr_t)text, strlen(text), "r");
	int code;

	assert_non_null(f);
	memset(err, 0, sizeof(err));
	code = limits_read(f, "file.ini", ret, err);
	fclose(f);
	return code;
}

static void preset_are_the_tracers(void **state)
{
	struct limits l;

	(void)state;
	limits_preset(&l);
	assert_true(l.cpu_percent == 5 && l.memory_mb == 100 && l.events_per_second == 10000);
	assert_true(l.added_latency_ms == 1 && l.error_percent == 1 && l.leak_mb == 10);
	assert_true(l.leak_events == 10000 && l.heartbeat_percent == 99.9);
	assert_int_equal(l.scenarios, 4);
	assert_string_equal(l.list[3].name, "Stress");
	assert_true(l.list[3].rate == 1000 && l.list[3].connections == 50 &&
		    l.list[3].seconds == 30);
	assert_ptr_equal(limits_scenario(&l, "Medium"), &l.list[1]);
	assert_null(limits_scenario(&l, "medium"));
}

static void what_is_printed_is_read_back(void **state)
{
	static char text[8192];
	struct limits wanted, found;
	FILE *f;

	(void)state;
	for (int changed = 0; changed < 2; changed++) {
		limits_preset(&wanted);
		if (changed != 0) {
			wanted.cpu_percent = 12.3456789;
			wanted.added_latency_ms = -7;
			wanted.scenarios = 1;
			strcpy(wanted.list[0].name, "a_B-9");
			strcpy(wanted.scenario, "a_B-9");
			memset(&wanted.list[1], 0, 3 * sizeof(wanted.list[1]));
		}
		memset(text, 0, sizeof(text));
		f = fmemopen(text, sizeof(text), "w");
		assert_non_null(f);
		limits_print(&wanted, f);
		fclose(f);
		assert_int_equal(read_text(text, &found), 0);
		for (uint32_t i = found.scenarios; i < LIMITS_SCENARIOS_MAX; i++)
			memset(&found.list[i], 0, sizeof(found.list[i]));
		assert_memory_equal(&found, &wanted, sizeof(found));
	}
}

static void what_is_left_out_is_preset(void **state)
{
	struct limits l;

	(void)state;
	assert_int_equal(read_text("; nothing\n", &l), 0);
	assert_int_equal(l.scenarios, 4);
	assert_int_equal(read_text("[limits]\nleak_mb = 3 ; MB\n", &l), 0);
	assert_true(l.leak_mb == 3 && l.cpu_percent == 5);
	assert_int_equal(l.scenarios, 4);
}

static void a_file_with_scenarios_has_no_others(void **state)
{
	struct limits l;

	(void)state;
	assert_int_equal(read_text("[scenario Mine]\nrequests_per_second = 7\nconnections = 2\n"
				   "seconds = 1.5\n[limits]\nscenario = Mine\n",
				   &l),
			 0);
	assert_int_equal(l.scenarios, 1);
	assert_string_equal(l.list[0].name, "Mine");
	assert_true(l.list[0].rate == 7 && l.list[0].connections == 2 && l.list[0].seconds == 1.5);
}

static void what_is_wrong_is_refused_with_its_line(void **state)
{
	static const struct {
		const char *text, *says;
	} bad[] = {
		{ "[limits]\ncpu_percent = 5%\n", "file.ini:2: cpu_percent = 5%: a number" },
		{ "[limits]\n\ncpu_percent = nan\n", "file.ini:3: cpu_percent" },
		{ "[limits]\ncpu_percent = inf\n", "file.ini:2: cpu_percent" },
		{ "[limits]\ncpu_percent =\n", "file.ini:2: cpu_percent" },
		{ "[limits]\nleak_events = 0\n", "from 1 to" },
		{ "[limits]\ncpu_percnt = 5\n", "did you mean cpu_percent?" },
		{ "[limits]\nzzz = 5\n", "--print-limits" },
		{ "cpu_percent = 5\n", "no such section: []" },
		{ "[limit]\ncpu_percent = 5\n", "no such section: [limit]" },
		{ "[limits]\nwhat\n", "file.ini:2: neither" },
		{ "[limits]\nscenario = Huge\n", "there is no [scenario Huge]" },
		{ "[limits]\nscenario = a/b\n", "the name of a scenario is needed" },
		{ "[scenario a/b]\nseconds = 1\n", "a name of up to 31 letters" },
		{ "[scenario ]\nseconds = 1\n", "a name of up to 31 letters" },
		{ "[scenario A]\nsecond = 1\n", "did you mean seconds?" },
		{ "[scenario A]\nseconds = 1\nconnections = 1\n[limits]\nscenario = A\n",
		  "[scenario A] has no requests_per_second" },
		{ "[scenario A]\nseconds = 1\nconnections = 1\nrequests_per_second = 1\n",
		  "there is no [scenario Medium]" },
		{ "[scenario A]\nconnections = 0\n", "from 1 to 20000" },
		{ "[scenario Medium]\nseconds = 1\nconnections = 2.5\nrequests_per_second = 1\n",
		  "connections = 2.5: a whole number" },
	};
	struct limits l;
	char text[2048];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(read_text(bad[i].text, &l), -EINVAL);
		assert_non_null(strstr(err, bad[i].says));
	}
	(void)snprintf(text, sizeof(text), "[limits]\nleak_mb = %01500d\n", 1);
	assert_int_equal(read_text(text, &l), -EINVAL);
	assert_non_null(strstr(err, "longer than"));
}

/* It has no lines, and would be the presets. */
static void a_folder_is_no_file_of_limits(void **state)
{
	struct limits l;
	FILE *f = fopen("/", "re");

	(void)state;
	assert_non_null(f);
	assert_int_equal(limits_read(f, "folder", &l, err), -EINVAL);
	fclose(f);
	assert_non_null(strstr(err, "cannot be read"));
}

static void there_is_an_end_of_scenarios(void **state)
{
	static char text[8192];
	struct limits l;
	int used = 0;

	(void)state;
	for (int i = 0; i <= LIMITS_SCENARIOS_MAX; i++)
		used += snprintf(text + used, sizeof(text) - (size_t)used,
				 "[scenario S%d]\nrequests_per_second = 1\nconnections = 1\n"
				 "seconds = 1\n",
				 i);
	assert_int_equal(read_text(text, &l), -EINVAL);
	assert_non_null(strstr(err, "more than 16 scenarios"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(preset_are_the_tracers),
		cmocka_unit_test(what_is_printed_is_read_back),
		cmocka_unit_test(what_is_left_out_is_preset),
		cmocka_unit_test(a_file_with_scenarios_has_no_others),
		cmocka_unit_test(what_is_wrong_is_refused_with_its_line),
		cmocka_unit_test(a_folder_is_no_file_of_limits),
		cmocka_unit_test(there_is_an_end_of_scenarios),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
