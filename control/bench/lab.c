/* lab - client, server and capture host as three network namespaces on one machine. */
#include "control/bench/lab.h"

#include <ctype.h>
#include <dirent.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/bench/run.h"
#include "dataplane/base/ensure.h"

#define NAMESPACES "/run/netns"
#define PREFIX     "weir-"

/* Locally administered; "WEIR" and a number. */
#define CLIENT_MAC "02:57:45:49:52:01"
#define SERVER_MAC "02:57:45:49:52:02"
#define MIRROR_MAC "02:57:45:49:52:03"
#define TAP_MAC    "02:57:45:49:52:04"

enum { COMMAND_BYTES = 320 };

/* ---- errors ---- */

__attribute__((format(printf, 3, 4))) static int refuse(struct lab_error *err, int code,
							const char *format, ...)
{
	va_list list;

	va_start(list, format);
	(void)vsnprintf(err->text, sizeof(err->text), format, list);
	va_end(list);
	return code;
}

/* ---- names ---- */

const char *lab_host_name(enum lab_host host)
{
	static const char *const names[LAB_HOSTS] = { "client", "server", "tap" };

	return names[host];
}

void lab_namespace(const char *name, enum lab_host host, char ret[LAB_NAMESPACE_BYTES])
{
	(void)snprintf(ret, LAB_NAMESPACE_BYTES, PREFIX "%.*s-%s", LAB_NAME_BYTES - 1, name,
		       lab_host_name(host));
}

void lab_namespace_path(const char *name, enum lab_host host, char ret[LAB_PATH_BYTES])
{
	char namespace[LAB_NAMESPACE_BYTES];

	lab_namespace(name, host, namespace);
	(void)snprintf(ret, LAB_PATH_BYTES, NAMESPACES "/%s", namespace);
}

static bool is_there(const char *name, enum lab_host host)
{
	char path[LAB_PATH_BYTES];

	lab_namespace_path(name, host, path);
	return access(path, F_OK) == 0;
}

static bool is_name(const char *name)
{
	size_t length = strlen(name);

	if (length == 0 || length >= LAB_NAME_BYTES)
		return false;
	for (size_t i = 0; i < length; i++)
		if (!isalnum((unsigned char)name[i]) && name[i] != '-' && name[i] != '_')
			return false;
	return true;
}

static int check_name(const char *name, struct lab_error *err)
{
	if (is_name(name))
		return 0;
	return refuse(
		err, -EINVAL,
		"%.40s cannot be the name of a lab: take letters, digits, - and _, at most %d",
		*name != '\0' ? name : "nothing", LAB_NAME_BYTES - 1);
}

int lab_check(const struct lab_settings *s, struct lab_error *err)
{
	if (s->queues < 1 || s->queues > LAB_QUEUES_MAX)
		return refuse(err, -EINVAL, "%" PRIu32 " queues cannot be: take 1 to %d", s->queues,
			      LAB_QUEUES_MAX);
	if (s->mtu_bytes < LAB_MTU_MIN_BYTES || s->mtu_bytes > LAB_MTU_MAX_BYTES)
		return refuse(err, -EINVAL, "an MTU of %" PRIu32 " bytes cannot be: take %d to %d",
			      s->mtu_bytes, LAB_MTU_MIN_BYTES, LAB_MTU_MAX_BYTES);
	return check_name(s->name, err);
}

/* ---- inside a namespace ---- */

/* inside - do something as a member of that host's network, and come back. Only the calling thread
 * goes there. Returns: what the task returns, or -errno if there is no way in. */
static int inside(const char *name, enum lab_host host, int (*task)(void *), void *argument)
{
	char path[LAB_PATH_BYTES];
	int home, there, err;

	lab_namespace_path(name, host, path);
	home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	if (home < 0)
		return -errno;
	there = open(path, O_RDONLY | O_CLOEXEC);
	if (there < 0) {
		err = -errno;
		goto err_home;
	}
	if (setns(there, CLONE_NEWNET) < 0) {
		err = -errno;
		goto err_there;
	}
	err = task(argument);
	/* Whoever could leave may return: the descriptor is ours. */
	ENSURE(setns(home, CLONE_NEWNET) == 0);
err_there:
	close(there);
err_home:
	close(home);
	return err;
}

struct sysctl {
	const char *interface, *setting, *value;
};

static int write_sysctl(void *argument)
{
	const struct sysctl *s = argument;
	size_t length = strlen(s->value);
	char path[128];
	int fd, err = 0;

	(void)snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/%s", s->interface,
		       s->setting);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, s->value, length) != (ssize_t)length)
		err = -errno;
	close(fd);
	return err;
}

/* check_is_up - Returns: 0; -ENETDOWN; -errno. */
static int check_is_up(void *interface)
{
	struct ifreq request = { 0 };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), err = 0;

	if (fd < 0)
		return -errno;
	(void)snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", (const char *)interface);
	if (ioctl(fd, SIOCGIFFLAGS, &request) < 0)
		err = -errno;
	else if ((request.ifr_flags & IFF_UP) == 0)
		err = -ENETDOWN;
	close(fd);
	return err;
}

/* ---- looking ---- */

enum lab_state lab_state(const char *name)
{
	char last_made[] = "tap0";
	int hosts = 0;

	for (enum lab_host h = 0; h < LAB_HOSTS; h++)
		hosts += is_there(name, h);
	if (hosts == 0)
		return LAB_ABSENT;
	if (hosts < LAB_HOSTS || inside(name, LAB_TAP, check_is_up, last_made) < 0)
		return LAB_HALF_MADE;
	return LAB_READY;
}

/* lab_of - the name of the lab that a namespace belongs to. */
static bool lab_of(const char *namespace, char ret[LAB_NAME_BYTES])
{
	size_t length = strlen(namespace), prefix = strlen(PREFIX);

	if (strncmp(namespace, PREFIX, prefix) != 0)
		return false;
	for (enum lab_host h = 0; h < LAB_HOSTS; h++) {
		const char *host = lab_host_name(h);
		size_t tail = strlen(host) + 1;

		if (length <= prefix + tail || length - prefix - tail >= LAB_NAME_BYTES)
			continue;
		if (namespace[length - tail] != '-' ||
		    strcmp(&namespace[length - tail + 1], host) != 0)
			continue;
		(void)snprintf(ret, LAB_NAME_BYTES, "%.*s", (int)(length - prefix - tail),
			       &namespace[prefix]);
		return is_name(ret);
	}
	return false;
}

/* is_first_of - whether no earlier host of that lab is there, so that a lab is told of once. Its
 * namespaces need not be neighbours in the folder. */
static bool is_first_of(const char *name, const char *namespace)
{
	char first[LAB_NAMESPACE_BYTES];
	enum lab_host h = 0;

	while (h + 1 < LAB_HOSTS && !is_there(name, h))
		h++;
	lab_namespace(name, h, first);
	return strcmp(first, namespace) == 0;
}

uint32_t lab_list(void (*each)(const char *name, void *user), void *user)
{
	char name[LAB_NAME_BYTES];
	struct dirent **entries;
	uint32_t labs = 0;
	int count = scandir(NAMESPACES, &entries, NULL, alphasort);

	if (count < 0)
		return 0;
	for (int i = 0; i < count; i++) {
		if (lab_of(entries[i]->d_name, name) && is_first_of(name, entries[i]->d_name)) {
			each(name, user);
			labs++;
		}
		free(entries[i]);
	}
	free(entries);
	return labs;
}

struct reading {
	const char *interface;
	struct lab_counters counters;
};

/* The columns of /proc/net/dev, in both halves: bytes packets errs drop fifo frame compressed
 * multicast. */
static bool parse_counters(const char *text, struct lab_counters *ret)
{
	return sscanf(text,
		      "%" SCNu64 " %" SCNu64 " %*u %" SCNu64 " %*u %*u %*u %*u"
		      " %" SCNu64 " %" SCNu64 " %*u %" SCNu64,
		      &ret->rx_bytes, &ret->rx_packets, &ret->rx_dropped, &ret->tx_bytes,
		      &ret->tx_packets, &ret->tx_dropped) == 6;
}

static int read_counters(void *argument)
{
	struct reading *r = argument;
	size_t length = strlen(r->interface);
	char line[512];
	int err = -ENOENT;
	FILE *file = fopen("/proc/thread-self/net/dev", "re");

	if (file == NULL)
		return -errno;
	while (err != 0 && fgets(line, sizeof(line), file) != NULL) {
		const char *at = line + strspn(line, " ");

		if (strncmp(at, r->interface, length) == 0 && at[length] == ':' &&
		    parse_counters(&at[length + 1], &r->counters))
			err = 0;
	}
	fclose(file);
	return err;
}

int lab_counters(const char *name, enum lab_host host, const char *interface,
		 struct lab_counters *ret)
{
	struct reading r = { .interface = interface };
	int err = inside(name, host, read_counters, &r);

	if (err == 0)
		*ret = r.counters;
	return err;
}

/* ---- tools ---- */

enum tool { IP, TC, ETHTOOL, TOOLS };

static_assert((int)TOOLS == (int)LAB_TOOLS, "lab.h says how many there are");

const struct lab_tool lab_tools[LAB_TOOLS] = {
	[IP] = { "ip", "iproute2" },
	[TC] = { "tc", "iproute2" },
	[ETHTOOL] = { "ethtool", "ethtool" },
};

/* A lab being made or removed. After the first failure `code` is set and every further step does
 * nothing, so that the steps can be read down the page. */
struct work {
	const struct lab_settings *settings;
	char path[TOOLS][PATH_MAX];
	char host[LAB_HOSTS][LAB_NAMESPACE_BYTES];
	bool made[LAB_HOSTS];
	const char *needs; /* what the steps that follow need from the kernel */
	sigset_t watched;  /* the signals that wait until the end */
	int code;
	struct lab_error *err;
};

static int find_tools(struct work *w, enum tool end)
{
	for (enum tool t = 0; t < end; t++)
		if (run_find(lab_tools[t].program, w->path[t]) < 0)
			return refuse(w->err, -ENOENT,
				      "%s is neither in PATH nor in /usr/sbin: apt install %s",
				      lab_tools[t].program, lab_tools[t].package);
	return 0;
}

/* prepare - what lab_up() and lab_down() both begin with; `end`: behind the last tool needed. */
static int prepare(struct work *w, const char *name, enum tool end)
{
	if (geteuid() != 0)
		return refuse(w->err, -EPERM,
			      "network namespaces are made and removed by root: use sudo");
	for (enum lab_host h = 0; h < LAB_HOSTS; h++)
		lab_namespace(name, h, w->host[h]);
	return find_tools(w, end);
}

static void join_arguments(const char *const argv[], char ret[COMMAND_BYTES])
{
	size_t used = 0;

	ret[0] = '\0';
	for (int i = 0; argv[i] != NULL && used < COMMAND_BYTES; i++)
		used += (size_t)snprintf(&ret[used], COMMAND_BYTES - used, "%s%s", i > 0 ? " " : "",
					 argv[i]);
}

static bool interrupted(const struct work *w)
{
	sigset_t pending, both;

	return sigpending(&pending) == 0 && sigandset(&both, &pending, &w->watched) == 0 &&
	       !sigisemptyset(&both);
}

static void step(struct work *w, enum tool tool, const char *const argv[])
{
	char line[RUN_LINE_BYTES], command[COMMAND_BYTES];
	int status;

	if (w->code != 0)
		return;
	if (interrupted(w)) {
		w->code = refuse(w->err, -EINTR, "interrupted");
		return;
	}
	status = run(w->path[tool], argv, line);
	if (status == 0)
		return;
	join_arguments(argv, command);
	w->code = refuse(w->err, -EIO, "`%s` failed: %s; it needs %s", command,
			 status < 0        ? strerror(-status)
			 : line[0] != '\0' ? line
					   : "it does not say why",
			 w->needs);
}

#define ip(w, ...) step(w, IP, (const char *const[]){ "ip", __VA_ARGS__, NULL })
#define tc(w, ...) step(w, TC, (const char *const[]){ "tc", __VA_ARGS__, NULL })

/* ---- making ---- */

static void make_namespaces(struct work *w)
{
	w->needs = "a kernel with CONFIG_NET_NS, and CAP_SYS_ADMIN in a container";
	for (enum lab_host h = 0; h < LAB_HOSTS; h++) {
		ip(w, "netns", "add", w->host[h]);
		w->made[h] = w->code == 0;
	}
	for (enum lab_host h = 0; h < LAB_HOSTS; h++)
		ip(w, "-n", w->host[h], "link", "set", "lo", "up");
}

static void make_links(struct work *w)
{
	const char *client = w->host[LAB_CLIENT], *server = w->host[LAB_SERVER];
	const char *tap = w->host[LAB_TAP];
	char mtu[16], queues[16];

	(void)snprintf(mtu, sizeof(mtu), "%" PRIu32, w->settings->mtu_bytes);
	(void)snprintf(queues, sizeof(queues), "%" PRIu32, w->settings->queues);
	w->needs = "a kernel with CONFIG_VETH";
	ip(w, "-n", client, "link", "add", "wire0", "address", CLIENT_MAC, "mtu", mtu, "type",
	   "veth", "peer", "name", "wire0", "netns", server, "address", SERVER_MAC, "mtu", mtu);
	ip(w, "-n", server, "link", "add", "mirror0", "address", MIRROR_MAC, "mtu", mtu,
	   "numtxqueues", queues, "numrxqueues", queues, "type", "veth", "peer", "name", "tap0",
	   "netns", tap, "address", TAP_MAC, "mtu", mtu, "numtxqueues", queues, "numrxqueues",
	   queues);
}

static void set_sysctl(struct work *w, enum lab_host host, const char *interface,
		       const char *setting, const char *value)
{
	struct sysctl s = { interface, setting, value };
	int err;

	if (w->code != 0)
		return;
	err = inside(w->settings->name, host, write_sysctl, &s);
	if (err < 0)
		w->code = refuse(w->err, err,
				 "net.ipv6.conf.%s.%s cannot be set to %s in %s: %s; it needs "
				 "IPv6 and a /proc/sys that can be written to",
				 interface, setting, value, w->host[host], strerror(-err));
}

/* silence_ipv6 - wire0 speaks when spoken through; mirror0 and tap0 do not know IPv6. */
static void silence_ipv6(struct work *w)
{
	for (enum lab_host h = LAB_CLIENT; h <= LAB_SERVER; h++) {
		set_sysctl(w, h, "wire0", "disable_ipv6", "0");
		set_sysctl(w, h, "wire0", "addr_gen_mode", "1"); /* no link-local address */
		set_sysctl(w, h, "wire0", "accept_ra", "0");
		set_sysctl(w, h, "wire0", "router_solicitations", "0");
	}
	set_sysctl(w, LAB_SERVER, "mirror0", "disable_ipv6", "1");
	set_sysctl(w, LAB_TAP, "tap0", "disable_ipv6", "1");
}

static void set_offloads(struct work *w, enum lab_host host, const char *interface,
			 const char *merging)
{
	const char *value = w->settings->offloads ? "on" : "off";

	ip(w, "netns", "exec", w->host[host], w->path[ETHTOOL], "-K", interface, "tso", value,
	   "gso", value, "tx", value, "rx", value, "gro", merging);
}

/* keep_tags - of either ethertype: they travel in the frame, as on a wire, and not beside it. */
static void keep_tags(struct work *w, enum lab_host host, const char *interface)
{
	ip(w, "netns", "exec", w->host[host], w->path[ETHTOOL], "-K", interface, "txvlan", "off",
	   "rxvlan", "off", "tx-vlan-stag-hw-insert", "off", "rx-vlan-stag-hw-parse", "off");
}

static void choose_offloads(struct work *w)
{
	const char *merging = w->settings->offloads ? "on" : "off";

	w->needs = "a veth and an ethtool that know these features";
	set_offloads(w, LAB_CLIENT, "wire0", merging);
	set_offloads(w, LAB_SERVER, "wire0", merging);
	set_offloads(w, LAB_SERVER, "mirror0", "off");
	set_offloads(w, LAB_TAP, "tap0", "off");
	keep_tags(w, LAB_SERVER, "mirror0");
	keep_tags(w, LAB_TAP, "tap0");
}

/* mirror - u32 that looks at no bit of the first four bytes is every packet; kernels that lack the
 * filter made for this, matchall, have it. */
static void mirror(struct work *w, const char *way)
{
	tc(w, "-n", w->host[LAB_SERVER], "filter", "add", "dev", "wire0", way, "protocol", "all",
	   "prio", "1", "u32", "match", "u32", "0", "0", "action", "mirred", "egress", "mirror",
	   "dev", "mirror0");
}

static void make_mirror(struct work *w)
{
	const char *server = w->host[LAB_SERVER], *tap = w->host[LAB_TAP];

	w->needs = "a kernel with CONFIG_NET_SCH_INGRESS, CONFIG_NET_CLS_U32 and "
		   "CONFIG_NET_ACT_MIRRED";
	tc(w, "-n", server, "qdisc", "add", "dev", "wire0", "clsact");
	mirror(w, "ingress");
	mirror(w, "egress");
	ip(w, "-n", server, "link", "set", "mirror0", "arp", "off", "up");
	ip(w, "-n", tap, "link", "set", "tap0", "arp", "off");
}

/* give_addresses - ARP goes off first: an interface that knows no neighbours does not join, and so
 * does not report, the multicast groups at which they would ask for its addresses. */
static void give_addresses(struct work *w, enum lab_host host, const char *ipv4, const char *ipv6)
{
	const char *namespace = w->host[host];

	w->needs = "a kernel with IPv4 and IPv6";
	ip(w, "-n", namespace, "link", "set", "wire0", "arp", "off");
	ip(w, "-n", namespace, "addr", "add", ipv4, "dev", "wire0");
	ip(w, "-n", namespace, "addr", "add", ipv6, "dev", "wire0", "nodad");
	ip(w, "-n", namespace, "link", "set", "wire0", "up");
}

static void introduce(struct work *w, enum lab_host host, const char *peer, const char *mac)
{
	ip(w, "-n", w->host[host], "neigh", "replace", peer, "lladdr", mac, "dev", "wire0", "nud",
	   "permanent");
}

static void make_network(struct work *w)
{
	give_addresses(w, LAB_CLIENT, "10.83.0.1/24", "fd83::1/64");
	give_addresses(w, LAB_SERVER, "10.83.0.2/24", "fd83::2/64");
	introduce(w, LAB_CLIENT, "10.83.0.2", SERVER_MAC);
	introduce(w, LAB_CLIENT, "fd83::2", SERVER_MAC);
	introduce(w, LAB_SERVER, "10.83.0.1", CLIENT_MAC);
	introduce(w, LAB_SERVER, "fd83::1", CLIENT_MAC);
}

/* ---- removing ---- */

/* remove_host - interfaces first: a process in there would keep them, and what they mirror, alive
 * after the name is gone. That they cannot be removed because they were never made is no news. */
static int remove_host(const struct work *w, enum lab_host host, char ret_line[RUN_LINE_BYTES])
{
	static const char *const first[LAB_HOSTS] = { "wire0", "mirror0", "tap0" };
	const char *name = w->host[host];

	(void)run(w->path[IP],
		  (const char *const[]){ "ip", "-n", name, "link", "del", first[host], NULL },
		  ret_line);
	return run(w->path[IP], (const char *const[]){ "ip", "netns", "del", name, NULL },
		   ret_line);
}

static void add_text(struct lab_error *err, const char *text)
{
	size_t used = strlen(err->text);

	(void)snprintf(&err->text[used], sizeof(err->text) - used, "%s", text);
}

static void undo(struct work *w)
{
	char line[RUN_LINE_BYTES];
	bool gone = true;

	for (enum lab_host h = LAB_HOSTS; h-- > 0;)
		if (w->made[h])
			gone &= remove_host(w, h, line) == 0;
	add_text(w->err, gone ? "; nothing was left behind"
			      : "; not all of it could be removed: see weir lab show");
}

/* ---- up and down ---- */

/* hold_signals - those that would end this process; what is ignored stays ignored. */
static void hold_signals(sigset_t *ret_held, sigset_t *ret_before)
{
	static const int ending[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	struct sigaction action;

	sigemptyset(ret_held);
	for (size_t i = 0; i < sizeof(ending) / sizeof(ending[0]); i++)
		if (sigaction(ending[i], NULL, &action) == 0 && action.sa_handler != SIG_IGN)
			sigaddset(ret_held, ending[i]);
	(void)sigprocmask(SIG_BLOCK, ret_held, ret_before);
}

static int refuse_second(const char *name, struct lab_error *err)
{
	return refuse(err, -EEXIST, "there is %s of the name %s already: weir lab down --name %s",
		      lab_state(name) == LAB_READY ? "a lab" : "half a lab", name, name);
}

int lab_up(const struct lab_settings *s, struct lab_error *err)
{
	struct work w = { .settings = s, .err = err };
	sigset_t before;
	int code = lab_check(s, err);

	if (code == 0)
		code = prepare(&w, s->name, TOOLS);
	if (code < 0)
		return code;
	if (lab_state(s->name) != LAB_ABSENT)
		return refuse_second(s->name, err);
	hold_signals(&w.watched, &before);
	make_namespaces(&w);
	make_links(&w);
	silence_ipv6(&w);
	choose_offloads(&w);
	make_mirror(&w);
	make_network(&w);
	/* Last, because lab_state() takes it for the sign that everything is there. */
	ip(&w, "-n", w.host[LAB_TAP], "link", "set", "tap0", "up");
	if (w.code < 0)
		undo(&w);
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	return w.code;
}

static void read_command(const char *pid, char *ret, size_t bytes)
{
	char path[64];
	int fd;
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/%.20s/comm", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? 0 : read(fd, ret, bytes - 1);
	if (fd >= 0)
		close(fd);
	ret[n < 0 ? 0 : n] = '\0';
	ret[strcspn(ret, "\n")] = '\0';
}

static bool is_member(const char *pid, const struct stat *namespace)
{
	struct stat st;
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%.20s/ns/net", pid);
	return stat(path, &st) == 0 && st.st_ino == namespace->st_ino &&
	       st.st_dev == namespace->st_dev;
}

static void note_process(const char *pid, enum lab_host host, struct lab_remains *ret)
{
	struct lab_process p = { .pid = (pid_t)strtol(pid, NULL, 10), .host = host };

	read_command(pid, p.command, sizeof(p.command));
	if (ret->found < LAB_PROCESSES_MAX)
		ret->process[ret->found] = p;
	ret->found++;
}

/* note_processes - of one host, as far as /proc shows them. */
static void note_processes(const char *name, enum lab_host host, struct lab_remains *ret)
{
	char path[LAB_PATH_BYTES];
	struct stat namespace;
	struct dirent *entry;
	DIR *proc;

	lab_namespace_path(name, host, path);
	if (stat(path, &namespace) < 0)
		return;
	proc = opendir("/proc");
	while (proc != NULL && (entry = readdir(proc)) != NULL) {
		if (isdigit((unsigned char)entry->d_name[0]) &&
		    is_member(entry->d_name, &namespace))
			note_process(entry->d_name, host, ret);
	}
	if (proc != NULL)
		closedir(proc);
}

int lab_down(const char *name, struct lab_remains *ret, struct lab_error *err)
{
	struct work w = { .err = err };
	struct lab_remains remains = { 0 };
	char line[RUN_LINE_BYTES];
	int code = check_name(name, err);

	if (code == 0 && lab_state(name) == LAB_ABSENT)
		code = refuse(err, -ENXIO, "there is no lab of the name %s", name);
	if (code == 0)
		code = prepare(&w, name, TC);
	if (code < 0)
		return code;
	for (enum lab_host h = 0; h < LAB_HOSTS; h++)
		note_processes(name, h, &remains);
	for (enum lab_host h = 0; h < LAB_HOSTS; h++)
		if (is_there(name, h) && remove_host(&w, h, line) != 0)
			code = refuse(err, -EIO, "`ip netns del %s` failed: %s", w.host[h], line);
	if (code == 0)
		*ret = remains;
	return code;
}

/* ---- using ---- */

int lab_exec(const char *name, enum lab_host host, int argc, char **argv, struct lab_error *err)
{
	struct work w = { .err = err };
	char command[PATH_MAX];
	const char **words;
	int code = check_name(name, err);

	if (code == 0 && !is_there(name, host))
		code = refuse(err, -ENXIO, "there is no lab of the name %s: weir lab up --name %s",
			      name, name);
	if (code == 0 && run_find(argv[0], command) < 0)
		code = refuse(err, -EINVAL, "%.200s is no program, or not in PATH: give its path",
			      argv[0]);
	if (code == 0)
		code = prepare(&w, name, TC);
	if (code < 0)
		return code;
	words = calloc((size_t)argc + 5, sizeof(*words));
	if (words == NULL)
		return refuse(err, -ENOMEM, "no memory for %d words", argc);
	memcpy(words, (const char *const[]){ "ip", "netns", "exec", w.host[host], command },
	       5 * sizeof(*words));
	memcpy(&words[5], &argv[1], (size_t)(argc - 1) * sizeof(*words));
	execv(w.path[IP], (char *const *)words);
	code = refuse(err, -errno, "%s: %s", w.path[IP], strerror(errno));
	free(words);
	return code;
}
