/* hold - the signals that would end this program wait, and end its waiting.
 *
 *     hold_begin -> { hold_wait, hold_poll, hold_signal }* -> hold_end
 *
 * While they are held INT, TERM and HUP only set a number, and only inside of the waits here, so
 * that nothing is left half done. Without hold_begin() the waits are plain ones.
 *
 * Threads: one.
 */
#ifndef CONTROL_BENCH_HOLD_H
#define CONTROL_BENCH_HOLD_H

#include <stdbool.h>

void hold_begin(void);

/* hold_end - as before. What came meanwhile has been told by hold_signal() and is not delivered
 * again. */
void hold_end(void);

/* hold_signal - the first one that came since hold_begin(), or 0. */
int hold_signal(void);

/* hold_wait - Returns: false as soon as a signal has come, before or meanwhile. */
bool hold_wait(double seconds);

/* hold_poll - until a descriptor is readable. Returns: whether it is. */
bool hold_poll(int fd, double seconds, bool may_be_interrupted);

/* hold_now_s - CLOCK_MONOTONIC. */
double hold_now_s(void);

#endif
