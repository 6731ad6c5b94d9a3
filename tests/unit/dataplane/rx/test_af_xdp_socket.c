/* Proves of the sockets: every frame of a queue is in its fill ring and in no other, a queue that
 * is taken is waited for and then said to be taken, and what the driver cannot do is refused. */
#include "veth.h"

#include <errno.h>

#include "dataplane/base/clock.h"
#include "dataplane/rx/af_xdp_socket.h"

enum { FRAME_BYTES = 2048, FRAMES = 100, RING = 64, SOME_QUEUES = 2 };

static bool have;
static struct af_xdp_umem umem;

static int group_set_up(void **state)
{
	struct rx_error err;

	(void)state;
	have = own_namespace();
	if (have)
		wire("tap0", "far0", "numrxqueues 2 numtxqueues 2");
	return af_xdp_umem_open(&umem, (size_t)SOME_QUEUES * FRAMES * FRAME_BYTES, AF_XDP_HUGE_OFF,
				&err);
}

static int group_tear_down(void **state)
{
	(void)state;
	af_xdp_umem_close(&umem);
	return 0;
}

static const uint32_t both[SOME_QUEUES] = { 0, 1 };

static struct af_xdp_sockets_how how_default(void)
{
	return (struct af_xdp_sockets_how){
		.interface = "tap0",
		.queue = both,
		.queues = SOME_QUEUES,
		.ring = RING,
		.frame_bytes = FRAME_BYTES,
		.frames = FRAMES,
	};
}

static void each_frame_is_in_the_fill_ring_of_its_queue(void **state)
{
	struct af_xdp_sockets_how how = how_default();
	struct af_xdp_sockets s;
	struct rx_error err;

	(void)state;
	need_namespace(have);
	if (af_xdp_sockets_open(&s, &umem, &how, &err) != 0)
		fail_msg("%s", err.text);
	assert_int_equal(s.count, SOME_QUEUES);
	assert_false(af_xdp_zero_copy(&s));
	for (uint32_t q = 0; q < SOME_QUEUES; q++) {
		struct af_xdp_losses lost = { 0 };

		assert_int_equal(*s.queue[q].fill.producer, FRAMES);
		for (uint32_t i = 0; i < FRAMES; i++)
			assert_int_equal(*xsk_ring_prod__fill_addr(&s.queue[q].fill, i),
					 (q * FRAMES + i) * FRAME_BYTES);
		assert_int_equal(s.queue[q].index, q);
		assert_int_equal(af_xdp_waiting(&s.queue[q], false), 0);
		assert_int_equal(af_xdp_waiting(&s.queue[q], true), 0);
		af_xdp_losses(s.queue[q].fd, &lost);
		assert_int_equal(lost.ring_full + lost.no_frame, 0);
	}
	af_xdp_sockets_close(&s);
	af_xdp_sockets_close(&s);
}

static void a_packet_waits_once_however_many_parts_it_has(void **state)
{
	struct xdp_desc desc[RING] = { 0 };
	uint32_t producer = RING + 5;
	struct af_xdp_queue q = {
		.rx = { .cached_cons = RING,
			.mask = RING - 1,
			.producer = &producer,
			.ring = desc },
	};

	(void)state;
	/* one of three parts, one of one, one whose end has not come */
	desc[0].options = desc[1].options = desc[4].options = XDP_PKT_CONTD;
	assert_int_equal(af_xdp_waiting(&q, true), 2);
	assert_int_equal(af_xdp_waiting(&q, false), 5);
}

static void a_queue_that_is_taken_is_waited_for_and_then_refused(void **state)
{
	struct af_xdp_sockets_how how = how_default();
	struct af_xdp_sockets s, second;
	struct rx_error err = { "" };
	uint64_t begun_ns;

	(void)state;
	need_namespace(have);
	assert_int_equal(af_xdp_sockets_open(&s, &umem, &how, &err), 0);
	begun_ns = clock_monotonic_ns();
	assert_int_equal(af_xdp_sockets_open(&second, &umem, &how, &err), -EBUSY);
	assert_in_range((clock_monotonic_ns() - begun_ns) / 1000000, 1400, 4000);
	assert_non_null(strstr(err.text, "another process captures there"));
	af_xdp_sockets_close(&s);
	/* Closing takes the kernel a moment, which is not the user's business. */
	for (int i = 0; i < 10; i++) {
		assert_int_equal(af_xdp_sockets_open(&s, &umem, &how, &err), 0);
		af_xdp_sockets_close(&s);
	}
}

static void what_cannot_be_done_is_refused_with_the_remedy(void **state)
{
	struct af_xdp_sockets_how how = how_default();
	struct af_xdp_sockets s;
	struct rx_error err = { "" };
	const uint32_t far_away = 77;

	(void)state;
	need_namespace(have);
	how.copy = AF_XDP_COPY_ZEROCOPY;
	assert_int_equal(af_xdp_sockets_open(&s, &umem, &how, &err), -EOPNOTSUPP);
	assert_non_null(strstr(err.text, "leave out copy=zerocopy"));
	how = how_default();
	how.queue = &far_away;
	how.queues = 1;
	assert_int_equal(af_xdp_sockets_open(&s, &umem, &how, &err), -EINVAL);
	how = how_default();
	how.interface = "nosuch0";
	assert_true(af_xdp_sockets_open(&s, &umem, &how, &err) < 0);
	assert_non_null(strstr(err.text, "nosuch0"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_frame_is_in_the_fill_ring_of_its_queue),
		cmocka_unit_test(a_packet_waits_once_however_many_parts_it_has),
		cmocka_unit_test(a_queue_that_is_taken_is_waited_for_and_then_refused),
		cmocka_unit_test(what_cannot_be_done_is_refused_with_the_remedy),
	};

	return cmocka_run_group_tests(tests, group_set_up, group_tear_down);
}
