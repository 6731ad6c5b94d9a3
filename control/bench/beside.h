/* beside - a file that is there whole or not: written beside its place, and renamed once it is
 * whole.
 *
 *     beside_open -> fprintf(b.file, ...) -> beside_close
 */
#ifndef CONTROL_BENCH_BESIDE_H
#define CONTROL_BENCH_BESIDE_H

#include <stdio.h>

enum { BESIDE_PATH_BYTES = 4096 };

struct beside {
	FILE *file;
	char path[BESIDE_PATH_BYTES], made[BESIDE_PATH_BYTES + 8];
};

/* open - Returns: 0; -errno; ret->path names the file either way, if there is room for it. */
int beside_open(const char *dir, const char *name, struct beside *ret);

/* close - and give it its place. Returns: 0; -errno: something was not written, and nothing is left
 * but what was in that place before. */
int beside_close(struct beside *b);

#endif
