/* Proves that the kernel, by the program, names the worker that flow_key_spread() names: for every
 * kind of header that decode walks to the ports, in both directions of the flow, for frames that
 * come in and that go out, and whatever part of a frame the driver has put elsewhere. And that what
 * the program cannot read comes to the first worker, and not to nobody.
 */
#include "dataplane/rx/fanout.h"

#include "veth.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "dataplane/base/bytes.h"
#include "dataplane/base/compiler.h"
#include "dataplane/flow/key.h"

enum { WORKERS = 5, VARIANTS = 12, CASES_MAX = 1024, FRAME_MAX = 400 };

static const struct spread factors = { 0x9e3779b1, 0x85ebca77 };

/* A frame, and the worker that it belongs to. Its number lies in the address of the sender. */
struct made {
	uint8_t frame[FRAME_MAX];
	uint32_t bytes, worker;
};

static bool have_namespace;
static struct made made[CASES_MAX];
static uint32_t made_count;

static int enter(void **state)
{
	(void)state;
	have_namespace = own_namespace();
	return 0;
}

static int leave(void **state)
{
	(void)state;
	if (have_namespace)
		wire_cut("wl0");
	return 0;
}

/* ---- frames ---- */

static void add(struct made *m, const void *bytes, uint32_t count)
{
	memcpy(m->frame + m->bytes, bytes, count);
	m->bytes += count;
}

static void add_16(struct made *m, uint16_t number)
{
	uint16_t n = htons(number);

	add(m, &n, 2);
}

static struct made *begin(void)
{
	struct made *m = &made[made_count];
	uint8_t addresses[12] = { 2, 0, 0, 0, 0, 0x77, 2, 0, 0, 0 };

	assert_true(made_count < CASES_MAX);
	addresses[10] = (uint8_t)(made_count >> 8);
	addresses[11] = (uint8_t)made_count;
	made_count++;
	m->bytes = 0;
	add(m, addresses, sizeof(addresses));
	return m;
}

struct ends {
	struct flow_key key;
	bool answer;
};

/* By the key as decode would make it; the second of two is the answer to the first. */
static struct ends ends_of(uint32_t variant, bool v6, bool with_ports)
{
	uint32_t n = variant / 2 * 2654435761u;
	struct ends e = { .answer = variant % 2 == 1 };

	for (int i = 0; i < 2; i++) {
		uint8_t *a = e.key.address[i];

		if (v6)
			for (int b = 0; b < 16; b++)
				a[b] = (uint8_t)(n >> (b * 5 % 24)) + (uint8_t)(i * 31 + b);
		else
			memcpy(a,
			       (uint8_t[]){ 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10,
					    (uint8_t)(n >> 8), (uint8_t)(n >> 16),
					    (uint8_t)(1 + i) },
			       16);
		e.key.port[i] = (uint16_t)(with_ports ? n >> (8 * i) | 1 : 0);
	}
	return e;
}

static void belongs(struct made *m, const struct ends *e)
{
	m->worker = flow_key_spread(&e->key, factors) % WORKERS;
}

static void add_addresses(struct made *m, const struct ends *e, bool v6)
{
	uint32_t from = v6 ? 0 : 12;

	add(m, e->key.address[e->answer] + from, 16 - from);
	add(m, e->key.address[!e->answer] + from, 16 - from);
}

static void add_ports(struct made *m, uint16_t a, uint16_t b)
{
	static const uint8_t rest[40];

	add_16(m, a);
	add_16(m, b);
	add(m, rest, sizeof(rest));
}

/* `fragment`: the field of flags and offset. */
static void add_ip4(struct made *m, const struct ends *e, uint32_t options, uint8_t protocol,
		    uint16_t fragment)
{
	static const uint8_t none[40];

	add(m, (uint8_t[]){ (uint8_t)(0x45 + options / 4), 0 }, 2);
	add_16(m, (uint16_t)(20 + options + 44));
	add_16(m, 7);
	add_16(m, fragment);
	add(m, (uint8_t[]){ 64, protocol, 0, 0 }, 4);
	add_addresses(m, e, false);
	add(m, none, options);
	/* Where they do not count they are something else, which must not be taken for them. */
	add_ports(m, e->key.port[0] != 0 ? e->key.port[e->answer] : 0x1234,
		  e->key.port[0] != 0 ? e->key.port[!e->answer] : 0x4321);
}

static void ip4(const uint16_t *tags, uint32_t tag_count, uint32_t options, uint8_t protocol,
		uint16_t fragment)
{
	bool with_ports = (protocol == IPPROTO_TCP || protocol == IPPROTO_UDP) &&
			  (fragment & 0x3fff) == 0;

	for (uint32_t v = 0; v < VARIANTS; v++) {
		struct ends e = ends_of(v, false, with_ports);
		struct made *m = begin();

		for (uint32_t i = 0; i < tag_count; i++) {
			add_16(m, tags[i]);
			add_16(m, (uint16_t)(100 + i));
		}
		add_16(m, ETH_P_IP);
		add_ip4(m, &e, options, protocol, fragment);
		belongs(m, &e);
	}
}

/* `chain`: extension headers, each of 16 bytes but the fragment's, up to one that is none. */
static void ip6(const uint8_t *chain, uint16_t fragment, bool tagged)
{
	uint32_t last = 0;

	while (chain[last] != IPPROTO_TCP && chain[last] != IPPROTO_UDP &&
	       chain[last] != IPPROTO_ICMPV6)
		last++;
	for (uint32_t v = 0; v < VARIANTS; v++) {
		struct ends e = ends_of(v, true, chain[last] != IPPROTO_ICMPV6 && fragment == 0);
		struct made *m = begin();

		if (tagged) {
			add_16(m, ETH_P_8021Q);
			add_16(m, 5);
		}
		add_16(m, ETH_P_IPV6);
		add(m, (uint8_t[]){ 0x60, 0, 0, 0, 0, 200, chain[0], 64 }, 8);
		add_addresses(m, &e, true);
		for (uint32_t i = 0; i < last; i++) {
			uint8_t head[16] = { chain[i + 1], chain[i] == IPPROTO_AH ? 2 : 1 };

			if (chain[i] == IPPROTO_FRAGMENT) {
				head[1] = 0;
				memcpy(head + 2, &(uint16_t){ htons(fragment) }, 2);
			}
			add(m, head, chain[i] == IPPROTO_FRAGMENT ? 8 : 16);
		}
		add_ports(m, e.key.port[0] != 0 ? e.key.port[e.answer] : 0x1234,
			  e.key.port[0] != 0 ? e.key.port[!e.answer] : 0x4321);
		belongs(m, &e);
	}
}

static void make_readable(void)
{
	static const uint16_t tags[] = { 0x88a8, 0x8100, 0x8100, 0x9100 };

	made_count = 0;
	ip4(NULL, 0, 0, IPPROTO_TCP, 0);
	ip4(NULL, 0, 0, IPPROTO_UDP, 0x4000);
	ip4(NULL, 0, 12, IPPROTO_TCP, 0);
	ip4(NULL, 0, 40, IPPROTO_UDP, 0);
	ip4(NULL, 0, 0, IPPROTO_GRE, 0);
	ip4(NULL, 0, 0, IPPROTO_TCP, 0x2000);
	ip4(NULL, 0, 8, IPPROTO_UDP, 0x00b9);
	ip4(tags + 1, 1, 0, IPPROTO_TCP, 0);
	ip4(tags, 1, 0, IPPROTO_TCP, 0);
	ip4(tags, 2, 4, IPPROTO_UDP, 0);
	ip4(tags, 4, 0, IPPROTO_TCP, 0);
	ip4(tags, 2, 0, IPPROTO_TCP, 0x2001);
	ip6((uint8_t[]){ IPPROTO_TCP }, 0, false);
	ip6((uint8_t[]){ IPPROTO_UDP }, 0, true);
	ip6((uint8_t[]){ IPPROTO_ICMPV6 }, 0, false);
	ip6((uint8_t[]){ IPPROTO_HOPOPTS, IPPROTO_TCP }, 0, false);
	ip6((uint8_t[]){ IPPROTO_HOPOPTS, IPPROTO_DSTOPTS, IPPROTO_ROUTING, IPPROTO_AH,
			 IPPROTO_DSTOPTS, IPPROTO_UDP },
	    0, true);
	ip6((uint8_t[]){ IPPROTO_FRAGMENT, IPPROTO_TCP }, 0, false);
	ip6((uint8_t[]){ IPPROTO_FRAGMENT, IPPROTO_TCP }, 1, false);
	ip6((uint8_t[]){ IPPROTO_HOPOPTS, IPPROTO_FRAGMENT, IPPROTO_UDP }, 0x0100, true);
}

/* What is no IP, or ends before its ports. */
static void make_unreadable(void)
{
	made_count = 0;
	for (uint32_t bytes = 0; bytes < 24; bytes++) {
		struct made *m = begin();
		struct ends e = ends_of(bytes, false, true);

		add_16(m, ETH_P_IP);
		add_ip4(m, &e, 0, IPPROTO_TCP, 0);
		m->bytes = 14 + bytes;
		m->worker = 0;
	}
	for (uint32_t bytes = 0; bytes < 5; bytes++) {
		struct made *m = begin();

		add_16(m, 0x8847);
		add_ports(m, 1, 2);
		m->bytes = 14 + bytes;
		m->worker = 0;
	}
}

/* ---- sockets ---- */

static int packet_socket(const char *interface, uint16_t protocol)
{
	struct sockaddr_ll at = { .sll_family = AF_PACKET,
				  .sll_protocol = htons(protocol),
				  .sll_ifindex = (int)if_nametoindex(interface) };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	return fd;
}

static void join(int fd[WORKERS])
{
	for (uint32_t w = 0; w < WORKERS; w++) {
		struct rx_open how = { .worker = w, .workers = WORKERS, .spread = factors };
		uint8_t spread = RX_SPREAD_ANY;

		fd[w] = packet_socket("wl0", ETH_P_ALL);
		assert_int_equal(
			fanout_join(fd[w], (int)if_nametoindex("wl0"), true, &how, &spread), 0);
		assert_int_equal(spread, RX_SPREAD_OWN);
	}
}

static void leave_group(int fd[WORKERS])
{
	for (uint32_t w = 0; w < WORKERS; w++)
		close(fd[w]);
}

static void send_made(const char *interface)
{
	int fd = packet_socket(interface, 0);

	for (uint32_t i = 0; i < made_count; i++)
		assert_int_equal(send(fd, made[i].frame, made[i].bytes, 0), made[i].bytes);
	close(fd);
}

/* send_apart - through a ring, from which the kernel takes only the Ethernet header into the frame
 * and leaves the rest where it lies. */
static void send_apart(const char *interface)
{
	struct tpacket_req ring = { .tp_block_size = 4096,
				    .tp_block_nr = CASES_MAX / 2,
				    .tp_frame_size = 2048,
				    .tp_frame_nr = CASES_MAX };
	int fd = packet_socket(interface, 0), version = TPACKET_V2;
	uint8_t *at;

	assert_int_equal(setsockopt(fd, SOL_PACKET, PACKET_VERSION, &version, sizeof(version)), 0);
	assert_int_equal(setsockopt(fd, SOL_PACKET, PACKET_TX_RING, &ring, sizeof(ring)), 0);
	at = mmap(NULL, CASES_MAX * 2048, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(at != MAP_FAILED);
	for (uint32_t i = 0; i < made_count; i++) {
		struct tpacket2_hdr *h = (struct tpacket2_hdr *)(void *)(at + (size_t)i * 2048);

		memcpy((uint8_t *)h + sizeof(*h), made[i].frame, made[i].bytes);
		h->tp_len = made[i].bytes;
		h->tp_status = TP_STATUS_SEND_REQUEST;
	}
	assert_true(send(fd, NULL, 0, 0) > 0);
	munmap(at, CASES_MAX * 2048);
	close(fd);
}

/* Every frame came once, to the worker that it belongs to. */
static void each_came_to_its_worker(int fd[WORKERS])
{
	static uint32_t came[CASES_MAX];
	uint8_t frame[FRAME_MAX];
	bool used[WORKERS] = { false };

	memset(came, 0, sizeof(came));
	for (uint32_t w = 0; w < WORKERS; w++)
		while (recv(fd[w], frame, sizeof(frame), 0) >= 14) {
			uint32_t n = (uint32_t)frame[10] << 8 | frame[11];

			if (frame[5] != 0x77)
				continue;
			assert_true(n < made_count);
			if (made[n].worker != w)
				fail_msg("frame %u came to worker %u and is worker %u's", n, w,
					 made[n].worker);
			came[n]++;
			used[w] = true;
		}
	for (uint32_t i = 0; i < made_count; i++)
		assert_int_equal(came[i], 1);
	for (uint32_t w = 0; w < WORKERS && made_count > 200; w++)
		assert_true(used[w]);
}

/* ---- tests ---- */

static void packets_that_come_in_come_to_their_owner(void **state)
{
	int fd[WORKERS];

	(void)state;
	need_namespace(have_namespace);
	wire("wl0", "wl1", "");
	make_readable();
	join(fd);
	send_made("wl1");
	each_came_to_its_worker(fd);
	leave_group(fd);
}

static void packets_that_go_out_come_to_their_owner(void **state)
{
	int fd[WORKERS];

	(void)state;
	need_namespace(have_namespace);
	wire("wl0", "wl1", "");
	make_readable();
	join(fd);
	send_made("wl0");
	each_came_to_its_worker(fd);
	leave_group(fd);
}

static void headers_that_lie_apart_from_the_frame_are_read(void **state)
{
	int fd[WORKERS];

	(void)state;
	need_namespace(have_namespace);
	wire("wl0", "wl1", "");
	make_readable();
	join(fd);
	send_apart("wl1");
	nap_ms(20);
	each_came_to_its_worker(fd);
	leave_group(fd);
}

static void what_cannot_be_read_comes_to_the_first_worker(void **state)
{
	int fd[WORKERS];

	(void)state;
	need_namespace(have_namespace);
	wire("wl0", "wl1", "");
	make_unreadable();
	join(fd);
	send_made("wl1");
	each_came_to_its_worker(fd);
	leave_group(fd);
}

static void an_interface_that_was_down_has_its_workers_in_the_same_order(void **state)
{
	int fd[WORKERS];

	(void)state;
	need_namespace(have_namespace);
	wire("wl0", "wl1", "");
	make_readable();
	join(fd);
	run("ip link set wl0 down");
	wire_up("wl0", "wl1");
	for (uint32_t w = 0; w < WORKERS; w++) { /* read, and cleared: it was down */
		int error;

		(void)getsockopt(fd[w], SOL_SOCKET, SO_ERROR, &error,
				 &(socklen_t){ sizeof(error) });
	}
	send_made("wl1");
	each_came_to_its_worker(fd);
	leave_group(fd);
}

static void a_group_that_nobody_founded_cannot_be_joined(void **state)
{
	struct rx_open how = { .worker = 1, .workers = 2, .spread = factors };
	uint8_t spread = 77;
	int fd;

	(void)state;
	need_namespace(have_namespace);
	wire("wl0", "wl1", "");
	fd = packet_socket("wl0", ETH_P_ALL);
	assert_int_equal(fanout_join(fd, (int)if_nametoindex("wl0"), true, &how, &spread), -ENOENT);
	assert_int_equal(spread, 77);
	close(fd);
}

static void the_program_ends_in_an_answer_and_jumps_nowhere_else(void **state)
{
	struct sock_filter p[FANOUT_PROGRAM_MAX];

	(void)state;
	for (int ethernet = 0; ethernet < 2; ethernet++) {
		uint16_t n = fanout_program(factors, ethernet != 0, p);

		assert_int_equal(p[n - 1].code, BPF_RET | BPF_A);
		for (uint16_t i = 0; i < n; i++) {
			if (p[i].code == (BPF_JMP | BPF_JA))
				assert_true(i + 1u + p[i].k < n);
			else if (BPF_CLASS(p[i].code) == BPF_JMP)
				assert_true(i + 1u + p[i].jt < n && i + 1u + p[i].jf < n);
		}
	}
}

#define WIRE_TEST(name) cmocka_unit_test_teardown(name, leave)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WIRE_TEST(packets_that_come_in_come_to_their_owner),
		WIRE_TEST(packets_that_go_out_come_to_their_owner),
		WIRE_TEST(headers_that_lie_apart_from_the_frame_are_read),
		WIRE_TEST(what_cannot_be_read_comes_to_the_first_worker),
		WIRE_TEST(an_interface_that_was_down_has_its_workers_in_the_same_order),
		WIRE_TEST(a_group_that_nobody_founded_cannot_be_joined),
		cmocka_unit_test(the_program_ends_in_an_answer_and_jumps_nowhere_else),
	};

	return cmocka_run_group_tests(tests, enter, NULL);
}
