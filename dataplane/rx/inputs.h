/* inputs - the files, folders and pipes that a user named, opened and recognised.
 *
 * Everything is opened here, before the sandbox closes behind the process; what
 * cannot be opened, or is no capture, is told by name before the first packet.
 * A folder stands for its regular files in the order of their names; those that are no captures
 * are left out with a warning. `-` is standard input.
 */
#ifndef DATAPLANE_RX_INPUTS_H
#define DATAPLANE_RX_INPUTS_H

#include "dataplane/rx/rx.h"
#include "dataplane/rx/stream.h"

enum { INPUT_NAME_BYTES = 200 };

struct input {
	struct stream stream;
	char name[INPUT_NAME_BYTES]; /* for people: printable, a long one without its beginning */
};

struct inputs {
	struct input *input;
	uint32_t count, room;
	uint64_t total_bytes; /* on disk; 0: unknown, because one is no regular file */
};

/* inputs_open - what `how->settings` names, for worker `how->worker` of `how->workers`.
 *
 * Returns: 0; -EINVAL: none named, or a pipe and several workers; -ENOTSUP: one is no capture;
 * -ENOENT, -EACCES, -EMFILE …: one cannot be opened. `err` names it. */
int inputs_open(struct inputs *ret, const struct rx_open *how, struct rx_error *err);

/* inputs_close - accepts a zeroed one, and inputs of which some are closed. */
void inputs_close(struct inputs *in);

#endif
