/* tracepoint - the number that this kernel gave to one of its events, for perf_event_open(2).
 *
 * Threads: any.
 */
#ifndef CONTROL_BENCH_TRACEPOINT_H
#define CONTROL_BENCH_TRACEPOINT_H

#include <stdint.h>

/* tracepoint_system_calls - raw_syscalls:sys_enter, which every system call passes. 0: tracefs is
 * not mounted, or may not be read. */
uint64_t tracepoint_system_calls(void);

#endif
