/* Proves of the program on an interface: it is there once however many ports use it, counts what it
 * passes, is gone with its last queue or its last user, and what stands in its way is named. */
#include "veth.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "dataplane/rx/af_xdp_program.h"

static bool have;

static int group_set_up(void **state)
{
	(void)state;
	have = own_namespace();
	return 0;
}

static int set_up(void **state)
{
	(void)state;
	if (have)
		wire("tap0", "far0", "");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	if (have)
		wire_cut("tap0");
	return 0;
}

static uint32_t attached(void)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, q);

	assert_int_equal(bpf_xdp_query((int)if_nametoindex("tap0"), 0, &q), 0);
	return q.prog_id != 0 ? q.prog_id : q.drv_prog_id != 0 ? q.drv_prog_id : q.skb_prog_id;
}

static struct af_xdp_program_how how_default(void)
{
	return (struct af_xdp_program_how){
		.interface = "tap0",
		.ifindex = (int)if_nametoindex("tap0"),
		.queues = 1,
		.members = 1,
		.workers = 1,
		.native = true,
	};
}

static struct af_xdp_program *open_program(const struct af_xdp_program_how *how)
{
	struct rx_error err;
	struct af_xdp_program *p;

	if (af_xdp_program_open(how, &p, &err) != 0)
		fail_msg("%s", err.text);
	return p;
}

static void send_frames(uint32_t count)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET,
				  .sll_ifindex = (int)if_nametoindex("far0") };
	const uint8_t frame[60] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, 0xb5 };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	for (uint32_t i = 0; i < count; i++)
		assert_int_equal(
			sendto(fd, frame, sizeof(frame), 0, (struct sockaddr *)&to, sizeof(to)),
			sizeof(frame));
	close(fd);
	nap_ms(20);
}

/* send_frames_by - a UDP packet from this port: the hash over it chooses the queue. */
static void send_frames_by(const char *name, uint16_t port)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET,
				  .sll_ifindex = (int)if_nametoindex(name) };
	uint8_t frame[60] = { 2,  0, 0, 0, 0, 1,  2,  0, 0, 0,  0, 2, 8, 0,  0x45, 0, 0,
			      46, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0,    0, 2 };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	frame[34] = (uint8_t)(port >> 8);
	frame[35] = (uint8_t)port;
	frame[37] = 9;
	frame[39] = 26;
	to.sll_protocol = htons(0x0800);
	assert_int_equal(sendto(fd, frame, sizeof(frame), 0, (struct sockaddr *)&to, sizeof(to)),
			 sizeof(frame));
	close(fd);
}

static void the_mode_is_what_was_asked_for(void **state)
{
	(void)state;
	need_namespace(have);
	for (int native = 0; native < 2; native++) {
		struct af_xdp_program_how how = how_default();
		struct af_xdp_program_about about;
		struct af_xdp_program *p;

		how.native = native;
		how.frags = native;
		p = open_program(&how);
		af_xdp_program_about(p, &about);
		assert_int_equal(about.native, native);
		assert_int_equal(about.frags, native);
		assert_false(about.filters);
		assert_string_equal(about.filter, "");
		af_xdp_program_close(p);
	}
}

static void ports_of_one_interface_find_one_program(void **state)
{
	struct af_xdp_program_how how;
	struct af_xdp_program *p;
	uint32_t id;

	(void)state;
	need_namespace(have);
	how = how_default();
	assert_null(af_xdp_program_find(how.ifindex));
	p = open_program(&how);
	id = attached();
	assert_ptr_equal(af_xdp_program_find(how.ifindex), p);
	assert_null(af_xdp_program_find(how.ifindex + 1000));
	af_xdp_program_close(p);
	assert_int_equal(attached(), id);
	af_xdp_program_close(p);
	assert_int_equal(attached(), 0);
	assert_null(af_xdp_program_find(how.ifindex));
	af_xdp_program_close(NULL);
}

static void frames_of_a_queue_that_is_not_open_pass_and_are_counted_so(void **state)
{
	struct af_xdp_program_how how;
	struct af_xdp_program *p;
	struct steer_counts c;

	(void)state;
	need_namespace(have);
	how = how_default();
	p = open_program(&how);
	send_frames(10);
	af_xdp_program_counts(p, 0, &c);
	assert_int_equal(c.passed, 10);
	assert_int_equal(c.seen, 0);
	assert_int_equal(af_xdp_program_socket(p, 0), -1);
	/* Not connected: there is nothing to disconnect. */
	af_xdp_program_disconnect(p, 0);
	assert_true(attached() != 0);
	af_xdp_program_close(p);
}

/* Told of one queue, on an interface with two: as if the second had come later. */
static void frames_of_queues_that_came_later_are_counted_apart(void **state)
{
	struct af_xdp_program_how how;
	struct af_xdp_program *p;
	struct steer_counts first, later;

	(void)state;
	need_namespace(have);
	wire_cut("tap0");
	wire("tap0", "far0", "numrxqueues 2 numtxqueues 2");
	how = how_default();
	p = open_program(&how);
	for (int i = 0; i < 40; i++)
		send_frames_by("far0", (uint16_t)i);
	nap_ms(20);
	af_xdp_program_counts(p, 0, &first);
	af_xdp_program_counts(p, af_xdp_program_slots(p), &later);
	assert_true(first.passed > 0 && later.passed > 0);
	assert_int_equal(first.passed + later.passed, 40);
	af_xdp_program_close(p);
}

static void what_is_no_socket_cannot_be_connected(void **state)
{
	struct rx_error err = { "" };
	struct af_xdp_program_how how;
	struct af_xdp_program *p;

	(void)state;
	need_namespace(have);
	how = how_default();
	p = open_program(&how);
	assert_true(af_xdp_program_connect(p, 0, STDERR_FILENO, 1500, &err) < 0);
	assert_non_null(strstr(err.text, "cannot be put into"));
	assert_int_equal(af_xdp_program_socket(p, 0), -1);
	af_xdp_program_close(p);
}

static void a_filter_in_front_counts_what_it_refuses(void **state)
{
	(void)state;
	need_namespace(have);
	for (int frags = 0; frags < 2; frags++) {
		struct af_xdp_program_how how = how_default();
		struct af_xdp_program_about about;
		struct af_xdp_program *p;
		struct steer_counts c;

		how.filter = "ip";
		how.drop = how.frags = frags;
		p = open_program(&how);
		af_xdp_program_about(p, &about);
		assert_true(about.filters);
		assert_int_equal(about.drops, frags);
		send_frames(10);
		af_xdp_program_counts(p, 0, &c);
		assert_int_equal(af_xdp_program_refused(p), 10);
		assert_int_equal(c.passed, 0);
		af_xdp_program_close(p);
		how.filter = "ether proto 0x88b5";
		p = open_program(&how);
		send_frames(10);
		af_xdp_program_counts(p, 0, &c);
		assert_int_equal(af_xdp_program_refused(p), 0);
		assert_int_equal(c.passed, 10);
		af_xdp_program_close(p);
	}
}

static void somebody_elses_program_is_told_by_name_and_id(void **state)
{
	const struct bpf_insn pass[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_PASS },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	struct rx_error err = { "" };
	struct af_xdp_program_how how;
	struct af_xdp_program *p;
	char id[16];
	int fd;

	(void)state;
	need_namespace(have);
	how = how_default();
	assert_int_equal(af_xdp_program_foreign("tap0", how.ifindex, &err), 0);
	fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "theirs", "GPL", pass, 2, NULL);
	assert_true(fd >= 0);
	assert_int_equal(bpf_xdp_attach(how.ifindex, fd, XDP_FLAGS_DRV_MODE, NULL), 0);
	snprintf(id, sizeof(id), "id %u", attached());
	assert_int_equal(af_xdp_program_open(&how, &p, &err), -EBUSY);
	assert_non_null(strstr(err.text, id));
	assert_non_null(strstr(err.text, "\"theirs\""));
	assert_int_equal(af_xdp_program_foreign("tap0", how.ifindex, &err), -EBUSY);
	assert_true(attached() != 0);
	close(fd);
}

static void an_interface_that_is_not_there_is_refused(void **state)
{
	struct rx_error err = { "" };
	struct af_xdp_program_how how;
	struct af_xdp_program *p;

	(void)state;
	need_namespace(have);
	how = how_default();
	how.ifindex = 9999;
	assert_true(af_xdp_program_open(&how, &p, &err) < 0);
	assert_non_null(strstr(err.text, "cannot be attached"));
	assert_null(af_xdp_program_find(9999));
}

#define ON_A_WIRE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_A_WIRE(the_mode_is_what_was_asked_for),
		ON_A_WIRE(ports_of_one_interface_find_one_program),
		ON_A_WIRE(frames_of_a_queue_that_is_not_open_pass_and_are_counted_so),
		ON_A_WIRE(frames_of_queues_that_came_later_are_counted_apart),
		ON_A_WIRE(what_is_no_socket_cannot_be_connected),
		ON_A_WIRE(a_filter_in_front_counts_what_it_refuses),
		ON_A_WIRE(somebody_elses_program_is_told_by_name_and_id),
		ON_A_WIRE(an_interface_that_is_not_there_is_refused),
	};

	return cmocka_run_group_tests(tests, group_set_up, NULL);
}
