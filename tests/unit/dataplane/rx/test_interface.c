/* Proves that an interface is found by name or refused with the names there are, that going down,
 * coming up, being removed and being moved are noticed (also when the kernel had more to tell than
 * the socket could hold), that losses count from the opening, and that promiscuous mode lasts as
 * long as it is held.
 */
#include "veth.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "dataplane/base/compiler.h"
#include "dataplane/rx/interface.h"

static bool have_namespace;

static int enter(void **state)
{
	(void)state;
	have_namespace = own_namespace();
	return 0;
}

static int cut(void **state)
{
	(void)state;
	if (have_namespace)
		wire_cut("wi0");
	return 0;
}

static struct interface opened(const char *name, bool promiscuous)
{
	struct rx_error err = { "" };
	struct interface i;

	if (interface_open(&i, name, promiscuous, &err) != 0)
		fail_msg("%s", err.text);
	return i;
}

/* ---- opening ---- */

static void an_interface_that_is_up_opens(void **state)
{
	struct interface i;

	(void)state;
	need_namespace(have_namespace);
	wire("wi0", "wi1", "");
	i = opened("wi0", false);
	assert_string_equal(i.name, "wi0");
	assert_true(i.index > 0);
	assert_int_equal(i.promiscuous_fd, -1);
	assert_int_equal(interface_look(&i), INTERFACE_UP);
	interface_close(&i);
}

static void closing_accepts_a_zeroed_one_and_one_that_is_closed(void **state)
{
	struct interface zeroed = { 0 }, i;

	(void)state;
	interface_close(&zeroed);
	assert_true(fcntl(0, F_GETFD) >= 0); /* nobody's standard input was closed */
	need_namespace(have_namespace);
	i = opened("lo", true);
	interface_close(&i);
	interface_close(&i);
	assert_true(fcntl(0, F_GETFD) >= 0);
}

static void an_unknown_name_is_refused_with_the_names_there_are(void **state)
{
	static const char *const wrong[] = {
		"wi7", "", "a-name-longer-than-fifteen",
		"a-name-that-is-longer-than-all-the-room-there-is-for-it", "wi/0"
	};
	struct interface i = { .index = -7 };
	struct rx_error err;

	(void)state;
	need_namespace(have_namespace);
	wire("wi0", "wi1", "");
	for (size_t n = 0; n < array_count(wrong); n++) {
		char begin[128];

		snprintf(begin, sizeof(begin), "%s: there is no such interface; there are: lo, ",
			 wrong[n]);
		assert_int_equal(interface_open(&i, wrong[n], true, &err), -ENODEV);
		assert_int_equal(strncmp(err.text, begin, strlen(begin)), 0);
		assert_non_null(strstr(err.text, "wi0"));
		assert_non_null(strstr(err.text, "wi1"));
		assert_int_equal(i.index, -7); /* outputs are written only on success */
	}
}

static void an_interface_that_is_down_is_refused_with_the_remedy(void **state)
{
	struct interface i;
	struct rx_error err;

	(void)state;
	need_namespace(have_namespace);
	wire("wi0", "wi1", "");
	run("ip link set wi0 down");
	assert_int_equal(interface_open(&i, "wi0", false, &err), -ENETDOWN);
	assert_string_equal(err.text,
			    "wi0: the interface is down; bring it up with: ip link set wi0 up");
}

static void a_missing_cable_does_not_prevent_opening(void **state)
{
	struct interface i;

	(void)state;
	need_namespace(have_namespace);
	wire("wi0", "wi1", "");
	run("ip link set wi1 down");
	i = opened("wi0", false);
	assert_int_equal(interface_look(&i), INTERFACE_UP);
	interface_close(&i);
}

static void an_alternative_name_finds_it_too(void **state)
{
	struct interface i;

	(void)state;
	need_namespace(have_namespace);
	wire("wi0", "wi1", "");
	run("ip link property add dev wi0 altname the-port-towards-the-mirror");
	i = opened("the-port-towards-the-mirror", false);
	assert_string_equal(i.name, "the-port-towards-the-mirror");
	run("ip link set wi0 down");
	assert_int_equal(interface_look(&i), INTERFACE_DOWN);
	interface_close(&i);
}

/* promiscuity - how many want it, as the kernel counts. */
static int promiscuity(const char *name)
{
	char line[128];
	FILE *f;
	int n = -1;

	snprintf(line, sizeof(line), "ip -d link show %s | grep -o 'promiscuity [0-9]*'", name);
	f = popen(line, "r");
	assert_non_null(f);
	if (fscanf(f, "promiscuity %d", &n) != 1)
		n = -1;
	pclose(f);
	return n;
}

static void promiscuous_mode_lasts_until_the_interface_is_closed(void **state)
{
	struct interface a, b;

	(void)state;
	need_namespace(have_namespace);
	wire("wi0", "wi1", "");
	a = opened("wi0", false);
	assert_int_equal(promiscuity("wi0"), 0);
	b = opened("wi0", true);
	assert_int_equal(promiscuity("wi0"), 1);
	interface_close(&a);
	assert_int_equal(promiscuity("wi0"), 1);
	interface_close(&b);
	assert_int_equal(promiscuity("wi0"), 0);
}

/* ---- changes ---- */

static void down_and_up_are_noticed_and_wake_the_poll(void **state)
{
	struct interface i;
	struct pollfd p;

	(void)state;
	need_namespace(have_namespace);
	wire("wi0", "wi1", "");
	i = opened("wi0", false);
	interface_look(&i);
	p = (struct pollfd){ .fd = interface_poll_fd(&i), .events = POLLIN };
	assert_int_equal(poll(&p, 1, 0), 0);
	for (int n = 0; n < 3; n++) {
		run("ip link set wi0 down");
		assert_int_equal(poll(&p, 1, 1000), 1);
		assert_int_equal(interface_look(&i), INTERFACE_DOWN);
		run("ip link set wi0 up");
		assert_int_equal(poll(&p, 1, 1000), 1);
		assert_int_equal(interface_look(&i), INTERFACE_UP);
	}
	interface_close(&i);
}

static void changes_of_other_interfaces_do_not_matter(void **state)
{
	struct interface i;

	(void)state;
	need_namespace(have_namespace);
	wire("wi0", "wi1", "");
	wire("wi2", "wi3", "");
	i = opened("wi0", false);
	run("ip link set wi2 down");
	assert_int_equal(interface_look(&i), INTERFACE_UP);
	run("ip link del wi2");
	assert_int_equal(interface_look(&i), INTERFACE_UP);
	interface_close(&i);
}

static void a_removed_interface_is_gone_even_if_another_takes_its_name(void **state)
{
	struct interface_losses losses;
	struct interface i;

	(void)state;
	need_namespace(have_namespace);
	wire("wi0", "wi1", "");
	i = opened("wi0", true);
	wire_cut("wi0");
	assert_int_equal(interface_look(&i), INTERFACE_GONE);
	wire("wi0", "wi1", "");
	assert_int_equal(interface_look(&i), INTERFACE_GONE);
	interface_losses(&i, &losses);
	assert_int_equal(interface_look(&i), INTERFACE_GONE);
	interface_close(&i);
}

static void one_that_is_asked_after_it_was_removed_is_gone(void **state)
{
	struct interface_losses losses;
	struct interface i;

	(void)state;
	need_namespace(have_namespace);
	wire("wi0", "wi1", "");
	i = opened("wi0", false);
	wire_cut("wi0");
	interface_losses(&i, &losses);
	assert_int_equal(i.state, INTERFACE_GONE);
	interface_close(&i);
}

static void an_interface_moved_to_another_namespace_is_gone(void **state)
{
	struct interface i;
	pid_t other;

	(void)state;
	need_namespace(have_namespace);
	wire("wi0", "wi1", "");
	i = opened("wi0", false);
	other = other_namespace();
	run("ip link set wi0 netns %d", (int)other);
	assert_int_equal(interface_look(&i), INTERFACE_GONE);
	interface_close(&i);
	other_namespace_end(other);
	wire_cut("wi1");
}

static void leaving_a_bridge_is_not_being_removed(void **state)
{
	struct interface i;

	(void)state;
	need_namespace(have_namespace);
	wire("wi0", "wi1", "");
	if (system("ip link add wib type bridge 2>/dev/null") != 0) {
		print_message("skipped: this kernel has no bridges\n");
		skip();
	}
	i = opened("wi0", false);
	run("ip link set wi0 master wib");
	assert_int_equal(interface_look(&i), INTERFACE_UP);
	run("ip link set wi0 nomaster");
	assert_int_equal(interface_look(&i), INTERFACE_UP);
	interface_close(&i);
	run("ip link del wib");
}

/* More changes than the socket holds: what the last one was is asked for. */
static void overflowing_news_are_made_up_for(void **state)
{
	struct interface i;
	int smallest = 0;

	(void)state;
	need_namespace(have_namespace);
	wire("wi0", "wi1", "");
	i = opened("wi0", false);
	assert_int_equal(
		setsockopt(i.socket_fd, SOL_SOCKET, SO_RCVBUF, &smallest, sizeof(smallest)), 0);
	run("for i in 1 2 3 4 5 6; do ip link set wi0 down; ip link set wi0 up; done;"
	    "ip link set wi0 down");
	assert_int_equal(interface_look(&i), INTERFACE_DOWN);
	run("for i in 1 2 3 4 5 6; do ip link set wi0 up; ip link set wi0 down; done;"
	    "ip link del wi0");
	assert_int_equal(interface_look(&i), INTERFACE_GONE);
	interface_close(&i);
}

/* ---- statistics ---- */

/* send_unwanted - frames of a protocol that nobody takes: the receiver's stack drops them. */
static void send_unwanted(const char *from, int count)
{
	static const uint8_t frame[60] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2,
					   0,    0,    0,    0,    1,    0x88, 0xb5 };
	struct sockaddr_ll to = {
		.sll_family = AF_PACKET,
		.sll_ifindex = (int)if_nametoindex(from),
	};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	for (int n = 0; n < count; n++)
		assert_int_equal(
			sendto(fd, frame, sizeof(frame), 0, (struct sockaddr *)&to, sizeof(to)),
			sizeof(frame));
	close(fd);
	nap_ms(20); /* they arrive, and the last statistics become old */
}

static void losses_count_from_the_opening(void **state)
{
	struct interface_losses losses = { 9, 9, 9 };
	struct interface i;

	(void)state;
	need_namespace(have_namespace);
	wire("wi0", "wi1", "");
	send_unwanted("wi1", 5);
	i = opened("wi0", false);
	interface_losses(&i, &losses);
	assert_int_equal(losses.dropped, 0);
	send_unwanted("wi1", 7);
	interface_losses(&i, &losses);
	assert_int_equal(losses.dropped, 7);
	assert_int_equal(losses.missed, 0);
	assert_int_equal(losses.errors, 0);
	interface_close(&i);
}

static void statistics_are_asked_for_at_most_every_ten_milliseconds(void **state)
{
	struct interface_losses losses;
	struct interface i;
	uint64_t asked_ns;

	(void)state;
	need_namespace(have_namespace);
	wire("wi0", "wi1", "");
	i = opened("wi0", false);
	interface_losses(&i, &losses);
	asked_ns = i.asked_ns;
	for (int n = 0; n < 3; n++)
		interface_losses(&i, &losses);
	assert_true(i.asked_ns == asked_ns || i.asked_ns - asked_ns >= 10000000);
	nap_ms(11);
	interface_losses(&i, &losses);
	assert_true(i.asked_ns - asked_ns >= 10000000);
	interface_close(&i);
}

static void what_was_lost_stays_known_when_the_interface_is_gone(void **state)
{
	struct interface_losses losses;
	struct interface i;

	(void)state;
	need_namespace(have_namespace);
	wire("wi0", "wi1", "");
	i = opened("wi0", false);
	send_unwanted("wi1", 3);
	interface_losses(&i, &losses);
	wire_cut("wi0");
	nap_ms(11);
	interface_losses(&i, &losses);
	assert_int_equal(losses.dropped, 3);
	assert_int_equal(i.state, INTERFACE_GONE);
	interface_close(&i);
}

/* ---- questions by name ---- */

static void queues_and_mtu_are_told(void **state)
{
	(void)state;
	need_namespace(have_namespace);
	run("ip link add wi0 mtu 3000 numrxqueues 2 numtxqueues 2 type veth peer name wi1");
	assert_int_equal(interface_mtu_bytes("wi0"), 3000);
	assert_int_equal(interface_rx_queues("wi0"), 2);
	assert_int_equal(interface_rx_queues("lo"), 1);
	assert_int_equal(interface_rx_queues("wi7"), 1);
	assert_int_equal(interface_mtu_bytes("wi7"), 0);
}

static void set_rxvlan(const char *name, bool on)
{
	struct ethtool_value flags = { .cmd = ETHTOOL_SFLAGS, .data = on ? ETH_FLAG_RXVLAN : 0 };
	struct ifreq r = { .ifr_data = (char *)&flags };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	assert_int_equal(ioctl(fd, SIOCETHTOOL, &r), 0);
	close(fd);
}

static void one_that_takes_tags_out_of_frames_says_so(void **state)
{
	(void)state;
	need_namespace(have_namespace);
	wire("wi0", "wi1", "");
	set_rxvlan("wi0", true);
	assert_true(interface_strips_tags("wi0"));
	set_rxvlan("wi0", false);
	assert_false(interface_strips_tags("wi0"));
	assert_false(interface_strips_tags("lo"));
	assert_false(interface_strips_tags("nosuch"));
}

static void an_address_that_this_host_uses_is_found(void **state)
{
	(void)state;
	need_namespace(have_namespace);
	wire("wi0", "wi1", "");
	assert_true(interface_has_address("lo"));
	assert_false(interface_has_address("wi0"));
	assert_false(interface_has_address("wi7"));
	run("ip addr add 192.0.2.1/24 dev wi0");
	assert_true(interface_has_address("wi0"));
	assert_false(interface_has_address("wi1")); /* nor is a neighbour's address ours */
}

static void of_ipv6_only_a_global_address_counts(void **state)
{
	(void)state;
	need_namespace(have_namespace);
	wire("wi0", "wi1", "");
	if (!write_text("/proc/sys/net/ipv6/conf/wi0/disable_ipv6", "0")) {
		print_message("skipped: this kernel has no IPv6\n");
		skip();
	}
	run("ip addr add fe80::7/64 dev wi0 nodad");
	assert_false(interface_has_address("wi0"));
	run("ip addr add 2001:db8::7/64 dev wi0 nodad");
	assert_true(interface_has_address("wi0"));
}

static void ethernet_is_told_from_what_is_none(void **state)
{
	uint16_t arphrd = 0;

	(void)state;
	need_namespace(have_namespace);
	wire("wi0", "wi1", "");
	assert_true(interface_is_ethernet("wi0", &arphrd));
	assert_int_equal(arphrd, ARPHRD_ETHER);
	assert_true(interface_is_ethernet("lo", &arphrd));
	assert_int_equal(arphrd, ARPHRD_LOOPBACK);
	assert_false(interface_is_ethernet("wi7", &arphrd));
	if (system("ip tuntap add wit mode tun 2>/dev/null") == 0) {
		assert_false(interface_is_ethernet("wit", &arphrd));
		assert_int_equal(arphrd, ARPHRD_NONE);
		run("ip link del wit");
	}
}

#define CASE(name) cmocka_unit_test_teardown(name, cut)

static void one_without_rss_is_not_symmetric(void **state)
{
	(void)state;
	assert_false(interface_is_symmetric("lo"));
	assert_false(interface_is_symmetric("weir-none"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(an_interface_that_is_up_opens),
		CASE(closing_accepts_a_zeroed_one_and_one_that_is_closed),
		CASE(an_unknown_name_is_refused_with_the_names_there_are),
		CASE(an_interface_that_is_down_is_refused_with_the_remedy),
		CASE(a_missing_cable_does_not_prevent_opening),
		CASE(an_alternative_name_finds_it_too),
		CASE(promiscuous_mode_lasts_until_the_interface_is_closed),
		CASE(down_and_up_are_noticed_and_wake_the_poll),
		CASE(changes_of_other_interfaces_do_not_matter),
		CASE(a_removed_interface_is_gone_even_if_another_takes_its_name),
		CASE(one_that_is_asked_after_it_was_removed_is_gone),
		CASE(an_interface_moved_to_another_namespace_is_gone),
		CASE(leaving_a_bridge_is_not_being_removed),
		CASE(overflowing_news_are_made_up_for),
		CASE(losses_count_from_the_opening),
		CASE(statistics_are_asked_for_at_most_every_ten_milliseconds),
		CASE(what_was_lost_stays_known_when_the_interface_is_gone),
		CASE(queues_and_mtu_are_told),
		CASE(one_that_takes_tags_out_of_frames_says_so),
		CASE(an_address_that_this_host_uses_is_found),
		CASE(of_ipv6_only_a_global_address_counts),
		CASE(ethernet_is_told_from_what_is_none),
		CASE(one_without_rss_is_not_symmetric),
	};

	return cmocka_run_group_tests(tests, enter, NULL);
}
