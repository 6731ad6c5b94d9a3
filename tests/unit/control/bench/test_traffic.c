/* traffic - Promises:
 * - the same load has the same hash, whatever its rate, length and connections;
 * - another size, other flows, another body or another URL has another one;
 * - the hash of frames is FNV-1a of the bytes that the sender makes;
 * - silence has none; a condition per kind of traffic, and the same load again changes nothing.
 */
#include "control/bench/traffic.h"

#include <string.h>

#include "control/bench/place.h"
#include "control/send/frames.h"
#include "tests/support/check.h"

static struct place place;

static void the_bytes_count_and_nothing_else(void **state)
{
	struct trial_load a = { .kind = LOAD_HTTP, .body_bytes = 1024, .rate = 5, .seconds = 1 };
	struct trial_load b = {
		.kind = LOAD_HTTP, .body_bytes = 1024, .rate = 9, .connections = 7
	};
	uint64_t hash = traffic_hash(&a, &place);

	(void)state;
	assert_int_not_equal(hash, 0);
	assert_int_equal(hash, traffic_hash(&b, &place));
	b.body_bytes = 1025;
	assert_int_not_equal(hash, traffic_hash(&b, &place));
	b.body_bytes = 1024;
	b.kind = LOAD_WRK;
	assert_int_not_equal(hash, traffic_hash(&b, &place));
	b.kind = LOAD_HTTP;
	b.url = "http://127.0.0.1/1024";
	assert_int_not_equal(hash, traffic_hash(&b, &place));
	assert_int_equal(traffic_hash(&b, NULL), traffic_hash(&b, &place));
	hash = traffic_hash(&b, NULL);
	b.url = "http://127.0.0.1/1025";
	assert_int_not_equal(hash, traffic_hash(&b, NULL));
}

static uint64_t fnv(uint64_t hash, const uint8_t *bytes, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		hash ^= bytes[i];
		hash *= UINT64_C(1099511628211);
	}
	return hash;
}

static void frames_are_hashed_as_they_are_sent(void **state)
{
	struct trial_load l = { .kind = LOAD_FRAMES, .frame_bytes = 64, .flows = 2, .rate = 1e6 };
	struct frames_plan plan = { .size_bytes = 64, .flows = 2 };
	uint64_t hash = UINT64_C(14695981039346656037), found = traffic_hash(&l, NULL);
	struct send_error err;
	struct tx_frame frame;
	struct frames *f;

	(void)state;
	assert_int_equal(frames_open(&plan, &f, &err), 0);
	for (uint32_t i = 0; i < TRAFFIC_FRAMES; i++) {
		assert_int_equal(frames_pull(f, &frame, 1), 1);
		hash = fnv(hash, frame.bytes, frame.length_bytes);
	}
	frames_close(f);
	assert_int_equal(found, hash);

	l.flows = 3;
	assert_int_not_equal(found, traffic_hash(&l, NULL));
	l.flows = 2;
	l.frame_bytes = 65;
	assert_int_not_equal(found, traffic_hash(&l, NULL));
	/* What is too short for Ethernet is sent as the shortest there is. */
	l = (struct trial_load){ .kind = LOAD_FRAMES };
	found = traffic_hash(&l, NULL);
	l.frame_bytes = 60;
	l.flows = 1;
	assert_int_equal(found, traffic_hash(&l, NULL));
}

static void silence_has_no_hash(void **state)
{
	struct trial_load l = { .kind = LOAD_NONE };
	struct result *r = result_new("test");

	(void)state;
	assert_int_equal(traffic_hash(&l, &place), 0);
	traffic_note(&l, &place, r);
	assert_int_equal(r->conditions, 0);
	result_free(r);
}

static void there_is_a_condition_per_kind(void **state)
{
	struct trial_load l = { .kind = LOAD_HTTP, .body_bytes = 1024 };
	struct result *r = result_new("test");

	(void)state;
	traffic_note(&l, &place, r);
	l.rate = 77;
	traffic_note(&l, &place, r);
	assert_int_equal(r->conditions, 1);
	assert_string_equal(r->condition[0].section, "traffic");
	assert_string_equal(r->condition[0].name, "hash of HTTP, 1024 bytes");
	assert_int_equal(strspn(r->condition[0].value, "0123456789abcdef"), 16);
	l.body_bytes = 15;
	traffic_note(&l, &place, r);
	l.kind = LOAD_FRAMES;
	traffic_note(&l, &place, r);
	assert_int_equal(r->conditions, 3);
	result_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_bytes_count_and_nothing_else),
		cmocka_unit_test(frames_are_hashed_as_they_are_sent),
		cmocka_unit_test(silence_has_no_hash),
		cmocka_unit_test(there_is_a_condition_per_kind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
