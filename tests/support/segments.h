/* segments - a flow table and reassembly on a bench: segments in, a log of what the sink heard out.
 *
 * A test says what each side sends in stream offsets; the bench turns that into packets as decode
 * would leave them. Every byte that the sink is given is checked to come in order and without
 * overlap.
 */
#ifndef TESTS_SUPPORT_SEGMENTS_H
#define TESTS_SUPPORT_SEGMENTS_H

#include "dataplane/flow/flow.h"
#include "dataplane/reassembly/reassembly.h"

enum { BENCH_BYTES = 1 << 20, BENCH_EVENTS = 4096 };

enum bench_event_kind { HEARD_BYTES, HEARD_GAP, HEARD_CLOSE, HEARD_END };

struct bench_event {
	enum bench_event_kind kind;
	enum side side;
	uint64_t offset, bytes;
	enum why why;
	uint64_t acked;
};

struct bench {
	struct counters counters;
	struct pipeline_clock clock;
	struct arena arena;
	struct flow_table flows;
	struct reassembly reassembly;
	struct burst burst;
	uint64_t number;
	uint32_t isn[2]; /* sequence number of offset 0 */
	uint16_t client_port;
	/* what the sink heard */
	struct bench_event event[BENCH_EVENTS];
	uint32_t events;
	uint8_t *heard[2]; /* BENCH_BYTES each; gaps are zeros */
	uint64_t heard_bytes[2];
	uint64_t gap_bytes[2];
};

/* A segment as a test writes it. `offset` and `ack` are stream offsets; -1 is the SYN's. */
struct sent {
	enum side side;
	uint8_t flags; /* 0: ACK, and PSH with data */
	int64_t offset;
	const void *data;
	uint32_t bytes;
	uint32_t cut_bytes; /* of them not captured */
	int64_t ack;
	uint64_t after_ns; /* since the segment before */
	bool datagram;     /* UDP: only side, data, bytes, cut_bytes and after_ns count */
};

void bench_open(struct bench *b, const struct flow_settings *flow,
		const struct reassembly_settings *reassembly);
void bench_close(
	struct bench *b); /* ends every flow, checks that the books close, gives all memory back */

/* bench_send - one packet through the stages. SIDE_A is the client in these tests. */
void bench_send(struct bench *b, struct sent s);
void bench_handshake(struct bench *b);

/* bench_later - nothing happens for a while: timers run as if a packet of another flow had come. */
void bench_later(struct bench *b, uint64_t ns);

/* bench_books - every balance that reassembly takes part in, now. */
void bench_books(const struct bench *b);

struct flow_settings bench_flow_settings(void);
struct reassembly_settings bench_reassembly_settings(void);

#endif
