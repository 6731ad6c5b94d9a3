/* nics - two interfaces that the tests of this folder use: a good card, and a veth. */
#ifndef TESTS_UNIT_CONTROL_HOST_NICS_H
#define TESTS_UNIT_CONTROL_HOST_NICS_H

#include <linux/ethtool.h>
#include <string.h>

#include "tests/support/machine.h"

#define NICS_CARD "wtest7"
#define NICS_VETH "wtest8"

/* nics_make - the card as drivers leave it, with 4 queues; the veth as the kernel makes it. */
static inline void nics_make(struct fake_nics *f)
{
	struct fake_link *card = &f->link[0], *veth = &f->link[1];
	const uint64_t four = RXH_IP_SRC | RXH_IP_DST | RXH_L4_B_0_1 | RXH_L4_B_2_3;

	memset(f, 0, sizeof(*f));
	f->tells_xdp = true;
	*card = (struct fake_link){
		.link = { .name = NICS_CARD,
			  .index = 7,
			  .address = { 2, 0, 0, 0, 0, 7 },
			  .up = true,
			  .carrier = true,
			  .mtu_bytes = 1500,
			  .rx_queues = 64,
			  .packets = 1000 },
		.driver = "ice",
		.feature = { { "rx-gro", true, true, true },
			     { "rx-lro", true, false, true },
			     { "rx-gro-hw", true, false, false },
			     { "rx-vlan-hw-parse", true, true, true },
			     { "rx-vlan-stag-hw-parse", true, false, true },
			     { "rx-udp-gro-forwarding", true, false, true },
			     { "rx-gro-list", true, false, true } },
		.xdp_features = 1 | 2 | 8 | 32,
		.zero_copy_segments = 1,
		.rings = { 2048, 8160 },
		.channels = { .combined = 4, .combined_max = 64 },
		.has_rss = true,
		.has_fields = true,
		.takes_transforms = NIC_TRANSFORM_SYMMETRIC_XOR,
		.fields = { { four, RXH_IP_SRC | RXH_IP_DST, four, RXH_IP_SRC | RXH_IP_DST } },
		.rss = { .hash = NIC_HASH_TOEPLITZ, .key_bytes = 52, .entries = 512 },
	};
	for (uint32_t i = 0; i < card->rss.key_bytes; i++)
		card->rss.key[i] = (uint8_t)(i * 73 + 5);
	for (uint32_t i = 0; i < card->rss.entries; i++)
		card->rss.entry[i] = i % 4;
	*veth = (struct fake_link){
		.link = { .name = NICS_VETH,
			  .index = 8,
			  .address = { 2, 0, 0, 0, 0, 8 },
			  .up = true,
			  .carrier = true,
			  .mtu_bytes = 1500,
			  .rx_queues = 1 },
		.driver = "veth",
		.feature = { { "rx-gro", true, false, true },
			     { "rx-vlan-hw-parse", true, true, true } },
		.xdp_features = 1 | 2 | 32,
		.channels = { .rx = 1, .rx_max = 2 },
	};
}

/* nics_feature - of an interface, as it is now. */
static inline bool nics_feature(const struct fake_link *l, const char *name)
{
	for (int i = 0; i < FAKE_FEATURES && l->feature[i].name != NULL; i++)
		if (strcmp(l->feature[i].name, name) == 0)
			return l->feature[i].active;
	return false;
}

#endif
