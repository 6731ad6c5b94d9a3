/* hash - SipHash-1-3 over whole 64-bit words: keyed, so that nobody who does
 * not know the key can choose packets that collide.
 *
 * Source: Aumasson and Bernstein, "SipHash: a fast short-input PRF" (2012);
 *         1-3 is the variant with one round per word and three to finish.
 */
#ifndef DATAPLANE_BASE_HASH_H
#define DATAPLANE_BASE_HASH_H

#include <stdint.h>

struct hash_key {
	uint64_t k0, k1;
};

static inline uint64_t hash_rotl(uint64_t x, unsigned b)
{
	return x << b | x >> (64 - b);
}

#define HASH_ROUND(v0, v1, v2, v3)                                                                 \
	do {                                                                                       \
		v0 += v1, v1 = hash_rotl(v1, 13) ^ v0, v0 = hash_rotl(v0, 32);                     \
		v2 += v3, v3 = hash_rotl(v3, 16) ^ v2;                                             \
		v0 += v3, v3 = hash_rotl(v3, 21) ^ v0;                                             \
		v2 += v1, v1 = hash_rotl(v1, 17) ^ v2, v2 = hash_rotl(v2, 32);                     \
	} while (0)

/* hash_words - of `count` words. The same words and key give the same hash everywhere. */
static inline uint64_t hash_words(struct hash_key key, const uint64_t *word, unsigned count)
{
	uint64_t v0 = key.k0 ^ UINT64_C(0x736f6d6570736575);
	uint64_t v1 = key.k1 ^ UINT64_C(0x646f72616e646f6d);
	uint64_t v2 = key.k0 ^ UINT64_C(0x6c7967656e657261);
	uint64_t v3 = key.k1 ^ UINT64_C(0x7465646279746573);
	uint64_t last = (uint64_t)count * 8 << 56;

	for (unsigned i = 0; i < count; i++) {
		v3 ^= word[i];
		HASH_ROUND(v0, v1, v2, v3);
		v0 ^= word[i];
	}
	v3 ^= last;
	HASH_ROUND(v0, v1, v2, v3);
	v0 ^= last;
	v2 ^= 0xff;
	for (int i = 0; i < 3; i++)
		HASH_ROUND(v0, v1, v2, v3);
	return v0 ^ v1 ^ v2 ^ v3;
}

#endif
