/* Proves that whoever asks gets an answer and nobody holds up the draining: requests in pieces, too
 * long, or nonsense; answers larger than the socket takes; clients that do nothing, that are too
 * many, that go away; strangers; a socket that a killed control has left.
 */
#include "control/daemon/ctl.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "dataplane/base/clock.h"

enum { LARGE_BYTES = 3 << 20, STRANGER = 65534 };

static char directory[64];
static struct ctl ctl;
static uint64_t now_ns;

/* ---- a daemon ---- */

static struct {
	unsigned times;
	enum ctl_word word;
	bool json;
	size_t bytes; /* of the answer; 0: one line that repeats the request */
} asked;

static int answer(void *context, enum ctl_word word, bool json, FILE *to)
{
	assert_ptr_equal(context, &asked);
	asked.times++;
	asked.word = word;
	asked.json = json;
	if (asked.bytes == 0)
		fprintf(to, "%s%s\n", ctl_word_name(word), json ? " in JSON" : "");
	for (size_t i = 0; i < asked.bytes; i++)
		fputc('a' + (int)(i % 26), to);
	return word == CTL_status ? 3 : 0;
}

static int settings_fd;

static int open_here(void)
{
	const struct ctl_answers answers = { .answer = answer,
					     .context = &asked,
					     .settings_fd = settings_fd };

	return ctl_open(&ctl, directory, &answers);
}

static int begin(void **state)
{
	(void)state;
	memset(&asked, 0, sizeof(asked));
	now_ns = 1000 * CLOCK_SECOND_NS;
	strcpy(directory, "/tmp/test_ctl-XXXXXX");
	if (mkdtemp(directory) == NULL)
		return -1;
	settings_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	return open_here();
}

static int end(void **state)
{
	(void)state;
	ctl_close(&ctl);
	close(settings_fd);
	return rmdir(directory);
}

/* ---- a client ---- */

static char text[LARGE_BYTES + 1024]; /* what came */
static size_t text_bytes;

static int connect_here(void)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	(void)snprintf(at.sun_path, sizeof(at.sun_path), "%s/" CTL_SOCKET, directory);
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (const void *)&at, sizeof(at)), 0);
	return fd;
}

static void say(int fd, const char *what)
{
	assert_int_equal(send(fd, what, strlen(what), MSG_NOSIGNAL), strlen(what));
}

static void run(unsigned times)
{
	while (times-- > 0)
		ctl_run(&ctl, now_ns);
}

/* Takes what is there. Returns true at the end of file. */
static bool take(int fd)
{
	ssize_t n;

	while ((n = recv(fd, text + text_bytes, sizeof(text) - 1 - text_bytes, 0)) > 0)
		text_bytes += (size_t)n;
	text[text_bytes] = 0;
	return n == 0 || errno == ECONNRESET;
}

static void check_dropped(int fd)
{
	text_bytes = 0;
	assert_true(take(fd));
	assert_int_equal(text_bytes, 0);
	close(fd);
}

/* One whole conversation. */
static const char *ask(const char *request)
{
	int fd = connect_here();

	text_bytes = 0;
	say(fd, request);
	run(4);
	assert_true(take(fd));
	close(fd);
	return text;
}

/* ---- requests ---- */

static void a_request_gets_status_length_and_text(void **state)
{
	(void)state;
	assert_string_equal(ask("status\n"), "weir-ctl 3 7\nstatus\n");
	assert_string_equal(ask("ledger json\n"), "weir-ctl 0 15\nledger in JSON\n");
	assert_int_equal(asked.times, 2);
	assert_true(asked.json);
	assert_int_equal(asked.word, CTL_ledger);
}

static void a_request_may_come_in_pieces(void **state)
{
	int fd = connect_here();

	(void)state;
	text_bytes = 0;
	say(fd, "sta");
	run(3);
	assert_false(take(fd));
	assert_int_equal(asked.times, 0);
	say(fd, "ts\n");
	run(2);
	assert_true(take(fd));
	assert_string_equal(text, "weir-ctl 0 6\nstats\n");
	close(fd);
}

static void what_is_no_request_is_refused_with_a_sentence(void **state)
{
	static const char *const wrong[] = { "\n",           "statu\n",         "status  json\n",
					     "status xml\n", " json\n",         "STATUS\n",
					     "stop json\n",  "settings json\n", "statusjson\n",
					     "status\r\n" };

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		ask(wrong[i]);
		if (strncmp(text, "weir-ctl 2 ", 11) != 0 ||
		    strstr(text, "no such request") == NULL)
			fail_msg("%s was answered with %s", wrong[i], text);
	}
	assert_int_equal(asked.times, 0);
}

static void a_request_without_an_end_is_refused_at_its_limit(void **state)
{
	char line[CTL_REQUEST_BYTES + 1];
	int fd = connect_here();

	(void)state;
	text_bytes = 0;
	memset(line, 'x', sizeof(line));
	line[CTL_REQUEST_BYTES - 1] = 0;
	say(fd, line);
	run(3);
	assert_false(take(fd));
	say(fd, "xx");
	run(2);
	assert_true(take(fd));
	assert_non_null(strstr(text, "weir-ctl 2 "));
	assert_non_null(strstr(text, "one short line"));
	assert_int_equal(asked.times, 0);
	close(fd);
}

/* ---- answers ---- */

/* Whoever does not read gets what his socket takes, and run() returns all the same. */
static void a_large_answer_leaves_as_the_client_takes_it(void **state)
{
	int fd = connect_here();
	const char *at;

	(void)state;
	text_bytes = 0;
	asked.bytes = LARGE_BYTES;
	say(fd, "ledger\n");
	run(8);
	for (int i = 0; i < 1000 && !take(fd); i++)
		run(1);
	at = strchr(text, '\n') + 1;
	assert_int_equal(text + text_bytes - at, LARGE_BYTES);
	for (size_t i = 0; i < LARGE_BYTES; i++)
		if (at[i] != 'a' + (char)(i % 26))
			fail_msg("byte %zu is another", i);
	close(fd);
}

static void settings_come_as_a_descriptor(void **state)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec data = { text, sizeof(text) };
	struct msghdr m = { .msg_iov = &data,
			    .msg_iovlen = 1,
			    .msg_control = &control,
			    .msg_controllen = sizeof(control) };
	struct stat sent, received;
	int fd = connect_here(), passed;

	(void)state;
	say(fd, "settings\n");
	run(3);
	assert_true(recvmsg(fd, &m, MSG_CMSG_CLOEXEC) > 0);
	assert_non_null(CMSG_FIRSTHDR(&m));
	memcpy(&passed, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(passed));
	assert_int_equal(fstat(settings_fd, &sent), 0);
	assert_int_equal(fstat(passed, &received), 0);
	assert_int_equal(sent.st_rdev, received.st_rdev);
	close(passed);
	close(fd);
}

static void who_asks_for_the_stop_hears_of_the_end(void **state)
{
	int fd = connect_here();

	(void)state;
	text_bytes = 0;
	say(fd, "stop\n");
	run(3);
	assert_false(take(fd));
	assert_string_equal(text, "weir-ctl 0 5\nstop\n");
	now_ns += 100 * CTL_IDLE_NS;
	run(3);
	assert_false(take(fd)); /* he is not idle: he waits */
	ctl_close(&ctl);
	assert_true(take(fd));
	close(fd);
}

static void who_no_longer_waits_for_the_stop_leaves_room(void **state)
{
	(void)state;
	for (int i = 0; i < 3 * CTL_CLIENTS; i++) {
		int fd = connect_here();

		say(fd, "stop\n");
		run(3);
		close(fd);
		run(2);
	}
	assert_string_equal(ask("stats\n"), "weir-ctl 0 6\nstats\n");
}

/* ---- clients that are a burden ---- */

static void an_idle_client_is_dropped_and_not_before(void **state)
{
	int silent = connect_here(), slow = connect_here();

	(void)state;
	run(3);
	now_ns += CTL_IDLE_NS - 1;
	say(slow, "sta");
	run(1);
	text_bytes = 0;
	assert_false(take(silent));
	now_ns += 1;
	run(1);
	check_dropped(silent);
	text_bytes = 0;
	assert_false(take(slow));
	now_ns += CTL_IDLE_NS;
	run(1);
	check_dropped(slow);
}

static void a_client_that_does_not_read_is_dropped(void **state)
{
	int fd = connect_here();

	(void)state;
	asked.bytes = LARGE_BYTES;
	say(fd, "ledger\n");
	run(8);
	now_ns += CTL_IDLE_NS;
	run(1);
	text_bytes = 0;
	assert_true(take(fd));
	assert_true(text_bytes < LARGE_BYTES);
	close(fd);
}

static void clients_over_the_limit_wait_for_their_turn(void **state)
{
	int fd[CTL_CLIENTS], late;

	(void)state;
	for (int i = 0; i < CTL_CLIENTS; i++) {
		fd[i] = connect_here();
		run(1);
	}
	late = connect_here();
	say(late, "stats\n");
	run(5);
	text_bytes = 0;
	assert_false(take(late));
	assert_int_equal(asked.times, 0);
	close(fd[3]);
	run(5);
	assert_true(take(late));
	assert_string_equal(text, "weir-ctl 0 6\nstats\n");
	close(late);
	for (int i = 0; i < CTL_CLIENTS; i++)
		if (i != 3)
			close(fd[i]);
	run(3);
}

static void clients_that_go_away_are_forgotten(void **state)
{
	(void)state;
	for (int i = 0; i < 3 * CTL_CLIENTS; i++) {
		int fd = connect_here();

		if (i % 3 == 1)
			say(fd, "led");
		if (i % 3 == 2)
			say(fd, "ledger\n");
		run(i % 2 == 0);
		close(fd);
		run(2);
	}
	assert_string_equal(ask("stats\n"), "weir-ctl 0 6\nstats\n");
}

/* ---- strangers ---- */

static void root_and_the_own_user_may_ask(void **state)
{
	(void)state;
	assert_true(ctl_may(0, 1000));
	assert_true(ctl_may(1000, 1000));
	assert_false(ctl_may(1001, 1000));
	assert_false(ctl_may(1000, 0));
}

/* The socket's mode alone would keep him out: it is opened for the test. */
static void a_stranger_gets_a_sentence_and_no_answer(void **state)
{
	int status = -1;
	pid_t pid;

	(void)state;
	if (geteuid() != 0) {
		print_message("only root can send somebody else\n");
		skip();
	}
	assert_int_equal(chmod(directory, 0755), 0);
	assert_int_equal(chmod(ctl.path, 0666), 0);
	pid = fork();
	if (pid == 0) {
		struct sockaddr_un at = { .sun_family = AF_UNIX };
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		ssize_t n;

		strcpy(at.sun_path, ctl.path);
		if (setresuid(STRANGER, STRANGER, STRANGER) < 0 ||
		    connect(fd, (const void *)&at, sizeof(at)) < 0 ||
		    send(fd, "status\n", 7, MSG_NOSIGNAL) != 7)
			_exit(1);
		n = recv(fd, text, sizeof(text) - 1, MSG_WAITALL);
		text[n > 0 ? n : 0] = 0;
		_exit(strncmp(text, "weir-ctl 2 ", 11) == 0 && strstr(text, "only root") != NULL
			      ? 0
			      : 2);
	}
	while (waitpid(pid, &status, WNOHANG) == 0) {
		run(1);
		usleep(1000);
	}
	assert_int_equal(status, 0);
	assert_int_equal(asked.times, 0);
}

/* ---- the socket ---- */

static void the_socket_is_for_user_and_group_and_goes_away(void **state)
{
	char path[108];
	struct stat st;

	(void)state;
	strcpy(path, ctl.path);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode, S_IFSOCK | 0660);
	ctl_close(&ctl);
	assert_int_equal(stat(path, &st), -1);
	assert_int_equal(ctl_fd(&ctl), -1);
	run(1);          /* a closed one does nothing */
	ctl_close(&ctl); /* and can be closed again */
}

static void a_socket_that_a_killed_control_left_is_replaced(void **state)
{
	struct ctl dead;

	(void)state;
	dead = ctl;
	close(dead.listen_fd);
	close(dead.epoll_fd);
	assert_int_equal(open_here(), 0);
	assert_string_equal(ask("stats\n"), "weir-ctl 0 6\nstats\n");
}

static void a_directory_that_cannot_hold_it_is_refused(void **state)
{
	const struct ctl_answers answers = { .answer = answer, .context = &asked };
	struct ctl other;
	char path[128];

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/not_there", directory);
	assert_int_equal(ctl_open(&other, path, &answers), -ENOENT);
	assert_int_equal(ctl_fd(&other), -1);
	ctl_close(&other);
	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = 0;
	assert_int_equal(ctl_open(&other, path, &answers), -ENAMETOOLONG);
	ctl_close(&other);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(a_request_gets_status_length_and_text),
		TEST(a_request_may_come_in_pieces),
		TEST(what_is_no_request_is_refused_with_a_sentence),
		TEST(a_request_without_an_end_is_refused_at_its_limit),
		TEST(a_large_answer_leaves_as_the_client_takes_it),
		TEST(settings_come_as_a_descriptor),
		TEST(who_asks_for_the_stop_hears_of_the_end),
		TEST(who_no_longer_waits_for_the_stop_leaves_room),
		TEST(an_idle_client_is_dropped_and_not_before),
		TEST(a_client_that_does_not_read_is_dropped),
		TEST(clients_over_the_limit_wait_for_their_turn),
		TEST(clients_that_go_away_are_forgotten),
		TEST(root_and_the_own_user_may_ask),
		TEST(a_stranger_gets_a_sentence_and_no_answer),
		TEST(the_socket_is_for_user_and_group_and_goes_away),
		TEST(a_socket_that_a_killed_control_left_is_replaced),
		TEST(a_directory_that_cannot_hold_it_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
