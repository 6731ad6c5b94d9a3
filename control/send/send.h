/* send - frames onto an interface, at a rate, every one of them accounted for.
 *
 *     frames (numbered, file, synth)  ->  pace  ->  tx (af_xdp, af_packet)
 *
 * Every frame that was offered to the interface is either in `frames` or in `dropped`, whatever
 * ended the run. Of numbered frames those are the numbers from first_number to last_number: what a
 * receiver misses of them is what is told here as dropped and what it lost itself, nothing else.
 */
#ifndef CONTROL_SEND_SEND_H
#define CONTROL_SEND_SEND_H

#include "control/send/frames.h"

struct send_plan {
	const char *interface;
	const char *tx;       /* a back end's name; "auto" */
	uint32_t queue;       /* TX_ANY_QUEUE: none was named */
	uint64_t rate;        /* frames a second; 0: as fast as possible */
	uint64_t count;       /* stop after so many; 0: never */
	uint64_t duration_ns; /* 0: no limit */
	bool retry;           /* offer a refused frame again until it is accepted */
	struct frames_plan frames;
};

/* How it ended, the gravest counts. */
enum send_end {
	SEND_DONE,    /* everything asked for, or INT or TERM */
	SEND_PLAN,    /* the plan cannot be carried out; nothing was sent */
	SEND_FAILED,  /* interface, file or privilege; see `sent` for what went before */
	SEND_DAMAGED, /* the file is damaged; everything before it was sent */
};

struct send_report {
	uint64_t frames, bytes; /* that the interface accepted */
	uint64_t dropped;       /* refused by the interface */
	uint64_t retries;       /* refusals of frames that were offered again */
	uint64_t cut;           /* of `frames`: the capture has only a part of them */
	uint64_t unsendable;    /* never offered: longer than the MTU allows, or no whole header */
	uint64_t elapsed_ns;
	double rate;      /* frames a second, really */
	uint64_t asked;   /* 0: as fast as possible */
	bool is_numbered; /* the following two are there; not if nothing was offered */
	uint64_t first_number, last_number;
	const char *tx, *mode; /* static texts; NULL: nothing was opened */
	char interface[WIRE_NAME_BYTES];
	bool has_queue;
	uint32_t queue;
};

/* send_run - INT and TERM end it, with what the batch under way holds, while it runs.
 * `fallback` is filled when tx is "auto" and the best back end could not be used: why; else "".
 * Returns: how it ended, with err for all but SEND_DONE; *ret is right in every case. */
enum send_end send_run(const struct send_plan *plan, struct send_report *ret,
		       struct send_error *fallback, struct send_error *err);

#endif
