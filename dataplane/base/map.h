/* map - large tables: zeroed memory of their own, touched only as it is used.
 *
 * A table of a million flows is spread over more pages than a processor
 * remembers: then every access costs a walk of the page table beside its own
 * cache miss. Where the kernel offers transparent huge pages (`madvise` or `always`) they are
 * asked for; where it does not nothing is lost.
 */
#ifndef DATAPLANE_BASE_MAP_H
#define DATAPLANE_BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>

/* map_zeroed - `dense`: it will be used from its beginning on, or everywhere; then what a
 * huge page holds too much is soon used as well. Returns: the memory, page aligned; NULL: there is none. */
void *map_zeroed(size_t bytes, bool dense);

/* map_free - accepts NULL. */
void map_free(void *at, size_t bytes);

#endif
