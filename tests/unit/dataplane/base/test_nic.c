/* Proves what is read out of messages about links and XDP, that a kernel without a family says "not
 * here", and that the interfaces of this machine can be asked. */
#include "dataplane/base/nic.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/if.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "tests/support/recorded.h"

static struct recorded route, generic;
static struct recorded_attributes attributes;
static struct nic nic;
static const char *driver;

static int old_command(void *context, const char *name, void *command)
{
	struct ethtool_drvinfo *about = command;

	(void)context;
	(void)name;
	if (driver == NULL || about->cmd != ETHTOOL_GDRVINFO)
		return -EOPNOTSUPP;
	memset(about->driver, 'x', sizeof(about->driver)); /* not ended */
	memcpy(about->driver, driver, strlen(driver) + 1);
	return 0;
}

static int begin(void **state)
{
	struct netlink_wire a, b;

	(void)state;
	memset(&route, 0, sizeof(route));
	memset(&generic, 0, sizeof(generic));
	memset(&attributes, 0, sizeof(attributes));
	driver = NULL;
	recorded_families(&generic);
	a = recorded_wire(&route);
	b = recorded_wire(&generic);
	nic_on(&nic, &a, &b, old_command, NULL);
	return 0;
}

static void the_families_are_asked_for(void **state)
{
	(void)state;
	assert_int_equal(nic.ethtool_family, RECORDED_ETHTOOL);
	assert_int_equal(nic.netdev_family, RECORDED_NETDEV);
}

static size_t link_message(uint8_t *to, int index, unsigned flags)
{
	struct ifinfomsg about = { .ifi_type = ARPHRD_ETHER,
				   .ifi_index = index,
				   .ifi_flags = flags };

	memcpy(to, &about, sizeof(about));
	memcpy(to + sizeof(about), attributes.bytes, attributes.used);
	return sizeof(about) + attributes.used;
}

static void a_link_is_read(void **state)
{
	struct rtnl_link_stats64 counts = { .rx_packets = 1000,
					    .rx_dropped = 7,
					    .rx_errors = 3,
					    .rx_missed_errors = 5,
					    .rx_over_errors = 1 };
	uint8_t message[4096];
	struct nic_link link;
	size_t nest;

	(void)state;
	recorded_put_text(&attributes, IFLA_IFNAME, "eth7");
	recorded_put(&attributes, IFLA_ADDRESS, "\2\0\0\0\0\7", 6);
	recorded_put_u32(&attributes, IFLA_MTU, 9000);
	recorded_put_u32(&attributes, IFLA_NUM_RX_QUEUES, 16);
	recorded_put(&attributes, IFLA_CARRIER, "\1", 1);
	recorded_put(&attributes, IFLA_STATS64, &counts, sizeof(counts));
	nest = recorded_begin(&attributes, IFLA_XDP);
	recorded_put(&attributes, IFLA_XDP_ATTACHED, "\1", 1);
	recorded_put_u32(&attributes, IFLA_XDP_PROG_ID, 42);
	recorded_finish(&attributes, nest);
	nest = recorded_begin(&attributes, IFLA_LINKINFO);
	recorded_put_text(&attributes, IFLA_INFO_KIND, "veth");
	recorded_finish(&attributes, nest);
	recorded_answer(&route, RTM_NEWLINK, 0, message, link_message(message, 7, IFF_UP));
	recorded_end(&route, 0);

	assert_int_equal(nic_link_find(&nic, "eth7", &link), 0);
	assert_string_equal(link.name, "eth7");
	assert_string_equal(link.kind, "veth");
	assert_int_equal(link.index, 7);
	assert_memory_equal(link.address, "\2\0\0\0\0\7", 6);
	assert_true(link.up && link.carrier && link.ethernet && !link.loopback);
	assert_int_equal(link.mtu_bytes, 9000);
	assert_int_equal(link.rx_queues, 16);
	assert_int_equal(link.xdp_mode, XDP_ATTACHED_DRV);
	assert_int_equal(link.xdp_program, 42);
	assert_int_equal(link.packets, 1000);
	assert_int_equal(link.dropped, 7);
	assert_int_equal(link.missed, 6);
	assert_int_equal(link.errors, 3);
}

static void a_message_with_less_is_read_as_far_as_it_goes(void **state)
{
	uint8_t message[4096];
	struct nic_link link;

	(void)state;
	recorded_put_text(&attributes, IFLA_IFNAME, "a-name-that-is-too-long-for-any");
	recorded_put(&attributes, IFLA_MTU, "\1", 1); /* not a number of this size */
	recorded_put(&attributes, IFLA_STATS64, "\1\0\0\0\0\0\0\0", 8);
	recorded_answer(&route, RTM_NEWLINK, 0, message, link_message(message, 1, 0));
	recorded_end(&route, 0);
	assert_int_equal(nic_link_find(&nic, "x", &link), 0);
	assert_int_equal(strlen(link.name), NIC_NAME_BYTES - 1);
	assert_int_equal(link.mtu_bytes, 0);
	assert_int_equal(link.packets, 1);
	assert_int_equal(link.dropped, 0);
}

static void an_interface_that_is_not_there_is_said(void **state)
{
	struct nic_link link;

	(void)state;
	recorded_end(&route, -ENODEV);
	assert_int_equal(nic_link_find(&nic, "eth9", &link), -ENODEV);
	recorded_end(&route, 0); /* no message at all */
	assert_int_equal(nic_link_find(&nic, "eth9", &link), -ENODEV);
	recorded_answer(&route, RTM_NEWLINK, 0, "\0\0", 2);
	recorded_end(&route, 0);
	assert_int_equal(nic_link_find(&nic, "eth9", &link), -ENODEV);
}

static void a_name_that_none_can_have_is_not_asked_for(void **state)
{
	struct nic_link link;
	uint32_t before = route.asked;

	(void)state;
	assert_int_equal(nic_link_find(&nic, "", &link), -ENODEV);
	assert_int_equal(nic_link_find(&nic, "sixteen-letters-", &link), -ENODEV);
	assert_int_equal(route.asked, before);
}

static void xdp_is_told_by_the_driver(void **state)
{
	struct nic_xdp xdp;

	(void)state;
	recorded_put_u32(&attributes, 1, 7);
	recorded_put_u64(&attributes, 3, 1 | 2 | 4 | 8 | 32);
	recorded_put_u32(&attributes, 4, 5);
	recorded_put_u64(&attributes, 5, 1);
	recorded_put_u64(&attributes, 6, 3);
	recorded_generic(&generic, RECORDED_NETDEV, 1, attributes.bytes, attributes.used);
	recorded_end(&generic, 0);
	assert_int_equal(nic_xdp(&nic, 7, &xdp), 0);
	assert_true(xdp.native && xdp.redirect && xdp.zero_copy && xdp.several_frames);
	assert_true(xdp.rx_timestamp && !xdp.rx_hash);
	assert_int_equal(xdp.zero_copy_segments, 5);
	/* NETDEV_CMD_DEV_GET of interface 7 */
	assert_memory_equal(generic.request + 16, "\1\1\0\0\10\0\1\0\7\0\0\0", 12);
}

static void a_driver_without_xdp_is_no_error(void **state)
{
	struct nic_xdp xdp;

	(void)state;
	recorded_put_u32(&attributes, 1, 7);
	recorded_put_u64(&attributes, 3, 0);
	recorded_generic(&generic, RECORDED_NETDEV, 1, attributes.bytes, attributes.used);
	recorded_end(&generic, 0);
	assert_int_equal(nic_xdp(&nic, 7, &xdp), 0);
	assert_false(xdp.native || xdp.zero_copy || xdp.several_frames || xdp.rx_timestamp);
}

static void a_kernel_that_does_not_tell_says_so(void **state)
{
	struct netlink_wire a, b;
	struct nic_xdp xdp;
	struct nic_rings rings;

	(void)state;
	memset(&generic, 0, sizeof(generic));
	recorded_end(&generic, -ENOENT);
	recorded_end(&generic, -ENOENT);
	a = recorded_wire(&route);
	b = recorded_wire(&generic);
	nic_on(&nic, &a, &b, old_command, NULL);
	assert_int_equal(nic_xdp(&nic, 7, &xdp), -EOPNOTSUPP);
	assert_int_equal(nic_rings(&nic, "eth7", &rings), -EOPNOTSUPP);
}

static void the_driver_has_its_name(void **state)
{
	char name[NIC_WORD_BYTES] = "";

	(void)state;
	driver = "ixgbe";
	assert_int_equal(nic_driver(&nic, "eth7", name), 0);
	assert_string_equal(name, "ixgbe");
	driver = "";
	assert_int_equal(nic_driver(&nic, "eth7", name), -EOPNOTSUPP);
	driver = NULL;
	assert_int_equal(nic_driver(&nic, "eth7", name), -EOPNOTSUPP);
}

static int find_loopback(const struct nic_link *link, void *context)
{
	if (link->loopback)
		*(struct nic_link *)context = *link;
	return 0;
}

static void this_machine_can_be_asked(void **state)
{
	struct nic_link lo = { .name = "" }, again;
	struct nic real;

	(void)state;
	assert_int_equal(nic_open(&real), 0);
	assert_int_equal(nic_link_each(&real, find_loopback, &lo), 0);
	assert_string_equal(lo.name, "lo");
	assert_int_equal(nic_link_find(&real, "lo", &again), 0);
	assert_int_equal(again.index, lo.index);
	assert_int_equal(nic_link_find(&real, "weir-none", &again), -ENODEV);
	nic_close(&real);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_families_are_asked_for, begin),
		cmocka_unit_test_setup(a_link_is_read, begin),
		cmocka_unit_test_setup(a_message_with_less_is_read_as_far_as_it_goes, begin),
		cmocka_unit_test_setup(an_interface_that_is_not_there_is_said, begin),
		cmocka_unit_test_setup(a_name_that_none_can_have_is_not_asked_for, begin),
		cmocka_unit_test_setup(xdp_is_told_by_the_driver, begin),
		cmocka_unit_test_setup(a_driver_without_xdp_is_no_error, begin),
		cmocka_unit_test_setup(a_kernel_that_does_not_tell_says_so, begin),
		cmocka_unit_test_setup(the_driver_has_its_name, begin),
		cmocka_unit_test_setup(this_machine_can_be_asked, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
