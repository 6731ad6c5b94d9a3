/* plot_logs - stats logs as one picture. */
#include "control/bench/plot_logs.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/bench/bench.h"
#include "control/bench/plot.h"
#include "control/bench/statistics.h"
#include "control/bench/stats_log.h"
#include "control/weir/arguments.h"
#include "control/weir/command.h"

enum { NAME_BYTES = 96, COLUMNS = 2 };

struct entry {
	const char *path, *name; /* name: the path's last part */
	long number;             /* in front of the name; -1: none */
	int unreadable;          /* -errno */
	size_t order;            /* in which they were given */
	struct stats_log log;
};

/* Logs with the same number: from..to of the sorted entries. */
struct group {
	size_t from, to;
	char label[NAME_BYTES];
};

struct drawing {
	const struct plot_logs_plan *plan;
	struct entry *entry; /* sorted: by number, then as they were given */
	size_t entries, groups;
	struct group *group;
};

static void *make(size_t count, size_t bytes)
{
	void *ret = calloc(count > 0 ? count : 1, bytes);

	if (ret == NULL)
		abort();
	return ret;
}

/* ---- logs ---- */

static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL && slash[1] != '\0' ? slash + 1 : path;
}

static long number_before(const char *name)
{
	long number = 0;

	if (!isdigit((unsigned char)*name))
		return -1;
	for (int i = 0; isdigit((unsigned char)name[i]) && i < 9; i++)
		number = number * 10 + (name[i] - '0');
	return number;
}

static bool is_usable(const struct entry *e)
{
	return e->unreadable == 0 && stats_log_usable(&e->log);
}

static void tell(const struct drawing *d, const struct entry *e, const char *what)
{
	fprintf(stderr, "%s: %.200s: %s\n", d->plan->command, e->path, what);
}

/* tell_faults - Returns the exit status that this log calls for. */
static int tell_faults(const struct drawing *d, const struct entry *e)
{
	const struct stats_log *log = &e->log;
	char text[160];

	if (e->unreadable < 0) {
		tell(d, e, strerror(-e->unreadable));
		return STATUS_SOURCE;
	}
	if (!stats_log_usable(log)) {
		tell(d, e,
		     log->compressed      ? "is compressed; unpack it first"
		     : log->binary        ? "is no text, so no log"
		     : log->unstamped > 0 ? "has stats lines but no time stamp before them"
					  : "has no stats lines; weir writes them with "
					    "--stats-interval, the Go tapper with -stats");
		return STATUS_DAMAGED;
	}
	if (log->backwards > 0) {
		(void)snprintf(text, sizeof(text),
			       "its clock goes back, %llu times; time stands still there, and the "
			       "interval has no rate",
			       (unsigned long long)log->backwards);
		tell(d, e, text);
	}
	if (log->no_interval)
		tell(d, e, "has one interval of unknown length, so no rates");
	if (log->unstamped > 0)
		tell(d, e, "the stats lines before its first time stamp are left out");
	if (log->cut == 0)
		return STATUS_DONE;
	(void)snprintf(text, sizeof(text), "%llu stats line%s off; what is before is shown",
		       (unsigned long long)log->cut, log->cut == 1 ? " breaks" : "s break");
	tell(d, e, text);
	return STATUS_DAMAGED;
}

static int by_number(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	if (x->number != y->number) /* those without a number last */
		return x->number < 0 ? 1 : y->number < 0 ? -1 : x->number < y->number ? -1 : 1;
	return x->order < y->order ? -1 : 1;
}

/* read_logs - and tell what is wrong with them, in order. Returns: the gravest status. */
static int read_logs(struct drawing *d)
{
	int status = STATUS_DONE;

	for (size_t i = 0; i < d->entries; i++) {
		struct entry *e = &d->entry[i];

		e->path = d->plan->path[i];
		e->name = last_part(e->path);
		e->number = number_before(e->name);
		e->order = i;
	}
	qsort(d->entry, d->entries, sizeof(*d->entry), by_number);
	for (size_t i = 0; i < d->entries; i++) {
		struct entry *e = &d->entry[i];
		int one;

		e->unreadable = stats_log_read(&e->log, e->path);
		one = tell_faults(d, e);
		status = one > status ? one : status;
	}
	return status;
}

/* ---- groups ---- */

/* What the runs have in common: without .log, and of several without _0. */
static void name_group(const struct drawing *d, struct group *g)
{
	const char *name = d->entry[g->from].name;
	size_t bytes = strlen(name);

	if (bytes > 4 && strcmp(name + bytes - 4, ".log") == 0)
		bytes -= 4;
	if (g->to - g->from > 1) {
		size_t end = bytes;

		while (end > 0 && isdigit((unsigned char)name[end - 1]))
			end--;
		if (end > 1 && end < bytes && (name[end - 1] == '_' || name[end - 1] == '-'))
			bytes = end - 1;
	}
	bytes = bytes < 64 ? bytes : 64;
	if (g->to - g->from > 1)
		(void)snprintf(g->label, sizeof(g->label), "%.*s (%zu runs)", (int)bytes, name,
			       g->to - g->from);
	else
		(void)snprintf(g->label, sizeof(g->label), "%.*s", (int)bytes, name);
}

/* make_groups - of the usable logs, which come to the front. */
static void make_groups(struct drawing *d)
{
	size_t usable = 0;

	for (size_t i = 0; i < d->entries; i++) {
		struct entry e = d->entry[i];

		if (!is_usable(&e))
			continue;
		memmove(&d->entry[usable + 1], &d->entry[usable], (i - usable) * sizeof(e));
		d->entry[usable++] = e;
	}
	for (size_t i = 0; i < usable; i++) {
		struct group *g = &d->group[d->groups];

		if (d->groups > 0 && d->entry[i].number >= 0 &&
		    d->entry[g[-1].from].number == d->entry[i].number) {
			g[-1].to = i + 1;
			continue;
		}
		*g = (struct group){ .from = i, .to = i + 1 };
		d->groups++;
	}
	for (size_t i = 0; i < d->groups; i++)
		name_group(d, &d->group[i]);
}

/* ---- lines ---- */

static double spacing(const struct stats_log_series *s)
{
	return s->count > 1 ? (s->x[s->count - 1] - s->x[0]) / (double)(s->count - 1) : 0;
}

/* value_at - between two samples, on a straight line; beyond the first and the last as far as half
 * an interval. NaN: it was not told there. */
static double value_at(const struct stats_log_series *s, double x)
{
	size_t low = 0, high = s->count;

	while (low < high) { /* the first sample not before x */
		size_t middle = low + (high - low) / 2;

		if (s->x[middle] < x)
			low = middle + 1;
		else
			high = middle;
	}
	if (s->count == 0)
		return NAN;
	if (low < s->count && (s->x[low] == x || low == 0))
		return s->x[low] - x <= spacing(s) / 2 ? s->y[low] : NAN;
	if (low == s->count)
		return x - s->x[low - 1] <= spacing(s) / 2 ? s->y[low - 1] : NAN;
	return s->y[low - 1] +
	       (s->y[low] - s->y[low - 1]) * (x - s->x[low - 1]) / (s->x[low] - s->x[low - 1]);
}

static const struct stats_log_series *series_of(const struct drawing *d, size_t entry, int series)
{
	return &d->entry[entry].log.series[series];
}

/* put_median - of all runs at the times of the longest, with the least and the most. */
static void put_median(const struct drawing *d, const struct group *g, int series,
		       struct plot_line *ret)
{
	const struct stats_log_series *longest = series_of(d, g->from, series);
	double *y, *low, *high, *value = make(g->to - g->from, sizeof(double));

	for (size_t i = g->from; i < g->to; i++)
		if (series_of(d, i, series)->count > longest->count)
			longest = series_of(d, i, series);
	ret->x = longest->x;
	ret->count = longest->count;
	ret->y = y = make(ret->count, sizeof(double));
	ret->low = low = make(ret->count, sizeof(double));
	ret->high = high = make(ret->count, sizeof(double));
	for (size_t k = 0; k < ret->count; k++) {
		size_t n = 0;

		for (size_t i = g->from; i < g->to; i++) {
			double v = value_at(series_of(d, i, series), ret->x[k]);

			if (!isnan(v))
				value[n++] = v;
		}
		y[k] = statistics_quantile(value, n, 0.5);
		low[k] = statistics_quantile(value, n, 0);
		high[k] = statistics_quantile(value, n, 1);
	}
	free(value);
}

static void put_line(const struct drawing *d, size_t group, int series, struct plot_line *ret)
{
	const struct group *g = &d->group[group];

	*ret = (struct plot_line){ .name = g->label, .colour = (uint32_t)group };
	if (g->to - g->from > 1) {
		put_median(d, g, series, ret);
		return;
	}
	ret->x = series_of(d, g->from, series)->x;
	ret->y = series_of(d, g->from, series)->y;
	ret->count = series_of(d, g->from, series)->count;
}

static void free_line(const struct plot_line *l)
{
	if (l->low == NULL)
		return;
	free((void *)(uintptr_t)l->y);
	free((void *)(uintptr_t)l->low);
	free((void *)(uintptr_t)l->high);
}

static int draw(const struct drawing *d, char err[PLOT_ERROR_BYTES])
{
	struct plot_line *line = make(d->groups * STATS_LOG_SERIES, sizeof(*line));
	struct plot_panel panel[STATS_LOG_SERIES];
	int bad;

	for (int s = 0; s < STATS_LOG_SERIES; s++) {
		panel[s] = (struct plot_panel){
			.title = stats_log_kind[s].name,
			.x_label = "time since the log began (s)",
			.y_label = stats_log_kind[s].unit,
			.line = &line[(size_t)s * d->groups],
			.lines = d->groups,
		};
		for (size_t g = 0; g < d->groups; g++)
			put_line(d, g, s, &line[(size_t)s * d->groups + g]);
	}
	bad = plot_draw(d->plan->output, d->plan->title, panel, STATS_LOG_SERIES, COLUMNS, err);
	for (size_t i = 0; i < d->groups * STATS_LOG_SERIES; i++)
		free_line(&line[i]);
	free(line);
	return bad;
}

/* ---- the page ---- */

static void put_html(FILE *to, const char *text)
{
	for (const char *at = text; *at != '\0'; at++)
		switch (*at) {
		case '<': fputs("&lt;", to); break;
		case '>': fputs("&gt;", to); break;
		case '&': fputs("&amp;", to); break;
		default: fputc((unsigned char)*at < 0x20 ? '?' : *at, to);
		}
}

static double mean_of(const struct stats_log_series *s)
{
	double sum = 0;
	size_t n = 0;

	for (size_t i = 0; i < s->count; i++)
		if (!isnan(s->y[i])) {
			sum += s->y[i];
			n++;
		}
	return n > 0 ? sum / (double)n : NAN;
}

static double most_of(const struct stats_log_series *s)
{
	double most = NAN;

	for (size_t i = 0; i < s->count; i++)
		most = fmax(most, s->y[i]);
	return most;
}

static void put_cell(FILE *to, const char *format, double value)
{
	fputs("<td>", to);
	if (isnan(value))
		fputs("&ndash;", to);
	else
		fprintf(to, format, value);
}

static void put_row(FILE *to, size_t group, const struct entry *e)
{
	const struct stats_log *log = &e->log;

	fprintf(to, "<tr><th scope=row><span style=\"background:%s\"></span>",
		is_usable(e) ? plot_colour((uint32_t)group) : "transparent");
	put_html(to, e->name);
	if (!is_usable(e)) {
		fputs("<td colspan=9 class=none>nothing to show\n", to);
		return;
	}
	put_cell(to, "%.1f", log->seconds);
	put_cell(to, "%.1f", mean_of(&log->series[STATS_LOG_CPU]));
	put_cell(to, "%.1f", most_of(&log->series[STATS_LOG_RSS]));
	put_cell(to, "%.1f", most_of(&log->series[STATS_LOG_HEAP]));
	put_cell(to, "%.0f", log->total[STATS_LOG_PACKETS]);
	put_cell(to, "%.1f", log->total[STATS_LOG_BYTES]);
	put_cell(to, "%.0f", log->total[STATS_LOG_MATCHED]);
	put_cell(to, "%.0f", log->total[STATS_LOG_DROPPED]);
	put_cell(to, "%.0f", log->total[STATS_LOG_SHED]);
	fputc('\n', to);
}

static void put_rows(FILE *to, const struct drawing *d)
{
	size_t group = 0;

	for (size_t i = 0; i < d->entries; i++) {
		if (group + 1 < d->groups && i >= d->group[group].to)
			group++;
		put_row(to, group, &d->entry[i]);
	}
}

static const char page_head[] =
	"<style>\n"
	"body{font:16px/1.5 sans-serif;margin:2em auto;max-width:1460px;padding:0 1em;color:#222}\n"
	"table{border-collapse:collapse}td,th{padding:.2em .8em;border-bottom:1px solid #ddd;"
	"text-align:right;font-variant-numeric:tabular-nums}th{font-weight:600}"
	"tr>:first-child{text-align:left;white-space:nowrap}thead th{vertical-align:bottom}\n"
	"th span{display:inline-block;width:.8em;height:.8em;margin-right:.5em}.none{color:#666;"
	"text-align:left}svg{width:100%;height:auto}\n"
	"</style>\n";

static const char page_columns[] =
	"<table><thead><tr><th>log<th>seconds<th>cpu, mean<br>% of one core<th>rss, most<br>MiB"
	"<th>heap, most<br>MiB<th>packets<th>MiB<th>pairs<th>packets dropped<br>by sources"
	"<th>throttled packets,<br>dropped streams</thead>\n";

static const char page_foot[] =
	"<p>Counts are those of an interval, here per second. packetsCount is without "
	"ignoredPacketsCount. Logs whose names begin with the same number are runs of the same "
	"thing: the line is the median of the runs, the band from the least to the most. A panel "
	"without a line was not told by any log.</p>\n";

static int copy_file(const char *path, FILE *to)
{
	FILE *f = fopen(path, "re");
	char block[8192];
	size_t n;

	if (f == NULL)
		return -errno;
	while ((n = fread(block, 1, sizeof(block), f)) > 0)
		fwrite(block, 1, n, to);
	fclose(f);
	return 0;
}

/* open_output - OUTPUT and the ending. Returns NULL after telling. */
static FILE *open_output(const struct plot_logs_plan *plan, const char *path, const char *ending)
{
	char *name;
	FILE *f;

	if (asprintf(&name, "%s%s", path, ending) < 0)
		abort();
	f = fopen(name, "we");
	if (f == NULL)
		fprintf(stderr, "%s: %.300s cannot be written: %s\n", plan->command, name,
			strerror(errno));
	free(name);
	return f;
}

static int close_output(const struct plot_logs_plan *plan, const char *path, FILE *f)
{
	bool bad = ferror(f) != 0;

	bad = fclose(f) != 0 || bad;
	if (bad)
		fprintf(stderr, "%s: %.300s cannot be written whole: %s\n", plan->command, path,
			strerror(errno));
	return bad ? STATUS_OUTPUT : STATUS_DONE;
}

static int write_page(const struct drawing *d, const char *no_picture)
{
	FILE *to = open_output(d->plan, d->plan->output, ".html");
	char *svg;

	if (to == NULL)
		return STATUS_OUTPUT;
	fputs("<!DOCTYPE html>\n<html lang=en><meta charset=utf-8>\n<title>", to);
	put_html(to, d->plan->title);
	fprintf(to, "</title>\n%s", page_head);
	if (asprintf(&svg, "%s.svg", d->plan->output) < 0)
		abort();
	if (no_picture == NULL && copy_file(svg, to) < 0)
		no_picture = "the picture cannot be read again";
	free(svg);
	if (no_picture != NULL) {
		fputs("<h1>", to);
		put_html(to, d->plan->title);
		fputs("</h1>\n<p><strong>No picture: ", to);
		put_html(to, no_picture);
		fputs("</strong></p>\n", to);
	}
	fputs(page_columns, to);
	put_rows(to, d);
	fprintf(to, "</table>\n%s</html>\n", page_foot);
	return close_output(d->plan, d->plan->output, to);
}

/* ---- the table ---- */

static void put_samples(FILE *to, const struct entry *e)
{
	for (int s = 0; s < STATS_LOG_SERIES; s++)
		for (size_t i = 0; i < e->log.series[s].count; i++)
			fprintf(to, "%s\t%s\t%s\t%.3f\t%.9g\n", e->name, stats_log_kind[s].name,
				stats_log_kind[s].unit, e->log.series[s].x[i],
				e->log.series[s].y[i]);
}

static int write_table(const struct drawing *d)
{
	FILE *to;

	if (d->plan->table == NULL)
		return STATUS_DONE;
	to = open_output(d->plan, d->plan->table, "");
	if (to == NULL)
		return STATUS_OUTPUT;
	fputs("log\tseries\tunit\tseconds\tvalue\n", to);
	for (size_t i = 0; i < d->entries; i++)
		if (is_usable(&d->entry[i]))
			put_samples(to, &d->entry[i]);
	return close_output(d->plan, d->plan->table, to);
}

/* ---- all of it ---- */

static int graver(int a, int b)
{
	return a > b ? a : b;
}

static int show(const struct drawing *d)
{
	char err[PLOT_ERROR_BYTES];
	int bad = draw(d, err), status = STATUS_DONE;

	if (bad < 0) {
		fprintf(stderr, "%s: %s\n", d->plan->command, err);
		status = STATUS_OUTPUT;
	}
	status = graver(status, write_page(d, bad < 0 ? err : NULL));
	return graver(status, write_table(d));
}

int plot_logs(const struct plot_logs_plan *plan)
{
	struct drawing d = {
		.plan = plan,
		.entries = plan->count,
		.entry = make(plan->count, sizeof(*d.entry)),
		.group = make(plan->count, sizeof(*d.group)),
	};
	int status = read_logs(&d);

	make_groups(&d);
	if (d.groups > 0)
		status = graver(status, show(&d));
	else
		fprintf(stderr, "%s: there is nothing to draw\n", plan->command);
	for (size_t i = 0; i < d.entries; i++)
		if (d.entry[i].unreadable == 0)
			stats_log_free(&d.entry[i].log);
	free(d.entry);
	free(d.group);
	return status;
}

/* ---- the command ---- */

struct chosen {
	char output[4096];
	const char *title, *table;
};

static int take_output(const char *value, void *user)
{
	static const char *const endings[] = { ".png", ".svg", ".html" };
	struct chosen *c = user;
	size_t bytes = strlen(value);

	for (size_t i = 0; i < 3; i++) {
		size_t n = strlen(endings[i]);

		if (bytes > n && strcmp(value + bytes - n, endings[i]) == 0) {
			bytes -= n;
			break;
		}
	}
	if (bytes == 0 || bytes >= sizeof(c->output) || value[bytes - 1] == '/')
		return -EINVAL;
	(void)snprintf(c->output, sizeof(c->output), "%.*s", (int)bytes, value);
	return 0;
}

static int take_title(const char *value, void *user)
{
	((struct chosen *)user)->title = value;
	return 0;
}

static int take_table(const char *value, void *user)
{
	((struct chosen *)user)->table = value;
	return *value != '\0' ? 0 : -EINVAL;
}

static const struct argument options[] = {
	{ "output", 'o', "NAME", "NAME.png, NAME.svg and NAME.html are written (graph)",
	  take_output, "the name of a file, without its ending" },
	{ "table", 0, "FILE", "every sample too, tab-separated, into this file", take_table,
	  "the name of a file" },
	{ "title", 0, "TEXT", "above the picture (stats lines)", take_title, NULL },
};

static const struct arguments arguments = {
	.command = "weir plot",
	.usage = "weir plot [OPTION...] LOG...     the same: weir bench plot",
	.about = "Draws the stats lines of logs: weir's (--stats-interval), and the Go tapper's "
		 "own, old "
		 "(stats -)\n"
		 "and new (app stats -). Time is that of the lines' own time stamps, since the "
		 "log's "
		 "first; counts\n"
		 "are per second. Logs whose names begin with the same number have one colour; the "
		 "line "
		 "is the median\n"
		 "of the runs, the band from the least to the most.\n"
		 "\n"
		 "A log without stats lines, or one that breaks off, is named; the others are "
		 "drawn. "
		 "Status: 4 then,\n"
		 "5 if a log cannot be read, 6 if the picture cannot be drawn. Needs gnuplot "
		 "(package "
		 "gnuplot-nox).\n",
	.example = "  weir plot --output graph *.log",
	.list = options,
	.count = sizeof(options) / sizeof(options[0]),
};

int bench_plot(int argc, char **argv)
{
	struct chosen c = { .output = "graph", .title = "stats lines" };
	int logs = 0;

	switch (arguments_take(&arguments, argc, argv, &c, &logs)) {
	case ARGUMENTS_HELP: return STATUS_DONE;
	case ARGUMENTS_REFUSED: return STATUS_USAGE;
	case ARGUMENTS_TAKEN: break;
	}
	if (logs == 0) {
		fputs("weir plot: of which logs? weir plot LOG...; see weir plot --help\n", stderr);
		return STATUS_USAGE;
	}
	return plot_logs(&(struct plot_logs_plan){ .command = "weir plot",
						   .path = (const char *const *)argv,
						   .count = (size_t)logs,
						   .output = c.output,
						   .title = c.title,
						   .table = c.table });
}
