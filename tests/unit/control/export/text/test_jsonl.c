/* Proves the record's text byte for byte: the whole example, every optional key in its place,
 * base64 beside what is no UTF-8, and that no record, however odd, gives a line that is no object
 * or is longer than promised.
 */
#include "tests/unit/control/records.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define CONN UINT64_C(0x9f3c51d2a07be644)
#define TS   UINT64_C(1763683200000081231)

static struct text *text;
static char *line; /* TEXT_LINE_MAX */

static int open_format(void **state)
{
	(void)state;
	line = malloc(TEXT_LINE_MAX);
	return line == NULL ? -1 : text_jsonl.open(&text);
}

static int close_format(void **state)
{
	(void)state;
	text_jsonl.close(text);
	free(line);
	return 0;
}

/* The text of a record as it leaves the ring; the record must be one that record_check() accepts.
 */
static const char *tell(struct made *m)
{
	struct text_origin origin;
	char *end;

	made_end(m);
	assert_true(record_check(m->bytes, m->used));
	text_origin_init(&origin, "k3q9", 0, NULL);
	end = text_jsonl.record(text, line, m->bytes, &origin);
	assert_true(end > line && end[-1] == '\n');
	*end = 0;
	return line;
}

static void the_documented_example_is_written_exactly(void **state)
{
	static struct made m;

	(void)state;
	made_begin(&m);
	m.head->ts_ns = TS;
	m.head->latency_ns = 81230;
	m.head->conn = CONN;
	m.head->index = 4;
	m.head->seq = 17;
	m.head->error = 1;
	m.head->flags = FLAG_gap_in_body;
	m.head->vlan[0] = 0x8000 | 12;
	memcpy(m.head->frames, (uint64_t[]){ 17, 17, 19, 20 }, sizeof(m.head->frames));
	m.head->request.head_bytes = 47;
	made_text(&m, FIELD_METHOD, "GET");
	made_text(&m, FIELD_TARGET, "/1024");
	made_text(&m, FIELD_VERSION, "1.1");
	made_pair(&m, OWN_HEADERS, "Host", "10.0.0.2:8080");
	made_text(&m, OWN_HOST, "10.0.0.2:8080");
	made_response(&m);
	m.message->head_bytes = 233;
	m.message->body_bytes = 1024;
	m.message->duration_ns = 9120;
	made_text(&m, FIELD_BODY, "text");
	made_text(&m, FIELD_VERSION, "1.0");
	made_text(&m, FIELD_CODE, "503");
	made_text(&m, OWN_REASON, "Gone \"fishing\"");
	made_text(&m, OWN_INTERIM, "103");
	made_pair(&m, OWN_HEADERS, "Server", "nginx");
	made_pair(&m, OWN_HEADERS, "Set-Cookie", "");
	made_pair(&m, OWN_HEADERS, "Set-Cookie", "a=\t1");
	assert_string_equal(
		tell(&m),
		"{\"type\":\"pair\",\"outcome\":\"paired\",\"proto\":\"web\",\"version\":\"1.1\","
		"\"ts\":\"2025-11-21T00:00:00.000081231Z\",\"latency_ns\":81230,\"conn\":"
		"\"9f3c51d2a07be644\","
		"\"index\":4,\"client\":{\"ip\":\"10.0.0.1\",\"port\":39154},\"server\":{\"ip\":"
		"\"10.0.0.2\","
		"\"port\":8080},\"vlan\":[12],\"frames\":[17,17,19,20],\"run\":\"k3q9\",\"worker\":"
		"0,\"seq\":17,"
		"\"error\":true,\"flags\":[\"gap_in_body\"],"
		"\"request\":{\"method\":\"GET\",\"target\":\"/"
		"1024\",\"head_bytes\":47,\"body_bytes\":0,"
		"\"duration_ns\":0,\"host\":\"10.0.0.2:8080\",\"headers\":[[\"Host\",\"10.0.0.2:"
		"8080\"]]},"
		"\"response\":{\"code\":\"503\",\"head_bytes\":233,\"body_bytes\":1024,\"duration_"
		"ns\":9120,"
		"\"reason\":\"Gone "
		"\\\"fishing\\\"\",\"interim\":[\"103\"],\"headers\":[[\"Server\",\"nginx\"],"
		"[\"Set-Cookie\",\"\"],[\"Set-Cookie\",\"a=\\t1\"]],\"body\":\"text\"}}\n");
}

static void an_unanswered_request_has_a_reason_and_no_latency_and_no_response(void **state)
{
	static struct made m;

	(void)state;
	made_begin(&m);
	m.head->outcome = OUTCOME_unanswered;
	m.head->why = WHY_timeout;
	m.head->latency_ns = 99;
	m.head->ip_version = 6;
	memset(m.head->client_ip, 0, 16);
	m.head->client_ip[15] = 1;
	m.head->vlan[0] = 0x8000;
	m.head->vlan[1] = 0x8fff;
	assert_string_equal(tell(&m),
			    "{\"type\":\"pair\",\"outcome\":\"unanswered\",\"why\":\"timeout\","
			    "\"proto\":\"web\","
			    "\"ts\":\"1970-01-01T00:00:00.000000000Z\",\"conn\":"
			    "\"0000000000000000\",\"index\":0,"
			    "\"client\":{\"ip\":\"::1\",\"port\":39154},\"server\":{\"ip\":\"::a00:"
			    "2\",\"port\":8080},"
			    "\"vlan\":[0,4095],\"run\":\"k3q9\",\"worker\":0,\"seq\":0,"
			    "\"request\":{\"head_bytes\":0,\"body_bytes\":0,\"duration_ns\":0}}\n");
}

static void tunnels_stand_behind_the_tags_outermost_first(void **state)
{
	static struct made m;
	struct record_tunnel *t;

	(void)state;
	made_begin(&m);
	t = (void *)(m.head + 1);
	t[0] = (struct record_tunnel){ .type = TUNNEL_vxlan_gpe,
				       .id = UINT32_MAX,
				       .has_id = 1,
				       .ip_version = 4,
				       .src = { [12] = 192, 0, 2, 1 },
				       .dst = { [12] = 192, 0, 2, 2 },
				       .vlan = { 0x8007, 0x8008 } };
	t[1] = (struct record_tunnel){
		.type = TUNNEL_ip6in6, .ip_version = 6, .src = { [15] = 1 }, .dst = { [15] = 2 }
	};
	t[2] = (struct record_tunnel){ .type = TUNNEL_mpls, .id = 16, .has_id = 1 };
	m.head->tunnels = 3;
	m.used += 3 * (uint32_t)sizeof(*t);
	m.head->vlan[0] = 0x800c;
	assert_non_null(strstr(tell(&m), ",\"vlan\":[12],\"outer\":[{\"type\":\"vxlan-gpe\",\"id\":"
					 "4294967295,\"src\":\"192.0.2.1\","
					 "\"dst\":\"192.0.2.2\",\"vlan\":[7,8]},{\"type\":\"6in6\","
					 "\"src\":\"::1\",\"dst\":\"::2\"},"
					 "{\"type\":\"mpls\",\"id\":16}],\"run\":"));
}

static void an_orphan_has_no_request(void **state)
{
	static struct made m;

	(void)state;
	made_begin(&m);
	m.head->outcome = OUTCOME_orphan;
	m.head->why = WHY_midstream;
	m.head->proto = 1;
	m.head->request.present = 0;
	m.head->flags = FLAG_midstream | FLAG_anomaly;
	made_response(&m);
	made_text(&m, FIELD_CODE, "200");
	made_text(&m, FIELD_VERSION, "1.0");
	assert_non_null(
		strstr(tell(&m), "\"why\":\"midstream\",\"proto\":\"bare\",\"version\":\"1.0\","));
	assert_non_null(strstr(line, "\"seq\":0,\"flags\":[\"midstream\",\"anomaly\"],"
				     "\"response\":{\"code\":\"200\",\"head_bytes\":0,"));
	assert_null(strstr(line, "request"));
}

static void a_stream_has_its_number_and_each_half_the_fields_of_its_own_protocol(void **state)
{
	static struct made m;

	(void)state;
	made_begin(&m);
	m.head->outcome = OUTCOME_paired;
	m.head->proto = 1;
	m.head->request.proto = 1;
	m.head->stream = 1;
	m.head->index = 3;
	made_text(&m, OWN_REASON, "a field that `bare` does not have");
	made_response(&m);
	m.head->response.proto = 0;
	made_text(&m, OWN_REASON, "OK");
	assert_non_null(strstr(tell(&m), "\"index\":3,\"stream\":0,\"client\""));
	assert_non_null(strstr(line, "\"proto\":\"bare\""));
	assert_non_null(strstr(line, "\"duration_ns\":0},\"response\""));
	assert_non_null(strstr(line, "\"reason\":\"OK\""));
}

static void every_flag_outcome_and_reason_has_its_word(void **state)
{
	static struct made m;

	(void)state;
	for (unsigned why = 0; why < WHY_COUNT; why++) {
		char expected[64];

		made_begin(&m);
		m.head->outcome = OUTCOME_orphan;
		m.head->why = (uint8_t)why;
		m.head->flags = (1u << FLAG_COUNT) - 1;
		(void)snprintf(expected, sizeof(expected), "\"why\":\"%s\"", why_name(why));
		assert_non_null(strstr(tell(&m), expected));
		for (unsigned bit = 0; bit < FLAG_COUNT; bit++)
			assert_non_null(strstr(line, flag_name(bit)));
	}
	made_begin(&m);
	m.head->outcome = OUTCOME_oneway;
	assert_non_null(strstr(tell(&m), "\"outcome\":\"oneway\",\"proto\""));
}

static void text_that_is_no_utf8_comes_with_its_exact_bytes(void **state)
{
	static struct made m;

	(void)state;
	made_begin(&m);
	made_text(&m, FIELD_TARGET, "/\xff");
	made_text(&m, FIELD_VERSION, "\x80");
	made_text(&m, OWN_INTERIM, "103");
	made_text(&m, OWN_INTERIM, "\xfe");
	made_pair(&m, OWN_HEADERS, "Good",
		  "b\xe4"
		  "d");
	made_pair(&m, OWN_HEADERS, "B\xe4", "good");
	assert_non_null(
		strstr(tell(&m), "\"version\":\"\xef\xbf\xbd\",\"version_b64\":\"gA==\",\"ts\":"));
	assert_non_null(strstr(
		line, "\"target\":\"/\xef\xbf\xbd\",\"target_b64\":\"L/8=\",\"head_bytes\""));
	assert_non_null(strstr(
		line,
		"\"interim\":[\"103\",\"\xef\xbf\xbd\"],\"interim_b64\":[\"MTAz\",\"/g==\"],"));
	assert_non_null(strstr(line, "[\"Good\",\"b\xef\xbf\xbd"
				     "d\",\"YuRk\"],"));
	assert_non_null(strstr(line, "[\"B\xef\xbf\xbd\",\"good\",\"Z29vZA==\",\"QuQ=\"]"));
}

static void a_body_is_text_or_base64_and_never_both(void **state)
{
	static struct made m;

	(void)state;
	made_begin(&m);
	made_text(&m, FIELD_BODY, "gr\xc3\xbc\xc3\x9f");
	assert_non_null(strstr(tell(&m), ",\"body\":\"gr\xc3\xbc\xc3\x9f\"}}\n"));
	made_begin(&m);
	made_text(&m, FIELD_BODY, "cut in gr\xc3");
	assert_non_null(
		strstr(tell(&m), "\"duration_ns\":0,\"body_b64\":\"Y3V0IGluIGdyww==\"}}\n"));
	assert_null(strstr(line, "\"body\""));
}

static void a_body_that_was_decoded_has_its_size_before_it(void **state)
{
	static struct made m;

	(void)state;
	made_begin(&m);
	made_text(&m, FIELD_BODY, "ab");
	made_number(&m, FIELD_DECODED, 2);
	assert_non_null(
		strstr(tell(&m), "\"duration_ns\":0,\"decoded_bytes\":2,\"body\":\"ab\"}}\n"));
}

static void no_number_above_2_to_the_53_is_a_number(void **state)
{
	static struct made m;

	(void)state;
	made_begin(&m);
	m.head->seq = m.head->index = m.head->latency_ns = UINT64_MAX;
	m.head->frames[3] = m.head->request.body_bytes = UINT64_MAX;
	made_number(&m, OWN_LENGTH, UINT64_C(1) << 53);
	assert_non_null(strstr(tell(&m), "\"latency_ns\":\"18446744073709551615\""));
	assert_non_null(strstr(line, "\"index\":\"18446744073709551615\""));
	assert_non_null(strstr(line, "\"frames\":[0,0,0,\"18446744073709551615\"]"));
	assert_non_null(strstr(line, "\"seq\":\"18446744073709551615\""));
	assert_non_null(strstr(line, "\"body_bytes\":\"18446744073709551615\""));
	assert_non_null(strstr(line, "\"length\":9007199254740992"));
}

static void what_the_table_does_not_know_is_left_out(void **state)
{
	static struct made m;

	(void)state;
	made_begin(&m);
	made_text(&m, FIELD_OWN + array_count(made_fields), "unknown");
	made_text(&m, UINT16_MAX, "unknown");
	made_text(&m, 7, "unknown");
	made_text(&m, OWN_LENGTH, "no number");
	assert_non_null(strstr(
		tell(&m), "\"request\":{\"head_bytes\":0,\"body_bytes\":0,\"duration_ns\":0}}\n"));
}

static void a_key_given_twice_appears_once(void **state)
{
	static struct made m;
	const char *first;

	(void)state;
	made_begin(&m);
	made_text(&m, FIELD_METHOD, "GET");
	made_text(&m, FIELD_METHOD, "PUT");
	made_text(&m, OWN_HOST, "a");
	made_text(&m, OWN_HOST, "b");
	first = strstr(tell(&m), "\"method\":\"GET\"");
	assert_non_null(first);
	assert_null(strstr(first + 1, "\"method\""));
	assert_non_null(strstr(line, "\"host\":\"a\"}"));
}

static void pairs_and_texts_may_change_roles_without_harm(void **state)
{
	static struct made m;

	(void)state;
	made_begin(&m);
	made_text(&m, OWN_HEADERS, "no name");
	made_pair(&m, OWN_HOST, "name", "value");
	assert_non_null(
		strstr(tell(&m), "\"host\":\"namevalue\",\"headers\":[[\"\",\"no name\"]]"));
}

static void the_interface_is_named_where_the_region_knows_it(void **state)
{
	static struct made m;
	static struct region_header header;
	struct region_reader reader = { .header = &header };
	struct text_origin origin;

	(void)state;
	strcpy(header.interface[0], "eth0");
	header.interfaces = 1;
	text_origin_init(&origin, "k3q9", 63, &reader);
	made_begin(&m);
	m.head->iface = 1;
	made_end(&m);
	*text_jsonl.record(text, line, m.bytes, &origin) = 0;
	assert_non_null(
		strstr(line, "},\"iface\":\"eth0\",\"run\":\"k3q9\",\"worker\":63,\"seq\":0,"));
	m.head->iface = 2;
	*text_jsonl.record(text, line, m.bytes, &origin) = 0;
	assert_null(strstr(line, "iface"));
}

/* The longest texts that a record of some size can become. */
static void the_worst_fields_stay_below_the_promised_length(void **state)
{
	static struct made m;
	static const char *const worst[] = { "", "\x01", "\xff",
					     "\xff\x01\x01\x01\x01\x01\x01\x01" };

	(void)state;
	for (unsigned i = 0; i < array_count(worst); i++) {
		for (unsigned id = 0; id < FIELD_OWN + array_count(made_fields); id++) {
			made_begin(&m);
			while (m.used + record_field_room(16) < sizeof(m.bytes) - TEXT_SLACK_BYTES)
				made_pair(&m, (uint16_t)id, worst[i], worst[i]);
			assert_true(strlen(tell(&m)) <= 16 * (size_t)m.used + (64 << 10));
		}
	}
}

/* Control must survive any record that passes the check: numbers, flags and fields at random. */
static void random_records_give_one_line_each(void **state)
{
	static struct made m;

	(void)state;
	srand(3);
	for (int round = 0; round < 3000; round++) {
		made_begin(&m);
		for (unsigned i = offsetof(struct record, seq);
		     i < offsetof(struct record, request); i++)
			m.bytes[i] = (uint8_t)rand();
		m.head->flags &= (1u << FLAG_COUNT) - 1;
		m.head->proto = (uint8_t)(rand() % 2);
		for (int n = rand() % 20; n >= 0; n--) {
			uint8_t data[64];
			uint32_t bytes = (uint32_t)rand() % sizeof(data);

			for (unsigned i = 0; i < sizeof(data); i++)
				data[i] = (uint8_t)rand();
			if (n == 10)
				made_response(&m);
			made_field(&m, (uint16_t)(rand() % 20),
				   (uint16_t)(rand() % 2 ? RECORD_FIELD_PLAIN
							 : (uint32_t)rand() % (bytes + 1)),
				   data, bytes);
		}
		tell(&m);
		assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
		assert_memory_equal(line + strlen(line) - 2, "}\n", 2);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_documented_example_is_written_exactly),
		cmocka_unit_test(an_unanswered_request_has_a_reason_and_no_latency_and_no_response),
		cmocka_unit_test(tunnels_stand_behind_the_tags_outermost_first),
		cmocka_unit_test(an_orphan_has_no_request),
		cmocka_unit_test(
			a_stream_has_its_number_and_each_half_the_fields_of_its_own_protocol),
		cmocka_unit_test(every_flag_outcome_and_reason_has_its_word),
		cmocka_unit_test(text_that_is_no_utf8_comes_with_its_exact_bytes),
		cmocka_unit_test(a_body_is_text_or_base64_and_never_both),
		cmocka_unit_test(a_body_that_was_decoded_has_its_size_before_it),
		cmocka_unit_test(no_number_above_2_to_the_53_is_a_number),
		cmocka_unit_test(what_the_table_does_not_know_is_left_out),
		cmocka_unit_test(a_key_given_twice_appears_once),
		cmocka_unit_test(pairs_and_texts_may_change_roles_without_harm),
		cmocka_unit_test(the_interface_is_named_where_the_region_knows_it),
		cmocka_unit_test(the_worst_fields_stay_below_the_promised_length),
		cmocka_unit_test(random_records_give_one_line_each),
	};
	return cmocka_run_group_tests(tests, open_format, close_format);
}
