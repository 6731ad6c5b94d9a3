/* Proves that RSS is read and set by netlink and, where the kernel has no message for it, by the
 * ioctl; that nothing larger than its place is taken; and which hashes are symmetric, the key
 * against a Toeplitz hash written out here. */
#include "dataplane/base/nic.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <string.h>

#include "tests/support/recorded.h"

enum { GET = 38, SET = 48 };

static struct recorded route, kernel;
static struct recorded_attributes attributes;
static struct nic nic;
static struct nic_rss rss;

/* ---- a driver of old ---- */

static struct {
	bool there, knows_transform;
	struct nic_rss rss;
	struct nic_fields fields;
	int sets;
} old;

static void tell(struct ethtool_rxfh *head)
{
	if (head->indir_size == old.rss.entries && head->key_size == old.rss.key_bytes) {
		memcpy(head->rss_config, old.rss.entry, old.rss.entries * 4);
		memcpy((uint8_t *)(head->rss_config + old.rss.entries), old.rss.key,
		       old.rss.key_bytes);
	}
	head->indir_size = old.rss.entries;
	head->key_size = old.rss.key_bytes;
	head->hfunc = 1;
}

static int change(const struct ethtool_rxfh *head)
{
	const uint8_t *key = (const uint8_t *)head->rss_config;

	old.sets++;
	if (!old.knows_transform && head->rsvd8[0] != 0)
		return -EINVAL;
	if (head->indir_size != ETH_RXFH_INDIR_NO_CHANGE) {
		assert_int_equal(head->indir_size, old.rss.entries);
		memcpy(old.rss.entry, head->rss_config, old.rss.entries * 4);
		key += old.rss.entries * 4;
	}
	if (head->key_size != 0) {
		assert_int_equal(head->key_size, old.rss.key_bytes);
		memcpy(old.rss.key, key, old.rss.key_bytes);
	}
	if (old.knows_transform && head->rsvd8[0] != 0xff)
		old.rss.transform = head->rsvd8[0];
	return 0;
}

static int old_command(void *context, const char *name, void *command)
{
	struct ethtool_rxnfc *fields = command;

	(void)context;
	assert_string_equal(name, "eth7");
	if (!old.there)
		return -EOPNOTSUPP;
	switch (*(uint32_t *)command) {
	case ETHTOOL_GRSSH: tell(command); return 0;
	case ETHTOOL_SRSSH: return change(command);
	case ETHTOOL_GRXFH:
		if (fields->flow_type != TCP_V4_FLOW && fields->flow_type != UDP_V4_FLOW)
			return -EINVAL;
		fields->data = old.fields.of[fields->flow_type == UDP_V4_FLOW];
		return 0;
	case ETHTOOL_SRXFH:
		old.fields.of[fields->flow_type == UDP_V4_FLOW] = fields->data;
		return 0;
	default: return -EOPNOTSUPP;
	}
}

static int begin(void **state)
{
	struct netlink_wire a, b;

	(void)state;
	memset(&route, 0, sizeof(route));
	memset(&kernel, 0, sizeof(kernel));
	memset(&attributes, 0, sizeof(attributes));
	memset(&old, 0, sizeof(old));
	memset(&rss, 0, sizeof(rss));
	recorded_families(&kernel);
	a = recorded_wire(&route);
	b = recorded_wire(&kernel);
	nic_on(&nic, &a, &b, old_command, NULL);
	return 0;
}

static void put_rss(size_t entries, size_t key_bytes)
{
	static uint32_t entry[NIC_ENTRIES_MAX + 1];
	static uint8_t key[NIC_KEY_BYTES_MAX + 1];

	for (uint32_t i = 0; i < entries; i++)
		entry[i] = i % 4;
	for (uint32_t i = 0; i < key_bytes; i++)
		key[i] = (uint8_t)(i * 7);
	recorded_put_u32(&attributes, 3, 1);
	recorded_put(&attributes, 4, entry, entries * 4);
	recorded_put(&attributes, 5, key, key_bytes);
	recorded_put_u32(&attributes, 6, 2);
	recorded_generic(&kernel, RECORDED_ETHTOOL, 38, attributes.bytes, attributes.used);
	recorded_end(&kernel, 0);
}

/* ---- netlink ---- */

static void rss_is_read(void **state)
{
	(void)state;
	put_rss(128, 40);
	assert_int_equal(nic_rss(&nic, "eth7", &rss), 0);
	assert_int_equal(rss.hash, NIC_HASH_TOEPLITZ);
	assert_int_equal(rss.transform, NIC_TRANSFORM_SYMMETRIC_OR_XOR);
	assert_int_equal(rss.entries, 128);
	assert_int_equal(rss.entry[127], 3);
	assert_int_equal(rss.key_bytes, 40);
	assert_int_equal(rss.key[39], (uint8_t)(39 * 7));
	assert_int_equal(kernel.request[16], GET);
}

static void the_largest_fits_and_more_is_refused(void **state)
{
	(void)state;
	put_rss(NIC_ENTRIES_MAX, NIC_KEY_BYTES_MAX);
	assert_int_equal(nic_rss(&nic, "eth7", &rss), 0);
	attributes.used = 0;
	put_rss(NIC_ENTRIES_MAX + 1, 40);
	rss.entries = 5;
	assert_int_equal(nic_rss(&nic, "eth7", &rss), -E2BIG);
	attributes.used = 0;
	put_rss(128, NIC_KEY_BYTES_MAX + 1);
	assert_int_equal(nic_rss(&nic, "eth7", &rss), -E2BIG);
	assert_int_equal(rss.entries, 5);
}

static void an_interface_without_rss_says_so(void **state)
{
	(void)state;
	recorded_end(&kernel, -EOPNOTSUPP);
	assert_int_equal(nic_rss(&nic, "eth7", &rss), -EOPNOTSUPP);
	/* As virtio_net does: the function is there, and empty. */
	recorded_generic(&kernel, RECORDED_ETHTOOL, 38, "", 0);
	recorded_end(&kernel, 0);
	assert_int_equal(nic_rss(&nic, "eth7", &rss), -EOPNOTSUPP);
}

static void only_the_parts_asked_for_are_set(void **state)
{
	(void)state;
	rss.key_bytes = 4;
	memcpy(rss.key, "\x6d\x5a\x6d\x5a", 4);
	rss.entries = 2;
	rss.entry[1] = 1;
	rss.transform = NIC_TRANSFORM_SYMMETRIC_XOR;
	recorded_end(&kernel, 0);
	assert_int_equal(nic_rss_set(&nic, "eth7", &rss, NIC_RSS_KEY), 0);
	assert_int_equal(kernel.request[16], SET);
	assert_int_equal(kernel.request_bytes, 16 + 4 + 16 + 8);
	assert_memory_equal(kernel.request + kernel.request_bytes - 8, "\10\0\5\0\x6d\x5a\x6d\x5a",
			    8);
	recorded_end(&kernel, 0);
	assert_int_equal(
		nic_rss_set(&nic, "eth7", &rss, NIC_RSS_KEY | NIC_RSS_ENTRIES | NIC_RSS_TRANSFORM),
		0);
	assert_memory_equal(kernel.request + kernel.request_bytes - 28,
			    "\14\0\4\0\0\0\0\0\1\0\0\0"
			    "\10\0\5\0\x6d\x5a\x6d\x5a"
			    "\10\0\6\0\1\0\0\0",
			    28);
}

static void the_kernels_refusal_is_not_tried_another_way(void **state)
{
	(void)state;
	old.there = true;
	recorded_end(&kernel, -EPERM);
	assert_int_equal(nic_rss_set(&nic, "eth7", &rss, NIC_RSS_TRANSFORM), -EPERM);
	assert_int_equal(old.sets, 0);
}

/* ---- ioctl ---- */

static void an_older_kernel_is_asked_by_ioctl(void **state)
{
	(void)state;
	old.there = true;
	old.rss.entries = 3;
	old.rss.entry[2] = 9;
	old.rss.key_bytes = 5;
	memcpy(old.rss.key, "abcde", 5);
	recorded_end(&kernel, -EOPNOTSUPP);
	assert_int_equal(nic_rss(&nic, "eth7", &rss), 0);
	assert_int_equal(rss.entries, 3);
	assert_int_equal(rss.entry[2], 9);
	assert_memory_equal(rss.key, "abcde", 5);
}

static void an_older_kernel_is_set_by_ioctl(void **state)
{
	(void)state;
	old.there = true;
	old.rss.entries = 3;
	old.rss.key_bytes = 4;
	rss.entries = 3;
	rss.entry[0] = 7;
	rss.key_bytes = 4;
	memcpy(rss.key, "wxyz", 4);
	/* It does not know the byte for "as it is", and is told nothing. */
	recorded_end(&kernel, -EOPNOTSUPP);
	assert_int_equal(nic_rss_set(&nic, "eth7", &rss, NIC_RSS_KEY), 0);
	assert_memory_equal(old.rss.key, "wxyz", 4);
	assert_int_equal(old.rss.entry[0], 0);
	assert_int_equal(old.sets, 2);
	recorded_end(&kernel, -EOPNOTSUPP);
	assert_int_equal(nic_rss_set(&nic, "eth7", &rss, NIC_RSS_KEY | NIC_RSS_ENTRIES), 0);
	assert_int_equal(old.rss.entry[0], 7);
	/* A transform that it does not know is refused, not dropped. */
	rss.transform = NIC_TRANSFORM_SYMMETRIC_XOR;
	recorded_end(&kernel, -EOPNOTSUPP);
	assert_int_equal(nic_rss_set(&nic, "eth7", &rss, NIC_RSS_TRANSFORM), -EINVAL);
	old.knows_transform = true;
	recorded_end(&kernel, -EOPNOTSUPP);
	assert_int_equal(nic_rss_set(&nic, "eth7", &rss, NIC_RSS_TRANSFORM), 0);
	assert_int_equal(old.rss.transform, NIC_TRANSFORM_SYMMETRIC_XOR);
	/* And setting the key leaves it alone. */
	recorded_end(&kernel, -EOPNOTSUPP);
	assert_int_equal(nic_rss_set(&nic, "eth7", &rss, NIC_RSS_KEY), 0);
	assert_int_equal(old.rss.transform, NIC_TRANSFORM_SYMMETRIC_XOR);
}

static void fields_are_read_and_set_by_kind(void **state)
{
	struct nic_fields fields;

	(void)state;
	assert_int_equal(nic_fields(&nic, "eth7", &fields), -EOPNOTSUPP);
	old.there = true;
	old.fields.of[1] = RXH_IP_SRC;
	assert_int_equal(nic_fields(&nic, "eth7", &fields), 0);
	assert_int_equal(fields.of[1], RXH_IP_SRC);
	assert_int_equal(fields.of[3], 0); /* udp6: not told */
	assert_int_equal(nic_fields_set(&nic, "eth7", 1, RXH_IP_SRC | RXH_IP_DST), 0);
	assert_int_equal(old.fields.of[1], RXH_IP_SRC | RXH_IP_DST);
	assert_int_equal(nic_fields_set(&nic, "eth7", NIC_FLOW_KINDS, 0), -EINVAL);
}

/* ---- symmetry ---- */

static const struct nic_fields usual = {
	{ RXH_IP_SRC | RXH_IP_DST | RXH_L4_B_0_1 | RXH_L4_B_2_3, RXH_IP_SRC | RXH_IP_DST,
	  RXH_IP_SRC | RXH_IP_DST | RXH_L4_B_0_1 | RXH_L4_B_2_3, RXH_IP_SRC | RXH_IP_DST }
};

static uint32_t toeplitz(const uint8_t *key, const uint8_t *in, size_t bytes)
{
	uint32_t hash = 0;

	for (size_t bit = 0; bit < bytes * 8; bit++) {
		uint32_t window = 0;

		if ((in[bit / 8] >> (7 - bit % 8) & 1) == 0)
			continue;
		for (size_t i = bit; i < bit + 32; i++)
			window = window << 1 | (key[i / 8] >> (7 - i % 8) & 1);
		hash ^= window;
	}
	return hash;
}

static void the_repeating_key_is_symmetric_and_the_usual_one_is_not(void **state)
{
	static const uint8_t there[] = { 10, 0, 0, 1, 192, 168, 7, 9, 0xc0, 0x01, 0, 80 };
	static const uint8_t back[] = { 192, 168, 7, 9, 10, 0, 0, 1, 0, 80, 0xc0, 0x01 };

	(void)state;
	rss.hash = NIC_HASH_TOEPLITZ;
	rss.key_bytes = 40;
	for (uint32_t i = 0; i < rss.key_bytes; i++)
		rss.key[i] = i % 2 == 0 ? 0x6d : 0x5a;
	assert_true(nic_is_symmetric(&rss, &usual));
	assert_int_equal(toeplitz(rss.key, there, 12), toeplitz(rss.key, back, 12));
	rss.key[39] ^= 1;
	assert_false(nic_is_symmetric(&rss, &usual));
	for (uint32_t i = 0; i < rss.key_bytes; i++)
		rss.key[i] = (uint8_t)(i * 37 + 11);
	assert_false(nic_is_symmetric(&rss, &usual));
	assert_int_not_equal(toeplitz(rss.key, there, 12), toeplitz(rss.key, back, 12));
}

static void another_hash_needs_a_transform(void **state)
{
	(void)state;
	rss.hash = 2;
	rss.key_bytes = 40;
	memset(rss.key, 0x6d, 40);
	assert_false(nic_is_symmetric(&rss, &usual));
	rss.transform = NIC_TRANSFORM_SYMMETRIC_XOR;
	assert_true(nic_is_symmetric(&rss, &usual));
	rss.transform = NIC_TRANSFORM_SYMMETRIC_OR_XOR;
	assert_true(nic_is_symmetric(&rss, &usual));
	rss.transform = 4; /* whatever that will be */
	assert_false(nic_is_symmetric(&rss, &usual));
}

static void no_key_is_no_symmetry(void **state)
{
	(void)state;
	rss.hash = NIC_HASH_TOEPLITZ;
	assert_false(nic_is_symmetric(&rss, &usual));
}

static void a_field_of_one_side_breaks_it(void **state)
{
	struct nic_fields f = usual;

	(void)state;
	rss.transform = NIC_TRANSFORM_SYMMETRIC_XOR;
	f.of[2] = RXH_IP_SRC | RXH_IP_DST | RXH_L4_B_0_1;
	assert_false(nic_is_symmetric(&rss, &f));
	f.of[2] = RXH_IP_DST;
	assert_false(nic_is_symmetric(&rss, &f));
	f.of[2] = 0;
	assert_true(nic_is_symmetric(&rss, &f));
	assert_true(nic_fields_paired(RXH_VLAN | RXH_L3_PROTO));
	assert_false(nic_fields_paired(RXH_L2DA));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(rss_is_read, begin),
		cmocka_unit_test_setup(the_largest_fits_and_more_is_refused, begin),
		cmocka_unit_test_setup(an_interface_without_rss_says_so, begin),
		cmocka_unit_test_setup(only_the_parts_asked_for_are_set, begin),
		cmocka_unit_test_setup(the_kernels_refusal_is_not_tried_another_way, begin),
		cmocka_unit_test_setup(an_older_kernel_is_asked_by_ioctl, begin),
		cmocka_unit_test_setup(an_older_kernel_is_set_by_ioctl, begin),
		cmocka_unit_test_setup(fields_are_read_and_set_by_kind, begin),
		cmocka_unit_test_setup(the_repeating_key_is_symmetric_and_the_usual_one_is_not,
				       begin),
		cmocka_unit_test_setup(another_hash_needs_a_transform, begin),
		cmocka_unit_test_setup(no_key_is_no_symmetry, begin),
		cmocka_unit_test_setup(a_field_of_one_side_breaks_it, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
