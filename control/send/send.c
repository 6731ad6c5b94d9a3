#include "control/send/send.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#include "control/send/pace.h"
#include "dataplane/base/clock.h"
#include "dataplane/base/compiler.h"

static const struct tx_backend *const backends[] = {
#define TX_ENTRY(name) &tx_##name,
	TX_LIST(TX_ENTRY)
#undef TX_ENTRY
};

/* What a frame has beyond the MTU. */
enum { HEADER_BYTES = 14, TAG_BYTES = 4 };

struct sender {
	const struct send_plan *plan;
	struct send_report *report;
	struct wire wire;
	struct frames *frames;
	struct pace pace;
	const struct tx_backend *backend;
	struct tx *tx;
	uint64_t offered; /* frames: sent and dropped */
	uint64_t taken;   /* frames: what --count counts */
	bool over;        /* nothing more comes, or nothing more is taken */
	enum send_end end;
	struct send_error *err;
};

/* ---- signals ---- */

static volatile sig_atomic_t stop;

static void on_signal(int number)
{
	(void)number;
	stop = 1;
}

struct old_signals {
	struct sigaction interrupt, terminate;
};

/* Without SA_RESTART: whoever sleeps wakes up. */
static void signals_take(struct old_signals *ret)
{
	struct sigaction action = { .sa_handler = on_signal };

	stop = 0;
	(void)sigaction(SIGINT, &action, &ret->interrupt);
	(void)sigaction(SIGTERM, &action, &ret->terminate);
}

static void signals_give_back(const struct old_signals *old)
{
	(void)sigaction(SIGINT, &old->interrupt, NULL);
	(void)sigaction(SIGTERM, &old->terminate, NULL);
}

/* ---- the back end ---- */

static int refuse_unknown(const char *name, struct send_error *err)
{
	char names[64] = "auto";

	for (size_t i = 0; i < array_count(backends); i++) {
		strcat(names, ", ");
		strcat(names, backends[i]->name);
	}
	return send_refuse(err, -EINVAL, "there is no --tx %.40s; there are: %s", name, names);
}

static int open_backend(struct sender *s, const struct tx_backend *b, struct send_error *err)
{
	struct tx_open how = {
		.wire = &s->wire,
		.queue = s->plan->queue,
		.frame_bytes_max = s->wire.mtu_bytes + HEADER_BYTES + TAG_BYTES,
		.stop = &stop,
	};
	int code;

	if (s->plan->queue != TX_ANY_QUEUE && !b->has_queues)
		return send_refuse(err, -EINVAL,
				   "%s cannot choose a queue; use --tx af_xdp with --queue",
				   b->name);
	code = b->open(&how, &s->tx, err);
	if (code < 0)
		return code;
	s->backend = b;
	s->report->tx = b->name;
	s->report->mode = b->mode(s->tx);
	s->report->has_queue = b->has_queues;
	s->report->queue = s->plan->queue == TX_ANY_QUEUE ? 0 : s->plan->queue;
	return 0;
}

/* open_best - the first that can be opened. If none can, the reason of the last, which needs the
 * least, is the one to know. */
static int open_best(struct sender *s, struct send_error *fallback)
{
	int code = -ENOTSUP;

	for (size_t i = 0; i < array_count(backends) && code < 0; i++) {
		if (s->plan->queue != TX_ANY_QUEUE && !backends[i]->has_queues)
			continue;
		if (i > 0)
			*fallback = *s->err;
		code = open_backend(s, backends[i], s->err);
	}
	return code;
}

static int open_tx(struct sender *s, struct send_error *fallback)
{
	const char *name = s->plan->tx;

	if (strcmp(name, "auto") == 0)
		return open_best(s, fallback);
	for (size_t i = 0; i < array_count(backends); i++)
		if (strcmp(backends[i]->name, name) == 0)
			return open_backend(s, backends[i], s->err);
	return refuse_unknown(name, s->err);
}

/* ---- a batch ---- */

static void gone(struct sender *s, int code)
{
	s->over = true;
	s->end = SEND_FAILED;
	if (code == -ENETDOWN)
		send_refuse(s->err, code, "%s went down; bring it up with: ip link set %s up",
			    s->wire.name, s->wire.name);
	else
		send_refuse(s->err, code, "%s takes no more frames: %s", s->wire.name,
			    strerror(-code));
}

/* account - for the offered frames; the refused ones move to the front. Returns their number. */
static uint32_t account(struct sender *s, struct tx_frame *frame, const struct tx_result *result)
{
	uint32_t refused = 0;

	for (uint32_t i = 0; i < result->offered; i++) {
		if (result->refused >> i & 1) {
			frame[refused++] = frame[i];
			continue;
		}
		s->report->frames++;
		s->report->bytes += frame[i].length_bytes;
		s->report->cut += frame[i].is_cut;
	}
	return refused;
}

/* offer_again - until all are accepted, or nothing is any more. */
static void offer_again(struct sender *s, struct tx_frame *frame, uint32_t count)
{
	int code = 0;

	while (count > 0 && !stop && code == 0) {
		struct tx_result result;
		uint32_t left, refused;

		s->report->retries += count;
		(void)clock_nanosleep(CLOCK_MONOTONIC, 0,
				      &(struct timespec){ .tv_nsec = TX_NAP_NS }, NULL);
		code = s->backend->send(s->tx, frame, count, &result);
		refused = account(s, frame, &result);
		left = count - result.offered;
		memmove(frame + refused, frame + result.offered, left * sizeof(*frame));
		count = refused + left;
	}
	if (code < 0)
		gone(s, code);
	s->report->dropped += count;
}

static void offer(struct sender *s, struct tx_frame *frame, uint32_t count)
{
	struct tx_result result;
	int code = s->backend->send(s->tx, frame, count, &result);
	uint32_t refused = account(s, frame, &result);

	s->offered += result.offered;
	if (code < 0)
		gone(s, code);
	if (code == 0 && s->plan->retry)
		offer_again(s, frame, refused);
	else
		s->report->dropped += refused;
}

/* sendable - take out what the interface would never accept. Returns how many are left. */
static uint32_t sendable(struct sender *s, struct tx_frame *frame, uint32_t count)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < count; i++)
		if (likely(wire_takes(&s->wire, frame[i].bytes, frame[i].length_bytes)))
			frame[n++] = frame[i];
	s->report->unsendable += count - n;
	return n;
}

/* ---- the run ---- */

static bool goes_on(const struct sender *s)
{
	return !stop && !s->over && (s->plan->count == 0 || s->taken < s->plan->count);
}

/* source_dry - it gave nothing: was that all? */
static void source_dry(struct sender *s)
{
	enum frames_state state = frames_state(s->frames, s->err);

	s->over = state != FRAMES_OPEN;
	if (state == FRAMES_DAMAGED)
		s->end = SEND_DAMAGED;
	else if (state == FRAMES_FOREIGN || state == FRAMES_GONE)
		s->end = SEND_FAILED;
}

static void send_due(struct sender *s, uint64_t now_ns)
{
	uint64_t left = s->plan->count != 0 ? s->plan->count - s->taken : UINT64_MAX;
	uint32_t due = left < s->pace.batch ? (uint32_t)left : s->pace.batch, went = 0;

	while (went < due && goes_on(s)) {
		struct tx_frame frame[TX_BATCH_FRAMES];
		uint32_t room = due - went < TX_BATCH_FRAMES ? due - went : TX_BATCH_FRAMES;
		uint32_t n = frames_pull(s->frames, frame, room);

		if (n == 0) {
			source_dry(s);
			break;
		}
		went += n;
		s->taken += n;
		n = sendable(s, frame, n);
		if (n > 0)
			offer(s, frame, n);
	}
	pace_took(&s->pace, went, now_ns);
}

static void loop(struct sender *s)
{
	uint64_t start_ns = clock_monotonic_ns(), due_ns, now_ns;
	uint64_t end_ns = s->plan->duration_ns != 0 ? start_ns + s->plan->duration_ns : UINT64_MAX;

	pace_begin(&s->pace, s->plan->rate, start_ns);
	while (goes_on(s)) {
		due_ns = pace_due_ns(&s->pace);
		pace_wait(due_ns < end_ns ? due_ns : end_ns, &stop);
		now_ns = clock_monotonic_ns();
		if (now_ns >= end_ns)
			break;
		if (now_ns >= due_ns)
			send_due(s, now_ns);
	}
}

/* measure - A frame takes 1 / rate, also the last one: without its time ten frames, one each
 * second, would be 1.1 a second. */
static void measure(struct sender *s)
{
	struct send_report *r = s->report;
	uint64_t now_ns = clock_monotonic_ns(), end_ns = pace_end_ns(&s->pace);

	r->elapsed_ns = (now_ns > end_ns ? now_ns : end_ns) - s->pace.start_ns;
	if (r->elapsed_ns > 0)
		r->rate = (double)r->frames * (double)CLOCK_SECOND_NS / (double)r->elapsed_ns;
	r->is_numbered = frames_are_numbered(s->frames) && s->offered > 0;
	if (r->is_numbered)
		r->last_number = s->offered - 1;
}

static void run(struct sender *s)
{
	struct tx_left left;

	loop(s);
	s->backend->finish(s->tx, &left);
	s->report->frames -= left.frames;
	s->report->bytes -= left.bytes;
	s->report->dropped += left.frames;
	measure(s);
}

static int check_size(struct sender *s)
{
	uint32_t limit = s->wire.mtu_bytes + HEADER_BYTES;

	if (!frames_are_numbered(s->frames) || s->plan->frames.size_bytes <= limit)
		return 0;
	return send_refuse(s->err, -EINVAL,
			   "%s takes frames of up to %u bytes; choose a smaller --size, or raise "
			   "its MTU with: ip link set %s mtu %u",
			   s->wire.name, limit, s->wire.name,
			   s->plan->frames.size_bytes - HEADER_BYTES);
}

static enum send_end end_of(int code)
{
	return code == -EINVAL ? SEND_PLAN : SEND_FAILED;
}

enum send_end send_run(const struct send_plan *plan, struct send_report *ret,
		       struct send_error *fallback, struct send_error *err)
{
	struct sender s = { .plan = plan, .report = ret, .err = err };
	struct old_signals old;
	int code;

	*ret = (struct send_report){ .asked = plan->rate };
	fallback->text[0] = err->text[0] = '\0';
	signals_take(&old);
	/* Timers are otherwise as much as 50 us late on purpose. */
	(void)prctl(PR_SET_TIMERSLACK, 1UL);
	code = frames_open(&plan->frames, &s.frames, err);
	if (code < 0) {
		s.end = end_of(code);
		goto out_signals;
	}
	code = wire_find(plan->interface, &s.wire, err);
	if (code < 0) {
		s.end = SEND_FAILED;
		goto out_frames;
	}
	memcpy(ret->interface, s.wire.name, sizeof(ret->interface));
	code = check_size(&s);
	if (code == 0)
		code = open_tx(&s, fallback);
	if (code < 0) {
		s.end = end_of(code);
		goto out_frames;
	}
	run(&s);
	s.backend->close(s.tx);
out_frames:
	frames_close(s.frames);
out_signals:
	signals_give_back(&old);
	return s.end;
}
