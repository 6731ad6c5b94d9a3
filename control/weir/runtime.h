/* runtime - the directory in which the two daemons of one run meet.
 *
 *     root                     /run/weir/NAME
 *     $XDG_RUNTIME_DIR is set  $XDG_RUNTIME_DIR/weir/NAME
 *     neither, or unusable     a fresh directory in /tmp
 *
 * It is weir's, mode 0700, and weir removes it. When weir was killed and could
 * not, weir-control does it as its last act: whoever finds that its parent is
 * not the one it was started by calls runtime_remove() before it leaves. In /run,
 * which is root's, a control that is somebody else can only empty it; the next
 * run removes what is older than some seconds and in nobody's use.
 */
#ifndef CONTROL_WEIR_RUNTIME_H
#define CONTROL_WEIR_RUNTIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct runtime_base {
	const char *preferred; /* the folder in which weir/NAME is made, or NULL */
	const char *fallback;  /* the folder in which weir-XXXXXX is made */
};

/* runtime_base_here - by the table above, for this user and environment. */
struct runtime_base runtime_base_here(void);

/* runtime_make - make the directory for `name` and put its path into ret.
 * What a run that was killed left in the same place is removed before.
 * Returns: 0; -EEXIST: a run of that name is alive; -ENAMETOOLONG: no path of at most `bytes` can
 * be made; -errno. */
int runtime_make(const struct runtime_base *base, const char *name, char *ret, size_t bytes);

/* runtime_share - for services, who come and go one by one: the directory for `name` ("": main),
 * made if it is not there. With `owned` it belongs to this user. Returns: as runtime_make(), but
 * for -EEXIST. */
int runtime_share(const char *name, bool owned, uint32_t uid, uint32_t gid, char *ret,
		  size_t bytes);

/* runtime_in_use - does anybody listen on a socket in it? */
bool runtime_in_use(const char *directory);

/* runtime_remove - remove the directory with the sockets and files in it, and `weir` above it if
 * that is empty then. Follows no symbolic link. Returns: 0, also when it is gone already; -errno.
 */
int runtime_remove(const char *directory);

#endif
