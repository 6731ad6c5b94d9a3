/* Proves that `weir ctl status` says what the books say, in both forms; that rates are of the last
 * second and neither of the whole run nor of the last microsecond; and that the ledger is called
 * consistent exactly while what is counted in one place adds up.
 */
#include "control/daemon/status.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/base/clock.h"

enum { RING_BYTES = 4 << 20 };

static struct books *b;
static struct settings *settings;
static struct status_rates rates;
static struct region_writer writer;
static struct region_reader reader;
static struct status_run run;
static uint64_t now_ns;
static char text[16384];

static int begin(void **state)
{
	uint64_t *v;

	(void)state;
	b = calloc(1, sizeof(*b));
	settings = malloc(sizeof(*settings));
	if (b == NULL || settings == NULL ||
	    region_create(&writer, 0, 1, RING_BYTES, 1, "k3q9ab") < 0 ||
	    region_attach(&reader, writer.up_fd, writer.down_fd) < 0)
		return -1;
	settings_defaults(settings);
	strcpy(settings->run, "k3q9ab");
	strcpy(settings->command, "capture");
	settings->started_wall_ns = UINT64_C(1763683200) * CLOCK_SECOND_NS;
	settings->started_ns = 50 * CLOCK_SECOND_NS;
	now_ns = settings->started_ns;
	b->live = true;
	b->workers = 1;
	b->exporter.format = "jsonl";
	b->worker[0].known = true;
	b->worker[0].ports = 1;
	b->worker[0].port[0] = (struct region_port_view){
		.about = { "af_xdp", "eth\"0", "native, copy", "xdp" },
		.offered = 1000,
		.received = 900,
		.refused = 40,
		.in_flight = 2,
		.lost = { [RX_LOST_rx_ring] = 55, [RX_LOST_nic] = 3 },
	};
	v = b->worker[0].counters.value;
	v[C_received] = v[C_to_flow] = 900;
	v[C_requests] = v[C_requests_paired] = v[C_responses] = v[C_responses_paired] = 96;
	v[C_records_made] = 96;
	v[C_records_ring_full] = 6;
	b->exporter.drained = 90;
	b->exporter.exported = 86;
	b->exporter.failed[SINK_FAILED_io] = 3;
	b->exporter.failed_memory = 1;
	run = (struct status_run){ .settings = settings,
				   .regions = &reader,
				   .version = "0.1.0",
				   .control_pid = 12,
				   .dataplane_pid = 11 };
	status_init(&rates, b, now_ns);
	return 0;
}

static int end(void **state)
{
	(void)state;
	region_detach(&reader);
	region_destroy(&writer);
	free(b);
	free(settings);
	return 0;
}

static void tell(bool json)
{
	FILE *f = fmemopen(text, sizeof(text), "w");

	assert_non_null(f);
	if (json)
		status_json(&run, &rates, b, now_ns, f);
	else
		status_text(&run, &rates, b, now_ns, f);
	fclose(f);
}

static void check_has(const char *part)
{
	if (strstr(text, part) == NULL)
		fail_msg("%s\nis not in\n%s", part, text);
}

/* ---- what is said ---- */

static void people_read_all_of_it(void **state)
{
	(void)state;
	now_ns += (3661 * CLOCK_SECOND_NS);
	tell(false);
	check_has("run        k3q9ab, weir capture 0.1.0, 1 worker, pids 11 and 12\n");
	check_has(", 1:01:01 ago\n");
	check_has("source 0   af_xdp eth\"0 (native, copy), clock xdp\n");
	check_has("offered 1000, received 900, refused 40, in flight 2, lost 58 (nic 3, rx_ring "
		  "55)\n");
	check_has("packets    900 received, 58 lost, 0/s\n");
	check_has("pairs      96, 0/s\n");
	check_has("records    96 made, 6 lost, 90 drained, 4 not written\n");
	check_has("ring       0.0 % of 4096 KiB\n");
	check_has("ledger     consistent\n");
}

static void json_says_the_same_on_one_line(void **state)
{
	(void)state;
	tell(true);
	check_has("{\"run\":\"k3q9ab\",\"version\":\"0.1.0\",\"command\":\"capture\","
		  "\"dataplane_pid\":11,\"control_pid\":12,"
		  "\"since\":\"2025-11-21T00:00:00.000000000Z\",");
	check_has("\"sources\":[{\"source\":0,\"backend\":\"af_xdp\",\"interface\":\"eth\\\"0\","
		  "\"mode\":\"native, copy\",\"clock\":\"xdp\",\"offered\":1000,\"received\":900,"
		  "\"refused\":40,\"shunted\":0,\"in_flight\":2,\"lost\":{\"nic\":3,\"driver\":0,"
		  "\"kernel_buffer\":0,\"rx_ring\":55,");
	check_has("\"packets\":{\"received\":900,\"lost\":58,\"per_second\":0}");
	check_has("\"records\":{\"made\":96,\"lost\":6,\"drained\":90,\"failed\":4}");
	check_has("\"ring\":{\"bytes\":4194304,\"used_bytes\":0}");
	check_has("\"ledger_consistent\":true}\n");
	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
}

static void each_worker_has_its_heartbeat(void **state)
{
	(void)state;
	b->worker[0].counters.value[C_turns] = 71;
	tell(true);
	check_has("\"workers\":1,\"worker_turns\":[71],");
}

static void what_was_shunted_is_said_where_there_is_any(void **state)
{
	(void)state;
	b->worker[0].port[0].shunted = 7;
	tell(false);
	check_has("refused 40, shunted 7, in flight 2, ");
}

static void what_nobody_counted_is_unknown(void **state)
{
	(void)state;
	b->worker[0].port[0].offered = RX_UNKNOWN;
	tell(false);
	check_has("offered unknown, received 900");
	tell(true);
	check_has("\"offered\":null,");
}

static void a_finished_dataplane_and_a_restart_are_told(void **state)
{
	(void)state;
	tell(true);
	check_has("\"state\":\"running\",\"restarted\":false");
	atomic_store(&writer.header->state, REGION_FINISHED);
	run.restarted = true;
	tell(true);
	check_has("\"state\":\"finished\",\"restarted\":true");
	tell(false);
	check_has("; control was started again\n");
	check_has("; the dataplane has finished\n");
}

static void the_fill_of_the_ring_is_what_waits_in_it(void **state)
{
	(void)state;
	atomic_store(&writer.header->ring.written, RING_BYTES / 4);
	tell(false);
	check_has("ring       25.0 % of 4096 KiB\n");
	tell(true);
	check_has("\"used_bytes\":1048576}");
}

/* ---- rates ---- */

static void rates_are_of_the_last_second_or_two(void **state)
{
	uint64_t *v = b->worker[0].counters.value;

	(void)state;
	now_ns += STATUS_TICK_NS / 2;
	assert_false(status_due(&rates, now_ns));
	v[C_received] += 1000;
	v[C_requests_paired] += 10;
	tell(true);
	check_has("\"per_second\":2000}"); /* in the first second: since the start */
	check_has("\"matched\":106,\"per_second\":20}");

	now_ns += STATUS_TICK_NS / 2;
	assert_true(status_due(&rates, now_ns));
	status_tick(&rates, b, now_ns);
	now_ns += STATUS_TICK_NS;
	status_tick(&rates, b, now_ns);
	tell(true);
	check_has("\"packets\":{\"received\":1900,\"lost\":58,\"per_second\":0}"); /* long ago */

	v[C_received] += 300;
	now_ns += STATUS_TICK_NS / 2;
	tell(true);
	check_has("\"per_second\":200}"); /* 300 in 1.5 s */
}

static void at_the_very_start_there_is_no_rate(void **state)
{
	(void)state;
	b->worker[0].counters.value[C_received] += 1000;
	tell(true);
	check_has("\"received\":1900,\"lost\":58,\"per_second\":0}");
}

/* ---- the ledger ---- */

static void a_residual_in_one_place_is_not_consistent(void **state)
{
	static const enum counter counters[] = { C_received, C_payload_captured, C_requests,
						 C_responses };

	(void)state;
	for (unsigned i = 0; i < sizeof(counters) / sizeof(counters[0]); i++) {
		assert_true(status_consistent(b));
		b->worker[0].counters.value[counters[i]]++;
		assert_false(status_consistent(b));
		b->worker[0].counters.value[counters[i]]--;
	}
	b->exporter.exported--;
	assert_false(status_consistent(b));
	tell(false);
	check_has("ledger     NOT CONSISTENT\n");
	tell(true);
	check_has("\"ledger_consistent\":false}");
}

/* Counted on two sides at two times: only the end can tell. */
static void what_crosses_a_boundary_is_not_judged_yet(void **state)
{
	(void)state;
	b->worker[0].port[0].received++;
	b->worker[0].counters.value[C_records_made]++;
	b->worker[0].counters.value[C_handed_out]++;
	b->worker[0].counters.value[C_to_flow]--;
	assert_true(status_consistent(b));
}

static void a_gauge_under_way_is_consistent(void **state)
{
	(void)state;
	b->worker[0].counters.value[C_requests]++;
	b->worker[0].counters.value[C_requests_open]++;
	assert_true(status_consistent(b));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(people_read_all_of_it),
		TEST(json_says_the_same_on_one_line),
		TEST(each_worker_has_its_heartbeat),
		TEST(what_was_shunted_is_said_where_there_is_any),
		TEST(what_nobody_counted_is_unknown),
		TEST(a_finished_dataplane_and_a_restart_are_told),
		TEST(the_fill_of_the_ring_is_what_waits_in_it),
		TEST(rates_are_of_the_last_second_or_two),
		TEST(at_the_very_start_there_is_no_rate),
		TEST(a_residual_in_one_place_is_not_consistent),
		TEST(what_crosses_a_boundary_is_not_judged_yet),
		TEST(a_gauge_under_way_is_consistent),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
