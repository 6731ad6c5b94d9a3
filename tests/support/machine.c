/* machine - a folder that stands for / of a machine, with the files that a test puts there. */
#include "tests/support/machine.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[] = "/tmp/weir-machine-XXXXXX";
static struct report last;

void machine_make(struct host *h)
{
	(void)snprintf(root, sizeof(root), "/tmp/weir-machine-XXXXXX");
	assert_non_null(mkdtemp(root));
	*h = (struct host){ .root = root,
			    .is_root = true,
			    .capabilities = UINT64_MAX,
			    .memlock_bytes = UINT64_MAX };
}

static int remove_one(const char *path, const struct stat *s, int kind, struct FTW *where)
{
	(void)s;
	(void)kind;
	(void)where;
	return remove(path);
}

void machine_remove(struct host *h)
{
	check_free(&last);
	(void)nftw(h->root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

void machine_put(const struct host *h, const char *path, const char *text)
{
	char whole[HOST_PATH_BYTES];
	FILE *f;

	host_path(h, whole, path);
	for (char *at = strchr(whole + strlen(h->root) + 1, '/'); at != NULL;
	     at = strchr(at + 1, '/')) {
		*at = 0;
		if (mkdir(whole, 0755) < 0)
			assert_int_equal(errno, EEXIST);
		*at = '/';
	}
	f = fopen(whole, "we");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

void machine_take(const struct host *h, const char *path)
{
	char whole[HOST_PATH_BYTES];

	host_path(h, whole, path);
	assert_int_equal(remove(whole), 0);
}

void machine_nics(struct host *h, struct fake_nics *f, struct nic *nic)
{
	fake_nics_open(f, nic);
	h->nic = nic;
	h->link_count = 0;
	assert_int_equal(host_add_links(h), 0);
}

const struct report *machine_look(const struct host *h, const struct check *list)
{
	check_free(&last);
	for (; list->name != NULL; list++) {
		last.check = list;
		last.link = NULL;
		if (list->machine != NULL)
			list->machine(h, &last);
		for (uint32_t i = 0; list->link != NULL && i < h->link_count; i++) {
			last.link = &h->link[i];
			list->link(h, last.link, &last);
		}
	}
	return &last;
}

const struct finding *machine_line(const struct report *r, const char *check, const char *word)
{
	const struct finding *found = NULL;

	for (uint32_t i = 0; i < r->count; i++) {
		const struct finding *f = &r->finding[i];

		if (strcmp(f->check->name, check) != 0 ||
		    (word != NULL && strstr(f->text, word) == NULL))
			continue;
		if (found != NULL)
			fail_msg("%s: two lines with %s", check, word != NULL ? word : "no word");
		found = f;
	}
	if (found == NULL)
		fail_msg("%s: no line with %s", check, word != NULL ? word : "any word");
	return found;
}
