/* Proves that a back end in a file of its own is loaded from the program's folder or the build
 * tree's, and that one that is missing, could have been written by others, is of another build, or
 * lacks a library is refused with its remedy.
 */
#include "captures.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include "dataplane/rx/module.h"

static struct module_place here(void)
{
	struct module_place place;

	assert_int_equal(module_place_here(&place), 0);
	return place;
}

static const struct rx_backend *loaded(const struct module_place *place, const char *name)
{
	const struct rx_backend *b = NULL;
	struct rx_error err = { "" };
	int code = module_load(place, name, "libtoy", &b, &err);

	if (code < 0)
		fail_msg("%s", err.text);
	assert_string_equal(b->name, name);
	return b;
}

static void refused(const struct module_place *place, const char *name, int code, const char *why)
{
	const struct rx_backend *b;
	struct rx_error err = { "" };

	assert_int_equal(module_load(place, name, "libtoy", &b, &err), code);
	if (strstr(err.text, why) == NULL || strncmp(err.text, name, strlen(name)) != 0)
		fail_msg("\"%s\" does not say \"%s\" of %s", err.text, why, name);
}

/* ---- a folder with a copy ---- */

struct copy {
	struct module_place place;
	char below[PATH_MAX], path[PATH_MAX];
};

/* copy_make - of a module, in `below` ("" or "rx") of a new folder. */
static void copy_make(struct copy *c, const char *name, const char *below, mode_t mode)
{
	struct module_place from = here();
	char path[PATH_MAX + 64];
	struct stat s;
	int in, out;

	*c = (struct copy){ .place = { "/tmp/weir-test-XXXXXX", geteuid() } };
	assert_non_null(mkdtemp(c->place.folder));
	snprintf(c->below, sizeof(c->below), "%.99s/%s", c->place.folder, below);
	assert_true(below[0] == 0 || mkdir(c->below, 0755) == 0);
	snprintf(c->path, sizeof(c->path), "%.199s/weir-rx-%s.so", c->below, name);
	snprintf(path, sizeof(path), "%s/weir-rx-%s.so", from.folder, name);
	in = open(path, O_RDONLY | O_CLOEXEC);
	out = open(c->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert_true(in >= 0 && out >= 0 && fstat(in, &s) == 0);
	assert_int_equal(sendfile(out, in, NULL, (size_t)s.st_size), s.st_size);
	assert_int_equal(fchmod(out, mode), 0);
	close(in);
	close(out);
}

static void copy_remove(struct copy *c)
{
	unlink(c->path);
	rmdir(c->below);
	rmdir(c->place.folder);
}

/* ---- tests ---- */

static void the_place_is_the_folder_of_this_program(void **state)
{
	struct module_place place = here();
	char path[PATH_MAX + 64];

	(void)state;
	snprintf(path, sizeof(path), "%s/dataplane_rx_test_module", place.folder);
	assert_int_equal(access(path, X_OK), 0);
}

static void one_beside_the_program_is_loaded(void **state)
{
	struct module_place place = here();

	(void)state;
	assert_string_equal(loaded(&place, "whole")->help, "a toy");
}

static void one_in_the_build_trees_folder_is_loaded(void **state)
{
	struct copy c;

	(void)state;
	copy_make(&c, "whole", "rx", 0644);
	loaded(&c.place, "whole");
	copy_remove(&c);
}

static void one_that_is_not_there_is_missed_with_what_it_needs(void **state)
{
	struct module_place place = here();

	(void)state;
	refused(&place, "absent", -ENOENT, "weir-rx-absent.so is not in /");
	refused(&place, "absent", -ENOENT, "built where libtoy is installed");
}

static void one_that_others_could_have_written_is_not_loaded(void **state)
{
	struct copy c;

	(void)state;
	copy_make(&c, "whole", "", 0666);
	refused(&c.place, "whole", -EPERM, "chown root");
	assert_int_equal(chmod(c.path, 0644), 0);
	loaded(&c.place, "whole");
	if (geteuid() == 0) {
		assert_int_equal(chown(c.path, 12345, 0), 0);
		refused(&c.place, "whole", -EPERM, "chown root");
		c.place.owner = 12345; /* whose the program is, too */
		loaded(&c.place, "whole");
	}
	copy_remove(&c);
}

static void what_is_no_file_is_not_loaded(void **state)
{
	struct copy c;

	(void)state;
	copy_make(&c, "whole", "", 0644);
	assert_int_equal(unlink(c.path), 0);
	assert_int_equal(mkdir(c.path, 0755), 0);
	refused(&c.place, "whole", -EPERM, "is not loaded");
	assert_int_equal(rmdir(c.path), 0);
	copy_remove(&c);
}

static void one_of_another_build_is_not_used(void **state)
{
	struct module_place place = here();

	(void)state;
	refused(&place, "older", -ENOEXEC, "another build");
}

static void what_cannot_be_loaded_says_what_it_lacks(void **state)
{
	struct module_place place = here();
	struct copy c;

	(void)state;
	refused(&place, "lacking", -ENOEXEC, "what_no_program_has");
	refused(&place, "lacking", -ENOEXEC, "install libtoy");
	copy_make(&c, "whole", "", 0644);
	assert_int_equal(truncate(c.path, 100), 0);
	refused(&c.place, "whole", -ENOEXEC, "cannot be loaded");
	copy_remove(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_place_is_the_folder_of_this_program),
		cmocka_unit_test(one_beside_the_program_is_loaded),
		cmocka_unit_test(one_in_the_build_trees_folder_is_loaded),
		cmocka_unit_test(one_that_is_not_there_is_missed_with_what_it_needs),
		cmocka_unit_test(one_that_others_could_have_written_is_not_loaded),
		cmocka_unit_test(what_is_no_file_is_not_loaded),
		cmocka_unit_test(one_of_another_build_is_not_used),
		cmocka_unit_test(what_cannot_be_loaded_says_what_it_lacks),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
