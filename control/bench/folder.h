/* folder - where a benchmark writes: the directory of --output-dir. */
#ifndef CONTROL_BENCH_FOLDER_H
#define CONTROL_BENCH_FOLDER_H

#include <limits.h>

enum { FOLDER_ERROR_BYTES = PATH_MAX + 256 };

/* folder_make - `wanted`, or where that is NULL weir-bench-WHAT-YYYYMMDD-HHMMSS (local time) in the
 * current folder. One that is there is taken, but not if it has a result already: raw samples are
 * not written over.
 *
 * Returns: 0 and ret; with a sentence in err -EEXIST: there is a result; -errno: it cannot be made
 * or written to.
 */
int folder_make(const char *what, const char *wanted, char ret[PATH_MAX],
		char err[FOLDER_ERROR_BYTES]);

#endif
