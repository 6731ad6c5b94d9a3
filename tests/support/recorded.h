/* recorded - a kernel that answers with messages written down beforehand.
 *
 *     recorded_answer(&r, bytes, n)   what comes next; several messages of one answer, several
 * calls recorded_end(&r, code)          the end of an answer: 0, or the kernel's error
 *     ... the code under test asks ...
 *     r.request, r.request_bytes      what it asked last
 *
 * Sequence numbers of the answers are set when they are read, because nobody can write them
 * down. An answer that was not written down is -EIO.
 */
#ifndef TESTS_SUPPORT_RECORDED_H
#define TESTS_SUPPORT_RECORDED_H

#include <linux/netlink.h>

#include "dataplane/base/nic.h"
#include "tests/support/check.h"

enum { RECORDED_BYTES = 65536, RECORDED_MAX = 64 };

struct recorded {
	_Alignas(struct nlmsghdr) uint8_t answers[RECORDED_BYTES];
	size_t at[RECORDED_MAX], bytes[RECORDED_MAX], used;
	uint32_t count, next; /* datagrams */
	_Alignas(struct nlmsghdr) uint8_t request[NETLINK_REQUEST_BYTES];
	size_t request_bytes;
	uint32_t asked; /* requests */
};

/* recorded_wire - the other end of it; `r` zeroed before. */
struct netlink_wire recorded_wire(struct recorded *r);

/* recorded_answer - one message: type, and what follows the header. */
void recorded_answer(struct recorded *r, uint16_t type, uint16_t flags, const void *payload,
		     size_t bytes);

/* recorded_generic - one message of a generic family: command, then attributes. */
void recorded_generic(struct recorded *r, uint16_t family, uint8_t command, const void *attributes,
		      size_t bytes);

void recorded_end(struct recorded *r, int code);

/* recorded_families - the two answers that nic_on() asks for: ethtool is 21, netdev 20. */
enum { RECORDED_ETHTOOL = 21, RECORDED_NETDEV = 20 };
void recorded_families(struct recorded *r);

/* Attributes, put together without libmnl. A nest begins with recorded_begin(), which returns
 * what recorded_finish() wants. */
struct recorded_attributes {
	uint8_t bytes[24576];
	size_t used;
};
void recorded_put(struct recorded_attributes *a, uint16_t type, const void *value, size_t bytes);
void recorded_put_u32(struct recorded_attributes *a, uint16_t type, uint32_t value);
void recorded_put_u64(struct recorded_attributes *a, uint16_t type, uint64_t value);
void recorded_put_text(struct recorded_attributes *a, uint16_t type, const char *text);
size_t recorded_begin(struct recorded_attributes *a, uint16_t type);
void recorded_finish(struct recorded_attributes *a, size_t begin);

#endif
