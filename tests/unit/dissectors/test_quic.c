/* Proves of dissectors/quic.c:
 *   - the Initial packet that RFC 9001 A.2 gives byte for byte is read, and version 2 by its own
 * labels;
 *   - a ClientHello in pieces, in any order, over several datagrams, and twice, is one request;
 *   - the ServerHello answers it, also after a Retry and behind a HelloRetryRequest;
 *   - nothing that does not authenticate is read: one bit turned anywhere, and there is no message;
 *   - lengths that lie, holes without end and floods of strange packets end the reading;
 *   - probe() says yes to an Initial packet's header and to nothing else.
 * Every datagram ends at an unreadable page (fake_host.h).
 */
#include "tests/support/check.h"

#include <nettle/aes.h>
#include <nettle/gcm.h>

#include "tests/support/fake_host.h"
#include "tests/support/hello.h"

extern const struct dissector dissector_quic;

static struct conn c;

static int open_conn(void **state)
{
	(void)state;
	fake_open(&c, &dissector_quic, NULL);
	return 0;
}

static int free_conn(void **state)
{
	(void)state;
	fake_free(&c);
	return 0;
}

static void reopen(void)
{
	fake_free(&c);
	fake_open(&c, &dissector_quic, NULL);
}

/* ---- packets ---- */

/* RFC 9001 A.1: the keys that follow from this destination id. */
#define RFC_ID "\x83\x94\xc8\xf0\x3e\x51\x57\x08"
struct protection {
	const char *key, *iv, *hp;
};
static const struct protection client_keys = {
	"\x1f\x36\x96\x13\xdd\x76\xd5\x46\x77\x30\xef\xcb\xe3\xb1\xa2\x2d",
	"\xfa\x04\x4b\x2f\x42\xa3\xfd\x3b\x46\xfb\x25\x5c",
	"\x9f\x50\x44\x9e\x04\xa0\xe8\x10\x28\x3a\x1e\x99\x33\xad\xed\xd2",
};
static const struct protection server_keys = {
	"\xcf\x3a\x53\x31\x65\x3c\x36\x4c\x88\xf0\xf3\x79\xb6\x06\x7e\x37",
	"\x0a\xc1\x49\x3c\xa1\x90\x58\x53\xb0\xbb\xa0\x3e",
	"\xc2\x06\xb8\xd9\xb9\xf0\xf3\x76\x44\x43\x0b\x49\x0e\xea\xa3\x14",
};
/* RFC 9369 A.1, for the same id. */
static const struct protection client_keys_2 = {
	"\x8b\x1a\x0b\xc1\x21\x28\x42\x90\xa2\x9e\x09\x71\xb5\xcd\x04\x5d",
	"\x91\xf7\x3e\x23\x51\xd8\xfa\x91\x66\x0e\x90\x9f",
	"\x45\xb9\x5e\x15\x23\x5d\x6f\x45\xa6\xb1\x9c\xbc\xb0\x29\x4b\xa9",
};

static const uint8_t rfc_crypto[] = "\x06\x00\x40\xf1\x01\x00\x00\xed\x03\x03\xeb\xf8\xfa\x56\xf1"
				    "\x29\x39\xb9\x58\x4a\x38\x96\x47\x2e\xc4\x0b"
				    "\xb8\x63\xcf\xd3\xe8\x68\x04\xfe\x3a\x47\xf0\x6a\x2b\x69\x48"
				    "\x4c\x00\x00\x04\x13\x01\x13\x02\x01\x00\x00"
				    "\xc0\x00\x00\x00\x10\x00\x0e\x00\x00\x0b\x65\x78\x61\x6d\x70"
				    "\x6c\x65\x2e\x63\x6f\x6d\xff\x01\x00\x01\x00"
				    "\x00\x0a\x00\x08\x00\x06\x00\x1d\x00\x17\x00\x18\x00\x10\x00"
				    "\x07\x00\x05\x04\x61\x6c\x70\x6e\x00\x05\x00"
				    "\x05\x01\x00\x00\x00\x00\x00\x33\x00\x26\x00\x24\x00\x1d\x00"
				    "\x20\x93\x70\xb2\xc9\xca\xa4\x7f\xba\xba\xf4"
				    "\x55\x9f\xed\xba\x75\x3d\xe1\x71\xfa\x71\xf5\x0f\x1c\xe1\x5d"
				    "\x43\xe9\x94\xec\x74\xd7\x48\x00\x2b\x00\x03"
				    "\x02\x03\x04\x00\x0d\x00\x10\x00\x0e\x04\x03\x05\x03\x06\x03"
				    "\x02\x03\x08\x04\x08\x05\x08\x06\x00\x2d\x00"
				    "\x02\x01\x01\x00\x1c\x00\x02\x40\x01\x00\x39\x00\x32\x04\x08"
				    "\xff\xff\xff\xff\xff\xff\xff\xff\x05\x04\x80"
				    "\x00\xff\xff\x07\x04\x80\x00\xff\xff\x08\x01\x10\x01\x04\x80"
				    "\x00\x75\x30\x09\x01\x10\x0f\x08\x83\x94\xc8"
				    "\xf0\x3e\x51\x57\x08\x06\x04\x80\x00\xff\xff";
#define RFC_HELLO_AT    4 /* behind the frame's type, offset and length */
#define RFC_HELLO_BYTES (sizeof(rfc_crypto) - 1 - RFC_HELLO_AT)

struct packet_plan {
	const struct protection *keys;
	uint32_t version;
	uint8_t first; /* without protection: 0xc0, type, length of the number less one */
	const char *destination, *source, *token;
	size_t destination_bytes, source_bytes, token_bytes;
	uint32_t number; /* in four bytes */
	size_t padded;   /* the payload is filled up with PADDING to so many bytes */
};

/* RFC 9001 5: sealed, then masked; appended to `datagram`. */
static void put_initial(struct bytes *datagram, const struct packet_plan *p,
			const struct bytes *frames)
{
	struct bytes head = { .n = 0 }, plain = *frames;
	uint8_t nonce[12], mask[16], sealed[4096];
	struct gcm_aes128_ctx gcm;
	struct aes128_ctx aes;

	while (plain.n < p->padded)
		put_be(&plain, 0, 1);
	put_be(&head, p->first, 1);
	put_be(&head, p->version, 4);
	put_be(&head, p->destination_bytes, 1);
	put(&head, p->destination, p->destination_bytes);
	put_be(&head, p->source_bytes, 1);
	put(&head, p->source, p->source_bytes);
	put_be(&head, p->token_bytes, 1);
	put(&head, p->token, p->token_bytes);
	put_be(&head, 0x4000 | (4 + plain.n + 16), 2);
	put_be(&head, p->number, 4);
	memcpy(nonce, p->keys->iv, 12);
	for (int i = 0; i < 4; i++)
		nonce[8 + i] ^= (uint8_t)(p->number >> 8 * (3 - i));
	gcm_aes128_set_key(&gcm, (const uint8_t *)p->keys->key);
	gcm_aes128_set_iv(&gcm, 12, nonce);
	gcm_aes128_update(&gcm, head.n, head.at);
	gcm_aes128_encrypt(&gcm, plain.n, sealed, plain.at);
	gcm_aes128_digest(&gcm, 16, sealed + plain.n);
	aes128_set_encrypt_key(&aes, (const uint8_t *)p->keys->hp);
	aes128_encrypt(&aes, 16, mask, sealed);
	head.at[0] ^= mask[0] & 0x0f;
	for (size_t i = 0; i < 4; i++)
		head.at[head.n - 4 + i] ^= mask[1 + i];
	put(datagram, head.at, head.n);
	put(datagram, sealed, plain.n + 16);
}

static const struct packet_plan rfc_plan = { .keys = &client_keys,
					     .version = 1,
					     .first = 0xc3,
					     .destination = RFC_ID,
					     .destination_bytes = 8,
					     .number = 2,
					     .padded = 1162 };

static const struct packet_plan server_plan = { .keys = &server_keys,
						.version = 1,
						.first = 0xc3,
						.source = "\xf0\x67\xa5\x50",
						.source_bytes = 4,
						.number = 1 };

/* A CRYPTO frame with `bytes` of the hello of the RFC from `from` on. */
static void put_crypto(struct bytes *frames, const uint8_t *stream, size_t from, size_t bytes)
{
	put_be(frames, 6, 1);
	put_be(frames, 0x4000 | from, 2);
	put_be(frames, 0x4000 | bytes, 2);
	put(frames, stream + from, bytes);
}

static void say_packet(enum side side, const struct packet_plan *plan, const struct bytes *frames)
{
	struct bytes datagram = { .n = 0 };

	put_initial(&datagram, plan, frames);
	fake_datagram(&c, side, datagram.at, datagram.n);
}

static void say_rfc_hello(void)
{
	struct bytes frames = { .n = 0 };

	put(&frames, rfc_crypto, sizeof(rfc_crypto) - 1);
	say_packet(SIDE_A, &rfc_plan, &frames);
}

static void server_stream(struct bytes *stream, bool retry)
{
	static const uint8_t version[] = { 3, 4 };
	static const uint8_t plain[32] = { 9 };
	static const uint8_t again[32] = {
		0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c,
		0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb,
		0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
	};
	struct bytes x = { .n = 0 }, v = { .n = 0 }, none = { .n = 0 };

	put(&v, version, 2);
	put_extension(&x, 0x002b, &v);
	put_server_hello(stream, 0x1301, &none, retry ? again : plain, &x);
}

static const char *fields_of(enum side side, uint32_t n)
{
	const struct message *m = fake_message(&c, side, n);

	assert_non_null(m);
	assert_true(m->ended);
	return m->fields == NULL ? "" : m->fields;
}

static void expect_rfc_hello(uint32_t n)
{
	static const char begin[] =
		"method=ClientHello version=1 target=example.com alpn=alpn versions=1.3 ciphers=2";

	assert_memory_equal(fields_of(SIDE_A, n), begin, sizeof(begin) - 1);
	assert_non_null(strstr(fields_of(SIDE_A, n), "ja4=q13d0211an_"));
}

/* ---- what is understood ---- */

static void the_packet_of_the_rfc_is_read(void **state)
{
	(void)state;
	/* A.2: the last bytes of the protected packet. */
	static const uint8_t tag[] =
		"\xe2\x21\xaf\x44\x86\x00\x18\xab\x08\x56\x97\x2e\x19\x4c\xd9\x34";
	struct bytes datagram = { .n = 0 }, frames = { .n = 0 };

	put(&frames, rfc_crypto, sizeof(rfc_crypto) - 1);
	put_initial(&datagram, &rfc_plan, &frames);
	assert_int_equal(datagram.n, 1200);
	assert_memory_equal(datagram.at + 1184, tag, 16);
	fake_datagram(&c, SIDE_A, datagram.at, datagram.n);
	expect_rfc_hello(0);
}

static void version_2_has_its_own_labels_and_types(void **state)
{
	(void)state;
	struct packet_plan plan = rfc_plan;
	struct bytes frames = { .n = 0 };

	plan.keys = &client_keys_2;
	plan.version = 0x6b3343cf;
	plan.first = 0xd3;
	put(&frames, rfc_crypto, sizeof(rfc_crypto) - 1);
	say_packet(SIDE_A, &plan, &frames);
	assert_non_null(strstr(fields_of(SIDE_A, 0), "version=2 target=example.com"));
}

static void the_server_answers(void **state)
{
	(void)state;
	struct bytes stream = { .n = 0 }, frames = { .n = 0 };
	static const uint8_t ack[] = { 2, 0, 0, 0, 0 };

	say_rfc_hello();
	server_stream(&stream, false);
	put(&frames, ack, sizeof(ack));
	put_crypto(&frames, stream.at, 0, stream.n);
	say_packet(SIDE_B, &server_plan, &frames);
	assert_memory_equal(fields_of(SIDE_B, 0), "code=1.3 TLS_AES_128_GCM_SHA256", 31);
	assert_int_equal(fake_message(&c, SIDE_B, 0)->key, fake_message(&c, SIDE_A, 0)->key);
	assert_true(c.opaque);
}

/* RFC 9287: who has been told that it may be does not set the fixed bit. */
static void the_fixed_bit_may_be_any(void **state)
{
	(void)state;
	struct bytes stream = { .n = 0 }, frames = { .n = 0 };
	struct packet_plan plan = server_plan;

	say_rfc_hello();
	server_stream(&stream, false);
	put_crypto(&frames, stream.at, 0, stream.n);
	plan.first = 0x83;
	say_packet(SIDE_B, &plan, &frames);
	assert_memory_equal(fields_of(SIDE_B, 0), "code=1.3 TLS_AES_128_GCM_SHA256", 31);
}

static void pieces_in_any_order_are_one_hello(void **state)
{
	(void)state;
	enum { PIECES = 9 };

	for (uint64_t round = 1; round <= 40; round++) {
		uint64_t seed = round;
		size_t order[PIECES], step = (RFC_HELLO_BYTES + PIECES - 1) / PIECES;

		reopen();
		for (size_t i = 0; i < PIECES; i++)
			order[i] = i;
		for (size_t i = PIECES - 1; i > 0; i--) {
			size_t k = fake_random(&seed) % (i + 1), kept = order[i];

			order[i] = order[k];
			order[k] = kept;
		}
		for (size_t i = 0; i < PIECES; i++) {
			struct packet_plan plan = rfc_plan;
			struct bytes frames = { .n = 0 };
			size_t from = order[i] * step, more = round % 3 * 7; /* they may overlap */
			size_t bytes = from + step + more > RFC_HELLO_BYTES ? RFC_HELLO_BYTES - from
									    : step + more;

			assert_int_equal(fake_count(&c, SIDE_A), 0);
			plan.number = (uint32_t)i;
			put_crypto(&frames, rfc_crypto + RFC_HELLO_AT, from, bytes);
			say_packet(SIDE_A, &plan, &frames);
			if (fake_count(&c, SIDE_A) > 0)
				break;                      /* the last ones overlapped */
			say_packet(SIDE_A, &plan, &frames); /* sent again */
		}
		assert_int_equal(fake_count(&c, SIDE_A), 1);
		expect_rfc_hello(0);
	}
}

static void after_a_retry_the_keys_are_new(void **state)
{
	(void)state;
	/* What the client sends first is sealed with keys that its id does not give, so it stands
	 * for a packet whose keys the Retry has made obsolete. */
	static const uint8_t other[] = "\x01\x02\x03\x04\x05\x06\x07\x08";
	struct packet_plan plan = rfc_plan;
	struct bytes frames = { .n = 0 };

	plan.destination = (const char *)other;
	put(&frames, rfc_crypto, sizeof(rfc_crypto) - 1);
	say_packet(SIDE_A, &plan, &frames);
	assert_int_equal(fake_count(&c, SIDE_A), 0);
	plan.destination = RFC_ID;
	plan.token = "token";
	plan.token_bytes = 5;
	say_packet(SIDE_A, &plan, &frames);
	expect_rfc_hello(0);
}

static void a_hello_retry_is_followed_by_a_second_pair(void **state)
{
	(void)state;
	struct bytes again = { .n = 0 }, server = { .n = 0 }, both = { .n = 0 },
		     frames = { .n = 0 }, last = { .n = 0 };

	say_rfc_hello();
	server_stream(&again, true);
	put_crypto(&frames, again.at, 0, again.n);
	say_packet(SIDE_B, &server_plan, &frames);
	assert_non_null(strstr(fields_of(SIDE_B, 0), "retry=hello_retry_request"));
	assert_false(c.opaque);
	put(&both, rfc_crypto + RFC_HELLO_AT, RFC_HELLO_BYTES);
	put(&both, rfc_crypto + RFC_HELLO_AT, RFC_HELLO_BYTES);
	frames.n = 0;
	put_crypto(&frames, both.at, RFC_HELLO_BYTES, RFC_HELLO_BYTES);
	say_packet(SIDE_A, &rfc_plan, &frames);
	expect_rfc_hello(1);
	put(&server, again.at, again.n);
	server_stream(&server, false);
	put_crypto(&last, server.at, again.n, server.n - again.n);
	say_packet(SIDE_B, &server_plan, &last);
	assert_int_equal(fake_message(&c, SIDE_B, 1)->key, fake_message(&c, SIDE_A, 1)->key);
	assert_true(c.opaque);
}

static void several_packets_share_a_datagram(void **state)
{
	(void)state;
	struct bytes datagram = { .n = 0 }, ping = { .n = 0 }, frames = { .n = 0 };
	struct packet_plan small = rfc_plan;

	small.padded = 30;
	put_be(&ping, 1, 1);
	put(&frames, rfc_crypto, sizeof(rfc_crypto) - 1);
	put_initial(&datagram, &small, &ping);
	put_initial(&datagram, &rfc_plan, &frames);
	fake_datagram(&c, SIDE_A, datagram.at, datagram.n);
	expect_rfc_hello(0);
}

/* ---- what is refused ---- */

static void nothing_that_does_not_authenticate_is_read(void **state)
{
	(void)state;
	struct bytes datagram = { .n = 0 }, frames = { .n = 0 };

	put(&frames, rfc_crypto, sizeof(rfc_crypto) - 1);
	put_initial(&datagram, &rfc_plan, &frames);
	for (size_t i = 0; i < datagram.n; i++) {
		datagram.at[i] ^= 0x10;
		reopen();
		fake_datagram(&c, SIDE_A, datagram.at, datagram.n);
		assert_int_equal(fake_count(&c, SIDE_A), 0);
		datagram.at[i] ^= 0x10;
	}
	for (size_t n = 0; n < datagram.n; n++) {
		reopen();
		fake_datagram(&c, SIDE_A, datagram.at, n);
		assert_int_equal(fake_count(&c, SIDE_A), 0);
	}
}

static void frames_that_lie_are_not_read(void **state)
{
	(void)state;
	struct bytes frames = { .n = 0 };
	struct packet_plan plan = rfc_plan;

	put(&frames, rfc_crypto, sizeof(rfc_crypto) - 1);
	plan.padded = 0;
	for (size_t i = 0; i < 8; i++) {
		struct bytes lying = frames;

		lying.at[i] = 0xff;
		reopen();
		say_packet(SIDE_A, &plan, &lying);
		assert_true(fake_count(&c, SIDE_A) <= 1);
	}
}

static void strange_packets_end_the_reading(void **state)
{
	(void)state;
	for (int i = 0; i < 8; i++) {
		assert_false(c.opaque);
		fake_say(&c, SIDE_A, "");
		fake_datagram(&c, SIDE_A, "\x41 one with a short header", 24);
	}
	assert_true(c.opaque);
}

static void holes_without_end_are_not_remembered(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 40 && !c.opaque; i++) {
		struct packet_plan plan = rfc_plan;
		struct bytes frames = { .n = 0 };

		plan.number = i;
		put_crypto(&frames, rfc_crypto + RFC_HELLO_AT, 4 * i + 2, 1);
		say_packet(SIDE_A, &plan, &frames);
	}
	assert_true(c.opaque);
	assert_int_equal(fake_count(&c, SIDE_A), 0);
}

/* ---- probe ---- */

static enum guess guess(const void *bytes, size_t n)
{
	struct guarded g;
	enum guess answer;

	guarded_init(&g, n + 1);
	answer = dissector_quic.datagrams->probe(slice_of(guarded_put(&g, bytes, n), n), 443);
	guarded_fini(&g);
	return answer;
}

static void probe_says_yes_to_initial_packets_and_to_nothing_else(void **state)
{
	(void)state;
	struct bytes datagram = { .n = 0 }, frames = { .n = 0 };

	put(&frames, rfc_crypto, sizeof(rfc_crypto) - 1);
	put_initial(&datagram, &rfc_plan, &frames);
	assert_int_equal(guess(datagram.at, 256), GUESS_YES);
	assert_int_equal(guess(datagram.at, 14), GUESS_NO); /* cut */
	assert_int_equal(guess("\xc0\x00\x00\x00\x02\x08xxxxxxxx\x00", 15),
			 GUESS_NO); /* no such version */
	assert_int_equal(guess("\xe0\x00\x00\x00\x01\x08xxxxxxxx\x00", 15),
			 GUESS_NO); /* a Handshake packet */
	assert_int_equal(guess("\xc0\x00\x00\x00\x01\x15xxxxxxxxxxxxxxxxxxxxx\x00", 28),
			 GUESS_NO); /* the id is too long */
	assert_int_equal(guess("\x40 a short header", 16), GUESS_NO);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, open_conn, free_conn)
		TEST(the_packet_of_the_rfc_is_read),
		TEST(version_2_has_its_own_labels_and_types),
		TEST(the_server_answers),
		TEST(the_fixed_bit_may_be_any),
		TEST(pieces_in_any_order_are_one_hello),
		TEST(after_a_retry_the_keys_are_new),
		TEST(a_hello_retry_is_followed_by_a_second_pair),
		TEST(several_packets_share_a_datagram),
		TEST(nothing_that_does_not_authenticate_is_read),
		TEST(frames_that_lie_are_not_read),
		TEST(strange_packets_end_the_reading),
		TEST(holes_without_end_are_not_remembered),
		TEST(probe_says_yes_to_initial_packets_and_to_nothing_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
