/* Proves of dissectors/websocket.c:
 *   - every frame's message is told with its opcode's name, the path of the upgrade, its sizes;
 *   - a message in pieces is one record, with control frames between them told for themselves;
 *   - payloads are unmasked whatever the pieces, close codes and reasons are read;
 *   - what breaks the rules is read in one way and flagged; lengths of any size are stepped over;
 *   - the same bytes give the same messages however they are cut, and no part of a message is
 *     taken for the whole;
 *   - after a hole nothing is invented.
 * Every input ends at an unreadable page (fake_host.h).
 */
#include "tests/support/check.h"

#include <stdio.h>
#include <time.h>

#include "dissectors/registry.h"
#include "dissectors/upgrade.h"
#include "tests/support/fake_host.h"

extern const struct dissector dissector_websocket;

static struct conn c;
static uint8_t note[HANDED_BYTES];

static void add_text_of(struct upgrade_text *t, const char *text)
{
	if (text != NULL)
		upgrade_add(t, slice_of(text, strlen(text)));
}

static void reopen(const char *target, const char *subprotocol, const char *extensions)
{
	struct upgrade u = { 0 };
	struct fake_settings settings = { .handed = (const char *)note };

	add_text_of(&u.target, target);
	add_text_of(&u.subprotocol, subprotocol);
	add_text_of(&u.extensions, extensions);
	settings.handed_bytes = upgrade_write(&u, note);
	fake_free(&c);
	fake_open(&c, &dissector_websocket, &settings);
}

static int open_conn(void **state)
{
	(void)state;
	fake_open(&c, &dissector_websocket, NULL);
	reopen("/chat", NULL, NULL);
	return 0;
}

static int free_conn(void **state)
{
	(void)state;
	fake_free(&c);
	return 0;
}

/* ---- frames ---- */

enum { ROOM = 1 << 18 };

struct stream {
	uint8_t at[ROOM];
	size_t bytes;
};

static struct stream sent[2];

static void put(struct stream *s, uint64_t v, unsigned bytes)
{
	while (bytes-- > 0)
		s->at[s->bytes++] = (uint8_t)(v >> 8 * bytes);
}

/* As RFC 6455 5.2 draws it, in the shortest form. */
static void frame(enum side side, uint8_t first, const void *payload, size_t bytes)
{
	static const uint8_t key[4] = { 0x37, 0xfa, 0x21, 0x3d };
	struct stream *s = &sent[side];
	uint8_t mask = side == SIDE_A ? 0x80 : 0;

	put(s, first, 1);
	if (bytes < 126) {
		put(s, mask | bytes, 1);
	} else if (bytes <= UINT16_MAX) {
		put(s, mask | 126u, 1);
		put(s, bytes, 2);
	} else {
		put(s, mask | 127u, 1);
		put(s, bytes, 8);
	}
	if (mask != 0)
		memcpy(s->at + s->bytes, key, 4), s->bytes += 4;
	for (size_t i = 0; i < bytes; i++)
		put(s, (uint8_t)(((const uint8_t *)payload)[i] ^ (mask != 0 ? key[i % 4] : 0)), 1);
}

static void text(enum side side, uint8_t first, const char *payload)
{
	frame(side, first, payload, strlen(payload));
}

static void flush(enum side side)
{
	fake_feed(&c, side, sent[side].at, sent[side].bytes);
	sent[side].bytes = 0;
}

static void flush_bytewise(enum side side)
{
	fake_feed_bytewise(&c, side, sent[side].at, sent[side].bytes);
	sent[side].bytes = 0;
}

static const struct message *expect(enum side side, uint32_t n, const char *fields, uint32_t flags)
{
	const struct message *m = fake_message(&c, side, n);

	assert_non_null(m);
	assert_string_equal(m->fields, fields);
	assert_int_equal(m->flags, flags);
	assert_int_equal(m->kind, MESSAGE_ONEWAY);
	return m;
}

static uint64_t hash_of(const char *body)
{
	struct message plain = { 0 };

	/* The hash of the fake host, over what a server sends as it is. */
	for (; *body != 0; body++)
		plain.body_hash = (plain.body_hash ^ (uint8_t)*body) * UINT64_C(0x100000001b3);
	return plain.body_hash;
}

/* ---- what is understood ---- */

static void each_opcode_has_its_name_and_the_path_of_the_upgrade(void **state)
{
	(void)state;
	reopen("/chat?room=1", "v12.stomp", NULL);
	text(SIDE_A, 0x81, "Hello");
	text(SIDE_A, 0x82, "\1\2\3");
	text(SIDE_A, 0x89, "");
	text(SIDE_A, 0x8a, "pong");
	flush(SIDE_A);
	expect(SIDE_A, 0, "method=TEXT target=/chat?room=1 subprotocol=v12.stomp", 0);
	expect(SIDE_A, 1, "method=BINARY target=/chat?room=1 subprotocol=v12.stomp", 0);
	expect(SIDE_A, 2, "method=PING target=/chat?room=1 subprotocol=v12.stomp", 0);
	expect(SIDE_A, 3, "method=PONG target=/chat?room=1 subprotocol=v12.stomp", 0);
	assert_int_equal(fake_count(&c, SIDE_A), 4);
	assert_int_equal(fake_message(&c, SIDE_A, 0)->head_bytes, 6);
	assert_int_equal(fake_message(&c, SIDE_A, 0)->body_bytes, 5);
	assert_int_equal(fake_message(&c, SIDE_A, 2)->body_bytes, 0);
}

/* RFC 6455 5.7. */
static void the_examples_of_the_standard_are_read(void **state)
{
	static const uint8_t plain[] = { 0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f };
	static const uint8_t masked[] = { 0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d,
					  0x7f, 0x9f, 0x4d, 0x51, 0x58 };
	static const uint8_t pieces[] = { 0x01, 0x03, 0x48, 0x65, 0x6c, 0x80, 0x02, 0x6c, 0x6f };

	(void)state;
	fake_feed(&c, SIDE_B, plain, sizeof(plain));
	fake_feed(&c, SIDE_A, masked, sizeof(masked));
	fake_feed(&c, SIDE_B, pieces, sizeof(pieces));
	assert_true(expect(SIDE_B, 0, "method=TEXT target=/chat", 0)->body_hash ==
		    hash_of("Hello"));
	assert_true(expect(SIDE_A, 0, "method=TEXT target=/chat", 0)->body_hash ==
		    hash_of("Hello"));
	assert_true(expect(SIDE_B, 1, "method=TEXT target=/chat fragments=2", 0)->body_hash ==
		    hash_of("Hello"));
}

static void each_fragment_is_unmasked_by_its_own_key(void **state)
{
	static const uint8_t pieces[] = { 0x01, 0x83, 1, 2, 3, 4, 'a' ^ 1, 'b' ^ 2, 'c' ^ 3,
					  0x80, 0x82, 9, 8, 7, 6, 'd' ^ 9, 'e' ^ 8 };

	(void)state;
	fake_feed_bytewise(&c, SIDE_A, pieces, sizeof(pieces));
	assert_true(expect(SIDE_A, 0, "method=TEXT target=/chat fragments=2", 0)->body_hash ==
		    hash_of("abcde"));
}

static void control_frames_come_between_the_pieces_of_a_message(void **state)
{
	(void)state;
	text(SIDE_A, 0x01, "one");
	text(SIDE_A, 0x89, "ping");
	text(SIDE_A, 0x00, "");
	text(SIDE_A, 0x8a, "");
	text(SIDE_A, 0x00, "two");
	text(SIDE_A, 0x80, "three");
	text(SIDE_A, 0x82, "next");
	flush(SIDE_A);
	assert_int_equal(fake_count(&c, SIDE_A), 4);
	assert_int_equal(expect(SIDE_A, 0, "method=TEXT target=/chat fragments=4", 0)->body_bytes,
			 11);
	assert_true(fake_message(&c, SIDE_A, 0)->body_hash == hash_of("onetwothree"));
	assert_int_equal(expect(SIDE_A, 1, "method=PING target=/chat", 0)->body_bytes, 4);
	expect(SIDE_A, 2, "method=PONG target=/chat", 0);
	expect(SIDE_A, 3, "method=BINARY target=/chat", 0);
}

static void a_close_says_its_code_and_reason(void **state)
{
	(void)state;
	text(SIDE_A, 0x88,
	     "\x03\xe8"
	     "bye");
	text(SIDE_B, 0x88, "\x03\xf3");
	flush_bytewise(SIDE_A);
	flush_bytewise(SIDE_B);
	expect(SIDE_A, 0, "method=CLOSE target=/chat code=1000 reason=bye", 0);
	expect(SIDE_B, 0, "method=CLOSE target=/chat code=1011", 0);
	assert_false(fake_message(&c, SIDE_A, 0)->failed);
	assert_true(fake_message(&c, SIDE_B, 0)->failed);
	assert_int_equal(fake_message(&c, SIDE_A, 0)->body_bytes, 5);
	assert_true(fake_message(&c, SIDE_A, 0)->body_hash == hash_of("\x03\xe8"
								      "bye"));
	free_conn(state);
	open_conn(state);
	text(SIDE_B, 0x88, "");
	flush(SIDE_B);
	expect(SIDE_B, 0, "method=CLOSE target=/chat", 0);
}

static void what_permessage_deflate_has_compressed_is_said_to_be(void **state)
{
	(void)state;
	reopen("/", NULL, "permessage-deflate; server_no_context_takeover");
	text(SIDE_B, 0xc1, "\xf2\x48\xcd\xc9\xc9\x07");
	text(SIDE_B, 0x41, "\xf2\x48\xcd");
	text(SIDE_B, 0x80, "\xc9\xc9\x07");
	text(SIDE_B, 0x81, "plain");
	flush(SIDE_B);
	expect(SIDE_B, 0, "method=TEXT target=/ compressed=1", 0);
	expect(SIDE_B, 1, "method=TEXT target=/ compressed=1 fragments=2", 0);
	expect(SIDE_B, 2, "method=TEXT target=/", 0);
}

static void compressed_messages_of_a_side_share_its_window(void **state)
{
	const struct inflate_window *w;

	(void)state;
	reopen("/", NULL, "permessage-deflate; client_no_context_takeover");
	for (int side = 0; side < 2; side++) {
		text((enum side)side, 0xc1, "one");
		text((enum side)side, 0x89, "");
		text((enum side)side, 0xc1, "two");
		flush((enum side)side);
		w = fake_message(&c, (enum side)side, 0)->window;
		assert_non_null(w);
		assert_true(w == fake_message(&c, (enum side)side, 2)->window);
		assert_null(fake_message(&c, (enum side)side, 1)->window);
		assert_true((w->at != NULL) == (side == SIDE_B));
		assert_false(w->lost);
	}
	assert_true(fake_message(&c, SIDE_A, 0)->window != fake_message(&c, SIDE_B, 0)->window);
	/* A message that is torn cannot be decoded, and the window is not what it should be. */
	for (int side = 0; side < 2; side++) {
		text((enum side)side, 0x41, "begun");
		text((enum side)side, 0xc1, "another");
		flush((enum side)side);
		assert_true(fake_message(&c, (enum side)side, 4)->window->lost == (side == SIDE_B));
	}
}

static void extensions_that_are_not_known_may_use_every_bit(void **state)
{
	static const char *const agreed[] = { "permessage-deflate, x-other",
					      "x-webkit-deflate-frame", "permessage-deflated" };

	(void)state;
	for (size_t i = 0; i < sizeof(agreed) / sizeof(agreed[0]); i++) {
		reopen("/", NULL, agreed[i]);
		text(SIDE_B, 0xf1, "x");
		text(SIDE_B, 0x83, "x");
		flush(SIDE_B);
		expect(SIDE_B, 0, "method=TEXT target=/", 0);
		expect(SIDE_B, 1, "method=RESERVED target=/", 0);
	}
	fake_free(&c);
	fake_open(&c, &dissector_websocket, NULL); /* nothing was handed over */
	text(SIDE_B, 0xc1, "x");
	flush(SIDE_B);
	expect(SIDE_B, 0, "method=TEXT", 0);
}

static void lengths_of_every_form_are_stepped_over(void **state)
{
	static const size_t sizes[] = { 0, 1, 125, 126, 127, 65535, 65536, 100000 };
	static uint8_t payload[100000];

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		for (int side = 0; side < 2; side++) {
			frame((enum side)side, 0x82, payload, sizes[i]);
			flush((enum side)side);
			assert_int_equal(expect((enum side)side, (uint32_t)i,
						"method=BINARY target=/chat", 0)
						 ->body_bytes,
					 sizes[i]);
		}
	}
}

static void a_path_that_was_too_long_is_flagged(void **state)
{
	static char path[1000];

	(void)state;
	memset(path, 'a', sizeof(path) - 1);
	reopen(path, NULL, NULL);
	text(SIDE_B, 0x81, "x");
	flush(SIDE_B);
	assert_int_equal(fake_message(&c, SIDE_B, 0)->flags, FLAG_head_cut);
}

/* ---- what breaks the rules ---- */

static void what_breaks_the_rules_is_flagged_and_read_on(void **state)
{
	static const struct {
		uint8_t bytes[16];
		size_t count;
		const char *fields;
	} cases[] = {
		{ { 0xc1, 1, 'x' }, 3, "method=TEXT target=/chat" },
		{ { 0x91, 1, 'x' }, 3, "method=TEXT target=/chat" },
		{ { 0x83, 1, 'x' }, 3, "method=RESERVED target=/chat" },
		{ { 0x8f, 1, 'x' }, 3, "method=RESERVED target=/chat" },
		{ { 0x80, 1, 'x' }, 3, "method=CONTINUATION target=/chat" },
		{ { 0x09, 1, 'x' }, 3, "method=PING target=/chat" },
		{ { 0x81, 0x81, 1, 2, 3, 4, 'x' }, 7, "method=TEXT target=/chat" },
		{ { 0x81, 126, 0, 1, 'x' }, 5, "method=TEXT target=/chat" },
		{ { 0x81, 127, 0, 0, 0, 0, 0, 0, 0, 1, 'x' }, 11, "method=TEXT target=/chat" },
		{ { 0x88, 1, 'x' }, 3, "method=CLOSE target=/chat" },
		{ { 0x88, 2, 0x03, 0xed }, 4, "method=CLOSE target=/chat code=1005" },
		{ { 0x88, 2, 0, 0 }, 4, "method=CLOSE target=/chat code=0" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		free_conn(state);
		open_conn(state);
		fake_feed(&c, SIDE_B, cases[i].bytes, cases[i].count);
		text(SIDE_B, 0x81, "next");
		flush(SIDE_B);
		expect(SIDE_B, 0, cases[i].fields, FLAG_anomaly);
		assert_int_equal(fake_count(&c, SIDE_B), 2);
		assert_int_equal(fake_message(&c, SIDE_B, 1)->body_bytes, 4);
		assert_false(c.opaque);
	}
}

static void a_client_that_does_not_mask_is_flagged(void **state)
{
	static const uint8_t plain[] = { 0x81, 1, 'x' };

	(void)state;
	fake_feed(&c, SIDE_A, plain, sizeof(plain));
	expect(SIDE_A, 0, "method=TEXT target=/chat", FLAG_anomaly);
}

static void a_control_frame_over_its_limit_is_flagged(void **state)
{
	static uint8_t payload[200] = { 0x03, 0xe8 };

	(void)state;
	frame(SIDE_B, 0x89, payload, 126);
	frame(SIDE_B, 0x88, payload, 200);
	flush_bytewise(SIDE_B);
	expect(SIDE_B, 0, "method=PING target=/chat", FLAG_anomaly);
	expect(SIDE_B, 1, "method=CLOSE target=/chat", FLAG_anomaly);
}

static void a_message_that_another_one_interrupts_is_not_whole(void **state)
{
	(void)state;
	text(SIDE_A, 0x01, "one");
	text(SIDE_A, 0x00, "two");
	text(SIDE_A, 0x82, "other");
	flush(SIDE_A);
	expect(SIDE_A, 0, "method=TEXT target=/chat unfinished=1 fragments=2", 0);
	expect(SIDE_A, 1, "method=BINARY target=/chat", FLAG_anomaly);
}

static void frames_behind_a_close_are_flagged(void **state)
{
	(void)state;
	text(SIDE_A, 0x88, "\x03\xe8");
	text(SIDE_A, 0x81, "late");
	flush(SIDE_A);
	expect(SIDE_A, 1, "method=TEXT target=/chat", FLAG_anomaly);
}

static void a_length_beyond_all_ends_the_reading(void **state)
{
	static const uint8_t most[] = { 0x82, 127, 0x7f, 255, 255, 255, 255, 255, 255, 255, 'x' };
	static const uint8_t beyond[] = { 0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0, 'x' };

	(void)state;
	fake_feed(&c, SIDE_B, most, sizeof(most));
	fake_close_both(&c);
	expect(SIDE_B, 0, "method=BINARY target=/chat unfinished=1", 0);
	free_conn(state);
	open_conn(state);
	text(SIDE_B, 0x81, "before");
	flush(SIDE_B);
	fake_feed(&c, SIDE_B, beyond, sizeof(beyond));
	assert_int_equal(fake_count(&c, SIDE_B), 1);
	assert_true(c.opaque);
	assert_string_equal(c.become, "");
	free_conn(state);
	open_conn(state);
	text(SIDE_A, 0x01, "half of this");
	text(SIDE_B, 0x01, "and of that"); /* which nobody will read on either */
	flush(SIDE_A);
	flush(SIDE_B);
	fake_feed(&c, SIDE_B, beyond, sizeof(beyond));
	assert_true(expect(SIDE_A, 0, "method=TEXT target=/chat unfinished=1", 0)->ended);
	assert_true(expect(SIDE_B, 0, "method=TEXT target=/chat unfinished=1", FLAG_anomaly)->ended);
}

/* ---- cuts, holes, ends ---- */

static void say_everything(void)
{
	static uint8_t big[70000];

	for (int i = 0; i < 2; i++) {
		enum side side = (enum side)i;

		sent[side].bytes = 0;
		text(side, 0x81, "first");
		text(side, 0x01, "pie");
		text(side, 0x89, "now");
		frame(side, 0x00, big, 300);
		text(side, 0x80, "end");
		text(side, 0x82, "");
		frame(side, 0x82, big, sizeof(big));
		text(side, 0x8a, "now");
		text(side, 0x88,
		     "\x03\xe9"
		     "going away");
	}
}

static void the_same_bytes_give_the_same_messages_however_they_are_cut(void **state)
{
	uint64_t seed = 1;
	char *whole, *cut;

	say_everything();
	fake_feed(&c, SIDE_A, sent[0].at, sent[0].bytes);
	fake_feed(&c, SIDE_B, sent[1].at, sent[1].bytes);
	fake_close_both(&c);
	assert_int_equal(fake_count(&c, SIDE_A), 7);
	whole = fake_text(&c);
	for (int round = 0; round < 30; round++) {
		free_conn(state);
		open_conn(state);
		fake_feed_both(&c, slice_of(sent[0].at, sent[0].bytes),
			       slice_of(sent[1].at, sent[1].bytes),
			       round < 10 ? 1 + (size_t)round : 900, &seed);
		fake_close_both(&c);
		cut = fake_text(&c);
		assert_string_equal(cut, whole);
		free(cut);
	}
	free(whole);
	sent[0].bytes = sent[1].bytes = 0;
}

static void no_part_of_a_message_is_taken_for_the_whole(void **state)
{
	size_t all;

	text(SIDE_A, 0x01, "pieces");
	text(SIDE_A, 0x89, "control");
	text(SIDE_A, 0x80, "of one");
	text(SIDE_A, 0x88,
	     "\x03\xe8"
	     "bye");
	all = sent[SIDE_A].bytes;
	for (size_t n = 0; n <= all; n++) {
		uint32_t whole = 0;

		free_conn(state);
		open_conn(state);
		fake_feed(&c, SIDE_A, sent[SIDE_A].at, n);
		fake_close_both(&c);
		for (uint32_t i = 0; i < fake_count(&c, SIDE_A); i++) {
			const struct message *m = fake_message(&c, SIDE_A, i);

			assert_true(m->ended);
			whole += strstr(m->fields, "unfinished") == NULL;
		}
		assert_int_equal(whole, (n >= 25) + (n >= 37) + (n >= 48));
	}
	assert_int_equal(all, 48);
	sent[SIDE_A].bytes = 0;
}

static void what_follows_a_hole_between_frames_is_opaque(void **state)
{
	(void)state;
	text(SIDE_B, 0x01, "begun");
	flush(SIDE_B);
	fake_gap(&c, SIDE_B, 100);
	text(SIDE_B, 0x80, "rest");
	text(SIDE_B, 0x81, "more");
	flush(SIDE_B);
	assert_int_equal(fake_count(&c, SIDE_B), 1);
	expect(SIDE_B, 0, "method=TEXT target=/chat unfinished=1", FLAG_gap_in_body);
	assert_true(c.opaque);
}

static void a_hole_within_a_payload_hides_no_frame(void **state)
{
	static uint8_t payload[1000];

	(void)state;
	frame(SIDE_B, 0x82, payload, sizeof(payload));
	fake_feed(&c, SIDE_B, sent[SIDE_B].at, 100);
	fake_gap(&c, SIDE_B, 500);
	fake_feed(&c, SIDE_B, sent[SIDE_B].at + 600, sent[SIDE_B].bytes - 600);
	sent[SIDE_B].bytes = 0;
	text(SIDE_B, 0x81, "next");
	flush(SIDE_B);
	assert_int_equal(fake_count(&c, SIDE_B), 2);
	assert_true((fake_message(&c, SIDE_B, 0)->flags & FLAG_gap_in_body) != 0);
	expect(SIDE_B, 1, "method=TEXT target=/chat", 0);
}

static void a_flood_of_small_frames_costs_time_in_proportion(void **state)
{
	(void)state;
	for (int i = 0; i < 30000; i++)
		text(SIDE_A, i == 0 ? 0x01 : 0x00, "");
	assert_true(sent[SIDE_A].bytes == 180000);
	flush(SIDE_A);
	assert_true(c.feeds < 10);
	assert_int_equal(fake_count(&c, SIDE_A), 1);
	fake_close_both(&c);
	expect(SIDE_A, 0, "method=TEXT target=/chat unfinished=1 fragments=30000", 0);
}

static void random_bytes_break_nothing(void **state)
{
	uint64_t seed = 7;
	uint8_t noise[300];

	for (int round = 0; round < 3000; round++) {
		free_conn(state);
		open_conn(state);
		for (size_t i = 0; i < sizeof(noise); i++)
			noise[i] = (uint8_t)fake_random(&seed);
		fake_feed_both(&c, slice_of(noise, 150), slice_of(noise + 150, 150), 40, &seed);
		fake_close_both(&c);
		for (const struct message *m = c.first; m != NULL && !c.opaque; m = m->next)
			assert_true(m->ended);
	}
}

static void nobody_finds_it_without_its_upgrade(void **state)
{
	(void)state;
	assert_null(dissector_websocket.probe);
	assert_int_equal(dissector_websocket.pattern_count, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_conn, free_conn)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(each_opcode_has_its_name_and_the_path_of_the_upgrade),
		TEST(the_examples_of_the_standard_are_read),
		TEST(each_fragment_is_unmasked_by_its_own_key),
		TEST(control_frames_come_between_the_pieces_of_a_message),
		TEST(a_close_says_its_code_and_reason),
		TEST(what_permessage_deflate_has_compressed_is_said_to_be),
		TEST(compressed_messages_of_a_side_share_its_window),
		TEST(extensions_that_are_not_known_may_use_every_bit),
		TEST(lengths_of_every_form_are_stepped_over),
		TEST(a_path_that_was_too_long_is_flagged),
		TEST(what_breaks_the_rules_is_flagged_and_read_on),
		TEST(a_client_that_does_not_mask_is_flagged),
		TEST(a_control_frame_over_its_limit_is_flagged),
		TEST(a_message_that_another_one_interrupts_is_not_whole),
		TEST(frames_behind_a_close_are_flagged),
		TEST(a_length_beyond_all_ends_the_reading),
		TEST(the_same_bytes_give_the_same_messages_however_they_are_cut),
		TEST(no_part_of_a_message_is_taken_for_the_whole),
		TEST(what_follows_a_hole_between_frames_is_opaque),
		TEST(a_hole_within_a_payload_hides_no_frame),
		TEST(a_flood_of_small_frames_costs_time_in_proportion),
		TEST(random_bytes_break_nothing),
		TEST(nobody_finds_it_without_its_upgrade),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
