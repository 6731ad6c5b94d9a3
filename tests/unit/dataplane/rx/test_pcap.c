/* Proves what live.h promises of every live back end, and of this one: that frames of a burst are
 * copies which nothing overwrites, that immediate mode works too, that the start on the loopback
 * leaves no frame that is counted and not delivered, and that more than one worker is refused.
 */
#include "live.h"

extern const struct rx_backend rx_pcap;

static void several_workers_are_refused_with_the_remedy(void **state)
{
	struct rx_open how = live_how("wl0");
	struct rx_error err = { "" };
	struct rx_port *p;

	(void)state;
	how.workers = 2;
	assert_int_equal(live.backend->open(&how, &p, &err), -EINVAL);
	assert_non_null(strstr(err.text, "--workers 1"));
	assert_non_null(strstr(err.text, "--rx af_packet:wl0"));
}

static void options_out_of_reach_are_refused(void **state)
{
	(void)state;
	refuses_to_open("wl0,buffer=1k", -EINVAL, "buffer=1k");
	refuses_to_open("wl0,timeout=0ms", -EINVAL, "timeout=0ms");
	refuses_to_open("wl0,immediate=maybe", -EINVAL, "immediate=maybe");
}

static void immediate_mode_hands_over_each_frame(void **state)
{
	struct rx_about about;
	enum rx_state end;
	struct rx_port *p;
	struct kept *kept;
	uint32_t at_once = 0;

	(void)state;
	need_namespace(have_namespace);
	wire("wl0", "wl1", "");
	p = live_open("wl0,immediate=on,timeout=500ms");
	live.backend->about(p, &about);
	assert_non_null(strstr(about.mode, "immediate"));
	for (uint32_t n = 0; n < 9; n++) {
		uint64_t sent_ns = clock_monotonic_ns();

		send_numbered("wl1", n, 1, 500);
		kept = keep(p, 1);
		assert_int_equal(number_of(&(struct packet){ .frame = kept->bytes }), n);
		/* The timeout of a block would be a second. */
		at_once += clock_monotonic_ns() - sent_ns < 800 * UINT64_C(1000000);
		kept_free(kept, 1);
	}
	assert_true(at_once >= 5); /* another program may have the processor now and then */
	send_numbered("wl1", 100, 40, 500);
	live.backend->stop(p);
	assert_int_equal(drain(p, &end), 40);
	books_close(p, 49);
	live.backend->close(p);
}

/* A burst of the largest frames is shorter than was asked for, and nothing is lost by that. */
static void a_burst_ends_where_the_copies_have_no_more_room(void **state)
{
	static struct packet packet[4 * BURST_PACKETS];
	static uint8_t frame[LARGEST_BYTES];
	uint32_t have = 0, n;
	struct rx_port *p;

	(void)state;
	need_namespace(have_namespace);
	wire("wl0", "wl1", "mtu 65535");
	p = live_open("wl0,buffer=64m,timeout=1ms");
	send_numbered("wl1", 0, 100, sizeof(frame));
	nap_ms(20);
	while ((n = live.backend->pull(p, packet + have, 4 * BURST_PACKETS - have)) > 0)
		have += n;
	assert_in_range(have, BURST_PACKETS, 99);
	for (uint32_t i = 0; i < have; i++) {
		frame_make(frame, sizeof(frame), 0x88b5, i);
		assert_memory_equal(packet[i].frame, frame, sizeof(frame));
	}
	live.backend->give_back(p);
	while (have < 100) {
		n = live.backend->pull(p, packet, 1);
		assert_true(n == 0 || number_of(packet) == have);
		have += n;
		live.backend->give_back(p);
		wait_for(p, 5);
	}
	live.backend->stop(p);
	assert_int_equal(live.backend->state(p, NULL), RX_END);
	books_close(p, 100);
	live.backend->close(p);
}

static void opening_amid_traffic_on_the_loopback_counts_nothing_twice(void **state)
{
	enum rx_state end;
	struct rx_port *p;
	uint64_t received;
	pid_t sender;

	(void)state;
	need_namespace(have_namespace);
	sender = fork();
	if (sender == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (uint32_t n = 1;; n += 100)
			send_numbered("lo", n, 100, 200);
	}
	nap_ms(20);
	p = live_open("lo");
	for (int i = 0; i < 200 && counters_of(p).offered == 0; i++)
		nap_ms(10); /* a busy machine lets the sender wait */
	live.backend->stop(p);
	received = drain(p, &end);
	kill(sender, SIGKILL);
	waitpid(sender, NULL, 0);
	assert_true(received > 0);
	assert_int_equal(end, RX_END);
	books_close(p, received);
	live.backend->close(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LIVE_CASES,
		LIVE_CASE(several_workers_are_refused_with_the_remedy),
		LIVE_CASE(options_out_of_reach_are_refused),
		LIVE_CASE(immediate_mode_hands_over_each_frame),
		LIVE_CASE(a_burst_ends_where_the_copies_have_no_more_room),
		LIVE_CASE(opening_amid_traffic_on_the_loopback_counts_nothing_twice),
	};

	live = (struct live){
		.backend = &rx_pcap,
		.small_ring = "buffer=512k",
		.small_ring_frames = 2000,
	};
	return cmocka_run_group_tests(tests, live_enter, NULL);
}
