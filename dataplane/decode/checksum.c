/* checksum - the Internet checksum (RFC 1071). */
#include "dataplane/decode/checksum.h"

#include <string.h>

uint64_t checksum_add(uint64_t sum, const uint8_t *at, size_t bytes)
{
	/* 32-bit words into 64 bits: no carry is lost below 16 GiB, and the loop is one a compiler
	 * vectorises. */
	for (; bytes >= 4; at += 4, bytes -= 4) {
		uint32_t word;

		memcpy(&word, at, sizeof(word));
		sum += word;
	}
	if (bytes > 0) {
		uint32_t word = 0;

		memcpy(&word, at, bytes);
		sum += word;
	}
	return sum;
}

uint16_t checksum_finish(uint64_t sum)
{
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}
