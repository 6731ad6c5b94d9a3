/* setup - everything the workers own, made from the settings before the first packet.
 *
 * The only place where settings become sizes. When setup returns 0 every table, pool and
 * ring is there and every source is open; "out of memory" and "no such file" happen here or not at
 * all.
 */
#ifndef DATAPLANE_SETUP_H
#define DATAPLANE_SETUP_H

#include "dataplane/together.h"
#include "dataplane/worker.h"

struct dataplane {
	const struct settings *settings;
	struct worker *worker; /* settings->workers of them */
	uint32_t workers;
	uint32_t sources;
	char rx[SETTINGS_RX_MAX][512]; /* of each source, as opened: `auto` has become a name */
	struct identify_database *identify;
	struct handoff_net *handoff; /* NULL: no packet is ever handed over */
	struct emit_door door;
	struct together together; /* of a file and several workers */
	pthread_barrier_t start;
	int bell_fd, done_fd;
	bool live;
	bool makes_threads; /* a library of a source does, behind the sandbox */
};

/* setup_dataplane - Returns: 0; an exit status otherwise (2 settings, 5 source), after one line on
 * stderr with the cause and the remedy. */
int setup_dataplane(struct dataplane *d, const struct settings *s);

/* setup_undo - give everything back. Accepts a half-made dataplane. */
void setup_undo(struct dataplane *d);

#endif
