/* Proves tables_only.c: a process that links it can read every dissector's
 * table, and is ended the moment anything tries to run one.
 */
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dissectors/registry.h"
#include "tests/support/check.h"

static void tables_can_be_read(void **state)
{
	(void)state;
	assert_true(dissector_count > 0);
	for (uint32_t i = 0; i < dissector_count; i++) {
		assert_non_null(dissectors[i]->name);
		assert_non_null(dissectors[i]->proto);
		for (uint32_t k = 0; k < dissectors[i]->field_count; k++)
			assert_non_null(dissectors[i]->fields[k].name);
	}
}

static void running_one_ends_the_process(void **state)
{
	const struct rlimit none = { 0, 0 };
	const struct slice bytes = { (const uint8_t *)"GET / HTTP/1.1\r\n\r\n", 18 };
	int status;
	pid_t child;

	(void)state;
	child = fork();
	if (child == 0) {
		setrlimit(RLIMIT_CORE, &none);
		signal(SIGABRT, SIG_DFL);
		close(STDERR_FILENO);
		dissectors[0]->feed(NULL, SIDE_A, bytes);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tables_can_be_read),
		cmocka_unit_test(running_one_ends_the_process),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
