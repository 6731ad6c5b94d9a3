/* Proves what is said of a card and of a veth: link, XDP, frames, offloads, rings, queues, RSS, and
 * which of it --fix would change. */
#include <linux/if_link.h>

#include "tests/unit/control/host/nics.h"

static struct host host;
static struct fake_nics nics;
static struct nic nic;

static int begin(void **state)
{
	(void)state;
	machine_make(&host);
	nics_make(&nics);
	nics.link[1].link.index = 0; /* the card alone */
	return 0;
}

static int end(void **state)
{
	(void)state;
	machine_remove(&host);
	return 0;
}

static const struct report *look(void)
{
	machine_nics(&host, &nics, &nic);
	return machine_look(&host, link_checks);
}

static const struct finding *line(const char *check)
{
	return machine_line(look(), check, NULL);
}

static const struct wanted *wanted(const struct report *r, const struct finding *f)
{
	for (uint32_t i = 0; i < r->wanted_count; i++)
		if (&r->finding[r->wanted[i].finding] == f)
			return &r->wanted[i];
	return NULL;
}

static void gro_is_said_as_it_is(void **state)
{
	const struct report *r = look();
	const struct finding *f = machine_line(r, "gro", NULL);

	(void)state;
	assert_int_equal(f->level, LEVEL_WARN);
	assert_string_equal(f->text, NICS_CARD
			    ": on; super-packets of 64 KB reach AF_XDP as several frames");
	assert_string_equal(f->fix, "ethtool -K " NICS_CARD " gro off");
	assert_string_equal(wanted(r, f)->change.name, "rx-gro");
	assert_string_equal(wanted(r, f)->value, "off");
	nics.link[0].feature[0].active = false;
	assert_string_equal(line("gro")->text, NICS_CARD ": off");
}

static void what_the_driver_keeps_is_not_changed(void **state)
{
	const struct report *r;
	const struct finding *f;

	(void)state;
	nics.link[0].feature[2].active = true;
	r = look();
	f = machine_line(r, "gro", "rx-gro-hw");
	assert_int_equal(f->level, LEVEL_INFO);
	assert_null(wanted(r, f));
}

static void offloads_that_break_capture_are_found(void **state)
{
	(void)state;
	assert_int_equal(line("vlan")->level, LEVEL_WARN);
	assert_string_equal(line("vlan")->fix, "ethtool -K " NICS_CARD " rxvlan off");
	assert_int_equal(line("lro")->level, LEVEL_OK);
	nics.link[0].feature[1].active = true;
	assert_int_equal(line("lro")->level, LEVEL_WARN);
	assert_int_equal(line("udp-gro")->level, LEVEL_OK);
	nics.link[0].feature[5].active = true;
	assert_int_equal(line("udp-gro")->level, LEVEL_WARN);
}

static void a_link_without_carrier_is_said(void **state)
{
	(void)state;
	assert_int_equal(line("link")->level, LEVEL_OK);
	nics.link[0].link.carrier = false;
	assert_int_equal(line("link")->level, LEVEL_WARN);
	nics.link[0].link.up = false;
	machine_nics(&host, &nics, &nic);
	assert_int_equal(host_add_link(&host, NICS_CARD), 0);
	assert_int_equal(machine_line(machine_look(&host, link_checks), "link", NULL)->level,
			 LEVEL_FAIL);
}

static void losses_are_told(void **state)
{
	(void)state;
	assert_int_equal(line("drops")->level, LEVEL_OK);
	nics.link[0].link.missed = 5;
	assert_non_null(strstr(line("drops")->text, "5 found the ring full"));
	assert_int_equal(line("drops")->level, LEVEL_INFO);
}

static void xdp_is_what_the_driver_says(void **state)
{
	(void)state;
	assert_string_equal(line("xdp")->text,
			    NICS_CARD ": ice: native, zero-copy, packets in several frames");
	nics.link[0].xdp_features = 0;
	assert_int_equal(line("xdp")->level, LEVEL_INFO);
	assert_non_null(strstr(line("xdp")->text, "generic"));
	nics.tells_xdp = false;
	assert_non_null(strstr(line("xdp")->text, "not readable"));
}

static void a_program_that_is_attached_is_said(void **state)
{
	(void)state;
	assert_int_equal(line("xdp-program")->level, LEVEL_OK);
	nics.link[0].link.xdp_mode = XDP_ATTACHED_DRV;
	nics.link[0].link.xdp_program = 42;
	assert_int_equal(line("xdp-program")->level, LEVEL_WARN);
	assert_non_null(strstr(line("xdp-program")->text, "42 is attached (native)"));
	nics.link[0].link.xdp_mode = 77; /* of a kernel to come */
	assert_non_null(strstr(line("xdp-program")->text, "(?)"));
}

static void packets_are_held_against_frames(void **state)
{
	(void)state;
	nics.link[0].link.mtu_bytes = 1770;
	assert_int_equal(line("mtu")->level, LEVEL_OK);
	nics.link[0].link.mtu_bytes = 1771;
	assert_int_equal(line("mtu")->level, LEVEL_INFO);
	assert_non_null(strstr(line("mtu")->fix, "frame=4096"));
	nics.link[0].link.mtu_bytes = 9000;
	assert_non_null(strstr(line("mtu")->text, "6 frames"));
	assert_non_null(strstr(line("mtu")->text, "by copy")); /* one segment with zero-copy */
	nics.link[0].xdp_features &= ~(uint64_t)32;
	assert_int_equal(line("mtu")->level, LEVEL_WARN);
	assert_non_null(strstr(line("mtu")->fix, "mtu 3818"));
	nics.link[0].link.mtu_bytes = 3818;
	assert_int_equal(line("mtu")->level, LEVEL_WARN);
	assert_non_null(strstr(line("mtu")->fix, "frame=4096"));
	nics.tells_xdp = false;
	nics.link[0].link.mtu_bytes = 9000;
	assert_non_null(strstr(line("mtu")->text, "not known"));
}

static void a_short_ring_is_made_longer(void **state)
{
	const struct report *r = look();
	const struct finding *f = machine_line(r, "ring", NULL);

	(void)state;
	assert_int_equal(f->level, LEVEL_WARN);
	assert_string_equal(wanted(r, f)->value, "4096");
	assert_string_equal(f->fix, "ethtool -G " NICS_CARD " rx 4096");
	nics.link[0].rings = (struct nic_rings){ 256, 256 };
	assert_int_equal(line("ring")->level, LEVEL_OK);
	nics.link[0].rings = (struct nic_rings){ 0, 0 };
	assert_int_equal(line("ring")->level, LEVEL_OK);
	assert_non_null(strstr(line("ring")->text, "none"));
}

static void queues_are_held_against_workers(void **state)
{
	(void)state;
	assert_int_equal(line("channels")->level, LEVEL_OK);
	host.workers = 4;
	assert_int_equal(line("channels")->level, LEVEL_OK);
	host.workers = 5;
	assert_int_equal(line("channels")->level, LEVEL_WARN);
	assert_string_equal(line("channels")->fix, "ethtool -L " NICS_CARD " combined 5");
	host.workers = 100;
	assert_string_equal(line("channels")->fix, "ethtool -L " NICS_CARD " combined 64");
	nics.link[0].channels = (struct nic_channels){ .combined = 4, .combined_max = 4 };
	assert_int_equal(line("channels")->level, LEVEL_INFO);
}

static void rss_is_symmetric_or_not(void **state)
{
	(void)state;
	assert_int_equal(line("rss")->level, LEVEL_INFO);
	nics.link[0].rss.transform = 1;
	assert_int_equal(line("rss")->level, LEVEL_OK);
	assert_non_null(strstr(line("rss")->text, "symmetric by symmetric-xor, over 4 of 4"));
	nics.link[0].channels.combined = 8;
	assert_int_equal(machine_line(look(), "rss", "4 of 8 queues: the")->level, LEVEL_WARN);
	nics.link[0].channels.combined = 1;
	assert_non_null(strstr(line("rss")->text, "one receive queue"));
}

static void a_veth_has_no_rss_and_says_so(void **state)
{
	const struct finding *f;

	(void)state;
	nics_make(&nics);
	nics.link[0].link.index = 0;
	f = line("rss");
	assert_int_equal(f->level, LEVEL_OK);
	assert_non_null(strstr(f->text, "veth has none"));
}

static void without_netlink_all_is_not_readable(void **state)
{
	const struct report *r;

	(void)state;
	machine_nics(&host, &nics, &nic);
	host.nic = NULL;
	r = machine_look(&host, link_checks);
	assert_int_equal(check_worst(r), LEVEL_INFO);
	assert_int_equal(r->wanted_count, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(gro_is_said_as_it_is),
		TEST(what_the_driver_keeps_is_not_changed),
		TEST(offloads_that_break_capture_are_found),
		TEST(a_link_without_carrier_is_said),
		TEST(losses_are_told),
		TEST(xdp_is_what_the_driver_says),
		TEST(a_program_that_is_attached_is_said),
		TEST(packets_are_held_against_frames),
		TEST(a_short_ring_is_made_longer),
		TEST(queues_are_held_against_workers),
		TEST(rss_is_symmetric_or_not),
		TEST(a_veth_has_no_rss_and_says_so),
		TEST(without_netlink_all_is_not_readable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
