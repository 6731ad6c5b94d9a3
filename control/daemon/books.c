#include "control/daemon/books.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "control/export/text/json.h"
#include "dataplane/base/compiler.h"
#include "dataplane/base/ensure.h"

#define GAUGE "(gauge)"

/* The counter that each balance is mainly about, shown first of its side. */
static const enum counter main_counter[] = {
	[BALANCE_PACKETS] = C_to_flow,
	[BALANCE_PAYLOAD] = C_payload_delivered,
	[BALANCE_DATAGRAMS] = C_datagrams_read,
	[BALANCE_REQUESTS] = C_requests_paired,
	[BALANCE_RESPONSES] = C_responses_paired,
};

static const char *const balance_name[] = {
	[BALANCE_PACKETS] = "packets",     [BALANCE_PAYLOAD] = "payload",
	[BALANCE_DATAGRAMS] = "datagrams", [BALANCE_REQUESTS] = "requests",
	[BALANCE_RESPONSES] = "responses", [BALANCE_RECORDS] = "records",
};
static_assert(array_count(balance_name) == BALANCE_NONE, "every balance has a name");

#define LOST_NAME(name, meaning) #name,
static const char *const lost_name[] = { RX_LOST_LIST(LOST_NAME) };
static_assert((unsigned)RX_LOST_COUNT <= (unsigned)REGION_LOST, "a port has room");

#define FAILURE_NAME(name, meaning) #name,
static const char *const failure_name[] = { SINK_FAILURE_LIST(FAILURE_NAME) };

/* ---- taking stock ---- */

static uint64_t relaxed(const _Atomic uint64_t *word)
{
	return atomic_load_explicit(word, memory_order_relaxed);
}

static void take_worker(struct books_worker *w, const struct region_reader *r)
{
	uint64_t published = relaxed(&r->ring.up->records);

	if (counters_snapshot(r->counters, &w->counters))
		w->known = true;
	w->ports = region_ports(r);
	for (uint32_t i = 0; i < w->ports; i++)
		region_port(r, i, &w->port[i]);
	w->drained = r->ring.records;
	w->in_ring = published > w->drained ? published - w->drained : 0;
}

void books_take(struct books *b, const struct region_reader *regions, uint32_t count)
{
	b->workers = count;
	b->exporter.drained = 0;
	for (uint32_t i = 0; i < count; i++) {
		take_worker(&b->worker[i], &regions[i]);
		b->exporter.drained += b->worker[i].drained;
	}
	if (count > 0 && b->worker[0].ports > 0 && b->worker[0].port[0].about.share != 0)
		b->live = true;
}

uint64_t books_sum(const struct books *b, enum counter c)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < b->workers; i++)
		sum += b->worker[i].counters.value[c];
	return sum;
}

/* ---- sheets ---- */

static void add(struct books_side *side, const char *term, const char *reason, uint64_t value)
{
	bool is_gauge = strcmp(reason, GAUGE) == 0;

	ENSURE(side->count < BOOKS_TERMS_MAX);
	side->term[side->count++] = (struct books_term){
		.term = term, .reason = is_gauge ? "" : reason, .value = value, .is_gauge = is_gauge
	};
}

static void add_counter(struct balance_sheet *s, enum counter c, uint64_t value)
{
	const struct ledger_line *line = &ledger_line[c];

	add(line->side == BALANCE_IN ? &s->in : &s->out, line->term, line->reason, value);
}

static void sheet_begin(struct balance_sheet *s, const char *name)
{
	s->name = name;
	s->in.count = s->out.count = 0;
	s->checkable = true;
}

/* Sums wrap as unsigned numbers do, and so does their difference: it is right whenever it fits. */
static void sheet_end(struct balance_sheet *s, books_each_fn *each, void *context)
{
	uint64_t residual = 0;

	s->under_way = 0;
	for (uint32_t i = 0; i < s->in.count; i++)
		residual += s->in.term[i].value;
	for (uint32_t i = 0; i < s->out.count; i++) {
		residual -= s->out.term[i].value;
		if (s->out.term[i].is_gauge)
			s->under_way += s->out.term[i].value;
	}
	s->residual = (int64_t)residual;
	each(context, s);
}

bool balance_closed(const struct balance_sheet *s)
{
	return s->checkable && s->residual == 0 && s->under_way == 0;
}

/* One worker's sheet, or the sum of all. */
static uint64_t value_of(const struct books *b, int worker, enum counter c)
{
	return worker < 0 ? books_sum(b, c) : b->worker[worker].counters.value[c];
}

static void records_sheet(struct balance_sheet *s, const struct books *b, int worker)
{
	uint64_t drained = 0, in_ring = 0;

	for (uint32_t i = 0; i < b->workers; i++) {
		if (worker >= 0 && i != (uint32_t)worker)
			continue;
		drained += b->worker[i].drained;
		in_ring += b->worker[i].in_ring;
	}
	add(&s->out, "drained", "", drained);
	for (unsigned c = 0; c < COUNTER_COUNT; c++)
		if (ledger_line[c].balance == BALANCE_RECORDS)
			add_counter(s, c, value_of(b, worker, c));
	add(&s->out, "in_ring", GAUGE, in_ring);
}

static void counters_sheet(struct balance_sheet *s, const struct books *b, enum balance balance,
			   int worker)
{
	add_counter(s, main_counter[balance], value_of(b, worker, main_counter[balance]));
	for (unsigned c = 0; c < COUNTER_COUNT; c++)
		if (ledger_line[c].balance == balance && c != main_counter[balance])
			add_counter(s, c, value_of(b, worker, c));
}

static void balance_sheet_of(struct balance_sheet *s, const struct books *b, enum balance balance,
			     int worker)
{
	sheet_begin(s, balance_name[balance]);
	if (worker >= 0)
		(void)snprintf(s->scope, sizeof(s->scope), "worker:%d", worker);
	else
		(void)snprintf(s->scope, sizeof(s->scope), "total");
	if (balance == BALANCE_RECORDS)
		records_sheet(s, b, worker);
	else
		counters_sheet(s, b, balance, worker);
}

/* What the ports of one source, or of several, have counted. */
struct source_sum {
	uint64_t offered, received, refused, shunted, in_flight, lost[RX_LOST_COUNT];
	bool known; /* somebody else counted what was offered */
};

static void add_port(struct source_sum *sum, const struct region_port_view *p)
{
	sum->known = sum->known && p->offered != RX_UNKNOWN;
	sum->offered += p->offered;
	sum->received += p->received;
	sum->refused += p->refused;
	sum->shunted += p->shunted;
	sum->in_flight += p->in_flight;
	for (unsigned k = 0; k < RX_LOST_COUNT; k++)
		sum->lost[k] += p->lost[k];
}

static void fill_source_sheet(struct balance_sheet *s, uint32_t source,
			      const struct source_sum *sum, uint64_t received)
{
	sheet_begin(s, "source");
	(void)snprintf(s->scope, sizeof(s->scope), "source:%u", source);
	s->checkable = sum->known;
	add(&s->in, "offered", "", sum->offered);
	add(&s->out, "received", "", received);
	add(&s->out, "refused", "", sum->refused);
	add(&s->out, "shunted", "", sum->shunted);
	for (unsigned k = 0; k < RX_LOST_COUNT; k++)
		add(&s->out, "lost", lost_name[k], sum->lost[k]);
	add(&s->out, "in_flight", GAUGE, sum->in_flight);
}

/* Of a file every worker's port counts all of it, so the first worker's stand for all; packets
 * are counted by who owns them. The ports of a live source share it. */
static void source_sheet(struct balance_sheet *s, const struct books *b, uint32_t source)
{
	struct source_sum sum = { .known = true };
	uint64_t received = books_sum(b, C_received);

	for (uint32_t i = 0; !b->live && i < b->worker[0].ports; i++)
		add_port(&sum, &b->worker[0].port[i]);
	for (uint32_t i = 0; b->live && i < b->workers; i++)
		if (source < b->worker[i].ports)
			add_port(&sum, &b->worker[i].port[source]);
	if (b->live)
		received = sum.received;
	fill_source_sheet(s, source, &sum, received);
}

static uint32_t sources(const struct books *b)
{
	return b->live && b->workers > 0 ? b->worker[0].ports : 1;
}

/* Every packet that the ports gave out is one that a worker counted. */
static void taken_sheet(struct balance_sheet *s, const struct books *b)
{
	uint64_t given = 0;

	for (uint32_t i = 0; i < b->workers; i++)
		for (uint32_t p = 0; p < b->worker[i].ports; p++)
			given += b->worker[i].port[p].received;
	sheet_begin(s, "taken");
	(void)snprintf(s->scope, sizeof(s->scope), "total");
	add(&s->in, "from_sources", "", given);
	add(&s->out, "received", "", books_sum(b, C_received));
}

static void exporter_sheet(struct balance_sheet *s, const struct books *b)
{
	const struct books_exporter *e = &b->exporter;

	sheet_begin(s, "exporter");
	(void)snprintf(s->scope, sizeof(s->scope), "exporter:%s", e->format);
	add(&s->in, "drained", "", e->drained);
	add(&s->out, "exported", "", e->exported);
	add(&s->out, "exported", "earlier_control", e->earlier_control);
	add(&s->out, "not_selected", "type", e->not_selected_type);
	for (unsigned i = 0; i < SINK_FAILURE_COUNT; i++)
		add(&s->out, "failed", failure_name[i], e->failed[i]);
	add(&s->out, "failed", "memory", e->failed_memory);
	add(&s->out, "failed", "control_died", e->collected_lost);
	add(&s->out, "cut", "drain", e->cut_drain);
	add(&s->out, "cut", "format", e->cut_format);
	add(&s->out, "cut", "no_output", e->cut_no_output);
	add(&s->out, "queued", GAUGE, e->queued);
}

static void handoff_sheet(struct balance_sheet *s, const struct books *b)
{
	sheet_begin(s, "handoff");
	(void)snprintf(s->scope, sizeof(s->scope), "total");
	add(&s->in, "handed_out", "", books_sum(b, C_handed_out));
	add(&s->out, "handed_in", "", books_sum(b, C_handed_in));
	add(&s->out, "in_flight", GAUGE, books_sum(b, C_handoff_in_flight));
}

void books_balances(const struct books *b, books_each_fn *each, void *context)
{
	struct balance_sheet s;

	for (uint32_t w = 0; w < b->workers; w++) {
		for (enum balance balance = 0; balance < BALANCE_NONE; balance++) {
			balance_sheet_of(&s, b, balance, (int)w);
			sheet_end(&s, each, context);
		}
	}
	for (uint32_t i = 0; i < sources(b); i++) {
		source_sheet(&s, b, i);
		sheet_end(&s, each, context);
	}
	if (b->live) {
		taken_sheet(&s, b);
		sheet_end(&s, each, context);
	}
	exporter_sheet(&s, b);
	sheet_end(&s, each, context);
	handoff_sheet(&s, b);
	sheet_end(&s, each, context);
}

static void note_open(void *context, const struct balance_sheet *s)
{
	bool *all_closed = context;

	if (s->checkable && !balance_closed(s))
		*all_closed = false;
}

bool books_closed(const struct books *b)
{
	bool all_closed = !b->died && b->workers > 0;

	for (uint32_t i = 0; i < b->workers; i++)
		all_closed = all_closed && b->worker[i].known;
	books_balances(b, note_open, &all_closed);
	return all_closed;
}

/* ---- JSON ---- */

static char *put_name(char *at, const char *term, const char *reason)
{
	*at++ = '"';
	at = json_raw(at, term, strlen(term));
	if (reason[0] != 0) {
		*at++ = '.';
		at = json_raw(at, reason, strlen(reason));
	}
	return json_literal(at, "\":");
}

static char *put_side(char *at, const struct books_side *side, bool known)
{
	*at++ = '{';
	for (uint32_t i = 0; i < side->count; i++) {
		const struct books_term *t = &side->term[i];

		if (i > 0 && t->value == 0)
			continue;
		if (i > 0)
			*at++ = ',';
		at = put_name(at, t->term, t->reason);
		at = known ? json_number(at, t->value) : json_literal(at, "null");
	}
	*at++ = '}';
	return at;
}

struct json_list {
	char *at;
	bool first;
};

static void put_balance(void *context, const struct balance_sheet *s)
{
	struct json_list *list = context;
	char *at = list->at;
	bool bad = false;

	if (!list->first)
		*at++ = ',';
	list->first = false;
	at = json_literal(at, "{\"name\":");
	at = json_quoted(at, s->name, strlen(s->name), &bad);
	at = json_quoted(json_literal(at, ",\"scope\":"), s->scope, strlen(s->scope), &bad);
	at = put_side(json_literal(at, ",\"in\":"), &s->in, s->checkable);
	at = put_side(json_literal(at, ",\"out\":"), &s->out, true);
	if (s->checkable)
		at = json_signed(json_literal(at, ",\"residual\":"), s->residual);
	else
		at = json_literal(at,
				  ",\"residual\":null,\"closed\":null,\"why\":\"not checkable\"");
	*at++ = '}';
	list->at = at;
}

/* Sums over the workers of what is in no balance. */
static char *put_beside(char *at, const struct books *b)
{
	bool first = true;

	*at++ = '{';
	for (unsigned c = 0; c < COUNTER_COUNT; c++) {
		const char *reason = ledger_line[c].reason;
		uint64_t value = books_sum(b, c);

		if (ledger_line[c].balance != BALANCE_NONE || value == 0)
			continue;
		if (!first)
			*at++ = ',';
		first = false;
		at = put_name(at, ledger_line[c].term, strcmp(reason, GAUGE) == 0 ? "" : reason);
		at = json_number(at, value);
	}
	*at++ = '}';
	return at;
}

static char *put_delay(char *at, const struct hdr *h)
{
	static const struct {
		const char *key;
		double q;
	} quantiles[] = { { ",\"p50\":", 0.5 },
			  { ",\"p90\":", 0.9 },
			  { ",\"p99\":", 0.99 },
			  { ",\"p999\":", 0.999 },
			  { ",\"p9999\":", 0.9999 } };

	at = json_number(json_literal(at, ",\"pair_delay_ns\":{\"count\":"), h->count);
	for (size_t i = 0; i < array_count(quantiles); i++)
		at = json_number(json_raw(at, quantiles[i].key, strlen(quantiles[i].key)),
				 hdr_quantile(h, quantiles[i].q));
	at = json_number(json_literal(at, ",\"max\":"), h->max);
	*at++ = '}';
	return at;
}

char *books_json(const struct books *b, char *at)
{
	const char *begin = at;
	struct json_list list;

	at = json_literal(at, "{\"closed\":");
	at = books_closed(b) ? json_literal(at, "true") : json_literal(at, "false");
	at = json_literal(at, ",\"balances\":[");
	list = (struct json_list){ .at = at, .first = true };
	books_balances(b, put_balance, &list);
	at = put_beside(json_literal(list.at, "],\"beside\":"), b);
	if (b->delay != NULL && b->delay->count > 0)
		at = put_delay(at, b->delay);
	*at++ = '}';
	ENSURE(at - begin < BOOKS_JSON_MAX);
	return at;
}

/* ---- the table ---- */

enum {
	ROW_ROOM = 2048,
	RESPONSES_COLUMN = 52, /* where the second balance of the line `messages` begins, */
	VERDICT_COLUMN = 94,   /* and the verdict: further right only if a row needs it */
};

struct row {
	char text[ROW_ROOM];
	char verdict[96];
};

/* Appends to a row; what does not fit is left out. */
__attribute__((format(printf, 2, 3))) static void say(struct row *r, const char *format, ...)
{
	size_t used = strlen(r->text);
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(r->text + used, sizeof(r->text) - used, format, ap);
	va_end(ap);
}

/* `term 8 (arp 5, icmp 3)`: the lines of one term are together in the list. Returns how many they
 * were. */
static uint32_t say_term(struct row *r, const struct books_side *side, uint32_t from,
			 bool shows_zero, const char *before)
{
	const struct books_term *t = &side->term[from];
	uint32_t to = from;
	uint64_t sum = 0;
	const char *separator = " (";

	while (to < side->count && strcmp(side->term[to].term, t->term) == 0)
		sum += side->term[to++].value;
	if (sum == 0 && !shows_zero)
		return to - from;
	say(r, "%s%s %llu", before, t->term, (unsigned long long)sum);
	for (uint32_t i = from; i < to; i++) {
		if (side->term[i].value == 0 || side->term[i].reason[0] == 0)
			continue;
		say(r, "%s%s %llu", separator, side->term[i].reason,
		    (unsigned long long)side->term[i].value);
		separator = ", ";
	}
	if (separator[0] == ',')
		say(r, ")");
	return to - from;
}

static void say_side(struct row *r, const struct books_side *side, const char *always)
{
	for (uint32_t i = 0; i < side->count;) {
		bool shows_zero = i == 0 || strcmp(side->term[i].term, always) == 0;

		i += say_term(r, side, i, shows_zero, i == 0 ? "" : " + ");
	}
}

static void say_balance(struct row *r, const struct balance_sheet *s, const char *always)
{
	/* Bytes say so themselves: `payload 4213321 B`, not `captured 4213321`. */
	if (strcmp(s->name, "payload") == 0 || strcmp(s->name, "datagrams") == 0)
		say(r, "%llu B", (unsigned long long)s->in.term[0].value);
	else if (!s->checkable)
		say(r, "%s unknown", s->in.term[0].term);
	else
		say_side(r, &s->in, "");
	say(r, " = ");
	say_side(r, &s->out, always);
}

/* What is wrong with the balances of one name: the first that does not close speaks for them. */
struct judgement {
	const char *name;
	char *verdict;
	size_t room;
};

static void judge(void *context, const struct balance_sheet *s)
{
	struct judgement *j = context;

	if (strcmp(s->name, j->name) != 0 || strcmp(j->verdict, "closed") != 0 || balance_closed(s))
		return;
	if (!s->checkable)
		(void)snprintf(j->verdict, j->room, "not checkable");
	else if (s->residual != 0)
		(void)snprintf(j->verdict, j->room, "DOES NOT CLOSE (residual %lld)",
			       (long long)s->residual);
	else
		(void)snprintf(j->verdict, j->room, "DOES NOT CLOSE (%llu under way)",
			       (unsigned long long)s->under_way);
}

static void say_verdict(struct row *r, const struct books *b, const char *name)
{
	struct judgement j = { .name = name, .verdict = r->verdict, .room = sizeof(r->verdict) };

	if (r->verdict[0] == 0)
		(void)snprintf(r->verdict, sizeof(r->verdict), "closed");
	books_balances(b, judge, &j);
}

static void ignore_sheet(void *context, const struct balance_sheet *s)
{
	(void)context;
	(void)s;
}

static void total_sheet(struct balance_sheet *s, const struct books *b, enum balance balance)
{
	balance_sheet_of(s, b, balance, -1);
	sheet_end(s, ignore_sheet, NULL);
}

static void messages_row(struct row *r, const struct books *b)
{
	struct balance_sheet s;

	say(r, "messages  ");
	total_sheet(&s, b, BALANCE_REQUESTS);
	say_balance(r, &s, "open");
	say(r, "  ");
	say(r, "%*s",
	    (int)(strlen(r->text) < RESPONSES_COLUMN ? RESPONSES_COLUMN - strlen(r->text) : 0), "");
	total_sheet(&s, b, BALANCE_RESPONSES);
	say_balance(r, &s, "");
	say_verdict(r, b, "requests");
	say_verdict(r, b, "responses");
}

static void plain_row(struct row *r, const struct books *b, const struct balance_sheet *s)
{
	say(r, "%-9s ", s->name);
	say_balance(r, s, "");
	say_verdict(r, b, s->name);
}

/* More than the first term of each side, or trouble. */
static bool is_telling(const struct balance_sheet *s)
{
	for (uint32_t i = 1; i < s->out.count; i++)
		if (s->out.term[i].value != 0)
			return true;
	return !balance_closed(s);
}

static void telling_row(struct row *rows, uint32_t *count, const struct books *b,
			const struct balance_sheet *s)
{
	if (is_telling(s))
		plain_row(&rows[(*count)++], b, s);
}

static uint32_t build_rows(struct row *rows, const struct books *b)
{
	struct balance_sheet s;
	uint32_t count = 0;

	for (uint32_t i = 0; i < sources(b); i++) {
		source_sheet(&s, b, i);
		sheet_end(&s, ignore_sheet, NULL);
		telling_row(rows, &count, b, &s);
	}
	total_sheet(&s, b, BALANCE_PACKETS);
	plain_row(&rows[count++], b, &s);
	handoff_sheet(&s, b);
	sheet_end(&s, ignore_sheet, NULL);
	telling_row(rows, &count, b, &s);
	total_sheet(&s, b, BALANCE_PAYLOAD);
	plain_row(&rows[count++], b, &s);
	total_sheet(&s, b, BALANCE_DATAGRAMS);
	if (s.in.term[0].value != 0 || !balance_closed(&s))
		plain_row(&rows[count++], b, &s);
	messages_row(&rows[count++], b);
	total_sheet(&s, b, BALANCE_RECORDS);
	plain_row(&rows[count++], b, &s);
	exporter_sheet(&s, b);
	sheet_end(&s, ignore_sheet, NULL);
	telling_row(rows, &count, b, &s);
	return count;
}

void books_table(const struct books *b, FILE *to)
{
	enum { ROWS_MAX = 9 + REGION_PORTS };
	struct row *rows = calloc(ROWS_MAX, sizeof(*rows));
	size_t column = VERDICT_COLUMN;
	uint32_t count;

	if (rows == NULL)
		return;
	count = build_rows(rows, b);
	for (uint32_t i = 0; i < count; i++)
		if (strlen(rows[i].text) + 2 > column)
			column = strlen(rows[i].text) + 2;
	for (uint32_t i = 0; i < count; i++)
		fprintf(to, "%-*s%s\n", (int)column, rows[i].text, rows[i].verdict);
	free(rows);
}
