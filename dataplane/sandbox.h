/* sandbox - the line after which nothing can be opened.
 *
 * Dissectors run behind it: whoever takes over a worker by hostile bytes finds
 * no capability, no user but nobody (when started as root), no way to open a file or a
 * socket, to start a program or to gain a privilege.
 */
#ifndef DATAPLANE_SANDBOX_H
#define DATAPLANE_SANDBOX_H

/* sandbox_enter - for the whole process, all threads.
 *
 * Call when every source, region and socket is open and every thread exists. What the kernel
 * does not offer is said once on stderr and done without.
 * Returns: 0; -errno if what the kernel offers was refused: go no further. */
int sandbox_enter(void);

#endif
