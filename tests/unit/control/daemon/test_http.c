/* Proves that the metrics page is served as said, whole, once per request, and that nothing else
 * is: other paths, other methods, bytes that are no HTTP, connections that say nothing; and that a
 * port that cannot be had is named.
 */
#include "control/daemon/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "dataplane/base/clock.h"

enum { PAGE_BYTES = 2 << 20, ROUNDS = 20000 };

static struct http http;
static unsigned built;
static size_t page_bytes;
static bool no_memory;
static char text[PAGE_BYTES + 4096];
static size_t text_bytes;

static char *build(void *context, size_t *ret_bytes)
{
	char *page = malloc(page_bytes);

	assert_ptr_equal(context, &http);
	built++;
	if (no_memory) {
		free(page);
		return NULL;
	}
	memset(page, 'm', page_bytes);
	*ret_bytes = page_bytes;
	return page;
}

static const struct http_page page = { .build = build, .context = &http, .type = "text/weir" };

static struct sockaddr_storage loopback(uint16_t port)
{
	struct sockaddr_storage ret = { 0 };
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_port = htons(port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	memcpy(&ret, &in, sizeof(in));
	return ret;
}

static int begin(void **state)
{
	struct sockaddr_storage at = loopback(0);

	(void)state;
	built = 0;
	page_bytes = 100;
	no_memory = false;
	return http_open(&http, &at, &page);
}

static int end(void **state)
{
	(void)state;
	http_close(&http);
	return 0;
}

/* ---- a client ---- */

static int connect_here(void)
{
	struct sockaddr_storage at = loopback(http_port(&http));
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (const void *)&at, sizeof(struct sockaddr_in)), 0);
	return fd;
}

static void say(int fd, const char *what)
{
	assert_int_equal(send(fd, what, strlen(what), MSG_NOSIGNAL), strlen(what));
}

/* Sleeps as the drain does: on the one descriptor. */
static void run_once(void)
{
	struct pollfd p = { .fd = http_fd(&http), .events = POLLIN };

	(void)poll(&p, 1, 1);
	http_run(&http);
}

/* Until the server closes. */
static void take_all(int fd)
{
	text_bytes = 0;
	for (int i = 0; i < ROUNDS; i++) {
		ssize_t n;

		run_once();
		n = recv(fd, text + text_bytes, sizeof(text) - 1 - text_bytes, MSG_DONTWAIT);
		if (n > 0)
			text_bytes += (size_t)n;
		else if (n == 0 || errno != EAGAIN)
			break;
	}
	text[text_bytes] = 0;
	close(fd);
}

static const char *request(const char *line)
{
	char whole[512];
	int fd = connect_here();

	(void)snprintf(whole, sizeof(whole),
		       "%s HTTP/1.1\r\nHost: weir\r\nConnection: close\r\n\r\n", line);
	say(fd, whole);
	take_all(fd);
	return text;
}

static void check_has(const char *part)
{
	if (strcasestr(text, part) == NULL)
		fail_msg("%s\nis not in\n%.1000s", part, text);
}

static const char *body(void)
{
	const char *at = strstr(text, "\r\n\r\n");

	assert_non_null(at);
	return at + 4;
}

/* ---- what is served ---- */

static void the_metrics_are_one_page_made_for_each_request(void **state)
{
	(void)state;
	request("GET /metrics");
	check_has("HTTP/1.1 200 ");
	check_has("\r\nContent-Type: text/weir\r\n");
	check_has("\r\nContent-Length: 100\r\n");
	assert_int_equal(strlen(body()), 100);
	assert_int_equal(strspn(body(), "m"), 100);
	assert_int_equal(built, 1);
	request("GET /metrics?from=somebody");
	check_has("HTTP/1.1 200 ");
	assert_int_equal(built, 2);
}

static void a_large_page_arrives_whole(void **state)
{
	(void)state;
	page_bytes = PAGE_BYTES;
	request("GET /metrics");
	check_has("HTTP/1.1 200 ");
	assert_int_equal(strspn(body(), "m"), PAGE_BYTES);
	assert_int_equal(body() + PAGE_BYTES - text, text_bytes);
}

static void the_root_says_where_to_look(void **state)
{
	(void)state;
	request("GET /");
	check_has("HTTP/1.1 200 ");
	assert_non_null(strstr(body(), "/metrics"));
	assert_int_equal(built, 0);
}

static void a_head_has_no_body(void **state)
{
	(void)state;
	request("HEAD /metrics");
	check_has("HTTP/1.1 200 ");
	assert_string_equal(body(), "");
}

static void several_scrapers_are_served_at_once(void **state)
{
	int fd[HTTP_CONNECTIONS];

	(void)state;
	for (int i = 0; i < HTTP_CONNECTIONS; i++) {
		fd[i] = connect_here();
		run_once();
	}
	for (int i = 0; i < HTTP_CONNECTIONS; i++)
		say(fd[i], "GET /metrics HTTP/1.0\r\n\r\n");
	for (int i = 0; i < HTTP_CONNECTIONS; i++) {
		take_all(fd[i]);
		check_has(" 200 ");
		assert_int_equal(strlen(body()), 100);
	}
}

/* ---- what is not ---- */

static void another_path_is_not_there(void **state)
{
	static const char *const paths[] = { "GET /metric", "GET /metrics/", "GET //",
					     "GET /etc/passwd", "GET /../metrics" };

	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		request(paths[i]);
		check_has("HTTP/1.1 404 ");
	}
	assert_int_equal(built, 0);
}

static void another_method_is_not_allowed(void **state)
{
	static const char *const methods[] = { "POST /metrics", "PUT /metrics", "DELETE /",
					       "OPTIONS /", "BREW /metrics" };

	(void)state;
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		request(methods[i]);
		check_has("HTTP/1.1 405 ");
		check_has("\r\nAllow: GET, HEAD\r\n");
	}
	assert_int_equal(built, 0);
}

static void a_body_is_not_waited_for(void **state)
{
	int fd = connect_here();

	(void)state;
	say(fd, "POST /metrics HTTP/1.1\r\nHost: weir\r\nContent-Length: 1000000\r\n\r\nabc");
	take_all(fd);
	check_has("HTTP/1.1 405 ");
}

static void without_memory_the_page_is_an_error(void **state)
{
	(void)state;
	no_memory = true;
	request("GET /metrics");
	check_has("HTTP/1.1 500 ");
}

static void what_is_no_http_is_refused_and_closed(void **state)
{
	static char head[2 * HTTP_CONNECTION_BYTES];
	int fd = connect_here();

	(void)state;
	say(fd, "\x16\x03\x01 nonsense\r\n\r\n");
	take_all(fd);
	check_has(" 400 ");
	fd = connect_here();
	memset(head, 'x', sizeof(head) - 1);
	memcpy(head, "GET /", 5);
	(void)send(fd, head, sizeof(head) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	take_all(fd);
	assert_true(strstr(text, " 431 ") != NULL || strstr(text, " 414 ") != NULL ||
		    strstr(text, " 413 ") != NULL);
	assert_int_equal(built, 0);
}

/* A step costs nothing to speak of while somebody is connected and says nothing; and he is not
 * connected for ever. */
static void a_silent_connection_ends_by_itself(void **state)
{
	uint64_t begin_ns = clock_monotonic_ns(), took_ns;
	int fd = connect_here();

	(void)state;
	take_all(fd);
	took_ns = clock_monotonic_ns() - begin_ns;
	assert_int_equal(text_bytes, 0);
	assert_true(took_ns >= (HTTP_TIMEOUT_S - 2) * CLOCK_SECOND_NS);
	assert_true(took_ns <= (HTTP_TIMEOUT_S + 10) * CLOCK_SECOND_NS);
	request("GET /metrics");
	check_has("HTTP/1.1 200 ");
}

/* ---- the port ---- */

static void a_port_in_use_is_named(void **state)
{
	struct sockaddr_storage at = loopback(http_port(&http));
	struct http other;

	(void)state;
	assert_int_equal(http_open(&other, &at, &page), -EADDRINUSE);
	assert_int_equal(http_fd(&other), -1);
	http_run(&other);
	http_close(&other);
}

static void an_address_of_somebody_else_is_named(void **state)
{
	struct sockaddr_storage at = loopback(0);
	struct http other;

	(void)state;
	((struct sockaddr_in *)(void *)&at)->sin_addr.s_addr = inet_addr("192.0.2.1");
	assert_int_equal(http_open(&other, &at, &page), -EADDRNOTAVAIL);
}

static void a_port_is_free_again_after_closing(void **state)
{
	struct sockaddr_storage at = loopback(http_port(&http));

	(void)state;
	request("GET /metrics");
	http_close(&http);
	assert_int_equal(http_fd(&http), -1);
	assert_int_equal(http_open(&http, &at, &page), 0);
	request("GET /metrics");
	check_has("HTTP/1.1 200 ");
}

static void every_address_of_ipv6_takes_ipv4_too(void **state)
{
	struct sockaddr_storage at = { .ss_family = AF_INET6 };
	int err;

	(void)state;
	http_close(&http);
	err = http_open(&http, &at, &page);
	if (err == -EAFNOSUPPORT) {
		print_message("this machine has no IPv6\n");
		skip();
	}
	assert_int_equal(err, 0);
	request("GET /metrics"); /* to 127.0.0.1 */
	check_has("HTTP/1.1 200 ");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(the_metrics_are_one_page_made_for_each_request),
		TEST(a_large_page_arrives_whole),
		TEST(the_root_says_where_to_look),
		TEST(a_head_has_no_body),
		TEST(several_scrapers_are_served_at_once),
		TEST(another_path_is_not_there),
		TEST(another_method_is_not_allowed),
		TEST(a_body_is_not_waited_for),
		TEST(without_memory_the_page_is_an_error),
		TEST(what_is_no_http_is_refused_and_closed),
		TEST(a_silent_connection_ends_by_itself),
		TEST(a_port_in_use_is_named),
		TEST(an_address_of_somebody_else_is_named),
		TEST(a_port_is_free_again_after_closing),
		TEST(every_address_of_ipv6_takes_ipv4_too),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
