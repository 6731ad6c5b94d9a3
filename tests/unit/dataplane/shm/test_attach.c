/* Proves the promises in attach.h: the socket is there with mode 0660 and for one dataplane at a
 * time; control gets every region and the bell; strangers are turned away; whatever is wrong with
 * what came, control refuses it and keeps no descriptor of it.
 */
#include "dataplane/shm/attach.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "dataplane/base/clock.h"

enum { RING = 64 * 1024, NOBODY = 65534 };

static char directory[64];
static char path[sizeof(directory) + 16];

static int make_directory(void **state)
{
	(void)state;
	strcpy(directory, "/tmp/weir-attach-XXXXXX");
	if (mkdtemp(directory) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/attach.sock", directory);
	return 0;
}

static int remove_directory(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(directory);
}

static unsigned open_fds(void)
{
	unsigned n = 0;
	DIR *d = opendir("/proc/self/fd");

	assert_non_null(d);
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n;
}

/* ---- listening ---- */

static void the_socket_is_for_owner_and_group_whatever_the_umask(void **state)
{
	(void)state;
	static const mode_t masks[] = { 0, 022, 077 };
	struct stat st;

	for (size_t i = 0; i < array_count(masks); i++) {
		mode_t before = umask(masks[i]);
		int fd = attach_listen(directory);

		assert_true(fd >= 0);
		assert_int_equal(umask(before), masks[i]); /* put back */
		assert_int_equal(stat(path, &st), 0);
		assert_true(S_ISSOCK(st.st_mode));
		assert_int_equal(st.st_mode & 07777, 0660);
		close(fd);
	}
}

static void a_stale_socket_is_replaced_and_a_live_one_is_not(void **state)
{
	(void)state;
	int first = attach_listen(directory), second;

	assert_true(first >= 0);
	assert_int_equal(attach_listen(directory), -EADDRINUSE);
	close(first); /* its file stays, as after a crash */
	assert_int_equal(access(path, F_OK), 0);
	second = attach_listen(directory);
	assert_true(second >= 0);
	assert_int_equal(attach_listen(directory), -EADDRINUSE);
	close(second);
}

static void what_is_no_socket_is_never_removed(void **state)
{
	(void)state;
	int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	close(fd);
	assert_int_equal(attach_listen(directory), -EADDRINUSE);
	assert_int_equal(unlink(path), 0); /* still there */
	assert_int_equal(symlink("/nowhere", path), 0);
	assert_int_equal(attach_listen(directory), -EADDRINUSE);
	assert_int_equal(unlink(path), 0);
}

static void one_that_is_just_starting_is_not_taken_for_stale(void **state)
{
	(void)state;
	int lock_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd;

	assert_int_equal(flock(lock_fd, LOCK_EX), 0);
	assert_int_equal(attach_listen(directory), -EADDRINUSE);
	close(lock_fd);
	fd = attach_listen(directory);
	assert_true(fd >= 0);
	close(fd);
}

static void directories_that_cannot_be_are_refused(void **state)
{
	(void)state;
	char longest[108 - sizeof("/attach.sock") + 1], too_long[sizeof(longest) + 1];
	struct attach_hello hello;
	struct region_reader r[REGION_WORKERS_MAX];
	int bell;

	memset(longest, 'x', sizeof(longest));
	longest[sizeof(longest) - 1] = 0;
	memset(too_long, 'x', sizeof(too_long));
	too_long[sizeof(too_long) - 1] = 0;
	assert_int_equal(attach_listen(longest), -ENOENT);
	assert_int_equal(attach_listen(too_long), -ENAMETOOLONG);
	assert_int_equal(attach_connect(too_long, 0, &hello, &bell, r), -ENAMETOOLONG);
	assert_int_equal(attach_listen("/dev/null"), -ENOTDIR);
}

/* ---- accepting ---- */

static int raw_connect(void)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	memcpy(to.sun_path, path, strlen(path));
	if (connect(fd, (const void *)&to, sizeof(to)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static void accepting_does_not_wait(void **state)
{
	(void)state;
	int listen_fd = attach_listen(directory);

	assert_int_equal(attach_accept(listen_fd), -EAGAIN);
	close(listen_fd);
}

static void one_of_our_own_is_accepted(void **state)
{
	(void)state;
	int listen_fd = attach_listen(directory);
	int peer = raw_connect();
	int fd = attach_accept(listen_fd);

	assert_true(peer >= 0);
	assert_true(fd >= 0);
	assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
	assert_true((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
	close(fd);
	close(peer);
	close(listen_fd);
}

/* In a child: become `uid`, connect, and wait to be turned away. Exit status 0 if we were. */
static pid_t stranger(uid_t uid)
{
	pid_t child = fork();
	char byte;
	int fd;

	assert_true(child >= 0);
	if (child != 0)
		return child;
	if (setresuid(uid, uid, uid) < 0)
		_exit(2);
	fd = raw_connect();
	if (fd < 0)
		_exit(3);
	_exit(recv(fd, &byte, 1, 0) == 0 ? 0 : 4);
}

static void a_stranger_is_turned_away(void **state)
{
	(void)state;
	struct pollfd p = { .events = POLLIN };
	int status, listen_fd;
	pid_t child;

	if (geteuid() != 0)
		skip(); /* only root can become somebody else */
	/* The mode of the directory and of the socket would stop him first. */
	assert_int_equal(chmod(directory, 0755), 0);
	p.fd = listen_fd = attach_listen(directory);
	assert_int_equal(chmod(path, 0666), 0);
	child = stranger(NOBODY);
	assert_int_equal(poll(&p, 1, 10000), 1);
	assert_int_equal(attach_accept(listen_fd), -EACCES);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	close(listen_fd);
}

static void root_is_no_stranger_to_anybody(void **state)
{
	(void)state;
	int listen_fd, fd, peer;

	if (geteuid() != 0)
		skip(); /* only root can become somebody else */
	listen_fd = attach_listen(directory);
	peer = raw_connect();
	assert_int_equal(seteuid(NOBODY), 0);
	fd = attach_accept(listen_fd);
	assert_int_equal(seteuid(0), 0);
	assert_true(fd >= 0);
	close(fd);
	close(peer);
	close(listen_fd);
}

/* ---- handing over ---- */

/* A dataplane: `workers` regions, of which `odd` says something else than the others; it accepts
 * one control and sends a message made by `send`. */
static struct dataplane {
	struct region_writer region[REGION_WORKERS_MAX];
	struct attach_hello hello;
	int bell_fd, listen_fd, control_fd;
	int (*send)(const struct dataplane *d, int fd);
	int sent;
} d;

static int send_good(const struct dataplane *p, int fd)
{
	return attach_send(fd, &p->hello, p->bell_fd, p->region);
}

static void dataplane_make(uint32_t workers, int (*send)(const struct dataplane *, int))
{
	memset(&d, 0, sizeof(d));
	d.hello = (struct attach_hello){ .magic = ATTACH_MAGIC, .workers = workers, .run = "k3q9" };
	d.hello.pid = (uint32_t)getpid();
	d.bell_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	d.send = send;
	d.control_fd = -1;
	for (uint32_t i = 0; i < workers; i++)
		assert_int_equal(region_create(&d.region[i], i, workers, RING, 2, "k3q9"), 0);
	d.listen_fd = attach_listen(directory);
	assert_true(d.listen_fd >= 0);
}

static void dataplane_destroy(void)
{
	for (uint32_t i = 0; i < REGION_WORKERS_MAX; i++)
		region_destroy(&d.region[i]);
	if (d.control_fd >= 0)
		close(d.control_fd);
	close(d.listen_fd);
	close(d.bell_fd);
}

static void *dataplane_serve(void *arg)
{
	struct pollfd p = { .fd = d.listen_fd, .events = POLLIN };

	(void)arg;
	if (poll(&p, 1, 10000) != 1)
		return NULL;
	d.control_fd = attach_accept(d.listen_fd);
	if (d.control_fd >= 0)
		d.sent = d.send(&d, d.control_fd);
	return NULL;
}

static struct region_reader r[REGION_WORKERS_MAX];
static struct attach_hello hello;
static int bell;

/* Connects to the dataplane made before; `send` has run when this returns. */
static int connect_served(uint32_t timeout_ms)
{
	pthread_t server;
	int fd;

	assert_int_equal(pthread_create(&server, NULL, dataplane_serve, NULL), 0);
	fd = attach_connect(directory, timeout_ms, &hello, &bell, r);
	assert_int_equal(pthread_join(server, NULL), 0);
	return fd;
}

static void assert_handed_over(uint32_t workers)
{
	unsigned before;
	uint64_t value = 0;
	int fd;

	dataplane_make(workers, send_good);
	before = open_fds();
	fd = connect_served(10000);
	assert_true(fd >= 0);
	assert_int_equal(d.sent, 0);
	/* The connection's two ends and the bell; the regions live on as mappings alone. */
	assert_int_equal(open_fds(), before + 3);
	assert_int_equal(hello.workers, workers);
	assert_int_equal(hello.pid, getpid());
	assert_string_equal(hello.run, "k3q9");
	assert_true((fcntl(bell, F_GETFD) & FD_CLOEXEC) != 0);
	assert_int_equal(eventfd_write(d.bell_fd, 3), 0);
	assert_int_equal(eventfd_read(bell, &value), 0);
	assert_int_equal(value, 3);
	for (uint32_t i = 0; i < workers; i++) {
		uint64_t bytes;
		uint32_t *at = ring_reserve(&d.region[i].ring, 8);

		assert_int_equal(r[i].worker, i);
		*at = 8;
		ring_commit(&d.region[i].ring, 8);
		ring_publish(&d.region[i].ring);
		assert_non_null(ring_peek(&r[i].ring, &bytes));
		region_detach(&r[i]);
	}
	close(bell);
	close(fd);
	dataplane_destroy();
}

static void control_gets_every_region_and_the_bell(void **state)
{
	(void)state;
	assert_handed_over(1);
	assert_handed_over(3);
	assert_handed_over(REGION_WORKERS_MAX);
}

static void either_side_hears_that_the_other_is_gone(void **state)
{
	(void)state;
	char byte;
	int fd;

	dataplane_make(1, send_good);
	fd = connect_served(10000);
	assert_true(fd >= 0);
	assert_int_equal(recv(d.control_fd, &byte, 1, 0), -1);
	assert_int_equal(errno, EAGAIN);
	close(fd);
	assert_int_equal(recv(d.control_fd, &byte, 1, 0), 0);
	region_detach(&r[0]);
	close(bell);
	dataplane_destroy();
}

static void nobody_there_ends_with_the_timeout(void **state)
{
	(void)state;
	uint64_t begin_ns = clock_monotonic_ns();

	assert_int_equal(attach_connect(directory, 50, &hello, &bell, r), -ETIMEDOUT);
	assert_true(clock_monotonic_ns() - begin_ns >= 50 * 1000000);
	assert_int_equal(attach_connect(directory, 0, &hello, &bell, r), -ETIMEDOUT);
}

static void a_dataplane_that_says_nothing_ends_with_the_timeout(void **state)
{
	(void)state;
	int listen_fd = attach_listen(directory);
	unsigned before = open_fds();

	assert_int_equal(attach_connect(directory, 50, &hello, &bell, r), -ETIMEDOUT);
	assert_int_equal(open_fds(), before);
	close(listen_fd);
}

static void *listen_late(void *arg)
{
	(void)arg;
	usleep(50000);
	d.listen_fd = attach_listen(directory);
	return dataplane_serve(NULL);
}

static void control_may_be_there_first(void **state)
{
	(void)state;
	pthread_t server;
	int fd;

	dataplane_make(1, send_good);
	close(d.listen_fd); /* a stale file at first, then somebody listens */
	assert_int_equal(pthread_create(&server, NULL, listen_late, NULL), 0);
	fd = attach_connect(directory, 10000, &hello, &bell, r);
	assert_int_equal(pthread_join(server, NULL), 0);
	assert_true(fd >= 0);
	region_detach(&r[0]);
	close(bell);
	close(fd);
	dataplane_destroy();
}

static void unusable_numbers_of_workers_are_not_sent(void **state)
{
	(void)state;
	struct attach_hello bad = { .magic = ATTACH_MAGIC };
	struct region_writer none[1] = { 0 };
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	assert_int_equal(attach_send(pair[0], &bad, 0, none), -EINVAL);
	bad.workers = REGION_WORKERS_MAX + 1;
	assert_int_equal(attach_send(pair[0], &bad, 0, none), -EINVAL);
	bad.workers = 1;
	none[0].up_fd = none[0].down_fd = -1;
	assert_int_equal(attach_send(pair[0], &bad, 0, none), -EBADF);
	close(pair[1]);
	assert_int_equal(attach_send(pair[0], &bad, -1, none), -EBADF);
	close(pair[0]);
}

/* ---- what comes is wrong ---- */

/* The general message: `bytes` of the hello, and `count` descriptors. */
static int send_raw(int fd, const struct attach_hello *h, size_t bytes, const int *fds,
		    size_t count)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(253 * sizeof(int))];
	} control = { 0 };
	struct iovec data = { .iov_base = (void *)(uintptr_t)h, .iov_len = bytes };
	struct msghdr m = { .msg_iov = &data, .msg_iovlen = 1 };

	if (count > 0) {
		struct cmsghdr *c = &control.align;

		m.msg_control = &control;
		m.msg_controllen = CMSG_SPACE(count * sizeof(int));
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(count * sizeof(int));
		memcpy(CMSG_DATA(c), fds, count * sizeof(int));
	}
	return sendmsg(fd, &m, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

enum { GOOD_FDS = 1 + 2 * 2 }; /* of the two workers that these dataplanes have */

static void good_fds(const struct dataplane *p, int fds[GOOD_FDS])
{
	fds[0] = p->bell_fd;
	for (int i = 0; i < 2; i++) {
		fds[1 + 2 * i] = p->region[i].up_fd;
		fds[2 + 2 * i] = p->region[i].down_fd;
	}
}

static int send_wrong_magic(const struct dataplane *p, int fd)
{
	struct attach_hello h = p->hello;

	h.magic++;
	return attach_send(fd, &h, p->bell_fd, p->region);
}

static int send_no_workers(const struct dataplane *p, int fd)
{
	struct attach_hello h = p->hello;
	int fds[GOOD_FDS];

	good_fds(p, fds);
	h.workers = 0;
	return send_raw(fd, &h, sizeof(h), fds, 1);
}

static int send_too_many_workers(const struct dataplane *p, int fd)
{
	struct attach_hello h = p->hello;
	int fds[GOOD_FDS];

	good_fds(p, fds);
	h.workers = UINT32_MAX;
	return send_raw(fd, &h, sizeof(h), fds, GOOD_FDS);
}

static int send_endless_run(const struct dataplane *p, int fd)
{
	struct attach_hello h = p->hello;

	memset(h.run, 'x', sizeof(h.run));
	return attach_send(fd, &h, p->bell_fd, p->region);
}

static int send_other_run(const struct dataplane *p, int fd)
{
	struct attach_hello h = p->hello;

	memcpy(h.run, "other", 6);
	return attach_send(fd, &h, p->bell_fd, p->region);
}

static int send_one_worker_of_two(const struct dataplane *p, int fd)
{
	struct attach_hello h = p->hello;

	h.workers = 1;
	return attach_send(fd, &h, p->bell_fd, p->region);
}

static int send_no_fds(const struct dataplane *p, int fd)
{
	return send_raw(fd, &p->hello, sizeof(p->hello), NULL, 0);
}

static int send_one_fd_too_few(const struct dataplane *p, int fd)
{
	int fds[GOOD_FDS];

	good_fds(p, fds);
	return send_raw(fd, &p->hello, sizeof(p->hello), fds, GOOD_FDS - 1);
}

static int send_one_fd_too_many(const struct dataplane *p, int fd)
{
	int fds[GOOD_FDS + 1];

	good_fds(p, fds);
	fds[GOOD_FDS] = p->bell_fd;
	return send_raw(fd, &p->hello, sizeof(p->hello), fds, GOOD_FDS + 1);
}

static int send_more_fds_than_there_is_room(const struct dataplane *p, int fd)
{
	int fds[253];

	for (size_t i = 0; i < 253; i++)
		fds[i] = p->bell_fd;
	return send_raw(fd, &p->hello, sizeof(p->hello), fds, 253);
}

static int send_up_and_down_exchanged(const struct dataplane *p, int fd)
{
	int fds[GOOD_FDS];

	good_fds(p, fds);
	fds[3] = p->region[1].down_fd;
	fds[4] = p->region[1].up_fd;
	return send_raw(fd, &p->hello, sizeof(p->hello), fds, GOOD_FDS);
}

static int send_one_region_twice(const struct dataplane *p, int fd)
{
	int fds[GOOD_FDS];

	good_fds(p, fds);
	fds[3] = fds[1];
	fds[4] = fds[2];
	return send_raw(fd, &p->hello, sizeof(p->hello), fds, GOOD_FDS);
}

static int send_no_regions_at_all(const struct dataplane *p, int fd)
{
	int fds[GOOD_FDS];

	for (int i = 0; i < GOOD_FDS; i++)
		fds[i] = p->bell_fd;
	return send_raw(fd, &p->hello, sizeof(p->hello), fds, GOOD_FDS);
}

static int send_a_short_hello(const struct dataplane *p, int fd)
{
	int fds[GOOD_FDS];

	good_fds(p, fds);
	return send_raw(fd, &p->hello, sizeof(p->hello) - 1, fds, GOOD_FDS);
}

static int send_a_long_hello(const struct dataplane *p, int fd)
{
	struct {
		struct attach_hello hello;
		uint64_t more;
	} h = { .hello = p->hello };
	int fds[GOOD_FDS];

	good_fds(p, fds);
	return send_raw(fd, &h.hello, sizeof(h), fds, GOOD_FDS);
}

static int send_fds_without_a_byte(const struct dataplane *p, int fd)
{
	int fds[GOOD_FDS];

	good_fds(p, fds);
	return send_raw(fd, &p->hello, 0, fds, GOOD_FDS);
}

static void assert_refused(int (*send)(const struct dataplane *, int), int expected)
{
	unsigned before;

	dataplane_make(2, send);
	before = open_fds();
	hello.pid = 77;
	bell = 77;
	assert_int_equal(connect_served(10000), expected);
	assert_int_equal(d.sent, 0);
	assert_int_equal(hello.pid, 77); /* untouched on failure */
	assert_int_equal(bell, 77);
	close(d.control_fd);
	d.control_fd = -1;
	assert_int_equal(open_fds(), before);
	dataplane_destroy();
}

static void whatever_is_wrong_is_refused_and_nothing_stays_open(void **state)
{
	(void)state;
	assert_refused(send_wrong_magic, -EPROTO);
	assert_refused(send_no_workers, -EPROTO);
	assert_refused(send_too_many_workers, -EPROTO);
	assert_refused(send_endless_run, -EPROTO);
	assert_refused(send_other_run, -EPROTO);
	assert_refused(send_one_worker_of_two, -EPROTO);
	assert_refused(send_no_fds, -EPROTO);
	assert_refused(send_one_fd_too_few, -EPROTO);
	assert_refused(send_one_fd_too_many, -EPROTO);
	assert_refused(send_more_fds_than_there_is_room, -EPROTO);
	assert_refused(send_up_and_down_exchanged, -EPROTO);
	assert_refused(send_one_region_twice, -EPROTO);
	assert_refused(send_no_regions_at_all, -EPROTO);
	assert_refused(send_a_short_hello, -EPROTO);
	assert_refused(send_a_long_hello, -EPROTO);
	assert_refused(send_fds_without_a_byte, -EPROTO);
}

static int close_instead(const struct dataplane *p, int fd)
{
	(void)p;
	return shutdown(fd, SHUT_RDWR);
}

static void a_dataplane_that_closes_instead_is_a_reset(void **state)
{
	(void)state;
	assert_refused(close_instead, -ECONNRESET);
}

int main(void)
{
#define IN_DIRECTORY(f) cmocka_unit_test_setup_teardown(f, make_directory, remove_directory)
	const struct CMUnitTest tests[] = {
		IN_DIRECTORY(the_socket_is_for_owner_and_group_whatever_the_umask),
		IN_DIRECTORY(a_stale_socket_is_replaced_and_a_live_one_is_not),
		IN_DIRECTORY(what_is_no_socket_is_never_removed),
		IN_DIRECTORY(one_that_is_just_starting_is_not_taken_for_stale),
		IN_DIRECTORY(directories_that_cannot_be_are_refused),
		IN_DIRECTORY(accepting_does_not_wait),
		IN_DIRECTORY(one_of_our_own_is_accepted),
		IN_DIRECTORY(a_stranger_is_turned_away),
		IN_DIRECTORY(root_is_no_stranger_to_anybody),
		IN_DIRECTORY(control_gets_every_region_and_the_bell),
		IN_DIRECTORY(either_side_hears_that_the_other_is_gone),
		IN_DIRECTORY(nobody_there_ends_with_the_timeout),
		IN_DIRECTORY(a_dataplane_that_says_nothing_ends_with_the_timeout),
		IN_DIRECTORY(control_may_be_there_first),
		IN_DIRECTORY(unusable_numbers_of_workers_are_not_sent),
		IN_DIRECTORY(whatever_is_wrong_is_refused_and_nothing_stays_open),
		IN_DIRECTORY(a_dataplane_that_closes_instead_is_a_reset),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
