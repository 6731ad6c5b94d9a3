#include "dataplane/ledger.h"

#define LINE(id_, balance_, side_, term_, reason_, meaning_)                                       \
	[C_##id_] = { .balance = BALANCE_##balance_,                                               \
		      .side = BALANCE_##side_,                                                     \
		      .id = #id_,                                                                  \
		      .term = (term_),                                                             \
		      .reason = (reason_),                                                         \
		      .meaning = (meaning_) },

const struct ledger_line ledger_line[COUNTER_COUNT] = { LEDGER_LIST(LINE) };

/* pair/ counts by `C_unanswered_connection_closed + why`. */
#define SAME_ORDER(name, meaning)                                                                  \
	_Static_assert(C_unanswered_##name == C_unanswered_connection_closed + WHY_##name, #name); \
	_Static_assert(C_orphan_##name == C_orphan_connection_closed + WHY_##name, #name);
WHY_LIST(SAME_ORDER)
