/* hash - the keyed hash of a flow. */
#include <stdlib.h>

#include "control/bench/micro/micro.h"
#include "dataplane/flow/key.h"

enum { KEYS = 256 };

struct hashing {
	struct flow_key key[KEYS];
	uint64_t hash[KEYS];
	uint64_t hashed;
};

static void *begin(uint64_t argument)
{
	struct hashing *h = calloc(1, sizeof(*h));

	micro_need(h != NULL, "there is no memory");
	for (uint32_t i = 0; i < KEYS; i++)
		h->key[i] = (struct flow_key){ .address = { { [15] = (uint8_t)i }, { [15] = 1 } },
					       .port = { (uint16_t)(40000 + i), 80 },
					       .protocol = 6,
					       .ip_version = 4 };
	(void)argument;
	return h;
}

static uint64_t run(void *of)
{
	struct hashing *h = of;

	for (uint32_t i = 0; i < KEYS; i++) {
		h->hash[i] = flow_key_hash(&h->key[i], (struct hash_key){ 1, 2 });
		h->hashed += h->hash[i] != 0; /* one in 2^64 is 0: none of these */
	}
	micro_use(h->hash[KEYS / 2]);
	return KEYS;
}

static uint64_t done(const void *of)
{
	return ((const struct hashing *)of)->hashed;
}

/* clang-format off */
const struct micro_benchmark micro_hash[] = {
	{ "hash/flow_key", "hash", "the keyed hash (SipHash-1-3) of the 48 bytes that name a flow", NULL, true, begin, 0,
	  run, done, free },
	{ .name = NULL },
};
/* clang-format on */
