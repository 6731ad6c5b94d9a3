/* pace - when the next frames are due: evenly, without drift, never many at once.
 *
 * Frame n is due at start + n / rate, whatever happened to the frames before it. Frames go in
 * batches of PACE_BATCH_NS worth, at least one frame: whoever waits for each of a million frames a
 * second does nothing but wait.
 *
 * Who was held up is late and catches up, but at no more than twice the rate: batches stay as large
 * as they are and follow each other after half their time. So a pause of the sender never becomes
 * a burst that overruns a receiver, and the rate is still the one that was asked for.
 */
#ifndef CONTROL_SEND_PACE_H
#define CONTROL_SEND_PACE_H

#include <signal.h>
#include <stdint.h>

#define PACE_BATCH_NS  UINT64_C(200000)
#define PACE_SPIN_NS   UINT64_C(60000) /* what a timer cannot be trusted with */
#define PACE_RATE_MAX  UINT64_C(1000000000)
#define PACE_BATCH_MAX 256 /* frames; what a veth's queue holds */

struct pace {
	uint64_t rate; /* frames a second; 0: as fast as possible */
	uint64_t start_ns;
	uint64_t frames;   /* sent so far */
	uint64_t floor_ns; /* no batch before this */
	uint32_t batch;    /* frames that may go at once */
};

void pace_begin(struct pace *p, uint64_t rate, uint64_t now_ns);

/* pace_due_ns - the CLOCK_MONOTONIC time at which the next `batch` frames may go. */
uint64_t pace_due_ns(const struct pace *p);

/* pace_took - `frames` went, the first of them at `now_ns`. */
void pace_took(struct pace *p, uint32_t frames, uint64_t now_ns);

/* pace_end_ns - when the time of all frames sent so far is over. A frame takes 1 / rate. */
uint64_t pace_end_ns(const struct pace *p);

/* pace_wait - until `due_ns`: asleep, or, for what is left of PACE_SPIN_NS or less, spinning.
 * Returns early when *stop is set: at once if a signal came with it, else within 100 ms. */
void pace_wait(uint64_t due_ns, const volatile sig_atomic_t *stop);

#endif
