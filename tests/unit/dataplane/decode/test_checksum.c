/* Proves that checksum_finish() is 0 exactly for bytes that carry a right checksum, for every
 * length and alignment, in pieces or at once, and that carries are not lost in long input.
 */
#include "tests/support/check.h"

#include <string.h>

#include "dataplane/decode/checksum.h"

/* RFC 1071 section 3, its numerical example. */
static const uint8_t example[] = { 0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7 };

static void example_of_the_rfc_has_its_sum(void **state)
{
	(void)state;
	uint16_t sum = checksum_finish(checksum_add(0, example, sizeof(example)));
	uint8_t stored[2];

	memcpy(stored, &sum, sizeof(stored));
	assert_int_equal(stored[0], 0xff & ~0xdd);
	assert_int_equal(stored[1], 0xff & ~0xf2);
}

static void right_checksum_sums_to_zero_and_one_changed_bit_does_not(void **state)
{
	(void)state;
	uint8_t space[80];

	for (size_t at = 0; at < 4; at++) {
		for (size_t bytes = 2; bytes < 70; bytes++) {
			uint8_t *data = space + at;

			for (size_t i = 0; i < bytes; i++)
				data[i] = (uint8_t)(i * 37 + bytes);
			memset(data, 0, 2);

			uint16_t sum = checksum_finish(checksum_add(0, data, bytes));

			memcpy(data, &sum, sizeof(sum));
			assert_int_equal(checksum_finish(checksum_add(0, data, bytes)), 0);
			data[bytes - 1] ^= 0x10;
			assert_int_not_equal(checksum_finish(checksum_add(0, data, bytes)), 0);
		}
	}
}

static void pieces_sum_like_the_whole(void **state)
{
	(void)state;
	for (size_t cut = 0; cut <= sizeof(example); cut += 2) {
		uint64_t sum = checksum_add(0, example, cut);

		sum = checksum_add(sum, example + cut, sizeof(example) - cut);
		assert_int_equal(checksum_finish(sum),
				 checksum_finish(checksum_add(0, example, sizeof(example))));
	}
}

static void long_input_of_ones_loses_no_carry(void **state)
{
	(void)state;
	static uint8_t ones[65535];

	memset(ones, 0xff, sizeof(ones));
	assert_int_equal(checksum_finish(checksum_add(0, ones, 65534)), 0);
	ones[40000] = 0xfe;
	assert_int_not_equal(checksum_finish(checksum_add(0, ones, 65534)), 0);
	assert_int_not_equal(checksum_finish(checksum_add(0, ones, 65535)), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(example_of_the_rfc_has_its_sum),
		cmocka_unit_test(right_checksum_sums_to_zero_and_one_changed_bit_does_not),
		cmocka_unit_test(pieces_sum_like_the_whole),
		cmocka_unit_test(long_input_of_ones_loses_no_carry),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
