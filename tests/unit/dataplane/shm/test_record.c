/* Proves the promises in record.h: a record that adds up is accepted and walked field by field;
 * one that does not is refused, whichever number lies, without a byte behind it being read (every
 * record here ends on an unreadable page); an accepted record can be walked without a test.
 */
#include "dataplane/shm/record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "dataplane/base/compiler.h"

enum { ROOM = 16384 };

static uint8_t *page_end; /* the first unreadable byte */

/* A record under construction. */
static struct {
	_Alignas(8) uint8_t bytes[ROOM];
	uint32_t used;
} b;

static struct record *built(void)
{
	return (void *)b.bytes;
}

static int make_room(void **state)
{
	uint8_t *map = mmap(NULL, ROOM + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			    -1, 0);

	(void)state;
	page_end = map + ROOM;
	return map == MAP_FAILED ? -1 : mprotect(page_end, 4096, PROT_NONE);
}

static void begin(void)
{
	memset(&b, 0, sizeof(b));
	b.used = sizeof(struct record);
	*built() = (struct record){
		.bytes = b.used,
		.type = RECORD_PAIR,
		.outcome = OUTCOME_paired,
		.why = WHY_none,
		.ip_version = 4,
		.request.present = 1,
		.response.present = 1,
	};
}

static struct record_field *field(struct record_message *m, uint16_t id, uint16_t name_bytes,
				  const char *data)
{
	struct record_field *f = (void *)(b.bytes + b.used);
	uint32_t room = (uint32_t)record_field_room(strlen(data));

	*f = (struct record_field){
		.id = id,
		.name_bytes = name_bytes,
		.bytes = (uint32_t)strlen(data),
	};
	memcpy(f->data, data, strlen(data));
	m->fields_bytes += room;
	b.used += room;
	built()->bytes = b.used;
	return f;
}

/* The record used by most tests: three fields in the request, two in the response. */
static void build_pair(void)
{
	begin();
	field(&built()->request, 0, RECORD_FIELD_PLAIN, "GET");
	field(&built()->request, 1, RECORD_FIELD_PLAIN, "/a/path/longer/than/eight");
	field(&built()->request, 9, 4, "HostExample");
	field(&built()->response, 2, RECORD_FIELD_PLAIN, "200");
	field(&built()->response, 9, 0, "");
}

static struct record_stream stream(void)
{
	return (struct record_stream){
		.bytes = sizeof(struct record_stream),
		.type = RECORD_STREAM,
		.why = 255,
		.proto = 255,
	};
}

/* record_check() on a copy whose last byte touches the unreadable page. */
static bool check(const void *record, uint64_t bytes)
{
	return record_check(memcpy(page_end - bytes, record, bytes), bytes);
}

static bool check_built(void)
{
	return check(b.bytes, b.used);
}

static void a_record_without_fields_is_accepted(void **state)
{
	(void)state;
	begin();
	assert_true(check_built());
	assert_null(record_first(built(), RECORD_REQUEST));
	assert_null(record_first(built(), RECORD_RESPONSE));
}

static void fields_are_walked_in_order_and_each_part_ends(void **state)
{
	(void)state;
	const struct record_field *f;

	build_pair();
	assert_true(check_built());
	f = record_first(built(), RECORD_REQUEST);
	assert_memory_equal(f->data, "GET", 3);
	f = record_next(built(), RECORD_REQUEST, f);
	assert_int_equal(f->bytes, 25);
	f = record_next(built(), RECORD_REQUEST, f);
	assert_int_equal(f->name_bytes, 4);
	assert_memory_equal(f->data, "HostExample", 11);
	assert_null(record_next(built(), RECORD_REQUEST, f));

	f = record_first(built(), RECORD_RESPONSE);
	assert_int_equal(f->id, 2);
	f = record_next(built(), RECORD_RESPONSE, f);
	assert_int_equal(f->bytes, 0);
	assert_null(record_next(built(), RECORD_RESPONSE, f));
}

static void one_sided_records_are_walked_too(void **state)
{
	(void)state;
	begin();
	built()->request.present = 0;
	built()->outcome = OUTCOME_orphan;
	built()->why = WHY_midstream;
	field(&built()->response, 2, RECORD_FIELD_PLAIN, "404");
	assert_true(check_built());
	assert_null(record_first(built(), RECORD_REQUEST));
	assert_non_null(record_first(built(), RECORD_RESPONSE));
}

static void every_size_but_the_right_one_is_refused(void **state)
{
	(void)state;
	build_pair();
	for (uint32_t bytes = 0; bytes < b.used; bytes++)
		assert_false(check(b.bytes, bytes));
	for (uint32_t claim = 0; claim < 2 * b.used; claim++) {
		built()->bytes = claim;
		assert_true(check_built() == (claim == b.used));
	}
}

static void a_shorter_record_that_agrees_with_itself_is_still_refused(void **state)
{
	(void)state;
	build_pair();
	for (uint32_t bytes = 8; bytes < b.used; bytes += 8) {
		built()->bytes = bytes;
		assert_false(check(b.bytes, bytes));
	}
}

static void a_record_over_the_largest_is_refused(void **state)
{
	(void)state;
	static _Alignas(8) uint8_t big[RECORD_BYTES_MAX + 8];
	struct record *r = (void *)big;
	struct record_field *f = (void *)(r + 1);

	begin();
	*r = *built();
	for (uint32_t over = 0; over <= 8; over += 8) {
		r->bytes = RECORD_BYTES_MAX + over;
		r->request.fields_bytes = r->bytes - (uint32_t)sizeof(*r);
		*f = (struct record_field){
			.name_bytes = RECORD_FIELD_PLAIN,
			.bytes = r->request.fields_bytes - (uint32_t)sizeof(*f),
		};
		assert_true(record_check(big, r->bytes) == (over == 0));
	}
}

static void words_outside_their_lists_are_refused(void **state)
{
	(void)state;
	for (unsigned v = 0; v < 256; v++) {
		build_pair();
		built()->type = (uint8_t)v;
		assert_true(check_built() == (v == RECORD_PAIR));
		build_pair();
		built()->outcome = (uint8_t)v;
		assert_true(check_built() == (v < OUTCOME_COUNT));
		build_pair();
		built()->why = (uint8_t)v;
		assert_true(check_built() == (v < WHY_COUNT || v == WHY_none));
	}
	for (unsigned bit = 0; bit < 32; bit++) {
		build_pair();
		built()->flags = UINT32_C(1) << bit;
		assert_true(check_built() == (bit < FLAG_COUNT));
	}
}

static void parts_that_do_not_add_up_are_refused(void **state)
{
	(void)state;
	static const uint32_t lies[] = { 1, 4, 8, 32, UINT32_MAX - 7, UINT32_MAX };

	for (size_t i = 0; i < array_count(lies); i++) {
		build_pair();
		built()->request.fields_bytes += lies[i];
		assert_false(check_built());
		built()->response.fields_bytes -= lies[i]; /* the sum is right again, modulo 2^32 */
		assert_false(check_built());
	}
	build_pair();
	built()->request.fields_bytes = 0; /* two parts as one */
	built()->response.fields_bytes = b.used - (uint32_t)sizeof(struct record);
	assert_true(check_built());
}

/* A record with `tunnels` of them in front of one field. */
static struct record_tunnel *build_tunnels(uint32_t tunnels)
{
	struct record_tunnel *t;

	begin();
	t = (void *)(b.bytes + b.used);
	memset(t, 0, tunnels * sizeof(*t));
	built()->tunnels = tunnels;
	b.used += tunnels * (uint32_t)sizeof(*t);
	field(&built()->request, 0, RECORD_FIELD_PLAIN, "method");
	built()->bytes = b.used;
	return t;
}

static void tunnels_stand_in_front_of_the_fields(void **state)
{
	(void)state;
	for (uint32_t n = 0; n <= 8; n++) {
		struct record_tunnel *t = build_tunnels(n);

		if (n > 0)
			t[n - 1].type = TUNNEL_COUNT - 1;
		assert_true(check_built());
		assert_ptr_equal(record_tunnels(built()), t);
		assert_ptr_equal(record_first(built(), RECORD_REQUEST), (uint8_t *)(t + n));
		assert_memory_equal(record_first(built(), RECORD_REQUEST)->data, "method", 6);
	}
}

static void tunnels_that_cannot_be_are_refused(void **state)
{
	(void)state;
	static const uint32_t lies[] = { 1, 3, 65, UINT32_MAX / 48, UINT32_MAX };

	for (size_t i = 0; i < array_count(lies); i++) {
		build_tunnels(2);
		built()->tunnels = lies[i];
		assert_false(check_built());
	}
	for (unsigned v = 0; v < 256; v++) {
		build_tunnels(2)[1].type = (uint8_t)v;
		assert_true(check_built() == (v < TUNNEL_COUNT));
		build_tunnels(2)[1].ip_version = (uint8_t)v;
		assert_true(check_built() == (v == 0 || v == 4 || v == 6));
		build_tunnels(2)[1].has_id = (uint8_t)v;
		assert_true(check_built() == (v <= 1));
	}
}

static void a_message_that_is_absent_has_no_fields(void **state)
{
	(void)state;
	build_pair();
	built()->request.present = 0;
	assert_false(check_built());
	build_pair();
	built()->response.present = 0;
	assert_false(check_built());
	build_pair();
	built()->response.present = 2;
	assert_false(check_built());
}

static void a_field_outside_its_message_is_refused(void **state)
{
	(void)state;
	static const uint32_t lies[] = { 9, 16, 17, 1000, INT32_MAX, UINT32_MAX - 7, UINT32_MAX };
	struct record_field *f;

	for (size_t i = 0; i < array_count(lies); i++) {
		begin();
		f = field(&built()->request, 0, RECORD_FIELD_PLAIN, "12345678");
		f->bytes = lies[i];
		assert_false(check_built());

		/* One that reaches into the response is outside as well. */
		begin();
		f = field(&built()->request, 0, RECORD_FIELD_PLAIN, "12345678");
		field(&built()->response, 0, RECORD_FIELD_PLAIN, "123456789abcdefg");
		f->bytes = lies[i];
		assert_false(check_built());
	}
	/* Shorter: what is left is taken for a field, and eight bytes of digits are none. */
	begin();
	f = field(&built()->request, 0, RECORD_FIELD_PLAIN, "12345678");
	f->bytes = 0;
	assert_false(check_built());
}

static void padding_must_lie_inside_as_well(void **state)
{
	(void)state;
	for (uint32_t bytes = 0; bytes <= 24; bytes++) {
		begin();
		field(&built()->request, 0, RECORD_FIELD_PLAIN, "12345678")->bytes = bytes;
		assert_true(check_built() == (bytes >= 1 && bytes <= 8));
	}
}

static void a_name_longer_than_its_field_is_refused(void **state)
{
	(void)state;
	for (uint32_t name = 0; name <= UINT16_MAX; name++) {
		begin();
		field(&built()->request, 9, (uint16_t)name, "name=value");
		assert_true(check_built() == (name <= 10 || name == RECORD_FIELD_PLAIN));
	}
}

static void a_stream_is_accepted_and_its_lies_are_refused(void **state)
{
	(void)state;
	struct record_stream s = stream();

	assert_true(check(&s, sizeof(s)));
	for (uint64_t bytes = 8; bytes < sizeof(s); bytes += 8) {
		s.bytes = (uint32_t)bytes;
		assert_false(check(&s, bytes));
	}
	s = stream();
	s.gap_count = 8;
	assert_true(check(&s, sizeof(s)));
	s.gap_count = 9;
	assert_false(check(&s, sizeof(s)));
	s = stream();
	s.seen = (UINT32_C(1) << STREAM_BIT_COUNT) - 1;
	assert_true(check(&s, sizeof(s)));
	s.seen++;
	assert_false(check(&s, sizeof(s)));
}

static void names_of_stream_flags_are_sorted(void **state)
{
	(void)state;
	for (unsigned i = 1; i < STREAM_BIT_COUNT; i++)
		assert_true(strcmp(record_stream_flag_name(i - 1), record_stream_flag_name(i)) < 0);
	assert_null(record_stream_flag_name(STREAM_BIT_COUNT));
	assert_null(record_stream_flag_name(UINT32_MAX));
}

/* Walks as the exporters do, without a test of their own. */
static uint64_t walk(const struct record *r)
{
	uint64_t sum = 0;

	for (int part = RECORD_REQUEST; part <= RECORD_RESPONSE; part++)
		for (const struct record_field *f = record_first(r, (enum record_part)part);
		     f != NULL; f = record_next(r, (enum record_part)part, f))
			for (uint32_t i = 0; i < f->bytes; i++)
				sum += f->data[i];
	return sum;
}

/* Every 32-bit word of a good record, set to every value that has fooled somebody. */
static void no_corrupted_word_takes_an_accepted_walk_outside(void **state)
{
	(void)state;
	static const uint32_t lies[] = {
		0, 1, 7, 8, 9, 16, 24, 64, 255, 256, 65535, INT32_MAX, UINT32_MAX - 7, UINT32_MAX
	};
	uint32_t accepted = 0;

	build_pair();
	for (uint32_t at = 0; at < b.used; at += 4) {
		for (size_t i = 0; i < array_count(lies); i++) {
			uint8_t *copy = memcpy(page_end - b.used, b.bytes, b.used);

			memcpy(copy + at, &lies[i], sizeof(lies[i]));
			if (record_check(copy, b.used)) {
				accepted++;
				walk((const void *)copy); /* dies on the page if it runs over */
			}
		}
	}
	assert_true(accepted > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_record_without_fields_is_accepted),
		cmocka_unit_test(fields_are_walked_in_order_and_each_part_ends),
		cmocka_unit_test(one_sided_records_are_walked_too),
		cmocka_unit_test(every_size_but_the_right_one_is_refused),
		cmocka_unit_test(a_shorter_record_that_agrees_with_itself_is_still_refused),
		cmocka_unit_test(a_record_over_the_largest_is_refused),
		cmocka_unit_test(words_outside_their_lists_are_refused),
		cmocka_unit_test(parts_that_do_not_add_up_are_refused),
		cmocka_unit_test(tunnels_stand_in_front_of_the_fields),
		cmocka_unit_test(tunnels_that_cannot_be_are_refused),
		cmocka_unit_test(a_message_that_is_absent_has_no_fields),
		cmocka_unit_test(a_field_outside_its_message_is_refused),
		cmocka_unit_test(padding_must_lie_inside_as_well),
		cmocka_unit_test(a_name_longer_than_its_field_is_refused),
		cmocka_unit_test(a_stream_is_accepted_and_its_lies_are_refused),
		cmocka_unit_test(names_of_stream_flags_are_sorted),
		cmocka_unit_test(no_corrupted_word_takes_an_accepted_walk_outside),
	};
	return cmocka_run_group_tests(tests, make_room, NULL);
}
