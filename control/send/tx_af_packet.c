/* tx_af_packet - frames through a packet socket, past the queueing discipline.
 *
 * sendmmsg(2) rather than a ring: on a veth both were measured, the ring at 1.43 million frames of
 * 64 bytes a second and sendmmsg(2) at 1.52 million; and a ring does not say which frame was
 * refused.
 *
 * sendmmsg(2) tells the error of a frame only if it was the first of its call; for any other it
 * returns how many went before it. So a short count means that the next frame was refused, if there
 * is no other reason for one. The only other reason, no room in the send buffer, is
 * excluded before: a call takes no more frames than certainly fit, and a call for one frame
 * always tells its error.
 */
#include <errno.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "control/send/tx.h"

enum {
	SEND_BUFFER_BYTES = 32 << 20,
	/* What a frame may cost the send buffer beside twice its length: headroom and the kernel's
	   own structures, rounded up to the allocator's sizes. */
	OVERHEAD_BYTES = 4096,
};

struct tx {
	int fd;
	uint32_t buffer_bytes;
	const volatile sig_atomic_t *stop;
	struct mmsghdr message[TX_BATCH_FRAMES];
	struct iovec part[TX_BATCH_FRAMES];
};

static void widen_buffer(struct tx *t)
{
	int bytes = SEND_BUFFER_BYTES;
	socklen_t length = sizeof(bytes);

	/* Forcing it takes CAP_NET_ADMIN; without, the system's limit has to do. */
	if (setsockopt(t->fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)) < 0)
		(void)setsockopt(t->fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	if (getsockopt(t->fd, SOL_SOCKET, SO_SNDBUF, &bytes, &length) == 0)
		t->buffer_bytes = (uint32_t)bytes;
}

static int refuse_socket(struct send_error *err, int error)
{
	if (error == EPERM || error == EACCES)
		return send_refuse(err, -error,
				   "af_packet: no privilege to send frames; run as root, or with "
				   "CAP_NET_RAW");
	return send_refuse(err, -error, "af_packet: there is no such socket: %s", strerror(error));
}

static int packet_open(const struct tx_open *how, struct tx **ret, struct send_error *err)
{
	struct tx *t = calloc(1, sizeof(*t));
	/* Protocol 0: a socket that receives nothing. */
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_ifindex = how->wire->index };
	int on = 1, code;

	if (t == NULL)
		return send_refuse(err, -ENOMEM, "af_packet: there is no memory");
	t->stop = how->stop;
	t->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (t->fd < 0) {
		code = refuse_socket(err, errno);
		goto err_free;
	}
	widen_buffer(t);
	if (setsockopt(t->fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof(on)) < 0 ||
	    bind(t->fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
		code = send_refuse(err, -errno, "af_packet: %s cannot be used: %s", how->wire->name,
				   strerror(errno));
		goto err_close;
	}
	for (uint32_t i = 0; i < TX_BATCH_FRAMES; i++)
		t->message[i].msg_hdr = (struct msghdr){ .msg_iov = &t->part[i], .msg_iovlen = 1 };
	*ret = t;
	return 0;

err_close:
	close(t->fd);
err_free:
	free(t);
	return code;
}

/* certain - how many of the frames from `at` on the send buffer has room for, at least 1. */
static uint32_t certain(const struct tx *t, uint32_t at, uint32_t count)
{
	uint64_t room = 0;
	int waiting = 0;
	uint32_t n = 0;

	if (ioctl(t->fd, SIOCOUTQ, &waiting) == 0 && (uint32_t)waiting < t->buffer_bytes)
		room = t->buffer_bytes - (uint32_t)waiting;
	for (; at + n < count; n++) {
		uint64_t cost = 2 * (uint64_t)t->part[at + n].iov_len + OVERHEAD_BYTES;

		if (cost > room)
			break;
		room -= cost;
	}
	return n > 0 ? n : 1;
}

/* is_refusal - of this frame, not of all frames. EMSGSIZE: the MTU was made smaller meanwhile. */
static bool is_refusal(int error)
{
	return error == ENOBUFS || error == EMSGSIZE || error == EINVAL;
}

static int packet_send(struct tx *t, const struct tx_frame *frame, uint32_t count,
		       struct tx_result *ret)
{
	uint32_t at = 0;
	int err = 0;

	*ret = (struct tx_result){ 0 };
	for (uint32_t i = 0; i < count; i++)
		t->part[i] = (struct iovec){ .iov_base = (void *)(uintptr_t)frame[i].bytes,
					     .iov_len = frame[i].length_bytes };
	while (at < count && err == 0) {
		uint32_t asked = certain(t, at, count);
		int n = sendmmsg(t->fd, t->message + at, asked, MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == ENOMEM)) {
			if (*t->stop)
				break;
			(void)clock_nanosleep(CLOCK_MONOTONIC, 0,
					      &(struct timespec){ .tv_nsec = TX_NAP_NS }, NULL);
			continue;
		}
		if (n < 0 && !is_refusal(errno)) {
			err = -errno;
			break;
		}
		at += n > 0 ? (uint32_t)n : 0;
		if (n < (int)asked)
			ret->refused |= UINT64_C(1) << at++;
	}
	ret->offered = at;
	return err;
}

/* The kernel decides within sendmmsg(2). */
static void packet_finish(struct tx *t, struct tx_left *ret)
{
	(void)t;
	*ret = (struct tx_left){ 0 };
}

static const char *packet_mode(const struct tx *t)
{
	(void)t;
	return "";
}

static void packet_close(struct tx *t)
{
	close(t->fd);
	free(t);
}

const struct tx_backend tx_af_packet = {
	.name = "af_packet",
	.help = "a packet socket, past the queueing discipline",
	.has_queues = false,
	.open = packet_open,
	.send = packet_send,
	.finish = packet_finish,
	.mode = packet_mode,
	.close = packet_close,
};
