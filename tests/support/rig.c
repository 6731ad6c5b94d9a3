/* rig - the stages behind reassembly on the bench, and a reader of the ring. */
#include "tests/support/rig.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "tests/support/check.h"

enum { DOWN_BYTES = 4096 };

struct rig_settings rig_settings(void)
{
	return (struct rig_settings){
		.host = { .gap_wait_ns = 20000000,
			  .head_bytes = 4096,
			  .head_fields = 16,
			  .body_limit_bytes = 4,
			  .conn_memory_bytes = 4096,
			  .spare_conns = 8,
			  .headers = HEADERS_ALL,
			  .header_names = "" },
		.pair = { .open_requests = 4, .pool_messages = 64, .request_timeout_ns = 60 * CLOCK_SECOND_NS },
		.reassembly = bench_reassembly_settings(),
		.dissectors = "",
	};
}

static void open_region(struct rig *r)
{
	void *down;

	assert_int_equal(region_create(&r->region, 0, 1, 4 << 20, dissector_count, "test"), 0);
	down = mmap(NULL, DOWN_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, r->region.down_fd, 0);
	assert_true(down != MAP_FAILED);
	r->down = down;
	assert_int_equal(ring_consumer_init(&r->consumer, r->region.data,
					    r->region.header->ring_bytes, &r->region.header->ring,
					    r->down),
			 0);
}

static void open_stages(struct rig *r, const struct rig_settings *s)
{
	uint64_t enabled;
	const char *bad;

	assert_int_equal(identify_compile(s->dissectors, &r->database, &enabled, &bad), 0);
	assert_int_equal(identify_init(&r->identify, r->database, enabled), 0);
	emit_init(&r->emit, &s->emit, &r->region, &r->b.counters, &r->door, -1, &r->timer);
	pair_init(&r->pair, &s->pair, &r->emit, &r->b.arena, &r->b.counters, &r->b.clock,
		  &r->timer);
	host_init(&r->host, &s->host, &r->identify, &r->pair, &r->b.arena, &r->b.counters,
		  &r->b.clock, &r->timer);
	reassembly_init(&r->b.reassembly, &s->reassembly, &r->b.flows, &r->b.arena, &r->b.counters,
			&r->b.clock, host_sink(&r->host));
}

void rig_open(struct rig *r, const struct rig_settings *s)
{
	memset(r, 0, sizeof(*r));
	bench_open(&r->b, NULL, &s->reassembly);
	open_region(r);
	open_stages(r, s);
}

uint64_t rig_balance(const struct rig *r, enum balance which)
{
	uint64_t in = 0, out = 0;

	for (int i = 0; i < COUNTER_COUNT; i++) {
		if (ledger_line[i].balance != which)
			continue;
		if (ledger_line[i].side == BALANCE_IN)
			in += r->b.counters.value[i];
		else
			out += r->b.counters.value[i];
	}
	return in - out;
}

void rig_close(struct rig *r)
{
	flow_close_all(&r->b.flows, WHY_capture_ended);
	assert_int_equal(rig_balance(r, BALANCE_REQUESTS), 0);
	assert_int_equal(rig_balance(r, BALANCE_RESPONSES), 0);
	assert_int_equal(r->pair.open_requests, 0);
	assert_int_equal(r->pair.open_responses, 0);
	host_fini(&r->host);
	pair_fini(&r->pair);
	bench_close(&r->b); /* the arena asserts that every byte is back */
	identify_fini(&r->identify);
	identify_free(r->database);
	munmap(r->down, DOWN_BYTES);
	region_destroy(&r->region);
}

/* ---- saying ---- */

void rig_connect(struct rig *r)
{
	r->b.client_port++;
	r->offset[SIDE_A] = r->offset[SIDE_B] = 0;
	bench_handshake(&r->b);
}

void rig_send(struct rig *r, enum side side, const void *data, uint32_t bytes)
{
	bench_send(&r->b, (struct sent){ .side = side,
					 .offset = (int64_t)r->offset[side],
					 .data = data,
					 .bytes = bytes,
					 .ack = (int64_t)r->offset[side_other(side)] });
	r->offset[side] += bytes;
}

void rig_say(struct rig *r, enum side side, const char *text)
{
	rig_send(r, side, text, (uint32_t)strlen(text));
}

void rig_say_bytewise(struct rig *r, enum side side, const char *text)
{
	for (; *text != 0; text++)
		rig_send(r, side, text, 1);
}

void rig_lose(struct rig *r, enum side side, uint64_t bytes)
{
	r->offset[side] += bytes;
}

/* ---- hearing ---- */

static void add_text(struct rig *r, const char *text, size_t bytes)
{
	size_t at = strlen(r->text);

	snprintf(r->text + at, sizeof(r->text) - at, "%.*s", (int)bytes, text);
}

static void add_part(struct rig *r, const struct record *rec, enum record_part part)
{
	const struct record_field *f;

	for (f = record_first(rec, part); f != NULL; f = record_next(rec, part, f)) {
		add_text(r, " ", 1);
		add_text(r, (const char *)f->data, f->bytes);
	}
}

static void describe(struct rig *r, const struct record *rec)
{
	snprintf(r->text, sizeof(r->text), "%s", outcome_name(rec->outcome));
	if (rec->why != WHY_none) {
		add_text(r, ":", 1);
		add_text(r, why_name(rec->why), strlen(why_name(rec->why)));
	}
	add_part(r, rec, RECORD_REQUEST);
	add_part(r, rec, RECORD_RESPONSE);
}

const struct record *rig_hear(struct rig *r)
{
	const struct record *rec;
	uint64_t bytes;

	emit_publish(&r->emit);
	rec = ring_peek(&r->consumer, &bytes);
	if (rec == NULL)
		return NULL;
	assert_true(record_check(rec, bytes));
	assert_int_equal(rec->seq, r->seq++);
	describe(r, rec);
	ring_next(&r->consumer, bytes);
	return rec;
}

const struct record *rig_expect(struct rig *r, const char *wanted)
{
	const struct record *rec = rig_hear(r);

	if (rec == NULL)
		fail_msg("wanted \"%s\", heard nothing", wanted);
	assert_string_equal(r->text, wanted);
	return rec;
}

void rig_expect_nothing(struct rig *r)
{
	if (rig_hear(r) != NULL)
		fail_msg("wanted nothing, heard \"%s\"", r->text);
}

void rig_forget(struct rig *r)
{
	ring_release(&r->consumer);
}
