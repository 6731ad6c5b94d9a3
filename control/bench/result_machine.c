/* result_machine - the conditions that every result has, read from this machine. What cannot be
 * read is told as "not readable", what is not there as "none": a condition is never missing.
 */
#include "control/bench/result.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pcap/pcap.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>
#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#endif

#include "control/bench/build.inc"
#include "control/bench/revision.inc"
#include "control/bench/run.h"
#include "control/weir/locate.h"
#include "dataplane/base/cpu.h"

extern char **environ;

enum { TEXT_BYTES = 4096, LINE_BYTES = 512 };

static const char unreadable[] = "not readable", none[] = "none";

/* ---- files ---- */

/* read_text - the beginning of a small file, without the newline at its end. */
static bool read_text(const char *path, char *ret, size_t room)
{
	FILE *f = fopen(path, "re");
	size_t got;

	if (f == NULL)
		return false;
	got = fread(ret, 1, room - 1, f);
	(void)fclose(f);
	while (got > 0 && (ret[got - 1] == '\n' || ret[got - 1] == ' '))
		got--;
	ret[got] = '\0';
	return true;
}

static const char *text_of(const char *path, char *buffer, size_t room)
{
	if (!read_text(path, buffer, room))
		return errno == ENOENT ? none : unreadable;
	return buffer;
}

static void put_file(struct result *r, const char *name, const char *path)
{
	char buffer[TEXT_BYTES];

	result_condition(r, "machine", name, "%s", text_of(path, buffer, sizeof(buffer)));
}

/* find_value - behind `key` and what separates it, in the first line that begins with it. */
static bool find_value(const char *path, const char *key, char *ret, size_t room)
{
	char line[TEXT_BYTES];
	FILE *f = fopen(path, "re");
	bool found = false;

	if (f == NULL)
		return false;
	while (!found && fgets(line, sizeof(line), f) != NULL) {
		const char *value = line + strlen(key);

		if (strncmp(line, key, strlen(key)) != 0)
			continue;
		value += strspn(value, " \t:=\"");
		(void)snprintf(ret, room, "%.*s", (int)strcspn(value, "\"\n"), value);
		found = true;
	}
	(void)fclose(f);
	return found;
}

static void put_value(struct result *r, const char *name, const char *path, const char *key)
{
	char value[LINE_BYTES];

	result_condition(r, "machine", name, "%s",
			 find_value(path, key, value, sizeof(value)) ? value : unreadable);
}

/* ---- the machine ---- */

/* put_boot - what was chosen at boot and changes figures. The rest is nobody's business. */
static void put_boot(struct result *r)
{
	static const char *const kinds[] = {
		"mitigations=",
		"isolcpus=",
		"nohz",
		"rcu_nocbs",
		"hugepages",
		"hugepagesz=",
		"default_huge",
		"iommu",
		"intel_iommu",
		"amd_iommu",
		"tsc=",
		"clocksource=",
		"idle=",
		"nosmt",
		"intel_pstate",
		"amd_pstate",
		"preempt=",
		"irqaffinity=",
		"processor.",
		"intel_idle",
		"pti=",
		"spec",
		"transparent_hugepage=",
	};
	char all[TEXT_BYTES], kept[TEXT_BYTES] = "", *rest = all;
	const char *word;

	if (!read_text("/proc/cmdline", all, sizeof(all))) {
		result_condition(r, "machine", "boot parameters", "%s", unreadable);
		return;
	}
	while ((word = strsep(&rest, " ")) != NULL)
		for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
			if (strncmp(word, kinds[i], strlen(kinds[i])) == 0) {
				size_t used = strlen(kept);

				(void)snprintf(kept + used, sizeof(kept) - used, "%s%s",
					       used > 0 ? " " : "", word);
				break;
			}
	result_condition(r, "machine", "boot parameters", "%s", kept[0] != '\0' ? kept : none);
}

static void put_kernel(struct result *r)
{
	struct utsname u;

	if (uname(&u) < 0)
		return;
	result_condition(r, "machine", "kernel", "%s %s %s", u.sysname, u.release, u.machine);
	result_condition(r, "machine", "kernel build", "%s", u.version);
	put_value(r, "distribution", "/etc/os-release", "PRETTY_NAME");
	put_boot(r);
}

static void put_cores(struct result *r)
{
	struct cpu_set allowed;
	char list[LINE_BYTES] = "", online[LINE_BYTES];

	if (cpu_allowed(&allowed) == 0)
		(void)cpu_list(&allowed, list, sizeof(list));
	result_condition(r, "machine", "cores", "%ld online (%s), %s for this process",
			 sysconf(_SC_NPROCESSORS_ONLN),
			 text_of("/sys/devices/system/cpu/online", online, sizeof(online)), list);
	put_value(r, "CPU", "/proc/cpuinfo", "model name");
	put_value(r, "CPU MHz", "/proc/cpuinfo", "cpu MHz");
	put_value(r, "microcode", "/proc/cpuinfo", "microcode");
	put_file(r, "SMT", "/sys/devices/system/cpu/smt/control");
	put_file(r, "frequency governor", "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
	put_file(r, "frequency driver", "/sys/devices/system/cpu/cpu0/cpufreq/scaling_driver");
	put_file(r, "boost", "/sys/devices/system/cpu/cpufreq/boost");
	put_file(r, "clock source",
		 "/sys/devices/system/clocksource/clocksource0/current_clocksource");
}

/* put_mitigations - a condition for each vulnerability that this CPU has. */
static void put_mitigations(struct result *r)
{
	static const char folder[] = "/sys/devices/system/cpu/vulnerabilities";
	struct dirent **list;
	int count = scandir(folder, &list, NULL, alphasort);
	char spared[TEXT_BYTES] = "";

	if (count < 0) {
		result_condition(r, "mitigations", "all", "%s", unreadable);
		return;
	}
	for (int i = 0; i < count; i++) {
		char path[PATH_MAX], value[LINE_BYTES];
		const char *name = list[i]->d_name;

		(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
		if (name[0] != '.' && strlen(name) < 64) {
			const char *told = text_of(path, value, sizeof(value));
			size_t used = strlen(spared);

			if (strcmp(told, "Not affected") == 0)
				(void)snprintf(spared + used, sizeof(spared) - used, "%s%s",
					       used > 0 ? " " : "", name);
			else
				result_condition(r, "mitigations", name, "%s", told);
		}
		free(list[i]);
	}
	free(list);
	result_condition(r, "mitigations", "not affected by", "%s", spared[0] ? spared : none);
}

/* hypervisor - its signature, as it tells the guest. */
static void hypervisor(char ret[16])
{
	(void)snprintf(ret, 16, "%s", none);
#if defined(__x86_64__) || defined(__i386__)
	unsigned a, b, c, d;

	if (__get_cpuid(1, &a, &b, &c, &d) == 0 || (c & 1U << 31) == 0)
		return;
	__cpuid(0x40000000, a, b, c, d);
	memcpy(ret, &b, 4);
	memcpy(ret + 4, &c, 4);
	memcpy(ret + 8, &d, 4);
	ret[12] = '\0';
	for (char *at = ret; *at != '\0'; at++)
		if (!isprint((unsigned char)*at))
			*at = '?';
	if (ret[0] == '\0')
		(void)snprintf(ret, 16, "unnamed");
#endif
}

static void put_virtualisation(struct result *r)
{
	char signature[16], vendor[LINE_BYTES], product[LINE_BYTES];

	hypervisor(signature);
	result_condition(r, "machine", "hypervisor", "%s", signature);
	result_condition(r, "machine", "model", "%s %s",
			 text_of("/sys/class/dmi/id/sys_vendor", vendor, sizeof(vendor)),
			 text_of("/sys/class/dmi/id/product_name", product, sizeof(product)));
}

static void put_memory(struct result *r)
{
	char total[LINE_BYTES] = "?", free_pages[LINE_BYTES] = "?", bytes[LINE_BYTES] = "?";

	put_value(r, "memory", "/proc/meminfo", "MemTotal");
	(void)find_value("/proc/meminfo", "HugePages_Total", total, sizeof(total));
	(void)find_value("/proc/meminfo", "HugePages_Free", free_pages, sizeof(free_pages));
	(void)find_value("/proc/meminfo", "Hugepagesize", bytes, sizeof(bytes));
	result_condition(r, "machine", "huge pages", "%s of %s, %s free", total, bytes, free_pages);
	put_file(r, "transparent huge pages", "/sys/kernel/mm/transparent_hugepage/enabled");
}

static void put_network(struct result *r)
{
	char poll_us[LINE_BYTES], read_us[LINE_BYTES];

	result_condition(r, "machine", "busy polling", "busy_poll %s us, busy_read %s us",
			 text_of("/proc/sys/net/core/busy_poll", poll_us, sizeof(poll_us)),
			 text_of("/proc/sys/net/core/busy_read", read_us, sizeof(read_us)));
	put_file(r, "backlog", "/proc/sys/net/core/netdev_max_backlog");
	put_file(r, "BPF compiler", "/proc/sys/net/core/bpf_jit_enable");
	put_file(r, "load before", "/proc/loadavg");
}

/* ---- programs ---- */

/* What prints its version how; the words behind the program's name. */
struct program {
	const char *name, *word;
};

static const struct program programs[] = {
	{ "ip", "-V" },      { "tc", "-V" },  { "ethtool", "--version" },
	{ "nginx", "-v" },   { "wrk", "-v" }, { "gnuplot", "--version" },
	{ "hey", "--help" }, /* tells none: that it is there is all */
};
enum { PROGRAMS = sizeof(programs) / sizeof(programs[0]), PATIENCE_MS = 2000 };

static int spawn(const char *path, const struct program *p, int to, pid_t *ret)
{
	char *argv[] = { (char *)p->name, (char *)p->word, NULL };
	posix_spawn_file_actions_t actions;
	int code;

	if (posix_spawn_file_actions_init(&actions) != 0)
		return -ENOMEM;
	(void)posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	(void)posix_spawn_file_actions_adddup2(&actions, to, 1);
	(void)posix_spawn_file_actions_adddup2(&actions, to, 2);
	code = posix_spawn(ret, path, &actions, NULL, argv, environ);
	(void)posix_spawn_file_actions_destroy(&actions);
	return -code;
}

/* first_line - of what it says, on whichever output; one that says nothing in two seconds is
 * ended. */
static bool first_line(const char *path, const struct program *p, char ret[LINE_BYTES])
{
	struct pollfd from;
	int pipe_fd[2];
	size_t got = 0;
	pid_t pid;

	if (pipe2(pipe_fd, O_CLOEXEC) < 0)
		return false;
	if (spawn(path, p, pipe_fd[1], &pid) < 0) {
		close(pipe_fd[0]);
		close(pipe_fd[1]);
		return false;
	}
	close(pipe_fd[1]);
	from = (struct pollfd){ .fd = pipe_fd[0], .events = POLLIN };
	while (got < LINE_BYTES - 1 && memchr(ret, '\n', got) == NULL &&
	       poll(&from, 1, PATIENCE_MS) > 0) {
		ssize_t more = read(pipe_fd[0], ret + got, LINE_BYTES - 1 - got);

		if (more <= 0)
			break;
		got += (size_t)more;
	}
	close(pipe_fd[0]);
	(void)kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	ret[got] = '\0';
	ret[strcspn(ret, "\n")] = '\0';
	return ret[0] != '\0';
}

static void put_programs(struct result *r)
{
	for (size_t i = 0; i < PROGRAMS; i++) {
		char path[PATH_MAX], line[LINE_BYTES];
		const char *told = "not installed";

		if (run_find(programs[i].name, path) == 0) {
			bool silent = strcmp(programs[i].word, "--help") == 0;

			told = silent || !first_line(path, &programs[i], line) ? "installed" : line;
		}
		result_condition(r, "versions", programs[i].name, "%s", told);
	}
}

/* ---- weir ---- */

/* file_hash - FNV-1a of 64 bits: two builds of one revision differ here and nowhere else. */
static bool file_hash(const char *path, uint64_t *ret)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);
	unsigned char block[1 << 16];
	FILE *f = fopen(path, "re");
	size_t got;
	bool good;

	if (f == NULL)
		return false;
	while ((got = fread(block, 1, sizeof(block), f)) > 0)
		for (size_t i = 0; i < got; i++)
			hash = (hash ^ block[i]) * UINT64_C(0x100000001b3);
	good = ferror(f) == 0;
	(void)fclose(f);
	*ret = hash;
	return good;
}

static void put_executable(struct result *r, const char *name, const char *path)
{
	uint64_t hash;

	if (file_hash(path, &hash))
		result_condition(r, "versions", name, "%016llx (FNV-1a of the file)",
				 (unsigned long long)hash);
	else
		result_condition(r, "versions", name, "%s", unreadable);
}

static void put_daemon(struct result *r, const struct locate_daemon *daemon)
{
	char folder[PATH_MAX], path[LOCATE_TEXT_BYTES];
	struct locate here;

	locate_here(&here, folder, sizeof(folder));
	if (locate_find(&here, daemon, path) == 0)
		put_executable(r, daemon->name, path);
	else
		result_condition(r, "versions", daemon->name, "not found");
}

static void put_weir(struct result *r)
{
	result_condition(r, "versions", "weir", "%s", WEIR_VERSION);
	result_condition(r, "versions", "git revision", "%s", WEIR_REVISION);
	result_condition(r, "versions", "build", "%s", WEIR_BUILD);
	result_condition(r, "versions", "compiler", "%s", __VERSION__);
	result_condition(r, "versions", "libraries", "%s", WEIR_LIBRARIES);
	result_condition(r, "versions", "libpcap", "%s", pcap_lib_version());
	put_executable(r, "weir executable", "/proc/self/exe");
	put_daemon(r, &locate_dataplane);
	put_daemon(r, &locate_control);
}

void result_machine(struct result *r)
{
	put_kernel(r);
	put_cores(r);
	put_virtualisation(r);
	put_memory(r);
	put_network(r);
	put_mitigations(r);
	put_weir(r);
	put_programs(r);
}
