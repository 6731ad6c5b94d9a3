/* Proves of the sockets: every frame of a queue is in its fill ring and in no other; sockets on one
 * queue share its frames, which come home to the owner, each once, and ring his bell; a queue that
 * is taken is waited for and then said to be taken, and what the driver cannot do is refused. */
#include "veth.h"

#include <errno.h>

#include "dataplane/base/clock.h"
#include "dataplane/rx/af_xdp_socket.h"

enum { FRAME_BYTES = 2048, FRAMES = 100, RING = 64, SOME_QUEUES = 2 };

static bool have;

static int group_set_up(void **state)
{
	(void)state;
	have = own_namespace();
	if (have)
		wire("tap0", "far0", "numrxqueues 2 numtxqueues 2");
	return 0;
}

static struct af_xdp_socket_how how_default(void)
{
	return (struct af_xdp_socket_how){
		.interface = "tap0",
		.ifindex = 7, /* ours: it only tells queues of several interfaces apart */
		.members = 1,
		.ring = RING,
		.frame_bytes = FRAME_BYTES,
		.frames = FRAMES,
		.huge = AF_XDP_HUGE_OFF,
	};
}

static void open_socket(struct af_xdp_socket *s, const struct af_xdp_socket_how *how)
{
	struct rx_error err;

	if (af_xdp_socket_open(s, how, &err) != 0)
		fail_msg("%s", err.text);
}

static __u64 *in_fill_ring(const struct af_xdp_socket *s, uint32_t i)
{
	return xsk_ring_prod__fill_addr(&s->queue->fill, i);
}

static void each_frame_is_in_the_fill_ring_of_its_queue(void **state)
{
	struct af_xdp_socket_how how = how_default();
	struct af_xdp_socket s[SOME_QUEUES];

	(void)state;
	need_namespace(have);
	for (how.queue = 0; how.queue < SOME_QUEUES; how.queue++)
		open_socket(&s[how.queue], &how);
	assert_ptr_not_equal(s[0].queue, s[1].queue);
	for (uint32_t q = 0; q < SOME_QUEUES; q++) {
		struct af_xdp_losses lost = { 0 };

		assert_int_equal(*s[q].queue->fill.producer, FRAMES);
		for (uint32_t i = 0; i < FRAMES; i++)
			assert_int_equal(*in_fill_ring(&s[q], i), i * FRAME_BYTES);
		assert_false(af_xdp_zero_copy(&s[q]));
		assert_int_equal(s[q].queue->index, q);
		assert_null(s[q].home);
		assert_int_equal(af_xdp_waiting(&s[q], false), 0);
		assert_int_equal(af_xdp_waiting(&s[q], true), 0);
		af_xdp_losses(s[q].fd, &lost);
		assert_int_equal(lost.ring_full + lost.no_frame, 0);
		af_xdp_socket_close(&s[q]);
		af_xdp_socket_close(&s[q]);
	}
}

static bool rings(const struct af_xdp_queue *q)
{
	uint64_t times;

	return read(q->bell_fd, &times, sizeof(times)) == sizeof(times);
}

/* In the middle of three sockets is the owner; the first to come is the first to go. */
static void frames_of_a_shared_queue_come_home_each_once(void **state)
{
	struct af_xdp_socket_how how = how_default();
	struct af_xdp_socket s[3];
	uint64_t at[FRAMES];
	uint32_t slot;

	(void)state;
	need_namespace(have);
	how.members = 3;
	how.owner = 1;
	for (how.member = 0; how.member < 3; how.member++)
		open_socket(&s[how.member], &how);
	for (int i = 0; i < 3; i++) {
		assert_ptr_equal(s[i].queue, s[0].queue);
		assert_ptr_equal(s[i].area, s[0].area);
	}
	assert_non_null(s[0].home);
	assert_null(s[1].home);
	assert_ptr_not_equal(s[0].home, s[2].home);
	/* As if the kernel had used all of them: there is room in the fill ring again. */
	__atomic_store_n(s[1].queue->fill.consumer, FRAMES, __ATOMIC_RELEASE);
	for (uint32_t i = 0; i < FRAMES; i++)
		at[i] = (uint64_t)i * FRAME_BYTES;
	slot = FRAMES;
	af_xdp_give(&s[0], at, 5);
	assert_false(rings(s[1].queue));
	af_xdp_give(&s[2], at + 5, FRAMES - 10);
	assert_true(rings(s[1].queue));
	af_xdp_give(&s[1], at + FRAMES - 5, 5);
	assert_int_equal(*s[1].queue->fill.producer, slot + 5);
	af_xdp_collect(&s[0]);
	assert_int_equal(*s[1].queue->fill.producer, slot + 5);
	af_xdp_collect(&s[1]);
	af_xdp_collect(&s[1]);
	assert_int_equal(*s[1].queue->fill.producer, slot + FRAMES);
	for (uint32_t i = 0; i < FRAMES; i++) {
		uint32_t number = (uint32_t)(*in_fill_ring(&s[1], slot + i) / FRAME_BYTES);

		assert_in_range(number, 0, FRAMES - 1);
		assert_int_not_equal(at[number], UINT64_MAX);
		at[number] = UINT64_MAX;
	}
	for (int i = 0; i < 3; i++)
		af_xdp_socket_close(&s[i]);
}

static void a_packet_waits_once_however_many_parts_it_has(void **state)
{
	struct xdp_desc desc[RING] = { 0 };
	uint32_t producer = RING + 5;
	struct af_xdp_socket s = {
		.rx = { .cached_cons = RING,
			.mask = RING - 1,
			.producer = &producer,
			.ring = desc },
	};

	(void)state;
	/* one of three parts, one of one, one whose end has not come */
	desc[0].options = desc[1].options = desc[4].options = XDP_PKT_CONTD;
	assert_int_equal(af_xdp_waiting(&s, true), 2);
	assert_int_equal(af_xdp_waiting(&s, false), 5);
}

static void a_queue_that_is_taken_is_waited_for_and_then_refused(void **state)
{
	struct af_xdp_socket_how how = how_default(), other = how;
	struct af_xdp_socket s, second;
	struct rx_error err = { "" };
	uint64_t begun_ns;

	(void)state;
	need_namespace(have);
	other.ifindex = 8; /* as another process, which does not know of our queues */
	open_socket(&s, &how);
	begun_ns = clock_monotonic_ns();
	assert_int_equal(af_xdp_socket_open(&second, &other, &err), -EBUSY);
	assert_in_range((clock_monotonic_ns() - begun_ns) / 1000000, 1400, 20000);
	assert_non_null(strstr(err.text, "another process captures there"));
	af_xdp_socket_close(&s);
	/* Closing takes the kernel a moment, which is not the user's business. */
	for (int i = 0; i < 10; i++) {
		open_socket(&s, &how);
		af_xdp_socket_close(&s);
	}
}

static void what_cannot_be_done_is_refused_with_the_remedy(void **state)
{
	struct af_xdp_socket_how how = how_default();
	struct af_xdp_socket s;
	struct rx_error err = { "" };

	(void)state;
	need_namespace(have);
	how.copy = AF_XDP_COPY_ZEROCOPY;
	assert_int_equal(af_xdp_socket_open(&s, &how, &err), -EOPNOTSUPP);
	assert_non_null(strstr(err.text, "leave out copy=zerocopy"));
	how = how_default();
	how.queue = 77;
	assert_int_equal(af_xdp_socket_open(&s, &how, &err), -EINVAL);
	how = how_default();
	how.interface = "nosuch0";
	assert_true(af_xdp_socket_open(&s, &how, &err) < 0);
	assert_non_null(strstr(err.text, "nosuch0"));
	/* Nothing of it is left that a later one would find. */
	how = how_default();
	open_socket(&s, &how);
	af_xdp_socket_close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_frame_is_in_the_fill_ring_of_its_queue),
		cmocka_unit_test(frames_of_a_shared_queue_come_home_each_once),
		cmocka_unit_test(a_packet_waits_once_however_many_parts_it_has),
		cmocka_unit_test(a_queue_that_is_taken_is_waited_for_and_then_refused),
		cmocka_unit_test(what_cannot_be_done_is_refused_with_the_remedy),
	};

	return cmocka_run_group_tests(tests, group_set_up, NULL);
}
