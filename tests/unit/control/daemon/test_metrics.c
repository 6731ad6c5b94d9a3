/* Proves that the text is what the exposition format 0.0.4 asks for, with a reader that believes
 * nothing: every family has its HELP and TYPE once and before its samples, its samples stand
 * together, no series twice, names and labels as they have to be, values escaped, histograms
 * cumulative and complete. And that it tells the truth: every line of the ledger, every source,
 * every latency in its bucket.
 */
#include "control/daemon/metrics.h"

#include <ctype.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "control/daemon/sources.h"
#include "dissectors/registry.h"

enum { WORKERS = 2, RING_BYTES = 4 << 20, SERIES_MAX = 4096, FAMILIES_MAX = 512, TEXT_MAX = 512 };

static struct books *b;
static struct region_writer writer[WORKERS];
static struct region_reader reader[WORKERS];
static char *metrics;

static int begin(void **state)
{
	(void)state;
	b = calloc(1, sizeof(*b));
	if (b == NULL)
		return -1;
	for (uint32_t w = 0; w < WORKERS; w++) {
		if (region_create(&writer[w], w, WORKERS, RING_BYTES, dissector_count, "k3q9ab") <
			    0 ||
		    region_attach(&reader[w], writer[w].up_fd, writer[w].down_fd) < 0)
			return -1;
		b->worker[w].ports = 1;
		b->worker[w].port[0] = (struct region_port_view){
			.about = { "af_xdp", "eth0", "native", "xdp" }, .offered = 500 + w
		};
		for (unsigned c = 0; c < COUNTER_COUNT; c++)
			b->worker[w].counters.value[c] = 1000 * w + c;
	}
	b->workers = WORKERS;
	b->live = true;
	b->exporter.format = "jsonl";
	return 0;
}

static int end(void **state)
{
	(void)state;
	for (uint32_t w = 0; w < WORKERS; w++) {
		region_detach(&reader[w]);
		region_destroy(&writer[w]);
	}
	free(b);
	free(metrics);
	metrics = NULL;
	return 0;
}

/* ---- a strict reader ---- */

struct label {
	char name[TEXT_MAX], value[TEXT_MAX]; /* as it was before escaping */
};

struct series {
	char name[TEXT_MAX];
	uint32_t labels;
	struct label label[8];
	double value;
	uint32_t family;
};

struct family {
	char name[TEXT_MAX], type[32];
	bool has_help, has_type;
};

static struct series series[SERIES_MAX];
static struct family families[FAMILIES_MAX];
static uint32_t series_count, family_count;
static const char *at; /* where reading is */

#define CHECK(condition, what)                                                                     \
	do {                                                                                       \
		if (!(condition))                                                                  \
			fail_msg("%s: %.200s", what, at);                                          \
	} while (0)

static void read_name(char *ret, bool colons)
{
	size_t n = 0;

	CHECK(isalpha((unsigned char)*at) || *at == '_', "a name begins with a letter");
	while (isalnum((unsigned char)*at) || *at == '_' || (colons && *at == ':')) {
		CHECK(n + 1 < TEXT_MAX, "the name is too long");
		ret[n++] = *at++;
	}
	ret[n] = 0;
}

static void expect(char c)
{
	CHECK(*at == c, "another character was expected");
	at++;
}

static void read_label(struct label *ret)
{
	size_t n = 0;

	read_name(ret->name, false);
	CHECK(strncmp(ret->name, "__", 2) != 0, "names with __ are reserved");
	expect('=');
	expect('"');
	while (*at != '"') {
		char c = *at++;

		CHECK(c != 0 && c != '\n', "the value does not end");
		if (c == '\\') {
			c = *at++;
			CHECK(c == '\\' || c == '"' || c == 'n', "no such escape");
			c = c == 'n' ? '\n' : c;
		}
		CHECK(n + 1 < TEXT_MAX, "the value is too long");
		ret->value[n++] = c;
	}
	ret->value[n] = 0;
	expect('"');
}

static void read_labels(struct series *s)
{
	s->labels = 0;
	if (*at != '{')
		return;
	do {
		at++;
		CHECK(s->labels < 8, "too many labels");
		read_label(&s->label[s->labels]);
		for (uint32_t i = 0; i < s->labels; i++)
			CHECK(strcmp(s->label[i].name, s->label[s->labels].name) != 0,
			      "the label is there twice");
		s->labels++;
	} while (*at == ',');
	expect('}');
}

static double read_value(void)
{
	char *end;
	double value;

	CHECK(isdigit((unsigned char)*at) || strncmp(at, "+Inf", 4) == 0, "no value");
	value = strtod(at, &end);
	at = end;
	return value;
}

static const char *label_of(const struct series *s, const char *name)
{
	for (uint32_t i = 0; i < s->labels; i++)
		if (strcmp(s->label[i].name, name) == 0)
			return s->label[i].value;
	return NULL;
}

static bool same_labels(const struct series *a, const struct series *o, const char *but)
{
	uint32_t compared = 0;

	for (uint32_t i = 0; i < a->labels; i++) {
		const char *other = label_of(o, a->label[i].name);

		if (but != NULL && strcmp(a->label[i].name, but) == 0)
			continue;
		if (other == NULL || strcmp(other, a->label[i].value) != 0)
			return false;
		compared++;
	}
	return compared == o->labels - (but != NULL && label_of(o, but) != NULL);
}

static struct family *family_named(const char *name)
{
	for (uint32_t i = 0; i < family_count; i++)
		if (strcmp(families[i].name, name) == 0)
			return &families[i];
	return NULL;
}

/* A family begins with its HELP line, and with it alone. */
static void read_comment(void)
{
	char name[TEXT_MAX];
	struct family *f;
	bool help = strncmp(at, "# HELP ", 7) == 0;
	size_t n;

	CHECK(help || strncmp(at, "# TYPE ", 7) == 0, "a comment of another kind");
	at += 7;
	read_name(name, true);
	expect(' ');
	f = family_named(name);
	if (help) {
		CHECK(f == NULL, "the family is there already");
		CHECK(family_count < FAMILIES_MAX, "too many families");
		f = &families[family_count++];
		*f = (struct family){ .has_help = true };
		strcpy(f->name, name);
		CHECK(*at != '\n', "the help is empty");
		for (; *at != '\n'; at++)
			if (*at == '\\')
				CHECK(at[1] == '\\' || at[1] == 'n', "no such escape in a help");
		return;
	}
	CHECK(f != NULL && f == &families[family_count - 1], "TYPE is not behind its HELP");
	CHECK(!f->has_type, "a second TYPE");
	f->has_type = true;
	n = strcspn(at, "\n");
	memcpy(f->type, at, n < sizeof(f->type) ? n : sizeof(f->type) - 1);
	at += n;
	CHECK(strcmp(f->type, "counter") == 0 || strcmp(f->type, "gauge") == 0 ||
		      strcmp(f->type, "histogram") == 0,
	      "no such type");
}

/* The family last begun is the only one that samples may belong to. */
static void check_belongs(const struct series *s)
{
	const struct family *f = &families[family_count - 1];
	size_t bytes = strlen(f->name);
	const char *rest = s->name + bytes;

	CHECK(family_count > 0 && f->has_type, "a sample without a TYPE");
	CHECK(strncmp(s->name, f->name, bytes) == 0, "a sample of another family");
	if (strcmp(f->type, "histogram") == 0)
		CHECK(strcmp(rest, "_bucket") == 0 || strcmp(rest, "_sum") == 0 ||
			      strcmp(rest, "_count") == 0,
		      "no part of a histogram");
	else
		CHECK(rest[0] == 0, "a sample of another family");
	if (strcmp(f->type, "counter") == 0)
		CHECK(bytes > 6 && strcmp(f->name + bytes - 6, "_total") == 0,
		      "a counter without _total");
	if (strcmp(f->type, "gauge") == 0)
		CHECK(bytes < 6 || strcmp(f->name + bytes - 6, "_total") != 0,
		      "a gauge with _total");
}

static void read_sample(void)
{
	struct series *s = &series[series_count];

	CHECK(series_count < SERIES_MAX, "too many series");
	read_name(s->name, true);
	read_labels(s);
	expect(' ');
	s->value = read_value();
	s->family = family_count - 1;
	check_belongs(s);
	for (uint32_t i = 0; i < series_count; i++)
		CHECK(strcmp(series[i].name, s->name) != 0 || !same_labels(&series[i], s, NULL),
		      "the series is there twice");
	series_count++;
}

/* Bounds ascend, counts do not fall, and the last bucket is +Inf and equal to _count. */
static void check_histogram(const struct series *count)
{
	double bound = -1, below = 0;
	char name[TEXT_MAX];
	uint32_t buckets = 0, sums = 0;

	(void)snprintf(name, sizeof(name), "%.*s", (int)(strlen(count->name) - 6), count->name);
	for (uint32_t i = 0; i < series_count; i++) {
		const struct series *s = &series[i];
		const char *le = label_of(s, "le");

		if (s->family != count->family || !same_labels(s, count, "le"))
			continue;
		if (strcmp(s->name + strlen(name), "_sum") == 0)
			sums++;
		if (strcmp(s->name + strlen(name), "_bucket") != 0)
			continue;
		assert_non_null(le);
		assert_true(strtod(le, NULL) > bound);
		assert_true(s->value >= below);
		bound = strtod(le, NULL);
		below = s->value;
		buckets++;
	}
	assert_true(buckets > 1);
	assert_true(isinf(bound));
	assert_true(below == count->value);
	assert_int_equal(sums, 1);
}

static void build(void)
{
	size_t bytes;

	free(metrics);
	metrics = metrics_build(b, reader, "0.1.0", UINT64_C(1763683200123456789), &bytes);
	assert_non_null(metrics);
	assert_int_equal(strlen(metrics), bytes);
	assert_int_equal(metrics[bytes - 1], '\n');
	series_count = family_count = 0;
	for (at = metrics; *at != 0;) {
		if (*at == '#')
			read_comment();
		else
			read_sample();
		expect('\n');
	}
	for (uint32_t i = 0; i < family_count; i++)
		assert_true(families[i].has_help && families[i].has_type);
	for (uint32_t i = 0; i < series_count; i++)
		if (strcmp(families[series[i].family].type, "histogram") == 0 &&
		    strstr(series[i].name, "_count") != NULL)
			check_histogram(&series[i]);
}

/* The value of the series with exactly these labels: name, value, name, value, NULL. */
static double value_of(const char *name, ...)
{
	struct series wanted = { 0 };
	const char *label;
	va_list ap;

	va_start(ap, name);
	while ((label = va_arg(ap, const char *)) != NULL) {
		strcpy(wanted.label[wanted.labels].name, label);
		strcpy(wanted.label[wanted.labels++].value, va_arg(ap, const char *));
	}
	va_end(ap);
	for (uint32_t i = 0; i < series_count; i++)
		if (strcmp(series[i].name, name) == 0 && same_labels(&series[i], &wanted, NULL))
			return series[i].value;
	return NAN;
}

static bool has_series(const char *name)
{
	for (uint32_t i = 0; i < series_count; i++)
		if (strcmp(series[i].name, name) == 0)
			return true;
	return false;
}

/* ---- the ledger ---- */

/* Not by knowing the names: each value of each worker is unlike all others, and is there. */
static void every_line_of_the_ledger_is_there_for_every_worker(void **state)
{
	(void)state;
	for (uint32_t w = 0; w < WORKERS; w++)
		for (unsigned c = 0; c < COUNTER_COUNT; c++)
			b->worker[w].counters.value[c] = 7000000 + 100000 * w + c;
	build();
	for (uint32_t w = 0; w < WORKERS; w++) {
		for (unsigned c = 0; c < COUNTER_COUNT; c++) {
			double wanted = 7000000 + 100000 * w + c;
			const char *worker = w == 0 ? "0" : "1";
			unsigned found = 0;

			for (uint32_t i = 0; i < series_count; i++)
				found += series[i].value == wanted &&
					 label_of(&series[i], "worker") != NULL &&
					 strcmp(label_of(&series[i], "worker"), worker) == 0 &&
					 strstr(series[i].name, ledger_line[c].term) != NULL;
			if (found != 1)
				fail_msg("%s of worker %u is there %u times", ledger_line[c].id, w,
					 found);
		}
	}
}

static void names_are_made_of_balance_term_and_reason(void **state)
{
	(void)state;
	build();
	assert_true(value_of("weir_packets_received_total", "worker", "1", NULL) ==
		    1000 + C_received);
	assert_true(value_of("weir_packets_malformed_total", "worker", "0", "reason", "ip_header",
			     NULL) == C_malformed_ip_header);
	assert_true(value_of("weir_requests_unanswered_total", "worker", "0", "reason", "gap",
			     NULL) == C_unanswered_gap);
	assert_true(value_of("weir_requests_open", "worker", "0", NULL) == C_requests_open);
	assert_true(value_of("weir_worker_flows_live", "worker", "1", NULL) == 1000 + C_flows_live);
	assert_true(value_of("weir_worker_received_bytes_total", "worker", "0", NULL) ==
		    C_received_bytes);
	assert_non_null(strstr(metrics, "# HELP weir_packets_filtered_total not selected by the "
					"filter expression\n"));
	assert_non_null(strstr(metrics, "; ip_header: IP header cut short or impossible; "));
}

static void rings_and_the_exporter_have_their_own(void **state)
{
	(void)state;
	b->worker[1].drained = 90;
	b->worker[1].in_ring = 5;
	b->exporter.drained = 90;
	b->exporter.exported = 80;
	b->exporter.failed[SINK_FAILED_no_space] = 7;
	b->exporter.queued = 3;
	build();
	assert_true(value_of("weir_records_drained_total", "worker", "1", NULL) == 90);
	assert_true(value_of("weir_records_in_ring", "worker", "1", NULL) == 5);
	assert_true(value_of("weir_ring_size_bytes", "worker", "0", NULL) == RING_BYTES);
	assert_true(value_of("weir_exporter_drained_total", "exporter", "jsonl", "reason", "",
			     NULL) == 90);
	assert_true(value_of("weir_exporter_exported_total", "exporter", "jsonl", "reason", "",
			     NULL) == 80);
	assert_true(value_of("weir_exporter_failed_total", "exporter", "jsonl", "reason",
			     "no_space", NULL) == 7);
	assert_true(value_of("weir_exporter_queued", "exporter", "jsonl", NULL) == 3);
}

static void the_ledger_is_consistent_or_not(void **state)
{
	(void)state;
	memset(&b->worker[0].counters, 0, sizeof(b->worker[0].counters));
	memset(&b->worker[1].counters, 0, sizeof(b->worker[1].counters));
	build();
	assert_true(value_of("weir_ledger_consistent", NULL) == 1);
	b->worker[1].counters.value[C_received]++;
	build();
	assert_true(value_of("weir_ledger_consistent", NULL) == 0);
}

/* ---- sources ---- */

static void a_source_is_labelled_with_what_the_user_knows_it_by(void **state)
{
	(void)state;
	b->worker[0].port[0].lost[RX_LOST_driver] = 11;
	b->worker[1].port[0].lost[RX_LOST_driver] = 22;
	b->worker[0].port[0].in_flight = 4;
	build();
	assert_true(value_of("weir_source_offered_packets_total", "source", "0", "backend",
			     "af_xdp", "interface", "eth0", NULL) == 1001);
	assert_true(value_of("weir_source_lost_packets_total", "source", "0", "backend", "af_xdp",
			     "interface", "eth0", "reason", "driver", NULL) == 33);
	assert_true(value_of("weir_source_in_flight_packets", "source", "0", "backend", "af_xdp",
			     "interface", "eth0", NULL) == 4);
}

static void what_nobody_counted_is_left_out(void **state)
{
	(void)state;
	b->worker[1].port[0].offered = RX_UNKNOWN;
	build();
	assert_false(has_series("weir_source_offered_packets_total"));
	assert_true(has_series("weir_source_received_packets_total"));
}

static void an_interface_of_any_name_is_escaped(void **state)
{
	(void)state;
	strcpy(b->worker[0].port[0].about.interface, "a\"b\\c\nd}");
	build();
	assert_true(value_of("weir_source_received_packets_total", "source", "0", "backend",
			     "af_xdp", "interface", "a\"b\\c\nd}", NULL) == 0);
}

/* ---- latency ---- */

static double bucket_at(const char *le)
{
	return value_of("weir_latency_seconds_bucket", "proto", dissectors[0]->proto, "le", le,
			NULL);
}

static void a_latency_at_a_bound_is_in_its_bucket_and_not_beyond(void **state)
{
	(void)state;
	char sum[128];

	snprintf(sum, sizeof(sum), "weir_latency_seconds_sum{proto=\"%s\"} 0.000006142\n",
		 dissectors[0]->proto);
	histogram_add(&writer[0].histogram[0], 1023);
	histogram_add(&writer[0].histogram[0], 1024);
	histogram_add(&writer[1].histogram[0], 2047);
	histogram_add(&writer[1].histogram[0], 2048);
	build();
	assert_true(bucket_at("0.000001023") == 1);
	assert_true(bucket_at("0.000002047") == 3);
	assert_true(bucket_at("0.000004095") == 4);
	assert_true(bucket_at("+Inf") == 4);
	assert_true(value_of("weir_latency_seconds_count", "proto", dissectors[0]->proto, NULL) ==
		    4);
	assert_non_null(strstr(metrics, sum));
}

static void the_shortest_and_the_longest_latencies_are_counted(void **state)
{
	(void)state;
	histogram_add(&writer[0].histogram[0], 0);
	histogram_add(&writer[0].histogram[0], UINT64_C(1) << 36);
	histogram_add(&writer[0].histogram[0], UINT64_C(1) << 62);
	build();
	assert_true(bucket_at("0.000001023") == 1);
	assert_true(bucket_at("68.719476735") == 1);
	assert_true(bucket_at("+Inf") == 3);
}

static void every_protocol_has_its_histogram_once(void **state)
{
	(void)state;
	build();
	for (uint32_t p = 0; p < dissector_count; p++)
		assert_true(value_of("weir_latency_seconds_count", "proto", dissectors[p]->proto,
				     NULL) == 0);
}

/* ---- the rest ---- */

static void which_weir_and_since_when(void **state)
{
	(void)state;
	build();
	assert_true(value_of("weir_build_info", "version", "0.1.0", NULL) == 1);
	assert_non_null(strstr(metrics, "\nweir_start_time_seconds 1763683200.123456789\n"));
	assert_true(value_of("process_cpu_seconds_total", NULL) >= 0);
}

static void before_there_is_a_dataplane_the_text_is_sound(void **state)
{
	(void)state;
	b->workers = 0;
	build();
	assert_true(has_series("weir_build_info"));
	assert_false(has_series("weir_packets_received_total"));
}

/* Nothing that a packet could choose: these names and no others. */
static void labels_are_a_closed_list(void **state)
{
	static const char *const known[] = { "worker",   "reason", "source", "backend", "interface",
					     "exporter", "proto",  "le",     "version" };

	(void)state;
	build();
	for (uint32_t i = 0; i < series_count; i++) {
		for (uint32_t l = 0; l < series[i].labels; l++) {
			bool found = false;

			for (size_t k = 0; k < sizeof(known) / sizeof(known[0]); k++)
				found |= strcmp(series[i].label[l].name, known[k]) == 0;
			if (!found)
				fail_msg("%s has a label %s", series[i].name,
					 series[i].label[l].name);
		}
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(every_line_of_the_ledger_is_there_for_every_worker),
		TEST(names_are_made_of_balance_term_and_reason),
		TEST(rings_and_the_exporter_have_their_own),
		TEST(the_ledger_is_consistent_or_not),
		TEST(a_source_is_labelled_with_what_the_user_knows_it_by),
		TEST(what_nobody_counted_is_left_out),
		TEST(an_interface_of_any_name_is_escaped),
		TEST(a_latency_at_a_bound_is_in_its_bucket_and_not_beyond),
		TEST(the_shortest_and_the_longest_latencies_are_counted),
		TEST(every_protocol_has_its_histogram_once),
		TEST(which_weir_and_since_when),
		TEST(before_there_is_a_dataplane_the_text_is_sound),
		TEST(labels_are_a_closed_list),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
