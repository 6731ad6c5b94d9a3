/* cpu - checks of the processors, and of who else uses them. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "control/host/check.h"

/* ---- frequency ---- */

struct governors {
	const struct host *host;
	struct report *report; /* NULL: count only */
	uint32_t all, slow;
	char name[32]; /* of a slow one */
	int code;
};

static void governor_path(char *ret, size_t bytes, unsigned cpu)
{
	(void)snprintf(ret, bytes, "/sys/devices/system/cpu/cpu%u/cpufreq/scaling_governor", cpu);
}

static bool look_at_governor(const char *entry, void *context)
{
	struct governors *g = context;
	char path[128], text[32];
	unsigned cpu;
	int end = 0, code;

	if (sscanf(entry, "cpu%u%n", &cpu, &end) != 1 || entry[end] != 0)
		return true;
	governor_path(path, sizeof(path), cpu);
	code = host_read(g->host, path, text, sizeof(text));
	if (code < 0) {
		if (code != -ENOENT)
			g->code = code;
		return true;
	}
	g->all++;
	if (strcmp(text, "performance") == 0)
		return true;
	g->slow++;
	(void)snprintf(g->name, sizeof(g->name), "%s", text);
	if (g->report != NULL)
		report_change(g->report, CHANGE_FILE, path, "", "performance");
	return true;
}

static void check_governor(const struct host *h, struct report *r)
{
	struct governors g = { .host = h };
	int code = host_each(h, "/sys/devices/system/cpu", look_at_governor, &g);

	if (code < 0 || g.code < 0) {
		report_unreadable(r, "/sys/devices/system/cpu", code < 0 ? code : g.code);
	} else if (g.all == 0) {
		report(r, LEVEL_OK,
		       "no frequency to set here; in a virtual machine its host "
		       "decides");
	} else if (g.slow == 0) {
		report(r, LEVEL_OK, "performance, on all %u", g.all);
	} else {
		report(r, LEVEL_WARN,
		       "%s on %u of %u: a core slows down between bursts and loses the next one's "
		       "beginning",
		       g.name, g.slow, g.all);
		report_fix(r, "cpupower frequency-set -g performance");
		g.report = r;
		(void)host_each(h, "/sys/devices/system/cpu", look_at_governor, &g);
	}
}

/* ---- cores for weir alone ---- */

static int read_cpus(const struct host *h, const char *path, struct cpus *ret)
{
	char text[HOST_TEXT_BYTES];
	int code = host_read(h, path, text, sizeof(text));

	if (code < 0)
		return code;
	if (strcmp(text, "(null)") == 0) /* what nohz_full says where it is none */
		text[0] = 0;
	return cpus_parse(text, ret);
}

static void check_isolated(const struct host *h, struct report *r)
{
	struct cpus isolated, no_tick = { { 0 } };
	char text[128], ticks[128];
	int code = read_cpus(h, "/sys/devices/system/cpu/isolated", &isolated);

	if (code < 0) {
		report_unreadable(r, "/sys/devices/system/cpu/isolated", code);
		return;
	}
	(void)read_cpus(h, "/sys/devices/system/cpu/nohz_full", &no_tick);
	cpus_format(&isolated, text, sizeof(text));
	cpus_format(&no_tick, ticks, sizeof(ticks));
	if (text[0] == 0 && ticks[0] == 0)
		report(r, LEVEL_INFO,
		       "no core is kept free for weir: workers share theirs with "
		       "everything else");
	else if (h->has_cores && !cpus_within(&h->cores, &isolated))
		report(r, LEVEL_INFO,
		       "cores %s are kept free (without a tick: %s), but not all of "
		       "those asked for",
		       text[0] != 0 ? text : "none", ticks[0] != 0 ? ticks : "none");
	else
		report(r, LEVEL_OK, "cores %s are kept free; without a tick: %s",
		       text[0] != 0 ? text : "none", ticks[0] != 0 ? ticks : "none");
	if (text[0] == 0)
		report_fix(r, "at boot: isolcpus=LIST nohz_full=LIST, then --cores LIST");
}

static void check_cores(const struct host *h, struct report *r)
{
	struct cpus online, missing = h->cores;
	char text[128];
	uint32_t count;
	int code = read_cpus(h, "/sys/devices/system/cpu/online", &online);

	if (code < 0) {
		report_unreadable(r, "/sys/devices/system/cpu/online", code);
		return;
	}
	count = cpus_count(&online);
	for (uint32_t i = 0; i < HOST_CPUS_MAX; i++)
		if (cpus_has(&online, i))
			missing.bit[i / 64] &= ~(UINT64_C(1) << i % 64);
	if (h->has_cores && cpus_count(&missing) > 0) {
		cpus_format(&missing, text, sizeof(text));
		report(r, LEVEL_FAIL, "core %s is not there", text);
		cpus_format(&online, text, sizeof(text));
		report_fix(r, "choose from --cores %s", text);
	} else if (h->workers > count) {
		report(r, LEVEL_WARN, "%u workers for %u cores: they take each other's time",
		       h->workers, count);
		report_fix(r, "--workers %u", count > 1 ? count - 1 : 1);
	} else {
		cpus_format(&online, text, sizeof(text));
		report(r, LEVEL_OK, "%u, numbered %s", count, text);
	}
}

/* ---- irqbalance ---- */

struct find_process {
	const struct host *host;
	const char *name;
	long pid;
};

static bool look_at_process(const char *entry, void *context)
{
	struct find_process *f = context;
	char path[64], name[32];

	if (entry[0] < '0' || entry[0] > '9')
		return true;
	(void)snprintf(path, sizeof(path), "/proc/%.16s/comm", entry);
	if (host_read(f->host, path, name, sizeof(name)) < 0 || strcmp(name, f->name) != 0)
		return true;
	(void)sscanf(entry, "%ld", &f->pid);
	return false;
}

static void check_irqbalance(const struct host *h, struct report *r)
{
	struct find_process f = { .host = h, .name = "irqbalance" };
	int code = host_each(h, "/proc", look_at_process, &f);

	if (code < 0) {
		report_unreadable(r, "/proc", code);
	} else if (f.pid == 0) {
		report(r, LEVEL_OK, "does not run: interrupts stay where they are");
	} else {
		report(r, LEVEL_WARN,
		       "runs (process %ld): it moves interrupts to other cores while "
		       "weir captures",
		       f.pid);
		report_fix(r, "systemctl stop irqbalance");
	}
}

const struct check cpu_checks[] = {
	{ "cores", "are there enough for the workers?", check_cores, NULL },
	{ "governor", "do cores keep their frequency?", check_governor, NULL },
	{ "isolated", "are cores kept free for weir?", check_isolated, NULL },
	{ "irqbalance", "does anybody move interrupts?", check_irqbalance, NULL },
	{ .name = NULL },
};
