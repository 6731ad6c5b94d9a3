/* drain - records out of the rings, into text, into the sink.
 *
 *     drain_init -> { drain_round -> drain_wait }* until drain_done
 *                -> drain_finish -> drain_line -> drain_close
 *
 * A record is copied out of the region before anything looks at it: the other process may
 * scribble there at any time, and what was checked must be what is told. Text gathers in one
 * buffer; when 256 KiB are there, or the rings are empty, it is written with one write(2), and only
 * then is the read position moved. So whatever a kill interrupts is in the ring still.
 *
 *     the sink fails       draining goes on without it, so that the dataplane is not held up; every
 *                          record is counted `failed`
 *     a record is refused  the dataplane misbehaves: its region is given up
 *     the dataplane dies   what it had published is drained
 *
 * Control sleeps until 256 KiB wait in a ring or 10 ms are over (20 once nothing has come for a
 * second), whichever comes first: woken per burst it would cost more than the records do.
 *
 * Threads: one.
 */
#ifndef CONTROL_DAEMON_DRAIN_H
#define CONTROL_DAEMON_DRAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/bench/hdr.h"
#include "control/daemon/books.h"
#include "control/export/sink/sink.h"
#include "control/export/text/text.h"
#include "dataplane/shm/region.h"
#include "dataplane/shm/settings.h"

enum {
	DRAIN_BATCH_BYTES = 256 * 1024,
	DRAIN_BATCH_PAIRS = 4096, /* whose delay is measured; there is hardly room for so many */
};

struct drain_how {
	struct region_reader *regions; /* must outlive the drain */
	uint32_t count;
	int bell_fd, peer_fd; /* -1: none; the caller's */
	const char *run;      /* at most 16 bytes */
	enum stage until;
	bool restarted;
	const struct text_format *format;
	const struct sink_backend *sink; /* NULL: no output */
	struct sink_how sink_how;
	struct hdr
		*delay; /* NULL: nobody asks. From a pair's last packet until it was written, ns */
};

struct drain_region {
	struct region_reader *reader;
	struct text_origin origin;
	bool refused; /* something in it could not be */
};

struct drain {
	/* every record */
	char *text; /* the batch: DRAIN_BATCH_BYTES, and a line of any length behind */
	size_t used;
	uint64_t gathered; /* records in it */
	uint64_t *arrived; /* the last packet's time stamp of the pairs in it */
	uint32_t pairs;    /* of them */
	uint8_t *copy;     /* the record at hand, and the slack behind */
	const struct text_format *format;
	struct text *state;
	struct books_exporter *books;
	struct drain_region *region;
	uint32_t count;
	enum stage until;
	/* set-up and chores */
	struct hdr *delay;
	const struct sink_backend *backend;
	struct sink *sink; /* NULL: there is none, or it failed */
	bool output_failed;
	enum sink_failure failure;
	uint32_t sleeps; /* one after the other, in which nothing came */
	int bell_fd, peer_fd; /* peer_fd: -1 once the dataplane has gone */
	bool peer_gone;
};

/* drain_init - opens the output. A sink that cannot be opened is an output that failed, and no
 * error here. Returns: 0; -ENOMEM. */
int drain_init(struct drain *d, const struct drain_how *how, struct books_exporter *books);

/* drain_round - take what is in the rings, at most a few batches of each. */
void drain_round(struct drain *d);

enum { DRAIN_OTHERS_MAX = 4 };

/* drain_wait - sleep until a round is worth its while, a signal comes, the dataplane goes, one of
 * the `others` (-1: none; at most DRAIN_OTHERS_MAX) becomes readable, or 10 ms are over, or 20
 * when nothing has come for long. Those are the caller's to serve. */
void drain_wait(struct drain *d, const int *others, uint32_t count);

/* drain_done - nothing can follow: every region is finished or given up, or the dataplane is gone,
 * and the rings are empty. */
bool drain_done(const struct drain *d);

/* drain_died - true if the dataplane went, or misbehaved, before it had finished. Ask when done. */
bool drain_died(const struct drain *d);

/* drain_finish - write what the format had collected. */
void drain_finish(struct drain *d);

/* drain_line - write a line that is no record. */
void drain_line(struct drain *d, const char *line, size_t bytes);

/* drain_close - close the output. Accepts a zeroed drain. */
void drain_close(struct drain *d);

#endif
