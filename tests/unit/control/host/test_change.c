/* Proves that every kind of setting is read as text and set from it, that the same text comes back,
 * and that what is no value of it is refused without a change. */
#include "control/host/change.h"

#include <errno.h>

#include "tests/unit/control/host/nics.h"

static struct host host;
static struct fake_nics nics;
static struct nic nic;
static char now[CHANGE_VALUE_BYTES], before[CHANGE_VALUE_BYTES];

static int begin(void **state)
{
	(void)state;
	machine_make(&host);
	nics_make(&nics);
	machine_nics(&host, &nics, &nic);
	return 0;
}

static int end(void **state)
{
	(void)state;
	machine_remove(&host);
	return 0;
}

static struct change change(enum change_kind kind, const char *target, const char *name)
{
	struct change c = { .kind = kind };

	memcpy(c.target, target, strlen(target) + 1);
	memcpy(c.name, name, strlen(name) + 1);
	return c;
}

static void files_are_set(void **state)
{
	struct change c = change(CHANGE_FILE, "/proc/x", "");

	(void)state;
	machine_put(&host, "/proc/x", "0\n");
	assert_int_equal(change_now(&host, &c, now), 0);
	assert_string_equal(now, "0");
	assert_int_equal(change_to(&host, &c, "1"), 0);
	assert_int_equal(change_now(&host, &c, now), 0);
	assert_string_equal(now, "1");
	c = change(CHANGE_FILE, "/proc/none", "");
	assert_int_equal(change_now(&host, &c, now), -ENOENT);
	assert_int_equal(change_to(&host, &c, "1"), -ENOENT);
}

static void a_choice_is_the_word_in_brackets(void **state)
{
	struct change c = change(CHANGE_FILE, "/sys/x", "");

	(void)state;
	machine_put(&host, "/sys/x", "[always] madvise never\n");
	assert_int_equal(change_now(&host, &c, now), 0);
	assert_string_equal(now, "always");
}

static void what_no_journal_can_hold_is_refused(void **state)
{
	struct change c = change(CHANGE_FILE, "/sys/x", "");

	(void)state;
	machine_put(&host, "/sys/x", "4096\t131072\t6291456\n");
	assert_int_equal(change_now(&host, &c, now), -E2BIG);
	machine_put(&host, "/sys/x", "a\nb\n");
	assert_int_equal(change_now(&host, &c, now), -E2BIG);
}

static void offloads_are_set(void **state)
{
	struct change c = change(CHANGE_FEATURE, NICS_CARD, "rx-gro");

	(void)state;
	assert_int_equal(change_now(&host, &c, now), 0);
	assert_string_equal(now, "on");
	assert_int_equal(change_to(&host, &c, "off"), 0);
	assert_false(nics_feature(&nics.link[0], "rx-gro"));
	assert_int_equal(change_to(&host, &c, "maybe"), -EINVAL);
	c = change(CHANGE_FEATURE, NICS_CARD, "rx-gro-hw");
	assert_int_equal(change_to(&host, &c, "on"), -EOPNOTSUPP);
	c = change(CHANGE_FEATURE, NICS_CARD, "rx-none");
	assert_int_equal(change_now(&host, &c, now), -EOPNOTSUPP);
}

static void rings_are_set(void **state)
{
	struct change c = change(CHANGE_RINGS, NICS_CARD, "rx");
	static const char *const bad[] = { "", "0", "x", "12x", "99999999999", "-1" };

	(void)state;
	assert_int_equal(change_now(&host, &c, now), 0);
	assert_string_equal(now, "2048");
	assert_int_equal(change_to(&host, &c, "4096"), 0);
	assert_int_equal(nics.link[0].rings.rx, 4096);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(change_to(&host, &c, bad[i]), -EINVAL);
	assert_int_equal(change_to(&host, &c, "9000"), -EINVAL); /* the driver's word */
	assert_int_equal(nics.link[0].rings.rx, 4096);
	c = change(CHANGE_RINGS, NICS_VETH, "rx");
	assert_int_equal(change_now(&host, &c, now), -EOPNOTSUPP);
}

static void rss_goes_there_and_back(void **state)
{
	struct change c = change(CHANGE_RSS, NICS_CARD, "");
	struct nic_rss was = nics.link[0].rss, to = was;

	(void)state;
	assert_int_equal(change_now(&host, &c, before), 0);
	to.transform = NIC_TRANSFORM_SYMMETRIC_XOR;
	to.key[0] ^= 0xff;
	to.entry[511] = 0;
	assert_int_equal(change_rss_format(&to, now), 0);
	assert_int_equal(change_to(&host, &c, now), 0);
	assert_memory_equal(&nics.link[0].rss, &to, sizeof(to));
	assert_int_equal(change_to(&host, &c, before), 0);
	assert_memory_equal(&nics.link[0].rss, &was, sizeof(was));
}

static void the_largest_rss_has_a_text(void **state)
{
	static struct nic_rss rss = { .key_bytes = NIC_KEY_BYTES_MAX, .entries = NIC_ENTRIES_MAX };

	(void)state;
	for (uint32_t i = 0; i < rss.entries; i++)
		rss.entry[i] = 1023;
	assert_int_equal(change_rss_format(&rss, now), 0);
	for (uint32_t i = 0; i < rss.entries; i++)
		rss.entry[i] = UINT32_MAX;
	assert_int_equal(change_rss_format(&rss, now), -E2BIG);
}

static void what_is_no_rss_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"transform=1",
		"transform=x key= entries=",
		"transform=1 key=6 entries=0",
		"transform=1 key=6g entries=0",
		"transform=1 key=6d5a entries=0,,1",
		"transform=1 key=6d5a entries=0 1",
		"transform=1 key=6d5a entries=0,99999999999",
		"transform=1 key=6d5a entries=0,1", /* of another size than the interface has */
	};
	struct change c = change(CHANGE_RSS, NICS_CARD, "");

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(change_to(&host, &c, bad[i]), -EINVAL);
	assert_int_equal(nics.changes, 0);
	c = change(CHANGE_RSS, NICS_VETH, "");
	assert_int_equal(change_now(&host, &c, now), -EOPNOTSUPP);
}

static void hashed_fields_are_set(void **state)
{
	struct change c = change(CHANGE_FIELDS, NICS_CARD, "udp4");

	(void)state;
	assert_int_equal(change_now(&host, &c, before), 0);
	assert_int_equal(change_to(&host, &c, "0x10"), 0);
	assert_int_equal(nics.link[0].fields.of[1], 0x10);
	assert_int_equal(change_to(&host, &c, before), 0);
	assert_int_equal(nics.link[0].fields.of[1], RXH_IP_SRC | RXH_IP_DST);
	assert_int_equal(change_to(&host, &c, "zz"), -EINVAL);
	c = change(CHANGE_FIELDS, NICS_CARD, "sctp4");
	assert_int_equal(change_to(&host, &c, "0x10"), -EINVAL);
	assert_int_equal(change_now(&host, &c, now), -EINVAL);
}

static void without_netlink_there_are_only_files(void **state)
{
	struct change c = change(CHANGE_FEATURE, NICS_CARD, "rx-gro");

	(void)state;
	host.nic = NULL;
	assert_int_equal(change_now(&host, &c, now), -EOPNOTSUPP);
	assert_int_equal(change_to(&host, &c, "off"), -EOPNOTSUPP);
}

static void each_has_a_name_for_people(void **state)
{
	struct change c = change(CHANGE_FEATURE, "eth0", "rx-gro");
	char text[64];

	(void)state;
	change_describe(&c, text, sizeof(text));
	assert_string_equal(text, "eth0 rx-gro");
	c = change(CHANGE_RSS, "eth0", "");
	change_describe(&c, text, sizeof(text));
	assert_string_equal(text, "eth0 RSS");
	c = change(CHANGE_FILE, "/proc/x", "");
	change_describe(&c, text, sizeof(text));
	assert_string_equal(text, "/proc/x");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(files_are_set),
		TEST(a_choice_is_the_word_in_brackets),
		TEST(what_no_journal_can_hold_is_refused),
		TEST(offloads_are_set),
		TEST(rings_are_set),
		TEST(rss_goes_there_and_back),
		TEST(the_largest_rss_has_a_text),
		TEST(what_is_no_rss_is_refused),
		TEST(hashed_fields_are_set),
		TEST(without_netlink_there_are_only_files),
		TEST(each_has_a_name_for_people),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
