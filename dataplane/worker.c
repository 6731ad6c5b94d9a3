/* worker - one core, the stages in order. Start reading at worker_turn(). */
#include "dataplane/worker.h"

#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "dataplane/base/ballast.h"
#include "dataplane/base/cpu.h"
#include "dataplane/base/log.h"

#define PUBLISH_EVERY_NS (10 * UINT64_C(1000000))
#define QUIET_LAG_NS     (600 * UINT64_C(1000000)) /* no source keeps packets back for longer */
#define REST_MAX_NS      (5 * CLOCK_SECOND_NS) /* a source that does not end after its stop is left */
#define OTHERS_MAX_NS    (2 * REST_MAX_NS)
#define OPEN_NAP_NS      (50 * UINT64_C(1000000))
#define HANDOFF_LAG_NS   (250 * UINT64_C(1000000))
enum { IDLE_MS = 100 };

/* ---- rx ---- */

/* refill - ask every port of which nothing is left. */
static void refill(struct ports *rx)
{
	for (uint32_t i = 0; i < rx->count; i++) {
		struct pulled *p = &rx->pulled[i];

		if (p->at < p->count)
			continue;
		p->at = 0;
		p->count =
			rx_port_backend(rx->port[i])->pull(rx->port[i], p->packet, BURST_PACKETS);
		p->borrowed = true;
	}
}

/* earliest - the port whose next packet is the oldest; NULL: there is none. */
static struct pulled *earliest(struct ports *rx)
{
	struct pulled *first = NULL;

	for (uint32_t i = 0; i < rx->count; i++) {
		struct pulled *p = &rx->pulled[i];

		if (p->at < p->count &&
		    (first == NULL || p->packet[p->at].ts_ns < first->packet[first->at].ts_ns))
			first = p;
	}
	return first;
}

/* A port that has run out ends the burst: what it has next may be older than what the others have.
 */
static void merge(struct ports *rx, struct burst *b, uint32_t room)
{
	struct pulled *p;

	refill(rx);
	while (b->count < room && (p = earliest(rx)) != NULL) {
		b->packet[b->count++] = p->packet[p->at++];
		if (p->at == p->count)
			return;
	}
}

static void ports_pull(struct ports *rx, struct burst *b, uint64_t at_most, uint32_t room)
{
	if (at_most < room)
		room = (uint32_t)at_most;

	b->count = 0;
	if (likely(rx->count == 1))
		b->count = rx_port_backend(rx->port[0])->pull(rx->port[0], b->packet, room);
	else
		merge(rx, b, room);
}

static void rx_give_back(struct ports *rx)
{
	if (likely(rx->count == 1)) {
		rx_port_backend(rx->port[0])->give_back(rx->port[0]);
		return;
	}
	for (uint32_t i = 0; i < rx->count; i++) {
		struct pulled *p = &rx->pulled[i];

		if (!p->borrowed || p->at < p->count)
			continue;
		rx_port_backend(rx->port[i])->give_back(rx->port[i]);
		p->borrowed = false;
	}
}

/* Every worker sees every packet's time, so timers do not depend on how flows are shared out. For
 * who only follows the others time stands still: nothing is late because packets are cut. */
static void note_time(struct worker *w, struct packet *packet, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		struct packet *p = &packet[i];
		uint32_t epoch = w->clock.epoch;

		p->epoch = likely(!w->follows) ? clock_see(&w->clock, p->ts_ns) : epoch;
		p->now_ns = w->clock.now_ns;
		if (unlikely(p->epoch != epoch && w->number == 0))
			count(&w->counters, clock_set);
	}
}

static void rx_pull(struct worker *w, struct burst *b)
{
	ports_pull(&w->rx, b, w->packets_left, handoff_room(&w->handoff));
	BALLAST(rx, b->count);
	for (uint32_t i = 0; i < b->count; i++)
		b->packet[i].handed = b->packet[i].raw = b->packet[i].datagram = false;
	note_time(w, b->packet, b->count);
	if (unlikely(w->together != NULL))
		together_walked(w->together, w->number, b->count);
}

void worker_expect_lag(struct worker *w)
{
	if (w->expects_lag)
		return;
	w->expects_lag = true;
	w->reassembly.settings.gap_wait_ns += HANDOFF_LAG_NS;
	w->host.settings.gap_wait_ns += HANDOFF_LAG_NS;
	w->reassembly.settings.starts_late = true;
	w->reassembly.certain_ns = w->clock.now_ns;
}

/* What others have received: their time stamps, this worker's clock. */
static uint32_t handed_pull(struct worker *w, struct burst *b)
{
	uint32_t before = b->count, n = handoff_pull(&w->handoff, b);

	if (unlikely(n > 0))
		worker_expect_lag(w);
	note_time(w, b->packet + before, b->count - before);
	note_time(w, w->handoff.in_packet, w->handoff.taken_count);
	return n;
}

/* ---- until ---- */

static void cut_packets(struct worker *w, const struct packet *packet, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		if (!w->live && packet[i].number % w->workers != w->number)
			continue;
		count(&w->counters, received);
		count_by(&w->counters, received_bytes, packet[i].caplen_bytes);
		count(&w->counters, cut_rx);
	}
}

static void cut_after_rx(struct worker *w, struct burst *b)
{
	cut_packets(w, b->packet, b->count);
	b->count = 0;
}

static void cut_after(struct worker *w, struct burst *b, enum stage stage, enum counter counter)
{
	if (likely(w->until != stage))
		return;
	w->counters.value[counter] += b->count;
	b->count = 0;
}

/* What a stopped worker of a file walks past, once it is known to be its own. */
static void cut_on_the_way(struct worker *w, struct burst *b)
{
	if (likely(!w->follows))
		return;
	w->counters.value[C_cut_rx] += b->count;
	b->count = 0;
}

/* ---- a turn ---- */

static void reassemble(struct worker *w, struct burst *b)
{
	uint64_t end_ns = w->clock.now_ns;

	count_by(&w->counters, to_flow, b->count);
	for (uint32_t i = 0; i < b->count; i++) {
		w->clock.now_ns = b->packet[i].now_ns;
		reassembly_packet(&w->reassembly, &b->packet[i]);
	}
	w->clock.now_ns = end_ns;
}

/* Returns what was pulled from the sources; what came from other workers is beside it in
 * `*ret_handed`. */
static uint32_t worker_turn(struct worker *w, uint32_t *ret_handed)
{
	struct burst *b = &w->burst;
	uint32_t pulled;

	stage_switch(&w->timer, STAGE_rx);
	rx_pull(w, b); /* frames in */
	pulled = b->count;
	if (unlikely(w->until == STAGE_rx))
		cut_after_rx(w, b);
	filter_burst(&w->filter, b);     /* what the user did not ask for is out */
	*ret_handed = handed_pull(w, b); /* what other workers have received for this one */
	stage_switch(&w->timer, STAGE_decode);
	decode_burst(&w->decode, b); /* headers found, offsets noted */
	cut_after(w, b, STAGE_decode, C_cut_decode);
	handoff_burst(&w->handoff, b); /* what others own is theirs */
	if (unlikely(w->handoff.net != NULL))
		decode_copies(&w->decode, b);
	cut_on_the_way(w, b);
	stage_switch(&w->timer, STAGE_flow);
	flow_burst(&w->flow, b); /* each packet has a flow; nothing is freed */
	cut_after(w, b, STAGE_flow, C_cut_flow);
	stage_switch(&w->timer, STAGE_reassembly);
	reassemble(w, b); /* in order -> sink -> messages -> pairs -> ring */
	stage_switch(&w->timer, STAGE_flow);
	flow_release(&w->flow); /* flows that ended by time go now */
	stage_switch(&w->timer, STAGE_emit);
	emit_publish(&w->emit); /* one release store */
	stage_switch(&w->timer, STAGE_rx);
	handoff_release(&w->handoff);
	rx_give_back(&w->rx); /* every frame returns to its back end */
	return pulled;
}

/* ---- chores ---- */

static void time_this_turn(struct worker *w)
{
	w->timer.on = w->turn % STAGE_TIMED_ONE_IN == 0;
	w->timer.since = w->timer.on ? clock_cycles() : 0;
}

static void sum_up_turn(struct worker *w, uint32_t pulled)
{
	w->turn++;
	count(&w->counters, turns);
	if (likely(!w->timer.on))
		return;
	stage_switch(&w->timer, STAGE_rx);
	count_by(&w->counters, timed_packets, pulled);
	for (int s = STAGE_rx; s <= STAGE_emit; s++)
		w->counters.value[C_cycles_rx + s - STAGE_rx] = w->timer.cycles[s];
}

static void publish_port(struct region_port *to, const struct rx_counters *c)
{
	atomic_store_explicit(&to->offered, c->offered, memory_order_relaxed);
	atomic_store_explicit(&to->received, c->received, memory_order_relaxed);
	atomic_store_explicit(&to->refused, c->refused, memory_order_relaxed);
	atomic_store_explicit(&to->shunted, c->shunted, memory_order_relaxed);
	atomic_store_explicit(&to->in_flight, c->in_flight, memory_order_relaxed);
	for (int k = 0; k < RX_LOST_COUNT; k++)
		atomic_store_explicit(&to->lost[k], c->lost[k], memory_order_relaxed);
}

static void publish_ports(struct worker *w)
{
	uint64_t position = 0, total = 0;

	for (uint32_t i = 0; i < w->rx.count; i++) {
		struct rx_counters c = { 0 };

		rx_port_backend(w->rx.port[i])->counters(w->rx.port[i], &c);
		publish_port(w->rx.published[i], &c);
		position += c.position_bytes;
		total += c.position_total_bytes;
	}
	gauge_set(&w->counters, position_bytes, position);
	gauge_set(&w->counters, position_total_bytes, total);
}

static void publish(struct worker *w)
{
	struct counters *c = &w->counters;

	gauge_set(c, payload_held, w->reassembly.held_bytes);
	gauge_set(c, requests_open, w->pair.open_requests);
	gauge_set(c, responses_open, w->pair.open_responses);
	gauge_set(c, handoff_in_flight, handoff_waiting(&w->handoff));
	gauge_set(c, flows_live, w->flow.age[FLOW_LIVE].count + w->flow.age[FLOW_HALF_OPEN].count);
	if (w->number == 0)
		gauge_set(c, heap_bytes, arena_process_bytes());
	publish_ports(w);
	counters_publish(w->region.counters, c);
}

static void publish_when_due(struct worker *w)
{
	uint64_t now = clock_monotonic_ns();

	if (now < w->publish_ns)
		return;
	w->publish_ns = now + PUBLISH_EVERY_NS;
	publish(w);
	if (w->expects_lag)
		w->reassembly.certain_ns = handoff_certain(&w->handoff, now, w->clock.now_ns);
}

/* A port that has nothing now may be at its end. w->end becomes the gravest state of all. */
static bool all_ports_ended(struct worker *w)
{
	bool all = true;

	for (uint32_t i = 0; i < w->rx.count; i++) {
		struct rx_port *p = w->rx.port[i];
		enum rx_state s = rx_port_backend(p)->state(p, NULL);

		all = all && s != RX_OPEN;
		w->end = s > w->end ? s : w->end;
	}
	return all;
}

/* One port that is gone ends a live capture: half of every connection would be no capture. */
static bool sources_ended(struct worker *w)
{
	return all_ports_ended(w) || (w->live && w->end == RX_GONE);
}

static bool stop_asked(const struct worker *w)
{
	return atomic_load_explicit(&w->door->stop, memory_order_relaxed);
}

/* Every worker of a file has read the same: the first speaks for all. Of a live source the one does
 * that found its end, for the others are only told to stop. */
static bool speaks_for_all(struct worker *w)
{
	if (!w->live)
		return w->number == 0 && !stop_asked(w);
	return w->end > RX_END &&
	       !atomic_exchange_explicit(&w->door->told, true, memory_order_relaxed);
}

/* Before control can know that the run is over, so that its table comes last. */
static void report_sources(struct worker *w)
{
	bool speaks = speaks_for_all(w);

	for (uint32_t i = 0; i < w->rx.count && speaks; i++) {
		struct rx_error err = { "" };
		struct rx_port *p = w->rx.port[i];

		if (rx_port_backend(p)->state(p, &err) > RX_END)
			log_error("%s", err.text);
	}
}

/* ---- waiting ---- */

static void sleep_until_woken(struct worker *w)
{
	struct pollfd fd[SETTINGS_RX_MAX + 1];
	nfds_t n = 0;
	int bell_fd;

	for (uint32_t i = 0; i < w->rx.count; i++) {
		const struct rx_backend *b = rx_port_backend(w->rx.port[i]);
		int wait_fd = b->wait_fd == NULL ? -1 : b->wait_fd(w->rx.port[i]);

		if (wait_fd >= 0)
			fd[n++] = (struct pollfd){ .fd = wait_fd, .events = POLLIN };
	}
	if (!handoff_may_sleep(&w->handoff, &bell_fd)) {
		handoff_awake(&w->handoff);
		return;
	}
	if (bell_fd >= 0)
		fd[n++] = (struct pollfd){ .fd = bell_fd, .events = POLLIN };
	poll(fd, n, IDLE_MS);
	handoff_awake(&w->handoff);
}

static void nap_for(uint64_t ns)
{
	struct timespec t = { .tv_nsec = (long)ns };

	clock_nanosleep(CLOCK_MONOTONIC, 0, &t,
			NULL); /* a signal ends it early, which is as well */
}

/* A quiet source's clock goes on, and what was to happen by time happens: a request is not open for
 * ever because nobody speaks any more. It stays behind, so that packets still on their way in are
 * not late. */
static void let_time_pass(struct worker *w, uint64_t now_ns)
{
	uint64_t at_ns;
	uint32_t epoch;

	if (!w->clock.started)
		return;
	if (w->quiet_ns == 0) {
		w->quiet_ns = now_ns;
		w->quiet_from_ns = w->clock.last_ns;
	}
	at_ns = w->quiet_from_ns + (now_ns - w->quiet_ns);
	if (at_ns < w->clock.last_ns + QUIET_LAG_NS)
		return;
	epoch = w->clock.epoch;
	if (clock_see(&w->clock, at_ns - QUIET_LAG_NS) != epoch && w->number == 0)
		count(&w->counters, clock_set);
	if (w->reassembly.due_ns <= w->clock.now_ns)
		reassembly_timers(&w->reassembly);
}

/* Nothing has come. Only live sources and pipes get here. */
static void wait_for_packets(struct worker *w)
{
	uint64_t now_ns = clock_monotonic_ns();
	uint64_t nap = nap_ns(&w->nap, now_ns);

	if (w->live && now_ns - w->nap.busy_ns > NAP_QUIET_NS)
		let_time_pass(w, now_ns);
	if (w->spin)
		return;
	if (nap == 0)
		sleep_until_woken(w);
	else
		nap_for(nap);
}

static void found_nothing(struct worker *w, uint64_t begun_ns)
{
	handoff_found_nothing(&w->handoff, begun_ns);
	wait_for_packets(w);
}

/* ---- a run ---- */

static void note_pulled(struct worker *w, uint32_t pulled, uint32_t handed)
{
	nap_saw(&w->nap, pulled + handed);
	w->quiet_ns = 0;
	if (w->packets_left != UINT64_MAX)
		w->packets_left -= pulled;
}

/* work - take turns until the sources end, --count is reached, or the stop is asked for. */
static void work(struct worker *w)
{
	while (!stop_asked(w) && w->packets_left > 0) {
		uint64_t begun_ns = w->handoff.net != NULL ? clock_monotonic_ns() : 0;
		uint32_t pulled, handed;

		time_this_turn(w);
		pulled = worker_turn(w, &handed);
		sum_up_turn(w, pulled + handed);
		publish_when_due(w);
		if (likely(pulled + handed > 0))
			note_pulled(w, pulled, handed);
		else if (sources_ended(w))
			return;
		else
			found_nothing(w, begun_ns);
	}
}

/* keep_open - --until open: what a live source costs when nobody takes anything from it. */
static void keep_open(struct worker *w)
{
	while (w->live && !stop_asked(w) && !sources_ended(w)) {
		count(&w->counters, turns);
		publish_when_due(w);
		nap_for(OPEN_NAP_NS);
	}
}

static void stop_ports(struct worker *w)
{
	for (uint32_t i = 0; i < w->rx.count; i++) {
		const struct rx_backend *b = rx_port_backend(w->rx.port[i]);

		if (b->stop != NULL)
			b->stop(w->rx.port[i]);
	}
}

/* What --count or a stop has left of the packets pulled from several ports. */
static void cut_pulled(struct worker *w)
{
	for (uint32_t i = 0; i < w->rx.count; i++) {
		struct pulled *p = &w->rx.pulled[i];

		cut_packets(w, p->packet + p->at, p->count - p->at);
		p->at = p->count;
	}
	rx_give_back(&w->rx);
}

/* To the packet at which the one that is furthest was. Without a stop that is the end of the input
 * or of --count, and there everybody comes by himself. */
static void follow_the_others(struct worker *w)
{
	bool final = false;

	if (w->together == NULL)
		return;
	together_ended(w->together, w->number);
	w->follows = stop_asked(w);
	w->timer.on = false;
	while (w->follows && !final) {
		uint32_t handed;

		w->packets_left = together_left(w->together, w->number, &final);
		if (w->packets_left == 0 && !final)
			nap_for(NAP_MIN_NS);
		if (w->packets_left > 0 && worker_turn(w, &handed) == 0 && all_ports_ended(w))
			break;
		final = final && w->packets_left == 0;
		publish_when_due(w);
	}
	w->packets_left = 0;
}

/* A live source has packets under way when it is stopped. They were offered, so they are taken:
 * with --count or --until open they are cut, and counted so. */
static void take_the_rest(struct worker *w)
{
	uint64_t begun_ns = clock_monotonic_ns();

	if (!w->live) {
		follow_the_others(w);
		cut_pulled(w);
		return;
	}
	stop_ports(w);
	if (w->packets_left == 0 || w->until == STAGE_open)
		w->until = STAGE_rx;
	w->packets_left = UINT64_MAX;
	w->timer.on = false;
	while (clock_monotonic_ns() - begun_ns < REST_MAX_NS) {
		uint32_t handed, pulled = worker_turn(w, &handed);

		publish_when_due(w);
		if (pulled == 0 && all_ports_ended(w))
			return;
		if (pulled == 0)
			nap_for(NAP_MAX_NS);
	}
	log_warn("a source does not end although it was stopped; what is under way in it is left");
}

/* Turns, with nothing new from the sources, until the others are as far. False: they are not. */
static bool take_handed_until(struct worker *w, bool drained)
{
	uint64_t begun_ns = clock_monotonic_ns();

	w->packets_left = 0;
	while (clock_monotonic_ns() - begun_ns < OTHERS_MAX_NS) {
		/* Asked before the turn: what was given before it is there. */
		bool reached = drained ? handoff_drained(&w->handoff)
				       : handoff_all_ended(&w->handoff);
		uint32_t handed;

		(void)worker_turn(w, &handed);
		publish_when_due(w);
		if (reached && handed == 0)
			return true;
		if (handed == 0)
			nap_for(NAP_MIN_NS);
	}
	return false;
}

/* The last packets for other workers and from them (flow/handoff.h says why nobody waits for ever).
 */
static void part_from_others(struct worker *w)
{
	bool in_time = true;

	w->timer.on = false;
	handoff_sources_ended(&w->handoff);
	if (w->live)
		in_time = take_handed_until(w, false);
	handoff_close(&w->handoff);
	if (!w->live)
		handoff_cut(&w->handoff);
	else if (!in_time || !take_handed_until(w, true))
		log_warn(
			"another worker does not end although it was stopped; what it has for this "
			"one is left");
}

/* Every worker has seen the time of the last packet, whoever's it was: what was due by then
 * happens, also where no packet of its own has come since. */
static void let_time_catch_up(struct worker *w)
{
	w->reassembly.certain_ns = UINT64_MAX;
	if (w->reassembly.due_ns <= w->clock.now_ns)
		reassembly_timers(&w->reassembly);
}

/* The name is what `top -H` shows. */
static void settle(const struct worker *w)
{
	char name[16];
	int err;

	(void)snprintf(name, sizeof(name), "weir-w%u", w->number);
	(void)prctl(PR_SET_NAME, name);
	err = w->is_pinned ? cpu_pin(w->core) : 0;
	if (err < 0)
		log_warn("worker %u runs where it likes: processor %u: %s", w->number, w->core,
			 strerror(-err));
}

void *worker_run(void *worker)
{
	struct worker *w = worker;
	uint64_t one = 1;

	settle(w);
	pthread_barrier_wait(
		w->start); /* it has its processor and name: the sandbox allows neither */
	pthread_barrier_wait(w->start);
	if (unlikely(w->until == STAGE_open))
		keep_open(w);
	else
		work(w);
	atomic_store_explicit(&w->door->ending, true, memory_order_relaxed);
	take_the_rest(w);
	part_from_others(w);
	let_time_catch_up(w);
	flow_close_all(&w->flow, WHY_capture_ended);
	report_sources(w);
	publish(w);
	ring_close(&w->region.ring);
	atomic_store_explicit(&w->region.header->state, REGION_FINISHED, memory_order_release);
	if (write(w->done_fd, &one, sizeof(one)) < 0)
		return w;
	return NULL;
}
