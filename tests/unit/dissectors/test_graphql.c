/* Proves of dissectors/graphql.c:
 *   - the operation that a request asks for is told with its type and name, from JSON, from a
 * document by itself, from a URL;
 *   - what is in doubt is not told: what follows no grammar, several operations without a name, a
 * name that none has, members twice, batches;
 *   - no part of a request is taken for one; nesting has a limit, and so has every length.
 * Every input ends at an unreadable page.
 */
#include "tests/support/check.h"

#include <stdio.h>

#include "dissectors/graphql.h"
#include "tests/support/fake_host.h"
#include "tests/support/guarded.h"

static struct guarded page;

static int open_page(void **state)
{
	(void)state;
	guarded_init(&page, 1 << 16);
	return 0;
}

static int free_page(void **state)
{
	(void)state;
	guarded_fini(&page);
	return 0;
}

/* "type name", or "-". */
static const char *told(bool found, const struct graphql *g)
{
	static char text[GRAPHQL_NAME_BYTES + 32];

	if (!found)
		return "-";
	snprintf(text, sizeof(text), "%s %.*s", g->type, (int)g->name_bytes, (const char *)g->name);
	return text;
}

static const char *body(enum graphql_kind kind, const char *text, size_t bytes)
{
	struct graphql g;
	const uint8_t *at = guarded_put(&page, text, bytes);

	return told(graphql_in_body(kind, slice_of(at, bytes), &g), &g);
}

static const char *json(const char *text)
{
	return body(GRAPHQL_JSON, text, strlen(text));
}

static const char *document(const char *text)
{
	return body(GRAPHQL_TEXT, text, strlen(text));
}

static const char *target(const char *text)
{
	struct graphql g;
	const uint8_t *at = guarded_put(&page, text, strlen(text));

	return told(graphql_in_target(slice_of(at, strlen(text)), &g), &g);
}

static void a_document_says_its_operation(void **state)
{
	static const char *const good[][2] = {
		{ "{a}", "query " },
		{ "query { a }", "query " },
		{ "query Q { a }", "query Q" },
		{ "mutation M($x: [Int!]! = [1, 2] @d, $y: In = {a: {b: [\"}\"]}}) @live(if: true) "
		  "{ a }",
		  "mutation M" },
		{ "subscription S { a }", "subscription S" },
		{ "\xef\xbb\xbf# a { comment\r\nquery Q{a:b(c:$d,e:-1.5e3,f:null g:ENUM)@x{...F "
		  "...on T{h}...@i{j}}}"
		  " fragment F on T @k { l }",
		  "query Q" },
		{ "query query { query fragment mutation }", "query query" },
		{ "query Q { a(s: \"\\\" }\", b: \"\"\"block \\\"\"\" } \" \"\"\") }", "query Q" },
		{ "query _1 { a }", "query _1" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_string_equal(document(good[i][0]), good[i][1]);
}

static void what_follows_no_grammar_is_none(void **state)
{
	static const char *const bad[] = {
		"",
		" ",
		"query",
		"query Q",
		"query Q {",
		"query Q {}",
		"query Q { a",
		"{a}}",
		"{ a } x",
		"SELECT * FROM t",
		"{job=\"x\"}",
		"{\"a\": 1}",
		"{a:}",
		"{a(}",
		"{a()}",
		"{a(b)}",
		"{a(b:)}",
		"{a @}",
		"{...}",
		"{... on}",
		"query Q() {a}",
		"query Q(x: Int) {a}",
		"query Q($x) {a}",
		"query Q($x: [Int) {a}",
		"{ a \"text }",
		"{ a(b: \"\"\"c) }",
		"type T { a: Int }",
		"fragment on on T { a } {a}",
		"fragment F on T { a }",
		"{a(b: 1x)}",
		"{a(b: .5)}",
		"{a..b}",
		"{a ? b}",
		"{a(b: \"x\ny\")}",
		"schema { query: Q }",
		"{a(b: -)}",
		"sum(rate(x[5m]))",
		"query Q { a } { b",
		"1",
		"\"query\"",
		"{a & b}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_string_equal(document(bad[i]), "-");
}

static void which_of_several_is_asked_for_is_said_by_the_name(void **state)
{
	(void)state;
	assert_string_equal(document("query A {a} mutation B {b}"), "-");
	assert_string_equal(
		json("{\"query\":\"query A {a} mutation B {b}\",\"operationName\":\"B\"}"),
		"mutation B");
	assert_string_equal(
		json("{\"operationName\":\"A\",\"query\":\"query A {a} mutation B {b}\"}"),
		"query A");
	assert_string_equal(json("{\"query\":\"query A {a}\",\"operationName\":\"B\"}"), "-");
	assert_string_equal(json("{\"query\":\"query A {a} query A {b}\",\"operationName\":\"A\"}"),
			    "-");
	assert_string_equal(json("{\"query\":\"query A {a}\",\"operationName\":null}"), "query A");
	assert_string_equal(json("{\"query\":\"query A {a}\",\"operationName\":\"\"}"), "query A");
}

static void the_query_is_found_in_json(void **state)
{
	static const char *const good[] = {
		"{\"query\":\"query Q{a}\"}",
		" { \"variables\" : { \"query\" : \"{b}\", \"a\":[1,-2.5e+3,{\"}\":\"]\\\"\"}] } ,"
		"\r\n\t\"query\" : \"query Q {\\n\\ta(b: \\\"\\u007b\\u20ac\\\")\\u007D\" } \n",
		"{\"query\":\"query Q{a}\",\"extensions\":null,\"x\":true,\"y\":[],\"z\":{}}",
	};
	static const char *const bad[] = {
		"{}",
		"[]",
		"",
		"{\"query\":{}}",
		"{\"query\":null}",
		"{\"query\":\"\"}",
		"{\"query\":\"SELECT 1\"}",
		"[{\"query\":\"{a}\"}]",
		"{\"a\":{\"query\":\"{a}\"}}",
		"{\"query\":\"{a}\"",
		"{\"query\":\"{a}\",}",
		"{\"query\":\"{a}\"}x",
		"{\"query\":\"{a}\",\"query\":\"{a}\"}",
		"{\"query\":\"{a}\" \"b\":1}",
		"{\"query\":\"{a}\",\"operationName\":1}",
		"{\"query\":\"{a}\",\"b\":[}",
		"{\"query\":\"{a}\",\"b\":]}",
		"{\"qu\\u0065ry\":\"{a}\"}",
		"{\"query\":\"{a\\x}\"}",
		"{\"query\":\"{a}\\ud83d\"}",
		"{\"query\":\"{a}\n\"}",
		"{\"query\":\"{a}\",\"b\":\"c}",
		"{\"operationName\":null,\"operationName\":null,\"query\":\"{a}\"}",
		"{\"query\" \"{a}\"}",
		"{query:\"{a}\"}",
		"{\"query\":\"{a}\",\"operationName\":\"\\u0041\"}",
		"{\"operationName\":\"A\",\"extensions\":{\"persistedQuery\":{}}}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_string_equal(json(good[i]), "query Q");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_string_equal(json(bad[i]), "-");
}

static void the_query_is_found_in_a_url(void **state)
{
	(void)state;
	assert_string_equal(target("/graphql?query=%7Ba%7D"), "query ");
	assert_string_equal(target("/api?x=1&query=query+Q%7Ba%7d&y=2"), "query Q");
	assert_string_equal(target("/api?query=query%20A{a}%20query%20B{b}&operationName=B#f"),
			    "query B");
	assert_string_equal(target("http://h/graphql?query={a}"), "query ");
	assert_string_equal(target("/search?query={a}"), "-"); /* a template that nobody filled */
	assert_string_equal(target("/graphql?subquery={a}"), "-");
	assert_string_equal(target("/graphql?query={a}&query={a}"), "-");
	assert_string_equal(target("/graphql?query=%7Ba%7"), "-");
	assert_string_equal(target("/graphql?query=%7Ba%zz"), "-");
	assert_string_equal(target("/graphql?query="), "-");
	assert_string_equal(target("/graphql#?query={a}&query="), "-");
	assert_string_equal(target("/graphql"), "-");
	assert_string_equal(target(""), "-");
}

static void content_types_are_told_apart(void **state)
{
	static const struct {
		const char *type;
		enum graphql_kind kind;
	} types[] = {
		{ "application/json", GRAPHQL_JSON },
		{ "Application/JSON; charset=utf-8", GRAPHQL_JSON },
		{ "application/graphql", GRAPHQL_TEXT },
		{ "application/graphql+json", GRAPHQL_NONE },
		{ "application/json5", GRAPHQL_NONE },
		{ "application/jso", GRAPHQL_NONE },
		{ "text/plain", GRAPHQL_NONE },
		{ "", GRAPHQL_NONE },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		size_t n = strlen(types[i].type);

		assert_int_equal(graphql_kind(slice_of(guarded_put(&page, types[i].type, n), n)),
				 types[i].kind);
	}
}

static void no_part_of_a_request_is_taken_for_one(void **state)
{
	static const char whole[] =
		"{\"variables\":{\"a\":[1]},\"query\":\"mutation M($x: Int) {a(b: $x) "
		"{c @d ...F}} fragment F on T {e}\",\"operationName\":\"M\"}";
	static const char plain[] = "mutation M($x: Int = 1) @a(b: \"c\") { d(e: [$x]) { f } }";

	(void)state;
	assert_string_equal(json(whole), "mutation M");
	for (size_t n = 0; n < sizeof(whole) - 1; n++)
		assert_string_equal(body(GRAPHQL_JSON, whole, n), "-");
	assert_string_equal(document(plain), "mutation M");
	for (size_t n = 0; n < sizeof(plain) - 1; n++)
		assert_string_equal(body(GRAPHQL_TEXT, plain, n), "-");
}

static void nesting_has_a_limit(void **state)
{
	static char text[GRAPHQL_BYTES + 1];
	static const char *const openings[] = { "{a", "{a(b:[", "[", "{\"query\":[", "{a(b:{c:" };

	(void)state;
	for (size_t i = 0; i < sizeof(openings) / sizeof(openings[0]); i++) {
		size_t n = 0, one = strlen(openings[i]);

		for (; n + one <= GRAPHQL_BYTES; n += one)
			memcpy(text + n, openings[i], one);
		assert_string_equal(body(GRAPHQL_TEXT, text, n), "-");
		assert_string_equal(body(GRAPHQL_JSON, text, n), "-");
	}
	for (int depth = 60; depth < 70; depth++) {
		size_t n = 0;

		for (int i = 0; i < depth; i++)
			n += (size_t)snprintf(text + n, sizeof(text) - n, "{a");
		memset(text + n, '}', (size_t)depth);
		assert_string_equal(body(GRAPHQL_TEXT, text, n + (size_t)depth),
				    depth <= 64 ? "query " : "-");
	}
}

static void what_is_too_long_is_not_told(void **state)
{
	static char text[GRAPHQL_BYTES + 2];
	int n;

	(void)state;
	snprintf(text, sizeof(text), "query %0*d{a}", GRAPHQL_NAME_BYTES, 0);
	memset(text + 6, 'n', GRAPHQL_NAME_BYTES);
	assert_int_equal(strlen(document(text)), 6 + GRAPHQL_NAME_BYTES);
	snprintf(text, sizeof(text), "query %0*d{a}", GRAPHQL_NAME_BYTES + 1, 0);
	memset(text + 6, 'n', GRAPHQL_NAME_BYTES + 1);
	assert_string_equal(document(text), "-");
	n = snprintf(text, sizeof(text), "query Q{a}");
	memset(text + n, ' ', sizeof(text) - (size_t)n);
	assert_string_equal(body(GRAPHQL_TEXT, text, GRAPHQL_BYTES), "query Q");
	assert_string_equal(body(GRAPHQL_TEXT, text, GRAPHQL_BYTES + 1), "-");
}

static void random_changes_break_nothing(void **state)
{
	static const char whole[] =
		"{\"query\":\"query Q($x: Int) {a(b: $x) {c @d ...F}} fragment F on T "
		"{e}\",\"operationName\":\"Q\"}";
	uint64_t seed = 3;
	char text[sizeof(whole)];

	(void)state;
	for (int round = 0; round < 20000; round++) {
		memcpy(text, whole, sizeof(whole));
		for (int i = 0; i < 3; i++)
			text[fake_random(&seed) % (sizeof(whole) - 1)] = (char)fake_random(&seed);
		body(GRAPHQL_JSON, text, sizeof(whole) - 1);
		body(GRAPHQL_TEXT, text, sizeof(whole) - 1);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_document_says_its_operation),
		cmocka_unit_test(what_follows_no_grammar_is_none),
		cmocka_unit_test(which_of_several_is_asked_for_is_said_by_the_name),
		cmocka_unit_test(the_query_is_found_in_json),
		cmocka_unit_test(the_query_is_found_in_a_url),
		cmocka_unit_test(content_types_are_told_apart),
		cmocka_unit_test(no_part_of_a_request_is_taken_for_one),
		cmocka_unit_test(nesting_has_a_limit),
		cmocka_unit_test(what_is_too_long_is_not_told),
		cmocka_unit_test(random_changes_break_nothing),
	};

	return cmocka_run_group_tests(tests, open_page, free_page);
}
