/* Proves log.h: one line per call site in 20 s, what was kept to itself is told with the next one,
 * levels are obeyed, a line is one write however long, and threads share a site's silence.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "dataplane/base/clock.h"
#include "dataplane/base/log.h"
#include "tests/support/check.h"

/* Standard error is a pipe while a test runs. */
static struct {
	int saved_fd, read_fd;
	char text[8192];
} heard;

static int open_pipe(void **state)
{
	int fd[2];

	assert_int_equal(pipe2(fd, O_NONBLOCK | O_CLOEXEC), 0);
	fflush(stderr);
	heard.saved_fd = dup(STDERR_FILENO);
	heard.read_fd = fd[0];
	assert_true(dup2(fd[1], STDERR_FILENO) >= 0);
	close(fd[1]);
	log_open("tester", LOG_INFO);
	*state = &heard;
	return 0;
}

static int close_pipe(void **state)
{
	(void)state;
	dup2(heard.saved_fd, STDERR_FILENO);
	close(heard.saved_fd);
	close(heard.read_fd);
	return 0;
}

/* What has been printed since the last call. */
static const char *printed(void)
{
	ssize_t n = read(heard.read_fd, heard.text, sizeof(heard.text) - 1);

	heard.text[n < 0 ? 0 : n] = 0;
	return heard.text;
}

/* As if 20 s had passed for this site. */
static void let_time_pass(struct log_site *site)
{
	atomic_store(&site->next_ns, clock_monotonic_ns());
}

static void a_line_has_the_program_the_level_and_one_end(void **state)
{
	(void)state;
	log_error("%s: %d", "cause", 5);
	assert_string_equal(printed(), "tester: error: cause: 5\n");
	log_warn("careful");
	assert_string_equal(printed(), "tester: warning: careful\n");
	log_info("by the way");
	assert_string_equal(printed(), "tester: by the way\n");
}

static void levels_beyond_the_chosen_one_are_silent(void **state)
{
	struct log_site site = { 0 };

	(void)state;
	log_line(&site, LOG_DEBUG, "details");
	assert_string_equal(printed(), "");
	assert_int_equal(site.kept, 0); /* not even counted */
	log_open("tester", LOG_DEBUG);
	log_line(&site, LOG_DEBUG, "details");
	assert_string_equal(printed(), "tester: debug: details\n");
	log_open("tester", LOG_ERROR);
	let_time_pass(&site);
	log_line(&site, LOG_WARN, "careful");
	assert_string_equal(printed(), "");
}

static void a_site_prints_once_and_counts_the_rest(void **state)
{
	struct log_site site = { 0 };

	(void)state;
	for (int i = 0; i < 5; i++)
		log_line(&site, LOG_ERROR, "line %d", i);
	assert_string_equal(printed(), "tester: error: line 0\n");
	assert_int_equal(site.kept, 4);
}

static void what_was_kept_is_told_with_the_next_line(void **state)
{
	struct log_site site = { 0 };

	(void)state;
	for (int i = 0; i < 5; i++)
		log_line(&site, LOG_ERROR, "line");
	printed();
	let_time_pass(&site);
	log_line(&site, LOG_ERROR, "again");
	assert_string_equal(printed(), "tester: error: again (and 4 more)\n");
	let_time_pass(&site);
	log_line(&site, LOG_ERROR, "once more");
	assert_string_equal(printed(), "tester: error: once more\n");
}

static void the_silence_is_20_seconds(void **state)
{
	struct log_site site = { 0 };
	uint64_t before = clock_monotonic_ns(), after;

	(void)state;
	log_line(&site, LOG_ERROR, "line");
	after = clock_monotonic_ns();
	assert_in_range(site.next_ns, before + 20 * CLOCK_SECOND_NS, after + 20 * CLOCK_SECOND_NS);
}

static void say_from_one_place(int i)
{
	log_error("place %d", i);
}

static void a_call_site_is_a_cause_of_its_own(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++)
		say_from_one_place(i);
	log_error("another place");
	assert_string_equal(printed(), "tester: error: place 0\ntester: error: another place\n");
}

static void each_of_several_things_has_its_line(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++)
		log_each("thing %d", i);
	assert_string_equal(printed(), "tester: thing 0\ntester: thing 1\ntester: thing 2\n");
}

static void a_line_too_long_is_cut_and_still_ends(void **state)
{
	struct log_site site = { 0 };
	char text[4000];
	const char *line;

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = 0;
	log_line(&site, LOG_ERROR, "%s", text);
	log_line(&site, LOG_ERROR, "%s", text);
	line = printed();
	assert_in_range(strlen(line), 900, 1024);
	assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
	let_time_pass(&site);
	log_line(&site, LOG_ERROR, "%s", text);
	line = printed();
	assert_string_equal(line + strlen(line) - 14, " (and 1 more)\n");
}

enum { THREADS = 8, LINES_EACH = 200 };

static void *shout(void *site)
{
	for (int i = 0; i < LINES_EACH; i++)
		log_line(site, LOG_ERROR, "all at once");
	return NULL;
}

static void of_many_threads_one_prints_and_none_is_forgotten(void **state)
{
	struct log_site site = { 0 };
	pthread_t thread[THREADS];
	unsigned told = 0;

	(void)state;
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, shout, &site), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	/* Whoever prints takes along what the others had kept so far. */
	sscanf(printed(), "tester: error: all at once (and %u more)", &told);
	assert_ptr_equal(strchr(heard.text, '\n'), heard.text + strlen(heard.text) - 1);
	assert_int_equal(1 + told + site.kept, THREADS * LINES_EACH);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, open_pipe, close_pipe)
	const struct CMUnitTest tests[] = {
		T(a_line_has_the_program_the_level_and_one_end),
		T(levels_beyond_the_chosen_one_are_silent),
		T(a_site_prints_once_and_counts_the_rest),
		T(what_was_kept_is_told_with_the_next_line),
		T(the_silence_is_20_seconds),
		T(a_call_site_is_a_cause_of_its_own),
		T(each_of_several_things_has_its_line),
		T(a_line_too_long_is_cut_and_still_ends),
		T(of_many_threads_one_prints_and_none_is_forgotten),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
