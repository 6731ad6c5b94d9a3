/* Proves bytes.h: network order at any address, up to the very end of the memory there is. */
#include "dataplane/base/bytes.h"
#include "tests/support/check.h"
#include "tests/support/guarded.h"

static const uint8_t bytes[] = { 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0xfe, 0xdc };

static void integers_are_read_in_network_order(void **state)
{
	(void)state;
	assert_int_equal(be16_at(bytes), 0x0123);
	assert_int_equal(be32_at(bytes), 0x01234567);
	assert_true(be64_at(bytes) == UINT64_C(0x0123456789abcdef));
}

static void the_top_bit_is_no_sign(void **state)
{
	(void)state;
	assert_int_equal(be16_at(bytes + 8), 0xfedc);
	assert_true(be32_at(bytes + 4) == 0x89abcdefu);
	assert_true(be64_at(bytes + 1) == UINT64_C(0x23456789abcdeffe));
	assert_true(be64_at(bytes + 2) == UINT64_C(0x456789abcdeffedc));
}

static void any_address_will_do_and_nothing_behind_is_read(void **state)
{
	struct guarded g;

	(void)state;
	guarded_init(&g, sizeof(bytes));
	for (size_t from = 0; from + 8 <= sizeof(bytes); from++) {
		assert_int_equal(be16_at(guarded_put(&g, bytes + from, 2)),
				 bytes[from] << 8 | bytes[from + 1]);
		assert_true(be32_at(guarded_put(&g, bytes + from, 4)) == be32_at(bytes + from));
		assert_true(be64_at(guarded_put(&g, bytes + from, 8)) == be64_at(bytes + from));
	}
	guarded_fini(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(integers_are_read_in_network_order),
		cmocka_unit_test(the_top_bit_is_no_sign),
		cmocka_unit_test(any_address_will_do_and_nothing_behind_is_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
