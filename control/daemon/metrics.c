#include "control/daemon/metrics.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "control/daemon/sources.h"
#include "control/daemon/status.h"
#include "dataplane/base/clock.h"
#include "dissectors/registry.h"

#define GAUGE "(gauge)"

static const char *const balance_name[] = {
	[BALANCE_PACKETS] = "packets",     [BALANCE_PAYLOAD] = "payload",
	[BALANCE_DATAGRAMS] = "datagrams", [BALANCE_REQUESTS] = "requests",
	[BALANCE_RESPONSES] = "responses", [BALANCE_RECORDS] = "records",
	[BALANCE_NONE] = "worker",
};

/* ---- the format ---- */

__attribute__((format(printf, 4, 5))) static void family(FILE *to, const char *name,
							 const char *type, const char *help, ...)
{
	va_list ap;

	fprintf(to, "# HELP %s ", name);
	va_start(ap, help);
	vfprintf(to, help, ap);
	va_end(ap);
	fprintf(to, "\n# TYPE %s %s\n", name, type);
}

/* A label's value between its quotes. Interfaces may be called anything but `/` and blanks. */
static void put_escaped(FILE *to, const char *text)
{
	for (; *text != 0; text++) {
		if (*text == '\n') {
			fputs("\\n", to);
			continue;
		}
		if (*text == '\\' || *text == '"')
			fputc('\\', to);
		fputc(*text, to);
	}
}

/* Nanoseconds as seconds, exactly. */
static void put_seconds(FILE *to, uint64_t ns)
{
	fprintf(to, "%" PRIu64 ".%09" PRIu64, ns / CLOCK_SECOND_NS, ns % CLOCK_SECOND_NS);
}

/* ---- the ledger's list ---- */

static bool is_gauge(enum counter c)
{
	return strcmp(ledger_line[c].reason, GAUGE) == 0;
}

static const char *reason_of(enum counter c)
{
	return is_gauge(c) ? "" : ledger_line[c].reason;
}

static bool same_family(enum counter a, enum counter b)
{
	return ledger_line[a].balance == ledger_line[b].balance && is_gauge(a) == is_gauge(b) &&
	       strcmp(ledger_line[a].term, ledger_line[b].term) == 0;
}

static bool begins_family(enum counter c)
{
	for (unsigned before = 0; before < c; before++)
		if (same_family(before, c))
			return false;
	return true;
}

static bool has_reasons(enum counter c)
{
	for (unsigned other = c; other < COUNTER_COUNT; other++)
		if (same_family(c, other) && reason_of(other)[0] != 0)
			return true;
	return false;
}

/* What each reason means, or what the only line does. */
static void put_meanings(FILE *to, enum counter first)
{
	const char *separator = "";

	for (unsigned c = first; c < COUNTER_COUNT; c++) {
		if (!same_family(first, c))
			continue;
		fputs(separator, to);
		if (reason_of(c)[0] != 0)
			fprintf(to, "%s: ", reason_of(c));
		fputs(ledger_line[c].meaning, to);
		separator = "; ";
	}
}

static void put_counter(FILE *to, const char *name, const struct books *b, enum counter c,
			bool with_reason)
{
	for (uint32_t w = 0; w < b->workers; w++) {
		fprintf(to, "%s{worker=\"%" PRIu32 "\"", name, w);
		if (with_reason)
			fprintf(to, ",reason=\"%s\"", reason_of(c));
		fprintf(to, "} %" PRIu64 "\n", b->worker[w].counters.value[c]);
	}
}

static void put_family(FILE *to, const struct books *b, enum counter first)
{
	bool gauge = is_gauge(first), with_reason = has_reasons(first);
	char name[128];

	(void)snprintf(name, sizeof(name), "weir_%s_%s%s", balance_name[ledger_line[first].balance],
		       ledger_line[first].term, gauge ? "" : "_total");
	fprintf(to, "# HELP %s ", name);
	put_meanings(to, first);
	fprintf(to, "\n# TYPE %s %s\n", name, gauge ? "gauge" : "counter");
	for (unsigned c = first; c < COUNTER_COUNT; c++)
		if (same_family(first, c))
			put_counter(to, name, b, c, with_reason);
}

static void put_ledger(FILE *to, const struct books *b)
{
	for (unsigned c = 0; c < COUNTER_COUNT; c++)
		if (begins_family(c))
			put_family(to, b, c);
}

/* ---- rings ---- */

static void put_rings(FILE *to, const struct books *b, const struct region_reader *regions)
{
	family(to, "weir_records_drained_total", "counter", "records taken out of the ring");
	for (uint32_t w = 0; w < b->workers; w++)
		fprintf(to, "weir_records_drained_total{worker=\"%" PRIu32 "\"} %" PRIu64 "\n", w,
			b->worker[w].drained);
	family(to, "weir_records_in_ring", "gauge", "records waiting in the ring now");
	for (uint32_t w = 0; w < b->workers; w++)
		fprintf(to, "weir_records_in_ring{worker=\"%" PRIu32 "\"} %" PRIu64 "\n", w,
			b->worker[w].in_ring);
	family(to, "weir_ring_size_bytes", "gauge", "size of the ring of records");
	for (uint32_t w = 0; w < b->workers; w++)
		fprintf(to, "weir_ring_size_bytes{worker=\"%" PRIu32 "\"} %" PRIu64 "\n", w,
			regions[w].ring.mask + 1);
}

/* ---- sources ---- */

#define LOST_MEANING(name, meaning) #name ": " meaning "; "

static void put_source_labels(FILE *to, uint32_t number, const struct region_port_view *p)
{
	fprintf(to, "{source=\"%" PRIu32 "\",backend=\"", number);
	put_escaped(to, p->about.backend);
	fputs("\",interface=\"", to);
	put_escaped(to, p->about.interface);
	fputc('"', to);
}

/* One number of every source; `at` is where it stands in the view. */
static void put_source_number(FILE *to, const struct sources *s, const char *name, const char *type,
			      const char *help, size_t at)
{
	family(to, name, type, "%s", help);
	for (uint32_t i = 0; i < s->count; i++) {
		const struct region_port_view *p = &s->source[i];
		uint64_t value;

		memcpy(&value, (const uint8_t *)p + at, sizeof(value));
		if (value == RX_UNKNOWN)
			continue;
		fputs(name, to);
		put_source_labels(to, i, p);
		fprintf(to, "} %" PRIu64 "\n", value);
	}
}

static void put_lost(FILE *to, const struct sources *s)
{
	family(to, "weir_source_lost_packets_total", "counter",
	       "packets lost on the way to weir; %s",
	       RX_LOST_LIST(LOST_MEANING) "each is counted once");
	for (uint32_t i = 0; i < s->count; i++) {
		for (unsigned reason = 0; reason < RX_LOST_COUNT; reason++) {
			fputs("weir_source_lost_packets_total", to);
			put_source_labels(to, i, &s->source[i]);
			fprintf(to, ",reason=\"%s\"} %" PRIu64 "\n", sources_lost_name[reason],
				s->source[i].lost[reason]);
		}
	}
}

static void put_sources(FILE *to, const struct books *b)
{
	struct sources s;

	sources_sum(&s, b);
	put_source_number(to, &s, "weir_source_offered_packets_total", "counter",
			  "packets that came to the source, counted by somebody else than weir",
			  offsetof(struct region_port_view, offered));
	put_source_number(to, &s, "weir_source_received_packets_total", "counter",
			  "packets taken from the source",
			  offsetof(struct region_port_view, received));
	put_source_number(to, &s, "weir_source_refused_packets_total", "counter",
			  "packets that the filter expression did not select where they arrived",
			  offsetof(struct region_port_view, refused));
	put_source_number(to, &s, "weir_source_shunted_packets_total", "counter",
			  "packets of bodies that are not followed, kept back where they arrived",
			  offsetof(struct region_port_view, shunted));
	put_source_number(to, &s, "weir_source_in_flight_packets", "gauge",
			  "packets waiting in the source's rings now",
			  offsetof(struct region_port_view, in_flight));
	put_lost(to, &s);
}

/* ---- the exporter ---- */

/* The balance's terms of one side come one after the other, those of one name together. */
static void put_exporter_term(FILE *to, const char *exporter, const struct books_side *side,
			      uint32_t i)
{
	const struct books_term *t = &side->term[i];
	char name[128];

	(void)snprintf(name, sizeof(name), "weir_exporter_%s%s", t->term,
		       t->is_gauge ? "" : "_total");
	if (i == 0 || strcmp(side->term[i - 1].term, t->term) != 0)
		family(to, name, t->is_gauge ? "gauge" : "counter",
		       "records of the term `%s` of the exporter's balance in the ledger", t->term);
	fprintf(to, "%s{exporter=\"", name);
	put_escaped(to, exporter);
	if (t->is_gauge)
		fprintf(to, "\"} %" PRIu64 "\n", t->value);
	else
		fprintf(to, "\",reason=\"%s\"} %" PRIu64 "\n", t->reason, t->value);
}

static void put_exporter(void *context, const struct balance_sheet *s)
{
	const char *exporter = strchr(s->scope, ':');

	if (strcmp(s->name, "exporter") != 0 || exporter == NULL)
		return;
	for (uint32_t i = 0; i < s->in.count; i++)
		put_exporter_term(context, exporter + 1, &s->in, i);
	for (uint32_t i = 0; i < s->out.count; i++)
		put_exporter_term(context, exporter + 1, &s->out, i);
}

/* ---- latency ---- */

enum { OCTAVE_FIRST = 10, OCTAVE_LAST = 36 };

static bool is_first_of_its_name(uint32_t protocol)
{
	for (uint32_t i = 0; i < protocol; i++)
		if (strcmp(dissectors[i]->proto, dissectors[protocol]->proto) == 0)
			return false;
	return true;
}

struct latency {
	uint64_t count[HISTOGRAM_BUCKETS];
	uint64_t sum_ns, total;
};

static void add_histogram(struct latency *l, const struct histogram *h)
{
	l->sum_ns += atomic_load_explicit(&h->sum_ns, memory_order_relaxed);
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		uint64_t n = atomic_load_explicit(&h->count[i], memory_order_relaxed);

		l->count[i] += n;
		l->total += n;
	}
}

/* Several dissectors may make records of one protocol. */
static void add_protocol(struct latency *l, const char *proto, const struct region_reader *regions,
			 uint32_t count)
{
	for (uint32_t p = 0; p < dissector_count; p++)
		for (uint32_t r = 0; r < count && strcmp(dissectors[p]->proto, proto) == 0; r++)
			if (p < regions[r].protocols)
				add_histogram(l, &regions[r].histogram[p]);
}

static void put_latency(FILE *to, const char *proto, const struct latency *l)
{
	static const char name[] = "weir_latency_seconds";
	uint64_t below = 0;
	uint32_t bucket = 0;

	for (unsigned octave = OCTAVE_FIRST; octave <= OCTAVE_LAST; octave++) {
		uint64_t next_ns = UINT64_C(1) << octave;

		while (bucket < histogram_bucket(next_ns))
			below += l->count[bucket++];
		fprintf(to, "%s_bucket{proto=\"%s\",le=\"", name, proto);
		put_seconds(to, next_ns - 1);
		fprintf(to, "\"} %" PRIu64 "\n", below);
	}
	fprintf(to, "%s_bucket{proto=\"%s\",le=\"+Inf\"} %" PRIu64 "\n", name, proto, l->total);
	fprintf(to, "%s_sum{proto=\"%s\"} ", name, proto);
	put_seconds(to, l->sum_ns);
	fprintf(to, "\n%s_count{proto=\"%s\"} %" PRIu64 "\n", name, proto, l->total);
}

static void put_latencies(FILE *to, const struct region_reader *regions, uint32_t count)
{
	family(to, "weir_latency_seconds", "histogram",
	       "from the last byte of a request to the first byte of its response");
	for (uint32_t p = 0; p < dissector_count; p++) {
		struct latency l = { 0 };

		if (!is_first_of_its_name(p))
			continue;
		add_protocol(&l, dissectors[p]->proto, regions, count);
		put_latency(to, dissectors[p]->proto, &l);
	}
}

/* ---- the processes ---- */

static void put_process(FILE *to, const char *version, uint64_t started_wall_ns)
{
	struct timespec t = { 0 };

	family(to, "weir_build_info", "gauge", "which weir this is; always 1");
	fputs("weir_build_info{version=\"", to);
	put_escaped(to, version);
	fputs("\"} 1\n", to);
	family(to, "weir_start_time_seconds", "gauge", "when the run began, since 1970");
	fputs("weir_start_time_seconds ", to);
	put_seconds(to, started_wall_ns);
	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	fputc('\n', to);
	family(to, "process_cpu_seconds_total", "counter",
	       "user and system time that weir-control has used");
	fputs("process_cpu_seconds_total ", to);
	put_seconds(to, (uint64_t)t.tv_sec * CLOCK_SECOND_NS + (uint64_t)t.tv_nsec);
	fputc('\n', to);
}

char *metrics_build(const struct books *b, const struct region_reader *regions, const char *version,
		    uint64_t started_wall_ns, size_t *ret_bytes)
{
	char *text = NULL;
	FILE *to = open_memstream(&text, ret_bytes);
	bool failed;

	if (to == NULL)
		return NULL;
	put_process(to, version, started_wall_ns);
	family(to, "weir_ledger_consistent", "gauge",
	       "1 while no balance that is counted in one place has a residual");
	fprintf(to, "weir_ledger_consistent %d\n", status_consistent(b));
	put_ledger(to, b);
	put_rings(to, b, regions);
	put_sources(to, b);
	books_balances(b, put_exporter, to);
	put_latencies(to, regions, b->workers);
	failed = ferror(to) != 0;
	if (fclose(to) != 0 || failed) {
		free(text);
		return NULL;
	}
	return text;
}
