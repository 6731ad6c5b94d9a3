/* Proves that whole workers, as setup.c makes them, do what their stages promise together: packets
 * of the `synth` and `file` back ends go in, records come out of the rings, and
 *
 *   - no pair is missing or shifted, and every balance closes, whatever the input;
 *   - the set of records is the same for any number of workers;
 *   - each --until cuts where it says; a stop ends a run in good order; damage is told;
 *   - settings that make no sense are refused with their exit status, and half-made is undone.
 *
 * setup_undo() asserts that every byte of every arena is back.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "dataplane/base/log.h"
#include "dataplane/setup.h"
#include "tests/support/check.h"

enum { WORKERS_MAX = 4, TEXT_BYTES = 320, DOWN_BYTES = 4096, EXIT_SETTINGS = 2, EXIT_SOURCE = 5 };

/* The reader of one worker's ring. */
struct reader {
	struct ring_consumer ring;
	struct ring_down *down;
	uint64_t seen;
};

struct run {
	struct settings s;
	struct dataplane d;
	struct reader reader[WORKERS_MAX];
	char (*text)[TEXT_BYTES]; /* of each record, sorted by sort_records() */
	uint64_t records, room;
	uint64_t outcome[OUTCOME_COUNT];
	uint64_t streams;
	uint64_t stop_after; /* records; 0: never */
	struct counters sum; /* of all workers, at the end */
};

static struct run run, other;

static void settings_for(struct run *r, const char *rx)
{
	memset(r, 0, sizeof(*r));
	settings_defaults(&r->s);
	strcpy(r->s.run, "test");
	strcpy(r->s.format, "jsonl");
	r->s.until = STAGE_normal;
	r->s.ring_bytes = 4 << 20;
	r->s.flows = 4096;
	r->s.half_open = 1024;
	if (rx != NULL) {
		snprintf(r->s.rx[0], sizeof(r->s.rx[0]), "%s", rx);
		r->s.rx_count = 1;
	}
}

/* ---- reading ---- */

static const struct record_field *field_of(const struct record *rec, enum record_part part,
					   uint16_t id)
{
	const struct record_field *f = record_first(rec, part);

	while (f != NULL && f->id != id)
		f = record_next(rec, part, f);
	return f;
}

static void add(char *text, const struct record_field *f)
{
	size_t at = strlen(text);

	if (f != NULL)
		snprintf(text + at, TEXT_BYTES - at, " %.*s", (int)f->bytes, (const char *)f->data);
}

/* All of a record that must not depend on the number of workers. */
static void describe(const struct record *rec, char *text)
{
	snprintf(text, TEXT_BYTES,
		 "%s %u conn %016lx/%lu at %lu %lu..%lu %lu..%lu after %lu flags %x",
		 outcome_name(rec->outcome), rec->why, rec->conn, rec->index, rec->ts_ns,
		 rec->frames[0], rec->frames[1], rec->frames[2], rec->frames[3], rec->latency_ns,
		 rec->flags);
	add(text, field_of(rec, RECORD_REQUEST, FIELD_METHOD));
	add(text, field_of(rec, RECORD_REQUEST, FIELD_TARGET));
	add(text, field_of(rec, RECORD_RESPONSE, FIELD_CODE));
}

static void take_record(struct run *r, const struct record *rec)
{
	if (rec->type == RECORD_STREAM) {
		r->streams++;
		return;
	}
	r->outcome[rec->outcome]++;
	if (r->records == r->room) {
		r->room = r->room == 0 ? 1024 : 2 * r->room;
		r->text = realloc(r->text, r->room * sizeof(r->text[0]));
		assert_non_null(r->text);
	}
	describe(rec, r->text[r->records++]);
}

static void read_some(struct run *r, struct reader *from)
{
	const struct record *rec;
	uint64_t bytes;

	while ((rec = ring_peek(&from->ring, &bytes)) != NULL) {
		assert_true(record_check(rec, bytes));
		assert_int_equal(rec->seq, from->seen++); /* a hole would be loss */
		take_record(r, rec);
		ring_next(&from->ring, bytes);
	}
	assert_int_equal(bytes, 0);
	ring_release(&from->ring);
}

static void open_reader(struct reader *to, struct region_writer *region)
{
	void *down = mmap(NULL, DOWN_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, region->down_fd, 0);

	assert_true(down != MAP_FAILED);
	to->down = down;
	/* Both ends at one address: a checker of races knows nothing of second mappings. */
	region->ring.down = down;
	assert_int_equal(ring_consumer_init(&to->ring, region->data, region->header->ring_bytes,
					    &region->header->ring, to->down),
			 0);
}

static void read_all(struct run *r)
{
	bool more = true;

	while (more) {
		more = false;
		for (uint32_t i = 0; i < r->d.workers; i++) {
			read_some(r, &r->reader[i]);
			more = more || !ring_drained(&r->reader[i].ring);
		}
		if (r->stop_after != 0 && r->records >= r->stop_after)
			atomic_store(&r->d.door.stop, true);
		usleep(200);
	}
}

/* ---- running ---- */

static void add_up(struct run *r)
{
	for (uint32_t i = 0; i < r->d.workers; i++) {
		struct counters c;

		assert_true(counters_snapshot(r->d.worker[i].region.counters, &c));
		for (int k = 0; k < COUNTER_COUNT; k++)
			r->sum.value[k] += c.value[k];
	}
}

/* Every balance of every worker, as published. */
static void assert_books_close(const struct run *r)
{
	for (uint32_t i = 0; i < r->d.workers; i++) {
		uint64_t in[BALANCE_NONE + 1] = { 0 }, out[BALANCE_NONE + 1] = { 0 };
		struct counters c;

		assert_true(counters_snapshot(r->d.worker[i].region.counters, &c));
		out[BALANCE_RECORDS] = r->reader[i].seen;
		for (int k = 0; k < COUNTER_COUNT; k++) {
			if (ledger_line[k].side == BALANCE_IN)
				in[ledger_line[k].balance] += c.value[k];
			else
				out[ledger_line[k].balance] += c.value[k];
		}
		for (int k = 0; k < BALANCE_NONE; k++)
			assert_int_equal(in[k], out[k]);
		assert_int_equal(c.value[C_payload_held], 0);
		assert_int_equal(c.value[C_requests_open], 0);
		assert_int_equal(c.value[C_responses_open], 0);
	}
}

/* From the settings to the last record. The dataplane is still there afterwards: see finish(). */
static void go(struct run *r)
{
	uint64_t finished = 0;

	assert_int_equal(setup_dataplane(&r->d, &r->s), 0);
	atomic_store(&r->d.door.attached, true);
	for (uint32_t i = 0; i < r->d.workers; i++) {
		open_reader(&r->reader[i], &r->d.worker[i].region);
		assert_int_equal(
			pthread_create(&r->d.worker[i].thread, NULL, worker_run, &r->d.worker[i]),
			0);
	}
	pthread_barrier_wait(&r->d.start);
	pthread_barrier_wait(&r->d.start);
	read_all(r);
	for (uint32_t i = 0; i < r->d.workers; i++)
		pthread_join(r->d.worker[i].thread, NULL);
	assert_int_equal(read(r->d.done_fd, &finished, sizeof(finished)), sizeof(finished));
	assert_int_equal(finished, r->d.workers);
	add_up(r);
	assert_books_close(r);
}

static void finish(struct run *r)
{
	for (uint32_t i = 0; i < r->d.workers; i++)
		munmap(r->reader[i].down, DOWN_BYTES);
	setup_undo(&r->d);
	free(r->text);
	r->text = NULL;
}

static uint64_t counted(const struct run *r, enum counter c)
{
	return r->sum.value[c];
}

static int by_text(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void sort_records(struct run *r)
{
	qsort(r->text, r->records, sizeof(r->text[0]), by_text);
}

/* ---- synth ---- */

static void every_pair_of_a_clean_run_comes_out(void **state)
{
	struct run *r = &run;

	(void)state;
	settings_for(r, "synth:pairs=3000,connections=20,size=2000");
	go(r);
	assert_int_equal(r->records, 3000);
	assert_int_equal(r->outcome[OUTCOME_paired], 3000);
	assert_int_equal(counted(r, C_requests), 3000);
	assert_int_equal(counted(r, C_gaps), 0);
	assert_int_equal(counted(r, C_payload_duplicate), 0);
	assert_int_equal(counted(r, C_opaque_bytes), 0);
	assert_int_equal(r->d.worker[0].end, RX_END);
	assert_int_equal(r->d.worker[0].region.header->state, REGION_FINISHED);
	assert_int_equal(r->d.worker[0].region.header->port[0].received, counted(r, C_received));
	finish(r);
}

/* The n-th exchange asks for /n, and the response says n. */
static void no_pair_is_shifted_by_loss(void **state)
{
	struct run *r = &run;

	(void)state;
	settings_for(r,
		     "synth:pairs=4000,connections=16,pipelining=4,loss=0.02,disorder=0.1,seed=5");
	go(r);
	assert_true(counted(r, C_gaps) > 0);
	assert_true(r->outcome[OUTCOME_paired] > 2000);
	assert_int_equal(r->outcome[OUTCOME_paired], counted(r, C_requests_paired));
	finish(r);
}

static void any_number_of_workers_gives_the_same_records(void **state)
{
	static const char rx[] = "synth:pairs=3000,connections=60,size=3000,pipelining=2,"
				 "disorder=0.1,loss=0.01,duplicates=0.05,seed=7";

	(void)state;
	settings_for(&run, rx);
	go(&run);
	sort_records(&run);
	for (uint32_t workers = 2; workers <= WORKERS_MAX; workers += 2) {
		settings_for(&other, rx);
		other.s.workers = workers;
		go(&other);
		sort_records(&other);
		assert_int_equal(other.records, run.records);
		for (uint64_t i = 0; i < run.records; i++)
			assert_string_equal(other.text[i], run.text[i]);
		assert_int_equal(counted(&other, C_received), counted(&run, C_received));
		assert_int_equal(counted(&other, C_payload_delivered),
				 counted(&run, C_payload_delivered));
		assert_int_equal(counted(&other, C_gap_bytes), counted(&run, C_gap_bytes));
		finish(&other);
	}
	finish(&run);
}

static void ports_take_turns_and_both_are_read(void **state)
{
	struct run *r = &run;

	(void)state;
	settings_for(r, "synth:pairs=500,connections=5");
	strcpy(r->s.rx[1], "synth:pairs=700,connections=5,v6=1");
	r->s.rx_count = 2;
	go(r);
	assert_int_equal(r->outcome[OUTCOME_paired], 1200);
	assert_int_equal(r->d.worker[0].region.header->port[0].received +
				 r->d.worker[0].region.header->port[1].received,
			 counted(r, C_received));
	finish(r);
}

static void a_stop_ends_the_run_in_good_order(void **state)
{
	struct run *r = &run;

	(void)state;
	settings_for(r, "synth:packets=1000000000,connections=100");
	r->stop_after = 1000;
	go(r);
	assert_true(r->records >= 1000);
	assert_true(counted(r, C_received) < 1000000000);
	assert_true(r->outcome[OUTCOME_paired] > 0);
	finish(r);
}

/* Whoever is behind walks to where the other one was, so that each packet is in somebody's books.
 */
static void stopped_workers_of_a_file_end_at_the_same_packet(void **state)
{
	struct run *r = &run;

	(void)state;
	for (uint32_t force = 0; force <= 2; force += 2) {
		settings_for(r, "synth:packets=1000000000,connections=100");
		r->s.workers = 4;
		r->s.force_handoff = force;
		r->stop_after = 1000;
		go(r);
		for (uint32_t i = 0; i < 4; i++)
			assert_int_equal(r->d.worker[i].region.header->port[0].received,
					 counted(r, C_received));
		assert_true(counted(r, C_received) < 1000000000);
		finish(r);
	}
}

static void streams_tell_both_directions_of_every_connection(void **state)
{
	struct run *r = &run;

	(void)state;
	settings_for(r, "synth:pairs=300,connections=30");
	strcpy(r->s.format, "streams");
	go(r);
	assert_int_equal(r->records, 0);
	assert_int_equal(r->streams, 60);
	assert_int_equal(counted(r, C_requests), 0);
	finish(r);
}

static void a_filter_keeps_out_what_it_does_not_select(void **state)
{
	struct run *r = &run;

	(void)state;
	settings_for(r, "synth:pairs=300,connections=3");
	strcpy(r->s.filter, "udp");
	go(r);
	assert_int_equal(r->records, 0);
	assert_true(counted(r, C_filtered) > 0);
	assert_int_equal(counted(r, C_filtered), counted(r, C_received));
	finish(r);
}

/* ---- --until ---- */

static void each_cut_is_where_it_says(void **state)
{
	static const struct {
		enum stage until;
		enum counter cut; /* what stops here; COUNTER_COUNT: nothing is counted as cut */
		bool to_flow, delivered, requests, made;
	} table[] = {
		{ STAGE_rx, C_cut_rx, false, false, false, false },
		{ STAGE_decode, C_cut_decode, false, false, false, false },
		{ STAGE_flow, C_cut_flow, false, false, false, false },
		{ STAGE_reassembly, COUNTER_COUNT, true, true, false, false },
		{ STAGE_dissect, COUNTER_COUNT, true, true, false, false },
		{ STAGE_pair, COUNTER_COUNT, true, true, true, false },
		{ STAGE_emit, C_records_cut, true, true, true, true },
	};
	struct run *r = &run;

	(void)state;
	for (size_t i = 0; i < array_count(table); i++) {
		settings_for(r, "synth:pairs=300,connections=6");
		r->s.until = table[i].until;
		r->s.workers = 2;
		go(r);
		assert_int_equal(r->records, 0);
		assert_true(counted(r, C_received) > 600);
		if (table[i].cut != COUNTER_COUNT)
			assert_true(counted(r, table[i].cut) >= 300);
		assert_int_equal(counted(r, C_to_flow) > 0, table[i].to_flow);
		assert_int_equal(counted(r, C_payload_delivered) > 0, table[i].delivered);
		assert_int_equal(counted(r, C_requests) > 0, table[i].requests);
		assert_int_equal(counted(r, C_records_made) > 0, table[i].made);
		finish(r);
	}
}

static void a_source_that_is_only_opened_is_not_read(void **state)
{
	struct run *r = &run;

	(void)state;
	settings_for(r, "synth:pairs=300,connections=6");
	r->s.until = STAGE_open;
	r->s.workers = 2;
	go(r);
	assert_int_equal(r->records, 0);
	assert_int_equal(counted(r, C_received), 0);
	finish(r);
}

/* ---- file ---- */

static char path[32];

static int make_path(void **state)
{
	int fd;

	(void)state;
	strcpy(path, "/tmp/weir-worker-XXXXXX");
	fd = mkstemp(path);
	if (fd < 0)
		return -1;
	close(fd);
	return 0;
}

static int remove_path(void **state)
{
	(void)state;
	return unlink(path);
}

static bool write_packet(FILE *out, const struct packet *p, uint32_t bytes)
{
	const uint32_t header[4] = { (uint32_t)(p->ts_ns / CLOCK_SECOND_NS),
				     (uint32_t)(p->ts_ns % CLOCK_SECOND_NS), p->caplen_bytes,
				     p->wire_bytes };

	return fwrite(header, sizeof(header), 1, out) == 1 &&
	       fwrite(p->frame, 1, bytes, out) == bytes;
}

/* What synth invents, as a pcap file with nanoseconds that breaks off inside packet `last`;
 * 0: it does not. */
static void write_synth(const struct settings *settings, const char *argument, uint64_t last)
{
	const uint32_t header[6] = { 0xa1b23c4d, 2 | 4 << 16, 0, 0, 1 << 18, LINK_ETHERNET };
	const struct rx_backend *synth = rx_backend_find("synth", 5);
	const struct rx_open how = { .settings = settings, .argument = argument, .workers = 1 };
	FILE *out = fopen(path, "wb");
	struct packet packet[BURST_PACKETS];
	struct rx_error err = { "" };
	struct rx_port *port;
	uint64_t number = 0;
	uint32_t count;

	assert_non_null(out);
	assert_int_equal(synth->open(&how, &port, &err), 0);
	assert_int_equal(fwrite(header, sizeof(header), 1, out), 1);
	while ((count = synth->pull(port, packet, BURST_PACKETS)) > 0) {
		for (uint32_t i = 0; i < count && (last == 0 || number < last); i++)
			assert_true(write_packet(out, &packet[i],
						 ++number == last ? packet[i].caplen_bytes / 2
								  : packet[i].caplen_bytes));
		synth->give_back(port);
	}
	synth->close(port);
	assert_int_equal(fclose(out), 0);
}

static void read_file(struct run *r)
{
	settings_for(r, NULL);
	strcpy(r->s.input, path);
	r->s.input_count = 1;
	r->s.input_bytes = (uint32_t)strlen(path) + 1;
	go(r);
}

static bool is_among(const struct run *r, const char *text)
{
	for (uint64_t i = 0; i < r->records; i++)
		if (strcmp(r->text[i], text) == 0)
			return true;
	return false;
}

static void a_file_gives_the_records_that_its_packets_gave_live(void **state)
{
	static const char argument[] = "pairs=500,connections=10,size=3000,disorder=0.1,loss=0.01";
	char rx[128];

	(void)state;
	snprintf(rx, sizeof(rx), "synth:%s", argument);
	settings_for(&other, rx);
	go(&other);
	write_synth(&other.s, argument, 0);
	read_file(&run);
	assert_int_equal(run.records, other.records);
	for (uint64_t i = 0; i < run.records; i++)
		assert_string_equal(run.text[i], other.text[i]);
	assert_int_equal(run.d.worker[0].end, RX_END);
	assert_int_equal(run.d.worker[0].region.header->port[0].offered, counted(&run, C_received));
	assert_int_equal(counted(&run, C_position_bytes), counted(&run, C_position_total_bytes));
	finish(&run);
	finish(&other);
}

static void a_damaged_file_is_read_up_to_the_damage(void **state)
{
	static const char argument[] = "pairs=200,connections=1";

	(void)state;
	settings_for(&other, "synth:pairs=200,connections=1");
	go(&other);
	write_synth(&other.s, argument, 301);
	read_file(&run);
	assert_int_equal(run.d.worker[0].end, RX_DAMAGED);
	assert_int_equal(counted(&run, C_received), 300);
	/* Three packets open the connection, an exchange takes two, the last of which is missing.
	 */
	assert_int_equal(run.outcome[OUTCOME_paired], 148);
	assert_int_equal(counted(&run, C_unanswered_capture_ended), 1);
	for (uint64_t i = 0; i < run.outcome[OUTCOME_paired]; i++)
		assert_true(is_among(&other, run.text[i]));
	finish(&run);
	finish(&other);
}

/* ---- refusals ---- */

static void assert_refused(struct run *r, int status)
{
	assert_int_equal(setup_dataplane(&r->d, &r->s), status);
	setup_undo(&r->d);
	assert_null(r->d.worker);
}

static void what_makes_no_sense_is_refused_before_the_first_packet(void **state)
{
	struct run *r = &run;

	(void)state;
	settings_for(r, "gopher");
	assert_refused(r, EXIT_SETTINGS);
	settings_for(r, "synth:pairs=0");
	assert_refused(r, EXIT_SETTINGS);
	settings_for(r, "synth:pairs=10");
	r->s.live = 1;
	assert_refused(r, EXIT_SETTINGS); /* what is invented does not arrive by itself */
	settings_for(r, "synth:pairs=10");
	strcpy(r->s.dissectors, "gopher");
	assert_refused(r, EXIT_SETTINGS);
	settings_for(r, "synth:pairs=10");
	strcpy(r->s.filter, "no such thing");
	assert_refused(r, EXIT_SETTINGS);
	settings_for(r, NULL);
	strcpy(r->s.input, "/nonexistent/capture.pcap");
	r->s.input_count = 1;
	r->s.input_bytes = sizeof("/nonexistent/capture.pcap");
	assert_refused(r, EXIT_SOURCE);
	settings_for(r, "synth:pairs=10");
	strcpy(r->s.rx[1], "gopher");
	r->s.rx_count = 2;
	r->s.workers = 3;
	assert_refused(r, EXIT_SETTINGS); /* with half of the first worker made */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_pair_of_a_clean_run_comes_out),
		cmocka_unit_test(no_pair_is_shifted_by_loss),
		cmocka_unit_test(any_number_of_workers_gives_the_same_records),
		cmocka_unit_test(ports_take_turns_and_both_are_read),
		cmocka_unit_test(a_source_that_is_only_opened_is_not_read),
		cmocka_unit_test(a_stop_ends_the_run_in_good_order),
		cmocka_unit_test(stopped_workers_of_a_file_end_at_the_same_packet),
		cmocka_unit_test(streams_tell_both_directions_of_every_connection),
		cmocka_unit_test(a_filter_keeps_out_what_it_does_not_select),
		cmocka_unit_test(each_cut_is_where_it_says),
		cmocka_unit_test_setup_teardown(a_file_gives_the_records_that_its_packets_gave_live,
						make_path, remove_path),
		cmocka_unit_test_setup_teardown(a_damaged_file_is_read_up_to_the_damage, make_path,
						remove_path),
		cmocka_unit_test(what_makes_no_sense_is_refused_before_the_first_packet),
	};

	log_open("test", LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
