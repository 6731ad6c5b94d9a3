#include "control/bench/limits.h"

#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "control/weir/suggest.h"
#include "dataplane/base/compiler.h"

enum { LINE_BYTES = 1024 };

struct number {
	const char *name, *about;
	size_t offset;
	double min, max;
};

#define LIMIT(name, about, min, max)                                                               \
	{                                                                                          \
#name, about, offsetof(struct limits, name), min, max                              \
	}

/* A limit may be below everything that can be measured: then its gate always fails. */
static const struct number limit_numbers[] = {
	LIMIT(cpu_percent, "below: CPU time of both daemons, of all cores together", -1e6, 1e6),
	LIMIT(memory_mb, "below: Pss of all processes of the capture, in 10^6 bytes", -1e6, 1e9),
	LIMIT(events_per_second, "above: pairs matched", 0, 1e12),
	LIMIT(added_latency_ms, "below: the client's median with the capture, less that without",
	      -1e6, 1e6),
	LIMIT(error_percent, "below: requests without a good answer", -1e6, 1e6),
	LIMIT(leak_mb, "below: growth of Pss while leak_events pairs or more are matched", -1e6,
	      1e9),
	LIMIT(leak_events, NULL, 1, 1e12),
	LIMIT(heartbeat_percent, "at least: seconds in which every worker came round", 0, 1e6),
};

static const struct number scenario_numbers[] = {
	{ "requests_per_second", NULL, offsetof(struct scenario, rate), 0.1, 10e6 },
	{ "connections", NULL, offsetof(struct scenario, connections), 1, 20000 },
	{ "seconds", NULL, offsetof(struct scenario, seconds), 0.1, 7 * 24 * 3600 },
};

static const char scenario_key[] = "scenario", scenario_section[] = "scenario ";

void limits_preset(struct limits *ret)
{
	*ret = (struct limits){
		.scenario = "Medium",
		.cpu_percent = 5,
		.memory_mb = 100,
		.events_per_second = 10000,
		.added_latency_ms = 1,
		.error_percent = 1,
		.leak_mb = 10,
		.leak_events = 10000,
		.heartbeat_percent = 99.9,
		.list = { { "Light", 50, 5, 30 },
			  { "Medium", 200, 10, 60 },
			  { "Heavy", 500, 20, 60 },
			  { "Stress", 1000, 50, 30 } },
		.scenarios = 4,
	};
}

const struct scenario *limits_scenario(const struct limits *l, const char *name)
{
	for (uint32_t i = 0; i < l->scenarios; i++)
		if (strcmp(l->list[i].name, name) == 0)
			return &l->list[i];
	return NULL;
}

/* ---- reading ---- */

struct reading {
	FILE *from;
	const char *name;
	struct limits *limits;
	char *err;
	uint32_t line;
	bool own_scenarios, refused;
	uint32_t given[LIMITS_SCENARIOS_MAX]; /* numbers of a scenario that were there: bits */
};

/* refuse - Returns 0, which ends libinih's reading. */
__attribute__((format(printf, 2, 3))) static int refuse(struct reading *r, const char *format, ...)
{
	int used = snprintf(r->err, LIMITS_ERROR_BYTES, "%.200s:%u: ", r->name, r->line);
	va_list args;

	va_start(args, format);
	(void)vsnprintf(r->err + used, (size_t)(LIMITS_ERROR_BYTES - used), format, args);
	va_end(args);
	r->refused = true;
	return 0;
}

static char *read_line(char *line, int room, void *context)
{
	struct reading *r = context;
	size_t bytes;

	if (r->refused || fgets(line, room, r->from) == NULL)
		return NULL;
	r->line++;
	bytes = strlen(line);
	if (bytes + 1 == (size_t)room && line[bytes - 1] != '\n') {
		(void)refuse(r, "the line is longer than %d bytes", room - 2);
		return NULL;
	}
	return line;
}

static const struct number *find_number(const struct number *list, size_t count, const char *key)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(list[i].name, key) == 0)
			return &list[i];
	return NULL;
}

static int refuse_key(struct reading *r, const struct number *list, size_t count, const char *key)
{
	struct suggest s;

	suggest_begin(&s, key);
	for (size_t i = 0; i < count; i++)
		suggest_offer(&s, list[i].name);
	if (s.best != NULL)
		return refuse(r, "no such number: %.60s; did you mean %s?", key, s.best);
	return refuse(r, "no such number: %.60s; weir bench gates --print-limits writes all", key);
}

static int take_number(struct reading *r, const struct number *n, const char *value, void *object)
{
	char *end;
	double v = strtod(value, &end);

	if (end == value || *end != '\0' || !(v >= n->min && v <= n->max))
		return refuse(r, "%s = %.60s: a number from %g to %g is needed", n->name, value,
			      n->min, n->max);
	memcpy((char *)object + n->offset, &v, sizeof(v));
	return 1;
}

static bool is_name(const char *text)
{
	size_t bytes = strlen(text);

	if (bytes == 0 || bytes >= LIMITS_NAME_BYTES)
		return false;
	for (; *text != '\0'; text++)
		if (!isalnum((unsigned char)*text) && *text != '_' && *text != '-')
			return false;
	return true;
}

/* scenario_of - of this name; made if there is none yet. */
static struct scenario *scenario_of(struct reading *r, const char *name)
{
	struct limits *l = r->limits;

	if (!r->own_scenarios)
		l->scenarios = 0;
	r->own_scenarios = true;
	for (uint32_t i = 0; i < l->scenarios; i++)
		if (strcmp(l->list[i].name, name) == 0)
			return &l->list[i];
	if (!is_name(name)) {
		(void)refuse(r,
			     "[scenario %.60s]: a name of up to %d letters, digits, _ and - is "
			     "needed",
			     name, LIMITS_NAME_BYTES - 1);
		return NULL;
	}
	if (l->scenarios == LIMITS_SCENARIOS_MAX) {
		(void)refuse(r, "more than %d scenarios", LIMITS_SCENARIOS_MAX);
		return NULL;
	}
	l->list[l->scenarios] = (struct scenario){ 0 };
	(void)snprintf(l->list[l->scenarios].name, LIMITS_NAME_BYTES, "%s", name);
	return &l->list[l->scenarios++];
}

static int take_scenario(struct reading *r, const char *name, const char *key, const char *value)
{
	const struct number *n = find_number(scenario_numbers, array_count(scenario_numbers), key);
	struct scenario *s = scenario_of(r, name);

	if (s == NULL)
		return 0;
	if (n == NULL)
		return refuse_key(r, scenario_numbers, array_count(scenario_numbers), key);
	r->given[s - r->limits->list] |= 1U << (n - scenario_numbers);
	return take_number(r, n, value, s);
}

static int take_limit(struct reading *r, const char *key, const char *value)
{
	const struct number *n = find_number(limit_numbers, array_count(limit_numbers), key);

	if (strcmp(key, scenario_key) == 0) {
		if (!is_name(value))
			return refuse(r, "scenario = %.60s: the name of a scenario is needed",
				      value);
		(void)snprintf(r->limits->scenario, LIMITS_NAME_BYTES, "%s", value);
		return 1;
	}
	if (n == NULL)
		return refuse_key(r, limit_numbers, array_count(limit_numbers), key);
	return take_number(r, n, value, r->limits);
}

static int on_line(void *context, const char *section, const char *key, const char *value)
{
	struct reading *r = context;

	if (strcmp(section, "limits") == 0)
		return take_limit(r, key, value);
	if (strncmp(section, scenario_section, sizeof(scenario_section) - 1) == 0)
		return take_scenario(r, section + sizeof(scenario_section) - 1, key, value);
	return refuse(r, "no such section: [%.60s]; there are [limits] and [scenario NAME]",
		      section);
}

/* check_whole - what no line alone tells. */
static int check_whole(struct reading *r)
{
	const struct limits *l = r->limits;

	for (uint32_t i = 0; i < l->scenarios; i++)
		if (l->list[i].connections != floor(l->list[i].connections))
			return refuse(r, "[scenario %s] connections = %g: a whole number is needed",
				      l->list[i].name, l->list[i].connections);
	for (uint32_t i = 0; r->own_scenarios && i < l->scenarios; i++)
		for (size_t n = 0; n < array_count(scenario_numbers); n++)
			if ((r->given[i] >> n & 1) == 0)
				return refuse(r, "[scenario %s] has no %s", l->list[i].name,
					      scenario_numbers[n].name);
	if (limits_scenario(l, l->scenario) == NULL)
		return refuse(r, "scenario = %s: there is no [scenario %s]", l->scenario,
			      l->scenario);
	return 1;
}

int limits_read(FILE *from, const char *name, struct limits *ret, char err[LIMITS_ERROR_BYTES])
{
	struct reading r = { .from = from, .name = name, .limits = ret, .err = err };
	int line;

	limits_preset(ret);
	ini_allow_inline_comments = true;
	ini_allow_multiline = false;
	ini_stop_on_first_error = true;
	ini_use_stack = false;
	ini_max_line = ini_initial_alloc = LINE_BYTES;
	line = ini_parse_stream(read_line, &r, on_line, &r);
	if (!r.refused && line != 0)
		(void)refuse(&r, "neither [SECTION] nor NAME = VALUE");
	if (!r.refused && ferror(from) != 0)
		(void)refuse(&r, "it cannot be read: is it a file?");
	if (!r.refused)
		(void)check_whole(&r);
	return r.refused ? -EINVAL : 0;
}

/* ---- writing ---- */

static void print_numbers(const struct number *list, size_t count, const void *object, FILE *to)
{
	for (size_t i = 0; i < count; i++) {
		double v;

		memcpy(&v, (const char *)object + list[i].offset, sizeof(v));
		fprintf(to, "%s = %.15g", list[i].name, v);
		if (list[i].about != NULL)
			fprintf(to, " ; %s", list[i].about);
		fputc('\n', to);
	}
}

void limits_print(const struct limits *l, FILE *to)
{
	fputs("; What weir bench gates judges by. What is not here is preset; a file that has\n"
	      "; scenarios has those and no others.\n\n[limits]\n",
	      to);
	fprintf(to, "%s = %s ; where CPU time and added latency are judged\n", scenario_key,
		l->scenario);
	print_numbers(limit_numbers, array_count(limit_numbers), l, to);
	for (uint32_t i = 0; i < l->scenarios; i++) {
		fprintf(to, "\n[%s%s]\n", scenario_section, l->list[i].name);
		print_numbers(scenario_numbers, array_count(scenario_numbers), &l->list[i], to);
	}
}
