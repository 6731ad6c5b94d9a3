/* memory - checks of huge pages, per NUMA node. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "control/host/check.h"

enum { NODES_MAX = 64 };

struct nodes {
	bool there[NODES_MAX];
	uint32_t count;
};

static bool note_node(const char *entry, void *context)
{
	struct nodes *n = context;
	unsigned node;
	int end = 0;

	if (sscanf(entry, "node%u%n", &node, &end) == 1 && entry[end] == 0 && node < NODES_MAX) {
		n->there[node] = true;
		n->count++;
	}
	return true;
}

static void report_pages(const struct host *h, struct report *r, const char *where,
			 const char *folder)
{
	char path[256];
	int64_t all = 0, free_now = 0;
	int code;

	(void)snprintf(path, sizeof(path), "%s/hugepages-2048kB/nr_hugepages", folder);
	code = host_read_number(h, path, &all);
	if (code < 0) {
		report_unreadable(r, path, code);
		return;
	}
	(void)snprintf(path, sizeof(path), "%s/hugepages-2048kB/free_hugepages", folder);
	code = host_read_number(h, path, &free_now);
	if (code < 0) {
		report_unreadable(r, path, code);
	} else if (all == 0) {
		report(r, LEVEL_INFO,
		       "%snone of 2 MiB: af_xdp and dpdk use normal pages, which is slower", where);
		report_fix(r, "sysctl vm.nr_hugepages=64");
	} else {
		report(r, LEVEL_OK, "%s%" PRId64 " of 2 MiB, %" PRId64 " free", where, all,
		       free_now);
	}
}

static void check_huge(const struct host *h, struct report *r)
{
	struct nodes n = { { false } };
	char where[24], folder[96];

	(void)host_each(h, "/sys/devices/system/node", note_node, &n);
	if (n.count == 0) {
		report_pages(h, r, "", "/sys/kernel/mm/hugepages");
		return;
	}
	for (unsigned i = 0; i < NODES_MAX; i++) {
		if (!n.there[i])
			continue;
		(void)snprintf(where, sizeof(where), "node %u: ", i);
		(void)snprintf(folder, sizeof(folder), "/sys/devices/system/node/node%u/hugepages",
			       i);
		report_pages(h, r, n.count > 1 ? where : "", folder);
	}
}

static void check_thp(const struct host *h, struct report *r)
{
	static const char path[] = "/sys/kernel/mm/transparent_hugepage/enabled";
	const struct change setting = { .kind = CHANGE_FILE,
					.target = "/sys/kernel/mm/transparent_hugepage/enabled" };
	static char now[CHANGE_VALUE_BYTES];
	int code = change_now(h, &setting, now);

	if (code < 0) {
		report_unreadable(r, path, code);
	} else if (strcmp(now, "always") == 0) {
		report(r, LEVEL_INFO,
		       "always: the kernel may stop a worker to put pages together, "
		       "for some 100 us");
		report_fix(r, "echo madvise > %s", path);
	} else {
		report(r, LEVEL_OK, "%s: pages are put together only where a program asks", now);
	}
}

const struct check memory_checks[] = {
	{ "huge-pages", "are there any, on every node?", check_huge, NULL },
	{ "thp", "does the kernel put pages together behind a worker's back?", check_thp, NULL },
	{ .name = NULL },
};
