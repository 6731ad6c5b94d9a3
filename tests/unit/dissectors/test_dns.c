/* Proves of dissectors/dns.c:
 *
 *   - questions, answers of all common types, EDNS and flags become fields, over UDP and TCP;
 *   - a response answers the request with its id and its question, in any order; a request sent
 *     again is counted; multicast DNS and LLMNR are one-way; a zone transfer is one response;
 *   - names that point forward, in circles or too often are refused, whatever is claimed is
 * checked;
 *   - the same messages however TCP cuts them; no beginning of a message is taken for it.
 */
#include <stdio.h>

#include "tests/support/check.h"

#include "tests/support/fake_host.h"

extern const struct dissector dissector_dns;

/* ---- messages, put together ---- */

enum { ROOM = 65600 };

struct made {
	uint8_t at[ROOM];
	size_t bytes;
};

static void put8(struct made *m, unsigned v)
{
	assert_true(m->bytes < ROOM);
	m->at[m->bytes++] = (uint8_t)v;
}

static void put16(struct made *m, unsigned v)
{
	put8(m, v >> 8 & 0xff);
	put8(m, v & 0xff);
}

static void put32(struct made *m, unsigned v)
{
	put16(m, v >> 16);
	put16(m, v & 0xffff);
}

static void put_bytes(struct made *m, const void *at, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		put8(m, ((const uint8_t *)at)[i]);
}

/* "a.b" as labels; "" is the root. */
static void put_name(struct made *m, const char *name)
{
	while (*name != 0) {
		size_t n = strcspn(name, ".");

		put8(m, (unsigned)n);
		put_bytes(m, name, n);
		name += n + (name[n] == '.');
	}
	put8(m, 0);
}

static void begin(struct made *m, unsigned id, unsigned flags, unsigned qd, unsigned an,
		  unsigned ns, unsigned ar)
{
	m->bytes = 0;
	put16(m, id);
	put16(m, flags);
	put16(m, qd);
	put16(m, an);
	put16(m, ns);
	put16(m, ar);
}

static void put_question(struct made *m, const char *name, unsigned type)
{
	put_name(m, name);
	put16(m, type);
	put16(m, 1);
}

/* A record whose name points to the question, or is `name`. */
static void put_record(struct made *m, const char *name, unsigned type, unsigned ttl,
		       const void *data, size_t bytes)
{
	if (name == NULL)
		put16(m, 0xc00c);
	else
		put_name(m, name);
	put16(m, type);
	put16(m, 1);
	put32(m, ttl);
	put16(m, (unsigned)bytes);
	put_bytes(m, data, bytes);
}

static struct made made;
static struct conn c;

static void query(unsigned id, const char *name, unsigned type)
{
	begin(&made, id, 0x0100, 1, 0, 0, 0);
	put_question(&made, name, type);
}

static void answer(unsigned id, const char *name, unsigned type, unsigned answers)
{
	begin(&made, id, 0x8180, 1, answers, 0, 0);
	put_question(&made, name, type);
}

static void send(enum side side)
{
	fake_datagram(&c, side, made.at, made.bytes);
}

static const char *fields_of(enum side side, uint32_t n)
{
	struct message *m = fake_message(&c, side, n);

	assert_non_null(m);
	assert_true(m->ended);
	return m->fields;
}

static int open_conn(void **state)
{
	(void)state;
	fake_open(&c, &dissector_dns, NULL);
	return 0;
}

static int free_conn(void **state)
{
	(void)state;
	fake_free(&c);
	return 0;
}

static void reopen(const struct fake_settings *s)
{
	fake_free(&c);
	fake_open(&c, &dissector_dns, s);
}

/* ---- what is understood ---- */

static void a_question_and_its_answer_become_messages(void **state)
{
	(void)state;
	query(0x1234, "www.Example.com", 1);
	send(SIDE_A);
	answer(0x1234, "www.example.com", 1, 2);
	put_record(&made, NULL, 1, 300, "\x0a\x00\x00\x01", 4);
	put_record(&made, NULL, 1, 60, "\x0a\x00\x00\x02", 4);
	send(SIDE_B);
	assert_string_equal(fields_of(SIDE_A, 0),
			    "method=A target=www.Example.com id=4660 flags=rd");
	assert_string_equal(fields_of(SIDE_B, 0),
			    "method=A target=www.example.com id=4660 answer_count=2 "
			    "answers=www.example.com A 10.0.0.1 answers=www.example.com A 10.0.0.2 "
			    "ttl=60 flags=rd flags=ra code=NOERROR");
	assert_int_equal(fake_message(&c, SIDE_B, 0)->answers, 0);
	assert_false(fake_message(&c, SIDE_B, 0)->failed);
	assert_int_equal(fake_message(&c, SIDE_B, 0)->head_bytes, made.bytes);
	assert_int_equal(c.opaque_bytes, 0);
}

/* One answer of a type, and what it reads like. */
static void expect_data(unsigned type, const void *data, size_t bytes, const char *wanted)
{
	char text[512];

	reopen(NULL);
	answer(1, "x", type, 1);
	put_record(&made, NULL, type, 5, data, bytes);
	send(SIDE_B);
	snprintf(text, sizeof(text), "answers=x %s ttl=5", wanted);
	if (strstr(fields_of(SIDE_B, 0), text) == NULL)
		fail_msg("wanted \"%s\" in \"%s\"", text, fields_of(SIDE_B, 0));
	assert_int_equal(fake_message(&c, SIDE_B, 0)->flags, 0);
}

#define DATA(bytes) bytes, sizeof(bytes) - 1

static void every_common_type_has_its_text(void **state)
{
	(void)state;
	expect_data(28, DATA("\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"), "AAAA 2001:db8::1");
	expect_data(28, DATA("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), "AAAA ::");
	expect_data(28, DATA("\0\1\0\0\0\2\0\3\0\4\0\5\0\6\0\0"), "AAAA 1:0:2:3:4:5:6:0");
	expect_data(2, DATA("\2ns\xc0\x0c"), "NS ns.x");
	expect_data(5, DATA("\1a\1b\0"), "CNAME a.b");
	expect_data(12, DATA("\0"), "PTR .");
	expect_data(39, DATA("\1d\0"), "DNAME d");
	expect_data(6, DATA("\1m\0\1r\0\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0\5"),
		    "SOA m r 1 2 3 4 5");
	expect_data(15, DATA("\0\x0a\2mx\xc0\x0c"), "MX 10 mx.x");
	expect_data(16, DATA("\5a \"b\\\1\x07"), "TXT \"a \\x5c\"b\\x5c\\x5c\" \"\\x5c007\"");
	expect_data(99, DATA("\2ab"), "SPF \"ab\"");
	expect_data(13, DATA("\3cpu\2os"), "HINFO \"cpu\" \"os\"");
	expect_data(33, DATA("\0\1\0\2\0\x50\1h\0"), "SRV 1 2 80 h");
	expect_data(35, DATA("\0\1\0\2\1s\1t\1u\0"), "NAPTR 1 2 \"s\" \"t\" \"u\" .");
	expect_data(43, DATA("\x12\x34\x08\x02\xab\xcd"), "DS 4660 8 2 abcd");
	expect_data(44, DATA("\1\2\xff"), "SSHFP 1 2 ff");
	expect_data(52, DATA("\3\1\1\x01"), "TLSA 3 1 1 01");
	expect_data(48, DATA("\1\1\3\x08\1\2\3\4"), "DNSKEY 257 3 8 AQIDBA==");
	expect_data(46, DATA("\0\1\x08\2\0\0\0\1\0\0\0\2\0\0\0\3\0\4\1z\0\xff\xff"),
		    "RRSIG A 8 2 1 2 3 4 z //8=");
	expect_data(47, DATA("\1n\0\0\2\x40\1\1\1\x40"), "NSEC n A MX CAA");
	expect_data(257, DATA("\0\5issueca.org"), "CAA 0 issue \"ca.org\"");
	expect_data(256, DATA("\0\1\0\2http://a"), "URI 1 2 \"http://a\"");
	expect_data(65, DATA("\0\1\0\0\1\0\6\2h2\2h3\0\3\0\2\1\xbb\0\4\0\4\1\2\3\4\0\5\0\1\xfe"),
		    "HTTPS 1 . alpn=h2,h3 port=443 ipv4hint=1.2.3.4 ech=fe");
	expect_data(64, DATA("\0\0\1s\0"), "SVCB 0 s");
	expect_data(17, DATA("\1m\0\1t\0"), "RP m t");
	expect_data(65280, DATA("\xca\xfe"), "TYPE65280 \\x5c# 2 cafe");
	expect_data(10, DATA(""), "NULL \\x5c# 0");
}

static void names_are_escaped(void **state)
{
	(void)state;
	begin(&made, 1, 0, 1, 0, 0, 0);
	put_bytes(&made, "\5a.b\\\xff\0", 7);
	put16(&made, 1);
	put16(&made, 3);
	send(SIDE_A);
	assert_string_equal(fields_of(SIDE_A, 0),
			    "method=A target=a\\x5c.b\\x5c\\x5c\\x5c255 id=1 class=CH");
}

static void edns_codes_and_opcodes_are_told(void **state)
{
	(void)state;
	begin(&made, 7, 0x0020, 1, 0, 0, 1);
	put_question(&made, "", 48);
	put_bytes(&made, "\0\0\x29\x04\xd0\0\1\x80\0\0\0", 11);
	send(SIDE_A);
	begin(&made, 7, 0x8000, 1, 0, 0, 1);
	put_question(&made, "", 48);
	put_bytes(&made, "\0\0\x29\x10\0\1\0\0\0\0\0", 11);
	send(SIDE_B);
	begin(&made, 8, 0xa80c, 1, 0, 0, 0);
	put_question(&made, "z", 6);
	send(SIDE_B);
	assert_string_equal(fields_of(SIDE_A, 0),
			    "method=DNSKEY target=. id=7 additional_count=1 "
			    "edns_size=1232 edns_version=1 flags=ad flags=do");
	assert_string_equal(fields_of(SIDE_B, 0), "method=DNSKEY target=. id=7 answer_count=0 "
						  "additional_count=1 edns_size=4096 code=BADVERS");
	assert_true(fake_message(&c, SIDE_B, 0)->failed);
	assert_string_equal(fields_of(SIDE_B, 1),
			    "method=SOA target=z id=8 opcode=UPDATE answer_count=0 code=RCODE12");
}

/* ---- who answers whom ---- */

static void id_and_question_choose_the_request(void **state)
{
	(void)state;
	query(1, "a", 1);
	send(SIDE_A);
	query(1, "b", 1);
	send(SIDE_A);
	query(2, "a", 1);
	send(SIDE_A);
	query(1, "a", 28);
	send(SIDE_A);
	answer(1, "A", 28, 0);
	send(SIDE_B);
	answer(2, "a", 1, 0);
	send(SIDE_B);
	answer(1, "c", 1, 0);
	send(SIDE_B);
	answer(1, "B", 1, 0);
	send(SIDE_B);
	assert_int_equal(fake_message(&c, SIDE_B, 0)->answers, 3);
	assert_int_equal(fake_message(&c, SIDE_B, 1)->answers, 2);
	assert_int_equal(fake_message(&c, SIDE_B, 2)->answers, -1);
	assert_int_equal(fake_message(&c, SIDE_B, 3)->answers, 1);
}

static void a_request_sent_again_is_counted_and_answered_once(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		query(9, "again", 1);
		send(SIDE_A);
	}
	for (int i = 0; i < 2; i++) {
		answer(9, "again", 1, 0);
		send(SIDE_B);
	}
	assert_int_equal(fake_count(&c, SIDE_A), 1);
	assert_int_equal(fake_message(&c, SIDE_A, 0)->again, 2);
	assert_int_equal(fake_message(&c, SIDE_B, 0)->answers, 0);
	assert_int_equal(fake_message(&c, SIDE_B, 1)->answers, -1);
}

static void an_answer_without_a_question_goes_by_its_id(void **state)
{
	(void)state;
	query(3, "a", 1);
	send(SIDE_A);
	begin(&made, 4, 0x8005, 0, 0, 0, 0);
	send(SIDE_B);
	begin(&made, 3, 0x8005, 0, 0, 0, 0);
	send(SIDE_B);
	assert_string_equal(fields_of(SIDE_B, 1), "id=3 questions=0 answer_count=0 code=REFUSED");
	assert_int_equal(fake_message(&c, SIDE_B, 0)->answers, -1);
	assert_int_equal(fake_message(&c, SIDE_B, 1)->answers, 0);
}

static void multicast_is_one_way(void **state)
{
	static const uint16_t ports[] = { 5353, 5355 };

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct fake_settings s = { .port = { ports[i], ports[i] } };

		reopen(&s);
		begin(&made, 0, 0, 2, 0, 0, 0);
		put_name(&made, "_http._tcp.local");
		put16(&made, 12);
		put16(&made, 0x8001);
		put_question(&made, "b.local", 1);
		send(SIDE_A);
		begin(&made, 0, 0x8400, 0, 1, 0, 0);
		put_record(&made, "b.local", 1, 120, "\x0a\0\0\1", 4);
		send(SIDE_A);
		assert_int_equal(fake_message(&c, SIDE_A, 0)->kind, MESSAGE_ONEWAY);
		assert_string_equal(fields_of(SIDE_A, 0),
				    "method=PTR target=_http._tcp.local id=0 questions=2 flags=qu");
		assert_int_equal(fake_message(&c, SIDE_A, 1)->kind, MESSAGE_ONEWAY);
		assert_string_equal(fields_of(SIDE_A, 1),
				    "id=0 questions=0 answer_count=1 answers=b.local A 10.0.0.1 "
				    "ttl=120 flags=aa code=NOERROR");
	}
}

/* ---- over TCP ---- */

static struct made stream;

static void put_message(void)
{
	put16(&stream, (unsigned)made.bytes);
	put_bytes(&stream, made.at, made.bytes);
}

static struct slice streamed(void)
{
	return slice_of(stream.at, stream.bytes);
}

static void over_tcp_it_is_the_same_however_it_is_cut(void **state)
{
	static struct made asked;
	uint64_t seed = 1;
	char *whole, *cut;

	(void)state;
	stream.bytes = 0;
	query(1, "a", 1);
	put_message();
	query(2, "b", 1);
	put_message();
	asked = stream;
	stream.bytes = 0;
	answer(2, "b", 1, 1);
	put_record(&made, NULL, 1, 1, "\1\2\3\4", 4);
	put_message();
	answer(1, "a", 1, 0);
	put_message();
	fake_feed(&c, SIDE_A, asked.at, asked.bytes);
	fake_feed(&c, SIDE_B, stream.at, stream.bytes);
	fake_close_both(&c);
	assert_int_equal(fake_message(&c, SIDE_B, 0)->answers, 1);
	assert_int_equal(fake_message(&c, SIDE_B, 1)->answers, 0);
	whole = fake_text(&c);
	for (int i = 0; i < 200; i++) {
		reopen(NULL);
		if (i == 0) {
			fake_feed_bytewise(&c, SIDE_A, asked.at, asked.bytes);
			fake_feed_bytewise(&c, SIDE_B, stream.at, stream.bytes);
		} else {
			for (size_t at = 0, n; at < asked.bytes; at += n) {
				n = 1 + (size_t)(fake_random(&seed) % 30);
				n = n < asked.bytes - at ? n : asked.bytes - at;
				fake_feed(&c, SIDE_A, asked.at + at, n);
			}
			fake_feed(&c, SIDE_B, stream.at, stream.bytes);
		}
		fake_close_both(&c);
		cut = fake_text(&c);
		assert_string_equal(cut, whole);
		free(cut);
	}
	free(whole);
}

static void no_beginning_of_a_message_is_taken_for_it(void **state)
{
	(void)state;
	answer(1, "abc", 1, 1);
	put_record(&made, NULL, 1, 1, "\1\2\3\4", 4);
	stream.bytes = 0;
	put_message();
	for (size_t n = 0; n < stream.bytes; n++) {
		reopen(NULL);
		fake_feed(&c, SIDE_B, stream.at, n);
		assert_int_equal(fake_count(&c, SIDE_B), 0);
	}
}

static void put_soa(unsigned serial)
{
	uint8_t data[22] = { 0, 0 };

	data[2] = (uint8_t)(serial >> 24);
	data[5] = (uint8_t)serial;
	put_record(&made, NULL, 6, 1, data, sizeof(data));
}

static void a_zone_transfer_is_one_response(void **state)
{
	(void)state;
	stream.bytes = 0;
	query(1, "z", 252);
	put_message();
	fake_feed(&c, SIDE_A, stream.at, stream.bytes);
	stream.bytes = 0;
	answer(1, "z", 252, 1);
	put_soa(5);
	put_message();
	begin(&made, 1, 0x8400, 0, 2, 0, 0);
	put_record(&made, "a.z", 1, 1, "\1\2\3\4", 4);
	put_record(&made, "b.z", 1, 1, "\1\2\3\5", 4);
	put_message();
	answer(1, "z", 252, 1);
	put_soa(5);
	put_message();
	answer(1, "z", 1, 0);
	put_message();
	fake_feed_bytewise(&c, SIDE_B, stream.at, stream.bytes);
	assert_int_equal(fake_count(&c, SIDE_B), 2);
	assert_non_null(
		strstr(fields_of(SIDE_B, 0), "answers=a.z A 1.2.3.4 answers=b.z A 1.2.3.5"));
	assert_non_null(strstr(fields_of(SIDE_B, 0), "messages=3"));
	assert_int_equal(fake_message(&c, SIDE_B, 0)->answers, 0);
	assert_int_equal(fake_message(&c, SIDE_B, 1)->answers, -1);
}

static void an_incremental_transfer_with_nothing_new_ends_at_once(void **state)
{
	(void)state;
	stream.bytes = 0;
	answer(1, "z", 251, 1);
	put_soa(5);
	put_message();
	fake_feed(&c, SIDE_B, stream.at, stream.bytes);
	assert_true(fake_message(&c, SIDE_B, 0)->ended);
}

static void a_transfer_is_ended_by_a_gap_and_by_the_end(void **state)
{
	(void)state;
	for (int gap = 0; gap < 2; gap++) {
		reopen(NULL);
		stream.bytes = 0;
		answer(1, "z", 252, 1);
		put_soa(5);
		put_message();
		fake_feed(&c, SIDE_B, stream.at, stream.bytes);
		assert_false(fake_message(&c, SIDE_B, 0)->ended);
		if (gap)
			fake_gap(&c, SIDE_B, 10);
		else
			fake_close_both(&c);
		assert_true(fake_message(&c, SIDE_B, 0)->ended);
		assert_int_equal(fake_message(&c, SIDE_B, 0)->flags, gap ? FLAG_gap_in_head : 0);
	}
}

static void a_message_over_the_head_limit_is_read_as_far_as_it_is_there(void **state)
{
	struct fake_settings s = { .head_bytes = 64 };

	(void)state;
	reopen(&s);
	stream.bytes = 0;
	answer(1, "z", 16, 2);
	put_record(&made, NULL, 16, 1, "\3abc", 4);
	put_record(&made, NULL, 16, 1,
		   "\144aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeee"
		   "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeee",
		   101);
	put_message();
	answer(2, "y", 1, 0);
	put_message();
	fake_feed_bytewise(&c, SIDE_B, stream.at, stream.bytes);
	assert_int_equal(fake_message(&c, SIDE_B, 0)->flags, FLAG_head_cut);
	assert_non_null(strstr(fields_of(SIDE_B, 0), "answers=z TXT \"abc\""));
	assert_non_null(strstr(fields_of(SIDE_B, 1), "target=y id=2"));
}

static void an_impossible_length_over_tcp_ends_the_reading(void **state)
{
	(void)state;
	fake_feed(&c, SIDE_A, "\0\x0b", 2);
	assert_true(c.opaque);
}

/* ---- what is refused ---- */

static void expect_anomaly(bool wanted)
{
	send(SIDE_B);
	assert_int_equal(fake_message(&c, SIDE_B, 0)->flags, wanted ? FLAG_anomaly : 0);
	reopen(NULL);
}

static void names_that_never_end_are_refused(void **state)
{
	(void)state;
	begin(&made, 1, 0x8000, 1, 0, 0, 0); /* to itself */
	put_bytes(&made, "\xc0\x0c\0\1\0\1", 6);
	expect_anomaly(true);
	begin(&made, 1, 0x8000, 1, 0, 0, 0); /* a label, and back to it */
	put_bytes(&made, "\1a\xc0\x0c\0\1\0\1", 8);
	expect_anomaly(true);
	begin(&made, 1, 0x8000, 1, 0, 0, 0); /* forward */
	put_bytes(&made, "\xc0\x12\0\1\0\1\1a\0", 9);
	expect_anomaly(true);
	begin(&made, 1, 0x8000, 1, 0, 0, 0); /* into the header */
	put_bytes(&made, "\xc0\x02\0\1\0\1", 6);
	expect_anomaly(true);
	begin(&made, 1, 0x8000, 1, 0, 0, 0); /* a label of a kind that nobody knows */
	put_bytes(&made, "\x80\0\0\1\0\1", 6);
	expect_anomaly(true);
}

static void long_names_are_refused(void **state)
{
	char name[260];

	(void)state;
	memset(name, 'a', sizeof(name));
	for (int i = 50; i < 250; i += 51)
		name[i] = '.';
	name[253] = 0; /* 255 on the wire */
	answer(1, name, 1, 0);
	expect_anomaly(false);
	name[253] = 'a';
	name[254] = 0;
	answer(1, name, 1, 0);
	expect_anomaly(true);
}

/* A chain of pointers, each to the one before. */
static void chain(unsigned pointers)
{
	answer(1, "x", 10, 2);
	put_record(&made, NULL, 10, 1, NULL, 0);
	made.bytes -= 2;
	put16(&made, 2 * pointers);
	for (unsigned i = 0, before = 12; i < pointers; i++) {
		unsigned at = (unsigned)made.bytes;

		put16(&made, 0xc000 | before);
		before = at;
	}
	put16(&made, 0xc000 | (unsigned)(made.bytes - 2));
	put_bytes(&made, "\0\1\0\1\0\0\0\0\0\4\1\2\3\4", 14);
}

static void pointers_in_a_chain_are_followed_so_many_times(void **state)
{
	(void)state;
	chain(63);
	send(SIDE_B);
	assert_non_null(strstr(fields_of(SIDE_B, 0), "answers=x A 1.2.3.4"));
	reopen(NULL);
	chain(64);
	expect_anomaly(true);
}

static void claims_beyond_the_message_are_flagged(void **state)
{
	(void)state;
	answer(1, "x", 1, 1);
	expect_anomaly(true); /* no record is there */
	answer(1, "x", 1, 1);
	put_record(&made, NULL, 1, 1, "\1\2\3\4", 4);
	made.bytes--;
	expect_anomaly(true); /* data too short */
	answer(1, "x", 1, 1);
	put_record(&made, NULL, 1, 1, "\1\2\3", 3);
	expect_anomaly(true); /* no address */
	answer(1, "x", 1, 0);
	put8(&made, 0);
	expect_anomaly(true); /* a byte more */
	begin(&made, 1, 0x8200, 1, 3, 0, 0);
	put_question(&made, "x", 1);
	expect_anomaly(false); /* truncated, and says so */
}

static void what_the_capture_has_cut_is_no_anomaly(void **state)
{
	(void)state;
	answer(1, "x", 1, 1);
	put_record(&made, NULL, 1, 1, "\1\2\3\4", 4);
	fake_datagram_cut(&c, SIDE_B, made.at, made.bytes - 3);
	assert_int_equal(fake_message(&c, SIDE_B, 0)->flags, FLAG_head_cut);
}

static void every_beginning_and_every_broken_byte_is_survived(void **state)
{
	uint64_t seed = 3;
	static struct made good;

	(void)state;
	answer(1, "www.example.com", 1, 3);
	put_record(&made, NULL, 65, 1, DATA("\0\1\0\0\1\0\6\2h2\2h3\0\3\0\2\1\xbb"));
	put_record(&made, NULL, 6, 1, DATA("\1m\0\1r\0\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0\5"));
	put_record(&made, NULL, 47, 1, DATA("\1n\0\0\2\x40\1\1\1\x40"));
	good = made;
	for (size_t n = 0; n <= good.bytes; n++) {
		reopen(NULL);
		fake_datagram(&c, SIDE_B, good.at, n);
		assert_int_equal(fake_count(&c, SIDE_B), n >= 12);
		dissector_dns.datagrams->probe(slice_of(good.at, n), 53);
	}
	for (int i = 0; i < 20000; i++) {
		made = good;
		for (int k = 0; k < 3; k++)
			made.at[fake_random(&seed) % made.bytes] = (uint8_t)fake_random(&seed);
		reopen(NULL);
		fake_datagram(&c, SIDE_B, made.at, made.bytes);
		dissector_dns.datagrams->probe(slice_of(made.at, made.bytes), 53);
	}
}

/* ---- identification ---- */

static enum guess probe_datagram(void)
{
	return dissector_dns.datagrams->probe(
		slice_of(made.at, made.bytes < 256 ? made.bytes : 256), 40000);
}

static void datagrams_are_known_by_their_shape(void **state)
{
	(void)state;
	query(1, "www.example.com", 1);
	assert_int_equal(probe_datagram(), GUESS_YES);
	answer(1, "www.example.com", 1, 1);
	put_record(&made, NULL, 1, 300, "\x0a\x00\x00\x01", 4);
	assert_int_equal(probe_datagram(), GUESS_YES);
	begin(&made, 0, 0x8400, 0, 1, 0, 0);
	put_record(&made, "b.local", 1, 120, "\x0a\0\0\1", 4);
	assert_int_equal(probe_datagram(), GUESS_YES);
	begin(&made, 1, 0x8200, 1, 30, 0, 0);
	put_question(&made, "truncated", 1);
	assert_int_equal(probe_datagram(), GUESS_YES);
}

static void what_cannot_be_a_message_is_no(void **state)
{
	(void)state;
	query(1, "a", 1);
	made.at[2] = 0x78; /* opcode 15 */
	assert_int_equal(probe_datagram(), GUESS_NO);
	query(1, "a", 1);
	made.at[3] = 0x03; /* a question that failed */
	assert_int_equal(probe_datagram(), GUESS_NO);
	query(1, "a", 1);
	made.at[7] = 1; /* a record that is not there */
	assert_int_equal(probe_datagram(), GUESS_NO);
	query(1, "a", 1);
	made.at[made.bytes - 1] = 9; /* class */
	assert_int_equal(probe_datagram(), GUESS_NO);
	query(1, "a", 0);
	assert_int_equal(probe_datagram(), GUESS_NO);
	query(1, "a", 1);
	made.bytes--;
	assert_int_equal(probe_datagram(), GUESS_NO);
	memset(made.at, 0, 48);
	made.bytes = 48;
	assert_int_equal(probe_datagram(), GUESS_NO);
	made.at[0] = 0x1b; /* NTP */
	assert_int_equal(probe_datagram(), GUESS_NO);
	query(1, "EFEDEJFPEEEPENEBEJEOCACACACACABM", 33); /* NetBIOS */
	assert_int_equal(probe_datagram(), GUESS_NO);
	query(1, "ZFEDEJFPEEEPENEBEJEOCACACACACABM", 33);
	assert_int_equal(probe_datagram(), GUESS_YES);
}

static void over_tcp_a_beginning_is_never_refused(void **state)
{
	(void)state;
	query(1, "www.example.com", 1);
	stream.bytes = 0;
	put_message();
	for (size_t n = 0; n < stream.bytes; n++)
		assert_int_equal(dissector_dns.probe(slice_of(stream.at, n), 53), GUESS_MORE);
	assert_int_equal(dissector_dns.probe(streamed(), 53), GUESS_YES);
	assert_int_equal(
		dissector_dns.probe(slice_of("\x16\x03\x01\x02\0\1\0\1\xfc\3\3abcdefgh", 19), 53),
		GUESS_NO);
	assert_int_equal(dissector_dns.probe(slice_of("GET / HTTP/1.1\r\n", 16), 53), GUESS_NO);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, open_conn, free_conn)
	static const struct CMUnitTest tests[] = {
		T(a_question_and_its_answer_become_messages),
		T(every_common_type_has_its_text),
		T(names_are_escaped),
		T(edns_codes_and_opcodes_are_told),
		T(id_and_question_choose_the_request),
		T(a_request_sent_again_is_counted_and_answered_once),
		T(an_answer_without_a_question_goes_by_its_id),
		T(multicast_is_one_way),
		T(over_tcp_it_is_the_same_however_it_is_cut),
		T(no_beginning_of_a_message_is_taken_for_it),
		T(a_zone_transfer_is_one_response),
		T(an_incremental_transfer_with_nothing_new_ends_at_once),
		T(a_transfer_is_ended_by_a_gap_and_by_the_end),
		T(a_message_over_the_head_limit_is_read_as_far_as_it_is_there),
		T(an_impossible_length_over_tcp_ends_the_reading),
		T(names_that_never_end_are_refused),
		T(long_names_are_refused),
		T(pointers_in_a_chain_are_followed_so_many_times),
		T(claims_beyond_the_message_are_flagged),
		T(what_the_capture_has_cut_is_no_anomaly),
		T(every_beginning_and_every_broken_byte_is_survived),
		T(datagrams_are_known_by_their_shape),
		T(what_cannot_be_a_message_is_no),
		T(over_tcp_a_beginning_is_never_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
