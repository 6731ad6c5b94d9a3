/* Proves of dissectors/http1.c:
 *   - what a head says becomes fields, and each rule of message length (RFC 9112 6.3) is kept;
 *   - the same bytes give the same messages however they are cut, and no part of a message is
 *     taken for the whole;
 *   - a message that breaks the rules is read in one way and flagged, and a request smuggled
 *     behind it is seen;
 *   - after a gap or other bytes the next start line is found, and nothing is found in bodies;
 *   - lines, heads and chunk extensions without end cost their bytes once and no memory;
 *   - probe() says yes to HTTP/1 and to nothing else.
 * Every input ends at an unreadable page (fake_host.h).
 */
#include "tests/support/check.h"

#include <stdio.h>
#include <time.h>

#include "dissectors/registry.h"
#include "dissectors/upgrade.h"
#include "tests/support/fake_host.h"

extern const struct dissector dissector_http1;

#define OK "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

/* Millions of bytes, each looked at once. A sanitizer needs several times as long; a search that
 * begins again and again, hours. */
#ifdef __SANITIZE_ADDRESS__
enum { SEARCH_SECONDS = 15 };
#else
enum { SEARCH_SECONDS = 3 };
#endif

static struct conn c;

static int open_conn(void **state)
{
	(void)state;
	fake_open(&c, &dissector_http1, NULL);
	return 0;
}

static int free_conn(void **state)
{
	(void)state;
	fake_free(&c);
	return 0;
}

static void reopen(struct fake_settings settings)
{
	fake_free(&c);
	fake_open(&c, &dissector_http1, &settings);
}

static const struct message *expect(enum side side, uint32_t n, const char *fields)
{
	const struct message *m = fake_message(&c, side, n);

	assert_non_null(m);
	assert_string_equal(m->fields, fields);
	return m;
}

static const struct message *expect_start(enum side side, uint32_t n, const char *fields)
{
	const struct message *m = fake_message(&c, side, n);

	assert_non_null(m);
	assert_memory_equal(m->fields, fields, strlen(fields));
	return m;
}

static void expect_code(uint32_t n, const char *code, int64_t answers)
{
	const struct message *m = fake_message(&c, SIDE_B, n);

	assert_non_null(m);
	assert_memory_equal(m->fields, "code=", 5);
	assert_memory_equal(m->fields + 5, code, strlen(code));
	assert_true(m->answers == answers);
}

/* ---- heads ---- */

static void a_request_becomes_a_message_with_its_fields(void **state)
{
	(void)state;
	const struct message *m;

	static const char text[] = "GET /a?b=c HTTP/1.1\r\nHost: example.com\r\nX-Empty:\r\n"
				   "X:  two words \t\r\n\r\n";
	size_t bytes = sizeof(text) - 1;

	fake_say(&c, SIDE_A, text);
	m = expect(SIDE_A, 0,
		   "method=GET target=/a?b=c version=1.1 host=example.com (Host: example.com) "
		   "(X-Empty: ) (X: two words)");
	assert_true(m->kind == MESSAGE_REQUEST && m->key == 0 && m->ended && m->flags == 0);
	assert_true(m->begin == 0 && m->head_bytes == bytes && m->end == bytes);
	assert_true(m->body_bytes == 0);
}

static void a_response_becomes_a_message_with_its_fields(void **state)
{
	(void)state;
	const struct message *m;

	fake_say(&c, SIDE_A, "GET / HTTP/1.0\r\n\r\n");
	fake_say(&c, SIDE_B,
		 "HTTP/1.0 404 Not Found here\r\nHost: no\r\nContent-Length: 3\r\n\r\nabc");
	m = expect(SIDE_B, 0,
		   "code=404 version=1.0 reason=Not Found here (Host: no) (Content-Length: 3)");
	assert_true(m->kind == MESSAGE_RESPONSE && m->answers == 0 && m->ended && m->flags == 0);
	assert_true(m->head_bytes == 60 && m->body_bytes == 3 && m->end == 63 && !m->failed);
}

static void a_reason_may_be_missing_with_or_without_its_space(void **state)
{
	(void)state;
	fake_say(&c, SIDE_A, "GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\n");
	fake_say(&c, SIDE_B, "HTTP/1.1 204\r\n\r\nHTTP/1.1 204 \r\n\r\n");
	expect(SIDE_B, 0, "code=204 version=1.1");
	expect(SIDE_B, 1, "code=204 version=1.1");
}

static void status_500_and_above_is_a_failure(void **state)
{
	(void)state;
	fake_say(&c, SIDE_A,
		 "GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\nGET /3 HTTP/1.1\r\n\r\n");
	fake_say(&c, SIDE_B,
		 "HTTP/1.1 499 x\r\nContent-Length: 0\r\n\r\n"
		 "HTTP/1.1 500 x\r\nContent-Length: 0\r\n\r\n"
		 "HTTP/1.1 600 x\r\nContent-Length: 0\r\n\r\n");
	assert_false(fake_message(&c, SIDE_B, 0)->failed);
	assert_true(fake_message(&c, SIDE_B, 1)->failed);
	assert_int_equal(fake_message(&c, SIDE_B, 1)->flags, 0);
	assert_true(fake_message(&c, SIDE_B, 2)->failed);
	assert_int_equal(fake_message(&c, SIDE_B, 2)->flags, FLAG_anomaly); /* RFC 9110 15 */
}

static void any_token_is_a_method_up_to_a_length(void **state)
{
	(void)state;
	fake_say(&c, SIDE_A, "M-SEARCH * HTTP/1.1\r\n\r\n");
	fake_say(&c, SIDE_A, "!#$%&'*+-.^_`|~09azAZ /x HTTP/1.1\r\n\r\n");
	fake_say(&c, SIDE_A, "A2345678901234567890123456789012 /x HTTP/1.1\r\n\r\n");
	assert_int_equal(fake_count(&c, SIDE_A), 3);
	fake_say(&c, SIDE_A, "A23456789012345678901234567890123 /no HTTP/1.1\r\n\r\n");
	fake_say(&c, SIDE_A, "B(D /no HTTP/1.1\r\n\r\n");
	fake_say(&c, SIDE_A, " GET /no HTTP/1.1\r\n\r\n");
	assert_int_equal(fake_count(&c, SIDE_A), 3);
}

static void empty_lines_before_a_request_are_ignored(void **state)
{
	(void)state;
	fake_say(&c, SIDE_A, "\r\n\n\r\nGET /1 HTTP/1.1\r\n\r\n\r\nGET /2 HTTP/1.1\r\n\r\n");
	assert_true(expect_start(SIDE_A, 0, "method=GET target=/1")->begin == 5);
	assert_int_equal(expect_start(SIDE_A, 1, "method=GET target=/2")->flags, 0);
}

static void a_host_counts_once(void **state)
{
	(void)state;
	const struct message *m;

	fake_say(&c, SIDE_A, "GET / HTTP/1.1\r\nhOST: a\r\nHost: b\r\n\r\n");
	m = expect(SIDE_A, 0, "method=GET target=/ version=1.1 host=a (hOST: a) (Host: b)");
	assert_int_equal(m->flags, FLAG_anomaly); /* RFC 9112 3.2 */
}

static void headers_that_nobody_wants_are_not_made(void **state)
{
	(void)state;
	reopen((struct fake_settings){ .without_headers = true });
	fake_say(&c, SIDE_A, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nxGET");
	assert_true(expect(SIDE_A, 0, "method=POST target=/ version=1.1 host=a")->body_bytes == 1);
}

/* ---- the length of a message: RFC 9112 6.3 ---- */

static void pipelined_messages_are_told_apart(void **state)
{
	(void)state;
	fake_say(&c, SIDE_A,
		 "GET /1 HTTP/1.1\r\n\r\nPOST /2 HTTP/1.1\r\nContent-Length: 4\r\n\r\nGET GET /3 "
		 "HTTP/1.1\r\n\r\n");
	fake_say(&c, SIDE_B, OK OK OK);
	assert_int_equal(fake_count(&c, SIDE_A), 3);
	assert_true(fake_message(&c, SIDE_A, 1)->body_bytes == 4);
	for (uint32_t i = 0; i < 3; i++)
		expect_code(i, "200", i);
}

static void some_responses_never_have_a_body(void **state)
{
	(void)state;
	fake_say(&c, SIDE_A,
		 "HEAD /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\n"
		 "GET /3 HTTP/1.1\r\n\r\nGET /4 HTTP/1.1\r\n\r\n");
	fake_say(&c, SIDE_B,
		 "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n"
		 "HTTP/1.1 204 No\r\nContent-Length: 7\r\n\r\n"
		 "HTTP/1.1 304 NM\r\nTransfer-Encoding: chunked\r\n\r\n" OK);
	expect_code(0, "200", 0);
	expect_code(1, "204", 1);
	expect_code(2, "304", 2);
	expect_code(3, "200", 3);
	assert_true(fake_message(&c, SIDE_B, 3)->body_bytes == 2);
}

static void interim_responses_use_up_no_request(void **state)
{
	(void)state;
	fake_say(&c, SIDE_A,
		 "POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
	fake_say(&c, SIDE_B, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: a\r\n\r\n");
	fake_say(&c, SIDE_A, "body");
	fake_say(&c, SIDE_B, OK);
	assert_true(fake_message(&c, SIDE_B, 0)->kind == MESSAGE_INTERIM);
	assert_true(fake_message(&c, SIDE_B, 1)->kind == MESSAGE_INTERIM);
	assert_true(fake_message(&c, SIDE_B, 1)->ended);
	expect_code(2, "200", 0);
	assert_true(fake_message(&c, SIDE_B, 2)->kind == MESSAGE_RESPONSE);
}

static void a_body_without_length_goes_on_until_the_side_ends(void **state)
{
	(void)state;
	const struct message *m;

	fake_say(&c, SIDE_A, "GET /1 HTTP/1.1\r\n\r\n");
	fake_say(&c, SIDE_B, "HTTP/1.1 200 OK\r\n\r\nabc\r\nHTTP/1.1 200 OK\r\n\r\n");
	fake_say(&c, SIDE_B, "more");
	m = fake_message(&c, SIDE_B, 0);
	assert_false(m->ended);
	fake_close(&c, SIDE_B);
	assert_true(m->ended && m->body_bytes == 28 && m->end == 47 && m->flags == 0);
	assert_int_equal(fake_count(&c, SIDE_B), 1);
}

static void chunks_are_a_body_without_their_framing(void **state)
{
	(void)state;
	const struct message *m;

	fake_say(&c, SIDE_A,
		 "POST / HTTP/1.1\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n"
		 "3;ext=1\r\nabc\r\n00000A ; x=\"y\"\r\n0123456789\r\n0\r\n"
		 "Trailer: x\r\n folded\r\nOther: y\r\n\r\nGET /next HTTP/1.1\r\n\r\n");
	m = expect(SIDE_A, 0,
		   "method=POST target=/ version=1.1 (Transfer-Encoding: gzip, Chunked)");
	assert_true(m->body_bytes == 13 && m->head_bytes == 53 && m->ended && m->flags == 0);
	assert_true(expect_start(SIDE_A, 1, "method=GET target=/next")->begin == m->end);
}

static void a_response_whose_last_coding_is_not_chunked_goes_on_until_the_end(void **state)
{
	(void)state;
	fake_say(&c, SIDE_A, "GET / HTTP/1.1\r\n\r\n");
	fake_say(&c, SIDE_B, "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n" OK);
	fake_close(&c, SIDE_B);
	assert_int_equal(fake_count(&c, SIDE_B), 1);
	assert_true(fake_message(&c, SIDE_B, 0)->body_bytes == strlen(OK));
}

static void an_upgrade_takes_both_sides_to_the_other_protocol(void **state)
{
	(void)state;
	fake_say(&c, SIDE_A, "GET /chat HTTP/1.1\r\nUpgrade: websocket\r\n\r\nGET /early");
	fake_say(&c, SIDE_B,
		 "HTTP/1.1 101 SP\r\nUpgrade: WebSocket/13, other\r\n\r\n\x81\x05hello");
	assert_string_equal(c.become, "websocket");
	expect_code(0, "101", 0);
	assert_int_equal(fake_message(&c, SIDE_B, 0)->flags, 0);
	fake_say(&c, SIDE_A, " HTTP/1.1\r\n\r\n");
	assert_int_equal(fake_count(&c, SIDE_A), 1);
	assert_true(c.opaque_bytes > 20);
}

/* The path that was asked for, and what the server has granted. */
static void an_upgrade_hands_over_what_was_agreed(void **state)
{
	struct upgrade_read u;

	(void)state;
	fake_say(&c, SIDE_A,
		 "GET /chat?a=1 HTTP/1.1\r\nUpgrade: websocket\r\nSec-WebSocket-Protocol: a, b\r\n"
		 "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n");
	fake_say(&c, SIDE_B,
		 "HTTP/1.1 101 SP\r\nUpgrade: websocket\r\nsec-websocket-protocol: b\r\n"
		 "Sec-WebSocket-Extensions: permessage-deflate\r\nSec-WebSocket-Extensions: "
		 "x\r\n\r\n");
	assert_true(upgrade_read(slice_of(c.hands, c.hands_bytes), &u));
	assert_memory_equal(u.target.at, "/chat?a=1", 9);
	assert_int_equal(u.target.bytes, 9);
	assert_memory_equal(u.subprotocol.at, "b", 1);
	assert_int_equal(u.subprotocol.bytes, 1);
	assert_memory_equal(u.extensions.at, "permessage-deflate, x", 21);
	assert_int_equal(u.extensions.bytes, 21);
}

static void which_of_two_upgrades_is_granted_is_not_guessed(void **state)
{
	static const char ask[] = "GET /1 HTTP/1.1\r\nUpgrade: websocket\r\n\r\n"
				  "GET /2 HTTP/1.1\r\nUpgrade: websocket\r\n\r\n";
	struct upgrade_read u;

	(void)state;
	fake_say(&c, SIDE_A, ask);
	fake_wait_over(&c); /* the second one was not to be sent yet */
	fake_say(&c, SIDE_B, "HTTP/1.1 101 SP\r\nUpgrade: websocket\r\n\r\n");
	assert_string_equal(c.become, "websocket");
	assert_int_equal(fake_count(&c, SIDE_A), 2);
	assert_true(upgrade_read(slice_of(c.hands, c.hands_bytes), &u));
	assert_int_equal(u.target.bytes, 0);
}

static void what_nobody_asked_for_hands_over_nothing(void **state)
{
	(void)state;
	fake_say(&c, SIDE_A, "GET /1 HTTP/1.1\r\n\r\n");
	fake_say(&c, SIDE_B, "HTTP/1.1 101 SP\r\nUpgrade: websocket\r\n\r\n");
	assert_string_equal(c.become, "websocket");
	assert_int_equal(c.hands_bytes, 0);
}

static void expect_graphql(uint32_t n, const char *fields)
{
	const char *found = strstr(fake_message(&c, SIDE_A, n)->fields, "graphql_");

	assert_non_null(found);
	assert_string_equal(found, fields);
}

#define GRAPHQL "{\"query\":\"mutation M { a }\"}"
#define LENGTH  "Content-Length: 28\r\n"

static void the_operation_of_graphql_is_told(void **state)
{
	(void)state;
	fake_say(&c, SIDE_A,
		 "POST /q HTTP/1.1\r\nContent-Type: application/json; charset=utf-8\r\n" LENGTH
		 "\r\n" GRAPHQL);
	expect_graphql(0, "graphql_type=mutation graphql_operation=M");
	fake_say(&c, SIDE_A,
		 "POST /q HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Type: "
		 "application/graphql\r\n\r\n"
		 "5\r\nquery\r\n6\r\n Q {a}\r\n0\r\n\r\n");
	expect_graphql(1, "graphql_type=query graphql_operation=Q");
	fake_say(&c, SIDE_A, "GET /graphql?query={a} HTTP/1.1\r\n\r\n");
	expect_graphql(2, "graphql_type=query");
}

static void what_may_not_be_graphql_is_not_told(void **state)
{
	static const char *const heads[] = {
		"PUT /q HTTP/1.1\r\nContent-Type: application/json\r\n",
		"POST /q HTTP/1.1\r\nContent-Type: text/json\r\n",
		"POST /q HTTP/1.1\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\n",
		"POST /q HTTP/1.1\r\n",
	};
	char text[300];

	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		snprintf(text, sizeof(text), "%s" LENGTH "\r\n" GRAPHQL, heads[i]);
		fake_say(&c, SIDE_A, text);
		assert_null(strstr(fake_message(&c, SIDE_A, (uint32_t)i)->fields, "graphql_"));
	}
	free_conn(state);
	open_conn(state);
	fake_say(&c, SIDE_A,
		 "POST /q HTTP/1.1\r\nContent-Type: application/graphql\r\nContent-Length: "
		 "9\r\n\r\n{a}");
	fake_close_both(&c); /* a part of it follows the grammar too */
	assert_null(strstr(fake_message(&c, SIDE_A, 0)->fields, "graphql_"));
	free_conn(state);
	open_conn(state);
	fake_say(&c, SIDE_A,
		 "POST /q HTTP/1.1\r\nContent-Type: application/graphql\r\nContent-Length: "
		 "9\r\n\r\n{a}");
	fake_gap(&c, SIDE_A, 3);
	fake_say(&c, SIDE_A, "   ");
	assert_true(fake_message(&c, SIDE_A, 0)->ended);
	assert_null(strstr(fake_message(&c, SIDE_A, 0)->fields, "graphql_"));
}

static void the_host_is_told_how_a_body_is_encoded(void **state)
{
	(void)state;
	fake_say(&c, SIDE_A, "GET / HTTP/1.1\r\n\r\n");
	fake_say(&c, SIDE_B,
		 "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\ncontent-encoding: br , zstd\r\n"
		 "Content-Length: 1\r\n\r\nx");
	assert_string_equal(fake_message(&c, SIDE_B, 0)->encoding, "gzip,br , zstd");
}

static void h2c_is_http2(void **state)
{
	(void)state;
	fake_say(&c, SIDE_A, "GET / HTTP/1.1\r\nUpgrade: h2c\r\n\r\n");
	fake_say(&c, SIDE_B, "HTTP/1.1 101 SP\r\nUpgrade: h2c\r\n\r\n");
	assert_string_equal(c.become, "http2");
	/* RFC 7540 3.2: stream 1 answers. */
	assert_int_equal(fake_message(&c, SIDE_B, 0)->kind, MESSAGE_INTERIM);
	assert_int_equal(fake_message(&c, SIDE_B, 0)->key, 1);
	assert_int_equal(fake_message(&c, SIDE_A, 0)->key, 1);
	assert_false(fake_message(&c, SIDE_A, 0)->answered);
}

static void an_upgrade_that_is_refused_changes_nothing(void **state)
{
	(void)state;
	fake_say(&c, SIDE_A, "GET /1 HTTP/1.1\r\nUpgrade: h2c\r\n\r\nGET /2 HTTP/1.1\r\n\r\n");
	assert_int_equal(fake_count(&c, SIDE_A), 1); /* it waits */
	fake_say(&c, SIDE_B, "HTTP/1.1 103 Hints\r\n\r\n");
	assert_int_equal(fake_count(&c, SIDE_A), 1);
	fake_say(&c, SIDE_B, OK);
	assert_int_equal(fake_count(&c, SIDE_A), 2);
	fake_say(&c, SIDE_B, OK);
	expect_code(2, "200", 1);
	assert_false(c.opaque);
}

static void a_client_waits_for_the_answer_to_its_upgrade_only_so_long(void **state)
{
	(void)state;
	fake_say(&c, SIDE_A, "GET /1 HTTP/1.1\r\nUpgrade: h2c\r\n\r\nGET /2 HTTP/1.1\r\n\r\n");
	fake_wait_over(&c);
	assert_int_equal(fake_count(&c, SIDE_A), 2);
}

static void an_upgrade_with_a_body_waits_behind_it(void **state)
{
	(void)state;
	fake_say(&c, SIDE_A,
		 "POST /1 HTTP/1.1\r\nUpgrade: x\r\nContent-Length: 3\r\n\r\nabcGET /2 "
		 "HTTP/1.1\r\n\r\n");
	assert_int_equal(fake_count(&c, SIDE_A), 1);
	assert_true(fake_message(&c, SIDE_A, 0)->ended);
	fake_say(&c, SIDE_B, OK);
	assert_int_equal(fake_count(&c, SIDE_A), 2);
}

static void a_switch_that_nobody_asked_for_is_an_anomaly(void **state)
{
	(void)state;
	fake_say(&c, SIDE_A, "GET / HTTP/1.1\r\n\r\n");
	fake_say(&c, SIDE_B, "HTTP/1.1 101 SP\r\n\r\n");
	assert_true(c.opaque);
	assert_int_equal(fake_message(&c, SIDE_B, 0)->flags, FLAG_anomaly);
}

static void connect_and_2xx_is_a_tunnel(void **state)
{
	(void)state;
	fake_say(&c, SIDE_A, "CONNECT a:443 HTTP/1.1\r\n\r\n\x16\x03\x01");
	fake_say(&c, SIDE_B, "HTTP/1.1 204 OK\r\nContent-Length: 9\r\n\r\n\x16\x03\x03");
	assert_true(c.opaque);
	assert_string_equal(c.become, "?"); /* whatever is found in it */
	assert_true(c.opaque_bytes == 6);
	assert_true(expect_start(SIDE_A, 0, "method=CONNECT target=a:443")->ended);
}

static void connect_refused_goes_on_in_http(void **state)
{
	(void)state;
	fake_say(&c, SIDE_A, "CONNECT a:443 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\n");
	fake_say(&c, SIDE_B, "HTTP/1.1 407 Auth\r\nContent-Length: 2\r\n\r\nno" OK);
	expect_code(0, "407", 0);
	expect_code(1, "200", 1);
	assert_false(c.opaque);
}

static void an_answer_to_http_0_9_is_no_message(void **state)
{
	(void)state;
	fake_say(&c, SIDE_A, "GET /path\r\n");
	expect(SIDE_A, 0, "method=GET target=/path version=0.9");
	assert_true(fake_message(&c, SIDE_A, 0)->ended);
	fake_say(&c, SIDE_B, "<html>\r\nHTTP/1.1 200 OK\r\n\r\n</html>");
	fake_close_both(&c);
	assert_int_equal(fake_count(&c, SIDE_B), 0);
}

static void a_server_may_answer_http_0_9_with_a_status_line(void **state)
{
	(void)state;
	fake_say(&c, SIDE_A, "GET /path\r\n");
	fake_say(&c, SIDE_B, OK);
	expect_code(0, "200", 0);
}

static void only_the_first_message_can_be_http_0_9(void **state)
{
	(void)state;
	fake_say(&c, SIDE_A, "GET / HTTP/1.1\r\n\r\nGET /path\r\n");
	assert_int_equal(fake_count(&c, SIDE_A), 1);
	reopen((struct fake_settings){ 0 });
	fake_say(&c, SIDE_A, "PUT /path\r\n");
	assert_int_equal(fake_count(&c, SIDE_A), 0);
	reopen((struct fake_settings){ 0 });
	fake_say(&c, SIDE_A, "GET key\r\n");
	assert_int_equal(fake_count(&c, SIDE_A), 0);
}

/* ---- who answers whom ---- */

static void a_response_waits_for_a_request_that_is_late(void **state)
{
	(void)state;
	fake_say(&c, SIDE_B, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n");
	assert_int_equal(fake_count(&c, SIDE_B), 0);
	fake_say(&c, SIDE_A, "HEAD / HTTP/1.1\r\n\r\n");
	expect_code(0, "200", 0);
	assert_true(fake_message(&c, SIDE_B, 0)->ended);
}

static void a_response_whose_request_never_comes_is_an_orphan(void **state)
{
	(void)state;
	fake_say(&c, SIDE_B, OK);
	fake_wait_over(&c);
	expect_code(0, "200", -1);
	assert_true(fake_message(&c, SIDE_B, 0)->body_bytes == 2);
	fake_say(&c, SIDE_A, "GET / HTTP/1.1\r\n\r\n");
	fake_say(&c, SIDE_B, OK);
	expect_code(1, "200", 0);
}

static void an_orphan_may_be_the_answer_to_a_head(void **state)
{
	(void)state;
	const struct message *m;

	fake_gap(&c, SIDE_A, 50);
	fake_say(&c, SIDE_B, "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\nHTTP/1.");
	m = fake_message(&c, SIDE_B, 0);
	assert_false(m->ended);
	fake_say(&c, SIDE_B, "1 404 No\r\n\r\n");
	assert_true(m->ended && m->body_bytes == 0 && m->end == m->head_bytes && m->flags == 0);
	expect_code(1, "404", -1);
}

static void an_orphan_with_a_body_keeps_it(void **state)
{
	(void)state;
	fake_gap(&c, SIDE_A, 50);
	fake_say(&c, SIDE_B, "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nHTTP/1.1 20");
	fake_say(&c, SIDE_B, "xHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
	fake_say(&c, SIDE_B, "3\r\nabc\r\n0\r\n\r\n" OK);
	assert_int_equal(fake_count(&c, SIDE_B), 3);
	assert_true(fake_message(&c, SIDE_B, 0)->body_bytes == 12);
	assert_true(fake_message(&c, SIDE_B, 1)->body_bytes == 3);
	assert_true(fake_message(&c, SIDE_B, 2)->body_bytes == 2);
}

static void without_a_syn_the_first_message_tells_the_client(void **state)
{
	(void)state;
	reopen((struct fake_settings){ .client_unknown = true });
	fake_say(&c, SIDE_A, OK);
	fake_say(&c, SIDE_B, "GET / HTTP/1.1\r\n\r\n");
	assert_true(c.client == SIDE_B);
	assert_true(fake_message(&c, SIDE_A, 0)->kind == MESSAGE_RESPONSE);
	assert_true(fake_message(&c, SIDE_A, 0)->answers == 0);
}

/* ---- messages that break the rules ---- */

struct odd_head {
	const char *field;
	uint64_t body_bytes;
	uint32_t flags;
};

/* Behind each a chunked end and another request, so that every reading finds something. */
static const struct odd_head odd_heads[] = {
	{ "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", 0, FLAG_anomaly },
	{ "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", 0, FLAG_anomaly },
	{ "Content-Length: 5\r\nContent-Length: 9\r\n", 5, FLAG_anomaly },
	{ "Content-Length: 5, 9\r\n", 5, FLAG_anomaly },
	{ "Content-Length: +4\r\n", 0, FLAG_anomaly },
	{ "Content-Length: -1\r\n", 0, FLAG_anomaly },
	{ "Content-Length: 5, 5\r\n", 5, FLAG_anomaly },
	{ "Content-Length: 5\r\nContent-Length: 5\r\n", 5, FLAG_anomaly },
	{ "Content-Length: 5,\r\n", 0, FLAG_anomaly },
	{ "Content-Length: ,5\r\n", 0, FLAG_anomaly },
	{ "Content-Length: 0x4\r\n", 0, FLAG_anomaly },
	{ "Content-Length: 4 4\r\n", 0, FLAG_anomaly },
	{ "Content-Length:\r\n", 0, FLAG_anomaly },
	{ "Content-Length: 9223372036854775808\r\n", 0, FLAG_anomaly },
	{ "Content-Length: 18446744073709551615\r\n", 0, FLAG_anomaly },
	{ "Content-Length: 18446744073709551617\r\n", 0, FLAG_anomaly },
	{ "Content-Length: 0000000000000000000000000005\r\n", 5, 0 },
	{ "Transfer-Encoding: xchunked\r\n", 0, FLAG_anomaly },
	{ "Transfer-Encoding: chunked, identity\r\n", 0, FLAG_anomaly },
	{ "Transfer-Encoding: chunked, chunked\r\n", 0, FLAG_anomaly },
	{ "Transfer-Encoding: chunked;q=1\r\n", 0, FLAG_anomaly },
	{ "Transfer-Encoding : chunked\r\n", 0, FLAG_anomaly },
	{ "Transfer-Encoding:\tchunked\r\n", 0, 0 },
	{ "Transfer-Encoding:\r\n chunked\r\n", 0, FLAG_anomaly },
	{ "X: y\nTransfer-Encoding: chunked\r\n", 0, FLAG_anomaly },
	{ "Content-Length: 5\r\n folded\r\n", 0, FLAG_anomaly },
	{ "Content-Length : 5\r\n", 5, FLAG_anomaly },
	{ " Content-Length: 5\r\n", 0, 0 }, /* the end of the field before */
	{ "Content\rLength: 5\r\n", 0, FLAG_anomaly },
	{ "Content Length: 5\r\n", 0, FLAG_anomaly },
	{ ": 5\r\n", 0, FLAG_anomaly },
	{ "no colon\r\n", 0, FLAG_anomaly },
	{ "X: bare\rCR\r\n", 0, FLAG_anomaly },
	{ "X: \x01 bell\x07\r\n", 0, 0 },
};

static void what_readers_disagree_about_is_read_in_one_way_and_flagged(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(odd_heads) / sizeof(odd_heads[0]); i++) {
		char text[512];
		const struct message *m;

		snprintf(text, sizeof(text),
			 "POST /first HTTP/1.1\r\nHost: a\r\n%s\r\n0\r\n\r\n"
			 "GET /smuggled HTTP/1.1\r\nHost: b\r\n\r\n",
			 odd_heads[i].field);
		reopen((struct fake_settings){ 0 });
		fake_say(&c, SIDE_A, text);
		m = fake_message(&c, SIDE_A, 0);
		if (m->flags != odd_heads[i].flags || m->body_bytes != odd_heads[i].body_bytes)
			fail_msg("%s: flags %x, body %u", odd_heads[i].field, m->flags,
				 (unsigned)m->body_bytes);
		assert_int_equal(fake_count(&c, SIDE_A), 2);
		expect_start(SIDE_A, 1, "method=GET target=/smuggled");
	}
}

static void nul_is_a_character_of_no_name_and_no_value(void **state)
{
	(void)state;
	static const char name[] = "POST / HTTP/1.1\r\n\0Content-Length: 4\r\n\r\n";
	static const char value[] = "POST / HTTP/1.1\r\nX: a\0b\r\n\r\n";

	fake_feed(&c, SIDE_A, name, sizeof(name) - 1);
	assert_int_equal(fake_message(&c, SIDE_A, 0)->flags, FLAG_anomaly);
	assert_true(fake_message(&c, SIDE_A, 0)->ended);
	fake_feed(&c, SIDE_A, value, sizeof(value) - 1);
	assert_int_equal(expect(SIDE_A, 1, "method=POST target=/ version=1.1 (X: a\\x00b)")->flags,
			 FLAG_anomaly);
}

static void codings_in_http_1_0_are_an_anomaly(void **state)
{
	(void)state;
	fake_say(&c, SIDE_A, "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
	assert_int_equal(fake_message(&c, SIDE_A, 0)->flags, FLAG_anomaly);
	assert_true(fake_message(&c, SIDE_A, 0)->ended);
}

static void lone_line_feeds_end_lines(void **state)
{
	(void)state;
	fake_say(&c, SIDE_A, "GET / HTTP/1.1\nHost: a\nX: y\n\nGET /2 HTTP/1.1\n\r\n");
	assert_int_equal(
		expect(SIDE_A, 0, "method=GET target=/ version=1.1 host=a (Host: a) (X: y)")->flags,
		0);
	assert_int_equal(fake_message(&c, SIDE_A, 1)->flags, FLAG_anomaly); /* both kinds */
}

static void folded_lines_are_joined_by_one_space(void **state)
{
	(void)state;
	const struct message *m;

	fake_say(&c, SIDE_A,
		 "GET / HTTP/1.1\r\nX: a \t\r\n \t b\r\n\tc\r\n \r\nHost: \r\n h\r\n\r\n");
	m = expect(SIDE_A, 0, "method=GET target=/ version=1.1 (X: a b c) host=h (Host: h)");
	assert_int_equal(m->flags, 0);
}

static void white_space_that_continues_nothing_is_dropped(void **state)
{
	(void)state;
	fake_say(&c, SIDE_A, "GET / HTTP/1.1\r\n X: y\r\nZ: z\r\n\r\n");
	assert_int_equal(expect(SIDE_A, 0, "method=GET target=/ version=1.1 (Z: z)")->flags,
			 FLAG_anomaly); /* RFC 9112 2.2 */
}

static void a_request_line_with_other_white_space_is_read_by_its_ends(void **state)
{
	(void)state;
	fake_say(&c, SIDE_A, "GET  /a b  HTTP/1.1 \r\n\r\n");
	assert_int_equal(expect(SIDE_A, 0, "method=GET target=/a b version=1.1")->flags,
			 FLAG_anomaly);
}

struct chunk_case {
	const char *text;
	uint64_t body_bytes;
	uint32_t flags;
	bool ended;
};

static const struct chunk_case chunk_cases[] = {
	{ "5\r\nhello\r\n0\r\n\r\n", 5, 0, true },
	{ "5 \r\nhello\r\n0 ; x\r\n\r\n", 5, FLAG_anomaly, true },
	{ "5\nhello\r\n0\r\n\r\n", 5, 0, true },
	{ "5\r\nhello\n0\r\n\r\n", 5, 0, true },
	{ " 5\r\nhello\r\n0\r\n\r\n", 5, FLAG_anomaly, true },
	{ "-1\r\n", 0, FLAG_anomaly, true },
	{ "0x5\r\nhello", 0, FLAG_anomaly, true },
	{ "\r\nhello", 0, FLAG_anomaly, true },
	{ ";x\r\n", 0, FLAG_anomaly, true },
	{ "5\r\nhelloX", 5, FLAG_anomaly, true },
	{ "5\r\nhello\rX", 5, FLAG_anomaly, true },
	{ "ffffffffffffffff\r\n", 0, FLAG_anomaly, true },
	{ "8000000000000000\r\n", 0, FLAG_anomaly, true },
	{ "10000000000000000\r\n", 0, FLAG_anomaly, true },
	{ "7fffffffffffffff\r\nabc", 3, 0, false },
	{ "0\r\nno field\r\n\r\n", 0, FLAG_anomaly, true },
};

static void chunks_that_are_not_framed_as_such_end_the_body(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(chunk_cases) / sizeof(chunk_cases[0]); i++) {
		const struct chunk_case *k = &chunk_cases[i];
		const struct message *m;

		reopen((struct fake_settings){ 0 });
		fake_say(&c, SIDE_A, "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
		fake_say(&c, SIDE_A, k->text);
		m = fake_message(&c, SIDE_A, 0);
		if (m->flags != k->flags || m->body_bytes != k->body_bytes || m->ended != k->ended)
			fail_msg("%s: flags %x, body %u", k->text, m->flags,
				 (unsigned)m->body_bytes);
		fake_say(&c, SIDE_A, "\r\nGET /next HTTP/1.1\r\n\r\n");
		assert_int_equal(fake_count(&c, SIDE_A), k->ended ? 2 : 1);
	}
}

static void a_missing_end_of_trailers_does_not_hide_the_next_message(void **state)
{
	(void)state;
	fake_say(&c, SIDE_A, "GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\n");
	fake_say(&c, SIDE_B, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" OK);
	expect_code(0, "200", 0);
	expect_code(1, "200", 1);
	assert_int_equal(fake_message(&c, SIDE_B, 0)->flags, FLAG_anomaly);
}

/* ---- other bytes ---- */

static void bytes_that_are_no_message_are_dropped_and_the_next_one_is_flagged(void **state)
{
	(void)state;
	fake_say(&c, SIDE_A,
		 "GET /1 HTTP/1.1\r\n\r\njunk: GET /no HTTP/1.1\r\n"
		 "GET /2 HTTP/1.1\r\n\r\nGET /3 HTTP/1.1\r\n\r\n");
	fake_say(&c, SIDE_B, OK " too much" OK "\r\n" OK);
	expect_start(SIDE_A, 1, "method=GET target=/2");
	assert_int_equal(fake_message(&c, SIDE_A, 0)->flags, 0);
	assert_int_equal(fake_message(&c, SIDE_A, 1)->flags, FLAG_anomaly);
	assert_int_equal(fake_message(&c, SIDE_A, 2)->flags, 0);
	assert_int_equal(fake_count(&c, SIDE_B), 3);
	assert_int_equal(fake_message(&c, SIDE_B, 1)->flags, FLAG_anomaly);
	assert_int_equal(fake_message(&c, SIDE_B, 2)->flags, 0);
}

static void a_connection_that_is_something_else_gives_no_messages(void **state)
{
	(void)state;
	static const uint8_t tls[] = { 0x16, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3, '\n', 1, 2, 3 };

	for (int i = 0; i < 100; i++) {
		fake_feed(&c, SIDE_A, tls, sizeof(tls));
		fake_feed(&c, SIDE_B, tls, sizeof(tls));
	}
	fake_close_both(&c);
	assert_int_equal(fake_count(&c, SIDE_A) + fake_count(&c, SIDE_B), 0);
}

static void after_a_gap_the_next_start_line_is_found(void **state)
{
	(void)state;
	fake_say(&c, SIDE_A, "GET /1 HTTP/1.1\r\nHos");
	fake_gap(&c, SIDE_A, 20);
	fake_say(&c, SIDE_A, "Accept: x\r\n\r\nGET /2 HTTP/1.1\r\n\r\n");
	assert_int_equal(fake_message(&c, SIDE_A, 0)->flags, FLAG_gap_in_head);
	assert_true(fake_message(&c, SIDE_A, 0)->ended);
	assert_int_equal(expect_start(SIDE_A, 1, "method=GET target=/2")->flags, 0);
}

static void a_segment_behind_a_gap_may_begin_with_a_message(void **state)
{
	(void)state;
	fake_say(&c, SIDE_A, "GET /1 HTTP/1.1\r\n\r\n");
	fake_gap(&c, SIDE_A, 20);
	fake_say(&c, SIDE_A, "GET /3 HTTP/1.1\r\n\r\n");
	fake_gap(&c, SIDE_B, 20);
	fake_say(&c, SIDE_B, "tail of a body");
	fake_say(&c, SIDE_B, OK);
	expect_start(SIDE_A, 1, "method=GET target=/3");
	assert_int_equal(fake_count(&c, SIDE_B), 1);
}

static void what_resembles_a_start_line_behind_a_gap_is_none(void **state)
{
	(void)state;
	static const char *const no[] = {
		"GET / HTTP/2.0\r\n",    "GET /x\r\n",
		"GET /a b HTTP/1.1\r\n", "get HTTP/1.1\r\n",
		"<a>GET / HTTP/1.1\r\n", "GET / HTTP/1.1x\r\n",
		"HTTP/1.1 200 OK\r\n",
	};
	static const char *const none[] = { "HTTP/1.1 20 OK\r\n", "HTTP/2 200 OK\r\n",
					    "HTTP/1.1 2000\r\n", "xHTTP/1.1 200 OK\r\n",
					    "HTTP/1.1  200 OK\r\n" };

	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++) {
		fake_gap(&c, SIDE_A, 1);
		fake_say(&c, SIDE_A, no[i]);
	}
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		fake_gap(&c, SIDE_B, 1);
		fake_say(&c, SIDE_B, none[i]);
	}
	assert_int_equal(fake_count(&c, SIDE_A) + fake_count(&c, SIDE_B), 0);
}

static void a_gap_in_a_body_of_known_length_costs_no_message(void **state)
{
	(void)state;
	fake_say(&c, SIDE_A, "POST /1 HTTP/1.1\r\nContent-Length: 10\r\n\r\nab");
	fake_gap(&c, SIDE_A, 5);
	fake_say(&c, SIDE_A, "hijGET /2 HTTP/1.1\r\n\r\n");
	assert_int_equal(fake_message(&c, SIDE_A, 0)->flags, FLAG_gap_in_body);
	assert_true(fake_message(&c, SIDE_A, 0)->body_bytes == 10);
	expect_start(SIDE_A, 1, "method=GET target=/2");
}

static void a_gap_in_the_framing_of_chunks_ends_the_message(void **state)
{
	(void)state;
	static const char *const before[] = { "", "5", "5\r\nhello", "0\r\n", "0\r\nT: x" };

	for (size_t i = 0; i < sizeof(before) / sizeof(before[0]); i++) {
		reopen((struct fake_settings){ 0 });
		fake_say(&c, SIDE_A, "POST /1 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
		fake_say(&c, SIDE_A, before[i]);
		fake_gap(&c, SIDE_A, 3);
		fake_say(&c, SIDE_A, "3\r\nGET\r\nGET /2 HTTP/1.1\r\n\r\n");
		assert_int_equal(fake_message(&c, SIDE_A, 0)->flags, FLAG_gap_in_body);
		assert_true(fake_message(&c, SIDE_A, 0)->ended);
		expect_start(SIDE_A, 1, "method=GET target=/2");
	}
}

static void a_side_joined_in_the_middle_is_searched(void **state)
{
	(void)state;
	reopen((struct fake_settings){ .midstream = true });
	fake_say(&c, SIDE_A, "body of an earlier request\nGET /1 HTTP/1.1\r\n\r\n");
	fake_say(&c, SIDE_B, "\x01\x02\x03HTTP/1.1 200 no\r\n" OK);
	assert_int_equal(expect_start(SIDE_A, 0, "method=GET target=/1")->flags, 0);
	expect_code(0, "200", 0);
	assert_int_equal(fake_count(&c, SIDE_B), 1);
}

/* ---- the end of a side ---- */

static void a_head_that_ends_with_its_side_is_cut(void **state)
{
	(void)state;
	fake_say(&c, SIDE_A, "GET / HTTP/1.1\r\nHost: a\r\nAccept: tex");
	fake_close(&c, SIDE_A);
	assert_int_equal(
		expect(SIDE_A, 0, "method=GET target=/ version=1.1 host=a (Host: a)")->flags,
		FLAG_head_cut);
	assert_true(fake_message(&c, SIDE_A, 0)->ended);
	assert_false(fake_message(&c, SIDE_A, 0)->headed);
}

static void part_of_a_start_line_is_no_message(void **state)
{
	(void)state;
	fake_say(&c, SIDE_A, "GET / HTTP/1.1");
	fake_say(&c, SIDE_B, "HTTP/1.1 200 OK");
	fake_wait_over(&c);
	fake_close_both(&c);
	assert_int_equal(fake_count(&c, SIDE_A) + fake_count(&c, SIDE_B), 0);
}

static void a_body_that_ends_with_its_side_is_over(void **state)
{
	(void)state;
	fake_say(&c, SIDE_A, "POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc");
	fake_say(&c, SIDE_B, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab");
	fake_close_both(&c);
	assert_true(fake_message(&c, SIDE_A, 0)->ended);
	assert_true(fake_message(&c, SIDE_A, 0)->body_bytes == 3);
	assert_true(fake_message(&c, SIDE_B, 0)->ended);
	assert_true(fake_message(&c, SIDE_B, 0)->body_bytes == 2);
}

/* ---- no end in sight ---- */

static void repeat(enum side side, const char *text, size_t times)
{
	size_t bytes = strlen(text), piece_bytes = bytes * 100;
	char *piece = malloc(piece_bytes);

	assert_non_null(piece);
	for (size_t i = 0; i < 100; i++)
		memcpy(piece + i * bytes, text, bytes);
	for (size_t i = 0; i < times; i += 100)
		fake_feed(&c, side, piece, piece_bytes);
	free(piece);
}

static void a_target_without_end_is_cut(void **state)
{
	(void)state;
	const struct message *m;

	reopen((struct fake_settings){ .head_bytes = 4096 });
	fake_say(&c, SIDE_A, "GET /");
	repeat(SIDE_A, "a", 200000);
	fake_say(&c, SIDE_A, " HTTP/1.1\r\nHost: b\r\n\r\nGET /2 HTTP/1.1\r\n\r\n");
	m = fake_message(&c, SIDE_A, 0);
	assert_true(m->ended && m->head_bytes > 200000);
	assert_int_equal(m->flags, FLAG_head_cut);
	assert_true(m->fields_bytes > 4000 && m->fields_bytes < 5000);
	assert_int_equal(expect_start(SIDE_A, 1, "method=GET target=/2")->flags, 0);
}

static void a_header_line_without_end_is_cut(void **state)
{
	(void)state;
	const struct message *m;

	reopen((struct fake_settings){ .head_bytes = 4096 });
	fake_say(&c, SIDE_A, "GET / HTTP/1.1\r\nA: b\r\nX: ");
	repeat(SIDE_A, "a", 200000);
	fake_say(&c, SIDE_A, "\r\nHost: c\r\n\r\n");
	m = fake_message(&c, SIDE_A, 0);
	assert_true(m->ended);
	assert_int_equal(m->flags, FLAG_head_cut);
	assert_string_equal(m->fields + m->fields_bytes - 16, " host=c (Host: c)" + 1);
}

static void a_length_in_a_cut_line_is_not_believed(void **state)
{
	(void)state;
	reopen((struct fake_settings){ .head_bytes = 4096 });
	fake_say(&c, SIDE_A, "POST / HTTP/1.1\r\nContent-Length: ");
	repeat(SIDE_A, "0", 4100);
	repeat(SIDE_A, "1", 100);
	fake_say(&c, SIDE_A, "\r\n\r\nGET /2 HTTP/1.1\r\n\r\n");
	assert_true(fake_message(&c, SIDE_A, 0)->body_bytes == 0);
	expect_start(SIDE_A, 1, "method=GET target=/2");
}

static void folding_without_end_is_cut(void **state)
{
	(void)state;
	reopen((struct fake_settings){ .head_bytes = 16384 });
	fake_say(&c, SIDE_A, "GET / HTTP/1.1\r\nA: b\r\n");
	repeat(SIDE_A, " folded\r\n", 30000);
	fake_say(&c, SIDE_A, "\r\nGET /2 HTTP/1.1\r\n\r\n");
	assert_true((fake_message(&c, SIDE_A, 0)->flags & FLAG_head_cut) != 0);
	assert_true(fake_message(&c, SIDE_A, 0)->ended);
	assert_true(fake_message(&c, SIDE_A, 0)->fields_bytes < 20000);
	expect_start(SIDE_A, 1, "method=GET target=/2");
}

static void headers_without_end_cost_one_look_each(void **state)
{
	(void)state;
	reopen((struct fake_settings){ .head_bytes = 4096, .without_headers = true });
	fake_say(&c, SIDE_A, "GET / HTTP/1.1\r\n");
	repeat(SIDE_A, "Dup: x\r\n", 100000);
	assert_true(c.feeds < 5000);
	fake_say(&c, SIDE_A, "\r\n");
	assert_true(fake_message(&c, SIDE_A, 0)->head_bytes == 800018);
}

static void trailers_and_chunk_extensions_without_end_are_dropped(void **state)
{
	(void)state;
	reopen((struct fake_settings){ .head_bytes = 4096 });
	fake_say(&c, SIDE_A, "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5;");
	repeat(SIDE_A, "e", 200000);
	fake_say(&c, SIDE_A, "\r\nhello\r\n0;");
	repeat(SIDE_A, "e", 5000);
	fake_say(&c, SIDE_A, "\r\n");
	repeat(SIDE_A, "T: x\r\n", 20000);
	fake_say(&c, SIDE_A, "T: ");
	repeat(SIDE_A, "x", 20000);
	fake_say(&c, SIDE_A, "\r\n\r\nGET /2 HTTP/1.1\r\n\r\n");
	assert_true(fake_message(&c, SIDE_A, 0)->body_bytes == 5);
	assert_int_equal(fake_message(&c, SIDE_A, 0)->flags, 0);
	expect_start(SIDE_A, 1, "method=GET target=/2");
}

/* A segment full of what begins like a status line and never ends: were the end of each looked
 * for, the test would not end in time. */
static void what_begins_like_a_message_again_and_again_is_searched_once(void **state)
{
	(void)state;
	static const char unit[] = "HTTP/1.1 200 ";
	size_t unit_bytes = sizeof(unit) - 1, units = 300000;
	char *segment = malloc(units * unit_bytes);
	clock_t before = clock();

	assert_non_null(segment);
	for (size_t i = 0; i < units; i++)
		memcpy(segment + i * unit_bytes, unit, unit_bytes);
	fake_say(&c, SIDE_A, "GET / HTTP/1.1\r\n\r\n");
	fake_say(&c, SIDE_B, OK "too much");
	fake_feed(&c, SIDE_B, segment, units * unit_bytes);
	assert_int_equal(fake_count(&c, SIDE_B), 1);
	free(segment);
	assert_true((clock() - before) / CLOCKS_PER_SEC < SEARCH_SECONDS);
}

static void a_line_in_single_bytes_is_searched_once(void **state)
{
	(void)state;
	char line[4000];

	memset(line, 'a', sizeof(line));
	memcpy(line, "GET /", 5);
	fake_feed_bytewise(&c, SIDE_A, line, sizeof(line));
	fake_say(&c, SIDE_A, " HTTP/1.1\r\n\r\n");
	assert_true(fake_message(&c, SIDE_A, 0)->head_bytes == 4013);
}

/* ---- the same bytes, cut in any way ---- */

static const char talk_a[] = "GET /1 HTTP/1.1\r\nHost: a\r\nX: a\r\n  b\r\n\r\n"
			     "\r\nPOST /2 HTTP/1.1\r\nContent-Length: 11\r\n\r\nGET / HTTP/"
			     "POST /3 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
			     "1\r\nx\r\n00A;y=z\r\n0123456789\r\n0\r\nT: t\r\n\r\n"
			     "HEAD /4 HTTP/1.0\nHost: b\n\n"
			     "PUT /5 HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n"
			     "GET /6 HTTP/1.1\r\nUpgrade: h2c\r\n\r\n"
			     "GET /7 HTTP/1.1\r\n\r\n";
static const char tunnel_a[] = "CONNECT b:1 HTTP/1.1\r\n\r\n\x16\x03GET /never HTTP/1.1\r\n\r\n";
static const char talk_b[] = OK
	"HTTP/1.1 204 No Content\r\n\r\n"
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	"1a\r\nHTTP/1.1 200 OK\r\n\r\nbody??\r\n1\r\n\n\r\n0\r\n\r\n"
	"HTTP/1.0 200 OK\nContent-Length: 100\n\n"
	"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 Busy\r\nContent-Length: 3\r\n\r\n\r\n\r" OK OK;
static const char tunnel_b[] =
	"HTTP/1.1 200 Established\r\nFolded: a\r\n\tb\r\n\r\n\x16\x03HTTP/1.1 200 OK\r\n\r\n";

static char *text_of_talk(size_t most, uint64_t seed)
{
	reopen((struct fake_settings){ 0 });
	fake_feed_both(&c, slice_of(talk_a, sizeof(talk_a) - 1),
		       slice_of(talk_b, sizeof(talk_b) - 1), most, &seed);
	fake_feed_both(&c, slice_of(tunnel_a, sizeof(tunnel_a) - 1), slice_of(NULL, 0), most,
		       &seed);
	fake_feed_both(&c, slice_of(NULL, 0), slice_of(tunnel_b, sizeof(tunnel_b) - 1), most,
		       &seed);
	fake_close_both(&c);
	return fake_text(&c);
}

static void messages_do_not_depend_on_where_the_bytes_are_cut(void **state)
{
	(void)state;
	char *whole = text_of_talk(1 << 20, 3), *cut;

	assert_int_equal(fake_count(&c, SIDE_A), 8);
	assert_int_equal(fake_count(&c, SIDE_B), 9);
	assert_true(c.opaque);
	for (uint64_t seed = 0; seed < 500; seed++) {
		cut = text_of_talk(seed < 20 ? 1 : 1 + seed % 97, seed);
		assert_string_equal(cut, whole);
		free(cut);
	}
	free(whole);
}

static void no_part_of_a_message_is_taken_for_the_whole(void **state)
{
	(void)state;
	static const char *const whole[] = {
		"GET /path HTTP/1.1\r\nHost: a\r\n\r\n",
		"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n12345",
		"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;x\r\nabc\r\n0\r\nT: "
		"t\r\n\r\n",
	};
	static const char response[] = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabcd";

	for (size_t k = 0; k < sizeof(whole) / sizeof(whole[0]); k++) {
		for (size_t n = 0; n <= strlen(whole[k]); n++) {
			reopen((struct fake_settings){ 0 });
			fake_feed(&c, SIDE_A, whole[k], n);
			assert_true((fake_message(&c, SIDE_A, 0) != NULL &&
				     fake_message(&c, SIDE_A, 0)->ended) ==
				    (n == strlen(whole[k])));
		}
	}
	for (size_t n = 0; n < sizeof(response); n++) {
		reopen((struct fake_settings){ 0 });
		fake_say(&c, SIDE_A, "GET / HTTP/1.1\r\n\r\n");
		fake_feed(&c, SIDE_B, response, n);
		assert_true((fake_message(&c, SIDE_B, 0) != NULL &&
			     fake_message(&c, SIDE_B, 0)->ended) == (n == sizeof(response) - 1));
	}
}

/* Valid messages, a hole anywhere: what is reported behind the hole is a message of the original,
 * and never more of them than there were. */
static void behind_a_hole_no_message_is_invented(void **state)
{
	(void)state;
	static const char text[] =
		"GET /1 HTTP/1.1\r\n\r\nPOST /2 HTTP/1.1\r\nContent-Length: 6\r\n\r\n"
		"GET /!GET /3 HTTP/1.1\r\nX: y\r\n\r\nGET /4 HTTP/1.1\r\n\r\n";
	size_t bytes = sizeof(text) - 1;

	for (size_t from = 0; from < bytes; from++)
		for (size_t to = from + 1; to <= bytes; to++) {
			const struct message *m;

			reopen((struct fake_settings){ 0 });
			fake_feed(&c, SIDE_A, text, from);
			fake_gap(&c, SIDE_A, to - from);
			fake_feed(&c, SIDE_A, text + to, bytes - to);
			for (uint32_t i = 0; (m = fake_message(&c, SIDE_A, i)) != NULL; i++) {
				bool post = m->begin == 19;

				assert_true(m->begin == 0 || post || m->begin == 64 ||
					    m->begin == 89);
				assert_memory_equal(m->fields, post ? "method=POST" : "method=GET",
						    10);
			}
		}
}

/* ---- probe ---- */

struct guess_case {
	const char *first;
	enum guess guess;
};

static const struct guess_case guesses[] = {
	{ "GET /index.html HTTP/1.1\r\nHost: a\r\n", GUESS_YES },
	{ "GET /", GUESS_YES },
	{ "\r\nGET /", GUESS_YES },
	{ "OPTIONS *", GUESS_YES },
	{ "CONNECT a:443 HT", GUESS_YES },
	{ "POST http://a/ HTTP/1.0\r\n", GUESS_YES },
	{ "GET /old\r\n", GUESS_YES },
	{ "HTTP/1.1 200 OK\r\n", GUESS_YES },
	{ "HTTP/1.", GUESS_YES },
	{ "HTTP/1", GUESS_MORE },
	{ "H", GUESS_MORE },
	{ "", GUESS_MORE },
	{ "GE", GUESS_MORE },
	{ "GET ", GUESS_MORE },
	{ "GET key", GUESS_MORE },
	{ "GET key HTTP/1.1\r\n", GUESS_MAYBE },
	{ "GET key\r\n", GUESS_NO },
	{ "PROPFIND /a", GUESS_MORE },
	{ "PROPFIND /a HTTP/1.1\r\n", GUESS_MAYBE },
	{ "M-SEARCH * HTTP/1.1\n", GUESS_MAYBE },
	{ "PROPFIND /a SIP/2.0\r\n", GUESS_NO },
	{ "INVITE sip:a@b SIP/2.0\r\n", GUESS_NO },
	{ "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", GUESS_NO },
	{ "HTTP/2 200\r\n", GUESS_NO },
	{ "220 mail.example ESMTP\r\n", GUESS_NO },
	{ "* OK IMAP4rev1 ready\r\n", GUESS_NO },
	{ "*1\r\n$4\r\nPING\r\n", GUESS_NO },
	{ "SSH-2.0-OpenSSH_9.2\r\n", GUESS_NO },
	{ "\x16\x03\x01\x02", GUESS_NO },
	{ "A23456789012345678901234567890123", GUESS_NO },
	{ "GET\t/", GUESS_NO },
	{ "GET  /", GUESS_NO },
	{ " GET /", GUESS_NO },
	{ "get HTTP/1.1\r\n", GUESS_NO },
};

static void probe_knows_http_and_nothing_else(void **state)
{
	(void)state;
	struct guarded g;

	guarded_init(&g, 256);
	for (size_t i = 0; i < sizeof(guesses) / sizeof(guesses[0]); i++) {
		size_t n = strlen(guesses[i].first);
		enum guess guess = dissector_http1.probe(
			slice_of(guarded_put(&g, guesses[i].first, n), n), 80);

		if (guess != guesses[i].guess)
			fail_msg("%s: %d", guesses[i].first, guess);
	}
	guarded_fini(&g);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, open_conn, free_conn)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(a_request_becomes_a_message_with_its_fields),
		TEST(a_response_becomes_a_message_with_its_fields),
		TEST(a_reason_may_be_missing_with_or_without_its_space),
		TEST(status_500_and_above_is_a_failure),
		TEST(any_token_is_a_method_up_to_a_length),
		TEST(empty_lines_before_a_request_are_ignored),
		TEST(a_host_counts_once),
		TEST(headers_that_nobody_wants_are_not_made),
		TEST(pipelined_messages_are_told_apart),
		TEST(some_responses_never_have_a_body),
		TEST(interim_responses_use_up_no_request),
		TEST(a_body_without_length_goes_on_until_the_side_ends),
		TEST(chunks_are_a_body_without_their_framing),
		TEST(a_response_whose_last_coding_is_not_chunked_goes_on_until_the_end),
		TEST(an_upgrade_takes_both_sides_to_the_other_protocol),
		TEST(an_upgrade_hands_over_what_was_agreed),
		TEST(which_of_two_upgrades_is_granted_is_not_guessed),
		TEST(what_nobody_asked_for_hands_over_nothing),
		TEST(the_operation_of_graphql_is_told),
		TEST(what_may_not_be_graphql_is_not_told),
		TEST(the_host_is_told_how_a_body_is_encoded),
		TEST(h2c_is_http2),
		TEST(an_upgrade_that_is_refused_changes_nothing),
		TEST(a_client_waits_for_the_answer_to_its_upgrade_only_so_long),
		TEST(an_upgrade_with_a_body_waits_behind_it),
		TEST(a_switch_that_nobody_asked_for_is_an_anomaly),
		TEST(connect_and_2xx_is_a_tunnel),
		TEST(connect_refused_goes_on_in_http),
		TEST(an_answer_to_http_0_9_is_no_message),
		TEST(a_server_may_answer_http_0_9_with_a_status_line),
		TEST(only_the_first_message_can_be_http_0_9),
		TEST(a_response_waits_for_a_request_that_is_late),
		TEST(a_response_whose_request_never_comes_is_an_orphan),
		TEST(an_orphan_may_be_the_answer_to_a_head),
		TEST(an_orphan_with_a_body_keeps_it),
		TEST(without_a_syn_the_first_message_tells_the_client),
		TEST(what_readers_disagree_about_is_read_in_one_way_and_flagged),
		TEST(nul_is_a_character_of_no_name_and_no_value),
		TEST(codings_in_http_1_0_are_an_anomaly),
		TEST(lone_line_feeds_end_lines),
		TEST(folded_lines_are_joined_by_one_space),
		TEST(white_space_that_continues_nothing_is_dropped),
		TEST(a_request_line_with_other_white_space_is_read_by_its_ends),
		TEST(chunks_that_are_not_framed_as_such_end_the_body),
		TEST(a_missing_end_of_trailers_does_not_hide_the_next_message),
		TEST(bytes_that_are_no_message_are_dropped_and_the_next_one_is_flagged),
		TEST(a_connection_that_is_something_else_gives_no_messages),
		TEST(after_a_gap_the_next_start_line_is_found),
		TEST(a_segment_behind_a_gap_may_begin_with_a_message),
		TEST(what_resembles_a_start_line_behind_a_gap_is_none),
		TEST(a_gap_in_a_body_of_known_length_costs_no_message),
		TEST(a_gap_in_the_framing_of_chunks_ends_the_message),
		TEST(a_side_joined_in_the_middle_is_searched),
		TEST(a_head_that_ends_with_its_side_is_cut),
		TEST(part_of_a_start_line_is_no_message),
		TEST(a_body_that_ends_with_its_side_is_over),
		TEST(a_target_without_end_is_cut),
		TEST(a_header_line_without_end_is_cut),
		TEST(a_length_in_a_cut_line_is_not_believed),
		TEST(folding_without_end_is_cut),
		TEST(headers_without_end_cost_one_look_each),
		TEST(trailers_and_chunk_extensions_without_end_are_dropped),
		TEST(what_begins_like_a_message_again_and_again_is_searched_once),
		TEST(a_line_in_single_bytes_is_searched_once),
		TEST(messages_do_not_depend_on_where_the_bytes_are_cut),
		TEST(no_part_of_a_message_is_taken_for_the_whole),
		TEST(behind_a_hole_no_message_is_invented),
		cmocka_unit_test(probe_knows_http_and_nothing_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
