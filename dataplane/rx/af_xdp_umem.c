/* af_xdp_umem - the frames of one queue: one area of memory that the kernel writes packets into. */
#include "dataplane/rx/af_xdp_umem.h"

#include <errno.h>
#include <linux/mman.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

enum { HUGE_PAGE_BYTES = 2 << 20 };

/* reserve - populated at once: a page that is missing would be missed by a packet. */
static void *reserve(size_t bytes, int flags)
{
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE | flags, -1, 0);

	return at == MAP_FAILED ? NULL : at;
}

static size_t whole_huge_pages(size_t bytes)
{
	return (bytes + HUGE_PAGE_BYTES - 1) / HUGE_PAGE_BYTES * HUGE_PAGE_BYTES;
}

static int explain(size_t bytes, enum af_xdp_huge huge, struct rx_error *err)
{
	if (huge == AF_XDP_HUGE_ON)
		snprintf(err->text, sizeof(err->text),
			 "af_xdp: no %zu huge pages of 2 MiB are free: reserve some with \"sysctl "
			 "vm.nr_hugepages=N\", or leave out huge=on",
			 whole_huge_pages(bytes) / HUGE_PAGE_BYTES);
	else
		snprintf(err->text, sizeof(err->text),
			 "af_xdp: no memory for %zu KiB of frames: ask for fewer with ring= or "
			 "frames=",
			 bytes >> 10);
	return -ENOMEM;
}

int af_xdp_umem_open(struct af_xdp_umem *ret, size_t bytes, enum af_xdp_huge huge,
		     struct rx_error *err)
{
	struct af_xdp_umem u = { .bytes = bytes };

	if (huge != AF_XDP_HUGE_OFF) {
		u.mapped_bytes = whole_huge_pages(bytes);
		u.area = reserve(u.mapped_bytes, MAP_HUGETLB | MAP_HUGE_2MB);
		u.huge = u.area != NULL;
	}
	if (u.area == NULL && huge != AF_XDP_HUGE_ON) {
		u.mapped_bytes = bytes;
		u.area = reserve(bytes, 0);
	}
	if (u.area == NULL)
		return explain(bytes, huge, err);
	/* Only an advice, and only for children that there should not be. */
	(void)madvise(u.area, u.mapped_bytes, MADV_DONTFORK);
	*ret = u;
	return 0;
}

void af_xdp_umem_close(struct af_xdp_umem *u)
{
	if (u->area != NULL)
		munmap(u->area, u->mapped_bytes);
	*u = (struct af_xdp_umem){ 0 };
}
