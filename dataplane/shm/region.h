/* region - the door between the two processes: two memfds per worker.
 *
 *     up    | header page | counters page(s) | histograms | ring data |   dataplane writes
 *     down  | ring_down page |                                            control writes
 *
 * Both are sealed against resizing; `up` also against new writable mappings, so
 * control cannot write it even if it wanted to. Dataplane maps `down` read-only.
 * Everything is offsets and counts; no pointer is ever stored.
 *
 * A region outlives any control process: a control that attaches anew finds the position the last
 * one released. It does not outlive its dataplane.
 */
#ifndef DATAPLANE_SHM_REGION_H
#define DATAPLANE_SHM_REGION_H

#include "dataplane/shm/counters.h"
#include "dataplane/shm/ring.h"

#define REGION_MAGIC UINT64_C(0x7765697272676e03) /* last byte: version of the layout */
enum {
	REGION_INTERFACES = 256,
	REGION_INTERFACE_BYTES = 48,
	REGION_WORKERS_MAX = 64,
	REGION_PORTS = 8,
	REGION_LOST = 8
};

enum region_state { REGION_RUNNING = 1, REGION_FINISHED };

/* A worker's port: what rx knows of it. The balance of a source is that of the ports with its
 * number, over all workers. */
struct region_port_about {
	char backend[16];
	char interface[48]; /* "": none */
	char mode[96];      /* for people: "native, copy" */
	char clock[16];     /* of the time stamps: file, kernel, hardware, xdp */
	uint32_t share;     /* not live, and yet the ports of the workers share it */
};

struct region_port {
	struct region_port_about about; /* written before control can attach */
	/* change: struct rx_counters of rx/rx.h */
	_Atomic uint64_t offered; /* UINT64_MAX: not checkable */
	_Atomic uint64_t received, refused, shunted, in_flight;
	_Atomic uint64_t lost[REGION_LOST]; /* in RX_LOST_LIST order */
};

/* A reader's copy of a port. */
struct region_port_view {
	struct region_port_about about; /* every text ends in 0 */
	uint64_t offered, received, refused, shunted, in_flight, lost[REGION_LOST];
};

/* First pages of `up`. Written before control can attach, but for what is marked. */
struct region_header {
	uint64_t magic;
	uint64_t up_bytes, counters_offset, histograms_offset, ring_offset, ring_bytes;
	uint32_t worker, workers;
	uint32_t counters;  /* COUNTER_COUNT of the writer: both sides must be one build */
	uint32_t protocols; /* histograms; dissector_count of the writer */
	char run[16];
	struct ring_up ring;                               /* changes */
	_Alignas(CACHE_LINE_BYTES) _Atomic uint32_t state; /* changes: enum region_state */
	_Atomic uint32_t interfaces; /* changes: names valid below; stored with release */
	_Atomic uint32_t
		ports; /* one per source, in the order of --rx; written before control can attach */
	struct region_port port[REGION_PORTS];
	char interface[REGION_INTERFACES][REGION_INTERFACE_BYTES];
};

/* The dataplane's view. */
struct region_writer {
	int up_fd, down_fd;
	struct region_header *header;
	struct counters_page *counters;
	struct histogram *histogram; /* per protocol */
	const struct ring_down *down;
	struct ring_producer ring;
	size_t head_bytes;
	uint8_t *data;
};

/* Control's view. */
struct region_reader {
	const struct region_header *header;
	const struct counters_page *counters;
	const struct histogram *histogram;
	struct ring_down *down;
	struct ring_consumer ring;
	uint32_t worker, workers, protocols; /* checked copies */
	char run[16];
	size_t head_bytes;
	const uint8_t *data;
	uint64_t ring_bytes;
};

/* region_create - make, lay out and seal both memfds of a worker. Returns: 0, -errno. */
int region_create(struct region_writer *ret, uint32_t worker, uint32_t workers, uint64_t ring_bytes,
		  uint32_t protocols, const char *run);
void region_destroy(struct region_writer *w); /* accepts a zeroed one with fds of -1 or 0 */

/* region_attach - map what was received. Checks seals, sizes, magic and geometry before anything is
 * used. Takes neither descriptor: the caller closes both. Returns: 0; -EPROTO if it is no region of
 * this build; -errno. */
int region_attach(struct region_reader *ret, int up_fd, int down_fd);
void region_detach(struct region_reader *r);

/* region_interface - name of interface `index`, or NULL if there is none. Borrowed from the region.
 */
const char *region_interface(const struct region_reader *r, uint32_t index);

/* region_port_add - Returns the port, zeroed but for `about`; NULL when there are REGION_PORTS. */
struct region_port *region_port_add(struct region_writer *w, const struct region_port_about *about);

/* region_ports - how many there are. region_port - a copy of port `index` < region_ports(). */
uint32_t region_ports(const struct region_reader *r);
void region_port(const struct region_reader *r, uint32_t index, struct region_port_view *ret);

/* region_interface_add - Returns the index; the last one again when the table is full. */
uint16_t region_interface_add(struct region_writer *w, const char *name);

#endif
