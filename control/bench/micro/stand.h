/* stand - a worker of the dataplane on a test stand: everything a capture's worker has at preset
 * settings, but driven stage by stage, and whoever drives it is also the control that drains it.
 */
#ifndef CONTROL_BENCH_MICRO_STAND_H
#define CONTROL_BENCH_MICRO_STAND_H

#include "dataplane/setup.h"

struct stand_plan {
	const char *rx;        /* as --rx */
	const char *dissector; /* the only one; NULL: all */
	enum stage until;
	uint64_t flows; /* size of the table; 0: as preset */
};

struct stand {
	struct settings *settings;
	struct dataplane dataplane;
	struct worker *worker; /* the one */
	struct region_reader control;
	uint64_t packets; /* sent by connection_send() */
};

/* stand_touch - both ends' pages of a ring are there: else the first time round is about them. */
void stand_touch(const struct region_writer *w, const struct region_reader *r);

struct stand *stand_open(const struct stand_plan *plan);
void stand_close(struct stand *s);

/* stand_pull - the next burst of its source, with the time noted as a worker does. */
void stand_pull(struct stand *s);
void stand_give_back(struct stand *s);

/* stand_drain - publish, and read what was published as control does. Returns how many records. */
uint64_t stand_drain(struct stand *s);

/* stand_messages - requests, responses, interim and one-way ones so far. */
uint64_t stand_messages(const struct stand *s);

/* ---- frames in memory ---- */

/* Frames of a source, kept. `packet` is as rx left it. */
struct frames {
	struct packet *packet;
	uint8_t *bytes;
	uint32_t count, next;
};

/* frames_open - `count` (a multiple of a burst) frames of a source that has so many. */
void frames_open(struct frames *ret, const char *rx, uint32_t count);
void frames_close(struct frames *f);

/* frames_burst - the next of them, over and over, into a burst as rx would. */
void frames_burst(struct frames *f, struct burst *b);

/* ---- connections made by hand ---- */

struct connection {
	struct flow_key key;
	uint64_t hash;
	struct flow *flow;
	uint32_t next[2]; /* sequence number of the side's next byte */
};

/* connection_open - with a number that no other has; the three packets of the handshake go through
 * flow and reassembly. SIDE_A is the client. `datagrams`: UDP, and there is no handshake. */
void connection_open(struct stand *s, struct connection *c, uint32_t number, bool datagrams);

/* connection_send - the side's next bytes, which acknowledge all of the other side. */
void connection_send(struct stand *s, struct connection *c, enum side side, const void *bytes,
		     uint32_t count);

#endif
