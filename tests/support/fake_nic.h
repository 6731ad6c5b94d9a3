/* fake_nic - interfaces whose settings are in memory: a kernel and a driver behind struct nic.
 *
 * It answers over the wires of recorded.h's kind, with attributes put together there, and by ioctl.
 * What a driver may refuse is refused here too: a transform it does not know, an offload it keeps,
 * a table it does not take.
 */
#ifndef TESTS_SUPPORT_FAKE_NIC_H
#define TESTS_SUPPORT_FAKE_NIC_H

#include "dataplane/base/nic.h"
#include "tests/support/recorded.h"

enum { FAKE_LINKS = 4, FAKE_FEATURES = 8 };

struct fake_link {
	struct nic_link link; /* index 0: none here */
	char driver[NIC_WORD_BYTES];
	struct nic_feature feature[FAKE_FEATURES];
	uint64_t xdp_features; /* bits of NETDEV_XDP_ACT_ */
	uint32_t zero_copy_segments;
	struct nic_rings rings;       /* rx_max 0: none */
	struct nic_channels channels; /* all 0: not told */
	bool has_rss, has_fields;
	struct nic_rss rss;
	struct nic_fields fields;
	uint32_t takes_transforms; /* NIC_TRANSFORM_* */
	bool keeps_table, keeps_key;
	int refuses; /* -errno for every change; 0 */
};

struct fake_nics {
	struct fake_link link[FAKE_LINKS];
	bool tells_xdp; /* there is the family netdev */
	uint32_t changes;
	struct recorded route, generic; /* answers under way */
};

/* fake_nics_open - `f` is set up by the test before or after; used until the test ends. */
void fake_nics_open(struct fake_nics *f, struct nic *ret);

#endif
