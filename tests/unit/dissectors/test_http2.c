/* Proves of dissectors/http2.c:
 *   - requests and responses on many streams, padded, continued, with trailers and interim
 * responses, are messages with their fields, the same ones however the bytes are cut;
 *   - resets, GOAWAY and pushes are told as what they are;
 *   - the header table's size follows the settings once they are acknowledged;
 *   - who joins late, or behind a hole, is told nothing wrong;
 *   - lengths that lie and blocks without end finish the reading, in time linear in the bytes;
 *   - probe() says yes to the preface and to frames, and to nothing else.
 * Every input ends at an unreadable page (fake_host.h).
 */
#include "tests/support/check.h"

#include <stdio.h>
#include <time.h>

#include "dissectors/registry.h"
#include "tests/support/fake_host.h"
#include "tests/support/frames.h"

extern const struct dissector dissector_http2;

#define GET ":method: GET\n:scheme: http\n:path: /a\n:authority: example.org\n"
#define OK  ":status: 200\nserver: s\n"

static struct conn c;
static struct frames client, server;

static void begin(const struct fake_settings *settings, bool preface)
{
	fake_open(&c, &dissector_http2, settings);
	frames_init(&client, 4096);
	frames_init(&server, 4096);
	if (!preface)
		return;
	put_preface(&client);
	put_frame(&server, 4, 0, 0, NULL, 0);
}

static int set_up(void **state)
{
	(void)state;
	begin(NULL, true);
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

static void say_client(void)
{
	fake_feed(&c, SIDE_A, client.at, client.n);
	client.n = 0;
}

static void say_server(void)
{
	fake_feed(&c, SIDE_B, server.at, server.n);
	server.n = 0;
}

static const struct message *expect(enum side side, uint32_t n, const char *fields)
{
	const struct message *m = fake_message(&c, side, n);

	assert_non_null(m);
	assert_true(m->ended);
	if (strstr(m->fields == NULL ? "" : m->fields, fields) == NULL)
		fail_msg("\"%s\" is not in \"%s\"", fields, m->fields);
	return m;
}

/* ---- what is understood ---- */

static void a_request_and_its_response_are_a_pair(void **state)
{
	(void)state;
	put_headers(&client, 1, F_END_STREAM, GET "user-agent: u\n");
	put_headers(&server, 1, 0, OK);
	put_data(&server, 1, F_END_STREAM, "hello", 5);
	say_client();
	say_server();
	expect(SIDE_A, 0, "version=2 method=GET target=/a host=example.org (user-agent: u)");
	expect(SIDE_B, 0, "version=2 code=200 (server: s)");
	assert_int_equal(fake_message(&c, SIDE_B, 0)->answers, 0);
	assert_int_equal(fake_message(&c, SIDE_B, 0)->body_bytes, 5);
	assert_int_equal(fake_message(&c, SIDE_A, 0)->stream, 2);
}

/* Twelve streams, everything that frames can do, mixed. */
static void much_of_everything(void)
{
	static uint8_t block[4000], padded[4100], body[3000];

	memset(body, 'b', sizeof(body));
	put_setting(&client, 1, 0);
	put_frame(&server, 4, F_ACK, 0, NULL, 0);
	for (uint32_t i = 0; i < 12; i++) {
		char text[300];
		size_t n;

		snprintf(text, sizeof(text),
			 ":method: POST\n:scheme: https\n:path: /%u\n:authority: h\nx-n: %u\n", i,
			 i % 4);
		n = block_of(&client, text, block, sizeof(block));
		/* padded, with priority, in three pieces */
		padded[0] = 7;
		memset(padded + 1, 0, 5);
		memcpy(padded + 6, block, n / 3);
		memset(padded + 6 + n / 3, 0, 7);
		put_frame(&client, 1, F_PADDED | F_PRIORITY, 2 * i + 1, padded, 13 + n / 3);
		put_frame(&client, 9, 0, 2 * i + 1, block + n / 3, n / 3);
		put_frame(&client, 9, F_END_HEADERS, 2 * i + 1, block + 2 * (n / 3),
			  n - 2 * (n / 3));
		put_u32(&client, 8, 0, 100);
	}
	for (uint32_t round = 0; round < 3; round++)
		for (uint32_t i = 0; i < 12; i++) {
			padded[0] = (uint8_t)i;
			memcpy(padded + 1, body, 100 + i);
			put_data(&client, 2 * i + 1, (uint8_t)(F_PADDED | (round == 2)), padded,
				 1 + 100 + i + i);
		}
	for (uint32_t i = 12; i-- > 0;) {
		put_headers(&server, 2 * i + 1, 0, ":status: 103\nlink: l\n");
		put_headers(&server, 2 * i + 1, 0,
			    i % 2 == 0 ? ":status: 200\n" : ":status: 503\n");
		put_frame(&server, 6, 0, 0, "12345678", 8);
	}
	for (uint32_t i = 0; i < 12; i++)
		put_data(&server, 2 * i + 1, 0, body, i * 100);
	for (uint32_t i = 0; i < 12; i++)
		put_headers(&server, 2 * i + 1, F_END_STREAM, "x-trailer: t\n");
}

static void many_streams_keep_their_bodies_apart(void **state)
{
	(void)state;
	much_of_everything();
	say_client();
	say_server();
	assert_int_equal(fake_count(&c, SIDE_A), 12);
	assert_int_equal(fake_count(&c, SIDE_B), 24);
	for (uint32_t i = 0; i < 12; i++) {
		char text[100];
		const struct message *m;

		snprintf(text, sizeof(text), "method=POST target=/%u host=h scheme=https (x-n: %u)",
			 i, i % 4);
		assert_int_equal(expect(SIDE_A, i, text)->body_bytes, 3 * (100 + i));
		for (uint32_t k = 0; k < 24; k++) {
			m = fake_message(&c, SIDE_B, k);
			if (m->kind != MESSAGE_RESPONSE || m->key != 2 * i + 1)
				continue;
			assert_int_equal(m->answers, i);
			assert_int_equal(m->body_bytes, i * 100);
			assert_int_equal(m->failed, i % 2);
			assert_non_null(strstr(m->fields, "(x-trailer: t)"));
		}
	}
}

static void the_bytes_may_be_cut_in_any_way(void **state)
{
	char *whole = NULL;

	for (size_t most = 1; most < 3000; most = most * 3 + 1) {
		uint64_t seed = most;
		char *text;

		tear_down(state);
		set_up(state);
		much_of_everything();
		if (most == 1) {
			fake_feed_bytewise(&c, SIDE_A, client.at, client.n);
			fake_feed_bytewise(&c, SIDE_B, server.at, server.n);
		} else {
			fake_feed(&c, SIDE_A, client.at, 200);
			fake_feed_both(&c, slice_of(client.at + 200, client.n - 200),
				       slice_of(server.at, server.n), most, &seed);
		}
		fake_close_both(&c);
		text = strdup(fake_message(&c, SIDE_A, 5)->fields);
		assert_int_equal(fake_count(&c, SIDE_A), 12);
		assert_int_equal(fake_count(&c, SIDE_B), 24);
		if (whole != NULL)
			assert_string_equal(text, whole);
		free(whole);
		whole = text;
	}
	free(whole);
}

static void a_part_of_a_block_is_no_message(void **state)
{
	put_headers(&client, 1, F_END_STREAM, GET);
	for (size_t n = 0; n < client.n; n++) {
		fake_free(&c);
		fake_open(&c, &dissector_http2, NULL);
		fake_feed(&c, SIDE_A, client.at, n);
		fake_close_both(&c);
		assert_int_equal(fake_count(&c, SIDE_A), 0);
	}
	(void)state;
}

static void a_server_s_reset_ends_what_was_asked(void **state)
{
	(void)state;
	put_headers(&client, 1, F_END_STREAM, GET);
	put_headers(&client, 3, 0, GET);
	say_client();
	put_u32(&server, 3, 1, 7);
	put_u32(&server, 3, 3, 0);
	say_server();
	assert_true(fake_message(&c, SIDE_A, 0)->closed);
	expect(SIDE_A, 1, "reset=NO_ERROR");
}

static void a_client_s_reset_breaks_the_response_off(void **state)
{
	(void)state;
	put_headers(&client, 1, F_END_STREAM, GET);
	say_client();
	put_headers(&server, 1, 0, OK);
	put_data(&server, 1, 0, "part", 4);
	say_server();
	put_u32(&client, 3, 1, 8);
	say_client();
	expect(SIDE_B, 0, "reset=CANCEL");
	put_data(&server, 1, 0, "late", 4); /* on its way when the stream was reset */
	say_server();
	assert_int_equal(fake_message(&c, SIDE_B, 0)->body_bytes, 4);
}

static void an_answer_on_its_way_to_what_was_cancelled_still_counts(void **state)
{
	(void)state;
	put_headers(&client, 1, F_END_STREAM, GET);
	put_headers(&client, 3, F_END_STREAM, GET);
	put_u32(&client, 3, 1, 8);
	put_u32(&client, 3, 3, 8);
	say_client();
	put_headers(&server, 1, F_END_STREAM, OK);
	say_server();
	assert_int_equal(fake_message(&c, SIDE_B, 0)->answers, 0);
	put_headers(&client, 5, F_END_STREAM, GET);
	say_client();
	assert_false(fake_message(&c, SIDE_A, 1)->closed);
	put_headers(&server, 5, F_END_STREAM, OK); /* so the resets have arrived */
	say_server();
	assert_true(fake_message(&c, SIDE_A, 1)->closed);
	assert_int_equal(fake_message(&c, SIDE_B, 1)->answers, 2);
}

static void goaway_says_which_will_not_be_answered(void **state)
{
	(void)state;
	put_headers(&client, 1, F_END_STREAM, GET);
	put_headers(&client, 3, F_END_STREAM, GET);
	say_client();
	put_frame(&server, 7, 0, 0, "\0\0\0\1\0\0\0\0", 8);
	put_headers(&server, 1, F_END_STREAM, OK);
	say_server();
	assert_int_equal(fake_message(&c, SIDE_B, 0)->answers, 0);
	assert_true(fake_message(&c, SIDE_A, 1)->closed);
}

static void a_push_is_one_message_of_the_server(void **state)
{
	(void)state;
	uint8_t promise[200] = { 0, 0, 0, 2 };
	size_t n;

	put_headers(&client, 1, F_END_STREAM, GET);
	say_client();
	n = block_of(&server, ":method: GET\n:scheme: http\n:path: /style.css\n:authority: h\n",
		     promise + 4, 190);
	put_frame(&server, 5, F_END_HEADERS, 1, promise, 4 + n);
	put_headers(&server, 1, F_END_STREAM, OK);
	put_headers(&server, 2, 0, ":status: 200\n");
	put_data(&server, 2, F_END_STREAM, "p { }", 5);
	say_server();
	assert_int_equal(
		expect(SIDE_B, 0, "method=GET target=/style.css host=h pushed=200")->body_bytes, 5);
	assert_int_equal(fake_message(&c, SIDE_B, 0)->kind, MESSAGE_ONEWAY);
	assert_true((fake_message(&c, SIDE_B, 0)->flags & FLAG_from_server) != 0);
	assert_int_equal(fake_message(&c, SIDE_B, 1)->answers, 0);
}

#define POST ":method: POST\n:scheme: http\n:path: /q\n:authority: h\n"

static void the_operation_of_graphql_is_told(void **state)
{
	static const char body[] = "{\"query\":\"mutation M { a }\"}";

	(void)state;
	put_headers(&client, 1, 0, POST "content-type: application/json\n");
	put_data(&client, 1, 0, body, 10);
	put_headers(&client, 3, F_END_STREAM, ":method: GET\n:path: /graphql?query=query+Q{a}\n");
	put_data(&client, 1, F_END_STREAM, body + 10, sizeof(body) - 11);
	put_headers(&client, 5, 0, POST "content-type: application/json\ncontent-encoding: br\n");
	put_data(&client, 5, F_END_STREAM, body, sizeof(body) - 1);
	put_headers(&client, 7, 0, POST "content-type: application/graphql\n");
	put_data(&client, 7, 0, "{a}", 3);
	say_client();
	fake_close_both(&c);
	expect(SIDE_A, 0, "graphql_type=mutation graphql_operation=M");
	expect(SIDE_A, 1, "graphql_type=query graphql_operation=Q");
	assert_null(strstr(expect(SIDE_A, 2, "POST")->fields, "graphql_type"));
	assert_null(
		strstr(expect(SIDE_A, 3, "POST")->fields, "graphql_type")); /* without END_STREAM */
}

static void the_host_is_told_how_a_body_is_encoded(void **state)
{
	(void)state;
	put_headers(&client, 1, F_END_STREAM, GET);
	put_headers(&server, 1, F_END_STREAM, OK "content-encoding: gzip\ncontent-encoding: br\n");
	say_client();
	say_server();
	assert_string_equal(fake_message(&c, SIDE_B, 0)->encoding, "gzip,br");
	assert_string_equal(fake_message(&c, SIDE_A, 0)->encoding, "");
}

static void an_extended_connect_names_its_protocol(void **state)
{
	(void)state;
	put_headers(&client, 1, 0,
		    ":method: CONNECT\n:protocol: websocket\n:scheme: https\n:path: "
		    "/chat\n:authority: h\n");
	put_data(&client, 1, 0, "\x81\0", 2);
	say_client();
	put_headers(&server, 1, 0, ":status: 200\n");
	say_server();
	fake_close_both(&c);
	assert_int_equal(
		expect(SIDE_A, 0,
		       "method=CONNECT target=/chat host=h scheme=https protocol=websocket")
			->body_bytes,
		2);
	expect(SIDE_B, 0, "code=200");
}

static void the_table_follows_what_was_acknowledged(void **state)
{
	(void)state;
	char text[400];

	put_setting(&server, 1, 65536);
	say_server();
	put_headers(&client, 1, F_END_STREAM, GET "x-before: the acknowledgement\n");
	put_frame(&client, 4, F_ACK, 0, NULL, 0);
	put_frame(&client, 4, F_ACK, 0, NULL, 0); /* of the empty one, and of this one */
	nghttp2_hd_deflate_change_table_size(client.table, 65536);
	for (uint32_t i = 0; i < 300; i++) { /* more than 4096 bytes of entries */
		snprintf(text, sizeof(text), GET "x-%u: %u\n", i % 150, i % 150);
		put_headers(&client, 3 + 2 * i, F_END_STREAM, text);
	}
	say_client();
	for (uint32_t i = 0; i < 300; i++) {
		snprintf(text, sizeof(text), "(x-%u: %u)", i % 150, i % 150);
		expect(SIDE_A, 1 + i, text);
	}
}

/* ---- late, and with holes ---- */

static void who_joins_late_is_told_what_is_certain(void **state)
{
	(void)state;
	struct fake_settings settings = { .midstream = true, .client_unknown = true };
	const struct message *m;

	tear_down(state);
	begin(&settings, false);
	put_headers(&client, 1, F_END_STREAM, GET "x-old: entry\nuser-agent: u\n");
	put_headers(&server, 1, F_END_STREAM, ":status: 202\nserver: s\n");
	client.n = server.n = 0;
	put_headers(&client, 3, F_END_STREAM, GET "x-old: entry\nuser-agent: u\nx-new: one\n");
	put_headers(&client, 5, F_END_STREAM, GET "x-old: entry\nx-new: one\n");
	put_headers(&server, 3, F_END_STREAM, ":status: 202\nx-answer: 3\n");
	say_client();
	say_server();
	m = expect(SIDE_A, 0, "method=GET target=/a");
	assert_null(strstr(m->fields, "x-old"));
	assert_null(strstr(m->fields, "entry"));
	expect(SIDE_A, 0, "(x-new: one)");
	expect(SIDE_A, 1, "(x-new: one)");
	assert_true((m->flags & FLAG_hpack_unknown) != 0);
	/* :status 202 was only in the table: the response is known by its place, its code is not */
	m = expect(SIDE_B, 0, "(x-answer: 3)");
	assert_null(strstr(m->fields, "code="));
	assert_int_equal(m->answers, 0);
	assert_true((m->flags & FLAG_hpack_unknown) != 0);
}

static void behind_a_hole_frames_are_found_and_the_table_is_unknown(void **state)
{
	(void)state;
	size_t hole, behind;
	const struct message *m;

	put_headers(&client, 1, F_END_STREAM, GET "x-a: 1\n");
	hole = client.n;
	put_headers(&client, 3, F_END_STREAM, GET "x-b: 2\n");
	behind = client.n;
	put_headers(&client, 5, F_END_STREAM, GET "x-a: 1\nx-b: 2\nx-c: 3\n");
	fake_feed(&c, SIDE_A, client.at, hole);
	fake_gap(&c, SIDE_A, behind - hole);
	fake_feed(&c, SIDE_A, client.at + behind, client.n - behind);
	m = expect(SIDE_A, 1, "method=GET target=/a");
	expect(SIDE_A, 1, "(x-c: 3)");
	assert_null(strstr(m->fields, "x-a"));
	assert_null(strstr(m->fields, "x-b"));
	assert_true((m->flags & FLAG_hpack_unknown) != 0);
}

static void behind_a_hole_within_a_frame_nothing_is_read(void **state)
{
	(void)state;
	size_t hole;

	put_headers(&client, 1, F_END_STREAM, GET);
	hole = client.n + 12;
	put_headers(&client, 3, F_END_STREAM,
		    GET "x-long: 0123456789012345678901234567890123456789\n");
	put_headers(&client, 5, F_END_STREAM, GET);
	fake_feed(&c, SIDE_A, client.at, hole);
	fake_gap(&c, SIDE_A, 3);
	fake_feed(&c, SIDE_A, client.at + hole + 3, client.n - hole - 3);
	fake_close_both(&c);
	assert_int_equal(fake_count(&c, SIDE_A), 1);
}

static void a_hole_in_a_body_is_counted(void **state)
{
	(void)state;
	static uint8_t body[1000];
	size_t at;

	put_headers(&client, 1, F_END_STREAM, GET);
	say_client();
	put_headers(&server, 1, 0, OK);
	at = server.n + 100;
	put_data(&server, 1, 0, body, sizeof(body));
	put_headers(&server, 1, F_END_STREAM, "x-t: 1\n");
	fake_feed(&c, SIDE_B, server.at, at);
	fake_gap(&c, SIDE_B, 500);
	fake_feed(&c, SIDE_B, server.at + at + 500, server.n - at - 500);
	assert_int_equal(expect(SIDE_B, 0, "(x-t: 1)")->body_bytes, 1000);
}

/* ---- what is refused ---- */

static void padding_that_lies_ends_the_reading(void **state)
{
	(void)state;
	put_data(&client, 1, F_PADDED,
		 "\x09"
		 "12345678",
		 9);
	say_client();
	assert_true(c.opaque);
}

static void frames_within_a_block_end_the_reading(void **state)
{
	(void)state;
	put_frame(&client, 1, 0, 1, "\x82", 1);
	put_frame(&client, 6, 0, 0, "12345678", 8);
	say_client();
	assert_true(c.opaque);
	assert_int_equal(fake_count(&c, SIDE_A), 0);
}

static void a_message_on_stream_0_ends_the_reading(void **state)
{
	(void)state;
	put_headers(&client, 0, F_END_STREAM, GET);
	say_client();
	assert_true(c.opaque);
	assert_int_equal(fake_count(&c, SIDE_A), 0);
}

static void a_continuation_of_nothing_ends_the_reading(void **state)
{
	(void)state;
	put_frame(&client, 9, F_END_HEADERS, 1, "\x82", 1);
	say_client();
	assert_true(c.opaque);
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void continuations_without_end_cost_their_bytes_once(void **state)
{
	(void)state;
	double begun = seconds();

	say_client();
	put_frame(&client, 1, 0, 1, NULL, 0);
	for (int i = 0; i < 9000; i++)
		put_frame(&client, 9, 0, 1, NULL, 0);
	fake_feed_bytewise(&c, SIDE_A, client.at, client.n);
	assert_true(c.opaque);
	assert_true(seconds() - begun < 3);
}

/* One entry of 4,000 bytes, referred to by every byte of a block. */
static void a_block_that_blows_up_is_cut(void **state)
{
	(void)state;
	static uint8_t block[60000];
	static char text[4200];
	double begun = seconds();

	memset(text, 'v', sizeof(text));
	memcpy(text, GET "x-bomb: ", sizeof(GET "x-bomb: ") - 1);
	memcpy(text + 3800, "\n", 2);
	put_headers(&client, 1, F_END_STREAM, text);
	memset(block, 0xbe, sizeof(block)); /* index 62: the newest entry */
	memcpy(block, "\x82\x84\x86", 3);
	put_frame(&client, 1, F_END_STREAM | F_END_HEADERS, 3, block, 16000);
	say_client();
	assert_true((expect(SIDE_A, 1, "method=GET")->flags & FLAG_head_cut) != 0);
	assert_true(seconds() - begun < 3);
}

static void more_streams_than_are_remembered_shift_nothing(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 700; i++) {
		put_headers(&client, 2 * i + 1, F_END_STREAM, GET);
		say_client();
	}
	put_headers(&server, 1399, F_END_STREAM, OK);
	put_headers(&server, 1201, F_END_STREAM, OK);
	say_server();
	assert_int_equal(fake_message(&c, SIDE_B, 0)->answers, 699);
	assert_int_equal(fake_message(&c, SIDE_B, 1)->answers, 600);
}

static void strange_bytes_end_and_nothing_overruns(void **state)
{
	for (uint64_t seed = 1; seed < 400; seed++) {
		uint64_t random = seed;

		tear_down(state);
		set_up(state);
		much_of_everything();
		for (int i = 0; i < 6; i++)
			client.at[24 + fake_random(&random) % (client.n - 24)] ^=
				(uint8_t)fake_random(&random);
		for (int i = 0; i < 6; i++)
			server.at[fake_random(&random) % server.n] ^= (uint8_t)fake_random(&random);
		fake_feed_both(&c, slice_of(client.at, client.n), slice_of(server.at, server.n),
			       700, &random);
		fake_close_both(&c);
	}
}

/* ---- probe ---- */

static enum guess guess(const void *bytes, size_t n)
{
	struct guarded g;
	enum guess answer;

	guarded_init(&g, n + 1);
	answer = dissector_http2.probe(slice_of(guarded_put(&g, bytes, n), n), 80);
	guarded_fini(&g);
	return answer;
}

static void probe_says_yes_to_the_preface_and_to_frames(void **state)
{
	(void)state;
	for (size_t n = 1; n < 24; n++)
		assert_int_equal(guess(client.at, n), GUESS_MORE);
	assert_int_equal(guess(client.at, 24), GUESS_YES);
	assert_int_equal(guess("\0\0\6\4\0\0\0\0\0\0\4\0\0\x10\0", 15), GUESS_YES); /* SETTINGS */
	assert_int_equal(guess("\0\0\6\4\0\0\0\0\1\0\4\0\0\x10\0", 15), GUESS_NO); /* on a stream */
	assert_int_equal(guess("\0\0\5\4\0\0\0\0\0\0\4\0\0\x10\0", 15),
			 GUESS_NO);                                       /* no multiple of 6 */
	assert_int_equal(guess("\0\0\1\1\5\0\0\0\1\x82", 10), GUESS_YES); /* HEADERS, :method GET */
	assert_int_equal(guess("\0\0\1\1\5\0\0\0\2\x82", 10), GUESS_NO); /* of no client's stream */
	assert_int_equal(guess("\0\0\x10\0\0\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 24),
			 GUESS_MORE); /* DATA alone is no proof */
	assert_int_equal(guess("GET / HTTP/1.1\r\n", 16), GUESS_NO);
	assert_int_equal(guess("\0\0\0\x2f\0\3\0\7\0\0\0\1\0\2me", 16), GUESS_NO);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		TEST(a_request_and_its_response_are_a_pair),
		TEST(many_streams_keep_their_bodies_apart),
		TEST(the_bytes_may_be_cut_in_any_way),
		TEST(a_part_of_a_block_is_no_message),
		TEST(a_server_s_reset_ends_what_was_asked),
		TEST(a_client_s_reset_breaks_the_response_off),
		TEST(an_answer_on_its_way_to_what_was_cancelled_still_counts),
		TEST(goaway_says_which_will_not_be_answered),
		TEST(a_push_is_one_message_of_the_server),
		TEST(the_operation_of_graphql_is_told),
		TEST(the_host_is_told_how_a_body_is_encoded),
		TEST(an_extended_connect_names_its_protocol),
		TEST(the_table_follows_what_was_acknowledged),
		TEST(who_joins_late_is_told_what_is_certain),
		TEST(behind_a_hole_frames_are_found_and_the_table_is_unknown),
		TEST(behind_a_hole_within_a_frame_nothing_is_read),
		TEST(a_hole_in_a_body_is_counted),
		TEST(padding_that_lies_ends_the_reading),
		TEST(frames_within_a_block_end_the_reading),
		TEST(a_message_on_stream_0_ends_the_reading),
		TEST(a_continuation_of_nothing_ends_the_reading),
		TEST(continuations_without_end_cost_their_bytes_once),
		TEST(a_block_that_blows_up_is_cut),
		TEST(more_streams_than_are_remembered_shift_nothing),
		TEST(strange_bytes_end_and_nothing_overruns),
		TEST(probe_says_yes_to_the_preface_and_to_frames),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
