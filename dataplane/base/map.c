/* map - see map.h. */
#include "dataplane/base/map.h"

#include <stdint.h>
#include <sys/mman.h>

enum { HUGE_BYTES = 2 << 20 };

/* A huge page must lie on a multiple of its size: what is too much before and behind goes back. */
static void *map_aligned(size_t bytes)
{
	size_t room = bytes + HUGE_BYTES, before, behind;
	uint8_t *at = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED)
		return NULL;
	before = (HUGE_BYTES - (uintptr_t)at % HUGE_BYTES) % HUGE_BYTES;
	behind = (room - before - bytes) / 4096 * 4096;
	if (before > 0)
		munmap(at, before);
	if (behind > 0)
		munmap(at + room - behind, behind);
	return at + before;
}

void *map_zeroed(size_t bytes, bool dense)
{
	void *at;

	if (bytes == 0 || bytes > SIZE_MAX / 2)
		return NULL;
	bytes = (bytes + 4095) / 4096 * 4096;
	if (!dense || bytes < HUGE_BYTES) {
		at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		return at == MAP_FAILED ? NULL : at;
	}
	at = map_aligned(bytes);
	if (at != NULL)
		(void)madvise(at, bytes, MADV_HUGEPAGE); /* a wish: no kernel has to */
	return at;
}

void map_free(void *at, size_t bytes)
{
	if (at != NULL)
		munmap(at, (bytes + 4095) / 4096 * 4096);
}
