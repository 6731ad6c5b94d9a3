/* Proves that hash.h is SipHash-1-3: equal to a byte-wise implementation written from the paper
 * for keys and words of every kind, which itself is held to the vector that the paper prints
 * (SipHash-2-4, appendix A); and that key, order and count all matter.
 */
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/hash.h"
#include "tests/support/check.h"

/* ---- the paper, over bytes ---- */

struct sip {
	uint64_t v[4];
};

static uint64_t rotated(uint64_t x, int bits)
{
	return (x << bits) | (x >> (64 - bits));
}

/* Figure 2.1. */
static void sip_rounds(struct sip *s, int rounds)
{
	while (rounds-- > 0) {
		s->v[0] += s->v[1];
		s->v[2] += s->v[3];
		s->v[1] = rotated(s->v[1], 13);
		s->v[3] = rotated(s->v[3], 16);
		s->v[1] ^= s->v[0];
		s->v[3] ^= s->v[2];
		s->v[0] = rotated(s->v[0], 32);
		s->v[2] += s->v[1];
		s->v[0] += s->v[3];
		s->v[1] = rotated(s->v[1], 17);
		s->v[3] = rotated(s->v[3], 21);
		s->v[1] ^= s->v[2];
		s->v[3] ^= s->v[0];
		s->v[2] = rotated(s->v[2], 32);
	}
}

static uint64_t little_endian(const uint8_t *at, size_t bytes)
{
	uint64_t v = 0;

	for (size_t i = 0; i < bytes; i++)
		v |= (uint64_t)at[i] << 8 * i;
	return v;
}

/* Section 2.1 to 2.4: `c` rounds for each 8 bytes, the last of which end in the length, `d` to
 * finish. */
static uint64_t sip_of_bytes(const uint8_t key[16], const uint8_t *in, size_t bytes, int c, int d)
{
	uint64_t k0 = little_endian(key, 8), k1 = little_endian(key + 8, 8);
	struct sip s = { { k0 ^ 0x736f6d6570736575u, k1 ^ 0x646f72616e646f6du,
			   k0 ^ 0x6c7967656e657261u, k1 ^ 0x7465646279746573u } };

	for (size_t at = 0; at <= bytes; at += 8) {
		size_t n = bytes - at < 8 ? bytes - at : 8;
		uint64_t m = little_endian(in + at, n);

		if (n < 8)
			m |= (uint64_t)(uint8_t)bytes << 56;
		s.v[3] ^= m;
		sip_rounds(&s, c);
		s.v[0] ^= m;
	}
	s.v[2] ^= 0xff;
	sip_rounds(&s, d);
	return s.v[0] ^ s.v[1] ^ s.v[2] ^ s.v[3];
}

static void the_reference_agrees_with_the_paper(void **state)
{
	uint8_t key[16], in[15];

	(void)state;
	for (uint8_t i = 0; i < 16; i++)
		key[i] = i;
	for (uint8_t i = 0; i < 15; i++)
		in[i] = i;
	assert_true(sip_of_bytes(key, in, 15, 2, 4) == UINT64_C(0xa129ca6149be45e5));
}

/* ---- ours ---- */

static uint64_t random_word(void)
{
	uint64_t v = 0;

	for (int i = 0; i < 8; i++)
		v = v << 8 | (uint64_t)(rand() & 0xff);
	return v;
}

static uint64_t reference(struct hash_key key, const uint64_t *word, unsigned count)
{
	uint8_t key_bytes[16], in[31 * 8];

	for (int i = 0; i < 8; i++) {
		key_bytes[i] = (uint8_t)(key.k0 >> 8 * i);
		key_bytes[i + 8] = (uint8_t)(key.k1 >> 8 * i);
	}
	for (unsigned i = 0; i < count * 8; i++)
		in[i] = (uint8_t)(word[i / 8] >> 8 * (i % 8));
	return sip_of_bytes(key_bytes, in, count * 8, 1, 3);
}

static void any_words_hash_as_their_bytes_do(void **state)
{
	uint64_t word[31];

	(void)state;
	srand(7);
	for (int round = 0; round < 2000; round++) {
		struct hash_key key = { random_word(), random_word() };
		unsigned count = (unsigned)rand() % 32;

		for (unsigned i = 0; i < count; i++)
			word[i] = random_word();
		assert_true(hash_words(key, word, count) == reference(key, word, count));
	}
}

static void zeros_and_ones_hash_as_their_bytes_do(void **state)
{
	static const uint64_t zeros[6], edge[] = { 0, UINT64_MAX };
	uint64_t ones[6];

	(void)state;
	memset(ones, 0xff, sizeof(ones));
	for (size_t k = 0; k < 4; k++) {
		struct hash_key key = { edge[k & 1], edge[k >> 1] };

		for (unsigned count = 0; count <= 6; count++) {
			assert_true(hash_words(key, zeros, count) == reference(key, zeros, count));
			assert_true(hash_words(key, ones, count) == reference(key, ones, count));
		}
	}
}

static void key_order_and_count_all_matter(void **state)
{
	const uint64_t there[] = { 1, 2, 0 }, back[] = { 2, 1, 0 };
	const struct hash_key key = { 1, 2 }, swapped = { 2, 1 };

	(void)state;
	assert_true(hash_words(key, there, 2) != hash_words(swapped, there, 2));
	assert_true(hash_words(key, there, 2) != hash_words(key, back, 2));
	assert_true(hash_words(key, there, 2) != hash_words(key, there, 3));
	assert_true(hash_words(key, there, 2) == hash_words(key, there, 2));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_reference_agrees_with_the_paper),
		cmocka_unit_test(any_words_hash_as_their_bytes_do),
		cmocka_unit_test(zeros_and_ones_hash_as_their_bytes_do),
		cmocka_unit_test(key_order_and_count_all_matter),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
