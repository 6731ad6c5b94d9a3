/* af_xdp_socket - the sockets of one port, one per receive queue, and their rings.
 *
 *     fill ring   ->  the kernel takes a free frame, copies or receives a packet into it
 *     rx ring     <-  ... and says where it is; pull() takes it from here
 *     give_back() ->  the frame goes into the fill ring of the queue that it came from
 *
 * Each queue has its own share of the port's frames, and its fill ring has room for all of them:
 * giving back always succeeds.
 *
 * Threads: open and close: main. What the rings hold: the worker.
 */
#ifndef DATAPLANE_RX_AF_XDP_SOCKET_H
#define DATAPLANE_RX_AF_XDP_SOCKET_H

#include <linux/if_xdp.h>
#include <xdp/xsk.h>

#include "dataplane/rx/af_xdp_umem.h"

#ifndef XDP_USE_SG
#define XDP_USE_SG (1 << 4)
#endif
#ifndef XDP_PKT_CONTD
#define XDP_PKT_CONTD (1 << 0)
#endif

enum {
	AF_XDP_QUEUES = 64,    /* of one port */
	AF_XDP_HEADROOM = 256, /* that the kernel leaves in front of a packet */
	AF_XDP_SPARE = 2 * 64, /* frames beyond a full rx ring: one burst lent out, one on its way
				*/
};

enum af_xdp_copy { AF_XDP_COPY_AUTO, AF_XDP_COPY_COPY, AF_XDP_COPY_ZEROCOPY };

struct af_xdp_queue {
	/* every packet */
	struct xsk_ring_cons rx;
	struct xsk_ring_prod fill;
	uint32_t lent;                   /* frames of the burst that came from here */
	uint64_t lent_at[BURST_PACKETS]; /* where they are in the area */
	/* set-up and chores */
	int fd;
	uint32_t index; /* of the queue, as the interface counts */
	struct xsk_socket *socket;
	struct xsk_ring_cons completion; /* never used, but the kernel wants one */
};

struct af_xdp_sockets {
	struct af_xdp_queue *queue;
	uint32_t count;
	struct xsk_umem *umem;
};

struct af_xdp_sockets_how {
	const char *interface;
	const uint32_t *queue; /* indices */
	uint32_t queues;
	uint32_t ring;        /* entries of each rx ring; a power of two */
	uint32_t frame_bytes; /* 2048 or 4096 */
	uint32_t frames;      /* of each queue */
	enum af_xdp_copy copy;
	bool frags;
};

/* af_xdp_sockets_open - bound, with every frame in a fill ring. A queue whose last owner was killed
 * stays busy for some milliseconds; that is waited for, up to 1.5 s.
 * Returns: 0; -EBUSY: somebody else has a queue; -EINVAL, -EOPNOTSUPP: the kernel or the driver
 * does not do it this way; -ENOBUFS: no right to hold so much memory; -errno; with err. */
int af_xdp_sockets_open(struct af_xdp_sockets *ret, const struct af_xdp_umem *umem,
			const struct af_xdp_sockets_how *how, struct rx_error *err);
void af_xdp_sockets_close(struct af_xdp_sockets *s); /* accepts a zeroed one */

/* af_xdp_zero_copy - did the kernel choose to receive without copying? */
bool af_xdp_zero_copy(const struct af_xdp_sockets *s);

/* What a socket had no room for. */
struct af_xdp_losses {
	uint64_t ring_full; /* the rx ring was full */
	uint64_t no_frame;  /* no free frame */
};

/* af_xdp_losses - adds to *sum. Cost: one system call. */
void af_xdp_losses(int fd, struct af_xdp_losses *sum);

/* af_xdp_waiting - packets in the rx ring. Cost: reads the ring if packets may have several parts.
 */
uint32_t af_xdp_waiting(const struct af_xdp_queue *q, bool frags);

#endif
