/* Proves window.h: segments are held in order and within the caps, copies are compared with what
 * is still kept, the last gaps are remembered, and all memory comes back.
 */
#include <string.h>

#include "dataplane/reassembly/window.h"
#include "tests/support/check.h"

enum { FLOWS = 4, HISTORY = 8 };

/* A direction and what window needs around it; no stage runs. */
struct bed {
	struct arena arena;
	struct counters counters;
	struct flow_table flows;
	struct flow flow[FLOWS];
	struct flow_wait wait[FLOWS * 2];
	struct reassembly r;
	struct direction *d;
};

static struct bed bed;

static int open_bed(void **state)
{
	memset(&bed, 0, sizeof(bed));
	assert_int_equal(arena_init(&bed.arena), 0);
	bed.flows.flow = bed.flow;
	bed.flows.wait = bed.wait;
	for (uint32_t i = 0; i < FLOWS; i++)
		bed.flow[i].index = i;
	bed.r = (struct reassembly){ .counters = &bed.counters,
				     .flows = &bed.flows,
				     .arena = &bed.arena,
				     .wait_first = FLOW_NONE,
				     .wait_last = FLOW_NONE,
				     .settings = { .held_bytes = 100,
						   .held_segments = 4,
						   .held_worker_bytes = 150,
						   .history_bytes = HISTORY } };
	bed.d = &bed.flow[0].direction[0];
	*state = &bed;
	return 0;
}

static int close_bed(void **state)
{
	struct bed *b = *state;

	for (uint32_t i = 0; i < FLOWS; i++)
		for (int side = 0; side < 2; side++)
			window_clear(&b->r, &b->flow[i].direction[side]);
	assert_int_equal(b->r.held_bytes, 0);
	arena_fini(&b->arena);
	return 0;
}

static struct slice text(const char *s)
{
	return slice_of(s, strlen(s));
}

static void hold(struct bed *b, uint64_t offset, const char *s)
{
	struct held *near = NULL;
	const struct segment from = {
		.ts_ns = offset + 1000, .number = offset + 2000, .acked = offset + 3000, .epoch = 4
	};

	assert_true(window_hold(&b->r, b->d, &near, offset, text(s), &from));
}

/* ---- holding ---- */

static void segments_are_kept_in_order_whatever_order_they_come_in(void **state)
{
	static const uint64_t order[][4] = {
		{ 0, 10, 20, 30 }, { 30, 20, 10, 0 }, { 20, 0, 30, 10 }, { 10, 30, 0, 20 }
	};
	struct bed *b = *state;

	for (size_t i = 0; i < array_count(order); i++) {
		for (int k = 0; k < 4; k++)
			hold(b, order[i][k], "0123456789");
		assert_int_equal(b->d->held_last->offset, 30);
		for (uint64_t at = 0; at < 40; at += 10) {
			struct held *h = window_pop(&b->r, b->d);

			assert_int_equal(h->offset, at);
			window_free(&b->r, h);
		}
		assert_null(b->d->held);
		assert_null(b->d->held_last);
		assert_int_equal(b->arena.held_bytes, 0);
	}
}

static void a_held_segment_is_a_copy_that_knows_its_packet(void **state)
{
	struct bed *b = *state;
	char bytes[] = "abc";
	struct held *h;

	hold(b, 7, bytes);
	memset(bytes, 'x', 3);
	h = window_pop(&b->r, b->d);
	assert_memory_equal(h->data, "abc", 3);
	assert_int_equal(h->bytes, 3);
	assert_int_equal(h->ts_ns, 1007);
	assert_int_equal(h->number, 2007);
	assert_int_equal(h->acked, 3007);
	assert_int_equal(h->epoch, 4);
	window_free(&b->r, h);
}

static void what_is_held_is_counted_until_it_is_popped(void **state)
{
	struct bed *b = *state;
	struct held *h;

	hold(b, 0, "abcd");
	hold(b, 10, "ef");
	assert_int_equal(b->d->held_bytes, 6);
	assert_int_equal(b->d->held_count, 2);
	assert_int_equal(b->r.held_bytes, 6);
	h = window_pop(&b->r, b->d);
	assert_int_equal(b->d->held_bytes, 2);
	assert_int_equal(b->d->held_count, 1);
	assert_int_equal(b->r.held_bytes, 2);
	window_free(&b->r, h);
}

static void there_is_room_up_to_each_cap_and_not_beyond(void **state)
{
	struct bed *b = *state;

	assert_true(window_has_room(&b->r, b->d, 100));
	assert_false(window_has_room(&b->r, b->d, 101)); /* of the direction */
	b->r.held_bytes = 50;
	assert_true(window_has_room(&b->r, b->d, 100));
	b->r.held_bytes = 51;
	assert_false(window_has_room(&b->r, b->d, 100)); /* of the worker */
	b->r.held_bytes = 0;
	b->d->held_count = 3;
	assert_true(window_has_room(&b->r, b->d, 1));
	b->d->held_count = 4;
	assert_false(window_has_room(&b->r, b->d, 1)); /* segments */
	b->d->held_count = 0;
}

static void the_first_segment_that_ends_later_is_found(void **state)
{
	struct bed *b = *state;

	assert_null(window_find(b->d, NULL, 0));
	hold(b, 10, "abcde");
	hold(b, 20, "fghij");
	assert_int_equal(window_find(b->d, NULL, 0)->offset, 10);
	assert_int_equal(window_find(b->d, NULL, 14)->offset, 10);
	assert_int_equal(window_find(b->d, NULL, 15)->offset, 20);
	assert_int_equal(window_find(b->d, NULL, 24)->offset, 20);
	assert_null(window_find(b->d, NULL, 25));
}

static void clearing_discards_what_is_held(void **state)
{
	struct bed *b = *state;

	hold(b, 10, "abcde");
	hold(b, 20, "fg");
	window_clear(&b->r, b->d);
	assert_int_equal(b->counters.value[C_discarded_evicted], 7);
	assert_int_equal(b->r.held_bytes, 0);
	assert_int_equal(b->arena.held_bytes, 0);
	window_clear(&b->r, b->d);
	assert_int_equal(b->counters.value[C_discarded_evicted], 7);
}

/* ---- comparing copies ---- */

static void differing_bytes_of_a_held_copy_are_counted(void **state)
{
	struct bed *b = *state;

	hold(b, 10, "abcdef");
	assert_int_equal(window_compare_held(b->d->held, 10, text("abcdef")), 0);
	assert_int_equal(window_compare_held(b->d->held, 12, text("cd")), 0);
	assert_int_equal(window_compare_held(b->d->held, 12, text("cX")), 1);
	assert_int_equal(window_compare_held(b->d->held, 10, text("XXXXXX")), 6);
}

static void history_compares_what_it_still_keeps(void **state)
{
	struct bed *b = *state;

	window_keep_history(&b->r, b->d, 0, text("abcde"));
	assert_int_equal(window_compare_history(b->d, 0, text("abcde")), 0);
	assert_int_equal(window_compare_history(b->d, 1, text("XcX")), 2);
	/* Eight bytes are kept: of the first five only `de` is left. */
	window_keep_history(&b->r, b->d, 5, text("fghijk"));
	assert_int_equal(window_compare_history(b->d, 0, text("XXXde")), 0);
	assert_int_equal(window_compare_history(b->d, 3, text("XX")), 2);
	assert_int_equal(window_compare_history(b->d, 3, text("defghijk")), 0);
	assert_int_equal(window_compare_history(b->d, 10, text("kXXX")), 0); /* not delivered yet */
}

static void history_of_a_long_segment_is_its_end(void **state)
{
	struct bed *b = *state;

	window_keep_history(&b->r, b->d, 0, text("0123456789abcdef"));
	assert_int_equal(window_compare_history(b->d, 8, text("89abcdef")), 0);
	assert_int_equal(window_compare_history(b->d, 8, text("XXXXXXXX")), 8);
	assert_int_equal(window_compare_history(b->d, 0, text("XXXXXXXX")), 0);
}

static void history_does_not_reach_across_a_gap(void **state)
{
	struct bed *b = *state;

	window_keep_history(&b->r, b->d, 0, text("abc"));
	window_keep_history(&b->r, b->d, 5, text("fgh"));
	assert_int_equal(window_compare_history(b->d, 0, text("XXXXX")), 0);
	assert_int_equal(window_compare_history(b->d, 5, text("fXh")), 1);
}

static void duplicates_and_conflicts_are_noted(void **state)
{
	struct bed *b = *state;

	window_note_duplicate(&b->r, b->d, 10, 0);
	assert_int_equal(b->counters.value[C_conflict_bytes], 0);
	assert_false(b->d->seen & SEEN_CONFLICT);
	window_note_duplicate(&b->r, b->d, 10, 3);
	assert_int_equal(b->counters.value[C_conflict_bytes], 3);
	assert_true(b->d->seen & SEEN_CONFLICT);
	assert_int_equal(b->d->extra->duplicate_bytes, 20);
	assert_int_equal(b->d->extra->conflict_bytes, 3);
}

static void without_history_duplicates_cost_no_memory(void **state)
{
	struct bed *b = *state;

	b->r.settings.history_bytes = 0;
	window_note_duplicate(&b->r, b->d, 10, 3);
	assert_null(b->d->extra);
	assert_int_equal(b->counters.value[C_conflict_bytes], 3);
}

/* ---- gaps ---- */

static void bytes_in_remembered_gaps_are_counted(void **state)
{
	struct bed *b = *state;

	assert_int_equal(window_bytes_in_gaps(b->d, 0, 1000), 0);
	window_remember_gap(&b->r, b->d, 10, 20);
	window_remember_gap(&b->r, b->d, 30, 35);
	assert_int_equal(window_bytes_in_gaps(b->d, 0, 10), 0);
	assert_int_equal(window_bytes_in_gaps(b->d, 0, 11), 1);
	assert_int_equal(window_bytes_in_gaps(b->d, 12, 15), 3);
	assert_int_equal(window_bytes_in_gaps(b->d, 19, 31), 2);
	assert_int_equal(window_bytes_in_gaps(b->d, 0, 1000), 15);
	assert_int_equal(window_bytes_in_gaps(b->d, 20, 30), 0);
}

static void the_oldest_gap_is_forgotten_first(void **state)
{
	struct bed *b = *state;

	for (uint64_t i = 0; i < GAPS_REMEMBERED + 1; i++)
		window_remember_gap(&b->r, b->d, i * 10, i * 10 + 1);
	assert_int_equal(window_bytes_in_gaps(b->d, 0, 10), 0);
	assert_int_equal(window_bytes_in_gaps(b->d, 0, 1000), GAPS_REMEMBERED);
}

/* ---- payload of a SYN ---- */

static struct packet syn(const char *s)
{
	return (struct packet){ .payload = (const uint8_t *)s,
				.payload_bytes = (uint32_t)strlen(s),
				.payload_captured_bytes = (uint32_t)strlen(s),
				.ts_ns = 5,
				.number = 6 };
}

static void the_payload_of_a_syn_is_kept_until_it_is_dropped(void **state)
{
	struct bed *b = *state;
	struct packet p = syn("early");

	assert_true(window_keep_syn(&b->r, b->d, &p));
	assert_int_equal(b->r.held_bytes, 5);
	assert_memory_equal(b->d->extra->syn, "early", 5);
	assert_int_equal(b->d->extra->syn_ts_ns, 5);
	assert_int_equal(b->d->extra->syn_number, 6);
	b->r.held_bytes -= b->d->extra->syn_bytes; /* reassembly has delivered them */
	window_drop_syn(&b->r, b->d);
	assert_null(b->d->extra->syn);
	assert_int_equal(b->d->extra->syn_bytes, 0);
}

static void the_payload_of_a_syn_that_nothing_answered_is_refused(void **state)
{
	struct bed *b = *state;
	struct packet p = syn("early");

	assert_true(window_keep_syn(&b->r, b->d, &p));
	window_clear(&b->r, b->d);
	assert_int_equal(b->counters.value[C_discarded_syn_refused], 5);
	assert_int_equal(b->r.held_bytes, 0);
	assert_int_equal(b->arena.held_bytes, 0);
}

static void the_payload_of_a_syn_obeys_the_worker_s_cap(void **state)
{
	struct bed *b = *state;
	struct packet p = syn("early");

	b->r.held_bytes = 146;
	assert_false(window_keep_syn(&b->r, b->d, &p));
	b->r.held_bytes = 145;
	assert_true(window_keep_syn(&b->r, b->d, &p));
	b->r.held_bytes -= 145;
}

/* ---- holes that wait ---- */

static void wait(struct bed *b, uint32_t flow, enum side side, uint64_t since_ns)
{
	window_link(&b->r, &b->flow[flow], side, since_ns);
}

/* The list as the ids of its directions, in both directions. */
static void assert_waiting(const struct bed *b, const uint32_t *id, uint32_t count)
{
	uint32_t at = b->r.wait_first;

	for (uint32_t i = 0; i < count; i++) {
		assert_int_equal(at, id[i]);
		at = b->wait[at].next;
	}
	assert_int_equal(at, FLOW_NONE);
	at = b->r.wait_last;
	for (uint32_t i = count; i > 0; i--) {
		assert_int_equal(at, id[i - 1]);
		at = b->wait[at].prev;
	}
	assert_int_equal(at, FLOW_NONE);
}

static void holes_wait_in_the_order_of_their_time(void **state)
{
	struct bed *b = *state;

	wait(b, 1, SIDE_B, 100);
	wait(b, 0, SIDE_A, 300);
	wait(b, 2, SIDE_A, 200);
	wait(b, 3, SIDE_B, 50);
	wait(b, 3, SIDE_A, 300); /* the same time: behind who came first */
	assert_waiting(b, (const uint32_t[]){ 7, 3, 4, 0, 6 }, 5);
}

static void a_hole_may_leave_from_anywhere(void **state)
{
	struct bed *b = *state;

	for (uint32_t i = 0; i < FLOWS; i++)
		wait(b, i, SIDE_A, i);
	window_unlink(&b->r, &b->flow[1], SIDE_A);
	assert_waiting(b, (const uint32_t[]){ 0, 4, 6 }, 3);
	window_unlink(&b->r, &b->flow[3], SIDE_A);
	assert_waiting(b, (const uint32_t[]){ 0, 4 }, 2);
	window_unlink(&b->r, &b->flow[0], SIDE_A);
	assert_waiting(b, (const uint32_t[]){ 4 }, 1);
	window_unlink(&b->r, &b->flow[2], SIDE_A);
	assert_waiting(b, NULL, 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, open_bed, close_bed)
	const struct CMUnitTest tests[] = {
		T(segments_are_kept_in_order_whatever_order_they_come_in),
		T(a_held_segment_is_a_copy_that_knows_its_packet),
		T(what_is_held_is_counted_until_it_is_popped),
		T(there_is_room_up_to_each_cap_and_not_beyond),
		T(the_first_segment_that_ends_later_is_found),
		T(clearing_discards_what_is_held),
		T(differing_bytes_of_a_held_copy_are_counted),
		T(history_compares_what_it_still_keeps),
		T(history_of_a_long_segment_is_its_end),
		T(history_does_not_reach_across_a_gap),
		T(duplicates_and_conflicts_are_noted),
		T(without_history_duplicates_cost_no_memory),
		T(bytes_in_remembered_gaps_are_counted),
		T(the_oldest_gap_is_forgotten_first),
		T(the_payload_of_a_syn_is_kept_until_it_is_dropped),
		T(the_payload_of_a_syn_that_nothing_answered_is_refused),
		T(the_payload_of_a_syn_obeys_the_worker_s_cap),
		T(holes_wait_in_the_order_of_their_time),
		T(a_hole_may_leave_from_anywhere),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
