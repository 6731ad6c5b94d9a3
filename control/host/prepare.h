/* prepare - the machine as a capture needs it, for as long as the capture runs.
 *
 * So far that is RSS: where several workers read an interface's queues through af_xdp, both
 * directions of a flow come in on one, and each worker has queues of its own. With several sources
 * the directions may come in on two, and the XDP program chooses the worker instead; and it does
 * where spread=on asks for that. What is changed is in a journal of its own per
 * interface (undo.h), which is locked meanwhile.
 *
 *     weir ends, however the daemons ended     prepare_end() puts it back
 *     weir is killed                           the next weir capture puts it back, or
 *                                              weir check --undo
 *
 * Threads: main, while the process is root.
 */
#ifndef CONTROL_HOST_PREPARE_H
#define CONTROL_HOST_PREPARE_H

#include "control/host/undo.h"
#include "dataplane/shm/settings.h"

struct prepared {
	struct host *host; /* NULL: nothing was looked at */
	struct nic nic;    /* of a host that prepare_begin() made */
	bool owns_host;
	struct undo undo; /* while `changes` */
	bool changes;
};

/* prepare_begin - first what captures that were killed have left is put back. `name` begins every
 * message. Whatever cannot be done is said, and capture works without. */
void prepare_begin(struct prepared *ret, const struct settings *s, const char *name);

/* prepare_end - Accepts a zeroed one. */
void prepare_end(struct prepared *p, const char *name);

/* prepare_interface - the interface of a source whose RSS may matter: of `af_xdp:IF,...`, or of
 * `auto:IF` where this host has no address and af_xdp is what will be chosen. Returns whether it
 * is one, with its name in ret. */
bool prepare_interface(const char *source, char ret[NIC_NAME_BYTES]);

/* prepare_host - the same for a machine of the caller's (`host` with its `nic`), as tests do. */
void prepare_host(struct prepared *p, struct host *host, const struct settings *s,
		  const char *name);

#endif
