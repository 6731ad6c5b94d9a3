/* tx_af_xdp - frames through an AF_XDP socket that only sends: no program, a UMEM of its own.
 *
 * In copy mode the kernel sends within sendto(2), and what it returns is the fate of frames:
 *
 *     0          the ring is empty; everything went out
 *     EAGAIN     the call's share of descriptors is used up, or the device takes nothing for now:
 *                whatever is left in the ring is still to come
 *     EBUSY      the interface refused a frame. Its descriptors are used up, and the call ended
 *                with it
 *
 * So there is one refused frame per EBUSY; which one, the consumer index tells. But the kernel
 * publishes that only if the call has sent something: after a call that ended with EBUSY and
 * moved nothing, the refused frame is the first that was left.
 *
 * In zero-copy mode the device takes the frames by itself and refuses none; a call just wakes it.
 *
 * A frame longer than a chunk goes as several descriptors (multi-buffer, Linux 6.6).
 */
#include <assert.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_xdp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <xdp/xsk.h>

#include "control/send/tx.h"
#include "dataplane/base/clock.h"

#ifndef XDP_USE_SG
#define XDP_USE_SG (1 << 4)
#endif
#ifndef XDP_PKT_CONTD
#define XDP_PKT_CONTD (1 << 0)
#endif

enum {
	CHUNKS = 4096,
	CHUNK_BYTES_MAX = 4096,
	DESCRIPTORS = 2048, /* of the ring: TX_BATCH_FRAMES of the longest frames fit */
	FRAME_CHUNKS_MAX = 17,
	SEND_BUFFER_BYTES = 32 << 20,
	BIND_TRIES = 20, /* a closed socket's queue is free only after a while */
	BIND_NAP_NS = 50000000,
	FINISH_WAIT_NS = 1000000000,
};

static_assert(TX_BATCH_FRAMES * FRAME_CHUNKS_MAX <= DESCRIPTORS, "a batch fits the ring");

struct tx {
	int fd;
	bool zero_copy;
	uint32_t chunk_bytes;
	const volatile sig_atomic_t *stop;
	uint8_t *memory;
	struct xsk_ring_prod ring, fill;
	struct xsk_ring_cons completion;
	uint32_t free_count;
	uint64_t free_chunk[CHUNKS];
	uint32_t end[TX_BATCH_FRAMES]; /* descriptors of the batch up to the end of frame i */

	struct xsk_socket *socket;
	struct xsk_umem *umem;
	size_t memory_bytes;
};

static void nap(void)
{
	(void)clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){ .tv_nsec = TX_NAP_NS }, NULL);
}

/* ---- open ---- */

static int refuse_umem(struct send_error *err, int code)
{
	switch (-code) {
	case EPERM:
	case EACCES:
		return send_refuse(err, code,
				   "af_xdp: no privilege for such sockets; run as root, or with "
				   "CAP_NET_RAW and CAP_NET_ADMIN");
	case EAFNOSUPPORT:
		return send_refuse(err, code,
				   "af_xdp: this kernel has no such sockets (CONFIG_XDP_SOCKETS); "
				   "use --tx af_packet");
	default:
		return send_refuse(err, code,
				   "af_xdp: the frames' memory cannot be registered: %s; raise "
				   "the limit of locked memory (ulimit -l), or use --tx af_packet",
				   strerror(-code));
	}
}

static int refuse_socket(struct send_error *err, int code, const struct tx_open *how)
{
	const char *name = how->wire->name;

	switch (-code) {
	case EINVAL:
		return send_refuse(err, -ERANGE,
				   "af_xdp: %s has no queue %u, or this kernel sends no frames as "
				   "long as %u bytes; choose another --queue, a smaller MTU, or "
				   "--tx af_packet",
				   name, how->queue, how->frame_bytes_max);
	case EBUSY:
		return send_refuse(err, code,
				   "af_xdp: queue %u of %s is used by another AF_XDP socket; "
				   "choose another --queue, or --tx af_packet",
				   how->queue, name);
	default:
		return send_refuse(err, code, "af_xdp: %s cannot be used: %s; try --tx af_packet",
				   name, strerror(-code));
	}
}

static int memory_make(struct tx *t, uint32_t frame_bytes_max, struct send_error *err)
{
	struct xsk_umem_config config = {
		.fill_size = 64, /* there has to be one */
		.comp_size = CHUNKS,
	};
	int code;

	t->chunk_bytes = frame_bytes_max <= CHUNK_BYTES_MAX / 2 ? CHUNK_BYTES_MAX / 2
								: CHUNK_BYTES_MAX;
	t->memory_bytes = (size_t)CHUNKS * t->chunk_bytes;
	config.frame_size = t->chunk_bytes;
	t->memory = mmap(NULL, t->memory_bytes, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (t->memory == MAP_FAILED)
		return send_refuse(err, -errno, "af_xdp: there is no memory for %u frames", CHUNKS);
	code = xsk_umem__create(&t->umem, t->memory, t->memory_bytes, &t->fill, &t->completion,
				&config);
	if (code < 0) {
		(void)munmap(t->memory, t->memory_bytes);
		return refuse_umem(err, code);
	}
	for (uint32_t i = 0; i < CHUNKS; i++)
		t->free_chunk[i] = (uint64_t)i * t->chunk_bytes;
	t->free_count = CHUNKS;
	return 0;
}

static int socket_make(struct tx *t, const struct tx_open *how)
{
	struct xsk_socket_config config = {
		.tx_size = DESCRIPTORS,
		.libbpf_flags = XSK_LIBBPF_FLAGS__INHIBIT_PROG_LOAD,
		.bind_flags = XDP_USE_NEED_WAKEUP,
	};
	int code = -EBUSY;

	if (how->frame_bytes_max > t->chunk_bytes)
		config.bind_flags |= XDP_USE_SG;
	for (int i = 0; i < BIND_TRIES && code == -EBUSY && !*t->stop; i++) {
		if (i > 0)
			(void)clock_nanosleep(CLOCK_MONOTONIC, 0,
					      &(struct timespec){ .tv_nsec = BIND_NAP_NS }, NULL);
		code = xsk_socket__create(&t->socket, how->wire->name, how->queue, t->umem, NULL,
					  &t->ring, &config);
	}
	return code;
}

static void look_at_socket(struct tx *t)
{
	struct xdp_options options = { 0 };
	socklen_t length = sizeof(options);
	int bytes = SEND_BUFFER_BYTES;

	t->fd = xsk_socket__fd(t->socket);
	t->zero_copy = getsockopt(t->fd, SOL_XDP, XDP_OPTIONS, &options, &length) == 0 &&
		       (options.flags & XDP_OPTIONS_ZEROCOPY) != 0;
	/* Frames that wait at the other end of a veth count against this. With the system's limit
	   the sender would sometimes wait where the interface should refuse. */
	(void)setsockopt(t->fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes));
}

static int quiet(enum libbpf_print_level level, const char *format, va_list ap)
{
	(void)level;
	(void)format;
	(void)ap;
	return 0;
}

static int xdp_open(const struct tx_open *how, struct tx **ret, struct send_error *err)
{
	struct tx_open asked = *how;
	struct tx *t = calloc(1, sizeof(*t));
	int code;

	if (t == NULL)
		return send_refuse(err, -ENOMEM, "af_xdp: there is no memory");
	if (asked.queue == TX_ANY_QUEUE)
		asked.queue = 0;
	if (asked.frame_bytes_max > FRAME_CHUNKS_MAX * CHUNK_BYTES_MAX)
		asked.frame_bytes_max = FRAME_CHUNKS_MAX * CHUNK_BYTES_MAX;
	t->stop = how->stop;
	(void)libbpf_set_print(quiet); /* the sentences here say what it would */
	code = memory_make(t, asked.frame_bytes_max, err);
	if (code < 0)
		goto err_free;
	code = socket_make(t, &asked);
	if (code < 0) {
		code = refuse_socket(err, code, &asked);
		goto err_memory;
	}
	look_at_socket(t);
	*ret = t;
	return 0;

err_memory:
	(void)xsk_umem__delete(t->umem);
	(void)munmap(t->memory, t->memory_bytes);
err_free:
	free(t);
	return code;
}

/* ---- send ---- */

static void reclaim(struct tx *t)
{
	uint32_t first, n = xsk_ring_cons__peek(&t->completion, CHUNKS, &first);

	for (uint32_t i = 0; i < n; i++)
		t->free_chunk[t->free_count++] = *xsk_ring_cons__comp_addr(&t->completion,
									   first + i);
	if (n > 0)
		xsk_ring_cons__release(&t->completion, n);
}

static uint32_t consumer(const struct tx *t)
{
	return __atomic_load_n(t->ring.consumer, __ATOMIC_ACQUIRE);
}

static uint32_t chunks_of(const struct tx *t, const struct tx_frame *f)
{
	return (f->length_bytes + t->chunk_bytes - 1) / t->chunk_bytes;
}

/* fits - the frames from the first on that the free chunks and the ring have room for. */
static uint32_t fits(struct tx *t, const struct tx_frame *frame, uint32_t count,
		     uint32_t *ret_descriptors)
{
	uint32_t room, need = 0, n;

	reclaim(t);
	room = xsk_prod_nb_free(&t->ring, TX_BATCH_FRAMES * FRAME_CHUNKS_MAX);
	if (room > t->free_count)
		room = t->free_count;
	for (n = 0; n < count && need + chunks_of(t, &frame[n]) <= room; n++) {
		need += chunks_of(t, &frame[n]);
		t->end[n] = need;
	}
	*ret_descriptors = need;
	return n;
}

static uint32_t put(struct tx *t, const struct tx_frame *f, uint32_t at)
{
	for (uint32_t done = 0; done < f->length_bytes; at++) {
		struct xdp_desc *d = xsk_ring_prod__tx_desc(&t->ring, at);
		uint32_t left = f->length_bytes - done;

		d->addr = t->free_chunk[--t->free_count];
		d->len = left < t->chunk_bytes ? left : t->chunk_bytes;
		d->options = left > d->len ? XDP_PKT_CONTD : 0;
		memcpy(t->memory + d->addr, f->bytes + done, d->len);
		done += d->len;
	}
	return at;
}

/* frames_until - how many frames of the batch have their end within `descriptors`. */
static uint32_t frames_until(const struct tx *t, uint32_t from, uint32_t count, int32_t descriptors)
{
	while (from < count && (int32_t)t->end[from] <= descriptors)
		from++;
	return from;
}

/* kick - have the kernel send the `count` frames that begin at descriptor `base`. */
static int kick(struct tx *t, uint32_t base, uint32_t count, struct tx_result *ret)
{
	uint32_t at = 0;
	int err = 0;

	while (at < count && err == 0) {
		int code = sendto(t->fd, NULL, 0, MSG_DONTWAIT, NULL, 0) < 0 ? errno : 0;
		/* Negative while the kernel has not published refusals of the batch before. */
		uint32_t now = frames_until(t, at, count, (int32_t)(consumer(t) - base));
		bool moved = now > at;

		at = now;
		if (code == EBUSY) {
			at += !moved;
			ret->refused |= UINT64_C(1) << (at - 1);
		} else if (code == ENETDOWN || code == ENXIO || code == ENODEV) {
			err = -code;
		} else if (!moved && *t->stop) {
			break;
		} else if (!moved && code != EINTR) {
			nap();
		}
	}
	ret->offered = at;
	return err;
}

/* wake - in zero-copy mode; what is in the ring counts as offered. */
static int wake(struct tx *t, uint32_t count, struct tx_result *ret)
{
	ret->offered = count;
	if (!xsk_ring_prod__needs_wakeup(&t->ring) ||
	    sendto(t->fd, NULL, 0, MSG_DONTWAIT, NULL, 0) >= 0)
		return 0;
	return errno == ENETDOWN || errno == ENXIO || errno == ENODEV ? -errno : 0;
}

/* send_some - as many frames as there is room for. */
static int send_some(struct tx *t, const struct tx_frame *frame, uint32_t count,
		     struct tx_result *ret)
{
	uint32_t need, at, base, n = fits(t, frame, count, &need);

	*ret = (struct tx_result){ 0 };
	if (n == 0) {
		/* Completions come by themselves, but zero-copy drivers may wait to be woken. */
		struct tx_result none;

		nap();
		return t->zero_copy ? wake(t, 0, &none) : 0;
	}
	if (xsk_ring_prod__reserve(&t->ring, need, &base) != need)
		return 0;
	at = base;
	for (uint32_t i = 0; i < n; i++)
		at = put(t, &frame[i], at);
	xsk_ring_prod__submit(&t->ring, need);
	return t->zero_copy ? wake(t, n, ret) : kick(t, base, n, ret);
}

static int xdp_send(struct tx *t, const struct tx_frame *frame, uint32_t count,
		    struct tx_result *ret)
{
	int err = 0;

	*ret = (struct tx_result){ 0 };
	while (ret->offered < count && err == 0) {
		struct tx_result some;

		err = send_some(t, frame + ret->offered, count - ret->offered, &some);
		ret->refused |= some.refused << ret->offered;
		ret->offered += some.offered;
		if (*t->stop && some.offered == 0)
			break;
	}
	return err;
}

/* ---- the end ---- */

/* In copy mode every frame's fate is known when send() returns. */
static void xdp_finish(struct tx *t, struct tx_left *ret)
{
	uint64_t end_ns = clock_monotonic_ns() + FINISH_WAIT_NS;
	uint32_t last = *t->ring.producer;

	*ret = (struct tx_left){ 0 };
	if (!t->zero_copy)
		return;
	while (consumer(t) != last && clock_monotonic_ns() < end_ns) {
		struct tx_result none;

		if (wake(t, 0, &none) < 0)
			break;
		nap();
	}
	for (uint32_t i = consumer(t); i != last; i++) {
		const struct xdp_desc *d = xsk_ring_prod__tx_desc(&t->ring, i);

		ret->bytes += d->len;
		ret->frames += !(d->options & XDP_PKT_CONTD);
	}
}

static const char *xdp_mode(const struct tx *t)
{
	return t->zero_copy ? "zero-copy" : "copy";
}

static void xdp_close(struct tx *t)
{
	xsk_socket__delete(t->socket);
	(void)xsk_umem__delete(t->umem);
	(void)munmap(t->memory, t->memory_bytes);
	free(t);
}

const struct tx_backend tx_af_xdp = {
	.name = "af_xdp",
	.help = "an AF_XDP socket that only sends; its frames arrive at the other end's queue of "
		"the same number",
	.has_queues = true,
	.open = xdp_open,
	.send = xdp_send,
	.finish = xdp_finish,
	.mode = xdp_mode,
	.close = xdp_close,
};
