/* af_xdp_socket - the sockets of a port, the queues that they are on, and the rings of both.
 *
 *     fill ring   ->  the kernel takes a free frame, copies or receives a packet into it
 *     rx ring     <-  ... and says where it is; pull() takes it from here
 *     give back   ->  the frame goes into the fill ring of the queue that it came from
 *
 * A *queue* has frames of its own and one fill ring for them; a *socket* is one worker's place on a
 * queue and has an rx ring. On a queue with several sockets the fill ring belongs to the queue's
 * owner, one of the workers. The others send frames home to him (af_xdp_home.h), and ring his bell
 * when a quarter of what is theirs is on the way: he may sleep, because nothing comes for himself.
 *
 * The fill ring and each way home have room for all frames of the queue: giving back always
 * succeeds. A worker that stands still holds at most what its rx ring holds, and a burst; when a
 * queue gets as many frames as all its rx rings hold and some more, the others never want for one.
 *
 * Kernels before 6.15 may damage a fill ring that sockets share when several processors hand frames
 * to them in generic mode.
 *
 * Threads: open and close: main. What the rings hold: the worker, and for a queue's fill ring its
 * owner.
 */
#ifndef DATAPLANE_RX_AF_XDP_SOCKET_H
#define DATAPLANE_RX_AF_XDP_SOCKET_H

#include <linux/if_xdp.h>
#include <xdp/xsk.h>

#include "dataplane/rx/af_xdp_home.h"
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

/* What all sockets on one queue have in common. */
struct af_xdp_queue {
	/* the owner, every packet */
	struct xsk_ring_prod fill;
	/* set-up and chores */
	struct af_xdp_queue *next;
	int ifindex;
	uint32_t index; /* as the interface counts */
	uint32_t users, members;
	uint32_t frames, frame_shift;
	uint32_t bell_after;       /* frames on one way home, until its member rings */
	int bell_fd;               /* eventfd; -1 on a queue with one member */
	struct af_xdp_home **home; /* by member; NULL: the owner's, or one member */
	struct af_xdp_umem memory;
	struct xsk_umem *umem;
	struct xsk_ring_cons completion; /* never used, but the kernel wants one */
};

struct af_xdp_socket {
	/* every packet */
	struct xsk_ring_cons rx;
	uint8_t *area; /* of the queue's frames */
	struct af_xdp_queue *queue;
	struct af_xdp_home *home; /* to the owner; NULL: this worker owns the queue */
	uint32_t away;            /* frames sent home since the bell was rung */
	uint32_t taken;           /* descriptors of the burst, not yet released */
	uint64_t head_ns;         /* of the packet that is first in the ring, while merging */
	uint32_t lent;            /* frames of the burst that came from here */
	uint64_t lent_at[BURST_PACKETS]; /* where they are in the area */
	/* set-up and chores */
	int fd;
	uint32_t slot; /* in the program */
	struct xsk_socket *socket;
};

struct af_xdp_socket_how {
	const char *interface;
	int ifindex;
	uint32_t queue; /* as the interface counts */
	uint32_t member, members, owner;
	uint32_t ring;        /* entries of the rx ring; a power of two */
	uint32_t frame_bytes; /* 2048 or 4096 */
	uint32_t frames;      /* of the queue */
	enum af_xdp_huge huge;
	enum af_xdp_copy copy;
	bool frags;
};

/* af_xdp_socket_open - bound. The first on a queue makes the queue, with every frame in its fill
 * ring. A queue whose last owner was killed stays busy for some milliseconds; that is waited for,
 * up to 1.5 s. Returns: 0; -EBUSY: somebody else has the queue; -EINVAL, -EOPNOTSUPP: the kernel or
 * the driver does not do it this way; -ENOBUFS: no right to hold so much memory; -errno; with err.
 * Memory: libxdp keeps a pointer to its rx ring, so it stays where it is until it is closed. */
int af_xdp_socket_open(struct af_xdp_socket *ret, const struct af_xdp_socket_how *how,
		       struct rx_error *err);

/* af_xdp_socket_close - the last one frees the queue. Accepts a zeroed one. */
void af_xdp_socket_close(struct af_xdp_socket *s);

/* af_xdp_give - frames go back, by where they are in the area. */
void af_xdp_give(struct af_xdp_socket *s, const uint64_t *at, uint32_t count);

/* af_xdp_collect - the owner puts what has come home into the fill ring; others: nothing. */
void af_xdp_collect(struct af_xdp_socket *s);

/* af_xdp_zero_copy - did the kernel choose to receive without copying? */
bool af_xdp_zero_copy(const struct af_xdp_socket *s);

/* What a socket had no room for. */
struct af_xdp_losses {
	uint64_t ring_full; /* the rx ring was full */
	uint64_t no_frame;  /* no free frame */
};

/* af_xdp_losses - adds to *sum. Cost: one system call. */
void af_xdp_losses(int fd, struct af_xdp_losses *sum);

/* af_xdp_waiting - packets in the rx ring. Cost: reads the ring if packets may have several parts.
 */
uint32_t af_xdp_waiting(const struct af_xdp_socket *s, bool frags);

#endif
