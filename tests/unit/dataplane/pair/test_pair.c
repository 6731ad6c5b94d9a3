/* Proves the rules of pair.h, from TCP segments to records in the ring: the
 * toy protocol makes every case one line. What a record says is compared as
 * "outcome why request response interims".
 */
#include <string.h>

#include "tests/support/check.h"
#include "tests/support/rig.h"
#include "tests/support/toy.h"

static struct rig rig;

static int open_rig(void **state)
{
	struct rig_settings s = rig_settings();

	rig_open(&rig, &s);
	bench_handshake(&rig.b);
	*state = &rig;
	return 0;
}

static int close_rig(void **state)
{
	rig_close(*state);
	return 0;
}

#define C(text) rig_say(r, SIDE_A, text)
#define S(text) rig_say(r, SIDE_B, text)

/* Bytes that were sent and acknowledged, but never captured. */
static void lose(struct rig *r, enum side side, const char *text)
{
	rig_lose(r, side, strlen(text));
}

/* ---- the rules ---- */

static void responses_answer_requests_in_order(void **state)
{
	struct rig *r = *state;
	const struct record *rec;

	C("?one\n?two\n");
	S("=1\n");
	rec = rig_expect(r, "paired one 1");
	assert_int_equal(rec->index, 0);
	S("=2\n");
	rec = rig_expect(r, "paired two 2");
	assert_int_equal(rec->index, 1);
	rig_expect_nothing(r);
}

static void latency_runs_from_last_request_byte_to_first_response_byte(void **state)
{
	struct rig *r = *state;
	const struct record *rec;

	C("%4x\nab");
	C("cd");
	S("=");
	S("done\n");
	rec = rig_expect(r, "paired %4x abcd done");
	assert_int_equal(rec->latency_ns, 1000);
	assert_int_equal(rec->request.duration_ns, 1000);
	assert_int_equal(rec->response.duration_ns, 1000);
	assert_int_equal(rec->request.body_bytes, 4);
	assert_int_equal(rec->request.head_bytes, 4);
	assert_int_equal(rec->frames[1], rec->frames[0] + 1);
}

static void keys_choose_the_request(void **state)
{
	struct rig *r = *state;

	C("?#5 five\n?#6 six\n");
	S("=#6 6\n=#5 5\n=#7 7\n");
	rig_expect(r, "paired #6 six #6 6");
	rig_expect(r, "paired #5 five #5 5");
	bench_later(&r->b, 30000000);
	rig_expect(r, "orphan:connection_closed #7 7");
}

static void interim_responses_use_up_nothing(void **state)
{
	struct rig *r = *state;

	C("?ask\n");
	S("~100\n~103\n=200\n");
	rig_expect(r, "paired ask 200 100 103");
	assert_int_equal(r->b.counters.value[C_interim], 2);
}

static void one_way_messages_stand_alone(void **state)
{
	struct rig *r = *state;

	C("?ask\n!tell\n?again\n");
	S("=200\n=201\n");
	assert_int_equal(rig_expect(r, "oneway tell")->index, 1);
	assert_int_equal(rig_expect(r, "paired ask 200")->index, 0);
	assert_int_equal(rig_expect(r, "paired again 201")->index, 2);
}

static void a_lost_response_shifts_nothing(void **state)
{
	struct rig *r = *state;

	C("?one\n");
	S("=1\n");
	C("?two\n");
	lose(r, SIDE_B, "=2\n");
	C("?three\n");
	S("=3\n");
	C("?four\n");
	S("=4\n");
	bench_later(&r->b, 30000000);
	rig_expect(r, "paired one 1");
	rig_expect(r, "unanswered:gap two");
	rig_expect(r, "paired three 3");
	rig_expect(r, "paired four 4");
}

static void after_a_server_gap_pipelined_responses_are_orphans_until_certain(void **state)
{
	struct rig *r = *state;

	C("?one\n?two\n?three\n");
	lose(r, SIDE_B, "=1\n");
	S("=2\n=3\n");
	C("?four\n");
	bench_later(&r->b, 30000000);
	S("=4\n");
	bench_later(&r->b, 30000000);
	rig_expect(r, "unanswered:gap one");
	rig_expect(r, "unanswered:gap two");
	rig_expect(r, "unanswered:gap three");
	rig_expect(r, "orphan:gap 2");
	rig_expect(r, "orphan:gap 3");
	rig_expect(r, "paired four 4");
}

static void after_a_client_gap_the_lost_request_s_response_is_an_orphan(void **state)
{
	struct rig *r = *state;

	C("?one\n");
	S("=1\n");
	lose(r, SIDE_A, "?two\n");
	S("=2\n");
	bench_later(&r->b, 30000000); /* the server's acknowledgement declares the gap */
	C("?three\n");
	S("=3\n");
	rig_expect(r, "paired one 1");
	bench_later(&r->b, 30000000);
	rig_expect(r, "orphan:gap 2");
	rig_expect(r, "paired three 3");
}

static void requests_from_before_a_client_gap_are_answered_in_order(void **state)
{
	struct rig *r = *state;

	C("?one\n?two\n");
	lose(r, SIDE_A, "?three\n");
	C("?four\n");
	bench_send(&r->b, (struct sent){ .side = SIDE_B, .ack = (int64_t)r->offset[SIDE_A] });
	bench_later(&r->b, 30000000);
	S("=1\n=2\n=3\n=4\n");
	bench_later(&r->b, 30000000);
	rig_expect(r, "paired one 1");
	rig_expect(r, "paired two 2");
	rig_expect(r, "orphan:gap 3");
	rig_expect(r, "orphan:gap 4"); /* it was sent together with the others: nothing proves whose
				      it is */
}

static void a_gap_in_a_body_costs_bytes_and_no_pair(void **state)
{
	struct rig *r = *state;
	const struct record *rec;

	C("?one\n");
	S("=%9 big\nab");
	lose(r, SIDE_B, "cdefg");
	S("hi=2\n");
	C("?two\n");
	bench_later(&r->b, 30000000);
	rec = rig_expect(r, "paired one %9 big abhi");
	assert_int_equal(rec->flags, FLAG_gap_in_body);
	assert_int_equal(rec->response.body_bytes, 9);
	S("=3\n");
	rig_expect(r, "paired two 2");
}

static void requests_over_the_limit_are_remembered_by_number(void **state)
{
	struct rig *r = *state;

	C("?1\n?2\n?3\n?4\n?5\n?6\n");
	rig_expect(r, "unanswered:limit 5");
	rig_expect(r, "unanswered:limit 6");
	S("=1\n=2\n=3\n=4\n=5\n=6\n");
	rig_expect(r, "paired 1 1");
	rig_expect(r, "paired 2 2");
	rig_expect(r, "paired 3 3");
	rig_expect(r, "paired 4 4");
	rig_expect(r, "orphan:limit 5");
	rig_expect(r, "orphan:limit 6");
	C("?7\n");
	S("=7\n");
	rig_expect(r, "paired 7 7");
}

static void a_request_that_timed_out_keeps_its_place(void **state)
{
	struct rig *r = *state;

	C("?slow\n");
	bench_later(&r->b, 30000000); /* so short a first message is looked at after a pause */
	bench_later(&r->b, 59 * CLOCK_SECOND_NS);
	rig_expect_nothing(r);
	bench_later(&r->b, 2 * CLOCK_SECOND_NS);
	rig_expect(r, "unanswered:timeout slow");
	C("?next\n");
	S("=late\n=next\n");
	rig_expect(r, "orphan:timeout late");
	rig_expect(r, "paired next next");
}

static void a_response_captured_before_its_request_waits(void **state)
{
	struct rig *r = *state;
	uint64_t request_at = r->offset[SIDE_A];

	lose(r, SIDE_A, "?ask\n");
	S("=200\n");
	rig_expect_nothing(r);
	bench_send(&r->b, (struct sent){ .side = SIDE_A,
					 .offset = (int64_t)request_at,
					 .data = "?ask\n",
					 .bytes = 5 });
	rig_expect(r, "paired ask 200");
}

static void a_response_without_request_is_an_orphan_after_a_while(void **state)
{
	struct rig *r = *state;

	C("!hello\n");
	S("=408\n");
	rig_expect(r, "oneway hello");
	rig_expect_nothing(r);
	bench_later(&r->b, 21000000);
	rig_expect(r, "orphan:connection_closed 408");
}

static void an_early_response_has_no_latency(void **state)
{
	struct rig *r = *state;
	const struct record *rec;

	C("%8x\nab");
	S("=413\n");
	rig_expect_nothing(r);
	C("cdefgh");
	rec = rig_expect(r, "paired %8x abcd 413");
	assert_int_equal(rec->latency_ns, 0);
	assert_int_equal(rec->flags, FLAG_early_response | FLAG_body_cut);
}

static void the_end_closes_what_is_open_and_says_why(void **state)
{
	struct rig *r = *state;

	C("?one\n");
	bench_send(&r->b, (struct sent){ .side = SIDE_B, .flags = TCP_RST | TCP_ACK, .ack = 5 });
	rig_expect(r, "unanswered:reset one");
	r->b.client_port++;
	r->offset[0] = r->offset[1] = 0;
	bench_handshake(&r->b);
	C("?two\n");
	bench_send(&r->b, (struct sent){ .side = SIDE_A, .flags = TCP_FIN | TCP_ACK, .offset = 5 });
	bench_send(&r->b, (struct sent){ .side = SIDE_B, .flags = TCP_FIN | TCP_ACK, .ack = 6 });
	rig_expect(r, "unanswered:connection_closed two");
	r->b.client_port++;
	r->offset[0] = r->offset[1] = 0;
	bench_handshake(&r->b);
	C("?three\n");
	flow_close_all(&r->b.flows, WHY_capture_ended);
	rig_expect(r, "unanswered:capture_ended three");
}

static void a_connection_joined_in_the_middle_says_so(void **state)
{
	struct rig *r = *state;
	const struct record *rec;

	r->b.client_port++;
	S("=old\n");
	bench_later(&r->b, 21000000); /* so short a first message is looked at after a pause */
	bench_later(&r->b, 21000000);
	rec = rig_expect(r, "orphan:midstream old");
	assert_true(rec->flags & FLAG_midstream);
	assert_int_equal(rec->server_port,
			 80); /* whose first message is a response is the server */
	C("?new\n");
	S("=1\n");
	rig_expect(r, "paired new 1");
}

/* ---- joined in the middle ---- */

/* The capture begins behind `before`, which the client has sent. */
static void join(struct rig *r, const char *before)
{
	r->b.client_port++;
	r->offset[SIDE_A] += strlen(before);
}

static void joined_with_nothing_in_flight_all_are_pairs(void **state)
{
	struct rig *r = *state;

	join(r, "");
	C("?one\n?two\n");
	S("=1\n");
	S("=2\n");
	rig_expect_nothing(r); /* they could be answers to what nobody saw */
	C("?three\n");
	S("=3\n");
	rig_expect(r, "paired one 1");
	rig_expect(r, "paired two 2");
	rig_expect(r, "paired three 3");
	C("?four\n?five\n");
	S("=4\n=5\n");
	rig_expect(r, "paired four 4");
	rig_expect(r, "paired five 5");
}

static void joined_behind_a_pipelined_request_nothing_shifts(void **state)
{
	struct rig *r = *state;

	join(r, "?one\n");
	C("?two\n");
	S("=1\n");
	S("=2\n");
	C("?three\n");
	S("=3\n");
	rig_expect(r, "unanswered:midstream two");
	rig_expect(r, "orphan:midstream 1");
	rig_expect(r, "orphan:midstream 2");
	rig_expect(r, "paired three 3");
}

static void joined_in_a_sliding_pipeline_nothing_is_told_before_as_many_have_answered(void **state)
{
	struct rig *r = *state;

	join(r, "?one\n");
	C("?two\n?three\n");
	S("=1\n");
	C("?four\n"); /* sent when only 1 had come: it is not what follows that answers it */
	S("=2\n=3\n=4\n");
	C("?five\n");
	S("=5\n");
	rig_expect(r, "unanswered:midstream two");
	rig_expect(r, "unanswered:midstream three");
	rig_expect(r, "unanswered:midstream four");
	rig_expect(r, "orphan:midstream 1");
	rig_expect(r, "orphan:midstream 2");
	rig_expect(r, "orphan:midstream 3");
	rig_expect(r, "orphan:midstream 4");
	rig_expect(r, "paired five 5");
}

static void a_response_that_acknowledges_nothing_of_a_request_does_not_answer_it(void **state)
{
	struct rig *r = *state;
	int64_t before;

	join(r, "?one\n");
	before = (int64_t)r->offset[SIDE_A];
	C("?two\n");
	bench_send(&r->b,
		   (struct sent){ .side = SIDE_B, .data = "=1\n", .bytes = 3, .ack = before });
	r->offset[SIDE_B] += 3;
	rig_expect(r, "orphan:midstream 1");
	S("=2\n");
	C("?three\n");
	S("=3\n");
	rig_expect(r, "paired two 2");
	rig_expect(r, "paired three 3");
	before = (int64_t)r->offset[SIDE_A];
	C("?four\n");
	bench_send(&r->b, (struct sent){ .side = SIDE_B,
					 .offset = (int64_t)r->offset[SIDE_B],
					 .data = "=x\n",
					 .bytes = 3,
					 .ack = before });
	r->offset[SIDE_B] += 3;
	S("=4\n");
	rig_expect(r, "orphan:midstream x");
	rig_expect(r, "paired four 4");
}

static void the_end_and_a_long_silence_tell_what_is_held(void **state)
{
	struct rig *r = *state;

	join(r, "");
	C("?one\n");
	S("=1\n");
	rig_expect_nothing(r);
	bench_later(&r->b, r->pair.settings.request_timeout_ns + 1);
	rig_expect(r, "paired one 1");

	r->offset[SIDE_A] = r->offset[SIDE_B] = 0;
	join(r, "");
	C("?two\n");
	S("=2\n");
	C("?three\n");
	flow_close_all(&r->b.flows, WHY_capture_ended);
	rig_expect(r, "paired two 2");
	rig_expect(r, "unanswered:capture_ended three");
}

static void fewer_responses_than_requests_at_the_end_are_nobody_s(void **state)
{
	struct rig *r = *state;

	join(r, "");
	C("?one\n?two\n");
	S("=1\n");
	flow_close_all(&r->b.flows, WHY_capture_ended);
	rig_expect(r, "unanswered:midstream one");
	rig_expect(r, "unanswered:midstream two");
	rig_expect(r, "orphan:midstream 1");
}

static void a_gap_ends_the_holding(void **state)
{
	struct rig *r = *state;

	join(r, "");
	C("?one\n");
	S("=1\n");
	lose(r, SIDE_B, "=2\n");
	C("?three\n");
	bench_later(&r->b, 30000000);
	S("=3\n");
	rig_expect(r, "orphan:midstream 1");
	rig_expect(r, "unanswered:midstream one");
	/* Asked by who had received all that is missing: there is no doubt whose answer this is. */
	rig_expect(r, "paired three 3");
	C("?four\n");
	S("=4\n");
	rig_expect(r, "paired four 4");
}

static void so_many_held_responses_are_nobody_s(void **state)
{
	struct rig *r = *state;
	uint64_t orphans;

	join(r, "");
	for (int i = 0; i < 7; i++)
		C("?1\n?2\n?3\n?4\n?5\n?6\n?7\n?8\n?9\n?a\n");
	for (int i = 0; i < 7; i++)
		S("=1\n=2\n=3\n=4\n=5\n=6\n=7\n=8\n=9\n=a\n");
	bench_later(&r->b, 30000000);
	while (rig_hear(r) != NULL)
		rig_forget(r);
	orphans = r->b.counters.value[C_orphan_midstream];
	assert_int_equal(orphans, 70);
	assert_int_equal(r->b.counters.value[C_responses_paired], 0);
	C("?new\n");
	S("=new\n");
	rig_expect(r, "paired new new");
}

static void a_clock_set_back_gives_no_latency(void **state)
{
	struct rig *r = *state;
	const struct record *rec;

	C("?one\n");
	clock_see(&r->b.clock, r->b.clock.last_ns - 3600 * CLOCK_SECOND_NS);
	S("=1\n");
	rec = rig_expect(r, "paired one 1");
	assert_int_equal(rec->latency_ns, 0);
	assert_int_equal(rec->flags, FLAG_clock_backwards);
}

static void a_differing_copy_of_an_unfinished_head_is_flagged(void **state)
{
	struct rig *r = *state;
	const struct record *rec;

	C("?fir");
	bench_send(&r->b, (struct sent){ .side = SIDE_A, .data = "?LAS", .bytes = 4 });
	assert_int_equal(r->b.counters.value[C_conflict_bytes], 3);
	C("st\n");
	S("=1\n");
	rec = rig_expect(r, "paired first 1");
	assert_true(rec->request.present);
}

static void what_nobody_reads_is_counted(void **state)
{
	struct rig *r = *state;

	C("?one\n@\nsecret");
	S("bytes");
	assert_int_equal(r->b.counters.value[C_opaque_bytes], 11);
	assert_int_equal(r->b.counters.value[C_flows_opaque], 1);
}

static void a_full_ring_costs_records_by_number(void **state)
{
	struct rig *r = *state;
	uint64_t made = 0, seen = 0, last = 0, bytes;
	const struct record *rec;

	while (r->b.counters.value[C_records_ring_full] == 0) {
		r->offset[0] = r->offset[1] = 0;
		r->b.client_port++;
		bench_handshake(&r->b);
		C("!x\n!x\n!x\n!x\n!x\n!x\n!x\n!x\n");
		flow_close_all(&r->b.flows, WHY_connection_closed);
		ring_publish(&r->region.ring);
		made += 8;
	}
	while ((rec = ring_peek(&r->consumer, &bytes)) != NULL) {
		last = rec->seq;
		seen++;
		ring_next(&r->consumer, bytes);
	}
	assert_int_equal(r->b.counters.value[C_records_made], made);
	assert_int_equal(seen + r->b.counters.value[C_records_ring_full], made);
	assert_int_equal(last, seen - 1);
	ring_release(&r->consumer);
	r->offset[0] = r->offset[1] = 0;
	r->b.client_port++;
	bench_handshake(&r->b);
	C("!y\n");
	bench_later(&r->b, 30000000);
	r->seq = made; /* the hole in the numbers is the loss */
	rig_expect(r, "oneway y");
}

static void want_of_memory_costs_messages_and_shifts_nothing(void **state)
{
	struct rig *r = *state;
	uint64_t all = r->b.arena.limit_bytes;

	C("?one one\n?two two\n");
	S("=1\n");
	rig_expect(r, "paired one one 1");
	r->b.arena.limit_bytes = r->b.arena.held_bytes;
	while (r->pair.pool != NULL) { /* nothing is left to take messages from */
		struct message *m = r->pair.pool;

		r->pair.pool = m->next;
		r->pair.pooled--;
		arena_give(&r->b.arena, m, sizeof(*m));
	}
	r->b.arena.limit_bytes = r->b.arena.held_bytes;
	S("=2\n");
	rig_expect(r, "unanswered:gap two two");
	r->b.arena.limit_bytes = all;
	C("?three\n");
	S("=3\n");
	rig_expect(r, "paired three 3");
	assert_true(r->b.counters.value[C_out_of_memory] > 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, open_rig, close_rig)
	const struct CMUnitTest tests[] = {
		T(responses_answer_requests_in_order),
		T(latency_runs_from_last_request_byte_to_first_response_byte),
		T(keys_choose_the_request),
		T(interim_responses_use_up_nothing),
		T(one_way_messages_stand_alone),
		T(a_lost_response_shifts_nothing),
		T(after_a_server_gap_pipelined_responses_are_orphans_until_certain),
		T(after_a_client_gap_the_lost_request_s_response_is_an_orphan),
		T(requests_from_before_a_client_gap_are_answered_in_order),
		T(a_gap_in_a_body_costs_bytes_and_no_pair),
		T(requests_over_the_limit_are_remembered_by_number),
		T(a_request_that_timed_out_keeps_its_place),
		T(a_response_captured_before_its_request_waits),
		T(a_response_without_request_is_an_orphan_after_a_while),
		T(an_early_response_has_no_latency),
		T(the_end_closes_what_is_open_and_says_why),
		T(a_connection_joined_in_the_middle_says_so),
		T(joined_with_nothing_in_flight_all_are_pairs),
		T(joined_behind_a_pipelined_request_nothing_shifts),
		T(joined_in_a_sliding_pipeline_nothing_is_told_before_as_many_have_answered),
		T(a_response_that_acknowledges_nothing_of_a_request_does_not_answer_it),
		T(the_end_and_a_long_silence_tell_what_is_held),
		T(fewer_responses_than_requests_at_the_end_are_nobody_s),
		T(a_gap_ends_the_holding),
		T(so_many_held_responses_are_nobody_s),
		T(a_clock_set_back_gives_no_latency),
		T(a_differing_copy_of_an_unfinished_head_is_flagged),
		T(what_nobody_reads_is_counted),
		T(a_full_ring_costs_records_by_number),
		T(want_of_memory_costs_messages_and_shifts_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
