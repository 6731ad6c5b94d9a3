/* Proves that a refused frame is not counted and a cut one is, that an expression the kernel does
 * not take lets everything through, that stopping draws a line which later frames do not move, and
 * that frames which were counted and never came are neither waited for for ever nor explained away.
 */
#include "veth.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/socket.h>

#include "dataplane/base/clock.h"
#include "dataplane/rx/packet_socket.h"

static bool have_namespace;

static int enter(void **state)
{
	(void)state;
	have_namespace = own_namespace();
	return 0;
}

static int begin(void **state)
{
	(void)state;
	if (have_namespace)
		wire("wp0", "wp1", "");
	return 0;
}

static int end(void **state)
{
	(void)state;
	if (have_namespace)
		wire_cut("wp0");
	return 0;
}

/* send_frames - of `bytes` each, of a protocol that nobody wants. */
static void send_frames(int count, uint32_t bytes)
{
	static const uint8_t frame[1514] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2,
					     0,    0,    0,    0,    1,    0x88, 0xb5 };
	struct sockaddr_ll to = {
		.sll_family = AF_PACKET,
		.sll_ifindex = (int)if_nametoindex("wp1"),
	};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	for (int n = 0; n < count; n++)
		assert_int_equal(sendto(fd, frame, bytes, 0, (struct sockaddr *)&to, sizeof(to)),
				 bytes);
	close(fd);
}

/* A socket without a ring: its queue serves as one. */
static int bound(struct interface *ret)
{
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct rx_error err;

	assert_true(fd >= 0);
	assert_int_equal(interface_open(ret, "wp0", false, &err), 0);
	assert_int_equal(packet_socket_bind(fd, ret->index), 0);
	return fd;
}

static struct packet_socket started(bool tells_losses)
{
	struct packet_socket s;
	struct interface i;
	int fd = bound(&i);

	packet_socket_start(&s, fd, &i, tells_losses, 0);
	return s;
}

static void ended(struct packet_socket *s)
{
	packet_socket_end(s);
	close(s->fd);
}

/* receive - the error that says that the interface went away stands before what had come. */
static ssize_t receive(int fd)
{
	uint8_t frame[2000];
	ssize_t bytes = recv(fd, frame, sizeof(frame), 0);

	return bytes < 0 && errno == ENETDOWN ? recv(fd, frame, sizeof(frame), 0) : bytes;
}

/* take - up to `count` frames from the queue. Returns how many, and the size of the last. */
static uint32_t take(struct packet_socket *s, uint32_t count, ssize_t *ret_bytes)
{
	uint32_t n = 0;
	ssize_t bytes;

	count = packet_socket_room(s, count);
	for (; n < count && (bytes = receive(s->fd)) >= 0; n++)
		*ret_bytes = bytes;
	packet_socket_pulled(s, n);
	return n;
}

static struct rx_counters counters_of(struct packet_socket *s)
{
	struct rx_counters c;

	packet_socket_counters(s, 0, &c);
	return c;
}

/* ---- filters ---- */

static void what_is_refused_is_not_counted(void **state)
{
	struct packet_socket s;
	ssize_t bytes;

	(void)state;
	need_namespace(have_namespace);
	s = started(true);
	assert_int_equal(packet_socket_refuse_all(s.fd), 0);
	send_frames(10, 100);
	assert_int_equal(take(&s, 100, &bytes), 0);
	assert_int_equal(counters_of(&s).offered, 0);
	assert_int_equal(packet_socket_filter(s.fd, NULL, 0), 0);
	send_frames(3, 100);
	assert_int_equal(take(&s, 100, &bytes), 3);
	assert_int_equal(bytes, 100);
	assert_int_equal(counters_of(&s).offered, 3);
	ended(&s);
}

static void the_kernel_copies_no_more_than_the_snap_length(void **state)
{
	static const char *const expression[] = { NULL, "", "ether proto 0x88b5" };
	ssize_t bytes = 0;

	(void)state;
	need_namespace(have_namespace);
	for (size_t i = 0; i < 3; i++) {
		struct packet_socket s = started(true);

		assert_int_equal(packet_socket_filter(s.fd, expression[i], 96), 0);
		send_frames(1, 1000);
		assert_int_equal(take(&s, 1, &bytes), 1);
		assert_int_equal(bytes, 96);
		send_frames(1, 60);
		assert_int_equal(take(&s, 1, &bytes), 1);
		assert_int_equal(bytes, 60);
		ended(&s);
	}
}

static void an_expression_is_asked_in_the_kernel(void **state)
{
	struct packet_socket s;
	ssize_t bytes = 0;

	(void)state;
	need_namespace(have_namespace);
	s = started(true);
	assert_int_equal(packet_socket_filter(s.fd, "greater 200", 0), 0);
	send_frames(5, 100);
	send_frames(2, 300);
	assert_int_equal(take(&s, 100, &bytes), 2);
	assert_int_equal(bytes, 300);
	assert_int_equal(counters_of(&s).offered, 2);
	ended(&s);
}

/* The one before it must not stay in its place: it may refuse everything. */
static void an_expression_that_the_kernel_does_not_take_lets_everything_through(void **state)
{
	enum { HOSTS = 6000 };
	char *expression = malloc(HOSTS * 32);
	struct packet_socket s;
	ssize_t bytes = 0;
	size_t at = 0;

	(void)state;
	if (!have_namespace)
		free(expression);
	need_namespace(have_namespace);
	for (int n = 0; n < HOSTS; n++)
		at += (size_t)sprintf(expression + at, "%sether[%d] = %d", n > 0 ? " or " : "",
				      14 + n % 40, n % 200);
	s = started(true);
	assert_int_equal(packet_socket_refuse_all(s.fd), 0);
	assert_int_equal(packet_socket_filter(s.fd, expression, 80), 0);
	send_frames(4, 100);
	assert_int_equal(take(&s, 100, &bytes), 4);
	assert_int_equal(bytes, 80);
	free(expression);
	ended(&s);
}

/* ---- books ---- */

static void stopping_draws_a_line_that_later_frames_do_not_move(void **state)
{
	struct packet_socket s;
	struct rx_counters c;
	ssize_t bytes;

	(void)state;
	need_namespace(have_namespace);
	s = started(true);
	send_frames(10, 100);
	assert_int_equal(take(&s, 4, &bytes), 4);
	packet_socket_stop(&s);
	send_frames(10, 100);
	packet_socket_stop(&s);
	assert_int_equal(packet_socket_state(&s, true, NULL), RX_OPEN);
	assert_int_equal(packet_socket_room(&s, 64), 6);
	assert_int_equal(take(&s, 64, &bytes), 6);
	assert_int_equal(packet_socket_state(&s, true, NULL), RX_END);
	assert_int_equal(take(&s, 64, &bytes), 0);
	c = counters_of(&s);
	assert_int_equal(c.offered, 10);
	assert_int_equal(c.received, 10);
	assert_int_equal(c.in_flight, 0);
	ended(&s);
}

/* Frames that were counted and have vanished: the end comes, and the books do not close. */
static void missing_frames_are_waited_for_a_while_and_then_missing(void **state)
{
	uint64_t begun_ns, waited_ns;
	struct packet_socket s;
	struct rx_counters c;
	ssize_t bytes;
	uint8_t frame[200];

	(void)state;
	need_namespace(have_namespace);
	s = started(true);
	send_frames(10, 100);
	assert_int_equal(take(&s, 7, &bytes), 7);
	while (recv(s.fd, frame, sizeof(frame), 0) >= 0)
		;
	packet_socket_stop(&s);
	begun_ns = clock_monotonic_ns();
	while (packet_socket_state(&s, false, NULL) == RX_OPEN)
		nap_ms(5);
	waited_ns = clock_monotonic_ns() - begun_ns;
	assert_in_range(waited_ns / 1000000, 500, 5000);
	assert_int_equal(packet_socket_state(&s, true, NULL),
			 RX_OPEN); /* something came after all */
	c = counters_of(&s);
	assert_int_equal(c.offered, 10);
	assert_int_equal(c.received, 7);
	assert_int_equal(c.in_flight, 0);
	ended(&s);
}

static void what_found_no_room_is_lost_in_the_kernels_buffer(void **state)
{
	struct packet_socket s;
	struct rx_counters c;
	int small = 0;
	ssize_t bytes;

	(void)state;
	need_namespace(have_namespace);
	s = started(true);
	assert_int_equal(setsockopt(s.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
	send_frames(100, 1000);
	c = counters_of(&s);
	send_frames(100, 1000);
	packet_socket_stop(&s);
	while (take(&s, 64, &bytes) > 0)
		;
	assert_true(c.lost[RX_LOST_kernel_buffer] > 90 && c.lost[RX_LOST_kernel_buffer] < 100);
	c = counters_of(&s);
	assert_int_equal(c.offered, 200);
	assert_int_equal(c.offered, c.received + c.lost[RX_LOST_kernel_buffer]);
	assert_int_equal(packet_socket_state(&s, false, NULL), RX_END);
	ended(&s);
}

/* What nobody wanted before the socket was bound, nobody has lost. */
static void losses_of_the_interface_begin_when_the_socket_is_bound(void **state)
{
	struct packet_socket s;
	struct interface i;
	struct rx_error err;
	int fd;

	(void)state;
	need_namespace(have_namespace);
	assert_int_equal(interface_open(&i, "wp0", false, &err), 0);
	send_frames(5, 100);
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(packet_socket_bind(fd, i.index), 0);
	packet_socket_start(&s, fd, &i, true, 0);
	send_frames(5, 100);
	nap_ms(20);
	assert_int_equal(counters_of(&s).offered, 5);
	ended(&s);
}

/* The numbers are made up, and asked for so recently that they are not asked for again: a cable of
 * two software ends loses nothing. */
static struct rx_counters with_losses(bool tells_losses)
{
	struct packet_socket s = started(tells_losses);
	struct rx_counters c;

	s.interface.now.missed = s.interface.before.missed + 3;
	s.interface.now.dropped = s.interface.before.dropped + 4;
	s.interface.asked_ns = clock_monotonic_ns();
	c = counters_of(&s);
	ended(&s);
	return c;
}

static void one_of_several_sockets_tells_of_the_losses_of_the_interface(void **state)
{
	struct rx_counters c;

	(void)state;
	need_namespace(have_namespace);
	c = with_losses(true);
	assert_int_equal(c.lost[RX_LOST_nic], 3);
	assert_int_equal(c.lost[RX_LOST_driver], 0); /* it may speak of frames that we have */
	assert_int_equal(c.offered, 3);
	c = with_losses(false);
	assert_int_equal(c.lost[RX_LOST_nic], 0);
	assert_int_equal(c.offered, 0);
}

/* ---- the interface ---- */

static void a_removed_interface_closes_the_books_once(void **state)
{
	struct rx_error err = { "" };
	struct packet_socket s;
	ssize_t bytes;

	(void)state;
	need_namespace(have_namespace);
	s = started(true);
	send_frames(3, 100);
	wire_cut("wp0");
	packet_socket_look(&s);
	assert_int_equal(packet_socket_state(&s, true, &err), RX_OPEN);
	assert_int_equal(take(&s, 64, &bytes), 3);
	assert_int_equal(packet_socket_state(&s, false, &err), RX_GONE);
	assert_string_equal(err.text, "wp0 was removed: the capture ends here");
	packet_socket_stop(&s);
	assert_int_equal(packet_socket_state(&s, false, NULL), RX_GONE);
	ended(&s);
}

static void an_interface_removed_after_the_stop_ends_the_capture_cleanly(void **state)
{
	struct packet_socket s;

	(void)state;
	need_namespace(have_namespace);
	s = started(true);
	packet_socket_stop(&s);
	wire_cut("wp0");
	packet_socket_look(&s);
	assert_int_equal(packet_socket_state(&s, false, NULL), RX_END);
	ended(&s);
}

static void binding_to_no_interface_is_refused(void **state)
{
	int fd;

	(void)state;
	need_namespace(have_namespace);
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	assert_int_equal(packet_socket_bind(fd, 1 << 20), -ENODEV);
	assert_int_equal(packet_socket_bind(-1, 1), -EBADF);
	assert_int_equal(packet_socket_refuse_all(-1), -EBADF);
	assert_int_equal(packet_socket_filter(-1, NULL, 0), -EBADF);
	close(fd);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(what_is_refused_is_not_counted),
		CASE(the_kernel_copies_no_more_than_the_snap_length),
		CASE(an_expression_is_asked_in_the_kernel),
		CASE(an_expression_that_the_kernel_does_not_take_lets_everything_through),
		CASE(stopping_draws_a_line_that_later_frames_do_not_move),
		CASE(missing_frames_are_waited_for_a_while_and_then_missing),
		CASE(what_found_no_room_is_lost_in_the_kernels_buffer),
		CASE(losses_of_the_interface_begin_when_the_socket_is_bound),
		CASE(one_of_several_sockets_tells_of_the_losses_of_the_interface),
		CASE(a_removed_interface_closes_the_books_once),
		CASE(an_interface_removed_after_the_stop_ends_the_capture_cleanly),
		CASE(binding_to_no_interface_is_refused),
	};

	return cmocka_run_group_tests(tests, enter, NULL);
}
