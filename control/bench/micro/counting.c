/* counting - every allocation of weir's own code, counted on its way: the linker puts these in
 * front of those they are called like (--wrap, meson.build). For this program only.
 */
#include <stdlib.h>
#include <sys/mman.h>

#include "control/bench/micro/measure.h"

uint64_t counting_calls;

#define COUNTED(type, name, parameters, arguments)                                                 \
	type __real_##name parameters;                                                             \
	type __wrap_##name parameters;                                                             \
	type __wrap_##name parameters                                                              \
	{                                                                                          \
		counting_calls++;                                                                  \
		return __real_##name arguments;                                                    \
	}

COUNTED(void *, malloc, (size_t bytes), (bytes))
COUNTED(void *, calloc, (size_t count, size_t bytes), (count, bytes))
COUNTED(void *, realloc, (void *block, size_t bytes), (block, bytes))
COUNTED(void *, aligned_alloc, (size_t alignment, size_t bytes), (alignment, bytes))
COUNTED(int, posix_memalign, (void **ret, size_t alignment, size_t bytes), (ret, alignment, bytes))
COUNTED(void *, mmap64, (void *at, size_t bytes, int protection, int flags, int fd, off_t offset),
	(at, bytes, protection, flags, fd, offset))
#ifndef ARENA_MALLOC
COUNTED(void *, mallocx, (size_t bytes, int flags), (bytes, flags))
COUNTED(void *, rallocx, (void *block, size_t bytes, int flags), (block, bytes, flags))
#endif
