/* Proves dpdk_capture.h: every packet is seen once, a walk can be ended, files are measured, and
 * what is no capture, or damaged, is refused by name. */
#include "captures.h"

#include <errno.h>

#include "dataplane/rx/dpdk_capture.h"

static int count_packets(void *context, const struct packet *packet)
{
	uint64_t *n = context;

	assert_int_equal(packet->number, ++*n);
	return *n == 7 ? 1 : 0;
}

static void a_walk_ends_when_it_is_told_to(void **state)
{
	struct blob b = pcap_plain(1, 1000);
	struct held_file f = file_of(&b);
	struct rx_error err = { "" };
	uint64_t n = 0;

	(void)state;
	assert_int_equal(dpdk_capture_walk(f.path, count_packets, &n, &err), 1);
	assert_int_equal(n, 7);
	close(f.fd);
}

static void a_capture_is_measured(void **state)
{
	struct blob b = pcap_plain(1, 3000);
	struct held_file f = file_of(&b);
	struct dpdk_capture_size size = { 0 };
	struct rx_error err = { "" };
	uint64_t bytes = 0;

	(void)state;
	for (uint64_t i = 1; i <= 3000; i++)
		bytes += i * 131 % 1515;
	assert_int_equal(dpdk_capture_measure(f.path, &size, &err), 0);
	assert_int_equal(size.packets, 3000);
	assert_int_equal(size.bytes, bytes);
	assert_int_equal(size.longest_bytes, 1514);
	close(f.fd);
}

static void an_empty_capture_has_no_packets(void **state)
{
	struct blob b = pcap_plain(1, 0);
	struct held_file f = file_of(&b);
	struct dpdk_capture_size size = { .packets = 5 };
	struct rx_error err = { "" };

	(void)state;
	assert_int_equal(dpdk_capture_measure(f.path, &size, &err), 0);
	assert_int_equal(size.packets, 0);
	close(f.fd);
}

static void what_cannot_be_read_is_refused_by_name(void **state)
{
	struct dpdk_capture_size size = { .packets = 5 };
	struct held_file text = file_of_bytes("this is no capture, is it? no", 29);
	struct blob b = pcap_plain(1, 100);
	struct rx_error err = { "" };
	struct held_file damaged;

	(void)state;
	b.bytes -= 7;
	damaged = file_of(&b);
	assert_int_equal(dpdk_capture_measure("/nonexistent/a.pcap", &size, &err), -ENOENT);
	assert_non_null(strstr(err.text, "/nonexistent/a.pcap"));
	assert_int_equal(dpdk_capture_measure(text.path, &size, &err), -ENOTSUP);
	assert_non_null(strstr(err.text, text.path));
	assert_int_equal(dpdk_capture_measure(damaged.path, &size, &err), -EIO);
	assert_non_null(strstr(err.text, damaged.path));
	assert_int_equal(size.packets, 5);
	close(text.fd);
	close(damaged.fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_walk_ends_when_it_is_told_to),
		cmocka_unit_test(a_capture_is_measured),
		cmocka_unit_test(an_empty_capture_has_no_packets),
		cmocka_unit_test(what_cannot_be_read_is_refused_by_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
