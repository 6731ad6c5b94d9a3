/* fanout - several packet sockets share an interface: which one gets a frame.
 *
 * The sockets of a group are numbered as they join, which is the order of the workers. A program of
 * weir's own in the kernel computes flow_key_spread() of each frame, so a packet comes to the
 * worker that owns its flow:
 *
 *     Ethernet -> up to 4 VLAN tags -> IPv4 or IPv6, with extension headers -> ports of TCP, UDP
 *
 * Fragments are chosen by their addresses alone, as where they are put together; what came in a
 * tunnel by what is outside; what is not IP comes to worker 0. From there decode hands it over. So
 * it is while the sockets join, one after the other, and if an interface that went down and up
 * again joins them in another order.
 *
 * It is classic BPF, which needs no privilege but that of the socket (kernel 4.3). Where the kernel
 * does not take it, a hash of its own chooses that is the same for both directions; which worker
 * that is nobody can tell.
 *
 * Threads: main, while ports are opened.
 */
#ifndef DATAPLANE_RX_FANOUT_H
#define DATAPLANE_RX_FANOUT_H

#include <linux/filter.h>

#include "dataplane/rx/rx.h"

enum { FANOUT_PROGRAM_MAX = 512 };

/* fanout_program - for frames with an Ethernet header or without. Returns: instructions. */
uint16_t fanout_program(struct spread s, bool ethernet, struct sock_filter ret[FANOUT_PROGRAM_MAX]);

/* fanout_join - the group of how->workers on this interface; worker 0 founds it. The socket is
 * bound. *ret_spread is enum rx_spread: what the workers may expect.
 * Returns: 0; -ENOENT: nobody has founded it; -ENOSPC; -errno of the kernel. */
int fanout_join(int fd, int index, bool ethernet, const struct rx_open *how, uint8_t *ret_spread);

#endif
