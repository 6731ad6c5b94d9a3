/* Proves that --fix changes what is to mend and no more, that its lines are ok afterwards, that
 * --undo leaves no trace, and that an interface that the host lives on is left alone. */
#include "control/host/mend.h"

#include <errno.h>

#include "tests/unit/control/host/nics.h"

static struct host host;
static struct fake_nics nics, was;
static struct nic nic;
static struct deeds deeds;

static int begin(void **state)
{
	(void)state;
	machine_make(&host);
	nics_make(&nics);
	was = nics;
	machine_nics(&host, &nics, &nic);
	machine_put(&host, "/proc/self/ns/net", "");
	machine_put(&host, "/proc/sys/net/core/bpf_jit_enable", "0\n");
	return 0;
}

static int end(void **state)
{
	(void)state;
	deeds_free(&deeds);
	machine_remove(&host);
	return 0;
}

static void fix(bool dry)
{
	struct report r;

	check_all(&host, &r);
	deeds_free(&deeds);
	assert_int_equal(mend_fix(&host, &r, dry, &deeds), 0);
	check_free(&r);
}

static void undo(bool dry)
{
	deeds_free(&deeds);
	assert_int_equal(mend_undo(&host, dry, &deeds), 0);
}

static bool links_are_as_they_were(void)
{
	return memcmp(nics.link, was.link, sizeof(was.link)) == 0;
}

static void what_is_mended_is_ok_and_goes_back(void **state)
{
	struct report r;
	char text[16];

	(void)state;
	fix(false);
	assert_int_equal(deeds.failed, 0);
	assert_true(deeds.made >= 4); /* gro, vlan, ring, vlan of the veth, jit */
	assert_false(links_are_as_they_were());
	check_all(&host, &r);
	for (uint32_t i = 0; i < r.count; i++)
		assert_int_equal(r.finding[i].wants, 0);
	check_free(&r);
	undo(false);
	assert_int_equal(deeds.failed, 0);
	assert_true(links_are_as_they_were());
	assert_int_equal(host_read(&host, "/proc/sys/net/core/bpf_jit_enable", text, 16), 0);
	assert_string_equal(text, "0");
	undo(false);
	assert_int_equal(deeds.count, 0);
}

static void twice_mended_goes_back_to_the_first_state(void **state)
{
	(void)state;
	fix(false);
	fix(false);
	assert_int_equal(deeds.count, 0);
	nics.link[0].feature[0].active = true; /* somebody else's doing */
	fix(false);
	assert_int_equal(deeds.count, 1);
	undo(false);
	assert_true(links_are_as_they_were());
}

static void dry_shows_and_changes_nothing(void **state)
{
	(void)state;
	fix(true);
	assert_true(deeds.made >= 4);
	assert_string_equal(deeds.deed[0].word, "would");
	assert_true(links_are_as_they_were());
	undo(true);
	assert_int_equal(deeds.count, 0);
	fix(false);
	undo(true);
	assert_true(deeds.count >= 4);
	assert_false(links_are_as_they_were());
	undo(false);
	assert_true(links_are_as_they_were());
}

static void an_interface_the_host_lives_on_is_left(void **state)
{
	struct report r;

	(void)state;
	host.link[0].has_address = true;
	check_all(&host, &r);
	assert_int_equal(mend_fix(&host, &r, false, &deeds), 0);
	check_free(&r);
	assert_memory_equal(&nics.link[0], &was.link[0], sizeof(was.link[0]));
	assert_true(deeds.failed > 0);
	assert_non_null(strstr(deeds.deed[1].text, "-i " NICS_CARD));
	host.link[0].chosen = true;
	fix(false);
	assert_int_not_equal(memcmp(&nics.link[0], &was.link[0], sizeof(was.link[0])), 0);
}

static void what_is_refused_is_told(void **state)
{
	(void)state;
	nics.link[0].refuses = -EBUSY;
	fix(false);
	assert_true(deeds.failed >= 3);
	nics.link[0].refuses = 0;
	assert_memory_equal(&nics.link[0], &was.link[0], sizeof(was.link[0]));
	undo(false);
	assert_true(links_are_as_they_were());
}

static void two_at_a_time_are_one_too_many(void **state)
{
	struct report r;
	struct undo other;

	(void)state;
	assert_int_equal(undo_begin(&other, &host, MEND_OWNER), 0);
	check_all(&host, &r);
	assert_int_equal(mend_fix(&host, &r, false, &deeds), -EBUSY);
	check_free(&r);
	assert_true(links_are_as_they_were());
	undo_end(&other);
}

static void leftovers_are_those_of_captures(void **state)
{
	struct change c = { .kind = CHANGE_FEATURE, .target = NICS_VETH, .name = "rx-gro" };
	struct undo killed;

	(void)state;
	assert_int_equal(undo_begin(&killed, &host, "capture-x-" NICS_VETH), 0);
	assert_int_equal(undo_change(&killed, &c, "on", NULL), 1);
	undo_end(&killed);
	c = (struct change){ .kind = CHANGE_FEATURE, .target = NICS_CARD, .name = "rx-gro" };
	assert_int_equal(undo_begin(&killed, &host, MEND_OWNER), 0);
	assert_int_equal(undo_change(&killed, &c, "off", NULL), 1);
	undo_end(&killed);
	assert_int_equal(mend_leftovers(&host, &deeds), 0);
	assert_int_equal(deeds.count, 1);
	assert_int_equal(deeds.deed[0].what, UNDO_DONE);
	assert_false(nics_feature(&nics.link[1], "rx-gro"));
	assert_false(nics_feature(&nics.link[0], "rx-gro"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_mended_is_ok_and_goes_back),
		TEST(twice_mended_goes_back_to_the_first_state),
		TEST(dry_shows_and_changes_nothing),
		TEST(an_interface_the_host_lives_on_is_left),
		TEST(what_is_refused_is_told),
		TEST(two_at_a_time_are_one_too_many),
		TEST(leftovers_are_those_of_captures),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
