/* Proves the progress line: its numbers at the beginning, in the middle and beyond the end of an
 * input, of known and unknown length, and that it leaves nothing behind.
 */
#include "control/daemon/progress.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SECOND UINT64_C(1000000000)
#define ERASE  "\r\x1b[K"

static struct books *b;
static char text[512];

static int open_books(void **state)
{
	(void)state;
	b = calloc(1, sizeof(*b));
	if (b == NULL)
		return -1;
	b->workers = 1;
	return 0;
}

static int close_books(void **state)
{
	(void)state;
	free(b);
	return 0;
}

static void set(unsigned worker, uint64_t position, uint64_t total)
{
	b->worker[worker].counters.value[C_position_bytes] = position;
	b->worker[worker].counters.value[C_position_total_bytes] = total;
}

static const char *draw(uint64_t now_ns)
{
	struct progress p;
	FILE *f = fmemopen(text, sizeof(text), "w");

	assert_non_null(f);
	progress_init(&p, true, 0);
	progress_draw(&p, b, now_ns, f);
	assert_true(p.shown);
	fclose(f);
	return text;
}

static void the_middle_of_a_file_has_per_cent_rate_and_rest(void **state)
{
	(void)state;
	b->worker[0].counters.value[C_received] = 1234567;
	b->worker[0].counters.value[C_requests_paired] = 61234;
	set(0, 50000000, 200000000);
	assert_string_equal(draw(4 * SECOND),
			    ERASE " 25 %   12.5 MB/s   1234567 packets   61234 pairs   0:12 left");
}

static void hours_are_hours(void **state)
{
	(void)state;
	set(0, 1, 3662);
	assert_non_null(strstr(draw(SECOND), "   1:01:01 left"));
}

static void the_beginning_promises_nothing(void **state)
{
	(void)state;
	set(0, 0, 1000);
	assert_string_equal(draw(0), ERASE "  0 %   0.0 MB/s   0 packets   0 pairs");
}

static void a_pipe_has_no_end_to_come_to(void **state)
{
	(void)state;
	set(0, 2500000, 0);
	assert_string_equal(draw(SECOND), ERASE "2.5 MB   2.5 MB/s   0 packets   0 pairs");
}

static void a_file_that_grew_is_read_to_100_per_cent(void **state)
{
	(void)state;
	set(0, 300, 200);
	assert_non_null(strstr(draw(SECOND), ERASE "100 % "));
	assert_non_null(strstr(text, "0:00 left"));
}

static void the_slowest_worker_is_how_far_it_is(void **state)
{
	(void)state;
	b->workers = 2;
	set(0, 900, 1000);
	set(1, 100, 1000);
	assert_non_null(strstr(draw(SECOND), ERASE " 10 % "));
}

static void it_is_drawn_four_times_a_second_and_only_if_asked_for(void **state)
{
	struct progress p;

	(void)state;
	progress_init(&p, true, SECOND);
	assert_false(progress_due(&p, SECOND + SECOND / 4 - 1));
	assert_true(progress_due(&p, SECOND + SECOND / 4));
	progress_init(&p, false, SECOND);
	assert_false(progress_due(&p, 100 * SECOND));
}

static void what_was_drawn_is_erased_once(void **state)
{
	struct progress p = { .shown = true };
	FILE *f = fmemopen(text, sizeof(text), "w");

	(void)state;
	assert_non_null(f);
	progress_erase(&p, f);
	progress_erase(&p, f);
	fclose(f);
	assert_string_equal(text, ERASE);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_books, close_books)
	const struct CMUnitTest tests[] = {
		TEST(the_middle_of_a_file_has_per_cent_rate_and_rest),
		TEST(hours_are_hours),
		TEST(the_beginning_promises_nothing),
		TEST(a_pipe_has_no_end_to_come_to),
		TEST(a_file_that_grew_is_read_to_100_per_cent),
		TEST(the_slowest_worker_is_how_far_it_is),
		TEST(it_is_drawn_four_times_a_second_and_only_if_asked_for),
		TEST(what_was_drawn_is_erased_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
