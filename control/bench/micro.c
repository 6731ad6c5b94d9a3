/* micro - `weir bench micro`: every small benchmark of weir-bench-micro, over and over and in
 * turns, each time in a process of its own.
 *
 *     round 1: a b c    round 2: b c a    round 3: c a b
 *
 * The noise is how much every other run of a benchmark differs from the rest.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/bench/bench.h"
#include "control/bench/child.h"
#include "control/bench/common.h"
#include "control/bench/hold.h"
#include "control/bench/plot.h"
#include "control/bench/report.h"
#include "control/bench/result.h"
#include "control/weir/arguments.h"
#include "control/weir/command.h"
#include "control/weir/locate.h"
#include "control/weir/suggest.h"
#include "dataplane/base/compiler.h"

enum { ROWS_MAX = 128, NAMES_MAX = 64, RUNS = 10, QUICK_RUNS = 3, RUNS_MAX = 1000 };
enum { NAME_BYTES = RESULT_NAME_BYTES, ABOUT_BYTES = 160, LIMIT_S = 120 };
#define SECONDS        0.2
#define QUICK_SECONDS  0.05
#define NOISE_QUANTILE 0.95
#define OVERHEAD_S     0.12 /* of a process: tables made, patterns compiled */

static const struct locate_daemon program = { "weir-bench-micro", "../bench/micro" };

/* One of the benchmarks there are, as the program lists it. */
struct row {
	char name[NAME_BYTES], operation[32], about[ABOUT_BYTES];
	bool frugal;
	double allocations, allocated_bytes; /* per operation, the most of all runs */
};

struct micro {
	struct common common; /* the first: its options know no more of this */
	const char *only[NAMES_MAX];
	uint32_t names, runs;
	double seconds;
	bool list;
	/* what there is */
	char program[LOCATE_TEXT_BYTES];
	struct row row[ROWS_MAX];
	uint32_t rows;
	uint32_t core;
	struct cpu_set cores; /* one, so that no run moves from one to another */
	/* under way */
	struct result *result;
	uint32_t done, all;
	double begun_s;
	bool by_pmu;
};

/* ---- options ---- */

static int take_list(const char *value, void *user)
{
	(void)value;
	((struct micro *)user)->list = true;
	return 0;
}

static int take_only(const char *value, void *user)
{
	struct micro *m = user;
	char *copy = strdup(value), *name;

	while (copy != NULL && (name = strsep(&copy, ",")) != NULL) {
		if (name[0] == 0 || m->names == NAMES_MAX)
			return -EINVAL;
		m->only[m->names++] = name;
	}
	return 0;
}

/* clang-format off */
static const struct argument list[] = {
	{ "only", 0, "NAME,...", "these benchmarks, or groups of them such as flow or dissect/kept (all)", take_only,
	  "names with commas between, of those that --list tells" },
	{ "list", 0, NULL, "tell what benchmarks there are, and do nothing", take_list, NULL },
	COMMON_ARGUMENTS("a first look: 3 runs of 50ms", "10", "200ms"),
};
/* clang-format on */

static const struct arguments options = {
	.command = "weir bench micro",
	.usage = "weir bench micro [OPTION...]",
	.about = "Measures parts of weir one by one, without a network: headers, flow look-up, "
		 "reassembly,\n"
		 "each dissector, pairing, the ring, text. Per operation: time, cycles, "
		 "instructions,\n"
		 "allocations, bytes allocated. Needs no privilege; a PMU is used where it may be "
		 "read.\n",
	.example = "  weir bench micro --only decode,flow --runs 20 --output-dir /tmp/micro",
	.after = "Status 1: something allocates that must not, or a benchmark did not do its "
		 "work.\n",
	.list = list,
	.count = array_count(list),
};

/* ---- the program ---- */

static int find_program(struct micro *m)
{
	char buffer[PATH_MAX];
	struct locate where;

	locate_here(&where, buffer, sizeof(buffer));
	if (locate_find(&where, &program, m->program) == 0)
		return 0;
	fprintf(stderr,
		"weir bench micro: weir-bench-micro is not where it should be; install weir whole, "
		"or name its folder in WEIR_LIBEXECDIR. Tried:\n%s\n",
		m->program);
	return -ENOENT;
}

/* ask - run it with these words. Returns: its exit status, 128 and more for a signal; -errno;
 * -EINTR: we are to stop. */
static int ask(const struct micro *m, const char *const *word, char *ret, size_t bytes)
{
	struct child_how how = { .word = word, .cores = &m->cores };
	struct child c;
	int code = child_start(&c, &how);

	if (code < 0) {
		fprintf(stderr, "weir bench micro: %s: %s\n", m->program, strerror(-code));
		return code;
	}
	if (!child_wait(&c, LIMIT_S))
		code = hold_signal() != 0 ? -EINTR : -ETIMEDOUT;
	else
		code = c.status;
	child_text(&c, CHILD_OUT, ret, bytes);
	if (code != 0 && code != -EINTR) {
		char line[512] = "";

		child_line(&c, line, sizeof(line));
		fprintf(stderr, "weir bench micro: %s%s%s ended with %d: %s\n", program.name,
			word[1] != NULL ? " " : "", word[1] != NULL ? word[1] : "", code,
			line[0] != 0 ? line : "it says nothing");
	}
	child_free(&c);
	return code;
}

/* ---- what there is ---- */

/* take_row - one line of its list. False: it is none. */
static bool take_row(struct row *ret, char *line)
{
	char *field[4], *rest = line;

	for (int i = 0; i < 4; i++)
		field[i] = strsep(&rest, "\t");
	if (field[3] == NULL || field[0][0] == 0 || strlen(field[0]) >= NAME_BYTES)
		return false;
	*ret = (struct row){ .frugal = strcmp(field[2], "frugal") == 0 };
	strcpy(ret->name, field[0]);
	(void)snprintf(ret->operation, sizeof(ret->operation), "%s", field[1]);
	(void)snprintf(ret->about, sizeof(ret->about), "%s", field[3]);
	return true;
}

/* is_of - `name` itself, or a group: "flow" has flow/hit/1k in it. */
static bool is_of(const char *name, const char *wanted)
{
	size_t bytes = strlen(wanted);

	return strncmp(name, wanted, bytes) == 0 && (name[bytes] == 0 || name[bytes] == '/');
}

static bool is_wanted(const struct micro *m, const char *name)
{
	for (uint32_t i = 0; i < m->names; i++)
		if (is_of(name, m->only[i]))
			return true;
	return m->names == 0;
}

static int check_names(const struct micro *m, const struct row *all, uint32_t count)
{
	for (uint32_t i = 0; i < m->names; i++) {
		struct suggest s;
		uint32_t k = 0;

		while (k < count && !is_of(all[k].name, m->only[i]))
			k++;
		if (k < count)
			continue;
		suggest_begin(&s, m->only[i]);
		for (k = 0; k < count; k++)
			suggest_offer(&s, all[k].name);
		fprintf(stderr, "weir bench micro: --only: no such benchmark: %.80s\n", m->only[i]);
		if (s.best != NULL)
			fprintf(stderr, "  did you mean %s?\n", s.best);
		else
			fputs("  see weir bench micro --list\n", stderr);
		return -EINVAL;
	}
	return 0;
}

static int list_rows(struct micro *m)
{
	static char text[64 * 1024];
	static struct row all[ROWS_MAX];
	const char *word[] = { m->program, NULL };
	char *rest = text, *line;
	uint32_t count = 0;
	int code = ask(m, word, text, sizeof(text));

	if (code != 0)
		return code < 0 ? code : -EIO;
	while ((line = strsep(&rest, "\n")) != NULL && count < ROWS_MAX)
		count += take_row(&all[count], line);
	code = check_names(m, all, count);
	for (uint32_t i = 0; i < count && code == 0; i++)
		if (is_wanted(m, all[i].name))
			m->row[m->rows++] = all[i];
	return code;
}

static void print_rows(const struct micro *m)
{
	for (uint32_t i = 0; i < m->rows; i++)
		printf("%-26s per %-8s %s%s\n", m->row[i].name, m->row[i].operation,
		       m->row[i].about, m->row[i].frugal ? "; without an allocation" : "");
}

/* ---- a run ---- */

/* The value of `key` in "key=value key=value". False: it is not there, or no number. */
static bool take_value(const char *text, const char *key, double *ret)
{
	size_t bytes = strlen(key);

	for (const char *at = text; at != NULL; at = strchr(at, ' ')) {
		char *end;

		at += *at == ' ';
		if (strncmp(at, key, bytes) != 0 || at[bytes] != '=')
			continue;
		*ret = strtod(at + bytes + 1, &end);
		return end != at + bytes + 1;
	}
	return false;
}

/* What is told per operation, in the order of the columns. */
static const struct told {
	const char *key, *figure, *unit; /* unit: before "/packet" */
} told[] = {
	{ "ns", "time", "ns" },
	{ "cycles", "cycles", "cycles" },
	{ "instructions", "instructions", "instructions" },
	{ "allocations", "allocations", "allocations" },
	{ "allocated_bytes", "allocated", "bytes" },
	{ "system_calls", "system_calls", "calls" },
};

/* take_figures - Returns: 0; -EPROTO: its line is none of this program. */
static int take_figures(struct micro *m, struct row *row, const char *line)
{
	double value[array_count(told)];

	for (size_t i = 0; i < array_count(told); i++)
		if (!take_value(line, told[i].key, &value[i]))
			return -EPROTO;
	m->by_pmu = strstr(line, "cycles_by=pmu") != NULL;
	row->allocations = fmax(row->allocations, value[3]);
	row->allocated_bytes = fmax(row->allocated_bytes, value[4]);
	for (size_t i = 0; i < array_count(told); i++) {
		char unit[sizeof(row->operation) + 16];

		(void)snprintf(unit, sizeof(unit), "%s/%.14s", told[i].unit, row->operation);
		result_add(m->result, row->name, told[i].figure, unit, BETTER_LOWER, value[i]);
	}
	return 0;
}

static void show(const struct micro *m, const struct row *row, uint32_t round)
{
	double took = hold_now_s() - m->begun_s;
	double each = m->done > 0 ? took / m->done : 1.2 * m->seconds + OVERHEAD_S;
	int left = (int)ceil(each * (m->all - m->done));
	bool terminal = isatty(STDERR_FILENO) == 1;

	if (m->common.quiet)
		return;
	fprintf(stderr, "%sweir bench micro: round %u of %u, %u of %u: %s, %d:%02d left%s",
		terminal ? "\r" : "", round + 1, m->runs, m->done + 1, m->all, row->name, left / 60,
		left % 60, terminal ? "\033[K" : "\n");
	fflush(stderr);
}

static int run_one(struct micro *m, struct row *row)
{
	char seconds[32], line[1024] = "";
	const char *word[] = { m->program, row->name, seconds, NULL };
	int code;

	(void)snprintf(seconds, sizeof(seconds), "%.6f", m->seconds);
	code = ask(m, word, line, sizeof(line));
	m->done++;
	if (code != 0)
		return code < 0 ? code : -EIO;
	code = take_figures(m, row, line);
	if (code < 0)
		fprintf(stderr, "weir bench micro: %s is of another version of weir\n", m->program);
	return code;
}

static int run_all(struct micro *m)
{
	bool terminal = isatty(STDERR_FILENO) == 1;
	int code = 0;

	m->all = m->runs * m->rows;
	m->begun_s = hold_now_s();
	for (uint32_t i = 0; i < m->all && code == 0; i++) {
		uint32_t round = i / m->rows;
		struct row *row = &m->row[(round + i) % m->rows];

		/* Where they are kept a line for each would be hundreds. */
		if (terminal || i % m->rows == 0)
			show(m, row, round);
		code = run_one(m, row);
	}
	if (terminal && !m->common.quiet)
		fputs("\r\033[K", stderr);
	return code;
}

/* ---- what came of it ---- */

/* noise_of - medians of every other run and of the rest, which nothing tells apart. */
static double noise_of(const struct figure *f)
{
	double half[2][RUNS_MAX], median[2];
	size_t count[2] = { 0, 0 };

	for (size_t i = 0; i < f->count; i++)
		half[i % 2][count[i % 2]++] = f->sample[i];
	if (count[1] == 0)
		return NAN;
	for (int i = 0; i < 2; i++)
		median[i] = statistics_quantile(half[i], count[i], 0.5);
	return fabs(median[1] - median[0]) / (0.5 * (median[0] + median[1]));
}

/* As much as nineteen benchmarks of twenty differ from themselves. */
static void take_noise(struct micro *m)
{
	double noise[ROWS_MAX];
	size_t count = 0;

	for (uint32_t i = 0; i < m->rows; i++) {
		const struct figure *f = result_find(m->result, m->row[i].name, "time");
		double apart = f != NULL ? noise_of(f) : NAN;

		if (!isnan(apart))
			noise[count++] = apart;
	}
	m->result->noise = statistics_quantile(noise, count, NOISE_QUANTILE);
}

static void take_conditions(struct micro *m)
{
	struct result *r = m->result;

	result_machine(r);
	result_condition(r, "options", "runs", "%u", m->runs);
	result_condition(r, "options", "seconds", "%g", m->seconds);
	result_condition(r, "options", "core", "%u", m->core);
	result_condition(r, "options", "program", "%s", m->program);
	result_condition(r, "options", "cycles", "%s",
			 m->by_pmu ? "of the core, by its PMU"
				   : "of the time stamp counter: there is no PMU to read");
	for (uint32_t i = 0; i < m->rows; i++)
		result_condition(r, "benchmarks", m->row[i].name, "%s, per %s%s", m->row[i].about,
				 m->row[i].operation,
				 m->row[i].frugal ? "; must not allocate" : "");
	result_note(r,
		    "A sample is a process of its own: warm-up, then batches of about 0.1 ms, of "
		    "which the median one tells time and, without a PMU, cycles; the rest are "
		    "totals.");
	result_note(r,
		    "Allocations are the calls of malloc, mallocx, mmap and their like that weir's "
		    "own code makes; allocated bytes are what the allocator gave this thread, "
		    "those of libraries included.");
	result_note(r,
		    "Everything is in the caches as far as it fits, and alone on its core: a stage "
		    "in a capture shares them with the others and costs more.");
	if (!m->by_pmu)
		result_note(r,
			    "Without a PMU there are no instructions, and cycles are those of the "
			    "time stamp counter, which runs at one frequency whatever the core "
			    "does.");
}

/* Where DESIGN wants none there is none. Returns how many break that. */
static uint32_t judge(const struct micro *m)
{
	uint32_t broken = 0;

	for (uint32_t i = 0; i < m->rows; i++) {
		const struct row *row = &m->row[i];

		if (!row->frugal || (row->allocations == 0 && row->allocated_bytes == 0))
			continue;
		fprintf(stderr,
			"weir bench micro: %s: %.3g allocations of %.3g bytes per %s, where there "
			"must be none\n",
			row->name, row->allocations, row->allocated_bytes, row->operation);
		broken++;
	}
	return broken;
}

/* ---- the report ---- */

static const struct report_column columns[] = {
	{ "time", "time", 0, "ns" },
	{ "cycles", "cycles", 0, "per operation" },
	{ "instructions", "instructions", 0, "per operation" },
	{ "allocations", "allocations", 0, "per operation" },
	{ "allocated", "allocated", 0, "bytes" },
	{ "system_calls", "system calls", 0, "per operation" },
};

/* Benchmarks whose operations can be compared stand in one table and one panel. */
static const struct group {
	const char *title, *about, *operation[3];
} groups[] = {
	{ "Per packet",
	  "What one packet costs in each stage; the pipeline is all of them.",
	  { "packet", "hash" } },
	{ "Per message",
	  "From a segment in order to the record in the ring: reassembly, identification, the "
	  "dissector, pairing. A kept connection carries one exchange after the other; the others "
	  "are "
	  "the conversations of each dissector's corpus, mostly short, with a connection each.",
	  { "message" } },
	{ "Per flow, pair and record",
	  "Identification once per flow; pairing, the record in the ring, and its text.",
	  { "flow", "pair", "record" } },
};
enum { GROUPS = array_count(groups) };

static bool is_in(const struct group *g, const struct row *row)
{
	for (size_t i = 0; i < array_count(g->operation) && g->operation[i] != NULL; i++)
		if (strcmp(g->operation[i], row->operation) == 0)
			return true;
	return false;
}

/* The pages that are made of the result. */
struct pages {
	const char *cell[GROUPS][ROWS_MAX + 1];
	struct report_table table[GROUPS];
	size_t tables;
	struct plot_bar bar[GROUPS][ROWS_MAX];
	struct plot_panel panel[GROUPS];
	char picture[PATH_MAX];
	struct report report;
};

static struct plot_bar bar_of(const struct micro *m, const struct row *row)
{
	const struct figure *f = result_find(m->result, row->name, "time");
	struct summary s = { .median = NAN, .interval = { NAN, NAN } };

	if (f != NULL)
		s = statistics_summarise(f->sample, f->count);
	return (struct plot_bar){
		.name = row->name, .value = s.median, .low = s.interval.low, .high = s.interval.high
	};
}

static void lay_out(const struct micro *m, struct pages *p)
{
	for (size_t g = 0; g < GROUPS; g++) {
		size_t count = 0;

		for (uint32_t i = 0; i < m->rows; i++) {
			if (!is_in(&groups[g], &m->row[i]))
				continue;
			p->cell[p->tables][count] = m->row[i].name;
			p->bar[p->tables][count++] = bar_of(m, &m->row[i]);
		}
		if (count == 0)
			continue;
		p->panel[p->tables] = (struct plot_panel){ .title = groups[g].title,
							   .y_label = "time (ns)",
							   .bar = p->bar[p->tables],
							   .bars = count };
		p->table[p->tables] = (struct report_table){ .title = groups[g].title,
							     .about = groups[g].about,
							     .first_column = "benchmark",
							     .cell = p->cell[p->tables],
							     .column = columns,
							     .columns = array_count(columns) };
		p->tables++;
	}
	p->report = (struct report){ .title = "What parts of weir cost by themselves",
				     .table = p->table,
				     .tables = p->tables };
}

/* The page has bars of its own: these are for elsewhere. */
static void draw(const struct micro *m, struct pages *p)
{
	char err[PLOT_ERROR_BYTES] = "";

	(void)snprintf(p->picture, sizeof(p->picture), "%.*s/micro", PATH_MAX - 16,
		       m->common.folder);
	if (plot_draw(p->picture, "weir bench micro", p->panel, p->tables, 1, err) < 0)
		fprintf(stderr, "weir bench micro: no micro.svg and micro.png: %s\n", err);
}

static int write_pages(const struct micro *m, bool failed)
{
	static struct pages pages;
	struct report_part part = { "micro", hold_now_s() - m->begun_s, failed };

	lay_out(m, &pages);
	draw(m, &pages);
	return common_end(&m->common, options.command, m->result, &pages.report, &part, 1);
}

/* ---- all of it ---- */

/* The last processor that may be used: interrupts are mostly on the first ones. */
static void choose_core(struct micro *m)
{
	struct cpu_set allowed = { { 0 } };

	(void)cpu_allowed(&allowed);
	for (uint32_t i = 0; i < CPU_MAX; i++)
		if (cpu_has(&allowed, i))
			m->core = i;
	m->cores.word[m->core / 64] |= UINT64_C(1) << m->core % 64;
}

static int measure(struct micro *m)
{
	uint32_t broken;
	int code, status;

	if (!m->common.quiet)
		common_say_time(options.command,
				m->runs * m->rows * (1.2 * m->seconds + OVERHEAD_S),
				m->common.folder);
	m->result = result_new("micro");
	code = run_all(m);
	take_noise(m);
	take_conditions(m);
	if (code == -EINTR)
		result_note(m->result, "It was interrupted: some benchmarks have fewer runs.");
	broken = judge(m);
	status = write_pages(m, code < 0 || broken > 0);
	if (code == -EINTR)
		return STATUS_SIGNAL + hold_signal();
	if (status != STATUS_DONE)
		return status;
	printf("weir bench micro: %u benchmarks, %s\n", m->rows,
	       code < 0     ? "not all of them did their work"
	       : broken > 0 ? "some allocate where they must not"
			    : "no allocation where there must be none");
	return code < 0 || broken > 0 ? STATUS_NO : STATUS_DONE;
}

static int run_micro(struct micro *m)
{
	int code, status;

	choose_core(m);
	if (find_program(m) < 0)
		return STATUS_USAGE;
	code = list_rows(m);
	if (code == -EINTR)
		return STATUS_SIGNAL + hold_signal();
	if (code < 0)
		return code == -EINVAL ? STATUS_USAGE : STATUS_NO;
	if (m->list) {
		print_rows(m);
		return STATUS_DONE;
	}
	status = common_begin(&m->common, options.command, "micro");
	return status == STATUS_DONE ? measure(m) : status;
}

int bench_micro(int argc, char **argv)
{
	static struct micro m;
	int operands = 0, status;

	switch (arguments_take(&options, argc, argv, &m, &operands)) {
	case ARGUMENTS_TAKEN: break;
	case ARGUMENTS_HELP: return STATUS_DONE;
	case ARGUMENTS_REFUSED: return STATUS_USAGE;
	}
	if (operands > 0) {
		fprintf(stderr,
			"weir bench micro: what is %.80s? benchmarks are named with --only\n",
			argv[0]);
		return STATUS_USAGE;
	}
	m.runs = m.common.runs != 0 ? m.common.runs : m.common.quick ? QUICK_RUNS : RUNS;
	m.seconds = m.common.seconds != 0 ? m.common.seconds
		    : m.common.quick      ? QUICK_SECONDS
					  : SECONDS;
	hold_begin();
	status = run_micro(&m);
	hold_end();
	if (m.result != NULL)
		result_free(m.result);
	return status;
}
