/* frames - where the frames that are sent come from.
 *
 *     numbered   made here, without end. What a receiver misses, it can name
 *     capture    a file, or traffic that `synth` invents, frame for frame as it is there
 *
 * A numbered frame, all numbers in network order:
 *
 *      0  destination 02:00:0a:53:00:02, source 02:00:0a:53:00:01, IPv4
 *     14  10.83.0.1 -> 10.83.0.2, UDP, do not fragment
 *     34  source port 9 + number % flows, destination port 9 (discard), no checksum
 *     42  NUMBERED_MAGIC, 32 bits
 *     46  the number, 64 bits, counted from 0
 *     54  zeros, up to the size
 */
#ifndef CONTROL_SEND_FRAMES_H
#define CONTROL_SEND_FRAMES_H

#include "control/send/tx.h"

enum {
	NUMBERED_MAGIC = 0x77656972, /* "weir" */
	NUMBERED_MAGIC_AT = 42,
	NUMBERED_NUMBER_AT = 46,
	NUMBERED_PORT = 9,
	NUMBERED_FLOWS_MAX = 60000,
	NUMBERED_BYTES_MIN = 60,    /* the shortest frame that Ethernet knows */
	NUMBERED_BYTES_MAX = 65549, /* 14 and the longest datagram */
};

struct frames_plan {
	const char *file;           /* NULL: no file */
	const char *synth;          /* the argument of that back end, "" for none; NULL: not that */
	bool loop;                  /* begin again at the end; not with standard input or a pipe */
	uint32_t size_bytes, flows; /* numbered, where neither is named */
};

enum frames_state {
	FRAMES_OPEN,    /* there may be more */
	FRAMES_END,     /* that was all */
	FRAMES_DAMAGED, /* the file is damaged here; everything before it was given */
	FRAMES_FOREIGN, /* the next one is no Ethernet frame */
	FRAMES_GONE,    /* it could not be opened again */
};

struct frames;

/* frames_open - Returns: 0 and *ret; with err: -EINVAL: the plan cannot be carried out; -errno:
 * the file cannot be read, or is no capture. */
int frames_open(const struct frames_plan *plan, struct frames **ret, struct send_error *err);

/* frames_pull - up to `room` (at most TX_BATCH_FRAMES) frames, borrowed until the next call.
 * Returns: how many; 0: ask frames_state(). May wait up to 100 ms for a pipe. */
uint32_t frames_pull(struct frames *f, struct tx_frame *ret, uint32_t room);

/* frames_state - and for all but FRAMES_OPEN and FRAMES_END what happened, in err. */
enum frames_state frames_state(const struct frames *f, struct send_error *err);

bool frames_are_numbered(const struct frames *f);
void frames_close(struct frames *f); /* accepts NULL */

#endif
