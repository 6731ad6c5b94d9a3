/* af_xdp_socket - the sockets of one port, one per receive queue, and their rings. */
#include "dataplane/rx/af_xdp_socket.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <xdp/libxdp.h>

#include "dataplane/base/clock.h"
#include "dataplane/base/compiler.h"
#include "dataplane/base/ensure.h"

enum { COMPLETION_ENTRIES = 64, PAUSE_FIRST_NS = 1000 * 1000, PAUSE_MAX_NS = 64 * 1000 * 1000 };

static const uint64_t busy_patience_ns = UINT64_C(1500) * 1000 * 1000;

static int keep_silent(enum libxdp_print_level level, const char *format, va_list ap)
{
	(void)level;
	(void)format;
	(void)ap;
	return 0;
}

static uint32_t power_of_two(uint32_t at_least)
{
	uint32_t n = 1;

	while (n < at_least)
		n *= 2;
	return n;
}

/* ---- opening ---- */

static uint16_t bind_flags(const struct af_xdp_sockets_how *how)
{
	unsigned flags = XDP_USE_NEED_WAKEUP;

	if (how->copy == AF_XDP_COPY_COPY)
		flags |= XDP_COPY;
	if (how->copy == AF_XDP_COPY_ZEROCOPY)
		flags |= XDP_ZEROCOPY;
	if (how->frags)
		flags |= XDP_USE_SG;
	return (uint16_t)flags;
}

static int socket_open(struct af_xdp_sockets *s, uint32_t i, const struct af_xdp_sockets_how *how)
{
	struct xsk_socket_config config = {
		.rx_size = how->ring,
		.libbpf_flags = XSK_LIBBPF_FLAGS__INHIBIT_PROG_LOAD,
		.bind_flags = bind_flags(how),
	};
	struct af_xdp_queue *q = &s->queue[i];
	int code;

	q->index = how->queue[i];
	code = xsk_socket__create_shared(&q->socket, how->interface, q->index, s->umem, &q->rx,
					 NULL, &q->fill, &q->completion, &config);
	if (code < 0)
		return code;
	q->fd = xsk_socket__fd(q->socket);
	return 0;
}

/* fill - all frames of a queue into its fill ring. */
static void fill(struct af_xdp_queue *q, uint32_t first, const struct af_xdp_sockets_how *how)
{
	uint32_t at;

	ENSURE(xsk_ring_prod__reserve(&q->fill, how->frames, &at) == how->frames);
	for (uint32_t i = 0; i < how->frames; i++)
		*xsk_ring_prod__fill_addr(&q->fill, at + i) = (uint64_t)(first + i) *
							      how->frame_bytes;
	xsk_ring_prod__submit(&q->fill, how->frames);
}

static int open_once(struct af_xdp_sockets *s, const struct af_xdp_umem *umem,
		     const struct af_xdp_sockets_how *how)
{
	struct xsk_umem_config config = {
		.fill_size = power_of_two(how->frames),
		.comp_size = COMPLETION_ENTRIES,
		.frame_size = how->frame_bytes,
	};
	int code;

	*s = (struct af_xdp_sockets){ .queue = calloc(how->queues, sizeof(*s->queue)) };
	if (s->queue == NULL)
		return -ENOMEM;
	code = xsk_umem__create(&s->umem, umem->area, umem->bytes, &s->queue[0].fill,
				&s->queue[0].completion, &config);
	while (code == 0 && s->count < how->queues) {
		code = socket_open(s, s->count, how);
		if (code == 0)
			fill(&s->queue[s->count], s->count * how->frames, how);
		s->count += code == 0;
	}
	if (code < 0)
		af_xdp_sockets_close(s);
	return code;
}

static const char *remedy(int code, const struct af_xdp_sockets_how *how)
{
	switch (-code) {
	case EPERM: return "it needs the capability CAP_NET_RAW: start as root or with sudo";
	case EBUSY:
		return "another process captures there with AF_XDP: stop it, or take other "
		       "queues with queue= and queues=";
	case ENOBUFS:
		return "the limit of locked memory is too low: give the process CAP_IPC_LOCK, "
		       "or ask for less with ring=";
	case EAFNOSUPPORT: return "this kernel has no AF_XDP sockets: use --rx af_packet";
	case ENOMEM: return "ask for less memory with ring= or frames=";
	default: break;
	}
	if (how->copy == AF_XDP_COPY_ZEROCOPY)
		return "its driver does not do zero-copy this way: leave out copy=zerocopy";
	return "try mode=generic, or --rx af_packet";
}

static void pause_ns(long ns)
{
	nanosleep(&(struct timespec){ .tv_nsec = ns }, NULL);
}

int af_xdp_sockets_open(struct af_xdp_sockets *ret, const struct af_xdp_umem *umem,
			const struct af_xdp_sockets_how *how, struct rx_error *err)
{
	uint64_t begun_ns = clock_monotonic_ns();
	int code;

	libxdp_set_print(keep_silent);
	for (long pause = PAUSE_FIRST_NS;; pause = pause < PAUSE_MAX_NS ? pause * 2 : pause) {
		struct af_xdp_sockets s;

		code = open_once(&s, umem, how);
		if (code == 0) {
			*ret = s;
			return 0;
		}
		if (code != -EBUSY || clock_monotonic_ns() - begun_ns >= busy_patience_ns)
			break;
		pause_ns(pause);
	}
	snprintf(err->text, sizeof(err->text), "%s: no AF_XDP socket can be bound (%s): %s",
		 how->interface, strerror(-code), remedy(code, how));
	return code;
}

void af_xdp_sockets_close(struct af_xdp_sockets *s)
{
	for (uint32_t i = s->count; i-- > 0;)
		xsk_socket__delete(s->queue[i].socket);
	if (s->umem != NULL)
		xsk_umem__delete(s->umem);
	free(s->queue);
	*s = (struct af_xdp_sockets){ 0 };
}

/* ---- asking ---- */

bool af_xdp_zero_copy(const struct af_xdp_sockets *s)
{
	struct xdp_options o = { 0 };
	socklen_t bytes = sizeof(o);

	return getsockopt(s->queue[0].fd, SOL_XDP, XDP_OPTIONS, &o, &bytes) == 0 &&
	       (o.flags & XDP_OPTIONS_ZEROCOPY) != 0;
}

void af_xdp_losses(int fd, struct af_xdp_losses *sum)
{
	struct xdp_statistics s = { 0 };
	socklen_t bytes = sizeof(s);

	if (getsockopt(fd, SOL_XDP, XDP_STATISTICS, &s, &bytes) < 0)
		return;
	/* A packet that found no frame raises rx_fill_ring_empty_descs as well, and one that is too
	   large would raise rx_dropped, but the program lets none of those come here. */
	sum->no_frame += s.rx_dropped;
	sum->ring_full += s.rx_ring_full;
}

uint32_t af_xdp_waiting(const struct af_xdp_queue *q, bool frags)
{
	uint32_t from = q->rx.cached_cons;
	uint32_t to = __atomic_load_n(q->rx.producer, __ATOMIC_ACQUIRE), whole = 0;

	if (!frags)
		return to - from;
	for (; from != to; from++)
		whole += (xsk_ring_cons__rx_desc(&q->rx, from)->options & XDP_PKT_CONTD) == 0;
	return whole;
}
