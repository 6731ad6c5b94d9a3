/* Proves that every check has a name of its own, a question and a function, that a report grows and
 * cuts what is too long, and that every line about something to mend says how. */
#include "control/host/check.h"

#include "tests/unit/control/host/nics.h"

static struct host host;
static struct fake_nics nics;
static struct nic nic;

static int begin(void **state)
{
	(void)state;
	machine_make(&host);
	nics_make(&nics);
	return 0;
}

static int end(void **state)
{
	(void)state;
	machine_remove(&host);
	return 0;
}

static void each_has_a_name_of_its_own_and_a_question(void **state)
{
	const char *seen[64];
	uint32_t count = 0;

	(void)state;
	for (uint32_t i = 0; i < check_list_count; i++)
		for (const struct check *c = check_lists[i]; c->name != NULL; c++) {
			assert_true(strlen(c->name) <= 13); /* the column's width */
			assert_true(c->what != NULL && strchr(c->what, '?') != NULL);
			assert_true((c->machine != NULL) != (c->link != NULL));
			for (uint32_t j = 0; j < count; j++)
				assert_string_not_equal(seen[j], c->name);
			assert_true(count < 64);
			seen[count++] = c->name;
		}
	assert_true(count > 20);
}

static void all_are_run_the_machine_first(void **state)
{
	struct report r;
	const struct host_link *last = NULL;
	uint32_t of_links = 0;

	(void)state;
	machine_nics(&host, &nics, &nic);
	check_all(&host, &r);
	for (uint32_t i = 0; i < r.count; i++) {
		const struct finding *f = &r.finding[i];

		assert_true(f->text[0] != 0);
		assert_true(f->link == last || f->link != NULL);
		assert_true((f->link != NULL) == (f->check->link != NULL));
		of_links += f->link != NULL;
		last = f->link;
	}
	assert_true(of_links >= 28); /* 14 for each of two */
	check_free(&r);
}

static void whatever_is_to_mend_has_a_remedy(void **state)
{
	struct report r;

	(void)state;
	/* As bad as can be. */
	host.af_xdp = -97;
	host.capabilities = UINT64_C(1) << 13;
	host.memlock_bytes = 0;
	host.workers = 1000;
	machine_put(&host, "/proc/sys/kernel/osrelease", "4.19\n");
	machine_put(&host, "/proc/sys/net/core/bpf_jit_enable", "0\n");
	machine_put(&host, "/sys/devices/system/cpu/online", "0-1\n");
	machine_put(&host, "/proc/5/comm", "irqbalance\n");
	for (int i = 0; i < FAKE_FEATURES && nics.link[0].feature[i].name != NULL; i++)
		nics.link[0].feature[i].active = true;
	nics.link[0].link.mtu_bytes = 9000;
	nics.link[0].xdp_features = 0;
	nics.link[1].link.carrier = false;
	machine_nics(&host, &nics, &nic);
	check_all(&host, &r);
	assert_int_equal(check_worst(&r), LEVEL_FAIL);
	for (uint32_t i = 0; i < r.count; i++) {
		if (r.finding[i].level >= LEVEL_WARN)
			assert_string_not_equal(r.finding[i].fix, "");
		if (r.finding[i].wants > 0)
			assert_true(r.finding[i].level >= LEVEL_WARN);
	}
	check_free(&r);
}

static void a_report_grows_and_cuts(void **state)
{
	static const struct check one = { .name = "one" };
	struct report r = { .check = &one };
	char text[CHECK_TEXT_BYTES * 2];

	(void)state;
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = 0;
	for (int i = 0; i < 1000; i++) {
		report(&r, LEVEL_OK, "%s", text);
		report_change(&r, CHANGE_FILE, "/x", "", "1");
	}
	assert_int_equal(r.count, 1000);
	assert_int_equal(r.wanted[999].finding, 999);
	assert_int_equal(strlen(r.finding[999].text), CHECK_TEXT_BYTES - 1);
	assert_ptr_equal(r.finding[999].check, &one);
	check_free(&r);
	assert_int_equal(r.count, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_has_a_name_of_its_own_and_a_question),
		TEST(all_are_run_the_machine_first),
		TEST(whatever_is_to_mend_has_a_remedy),
		TEST(a_report_grows_and_cuts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
