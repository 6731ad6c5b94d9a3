/* identify - which protocol is this? With every dissector on. */
#include <stdlib.h>
#include <string.h>

#include "control/bench/micro/micro.h"
#include "dataplane/dissect/identify.h"

enum { TIMES = 256, UNKNOWN_BYTES = 256 };

enum { HTTP, REDIS, TLS, UNKNOWN };

struct identifying {
	struct identify_database *database;
	struct identify identify;
	struct slice first;
	uint32_t wanted; /* dissector; DISSECTOR_NONE: nobody */
	uint64_t right;
	uint8_t unknown[UNKNOWN_BYTES];
};

static struct slice text(const char *at)
{
	return slice_of((const uint8_t *)at, strlen(at));
}

static void choose(struct identifying *i, uint64_t what)
{
	static const uint8_t hello[] = { 0x16, 3, 1, 0, 0xf8, 1, 0, 0, 0xf4, 3, 3 };

	switch (what) {
	case HTTP:
		i->first = text("GET /index.html HTTP/1.1\r\nHost: www.example.org\r\n\r\n");
		i->wanted = dissector_find("http1");
		return;
	case REDIS:
		i->first = text("*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n");
		i->wanted = dissector_find("redis");
		return;
	case TLS:
		i->first = slice_of(hello, sizeof(hello));
		i->wanted = dissector_find("tls");
		return;
	default:
		for (size_t k = 0; k < sizeof(i->unknown); k++)
			i->unknown[k] = (uint8_t)(k * 167 + 0xe9);
		i->first = slice_of(i->unknown, sizeof(i->unknown));
		i->wanted = DISSECTOR_NONE;
	}
}

static void *begin(uint64_t what)
{
	struct identifying *i = calloc(1, sizeof(*i));
	uint64_t enabled;
	const char *bad;

	micro_need(i != NULL, "there is no memory");
	micro_need(identify_compile("", &i->database, &enabled, &bad) == 0 &&
			   identify_init(&i->identify, i->database, enabled) == 0,
		   "the pattern scanner cannot be made");
	choose(i, what);
	return i;
}

static uint64_t run(void *of)
{
	struct identifying *i = of;

	for (uint32_t k = 0; k < TIMES; k++) {
		uint64_t candidates = UINT64_MAX;
		uint32_t found = DISSECTOR_NONE;

		if (identify_side(&i->identify, i->first, 40000, true, &candidates, &found) !=
		    GUESS_YES)
			found = DISSECTOR_NONE;
		i->right += found == i->wanted;
	}
	micro_use(i->right);
	return TIMES;
}

static uint64_t done(const void *of)
{
	return ((const struct identifying *)of)->right;
}

static void end(void *of)
{
	struct identifying *i = of;

	identify_fini(&i->identify);
	identify_free(i->database);
	free(i);
}

/* clang-format off */
const struct micro_benchmark micro_identify[] = {
	{ "identify/http1", "flow", "first bytes of HTTP/1 recognised, every dissector on", "http1", true, begin, HTTP, run,
	  done, end },
	{ "identify/redis", "flow", "of Redis", "redis", true, begin, REDIS, run, done, end },
	{ "identify/tls", "flow", "of TLS", "tls", true, begin, TLS, run, done, end },
	{ "identify/unknown", "flow", "256 bytes that nobody knows", NULL, true, begin, UNKNOWN, run, done, end },
	{ .name = NULL },
};
/* clang-format on */
