/* Proves of dissectors/amqp.c:
 *   - a synchronous method and its -ok are a pair, whoever asks; get is answered by a message or by
 * none;
 *   - publishes and deliveries are answered by number, one by one or many at once, and are oneway
 * where nobody answers;
 *   - a method that closes its channel has the reply code for an answer;
 *   - contents of any size, cut in any way, on many channels at once, keep their sizes apart;
 *   - where messages may be missing no method is paired, and acks still are;
 *   - lengths and marks that lie end the reading; probe() says yes to AMQP 0-9-1 and to nothing
 * else. Every input ends at an unreadable page (fake_host.h).
 */
#include "tests/support/check.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/support/fake_host.h"

extern const struct dissector dissector_amqp;

static struct conn c;

/* ---- frames ---- */

struct frames {
	uint8_t at[1 << 16];
	size_t n;
};
static struct frames client, server;

static void put(struct frames *f, const void *data, size_t n)
{
	if (f->n + n > sizeof(f->at))
		abort();
	if (n > 0)
		memcpy(f->at + f->n, data, n);
	f->n += n;
}

static void put_be(struct frames *f, uint64_t value, unsigned bytes)
{
	while (bytes-- > 0)
		put(f, &(uint8_t){ (uint8_t)(value >> 8 * bytes) }, 1);
}

static void put_frame(struct frames *f, uint8_t type, uint16_t channel, const void *payload,
		      size_t n)
{
	put_be(f, type, 1);
	put_be(f, channel, 2);
	put_be(f, n, 4);
	put(f, payload, n);
	put_be(f, 0xce, 1);
}

/* `arguments`: 's' short string, 'S' long one, 1 2 4 8: a number of so many bytes, from `value` in
 * turn. */
static void put_method(struct frames *f, uint16_t channel, uint16_t class, uint16_t method,
		       const char *arguments, const char *const *text, const uint64_t *value)
{
	struct frames p = { .n = 0 };

	put_be(&p, class, 2);
	put_be(&p, method, 2);
	for (; *arguments != 0; arguments++) {
		if (*arguments == 's' || *arguments == 'S') {
			put_be(&p, strlen(*text), *arguments == 's' ? 1 : 4);
			put(&p, *text, strlen(*text));
			text++;
		} else {
			put_be(&p, *value++, (unsigned)(*arguments - '0'));
		}
	}
	put_frame(f, 1, channel, p.at, p.n);
}
#define TEXTS(...)   ((const char *const[]){ __VA_ARGS__ })
#define NUMBERS(...) ((const uint64_t[]){ __VA_ARGS__ })

static void put_content(struct frames *f, uint16_t channel, const char *body, size_t frame_bytes)
{
	struct frames p = { .n = 0 };
	size_t n = strlen(body);

	put_be(&p, 60, 2);
	put_be(&p, 0, 2);
	put_be(&p, n, 8);
	put_be(&p, 0x8400, 2); /* content-type, correlation-id */
	put_be(&p, 4, 1);
	put(&p, "text", 4);
	put_be(&p, 2, 1);
	put(&p, "c1", 2);
	put_frame(f, 2, channel, p.at, p.n);
	for (size_t i = 0; i < n; i += frame_bytes)
		put_frame(f, 3, channel, body + i, n - i < frame_bytes ? n - i : frame_bytes);
}

static void put_open(uint16_t channel)
{
	put_method(&client, channel, 20, 10, "s", TEXTS(""), NULL);
	put_method(&server, channel, 20, 11, "S", TEXTS(""), NULL);
}

static void put_consume(uint16_t channel, const char *tag, const char *told, bool no_ack)
{
	put_method(&client, channel, 60, 20, "2ss14", TEXTS("q", tag),
		   NUMBERS(0, no_ack ? 2 : 0, 0));
	put_method(&server, channel, 60, 21, "s", TEXTS(told), NULL);
}

static void put_publish(uint16_t channel, const char *key, const char *body)
{
	put_method(&client, channel, 60, 40, "2ss1", TEXTS("x", key), NUMBERS(0, 0));
	put_content(&client, channel, body, 1000);
}

static void put_deliver(uint16_t channel, const char *tag, uint64_t number, const char *body)
{
	put_method(&server, channel, 60, 60, "s81ss", TEXTS(tag, "x", "k"), NUMBERS(number, 0));
	put_content(&server, channel, body, 1000);
}

static void put_ack(struct frames *f, uint16_t channel, uint16_t method, uint64_t number,
		    bool multiple)
{
	put_method(f, channel, 60, method, "81", NULL, NUMBERS(number, multiple));
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

/* ---- set-up ---- */

static void begin(const struct fake_settings *settings, bool whole)
{
	fake_open(&c, &dissector_amqp, settings);
	client.n = server.n = 0;
	if (whole)
		put(&client, "AMQP\0\0\11\1", 8);
	put_open(1);
	if (whole) {
		say_client();
		say_server();
	}
	client.n = server.n = 0;
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
	fake_free(&c);
	return 0;
}

static const struct message *last(enum side side)
{
	return fake_message(&c, side, fake_count(&c, side) - 1);
}

static const struct message *expect_last(enum side side, enum message_kind kind, const char *fields)
{
	const struct message *m = last(side);

	assert_non_null(m);
	assert_true(m->ended);
	assert_int_equal(m->kind, kind);
	if (strstr(m->fields, fields) == NULL)
		fail_msg("\"%s\" is not in \"%s\"", fields, m->fields);
	return m;
}

/* ---- methods ---- */

static void a_method_and_its_ok_are_a_pair(void **state)
{
	(void)state;
	put_method(&client, 1, 50, 10, "2s14", TEXTS("jobs"), NUMBERS(0, 2, 0));
	put_method(&server, 1, 50, 11, "s44", TEXTS("jobs"), NUMBERS(7, 2));
	say_client();
	expect_last(SIDE_A, MESSAGE_REQUEST, "method=queue.declare target=jobs queue=jobs");
	say_server();
	expect_last(SIDE_B, MESSAGE_RESPONSE,
		    "method=queue.declare-ok target=jobs queue=jobs message_count=7 "
		    "consumer_count=2 code=OK");
	assert_int_equal(last(SIDE_B)->answers, 1);
	assert_int_equal(last(SIDE_B)->stream, 2);
}

static void the_server_asks_too(void **state)
{
	(void)state;
	put_method(&server, 1, 20, 40, "2s22", TEXTS("NO_ROUTE"), NUMBERS(312, 60, 40));
	say_server();
	put_method(&client, 1, 20, 41, "", NULL, NULL);
	say_client();
	assert_true(expect_last(SIDE_B, MESSAGE_REQUEST,
				"method=channel.close code=312 reply_text=NO_ROUTE")
			    ->failed);
	expect_last(SIDE_A, MESSAGE_RESPONSE, "method=channel.close-ok");
	assert_true(last(SIDE_B)->answered);
}

static void what_asks_for_no_answer_is_oneway(void **state)
{
	(void)state;
	put_method(&client, 1, 50, 10, "2s14", TEXTS("q"), NUMBERS(0, 16, 0));
	say_client();
	expect_last(SIDE_A, MESSAGE_ONEWAY, "method=queue.declare target=q");
	put_method(&server, 0, 10, 60, "s", TEXTS("low on memory"), NULL);
	say_server();
	expect_last(SIDE_B, MESSAGE_ONEWAY, "method=connection.blocked reply_text=low on memory");
	assert_true((last(SIDE_B)->flags & FLAG_from_server) != 0);
}

static void get_is_answered_by_a_message_or_by_none(void **state)
{
	(void)state;
	put_method(&client, 1, 60, 70, "2s1", TEXTS("q"), NUMBERS(0, 1));
	put_method(&client, 1, 60, 70, "2s1", TEXTS("q"), NUMBERS(0, 1));
	say_client();
	put_method(&server, 1, 60, 71, "81ss4", TEXTS("x", "k"), NUMBERS(3, 1, 5));
	put_content(&server, 1, "hello", 2);
	put_method(&server, 1, 60, 72, "s", TEXTS(""), NULL);
	say_server();
	assert_int_equal(fake_message(&c, SIDE_B, 1)->body_bytes, 5);
	assert_non_null(strstr(fake_message(&c, SIDE_B, 1)->fields,
			       "method=basic.get-ok target=x exchange=x routing_key=k "
			       "delivery_tag=3 redelivered=1 message_count=5 code=OK "
			       "content_type=text correlation_id=c1"));
	assert_int_equal(fake_message(&c, SIDE_B, 1)->answers, 1);
	expect_last(SIDE_B, MESSAGE_RESPONSE, "method=basic.get-empty");
	assert_int_equal(last(SIDE_B)->answers, 2);
}

static void a_method_that_closes_its_channel_has_the_code_for_an_answer(void **state)
{
	(void)state;
	const struct message *m;

	put_method(&client, 1, 50, 10, "2s14", TEXTS("gone"), NUMBERS(0, 1, 0));
	say_client();
	put_method(&server, 1, 20, 40, "2s22", TEXTS("NOT_FOUND"), NUMBERS(404, 50, 10));
	say_server();
	m = fake_message(&c, SIDE_B, 1);
	assert_int_equal(m->kind, MESSAGE_RESPONSE);
	assert_int_equal(m->answers, 1);
	assert_true(m->failed);
	assert_non_null(strstr(m->fields, "method=channel.close code=404 reply_text=NOT_FOUND"));
	expect_last(SIDE_B, MESSAGE_REQUEST, "method=channel.close");
}

/* ---- publishes and deliveries ---- */

static void put_confirms(void)
{
	put_method(&client, 1, 85, 10, "1", NULL, NUMBERS(0));
	put_method(&server, 1, 85, 11, "", NULL, NULL);
	say_client();
	say_server();
}

static void a_publish_without_confirms_is_oneway(void **state)
{
	(void)state;
	put_publish(1, "key", "hello");
	say_client();
	expect_last(SIDE_A, MESSAGE_ONEWAY,
		    "method=basic.publish target=x exchange=x routing_key=key content_type=text");
	assert_int_equal(last(SIDE_A)->body_bytes, 5);
}

static void publishes_are_confirmed_one_by_one_or_many_at_once(void **state)
{
	(void)state;
	uint32_t before, answered = 0;

	put_confirms();
	before = fake_count(&c, SIDE_A);
	for (int i = 0; i < 10; i++)
		put_publish(1, "k", "b");
	say_client();
	put_ack(&server, 1, 80, 2, false);
	put_ack(&server, 1, 80, 6, true);
	put_ack(&server, 1, 120, 7, false);
	say_server();
	for (uint32_t i = 0; i < 10; i++)
		answered += fake_message(&c, SIDE_A, before + i)->answered;
	assert_int_equal(answered, 7);
	assert_true(
		expect_last(SIDE_B, MESSAGE_RESPONSE, "method=basic.nack delivery_tag=7 code=NACK")
			->failed);
	assert_int_equal(last(SIDE_B)->answers, fake_message(&c, SIDE_A, before + 6)->number);
	put_ack(&server, 1, 80, 0, true); /* all */
	say_server();
	for (uint32_t i = 0; i < 10; i++)
		assert_true(fake_message(&c, SIDE_A, before + i)->answered);
	put_ack(&server, 1, 80, 4, false); /* again: answers nothing */
	say_server();
	expect_last(SIDE_B, MESSAGE_ONEWAY, "method=basic.ack delivery_tag=4");
}

static void deliveries_are_answered_by_acks_where_the_consumer_sends_them(void **state)
{
	(void)state;
	put_consume(1, "", "made-up", false);
	put_consume(1, "quiet", "quiet", true);
	say_client();
	say_server();
	put_deliver(1, "made-up", 1, "one");
	put_deliver(1, "quiet", 2, "two");
	put_deliver(1, "made-up", 3, "three");
	say_server();
	expect_last(SIDE_B, MESSAGE_REQUEST,
		    "method=basic.deliver target=x exchange=x routing_key=k consumer_tag=made-up "
		    "delivery_tag=3");
	assert_int_equal(last(SIDE_B)->body_bytes, 5);
	put_ack(&client, 1, 90, 1, false);
	put_ack(&client, 1, 80, 3, true);
	say_client();
	assert_non_null(strstr(fake_message(&c, SIDE_A, 3)->fields,
			       "method=basic.reject delivery_tag=1 code=REJECT"));
	assert_true(fake_message(&c, SIDE_A, 3)->failed);
	expect_last(SIDE_A, MESSAGE_RESPONSE,
		    "method=basic.ack delivery_tag=3 multiple=1 code=ACK");
	assert_int_equal(fake_count(&c, SIDE_A), 5);
}

/* Would go round for ever, or once for each number, if numbers were believed. */
static void numbers_of_any_size_cost_no_time(void **state)
{
	(void)state;
	put_consume(1, "tag", "tag", false);
	say_client();
	say_server();
	put_deliver(1, "tag", UINT64_MAX, "last");
	say_server();
	put_ack(&client, 1, 80, UINT64_MAX, false);
	say_client();
	expect_last(SIDE_A, MESSAGE_RESPONSE, "method=basic.ack");
	put_ack(&client, 1, 80, UINT64_MAX, true);
	put_ack(&client, 1, 80, 0, true); /* all, of which nothing is left */
	put_ack(&client, 1, 120, 0, true);
	say_client();
	expect_last(SIDE_A, MESSAGE_ONEWAY, "method=basic.nack delivery_tag=0 multiple=1");
}

/* The broker goes on counting. */
static void confirms_that_are_selected_again_shift_nothing(void **state)
{
	(void)state;
	uint32_t first;

	put_confirms();
	first = fake_count(&c, SIDE_A);
	put_publish(1, "k", "one");
	say_client();
	put_confirms();
	put_publish(1, "k", "two");
	say_client();
	put_ack(&server, 1, 80, 2, false);
	say_server();
	assert_int_equal(last(SIDE_B)->answers, last(SIDE_A)->number);
	assert_false(fake_message(&c, SIDE_A, first)->answered);
	put_ack(&server, 1, 80, 1, false);
	say_server();
	assert_true(fake_message(&c, SIDE_A, first)->answered);
}

/* What was published before is in the broker's count, and not in ours. */
static void who_joins_late_does_not_know_the_numbers_of_publishes(void **state)
{
	struct fake_settings settings = { .midstream = true, .client_unknown = true };

	tear_down(state);
	fake_open(&c, &dissector_amqp, &settings);
	client.n = server.n = 0;
	put_confirms();
	put_publish(1, "k", "ninth of them");
	say_client();
	expect_last(SIDE_A, MESSAGE_ONEWAY, "method=basic.publish");
	put_ack(&server, 1, 80, 1, false);
	say_server();
	expect_last(SIDE_B, MESSAGE_ONEWAY, "method=basic.ack delivery_tag=1");
}

static void a_channel_opened_anew_ends_what_was_on_its_way(void **state)
{
	(void)state;
	put_method(&client, 1, 60, 40, "2ss1", TEXTS("x", "k"), NUMBERS(0, 0));
	say_client();
	assert_false(last(SIDE_A)->ended);
	put_open(1);
	say_client();
	assert_true(fake_message(&c, SIDE_A, fake_count(&c, SIDE_A) - 2)->ended);
}

/* ---- contents ---- */

static void much_of_everything(void)
{
	static char body[5000];

	memset(body, 'b', sizeof(body) - 1);
	for (uint16_t channel = 2; channel < 8; channel++) {
		put_open(channel);
		put_method(&client, channel, 60, 40, "2ss1", TEXTS("", "queue"), NUMBERS(0, 0));
		body[channel * 600] = 0;
		put_content(&client, channel, body, 700);
		body[channel * 600] = 'b';
		put_frame(&client, 8, 0, NULL, 0);
		put_frame(&server, 8, 0, NULL, 0);
	}
}

static void the_bytes_may_be_cut_in_any_way(void **state)
{
	char *whole = NULL;

	for (size_t most = 1; most < 9000; most = most * 5) {
		uint64_t seed = most;
		char *text;

		tear_down(state);
		set_up(state);
		much_of_everything();
		if (most == 1) {
			fake_feed_bytewise(&c, SIDE_A, client.at, client.n);
			fake_feed_bytewise(&c, SIDE_B, server.at, server.n);
		} else {
			(void)seed;
			for (size_t at = 0; at < client.n; at += most)
				fake_feed(&c, SIDE_A, client.at + at,
					  client.n - at < most ? client.n - at : most);
			for (size_t at = 0; at < server.n; at += most)
				fake_feed(&c, SIDE_B, server.at + at,
					  server.n - at < most ? server.n - at : most);
		}
		for (uint32_t i = 0; i < 6; i++) {
			assert_int_equal(fake_message(&c, SIDE_A, 2 + 2 * i)->body_bytes,
					 (2 + i) * 600);
			assert_non_null(strstr(fake_message(&c, SIDE_A, 2 + 2 * i)->fields,
					       "target=queue routing_key=queue"));
		}
		text = fake_text(&c);
		if (whole != NULL)
			assert_string_equal(text, whole);
		free(whole);
		whole = text;
	}
	free(whole);
}

static void contents_of_channels_may_be_interleaved(void **state)
{
	(void)state;
	struct frames one = { .n = 0 }, two = { .n = 0 };

	for (uint16_t channel = 1; channel < 3; channel++)
		put_method(&client, channel, 60, 40, "2ss1", TEXTS("x", "k"), NUMBERS(0, 0));
	put_content(&one, 1, "aaaa", 2);
	put_content(&two, 2, "bbbbbb", 3);
	put(&client, one.at, one.n - 10);
	put(&client, two.at, two.n - 11);
	put(&client, one.at + one.n - 10, 10);
	put(&client, two.at + two.n - 11, 11);
	say_client();
	assert_int_equal(fake_message(&c, SIDE_A, 1)->body_bytes, 4);
	assert_int_equal(fake_message(&c, SIDE_A, 2)->body_bytes, 6);
	assert_true(fake_message(&c, SIDE_A, 2)->ended);
}

static void a_part_of_a_method_is_no_message(void **state)
{
	struct frames f = { .n = 0 };

	put_method(&f, 1, 50, 10, "2s14", TEXTS("jobs"), NUMBERS(0, 2, 0));
	for (size_t n = 0; n < f.n; n++) {
		tear_down(state);
		set_up(state);
		fake_feed(&c, SIDE_A, f.at, n);
		fake_close_both(&c);
		assert_int_equal(fake_count(&c, SIDE_A), 1);
	}
}

/* ---- late, and with holes ---- */

static void who_joins_late_pairs_no_method_until_a_channel_opens(void **state)
{
	struct fake_settings settings = { .midstream = true, .client_unknown = true };
	(void)state;

	tear_down(state);
	begin(&settings, false);
	put_method(&client, 1, 50, 10, "2s14", TEXTS("second"), NUMBERS(0, 0, 0));
	say_client();
	put_method(&server, 1, 50, 11, "s44", TEXTS("first"),
		   NUMBERS(0, 0)); /* to what was asked before */
	say_server();
	assert_true(fake_message(&c, SIDE_A, 0)->closed);
	assert_int_equal(last(SIDE_B)->answers, -1);
	assert_int_equal(c.client, SIDE_A);
	put_open(5);
	say_client();
	say_server();
	assert_int_equal(last(SIDE_B)->answers, 1);
}

static void the_server_s_methods_tell_who_is_the_client(void **state)
{
	struct fake_settings settings = { .midstream = true, .client_unknown = true };

	tear_down(state);
	begin(&settings, false);
	put_deliver(1, "c", 1, "x");
	say_server();
	expect_last(SIDE_B, MESSAGE_ONEWAY, "method=basic.deliver");
	assert_int_equal(c.client, SIDE_A);
}

static void after_a_hole_frames_are_found_and_no_method_is_paired(void **state)
{
	(void)state;
	size_t hole;

	put_method(&client, 1, 50, 10, "2s14", TEXTS("one"), NUMBERS(0, 0, 0));
	hole = client.n;
	put_method(&client, 1, 50, 10, "2s14", TEXTS("two"), NUMBERS(0, 0, 0));
	put_method(&client, 1, 50, 10, "2s14", TEXTS("three"), NUMBERS(0, 0, 0));
	fake_feed(&c, SIDE_A, client.at, hole);
	fake_gap(&c, SIDE_A, hole);
	fake_feed(&c, SIDE_A, client.at + 2 * hole, client.n - 2 * hole);
	expect_last(SIDE_A, MESSAGE_REQUEST, "target=three");
	assert_true(last(SIDE_A)->closed);
}

static void a_hole_within_a_frame_ends_its_side(void **state)
{
	(void)state;
	put_method(&client, 1, 50, 10, "2s14", TEXTS("one-with-a-long-name"), NUMBERS(0, 0, 0));
	put_method(&client, 1, 50, 10, "2s14", TEXTS("two"), NUMBERS(0, 0, 0));
	fake_feed(&c, SIDE_A, client.at, 10);
	fake_gap(&c, SIDE_A, 5);
	fake_feed(&c, SIDE_A, client.at + 15, client.n - 15);
	fake_close_both(&c);
	assert_int_equal(fake_count(&c, SIDE_A), 1);
}

/* ---- what is refused ---- */

static void marks_and_lengths_that_lie_end_the_reading(void **state)
{
	struct frames f = { .n = 0 };

	put_method(&f, 1, 50, 10, "2s14", TEXTS("jobs"), NUMBERS(0, 2, 0));
	for (size_t i = 0; i < f.n; i++) {
		uint8_t kept = f.at[i];

		if (i == 1 || i == 2 || (i >= 12 && i < 18)) /* the channel, the ticket, the name */
			continue;
		f.at[i] ^= 0xff;
		tear_down(state);
		set_up(state);
		fake_feed(&c, SIDE_A, f.at, f.n);
		fake_close_both(&c);
		assert_true(fake_count(&c, SIDE_A) <= 2);
		f.at[i] = kept;
	}
	tear_down(state);
	set_up(state);
	fake_feed(&c, SIDE_A, "\1\0\1\0\0\0\4\0\x63\0\1\xce", 12); /* no such class */
	assert_true(c.opaque);
}

static void more_channels_than_are_remembered_are_told_alone(void **state)
{
	(void)state;
	for (uint16_t i = 2; i < 400; i++) {
		put_open(i);
		say_client();
		say_server();
	}
	assert_int_equal(fake_message(&c, SIDE_B, 100)->answers, 100);
	assert_int_equal(last(SIDE_B)->answers, -1);
	assert_true(last(SIDE_A)->closed);
	assert_false(c.opaque);
}

static void strange_bytes_end_and_nothing_overruns(void **state)
{
	for (uint64_t seed = 1; seed < 300; seed++) {
		uint64_t random = seed;

		tear_down(state);
		set_up(state);
		much_of_everything();
		for (int i = 0; i < 5; i++)
			client.at[fake_random(&random) % client.n] ^= (uint8_t)fake_random(&random);
		fake_feed_both(&c, slice_of(client.at, client.n), slice_of(server.at, server.n),
			       900, &random);
		fake_close_both(&c);
	}
}

/* ---- probe ---- */

static enum guess guess(const void *bytes, size_t n)
{
	struct guarded g;
	enum guess answer;

	guarded_init(&g, n + 1);
	answer = dissector_amqp.probe(slice_of(guarded_put(&g, bytes, n), n), 5672);
	guarded_fini(&g);
	return answer;
}

static void probe_says_yes_to_amqp_0_9_1_and_to_nothing_else(void **state)
{
	(void)state;
	for (size_t n = 1; n < 8; n++)
		assert_int_equal(guess("AMQP\0\0\11\1", n), GUESS_MORE);
	assert_int_equal(guess("AMQP\0\0\11\1", 8), GUESS_YES);
	assert_int_equal(guess("AMQP\0\1\0\0", 8), GUESS_NO); /* 1.0 */
	assert_int_equal(guess("\10\0\0\0\0\0\0\xce", 8), GUESS_YES);
	put_method(&client, 1, 50, 21, "", NULL, NULL);
	for (size_t n = 1; n < client.n; n++)
		assert_int_equal(guess(client.at, n), GUESS_MORE);
	assert_int_equal(guess(client.at, client.n), GUESS_YES);
	client.at[10] = 99; /* no such method */
	assert_int_equal(guess(client.at, client.n), GUESS_NO);
	assert_int_equal(guess("\1\0\1\0\0\0\4\0\x32\0\x15\xcd", 12),
			 GUESS_NO); /* no mark at its end */
	assert_int_equal(guess("GET / HTTP/1.1\r\n", 16), GUESS_NO);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		TEST(a_method_and_its_ok_are_a_pair),
		TEST(the_server_asks_too),
		TEST(what_asks_for_no_answer_is_oneway),
		TEST(get_is_answered_by_a_message_or_by_none),
		TEST(a_method_that_closes_its_channel_has_the_code_for_an_answer),
		TEST(a_publish_without_confirms_is_oneway),
		TEST(publishes_are_confirmed_one_by_one_or_many_at_once),
		TEST(deliveries_are_answered_by_acks_where_the_consumer_sends_them),
		TEST(numbers_of_any_size_cost_no_time),
		TEST(confirms_that_are_selected_again_shift_nothing),
		TEST(who_joins_late_does_not_know_the_numbers_of_publishes),
		TEST(a_channel_opened_anew_ends_what_was_on_its_way),
		TEST(the_bytes_may_be_cut_in_any_way),
		TEST(contents_of_channels_may_be_interleaved),
		TEST(a_part_of_a_method_is_no_message),
		TEST(who_joins_late_pairs_no_method_until_a_channel_opens),
		TEST(the_server_s_methods_tell_who_is_the_client),
		TEST(after_a_hole_frames_are_found_and_no_method_is_paired),
		TEST(a_hole_within_a_frame_ends_its_side),
		TEST(marks_and_lengths_that_lie_end_the_reading),
		TEST(more_channels_than_are_remembered_are_told_alone),
		TEST(strange_bytes_end_and_nothing_overruns),
		TEST(probe_says_yes_to_amqp_0_9_1_and_to_nothing_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
