/* machine - how much all cores of this machine worked between two moments, interrupts included.
 *
 * What receiving packets costs is mostly done by soft interrupts, in whoever's time: so it is the
 * whole machine that is counted. The first of these methods that works:
 *
 *     pmu   cycles, instructions, cache misses of every core, from the counters of the CPU
 *           (perf_event_open(2), one event per core, all processes)
 *     idle  wall time less idle time of every core, to the ns (/proc/timer_list, read on each core,
 *           because an idle core's sum is as old as its last interrupt), times the frequency of the
 *           time stamp counter. Instructions and cache misses are NaN then
 *     stat  the same from /proc/stat, in steps of 10 ms, where the first may not be read
 *
 * Context switches, migrations and system calls are the kernel's own counts (perf software events
 * and the tracepoint raw_syscalls:sys_enter); NaN where they may not be read. Counting system calls
 * makes each of them dearer, so that is done apart from the rest.
 *
 * Threads: moves its caller from core to core while it reads. Needs root for most of it.
 */
#ifndef CONTROL_BENCH_MACHINE_H
#define CONTROL_BENCH_MACHINE_H

#include <stdint.h>
#include <sys/types.h>

enum { MACHINE_CORES_MAX = 256 };

struct machine_work {
	double seconds;
	double busy_s; /* of all cores together */
	double core_busy_s[MACHINE_CORES_MAX];
	double cycles, instructions, cache_misses;
	double context_switches, migrations;
	double steal_s; /* taken by other guests of the same host */
};

struct machine;

/* machine_open - Returns: 0 and *ret; -errno. */
int machine_open(struct machine **ret);
void machine_close(struct machine *m);

/* machine_method - "pmu", "idle", "stat", and a sentence about it for a report. */
const char *machine_method(const struct machine *m);
const char *machine_text(const struct machine *m);

uint32_t machine_cores(const struct machine *m);

/* machine_hz - of the time stamp counter: cycles that a core has in a second. */
double machine_hz(const struct machine *m);

void machine_begin(struct machine *m);
void machine_end(struct machine *m, struct machine_work *ret);

/* machine_calls_begin, machine_calls_end - system calls of all processes between the two; NaN. */
void machine_calls_begin(struct machine *m);
double machine_calls_end(struct machine *m);

/* machine_parse_timers, machine_parse_stat - the section of one core in the kernel's texts.
 * Returns: 0; -EINVAL: it is not there. */
int machine_parse_timers(const char *text, uint32_t core, uint64_t *ret_now_ns,
			 uint64_t *ret_idle_ns);
int machine_parse_stat(const char *text, uint32_t core, uint64_t *ret_idle_ticks);

/* ---- processes ---- */

struct process_work {
	double cpu_s;       /* user and system, threads that have ended included */
	uint64_t pss_bytes; /* 0: may not be read */
	uint64_t context_switches;
};

/* process_work - of the process, until now. Returns: 0; -errno: it has gone. */
int process_work(pid_t pid, struct process_work *ret);

#endif
