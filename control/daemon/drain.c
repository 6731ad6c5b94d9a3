#include "control/daemon/drain.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dataplane/base/ballast.h"
#include "dataplane/base/clock.h"
#include "dataplane/base/compiler.h"
#include "dataplane/base/ensure.h"
#include "dataplane/base/log.h"
#include "dissectors/registry.h"

enum {
	SLEEP_MS = 10,
	IDLE_SLEEP_MS = 20, /* once nothing has come for so many sleeps: a second */
	IDLE_SLEEPS = 100,
	VISIT_BYTES = 1 << 20, /* of one ring before the next one's turn */
};

/* The longest line can begin at a batch's last byte. Pages that no line reaches cost nothing. */
#define TEXT_ROOM (DRAIN_BATCH_BYTES + TEXT_LINE_MAX)

/* ---- the output ---- */

static void output_fails(struct drain *d, const struct sink_error *err)
{
	struct sink_error ignored;

	log_error("%s", err->text);
	if (d->sink != NULL)
		d->backend->close(d->sink, &ignored);
	d->sink = NULL;
	d->output_failed = true;
	d->failure = err->failure;
}

/* Returns how many lines left; fewer than there are if the output fails. */
static uint64_t write_lines(struct drain *d, const char *lines, size_t bytes)
{
	struct sink_error err;
	uint64_t written;

	if (d->backend->write(d->sink, lines, bytes, &written, &err) < 0)
		output_fails(d, &err);
	return written;
}

/* One look at the clock for all that left together. A capture's time stamps are the wall clock's;
 * what has come from the future (another clock's) has taken no time. */
static void note_delays(struct drain *d)
{
	uint64_t now_ns = d->pairs > 0 ? clock_wall_ns() : 0;

	for (uint32_t i = 0; i < d->pairs; i++)
		hdr_record(d->delay, now_ns > d->arrived[i] ? now_ns - d->arrived[i] : 0);
}

/* The batch leaves, or is counted. */
static void flush(struct drain *d)
{
	uint64_t written = 0;

	if (d->until == STAGE_format) {
		d->books->cut_format += d->gathered;
	} else if (d->used > 0) {
		if (d->sink != NULL)
			written = write_lines(d, d->text, d->used);
		d->books->exported += written;
		d->books->failed[d->failure] += d->gathered - written;
		if (written == d->gathered)
			note_delays(d);
	}
	d->used = 0;
	d->gathered = 0;
	d->pairs = 0;
}

/* Only after the batch has left: what is released here is gone for whoever comes after us. */
static void release(struct drain *d)
{
	for (uint32_t i = 0; i < d->count; i++)
		if (!d->region[i].refused)
			ring_release(&d->region[i].reader->ring);
}

/* ---- records ---- */

/* What text must be made of, or the term under which the record is counted instead. */
static uint64_t *counted_instead(struct drain *d, uint8_t type)
{
	if (d->until == STAGE_drain)
		return &d->books->cut_drain;
	if (d->output_failed)
		return &d->books->failed[d->failure];
	if (d->backend == NULL && d->until != STAGE_format)
		return &d->books->cut_no_output;
	return type == d->format->type ? NULL : &d->books->not_selected_type;
}

/* Where the clock was set meanwhile, or the answer came before the end of the question, the record
 * does not say when its last packet was. */
static void note_arrival(struct drain *d, const struct record *r)
{
	const uint32_t unclear = FLAG_clock_backwards | FLAG_early_response;

	if (r->type != RECORD_PAIR || r->outcome != OUTCOME_paired || (r->flags & unclear) != 0 ||
	    d->pairs == DRAIN_BATCH_PAIRS)
		return;
	d->arrived[d->pairs++] = r->ts_ns + r->request.duration_ns + r->latency_ns +
				 r->response.duration_ns;
}

static void tell(struct drain *d, const struct drain_region *region)
{
	uint64_t *instead = counted_instead(d,
					    ((const struct record *)(const void *)d->copy)->type);
	char *at = d->text + d->used, *end;

	if (unlikely(instead != NULL)) {
		++*instead;
		return;
	}
	end = d->format->record(d->state, at, d->copy, &region->origin);
	if (unlikely(end == NULL)) {
		log_error("no memory for the output's lines: some are missing");
		d->books->failed_memory++;
		return;
	}
	ENSURE((size_t)(end - at) <= TEXT_LINE_MAX);
	d->used += (size_t)(end - at);
	if (d->format->collects) {
		d->books->queued++;
		return;
	}
	d->gathered++;
	if (d->delay != NULL)
		note_arrival(d, (const void *)d->copy);
}

/* The contract's check, and what it cannot know: which protocols there are. */
static bool is_sound(const uint8_t *copy, uint64_t bytes)
{
	const struct record *r = (const void *)copy;

	if (!record_check(copy, bytes))
		return false;
	return r->type != RECORD_PAIR ||
	       (r->proto < dissector_count && r->request.proto < dissector_count &&
		r->response.proto < dissector_count);
}

static void give_up(struct drain_region *region)
{
	region->refused = true;
	log_error("worker %u of the dataplane published what cannot be a record: its output is not "
		  "complete",
		  region->reader->worker);
}

static void visit(struct drain *d, struct drain_region *region)
{
	struct ring_consumer *ring = &region->reader->ring;
	const uint64_t limit = ring->next + VISIT_BYTES;
	const void *record;
	uint64_t bytes = 0;

	while (ring->next < limit && (record = ring_peek(ring, &bytes)) != NULL) {
		BALLAST(drain, 1);
		memcpy(d->copy, record, bytes);
		if (unlikely(!is_sound(d->copy, bytes))) {
			give_up(region);
			return;
		}
		tell(d, region);
		ring_next(ring, bytes);
		if (d->used >= DRAIN_BATCH_BYTES) {
			flush(d);
			release(d);
		}
	}
	if (unlikely(bytes == UINT64_MAX))
		give_up(region);
}

void drain_round(struct drain *d)
{
	for (uint32_t i = 0; i < d->count; i++)
		if (!d->region[i].refused)
			visit(d, &d->region[i]);
	flush(d);
	release(d);
}

/* ---- the end ---- */

static uint64_t waiting_bytes(const struct ring_consumer *r)
{
	return atomic_load_explicit(&r->up->written, memory_order_acquire) - r->next;
}

static bool has_finished(const struct drain_region *region)
{
	/* Pairs with the release of the worker that ends: its ring and counters are final. */
	return atomic_load_explicit(&region->reader->header->state, memory_order_acquire) ==
		       REGION_FINISHED &&
	       ring_drained(&region->reader->ring);
}

/* Returns false for one whose dataplane has gone until its last record is taken. */
static bool region_done(const struct drain *d, const struct drain_region *region)
{
	return region->refused || has_finished(region) ||
	       (d->peer_gone && waiting_bytes(&region->reader->ring) == 0);
}

bool drain_done(const struct drain *d)
{
	for (uint32_t i = 0; i < d->count; i++)
		if (!region_done(d, &d->region[i]))
			return false;
	return true;
}

bool drain_died(const struct drain *d)
{
	for (uint32_t i = 0; i < d->count; i++)
		if (d->region[i].refused || !has_finished(&d->region[i]))
			return true;
	return false;
}

/* ---- sleeping ---- */

static void say_asleep(struct drain *d, uint32_t asleep)
{
	for (uint32_t i = 0; i < d->count; i++)
		atomic_store_explicit(&d->region[i].reader->down->asleep, asleep,
				      memory_order_seq_cst);
}

/* Enough waits, a file waits for room, or the last records of a worker are there. */
static bool is_worth_while(const struct drain_region *region)
{
	const struct ring_up *up = region->reader->ring.up;
	uint64_t waiting = waiting_bytes(&region->reader->ring);

	if (region->refused || waiting == 0)
		return false;
	return waiting >= RING_WORTH_WAKING ||
	       atomic_load_explicit(&up->full, memory_order_relaxed) != 0 ||
	       atomic_load_explicit(&up->closed, memory_order_relaxed) != 0;
}

static bool anything_worth_while(const struct drain *d)
{
	for (uint32_t i = 0; i < d->count; i++)
		if (is_worth_while(&d->region[i]))
			return true;
	return false;
}

static bool anything_waits(const struct drain *d)
{
	for (uint32_t i = 0; i < d->count; i++)
		if (waiting_bytes(&d->region[i].reader->ring) > 0)
			return true;
	return false;
}

/* The dataplane says nothing on the connection: what comes is its end. */
static void hear_peer(struct drain *d)
{
	char byte;
	ssize_t n = recv(d->peer_fd, &byte, 1, MSG_DONTWAIT);

	if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
		return;
	d->peer_gone = true;
	d->peer_fd = -1;
}

static void sleep_a_little(struct drain *d, const int *others, uint32_t count)
{
	struct pollfd p[2 + DRAIN_OTHERS_MAX] = { { .fd = d->bell_fd, .events = POLLIN },
						  { .fd = d->peer_fd, .events = POLLIN } };
	uint64_t rung;

	ENSURE(count <= DRAIN_OTHERS_MAX);
	for (uint32_t i = 0; i < count; i++)
		p[2 + i] = (struct pollfd){ .fd = others[i], .events = POLLIN };
	if (poll(p, 2 + count, d->sleeps < IDLE_SLEEPS ? SLEEP_MS : IDLE_SLEEP_MS) <= 0) {
		d->sleeps = anything_waits(d) ? 0 : d->sleeps + 1;
		return;
	}
	d->sleeps = 0;
	/* Another reader cannot be there, so what poll() saw is still to be read. */
	if ((p[0].revents & POLLIN) != 0 && read(d->bell_fd, &rung, sizeof(rung)) < 0)
		return;
	if (p[1].revents != 0)
		hear_peer(d);
}

/* A producer that published between the look and the sleep may not have seen that we sleep:
 * SLEEP_MS, or IDLE_SLEEP_MS, is then how long it takes until we notice by ourselves. */
void drain_wait(struct drain *d, const int *others, uint32_t count)
{
	say_asleep(d, 1);
	if (!anything_worth_while(d))
		sleep_a_little(d, others, count);
	say_asleep(d, 0);
}

/* ---- begin and end ---- */

/* What earlier controls released had left them: written, unless the format collects. */
static void take_over(struct drain *d)
{
	for (uint32_t i = 0; i < d->count; i++) {
		uint64_t released = d->region[i].reader->ring.records;

		if (d->until == STAGE_drain)
			d->books->cut_drain += released;
		else if (d->until == STAGE_format)
			d->books->cut_format += released;
		else if (d->backend == NULL)
			d->books->cut_no_output += released;
		else if (d->format->collects)
			d->books->collected_lost += released;
		else
			d->books->earlier_control += released;
	}
	if (d->books->collected_lost == 0)
		return;
	log_error("what an earlier control had collected for --format %s is lost; run it again",
		  d->format->name);
	d->output_failed = true;
	d->failure = SINK_FAILED_io;
}

static int allocate(struct drain *d, const struct drain_how *how)
{
	d->region = calloc(how->count, sizeof(*d->region));
	d->copy = calloc(1, RECORD_BYTES_MAX + TEXT_SLACK_BYTES);
	d->text = mmap(NULL, TEXT_ROOM, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (d->text == MAP_FAILED)
		d->text = NULL;
	if (d->delay != NULL)
		d->arrived = calloc(DRAIN_BATCH_PAIRS, sizeof(*d->arrived));
	if (d->region == NULL || d->copy == NULL || d->text == NULL ||
	    (d->delay != NULL && d->arrived == NULL))
		return -ENOMEM;
	return d->format->open(&d->state);
}

static void open_output(struct drain *d, const struct sink_how *how)
{
	struct sink_error err;

	if (d->backend != NULL && d->backend->open(how, &d->sink, &err) < 0)
		output_fails(d, &err);
}

int drain_init(struct drain *d, const struct drain_how *how, struct books_exporter *books)
{
	int err;

	*d = (struct drain){
		.format = how->format,
		.books = books,
		.count = how->count,
		.until = how->until,
		.backend = how->sink,
		.bell_fd = how->bell_fd,
		.peer_fd = how->peer_fd,
		.delay = how->delay,
	};
	err = allocate(d, how);
	if (err < 0) {
		drain_close(d);
		return err;
	}
	for (uint32_t i = 0; i < how->count; i++) {
		d->region[i].reader = &how->regions[i];
		text_origin_init(&d->region[i].origin, how->run, how->regions[i].worker,
				 &how->regions[i]);
	}
	books->format = how->format->name;
	open_output(d, &how->sink_how);
	take_over(d);
	return 0;
}

/* Lines of what was collected leave the queue, whatever becomes of them. */
static void flush_collected(struct drain *d, size_t bytes)
{
	uint64_t written = write_lines(d, d->text, bytes);

	d->books->exported += written;
	d->books->queued -= written;
}

void drain_finish(struct drain *d)
{
	uint64_t *instead = d->until == STAGE_format ? &d->books->cut_format
						     : &d->books->failed[d->failure];
	char *end;

	if (!d->format->collects)
		return;
	while (d->sink != NULL && d->until != STAGE_format &&
	       (end = d->format->finish(d->state, d->text)) != d->text)
		flush_collected(d, (size_t)(end - d->text));
	*instead += d->books->queued;
	d->books->queued = 0;
}

void drain_line(struct drain *d, const char *line, size_t bytes)
{
	if (d->sink != NULL)
		(void)write_lines(d, line, bytes);
}

void drain_close(struct drain *d)
{
	struct sink_error err;

	if (d->sink != NULL && d->backend->close(d->sink, &err) < 0) {
		d->sink = NULL; /* gone already */
		output_fails(d, &err);
	}
	d->sink = NULL;
	if (d->state != NULL)
		d->format->close(d->state);
	if (d->text != NULL)
		munmap(d->text, TEXT_ROOM);
	free(d->copy);
	free(d->arrived);
	free(d->region);
	d->state = NULL;
	d->text = NULL;
	d->copy = NULL;
	d->arrived = NULL;
	d->region = NULL;
	d->count = 0;
}
