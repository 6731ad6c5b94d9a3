/* veth - a network namespace of the test's own, with wires in it.
 *
 * The namespace has no name and ends with the process, however that ends. Nothing talks on its
 * interfaces but the test: IPv6, which announces itself, is off.
 */
#ifndef TESTS_UNIT_DATAPLANE_RX_VETH_H
#define TESTS_UNIT_DATAPLANE_RX_VETH_H

#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

/* run - a command that must succeed. */
__attribute__((format(printf, 1, 2))) static inline void run(const char *format, ...)
{
	char line[512];
	va_list ap;

	va_start(ap, format);
	vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	if (system(line) != 0)
		fail_msg("failed: %s", line);
}

static inline bool write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool written = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return written;
}

/* own_namespace - for a group's set-up. False: not allowed here. */
static inline bool own_namespace(void)
{
	if (unshare(CLONE_NEWNET) < 0)
		return false;
	/* Without IPv6 in the kernel the file is not there, which is as good. */
	(void)write_text("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
	run("ip link set lo up");
	return true;
}

/* need_namespace - skip the test where the group's set-up got none. */
#define need_namespace(have)                                                                       \
	do {                                                                                       \
		if (!(have)) {                                                                     \
			print_message("skipped: a network namespace needs root\n");                \
			skip();                                                                    \
		}                                                                                  \
	} while (0)

/* wire - two interfaces joined by a cable, both up. `more` of `ip link add`: "mtu 9000". */
static inline void wire(const char *a, const char *b, const char *more)
{
	run("ip link add %s %s type veth peer name %s %s", a, more, b, more);
	run("ip link set %s up", a);
	run("ip link set %s up", b);
}

/* wire_up - an end that was down; the other end carries again some time after. */
static inline void wire_up(const char *a, const char *b)
{
	run("ip link set %s up", a);
	run("for i in $(seq 300); do ip link show %s | grep -q 'state UP' && exit 0; sleep 0.01; "
	    "done; exit 1",
	    b);
}

static inline void wire_cut(const char *a)
{
	run("ip link del %s 2>/dev/null || true", a);
}

/* other_namespace - of a child that does nothing. Returns its process, to be ended with
 * other_namespace_end(). */
static inline pid_t other_namespace(void)
{
	int made[2];
	char c;
	pid_t child;

	assert_int_equal(pipe(made), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (unshare(CLONE_NEWNET) < 0 || write(made[1], "", 1) != 1)
			_exit(1);
		pause();
		_exit(0);
	}
	close(made[1]);
	assert_int_equal(read(made[0], &c, 1), 1);
	close(made[0]);
	return child;
}

static inline void other_namespace_end(pid_t child)
{
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

static inline void nap_ms(long ms)
{
	nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 }, NULL);
}

#endif
