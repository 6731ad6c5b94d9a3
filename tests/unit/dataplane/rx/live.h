/* live - what every live back end promises, tried on wires of the test's own.
 *
 * A test names its back end and lists the cases. Frames carry their number behind the Ethernet
 * header and bytes that follow from it, so one that is missing, out of order or damaged shows.
 * `wl0` is captured on, `wl1` is the other end of its cable.
 */
#ifndef TESTS_UNIT_DATAPLANE_RX_LIVE_H
#define TESTS_UNIT_DATAPLANE_RX_LIVE_H

#include "veth.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "dataplane/base/clock.h"
#include "dataplane/base/compiler.h"
#include "dataplane/rx/rx.h"
#include "dataplane/shm/settings.h"

/* What the test says of its back end. */
struct live {
	const struct rx_backend *backend;
	const char *small_ring;     /* options for one that is soon full */
	uint32_t small_ring_frames; /* of 1,000 bytes, that certainly fill it */
};
static struct live live;

static bool have_namespace;
static struct settings live_settings;

static int live_enter(void **state)
{
	(void)state;
	have_namespace = own_namespace();
	return 0;
}

static int live_begin(void **state)
{
	(void)state;
	memset(&live_settings, 0, offsetof(struct settings, input));
	live_settings.promiscuous = 1;
	return 0;
}

static int live_end(void **state)
{
	(void)state;
	if (have_namespace)
		wire_cut("wl0");
	return 0;
}

/* ---- sending ---- */

enum { HEADER_BYTES = 14, NUMBERED_BYTES = HEADER_BYTES + 4, LARGEST_BYTES = 65549 };

/* frame_make - an Ethernet frame with this number and type, to an address that nobody has. */
static inline void frame_make(uint8_t *frame, uint32_t bytes, uint16_t type, uint32_t number)
{
	static const uint8_t addresses[] = { 2, 0, 0, 0, 0, 0x77, 2, 0, 0, 0, 0, 0x88 };

	for (uint32_t i = HEADER_BYTES; i < bytes; i++)
		frame[i] = (uint8_t)(number * 7 + i);
	memcpy(frame, addresses, sizeof(addresses));
	frame[12] = (uint8_t)(type >> 8);
	frame[13] = (uint8_t)type;
	if (bytes >= NUMBERED_BYTES)
		memcpy(frame + HEADER_BYTES, &number, sizeof(number));
}

static inline int sender_open(const char *interface)
{
	struct sockaddr_ll at = {
		.sll_family = AF_PACKET,
		.sll_ifindex = (int)if_nametoindex(interface),
	};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	return fd;
}

static inline void send_bytes(int fd, const uint8_t *frame, uint32_t bytes)
{
	assert_int_equal(send(fd, frame, bytes, 0), bytes);
}

/* send_numbered - frames `first` to `first + count - 1`. */
static inline void send_numbered(const char *interface, uint32_t first, uint32_t count,
				 uint32_t bytes)
{
	static uint8_t frame[LARGEST_BYTES];
	int fd = sender_open(interface);

	for (uint32_t n = 0; n < count; n++) {
		frame_make(frame, bytes, 0x88b5, first + n);
		send_bytes(fd, frame, bytes);
	}
	close(fd);
}

/* ---- receiving ---- */

static inline struct rx_open live_how(const char *argument)
{
	return (struct rx_open){
		.settings = &live_settings,
		.argument = argument,
		.workers = 1,
	};
}

static inline struct rx_port *live_open(const char *argument)
{
	struct rx_open how = live_how(argument);
	struct rx_error err = { "" };
	struct rx_port *p = NULL;

	if (live.backend->open(&how, &p, &err) != 0)
		fail_msg("%s", err.text);
	return p;
}

static inline struct rx_counters counters_of(struct rx_port *p)
{
	struct rx_counters c;

	live.backend->counters(p, &c);
	return c;
}

static inline uint64_t lost_by(const struct rx_counters *c)
{
	uint64_t lost = 0;

	for (int i = 0; i < RX_LOST_COUNT; i++)
		lost += c->lost[i];
	return lost;
}

/* wait_for - until something is there to pull, or `ms` are over. */
static inline void wait_for(struct rx_port *p, int ms)
{
	struct pollfd fd = { .fd = live.backend->wait_fd(p), .events = POLLIN };

	poll(&fd, 1, ms);
}

/* A frame that came, kept. */
struct kept {
	struct packet packet;
	uint8_t *bytes;
};

/* keep - pull until `count` frames are there; the test fails when they are not after 3 s. */
static inline struct kept *keep(struct rx_port *p, uint32_t count)
{
	struct kept *kept = calloc(count, sizeof(*kept));
	struct packet packet[BURST_PACKETS];
	uint64_t until_ns = clock_monotonic_ns() + 3 * CLOCK_SECOND_NS;

	for (uint32_t have = 0; have < count;) {
		uint32_t room = count - have < BURST_PACKETS ? count - have : BURST_PACKETS;
		uint32_t n = live.backend->pull(p, packet, room);

		if (n == 0 && clock_monotonic_ns() > until_ns)
			fail_msg("%u of %u frames came", have, count);
		if (n == 0)
			wait_for(p, 20);
		for (uint32_t i = 0; i < n; i++, have++) {
			kept[have].packet = packet[i];
			kept[have].bytes = malloc(packet[i].caplen_bytes + 1);
			memcpy(kept[have].bytes, packet[i].frame, packet[i].caplen_bytes);
		}
		live.backend->give_back(p);
	}
	return kept;
}

static inline void kept_free(struct kept *kept, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		free(kept[i].bytes);
	free(kept);
}

/* nothing_comes - within `ms`. */
static inline void nothing_comes(struct rx_port *p, int ms)
{
	struct packet packet[BURST_PACKETS];
	uint64_t until_ns = clock_monotonic_ns() + (uint64_t)ms * 1000000;

	while (clock_monotonic_ns() < until_ns) {
		assert_int_equal(live.backend->pull(p, packet, BURST_PACKETS), 0);
		live.backend->give_back(p);
		wait_for(p, 5);
	}
}

static inline uint32_t number_of(const struct packet *p)
{
	uint32_t number;

	memcpy(&number, p->frame + HEADER_BYTES, sizeof(number));
	return number;
}

/* drain - pull to the end, check that numbers rise. Returns how many came. */
static inline uint64_t drain(struct rx_port *p, enum rx_state *ret_state)
{
	struct packet packet[BURST_PACKETS];
	uint64_t until_ns = clock_monotonic_ns() + 5 * CLOCK_SECOND_NS, all = 0;
	uint32_t before = 0, n;

	do {
		n = live.backend->pull(p, packet, BURST_PACKETS);
		for (uint32_t i = 0; i < n; i++) {
			uint32_t number = number_of(&packet[i]);

			assert_true(number > before);
			before = number;
		}
		all += n;
		live.backend->give_back(p);
		*ret_state = live.backend->state(p, NULL);
		if (n == 0 && *ret_state == RX_OPEN)
			wait_for(p, 1);
	} while (*ret_state == RX_OPEN && clock_monotonic_ns() < until_ns);
	return all;
}

/* books_close - after the end. */
static inline void books_close(struct rx_port *p, uint64_t received)
{
	struct rx_counters c = counters_of(p);

	assert_int_equal(c.received, received);
	assert_int_equal(c.in_flight, 0);
	assert_int_equal(c.offered, c.received + c.refused + lost_by(&c));
	c = counters_of(p);
	assert_int_equal(c.received, received); /* and stay as they are */
	assert_int_equal(c.offered, c.received + c.refused + lost_by(&c));
}

/* ---- frames ---- */

static void what_is_sent_arrives_byte_for_byte(void **state)
{
	static const uint32_t size[] = { 14, 15, 18, 60, 61, 64, 333, 1000, 1499, 1513, 1514 };
	uint8_t frame[1514];
	struct rx_port *p;
	struct kept *kept;
	uint64_t before_ns = clock_wall_ns();
	int fd;

	(void)state;
	need_namespace(have_namespace);
	wire("wl0", "wl1", "");
	p = live_open("wl0");
	fd = sender_open("wl1");
	for (uint32_t i = 0; i < array_count(size); i++) {
		frame_make(frame, size[i], 0x88b5, i);
		send_bytes(fd, frame, size[i]);
	}
	kept = keep(p, array_count(size));
	for (uint32_t i = 0; i < array_count(size); i++) {
		const struct packet *packet = &kept[i].packet;

		frame_make(frame, size[i], 0x88b5, i);
		assert_int_equal(packet->caplen_bytes, size[i]);
		assert_int_equal(packet->wire_bytes, size[i]);
		assert_memory_equal(kept[i].bytes, frame, size[i]);
		assert_int_equal(packet->link, LINK_ETHERNET);
		assert_int_equal(packet->iface, 0);
		assert_int_equal(packet->number, 0);
		assert_true(packet->ts_ns >= before_ns && packet->ts_ns <= clock_wall_ns());
		assert_true(i == 0 || packet->ts_ns >= kept[i - 1].packet.ts_ns);
	}
	kept_free(kept, array_count(size));
	close(fd);
	live.backend->close(p);
}

/* The receiver's kernel takes the outer tag out before any packet socket sees the frame. */
static void tags_that_the_kernel_took_out_are_put_back(void **state)
{
	static const uint16_t tags[][4] = {
		{ 0x8100, 0x0001 }, /* a plain one */
		{ 0x8100, 0x6fff }, /* with priority */
		{ 0x8100, 0x0000 }, /* priority 0, VLAN 0: the tag is there all the same */
		{ 0x88a8, 0x1064, 0x8100, 0x0065 }, /* two of them */
		{ 0x8100, 0x0064, 0x8100, 0x0065 },
	};
	uint8_t frame[array_count(tags)][1514];
	struct rx_port *p;
	struct kept *kept;
	int fd;

	(void)state;
	need_namespace(have_namespace);
	wire("wl0", "wl1", "");
	p = live_open("wl0");
	fd = sender_open("wl1");
	for (uint32_t i = 0; i < array_count(tags); i++) {
		frame_make(frame[i], 100 + 400 * (i % 2), 0x88b5, i);
		for (uint32_t w = 0; w < 4 && (w < 2 || tags[i][2] != 0); w++) {
			frame[i][12 + 2 * w] = (uint8_t)(tags[i][w] >> 8);
			frame[i][13 + 2 * w] = (uint8_t)tags[i][w];
		}
		send_bytes(fd, frame[i], 100 + 400 * (i % 2));
	}
	kept = keep(p, array_count(tags));
	for (uint32_t i = 0; i < array_count(tags); i++) {
		assert_int_equal(kept[i].packet.caplen_bytes, 100 + 400 * (i % 2));
		assert_int_equal(kept[i].packet.wire_bytes, 100 + 400 * (i % 2));
		assert_memory_equal(kept[i].bytes, frame[i], 100 + 400 * (i % 2));
	}
	kept_free(kept, array_count(tags));
	close(fd);
	live.backend->close(p);
}

static void super_packets_arrive_whole(void **state)
{
	static uint8_t frame[LARGEST_BYTES];
	struct rx_port *p;
	struct kept *kept;

	(void)state;
	need_namespace(have_namespace);
	wire("wl0", "wl1", "mtu 65535");
	p = live_open("wl0");
	send_numbered("wl1", 1, 20, sizeof(frame));
	kept = keep(p, 20);
	for (uint32_t i = 0; i < 20; i++) {
		frame_make(frame, sizeof(frame), 0x88b5, 1 + i);
		assert_int_equal(kept[i].packet.wire_bytes, sizeof(frame));
		assert_int_equal(kept[i].packet.caplen_bytes, sizeof(frame));
		assert_memory_equal(kept[i].bytes, frame, sizeof(frame));
	}
	kept_free(kept, 20);
	live.backend->close(p);
}

static void the_snap_length_cuts_but_the_wire_length_stays(void **state)
{
	uint8_t frame[1514], tagged[200];
	struct rx_port *p;
	struct kept *kept;
	int fd;

	(void)state;
	need_namespace(have_namespace);
	live_settings.snaplen_bytes = 96;
	wire("wl0", "wl1", "");
	p = live_open("wl0");
	send_numbered("wl1", 1, 1, 1514);
	send_numbered("wl1", 2, 1, 60);
	frame_make(tagged, sizeof(tagged), 0x8100, 3);
	fd = sender_open("wl1");
	send_bytes(fd, tagged, sizeof(tagged));
	close(fd);
	kept = keep(p, 3);
	frame_make(frame, sizeof(frame), 0x88b5, 1);
	assert_int_equal(kept[0].packet.caplen_bytes, 96);
	assert_int_equal(kept[0].packet.wire_bytes, 1514);
	assert_memory_equal(kept[0].bytes, frame, 96);
	assert_int_equal(kept[1].packet.caplen_bytes, 60);
	assert_int_equal(kept[1].packet.wire_bytes, 60);
	assert_int_equal(kept[2].packet.caplen_bytes, 96);
	assert_int_equal(kept[2].packet.wire_bytes, sizeof(tagged));
	assert_memory_equal(kept[2].bytes, tagged, 96);
	kept_free(kept, 3);
	live.backend->close(p);
}

static void both_directions_are_captured(void **state)
{
	struct rx_port *p;
	struct kept *kept;

	(void)state;
	need_namespace(have_namespace);
	wire("wl0", "wl1", "");
	p = live_open("wl0");
	send_numbered("wl0", 1, 1, 100); /* goes out */
	send_numbered("wl1", 2, 1, 100); /* comes in */
	kept = keep(p, 2);
	nothing_comes(p, 40);
	assert_int_equal(counters_of(p).offered, 2);
	kept_free(kept, 2);
	live.backend->close(p);
}

static void on_the_loopback_every_frame_comes_once(void **state)
{
	struct rx_port *p;
	struct kept *kept;

	(void)state;
	need_namespace(have_namespace);
	p = live_open("lo");
	send_numbered("lo", 1, 10, 100);
	kept = keep(p, 10);
	nothing_comes(p, 40);
	assert_int_equal(counters_of(p).offered, 10);
	assert_int_equal(kept[0].packet.link, LINK_ETHERNET);
	kept_free(kept, 10);
	live.backend->stop(p);
	assert_int_equal(live.backend->state(p, NULL), RX_END);
	books_close(p, 10);
	live.backend->close(p);
}

static uint16_t number_interface(void *context, const char *name)
{
	assert_string_equal(name, "wl0");
	*(uint32_t *)context += 1;
	return 4;
}

static void packets_carry_their_interface(void **state)
{
	struct rx_open how = live_how("wl0");
	uint32_t told = 0;
	struct rx_error err;
	struct rx_about about;
	struct rx_port *p;
	struct kept *kept;

	(void)state;
	need_namespace(have_namespace);
	wire("wl0", "wl1", "");
	how.iface = number_interface;
	how.iface_context = &told;
	assert_int_equal(live.backend->open(&how, &p, &err), 0);
	send_numbered("wl1", 1, 1, 100);
	kept = keep(p, 1);
	assert_int_equal(kept[0].packet.iface, 5);
	assert_int_equal(told, 1);
	live.backend->about(p, &about);
	assert_string_equal(about.interface, "wl0");
	assert_string_equal(about.clock, "kernel");
	assert_int_equal(about.ring_packets, 0);
	assert_true(about.mode[0] != 0);
	kept_free(kept, 1);
	live.backend->close(p);
}

/* ---- borrowing ---- */

/* Pulled in small pieces without giving back, while more arrives than the ring holds. */
static void borrowed_frames_stay_until_they_are_given_back(void **state)
{
	static struct packet packet[200];
	static uint32_t number[array_count(packet)];
	uint8_t frame[1000];
	uint32_t have = 0, n;
	struct rx_port *p;
	char argument[128];

	(void)state;
	need_namespace(have_namespace);
	wire("wl0", "wl1", "");
	snprintf(argument, sizeof(argument), "wl0,%s", live.small_ring);
	p = live_open(argument);
	for (uint32_t sent = 1; have + 7 <= array_count(packet) && sent < 500; sent += 10) {
		send_numbered("wl1", sent, 10, 1000);
		wait_for(p, 20);
		n = live.backend->pull(p, packet + have, 7);
		for (; n > 0; n--, have++)
			number[have] = number_of(&packet[have]);
	}
	send_numbered("wl1", 100000, live.small_ring_frames, 1000);
	assert_true(have > 10);
	for (uint32_t i = 0; i < have; i++) {
		frame_make(frame, sizeof(frame), 0x88b5, number[i]);
		assert_int_equal(packet[i].caplen_bytes, sizeof(frame));
		assert_memory_equal(packet[i].frame, frame, sizeof(frame));
	}
	live.backend->give_back(p);
	live.backend->close(p);
}

static void no_room_takes_nothing(void **state)
{
	struct packet packet[1] = { { .number = 77 } };
	struct rx_port *p;

	(void)state;
	need_namespace(have_namespace);
	wire("wl0", "wl1", "");
	p = live_open("wl0");
	send_numbered("wl1", 1, 3, 100);
	wait_for(p, 200);
	assert_int_equal(live.backend->pull(p, packet, 0), 0);
	assert_int_equal(packet[0].number, 77);
	live.backend->give_back(p);
	kept_free(keep(p, 3), 3);
	live.backend->close(p);
}

static void closing_halfway_leaks_nothing(void **state)
{
	struct packet packet[BURST_PACKETS];
	struct rx_port *p;

	(void)state;
	need_namespace(have_namespace);
	wire("wl0", "wl1", "");
	p = live_open("wl0");
	send_numbered("wl1", 1, 100, 100);
	wait_for(p, 200);
	live.backend->pull(p, packet, 5);
	live.backend->close(p); /* with frames lent out */
	live.backend->close(live_open("wl0"));
}

/* ---- the end, and what is missing then ---- */

static void a_full_ring_loses_frames_and_every_one_is_counted(void **state)
{
	struct rx_counters c;
	enum rx_state end;
	struct rx_port *p;
	uint64_t received;
	char argument[128];

	(void)state;
	need_namespace(have_namespace);
	wire("wl0", "wl1", "");
	snprintf(argument, sizeof(argument), "wl0,%s", live.small_ring);
	p = live_open(argument);
	send_numbered("wl1", 1, live.small_ring_frames, 1000);
	live.backend->stop(p);
	received = drain(p, &end);
	assert_int_equal(end, RX_END);
	books_close(p, received);
	c = counters_of(p);
	assert_true(c.lost[RX_LOST_kernel_buffer] > 0);
	assert_true(received > 0);
	assert_int_equal(live.small_ring_frames, received + c.lost[RX_LOST_kernel_buffer]);
	assert_int_equal(c.lost[RX_LOST_driver] + c.lost[RX_LOST_nic], 0);
	live.backend->close(p);
}

/* A worker that falls behind, goes on, and falls behind again. */
static void losses_in_between_are_counted_too(void **state)
{
	struct packet packet[BURST_PACKETS];
	struct rx_counters c;
	enum rx_state end;
	struct rx_port *p;
	uint64_t received = 0;
	uint32_t sent = 0, n;
	char argument[128];

	(void)state;
	need_namespace(have_namespace);
	wire("wl0", "wl1", "");
	snprintf(argument, sizeof(argument), "wl0,%s", live.small_ring);
	p = live_open(argument);
	for (int round = 0; round < 5; round++) {
		send_numbered("wl1", sent + 1, live.small_ring_frames, 1000);
		sent += live.small_ring_frames;
		for (int turn = 0; turn < 3 + round * 4; turn++) {
			n = live.backend->pull(p, packet, BURST_PACKETS);
			received += n;
			live.backend->give_back(p);
			c = counters_of(p);
			assert_int_equal(c.received, received);
			/* What the kernel keeps in an open block is the difference. */
			assert_true(c.offered >= c.received + lost_by(&c) + c.in_flight);
		}
	}
	live.backend->stop(p);
	received += drain(p, &end);
	assert_int_equal(end, RX_END);
	books_close(p, received);
	c = counters_of(p);
	assert_int_equal(sent, received + lost_by(&c));
	live.backend->close(p);
}

/* The sender does not stop for us. */
static void stopping_amid_traffic_closes_the_books(void **state)
{
	struct packet packet[BURST_PACKETS];
	enum rx_state end;
	uint64_t received = 0;
	struct rx_port *p;
	pid_t sender;

	(void)state;
	need_namespace(have_namespace);
	wire("wl0", "wl1", "");
	p = live_open("wl0");
	sender = fork();
	if (sender == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (uint32_t n = 1;; n += 100)
			send_numbered("wl1", n, 100, 200);
	}
	while (received < 20000) {
		received += live.backend->pull(p, packet, BURST_PACKETS);
		live.backend->give_back(p);
	}
	live.backend->stop(p);
	received += drain(p, &end);
	assert_int_equal(end, RX_END);
	books_close(p, received);
	nothing_comes(p, 20);
	books_close(p, received);
	kill(sender, SIGKILL);
	waitpid(sender, NULL, 0);
	live.backend->close(p);
}

static void what_comes_after_the_stop_is_not_captured(void **state)
{
	enum rx_state end;
	struct rx_port *p;

	(void)state;
	need_namespace(have_namespace);
	wire("wl0", "wl1", "");
	p = live_open("wl0");
	send_numbered("wl1", 1, 10, 100);
	live.backend->stop(p);
	live.backend->stop(p); /* again changes nothing */
	send_numbered("wl1", 11, 10, 100);
	assert_int_equal(drain(p, &end), 10);
	assert_int_equal(end, RX_END);
	nothing_comes(p, 30);
	books_close(p, 10);
	live.backend->close(p);
}

static void stopping_an_idle_port_ends_at_once(void **state)
{
	struct rx_port *p;

	(void)state;
	need_namespace(have_namespace);
	wire("wl0", "wl1", "");
	p = live_open("wl0");
	assert_int_equal(live.backend->state(p, NULL), RX_OPEN);
	live.backend->stop(p);
	assert_int_equal(live.backend->state(p, NULL), RX_END);
	books_close(p, 0);
	live.backend->close(p);
}

/* ---- the interface ---- */

static void a_removed_interface_ends_the_capture_with_closed_books(void **state)
{
	struct rx_error err = { "" };
	struct packet packet[BURST_PACKETS];
	uint64_t until_ns;
	uint64_t received = 0;
	struct rx_port *p;

	(void)state;
	need_namespace(have_namespace);
	wire("wl0", "wl1", "");
	p = live_open("wl0");
	send_numbered("wl1", 1, 50, 500);
	wire_cut("wl0");
	until_ns = clock_monotonic_ns() + 3 * CLOCK_SECOND_NS;
	while (live.backend->state(p, &err) == RX_OPEN && clock_monotonic_ns() < until_ns) {
		received += live.backend->pull(p, packet, BURST_PACKETS);
		live.backend->give_back(p);
		wait_for(p, 5);
	}
	assert_int_equal(live.backend->state(p, &err), RX_GONE);
	assert_string_equal(err.text, "wl0 was removed: the capture ends here");
	assert_int_equal(received, 50);
	books_close(p, 50);
	live.backend->stop(p); /* too late to matter */
	assert_int_equal(live.backend->state(p, NULL), RX_GONE);
	live.backend->close(p);
}

static void an_interface_that_goes_down_is_waited_for_asleep(void **state)
{
	struct packet packet[BURST_PACKETS];
	struct rx_port *p;
	struct pollfd fd;
	uint32_t woken = 0;

	(void)state;
	need_namespace(have_namespace);
	wire("wl0", "wl1", "");
	p = live_open("wl0");
	send_numbered("wl1", 1, 3, 100);
	kept_free(keep(p, 3), 3);
	run("ip link set wl0 down");
	fd = (struct pollfd){ .fd = live.backend->wait_fd(p), .events = POLLIN };
	for (int i = 0; i < 20; i++) {
		woken += poll(&fd, 1, 10) > 0;
		assert_int_equal(live.backend->pull(p, packet, BURST_PACKETS), 0);
		live.backend->give_back(p);
		assert_int_equal(live.backend->state(p, NULL), RX_OPEN);
	}
	assert_true(woken <= 4);
	wire_up("wl0", "wl1");
	send_numbered("wl1", 4, 3, 100);
	kept_free(keep(p, 3), 3);
	live.backend->stop(p);
	assert_int_equal(live.backend->state(p, NULL), RX_END);
	books_close(p, 6);
	live.backend->close(p);
}

/* ---- the filter ---- */

static void the_kernel_keeps_out_what_the_filter_refuses(void **state)
{
	struct rx_port *p;
	struct kept *kept;
	enum rx_state end;

	(void)state;
	need_namespace(have_namespace);
	strcpy(live_settings.filter, "greater 200");
	wire("wl0", "wl1", "");
	p = live_open("wl0");
	send_numbered("wl1", 1, 100, 100);
	send_numbered("wl1", 101, 5, 300);
	send_numbered("wl1", 106, 100, 100);
	kept = keep(p, 5);
	for (uint32_t i = 0; i < 5; i++)
		assert_int_equal(kept[i].packet.wire_bytes, 300);
	kept_free(kept, 5);
	live.backend->stop(p);
	assert_int_equal(drain(p, &end), 0);
	assert_int_equal(counters_of(p).offered, 5);
	books_close(p, 5);
	live.backend->close(p);
}

/* Its tag is out of the frame when the kernel looks, so only the whole frame can be judged. */
static void a_tagged_frame_is_never_refused_in_the_kernel(void **state)
{
	uint8_t tagged[100];
	struct rx_port *p;
	int fd;

	(void)state;
	need_namespace(have_namespace);
	strcpy(live_settings.filter, "vlan 5 and greater 80");
	wire("wl0", "wl1", "");
	p = live_open("wl0");
	frame_make(tagged, sizeof(tagged), 0x8100, 1);
	tagged[14] = 0;
	tagged[15] = 5;
	fd = sender_open("wl1");
	send_bytes(fd, tagged, sizeof(tagged));
	close(fd);
	kept_free(keep(p, 1), 1);
	live.backend->close(p);
}

/* ---- refusals ---- */

static void refuses_to_open(const char *argument, int code, const char *because)
{
	struct rx_open how = live_how(argument);
	struct rx_port *p = (void *)&how;
	struct rx_error err = { "" };

	assert_int_equal(live.backend->open(&how, &p, &err), code);
	if (strstr(err.text, because) == NULL)
		fail_msg("%s: \"%s\" does not say \"%s\"", argument, err.text, because);
	assert_ptr_equal(p, &how); /* outputs are written only on success */
}

static void what_cannot_be_captured_is_refused_with_the_remedy(void **state)
{
	(void)state;
	need_namespace(have_namespace);
	wire("wl0", "wl1", "");
	refuses_to_open("wl7", -ENODEV, "wl7: there is no such interface; there are: lo");
	refuses_to_open("", -EINVAL, "an interface is needed");
	refuses_to_open("wl0,volume=11", -EINVAL, "volume");
	run("ip link set wl0 down");
	refuses_to_open("wl0", -ENETDOWN, "ip link set wl0 up");
}

static void probing_says_what_there_would_be_or_what_is_missing(void **state)
{
	struct rx_error text = { "" };

	(void)state;
	need_namespace(have_namespace);
	wire("wl0", "wl1", "");
	assert_int_equal(live.backend->probe(NULL, &text), 0);
	assert_true(text.text[0] != 0);
	assert_int_equal(live.backend->probe("wl0", &text), 0);
	assert_int_equal(live.backend->probe("wl7", &text), -ENODEV);
	assert_non_null(strstr(text.text, "wl7: there is no such interface"));
}

/* in_child - what a process does to itself must not stay with the test. Returns its status. */
static inline int in_child(int (*what)(struct rx_port *p), struct rx_port *p)
{
	pid_t child;
	int status = -1;

	fflush(NULL);
	child = fork();
	assert_true(child >= 0);
	if (child == 0)
		_exit(what(p));
	waitpid(child, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int try_without_privilege(struct rx_port *unused)
{
	struct rx_open how = live_how("wl0");
	struct rx_error err = { "" }, probed = { "" };
	struct rx_port *p = NULL;
	int code;

	(void)unused;
	if (setresuid(65534, 65534, 65534) < 0)
		return 2;
	code = live.backend->open(&how, &p, &err);
	if (code != -EPERM || strstr(err.text, "CAP_NET_RAW") == NULL)
		return 3;
	return live.backend->probe("wl0", &probed) == -EPERM &&
			       strstr(probed.text, "CAP_NET_RAW") != NULL
		       ? 0
		       : 4;
}

static void without_privilege_the_capability_is_named(void **state)
{
	(void)state;
	need_namespace(have_namespace);
	wire("wl0", "wl1", "");
	assert_int_equal(in_child(try_without_privilege, NULL), 0);
}

/* ---- behind the sandbox ---- */

/* shut - of the calls that a sandboxed worker does not have, those that could be wanted here. */
static inline int shut(void)
{
#define REFUSE(call)                                                                               \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##call, 0, 1),                                     \
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM)
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		REFUSE(ioctl),
		REFUSE(setsockopt),
		REFUSE(socket),
		REFUSE(bind),
		REFUSE(openat),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { .len = array_count(filter), .filter = filter };

	if (setresuid(65534, 65534, 65534) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
		return -errno;
	return 0;
}

static int to_child[2], from_child[2];

/* step - the child says that it got here, and waits for the test. */
static inline bool step(void)
{
	char c = 0;

	return write(from_child[1], &c, 1) == 1 && read(to_child[0], &c, 1) == 1;
}

static inline uint64_t pull_some(struct rx_port *p, uint64_t want)
{
	struct packet packet[BURST_PACKETS];
	uint64_t have = 0, until_ns = clock_monotonic_ns() + CLOCK_SECOND_NS;

	while (have < want && clock_monotonic_ns() < until_ns) {
		have += live.backend->pull(p, packet, BURST_PACKETS);
		live.backend->give_back(p);
		if (live.backend->state(p, NULL) != RX_OPEN)
			break;
		if (have < want)
			wait_for(p, 20);
	}
	return have;
}

static int capture_shut_in(struct rx_port *p)
{
	struct rx_counters c;

	if (shut() < 0 || !step())
		return 2;
	if (pull_some(p, 100) != 100)
		return 3;
	if (!step()) /* down and up again */
		return 4;
	if (pull_some(p, 10) != 10)
		return 5;
	if (!step()) /* removed */
		return 6;
	if (pull_some(p, 7) != 7)
		return 7;
	nap_ms(20);
	for (int i = 0; i < 100 && live.backend->state(p, NULL) == RX_OPEN; i++)
		(void)pull_some(p, 1);
	if (live.backend->state(p, NULL) != RX_GONE)
		return 8;
	live.backend->counters(p, &c);
	if (c.received != 117 || c.offered != 117 || lost_by(&c) != 0 || c.in_flight != 0)
		return 9;
	live.backend->close(p);
	return 0;
}

static inline void await_child(void)
{
	char c;

	assert_int_equal(read(from_child[0], &c, 1), 1);
}

static inline void let_child_go_on(void)
{
	assert_int_equal(write(to_child[1], "", 1), 1);
}

static void capture_works_shut_in(void **state)
{
	struct rx_port *p;
	pid_t child;
	int status = -1;

	(void)state;
	need_namespace(have_namespace);
	wire("wl0", "wl1", "");
	p = live_open("wl0");
	assert_int_equal(pipe(to_child), 0);
	assert_int_equal(pipe(from_child), 0);
	child = fork();
	if (child == 0) {
		close(from_child[0]);
		_exit(capture_shut_in(p));
	}
	close(from_child[1]);
	await_child();
	send_numbered("wl1", 1, 100, 100);
	let_child_go_on();
	await_child();
	run("ip link set wl0 down");
	nap_ms(30);
	wire_up("wl0", "wl1");
	send_numbered("wl1", 101, 10, 100);
	let_child_go_on();
	await_child();
	send_numbered("wl1", 111, 7, 100);
	wire_cut("wl0");
	let_child_go_on();
	waitpid(child, &status, 0);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	close(to_child[0]);
	close(to_child[1]);
	close(from_child[0]);
	live.backend->close(p);
}

#define LIVE_CASE(name) cmocka_unit_test_setup_teardown(name, live_begin, live_end)

/* clang-format off */
#define LIVE_CASES                                                                                 \
	LIVE_CASE(what_is_sent_arrives_byte_for_byte),                                             \
	LIVE_CASE(tags_that_the_kernel_took_out_are_put_back),                                     \
	LIVE_CASE(super_packets_arrive_whole),                                                     \
	LIVE_CASE(the_snap_length_cuts_but_the_wire_length_stays),                                 \
	LIVE_CASE(both_directions_are_captured),                                                   \
	LIVE_CASE(on_the_loopback_every_frame_comes_once),                                         \
	LIVE_CASE(packets_carry_their_interface),                                                  \
	LIVE_CASE(borrowed_frames_stay_until_they_are_given_back),                                 \
	LIVE_CASE(no_room_takes_nothing),                                                          \
	LIVE_CASE(closing_halfway_leaks_nothing),                                                  \
	LIVE_CASE(a_full_ring_loses_frames_and_every_one_is_counted),                              \
	LIVE_CASE(losses_in_between_are_counted_too),                                              \
	LIVE_CASE(stopping_amid_traffic_closes_the_books),                                         \
	LIVE_CASE(what_comes_after_the_stop_is_not_captured),                                      \
	LIVE_CASE(stopping_an_idle_port_ends_at_once),                                             \
	LIVE_CASE(a_removed_interface_ends_the_capture_with_closed_books),                         \
	LIVE_CASE(an_interface_that_goes_down_is_waited_for_asleep),                               \
	LIVE_CASE(the_kernel_keeps_out_what_the_filter_refuses),                                   \
	LIVE_CASE(a_tagged_frame_is_never_refused_in_the_kernel),                                  \
	LIVE_CASE(what_cannot_be_captured_is_refused_with_the_remedy),                             \
	LIVE_CASE(probing_says_what_there_would_be_or_what_is_missing),                            \
	LIVE_CASE(without_privilege_the_capability_is_named),                                      \
	LIVE_CASE(capture_works_shut_in)
/* clang-format on */

#endif
