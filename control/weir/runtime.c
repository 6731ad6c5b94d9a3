/* runtime - the directory in which the two daemons of one run meet. */
#include "control/weir/runtime.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "control/host/undo.h"

/* A run that ends may remove the empty `weir` between the two mkdir() of one that begins. */
enum { MAKE_TRIES = 16, STALE_AFTER_S = 10, DEPTH = 4 };

#define FOLDER (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

struct runtime_base runtime_base_here(void)
{
	return (struct runtime_base){
		.preferred = geteuid() == 0 ? "/run" : getenv("XDG_RUNTIME_DIR"),
		.fallback = "/tmp",
	};
}

/* empty_directory - takes fd. Folders in it are DPDK's, which keeps its telemetry's socket in one. */
static int empty_directory(int fd, int depth)
{
	DIR *d = fdopendir(fd);
	struct dirent *e;

	if (d == NULL) {
		int err = -errno;

		close(fd);
		return err;
	}
	while ((e = readdir(d)) != NULL) {
		int inner;

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
		    unlinkat(dirfd(d), e->d_name, 0) == 0 || depth == 0)
			continue;
		inner = openat(dirfd(d), e->d_name, FOLDER);
		if (inner < 0)
			continue;
		(void)empty_directory(inner, depth - 1);
		(void)unlinkat(dirfd(d), e->d_name, AT_REMOVEDIR);
	}
	closedir(d);
	return 0;
}

/* remove_contents - the directory with what is in it. */
static int remove_contents(const char *directory)
{
	int fd = open(directory, FOLDER);
	int err;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	err = empty_directory(fd, DEPTH);
	if (err < 0)
		return err;
	return rmdir(directory) < 0 && errno != ENOENT ? -errno : 0;
}

static bool somebody_listens(const char *directory, const char *name)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd, refused = 0;

	if ((size_t)snprintf(a.sun_path, sizeof(a.sun_path), "%s/%s", directory, name) >=
	    sizeof(a.sun_path))
		return false;
	/* One of the two sockets is of packets, one of a stream: the wrong type is an answer too.
	 */
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return true;
	if (connect(fd, (const struct sockaddr *)&a, sizeof(a)) < 0)
		refused = errno;
	close(fd);
	return refused != ECONNREFUSED && refused != ENOENT;
}

bool runtime_in_use(const char *directory)
{
	return somebody_listens(directory, "attach.sock") ||
	       somebody_listens(directory, "ctl.sock");
}

/* reclaim - remove a directory of this name that nobody uses. One made a moment ago may belong to a run that has not come so
 * far as to listen. */
static bool reclaim(const char *path)
{
	struct stat st;

	if (runtime_in_use(path) || lstat(path, &st) < 0 || st.st_mtime + 1 >= time(NULL))
		return false;
	(void)remove_contents(path);
	errno = ENOENT;
	return true;
}

/* sweep - remove what runs that were killed have left: old, and nobody listens there. The journal of
 * what was changed on this machine is no run's. */
static void sweep(const char *parent)
{
	DIR *d = opendir(parent);
	char path[PATH_MAX];
	struct dirent *e;
	struct stat st;

	while (d != NULL && (e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.' || strcmp(e->d_name, UNDO_FOLDER) == 0)
			continue;
		if (snprintf(path, sizeof(path), "%s/%s", parent, e->d_name) >= (int)sizeof(path))
			continue;
		if (lstat(path, &st) == 0 && S_ISDIR(st.st_mode) &&
		    st.st_mtime + STALE_AFTER_S < time(NULL) && !runtime_in_use(path))
			(void)remove_contents(path);
	}
	if (d != NULL)
		closedir(d);
}

static int make_preferred(const char *base, const char *name, char *ret, size_t bytes)
{
	char path[PATH_MAX], parent[PATH_MAX];
	int needed = snprintf(path, sizeof(path), "%s/weir/%s", base, name);

	if (needed < 0 || (size_t)needed >= bytes || (size_t)needed >= sizeof(path))
		return -ENAMETOOLONG;
	(void)snprintf(parent, sizeof(parent), "%s/weir", base);
	for (int i = 0; i < MAKE_TRIES; i++) {
		/* Others may pass through; what is in it is mode 0700. */
		if (mkdir(parent, 0755) < 0 && errno != EEXIST)
			return -errno;
		sweep(parent);
		if (mkdir(path, 0700) == 0) {
			memcpy(ret, path, (size_t)needed + 1);
			return 0;
		}
		if (errno == EEXIST && !reclaim(path))
			return -EEXIST;
		if (errno != ENOENT && errno != EEXIST)
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
	int err = -ENOENT;

	if (base->preferred != NULL && base->preferred[0] == '/')
		err = make_preferred(base->preferred, name, ret, bytes);
	if (err == 0 || err == -EEXIST)
		return err;
	return make_fallback(base->fallback, ret, bytes);
}

int runtime_share(const char *name, bool owned, uint32_t uid, uint32_t gid, char *ret, size_t bytes)
{
	struct runtime_base base = runtime_base_here();
	const char *own = name[0] != '\0' ? name : "main";
	char parent[PATH_MAX];

	/* A service that is not root finds what the other one, who was, has made for it. */
	if ((size_t)snprintf(ret, bytes, "/run/weir/%s", own) < bytes && access(ret, W_OK | X_OK) == 0)
		return owned && chown(ret, uid, gid) < 0 ? -errno : 0;
	if (base.preferred == NULL || base.preferred[0] != '/')
		return -ENOENT;
	(void)snprintf(parent, sizeof(parent), "%s/weir", base.preferred);
	if ((size_t)snprintf(ret, bytes, "%s/%s", parent, own) >= bytes)
		return -ENAMETOOLONG;
	if ((mkdir(parent, 0755) < 0 && errno != EEXIST) ||
	    (mkdir(ret, 0700) < 0 && errno != EEXIST))
		return -errno;
	return owned && chown(ret, uid, gid) < 0 ? -errno : 0;
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
	int err = remove_contents(directory);

	if (err == 0)
		remove_parent(directory);
	return err;
}
