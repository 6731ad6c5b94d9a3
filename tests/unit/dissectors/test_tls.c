/* Proves of dissectors/tls.c and tls_hello.c:
 *   - a ClientHello is a request and a ServerHello its response, with the fields and fingerprints
 *     that others compute for the same bytes, however records and segments cut them;
 *   - HelloRetryRequest, resumption, certificates before TLS 1.3, fatal alerts, early data;
 *   - what is encrypted is counted as opaque and never read;
 *   - lengths that lie are an anomaly, not an overrun; pieces of one byte cost their bytes once;
 *   - probe() says yes to a hello's record and to nothing else.
 * Every input ends at an unreadable page (fake_host.h).
 */
#include "tests/support/check.h"

#include <stdlib.h>
#include <time.h>

#include "dissectors/tls_hello.h"
#include "tests/support/fake_host.h"
#include "tests/support/hello.h"

extern const struct dissector dissector_tls;

static struct conn c;

static const struct bytes nothing = { .n = 0 };
static const uint8_t plain_random[32] = { 1, 2, 3 };
static const uint8_t retry_random[32] = {
	0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c,
	0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb,
	0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
};

static int open_conn(void **state)
{
	(void)state;
	fake_open(&c, &dissector_tls, NULL);
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
	fake_open(&c, &dissector_tls, NULL);
}

static const char *fields_of(enum side side, uint32_t n)
{
	const struct message *m = fake_message(&c, side, n);

	assert_non_null(m);
	assert_true(m->ended);
	return m->fields == NULL ? "" : m->fields;
}

static void expect_has(enum side side, uint32_t n, const char *part)
{
	if (strstr(fields_of(side, n), part) == NULL)
		fail_msg("\"%s\" is not in \"%s\"", part, fields_of(side, n));
}

static void expect_lacks(enum side side, uint32_t n, const char *part)
{
	if (strstr(fields_of(side, n), part) != NULL)
		fail_msg("\"%s\" is in \"%s\"", part, fields_of(side, n));
}

/* ---- messages ---- */

/* The hello of a widespread browser, whose JA4 the specification gives as its example. */
static void browser_hello(struct bytes *stream)
{
	static const uint16_t ciphers[] = { 0x0a0a, 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f,
					    0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014,
					    0x009c, 0x009d, 0x002f, 0x0035 };
	static const uint16_t groups[] = { 0x1a1a, 0x001d, 0x0017, 0x0018 };
	static const uint16_t signatures[] = { 0x0403, 0x0804, 0x0401, 0x0503,
					       0x0805, 0x0501, 0x0806, 0x0601 };
	static const uint16_t versions[] = { 0x2a2a, 0x0304, 0x0303 };
	struct bytes x = { .n = 0 }, points = { .at = { 1, 0 }, .n = 2 },
		     any = { .at = { 0 }, .n = 1 };

	put_extension(&x, 0x3a3a, &nothing);
	put_server_name(&x, "www.example.org");
	put_extension(&x, 0x0017, &nothing);
	put_extension(&x, 0xff01, &any);
	put_u16s(&x, 0x000a, 2, groups, 4);
	put_extension(&x, 0x000b, &points);
	put_extension(&x, 0x0023, &nothing);
	put_alpn(&x, "\x02h2\x08http/1.1");
	put_extension(&x, 0x0005, &any);
	put_u16s(&x, 0x000d, 2, signatures, 8);
	put_extension(&x, 0x0012, &nothing);
	put_extension(&x, 0x0033, &any);
	put_extension(&x, 0x002d, &any);
	put_u16s(&x, 0x002b, 1, versions, 3);
	put_extension(&x, 0x001b, &any);
	put_extension(&x, 0x4469, &any);
	put_extension(&x, 0x0015, &nothing);
	put_client_hello(stream, ciphers, 16, &nothing, &x);
}

static void plain_hello(struct bytes *stream, const char *session_id)
{
	static const uint16_t ciphers[] = { 0xc02f, 0x002f };
	struct bytes id = { .n = 0 };

	put(&id, session_id, strlen(session_id));
	put_client_hello(stream, ciphers, 2, &id, &nothing);
}

static void answer_13(struct bytes *stream)
{
	static const uint8_t version[] = { 3, 4 };
	struct bytes x = { .n = 0 }, v = { .n = 0 };

	put(&v, version, 2);
	put_extension(&x, 0x0033, &nothing);
	put_extension(&x, 0x002b, &v);
	put_server_hello(stream, 0x1301, &nothing, plain_random, &x);
}

static void say(enum side side, const struct bytes *stream, size_t fragment)
{
	struct bytes records = { .n = 0 };

	put_records(&records, stream, fragment);
	fake_feed(&c, side, records.at, records.n);
}

/* X.509 as far as it is read. `names`: a SEQUENCE of SETs, whole. */
static void put_der(struct bytes *b, uint8_t tag, const struct bytes *v)
{
	put_be(b, tag, 1);
	if (v->n < 0x80) {
		put_be(b, v->n, 1);
	} else {
		put_be(b, 0x82, 1);
		put_be(b, v->n, 2);
	}
	put(b, v->at, v->n);
}

static void put_name(struct bytes *b, const char *organisation, const char *common)
{
	struct bytes names = { .n = 0 };
	const char *value[] = { organisation, common };
	const uint8_t type[] = { 10, 3 };

	for (int i = 0; i < 2; i++) {
		struct bytes pair = { .n = 0 }, set = { .n = 0 }, v = { .n = 0 },
			     oid = { .at = { 0x55, 4, type[i] }, .n = 3 };

		put(&v, value[i], strlen(value[i]));
		put_der(&pair, 0x06, &oid);
		put_der(&pair, 0x0c, &v);
		put_der(&set, 0x30, &pair);
		put_der(&names, 0x31, &set);
	}
	put_der(b, 0x30, &names);
}

static void certificate(struct bytes *stream)
{
	struct bytes tbs = { .n = 0 }, whole = { .n = 0 }, sequence = { .n = 0 }, body = { .n = 0 },
		     list = { .n = 0 };
	struct bytes version = { .at = { 2, 1, 2 }, .n = 3 }, serial = { .at = { 9 }, .n = 1 };

	put_der(&tbs, 0xa0, &version);
	put_der(&tbs, 0x02, &serial);
	put_der(&tbs, 0x30, &nothing);
	put_name(&tbs, "Some Authority", "Root 1");
	put_der(&tbs, 0x30, &nothing);
	put_name(&tbs, "Some Company", "www.example.org");
	put_der(&sequence, 0x30, &tbs);
	put_der(&whole, 0x30, &sequence);
	put_vector(&list, 3, &whole);
	put_vector(&body, 3, &list);
	put_handshake(stream, TLS_CERTIFICATE, &body);
}

/* ---- what is understood ---- */

static void hellos_become_a_pair_with_the_fingerprints_that_others_compute(void **state)
{
	(void)state;
	struct bytes client = { .n = 0 }, server = { .n = 0 };

	browser_hello(&client);
	say(SIDE_A, &client, 16384);
	answer_13(&server);
	say(SIDE_B, &server, 16384);
	expect_has(SIDE_A, 0,
		   "method=ClientHello target=www.example.org alpn=h2 alpn=http/1.1 versions=1.3 "
		   "versions=1.2 ciphers=15");
	expect_has(SIDE_A, 0, "ja4=t13d1516h2_8daaf6152771_e5627efa2ab1");
	expect_has(SIDE_B, 0, "code=1.3 TLS_AES_128_GCM_SHA256 version=1.3 cipher=0x1301");
	/* MD5 of "771,4865,51-43" */
	expect_has(SIDE_B, 0, "ja3s=eb1d94daa7e0344597e756a1fb6e7054");
	assert_int_equal(fake_message(&c, SIDE_B, 0)->answers, 0);
	assert_true(c.opaque);
}

static void the_bytes_may_be_cut_in_any_way(void **state)
{
	(void)state;
	static const size_t fragments[] = { 1, 2, 3, 5, 38, 100, 16384 };
	struct bytes client = { .n = 0 }, server = { .n = 0 };
	char *whole = NULL;

	browser_hello(&client);
	answer_13(&server);
	for (size_t i = 0; i < 2 * sizeof(fragments) / sizeof(fragments[0]); i++) {
		struct bytes a = { .n = 0 }, b = { .n = 0 };
		uint64_t seed = i + 1;
		const struct message *m;

		put_records(&a, &client, fragments[i / 2]);
		put_records(&b, &server, fragments[i / 2]);
		reopen();
		if (i % 2 == 0) {
			fake_feed_bytewise(&c, SIDE_A, a.at, a.n);
			fake_feed_bytewise(&c, SIDE_B, b.at, b.n);
		} else {
			fake_feed_both(&c, slice_of(a.at, a.n), slice_of(b.at, b.n), 40, &seed);
		}
		m = fake_message(&c, SIDE_A, 0);
		assert_non_null(m);
		assert_non_null(fake_message(&c, SIDE_B, 0));
		if (whole == NULL)
			whole = strdup(m->fields);
		assert_string_equal(m->fields, whole);
		assert_int_equal(fake_count(&c, SIDE_A), 1);
	}
	free(whole);
}

static void a_part_of_a_hello_is_no_message(void **state)
{
	(void)state;
	struct bytes client = { .n = 0 }, records = { .n = 0 };

	browser_hello(&client);
	put_records(&records, &client, 100);
	for (size_t n = 0; n < records.n; n++) {
		reopen();
		fake_feed(&c, SIDE_A, records.at, n);
		assert_int_equal(fake_count(&c, SIDE_A), 0);
		fake_close_both(&c);
		assert_int_equal(fake_count(&c, SIDE_A), 0);
	}
}

static void a_retry_is_followed_by_a_second_pair(void **state)
{
	(void)state;
	static const uint8_t version[] = { 3, 4 }, cipher_change[] = { 1 };
	struct bytes client = { .n = 0 }, retry = { .n = 0 }, server = { .n = 0 }, x = { .n = 0 },
		     v = { .n = 0 };
	struct bytes change = { .n = 0 };

	put(&v, version, 2);
	put_extension(&x, 0x002b, &v);
	browser_hello(&client);
	put_server_hello(&retry, 0x1302, &nothing, retry_random, &x);
	answer_13(&server);
	put_record(&change, 20, cipher_change, 1);
	say(SIDE_A, &client, 16384);
	say(SIDE_B, &retry, 16384);
	fake_feed(&c, SIDE_B, change.at, change.n);
	fake_feed(&c, SIDE_A, change.at, change.n);
	say(SIDE_A, &client, 16384);
	say(SIDE_B, &server, 16384);
	expect_has(SIDE_B, 0, "retry=hello_retry_request");
	expect_lacks(SIDE_B, 1, "retry=");
	assert_int_equal(fake_message(&c, SIDE_B, 1)->answers, 1);
	assert_true(c.opaque);
}

static void a_certificate_adds_its_subject(void **state)
{
	(void)state;
	struct bytes client = { .n = 0 }, server = { .n = 0 };

	plain_hello(&client, "");
	say(SIDE_A, &client, 16384);
	put_server_hello(&server, 0xc02f, &nothing, plain_random, &nothing);
	certificate(&server);
	say(SIDE_B, &server, 60);
	expect_has(SIDE_B, 0, "code=1.2 TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256");
	expect_has(SIDE_B, 0,
		   "subject=O=Some Company, CN=www.example.org issuer=O=Some Authority, CN=Root 1");
	assert_true(c.opaque);
}

static void a_session_that_goes_on_has_no_certificate(void **state)
{
	(void)state;
	struct bytes client = { .n = 0 }, server = { .n = 0 }, id = { .at = "sess", .n = 4 };

	plain_hello(&client, "sess");
	say(SIDE_A, &client, 16384);
	put_server_hello(&server, 0xc02f, &id, plain_random, &nothing);
	say(SIDE_B, &server, 16384);
	expect_has(SIDE_A, 0, "offers=session_id");
	expect_has(SIDE_B, 0, "resumed=session_id");
	assert_true(c.opaque);
}

static void another_session_id_is_a_new_session(void **state)
{
	(void)state;
	struct bytes client = { .n = 0 }, server = { .n = 0 }, id = { .at = "other", .n = 5 };

	plain_hello(&client, "sess");
	say(SIDE_A, &client, 16384);
	put_server_hello(&server, 0xc02f, &id, plain_random, &nothing);
	put_handshake(&server, TLS_SERVER_HELLO_DONE, &nothing);
	say(SIDE_B, &server, 16384);
	expect_lacks(SIDE_B, 0, "resumed=");
}

static void a_fatal_alert_is_the_answer(void **state)
{
	(void)state;
	static const uint8_t fatal[] = { 2, 40 };
	struct bytes client = { .n = 0 }, alert = { .n = 0 };

	plain_hello(&client, "");
	say(SIDE_A, &client, 16384);
	put_record(&alert, 21, fatal, 2);
	fake_feed_bytewise(&c, SIDE_B, alert.at, alert.n);
	assert_string_equal(fields_of(SIDE_B, 0), "code=alert handshake_failure");
	assert_true(fake_message(&c, SIDE_B, 0)->failed);
	assert_int_equal(fake_message(&c, SIDE_B, 0)->answers, 0);
}

static void a_warning_answers_nothing(void **state)
{
	(void)state;
	static const uint8_t warning[] = { 1, 112 };
	struct bytes client = { .n = 0 }, alert = { .n = 0 }, server = { .n = 0 };

	plain_hello(&client, "");
	say(SIDE_A, &client, 16384);
	put_record(&alert, 21, warning, 2);
	fake_feed(&c, SIDE_B, alert.at, alert.n);
	assert_int_equal(fake_count(&c, SIDE_B), 0);
	answer_13(&server);
	say(SIDE_B, &server, 16384);
	assert_int_equal(fake_message(&c, SIDE_B, 0)->answers, 0);
}

static void early_data_does_not_hide_the_answer(void **state)
{
	(void)state;
	struct bytes client = { .n = 0 }, server = { .n = 0 }, data = { .n = 0 };
	static const uint8_t secret[300];

	browser_hello(&client);
	say(SIDE_A, &client, 16384);
	put_record(&data, 23, secret, sizeof(secret));
	fake_feed(&c, SIDE_A, data.at, data.n);
	fake_feed_bytewise(&c, SIDE_A, data.at, data.n);
	answer_13(&server);
	say(SIDE_B, &server, 16384);
	expect_has(SIDE_B, 0, "code=1.3");
}

/* ---- what is refused ---- */

static void encrypted_sides_are_opaque(void **state)
{
	(void)state;
	struct bytes data = { .n = 0 };
	static const uint8_t secret[300];

	put_record(&data, 23, secret, sizeof(secret));
	fake_feed(&c, SIDE_A, data.at, data.n);
	assert_false(c.opaque);
	fake_feed(&c, SIDE_B, data.at, data.n);
	assert_true(c.opaque);
	assert_int_equal(fake_count(&c, SIDE_A) + fake_count(&c, SIDE_B), 0);
}

static void other_bytes_end_the_reading(void **state)
{
	(void)state;
	fake_say(&c, SIDE_A, "GET / HTTP/1.1\r\n\r\n");
	assert_true(c.opaque);
	assert_int_equal(fake_count(&c, SIDE_A), 0);
}

/* Every byte of the hello is once made larger: nothing is read beyond it, and it ends. */
static void lengths_that_lie_are_an_anomaly(void **state)
{
	(void)state;
	struct bytes client = { .n = 0 }, records = { .n = 0 };
	uint32_t anomalies = 0;

	browser_hello(&client);
	put_records(&records, &client, 16384);
	for (size_t i = 9; i < records.n; i++) {
		uint8_t kept = records.at[i];

		records.at[i] = 0xff;
		reopen();
		fake_feed(&c, SIDE_A, records.at, records.n);
		assert_int_equal(fake_count(&c, SIDE_A), 1);
		if ((fake_message(&c, SIDE_A, 0)->flags & FLAG_anomaly) != 0) {
			assert_string_equal(fields_of(SIDE_A, 0), "method=ClientHello");
			anomalies++;
		}
		records.at[i] = kept;
	}
	assert_true(anomalies > 20);
}

static void a_certificate_that_lies_is_left_out(void **state)
{
	(void)state;
	struct bytes client = { .n = 0 }, hello = { .n = 0 }, chain = { .n = 0 };

	plain_hello(&client, "");
	put_server_hello(&hello, 0xc02f, &nothing, plain_random, &nothing);
	certificate(&chain);
	for (size_t i = 4; i < chain.n; i++) {
		struct bytes server = hello, lying = chain;

		lying.at[i] = 0xff;
		put(&server, lying.at, lying.n);
		reopen();
		say(SIDE_A, &client, 16384);
		say(SIDE_B, &server, 16384);
		expect_has(SIDE_B, 0, "code=1.2");
	}
}

static void after_a_hole_nothing_is_read(void **state)
{
	(void)state;
	struct bytes client = { .n = 0 }, records = { .n = 0 };

	browser_hello(&client);
	put_records(&records, &client, 100);
	fake_feed(&c, SIDE_A, records.at, 50);
	fake_gap(&c, SIDE_A, 20);
	fake_feed(&c, SIDE_A, records.at + 70, records.n - 70);
	assert_int_equal(fake_count(&c, SIDE_A), 0);
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* A message of 10,000 records of one byte each, fed bytewise: walked once, not once per byte. */
static void pieces_of_one_byte_cost_their_bytes_once(void **state)
{
	(void)state;
	static uint8_t flood[6 * 10004];
	struct fake_settings settings = { .in_place = true };
	double begun = seconds();

	for (size_t i = 0; i < sizeof(flood); i++)
		flood[i] = (uint8_t[]){ 22, 3, 1, 0, 1, 0 }[i % 6];
	flood[5] = TLS_CLIENT_HELLO;
	flood[6 * 2 + 5] = 10000 >> 8;
	flood[6 * 3 + 5] = 10000 & 0xff;
	fake_free(&c);
	fake_open(&c, &dissector_tls, &settings);
	fake_feed_bytewise(&c, SIDE_A, flood, sizeof(flood));
	assert_int_equal(fake_count(&c, SIDE_A), 1);
	assert_true(seconds() - begun < 2);
}

/* ---- probe ---- */

static enum guess guess(const void *bytes, size_t n)
{
	struct guarded g;
	enum guess answer;

	guarded_init(&g, n + 1);
	answer = dissector_tls.probe(slice_of(guarded_put(&g, bytes, n), n), 80);
	guarded_fini(&g);
	return answer;
}

static void probe_says_yes_to_hellos_and_to_nothing_else(void **state)
{
	(void)state;
	struct bytes client = { .n = 0 }, records = { .n = 0 }, pieces = { .n = 0 };

	browser_hello(&client);
	put_records(&records, &client, 16384);
	put_records(&pieces, &client, 1);
	for (size_t n = 0; n < 9; n++)
		assert_int_equal(guess(records.at, n), GUESS_MORE);
	assert_int_equal(guess(records.at, 9), GUESS_YES);
	assert_int_equal(guess(pieces.at, 6), GUESS_YES);
	assert_int_equal(guess("\x16\x03\x01\x02\x00\x0b", 6), GUESS_NO);
	assert_int_equal(guess("\x16\x03\x01\xff\xff\x01\x00\x00\x80", 9), GUESS_NO);
	assert_int_equal(guess("\x16\x03\x01\x02\x00\x01\x00\x00\x03", 9), GUESS_NO);
	assert_int_equal(guess("\x17\x03\x03\x01\x00", 5), GUESS_NO);
	assert_int_equal(guess("GET / HTTP/1.1", 14), GUESS_NO);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, open_conn, free_conn)
		TEST(hellos_become_a_pair_with_the_fingerprints_that_others_compute),
		TEST(the_bytes_may_be_cut_in_any_way),
		TEST(a_part_of_a_hello_is_no_message),
		TEST(a_retry_is_followed_by_a_second_pair),
		TEST(a_certificate_adds_its_subject),
		TEST(a_session_that_goes_on_has_no_certificate),
		TEST(another_session_id_is_a_new_session),
		TEST(a_fatal_alert_is_the_answer),
		TEST(a_warning_answers_nothing),
		TEST(early_data_does_not_hide_the_answer),
		TEST(encrypted_sides_are_opaque),
		TEST(other_bytes_end_the_reading),
		TEST(lengths_that_lie_are_an_anomaly),
		TEST(a_certificate_that_lies_is_left_out),
		TEST(after_a_hole_nothing_is_read),
		TEST(pieces_of_one_byte_cost_their_bytes_once),
		TEST(probe_says_yes_to_hellos_and_to_nothing_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
