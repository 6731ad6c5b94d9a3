/* sandbox - the line after which nothing can be opened.
 *
 *     sources, regions and sockets open -> sandbox_drop_user -> sandbox_forbid_paths
 *         -> threads made -> sandbox_enter -> the first packet
 *
 * Dissectors run behind it: whoever takes over a worker by hostile bytes finds
 * no capability, no user but the one dropped to, no way to open a file or a
 * socket, to start a program or to gain a privilege.
 */
#ifndef DATAPLANE_SANDBOX_H
#define DATAPLANE_SANDBOX_H

#include <stdbool.h>
#include <stdint.h>

/* sandbox_drop_user - root becomes this user; another stays who it is. No capability is left to
 * either, in any thread there is. Returns: 0, -errno. */
int sandbox_drop_user(uint32_t uid, uint32_t gid);

/* sandbox_drop_to_nobody - the same, where no user was asked for. */
int sandbox_drop_to_nobody(void);

/* sandbox_forbid_paths - no path can be opened any more (landlock, where the kernel has it).
 * Threads: all there are; those made later inherit it. Returns: 0, -errno. */
int sandbox_forbid_paths(void);

/* sandbox_enter - the system calls that are left, for all threads.
 *
 * Call when every thread exists. `threads`: a library behind the line makes more; then clone() is
 * left, for threads alone, and what DPDK needs. What the kernel does not offer is said once on stderr and done
 * without. Returns: 0; -errno if what the kernel offers was refused: go no further. */
int sandbox_enter(bool threads);

#endif
