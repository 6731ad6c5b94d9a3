/* Proves that offloads are read out of both kinds of bit sets, that a change that the kernel did
 * not grant is no success, that rings and channels are read and set, and what exactly is asked. */
#include "dataplane/base/nic.h"

#include <errno.h>
#include <linux/ethtool_netlink.h>
#include <string.h>

#include "tests/support/recorded.h"

static struct recorded route, kernel;
static struct recorded_attributes attributes;
static struct nic nic;

static int begin(void **state)
{
	struct netlink_wire a, b;

	(void)state;
	memset(&route, 0, sizeof(route));
	memset(&kernel, 0, sizeof(kernel));
	memset(&attributes, 0, sizeof(attributes));
	recorded_families(&kernel);
	a = recorded_wire(&route);
	b = recorded_wire(&kernel);
	nic_on(&nic, &a, &b, NULL, NULL);
	return 0;
}

static void put_bit(uint32_t index, const char *name, bool value)
{
	size_t bit = recorded_begin(&attributes, ETHTOOL_A_BITSET_BITS_BIT);

	recorded_put_u32(&attributes, ETHTOOL_A_BITSET_BIT_INDEX, index);
	recorded_put_text(&attributes, ETHTOOL_A_BITSET_BIT_NAME, name);
	if (value)
		recorded_put(&attributes, ETHTOOL_A_BITSET_BIT_VALUE, NULL, 0);
	recorded_finish(&attributes, bit);
}

/* The kernel lists every bit of HW, and of the others those that are on. */
static void put_features(bool gro, bool lro_fixed)
{
	size_t set, bits;

	attributes.used = 0;
	set = recorded_begin(&attributes, ETHTOOL_A_FEATURES_HW);
	recorded_put_u32(&attributes, ETHTOOL_A_BITSET_SIZE, 64);
	bits = recorded_begin(&attributes, ETHTOOL_A_BITSET_BITS);
	put_bit(14, "rx-gro", true);
	put_bit(15, "rx-lro", true);
	put_bit(52, "rx-gro-hw", false);
	recorded_finish(&attributes, bits);
	recorded_finish(&attributes, set);
	set = recorded_begin(&attributes, ETHTOOL_A_FEATURES_ACTIVE);
	recorded_put(&attributes, ETHTOOL_A_BITSET_NOMASK, NULL, 0);
	bits = recorded_begin(&attributes, ETHTOOL_A_BITSET_BITS);
	if (gro)
		put_bit(14, "rx-gro", false);
	put_bit(15, "rx-lro", false);
	recorded_finish(&attributes, bits);
	recorded_finish(&attributes, set);
	set = recorded_begin(&attributes, ETHTOOL_A_FEATURES_NOCHANGE);
	recorded_put(&attributes, ETHTOOL_A_BITSET_NOMASK, NULL, 0);
	bits = recorded_begin(&attributes, ETHTOOL_A_BITSET_BITS);
	if (lro_fixed)
		put_bit(15, "rx-lro", false);
	recorded_finish(&attributes, bits);
	recorded_finish(&attributes, set);
	recorded_generic(&kernel, RECORDED_ETHTOOL, ETHTOOL_MSG_FEATURES_GET_REPLY,
			 attributes.bytes, attributes.used);
	recorded_end(&kernel, 0);
}

static void offloads_are_read(void **state)
{
	struct nic_feature f[] = { { .name = "rx-gro" },
				   { .name = "rx-lro" },
				   { .name = "rx-gro-hw" },
				   { .name = "rx-g" } };

	(void)state;
	put_features(true, true);
	assert_int_equal(nic_features(&nic, "eth7", f, 4), 0);
	assert_true(f[0].known && f[0].active && f[0].changeable);
	assert_true(f[1].known && f[1].active && !f[1].changeable);
	assert_true(f[2].known && !f[2].active && !f[2].changeable);
	assert_false(f[3].known || f[3].active || f[3].changeable);
	/* ETHTOOL_MSG_FEATURES_GET, header { name } */
	assert_memory_equal(kernel.request + 16, "\13\1\0\0\20\0\1\200\11\0\2\0eth7\0", 17);
}

static void an_offload_is_switched_and_looked_at_again(void **state)
{
	(void)state;
	recorded_end(&kernel, 0);
	put_features(false, false);
	assert_int_equal(nic_feature_set(&nic, "eth7", "rx-gro", false), 0);
}

static void what_is_asked_for_is_one_bit_by_name(void **state)
{
	/* clang-format off */
	static const uint8_t off[] = {
		12, 1, 0, 0,                                   /* FEATURES_SET */
		24, 0, 1, 128,                                 /* header: name, no reply */
			9, 0, 2, 0, 'e', 't', 'h', '7', 0, 0, 0, 0,
			8, 0, 3, 0, 2, 0, 0, 0,
		24, 0, 3, 128, 20, 0, 3, 128, 16, 0, 1, 128,   /* wanted: bits: bit: its name */
			11, 0, 2, 0, 'r', 'x', '-', 'g', 'r', 'o', 0, 0,
	};
	/* clang-format on */

	(void)state;
	recorded_end(&kernel, -EPERM);
	assert_int_equal(nic_feature_set(&nic, "eth7", "rx-gro", false), -EPERM);
	assert_int_equal(kernel.request_bytes, 16 + sizeof(off));
	assert_memory_equal(kernel.request + 16, off, sizeof(off));
}

static void a_change_that_was_not_granted_is_no_success(void **state)
{
	(void)state;
	recorded_end(&kernel, 0);
	put_features(true, false);
	assert_int_equal(nic_feature_set(&nic, "eth7", "rx-gro", false), -EOPNOTSUPP);
}

static void rings_are_read_and_set(void **state)
{
	struct nic_rings rings = { 1, 1 };

	(void)state;
	recorded_put_u32(&attributes, ETHTOOL_A_RINGS_RX_MAX, 8192);
	recorded_put_u32(&attributes, ETHTOOL_A_RINGS_TX_MAX, 4096);
	recorded_put_u32(&attributes, ETHTOOL_A_RINGS_RX, 512);
	recorded_generic(&kernel, RECORDED_ETHTOOL, ETHTOOL_MSG_RINGS_GET_REPLY, attributes.bytes,
			 attributes.used);
	recorded_end(&kernel, 0);
	assert_int_equal(nic_rings(&nic, "eth7", &rings), 0);
	assert_int_equal(rings.rx, 512);
	assert_int_equal(rings.rx_max, 8192);
	recorded_end(&kernel, 0);
	assert_int_equal(nic_rings_set(&nic, "eth7", 4096), 0);
	assert_int_equal(kernel.request[16], ETHTOOL_MSG_RINGS_SET);
	assert_memory_equal(kernel.request + kernel.request_bytes - 8, "\10\0\6\0\0\20\0\0", 8);
}

static void a_driver_without_rings_says_so(void **state)
{
	struct nic_rings rings = { 1, 1 };

	(void)state;
	recorded_end(&kernel, -EOPNOTSUPP);
	assert_int_equal(nic_rings(&nic, "eth7", &rings), -EOPNOTSUPP);
	assert_int_equal(rings.rx, 1);
}

static void channels_are_read(void **state)
{
	struct nic_channels c;

	(void)state;
	recorded_put_u32(&attributes, ETHTOOL_A_CHANNELS_COMBINED_MAX, 64);
	recorded_put_u32(&attributes, ETHTOOL_A_CHANNELS_COMBINED_COUNT, 8);
	recorded_put(&attributes, ETHTOOL_A_CHANNELS_RX_COUNT, "\1\0", 2); /* no number */
	recorded_generic(&kernel, RECORDED_ETHTOOL, ETHTOOL_MSG_CHANNELS_GET_REPLY,
			 attributes.bytes, attributes.used);
	recorded_end(&kernel, 0);
	assert_int_equal(nic_channels(&nic, "eth7", &c), 0);
	assert_int_equal(c.combined, 8);
	assert_int_equal(c.combined_max, 64);
	assert_int_equal(c.rx, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(offloads_are_read, begin),
		cmocka_unit_test_setup(an_offload_is_switched_and_looked_at_again, begin),
		cmocka_unit_test_setup(what_is_asked_for_is_one_bit_by_name, begin),
		cmocka_unit_test_setup(a_change_that_was_not_granted_is_no_success, begin),
		cmocka_unit_test_setup(rings_are_read_and_set, begin),
		cmocka_unit_test_setup(a_driver_without_rings_says_so, begin),
		cmocka_unit_test_setup(channels_are_read, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
