/* captures - which runs of weir on this machine can be asked. */
#include "control/weir/captures.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "control/daemon/ctl.h"

#define SYSTEM_PARENT   "/run/weir"
#define FALLBACK_PREFIX "weir-"

/* Returns: a connected descriptor; -errno. */
static int connect_to(const char *directory)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int needed = snprintf(at.sun_path, sizeof(at.sun_path), "%s/" CTL_SOCKET, directory);
	int fd, err;

	if (needed < 0 || (size_t)needed >= sizeof(at.sun_path))
		return -ENAMETOOLONG;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (const void *)&at, sizeof(at)) < 0) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

static bool is_known(const struct captures *c, const char *directory)
{
	for (uint32_t i = 0; i < c->count; i++)
		if (strcmp(c->at[i].directory, directory) == 0)
			return true;
	return false;
}

static void try_directory(struct captures *c, const char *directory)
{
	struct capture_at *at = &c->at[c->count];
	const char *slash;
	int fd;

	if (c->count == CAPTURES_MAX || strlen(directory) >= sizeof(at->directory) ||
	    is_known(c, directory))
		return;
	fd = connect_to(directory);
	if (fd == -EACCES)
		c->forbidden = true;
	if (fd < 0)
		return;
	strcpy(at->directory, directory);
	slash = strrchr(at->directory, '/');
	at->name = slash != NULL ? slash + 1 : at->directory;
	at->fd = fd;
	c->count++;
}

static bool is_own_directory(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid();
}

/* Every entry of `parent` that begins with `prefix` and is called `name`, if that matters. */
static void try_entries(struct captures *c, const char *parent, const char *prefix, bool only_own,
			const char *name)
{
	DIR *d = opendir(parent);
	char path[CAPTURES_PATH_BYTES];
	struct dirent *e;

	while (d != NULL && (e = readdir(d)) != NULL) {
		int needed = snprintf(path, sizeof(path), "%s/%s", parent, e->d_name);

		if (e->d_name[0] == '.' || needed < 0 || (size_t)needed >= sizeof(path) ||
		    strncmp(e->d_name, prefix, strlen(prefix)) != 0 ||
		    (name != NULL && strcmp(e->d_name, name) != 0) ||
		    (only_own && !is_own_directory(path)))
			continue;
		try_directory(c, path);
	}
	if (d != NULL)
		closedir(d);
}

void captures_find(const struct runtime_base *base, const char *name, struct captures *ret)
{
	char parent[CAPTURES_PATH_BYTES];

	ret->count = 0;
	ret->forbidden = false;
	if (name != NULL && strchr(name, '/') != NULL) {
		try_directory(ret, name);
		return;
	}
	if (base->preferred != NULL && base->preferred[0] == '/' &&
	    snprintf(parent, sizeof(parent), "%s/weir", base->preferred) < (int)sizeof(parent))
		try_entries(ret, parent, "", false, name);
	/* Root's captures belong to the user that they run as, who may ask them without root. */
	try_entries(ret, SYSTEM_PARENT, "", false, name);
	try_entries(ret, base->fallback, FALLBACK_PREFIX, true, name);
}

void captures_close(struct captures *c)
{
	for (uint32_t i = 0; i < c->count; i++)
		if (c->at[i].fd >= 0)
			close(c->at[i].fd);
	c->count = 0;
}
