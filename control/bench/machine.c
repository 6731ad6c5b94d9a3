/* machine - how much all cores of this machine worked between two moments. */
#include "control/bench/machine.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "control/bench/tracepoint.h"
#include "dataplane/base/clock.h"
#include "dataplane/base/compiler.h"
#include "dataplane/base/cpu.h"

enum {
	TEXT_BYTES_MAX = 4 << 20, /* of /proc/timer_list with every core's timers */
	CALIBRATE_NS = 50000000,
};

/* What is counted by events of perf, per core. */
enum event {
	EVENT_cycles,
	EVENT_instructions,
	EVENT_cache_misses,
	EVENT_context_switches,
	EVENT_migrations,
	EVENT_system_calls,
	EVENTS
};

struct counts {
	uint64_t at_ns; /* CLOCK_MONOTONIC */
	uint64_t wall_ns[MACHINE_CORES_MAX], idle_ns[MACHINE_CORES_MAX];
	double steal_s;
	double event[EVENTS];
};

struct machine {
	uint32_t cores;
	uint16_t core[MACHINE_CORES_MAX]; /* their numbers */
	const char *method;
	char text[256];
	double hz;   /* of the time stamp counter */
	int idle_fd; /* -1: /proc/stat instead */
	char *buffer;
	int event_fd[EVENTS][MACHINE_CORES_MAX];
	struct counts before;
	double calls_before;
};

/* ---- the kernel's texts ---- */

/* number_behind - the number behind `key` and a colon, between `at` and `end`. */
static bool number_behind(const char *at, const char *end, const char *key, uint64_t *ret)
{
	const char *found = strstr(at, key);
	unsigned long long value;

	if (found == NULL || found >= end || sscanf(found + strlen(key), " : %llu", &value) != 1)
		return false;
	*ret = value;
	return true;
}

int machine_parse_timers(const char *text, uint32_t core, uint64_t *ret_now_ns,
			 uint64_t *ret_idle_ns)
{
	const char *now = strstr(text, "now at "), *section, *end;
	unsigned long long now_ns;
	uint64_t idle_ns, iowait_ns;
	char head[32];

	(void)snprintf(head, sizeof(head), "\ncpu: %u\n", core);
	section = strstr(text, head);
	if (section == NULL || now == NULL || sscanf(now, "now at %llu", &now_ns) != 1)
		return -EINVAL;
	end = strstr(section + 1, "\ncpu: ");
	if (end == NULL)
		end = section + strlen(section);
	if (!number_behind(section, end, ".idle_sleeptime", &idle_ns) ||
	    !number_behind(section, end, ".iowait_sleeptime", &iowait_ns))
		return -EINVAL;
	*ret_now_ns = now_ns;
	*ret_idle_ns = idle_ns + iowait_ns;
	return 0;
}

int machine_parse_stat(const char *text, uint32_t core, uint64_t *ret_idle_ticks)
{
	unsigned long long idle, iowait;
	char head[32];
	const char *line;

	(void)snprintf(head, sizeof(head), "\ncpu%u ", core);
	line = strstr(text, head);
	if (line == NULL ||
	    sscanf(line + strlen(head), "%*u %*u %*u %llu %llu", &idle, &iowait) != 2)
		return -EINVAL;
	*ret_idle_ticks = idle + iowait;
	return 0;
}

/* read_again - a file of /proc from its beginning, whole, with a zero byte. Returns: 0; -errno. */
static int read_again(int fd, char *buffer)
{
	size_t used = 0;
	ssize_t n;

	if (lseek(fd, 0, SEEK_SET) < 0)
		return -errno;
	while ((n = read(fd, buffer + used, TEXT_BYTES_MAX - 1 - used)) > 0)
		used += (size_t)n;
	buffer[used] = '\0';
	return n < 0 ? -errno : 0;
}

static int read_stat(struct machine *m)
{
	int fd = open("/proc/stat", O_RDONLY | O_CLOEXEC), err;

	if (fd < 0)
		return -errno;
	err = read_again(fd, m->buffer);
	close(fd);
	return err;
}

/* ---- idle time ---- */

static uint64_t ticks_ns(uint64_t ticks)
{
	return ticks * (CLOCK_SECOND_NS / (uint64_t)sysconf(_SC_CLK_TCK));
}

/* An idle core's sum is as old as its last interrupt: by running there we are one. */
static int read_timers(struct machine *m, struct counts *c)
{
	struct cpu_set home;
	int err = cpu_allowed(&home);

	for (uint32_t i = 0; i < m->cores && err == 0; i++) {
		err = cpu_pin(m->core[i]);
		if (err == 0)
			err = read_again(m->idle_fd, m->buffer);
		if (err == 0)
			err = machine_parse_timers(m->buffer, m->core[i], &c->wall_ns[i],
						   &c->idle_ns[i]);
	}
	(void)cpu_allow(&home);
	return err;
}

static int read_ticks(struct machine *m, struct counts *c)
{
	int err = read_stat(m);

	for (uint32_t i = 0; i < m->cores && err == 0; i++) {
		uint64_t ticks = 0;

		err = machine_parse_stat(m->buffer, m->core[i], &ticks);
		c->idle_ns[i] = ticks_ns(ticks);
		c->wall_ns[i] = clock_monotonic_ns();
	}
	return err;
}

static double read_steal(struct machine *m)
{
	unsigned long long steal;

	if (read_stat(m) < 0 ||
	    sscanf(m->buffer, "cpu %*u %*u %*u %*u %*u %*u %*u %llu", &steal) != 1)
		return NAN;
	return (double)ticks_ns(steal) / (double)CLOCK_SECOND_NS;
}

/* ---- events ---- */

static struct perf_event_attr attribute(enum event e)
{
	struct perf_event_attr a = { .size = sizeof(a),
				     .read_format = PERF_FORMAT_TOTAL_TIME_ENABLED |
						    PERF_FORMAT_TOTAL_TIME_RUNNING };

	a.type = e <= EVENT_cache_misses ? PERF_TYPE_HARDWARE : PERF_TYPE_SOFTWARE;
	switch (e) {
	case EVENT_cycles: a.config = PERF_COUNT_HW_CPU_CYCLES; break;
	case EVENT_instructions: a.config = PERF_COUNT_HW_INSTRUCTIONS; break;
	case EVENT_cache_misses: a.config = PERF_COUNT_HW_CACHE_MISSES; break;
	case EVENT_context_switches: a.config = PERF_COUNT_SW_CONTEXT_SWITCHES; break;
	case EVENT_migrations: a.config = PERF_COUNT_SW_CPU_MIGRATIONS; break;
	default:
		a.type = PERF_TYPE_TRACEPOINT;
		a.config = tracepoint_system_calls();
		a.disabled = 1;
		break;
	}
	return a;
}

static void close_event(struct machine *m, enum event e)
{
	for (uint32_t i = 0; i < m->cores; i++) {
		if (m->event_fd[e][i] >= 0)
			close(m->event_fd[e][i]);
		m->event_fd[e][i] = -1;
	}
}

/* open_event - on all cores, or on none. */
static void open_event(struct machine *m, enum event e)
{
	struct perf_event_attr a = attribute(e);
	bool complete = a.type != PERF_TYPE_TRACEPOINT || a.config != 0;

	for (uint32_t i = 0; i < m->cores && complete; i++) {
		m->event_fd[e][i] = (int)syscall(SYS_perf_event_open, &a, -1, (int)m->core[i], -1,
						 PERF_FLAG_FD_CLOEXEC);
		complete = m->event_fd[e][i] >= 0;
	}
	if (!complete)
		close_event(m, e);
}

/* read_event - of all cores; where counters are shared among more events than there are, what was
 * counted stands for the whole time. NaN: it is not counted. */
static double read_event(const struct machine *m, enum event e)
{
	double sum = 0;

	for (uint32_t i = 0; i < m->cores; i++) {
		uint64_t value[3]; /* count, time enabled, time running */

		if (m->event_fd[e][i] < 0 ||
		    read(m->event_fd[e][i], value, sizeof(value)) != sizeof(value))
			return NAN;
		if (value[2] > 0)
			sum += (double)value[0] * ((double)value[1] / (double)value[2]);
	}
	return sum;
}

/* ---- opening ---- */

static uint64_t raw_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC_RAW, &t);
	return (uint64_t)t.tv_sec * CLOCK_SECOND_NS + (uint64_t)t.tv_nsec;
}

/* calibrate - the best of a few: whoever is interrupted between both clocks finds too much. */
static double calibrate(void)
{
	double best_hz = 0, best_gap = INFINITY;

	for (int i = 0; i < 3; i++) {
		uint64_t ns = raw_ns(), cycles = clock_cycles(), end_ns, end_cycles;
		struct timespec t = { .tv_nsec = CALIBRATE_NS / 3 };
		double gap;

		(void)clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL);
		end_cycles = clock_cycles();
		end_ns = raw_ns();
		gap = (double)(raw_ns() - end_ns);
		if (gap < best_gap) {
			best_gap = gap;
			best_hz = (double)(end_cycles - cycles) * 1e9 / (double)(end_ns - ns);
		}
	}
	return best_hz;
}

static int find_cores(struct machine *m)
{
	struct cpu_set set;
	int err = cpu_allowed(&set);

	if (err < 0)
		return err;
	for (uint32_t i = 0; i < CPU_MAX && m->cores < MACHINE_CORES_MAX; i++)
		if (cpu_has(&set, i))
			m->core[m->cores++] = (uint16_t)i;
	return m->cores > 0 ? 0 : -ENXIO;
}

static void name_method(struct machine *m)
{
	bool pmu = m->event_fd[EVENT_cycles][0] >= 0;

	m->method = pmu ? "pmu" : m->idle_fd >= 0 ? "idle" : "stat";
	if (pmu)
		(void)snprintf(
			m->text, sizeof(m->text),
			"cycles of all %u cores by the counters of the CPU, programs, kernel "
			"and interrupts together",
			m->cores);
	else
		(void)snprintf(m->text, sizeof(m->text),
			       "there is no PMU: wall time less idle time of all %u cores, %s, "
			       "times the %.0f MHz of the time stamp counter",
			       m->cores,
			       m->idle_fd >= 0 ? "to the ns by /proc/timer_list"
					       : "in steps of 10 ms by /proc/stat",
			       m->hz / 1e6);
}

static int choose_clock(struct machine *m)
{
	struct counts c;

	m->idle_fd = open("/proc/timer_list", O_RDONLY | O_CLOEXEC);
	if (m->idle_fd >= 0 && read_timers(m, &c) == 0)
		return 0;
	if (m->idle_fd >= 0)
		close(m->idle_fd);
	m->idle_fd = -1;
	return read_ticks(m, &c);
}

int machine_open(struct machine **ret)
{
	struct machine *m = calloc(1, sizeof(*m));
	int err = -ENOMEM;

	if (m == NULL)
		return -ENOMEM;
	memset(m->event_fd, 0xff, sizeof(m->event_fd)); /* all -1 */
	m->idle_fd = -1;
	m->buffer = malloc(TEXT_BYTES_MAX);
	if (m->buffer != NULL)
		err = find_cores(m);
	if (err == 0)
		err = choose_clock(m);
	if (err < 0) {
		machine_close(m);
		return err;
	}
	m->hz = calibrate();
	for (enum event e = 0; e < EVENTS; e++)
		open_event(m, e);
	name_method(m);
	*ret = m;
	return 0;
}

void machine_close(struct machine *m)
{
	if (m == NULL)
		return;
	for (enum event e = 0; e < EVENTS; e++)
		close_event(m, e);
	if (m->idle_fd >= 0)
		close(m->idle_fd);
	free(m->buffer);
	free(m);
}

const char *machine_method(const struct machine *m)
{
	return m->method;
}

const char *machine_text(const struct machine *m)
{
	return m->text;
}

uint32_t machine_cores(const struct machine *m)
{
	return m->cores;
}

double machine_hz(const struct machine *m)
{
	return m->hz;
}

/* ---- counting ---- */

static void take(struct machine *m, struct counts *c)
{
	int err;

	c->at_ns = clock_monotonic_ns();
	for (enum event e = 0; e < EVENT_system_calls; e++)
		c->event[e] = read_event(m, e);
	c->steal_s = read_steal(m);
	err = m->idle_fd >= 0 ? read_timers(m, c) : read_ticks(m, c);
	if (err < 0) /* what could be read a moment ago: then nothing is known of this time */
		memset(c->wall_ns, 0, sizeof(c->wall_ns));
}

void machine_begin(struct machine *m)
{
	take(m, &m->before);
}

void machine_end(struct machine *m, struct machine_work *ret)
{
	const struct counts *before = &m->before;
	struct counts after;
	double wall_s = 0;

	take(m, &after);
	*ret = (struct machine_work){ .steal_s = after.steal_s - before->steal_s };
	for (uint32_t i = 0; i < m->cores; i++) {
		double wall_ns = (double)(int64_t)(after.wall_ns[i] - before->wall_ns[i]);
		double idle_ns = (double)(int64_t)(after.idle_ns[i] - before->idle_ns[i]);

		if (after.wall_ns[i] == 0 || before->wall_ns[i] == 0)
			wall_ns = NAN;
		ret->core_busy_s[i] = wall_ns > idle_ns || isnan(wall_ns)
					      ? (wall_ns - idle_ns) / 1e9
					      : 0;
		ret->busy_s += ret->core_busy_s[i];
		wall_s += wall_ns / 1e9;
	}
	ret->seconds = wall_s / m->cores;
	ret->cycles = after.event[EVENT_cycles] - before->event[EVENT_cycles];
	if (isnan(ret->cycles))
		ret->cycles = ret->busy_s * m->hz;
	ret->instructions = after.event[EVENT_instructions] - before->event[EVENT_instructions];
	ret->cache_misses = after.event[EVENT_cache_misses] - before->event[EVENT_cache_misses];
	ret->context_switches = after.event[EVENT_context_switches] -
				before->event[EVENT_context_switches];
	ret->migrations = after.event[EVENT_migrations] - before->event[EVENT_migrations];
}

static void switch_calls(const struct machine *m, unsigned long request)
{
	for (uint32_t i = 0; i < m->cores; i++)
		if (m->event_fd[EVENT_system_calls][i] >= 0)
			(void)ioctl(m->event_fd[EVENT_system_calls][i], request, 0);
}

void machine_calls_begin(struct machine *m)
{
	m->calls_before = read_event(m, EVENT_system_calls);
	switch_calls(m, PERF_EVENT_IOC_ENABLE);
}

double machine_calls_end(struct machine *m)
{
	switch_calls(m, PERF_EVENT_IOC_DISABLE);
	return read_event(m, EVENT_system_calls) - m->calls_before;
}

/* ---- processes ---- */

/* add_key - the number behind a key that begins a line of a file of /proc. */
static bool add_key(const char *path, const char *key, uint64_t *sum)
{
	size_t key_bytes = strlen(key);
	bool found = false;
	char line[256];
	FILE *f = fopen(path, "re");

	if (f == NULL)
		return false;
	while (!found && fgets(line, sizeof(line), f) != NULL) {
		unsigned long long value;

		if (strncmp(line, key, key_bytes) != 0 ||
		    sscanf(line + key_bytes, " %llu", &value) != 1)
			continue;
		*sum += value;
		found = true;
	}
	fclose(f);
	return found;
}

/* context_switches - of the threads that it has now. */
static uint64_t context_switches(pid_t pid)
{
	char path[96];
	struct dirent *entry;
	uint64_t sum = 0;
	DIR *tasks;

	(void)snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	tasks = opendir(path);
	while (tasks != NULL && (entry = readdir(tasks)) != NULL) {
		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		(void)snprintf(path, sizeof(path), "/proc/%d/task/%.20s/status", (int)pid,
			       entry->d_name);
		(void)add_key(path, "voluntary_ctxt_switches:", &sum);
		(void)add_key(path, "nonvoluntary_ctxt_switches:", &sum);
	}
	if (tasks != NULL)
		closedir(tasks);
	return sum;
}

int process_work(pid_t pid, struct process_work *ret)
{
	struct timespec t;
	clockid_t clock;
	uint64_t kib = 0;
	char path[64];

	if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &t) < 0)
		return -ESRCH;
	(void)snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)pid);
	(void)add_key(path, "Pss:", &kib);
	*ret = (struct process_work){ .cpu_s = (double)t.tv_sec + (double)t.tv_nsec / 1e9,
				      .pss_bytes = kib * 1024,
				      .context_switches = context_switches(pid) };
	return 0;
}
