/* region - making the two memfds of a worker, and believing nothing of those received. */
#include "dataplane/shm/region.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef F_SEAL_FUTURE_WRITE /* Linux 5.1; missing from older headers */
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

enum {
	DOWN_SEALS = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL,
	UP_SEALS = DOWN_SEALS | F_SEAL_FUTURE_WRITE,
	PROTOCOLS_MAX = 255, /* a protocol is a byte in a record, and 255 means none */
};

/* The part of the header that never changes: what a reader copies, checks and then believes. */
#define FIXED_BYTES offsetof(struct region_header, ring)

static_assert(sizeof(struct ring_down) <= 4096, "`down` is one page");

/* Where everything in `up` is. Both sides compute it from the same two numbers. */
struct layout {
	uint64_t counters_offset, histograms_offset, ring_offset, up_bytes;
};

static uint64_t page_bytes(void)
{
	return (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint64_t whole_pages(uint64_t bytes)
{
	return (bytes + page_bytes() - 1) / page_bytes() * page_bytes();
}

static bool layout_build(struct layout *ret, uint64_t ring_bytes, uint32_t protocols)
{
	if (!ring_bytes_ok(ring_bytes) || ring_bytes > INT64_MAX / 4 || protocols > PROTOCOLS_MAX)
		return false;
	ret->counters_offset = whole_pages(sizeof(struct region_header));
	ret->histograms_offset = ret->counters_offset + whole_pages(sizeof(struct counters_page));
	ret->ring_offset = ret->histograms_offset +
			   whole_pages(protocols * sizeof(struct histogram));
	ret->up_bytes = ret->ring_offset + ring_bytes;
	return true;
}

static bool numbering_ok(uint32_t worker, uint32_t workers)
{
	return workers <= REGION_WORKERS_MAX && worker < workers;
}

/* Terminated, and nothing in it that would have to be escaped where it is printed. */
static bool run_ok(const char *run)
{
	size_t length = strnlen(run, sizeof(((struct region_header *)0)->run));

	return length != 0 && length < sizeof(((struct region_header *)0)->run) &&
	       strspn(run, "0123456789abcdefghijklmnopqrstuvwxyz") == length;
}

static int memfd_of(const char *name, uint64_t bytes)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int err;

	if (fd < 0)
		return -errno;
	/* Allocated now: a machine without memory says so here, not with SIGBUS under traffic. */
	do
		err = fallocate(fd, 0, 0, (off_t)bytes) < 0 ? -errno : 0;
	while (err == -EINTR);
	if (err < 0) {
		close(fd);
		return err;
	}
	return fd;
}

static int writer_map(struct region_writer *w, const struct layout *l, uint64_t ring_bytes)
{
	uint8_t *head;
	void *down;

	head = mmap(NULL, l->ring_offset, PROT_READ | PROT_WRITE, MAP_SHARED, w->up_fd, 0);
	if (head == MAP_FAILED)
		return -errno;
	w->header = (void *)head;
	w->counters = (void *)(head + l->counters_offset);
	w->histogram = (void *)(head + l->histograms_offset);
	w->head_bytes = l->ring_offset;

	down = mmap(NULL, page_bytes(), PROT_READ, MAP_SHARED, w->down_fd, 0);
	if (down == MAP_FAILED)
		return -errno;
	w->down = down;

	w->data = ring_map(w->up_fd, l->ring_offset, ring_bytes, true);
	if (w->data == NULL)
		return -errno;
	ring_producer_init(&w->ring, w->data, ring_bytes, &w->header->ring, w->down);
	return 0;
}

static void header_fill(struct region_header *h, const struct layout *l)
{
	h->magic = REGION_MAGIC;
	h->up_bytes = l->up_bytes;
	h->counters_offset = l->counters_offset;
	h->histograms_offset = l->histograms_offset;
	h->ring_offset = l->ring_offset;
	h->ring_bytes = l->up_bytes - l->ring_offset;
	h->counters = COUNTER_COUNT;
	atomic_store_explicit(&h->state, REGION_RUNNING, memory_order_relaxed);
}

int region_create(struct region_writer *ret, uint32_t worker, uint32_t workers, uint64_t ring_bytes,
		  uint32_t protocols, const char *run)
{
	struct region_writer w = { .up_fd = -1, .down_fd = -1 };
	struct layout l;
	int err;

	if (!layout_build(&l, ring_bytes, protocols) || !numbering_ok(worker, workers) ||
	    !run_ok(run))
		return -EINVAL;
	err = w.up_fd = memfd_of("weir-up", l.up_bytes);
	if (err < 0)
		goto err_destroy;
	err = w.down_fd = memfd_of("weir-down", page_bytes());
	if (err < 0)
		goto err_destroy;
	err = writer_map(&w, &l, ring_bytes);
	if (err < 0)
		goto err_destroy;

	header_fill(w.header, &l);
	w.header->worker = worker;
	w.header->workers = workers;
	w.header->protocols = protocols;
	memcpy(w.header->run, run, strlen(run));

	/* Only now: the mapping made above stays writable, no later one of `up` can be. */
	if (fcntl(w.up_fd, F_ADD_SEALS, UP_SEALS) < 0 ||
	    fcntl(w.down_fd, F_ADD_SEALS, DOWN_SEALS) < 0) {
		err = -errno;
		goto err_destroy;
	}
	*ret = w;
	return 0;

err_destroy:
	region_destroy(&w);
	return err;
}

void region_destroy(struct region_writer *w)
{
	if (w->data != NULL)
		munmap(w->data, 2 * (w->ring.mask + 1));
	if (w->down != NULL)
		munmap((void *)(uintptr_t)w->down, page_bytes());
	if (w->header != NULL)
		munmap(w->header, w->head_bytes);
	if (w->down_fd > 0)
		close(w->down_fd);
	if (w->up_fd > 0)
		close(w->up_fd);
	*w = (struct region_writer){ .up_fd = -1, .down_fd = -1 };
}

/* Returns: the size of a memfd that carries at least `need` of the seals; -EPROTO; -errno. */
static int64_t sealed_bytes(int fd, int need)
{
	int seals = fcntl(fd, F_GET_SEALS);
	struct stat st;

	if (seals < 0)
		return errno == EINVAL ? -EPROTO : -errno; /* EINVAL: a file that knows no seals */
	if ((seals & need) != need)
		return -EPROTO;
	if (fstat(fd, &st) < 0)
		return -errno;
	return st.st_size;
}

/* A private copy of the fixed part: what is checked cannot change any more. */
static int header_read(int up_fd, struct region_header *ret)
{
	ssize_t n;

	do
		n = pread(up_fd, ret, FIXED_BYTES, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return n == (ssize_t)FIXED_BYTES ? 0 : -EPROTO;
}

/* True if the header describes a region of `up_bytes` as this build would have made it. */
static bool header_ok(const struct region_header *h, uint64_t up_bytes)
{
	struct layout l;

	if (h->magic != REGION_MAGIC || h->counters != COUNTER_COUNT)
		return false;
	if (!layout_build(&l, h->ring_bytes, h->protocols))
		return false;
	return h->counters_offset == l.counters_offset &&
	       h->histograms_offset == l.histograms_offset && h->ring_offset == l.ring_offset &&
	       h->up_bytes == l.up_bytes && up_bytes == l.up_bytes &&
	       numbering_ok(h->worker, h->workers) && run_ok(h->run);
}

static int reader_map(struct region_reader *r, const struct region_header *h, int up_fd,
		      int down_fd)
{
	const uint8_t *head;
	void *down;

	head = mmap(NULL, h->ring_offset, PROT_READ, MAP_SHARED, up_fd, 0);
	if (head == MAP_FAILED)
		return -errno;
	r->header = (const void *)head;
	r->counters = (const void *)(head + h->counters_offset);
	r->histogram = (const void *)(head + h->histograms_offset);
	r->head_bytes = h->ring_offset;

	down = mmap(NULL, page_bytes(), PROT_READ | PROT_WRITE, MAP_SHARED, down_fd, 0);
	if (down == MAP_FAILED)
		return -errno;
	r->down = down;

	r->data = ring_map(up_fd, h->ring_offset, h->ring_bytes, false);
	if (r->data == NULL)
		return -errno;
	return ring_consumer_init(&r->ring, r->data, h->ring_bytes, &r->header->ring, r->down);
}

int region_attach(struct region_reader *ret, int up_fd, int down_fd)
{
	struct region_reader r = { 0 };
	struct region_header h;
	int64_t up_bytes = sealed_bytes(up_fd, UP_SEALS);
	int64_t down_bytes = sealed_bytes(down_fd, DOWN_SEALS);
	int err;

	if (up_bytes < 0)
		return (int)up_bytes;
	if (down_bytes < 0)
		return (int)down_bytes;
	err = header_read(up_fd, &h);
	if (err < 0)
		return err;
	if (!header_ok(&h, (uint64_t)up_bytes) || (uint64_t)down_bytes != page_bytes())
		return -EPROTO;

	r.worker = h.worker;
	r.workers = h.workers;
	r.protocols = h.protocols;
	r.ring_bytes = h.ring_bytes;
	memcpy(r.run, h.run, sizeof(r.run));
	err = reader_map(&r, &h, up_fd, down_fd);
	if (err < 0) {
		region_detach(&r);
		return err;
	}
	*ret = r;
	return 0;
}

void region_detach(struct region_reader *r)
{
	if (r->data != NULL)
		munmap((void *)(uintptr_t)r->data, 2 * r->ring_bytes);
	if (r->down != NULL)
		munmap(r->down, page_bytes());
	if (r->header != NULL)
		munmap((void *)(uintptr_t)r->header, r->head_bytes);
	*r = (struct region_reader){ 0 };
}

const char *region_interface(const struct region_reader *r, uint32_t index)
{
	/* Pairs with the release in region_interface_add(). */
	uint32_t known = atomic_load_explicit(&r->header->interfaces, memory_order_acquire);

	if (index >= REGION_INTERFACES || index >= known)
		return NULL;
	if (memchr(r->header->interface[index], 0, REGION_INTERFACE_BYTES) == NULL)
		return NULL;
	return r->header->interface[index];
}

uint16_t region_interface_add(struct region_writer *w, const char *name)
{
	struct region_header *h = w->header;
	uint32_t known = atomic_load_explicit(&h->interfaces, memory_order_relaxed);
	size_t length = strnlen(name, REGION_INTERFACE_BYTES - 1);

	if (known == REGION_INTERFACES)
		return REGION_INTERFACES - 1;
	memcpy(h->interface[known], name, length); /* the rest is 0 from the start */
	/* Pairs with the acquire in region_interface(): whoever counts this name sees it whole. */
	atomic_store_explicit(&h->interfaces, known + 1, memory_order_release);
	return (uint16_t)known;
}

/* ---- ports ---- */

struct region_port *region_port_add(struct region_writer *w, const struct region_port_about *about)
{
	struct region_header *h = w->header;
	uint32_t known = atomic_load_explicit(&h->ports, memory_order_relaxed);

	if (known == REGION_PORTS)
		return NULL;
	h->port[known].about = *about;
	/* Pairs with the acquire in region_ports(). */
	atomic_store_explicit(&h->ports, known + 1, memory_order_release);
	return &h->port[known];
}

uint32_t region_ports(const struct region_reader *r)
{
	uint32_t ports = atomic_load_explicit(&r->header->ports, memory_order_acquire);

	return ports < REGION_PORTS ? ports : REGION_PORTS;
}

static uint64_t number(const _Atomic uint64_t *from)
{
	return atomic_load_explicit(from, memory_order_relaxed);
}

void region_port(const struct region_reader *r, uint32_t index, struct region_port_view *ret)
{
	const struct region_port *p = &r->header->port[index];

	ret->about = p->about;
	ret->about.backend[sizeof(ret->about.backend) - 1] = 0;
	ret->about.interface[sizeof(ret->about.interface) - 1] = 0;
	ret->about.mode[sizeof(ret->about.mode) - 1] = 0;
	ret->about.clock[sizeof(ret->about.clock) - 1] = 0;
	ret->offered = number(&p->offered);
	ret->received = number(&p->received);
	ret->refused = number(&p->refused);
	ret->shunted = number(&p->shunted);
	ret->in_flight = number(&p->in_flight);
	for (unsigned i = 0; i < REGION_LOST; i++)
		ret->lost[i] = number(&p->lost[i]);
}
