/* Tries to break the argument of handoff.h with the workers running at once, as threads: every
 * packet reaches its owner once, whole, and in the order of whoever gave it; one who sleeps is
 * woken by its bell and not by its patience; at the end everybody leaves and nothing is in the
 * rings, also when packets were sent the wrong way and had to be sent on.
 */
#include "dataplane/flow/handoff.h"

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/base/clock.h"

enum {
	WORKERS = 3,
	PACKETS = 20000,
	FRAME = 120,
	RING = 4 << 20,
	PATIENCE_MS = 20000,
	RING_SMALL = 64 << 10
};

struct one {
	struct handoff handoff;
	struct counters counters;
	struct burst burst;
	uint8_t frame[BURST_PACKETS][FRAME];
	uint64_t last[WORKERS]; /* number of the last packet of each receiver */
	uint64_t mine, sent, slept_ms;
	bool good, ordered;
	pthread_t thread;
};

static struct {
	struct handoff_net *net;
	struct one worker[WORKERS];
} t;

static void make(struct one *w, uint32_t self)
{
	struct burst *b = &w->burst;
	uint32_t room = handoff_room(&w->handoff);

	b->count = 0;
	while (b->count < room && w->sent < PACKETS) {
		uint64_t number = ++w->sent * WORKERS + self;
		uint8_t *frame = w->frame[b->count];

		memset(frame, (int)number, FRAME);
		b->packet[b->count++] = (struct packet){ .frame = frame,
							 .payload = frame + 8,
							 .payload_captured_bytes = FRAME - 8,
							 .number = number,
							 .caplen_bytes = FRAME,
							 .wire_bytes = FRAME,
							 .home = (uint8_t)(number / 7 % WORKERS) };
	}
}

static void see(struct one *w, uint32_t self, const struct packet *p)
{
	uint32_t by = (uint32_t)(p->number % WORKERS);

	w->mine++;
	w->good = w->good && p->home == self && p->payload == p->frame + 8;
	for (uint32_t i = 0; i < FRAME; i++)
		w->good = w->good && p->frame[i] == (uint8_t)p->number;
	if (w->ordered)
		w->good = w->good && p->number > w->last[by];
	w->last[by] = p->number;
}

static uint32_t turn(struct one *w, uint32_t self)
{
	uint32_t handed = handoff_pull(&w->handoff, &w->burst);

	handoff_burst(&w->handoff, &w->burst);
	for (uint32_t i = 0; i < w->burst.count; i++)
		see(w, self, &w->burst.packet[i]);
	handoff_release(&w->handoff);
	return handed;
}

static void sleep_until_rung(struct one *w)
{
	uint64_t begun_ns = clock_monotonic_ns();
	struct pollfd p = { .events = POLLIN };

	if (handoff_may_sleep(&w->handoff, &p.fd))
		poll(&p, 1, PATIENCE_MS);
	handoff_awake(&w->handoff);
	w->slept_ms += (clock_monotonic_ns() - begun_ns) / 1000000;
}

static void rest(struct one *w, uint32_t self, bool drained)
{
	bool reached;
	uint32_t handed;

	do {
		reached = drained ? handoff_drained(&w->handoff) : handoff_all_ended(&w->handoff);
		w->burst.count = 0;
		handed = turn(w, self);
	} while (!reached || handed > 0);
}

static void *work(void *arg)
{
	struct one *w = arg;
	uint32_t self = w->handoff.settings.worker;

	while (w->sent < PACKETS) {
		make(w, self);
		turn(w, self);
	}
	handoff_sources_ended(&w->handoff);
	rest(w, self, false);
	handoff_close(&w->handoff);
	rest(w, self, true);
	return NULL;
}

static void run(uint64_t force_one_in, uint64_t ring_bytes)
{
	uint64_t mine = 0, in = 0, out = 0, full = 0, sent = 0;

	assert_int_equal(handoff_net_make(&t.net, WORKERS, ring_bytes), 0);
	for (uint32_t i = 0; i < WORKERS; i++) {
		struct handoff_settings s = { .worker = i,
					      .workers = WORKERS,
					      .force_one_in = force_one_in };
		struct one *w = &t.worker[i];

		*w = (struct one){ .good = true, .ordered = force_one_in == 0 };
		handoff_init(&w->handoff, &s, t.net, &w->counters);
	}
	for (uint32_t i = 0; i < WORKERS; i++)
		assert_int_equal(pthread_create(&t.worker[i].thread, NULL, work, &t.worker[i]), 0);
	for (uint32_t i = 0; i < WORKERS; i++) {
		struct one *w = &t.worker[i];

		assert_int_equal(pthread_join(w->thread, NULL), 0);
		assert_true(w->good);
		assert_int_equal(handoff_waiting(&w->handoff), 0);
		mine += w->mine;
		sent += w->sent;
		in += w->counters.value[C_handed_in];
		out += w->counters.value[C_handed_out];
		full += w->counters.value[C_handoff_full];
	}
	assert_int_equal(in, out);
	assert_true(out > PACKETS / 20);
	assert_int_equal(mine + full, sent);
	handoff_net_free(t.net);
}

static void every_packet_reaches_its_owner_once_and_in_order(void **state)
{
	(void)state;
	run(0, RING);
}

static void what_was_sent_the_wrong_way_arrives_too(void **state)
{
	(void)state;
	run(2, RING);
}

/* What has been read is written over again and again: not before it was read. */
static void small_rings_go_round_and_what_finds_no_room_is_counted(void **state)
{
	(void)state;
	run(0, RING_SMALL);
	run(2, RING_SMALL);
}

/* One gives a packet at a time to one who sleeps; each must be noticed by the bell. */
static void *give_one_by_one(void *arg)
{
	struct one *w = arg;

	for (uint64_t n = 0; n < 2000; n++) {
		w->burst.count = 1;
		memset(w->frame[0], (int)n, FRAME);
		w->burst.packet[0] = (struct packet){ .frame = w->frame[0],
						      .payload = w->frame[0] + 8,
						      .number = n,
						      .caplen_bytes = FRAME,
						      .home = 1 };
		handoff_burst(&w->handoff, &w->burst);
		handoff_release(&w->handoff);
		if (n % 3 == 0)
			sched_yield();
	}
	return NULL;
}

static void nobody_who_sleeps_is_forgotten(void **state)
{
	(void)state;
	struct one *giver = &t.worker[0], *taker = &t.worker[1];
	struct handoff_settings s = { .workers = 2 };
	uint64_t taken = 0;

	assert_int_equal(handoff_net_make(&t.net, 2, 1 << 20), 0);
	handoff_init(&giver->handoff, &s, t.net, &giver->counters);
	s.worker = 1;
	handoff_init(&taker->handoff, &s, t.net, &taker->counters);
	taker->slept_ms = 0;
	assert_int_equal(pthread_create(&giver->thread, NULL, give_one_by_one, giver), 0);
	while (taken < 2000) {
		uint32_t n;

		taker->burst.count = 0;
		n = handoff_pull(&taker->handoff, &taker->burst);
		handoff_burst(&taker->handoff, &taker->burst);
		handoff_release(&taker->handoff);
		taken += n;
		if (n == 0)
			sleep_until_rung(taker);
	}
	assert_int_equal(pthread_join(giver->thread, NULL), 0);
	assert_true(taker->slept_ms < PATIENCE_MS);
	handoff_net_free(t.net);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_packet_reaches_its_owner_once_and_in_order),
		cmocka_unit_test(what_was_sent_the_wrong_way_arrives_too),
		cmocka_unit_test(small_rings_go_round_and_what_finds_no_room_is_counted),
		cmocka_unit_test(nobody_who_sleeps_is_forgotten),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
