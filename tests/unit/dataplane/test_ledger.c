/* Proves the promises in ledger.h: the table is the list, line by line; every balance has both
 * sides and no counter is in two; names are fit for JSON and for metrics, and no two lines of a
 * balance print under the same words; reasons for lost pairs follow the order of their own list.
 */
#include "dataplane/ledger.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void the_table_is_the_list(void **state)
{
	(void)state;
#define SAME(id_, balance_, side_, term_, reason_, meaning_)                                       \
	assert_string_equal(ledger_line[C_##id_].id, #id_);                                        \
	assert_int_equal(ledger_line[C_##id_].balance, BALANCE_##balance_);                        \
	assert_int_equal(ledger_line[C_##id_].side, BALANCE_##side_);                              \
	assert_string_equal(ledger_line[C_##id_].term, term_);                                     \
	assert_string_equal(ledger_line[C_##id_].reason, reason_);                                 \
	assert_string_equal(ledger_line[C_##id_].meaning, meaning_);
	LEDGER_LIST(SAME)
}

static void every_balance_has_two_sides(void **state)
{
	(void)state;
	unsigned lines[BALANCE_NONE + 1][3] = { 0 };

	for (unsigned i = 0; i < COUNTER_COUNT; i++)
		lines[ledger_line[i].balance][ledger_line[i].side]++;
	for (unsigned b = 0; b < BALANCE_NONE; b++) {
		assert_true(lines[b][BALANCE_IN] > 0);
		assert_true(lines[b][BALANCE_OUT] > 0);
		assert_int_equal(lines[b][BALANCE_BESIDE], 0);
	}
	assert_int_equal(lines[BALANCE_NONE][BALANCE_IN], 0);
	assert_int_equal(lines[BALANCE_NONE][BALANCE_OUT], 0);
}

static bool is_word(const char *s)
{
	return *s != 0 && strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(s);
}

static void names_fit_json_and_metrics(void **state)
{
	(void)state;
	for (unsigned i = 0; i < COUNTER_COUNT; i++) {
		const struct ledger_line *l = &ledger_line[i];

		assert_true(is_word(l->id));
		assert_true(is_word(l->term));
		assert_true(*l->reason == 0 || is_word(l->reason) ||
			    strcmp(l->reason, "(gauge)") == 0);
		assert_true(*l->meaning != 0);
		assert_null(strpbrk(l->meaning, "\"\\\n"));
	}
}

static void no_two_lines_print_under_the_same_words(void **state)
{
	(void)state;
	for (unsigned i = 0; i < COUNTER_COUNT; i++) {
		for (unsigned j = 0; j < i; j++) {
			const struct ledger_line *a = &ledger_line[i], *b = &ledger_line[j];

			assert_string_not_equal(a->id, b->id);
			assert_false(a->balance == b->balance && strcmp(a->term, b->term) == 0 &&
				     strcmp(a->reason, b->reason) == 0);
		}
	}
}

static void lost_halves_follow_the_order_of_why(void **state)
{
	(void)state;
	for (unsigned why = 0; why < WHY_COUNT; why++) {
		assert_string_equal(ledger_line[C_unanswered_connection_closed + why].reason,
				    why_name(why));
		assert_string_equal(ledger_line[C_orphan_connection_closed + why].reason,
				    why_name(why));
	}
}

static void counting_touches_one_counter(void **state)
{
	(void)state;
	struct counters c = { 0 };

	count(&c, gaps);
	count_by(&c, gap_bytes, 1460);
	gauge_set(&c, payload_held, 5);
	count_by(&c, payload_held, 2);
	for (unsigned i = 0; i < COUNTER_COUNT; i++)
		assert_int_equal(c.value[i], i == C_gaps           ? 1
					     : i == C_gap_bytes    ? 1460
					     : i == C_payload_held ? 7
								   : 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_table_is_the_list),
		cmocka_unit_test(every_balance_has_two_sides),
		cmocka_unit_test(names_fit_json_and_metrics),
		cmocka_unit_test(no_two_lines_print_under_the_same_words),
		cmocka_unit_test(lost_halves_follow_the_order_of_why),
		cmocka_unit_test(counting_touches_one_counter),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
