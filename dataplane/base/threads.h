/* threads - something done in every thread of this process, whoever made it.
 *
 * Capabilities, landlock's rules and a few more things belong to a thread. A library that has made
 * threads of its own does not do there what the rest of the process does; a signal makes them.
 *
 * Threads: main. A thread that blocks THREADS_SIGNAL cannot be reached: whoever makes threads
 * through a library leaves it open for them.
 */
#ifndef DATAPLANE_BASE_THREADS_H
#define DATAPLANE_BASE_THREADS_H

#include <signal.h>

#define THREADS_SIGNAL SIGUSR2

/* threads_each - call fn in every thread but the caller's, one after the other. It runs in a signal
 * handler: system calls, and nothing that takes a lock.
 *
 * Returns: 0; what fn returned, if that is not 0: then the others were not asked; -ETIMEDOUT: a
 * thread did not answer; -errno: there is no /proc to find them. */
int threads_each(int (*fn)(void *context), void *context);

#endif
