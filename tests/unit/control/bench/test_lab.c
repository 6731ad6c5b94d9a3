/* Proves that a lab is made whole or not at all, that what is wrong is refused before
 * anything is made, that the state, the list and the counters tell what is there, that the
 * caller stays in its own network with its own signal mask, and that down ends no process.
 *
 * What the tap sees is proved end to end. Where namespaces cannot be made, only the refusals
 * are tested.
 */
#include "control/bench/lab.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "control/bench/run.h"
#include "tests/support/check.h"

enum { DATAGRAMS = 100 };

static struct lab_error err;
static struct lab_remains remains;
static char name[LAB_NAME_BYTES];
static char ip[PATH_MAX];

static struct lab_settings settings(void)
{
	struct lab_settings s = LAB_SETTINGS_PRESET;

	s.name = name;
	return s;
}

static int ip_netns(const char *action, const char *namespace)
{
	char line[RUN_LINE_BYTES];

	return run(ip, (const char *const[]){ "ip", "netns", action, namespace, NULL }, line);
}

/* need_namespaces - skip the test where none can be made. */
static void need_namespaces(void)
{
	static const char *const tools[] = { "ip", "tc", "ethtool" };
	char probe[64], path[PATH_MAX];

	for (size_t i = 0; i < sizeof(tools) / sizeof(tools[0]); i++) {
		if (run_find(tools[i], path) < 0) {
			print_message("%s is not installed\n", tools[i]);
			skip();
		}
	}
	assert_int_equal(run_find("ip", ip), 0);
	(void)snprintf(probe, sizeof(probe), "test-lab-probe-%d", (int)getpid());
	if (geteuid() != 0 || ip_netns("add", probe) != 0) {
		print_message("namespaces cannot be made here\n");
		skip();
	}
	assert_int_equal(ip_netns("del", probe), 0);
}

static int choose_name(void **state)
{
	static unsigned number;

	(void)state;
	(void)snprintf(name, sizeof(name), "unit-%d-%u", (int)getpid(), number++);
	memset(&err, 0, sizeof(err));
	return 0;
}

static int remove_lab(void **state)
{
	(void)state;
	(void)lab_down(name, &remains, &err);
	return lab_state(name) == LAB_ABSENT ? 0 : -1;
}

static void expect_words(const char *words)
{
	if (strstr(err.text, words) == NULL)
		fail_msg("\"%s\" is not in: %s", words, err.text);
}

static void enter(enum lab_host host)
{
	char path[LAB_PATH_BYTES];
	int fd;

	lab_namespace_path(name, host, path);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET) < 0)
		_exit(1);
	close(fd);
}

static void send_datagrams(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(7) };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	inet_pton(AF_INET, "10.83.0.1", &to.sin_addr);
	for (int i = 0; i < DATAGRAMS; i++)
		if (sendto(fd, "hello", 5, 0, (const struct sockaddr *)&to, sizeof(to)) != 5)
			_exit(1);
	_exit(0);
}

/* ---- refusals ---- */

static void numbers_outside_their_range_are_refused_with_the_range(void **state)
{
	struct lab_settings s = settings();

	(void)state;
	assert_int_equal(lab_check(&s, &err), 0);
	s.queues = 0;
	assert_int_equal(lab_check(&s, &err), -EINVAL);
	expect_words("1 to 64");
	s.queues = LAB_QUEUES_MAX;
	assert_int_equal(lab_check(&s, &err), 0);
	s.queues = LAB_QUEUES_MAX + 1;
	assert_int_equal(lab_up(&s, &err), -EINVAL);
	s = settings();
	s.mtu_bytes = LAB_MTU_MIN_BYTES - 1;
	assert_int_equal(lab_up(&s, &err), -EINVAL);
	expect_words("1280 to 9000");
	s.mtu_bytes = LAB_MTU_MAX_BYTES;
	assert_int_equal(lab_check(&s, &err), 0);
	s.mtu_bytes = LAB_MTU_MAX_BYTES + 1;
	assert_int_equal(lab_up(&s, &err), -EINVAL);
	assert_int_equal(lab_state(name), LAB_ABSENT);
}

static void names_that_cannot_be_are_refused_everywhere(void **state)
{
	static const char *const bad[] = { "",    ".",        "..",
					   "a/b", "a b",      "a.b",
					   "a\n", "\xc3\xa4", "12345678901234567890123456789012" };
	struct lab_settings s = LAB_SETTINGS_PRESET;
	char command[] = "true", *argv[] = { command, NULL };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		s.name = bad[i];
		assert_int_equal(lab_up(&s, &err), -EINVAL);
		expect_words("cannot be the name of a lab");
		assert_int_equal(lab_down(bad[i], &remains, &err), -EINVAL);
		assert_int_equal(lab_exec(bad[i], LAB_TAP, 1, argv, &err), -EINVAL);
	}
	s.name = "-Az_09-1234567890123456789012-x";
	assert_int_equal(lab_check(&s, &err), 0);
}

static void what_is_not_there_is_told_so(void **state)
{
	struct lab_counters counters = { .rx_packets = 7 };
	char command[] = "true", *argv[] = { command, NULL };

	(void)state;
	remains.found = 7;
	assert_int_equal(lab_state(name), LAB_ABSENT);
	assert_int_equal(lab_down(name, &remains, &err), -ENXIO);
	expect_words("there is no lab");
	assert_int_equal(lab_exec(name, LAB_TAP, 1, argv, &err), -ENXIO);
	expect_words("weir lab up --name");
	assert_int_equal(lab_counters(name, LAB_TAP, "tap0", &counters), -ENOENT);
	assert_int_equal(remains.found, 7);
	assert_int_equal(counters.rx_packets, 7);
}

static void names_of_namespaces_are_as_promised(void **state)
{
	char namespace[LAB_NAMESPACE_BYTES], path[LAB_PATH_BYTES];

	(void)state;
	lab_namespace("x", LAB_SERVER, namespace);
	assert_string_equal(namespace, "weir-x-server");
	lab_namespace_path("1234567890123456789012345678901", LAB_CLIENT, path);
	assert_string_equal(path, "/run/netns/weir-1234567890123456789012345678901-client");
}

/* ---- a whole lab ---- */

static void a_lab_is_made_once_and_removed(void **state)
{
	struct lab_settings s = settings();
	char command[] = "no-such-program", *argv[] = { command, NULL };

	(void)state;
	need_namespaces();
	assert_int_equal(lab_up(&s, &err), 0);
	assert_int_equal(lab_state(name), LAB_READY);
	assert_int_equal(lab_up(&s, &err), -EEXIST);
	expect_words("a lab of the name");
	assert_int_equal(lab_state(name), LAB_READY);
	assert_int_equal(lab_exec(name, LAB_TAP, 1, argv, &err), -EINVAL);
	expect_words("no-such-program is no program");
	assert_int_equal(lab_down(name, &remains, &err), 0);
	assert_int_equal(remains.found, 0);
	assert_int_equal(lab_state(name), LAB_ABSENT);
	assert_int_equal(lab_down(name, &remains, &err), -ENXIO);
}

static void counters_count_what_was_mirrored(void **state)
{
	struct lab_settings s = settings();
	struct lab_counters wire, mirror, tap;
	int status;
	pid_t pid;

	(void)state;
	need_namespaces();
	assert_int_equal(lab_up(&s, &err), 0);
	assert_int_equal(lab_counters(name, LAB_TAP, "tap0", &tap), 0);
	assert_int_equal(tap.rx_packets, 0);
	pid = fork();
	if (pid == 0) {
		enter(LAB_SERVER);
		send_datagrams();
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	usleep(100000); /* the client's answers are made by the kernel when it likes */
	assert_int_equal(lab_counters(name, LAB_SERVER, "wire0", &wire), 0);
	assert_int_equal(lab_counters(name, LAB_SERVER, "mirror0", &mirror), 0);
	assert_int_equal(lab_counters(name, LAB_TAP, "tap0", &tap), 0);
	assert_true(wire.tx_packets >= DATAGRAMS);
	assert_int_equal(mirror.tx_packets, wire.tx_packets + wire.rx_packets);
	assert_int_equal(tap.rx_packets, mirror.tx_packets);
	assert_int_equal(tap.rx_bytes, wire.tx_bytes + wire.rx_bytes);
	assert_int_equal(mirror.tx_dropped + tap.rx_dropped + tap.tx_packets, 0);
	assert_int_equal(lab_counters(name, LAB_TAP, "tap", &tap), -ENOENT);
	assert_int_equal(lab_counters(name, LAB_TAP, "wire0", &tap), -ENOENT);
}

static void the_caller_stays_where_it_is(void **state)
{
	struct lab_settings s = settings();
	struct lab_counters counters;
	struct stat before, after;
	sigset_t mask_before, mask_after;
	int next_before = dup(0), next_after;

	(void)state;
	close(next_before);
	need_namespaces();
	assert_int_equal(stat("/proc/thread-self/ns/net", &before), 0);
	sigprocmask(SIG_SETMASK, NULL, &mask_before);
	assert_int_equal(lab_up(&s, &err), 0);
	assert_int_equal(lab_counters(name, LAB_TAP, "tap0", &counters), 0);
	assert_int_equal(lab_down(name, &remains, &err), 0);
	sigprocmask(SIG_SETMASK, NULL, &mask_after);
	assert_int_equal(stat("/proc/thread-self/ns/net", &after), 0);
	next_after = dup(0);
	close(next_after);
	assert_int_equal(after.st_ino, before.st_ino);
	for (int i = 1; i < NSIG; i++)
		assert_int_equal(sigismember(&mask_after, i), sigismember(&mask_before, i));
	assert_int_equal(next_after, next_before);
}

static void down_names_who_still_runs_and_ends_nobody(void **state)
{
	struct lab_settings s = settings();
	int entered[2], status;
	char byte;
	pid_t pid;

	(void)state;
	need_namespaces();
	assert_int_equal(lab_up(&s, &err), 0);
	assert_int_equal(pipe(entered), 0);
	pid = fork();
	if (pid == 0) {
		enter(LAB_TAP);
		(void)!write(entered[1], "x", 1);
		for (;;)
			pause();
	}
	assert_int_equal(read(entered[0], &byte, 1), 1);
	assert_int_equal(lab_down(name, &remains, &err), 0);
	assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(remains.found, 1);
	assert_int_equal(remains.process[0].pid, pid);
	assert_int_equal(remains.process[0].host, LAB_TAP);
	assert_string_not_equal(remains.process[0].command, "");
	assert_int_equal(lab_state(name), LAB_ABSENT);
	close(entered[0]);
	close(entered[1]);
}

/* ---- half a lab ---- */

struct sought {
	uint32_t times;
};

static void note_name(const char *listed, void *user)
{
	if (strcmp(listed, name) == 0)
		((struct sought *)user)->times++;
}

static void half_a_lab_is_listed_once_refused_and_removed(void **state)
{
	struct lab_settings s = settings();
	struct sought sought = { 0 };
	char namespace[LAB_NAMESPACE_BYTES];

	(void)state;
	need_namespaces();
	for (enum lab_host h = LAB_SERVER; h < LAB_HOSTS; h++) {
		lab_namespace(name, h, namespace);
		assert_int_equal(ip_netns("add", namespace), 0);
	}
	assert_int_equal(lab_state(name), LAB_HALF_MADE);
	assert_true(lab_list(note_name, &sought) >= 1);
	assert_int_equal(sought.times, 1);
	assert_int_equal(lab_up(&s, &err), -EEXIST);
	expect_words("half a lab");
	assert_int_equal(lab_state(name), LAB_HALF_MADE);
	lab_namespace(name, LAB_CLIENT, namespace);
	assert_int_equal(ip_netns("add", namespace), 0);
	assert_int_equal(lab_state(name), LAB_HALF_MADE); /* all hosts, but nothing in them */
	assert_int_equal(lab_down(name, &remains, &err), 0);
	assert_int_equal(lab_state(name), LAB_ABSENT);
}

static void a_tool_that_fails_is_named_and_nothing_is_left(void **state)
{
	static const char script[] = "#!/bin/sh\necho out of order >&2\nexit 1\n";
	char folder[] = "/tmp/test_lab-XXXXXX", tool[64], path[PATH_MAX];
	struct lab_settings s = settings();
	const char *before = getenv("PATH");
	char *kept = strdup(before != NULL ? before : "/usr/bin:/bin");
	int fd, code;

	(void)state;
	need_namespaces();
	assert_non_null(mkdtemp(folder));
	(void)snprintf(tool, sizeof(tool), "%s/tc", folder);
	fd = open(tool, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
	assert_int_equal(write(fd, script, sizeof(script) - 1), sizeof(script) - 1);
	close(fd);
	(void)snprintf(path, sizeof(path), "%s:%s", folder, kept);
	(void)setenv("PATH", path, 1);
	code = lab_up(&s, &err);
	(void)setenv("PATH", kept, 1);
	free(kept);
	(void)unlink(tool);
	(void)rmdir(folder);
	assert_int_equal(code, -EIO);
	expect_words("-server qdisc add dev wire0 clsact` failed: out of order; it needs");
	expect_words("CONFIG_NET_CLS_U32");
	expect_words("nothing was left behind");
	assert_int_equal(lab_state(name), LAB_ABSENT);
}

static void noted(int number)
{
	(void)number;
}

/* with_pending - make a lab while this signal waits. */
static int with_pending(int number, void (*handler)(int))
{
	struct lab_settings s = settings();
	sigset_t held, before;
	int code;

	(void)signal(number, handler);
	sigemptyset(&held);
	sigaddset(&held, number);
	sigprocmask(SIG_BLOCK, &held, &before);
	(void)raise(number);
	code = lab_up(&s, &err);
	sigprocmask(SIG_SETMASK, &before, NULL);
	(void)signal(number, SIG_DFL);
	return code;
}

static void a_signal_undoes_and_an_ignored_one_does_not(void **state)
{
	(void)state;
	need_namespaces();
	assert_int_equal(with_pending(SIGTERM, noted), -EINTR);
	expect_words("interrupted");
	assert_int_equal(lab_state(name), LAB_ABSENT);
	assert_int_equal(with_pending(SIGHUP, SIG_IGN), 0);
	assert_int_equal(lab_state(name), LAB_READY);
}

#define LAB_TEST(f) cmocka_unit_test_setup_teardown(f, choose_name, remove_lab)

int main(void)
{
	const struct CMUnitTest tests[] = {
		LAB_TEST(numbers_outside_their_range_are_refused_with_the_range),
		LAB_TEST(names_that_cannot_be_are_refused_everywhere),
		LAB_TEST(what_is_not_there_is_told_so),
		LAB_TEST(names_of_namespaces_are_as_promised),
		LAB_TEST(a_lab_is_made_once_and_removed),
		LAB_TEST(counters_count_what_was_mirrored),
		LAB_TEST(the_caller_stays_where_it_is),
		LAB_TEST(down_names_who_still_runs_and_ends_nobody),
		LAB_TEST(half_a_lab_is_listed_once_refused_and_removed),
		LAB_TEST(a_tool_that_fails_is_named_and_nothing_is_left),
		LAB_TEST(a_signal_undoes_and_an_ignored_one_does_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
