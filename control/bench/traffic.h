/* traffic - what a load sends, as a hash: two results with the same one had the same bytes.
 *
 * FNV-1a of 64 bits over
 *     frames   the first TRAFFIC_FRAMES numbered frames, from number 0 on
 *     HTTP     the request of our client (of wrk and hey: the URL), and the body of the answer,
 *              where the server is the place's own
 *
 * Rates and connections are no bytes: they stand in the cells' names and the options.
 */
#ifndef CONTROL_BENCH_TRAFFIC_H
#define CONTROL_BENCH_TRAFFIC_H

#include "control/bench/trial.h"

enum { TRAFFIC_FRAMES = 1024 };

/* traffic_hash - of a load in that place (NULL: only for frames). 0: it sends nothing of its own,
 * or nothing that is known. */
uint64_t traffic_hash(const struct trial_load *load, const struct place *p);

/* traffic_note - as a condition of the section `traffic`, named after what is sent; the same load
 * again changes nothing. */
void traffic_note(const struct trial_load *load, const struct place *p, struct result *r);

#endif
