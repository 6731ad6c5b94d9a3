/* Proves what live.h promises of every live back end, and of this one: that a fan-out keeps both
 * directions of a flow together and gives every frame to one worker only, that blocks return to the
 * kernel in order however they were pulled, that interfaces without link-layer headers are read
 * from the IP header on, and that time stamps are called the hardware's only if they are.
 */
#include "live.h"

#include <linux/if_arp.h>
#include <linux/if_tun.h>
#include <sys/ioctl.h>

extern const struct rx_backend rx_af_packet;

/* ---- fan-out ---- */

enum { FLOWS = 64, FLOW_FRAMES = 10, FLOW_BYTES = 80, PORT_FIRST = 20000 };

/* flow_frame - IPv4 and UDP between two hosts; the flow is told by the client's port. */
static void flow_frame(uint8_t *frame, uint32_t flow, bool answer)
{
	static const uint8_t ip[] = {
		0x45, 0, 0, FLOW_BYTES - 14, 0, 0, 0x40, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2
	};
	static const uint8_t lengths[] = { 0, FLOW_BYTES - 34, 0, 0 };
	uint16_t client = htons((uint16_t)(PORT_FIRST + flow)), server = htons(80);

	frame_make(frame, FLOW_BYTES, ETH_P_IP, flow);
	memcpy(frame + 14, ip, sizeof(ip));
	if (answer) {
		memcpy(frame + 26, ip + 16, 4);
		memcpy(frame + 30, ip + 12, 4);
	}
	memcpy(frame + 34, answer ? &server : &client, 2);
	memcpy(frame + 36, answer ? &client : &server, 2);
	memcpy(frame + 38, lengths, sizeof(lengths));
}

static void send_flows(void)
{
	uint8_t frame[FLOW_BYTES];
	int client = sender_open("wl1"), server = sender_open("wl0");

	for (int n = 0; n < FLOW_FRAMES; n++)
		for (uint32_t flow = 0; flow < FLOWS; flow++) {
			flow_frame(frame, flow, n % 2 == 1);
			/* A tap sees one direction come in; elsewhere the other one goes out. */
			send_bytes(n % 4 < 2 ? client : server, frame, sizeof(frame));
		}
	close(client);
	close(server);
}

static struct rx_port *worker_open(uint32_t worker, uint32_t workers)
{
	struct rx_open how = live_how("wl0");
	struct rx_error err = { "" };
	struct rx_port *p = NULL;

	how.worker = worker;
	how.workers = workers;
	how.spread = (struct spread){ 0x9e3779b1, 0x85ebca77 };
	if (live.backend->open(&how, &p, &err) != 0)
		fail_msg("%s", err.text);
	return p;
}

/* count_flows - frames of each flow that this worker gets. */
static uint32_t count_flows(struct rx_port *p, uint32_t frames[FLOWS])
{
	struct packet packet[BURST_PACKETS];
	uint32_t all = 0, n;

	memset(frames, 0, FLOWS * sizeof(frames[0]));
	live.backend->stop(p);
	while (live.backend->state(p, NULL) == RX_OPEN) {
		n = live.backend->pull(p, packet, BURST_PACKETS);
		for (uint32_t i = 0; i < n; i++) {
			const uint8_t *ports = packet[i].frame + 34;
			uint32_t a = (uint32_t)ports[0] << 8 | ports[1];
			uint32_t b = (uint32_t)ports[2] << 8 | ports[3];

			frames[(a > b ? a : b) - PORT_FIRST]++;
		}
		live.backend->give_back(p);
		all += n;
	}
	books_close(p, all);
	return all;
}

static void a_fan_out_keeps_both_directions_together(void **state)
{
	uint32_t frames[3][FLOWS], all[3];
	struct rx_about about;
	struct rx_port *p[3];

	(void)state;
	need_namespace(have_namespace);
	wire("wl0", "wl1", "");
	for (uint32_t w = 0; w < 3; w++)
		p[w] = worker_open(w, 3);
	send_flows();
	for (uint32_t w = 0; w < 3; w++)
		all[w] = count_flows(p[w], frames[w]);
	assert_int_equal(all[0] + all[1] + all[2], FLOWS * FLOW_FRAMES);
	assert_true(all[0] > 0 && all[1] > 0 && all[2] > 0);
	for (uint32_t flow = 0; flow < FLOWS; flow++)
		for (uint32_t w = 0; w < 3; w++)
			assert_true(frames[w][flow] == 0 || frames[w][flow] == FLOW_FRAMES);
	live.backend->about(p[2], &about);
	assert_non_null(strstr(about.mode, "fan-out"));
	for (uint32_t w = 0; w < 3; w++)
		live.backend->close(p[w]);
}

/* Two sources on one interface, or two captures at a time, see all of it. */
static void groups_take_nothing_from_each_other(void **state)
{
	uint32_t frames[FLOWS], all[4];
	struct rx_port *p[4];

	(void)state;
	need_namespace(have_namespace);
	wire("wl0", "wl1", "");
	for (uint32_t w = 0; w < 4; w++)
		p[w] = worker_open(w % 2, 2);
	send_flows();
	for (uint32_t w = 0; w < 4; w++)
		all[w] = count_flows(p[w], frames);
	assert_int_equal(all[0] + all[1], FLOWS * FLOW_FRAMES);
	assert_int_equal(all[2] + all[3], FLOWS * FLOW_FRAMES);
	for (uint32_t w = 0; w < 4; w++)
		live.backend->close(p[w]);
}

/* One that arrives in the very moment of joining may be missed: the capture has not begun then. */
static void no_frame_comes_twice_while_workers_join(void **state)
{
	uint32_t frames[FLOWS], all = 0;
	struct rx_port *p[4];
	pid_t sender;

	(void)state;
	need_namespace(have_namespace);
	wire("wl0", "wl1", "");
	p[0] = worker_open(0, 4);
	sender = fork();
	if (sender == 0) {
		for (int n = 0; n < 20; n++)
			send_flows();
		_exit(0);
	}
	for (uint32_t w = 1; w < 4; w++)
		p[w] = worker_open(w, 4);
	waitpid(sender, NULL, 0);
	for (uint32_t w = 0; w < 4; w++)
		all += count_flows(p[w], frames);
	assert_in_range(all, 19 * FLOWS * FLOW_FRAMES, 20 * FLOWS * FLOW_FRAMES);
	for (uint32_t w = 0; w < 4; w++)
		live.backend->close(p[w]);
}

static void a_worker_cannot_join_a_group_that_nobody_founded(void **state)
{
	struct rx_open how = live_how("wl0");
	struct rx_error err = { "" };
	struct rx_port *p;

	(void)state;
	need_namespace(have_namespace);
	wire("wl0", "wl1", "");
	how.worker = 1;
	how.workers = 2;
	assert_int_equal(live.backend->open(&how, &p, &err), -ENOENT);
	assert_non_null(strstr(err.text, "fan-out"));
}

/* ---- other interfaces ---- */

/* tun_open - an interface without link-layer headers that calls itself of this kind. Returns what
 * feeds it, or -1: there is no tun here. */
static int tun_open(unsigned arphrd)
{
	struct ifreq r = { .ifr_flags = IFF_TUN | IFF_NO_PI };
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return -1;
	strcpy(r.ifr_name, "wlt");
	assert_int_equal(ioctl(fd, TUNSETIFF, &r), 0);
	assert_int_equal(ioctl(fd, TUNSETLINK, (unsigned long)arphrd), 0);
	run("ip link set wlt up");
	return fd;
}

#define need_tun(fd)                                                                               \
	do {                                                                                       \
		if ((fd) < 0) {                                                                    \
			print_message("skipped: there is no /dev/net/tun\n");                      \
			skip();                                                                    \
		}                                                                                  \
	} while (0)

static void plain_ip_is_read_from_its_header_on(void **state)
{
	uint8_t frame[FLOW_BYTES];
	struct rx_port *p;
	struct kept *kept;
	int fd;

	(void)state;
	need_namespace(have_namespace);
	fd = tun_open(ARPHRD_NONE);
	need_tun(fd);
	strcpy(live_settings.filter,
	       "port 1"); /* compiled for Ethernet, it must not be asked here */
	p = live_open("wlt");
	flow_frame(frame, 1, false);
	assert_int_equal(write(fd, frame + 14, FLOW_BYTES - 14), FLOW_BYTES - 14);
	kept = keep(p, 1);
	assert_int_equal(kept[0].packet.link, LINK_RAW);
	assert_int_equal(kept[0].packet.caplen_bytes, FLOW_BYTES - 14);
	assert_memory_equal(kept[0].bytes, frame + 14, FLOW_BYTES - 14);
	kept_free(kept, 1);
	live.backend->close(p);
	close(fd);
}

static void frames_of_an_unknown_kind_are_refused(void **state)
{
	struct rx_error err;
	int fd;

	(void)state;
	need_namespace(have_namespace);
	fd = tun_open(ARPHRD_IEEE80211_RADIOTAP);
	need_tun(fd);
	refuses_to_open("wlt", -ENOTSUP, "neither Ethernet nor plain IP");
	assert_int_equal(live.backend->probe("wlt", &err), -ENOTSUP);
	close(fd);
}

/* ---- options ---- */

static void options_out_of_reach_are_refused(void **state)
{
	(void)state;
	refuses_to_open("wl0,block=200000", -EINVAL, "a multiple of 64k is needed");
	refuses_to_open("wl0,block=64k", -EINVAL, "block=64k");
	refuses_to_open("wl0,blocks=1", -EINVAL, "blocks=1");
	refuses_to_open("wl0,block=16m,blocks=65", -EINVAL, "more than 1g");
	refuses_to_open("wl0,timeout=0ms", -EINVAL, "timeout=0ms");
	refuses_to_open("wl0,timeout=2s", -EINVAL, "timeout=2s");
	refuses_to_open("wl0,stamp=gps", -EINVAL, "stamp=gps");
}

static void options_show_in_what_the_port_says_of_itself(void **state)
{
	struct rx_about about;
	struct rx_port *p;

	(void)state;
	need_namespace(have_namespace);
	wire("wl0", "wl1", "");
	p = live_open("wl0,block=192k,blocks=5,timeout=3ms");
	live.backend->about(p, &about);
	assert_string_equal(about.mode, "TPACKET_V3, 5 blocks of 192k, 3 ms");
	live.backend->close(p);
}

/* A cable of two software ends has no clock. */
static void time_stamps_are_called_the_hardwares_only_if_they_are(void **state)
{
	struct rx_about about;
	struct rx_port *p;

	(void)state;
	need_namespace(have_namespace);
	wire("wl0", "wl1", "");
	p = live_open("wl0,stamp=hardware");
	live.backend->about(p, &about);
	assert_string_equal(about.clock, "kernel");
	send_numbered("wl1", 1, 1, 100);
	kept_free(keep(p, 1), 1);
	live.backend->close(p);
}

/* ---- blocks ---- */

static uint32_t odd_size(uint32_t number)
{
	return 200 + number * 131 % 1300;
}

static void send_odd(int fd, uint32_t number)
{
	uint8_t frame[1514];

	frame_make(frame, odd_size(number), 0x88b5, number);
	send_bytes(fd, frame, odd_size(number));
}

/* go_round - so many frames under way fill more than one block and fewer than three. */
static void go_round(uint32_t room)
{
	enum { UNDER_WAY = 200, FRAMES = 5000 };
	struct rx_port *p = live_open("wl0,block=128k,blocks=3,timeout=500ms");
	uint32_t sent = 0, received = 0;
	int fd = sender_open("wl1");

	while (received < FRAMES) {
		struct packet packet[BURST_PACKETS];
		uint32_t n;

		while (sent < received + UNDER_WAY)
			send_odd(fd, sent++);
		n = live.backend->pull(p, packet, room);
		assert_true(n > 0);
		for (uint32_t i = 0; i < n; i++, received++) {
			assert_int_equal(number_of(&packet[i]), received);
			assert_int_equal(packet[i].wire_bytes, odd_size(received));
		}
		live.backend->give_back(p);
	}
	close(fd);
	live.backend->close(p);
}

/* Frames of sizes that end blocks everywhere, many times round a ring of three. */
static void blocks_go_round_in_order_in_any_room(void **state)
{
	(void)state;
	need_namespace(have_namespace);
	wire("wl0", "wl1", "");
	go_round(1);
	go_round(7);
	go_round(BURST_PACKETS);
}

/* in_flight is what can be pulled, block by block. */
static void what_waits_in_the_ring_is_shown(void **state)
{
	struct packet packet[BURST_PACKETS];
	struct rx_port *p;

	(void)state;
	need_namespace(have_namespace);
	wire("wl0", "wl1", "");
	p = live_open("wl0,timeout=1ms");
	send_numbered("wl1", 1, 2000, 1000); /* several blocks */
	nap_ms(50);
	assert_int_equal(counters_of(p).in_flight, 2000);
	assert_int_equal(live.backend->pull(p, packet, 50), 50);
	assert_int_equal(counters_of(p).in_flight, 1950);
	live.backend->give_back(p);
	assert_int_equal(counters_of(p).in_flight, 1950);
	live.backend->close(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LIVE_CASES,
		LIVE_CASE(a_fan_out_keeps_both_directions_together),
		LIVE_CASE(groups_take_nothing_from_each_other),
		LIVE_CASE(no_frame_comes_twice_while_workers_join),
		LIVE_CASE(a_worker_cannot_join_a_group_that_nobody_founded),
		LIVE_CASE(plain_ip_is_read_from_its_header_on),
		LIVE_CASE(frames_of_an_unknown_kind_are_refused),
		LIVE_CASE(options_out_of_reach_are_refused),
		LIVE_CASE(options_show_in_what_the_port_says_of_itself),
		LIVE_CASE(time_stamps_are_called_the_hardwares_only_if_they_are),
		LIVE_CASE(blocks_go_round_in_order_in_any_room),
		LIVE_CASE(what_waits_in_the_ring_is_shown),
	};

	live = (struct live){
		.backend = &rx_af_packet,
		.small_ring = "block=128k,blocks=2",
		.small_ring_frames = 1000,
	};
	return cmocka_run_group_tests(tests, live_enter, NULL);
}
