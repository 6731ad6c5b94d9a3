/* Proves dpdk_kernel.h: a driver's sockets are found by being new, of their family and on their
 * interface, in order; what nobody counts is unknown and ends at once when stopped; and of a packet
 * socket of somebody else's the books close. net_af_xdp and net_tap: tests/e2e/dpdk.py.
 */
#include "veth.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <string.h>

#include "dataplane/rx/dpdk_kernel.h"

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
		wire_cut("wl0");
	return 0;
}

static int packet_socket_on(const char *interface)
{
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	assert_int_equal(packet_socket_bind(fd, (int)if_nametoindex(interface)), 0);
	return fd;
}

static void sockets_are_found_by_being_new_and_in_order(void **state)
{
	struct dpdk_fds before;
	int old, other, first, second, unbound, lo, wl0;

	(void)state;
	need_namespace(have_namespace);
	wire("wl0", "wl1", "");
	wl0 = (int)if_nametoindex("wl0");
	lo = (int)if_nametoindex("lo");
	old = packet_socket_on("wl0");
	dpdk_fds_note(&before);
	unbound = socket(AF_PACKET, SOCK_RAW, 0);
	other = packet_socket_on("lo");
	first = packet_socket_on("wl0");
	second = packet_socket_on("wl0");
	assert_int_equal(dpdk_fds_socket(&before, AF_PACKET, wl0, 0), first);
	assert_int_equal(dpdk_fds_socket(&before, AF_PACKET, wl0, 1), second);
	assert_int_equal(dpdk_fds_socket(&before, AF_PACKET, wl0, 2), -1);
	assert_int_equal(dpdk_fds_socket(&before, AF_PACKET, lo, 0), other);
	assert_int_equal(dpdk_fds_socket(&before, AF_XDP, 0, 0), -1);
	dpdk_fds_note(&before);
	assert_int_equal(dpdk_fds_socket(&before, AF_PACKET, wl0, 0), -1);
	close(old);
	close(unbound);
	close(other);
	close(first);
	close(second);
}

static void what_nobody_counts_is_unknown(void **state)
{
	struct dpdk_kernel k = { .who = DPDK_COUNTS_NOBODY };
	struct rx_counters c;

	(void)state;
	assert_int_equal(dpdk_kernel_room(&k, 17), 17);
	dpdk_kernel_pulled(&k, 17);
	dpdk_kernel_counters(&k, 0, &c);
	assert_true(c.offered == RX_UNKNOWN);
	assert_int_equal(c.received, 17);
	assert_int_equal(dpdk_kernel_wait_fd(&k), -1);
	assert_int_equal(dpdk_kernel_state(&k, false, NULL), RX_OPEN);
	dpdk_kernel_stop(&k);
	assert_int_equal(dpdk_kernel_state(&k, true, NULL), RX_OPEN);
	assert_int_equal(dpdk_kernel_state(&k, false, NULL), RX_END);
	dpdk_kernel_close(&k);
}

static void send_frames(const char *interface, int count)
{
	uint8_t frame[200] = { 2, 0, 0, 0, 0, 7, 2, 0, 0, 0, 0, 8, 0x88, 0xb5 };
	int fd = packet_socket_on(interface);

	for (int i = 0; i < count; i++)
		assert_int_equal(send(fd, frame, sizeof(frame), 0), sizeof(frame));
	close(fd);
}

/* The driver's part is played by whoever reads the socket: it has no room for all, and says
 * nothing. */
static void of_a_packet_socket_the_kernel_tells_what_was_lost(void **state)
{
	int small = 4096, fd;
	struct interface interface;
	struct dpdk_kernel k;
	struct rx_counters c;
	struct rx_error err;
	uint8_t frame[2048];
	uint32_t n = 0;

	(void)state;
	need_namespace(have_namespace);
	wire("wl0", "wl1", "");
	fd = packet_socket_on("wl0");
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
	assert_int_equal(interface_open(&interface, "wl0", false, &err), 0);
	dpdk_kernel_socket(&k, fd, &interface, true);
	assert_int_equal(dpdk_kernel_wait_fd(&k), fd);
	send_frames("wl1", 500);
	dpdk_kernel_stop(&k);
	while (dpdk_kernel_room(&k, 1) > 0 && recv(fd, frame, sizeof(frame), 0) > 0) {
		dpdk_kernel_pulled(&k, 1);
		n++;
	}
	dpdk_kernel_counters(&k, 0, &c);
	assert_int_equal(c.offered, 500);
	assert_int_equal(c.received, n);
	assert_int_equal(c.lost[RX_LOST_kernel_buffer], 500 - n);
	assert_in_range(n, 1, 499);
	assert_int_equal(dpdk_kernel_state(&k, false, NULL), RX_END);
	dpdk_kernel_close(&k);
	close(fd);
}

static void what_was_not_opened_can_be_closed(void **state)
{
	struct dpdk_kernel k = { 0 };

	(void)state;
	dpdk_kernel_close(&k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(sockets_are_found_by_being_new_and_in_order, cut),
		cmocka_unit_test(what_nobody_counts_is_unknown),
		cmocka_unit_test_teardown(of_a_packet_socket_the_kernel_tells_what_was_lost, cut),
		cmocka_unit_test(what_was_not_opened_can_be_closed),
	};
	return cmocka_run_group_tests(tests, enter, NULL);
}
