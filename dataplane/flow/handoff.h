/* handoff - packets that came to another worker than the one that owns their flow.
 *
 *     worker 0 ──┬─ ring 0→1 ─► worker 1          one ring for each (from, to), private to the
 *                └─ ring 0→2 ─► worker 2          process: the same byte ring as for records
 *
 * Both directions of a flow have to meet on one worker. Where the back end does not bring them
 * together (rx_about.spread), each packet belongs to the worker that flow_key_spread() names, and
 * whoever receives it for another copies it into that one's ring:
 *
 *     rx_pull → filter → handoff_pull → decode → handoff_burst → flow …
 *                        what others                 gives away what is others',
 *                        have given                  takes in what was given
 *
 * A packet is handed over decoded, with its frame (of a datagram put together from fragments: with
 * its payload), because its datagram exists only where the fragments met. A fragment is handed over
 * as it came, to the worker that its two addresses name, for its ports may be in another; the
 * datagram goes on from there to the owner of its flow. Nothing is handed over more than twice.
 *
 *     spread of the source      what is handed over
 *     own, one or several       what the back end could not see: tunnels, datagrams of fragments
 *     symmetric, one source     the same; plain packets stay where they came, which is a place that
 *                               only the interface knows: what of their flow is in fragments or
 *                               tunnels goes elsewhere, and is a flow of its own there
 *     any; symmetric, several   whatever came elsewhere
 *
 * Order: packets that one worker hands to another stay in order. Those of one flow that came
 * to two workers may be seen in another order than they came in, as on a network with two ways.
 *
 * Time: a hole that a packet of another worker may still fill must not become a gap because that
 * worker has had no processor for a while. So each says when it last found nothing in its sources
 * and rings (handoff_found_nothing()), and each counts rounds: a round is over when all others have
 * said so since it began and what they have given by then is taken. A packet that had come when the
 * round before the last began is here by now, also by way of a third worker; timers run up to that
 * time (handoff_certain()). A worker that never comes to an end of its packets holds up a round
 * for HANDOFF_ROUND_NS at most.
 *
 * A live worker never waits: what finds no room is lost and counted (`handoff_full`). Who has said
 * that it sleeps is woken by its bell; nobody rings for one who only naps.
 *
 * The end, live. A worker whose sources have ended says so, and goes on until all have and nothing
 * is in its rings; only then it closes those that it writes, and is done when those that it reads
 * are closed and empty. So each waits only for workers that are themselves at their end.
 *
 * --force-handoff: of one packet in N the wrong worker is made the receiver. Of a file, where every
 * worker sees every packet, it is the receiver that counts it and hands it over; the owner, when it
 * comes to it, waits for that copy and takes it in its place. So the records are the same, to the
 * last field. A worker that waits, for a packet or for room, has published all that it has given,
 * and the one that is furthest behind never waits: whatever it is to take was given long ago, and
 * whoever reads its rings is further on. So nobody waits for ever.
 *
 * Threads: `struct handoff` is one worker's; the rings and bells are shared, each word of them with
 *          one writer.
 */
#ifndef DATAPLANE_FLOW_HANDOFF_H
#define DATAPLANE_FLOW_HANDOFF_H

#include "dataplane/burst.h"
#include "dataplane/ledger.h"
#include "dataplane/shm/ring.h"

enum { HANDOFF_WORKERS_MAX = 64 };
#define HANDOFF_ROUND_NS (2 * UINT64_C(1000000000))

/* All rings and bells, made in set-up. */
struct handoff_net;

struct handoff_settings {
	uint32_t worker, workers;
	uint64_t force_one_in; /* 0: never */
	bool waits;            /* a file: for room, and for packets that others have received */
};

/* A worker's count of rounds. Two kinds of time: CLOCK_MONOTONIC, which all workers share, and the
 * worker's own pipeline time. */
struct handoff_round {
	uint64_t begun_ns;                     /* monotonic */
	uint64_t pipeline_ns, before_ns;       /* when it began, and the one before */
	uint64_t certain_ns;                   /* pipeline */
	uint64_t records[HANDOFF_WORKERS_MAX]; /* to be taken out of each ring */
	bool all_have_said;
};

struct handoff {
	/* every turn */
	struct handoff_net *net; /* NULL: nothing is ever handed over */
	struct handoff_settings settings;
	struct counters *counters;
	struct ring_producer out[HANDOFF_WORKERS_MAX];
	struct ring_consumer in[HANDOFF_WORKERS_MAX];
	uint64_t given, taken; /* bit per worker: rings to publish, to release */
	uint64_t packets;      /* seen by --force-handoff */
	uint32_t first;        /* whose ring is looked into first */
	uint32_t taken_count;  /* packets in `in_packet` */
	uint32_t copy_count;
	void *copy[BURST_PACKETS]; /* of a file: taken out of the rings, which must not fill */
	struct packet in_packet[BURST_PACKETS];
	struct handoff_round round;
};

/* handoff_net_make - rings of `ring_bytes` (ring_bytes_ok) between all workers. Returns: 0, -errno.
 * handoff_net_free() accepts NULL. */
int handoff_net_make(struct handoff_net **ret, uint32_t workers, uint64_t ring_bytes);
void handoff_net_free(struct handoff_net *net);

/* handoff_init - `net` NULL: a worker that hands nothing over, which costs it a branch per turn. */
void handoff_init(struct handoff *h, const struct handoff_settings *s, struct handoff_net *net,
		  struct counters *counters);

/* handoff_pull - take what others have given, up to a full burst in all: fragments are appended to
 * `b`, to be decoded; the rest waits for handoff_burst(). Counts `handed_in`.
 * Returns: how many were taken. Memory: frames are borrowed until handoff_release(). */
uint32_t handoff_pull(struct handoff *h, struct burst *b);

/* handoff_room - how much of a burst may be filled from the sources, so that what others have given
 * finds room. */
uint32_t handoff_room(struct handoff *h);

/* handoff_burst - give away what others own, and append what was taken. Counts `handed_out` and
 * `handoff_full`. */
void handoff_burst(struct handoff *h, struct burst *b);

/* handoff_release - what was taken is done with; what was given is shown to the others, and who
 * sleeps is woken. */
void handoff_release(struct handoff *h);

/* handoff_waiting - packets in the rings that this worker reads: a gauge for the ledger. */
uint64_t handoff_waiting(const struct handoff *h);

/* handoff_found_nothing - a turn that began at `begun_ns` (CLOCK_MONOTONIC) has found nothing: what
 * had come before is given. */
void handoff_found_nothing(struct handoff *h, uint64_t begun_ns);

/* handoff_certain - up to which pipeline time is there nothing more under way to this worker? To be
 * asked every some milliseconds, with the time now, of both kinds. Never goes back. */
uint64_t handoff_certain(struct handoff *h, uint64_t monotonic_ns, uint64_t pipeline_ns);

/* handoff_may_sleep - say that this worker is about to sleep. False: there is something to take.
 * The descriptor to poll() is in *ret_fd (-1: none). handoff_awake() when it has woken up. */
bool handoff_may_sleep(struct handoff *h, int *ret_fd);
void handoff_awake(struct handoff *h);

/* The end, in this order: handoff_sources_ended() once; turns until handoff_all_ended() and a turn
 * in which nothing came; handoff_close(); turns until handoff_drained(). */
void handoff_sources_ended(struct handoff *h);
bool handoff_all_ended(const struct handoff *h);
void handoff_close(struct handoff *h);
bool handoff_drained(struct handoff *h);

/* handoff_cut - of a file, behind handoff_close(): until all have closed, take what is left and
 * count it `cut.rx`; there is something only when the file was stopped. */
void handoff_cut(struct handoff *h);

#endif
