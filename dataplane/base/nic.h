/* nic - an interface's settings, asked of the kernel and changed there.
 *
 *     links, their counters, the program attached    rtnetlink
 *     what XDP can do there                          generic netlink, `netdev`   (Linux 6.3)
 *     offloads, rings, channels, RSS                 generic netlink, `ethtool`  (Linux 5.6)
 *     RSS where that cannot set it; hash fields      the ioctl of old
 *
 * A kernel that lacks a family or a command answers -EOPNOTSUPP, as a driver does that lacks the
 * function: both mean "not here", never "zero".
 *
 * Everything the kernel is asked goes through two functions of struct nic, so that tests answer
 * with messages that were written down.
 *
 * Threads: one per struct nic. Interfaces are those of the network namespace nic_open() ran in.
 */
#ifndef DATAPLANE_BASE_NIC_H
#define DATAPLANE_BASE_NIC_H

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/base/netlink.h"

enum {
	NIC_NAME_BYTES = 16,
	NIC_WORD_BYTES = 32,
	NIC_KEY_BYTES_MAX = 256,
	NIC_ENTRIES_MAX = 4096,
	NIC_FLOW_KINDS = 4,
};

/* An ethtool command that has no netlink message. Returns: 0; -errno. */
typedef int nic_ioctl_fn(void *context, const char *name, void *command);

struct nic {
	struct netlink route, generic;
	uint16_t ethtool_family, netdev_family; /* 0: this kernel has none */
	nic_ioctl_fn *ioctl;
	void *ioctl_context;
};

/* nic_open - Returns: 0; -errno: there is no netlink. */
int nic_open(struct nic *ret);

/* nic_on - the same over other wires. Asks for the families over `generic`. */
void nic_on(struct nic *ret, const struct netlink_wire *route, const struct netlink_wire *generic,
	    nic_ioctl_fn *ioctl, void *context);
void nic_close(struct nic *n);

/* ---- links ---- */

struct nic_link {
	char name[NIC_NAME_BYTES], kind[NIC_WORD_BYTES]; /* kind: "veth"; empty for hardware */
	int index;
	uint8_t address[6];
	bool up, carrier, loopback, ethernet;
	uint32_t mtu_bytes, rx_queues;
	uint32_t xdp_program;                      /* id of the program attached; 0: none */
	uint8_t xdp_mode;                          /* XDP_ATTACHED_* of linux/if_link.h */
	uint64_t packets, dropped, missed, errors; /* received, since the interface is there */
};

/* nic_link_each - every interface, in the kernel's order. `each` returns 0 to go on.
 * Returns: 0; -errno. */
int nic_link_each(struct nic *n, int (*each)(const struct nic_link *link, void *context),
		  void *context);

/* nic_link_find - Returns: 0; -ENODEV: there is none; -errno. */
int nic_link_find(struct nic *n, const char *name, struct nic_link *ret);

/* nic_driver - "ixgbe"; Returns: 0; -EOPNOTSUPP: it has no name; -errno. */
int nic_driver(struct nic *n, const char *name, char ret[NIC_WORD_BYTES]);

/* ---- XDP ---- */

/* What the driver offers, as it told the kernel. */
struct nic_xdp {
	bool native, redirect, zero_copy, several_frames;
	bool rx_timestamp, rx_hash;  /* to be had from the program */
	uint32_t zero_copy_segments; /* frames of a packet with zero-copy; 0: not told */
};

/* nic_xdp - Returns: 0; -EOPNOTSUPP: this kernel does not tell; -errno. */
int nic_xdp(struct nic *n, int index, struct nic_xdp *ret);

/* ---- offloads ---- */

/* One by its name in the kernel: "rx-gro". */
struct nic_feature {
	const char *name;
	bool known, active, changeable;
};

/* nic_features - fill in those of a list. Returns: 0; -EOPNOTSUPP; -errno. */
int nic_features(struct nic *n, const char *name, struct nic_feature *feature, uint32_t count);

/* nic_feature_set - Returns: 0; -EOPNOTSUPP: the driver keeps it as it is; -errno. */
int nic_feature_set(struct nic *n, const char *name, const char *feature, bool on);

/* ---- rings and channels ---- */

struct nic_rings {
	uint32_t rx, rx_max; /* packets; 0: not told */
};

int nic_rings(struct nic *n, const char *name, struct nic_rings *ret);
int nic_rings_set(struct nic *n, const char *name, uint32_t rx);

struct nic_channels {
	uint32_t rx, tx, combined, rx_max, tx_max, combined_max;
};

int nic_channels(struct nic *n, const char *name, struct nic_channels *ret);

/* ---- RSS: which receive queue a packet goes to ---- */

#define NIC_HASH_TOEPLITZ              UINT32_C(1)
#define NIC_TRANSFORM_SYMMETRIC_XOR    UINT32_C(1)
#define NIC_TRANSFORM_SYMMETRIC_OR_XOR UINT32_C(2)

struct nic_rss {
	uint32_t hash;      /* NIC_HASH_*: one bit */
	uint32_t transform; /* NIC_TRANSFORM_*: what is done to the fields before; 0: nothing */
	uint32_t key_bytes, entries;
	uint8_t key[NIC_KEY_BYTES_MAX];
	uint32_t entry[NIC_ENTRIES_MAX]; /* queue by the low bits of the hash */
};

/* Which of these nic_rss_set() changes. */
enum nic_rss_part { NIC_RSS_KEY = 1, NIC_RSS_ENTRIES = 2, NIC_RSS_TRANSFORM = 4 };

/* nic_rss - Returns: 0; -EOPNOTSUPP: it has no RSS; -E2BIG: more than fits here; -errno. */
int nic_rss(struct nic *n, const char *name, struct nic_rss *ret);
int nic_rss_set(struct nic *n, const char *name, const struct nic_rss *rss, uint32_t parts);

/* Which fields are hashed, per kind of flow: bits RXH_* of linux/ethtool.h; 0: not told. */
struct nic_fields {
	uint64_t of[NIC_FLOW_KINDS]; /* TCP and UDP over IPv4, over IPv6: see nic_flow_kinds */
};

extern const char *const nic_flow_kinds[NIC_FLOW_KINDS];

int nic_fields(struct nic *n, const char *name, struct nic_fields *ret);
int nic_fields_set(struct nic *n, const char *name, uint32_t kind, uint64_t fields);

/* nic_is_symmetric - do both directions of a flow get the same hash, and so the same queue? */
bool nic_is_symmetric(const struct nic_rss *rss, const struct nic_fields *fields);

/* nic_fields_paired - source and destination are hashed both, or neither. */
bool nic_fields_paired(uint64_t fields);

#endif
