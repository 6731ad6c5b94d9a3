/* Proves that draining loses nothing and believes nothing: records are released only after they are
 * written; a killed control's successor goes on where it stopped; an output that fails costs the
 * output and not the dataplane; a record or a position that cannot be ends its region and no other;
 * and a dataplane that dies is drained first.
 */
#include "tests/unit/control/records.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "control/daemon/drain.h"
#include "dataplane/base/clock.h"

enum { WORKERS = 2, RING_BYTES = 4 << 20 };

/* ---- a sink that remembers ---- */

static struct {
	char *text; /* all that was written */
	size_t bytes, writes;
	int fail_open, fail_write;     /* errno */
	size_t fail_after;             /* bytes */
	const struct ring_down *watch; /* its `read` when write() was called last */
	uint64_t watched;
	unsigned open;
} memory;

struct sink {
	int unused;
};
static struct sink the_sink;

static int memory_fail(int err, struct sink_error *ret)
{
	ret->failure = err == ENOSPC ? SINK_FAILED_no_space : SINK_FAILED_io;
	strcpy(ret->text, "the sink of the test fails, as it was told to");
	return -err;
}

static int memory_open(const struct sink_how *how, struct sink **ret, struct sink_error *err)
{
	(void)how;
	if (memory.fail_open != 0)
		return memory_fail(memory.fail_open, err);
	memory.open++;
	*ret = &the_sink;
	return 0;
}

static uint64_t lines_in(const char *text, size_t bytes)
{
	uint64_t lines = 0;

	for (size_t i = 0; i < bytes; i++)
		lines += text[i] == '\n';
	return lines;
}

static int memory_write(struct sink *s, const char *lines, size_t bytes, uint64_t *ret_lines,
			struct sink_error *err)
{
	size_t room = memory.fail_write != 0 ? memory.fail_after - memory.bytes : bytes;
	size_t taken = bytes < room ? bytes : room;

	assert_ptr_equal(s, &the_sink);
	if (memory.watch != NULL)
		memory.watched = atomic_load(&memory.watch->read);
	memory.text = realloc(memory.text, memory.bytes + taken + 1);
	memcpy(memory.text + memory.bytes, lines, taken);
	memory.bytes += taken;
	memory.text[memory.bytes] = 0;
	memory.writes++;
	*ret_lines = lines_in(lines, taken);
	return taken < bytes ? memory_fail(memory.fail_write, err) : 0;
}

static int memory_close(struct sink *s, struct sink_error *err)
{
	(void)err;
	assert_ptr_equal(s, &the_sink);
	memory.open--;
	return 0;
}

static const struct sink_backend sink_memory = { "memory", memory_open, memory_write,
						 memory_close };

/* ---- a dataplane in this process ---- */

static struct region_writer writer[WORKERS];
static struct region_reader reader[WORKERS];
static struct books_exporter books;
static struct drain drain;
static int bell, peer[2];
static struct made m;
static struct hdr delay;
static struct hdr *measured; /* NULL: nobody asks */

static void attach_all(void)
{
	for (uint32_t i = 0; i < WORKERS; i++)
		assert_int_equal(region_attach(&reader[i], writer[i].up_fd, writer[i].down_fd), 0);
}

static void detach_all(void)
{
	for (uint32_t i = 0; i < WORKERS; i++)
		region_detach(&reader[i]);
}

static int begin(void **state)
{
	(void)state;
	memset(&memory, 0, sizeof(memory));
	memset(&books, 0, sizeof(books));
	memset(&drain, 0, sizeof(drain));
	hdr_clear(&delay);
	measured = NULL;
	for (uint32_t i = 0; i < WORKERS; i++)
		assert_int_equal(
			region_create(&writer[i], i, WORKERS, RING_BYTES, dissector_count, "k3q9"),
			0);
	attach_all();
	bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, peer);
}

static int end(void **state)
{
	(void)state;
	drain_close(&drain);
	assert_int_equal(memory.open, 0);
	detach_all();
	for (uint32_t i = 0; i < WORKERS; i++)
		region_destroy(&writer[i]);
	close(bell);
	close(peer[0]);
	if (peer[1] >= 0)
		close(peer[1]);
	free(memory.text);
	return 0;
}

static void open_drain(const struct text_format *format, enum stage until,
		       const struct sink_backend *sink)
{
	struct drain_how how = { .regions = reader,
				 .count = WORKERS,
				 .bell_fd = bell,
				 .peer_fd = peer[0],
				 .run = "k3q9",
				 .until = until,
				 .format = format,
				 .sink = sink,
				 .delay = measured };

	assert_int_equal(drain_init(&drain, &how, &books), 0);
}

static void open_jsonl(void)
{
	open_drain(&text_jsonl, STAGE_normal, &sink_memory);
}

static void put(unsigned worker, const void *bytes, uint32_t count)
{
	void *room = ring_reserve(&writer[worker].ring, count);

	assert_non_null(room);
	memcpy(room, bytes, count);
	ring_commit(&writer[worker].ring, count);
	ring_publish(&writer[worker].ring);
}

static void put_record(unsigned worker, uint64_t seq)
{
	made_begin(&m);
	m.head->seq = seq;
	made_end(&m);
	put(worker, m.bytes, m.used);
}

static void put_stream(unsigned worker, uint16_t port)
{
	made_stream(&m);
	m.stream->src_port = port;
	put(worker, m.bytes, m.used);
}

static void finish(unsigned worker)
{
	ring_close(&writer[worker].ring);
	atomic_store(&writer[worker].header->state, REGION_FINISHED);
}

static uint64_t released(unsigned worker)
{
	return atomic_load(&writer[worker].down->records);
}

/* ---- in order ---- */

static void records_of_all_workers_are_written_and_released(void **state)
{
	(void)state;
	open_jsonl();
	put_record(0, 0);
	put_record(1, 0);
	put_record(0, 1);
	drain_round(&drain);
	assert_non_null(strstr(memory.text, "\"run\":\"k3q9\",\"worker\":0,\"seq\":1,"));
	assert_non_null(strstr(memory.text, "\"run\":\"k3q9\",\"worker\":1,\"seq\":0,"));
	assert_int_equal(lines_in(memory.text, memory.bytes), 3);
	assert_int_equal(memory.writes, 1); /* one write(2) for all of it */
	assert_int_equal(released(0), 2);
	assert_int_equal(released(1), 1);
	assert_int_equal(books.exported, 3);
	drain_round(&drain);
	assert_int_equal(memory.writes, 1);
}

static void nothing_is_released_before_it_is_written(void **state)
{
	uint64_t seq = 0;

	(void)state;
	open_jsonl();
	memory.watch = writer[0].down;
	while (memory.writes < 2) { /* batches within a round too */
		uint64_t before = atomic_load(&writer[0].down->read);

		for (int i = 0; i < 1000; i++)
			put_record(0, seq++);
		drain_round(&drain);
		if (memory.writes == 1)
			assert_int_equal(memory.watched, before);
	}
	assert_int_equal(released(0), seq);
	assert_true(memory.watched < atomic_load(&writer[0].down->read));
}

static void a_successor_goes_on_with_what_was_not_released(void **state)
{
	(void)state;
	open_jsonl();
	put_record(0, 0);
	put_record(0, 1);
	drain_round(&drain);
	put_record(0, 2);
	drain_close(&drain); /* as a kill would, before the next round */
	detach_all();
	attach_all();
	memset(&books, 0, sizeof(books));
	open_jsonl();
	assert_int_equal(books.earlier_control, 2);
	drain_round(&drain);
	assert_int_equal(books.exported, 1);
	assert_int_equal(lines_in(memory.text, memory.bytes), 3);
	assert_non_null(strstr(memory.text, "\"seq\":2,"));
}

static void the_longest_record_passes_whole(void **state)
{
	static uint8_t bytes[RECORD_BYTES_MAX];
	struct record *r = (void *)bytes;
	struct record_field *f = (void *)(r + 1);

	(void)state;
	made_begin(&m);
	memset(bytes, 1, sizeof(bytes)); /* six characters each */
	*r = *m.head;
	r->bytes = sizeof(bytes);
	r->request.fields_bytes = sizeof(bytes) - sizeof(*r);
	f->id = FIELD_TARGET;
	f->name_bytes = RECORD_FIELD_PLAIN;
	f->bytes = r->request.fields_bytes - (uint32_t)sizeof(*f);
	open_jsonl();
	put(0, bytes, sizeof(bytes));
	put_record(0, 1);
	drain_round(&drain);
	assert_int_equal(books.exported, 1); /* more than a ring's share of a round */
	drain_round(&drain);
	assert_int_equal(books.exported, 2);
	assert_true(memory.bytes > 6 * (size_t)f->bytes);
	assert_non_null(strstr(memory.text, "\"seq\":1,"));
}

static void it_is_done_when_every_worker_has_finished_and_every_ring_is_empty(void **state)
{
	(void)state;
	open_jsonl();
	assert_false(drain_done(&drain));
	finish(0);
	assert_false(drain_done(&drain));
	put_record(1, 0);
	finish(1);
	assert_false(drain_done(&drain));
	drain_round(&drain);
	assert_true(drain_done(&drain));
	assert_false(drain_died(&drain));
}

static void lines_that_are_no_records_are_in_no_count(void **state)
{
	(void)state;
	open_jsonl();
	drain_line(&drain, "{}\n", 3);
	assert_string_equal(memory.text, "{}\n");
	assert_int_equal(books.exported, 0);
}

/* ---- how long it took ---- */

/* put_pair - whose last packet was `ago_ns` ago. */
static void put_pair(uint64_t ago_ns, uint8_t outcome, uint32_t flags)
{
	made_begin(&m);
	m.head->outcome = outcome;
	m.head->why = outcome == OUTCOME_paired ? WHY_none : WHY_timeout;
	m.head->flags = flags;
	m.head->request.duration_ns = 1000000000;
	m.head->latency_ns = 20000000000;
	m.head->response.duration_ns = 300000000000;
	m.head->ts_ns = clock_wall_ns() - ago_ns - 321000000000;
	made_response(&m);
	made_end(&m);
	put(0, m.bytes, m.used);
}

static void a_pair_takes_from_its_last_packet_until_it_is_written(void **state)
{
	uint64_t begun_ns = clock_monotonic_ns(), most_ns;

	(void)state;
	measured = &delay;
	open_jsonl();
	put_pair(5000000000, OUTCOME_paired, 0);
	put_pair(7000000000, OUTCOME_paired, 0);
	drain_round(&drain);
	most_ns = clock_monotonic_ns() - begun_ns + (7000000000 >> HDR_SUB_BITS);
	assert_int_equal(delay.count, 2);
	assert_in_range(delay.min, 5000000000, 5000000000 + most_ns);
	assert_in_range(delay.max, 7000000000, 7000000000 + most_ns);
	drain_round(&drain); /* nothing is told twice */
	assert_int_equal(delay.count, 2);
}

static void what_has_no_last_packet_is_not_measured(void **state)
{
	(void)state;
	measured = &delay;
	open_jsonl();
	put_pair(1000, OUTCOME_unanswered, 0);
	put_pair(1000, OUTCOME_paired, FLAG_early_response);
	put_pair(1000, OUTCOME_paired, FLAG_clock_backwards);
	drain_round(&drain);
	assert_int_equal(books.exported, 3);
	assert_int_equal(delay.count, 0);
}

static void a_pair_from_the_future_took_no_time(void **state)
{
	(void)state;
	measured = &delay;
	open_jsonl();
	put_pair(-UINT64_C(60000000000), OUTCOME_paired, 0);
	drain_round(&drain);
	assert_int_equal(delay.count, 1);
	assert_int_equal(delay.max, 0);
}

static void what_is_not_written_took_no_time_at_all(void **state)
{
	(void)state;
	measured = &delay;
	open_drain(&text_jsonl, STAGE_format, &sink_memory);
	put_pair(1000, OUTCOME_paired, 0);
	drain_round(&drain);
	drain_close(&drain);
	memory.fail_write = ENOSPC;
	open_jsonl();
	put_pair(1000, OUTCOME_paired, 0);
	drain_round(&drain);
	assert_int_equal(books.failed[SINK_FAILED_no_space], 1);
	assert_int_equal(delay.count, 0);
}

static void more_pairs_than_are_remembered_do_no_harm(void **state)
{
	(void)state;
	measured = &delay;
	open_jsonl();
	for (int i = 0; i < 3 * DRAIN_BATCH_PAIRS; i++)
		put_pair(1000, OUTCOME_paired, 0);
	for (int i = 0; i < 20; i++)
		drain_round(&drain);
	assert_int_equal(books.exported, 3 * DRAIN_BATCH_PAIRS);
	assert_in_range(delay.count, DRAIN_BATCH_PAIRS, 3 * DRAIN_BATCH_PAIRS);
}

/* ---- what is not written ---- */

static void until_drain_drops_and_counts(void **state)
{
	(void)state;
	open_drain(&text_jsonl, STAGE_drain, &sink_memory);
	put_record(0, 0);
	drain_round(&drain);
	assert_int_equal(books.cut_drain, 1);
	assert_int_equal(released(0), 1);
	assert_int_equal(memory.writes, 0);
}

static void until_format_makes_text_and_writes_none(void **state)
{
	(void)state;
	open_drain(&text_jsonl, STAGE_format, &sink_memory);
	put_record(0, 0);
	drain_round(&drain);
	assert_int_equal(books.cut_format, 1);
	assert_int_equal(released(0), 1);
	assert_int_equal(memory.writes, 0);
	assert_int_equal(drain.used, 0);
}

static void without_an_output_records_are_counted(void **state)
{
	(void)state;
	open_drain(&text_jsonl, STAGE_normal, NULL);
	put_record(0, 0);
	drain_round(&drain);
	drain_line(&drain, "{}\n", 3);
	assert_int_equal(books.cut_no_output, 1);
	assert_int_equal(released(0), 1);
	assert_false(drain.output_failed);
}

static void a_format_passes_over_types_it_does_not_tell_of(void **state)
{
	(void)state;
	open_jsonl();
	put_stream(0, 1);
	put_record(0, 1);
	drain_round(&drain);
	assert_int_equal(books.not_selected_type, 1);
	assert_int_equal(books.exported, 1);
}

/* ---- collecting ---- */

static void collected_lines_are_written_at_the_end_and_sorted(void **state)
{
	(void)state;
	open_drain(&text_streams, STAGE_normal, &sink_memory);
	put_stream(1, 9);
	put_stream(0, 7);
	drain_round(&drain);
	assert_int_equal(books.queued, 2);
	assert_int_equal(memory.writes, 0);
	drain_finish(&drain);
	assert_int_equal(books.queued, 0);
	assert_int_equal(books.exported, 2);
	assert_non_null(strstr(memory.text, "0.0.0.0:7\t"));
	assert_true(strstr(memory.text, ":7\t") < strstr(memory.text, ":9\t"));
}

static void what_a_killed_control_had_collected_is_a_failure(void **state)
{
	(void)state;
	open_drain(&text_streams, STAGE_normal, &sink_memory);
	put_stream(0, 7);
	drain_round(&drain);
	drain_close(&drain);
	detach_all();
	attach_all();
	memset(&books, 0, sizeof(books));
	open_drain(&text_streams, STAGE_normal, &sink_memory);
	assert_int_equal(books.collected_lost, 1);
	assert_true(drain.output_failed);
}

static void collected_lines_that_cannot_be_written_are_failed(void **state)
{
	(void)state;
	memory.fail_write = ENOSPC;
	open_drain(&text_streams, STAGE_normal, &sink_memory);
	put_stream(0, 7);
	put_stream(0, 8);
	drain_round(&drain);
	drain_finish(&drain);
	assert_int_equal(books.queued, 0);
	assert_int_equal(books.exported, 0);
	assert_int_equal(books.failed[SINK_FAILED_no_space], 2);
}

/* ---- an output that fails ---- */

static void an_output_that_cannot_be_opened_does_not_stop_the_draining(void **state)
{
	(void)state;
	memory.fail_open = ENOSPC;
	open_jsonl();
	assert_true(drain.output_failed);
	put_record(0, 0);
	put_record(1, 0);
	drain_round(&drain);
	drain_line(&drain, "{}\n", 3);
	drain_finish(&drain);
	assert_int_equal(books.failed[SINK_FAILED_no_space], 2);
	assert_int_equal(released(0), 1);
	assert_int_equal(released(1), 1);
	assert_int_equal(memory.writes, 0);
}

static void an_output_that_fails_counts_exactly_what_is_missing(void **state)
{
	(void)state;
	open_jsonl();
	put_record(0, 0);
	drain_round(&drain);
	memory.fail_write = EIO;
	memory.fail_after = memory.bytes * 3 + memory.bytes / 2; /* two more lines and a half */
	for (uint64_t seq = 1; seq < 6; seq++)
		put_record(0, seq);
	drain_round(&drain);
	assert_int_equal(books.exported, 3);
	assert_int_equal(books.failed[SINK_FAILED_io], 3);
	assert_int_equal(released(0), 6);
	put_record(0, 6);
	drain_round(&drain);
	assert_int_equal(books.failed[SINK_FAILED_io], 4);
	assert_int_equal(memory.writes, 2);
}

/* ---- a dataplane that misbehaves or dies ---- */

static void check_refused(void)
{
	put_record(1, 0);
	drain_round(&drain);
	assert_true(drain.region[0].refused);
	assert_false(drain.region[1].refused);
	assert_int_equal(books.exported, 1); /* the other worker goes on */
	finish(1);
	assert_true(drain_done(&drain));
	assert_true(drain_died(&drain));
}

static void a_record_that_cannot_be_ends_its_region(void **state)
{
	(void)state;
	open_jsonl();
	made_begin(&m);
	made_text(&m, FIELD_METHOD, "GET");
	made_end(&m);
	((struct record_field *)(m.head + 1))->bytes = 4000; /* beyond its message */
	put(0, m.bytes, m.used);
	check_refused();
	assert_int_equal(released(0), 0);
}

static void a_protocol_that_nobody_registered_ends_its_region(void **state)
{
	(void)state;
	open_jsonl();
	made_begin(&m);
	m.head->proto = (uint8_t)dissector_count;
	made_end(&m);
	put(0, m.bytes, m.used);
	check_refused();
}

static void a_size_that_cannot_be_ends_its_region(void **state)
{
	(void)state;
	open_jsonl();
	put_record(0, 0);
	*(uint32_t *)(void *)writer[0].data = 12;
	check_refused();
}

static void a_position_that_cannot_be_ends_its_region(void **state)
{
	(void)state;
	open_jsonl();
	atomic_store(&writer[0].header->ring.written, UINT64_C(1) << 40);
	check_refused();
}

static void a_dead_dataplane_is_drained_first(void **state)
{
	(void)state;
	open_jsonl();
	put_record(0, 0);
	close(peer[1]);
	peer[1] = -1;
	drain_wait(&drain, NULL, 0);
	assert_true(drain.peer_gone);
	assert_false(drain_done(&drain));
	drain_round(&drain);
	assert_true(drain_done(&drain));
	assert_true(drain_died(&drain));
	assert_int_equal(books.exported, 1);
}

static void a_dataplane_that_leaves_after_finishing_has_not_died(void **state)
{
	(void)state;
	open_jsonl();
	put_record(0, 0);
	finish(0);
	finish(1);
	close(peer[1]);
	peer[1] = -1;
	drain_wait(&drain, NULL, 0);
	drain_round(&drain);
	drain_wait(&drain, NULL, 0);
	assert_true(drain_done(&drain));
	assert_false(drain_died(&drain));
}

/* ---- sleeping ---- */

static void it_sleeps_while_little_waits_and_says_so_only_then(void **state)
{
	uint64_t before_ns;

	(void)state;
	open_jsonl();
	put_record(0, 0);
	before_ns = clock_monotonic_ns();
	drain_wait(&drain, NULL, 0);
	assert_true(clock_monotonic_ns() - before_ns >= 5 * 1000000);
	assert_int_equal(atomic_load(&writer[0].down->asleep), 0);
}

/* The shortest of several, because a busy machine makes any of them longer. */
static uint64_t shortest_wait_ns(uint32_t waits)
{
	uint64_t shortest = UINT64_MAX;

	for (uint32_t i = 0; i < waits; i++) {
		uint64_t before_ns = clock_monotonic_ns(), took_ns;

		drain_wait(&drain, NULL, 0);
		took_ns = clock_monotonic_ns() - before_ns;
		shortest = took_ns < shortest ? took_ns : shortest;
	}
	return shortest;
}

static void it_sleeps_longer_once_nothing_has_come_for_a_second(void **state)
{
	(void)state;
	open_jsonl();
	assert_true(shortest_wait_ns(100) < 19 * 1000000);
	assert_true(shortest_wait_ns(3) >= 19 * 1000000);
	put_record(0, 0);
	drain_wait(&drain, NULL, 0);
	drain_round(&drain);
	assert_true(shortest_wait_ns(50) < 19 * 1000000);
}

/* The bell is what wakes it: were it not read, the second wait would not sleep. */
static void the_bell_wakes_it_once(void **state)
{
	uint64_t one = 1, before_ns;

	(void)state;
	open_jsonl();
	assert_int_equal(write(bell, &one, sizeof(one)), sizeof(one));
	drain_wait(&drain, NULL, 0);
	before_ns = clock_monotonic_ns();
	drain_wait(&drain, NULL, 0);
	assert_true(clock_monotonic_ns() - before_ns >= 5 * 1000000);
}

/* Nobody serves it here, so every wait ends at once: a thousand that slept would take ten seconds.
 */
static void another_descriptor_wakes_it_too(void **state)
{
	const int others[] = { -1, eventfd(1, EFD_CLOEXEC) };
	uint64_t before_ns = clock_monotonic_ns();

	(void)state;
	open_jsonl();
	for (int i = 0; i < 1000; i++)
		drain_wait(&drain, others, array_count(others));
	assert_true(clock_monotonic_ns() - before_ns < UINT64_C(5) * 1000000000);
	close(others[1]);
}

/* A thousand waits that slept would take ten seconds. */
static void it_does_not_sleep_while_much_waits(void **state)
{
	uint64_t before_ns, seq = 0;

	(void)state;
	open_jsonl();
	while (writer[1].ring.written < RING_WORTH_WAKING)
		put_record(1, seq++);
	before_ns = clock_monotonic_ns();
	for (int i = 0; i < 1000; i++)
		drain_wait(&drain, NULL, 0);
	assert_true(clock_monotonic_ns() - before_ns < UINT64_C(5) * 1000000000);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(records_of_all_workers_are_written_and_released),
		TEST(nothing_is_released_before_it_is_written),
		TEST(a_successor_goes_on_with_what_was_not_released),
		TEST(the_longest_record_passes_whole),
		TEST(it_is_done_when_every_worker_has_finished_and_every_ring_is_empty),
		TEST(lines_that_are_no_records_are_in_no_count),
		TEST(a_pair_takes_from_its_last_packet_until_it_is_written),
		TEST(what_has_no_last_packet_is_not_measured),
		TEST(a_pair_from_the_future_took_no_time),
		TEST(what_is_not_written_took_no_time_at_all),
		TEST(more_pairs_than_are_remembered_do_no_harm),
		TEST(until_drain_drops_and_counts),
		TEST(until_format_makes_text_and_writes_none),
		TEST(without_an_output_records_are_counted),
		TEST(a_format_passes_over_types_it_does_not_tell_of),
		TEST(collected_lines_are_written_at_the_end_and_sorted),
		TEST(what_a_killed_control_had_collected_is_a_failure),
		TEST(collected_lines_that_cannot_be_written_are_failed),
		TEST(an_output_that_cannot_be_opened_does_not_stop_the_draining),
		TEST(an_output_that_fails_counts_exactly_what_is_missing),
		TEST(a_record_that_cannot_be_ends_its_region),
		TEST(a_protocol_that_nobody_registered_ends_its_region),
		TEST(a_size_that_cannot_be_ends_its_region),
		TEST(a_position_that_cannot_be_ends_its_region),
		TEST(a_dead_dataplane_is_drained_first),
		TEST(a_dataplane_that_leaves_after_finishing_has_not_died),
		TEST(it_sleeps_while_little_waits_and_says_so_only_then),
		TEST(it_sleeps_longer_once_nothing_has_come_for_a_second),
		TEST(the_bell_wakes_it_once),
		TEST(another_descriptor_wakes_it_too),
		TEST(it_does_not_sleep_while_much_waits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
