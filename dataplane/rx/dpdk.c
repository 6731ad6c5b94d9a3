/* dpdk - frames from any port that DPDK's environment (EAL) offers: a NIC by its PCI address, or a
 * virtual device.
 *
 *     --rx dpdk:0000:01:00.0     --rx dpdk:net_af_xdp0,iface=eth0
 *
 *     device (dpdk_device) -> its receive queue w -> the port of worker w -> pull()
 *       |                                              |
 *       EAL (dpdk_eal)                                 who counts beside it (dpdk_kernel,
 * dpdk_feed)
 *
 * A burst is received into mbufs and lent out from there, as much of it as there is room for: some
 * drivers return nothing at all when asked for less than a few packets. A packet in several mbufs
 * is put together in a buffer of the port. A tag that the driver took out is put back, as 802.1Q:
 * which kind it was DPDK does not tell.
 *
 * Time stamps are, per packet, the XDP program's, the file's, libpcap's or the NIC's; else that of
 * the pull, the same for a whole burst.
 *
 * What was offered is never a counter of the driver's. Where neither the kernel, nor the file, nor
 * the feeder counts, it is RX_UNKNOWN, and what the driver says it has lost is told all the same.
 * DPDK's telemetry may ask net_pcap for its statistics, and then takes from the socket what would
 * have been counted here.
 *
 * Behind the sandbox: the threads of EAL go on (epoll_wait, accept, read, write; the telemetry
 * makes a thread per client, net_memif a memfd and eventfds per peer, and timers are timerfds). EAL
 * stays up until the process ends.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

/* Before DPDK's, which would define container_of too. */
#include "dataplane/base/compiler.h"

#include <rte_ethdev.h>
#include <rte_lcore.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>
#include <rte_mbuf_dyn.h>
#include <rte_version.h>

#include "dataplane/base/log.h"
#include "dataplane/rx/af_xdp_clock.h"
#include "dataplane/rx/dpdk_device.h"
#include "dataplane/rx/dpdk_eal.h"
#include "dataplane/rx/dpdk_rounds.h"
#include "dataplane/rx/module.h"

#include "bpf/shared.h"

enum {
	JOINED_BYTES_MAX = 65536,
	JOINED_BYTES = DPDK_BURST * JOINED_BYTES_MAX, /* not touched before it is needed */
	AHEAD = 4,                /* frames whose heads are fetched beforehand */
	LOOKS_BEFORE_THE_END = 3, /* a file that returns nothing so often in a row is over */
	WAKE_NS = 1000 * 1000,
};

#define LINK_EVERY_NS  (200 * UINT64_C(1000000))
#define CLOCK_EVERY_NS CLOCK_SECOND_NS

extern const struct rx_backend rx_dpdk;

enum stamps { STAMPS_PULL, STAMPS_XDP, STAMPS_US, STAMPS_NIC };

struct dpdk_port {
	struct rx_port_head head;
	/* every packet */
	struct rte_mbuf *mbuf[DPDK_BURST];
	uint32_t lent, at, count; /* mbufs lent out, given to the worker next, received */
	uint16_t port, queue;
	uint16_t link, iface;
	uint32_t cut_bytes;
	enum stamps stamps;
	int stamp_at; /* offset in the mbuf */
	uint64_t stamp_flag;
	struct af_xdp_clock xdp_clock;
	uint64_t burst_ns;     /* when the burst was received */
	uint64_t number;       /* of the file's record */
	uint64_t loop, looped; /* records of a file without end; how many of them came */
	uint8_t *joined;       /* packets in several mbufs */
	uint32_t joined_bytes;
	/* every burst */
	struct dpdk_kernel kernel;
	struct dpdk_device *device;
	bool registered, stopped, finished;
	uint32_t empties; /* in a row */
	/* chores */
	int timer_fd; /* -1: there is a better one */
	bool link_up;
	uint64_t link_ns, clock_ns;
	uint64_t lost_in_pieces; /* packets that did not fit */
};

static struct dpdk_port *of(struct rx_port *p)
{
	return (struct dpdk_port *)(void *)p;
}

/* ---- packets ---- */

/* join - a packet in several mbufs, up to what there is room for. */
static const uint8_t *join(struct dpdk_port *p, const struct rte_mbuf *m, uint32_t *ret_bytes)
{
	uint8_t *to = p->joined + p->joined_bytes;
	uint32_t bytes = 0;

	for (; m != NULL && bytes < JOINED_BYTES_MAX; m = m->next) {
		uint32_t part = m->data_len < JOINED_BYTES_MAX - bytes ? m->data_len
								       : JOINED_BYTES_MAX - bytes;

		memcpy(to + bytes, rte_pktmbuf_mtod(m, const uint8_t *), part);
		bytes += part;
	}
	p->joined_bytes += (bytes + 63) & ~63u;
	*ret_bytes = bytes;
	return to;
}

/* xdp_stamp - taken away once it is read: the buffer's next packet may come without one. */
static uint64_t xdp_stamp(struct dpdk_port *p, uint8_t *frame, const struct rte_mbuf *m)
{
	struct steer_stamp s;
	const uint32_t none = 0;

	if (rte_pktmbuf_headroom(m) < sizeof(s))
		return p->burst_ns;
	memcpy(&s, frame - sizeof(s), sizeof(s));
	if (unlikely(s.magic != STEER_STAMP_MAGIC))
		return p->burst_ns;
	memcpy(frame - sizeof(s) + offsetof(struct steer_stamp, magic), &none, sizeof(none));
	return af_xdp_clock_wall_ns(&p->xdp_clock, s.monotonic_ns);
}

static uint64_t nic_stamp(const struct dpdk_port *p, uint64_t ticks)
{
	uint32_t at = atomic_load_explicit(&p->device->clock_at, memory_order_acquire);
	const struct dpdk_clock *c = &p->device->clock[at % 2];

	return dpdk_clock_known(c) ? dpdk_clock_wall_ns(c, ticks) : p->burst_ns;
}

static uint64_t time_of(struct dpdk_port *p, struct rte_mbuf *m)
{
	uint64_t stamp;

	if (p->stamps == STAMPS_PULL)
		return p->burst_ns;
	if (p->stamps == STAMPS_XDP)
		return xdp_stamp(p, rte_pktmbuf_mtod(m, uint8_t *), m);
	if ((m->ol_flags & p->stamp_flag) == 0)
		return p->burst_ns;
	stamp = *RTE_MBUF_DYNFIELD(m, (unsigned)p->stamp_at, rte_mbuf_timestamp_t *);
	return p->stamps == STAMPS_US ? stamp * 1000 : nic_stamp(p, stamp);
}

/* renew - the connections of a file that begins again. The mbuf is a copy of the driver's own. */
static void renew(struct dpdk_port *p, struct rte_mbuf *m)
{
	uint32_t round = (uint32_t)(p->looped++ / p->loop);
	uint8_t *frame = rte_pktmbuf_mtod(m, uint8_t *);

	if (round > 0)
		dpdk_round_rewrite(frame, dpdk_round_locate(frame, m->data_len), round);
}

static void describe(struct dpdk_port *p, struct rte_mbuf **at, struct packet *ret)
{
	struct rte_mbuf *m = *at;
	uint32_t bytes;

	ret->ts_ns = time_of(p, m);
	if (unlikely((m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) != 0) && rte_vlan_insert(at) == 0)
		m = *at;
	if (unlikely(p->loop > 0))
		renew(p, m);
	bytes = m->data_len;
	ret->frame = likely(m->nb_segs == 1) ? rte_pktmbuf_mtod(m, const uint8_t *)
					     : join(p, m, &bytes);
	ret->wire_bytes = m->pkt_len;
	ret->caplen_bytes = bytes < p->cut_bytes ? bytes : p->cut_bytes;
	ret->link = p->link;
	ret->iface = p->iface;
	ret->number = p->number == 0 ? 0 : p->number++;
}

static bool is_file(const struct dpdk_port *p)
{
	return p->device->args.kind == DPDK_PCAP_FILE && !p->device->loops;
}

/* may_receive - after the stop, only what was offered before. */
static bool may_receive(const struct dpdk_port *p)
{
	return !p->stopped || p->kernel.who == DPDK_COUNTS_SOCKET ||
	       p->kernel.who == DPDK_COUNTS_XSK || p->device->feed != NULL;
}

/* receive - the next burst; nothing is lent out any more. */
static void receive(struct dpdk_port *p)
{
	/* With a number of its own a thread has its own cache of free mbufs. */
	if (unlikely(!p->registered)) {
		p->registered = true;
		if (rte_lcore_id() == LCORE_ID_ANY)
			(void)rte_thread_register();
	}
	p->lent = p->at = p->count = 0;
	if (!may_receive(p))
		return;
	do {
		p->count = rte_eth_rx_burst(p->port, p->queue, p->mbuf, DPDK_BURST);
		p->empties = p->count > 0 ? 0 : p->empties + 1;
	} while (p->count == 0 && is_file(p) && p->empties < LOOKS_BEFORE_THE_END);
	if (p->count == 0)
		return;
	if (p->stamps != STAMPS_US)
		p->burst_ns = clock_wall_ns();
	for (uint32_t i = 0; i < p->count && i < AHEAD; i++)
		rte_prefetch0(rte_pktmbuf_mtod(p->mbuf[i], const void *));
}

static uint32_t dpdk_pull(struct rx_port *port, struct packet *packet, uint32_t room)
{
	struct dpdk_port *p = of(port);
	uint32_t n = 0;

	if (p->at == p->count && p->lent == p->at && room > 0)
		receive(p);
	room = dpdk_kernel_room(&p->kernel, room);
	for (; n < room && p->at < p->count; n++, p->at++) {
		if (p->at + AHEAD < p->count)
			rte_prefetch0(rte_pktmbuf_mtod(p->mbuf[p->at + AHEAD], const void *));
		describe(p, &p->mbuf[p->at], &packet[n]);
	}
	dpdk_kernel_pulled(&p->kernel, n);
	return n;
}

static void dpdk_give_back(struct rx_port *port)
{
	struct dpdk_port *p = of(port);

	if (p->at == p->lent)
		return;
	rte_pktmbuf_free_bulk(p->mbuf + p->lent, p->at - p->lent);
	p->lent = p->at;
	p->joined_bytes = 0;
}

/* ---- who counts, where the kernel does not ---- */

static bool is_file_over(const struct dpdk_port *p)
{
	return is_file(p) && p->at == p->count && p->empties >= LOOKS_BEFORE_THE_END;
}

static bool is_feed_over(const struct dpdk_port *p)
{
	bool over;
	uint64_t offered = dpdk_feed_offered(p->device->feed, p->queue, &over);

	return over && offered == p->kernel.received;
}

/* all_over - this port's file or feed is over. One port that ends ends the capture, so it waits for
 * the others. */
static bool all_over(struct dpdk_port *p)
{
	if (!p->finished)
		atomic_fetch_sub(&p->device->unfinished, 1);
	p->finished = true;
	return p->stopped || atomic_load(&p->device->unfinished) == 0;
}

static void feed_counters(const struct dpdk_port *p, struct rx_counters *c)
{
	bool over;

	c->offered = dpdk_feed_offered(p->device->feed, p->queue, &over);
	c->in_flight = c->offered - p->kernel.received;
}

/* driver_counters - its own word, which may leave out what it likes. */
static void driver_counters(const struct dpdk_port *p, struct rx_counters *c)
{
	struct rte_eth_stats s;

	/* To ask net_pcap would take from the socket what is counted there. */
	if (!p->kernel.leads || p->kernel.who != DPDK_COUNTS_NOBODY ||
	    rte_eth_stats_get(p->port, &s) < 0)
		return;
	c->lost[RX_LOST_nic] += s.imissed;
	c->lost[RX_LOST_driver] += s.rx_nombuf;
	c->lost[RX_LOST_invalid] += s.ierrors;
}

/* ---- chores ---- */

static bool is_link_up(const struct dpdk_port *p)
{
	struct rte_eth_link link = { 0 };

	return rte_eth_link_get_nowait(p->port, &link) < 0 || link.link_status == RTE_ETH_LINK_UP;
}

/* tell_first_link - net_memif has none before its peer comes. */
static void tell_first_link(struct dpdk_port *p)
{
	p->link_up = !p->kernel.leads || p->kernel.who != DPDK_COUNTS_NOBODY || is_link_up(p);
	if (!p->link_up && p->device->args.kind == DPDK_MEMIF)
		log_info("%s: waits for its peer", p->device->args.name);
	else if (!p->link_up)
		log_warn("%s: the link is down: nothing comes until it is up",
			 p->device->args.name);
}

/* Of an interface of the kernel, interface.h tells. */
static void look_at_link(struct dpdk_port *p, uint64_t now_ns)
{
	bool up;

	if (!p->kernel.leads || p->kernel.who != DPDK_COUNTS_NOBODY || now_ns < p->link_ns)
		return;
	p->link_ns = now_ns + LINK_EVERY_NS;
	up = is_link_up(p);
	if (up != p->link_up && up)
		log_info("%s: the link is up", p->device->args.name);
	else if (up != p->link_up)
		log_warn("%s: the link is down: nothing comes until it is up again",
			 p->device->args.name);
	p->link_up = up;
}

static void look_at_clock(struct dpdk_port *p, uint64_t now_ns)
{
	if (!p->device->stamps || p->queue != 0 || now_ns < p->clock_ns)
		return;
	p->clock_ns = now_ns + CLOCK_EVERY_NS;
	dpdk_device_read_clock(p->device);
}

static void dpdk_counters(struct rx_port *port, struct rx_counters *ret)
{
	struct dpdk_port *p = of(port);
	uint64_t now_ns = clock_monotonic_ns();

	dpdk_kernel_counters(&p->kernel, p->count - p->at, ret);
	driver_counters(p, ret);
	if (p->device->feed != NULL)
		feed_counters(p, ret);
	if (is_file_over(p))
		ret->offered = p->device->queue[p->queue].records;
	look_at_link(p, now_ns);
	look_at_clock(p, now_ns);
}

static enum rx_state dpdk_state(struct rx_port *port, struct rx_error *err)
{
	struct dpdk_port *p = of(port);
	struct dpdk_device *d = p->device;

	if (atomic_load_explicit(&d->removed, memory_order_relaxed)) {
		if (err != NULL)
			snprintf(err->text, sizeof(err->text),
				 "%s was removed: the capture ends here", d->args.name);
		return RX_GONE;
	}
	if (d->feed != NULL)
		return is_feed_over(p) && all_over(p) ? RX_END : RX_OPEN;
	if (is_file_over(p))
		return all_over(p) ? RX_END : RX_OPEN;
	/* One port counts for all of a tap's: the others may still be pulling. */
	if (p->stopped && p->kernel.who == DPDK_COUNTS_TAP && p->kernel.leads &&
	    atomic_load(&d->running) > 0)
		return RX_OPEN;
	return dpdk_kernel_state(&p->kernel, p->at < p->count, err);
}

static void dpdk_stop(struct rx_port *port)
{
	struct dpdk_port *p = of(port);

	if (p->stopped)
		return;
	p->stopped = true;
	if (p->device->feed != NULL)
		dpdk_feed_stop(p->device->feed, p->queue);
	dpdk_kernel_stop(&p->kernel);
	atomic_fetch_sub(&p->device->running, 1);
}

/* A port without a descriptor that would wake is looked at every millisecond. */
static int dpdk_wait_fd(struct rx_port *port)
{
	struct dpdk_port *p = of(port);
	uint64_t times;

	if (p->timer_fd < 0)
		return dpdk_kernel_wait_fd(&p->kernel);
	if (read(p->timer_fd, &times, sizeof(times)) < 0)
		return p->timer_fd;
	return p->timer_fd;
}

/* shown_name - the interface beneath it, or else the device's own. */
static const char *shown_name(const struct dpdk_device *d)
{
	return d->args.interface[0] != 0 ? d->args.interface : d->args.name;
}

static const char *clock_name(const struct dpdk_port *p)
{
	switch (p->stamps) {
	case STAMPS_XDP: return "xdp";
	case STAMPS_US: return is_file(p) ? "file" : "kernel";
	case STAMPS_NIC: return "hardware";
	case STAMPS_PULL: break;
	}
	return "pull";
}

static const char *who_counts(const struct dpdk_port *p)
{
	if (p->device->feed != NULL)
		return "counted by the feed";
	if (is_file(p))
		return "counted in the file";
	return p->kernel.who == DPDK_COUNTS_NOBODY ||
			       (p->kernel.who == DPDK_COUNTS_XSK && p->kernel.program == NULL)
		       ? "offered packets not checkable"
		       : "counted by the kernel";
}

static void dpdk_about(struct rx_port *port, struct rx_about *ret)
{
	struct dpdk_port *p = of(port);
	const struct dpdk_device *d = p->device;

	*ret = (struct rx_about){ .ring_packets = d->ring_packets, .spread = (uint8_t)d->spread };
	snprintf(ret->interface, sizeof(ret->interface), "%.47s", shown_name(d));
	snprintf(ret->mode, sizeof(ret->mode), "%.24s, %u queue%s, %s pages, %s",
		 d->info.driver_name, d->workers, d->workers == 1 ? "" : "s",
		 dpdk_eal_huge() ? "huge" : "normal", who_counts(p));
	snprintf(ret->clock, sizeof(ret->clock), "%s", clock_name(p));
}

/* ---- opening ---- */

static void choose_stamps(struct dpdk_port *p)
{
	const struct dpdk_device *d = p->device;
	int bit = rte_mbuf_dynflag_lookup(RTE_MBUF_DYNFLAG_RX_TIMESTAMP_NAME, NULL);

	p->stamp_at = rte_mbuf_dynfield_lookup(RTE_MBUF_DYNFIELD_TIMESTAMP_NAME, NULL);
	p->stamp_flag = bit < 0 ? 0 : UINT64_C(1) << bit;
	p->stamps = STAMPS_PULL;
	if (d->program != NULL)
		p->stamps = STAMPS_XDP;
	else if (bit < 0 || p->stamp_at < 0)
		return;
	else if (d->args.kind == DPDK_PCAP_INTERFACE || is_file(p))
		p->stamps = STAMPS_US;
	else if (d->stamps)
		p->stamps = STAMPS_NIC;
}

static uint16_t link_of(const struct dpdk_device *d)
{
	return d->feed != NULL ? (uint16_t)dpdk_feed_link(d->feed) : LINK_ETHERNET;
}

static int make_timer(struct dpdk_port *p)
{
	struct itimerspec every = { .it_interval.tv_nsec = WAKE_NS, .it_value.tv_nsec = WAKE_NS };

	p->timer_fd = -1;
	if (dpdk_kernel_wait_fd(&p->kernel) >= 0)
		return 0;
	p->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (p->timer_fd < 0 || timerfd_settime(p->timer_fd, 0, &every, NULL) < 0)
		return -errno;
	return 0;
}

static int port_set_up(const struct rx_open *how, struct dpdk_port *p, struct rx_error *err)
{
	const struct settings *s = how->settings;
	struct dpdk_device *d = p->device;
	int code = dpdk_device_count(d, how->worker, &p->kernel, err);

	if (code < 0)
		return code;
	p->port = d->port;
	p->queue = (uint16_t)how->worker;
	p->link = link_of(d);
	tell_first_link(p);
	p->cut_bytes = s->snaplen_bytes != 0 ? (uint32_t)s->snaplen_bytes : UINT32_MAX;
	p->number = is_file(p);
	p->loop = d->loops && d->args.flows == DPDK_FLOWS_NEW ? d->queue[p->queue].records : 0;
	p->joined = malloc(JOINED_BYTES);
	choose_stamps(p);
	code = p->joined == NULL ? -ENOMEM : make_timer(p);
	if (code < 0)
		snprintf(err->text, sizeof(err->text), "dpdk: %s", strerror(-code));
	return code;
}

static void port_undo(struct dpdk_port *p)
{
	rte_pktmbuf_free_bulk(p->mbuf + p->lent, p->count - p->lent);
	dpdk_kernel_close(&p->kernel);
	if (p->timer_fd >= 0)
		close(p->timer_fd);
	free(p->joined);
	free(p);
}

static int dpdk_open(const struct rx_open *how, struct rx_port **ret, struct rx_error *err)
{
	struct dpdk_port *p = calloc(1, sizeof(*p));
	struct dpdk_device *d;
	int code;

	if (p == NULL) {
		snprintf(err->text, sizeof(err->text), "dpdk: there is no memory");
		return -ENOMEM;
	}
	p->head.backend = &rx_dpdk;
	p->timer_fd = -1;
	code = dpdk_device_open(how, &d, err);
	if (code < 0) {
		free(p);
		return code;
	}
	p->device = d;
	code = port_set_up(how, p, err);
	if (code < 0) {
		port_undo(p);
		dpdk_device_close(d);
		return code;
	}
	if (how->iface != NULL)
		p->iface = (uint16_t)(how->iface(how->iface_context, shown_name(d)) + 1);
	*ret = (struct rx_port *)(void *)p;
	return 0;
}

static void dpdk_close(struct rx_port *port)
{
	struct dpdk_port *p = of(port);
	struct dpdk_device *d = p->device;

	if (!p->stopped && d->feed != NULL)
		dpdk_feed_stop(d->feed, p->queue);
	port_undo(p);
	dpdk_device_close(d);
}

/* dpdk_probe - Nothing is started for it: EAL starts only once. */
static int dpdk_probe(const char *interface, struct rx_error *ret)
{
	uint64_t huge_bytes = dpdk_eal_free_bytes();
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	if (fd < 0) {
		snprintf(ret->text, sizeof(ret->text),
			 "it needs the capability CAP_NET_RAW: start as root or with sudo; only "
			 "net_ring, net_null and captures go without");
		return -EPERM;
	}
	close(fd);
	if (interface != NULL) {
		snprintf(ret->text, sizeof(ret->text),
			 "through a virtual device only: --rx dpdk:net_af_xdp0,iface=%s",
			 interface);
		return 0;
	}
	snprintf(ret->text, sizeof(ret->text),
		 "%s; PCI devices and virtual ones; %llu MiB of huge "
		 "pages are free%s",
		 rte_version(), (unsigned long long)huge_bytes >> 20,
		 huge_bytes == 0 ? ": normal ones serve, slower" : "");
	return 0;
}

MODULE_IS(dpdk);

MODULE_EXPORT const struct rx_backend rx_dpdk = {
	.name = "dpdk",
	.help = "live from a port of DPDK: dpdk:DEVICE[,NAME=VALUE...], a PCI address or a virtual "
		"device:\n"
		"            net_af_packet0,iface=IF  net_af_xdp0,iface=IF  net_pcap0,rx_iface=IF  "
		"net_tap0,iface=NEW\n"
		"            net_pcap0,rx_pcap=FILE[,infinite_rx=1]  "
		"net_memif0,role=server,socket=NAME"
		"  net_ring0,feed=FILE  net_null0\n"
		"            what has one of the names below is weir's; everything else goes to "
		"the "
		"driver as it is",
	.options = dpdk_options,
	.live = true,
	.makes_threads = true,
	.preference = 0,
	.probe = dpdk_probe,
	.open = dpdk_open,
	.about = dpdk_about,
	.stop = dpdk_stop,
	.pull = dpdk_pull,
	.give_back = dpdk_give_back,
	.state = dpdk_state,
	.counters = dpdk_counters,
	.wait_fd = dpdk_wait_fd,
	.close = dpdk_close,
};
