/* load_report - Promises:
 * - what is written as JSON is one line, valid, with the names of load.h, and read back it is the
 *   same report: counts, failures, and every quantile;
 * - what was not written by it is refused, cut anywhere;
 * - the rate is that of answers within the time; of no time it is 0;
 * - a generator that was late, or had no rest, did not keep up: exactly from the limit on.
 */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/bench/load.h"
#include "tests/support/check.h"

enum { TEXT_BYTES = 1 << 20 };

static struct load_report written, found;

static void fill(struct load_report *r)
{
	*r = (struct load_report){ .due = 1000,
				   .sent = 990,
				   .answered = 980,
				   .failed = 20,
				   .bad_status = 7,
				   .bytes = UINT64_C(1) << 40,
				   .in_time = 970,
				   .connects = 12,
				   .elapsed_ns = 1999999999,
				   .asked = 500.5,
				   .interrupted = true,
				   .busy = 0.25 };
	r->failure[LOAD_REFUSED] = 9;
	r->failure[LOAD_BAD_ANSWER] = 1;
	r->failure[LOAD_UNSENT] = 10;
	for (uint64_t i = 1; i <= 980; i++) {
		hdr_record(&r->latency, i * 12345);
		hdr_record(&r->service, i);
	}
	hdr_record(&r->lateness, UINT64_MAX);
}

static char *text_of(const struct load_report *r, void (*write)(const struct load_report *, FILE *))
{
	char *text = calloc(1, TEXT_BYTES);
	FILE *f;

	assert_non_null(text);
	f = fmemopen(text, TEXT_BYTES, "w");
	assert_non_null(f);
	write(r, f);
	assert_int_equal(fclose(f), 0);
	return text;
}

static void what_is_written_is_read_back(void **state)
{
	char *text;

	(void)state;
	fill(&written);
	text = text_of(&written, load_json);
	assert_int_equal(load_parse(text, &found), 0);
	assert_int_equal(found.due, 1000);
	assert_int_equal(found.sent, 990);
	assert_int_equal(found.answered, 980);
	assert_int_equal(found.failed, 20);
	assert_int_equal(found.bad_status, 7);
	assert_int_equal(found.bytes, UINT64_C(1) << 40);
	assert_int_equal(found.in_time, 970);
	assert_int_equal(found.connects, 12);
	assert_int_equal(found.elapsed_ns, 1999999999);
	assert_true(found.asked == 500.5 && found.busy == 0.25 && found.interrupted);
	assert_memory_equal(found.failure, written.failure, sizeof(found.failure));
	assert_memory_equal(found.latency.bucket, written.latency.bucket,
			    sizeof(found.latency.bucket));
	assert_memory_equal(found.service.bucket, written.service.bucket,
			    sizeof(found.service.bucket));
	for (double q = 0; q <= 1; q += 0.001)
		assert_int_equal(hdr_quantile(&found.latency, q),
				 hdr_quantile(&written.latency, q));
	assert_int_equal(found.lateness.over, 1);
	assert_int_equal(found.lateness.max, HDR_MAX);
	free(text);
}

static void it_is_one_line_with_the_names_that_are_promised(void **state)
{
	static const char *const names[] = {
		"due",     "sent",     "answered",   "failed",     "bad_status",  "bytes",
		"in_time", "connects", "seconds",    "rate",       "asked",       "busy",
		"kept_up", "failures", "latency_ns", "service_ns", "lateness_ns", "interrupted"
	};
	static const char *const figures[] = { "min",  "p50",   "p90", "p95",  "p99",
					       "p999", "p9999", "max", "mean", "buckets" };
	char *text;
	json_t *root;

	(void)state;
	fill(&written);
	text = text_of(&written, load_json);
	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
	root = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(root);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_non_null(json_object_get(root, names[i]));
	for (size_t i = 0; i < sizeof(figures) / sizeof(figures[0]); i++)
		assert_non_null(json_object_get(json_object_get(root, "latency_ns"), figures[i]));
	assert_int_equal(
		json_integer_value(json_object_get(json_object_get(root, "service_ns"), "p50")),
		490);
	assert_int_equal(json_integer_value(
				 json_object_get(json_object_get(root, "failures"), "bad_answer")),
			 1);
	json_decref(root);
	free(text);
}

static void what_it_did_not_write_is_refused(void **state)
{
	static const char *const bad[] = { "", "{}", "[]", "null", "{\"due\":1}" };
	char *text;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(load_parse(bad[i], &found), -EINVAL);
	fill(&written);
	text = text_of(&written, load_json);
	for (size_t cut = strlen(text) - 2; cut > 0; cut -= cut > 200 ? 97 : 1) {
		text[cut] = '\0';
		assert_int_equal(load_parse(text, &found), -EINVAL);
	}
	free(text);
	text = text_of(&written, load_json);
	memcpy(strstr(text, "\"sent\":990"), "\"sent\":-90", 10);
	assert_int_equal(load_parse(text, &found), -EINVAL);
	free(text);
}

static void a_histogram_that_contradicts_itself_is_refused(void **state)
{
	char *text, *count;

	(void)state;
	fill(&written);
	text = text_of(&written, load_json);
	count = strstr(text, "\"latency_ns\":{\"count\":980");
	assert_non_null(count);
	memcpy(count + 22, "981", 3);
	assert_int_equal(load_parse(text, &found), -EINVAL);
	free(text);
}

static void a_report_of_nothing_is_a_report(void **state)
{
	char *text;

	(void)state;
	memset(&written, 0, sizeof(written));
	assert_true(load_rate(&written) == 0);
	assert_true(load_kept_up(&written));
	text = text_of(&written, load_json);
	assert_int_equal(load_parse(text, &found), 0);
	assert_int_equal(found.latency.count, 0);
	free(text);
	text = text_of(&written, load_text);
	assert_null(strstr(text, "nan"));
	free(text);
}

static void the_rate_is_of_answers_in_time(void **state)
{
	(void)state;
	fill(&written);
	written.elapsed_ns = 2000000000;
	assert_true(load_rate(&written) == 485);
}

static void a_generator_keeps_up_until_the_limit(void **state)
{
	(void)state;
	memset(&written, 0, sizeof(written));
	for (uint32_t i = 0; i < 99; i++)
		hdr_record(&written.lateness, LOAD_LATE_NS / 2);
	hdr_record(&written.lateness, LOAD_LATE_NS * 50);
	written.busy = LOAD_BUSY;
	assert_true(load_kept_up(&written)); /* one of a hundred may be late */
	hdr_record(&written.lateness, LOAD_LATE_NS * 50);
	assert_false(load_kept_up(&written));
	hdr_clear(&written.lateness);
	written.busy = LOAD_BUSY + 0.01;
	assert_false(load_kept_up(&written));
}

static void the_text_names_every_failure(void **state)
{
	char *text;

	(void)state;
	fill(&written);
	text = text_of(&written, load_text);
	assert_non_null(strstr(text, "9 refused"));
	assert_non_null(strstr(text, "1 bad_answer"));
	assert_non_null(strstr(text, "10 unsent"));
	assert_null(strstr(text, "closed"));
	assert_non_null(strstr(text, "7 with 400 or more"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read_back),
		cmocka_unit_test(it_is_one_line_with_the_names_that_are_promised),
		cmocka_unit_test(what_it_did_not_write_is_refused),
		cmocka_unit_test(a_histogram_that_contradicts_itself_is_refused),
		cmocka_unit_test(a_report_of_nothing_is_a_report),
		cmocka_unit_test(the_rate_is_of_answers_in_time),
		cmocka_unit_test(a_generator_keeps_up_until_the_limit),
		cmocka_unit_test(the_text_names_every_failure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
