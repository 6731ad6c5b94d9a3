/* locate - where the daemons are. */
#include "control/weir/locate.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const struct locate_daemon locate_dataplane = { "weir-dataplane", "../../dataplane" };
const struct locate_daemon locate_control = { "weir-control", "../daemon" };

void locate_here(struct locate *ret, char *buffer, size_t bytes)
{
	ssize_t used = readlink("/proc/self/exe", buffer, bytes);
	char *slash = NULL;

	if (used > 0 && (size_t)used < bytes) {
		buffer[used] = '\0';
		slash = strrchr(buffer, '/');
	}
	if (slash != NULL)
		*slash = '\0';
	*ret = (struct locate){
		.libexecdir_env = getenv("WEIR_LIBEXECDIR"),
		.executable_dir = slash != NULL ? buffer : NULL,
		.installed_dir = WEIR_LIBEXECDIR_INSTALLED,
	};
}

static bool is_program(const char *path)
{
	struct stat s;

	return stat(path, &s) == 0 && S_ISREG(s.st_mode) && access(path, X_OK) == 0;
}

int locate_find(const struct locate *where, const struct locate_daemon *daemon,
		char ret[LOCATE_TEXT_BYTES])
{
	const struct {
		const char *dir, *below;
	} candidate[] = {
		{ where->libexecdir_env, "." },
		{ where->executable_dir, "." },
		{ where->executable_dir, daemon->build_dir },
		{ where->installed_dir, "." },
	};
	char tried[LOCATE_TEXT_BYTES] = "";
	size_t used = 0;

	for (size_t i = 0; i < sizeof(candidate) / sizeof(candidate[0]); i++) {
		bool here = candidate[i].dir != NULL && strcmp(candidate[i].below, ".") == 0;
		char path[PATH_MAX];
		int bytes;

		if (candidate[i].dir == NULL || candidate[i].dir[0] == '\0')
			continue;
		bytes = snprintf(path, sizeof(path), "%s/%s%s%s", candidate[i].dir,
				 here ? "" : candidate[i].below, here ? "" : "/", daemon->name);
		if (bytes < 0 || (size_t)bytes >= sizeof(path))
			continue;
		if (is_program(path)) {
			memcpy(ret, path, (size_t)bytes + 1);
			return 0;
		}
		used += (size_t)snprintf(tried + used, sizeof(tried) - used, "%s%s",
					 used != 0 ? "\n" : "", path);
	}
	memcpy(ret, tried, used + 1);
	return -ENOENT;
}
