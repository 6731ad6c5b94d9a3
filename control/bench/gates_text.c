#include "control/bench/gates_text.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "dataplane/base/compiler.h"

#define MEGA 1e6

/* How a value is written among the tracer's lines. */
enum form { FORM_COUNT, FORM_SECONDS, FORM_RATE, FORM_PERCENT, FORM_TIME, FORM_BYTES };

struct line {
	const char *label, *field; /* of the tracer's file, and of its structure */
	const char *figure;
	enum form form;
	bool sum; /* over all runs; else their median */
};

static const struct line lines[] = {
	{ "Duration", "Duration", "load_seconds", FORM_SECONDS, true },
	{ "Requests Sent", "RequestsSent", "due", FORM_COUNT, true },
	{ "Requests Succeeded", "RequestsSucceeded", "succeeded", FORM_COUNT, true },
	{ "Requests Failed", "RequestsFailed", "failed", FORM_COUNT, true },
	{ "Throughput", "Throughput", "rate", FORM_RATE, false },
	{ "Error Rate", "ErrorRate", "errors", FORM_PERCENT, false },
	{ "Average Latency", "AvgLatency", "latency.mean", FORM_TIME, false },
	{ "Minimum Latency", "MinLatency", "latency.min", FORM_TIME, false },
	{ "Maximum Latency", "MaxLatency", "latency.max", FORM_TIME, false },
	{ "50th Percentile Latency", "P50Latency", "latency.p50", FORM_TIME, false },
	{ "95th Percentile Latency", "P95Latency", "latency.p95", FORM_TIME, false },
	{ "99th Percentile Latency", "P99Latency", "latency.p99", FORM_TIME, false },
	{ "Events Generated", "EventsGenerated", "pairs", FORM_COUNT, true },
	{ "Average CPU", "AverageCPU", "busy.process", FORM_PERCENT, false },
	{ "CPU Overhead", "CPUOverhead", "cpu.share", FORM_PERCENT, false },
	{ "Peak Memory", "PeakMemory", "memory.peak", FORM_BYTES, false },
	{ "Memory Overhead", "MemoryOverhead", "memory", FORM_BYTES, false },
	{ "Memory Growth", "MemoryGrowth", "leaked", FORM_BYTES, false },
	{ "Heartbeat", "Heartbeat", "heartbeat", FORM_PERCENT, false },
};

/* Shown as what a scenario has more with the capture than without. */
static const struct line differences[] = {
	{ "Average Latency Difference", "AvgLatencyDifference", "latency.mean", FORM_TIME, false },
	{ "50th Percentile Latency Difference", "P50LatencyDifference", "latency.p50", FORM_TIME,
	  false },
	{ "99th Percentile Latency Difference", "P99LatencyDifference", "latency.p99", FORM_TIME,
	  false },
	{ "Throughput Difference", "ThroughputDifference", "rate", FORM_RATE, false },
};

/* ---- values ---- */

static double figure_value(const struct result *r, const char *cell, const char *name, bool sum)
{
	const struct figure *f = result_find(r, cell, name);
	double all = 0;

	if (f == NULL || f->count == 0)
		return NAN;
	if (!sum)
		return statistics_summarise(f->sample, f->count).median;
	for (size_t i = 0; i < f->count; i++)
		all += f->sample[i];
	return all;
}

/* value_of - figures, and the two that follow from others. */
static double value_of(const struct result *r, const char *cell, const struct line *l)
{
	double due = figure_value(r, cell, "due", true),
	       failed = figure_value(r, cell, "failed", true);

	if (strcmp(l->figure, "succeeded") == 0)
		return due - failed;
	if (strcmp(l->figure, "errors") == 0)
		return due > 0 ? 100 * failed / due : NAN;
	return figure_value(r, cell, l->figure, l->sum);
}

static void write_time(double ns, FILE *to)
{
	if (fabs(ns) < 1e6)
		fprintf(to, "%.1fµs", ns / 1e3);
	else if (fabs(ns) < 1e9)
		fprintf(to, "%.3fms", ns / 1e6);
	else
		fprintf(to, "%.3fs", ns / 1e9);
}

static void write_value(double value, enum form form, FILE *to)
{
	switch (form) {
	case FORM_COUNT: fprintf(to, "%.0f", value); break;
	case FORM_SECONDS: fprintf(to, "%.2fs", value); break;
	case FORM_RATE: fprintf(to, "%.2f req/sec", value); break;
	case FORM_PERCENT: fprintf(to, "%.2f%%", value); break;
	case FORM_TIME: write_time(value, to); break;
	case FORM_BYTES: fprintf(to, "%.2f MB", value / MEGA); break;
	}
}

/* ---- a cell ---- */

struct text {
	const struct result *result;
	const char *cell, *reference; /* reference: NULL, or what is taken off */
	FILE *to;
};

static double told(const struct text *t, const struct line *l)
{
	double value = value_of(t->result, t->cell, l);

	return t->reference != NULL ? value - value_of(t->result, t->reference, l) : value;
}

static void write_lines(const struct text *t, const struct line *list, size_t count, bool fields)
{
	for (size_t i = 0; i < count; i++) {
		double value = told(t, &list[i]);

		if (isnan(value))
			continue;
		if (fields) {
			fprintf(t->to, "%s=%.12g\n", list[i].field, value);
			continue;
		}
		fprintf(t->to, "%s: ", list[i].label);
		write_value(value, list[i].form, t->to);
		fputc('\n', t->to);
	}
}

static void write_title(const char *title, FILE *to)
{
	fprintf(to, "%s\n", title);
	for (size_t i = 0; i < strlen(title); i++)
		fputc('=', to);
	fputc('\n', to);
}

static void write_cell(const struct result *r, const char *cell, const char *reference,
		       const char *name, FILE *to)
{
	const struct figure *seconds = result_find(r, cell, "seconds");
	struct text here = { .result = r, .cell = cell, .to = to };
	struct text apart = { .result = r, .cell = cell, .reference = reference, .to = to };

	if (seconds == NULL) {
		fputs("Not measured\n", to);
		return;
	}
	fprintf(to, "Runs: %zu\n", seconds->count);
	write_lines(&here, lines, array_count(lines), false);
	if (reference != NULL)
		write_lines(&apart, differences, array_count(differences), false);
	fprintf(to, "\nTestName=%s\nRuns=%zu\n", name, seconds->count);
	write_lines(&here, lines, array_count(lines), true);
	if (reference != NULL)
		write_lines(&apart, differences, array_count(differences), true);
	fputs("\nTimes: ns, from when a request was due. Bytes: Pss. Duration: s, of all runs.\n",
	      to);
}

void gates_text_baseline(const struct limits *l, const struct result *r, FILE *to)
{
	const struct scenario *s = limits_scenario(l, l->scenario);
	char cell[RESULT_NAME_BYTES];

	(void)snprintf(cell, sizeof(cell), "%s/without", s->name);
	write_title("Baseline Performance (No Tracing)", to);
	fprintf(to, "Load: %g req/sec, %g connections\n", s->rate, s->connections);
	write_cell(r, cell, NULL, "Baseline", to);
}

void gates_text_scenario(const struct scenario *s, const struct result *r, FILE *to)
{
	char cell[RESULT_NAME_BYTES], reference[RESULT_NAME_BYTES], title[LIMITS_NAME_BYTES + 32];

	(void)snprintf(cell, sizeof(cell), "%s/with", s->name);
	(void)snprintf(reference, sizeof(reference), "%s/without", s->name);
	(void)snprintf(title, sizeof(title), "Benchmark Results: %s", s->name);
	write_title(title, to);
	fprintf(to, "Load: %g req/sec, %g connections\n", s->rate, s->connections);
	write_cell(r, cell, reference, s->name, to);
}

/* ---- files ---- */

static int open_file(const char *dir, const char *name, FILE **ret, char err[RESULT_ERROR_BYTES])
{
	char path[PATH_MAX];
	int code;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	*ret = fopen(path, "we");
	if (*ret != NULL)
		return 0;
	code = -errno;
	(void)snprintf(err, RESULT_ERROR_BYTES, "%.300s: %s; name another folder with --output-dir",
		       path, strerror(-code));
	return code;
}

static int close_file(FILE *f, const char *name, char err[RESULT_ERROR_BYTES])
{
	bool bad = ferror(f) != 0;

	if (fclose(f) == 0 && !bad)
		return 0;
	(void)snprintf(err, RESULT_ERROR_BYTES, "%s: %s; is the disk full?", name, strerror(errno));
	return -EIO;
}

int gates_text_files(const struct limits *l, const struct result *r, const char *dir,
		     char err[RESULT_ERROR_BYTES])
{
	char name[LIMITS_NAME_BYTES + 32] = "baseline_performance.txt";
	FILE *f;
	int code = open_file(dir, name, &f, err);

	if (code == 0) {
		gates_text_baseline(l, r, f);
		code = close_file(f, name, err);
	}
	for (uint32_t i = 0; i < l->scenarios && code == 0; i++) {
		(void)snprintf(name, sizeof(name), "benchmark_%s_results.txt", l->list[i].name);
		code = open_file(dir, name, &f, err);
		if (code < 0)
			break;
		gates_text_scenario(&l->list[i], r, f);
		code = close_file(f, name, err);
	}
	return code;
}
