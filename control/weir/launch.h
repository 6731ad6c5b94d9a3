/* launch - from checked settings to two running daemons: what `read` and `capture` have in common.
 *
 *     launch_complete   a name for the run, when it began
 *     launch_run        runtime directory, sealed settings, both daemons under the supervisor, and
 * away again launch_become     one daemon in our place, for services
 */
#ifndef CONTROL_WEIR_LAUNCH_H
#define CONTROL_WEIR_LAUNCH_H

#include "dataplane/shm/settings.h"

/* launch_parse - settings from the command line of sub-command `command`. What was asked for
 * instead of a run (--help, --print-settings, a mistake) has been answered then. Memory:  *ret is
 * malloc()ed, the caller's to free(); NULL if there is nothing to run. Returns: the exit status for
 * a NULL; 0. */
int launch_parse(const char *command, int argc, char **argv, struct settings **ret);

/* launch_run - Returns: the exit status; messages went to standard error. */
int launch_run(struct settings *s);

/* launch_become - replace this process by the daemon that settings->service names, or that lists
 * back ends. Returns only if that failed: the exit status. */
int launch_become(struct settings *s);

#endif
