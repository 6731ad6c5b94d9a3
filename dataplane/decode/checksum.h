/* checksum - the Internet checksum (RFC 1071).
 *
 * The sum is kept in the machine's byte order: a one's complement sum comes out byte-swapped, not
 * different, and right is 0 in either.
 */
#ifndef DATAPLANE_DECODE_CHECKSUM_H
#define DATAPLANE_DECODE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/* checksum_add - add `bytes` to a sum that began at 0. Only the last piece added may have an odd
 * length. */
uint64_t checksum_add(uint64_t sum, const uint8_t *at, size_t bytes);

/* checksum_finish - the checksum of what was added; 0 if that contained a right checksum. To write
 * one, store the result as it lies in memory. */
uint16_t checksum_finish(uint64_t sum);

#endif
