/* nic - offloads, rings and channels. */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/ethtool_netlink.h>
#include <linux/genetlink.h>
#include <string.h>

#include "dataplane/base/nic.h"
#include "dataplane/base/nic_request.h"

struct nlmsghdr *nic_request(void *buffer, const struct nic *n, uint8_t command, const char *name,
			     uint32_t flags)
{
	struct nlmsghdr *request = netlink_generic(buffer, n->ethtool_family, command);
	struct nlattr *header = mnl_attr_nest_start(request, NIC_REQUEST_HEADER);

	mnl_attr_put_strz(request, ETHTOOL_A_HEADER_DEV_NAME, name);
	if (flags != 0)
		mnl_attr_put_u32(request, ETHTOOL_A_HEADER_FLAGS, flags);
	mnl_attr_nest_end(request, header);
	return request;
}

static uint32_t number(const struct nlattr *a)
{
	return mnl_attr_validate(a, MNL_TYPE_U32) >= 0 ? mnl_attr_get_u32(a) : 0;
}

/* ---- offloads ---- */

struct features {
	struct nic_feature *feature;
	uint32_t count;
};

static struct nic_feature *find(const struct features *f, const struct nlattr *name)
{
	for (uint32_t i = 0; name != NULL && i < f->count; i++)
		if (strlen(f->feature[i].name) + 1 == mnl_attr_get_payload_len(name) &&
		    memcmp(f->feature[i].name, mnl_attr_get_payload(name),
			   mnl_attr_get_payload_len(name)) == 0)
			return &f->feature[i];
	return NULL;
}

static void note_bit(struct nic_feature *f, uint16_t set, bool on)
{
	switch (set) {
	/* Of this set every bit is listed that the kernel knows. */
	case ETHTOOL_A_FEATURES_HW:
		f->known = true;
		f->changeable = on;
		break;
	case ETHTOOL_A_FEATURES_ACTIVE: f->active = on; break;
	case ETHTOOL_A_FEATURES_NOCHANGE: f->changeable = f->changeable && !on; break;
	default: break;
	}
}

static void read_bit(const struct features *f, const struct nlattr *nest, uint16_t set, bool listed)
{
	const struct nlattr *attr, *name = NULL;
	struct nic_feature *feature;
	bool on = listed;

	netlink_each_nested(attr, nest)
	{
		if (mnl_attr_get_type(attr) == ETHTOOL_A_BITSET_BIT_NAME)
			name = attr;
		else if (mnl_attr_get_type(attr) == ETHTOOL_A_BITSET_BIT_VALUE)
			on = true;
	}
	feature = find(f, name);
	if (feature != NULL)
		note_bit(feature, set, on);
}

/* read_set - without a mask the bits that are listed are those that are on. */
static void read_set(const struct features *f, const struct nlattr *nest)
{
	const struct nlattr *attr, *bit, *bits = NULL;
	bool listed = false;

	netlink_each_nested(attr, nest)
	{
		if (mnl_attr_get_type(attr) == ETHTOOL_A_BITSET_NOMASK)
			listed = true;
		else if (mnl_attr_get_type(attr) == ETHTOOL_A_BITSET_BITS)
			bits = attr;
	}
	if (bits == NULL)
		return;
	netlink_each_nested(bit, bits) read_bit(f, bit, mnl_attr_get_type(nest), listed);
}

static int take_features(const struct nlmsghdr *message, void *context)
{
	static const uint16_t order[] = { ETHTOOL_A_FEATURES_HW, ETHTOOL_A_FEATURES_ACTIVE,
					  ETHTOOL_A_FEATURES_NOCHANGE };
	const struct nlattr *attr;

	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++)
		netlink_each(attr, message,
			     sizeof(struct genlmsghdr)) if (mnl_attr_get_type(attr) == order[i])
			read_set(context, attr);
	return 0;
}

int nic_features(struct nic *n, const char *name, struct nic_feature *feature, uint32_t count)
{
	_Alignas(struct nlmsghdr) uint8_t buffer[256] = { 0 };
	struct features f = { feature, count };

	if (n->ethtool_family == 0)
		return -EOPNOTSUPP;
	for (uint32_t i = 0; i < count; i++)
		feature[i] = (struct nic_feature){ .name = feature[i].name };
	return netlink_ask(&n->generic, nic_request(buffer, n, ETHTOOL_MSG_FEATURES_GET, name, 0),
			   take_features, &f);
}

static int ask_for_feature(struct nic *n, const char *name, const char *feature, bool on)
{
	_Alignas(struct nlmsghdr) uint8_t buffer[512] = { 0 };
	struct nlmsghdr *request = nic_request(buffer, n, ETHTOOL_MSG_FEATURES_SET, name,
					       ETHTOOL_FLAG_OMIT_REPLY);
	struct nlattr *wanted = mnl_attr_nest_start(request, ETHTOOL_A_FEATURES_WANTED);
	struct nlattr *bits = mnl_attr_nest_start(request, ETHTOOL_A_BITSET_BITS);
	struct nlattr *bit = mnl_attr_nest_start(request, ETHTOOL_A_BITSET_BITS_BIT);

	mnl_attr_put_strz(request, ETHTOOL_A_BITSET_BIT_NAME, feature);
	if (on)
		mnl_attr_put(request, ETHTOOL_A_BITSET_BIT_VALUE, 0, NULL);
	mnl_attr_nest_end(request, bit);
	mnl_attr_nest_end(request, bits);
	mnl_attr_nest_end(request, wanted);
	return netlink_ask(&n->generic, request, NULL, NULL);
}

/* The kernel grants what it can and calls that success: so it is asked again. */
int nic_feature_set(struct nic *n, const char *name, const char *feature, bool on)
{
	struct nic_feature f = { .name = feature };
	int code;

	if (n->ethtool_family == 0)
		return -EOPNOTSUPP;
	code = ask_for_feature(n, name, feature, on);
	if (code == 0)
		code = nic_features(n, name, &f, 1);
	return code == 0 && f.active != on ? -EOPNOTSUPP : code;
}

/* ---- rings and channels ---- */

static int take_rings(const struct nlmsghdr *message, void *context)
{
	struct nic_rings *ret = context;
	const struct nlattr *attr;

	netlink_each(attr, message, sizeof(struct genlmsghdr))
	{
		switch (mnl_attr_get_type(attr)) {
		case ETHTOOL_A_RINGS_RX: ret->rx = number(attr); break;
		case ETHTOOL_A_RINGS_RX_MAX: ret->rx_max = number(attr); break;
		default: break;
		}
	}
	return 0;
}

int nic_rings(struct nic *n, const char *name, struct nic_rings *ret)
{
	_Alignas(struct nlmsghdr) uint8_t buffer[256] = { 0 };
	struct nic_rings rings = { 0 };
	int code;

	if (n->ethtool_family == 0)
		return -EOPNOTSUPP;
	code = netlink_ask(&n->generic, nic_request(buffer, n, ETHTOOL_MSG_RINGS_GET, name, 0),
			   take_rings, &rings);
	if (code == 0)
		*ret = rings;
	return code;
}

int nic_rings_set(struct nic *n, const char *name, uint32_t rx)
{
	_Alignas(struct nlmsghdr) uint8_t buffer[256] = { 0 };
	struct nlmsghdr *request;

	if (n->ethtool_family == 0)
		return -EOPNOTSUPP;
	request = nic_request(buffer, n, ETHTOOL_MSG_RINGS_SET, name, 0);
	mnl_attr_put_u32(request, ETHTOOL_A_RINGS_RX, rx);
	return netlink_ask(&n->generic, request, NULL, NULL);
}

static int take_channels(const struct nlmsghdr *message, void *context)
{
	struct nic_channels *ret = context;
	const struct nlattr *attr;

	netlink_each(attr, message, sizeof(struct genlmsghdr))
	{
		switch (mnl_attr_get_type(attr)) {
		case ETHTOOL_A_CHANNELS_RX_COUNT: ret->rx = number(attr); break;
		case ETHTOOL_A_CHANNELS_TX_COUNT: ret->tx = number(attr); break;
		case ETHTOOL_A_CHANNELS_COMBINED_COUNT: ret->combined = number(attr); break;
		case ETHTOOL_A_CHANNELS_RX_MAX: ret->rx_max = number(attr); break;
		case ETHTOOL_A_CHANNELS_TX_MAX: ret->tx_max = number(attr); break;
		case ETHTOOL_A_CHANNELS_COMBINED_MAX: ret->combined_max = number(attr); break;
		default: break;
		}
	}
	return 0;
}

int nic_channels(struct nic *n, const char *name, struct nic_channels *ret)
{
	_Alignas(struct nlmsghdr) uint8_t buffer[256] = { 0 };
	struct nic_channels channels = { 0 };
	int code;

	if (n->ethtool_family == 0)
		return -EOPNOTSUPP;
	code = netlink_ask(&n->generic, nic_request(buffer, n, ETHTOOL_MSG_CHANNELS_GET, name, 0),
			   take_channels, &channels);
	if (code == 0)
		*ret = channels;
	return code;
}
