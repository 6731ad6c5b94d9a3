/* Proves sandbox.h: behind the line nothing can be opened, started or gained,
 * and what a running dataplane needs still works. Each case runs in a process
 * of its own, because there is no way back.
 */
#include "dataplane/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/check.h"

static int behind_the_line(int (*attempt)(void))
{
	pid_t child = fork();
	int status;

	if (child == 0)
		_exit(sandbox_drop_to_nobody() < 0 || sandbox_forbid_paths() < 0 ||
				      sandbox_enter(false) < 0
			      ? 100
			      : attempt());
	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int opens_a_file(void)
{
	return open("/etc/passwd", O_RDONLY) < 0 ? errno : 0;
}

static int opens_a_socket(void)
{
	return socket(AF_INET, SOCK_STREAM, 0) < 0 ? errno : 0;
}

static int starts_a_program(void)
{
	char *const argv[] = { "/bin/true", NULL };

	execv(argv[0], argv);
	return errno;
}

static int becomes_root_again(void)
{
	return setuid(0) < 0 && geteuid() != 0 ? errno : 0;
}

static int is_still_root(void)
{
	return geteuid() == 0;
}

static int kills_another(void)
{
	return kill(1, 0) < 0 ? errno : 0;
}

static int works_on(void)
{
	int fd[2] = { STDIN_FILENO, STDOUT_FILENO };
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return page == MAP_FAILED || munmap(page, 4096) < 0 || write(fd[1], "", 0) < 0 ? 1 : 42;
}

static int dies_with_its_parent(void)
{
	int number = 0;

	/* prctl itself is refused now; what was set before cannot be read back, only not be
	 * changed. */
	return prctl(PR_GET_PDEATHSIG, &number, 0, 0, 0) < 0 ? errno : number;
}

#ifdef NO_SANDBOX
#define NEEDS_SANDBOX() skip()
#else
#define NEEDS_SANDBOX() ((void)0)
#endif

static void nothing_can_be_opened(void **state)
{
	(void)state;
	NEEDS_SANDBOX();
	assert_int_equal(behind_the_line(opens_a_file), EPERM);
	assert_int_equal(behind_the_line(opens_a_socket), EPERM);
}

static void nothing_can_be_started_or_gained(void **state)
{
	(void)state;
	NEEDS_SANDBOX();
	assert_int_equal(behind_the_line(starts_a_program), EPERM);
	assert_int_equal(behind_the_line(becomes_root_again), EPERM);
	assert_int_equal(behind_the_line(kills_another), EPERM);
	assert_int_equal(behind_the_line(is_still_root), 0);
}

static void what_a_run_needs_still_works(void **state)
{
	(void)state;
	assert_int_equal(behind_the_line(works_on), 42);
}

static void its_own_death_warrant_cannot_be_changed(void **state)
{
	(void)state;
#ifdef NO_SANDBOX
	assert_int_equal(behind_the_line(dies_with_its_parent), SIGTERM);
#else
	assert_int_equal(behind_the_line(dies_with_its_parent), EPERM);
#endif
}

static void *tries_in_a_thread(void *ret)
{
	pthread_barrier_t *both = ret;

	pthread_barrier_wait(both);
	pthread_barrier_wait(both);
	return (void *)(intptr_t)opens_a_file();
}

static int another_thread(void)
{
	pthread_barrier_t both;
	pthread_t thread;
	void *got;

	pthread_barrier_init(&both, NULL, 2);
	pthread_create(&thread, NULL, tries_in_a_thread, &both);
	pthread_barrier_wait(&both);
	if (sandbox_enter(false) < 0)
		return 100;
	pthread_barrier_wait(&both);
	pthread_join(thread, &got);
	return (int)(intptr_t)got;
}

static void threads_that_were_there_are_confined_too(void **state)
{
	pid_t child;
	int status;

	(void)state;
	NEEDS_SANDBOX();
	child = fork();
	if (child == 0)
		_exit(another_thread());
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), EPERM);
}

static void *returns_what_it_got(void *got)
{
	return got;
}

static int makes_a_thread(void)
{
	static int mark;
	pthread_t thread;
	void *got = NULL;

	if (pthread_create(&thread, NULL, returns_what_it_got, &mark) != 0)
		return 1;
	pthread_join(thread, &got);
	return got == &mark ? 42 : 2;
}

static int makes_a_process(void)
{
	return fork() < 0 ? errno : 0;
}

static int behind_the_line_with_threads(int (*attempt)(void))
{
	pid_t child = fork();
	int status;

	if (child == 0)
		_exit(sandbox_drop_to_nobody() < 0 || sandbox_forbid_paths() < 0 ||
				      sandbox_enter(true) < 0
			      ? 100
			      : attempt());
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void a_library_may_make_threads_and_nothing_else(void **state)
{
	(void)state;
	NEEDS_SANDBOX();
	assert_int_equal(behind_the_line_with_threads(makes_a_thread), 42);
	assert_int_equal(behind_the_line_with_threads(makes_a_process), EPERM);
	assert_int_equal(behind_the_line_with_threads(opens_a_file), EPERM);
	assert_int_equal(behind_the_line_with_threads(starts_a_program), EPERM);
	assert_int_equal(behind_the_line(makes_a_thread), 1);
}

/* What a thread that was there before can still do, with neither user nor seccomp changed for it by
 * anybody but threads_each(). */
static int an_older_thread_finds_no_path(void)
{
	pthread_barrier_t both;
	pthread_t thread;
	void *got;

	pthread_barrier_init(&both, NULL, 2);
	pthread_create(&thread, NULL, tries_in_a_thread, &both);
	pthread_barrier_wait(&both);
	if (sandbox_drop_to_nobody() < 0 || sandbox_forbid_paths() < 0)
		return 100;
	pthread_barrier_wait(&both);
	pthread_join(thread, &got);
	return (int)(intptr_t)got;
}

static void threads_that_were_there_find_no_path_either(void **state)
{
	pid_t child;
	int status;

	(void)state;
	NEEDS_SANDBOX();
	child = fork();
	if (child == 0)
		_exit(an_older_thread_finds_no_path());
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 0)
		skip(); /* no landlock in this kernel */
	assert_int_equal(WEXITSTATUS(status), EACCES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_library_may_make_threads_and_nothing_else),
		cmocka_unit_test(threads_that_were_there_find_no_path_either),
		cmocka_unit_test(nothing_can_be_opened),
		cmocka_unit_test(nothing_can_be_started_or_gained),
		cmocka_unit_test(what_a_run_needs_still_works),
		cmocka_unit_test(its_own_death_warrant_cannot_be_changed),
		cmocka_unit_test(threads_that_were_there_are_confined_too),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
