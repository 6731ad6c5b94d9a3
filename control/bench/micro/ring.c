/* ring - records of 512 bytes from one end to the other, in one thread: what the ring itself costs.
 * Between two processes the cache lines that both touch come on top.
 */
#include <stdlib.h>

#include "control/bench/micro/micro.h"
#include "control/bench/micro/stand.h"
#include "dataplane/shm/record.h"
#include "dataplane/shm/region.h"

enum { AT_ONCE = 64, RECORD_BYTES = 512, RING_BYTES = 8 << 20 };

struct ringing {
	struct region_writer writer;
	struct region_reader reader;
	uint64_t read, number;
	bool out_of_turn;
};

static void *begin(uint64_t argument)
{
	struct ringing *r = calloc(1, sizeof(*r));

	(void)argument;
	micro_need(r != NULL, "there is no memory");
	micro_need(region_create(&r->writer, 0, 1, RING_BYTES, 1, "micro") == 0 &&
			   region_attach(&r->reader, r->writer.up_fd, r->writer.down_fd) == 0,
		   "there is no shared memory");
	stand_touch(&r->writer, &r->reader);
	return r;
}

/* put, publish, peek and release, without looking at more of a record than its head. */
static uint64_t run(void *of)
{
	struct ringing *r = of;
	struct ring_consumer *from = &r->reader.ring;
	const struct record *record;
	uint64_t bytes;

	for (int i = 0; i < AT_ONCE; i++) {
		struct record *room = ring_reserve(&r->writer.ring, RECORD_BYTES);

		micro_need(room != NULL, "the ring is full");
		room->bytes = RECORD_BYTES;
		room->seq = r->number++;
		ring_commit(&r->writer.ring, RECORD_BYTES);
	}
	ring_publish(&r->writer.ring);
	while ((record = ring_peek(from, &bytes)) != NULL) {
		r->out_of_turn |= record->seq != r->read;
		r->read++;
		micro_use(record->seq);
		ring_next(from, bytes);
	}
	ring_release(from);
	return AT_ONCE;
}

static uint64_t done(const void *of)
{
	const struct ringing *r = of;

	return r->out_of_turn ? 0 : r->read;
}

static void end(void *of)
{
	struct ringing *r = of;

	region_detach(&r->reader);
	region_destroy(&r->writer);
	free(r);
}

const struct micro_benchmark micro_ring[] = {
	{ "ring", "record", "put, published, looked at and released, 64 at a time", NULL, true,
	  begin, 0, run, done, end },
	{ .name = NULL },
};
