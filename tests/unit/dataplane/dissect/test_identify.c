/* Proves identify.h: one scan names the candidates, the probes decide, in this order:
 *
 *   - nobody is asked before 8 bytes are there, unless nothing more is to come;
 *   - a pattern must match within the first 64 bytes; who has no pattern is always asked;
 *   - YES wins at once, MAYBE when nobody else can still say yes, NO when nobody is left;
 *   - who said NO is not asked again; who is not enabled is never asked;
 *   - an unknown name and a pattern that does not compile are refused by name.
 *
 *   - a datagram is decided at once, by patterns and probes of its own.
 *
 * The test is the registry: four dissectors that guess what the test tells them to.
 */
#include <errno.h>
#include <string.h>

#include "dataplane/base/compiler.h"
#include "dataplane/dissect/identify.h"
#include "tests/support/check.h"

enum { ALPHA, BETA, GAMMA, DELTA, DISSECTORS };

static struct {
	enum guess guess[DISSECTORS];
	uint32_t asked[DISSECTORS];
	size_t shown_bytes;
	uint16_t port;
} tape;

static enum guess answer(int who, struct slice first, uint16_t port_hint)
{
	tape.asked[who]++;
	tape.shown_bytes = first.bytes;
	tape.port = port_hint;
	return tape.guess[who];
}

#define PROBE(name, who)                                                                           \
	static enum guess name(struct slice first, uint16_t port_hint)                             \
	{                                                                                          \
		return answer(who, first, port_hint);                                              \
	}
PROBE(probe_alpha, ALPHA)
PROBE(probe_beta, BETA)
PROBE(probe_gamma, GAMMA)
PROBE(probe_delta, DELTA)

static size_t feed(struct conn *c, enum side side, struct slice in)
{
	(void)c, (void)side;
	return in.bytes;
}

/* Not const: one test breaks the last one. */
static struct pattern alpha_patterns[] = { { "^ALPHA", 0 }, { "^alpha[0-9]", 0 } };
static struct pattern beta_patterns[] = { { "beta", 1 } };
static struct pattern delta_patterns[] = { { "^....ALPHA|^ALPHA", 0 } };

static const struct pattern datagram_patterns[] = { { "^DATA", 0 } };
static const struct over_datagrams beta_datagrams = {
	.patterns = datagram_patterns, .pattern_count = 1, .probe = probe_beta, .take = feed
};
static const struct over_datagrams delta_datagrams = { .probe = probe_delta, .take = feed };

static const struct dissector alpha = { .name = "alpha",
					.patterns = alpha_patterns,
					.pattern_count = array_count(alpha_patterns),
					.probe = probe_alpha,
					.feed = feed };
static const struct dissector beta = { .name = "beta",
				       .patterns = beta_patterns,
				       .pattern_count = array_count(beta_patterns),
				       .probe = probe_beta,
				       .feed = feed,
				       .datagrams = &beta_datagrams };
static const struct dissector gamma_ = { .name = "gamma", .probe = probe_gamma, .feed = feed };
static const struct dissector delta = { .name = "delta",
					.patterns = delta_patterns,
					.pattern_count = array_count(delta_patterns),
					.probe = probe_delta,
					.feed = feed,
					.datagrams = &delta_datagrams };

const struct dissector *const dissectors[] = { &alpha, &beta, &gamma_, &delta };
const uint32_t dissector_count = DISSECTORS;

uint32_t dissector_find(const char *name)
{
	for (uint32_t i = 0; i < dissector_count; i++)
		if (strcmp(dissectors[i]->name, name) == 0)
			return i;
	return DISSECTOR_NONE;
}

/* ---- around each test ---- */

/* One side of a connection, looked at again and again. */
struct look {
	struct identify_database *database;
	struct identify identify;
	uint64_t candidates;
	uint32_t found;
};

static struct look look;

static void open_with(struct look *l, const char *names)
{
	uint64_t enabled;
	const char *bad;

	memset(&tape, 0, sizeof(tape)); /* everybody says NO */
	*l = (struct look){ .candidates = UINT64_MAX, .found = DISSECTOR_NONE };
	assert_int_equal(identify_compile(names, &l->database, &enabled, &bad), 0);
	assert_int_equal(identify_init(&l->identify, l->database, enabled), 0);
}

static void close_look(struct look *l)
{
	identify_fini(&l->identify);
	identify_free(l->database);
}

static int open_look(void **state)
{
	open_with(&look, "");
	*state = &look;
	return 0;
}

static int end_look(void **state)
{
	close_look(*state);
	return 0;
}

static enum guess see(struct look *l, const char *text, bool last)
{
	return identify_side(&l->identify, slice_of(text, strlen(text)), 8080, last, &l->candidates,
			     &l->found);
}

static void assert_asked(uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
	assert_int_equal(tape.asked[ALPHA], a);
	assert_int_equal(tape.asked[BETA], b);
	assert_int_equal(tape.asked[GAMMA], c);
	assert_int_equal(tape.asked[DELTA], d);
}

/* ---- the scan ---- */

static void nobody_is_asked_before_eight_bytes_are_there(void **state)
{
	struct look *l = *state;

	tape.guess[ALPHA] = GUESS_YES;
	assert_int_equal(see(l, "ALPHA12", false), GUESS_MORE);
	assert_asked(0, 0, 0, 0);
	assert_int_equal(see(l, "ALPHA123", false), GUESS_YES);
	assert_int_equal(l->found, ALPHA);
	assert_int_equal(tape.shown_bytes, 8);
	assert_int_equal(tape.port, 8080);
}

static void fewer_bytes_will_do_when_nothing_more_is_to_come(void **state)
{
	struct look *l = *state;

	tape.guess[ALPHA] = GUESS_YES;
	assert_int_equal(see(l, "ALPHA", true), GUESS_YES);
	assert_int_equal(l->found, ALPHA);
}

static void only_whose_pattern_matches_is_asked(void **state)
{
	struct look *l = *state;

	see(l, "something else", true);
	assert_asked(0, 0, 1, 0); /* gamma has no pattern: it is always asked */
	l->candidates = UINT64_MAX;
	see(l, "alpha7 and so on", true);
	assert_asked(1, 0, 2, 0);
	l->candidates = UINT64_MAX;
	see(l, "here is BeTa", true); /* caseless, not anchored */
	assert_asked(1, 1, 3, 0);
	l->candidates = UINT64_MAX;
	see(l, "ALPHA for two", true);
	assert_asked(2, 1, 4, 1);
}

static void the_scan_looks_at_64_bytes_and_no_further(void **state)
{
	struct look *l = *state;
	char text[80];

	memset(text, '.', sizeof(text));
	memcpy(text + 60, "beta", 5);
	see(l, text, true);
	assert_int_equal(tape.asked[BETA], 1);
	l->candidates = UINT64_MAX;
	text[60] = '.';
	memcpy(text + 61, "beta", 5);
	see(l, text, true);
	assert_int_equal(tape.asked[BETA], 1);
}

static void a_pattern_may_need_more_than_the_first_eight_bytes(void **state)
{
	struct look *l = *state;

	close_look(l);
	open_with(l, "beta\0"); /* alone: with gamma there is always a candidate */
	tape.guess[BETA] = GUESS_YES;
	assert_int_equal(see(l, "here it ", false), GUESS_MORE);
	assert_int_equal(see(l, "here it is: be", false), GUESS_MORE);
	assert_int_equal(see(l, "here it is: beta", false), GUESS_YES);
	assert_int_equal(l->found, BETA);
}

static void without_a_match_in_64_bytes_the_answer_is_no(void **state)
{
	struct look *l = *state;
	char text[65];

	close_look(l);
	open_with(l, "beta\0");
	memset(text, '.', sizeof(text));
	text[63] = 0;
	assert_int_equal(see(l, text, false), GUESS_MORE);
	text[63] = '.';
	text[64] = 0;
	assert_int_equal(see(l, text, false), GUESS_NO);
	assert_int_equal(see(l, "beta, but too late", false), GUESS_NO);
	assert_asked(0, 0, 0, 0);
}

/* ---- the probes ---- */

static void yes_wins_over_maybe_whoever_comes_first(void **state)
{
	struct look *l = *state;

	tape.guess[ALPHA] = GUESS_MAYBE;
	tape.guess[GAMMA] = GUESS_YES;
	assert_int_equal(see(l, "ALPHA123", false), GUESS_YES);
	assert_int_equal(l->found, GAMMA);
}

static void maybe_wins_at_once_when_nobody_else_is_left(void **state)
{
	struct look *l = *state;

	tape.guess[ALPHA] = GUESS_MAYBE;
	assert_int_equal(see(l, "ALPHA123", false), GUESS_YES);
	assert_int_equal(l->found, ALPHA);
}

static void maybe_waits_for_who_wants_more(void **state)
{
	struct look *l = *state;

	tape.guess[ALPHA] = GUESS_MAYBE;
	tape.guess[DELTA] = GUESS_MORE;
	assert_int_equal(see(l, "ALPHA123", false), GUESS_MORE);
	assert_int_equal(l->found, DISSECTOR_NONE);
	tape.guess[DELTA] = GUESS_YES;
	assert_int_equal(see(l, "ALPHA123 and more", false), GUESS_YES);
	assert_int_equal(l->found, DELTA);
}

static void maybe_wins_when_who_wanted_more_says_no(void **state)
{
	struct look *l = *state;

	tape.guess[ALPHA] = GUESS_MAYBE;
	tape.guess[DELTA] = GUESS_MORE;
	assert_int_equal(see(l, "ALPHA123", false), GUESS_MORE);
	tape.guess[DELTA] = GUESS_NO;
	assert_int_equal(see(l, "ALPHA123 and more", false), GUESS_YES);
	assert_int_equal(l->found, ALPHA);
}

static void at_the_last_look_the_first_maybe_wins(void **state)
{
	struct look *l = *state;

	tape.guess[ALPHA] = GUESS_MORE;
	tape.guess[GAMMA] = GUESS_MAYBE;
	tape.guess[DELTA] = GUESS_MAYBE;
	assert_int_equal(see(l, "ALPHA123", false), GUESS_MORE);
	assert_int_equal(see(l, "ALPHA123", true), GUESS_YES);
	assert_int_equal(l->found, GAMMA);
}

static void wanting_more_at_the_last_look_is_no(void **state)
{
	struct look *l = *state;

	tape.guess[ALPHA] = GUESS_MORE;
	assert_int_equal(see(l, "ALPHA123", false), GUESS_MORE);
	assert_int_equal(see(l, "ALPHA123", true), GUESS_NO);
	assert_int_equal(l->found, DISSECTOR_NONE);
}

static void who_said_no_is_not_asked_again(void **state)
{
	struct look *l = *state;

	tape.guess[ALPHA] = GUESS_MORE;
	see(l, "ALPHA123", false);
	assert_asked(1, 0, 1, 1);
	tape.guess[GAMMA] = GUESS_YES;
	assert_int_equal(see(l, "ALPHA123 and more", false), GUESS_MORE);
	assert_asked(2, 0, 1, 1);
}

static void no_of_everybody_is_final(void **state)
{
	struct look *l = *state;

	assert_int_equal(see(l, "ALPHA123", false), GUESS_NO);
	tape.guess[ALPHA] = GUESS_YES;
	assert_int_equal(see(l, "ALPHA123", true), GUESS_NO);
	assert_asked(1, 0, 1, 1);
}

/* ---- which dissectors
 * ---------------------------------------------------------------------------- */

static void no_names_enable_everybody(void **state)
{
	struct look *l = *state;

	assert_int_equal(l->identify.enabled, 0xf);
}

static void who_is_not_enabled_is_never_asked(void **state)
{
	struct look *l = *state;

	close_look(l);
	open_with(l, "delta\0beta\0");
	assert_int_equal(l->identify.enabled, 1u << DELTA | 1u << BETA);
	see(l, "ALPHA and beta", true);
	assert_asked(0, 1, 0, 1);
}

static void a_set_without_patterns_needs_no_scan(void **state)
{
	struct look *l = *state;

	close_look(l);
	open_with(l, "gamma\0");
	tape.guess[GAMMA] = GUESS_YES;
	assert_int_equal(see(l, "whatever", false), GUESS_YES);
	assert_int_equal(l->found, GAMMA);
}

static void an_unknown_name_is_refused_by_name(void **state)
{
	struct identify_database *d = NULL;
	uint64_t enabled;
	const char *bad = NULL;

	(void)state;
	assert_int_equal(identify_compile("alpha\0gopher\0", &d, &enabled, &bad), -EINVAL);
	assert_string_equal(bad, "gopher");
	assert_null(d);
	assert_int_equal(identify_compile("alph\0", &d, &enabled, &bad), -EINVAL);
	assert_string_equal(bad, "alph");
}

static void a_pattern_that_does_not_compile_is_refused_by_name(void **state)
{
	const char *good = delta_patterns[0].regex, *bad = NULL;
	struct identify_database *d = NULL;
	uint64_t enabled;

	(void)state;
	delta_patterns[0].regex = "(unclosed";
	assert_int_equal(identify_compile("", &d, &enabled, &bad), -EINVAL);
	assert_string_equal(bad, "(unclosed");
	assert_null(d);
	assert_int_equal(identify_compile("alpha\0", &d, &enabled, &bad), 0); /* not asked for */
	identify_free(d);
	delta_patterns[0].regex = good;
}

static void what_was_never_made_may_be_freed(void **state)
{
	struct identify i = { 0 };

	(void)state;
	identify_fini(&i);
	identify_free(NULL);
	assert_null(i.scratch);
}

/* ---- datagrams ---- */

static bool see_datagram(struct look *l, const char *text)
{
	return identify_datagram(&l->identify, slice_of(text, strlen(text)), 53, &l->found);
}

static void a_datagram_has_patterns_and_probes_of_its_own(void **state)
{
	struct look *l = *state;

	tape.guess[BETA] = tape.guess[ALPHA] = tape.guess[GAMMA] = GUESS_YES;
	assert_true(see_datagram(l, "DATA"));
	assert_int_equal(l->found, BETA);
	assert_int_equal(tape.port, 53);
	assert_false(see_datagram(l, "beta and ALPHA"));
	assert_asked(0, 1, 0, 1); /* delta has no pattern: it is always asked */
}

static void a_datagram_is_decided_at_once(void **state)
{
	struct look *l = *state;

	tape.guess[BETA] = GUESS_MORE;
	assert_true(see_datagram(l, "DATA"));
	assert_int_equal(l->found, BETA);
	tape.guess[DELTA] = GUESS_YES;
	assert_true(see_datagram(l, "DATA"));
	assert_int_equal(l->found, DELTA);
	tape.guess[BETA] = GUESS_NO;
	tape.guess[DELTA] = GUESS_MAYBE;
	assert_true(see_datagram(l, "x"));
	assert_int_equal(l->found, DELTA);
}

static void a_datagram_s_probe_sees_its_beginning(void **state)
{
	struct look *l = *state;
	char text[2000];

	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = 0;
	assert_false(see_datagram(l, text));
	assert_int_equal(tape.shown_bytes, IDENTIFY_PROBE_BYTES);
}

static void who_is_not_enabled_is_not_found_in_datagrams(void **state)
{
	struct look *l = *state;

	close_look(l);
	open_with(l, "alpha\0gamma\0");
	tape.guess[BETA] = tape.guess[DELTA] = GUESS_YES;
	assert_false(see_datagram(l, "DATA"));
	assert_asked(0, 0, 0, 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, open_look, end_look)
	const struct CMUnitTest tests[] = {
		T(nobody_is_asked_before_eight_bytes_are_there),
		T(fewer_bytes_will_do_when_nothing_more_is_to_come),
		T(only_whose_pattern_matches_is_asked),
		T(the_scan_looks_at_64_bytes_and_no_further),
		T(a_pattern_may_need_more_than_the_first_eight_bytes),
		T(without_a_match_in_64_bytes_the_answer_is_no),
		T(yes_wins_over_maybe_whoever_comes_first),
		T(maybe_wins_at_once_when_nobody_else_is_left),
		T(maybe_waits_for_who_wants_more),
		T(maybe_wins_when_who_wanted_more_says_no),
		T(at_the_last_look_the_first_maybe_wins),
		T(wanting_more_at_the_last_look_is_no),
		T(who_said_no_is_not_asked_again),
		T(no_of_everybody_is_final),
		T(no_names_enable_everybody),
		T(who_is_not_enabled_is_never_asked),
		T(a_set_without_patterns_needs_no_scan),
		T(a_datagram_has_patterns_and_probes_of_its_own),
		T(a_datagram_is_decided_at_once),
		T(a_datagram_s_probe_sees_its_beginning),
		T(who_is_not_enabled_is_not_found_in_datagrams),
		cmocka_unit_test(an_unknown_name_is_refused_by_name),
		cmocka_unit_test(a_pattern_that_does_not_compile_is_refused_by_name),
		cmocka_unit_test(what_was_never_made_may_be_freed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
