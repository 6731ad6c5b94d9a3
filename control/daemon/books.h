/* books - the ledger: counters and ring positions put on two sides and added up.
 *
 *     books_take()      a snapshot per worker, what the sources offered, what was drained
 *     books_balances()  every balance with its terms and its residual
 *     books_json()      all of it, as `--ledger` and the end line have it
 *     books_table()     the same for people
 *
 * Scopes: "worker:W" (packets, payload, requests, responses, records), "source:S" (live: one per
 * --rx; else all of them are source:0), "exporter:FORMAT", and "total" for what only the workers
 * together can balance (what they took from live sources, what they handed each other).
 *
 * A balance closes when its residual is 0 and nothing is under way any more: at
 * the end of a run a gauge that is not 0 is as wrong as a residual. One whose
 * `in` nobody counted independently is not checkable, which is neither.
 *
 * Terms are named `term` or `term.reason`. Zeros are left out, but for the first of each side.
 */
#ifndef CONTROL_DAEMON_BOOKS_H
#define CONTROL_DAEMON_BOOKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "control/bench/hdr.h"
#include "control/export/sink/sink.h"
#include "dataplane/ledger.h"
#include "dataplane/rx/rx.h"
#include "dataplane/shm/region.h"

/* What has become of the records that left the rings. */
struct books_exporter {
	const char *format;
	uint64_t drained;         /* by this control and by those killed before it */
	uint64_t exported;        /* written by this one */
	uint64_t earlier_control; /* released, and so written, by those before it */
	uint64_t collected_lost;  /* released by those before it, of a format that collects: gone */
	uint64_t not_selected_type; /* records of a type the format does not tell of */
	uint64_t cut_drain, cut_format, cut_no_output;
	uint64_t failed[SINK_FAILURE_COUNT];
	uint64_t failed_memory;
	uint64_t queued; /* gauge: collected, not yet written */
};

struct books_worker {
	struct counters counters;
	bool known;     /* a snapshot was ever had */
	uint32_t ports; /* one per source */
	struct region_port_view port[REGION_PORTS];
	uint64_t drained, in_ring; /* records */
};

struct books {
	uint32_t workers;
	bool live; /* a source is shared by the ports of all workers; else each sees all of it */
	bool died; /* the dataplane is gone and never closed its books */
	struct books_exporter exporter;
	const struct hdr *delay; /* of pairs, from the wire to the output; NULL: not measured */
	struct books_worker worker[REGION_WORKERS_MAX];
};

/* books_take - read everything that the regions say now. A worker whose page cannot be read
 * (its dataplane died while writing) keeps the counters read last. */
void books_take(struct books *b, const struct region_reader *regions, uint32_t count);

/* books_sum - a counter over all workers. */
uint64_t books_sum(const struct books *b, enum counter c);

enum { BOOKS_TERMS_MAX = 48 };

struct books_term {
	const char *term, *reason; /* reason "": none */
	uint64_t value;
	bool is_gauge;
};

struct books_side {
	uint32_t count;
	struct books_term term[BOOKS_TERMS_MAX];
};

struct balance_sheet {
	const char *name;
	char scope[48];
	struct books_side in, out; /* the main term first; zeros included */
	int64_t residual;          /* valid if checkable */
	uint64_t under_way;        /* gauges */
	bool checkable;
};

/* balance_closed - false for one that is not checkable too. */
bool balance_closed(const struct balance_sheet *s);

/* books_balances - calls `each` with every balance, in order: those of worker 0, ..., source,
 * exporter, total. */
typedef void books_each_fn(void *context, const struct balance_sheet *s);
void books_balances(const struct books *b, books_each_fn *each, void *context);

/* books_closed - every checkable balance closes, and the dataplane lived to say so. */
bool books_closed(const struct books *b);

/* books_json - {"closed":…,"balances":[…],"beside":{…}}, and with a delay
 * "pair_delay_ns":{"count":…, "p50":…, p90 p99 p999 p9999, "max":…} of at least one pair; less than
 * BOOKS_JSON_MAX bytes. Returns the end. */
#define BOOKS_JSON_MAX (2 << 20)
char *books_json(const struct books *b, char *at);

/* books_table - rows for people: sums over the workers. The sources and the exporter have a row
 * only where it says more than "everything arrived". */
void books_table(const struct books *b, FILE *to);

#endif
