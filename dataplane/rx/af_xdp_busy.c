/* af_xdp_busy - preferred busy polling, and the interface's settings that come with it. */
#include "dataplane/rx/af_xdp_busy.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dataplane/base/compiler.h"

#ifndef SO_PREFER_BUSY_POLL
#define SO_PREFER_BUSY_POLL 69
#endif
#ifndef SO_BUSY_POLL_BUDGET
#define SO_BUSY_POLL_BUDGET 70
#endif

enum {
	POLL_US = 20,       /* one system call polls so long at most */
	PATIENCE_MS = 1000, /* for the keeper to put the settings back */
	VALUE_BYTES = 24,
};

/* How the kernel's own documentation of AF_XDP sets them: interrupts stay off for as long as the
 * worker comes back within the timeout. */
static const struct {
	const char *name, *value;
} wanted[] = {
	{ "napi_defer_hard_irqs", "2" },
	{ "gro_flush_timeout", "200000" },
};

enum { SETTINGS = array_count(wanted) };

struct setting {
	int fd;
	char before[VALUE_BYTES];
};

int af_xdp_busy_socket(int fd, uint32_t budget_packets, struct rx_error *err)
{
	const struct {
		int name, value;
	} option[] = {
		{ SO_PREFER_BUSY_POLL, 1 },
		{ SO_BUSY_POLL, POLL_US },
		{ SO_BUSY_POLL_BUDGET, (int)budget_packets },
	};

	for (size_t i = 0; i < array_count(option); i++) {
		int code;

		if (setsockopt(fd, SOL_SOCKET, option[i].name, &option[i].value,
			       sizeof(option[i].value)) == 0)
			continue;
		code = -errno;
		snprintf(err->text, sizeof(err->text),
			 "af_xdp: the kernel does not take busy-poll=on (%s): leave it out",
			 strerror(-code));
		return code;
	}
	return 0;
}

/* ---- the settings ---- */

/* read_file - a short one, without its newline. */
static bool read_file(const char *interface, const char *name, char *ret, size_t bytes)
{
	char path[128];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/sys/class/net/%s/%s", interface, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, ret, bytes - 1);
	if (fd >= 0)
		close(fd);
	ret[n > 0 ? n : 0] = 0;
	ret[strcspn(ret, "\n")] = 0;
	return n > 0;
}

/* A process may have entered another network namespace than the one /sys was mounted in, where an
 * interface of the same name and even index is somebody else's. */
static bool sysfs_is_ours(const char *interface, int ifindex)
{
	struct ifreq r = { .ifr_ifindex = 0 };
	char index[16], address[32], ours[32];
	const uint8_t *a = (const uint8_t *)r.ifr_hwaddr.sa_data;
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int asked;

	if (fd < 0)
		return false;
	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", interface);
	asked = ioctl(fd, SIOCGIFHWADDR, &r);
	close(fd);
	snprintf(ours, sizeof(ours), "%02x:%02x:%02x:%02x:%02x:%02x", a[0], a[1], a[2], a[3], a[4],
		 a[5]);
	return asked == 0 && read_file(interface, "ifindex", index, sizeof(index)) &&
	       read_file(interface, "address", address, sizeof(address)) &&
	       atoi(index) == ifindex && strcmp(address, ours) == 0;
}

static bool put(const struct setting *s, const char *value)
{
	return pwrite(s->fd, value, strlen(value), 0) == (ssize_t)strlen(value);
}

static void settings_close(struct setting *s)
{
	for (size_t i = 0; i < SETTINGS; i++)
		if (s[i].fd >= 0)
			close(s[i].fd);
}

static void settings_restore(const struct setting *s)
{
	for (size_t i = 0; i < SETTINGS; i++)
		(void)put(&s[i], s[i].before);
}

static int settings_open(const char *interface, struct setting *ret)
{
	char path[128];
	int code = 0;

	for (size_t i = 0; i < SETTINGS; i++) {
		snprintf(path, sizeof(path), "/sys/class/net/%s/%s", interface, wanted[i].name);
		ret[i].fd = open(path, O_RDWR | O_CLOEXEC);
		if (ret[i].fd < 0 ||
		    !read_file(interface, wanted[i].name, ret[i].before, sizeof(ret[i].before)))
			code = errno != 0 ? -errno : -EIO;
	}
	if (code < 0)
		settings_close(ret);
	return code;
}

static int settings_change(const struct setting *s)
{
	for (size_t i = 0; i < SETTINGS; i++) {
		int code;

		if (put(&s[i], wanted[i].value))
			continue;
		code = -errno;
		settings_restore(s);
		return code;
	}
	return 0;
}

/* ---- their keeper ---- */

/* keep_one_capability - and no other thing that root may do. */
static void keep_one_capability(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };

	data[0].effective = data[0].permitted = 1U << CAP_NET_ADMIN;
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	(void)syscall(SYS_capset, &head, data);
}

/* keeper - The terminal's signals are for the capture, not for it. It keeps its descriptors where
 * all others can be closed at once. */
static _Noreturn void keeper(struct setting *s, int stop_fd, int done_fd)
{
	enum { STOP = 3, DONE, FIRST };
	int high[SETTINGS + 2];
	sigset_t all;
	char c;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	(void)setsid();
	(void)prctl(PR_SET_NAME, "weir-busy", 0, 0, 0);
	high[0] = fcntl(stop_fd, F_DUPFD, 100);
	high[1] = fcntl(done_fd, F_DUPFD, 100);
	for (size_t i = 0; i < SETTINGS; i++)
		high[i + 2] = fcntl(s[i].fd, F_DUPFD, 100);
	for (int i = 0; i < SETTINGS + 2; i++)
		(void)dup2(high[i], STOP + i);
	for (int i = 0; i < SETTINGS; i++)
		s[i].fd = FIRST + i;
	(void)syscall(SYS_close_range, FIRST + SETTINGS, ~0U, 0);
	(void)syscall(SYS_close_range, 0, STOP - 1, 0);
	keep_one_capability();
	while (read(STOP, &c, 1) < 0 && errno == EINTR) {
	}
	settings_restore(s);
	(void)!write(DONE, "", 1);
	_exit(0);
}

/* keeper_start - as nobody's child: when it ends there may be no right left to wait for it. */
static int keeper_start(struct setting *s, struct af_xdp_busy *ret)
{
	int stop[2], done[2];
	pid_t child;
	int how = 0;

	if (pipe2(stop, O_CLOEXEC) < 0)
		return -errno;
	if (pipe2(done, O_CLOEXEC) < 0) {
		close(stop[0]);
		close(stop[1]);
		return -errno;
	}
	child = fork();
	if (child == 0) {
		close(stop[1]);
		close(done[0]);
		child = fork();
		if (child != 0)
			_exit(child < 0);
		keeper(s, stop[0], done[1]);
	}
	close(stop[0]);
	close(done[1]);
	*ret = (struct af_xdp_busy){ .on = true, .stop_fd = stop[1], .done_fd = done[0] };
	while (child > 0 && waitpid(child, &how, 0) < 0 && errno == EINTR) {
	}
	if (child > 0 && how == 0)
		return 0;
	af_xdp_busy_close(ret);
	return -EAGAIN;
}

/* ---- life ---- */

static int refuse(const char *interface, int code, struct rx_error *err)
{
	if (code == -ENOTSUP)
		snprintf(err->text, sizeof(err->text),
			 "%s: busy-poll=on needs the interface's settings, but /sys is the one of "
			 "another network namespace: mount sysfs in this one, or leave out "
			 "busy-poll=on",
			 interface);
	else
		snprintf(err->text, sizeof(err->text),
			 "%s: busy-poll=on cannot change the interface's settings in /sys (%s): "
			 "start as root or with sudo, or leave it out",
			 interface, strerror(-code));
	return code;
}

int af_xdp_busy_open(struct af_xdp_busy *ret, const char *interface, int ifindex,
		     struct rx_error *err)
{
	struct setting s[SETTINGS];
	struct af_xdp_busy b = { 0 };
	int code = sysfs_is_ours(interface, ifindex) ? settings_open(interface, s) : -ENOTSUP;

	if (code < 0)
		return refuse(interface, code, err);
	/* The keeper first: from the first change on there is somebody to undo it. */
	code = keeper_start(s, &b);
	if (code == 0)
		code = settings_change(s);
	settings_close(s);
	if (code < 0) {
		af_xdp_busy_close(&b);
		return refuse(interface, code, err);
	}
	*ret = b;
	return 0;
}

void af_xdp_busy_close(struct af_xdp_busy *b)
{
	struct pollfd done = { .fd = b->done_fd, .events = POLLIN };

	if (!b->on)
		return;
	close(b->stop_fd);
	(void)poll(&done, 1, PATIENCE_MS);
	close(b->done_fd);
	*b = (struct af_xdp_busy){ 0 };
}
