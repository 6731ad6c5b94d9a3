/* folder - where a benchmark writes. */
#include "control/bench/folder.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static void name(const char *what, char ret[PATH_MAX])
{
	time_t now = time(NULL);
	char when[32] = "";
	struct tm local;

	if (localtime_r(&now, &local) != NULL)
		(void)strftime(when, sizeof(when), "%Y%m%d-%H%M%S", &local);
	(void)snprintf(ret, PATH_MAX, "weir-bench-%s-%s", what, when);
}

static int refuse(int code, const char *path, const char *why, char err[FOLDER_ERROR_BYTES])
{
	(void)snprintf(err, FOLDER_ERROR_BYTES, "%s: %s; choose another --output-dir", path, why);
	return code;
}

static bool is_folder(const char *path)
{
	struct stat s;

	return stat(path, &s) == 0 && S_ISDIR(s.st_mode);
}

static bool has_result(const char *path)
{
	char result[PATH_MAX + sizeof("/result.json")];

	(void)snprintf(result, sizeof(result), "%s/result.json", path);
	return access(result, F_OK) == 0;
}

int folder_make(const char *what, const char *wanted, char ret[PATH_MAX],
		char err[FOLDER_ERROR_BYTES])
{
	if (wanted != NULL && strlen(wanted) >= PATH_MAX)
		return refuse(-ENAMETOOLONG, "that folder", strerror(ENAMETOOLONG), err);
	if (wanted != NULL)
		memcpy(ret, wanted, strlen(wanted) + 1);
	else
		name(what, ret);
	if (mkdir(ret, 0755) < 0 && errno != EEXIST)
		return refuse(-errno, ret, strerror(errno), err);
	if (!is_folder(ret))
		return refuse(-ENOTDIR, ret, strerror(ENOTDIR), err);
	if (has_result(ret))
		return refuse(-EEXIST, ret, "there is a result in it", err);
	if (access(ret, W_OK | X_OK) < 0)
		return refuse(-errno, ret, strerror(errno), err);
	return 0;
}
