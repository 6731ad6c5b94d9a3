/* dpdk_kernel - the driver's sockets found, and asked past it. */
#include "dataplane/rx/dpdk_kernel.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <xdp/libxdp.h>

#include "dataplane/base/clock.h"
#include "dataplane/rx/af_xdp_program.h"
#include "dataplane/rx/af_xdp_socket.h"

enum {
	FRAME_BYTES_MAX = 3542, /* net_af_xdp's: a page without its headrooms */
	UNDER_WAY = 64,         /* frames a driver handles between two looks */
	SNAPSHOTS = 4,
};

#define PATIENCE_NS CLOCK_SECOND_NS

/* ---- descriptors ---- */

void dpdk_fds_note(struct dpdk_fds *ret)
{
	memset(ret, 0, sizeof(*ret));
	for (int fd = 0; fd < DPDK_FDS; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			ret->open[fd / 8] |= (uint8_t)(1 << fd % 8);
}

static bool is_packet_socket_of(int fd, int ifindex)
{
	struct sockaddr_ll at = { 0 };
	socklen_t bytes = sizeof(at);

	return getsockname(fd, (struct sockaddr *)&at, &bytes) == 0 && at.sll_ifindex == ifindex &&
	       at.sll_protocol != 0;
}

static bool is_socket_of(int fd, int family, int ifindex)
{
	int domain = -1;
	socklen_t bytes = sizeof(domain);

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &bytes) < 0 || domain != family)
		return false;
	return family != AF_PACKET || is_packet_socket_of(fd, ifindex);
}

int dpdk_fds_socket(const struct dpdk_fds *before, int family, int ifindex, uint32_t n)
{
	for (int fd = 0; fd < DPDK_FDS; fd++) {
		if ((before->open[fd / 8] & 1 << fd % 8) != 0)
			continue;
		if (is_socket_of(fd, family, ifindex) && n-- == 0)
			return fd;
	}
	return -1;
}

/* ---- opening ---- */

void dpdk_kernel_socket(struct dpdk_kernel *k, int fd, const struct interface *interface,
			bool leads)
{
	*k = (struct dpdk_kernel){ .who = DPDK_COUNTS_SOCKET, .leads = leads };
	packet_socket_start(&k->socket, fd, interface, leads, 0);
}

static void begin(struct dpdk_kernel *k, const struct interface *interface)
{
	k->interface = *interface;
	k->interface.asked_ns = 0;
	interface_losses(&k->interface, &k->losses);
	k->interface.before = k->interface.now;
	k->losses = (struct interface_losses){ 0 };
}

void dpdk_kernel_xsk(struct dpdk_kernel *k, int fd, uint32_t queue, uint32_t ring_packets,
		     struct af_xdp_program *program, const struct interface *interface, bool leads)
{
	*k = (struct dpdk_kernel){ .who = DPDK_COUNTS_XSK,
				   .leads = leads,
				   .fd = fd,
				   .queue = queue,
				   .ring_packets = ring_packets,
				   .program = program };
	begin(k, interface);
}

void dpdk_kernel_tap(struct dpdk_kernel *k, const struct interface *interface, bool leads)
{
	*k = (struct dpdk_kernel){ .who = DPDK_COUNTS_TAP, .leads = leads };
	begin(k, interface);
}

void dpdk_kernel_close(struct dpdk_kernel *k)
{
	if (k->who == DPDK_COUNTS_SOCKET)
		packet_socket_end(&k->socket);
	if (k->who == DPDK_COUNTS_XSK && k->program != NULL) {
		af_xdp_program_disconnect(k->program, k->queue);
		af_xdp_program_release(k->program, k->queue);
		af_xdp_program_close(k->program);
	}
	if (k->who == DPDK_COUNTS_XSK || k->who == DPDK_COUNTS_TAP)
		interface_close(&k->interface);
	*k = (struct dpdk_kernel){ 0 };
}

/* ---- the program ---- */

static int keep_silent(enum libxdp_print_level level, const char *format, va_list ap)
{
	(void)level;
	(void)format;
	(void)ap;
	return 0;
}

void dpdk_kernel_keep_silent(void)
{
	libxdp_set_print(keep_silent);
}

/* take_off - what the driver attached. It was alone there: a foreign program had been refused
 * before. Returns: was it native? */
static bool take_off(int ifindex)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, seen);
	bool native;

	if (bpf_xdp_query(ifindex, 0, &seen) < 0)
		return true;
	native = seen.attach_mode != XDP_ATTACHED_SKB;
	bpf_xdp_detach(ifindex, native ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE, NULL);
	return native;
}

int dpdk_kernel_replace(const char *interface, int ifindex, uint32_t queues,
			struct af_xdp_program **ret, struct rx_error *err)
{
	struct af_xdp_program_how how = {
		.interface = interface,
		.ifindex = ifindex,
		.queues = queues,
		.members = 1,
		.native = take_off(ifindex),
	};

	return af_xdp_program_open(&how, ret, err);
}

/* ---- numbers of an AF_XDP socket ---- */

struct tally {
	uint64_t seen, redirected, too_big;
	struct af_xdp_losses lost;
};

static void tally_once(const struct dpdk_kernel *k, struct tally *ret)
{
	struct steer_counts c = { 0 };

	*ret = (struct tally){ 0 };
	af_xdp_losses(k->fd, &ret->lost);
	if (k->program != NULL)
		af_xdp_program_counts(k->program, k->queue, &c);
	ret->seen = c.seen;
	ret->redirected = c.redirected;
	ret->too_big = c.too_big;
}

/* under_way - handed to the socket, neither received nor lost by its word. */
static int64_t under_way(const struct dpdk_kernel *k, const struct tally *t)
{
	return (int64_t)(t->redirected - t->lost.ring_full - t->lost.no_frame - k->received);
}

/* driver_losses - beyond what is named elsewhere: the interface counts in rx_dropped also what a
 * socket had no room for, or what the stack had no use for. */
static uint64_t driver_losses(struct dpdk_kernel *k)
{
	struct af_xdp_losses lost = { 0 };
	uint64_t named = 0, dropped = k->losses.dropped;

	for (uint32_t q = 0; q < af_xdp_program_slots(k->program); q++) {
		struct steer_counts c;

		af_xdp_program_counts(k->program, q, &c);
		named += c.passed + c.too_big;
		if (af_xdp_program_socket(k->program, q) >= 0)
			af_xdp_losses(af_xdp_program_socket(k->program, q), &lost);
	}
	named += lost.ring_full + lost.no_frame;
	if (dropped > named && dropped - named > k->driver)
		k->driver = dropped - named;
	return k->driver;
}

static void xsk_counters(struct dpdk_kernel *k, uint32_t waiting, struct rx_counters *ret)
{
	struct rx_counters c = { 0 };
	struct tally t;
	int64_t open;

	if (k->leads && !k->ended)
		interface_losses(&k->interface, &k->losses);
	if (k->leads && k->program != NULL) {
		c.lost[RX_LOST_nic] = k->losses.missed;
		c.lost[RX_LOST_driver] = driver_losses(k);
		c.offered = c.lost[RX_LOST_nic] + c.lost[RX_LOST_driver];
	}
	for (int i = 0; i < SNAPSHOTS; i++) {
		tally_once(k, &t);
		open = under_way(k, &t);
		if (open == waiting)
			break;
	}
	/* What is in the ring cannot be seen; more than it holds would be an error. */
	if (k->ended || open < 0 || open > k->ring_packets + UNDER_WAY)
		open = 0;
	c.offered += t.seen;
	c.lost[RX_LOST_rx_ring] = t.lost.ring_full;
	c.lost[RX_LOST_fill_ring] = t.lost.no_frame;
	c.lost[RX_LOST_invalid] = t.too_big;
	c.received = k->received;
	c.in_flight = (uint64_t)open;
	if (k->program == NULL) {
		c.offered = RX_UNKNOWN;
		c.in_flight = 0;
	}
	*ret = c;
}

/* ---- a tap ---- */

static void tap_counters(struct dpdk_kernel *k, uint32_t waiting, struct rx_counters *ret)
{
	uint64_t dropped = k->losses.send_dropped;

	*ret = (struct rx_counters){ .received = k->received, .in_flight = waiting };
	if (!k->leads)
		return;
	k->interface.asked_ns = 0;
	interface_losses(&k->interface, &k->losses);
	/* What finds the queue full once nobody takes from it any more was not offered. */
	if (k->ended)
		k->losses.send_dropped = dropped;
	ret->lost[RX_LOST_kernel_buffer] = k->losses.send_dropped;
	ret->offered = k->losses.sent + k->losses.send_dropped;
}

/* ---- capture ---- */

uint32_t dpdk_kernel_room(const struct dpdk_kernel *k, uint32_t room)
{
	return k->who == DPDK_COUNTS_SOCKET ? packet_socket_room(&k->socket, room) : room;
}

void dpdk_kernel_pulled(struct dpdk_kernel *k, uint32_t count)
{
	if (k->who == DPDK_COUNTS_SOCKET)
		packet_socket_pulled(&k->socket, count);
	else
		k->received += count;
}

/* settle - until the program counts no more: a processor may be inside it when the queue is taken
 * from it, and behind the sandbox nothing can be asked that waits for that. */
static void settle(const struct dpdk_kernel *k)
{
	struct tally t, before = { .seen = UINT64_MAX };

	for (int ms = 0; ms < 20; ms++) {
		tally_once(k, &t);
		if (ms > 1 && t.seen == before.seen)
			return;
		before = t;
		nanosleep(&(struct timespec){ .tv_nsec = 1000 * 1000 }, NULL);
	}
}

static void end(struct dpdk_kernel *k, bool gone)
{
	if (k->ended)
		return;
	k->interface.asked_ns = 0;
	interface_losses(&k->interface, &k->losses);
	if (k->who == DPDK_COUNTS_XSK && k->program != NULL) {
		af_xdp_program_disconnect(k->program, k->queue);
		settle(k);
	}
	k->ended = true;
	k->gone = gone;
	k->deadline_ns = clock_monotonic_ns() + PATIENCE_NS;
}

static void look(struct dpdk_kernel *k)
{
	if (!k->ended && interface_look(&k->interface) == INTERFACE_GONE)
		end(k, true);
}

void dpdk_kernel_stop(struct dpdk_kernel *k)
{
	if (k->who == DPDK_COUNTS_SOCKET)
		packet_socket_stop(&k->socket);
	else if (k->who != DPDK_COUNTS_NOBODY)
		end(k, false);
	else
		k->ended = true;
}

/* more_comes - of what was offered before the line. */
static bool more_comes(const struct dpdk_kernel *k, bool waiting)
{
	struct tally t;

	if (waiting)
		return true;
	if (k->who != DPDK_COUNTS_XSK || k->program == NULL || k->gone)
		return false;
	tally_once(k, &t);
	return under_way(k, &t) > 0 && clock_monotonic_ns() < k->deadline_ns;
}

enum rx_state dpdk_kernel_state(struct dpdk_kernel *k, bool waiting, struct rx_error *err)
{
	if (k->who == DPDK_COUNTS_SOCKET)
		return packet_socket_state(&k->socket, waiting, err);
	if (!k->ended || more_comes(k, waiting))
		return RX_OPEN;
	if (k->gone && err != NULL)
		snprintf(err->text, sizeof(err->text), "%s was removed: the capture ends here",
			 k->interface.name);
	return k->gone ? RX_GONE : RX_END;
}

void dpdk_kernel_counters(struct dpdk_kernel *k, uint32_t waiting, struct rx_counters *ret)
{
	switch (k->who) {
	case DPDK_COUNTS_SOCKET: packet_socket_counters(&k->socket, waiting, ret); return;
	case DPDK_COUNTS_XSK:
		look(k);
		xsk_counters(k, waiting, ret);
		return;
	case DPDK_COUNTS_TAP:
		look(k);
		tap_counters(k, waiting, ret);
		return;
	case DPDK_COUNTS_NOBODY: break;
	}
	*ret = (struct rx_counters){ .offered = RX_UNKNOWN, .received = k->received };
}

int dpdk_kernel_wait_fd(const struct dpdk_kernel *k)
{
	if (k->who == DPDK_COUNTS_SOCKET)
		return k->socket.fd;
	return k->who == DPDK_COUNTS_XSK ? k->fd : -1;
}
