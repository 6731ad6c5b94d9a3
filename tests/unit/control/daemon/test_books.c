/* Proves the balances: residuals are what is missing and what is too much, of any size; gauges must
 * be 0 at the end; what nobody counted is not checkable and never closed; and the JSON and the
 * table say just that.
 */
#include "control/daemon/books.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct books *b;
static char *json; /* BOOKS_JSON_MAX */

/* Books of a small capture that close. */
static int open_books(void **state)
{
	uint64_t *v;

	(void)state;
	b = calloc(1, sizeof(*b));
	json = malloc(BOOKS_JSON_MAX);
	if (b == NULL || json == NULL)
		return -1;
	b->workers = 1;
	b->exporter.format = "jsonl";
	b->exporter.drained = b->exporter.exported = 96;
	b->worker[0].known = true;
	b->worker[0].ports = 1;
	b->worker[0].port[0].offered = 6898;
	b->worker[0].drained = 96;
	v = b->worker[0].counters.value;
	v[C_received] = 6898;
	v[C_to_flow] = 6890;
	v[C_passed_arp] = 8;
	v[C_payload_captured] = 4213321;
	v[C_payload_delivered] = 4100113;
	v[C_payload_duplicate] = 113208;
	v[C_requests] = v[C_requests_paired] = 96;
	v[C_responses] = v[C_responses_paired] = 96;
	v[C_records_made] = 96;
	return 0;
}

static int close_books(void **state)
{
	(void)state;
	free(b);
	free(json);
	return 0;
}

static const char *told(void)
{
	*books_json(b, json) = 0;
	return json;
}

static const char *table(void)
{
	static char text[16384];
	FILE *f = fmemopen(text, sizeof(text), "w");

	assert_non_null(f);
	books_table(b, f);
	fclose(f);
	return text;
}

static void check_told(const char *part)
{
	if (strstr(told(), part) == NULL)
		fail_msg("%s\nis not in\n%s", part, json);
}

static void check_table(const char *part)
{
	if (strstr(table(), part) == NULL)
		fail_msg("%s\nis not in\n%s", part, table());
}

static void the_table_looks_as_documented(void **state)
{
	(void)state;
	assert_true(books_closed(b));
	/* clang-format off */
	assert_string_equal(
		table(),
		"packets   received 6898 = to_flow 6890 + passed_over 8 (arp 8)                                closed\n"
		"payload   4213321 B = delivered 4100113 + duplicate 113208                                    closed\n"
		"messages  requests 96 = paired 96 + open 0          responses 96 = paired 96                  closed\n"
		"records   made 96 = drained 96                                                                closed\n");
	/* clang-format on */
}

static void the_json_has_every_balance_and_no_needless_zero(void **state)
{
	(void)state;
	b->worker[0].counters.value[C_gap_bytes] = 5;
	b->worker[0].counters.value[C_cycles_rx] = 7;
	/* clang-format off */
	assert_string_equal(
		told(),
		"{\"closed\":true,\"balances\":["
		"{\"name\":\"packets\",\"scope\":\"worker:0\",\"in\":{\"received\":6898},"
		"\"out\":{\"to_flow\":6890,\"passed_over.arp\":8},\"residual\":0},"
		"{\"name\":\"payload\",\"scope\":\"worker:0\",\"in\":{\"captured\":4213321},"
		"\"out\":{\"delivered\":4100113,\"duplicate\":113208},\"residual\":0},"
		"{\"name\":\"datagrams\",\"scope\":\"worker:0\",\"in\":{\"captured\":0},\"out\":{\"read\":0},\"residual\":0},"
		"{\"name\":\"requests\",\"scope\":\"worker:0\",\"in\":{\"requests\":96},\"out\":{\"paired\":96},\"residual\":0},"
		"{\"name\":\"responses\",\"scope\":\"worker:0\",\"in\":{\"responses\":96},\"out\":{\"paired\":96},\"residual\":0},"
		"{\"name\":\"records\",\"scope\":\"worker:0\",\"in\":{\"made\":96},\"out\":{\"drained\":96},\"residual\":0},"
		"{\"name\":\"source\",\"scope\":\"source:0\",\"in\":{\"offered\":6898},\"out\":{\"received\":6898},\"residual\":0},"
		"{\"name\":\"exporter\",\"scope\":\"exporter:jsonl\",\"in\":{\"drained\":96},\"out\":{\"exported\":96},\"residual\":0},"
		"{\"name\":\"handoff\",\"scope\":\"total\",\"in\":{\"handed_out\":0},\"out\":{\"handed_in\":0},\"residual\":0}"
		"],\"beside\":{\"gap_bytes\":5,\"cycles.rx\":7}}");
	/* clang-format on */
}

static void delays_are_told_where_there_are_any(void **state)
{
	static struct hdr delay;

	(void)state;
	hdr_clear(&delay);
	b->delay = &delay;
	assert_null(strstr(told(), "delay"));
	for (uint64_t i = 1; i <= 200; i++)
		hdr_record(&delay, i);
	assert_non_null(strstr(told(), "},\"pair_delay_ns\":{\"count\":200,\"p50\":100,\"p90\":180,"
				       "\"p99\":198,\"p999\":200,\"p9999\":200,\"max\":200}}"));
}

static void every_counter_of_a_balance_moves_its_residual(void **state)
{
	(void)state;
	for (unsigned c = 0; c < COUNTER_COUNT; c++) {
		uint64_t *v = &b->worker[0].counters.value[c];

		(*v)++;
		assert_true(books_closed(b) ==
			    (ledger_line[c].balance == BALANCE_NONE && c != C_handoff_in_flight));
		(*v)--;
	}
	assert_true(books_closed(b));
}

static void a_residual_is_said_with_its_sign(void **state)
{
	(void)state;
	b->worker[0].counters.value[C_to_flow] -= 3;
	check_told("\"residual\":3}");
	check_told("{\"closed\":false,");
	check_table("DOES NOT CLOSE (residual 3)\n");
	b->worker[0].counters.value[C_to_flow] += 10;
	check_told("\"residual\":-7}");
	check_table("DOES NOT CLOSE (residual -7)\n");
	b->worker[0].counters.value[C_received] = 0;
	b->worker[0].counters.value[C_to_flow] = UINT64_C(1) << 60;
	check_told("\"residual\":\"-1152921504606846984\"}");
}

static void residuals_of_two_workers_do_not_cancel_out(void **state)
{
	(void)state;
	b->workers = 2;
	b->worker[1] = b->worker[0];
	b->worker[0].counters.value[C_received]--;
	b->worker[1].counters.value[C_received]++;
	b->worker[0].port[0].offered *= 2;
	b->exporter.drained = b->exporter.exported = 192;
	assert_false(books_closed(b));
	check_told("\"scope\":\"worker:0\",\"in\":{\"received\":6897}");
	check_told("\"scope\":\"worker:1\",\"in\":{\"received\":6899}");
	check_table("received 13796 = to_flow 13780 + passed_over 16 (arp 16)");
	check_table("DOES NOT CLOSE (residual -1)\n");
}

static void what_is_under_way_at_the_end_does_not_close(void **state)
{
	(void)state;
	b->worker[0].counters.value[C_requests]++;
	b->worker[0].counters.value[C_requests_open]++;
	assert_false(books_closed(b));
	check_told("\"in\":{\"requests\":97},\"out\":{\"paired\":96,\"open\":1},\"residual\":0}");
	check_table("requests 97 = paired 96 + open 1 ");
	check_table("DOES NOT CLOSE (1 under way)\n");
}

static void records_left_in_a_ring_are_under_way(void **state)
{
	(void)state;
	b->worker[0].drained = b->exporter.drained = b->exporter.exported = 90;
	b->worker[0].in_ring = 6;
	assert_false(books_closed(b));
	check_told("\"out\":{\"drained\":90,\"in_ring\":6},\"residual\":0}");
}

static void an_unknown_offer_is_not_checkable_and_no_reason_to_fail(void **state)
{
	(void)state;
	b->worker[0].port[0].offered = RX_UNKNOWN;
	assert_true(books_closed(b));
	check_told("{\"name\":\"source\",\"scope\":\"source:0\",\"in\":{\"offered\":null},\"out\":{"
		   "\"received\":6898},"
		   "\"residual\":null,\"closed\":null,\"why\":\"not checkable\"}");
	check_table("source    offered unknown = received 6898 ");
	check_table("  not checkable\n");
}

static void loss_is_named_and_closes(void **state)
{
	(void)state;
	b->worker[0].port[0].offered += 7;
	b->worker[0].port[0].lost[RX_LOST_nic] = 5;
	b->worker[0].port[0].lost[RX_LOST_invalid] = 2;
	assert_true(books_closed(b));
	check_told("\"out\":{\"received\":6898,\"lost.nic\":5,\"lost.invalid\":2},\"residual\":0}");
	check_table("source    offered 6905 = received 6898 + lost 7 (nic 5, invalid 2) ");
}

static void one_port_stands_for_a_file_and_all_ports_for_a_live_source(void **state)
{
	(void)state;
	b->workers = 2;
	b->worker[1] = b->worker[0];
	b->exporter.drained = b->exporter.exported = 192;
	assert_false(books_closed(b)); /* 2 * 6898 received of a file of 6898 */
	b->live = true;
	b->worker[0].port[0].received = b->worker[1].port[0].received = 6898;
	assert_true(books_closed(b));
	b->worker[1].port[0].received--; /* a port gave out less than its worker counted */
	assert_false(books_closed(b));
	b->worker[1].port[0].received++;
	b->worker[1].port[0].in_flight = 1;
	assert_false(books_closed(b));
	b->worker[1].port[0].in_flight = 0;
	b->worker[1].port[0].refused = 5;
	b->worker[1].port[0].offered += 5;
	assert_true(books_closed(b));
	check_table("source    offered 13801 = received 13796 + refused 5 ");
	b->worker[1].port[0].refused = 0;
	b->live = false;
	b->worker[0].port[0].offered = b->worker[1].port[0].offered = 2 * 6898;
	assert_true(books_closed(b));
}

static void what_was_handed_over_must_arrive(void **state)
{
	(void)state;
	b->worker[0].counters.value[C_handed_out] = 4;
	b->worker[0].counters.value[C_received] += 4;
	b->worker[0].port[0].offered += 4;
	assert_false(books_closed(b));
	check_table("handoff   handed_out 4 = handed_in 0 ");
	check_table("DOES NOT CLOSE (residual 4)\n");
}

static void every_fate_of_a_drained_record_is_a_term(void **state)
{
	struct books_exporter *e = &b->exporter;

	(void)state;
	e->exported = 80;
	e->earlier_control = 1;
	e->not_selected_type = 2;
	e->failed[SINK_FAILED_no_space] = 3;
	e->cut_format = 10;
	assert_true(books_closed(b));
	check_told(
		"\"out\":{\"exported\":80,\"exported.earlier_control\":1,\"not_selected.type\":2,"
		"\"failed.no_space\":3,\"cut.format\":10},\"residual\":0}");
	check_table("exporter  drained 96 = exported 81 (earlier_control 1) + not_selected 2 (type "
		    "2) + "
		    "failed 3 (no_space 3) + cut 10 (format 10)");
	e->exported--;
	e->queued = 1;
	assert_false(books_closed(b));
}

static void books_of_a_dead_or_silent_dataplane_are_never_closed(void **state)
{
	(void)state;
	b->died = true;
	assert_false(books_closed(b));
	b->died = false;
	b->worker[0].known = false;
	assert_false(books_closed(b));
	b->workers = 0;
	assert_false(books_closed(b));
}

static void a_long_row_moves_every_verdict(void **state)
{
	const char *row, *end;
	size_t column = 0;

	(void)state;
	for (unsigned c = C_malformed_link; c <= C_passed_flow_table_full; c++) {
		b->worker[0].counters.value[c] += 1000000;
		b->worker[0].counters.value[C_received] += 1000000;
	}
	b->worker[0].port[0].offered = b->worker[0].counters.value[C_received];
	for (row = table(); (end = strchr(row, '\n')) != NULL; row = end + 1) {
		assert_memory_equal(end - strlen("  closed"), "  closed", strlen("  closed"));
		assert_true(column == 0 || (size_t)(end - row) == column);
		column = (size_t)(end - row);
	}
	assert_true(column > 300);
}

static void the_largest_ledger_fits_its_room(void **state)
{
	(void)state;
	b->workers = REGION_WORKERS_MAX;
	for (unsigned w = 0; w < REGION_WORKERS_MAX; w++) {
		memset(&b->worker[w].counters, 0xff, sizeof(b->worker[w].counters));
		memset(b->worker[w].port[0].lost, 0xfe, sizeof(b->worker[w].port[0].lost));
		b->worker[w].drained = b->worker[w].in_ring = UINT64_MAX;
	}
	assert_true(books_json(b, json) - json < BOOKS_JSON_MAX);
	assert_non_null(strstr(table(), "DOES NOT CLOSE"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_books, close_books)
	const struct CMUnitTest tests[] = {
		TEST(the_table_looks_as_documented),
		TEST(the_json_has_every_balance_and_no_needless_zero),
		TEST(delays_are_told_where_there_are_any),
		TEST(every_counter_of_a_balance_moves_its_residual),
		TEST(a_residual_is_said_with_its_sign),
		TEST(residuals_of_two_workers_do_not_cancel_out),
		TEST(what_is_under_way_at_the_end_does_not_close),
		TEST(records_left_in_a_ring_are_under_way),
		TEST(an_unknown_offer_is_not_checkable_and_no_reason_to_fail),
		TEST(loss_is_named_and_closes),
		TEST(one_port_stands_for_a_file_and_all_ports_for_a_live_source),
		TEST(what_was_handed_over_must_arrive),
		TEST(every_fate_of_a_drained_record_is_a_term),
		TEST(books_of_a_dead_or_silent_dataplane_are_never_closed),
		TEST(a_long_row_moves_every_verdict),
		TEST(the_largest_ledger_fits_its_room),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
