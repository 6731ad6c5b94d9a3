#include "control/bench/output.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

void output_name(const char *what, char ret[PATH_MAX])
{
	time_t now = time(NULL);
	struct tm here;
	char when[32];

	localtime_r(&now, &here);
	(void)strftime(when, sizeof(when), "%Y%m%d-%H%M%S", &here);
	(void)snprintf(ret, PATH_MAX, "weir-bench-%s-%s", what, when);
}

/* make_one - a folder that is there already is as good. */
static int make_one(const char *path)
{
	struct stat s;

	if (mkdir(path, 0755) == 0)
		return 0;
	if (errno != EEXIST)
		return -errno;
	if (stat(path, &s) < 0)
		return -errno;
	return S_ISDIR(s.st_mode) ? 0 : -ENOTDIR;
}

static int make_all(const char *dir)
{
	char path[PATH_MAX];
	int err = 0;

	if (dir[0] == '\0')
		return -ENOENT;
	if (strlen(dir) >= sizeof(path))
		return -ENAMETOOLONG;
	strcpy(path, dir);
	for (char *slash = strchr(path + 1, '/'); slash != NULL && err == 0;
	     slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		err = make_one(path);
		*slash = '/';
	}
	if (err == 0)
		err = make_one(path);
	if (err == 0 && access(path, W_OK | X_OK) < 0)
		err = -errno;
	return err;
}

int output_make(const char *dir, char err[OUTPUT_ERROR_BYTES])
{
	int code = make_all(dir);

	if (code < 0)
		(void)snprintf(
			err, OUTPUT_ERROR_BYTES,
			"the folder %.300s cannot be written into: %s; name another one with "
			"--output-dir",
			dir, strerror(-code));
	return code;
}
