/* Proves that exactly those captures are found that can be asked: where somebody listens, by name
 * or by path; that what a killed one left is passed over, and what somebody else put into /tmp is
 * not believed; and that one that may not be asked is not taken for none.
 */
#include "control/weir/captures.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { STRANGER = 65534, SOCKETS_MAX = 128 };

static char base[64], preferred[80], fallback[80];
static struct captures found;
static int sockets[SOCKETS_MAX];
static unsigned socket_count;

static void make_directory(const char *path)
{
	assert_int_equal(mkdir(path, 0755), 0);
}

static int begin(void **state)
{
	char path[96];

	(void)state;
	strcpy(base, "/tmp/test_captures-XXXXXX");
	if (mkdtemp(base) == NULL)
		return -1;
	(void)chmod(base, 0755);
	(void)snprintf(preferred, sizeof(preferred), "%s/run", base);
	(void)snprintf(fallback, sizeof(fallback), "%s/tmp", base);
	(void)snprintf(path, sizeof(path), "%s/weir", preferred);
	make_directory(preferred);
	make_directory(fallback);
	make_directory(path);
	socket_count = 0;
	return 0;
}

static int end(void **state)
{
	char command[128];

	(void)state;
	captures_close(&found);
	while (socket_count > 0)
		close(sockets[--socket_count]);
	(void)snprintf(command, sizeof(command), "rm -r '%s'", base);
	return system(command);
}

/* A directory with a socket; `listens` false: as a killed control leaves it. */
static const char *put(const char *parent, const char *name, bool listens)
{
	static char path[92];
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(path, sizeof(path), "%s/%s", parent, name);
	make_directory(path);
	(void)snprintf(at.sun_path, sizeof(at.sun_path), "%s/ctl.sock", path);
	assert_int_equal(bind(fd, (const void *)&at, sizeof(at)), 0);
	if (listens)
		assert_int_equal(listen(fd, 8), 0);
	sockets[socket_count++] = fd;
	return path;
}

static const char *put_preferred(const char *name, bool listens)
{
	char parent[92];

	(void)snprintf(parent, sizeof(parent), "%s/weir", preferred);
	return put(parent, name, listens);
}

/* Captures of the machine are not the test's: only those below its own base count. */
static unsigned find(const char *name)
{
	const struct runtime_base where = { .preferred = preferred, .fallback = fallback };
	unsigned own = 0;

	captures_close(&found);
	captures_find(&where, name, &found);
	for (uint32_t i = 0; i < found.count; i++)
		own += strncmp(found.at[i].directory, base, strlen(base)) == 0;
	return own;
}

static void nobody_is_found_where_nobody_is(void **state)
{
	(void)state;
	assert_int_equal(find(NULL), 0);
	assert_int_equal(find("tap0"), 0);
	assert_false(found.forbidden);
}

static void those_who_listen_are_found_in_both_places(void **state)
{
	(void)state;
	put_preferred("capture-abc", true);
	put_preferred("tap0", true);
	put(fallback, "weir-XyZ123", true);
	assert_int_equal(find(NULL), 3);
	assert_int_equal(find("tap0"), 1);
	assert_string_equal(found.at[0].name, "tap0");
	assert_true(found.at[0].fd >= 0);
	assert_int_equal(find("weir-XyZ123"), 1);
	assert_int_equal(find("tap"), 0);
}

static void a_name_with_a_slash_is_a_directory(void **state)
{
	const char *path;

	(void)state;
	path = put(base, "elsewhere", true);
	assert_int_equal(find(NULL), 0);
	assert_int_equal(find(path), 1);
	assert_string_equal(found.at[0].name, "elsewhere");
	assert_int_equal(find("/not/there"), 0);
}

static void what_is_no_capture_is_passed_over(void **state)
{
	char path[128];

	(void)state;
	put_preferred("killed", false);
	put(fallback, "other-XyZ123", true);
	(void)snprintf(path, sizeof(path), "%s/weir/empty", preferred);
	make_directory(path);
	(void)snprintf(path, sizeof(path), "%s/weir/a_file", preferred);
	fclose(fopen(path, "w"));
	assert_int_equal(find(NULL), 0);
}

static void a_path_that_is_too_long_is_passed_over(void **state)
{
	char name[128], path[256];

	(void)state;
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = 0;
	(void)snprintf(path, sizeof(path), "%s/weir/%s", preferred, name);
	make_directory(path);
	assert_int_equal(find(NULL), 0);
	assert_int_equal(find(path), 0);
}

static void more_than_there_is_room_for_are_left_out(void **state)
{
	(void)state;
	for (int i = 0; i < CAPTURES_MAX + 3; i++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "c%d", i);
		put_preferred(name, true);
	}
	find(NULL);
	assert_int_equal(found.count, CAPTURES_MAX);
}

static void a_socket_of_somebody_else_in_tmp_is_not_believed(void **state)
{
	const char *path;

	(void)state;
	if (geteuid() != 0) {
		print_message("only root can make a directory of somebody else\n");
		skip();
	}
	path = put(fallback, "weir-foreign", true);
	assert_int_equal(chown(path, STRANGER, STRANGER), 0);
	assert_int_equal(find(NULL), 0);
	assert_int_equal(find("weir-foreign"), 0);
}

static void one_that_may_not_be_asked_is_not_taken_for_none(void **state)
{
	int status = -1;
	pid_t pid;

	(void)state;
	if (geteuid() != 0) {
		print_message("only root can become somebody who may not\n");
		skip();
	}
	assert_int_equal(chmod(put_preferred("private", true), 0700), 0);
	pid = fork();
	if (pid == 0) {
		if (setresuid(STRANGER, STRANGER, STRANGER) < 0)
			_exit(1);
		_exit(find("private") == 0 && found.forbidden ? 0 : 2);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(nobody_is_found_where_nobody_is),
		TEST(those_who_listen_are_found_in_both_places),
		TEST(a_name_with_a_slash_is_a_directory),
		TEST(what_is_no_capture_is_passed_over),
		TEST(a_path_that_is_too_long_is_passed_over),
		TEST(more_than_there_is_room_for_are_left_out),
		TEST(a_socket_of_somebody_else_in_tmp_is_not_believed),
		TEST(one_that_may_not_be_asked_is_not_taken_for_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
