/* Proves the promises in region.h: what the dataplane made, control attaches, read-only and at the
 * position last released; `up` can be written by nobody else and neither memfd resized; a missing
 * seal, a wrong size and every single corrupted word of the header are refused or harmless; names
 * of interfaces come across and are believed only if they end.
 */
#include "dataplane/shm/region.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

enum {
	RING = 64 * 1024,
	PROTOCOLS = 3,
	DOWN_SEALS = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL,
	UP_SEALS = DOWN_SEALS | F_SEAL_FUTURE_WRITE,
};

static struct region_writer w;
static struct region_reader r;

static int make(void **state)
{
	(void)state;
	memset(&r, 0, sizeof(r));
	return region_create(&w, 1, 4, RING, PROTOCOLS, "k3q9");
}

static int destroy(void **state)
{
	(void)state;
	region_detach(&r);
	region_destroy(&w);
	return 0;
}

static void put(uint32_t tag)
{
	uint32_t *at = ring_reserve(&w.ring, 16);

	assert_non_null(at);
	at[0] = 16;
	at[1] = tag;
	ring_commit(&w.ring, 16);
	ring_publish(&w.ring);
}

static uint32_t take(void)
{
	uint64_t bytes;
	const uint32_t *at = ring_peek(&r.ring, &bytes);

	assert_non_null(at);
	ring_next(&r.ring, bytes);
	return at[1];
}

static int attach(void)
{
	return region_attach(&r, w.up_fd, w.down_fd);
}

static uint64_t size_of(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return (uint64_t)st.st_size;
}

static void control_sees_what_the_dataplane_writes(void **state)
{
	(void)state;
	struct counters c = { .value = { [C_received] = 42 } }, seen;

	assert_int_equal(attach(), 0);
	assert_int_equal(r.worker, 1);
	assert_int_equal(r.workers, 4);
	assert_int_equal(r.protocols, PROTOCOLS);
	assert_string_equal(r.run, "k3q9");
	assert_int_equal(r.header->state, REGION_RUNNING);

	put(7);
	assert_int_equal(take(), 7);
	ring_release(&r.ring);
	assert_int_equal(w.down->records, 1);

	counters_publish(w.counters, &c);
	assert_true(counters_snapshot(r.counters, &seen));
	assert_int_equal(seen.value[C_received], 42);

	histogram_add(&w.histogram[PROTOCOLS - 1], 1000);
	assert_int_equal(histogram_quantile(&r.histogram[PROTOCOLS - 1], 0.5),
			 histogram_floor(histogram_bucket(1000)));
	assert_int_equal(histogram_quantile(&r.histogram[0], 0.5), 0);
}

static void parts_do_not_overlap(void **state)
{
	(void)state;
	const struct region_header *h = w.header;

	assert_true(h->counters_offset >= sizeof(struct region_header));
	assert_true(h->histograms_offset >= h->counters_offset + sizeof(struct counters_page));
	assert_true(h->ring_offset >= h->histograms_offset + PROTOCOLS * sizeof(struct histogram));
	assert_int_equal(h->up_bytes, h->ring_offset + RING);
	assert_int_equal(h->up_bytes, size_of(w.up_fd));
	assert_int_equal(w.head_bytes, h->ring_offset);
	assert_int_equal(h->ring_bytes, RING);
}

static void impossible_geometry_is_not_made(void **state)
{
	(void)state;
	struct region_writer x = { .up_fd = 77 };

	assert_int_equal(region_create(&x, 0, 1, RING + 4096, 1, "a"), -EINVAL);
	assert_int_equal(region_create(&x, 0, 1, RING / 2, 1, "a"), -EINVAL);
	assert_int_equal(region_create(&x, 0, 1, UINT64_C(1) << 63, 1, "a"), -EINVAL);
	assert_int_equal(region_create(&x, 0, 1, RING, 256, "a"), -EINVAL);
	assert_int_equal(region_create(&x, 0, 0, RING, 1, "a"), -EINVAL);
	assert_int_equal(region_create(&x, 1, 1, RING, 1, "a"), -EINVAL);
	assert_int_equal(region_create(&x, 0, REGION_WORKERS_MAX + 1, RING, 1, "a"), -EINVAL);
	assert_int_equal(region_create(&x, 0, 1, RING, 1, ""), -EINVAL);
	assert_int_equal(region_create(&x, 0, 1, RING, 1, "a b"), -EINVAL);
	assert_int_equal(region_create(&x, 0, 1, RING, 1, "sixteen0sixteen0"), -EINVAL);
	assert_int_equal(x.up_fd, 77); /* untouched on failure */
}

static void the_smallest_and_the_largest_numbers_are_made(void **state)
{
	(void)state;
	struct region_writer x;
	struct region_reader y;

	assert_int_equal(region_create(&x, REGION_WORKERS_MAX - 1, REGION_WORKERS_MAX, RING, 255,
				       "fifteen00000000"),
			 0);
	assert_int_equal(region_attach(&y, x.up_fd, x.down_fd), 0);
	region_detach(&y);
	region_destroy(&x);
	assert_int_equal(region_create(&x, 0, 1, RING, 0, "a"), 0);
	assert_int_equal(region_attach(&y, x.up_fd, x.down_fd), 0);
	region_detach(&y);
	region_destroy(&x);
}

static void what_is_empty_is_destroyed_and_detached_harmlessly(void **state)
{
	(void)state;
	struct region_writer zero = { 0 }, minus = { .up_fd = -1, .down_fd = -1 };
	struct region_reader none = { 0 };

	region_destroy(&zero);
	region_destroy(&minus);
	region_destroy(&minus);
	region_detach(&none);
	assert_int_not_equal(fcntl(0, F_GETFD), -1); /* descriptor 0 is not ours to close */
}

/* ---- sealing ---- */

static void neither_memfd_can_be_resized_or_unsealed(void **state)
{
	(void)state;
	int fds[] = { w.up_fd, w.down_fd };

	for (int i = 0; i < 2; i++) {
		off_t bytes = (off_t)size_of(fds[i]);

		assert_int_equal(ftruncate(fds[i], bytes + 4096), -1);
		assert_int_equal(ftruncate(fds[i], bytes - 4096), -1);
		assert_int_equal(fcntl(fds[i], F_ADD_SEALS, F_SEAL_WRITE), -1);
		assert_int_equal(fcntl(fds[i], F_GET_SEALS), i == 0 ? UP_SEALS : DOWN_SEALS);
		assert_true((fcntl(fds[i], F_GETFD) & FD_CLOEXEC) != 0);
	}
}

static void nobody_else_can_write_up(void **state)
{
	(void)state;
	void *map;

	assert_int_equal(pwrite(w.up_fd, "x", 1, 0), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(fallocate(w.up_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096),
			 -1);
	map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, w.up_fd, 0);
	assert_ptr_equal(map, MAP_FAILED);
	map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, w.up_fd, 0);
	assert_ptr_not_equal(map, MAP_FAILED);
	assert_int_equal(mprotect(map, 4096, PROT_READ | PROT_WRITE), -1);
	munmap(map, 4096);
	assert_int_equal(attach(), 0);
	assert_int_equal(mprotect((void *)(uintptr_t)r.header, 4096, PROT_READ | PROT_WRITE), -1);
	assert_int_equal(mprotect((void *)(uintptr_t)r.data, 4096, PROT_READ | PROT_WRITE), -1);
}

static bool writing_kills(volatile uint8_t *at)
{
	int status;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0) {
		/* A sanitizer would report this death; here it is what is wanted. */
		signal(SIGSEGV, SIG_DFL);
		*at = 1;
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV;
}

static void each_side_maps_the_other_ones_words_read_only(void **state)
{
	(void)state;
	assert_int_equal(attach(), 0);
	assert_true(writing_kills((uint8_t *)(uintptr_t)w.down));
	assert_true(writing_kills((uint8_t *)(uintptr_t)r.header));
	assert_true(writing_kills((uint8_t *)(uintptr_t)r.counters));
	assert_true(writing_kills((uint8_t *)(uintptr_t)r.data));
	assert_false(writing_kills((uint8_t *)r.down));
}

/* A memfd that begins with the bytes of `from`, unsealed. */
static int copy_of(int from, uint64_t bytes)
{
	int fd = memfd_create("forged", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	off_t at = 0;

	assert_true(fd >= 0);
	while (at < (off_t)bytes) {
		char page[4096];
		ssize_t n = pread(from, page, sizeof(page), at);

		if (n <= 0)
			break;
		assert_int_equal(pwrite(fd, page, (size_t)n, at), n);
		at += n;
	}
	assert_int_equal(ftruncate(fd, (off_t)bytes), 0);
	return fd;
}

static int attach_pair(int up, int down)
{
	struct region_reader x = { .worker = 77 };
	int err = region_attach(&x, up, down);

	if (err == 0)
		region_detach(&x);
	else
		assert_int_equal(x.worker, 77); /* untouched on failure */
	return err;
}

static void a_missing_seal_is_refused(void **state)
{
	(void)state;
	static const int seals[] = { F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_SEAL, F_SEAL_FUTURE_WRITE };

	for (size_t i = 0; i < array_count(seals); i++) {
		int up = copy_of(w.up_fd, size_of(w.up_fd));

		assert_int_equal(fcntl(up, F_ADD_SEALS, UP_SEALS & ~seals[i]), 0);
		assert_int_equal(attach_pair(up, w.down_fd), -EPROTO);
		close(up);
	}
	for (size_t i = 0; i < 3; i++) {
		int down = copy_of(w.down_fd, size_of(w.down_fd));

		assert_int_equal(fcntl(down, F_ADD_SEALS, DOWN_SEALS & ~seals[i]), 0);
		assert_int_equal(attach_pair(w.up_fd, down), -EPROTO);
		close(down);
	}
}

static void a_wrong_size_is_refused(void **state)
{
	(void)state;
	static const int64_t wrong[] = { -4096, -1, 1, 4096, RING };
	uint64_t up_bytes = size_of(w.up_fd), down_bytes = size_of(w.down_fd);

	for (size_t i = 0; i < array_count(wrong); i++) {
		int up = copy_of(w.up_fd, up_bytes + (uint64_t)wrong[i]);
		int down = copy_of(w.down_fd, down_bytes + (uint64_t)wrong[i]);

		assert_int_equal(fcntl(up, F_ADD_SEALS, UP_SEALS), 0);
		assert_int_equal(fcntl(down, F_ADD_SEALS, DOWN_SEALS), 0);
		assert_int_equal(attach_pair(up, w.down_fd), -EPROTO);
		assert_int_equal(attach_pair(w.up_fd, down), -EPROTO);
		close(up);
		close(down);
	}
}

static void what_is_no_memfd_is_refused(void **state)
{
	(void)state;
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	assert_int_equal(attach_pair(fds[0], w.down_fd), -EPROTO);
	assert_int_equal(attach_pair(w.up_fd, fds[0]), -EPROTO);
	assert_int_equal(attach_pair(-1, w.down_fd), -EBADF);
	assert_int_equal(attach_pair(w.up_fd, -1), -EBADF);
	assert_int_equal(attach_pair(w.down_fd, w.up_fd), -EPROTO); /* the wrong way round */
	close(fds[0]);
	close(fds[1]);
}

/* ---- corruption ---- */

/* Reads everything that control would; dies if a number leads outside. */
static void use_region(const struct region_reader *x)
{
	struct ring_consumer ring = x->ring;
	struct counters seen;
	uint64_t bytes;

	(void)counters_snapshot(x->counters, &seen);
	for (uint32_t i = 0; i < x->protocols; i++)
		(void)histogram_quantile(&x->histogram[i], 0.99);
	for (uint32_t i = 0; i < REGION_INTERFACES; i++) {
		const char *name = region_interface(x, i);

		assert_true(name == NULL || strlen(name) < REGION_INTERFACE_BYTES);
	}
	for (int i = 0; i < 100 && ring_peek(&ring, &bytes) != NULL; i++)
		ring_next(&ring, bytes);
	(void)ring_drained(&ring);
}

static void every_corrupted_word_of_the_header_is_refused_or_harmless(void **state)
{
	(void)state;
	static const uint32_t lies[] = { 0,         1,        7,         8,    63,
					 64,        4096,     RING - 8,  RING, RING + 8,
					 INT32_MAX, 1U << 31, UINT32_MAX };
	uint32_t refused = 0, accepted = 0;
	uint8_t *header = (uint8_t *)w.header; /* the sealed memfd's only writable mapping */

	region_interface_add(&w, "eth0");
	for (uint32_t i = 0; i < 100; i++)
		put(i);
	for (size_t at = 0; at < sizeof(*w.header); at += 4) {
		uint32_t good;

		/* Of the table of names the first two are enough. */
		if (at >= offsetof(struct region_header, interface[2]))
			break;
		memcpy(&good, header + at, 4);
		for (size_t i = 0; i < array_count(lies); i++) {
			struct region_reader x;
			int err;

			memcpy(header + at, &lies[i], 4);
			err = region_attach(&x, w.up_fd, w.down_fd);
			if (err == 0) {
				use_region(&x);
				region_detach(&x);
				accepted++;
			} else {
				assert_int_equal(err, -EPROTO);
				refused++;
			}
			/* What is fixed must be refused, unless the lie is as good as the truth. */
			if (at < offsetof(struct region_header, worker) && lies[i] != good)
				assert_int_equal(err, -EPROTO);
		}
		memcpy(header + at, &good, 4);
	}
	assert_true(refused > 0 && accepted > 0);
	assert_int_equal(attach(), 0);
}

static void corruption_after_attaching_is_harmless(void **state)
{
	(void)state;
	uint8_t *header = (uint8_t *)w.header;
	size_t at;

	for (uint32_t i = 0; i < 100; i++)
		put(i);
	assert_int_equal(attach(), 0);
	for (at = 0; at < sizeof(*w.header); at += 4) {
		uint32_t good, lie = UINT32_MAX;

		memcpy(&good, header + at, 4);
		memcpy(header + at, &lie, 4);
		use_region(&r);
		memcpy(header + at, &good, 4);
	}
	memset(header, 0xff, w.head_bytes);
	memset(w.data, 0xff, RING);
	use_region(&r);
	assert_int_equal(r.protocols, PROTOCOLS);
	assert_string_equal(r.run, "k3q9");
}

static void a_control_page_full_of_lies_is_refused(void **state)
{
	(void)state;
	assert_int_equal(attach(), 0);
	memset(r.down, 0xff, sizeof(*r.down));
	assert_int_equal(attach_pair(w.up_fd, w.down_fd), -EPROTO);
	memset(r.down, 0, sizeof(*r.down));
	assert_int_equal(attach_pair(w.up_fd, w.down_fd), 0);
}

/* ---- a control after the other ---- */

static void attaching_anew_goes_on_where_the_last_one_released(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 10; i++)
		put(i);
	assert_int_equal(attach(), 0);
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(take(), i);
	ring_release(&r.ring);
	assert_int_equal(take(), 4); /* read, not released */
	region_detach(&r);

	assert_int_equal(attach(), 0);
	for (uint32_t i = 4; i < 10; i++)
		assert_int_equal(take(), i);
	ring_release(&r.ring);
	assert_int_equal(w.down->records, 10);
}

static void a_region_outlives_a_killed_control(void **state)
{
	(void)state;
	int status;
	pid_t child;

	for (uint32_t i = 0; i < 10; i++)
		put(i);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		uint64_t bytes;

		if (attach() != 0)
			_exit(1);
		ring_peek(&r.ring, &bytes);
		ring_next(&r.ring, bytes);
		ring_release(&r.ring);
		ring_peek(&r.ring, &bytes);
		ring_next(&r.ring, bytes);
		raise(SIGKILL);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(attach(), 0);
	for (uint32_t i = 1; i < 10; i++)
		assert_int_equal(take(), i);
}

static void what_was_published_survives_the_dataplane(void **state)
{
	(void)state;
	assert_int_equal(attach(), 0);
	put(1);
	put(2);
	region_destroy(&w);
	assert_int_equal(take(), 1);
	assert_int_equal(take(), 2);
	ring_release(&r.ring);
}

/* ---- interfaces ---- */

static void interfaces_come_across(void **state)
{
	(void)state;
	assert_int_equal(attach(), 0);
	assert_null(region_interface(&r, 0));
	assert_int_equal(region_interface_add(&w, "eth0"), 0);
	assert_int_equal(region_interface_add(&w, "wlan0"), 1);
	assert_string_equal(region_interface(&r, 0), "eth0");
	assert_string_equal(region_interface(&r, 1), "wlan0");
	assert_null(region_interface(&r, 2));
	assert_null(region_interface(&r, UINT32_MAX));
}

static void a_long_name_is_cut_and_still_ends(void **state)
{
	(void)state;
	char name[100];

	memset(name, 'x', sizeof(name));
	name[99] = 0;
	assert_int_equal(attach(), 0);
	region_interface_add(&w, name);
	assert_int_equal(strlen(region_interface(&r, 0)), REGION_INTERFACE_BYTES - 1);
}

static void a_full_table_gives_its_last_index(void **state)
{
	(void)state;
	assert_int_equal(attach(), 0);
	for (uint16_t i = 0; i < REGION_INTERFACES; i++)
		assert_int_equal(region_interface_add(&w, "same"), i);
	assert_int_equal(region_interface_add(&w, "other"), REGION_INTERFACES - 1);
	assert_string_equal(region_interface(&r, REGION_INTERFACES - 1), "same");
	assert_null(region_interface(&r, REGION_INTERFACES));
}

static void a_name_without_an_end_is_none(void **state)
{
	(void)state;
	assert_int_equal(attach(), 0);
	region_interface_add(&w, "eth0");
	memset(w.header->interface[0], 'x', REGION_INTERFACE_BYTES);
	assert_null(region_interface(&r, 0));
	w.header->interfaces = UINT32_MAX;
	assert_null(region_interface(&r, REGION_INTERFACES));
}

int main(void)
{
#define MADE(f) cmocka_unit_test_setup_teardown(f, make, destroy)
	const struct CMUnitTest tests[] = {
		MADE(control_sees_what_the_dataplane_writes),
		MADE(parts_do_not_overlap),
		cmocka_unit_test(impossible_geometry_is_not_made),
		cmocka_unit_test(the_smallest_and_the_largest_numbers_are_made),
		cmocka_unit_test(what_is_empty_is_destroyed_and_detached_harmlessly),
		MADE(neither_memfd_can_be_resized_or_unsealed),
		MADE(nobody_else_can_write_up),
		MADE(each_side_maps_the_other_ones_words_read_only),
		MADE(a_missing_seal_is_refused),
		MADE(a_wrong_size_is_refused),
		MADE(what_is_no_memfd_is_refused),
		MADE(every_corrupted_word_of_the_header_is_refused_or_harmless),
		MADE(corruption_after_attaching_is_harmless),
		MADE(a_control_page_full_of_lies_is_refused),
		MADE(attaching_anew_goes_on_where_the_last_one_released),
		MADE(a_region_outlives_a_killed_control),
		MADE(what_was_published_survives_the_dataplane),
		MADE(interfaces_come_across),
		MADE(a_long_name_is_cut_and_still_ends),
		MADE(a_full_table_gives_its_last_index),
		MADE(a_name_without_an_end_is_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
