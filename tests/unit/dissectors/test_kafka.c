/* Proves of dissectors/kafka.c:
 *   - requests and responses meet by correlation id, in any order, each with the name of its API,
 *     its version, topics, records and errors, in versions with and without flexible fields;
 *   - a version of ApiVersions that is refused is no anomaly; acks 0 is answered by nothing;
 *   - sets of records of all formats are counted and not gathered, whatever their size;
 *   - a body that does not fit its layout is skipped by its length, and no count is believed;
 *   - the same bytes give the same messages however they are cut, and no part of a message is
 *     taken for the whole;
 *   - after a gap the next message is found, nothing is invented; probe() says yes to nothing else.
 * Every input ends at an unreadable page (fake_host.h).
 */
#include "tests/support/check.h"

#include <stdio.h>
#include <time.h>

#include "tests/support/fake_host.h"

extern const struct dissector dissector_kafka;

static struct conn c;

static int open_conn(void **state)
{
	(void)state;
	fake_open(&c, &dissector_kafka, NULL);
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
	fake_open(&c, &dissector_kafka, &settings);
}

static const struct message *expect(enum side side, uint32_t n, const char *fields)
{
	const struct message *m = fake_message(&c, side, n);

	assert_non_null(m);
	assert_string_equal(m->fields, fields);
	assert_true(m->ended);
	return m;
}

/* ---- building messages ---- */

struct build {
	uint8_t data[8192];
	size_t bytes;
	bool flexible;
};

static void put(struct build *b, uint64_t value, size_t bytes)
{
	for (size_t i = bytes; i-- > 0;)
		b->data[b->bytes++] = (uint8_t)(i < sizeof(value) ? value >> (8 * i) : 0);
}

static void put_varint(struct build *b, uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		b->data[b->bytes++] = (uint8_t)(v | 0x80);
	b->data[b->bytes++] = (uint8_t)v;
}

static void put_count(struct build *b, size_t n, size_t bytes)
{
	if (b->flexible)
		put_varint(b, n + 1);
	else
		put(b, n, bytes);
}

static void array(struct build *b, size_t n)
{
	put_count(b, n, 4);
}

static void string(struct build *b, const char *text)
{
	size_t n = strlen(text);

	put_count(b, n, 2);
	memcpy(b->data + b->bytes, text, n);
	b->bytes += n;
}

static void null(struct build *b, size_t bytes)
{
	if (b->flexible)
		put(b, 0, 1);
	else
		put(b, UINT64_MAX, bytes);
}

/* One tagged field of three bytes, which is stepped over. */
static void tags(struct build *b)
{
	if (!b->flexible)
		return;
	put_varint(b, 1);
	put_varint(b, 300);
	put_varint(b, 3);
	put(b, 0x616263, 3);
}

static struct build request(uint16_t api, uint16_t version, uint32_t id, bool flexible)
{
	struct build b = { 0 };

	put(&b, 0, 4);
	put(&b, api, 2);
	put(&b, version, 2);
	put(&b, id, 4);
	string(&b, "me");
	b.flexible = flexible;
	if (flexible)
		put(&b, 0, 1);
	return b;
}

static struct build response(uint32_t id, bool tagged)
{
	struct build b = { .flexible = tagged };

	put(&b, 0, 4);
	put(&b, id, 4);
	tags(&b);
	return b;
}

static void finish(struct build *b)
{
	size_t n = b->bytes;

	b->bytes = 0;
	put(b, n - 4, 4);
	b->bytes = n;
}

static void say(enum side side, struct build *b)
{
	finish(b);
	fake_feed(&c, side, b->data, b->bytes);
}

/* A batch of the current format: `records` in it, `bytes` of them. */
static void batch(struct build *b, uint32_t records, uint32_t bytes)
{
	put(b, 7, 8);
	put(b, 49 + bytes, 4);
	put(b, 0, 4);
	put(b, 2, 1);
	for (int i = 0; i < 40; i++)
		put(b, 0, 1);
	put(b, records, 4);
	for (uint32_t i = 0; i < bytes; i++)
		put(b, 'r', 1);
}

/* A message of the formats before that. */
static void old_message(struct build *b, uint8_t magic, uint32_t bytes)
{
	put(b, 7, 8);
	put(b, 6 + bytes, 4);
	put(b, 0, 4);
	put(b, magic, 1);
	put(b, 0, 1);
	for (uint32_t i = 0; i < bytes; i++)
		put(b, 'r', 1);
}

static struct build produce(uint16_t version, int16_t acks, uint32_t id)
{
	struct build b = request(0, version, id, version >= 9);

	if (version >= 3)
		null(&b, 2);
	put(&b, (uint16_t)acks, 2);
	put(&b, 1000, 4);
	array(&b, 2);
	for (int i = 0; i < 2; i++) {
		if (version >= 13) {
			put(&b, 0x0123456789abcdef, 8);
			put(&b, (uint64_t)i, 8);
		} else {
			string(&b, i == 0 ? "first" : "second");
		}
		array(&b, 1);
		put(&b, 5, 4);
		put_count(&b, 61 + 100 + 61 + 20, 4);
		batch(&b, 10, 100);
		batch(&b, 2, 20);
		tags(&b);
		tags(&b);
	}
	tags(&b);
	return b;
}

static struct build produced(uint16_t version, uint16_t error, uint32_t id)
{
	struct build b = response(id, version >= 9);

	array(&b, 1);
	string(&b, "first");
	array(&b, 1);
	put(&b, 5, 4);
	put(&b, error, 2);
	put(&b, 99, 8);
	if (version >= 2)
		put(&b, 0, 8);
	if (version >= 5)
		put(&b, 0, 8);
	if (version >= 8) {
		array(&b, 0);
		string(&b, "too bad");
	}
	tags(&b);
	tags(&b);
	if (version >= 1)
		put(&b, 0, 4);
	tags(&b);
	return b;
}

/* ---- requests and responses ---- */

static void produce_names_topics_and_counts_records_in_every_version(void **state)
{
	(void)state;
	uint32_t n = 0;

	for (uint16_t version = 0; version <= 12; version++, n++) {
		struct build b = produce(version, 1, version);
		char fields[300];

		say(SIDE_A, &b);
		snprintf(fields, sizeof(fields),
			 "method=Produce version=%u client_id=me correlation_id=%u acks=1 "
			 "target=first "
			 "topics=first topics=second partitions=2 records=24",
			 version, version);
		assert_int_equal(expect(SIDE_A, n, fields)->flags, 0);
		b = produced(version, 0, version);
		say(SIDE_B, &b);
		snprintf(fields, sizeof(fields), "correlation_id=%u%s partitions=1 code=NONE",
			 version, version >= 8 ? " reason=too bad" : "");
		assert_int_equal(expect(SIDE_B, n, fields)->flags, 0);
		assert_int_equal(fake_message(&c, SIDE_B, n)->answers, n);
	}
}

static void topics_without_names_are_shown_by_their_id(void **state)
{
	(void)state;
	struct build b = produce(13, -1, 1);

	say(SIDE_A, &b);
	expect(SIDE_A, 0,
	       "method=Produce version=13 client_id=me correlation_id=1 acks=-1 "
	       "target=ASNFZ4mrze8AAAAAAAAAAA topics=ASNFZ4mrze8AAAAAAAAAAA "
	       "topics=ASNFZ4mrze8AAAAAAAAAAQ partitions=2 records=24");
}

static void acks_0_wants_no_answer(void **state)
{
	(void)state;
	for (uint16_t version = 0; version <= 13; version++) {
		struct build b = produce(version, 0, version);

		say(SIDE_A, &b);
		assert_true(fake_message(&c, SIDE_A, version)->kind == MESSAGE_ONEWAY);
	}
	for (uint16_t version = 0; version <= 13; version++) {
		struct build b = produce(version, 1, version);

		say(SIDE_A, &b);
		assert_true(fake_message(&c, SIDE_A, 14u + version)->kind == MESSAGE_REQUEST);
	}
}

static void errors_have_names_and_make_a_failure(void **state)
{
	(void)state;
	static const struct {
		uint16_t error;
		const char *fields;
	} all[] = {
		{ 3, "correlation_id=1 errors=UNKNOWN_TOPIC_OR_PARTITION partitions=1 "
		     "code=UNKNOWN_TOPIC_OR_PARTITION" },
		{ 0xffff, "correlation_id=1 errors=UNKNOWN_SERVER_ERROR partitions=1 "
			  "code=UNKNOWN_SERVER_ERROR" },
		{ 133, "correlation_id=1 errors=SHARE_SESSION_LIMIT_REACHED partitions=1 "
		       "code=SHARE_SESSION_LIMIT_REACHED" },
		{ 150, "correlation_id=1 errors=150 partitions=1 code=150" },
		{ 9999, "correlation_id=1 partitions=1 code=9999" },
	};

	for (uint32_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		struct build b = produce(2, 1, 1);

		say(SIDE_A, &b);
		b = produced(2, all[i].error, 1);
		say(SIDE_B, &b);
		assert_true(expect(SIDE_B, i, all[i].fields)->failed);
	}
}

static void responses_may_come_in_any_order(void **state)
{
	(void)state;
	struct build b;

	for (uint32_t id = 10; id < 13; id++) {
		b = produce((uint16_t)(id - 3), 1, id);
		say(SIDE_A, &b);
	}
	for (uint32_t id = 12; id >= 10; id--) {
		b = produced((uint16_t)(id - 3), 0, id);
		say(SIDE_B, &b);
		assert_int_equal(fake_message(&c, SIDE_B, 12 - id)->answers, id - 10);
		assert_int_equal(fake_message(&c, SIDE_B, 12 - id)->flags, 0);
	}
}

static void fetch_counts_what_it_gets(void **state)
{
	(void)state;
	static const uint16_t versions[] = { 0, 3, 4, 7, 11, 12, 13, 17 };
	uint32_t n = 0;

	for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++, n++) {
		uint16_t v = versions[i];
		struct build b = request(1, v, v, v >= 12);
		char fields[300];

		if (v <= 14)
			put(&b, UINT64_MAX, 4);
		put(&b, 500, 4);
		put(&b, 1, 4);
		if (v >= 3)
			put(&b, 1000, 4);
		if (v >= 4)
			put(&b, 0, 1);
		if (v >= 7)
			put(&b, 0, 8);
		array(&b, 1);
		if (v >= 13)
			put(&b, 1, 8), put(&b, 2, 8);
		else
			string(&b, "t");
		array(&b, 1);
		put(&b, 0, 4);
		if (v >= 9)
			put(&b, 0, 4);
		put(&b, 100, 8);
		if (v >= 12)
			put(&b, 0, 4);
		if (v >= 5)
			put(&b, 0, 8);
		put(&b, 1000, 4);
		tags(&b);
		tags(&b);
		if (v >= 7)
			array(&b, 0);
		if (v >= 11)
			string(&b, "rack");
		tags(&b);
		say(SIDE_A, &b);
		assert_int_equal(fake_message(&c, SIDE_A, n)->flags, 0);
		snprintf(fields, sizeof(fields),
			 "method=Fetch version=%u client_id=me correlation_id=%u target=%s "
			 "topics=%s "
			 "partitions=1",
			 v, v, v >= 13 ? "AAAAAAAAAAEAAAAAAAAAAg" : "t",
			 v >= 13 ? "AAAAAAAAAAEAAAAAAAAAAg" : "t");
		expect(SIDE_A, n, fields);

		b = response(v, v >= 12);
		if (v >= 1)
			put(&b, 0, 4);
		if (v >= 7)
			put(&b, 0, 6);
		array(&b, 1);
		if (v >= 13)
			put(&b, 1, 8), put(&b, 2, 8);
		else
			string(&b, "t");
		array(&b, 2);
		for (int k = 0; k < 2; k++) {
			put(&b, (uint64_t)k, 4);
			put(&b, k == 0 ? 0 : 1, 2);
			put(&b, 100, 8);
			if (v >= 4)
				put(&b, 100, 8);
			if (v >= 5)
				put(&b, 0, 8);
			if (v >= 4) {
				array(&b, 1);
				put(&b, 1, 8);
				put(&b, 2, 8);
				tags(&b);
			}
			if (v >= 11)
				put(&b, 1, 4);
			if (k == 1) {
				null(&b, 4);
			} else {
				put_count(&b, 61 + 500 + 30, 4);
				batch(&b, 50, 500);
				put(&b, 0, 30); /* cut off by the broker */
			}
			tags(&b);
		}
		tags(&b);
		tags(&b);
		say(SIDE_B, &b);
		snprintf(fields, sizeof(fields),
			 "correlation_id=%u topics=%s errors=OFFSET_OUT_OF_RANGE partitions=2 "
			 "records=50 "
			 "code=OFFSET_OUT_OF_RANGE",
			 v, v >= 13 ? "AAAAAAAAAAEAAAAAAAAAAg" : "t");
		assert_int_equal(expect(SIDE_B, n, fields)->flags, 0);
	}
}

static void messages_of_older_formats_are_counted(void **state)
{
	(void)state;
	struct build b = request(0, 2, 1, false);

	put(&b, 1, 2);
	put(&b, 0, 4);
	array(&b, 1);
	string(&b, "t");
	array(&b, 1);
	put(&b, 0, 4);
	put(&b, 2 * 18 + 30 + 40 + 5, 4);
	old_message(&b, 0, 30);
	old_message(&b, 1, 40);
	put(&b, 0, 5);
	say(SIDE_A, &b);
	expect(SIDE_A, 0,
	       "method=Produce version=2 client_id=me correlation_id=1 acks=1 target=t topics=t "
	       "partitions=1 records=2");
}

static void a_set_of_records_of_any_size_is_not_gathered(void **state)
{
	(void)state;
	struct build b = request(0, 3, 1, false);

	null(&b, 2);
	put(&b, 1, 2);
	put(&b, 0, 4);
	array(&b, 1);
	string(&b, "t");
	array(&b, 1);
	put(&b, 0, 4);
	put(&b, 100000061, 4);
	batch(&b, 1000, 0);
	/* The lengths say more than is there. */
	b.data[b.bytes - 61 + 8] = 0x05;
	b.data[b.bytes - 61 + 9] = 0xf5;
	b.data[b.bytes - 61 + 10] = 0xe1;
	b.data[b.bytes - 61 + 11] = 0x31;
	b.bytes += 100000000;
	size_t n = b.bytes - 4;
	b.data[0] = (uint8_t)(n >> 24), b.data[1] = (uint8_t)(n >> 16);
	b.data[2] = (uint8_t)(n >> 8), b.data[3] = (uint8_t)n;
	fake_feed(&c, SIDE_A, b.data, b.bytes - 100000000);
	assert_int_equal(c.side[SIDE_A].pending_bytes, 0);
	assert_int_equal(c.side[SIDE_A].skip, 100000000);
}

static void api_versions_has_a_header_of_its_own(void **state)
{
	(void)state;
	struct build b = request(18, 3, 1, true);

	string(&b, "lib");
	string(&b, "1.0");
	tags(&b);
	say(SIDE_A, &b);
	b = response(1, false);
	b.flexible = true;
	put(&b, 0, 2);
	array(&b, 2);
	for (int i = 0; i < 2; i++) {
		put(&b, 0, 6);
		tags(&b);
	}
	put(&b, 0, 4);
	tags(&b);
	say(SIDE_B, &b);
	assert_int_equal(expect(SIDE_B, 0, "correlation_id=1 code=NONE")->flags, 0);
}

static void a_version_that_is_refused_is_answered_in_any(void **state)
{
	(void)state;
	struct build b = request(18, 4, 1, true);

	string(&b, "lib");
	string(&b, "1.0");
	tags(&b);
	say(SIDE_A, &b);
	b = response(1, false);
	put(&b, 35, 2);
	array(&b, 1);
	put(&b, 0x001200000003, 6);
	say(SIDE_B, &b);
	assert_int_equal(
		expect(SIDE_B, 0,
		       "correlation_id=1 errors=UNSUPPORTED_VERSION code=UNSUPPORTED_VERSION")
			->flags,
		0);
}

static void metadata_without_topics_is_for_all(void **state)
{
	(void)state;
	struct build b = request(3, 12, 1, true);

	null(&b, 4);
	put(&b, 1, 1);
	put(&b, 0, 1);
	tags(&b);
	say(SIDE_A, &b);
	assert_int_equal(
		expect(SIDE_A, 0, "method=Metadata version=12 client_id=me correlation_id=1")
			->flags,
		0);
	b = response(1, true);
	put(&b, 0, 4);
	array(&b, 1);
	put(&b, 1, 4);
	string(&b, "host");
	put(&b, 9092, 4);
	null(&b, 2);
	tags(&b);
	string(&b, "cluster");
	put(&b, 1, 4);
	array(&b, 1);
	put(&b, 5, 2);
	string(&b, "t");
	put(&b, 1, 8), put(&b, 2, 8);
	put(&b, 0, 1);
	array(&b, 1);
	put(&b, 9, 2);
	put(&b, 0, 12);
	array(&b, 2), put(&b, 0, 8);
	array(&b, 1), put(&b, 0, 4);
	array(&b, 0);
	tags(&b);
	put(&b, 0, 4);
	tags(&b);
	tags(&b);
	say(SIDE_B, &b);
	assert_int_equal(
		expect(SIDE_B, 0,
		       "correlation_id=1 errors=LEADER_NOT_AVAILABLE errors=REPLICA_NOT_AVAILABLE "
		       "partitions=1 code=LEADER_NOT_AVAILABLE")
			->flags,
		0);
}

static void groups_are_named(void **state)
{
	(void)state;
	struct build b = request(12, 4, 1, true);

	string(&b, "g");
	put(&b, 1, 4);
	string(&b, "member");
	null(&b, 2);
	tags(&b);
	say(SIDE_A, &b);
	assert_int_equal(
		expect(SIDE_A, 0,
		       "method=Heartbeat version=4 client_id=me correlation_id=1 group=g target=g")
			->flags,
		0);
	b = request(10, 4, 2, true);
	put(&b, 0, 1);
	array(&b, 2);
	string(&b, "g1");
	string(&b, "g2");
	tags(&b);
	say(SIDE_A, &b);
	expect(SIDE_A, 1,
	       "method=FindCoordinator version=4 client_id=me correlation_id=2 target=g1");
	b = request(8, 8, 3, true);
	string(&b, "g");
	put(&b, 1, 4);
	string(&b, "m");
	null(&b, 2);
	array(&b, 1);
	string(&b, "t");
	array(&b, 1);
	put(&b, 0, 16);
	null(&b, 2);
	tags(&b);
	tags(&b);
	tags(&b);
	say(SIDE_A, &b);
	assert_int_equal(
		expect(SIDE_A, 2,
		       "method=OffsetCommit version=8 client_id=me correlation_id=3 group=g "
		       "target=t topics=t partitions=1")
			->flags,
		0);
}

static void every_api_has_a_name(void **state)
{
	(void)state;
	for (uint16_t api = 0; api <= 92; api++) {
		struct build b = request(api, 200, 1, false);

		b.data[7] = 0;
		if (api == 7 || api == 17)
			continue;
		say(SIDE_A, &b);
		assert_false(c.opaque);
	}
	assert_memory_equal(c.last->fields, "method=DeleteShareGroupOffsets ", 31);
}

static void a_version_newer_than_known_is_named_and_not_read(void **state)
{
	(void)state;
	struct build b = request(0, 20, 1, false);

	put(&b, 0x7777777777777777, 8);
	say(SIDE_A, &b);
	assert_int_equal(
		expect(SIDE_A, 0, "method=Produce version=20 client_id=me correlation_id=1")
			->body_bytes,
		8);
	b = request(0, 22, 1, false);
	say(SIDE_A, &b);
	assert_true(c.opaque);
}

static void a_response_nobody_asked_for_is_an_orphan(void **state)
{
	(void)state;
	struct build b = produced(2, 3, 77);

	say(SIDE_B, &b);
	assert_int_equal(fake_count(&c, SIDE_B), 0);
	fake_wait_over(&c);
	assert_int_equal(expect(SIDE_B, 0, "correlation_id=77")->answers, -1);
	b = produce(2, 1, 78);
	say(SIDE_A, &b);
	b = produced(2, 0, 78);
	say(SIDE_B, &b);
	assert_int_equal(expect(SIDE_B, 1, "correlation_id=78 partitions=1 code=NONE")->answers, 0);
}

static void sasl_tokens_without_headers_are_not_read(void **state)
{
	(void)state;
	struct build b = request(17, 0, 1, false);

	string(&b, "PLAIN");
	say(SIDE_A, &b);
	expect(SIDE_A, 0,
	       "method=SaslHandshake version=0 client_id=me correlation_id=1 target=PLAIN");
	b = response(1, false);
	put(&b, 0, 2);
	array(&b, 1);
	string(&b, "PLAIN");
	say(SIDE_B, &b);
	expect(SIDE_B, 0, "correlation_id=1 code=NONE");
	fake_say(&c, SIDE_A, "tokens");
	assert_true(c.opaque);
}

/* ---- what does not fit, limits ---- */

static void a_body_that_does_not_fit_is_skipped_by_its_length(void **state)
{
	(void)state;
	/* too short, too long, a count beyond the end, a string beyond the end, a negative length
	 */
	for (int k = 0; k < 5; k++) {
		struct build b = request(2, 1, 1, false), next = produce(2, 1, 2);

		reopen((struct fake_settings){ 0 });
		put(&b, 1, 4);
		array(&b, k == 2 ? 1000000 : 1);
		if (k == 3)
			put(&b, 30000, 2);
		else if (k == 4)
			put(&b, 0xfffe, 2);
		else
			string(&b, "t");
		if (k != 0) {
			array(&b, 1);
			put(&b, 0, 12);
		}
		if (k == 1)
			put(&b, 0, 3);
		say(SIDE_A, &b);
		assert_int_equal(fake_message(&c, SIDE_A, 0)->flags, FLAG_anomaly);
		assert_true(fake_message(&c, SIDE_A, 0)->ended);
		say(SIDE_A, &next);
		assert_int_equal(fake_message(&c, SIDE_A, 1)->flags, 0);
	}
}

static void what_is_no_header_ends_the_reading(void **state)
{
	(void)state;
	static const char *const all[] = {
		"\x00\x00\x00\x05\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff", /* shorter than a header
									     */
		"\x7f\x00\x00\x50\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff",
		"\x00\x00\x00\x50\x00\x70\x00\x00\x00\x00\x00\x00\xff\xff", /* no such API */
		"\x00\x00\x00\x50\x00\x00\x00\x50\x00\x00\x00\x00\xff\xff", /* nor version */
		"\x00\x00\x00\x50\x00\x03\x00\x00\x00\x00\x00\x00\xff\xf0",
		"\x00\x00\x00\x50\x00\x03\x00\x00\x00\x00\x00\x00\x00\x60",
		"\x00\x00\x00\x50\x00\x03\x00\x00\x00\x00\x00\x00\x00\x01\x01",
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		reopen((struct fake_settings){ 0 });
		fake_feed(&c, SIDE_A, all[i], i == 6 ? 15 : 14);
		assert_true(c.opaque);
		assert_int_equal(fake_count(&c, SIDE_A), 0);
	}
	reopen((struct fake_settings){ 0 });
	fake_feed(&c, SIDE_B, "\x00\x00\x00\x01", 4);
	assert_true(c.opaque);
}

static void counts_and_tags_without_end_cost_one_look(void **state)
{
	(void)state;
	static uint8_t zeros[1 << 20];
	struct build b = request(3, 9, 1, true);
	clock_t before = clock();

	/* Four million topics without a name, as the count says. */
	put_varint(&b, (4 << 20) / 2 + 1);
	b.data[0] = 0, b.data[1] = 0x40, b.data[2] = 0, b.data[3] = 0x40;
	fake_feed(&c, SIDE_A, b.data, b.bytes);
	for (int i = 0; i < 4; i++)
		fake_feed(&c, SIDE_A, zeros, sizeof(zeros));
	fake_feed(&c, SIDE_A, zeros, 100);
	assert_true(fake_message(&c, SIDE_A, 0)->ended);
	assert_true(strlen(fake_message(&c, SIDE_A, 0)->fields) < 100);
	assert_true((clock() - before) / CLOCKS_PER_SEC < 3);
}

static void many_topics_are_listed_up_to_a_limit(void **state)
{
	(void)state;
	struct build b = request(3, 1, 1, false);
	const char *at;
	int listed = 0;

	array(&b, 200);
	for (int i = 0; i < 200; i++)
		string(&b, "topic");
	say(SIDE_A, &b);
	at = fake_message(&c, SIDE_A, 0)->fields;
	while ((at = strstr(at, "topics=")) != NULL)
		listed++, at++;
	assert_int_equal(listed, 64);
	assert_int_equal(fake_message(&c, SIDE_A, 0)->flags, 0);
}

/* ---- gaps, late joins ---- */

static void a_gap_in_records_costs_no_message(void **state)
{
	(void)state;
	struct build b = produce(9, 1, 1), next = produce(9, 1, 2);

	finish(&b);
	fake_feed(&c, SIDE_A, b.data, 150);
	fake_gap(&c, SIDE_A, 10);
	fake_feed(&c, SIDE_A, b.data + 160, b.bytes - 160);
	say(SIDE_A, &next);
	assert_int_equal(fake_message(&c, SIDE_A, 0)->flags, FLAG_gap_in_body);
	assert_non_null(strstr(fake_message(&c, SIDE_A, 0)->fields, "records=24"));
	assert_int_equal(fake_message(&c, SIDE_A, 1)->flags, 0);
}

static void a_gap_inside_a_message_ends_it_and_the_next_is_where_the_length_says(void **state)
{
	(void)state;
	struct build b = produce(9, 1, 1), next = produce(9, 1, 2);

	finish(&b);
	for (size_t hole = 20; hole < b.bytes; hole++) {
		next = produce(9, 1, 2);
		reopen((struct fake_settings){ 0 });
		fake_feed(&c, SIDE_A, b.data, hole);
		fake_gap(&c, SIDE_A, 1);
		fake_feed(&c, SIDE_A, b.data + hole + 1, b.bytes - hole - 1);
		say(SIDE_A, &next);
		assert_int_equal(fake_count(&c, SIDE_A), 2);
		assert_true(fake_message(&c, SIDE_A, 0)->flags != 0);
		expect(SIDE_A, 1,
		       "method=Produce version=9 client_id=me correlation_id=2 acks=1 target=first "
		       "topics=first topics=second partitions=2 records=24");
	}
}

static void behind_a_gap_over_several_messages_a_header_is_looked_for(void **state)
{
	(void)state;
	struct build b = produce(2, 1, 1);

	say(SIDE_A, &b);
	fake_gap(&c, SIDE_A, 1000);
	fake_say(&c, SIDE_A, "some of the middle of a record");
	fake_gap(&c, SIDE_B, 100);
	b = produce(2, 1, 5);
	say(SIDE_A, &b);
	assert_int_equal(fake_count(&c, SIDE_A), 2);
	fake_feed(&c, SIDE_B, "\0\0\0\x10garbage garbage", 19);
	fake_wait_over(&c);
	assert_int_equal(fake_count(&c, SIDE_B), 0);
	b = produced(2, 0, 5);
	say(SIDE_B, &b);
	assert_int_equal(expect(SIDE_B, 0, "correlation_id=5 partitions=1 code=NONE")->answers, 1);
}

static void without_a_syn_the_request_tells_the_client(void **state)
{
	(void)state;
	struct build b = produced(2, 0, 1), a = produce(2, 1, 1);

	reopen((struct fake_settings){ .client_unknown = true, .midstream = true });
	say(SIDE_A, &b);
	say(SIDE_B, &a);
	assert_true(c.client == SIDE_B);
	assert_int_equal(expect(SIDE_A, 0, "correlation_id=1 partitions=1 code=NONE")->answers, 0);
}

/* ---- the same bytes, cut in any way ---- */

static struct build talk[2];

static void append(struct build *to, struct build b)
{
	finish(&b);
	memcpy(to->data + to->bytes, b.data, b.bytes);
	to->bytes += b.bytes;
}

static void make_talk(void)
{
	struct build b = request(18, 3, 1, true);

	memset(talk, 0, sizeof(talk));
	string(&b, "lib");
	string(&b, "1.0");
	tags(&b);
	append(&talk[0], b);
	b = response(1, false);
	put(&b, 35, 2);
	array(&b, 0);
	append(&talk[1], b);
	append(&talk[0], produce(2, 1, 2));
	append(&talk[0], produce(12, 1, 3));
	append(&talk[0], produce(7, 0, 4));
	append(&talk[0], request(50, 0, 5, true));
	append(&talk[1], produced(12, 3, 3));
	append(&talk[1], produced(2, 0, 2));
	b = response(5, true);
	put(&b, 1, 8);
	append(&talk[1], b);
}

static char *text_of_talk(size_t most, uint64_t seed)
{
	reopen((struct fake_settings){ 0 });
	fake_feed_both(&c, slice_of(talk[0].data, talk[0].bytes),
		       slice_of(talk[1].data, talk[1].bytes), most, &seed);
	fake_close_both(&c);
	return fake_text(&c);
}

static void messages_do_not_depend_on_where_the_bytes_are_cut(void **state)
{
	(void)state;
	char *whole, *cut;

	make_talk();
	whole = text_of_talk(1 << 20, 3);
	assert_int_equal(fake_count(&c, SIDE_A), 5);
	assert_int_equal(fake_count(&c, SIDE_B), 4);
	for (const struct message *m = c.first; m != NULL; m = m->next)
		assert_true(m->ended && m->flags == 0);
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
	make_talk();
	for (size_t n = 0; n <= talk[0].bytes; n++) {
		size_t at = 0, whole = 0;

		reopen((struct fake_settings){ 0 });
		fake_feed(&c, SIDE_A, talk[0].data, n);
		assert_false(c.opaque);
		while (at + 4 <= n && at < talk[0].bytes) {
			const uint8_t *p = talk[0].data + at;

			at += 4 + ((size_t)p[2] << 8 | p[3]);
			whole += at <= n;
		}
		for (uint32_t i = 0; i < fake_count(&c, SIDE_A); i++)
			assert_true(fake_message(&c, SIDE_A, i)->ended == (i < whole));
	}
}

/* ---- probe ---- */

static void probe_knows_requests_and_nothing_else(void **state)
{
	(void)state;
	struct build b = produce(9, 1, 1);

	finish(&b);
	for (size_t n = 1; n < 100; n++)
		assert_true(dissector_kafka.probe(slice_of(b.data, n), 0) ==
			    (n < 31 ? GUESS_MORE : GUESS_YES));
	b.data[13] = 0;
	assert_true(dissector_kafka.probe(slice_of(b.data, 100), 0) == GUESS_MAYBE);
	assert_true(dissector_kafka.probe(slice_of("GET / HTTP/1.1\r\n", 16), 9092) == GUESS_NO);
	assert_true(dissector_kafka.probe(slice_of("\x16\x03\x01\x02\x00\x01", 6), 9092) ==
		    GUESS_NO);
	assert_true(dissector_kafka.probe(slice_of("\x00\x00\x00\x85\xffSMB", 8), 9092) ==
		    GUESS_NO);
	b = produced(2, 0, 1);
	finish(&b);
	assert_true(dissector_kafka.probe(slice_of(b.data, b.bytes), 9092) == GUESS_NO);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			produce_names_topics_and_counts_records_in_every_version, open_conn,
			free_conn),
		cmocka_unit_test_setup_teardown(topics_without_names_are_shown_by_their_id,
						open_conn, free_conn),
		cmocka_unit_test_setup_teardown(acks_0_wants_no_answer, open_conn, free_conn),
		cmocka_unit_test_setup_teardown(errors_have_names_and_make_a_failure, open_conn,
						free_conn),
		cmocka_unit_test_setup_teardown(responses_may_come_in_any_order, open_conn,
						free_conn),
		cmocka_unit_test_setup_teardown(fetch_counts_what_it_gets, open_conn, free_conn),
		cmocka_unit_test_setup_teardown(messages_of_older_formats_are_counted, open_conn,
						free_conn),
		cmocka_unit_test_setup_teardown(a_set_of_records_of_any_size_is_not_gathered,
						open_conn, free_conn),
		cmocka_unit_test_setup_teardown(api_versions_has_a_header_of_its_own, open_conn,
						free_conn),
		cmocka_unit_test_setup_teardown(a_version_that_is_refused_is_answered_in_any,
						open_conn, free_conn),
		cmocka_unit_test_setup_teardown(metadata_without_topics_is_for_all, open_conn,
						free_conn),
		cmocka_unit_test_setup_teardown(groups_are_named, open_conn, free_conn),
		cmocka_unit_test_setup_teardown(every_api_has_a_name, open_conn, free_conn),
		cmocka_unit_test_setup_teardown(a_version_newer_than_known_is_named_and_not_read,
						open_conn, free_conn),
		cmocka_unit_test_setup_teardown(a_response_nobody_asked_for_is_an_orphan, open_conn,
						free_conn),
		cmocka_unit_test_setup_teardown(sasl_tokens_without_headers_are_not_read, open_conn,
						free_conn),
		cmocka_unit_test_setup_teardown(a_body_that_does_not_fit_is_skipped_by_its_length,
						open_conn, free_conn),
		cmocka_unit_test_setup_teardown(what_is_no_header_ends_the_reading, open_conn,
						free_conn),
		cmocka_unit_test_setup_teardown(counts_and_tags_without_end_cost_one_look,
						open_conn, free_conn),
		cmocka_unit_test_setup_teardown(many_topics_are_listed_up_to_a_limit, open_conn,
						free_conn),
		cmocka_unit_test_setup_teardown(a_gap_in_records_costs_no_message, open_conn,
						free_conn),
		cmocka_unit_test_setup_teardown(
			a_gap_inside_a_message_ends_it_and_the_next_is_where_the_length_says,
			open_conn, free_conn),
		cmocka_unit_test_setup_teardown(
			behind_a_gap_over_several_messages_a_header_is_looked_for, open_conn,
			free_conn),
		cmocka_unit_test_setup_teardown(without_a_syn_the_request_tells_the_client,
						open_conn, free_conn),
		cmocka_unit_test_setup_teardown(messages_do_not_depend_on_where_the_bytes_are_cut,
						open_conn, free_conn),
		cmocka_unit_test_setup_teardown(no_part_of_a_message_is_taken_for_the_whole,
						open_conn, free_conn),
		cmocka_unit_test_setup_teardown(probe_knows_requests_and_nothing_else, open_conn,
						free_conn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
