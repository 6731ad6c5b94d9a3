/* Proves that what was given up is gone: user, groups, every capability set, and that none comes
 * back. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "dataplane/base/compiler.h"
#include "dataplane/base/privilege.h"

enum { SOMEBODY = 65534, FINE = 0, WRONG = 1 };

/* has_capabilities - whether any of the sets in /proc/self/status holds one. */
static bool has_capabilities(void)
{
	static const char *const sets[] = { "CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:" };
	FILE *f = fopen("/proc/self/status", "re");
	char line[256];
	bool any = f == NULL;

	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		for (size_t i = 0; i < array_count(sets); i++)
			if (strncmp(line, sets[i], strlen(sets[i])) == 0 &&
			    strspn(line + strlen(sets[i]), "\t 0\n") !=
				    strlen(line + strlen(sets[i])))
				any = true;
	if (f != NULL)
		fclose(f);
	return any;
}

/* in_child - what a process does to itself must not stay with the test. */
static int in_child(int (*body)(void))
{
	pid_t pid = fork();
	int how;

	if (pid == 0)
		_exit(body());
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &how, 0), pid);
	assert_true(WIFEXITED(how));
	return WEXITSTATUS(how);
}

static int drop_and_look(void)
{
	uid_t r, e, s;
	gid_t gr, ge, gs;

	if (privilege_drop(SOMEBODY, SOMEBODY) != 0 || getresuid(&r, &e, &s) != 0 ||
	    getresgid(&gr, &ge, &gs) != 0)
		return WRONG;
	if (r != SOMEBODY || e != SOMEBODY || s != SOMEBODY || gr != SOMEBODY || ge != SOMEBODY ||
	    gs != SOMEBODY)
		return WRONG;
	if (getgroups(0, NULL) != 0 || has_capabilities())
		return WRONG;
	return setuid(0) < 0 && setgid(0) < 0 ? FINE : WRONG;
}

static int forget_and_look(void)
{
	uid_t before = getuid();

	if (privilege_forget() != 0 || getuid() != before || has_capabilities())
		return WRONG;
	return chroot("/") < 0 && errno == EPERM ? FINE : WRONG;
}

static int become_another_without_right(void)
{
	if (privilege_drop(SOMEBODY, SOMEBODY) != 0)
		return WRONG;
	return privilege_drop(0, 0) == -EPERM ? FINE : WRONG;
}

static void need_root(void)
{
	if (geteuid() == 0)
		return;
	print_message("needs root: changing the user\n");
	skip();
}

static void a_dropped_process_has_no_user_group_or_capability_left(void **state)
{
	(void)state;
	need_root();
	assert_int_equal(in_child(drop_and_look), FINE);
}

static void root_without_capabilities_may_nothing(void **state)
{
	(void)state;
	need_root();
	assert_int_equal(in_child(forget_and_look), FINE);
}

static void there_is_no_way_back(void **state)
{
	(void)state;
	need_root();
	assert_int_equal(in_child(become_another_without_right), FINE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_dropped_process_has_no_user_group_or_capability_left),
		cmocka_unit_test(root_without_capabilities_may_nothing),
		cmocka_unit_test(there_is_no_way_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
