/* pcap - live capture through libpcap: the way everybody does it, and so the baseline of every
 * comparison, neither crippled nor helped.
 *
 * libpcap keeps a TPACKET_V3 ring of its own (TPACKET_V2 with immediate=on) and returns a block to
 * the kernel as soon as the callback has seen its last frame, before pcap_dispatch() is over. A
 * frame is therefore valid in the callback only, and what a burst lends out is a copy, made there:
 * that is what libpcap costs whoever does not finish with a packet inside its callback. A
 * frame of 64 KiB is the largest there commonly is, and a burst of those must fit; where it does
 * not, the burst is shorter.
 *
 * libpcap puts back tags that the kernel took out. Three things are done past it, at its socket:
 *
 *   - statistics: pcap_stats() opens a file in /sys each time for ps_ifdrop, which is not possible
 *     behind the sandbox. It never reads PACKET_STATISTICS but there, so packet_socket.h has them.
 *   - the filter: one made by pcap_setfilter() judges a frame whose tag was taken out by different
 *     rules than the same frame in a file. It is attached as for af_packet; libpcap
 *     changes the socket's filter in pcap_setfilter() only.
 *   - on the loopback libpcap throws away the second appearance of every frame after the kernel has
 *     counted it; the socket is told not to take it.
 *
 * When libpcap finds that the interface is down it asks by an ioctl(), which the sandbox refuses,
 * and reports an error: errors are therefore not believed, the interface is asked (interface.h).
 * What libpcap has not shown yet cannot be seen, so `in_flight` is 0 while the port is open.
 *
 * One worker only: libpcap has no fan-out.
 *
 * System calls after open(): those of packet_socket.h; libpcap's: poll, getsockopt(SO_ERROR), read
 * and write (its eventfd), ioctl (may be refused); munmap, close.
 */
#include <errno.h>
#include <inttypes.h>
#include <linux/if_arp.h>
#include <linux/if_packet.h>
#include <pcap/pcap.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "dataplane/base/clock.h"
#include "dataplane/rx/options.h"
#include "dataplane/rx/packet_socket.h"
#include "dataplane/shm/settings.h"

enum {
	SNAPLEN_BYTES = 262144, /* tcpdump's, and the longest that libpcap makes room for */
	COPIES_BYTES = BURST_PACKETS * 65536 + SNAPLEN_BYTES,
	COPY_ALIGN_BYTES = 64,
};

#define MS_NS UINT64_C(1000000)

/* ---- the argument ---- */

static const char *const switch_words[] = { "off", "on", NULL };

struct plan {
	uint64_t buffer_bytes, timeout_ns, immediate;
	char interface[48];
};

/* clang-format off */
static const struct rx_option pcap_options[] = {
	{ "buffer", RX_OPTION_BYTES, offsetof(struct plan, buffer_bytes), 32 << 20, 512 << 10, 1 << 30, NULL,
	  "of the kernel, as tcpdump -B" },
	{ "timeout", RX_OPTION_TIME_NS, offsetof(struct plan, timeout_ns), 10 * MS_NS, MS_NS, 500 * MS_NS, NULL,
	  "after which packets are handed over though their block is not full; whole milliseconds" },
	{ "immediate", RX_OPTION_WORD, offsetof(struct plan, immediate), 0, 0, 0, switch_words,
	  "hand over each packet at once, as tcpdump --immediate-mode: dearer" },
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
	int code = options_read("pcap", pcap_options, how->argument, ret->interface,
				sizeof(ret->interface), ret, err);

	if (code < 0)
		return code;
	if (ret->interface[0] == 0)
		return refuse(err, -EINVAL, "pcap: an interface is needed: --rx pcap:eth0");
	if (how->workers > 1)
		return refuse(err, -EINVAL,
			      "pcap: libpcap cannot share an interface among %u workers; use "
			      "--workers 1 or --rx af_packet:%s",
			      how->workers, ret->interface);
	return 0;
}

/* ---- a port ---- */

struct pcap_port {
	struct rx_port_head head;
	/* every packet */
	uint8_t *copies;
	uint32_t copied_bytes; /* lent out */
	uint32_t snaplen_bytes;
	uint16_t link, iface;
	struct packet *packet; /* where the callback goes on */
	uint32_t count;
	pcap_t *pcap;

	struct packet_socket socket;
	bool came; /* the last pull brought something */

	/* set-up */
	struct plan plan;
};

extern const struct rx_backend rx_pcap;

static struct pcap_port *of(struct rx_port *p)
{
	return (struct pcap_port *)(void *)p;
}

static bool has_room(const struct pcap_port *p)
{
	return COPIES_BYTES - p->copied_bytes >= p->snaplen_bytes;
}

static void take_packet(u_char *user, const struct pcap_pkthdr *h, const u_char *bytes)
{
	struct pcap_port *p = (struct pcap_port *)(void *)user;
	uint32_t caplen_bytes = h->caplen < p->snaplen_bytes ? h->caplen : p->snaplen_bytes;
	uint8_t *copy = p->copies + p->copied_bytes;

	memcpy(copy, bytes, caplen_bytes);
	p->packet[p->count++] = (struct packet){
		.frame = copy,
		/* With nanoseconds asked for, tv_usec has them. */
		.ts_ns = (uint64_t)h->ts.tv_sec * CLOCK_SECOND_NS + (uint64_t)h->ts.tv_usec,
		.caplen_bytes = caplen_bytes,
		.wire_bytes = h->len,
		.link = p->link,
		.iface = p->iface,
	};
	p->copied_bytes += (caplen_bytes + COPY_ALIGN_BYTES - 1) & ~(COPY_ALIGN_BYTES - 1u);
	if (!has_room(p))
		pcap_breakloop(p->pcap);
}

static uint32_t port_pull(struct rx_port *port, struct packet *packet, uint32_t room)
{
	struct pcap_port *p = of(port);
	int status;

	room = packet_socket_room(&p->socket, room);
	if (room == 0 || !has_room(p))
		return 0;
	p->packet = packet;
	p->count = 0;
	/* The callback counts, also when it was broken off. */
	status = pcap_dispatch(p->pcap, (int)room, take_packet, (u_char *)p);
	if (status < 0 && status != PCAP_ERROR_BREAK)
		packet_socket_look(&p->socket);
	p->came = p->count > 0;
	packet_socket_pulled(&p->socket, p->count);
	return p->count;
}

static void port_give_back(struct rx_port *port)
{
	of(port)->copied_bytes = 0;
}

static enum rx_state port_state(struct rx_port *port, struct rx_error *err)
{
	struct pcap_port *p = of(port);

	return packet_socket_state(&p->socket, p->came, err);
}

static void port_counters(struct rx_port *port, struct rx_counters *ret)
{
	packet_socket_counters(&of(port)->socket, 0, ret);
}

static void port_stop(struct rx_port *port)
{
	packet_socket_stop(&of(port)->socket);
}

static int port_wait_fd(struct rx_port *port)
{
	return pcap_get_selectable_fd(of(port)->pcap);
}

static void port_about(struct rx_port *port, struct rx_about *ret)
{
	struct pcap_port *p = of(port);

	*ret = (struct rx_about){ .clock = "kernel" };
	snprintf(ret->interface, sizeof(ret->interface), "%s", p->plan.interface);
	snprintf(ret->mode, sizeof(ret->mode), "%.50s, buffer %" PRIu64 "k, %s", pcap_lib_version(),
		 p->plan.buffer_bytes >> 10, p->plan.immediate != 0 ? "immediate" : "in blocks");
}

/* ---- opening ---- */

/* explain - what pcap_activate() complains about. Returns: -errno. */
static int explain(pcap_t *pcap, int status, const char *interface, struct rx_error *err)
{
	const char *more = pcap_geterr(pcap);

	switch (status) {
	case PCAP_ERROR_PERM_DENIED:
		return refuse(
			err, -EPERM,
			"pcap: capture needs the capability CAP_NET_RAW: start as root or with "
			"sudo");
	case PCAP_ERROR_NO_SUCH_DEVICE:
		return refuse(err, -ENODEV, "%s: there is no such interface", interface);
	case PCAP_ERROR_IFACE_NOT_UP:
		return refuse(err, -ENETDOWN,
			      "%s: the interface is down; bring it up with: ip link set %s up",
			      interface, interface);
	default:
		return refuse(err, -EIO,
			      "pcap: %s cannot be captured on: %s%s%s; a smaller buffer= may help",
			      interface, pcap_statustostr(status), more[0] != 0 ? ": " : "", more);
	}
}

static int activate(const struct rx_open *how, struct pcap_port *p, struct rx_error *err)
{
	char text[PCAP_ERRBUF_SIZE] = "";
	pcap_t *pcap = pcap_create(p->plan.interface, text);
	int status;

	if (pcap == NULL)
		return refuse(err, -ENOMEM, "pcap: %s", text);
	/* Each of these only fails on a handle that is active already. */
	pcap_set_snaplen(pcap, (int)p->snaplen_bytes);
	pcap_set_promisc(pcap, how->settings->promiscuous != 0);
	pcap_set_timeout(pcap, (int)((p->plan.timeout_ns + MS_NS - 1) / MS_NS));
	pcap_set_immediate_mode(pcap, p->plan.immediate != 0);
	pcap_set_buffer_size(pcap, (int)p->plan.buffer_bytes);
	pcap_set_tstamp_precision(pcap, PCAP_TSTAMP_PRECISION_NANO);
	status = pcap_activate(pcap);
	if (status < 0) {
		status = explain(pcap, status, p->plan.interface, err);
		pcap_close(pcap);
		return status;
	}
	p->pcap = pcap;
	return 0;
}

static void ignore(u_char *user, const struct pcap_pkthdr *h, const u_char *bytes)
{
	(void)user;
	(void)h;
	(void)bytes;
}

/* begin_anew - without the frames that libpcap would drop and the kernel has counted: refuse
 * everything until those that have come are certainly handed over, and forget them. */
static int begin_anew(struct pcap_port *p, int fd)
{
	uint64_t wait_ns = p->plan.timeout_ns + 20 * MS_NS;
	struct tpacket_stats_v3 forgotten;
	socklen_t bytes = sizeof(forgotten);
	int one = 1, code = packet_socket_refuse_all(fd);

	if (code < 0)
		return code;
	if (setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)) < 0)
		return -errno;
	nanosleep(&(struct timespec){ .tv_sec = (time_t)(wait_ns / CLOCK_SECOND_NS),
				      .tv_nsec = (long)(wait_ns % CLOCK_SECOND_NS) },
		  NULL);
	while (pcap_dispatch(p->pcap, -1, ignore, NULL) > 0)
		;
	return getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &forgotten, &bytes) < 0 ? -errno : 0;
}

/* socket_set_up - of libpcap's socket. */
static int socket_set_up(const struct rx_open *how, struct pcap_port *p, bool loopback,
			 struct rx_error *err)
{
	const char *expression = p->link == LINK_ETHERNET ? how->settings->filter : NULL;
	char text[PCAP_ERRBUF_SIZE] = "";
	int fd = pcap_fileno(p->pcap), code = 0;

	if (pcap_get_selectable_fd(p->pcap) < 0 || pcap_setnonblock(p->pcap, 1, text) < 0)
		return refuse(err, -EIO, "pcap: %s cannot be polled: %s", p->plan.interface, text);
	if (loopback)
		code = begin_anew(p, fd);
	if (code == 0)
		code = packet_socket_filter(fd, expression, how->settings->snaplen_bytes);
	if (code < 0)
		return refuse(err, code, "pcap: the socket of %s takes no options: %s",
			      p->plan.interface, strerror(-code));
	return fd;
}

/* capture_begin - on `interface`, which is closed on failure. */
static int capture_begin(const struct rx_open *how, struct pcap_port *p,
			 struct interface *interface, struct rx_error *err)
{
	int code = activate(how, p, err), fd, link;
	uint16_t arphrd = 0;

	if (code < 0)
		goto err_interface;
	link = pcap_datalink(p->pcap);
	if (!link_type_known((uint16_t)link)) {
		code = refuse(err, -ENOTSUP,
			      "%s: its frames (%s) are of no kind that is understood",
			      p->plan.interface, pcap_datalink_val_to_description_or_dlt(link));
		goto err_pcap;
	}
	p->link = (uint16_t)link;
	interface_is_ethernet(p->plan.interface, &arphrd);
	fd = socket_set_up(how, p, arphrd == ARPHRD_LOOPBACK, err);
	if (fd < 0) {
		code = fd;
		goto err_pcap;
	}
	packet_socket_start(&p->socket, fd, interface, true, p->plan.timeout_ns);
	return 0;

err_pcap:
	pcap_close(p->pcap);
err_interface:
	interface_close(interface);
	return code;
}

static int port_set_up(const struct rx_open *how, struct pcap_port *p, struct rx_error *err)
{
	struct interface interface;
	int code;

	p->copies = malloc(COPIES_BYTES);
	if (p->copies == NULL)
		return refuse(err, -ENOMEM, "pcap: there is no memory");
	/* libpcap holds the promiscuous mode itself. */
	code = interface_open(&interface, p->plan.interface, false, err);
	if (code == 0)
		code = capture_begin(how, p, &interface, err);
	if (code < 0)
		free(p->copies);
	return code;
}

static int port_open(const struct rx_open *how, struct rx_port **ret, struct rx_error *err)
{
	uint64_t snaplen_bytes = how->settings->snaplen_bytes;
	struct plan plan;
	struct pcap_port *p;
	int code = plan_make(how, &plan, err);

	if (code < 0)
		return code;
	p = calloc(1, sizeof(*p));
	if (p == NULL)
		return refuse(err, -ENOMEM, "pcap: there is no memory");
	p->head.backend = &rx_pcap;
	p->plan = plan;
	p->snaplen_bytes = snaplen_bytes != 0 && snaplen_bytes < SNAPLEN_BYTES
				   ? (uint32_t)snaplen_bytes
				   : SNAPLEN_BYTES;
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

static void port_close(struct rx_port *port)
{
	struct pcap_port *p = of(port);

	pcap_close(p->pcap);
	packet_socket_end(&p->socket);
	free(p->copies);
	free(p);
}

static int port_probe(const char *interface, struct rx_error *ret)
{
	struct interface i;
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), code;

	if (fd < 0)
		return refuse(ret, -errno,
			      errno == EPERM
				      ? "pcap: capture needs the capability CAP_NET_RAW: start "
					"as root or with sudo"
				      : "pcap: there are no packet sockets here");
	close(fd);
	if (interface != NULL) {
		code = interface_open(&i, interface, false, ret);
		if (code < 0)
			return code;
		interface_close(&i);
	}
	return refuse(ret, 0, "%.60s: two copies; one worker; any interface", pcap_lib_version());
}

const struct rx_backend rx_pcap = {
	.name = "pcap",
	.help = "live from an interface, through libpcap, with one worker: pcap:IFACE",
	.options = pcap_options,
	.live = true,
	.preference = 10,
	.probe = port_probe,
	.open = port_open,
	.about = port_about,
	.stop = port_stop,
	.pull = port_pull,
	.give_back = port_give_back,
	.state = port_state,
	.counters = port_counters,
	.wait_fd = port_wait_fd,
	.close = port_close,
};
