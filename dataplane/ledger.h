/* ledger - every way a packet, a byte, a message or a record is accounted for.
 *
 * A counter is one number that only grows (unless it is a gauge). A balance is
 * a set of counters on two sides; its residual, sum of `in` minus sum of
 * `out`, must be 0. This list is the only place where either is written down: the
 * enum, the names in the JSON, the table for people and the metrics are
 * generated from it. To add a way to drop, add a line.
 *
 *     X(id, balance, side, term, reason, meaning)
 *
 *     balance  PACKETS PAYLOAD DATAGRAMS REQUESTS RESPONSES RECORDS, or NONE: in no balance
 *     side     IN, OUT, or BESIDE
 *     term     the word in the ledger; several lines may share a term and differ in
 *     reason   the word behind the dot (`malformed.ip_header`); "" where there is none
 *
 * Scope: one worker. What a source or an exporter counts is added by those
 * who own it (rx_counters in rx/rx.h, the drain in control/daemon).
 *
 * With several workers on a file each walks all of it; a packet is counted by
 * the one worker that owns it (its flow's, or for packets without a flow
 * number modulo workers), from `received` on. So the sum over workers is the
 * capture, each packet once.
 */
#ifndef DATAPLANE_LEDGER_H
#define DATAPLANE_LEDGER_H

#include <stdint.h>

#include "dataplane/shm/words.h"

/* clang-format off */
#define LEDGER_PACKETS(X) \
	X(received,              PACKETS, IN,  "received", "", "packets taken from a source") \
	X(handed_in,             PACKETS, IN,  "handed_in", "", "packets other workers handed to this one") \
	X(datagrams_completed,   PACKETS, IN,  "datagrams_completed", "", "IP datagrams put together from fragments") \
	X(filtered,              PACKETS, OUT, "filtered", "", "not selected by the filter expression") \
	X(malformed_link,        PACKETS, OUT, "malformed", "link", "link-layer header cut short or impossible") \
	X(malformed_ip_header,   PACKETS, OUT, "malformed", "ip_header", "IP header cut short or impossible") \
	X(malformed_ip_length,   PACKETS, OUT, "malformed", "ip_length", "IP total length smaller than its header") \
	X(malformed_ip_checksum, PACKETS, OUT, "malformed", "ip_checksum", "IPv4 header checksum wrong (--checksum on)") \
	X(malformed_extension,   PACKETS, OUT, "malformed", "extension", "IPv6 extension header cut short") \
	X(malformed_fragment,    PACKETS, OUT, "malformed", "fragment", "fragment with an impossible length or offset") \
	X(malformed_fragment_overlap, PACKETS, OUT, "malformed", "fragment_overlap", "IPv6 fragment overlapping another (RFC 5722)") \
	X(malformed_tcp_header,  PACKETS, OUT, "malformed", "tcp_header", "TCP header cut short or impossible") \
	X(malformed_udp_header,  PACKETS, OUT, "malformed", "udp_header", "UDP header cut short or its length impossible") \
	X(malformed_l4_checksum, PACKETS, OUT, "malformed", "l4_checksum", "TCP or UDP checksum wrong (--checksum on)") \
	X(malformed_tunnel,      PACKETS, OUT, "malformed", "tunnel", "tunnel header cut short or impossible, or its checksum wrong (--checksum on)") \
	X(malformed_too_deep,    PACKETS, OUT, "malformed", "too_deep", "more headers inside each other than the limits allow") \
	X(passed_arp,            PACKETS, OUT, "passed_over", "arp", "ARP") \
	X(passed_not_ip,         PACKETS, OUT, "passed_over", "not_ip", "neither IPv4 nor IPv6") \
	X(passed_link_type,      PACKETS, OUT, "passed_over", "link_type", "a link type that weir does not know") \
	X(passed_icmp,           PACKETS, OUT, "passed_over", "icmp", "ICMP and ICMPv6") \
	X(passed_ip_protocol,    PACKETS, OUT, "passed_over", "ip_protocol", "an IP protocol other than TCP and UDP") \
	X(passed_ignored_port,   PACKETS, OUT, "passed_over", "ignored_port", "a port of --ignore-ports") \
	X(passed_own_traffic,    PACKETS, OUT, "passed_over", "own_traffic", "from or to an address that weir itself listens on") \
	X(passed_fragment_limit, PACKETS, OUT, "passed_over", "fragment_limit", "a fragment over the caps of IP reassembly") \
	X(passed_flow_table_full, PACKETS, OUT, "passed_over", "flow_table_full", "no room for another flow") \
	X(duplicate_packets,     PACKETS, OUT, "duplicate", "", "second copies of packets seen before") \
	X(fragment_kept,         PACKETS, OUT, "fragment_kept", "", "IP fragments kept for their datagram") \
	X(handed_out,            PACKETS, OUT, "handed_out", "", "packets handed to the worker that owns the flow") \
	X(handoff_full,          PACKETS, OUT, "handoff_full", "", "packets lost because another worker's hand-off ring was full") \
	X(cut_rx,                PACKETS, OUT, "cut", "rx", "stopped by --until rx") \
	X(cut_decode,            PACKETS, OUT, "cut", "decode", "stopped by --until decode") \
	X(cut_flow,              PACKETS, OUT, "cut", "flow", "stopped by --until flow") \
	X(to_flow,               PACKETS, OUT, "to_flow", "", "packets given to a flow")

#define LEDGER_PAYLOAD(X) \
	X(payload_captured,      PAYLOAD, IN,  "captured", "", "captured TCP payload bytes of packets given a flow") \
	X(payload_delivered,     PAYLOAD, OUT, "delivered", "", "bytes delivered in order") \
	X(payload_duplicate,     PAYLOAD, OUT, "duplicate", "", "bytes seen before: retransmissions, overlaps, keep-alives") \
	X(payload_late,          PAYLOAD, OUT, "late", "", "bytes that came after their gap was declared, or before the start") \
	X(discarded_after_fin,   PAYLOAD, OUT, "discarded", "after_fin", "bytes beyond the FIN") \
	X(discarded_after_reset, PAYLOAD, OUT, "discarded", "after_reset", "bytes after an exact RST") \
	X(discarded_reset_payload, PAYLOAD, OUT, "discarded", "reset_payload", "payload of RST segments (RFC 9293 3.5.3)") \
	X(discarded_syn_refused, PAYLOAD, OUT, "discarded", "syn_refused", "SYN payload that the SYN/ACK did not cover") \
	X(discarded_out_of_window, PAYLOAD, OUT, "discarded", "out_of_window", "bytes too far ahead to belong to the connection") \
	X(discarded_depth,       PAYLOAD, OUT, "discarded", "depth", "bytes beyond the reassembly depth") \
	X(discarded_flow_cap,    PAYLOAD, OUT, "discarded", "flow_cap", "held bytes over the direction's cap") \
	X(discarded_worker_cap,  PAYLOAD, OUT, "discarded", "worker_cap", "held bytes over the worker's cap") \
	X(discarded_evicted,     PAYLOAD, OUT, "discarded", "evicted", "held bytes of flows that had to make room") \
	X(payload_shunted,       PAYLOAD, OUT, "shunted", "", "bytes of bodies that are not followed (--shunt)") \
	X(payload_held,          PAYLOAD, OUT, "held", "(gauge)", "bytes held ahead of a hole now")

#define LEDGER_DATAGRAMS(X) \
	X(datagrams_captured,    DATAGRAMS, IN,  "captured", "", "captured UDP payload bytes of packets given a flow") \
	X(datagrams_read,        DATAGRAMS, OUT, "read", "", "bytes that a dissector took") \
	X(datagrams_opaque,      DATAGRAMS, OUT, "opaque", "", "bytes that no dissector reads") \
	X(datagrams_cut,         DATAGRAMS, OUT, "cut", "reassembly", "bytes that nobody was shown: --until reassembly, --format streams")

#define LEDGER_MESSAGES(X) \
	X(requests,              REQUESTS, IN,  "requests", "", "requests seen") \
	X(requests_paired,       REQUESTS, OUT, "paired", "", "requests with their response") \
	X(unanswered_connection_closed, REQUESTS, OUT, "unanswered", "connection_closed", "the connection ended first") \
	X(unanswered_reset,      REQUESTS, OUT, "unanswered", "reset", "the connection was reset first") \
	X(unanswered_timeout,    REQUESTS, OUT, "unanswered", "timeout", "nothing came within the request timeout") \
	X(unanswered_gap,        REQUESTS, OUT, "unanswered", "gap", "the response is in a gap") \
	X(unanswered_midstream,  REQUESTS, OUT, "unanswered", "midstream", "the capture began in between") \
	X(unanswered_evicted,    REQUESTS, OUT, "unanswered", "evicted", "the flow had to make room") \
	X(unanswered_limit,      REQUESTS, OUT, "unanswered", "limit", "more open requests than the limit allows") \
	X(unanswered_capture_ended, REQUESTS, OUT, "unanswered", "capture_ended", "the capture ended first") \
	X(requests_open,         REQUESTS, OUT, "open", "(gauge)", "requests waiting for their response now") \
	X(responses,             RESPONSES, IN, "responses", "", "final responses seen") \
	X(responses_paired,      RESPONSES, OUT, "paired", "", "responses with their request") \
	X(orphan_connection_closed, RESPONSES, OUT, "orphan", "connection_closed", "no request on a connection seen from its start") \
	X(orphan_reset,          RESPONSES, OUT, "orphan", "reset", "no request before the reset") \
	X(orphan_timeout,        RESPONSES, OUT, "orphan", "timeout", "the request had timed out") \
	X(orphan_gap,            RESPONSES, OUT, "orphan", "gap", "the request is in a gap, or cannot be told after one") \
	X(orphan_midstream,      RESPONSES, OUT, "orphan", "midstream", "the request was sent before the capture began") \
	X(orphan_evicted,        RESPONSES, OUT, "orphan", "evicted", "the flow had to make room") \
	X(orphan_limit,          RESPONSES, OUT, "orphan", "limit", "its request was one over the limit of open requests") \
	X(orphan_capture_ended,  RESPONSES, OUT, "orphan", "capture_ended", "the capture ended while its request was awaited") \
	X(responses_open,        RESPONSES, OUT, "open", "(gauge)", "responses not complete now")

#define LEDGER_RECORDS(X) \
	X(records_made,          RECORDS, IN,  "made", "", "records made") \
	X(records_ring_full,     RECORDS, OUT, "ring_full", "", "records lost because control did not keep up") \
	X(records_cut,           RECORDS, OUT, "cut", "emit", "stopped by --until emit")
	/* `drained` and `in_ring` are read from the ring's indices (shm/ring.h). */

/* In no balance. */
#define LEDGER_BESIDE(X) \
	X(received_bytes,        NONE, BESIDE, "received_bytes", "", "captured bytes of received packets") \
	X(tcp_packets,           NONE, BESIDE, "tcp_packets", "", "TCP packets given to a flow") \
	X(udp_packets,           NONE, BESIDE, "udp_packets", "", "UDP packets given to a flow") \
	X(packets_cut,           NONE, BESIDE, "packets_cut", "", "packets shortened by the snap length") \
	X(fragments_expired,     NONE, BESIDE, "fragments_expired", "", "datagrams given up incomplete") \
	X(fragments_overlapping, NONE, BESIDE, "fragments_overlapping", "", "IPv4 fragments overlapping another; first copy wins") \
	X(paths_forgotten,       NONE, BESIDE, "paths_forgotten", "", "flows whose records do not name their tunnels: over --tunnel-paths or --worker-memory") \
	X(copies_forgotten,      NONE, BESIDE, "copies_forgotten", "", "packets forgotten before the time of --dedup was over: over --dedup-packets") \
	X(ports_in_use_again,    NONE, BESIDE, "connections_reopened", "", "new connections on a tuple already known") \
	X(flows_made,            NONE, BESIDE, "flows_made", "", "flows made") \
	X(flows_expired,         NONE, BESIDE, "flows_expired", "", "flows that ended by time") \
	X(flows_evicted,         NONE, BESIDE, "flows_evicted", "", "flows that had to make room for others") \
	X(flows_opaque,          NONE, BESIDE, "flows_opaque", "", "connections and UDP flows given up: protocol unknown or no longer readable") \
	X(handoff_in_flight,     NONE, BESIDE, "handoff_in_flight", "(gauge)", "packets handed over that this worker has not taken yet") \
	X(flows_live,            NONE, BESIDE, "flows_live", "(gauge)", "TCP connections live now") \
	X(segments_delivered,    NONE, BESIDE, "segments_delivered", "", "TCP payloads delivered in order") \
	X(packets_after_close,   NONE, BESIDE, "packets_after_close", "", "packets of connections that had closed") \
	X(gap_bytes,             NONE, BESIDE, "gap_bytes", "", "bytes declared missing") \
	X(gaps,                  NONE, BESIDE, "gaps", "", "holes declared") \
	X(shunted_bytes,         NONE, BESIDE, "shunted_bytes", "", "bytes of bodies not followed, seen or not (--shunt)") \
	X(not_captured_bytes,    NONE, BESIDE, "not_captured_bytes", "", "payload cut off by the snap length") \
	X(conflict_bytes,        NONE, BESIDE, "conflict_bytes", "", "duplicate bytes that differ from the copy kept") \
	X(interim,               NONE, BESIDE, "interim", "", "interim responses (1xx)") \
	X(oneway,                NONE, BESIDE, "oneway", "", "messages without an answer by protocol") \
	X(anomalies,             NONE, BESIDE, "anomalies", "", "messages flagged anomaly") \
	X(opaque_bytes,          NONE, BESIDE, "opaque_bytes", "", "delivered TCP bytes that no dissector reads") \
	X(out_of_memory,         NONE, BESIDE, "out_of_memory", "", "times that something was not kept: over --worker-memory, or the machine has no more") \
	X(clock_set,             NONE, BESIDE, "clock_set", "", "times the capture clock went back or leapt") \
	X(turns,                 NONE, BESIDE, "turns", "", "worker turns") \
	X(heap_bytes,            NONE, BESIDE, "heap_bytes", "(gauge)", "bytes the dataplane's allocator has handed out (worker 0)") \
	X(position_bytes,        NONE, BESIDE, "position_bytes", "(gauge)", "how far the input has been read") \
	X(position_total_bytes,  NONE, BESIDE, "position_total_bytes", "(gauge)", "how long the input is; 0: unknown") \
	X(timed_packets,         NONE, BESIDE, "timed_packets", "", "packets of the bursts whose cycles were counted") \
	X(cycles_rx,             NONE, BESIDE, "cycles", "rx", "cycles of timed bursts in rx") \
	X(cycles_decode,         NONE, BESIDE, "cycles", "decode", "cycles of timed bursts in decode") \
	X(cycles_flow,           NONE, BESIDE, "cycles", "flow", "cycles of timed bursts in flow") \
	X(cycles_reassembly,     NONE, BESIDE, "cycles", "reassembly", "cycles of timed bursts in reassembly") \
	X(cycles_dissect,        NONE, BESIDE, "cycles", "dissect", "cycles of timed bursts in dissect") \
	X(cycles_pair,           NONE, BESIDE, "cycles", "pair", "cycles of timed bursts in pair") \
	X(cycles_emit,           NONE, BESIDE, "cycles", "emit", "cycles of timed bursts in emit")
/* clang-format on */

#define LEDGER_LIST(X)                                                                             \
	LEDGER_PACKETS(X)                                                                          \
	LEDGER_PAYLOAD(X)                                                                          \
	LEDGER_DATAGRAMS(X)                                                                        \
	LEDGER_MESSAGES(X)                                                                         \
	LEDGER_RECORDS(X)                                                                          \
	LEDGER_BESIDE(X)

#define LEDGER_ENUM(id, balance, side, term, reason, meaning) C_##id,
enum counter { LEDGER_LIST(LEDGER_ENUM) COUNTER_COUNT };

enum balance {
	BALANCE_PACKETS,
	BALANCE_PAYLOAD,
	BALANCE_DATAGRAMS,
	BALANCE_REQUESTS,
	BALANCE_RESPONSES,
	BALANCE_RECORDS,
	BALANCE_NONE,
};
enum balance_side { BALANCE_IN, BALANCE_OUT, BALANCE_BESIDE };

/* One line of the list above, for those who print. `counter` is its index. */
struct ledger_line {
	enum balance balance;
	enum balance_side side;
	const char *id, *term, *reason, *meaning;
};
extern const struct ledger_line ledger_line[COUNTER_COUNT];

/* A worker's private counters. One writer, the worker; published by counters_publish(). */
struct counters {
	uint64_t value[COUNTER_COUNT];
};

#define count(counters, id)        ((void)(counters)->value[C_##id]++)
#define count_by(counters, id, by) ((void)((counters)->value[C_##id] += (by)))
#define gauge_set(counters, id, v) ((void)((counters)->value[C_##id] = (v)))

#endif
