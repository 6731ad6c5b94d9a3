/* veth - a network namespace for the process, with a veth pair in it, and an ear at one end.
 *
 * out0 is where tests send, in0 where they listen. The namespace goes with the process.
 */
#ifndef TESTS_UNIT_CONTROL_SEND_VETH_H
#define TESTS_UNIT_CONTROL_SEND_VETH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "control/send/wire.h"

static bool veth_is_there;

static inline int veth_run(const char *command)
{
	return system(command);
}

/* veth_make - a group set-up. */
static inline int veth_make(void **state)
{
	(void)state;
	if (unshare(CLONE_NEWNET) < 0) {
		print_message("no network namespace can be made: root is needed\n");
		return 0;
	}
	(void)veth_run("echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6");
	veth_is_there = veth_run("ip link add out0 mtu 9000 type veth peer name in0 mtu 9000 && "
				 "ip link set out0 up && ip link set in0 up") == 0;
	if (!veth_is_there)
		print_message("no veth pair can be made here\n");
	return 0;
}

/* veth_wire - out0, or the test is skipped. */
static inline struct wire veth_wire(void)
{
	struct send_error err = { "" };
	struct wire w;

	if (!veth_is_there)
		skip();
	if (wire_find("out0", &w, &err) < 0)
		fail_msg("%s", err.text);
	return w;
}

/* ear_open - a socket that hears everything on in0. */
static inline int ear_open(void)
{
	struct sockaddr_ll at = { .sll_family = AF_PACKET,
				  .sll_protocol = htons(ETH_P_ALL),
				  .sll_ifindex = (int)if_nametoindex("in0") };
	struct timeval wait = { .tv_sec = 2 };
	int bytes = 64 << 20, fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));

	assert_true(fd >= 0);
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	return fd;
}

/* ear_hears - the next frame is this one. */
static inline void ear_hears(int fd, const uint8_t *bytes, uint32_t length)
{
	static uint8_t heard[1 << 16];

	assert_int_equal(recv(fd, heard, sizeof(heard), 0), length);
	assert_memory_equal(heard, bytes, length);
}

static inline void ear_hears_nothing(int fd)
{
	uint8_t heard[64];

	assert_true(recv(fd, heard, sizeof(heard), MSG_DONTWAIT) < 0);
}

#endif
