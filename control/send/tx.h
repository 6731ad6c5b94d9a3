/* tx - where frames go: what a sending back end provides.
 *
 *     open -> send ... -> finish -> close
 *
 * One file per back end defines `const struct tx_backend tx_<name>`; one word in TX_LIST makes it
 * known. What they have in common is that they are exact: of every frame that was offered it is
 * known whether the interface accepted it, so that a receiver's count can be compared with the
 * sender's to the last frame.
 *
 *     offered    given to the kernel; the kernel has decided
 *     refused    of those, by the interface: the other end's queue was full, its MTU is smaller,
 *                the carrier is gone. The frame is nowhere
 */
#ifndef CONTROL_SEND_TX_H
#define CONTROL_SEND_TX_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "control/send/wire.h"

enum {
	TX_BATCH_FRAMES = 64,
	TX_ANY_QUEUE = UINT32_MAX,
	TX_NAP_NS = 50000, /* between two tries, where the kernel takes nothing for now */
};

struct tx_frame {
	const uint8_t *bytes;
	uint32_t length_bytes; /* without the frame check sequence */
	bool is_cut;           /* a capture has only this much of it */
};

struct tx_open {
	const struct wire *wire;
	uint32_t queue;                    /* TX_ANY_QUEUE: whichever is usual */
	uint32_t frame_bytes_max;          /* of the frames that will come */
	const volatile sig_atomic_t *stop; /* do not wait any longer when this is set */
};

struct tx_result {
	uint32_t offered; /* frames from the first on; fewer than all after an error or a stop */
	uint64_t refused; /* bit i: of those, frame i */
};

struct tx_left {
	uint64_t frames, bytes;
};

struct tx; /* a back end's own */

struct tx_backend {
	const char *name;
	const char *help; /* one line */
	bool has_queues;  /* can it be told which queue? */

	/* Returns: 0 and *ret; -errno with err: the cause and the remedy. */
	int (*open)(const struct tx_open *how, struct tx **ret, struct send_error *err);

	/* send - offer up to TX_BATCH_FRAMES frames, in order. Waits while the kernel says that it
	 * takes nothing for now, which is no refusal, unless *stop is set. The bytes are the
	 * caller's again afterwards.
	 * Returns: 0; -errno when the interface is down or gone. *ret is right in either case. */
	int (*send)(struct tx *t, const struct tx_frame *frame, uint32_t count,
		    struct tx_result *ret);

	/* finish - wait until what was offered has left, at most a second. ret: what has not after
	 * all, the last frames. */
	void (*finish)(struct tx *t, struct tx_left *ret);
	const char *(*mode)(const struct tx *t); /* "copy"; "": there is only one */
	void (*close)(struct tx *t);
};

/* The list, the best first: `auto` takes the first that can be opened. */
#define TX_LIST(X) X(af_xdp) X(af_packet)

#define TX_DECLARE(name) extern const struct tx_backend tx_##name;
TX_LIST(TX_DECLARE)
#undef TX_DECLARE

#endif
