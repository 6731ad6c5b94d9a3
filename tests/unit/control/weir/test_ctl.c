/* Proves that `weir ctl` asks the right capture and tells what it said and nothing else: text and
 * status come through, settings are printed as weir prints them, `stop` returns when the capture is
 * gone; and that a missing, silent, dying or lying one is a sentence and a status, never a wait
 * without end.
 */
#include "control/weir/command.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "control/daemon/ctl.h"
#include "control/weir/settings_parse.h"
#include "dataplane/base/clock.h"
#include "dataplane/shm/settings.h"

static char directory[64];
static char out[8 << 20], errors[4096];
static pid_t server;

static int begin(void **state)
{
	(void)state;
	server = 0;
	strcpy(directory, "/tmp/test_weir_ctl-XXXXXX");
	return mkdtemp(directory) != NULL ? 0 : -1;
}

static int end(void **state)
{
	char command[128];

	(void)state;
	if (server > 0) {
		kill(server, SIGKILL);
		waitpid(server, NULL, 0);
	}
	(void)snprintf(command, sizeof(command), "rm -r '%s'", directory);
	return system(command);
}

/* ---- a weir-control ---- */

struct how {
	int status;
	size_t bytes;          /* of text; 0: the request */
	unsigned leaves_after; /* answers to `stop`; then ms until it leaves */
	const struct settings *settings;
};

static bool stopping;

static int answer(void *context, enum ctl_word word, bool json, FILE *to)
{
	const struct how *how = context;

	stopping = word == CTL_stop;
	if (how->bytes == 0)
		fprintf(to, "%s%s\n", ctl_word_name(word), json ? " in JSON" : "");
	for (size_t i = 0; i < how->bytes; i++)
		fputc('a' + (int)(i % 26), to);
	return how->status;
}

_Noreturn static void serve(const struct how *how, int ready_fd)
{
	const struct ctl_answers answers = { .answer = answer,
					     .context = (void *)(uintptr_t)how,
					     .settings_fd = how->settings != NULL
								    ? settings_seal(how->settings)
								    : open("/dev/null", O_RDONLY) };
	struct ctl ctl;

	if (ctl_open(&ctl, directory, &answers) < 0 || write(ready_fd, "", 1) != 1)
		_exit(1);
	while (!stopping) {
		struct pollfd p = { .fd = ctl_fd(&ctl), .events = POLLIN };

		(void)poll(&p, 1, 100);
		ctl_run(&ctl, clock_monotonic_ns());
	}
	usleep(how->leaves_after * 1000);
	ctl_close(&ctl);
	_exit(0);
}

static void start(const struct how *how)
{
	int ready[2];
	char byte;

	assert_int_equal(pipe(ready), 0);
	fflush(NULL);
	server = fork();
	if (server == 0)
		serve(how, ready[1]);
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
}

/* One that says what it is told to say, whatever is asked, and then hangs up or not. */
static void start_liar(const char *says, bool hangs_up)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), client;

	(void)snprintf(at.sun_path, sizeof(at.sun_path), "%s/ctl.sock", directory);
	assert_int_equal(bind(fd, (const void *)&at, sizeof(at)), 0);
	assert_int_equal(listen(fd, 8), 0);
	fflush(NULL);
	server = fork();
	if (server == 0) {
		client = accept(fd, NULL, NULL);
		(void)send(client, says, strlen(says), MSG_NOSIGNAL);
		if (hangs_up)
			_exit(0);
		pause();
	}
	close(fd);
}

/* ---- the command ---- */

static void take(int fd, char *ret, size_t room)
{
	ssize_t n = pread(fd, ret, room - 1, 0);

	ret[n > 0 ? n : 0] = 0;
	close(fd);
}

static int anonymous_file(void)
{
	return open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
}

/* Its status; `out` and `errors` are what it wrote. */
static int call(char **argv)
{
	int out_fd = anonymous_file(), errors_fd = anonymous_file(), saved[2], status, argc = 0;

	while (argv[argc] != NULL)
		argc++;
	fflush(NULL);
	saved[0] = dup(STDOUT_FILENO);
	saved[1] = dup(STDERR_FILENO);
	dup2(out_fd, STDOUT_FILENO);
	dup2(errors_fd, STDERR_FILENO);
	status = command_ctl(argc, argv);
	fflush(NULL);
	dup2(saved[0], STDOUT_FILENO);
	dup2(saved[1], STDERR_FILENO);
	close(saved[0]);
	close(saved[1]);
	take(out_fd, out, sizeof(out));
	take(errors_fd, errors, sizeof(errors));
	return status;
}

#define CALL(...) call((char *[]){ __VA_ARGS__, NULL })

static void check_error(const char *part)
{
	if (strstr(errors, part) == NULL)
		fail_msg("%s\nis not in\n%s", part, errors);
	assert_string_equal(out, "");
}

/* ---- answers ---- */

static void text_and_status_come_through(void **state)
{
	const struct how how = { .status = STATUS_LEDGER };

	(void)state;
	start(&how);
	assert_int_equal(CALL("--name", directory, "status"), STATUS_LEDGER);
	assert_string_equal(out, "status\n");
	assert_string_equal(errors, "");
	assert_int_equal(CALL("ledger", "--json", "--name", directory), STATUS_LEDGER);
	assert_string_equal(out, "ledger in JSON\n");
}

static void a_large_answer_comes_through_whole(void **state)
{
	const struct how how = { .bytes = 5 << 20 };

	(void)state;
	start(&how);
	assert_int_equal(CALL("--name", directory, "ledger"), STATUS_DONE);
	assert_int_equal(strlen(out), how.bytes);
	for (size_t i = 0; i < how.bytes; i++)
		if (out[i] != 'a' + (char)(i % 26))
			fail_msg("byte %zu is another", i);
}

static void settings_are_printed_as_weir_prints_them(void **state)
{
	struct settings *s = malloc(sizeof(*s));
	struct how how = { .settings = s };
	char *expected = NULL;
	size_t bytes;
	FILE *f;

	(void)state;
	assert_non_null(s);
	settings_defaults(s);
	strcpy(s->run, "k3q9ab");
	strcpy(s->command, "capture");
	strcpy(s->format, "jsonl");
	s->workers = 7;
	start(&how);
	assert_int_equal(CALL("--name", directory, "settings"), STATUS_DONE);
	f = open_memstream(&expected, &bytes);
	settings_print(s, f);
	fclose(f);
	assert_string_equal(out, expected);
	assert_non_null(strstr(out, "workers = 7\n"));
	free(expected);
	free(s);
}

static void settings_of_another_build_are_refused(void **state)
{
	const struct how how = { .settings = NULL };

	(void)state;
	start(&how);
	assert_int_equal(CALL("--name", directory, "settings"), STATUS_SOURCE);
	check_error("another version of weir");
}

static void stop_returns_when_the_capture_is_gone(void **state)
{
	const struct how how = { .leaves_after = 300 };
	uint64_t begin_ns = clock_monotonic_ns(), took_ns;

	(void)state;
	start(&how);
	assert_int_equal(CALL("--name", directory, "stop"), STATUS_DONE);
	took_ns = clock_monotonic_ns() - begin_ns;
	assert_string_equal(out, "stop\nstopped\n");
	assert_true(took_ns >= 250 * UINT64_C(1000000));
	assert_true(took_ns < 20 * CLOCK_SECOND_NS);
}

static void a_stop_that_is_refused_is_not_waited_for(void **state)
{
	const struct how how = { .status = CTL_REFUSED, .leaves_after = 20000 };

	(void)state;
	start(&how);
	assert_int_equal(CALL("--name", directory, "stop"), STATUS_USAGE);
	check_error("weir ctl: stop\n");
}

/* ---- those who do not answer ---- */

static void nobody_there_is_a_sentence(void **state)
{
	(void)state;
	assert_int_equal(CALL("--name", directory, "status"), STATUS_SOURCE);
	check_error("no capture called /tmp/test_weir_ctl-");
	assert_int_equal(CALL("--name", "no-such-capture-anywhere", "stop"), STATUS_SOURCE);
	check_error("no capture called no-such-capture-anywhere is running\n");
}

static void one_that_ends_without_an_answer_is_named(void **state)
{
	(void)state;
	start_liar("", true);
	assert_int_equal(CALL("--name", directory, "status"), STATUS_SOURCE);
	check_error("has left without an answer");
}

static void an_answer_cut_short_is_not_told(void **state)
{
	(void)state;
	start_liar("weir-ctl 0 100\nhalf of it", true);
	assert_int_equal(CALL("--name", directory, "status"), STATUS_SOURCE);
	check_error("has left without an answer");
}

static void what_is_no_answer_is_not_told(void **state)
{
	(void)state;
	start_liar("HTTP/1.1 200 OK\r\n\r\nhello\n", true);
	assert_int_equal(CALL("--name", directory, "status"), STATUS_SOURCE);
	check_error("has left without an answer");
}

/* A control that is stopped, or whose output takes nothing. */
static void one_that_is_silent_is_given_up(void **state)
{
	uint64_t begin_ns = clock_monotonic_ns();

	(void)state;
	start_liar("weir-ctl 0 1", false);
	assert_int_equal(CALL("--name", directory, "status"), STATUS_SOURCE);
	check_error("does not answer");
	assert_true(clock_monotonic_ns() - begin_ns < 20 * CLOCK_SECOND_NS);
}

/* ---- the command line ---- */

static void help_is_on_standard_output(void **state)
{
	(void)state;
	assert_int_equal(CALL("--help"), STATUS_DONE);
	for (unsigned i = 0; i < CTL_WORDS; i++)
		assert_non_null(strstr(out, ctl_word_name(i)));
	assert_string_equal(errors, "");
}

static void what_is_wrong_is_said_and_nothing_is_asked(void **state)
{
	const struct how how = { .status = STATUS_DONE };
	char *dir = directory;

	(void)state;
	start(&how);
	assert_int_equal(CALL("--name", dir), STATUS_USAGE);
	check_error("WHAT is missing");
	assert_int_equal(CALL("--name", dir, "statu"), STATUS_USAGE);
	check_error("did you mean weir ctl status?");
	assert_int_equal(CALL("--name", dir, "status", "stats"), STATUS_USAGE);
	check_error("one request at a time");
	assert_int_equal(CALL("--name", dir, "stop", "--json"), STATUS_USAGE);
	check_error("--json is for status, stats and ledger");
	assert_int_equal(CALL("status", "--name"), STATUS_USAGE);
	check_error("--name needs");
	assert_int_equal(CALL("--name", "--json", "status"), STATUS_USAGE);
	check_error("--name needs");
	assert_int_equal(CALL("--jso", "--name", dir, "status"), STATUS_USAGE);
	check_error("--name NAME, --json and --help");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(text_and_status_come_through),
		TEST(a_large_answer_comes_through_whole),
		TEST(settings_are_printed_as_weir_prints_them),
		TEST(settings_of_another_build_are_refused),
		TEST(stop_returns_when_the_capture_is_gone),
		TEST(a_stop_that_is_refused_is_not_waited_for),
		TEST(nobody_there_is_a_sentence),
		TEST(one_that_ends_without_an_answer_is_named),
		TEST(an_answer_cut_short_is_not_told),
		TEST(what_is_no_answer_is_not_told),
		TEST(one_that_is_silent_is_given_up),
		TEST(help_is_on_standard_output),
		TEST(what_is_wrong_is_said_and_nothing_is_asked),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
