/* af_xdp_socket - the sockets of a port, the queues that they are on, and the rings of both. */
#include "dataplane/rx/af_xdp_socket.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
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

/* ---- a queue ---- */

static struct af_xdp_queue *queues;

static struct af_xdp_queue *queue_find(const struct af_xdp_socket_how *how)
{
	struct af_xdp_queue *q = queues;

	while (q != NULL && (q->ifindex != how->ifindex || q->index != how->queue))
		q = q->next;
	return q;
}

static void queue_free(struct af_xdp_queue *q)
{
	for (uint32_t i = 0; i < q->members && q->home != NULL; i++)
		free(q->home[i]);
	free(q->home);
	if (q->umem != NULL)
		xsk_umem__delete(q->umem);
	af_xdp_umem_close(&q->memory);
	if (q->bell_fd >= 0)
		close(q->bell_fd);
	free(q);
}

/* ways_home - for every member but the owner. */
static int ways_home(struct af_xdp_queue *q, const struct af_xdp_socket_how *how)
{
	if (how->members == 1)
		return 0;
	q->home = calloc(how->members, sizeof(struct af_xdp_home *));
	q->bell_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (q->home == NULL || q->bell_fd < 0)
		return -ENOMEM;
	for (uint32_t i = 0; i < how->members; i++) {
		if (i == how->owner)
			continue;
		q->home[i] = af_xdp_home_new(how->frames);
		if (q->home[i] == NULL)
			return -ENOMEM;
	}
	return 0;
}

static int queue_new(const struct af_xdp_socket_how *how, struct af_xdp_queue **ret,
		     struct rx_error *err)
{
	struct af_xdp_queue *q = calloc(1, sizeof(*q));
	int code = q == NULL ? -ENOMEM : 0;

	if (q != NULL) {
		q->ifindex = how->ifindex;
		q->index = how->queue;
		q->members = how->members;
		q->frames = how->frames;
		q->frame_shift = (uint32_t)__builtin_ctz(how->frame_bytes);
		q->bell_after = how->frames / how->members / 4 + 1;
		q->bell_fd = -1;
		code = ways_home(q, how);
	}
	if (code < 0)
		snprintf(err->text, sizeof(err->text), "af_xdp: no memory for a queue");
	else
		code = af_xdp_umem_open(&q->memory, (size_t)how->frames * how->frame_bytes,
					how->huge, err);
	if (code < 0) {
		if (q != NULL)
			queue_free(q);
		return code;
	}
	*ret = q;
	return 0;
}

/* put_all - all frames of the queue into its fill ring. */
static void put_all(struct af_xdp_queue *q)
{
	uint32_t at;

	ENSURE(xsk_ring_prod__reserve(&q->fill, q->frames, &at) == q->frames);
	for (uint32_t i = 0; i < q->frames; i++)
		*xsk_ring_prod__fill_addr(&q->fill, at + i) = (uint64_t)i << q->frame_shift;
	xsk_ring_prod__submit(&q->fill, q->frames);
}

/* ---- opening ---- */

static uint16_t bind_flags(const struct af_xdp_socket_how *how)
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

/* bind_to - libxdp keeps the fill ring of the queue's first socket for all that follow. */
static int bind_to(struct af_xdp_socket *s, struct af_xdp_queue *q,
		   const struct af_xdp_socket_how *how)
{
	struct xsk_socket_config config = {
		.rx_size = how->ring,
		.libbpf_flags = XSK_LIBBPF_FLAGS__INHIBIT_PROG_LOAD,
		.bind_flags = bind_flags(how),
	};
	int code = xsk_socket__create_shared(&s->socket, how->interface, how->queue, q->umem,
					     &s->rx, NULL, &q->fill, &q->completion, &config);

	if (code < 0)
		return code;
	s->queue = q;
	s->area = q->memory.area;
	s->home = q->home != NULL ? q->home[how->member] : NULL;
	s->fd = xsk_socket__fd(s->socket);
	q->users++;
	return 0;
}

/* bind_first - on a queue that nobody of us has yet. */
static int bind_first(struct af_xdp_socket *s, struct af_xdp_queue *q,
		      const struct af_xdp_socket_how *how)
{
	struct xsk_umem_config config = {
		.fill_size = power_of_two(how->frames),
		.comp_size = COMPLETION_ENTRIES,
		.frame_size = how->frame_bytes,
	};
	int code = xsk_umem__create(&q->umem, q->memory.area, q->memory.bytes, &q->fill,
				    &q->completion, &config);

	if (code < 0)
		return code;
	code = bind_to(s, q, how);
	if (code == 0) {
		put_all(q);
		return 0;
	}
	xsk_umem__delete(q->umem);
	q->umem = NULL;
	return code;
}

static const char *remedy(int code, const struct af_xdp_socket_how *how)
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

/* bind_patiently - as bind_first(), as long as the kernel has not forgotten who was there. */
static int bind_patiently(struct af_xdp_socket *s, struct af_xdp_queue *q,
			  const struct af_xdp_socket_how *how)
{
	uint64_t begun_ns = clock_monotonic_ns();

	for (long pause = PAUSE_FIRST_NS;; pause = pause < PAUSE_MAX_NS ? pause * 2 : pause) {
		int code = bind_first(s, q, how);

		if (code != -EBUSY || clock_monotonic_ns() - begun_ns >= busy_patience_ns)
			return code;
		pause_ns(pause);
	}
}

int af_xdp_socket_open(struct af_xdp_socket *ret, const struct af_xdp_socket_how *how,
		       struct rx_error *err)
{
	struct af_xdp_queue *there = queue_find(how), *q = there;
	int code = 0;

	*ret = (struct af_xdp_socket){ .fd = -1 };
	libxdp_set_print(keep_silent);
	if (there == NULL)
		code = queue_new(how, &q, err);
	if (code < 0)
		return code;
	code = there != NULL ? bind_to(ret, q, how) : bind_patiently(ret, q, how);
	if (code < 0) {
		snprintf(err->text, sizeof(err->text), "%s: no AF_XDP socket can be bound (%s): %s",
			 how->interface, strerror(-code), remedy(code, how));
		if (there == NULL)
			queue_free(q);
		return code;
	}
	if (there == NULL) {
		q->next = queues;
		queues = q;
	}
	return 0;
}

void af_xdp_socket_close(struct af_xdp_socket *s)
{
	struct af_xdp_queue *q = s->queue, **at = &queues;

	if (s->socket != NULL)
		xsk_socket__delete(s->socket);
	if (q != NULL && --q->users == 0) {
		while (*at != q)
			at = &(*at)->next;
		*at = q->next;
		queue_free(q);
	}
	*s = (struct af_xdp_socket){ .fd = -1 };
}

/* ---- frames ---- */

static void put(struct af_xdp_queue *q, const uint64_t *at, uint32_t count)
{
	uint32_t slot;

	ENSURE(xsk_ring_prod__reserve(&q->fill, count, &slot) == count);
	for (uint32_t i = 0; i < count; i++)
		*xsk_ring_prod__fill_addr(&q->fill, slot + i) = at[i];
	xsk_ring_prod__submit(&q->fill, count);
}

void af_xdp_give(struct af_xdp_socket *s, const uint64_t *at, uint32_t count)
{
	struct af_xdp_queue *q = s->queue;
	uint64_t one = 1;

	if (s->home == NULL) {
		put(q, at, count);
		return;
	}
	af_xdp_home_push(s->home, at, count, q->frame_shift);
	s->away += count;
	if (s->away < q->bell_after)
		return;
	s->away = 0;
	/* It fails only when the bell has been rung 2^64 - 2 times and not heard. */
	if (write(q->bell_fd, &one, sizeof(one)) < 0)
		return;
}

void af_xdp_collect(struct af_xdp_socket *s)
{
	struct af_xdp_queue *q = s->queue;
	uint64_t at[BURST_PACKETS];

	if (s->home != NULL || q->home == NULL)
		return;
	for (uint32_t i = 0; i < q->members; i++) {
		uint32_t n = BURST_PACKETS;

		while (q->home[i] != NULL && n == BURST_PACKETS) {
			n = af_xdp_home_pop(q->home[i], at, BURST_PACKETS, q->frame_shift);
			if (n > 0)
				put(q, at, n);
		}
	}
}

/* ---- asking ---- */

bool af_xdp_zero_copy(const struct af_xdp_socket *s)
{
	struct xdp_options o = { 0 };
	socklen_t bytes = sizeof(o);

	return getsockopt(s->fd, SOL_XDP, XDP_OPTIONS, &o, &bytes) == 0 &&
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

uint32_t af_xdp_waiting(const struct af_xdp_socket *s, bool frags)
{
	uint32_t from = s->rx.cached_cons;
	uint32_t to = __atomic_load_n(s->rx.producer, __ATOMIC_ACQUIRE), whole = 0;

	if (!frags)
		return to - from;
	for (; from != to; from++)
		whole += (xsk_ring_cons__rx_desc(&s->rx, from)->options & XDP_PKT_CONTD) == 0;
	return whole;
}
