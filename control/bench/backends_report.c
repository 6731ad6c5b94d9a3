/* backends_report - what is made of the figures of `weir bench backends`. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/bench/backends.h"
#include "control/bench/plot.h"
#include "control/weir/command.h"
#include "dataplane/base/compiler.h"

enum {
	SAMPLES_MAX = 1000,
	TABLES_MAX = 2 * BACKENDS_GROUPS_MAX + BACKENDS_LIST_MAX,
	DUEL_COLUMNS = 9,
	DUEL_ROWS_MAX = 3 * BACKENDS_GROUPS_MAX,
	DUEL_BYTES = 96,
	COLUMNS_MAX = 24,
};

static const char command_name[] = "weir bench backends";

/* ---- figures of two cells ---- */

static void name_cell(const struct backends_group *g, enum backend backend,
		      char ret[RESULT_NAME_BYTES])
{
	(void)snprintf(ret, RESULT_NAME_BYTES, "%s/%s", backend_about[backend].name, g->traffic);
}

static const struct figure *figure_of(const struct result *r, const struct backends_group *g,
				      enum backend backend, const char *name)
{
	char cell[RESULT_NAME_BYTES];

	name_cell(g, backend, cell);
	return result_find(r, cell, name);
}

/* The cost of a packet; without packets that of waiting. */
static const char *cost_of(enum backends_part part)
{
	return part == PART_idle ? "busy" : "cpu";
}

/* add_above - cell less `none`, round by round. */
static void add_above(const struct backends_group *g, enum backend backend, struct result *r)
{
	const char *cost = cost_of(g->part);
	const struct figure *none = figure_of(r, g, BACKEND_none, cost);
	const struct figure *own = figure_of(r, g, backend, cost);
	double above[SAMPLES_MAX];
	char cell[RESULT_NAME_BYTES], unit[32];
	size_t count = 0;

	if (own == NULL || none == NULL)
		return;
	(void)snprintf(unit, sizeof(unit), "%s", own->unit);
	while (count < own->count && count < none->count && count < SAMPLES_MAX) {
		above[count] = own->sample[count] - none->sample[count];
		count++;
	}
	name_cell(g, backend, cell);
	for (size_t i = 0; i < count; i++) /* which moves the figures */
		result_add(r, cell, "above", unit, BETTER_LOWER, above[i]);
}

static void add_loss(const struct backends_group *g, enum backend backend, struct result *r)
{
	const struct figure *lost = figure_of(r, g, backend, "lost");
	const struct figure *offered = figure_of(r, g, backend, "offered");
	double loss[SAMPLES_MAX];
	char cell[RESULT_NAME_BYTES];
	size_t count = 0;

	if (lost == NULL || offered == NULL)
		return;
	while (count < lost->count && count < offered->count && count < SAMPLES_MAX) {
		loss[count] = offered->sample[count] > 0
				      ? 100 * lost->sample[count] / offered->sample[count]
				      : NAN;
		count++;
	}
	name_cell(g, backend, cell);
	for (size_t i = 0; i < count; i++)
		result_add(r, cell, "loss", "%", BETTER_LOWER, loss[i]);
}

void backends_sum_up(const struct backends_cells *c, struct result *r)
{
	for (uint32_t i = 0; i < c->groups; i++) {
		for (enum backend b = BACKEND_none + 1; b < BACKENDS; b++) {
			add_above(&c->group[i], b, r);
			add_loss(&c->group[i], b, r);
		}
	}
}

double backends_unexplained(const struct result *r)
{
	double sum = 0;

	for (size_t i = 0; i < r->figures; i++)
		for (size_t k = 0;
		     strcmp(r->figure[i].name, "unexplained") == 0 && k < r->figure[i].count; k++)
			if (!isnan(r->figure[i].sample[k]))
				sum += fabs(r->figure[i].sample[k]);
	return sum;
}

/* ---- AF_XDP against pcap ---- */

struct duel {
	char text[DUEL_ROWS_MAX * DUEL_COLUMNS][DUEL_BYTES];
	const char *word[DUEL_ROWS_MAX * DUEL_COLUMNS];
	size_t rows;
};

static double median(const struct figure *f)
{
	return f == NULL ? NAN : statistics_quantile(f->sample, f->count, 0.5);
}

/* ratio - round by round, with its interval; the first in the sense of the median. NaN: one of them
 * is not above 0 in some round, since what is less than nothing has no ratio, and the rounds that
 * have one would be those where chance was kind. */
static double ratio(const struct figure *a, const struct figure *b, struct interval *ret)
{
	double each[SAMPLES_MAX];
	size_t count = 0;

	*ret = (struct interval){ NAN, NAN };
	for (size_t i = 0;
	     a != NULL && b != NULL && i < a->count && i < b->count && count < SAMPLES_MAX; i++) {
		if (isnan(a->sample[i]) || isnan(b->sample[i]))
			continue;
		if (!(a->sample[i] > 0 && b->sample[i] > 0))
			return NAN;
		each[count++] = a->sample[i] / b->sample[i];
	}
	*ret = statistics_interval(each, count);
	return statistics_quantile(each, count, 0.5);
}

static double most(const struct figure *f)
{
	return f == NULL ? NAN : statistics_quantile(f->sample, f->count, 1);
}

static void say_ratio(const struct figure *a, const struct figure *b, char ret[DUEL_BYTES])
{
	struct interval within;
	double middle = ratio(a, b, &within);

	if (isnan(middle))
		(void)snprintf(ret, DUEL_BYTES, "-");
	else
		(void)snprintf(ret, DUEL_BYTES, "%.2f (%.2f … %.2f)", middle, within.low,
			       within.high);
}

/* say_verdict - of whole machines, since that is what is measured; one that loses packets does less
 * for each. */
static void say_verdict(const struct figure *pcap, const struct figure *xdp, bool lossy,
			double noise, char ret[DUEL_BYTES])
{
	static const char *const words[] = { [VERDICT_SAME] = "no difference",
					     [VERDICT_BETTER] = "AF_XDP costs less",
					     [VERDICT_WORSE] = "AF_XDP costs more",
					     [VERDICT_UNKNOWN] = "too few runs" };
	struct difference d;

	if (lossy || pcap == NULL || xdp == NULL) {
		(void)snprintf(ret, DUEL_BYTES, "%s",
			       lossy ? "not comparable: packets were lost" : "not measured");
		return;
	}
	d = statistics_compare(pcap->sample, pcap->count, xdp->sample, xdp->count, BETTER_LOWER,
			       isnan(noise) ? 0 : noise);
	(void)snprintf(ret, DUEL_BYTES, "%s", words[d.verdict]);
}

static void add_duel(struct duel *d, const struct result *r, const struct backends_group *g,
		     enum backend mode)
{
	const struct figure *pcap = figure_of(r, g, BACKEND_pcap, "cpu");
	const struct figure *xdp = figure_of(r, g, mode, "cpu");
	const struct figure *pcap_above = figure_of(r, g, BACKEND_pcap, "above");
	const struct figure *xdp_above = figure_of(r, g, mode, "above");
	double pcap_loss = most(figure_of(r, g, BACKEND_pcap, "loss"));
	double xdp_loss = most(figure_of(r, g, mode, "loss"));
	char(*row)[DUEL_BYTES] = &d->text[d->rows * DUEL_COLUMNS];

	if (pcap == NULL || xdp == NULL || d->rows == DUEL_ROWS_MAX)
		return;
	(void)snprintf(row[0], DUEL_BYTES, "%.90s", g->title);
	(void)snprintf(row[1], DUEL_BYTES, "%s", backend_about[mode].name);
	(void)snprintf(row[2], DUEL_BYTES, "%.0f", median(pcap_above));
	(void)snprintf(row[3], DUEL_BYTES, "%.0f", median(xdp_above));
	say_ratio(xdp_above, pcap_above, row[4]);
	say_ratio(xdp, pcap, row[5]);
	(void)snprintf(row[6], DUEL_BYTES, "%.3g", pcap_loss);
	(void)snprintf(row[7], DUEL_BYTES, "%.3g", xdp_loss);
	say_verdict(pcap, xdp, pcap_loss > 0 || xdp_loss > 0, r->noise, row[8]);
	d->rows++;
}

static void fill_duel(struct duel *d, const struct result *r, const struct backends_cells *c)
{
	for (uint32_t i = 0; i < c->groups; i++)
		for (enum backend b = BACKEND_af_xdp_generic; b <= BACKEND_af_xdp_busy; b++)
			add_duel(d, r, &c->group[i], b);
	for (size_t i = 0; i < d->rows * DUEL_COLUMNS; i++)
		d->word[i] = d->text[i];
}

static const char *const duel_head[DUEL_COLUMNS] = {
	"traffic",
	"AF_XDP mode",
	"pcap: cycles/packet beyond the load",
	"AF_XDP: cycles/packet beyond the load",
	"AF_XDP / pcap, receiving alone",
	"AF_XDP / pcap, whole machine",
	"pcap lost, % at most",
	"AF_XDP lost, % at most",
	"verdict (whole machine)",
};

static const char duel_about[] =
	"Ratios are of the same round, median and interval; - where one costs no more than nobody "
	"in "
	"some round. What a veth can prove: how much work "
	"the "
	"machine has with each packet from the mirror to weir, all of it in software, under the "
	"same "
	"load and in the same minute. What it cannot: zero-copy (a veth always copies, and AF_XDP "
	"copies a frame once more than a packet socket whose ring is mapped), receive queues and "
	"interrupts of a network interface, and its DMA. So AF_XDP pays its price here without its "
	"gain; with a driver that knows zero-copy the copies go, and the stack with them. Where a "
	"receiver loses packets it does less work for each of those offered, so nothing is "
	"compared.";

static const char live_about[] = "Ratios are of the same round, median and interval; - where one "
				 "costs no more than nobody in some round. The traffic "
				 "is somebody else's, and not the "
				 "same in every run: only rounds that had about as much can be "
				 "compared. Whether AF_XDP received "
				 "in place (zero-copy) depends on the driver; weir capture "
				 "--list-rx says what it can. Where a "
				 "receiver loses packets it does less work for each of those "
				 "offered, so nothing is compared.";

/* ---- tables ---- */

static const struct report_column cost_columns[] = {
	{ "above", "beyond the load", 0, NULL },
	{ "cpu", "whole machine", 0, NULL },
	{ "busy", "busy (100: one core)", 0, NULL },
	{ "cache_misses", "cache misses", 0, "per packet" },
	{ "context_switches", "context switches", 0, "per packet" },
	{ "system_calls", "system calls", 0, "per packet" },
	{ "memory", "memory (Pss)", 1e-6, "MB" },
};

static const struct report_column frame_columns[] = {
	{ "rate", "rate", 1e-3, "thousand/s" },
	{ "offered", "offered", 0, NULL },
	{ "received", "received", 0, NULL },
	{ "lost", "lost", 0, NULL },
	{ "lost.nic", NULL, 0, NULL },
	{ "lost.driver", NULL, 0, NULL },
	{ "lost.kernel_buffer", NULL, 0, NULL },
	{ "lost.rx_ring", NULL, 0, NULL },
	{ "lost.fill_ring", NULL, 0, NULL },
	{ "lost.invalid", NULL, 0, NULL },
	{ "unexplained", "unexplained", 0, NULL },
	{ "late", "dropped before the mirror", 0, NULL },
};

static const struct report_column http_columns[] = {
	{ "above", "beyond the load", 0, NULL },
	{ "busy", "busy (100: one core)", 0, NULL },
	{ "rate", "requests answered", 0, "per second" },
	{ "matched", "pairs", 0, "per second" },
	{ "lost", "lost", 0, NULL },
	{ "unexplained", "unexplained", 0, NULL },
	{ "delay.p50", "packet to pair, p50", 1e-6, "ms" },
	{ "delay.p90", "p90", 1e-6, "ms" },
	{ "delay.p99", "p99", 1e-6, "ms" },
	{ "delay.p999", "p99.9", 1e-6, "ms" },
	{ "delay.p9999", "p99.99", 1e-6, "ms" },
	{ "latency.p50", "the client's p50", 1e-6, "ms" },
	{ "latency.p99", "the client's p99", 1e-6, "ms" },
	{ "system_calls", "system calls", 0, "per packet" },
	{ "memory.peak", "memory, peak (Pss)", 1e-6, "MB" },
};

static const struct report_column filter_columns[] = {
	{ "above", "beyond the load", 0, NULL },
	{ "cpu", "whole machine", 0, NULL },
	{ "offered", "offered", 0, NULL },
	{ "received", "received", 0, NULL },
	{ "refused", "refused and counted", 0, NULL },
	{ "lost", "lost", 0, NULL },
	{ "unexplained", "unexplained", 0, NULL },
	{ "system_calls", "system calls", 0, "per packet" },
};

static const struct report_column idle_columns[] = {
	{ "above", "beyond the machine alone (100: one core)", 0, "%" },
	{ "busy", "whole machine", 0, NULL },
	{ "busy.process", "its own processes", 0, NULL },
	{ "memory", "memory (Pss)", 1e-6, "MB" },
};

static const struct report_column limit_columns[] = {
	{ "limit", "largest rate without a loss", 1e-3, "thousand/s" },
	{ "limit.sender", "what the sender can", 1e-3, "thousand/s" },
};

/* A table of a traffic: columns, what is said about them, what its title has behind the traffic's.
 */
struct view {
	enum backends_part part;
	const struct report_column *column;
	size_t columns;
	const char *title, *about, *live_about; /* live: of an interface; NULL: the same */
};

static const struct view views[] = {
	{ PART_rates, cost_columns, array_count(cost_columns), "",
	  "`beyond the load`: cycles of the whole machine per packet, softirq included, less those "
	  "of "
	  "`none` in the same round. `spin` receives nothing and keeps a core busy: a control, one "
	  "core more." },
	{ PART_rates, frame_columns, array_count(frame_columns), ": what becomes of the frames",
	  "Every frame has a number: it is received, or lost under a name. Names that nobody "
	  "needed are "
	  "left out.",
	  "As many as the interface had in each run. A frame is received, or lost under a name. "
	  "Names that nobody needed are left out." },
	{ PART_http, http_columns, array_count(http_columns), "",
	  "Requests and answers as the mirror shows them, paired and written to /dev/null. Packet "
	  "to "
	  "pair: from the time stamp of a pair's last packet until its record was written; control "
	  "sleeps up to 10 ms unless much waits." },
	{ PART_filter, filter_columns, array_count(filter_columns), "",
	  "Where the kernel refuses packets for weir it does not say how many." },
	{ PART_idle, idle_columns, array_count(idle_columns), "",
	  "`spin` has to be 100 above: if not, something else was at work." },
	{ PART_limit, limit_columns, array_count(limit_columns), "",
	  "In the manner of RFC 2544: halving towards the largest rate at which nothing is lost; "
	  "its "
	  "trials last 60 s, these as long as a run. As much as the sender can: the limit was not "
	  "found." },
};

struct layout {
	struct report_table table[TABLES_MAX];
	struct report_column column[TABLES_MAX][COLUMNS_MAX];
	char title[TABLES_MAX][160];
	size_t tables;
	char *cell[TABLES_MAX * (BACKENDS + 1)]; /* lists that end with NULL; from malloc() */
	size_t cells;
};

static bool is_zero(const struct figure *f)
{
	for (size_t i = 0; f != NULL && i < f->count; i++)
		if (f->sample[i] != 0) /* NaN is none */
			return false;
	return true;
}

/* choose_columns - without the names under which nobody of this table has lost anything. */
static size_t choose_columns(const struct result *r, char *const *cell, const struct view *v,
			     struct report_column ret[COLUMNS_MAX])
{
	size_t columns = 0;

	for (size_t i = 0; i < v->columns; i++) {
		const struct report_column *c = &v->column[i];
		bool wanted = strncmp(c->figure, "lost.", 5) != 0;

		for (size_t k = 0; cell[k] != NULL && !wanted; k++)
			wanted = !is_zero(result_find(r, cell[k], c->figure));
		if (wanted && columns < COLUMNS_MAX)
			ret[columns++] = *c;
	}
	return columns;
}

/* add_table - of the back ends that have a cell of that traffic. */
static void add_table(struct layout *l, const struct result *r, const char *title,
		      const char *traffic, const struct view *v, const char *figure)
{
	char **first = &l->cell[l->cells];
	char cell[RESULT_NAME_BYTES];
	bool is_live; /* somebody else's */

	for (enum backend b = 0; b < BACKENDS; b++) {
		(void)snprintf(cell, sizeof(cell), "%s/%s", backend_about[b].name, traffic);
		if (result_find(r, cell, figure) != NULL)
			l->cell[l->cells++] = strdup(cell);
	}
	if (first == &l->cell[l->cells] || l->tables == TABLES_MAX)
		return;
	(void)snprintf(l->title[l->tables], sizeof(l->title[0]), "%s%s", title, v->title);
	is_live = strcmp(traffic, "live") == 0;
	l->cell[l->cells++] = NULL;
	l->table[l->tables] = (struct report_table){
		.title = l->title[l->tables],
		.about = is_live && v->live_about != NULL ? v->live_about : v->about,
		.first_column = "back end/traffic",
		.cell = (const char *const *)first,
		.column = l->column[l->tables],
		.columns = choose_columns(r, first, v, l->column[l->tables]),
	};
	l->tables++;
}

/* add_views - of one traffic. */
static void add_views(struct layout *l, const struct result *r, const char *title,
		      const char *traffic, enum backends_part part, const char *figure)
{
	for (size_t i = 0; i < array_count(views); i++)
		if (views[i].part == part)
			add_table(l, r, title, traffic, &views[i], figure);
}

static void add_tables(struct layout *l, const struct backends_plan *p,
		       const struct backends_cells *c, const struct result *r)
{
	char traffic[32], title[64];

	for (uint32_t i = 0; i < c->groups; i++)
		add_views(l, r, c->group[i].title, c->group[i].traffic, c->group[i].part,
			  cost_of(c->group[i].part));
	for (uint32_t s = 0; s < p->sizes; s++) {
		(void)snprintf(traffic, sizeof(traffic), "limit/%u", p->size[s]);
		(void)snprintf(title, sizeof(title), "loss-free rate, %u bytes", p->size[s]);
		add_views(l, r, title, traffic, PART_limit, "limit");
	}
}

/* ---- plots ---- */

static size_t add_bars(const struct result *r, const struct backends_group *g,
		       struct plot_bar bar[BACKENDS])
{
	size_t bars = 0;

	for (enum backend b = BACKEND_none + 1; b < BACKENDS; b++) {
		const struct figure *f = figure_of(r, g, b, "above");
		struct interval within;

		/* One that spins on a whole core says nothing per packet, and dwarfs the others. */
		if (f == NULL || b == BACKEND_spin)
			continue;
		within = statistics_interval(f->sample, f->count);
		bar[bars++] = (struct plot_bar){ .name = backend_about[b].name,
						 .value = median(f),
						 .low = within.low,
						 .high = within.high,
						 .colour = (uint32_t)b };
	}
	return bars;
}

static int draw(const struct backends_cells *c, const struct result *r, const char *path,
		char err[PLOT_ERROR_BYTES])
{
	static struct plot_bar bar[BACKENDS_GROUPS_MAX][BACKENDS];
	struct plot_panel panel[BACKENDS_GROUPS_MAX] = { 0 };
	size_t panels = 0;

	for (uint32_t i = 0; i < c->groups; i++) {
		const struct backends_group *g = &c->group[i];
		size_t bars = add_bars(r, g, bar[panels]);

		if (bars == 0)
			continue;
		panel[panels] = (struct plot_panel){
			.title = g->title,
			.y_label = g->part == PART_idle ? "% of one core" : "cycles/packet",
			.bar = bar[panels],
			.bars = bars,
		};
		panels++;
	}
	if (panels == 0)
		return -ENODATA;
	return plot_draw(path, "What receiving adds to the whole machine", panel, panels,
			 panels > 1 ? 2 : 1, err);
}

/* ---- all of it ---- */

int backends_report(const struct backends_plan *p, const struct backends_cells *c, struct result *r,
		    const struct report_part *part, size_t parts)
{
	static struct layout l;
	static struct duel d;
	char err[PLOT_ERROR_BYTES] = "", path[PATH_MAX + 16], svg[PATH_MAX + 24];
	struct report_words words = { .title = "AF_XDP against pcap",
				      .about = p->common.interface == NULL ? duel_about
									   : live_about,
				      .head = duel_head,
				      .columns = DUEL_COLUMNS,
				      .text = d.word };
	struct report_image image = { .title = "What receiving adds, median and interval",
				      .svg_path = svg };
	struct report layout = { .title = "What each back end costs", .table = l.table };
	int status, drawn;

	l.tables = l.cells = d.rows = 0;
	fill_duel(&d, r, c);
	add_tables(&l, p, c, r);
	(void)snprintf(path, sizeof(path), "%s/backends", p->common.folder);
	(void)snprintf(svg, sizeof(svg), "%s.svg", path);
	drawn = draw(c, r, path, err);
	if (drawn == -ENOENT)
		result_note(r, "There is no plot, because gnuplot is not installed: apt install "
			       "gnuplot-nox.");
	else if (drawn < 0 && err[0] != '\0')
		fprintf(stderr, "%s: no plot: %s\n", command_name, err);
	words.rows = d.rows;
	layout.words = d.rows > 0 ? &words : NULL;
	layout.tables = l.tables;
	layout.image = &image;
	layout.images = drawn == 0;
	status = common_end(&p->common, command_name, r, &layout, part, parts);
	for (size_t i = 0; i < l.cells; i++)
		free(l.cell[i]);
	return status;
}
