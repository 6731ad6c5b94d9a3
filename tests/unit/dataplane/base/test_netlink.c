/* Proves that an answer of several messages is taken whole, that the kernel's errors and its own
 * words come back, that what is left of an answer that was given up is not taken for the next,
 * and that what no kernel sends is an error, not a crash. */
#include "dataplane/base/netlink.h"

#include <errno.h>
#include <linux/genetlink.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "tests/support/recorded.h"

static struct recorded kernel;
static struct netlink line;
static _Alignas(struct nlmsghdr) uint8_t buffer[NETLINK_REQUEST_BYTES];

static int begin(void **state)
{
	struct netlink_wire wire;

	(void)state;
	memset(&kernel, 0, sizeof(kernel));
	wire = recorded_wire(&kernel);
	netlink_on(&line, &wire);
	return 0;
}

static int count(const struct nlmsghdr *message, void *context)
{
	(void)message;
	++*(int *)context;
	return 0;
}

static int refuse(const struct nlmsghdr *message, void *context)
{
	(void)message;
	++*(int *)context;
	return -E2BIG;
}

static struct nlmsghdr *request(void)
{
	return netlink_generic(buffer, 77, 5);
}

static void a_request_asks_for_its_end(void **state)
{
	struct nlmsghdr sent;

	(void)state;
	recorded_end(&kernel, 0);
	assert_int_equal(netlink_ask(&line, request(), NULL, NULL), 0);
	memcpy(&sent, kernel.request, sizeof(sent));
	assert_int_equal(sent.nlmsg_type, 77);
	assert_int_equal(sent.nlmsg_flags, NLM_F_REQUEST | NLM_F_ACK);
	assert_int_equal(sent.nlmsg_len, kernel.request_bytes);
	assert_memory_equal(kernel.request + sizeof(sent), "\5\1\0\0", 4);
}

static void every_message_of_a_dump_is_taken(void **state)
{
	struct nlmsghdr *r = request(), sent;
	int32_t fine = 0;
	int seen = 0;

	(void)state;
	for (int i = 0; i < 5; i++)
		recorded_answer(&kernel, 77, NLM_F_MULTI, "\1\1\0\0", 4);
	recorded_answer(&kernel, NLMSG_DONE, NLM_F_MULTI, &fine, sizeof(fine));
	r->nlmsg_flags = NLM_F_DUMP;
	assert_int_equal(netlink_ask(&line, r, count, &seen), 0);
	assert_int_equal(seen, 5);
	memcpy(&sent, kernel.request, sizeof(sent));
	assert_int_equal(sent.nlmsg_flags, NLM_F_REQUEST | NLM_F_DUMP);
}

static void a_dump_that_fails_on_the_way_is_an_error(void **state)
{
	struct nlmsghdr *r = request();
	int32_t code = -ENOMEM;
	int seen = 0;

	(void)state;
	recorded_answer(&kernel, 77, NLM_F_MULTI, "\1\1\0\0", 4);
	recorded_answer(&kernel, NLMSG_DONE, NLM_F_MULTI, &code, sizeof(code));
	r->nlmsg_flags = NLM_F_DUMP;
	assert_int_equal(netlink_ask(&line, r, count, &seen), -ENOMEM);
}

static void the_kernels_error_comes_back(void **state)
{
	(void)state;
	recorded_end(&kernel, -EPERM);
	assert_int_equal(netlink_ask(&line, request(), NULL, NULL), -EPERM);
	assert_string_equal(line.reason, "");
}

static void the_kernels_words_come_back(void **state)
{
	struct {
		struct nlmsgerr error;
		uint8_t attribute[24];
	} said = { { .error = -EINVAL } };

	(void)state;
	said.error.msg.nlmsg_len = sizeof(struct nlmsghdr);
	memcpy(said.attribute, "\27\0\1\0bit name not found\0", 23);
	recorded_answer(&kernel, NLMSG_ERROR, NLM_F_ACK_TLVS | NLM_F_CAPPED, &said, sizeof(said));
	assert_int_equal(netlink_ask(&line, request(), NULL, NULL), -EINVAL);
	assert_string_equal(line.reason, "bit name not found");
	/* The words are those of the last error. */
	recorded_end(&kernel, -EPERM);
	assert_int_equal(netlink_ask(&line, request(), NULL, NULL), -EPERM);
	assert_string_equal(line.reason, "");
}

static void words_that_lie_about_their_length_are_not_read(void **state)
{
	struct {
		struct nlmsgerr error;
		uint8_t attribute[8];
	} said = { { .error = -EINVAL } };

	(void)state;
	said.error.msg.nlmsg_len = 4096; /* more than is there */
	memcpy(said.attribute, "\377\377\1\0abc", 8);
	recorded_answer(&kernel, NLMSG_ERROR, NLM_F_ACK_TLVS, &said, sizeof(said));
	assert_int_equal(netlink_ask(&line, request(), NULL, NULL), -EINVAL);
	recorded_answer(&kernel, NLMSG_ERROR, NLM_F_ACK_TLVS | NLM_F_CAPPED, &said, sizeof(said));
	assert_int_equal(netlink_ask(&line, request(), NULL, NULL), -EINVAL);
	assert_string_equal(line.reason, "");
}

static void a_taker_that_refuses_is_asked_no_more_but_the_answer_is_read(void **state)
{
	int seen = 0;

	(void)state;
	recorded_answer(&kernel, 77, 0, "\1\1\0\0", 4);
	recorded_answer(&kernel, 77, 0, "\1\1\0\0", 4);
	recorded_end(&kernel, 0);
	assert_int_equal(netlink_ask(&line, request(), refuse, &seen), -E2BIG);
	assert_int_equal(seen, 1);
	assert_int_equal(kernel.next, 3);
}

static void what_no_kernel_sends_is_an_error(void **state)
{
	(void)state;
	recorded_answer(&kernel, NLMSG_ERROR, 0, "\0", 1);
	assert_int_equal(netlink_ask(&line, request(), NULL, NULL), -EPROTO);
	/* Shorter than a header; and nothing at all. */
	recorded_answer(&kernel, 77, 0, NULL, 0);
	kernel.bytes[kernel.count - 1] = 7;
	assert_true(netlink_ask(&line, request(), NULL, NULL) < 0);
	recorded_answer(&kernel, 77, 0, NULL, 0);
	kernel.bytes[kernel.count - 1] = 0;
	assert_int_equal(netlink_ask(&line, request(), NULL, NULL), -EPROTO);
}

static void a_line_that_breaks_says_why(void **state)
{
	(void)state;
	assert_int_equal(netlink_ask(&line, request(), NULL, NULL), -EIO);
}

static void a_family_has_its_number(void **state)
{
	uint16_t id = 0;

	(void)state;
	recorded_generic(&kernel, GENL_ID_CTRL, CTRL_CMD_NEWFAMILY,
			 "\14\0\2\0ethtool\0\6\0\1\0\25\0\0\0", 20);
	recorded_end(&kernel, 0);
	assert_int_equal(netlink_family(&line, "ethtool", &id), 0);
	assert_int_equal(id, 21);
	/* Asked for by its name. */
	assert_memory_equal(kernel.request + 16, "\3\1\0\0\14\0\2\0ethtool\0", 16);
}

static void an_unknown_family_is_said(void **state)
{
	uint16_t id = 9;

	(void)state;
	recorded_end(&kernel, -ENOENT);
	assert_int_equal(netlink_family(&line, "netdev", &id), -ENOENT);
	recorded_generic(&kernel, GENL_ID_CTRL, CTRL_CMD_NEWFAMILY, "", 0);
	recorded_end(&kernel, 0);
	assert_int_equal(netlink_family(&line, "netdev", &id), -EPROTO);
	assert_int_equal(id, 9);
}

static void a_real_kernel_knows_its_controller(void **state)
{
	struct netlink real;
	uint16_t id = 0;

	(void)state;
	assert_int_equal(netlink_open(&real, NETLINK_GENERIC), 0);
	assert_int_equal(netlink_family(&real, "nlctrl", &id), 0);
	assert_int_equal(id, GENL_ID_CTRL);
	assert_int_equal(netlink_family(&real, "weir-has-none", &id), -ENOENT);
	netlink_close(&real);
}

static void an_answer_that_was_given_up_is_not_the_next_one(void **state)
{
	struct netlink real;
	struct nlmsghdr *r;
	int links = 0;

	(void)state;
	assert_int_equal(netlink_open(&real, NETLINK_ROUTE), 0);
	for (int i = 0; i < 2; i++) {
		memset(buffer, 0, 64);
		r = (struct nlmsghdr *)(void *)buffer;
		r->nlmsg_len = NLMSG_LENGTH(sizeof(struct ifinfomsg));
		r->nlmsg_type = RTM_GETLINK;
		r->nlmsg_flags = NLM_F_DUMP;
		links = 0;
		if (i == 0)
			/* Sent, and nobody reads the answer. */
			assert_true(real.wire.send(real.wire.context, r, r->nlmsg_len) > 0);
		else
			assert_int_equal(netlink_ask(&real, r, count, &links), 0);
		if (i == 0)
			r->nlmsg_flags |= NLM_F_REQUEST;
	}
	assert_true(links > 0);
	netlink_close(&real);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_request_asks_for_its_end, begin),
		cmocka_unit_test_setup(every_message_of_a_dump_is_taken, begin),
		cmocka_unit_test_setup(a_dump_that_fails_on_the_way_is_an_error, begin),
		cmocka_unit_test_setup(the_kernels_error_comes_back, begin),
		cmocka_unit_test_setup(the_kernels_words_come_back, begin),
		cmocka_unit_test_setup(words_that_lie_about_their_length_are_not_read, begin),
		cmocka_unit_test_setup(a_taker_that_refuses_is_asked_no_more_but_the_answer_is_read,
				       begin),
		cmocka_unit_test_setup(what_no_kernel_sends_is_an_error, begin),
		cmocka_unit_test_setup(a_line_that_breaks_says_why, begin),
		cmocka_unit_test_setup(a_family_has_its_number, begin),
		cmocka_unit_test_setup(an_unknown_family_is_said, begin),
		cmocka_unit_test_setup(a_real_kernel_knows_its_controller, begin),
		cmocka_unit_test_setup(an_answer_that_was_given_up_is_not_the_next_one, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
