/* path - checks of the way from an interface to a core: its interrupts, and its NUMA node. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/host/check.h"

enum { INTERRUPTS_MAX = 512 };

/* sysfs_is_ours - /sys may be the one of another network namespace, where an interface of the same
 * name is somebody else's. */
static bool sysfs_is_ours(const struct host *h, const struct host_link *l)
{
	char path[128];
	int64_t index;

	(void)snprintf(path, sizeof(path), "/sys/class/net/%s/ifindex", l->nic.name);
	return host_read_number(h, path, &index) == 0 && index == l->nic.index;
}

static bool is_readable(const struct host *h, const struct host_link *l, struct report *r)
{
	if (sysfs_is_ours(h, l))
		return true;
	report(r, LEVEL_INFO, "%s: not readable: /sys is not the one of this network namespace",
	       l->nic.name);
	return false;
}

/* ---- interrupts ---- */

struct interrupts {
	uint32_t number[INTERRUPTS_MAX];
	uint32_t count;
};

static bool note_interrupt(const char *entry, void *context)
{
	struct interrupts *i = context;
	char *end;
	unsigned long n = strtoul(entry, &end, 10);

	if (end != entry && *end == 0 && n <= UINT32_MAX && i->count < INTERRUPTS_MAX)
		i->number[i->count++] = (uint32_t)n;
	return true;
}

/* find_interrupts - those of the device, or of what the device sits on (virtio). */
static void find_interrupts(const struct host *h, const struct host_link *l, struct interrupts *ret)
{
	static const char *const places[] = { "device/msi_irqs", "device/../msi_irqs" };
	char path[128];

	ret->count = 0;
	for (int i = 0; i < 2 && ret->count == 0; i++) {
		(void)snprintf(path, sizeof(path), "/sys/class/net/%s/%s", l->nic.name, places[i]);
		(void)host_each(h, path, note_interrupt, ret);
	}
}

static int read_affinity(const struct host *h, uint32_t interrupt, struct cpus *ret)
{
	char path[96], text[HOST_TEXT_BYTES];
	int code;

	(void)snprintf(path, sizeof(path), "/proc/irq/%" PRIu32 "/effective_affinity_list",
		       interrupt);
	code = host_read(h, path, text, sizeof(text));
	if (code < 0 || text[0] == 0) {
		(void)snprintf(path, sizeof(path), "/proc/irq/%" PRIu32 "/smp_affinity_list",
			       interrupt);
		code = host_read(h, path, text, sizeof(text));
	}
	return code < 0 ? code : cpus_parse(text, ret);
}

static void read_online(const struct host *h, struct cpus *ret)
{
	char text[HOST_TEXT_BYTES];

	*ret = (struct cpus){ { 0 } };
	if (host_read(h, "/sys/devices/system/cpu/online", text, sizeof(text)) == 0)
		(void)cpus_parse(text, ret);
}

/* want_spread - the interrupts one by one over the cores. */
static void want_spread(const struct interrupts *all, const struct cpus *over, struct report *r)
{
	uint32_t cpu = 0;
	char path[96], text[16];

	for (uint32_t i = 0; i < all->count; i++) {
		while (!cpus_has(over, cpu % HOST_CPUS_MAX))
			cpu++;
		cpu %= HOST_CPUS_MAX;
		(void)snprintf(path, sizeof(path), "/proc/irq/%" PRIu32 "/smp_affinity_list",
			       all->number[i]);
		(void)snprintf(text, sizeof(text), "%" PRIu32, cpu++);
		report_change(r, CHANGE_FILE, path, "", text);
	}
}

static void report_interrupts(const struct host *h, const struct host_link *l, struct report *r,
			      const struct interrupts *all, const struct cpus *cores)
{
	struct cpus online;
	char text[128], asked[128];
	uint32_t used = cpus_count(cores);

	read_online(h, &online);
	cpus_format(cores, text, sizeof(text));
	cpus_format(&h->cores, asked, sizeof(asked));
	if (all->count > 1 && used == 1 && cpus_count(&online) > 1) {
		report(r, LEVEL_WARN,
		       "%s: all %" PRIu32 " interrupts are on core %s: it is the only "
		       "one that takes packets in",
		       l->nic.name, all->count, text);
		report_fix(r, "echo CORE > /proc/irq/%" PRIu32 "/smp_affinity_list, and so on",
			   all->number[0]);
		want_spread(all, &online, r);
	} else if (h->has_cores && !cpus_within(cores, &h->cores)) {
		report(r, LEVEL_INFO,
		       "%s: interrupts on core%s %s, workers on %s: packets change "
		       "caches on their way",
		       l->nic.name, used == 1 ? "" : "s", text, asked);
	} else {
		report(r, LEVEL_OK, "%s: %" PRIu32 " interrupt%s on core%s %s", l->nic.name,
		       all->count, all->count == 1 ? "" : "s", used == 1 ? "" : "s", text);
	}
}

static void check_interrupts(const struct host *h, const struct host_link *l, struct report *r)
{
	struct interrupts all;
	struct cpus cores = { { 0 } };

	if (!is_readable(h, l, r))
		return;
	find_interrupts(h, l, &all);
	if (all.count == 0) {
		report(r, LEVEL_OK, "%s: %s has none of its own", l->nic.name, l->driver);
		return;
	}
	for (uint32_t i = 0; i < all.count; i++) {
		struct cpus one = { { 0 } };
		int code = read_affinity(h, all.number[i], &one);

		if (code < 0) {
			report(r, LEVEL_INFO, "%s: not readable: interrupt %" PRIu32 ": %s",
			       l->nic.name, all.number[i], strerror(-code));
			return;
		}
		for (size_t b = 0; b < sizeof(one.bit) / sizeof(one.bit[0]); b++)
			cores.bit[b] |= one.bit[b];
	}
	report_interrupts(h, l, r, &all, &cores);
}

/* ---- NUMA ---- */

static bool several_nodes(const struct host *h)
{
	return host_exists(h, "/sys/devices/system/node/node1");
}

static void check_numa(const struct host *h, const struct host_link *l, struct report *r)
{
	char path[128], text[HOST_TEXT_BYTES];
	struct cpus local;
	int64_t node = -1;

	if (!several_nodes(h)) {
		report(r, LEVEL_OK, "%s: the machine has one node", l->nic.name);
		return;
	}
	if (!is_readable(h, l, r))
		return;
	(void)snprintf(path, sizeof(path), "/sys/class/net/%s/device/numa_node", l->nic.name);
	if (host_read_number(h, path, &node) < 0 || node < 0) {
		report(r, LEVEL_OK, "%s: %s is on no node", l->nic.name, l->driver);
		return;
	}
	(void)snprintf(path, sizeof(path), "/sys/devices/system/node/node%" PRId64 "/cpulist",
		       node);
	if (host_read(h, path, text, sizeof(text)) < 0 || cpus_parse(text, &local) < 0) {
		report(r, LEVEL_INFO, "%s: not readable: %s", l->nic.name, path);
	} else if (!h->has_cores) {
		report(r, LEVEL_INFO, "%s: on node %" PRId64 ": workers belong on cores %.128s",
		       l->nic.name, node, text);
	} else if (cpus_within(&h->cores, &local)) {
		report(r, LEVEL_OK, "%s: on node %" PRId64 ", as the cores asked for", l->nic.name,
		       node);
	} else {
		report(r, LEVEL_WARN,
		       "%s: on node %" PRId64 ", but not all of the cores asked for: "
		       "every packet crosses between nodes",
		       l->nic.name, node);
		report_fix(r, "choose from --cores %.128s", text);
	}
}

const struct check path_checks[] = {
	{ "interrupts", "are they spread, and near the workers?", NULL, check_interrupts },
	{ "numa", "are the workers on the interface's node?", NULL, check_numa },
	{ .name = NULL },
};
