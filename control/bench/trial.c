/* trial - one run of one cell: a load, a receiver, and what both and the machine say of it. */
#include "control/bench/trial.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/bench/child.h"
#include "control/bench/hold.h"
#include "control/bench/place.h"
#include "control/bench/run.h"
#include "control/bench/told.h"
#include "control/bench/watch.h"
#include "control/weir/locate.h"
#include "dataplane/base/compiler.h"
#include "dataplane/rx/rx.h"
#include "dataplane/shm/settings.h"

/* In seconds. */
#define READY_S  20.0 /* DPDK takes some until it has seen its devices */
#define FLOW_S   5.0  /* from the start of a load to its first packets */
#define SETTLE_S 0.3  /* of a load that has begun: queues, caches, sleeping times */
#define TAIL_S   0.3  /* that it goes on after the measured time, if all is in time */
#define CALLS_S  0.25 /* in which system calls are counted */
#define BEFORE_S 0.15 /* in which it is looked who else is at work */
#define REST_S   2.0  /* for the last packets to arrive, at most */
#define END_S    15.0 /* for a receiver to close its books */
#define LATE_S   20.0 /* for a load to end after its time */
#define ASK_S    1.0  /* for a capture to answer */
#define SAMPLE_S 1.0  /* from one look at the receiver to the next */
#define CALM     0.03 /* cores; the machine's own housekeeping is 0.01 */
#define FLOWING  20   /* packets by which a load is seen to be under way */

enum { WORD_BYTES = 256, PATH_BYTES = 128, LINE_BYTES = 400 };

/* A trial under way. */
struct trial {
	struct place *place;
	const struct trial_load *load;
	const struct trial_receiver *receiver;
	struct trial_outcome *outcome;
	struct trial_error *err;
	struct child load_child, receiver_child;
	char name[32], ledger[PATH_BYTES];
	struct watch_state state; /* of the capture, when it was asked last */
	double cpu_before_s, packets_before, first, last, told_offered;
	double middle_s, middle_pairs, middle_pss_bytes; /* of the measured time */
	uint32_t seconds_seen, seconds_beating;
};

/* ---- the receiver ---- */

static void spin(void *user)
{
	(void)user;
	for (;;)
		__asm__ volatile("");
}

/* weir_path - this weir, or the one that is asked for. */
static void weir_path(const struct trial_receiver *r, char ret[PATH_MAX + 8])
{
	static char here[PATH_MAX];
	struct locate where;

	if (r != NULL && r->executable != NULL) {
		(void)snprintf(ret, PATH_MAX, "%s", r->executable);
		return;
	}
	locate_here(&where, here, sizeof(here));
	(void)snprintf(ret, PATH_MAX + 8, "%s/weir",
		       where.executable_dir != NULL ? where.executable_dir : ".");
}

/* fill_in - {iface} in a word becomes the interface. */
static void fill_in(const char *word, const char *interface, char ret[WORD_BYTES])
{
	static const char mark[] = "{iface}";
	const char *at = strstr(word, mark);

	if (at == NULL)
		(void)snprintf(ret, WORD_BYTES, "%s", word);
	else
		(void)snprintf(ret, WORD_BYTES, "%.*s%s%s", (int)(at - word), word, interface,
			       at + sizeof(mark) - 1);
}

static bool has_word(const struct trial_receiver *r, const char *option)
{
	size_t bytes = strlen(option);

	for (size_t i = 0; i < TRIAL_WORDS_MAX && r->word[i] != NULL; i++)
		if (strncmp(r->word[i], option, bytes) == 0 &&
		    (r->word[i][bytes] == '\0' || r->word[i][bytes] == '='))
			return true;
	return false;
}

static int start_weir(struct trial *t)
{
	static char word[TRIAL_WORDS_MAX][WORD_BYTES], path[PATH_MAX + 8];
	const char *words[CHILD_WORDS_MAX + 1] = { NULL };
	const struct trial_receiver *r = t->receiver;
	char interval[32];
	size_t n = 0;
	struct child_how how = { .lab = t->place->lab[0] != '\0' ? t->place->lab : NULL,
				 .host = LAB_TAP,
				 .cores = &t->place->receive_cores,
				 .word = words,
				 .log_path = r->log_path,
				 .death_signal = SIGTERM };

	weir_path(r, path);
	words[n++] = path;
	words[n++] = "capture";
	words[n++] = "--name";
	words[n++] = t->name;
	words[n++] = "--ledger";
	words[n++] = t->ledger;
	if (!has_word(r, "--output")) {
		words[n++] = "--output";
		words[n++] = "/dev/null";
	}
	if (r->stats_interval_s > 0) {
		(void)snprintf(interval, sizeof(interval), "%.0fms", r->stats_interval_s * 1e3);
		words[n++] = "--stats-interval";
		words[n++] = interval;
	}
	for (size_t i = 0; i < TRIAL_WORDS_MAX && r->word[i] != NULL; i++) {
		fill_in(r->word[i], t->place->interface, word[i]);
		words[n++] = word[i];
	}
	return child_start(&t->receiver_child, &how);
}

static int refuse_receiver(struct trial *t, const char *what)
{
	char line[LINE_BYTES];

	child_line(&t->receiver_child, line, sizeof(line));
	return trial_refuse(t->err, -EIO, "%s: %s: %s", t->receiver->name, what,
			    line[0] != '\0' ? line : "it says nothing");
}

/* is_turning - all its workers have come round at least once. */
static bool is_turning(const struct watch_state *s)
{
	for (uint32_t i = 0; i < s->workers; i++)
		if (!(s->turn[i] > 0))
			return false;
	return true;
}

static int wait_ready(struct trial *t)
{
	double end_s = hold_now_s() + READY_S;

	while (hold_now_s() < end_s) {
		if (child_ended(&t->receiver_child))
			return refuse_receiver(t, "it has ended before there was anything to "
						  "receive");
		if (watch_ask(t->name, ASK_S, &t->state) == 0 && is_turning(&t->state))
			return 0;
		if (!hold_wait(0.01))
			return -EINTR;
	}
	return refuse_receiver(t, "it does not become ready");
}

static int start_receiver(struct trial *t)
{
	struct child_how idle = { .cores = &t->place->receive_cores, .function = spin };
	int err;

	if (t->receiver->kind == RECEIVER_NONE)
		return 0;
	err = t->receiver->kind == RECEIVER_SPIN ? child_start(&t->receiver_child, &idle)
						 : start_weir(t);
	if (err < 0)
		return trial_refuse(t->err, err, "%s cannot be started: %s", t->receiver->name,
				    strerror(-err));
	return t->receiver->kind == RECEIVER_WEIR ? wait_ready(t) : 0;
}

/* ---- the load ---- */

/* whole_s - how long a load has to last, so that everything has its time in it. */
static double whole_s(const struct trial_load *l)
{
	return l->seconds + SETTLE_S + CALLS_S + TAIL_S;
}

static int start_words(struct trial *t, enum lab_host host, const char *const *words)
{
	struct child_how how = { .lab = t->place->lab[0] != '\0' ? t->place->lab : NULL,
				 .host = host,
				 .cores = &t->place->load_core,
				 .word = words };

	return child_start(&t->load_child, &how);
}

static int start_frames(struct trial *t)
{
	static char path[PATH_MAX + 8];
	const struct trial_load *l = t->load;
	char size[16], flows[16], rate[32], duration[32];
	const char *words[] = { path,     "send", "--iface", "mirror0", "--json",
				"--size", size,   "--flows", flows,     "--duration",
				duration, NULL,   rate,      NULL };

	if (t->place->lab[0] == '\0')
		return trial_refuse(t->err, -EINVAL,
				    "numbered frames are sent in the lab only: leave --iface out");
	weir_path(NULL, path);
	(void)snprintf(size, sizeof(size), "%" PRIu32, l->frame_bytes > 0 ? l->frame_bytes : 64);
	(void)snprintf(flows, sizeof(flows), "%" PRIu32, l->flows > 0 ? l->flows : 1);
	(void)snprintf(rate, sizeof(rate), "%.0f", l->rate);
	(void)snprintf(duration, sizeof(duration), "%.0fms", whole_s(l) * 1e3);
	if (l->rate > 0)
		words[11] = "--rate";
	return start_words(t, LAB_SERVER, words);
}

static int start_http(struct trial *t, const char *url)
{
	static char path[PATH_MAX + 8];
	const struct trial_load *l = t->load;
	char rate[32], connections[16], duration[32], warmup[32];
	const char *words[] = { path,     "bench",      "load",          url,         "--json",
				"--rate", rate,         "--connections", connections, "--warmup",
				warmup,   "--duration", duration,        NULL };

	weir_path(NULL, path);
	(void)snprintf(rate, sizeof(rate), "%.3f", l->rate);
	(void)snprintf(connections, sizeof(connections), "%" PRIu32, l->connections);
	(void)snprintf(warmup, sizeof(warmup), "%.0fms", SETTLE_S * 1e3);
	(void)snprintf(duration, sizeof(duration), "%.0fms", (whole_s(l) - SETTLE_S) * 1e3);
	return start_words(t, LAB_CLIENT, words);
}

static int start_wrk(struct trial *t, const char *url)
{
	char connections[16], duration[32];
	const char *words[] = { "wrk",       "-t", "1",      "-c", connections,
				"--latency", "-d", duration, url,  NULL };

	(void)snprintf(connections, sizeof(connections), "%" PRIu32, t->load->connections);
	(void)snprintf(duration, sizeof(duration), "%.0fs", ceil(whole_s(t->load)));
	return start_words(t, LAB_CLIENT, words);
}

/* start_hey - its rate is that of each worker. */
static int start_hey(struct trial *t, const char *url)
{
	char connections[16], duration[32], rate[32];
	const char *words[] = { "hey",    "-cpus", "1",  "-c", connections, "-z",
				duration, "-q",    rate, url,  NULL };

	(void)snprintf(connections, sizeof(connections), "%" PRIu32, t->load->connections);
	(void)snprintf(duration, sizeof(duration), "%.0fs", ceil(whole_s(t->load)));
	(void)snprintf(rate, sizeof(rate), "%.3f", t->load->rate / t->load->connections);
	return start_words(t, LAB_CLIENT, words);
}

static int start_load(struct trial *t)
{
	const struct trial_load *l = t->load;
	char url[128];
	int err = 0;

	place_url(t->place, l->body_bytes, url);
	switch (l->kind) {
	case LOAD_NONE: break;
	case LOAD_FRAMES: err = start_frames(t); break;
	case LOAD_HTTP: err = start_http(t, l->url != NULL ? l->url : url); break;
	case LOAD_WRK: err = start_wrk(t, l->url != NULL ? l->url : url); break;
	case LOAD_HEY: err = start_hey(t, l->url != NULL ? l->url : url); break;
	}
	return err;
}

static int refuse_load(struct trial *t, const char *what)
{
	char line[LINE_BYTES];

	child_line(&t->load_child, line, sizeof(line));
	return trial_refuse(t->err, -EIO, "the load: %s: %s", what,
			    line[0] != '\0' ? line : "it says nothing");
}

/* wait_flow - until packets are under way. */
static int wait_flow(struct trial *t)
{
	double end_s = hold_now_s() + FLOW_S;

	if (t->load->kind == LOAD_NONE)
		return 0;
	while (place_packets(t->place) - t->packets_before < FLOWING) {
		if (child_ended(&t->load_child))
			return refuse_load(t, "it has ended at once");
		if (hold_now_s() > end_s)
			break; /* a slow load: the figures say what there was */
		if (!hold_wait(0.005))
			return -EINTR;
	}
	return 0;
}

/* ---- measuring ---- */

/* receiver_cpu - of its processes until now. */
static double receiver_cpu(struct trial *t, double *ret_pss_bytes)
{
	const pid_t pid[] = { t->receiver_child.pid, t->state.dataplane, t->state.control };
	struct process_work w;
	double cpu_s = 0, pss = 0;

	for (size_t i = 0; i < array_count(pid); i++) {
		if (pid[i] <= 0 || process_work(pid[i], &w) < 0)
			continue;
		cpu_s += w.cpu_s;
		pss += (double)w.pss_bytes;
	}
	*ret_pss_bytes = pss;
	return cpu_s;
}

static void note_memory(struct trial *t, double pss_bytes)
{
	struct trial_outcome *o = t->outcome;

	if (!(pss_bytes > 0))
		return;
	if (isnan(o->receiver_pss_first_bytes))
		o->receiver_pss_first_bytes = pss_bytes;
	o->receiver_pss_bytes = pss_bytes;
	if (!(o->receiver_pss_peak_bytes > pss_bytes))
		o->receiver_pss_peak_bytes = pss_bytes;
}

/* look - once a second: does every worker still come round, and what memory is used? */
static void look(struct trial *t)
{
	struct watch_state now = { 0 };
	bool beats = true;
	double pss_bytes;

	(void)receiver_cpu(t, &pss_bytes);
	note_memory(t, pss_bytes);
	if (t->receiver->kind != RECEIVER_WEIR)
		return;
	t->seconds_seen++;
	if (watch_ask(t->name, ASK_S, &now) < 0)
		return;
	for (uint32_t i = 0; i < now.workers; i++)
		beats = beats && now.turn[i] > t->state.turn[i];
	t->seconds_beating += beats && now.workers == t->state.workers;
	t->state = now;
	if (isnan(t->middle_pairs) && hold_now_s() >= t->middle_s) {
		t->middle_pairs = now.pairs;
		t->middle_pss_bytes = pss_bytes > 0 ? pss_bytes : NAN;
	}
}

/* watch_for - wait, and look once a second. Returns: false: interrupted. */
static bool watch_for(struct trial *t, double seconds)
{
	double end_s = hold_now_s() + seconds, next_s = hold_now_s() + SAMPLE_S;

	while (hold_now_s() < end_s) {
		double until_s = next_s < end_s ? next_s : end_s;

		if (!hold_wait(until_s - hold_now_s()))
			return false;
		if (until_s < next_s)
			break;
		look(t);
		next_s += SAMPLE_S;
	}
	return hold_signal() == 0;
}

/* measure - the window. The first look and the last are outside of it: they cost something. */
static int measure(struct trial *t)
{
	struct machine *m = t->place->machine;
	struct trial_outcome *o = t->outcome;
	struct watch_state now;
	double packets, begun_s, cpu_s, pss_bytes, asked_s = hold_now_s(), pairs;
	bool whole;

	if (t->receiver->kind == RECEIVER_WEIR)
		(void)watch_ask(t->name, ASK_S, &t->state);
	pairs = t->state.pairs;
	machine_begin(m);
	packets = place_packets(t->place);
	begun_s = hold_now_s();
	t->cpu_before_s = receiver_cpu(t, &pss_bytes);
	note_memory(t, pss_bytes);
	t->middle_s = begun_s + 0.5 * t->load->seconds;
	whole = watch_for(t, t->load->seconds);
	cpu_s = receiver_cpu(t, &pss_bytes) - t->cpu_before_s;
	o->packets = place_packets(t->place) - packets;
	/* Somebody kept us from our core for so long: what was seen is not what was sent. */
	if (t->load->kind != LOAD_NONE && child_ended(&t->load_child))
		o->packets = NAN;
	o->seconds = hold_now_s() - begun_s;
	machine_end(m, &o->machine);
	note_memory(t, pss_bytes);
	if (t->receiver->kind != RECEIVER_NONE)
		o->receiver_cpu_s = cpu_s;
	if (t->receiver->kind == RECEIVER_WEIR && watch_ask(t->name, ASK_S, &now) == 0) {
		o->leaked = pss_bytes - t->middle_pss_bytes;
		o->leaked_over = now.pairs - t->middle_pairs;
		o->matched = now.pairs - pairs;
		o->matched_s = hold_now_s() - asked_s;
	}
	if (!whole)
		return -EINTR;
	begun_s = hold_now_s();
	machine_calls_begin(m);
	whole = hold_wait(CALLS_S);
	o->system_calls = machine_calls_end(m) / (hold_now_s() - begun_s);
	return whole ? 0 : -EINTR;
}

/* look_around - how many cores others keep busy; where there is patience, until they are done. */
static int look_around(struct trial *t)
{
	double end_s = hold_now_s() + t->place->patience_s;
	struct machine_work w;

	do {
		machine_begin(t->place->machine);
		if (!hold_wait(BEFORE_S))
			return -EINTR;
		machine_end(t->place->machine, &w);
		t->outcome->disturbed = w.busy_s / w.seconds;
	} while (t->outcome->disturbed > CALM && hold_now_s() < end_s);
	return 0;
}

/* ---- ending ---- */

static int end_load(struct trial *t)
{
	static char text[CHILD_TEXT_BYTES];
	struct trial_outcome *o = t->outcome;
	int err;

	if (t->load->kind == LOAD_NONE)
		return 0;
	if (!child_wait(&t->load_child, LATE_S))
		return hold_signal() != 0 ? -EINTR : refuse_load(t, "it does not end");
	(void)child_text(&t->load_child, CHILD_OUT, text, sizeof(text));
	switch (t->load->kind) {
	case LOAD_FRAMES: err = told_send(text, o, &t->first, &t->last); break;
	case LOAD_HTTP: err = told_load(text, o); break;
	case LOAD_WRK: err = told_wrk(text, o); break;
	default: err = told_hey(text, o); break;
	}
	return err < 0 ? refuse_load(t, "it told nothing") : 0;
}

/* wait_rest - until nothing comes any more: not onto the mirror, and not to the receiver. */
static int wait_rest(struct trial *t)
{
	double end_s = hold_now_s() + REST_S, before = NAN;
	int quiet = 0;

	if (t->load->kind == LOAD_NONE)
		return 0;
	while (quiet < 2 && hold_now_s() < end_s) {
		struct watch_state s = { 0 };
		double sum = place_packets(t->place);

		if (t->receiver->kind == RECEIVER_WEIR && watch_ask(t->name, ASK_S, &s) == 0)
			sum += s.received + s.lost;
		quiet = sum <= before ? quiet + 1 : 0;
		before = sum;
		if (!hold_wait(0.1)) /* a worker tells of itself every few ms */
			return -EINTR;
	}
	return 0;
}

static int read_ledger(struct trial *t)
{
	char *text = NULL;
	size_t bytes = 0;
	FILE *f = fopen(t->ledger, "re");
	ssize_t n = f != NULL ? getdelim(&text, &bytes, '\0', f) : -1;
	int err = n > 0 ? told_ledger(text, t->outcome, &t->told_offered) : -EIO;

	free(text);
	if (f != NULL)
		fclose(f);
	(void)unlink(t->ledger);
	return err < 0 ? refuse_receiver(t, "it has left no books") : 0;
}

static int end_receiver(struct trial *t)
{
	if (t->receiver->kind == RECEIVER_NONE)
		return 0;
	child_interrupt(&t->receiver_child, END_S);
	if (t->receiver->kind == RECEIVER_SPIN)
		return 0;
	t->outcome->receiver_status = t->receiver_child.status;
	return read_ledger(t);
}

/* ---- the sum ---- */

double trial_lost(const struct trial_outcome *o)
{
	double sum = isnan(o->received) ? NAN : 0;

	for (uint32_t i = 0; i < o->losses; i++)
		sum += o->lost[i].packets;
	return sum;
}

/* add_up - what was offered and has no name. */
static void add_up(struct trial *t, double packets_after)
{
	struct trial_outcome *o = t->outcome;
	const struct trial_load *l = t->load;
	double asked_for;

	if (t->seconds_seen > 0)
		o->heartbeat = (double)t->seconds_beating / t->seconds_seen;
	if (t->place->lab[0] == '\0')
		o->offered = isnan(o->received) ? packets_after - t->packets_before
						: t->told_offered;
	else if (l->kind != LOAD_FRAMES)
		o->offered = packets_after - t->packets_before;
	if (isnan(o->received))
		return;
	o->unexplained = o->offered - o->received - o->refused - trial_lost(o);
	if (l->selected_flow == 0)
		return;
	/* Where the kernel refuses what was not asked for it does not count it. */
	asked_for = told_selected(t->first, t->last, l->flows, l->selected_flow - 1);
	if (!(o->refused > 0) || o->received > asked_for)
		o->unexplained = asked_for - o->received - trial_lost(o);
}

static int run_all(struct trial *t)
{
	int err = look_around(t);

	t->packets_before = place_packets(t->place);
	if (err == 0)
		err = start_receiver(t);
	if (err == 0)
		err = start_load(t);
	if (err == 0)
		err = wait_flow(t);
	if (err == 0 && !hold_wait(SETTLE_S))
		err = -EINTR;
	if (err == 0)
		err = measure(t);
	if (err == 0)
		err = end_load(t);
	if (err == 0)
		err = wait_rest(t);
	if (err == 0)
		err = end_receiver(t);
	if (err == 0)
		add_up(t, place_packets(t->place));
	return err;
}

int trial_run(struct place *p, const struct trial_load *load, const struct trial_receiver *receiver,
	      struct trial_outcome *ret, struct trial_error *err)
{
	struct trial_outcome outcome;
	struct trial t = { .place = p,
			   .load = load,
			   .receiver = receiver,
			   .outcome = &outcome,
			   .err = err,
			   .first = NAN,
			   .last = NAN,
			   .told_offered = NAN,
			   .middle_pairs = NAN,
			   .middle_pss_bytes = NAN };
	struct cpu_set home;
	bool pinned;
	int code;

	told_nothing(&outcome);
	(void)snprintf(t.name, sizeof(t.name), "bench-%d", (int)getpid());
	(void)snprintf(t.ledger, sizeof(t.ledger), "%s/out/ledger", p->folder);
	err->text[0] = '\0';
	/* What we do ourselves meanwhile is none of the receiver's work. */
	pinned = cpu_allowed(&home) == 0 && cpu_allow(&p->load_core) == 0;
	code = run_all(&t);
	child_free(&t.load_child);
	if (t.receiver_child.pid != 0)
		child_interrupt(&t.receiver_child, END_S);
	child_free(&t.receiver_child);
	if (pinned)
		(void)cpu_allow(&home);
	outcome.interrupted = hold_signal() != 0;
	if (code < 0 && !outcome.interrupted) {
		if (err->text[0] == '\0')
			(void)trial_refuse(err, code, "%s: %s", receiver->name, strerror(-code));
		return code;
	}
	*ret = outcome;
	return 0;
}

/* ---- as figures ---- */

void trial_figure(struct result *r, const char *cell, const char *name, const char *unit,
		  enum better better, double value)
{
	const struct figure *seconds = result_find(r, cell, "seconds");
	size_t runs = seconds != NULL ? seconds->count : 0;

	if (result_find(r, cell, name) == NULL) {
		if (isnan(value))
			return;
		for (size_t i = 1; i < runs; i++)
			result_add(r, cell, name, unit, better, NAN);
	}
	result_add(r, cell, name, unit, better, value);
}

static void add_times(struct result *r, const char *cell, const char *name,
		      const struct trial_times *t)
{
	const struct {
		const char *name;
		double ns;
	} quantiles[] = { { "p50", t->p50 },   { "p90", t->p90 },     { "p99", t->p99 },
			  { "p999", t->p999 }, { "p9999", t->p9999 }, { "max", t->max },
			  { "min", t->min },   { "p95", t->p95 },     { "mean", t->mean } };
	char figure[RESULT_NAME_BYTES];

	for (size_t i = 0; i < array_count(quantiles); i++) {
		(void)snprintf(figure, sizeof(figure), "%s.%s", name, quantiles[i].name);
		trial_figure(r, cell, figure, "ns", BETTER_LOWER, quantiles[i].ns);
	}
}

static void add_machine(const struct trial_outcome *o, const char *cell, struct result *r)
{
	const struct machine_work *m = &o->machine;
	double per_packet = o->packets > 0 ? 1 / o->packets : NAN;

	trial_figure(r, cell, "cpu", "cycles/packet", BETTER_LOWER, m->cycles * per_packet);
	trial_figure(r, cell, "busy", "%", BETTER_LOWER, 100 * m->busy_s / m->seconds);
	trial_figure(r, cell, "busy.process", "%", BETTER_LOWER,
		     100 * o->receiver_cpu_s / o->seconds);
	trial_figure(r, cell, "instructions", "instructions/packet", BETTER_LOWER,
		     m->instructions * per_packet);
	trial_figure(r, cell, "cache_misses", "misses/packet", BETTER_LOWER,
		     m->cache_misses * per_packet);
	trial_figure(r, cell, "context_switches", "switches/packet", BETTER_LOWER,
		     m->context_switches * per_packet);
	trial_figure(r, cell, "migrations", "migrations/s", BETTER_LOWER,
		     m->migrations / m->seconds);
	trial_figure(r, cell, "system_calls", "calls/packet", BETTER_LOWER,
		     o->system_calls * o->seconds * per_packet);
	trial_figure(r, cell, "steal", "%", BETTER_NEITHER, 100 * m->steal_s / m->seconds);
	trial_figure(r, cell, "disturbed", "%", BETTER_NEITHER, 100 * o->disturbed);
}

#define LOST_NAME(name, meaning) #name,
static const char *const lost_name[] = { RX_LOST_LIST(LOST_NAME) };

/* add_loss - also where nothing was lost: samples are in the order of the runs. */
static void add_loss(const struct trial_outcome *o, const char *cell, const char *name,
		     struct result *r)
{
	char figure[RESULT_NAME_BYTES];
	double packets = 0;

	for (uint32_t i = 0; i < o->losses; i++)
		if (strcmp(o->lost[i].name, name) == 0)
			packets += o->lost[i].packets;
	(void)snprintf(figure, sizeof(figure), "lost.%s", name);
	trial_figure(r, cell, figure, "packets", BETTER_LOWER, packets);
}

static void add_packets(const struct trial_outcome *o, const char *cell, struct result *r)
{
	trial_figure(r, cell, "offered", "packets", BETTER_NEITHER, o->offered);
	trial_figure(r, cell, "rate", "1/s", BETTER_HIGHER, o->rate);
	trial_figure(r, cell, "late", "packets", BETTER_NEITHER, o->late);
	trial_figure(r, cell, "received", "packets", BETTER_HIGHER, o->received);
	trial_figure(r, cell, "refused", "packets", BETTER_NEITHER, o->refused);
	trial_figure(r, cell, "lost", "packets", BETTER_LOWER, trial_lost(o));
	for (unsigned i = 0; i < RX_LOST_COUNT && !isnan(o->received); i++)
		add_loss(o, cell, lost_name[i], r);
	trial_figure(r, cell, "unexplained", "packets", BETTER_LOWER, o->unexplained);
}

static double stage_cycles(const struct trial_outcome *o, unsigned stage)
{
	for (uint32_t i = 0; i < o->stages; i++)
		if (strcmp(o->stage_name[i], stage_name(stage)) == 0)
			return o->stage_cycles[i];
	return NAN;
}

void trial_result(const struct trial_outcome *o, const char *cell, struct result *r)
{
	char name[RESULT_NAME_BYTES];

	trial_figure(r, cell, "seconds", "s", BETTER_NEITHER, o->seconds);
	add_packets(o, cell, r);
	add_machine(o, cell, r);
	trial_figure(r, cell, "memory", "bytes", BETTER_LOWER, o->receiver_pss_bytes);
	trial_figure(r, cell, "memory.peak", "bytes", BETTER_LOWER, o->receiver_pss_peak_bytes);
	trial_figure(r, cell, "leaked", "bytes", BETTER_LOWER, o->leaked);
	trial_figure(r, cell, "leaked_over", "pairs", BETTER_NEITHER, o->leaked_over);
	trial_figure(r, cell, "growth", "bytes", BETTER_LOWER,
		     o->receiver_pss_bytes - o->receiver_pss_first_bytes);
	trial_figure(r, cell, "pairs", "pairs", BETTER_HIGHER, o->pairs);
	trial_figure(r, cell, "requests", "requests", BETTER_HIGHER, o->requests);
	trial_figure(r, cell, "failed", "requests", BETTER_LOWER, o->failed);
	trial_figure(r, cell, "due", "requests", BETTER_NEITHER, o->due);
	trial_figure(r, cell, "load_seconds", "s", BETTER_NEITHER, o->load_s);
	trial_figure(r, cell, "matched", "pairs/s", BETTER_HIGHER, o->matched / o->matched_s);
	add_times(r, cell, "latency", &o->client);
	add_times(r, cell, "service", &o->service);
	add_times(r, cell, "lateness", &o->lateness);
	add_times(r, cell, "delay", &o->pair_delay);
	trial_figure(r, cell, "heartbeat", "%", BETTER_HIGHER, 100 * o->heartbeat);
	for (unsigned s = STAGE_rx; s <= STAGE_emit; s++) {
		(void)snprintf(name, sizeof(name), "stage.%s", stage_name(s));
		trial_figure(r, cell, name, "cycles/packet", BETTER_LOWER, stage_cycles(o, s));
	}
}
