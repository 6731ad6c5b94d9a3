/* told - what the programs of a trial say of it in the end, as figures. */
#include "control/bench/told.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/compiler.h"
#include "dataplane/shm/settings.h"

static const struct trial_times no_times = { .count = 0,
					     .min = NAN,
					     .p50 = NAN,
					     .p90 = NAN,
					     .p95 = NAN,
					     .p99 = NAN,
					     .p999 = NAN,
					     .p9999 = NAN,
					     .max = NAN,
					     .mean = NAN };

void told_nothing(struct trial_outcome *ret)
{
	*ret = (struct trial_outcome){
		.seconds = NAN,
		.packets = NAN,
		.offered = NAN,
		.rate = NAN,
		.late = NAN,
		.received = NAN,
		.refused = NAN,
		.unexplained = NAN,
		.pairs = NAN,
		.requests = NAN,
		.failed = NAN,
		.due = NAN,
		.leaked = NAN,
		.leaked_over = NAN,
		.load_s = NAN,
		.matched = NAN,
		.matched_s = NAN,
		.client = no_times,
		.service = no_times,
		.lateness = no_times,
		.pair_delay = no_times,
		.system_calls = NAN,
		.disturbed = NAN,
		.receiver_cpu_s = NAN,
		.receiver_pss_first_bytes = NAN,
		.receiver_pss_bytes = NAN,
		.receiver_pss_peak_bytes = NAN,
		.heartbeat = NAN,
	};
}

/* ---- JSON ---- */

static json_t *parse(const char *text)
{
	json_t *root = json_loads(text, JSON_DISABLE_EOF_CHECK, NULL);

	if (json_is_object(root))
		return root;
	json_decref(root);
	return NULL;
}

static double number(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	return json_is_number(value) ? json_number_value(value) : NAN;
}

static double number_or_none(const json_t *object, const char *key)
{
	double value = number(object, key);

	return isnan(value) ? 0 : value;
}

/* take_times - a histogram that nothing was recorded in is as good as none. */
static void take_times(const json_t *object, double count, struct trial_times *ret)
{
	if (!json_is_object(object) || !(count > 0))
		return;
	*ret = (struct trial_times){
		.count = count,
		.p50 = number(object, "p50"),
		.p90 = number(object, "p90"),
		.p99 = number(object, "p99"),
		.p999 = number(object, "p999"),
		.p9999 = number(object, "p9999"),
		.max = number(object, "max"),
		.mean = number(object, "mean"),
		.min = number(object, "min"),
		.p95 = number(object, "p95"),
	};
}

/* ---- the ledger ---- */

static void add_loss(struct trial_outcome *o, const char *name, double packets)
{
	for (uint32_t i = 0; i < o->losses; i++) {
		if (strcmp(o->lost[i].name, name) == 0) {
			o->lost[i].packets += packets;
			return;
		}
	}
	if (o->losses == TRIAL_LOST_MAX)
		return;
	(void)snprintf(o->lost[o->losses].name, sizeof(o->lost[0].name), "%s", name);
	o->lost[o->losses++].packets = packets;
}

static void take_losses(const json_t *out, struct trial_outcome *o)
{
	static const char prefix[] = "lost.";
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)out, key,
			    value) if (strncmp(key, prefix, sizeof(prefix) - 1) == 0)
		add_loss(o, key + sizeof(prefix) - 1, json_number_value(value));
}

static void take_balance(const json_t *balance, struct trial_outcome *o, double *offered)
{
	const json_t *out = json_object_get(balance, "out");
	const char *name = json_string_value(json_object_get(balance, "name"));

	if (name == NULL)
		return;
	if (strcmp(name, "source") == 0) {
		*offered += number(json_object_get(balance, "in"), "offered");
		o->received += number_or_none(out, "received");
		o->refused += number_or_none(out, "refused");
		take_losses(out, o);
	} else if (strcmp(name, "packets") == 0) {
		/* Refused by weir's own filter; the source has received them. */
		o->refused += number_or_none(out, "filtered");
		o->received -= number_or_none(out, "filtered");
	} else if (strcmp(name, "requests") == 0) {
		o->pairs += number_or_none(out, "paired");
	}
}

static void take_stages(const json_t *beside, struct trial_outcome *o)
{
	double packets = number_or_none(beside, "timed_packets");

	for (unsigned s = STAGE_rx; s <= STAGE_emit && packets > 0; s++) {
		char key[48];

		(void)snprintf(key, sizeof(key), "cycles.%s", stage_name(s));
		if (o->stages == TRIAL_STAGES_MAX)
			return;
		o->stage_name[o->stages] = stage_name(s);
		o->stage_cycles[o->stages++] = number_or_none(beside, key) / packets;
	}
}

int told_ledger(const char *json, struct trial_outcome *ret, double *ret_offered)
{
	json_t *root = parse(json), *balances, *balance, *delay;
	size_t i;

	if (root == NULL)
		return -EINVAL;
	balances = json_object_get(root, "balances");
	if (!json_is_array(balances)) {
		json_decref(root);
		return -EINVAL;
	}
	ret->received = ret->refused = ret->pairs = *ret_offered = 0;
	json_array_foreach(balances, i, balance) take_balance(balance, ret, ret_offered);
	take_stages(json_object_get(root, "beside"), ret);
	delay = json_object_get(root, "pair_delay_ns");
	take_times(delay, number(delay, "count"), &ret->pair_delay);
	ret->closed = json_is_true(json_object_get(root, "closed"));
	json_decref(root);
	return 0;
}

/* ---- loads ---- */

int told_send(const char *json, struct trial_outcome *ret, double *ret_first, double *ret_last)
{
	json_t *root = parse(json);

	if (root == NULL)
		return -EINVAL;
	ret->offered = number(root, "frames");
	ret->rate = number(root, "rate");
	ret->late = number(root, "dropped");
	*ret_first = number(root, "first_number");
	*ret_last = number(root, "last_number");
	json_decref(root);
	return isnan(ret->offered) ? -EINVAL : 0;
}

int told_load(const char *json, struct trial_outcome *ret)
{
	json_t *root = parse(json);
	double answered;

	if (root == NULL)
		return -EINVAL;
	answered = number(root, "answered");
	ret->requests = answered;
	ret->failed = number(root, "failed") + number(root, "bad_status");
	ret->due = number(root, "due");
	ret->load_s = number(root, "seconds");
	ret->rate = number(root, "rate");
	take_times(json_object_get(root, "latency_ns"), answered, &ret->client);
	take_times(json_object_get(root, "service_ns"), answered, &ret->service);
	take_times(json_object_get(root, "lateness_ns"), answered, &ret->lateness);
	json_decref(root);
	return isnan(answered) ? -EINVAL : 0;
}

/* time_ns - "1.23ms", "456.00us", "2.50s", "1.10m" of wrk. NaN: no time. */
static double time_ns(const char *text)
{
	static const struct {
		const char *unit;
		double ns;
	} units[] = { { "us", 1e3 }, { "ms", 1e6 }, { "s", 1e9 }, { "m", 60e9 }, { "h", 3600e9 } };
	char *unit;
	double value = strtod(text, &unit);

	for (size_t i = 0; i < array_count(units) && unit != text; i++)
		if (strncmp(unit, units[i].unit, strlen(units[i].unit)) == 0 &&
		    strchr(" \t\r\n", unit[strlen(units[i].unit)]) != NULL)
			return value * units[i].ns;
	return NAN;
}

static const char *behind(const char *text, const char *key)
{
	const char *at = strstr(text, key);

	return at == NULL ? NULL : at + strlen(key);
}

/* time_behind - NaN where there is no such line. */
static double time_behind(const char *text, const char *key)
{
	const char *at = behind(text, key);

	return at == NULL ? NAN : time_ns(at);
}

static double number_behind(const char *text, const char *key)
{
	const char *at = behind(text, key);
	char *end;
	double value = at == NULL ? NAN : strtod(at, &end);

	return at == NULL || end == at ? NAN : value;
}

static double none_if_absent(double value)
{
	return isnan(value) ? 0 : value;
}

/* `    123456 requests in 2.00s, 140.25MB read`, and in its order what did not work. */
int told_wrk(const char *text, struct trial_outcome *ret)
{
	const char *line = strstr(text, " requests in ");
	const char *errors = behind(text, "Socket errors: ");

	if (line == NULL)
		return -EINVAL;
	while (line > text && line[-1] >= '0' && line[-1] <= '9')
		line--;
	ret->requests = strtod(line, NULL);
	ret->rate = number_behind(text, "Requests/sec:");
	ret->failed = none_if_absent(number_behind(text, "Non-2xx or 3xx responses:"));
	if (errors != NULL)
		ret->failed += none_if_absent(number_behind(errors, "connect ")) +
			       none_if_absent(number_behind(errors, "read ")) +
			       none_if_absent(number_behind(errors, "write ")) +
			       none_if_absent(number_behind(errors, "timeout "));
	ret->client = no_times;
	ret->client.count = ret->requests;
	ret->client.p50 = time_behind(text, "50%");
	ret->client.p90 = time_behind(text, "90%");
	ret->client.p99 = time_behind(text, "99%");
	return 0;
}

/* hey_errors - what stands behind `Error distribution:`, as `  [12]\tthe error`. */
static double hey_errors(const char *text)
{
	const char *at = behind(text, "Error distribution:");
	double sum = 0;

	while (at != NULL && (at = strchr(at, '[')) != NULL)
		sum += strtod(++at, NULL);
	return sum;
}

/* hey_statuses - `  [200]\t1234 responses`: how many of all, and how many of 400 and more. */
static double hey_statuses(const char *text, double *ret_bad)
{
	const char *at = behind(text, "Status code distribution:");
	const char *end = at == NULL ? NULL : strstr(at, "Error distribution:");
	double sum = 0;

	*ret_bad = 0;
	while (at != NULL && (at = strchr(at, '[')) != NULL && (end == NULL || at < end)) {
		char *behind_code;
		long code = strtol(at + 1, &behind_code, 10);
		double count = *behind_code == ']' ? strtod(behind_code + 1, NULL) : 0;

		sum += count;
		*ret_bad += code >= 400 ? count : 0;
		at = behind_code;
	}
	return sum;
}

/* `  50% in 0.0012 secs` */
static double hey_quantile(const char *text, const char *key)
{
	return number_behind(text, key) * 1e9;
}

int told_hey(const char *text, struct trial_outcome *ret)
{
	double bad;

	ret->rate = number_behind(text, "Requests/sec:");
	if (isnan(ret->rate))
		return -EINVAL;
	ret->requests = hey_statuses(text, &bad);
	ret->failed = bad + hey_errors(text);
	ret->client = no_times;
	ret->client.count = ret->requests;
	/* Newer ones write `50%% in`. */
	ret->client.p50 = hey_quantile(text, strstr(text, "50%% in") ? "50%% in" : "50% in");
	ret->client.p90 = hey_quantile(text, strstr(text, "90%% in") ? "90%% in" : "90% in");
	ret->client.p99 = hey_quantile(text, strstr(text, "99%% in") ? "99%% in" : "99% in");
	return 0;
}

/* ---- numbered frames ---- */

/* Frame n belongs to flow n % flows. */
double told_selected(double first, double last, uint32_t flows, uint32_t flow)
{
	uint64_t from, to;

	if (isnan(first) || isnan(last) || flows == 0 || last < first)
		return NAN;
	from = (uint64_t)first;
	to = (uint64_t)last + 1;
	/* How many below n: n / flows whole rounds, and one more if the round at hand is past it.
	 */
	return (double)((to + flows - 1 - flow) / flows) -
	       (double)((from + flows - 1 - flow) / flows);
}
