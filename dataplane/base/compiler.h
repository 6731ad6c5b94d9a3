/* compiler - the few words of the compiler that the code uses by name. */
#ifndef DATAPLANE_BASE_COMPILER_H
#define DATAPLANE_BASE_COMPILER_H

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#define CACHE_LINE_BYTES 64

#define array_count(a) (sizeof(a) / sizeof((a)[0]))

#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

#endif
