/* modes - `weir bench modes`: a capture cut off stage after stage, and what each costs. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/bench/bench.h"
#include "control/bench/common.h"
#include "control/bench/ladder.h"
#include "control/bench/plot.h"
#include "control/bench/plot_logs.h"
#include "control/bench/run.h"
#include "control/bench/series.h"
#include "control/weir/arguments.h"
#include "control/weir/command.h"
#include "control/weir/units.h"

enum {
	RUNS_PRESET = 3,
	QPS_PRESET = 500,
	CLIENTS_PRESET = 5,
	BODY_BYTES = 1000,
	CELLS_MAX = LADDER_RUNGS_MAX + 1, /* and nobody */
};
#define PERIOD_PRESET_S 60.0
#define QUICK_PERIOD_S  2.0
#define INTERVAL_MAX_S  10.0 /* the tapper's */

static const char command[] = "weir bench modes";

/* What is asked for; 0 or NULL: not said yet. */
struct asked {
	struct common common; /* first: the options of all benchmarks take it */
	enum ladder ladder;
	enum load_kind client; /* LOAD_NONE: not said */
	double qps;
	uint32_t clients;
	const char *url;
	const char *rx;
	const char *only; /* names with commas between them */
};

struct modes {
	struct asked *asked;
	struct result *result;
	struct rung rung[LADDER_RUNGS_MAX];
	uint32_t rungs;
	struct series_cell cell[CELLS_MAX]; /* normal, nobody, the other rungs */
	uint32_t cells;
	struct ladder_costs costs;
	char log[CELLS_MAX][PATH_MAX + 64]; /* of the run under way */
	char (*kept)[PATH_MAX + 64];
	uint32_t logs;
	struct report_part part[CELLS_MAX];
	bool open_books;
	char rx[288];
};

/* ---- options ---- */

static int take_ladder(const char *value, void *user)
{
	static const char *const names[] = { "both", "tapper", "stages" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(value, names[i]) == 0) {
			((struct asked *)user)->ladder = (enum ladder)i;
			return 0;
		}
	return -EINVAL;
}

static int take_client(const char *value, void *user)
{
	static const struct {
		const char *name;
		enum load_kind kind;
	} clients[] = { { "load", LOAD_HTTP }, { "hey", LOAD_HEY }, { "wrk", LOAD_WRK } };

	for (size_t i = 0; i < sizeof(clients) / sizeof(clients[0]); i++)
		if (strcmp(value, clients[i].name) == 0) {
			((struct asked *)user)->client = clients[i].kind;
			return 0;
		}
	return -EINVAL;
}

static int take_qps(const char *value, void *user)
{
	uint64_t v;

	if (units_parse(UNIT_COUNT, value, &v) < 0 || v < 1 || v > 1000000)
		return -EINVAL;
	((struct asked *)user)->qps = (double)v;
	return 0;
}

static int take_clients(const char *value, void *user)
{
	uint64_t v;

	if (units_parse(UNIT_COUNT, value, &v) < 0 || v < 1 || v > 10000)
		return -EINVAL;
	((struct asked *)user)->clients = (uint32_t)v;
	return 0;
}

static int take_url(const char *value, void *user)
{
	((struct asked *)user)->url = value;
	return strncmp(value, "http://", 7) == 0 ? 0 : -EINVAL;
}

static int take_only(const char *value, void *user)
{
	((struct asked *)user)->only = value;
	return *value != '\0' ? 0 : -EINVAL;
}

static int take_rx(const char *value, void *user)
{
	((struct asked *)user)->rx = value;
	return *value != '\0' && strlen(value) < 200 ? 0 : -EINVAL;
}

static const struct argument options[] = {
	COMMON_ARGUMENTS("a first look: three runs of 2 s", "WEIR_BENCHMARK_RUN_COUNT, else 3",
			 "WEIR_BENCHMARK_CLIENT_PERIOD, else 1m"),
	COMMON_PLACE_ARGUMENTS,
	{ "ladder", 0, "WHICH",
	  "tapper: its eight modes; stages: every --until; both: all of them, once (both)",
	  take_ladder, "there are: tapper, stages, both" },
	{ "only", 0, "LIST", "of the ladder no more than these and normal: no_pcap,decode (all)",
	  take_only, "names with commas between them" },
	{ "client", 0, "NAME",
	  "who asks: load (weir's, open loop), hey or wrk, if installed (load)", take_client,
	  "there are: load, hey, wrk" },
	{ "qps", 0, "N", "requests a second of each client (WEIR_BENCHMARK_QPS, else 500)",
	  take_qps, "a number from 1 to 1000000" },
	{ "clients", 0, "N", "how many clients (WEIR_BENCHMARK_CLIENTS_COUNT, else 5)",
	  take_clients, "a number from 1 to 10000" },
	{ "url", 0, "URL", "another server, with --iface (WEIR_BENCHMARK_URL, else the lab's)",
	  take_url, "an address such as http://127.0.0.1:8081/data/b.1000.json" },
	{ "rx", 0, "NAME", "back end, as weir capture has it: af_xdp, af_packet, pcap (the best)",
	  take_rx, "the name of a back end" },
};

static const struct arguments arguments = {
	.command = command,
	.usage = "weir bench modes [OPTION...] [-- OPTION OF weir capture...]",
	.about =
		"The same HTTP load again and again, captured by weir that is cut off stage after "
		"stage: no_pcap,\n"
		"no_assembler, no_tcp_stream, only_http, no_dissectors, no_emit, no_send, normal, "
		"as "
		"the Go tapper's\n"
		"benchmark calls them, and every stage of --until. What a stage costs is told by "
		"the "
		"difference\n"
		"between two rungs and by its own cycle counter, side by side. Nobody captures in "
		"the "
		"first row: it\n"
		"says what the client sees without weir.\n"
		"\n"
		"Writes result.json, report.html, graph.png, graph.svg, graph.html (of the stats "
		"lines), ladder.png,\n"
		"ladder.svg, the stats lines as NN_mode_i.log, and text files. Presets come from "
		"WEIR_BENCHMARK_...:\n"
		"OUTPUT_DIR, CLIENT_PERIOD, URL, RUN_COUNT, QPS, CLIENTS_COUNT; options win. Needs "
		"root, nginx\n"
		"(not with --iface), and gnuplot (package gnuplot-nox) for pictures.\n",
	.example =
		"  sudo weir bench modes --quick --output-dir /tmp/modes\n"
		"  sudo weir bench modes --iface lo --url http://127.0.0.1:8081/data/b.1000.json",
	.list = options,
	.count = sizeof(options) / sizeof(options[0]),
};

/* from_environment - what no option has said. Returns: 0; -EINVAL after a sentence. */
static int from_environment(struct asked *a)
{
	struct asked said = { 0 };
	const struct {
		const char *name;
		int (*take)(const char *value, void *user);
		const char *wanted;
	} presets[] = {
		{ "WEIR_BENCHMARK_OUTPUT_DIR", common_take_output_dir, "the name of a folder" },
		{ "WEIR_BENCHMARK_CLIENT_PERIOD", common_take_seconds,
		  "a time such as 1m, from 100ms to 1h" },
		{ "WEIR_BENCHMARK_URL", take_url, "an address such as http://127.0.0.1:8081/" },
		{ "WEIR_BENCHMARK_RUN_COUNT", common_take_runs, "a number from 1 to 1000" },
		{ "WEIR_BENCHMARK_QPS", take_qps, "a number from 1 to 1000000" },
		{ "WEIR_BENCHMARK_CLIENTS_COUNT", take_clients, "a number from 1 to 10000" },
	};

	for (size_t i = 0; i < sizeof(presets) / sizeof(presets[0]); i++) {
		const char *value = getenv(presets[i].name);

		if (value == NULL || *value == '\0' || presets[i].take(value, &said) == 0)
			continue;
		fprintf(stderr, "%s: %s=%.80s in the environment: %s\n", command, presets[i].name,
			value, presets[i].wanted);
		return -EINVAL;
	}
	if (a->common.output_dir == NULL)
		a->common.output_dir = said.common.output_dir;
	if (!(a->common.seconds > 0))
		a->common.seconds = a->common.quick ? 0 : said.common.seconds;
	if (a->common.runs == 0)
		a->common.runs = a->common.quick ? 0 : said.common.runs;
	a->url = a->url != NULL ? a->url : said.url;
	a->qps = a->qps > 0 ? a->qps : said.qps;
	a->clients = a->clients > 0 ? a->clients : said.clients;
	return 0;
}

static void fill_presets(struct asked *a)
{
	if (!(a->common.seconds > 0))
		a->common.seconds = a->common.quick ? QUICK_PERIOD_S : PERIOD_PRESET_S;
	if (a->common.runs == 0)
		a->common.runs = RUNS_PRESET;
	if (!(a->qps > 0))
		a->qps = QPS_PRESET;
	if (a->clients == 0)
		a->clients = CLIENTS_PRESET;
	if (a->client == LOAD_NONE)
		a->client = LOAD_HTTP;
}

static int refuse(const char *why)
{
	fprintf(stderr, "%s: %s\n", command, why);
	return STATUS_USAGE;
}

/* check - Returns: a status, after a sentence if it is not DONE. */
static int check(const struct asked *a)
{
	char path[PATH_MAX];

	if (a->url != NULL && a->common.interface == NULL)
		return refuse("a URL is a server of somebody else's: say with --iface IFACE where "
			      "its traffic passes, or leave --url and WEIR_BENCHMARK_URL out");
	if (a->client == LOAD_HEY && run_find("hey", path) < 0)
		return refuse(
			"hey is not installed: install the package hey, or take --client load");
	if (a->client == LOAD_WRK && run_find("wrk", path) < 0)
		return refuse(
			"wrk is not installed: install the package wrk, or take --client load");
	return STATUS_DONE;
}

/* ---- cells ---- */

static struct trial_load load_of(const struct asked *a)
{
	struct trial_load load = { .kind = a->client,
				   .rate = a->qps * a->clients,
				   .connections = a->clients,
				   .body_bytes = BODY_BYTES,
				   .url = a->url,
				   .seconds = a->common.seconds };

	if (a->common.interface != NULL && a->url == NULL)
		load.kind = LOAD_NONE;
	return load;
}

static double stats_interval(const struct asked *a)
{
	double s = a->common.seconds / 4;

	return s > INTERVAL_MAX_S ? INTERVAL_MAX_S : s;
}

/* add_words - where it receives, what it is cut by, and what the user adds. Returns: 0; -E2BIG. */
static int add_words(struct modes *m, struct trial_receiver *r, const struct rung *rung, int argc,
		     char **argv)
{
	size_t n = 0;

	r->word[n++] = m->asked->rx != NULL ? "--rx" : "-i";
	r->word[n++] = m->rx;
	for (size_t i = 0; i < LADDER_WORDS && rung->word[i] != NULL; i++)
		r->word[n++] = rung->word[i];
	for (int i = 0; i < argc; i++) {
		if (n >= TRIAL_WORDS_MAX - 1)
			return -E2BIG;
		r->word[n++] = argv[i];
	}
	return 0;
}

static int add_rung(struct modes *m, uint32_t index, int argc, char **argv)
{
	const struct rung rung = m->rung[index];
	struct series_cell *c = &m->cell[m->cells];

	(void)snprintf(c->name, sizeof(c->name), "%s", rung.name);
	(void)snprintf(m->log[m->cells], sizeof(m->log[0]), "%s/%s.running",
		       m->asked->common.folder, rung.log);
	c->load = load_of(m->asked);
	c->receiver = (struct trial_receiver){ .kind = RECEIVER_WEIR,
					       .name = rung.name,
					       .stats_interval_s = stats_interval(m->asked),
					       .log_path = m->log[m->cells] };
	m->part[m->cells] = (struct report_part){ .name = c->name };
	m->cells++;
	return add_words(m, &c->receiver, &rung, argc, argv);
}

/* find_rung - by the name of the mode or of its stage. */
static int find_rung(const struct modes *m, const char *name)
{
	for (uint32_t i = 0; i < m->rungs; i++) {
		int stage = m->rung[i].stage;

		if (strcmp(m->rung[i].name, name) == 0 ||
		    (stage >= 0 && strcmp(stage_name((unsigned)stage), name) == 0))
			return (int)i;
	}
	return -1;
}

/* keep_listed - and normal. Returns: 0; -ENOENT after a sentence: a name is none of the ladder. */
static int keep_listed(struct modes *m, const char *list)
{
	bool keep[LADDER_RUNGS_MAX] = { false };
	char names[512], *save = NULL;
	uint32_t kept = 0;

	(void)snprintf(names, sizeof(names), "%s", list);
	for (char *n = strtok_r(names, ",", &save); n != NULL; n = strtok_r(NULL, ",", &save)) {
		int found = find_rung(m, n);

		if (found < 0) {
			fprintf(stderr,
				"%s: --only %.80s: there is no such rung; there are:", command, n);
			for (uint32_t i = 0; i < m->rungs; i++)
				fprintf(stderr, " %s", m->rung[i].name);
			fputc('\n', stderr);
			return -ENOENT;
		}
		keep[found] = true;
	}
	for (uint32_t i = 0; i < m->rungs; i++)
		if (keep[i] || m->rung[i].stage == STAGE_normal)
			m->rung[kept++] = m->rung[i];
	m->rungs = kept;
	return 0;
}

/* make_cells - `normal` is the first, because the first shows how much it differs from itself. */
static int make_cells(struct modes *m, int argc, char **argv)
{
	const struct asked *a = m->asked;
	int err;

	(void)snprintf(m->rx, sizeof(m->rx), "%s%s{iface}", a->rx != NULL ? a->rx : "",
		       a->rx != NULL ? ":" : "");
	for (uint32_t i = 0; i < m->rungs; i++)
		if (m->rung[i].stage == STAGE_normal) {
			err = add_rung(m, i, argc, argv);
			if (err < 0)
				return err;
		}
	m->cell[m->cells] = (struct series_cell){ .name = "none",
						  .load = load_of(a),
						  .receiver = { .kind = RECEIVER_NONE,
								.name = "none" } };
	m->part[m->cells] = (struct report_part){ .name = m->cell[m->cells].name };
	m->cells++;
	for (uint32_t i = 0; i < m->rungs; i++)
		if (m->rung[i].stage != STAGE_normal) {
			err = add_rung(m, i, argc, argv);
			if (err < 0)
				return err;
		}
	return 0;
}

/* ---- after a run ---- */

/* keep_log - under the name that the tapper's script gives. */
static void keep_log(struct modes *m, const struct series_cell *c, const struct rung *rung,
		     uint32_t round)
{
	char *to = m->kept[m->logs];

	(void)snprintf(to, sizeof(m->kept[0]), "%s/%s_%" PRIu32 ".log", m->asked->common.folder,
		       rung->log, round);
	if (rename(c->receiver.log_path, to) == 0)
		m->logs++;
}

static void note_costs(struct modes *m, int rung, uint32_t round, const struct trial_outcome *o)
{
	double hz = o->machine.cycles / o->machine.busy_s;
	double process = o->receiver_cpu_s * hz / o->packets, workers = 0;

	m->costs.rounds = round + 1 > m->costs.rounds ? round + 1 : m->costs.rounds;
	m->costs.machine[rung][round] = o->packets > 0 ? o->machine.cycles / o->packets : NAN;
	m->costs.process[rung][round] = o->packets > 0 ? process : NAN;
	trial_figure(m->result, m->rung[rung].name, "process", "cycles/packet", BETTER_LOWER,
		     o->packets > 0 ? process : NAN);
	for (uint32_t i = 0; i < o->stages; i++) {
		int stage = ladder_stage(o->stage_name[i]);

		workers += stage != STAGE_rx ? o->stage_cycles[i] : 0;
		if (stage >= 0 && m->rung[rung].stage == STAGE_normal)
			m->costs.counter[stage][round] = o->stage_cycles[i];
	}
	/* With --until open no worker takes anything. */
	if (o->stages == 0 && m->rung[rung].stage != STAGE_open)
		workers = NAN;
	if (!isnan(workers))
		m->costs.workers[rung][round] = workers;
	trial_figure(m->result, m->rung[rung].name, "workers", "cycles/packet", BETTER_LOWER,
		     workers);
}

static void each(const struct series_cell *c, uint32_t round, const struct trial_outcome *o,
		 void *user)
{
	struct modes *m = user;
	struct report_part *part = &m->part[c - m->cell];
	int rung = find_rung(m, c->name);
	double lost = trial_lost(o);

	part->seconds += o->seconds;
	trial_figure(m->result, c->name, "lost.share", "%", BETTER_LOWER,
		     o->packets > 0 ? 100 * lost / o->offered : NAN);
	if (rung < 0)
		return;
	if (!o->closed) {
		part->failed = 1;
		m->open_books = true;
	}
	note_costs(m, rung, round, o);
	keep_log(m, c, &m->rung[rung], round);
}

/* ---- what is said of it ---- */

static const char *client_name(const struct asked *a)
{
	switch (load_of(a).kind) {
	case LOAD_HTTP: return "load (weir's, open loop)";
	case LOAD_HEY: return "hey (closed loop, at most that rate)";
	case LOAD_WRK: return "wrk (closed loop, as fast as it goes)";
	default: return "nobody: what is on the interface anyway";
	}
}

static void add_conditions(struct modes *m, int argc, char **argv)
{
	const struct asked *a = m->asked;
	struct result *r = m->result;
	char words[512] = "";

	for (int i = 0; i < argc; i++)
		(void)snprintf(words + strlen(words), sizeof(words) - strlen(words), "%s%s",
			       i > 0 ? " " : "", argv[i]);
	result_condition(r, "options", "ladder", "%s",
			 a->ladder == LADDER_BOTH     ? "both"
			 : a->ladder == LADDER_TAPPER ? "tapper"
						      : "stages");
	result_condition(r, "options", "runs", "%" PRIu32, a->common.runs);
	result_condition(r, "options", "seconds", "%g", a->common.seconds);
	result_condition(r, "options", "rx", "%s", a->rx != NULL ? a->rx : "the best");
	result_condition(r, "options", "of the capture", "%s", words[0] != '\0' ? words : "none");
	result_condition(r, "traffic", "client", "%s", client_name(a));
	if (load_of(a).kind == LOAD_NONE)
		return;
	result_condition(r, "traffic", "clients", "%" PRIu32, a->clients);
	result_condition(r, "traffic", "requests/s of each client", "%g", a->qps);
	result_condition(r, "traffic", "url", "%s",
			 a->url != NULL ? a->url : "http://10.83.0.2/1000");
}

static void add_notes(struct result *r)
{
	result_note(
		r,
		"The price of a stage by difference is what a packet costs with it less what "
		"it costs without it, taken in every round between runs near each other; by "
		"counter, what the workers' own cycle counters say of it in the runs of normal.");
	result_note(r,
		    "The difference is told of the whole machine, of weir's processes, and of the "
		    "counters of all stages but rx: the least noisy, because waiting is in rx. "
		    "Differences and counter part by what a stage makes others do.");
	result_note(r,
		    "normal writes its text into /dev/null: what a disk or a peer costs is not in "
		    "it.");
	result_note(r,
		    "no_pcap opens the source and takes nothing from it: packets beyond its ring "
		    "are lost on purpose, and lost packets cost less.");
	result_note(r, "only_http reads HTTP/1 and HTTP/2 and none of the other protocols. drain, "
		       "format and write are done by the other process, which has no cycle "
		       "counters.");
}

static double median_of(const struct result *r, const char *cell, const char *name)
{
	const struct figure *f = result_find(r, cell, name);

	return f != NULL ? statistics_quantile(f->sample, f->count, 0.5) : NAN;
}

static void put_baseline(FILE *to, const struct result *r)
{
	static const struct {
		const char *name, *text, *unit;
		double scale;
	} lines[] = {
		{ "rate", "Requests", "/s", 1 },
		{ "requests", "Requests succeeded", " a run", 1 },
		{ "failed", "Requests failed", " a run", 1 },
		{ "latency.mean", "Average latency", " us", 1e-3 },
		{ "latency.p50", "P50 latency", " us", 1e-3 },
		{ "latency.p95", "P95 latency", " us", 1e-3 },
		{ "latency.p99", "P99 latency", " us", 1e-3 },
		{ "latency.max", "Max latency", " us", 1e-3 },
		{ "busy", "CPU of the whole machine", " % of one core", 1 },
		{ "cpu", "CPU per packet", " cycles", 1 },
	};

	fputs("Baseline performance: the load alone, nobody captures (medians of the runs)\n\n",
	      to);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		double v = median_of(r, "none", lines[i].name);

		if (!isnan(v))
			fprintf(to, "%s: %.4g%s\n", lines[i].text, v * lines[i].scale,
				lines[i].unit);
	}
}

static int write_baseline(const struct modes *m)
{
	char path[PATH_MAX + 64];
	FILE *to;
	bool bad;

	(void)snprintf(path, sizeof(path), "%s/baseline_performance.txt", m->asked->common.folder);
	to = fopen(path, "we");
	bad = to == NULL;
	if (!bad) {
		put_baseline(to, m->result);
		bad = ferror(to) != 0;
		bad = fclose(to) != 0 || bad;
	}
	if (bad)
		fprintf(stderr, "%s: %s cannot be written: %s\n", command, path, strerror(errno));
	return bad ? STATUS_OUTPUT : STATUS_DONE;
}

/* ---- pictures ---- */

static struct plot_bar bar_of(const struct result *r, const char *cell, const char *figure,
			      double scale, uint32_t colour)
{
	const struct figure *f = result_find(r, cell, figure);
	struct summary s = statistics_summarise(f != NULL ? f->sample : NULL,
						f != NULL ? f->count : 0);

	return (struct plot_bar){ .name = cell,
				  .value = s.median * scale,
				  .low = s.interval.low * scale,
				  .high = s.interval.high * scale,
				  .colour = colour };
}

enum { PRICES_MAX = 2 * STAGE_COUNT };

/* price_bars - of each stage, by the figures that are named: one bar or two. */
static size_t price_bars(const struct result *r, const char *const figure[2],
			 struct plot_bar bar[PRICES_MAX],
			 char name[PRICES_MAX][LADDER_NAME_BYTES + 16])
{
	size_t n = 0;

	for (size_t i = 0; i < r->figures && n + 2 <= PRICES_MAX; i++) {
		const struct figure *f = &r->figure[i];

		if (strncmp(f->cell, "price/", 6) != 0 || strcmp(f->name, figure[0]) != 0)
			continue;
		for (uint32_t k = 0; k < 2 && figure[k] != NULL; k++, n++) {
			bar[n] = bar_of(r, f->cell, figure[k], 1, k);
			(void)snprintf(name[n], sizeof(name[n]), "%s%s", f->cell + 6,
				       figure[1] == NULL ? ""
				       : k == 0          ? ", difference"
							 : ", counter");
			bar[n].name = name[n];
		}
	}
	return n;
}

static struct plot_panel price_panel(const struct result *r, uint32_t number)
{
	static char name[2][PRICES_MAX][LADDER_NAME_BYTES + 16];
	static struct plot_bar bar[2][PRICES_MAX];
	static const char *const figure[2][2] = { { "difference.machine", NULL },
						  { "difference.workers", "counter" } };

	return (struct plot_panel){
		.title = number == 0 ? "price of a stage: difference of the whole machine"
				     : "price of a stage: workers' difference, and counter",
		.y_label = "cycles/packet",
		.bar = bar[number],
		.bars = price_bars(r, figure[number], bar[number], name[number]),
	};
}

/* Returns: as plot_draw(), after a sentence if it is not 0. */
static int draw_ladder(const struct modes *m, const char *const *cell, const char *path)
{
	static const struct {
		const char *figure, *title, *unit;
		double scale;
	} panels[] = {
		{ "cpu", "the whole machine, load and server included", "cycles/packet", 1 },
		{ "process", "weir's processes", "cycles/packet", 1 },
		{ "latency.p50", "latency that the client sees, p50", "us", 1e-3 },
		{ "latency.p99", "latency that the client sees, p99", "us", 1e-3 },
		{ "memory.peak", "memory (Pss), most", "MiB", 1 / 1048576.0 },
		{ "lost.share", "packets lost", "% of those offered", 1 },
	};
	enum { PANELS = sizeof(panels) / sizeof(panels[0]) };
	struct plot_bar bar[PANELS][CELLS_MAX];
	struct plot_panel panel[PANELS + 2];
	char err[PLOT_ERROR_BYTES];
	int bad;

	for (size_t p = 0; p < PANELS; p++) {
		size_t n = 0;

		for (; cell[n] != NULL; n++)
			bar[p][n] = bar_of(m->result, cell[n], panels[p].figure, panels[p].scale,
					   strcmp(cell[n], "none") == 0 ? 6 : 0);
		panel[p] = (struct plot_panel){ .title = panels[p].title,
						.y_label = panels[p].unit,
						.bar = bar[p],
						.bars = n };
	}
	for (uint32_t i = 0; i < 2; i++)
		panel[PANELS + i] = price_panel(m->result, i);
	bad = plot_draw(path, "weir bench modes", panel, PANELS + (panel[PANELS].bars > 0 ? 2 : 0),
			2, err);
	if (bad < 0)
		fprintf(stderr, "%s: %s\n", command, err);
	return bad;
}

/* The stats lines of all runs. */
static int draw_logs(const struct modes *m, const char *output)
{
	const char **path = calloc(m->logs + 1, sizeof(*path));
	int status;

	if (path == NULL)
		abort();
	for (uint32_t i = 0; i < m->logs; i++)
		path[i] = m->kept[i];
	status = plot_logs(&(struct plot_logs_plan){ .command = command,
						     .path = path,
						     .count = m->logs,
						     .output = output,
						     .title = "weir bench modes: stats lines" });
	free(path);
	return status;
}

/* ---- the report ---- */

static const struct report_column machine_columns[] = {
	{ "cpu", "CPU", 0, NULL },
	{ "busy", "all cores", 0, "% of one core" },
};
static const struct report_column weir_columns[] = {
	{ "process", "CPU of the processes", 0, NULL },
	{ "workers", "workers, without rx", 0, NULL },
	{ "busy.process", "the processes", 0, "% of one core" },
	{ "memory.peak", "memory (Pss), most", 1 / 1048576.0, "MiB" },
	{ "received", "received", 0, NULL },
	{ "lost", "lost", 0, NULL },
	{ "unexplained", "unexplained", 0, NULL },
	{ "pairs", "pairs", 0, NULL },
};
static const struct report_column client_columns[] = {
	{ "rate", "rate", 0, "requests/s" },
	{ "latency.p50", "p50", 1e-3, "us" },
	{ "latency.p99", "p99", 1e-3, "us" },
	{ "failed", "failed", 0, NULL },
};
static const struct report_column price_columns[] = {
	{ "difference.machine", "by difference, whole machine", 0, NULL },
	{ "difference.process", "by difference, weir's processes", 0, NULL },
	{ "difference.workers", "by difference, workers", 0, NULL },
	{ "counter", "by counter, workers", 0, NULL },
	{ "noise", "noise of normal", 0, NULL },
};

#define COLUMNS_OF(list) .column = (list), .columns = sizeof(list) / sizeof((list)[0])

/* order - rows as people read a ladder: nobody, then from the least to all of it. */
static void order(const struct modes *m, const char *cell[CELLS_MAX + 1])
{
	size_t n = 0;

	cell[n++] = "none";
	for (int s = STAGE_open; s < STAGE_normal; s++)
		for (uint32_t i = 0; i < m->rungs; i++)
			if (m->rung[i].stage == s)
				cell[n++] = m->rung[i].name;
	for (uint32_t i = 0; i < m->rungs; i++)
		if (m->rung[i].stage < 0)
			cell[n++] = m->rung[i].name;
	cell[n++] = "normal";
	cell[n] = NULL;
}

/* price_cells - as they were added. */
static void price_cells(const struct result *r, const char *cell[STAGE_COUNT + 1])
{
	size_t n = 0;

	for (size_t i = 0; i < r->figures && n < STAGE_COUNT; i++)
		if (strcmp(r->figure[i].name, "difference.machine") == 0)
			cell[n++] = r->figure[i].cell;
	cell[n] = NULL;
}

static int graver(int a, int b)
{
	return a != STATUS_DONE ? a : b;
}

/* conclude - prices, pictures, files. Returns: a status. */
static int conclude(struct modes *m)
{
	const char *cell[CELLS_MAX + 1], *price[STAGE_COUNT + 1];
	char graph[PATH_MAX + 32], ladder[PATH_MAX + 32], svg[2][PATH_MAX + 48];
	struct report_table table[] = {
		{ .title = "What each mode costs the machine",
		  .about = "Load, server and capture together, soft interrupts included; beside it "
			   "the difference to nobody capturing.",
		  .first_column = "mode",
		  .cell = cell,
		  COLUMNS_OF(machine_columns),
		  .reference = "none" },
		{ .title = "What weir itself uses, and what it received",
		  .about = "By the kernel's account of its processes, and by the cycle counters "
			   "of its workers.",
		  .first_column = "mode",
		  .cell = cell + 1,
		  COLUMNS_OF(weir_columns) },
		{ .title = "What the client sees",
		  .about = m->asked->common.interface == NULL
				   ? "Latency of requests, without a capture and with it. Client "
				     "and server share one core."
				   : "Latency of requests, without a capture and with it.",
		  .first_column = "mode",
		  .cell = cell,
		  COLUMNS_OF(client_columns),
		  .reference = "none" },
		{ .title = "What each stage costs",
		  .about = "Cycles per packet on the mirror. Noise: how much a packet of normal "
			   "costs "
			   "more or less from one run to the next; a difference below it is none.",
		  .first_column = "stage",
		  .cell = price,
		  COLUMNS_OF(price_columns) },
	};
	struct report_image image[] = {
		{ "Modes and stages", svg[0] },
		{ "Over time, by the stats lines of every run", svg[1] },
	};
	struct report layout = { .title = "What each mode and each stage costs",
				 .table = table,
				 .tables = sizeof(table) / sizeof(table[0]),
				 .image = image };
	const char *folder = m->asked->common.folder;
	int status = STATUS_DONE, bad;

	ladder_prices(m->rung, m->rungs, &m->costs,
		      m->result->noise * median_of(m->result, "normal", "cpu"), m->result);
	order(m, cell);
	price_cells(m->result, price);
	(void)snprintf(ladder, sizeof(ladder), "%s/ladder", folder);
	(void)snprintf(graph, sizeof(graph), "%s/graph", folder);
	(void)snprintf(svg[0], sizeof(svg[0]), "%s.svg", ladder);
	(void)snprintf(svg[1], sizeof(svg[1]), "%s.svg", graph);
	bad = draw_ladder(m, cell, ladder); /* without gnuplot there are tables all the same */
	if (bad == 0 && m->logs > 0)
		status = draw_logs(m, graph);
	else if (bad != -ENOENT && bad < 0)
		status = STATUS_OUTPUT;
	layout.images = access(svg[0], R_OK) != 0 ? 0 : access(svg[1], R_OK) != 0 ? 1 : 2;
	status = graver(write_baseline(m), status);
	return graver(common_end(&m->asked->common, command, m->result, &layout, m->part, m->cells),
		      status);
}

/* ---- all of it ---- */

static int measure(struct modes *m, struct place *place)
{
	const struct asked *a = m->asked;
	struct series series = { .what = "modes",
				 .place = place,
				 .cell = m->cell,
				 .cells = m->cells,
				 .rounds = a->common.runs,
				 .quiet = a->common.quiet,
				 .each = each,
				 .user = m };
	struct trial_error err = { "" };
	int code, status = STATUS_DONE;

	common_say_time(command, series_seconds(&series), a->common.folder);
	code = series_run(&series, m->result, &err);
	if (code == -EINTR)
		status = STATUS_SIGNAL + place_interrupted();
	else if (code < 0) {
		fprintf(stderr, "%s: %s\n", command, err.text);
		status = STATUS_SOURCE;
	}
	for (uint32_t i = 0; i < m->cells; i++)
		if (m->cell[i].receiver.log_path != NULL)
			(void)unlink(m->cell[i].receiver.log_path);
	return status;
}

static int run_modes(struct modes *m, int argc, char **argv)
{
	struct asked *a = m->asked;
	struct place_plan plan = { .interface = a->common.interface,
				   .queues = 1,
				   .server = a->common.interface == NULL,
				   .body_bytes = { BODY_BYTES },
				   .cores = a->common.cores };
	struct trial_error err = { "" };
	struct place *place;
	int status, code;

	m->rungs = ladder_rungs(a->ladder, m->rung);
	if (a->only != NULL && keep_listed(m, a->only) < 0)
		return STATUS_USAGE;
	status = common_begin(&a->common, command, "modes");
	if (status != STATUS_DONE)
		return status;
	if (make_cells(m, argc, argv) < 0)
		return refuse("too many options for weir capture");
	code = place_open(&plan, &place, &err);
	if (code < 0) {
		(void)rmdir(a->common.folder); /* if there is nothing in it */
		fprintf(stderr, "%s: %s\n", command, err.text);
		return code == -EINTR && place_interrupted() != 0
			       ? STATUS_SIGNAL + place_interrupted()
			       : STATUS_SOURCE;
	}
	m->result = result_new("modes");
	result_machine(m->result);
	place_conditions(place, m->result);
	add_conditions(m, argc, argv);
	add_notes(m->result);
	status = measure(m, place);
	place_close(place);
	if (m->result->figures > 0)
		status = graver(status, conclude(m));
	else
		(void)rmdir(a->common.folder);
	result_free(m->result);
	return graver(status, m->open_books ? STATUS_LEDGER : STATUS_DONE);
}

int bench_modes(int argc, char **argv)
{
	struct asked a = { 0 };
	struct modes *m;
	int words = 0, status, behind = arguments_behind(argc, argv);

	switch (arguments_take(&arguments, argc, argv, &a, &words)) {
	case ARGUMENTS_HELP: return STATUS_DONE;
	case ARGUMENTS_REFUSED: return STATUS_USAGE;
	case ARGUMENTS_TAKEN: break;
	}
	if (words > behind) {
		fprintf(stderr, "%s: what is %.80s? Options of weir capture stand behind --\n",
			command, argv[0]);
		return STATUS_USAGE;
	}
	if (from_environment(&a) < 0)
		return STATUS_USAGE;
	fill_presets(&a);
	status = check(&a);
	if (status != STATUS_DONE)
		return status;
	m = calloc(1, sizeof(*m));
	if (m != NULL)
		m->kept = calloc((size_t)LADDER_RUNGS_MAX * a.common.runs, sizeof(*m->kept));
	if (m == NULL || m->kept == NULL)
		abort();
	m->asked = &a;
	ladder_costs_clear(&m->costs);
	status = run_modes(m, words, argv);
	free(m->kept);
	free(m);
	return status;
}
