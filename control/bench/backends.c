/* backends - `weir bench backends`: what each back end costs, on the same mirror under the same
 * load. */
#include "control/bench/backends.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/bench/bench.h"
#include "control/bench/hold.h"
#include "control/weir/arguments.h"
#include "control/weir/command.h"
#include "control/weir/units.h"
#include "dataplane/base/clock.h"
#include "dataplane/base/compiler.h"

static const char command_name[] = "weir bench backends";

/* In seconds. */
#define TRY_S      0.1
#define OVERHEAD_S 1.9 /* of a run */
#define LIMIT_S    2.0 /* of a trial of the bisection, at most */

enum { LIMIT_STEPS = 6, FRAME_MIN = 60, FRAME_MAX = 9000, CONNECTIONS_MAX = 20000 };

/* ---- options ---- */

static int take_sizes(const char *value, void *user)
{
	struct backends_plan *p = user;
	double list[BACKENDS_LIST_MAX];
	int count = backends_take_numbers(value, FRAME_MIN, FRAME_MAX, list);

	for (int i = 0; i < count; i++)
		p->size[i] = (uint32_t)list[i];
	p->sizes = count < 0 ? 0 : (uint32_t)count;
	return count < 0 ? count : 0;
}

static int take_rates(const char *value, void *user)
{
	struct backends_plan *p = user;
	int count = backends_take_numbers(value, 1, 1e9, p->rate);

	p->rates = count < 0 ? 0 : (uint32_t)count;
	return count < 0 ? count : 0;
}

static int take_backends(const char *value, void *user)
{
	return backends_take_names(value, backend_name, BACKENDS,
				   ((struct backends_plan *)user)->use);
}

static int take_parts(const char *value, void *user)
{
	return backends_take_names(value, backends_part_name, PARTS,
				   ((struct backends_plan *)user)->part);
}

static int take_http_rate(const char *value, void *user)
{
	double list[BACKENDS_LIST_MAX];

	if (backends_take_numbers(value, 1, 1e7, list) != 1)
		return -EINVAL;
	((struct backends_plan *)user)->http_rate = list[0];
	return 0;
}

static int take_connections(const char *value, void *user)
{
	uint64_t v;

	if (units_parse(UNIT_COUNT, value, &v) < 0 || v < 1 || v > CONNECTIONS_MAX)
		return -EINVAL;
	((struct backends_plan *)user)->connections = (uint32_t)v;
	return 0;
}

static int take_patience(const char *value, void *user)
{
	uint64_t v;

	if (units_parse(UNIT_TIME_NS, value, &v) < 0 || v > 3600 * CLOCK_SECOND_NS)
		return -EINVAL;
	((struct backends_plan *)user)->patience_s = (double)v / (double)CLOCK_SECOND_NS;
	return 0;
}

static const struct argument options[] = {
	COMMON_ARGUMENTS("one size, one rate, 3 runs of 2s, no bisection: about 3 minutes", "5",
			 "3s"),
	COMMON_PLACE_ARGUMENTS,
	{ "backends", 'b', "LIST", "those whose names begin so, such as pcap,af_xdp (all)",
	  take_backends,
	  "names of none spin pcap af_packet af_xdp-generic af_xdp-native af_xdp-busy-poll "
	  "dpdk-af_packet dpdk-af_xdp, or how they begin" },
	{ "sizes", 0, "LIST", "bytes of a frame (64,512,1500)", take_sizes,
	  "up to eight numbers from 60 to 9000" },
	{ "rates", 0, "LIST", "frames a second (200k,500k,1m)", take_rates,
	  "up to eight numbers such as 200k or 1m" },
	{ "parts", 'p', "LIST", "of rates,http,filter,idle,limit (all)", take_parts,
	  "names of rates http filter idle limit, or how they begin" },
	{ "http-rate", 0, "N", "requests a second of the part http (4000)", take_http_rate,
	  "a number of requests a second, such as 4000 or 10k" },
	{ "connections", 'c', "N", "of the part http (50)", take_connections,
	  "a number from 1 to 20000" },
	{ "patience", 0, "TIME",
	  "before each run, wait so long for a machine that does nothing else (10s; quick: 0s)",
	  take_patience, "a time such as 10s, up to 1h" },
};

static const struct arguments all = {
	.command = command_name,
	.usage = "weir bench backends [OPTION...]",
	.about =
		"Measures what every back end costs, in a lab whose mirror carries numbered "
		"frames:\n"
		"frames offered, received, lost by name, unexplained; cycles of the whole machine "
		"per packet\n"
		"beyond those of the load alone, softirq included; cache misses, context switches, "
		"system calls,\n"
		"memory; under HTTP, pairs and how long they take; the largest rate without a "
		"loss. "
		"`none` is\n"
		"nobody, `spin` a loop that keeps a core busy, as a control. Load and server have "
		"one core, the\n"
		"receiver the others. Cells take turns, and the first one is run twice in every "
		"round: how much\n"
		"it differs from itself is the noise. Needs root; nginx (nginx-light) for http, "
		"gnuplot\n"
		"(gnuplot-nox) for the plots.\n"
		"\n"
		"Exit status: 0 done; 3 frames that nobody can account for; 5 no lab, or a back "
		"end "
		"failed while\n"
		"it was measured; 6 the results cannot be written; 130 ended by Ctrl-C, with what "
		"there was.\n",
	.example = "  sudo weir bench backends --quick\n"
		   "  sudo weir bench backends --parts rates,limit --backends pcap,af_xdp --sizes "
		   "64",
	.list = options,
	.count = array_count(options),
};

/* ---- a benchmark under way ---- */

struct bench {
	struct backends_plan plan;
	struct backends_cells cells;
	struct place *place;
	struct result *result;
	struct trial_error err;
	struct report_part part[3];
	size_t parts;
};

static int complain(const char *why)
{
	fprintf(stderr, "%s: %s\n", command_name, why);
	return STATUS_SOURCE;
}

static void note_part(struct bench *b, const char *name, double begun_s, int code)
{
	b->part[b->parts++] = (struct report_part){ .name = name,
						    .seconds = hold_now_s() - begun_s,
						    .failed = code < 0 };
}

/* ---- what works here ---- */

/* try_backend - one that cannot be opened is left out, with its reason, before anything begins. */
static int try_backend(struct bench *b, enum backend backend)
{
	const struct backend_about *about = &backend_about[backend];
	struct trial_load load = { .kind = LOAD_NONE, .seconds = TRY_S };
	struct trial_receiver receiver = { .kind = RECEIVER_WEIR,
					   .name = about->name,
					   .word = { "--rx", about->rx, "--until", "rx" } };
	struct trial_outcome outcome;
	char note[sizeof(b->err.text) + 64];

	if (trial_run(b->place, &load, &receiver, &outcome, &b->err) == 0)
		return outcome.interrupted ? -EINTR : 0;
	b->plan.use[backend] = false;
	(void)snprintf(note, sizeof(note), "Left out: %s.", b->err.text);
	result_note(b->result, note);
	fprintf(stderr, "%s: left out: %s\n", command_name, b->err.text);
	return 0;
}

static int try_backends(struct bench *b)
{
	double begun_s = hold_now_s();
	int code = 0;

	for (enum backend i = 0; i < BACKENDS && code == 0; i++)
		if (b->plan.use[i] && backend_about[i].rx != NULL)
			code = try_backend(b, i);
	note_part(b, "Back ends tried", begun_s, code);
	return code;
}

/* ---- the largest rate without a loss ---- */

/* Whether nothing was lost at that rate, and what the sender reached. Returns: 0; -errno. */
static int try_rate(struct bench *b, enum backend backend, uint32_t size, double rate,
		    bool *ret_whole, double *ret_reached)
{
	const struct backend_about *about = &backend_about[backend];
	double seconds = b->plan.common.seconds < LIMIT_S ? b->plan.common.seconds : LIMIT_S;
	struct trial_load load = { .kind = LOAD_FRAMES,
				   .frame_bytes = size,
				   .flows = 1,
				   .rate = rate,
				   .seconds = seconds };
	struct trial_receiver receiver = { .kind = RECEIVER_WEIR,
					   .name = about->name,
					   .word = { "--rx", about->rx, "--until", "rx" } };
	struct trial_outcome o;
	int code = trial_run(b->place, &load, &receiver, &o, &b->err);

	if (code < 0)
		return code;
	if (o.interrupted)
		return -EINTR;
	*ret_reached = o.rate;
	*ret_whole = !(trial_lost(&o) > 0) && !(o.late > 0) && o.unexplained == 0 &&
		     (!(rate > 0) || o.rate >= 0.98 * rate);
	return 0;
}

static int find_limit(struct bench *b, enum backend backend, uint32_t size)
{
	double low = 0, high = 0, reached = 0, most;
	char cell[RESULT_NAME_BYTES];
	bool whole = false;
	int code = try_rate(b, backend, size, 0, &whole, &most);

	if (code == 0 && whole)
		low = most;
	else if (code == 0)
		high = most;
	for (int i = 0; i < LIMIT_STEPS && code == 0 && high > 0; i++) {
		double middle = floor((low + high) / 2);

		code = try_rate(b, backend, size, middle, &whole, &reached);
		if (code == 0 && whole)
			low = middle;
		else
			high = middle;
	}
	if (code < 0)
		return code;
	(void)snprintf(cell, sizeof(cell), "%s/limit/%u", backend_about[backend].name, size);
	result_add(b->result, cell, "limit", "frames/s", BETTER_HIGHER, low);
	result_add(b->result, cell, "limit.sender", "frames/s", BETTER_NEITHER, most);
	if (!b->plan.common.quiet)
		fprintf(stderr, "%s: %s, %u bytes: %s%.0f thousand frames/s without a loss\n",
			command_name, backend_about[backend].name, size,
			high > 0 ? "" : "at least ", low / 1e3);
	return 0;
}

static uint32_t used_backends(const struct backends_plan *p)
{
	uint32_t count = 0;

	for (enum backend i = 0; i < BACKENDS; i++)
		count += p->use[i] && backend_about[i].rx != NULL;
	return count;
}

static bool has_limit(const struct backends_plan *p)
{
	return p->part[PART_limit] && p->common.interface == NULL;
}

static double limit_seconds(const struct backends_plan *p)
{
	double seconds = p->common.seconds < LIMIT_S ? p->common.seconds : LIMIT_S;

	return has_limit(p)
		       ? used_backends(p) * p->sizes * (LIMIT_STEPS + 1) * (seconds + OVERHEAD_S)
		       : 0;
}

static int find_limits(struct bench *b)
{
	double begun_s = hold_now_s();
	int code = 0;

	if (!has_limit(&b->plan))
		return 0;
	for (uint32_t s = 0; s < b->plan.sizes; s++)
		for (enum backend i = 0; i < BACKENDS && code == 0; i++)
			if (b->plan.use[i] && backend_about[i].rx != NULL)
				code = find_limit(b, i, b->plan.size[s]);
	note_part(b, "Loss-free rates", begun_s, code);
	return code;
}

/* ---- conditions ---- */

static void tell_conditions(struct bench *b)
{
	const struct backends_plan *p = &b->plan;
	bool shared;
	uint32_t cores = place_receive_cores(b->place, &shared);
	char text[256];

	result_machine(b->result);
	place_conditions(b->place, b->result);
	result_condition(b->result, "options", "runs", "%u", p->common.runs);
	result_condition(b->result, "options", "seconds", "%g", p->common.seconds);
	result_condition(b->result, "options", "patience", "%g s", p->patience_s);
	result_condition(b->result, "options", "quick", "%s", p->common.quick ? "yes" : "no");
	result_condition(b->result, "traffic", "frames",
			 p->common.interface == NULL ? "numbered UDP frames, weir send --tx auto"
						     : "what the interface has");
	if (p->common.interface == NULL && p->part[PART_http])
		result_condition(b->result, "traffic", "http",
				 "%.0f requests/s, open loop, %u connections, bodies of 1024 bytes",
				 p->http_rate, p->connections);
	if (p->common.interface != NULL)
		(void)snprintf(
			text, sizeof(text),
			"The receiver has %u core%s. Whoever sends is not of this benchmark: "
			"what it costs here is in `none`, and in every cell.",
			cores, cores == 1 ? "" : "s");
	else
		(void)snprintf(
			text, sizeof(text),
			"Load and server have one core, the receiver %s%u other%s: what the load "
			"costs is in `none`, and in every cell.",
			shared ? "shares it, with " : "", shared ? cores - 1 : cores,
			(shared ? cores - 1 : cores) == 1 ? "" : "s");
	result_note(b->result, text);
	if (p->common.interface == NULL)
		result_note(
			b->result,
			"The wire is a veth pair, where frames are born in memory and every back "
			"end copies them: nothing here says what zero-copy would cost.");
	result_note(b->result, "Everything that this machine does is counted, whoever does it: the "
			       "figure `disturbed` says how many cores were busy before a run.");
}

/* ---- all of it ---- */

static int run_cells(struct bench *b)
{
	const struct backends_plan *p = &b->plan;
	struct series s = { .what = "backends",
			    .place = b->place,
			    .rounds = p->common.runs,
			    .overhead_s = OVERHEAD_S,
			    .quiet = p->common.quiet };
	double begun_s;
	int code = 0;

	backends_lay_out(p, &b->cells);
	s.cell = b->cells.cell;
	s.cells = b->cells.cells;
	common_say_time(command_name, series_seconds(&s) + limit_seconds(p), p->common.folder);
	begun_s = hold_now_s();
	if (s.cells > 0)
		code = series_run(&s, b->result, &b->err);
	note_part(b, "Back ends", begun_s, code);
	return code;
}

static int measure(struct bench *b)
{
	int code = try_backends(b);

	if (code == 0)
		code = run_cells(b);
	if (code == 0)
		code = find_limits(b);
	return code;
}

/* place - with a server if there can be one; without, no part http. */
static int open_place(struct bench *b)
{
	struct backends_plan *p = &b->plan;
	struct place_plan plan = { .interface = p->common.interface,
				   .cores = p->common.cores,
				   .server = p->part[PART_http],
				   .patience_s = p->patience_s,
				   .body_bytes = { 1024 } };
	int code = place_open(&plan, &b->place, &b->err);

	if (code != -ENOENT || !plan.server)
		return code;
	fprintf(stderr, "%s: no part http: %s\n", command_name, b->err.text);
	result_note(b->result, "There is no part http: nginx is not installed (apt install "
			       "nginx-light).");
	plan.server = p->part[PART_http] = false;
	return place_open(&plan, &b->place, &b->err);
}

static int finish(struct bench *b, int code, int signal_number)
{
	double unexplained;
	int status;

	backends_sum_up(&b->cells, b->result);
	unexplained = backends_unexplained(b->result);
	if (b->result->figures == 0) {
		(void)rmdir(b->plan.common.folder); /* if nothing is in it */
		return signal_number != 0 ? STATUS_SIGNAL + signal_number : STATUS_SOURCE;
	}
	if (signal_number != 0)
		result_note(b->result,
			    "It was ended before its time: what is here was measured until "
			    "then.");
	status = backends_report(&b->plan, &b->cells, b->result, b->part, b->parts);
	if (unexplained > 0)
		fprintf(stderr,
			"%s: %.0f frames were offered and are neither received nor lost under "
			"a name: see `unexplained`\n",
			command_name, unexplained);
	if (signal_number != 0)
		return STATUS_SIGNAL + signal_number;
	if (status != STATUS_DONE || code < 0)
		return status != STATUS_DONE ? status : STATUS_SOURCE;
	return unexplained > 0 ? STATUS_LEDGER : STATUS_DONE;
}

int bench_backends(int argc, char **argv)
{
	static struct bench b;
	int operands, code, status, signal_number = 0;

	b.plan.patience_s = -1;
	switch (arguments_take(&all, argc, argv, &b.plan, &operands)) {
	case ARGUMENTS_HELP: return STATUS_DONE;
	case ARGUMENTS_REFUSED: return STATUS_USAGE;
	default: break;
	}
	if (operands > 0) {
		fprintf(stderr, "%s: what is %.80s? It takes options only: %s --help\n",
			command_name, argv[0], command_name);
		return STATUS_USAGE;
	}
	backends_preset(&b.plan);
	status = common_begin(&b.plan.common, command_name, "backends");
	if (status != STATUS_DONE)
		return status;
	b.result = result_new("backends");
	code = open_place(&b);
	if (code == 0) {
		tell_conditions(&b);
		code = measure(&b);
		signal_number = place_interrupted();
		place_close(b.place);
	}
	if (code < 0 && code != -EINTR)
		(void)complain(b.err.text);
	if (code == -EINTR && signal_number == 0)
		signal_number = 2;
	status = finish(&b, code, signal_number);
	result_free(b.result);
	free(b.cells.cell);
	return status;
}
