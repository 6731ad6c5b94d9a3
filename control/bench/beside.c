#include "control/bench/beside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int beside_open(const char *dir, const char *name, struct beside *ret)
{
	int fd, code;

	ret->file = NULL;
	if (snprintf(ret->path, sizeof(ret->path), "%s/%s", dir, name) >= (int)sizeof(ret->path))
		return -ENAMETOOLONG;
	(void)snprintf(ret->made, sizeof(ret->made), "%s.XXXXXX", ret->path);
	fd = mkostemp(ret->made, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret->file = fdopen(fd, "w");
	if (ret->file != NULL && fchmod(fd, 0644) == 0)
		return 0;
	code = -errno;
	if (ret->file != NULL)
		(void)fclose(ret->file);
	else
		(void)close(fd);
	(void)unlink(ret->made);
	ret->file = NULL;
	return code;
}

int beside_close(struct beside *b)
{
	int code = 0;

	errno = EIO; /* of an error that came before this */
	if (fflush(b->file) != 0 || ferror(b->file))
		code = -errno;
	if (fclose(b->file) != 0 && code == 0)
		code = -errno;
	if (code == 0 && rename(b->made, b->path) < 0)
		code = -errno;
	if (code < 0)
		(void)unlink(b->made);
	b->file = NULL;
	return code;
}
