/* compare - `weir bench compare A B`: is a result better or worse than another, figure by figure?
 */
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/bench/bench.h"
#include "control/bench/grid.h"
#include "control/bench/result.h"
#include "control/bench/shown.h"
#include "control/weir/arguments.h"
#include "control/weir/command.h"
#include "dataplane/base/ensure.h"

enum { SIDES = 2, TOLD_MAX = 10, VALUE_MAX = 60 };

/* Two results are not made in the same minute: less than this is never told apart, however calm
 * each was. */
static const double noise_least = 0.02;

struct options {
	bool all, json;
	double noise; /* NaN: as the results say */
};

/* A figure that both have. */
struct compared {
	const struct figure *before, *after;
	struct difference difference;
};

/* A condition that is another; NULL: one has none. */
struct changed {
	const char *section, *name, *value[SIDES];
};

struct comparison {
	const char *path[SIDES];
	struct result *side[SIDES];
	double noise;
	struct compared *figure; /* the most relevant first */
	size_t figures, verdicts[VERDICT_UNKNOWN + 1];
	const struct figure **only[SIDES];
	size_t onlys[SIDES];
	struct changed *changed;
	size_t changes;
};

/* ---- comparing ---- */

static void *taken(size_t count, size_t bytes)
{
	void *memory = calloc(count + 1, bytes);

	ENSURE(memory != NULL);
	return memory;
}

static double larger(double a, double b)
{
	return isnan(a) ? b : isnan(b) ? a : fmax(a, b);
}

/* size_of - of a change, for sorting: what was nothing before changed without measure. */
static double size_of(const struct difference *d)
{
	return d->change == 0 ? 0 : isnan(d->relative) ? INFINITY : fabs(d->relative);
}

/* by_relevance - worse, better, the others; the larger change first. */
static int by_relevance(const void *a, const void *b)
{
	static const int order[] = {
		[VERDICT_WORSE] = 0, [VERDICT_BETTER] = 1, [VERDICT_SAME] = 2, [VERDICT_UNKNOWN] = 3
	};
	const struct compared *x = a, *y = b;
	int first = order[x->difference.verdict] - order[y->difference.verdict];
	double sizes = size_of(&y->difference) - size_of(&x->difference);

	if (first != 0)
		return first;
	if (sizes != 0 && !isnan(sizes))
		return sizes > 0 ? 1 : -1;
	return x->before < y->before ? -1 : x->before > y->before; /* as they were measured */
}

/* correct - for looking at all of them at once. What is neither good nor bad has no verdict. */
static void correct(struct comparison *c)
{
	struct difference **judged = taken(c->figures, sizeof(struct difference *));
	size_t count = 0;

	for (size_t i = 0; i < c->figures; i++)
		if (c->figure[i].before->better != BETTER_NEITHER)
			judged[count++] = &c->figure[i].difference;
	statistics_holm(judged, count);
	free(judged);
}

static void compare_figures(struct comparison *c)
{
	const struct result *a = c->side[0], *b = c->side[1];

	c->figure = taken(a->figures, sizeof(*c->figure));
	for (int s = 0; s < SIDES; s++)
		c->only[s] = taken(c->side[s]->figures, sizeof(struct figure *));
	for (size_t i = 0; i < a->figures; i++) {
		const struct figure *before = &a->figure[i];
		const struct figure *after = result_find(b, before->cell, before->name);
		struct difference d;

		if (after == NULL || strcmp(after->unit, before->unit) != 0) {
			c->only[0][c->onlys[0]++] = before;
			continue;
		}
		d = result_compare(before, after, c->noise);
		if (!isnan(d.before) || !isnan(d.after)) /* else no run told it */
			c->figure[c->figures++] = (struct compared){ before, after, d };
	}
	for (size_t i = 0; i < b->figures; i++) {
		const struct figure *after = &b->figure[i];
		const struct figure *before = result_find(a, after->cell, after->name);

		if (before == NULL || strcmp(after->unit, before->unit) != 0)
			c->only[1][c->onlys[1]++] = after;
	}
	correct(c);
	qsort(c->figure, c->figures, sizeof(*c->figure), by_relevance);
	for (size_t i = 0; i < c->figures; i++)
		c->verdicts[c->figure[i].difference.verdict]++;
}

static const char *value_of(const struct result *r, const struct condition *of)
{
	for (size_t i = 0; i < r->conditions; i++)
		if (strcmp(r->condition[i].section, of->section) == 0 &&
		    strcmp(r->condition[i].name, of->name) == 0)
			return r->condition[i].value;
	return NULL;
}

/* changes_by_itself - from minute to minute, so a difference says nothing. */
static bool changes_by_itself(const struct condition *c)
{
	return strcmp(c->name, "load before") == 0 || strcmp(c->name, "CPU MHz") == 0;
}

static void compare_conditions(struct comparison *c)
{
	c->changed = taken(c->side[0]->conditions + c->side[1]->conditions, sizeof(*c->changed));
	for (int s = 0; s < SIDES; s++)
		for (size_t i = 0; i < c->side[s]->conditions; i++) {
			const struct condition *mine = &c->side[s]->condition[i];
			const char *other = value_of(c->side[1 - s], mine);
			struct changed *changed = &c->changed[c->changes];

			if (changes_by_itself(mine) ||
			    (other != NULL && (s == 1 || strcmp(other, mine->value) == 0)))
				continue;
			changed->section = mine->section;
			changed->name = mine->name;
			changed->value[s] = mine->value;
			changed->value[1 - s] = other;
			c->changes++;
		}
}

static void comparison_free(struct comparison *c)
{
	for (int s = 0; s < SIDES; s++) {
		free(c->only[s]);
		result_free(c->side[s]);
	}
	free(c->figure);
	free(c->changed);
}

/* ---- telling it to people ---- */

static void warn(const struct comparison *c)
{
	if (strcmp(c->side[0]->what, c->side[1]->what) != 0)
		fprintf(stderr, "weir bench compare: %s and %s are different benchmarks\n",
			c->side[0]->what, c->side[1]->what);
	if (c->changes > 0)
		fprintf(stderr,
			"weir bench compare: %zu conditions differ, so a difference may be "
			"theirs:\n",
			c->changes);
	for (size_t i = 0; i < c->changes; i++) {
		const struct changed *d = &c->changed[i];

		fprintf(stderr, "  %s, %s: %.*s -> %.*s\n", d->section, d->name, VALUE_MAX,
			d->value[0] != NULL ? d->value[0] : "(not told)", VALUE_MAX,
			d->value[1] != NULL ? d->value[1] : "(not told)");
	}
}

static void put_figure(struct grid *g, const struct compared *f)
{
	const struct difference *d = &f->difference;
	char before[SHOWN_BYTES], after[SHOWN_BYTES], change[SHOWN_BYTES], low[SHOWN_BYTES],
		high[SHOWN_BYTES];

	shown_number(d->before, before);
	shown_number(d->after, after);
	shown_change(d->change, d->before, change);
	shown_change(d->interval.low, d->before, low);
	shown_change(d->interval.high, d->before, high);
	grid_put(g, "%s",
		 f->before->better == BETTER_NEITHER && d->verdict == VERDICT_SAME
			 ? "neither"
			 : verdict_name(d->verdict));
	grid_put(g, "%s", f->before->cell);
	grid_put(g, "%s", f->before->name);
	grid_put(g, "%s", before);
	grid_put(g, "%s", after);
	grid_put(g, "%s", f->before->unit);
	grid_put(g, "%s", change);
	if (isnan(d->interval.low))
		grid_put(g, "-");
	else
		grid_put(g, "%s to %s", low, high);
}

static void print_figures(const struct comparison *c, bool all)
{
	static const char *const head[] = {
		"verdict", "cell", "figure", "before", "after", "unit"
	};
	struct grid g = { .columns = 8, .left = 1 | 1 << 1 | 1 << 2 | 1 << 5 };
	char noise[SHOWN_BYTES];
	bool any = false;

	shown_percent(c->noise, noise);
	for (size_t i = 0; i < sizeof(head) / sizeof(head[0]); i++)
		grid_put(&g, "%s", head[i]);
	grid_put(&g, "difference");
	grid_put(&g, "its interval; noise %s", noise);
	for (size_t i = 0; i < c->figures; i++) {
		enum verdict v = c->figure[i].difference.verdict;

		if (!all && v != VERDICT_WORSE && v != VERDICT_BETTER)
			continue;
		put_figure(&g, &c->figure[i]);
		any = true;
	}
	if (any) {
		grid_write(&g, REPORT_PLAIN, stdout);
		putchar('\n');
	}
	grid_fini(&g);
}

static void print_only(const struct comparison *c, bool all)
{
	for (int s = 0; s < SIDES; s++) {
		if (c->onlys[s] == 0)
			continue;
		printf("only in %s: %zu figures\n", c->path[s], c->onlys[s]);
		for (size_t i = 0; i < c->onlys[s] && (all || i < TOLD_MAX); i++)
			printf("  %s %s, %s\n", c->only[s][i]->cell, c->only[s][i]->name,
			       c->only[s][i]->unit);
		if (!all && c->onlys[s] > TOLD_MAX)
			printf("  and %zu more, see --all\n", c->onlys[s] - TOLD_MAX);
	}
}

static void print(const struct comparison *c, bool all)
{
	char noise[SHOWN_BYTES];

	shown_percent(c->noise, noise);
	warn(c);
	print_figures(c, all);
	print_only(c, all);
	printf("%zu figures: %zu worse, %zu better, %zu no difference", c->figures,
	       c->verdicts[VERDICT_WORSE], c->verdicts[VERDICT_BETTER], c->verdicts[VERDICT_SAME]);
	if (c->verdicts[VERDICT_UNKNOWN] > 0)
		printf(", %zu of too few runs (three a side are needed: --runs)",
		       c->verdicts[VERDICT_UNKNOWN]);
	printf("; no change of up to %s is one\n", noise);
}

/* ---- telling it to programs ---- */

static json_t *number(double value)
{
	return isfinite(value) ? json_real(value) : json_null();
}

static json_t *text(const char *value)
{
	return value != NULL ? json_string(value) : json_null();
}

static void put(json_t *object, const char *key, json_t *value)
{
	ENSURE(json_object_set_new(object, key, value) == 0);
}

static json_t *named(const struct figure *f)
{
	json_t *o = json_object();

	put(o, "cell", text(f->cell));
	put(o, "name", text(f->name));
	put(o, "unit", text(f->unit));
	return o;
}

static json_t *figure_made(const struct compared *f)
{
	const struct difference *d = &f->difference;
	json_t *o = named(f->before), *interval = json_array();

	ENSURE(json_array_append_new(interval, number(d->interval.low)) == 0 &&
	       json_array_append_new(interval, number(d->interval.high)) == 0);
	put(o, "before", number(d->before));
	put(o, "after", number(d->after));
	put(o, "change", number(d->change));
	put(o, "relative", number(d->relative));
	put(o, "interval", interval);
	put(o, "p", number(d->p));
	put(o, "verdict", text(verdict_name(d->verdict)));
	return o;
}

static json_t *changed_made(const struct changed *d)
{
	json_t *o = json_object();

	put(o, "section", text(d->section));
	put(o, "name", text(d->name));
	put(o, "before", text(d->value[0]));
	put(o, "after", text(d->value[1]));
	return o;
}

static void print_json(const struct comparison *c)
{
	static const char *const side[] = { "before", "after" };
	static const char *const only[] = { "only_before", "only_after" };
	json_t *all = json_object(), *figures = json_array(), *changed = json_array();

	for (int s = 0; s < SIDES; s++) {
		json_t *o = json_object();

		json_t *path = json_string(c->path[s]);

		put(o, "path", path != NULL ? path : json_string("(no UTF-8)"));
		put(o, "what", text(c->side[s]->what));
		put(o, "begun", text(c->side[s]->begun));
		put(o, "noise", number(c->side[s]->noise));
		put(all, side[s], o);
	}
	put(all, "noise", number(c->noise));
	for (enum verdict v = 0; v <= VERDICT_UNKNOWN; v++)
		put(all, verdict_name(v), json_integer((json_int_t)c->verdicts[v]));
	for (size_t i = 0; i < c->changes; i++)
		ENSURE(json_array_append_new(changed, changed_made(&c->changed[i])) == 0);
	put(all, "conditions", changed);
	for (size_t i = 0; i < c->figures; i++)
		ENSURE(json_array_append_new(figures, figure_made(&c->figure[i])) == 0);
	put(all, "figures", figures);
	for (int s = 0; s < SIDES; s++) {
		json_t *list = json_array();

		for (size_t i = 0; i < c->onlys[s]; i++)
			ENSURE(json_array_append_new(list, named(c->only[s][i])) == 0);
		put(all, only[s], list);
	}
	(void)json_dumpf(all, stdout, JSON_INDENT(1)); /* main() looks at standard output */
	putchar('\n');
	json_decref(all);
}

/* ---- options ---- */

static int take_all(const char *value, void *user)
{
	(void)value;
	((struct options *)user)->all = true;
	return 0;
}

static int take_json(const char *value, void *user)
{
	(void)value;
	((struct options *)user)->json = true;
	return 0;
}

static int take_noise(const char *value, void *user)
{
	char *end;
	double percent = strtod(value, &end);

	if (end == value || (*end != '\0' && strcmp(end, "%") != 0) ||
	    !(percent >= 0 && percent <= 100))
		return -EINVAL;
	((struct options *)user)->noise = percent / 100;
	return 0;
}

static const struct argument list[] = {
	{ "all", 'a', NULL, "every figure, not only what is better or worse", take_all, NULL },
	{ "json", 0, NULL, "one object, with every figure", take_json, NULL },
	{ "noise", 0, "PERCENT",
	  "what is no larger is no difference (the larger of both; at least 2)", take_noise,
	  "a percentage such as 3" },
};

static const struct arguments arguments = {
	.command = "weir bench compare",
	.usage = "weir bench compare A B [OPTION...]",
	.about = "Says of each figure that two results have whether B is better or worse than A. A "
		 "and B: a\n"
		 "result.json, or the folder of a benchmark.\n"
		 "\n"
		 "Worse or better is what is beyond the noise, apart in its runs, and unlikely "
		 "even though so\n"
		 "many figures are looked at: the same build against itself says no difference in "
		 "19 of 20\n"
		 "comparisons. That takes three runs a side at least; more find smaller "
		 "differences. What\n"
		 "changed on the machine between the two is in neither: compare what was measured "
		 "in one go.\n"
		 "\n"
		 "Exit status: 0 nothing is worse, 1 something is, 2 usage, 5 a result cannot be "
		 "read.\n",
	.example = "  weir bench modes --output-dir before      # then the other build\n"
		   "  weir bench modes --output-dir after\n"
		   "  weir bench compare before after",
	.list = list,
	.count = sizeof(list) / sizeof(list[0]),
};

static int compare(struct comparison *c, const struct options *o)
{
	char err[RESULT_ERROR_BYTES];

	for (int s = 0; s < SIDES; s++)
		if (result_read(c->path[s], &c->side[s], err) < 0) {
			fprintf(stderr, "weir bench compare: %s\n", err);
			return STATUS_SOURCE;
		}
	c->noise = !isnan(o->noise)
			   ? o->noise
			   : fmax(noise_least, larger(c->side[0]->noise, c->side[1]->noise));
	compare_figures(c);
	compare_conditions(c);
	if (c->figures == 0) {
		fprintf(stderr,
			"weir bench compare: %s and %s have no figure in common: name two results "
			"of "
			"one benchmark\n",
			c->path[0], c->path[1]);
		return STATUS_USAGE;
	}
	if (o->json)
		print_json(c);
	else
		print(c, o->all);
	return c->verdicts[VERDICT_WORSE] > 0 ? STATUS_NO : STATUS_DONE;
}

int bench_compare(int argc, char **argv)
{
	struct options o = { .noise = NAN };
	struct comparison c = { .noise = NAN };
	int operands, status;

	switch (arguments_take(&arguments, argc, argv, &o, &operands)) {
	case ARGUMENTS_TAKEN: break;
	case ARGUMENTS_HELP: return STATUS_DONE;
	case ARGUMENTS_REFUSED: return STATUS_USAGE;
	}
	if (operands != SIDES) {
		fprintf(stderr,
			"weir bench compare: two results are needed, before and after, and %d "
			"are named; see weir bench compare --help\n",
			operands);
		return STATUS_USAGE;
	}
	c.path[0] = argv[0];
	c.path[1] = argv[1];
	status = compare(&c, &o);
	comparison_free(&c);
	return status;
}
