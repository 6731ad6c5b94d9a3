/* load_report - what the generator found, as text and as JSON. */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#include "control/bench/load.h"

#define SECOND_NS 1e9

static const char *const failure_names[LOAD_FAILURES] = {
	"refused", "unreachable", "reset", "closed", "bad_answer", "unfinished", "unsent", "other",
};

static const struct {
	const char *name;
	double q;
} quantiles[] = { { "p50", 0.5 },  { "p90", 0.9 },    { "p95", 0.95 },
		  { "p99", 0.99 }, { "p999", 0.999 }, { "p9999", 0.9999 } };
enum { QUANTILES = sizeof(quantiles) / sizeof(quantiles[0]) };

const char *load_failure_name(enum load_failure f)
{
	return failure_names[f];
}

static double seconds_of(const struct load_report *r)
{
	return (double)r->elapsed_ns / SECOND_NS;
}

double load_rate(const struct load_report *r)
{
	return r->elapsed_ns > 0 ? (double)r->in_time / seconds_of(r) : 0;
}

bool load_kept_up(const struct load_report *r)
{
	return hdr_quantile(&r->lateness, 0.99) <= LOAD_LATE_NS && r->busy <= LOAD_BUSY;
}

/* ---- text ---- */

/* time_text - in the unit that reads best. */
static void time_text(double ns, FILE *to)
{
	if (ns < 1e6)
		fprintf(to, " %7.1f us", ns / 1e3);
	else if (ns < 1e9)
		fprintf(to, " %7.2f ms", ns / 1e6);
	else
		fprintf(to, " %7.2f s ", ns / 1e9);
}

static void histogram_text(const char *name, const struct hdr *h, const char *about, FILE *to)
{
	fprintf(to, "  %-9s", name);
	for (size_t i = 0; i < QUANTILES; i++)
		time_text((double)hdr_quantile(h, quantiles[i].q), to);
	time_text((double)h->max, to);
	time_text(hdr_mean(h), to);
	fprintf(to, "  %s\n", about);
}

static void failures_text(const struct load_report *r, FILE *to)
{
	const char *before = "  failed: ";

	for (uint32_t i = 0; i < LOAD_FAILURES; i++) {
		if (r->failure[i] == 0)
			continue;
		fprintf(to, "%s%" PRIu64 " %s", before, r->failure[i], failure_names[i]);
		before = ", ";
	}
	if (r->failed > 0)
		fputc('\n', to);
}

void load_text(const struct load_report *r, FILE *to)
{
	fprintf(to,
		"%" PRIu64 " due, %" PRIu64 " sent, %" PRIu64 " answered (%" PRIu64
		" with 400 or more), %" PRIu64 " failed; %" PRIu64 " connections made\n",
		r->due, r->sent, r->answered, r->bad_status, r->failed, r->connects);
	failures_text(r, to);
	fprintf(to, "  %.1f answers/s in %.2f s", load_rate(r), seconds_of(r));
	if (r->asked > 0)
		fprintf(to, " (asked: %.1f)", r->asked);
	fprintf(to, ", %.3f MB/s; the generator was busy %.0f %% of the time\n\n",
		r->elapsed_ns > 0 ? (double)r->bytes / 1e6 / seconds_of(r) : 0, 100 * r->busy);
	fprintf(to, "  %-9s %10s %10s %10s %10s %10s %10s %10s %10s\n", "", "p50   ", "p90   ",
		"p95   ", "p99   ", "p99.9   ", "p99.99   ", "max   ", "mean   ");
	histogram_text("latency", &r->latency, "from when it was due", to);
	histogram_text("service", &r->service, "from when it was sent", to);
	histogram_text("lateness", &r->lateness, "the generator's own", to);
}

/* ---- JSON ---- */

static void histogram_json(const char *name, const struct hdr *h, FILE *to)
{
	const char *before = "";
	uint64_t seen = 0;

	fprintf(to, ",\"%s_ns\":{\"count\":%" PRIu64 ",\"over\":%" PRIu64 ",\"min\":%" PRIu64, name,
		h->count, h->over, h->min);
	for (size_t i = 0; i < QUANTILES; i++)
		fprintf(to, ",\"%s\":%" PRIu64, quantiles[i].name, hdr_quantile(h, quantiles[i].q));
	fprintf(to, ",\"max\":%" PRIu64 ",\"mean\":%.1f,\"buckets\":[", h->max, hdr_mean(h));
	for (uint32_t i = 0; i < HDR_BUCKETS; i++) {
		if (h->bucket[i] == 0)
			continue;
		seen += h->bucket[i];
		fprintf(to, "%s[%" PRIu64 ",%" PRIu64 "]", before, hdr_bucket_largest(i),
			h->bucket[i]);
		before = ",";
		if (seen == h->count)
			break;
	}
	fputs("]}", to);
}

void load_json(const struct load_report *r, FILE *to)
{
	fprintf(to,
		"{\"due\":%" PRIu64 ",\"sent\":%" PRIu64 ",\"answered\":%" PRIu64
		",\"failed\":%" PRIu64 ",\"bad_status\":%" PRIu64 ",\"bytes\":%" PRIu64
		",\"in_time\":%" PRIu64 ",\"connects\":%" PRIu64,
		r->due, r->sent, r->answered, r->failed, r->bad_status, r->bytes, r->in_time,
		r->connects);
	fprintf(to, ",\"seconds\":%.9f,\"rate\":%.3f,\"asked\":%.3f,\"busy\":%.4f", seconds_of(r),
		load_rate(r), r->asked, r->busy);
	fprintf(to, ",\"kept_up\":%s,\"interrupted\":%s,\"failures\":{",
		load_kept_up(r) ? "true" : "false", r->interrupted ? "true" : "false");
	for (uint32_t i = 0; i < LOAD_FAILURES; i++)
		fprintf(to, "%s\"%s\":%" PRIu64, i > 0 ? "," : "", failure_names[i], r->failure[i]);
	fputc('}', to);
	histogram_json("latency", &r->latency, to);
	histogram_json("service", &r->service, to);
	histogram_json("lateness", &r->lateness, to);
	fputs("}\n", to);
}

/* ---- reading it back ---- */

/* number_of - whole and not negative, as all counts are. */
static bool number_of(const json_t *object, const char *name, uint64_t *ret)
{
	const json_t *v = json_object_get(object, name);

	if (!json_is_integer(v) || json_integer_value(v) < 0)
		return false;
	*ret = (uint64_t)json_integer_value(v);
	return true;
}

static bool bucket_of(const json_t *pair, struct hdr *h)
{
	const json_t *value = json_array_get(pair, 0), *count = json_array_get(pair, 1);

	if (!json_is_integer(value) || !json_is_integer(count) || json_integer_value(value) < 0 ||
	    json_integer_value(count) < 0)
		return false;
	hdr_record_many(h, (uint64_t)json_integer_value(value),
			(uint64_t)json_integer_value(count));
	return true;
}

static bool histogram_of(const json_t *root, const char *name, struct hdr *h)
{
	const json_t *o = json_object_get(root, name), *list = json_object_get(o, "buckets");
	uint64_t count;

	hdr_clear(h);
	if (!json_is_array(list) || !number_of(o, "count", &count))
		return false;
	for (size_t i = 0; i < json_array_size(list); i++)
		if (!bucket_of(json_array_get(list, i), h))
			return false;
	return h->count == count && number_of(o, "over", &h->over) && number_of(o, "max", &h->max);
}

static bool report_of(const json_t *root, struct load_report *r)
{
	const json_t *failures = json_object_get(root, "failures");

	for (uint32_t i = 0; i < LOAD_FAILURES; i++)
		if (!number_of(failures, failure_names[i], &r->failure[i]))
			return false;
	r->elapsed_ns = (uint64_t)(json_number_value(json_object_get(root, "seconds")) * SECOND_NS +
				   0.5);
	r->asked = json_number_value(json_object_get(root, "asked"));
	r->busy = json_number_value(json_object_get(root, "busy"));
	r->interrupted = json_is_true(json_object_get(root, "interrupted"));
	return number_of(root, "due", &r->due) && number_of(root, "sent", &r->sent) &&
	       number_of(root, "answered", &r->answered) && number_of(root, "failed", &r->failed) &&
	       number_of(root, "bad_status", &r->bad_status) &&
	       number_of(root, "bytes", &r->bytes) && number_of(root, "in_time", &r->in_time) &&
	       number_of(root, "connects", &r->connects) &&
	       histogram_of(root, "latency_ns", &r->latency) &&
	       histogram_of(root, "service_ns", &r->service) &&
	       histogram_of(root, "lateness_ns", &r->lateness);
}

int load_parse(const char *json, struct load_report *ret)
{
	json_t *root = json_loads(json, JSON_REJECT_DUPLICATES, NULL);
	bool good;

	if (root == NULL)
		return -EINVAL;
	memset(ret, 0, sizeof(*ret));
	good = report_of(root, ret);
	json_decref(root);
	return good ? 0 : -EINVAL;
}
