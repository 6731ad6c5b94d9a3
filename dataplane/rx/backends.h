/* backends - the table of capture back ends, and the choice among them.
 *
 * Threads: main, before the first packet.
 */
#ifndef DATAPLANE_RX_BACKENDS_H
#define DATAPLANE_RX_BACKENDS_H

#include <stdio.h>

#include "dataplane/rx/rx.h"

/* What `-i IFACE` is short for: the best back end that works there. */
#define BACKENDS_AUTO "auto"

/* backends_open - open what a --rx says: NAME[:ARGUMENT]. `auto:IFACE` tries every back end that
 * captures on interfaces, best first; how->argument is set here. A module is loaded when it is
 * named.
 *
 * ret_why (NULL: nobody asks): for `auto`, a sentence per back end that was passed over, each ended
 * by a newline; else "". Returns: 0 and *ret; -EINVAL: no such back end, or its argument is wrong;
 * -errno; with err. */
int backends_open(const char *spec, const struct rx_open *how, struct rx_port **ret, char *ret_why,
		  size_t why_bytes, struct rx_error *err);

/* backends_list - for people: every back end that captures on interfaces, also modules, whether it
 * is usable here and why not, and its options. `interface` NULL or "": on any. */
void backends_list(const char *interface, FILE *to);

#endif
