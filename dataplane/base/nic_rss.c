/* nic - RSS: the hash that chooses the receive queue.
 *
 * Both directions of a flow get the same hash in one of two ways:
 *
 *   transform   the driver combines source and destination by XOR (and OR) before it hashes
 *   key         Toeplitz takes the key's bits from where a bit of the input stands. If the key
 *               repeats every 16 bits, a field that moves by 16 or 32 bits, as source and
 *               destination do when they change places, finds the same key bits there
 *               (Woo and Park, "Scalable TCP Session Monitoring with Symmetric Receive-side
 *               Scaling", 2012).
 */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/ethtool.h>
#include <linux/genetlink.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/nic.h"
#include "dataplane/base/nic_request.h"

/* linux/ethtool_netlink.h of Linux 6.17; Debian 12's ends before. */
enum {
	RSS_GET = 38,
	RSS_SET = 48,
	RSS_HASH = 3,
	RSS_ENTRIES = 4,
	RSS_KEY = 5,
	RSS_TRANSFORM = 6,
};

/* The transform of the ioctl is a byte that older headers call reserved. It means "as it is" when
 * all its bits are set, but a kernel that does not know it takes only zero. */
#define OLD_TRANSFORM(head) ((head)->rsvd8[0])
enum { TRANSFORM_AS_IT_IS = 0xff };

const char *const nic_flow_kinds[NIC_FLOW_KINDS] = { "tcp4", "udp4", "tcp6", "udp6" };

static const uint32_t flow_types[NIC_FLOW_KINDS] = { TCP_V4_FLOW, UDP_V4_FLOW, TCP_V6_FLOW,
						     UDP_V6_FLOW };

/* ---- by netlink ---- */

static int read_entries(const struct nlattr *a, struct nic_rss *ret)
{
	size_t bytes = mnl_attr_get_payload_len(a);

	if (bytes > sizeof(ret->entry))
		return -E2BIG;
	ret->entries = (uint32_t)(bytes / sizeof(ret->entry[0]));
	memcpy(ret->entry, mnl_attr_get_payload(a), ret->entries * sizeof(ret->entry[0]));
	return 0;
}

static int read_key(const struct nlattr *a, struct nic_rss *ret)
{
	size_t bytes = mnl_attr_get_payload_len(a);

	if (bytes > sizeof(ret->key))
		return -E2BIG;
	ret->key_bytes = (uint32_t)bytes;
	memcpy(ret->key, mnl_attr_get_payload(a), bytes);
	return 0;
}

static int take_rss(const struct nlmsghdr *message, void *context)
{
	struct nic_rss *ret = context;
	const struct nlattr *attr;
	int code = 0;

	netlink_each(attr, message, sizeof(struct genlmsghdr))
	{
		bool is_number = mnl_attr_validate(attr, MNL_TYPE_U32) >= 0;

		switch (mnl_attr_get_type(attr)) {
		case RSS_HASH: ret->hash = is_number ? mnl_attr_get_u32(attr) : 0; break;
		case RSS_TRANSFORM: ret->transform = is_number ? mnl_attr_get_u32(attr) : 0; break;
		case RSS_ENTRIES: code = read_entries(attr, ret); break;
		case RSS_KEY: code = read_key(attr, ret); break;
		default: break;
		}
		if (code < 0)
			return code;
	}
	return 0;
}

static int get_by_netlink(struct nic *n, const char *name, struct nic_rss *ret)
{
	_Alignas(struct nlmsghdr) uint8_t buffer[256] = { 0 };

	if (n->ethtool_family == 0)
		return -EOPNOTSUPP;
	return netlink_ask(&n->generic, nic_request(buffer, n, RSS_GET, name, 0), take_rss, ret);
}

static int set_by_netlink(struct nic *n, const char *name, const struct nic_rss *rss,
			  uint32_t parts)
{
	_Alignas(struct nlmsghdr) uint8_t buffer[NETLINK_REQUEST_BYTES] = { 0 };
	struct nlmsghdr *request;

	if (n->ethtool_family == 0)
		return -EOPNOTSUPP;
	request = nic_request(buffer, n, RSS_SET, name, 0);
	if ((parts & NIC_RSS_ENTRIES) != 0)
		mnl_attr_put(request, RSS_ENTRIES, rss->entries * sizeof(rss->entry[0]),
			     rss->entry);
	if ((parts & NIC_RSS_KEY) != 0)
		mnl_attr_put(request, RSS_KEY, rss->key_bytes, rss->key);
	if ((parts & NIC_RSS_TRANSFORM) != 0)
		mnl_attr_put_u32(request, RSS_TRANSFORM, rss->transform);
	return netlink_ask(&n->generic, request, NULL, NULL);
}

/* ---- by ioctl ---- */

/* The table of queues, then the key, behind the head. */
static struct ethtool_rxfh *old_command(uint32_t command, uint32_t entries, uint32_t key_bytes)
{
	struct ethtool_rxfh *head = calloc(1,
					   sizeof(*head) + entries * sizeof(uint32_t) + key_bytes);

	if (head != NULL) {
		head->cmd = command;
		head->indir_size = entries;
		head->key_size = key_bytes;
	}
	return head;
}

static int read_old(struct nic *n, const char *name, struct ethtool_rxfh *head, struct nic_rss *ret)
{
	int code = n->ioctl(n->ioctl_context, name, head);

	if (code < 0)
		return code;
	ret->hash = head->hfunc;
	ret->transform = OLD_TRANSFORM(head);
	ret->entries = head->indir_size;
	ret->key_bytes = head->key_size;
	memcpy(ret->entry, head->rss_config, ret->entries * sizeof(ret->entry[0]));
	memcpy(ret->key, (uint8_t *)(head->rss_config + ret->entries), ret->key_bytes);
	return 0;
}

static int get_by_ioctl(struct nic *n, const char *name, struct nic_rss *ret)
{
	struct ethtool_rxfh sizes = { .cmd = ETHTOOL_GRSSH }, *head;
	int code = n->ioctl(n->ioctl_context, name, &sizes);

	if (code < 0)
		return code;
	if (sizes.indir_size > NIC_ENTRIES_MAX || sizes.key_size > NIC_KEY_BYTES_MAX)
		return -E2BIG;
	head = old_command(ETHTOOL_GRSSH, sizes.indir_size, sizes.key_size);
	if (head == NULL)
		return -ENOMEM;
	code = read_old(n, name, head, ret);
	free(head);
	return code;
}

static int set_by_ioctl(struct nic *n, const char *name, const struct nic_rss *rss, uint32_t parts)
{
	bool entries = (parts & NIC_RSS_ENTRIES) != 0, key = (parts & NIC_RSS_KEY) != 0;
	struct ethtool_rxfh *head = old_command(ETHTOOL_SRSSH, entries ? rss->entries : 0,
						key ? rss->key_bytes : 0);
	int code;

	if (head == NULL)
		return -ENOMEM;
	if (entries)
		memcpy(head->rss_config, rss->entry, rss->entries * sizeof(rss->entry[0]));
	else
		head->indir_size = ETH_RXFH_INDIR_NO_CHANGE;
	if (key)
		memcpy((uint8_t *)(head->rss_config + (entries ? rss->entries : 0)), rss->key,
		       rss->key_bytes);
	OLD_TRANSFORM(head) = (parts & NIC_RSS_TRANSFORM) != 0 ? (uint8_t)rss->transform
							       : TRANSFORM_AS_IT_IS;
	code = n->ioctl(n->ioctl_context, name, head);
	if (code == -EINVAL && OLD_TRANSFORM(head) == TRANSFORM_AS_IT_IS) {
		OLD_TRANSFORM(head) = 0;
		code = n->ioctl(n->ioctl_context, name, head);
	}
	free(head);
	return code;
}

/* ---- both ---- */

int nic_rss(struct nic *n, const char *name, struct nic_rss *ret)
{
	struct nic_rss rss = { 0 };
	int code = get_by_netlink(n, name, &rss);

	if (code == -EOPNOTSUPP)
		code = get_by_ioctl(n, name, &rss);
	/* The key of some virtual functions is the host's secret; a table alone is an answer. */
	if (code == 0 && rss.entries == 0 && rss.key_bytes == 0)
		code = -EOPNOTSUPP;
	if (code == 0)
		*ret = rss;
	return code;
}

int nic_rss_set(struct nic *n, const char *name, const struct nic_rss *rss, uint32_t parts)
{
	int code = set_by_netlink(n, name, rss, parts);

	return code == -EOPNOTSUPP ? set_by_ioctl(n, name, rss, parts) : code;
}

int nic_fields(struct nic *n, const char *name, struct nic_fields *ret)
{
	struct nic_fields fields = { { 0 } };
	int code = -EOPNOTSUPP;

	for (uint32_t i = 0; i < NIC_FLOW_KINDS; i++) {
		struct ethtool_rxnfc ask = { .cmd = ETHTOOL_GRXFH, .flow_type = flow_types[i] };
		int got = n->ioctl(n->ioctl_context, name, &ask);

		if (got == 0) {
			fields.of[i] = ask.data;
			code = 0;
		} else if (got != -EOPNOTSUPP && got != -EINVAL) {
			return got;
		}
	}
	if (code == 0)
		*ret = fields;
	return code;
}

int nic_fields_set(struct nic *n, const char *name, uint32_t kind, uint64_t fields)
{
	struct ethtool_rxnfc tell = { .cmd = ETHTOOL_SRXFH, .data = fields };

	if (kind >= NIC_FLOW_KINDS)
		return -EINVAL;
	tell.flow_type = flow_types[kind];
	return n->ioctl(n->ioctl_context, name, &tell);
}

/* ---- symmetry ---- */

bool nic_fields_paired(uint64_t fields)
{
	uint64_t addresses = fields & (RXH_IP_SRC | RXH_IP_DST);
	uint64_t ports = fields & (RXH_L4_B_0_1 | RXH_L4_B_2_3);

	return (addresses == 0 || addresses == (RXH_IP_SRC | RXH_IP_DST)) &&
	       (ports == 0 || ports == (RXH_L4_B_0_1 | RXH_L4_B_2_3)) && (fields & RXH_L2DA) == 0;
}

static bool repeats(const struct nic_rss *rss)
{
	for (uint32_t i = 2; i < rss->key_bytes; i++)
		if (rss->key[i] != rss->key[i - 2])
			return false;
	return rss->key_bytes > 2;
}

bool nic_is_symmetric(const struct nic_rss *rss, const struct nic_fields *fields)
{
	const uint32_t transforms = NIC_TRANSFORM_SYMMETRIC_XOR | NIC_TRANSFORM_SYMMETRIC_OR_XOR;

	for (uint32_t i = 0; i < NIC_FLOW_KINDS; i++)
		if (!nic_fields_paired(fields->of[i]))
			return false;
	return (rss->transform & transforms) != 0 ||
	       (rss->hash == NIC_HASH_TOEPLITZ && repeats(rss));
}
