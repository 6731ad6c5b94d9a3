/* Proves of dissectors/grpc.c: a call is one record with its full method, the status from the
 * trailers or from a response of trailers only, and its messages counted both ways, however the
 * bytes are cut.
 */
#include "tests/support/check.h"

#include "dissectors/http2_fields.h"
#include "tests/support/fake_host.h"
#include "tests/support/frames.h"

extern const struct dissector dissector_http2;

#define CALL                                                                                       \
	":method: POST\n:scheme: http\n:path: /shop.Cart/Get\n:authority: cart\ncontent-type: "    \
	"application/grpc\ngrpc-encoding: gzip\n"
#define HEAD ":status: 200\ncontent-type: application/grpc+proto\n"
#define ONE  "\0\0\0\0\3abc"
#define TWO  "\1\0\0\0\5defgh"

static struct conn c;
static struct frames client, server;

static int set_up(void **state)
{
	(void)state;
	fake_open(&c, &dissector_http2, NULL);
	frames_init(&client, 4096);
	frames_init(&server, 4096);
	put_preface(&client);
	put_frame(&server, 4, 0, 0, NULL, 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	frames_fini(&client);
	frames_fini(&server);
	fake_free(&c);
	return 0;
}

static void say_both(void)
{
	fake_feed(&c, SIDE_A, client.at, client.n);
	fake_feed(&c, SIDE_B, server.at, server.n);
}

static const struct message *expect(enum side side, uint32_t n, const char *fields)
{
	const struct message *m = fake_message(&c, side, n);

	assert_non_null(m);
	assert_true(m->ended);
	assert_ptr_equal(m->proto, &dissector_grpc);
	assert_non_null(strstr(m->fields, fields));
	return m;
}

/* --dissectors http2: nothing of what gRPC makes of method and code. */
static void where_grpc_is_not_enabled_a_call_is_http2(void **state)
{
	struct fake_settings settings = { .alone = true };
	const struct message *m;

	(void)state;
	fake_free(&c);
	fake_open(&c, &dissector_http2, &settings);
	put_headers(&client, 1, 0, CALL);
	put_data(&client, 1, F_END_STREAM, ONE, 8);
	put_headers(&server, 1, 0, HEAD);
	put_headers(&server, 1, F_END_STREAM, "grpc-status: 5\n");
	say_both();
	m = fake_message(&c, SIDE_A, 0);
	assert_null(m->proto);
	assert_non_null(strstr(m->fields, "method=POST target=/shop.Cart/Get"));
	assert_null(strstr(m->fields, "messages="));
	m = fake_message(&c, SIDE_B, 0);
	assert_null(m->proto);
	assert_non_null(strstr(m->fields, "code=200"));
	assert_null(strstr(m->fields, "code=5"));
	assert_false(m->failed);
}

static void a_call_is_one_record_with_counts(void **state)
{
	(void)state;
	put_headers(&client, 1, 0, CALL);
	put_data(&client, 1, F_END_STREAM, ONE, 8);
	put_headers(&server, 1, 0, HEAD);
	put_data(&server, 1, 0, ONE TWO, 8 + 10);
	put_headers(&server, 1, F_END_STREAM, "grpc-status: 0\n");
	say_both();
	expect(SIDE_A, 0,
	       "version=2 method=shop.Cart/Get target=/shop.Cart/Get host=cart encoding=gzip");
	expect(SIDE_A, 0, "messages=1 message_bytes=3");
	expect(SIDE_B, 0, "messages=2 message_bytes=8 compressed=1 code=0 status=OK");
	assert_int_equal(fake_message(&c, SIDE_B, 0)->answers, 0);
	assert_false(fake_message(&c, SIDE_B, 0)->failed);
	assert_int_equal(fake_message(&c, SIDE_B, 0)->body_bytes, 18);
}

static void messages_may_be_cut_over_frames_and_segments(void **state)
{
	(void)state;
	static const char bytes[] = ONE TWO "\0\0\0\0\0" ONE;
	size_t n = sizeof(bytes) - 1;
	char *whole = NULL;

	for (size_t step = 1; step <= n; step++) {
		uint64_t seed = step;
		char *text;

		tear_down(state);
		set_up(state);
		put_headers(&client, 1, 0, CALL);
		for (size_t at = 0; at < n; at += step)
			put_data(&client, 1, 0, bytes + at, n - at < step ? n - at : step);
		put_data(&client, 1, F_END_STREAM, NULL, 0);
		put_headers(&server, 1, F_END_STREAM, HEAD "grpc-status: 0\n");
		fake_feed_both(&c, slice_of(client.at, client.n), slice_of(server.at, server.n),
			       1 + step % 5, &seed);
		text = strdup(fake_message(&c, SIDE_A, 0)->fields);
		assert_non_null(strstr(text, "messages=4 message_bytes=11 compressed=1"));
		assert_int_equal(fake_message(&c, SIDE_A, 0)->body_bytes, n);
		if (whole != NULL)
			assert_string_equal(text, whole);
		free(whole);
		whole = text;
	}
	free(whole);
}

static void a_response_of_trailers_only_has_its_code(void **state)
{
	(void)state;
	put_headers(&client, 1, F_END_STREAM, CALL);
	put_headers(&server, 1, F_END_STREAM, HEAD "grpc-status: 5\ngrpc-message: no such cart\n");
	say_both();
	expect(SIDE_B, 0, "message=no such cart");
	expect(SIDE_B, 0, "code=5 status=NOT_FOUND");
	assert_true(fake_message(&c, SIDE_B, 0)->failed);
}

static void a_hole_leaves_the_counts_out(void **state)
{
	(void)state;
	size_t at;

	put_headers(&client, 1, F_END_STREAM, CALL);
	put_headers(&server, 1, 0, HEAD);
	put_data(&server, 1, 0, ONE, 8);
	at = server.n;
	put_data(&server, 1, 0, TWO, 10);
	put_headers(&server, 1, F_END_STREAM, "grpc-status: 0\n");
	fake_feed(&c, SIDE_A, client.at, client.n);
	fake_feed(&c, SIDE_B, server.at, at);
	fake_gap(&c, SIDE_B, 19);
	fake_feed(&c, SIDE_B, server.at + at + 19, server.n - at - 19);
	fake_close_both(&c);
	assert_null(strstr(fake_message(&c, SIDE_B, 0)->fields, "messages="));
	assert_true((fake_message(&c, SIDE_B, 0)->flags & FLAG_gap_in_body) != 0);
}

static void other_types_are_no_grpc(void **state)
{
	(void)state;
	put_headers(&client, 1, F_END_STREAM,
		    ":method: POST\n:path: /a.B/C\ncontent-type: application/grpc-web\n");
	put_headers(&server, 1, F_END_STREAM, ":status: 200\n");
	say_both();
	assert_null(fake_message(&c, SIDE_A, 0)->proto);
	assert_memory_equal(fake_message(&c, SIDE_A, 0)->fields, "version=2 method=POST", 21);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		TEST(where_grpc_is_not_enabled_a_call_is_http2),
		TEST(a_call_is_one_record_with_counts),
		TEST(messages_may_be_cut_over_frames_and_segments),
		TEST(a_response_of_trailers_only_has_its_code),
		TEST(a_hole_leaves_the_counts_out),
		TEST(other_types_are_no_grpc),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
