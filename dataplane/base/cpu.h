/* cpu - which processors a thread may use, and on which it runs.
 *
 * Memory is placed on the NUMA node of the processor that touches it first, and
 * the kernel's rings on that of the processor that asks for them. So a thread
 * that makes something for another one goes to its processor while it does.
 */
#ifndef DATAPLANE_BASE_CPU_H
#define DATAPLANE_BASE_CPU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CPU_MAX = 1024 };

struct cpu_set {
	uint64_t word[CPU_MAX / 64];
};

/* cpu_allowed - those that this thread may use: its affinity, which never names one that is
 * offline or outside of its cpuset. cpu_allow - change it. Both: the calling thread.
 * Returns: 0, -errno. */
int cpu_allowed(struct cpu_set *ret);
int cpu_allow(const struct cpu_set *set);

/* cpu_pin - this thread runs on `cpu` only. Returns: 0; -EINVAL: it is offline or not allowed. */
int cpu_pin(uint32_t cpu);

/* cpu_avoid - this thread stays off `count` processors, if there are others that it may use.
 * Returns: whether it does. */
bool cpu_avoid(const uint16_t *cpu, uint32_t count);

bool cpu_has(const struct cpu_set *set, uint32_t cpu);
uint32_t cpu_count(const struct cpu_set *set);

/* cpu_list - `2-5,8`, as the kernel writes such lists. Returns the length it would have. */
size_t cpu_list(const struct cpu_set *set, char *ret, size_t room);

/* cpu_list_read - Returns: 0; -EINVAL: no list; -ERANGE: a number of CPU_MAX or more. */
int cpu_list_read(const char *list, struct cpu_set *ret);

/* cpu_is_online - as the kernel lists them; true where it does not tell. */
bool cpu_is_online(uint32_t cpu);

/* cpu_node - the NUMA node of a processor, -1 where the kernel has none. */
int cpu_node(uint32_t cpu);

/* cpu_quota - how many processors' time this process may use by its cgroup (cpu.max, or its older
 * form), rounded up; 0: as much as there is. cpu_quota_read - from the text of cpu.max. */
uint32_t cpu_quota(void);
uint32_t cpu_quota_read(const char *text);

#endif
