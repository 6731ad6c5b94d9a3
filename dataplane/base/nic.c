/* nic - links, and what XDP can do there. */
#include "dataplane/base/nic.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/ethtool.h>
#include <linux/genetlink.h>
#include <linux/if.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* linux/netdev.h, which Debian 12 does not have. */
enum {
	NETDEV_DEV_GET = 1,
	NETDEV_IFINDEX = 1,
	NETDEV_XDP_FEATURES = 3,
	NETDEV_XDP_ZC_MAX_SEGS = 4,
	NETDEV_XDP_RX_METADATA = 5,
};
enum {
	ACT_BASIC = 1,
	ACT_REDIRECT = 2,
	ACT_ZEROCOPY = 8,
	ACT_RX_SG = 32,
	METADATA_TIMESTAMP = 1,
	METADATA_HASH = 2,
};

/* ---- life ---- */

static int socket_ioctl(void *context, const char *name, void *command)
{
	struct ifreq r = { .ifr_data = command };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), code;

	(void)context;
	if (fd < 0)
		return -errno;
	(void)snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	code = ioctl(fd, SIOCETHTOOL, &r) == 0 ? 0 : -errno;
	close(fd);
	return code;
}

static void find_families(struct nic *n)
{
	if (netlink_family(&n->generic, "ethtool", &n->ethtool_family) < 0)
		n->ethtool_family = 0;
	if (netlink_family(&n->generic, "netdev", &n->netdev_family) < 0)
		n->netdev_family = 0;
}

int nic_open(struct nic *ret)
{
	struct nic n = { .ioctl = socket_ioctl };
	int code = netlink_open(&n.route, NETLINK_ROUTE);

	if (code < 0)
		return code;
	code = netlink_open(&n.generic, NETLINK_GENERIC);
	if (code < 0) {
		netlink_close(&n.route);
		return code;
	}
	find_families(&n);
	*ret = n;
	return 0;
}

void nic_on(struct nic *ret, const struct netlink_wire *route, const struct netlink_wire *generic,
	    nic_ioctl_fn *ioctl_fn, void *context)
{
	*ret = (struct nic){ .ioctl = ioctl_fn, .ioctl_context = context };
	netlink_on(&ret->route, route);
	netlink_on(&ret->generic, generic);
	find_families(ret);
}

void nic_close(struct nic *n)
{
	netlink_close(&n->route);
	netlink_close(&n->generic);
	*n = (struct nic){ 0 };
}

/* ---- links ---- */

static void copy_text(const struct nlattr *a, char *ret, size_t bytes)
{
	(void)snprintf(ret, bytes, "%.*s", (int)mnl_attr_get_payload_len(a),
		       (const char *)mnl_attr_get_payload(a));
}

static uint32_t number(const struct nlattr *a)
{
	return mnl_attr_validate(a, MNL_TYPE_U32) >= 0 ? mnl_attr_get_u32(a) : 0;
}

static uint8_t small_number(const struct nlattr *a)
{
	return mnl_attr_validate(a, MNL_TYPE_U8) >= 0 ? mnl_attr_get_u8(a) : 0;
}

static void read_counts(const struct nlattr *a, struct nic_link *ret)
{
	struct rtnl_link_stats64 s = { 0 };
	size_t bytes = mnl_attr_get_payload_len(a);

	/* Older kernels tell fewer numbers, newer ones more. */
	memcpy(&s, mnl_attr_get_payload(a), bytes < sizeof(s) ? bytes : sizeof(s));
	ret->packets = s.rx_packets;
	ret->dropped = s.rx_dropped;
	ret->missed = s.rx_missed_errors + s.rx_over_errors + s.rx_fifo_errors;
	ret->errors = s.rx_errors;
}

static void read_xdp(const struct nlattr *nest, struct nic_link *ret)
{
	const struct nlattr *attr;

	netlink_each_nested(attr, nest)
	{
		if (mnl_attr_get_type(attr) == IFLA_XDP_ATTACHED)
			ret->xdp_mode = small_number(attr);
		else if (mnl_attr_get_type(attr) == IFLA_XDP_PROG_ID)
			ret->xdp_program = number(attr);
	}
}

static void read_kind(const struct nlattr *nest, struct nic_link *ret)
{
	const struct nlattr *attr;

	netlink_each_nested(attr, nest) if (mnl_attr_get_type(attr) == IFLA_INFO_KIND)
		copy_text(attr, ret->kind, sizeof(ret->kind));
}

static void read_attribute(const struct nlattr *a, struct nic_link *ret)
{
	switch (mnl_attr_get_type(a)) {
	case IFLA_IFNAME: copy_text(a, ret->name, sizeof(ret->name)); break;
	case IFLA_ADDRESS:
		if (mnl_attr_get_payload_len(a) == sizeof(ret->address))
			memcpy(ret->address, mnl_attr_get_payload(a), sizeof(ret->address));
		break;
	case IFLA_MTU: ret->mtu_bytes = number(a); break;
	case IFLA_NUM_RX_QUEUES: ret->rx_queues = number(a); break;
	case IFLA_CARRIER: ret->carrier = small_number(a) != 0; break;
	case IFLA_STATS64: read_counts(a, ret); break;
	case IFLA_XDP: read_xdp(a, ret); break;
	case IFLA_LINKINFO: read_kind(a, ret); break;
	default: break;
	}
}

static bool read_link(const struct nlmsghdr *message, struct nic_link *ret)
{
	const struct ifinfomsg *about = mnl_nlmsg_get_payload(message);
	const struct nlattr *attr;

	if (message->nlmsg_type != RTM_NEWLINK ||
	    mnl_nlmsg_get_payload_len(message) < sizeof(*about))
		return false;
	*ret = (struct nic_link){
		.index = about->ifi_index,
		.up = (about->ifi_flags & IFF_UP) != 0,
		.loopback = (about->ifi_flags & IFF_LOOPBACK) != 0,
		.ethernet = about->ifi_type == ARPHRD_ETHER,
	};
	netlink_each(attr, message, sizeof(*about)) read_attribute(attr, ret);
	return ret->name[0] != 0;
}

struct visit {
	int (*each)(const struct nic_link *link, void *context);
	void *context;
};

static int visit_link(const struct nlmsghdr *message, void *context)
{
	const struct visit *v = context;
	struct nic_link link;

	return read_link(message, &link) ? v->each(&link, v->context) : 0;
}

static struct nlmsghdr *link_request(void *buffer)
{
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);

	request->nlmsg_type = RTM_GETLINK;
	(void)mnl_nlmsg_put_extra_header(request, sizeof(struct ifinfomsg));
	return request;
}

int nic_link_each(struct nic *n, int (*each)(const struct nic_link *link, void *context),
		  void *context)
{
	_Alignas(struct nlmsghdr) uint8_t buffer[256] = { 0 };
	struct nlmsghdr *request = link_request(buffer);
	struct visit v = { each, context };

	request->nlmsg_flags = NLM_F_DUMP;
	return netlink_ask(&n->route, request, visit_link, &v);
}

static int take_link(const struct nlmsghdr *message, void *context)
{
	struct nic_link link;

	if (read_link(message, &link))
		*(struct nic_link *)context = link;
	return 0;
}

int nic_link_find(struct nic *n, const char *name, struct nic_link *ret)
{
	_Alignas(struct nlmsghdr) uint8_t buffer[256] = { 0 };
	struct nlmsghdr *request = link_request(buffer);
	struct nic_link link = { .name = "" };
	int code;

	if (name[0] == 0 || strlen(name) >= NIC_NAME_BYTES)
		return -ENODEV;
	mnl_attr_put_strz(request, IFLA_IFNAME, name);
	code = netlink_ask(&n->route, request, take_link, &link);
	if (code == 0 && link.name[0] == 0)
		code = -ENODEV;
	if (code == 0)
		*ret = link;
	return code;
}

int nic_driver(struct nic *n, const char *name, char ret[NIC_WORD_BYTES])
{
	struct ethtool_drvinfo about = { .cmd = ETHTOOL_GDRVINFO };
	int code = n->ioctl(n->ioctl_context, name, &about);

	if (code == 0 && about.driver[0] == 0)
		code = -EOPNOTSUPP;
	if (code == 0)
		(void)snprintf(ret, NIC_WORD_BYTES, "%.31s", about.driver);
	return code;
}

/* ---- XDP ---- */

static uint64_t wide_number(const struct nlattr *a)
{
	return mnl_attr_validate(a, MNL_TYPE_U64) >= 0 ? mnl_attr_get_u64(a) : 0;
}

static int take_xdp(const struct nlmsghdr *message, void *context)
{
	struct nic_xdp *ret = context;
	const struct nlattr *attr;
	uint64_t v;

	netlink_each(attr, message, sizeof(struct genlmsghdr))
	{
		switch (mnl_attr_get_type(attr)) {
		case NETDEV_XDP_FEATURES:
			v = wide_number(attr);
			ret->native = (v & ACT_BASIC) != 0;
			ret->redirect = (v & ACT_REDIRECT) != 0;
			ret->zero_copy = (v & ACT_ZEROCOPY) != 0;
			ret->several_frames = (v & ACT_RX_SG) != 0;
			break;
		case NETDEV_XDP_ZC_MAX_SEGS: ret->zero_copy_segments = number(attr); break;
		case NETDEV_XDP_RX_METADATA:
			v = wide_number(attr);
			ret->rx_timestamp = (v & METADATA_TIMESTAMP) != 0;
			ret->rx_hash = (v & METADATA_HASH) != 0;
			break;
		default: break;
		}
	}
	return 0;
}

int nic_xdp(struct nic *n, int index, struct nic_xdp *ret)
{
	_Alignas(struct nlmsghdr) uint8_t buffer[256] = { 0 };
	struct nic_xdp xdp = { 0 };
	struct nlmsghdr *request;
	int code;

	if (n->netdev_family == 0)
		return -EOPNOTSUPP;
	request = netlink_generic(buffer, n->netdev_family, NETDEV_DEV_GET);
	mnl_attr_put_u32(request, NETDEV_IFINDEX, (uint32_t)index);
	code = netlink_ask(&n->generic, request, take_xdp, &xdp);
	if (code == 0)
		*ret = xdp;
	return code;
}
