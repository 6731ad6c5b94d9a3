#include "control/daemon/stats.h"

#include <sched.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "control/daemon/sources.h"
#include "dataplane/base/arena.h"
#include "dataplane/base/clock.h"

enum { LIVE_STREAMS = 8 }; /* the one that is no difference */

static const char *const count_name[STATS_COUNTS] = {
	"processedBytes",
	"packetsCount",
	"tcpPacketsCount",
	"ignoredPacketsCount",
	"reassembledTcpPayloadsCount",
	"tlsConnectionsCount",
	"matchedPairs",
	"droppedTcpStreams",
	"liveTcpStreams",
	"ignoredLastAckCount",
	"throttledPackets",
};

/* ---- the processes ---- */

/* The number behind `key` in a file of /proc made of `key: number` lines. */
static bool read_key(pid_t pid, const char *file, const char *key, uint64_t *ret)
{
	char path[64], line[256];
	size_t key_bytes = strlen(key);
	bool found = false;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	f = fopen(path, "re");
	if (f == NULL)
		return false;
	while (!found && fgets(line, sizeof(line), f) != NULL) {
		unsigned long long value;

		if (strncmp(line, key, key_bytes) != 0 ||
		    sscanf(line + key_bytes, ": %llu", &value) != 1)
			continue;
		*ret = value;
		found = true;
	}
	fclose(f);
	return found;
}

/* Pss where the kernel tells it to us, else the resident pages, shared ones counted in full. */
static void read_memory(struct stats_process *p)
{
	uint64_t kib;

	if (read_key(p->pid, "smaps_rollup", "Pss", &kib) ||
	    read_key(p->pid, "status", "VmRSS", &kib))
		p->set_bytes = kib * 1024;
}

static void read_process(struct stats_process *p)
{
	struct timespec t;
	clockid_t clock;

	if (clock_getcpuclockid(p->pid, &clock) == 0 && clock_gettime(clock, &t) == 0)
		p->cpu_ns = (uint64_t)t.tv_sec * CLOCK_SECOND_NS + (uint64_t)t.tv_nsec;
	read_key(p->pid, "status", "Threads", &p->threads);
	read_memory(p);
}

static void read_processes(struct stats *s)
{
	for (unsigned i = 0; i < STATS_PROCESSES; i++)
		read_process(&s->process[i]);
}

static uint64_t cpu_of_all(const struct stats *s)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < STATS_PROCESSES; i++)
		sum += s->process[i].cpu_ns;
	return sum;
}

static int usable_cores(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set)
							    : (int)sysconf(_SC_NPROCESSORS_ONLN);
}

/* ---- the lines ---- */

static uint64_t sum_term(const struct books *b, const char *term)
{
	uint64_t sum = 0;

	for (unsigned c = 0; c < COUNTER_COUNT; c++)
		if (ledger_line[c].balance == BALANCE_PACKETS &&
		    strcmp(ledger_line[c].term, term) == 0)
			sum += books_sum(b, c);
	return sum;
}

static void take_counts(const struct books *b, uint64_t count[STATS_COUNTS])
{
	uint64_t throttled = books_sum(b, C_passed_flow_table_full);
	const uint64_t now[STATS_COUNTS] = {
		books_sum(b, C_received_bytes),
		books_sum(b, C_received),
		books_sum(b, C_tcp_packets),
		books_sum(b, C_filtered) + sum_term(b, "malformed") + sum_term(b, "passed_over") -
			throttled,
		books_sum(b, C_segments_delivered),
		0,
		books_sum(b, C_requests_paired),
		books_sum(b, C_flows_evicted) + books_sum(b, C_flows_opaque),
		books_sum(b, C_flows_live),
		books_sum(b, C_packets_after_close),
		throttled,
	};

	memcpy(count, now, sizeof(now));
}

void stats_init(struct stats *s, uint64_t interval_ns, pid_t dataplane)
{
	*s = (struct stats){ .interval_ns = interval_ns, .last_ns = clock_monotonic_ns() };
	s->process[0].pid = getpid();
	s->process[1].pid = dataplane;
	if (interval_ns == 0)
		return;
	read_processes(s);
	s->cpu_ns = cpu_of_all(s);
}

void stats_go_on(struct stats *s, const struct books *b)
{
	take_counts(b, s->count);
}

bool stats_due(const struct stats *s, uint64_t now_ns)
{
	return s->interval_ns != 0 && now_ns - s->last_ns >= s->interval_ns;
}

static void put_stamp(FILE *to)
{
	uint64_t now_ns = clock_wall_ns();
	time_t second = (time_t)(now_ns / CLOCK_SECOND_NS);
	char day[32], zone[8];
	struct tm tm;

	localtime_r(&second, &tm);
	strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm);
	strftime(zone, sizeof(zone), "%z", &tm);
	fprintf(to, "[%s.%03u%s] INFO  \xe2\x96\xb6 ", day,
		(unsigned)(now_ns % CLOCK_SECOND_NS / 1000000), zone);
}

void stats_begin(const struct stats *s, FILE *to)
{
	if (s->interval_ns == 0)
		return;
	put_stamp(to);
	fprintf(to, "stats every %.3fs\n", (double)s->interval_ns / (double)CLOCK_SECOND_NS);
	fflush(to);
}

void stats_json(const struct stats *s, const struct books *b, FILE *to)
{
	uint64_t now[STATS_COUNTS];

	take_counts(b, now);
	for (unsigned i = 0; i < STATS_COUNTS; i++) {
		uint64_t value = i == LIVE_STREAMS ? now[i] : now[i] - s->count[i];

		fprintf(to, "%c\"%s\":%llu", i == 0 ? '{' : ',', count_name[i],
			(unsigned long long)value);
	}
	fputs("}\n", to);
}

static void write_counts(struct stats *s, const struct books *b, FILE *to)
{
	put_stamp(to);
	fputs("app stats - ", to);
	stats_json(s, b, to);
	take_counts(b, s->count);
}

static void write_resources(struct stats *s, const struct books *b, FILE *to)
{
	uint64_t now_ns = clock_monotonic_ns(), elapsed_ns = now_ns - s->last_ns;
	uint64_t heap = books_sum(b, C_heap_bytes) + arena_process_bytes();
	uint64_t cpu_ns, threads = 0, set_bytes = 0;

	read_processes(s);
	cpu_ns = cpu_of_all(s);
	for (unsigned i = 0; i < STATS_PROCESSES; i++) {
		threads += s->process[i].threads;
		set_bytes += s->process[i].set_bytes;
	}
	put_stamp(to);
	fprintf(to,
		"heap-alloc: %llu, heap-idle: 0, heap-objects: 0, goroutines: %llu, cpu: %f, "
		"cores: %ld/%d, rss: %f\n",
		(unsigned long long)heap, (unsigned long long)threads,
		elapsed_ns == 0 ? 0 : 100.0 * (double)(cpu_ns - s->cpu_ns) / (double)elapsed_ns,
		sysconf(_SC_NPROCESSORS_ONLN), usable_cores(), (double)set_bytes);
	s->cpu_ns = cpu_ns;
	s->last_ns = now_ns;
}

static void write_source(const char *name, uint64_t received, uint64_t lost, bool first, FILE *to)
{
	fprintf(to, "%shost-%s: rec: %llu dropped: %llu", first ? "" : " ", name,
		(unsigned long long)received, (unsigned long long)lost);
}

/* As libpcap tells them: since the beginning. Workers lose what they hand to each other too. */
static void write_sources(const struct books *b, FILE *to)
{
	uint64_t handoff_full = books_sum(b, C_handoff_full);
	struct sources sources;

	sources_sum(&sources, b);
	put_stamp(to);
	fputs("packet-source-stats: [", to);
	for (uint32_t i = 0; i < sources.count; i++) {
		const struct region_port_view *p = &sources.source[i];

		write_source(p->about.interface[0] != '\0' ? p->about.interface : p->about.backend,
			     p->received, sources_lost(p), i == 0, to);
	}
	if (handoff_full > 0)
		write_source("handoff", books_sum(b, C_handed_in), handoff_full, sources.count == 0,
			     to);
	fputs("]\n", to);
}

void stats_write(struct stats *s, const struct books *b, FILE *to)
{
	write_resources(s, b, to);
	write_counts(s, b, to);
	write_sources(b, to);
	fflush(to);
}
