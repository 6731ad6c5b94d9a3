/* privilege - a process gives up what it may do, with no way back.
 *
 * Threads: capabilities and, below glibc, users belong to a thread. Call these while there is only
 * one: threads made later inherit what is left.
 */
#ifndef DATAPLANE_BASE_PRIVILEGE_H
#define DATAPLANE_BASE_PRIVILEGE_H

#include <stdint.h>

/* privilege_drop - become this user, in this group and no other, without any capability, and with
 * none to be had from a program that is executed later. Returns: 0; -EPERM; -errno. */
int privilege_drop(uint32_t uid, uint32_t gid);

/* privilege_forget - stay the user one is, without any capability. Returns: 0, -errno. */
int privilege_forget(void);

#endif
