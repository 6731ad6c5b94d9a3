/* attach - the Unix socket over which the regions change hands. */
#include "dataplane/shm/attach.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "dataplane/base/clock.h"

enum {
	FDS_MAX = 1 + 2 * REGION_WORKERS_MAX, /* the bell, then up and down of each worker */
	BACKLOG = 8,
	RETRY_NS = 5 * 1000 * 1000,
};

/* The control part of a message with every descriptor there can be. */
union fd_message {
	struct cmsghdr align;
	char room[CMSG_SPACE(FDS_MAX * sizeof(int))];
};

/* How many can really arrive in it: CMSG_SPACE rounds up, and the kernel fills what there is. */
enum { FDS_ROOM = (sizeof(union fd_message) - CMSG_LEN(0)) / sizeof(int) };

static int address_of(struct sockaddr_un *ret, const char *directory)
{
	int n;

	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	n = snprintf(ret->sun_path, sizeof(ret->sun_path), "%s/attach.sock", directory);
	return n < 0 || (size_t)n >= sizeof(ret->sun_path) ? -ENAMETOOLONG : 0;
}

static int socket_new(void)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return fd < 0 ? -errno : fd;
}

static int connect_to(int fd, const struct sockaddr_un *to)
{
	return connect(fd, (const void *)to, sizeof(*to)) < 0 ? -errno : 0;
}

/* ---- the dataplane's side ---- */

/* bind() takes the mode from the umask, so that the socket never exists with another one.
 * The umask is the process's: this runs while there is one thread. */
static int bind_0660(int fd, const struct sockaddr_un *at)
{
	mode_t before = umask(0117);
	int err = bind(fd, (const void *)at, sizeof(*at)) < 0 ? -errno : 0;

	umask(before);
	return err;
}

/* Removes a socket file that nobody listens on. Returns: 0; -EADDRINUSE somebody does, or it is no
 * socket. */
static int remove_stale(const struct sockaddr_un *at)
{
	struct stat st;
	int fd, err;

	if (lstat(at->sun_path, &st) < 0)
		return -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EADDRINUSE;
	fd = socket_new();
	if (fd < 0)
		return fd;
	err = connect_to(fd, at);
	close(fd);
	if (err != -ECONNREFUSED)
		return -EADDRINUSE;
	return unlink(at->sun_path) < 0 ? -errno : 0;
}

static int bind_and_listen(int fd, const struct sockaddr_un *at)
{
	int err = bind_0660(fd, at);

	if (err == -EADDRINUSE) {
		err = remove_stale(at);
		if (err == 0)
			err = bind_0660(fd, at);
	}
	if (err < 0)
		return err;
	if (listen(fd, BACKLOG) < 0) {
		err = -errno;
		unlink(at->sun_path);
	}
	return err;
}

/* Two dataplanes that start at once must not take each other's new socket, bound and not yet
 * listening, for a stale one: the directory is locked from bind() to listen(). */
static int directory_lock(const char *directory)
{
	int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int err;

	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		err = errno == EWOULDBLOCK ? -EADDRINUSE : -errno;
		close(fd);
		return err;
	}
	return fd;
}

int attach_listen(const char *directory)
{
	struct sockaddr_un at;
	int fd, lock_fd, err;

	err = address_of(&at, directory);
	if (err < 0)
		return err;
	lock_fd = directory_lock(directory);
	if (lock_fd < 0)
		return lock_fd;
	fd = socket_new();
	if (fd < 0) {
		err = fd;
		goto err_unlock;
	}
	err = bind_and_listen(fd, &at);
	if (err < 0)
		goto err_close;
	close(lock_fd);
	return fd;

err_close:
	close(fd);
err_unlock:
	close(lock_fd);
	return err;
}

static bool peer_may(int fd)
{
	struct ucred peer;
	socklen_t bytes = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) < 0)
		return false;
	return peer.uid == 0 || peer.uid == geteuid();
}

int attach_accept(int listen_fd)
{
	int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return -errno;
	if (!peer_may(fd)) {
		close(fd);
		return -EACCES;
	}
	return fd;
}

int attach_send(int fd, const struct attach_hello *hello, int bell_fd,
		const struct region_writer *regions)
{
	union fd_message control = { 0 };
	struct iovec data = { .iov_base = (void *)(uintptr_t)hello, .iov_len = sizeof(*hello) };
	struct msghdr m = { .msg_iov = &data, .msg_iovlen = 1, .msg_control = &control };
	int fds[FDS_MAX] = { bell_fd };
	size_t bytes;
	struct cmsghdr *c;

	if (hello->workers == 0 || hello->workers > REGION_WORKERS_MAX)
		return -EINVAL;
	for (uint32_t i = 0; i < hello->workers; i++) {
		fds[1 + 2 * i] = regions[i].up_fd;
		fds[2 + 2 * i] = regions[i].down_fd;
	}
	bytes = (1 + 2 * (size_t)hello->workers) * sizeof(int);
	m.msg_controllen = CMSG_SPACE(bytes);
	c = CMSG_FIRSTHDR(&m);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(bytes);
	memcpy(CMSG_DATA(c), fds, bytes);
	return sendmsg(fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

/* ---- control's side ---- */

struct received {
	struct attach_hello hello;
	int fd[FDS_ROOM];
	uint32_t count;
};

static void received_close(struct received *r)
{
	for (uint32_t i = 0; i < r->count; i++)
		close(r->fd[i]);
	r->count = 0;
}

static int milliseconds_left(uint64_t deadline_ns)
{
	uint64_t now_ns = clock_monotonic_ns();

	return now_ns >= deadline_ns ? 0 : (int)((deadline_ns - now_ns) / 1000000 + 1);
}

/* Connects as soon as somebody listens. Returns: a descriptor, -ETIMEDOUT, -errno. */
static int connect_until(const struct sockaddr_un *to, uint64_t deadline_ns)
{
	const struct timespec pause = { .tv_nsec = RETRY_NS };
	int fd = socket_new();
	int err;

	if (fd < 0)
		return fd;
	while ((err = connect_to(fd, to)) < 0) {
		/* Not there yet, not listening any more, or the backlog is full. */
		if (err != -ENOENT && err != -ECONNREFUSED && err != -EAGAIN)
			break;
		if (milliseconds_left(deadline_ns) == 0)
			err = -ETIMEDOUT;
		else if (nanosleep(&pause, NULL) < 0)
			err = -EINTR;
		else
			continue;
		break;
	}
	if (err < 0) {
		close(fd);
		return err;
	}
	return fd;
}

static int wait_readable(int fd, uint64_t deadline_ns)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int n = poll(&p, 1, milliseconds_left(deadline_ns));

	if (n < 0)
		return -errno;
	return n == 0 ? -ETIMEDOUT : 0;
}

/* Takes the descriptors of every control message, so that whatever is wrong they can be closed.
 * False if there is one of another kind. They cannot be more than FDS_ROOM. */
static bool fds_take(struct msghdr *m, struct received *r)
{
	bool ok = true;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c)) {
		size_t bytes = c->cmsg_len - CMSG_LEN(0);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) {
			ok = false;
			continue;
		}
		memcpy(r->fd + r->count, CMSG_DATA(c), bytes);
		r->count += (uint32_t)(bytes / sizeof(int));
	}
	return ok;
}

static bool hello_ok(const struct attach_hello *h)
{
	return h->magic == ATTACH_MAGIC && h->workers != 0 && h->workers <= REGION_WORKERS_MAX &&
	       memchr(h->run, 0, sizeof(h->run)) != NULL;
}

/* Returns: 0, and what came in `r`; -ECONNRESET if the dataplane closed instead; -EPROTO; -errno.
 */
static int receive(int fd, struct received *r)
{
	union fd_message control;
	struct iovec data = { .iov_base = &r->hello, .iov_len = sizeof(r->hello) };
	struct msghdr m = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	ssize_t n = recvmsg(fd, &m, MSG_CMSG_CLOEXEC);
	bool whole;

	if (n < 0)
		return -errno;
	/* Even an empty message can carry descriptors, which are ours to close from here on. */
	whole = fds_take(&m, r) && (m.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0 &&
		n == (ssize_t)sizeof(r->hello) && hello_ok(&r->hello) &&
		r->count == 1 + 2 * r->hello.workers;
	if (whole)
		return 0;
	if (n == 0 && r->count == 0)
		return -ECONNRESET;
	received_close(r);
	return -EPROTO;
}

/* Every region must say what the hello says. */
static int regions_attach(const struct received *from, struct region_reader *ret)
{
	const struct attach_hello *h = &from->hello;
	uint32_t i;
	int err = 0;

	for (i = 0; i < h->workers; i++) {
		err = region_attach(&ret[i], from->fd[1 + 2 * i], from->fd[2 + 2 * i]);
		if (err < 0)
			break;
		if (ret[i].worker != i || ret[i].workers != h->workers ||
		    strcmp(ret[i].run, h->run) != 0) {
			region_detach(&ret[i]);
			err = -EPROTO;
			break;
		}
	}
	if (err < 0)
		while (i-- > 0)
			region_detach(&ret[i]);
	return err;
}

int attach_connect(const char *directory, uint32_t timeout_ms, struct attach_hello *ret_hello,
		   int *ret_bell_fd, struct region_reader ret[REGION_WORKERS_MAX])
{
	uint64_t deadline_ns = clock_monotonic_ns() + (uint64_t)timeout_ms * 1000000;
	struct region_reader regions[REGION_WORKERS_MAX];
	struct received r = { .count = 0 };
	struct sockaddr_un to;
	int fd, err;

	err = address_of(&to, directory);
	if (err < 0)
		return err;
	fd = connect_until(&to, deadline_ns);
	if (fd < 0)
		return fd;
	err = wait_readable(fd, deadline_ns);
	if (err < 0)
		goto err_close;
	err = receive(fd, &r);
	if (err < 0)
		goto err_close;
	err = regions_attach(&r, regions);
	if (err < 0)
		goto err_received;

	*ret_hello = r.hello;
	*ret_bell_fd = r.fd[0];
	memcpy(ret, regions, r.hello.workers * sizeof(*ret));
	/* The mappings hold the regions; the bell stays open for the caller. */
	for (uint32_t i = 1; i < r.count; i++)
		close(r.fd[i]);
	return fd;

err_received:
	received_close(&r);
err_close:
	close(fd);
	return err;
}
