/* output - the folder that a benchmark writes into: --output-dir DIR, or one named after the time.
 */
#ifndef CONTROL_BENCH_OUTPUT_H
#define CONTROL_BENCH_OUTPUT_H

#include <limits.h>

enum { OUTPUT_ERROR_BYTES = 512 };

/* output_name - weir-bench-WHAT-YYYYMMDD-HHMMSS, in local time. */
void output_name(const char *what, char ret[PATH_MAX]);

/* output_make - with the folders above it; one that is there already will do if it may be written.
 * Call it before anything is measured. Returns: 0; -errno and err: cause and remedy in a sentence.
 */
int output_make(const char *dir, char err[OUTPUT_ERROR_BYTES]);

#endif
