/* stats - the lines that users of the Go tapper plot, every --stats-interval.
 *
 *     [2022-05-08T16:03:01.018+0300] INFO  ▶ stats every 10.000s
 *     [2022-05-08T16:03:01.018+0300] INFO  ▶ app stats - {"processedBytes":…, …}
 *     [2022-05-08T16:03:01.018+0300] INFO  ▶ heap-alloc: …, heap-idle: 0, heap-objects: 0, …
 *
 *     [2022-05-08T16:03:01.018+0300] INFO  ▶ packet-source-stats: [host-eth0: rec: … dropped: …]
 *
 * The first comes once, at the beginning: its time stamp tells how long the first interval was.
 * Names, order and number formats are the tapper's, because programs search for them.
 * Counts are since the line before; only liveTcpStreams is a gauge. What they mean here:
 *
 *     processedBytes               captured bytes
 *     packetsCount                 packets received
 *     tcpPacketsCount              TCP packets given to a flow
 *     ignoredPacketsCount          filtered, malformed, or passed over, but for throttledPackets
 *     reassembledTcpPayloadsCount  TCP payloads delivered in order
 *     tlsConnectionsCount          always 0: no TLS is read
 *     matchedPairs                 requests with their response
 *     droppedTcpStreams            flows evicted or given up
 *     liveTcpStreams               connections live now
 *     ignoredLastAckCount          packets of connections that had closed
 *     throttledPackets             packets passed over because the flow table was full
 *
 * heap-alloc is what both allocators have handed out, goroutines the threads of both
 * daemons, cpu their user and system time in per cent of one core since the line
 * before, cores those of the machine and those we may use, rss the sum of both
 * proportional set sizes. heap-idle and heap-objects have no meaning here and are 0.
 *
 * rec and dropped are what a source has taken and lost since the beginning. `host-handoff` is there
 * when workers have lost packets that they had for each other.
 */
#ifndef CONTROL_DAEMON_STATS_H
#define CONTROL_DAEMON_STATS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "control/daemon/books.h"

enum { STATS_PROCESSES = 2, STATS_COUNTS = 11 };

/* One daemon. What was read last stays when the process is gone. */
struct stats_process {
	pid_t pid;
	uint64_t cpu_ns, threads, set_bytes;
};

struct stats {
	uint64_t interval_ns; /* 0: no lines */
	uint64_t last_ns;     /* CLOCK_MONOTONIC of the line before */
	uint64_t cpu_ns;      /* of both daemons, at the line before */
	uint64_t count[STATS_COUNTS];
	struct stats_process process[STATS_PROCESSES];
};

/* stats_init - for this process and the dataplane. */
void stats_init(struct stats *s, uint64_t interval_ns, pid_t dataplane);

/* stats_go_on - count from what the books say now: for a control that took over in the middle. */
void stats_go_on(struct stats *s, const struct books *b);

/* stats_begin - the line that comes once. */
void stats_begin(const struct stats *s, FILE *to);

/* stats_due - is it time for the next lines? */
bool stats_due(const struct stats *s, uint64_t now_ns);

/* stats_write - the lines from freshly taken books. At the end too: the last interval is a shorter
 * one. */
void stats_write(struct stats *s, const struct books *b, FILE *to);

/* stats_json - the counts of the second line, with their names, as one line of JSON. The next lines
 * are as if it had not been asked for. */
void stats_json(const struct stats *s, const struct books *b, FILE *to);

#endif
