/* Proves that the lines of weir and of old and new tappers give the numbers that are in them, that
 * counts become rates by their own interval, and that a line that is cut, out of time, or no line
 * at all changes nothing and is counted. */
#include "control/bench/stats_log.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/check.h"
#include "tests/support/guarded.h"

#define STAMP(time) "[2022-05-08T" time "+0300] INFO  \xe2\x96\xb6 "
#define COUNTS(bytes, packets, ignored, pairs)                                                     \
	"{\"processedBytes\":" bytes ",\"packetsCount\":" packets                                  \
	",\"tcpPacketsCount\":0,\"ignoredPacketsCount\":" ignored                                  \
	",\"reassembledTcpPayloadsCount\":0,\"tlsConnectionsCount\":0,\"matchedPairs\":" pairs     \
	",\"droppedTcpStreams\":2,\"liveTcpStreams\":10,\"ignoredLastAckCount\":0,"                \
	"\"throttledPackets\":3}"

static struct stats_log log_;

static int begin(void **state)
{
	(void)state;
	stats_log_init(&log_);
	return 0;
}

static int end(void **state)
{
	(void)state;
	stats_log_free(&log_);
	return 0;
}

static void line(const char *text)
{
	stats_log_line(&log_, text, strlen(text), true);
}

static double y(int series, size_t i)
{
	assert_true(i < log_.series[series].count);
	return log_.series[series].y[i];
}

static void check_near(double found, double wanted)
{
	if (!(fabs(found - wanted) <= 1e-6 * fabs(wanted) + 1e-9))
		fail_msg("%.9g is not %.9g", found, wanted);
}

/* The tapper's own example, of one interval of ten seconds. */
static void the_tappers_lines_are_read(void **state)
{
	(void)state;
	line(STAMP("16:03:01.000") "Starting");
	line(STAMP(
		"16:03:11.000") "heap-alloc: 24441240, heap-idle: 5341184, heap-objects: 182233, "
				"goroutines: 29, cpu: 91.208791, cores: 16/8, rss: "
				"87052288.000000 \xe2\x96\xb6 [1 a.go:1 f]");
	line(STAMP("16:03:11.000") "app stats - " COUNTS("468940592", "174883", "83",
							 "24821") " \xe2\x96\xb6 [1 a.go:1 f]");
	line(", packet-source-stats: [host-lo: rec: 123 dropped: 4 host-eth0: rec: 1 dropped: 6]");
	stats_log_end(&log_);
	check_near(y(STATS_LOG_CPU, 0), 91.208791);
	check_near(y(STATS_LOG_RSS, 0), 87052288 / 1048576.0);
	check_near(y(STATS_LOG_HEAP, 0), 24441240 / 1048576.0);
	check_near(y(STATS_LOG_GOROUTINES, 0), 29);
	check_near(y(STATS_LOG_PACKETS, 0), 17480);
	check_near(y(STATS_LOG_MATCHED, 0), 2482.1);
	check_near(y(STATS_LOG_BYTES, 0), 468940592 / 1048576.0 / 10);
	check_near(y(STATS_LOG_LIVE, 0), 10);
	check_near(y(STATS_LOG_SHED, 0), 0.5);
	check_near(y(STATS_LOG_DROPPED, 0), 1);
	check_near(log_.series[STATS_LOG_CPU].x[0], 10);
	check_near(log_.total[STATS_LOG_PACKETS], 174800);
	check_near(log_.seconds, 10);
}

static void old_lines_have_fewer_fields_and_another_name_for_memory(void **state)
{
	(void)state;
	line(STAMP("16:03:01.000") "Starting");
	line(STAMP(
		"16:03:03.000") "mem: 1048576, goroutines: 7, cpu: 5, cores: 16/8, rss: 2097152");
	line(STAMP("16:03:03.000") "stats - {\"processedBytes\":2097152,\"packetsCount\":20,"
				   "\"tcpPacketsCount\":20,\"reassembledTcpPayloadsCount\":9,"
				   "\"tlsConnectionsCount\":0,\"matchedPairs\":4}");
	stats_log_end(&log_);
	check_near(y(STATS_LOG_HEAP, 0), 1);
	check_near(y(STATS_LOG_RSS, 0), 2);
	check_near(y(STATS_LOG_PACKETS, 0), 10);
	check_near(y(STATS_LOG_MATCHED, 0), 2);
	check_near(y(STATS_LOG_BYTES, 0), 1);
	assert_true(isnan(y(STATS_LOG_LIVE, 0)));
	assert_true(isnan(y(STATS_LOG_SHED, 0)));
}

static void each_interval_counts_with_its_own_length(void **state)
{
	(void)state;
	line(STAMP("23:59:55.500") "stats every 5.000s");
	line("[2022-05-09T00:00:00.500+0300] INFO app stats - " COUNTS("0", "50", "0", "0"));
	line("[2022-05-09T00:00:05.500+0300] INFO app stats - " COUNTS("0", "100", "0", "0"));
	line("[2022-05-09T00:00:07.500+0300] INFO app stats - " COUNTS("0", "100", "0", "0"));
	stats_log_end(&log_);
	check_near(y(STATS_LOG_PACKETS, 0), 10);
	check_near(y(STATS_LOG_PACKETS, 1), 20);
	check_near(y(STATS_LOG_PACKETS, 2), 50);
	check_near(log_.series[STATS_LOG_PACKETS].x[2], 12);
}

/* The first line is not the beginning: how long its interval was is told by the others. */
static void a_piece_of_a_log_borrows_its_first_interval(void **state)
{
	(void)state;
	line(STAMP("16:00:00.000") "heap-alloc: 1, goroutines: 1, cpu: 1.0, cores: 1/1, rss: 1.0");
	line(STAMP("16:00:00.001") "app stats - " COUNTS("0", "100", "0", "0"));
	line(STAMP("16:00:10.001") "app stats - " COUNTS("0", "100", "0", "0"));
	stats_log_end(&log_);
	check_near(y(STATS_LOG_PACKETS, 0), 10);
	check_near(y(STATS_LOG_PACKETS, 1), 10);
	assert_false(log_.no_interval);
}

static void one_interval_of_unknown_length_has_no_rate(void **state)
{
	(void)state;
	line(STAMP("16:00:00.000") "app stats - " COUNTS("0", "100", "0", "0"));
	stats_log_end(&log_);
	assert_true(isnan(y(STATS_LOG_PACKETS, 0)));
	check_near(log_.total[STATS_LOG_PACKETS], 100);
	assert_true(log_.no_interval);
}

static void a_clock_that_goes_back_leaves_a_gap_and_no_negative_time(void **state)
{
	(void)state;
	line(STAMP("16:00:00.000") "begin");
	line(STAMP("16:00:10.000") "app stats - " COUNTS("0", "100", "0", "0"));
	line(STAMP("15:00:10.000") "app stats - " COUNTS("0", "100", "0", "0"));
	line(STAMP("15:00:20.000") "app stats - " COUNTS("0", "200", "0", "0"));
	stats_log_end(&log_);
	assert_int_equal(log_.backwards, 1);
	check_near(y(STATS_LOG_PACKETS, 0), 10);
	assert_true(isnan(y(STATS_LOG_PACKETS, 1)));
	check_near(y(STATS_LOG_PACKETS, 2), 20);
	check_near(log_.series[STATS_LOG_PACKETS].x[1], 10);
	check_near(log_.series[STATS_LOG_PACKETS].x[2], 20);
}

/* Threads write in any order: a few milliseconds are no clock that goes back. */
static void lines_that_changed_places_are_no_fault(void **state)
{
	(void)state;
	line(STAMP("16:00:00.000") "begin");
	line(STAMP("16:00:10.010") "something");
	line(STAMP("16:00:10.000") "app stats - " COUNTS("0", "100", "0", "0"));
	stats_log_end(&log_);
	assert_int_equal(log_.backwards, 0);
	check_near(y(STATS_LOG_PACKETS, 0), 100 / 10.01);
}

static void drops_are_differences_and_may_begin_again(void **state)
{
	(void)state;
	line(STAMP("16:00:00.000") "begin");
	line(STAMP("16:00:01.000") "packet-source-stats: [host-lo: rec: 9 dropped: 5]");
	line(STAMP("16:00:03.000") "packet-source-stats: [host-lo: rec: 9 dropped: 25]");
	line(STAMP("16:00:04.000") "packet-source-stats: [host-lo: rec: 9 dropped: 3]");
	stats_log_end(&log_);
	check_near(y(STATS_LOG_DROPPED, 0), 5);
	check_near(y(STATS_LOG_DROPPED, 1), 10);
	check_near(y(STATS_LOG_DROPPED, 2), 3);
	check_near(log_.total[STATS_LOG_DROPPED], 28);
}

static void whatever_is_before_the_stamp_does_not_hide_it(void **state)
{
	(void)state;
	line("tapper-7 [x] " STAMP("16:00:00.000") "begin");
	line("tapper-7 [x] [2022-05-08T13:00:02Z] app stats - " COUNTS("0", "100", "0", "0"));
	stats_log_end(&log_);
	check_near(y(STATS_LOG_PACKETS, 0), 50);
}

static void lines_before_the_first_stamp_are_left_out_and_counted(void **state)
{
	(void)state;
	line("app stats - " COUNTS("0", "100", "0", "0"));
	line("[2022-13-08T16:00:00.000+0300] app stats - " COUNTS("0", "100", "0", "0"));
	stats_log_end(&log_);
	assert_int_equal(log_.unstamped, 2);
	assert_false(stats_log_usable(&log_));
}

static void every_prefix_of_a_line_is_whole_or_cut_and_never_read_beyond(void **state)
{
	static const char *const text[] = {
		STAMP("16:00:10.000") "app stats - " COUNTS("1", "2", "3", "4"),
		STAMP("16:00:10.000") "heap-alloc: 5, goroutines: 6, cpu: 7.5, cores: 1/1, rss: "
				      "8.25",
		STAMP("16:00:10.000") "packet-source-stats: [host-lo: rec: 9 dropped: 10]",
	};
	struct guarded g;

	(void)state;
	guarded_init(&g, 512);
	for (size_t t = 0; t < sizeof(text) / sizeof(text[0]); t++)
		for (size_t n = 0; n < strlen(text[t]); n++) {
			stats_log_free(&log_);
			line(STAMP("16:00:00.000") "begin");
			stats_log_line(&log_, (const char *)guarded_put(&g, text[t], n), n, false);
			stats_log_end(&log_);
			assert_false(stats_log_usable(&log_));
			assert_true(log_.cut <= 1);
		}
	assert_int_equal(log_.cut, 1);
	guarded_fini(&g);
}

static void numbers_that_are_none_are_not_told(void **state)
{
	(void)state;
	line(STAMP("16:00:00.000") "begin");
	line(STAMP("16:00:10.000") "goroutines: , heap-alloc: x1, cpu: -5, rss: ");
	line(STAMP("16:00:10.000") "app stats - {\"packetsCount\":nan,\"matchedPairs\":null,"
				   "\"processedBytes\":99999999999999999999999999}");
	stats_log_end(&log_);
	assert_true(isnan(y(STATS_LOG_CPU, 0)));
	assert_true(isnan(y(STATS_LOG_RSS, 0)));
	assert_true(isnan(y(STATS_LOG_HEAP, 0)));
	assert_true(isnan(y(STATS_LOG_PACKETS, 0)));
	assert_true(isnan(y(STATS_LOG_MATCHED, 0)));
	assert_true(isfinite(y(STATS_LOG_BYTES, 0)));
}

/* ---- files ---- */

static char path[] = "/tmp/weir-stats-log-XXXXXX";

static void put_file(const void *bytes, size_t count)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, count, f), count);
	fclose(f);
	stats_log_free(&log_);
}

static void a_file_is_read_to_its_end_whatever_is_in_it(void **state)
{
	static const char text[] = STAMP(
		"16:00:00.000") "begin\n"
				"a\0b\n" STAMP("16:00:10.000") "app stats - " COUNTS(
					"0", "100", "0", "0") "\n" STAMP("16:00:20.000") "app st";
	unsigned char noise[70000];

	(void)state;
	put_file(text, sizeof(text) - 1);
	assert_int_equal(stats_log_read(&log_, path), 0);
	assert_true(log_.binary);
	assert_int_equal(log_.count_lines, 1);
	assert_int_equal(log_.lines, 4);
	check_near(y(STATS_LOG_PACKETS, 0), 10);

	for (size_t i = 0; i < sizeof(noise); i++)
		noise[i] = (unsigned char)(i * 2654435761U >> 13);
	noise[0] = 0x1f;
	put_file(noise, sizeof(noise));
	assert_int_equal(stats_log_read(&log_, path), 0);
	assert_false(stats_log_usable(&log_));
	assert_true(log_.compressed);

	memset(noise, 'x', sizeof(noise)); /* one line, longer than is kept */
	put_file(noise, sizeof(noise));
	assert_int_equal(stats_log_read(&log_, path), 0);
	assert_int_equal(log_.lines, 1);

	put_file("", 0);
	assert_int_equal(stats_log_read(&log_, path), 0);
	assert_int_equal(log_.lines, 0);
}

static void what_is_no_file_is_an_error(void **state)
{
	(void)state;
	assert_int_equal(stats_log_read(&log_, "/nonexistent"), -ENOENT);
	assert_int_equal(stats_log_read(&log_, "/tmp"), -EISDIR);
	stats_log_init(&log_);
}

static int make_path(void **state)
{
	int fd = mkstemp(path);

	(void)state;
	return fd < 0 ? -1 : close(fd);
}

static int remove_path(void **state)
{
	(void)state;
	return unlink(path);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(the_tappers_lines_are_read),
		TEST(old_lines_have_fewer_fields_and_another_name_for_memory),
		TEST(each_interval_counts_with_its_own_length),
		TEST(a_piece_of_a_log_borrows_its_first_interval),
		TEST(one_interval_of_unknown_length_has_no_rate),
		TEST(a_clock_that_goes_back_leaves_a_gap_and_no_negative_time),
		TEST(lines_that_changed_places_are_no_fault),
		TEST(drops_are_differences_and_may_begin_again),
		TEST(whatever_is_before_the_stamp_does_not_hide_it),
		TEST(lines_before_the_first_stamp_are_left_out_and_counted),
		TEST(every_prefix_of_a_line_is_whole_or_cut_and_never_read_beyond),
		TEST(numbers_that_are_none_are_not_told),
		TEST(a_file_is_read_to_its_end_whatever_is_in_it),
		TEST(what_is_no_file_is_an_error),
	};

	return cmocka_run_group_tests(tests, make_path, remove_path);
}
