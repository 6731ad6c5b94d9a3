/* Proves what options.h promises: defaults stand until something is said over them, the bare
 * argument comes first or not at all, every kind is read with its units and limits, what is wrong
 * is refused with what would be right, and the list prints itself.
 */
#include "dataplane/rx/options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/check.h"

struct wanted {
	uint64_t before; /* not an option: nothing may write here */
	uint64_t ring, bytes, wait_ns, mode, seed, length;
	double loss;
	char file[8];
	uint64_t behind;
};

static const char *const modes[] = { "auto", "native", "generic", NULL };

/* clang-format off */
static const struct rx_option list[] = {
	{ "ring",   RX_OPTION_COUNT,   offsetof(struct wanted, ring),    2048, 64, 65536, NULL, "frames of each ring" },
	{ "bytes",  RX_OPTION_BYTES,   offsetof(struct wanted, bytes),   1 << 20, 4096, 1 << 30, NULL, "of memory" },
	{ "wait",   RX_OPTION_TIME_NS, offsetof(struct wanted, wait_ns), 60000000, 0, 2000000000, NULL, "before a block is given" },
	{ "loss",   RX_OPTION_PORTION, offsetof(struct wanted, loss),    0, 0, 1, NULL, "that is lost" },
	{ "mode",   RX_OPTION_WORD,    offsetof(struct wanted, mode),    1, 0, 0, modes, "of the driver" },
	{ "seed",   RX_OPTION_COUNT,   offsetof(struct wanted, seed),    1, 0, UINT64_MAX, NULL, "of what looks random" },
	{ "length", RX_OPTION_COUNT,   offsetof(struct wanted, length),  0, 7, 9, NULL, "if it is to be limited" },
	{ "file",   RX_OPTION_TEXT,    offsetof(struct wanted, file),    0, 0, 8, NULL, "to read" },
	{ .name = NULL },
};
/* clang-format on */

enum { BARE_BYTES = 16, MARK = 77 };

static struct wanted accepted(const char *argument, const char *bare_wanted)
{
	struct wanted w = { .before = MARK, .behind = MARK };
	struct rx_error err = { "" };
	char bare[BARE_BYTES] = "untouched";

	if (options_read("toy", list, argument, bare_wanted != NULL ? bare : NULL, sizeof(bare), &w,
			 &err) != 0)
		fail_msg("%s", err.text);
	if (bare_wanted != NULL)
		assert_string_equal(bare, bare_wanted);
	assert_int_equal(w.before, MARK);
	assert_int_equal(w.behind, MARK);
	return w;
}

static void refused(const char *argument, bool bare_allowed, const char *why)
{
	struct wanted w;
	struct rx_error err = { "" };
	char bare[BARE_BYTES];

	if (options_read("toy", list, argument, bare_allowed ? bare : NULL, sizeof(bare), &w,
			 &err) != -EINVAL)
		fail_msg("\"%s\" was not refused", argument);
	assert_int_equal(strncmp(err.text, "toy: ", 5), 0);
	if (strstr(err.text, why) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", err.text, why);
}

static void assert_defaults(const struct wanted *w)
{
	assert_int_equal(w->ring, 2048);
	assert_int_equal(w->bytes, 1 << 20);
	assert_int_equal(w->wait_ns, 60000000);
	assert_true(w->loss >= 0 && w->loss <= 0);
	assert_int_equal(w->mode, 1);
	assert_int_equal(w->seed, 1);
	assert_int_equal(w->length, 0);
}

static void what_is_not_said_has_its_default(void **state)
{
	static const char *const silent[] = { NULL, "" };

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct wanted w = accepted(silent[i], "");

		assert_defaults(&w);
		w = accepted(silent[i], NULL);
		assert_defaults(&w);
	}
	struct wanted w = accepted("eth0", "eth0");

	assert_defaults(&w);
}

static void the_bare_argument_comes_first_or_not_at_all(void **state)
{
	(void)state;
	assert_int_equal(accepted("eth0,ring=64", "eth0").ring, 64);
	assert_int_equal(accepted("ring=64", "").ring, 64);
	assert_int_equal(accepted(",ring=64", "").ring, 64);
	accepted("fifteen.letters", "fifteen.letters");
	refused("sixteen..letters", true, "sixteen..letters: at most 15 letters");
	refused("ring=64,eth0", true, "eth0: an option is written NAME=VALUE");
	refused("eth0,eth1", true, "eth1: an option is written NAME=VALUE");
	refused("eth0,", true, "an option is written NAME=VALUE");
	refused("eth0", false, "eth0: an option is written NAME=VALUE");
	refused(",ring=64", false, "an option is written NAME=VALUE");
}

static void every_kind_is_read_in_its_units(void **state)
{
	struct wanted w = accepted("eth0,ring=65536,bytes=64k,wait=100us,loss=0.25,mode=generic,"
				   "seed=18446744073709551615,length=8",
				   "eth0");

	(void)state;
	assert_int_equal(w.ring, 65536);
	assert_int_equal(w.bytes, 64 << 10);
	assert_int_equal(w.wait_ns, 100000);
	assert_true(w.loss >= 0.25 && w.loss <= 0.25);
	assert_int_equal(w.mode, 2);
	assert_int_equal(w.seed, UINT64_MAX);
	assert_int_equal(w.length, 8);
	assert_int_equal(accepted("bytes=4096", NULL).bytes, 4096);
	assert_int_equal(accepted("bytes=4m", NULL).bytes, 4 << 20);
	assert_int_equal(accepted("bytes=4M", NULL).bytes, 4 << 20);
	assert_int_equal(accepted("bytes=1g", NULL).bytes, 1 << 30);
	assert_int_equal(accepted("wait=7ns", NULL).wait_ns, 7);
	assert_int_equal(accepted("wait=20ms", NULL).wait_ns, 20000000);
	assert_int_equal(accepted("wait=2s", NULL).wait_ns, 2000000000);
	assert_int_equal(accepted("wait=0ms", NULL).wait_ns, 0);
	assert_int_equal(accepted("mode=auto", NULL).mode, 0);
	assert_true(accepted("loss=1", NULL).loss >= 1);
}

static void who_says_it_twice_means_the_last(void **state)
{
	(void)state;
	assert_int_equal(accepted("ring=64,mode=auto,ring=65", NULL).ring, 65);
}

static void values_beyond_their_limits_are_refused_with_the_limits(void **state)
{
	(void)state;
	refused("ring=63", true, "ring=63: a number from 64 to 65536 is needed");
	refused("ring=65537", true, "ring=65537: a number from 64 to 65536 is needed");
	refused("length=0", true, "length=0: a number from 7 to 9 is needed");
	refused("bytes=4095", true, "bytes=4095: a size from 4k to 1g is needed, in bytes or with k, m or g");
	refused("bytes=2g", true, "bytes=2g: a size from 4k to 1g");
	refused("wait=2001ms", true, "wait=2001ms: a time from 0ns to 2s is needed, such as 20ms");
	refused("loss=1.1", true, "loss=1.1: a portion from 0 to 1 is needed");
	refused("loss=-0.1", true, "loss=-0.1: a portion");
	refused("mode=fast", true, "mode=fast: one of these is needed: auto native generic");
}

static void what_is_no_number_is_refused(void **state)
{
	(void)state;
	refused("ring=", true, "ring=: a number");
	refused("ring=-64", true, "a number");
	refused("ring=+64", true, "a number");
	refused("ring= 64", true, "a number");
	refused("ring=64k", true, "ring=64k: a number");
	refused("ring=0x100", true, "a number");
	refused("ring=64=64", true, "ring=64=64: a number");
	refused("seed=18446744073709551616", true, "seed=18446744073709551616: a number");
	refused("bytes=k", true, "bytes=k: a size");
	refused("bytes=64kb", true, "a size");
	refused("bytes=1.5m", true, "a size");
	refused("bytes=17179869184g", true, "a size"); /* 2^64 */
	refused("wait=20", true, "wait=20: a time");   /* of what? */
	refused("wait=20m", true, "a time");
	refused("loss=nan", true, "a portion");
	refused("loss=", true, "a portion");
	refused("loss=0.5x", true, "a portion");
	refused("mode=", true, "mode=: one of these");
	refused("mode=Native", true, "one of these");
	refused("mode=nativ", true, "one of these");
}

static void unknown_names_are_told_the_known_ones(void **state)
{
	(void)state;
	refused("eth0,speed=1", true,
		"there is no option speed; there are ring, bytes, wait, loss, mode, seed, length");
	refused("=5", true, "there is no option ; there are ring");
	refused("Ring=64", true, "there is no option Ring");
	refused("rin=64", true, "there is no option rin;");
}

static void long_arguments_are_cut_in_the_complaint_and_not_before(void **state)
{
	char text[600];

	(void)state;
	memset(text, 'x', sizeof(text));
	text[511] = 0;
	refused(text, false, "xxx: an option is written NAME=VALUE");
	text[511] = 'x';
	text[512] = 0;
	refused(text, false, "the argument is longer than 511 bytes");
	memcpy(text, "ring=", 5);
	text[300] = 0;
	refused(text, false, "xxx: a number from 64 to 65536 is needed");
}

static void the_list_prints_itself(void **state)
{
	char *text;
	size_t bytes;
	FILE *to = open_memstream(&text, &bytes);

	(void)state;
	options_print(list, to);
	fclose(to);
	assert_string_equal(text,
			    "  ring=64..65536            frames of each ring (default 2048)\n"
			    "  bytes=4k..1g              of memory (default 1m)\n"
			    "  wait=0ns..2s              before a block is given (default 60ms)\n"
			    "  loss=0..1                 that is lost (default 0)\n"
			    "  mode=auto|native|generic  of the driver (default native)\n"
			    "  seed=0..                  of what looks random (default 1)\n"
			    "  length=7..9               if it is to be limited\n"
			    "  file=TEXT                 to read\n");
	free(text);
}

static void a_text_is_taken_as_it_is_or_refused_as_too_long(void **state)
{
	(void)state;
	assert_string_equal(accepted("ring=64", NULL).file, "");
	assert_string_equal(accepted("file=a=b.c", NULL).file, "a=b.c");
	assert_string_equal(accepted("file=1234567", NULL).file, "1234567");
	assert_string_equal(accepted("file=", NULL).file, "");
	refused("file=12345678", false, "at most 7 letters");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_text_is_taken_as_it_is_or_refused_as_too_long),
		cmocka_unit_test(what_is_not_said_has_its_default),
		cmocka_unit_test(the_bare_argument_comes_first_or_not_at_all),
		cmocka_unit_test(every_kind_is_read_in_its_units),
		cmocka_unit_test(who_says_it_twice_means_the_last),
		cmocka_unit_test(values_beyond_their_limits_are_refused_with_the_limits),
		cmocka_unit_test(what_is_no_number_is_refused),
		cmocka_unit_test(unknown_names_are_told_the_known_ones),
		cmocka_unit_test(long_arguments_are_cut_in_the_complaint_and_not_before),
		cmocka_unit_test(the_list_prints_itself),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
