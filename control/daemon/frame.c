#include "control/daemon/frame.h"

#include <stdlib.h>
#include <string.h>

#include "control/export/text/json.h"
#include "dataplane/base/compiler.h"
#include "dissectors/registry.h"

enum { FIXED_ROOM = 4096, CAPTURE_ROOM = 2048, LATENCY_ROOM = 512 };

/* ---- start ---- */

/* Calls for every source: the inputs in order, or the specifications of --rx. */
typedef void source_fn(void *context, const char *source);

static void each_source(const struct settings *s, source_fn *each, void *context)
{
	const char *input = s->input;

	for (uint32_t i = 0; i < s->rx_count; i++)
		each(context, s->rx[i]);
	for (uint32_t i = 0; s->rx_count == 0 && i < s->input_count; i++) {
		each(context, input);
		input += strlen(input) + 1;
	}
}

struct sources {
	char *at;
	bool bad;
};

static void put_source(void *context, const char *source)
{
	struct sources *l = context;

	l->at = json_quoted(l->at, source, strlen(source), &l->bad);
	*l->at++ = ',';
}

static void put_source_base64(void *context, const char *source)
{
	struct sources *l = context;

	l->at = json_base64(l->at, (const uint8_t *)source, strlen(source));
	*l->at++ = ',';
}

static char *close_list(char *at)
{
	if (at[-1] == ',')
		at--;
	*at++ = ']';
	return at;
}

/* A path need not be text: then all of them follow in base64. */
static char *put_sources(char *at, const struct settings *s)
{
	struct sources l = { .at = json_literal(at, ",\"sources\":[") };

	each_source(s, put_source, &l);
	l.at = close_list(l.at);
	if (!l.bad)
		return l.at;
	l.at = json_literal(l.at, ",\"sources_b64\":[");
	each_source(s, put_source_base64, &l);
	return close_list(l.at);
}

static char *put_text(char *at, const char *key, const char *text)
{
	bool bad = false;

	return json_quoted(json_raw(at, key, strlen(key)), text, strlen(text), &bad);
}

/* Where the time stamps come from, and by which means a live source is captured. */
static char *put_capture(char *at, const struct settings *s, const struct region_reader *first)
{
	uint32_t ports = s->live && first != NULL ? region_ports(first) : 0;
	struct region_port_view port;

	if (ports == 0)
		return put_text(at, ",\"clock\":", "file");
	region_port(first, 0, &port);
	at = put_text(at, ",\"clock\":", port.about.clock);
	at = json_literal(at, ",\"capture\":[");
	for (uint32_t i = 0; i < ports; i++) {
		region_port(first, i, &port);
		at = put_text(at, "{\"backend\":", port.about.backend);
		at = put_text(at, ",\"interface\":", port.about.interface);
		at = put_text(at, ",\"mode\":", port.about.mode);
		at = json_literal(at, "},");
	}
	return close_list(at);
}

static size_t start_room(const struct settings *s)
{
	size_t text = s->input_bytes + sizeof(s->rx);
	size_t count = s->input_count + s->rx_count;

	return FIXED_ROOM + REGION_PORTS * CAPTURE_ROOM + JSON_STRING_ROOM(text) +
	       JSON_BASE64_ROOM(text) + 16 * count;
}

char *frame_start(const struct settings *s, const char *version, const struct region_reader *first,
		  uint32_t workers, bool restarted, size_t *ret_bytes, size_t *ret_mark_bytes)
{
	struct json_clock clock = { 0 };
	char *line = malloc(start_room(s)), *at;
	bool bad = false;

	if (line == NULL)
		return NULL;
	at = json_literal(line, "{\"type\":\"start\",\"run\":");
	at = json_quoted(at, s->run, strnlen(s->run, sizeof(s->run)), &bad);
	*ret_mark_bytes = (size_t)(at - line);
	at = json_quoted(json_literal(at, ",\"version\":"), version, strlen(version), &bad);
	at = put_sources(at, s);
	at = put_capture(at, s, first);
	at = json_number(json_literal(at, ",\"workers\":"), workers);
	at = json_time(&clock, json_literal(at, ",\"started\":"), s->started_wall_ns);
	if (restarted)
		at = json_literal(at, ",\"restarted\":true");
	at = json_literal(at, "}\n");
	*ret_bytes = (size_t)(at - line);
	return line;
}

/* ---- end ---- */

/* Add what every worker has seen of one protocol. Returns how many observations that is. */
static uint64_t merge(struct histogram *sum, const struct region_reader *regions, uint32_t count,
		      uint32_t protocol)
{
	uint64_t observations = 0, max_ns;

	for (uint32_t r = 0; r < count; r++) {
		if (protocol >= regions[r].protocols)
			continue;
		for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
			uint64_t n = atomic_load_explicit(&regions[r].histogram[protocol].count[i],
							  memory_order_relaxed);

			atomic_fetch_add_explicit(&sum->count[i], n, memory_order_relaxed);
			observations += n;
		}
		max_ns = atomic_load_explicit(&regions[r].histogram[protocol].max_ns,
					      memory_order_relaxed);
		if (max_ns > atomic_load_explicit(&sum->max_ns, memory_order_relaxed))
			atomic_store_explicit(&sum->max_ns, max_ns, memory_order_relaxed);
	}
	return observations;
}

static char *put_latency(char *at, const char *name, const struct histogram *h, uint64_t count)
{
	static const struct {
		const char *key;
		double quantile;
	} shown[] = {
		{ "p50_ns", 0.5 }, { "p90_ns", 0.9 }, { "p99_ns", 0.99 }, { "p999_ns", 0.999 }
	};
	bool bad = false;

	at = json_quoted(at, name, strlen(name), &bad);
	at = json_number(json_literal(at, ":{\"count\":"), count);
	for (unsigned i = 0; i < array_count(shown); i++) {
		*at++ = ',';
		at = json_quoted(at, shown[i].key, strlen(shown[i].key), &bad);
		*at++ = ':';
		at = json_number(at, histogram_quantile(h, shown[i].quantile));
	}
	at = json_number(json_literal(at, ",\"max_ns\":"),
			 atomic_load_explicit(&h->max_ns, memory_order_relaxed));
	return json_literal(at, "},");
}

/* Two dissectors may write records of one protocol: the first of them speaks for both. */
static bool is_first_of_its_name(uint32_t protocol)
{
	for (uint32_t i = 0; i < protocol; i++)
		if (strcmp(dissectors[i]->proto, dissectors[protocol]->proto) == 0)
			return false;
	return true;
}

static char *put_latencies(char *at, const struct region_reader *regions, uint32_t count)
{
	*at++ = '{';
	for (uint32_t p = 0; p < dissector_count; p++) {
		struct histogram sum = { 0 };
		uint64_t observations = 0;

		if (!is_first_of_its_name(p))
			continue;
		for (uint32_t other = p; other < dissector_count; other++)
			if (strcmp(dissectors[other]->proto, dissectors[p]->proto) == 0)
				observations += merge(&sum, regions, count, other);
		if (observations > 0)
			at = put_latency(at, dissectors[p]->proto, &sum, observations);
	}
	if (at[-1] == ',')
		at--;
	*at++ = '}';
	return at;
}

char *frame_end(const struct settings *s, const struct books *b,
		const struct region_reader *regions, size_t *ret_bytes)
{
	char *line = malloc(FIXED_ROOM + BOOKS_JSON_MAX + LATENCY_ROOM * (size_t)dissector_count);
	char *at;
	bool bad = false;

	if (line == NULL)
		return NULL;
	at = json_literal(line, "{\"type\":\"end\",\"run\":");
	at = json_quoted(at, s->run, strnlen(s->run, sizeof(s->run)), &bad);
	if (b->died)
		at = json_literal(at, ",\"dataplane\":\"died\"");
	at = books_json(b, json_literal(at, ",\"ledger\":"));
	at = put_latencies(json_literal(at, ",\"latency\":"), regions, b->workers);
	at = json_literal(at, "}\n");
	*ret_bytes = (size_t)(at - line);
	return line;
}
