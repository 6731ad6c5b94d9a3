/* gates - `weir bench gates`: do the promises hold on this machine? */
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/bench/bench.h"
#include "control/bench/common.h"
#include "control/bench/gates_text.h"
#include "control/bench/judge.h"
#include "control/bench/limits.h"
#include "control/bench/load.h"
#include "control/bench/plot.h"
#include "control/bench/report.h"
#include "control/bench/series.h"
#include "control/weir/arguments.h"
#include "control/weir/command.h"
#include "dataplane/base/compiler.h"

enum {
	RUNS = 3,
	QUICK_S = 2,
	EVENTS_S = 10,
	EVENTS_CONNECTIONS = 32,
	BODY_BYTES = 1024,       /* of a scenario's answers */
	EVENTS_BODY_BYTES = 128, /* small, so that the load can ask often */
	CELLS_MAX = 2 * LIMITS_SCENARIOS_MAX + 1,
	PANELS = 4,
};

static const char command_name[] = "weir bench gates";

struct gates_call {
	struct common common; /* first */
	struct limits limits;
	const char *limits_path, *url;
	bool print_limits;
	char **word; /* further words for weir capture */
	int words;
};

/* A benchmark under way. */
struct gates {
	const struct gates_call *call;
	struct place *place;
	struct series_cell cell[CELLS_MAX];
	struct series series;
	struct result *result;
	struct gate gate[JUDGE_GATES];
	char image[PATH_MAX]; /* "": there is none */
};

/* ---- options ---- */

static int take_limits(const char *value, void *user)
{
	((struct gates_call *)user)->limits_path = value;
	return 0;
}

static int take_print(const char *value, void *user)
{
	(void)value;
	((struct gates_call *)user)->print_limits = true;
	return 0;
}

static int take_url(const char *value, void *user)
{
	((struct gates_call *)user)->url = value;
	return strncmp(value, "http://", 7) == 0 ? 0 : -EINVAL;
}

static const struct argument options[] = {
	{ "limits", 'l', "FILE", "limits and loads (those of the eBPF HTTP tracer)", take_limits,
	  "a file is needed" },
	{ "print-limits", 0, NULL, "write the limits on standard output, as a file for --limits",
	  take_print, NULL },
	COMMON_ARGUMENTS("a first look: 2 s of every load, whatever the limits say", "3",
			 "as the limits say"),
	COMMON_PLACE_ARGUMENTS,
	{ "url", 'u', "URL", "ask this, not the lab's own server", take_url,
	  "a URL such as http://10.83.0.2/1024 is needed" },
};

static const struct arguments all = {
	.command = "weir bench gates",
	.usage = "weir bench gates [OPTION...] [-- WORD-OF-weir-capture...]",
	.about = "Asks a web server as often as four scenarios say, with the capture and without, "
		 "in\n"
		 "turns, and judges: CPU time, memory, pairs a second, added latency, errors, "
		 "growth of\n"
		 "memory, and whether every worker kept turning. A line each: limit, measured, "
		 "interval,\n"
		 "PASS or FAIL; what was not measured fails.\n"
		 "Client and server have one core, the capture the others. Behind -- stand words "
		 "for weir\n"
		 "capture, in which {iface} is the interface.\n",
	.example = "  sudo weir bench gates --quick\n"
		   "  weir bench gates --print-limits > my.ini\n"
		   "  sudo weir bench gates --limits my.ini --runs 6 -- --rx af_packet:{iface}",
	.after = "Exit status: 0 every gate passed, 1 one failed, 2 usage, 5 nothing could be "
		 "measured,\n6 nothing can be written, 130 Ctrl-C ended it\n",
	.list = options,
	.count = sizeof(options) / sizeof(options[0]),
};

static int complain(int status, const char *text)
{
	fprintf(stderr, "%s: %s\n", command_name, text);
	return status;
}

static int read_limits(struct gates_call *c)
{
	char err[LIMITS_ERROR_BYTES];
	FILE *f;
	int code;

	limits_preset(&c->limits);
	if (c->limits_path == NULL)
		return STATUS_DONE;
	f = fopen(c->limits_path, "re");
	if (f == NULL) {
		fprintf(stderr, "%s: --limits %.200s: %s; --print-limits writes one\n",
			command_name, c->limits_path, strerror(errno));
		return STATUS_USAGE;
	}
	code = limits_read(f, c->limits_path, &c->limits, err);
	fclose(f);
	return code < 0 ? complain(STATUS_USAGE, err) : STATUS_DONE;
}

static int check_call(const struct gates_call *c)
{
	if (c->common.interface != NULL && c->url == NULL)
		return complain(STATUS_USAGE,
				"--iface needs --url, a server whose traffic is on it");
	if (c->words > TRIAL_WORDS_MAX - 4)
		return complain(STATUS_USAGE, "too many words behind --");
	return STATUS_DONE;
}

/* ---- what is run ---- */

static double seconds_of(const struct gates_call *c, double planned)
{
	if (c->common.seconds > 0)
		return c->common.seconds;
	return c->common.quick ? QUICK_S : planned;
}

static void fill_receiver(const struct gates_call *c, struct trial_receiver *r)
{
	bool has_source = false; /* one of its own */
	size_t n = 0;

	r->kind = RECEIVER_WEIR;
	r->name = "weir capture";
	for (int i = 0; i < c->words; i++)
		has_source = has_source || strncmp(c->word[i], "--rx", 4) == 0;
	if (!has_source) {
		r->word[n++] = "-i";
		r->word[n++] = "{iface}";
	}
	for (int i = 0; i < c->words; i++)
		r->word[n++] = c->word[i];
}

static void add_cell(struct gates *g, const char *name, const char *side,
		     const struct trial_load *load)
{
	struct series_cell *cell = &g->cell[g->series.cells++];

	(void)snprintf(cell->name, sizeof(cell->name), "%s%s", name, side);
	cell->load = *load;
	if (strcmp(side, "/without") == 0)
		cell->receiver = (struct trial_receiver){ .kind = RECEIVER_NONE, .name = "nobody" };
	else
		fill_receiver(g->call, &cell->receiver);
}

static void add_scenario(struct gates *g, const struct scenario *s)
{
	struct trial_load load = { .kind = LOAD_HTTP,
				   .rate = s->rate,
				   .connections = (uint32_t)s->connections,
				   .body_bytes = BODY_BYTES,
				   .url = g->call->url,
				   .seconds = seconds_of(g->call, s->seconds) };

	add_cell(g, s->name, "/without", &load);
	add_cell(g, s->name, "/with", &load);
}

/* add_cells - the judged scenario first: the first cell is the one that is run twice. */
static void add_cells(struct gates *g)
{
	const struct limits *l = &g->call->limits;
	struct trial_load load = { .kind = LOAD_HTTP,
				   .connections = EVENTS_CONNECTIONS,
				   .body_bytes = EVENTS_BODY_BYTES,
				   .url = g->call->url,
				   .seconds = seconds_of(g->call, EVENTS_S) };

	add_scenario(g, limits_scenario(l, l->scenario));
	for (uint32_t i = 0; i < l->scenarios; i++)
		if (strcmp(l->list[i].name, l->scenario) != 0)
			add_scenario(g, &l->list[i]);
	add_cell(g, JUDGE_EVENTS, "", &load);
}

/* add_share - what a trial does not tell: how much that is of the machine. */
static void add_share(const struct series_cell *c, uint32_t round, const struct trial_outcome *o,
		      void *user)
{
	struct gates *g = user;
	double cores = machine_cores(place_machine(g->place));

	(void)round;
	if (c->receiver.kind != RECEIVER_WEIR)
		return;
	result_add(g->result, c->name, "cpu.share", "%", BETTER_LOWER,
		   100 * o->receiver_cpu_s / o->seconds / cores);
}

static void say_plan(const struct gates *g)
{
	const struct common *c = &g->call->common;

	if (c->quiet)
		return;
	fprintf(stderr, "%s: %u loads, %u runs of each in turns\n", command_name, g->series.cells,
		g->series.rounds);
	if (c->quick && !(c->seconds > 0))
		fprintf(stderr,
			"%s: --quick: %d s of each load are too short to trust a verdict that is "
			"close\n",
			command_name, QUICK_S);
	common_say_time(command_name, series_seconds(&g->series), c->folder);
}

/* ---- what came of it ---- */

static void note_conditions(struct gates *g)
{
	const struct gates_call *c = g->call;
	struct result *r = g->result;

	result_machine(r);
	place_conditions(g->place, r);
	result_condition(r, "options", "runs", "%u", g->series.rounds);
	result_condition(r, "options", "quick", "%s", c->common.quick ? "yes" : "no");
	result_condition(r, "options", "url", "%s", c->url != NULL ? c->url : "the lab's server");
	for (int i = 0; i < c->words; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "capture word %d", i + 1);
		result_condition(r, "options", name, "%s", c->word[i]);
	}
	for (uint32_t i = 0; i < c->limits.scenarios; i++) {
		const struct scenario *s = &c->limits.list[i];

		result_condition(r, "traffic", s->name,
				 "HTTP, %g requests/s, %g connections, %g s, bodies of %d bytes",
				 s->rate, s->connections, seconds_of(c, s->seconds), BODY_BYTES);
	}
	result_condition(
		r, "traffic", "events",
		"HTTP, as many requests as answers come, %d connections, %g s, bodies of %d "
		"bytes",
		EVENTS_CONNECTIONS, seconds_of(c, EVENTS_S), EVENTS_BODY_BYTES);
	result_note(r, "Client and server have one core, the capture the others; with a single "
		       "core all share it.");
	result_note(r, "Latency counts from when a request was due, not from when it was sent.");
	result_note(r, "Memory is Pss of all processes of the capture; MB are 10^6 bytes.");
}

/* note_lateness - where the client was late by itself its latency is not the server's. */
static void note_lateness(struct gates *g)
{
	char text[512] = "", sentence[768];
	size_t used = 0;

	for (uint32_t i = 0; i < g->series.cells; i++) {
		const struct figure *f = result_find(g->result, g->cell[i].name, "lateness.p99");
		double p99 = f != NULL ? statistics_summarise(f->sample, f->count).median : 0;

		if (p99 > LOAD_LATE_NS && used < sizeof(text) - RESULT_NAME_BYTES - 32)
			used += (size_t)snprintf(text + used, sizeof(text) - used,
						 "%s%s by %.0f ms", used > 0 ? ", " : "",
						 g->cell[i].name, p99 / 1e6);
	}
	if (used == 0)
		return;
	(void)snprintf(
		sentence, sizeof(sentence),
		"The client itself was late, at p99, in %s: latency there is partly its own, "
		"because its core was busy with something else.",
		text);
	result_note(g->result, sentence);
}

static void note_verdicts(struct gates *g)
{
	char limit[GATE_NUMBER_BYTES], measured[GATE_NUMBER_BYTES], low[GATE_NUMBER_BYTES],
		high[GATE_NUMBER_BYTES];

	for (size_t i = 0; i < JUDGE_GATES; i++) {
		const struct gate *x = &g->gate[i];

		gate_number(x->limit, limit);
		gate_number(x->measured, measured);
		gate_number(x->interval.low, low);
		gate_number(x->interval.high, high);
		result_condition(g->result, "gates", x->name,
				 "%s: measured %s %s (%s to %s), limit %s %s; %s",
				 gate_verdict_name(x->verdict), measured, x->unit, low, high,
				 x->relation, limit, x->note);
	}
}

/* ---- the picture ---- */

/* bars_of - a figure of all scenarios, with and without. Returns: how many. */
static size_t bars_of(const struct gates *g, const char *name, double scale, struct plot_bar *ret)
{
	size_t count = 0;

	for (uint32_t i = 0; i + 1 < g->series.cells; i++) {
		const char *cell = g->cell[i].name;
		const struct figure *f = result_find(g->result, cell, name);
		struct interval range;

		if (f == NULL)
			continue;
		range = statistics_interval(f->sample, f->count);
		ret[count++] = (struct plot_bar){
			.name = cell,
			.value = scale * statistics_summarise(f->sample, f->count).median,
			.low = scale * range.low,
			.high = scale * range.high,
			.colour = g->cell[i].receiver.kind == RECEIVER_NONE ? 1 : 0,
		};
	}
	return count;
}

static void draw(struct gates *g)
{
	static const struct {
		const char *figure, *title, *label;
		double scale;
	} wanted[PANELS] = {
		{ "latency.p50", "Latency of the client, median", "ms", 1e-6 },
		{ "latency.p99", "Latency of the client, 99th percentile", "ms", 1e-6 },
		{ "cpu.share", "CPU time of the capture", "% of all cores", 1 },
		{ "memory.peak", "Memory of the capture, largest Pss", "MB", 1e-6 },
	};
	static struct plot_bar bar[PANELS][CELLS_MAX];
	struct plot_panel panel[PANELS];
	char path[PATH_MAX - 8], err[PLOT_ERROR_BYTES];
	size_t panels = 0;

	for (size_t i = 0; i < PANELS; i++) {
		size_t bars = bars_of(g, wanted[i].figure, wanted[i].scale, bar[panels]);

		if (bars > 0)
			panel[panels] = (struct plot_panel){ .title = wanted[i].title,
							     .y_label = wanted[i].label,
							     .bar = bar[panels],
							     .bars = bars };
		panels += bars > 0;
	}
	if (panels == 0)
		return;
	(void)snprintf(path, sizeof(path), "%.4000s/gates", g->call->common.folder);
	if (plot_draw(path, "weir bench gates", panel, panels, 2, err) < 0)
		fprintf(stderr, "%s: no picture: %s\n", command_name, err);
	else
		(void)snprintf(g->image, sizeof(g->image), "%s.svg", path);
}

/* ---- the page ---- */

enum { WORDS_COLUMNS = 6, CELL_BYTES = JUDGE_NOTE_BYTES + 64 };

static void words_of(const struct gate *x, char text[WORDS_COLUMNS][CELL_BYTES])
{
	char low[GATE_NUMBER_BYTES], high[GATE_NUMBER_BYTES], number[GATE_NUMBER_BYTES];

	(void)snprintf(text[0], CELL_BYTES, "%s", x->name);
	gate_number(x->limit, number);
	(void)snprintf(text[1], CELL_BYTES, "%s %s %s", x->relation, number, x->unit);
	gate_number(x->measured, number);
	(void)snprintf(text[2], CELL_BYTES, "%s%s%s", number, isnan(x->measured) ? "" : " ",
		       isnan(x->measured) ? "" : x->unit);
	gate_number(x->interval.low, low);
	gate_number(x->interval.high, high);
	(void)snprintf(text[3], CELL_BYTES, isnan(x->interval.low) ? "%s" : "%s to %s", low, high);
	(void)snprintf(text[4], CELL_BYTES, "%s", x->note);
	(void)snprintf(text[5], CELL_BYTES, "%s", gate_verdict_name(x->verdict));
}

static const struct report_column scenario_columns[] = {
	{ "rate", "answered", 0, "1/s" },
	{ "latency.p50", "p50", 1e-6, "ms" },
	{ "latency.p99", "p99", 1e-6, "ms" },
	{ "service.p50", "p50 from sent", 1e-6, "ms" },
	{ "lateness.p99", "client's own lateness, p99", 1e-6, "ms" },
	{ "failed", "failed", 0, NULL },
	{ "matched", "matched", 0, NULL },
	{ "cpu.share", "CPU of the capture, of all cores", 0, NULL },
	{ "busy", "CPU of all, of one core", 0, NULL },
	{ "memory.peak", "memory", 1e-6, "MB" },
	{ "leaked", "growth", 1e-6, "MB" },
	{ "heartbeat", "heartbeat", 0, NULL },
	{ "lost", "lost", 0, NULL },
};

/* write_report - the page, result.json, and the files that every benchmark has. */
static int write_report(struct gates *g, const struct report_part *part, size_t parts)
{
	static char text[JUDGE_GATES][WORDS_COLUMNS][CELL_BYTES];
	static const char *const head[WORDS_COLUMNS] = { "gate",     "limit",   "measured",
							 "interval", "of what", "verdict" };
	const char *cell[JUDGE_GATES * WORDS_COLUMNS];
	struct report_words words = {
		.title = "Gates",
		.about = "Of fewer than six runs the interval is from the least to the largest, "
			 "else "
			 "it holds the median with 95 % confidence. What was not measured fails.",
		.head = head,
		.columns = WORDS_COLUMNS,
		.text = cell,
		.rows = JUDGE_GATES,
	};
	struct report_table table = {
		.title = "Loads, with the capture and without",
		.about = "Medians of the runs. Latency is the client's, from when a request was "
			 "due.",
		.first_column = "load",
		.column = scenario_columns,
		.columns = array_count(scenario_columns),
	};
	struct report_image image = { .title = "Loads", .svg_path = g->image };
	struct report layout = { .title = "Do the promises hold?",
				 .words = &words,
				 .table = &table,
				 .tables = 1,
				 .image = &image,
				 .images = g->image[0] != '\0' };

	for (size_t i = 0; i < JUDGE_GATES; i++) {
		words_of(&g->gate[i], text[i]);
		for (size_t n = 0; n < WORDS_COLUMNS; n++)
			cell[i * WORDS_COLUMNS + n] = text[i][n];
	}
	return common_end(&g->call->common, command_name, g->result, &layout, part, parts);
}

static double measured_s(const struct result *r, const char *cell)
{
	const struct figure *f = result_find(r, cell, "seconds");
	double sum = 0;

	for (size_t i = 0; f != NULL && i < f->count; i++)
		sum += f->sample[i];
	return sum;
}

/* write_all - gates, and the loads they were measured under, are the parts of the summary, as the
 * tracer lists its own. */
static int write_all(struct gates *g)
{
	struct report_part part[JUDGE_GATES + CELLS_MAX];
	char err[RESULT_ERROR_BYTES];
	double all_s = 0;
	size_t parts = 0;
	int status;

	for (uint32_t i = 0; i < g->series.cells; i++) {
		const char *cell = g->cell[i].name;
		const struct figure *f = result_find(g->result, cell, "seconds");

		part[parts] = (struct report_part){
			.name = cell,
			.seconds = measured_s(g->result, cell),
			.failed = f == NULL || f->count < g->series.rounds,
		};
		all_s += part[parts++].seconds;
	}
	for (size_t i = 0; i < JUDGE_GATES; i++)
		part[parts++] = (struct report_part){ .name = g->gate[i].name,
						      .seconds = all_s,
						      .failed = g->gate[i].verdict != GATE_PASS };
	draw(g);
	status = write_report(g, part, parts);
	if (status == STATUS_DONE &&
	    gates_text_files(&g->call->limits, g->result, g->call->common.folder, err) < 0)
		status = complain(STATUS_OUTPUT, err);
	return status;
}

/* ---- the run ---- */

/* tell - Returns: the exit status. */
static int tell(struct gates *g)
{
	uint32_t failed = 0;
	int status;

	judge(&g->call->limits, g->result, g->gate);
	note_verdicts(g);
	note_lateness(g);
	status = write_all(g);
	for (size_t i = 0; i < JUDGE_GATES; i++)
		failed += g->gate[i].verdict != GATE_PASS;
	printf("\n%u of %d gates failed\n", failed, JUDGE_GATES);
	if (status != STATUS_DONE)
		return status;
	return failed > 0 ? STATUS_NO : STATUS_DONE;
}

static int measure(struct gates *g)
{
	struct trial_error err;
	int code;

	g->result = result_new("gates");
	note_conditions(g);
	say_plan(g);
	code = series_run(&g->series, g->result, &err);
	if (code == -EINTR)
		(void)complain(0, "interrupted; what was measured until now is judged");
	else if (code < 0)
		(void)complain(0, err.text);
	if (code < 0 && code != -EINTR && g->result->figures == 0)
		return STATUS_SOURCE;
	code = tell(g);
	return place_interrupted() != 0 && code != STATUS_OUTPUT
		       ? STATUS_SIGNAL + place_interrupted()
		       : code;
}

static int run_in(struct gates *g)
{
	const struct common *c = &g->call->common;
	struct place_plan plan = { .interface = c->interface,
				   .queues = 1,
				   .server = c->interface == NULL,
				   .body_bytes = { BODY_BYTES, EVENTS_BODY_BYTES },
				   .cores = c->cores };
	struct trial_error err;
	int status;

	status = place_open(&plan, &g->place, &err);
	if (status < 0) {
		(void)rmdir(c->folder); /* if there is nothing in it */
		(void)complain(0, err.text);
		if (status != -EINTR)
			return STATUS_SOURCE;
		/* The lab takes a signal for itself while it is made. */
		return STATUS_SIGNAL + (place_interrupted() != 0 ? place_interrupted() : SIGINT);
	}
	g->series = (struct series){ .what = "gates",
				     .place = g->place,
				     .cell = g->cell,
				     .rounds = c->runs > 0 ? c->runs : RUNS,
				     .quiet = c->quiet,
				     .each = add_share,
				     .user = g };
	add_cells(g);
	status = measure(g);
	place_close(g->place);
	result_free(g->result);
	return status;
}

static int run_call(struct gates_call *c)
{
	int status = common_begin(&c->common, command_name, "gates");
	struct gates *g;

	if (status != STATUS_DONE)
		return status;
	g = calloc(1, sizeof(*g));
	if (g == NULL)
		return complain(STATUS_SOURCE, "no memory");
	g->call = c;
	status = run_in(g);
	free(g);
	return status;
}

int bench_gates(int argc, char **argv)
{
	static struct gates_call call;
	int status, behind = arguments_behind(argc, argv);

	call = (struct gates_call){ .common = { 0 } };
	switch (arguments_take(&all, argc, argv, &call, &call.words)) {
	case ARGUMENTS_HELP: return STATUS_DONE;
	case ARGUMENTS_REFUSED: return STATUS_USAGE;
	case ARGUMENTS_TAKEN: break;
	}
	if (call.words > behind) {
		fprintf(stderr, "%s: what is %.80s? Words for weir capture stand behind --\n",
			command_name, argv[0]);
		return STATUS_USAGE;
	}
	call.word = argv;
	status = read_limits(&call);
	if (status == STATUS_DONE && call.print_limits) {
		limits_print(&call.limits, stdout);
		return STATUS_DONE;
	}
	if (status == STATUS_DONE)
		status = check_call(&call);
	return status == STATUS_DONE ? run_call(&call) : status;
}
