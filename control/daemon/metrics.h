/* metrics - the counters as Prometheus reads them: text format 0.0.4.
 *
 * Most of it is made from the ledger's list, so that a line added there appears here by itself:
 *
 *     weir_BALANCE_TERM_total{worker="0",reason="ip_header"}   one family per balance and term; the
 *                                                              lines of one term differ in `reason`
 *     weir_BALANCE_TERM{worker="0"}                            a gauge
 *     weir_worker_TERM...                                      what is in no balance
 *     weir_exporter_TERM_total{exporter="jsonl",reason=}       from the exporter's balance
 *     weir_source_..._packets{source="0",backend="af_xdp",interface="eth0"}
 *     weir_ring_..., weir_records_drained_total, weir_records_in_ring     read from the rings
 *     weir_latency_seconds{proto="http"}                       histogram, see below
 *     weir_build_info, weir_start_time_seconds, weir_ledger_consistent, process_cpu_seconds_total
 *
 * A label is never made from traffic: workers and sources are numbered, and all else is a word of
 * this program or a name that the user gave. What is not known (offered, where nobody but weir
 * counts) is left out.
 *
 * The buckets of the histogram are those of dataplane/shm/counters.h, an octave at a time. There a
 * bucket ends before the power of two at which the next one begins; `le` includes its bound. So the
 * bounds are one nanosecond less than powers of two: 0.000001023 to 68.719476735 seconds, and the
 * counts are exact.
 *
 * Threads: one.
 */
#ifndef CONTROL_DAEMON_METRICS_H
#define CONTROL_DAEMON_METRICS_H

#include <stddef.h>
#include <stdint.h>

#include "control/daemon/books.h"

#define METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* metrics_build - the text from books taken just now, and from the histograms of the regions.
 * Memory: from malloc(); NULL without memory. */
char *metrics_build(const struct books *b, const struct region_reader *regions, const char *version,
		    uint64_t started_wall_ns, size_t *ret_bytes);

#endif
