/* af_packet - live capture through the kernel's packet socket and its ring in shared memory
 * (TPACKET_V3).
 *
 *     ring    | block | block | block | block | block | ... |
 *               lent    lent    being   full    the kernel
 *              `oldest`         pulled          fills it
 *
 * The kernel puts frames into a block until it is full or `timeout` has passed, then hands it over
 * and wakes whoever polls: that is all the batching there has to be. Frames are lent out where they
 * lie. A block goes back when the burst that took its last frame is given back.
 *
 * The timeout is also what a frame may wait before it is seen, and a block handed over nearly empty
 * is as gone as a full one: blocks * timeout is how long capture bears a worker that stands still,
 * however little traffic there is. Hence many blocks of moderate size. A block holds the
 * super-packets of 64 KiB that GRO and TSO make; what does not fit one is cut.
 *
 * What is in the block that the kernel is filling cannot be seen, so it is not in `in_flight`.
 *
 * Several workers are a fan-out group (fanout.h), in which each gets the packets of its own flows.
 * The kernel could put IP fragments together before it chooses, but would then show packets that
 * were never on the wire.
 *
 * A tag that the kernel has taken out of the frame is put back: there is room in front of it,
 * and the addresses move down. Frames that this host sends are captured too; on the loopback,
 * where the same frame comes again as received, only then.
 *
 * Interfaces without link-layer headers (tun, PPP, IP tunnels) are read from the IP header on,
 * which all their kinds have in common.
 *
 * System calls after open(): those of packet_socket.h; poll() by the worker; munmap, close.
 */
#include <errno.h>
#include <inttypes.h>
#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/net_tstamp.h>
#include <linux/sockios.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dataplane/base/clock.h"
#include "dataplane/base/compiler.h"
#include "dataplane/base/log.h"
#include "dataplane/rx/fanout.h"
#include "dataplane/rx/options.h"
#include "dataplane/rx/packet_socket.h"
#include "dataplane/shm/settings.h"

enum {
	TAG_BYTES = 4,
	ADDRESSES_BYTES = 2 * ETH_ALEN,
	FRAME_BYTES =
		2048, /* the kernel wants to know; in a TPACKET_V3 ring nothing depends on it */
	BLOCK_BYTES_MIN = 128 << 10,
	RING_BYTES_MAX = 1 << 30,
};

#define MS_NS UINT64_C(1000000)

/* ---- the argument ---- */

enum stamp { STAMP_KERNEL, STAMP_HARDWARE };
static const char *const stamp_words[] = { "kernel", "hardware", NULL };

struct plan {
	uint64_t block_bytes, blocks, timeout_ns, stamp;
	char interface[48];
};

/* clang-format off */
static const struct rx_option af_packet_options[] = {
	{ "block", RX_OPTION_BYTES, offsetof(struct plan, block_bytes), 256 << 10, BLOCK_BYTES_MIN, 16 << 20, NULL,
	  "of the ring, a multiple of 64k: the kernel hands over one at a time" },
	{ "blocks", RX_OPTION_COUNT, offsetof(struct plan, blocks), 128, 2, 65536, NULL,
	  "in the ring of each worker; at most 1g in all" },
	{ "timeout", RX_OPTION_TIME_NS, offsetof(struct plan, timeout_ns), 10 * MS_NS, MS_NS, 500 * MS_NS, NULL,
	  "after which a block is handed over that is not full; whole milliseconds" },
	{ "stamp", RX_OPTION_WORD, offsetof(struct plan, stamp), STAMP_KERNEL, 0, 0, stamp_words,
	  "time stamps by the kernel, or by an interface that was told to make them" },
	{ 0 },
};
/* clang-format on */

__attribute__((format(printf, 3, 4))) static int refuse(struct rx_error *err, int code,
							const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(err->text, sizeof(err->text), format, ap);
	va_end(ap);
	return code;
}

static int plan_make(const struct rx_open *how, struct plan *ret, struct rx_error *err)
{
	int code = options_read("af_packet", af_packet_options, how->argument, ret->interface,
				sizeof(ret->interface), ret, err);

	if (code < 0)
		return code;
	if (ret->interface[0] == 0)
		return refuse(err, -EINVAL,
			      "af_packet: an interface is needed: --rx af_packet:eth0");
	if (ret->block_bytes % (64 << 10) != 0)
		return refuse(err, -EINVAL,
			      "af_packet: block=%" PRIu64 ": a multiple of 64k is needed",
			      ret->block_bytes);
	if (ret->block_bytes * ret->blocks > RING_BYTES_MAX)
		return refuse(err, -EINVAL,
			      "af_packet: %" PRIu64 " blocks of %" PRIu64
			      " bytes are more than 1g: fewer or smaller ones are needed",
			      ret->blocks, ret->block_bytes);
	return 0;
}

/* ---- kinds of interfaces ---- */

struct kind {
	uint16_t link;
	int socket_type;
};

/* kind_of - Returns whether decode can read what is captured there. */
static bool kind_of(const char *interface, struct kind *ret, uint16_t *ret_arphrd)
{
	*ret = (struct kind){ .link = LINK_ETHERNET, .socket_type = SOCK_RAW };
	if (interface_is_ethernet(interface, ret_arphrd))
		return true;
	/* SOCK_DGRAM begins at the network header, whatever the driver puts in front of it. */
	*ret = (struct kind){ .link = LINK_RAW, .socket_type = SOCK_DGRAM };
	switch (*ret_arphrd) {
	case ARPHRD_NONE:
	case ARPHRD_RAWIP:
	case ARPHRD_PPP:
	case ARPHRD_TUNNEL:
	case ARPHRD_TUNNEL6:
	case ARPHRD_SIT:
	case ARPHRD_IPGRE:
	case ARPHRD_IP6GRE: return true;
	default: return false;
	}
}

static int refuse_kind(const char *interface, uint16_t arphrd, struct rx_error *err)
{
	return refuse(err, -ENOTSUP,
		      "%s: its frames (hardware type %u) are neither Ethernet nor plain IP; "
		      "try --rx pcap:%s",
		      interface, arphrd, interface);
}

/* ---- a port ---- */

extern const struct rx_backend rx_af_packet;

struct af_packet_port {
	struct rx_port_head head;
	/* every packet */
	uint8_t *frame_head; /* of the next packet: a struct tpacket3_hdr */
	uint32_t left;       /* packets of the block being pulled */
	uint32_t cut_bytes;
	uint16_t link, iface;
	bool restores_tags;
	bool unstamped; /* a packet came without the hardware's time stamp */

	/* every block */
	uint8_t *ring;
	uint32_t block_bytes, block_count;
	uint32_t at;   /* the block being pulled, or to be pulled next */
	uint32_t lent; /* blocks before it whose packets have all been pulled */

	struct packet_socket socket;

	/* set-up */
	struct plan plan;
	uint32_t workers;
	uint8_t spread; /* enum rx_spread */
	bool stamps_hardware;
};

static struct af_packet_port *of(struct rx_port *p)
{
	return (struct af_packet_port *)(void *)p;
}

static struct tpacket_hdr_v1 *block_head(const struct af_packet_port *p, uint32_t block)
{
	struct tpacket_block_desc *b =
		(struct tpacket_block_desc *)(void *)(p->ring + (size_t)block * p->block_bytes);

	return &b->hdr.bh1;
}

/* block_is_ours - Pairs with the kernel's store of the status, which comes after everything else in
 * the block. */
static bool block_is_ours(const struct af_packet_port *p, uint32_t block)
{
	return (__atomic_load_n(&block_head(p, block)->block_status, __ATOMIC_ACQUIRE) &
		TP_STATUS_USER) != 0;
}

static uint32_t block_after(const struct af_packet_port *p, uint32_t block)
{
	return block + 1 < p->block_count ? block + 1 : 0;
}

/* ---- packets ---- */

/* restore_tag - into the room that PACKET_RESERVE has kept in front of the frame. */
static void restore_tag(const struct tpacket3_hdr *h, struct packet *packet, uint8_t *frame,
			uint32_t cut_bytes)
{
	uint32_t tpid = (h->tp_status & TP_STATUS_VLAN_TPID_VALID) != 0 ? h->hv1.tp_vlan_tpid
									: ETH_P_8021Q;
	uint32_t tci = h->hv1.tp_vlan_tci;
	uint8_t *tag = frame - TAG_BYTES + ADDRESSES_BYTES;

	if (packet->caplen_bytes < ADDRESSES_BYTES)
		return; /* cut before the place where it was */
	memmove(frame - TAG_BYTES, frame, ADDRESSES_BYTES);
	tag[0] = (uint8_t)(tpid >> 8);
	tag[1] = (uint8_t)tpid;
	tag[2] = (uint8_t)(tci >> 8);
	tag[3] = (uint8_t)tci;
	packet->frame = frame - TAG_BYTES;
	packet->wire_bytes += TAG_BYTES;
	packet->caplen_bytes += TAG_BYTES;
	if (packet->caplen_bytes > cut_bytes)
		packet->caplen_bytes = cut_bytes;
}

static void take_packet(struct af_packet_port *p, struct packet *packet)
{
	struct tpacket3_hdr *h = (struct tpacket3_hdr *)(void *)p->frame_head;
	uint8_t *frame = p->frame_head + h->tp_mac;

	packet->frame = frame;
	packet->ts_ns = h->tp_sec * CLOCK_SECOND_NS + h->tp_nsec;
	packet->number = 0;
	packet->caplen_bytes = h->tp_snaplen < p->cut_bytes ? h->tp_snaplen : p->cut_bytes;
	packet->wire_bytes = h->tp_len;
	packet->link = p->link;
	packet->iface = p->iface;
	if (unlikely((h->tp_status & TP_STATUS_VLAN_VALID) != 0 && p->restores_tags))
		restore_tag(h, packet, frame, p->cut_bytes);
	if ((h->tp_status & TP_STATUS_TS_RAW_HARDWARE) == 0)
		p->unstamped = true;
	p->frame_head += h->tp_next_offset;
}

/* next_block - begin the next block that the kernel has handed over. False: there is none. */
static bool next_block(struct af_packet_port *p)
{
	const struct tpacket_hdr_v1 *b = block_head(p, p->at);

	/* When all are lent, the next is one that has been pulled already. */
	if (p->lent == p->block_count || !block_is_ours(p, p->at))
		return false;
	p->left = b->num_pkts;
	p->frame_head = (uint8_t *)block_head(p, p->at) - offsetof(struct tpacket_block_desc, hdr) +
			b->offset_to_first_pkt;
	return true;
}

static void end_block(struct af_packet_port *p)
{
	p->at = block_after(p, p->at);
	p->lent++;
}

static uint32_t af_packet_pull(struct rx_port *port, struct packet *packet, uint32_t room)
{
	struct af_packet_port *p = of(port);
	uint32_t n = 0;

	room = packet_socket_room(&p->socket, room);
	while (n < room && (p->left > 0 || next_block(p))) {
		while (n < room && p->left > 0) {
			take_packet(p, &packet[n++]);
			p->left--;
		}
		if (p->left == 0)
			end_block(p);
	}
	packet_socket_pulled(&p->socket, n);
	return n;
}

static void af_packet_give_back(struct rx_port *port)
{
	struct af_packet_port *p = of(port);
	uint32_t block = (p->at + p->block_count - p->lent) % p->block_count;

	for (; p->lent > 0; p->lent--) {
		/* Pairs with the kernel's look at the status before it writes into the block. */
		__atomic_store_n(&block_head(p, block)->block_status, TP_STATUS_KERNEL,
				 __ATOMIC_RELEASE);
		block = block_after(p, block);
	}
}

/* ---- state ---- */

static bool has_packets(const struct af_packet_port *p)
{
	return p->left > 0 || (p->lent < p->block_count && block_is_ours(p, p->at));
}

/* waiting_packets - in the blocks that were handed over. */
static uint64_t waiting_packets(const struct af_packet_port *p)
{
	uint64_t packets = p->left;
	uint32_t block = p->left > 0 ? block_after(p, p->at) : p->at;
	uint32_t n = p->lent + (p->left > 0);

	for (; n < p->block_count && block_is_ours(p, block); n++) {
		packets += block_head(p, block)->num_pkts;
		block = block_after(p, block);
	}
	return packets;
}

static enum rx_state af_packet_state(struct rx_port *port, struct rx_error *err)
{
	struct af_packet_port *p = of(port);

	return packet_socket_state(&p->socket, has_packets(p), err);
}

static void af_packet_counters(struct rx_port *port, struct rx_counters *ret)
{
	struct af_packet_port *p = of(port);

	packet_socket_counters(&p->socket, waiting_packets(p), ret);
}

static void af_packet_stop(struct rx_port *port)
{
	packet_socket_stop(&of(port)->socket);
}

static int af_packet_wait_fd(struct rx_port *port)
{
	return of(port)->socket.fd;
}

static void af_packet_about(struct rx_port *port, struct rx_about *ret)
{
	struct af_packet_port *p = of(port);
	bool hardware = p->stamps_hardware && !p->unstamped;

	*ret = (struct rx_about){ .spread = p->spread };
	snprintf(ret->interface, sizeof(ret->interface), "%s", p->plan.interface);
	snprintf(ret->mode, sizeof(ret->mode),
		 "TPACKET_V3, %" PRIu64 " blocks of %" PRIu64 "k, %" PRIu64 " ms%s", p->plan.blocks,
		 p->plan.block_bytes >> 10, p->plan.timeout_ns / MS_NS,
		 p->workers == 1              ? ""
		 : p->spread == RX_SPREAD_OWN ? ", fan-out by flow"
					      : ", fan-out by the kernel's hash");
	snprintf(ret->clock, sizeof(ret->clock), "%s", hardware ? "hardware" : "kernel");
}

/* ---- opening ---- */

static int set(int fd, int option, const void *value, socklen_t bytes)
{
	return setsockopt(fd, SOL_PACKET, option, value, bytes) < 0 ? -errno : 0;
}

static int set_number(int fd, int option, int value)
{
	return set(fd, option, &value, sizeof(value));
}

/* socket_make - Returns: the socket; -errno with err. */
static int socket_make(int type, struct rx_error *err)
{
	/* Bound to no protocol: nothing comes in before everything is set. */
	int fd = socket(AF_PACKET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd >= 0)
		return fd;
	if (errno == EPERM)
		return refuse(
			err, -EPERM,
			"af_packet: a packet socket needs the capability CAP_NET_RAW: start as "
			"root or with sudo");
	return refuse(err, -errno, "af_packet: there is no packet socket: %s", strerror(errno));
}

static int ring_make(struct af_packet_port *p, int fd, struct rx_error *err)
{
	const struct plan *plan = &p->plan;
	size_t bytes = plan->block_bytes * plan->blocks;
	struct tpacket_req3 request = {
		.tp_block_size = (uint32_t)plan->block_bytes,
		.tp_block_nr = (uint32_t)plan->blocks,
		.tp_frame_size = FRAME_BYTES,
		.tp_frame_nr = (uint32_t)(bytes / FRAME_BYTES),
		.tp_retire_blk_tov = (uint32_t)((plan->timeout_ns + MS_NS - 1) / MS_NS),
	};
	int code = set_number(fd, PACKET_VERSION, TPACKET_V3);
	void *ring;

	if (code == 0)
		code = set_number(fd, PACKET_RESERVE, TAG_BYTES);
	if (code < 0)
		return refuse(err, code,
			      "af_packet: the kernel has no TPACKET_V3: %s; try --rx pcap:%s",
			      strerror(-code), plan->interface);
	code = set(fd, PACKET_RX_RING, &request, sizeof(request));
	if (code < 0)
		return refuse(err, code,
			      "af_packet: a ring of %" PRIu64 " blocks of %" PRIu64
			      " bytes is refused: %s; ask for less with blocks=",
			      plan->blocks, plan->block_bytes, strerror(-code));
	ring = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (ring == MAP_FAILED)
		return refuse(err, -errno, "af_packet: the ring cannot be mapped: %s",
			      strerror(errno));
	p->ring = ring;
	p->block_bytes = (uint32_t)plan->block_bytes;
	p->block_count = (uint32_t)plan->blocks;
	return 0;
}

/* hardware_stamps_all - does the interface stamp every frame? It is asked, not told: others may
 * rely on how it is set. */
static bool hardware_stamps_all(int fd, const char *interface)
{
	struct hwtstamp_config config = { 0 };
	struct ifreq r = { .ifr_data = (char *)&config };

	snprintf(r.ifr_name, sizeof(r.ifr_name), "%.*s", IFNAMSIZ - 1, interface);
	return ioctl(fd, SIOCGHWTSTAMP, &r) == 0 && config.rx_filter == HWTSTAMP_FILTER_ALL;
}

static void stamps_choose(struct af_packet_port *p, int fd)
{
	const char *interface = p->plan.interface;

	if (p->plan.stamp != STAMP_HARDWARE)
		return;
	p->stamps_hardware = hardware_stamps_all(fd, interface) &&
			     set_number(fd, PACKET_TIMESTAMP, SOF_TIMESTAMPING_RAW_HARDWARE) == 0;
	if (!p->stamps_hardware)
		log_warn(
			"%s: the interface does not stamp every frame, so the kernel's time stamps "
			"are used; where it can, switch it on with: hwstamp_ctl -i %s -r 1",
			interface, interface);
}

/* admit - bind, join the group, and only then let frames in. Frames that came between binding and
 * joining would be another worker's too. */
static int admit(const struct rx_open *how, struct af_packet_port *p, int fd, int index,
		 struct rx_error *err)
{
	const char *expression = p->link == LINK_ETHERNET ? how->settings->filter : NULL;
	int code = packet_socket_refuse_all(fd);

	if (code == 0)
		code = packet_socket_bind(fd, index);
	if (code < 0)
		return refuse(err, code, "%s: the packet socket cannot be bound: %s",
			      p->plan.interface, strerror(-code));
	if (how->workers > 1)
		code = fanout_join(fd, index, p->link == LINK_ETHERNET, how, &p->spread);
	if (code < 0)
		return refuse(err, code,
			      "%s: the fan-out to %u workers is refused: %s; try --workers 1",
			      p->plan.interface, how->workers, strerror(-code));
	code = packet_socket_filter(fd, expression, how->settings->snaplen_bytes);
	if (code < 0)
		return refuse(err, code, "%s: the packet socket takes no filter: %s",
			      p->plan.interface, strerror(-code));
	return 0;
}

static int socket_set_up(const struct rx_open *how, struct af_packet_port *p, int fd, int index,
			 bool loopback, struct rx_error *err)
{
	int code = ring_make(p, fd, err);

	if (code < 0)
		return code;
	if (loopback && (code = set_number(fd, PACKET_IGNORE_OUTGOING, 1)) < 0)
		return refuse(err, code,
			      "%s: every frame would come twice (kernel 4.20 is needed): %s",
			      p->plan.interface, strerror(-code));
	stamps_choose(p, fd);
	return admit(how, p, fd, index, err);
}

static void ring_unmap(struct af_packet_port *p)
{
	if (p->ring != NULL)
		munmap(p->ring, (size_t)p->block_bytes * p->block_count);
}

static int port_set_up(const struct rx_open *how, struct af_packet_port *p, struct rx_error *err)
{
	struct interface interface;
	struct kind kind;
	uint16_t arphrd = 0;
	int fd, code;

	code = interface_open(&interface, p->plan.interface, how->settings->promiscuous != 0, err);
	if (code < 0)
		return code;
	if (!kind_of(p->plan.interface, &kind, &arphrd)) {
		code = refuse_kind(p->plan.interface, arphrd, err);
		goto err_interface;
	}
	p->link = kind.link;
	p->restores_tags = kind.socket_type == SOCK_RAW;
	fd = socket_make(kind.socket_type, err);
	if (fd < 0) {
		code = fd;
		goto err_interface;
	}
	code = socket_set_up(how, p, fd, interface.index, arphrd == ARPHRD_LOOPBACK, err);
	if (code < 0)
		goto err_socket;
	packet_socket_start(&p->socket, fd, &interface, how->worker == 0, p->plan.timeout_ns);
	return 0;

err_socket:
	ring_unmap(p);
	close(fd);
err_interface:
	interface_close(&interface);
	return code;
}

static int af_packet_open(const struct rx_open *how, struct rx_port **ret, struct rx_error *err)
{
	struct plan plan;
	struct af_packet_port *p;
	int code = plan_make(how, &plan, err);

	if (code < 0)
		return code;
	p = calloc(1, sizeof(*p));
	if (p == NULL)
		return refuse(err, -ENOMEM, "af_packet: there is no memory");
	p->head.backend = &rx_af_packet;
	p->plan = plan;
	p->workers = how->workers;
	p->spread = RX_SPREAD_OWN;
	p->cut_bytes = how->settings->snaplen_bytes != 0 ? (uint32_t)how->settings->snaplen_bytes
							 : UINT32_MAX;
	code = port_set_up(how, p, err);
	if (code < 0) {
		free(p);
		return code;
	}
	if (how->iface != NULL)
		p->iface = (uint16_t)(how->iface(how->iface_context, plan.interface) + 1);
	*ret = (struct rx_port *)(void *)p;
	return 0;
}

static void af_packet_close(struct rx_port *port)
{
	struct af_packet_port *p = of(port);

	ring_unmap(p);
	close(p->socket.fd);
	packet_socket_end(&p->socket);
	free(p);
}

static int af_packet_probe(const char *interface, struct rx_error *ret)
{
	struct interface i;
	struct kind kind;
	uint16_t arphrd = 0;
	int fd = socket_make(SOCK_RAW, ret), code;

	if (fd < 0)
		return fd;
	close(fd);
	if (interface != NULL) {
		code = interface_open(&i, interface, false, ret);
		if (code < 0)
			return code;
		interface_close(&i);
		if (!kind_of(interface, &kind, &arphrd))
			return refuse_kind(interface, arphrd, ret);
	}
	return refuse(ret, 0, "TPACKET_V3: one copy, made by the kernel; any interface");
}

const struct rx_backend rx_af_packet = {
	.name = "af_packet",
	.help = "live from an interface, through the kernel's packet socket: af_packet:IFACE",
	.options = af_packet_options,
	.live = true,
	.preference = 20,
	.probe = af_packet_probe,
	.open = af_packet_open,
	.about = af_packet_about,
	.stop = af_packet_stop,
	.pull = af_packet_pull,
	.give_back = af_packet_give_back,
	.state = af_packet_state,
	.counters = af_packet_counters,
	.wait_fd = af_packet_wait_fd,
	.close = af_packet_close,
};
