/* Proves that figures are taken from where the programs of a trial tell them, that losses keep
 * their names, that what is not told is NaN and not 0, and that another text is refused.
 */
#include "control/bench/told.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "tests/support/check.h"

static struct trial_outcome o;
static double first, last;

static int begin(void **state)
{
	(void)state;
	told_nothing(&o);
	first = last = 0;
	return 0;
}

static void at_first_nothing_is_known(void **state)
{
	(void)state;
	assert_true(isnan(o.offered) && isnan(o.received) && isnan(o.unexplained));
	assert_true(isnan(o.receiver_cpu_s) && isnan(o.heartbeat) && isnan(o.client.p50));
	assert_true(o.pair_delay.count == 0);
	assert_int_equal(o.losses, 0);
	assert_false(o.closed);
}

/* ---- the ledger ---- */

static const char books[] =
	"{\"closed\":true,\"balances\":["
	"{\"name\":\"packets\",\"scope\":\"worker:0\",\"in\":{\"received\":900},"
	"\"out\":{\"to_flow\":890,\"filtered\":10}},"
	"{\"name\":\"requests\",\"scope\":\"worker:0\",\"in\":{\"recognised\":7},"
	"\"out\":{\"paired\":6,\"unanswered\":1}},"
	"{\"name\":\"requests\",\"scope\":\"worker:1\",\"in\":{\"recognised\":4},"
	"\"out\":{\"paired\":4}},"
	"{\"name\":\"source\",\"scope\":\"source:0\",\"in\":{\"offered\":1000},"
	"\"out\":{\"received\":800,\"lost.rx_ring\":90,\"lost.driver\":5}},"
	"{\"name\":\"source\",\"scope\":\"source:1\",\"in\":{\"offered\":105},"
	"\"out\":{\"received\":100,\"refused\":4,\"lost.rx_ring\":1},\"residual\":0}],"
	"\"beside\":{\"timed_packets\":200,\"cycles.rx\":3000,\"cycles.emit\":500},"
	"\"pair_delay_ns\":{\"count\":10,\"p50\":1000,\"p90\":2000,\"p99\":3000,\"p999\":4000,"
	"\"p9999\":5000,\"max\":6000}}\n";

static void books_tell_of_all_sources_and_workers_together(void **state)
{
	double offered = 0;

	(void)state;
	assert_int_equal(told_ledger(books, &o, &offered), 0);
	assert_true(offered == 1105);
	assert_true(o.received == 890); /* what weir itself refused is not received */
	assert_true(o.refused == 14);
	assert_true(o.pairs == 10);
	assert_true(o.closed);
}

static void losses_keep_their_names_and_are_added_up(void **state)
{
	double offered;

	(void)state;
	assert_int_equal(told_ledger(books, &o, &offered), 0);
	assert_int_equal(o.losses, 2);
	assert_string_equal(o.lost[0].name, "rx_ring");
	assert_true(o.lost[0].packets == 91);
	assert_string_equal(o.lost[1].name, "driver");
	assert_true(o.lost[1].packets == 5);
}

static void a_stage_costs_its_cycles_by_the_packets_that_were_timed(void **state)
{
	double offered;

	(void)state;
	assert_int_equal(told_ledger(books, &o, &offered), 0);
	assert_int_equal(o.stages, 7);
	assert_string_equal(o.stage_name[0], "rx");
	assert_true(o.stage_cycles[0] == 15);
	assert_string_equal(o.stage_name[3], "reassembly");
	assert_true(o.stage_cycles[3] == 0); /* the ledger leaves zeros out */
	assert_string_equal(o.stage_name[6], "emit");
	assert_true(o.stage_cycles[6] == 2.5);
}

static void delays_are_taken_where_there_were_pairs(void **state)
{
	double offered;

	(void)state;
	assert_int_equal(told_ledger(books, &o, &offered), 0);
	assert_true(o.pair_delay.count == 10 && o.pair_delay.p50 == 1000);
	assert_true(o.pair_delay.p9999 == 5000 && o.pair_delay.max == 6000);
	told_nothing(&o);
	assert_int_equal(told_ledger("{\"closed\":false,\"balances\":[],"
				     "\"pair_delay_ns\":{\"count\":0,\"p50\":0}}",
				     &o, &offered),
			 0);
	assert_true(o.pair_delay.count == 0 && isnan(o.pair_delay.p50));
	assert_false(o.closed);
	assert_int_equal(o.stages, 0); /* no packet was timed */
}

static void what_a_source_does_not_know_is_not_known(void **state)
{
	double offered = 0;

	(void)state;
	assert_int_equal(
		told_ledger("{\"balances\":[{\"name\":\"source\",\"in\":{\"offered\":null},"
			    "\"out\":{\"received\":3}}]}",
			    &o, &offered),
		0);
	assert_true(isnan(offered));
	assert_true(o.received == 3);
}

static void what_is_no_ledger_is_refused(void **state)
{
	double offered;

	(void)state;
	assert_int_equal(told_ledger("", &o, &offered), -EINVAL);
	assert_int_equal(told_ledger("[]", &o, &offered), -EINVAL);
	assert_int_equal(told_ledger("{\"closed\":true}", &o, &offered), -EINVAL);
	assert_int_equal(told_ledger("{\"closed\":true,\"balances\":[", &o, &offered), -EINVAL);
}

/* ---- loads ---- */

static void a_sender_tells_what_left_and_what_did_not(void **state)
{
	(void)state;
	assert_int_equal(
		told_send("{\"frames\":1000,\"bytes\":64000,\"seconds\":2.0,\"rate\":500,"
			  "\"asked\":null,\"dropped\":3,\"first_number\":7,\"last_number\":1009}\n",
			  &o, &first, &last),
		0);
	assert_true(o.offered == 1000 && o.rate == 500 && o.late == 3);
	assert_true(first == 7 && last == 1009);
	assert_int_equal(told_send("weir send: no", &o, &first, &last), -EINVAL);
	assert_int_equal(told_send("{\"bytes\":1}", &o, &first, &last), -EINVAL);
}

static void our_client_tells_times_from_due_and_from_sent(void **state)
{
	(void)state;
	assert_int_equal(
		told_load("{\"due\":100,\"seconds\":2.5,\"sent\":100,\"answered\":98,\"failed\":2,"
			  "\"bad_status\":1,"
			  "\"rate\":49.0,\"latency_ns\":{\"p50\":500,\"p90\":600,\"p99\":700,"
			  "\"p999\":800,\"p9999\":900,\"max\":950,\"mean\":510,\"min\":300,\"p95\":"
			  "650},"
			  "\"service_ns\":{\"p50\":400},\"lateness_ns\":{\"p99\":77}}",
			  &o),
		0);
	assert_true(o.requests == 98 && o.failed == 3 && o.rate == 49);
	assert_true(o.due == 100 && o.load_s == 2.5);
	assert_true(o.client.min == 300 && o.client.p95 == 650 && isnan(o.service.min));
	assert_true(o.client.count == 98 && o.client.p50 == 500 && o.client.mean == 510);
	assert_true(o.lateness.p99 == 77);
	assert_true(o.service.p50 == 400 && isnan(o.service.p99));
	assert_int_equal(told_load("{\"due\":1}", &o), -EINVAL);
}

static const char wrk[] = "Running 2s test @ http://10.83.0.2/1024\n"
			  "  1 threads and 50 connections\n"
			  "  Thread Stats   Avg      Stdev     Max   +/- Stdev\n"
			  "    Latency     1.06ms    3.41ms  56.55ms   97.34%\n"
			  "    Req/Sec    95.16k     6.29k  103.20k    71.43%\n"
			  "  Latency Distribution\n"
			  "     50%  492.00us\n"
			  "     75%  613.00us\n"
			  "     90%    1.03ms\n"
			  "     99%    2.50s \n"
			  "  199062 requests in 2.10s, 240.32MB read\n"
			  "  Socket errors: connect 1, read 2, write 3, timeout 4\n"
			  "  Non-2xx or 3xx responses: 5\n"
			  "Requests/sec:  94781.29\n"
			  "Transfer/sec:    114.43MB\n";

static void wrk_tells_its_quantiles_and_errors(void **state)
{
	(void)state;
	assert_int_equal(told_wrk(wrk, &o), 0);
	assert_true(o.requests == 199062);
	assert_true(o.rate == 94781.29);
	assert_true(o.failed == 15);
	assert_true(o.client.p50 == 492e3);
	assert_true(fabs(o.client.p90 - 1.03e6) < 1);
	assert_true(o.client.p99 == 2.5e9);
	assert_true(isnan(o.client.p999));
	assert_int_equal(told_wrk("unable to connect to 10.83.0.2:80", &o), -EINVAL);
}

static void wrk_without_errors_says_nothing_of_them(void **state)
{
	(void)state;
	assert_int_equal(told_wrk("  12 requests in 1.00s, 1KB read\nRequests/sec: 12.00\n", &o),
			 0);
	assert_true(o.requests == 12 && o.failed == 0);
	assert_true(isnan(o.client.p50));
}

static const char hey[] = "\nSummary:\n  Total:\t2.0011 secs\n  Slowest:\t0.0101 secs\n"
			  "  Requests/sec:\t999.4372\n\n\nLatency distribution:\n"
			  "  10% in 0.0002 secs\n  50% in 0.0004 secs\n  90% in 0.0010 secs\n"
			  "  99% in 0.0050 secs\n\nStatus code distribution:\n"
			  "  [200]\t1990 responses\n  [503]\t7 responses\n\n"
			  "Error distribution:\n  [3]\tGet \"http://[::1]\": EOF\n";

static void hey_tells_statuses_and_errors(void **state)
{
	(void)state;
	assert_int_equal(told_hey(hey, &o), 0);
	assert_true(o.requests == 1997);
	assert_true(fabs(o.rate - 999.4372) < 1e-9);
	assert_true(o.failed == 10);
	assert_true(fabs(o.client.p50 - 4e5) < 1 && fabs(o.client.p99 - 5e6) < 1);
	assert_int_equal(told_hey("Usage: hey [options...]", &o), -EINVAL);
}

static void the_other_hey_writes_two_per_cents(void **state)
{
	(void)state;
	assert_int_equal(told_hey("Requests/sec:\t10.0\n  50%% in 0.0200 secs\n", &o), 0);
	assert_true(fabs(o.client.p50 - 2e7) < 1);
	assert_true(o.requests == 0 && o.failed == 0);
}

static void selected_frames_are_those_of_one_flow(void **state)
{
	(void)state;
	for (unsigned from = 0; from < 25; from++) {
		for (unsigned to = from; to < 60; to++) {
			double count = 0;

			for (unsigned n = from; n <= to; n++)
				count += n % 10 == 3;
			assert_true(told_selected(from, to, 10, 3) == count);
		}
	}
	assert_true(isnan(told_selected(NAN, NAN, 10, 3)));
	assert_true(isnan(told_selected(0, 9, 0, 0)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(at_first_nothing_is_known, begin),
		cmocka_unit_test_setup(books_tell_of_all_sources_and_workers_together, begin),
		cmocka_unit_test_setup(losses_keep_their_names_and_are_added_up, begin),
		cmocka_unit_test_setup(a_stage_costs_its_cycles_by_the_packets_that_were_timed,
				       begin),
		cmocka_unit_test_setup(delays_are_taken_where_there_were_pairs, begin),
		cmocka_unit_test_setup(what_a_source_does_not_know_is_not_known, begin),
		cmocka_unit_test_setup(what_is_no_ledger_is_refused, begin),
		cmocka_unit_test_setup(a_sender_tells_what_left_and_what_did_not, begin),
		cmocka_unit_test_setup(our_client_tells_times_from_due_and_from_sent, begin),
		cmocka_unit_test_setup(wrk_tells_its_quantiles_and_errors, begin),
		cmocka_unit_test_setup(wrk_without_errors_says_nothing_of_them, begin),
		cmocka_unit_test_setup(hey_tells_statuses_and_errors, begin),
		cmocka_unit_test_setup(the_other_hey_writes_two_per_cents, begin),
		cmocka_unit_test_setup(selected_frames_are_those_of_one_flow, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
