/* address - where weir itself listens: as text, as a socket address, and as traffic to leave out.
 */
#ifndef CONTROL_WEIR_ADDRESS_H
#define CONTROL_WEIR_ADDRESS_H

#include <sys/socket.h>

#include "dataplane/shm/settings.h"

/* address_parse - `9100` (127.0.0.1), `10.0.0.1:9100`, `[::1]:9100`, `*:9100` (every address of
 * this host). Numbers only; nothing is looked up. Returns: 0; -EINVAL. */
int address_parse(const char *text, struct sockaddr_storage *ret);

/* address_own - fill settings->own from settings->metrics: for `*` with the addresses this host has
 * now, as many as there is room for. */
void address_own(struct settings *s);

#endif
