/* guarded - input that ends where memory ends.
 *
 *     [ unused | the input ][ unreadable page ]
 *
 * What is put here is flush against a page that nobody may read, so code that reads one byte
 * past the end of its input stops at that very read, in any build, without a sanitizer.
 */
#ifndef TESTS_SUPPORT_GUARDED_H
#define TESTS_SUPPORT_GUARDED_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct guarded {
	uint8_t *map;
	uint8_t *end; /* the unreadable page */
	size_t page_bytes;
};

/* guarded_init - room for inputs of up to `bytes`. A test without memory ends here. */
static inline void guarded_init(struct guarded *g, size_t bytes)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t room = (bytes + page - 1) / page * page;
	void *map = mmap(NULL, room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			 0);

	if (map == MAP_FAILED || mprotect((uint8_t *)map + room, page, PROT_NONE) < 0)
		abort();
	*g = (struct guarded){ .map = map, .end = (uint8_t *)map + room, .page_bytes = page };
}

static inline void guarded_fini(struct guarded *g)
{
	munmap(g->map, (size_t)(g->end - g->map) + g->page_bytes);
}

/* guarded_put - a copy of `bytes` of `src` that ends at the page. Valid until the next one. */
static inline uint8_t *guarded_put(struct guarded *g, const void *src, size_t bytes)
{
	if (bytes > (size_t)(g->end - g->map))
		abort();
	if (bytes > 0)
		memcpy(g->end - bytes, src, bytes);
	return g->end - bytes;
}

#endif
