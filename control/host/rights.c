/* rights - checks of what this user may do. */
#include <inttypes.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>

#include "control/host/check.h"
#include "dataplane/base/compiler.h"

/* What one AF_XDP queue takes at the defaults: its frames, and its rings. */
enum { UMEM_MIB_PER_QUEUE = 17 };

static const struct {
	int bit;
	const char *name, *what_for;
} needed[] = {
	{ CAP_NET_RAW, "CAP_NET_RAW", "any capture" },
	{ CAP_NET_ADMIN, "CAP_NET_ADMIN", "af_xdp, promiscuous mode" },
	{ CAP_BPF, "CAP_BPF", "af_xdp" },
	{ CAP_PERFMON, "CAP_PERFMON", "af_xdp" },
};

static bool has(const struct host *h, int bit)
{
	return (h->capabilities >> bit & 1) != 0;
}

static void check_rights(const struct host *h, struct report *r)
{
	char lacks[128] = "";

	for (size_t i = 0; i < array_count(needed); i++) {
		size_t used = strlen(lacks);

		if (!has(h, needed[i].bit))
			(void)snprintf(lacks + used, sizeof(lacks) - used, "%s%s",
				       used > 0 ? ", " : "", needed[i].name);
	}
	if (lacks[0] == 0) {
		report(r, LEVEL_OK, "this user may capture by every means");
		return;
	}
	report(r, LEVEL_INFO,
	       has(h, CAP_NET_RAW)
		       ? "this user lacks %s: no af_xdp"
		       : "this user lacks %s: `weir read` works, `weir capture` does not",
	       lacks);
	report_fix(r, "sudo weir capture ...");
}

static void check_memlock(const struct host *h, struct report *r)
{
	const uint64_t need = (uint64_t)UMEM_MIB_PER_QUEUE << 20;

	if (has(h, CAP_IPC_LOCK)) {
		report(r, LEVEL_OK, "this user may lock memory without limit");
	} else if (h->memlock_bytes == UINT64_MAX) {
		report(r, LEVEL_OK, "no limit");
	} else if (h->memlock_bytes >= need) {
		report(r, LEVEL_OK, "%" PRIu64 " MiB: %" PRIu64 " AF_XDP queues at the defaults",
		       h->memlock_bytes >> 20, h->memlock_bytes / need);
	} else {
		/* Who may not capture at all has another line about it. */
		report(r, has(h, CAP_NET_RAW) ? LEVEL_WARN : LEVEL_INFO,
		       "%" PRIu64 " KiB: one AF_XDP queue locks %d MiB, so af_xdp cannot start",
		       h->memlock_bytes >> 10, UMEM_MIB_PER_QUEUE);
		report_fix(r, "ulimit -l unlimited, or sudo");
	}
}

const struct check rights_checks[] = {
	{ "rights", "may this user capture?", check_rights, NULL },
	{ "memlock", "may it lock the memory that frames arrive in?", check_memlock, NULL },
	{ .name = NULL },
};
