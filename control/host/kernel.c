/* kernel - checks of what the kernel is and can do. */
#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>

#include "control/host/check.h"
#include "dataplane/base/compiler.h"

/* ---- version ---- */

static const struct {
	unsigned major, minor;
	const char *what;
} since[] = {
	{ 6, 8, "symmetric-xor RSS" },
	{ 6, 6, "AF_XDP packets in several frames" },
	{ 6, 3, "telling which XDP features a driver has" },
	{ 5, 11, "busy polling that the worker drives" },
};

static bool older(unsigned major, unsigned minor, unsigned than_major, unsigned than_minor)
{
	return major < than_major || (major == than_major && minor < than_minor);
}

static void check_kernel(const struct host *h, struct report *r)
{
	char release[64], lacks[160] = "";
	unsigned major, minor;
	int code = host_read(h, "/proc/sys/kernel/osrelease", release, sizeof(release));

	if (code < 0) {
		report_unreadable(r, "/proc/sys/kernel/osrelease", code);
		return;
	}
	if (sscanf(release, "%u.%u", &major, &minor) != 2) {
		report(r, LEVEL_INFO, "Linux %s: the version is no number, so nothing follows",
		       release);
		return;
	}
	if (older(major, minor, 5, 9)) {
		report(r, LEVEL_FAIL,
		       "Linux %s: AF_XDP needs 5.9 here, for a program that goes "
		       "when weir does",
		       release);
		report_fix(r, "boot Debian 12's kernel (6.1) or a newer one");
		return;
	}
	for (size_t i = 0; i < array_count(since); i++) {
		size_t used = strlen(lacks);

		if (older(major, minor, since[i].major, since[i].minor))
			(void)snprintf(lacks + used, sizeof(lacks) - used, "%s%s (%u.%u)",
				       used > 0 ? ", " : "", since[i].what, since[i].major,
				       since[i].minor);
	}
	if (lacks[0] == 0)
		report(r, LEVEL_OK, "Linux %s: has all that weir can use", release);
	else
		report(r, LEVEL_INFO, "Linux %s: works; newer kernels add %s", release, lacks);
}

static void check_af_xdp(const struct host *h, struct report *r)
{
	if (h->af_xdp == 0) {
		report(r, LEVEL_OK, "the kernel makes AF_XDP sockets");
	} else if (h->af_xdp == -EPERM || h->af_xdp == -EACCES) {
		report(r, LEVEL_OK, "the kernel has AF_XDP sockets, for those with CAP_NET_RAW");
	} else {
		report(r, LEVEL_FAIL, "no AF_XDP sockets (%s): only af_packet and pcap can be used",
		       strerror(-h->af_xdp));
		report_fix(r, "a kernel with CONFIG_XDP_SOCKETS=y");
	}
}

/* ---- BPF ---- */

static void check_jit(const struct host *h, struct report *r)
{
	static const char path[] = "/proc/sys/net/core/bpf_jit_enable";
	int64_t on;
	int code = host_read_number(h, path, &on);

	if (code == -ENOENT) {
		report(r, LEVEL_INFO, "not readable: %s is only in the first network namespace",
		       path);
		return;
	}
	if (code < 0) {
		report_unreadable(r, path, code);
		return;
	}
	if (on == 1) {
		report(r, LEVEL_OK, "BPF programs become machine code");
		return;
	}
	if (on == 0)
		report(r, LEVEL_WARN,
		       "BPF programs are interpreted: several times the cycles for "
		       "every packet");
	else
		report(r, LEVEL_WARN,
		       "in debug mode (%lld): every program is written to the "
		       "kernel's log",
		       (long long)on);
	report_fix(r, "sysctl net.core.bpf_jit_enable=1");
	report_change(r, CHANGE_FILE, path, "", "1");
}

static void check_btf(const struct host *h, struct report *r)
{
	if (host_exists(h, "/sys/kernel/btf/vmlinux"))
		report(r, LEVEL_OK, "the kernel describes its types");
	else
		report(r, LEVEL_INFO,
		       "the kernel does not describe its types (CONFIG_DEBUG_INFO_"
		       "BTF): weir needs none, bpftrace and bpftool show less");
}

static void check_bpffs(const struct host *h, struct report *r)
{
	char text[HOST_TEXT_BYTES * 8];
	int code = host_read(h, "/proc/self/mounts", text, sizeof(text));

	if (code < 0) {
		report_unreadable(r, "/proc/self/mounts", code);
	} else if (strstr(text, " /sys/fs/bpf bpf ") != NULL) {
		report(r, LEVEL_OK, "/sys/fs/bpf is mounted");
	} else {
		report(r, LEVEL_INFO,
		       "/sys/fs/bpf is not mounted: weir pins nothing there, but "
		       "other tools do");
		report_fix(r, "mount -t bpf bpf /sys/fs/bpf");
	}
}

/* ---- time, mitigations ---- */

static bool has_word(const char *text, const char *word)
{
	size_t bytes = strlen(word);

	for (const char *at = strstr(text, word); at != NULL; at = strstr(at + 1, word))
		if ((at == text || at[-1] == ' ') && (at[bytes] == ' ' || at[bytes] == 0))
			return true;
	return false;
}

static void check_clock(const struct host *h, struct report *r)
{
	static const char folder[] = "/sys/devices/system/clocksource/clocksource0/";
	/* Read without entering the kernel. */
	static const char *const fast[] = { "tsc", "kvm-clock", "arch_sys_counter",
					    "hyperv_clocksource_tsc_page" };
	char path[128], now[64], all[256] = "";
	int code;

	(void)snprintf(path, sizeof(path), "%scurrent_clocksource", folder);
	code = host_read(h, path, now, sizeof(now));
	if (code < 0) {
		report_unreadable(r, path, code);
		return;
	}
	for (size_t i = 0; i < array_count(fast); i++) {
		if (strcmp(now, fast[i]) != 0)
			continue;
		report(r, LEVEL_OK, "%s: the time is read without a system call", now);
		return;
	}
	report(r, LEVEL_WARN,
	       "%s: every look at the clock enters the kernel or waits for a "
	       "device, and time stamps take many",
	       now);
	(void)snprintf(path, sizeof(path), "%savailable_clocksource", folder);
	(void)host_read(h, path, all, sizeof(all));
	(void)snprintf(path, sizeof(path), "%scurrent_clocksource", folder);
	if (has_word(all, "tsc")) {
		report_fix(r, "echo tsc > %s", path);
		report_change(r, CHANGE_FILE, path, "", "tsc");
	} else {
		report_fix(r, "see `dmesg | grep -i clocksource` for why tsc is not offered");
	}
}

struct mitigations {
	const struct host *host;
	uint32_t on, vulnerable;
	char names[160];
	int code;
};

static bool note_vulnerability(const char *entry, void *context)
{
	struct mitigations *m = context;
	char path[HOST_PATH_BYTES], text[256];
	size_t used = strlen(m->names);

	(void)snprintf(path, sizeof(path), "/sys/devices/system/cpu/vulnerabilities/%.64s", entry);
	if (host_read(m->host, path, text, sizeof(text)) < 0)
		return true;
	if (strncmp(text, "Vulnerable", strlen("Vulnerable")) == 0)
		m->vulnerable++;
	if (strncmp(text, "Mitigation", strlen("Mitigation")) != 0)
		return true;
	m->on++;
	if (used + strlen(entry) + 3 < sizeof(m->names))
		(void)snprintf(m->names + used, sizeof(m->names) - used, "%s%s",
			       used > 0 ? ", " : "", entry);
	return true;
}

static void check_mitigations(const struct host *h, struct report *r)
{
	struct mitigations m = { .host = h };
	int code = host_each(h, "/sys/devices/system/cpu/vulnerabilities", note_vulnerability, &m);

	if (code < 0)
		report_unreadable(r, "/sys/devices/system/cpu/vulnerabilities", code);
	else if (m.on == 0)
		report(r, LEVEL_OK, "none is on: system calls cost what they must");
	else
		report(r, LEVEL_INFO,
		       "%u on, each of which makes system calls dearer (%s); "
		       "compare figures only with machines that have the same",
		       m.on, m.names);
}

/* ---- measuring ---- */

static void check_perf(const struct host *h, struct report *r)
{
	static const char path[] = "/proc/sys/kernel/perf_event_paranoid";
	const uint64_t may = UINT64_C(1) << CAP_PERFMON | UINT64_C(1) << CAP_SYS_ADMIN;
	int64_t paranoid = 0;
	int code = host_read_number(h, path, &paranoid);

	if (h->pmu == -ENOENT || h->pmu == -EOPNOTSUPP || h->pmu == -ENODEV)
		report(r, LEVEL_INFO,
		       "no PMU: cycles cannot be counted here, only timed (weir's own "
		       "figures per stage are timed)");
	else if (h->pmu == -EACCES || h->pmu == -EPERM)
		report(r, LEVEL_INFO, "this user may not count cycles");
	else if (h->pmu < 0)
		report_unreadable(r, "the PMU", h->pmu);
	else
		report(r, LEVEL_OK, "cycles can be counted");
	if (code < 0)
		report_unreadable(r, path, code);
	else if (paranoid > 1 && (h->capabilities & may) == 0)
		report(r, LEVEL_INFO,
		       "perf_event_paranoid is %lld: this user sees no kernel "
		       "functions in a profile",
		       (long long)paranoid);
	else
		report(r, LEVEL_OK,
		       "perf_event_paranoid is %lld: this user may profile the "
		       "kernel",
		       (long long)paranoid);
	if (code == 0 && paranoid > 1 && (h->capabilities & may) == 0)
		report_fix(r, "sudo, or sysctl kernel.perf_event_paranoid=1");
}

const struct check kernel_checks[] = {
	{ "kernel", "is it new enough, and what would a newer one add?", check_kernel, NULL },
	{ "af-xdp", "does it make AF_XDP sockets?", check_af_xdp, NULL },
	{ "bpf-jit", "do BPF programs become machine code?", check_jit, NULL },
	{ "btf", "does the kernel describe its types?", check_btf, NULL },
	{ "bpf-fs", "is /sys/fs/bpf mounted?", check_bpffs, NULL },
	{ "clock", "is the time read without a system call?", check_clock, NULL },
	{ "mitigations", "what makes system calls dearer?", check_mitigations, NULL },
	{ "perf", "can cycles be counted, and the kernel be profiled?", check_perf, NULL },
	{ .name = NULL },
};
