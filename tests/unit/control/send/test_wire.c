/* wire - Promises:
 * - an interface that is up is found, with its index and MTU;
 * - one that is not there, is down, has no carrier or carries no Ethernet is refused, with a
 *   sentence that names it and the remedy, and nothing is written;
 * - a frame is taken up to the MTU behind its header, an 802.1Q tag more, and not without a header.
 */
#include <errno.h>

#include "tests/unit/control/send/veth.h"

static void refused(const char *name, int code, const char *word)
{
	struct send_error err = { "" };
	struct wire w = { .name = "untouched" };

	assert_int_equal(wire_find(name, &w, &err), code);
	assert_string_equal(w.name, "untouched");
	if (strstr(err.text, word) == NULL)
		fail_msg("no \"%s\" in: %s", word, err.text);
}

static void an_interface_that_is_up_is_found(void **state)
{
	struct wire w = veth_wire();

	(void)state;
	assert_string_equal(w.name, "out0");
	assert_int_equal(w.index, if_nametoindex("out0"));
	assert_int_equal(w.mtu_bytes, 9000);
}

static void what_is_not_there_is_refused(void **state)
{
	(void)state;
	refused("", -ENODEV, "no such interface");
	refused("nothere0", -ENODEV, "nothere0: there is no such interface; there are: lo");
	refused("fifteen-bytes-x", -ENODEV, "no such interface");
	refused("a-name-too-long-for-any-interface", -ENODEV, "no such interface");
}

static void what_is_down_is_refused(void **state)
{
	(void)state;
	(void)veth_wire();
	refused("lo", -ENETDOWN, "ip link set lo up");
	assert_int_equal(veth_run("ip link set in0 down"), 0);
	refused("out0", -ENETDOWN, "no carrier");
	assert_int_equal(veth_run("ip link set in0 up"), 0);
	(void)veth_wire();
}

static void what_carries_no_ethernet_is_refused(void **state)
{
	(void)state;
	(void)veth_wire();
	if (veth_run("ip tuntap add tun0 mode tun 2>/dev/null && ip link set tun0 up") != 0) {
		print_message("no tun interface can be made here\n");
		skip();
	}
	refused("tun0", -ENOTSUP, "tun0 carries no Ethernet");
}

static void frames_are_taken_up_to_the_mtu(void **state)
{
	const struct wire w = { .mtu_bytes = 1500 };
	uint8_t frame[1600] = { 0 };

	(void)state;
	assert_false(wire_takes(&w, frame, 0));
	assert_false(wire_takes(&w, frame, 13));
	assert_true(wire_takes(&w, frame, 14));
	assert_true(wire_takes(&w, frame, 1514));
	assert_false(wire_takes(&w, frame, 1515));
	frame[12] = 0x81;
	assert_true(wire_takes(&w, frame, 1518));
	assert_false(wire_takes(&w, frame, 1519));
	frame[12] = 0x88; /* 802.1ad: the kernel allows nothing more for it */
	frame[13] = 0xa8;
	assert_false(wire_takes(&w, frame, 1515));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_interface_that_is_up_is_found),
		cmocka_unit_test(what_is_not_there_is_refused),
		cmocka_unit_test(what_is_down_is_refused),
		cmocka_unit_test(what_carries_no_ethernet_is_refused),
		cmocka_unit_test(frames_are_taken_up_to_the_mtu),
	};

	return cmocka_run_group_tests(tests, veth_make, NULL);
}
