/* interface - a network interface as a live back end needs it: is it there, is it up, what has it
 * lost.
 *
 * Asked over rtnetlink, not sysfs: a process that has entered a network
 * namespace sees the right interface there, and a socket opened before the sandbox goes on working
 * in it.
 *
 * Threads: the owner's; open and close in the main thread. Everything after interface_open() works
 * without privilege and without opening anything (sendto, recvfrom, sendmsg, recvmsg on the
 * socket).
 */
#ifndef DATAPLANE_RX_INTERFACE_H
#define DATAPLANE_RX_INTERFACE_H

#include "dataplane/rx/rx.h"

enum interface_state {
	INTERFACE_UP,
	INTERFACE_DOWN, /* stay: it may come up again */
	INTERFACE_GONE, /* removed, or moved to another network namespace: for good */
};

/* As rtnl_link_stats64 has them, since interface_open(). */
struct interface_losses {
	uint64_t dropped; /* rx_dropped: by the driver or the stack. Some drivers count here what a
			     socket lost too */
	uint64_t missed;  /* rx_missed_errors + rx_over_errors + rx_fifo_errors: by the hardware */
	uint64_t errors;  /* rx_errors: damaged frames */
	/* Of a tap, whose receiver is whoever holds its descriptor: */
	uint64_t sent;         /* tx_packets: given to it */
	uint64_t send_dropped; /* tx_dropped: its queue was full */
};

struct interface {
	char name[48];
	int index;
	int socket_fd;      /* rtnetlink, subscribed to link changes, non-blocking */
	int promiscuous_fd; /* holds the membership; -1: none */
	enum interface_state state;
	struct interface_losses now, before;
	uint64_t asked_ns; /* CLOCK_MONOTONIC when the statistics were asked for last */
	bool overrun;      /* messages were lost, so how things are must be asked */
};

/* interface_open - `promiscuous`: receive frames for others too, until interface_close().
 * Returns: 0; -ENODEV with err ("eth7: there is no such interface; there are: lo, eth0"); -ENETDOWN
 * with err if it is down
 * ("... bring it up with: ip link set eth0 up"); -errno with err. */
int interface_open(struct interface *ret, const char *name, bool promiscuous, struct rx_error *err);
void interface_close(struct interface *i); /* accepts a zeroed one */

/* interface_look - take note of what has changed; says in the log, once each, that the interface
 * went down or came up again. Never blocks. Cost: one recv() when nothing has changed. */
enum interface_state interface_look(struct interface *i);

/* interface_losses - ask for the statistics. Returns what was known last if the kernel does not
 * answer at once. Cost: three system calls; at most every 10 ms. */
void interface_losses(struct interface *i, struct interface_losses *ret);

/* interface_poll_fd - readable when something has changed. */
static inline int interface_poll_fd(const struct interface *i)
{
	return i->socket_fd;
}

/* interface_rx_queues - receive queues that packets may arrive on (ETHTOOL_GCHANNELS, else the
 * number of rx-N folders by netlink's IFLA_NUM_RX_QUEUES); at least 1. */
uint32_t interface_rx_queues(const char *name);

/* interface_strips_tags - does it take VLAN tags out of frames ("rxvlan" of ethtool)? A packet
 * socket is told of them; an XDP program is not. */
bool interface_strips_tags(const char *name);

/* interface_is_symmetric - does its RSS bring both directions of a flow to one receive queue? False
 * also where it has none, or the kernel does not tell. */
bool interface_is_symmetric(const char *name);

/* interface_mtu_bytes - 0: unknown. */
uint32_t interface_mtu_bytes(const char *name);

/* interface_has_address - does this host use the interface itself (an IPv4 address, a global IPv6
 * address, or it is the loopback)? Then whatever takes packets away from the stack cuts the host
 * off. */
bool interface_has_address(const char *name);

/* interface_is_ethernet - ARPHRD_ETHER or loopback; otherwise `ret_arphrd` says what it is. */
bool interface_is_ethernet(const char *name, uint16_t *ret_arphrd);

#endif
