/* load - Promises, tried against a server of this test's own:
 * - as many requests are due as the rate says, and each is answered or failed by a name;
 * - a server that stalls makes all requests of that time late when the loop is open, and only as
 *   many as there are connections when it is closed (coordinated omission);
 * - bodies with a length, in chunks, and until the connection ends; connections that end are made
 *   anew, whether the server says so before or not;
 * - no answer: reset, closed, not HTTP, never, nobody listens any more; all counted, none repeated;
 * - the warm-up is in no figure; a signal ends the run and what was measured is told;
 * - a generator that was stopped says so itself.
 */
#include "control/bench/load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dataplane/base/clock.h"
#include "tests/support/check.h"

#define MS UINT64_C(1000000)

/* ---- the server ---- */

enum manner {
	PLAIN,
	CHUNKED,
	UNTIL_CLOSE,
	CLOSE_SAID,   /* Connection: close */
	CLOSE_UNSAID, /* closes behind every third answer */
	RESETS,
	HANGS_UP, /* in the middle of the answer */
	GARBAGE,
	ERRORS, /* every second answer is a 503 */
	SILENT,
	STALLS, /* once, for STALL_NS, STALL_AFTER_NS behind the first request */
	DIES,   /* with its fiftieth request, listening socket and all */
};

#define STALL_NS       (500 * MS)
#define STALL_AFTER_NS (300 * MS)

enum { SOCKETS = 64, DIES_AT = 50 };

struct server {
	enum manner manner;
	int listening, stop[2];
	uint16_t port;
	pthread_t thread;
	uint64_t requests, connections, first_ns;
	bool stalled, dead;
	struct pollfd fd[SOCKETS];
	nfds_t count;
};

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static void leave(struct server *s, nfds_t i)
{
	close(s->fd[i].fd);
	s->fd[i] = s->fd[--s->count];
}

static void reset_of(struct server *s, nfds_t i)
{
	struct linger now = { .l_onoff = 1 };

	setsockopt(s->fd[i].fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	leave(s, i);
}

static void stall_once(struct server *s)
{
	if (s->stalled || clock_monotonic_ns() < s->first_ns + STALL_AFTER_NS)
		return;
	s->stalled = true;
	usleep((useconds_t)(STALL_NS / 1000));
}

static void answer(struct server *s, nfds_t i)
{
	static const char hello[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
	int fd = s->fd[i].fd;

	switch (s->manner) {
	case STALLS:
		stall_once(s);
		say(fd, hello);
		break;
	case DIES:
		if (s->requests == DIES_AT)
			s->dead = true;
		else
			say(fd, hello);
		break;
	case PLAIN: say(fd, hello); break;
	case CHUNKED:
		say(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n");
		say(fd, "2\r\nlo\r\n0\r\n\r\n");
		break;
	case UNTIL_CLOSE:
		say(fd, "HTTP/1.1 200 OK\r\n\r\nhello");
		leave(s, i);
		break;
	case CLOSE_SAID:
		say(fd, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi");
		leave(s, i);
		break;
	case CLOSE_UNSAID:
		say(fd, hello);
		if (s->requests % 3 == 0)
			leave(s, i);
		break;
	case RESETS: reset_of(s, i); break;
	case HANGS_UP:
		say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel");
		leave(s, i);
		break;
	case GARBAGE: say(fd, "+PONG\r\n"); break;
	case ERRORS:
		say(fd,
		    s->requests % 2 == 0 ? hello : "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n");
		break;
	case SILENT: break;
	}
}

static void serve(struct server *s, nfds_t i)
{
	char bytes[4096];
	ssize_t n = recv(s->fd[i].fd, bytes, sizeof(bytes), MSG_DONTWAIT);

	if (n <= 0) {
		if (n == 0 || errno != EAGAIN)
			leave(s, i);
		return;
	}
	assert_true(n > 18 && memcmp(bytes, "GET /x HTTP/1.1\r\n", 17) == 0);
	assert_memory_equal(bytes + n - 4, "\r\n\r\n", 4);
	if (s->requests++ == 0)
		s->first_ns = clock_monotonic_ns();
	answer(s, i);
}

static void *server_thread(void *user)
{
	struct server *s = user;

	s->fd[0] = (struct pollfd){ .fd = s->stop[0], .events = POLLIN };
	s->fd[1] = (struct pollfd){ .fd = s->listening, .events = POLLIN };
	s->count = 2;
	while (!s->dead && poll(s->fd, s->count, -1) >= 0 && s->fd[0].revents == 0) {
		if (s->fd[1].revents != 0 && s->count < SOCKETS) {
			int fd = accept(s->listening, NULL, NULL), on = 1;

			setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
			s->fd[s->count++] = (struct pollfd){ .fd = fd, .events = POLLIN };
			s->connections++;
			continue;
		}
		/* From behind, because leaving moves the last one forward. */
		for (nfds_t i = s->count - 1; i >= 2 && !s->dead; i--)
			if (s->fd[i].revents != 0)
				serve(s, i);
	}
	while (s->count > 2)
		leave(s, 2);
	close(s->listening);
	return NULL;
}

static void server_start(struct server *s, enum manner manner)
{
	struct sockaddr_in here = { .sin_family = AF_INET,
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t bytes = sizeof(here);

	*s = (struct server){ .manner = manner, .listening = socket(AF_INET, SOCK_STREAM, 0) };
	assert_int_equal(bind(s->listening, (struct sockaddr *)&here, bytes), 0);
	assert_int_equal(listen(s->listening, SOCKETS), 0);
	assert_int_equal(getsockname(s->listening, (struct sockaddr *)&here, &bytes), 0);
	s->port = ntohs(here.sin_port);
	assert_int_equal(pipe(s->stop), 0);
	assert_int_equal(pthread_create(&s->thread, NULL, server_thread, s), 0);
}

static void server_stop(struct server *s)
{
	assert_int_equal(write(s->stop[1], "x", 1), 1);
	pthread_join(s->thread, NULL);
	close(s->stop[0]);
	close(s->stop[1]);
}

/* ---- the client ---- */

static struct load_report report, other;

static struct load_plan plan_of(const struct server *s, double rate, uint64_t duration_ms)
{
	return (struct load_plan){ .host = "127.0.0.1",
				   .port = s->port,
				   .target = "/x",
				   .rate = rate,
				   .connections = 4,
				   .duration_ns = duration_ms * MS };
}

static void run(const struct load_plan *plan, struct load_report *r)
{
	char err[LOAD_ERROR_BYTES];
	uint64_t failed = 0;

	assert_int_equal(load_run(plan, r, err), 0);
	for (uint32_t i = 0; i < LOAD_FAILURES; i++)
		failed += r->failure[i];
	assert_int_equal(r->failed, failed);
	assert_int_equal(r->due, r->answered + r->failed);
	assert_int_equal(r->latency.count, r->answered);
	assert_int_equal(r->service.count, r->answered);
}

static void run_against(enum manner manner, struct load_report *r)
{
	struct server s;
	struct load_plan plan;

	server_start(&s, manner);
	plan = plan_of(&s, 200, 500);
	run(&plan, r);
	server_stop(&s);
	assert_int_equal(r->due, 100);
	/* Nothing is asked twice. */
	assert_int_equal(s.requests, r->sent);
	assert_int_equal(s.connections, r->connects);
}

static void as_many_are_due_as_the_rate_says(void **state)
{
	struct server s;
	struct load_plan plan;

	(void)state;
	server_start(&s, PLAIN);
	plan = plan_of(&s, 333, 1000);
	plan.connections = 7;
	run(&plan, &report);
	server_stop(&s);
	assert_int_equal(report.due, 333);
	assert_int_equal(report.sent, 333);
	assert_int_equal(report.answered, 333);
	assert_int_equal(s.requests, 333);
	assert_int_equal(report.connects, 7);
	assert_int_equal(report.bad_status, 0);
	assert_int_equal(report.bytes,
			 333 * strlen("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"));
	assert_int_equal(report.elapsed_ns, 1000 * MS);
	assert_true(report.in_time <= 333);
	assert_false(report.interrupted);
}

static void a_stall_makes_every_request_of_its_time_late(void **state)
{
	struct server s;
	struct load_plan plan;

	(void)state;
	server_start(&s, STALLS);
	plan = plan_of(&s, 200, 1500);
	run(&plan, &report);
	server_stop(&s);
	assert_true(s.stalled);

	server_start(&s, STALLS);
	plan = plan_of(&s, 200, 1500);
	plan.closed = true;
	run(&plan, &other);
	server_stop(&s);
	assert_true(s.stalled);

	/* 100 of 300 were due while nothing was answered, evenly: a tenth of all for more than
	 * 350 ms. Service time knows nothing of it, and closed there are four. */
	assert_int_equal(report.due, 300);
	assert_int_equal(report.answered, 300);
	assert_true(hdr_quantile(&report.latency, 0.9) >= 300 * MS);
	assert_true(hdr_quantile(&report.latency, 0.75) >= 80 * MS);
	assert_true(hdr_quantile(&report.service, 0.9) < 150 * MS);
	assert_true(hdr_quantile(&other.latency, 0.9) < 150 * MS);
	assert_true(other.latency.max >= 450 * MS);
	assert_true(other.due < 260);
}

static void answers_end_as_they_say(void **state)
{
	(void)state;
	run_against(CHUNKED, &report);
	assert_int_equal(report.answered, 100);
	assert_int_equal(report.connects, 4);
	run_against(UNTIL_CLOSE, &report);
	assert_int_equal(report.answered, 100);
	/* The last of each connection needs no further one. */
	assert_int_equal(report.connects, 100);
}

static void connections_that_end_are_made_anew(void **state)
{
	(void)state;
	run_against(CLOSE_SAID, &report);
	assert_int_equal(report.answered, 100);
	assert_int_equal(report.connects, 100);
	run_against(CLOSE_UNSAID, &report);
	assert_true(report.connects > 20);
	/* It may close in the very moment in which the next one is sent; that is not hidden. */
	assert_true(report.answered >= 95);
	assert_int_equal(report.failed, report.failure[LOAD_CLOSED] + report.failure[LOAD_RESET]);
}

static void what_has_no_answer_has_failed_by_name(void **state)
{
	(void)state;
	run_against(RESETS, &report);
	assert_int_equal(report.failure[LOAD_RESET], 100);
	run_against(HANGS_UP, &report);
	assert_int_equal(report.failure[LOAD_CLOSED], 100);
	run_against(GARBAGE, &report);
	assert_int_equal(report.failure[LOAD_BAD_ANSWER], 100);
	assert_int_equal(report.connects, 100);
	assert_int_equal(report.answered, 0);
	assert_int_equal(hdr_quantile(&report.latency, 0.5), 0);
}

static void answers_of_400_and_more_are_answers_and_counted(void **state)
{
	(void)state;
	run_against(ERRORS, &report);
	assert_int_equal(report.answered, 100);
	assert_int_equal(report.bad_status, 50);
}

static void what_is_never_answered_is_unfinished_or_was_never_sent(void **state)
{
	uint64_t before_ns = clock_monotonic_ns();

	(void)state;
	run_against(SILENT, &report);
	assert_int_equal(report.failure[LOAD_UNFINISHED], 4);
	assert_int_equal(report.failure[LOAD_UNSENT], 96);
	assert_true(clock_monotonic_ns() - before_ns >= 500 * MS + LOAD_GRACE_NS);
}

static void a_server_that_dies_is_refused_from_then_on(void **state)
{
	struct server s;
	struct load_plan plan;

	(void)state;
	server_start(&s, DIES);
	plan = plan_of(&s, 200, 500);
	run(&plan, &report);
	server_stop(&s);
	assert_int_equal(report.due, 100);
	assert_int_equal(s.requests, DIES_AT);
	assert_int_equal(report.answered, DIES_AT - 1);
	assert_in_range(report.failure[LOAD_REFUSED], 100 - DIES_AT - 8, 100 - DIES_AT);
	assert_int_equal(report.failed, report.failure[LOAD_REFUSED] + report.failure[LOAD_CLOSED] +
						report.failure[LOAD_RESET]);
}

static void closed_and_as_fast_as_it_goes_has_no_pauses(void **state)
{
	struct server s;
	struct load_plan plan;

	(void)state;
	server_start(&s, PLAIN);
	plan = plan_of(&s, 0, 300);
	run(&plan, &report);
	server_stop(&s);
	assert_true(report.answered > 300);
	assert_int_equal(report.connects, 4);
	/* Due is when it goes: between the two is a look at the clock. */
	assert_true(hdr_quantile(&report.latency, 0.5) <
		    hdr_quantile(&report.service, 0.5) + 1 * MS);
	assert_true(load_rate(&report) > 1000);
}

static void a_closed_loop_keeps_its_rate_and_rests_when_refused(void **state)
{
	struct server s;
	struct load_plan plan;

	(void)state;
	server_start(&s, PLAIN);
	plan = plan_of(&s, 100, 500);
	plan.closed = true;
	run(&plan, &report);
	server_stop(&s);
	assert_in_range(report.due, 20, 50);

	server_start(&s, DIES);
	plan = plan_of(&s, 0, 300);
	run(&plan, &report);
	server_stop(&s);
	/* Ten milliseconds of rest for each of four connections. */
	assert_in_range(report.failure[LOAD_REFUSED], 4, 130);
}

static void the_warm_up_is_in_no_figure(void **state)
{
	struct server s;
	struct load_plan plan;

	(void)state;
	server_start(&s, PLAIN);
	plan = plan_of(&s, 200, 500);
	plan.warmup_ns = 300 * MS;
	run(&plan, &report);
	server_stop(&s);
	assert_int_equal(report.due, 100);
	assert_int_equal(s.requests, 160);
	assert_int_equal(report.elapsed_ns, 500 * MS);
}

/* ---- signals ---- */

/* after - a child that does something to this process. */
static pid_t after(uint32_t ms, int first, uint32_t later_ms, int second)
{
	pid_t parent = getpid(), child = fork();

	assert_true(child >= 0);
	if (child > 0)
		return child;
	usleep(ms * 1000);
	kill(parent, first);
	usleep(later_ms * 1000);
	if (second != 0)
		kill(parent, second);
	_exit(0);
}

static void a_signal_ends_it_and_what_was_measured_is_told(void **state)
{
	static const int signals[] = { SIGINT, SIGTERM };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct server s;
		struct load_plan plan;
		uint64_t before_ns = clock_monotonic_ns();
		pid_t child;

		server_start(&s, PLAIN);
		plan = plan_of(&s, 200, 60000);
		child = after(400, signals[i], 0, 0);
		run(&plan, &report);
		waitpid(child, NULL, 0);
		server_stop(&s);
		assert_true(clock_monotonic_ns() - before_ns < 20000 * MS);
		assert_true(report.interrupted);
		assert_in_range(report.elapsed_ns, 300 * MS, 20000 * MS);
		/* As many as were due by then. */
		assert_in_range(report.due, report.elapsed_ns / (5 * MS),
				report.elapsed_ns / (5 * MS) + 1);
		assert_true(report.answered > 0);
	}
}

static void a_signal_in_the_warm_up_leaves_nothing_measured(void **state)
{
	struct server s;
	struct load_plan plan;
	pid_t child;

	(void)state;
	server_start(&s, PLAIN);
	plan = plan_of(&s, 200, 1000);
	plan.warmup_ns = 60000 * MS;
	child = after(200, SIGINT, 0, 0);
	run(&plan, &report);
	waitpid(child, NULL, 0);
	server_stop(&s);
	assert_true(report.interrupted);
	assert_int_equal(report.due, 0);
	assert_true(load_rate(&report) == 0);
}

static void a_generator_that_was_stopped_says_so(void **state)
{
	struct server s;
	struct load_plan plan;
	pid_t child;

	(void)state;
	server_start(&s, PLAIN);
	plan = plan_of(&s, 200, 800);
	child = after(200, SIGSTOP, 300, SIGCONT);
	run(&plan, &report);
	waitpid(child, NULL, 0);
	server_stop(&s);
	assert_int_equal(report.due, 160);
	assert_true(report.lateness.max >= 250 * MS);
	assert_false(load_kept_up(&report));
}

/* ---- refusals ---- */

static void nobody_there_is_told_in_a_sentence(void **state)
{
	struct server s;
	struct load_plan plan;
	char err[LOAD_ERROR_BYTES];

	(void)state;
	server_start(&s, PLAIN);
	plan = plan_of(&s, 200, 500);
	server_stop(&s);
	assert_int_equal(load_run(&plan, &report, err), -ECONNREFUSED);
	assert_non_null(strstr(err, "Connection refused"));
	assert_non_null(strstr(err, "127.0.0.1"));

	(void)strcpy(plan.host, "no.such.name.invalid");
	assert_true(load_run(&plan, &report, err) < 0);
	assert_non_null(strstr(err, "no.such.name.invalid"));
}

static void urls_are_taken_apart(void **state)
{
	static const struct {
		const char *url, *host;
		uint16_t port;
		const char *target;
	} good[] = {
		{ "http://10.83.0.2", "10.83.0.2", 80, "/" },
		{ "HTTP://10.83.0.2/", "10.83.0.2", 80, "/" },
		{ "http://10.83.0.2:8080/1024?a=b:c", "10.83.0.2", 8080, "/1024?a=b:c" },
		{ "http://[fd83::2]/x", "fd83::2", 80, "/x" },
		{ "http://[fd83::2]:65535", "fd83::2", 65535, "/" },
		{ "http://localhost:1/a]", "localhost", 1, "/a]" },
	};
	static const char *const bad[] = {
		"",
		"10.83.0.2",
		"http:/10.83.0.2",
		"http://",
		"http:///x",
		"http://h:/x",
		"http://h:0/",
		"http://h:65536/",
		"http://h:80x/",
		"http://h:-1/",
		"http://[::1",
		"http://[::1]x/",
		"http://[]/",
		"http://h/a b",
		"http://h/\r\nX: y",
		"http://h?x",
		"ftp://h/",
		"http://0123456789012345678901234567890123456789012345678901234567890123/",
	};
	struct load_plan plan = { .port = 7 };

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(load_url(good[i].url, &plan), 0);
		assert_string_equal(plan.host, good[i].host);
		assert_int_equal(plan.port, good[i].port);
		assert_string_equal(plan.target, good[i].target);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(load_url(bad[i], &plan), -EINVAL);
	assert_int_equal(load_url("https://10.83.0.2/", &plan), -EPROTONOSUPPORT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_many_are_due_as_the_rate_says),
		cmocka_unit_test(a_stall_makes_every_request_of_its_time_late),
		cmocka_unit_test(answers_end_as_they_say),
		cmocka_unit_test(connections_that_end_are_made_anew),
		cmocka_unit_test(what_has_no_answer_has_failed_by_name),
		cmocka_unit_test(answers_of_400_and_more_are_answers_and_counted),
		cmocka_unit_test(what_is_never_answered_is_unfinished_or_was_never_sent),
		cmocka_unit_test(a_server_that_dies_is_refused_from_then_on),
		cmocka_unit_test(closed_and_as_fast_as_it_goes_has_no_pauses),
		cmocka_unit_test(a_closed_loop_keeps_its_rate_and_rests_when_refused),
		cmocka_unit_test(the_warm_up_is_in_no_figure),
		cmocka_unit_test(a_signal_ends_it_and_what_was_measured_is_told),
		cmocka_unit_test(a_signal_in_the_warm_up_leaves_nothing_measured),
		cmocka_unit_test(a_generator_that_was_stopped_says_so),
		cmocka_unit_test(nobody_there_is_told_in_a_sentence),
		cmocka_unit_test(urls_are_taken_apart),
	};

	alarm(100);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
