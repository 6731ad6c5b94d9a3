/* cpu - affinity, and what /sys tells of processors. */
#include "dataplane/base/cpu.h"

#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static_assert(CPU_MAX == CPU_SETSIZE, "one word of ours is one of the kernel's");

int cpu_allowed(struct cpu_set *ret)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		return -errno;
	*ret = (struct cpu_set){ { 0 } };
	for (uint32_t i = 0; i < CPU_MAX; i++)
		if (CPU_ISSET(i, &set))
			ret->word[i / 64] |= UINT64_C(1) << i % 64;
	return 0;
}

int cpu_allow(const struct cpu_set *from)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	for (uint32_t i = 0; i < CPU_MAX; i++)
		if (cpu_has(from, i))
			CPU_SET(i, &set);
	return sched_setaffinity(0, sizeof(set), &set) < 0 ? -errno : 0;
}

int cpu_pin(uint32_t cpu)
{
	struct cpu_set set = { { 0 } };

	if (cpu >= CPU_MAX)
		return -EINVAL;
	set.word[cpu / 64] = UINT64_C(1) << cpu % 64;
	return cpu_allow(&set);
}

bool cpu_avoid(const uint16_t *cpu, uint32_t count)
{
	struct cpu_set set;

	if (count == 0 || cpu_allowed(&set) < 0)
		return false;
	for (uint32_t i = 0; i < count; i++)
		if (cpu[i] < CPU_MAX)
			set.word[cpu[i] / 64] &= ~(UINT64_C(1) << cpu[i] % 64);
	return cpu_count(&set) > 0 && cpu_allow(&set) == 0;
}

bool cpu_has(const struct cpu_set *set, uint32_t cpu)
{
	return cpu < CPU_MAX && (set->word[cpu / 64] >> cpu % 64 & 1) != 0;
}

uint32_t cpu_count(const struct cpu_set *set)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < CPU_MAX / 64; i++)
		count += (uint32_t)__builtin_popcountll(set->word[i]);
	return count;
}

/* ---- lists ---- */

size_t cpu_list(const struct cpu_set *set, char *ret, size_t room)
{
	size_t used = 0;

	if (room > 0)
		*ret = 0;
	for (uint32_t first = 0; first < CPU_MAX; first++) {
		uint32_t last = first;
		char word[24];
		int n;

		if (!cpu_has(set, first))
			continue;
		while (cpu_has(set, last + 1))
			last++;
		n = first == last ? snprintf(word, sizeof(word), "%s%u", used > 0 ? "," : "", first)
				  : snprintf(word, sizeof(word), "%s%u-%u", used > 0 ? "," : "",
					     first, last);
		if (used + (size_t)n < room)
			memcpy(ret + used, word, (size_t)n + 1);
		used += (size_t)n;
		first = last;
	}
	return used;
}

/* read_number - digits only. Returns what is behind them; NULL: there are none. */
static const char *read_number(const char *at, uint32_t *ret)
{
	uint64_t value = 0;
	const char *begin = at;

	for (; *at >= '0' && *at <= '9'; at++)
		value = value < CPU_MAX ? value * 10 + (uint64_t)(*at - '0') : CPU_MAX;
	*ret = value < CPU_MAX ? (uint32_t)value : CPU_MAX;
	return at == begin ? NULL : at;
}

int cpu_list_read(const char *list, struct cpu_set *ret)
{
	struct cpu_set set = { { 0 } };
	const char *at = list;

	for (;;) {
		uint32_t first, last;

		at = read_number(at, &first);
		last = first;
		if (at != NULL && *at == '-')
			at = read_number(at + 1, &last);
		if (at == NULL || first > last || (*at != 0 && *at != ',' && *at != '\n'))
			return -EINVAL;
		if (last >= CPU_MAX)
			return -ERANGE;
		for (uint32_t i = first; i <= last; i++)
			set.word[i / 64] |= UINT64_C(1) << i % 64;
		if (*at != ',')
			break;
		at++;
	}
	*ret = set;
	return 0;
}

/* ---- what /sys tells ---- */

/* read_line - the first line of a small file. False: there is none. */
static bool read_line(const char *path, char *ret, size_t room)
{
	FILE *f = fopen(path, "re");
	bool read = f != NULL && fgets(ret, (int)room, f) != NULL;

	if (f != NULL)
		fclose(f);
	return read;
}

bool cpu_is_online(uint32_t cpu)
{
	char line[1024];
	struct cpu_set online;

	if (!read_line("/sys/devices/system/cpu/online", line, sizeof(line)) ||
	    cpu_list_read(line, &online) < 0)
		return true;
	return cpu_has(&online, cpu);
}

int cpu_node(uint32_t cpu)
{
	enum { NODES = 64 };

	for (int node = 0; node < NODES; node++) {
		char path[64], line[1024];
		struct cpu_set there;

		(void)snprintf(path, sizeof(path), "/sys/devices/system/node/node%d/cpulist", node);
		if (read_line(path, line, sizeof(line)) && cpu_list_read(line, &there) == 0 &&
		    cpu_has(&there, cpu))
			return node;
	}
	return -1;
}

uint32_t cpu_quota_read(const char *text)
{
	char *end;
	unsigned long long quota = strtoull(text, &end, 10), period;

	if (end == text)
		return 0; /* `max` */
	period = strtoull(end, NULL, 10);
	if (period == 0 || quota == 0)
		return 0;
	return (uint32_t)((quota + period - 1) / period);
}

/* The older form has the two numbers in files of their own, and -1 for no limit. */
static uint32_t quota_of_version_1(const char *group)
{
	char path[512], quota[32], text[96], period[32];

	(void)snprintf(path, sizeof(path), "/sys/fs/cgroup/cpu%.400s/cpu.cfs_quota_us", group);
	if (!read_line(path, quota, sizeof(quota)) || quota[0] == '-')
		return 0;
	(void)snprintf(path, sizeof(path), "/sys/fs/cgroup/cpu%.400s/cpu.cfs_period_us", group);
	if (!read_line(path, period, sizeof(period)))
		return 0;
	(void)snprintf(text, sizeof(text), "%s %s", quota, period);
	return cpu_quota_read(text);
}

static uint32_t least(uint32_t a, uint32_t b)
{
	return a == 0 || (b != 0 && b < a) ? b : a;
}

/* Every group from ours up to the root may have a limit. */
static uint32_t quota_up_from(char *group)
{
	uint32_t quota = 0;

	for (;;) {
		char path[512], line[96], *slash = strrchr(group, '/');

		(void)snprintf(path, sizeof(path), "/sys/fs/cgroup%.400s/cpu.max", group);
		if (read_line(path, line, sizeof(line)))
			quota = least(quota, cpu_quota_read(line));
		if (slash == NULL)
			return quota;
		*slash = 0;
	}
}

uint32_t cpu_quota(void)
{
	FILE *f = fopen("/proc/self/cgroup", "re");
	char line[512];
	uint32_t quota = 0;

	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		char *controllers = strchr(line, ':'), *group;

		line[strcspn(line, "\n")] = 0;
		group = controllers == NULL ? NULL : strchr(controllers + 1, ':');
		if (group == NULL)
			continue;
		*group++ = 0;
		if (controllers[1] == 0)
			quota = least(quota, quota_up_from(group));
		else if (strcmp(controllers + 1, "cpu") == 0 ||
			 strstr(controllers + 1, "cpu,") != NULL)
			quota = least(quota, quota_of_version_1(group));
	}
	if (f != NULL)
		fclose(f);
	return quota;
}
