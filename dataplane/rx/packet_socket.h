/* packet_socket - what the kernel counts at a packet socket, and how its books are closed.
 *
 * af_packet has such a socket and libpcap has one inside; the same promises hold for both.
 *
 *     tp_packets   frames that reached the socket and passed its filter: `offered`
 *     tp_drops     those of them that found no room in the ring: lost{kernel_buffer}
 *
 * In the kernel a frame is counted and gets its place in the ring under one lock. So when
 * capture is to stop, one reading of the counters draws the line: of the frames in the ring, the
 * first tp_packets - tp_drops - received were counted before it and are still pulled; what comes
 * behind them was not offered any more. Nothing has to be told to the kernel, and the books close
 * exactly.
 *
 * Losses before the socket are the interface's: rx_missed, rx_over and rx_fifo errors are
 * lost{nic}. They are offered too, since tp_packets does not have them. rx_dropped is left out: the
 * stack raises it also for frames that the socket has got and nobody else wanted (Linux 6.18: those
 * with two VLAN tags), and the two cannot be told apart. Where several sockets share an interface,
 * one of them tells of these losses.
 *
 * Threads: the port's. System calls after the start: getsockopt(SOL_PACKET PACKET_STATISTICS,
 * SOL_SOCKET SO_ERROR), and those of interface.h.
 */
#ifndef DATAPLANE_RX_PACKET_SOCKET_H
#define DATAPLANE_RX_PACKET_SOCKET_H

#include "dataplane/rx/interface.h"
#include "dataplane/rx/rx.h"

struct packet_socket {
	/* every burst */
	uint64_t received;
	uint64_t rest;        /* frames still to be pulled; UINT64_MAX until closing */
	uint32_t empty_pulls; /* in a row */

	/* set-up and chores */
	int fd;            /* the back end's */
	bool tells_losses; /* of the interface */
	bool closing, gone;
	uint64_t wait_ns;     /* after which whatever was counted can be pulled */
	uint64_t deadline_ns; /* when closing: CLOCK_MONOTONIC after which nothing comes any more */
	uint64_t arrived, dropped;
	struct interface interface;
	struct interface_losses losses;
};

/* packet_socket_refuse_all - until packet_socket_filter() nothing comes in. Returns: 0, -errno. */
int packet_socket_refuse_all(int fd);

/* packet_socket_filter - attach what of `expression` the kernel can decide, and let it copy no more
 * than `snaplen_bytes` (0: everything) of a frame; replaces what was attached before. An expression
 * that the kernel does not take passes everything here and is left to filter_burst().
 * `expression` NULL: none. */
int packet_socket_filter(int fd, const char *expression, uint64_t snaplen_bytes);

/* packet_socket_bind - receive every protocol on this interface. Returns: 0, -errno. */
int packet_socket_bind(int fd, int index);

/* packet_socket_start - the socket is bound: count from here on. Counters of the kernel that are
 * not zero stay as they are; losses of the interface begin at zero.
 *
 * `interface` is taken. `block_timeout_ns`: how long the kernel may keep a frame to itself. */
void packet_socket_start(struct packet_socket *s, int fd, const struct interface *interface,
			 bool tells_losses, uint64_t block_timeout_ns);
void packet_socket_end(struct packet_socket *s); /* closes the interface, not fd */

/* packet_socket_room - of `room` packets, how many may still be pulled. */
static inline uint32_t packet_socket_room(const struct packet_socket *s, uint32_t room)
{
	return s->rest < room ? (uint32_t)s->rest : room;
}

/* packet_socket_pulled - so many came. When twice in a row nothing did, the socket is asked for its
 * error, which would otherwise wake poll() again and again, and the interface for its state. */
void packet_socket_pulled(struct packet_socket *s, uint32_t count);

/* packet_socket_look - after the interface; for whoever was told of an error in another way. */
void packet_socket_look(struct packet_socket *s);

/* packet_socket_stop - draw the line. */
void packet_socket_stop(struct packet_socket *s);

/* packet_socket_state - `waiting`: more can be pulled at once. */
enum rx_state packet_socket_state(struct packet_socket *s, bool waiting, struct rx_error *err);

/* packet_socket_counters - `waiting_packets`: in the ring, ready to be pulled. Reads the kernel's
 * counters, which begin again at each reading, and looks after the interface. */
void packet_socket_counters(struct packet_socket *s, uint64_t waiting_packets,
			    struct rx_counters *ret);

#endif
