/* wire - the interface that frames leave by: is it there, is it up, how long may a frame be. */
#ifndef CONTROL_SEND_WIRE_H
#define CONTROL_SEND_WIRE_H

#include <stdbool.h>
#include <stdint.h>

enum { WIRE_NAME_BYTES = 16 };

struct wire {
	char name[WIRE_NAME_BYTES];
	int index;
	uint32_t mtu_bytes;
};

/* Text for the user when something is wrong: the cause and the remedy, no newline. */
struct send_error {
	char text[512];
};

/* send_refuse - fill err. Returns `code`. */
__attribute__((format(printf, 3, 4))) int send_refuse(struct send_error *err, int code,
						      const char *format, ...);

/* wire_find - Returns: 0 and *ret; with err: -ENODEV: there is none of this name; -ENETDOWN: it is
 * down, or its other end is; -ENOTSUP: it carries no Ethernet frames; -errno. */
int wire_find(const char *name, struct wire *ret, struct send_error *err);

/* wire_takes - may this frame be sent there? The limit is the kernel's for packet sockets: the MTU
 * behind the Ethernet header, and an 802.1Q tag beyond it. */
bool wire_takes(const struct wire *w, const uint8_t *frame, uint32_t bytes);

#endif
