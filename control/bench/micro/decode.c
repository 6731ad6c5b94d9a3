/* decode - headers found: frames of HTTP traffic as they lie in a port's ring. */
#include <stdlib.h>

#include "control/bench/micro/micro.h"
#include "control/bench/micro/stand.h"

enum { FRAMES = 4096 }; /* so many are in a ring of usual size; more than the first cache holds */

enum { OVER_IPV4, OVER_IPV6 };

struct decoding {
	struct stand *stand;
	struct frames frames;
};

static void *begin(uint64_t over)
{
	struct decoding *d = calloc(1, sizeof(*d));
	const char *rx = over == OVER_IPV6 ? "synth:packets=100000,v6=1" : "synth:packets=100000";

	micro_need(d != NULL, "there is no memory");
	d->stand = stand_open(&(struct stand_plan){ .rx = rx, .until = STAGE_decode });
	frames_open(&d->frames, rx, FRAMES);
	return d;
}

static uint64_t run(void *of)
{
	struct decoding *d = of;
	struct burst *b = &d->stand->worker->burst;

	frames_burst(&d->frames, b);
	decode_burst(&d->stand->worker->decode, b);
	for (uint32_t i = 0; i < b->count; i++)
		micro_use(b->packet[i].hash ^ b->packet[i].payload_bytes);
	return b->count;
}

static uint64_t done(const void *of)
{
	const struct decoding *d = of;

	return d->stand->worker->counters.value[C_received];
}

static void end(void *of)
{
	struct decoding *d = of;

	frames_close(&d->frames);
	stand_close(d->stand);
	free(d);
}

/* clang-format off */
#define DECODE(how, over, what) { "decode/" how, "packet", what, NULL, true, begin, over, run, done, end }
const struct micro_benchmark micro_decode[] = {
	DECODE("ipv4", OVER_IPV4, "headers of TCP over IPv4 over Ethernet found, key and hash made"),
	DECODE("ipv6", OVER_IPV6, "the same over IPv6"),
	{ .name = NULL },
};
/* clang-format on */
