/* send - Promises:
 * - what is offered is what is told: frames, bytes, dropped, cut, unsendable and the numbers, for
 *   every back end and for the best of them;
 * - --count and --duration end it, exactly;
 * - a frame that the interface refuses is dropped, or with retry offered until it is accepted;
 * - a plan that cannot be carried out sends nothing and says why;
 * - afterwards signals do again what they did before.
 */
#include <errno.h>
#include <signal.h>

#include "control/send/send.h"
#include "dataplane/base/clock.h"
#include "tests/unit/control/send/veth.h"

static struct send_plan plan_of(const char *tx, uint64_t count)
{
	return (struct send_plan){
		.interface = "out0",
		.tx = tx,
		.queue = TX_ANY_QUEUE,
		.count = count,
		.frames = { .size_bytes = 64, .flows = 1 },
	};
}

static struct send_report sent(const struct send_plan *plan)
{
	struct send_error fallback = { "?" }, err = { "?" };
	struct send_report r;

	(void)veth_wire();
	if (send_run(plan, &r, &fallback, &err) != SEND_DONE)
		fail_msg("%s", err.text);
	assert_string_equal(fallback.text, "");
	assert_string_equal(err.text, "");
	assert_string_equal(r.interface, "out0");
	return r;
}

static const char *const names[] = { "af_xdp", "af_packet", "auto" };

static void count_is_exact_and_every_number_is_told(void **state)
{
	static const uint64_t counts[] = { 1, 2, 63, 64, 65, 255, 256, 257, 5000 };

	(void)state;
	for (size_t i = 0; i < 3 * 9; i++) {
		struct send_plan plan = plan_of(names[i / 9], counts[i % 9]);
		int ear = ear_open();
		struct send_report r = sent(&plan);
		uint8_t frame[128];

		assert_int_equal(r.frames, plan.count);
		assert_int_equal(r.bytes, 64 * plan.count);
		assert_int_equal(r.dropped, 0);
		assert_true(r.is_numbered);
		assert_int_equal(r.first_number, 0);
		assert_int_equal(r.last_number, plan.count - 1);
		for (uint64_t n = 0; n < plan.count; n++)
			assert_int_equal(recv(ear, frame, sizeof(frame), 0), 64);
		ear_hears_nothing(ear);
		close(ear);
	}
}

static void duration_ends_it(void **state)
{
	struct send_plan plan = plan_of("auto", 0);
	struct send_report r;

	(void)state;
	plan.duration_ns = CLOCK_SECOND_NS / 5;
	plan.rate = 1000;
	r = sent(&plan);
	assert_int_equal(r.frames, 200);
	assert_in_range(r.elapsed_ns, plan.duration_ns, 10 * plan.duration_ns);
	assert_int_equal(r.asked, 1000);
	assert_true(r.rate <= 1000.0);
}

/* refusals - the other end lets nothing of this size pass. */
static struct send_report refusals(const char *tx, bool retry)
{
	struct send_plan plan = plan_of(tx, 100);
	struct send_report r;

	(void)veth_wire();
	plan.frames.size_bytes = 1200;
	plan.retry = retry;
	if (retry)
		assert_int_equal(veth_run("(sleep 0.3; ip link set in0 mtu 9000) &"), 0);
	assert_int_equal(veth_run("ip link set in0 mtu 1000"), 0);
	r = sent(&plan);
	assert_int_equal(veth_run("ip link set in0 mtu 9000"), 0);
	return r;
}

static void refused_frames_are_dropped(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		struct send_report r = refusals(names[i], false);

		assert_int_equal(r.frames, 0);
		assert_int_equal(r.bytes, 0);
		assert_int_equal(r.dropped, 100);
		assert_int_equal(r.retries, 0);
		assert_int_equal(r.last_number, 99);
	}
}

static void refused_frames_are_offered_until_they_are_accepted(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		struct send_report r = refusals(names[i], true);

		assert_int_equal(r.frames, 100);
		assert_int_equal(r.bytes, 120000);
		assert_int_equal(r.dropped, 0);
		assert_true(r.retries >= 64);
	}
}

static void not_sent(const struct send_plan *plan, enum send_end end, const char *word)
{
	struct send_error fallback, err;
	struct send_report r;

	assert_int_equal(send_run(plan, &r, &fallback, &err), end);
	assert_int_equal(r.frames, 0);
	assert_null(r.tx);
	if (strstr(err.text, word) == NULL)
		fail_msg("no \"%s\" in: %s", word, err.text);
}

static void a_plan_that_cannot_be_says_why(void **state)
{
	struct send_plan plan = plan_of("pigeon", 1);

	(void)state;
	(void)veth_wire();
	not_sent(&plan, SEND_PLAN, "auto, af_xdp, af_packet");
	plan = plan_of("af_packet", 1);
	plan.queue = 0;
	not_sent(&plan, SEND_PLAN, "cannot choose a queue");
	plan = plan_of("auto", 1);
	plan.queue = 99;
	not_sent(&plan, SEND_FAILED, "queue 99");
	plan = plan_of("auto", 1);
	plan.frames.size_bytes = 9015;
	not_sent(&plan, SEND_PLAN, "up to 9014 bytes");
	plan.frames.size_bytes = 5;
	not_sent(&plan, SEND_PLAN, "60 to");
	plan = plan_of("auto", 1);
	plan.interface = "nothere0";
	not_sent(&plan, SEND_FAILED, "no such interface");
	plan = plan_of("auto", 1);
	plan.frames.file = "/nowhere/at/all";
	not_sent(&plan, SEND_FAILED, "/nowhere/at/all");
}

static volatile sig_atomic_t heard;

static void hear(int number)
{
	heard = number;
}

static void signals_do_what_they_did_before(void **state)
{
	struct send_plan plan = plan_of("auto", 1);
	struct sigaction action = { .sa_handler = hear }, before;

	(void)state;
	assert_int_equal(sigaction(SIGTERM, &action, &before), 0);
	(void)sent(&plan);
	heard = 0;
	(void)raise(SIGTERM);
	assert_int_equal(heard, SIGTERM);
	assert_int_equal(sigaction(SIGTERM, &before, NULL), 0);
}

static void a_signal_ends_it_at_once(void **state)
{
	struct send_plan plan = plan_of("auto", 0);
	struct send_report r;
	char command[64];

	(void)state;
	plan.rate = 1; /* most of the time it sleeps */
	(void)snprintf(command, sizeof(command), "(sleep 0.3; kill -INT %d) &", getpid());
	(void)veth_wire();
	assert_int_equal(veth_run(command), 0);
	r = sent(&plan);
	assert_int_equal(r.frames, 1);
	assert_int_equal(r.last_number, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(count_is_exact_and_every_number_is_told),
		cmocka_unit_test(duration_ends_it),
		cmocka_unit_test(refused_frames_are_dropped),
		cmocka_unit_test(refused_frames_are_offered_until_they_are_accepted),
		cmocka_unit_test(a_plan_that_cannot_be_says_why),
		cmocka_unit_test(signals_do_what_they_did_before),
		cmocka_unit_test(a_signal_ends_it_at_once),
	};

	return cmocka_run_group_tests(tests, veth_make, NULL);
}
