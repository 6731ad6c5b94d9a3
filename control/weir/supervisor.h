/* supervisor - starts the two daemons, keeps control alive, and leaves with the gravest status.
 *
 *     control    died by a signal     started again, at most once a second, with WEIR_RESTART=1,
 *                                     as long as there is a dataplane
 *                left by itself       never started again; if it failed, the dataplane is stopped
 *     dataplane  died by a signal     the run is over: control gets some seconds to finish
 *                left by itself       control finishes, however long that takes; after a failure it
 *                                     gets SIGTERM, by which it leaves if it had not attached yet
 *     weir       SIGINT SIGTERM HUP   passed on to the dataplane; the second one kills both
 *                SIGTSTP SIGCONT      both are stopped and go on together with weir
 *                killed               both get SIGTERM (PR_SET_PDEATHSIG) and close their books
 *
 * The daemons run in process groups of their own, so that Ctrl-C reaches only
 * weir and stopping has an order. They ignore SIGTTOU and SIGTTIN, since they
 * write to the terminal from the background.
 *
 * Threads: the process must have one only, and no children of its own.
 */
#ifndef CONTROL_WEIR_SUPERVISOR_H
#define CONTROL_WEIR_SUPERVISOR_H

#include <stdint.h>

struct supervisor {
	const char *name; /* begins every message: "weir read" */
	const char *dataplane_path;
	const char *control_path;
	int settings_fd; /* inherited by both as --settings-fd; standard descriptors are, nothing
			    else */
	uint64_t restart_wait_ns; /* from one start of control to the next */
	uint64_t drain_wait_ns;   /* for the survivor of a crash, until SIGTERM; then as long until
				     SIGKILL */
	uint32_t restarts_max; /* in a row, each of which lived less than ten times restart_wait_ns
				*/
};

#define SUPERVISOR_RESTART_WAIT_NS UINT64_C(1000000000)
#define SUPERVISOR_DRAIN_WAIT_NS   UINT64_C(10000000000)
#define SUPERVISOR_RESTARTS_MAX    100

/* supervisor_run - from start to end. Returns: the exit status; messages went to standard error. */
int supervisor_run(const struct supervisor *s);

/* supervisor_gravest - of two exit statuses: 3 before 6, 5, 4, 2, 1, 0. */
int supervisor_gravest(int a, int b);

#endif
