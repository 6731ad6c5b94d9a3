/* tx_promises - what every back end that sends has to keep, tested on a veth pair.
 *
 * Promises:
 * - the frames of a batch arrive, in order, byte for byte, of every length that the interface
 * takes;
 * - of every frame it is known whether the interface accepted it: what the other end's MTU forbids
 * is refused, frame by frame, wherever it stands in the batch, and the others arrive;
 * - the books stay right over many batches with refusals at every place;
 * - an interface that is down or gone is an error, and nothing is counted as offered then.
 */
#ifndef TESTS_UNIT_CONTROL_SEND_TX_PROMISES_H
#define TESTS_UNIT_CONTROL_SEND_TX_PROMISES_H

#include <errno.h>

#include "control/send/tx.h"
#include "tests/unit/control/send/veth.h"

enum { SMALL_BYTES = 60, LARGE_BYTES = 1200, OTHER_MTU_BYTES = 1000 };

static const volatile sig_atomic_t never;
static uint8_t frame_memory[TX_BATCH_FRAMES][9014];

/* frame_make - as long as asked for, of bytes that tell its place. An ethertype nobody answers to.
 */
static inline struct tx_frame frame_make(uint32_t place, uint32_t bytes)
{
	uint8_t *at = frame_memory[place];

	for (uint32_t i = 0; i < bytes; i++)
		at[i] = (uint8_t)(place * 31 + i * 7 + i / 256);
	memset(at, 2, 12);
	at[12] = 0x88;
	at[13] = 0xb5;
	return (struct tx_frame){ .bytes = at, .length_bytes = bytes };
}

static inline struct tx *tx_make(const struct tx_backend *b, const struct wire *w)
{
	struct tx_open how = {
		.wire = w,
		.queue = TX_ANY_QUEUE,
		.frame_bytes_max = w->mtu_bytes + 18,
		.stop = &never,
	};
	struct send_error err = { "" };
	struct tx *t = NULL;
	int code = b->open(&how, &t, &err);

	if (code == -EPERM || code == -EAFNOSUPPORT) {
		print_message("%s\n", err.text);
		skip();
	}
	if (code < 0)
		fail_msg("%s", err.text);
	return t;
}

static inline void tx_done(const struct tx_backend *b, struct tx *t)
{
	struct tx_left left = { 1, 1 };

	b->finish(t, &left);
	assert_int_equal(left.frames, 0);
	assert_int_equal(left.bytes, 0);
	b->close(t);
}

static inline void promise_batches_arrive_in_order(const struct tx_backend *b)
{
	static const uint32_t lengths[] = { 14,   15,   59,   60,   61,   1514, 2047, 2048,
					    2049, 4095, 4096, 4097, 8192, 8193, 9013, 9014 };
	struct wire w = veth_wire();
	struct tx *t = tx_make(b, &w);
	struct tx_frame frame[TX_BATCH_FRAMES];
	struct tx_result result;
	int ear = ear_open();

	for (uint32_t round = 0; round < 200; round++) {
		uint32_t count = 1 + round % TX_BATCH_FRAMES;

		for (uint32_t i = 0; i < count; i++)
			frame[i] = frame_make(i, lengths[(round + i) % 16]);
		assert_int_equal(b->send(t, frame, count, &result), 0);
		assert_int_equal(result.offered, count);
		assert_int_equal(result.refused, 0);
		for (uint32_t i = 0; i < count; i++)
			ear_hears(ear, frame[i].bytes, frame[i].length_bytes);
	}
	ear_hears_nothing(ear);
	tx_done(b, t);
	close(ear);
}

/* mixed_batch - bit i of `large`: frame i is longer than the other end takes. */
static inline void mixed_batch(const struct tx_backend *b, struct tx *t, int ear, uint64_t large,
			       uint32_t count)
{
	struct tx_frame frame[TX_BATCH_FRAMES];
	struct tx_result result;

	for (uint32_t i = 0; i < count; i++)
		frame[i] = frame_make(i, large >> i & 1 ? LARGE_BYTES : SMALL_BYTES + i);
	assert_int_equal(b->send(t, frame, count, &result), 0);
	assert_int_equal(result.offered, count);
	assert_true(result.refused == large);
	for (uint32_t i = 0; i < count; i++)
		if (!(large >> i & 1))
			ear_hears(ear, frame[i].bytes, frame[i].length_bytes);
	ear_hears_nothing(ear);
}

static inline void promise_refused_frames_are_known_one_by_one(const struct tx_backend *b)
{
	struct wire w = veth_wire();
	struct tx *t = tx_make(b, &w);
	int ear = ear_open();
	uint64_t random = 88172645463325252;

	assert_int_equal(veth_run("ip link set in0 mtu 1000"), 0);
	mixed_batch(b, t, ear, 1, 1);
	mixed_batch(b, t, ear, 0, 1);
	mixed_batch(b, t, ear, UINT64_MAX, TX_BATCH_FRAMES);
	mixed_batch(b, t, ear, 0, TX_BATCH_FRAMES);
	for (uint32_t i = 0; i < TX_BATCH_FRAMES; i++)
		mixed_batch(b, t, ear, UINT64_C(1) << i, TX_BATCH_FRAMES);
	for (uint32_t round = 0; round < 500; round++) {
		uint32_t count = 1 + round % TX_BATCH_FRAMES;

		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		mixed_batch(b, t, ear, random & (UINT64_MAX >> (TX_BATCH_FRAMES - count)), count);
	}
	assert_int_equal(veth_run("ip link set in0 mtu 9000"), 0);
	tx_done(b, t);
	close(ear);
}

static inline void promise_a_lost_carrier_refuses_every_frame(const struct tx_backend *b)
{
	struct wire w = veth_wire();
	struct tx *t = tx_make(b, &w);
	struct tx_frame frame[3] = { frame_make(0, 60), frame_make(1, 60), frame_make(2, 60) };
	struct tx_result result;

	assert_int_equal(veth_run("ip link set in0 down"), 0);
	assert_int_equal(b->send(t, frame, 3, &result), 0);
	assert_int_equal(result.offered, 3);
	assert_true(result.refused == 7);
	assert_int_equal(veth_run("ip link set in0 up"), 0);
	assert_int_equal(b->send(t, frame, 3, &result), 0);
	assert_true(result.refused == 0);
	tx_done(b, t);
}

static inline void promise_an_interface_that_is_down_is_an_error(const struct tx_backend *b)
{
	struct wire w = veth_wire();
	struct tx *t = tx_make(b, &w);
	struct tx_frame frame = frame_make(0, 60);
	struct tx_result result = { .offered = 7, .refused = 7 };

	assert_int_equal(veth_run("ip link set out0 down"), 0);
	assert_int_equal(b->send(t, &frame, 1, &result), -ENETDOWN);
	assert_int_equal(result.offered, 0);
	assert_true(result.refused == 0);
	assert_int_equal(veth_run("ip link set out0 up"), 0);
	tx_done(b, t);
}

static inline void promise_an_interface_that_is_gone_is_an_error(const struct tx_backend *b)
{
	struct wire w;
	struct tx *t;
	struct tx_frame frame = frame_make(0, 60);
	struct tx_result result;
	struct send_error err = { "" };

	if (!veth_is_there)
		skip();
	assert_int_equal(
		veth_run("ip link add gone0 type veth peer name gone1 && ip link set gone0 "
			 "up && ip link set gone1 up"),
		0);
	if (wire_find("gone0", &w, &err) < 0)
		fail_msg("%s", err.text);
	t = tx_make(b, &w);
	assert_int_equal(veth_run("ip link del gone0"), 0);
	assert_true(b->send(t, &frame, 1, &result) < 0);
	assert_int_equal(result.offered, 0);
	tx_done(b, t);
}

#endif
