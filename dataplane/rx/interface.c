/* interface - asked over rtnetlink: one socket that hears of changes and is asked for statistics.
 *
 * The kernel answers a request before sendto() returns, and tells of changes on the same socket;
 * both are RTM_NEWLINK messages that say the same things, so whatever comes is read the same way
 * and no answer has to be told from a notification.
 */
#include "dataplane/rx/interface.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/if.h>
#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dataplane/base/clock.h"
#include "dataplane/base/log.h"
#include "dataplane/base/nic.h"

enum {
	ANSWER_BYTES = 8192, /* a link's message has some 1,500; what is cut off is not needed */
	DUMP_BYTES = 32768,  /* what the kernel puts into one datagram of a dump, at most */
	NEWS_PER_LOOK = 64,  /* so that an interface that flaps cannot hold up its worker */
};

static const uint64_t ask_every_ns = 10 * 1000 * 1000;

/* ---- messages ---- */

struct request {
	struct nlmsghdr head;
	struct ifinfomsg link;
	struct rtattr name_head;
	char name[48];
};

/* What a message about a link says. */
struct link {
	int index;
	uint16_t arphrd;
	uint32_t flags, mtu_bytes, rx_queues;
	char name[IFNAMSIZ];
	bool has_losses;
	struct interface_losses losses;
};

static int netlink_socket(uint32_t groups)
{
	struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = groups };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
	int code;

	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	code = -errno;
	close(fd);
	return code;
}

static int ask(int fd, struct request *r)
{
	r->head.nlmsg_flags |= NLM_F_REQUEST;
	if (sendto(fd, r, r->head.nlmsg_len, MSG_NOSIGNAL, NULL, 0) < 0)
		return -errno;
	return 0;
}

static int ask_by_index(int fd, int index)
{
	struct request r = {
		.head = { .nlmsg_len = NLMSG_LENGTH(sizeof(r.link)), .nlmsg_type = RTM_GETLINK },
		.link = { .ifi_index = index },
	};

	return ask(fd, &r);
}

static int ask_by_name(int fd, const char *name)
{
	struct request r = {
		.head = { .nlmsg_type = RTM_GETLINK },
	};
	size_t bytes = strlen(name) + 1;

	if (bytes > sizeof(r.name))
		return -ENODEV;
	memcpy(r.name, name, bytes);
	r.name_head.rta_type = bytes <= IFNAMSIZ ? IFLA_IFNAME : IFLA_ALT_IFNAME;
	r.name_head.rta_len = (uint16_t)RTA_LENGTH(bytes);
	r.head.nlmsg_len = (uint32_t)(NLMSG_LENGTH(sizeof(r.link)) + RTA_ALIGN(RTA_LENGTH(bytes)));
	return ask(fd, &r);
}

static int ask_for_all(int fd, uint16_t type)
{
	struct request r = {
		.head = { .nlmsg_len = NLMSG_LENGTH(sizeof(r.link)),
			  .nlmsg_type = type,
			  .nlmsg_flags = NLM_F_DUMP },
	};

	return ask(fd, &r);
}

static uint32_t attribute_u32(const struct rtattr *a)
{
	uint32_t v = 0;

	if (RTA_PAYLOAD(a) >= sizeof(v))
		memcpy(&v, RTA_DATA(a), sizeof(v));
	return v;
}

static void read_losses(const struct rtattr *a, struct link *ret)
{
	struct rtnl_link_stats64 s = { 0 };

	/* Older kernels tell fewer numbers, newer ones more. */
	memcpy(&s, RTA_DATA(a), RTA_PAYLOAD(a) < sizeof(s) ? RTA_PAYLOAD(a) : sizeof(s));
	ret->losses = (struct interface_losses){
		.dropped = s.rx_dropped,
		.missed = s.rx_missed_errors + s.rx_over_errors + s.rx_fifo_errors,
		.errors = s.rx_errors,
		.sent = s.tx_packets,
		.send_dropped = s.tx_dropped,
	};
	ret->has_losses = true;
}

static void read_attribute(const struct rtattr *a, struct link *ret)
{
	switch (a->rta_type) {
	case IFLA_IFNAME:
		snprintf(ret->name, sizeof(ret->name), "%.*s", (int)RTA_PAYLOAD(a),
			 (const char *)RTA_DATA(a));
		break;
	case IFLA_MTU: ret->mtu_bytes = attribute_u32(a); break;
	case IFLA_NUM_RX_QUEUES: ret->rx_queues = attribute_u32(a); break;
	case IFLA_STATS64: read_losses(a, ret); break;
	default: break;
	}
}

/* read_link - of a message of which `bytes` are there. Returns whether it is about a link. Messages
 * of other families tell of bridge ports: one that leaves a bridge is "deleted" in that family. */
static bool read_link(const struct nlmsghdr *head, size_t bytes, struct link *ret)
{
	const struct ifinfomsg *about = NLMSG_DATA(head);
	const struct rtattr *a;
	uint32_t left;

	if (bytes < NLMSG_LENGTH(sizeof(*about)) || about->ifi_family != AF_UNSPEC)
		return false;
	*ret = (struct link){
		.index = about->ifi_index,
		.arphrd = about->ifi_type,
		.flags = about->ifi_flags,
	};
	left = (uint32_t)(bytes - NLMSG_SPACE(sizeof(*about)));
	if (bytes < NLMSG_SPACE(sizeof(*about)))
		left = 0;
	for (a = IFLA_RTA(about); RTA_OK(a, left); a = RTA_NEXT(a, left))
		read_attribute(a, ret);
	return true;
}

/* message_error - what an NLMSG_ERROR says: -errno, or 0. */
static int message_error(const struct nlmsghdr *head, size_t bytes)
{
	const struct nlmsgerr *e = NLMSG_DATA(head);

	return bytes >= NLMSG_LENGTH(sizeof(*e)) ? e->error : -EPROTO;
}

/* ---- asking once, before capture begins ---- */

static int receive_link(int fd, struct link *ret)
{
	_Alignas(struct nlmsghdr) uint8_t answer[ANSWER_BYTES];
	const struct nlmsghdr *head = (const struct nlmsghdr *)(const void *)answer;
	ssize_t n = recv(fd, answer, sizeof(answer), 0);

	if (n < (ssize_t)sizeof(*head))
		return n < 0 ? -errno : -EPROTO;
	if (head->nlmsg_type == NLMSG_ERROR)
		return message_error(head, (size_t)n);
	if (head->nlmsg_type != RTM_NEWLINK || !read_link(head, (size_t)n, ret))
		return -EPROTO;
	return 0;
}

static int find(const char *name, struct link *ret)
{
	int fd = netlink_socket(0), code;

	if (fd < 0)
		return fd;
	code = ask_by_name(fd, name);
	if (code == 0)
		code = receive_link(fd, ret);
	close(fd);
	return code;
}

/* A visitor returns false when it has seen enough. */
typedef bool visit_fn(void *context, const struct nlmsghdr *head);

/* visit_all - every message of a dump. Returns: 0, -errno. */
static int visit_all(uint16_t type, visit_fn *visit, void *context)
{
	_Alignas(struct nlmsghdr) uint8_t answer[DUMP_BYTES];
	int fd = netlink_socket(0), code;
	bool more = true;

	if (fd < 0)
		return fd;
	code = ask_for_all(fd, type);
	while (code == 0 && more) {
		ssize_t n = recv(fd, answer, sizeof(answer), 0);
		const struct nlmsghdr *head = (const struct nlmsghdr *)(const void *)answer;
		uint32_t left = n < 0 ? 0 : (uint32_t)n;

		if (n <= 0)
			code = n < 0 ? -errno : -EPROTO;
		for (; more && NLMSG_OK(head, left); head = NLMSG_NEXT(head, left)) {
			if (head->nlmsg_type == NLMSG_ERROR)
				code = message_error(head, head->nlmsg_len);
			more = head->nlmsg_type != NLMSG_DONE && head->nlmsg_type != NLMSG_ERROR &&
			       visit(context, head);
		}
	}
	close(fd);
	return code;
}

struct names {
	char *text;
	size_t at, bytes;
};

static bool add_name(void *context, const struct nlmsghdr *head)
{
	struct names *names = context;
	struct link link;
	int n;

	if (!read_link(head, head->nlmsg_len, &link))
		return true;
	n = snprintf(names->text + names->at, names->bytes - names->at, "%s%s",
		     names->at > 0 ? ", " : "", link.name);
	if (n < 0 || (size_t)n >= names->bytes - names->at) {
		names->text[names->at] = 0; /* the list ends with the last whole name */
		return false;
	}
	names->at += (size_t)n;
	return true;
}

static void explain_missing(const char *name, struct rx_error *err)
{
	char text[384] = "";
	struct names names = { .text = text, .bytes = sizeof(text) };

	visit_all(RTM_GETLINK, add_name, &names);
	snprintf(err->text, sizeof(err->text), "%.64s: there is no such interface; there are: %s",
		 name, text);
}

static int find_or_explain(const char *name, struct link *ret, struct rx_error *err)
{
	int code = find(name, ret);

	/* A name that no interface can have, an empty one for instance, is answered with others. */
	if (code == -ENODEV || code == -EINVAL || code == -ERANGE) {
		explain_missing(name, err);
		return -ENODEV;
	}
	if (code < 0)
		snprintf(err->text, sizeof(err->text),
			 "%.64s: the kernel does not say what interfaces there are: %s", name,
			 strerror(-code));
	return code;
}

/* ethtool - ask the driver. Returns: 0; -errno. */
static int ethtool(const struct link *link, void *command)
{
	struct ifreq r = { .ifr_data = command };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), code;

	if (fd < 0)
		return -errno;
	memcpy(r.ifr_name, link->name, sizeof(r.ifr_name));
	code = ioctl(fd, SIOCETHTOOL, &r) == 0 ? 0 : -errno;
	close(fd);
	return code;
}

uint32_t interface_rx_queues(const char *name)
{
	struct ethtool_channels channels = { .cmd = ETHTOOL_GCHANNELS };
	struct link link;
	uint32_t count = 0;

	if (find(name, &link) < 0)
		return 1;
	if (ethtool(&link, &channels) == 0)
		count = channels.rx_count + channels.combined_count;
	if (count == 0)
		count = link.rx_queues;
	return count > 0 ? count : 1;
}

bool interface_strips_tags(const char *name)
{
	struct ethtool_value flags = { .cmd = ETHTOOL_GFLAGS };
	struct link link;

	return find(name, &link) == 0 && ethtool(&link, &flags) == 0 &&
	       (flags.data & ETH_FLAG_RXVLAN) != 0;
}

bool interface_is_symmetric(const char *name)
{
	static struct nic_rss rss;
	struct nic_fields fields;
	struct nic nic;
	bool symmetric;

	if (nic_open(&nic) < 0)
		return false;
	/* What a driver does not tell of the fields is what all drivers hash. */
	if (nic_fields(&nic, name, &fields) < 0)
		fields = (struct nic_fields){ { 0 } };
	symmetric = nic_rss(&nic, name, &rss) == 0 && nic_is_symmetric(&rss, &fields);
	nic_close(&nic);
	return symmetric;
}

uint32_t interface_mtu_bytes(const char *name)
{
	struct link link;

	return find(name, &link) == 0 ? link.mtu_bytes : 0;
}

bool interface_is_ethernet(const char *name, uint16_t *ret_arphrd)
{
	struct link link;

	if (find(name, &link) < 0)
		return false;
	*ret_arphrd = link.arphrd;
	return link.arphrd == ARPHRD_ETHER || link.arphrd == ARPHRD_LOOPBACK;
}

struct address_search {
	int index;
	bool found;
};

static bool look_at_address(void *context, const struct nlmsghdr *head)
{
	struct address_search *search = context;
	const struct ifaddrmsg *a = NLMSG_DATA(head);

	if (head->nlmsg_type != RTM_NEWADDR || head->nlmsg_len < NLMSG_LENGTH(sizeof(*a)))
		return true;
	if ((int)a->ifa_index == search->index &&
	    (a->ifa_family == AF_INET ||
	     (a->ifa_family == AF_INET6 && a->ifa_scope == RT_SCOPE_UNIVERSE)))
		search->found = true;
	return !search->found;
}

bool interface_has_address(const char *name)
{
	struct address_search search = { 0 };
	struct link link;

	if (find(name, &link) < 0)
		return false;
	if ((link.flags & IFF_LOOPBACK) != 0)
		return true;
	search.index = link.index;
	visit_all(RTM_GETADDR, look_at_address, &search);
	return search.found;
}

/* ---- one interface, followed ---- */

/* hold_promiscuous - the interface receives frames for others as long as this socket is open. Being
 * bound to no protocol it gets none itself. */
static int hold_promiscuous(int index, int *ret_fd)
{
	struct packet_mreq membership = { .mr_ifindex = index, .mr_type = PACKET_MR_PROMISC };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), code;

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &membership, sizeof(membership)) ==
	    0) {
		*ret_fd = fd;
		return 0;
	}
	code = -errno;
	close(fd);
	return code;
}

static int explain_promiscuous(const char *name, int code, struct rx_error *err)
{
	snprintf(err->text, sizeof(err->text),
		 code == -EPERM ? "%.64s: promiscuous mode needs the capability CAP_NET_RAW: start "
				  "as root or with sudo (%s)"
				: "%.64s: promiscuous mode is refused: %s",
		 name, strerror(-code));
	return code;
}

/* interface_start - what is known from the start, once the socket hears of changes. */
static int interface_start(struct interface *i, const char *name, bool promiscuous,
			   struct rx_error *err)
{
	struct link link;
	int code = find_or_explain(name, &link, err);

	if (code < 0)
		return code;
	if ((link.flags & IFF_UP) == 0) {
		snprintf(err->text, sizeof(err->text),
			 "%s: the interface is down; bring it up with: ip link set %s up", name,
			 name);
		return -ENETDOWN;
	}
	snprintf(i->name, sizeof(i->name), "%s", name);
	i->index = link.index;
	i->state = INTERFACE_UP;
	i->before = i->now = link.losses;
	code = promiscuous ? hold_promiscuous(i->index, &i->promiscuous_fd) : 0;
	return code < 0 ? explain_promiscuous(name, code, err) : 0;
}

int interface_open(struct interface *ret, const char *name, bool promiscuous, struct rx_error *err)
{
	/* The socket comes first: what changes after the first look is then not missed. */
	struct interface i = { .socket_fd = netlink_socket(RTMGRP_LINK), .promiscuous_fd = -1 };
	int code;

	if (i.socket_fd < 0) {
		snprintf(err->text, sizeof(err->text), "%.64s: there is no rtnetlink socket: %s",
			 name, strerror(-i.socket_fd));
		return i.socket_fd;
	}
	code = interface_start(&i, name, promiscuous, err);
	if (code < 0) {
		close(i.socket_fd);
		return code;
	}
	*ret = i;
	return 0;
}

void interface_close(struct interface *i)
{
	if (i->index == 0)
		return;
	close(i->socket_fd);
	if (i->promiscuous_fd >= 0)
		close(i->promiscuous_fd);
	*i = (struct interface){ .socket_fd = -1, .promiscuous_fd = -1 };
}

static void note_up(struct interface *i, bool up)
{
	if (up && i->state == INTERFACE_DOWN)
		log_info("%s: the interface is up again", i->name);
	if (!up && i->state == INTERFACE_UP)
		log_warn("%s: the interface went down; capture goes on when it comes up again",
			 i->name);
	i->state = up ? INTERFACE_UP : INTERFACE_DOWN;
}

static void take_message(struct interface *i, const struct nlmsghdr *head, size_t bytes)
{
	struct link link;

	if (head->nlmsg_type == NLMSG_ERROR) {
		/* All that is ever asked here is about this interface. */
		if (message_error(head, bytes) == -ENODEV)
			i->state = INTERFACE_GONE;
		return;
	}
	if ((head->nlmsg_type != RTM_NEWLINK && head->nlmsg_type != RTM_DELLINK) ||
	    !read_link(head, bytes, &link) || link.index != i->index || i->state == INTERFACE_GONE)
		return;
	if (link.has_losses)
		i->now = link.losses;
	if (head->nlmsg_type == RTM_DELLINK)
		i->state = INTERFACE_GONE;
	else
		note_up(i, (link.flags & IFF_UP) != 0);
}

/* hear - one message, if there is one. */
static bool hear(struct interface *i)
{
	_Alignas(struct nlmsghdr) uint8_t message[ANSWER_BYTES];
	const struct nlmsghdr *head = (const struct nlmsghdr *)(const void *)message;
	ssize_t n = recv(i->socket_fd, message, sizeof(message), 0);

	if (n < 0 && errno == ENOBUFS) {
		i->overrun = true;
		return true;
	}
	if (n < (ssize_t)sizeof(*head))
		return false;
	take_message(i, head, (size_t)n < head->nlmsg_len ? (size_t)n : head->nlmsg_len);
	return true;
}

enum interface_state interface_look(struct interface *i)
{
	for (int n = 0; n < NEWS_PER_LOOK; n++) {
		if (hear(i))
			continue;
		if (!i->overrun)
			break;
		/* Messages were lost, among them perhaps the one that matters. An answer finds room
		   only now that the others have been read. */
		i->overrun = false;
		(void)ask_by_index(i->socket_fd, i->index);
	}
	return i->state;
}

/* since - of a counter that a driver may have begun again at zero. */
static uint64_t since(uint64_t before, uint64_t now)
{
	return now > before ? now - before : 0;
}

void interface_losses(struct interface *i, struct interface_losses *ret)
{
	uint64_t now_ns = clock_monotonic_ns();

	if (i->state != INTERFACE_GONE && now_ns - i->asked_ns >= ask_every_ns) {
		i->asked_ns = now_ns;
		(void)ask_by_index(i->socket_fd, i->index); /* unanswered, the last numbers stay */
		interface_look(i);
	}
	*ret = (struct interface_losses){
		.dropped = since(i->before.dropped, i->now.dropped),
		.missed = since(i->before.missed, i->now.missed),
		.errors = since(i->before.errors, i->now.errors),
		.sent = since(i->before.sent, i->now.sent),
		.send_dropped = since(i->before.send_dropped, i->now.send_dropped),
	};
}
