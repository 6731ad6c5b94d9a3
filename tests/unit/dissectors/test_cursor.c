/* Proves of dissectors/cursor.h: numbers are read in network order and in their order; running out
 * yields zeros, is remembered for good, and reads nothing beyond the end.
 * Every input ends at an unreadable page.
 */
#include "tests/support/check.h"

#include "dissectors/cursor.h"
#include "tests/support/guarded.h"

static const uint8_t bytes[] = { 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0xfe, 0xdc };

static struct guarded g;

static struct cursor over(size_t n)
{
	return cursor_over(slice_of(guarded_put(&g, bytes, n), n));
}

static int set_up(void **state)
{
	(void)state;
	guarded_init(&g, sizeof(bytes));
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	guarded_fini(&g);
	return 0;
}

static void numbers_come_in_order_and_in_network_order(void **state)
{
	(void)state;
	struct cursor c = over(sizeof(bytes));

	assert_int_equal(cursor_u8(&c), 0x01);
	assert_int_equal(cursor_be16(&c), 0x2345);
	assert_int_equal(cursor_be32(&c), 0x6789abcd);
	assert_true(cursor_be(&c, 3) == 0xeffedc);
	assert_false(c.failed);
	assert_int_equal(c.left.bytes, 0);
}

static void eight_bytes_are_a_number(void **state)
{
	(void)state;
	struct cursor c = over(8);

	assert_true(cursor_be(&c, 8) == UINT64_C(0x0123456789abcdef));
	assert_false(c.failed);
}

static void a_slice_is_taken_in_place(void **state)
{
	(void)state;
	struct cursor c = over(sizeof(bytes));
	const uint8_t *start = c.left.at;
	struct slice s;

	cursor_u8(&c);
	s = cursor_take(&c, 4);
	assert_ptr_equal(s.at, start + 1);
	assert_int_equal(s.bytes, 4);
	assert_int_equal(c.left.bytes, sizeof(bytes) - 5);
}

static void taking_nothing_at_the_end_does_not_fail(void **state)
{
	(void)state;
	struct cursor c = over(1);

	cursor_u8(&c);
	assert_int_equal(cursor_take(&c, 0).bytes, 0);
	assert_false(c.failed);
}

static void one_byte_too_many_yields_zero_and_takes_nothing(void **state)
{
	(void)state;
	for (size_t n = 0; n < 4; n++) {
		struct cursor c = over(n);

		assert_int_equal(cursor_be32(&c), 0);
		assert_true(c.failed);
		assert_int_equal(c.left.bytes, n);
	}
}

static void running_out_is_remembered(void **state)
{
	(void)state;
	struct cursor c = over(3);
	struct slice s;

	cursor_be32(&c);
	assert_int_equal(cursor_u8(&c), 0); /* there is a byte, but the order is lost */
	s = cursor_take(&c, 0);
	assert_null(s.at);
	assert_true(c.failed);
}

static void a_length_that_wraps_is_too_many(void **state)
{
	(void)state;
	struct cursor c = over(sizeof(bytes));

	assert_null(cursor_take(&c, SIZE_MAX).at);
	assert_true(c.failed);
}

static void what_is_behind_a_slice_never_begins_before_its_end(void **state)
{
	(void)state;
	struct slice s = slice_of(bytes, 4), after = slice_after(s, 3);

	assert_ptr_equal(after.at, bytes + 3);
	assert_int_equal(after.bytes, 1);
	after = slice_after(s, SIZE_MAX);
	assert_ptr_equal(after.at, bytes + 4);
	assert_int_equal(after.bytes, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_come_in_order_and_in_network_order),
		cmocka_unit_test(eight_bytes_are_a_number),
		cmocka_unit_test(a_slice_is_taken_in_place),
		cmocka_unit_test(taking_nothing_at_the_end_does_not_fail),
		cmocka_unit_test(one_byte_too_many_yields_zero_and_takes_nothing),
		cmocka_unit_test(running_out_is_remembered),
		cmocka_unit_test(a_length_that_wraps_is_too_many),
		cmocka_unit_test(what_is_behind_a_slice_never_begins_before_its_end),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
