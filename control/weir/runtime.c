/* runtime - the directory in which the two daemons of one run meet. */
#include "control/weir/runtime.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A run that ends may remove the empty `weir` between the two mkdir() of one that begins. */
enum { MAKE_TRIES = 16 };

struct runtime_base runtime_base_here(void)
{
	return (struct runtime_base){
		.preferred = geteuid() == 0 ? "/run" : getenv("XDG_RUNTIME_DIR"),
		.fallback = "/tmp",
	};
}

static int make_preferred(const char *base, const char *name, char *ret, size_t bytes)
{
	char path[PATH_MAX], parent[PATH_MAX];
	int needed = snprintf(path, sizeof(path), "%s/weir/%s", base, name);

	if (needed < 0 || (size_t)needed >= bytes || (size_t)needed >= sizeof(path))
		return -ENAMETOOLONG;
	(void)snprintf(parent, sizeof(parent), "%s/weir", base);
	for (int i = 0; i < MAKE_TRIES; i++) {
		if (mkdir(parent, 0750) < 0 && errno != EEXIST)
			return -errno;
		if (mkdir(path, 0700) == 0) {
			memcpy(ret, path, (size_t)needed + 1);
			return 0;
		}
		if (errno != ENOENT)
			return -errno;
	}
	return -ENOENT;
}

static int make_fallback(const char *base, char *ret, size_t bytes)
{
	char path[PATH_MAX];
	int needed = snprintf(path, sizeof(path), "%s/weir-XXXXXX", base);

	if (needed < 0 || (size_t)needed >= bytes || (size_t)needed >= sizeof(path))
		return -ENAMETOOLONG;
	if (mkdtemp(path) == NULL)
		return -errno;
	memcpy(ret, path, (size_t)needed + 1);
	return 0;
}

int runtime_make(const struct runtime_base *base, const char *name, char *ret, size_t bytes)
{
	if (base->preferred != NULL && base->preferred[0] == '/' &&
	    make_preferred(base->preferred, name, ret, bytes) == 0)
		return 0;
	return make_fallback(base->fallback, ret, bytes);
}

static int empty_directory(int fd)
{
	DIR *d = fdopendir(fd);
	struct dirent *e;

	if (d == NULL) {
		int err = -errno;

		close(fd);
		return err;
	}
	while ((e = readdir(d)) != NULL)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			(void)unlinkat(dirfd(d), e->d_name, 0);
	closedir(d);
	return 0;
}

/* Another run may be at work in there: then rmdir() refuses, as it should. */
static void remove_parent(const char *directory)
{
	const char *slash = strrchr(directory, '/');
	char parent[PATH_MAX];
	size_t bytes = slash != NULL ? (size_t)(slash - directory) : 0;

	if (bytes < sizeof("/weir") - 1 || bytes >= sizeof(parent))
		return;
	memcpy(parent, directory, bytes);
	parent[bytes] = '\0';
	if (strcmp(parent + bytes - (sizeof("/weir") - 1), "/weir") == 0)
		(void)rmdir(parent);
}

int runtime_remove(const char *directory)
{
	int fd = open(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int err;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	err = empty_directory(fd);
	if (err < 0)
		return err;
	if (rmdir(directory) < 0 && errno != ENOENT)
		return -errno;
	remove_parent(directory);
	return 0;
}
