/* dpdk_device - a device of EAL's: planned, probed, configured, started, and given back. */
/* Before DPDK's, which would define container_of too. */
#include "dataplane/base/compiler.h"

#include "dataplane/rx/dpdk_device.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <rte_bus_vdev.h>
#include <rte_dev.h>
#include <rte_errno.h>

#include "dataplane/base/clock.h"
#include "dataplane/base/log.h"
#include "dataplane/rx/af_xdp_program.h"
#include "dataplane/rx/dpdk_eal.h"
#include "dataplane/shm/settings.h"

enum {
	CACHE_MBUFS = 256,
	JUMBO_BYTES = 9216,
	NET_RING_PACKETS = 1024, /* net_ring's, fixed */
	TAP_PACKETS = 500,       /* what a tap's queue surely holds */
	PCAP_PACKETS = 512,
	XDP_MTU_BYTES = 1500, /* more is a matter of the driver */
	XSK_PACKETS = 2048,   /* net_af_xdp never has more free frames than that out */
	FEED_MBUF_BYTES = 320,
	FIRST_READING_MS = 20,
};

static struct dpdk_device *devices;

__attribute__((format(printf, 3, 4))) static int refuse(struct rx_error *err, int code,
							const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(err->text, sizeof(err->text), format, ap);
	va_end(ap);
	return code;
}

/* ---- a plan: what the device will be told, and what memory it takes ---- */

struct plan {
	struct dpdk_args args;
	uint64_t records[DPDK_QUEUES];
	uint64_t bytes;
	bool loops;
};

static bool captures_kernel_interface(enum dpdk_kind kind)
{
	return kind == DPDK_AF_PACKET || kind == DPDK_AF_XDP || kind == DPDK_PCAP_INTERFACE;
}

/* plan_file - The driver reads each file for one queue; with infinite_rx it keeps all of them in
 * mbufs. */
static int plan_file(struct plan *p, uint32_t workers, struct rx_error *err)
{
	struct dpdk_capture_size size = { 0 };
	uint32_t files = dpdk_args_count(&p->args, "rx_pcap");
	char path[PATH_MAX], loop[8] = "";
	int code;

	if (files != workers)
		return refuse(err, -EINVAL,
			      "dpdk:%s: %u worker%s need%s as many files, and %u %s named: repeat "
			      "rx_pcap=, or use --workers %u",
			      p->args.name, workers, workers == 1 ? "" : "s",
			      workers == 1 ? "s" : "", files, files == 1 ? "is" : "are", files);
	(void)dpdk_args_value(&p->args, "rx_pcap", path, sizeof(path));
	p->loops = dpdk_args_value(&p->args, "infinite_rx", loop, sizeof(loop)) && loop[0] != '0';
	for (uint32_t i = 0; i < files; i++) {
		if (!dpdk_args_nth(&p->args, "rx_pcap", i, path, sizeof(path)))
			return -EINVAL;
		code = dpdk_capture_measure(path, &size, err);
		if (code < 0)
			return code;
		if (size.packets == 0 && p->loops)
			return refuse(err, -ENODATA, "dpdk:%s: no packets are in %.200s",
				      p->args.name, path);
		p->records[i] = size.packets;
		if (p->loops && p->args.mbufs < size.packets + 1024)
			p->args.mbufs = size.packets + 1024;
		if (p->loops && p->args.mbuf_bytes < size.longest_bytes)
			p->args.mbuf_bytes = size.longest_bytes;
	}
	return 0;
}

static int plan_feed(struct plan *p, struct rx_error *err)
{
	struct dpdk_capture_size size = { 0 };
	int code = dpdk_capture_measure(p->args.feed, &size, err);

	p->bytes += size.packets * FEED_MBUF_BYTES;
	p->args.mbufs = 1024; /* nobody receives into them */
	return code;
}

static int plan_make(const char *argument, uint32_t workers, struct plan *ret, struct rx_error *err)
{
	struct plan p = { 0 };
	uint32_t mtu_bytes = 0;
	int code = dpdk_args_read(argument, &p.args, err);

	if (code < 0)
		return code;
	if (workers > DPDK_QUEUES || (workers > 1 && p.args.kind == DPDK_PCAP_INTERFACE))
		return refuse(err, -EINVAL,
			      "dpdk:%s: the port has %d receive queue%s, and there are %u workers: "
			      "use --workers 1 or another device",
			      p.args.name, workers > DPDK_QUEUES ? DPDK_QUEUES : 1,
			      workers > DPDK_QUEUES ? "s" : "", workers);
	if (captures_kernel_interface(p.args.kind))
		mtu_bytes = interface_mtu_bytes(p.args.interface);
	if (p.args.kind == DPDK_PCAP_FILE)
		code = plan_file(&p, workers, err);
	if (code == 0 && p.args.feed[0] != 0)
		code = plan_feed(&p, err);
	if (code == 0 && dpdk_args_complete(&p.args, workers, mtu_bytes) < 0)
		code = refuse(err, -EINVAL, "dpdk:%s: the argument is too long", p.args.name);
	if (code < 0)
		return code;
	p.bytes += dpdk_args_memory_bytes(&p.args, workers);
	*ret = p;
	return 0;
}

/* ---- EAL ---- */

/* start_eal - for this source and those that are opened after it. */
static int start_eal(const struct rx_open *how, const struct plan *own, struct rx_error *err)
{
	const struct settings *s = how->settings;
	struct dpdk_eal_how eal = {
		.pci = own->args.kind == DPDK_PCI,
		.pages = (enum dpdk_pages)own->args.pages,
		.folder = own->args.telemetry != 0 ? s->runtime : NULL,
		.settings = s,
		.all_messages = own->args.messages != 0,
	};
	struct rx_error ignored;
	struct plan p;

	if (dpdk_eal_is_up())
		return 0;
	for (uint32_t i = 0; i < s->rx_count; i++) {
		if (strncmp(s->rx[i], "dpdk:", 5) != 0 ||
		    plan_make(s->rx[i] + 5, how->workers, &p, &ignored) < 0)
			continue; /* it will be told when its turn comes */
		eal.bytes += p.bytes;
		eal.pci = eal.pci || p.args.kind == DPDK_PCI;
	}
	if (eal.bytes < own->bytes)
		eal.bytes = own->bytes;
	return dpdk_eal_start(&eal, err);
}

/* ---- before the driver is asked: what can be said better than by it ---- */

/* The drivers that leave a device to the kernel and take packets all the same. */
static bool shares_with_kernel(const char *driver)
{
	return strncmp(driver, "mlx", 3) == 0 || strcmp(driver, "vfio-pci") == 0 ||
	       strcmp(driver, "uio_pci_generic") == 0 || strcmp(driver, "igb_uio") == 0;
}

static int check_pci(const struct dpdk_args *a, struct rx_error *err)
{
	const char *domain = strchr(strchr(a->name, ':') + 1, ':') == NULL ? "0000:" : "";
	char path[PATH_MAX], driver[PATH_MAX];
	const char *name;
	ssize_t n;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s%s", domain, a->name);
	if (access(path, F_OK) < 0)
		return refuse(err, -ENODEV,
			      "dpdk:%s: there is no such PCI device; \"dpdk-devbind.py --status\" "
			      "lists those there are",
			      a->name);
	strncat(path, "/driver", sizeof(path) - strlen(path) - 1);
	n = readlink(path, driver, sizeof(driver) - 1);
	if (n < 0)
		return refuse(err, -ENODEV,
			      "dpdk:%s: no driver has it: bind it with \"dpdk-devbind.py -b "
			      "vfio-pci %s\"",
			      a->name, a->name);
	driver[n] = 0;
	name = strrchr(driver, '/') != NULL ? strrchr(driver, '/') + 1 : driver;
	if (shares_with_kernel(name))
		return 0;
	return refuse(err, -EBUSY,
		      "dpdk:%s: the kernel's driver %.32s has it: give it up with "
		      "\"dpdk-devbind.py -b vfio-pci %s\", or capture with --rx af_xdp",
		      a->name, name, a->name);
}

static int check_privilege(const struct dpdk_args *a, struct rx_error *err)
{
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	if (fd < 0 && errno == EPERM)
		return refuse(err, -EPERM,
			      "dpdk:%s: it needs the capability CAP_NET_RAW: start as root or with "
			      "sudo",
			      a->name);
	if (fd >= 0)
		close(fd);
	return 0;
}

static int check_xdp(struct dpdk_device *d, struct rx_error *err)
{
	const struct dpdk_args *a = &d->args;
	uint32_t queues = interface_rx_queues(a->interface);
	char text[16] = "0";

	dpdk_kernel_keep_silent();
	(void)dpdk_args_value(a, "start_queue", text, sizeof(text));
	d->first_queue = (uint32_t)strtoul(text, NULL, 0);
	if (d->first_queue + d->workers > queues)
		return refuse(err, -EINVAL,
			      "dpdk:%s: %s has %u receive queue%s, and %u are asked for from %u "
			      "on: use fewer --workers, or \"ethtool -L %s combined N\"",
			      a->name, a->interface, queues, queues == 1 ? "" : "s", d->workers,
			      d->first_queue, a->interface);
	return af_xdp_program_foreign(a->interface, d->held.index, err);
}

static int check(struct dpdk_device *d, const struct rx_open *how, struct rx_error *err)
{
	const struct dpdk_args *a = &d->args;
	int code = 0;

	if (a->kind == DPDK_PCI)
		return check_pci(a, err);
	if (captures_kernel_interface(a->kind) || a->kind == DPDK_TAP)
		code = check_privilege(a, err);
	if (code == 0 && captures_kernel_interface(a->kind))
		code = interface_open(&d->held, a->interface, how->settings->promiscuous != 0, err);
	if (code == 0 && a->kind == DPDK_AF_XDP)
		code = check_xdp(d, err);
	return code;
}

/* ---- the driver ---- */

/* The arguments of the drivers that are known here: to blame one when the driver refuses them all
 * without a word. */
static const struct {
	enum dpdk_kind kind;
	const char *names;
} arguments[] = {
	{ DPDK_AF_PACKET, " iface qpairs blocksz framesz framecnt qdisc_bypass " },
	{ DPDK_AF_XDP,
	  " iface start_queue queue_count shared_umem xdp_prog busy_budget force_copy use_cni " },
	{ DPDK_PCAP_FILE,
	  " rx_pcap tx_pcap rx_iface rx_iface_in tx_iface iface phy_mac infinite_rx " },
	{ DPDK_PCAP_INTERFACE,
	  " rx_pcap tx_pcap rx_iface rx_iface_in tx_iface iface phy_mac infinite_rx " },
	{ DPDK_TAP, " iface remote mac " },
	{ DPDK_NULL, " size copy no-rx " },
	{ DPDK_RING, " nodeaction internal " },
	{ DPDK_MEMIF,
	  " role id bsize rsize socket socket-abstract owner-uid owner-gid mac zero-copy "
	  "secret " },
};

/* blame - the first argument that the driver does not know, if there is one. */
static int blame(const struct dpdk_args *a, struct rx_error *err)
{
	const char *known = NULL, *at = strchr(a->device, ',');

	for (size_t i = 0; i < array_count(arguments); i++)
		if (arguments[i].kind == a->kind)
			known = arguments[i].names;
	while (known != NULL && at != NULL) {
		char word[80];

		snprintf(word, sizeof(word), " %.*s ", (int)strcspn(at + 1, "=,"), at + 1);
		if (strstr(known, word) == NULL)
			return refuse(err, -EINVAL,
				      "dpdk:%s: neither the driver nor weir has an option%.*s; the "
				      "driver's are:%.*s",
				      a->name, (int)strlen(word) - 1, word, (int)strlen(known) - 1,
				      known);
		at = strchr(at + 1, ',');
	}
	return 0;
}

static int refuse_device(const struct dpdk_args *a, int code, const char *heard,
			 struct rx_error *err)
{
	if (blame(a, err) < 0)
		return -EINVAL;
	if (a->kind == DPDK_OTHER &&
	    (strstr(heard, "failed to parse") != NULL || strstr(heard, "Cannot find") != NULL))
		return refuse(err, -EINVAL,
			      "dpdk:%s: no such device: neither a PCI address nor a virtual device "
			      "such as net_af_packet0, net_af_xdp0, net_pcap0, net_tap0, "
			      "net_memif0, net_ring0 or net_null0",
			      a->name);
	/* It counts combined channels alone: a veth has none, however many queues. */
	if (strstr(heard, "combined queue count") != NULL)
		return refuse(err, -EINVAL,
			      "dpdk:%s: the driver takes fewer queues of %s (%.120s): use "
			      "--workers 1, or --rx af_xdp:%s, which takes them all",
			      a->name, a->interface, heard, a->interface);
	/* It attaches a program that takes no packet of several frames, and does not say why it
	 * cannot. */
	if (a->kind == DPDK_AF_XDP && interface_mtu_bytes(a->interface) > XDP_MTU_BYTES)
		return refuse(err, -EIO,
			      "dpdk:%s: the driver has no room for packets as large as %s takes "
			      "(MTU %u): \"ip link set %s mtu %d\", or capture with --rx "
			      "af_xdp:%s",
			      a->name, a->interface, interface_mtu_bytes(a->interface),
			      a->interface, XDP_MTU_BYTES, a->interface);
	if (strstr(heard, "busy") != NULL)
		return refuse(err, -EBUSY,
			      "dpdk:%s: another program has it (%.160s): stop that first", a->name,
			      heard);
	return refuse(err, code < -1 && code > -134 && code != -EINVAL ? code : -EIO,
		      "dpdk:%s: the driver refuses: %.200s; messages=all shows everything it says",
		      a->name, heard[0] != 0 ? heard : strerror(-code));
}

static int probe(struct dpdk_device *d, struct rx_error *err)
{
	int code;

	if (d->args.kind == DPDK_PCI && !dpdk_eal_looks_at_pci())
		return refuse(err, -ENODEV, "dpdk:%s: EAL was started without PCI", d->args.name);
	dpdk_eal_listen();
	code = rte_dev_probe(d->args.device);
	if (code == 0)
		code = rte_eth_dev_get_port_by_name(d->args.name, &d->port);
	if (code < 0)
		return refuse_device(&d->args, code, dpdk_eal_heard(), err);
	(void)dpdk_eal_heard();
	return 0;
}

static int on_removal(uint16_t port, enum rte_eth_event_type type, void *device, void *unused)
{
	struct dpdk_device *d = device;

	(void)port;
	(void)type;
	(void)unused;
	atomic_store(&d->removed, true);
	return 0;
}

/* hash_symmetrically - The hash of RSS with a key of 16 bits repeated is the same with addresses
 * and ports exchanged. */
static void hash_symmetrically(struct dpdk_device *d, struct rte_eth_conf *conf)
{
	static uint8_t key[256];

	if (d->workers < 2 || d->info.flow_type_rss_offloads == 0 || d->info.hash_key_size == 0 ||
	    (d->args.kind != DPDK_PCI && d->args.kind != DPDK_OTHER))
		return;
	for (size_t i = 0; i < sizeof(key); i++)
		key[i] = i % 2 == 0 ? 0x6d : 0x5a;
	conf->rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
	conf->rx_adv_conf.rss_conf.rss_key = key;
	conf->rx_adv_conf.rss_conf.rss_key_len = d->info.hash_key_size;
	conf->rx_adv_conf.rss_conf.rss_hf = (RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP) &
					    d->info.flow_type_rss_offloads;
	d->spread = RX_SPREAD_SYMMETRIC;
}

/* The frames of an interface of the kernel are as long as that says: it is left alone. */
static void allow_jumbo(const struct dpdk_device *d, struct rte_eth_conf *conf)
{
	bool scatter = (d->info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER) != 0;
	uint64_t bytes = scatter ? JUMBO_BYTES : d->args.mbuf_bytes - 64;

	if (scatter)
		conf->rxmode.offloads |= RTE_ETH_RX_OFFLOAD_SCATTER;
	if (d->args.kind == DPDK_PCI && d->info.max_mtu > RTE_ETHER_MTU && bytes > RTE_ETHER_MTU)
		conf->rxmode.mtu = RTE_MIN((uint32_t)bytes, (uint32_t)d->info.max_mtu);
}

static int configure(struct dpdk_device *d, struct rx_error *err)
{
	uint16_t tx = (uint16_t)RTE_MIN(d->workers, (uint32_t)d->info.max_tx_queues);
	struct rte_eth_conf conf = { 0 };
	int code;

	if (d->workers > d->info.max_rx_queues)
		return refuse(err, -EINVAL,
			      "dpdk:%s: the port has %u receive queue%s, and there are %u workers: "
			      "use --workers %u",
			      d->args.name, d->info.max_rx_queues,
			      d->info.max_rx_queues == 1 ? "" : "s", d->workers,
			      d->info.max_rx_queues);
	hash_symmetrically(d, &conf);
	allow_jumbo(d, &conf);
	d->stamps = d->args.kind == DPDK_PCI &&
		    (d->info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_TIMESTAMP) != 0;
	if (d->stamps)
		conf.rxmode.offloads |= RTE_ETH_RX_OFFLOAD_TIMESTAMP;
	dpdk_eal_listen();
	code = rte_eth_dev_configure(d->port, (uint16_t)d->workers, tx, &conf);
	if (code < 0)
		return refuse_device(&d->args, code, dpdk_eal_heard(), err);
	(void)dpdk_eal_heard();
	rte_eth_dev_callback_register(d->port, RTE_ETH_EVENT_INTR_RMV, on_removal, d);
	return 0;
}

/* ---- queues ---- */

static int make_pool(struct dpdk_device *d, uint32_t q, int socket, struct rx_error *err)
{
	static uint32_t serial;
	char name[RTE_MEMPOOL_NAMESIZE];

	snprintf(name, sizeof(name), "weir_%u", serial++);
	d->queue[q].pool = rte_pktmbuf_pool_create(
		name, (unsigned)d->args.mbufs, CACHE_MBUFS, 0,
		(uint16_t)(d->args.mbuf_bytes + RTE_PKTMBUF_HEADROOM), socket);
	if (d->queue[q].pool != NULL)
		return 0;
	return refuse(err, -ENOMEM,
		      "dpdk:%s: there is no memory for %" PRIu64 " packets of %" PRIu64
		      " bytes (%s): fewer with mbufs=, or more huge pages",
		      d->args.name, d->args.mbufs, d->args.mbuf_bytes, rte_strerror(rte_errno));
}

static int make_queue(struct dpdk_device *d, uint32_t q, uint16_t rx, uint16_t tx,
		      struct rx_error *err)
{
	int socket = rte_eth_dev_socket_id(d->port), code;
	struct dpdk_fds before;

	code = make_pool(d, q, socket, err);
	if (code < 0)
		return code;
	dpdk_fds_note(&before);
	code = rte_eth_rx_queue_setup(d->port, (uint16_t)q, rx, (unsigned)socket, NULL,
				      d->queue[q].pool);
	if (code == 0 && q < d->info.max_tx_queues)
		code = rte_eth_tx_queue_setup(d->port, (uint16_t)q, tx, (unsigned)socket, NULL);
	if (code < 0)
		return code;
	if (d->args.kind == DPDK_AF_XDP)
		d->queue[q].fd = dpdk_fds_socket(&before, AF_XDP, 0, 0);
	return 0;
}

static int make_queues(struct dpdk_device *d, struct rx_error *err)
{
	uint16_t rx = (uint16_t)d->args.descriptors, tx = 512;
	int code;

	(void)rte_eth_dev_adjust_nb_rx_tx_desc(d->port, &rx, &tx);
	d->ring_packets = rx;
	dpdk_eal_listen();
	err->text[0] = 0;
	for (uint32_t q = 0; q < d->workers; q++) {
		code = make_queue(d, q, rx, tx, err);
		if (code < 0 && err->text[0] == 0)
			return refuse_device(&d->args, code, dpdk_eal_heard(), err);
		if (code < 0)
			return code;
	}
	(void)dpdk_eal_heard();
	return 0;
}

static int start(struct dpdk_device *d, bool promiscuous, struct rx_error *err)
{
	int code;

	dpdk_eal_listen();
	code = rte_eth_dev_start(d->port);
	if (code < 0)
		return refuse_device(&d->args, code, dpdk_eal_heard(), err);
	/* An interface of the kernel would stay so; dpdk_device.held does it without that. */
	if (promiscuous && (d->args.kind == DPDK_PCI || d->args.kind == DPDK_OTHER))
		rte_eth_promiscuous_enable(d->port);
	(void)dpdk_eal_heard();
	for (int i = 0; i < 2 && d->stamps; i++) {
		dpdk_device_read_clock(d);
		nanosleep(&(struct timespec){ .tv_nsec = FIRST_READING_MS * 1000 * 1000 }, NULL);
	}
	return 0;
}

void dpdk_device_read_clock(struct dpdk_device *d)
{
	uint32_t at = atomic_load_explicit(&d->clock_at, memory_order_relaxed);
	struct dpdk_clock *next = &d->clock[(at + 1) % 2];
	uint64_t ticks;

	if (!d->stamps || rte_eth_read_clock(d->port, &ticks) < 0)
		return;
	*next = d->clock[at % 2];
	dpdk_clock_read(next, ticks, clock_wall_ns());
	atomic_store_explicit(&d->clock_at, at + 1, memory_order_release);
}

/* ---- who counts ---- */

/* find_sockets - those that the driver has opened since. */
static void find_sockets(struct dpdk_device *d, const struct dpdk_fds *before)
{
	if (d->args.kind != DPDK_AF_PACKET && d->args.kind != DPDK_PCAP_INTERFACE)
		return;
	for (uint32_t q = 0; q < d->workers; q++)
		d->queue[q].fd = dpdk_fds_socket(before, AF_PACKET, d->held.index, q);
}

/* On the loopback every frame passes twice. */
static void ignore_outgoing(struct dpdk_device *d)
{
	uint16_t arphrd = 0;
	int one = 1;

	if (d->args.kind != DPDK_AF_PACKET || strcmp(d->args.interface, "lo") != 0)
		return;
	(void)interface_is_ethernet(d->args.interface, &arphrd);
	for (uint32_t q = 0; q < d->workers; q++)
		if (setsockopt(d->queue[q].fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one,
			       sizeof(one)) < 0)
			return;
}

/* forget_received - what has come in until now. */
static void forget_received(struct dpdk_device *d, uint16_t queue)
{
	struct rte_mbuf *mbuf[64];
	uint16_t n;

	while ((n = rte_eth_rx_burst(d->port, queue, mbuf, 64)) > 0)
		rte_pktmbuf_free_bulk(mbuf, n);
}

/* own_program - instead of the driver's, unless the user has one of his own. What the driver's
 * program has brought meanwhile was never offered by weir's; its queues are not connected yet, so
 * nothing comes now. */
static int own_program(struct dpdk_device *d, struct rx_error *err)
{
	int code;

	if (d->args.kind != DPDK_AF_XDP || dpdk_args_count(&d->args, "xdp_prog") > 0)
		return 0;
	code = dpdk_kernel_replace(d->args.interface, d->held.index,
				   interface_rx_queues(d->args.interface), &d->program, err);
	for (uint16_t q = 0; code == 0 && q < d->workers; q++)
		forget_received(d, q);
	return code;
}

static int count_xsk(struct dpdk_device *d, uint32_t q, const struct interface *interface,
		     struct dpdk_kernel *ret, struct rx_error *err)
{
	uint32_t queue = d->first_queue + q;
	struct af_xdp_program *program = NULL;
	int code;

	if (d->program != NULL) {
		code = af_xdp_program_connect(d->program, queue, d->queue[q].fd,
					      d->info.max_rx_pktlen, err);
		if (code < 0)
			return code;
		program = af_xdp_program_find(d->held.index);
	}
	dpdk_kernel_xsk(ret, d->queue[q].fd, queue, d->ring_packets, program, interface, q == 0);
	return 0;
}

int dpdk_device_count(struct dpdk_device *d, uint32_t q, struct dpdk_kernel *ret,
		      struct rx_error *err)
{
	bool taps = d->args.kind == DPDK_TAP;
	struct interface interface;
	int code;

	*ret = (struct dpdk_kernel){ .who = DPDK_COUNTS_NOBODY, .leads = q == 0 };
	if (!taps && (!captures_kernel_interface(d->args.kind) || d->queue[q].fd < 0))
		return 0;
	code = interface_open(&interface, d->args.interface, false, err);
	if (code < 0)
		return code;
	if (taps)
		dpdk_kernel_tap(ret, &interface, q == 0);
	else if (d->args.kind == DPDK_AF_XDP)
		code = count_xsk(d, q, &interface, ret, err);
	else
		dpdk_kernel_socket(ret, d->queue[q].fd, &interface, q == 0);
	if (code < 0)
		interface_close(&interface);
	return code;
}

/* ---- opening and closing ---- */

static void size_rings(struct dpdk_device *d)
{
	char text[32];

	switch (d->args.kind) {
	case DPDK_AF_PACKET:
		if (dpdk_args_value(&d->args, "framecnt", text, sizeof(text)))
			d->ring_packets = (uint32_t)strtoul(text, NULL, 0);
		return;
	case DPDK_MEMIF:
		if (dpdk_args_value(&d->args, "rsize", text, sizeof(text)))
			d->ring_packets = 1u << (strtoul(text, NULL, 0) & 15);
		return;
	case DPDK_AF_XDP: d->ring_packets = RTE_MIN(d->ring_packets, (uint32_t)XSK_PACKETS); return;
	case DPDK_TAP: d->ring_packets = TAP_PACKETS; return;
	case DPDK_PCAP_INTERFACE: d->ring_packets = PCAP_PACKETS; return;
	case DPDK_RING: d->ring_packets = NET_RING_PACKETS; return;
	default: return;
	}
}

/* The kernel chooses among the sockets of a fan-out by a hash that is the same both ways, as it
 * does among the queues of a tap; the feeder puts flows where they belong. */
static void note_spread(struct dpdk_device *d)
{
	if (d->args.kind == DPDK_RING)
		d->spread = RX_SPREAD_OWN;
	else if (d->args.kind == DPDK_AF_PACKET || d->args.kind == DPDK_TAP)
		d->spread = RX_SPREAD_SYMMETRIC;
}

static int bring_up(struct dpdk_device *d, const struct rx_open *how, const struct plan *plan,
		    struct rx_error *err)
{
	struct dpdk_fds before;
	int code = check(d, how, err);

	if (code == 0)
		code = start_eal(how, plan, err);
	if (code < 0)
		return code;
	dpdk_fds_note(&before);
	code = probe(d, err);
	if (code == 0)
		code = rte_eth_dev_info_get(d->port, &d->info) < 0
			       ? refuse(err, -EIO, "dpdk:%s: it does not say what it can",
					d->args.name)
			       : configure(d, err);
	if (code == 0)
		code = make_queues(d, err);
	if (code == 0)
		code = start(d, how->settings->promiscuous != 0, err);
	if (code < 0)
		return code;
	size_rings(d);
	note_spread(d);
	find_sockets(d, &before);
	ignore_outgoing(d);
	if (d->args.kind == DPDK_TAP && d->args.interface[0] == 0)
		(void)if_indextoname(d->info.if_index, d->args.interface);
	code = own_program(d, err);
	if (code == 0 && d->args.feed[0] != 0)
		code = dpdk_feed_open(&d->args, how, &d->feed, err);
	if (code == 0 && d->feed != NULL)
		code = dpdk_feed_start(d->feed, d->port);
	return code;
}

/* drain - what was fed and never pulled: net_ring keeps its rings, and with them what is in them,
 * for the next device of that name. */
static void drain(struct dpdk_device *d)
{
	struct rte_mbuf *mbuf[DPDK_BURST];
	uint16_t n;

	for (uint32_t q = 0; d->feed != NULL && q < d->workers; q++) {
		dpdk_feed_stop(d->feed, q);
		while ((n = rte_eth_rx_burst(d->port, (uint16_t)q, mbuf, DPDK_BURST)) > 0)
			rte_pktmbuf_free_bulk(mbuf, n);
	}
}

static void tear_down(struct dpdk_device *d)
{
	drain(d);
	dpdk_feed_close(d->feed);
	if (d->program != NULL)
		af_xdp_program_close(d->program);
	if (dpdk_eal_is_up() && d->port != RTE_MAX_ETHPORTS) {
		struct rte_device *device = d->info.device;

		dpdk_eal_listen();
		rte_eth_dev_callback_unregister(d->port, RTE_ETH_EVENT_INTR_RMV, on_removal, d);
		(void)rte_eth_dev_stop(d->port);
		(void)rte_eth_dev_close(d->port);
		if (device != NULL)
			(void)rte_dev_remove(device);
		(void)dpdk_eal_heard();
	}
	for (uint32_t q = 0; q < d->workers; q++)
		rte_mempool_free(d->queue[q].pool);
	interface_close(&d->held);
	free(d);
}

static struct dpdk_device *find(const char *argument)
{
	struct rx_error ignored;
	struct dpdk_args a;

	if (dpdk_args_read(argument, &a, &ignored) < 0)
		return NULL;
	for (struct dpdk_device *d = devices; d != NULL; d = d->next)
		if (strcmp(d->args.name, a.name) == 0)
			return d;
	return NULL;
}

static int open_first(const struct rx_open *how, struct dpdk_device **ret, struct rx_error *err)
{
	struct plan plan;
	struct dpdk_device *d;
	int code = plan_make(how->argument, how->workers, &plan, err);

	if (code < 0)
		return code;
	if (find(how->argument) != NULL)
		return refuse(err, -EINVAL,
			      "dpdk:%s: it is named twice; give the second one "
			      "another number",
			      plan.args.name);
	d = calloc(1, sizeof(*d));
	if (d == NULL)
		return refuse(err, -ENOMEM, "dpdk: there is no memory");
	d->args = plan.args;
	d->workers = how->workers;
	d->port = RTE_MAX_ETHPORTS;
	d->loops = plan.loops;
	d->held = (struct interface){ 0 };
	for (uint32_t q = 0; q < DPDK_QUEUES; q++) {
		d->queue[q].fd = -1;
		d->queue[q].records = plan.records[q];
	}
	code = bring_up(d, how, &plan, err);
	if (code < 0) {
		tear_down(d);
		return code;
	}
	d->next = devices;
	devices = d;
	*ret = d;
	return 0;
}

int dpdk_device_open(const struct rx_open *how, struct dpdk_device **ret, struct rx_error *err)
{
	struct dpdk_device *d = NULL;
	int code = 0;

	if (how->worker == 0)
		code = open_first(how, &d, err);
	else
		d = find(how->argument);
	if (code == 0 && d == NULL)
		code = refuse(err, -ENODEV, "dpdk: the first worker's port is not open");
	if (code < 0)
		return code;
	d->users++;
	atomic_fetch_add(&d->running, 1);
	if (how->worker == 0)
		atomic_store(&d->unfinished, d->workers);
	*ret = d;
	return 0;
}

void dpdk_device_close(struct dpdk_device *d)
{
	struct dpdk_device **at = &devices;

	if (--d->users > 0)
		return;
	while (*at != d)
		at = &(*at)->next;
	*at = d->next;
	tear_down(d);
}
