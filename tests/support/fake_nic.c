/* fake_nic - interfaces whose settings are in memory: a kernel and a driver behind struct nic. */
#include "tests/support/fake_nic.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/ethtool.h>
#include <linux/ethtool_netlink.h>
#include <linux/genetlink.h>
#include <linux/if.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>

enum { RSS_GET = 38, RSS_SET = 48, NETDEV_DEV_GET = 1 };

static struct recorded_attributes out;

static struct fake_link *find(struct fake_nics *f, const char *name)
{
	for (int i = 0; i < FAKE_LINKS; i++)
		if (f->link[i].link.index != 0 && strcmp(f->link[i].link.name, name) == 0)
			return &f->link[i];
	return NULL;
}

/* ---- rtnetlink ---- */

static void put_link(struct fake_nics *f, const struct fake_link *l, uint16_t flags)
{
	struct rtnl_link_stats64 counts = { .rx_packets = l->link.packets,
					    .rx_dropped = l->link.dropped,
					    .rx_errors = l->link.errors,
					    .rx_missed_errors = l->link.missed };
	struct ifinfomsg about = { .ifi_index = l->link.index, .ifi_type = ARPHRD_ETHER };
	uint8_t carrier = l->link.carrier, message[4096];
	size_t nest;

	about.ifi_flags = (l->link.up ? IFF_UP : 0U) | (l->link.loopback ? IFF_LOOPBACK : 0U);
	out.used = 0;
	recorded_put_text(&out, IFLA_IFNAME, l->link.name);
	recorded_put(&out, IFLA_ADDRESS, l->link.address, 6);
	recorded_put_u32(&out, IFLA_MTU, l->link.mtu_bytes);
	recorded_put_u32(&out, IFLA_NUM_RX_QUEUES, l->link.rx_queues);
	recorded_put(&out, IFLA_CARRIER, &carrier, 1);
	recorded_put(&out, IFLA_STATS64, &counts, sizeof(counts));
	nest = recorded_begin(&out, IFLA_XDP);
	recorded_put(&out, IFLA_XDP_ATTACHED, &l->link.xdp_mode, 1);
	if (l->link.xdp_program != 0)
		recorded_put_u32(&out, IFLA_XDP_PROG_ID, l->link.xdp_program);
	recorded_finish(&out, nest);
	memcpy(message, &about, sizeof(about));
	memcpy(message + sizeof(about), out.bytes, out.used);
	recorded_answer(&f->route, RTM_NEWLINK, flags, message, sizeof(about) + out.used);
}

static void on_route(struct fake_nics *f, const struct nlmsghdr *request)
{
	const struct fake_link *l = NULL;
	const struct nlattr *attr;
	int32_t fine = 0;

	if ((request->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP) {
		for (int i = 0; i < FAKE_LINKS; i++)
			if (f->link[i].link.index != 0)
				put_link(f, &f->link[i], NLM_F_MULTI);
		recorded_answer(&f->route, NLMSG_DONE, NLM_F_MULTI, &fine, sizeof(fine));
		return;
	}
	netlink_each(attr, request,
		     sizeof(struct ifinfomsg)) if (mnl_attr_get_type(attr) == IFLA_IFNAME)
		l = find(f, mnl_attr_get_str(attr));
	if (l != NULL)
		put_link(f, l, 0);
	recorded_end(&f->route, l != NULL ? 0 : -ENODEV);
}

/* ---- features ---- */

static void put_set(const struct fake_link *l, uint16_t set)
{
	size_t begin = recorded_begin(&out, set), bits, bit;

	if (set != ETHTOOL_A_FEATURES_HW)
		recorded_put(&out, ETHTOOL_A_BITSET_NOMASK, NULL, 0);
	bits = recorded_begin(&out, ETHTOOL_A_BITSET_BITS);
	for (int i = 0; i < FAKE_FEATURES && l->feature[i].name != NULL; i++) {
		const struct nic_feature *x = &l->feature[i];

		if ((set == ETHTOOL_A_FEATURES_ACTIVE && !x->active) ||
		    (set == ETHTOOL_A_FEATURES_NOCHANGE && x->changeable))
			continue;
		bit = recorded_begin(&out, ETHTOOL_A_BITSET_BITS_BIT);
		recorded_put_text(&out, ETHTOOL_A_BITSET_BIT_NAME, x->name);
		if (set == ETHTOOL_A_FEATURES_HW && x->changeable)
			recorded_put(&out, ETHTOOL_A_BITSET_BIT_VALUE, NULL, 0);
		recorded_finish(&out, bit);
	}
	recorded_finish(&out, bits);
	recorded_finish(&out, begin);
}

static void get_features(struct fake_nics *f, const struct fake_link *l)
{
	out.used = 0;
	put_set(l, ETHTOOL_A_FEATURES_HW);
	put_set(l, ETHTOOL_A_FEATURES_ACTIVE);
	put_set(l, ETHTOOL_A_FEATURES_NOCHANGE);
	recorded_generic(&f->generic, RECORDED_ETHTOOL, ETHTOOL_MSG_FEATURES_GET_REPLY, out.bytes,
			 out.used);
}

/* The first bit of the set that is wanted. */
static void set_features(struct fake_link *l, const struct nlattr *wanted)
{
	const struct nlattr *bits = mnl_attr_get_payload(wanted);
	const struct nlattr *bit = mnl_attr_get_payload(bits), *attr;
	const char *name = "";
	bool on = false;

	netlink_each_nested(attr, bit)
	{
		if (mnl_attr_get_type(attr) == ETHTOOL_A_BITSET_BIT_NAME)
			name = mnl_attr_get_str(attr);
		else if (mnl_attr_get_type(attr) == ETHTOOL_A_BITSET_BIT_VALUE)
			on = true;
	}
	for (int i = 0; i < FAKE_FEATURES && l->feature[i].name != NULL; i++)
		if (strcmp(l->feature[i].name, name) == 0 && l->feature[i].changeable)
			l->feature[i].active = on;
}

/* ---- rings, channels, RSS ---- */

static int get_rings(struct fake_nics *f, const struct fake_link *l)
{
	if (l->rings.rx_max == 0)
		return -EOPNOTSUPP;
	out.used = 0;
	recorded_put_u32(&out, ETHTOOL_A_RINGS_RX_MAX, l->rings.rx_max);
	recorded_put_u32(&out, ETHTOOL_A_RINGS_RX, l->rings.rx);
	recorded_generic(&f->generic, RECORDED_ETHTOOL, ETHTOOL_MSG_RINGS_GET_REPLY, out.bytes,
			 out.used);
	return 0;
}

static int get_channels(struct fake_nics *f, const struct fake_link *l)
{
	if (l->channels.combined + l->channels.rx == 0)
		return -EOPNOTSUPP;
	out.used = 0;
	recorded_put_u32(&out, ETHTOOL_A_CHANNELS_COMBINED_MAX, l->channels.combined_max);
	recorded_put_u32(&out, ETHTOOL_A_CHANNELS_COMBINED_COUNT, l->channels.combined);
	recorded_put_u32(&out, ETHTOOL_A_CHANNELS_RX_MAX, l->channels.rx_max);
	recorded_put_u32(&out, ETHTOOL_A_CHANNELS_RX_COUNT, l->channels.rx);
	recorded_generic(&f->generic, RECORDED_ETHTOOL, ETHTOOL_MSG_CHANNELS_GET_REPLY, out.bytes,
			 out.used);
	return 0;
}

static int get_rss(struct fake_nics *f, const struct fake_link *l)
{
	if (!l->has_rss)
		return -EOPNOTSUPP;
	out.used = 0;
	recorded_put(&out, 4, l->rss.entry, l->rss.entries * 4);
	recorded_put_u32(&out, 3, l->rss.hash);
	if (l->rss.transform != 0)
		recorded_put_u32(&out, 6, l->rss.transform);
	recorded_put(&out, 5, l->rss.key, l->rss.key_bytes);
	recorded_generic(&f->generic, RECORDED_ETHTOOL, 38, out.bytes, out.used);
	return 0;
}

static int set_rss(struct fake_link *l, const struct nlmsghdr *request)
{
	struct nic_rss to = l->rss;
	const struct nlattr *attr;

	if (!l->has_rss)
		return -EOPNOTSUPP;
	netlink_each(attr, request, sizeof(struct genlmsghdr))
	{
		switch (mnl_attr_get_type(attr)) {
		case 4:
			if (l->keeps_table || mnl_attr_get_payload_len(attr) != l->rss.entries * 4)
				return -EINVAL;
			memcpy(to.entry, mnl_attr_get_payload(attr), to.entries * 4);
			break;
		case 5:
			if (l->keeps_key || mnl_attr_get_payload_len(attr) != l->rss.key_bytes)
				return -EINVAL;
			memcpy(to.key, mnl_attr_get_payload(attr), to.key_bytes);
			break;
		case 6:
			to.transform = mnl_attr_get_u32(attr);
			if ((to.transform & ~l->takes_transforms) != 0)
				return -EINVAL;
			break;
		default: break;
		}
	}
	l->rss = to;
	return 0;
}

/* ---- ethtool ---- */

static int on_set(struct fake_nics *f, struct fake_link *l, const struct nlmsghdr *request,
		  uint8_t command)
{
	const struct nlattr *attr;

	if (l->refuses != 0)
		return l->refuses;
	f->changes++;
	if (command == RSS_SET)
		return set_rss(l, request);
	netlink_each(attr, request, sizeof(struct genlmsghdr))
	{
		if (command == ETHTOOL_MSG_FEATURES_SET &&
		    mnl_attr_get_type(attr) == ETHTOOL_A_FEATURES_WANTED)
			set_features(l, attr);
		if (command == ETHTOOL_MSG_RINGS_SET &&
		    mnl_attr_get_type(attr) == ETHTOOL_A_RINGS_RX) {
			if (mnl_attr_get_u32(attr) > l->rings.rx_max)
				return -EINVAL;
			l->rings.rx = mnl_attr_get_u32(attr);
		}
	}
	return 0;
}

static int on_ethtool(struct fake_nics *f, const struct nlmsghdr *request, uint8_t command)
{
	const struct nlattr *header = mnl_nlmsg_get_payload_offset(request, 4), *attr;
	struct fake_link *l = NULL;

	netlink_each_nested(attr, header) if (mnl_attr_get_type(attr) == ETHTOOL_A_HEADER_DEV_NAME)
		l = find(f, mnl_attr_get_str(attr));
	if (l == NULL)
		return -ENODEV;
	switch (command) {
	case ETHTOOL_MSG_FEATURES_GET: get_features(f, l); return 0;
	case ETHTOOL_MSG_RINGS_GET: return get_rings(f, l);
	case ETHTOOL_MSG_CHANNELS_GET: return get_channels(f, l);
	case RSS_GET: return get_rss(f, l);
	default: return on_set(f, l, request, command);
	}
}

static int on_netdev(struct fake_nics *f, const struct nlmsghdr *request)
{
	const struct nlattr *attr = mnl_nlmsg_get_payload_offset(request, 4);
	int index = (int)mnl_attr_get_u32(attr);

	for (int i = 0; i < FAKE_LINKS; i++) {
		if (f->link[i].link.index != index)
			continue;
		out.used = 0;
		recorded_put_u32(&out, 1, (uint32_t)index);
		recorded_put_u64(&out, 3, f->link[i].xdp_features);
		recorded_put_u32(&out, 4, f->link[i].zero_copy_segments);
		recorded_generic(&f->generic, RECORDED_NETDEV, 1, out.bytes, out.used);
		return 0;
	}
	return -ENODEV;
}

static int on_family(struct fake_nics *f, const struct nlmsghdr *request)
{
	const char *name = mnl_attr_get_str(mnl_nlmsg_get_payload_offset(request, 4));
	uint16_t id = strcmp(name, "ethtool") == 0 ? RECORDED_ETHTOOL : RECORDED_NETDEV;

	if (id == RECORDED_NETDEV && !f->tells_xdp)
		return -ENOENT;
	out.used = 0;
	recorded_put(&out, CTRL_ATTR_FAMILY_ID, &id, sizeof(id));
	recorded_generic(&f->generic, GENL_ID_CTRL, CTRL_CMD_NEWFAMILY, out.bytes, out.used);
	return 0;
}

static void on_generic(struct fake_nics *f, const struct nlmsghdr *request)
{
	const struct genlmsghdr *generic = mnl_nlmsg_get_payload(request);
	int code;

	if (request->nlmsg_type == GENL_ID_CTRL)
		code = on_family(f, request);
	else if (request->nlmsg_type == RECORDED_NETDEV)
		code = on_netdev(f, request);
	else
		code = on_ethtool(f, request, generic->cmd);
	recorded_end(&f->generic, code);
}

/* ---- wires ---- */

static ssize_t take_route(void *context, const void *message, size_t bytes)
{
	struct fake_nics *f = context;

	memset(&f->route, 0, offsetof(struct recorded, request));
	memcpy(f->route.request, message, bytes);
	on_route(f, message);
	return (ssize_t)bytes;
}

static ssize_t take_generic(void *context, const void *message, size_t bytes)
{
	struct fake_nics *f = context;

	memset(&f->generic, 0, offsetof(struct recorded, request));
	memcpy(f->generic.request, message, bytes);
	on_generic(f, message);
	return (ssize_t)bytes;
}

static ssize_t give_route(void *context, void *ret, size_t bytes)
{
	struct netlink_wire w = recorded_wire(&((struct fake_nics *)context)->route);

	return w.receive(w.context, ret, bytes);
}

static ssize_t give_generic(void *context, void *ret, size_t bytes)
{
	struct netlink_wire w = recorded_wire(&((struct fake_nics *)context)->generic);

	return w.receive(w.context, ret, bytes);
}

static int on_ioctl(void *context, const char *name, void *command)
{
	struct fake_nics *f = context;
	struct fake_link *l = find(f, name);
	struct ethtool_drvinfo *driver = command;
	struct ethtool_rxnfc *fields = command;
	int kind;

	if (l == NULL)
		return -ENODEV;
	if (driver->cmd == ETHTOOL_GDRVINFO) {
		(void)snprintf(driver->driver, sizeof(driver->driver), "%s", l->driver);
		return 0;
	}
	if ((fields->cmd != ETHTOOL_GRXFH && fields->cmd != ETHTOOL_SRXFH) || !l->has_fields)
		return -EOPNOTSUPP;
	kind = fields->flow_type == TCP_V4_FLOW   ? 0
	       : fields->flow_type == UDP_V4_FLOW ? 1
	       : fields->flow_type == TCP_V6_FLOW ? 2
						  : 3;
	if (fields->cmd == ETHTOOL_GRXFH) {
		fields->data = l->fields.of[kind];
		return 0;
	}
	if (l->refuses != 0)
		return l->refuses;
	f->changes++;
	l->fields.of[kind] = fields->data;
	return 0;
}

void fake_nics_open(struct fake_nics *f, struct nic *ret)
{
	struct netlink_wire route = { take_route, give_route, f };
	struct netlink_wire generic = { take_generic, give_generic, f };

	nic_on(ret, &route, &generic, on_ioctl, f);
}
