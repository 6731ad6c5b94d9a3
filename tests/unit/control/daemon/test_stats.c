/* Proves that the stats lines read as those of the tapper: the eleven keys in their order,
 * differences but for the live streams, sums over workers, and numbers that its regular expressions
 * find.
 */
#include "control/daemon/stats.h"

#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define STAMP                                                                                      \
	"\\[[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}[+-][0-9]{4}\\] "      \
	"INFO  \xe2\x96\xb6 "

static struct books *b;
static char text[4096];

static int open_books(void **state)
{
	(void)state;
	b = calloc(1, sizeof(*b));
	if (b == NULL)
		return -1;
	b->workers = 2;
	for (unsigned c = 0; c < COUNTER_COUNT; c++)
		b->worker[0].counters.value[c] = b->worker[1].counters.value[c] = 0;
	return 0;
}

static int close_books(void **state)
{
	(void)state;
	free(b);
	return 0;
}

static const char *write_lines(struct stats *s)
{
	FILE *f = fmemopen(text, sizeof(text), "w");

	assert_non_null(f);
	stats_write(s, b, f);
	fclose(f);
	return text;
}

static void check_matches(const char *expression)
{
	regex_t r;

	assert_int_equal(regcomp(&r, expression, REG_EXTENDED | REG_NOSUB | REG_NEWLINE), 0);
	if (regexec(&r, text, 0, NULL, 0) != 0)
		fail_msg("%s\nis not in\n%s", expression, text);
	regfree(&r);
}

static void the_lines_have_the_tappers_form(void **state)
{
	struct stats s;

	(void)state;
	stats_init(&s, 1, getpid());
	b->worker[0].counters.value[C_heap_bytes] = 1;
	write_lines(&s);
	check_matches("^" STAMP "heap-alloc: [1-9][0-9]*, heap-idle: [0-9]+, heap-objects: [0-9]+, "
		      "goroutines: [1-9][0-9]*, cpu: [0-9]+\\.[0-9]+, cores: [0-9]+/[0-9]+, "
		      "rss: [1-9][0-9]+\\.[0-9]+$");
	check_matches(
		"^" STAMP
		"app stats - \\{\"processedBytes\":0,\"packetsCount\":0,\"tcpPacketsCount\":0,"
		"\"ignoredPacketsCount\":0,\"reassembledTcpPayloadsCount\":0,"
		"\"tlsConnectionsCount\":0,"
		"\"matchedPairs\":0,\"droppedTcpStreams\":0,\"liveTcpStreams\":0,"
		"\"ignoredLastAckCount\":0,\"throttledPackets\":0\\}$");
}

static void what_sources_lost_is_told_since_the_beginning(void **state)
{
	struct region_port_view *p = b->worker[0].port;
	struct stats s;

	(void)state;
	stats_init(&s, 1, getpid());
	b->live = true;
	b->worker[0].ports = b->worker[1].ports = 1;
	strcpy(p->about.interface, "eth0");
	p->received = 100;
	p->lost[0] = 3;
	p->lost[RX_LOST_COUNT - 1] = 4;
	b->worker[1].port[0] = *p;
	write_lines(&s);
	check_matches("^" STAMP "packet-source-stats: \\[host-eth0: rec: 200 dropped: 14\\]$");
	b->worker[0].counters.value[C_handoff_full] = 5;
	b->worker[1].counters.value[C_handed_in] = 6;
	write_lines(&s);
	check_matches("rec: 200 dropped: 14 host-handoff: rec: 6 dropped: 5\\]$");
}

static void the_beginning_has_a_line_where_lines_are_asked_for(void **state)
{
	struct stats s;
	FILE *f;

	(void)state;
	stats_init(&s, UINT64_C(2500000000), getpid());
	f = fmemopen(text, sizeof(text), "w");
	assert_non_null(f);
	stats_begin(&s, f);
	fclose(f);
	check_matches("^" STAMP "stats every 2\\.500s$");
	stats_init(&s, 0, getpid());
	f = fmemopen(text, sizeof(text), "w");
	assert_non_null(f);
	stats_begin(&s, f);
	assert_int_equal(ftell(f), 0);
	fclose(f);
}

static void counts_are_since_the_line_before_and_live_streams_are_now(void **state)
{
	uint64_t *v = b->worker[0].counters.value, *w = b->worker[1].counters.value;
	struct stats s;

	(void)state;
	stats_init(&s, 1, getpid());
	v[C_received_bytes] = 1000;
	v[C_received] = 10;
	w[C_received] = 1;
	v[C_tcp_packets] = 8;
	v[C_filtered] = 1;
	v[C_passed_arp] = 2;
	v[C_malformed_link] = 4;
	v[C_passed_flow_table_full] = 64;
	v[C_segments_delivered] = 5;
	v[C_requests_paired] = 3;
	v[C_flows_evicted] = 1;
	v[C_flows_opaque] = 1;
	v[C_flows_live] = 7;
	v[C_packets_after_close] = 9;
	assert_non_null(strstr(write_lines(&s),
			       "{\"processedBytes\":1000,\"packetsCount\":11,\"tcpPacketsCount\":8,"
			       "\"ignoredPacketsCount\":7,\"reassembledTcpPayloadsCount\":5,"
			       "\"tlsConnectionsCount\":0,"
			       "\"matchedPairs\":3,\"droppedTcpStreams\":2,\"liveTcpStreams\":7,"
			       "\"ignoredLastAckCount\":9,\"throttledPackets\":64}\n"));
	w[C_received] += 4;
	v[C_flows_live] = 6;
	assert_non_null(strstr(write_lines(&s),
			       "{\"processedBytes\":0,\"packetsCount\":4,\"tcpPacketsCount\":0,"));
	assert_non_null(strstr(text, "\"liveTcpStreams\":6,"));
}

static void asking_for_the_counts_changes_nothing(void **state)
{
	struct stats s;
	FILE *f;

	(void)state;
	stats_init(&s, 1, getpid());
	b->worker[0].counters.value[C_received] = 10;
	f = fmemopen(text, sizeof(text), "w");
	assert_non_null(f);
	stats_json(&s, b, f);
	fclose(f);
	assert_memory_equal(text, "{\"processedBytes\":0,\"packetsCount\":10,", 38);
	assert_string_equal(text + strlen(text) - 2, "}\n");
	assert_non_null(strstr(write_lines(&s), "\"packetsCount\":10,"));
}

static void lines_are_due_once_per_interval_and_never_without_one(void **state)
{
	struct stats s;

	(void)state;
	stats_init(&s, 1000, getpid());
	assert_false(stats_due(&s, s.last_ns + 999));
	assert_true(stats_due(&s, s.last_ns + 1000));
	stats_init(&s, 0, getpid());
	assert_false(stats_due(&s, UINT64_MAX));
}

/* The test burns its own time and counts itself as both daemons: 200 per cent of a core, unless the
 * machine is busy; and nothing at all while it sleeps. */
static void cpu_is_what_both_processes_used(void **state)
{
	struct stats s;
	double cpu;

	(void)state;
	stats_init(&s, 1, getpid());
	usleep(50000);
	write_lines(&s);
	cpu = atof(strstr(text, "cpu: ") + 5);
	assert_true(cpu >= 0 && cpu < 50);
	for (volatile unsigned i = 0; i < 100000000; i++)
		;
	write_lines(&s);
	assert_true(atof(strstr(text, "cpu: ") + 5) > cpu);
}

static void a_process_that_is_gone_leaves_its_last_numbers(void **state)
{
	struct stats s;

	(void)state;
	stats_init(&s, 1, getpid());
	s.process[1].pid = 0x3fffffff; /* beyond every pid */
	s.process[1].cpu_ns = s.cpu_ns - s.process[0].cpu_ns;
	write_lines(&s);
	check_matches("goroutines: [1-9]");
	assert_true(atof(strstr(text, "cpu: ") + 5) >= 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_books, close_books)
	const struct CMUnitTest tests[] = {
		TEST(the_lines_have_the_tappers_form),
		TEST(what_sources_lost_is_told_since_the_beginning),
		TEST(the_beginning_has_a_line_where_lines_are_asked_for),
		TEST(counts_are_since_the_line_before_and_live_streams_are_now),
		TEST(asking_for_the_counts_changes_nothing),
		TEST(lines_are_due_once_per_interval_and_never_without_one),
		TEST(cpu_is_what_both_processes_used),
		TEST(a_process_that_is_gone_leaves_its_last_numbers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
