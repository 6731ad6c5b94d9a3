/* Proves of the frames' memory: as large as asked for, on the pages asked for, writable to its end,
 * not there in a child; what cannot be had is refused with the remedy, or not insisted on. */
#include "veth.h"

#include <errno.h>

#include "dataplane/rx/af_xdp_umem.h"

enum { BYTES = 3 << 20 };

static void memory_is_there_to_its_last_byte(void **state)
{
	struct rx_error err;
	struct af_xdp_umem u;

	(void)state;
	assert_int_equal(af_xdp_umem_open(&u, BYTES, AF_XDP_HUGE_OFF, &err), 0);
	assert_false(u.huge);
	assert_int_equal(u.bytes, BYTES);
	memset(u.area, 0x5a, BYTES);
	assert_int_equal(u.area[BYTES - 1], 0x5a);
	af_xdp_umem_close(&u);
	assert_null(u.area);
	af_xdp_umem_close(&u);
}

static void without_huge_pages_normal_ones_do(void **state)
{
	struct rx_error err;
	struct af_xdp_umem u;

	(void)state;
	assert_int_equal(af_xdp_umem_open(&u, BYTES, AF_XDP_HUGE_AUTO, &err), 0);
	u.area[BYTES - 1] = 1;
	af_xdp_umem_close(&u);
}

static void huge_pages_that_are_insisted_on_come_or_are_refused(void **state)
{
	struct rx_error err = { "" };
	struct af_xdp_umem u;
	int code;

	(void)state;
	code = af_xdp_umem_open(&u, BYTES, AF_XDP_HUGE_ON, &err);
	if (code == 0) {
		assert_true(u.huge);
		assert_int_equal(u.mapped_bytes, 4 << 20);
		af_xdp_umem_close(&u);
		return;
	}
	assert_int_equal(code, -ENOMEM);
	assert_non_null(strstr(err.text, "2 huge pages"));
	assert_non_null(strstr(err.text, "vm.nr_hugepages"));
}

static void more_than_there_is_is_refused(void **state)
{
	struct rx_error err = { "" };
	struct af_xdp_umem u;

	(void)state;
	assert_int_equal(af_xdp_umem_open(&u, (size_t)1 << 46, AF_XDP_HUGE_AUTO, &err), -ENOMEM);
	assert_non_null(strstr(err.text, "ring="));
}

static void a_child_does_not_have_it(void **state)
{
	struct rx_error err;
	struct af_xdp_umem u;
	pid_t child;
	int how;

	(void)state;
	assert_int_equal(af_xdp_umem_open(&u, BYTES, AF_XDP_HUGE_OFF, &err), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		int out[2];

		/* The kernel looks for us: no fault is needed to find out. */
		_exit(pipe(out) == 0 && write(out[1], u.area, 1) < 0 && errno == EFAULT ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &how, 0), child);
	assert_int_equal(how, 0);
	af_xdp_umem_close(&u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_is_there_to_its_last_byte),
		cmocka_unit_test(without_huge_pages_normal_ones_do),
		cmocka_unit_test(huge_pages_that_are_insisted_on_come_or_are_refused),
		cmocka_unit_test(more_than_there_is_is_refused),
		cmocka_unit_test(a_child_does_not_have_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
