#include "control/daemon/status.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "control/daemon/sources.h"
#include "control/export/text/json.h"
#include "dataplane/base/clock.h"

/* ---- rates ---- */

static struct status_sample sample(const struct books *b, uint64_t now_ns)
{
	return (struct status_sample){ .at_ns = now_ns,
				       .packets = books_sum(b, C_received),
				       .pairs = books_sum(b, C_requests_paired) };
}

void status_init(struct status_rates *r, const struct books *b, uint64_t now_ns)
{
	r->older = r->newer = sample(b, now_ns);
}

bool status_due(const struct status_rates *r, uint64_t now_ns)
{
	return now_ns - r->newer.at_ns >= STATUS_TICK_NS;
}

void status_tick(struct status_rates *r, const struct books *b, uint64_t now_ns)
{
	r->older = r->newer;
	r->newer = sample(b, now_ns);
}

static uint64_t per_second(uint64_t before, uint64_t now, uint64_t elapsed_ns)
{
	if (elapsed_ns == 0 || now < before)
		return 0;
	return (uint64_t)((double)(now - before) * 1e9 / (double)elapsed_ns + 0.5);
}

/* ---- the ledger ---- */

static bool is_counted_in_one_place(const struct balance_sheet *s)
{
	if (strncmp(s->scope, "worker:", 7) == 0)
		return strcmp(s->name, "records") != 0;
	return strncmp(s->scope, "exporter:", 9) == 0;
}

static void note_residual(void *context, const struct balance_sheet *s)
{
	bool *consistent = context;

	if (s->checkable && s->residual != 0 && is_counted_in_one_place(s))
		*consistent = false;
}

bool status_consistent(const struct books *b)
{
	bool consistent = true;

	books_balances(b, note_residual, &consistent);
	return consistent;
}

/* ---- numbers for both ---- */

/* What the output did not take. */
static uint64_t failed(const struct books_exporter *e)
{
	uint64_t sum = e->failed_memory + e->collected_lost;

	for (unsigned i = 0; i < SINK_FAILURE_COUNT; i++)
		sum += e->failed[i];
	return sum;
}

struct numbers {
	struct sources sources;
	uint64_t packets, packets_lost, packets_per_second;
	uint64_t pairs, pairs_per_second;
	uint64_t records_made, records_lost, records_drained, records_failed;
	uint64_t ring_bytes, ring_used_bytes; /* of the fullest worker */
	uint64_t running_ns;
	bool finished, consistent;
};

static void take_rings(struct numbers *n, const struct region_reader *regions, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		const struct ring_consumer *ring = &regions[i].ring;
		uint64_t written = atomic_load_explicit(&ring->up->written, memory_order_relaxed);
		uint64_t used = written > ring->next ? written - ring->next : 0;

		n->ring_bytes = ring->mask + 1;
		if (used > n->ring_used_bytes)
			n->ring_used_bytes = used;
	}
}

static bool all_finished(const struct region_reader *regions, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		if (atomic_load_explicit(&regions[i].header->state, memory_order_acquire) !=
		    REGION_FINISHED)
			return false;
	return count > 0;
}

static void take_numbers(struct numbers *n, const struct status_run *run,
			 const struct status_rates *r, const struct books *b, uint64_t now_ns)
{
	struct status_sample now = sample(b, now_ns);
	uint64_t elapsed_ns = now_ns - r->older.at_ns;

	*n = (struct numbers){ .packets = now.packets, .pairs = now.pairs };
	sources_sum(&n->sources, b);
	for (uint32_t i = 0; i < n->sources.count; i++)
		n->packets_lost += sources_lost(&n->sources.source[i]);
	n->packets_per_second = per_second(r->older.packets, now.packets, elapsed_ns);
	n->pairs_per_second = per_second(r->older.pairs, now.pairs, elapsed_ns);
	n->records_made = books_sum(b, C_records_made);
	n->records_lost = books_sum(b, C_records_ring_full);
	n->records_drained = b->exporter.drained;
	n->records_failed = failed(&b->exporter);
	n->running_ns = now_ns - run->settings->started_ns;
	n->finished = all_finished(run->regions, b->workers);
	n->consistent = status_consistent(b);
	take_rings(n, run->regions, b->workers);
}

/* ---- text ---- */

static void say_when(const struct status_run *run, const struct numbers *n, FILE *to)
{
	time_t second = (time_t)(run->settings->started_wall_ns / CLOCK_SECOND_NS);
	uint64_t s = n->running_ns / CLOCK_SECOND_NS;
	char text[32];
	struct tm tm;

	localtime_r(&second, &tm);
	strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
	fprintf(to, "since      %s, %" PRIu64 ":%02" PRIu64 ":%02" PRIu64 " ago\n", text, s / 3600,
		s / 60 % 60, s % 60);
}

static void say_source(uint32_t number, const struct region_port_view *p, FILE *to)
{
	const char *separator = " (";

	fprintf(to, "source %-3" PRIu32 " %s%s%s", number, p->about.backend,
		p->about.interface[0] != 0 ? " " : "", p->about.interface);
	if (p->about.mode[0] != 0)
		fprintf(to, " (%s)", p->about.mode);
	fprintf(to, ", clock %s\n           ", p->about.clock);
	if (p->offered == RX_UNKNOWN)
		fputs("offered unknown", to);
	else
		fprintf(to, "offered %" PRIu64, p->offered);
	fprintf(to, ", received %" PRIu64 ", refused %" PRIu64, p->received, p->refused);
	if (p->shunted != 0)
		fprintf(to, ", shunted %" PRIu64, p->shunted);
	fprintf(to, ", in flight %" PRIu64 ", lost %" PRIu64, p->in_flight, sources_lost(p));
	for (unsigned i = 0; i < RX_LOST_COUNT; i++) {
		if (p->lost[i] == 0)
			continue;
		fprintf(to, "%s%s %" PRIu64, separator, sources_lost_name[i], p->lost[i]);
		separator = ", ";
	}
	fputs(separator[0] == ',' ? ")\n" : "\n", to);
}

static void say_ring(const struct numbers *n, FILE *to)
{
	double fill = n->ring_bytes == 0 ? 0 : (double)n->ring_used_bytes / (double)n->ring_bytes;

	fprintf(to, "ring       %.1f %% of %" PRIu64 " KiB%s\n", 100 * fill, n->ring_bytes / 1024,
		n->finished ? "; the dataplane has finished" : "");
}

void status_text(const struct status_run *run, const struct status_rates *r, const struct books *b,
		 uint64_t now_ns, FILE *to)
{
	const struct settings *s = run->settings;
	struct numbers n;

	take_numbers(&n, run, r, b, now_ns);
	fprintf(to,
		"run        %.16s, weir %s %s, %" PRIu32 " worker%s, pids %" PRIu32 " and %" PRIu32
		"%s\n",
		s->run, s->command, run->version, b->workers, b->workers == 1 ? "" : "s",
		run->dataplane_pid, run->control_pid,
		run->restarted ? "; control was started again" : "");
	say_when(run, &n, to);
	for (uint32_t i = 0; i < n.sources.count; i++)
		say_source(i, &n.sources.source[i], to);
	fprintf(to, "packets    %" PRIu64 " received, %" PRIu64 " lost, %" PRIu64 "/s\n", n.packets,
		n.packets_lost, n.packets_per_second);
	fprintf(to, "pairs      %" PRIu64 ", %" PRIu64 "/s\n", n.pairs, n.pairs_per_second);
	fprintf(to,
		"records    %" PRIu64 " made, %" PRIu64 " lost, %" PRIu64 " drained, %" PRIu64
		" not written\n",
		n.records_made, n.records_lost, n.records_drained, n.records_failed);
	say_ring(&n, to);
	fprintf(to, "ledger     %s\n", n.consistent ? "consistent" : "NOT CONSISTENT");
}

/* ---- JSON ---- */

enum { TEXT_MAX = 256 };

static void put_text(FILE *to, const char *key, const char *text)
{
	char quoted[JSON_STRING_ROOM(TEXT_MAX)];
	size_t bytes = strlen(text);
	bool bad = false;
	char *end = json_quoted(quoted, text, bytes < TEXT_MAX ? bytes : TEXT_MAX, &bad);

	fprintf(to, "\"%s\":%.*s,", key, (int)(end - quoted), quoted);
}

static void put_number(FILE *to, const char *key, uint64_t value, char after)
{
	char digits[JSON_NUMBER_ROOM];
	char *end = json_number(digits, value);

	fprintf(to, "\"%s\":%.*s%c", key, (int)(end - digits), digits, after);
}

/* put_turns - how often each worker has come round: one that stands still moves no more. */
static void put_turns(FILE *to, const struct books *b)
{
	fputs("\"worker_turns\":[", to);
	for (uint32_t i = 0; i < b->workers; i++)
		fprintf(to, "%s%" PRIu64, i > 0 ? "," : "",
			b->worker[i].counters.value[C_turns]);
	fputs("],", to);
}

static void put_source(FILE *to, uint32_t number, const struct region_port_view *p)
{
	put_number(to, "source", number, ',');
	put_text(to, "backend", p->about.backend);
	put_text(to, "interface", p->about.interface);
	put_text(to, "mode", p->about.mode);
	put_text(to, "clock", p->about.clock);
	if (p->offered == RX_UNKNOWN)
		fputs("\"offered\":null,", to);
	else
		put_number(to, "offered", p->offered, ',');
	put_number(to, "received", p->received, ',');
	put_number(to, "refused", p->refused, ',');
	put_number(to, "shunted", p->shunted, ',');
	put_number(to, "in_flight", p->in_flight, ',');
	fputs("\"lost\":{", to);
	for (unsigned i = 0; i < RX_LOST_COUNT; i++)
		put_number(to, sources_lost_name[i], p->lost[i], i + 1 < RX_LOST_COUNT ? ',' : '}');
}

static void put_sources(FILE *to, const struct sources *s)
{
	fputs("\"sources\":[", to);
	for (uint32_t i = 0; i < s->count; i++) {
		fputs(i == 0 ? "{" : ",{", to);
		put_source(to, i, &s->source[i]);
		fputc('}', to);
	}
	fputs("],", to);
}

static void put_run(FILE *to, const struct status_run *run, const struct books *b,
		    const struct numbers *n)
{
	struct json_clock clock = { 0 };
	char since[JSON_TIME_ROOM];
	char *end = json_time(&clock, since, run->settings->started_wall_ns);

	put_text(to, "run", run->settings->run);
	put_text(to, "version", run->version);
	put_text(to, "command", run->settings->command);
	put_number(to, "dataplane_pid", run->dataplane_pid, ',');
	put_number(to, "control_pid", run->control_pid, ',');
	fprintf(to, "\"since\":%.*s,", (int)(end - since), since);
	put_number(to, "running_ns", n->running_ns, ',');
	put_text(to, "state", n->finished ? "finished" : "running");
	fprintf(to, "\"restarted\":%s,", run->restarted ? "true" : "false");
	put_number(to, "workers", b->workers, ',');
	put_turns(to, b);
}

void status_json(const struct status_run *run, const struct status_rates *r, const struct books *b,
		 uint64_t now_ns, FILE *to)
{
	struct numbers n;

	take_numbers(&n, run, r, b, now_ns);
	fputc('{', to);
	put_run(to, run, b, &n);
	put_sources(to, &n.sources);
	fputs("\"packets\":{", to);
	put_number(to, "received", n.packets, ',');
	put_number(to, "lost", n.packets_lost, ',');
	put_number(to, "per_second", n.packets_per_second, '}');
	fputs(",\"pairs\":{", to);
	put_number(to, "matched", n.pairs, ',');
	put_number(to, "per_second", n.pairs_per_second, '}');
	fputs(",\"records\":{", to);
	put_number(to, "made", n.records_made, ',');
	put_number(to, "lost", n.records_lost, ',');
	put_number(to, "drained", n.records_drained, ',');
	put_number(to, "failed", n.records_failed, '}');
	fputs(",\"ring\":{", to);
	put_number(to, "bytes", n.ring_bytes, ',');
	put_number(to, "used_bytes", n.ring_used_bytes, '}');
	fprintf(to, ",\"ledger_consistent\":%s}\n", n.consistent ? "true" : "false");
}
