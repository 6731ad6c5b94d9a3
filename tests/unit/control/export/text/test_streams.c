/* Proves the lines of --format streams: every column's spelling, `-` where there is nothing, and
 * that they come out sorted by their bytes, whatever the order in which the directions ended.
 */
#include "tests/unit/control/records.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static char *out; /* TEXT_LINE_MAX */

static int make_room(void **state)
{
	(void)state;
	out = malloc(TEXT_LINE_MAX);
	return out == NULL ? -1 : 0;
}

static int free_room(void **state)
{
	(void)state;
	free(out);
	return 0;
}

static void tell(struct text *t, struct made *m)
{
	assert_true(record_check(m->bytes, m->used));
	assert_ptr_equal(text_streams.record(t, out, m->bytes, NULL), out);
}

static void check_line(struct made *m, const char *expected)
{
	struct text *t;
	char *end;

	assert_int_equal(text_streams.open(&t), 0);
	tell(t, m);
	end = text_streams.finish(t, out);
	*end = 0;
	assert_string_equal(out, expected);
	assert_ptr_equal(text_streams.finish(t, out), out); /* nothing is told twice */
	text_streams.close(t);
}

static void every_column_is_spelled_as_documented(void **state)
{
	static struct made m;

	(void)state;
	made_stream(&m);
	memcpy(m.stream->src_ip + 12, (uint8_t[]){ 192, 168, 1, 43 }, 4);
	memcpy(m.stream->dst_ip + 12, (uint8_t[]){ 192, 168, 1, 90 }, 4);
	m.stream->src_port = 35532;
	m.stream->dst_port = 80;
	m.stream->epoch = 1;
	m.stream->delivered = 338;
	m.stream->gap_bytes = 20;
	m.stream->gap_count = 2;
	m.stream->gap[0].offset = 263;
	m.stream->gap[0].bytes = 14;
	m.stream->gap[1].offset = 1000;
	m.stream->gap[1].bytes = 6;
	m.stream->conflict_bytes = 3;
	m.stream->duplicate_bytes = 10021;
	m.stream->seen = 1u << STREAM_BIT_RST | 1u << STREAM_BIT_AFTERFIN;
	for (unsigned i = 0; i < 32; i++)
		m.stream->sha256[i] = (uint8_t)(0xca + i);
	check_line(&m,
		   "192.168.1.43:35532\t192.168.1.90:80\t1\tsyn\t338\t20\t263+14,1000+6\t3\t10021\t"
		   "AFTERFIN,RST\tcacbcccdcecfd0d1d2d3d4d5d6d7d8d9\n");
}

static void nothing_is_a_dash(void **state)
{
	static struct made m;

	(void)state;
	made_stream(&m);
	m.stream->start_is_syn = 0;
	m.stream->ip_version = 6;
	m.stream->dst_ip[15] = 1;
	m.stream->sha256[0] = 0xff; /* of no bytes: not shown */
	check_line(&m, "[::]:0\t[::1]:0\t0\tmid\t0\t0\t-\t0\t0\t-\t-\n");
}

static void all_gaps_and_flags_fit(void **state)
{
	static struct made m;

	(void)state;
	made_stream(&m);
	memset(m.stream->src_ip, 0xff, 16);
	memset(m.stream->dst_ip, 0xff, 16);
	m.stream->ip_version = 6;
	m.stream->gap_count = array_count(m.stream->gap);
	memset(m.stream->gap, 0xff, sizeof(m.stream->gap));
	m.stream->seen = (1u << STREAM_BIT_COUNT) - 1;
	m.stream->delivered = m.stream->gap_bytes = UINT64_MAX;
	m.stream->conflict_bytes = m.stream->duplicate_bytes = UINT64_MAX;
	m.stream->src_port = m.stream->dst_port = UINT16_MAX;
	m.stream->epoch = UINT32_MAX;
	struct text *t;

	assert_int_equal(text_streams.open(&t), 0);
	tell(t, &m);
	*text_streams.finish(t, out) = 0;
	assert_non_null(strstr(out, "\t4294967295\tsyn\t18446744073709551615\t"));
	for (unsigned bit = 0; bit < STREAM_BIT_COUNT; bit++)
		assert_non_null(strstr(out, record_stream_flag_name(bit)));
	text_streams.close(t);
}

static void lines_come_out_sorted_by_their_bytes(void **state)
{
	enum { LINES = 3000 }; /* more than the list's first room */
	static struct made m;
	struct text *t;
	char *end, *at, last[1024] = "";
	unsigned count = 0;

	(void)state;
	assert_int_equal(text_streams.open(&t), 0);
	srand(11);
	for (unsigned i = 0; i < LINES; i++) {
		made_stream(&m);
		m.stream->src_port = (uint16_t)rand();
		m.stream->src_ip[12] = (uint8_t)rand();
		m.stream->epoch = (uint32_t)rand() % 3;
		tell(t, &m);
	}
	end = text_streams.finish(t, out);
	*end = 0;
	for (at = strtok(out, "\n"); at != NULL; at = strtok(NULL, "\n"), count++) {
		assert_true(strcmp(last, at) <= 0);
		strcpy(last, at);
	}
	assert_int_equal(count, LINES);
	text_streams.close(t);
}

static void no_streams_give_no_line(void **state)
{
	struct text *t;

	(void)state;
	assert_int_equal(text_streams.open(&t), 0);
	assert_ptr_equal(text_streams.finish(t, out), out);
	text_streams.close(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_column_is_spelled_as_documented),
		cmocka_unit_test(nothing_is_a_dash),
		cmocka_unit_test(all_gaps_and_flags_fit),
		cmocka_unit_test(lines_come_out_sorted_by_their_bytes),
		cmocka_unit_test(no_streams_give_no_line),
	};
	return cmocka_run_group_tests(tests, make_room, free_room);
}
