/* locate - where the daemons are that belong to this `weir`.
 *
 * Looked for in this order, and the first executable file wins:
 *
 *     $WEIR_LIBEXECDIR/NAME            tests, and whoever knows better
 *     <folder of weir>/NAME            an unpacked archive
 *     <folder of weir>/<build>/NAME    the build tree, laid out as meson does
 *     <libexecdir>/weir/NAME           installed
 */
#ifndef CONTROL_WEIR_LOCATE_H
#define CONTROL_WEIR_LOCATE_H

#include <limits.h>
#include <stddef.h>

struct locate {
	const char *libexecdir_env; /* $WEIR_LIBEXECDIR, or NULL */
	const char *executable_dir; /* folder of weir itself, or NULL */
	const char *installed_dir;  /* compiled in, or NULL */
};

enum { LOCATE_TEXT_BYTES = 4 * PATH_MAX };

/* A daemon and its folder in the build tree, as seen from weir's own. */
struct locate_daemon {
	const char *name;
	const char *build_dir;
};

extern const struct locate_daemon locate_dataplane, locate_control;

/* locate_here - the three folders of this process. Memory: `executable_dir` is in
 * `buffer`, or NULL when it does not fit. */
void locate_here(struct locate *ret, char *buffer, size_t bytes);

/* locate_find - Returns: 0 and the path in ret; -ENOENT and in ret the paths that were tried, one
 * per line. */
int locate_find(const struct locate *where, const struct locate_daemon *daemon,
		char ret[LOCATE_TEXT_BYTES]);

#endif
