/* host - this machine, as far as it decides how well weir captures here. */
#include "control/host/host.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/perf_event.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "dataplane/base/compiler.h"

#ifndef AF_XDP
#define AF_XDP 44
#endif

/* ---- what is in no file ---- */

static int try_af_xdp(void)
{
	int fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

static int try_pmu(void)
{
	struct perf_event_attr a = {
		.type = PERF_TYPE_HARDWARE,
		.size = sizeof(a),
		.config = PERF_COUNT_HW_CPU_CYCLES,
		.disabled = 1,
		.exclude_kernel = 1,
		.exclude_hv = 1,
	};
	int fd = (int)syscall(SYS_perf_event_open, &a, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);

	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

static uint64_t read_capabilities(const struct host *h)
{
	char text[HOST_TEXT_BYTES];
	const char *at;

	if (host_read(h, "/proc/self/status", text, sizeof(text)) < 0)
		return 0;
	at = strstr(text, "\nCapEff:");
	return at != NULL ? strtoull(at + strlen("\nCapEff:"), NULL, 16) : 0;
}

void host_open(struct host *ret, struct nic *nic)
{
	struct rlimit lock = { 0 };

	*ret = (struct host){ .root = "", .nic = nic };
	ret->af_xdp = try_af_xdp();
	ret->pmu = try_pmu();
	ret->is_root = geteuid() == 0;
	ret->capabilities = read_capabilities(ret);
	(void)getrlimit(RLIMIT_MEMLOCK, &lock);
	ret->memlock_bytes = lock.rlim_cur == RLIM_INFINITY ? UINT64_MAX : lock.rlim_cur;
}

/* ---- links ---- */

static bool is_own_address(const struct ifaddrs *a, const char *name)
{
	const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)(const void *)a->ifa_addr;

	if (a->ifa_addr == NULL || strcmp(a->ifa_name, name) != 0)
		return false;
	return a->ifa_addr->sa_family == AF_INET ||
	       (a->ifa_addr->sa_family == AF_INET6 && !IN6_IS_ADDR_LINKLOCAL(&six->sin6_addr));
}

static bool has_address(const char *name)
{
	struct ifaddrs *all = NULL;
	bool found = false;

	if (getifaddrs(&all) < 0)
		return false;
	for (const struct ifaddrs *a = all; a != NULL && !found; a = a->ifa_next)
		found = is_own_address(a, name);
	freeifaddrs(all);
	return found;
}

static int add(struct host *h, const struct nic_link *link, bool chosen)
{
	struct host_link *l = &h->link[h->link_count];

	if (h->link_count == HOST_LINKS_MAX)
		return -ENOSPC;
	*l = (struct host_link){ .nic = *link, .chosen = chosen };
	l->has_address = has_address(link->name);
	if (nic_driver(h->nic, link->name, l->driver) < 0)
		(void)snprintf(l->driver, sizeof(l->driver), "the driver");
	h->link_count++;
	return 0;
}

static int add_if_up(const struct nic_link *link, void *context)
{
	if (link->up && !link->loopback)
		(void)add(context, link, false); /* more than fit are not looked at */
	return 0;
}

int host_add_links(struct host *h)
{
	return h->nic == NULL ? -EOPNOTSUPP : nic_link_each(h->nic, add_if_up, h);
}

int host_add_link(struct host *h, const char *name)
{
	struct nic_link link;
	int code;

	if (h->nic == NULL)
		return -EOPNOTSUPP;
	for (uint32_t i = 0; i < h->link_count; i++)
		if (strcmp(h->link[i].nic.name, name) == 0)
			return 0;
	code = nic_link_find(h->nic, name, &link);
	return code < 0 ? code : add(h, &link, true);
}

/* ---- files ---- */

void host_path(const struct host *h, char ret[HOST_PATH_BYTES], const char *path)
{
	(void)snprintf(ret, HOST_PATH_BYTES, "%s%s", h->root, path);
}

int host_read(const struct host *h, const char *path, char *ret, size_t bytes)
{
	char whole[HOST_PATH_BYTES];
	size_t used = 0;
	ssize_t n = 0;
	int fd, code = 0;

	host_path(h, whole, path);
	fd = open(whole, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	while (used + 1 < bytes && (n = read(fd, ret + used, bytes - 1 - used)) > 0)
		used += (size_t)n;
	if (n < 0)
		code = -errno;
	close(fd);
	while (used > 0 && ret[used - 1] == '\n')
		used--;
	ret[used] = 0;
	return code;
}

int host_write(const struct host *h, const char *path, const char *text)
{
	char whole[HOST_PATH_BYTES];
	size_t bytes = strlen(text);
	ssize_t n;
	int fd, code;

	host_path(h, whole, path);
	fd = open(whole, O_WRONLY | O_TRUNC | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = write(fd, text, bytes);
	code = n < 0 ? -errno : n == (ssize_t)bytes ? 0 : -EIO;
	if (close(fd) < 0 && code == 0)
		code = -errno;
	return code;
}

int host_read_number(const struct host *h, const char *path, int64_t *ret)
{
	char text[64], *end;
	int code = host_read(h, path, text, sizeof(text));
	int64_t v;

	if (code < 0)
		return code;
	v = strtoll(text, &end, 10);
	if (end == text || *end != 0)
		return -EINVAL;
	*ret = v;
	return 0;
}

bool host_exists(const struct host *h, const char *path)
{
	char whole[HOST_PATH_BYTES];

	host_path(h, whole, path);
	return access(whole, F_OK) == 0;
}

int host_each(const struct host *h, const char *folder,
	      bool (*each)(const char *entry, void *context), void *context)
{
	char whole[HOST_PATH_BYTES];
	const struct dirent *e;
	DIR *d;

	host_path(h, whole, folder);
	d = opendir(whole);
	if (d == NULL)
		return -errno;
	while ((e = readdir(d)) != NULL)
		if (e->d_name[0] != '.' && !each(e->d_name, context))
			break;
	closedir(d);
	return 0;
}

/* ---- processors ---- */

void cpus_add(struct cpus *c, uint32_t cpu)
{
	if (cpu < HOST_CPUS_MAX)
		c->bit[cpu / 64] |= UINT64_C(1) << cpu % 64;
}

bool cpus_has(const struct cpus *c, uint32_t cpu)
{
	return cpu < HOST_CPUS_MAX && (c->bit[cpu / 64] >> cpu % 64 & 1) != 0;
}

uint32_t cpus_count(const struct cpus *c)
{
	uint32_t n = 0;

	for (size_t i = 0; i < array_count(c->bit); i++)
		n += (uint32_t)__builtin_popcountll(c->bit[i]);
	return n;
}

bool cpus_within(const struct cpus *a, const struct cpus *b)
{
	for (size_t i = 0; i < array_count(a->bit); i++)
		if ((a->bit[i] & ~b->bit[i]) != 0)
			return false;
	return true;
}

/* read_cpu - a number at *at, which moves behind it. */
static bool read_cpu(const char **at, uint32_t *ret)
{
	char *end;
	unsigned long v;

	if (**at < '0' || **at > '9')
		return false;
	v = strtoul(*at, &end, 10);
	*at = end;
	*ret = (uint32_t)v;
	return v < HOST_CPUS_MAX;
}

int cpus_parse(const char *text, struct cpus *ret)
{
	struct cpus c = { { 0 } };
	uint32_t first, last;

	while (*text != 0) {
		if (!read_cpu(&text, &first))
			return -EINVAL;
		last = first;
		if (*text == '-') {
			text++;
			if (!read_cpu(&text, &last) || last < first)
				return -EINVAL;
		}
		for (uint32_t i = first; i <= last; i++)
			cpus_add(&c, i);
		if (*text == ',' && text[1] != 0)
			text++;
		else if (*text != 0)
			return -EINVAL;
	}
	*ret = c;
	return 0;
}

void cpus_format(const struct cpus *c, char *ret, size_t bytes)
{
	size_t used = 0;

	ret[0] = 0;
	for (uint32_t i = 0; i < HOST_CPUS_MAX && used < bytes; i++) {
		uint32_t last = i;
		int n;

		if (!cpus_has(c, i))
			continue;
		while (cpus_has(c, last + 1))
			last++;
		n = snprintf(ret + used, bytes - used, last > i ? "%s%u-%u" : "%s%u",
			     used > 0 ? "," : "", i, last);
		used += n > 0 ? (size_t)n : 0;
		i = last;
	}
}
