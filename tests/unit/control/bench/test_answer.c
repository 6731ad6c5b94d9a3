/* answer - Promises:
 * - the end of an answer is found by its length, its chunks, or the end of the connection;
 * - bytes behind the end are not taken; no beginning of an answer is one, and cut anywhere into
 *   pieces it is the same answer;
 * - 1xx is passed over, 204 and 304 have no body whatever they say;
 * - HTTP/1.0, Connection: close and a body without a length end the connection;
 * - what is no HTTP, contradicts itself or never ends is refused;
 * - nothing is read behind the bytes that are there.
 */
#include "control/bench/answer.h"

#include <stdio.h>
#include <string.h>

#include "tests/support/check.h"
#include "tests/support/guarded.h"

static struct guarded memory;

struct good {
	const char *text;
	uint32_t status;
	bool close;
};

static const struct good goods[] = {
	{ "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, false },
	{ "HTTP/1.1 200 OK\r\ncontent-length:5 \r\n\r\nhello", 200, false },
	{ "HTTP/1.1 200 OK\nContent-Length: 5\n\nhello", 200, false },
	{ "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, false },
	{ "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", 200, false },
	{ "HTTP/1.1 500 Oh no\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno", 500, true },
	{ "HTTP/1.1 200 OK\r\nConnection: upgrade , Close\r\nContent-Length: 1\r\n\r\nx", 200,
	  true },
	{ "HTTP/1.1 200 OK\r\nConnection: closed\r\nContent-Length: 1\r\n\r\nx", 200, false },
	{ "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", 200, true },
	{ "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx", 200, false },
	{ "HTTP/1.1 204 No Content\r\n\r\n", 204, false },
	{ "HTTP/1.1 304 Not Modified\r\nContent-Length: 500\r\n\r\n", 304, false },
	{ "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nContent-Length: 9\r\n\r\n"
	  "HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\nno!",
	  404, false },
	{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 200,
	  false },
	{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"
	  "1;ext=\"a\"\r\na\r\n0A \r\n0123456789\r\n000\r\nTrailer: 1\r\n\r\n",
	  200, false },
	/* Chunks win over a length. */
	{ "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	  200, false },
	{ "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nab", 200, false },
};
enum { GOODS = sizeof(goods) / sizeof(goods[0]) };

static const char *const bads[] = {
	"HTP/1.1 200 OK\r\n",
	"HTTP/2 200 OK\r\n",
	"HTTP/1.1  200 OK\r\n",
	"HTTP/1.1 20 OK\r\n",
	"HTTP/1.1 2000 OK\r\n",
	"HTTP/1.1 200OK\r\n",
	"HTTP/1.1 099 OK\r\n",
	"HTTP/1.x 200 OK\r\n",
	"\r\nHTTP/1.1 200 OK\r\n",
	"HTTP/1.1 101 Switching Protocols\r\n\r\n",
	"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n",
	"HTTP/1.1 200 OK\r\nContent-Length:\r\n",
	"HTTP/1.1 200 OK\r\nContent-Length: 1 2\r\n",
	"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n",
	"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1 1\r\n",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
};

/* The bytes end where memory ends. */
static enum answer_end feed(struct answer *a, const char *text, size_t bytes, size_t *ret_used)
{
	return answer_feed(a, (const char *)guarded_put(&memory, text, bytes), bytes, ret_used);
}

static void check_good(const struct answer *a, const struct good *g)
{
	assert_int_equal(a->status, g->status);
	assert_int_equal(a->close, g->close);
}

static void the_end_is_found_and_what_follows_is_left(void **state)
{
	(void)state;
	for (size_t i = 0; i < GOODS; i++) {
		char text[512];
		size_t bytes = strlen(goods[i].text), used;
		struct answer a;

		(void)snprintf(text, sizeof(text), "%sHTTP/1.1", goods[i].text);
		answer_begin(&a);
		assert_int_equal(feed(&a, text, bytes + 8, &used), ANSWER_DONE);
		assert_int_equal(used, bytes);
		check_good(&a, &goods[i]);
	}
}

static void no_beginning_is_an_answer_and_pieces_are_the_same(void **state)
{
	(void)state;
	for (size_t i = 0; i < GOODS; i++) {
		size_t bytes = strlen(goods[i].text), used;
		struct answer a;

		for (size_t cut = 0; cut < bytes; cut++) {
			answer_begin(&a);
			assert_int_equal(feed(&a, goods[i].text, cut, &used), ANSWER_MORE);
			assert_int_equal(used, cut);
			assert_int_equal(answer_close(&a), ANSWER_BAD);
			assert_int_equal(feed(&a, goods[i].text + cut, bytes - cut, &used),
					 ANSWER_DONE);
			assert_int_equal(used, bytes - cut);
			check_good(&a, &goods[i]);
		}
		answer_begin(&a);
		for (size_t at = 0; at < bytes; at++)
			assert_int_equal(feed(&a, goods[i].text + at, 1, &used),
					 at + 1 < bytes ? ANSWER_MORE : ANSWER_DONE);
		check_good(&a, &goods[i]);
	}
}

static void a_body_without_a_length_ends_with_the_connection(void **state)
{
	static const char text[] = "HTTP/1.1 200 OK\r\n\r\nas long as it takes";
	struct answer a;
	size_t used;

	(void)state;
	answer_begin(&a);
	assert_int_equal(feed(&a, text, sizeof(text) - 1, &used), ANSWER_MORE);
	assert_int_equal(used, sizeof(text) - 1);
	assert_true(a.close);
	assert_int_equal(answer_close(&a), ANSWER_DONE);
}

static void what_is_no_answer_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bads) / sizeof(bads[0]); i++) {
		struct answer a;
		size_t used;

		answer_begin(&a);
		assert_int_equal(feed(&a, bads[i], strlen(bads[i]), &used), ANSWER_BAD);
	}
}

static void a_head_that_never_ends_is_refused(void **state)
{
	struct answer a;
	uint64_t fed = 0;
	size_t used;

	(void)state;
	answer_begin(&a);
	assert_int_equal(answer_feed(&a, "HTTP/1.1 200 OK\r\n", 17, &used), ANSWER_MORE);
	while (answer_feed(&a, "X: y\r\n", 6, &used) == ANSWER_MORE) {
		fed += 6;
		assert_true(fed <= ANSWER_HEAD_BYTES_MAX);
	}
	answer_begin(&a);
	for (fed = 0; answer_feed(&a, "H", 1, &used) == ANSWER_MORE; fed++)
		assert_true(fed <= ANSWER_HEAD_BYTES_MAX);
	assert_int_equal(fed, ANSWER_HEAD_BYTES_MAX);
}

static void very_many_chunks_are_a_body(void **state)
{
	static const char head[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
	struct answer a;
	size_t used;

	(void)state;
	answer_begin(&a);
	assert_int_equal(answer_feed(&a, head, sizeof(head) - 1, &used), ANSWER_MORE);
	for (uint32_t i = 0; i < ANSWER_HEAD_BYTES_MAX; i++)
		assert_int_equal(answer_feed(&a, "1\r\nx\r\n", 6, &used), ANSWER_MORE);
	assert_int_equal(answer_feed(&a, "0\r\n\r\n", 5, &used), ANSWER_DONE);
}

static void a_long_header_line_is_passed_over(void **state)
{
	char text[2000];
	struct answer a;
	size_t used;
	int bytes = snprintf(text, sizeof(text),
			     "HTTP/1.1 200 OK\r\nX-Long: %01000d\r\nContent-Length: 2\r\n\r\nok",
			     0);

	(void)state;
	answer_begin(&a);
	assert_int_equal(feed(&a, text, (size_t)bytes, &used), ANSWER_DONE);
	assert_int_equal(used, bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_end_is_found_and_what_follows_is_left),
		cmocka_unit_test(no_beginning_is_an_answer_and_pieces_are_the_same),
		cmocka_unit_test(a_body_without_a_length_ends_with_the_connection),
		cmocka_unit_test(what_is_no_answer_is_refused),
		cmocka_unit_test(a_head_that_never_ends_is_refused),
		cmocka_unit_test(very_many_chunks_are_a_body),
		cmocka_unit_test(a_long_header_line_is_passed_over),
	};

	guarded_init(&memory, 4096);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
