/* Proves what beside.h promises: the file is there whole or not, and what cannot be written leaves
 * what was there before and nothing else.
 */
#include "control/bench/beside.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/check.h"

static char folder[64], path[128];

static int make_folder(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/test_beside-XXXXXX");
	(void)signal(SIGXFSZ, SIG_IGN);
	return mkdtemp(folder) == NULL ? -1 : 0;
}

static int remove_folder(void **state)
{
	(void)state;
	(void)unlink(path);
	return rmdir(folder);
}

static int entries(void)
{
	DIR *d = opendir(folder);
	int count = -2;

	assert_non_null(d);
	while (readdir(d) != NULL)
		count++;
	closedir(d);
	return count;
}

static void read_back(const char *wanted)
{
	char found[64] = "";
	FILE *f = fopen(path, "r");

	assert_non_null(f);
	assert_int_equal(fread(found, 1, sizeof(found) - 1, f), strlen(wanted));
	fclose(f);
	assert_string_equal(found, wanted);
}

static void it_is_there_once_it_is_whole(void **state)
{
	struct beside b;
	struct stat s;

	(void)state;
	assert_int_equal(beside_open(folder, "file", &b), 0);
	strcpy(path, b.path);
	assert_string_equal(path + strlen(folder), "/file");
	fputs("one", b.file);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(beside_close(&b), 0);
	read_back("one");
	assert_int_equal(stat(path, &s), 0);
	assert_int_equal(s.st_mode & 0777, 0644);
	assert_int_equal(entries(), 1);
}

static void it_replaces_what_was_there(void **state)
{
	struct beside b;

	(void)state;
	assert_int_equal(beside_open(folder, "file", &b), 0);
	fputs("two", b.file);
	read_back("one");
	assert_int_equal(beside_close(&b), 0);
	read_back("two");
	assert_int_equal(entries(), 1);
}

static void what_cannot_be_written_leaves_what_was_there(void **state)
{
	const struct rlimit little = { 4096, RLIM_INFINITY },
			    much = { RLIM_INFINITY, RLIM_INFINITY };
	struct beside b;

	(void)state;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &little), 0);
	assert_int_equal(beside_open(folder, "file", &b), 0);
	for (int i = 0; i < 100000; i++)
		(void)fputc('x', b.file);
	/* Room again: only the stream remembers that something in the middle is missing. */
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &much), 0);
	assert_int_equal(beside_close(&b), -EIO);
	read_back("two");
	assert_int_equal(entries(), 1);
}

static void a_folder_that_is_none_is_told(void **state)
{
	static char name[BESIDE_PATH_BYTES];
	struct beside b;

	(void)state;
	assert_int_equal(beside_open("/no/such", "file", &b), -ENOENT);
	assert_string_equal(b.path, "/no/such/file");
	memset(name, 'x', sizeof(name) - 1);
	assert_int_equal(beside_open(folder, name, &b), -ENAMETOOLONG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_there_once_it_is_whole),
		cmocka_unit_test(it_replaces_what_was_there),
		cmocka_unit_test(what_cannot_be_written_leaves_what_was_there),
		cmocka_unit_test(a_folder_that_is_none_is_told),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
