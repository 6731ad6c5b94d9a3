/* emit - records leave: built in the ring itself, or counted.
 *
 * A full ring costs a live source the record (`ring_full`); a file waits for
 * control, 100 ms at a time, and gives up only when the stop was asked for and
 * nobody is attached.
 *
 * Threads: the worker. Cost: one copy of the fields, no allocation.
 */
#ifndef DATAPLANE_EMIT_EMIT_H
#define DATAPLANE_EMIT_EMIT_H

#include "dataplane/ledger.h"
#include "dataplane/pair/pair.h"
#include "dataplane/shm/record.h"
#include "dataplane/shm/region.h"

/* What the main thread tells the workers. Writer: main. Readers: workers. */
struct emit_door {
	_Atomic bool attached; /* a control is there */
	_Atomic bool stop;     /* the run is to end */
	_Atomic bool ending;   /* writer: workers. One of them has come to its end */
	_Atomic bool told;     /* writer: workers. One of them has said why a live source ended */
	_Atomic bool
		gave_up; /* writer: workers. Records were lost because control is gone for good */
};

struct flow_table;

struct emit {
	struct region_writer *region;
	struct counters *counters;
	struct emit_door *door;
	struct stage_timer *timer;
	int bell_fd;
	bool waits;     /* a file: wait for room */
	bool cut;       /* --until emit */
	bool stop_pair; /* --until pair: nothing is made */
	uint64_t seq;
	const struct flow_table *flows; /* know the tunnels around them; NULL: nobody does */
};

struct emit_settings {
	bool waits;     /* a file: wait for room */
	bool cut;       /* --until emit */
	bool stop_pair; /* --until pair */
	const struct flow_table *flows;
};

void emit_init(struct emit *e, const struct emit_settings *s, struct region_writer *region,
	       struct counters *counters, struct emit_door *door, int bell_fd,
	       struct stage_timer *timer);

/* emit_pair - a record of a request, a response, or both. At least one is not NULL. */
void emit_pair(struct emit *e, const struct message *request, const struct message *response,
	       enum outcome outcome, enum why why);

/* emit_record - any ready-made record (struct record_stream); `seq` is filled in. */
void emit_record(struct emit *e, void *record, uint32_t bytes);

/* emit_publish - at the end of a turn. */
void emit_publish(struct emit *e);

#endif
