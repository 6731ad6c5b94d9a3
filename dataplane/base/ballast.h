/* ballast - a loop of about 300 cycles in one place of the way, so that it can be seen whether the
 * benchmarks find it where it is. Built with -Dbench_ballast=PLACE, for measuring only; in any
 * other build a BALLAST() is no code. The version of such a build says where it is.
 *
 *     rx decode flow reassembly   per packet
 *     dissect                     per segment or datagram that dissectors are offered
 *     http1                       per message of HTTP/1, in its dissector
 *     pair                        per message
 *     emit drain format           per record
 */
#ifndef DATAPLANE_BASE_BALLAST_H
#define DATAPLANE_BASE_BALLAST_H

#include <stdint.h>

enum ballast_place {
	BALLAST_none,
	BALLAST_rx,
	BALLAST_decode,
	BALLAST_flow,
	BALLAST_reassembly,
	BALLAST_dissect,
	BALLAST_http1,
	BALLAST_pair,
	BALLAST_emit,
	BALLAST_drain,
	BALLAST_format,
};

#ifndef BALLAST_PLACE
#define BALLAST_PLACE none
#endif
#define BALLAST_JOIN_(place) BALLAST_##place
#define BALLAST_JOIN(place)  BALLAST_JOIN_(place)
#define BALLAST_TEXT_(place) #place
#define BALLAST_TEXT(place)  BALLAST_TEXT_(place)
#define BALLAST_HERE         BALLAST_JOIN(BALLAST_PLACE) /* enum ballast_place */
#define BALLAST_NAME         BALLAST_TEXT(BALLAST_PLACE)

enum {
	BALLAST_CYCLES = 300,
	BALLAST_LINK_CYCLES = 3, /* of a multiplication that waits for the one before */
};

/* ballast_carry - a chain of multiplications: a processor can do nothing about its length, and what
 * comes behind waits for its end, or half of it would be hidden under other work. Cycles are the
 * core's own; those of the time stamp counter are more or fewer where the core runs slower or
 * faster than that. */
static inline void ballast_carry(uint64_t times)
{
	uint64_t x = times | 1;

	for (uint64_t i = 0; i < times * (BALLAST_CYCLES / BALLAST_LINK_CYCLES); i++) {
		x *= UINT64_C(0x9e3779b97f4a7c15);
		__asm__ volatile("" : "+r"(x)); /* each one is made */
	}
#if defined(__x86_64__)
	__asm__ volatile("lfence" : "+r"(x)::"memory");
#elif defined(__aarch64__)
	__asm__ volatile("dsb sy\n\tisb" : "+r"(x)::"memory");
#endif
}

#define BALLAST(place, times)                                                                      \
	do {                                                                                       \
		if (BALLAST_##place == BALLAST_HERE)                                               \
			ballast_carry(times);                                                      \
	} while (0)

#endif
