/* Proves that RSS is made symmetric by the best means that the driver takes, with the fields and
 * the table that belong to it, that it goes back exactly, and that nothing stays where no way
 * works. */
#include "control/host/rss.h"

#include <errno.h>

#include "tests/unit/control/host/nics.h"

static struct host host;
static struct fake_nics nics;
static struct nic nic;
static struct undo undo;
static struct rss_about about;
static struct nic_rss was;
static struct nic_fields were;

static int begin(void **state)
{
	(void)state;
	machine_make(&host);
	nics_make(&nics);
	machine_nics(&host, &nics, &nic);
	machine_put(&host, "/proc/self/ns/net", "");
	assert_int_equal(undo_begin(&undo, &host, "capture-test-" NICS_CARD), 0);
	was = nics.link[0].rss;
	were = nics.link[0].fields;
	return 0;
}

static int end(void **state)
{
	(void)state;
	undo_end(&undo);
	machine_remove(&host);
	return 0;
}

static void hear(const struct undo_news *news, void *context)
{
	(void)context;
	assert_true(news->what == UNDO_DONE || news->what == UNDO_NOTHING);
}

static void put_back_exactly(void)
{
	assert_int_equal(undo_back(&undo, false, hear, NULL), 0);
	assert_memory_equal(&nics.link[0].rss, &was, sizeof(was));
	assert_memory_equal(&nics.link[0].fields, &were, sizeof(were));
}

static void it_is_looked_at(void **state)
{
	(void)state;
	assert_int_equal(rss_look(&host, NICS_CARD, &about), 0);
	assert_int_equal(about.state, RSS_NOT_SYMMETRIC);
	assert_int_equal(about.queues, 4);
	assert_int_equal(about.used, 4);
	assert_true(about.even);
	assert_null(about.by);
	assert_int_equal(rss_look(&host, NICS_VETH, &about), 0);
	assert_int_equal(about.state, RSS_NONE);
	assert_int_equal(rss_look(&host, "none", &about), -ENODEV);
	nics.link[0].channels.combined = 1;
	assert_int_equal(rss_look(&host, NICS_CARD, &about), 0);
	assert_int_equal(about.state, RSS_ONE_QUEUE);
}

static void the_better_transform_is_preferred(void **state)
{
	(void)state;
	nics.link[0].takes_transforms = 3;
	assert_int_equal(rss_make_symmetric(&undo, NICS_CARD, &about), 1);
	assert_string_equal(about.by, "symmetric-or-xor");
	assert_int_equal(nics.link[0].rss.transform, 2);
	assert_memory_equal(nics.link[0].rss.key, was.key, sizeof(was.key));
	put_back_exactly();
}

static void the_other_transform_is_next(void **state)
{
	(void)state;
	assert_int_equal(rss_make_symmetric(&undo, NICS_CARD, &about), 1);
	assert_string_equal(about.by, "symmetric-xor");
	assert_int_equal(nics.link[0].rss.transform, 1);
	put_back_exactly();
}

static void the_key_is_for_drivers_without_one(void **state)
{
	(void)state;
	nics.link[0].takes_transforms = 0;
	assert_int_equal(rss_make_symmetric(&undo, NICS_CARD, &about), 1);
	assert_string_equal(about.by, "key");
	assert_int_equal(about.state, RSS_SYMMETRIC);
	for (uint32_t i = 0; i < was.key_bytes; i++)
		assert_int_equal(nics.link[0].rss.key[i], i % 2 == 0 ? 0x6d : 0x5a);
	put_back_exactly();
}

static void a_key_is_of_no_use_to_another_hash(void **state)
{
	(void)state;
	nics.link[0].takes_transforms = 0;
	nics.link[0].rss.hash = 4; /* CRC32 */
	was.hash = 4;
	assert_true(rss_make_symmetric(&undo, NICS_CARD, &about) < 0);
	assert_memory_equal(&nics.link[0].rss, &was, sizeof(was));
}

static void where_no_way_works_all_is_as_it_was(void **state)
{
	(void)state;
	nics.link[0].takes_transforms = 0;
	nics.link[0].keeps_key = true;
	nics.link[0].fields.of[0] = RXH_IP_SRC; /* which can be set, and is set back */
	were = nics.link[0].fields;
	assert_true(rss_make_symmetric(&undo, NICS_CARD, &about) < 0);
	assert_memory_equal(&nics.link[0].rss, &was, sizeof(was));
	assert_memory_equal(&nics.link[0].fields, &were, sizeof(were));
}

static void fields_of_one_side_become_fields_of_both(void **state)
{
	(void)state;
	nics.link[0].fields.of[0] = RXH_IP_SRC | RXH_L4_B_2_3;
	nics.link[0].fields.of[3] = RXH_IP_DST;
	were = nics.link[0].fields;
	assert_int_equal(rss_make_symmetric(&undo, NICS_CARD, &about), 1);
	assert_int_equal(nics.link[0].fields.of[0],
			 RXH_IP_SRC | RXH_IP_DST | RXH_L4_B_0_1 | RXH_L4_B_2_3);
	assert_int_equal(nics.link[0].fields.of[1], were.of[1]);
	assert_int_equal(nics.link[0].fields.of[3], RXH_IP_SRC | RXH_IP_DST);
	put_back_exactly();
}

static void an_uneven_table_becomes_even(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < was.entries; i++)
		nics.link[0].rss.entry[i] = i % 8 == 0 ? 3 : 0;
	was = nics.link[0].rss;
	assert_int_equal(rss_look(&host, NICS_CARD, &about), 0);
	assert_int_equal(about.used, 2);
	assert_false(about.even);
	assert_int_equal(rss_make_symmetric(&undo, NICS_CARD, &about), 1);
	assert_true(about.even);
	assert_int_equal(about.used, 4);
	put_back_exactly();
}

static void a_table_that_cannot_be_set_is_no_obstacle(void **state)
{
	(void)state;
	nics.link[0].rss.entry[0] = 3;
	nics.link[0].rss.entry[1] = 3;
	nics.link[0].rss.entry[2] = 3;
	nics.link[0].keeps_table = true;
	was = nics.link[0].rss;
	assert_int_equal(rss_make_symmetric(&undo, NICS_CARD, &about), 1);
	assert_string_equal(about.by, "symmetric-xor");
	put_back_exactly();
}

static void what_is_symmetric_is_left_alone(void **state)
{
	(void)state;
	nics.link[0].rss.transform = 1;
	assert_int_equal(rss_make_symmetric(&undo, NICS_CARD, &about), 0);
	assert_int_equal(about.state, RSS_SYMMETRIC);
	assert_int_equal(nics.changes, 0);
	assert_int_equal(rss_make_symmetric(&undo, NICS_VETH, &about), 0);
	assert_int_equal(about.state, RSS_NONE);
}

static void who_may_not_change_is_told(void **state)
{
	(void)state;
	nics.link[0].refuses = -EPERM;
	assert_int_equal(rss_make_symmetric(&undo, NICS_CARD, &about), -EPERM);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(it_is_looked_at),
		TEST(the_better_transform_is_preferred),
		TEST(the_other_transform_is_next),
		TEST(the_key_is_for_drivers_without_one),
		TEST(a_key_is_of_no_use_to_another_hash),
		TEST(where_no_way_works_all_is_as_it_was),
		TEST(fields_of_one_side_become_fields_of_both),
		TEST(an_uneven_table_becomes_even),
		TEST(a_table_that_cannot_be_set_is_no_obstacle),
		TEST(what_is_symmetric_is_left_alone),
		TEST(who_may_not_change_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
