/* Proves ensure.h: what holds costs nothing, what does not ends the process
 * with the condition and its place on stderr.
 */
#include "dataplane/base/ensure.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/check.h"

static void a_condition_that_holds_goes_unnoticed(void **state)
{
	int asked = 0;

	(void)state;
	ENSURE(++asked == 1);
	assert_int_equal(asked, 1);
}

static void a_broken_condition_ends_the_process_and_says_where(void **state)
{
	const struct rlimit none = { 0, 0 };
	char said[256] = "";
	int fd[2], status;
	pid_t child;

	(void)state;
	assert_int_equal(pipe(fd), 0);
	child = fork();
	if (child == 0) {
		dup2(fd[1], STDERR_FILENO);
		setrlimit(RLIMIT_CORE, &none);
		signal(SIGABRT, SIG_DFL);
		ENSURE(1 + 1 == 3);
		_exit(0);
	}
	close(fd[1]);
	assert_true(read(fd[0], said, sizeof(said) - 1) > 0);
	close(fd[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
	assert_non_null(strstr(said, "1 + 1 == 3"));
	assert_non_null(strstr(said, "test_ensure.c:"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_condition_that_holds_goes_unnoticed),
		cmocka_unit_test(a_broken_condition_ends_the_process_and_says_where),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
