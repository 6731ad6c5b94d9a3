/* decoding - a decode stage with what it needs around it, for the tests of this folder. */
#ifndef TESTS_DECODING_H
#define TESTS_DECODING_H

#include "tests/support/check.h"

#include <netinet/in.h>

#include "dataplane/decode/decode.h"
#include "tests/support/packets.h"

struct decoding {
	struct decode decode;
	struct arena arena;
	struct counters counters;
	uint64_t number, now_ns;
};

static inline struct decode_settings plain_settings(void)
{
	return (struct decode_settings){
		.extension_headers = 16,
		.encapsulations = 8,
		.fragment_bytes = 4 << 20,
		.fragments_per_datagram = 64,
		.fragment_timeout_ns = 30 * CLOCK_SECOND_NS,
		.hash_key = { 0x0706050403020100, 0x0f0e0d0c0b0a0908 },
		.spread = { 0x9e3779b1, 0x85ebca6b },
		.workers = 1,
	};
}

static inline void decoding_init(struct decoding *t, const struct decode_settings *s)
{
	*t = (struct decoding){ .now_ns = UINT64_C(1700000000000000000) };
	assert_int_equal(arena_init(&t->arena), 0);
	assert_int_equal(decode_init(&t->decode, s, &t->arena, &t->counters), 0);
}

/* Everything taken from the arena must have come back. */
static inline void decoding_fini(struct decoding *t)
{
	decode_fini(&t->decode);
	assert_int_equal(t->arena.held_bytes, 0);
	arena_fini(&t->arena);
}

/* The frame as the next packet of the capture, a microsecond after the last. */
static inline struct packet next_packet(struct decoding *t, const struct frame *f)
{
	t->now_ns += 1000;
	return packet_of(f, ++t->number, t->now_ns);
}

static inline enum counter decode_frame(struct decoding *t, const struct frame *f,
					struct packet *ret)
{
	*ret = next_packet(t, f);
	return decode_one(&t->decode, ret);
}

/* What becomes of a frame on its own, under the plain settings. */
static inline enum counter fate_of(const struct frame *f)
{
	struct decode_settings s = plain_settings();
	struct decoding t;
	struct packet p;

	decoding_init(&t, &s);

	enum counter fate = decode_frame(&t, f, &p);

	decoding_fini(&t);
	return fate;
}

/* As a failing test should show it: by the counter's name. */
#define assert_fate(fate, name) assert_string_equal(ledger_line[fate].id, ledger_line[C_##name].id)

/* In minus out; to_flow is what flow would have counted: the packets that went on. */
static inline int64_t packets_residual(const struct counters *c, uint64_t went_on)
{
	uint64_t in = 0, out = went_on;

	for (int i = 0; i < COUNTER_COUNT; i++) {
		if (ledger_line[i].balance != BALANCE_PACKETS)
			continue;
		*(ledger_line[i].side == BALANCE_IN ? &in : &out) += c->value[i];
	}
	return (int64_t)(in - out);
}

static inline struct endpoint client4(void)
{
	return endpoint("10.0.0.1", 40000);
}

static inline struct endpoint server4(void)
{
	return endpoint("10.0.0.2", 80);
}

static inline struct endpoint client6(void)
{
	return endpoint("2001:db8::1", 40000);
}

static inline struct endpoint server6(void)
{
	return endpoint("2001:db8::2", 80);
}

#endif
