/* run - other people's programs, run to their end: arguments as a vector, never a shell.
 *
 * For the few tools that set up a machine (ip, tc, ethtool). They read nothing,
 * their standard output is thrown away, and of what they complain about the first line is kept,
 * because it has to fit into a sentence of ours.
 */
#ifndef CONTROL_BENCH_RUN_H
#define CONTROL_BENCH_RUN_H

#include <limits.h>

enum { RUN_LINE_BYTES = 256 };

/* run_find - where a program is: in PATH, else in /usr/sbin or /sbin, which `su` leaves out of
 * PATH. A name with a slash is where it is. Returns: 0 and ret; -ENOENT. */
int run_find(const char *program, char ret[PATH_MAX]);

/* run - start the program and wait for its end.
 *
 * path:     as run_find() gives it; argv[0] is the program's name, the last one is NULL.
 * ret_line: the first line that it wrote on standard error; empty if it wrote none.
 *
 * Signals: those that the caller blocks are blocked in the program too.
 * Returns: its exit status, 128 plus the number of the signal that ended it, or -errno if it could
 *          not be started; ret_line is empty then.
 */
int run(const char *path, const char *const argv[], char ret_line[RUN_LINE_BYTES]);

#endif
