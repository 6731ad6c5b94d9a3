/* Proves emit.h, from messages to what a reader of the ring gets:
 *
 *   - whatever a message holds, its record is one that record_check() accepts and says the same;
 *   - interim codes kept with a request stand in the response's part, under the protocol's field;
 *   - bodies that would make a record too long are left out whole, and the record says so;
 *   - a full ring costs a live source records, counted and visible as holes in the numbers;
 *     a file waits and loses none, until the run is to stop and nobody is there to read;
 *   - the cuts of --until make nothing visible.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "dataplane/emit/emit.h"
#include "dataplane/flow/flow.h"
#include "tests/support/check.h"
#include "tests/support/toy.h"

enum { RING_BYTES = 4 << 20, DOWN_BYTES = 4096 };

/* emit with a ring behind it, and the messages that a test gives it. */
struct bed {
	struct region_writer region;
	struct ring_consumer consumer;
	struct ring_down *down;
	struct counters counters;
	struct emit_door door;
	struct stage_timer timer;
	struct emit emit;
	struct flow flow;
	struct pair_queue queue;
	struct message request, response;
	uint8_t *fields[2], *body[2]; /* RECORD_BYTES_MAX each */
	int bell_fd;
};

static struct bed bed;

static void start(struct bed *b, const struct emit_settings *s)
{
	emit_init(&b->emit, s, &b->region, &b->counters, &b->door, b->bell_fd, &b->timer);
}

static void clear(struct bed *b, struct message *m, int which, enum side side)
{
	*m = (struct message){ .queue = &b->queue,
			       .side = (uint8_t)side,
			       .fields = b->fields[which],
			       .body = b->body[which],
			       .why = WHY_none };
}

static int open_bed(void **state)
{
	struct bed *b = &bed;

	memset(b, 0, sizeof(*b));
	assert_int_equal(region_create(&b->region, 0, 1, RING_BYTES, dissector_count, "test"), 0);
	b->down = mmap(NULL, DOWN_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, b->region.down_fd, 0);
	assert_true(b->down != MAP_FAILED);
	/* Both ends at one address: a checker of races knows nothing of second mappings. */
	b->region.ring.down = b->down;
	assert_int_equal(ring_consumer_init(&b->consumer, b->region.data, RING_BYTES,
					    &b->region.header->ring, b->down),
			 0);
	b->bell_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	b->queue.flow = &b->flow;
	b->flow.client = SIDE_UNKNOWN;
	for (int i = 0; i < 2; i++) {
		b->fields[i] = calloc(1, RECORD_BYTES_MAX);
		b->body[i] = calloc(1, RECORD_BYTES_MAX);
	}
	clear(b, &b->request, 0, SIDE_A);
	clear(b, &b->response, 1, SIDE_B);
	start(b, &(struct emit_settings){ 0 });
	*state = b;
	return 0;
}

static int close_bed(void **state)
{
	struct bed *b = *state;

	for (int i = 0; i < 2; i++) {
		free(b->fields[i]);
		free(b->body[i]);
	}
	close(b->bell_fd);
	munmap(b->down, DOWN_BYTES);
	region_destroy(&b->region);
	return 0;
}

/* ---- messages ---- */

static void put(struct message *m, uint16_t id, const char *text, uint32_t bytes,
		uint16_t name_bytes)
{
	struct record_field *f = (void *)(m->fields + m->fields_bytes);

	*f = (struct record_field){ id, name_bytes, bytes };
	memcpy(f->data, text, bytes);
	m->fields_bytes += (uint32_t)record_field_room(bytes);
}

static void put_text(struct message *m, uint16_t id, const char *text)
{
	put(m, id, text, (uint32_t)strlen(text), RECORD_FIELD_PLAIN);
	if (id == FIELD_INTERIM)
		m->interims++;
}

static void keep_body(struct message *m, uint32_t bytes, char c)
{
	memset(m->body, c, bytes);
	m->body_kept = bytes;
	m->body_bytes = bytes;
}

static void emit_both(struct bed *b)
{
	emit_pair(&b->emit, &b->request, &b->response, OUTCOME_paired, WHY_none);
}

static const struct record *hear(struct bed *b)
{
	const struct record *r;
	uint64_t bytes;

	emit_publish(&b->emit);
	r = ring_peek(&b->consumer, &bytes);
	if (r == NULL) {
		assert_int_equal(bytes, 0); /* none, not one that cannot be */
		return NULL;
	}
	assert_true(record_check(r, bytes));
	ring_next(&b->consumer, bytes);
	return r;
}

static void assert_field(const struct record_field *f, uint16_t id, const char *text)
{
	assert_non_null(f);
	assert_int_equal(f->id, id);
	assert_int_equal(f->bytes, strlen(text));
	assert_memory_equal(f->data, text, f->bytes);
}

static uint64_t counted(const struct bed *b, enum counter c)
{
	return b->counters.value[c];
}

/* ---- the record ---- */

static void a_pair_says_what_its_messages_said(void **state)
{
	struct bed *b = *state;
	const struct record *r;

	b->queue.conn_id = 99;
	b->flow.key.ip_version = 4;
	b->flow.key.port[SIDE_A] = 40000;
	b->flow.key.port[SIDE_B] = 80;
	b->flow.key.vlan[0] = 0x8000 | 12;
	b->flow.iface = 3;
	b->request.index = 7;
	b->request.ts_ns = 1000;
	b->request.end_ts_ns = 1500;
	b->request.frame = 4;
	b->request.end_frame = 5;
	b->request.head_bytes = 20;
	b->response.ts_ns = 2000;
	b->response.end_ts_ns = 2100;
	b->response.frame = 6;
	b->response.end_frame = 8;
	b->response.failed = 1;
	b->response.flags = FLAG_anomaly;
	emit_both(b);
	r = hear(b);
	assert_int_equal(r->type, RECORD_PAIR);
	assert_int_equal(r->outcome, OUTCOME_paired);
	assert_int_equal(r->why, WHY_none);
	assert_int_equal(r->conn, 99);
	assert_int_equal(r->index, 7);
	assert_int_equal(r->ts_ns, 1000);
	assert_int_equal(r->latency_ns, 500);
	assert_int_equal(r->request.duration_ns, 500);
	assert_int_equal(r->response.duration_ns, 100);
	assert_int_equal(r->frames[0], 4);
	assert_int_equal(r->frames[1], 5);
	assert_int_equal(r->frames[2], 6);
	assert_int_equal(r->frames[3], 8);
	assert_int_equal(r->request.head_bytes, 20);
	assert_int_equal(r->client_port, 40000);
	assert_int_equal(r->server_port, 80);
	assert_int_equal(r->vlan[0], 0x8000 | 12);
	assert_int_equal(r->iface, 3);
	assert_int_equal(r->error, 1);
	assert_int_equal(r->flags, FLAG_anomaly);
}

static void half_a_pair_leaves_the_other_half_out(void **state)
{
	struct bed *b = *state;
	const struct record *r;

	b->flow.key.port[SIDE_A] = 40000;
	b->flow.key.port[SIDE_B] = 80;
	put_text(&b->request, FIELD_TARGET, "target");
	put_text(&b->response, FIELD_CODE, "200");
	emit_pair(&b->emit, &b->request, NULL, OUTCOME_unanswered, WHY_timeout);
	r = hear(b);
	assert_int_equal(r->why, WHY_timeout);
	assert_int_equal(r->response.present, 0);
	assert_null(record_first(r, RECORD_RESPONSE));
	assert_field(record_first(r, RECORD_REQUEST), FIELD_TARGET, "target");
	emit_pair(&b->emit, NULL, &b->response, OUTCOME_orphan, WHY_gap);
	r = hear(b);
	assert_int_equal(r->why, WHY_gap);
	assert_int_equal(r->request.present, 0);
	assert_field(record_first(r, RECORD_RESPONSE), FIELD_CODE, "200");
	assert_int_equal(r->client_port, 40000); /* who sends a response is the server */
	assert_int_equal(r->server_port, 80);
}

static void what_a_server_says_unasked_does_not_make_it_the_client(void **state)
{
	struct bed *b = *state;
	const struct record *r;

	b->flow.key.port[SIDE_A] = 40000;
	b->flow.key.port[SIDE_B] = 80;
	b->flow.client = SIDE_A;
	b->request.side = SIDE_B;
	emit_pair(&b->emit, &b->request, NULL, OUTCOME_oneway, WHY_none);
	r = hear(b);
	assert_int_equal(r->client_port, 40000);
	assert_int_equal(r->server_port, 80);
}

static void latency_is_never_negative_and_never_across_a_setting_of_the_clock(void **state)
{
	struct bed *b = *state;
	const struct record *r;

	b->request.end_ts_ns = 1000;
	b->response.ts_ns = 999;
	emit_both(b);
	r = hear(b);
	assert_int_equal(r->latency_ns, 0);
	assert_int_equal(r->flags, FLAG_early_response);
	b->response.ts_ns = 2000;
	b->response.epoch = b->response.end_epoch = 1;
	emit_both(b);
	r = hear(b);
	assert_int_equal(r->latency_ns, 0);
	assert_int_equal(r->flags, FLAG_clock_backwards);
	b->response.early = 1;
	emit_both(b);
	r = hear(b);
	assert_int_equal(r->latency_ns, 0);
	assert_int_equal(r->flags, FLAG_early_response);
}

static void latencies_of_pairs_are_in_the_histogram(void **state)
{
	struct bed *b = *state;
	const struct histogram *h = &b->region.histogram[0];

	b->request.end_ts_ns = 1000;
	b->response.ts_ns = 1005;
	emit_both(b);
	emit_both(b);
	emit_pair(&b->emit, &b->request, NULL, OUTCOME_unanswered, WHY_gap);
	assert_int_equal(h->count[5], 2);
	assert_int_equal(h->sum_ns, 10);
}

static void interim_codes_stand_in_the_response_s_part(void **state)
{
	struct bed *b = *state;
	const struct record_field *f;
	const struct record *r;

	put_text(&b->request, FIELD_TARGET, "target");
	put_text(&b->request, FIELD_INTERIM, "100");
	put_text(&b->request, FIELD_VERSION, "1.1");
	put_text(&b->request, FIELD_INTERIM, "103");
	put_text(&b->response, FIELD_CODE, "200");
	keep_body(&b->response, 4, 'r');
	emit_both(b);
	r = hear(b);
	f = record_first(r, RECORD_REQUEST);
	assert_field(f, FIELD_TARGET, "target");
	f = record_next(r, RECORD_REQUEST, f);
	assert_field(f, FIELD_VERSION, "1.1");
	assert_null(record_next(r, RECORD_REQUEST, f));
	f = record_first(r, RECORD_RESPONSE);
	assert_field(f, FIELD_CODE, "200");
	f = record_next(r, RECORD_RESPONSE, f);
	assert_field(f, dissector_toy.interim_field, "100");
	f = record_next(r, RECORD_RESPONSE, f);
	assert_field(f, dissector_toy.interim_field, "103");
	f = record_next(r, RECORD_RESPONSE, f);
	assert_field(f, FIELD_BODY, "rrrr");
	assert_null(record_next(r, RECORD_RESPONSE, f));
}

static void interim_codes_of_an_unanswered_request_are_left_out(void **state)
{
	struct bed *b = *state;
	const struct record *r;

	put_text(&b->request, FIELD_INTERIM, "100");
	emit_pair(&b->emit, &b->request, NULL, OUTCOME_unanswered, WHY_gap);
	r = hear(b);
	assert_null(record_first(r, RECORD_REQUEST));
	assert_null(record_first(r, RECORD_RESPONSE));
}

/* ---- randomised ---- */

static void put_anything(struct message *m)
{
	static char junk[5000];
	int fields = rand() % 20;

	for (size_t i = 0; i < sizeof(junk); i++)
		junk[i] = (char)rand();
	for (int i = 0; i < fields; i++) {
		uint32_t bytes = (uint32_t)rand() % (rand() % 8 == 0 ? 5000 : 30);

		if (rand() % 6 == 0 && m->interims < INTERIM_MAX)
			put_text(m, FIELD_INTERIM, rand() % 4 ? "100" : "an odd code, too long");
		else if (rand() % 2)
			put(m, (uint16_t)(FIELD_OWN + rand() % 4), junk, bytes,
			    (uint16_t)((uint32_t)rand() % (bytes + 1)));
		else
			put(m, FIELD_TARGET, junk, bytes, RECORD_FIELD_PLAIN);
	}
	if (rand() % 2)
		keep_body(m, (uint32_t)rand() % 3000, 'b');
	m->flags = (uint32_t)rand() & ((1u << FLAG_COUNT) - 1);
	m->ts_ns = (uint64_t)rand();
	m->end_ts_ns = (uint64_t)rand();
	m->epoch = (uint32_t)rand() % 2;
	m->end_epoch = (uint32_t)rand() % 2;
	m->early = (uint8_t)(rand() % 2);
	m->failed = (uint8_t)(rand() % 2);
}

static enum outcome outcome_of(const struct message *request, const struct message *response)
{
	if (request == NULL)
		return OUTCOME_orphan;
	if (response != NULL)
		return OUTCOME_paired;
	return rand() % 2 ? OUTCOME_unanswered : OUTCOME_oneway;
}

static void whatever_messages_hold_their_record_can_be_walked(void **state)
{
	struct bed *b = *state;

	srand(11);
	for (int i = 0; i < 5000; i++) {
		const struct message *request = &b->request, *response = &b->response;
		const struct record *r;

		clear(b, &b->request, 0, SIDE_A);
		clear(b, &b->response, 1, SIDE_B);
		put_anything(&b->request);
		put_anything(&b->response);
		request = rand() % 4 ? request : NULL;
		response = rand() % 4 || request == NULL ? response : NULL;
		emit_pair(&b->emit, request, response, outcome_of(request, response),
			  request != NULL && response != NULL ? WHY_none
							      : (enum why)(rand() % WHY_COUNT));
		r = hear(b); /* which checks it as control does */
		assert_non_null(r);
		assert_int_equal(r->seq, i);
		assert_int_equal(r->request.present, request != NULL);
		assert_int_equal(r->response.present, response != NULL);
		ring_release(&b->consumer);
	}
	assert_int_equal(counted(b, C_records_made), 5000);
	assert_int_equal(counted(b, C_records_ring_full), 0);
}

/* ---- too long ---- */

static void a_record_of_the_greatest_size_has_its_bodies(void **state)
{
	struct bed *b = *state;
	const struct record *r;

	keep_body(&b->request, 1 << 20, 'q');
	keep_body(&b->response,
		  RECORD_BYTES_MAX - sizeof(struct record) - (1 << 20) -
			  2 * sizeof(struct record_field),
		  'r');
	emit_both(b);
	r = hear(b);
	assert_int_equal(r->bytes, RECORD_BYTES_MAX);
	assert_int_equal(r->flags, 0);
}

static void bodies_too_long_for_a_record_are_left_out_whole(void **state)
{
	struct bed *b = *state;
	const struct record *r;

	put_text(&b->request, FIELD_TARGET, "target");
	put_text(&b->response, FIELD_CODE, "200");
	keep_body(&b->request, 1 << 20, 'q');
	keep_body(&b->response, 1 << 20, 'r');
	emit_both(b);
	r = hear(b);
	assert_int_equal(r->flags, FLAG_body_cut);
	assert_int_equal(r->request.body_bytes, 1 << 20);
	assert_field(record_first(r, RECORD_REQUEST), FIELD_TARGET, "target");
	assert_null(record_next(r, RECORD_REQUEST, record_first(r, RECORD_REQUEST)));
	assert_null(record_next(r, RECORD_RESPONSE, record_first(r, RECORD_RESPONSE)));
}

/* ---- a full ring ---- */

/* Emit until the ring is full; returns how many records are in it. */
static uint64_t fill_ring(struct bed *b)
{
	keep_body(&b->response, 100000, 'r');
	while (counted(b, C_records_ring_full) == 0)
		emit_both(b);
	return counted(b, C_records_made) - 1;
}

static void a_live_source_loses_records_and_says_how_many(void **state)
{
	struct bed *b = *state;
	uint64_t inside = fill_ring(b);
	const struct record *r;

	emit_both(b);
	assert_int_equal(counted(b, C_records_ring_full), 2);
	for (uint64_t i = 0; i < inside; i++)
		assert_int_equal(hear(b)->seq, i);
	assert_null(hear(b));
	ring_release(&b->consumer);
	emit_both(b);
	r = hear(b);
	assert_int_equal(r->seq, inside + 2); /* the hole in the numbers is the loss */
	assert_int_equal(counted(b, C_records_made), inside + 3);
	assert_int_equal(counted(b, C_records_ring_full), 2);
}

enum { MANY = 400 };

struct reader {
	struct bed *bed;
	uint64_t seen;
	_Atomic bool wrong;
};

/* Takes its time, releases a record at a time, and ends with the ring. */
static void *read_slowly(void *context)
{
	struct reader *reader = context;
	struct bed *b = reader->bed;
	uint64_t bytes;

	while (!ring_drained(&b->consumer)) {
		const struct record *r = ring_peek(&b->consumer, &bytes);

		if (r == NULL) {
			reader->wrong = reader->wrong || bytes != 0;
			usleep(100);
			continue;
		}
		if (!record_check(r, bytes) || r->seq != reader->seen++)
			reader->wrong = true;
		ring_next(&b->consumer, bytes);
		ring_release(&b->consumer);
	}
	return NULL;
}

static void a_file_waits_and_loses_nothing(void **state)
{
	struct bed *b = *state;
	struct reader reader = { .bed = b };
	pthread_t thread;

	start(b, &(struct emit_settings){ .waits = true });
	atomic_store(&b->door.attached, true);
	keep_body(&b->response, 100000, 'r'); /* forty of them fill the ring */
	assert_int_equal(pthread_create(&thread, NULL, read_slowly, &reader), 0);
	for (int i = 0; i < MANY; i++)
		emit_both(b);
	ring_close(&b->region.ring);
	pthread_join(thread, NULL);
	assert_int_equal(reader.seen, MANY);
	assert_false(reader.wrong);
	assert_int_equal(counted(b, C_records_ring_full), 0);
	assert_false(b->door.gave_up);
}

static void a_file_gives_up_when_the_run_is_to_stop_and_nobody_reads(void **state)
{
	struct bed *b = *state;
	uint64_t inside = fill_ring(b), begin_ns;

	start(b, &(struct emit_settings){ .waits = true });
	atomic_store(&b->door.stop, true);
	begin_ns = clock_monotonic_ns();
	emit_both(b);
	assert_true(clock_monotonic_ns() - begin_ns >= CLOCK_SECOND_NS / 2);
	assert_true(b->door.gave_up);
	assert_int_equal(counted(b, C_records_ring_full), 2);
	begin_ns = clock_monotonic_ns();
	for (int i = 0; i < 1000; i++)
		emit_both(b); /* and does not wait again */
	assert_true(clock_monotonic_ns() - begin_ns < 30 * CLOCK_SECOND_NS);
	assert_int_equal(counted(b, C_records_made), inside + 1002);
	assert_int_equal(counted(b, C_records_ring_full), 1002);
}

/* A control that comes late: at first the run is to stop and nobody is there. */
static void *come_late(void *context)
{
	struct reader *reader = context;

	usleep(100000);
	atomic_store(&reader->bed->door.attached, true);
	usleep(1200000);
	return read_slowly(context);
}

static void a_file_does_not_give_up_while_somebody_is_attached(void **state)
{
	struct bed *b = *state;
	struct reader reader = { .bed = b };
	uint64_t inside = fill_ring(b);
	pthread_t thread;

	start(b, &(struct emit_settings){ .waits = true });
	b->emit.seq = inside; /* what was lost when the ring was filled has no number here */
	atomic_store(&b->door.stop, true);
	assert_int_equal(pthread_create(&thread, NULL, come_late, &reader), 0);
	emit_both(b);
	ring_close(&b->region.ring);
	pthread_join(thread, NULL);
	assert_int_equal(reader.seen, inside + 1);
	assert_false(reader.wrong);
	assert_false(b->door.gave_up);
	assert_int_equal(counted(b, C_records_ring_full), 1);
}

static void a_sleeping_reader_is_woken_when_enough_waits(void **state)
{
	struct bed *b = *state;
	uint64_t rung = 0;

	atomic_store(&b->down->asleep, 1);
	keep_body(&b->response, 100000, 'r');
	emit_both(b);
	emit_publish(&b->emit);
	assert_true(read(b->bell_fd, &rung, sizeof(rung)) < 0);
	emit_both(b);
	emit_both(b);
	emit_publish(&b->emit);
	assert_int_equal(read(b->bell_fd, &rung, sizeof(rung)), sizeof(rung));
	assert_int_equal(rung, 1);
}

/* ---- ready-made records ---- */

static void a_ready_made_record_gets_its_number(void **state)
{
	struct record_stream s = { .bytes = sizeof(s), .type = RECORD_STREAM, .delivered = 5 };
	struct bed *b = *state;
	const struct record_stream *heard;

	emit_both(b);
	hear(b);
	emit_record(&b->emit, &s, sizeof(s));
	heard = (const void *)hear(b);
	assert_int_equal(heard->type, RECORD_STREAM);
	assert_int_equal(heard->seq, 1);
	assert_int_equal(heard->delivered, 5);
	assert_int_equal(counted(b, C_records_made), 2);
}

static void a_ready_made_record_that_finds_no_room_leaves_a_hole(void **state)
{
	struct record_stream s = { .bytes = sizeof(s), .type = RECORD_STREAM };
	struct bed *b = *state;
	uint64_t inside = fill_ring(b), lost;

	do {
		lost = counted(b, C_records_ring_full);
		emit_record(&b->emit, &s, sizeof(s));
		inside += counted(b, C_records_ring_full) == lost;
	} while (counted(b, C_records_ring_full) == lost);
	assert_int_equal(b->emit.seq, inside + 2);
	assert_int_equal(counted(b, C_records_made), inside + 2);
}

/* ---- cuts ---- */

static void until_emit_makes_records_that_nobody_sees(void **state)
{
	struct bed *b = *state;

	start(b, &(struct emit_settings){ .cut = true });
	keep_body(&b->response, 100000, 'r');
	for (int i = 0; i < 200; i++)
		emit_both(b); /* more than the ring holds: nothing stays in it */
	assert_null(hear(b));
	assert_int_equal(counted(b, C_records_made), 200);
	assert_int_equal(counted(b, C_records_cut), 200);
	assert_int_equal(counted(b, C_records_ring_full), 0);
}

static void until_pair_makes_nothing(void **state)
{
	struct bed *b = *state;

	start(b, &(struct emit_settings){ .stop_pair = true });
	emit_both(b);
	assert_null(hear(b));
	assert_int_equal(counted(b, C_records_made), 0);
	assert_int_equal(b->emit.seq, 0);
}

static void emit_is_charged_with_its_own_cycles(void **state)
{
	struct bed *b = *state;

	b->timer = (struct stage_timer){ .now = STAGE_pair, .on = true, .since = clock_cycles() };
	emit_both(b);
	assert_int_equal(b->timer.now, STAGE_pair);
	assert_true(b->timer.cycles[STAGE_emit] > 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, open_bed, close_bed)
	const struct CMUnitTest tests[] = {
		T(a_pair_says_what_its_messages_said),
		T(half_a_pair_leaves_the_other_half_out),
		T(what_a_server_says_unasked_does_not_make_it_the_client),
		T(latency_is_never_negative_and_never_across_a_setting_of_the_clock),
		T(latencies_of_pairs_are_in_the_histogram),
		T(interim_codes_stand_in_the_response_s_part),
		T(interim_codes_of_an_unanswered_request_are_left_out),
		T(whatever_messages_hold_their_record_can_be_walked),
		T(a_record_of_the_greatest_size_has_its_bodies),
		T(bodies_too_long_for_a_record_are_left_out_whole),
		T(a_live_source_loses_records_and_says_how_many),
		T(a_file_waits_and_loses_nothing),
		T(a_file_gives_up_when_the_run_is_to_stop_and_nobody_reads),
		T(a_file_does_not_give_up_while_somebody_is_attached),
		T(a_sleeping_reader_is_woken_when_enough_waits),
		T(a_ready_made_record_gets_its_number),
		T(a_ready_made_record_that_finds_no_room_leaves_a_hole),
		T(until_emit_makes_records_that_nobody_sees),
		T(until_pair_makes_nothing),
		T(emit_is_charged_with_its_own_cycles),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
