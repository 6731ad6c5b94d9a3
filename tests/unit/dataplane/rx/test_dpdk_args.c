/* Proves dpdk_args.h: what is weir's is taken out wherever it stands, the driver's arguments stay
 * as they are and in order, devices are recognised, what is missing or wrong is refused with what
 * would be right, and the driver is told what the user did not say and nothing else. */
#include "dataplane/rx/dpdk_args.h"

#include <errno.h>
#include <string.h>

#include "tests/support/check.h"

static struct dpdk_args accepted(const char *argument)
{
	struct rx_error err = { "" };
	struct dpdk_args a;

	memset(&a, 0xee, sizeof(a));
	if (dpdk_args_read(argument, &a, &err) != 0)
		fail_msg("%s: %s", argument, err.text);
	return a;
}

static void refused(const char *argument, const char *why)
{
	struct rx_error err = { "" };
	struct dpdk_args a = { .mbufs = 77 };

	assert_int_equal(dpdk_args_read(argument, &a, &err), -EINVAL);
	if (strstr(err.text, why) == NULL)
		fail_msg("%s: \"%s\" does not say \"%s\"", argument, err.text, why);
	assert_int_equal(a.mbufs, 77);
}

static void the_drivers_arguments_stay_as_they_are(void **state)
{
	struct dpdk_args a = accepted("net_af_packet0,iface=eth0,framesz=4096,qdisc_bypass=1");

	(void)state;
	assert_string_equal(a.device, "net_af_packet0,iface=eth0,framesz=4096,qdisc_bypass=1");
	assert_string_equal(a.name, "net_af_packet0");
	assert_string_equal(a.interface, "eth0");
	assert_int_equal(a.mbufs, 8192);
	assert_int_equal(a.pages, DPDK_PAGES_AUTO);
	assert_int_equal(a.telemetry, 1);
}

static void what_is_weirs_is_taken_out_wherever_it_stands(void **state)
{
	struct dpdk_args a = accepted("net_null7,mbufs=4096,size=128,hugepages=off,copy=1,"
				      "descriptors=1024,mbuf=4k,telemetry=off,messages=all");

	(void)state;
	assert_string_equal(a.device, "net_null7,size=128,copy=1");
	assert_int_equal(a.kind, DPDK_NULL);
	assert_int_equal(a.mbufs, 4096);
	assert_int_equal(a.mbuf_bytes, 4096);
	assert_int_equal(a.descriptors, 1024);
	assert_int_equal(a.pages, DPDK_PAGES_SMALL);
	assert_int_equal(a.telemetry, 0);
	assert_int_equal(a.messages, 1);
}

static void a_name_that_only_begins_like_weirs_is_the_drivers(void **state)
{
	(void)state;
	assert_string_equal(accepted("net_null0,mbufsize=1,mbuf=2k,hugepagesz=2").device,
			    "net_null0,mbufsize=1,hugepagesz=2");
}

static void commas_within_brackets_end_no_word(void **state)
{
	struct dpdk_args a = accepted("0000:01:00.0,representor=[0,2-3],mbufs=2048,x=(a,b)");

	(void)state;
	assert_string_equal(a.device, "0000:01:00.0,representor=[0,2-3],x=(a,b)");
	assert_int_equal(a.mbufs, 2048);
}

static void devices_are_recognised(void **state)
{
	static const struct {
		const char *argument;
		enum dpdk_kind kind;
	} known[] = {
		{ "0000:01:00.0", DPDK_PCI },
		{ "01:00.1", DPDK_PCI },
		{ "0001:af:1f.7", DPDK_PCI },
		{ "01:00.8", DPDK_OTHER },
		{ "0000:01:00", DPDK_OTHER },
		{ "net_af_packet,iface=a", DPDK_AF_PACKET },
		{ "net_af_packet12,iface=a", DPDK_AF_PACKET },
		{ "net_af_packetx,iface=a", DPDK_OTHER },
		{ "net_af_xdp0,iface=a", DPDK_AF_XDP },
		{ "net_pcap0,rx_pcap=f", DPDK_PCAP_FILE },
		{ "net_pcap0,rx_iface=a", DPDK_PCAP_INTERFACE },
		{ "net_pcap0,iface=a", DPDK_PCAP_INTERFACE },
		{ "net_tap0", DPDK_TAP },
		{ "net_memif0,role=server", DPDK_MEMIF },
		{ "net_ring0,feed=f", DPDK_RING },
		{ "net_vhost0,iface=/x", DPDK_OTHER },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (accepted(known[i].argument).kind != known[i].kind)
			fail_msg("%s", known[i].argument);
}

static void what_is_missing_or_wrong_is_refused(void **state)
{
	char longest[700];

	(void)state;
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = 0;
	refused(NULL, "a device is needed");
	refused("", "a device is needed");
	refused("iface=eth0", "a device is needed");
	refused(",iface=eth0", "a device is needed");
	refused("net_af_packet0", "--rx dpdk:net_af_packet0,iface=eth0");
	refused("net_af_packet0,iface=", "an interface is needed");
	refused("net_af_xdp3", "--rx dpdk:net_af_xdp3,iface=eth0");
	refused("net_pcap0", "rx_pcap=FILE");
	refused("net_ring0", "feed=CAPTURE");
	refused("net_null0,feed=a.pcap", "feed= is for net_ring");
	refused("net_null0,mbufs=17", "from 1024");
	refused("net_null0,hugepages=maybe", "auto on off");
	refused("net_null0,rounds=0", "from 1");
	refused(longest, "letters");
	memcpy(longest, "net_null0,x=", 12);
	refused(longest, "too long");
	memcpy(longest, "net_ring0,feed=", 15);
	refused(longest, "too long");
}

static void values_are_found_by_name_and_number(void **state)
{
	struct dpdk_args a = accepted("net_pcap0,rx_pcap=one,phy_mac=0,rx_pcap=two");
	char text[4];

	(void)state;
	assert_int_equal(dpdk_args_count(&a, "rx_pcap"), 2);
	assert_true(dpdk_args_nth(&a, "rx_pcap", 1, text, sizeof(text)));
	assert_string_equal(text, "two");
	assert_false(dpdk_args_nth(&a, "rx_pcap", 2, text, sizeof(text)));
	assert_false(dpdk_args_value(&a, "rx", text, sizeof(text)));
	assert_int_equal(dpdk_args_count(&a, "net_pcap0"), 0);
	assert_true(dpdk_args_value(&a, "rx_pcap", text, 3));
	assert_string_equal(text, "on");
}

static void the_driver_is_told_what_the_user_did_not_say(void **state)
{
	struct dpdk_args a = accepted("net_af_packet0,iface=eth0");

	(void)state;
	assert_int_equal(dpdk_args_complete(&a, 2, 1500), 0);
	assert_string_equal(a.device, "net_af_packet0,iface=eth0,framesz=2048,blocksz=131072,"
				      "framecnt=8192,qpairs=2");
	assert_int_equal(a.mbuf_bytes, 2048);

	a = accepted("net_af_packet0,iface=eth0,qpairs=3,framecnt=512");
	assert_int_equal(dpdk_args_complete(&a, 2, 1500), 0);
	assert_string_equal(a.device, "net_af_packet0,iface=eth0,qpairs=3,framecnt=512,"
				      "framesz=2048,blocksz=131072");

	a = accepted("net_af_xdp0,iface=eth0");
	assert_int_equal(dpdk_args_complete(&a, 4, 1500), 0);
	assert_string_equal(a.device, "net_af_xdp0,iface=eth0,queue_count=4");

	a = accepted("net_null0,size=64");
	assert_int_equal(dpdk_args_complete(&a, 4, 0), 0);
	assert_string_equal(a.device, "net_null0,size=64");
}

static void frames_of_a_packet_socket_are_as_long_as_the_interfaces(void **state)
{
	struct dpdk_args a = accepted("net_af_packet0,iface=eth0");

	(void)state;
	assert_int_equal(dpdk_args_complete(&a, 1, 9000), 0);
	assert_string_equal(a.device, "net_af_packet0,iface=eth0,framesz=16384,blocksz=131072,"
				      "framecnt=4096,qpairs=1");
	assert_int_equal(a.mbuf_bytes, 16384);
}

static void no_room_for_what_the_driver_is_told_is_refused(void **state)
{
	char argument[600] = "net_af_packet0,iface=eth0,x=";
	struct dpdk_args a;

	(void)state;
	memset(argument + strlen(argument), 'y', DPDK_DEVICE_BYTES - strlen(argument) - 20);
	a = accepted(argument);
	assert_int_equal(dpdk_args_complete(&a, 1, 1500), -EINVAL);
}

static void memory_grows_with_packets_and_workers(void **state)
{
	struct dpdk_args a = accepted("net_null0,mbufs=1024,mbuf=2k");
	uint64_t one = dpdk_args_memory_bytes(&a, 1);

	(void)state;
	assert_in_range(one, 1024 * 2048, 1024 * 3000);
	assert_int_equal(dpdk_args_memory_bytes(&a, 4), 4 * one);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_drivers_arguments_stay_as_they_are),
		cmocka_unit_test(what_is_weirs_is_taken_out_wherever_it_stands),
		cmocka_unit_test(a_name_that_only_begins_like_weirs_is_the_drivers),
		cmocka_unit_test(commas_within_brackets_end_no_word),
		cmocka_unit_test(devices_are_recognised),
		cmocka_unit_test(what_is_missing_or_wrong_is_refused),
		cmocka_unit_test(values_are_found_by_name_and_number),
		cmocka_unit_test(the_driver_is_told_what_the_user_did_not_say),
		cmocka_unit_test(frames_of_a_packet_socket_are_as_long_as_the_interfaces),
		cmocka_unit_test(no_room_for_what_the_driver_is_told_is_refused),
		cmocka_unit_test(memory_grows_with_packets_and_workers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
