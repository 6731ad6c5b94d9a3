/* Proves of the af_xdp back end, on wires of the test's own: every frame arrives byte for byte, in
 * native and generic mode, in one frame or in several, on one queue or two, with times of its own;
 * what does not arrive is lost by name, always exactly: rings that nobody empties, frames too
 * large, an interface that is removed under traffic. A filter refuses in the kernel and is counted.
 * Somebody else's program stays; ours is gone after stop(), after close(), and after kill -9.
 * All that is left to do after open() needs no privilege. */
#include "veth.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sys/mount.h>
#include <sys/socket.h>

#include "dataplane/base/clock.h"
#include "dataplane/base/compiler.h"
#include "dataplane/base/privilege.h"
#include "dataplane/rx/backends.h"
#include "dataplane/shm/settings.h"

enum { FRAME_MAX = 66000, ETHERTYPE = 0x88b5, OTHER_ETHERTYPE = 0x88b6, NOBODY = 65534 };

extern const struct rx_backend rx_af_xdp;

static const struct rx_backend *const b = &rx_af_xdp;
static bool have;
static struct settings *settings;
static const struct spread spread = { 0x9e3779b1, 0x85ebca6b };

static int group_set_up(void **state)
{
	(void)state;
	settings = calloc(1, sizeof(*settings));
	assert_non_null(settings);
	/* /sys, where the settings for busy polling are, has to be the one of the namespace. */
	have = unshare(CLONE_NEWNS) == 0 &&
	       mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 && own_namespace() &&
	       mount("sysfs", "/sys", "sysfs", 0, NULL) == 0;
	return 0;
}

static int group_tear_down(void **state)
{
	(void)state;
	free(settings);
	return 0;
}

static int set_up(void **state)
{
	(void)state;
	settings_defaults(settings);
	if (have)
		wire("tap0", "far0", "");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	if (!have)
		return 0;
	/* All but the first are there only after a test that failed. */
	wire_cut("tap0");
	wire_cut("tap2");
	wire_cut("tap9");
	wire_cut("tapg");
	return 0;
}

/* ---- frames ---- */

/* frame_make - its bytes follow from its number, which it carries behind the header. */
static void frame_make(uint8_t *frame, uint32_t number, uint32_t bytes, uint16_t ethertype)
{
	uint16_t type = htons(ethertype);

	for (uint32_t i = 0; i < bytes; i++)
		frame[i] = (uint8_t)(number * 31 + i * 7 + (i >> 8));
	memcpy(frame, "\x02\0\0\0\0\x01\x02\0\0\0\0\x02", 12);
	memcpy(frame + 12, &type, sizeof(type));
	memcpy(frame + 14, &number, sizeof(number));
}

static uint32_t frame_bytes(uint32_t number)
{
	return 60 + number * 131 % 1455; /* 60..1514 */
}

static int sender(const char *interface)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET,
				  .sll_ifindex = (int)if_nametoindex(interface) };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

/* send_frame - Returns whether the interface took it. */
static bool send_frame(int fd, uint32_t number, uint32_t bytes, uint16_t ethertype)
{
	static uint8_t frame[FRAME_MAX];

	frame_make(frame, number, bytes, ethertype);
	return send(fd, frame, bytes, 0) == (ssize_t)bytes;
}

/* tx_dropped - of an interface, by its own word: /proc/net/dev has it in the 12th column. */
static uint64_t tx_dropped(const char *interface)
{
	FILE *f = fopen("/proc/thread-self/net/dev", "re");
	char line[512], name[32];
	unsigned long long v[12], found = 0;

	assert_non_null(f);
	while (fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line,
			   " %31[^:]: %llu %llu %llu %llu %llu %llu %llu %llu %llu %llu %llu %llu",
			   name, &v[0], &v[1], &v[2], &v[3], &v[4], &v[5], &v[6], &v[7], &v[8],
			   &v[9], &v[10], &v[11]) == 13 &&
		    strcmp(name, interface) == 0)
			found = v[11];
	fclose(f);
	return found;
}

/* ---- ports ---- */

static int try_open(const char *argument, uint32_t worker, uint32_t workers, struct rx_port **ret,
		    struct rx_error *err)
{
	struct rx_open how = { .settings = settings,
			       .argument = argument,
			       .worker = worker,
			       .workers = workers,
			       .spread = spread };

	err->text[0] = 0;
	return b->open(&how, ret, err);
}

static struct rx_port *open_port(const char *argument)
{
	struct rx_error err;
	struct rx_port *p;

	if (try_open(argument, 0, 1, &p, &err) != 0)
		fail_msg("%s", err.text);
	return p;
}

static void assert_refused(const char *argument, int code, const char *word)
{
	struct rx_error err;
	struct rx_port *p;

	assert_int_equal(try_open(argument, 0, 1, &p, &err), code);
	if (strstr(err.text, word) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", err.text, word);
	assert_null(strchr(err.text, '\n'));
}

static void assert_mode_has(struct rx_port *p, const char *word)
{
	struct rx_about about;

	b->about(p, &about);
	if (strstr(about.mode, word) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", about.mode, word);
}

static uint64_t lost_sum(const struct rx_counters *c)
{
	uint64_t sum = 0;

	for (int i = 0; i < RX_LOST_COUNT; i++)
		sum += c->lost[i];
	return sum;
}

static void assert_balanced(struct rx_port *p, struct rx_counters *ret)
{
	b->counters(p, ret);
	assert_int_equal(ret->in_flight, 0);
	assert_int_equal(ret->offered, ret->received + ret->refused + lost_sum(ret));
}

/* drain - pull until nothing comes for `patience_ms`. */
static uint32_t drain(struct rx_port *p, int patience_ms)
{
	struct packet packet[BURST_PACKETS];
	uint32_t all = 0;

	for (int quiet = 0; quiet < patience_ms;) {
		uint32_t n = b->pull(p, packet, BURST_PACKETS);

		b->give_back(p);
		all += n;
		quiet = n > 0 ? 0 : quiet + 1;
		if (n == 0)
			nap_ms(1);
	}
	return all;
}

/* finish - stop, pull what is left, see that the books close. */
static uint32_t finish(struct rx_port *p, struct rx_counters *ret)
{
	struct packet packet[BURST_PACKETS];
	uint32_t n, all = 0;

	b->stop(p);
	while ((n = b->pull(p, packet, BURST_PACKETS)) > 0) {
		b->give_back(p);
		all += n;
	}
	assert_int_equal(b->state(p, NULL), RX_END);
	assert_balanced(p, ret);
	return all;
}

static bool program_attached(const char *interface)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, q);

	assert_int_equal(bpf_xdp_query((int)if_nametoindex(interface), 0, &q), 0);
	return q.prog_id != 0 || q.drv_prog_id != 0 || q.skb_prog_id != 0;
}

/* ---- arriving ---- */

static void check_frame(const struct packet *p, uint32_t number, uint32_t bytes)
{
	static uint8_t expected[FRAME_MAX];

	frame_make(expected, number, bytes, ETHERTYPE);
	assert_int_equal(p->caplen_bytes, bytes);
	assert_int_equal(p->wire_bytes, bytes);
	assert_memory_equal(p->frame, expected, bytes);
	assert_int_equal(p->link, LINK_ETHERNET);
	assert_int_equal(p->number, 0);
	/* The two clocks are read one after the other, so the wall may seem a little behind. */
	assert_in_range(clock_wall_ns() + 1000000 - p->ts_ns, 0, 5 * CLOCK_SECOND_NS);
}

/* carry - `count` frames over the wire in groups, each checked. */
static void carry(struct rx_port *p, const char *from, uint32_t count,
		  uint32_t (*length)(uint32_t number))
{
	int fd = sender(from);
	struct packet packet[BURST_PACKETS];
	uint32_t sent = 0, seen = 0;
	uint64_t last_ns = 0;

	while (seen < count) {
		struct pollfd wait = { .fd = b->wait_fd(p), .events = POLLIN };
		uint32_t n;

		while (sent < count && sent < seen + 20)
			assert_true(send_frame(fd, sent, length(sent), ETHERTYPE)), sent++;
		if (poll(&wait, 1, 2000) != 1)
			fail_msg("frame %u of %u did not come", seen, sent);
		n = b->pull(p, packet, BURST_PACKETS);
		for (uint32_t i = 0; i < n; i++, seen++) {
			check_frame(&packet[i], seen, length(seen));
			assert_true(packet[i].ts_ns >= last_ns);
			last_ns = packet[i].ts_ns;
		}
		b->give_back(p);
	}
	close(fd);
}

static void carry_and_finish(const char *argument, const char *mode, uint32_t count,
			     uint32_t (*length)(uint32_t number))
{
	struct rx_counters c;
	struct rx_port *p = open_port(argument);

	assert_mode_has(p, mode);
	carry(p, "far0", count, length);
	assert_int_equal(finish(p, &c), 0);
	assert_int_equal(c.received, count);
	assert_int_equal(c.offered, count);
	b->close(p);
	assert_false(program_attached("tap0"));
}

static void frames_arrive_byte_for_byte_in_native_mode(void **state)
{
	(void)state;
	need_namespace(have);
	carry_and_finish("tap0,mode=native", "native, copy, 1 queue", 20000, frame_bytes);
}

static void frames_arrive_byte_for_byte_in_generic_mode(void **state)
{
	(void)state;
	need_namespace(have);
	carry_and_finish("tap0,mode=generic", "generic, copy, 1 queue", 20000, frame_bytes);
}

static void native_is_what_auto_takes_first(void **state)
{
	(void)state;
	need_namespace(have);
	carry_and_finish("tap0", "native", 100, frame_bytes);
}

static void any_ring_frame_and_page_size_works(void **state)
{
	static const char *const with[] = {
		"tap0,ring=64,frames=64",  "tap0,ring=128,frame=4096,huge=off", "tap0,frames=200",
		"tap0,copy=copy,frags=on", "tap0,mode=generic,frags=off",       "tap0,frags=off",
	};

	(void)state;
	need_namespace(have);
	for (size_t i = 0; i < array_count(with); i++)
		carry_and_finish(with[i], "copy", 1000, frame_bytes);
}

static void busy_polling_captures_and_leaves_the_interface_as_it_was(void **state)
{
	(void)state;
	need_namespace(have);
	run("echo 6 > /sys/class/net/tap0/napi_defer_hard_irqs");
	carry_and_finish("tap0,busy-poll=on", "busy-poll", 2000, frame_bytes);
	run("test \"$(cat /sys/class/net/tap0/napi_defer_hard_irqs)\" = 6");
	run("test \"$(cat /sys/class/net/tap0/gro_flush_timeout)\" = 0");
}

static void huge_pages_are_used_where_there_are_some(void **state)
{
	struct rx_port *p;
	struct rx_error err;
	int code;

	(void)state;
	need_namespace(have);
	code = try_open("tap0,ring=64,huge=on", 0, 1, &p, &err);
	if (code == -ENOMEM) {
		print_message("skipped: %s\n", err.text);
		assert_non_null(strstr(err.text, "vm.nr_hugepages"));
		skip();
	}
	assert_int_equal(code, 0);
	assert_mode_has(p, "huge pages");
	b->close(p);
}

static void a_snap_length_cuts_what_is_captured_and_not_the_wire(void **state)
{
	struct packet packet[BURST_PACKETS];
	struct rx_counters c;
	struct rx_port *p;
	int fd;

	(void)state;
	need_namespace(have);
	settings->snaplen_bytes = 96;
	p = open_port("tap0");
	fd = sender("far0");
	assert_true(send_frame(fd, 1, 1000, ETHERTYPE));
	nap_ms(20);
	assert_int_equal(b->pull(p, packet, BURST_PACKETS), 1);
	assert_int_equal(packet[0].caplen_bytes, 96);
	assert_int_equal(packet[0].wire_bytes, 1000);
	b->give_back(p);
	finish(p, &c);
	b->close(p);
	close(fd);
}

static uint16_t name_interface(void *context, const char *name)
{
	assert_string_equal(name, "tap0");
	*(bool *)context = true;
	return 6;
}

static void packets_carry_their_interface_and_room_is_respected(void **state)
{
	struct packet packet[BURST_PACKETS + 1];
	struct rx_error err;
	struct rx_port *p;
	bool named = false;
	struct rx_open how = { .settings = settings,
			       .argument = "tap0",
			       .workers = 1,
			       .iface = name_interface,
			       .iface_context = &named };
	int fd;

	(void)state;
	need_namespace(have);
	assert_int_equal(b->open(&how, &p, &err), 0);
	assert_true(named);
	fd = sender("far0");
	for (uint32_t i = 0; i < 10; i++)
		assert_true(send_frame(fd, i, 100, ETHERTYPE));
	nap_ms(20);
	memset(packet, 0xee, sizeof(packet));
	assert_int_equal(b->pull(p, packet, 3), 3);
	assert_int_equal(packet[2].iface, 7);
	assert_int_equal(packet[3].number, UINT64_C(0xeeeeeeeeeeeeeeee));
	b->give_back(p);
	assert_int_equal(drain(p, 5), 7);
	b->close(p);
	close(fd);
}

/* send_flow - UDP of a flow: a wire with several queues spreads them by their hash. */
static bool send_flow(int fd, uint32_t flow)
{
	static const uint8_t ip[] = { 0x45, 0, 0,  46, 0, 0, 0,  0, 64, 17,
				      0,    0, 10, 0,  0, 1, 10, 0, 0,  2 };
	uint8_t frame[60];

	frame_make(frame, flow, sizeof(frame), ETH_P_IP);
	memcpy(frame + 14, ip, sizeof(ip));
	frame[34] = (uint8_t)flow;
	frame[35] = (uint8_t)(flow >> 8);
	return send(fd, frame, sizeof(frame), 0) == sizeof(frame);
}

static void send_flows(int fd, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		assert_true(send_flow(fd, i));
		if (i % 50 == 0)
			nap_ms(1);
	}
	nap_ms(20);
}

/* flood - as fast as one process can, until killed. */
static pid_t flood(const char *interface)
{
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0) {
		int fd;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		fd = sender(interface);
		for (uint32_t i = 0;; i++)
			(void)send_flow(fd, i);
	}
	return child;
}

static void flood_end(pid_t child)
{
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

/* The end comes at any moment, so it is tried often. */
static void two_queues_are_read_by_one_worker(void **state)
{
	struct rx_counters c;
	struct rx_port *p;
	int fd;

	(void)state;
	need_namespace(have);
	wire("tap2", "far2", "numrxqueues 2 numtxqueues 2");
	p = open_port("tap2");
	assert_mode_has(p, "2 queues");
	fd = sender("far2");
	send_flows(fd, 600);
	assert_int_equal(finish(p, &c), 600);
	assert_int_equal(c.offered, 600);
	b->close(p);
	close(fd);
	wire_cut("tap2");
}

/* One that ends takes nothing from the other, and what it no longer takes is not offered. */
static void two_queues_are_shared_out_among_two_workers(void **state)
{
	struct rx_error err;
	struct rx_counters c[2];
	struct rx_port *p[2];
	uint64_t second;
	int fd;

	(void)state;
	need_namespace(have);
	wire("tap2", "far2", "numrxqueues 2 numtxqueues 2");
	fd = sender("far2");
	for (uint32_t i = 0; i < 2; i++)
		if (try_open("tap2,spread=off", i, 2, &p[i], &err) != 0)
			fail_msg("%s", err.text);
	send_flows(fd, 600);
	finish(p[0], &c[0]);
	assert_true(program_attached("tap2"));
	b->counters(p[1], &c[1]);
	second = c[1].in_flight;
	assert_int_equal(c[0].received + second, 600);
	assert_true(c[0].received > 100 && second > 100);
	send_flows(fd, 600);
	finish(p[1], &c[1]);
	assert_false(program_attached("tap2"));
	assert_int_equal(c[1].received, 2 * second);
	assert_balanced(p[0], &c[0]);
	assert_int_equal(c[0].received + second, 600);
	b->close(p[0]);
	b->close(p[1]);
	close(fd);
	wire_cut("tap2");
}

/* ---- several workers on a queue ---- */

enum { SHARERS = 4 };

static void open_shared(const char *argument, uint32_t workers, struct rx_port **p)
{
	struct rx_error err;

	for (uint32_t i = 0; i < workers; i++)
		if (try_open(argument, i, workers, &p[i], &err) != 0)
			fail_msg("%s", err.text);
}

/* send_back - the other direction of send_flow()'s. */
static void send_back(int fd, uint32_t flow)
{
	static const uint8_t ip[] = { 0x45, 0, 0,  46, 0, 0, 0,  0, 64, 17,
				      0,    0, 10, 0,  0, 2, 10, 0, 0,  1 };
	uint8_t frame[60];

	/* The ports of send_flow(): the number's low half, and what follows from it behind. */
	frame_make(frame, flow, sizeof(frame), ETH_P_IP);
	memcpy(frame + 14, ip, sizeof(ip));
	frame[38] = frame[36];
	frame[39] = frame[37];
	frame[34] = frame[38];
	frame[35] = frame[39];
	frame[36] = (uint8_t)flow;
	frame[37] = (uint8_t)(flow >> 8);
	assert_true(send(fd, frame, sizeof(frame), 0) == sizeof(frame));
}

/* flow_of - the number that both directions carry in the port of 10.0.0.1. */
static uint32_t flow_of(const uint8_t *frame)
{
	const uint8_t *port = frame + (frame[29] == 1 ? 34 : 36);

	return port[0] | (uint32_t)port[1] << 8;
}

static uint32_t expected_worker(const uint8_t *frame, uint32_t workers)
{
	struct flow_key k = { .ip_version = 4, .protocol = IPPROTO_UDP };

	memcpy(k.address[0] + 12, frame + 26, 4);
	memcpy(k.address[1] + 12, frame + 30, 4);
	k.port[0] = (uint16_t)(frame[34] << 8 | frame[35]);
	k.port[1] = (uint16_t)(frame[36] << 8 | frame[37]);
	return flow_key_spread(&k, spread) % workers;
}

static uint32_t pull_own(struct rx_port *p, uint32_t worker, uint32_t workers, uint8_t *times)
{
	struct packet packet[BURST_PACKETS];
	uint32_t n = b->pull(p, packet, BURST_PACKETS);

	for (uint32_t i = 0; i < n; i++) {
		assert_int_equal(expected_worker(packet[i].frame, workers), worker);
		times[flow_of(packet[i].frame)]++;
	}
	b->give_back(p);
	return n;
}

static void share(const char *argument, const char *far, uint32_t workers)
{
	enum { FLOWS = 600 };
	struct rx_port *p[SHARERS];
	struct rx_about about;
	uint8_t times[65536] = { 0 };
	uint32_t all = 0, each[SHARERS] = { 0 };
	int fd = sender(far);

	open_shared(argument, workers, p);
	b->about(p[0], &about);
	assert_int_equal(about.spread, workers > 1 ? RX_SPREAD_OWN : RX_SPREAD_ANY);
	assert_mode_has(p[0], workers > 1 ? "shared by" : "queue");
	for (uint32_t i = 0; i < FLOWS; i++) {
		assert_true(send_flow(fd, i));
		send_back(fd, i);
		for (uint32_t w = 0; w < workers && i % 10 == 9; w++)
			each[w] += pull_own(p[w], w, workers, times);
	}
	nap_ms(20);
	for (uint32_t w = 0; w < workers; w++) {
		struct rx_counters c;
		uint32_t n;

		while ((n = pull_own(p[w], w, workers, times)) > 0)
			each[w] += n;
		assert_int_equal(finish(p[w], &c), 0);
		assert_int_equal(c.received, each[w]);
		assert_int_equal(c.offered, each[w]);
		assert_true(each[w] > 2 * FLOWS / workers / 2);
		all += each[w];
	}
	assert_int_equal(all, 2 * FLOWS);
	for (uint32_t i = 0; i < FLOWS; i++)
		assert_int_equal(times[i], 2);
	for (uint32_t w = 0; w < workers; w++)
		b->close(p[w]);
	close(fd);
}

static void workers_share_one_queue_and_get_both_directions(void **state)
{
	(void)state;
	need_namespace(have);
	for (uint32_t workers = 1; workers <= SHARERS; workers++) {
		share("tap0,mode=native,ring=256", "far0", workers);
		share("tap0,mode=generic,ring=256", "far0", workers);
	}
	assert_false(program_attached("tap0"));
}

static void workers_share_two_queues_and_get_both_directions(void **state)
{
	(void)state;
	need_namespace(have);
	wire("tap2", "far2", "numrxqueues 2 numtxqueues 2");
	for (uint32_t workers = 2; workers <= SHARERS; workers++)
		share("tap2,ring=256,frags=on", "far2", workers);
	wire_cut("tap2");
}

/* send_to_worker - one frame of a flow that is this worker's. */
static void send_to_worker(int fd, uint32_t worker, uint32_t *flow)
{
	uint8_t frame[60];

	do {
		frame_make(frame, ++*flow & 0xffff, sizeof(frame), ETH_P_IP);
		memcpy(frame + 26, "\x0a\0\0\x01\x0a\0\0\x02", 8);
		frame[34] = (uint8_t)*flow;
		frame[35] = (uint8_t)(*flow >> 8);
	} while (expected_worker(frame, 2) != worker);
	assert_true(send_flow(fd, *flow & 0xffff));
}

static void a_worker_that_stands_still_keeps_no_frame_from_the_others(void **state)
{
	(void)state;
	need_namespace(have);
	/* Once it is the owner who works, and once the other, who then needs what the owner gets
	 * back. */
	for (uint32_t still = 0; still < 2; still++) {
		struct rx_port *p[2];
		struct rx_counters c[2];
		uint32_t flow = 0, got = 0;
		int fd = sender("far0");

		open_shared("tap0,ring=64", 2, p);
		for (uint32_t i = 0; i < 2000; i++) {
			struct packet packet[BURST_PACKETS];

			send_to_worker(fd, i % 2, &flow);
			if (i % 10 != 9)
				continue;
			nap_ms(1);
			got += b->pull(p[1 - still], packet, BURST_PACKETS);
			b->give_back(p[1 - still]);
			/* Of its own it takes nothing; only its bell is heard. */
			if (still == 0)
				assert_int_equal(b->pull(p[0], packet, 0), 0);
		}
		assert_int_equal(got + finish(p[1 - still], &c[1 - still]), 1000);
		finish(p[still], &c[still]);
		assert_int_equal(c[1 - still].received, 1000);
		assert_int_equal(c[still].received, 64);
		assert_int_equal(c[still].lost[RX_LOST_rx_ring], 1000 - 64);
		b->close(p[0]);
		b->close(p[1]);
		close(fd);
	}
}

static void an_owner_for_whom_nothing_comes_is_woken_for_the_frames_of_others(void **state)
{
	struct packet packet[BURST_PACKETS];
	struct rx_port *p[2];
	struct rx_counters c;
	struct pollfd wait = { .events = POLLIN };
	uint32_t flow = 0, woken = 0;
	int fd;

	(void)state;
	need_namespace(have);
	open_shared("tap0,ring=64", 2, p);
	fd = sender("far0");
	for (uint32_t i = 0; i < 2000; i++) {
		send_to_worker(fd, 1, &flow);
		if (i % 10 != 9)
			continue;
		nap_ms(1);
		b->pull(p[1], packet, BURST_PACKETS);
		b->give_back(p[1]);
		wait.fd = b->wait_fd(p[0]);
		if (poll(&wait, 1, 0) == 0)
			continue;
		woken++;
		assert_int_equal(b->pull(p[0], packet, BURST_PACKETS), 0);
		b->give_back(p[0]);
		wait.fd = b->wait_fd(p[0]);
		assert_int_equal(poll(&wait, 1, 0), 0); /* heard */
	}
	finish(p[1], &c);
	assert_int_equal(c.received, 2000);
	assert_in_range(woken, 10, 100);
	finish(p[0], &c);
	assert_int_equal(c.offered, 0);
	b->close(p[0]);
	b->close(p[1]);
	close(fd);
}

static void queues_that_are_not_chosen_are_left_to_the_host(void **state)
{
	struct rx_counters c;
	struct rx_port *p;
	int fd;

	(void)state;
	need_namespace(have);
	wire("tap2", "far2", "numrxqueues 2 numtxqueues 2");
	p = open_port("tap2,queue=1");
	assert_mode_has(p, "1 queue");
	fd = sender("far2");
	send_flows(fd, 600);
	finish(p, &c);
	assert_in_range(c.offered, 100, 500);
	assert_int_equal(c.received, c.offered);
	b->close(p);
	close(fd);
	wire_cut("tap2");
}

/* ---- frames larger than a frame ---- */

static uint32_t jumbo_bytes(uint32_t number)
{
	return number % 3 == 0 ? 9014 : 60 + number * 977 % 8955;
}

static void jumbo(const char *argument, const char *mode)
{
	struct rx_counters c;
	struct rx_port *p;

	wire("tap9", "far9", "mtu 9000");
	p = open_port(argument);
	assert_mode_has(p, mode);
	assert_mode_has(p, "frags");
	carry(p, "far9", 3000, jumbo_bytes);
	assert_int_equal(finish(p, &c), 0);
	assert_int_equal(c.received, 3000);
	assert_int_equal(c.offered, 3000);
	b->close(p);
	wire_cut("tap9");
}

static void packets_of_several_frames_are_put_together_in_native_mode(void **state)
{
	(void)state;
	need_namespace(have);
	jumbo("tap9,mode=native", "native");
}

static void packets_of_several_frames_are_put_together_in_generic_mode(void **state)
{
	(void)state;
	need_namespace(have);
	jumbo("tap9,mode=generic", "generic");
}

static void a_burst_of_large_packets_that_nobody_takes_is_lost_by_name(void **state)
{
	struct rx_counters c;
	struct rx_port *p;
	uint32_t pulled;
	int fd;

	(void)state;
	need_namespace(have);
	wire("tap9", "far9", "mtu 9000");
	p = open_port("tap9,ring=256");
	fd = sender("far9");
	for (uint32_t i = 0; i < 300; i++)
		assert_true(send_frame(fd, i, jumbo_bytes(i), ETHERTYPE));
	nap_ms(20);
	b->counters(p, &c);
	assert_true(c.in_flight > 0);
	pulled = finish(p, &c);
	assert_int_equal(pulled, c.received);
	assert_int_equal(c.offered, 300);
	assert_true(lost_sum(&c) > 0);
	b->close(p);
	close(fd);
	wire_cut("tap9");
}

static void without_frags_a_packet_too_large_is_lost_as_invalid(void **state)
{
	struct rx_counters c;
	struct rx_port *p;
	int fd;

	(void)state;
	need_namespace(have);
	wire("tap9", "far9", "mtu 9000");
	p = open_port("tap9,mode=generic,frags=off");
	fd = sender("far9");
	assert_true(send_frame(fd, 0, 9014, ETHERTYPE));
	assert_true(send_frame(fd, 1, 2048 - 256, ETHERTYPE));
	assert_true(send_frame(fd, 2, 2048 - 256 + 1, ETHERTYPE));
	nap_ms(20);
	assert_int_equal(finish(p, &c), 1);
	assert_int_equal(c.lost[RX_LOST_invalid], 2);
	assert_int_equal(c.offered, 3);
	b->close(p);
	assert_refused("tap9,mode=native,frags=off", -ERANGE, "MTU");
	close(fd);
	wire_cut("tap9");
}

/* ---- losing ---- */

/* overrun - more frames than the ring holds while nobody pulls. */
static void overrun(const char *argument, enum rx_lost where)
{
	uint64_t dropped = tx_dropped("far0");
	struct rx_counters c;
	struct rx_port *p = open_port(argument);
	int fd = sender("far0");
	uint32_t count = 5000, pulled;

	for (uint32_t i = 0; i < count; i++)
		assert_true(send_frame(fd, i, frame_bytes(i), ETHERTYPE));
	nap_ms(20);
	b->counters(p, &c);
	assert_int_equal(c.in_flight, 64);
	pulled = finish(p, &c);
	assert_int_equal(pulled, 64);
	assert_int_equal(c.received, pulled);
	dropped = tx_dropped("far0") - dropped;
	assert_int_equal(count, pulled + lost_sum(&c) + dropped);
	assert_int_equal(c.lost[where], c.offered - pulled);
	b->close(p);
	close(fd);
}

static void a_ring_that_nobody_empties_loses_by_name_in_native_mode(void **state)
{
	(void)state;
	need_namespace(have);
	overrun("tap0,ring=64,mode=native", RX_LOST_rx_ring);
}

static void a_ring_that_nobody_empties_loses_by_name_in_generic_mode(void **state)
{
	(void)state;
	need_namespace(have);
	overrun("tap0,ring=64,mode=generic", RX_LOST_rx_ring);
}

static void a_lack_of_frames_is_lost_by_its_own_name(void **state)
{
	(void)state;
	need_namespace(have);
	overrun("tap0,ring=1024,frames=64,mode=native", RX_LOST_fill_ring);
	overrun("tap0,ring=1024,frames=64,mode=generic", RX_LOST_fill_ring);
}

/* While frames come, what is under way is told as in flight: whoever looks sees closed books, but
 * for a look that was itself interrupted. */
static void the_books_close_in_the_middle_of_traffic_too(void **state)
{
	struct rx_counters c;
	struct rx_port *p;
	pid_t child;
	int open_books = 0, looks = 500;

	(void)state;
	need_namespace(have);
	child = flood("far0");
	p = open_port("tap0,ring=256,mode=native");
	for (int i = 0; i < looks; i++) {
		drain(p, i % 2);
		b->counters(p, &c);
		assert_true(c.offered >= c.received + c.refused + lost_sum(&c));
		open_books += c.offered != c.received + c.refused + lost_sum(&c) + c.in_flight;
	}
	assert_in_range(open_books, 0, looks / 10);
	finish(p, &c);
	b->close(p);
	flood_end(child);
}

static void the_books_close_when_stopped_in_the_middle_of_traffic(void **state)
{
	static const char *const with[] = { "tap0,ring=64,mode=native", "tap0,ring=64,mode=generic",
					    "tap0,ring=1024,frames=64", "tap0,frags=on,ring=128" };
	pid_t child;

	(void)state;
	need_namespace(have);
	child = flood("far0");
	for (uint32_t round = 0; round < 20; round++) {
		struct rx_port *p = open_port(with[round % array_count(with)]);
		struct rx_counters c;

		for (uint32_t i = 0; i < round * 10; i++) {
			drain(p, round % 2 == 0 ? 1 : 0);
			b->counters(p, &c);
		}
		/* On a busy machine the other process may not have run yet. */
		for (b->counters(p, &c); c.offered == 0; b->counters(p, &c))
			nap_ms(1);
		finish(p, &c);
		assert_true(c.offered > 0);
		b->close(p);
	}
	flood_end(child);
}

static void an_interface_removed_under_traffic_ends_the_capture_with_closed_books(void **state)
{
	static const char *const mode[] = { "native", "generic" };

	(void)state;
	need_namespace(have);
	for (int i = 0; i < 10; i++) {
		char argument[64];
		struct rx_counters c;
		struct rx_error err;
		struct rx_port *p;
		pid_t child;

		wire("tapg", "farg", "");
		snprintf(argument, sizeof(argument), "tapg,ring=128,mode=%s", mode[i % 2]);
		p = open_port(argument);
		child = flood("farg");
		drain(p, i < 4 ? 0 : 1);
		nap_ms(5);
		assert_int_equal(b->state(p, &err), RX_OPEN);
		wire_cut("tapg");
		for (int ms = 0; b->state(p, &err) == RX_OPEN && ms < 2000; ms++)
			drain(p, 1);
		assert_int_equal(b->state(p, &err), RX_GONE);
		assert_string_equal(err.text, "tapg was removed: the capture ends here");
		assert_balanced(p, &c);
		assert_true(c.received > 0);
		b->stop(p);
		assert_int_equal(b->state(p, &err), RX_GONE);
		assert_balanced(p, &c);
		b->close(p);
		flood_end(child);
	}
}

static void wait_for_frames(struct rx_port *p)
{
	struct rx_counters c = { 0 };

	for (int ms = 0; ms < 2000 && c.in_flight == 0; ms++) {
		nap_ms(1);
		b->counters(p, &c);
	}
	assert_true(c.in_flight > 0);
}

/* stop_first - its queue is shut while the program goes on for the other worker. */
static void stop_first(struct rx_port *first, struct rx_port *other)
{
	struct rx_counters c, later;

	wait_for_frames(first);
	wait_for_frames(other);
	finish(first, &c);
	drain(other, 1);
	assert_balanced(first, &later);
	assert_int_equal(later.received, c.received);
	finish(other, &c);
}

/* In generic mode a veth shows all its frames on the first queue. */
static void a_worker_that_stops_before_the_other_has_closed_books(void **state)
{
	pid_t child;

	(void)state;
	need_namespace(have);
	wire("tap2", "far2", "numrxqueues 2 numtxqueues 2");
	child = flood("far2");
	for (int round = 0; round < 20; round++) {
		struct rx_port *p[2];
		struct rx_error err;

		for (uint32_t i = 0; i < 2; i++)
			if (try_open("tap2,mode=native", i, 2, &p[i], &err) != 0)
				fail_msg("%s", err.text);
		stop_first(p[round % 2], p[1 - round % 2]);
		b->close(p[0]);
		b->close(p[1]);
	}
	flood_end(child);
	wire_cut("tap2");
}

/* It keeps the program and loses the sockets: what is handed to them is in no socket's count. */
static void an_interface_moved_to_another_namespace_ends_the_capture_too(void **state)
{
	static const char *const with[] = { "tapg,mode=native", "tapg,mode=generic" };

	(void)state;
	need_namespace(have);
	for (size_t i = 0; i < array_count(with); i++) {
		pid_t other = other_namespace();
		struct rx_counters c;
		struct rx_error err;
		struct rx_port *p;
		int fd;

		wire("tapg", "farg", "");
		p = open_port(with[i]);
		fd = sender("farg");
		for (uint32_t n = 0; n < 10; n++)
			assert_true(send_frame(fd, n, 100, ETHERTYPE));
		run("ip link set tapg netns %d", (int)other);
		run("nsenter -t %d -n ip link set tapg up", (int)other);
		for (uint32_t n = 0; n < 30; n++)
			assert_true(send_frame(fd, n, 100, ETHERTYPE));
		nap_ms(20);
		b->counters(p, &c);
		assert_int_equal(drain(p, 5), 10);
		assert_int_equal(b->state(p, &err), RX_GONE);
		assert_balanced(p, &c);
		assert_int_equal(c.received, 10);
		assert_int_equal(c.lost[RX_LOST_driver], 30);
		b->close(p);
		close(fd);
		other_namespace_end(other);
		wire_cut("farg");
	}
}

static void an_interface_that_goes_down_is_waited_for(void **state)
{
	struct rx_counters c;
	struct rx_port *p;

	(void)state;
	need_namespace(have);
	p = open_port("tap0");
	carry(p, "far0", 50, frame_bytes);
	run("ip link set tap0 down");
	drain(p, 20);
	b->counters(p, &c);
	assert_int_equal(b->state(p, NULL), RX_OPEN);
	run("ip link set tap0 up");
	drain(p, 20);
	carry(p, "far0", 50, frame_bytes);
	finish(p, &c);
	assert_int_equal(c.received, 100);
	b->close(p);
}

/* ---- filters ---- */

static void filter_case(const char *argument, const char *says)
{
	struct rx_counters c;
	struct rx_port *p;
	int fd;

	snprintf(settings->filter, sizeof(settings->filter), "ether proto 0x88b5");
	p = open_port(argument);
	assert_mode_has(p, says);
	fd = sender("far0");
	for (uint32_t i = 0; i < 200; i++)
		assert_true(send_frame(fd, i, 100, i % 10 == 0 ? ETHERTYPE : OTHER_ETHERTYPE));
	nap_ms(20);
	assert_int_equal(finish(p, &c), 20);
	assert_int_equal(c.refused, 180);
	assert_int_equal(c.offered, 200);
	assert_int_equal(lost_sum(&c), 0);
	b->close(p);
	close(fd);
}

static void what_the_filter_refuses_is_counted_in_the_kernel(void **state)
{
	(void)state;
	need_namespace(have);
	filter_case("tap0,mode=native", "filter in the program");
	filter_case("tap0,mode=generic", "filter in the program");
	filter_case("tap0,mode=native,frags=on,refused=pass", "filter in the program");
	filter_case("tap0,mode=generic,frags=off,refused=drop", "filter in the program");
}

static void a_filter_that_xdp_cannot_run_is_left_to_user_space(void **state)
{
	struct rx_counters c;
	struct rx_port *p;
	int fd;

	(void)state;
	need_namespace(have);
	snprintf(settings->filter, sizeof(settings->filter), "no such thing as a filter");
	p = open_port("tap0");
	assert_mode_has(p, "filter in user space");
	fd = sender("far0");
	for (uint32_t i = 0; i < 20; i++)
		assert_true(send_frame(fd, i, 100, OTHER_ETHERTYPE));
	nap_ms(20);
	assert_int_equal(finish(p, &c), 20);
	assert_int_equal(c.refused, 0);
	b->close(p);
	close(fd);
}

/* Frames that the stack has no use for are in rx_dropped as well, and are not named twice. */
static void what_is_refused_to_the_stack_is_not_lost_there(void **state)
{
	struct rx_counters c;
	struct rx_port *p;
	int fd;

	(void)state;
	need_namespace(have);
	run("ip addr add 10.99.0.1/24 dev tap0");
	snprintf(settings->filter, sizeof(settings->filter), "ether proto 0x88b5");
	p = open_port("tap0,mode=generic");
	fd = sender("far0");
	for (uint32_t i = 0; i < 100; i++)
		assert_true(send_frame(fd, i, 100, OTHER_ETHERTYPE));
	nap_ms(30);
	finish(p, &c);
	assert_int_equal(c.lost[RX_LOST_driver], 0);
	assert_int_equal(c.refused, c.offered);
	b->close(p);
	close(fd);
}

/* ---- other programs, and ends of all kinds ---- */

static int foreign_program(const char *interface)
{
	const struct bpf_insn pass[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_PASS },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "somebody", "GPL", pass, array_count(pass), NULL);

	assert_true(fd >= 0);
	assert_int_equal(
		bpf_xdp_attach((int)if_nametoindex(interface), fd, XDP_FLAGS_SKB_MODE, NULL), 0);
	return fd;
}

static void somebody_elses_program_is_named_and_stays(void **state)
{
	struct rx_error err;
	int fd;

	(void)state;
	need_namespace(have);
	fd = foreign_program("tap0");
	assert_refused("tap0", -EBUSY, "\"somebody\"");
	assert_refused("tap0,mode=native", -EBUSY, "ip link set tap0 xdp off");
	assert_int_equal(b->probe("tap0", &err), -EBUSY);
	assert_true(program_attached("tap0"));
	close(fd);
}

static void nothing_is_left_after_kill_9_and_the_next_start_works(void **state)
{
	(void)state;
	need_namespace(have);
	for (int i = 0; i < 5; i++) {
		int ready[2];
		char c;
		pid_t child;

		assert_int_equal(pipe(ready), 0);
		child = fork();
		assert_true(child >= 0);
		if (child == 0) {
			(void)open_port("tap0");
			if (write(ready[1], "", 1) == 1)
				pause();
			_exit(1);
		}
		close(ready[1]);
		assert_int_equal(read(ready[0], &c, 1), 1);
		close(ready[0]);
		assert_true(program_attached("tap0"));
		kill(child, SIGKILL);
		assert_int_equal(waitpid(child, NULL, 0), child);
		assert_false(program_attached("tap0"));
		carry_and_finish("tap0", "native", 100, frame_bytes);
	}
}

static void a_queue_in_use_is_said_to_be(void **state)
{
	struct rx_error err;
	struct rx_port *p, *second;

	(void)state;
	need_namespace(have);
	p = open_port("tap0");
	assert_int_equal(try_open("tap0", 0, 1, &second, &err), -EBUSY);
	assert_non_null(strstr(err.text, "captured already"));
	/* The first one is as it was. */
	carry(p, "far0", 100, frame_bytes);
	b->close(p);
}

static int capture_without_privilege(void)
{
	struct rx_counters c;
	struct rx_port *p = open_port("tap0");
	int fd = sender("far0");

	if (privilege_drop(NOBODY, NOBODY) != 0)
		return 2;
	for (uint32_t i = 0; i < 50; i++)
		(void)send_frame(fd, i, 100, ETHERTYPE);
	if (drain(p, 20) != 50)
		return 3;
	b->counters(p, &c);
	b->stop(p);
	if (b->state(p, NULL) != RX_END)
		return 4;
	b->counters(p, &c);
	b->close(p);
	return c.offered == 50 && c.received == 50 ? 0 : 5;
}

static void after_open_no_privilege_is_needed(void **state)
{
	pid_t child;
	int how;

	(void)state;
	need_namespace(have);
	child = fork();
	assert_true(child >= 0);
	if (child == 0)
		_exit(capture_without_privilege());
	assert_int_equal(waitpid(child, &how, 0), child);
	assert_int_equal(how, 0);
	assert_false(program_attached("tap0"));
}

/* ---- refusing ---- */

static void wrong_arguments_are_refused_with_the_remedy(void **state)
{
	(void)state;
	need_namespace(have);
	assert_refused(NULL, -EINVAL, "interface");
	assert_refused("", -EINVAL, "interface");
	assert_refused("mode=native", -EINVAL, "interface");
	assert_refused("tap0,mode=fast", -EINVAL, "mode");
	assert_refused("tap0,ring=1000", -EINVAL, "power of two");
	assert_refused("tap0,ring=32", -EINVAL, "ring");
	assert_refused("tap0,frame=1024", -EINVAL, "frame");
	assert_refused("tap0,queue=1", -EINVAL, "1 receive queue");
	assert_refused("tap0,queues=2", -EINVAL, "out of range");
	assert_refused("nosuch0", -ENODEV, "there is no such interface");
	run("ip link set tap0 down");
	assert_refused("tap0", -ENETDOWN, "ip link set tap0 up");
	assert_false(program_attached("tap0"));
}

static void what_the_driver_cannot_do_is_refused_when_it_was_asked_for(void **state)
{
	(void)state;
	need_namespace(have);
	assert_refused("tap0,copy=zerocopy", -EOPNOTSUPP, "zero-copy");
	assert_false(program_attached("tap0"));
	assert_refused("lo,mode=native", -EOPNOTSUPP, "mode=generic");
}

static void more_workers_than_queues_are_refused_if_they_must_not_share(void **state)
{
	struct rx_error err;
	struct rx_port *p;

	(void)state;
	need_namespace(have);
	assert_int_equal(try_open("tap0,spread=off", 0, 2, &p, &err), -EINVAL);
	assert_non_null(strstr(err.text, "--workers 1"));
	assert_non_null(strstr(err.text, "leave out spread=off"));
	assert_false(program_attached("tap0"));
}

static void probing_says_what_there_is_and_what_is_against_it(void **state)
{
	struct rx_error err;

	(void)state;
	need_namespace(have);
	assert_int_equal(b->probe(NULL, &err), 0);
	assert_int_equal(b->probe("tap0", &err), 0);
	assert_non_null(strstr(err.text, "native"));
	assert_int_equal(b->probe("nosuch0", &err), -ENODEV);
	assert_int_equal(b->probe("lo", &err), -EADDRINUSE);
	assert_non_null(strstr(err.text, "would take packets away from this host"));
	assert_false(program_attached("tap0"));
}

static void without_privilege_probing_says_which_is_missing(void **state)
{
	pid_t child;
	int how;

	(void)state;
	need_namespace(have);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		struct rx_error err = { "" };

		if (privilege_drop(NOBODY, NOBODY) != 0)
			_exit(2);
		_exit(b->probe("tap0", &err) == -EPERM && strstr(err.text, "CAP_BPF") != NULL ? 0
											      : 1);
	}
	assert_int_equal(waitpid(child, &how, 0), child);
	assert_int_equal(how, 0);
}

#define ON_A_WIRE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_A_WIRE(frames_arrive_byte_for_byte_in_native_mode),
		ON_A_WIRE(frames_arrive_byte_for_byte_in_generic_mode),
		ON_A_WIRE(native_is_what_auto_takes_first),
		ON_A_WIRE(any_ring_frame_and_page_size_works),
		ON_A_WIRE(busy_polling_captures_and_leaves_the_interface_as_it_was),
		ON_A_WIRE(huge_pages_are_used_where_there_are_some),
		ON_A_WIRE(a_snap_length_cuts_what_is_captured_and_not_the_wire),
		ON_A_WIRE(packets_carry_their_interface_and_room_is_respected),
		ON_A_WIRE(two_queues_are_read_by_one_worker),
		ON_A_WIRE(two_queues_are_shared_out_among_two_workers),
		ON_A_WIRE(workers_share_one_queue_and_get_both_directions),
		ON_A_WIRE(workers_share_two_queues_and_get_both_directions),
		ON_A_WIRE(a_worker_that_stands_still_keeps_no_frame_from_the_others),
		ON_A_WIRE(an_owner_for_whom_nothing_comes_is_woken_for_the_frames_of_others),
		ON_A_WIRE(queues_that_are_not_chosen_are_left_to_the_host),
		ON_A_WIRE(packets_of_several_frames_are_put_together_in_native_mode),
		ON_A_WIRE(packets_of_several_frames_are_put_together_in_generic_mode),
		ON_A_WIRE(a_burst_of_large_packets_that_nobody_takes_is_lost_by_name),
		ON_A_WIRE(without_frags_a_packet_too_large_is_lost_as_invalid),
		ON_A_WIRE(a_ring_that_nobody_empties_loses_by_name_in_native_mode),
		ON_A_WIRE(a_ring_that_nobody_empties_loses_by_name_in_generic_mode),
		ON_A_WIRE(a_lack_of_frames_is_lost_by_its_own_name),
		ON_A_WIRE(the_books_close_in_the_middle_of_traffic_too),
		ON_A_WIRE(the_books_close_when_stopped_in_the_middle_of_traffic),
		ON_A_WIRE(an_interface_removed_under_traffic_ends_the_capture_with_closed_books),
		ON_A_WIRE(a_worker_that_stops_before_the_other_has_closed_books),
		ON_A_WIRE(an_interface_moved_to_another_namespace_ends_the_capture_too),
		ON_A_WIRE(an_interface_that_goes_down_is_waited_for),
		ON_A_WIRE(what_the_filter_refuses_is_counted_in_the_kernel),
		ON_A_WIRE(a_filter_that_xdp_cannot_run_is_left_to_user_space),
		ON_A_WIRE(what_is_refused_to_the_stack_is_not_lost_there),
		ON_A_WIRE(somebody_elses_program_is_named_and_stays),
		ON_A_WIRE(nothing_is_left_after_kill_9_and_the_next_start_works),
		ON_A_WIRE(a_queue_in_use_is_said_to_be),
		ON_A_WIRE(after_open_no_privilege_is_needed),
		ON_A_WIRE(wrong_arguments_are_refused_with_the_remedy),
		ON_A_WIRE(what_the_driver_cannot_do_is_refused_when_it_was_asked_for),
		ON_A_WIRE(more_workers_than_queues_are_refused_if_they_must_not_share),
		ON_A_WIRE(probing_says_what_there_is_and_what_is_against_it),
		ON_A_WIRE(without_privilege_probing_says_which_is_missing),
	};

	return cmocka_run_group_tests(tests, group_set_up, group_tear_down);
}
