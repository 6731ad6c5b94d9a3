/* captures - which runs of weir on this machine can be asked: runtime directories whose ctl.sock
 * somebody listens on.
 *
 *     /run/weir/NAME, $XDG_RUNTIME_DIR/weir/NAME     whoever may enter them
 *     /tmp/weir-XXXXXX                               one's own
 *
 * /tmp is everybody's: what somebody else calls weir there is not believed. What a killed run has
 * left is passed over.
 */
#ifndef CONTROL_WEIR_CAPTURES_H
#define CONTROL_WEIR_CAPTURES_H

#include <stdbool.h>
#include <stdint.h>

#include "control/weir/runtime.h"

enum { CAPTURES_MAX = 64, CAPTURES_PATH_BYTES = 108 };

struct capture_at {
	char directory[CAPTURES_PATH_BYTES];
	const char *name; /* its last part */
	int fd;           /* the connection; -1: closed */
};

struct captures {
	uint32_t count;
	bool forbidden; /* one of them would not let this user in */
	struct capture_at at[CAPTURES_MAX];
};

/* captures_find - those called `name`, or all for NULL; connected to. A name with a slash is a
 * directory. What is over CAPTURES_MAX is left out. `ret` must stay where it is. */
void captures_find(const struct runtime_base *base, const char *name, struct captures *ret);

/* captures_close - the connections that are left. */
void captures_close(struct captures *c);

#endif
