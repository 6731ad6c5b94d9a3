/* attach - how control comes by the regions: descriptors over a Unix socket.
 *
 *     control                        dataplane
 *     connect RUNTIME/attach.sock -> accept, SO_PEERCRED: root or our own user
 *                                 <- struct attach_hello + SCM_RIGHTS: bell, then up and down per
 * worker (the connection stays open)    end of file tells either side that the other is gone
 *
 * One control at a time: while one is attached the next waits in the backlog.
 *
 * `bell` is an eventfd that a producer rings when control sleeps and enough waits.
 */
#ifndef DATAPLANE_SHM_ATTACH_H
#define DATAPLANE_SHM_ATTACH_H

#include <stdint.h>

#include "dataplane/shm/region.h"

#define ATTACH_MAGIC UINT64_C(0x7765697261747401)

/* What control says over the connection: one byte. */
enum attach_word {
	ATTACH_FAREWELL =
		0,         /* it leaves on purpose; without this, end of file means that it died */
	ATTACH_STOP = 's', /* the run is to end; control goes on draining */
};

struct attach_hello {
	uint64_t magic;
	uint32_t workers;
	uint32_t pid;
	char run[16];
};

/* attach_listen - bind and listen on `directory`/attach.sock, mode 0660. Returns: descriptor,
 * -errno. */
int attach_listen(const char *directory);

/* attach_accept - take the next control, if it may. Returns: its descriptor; -EAGAIN none; -EACCES
 * a stranger, already closed. */
int attach_accept(int listen_fd);

/* attach_send - the hello and the descriptors, which is all that is read of `regions`.
 * Returns: 0, -errno. */
int attach_send(int fd, const struct attach_hello *hello, int bell_fd,
		const struct region_writer *regions);

/* attach_connect - connect, receive and map everything; tries for `timeout_ms` while there is
 * nobody. Returns: the connection's descriptor and `workers` regions in ret; -ETIMEDOUT, -EPROTO,
 * -errno. */
int attach_connect(const char *directory, uint32_t timeout_ms, struct attach_hello *ret_hello,
		   int *ret_bell_fd, struct region_reader ret[REGION_WORKERS_MAX]);

#endif
