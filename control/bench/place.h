/* place - what a trial needs to know of where it is: the insides of trial.h's struct place. */
#ifndef CONTROL_BENCH_PLACE_H
#define CONTROL_BENCH_PLACE_H

#include "control/bench/child.h"
#include "control/bench/trial.h"
#include "dataplane/base/cpu.h"

enum { PLACE_FOLDER_BYTES = 64, PLACE_BODY_BYTE = 'x' }; /* what the server's files are full of */

struct place {
	char lab[LAB_NAME_BYTES]; /* "": there is none */
	char interface[32];
	uint32_t queues, mtu_bytes;
	struct cpu_set load_core, receive_cores;
	bool shared_core;
	double patience_s;
	char folder[PLACE_FOLDER_BYTES]; /* of its own; in it `out`, where everybody may write */
	struct machine *machine;
	struct child server, guard;
	int guard_fd; /* closed when we die */
};

/* place_cores - "0,1-3" as two sets. Returns: 0; -EINVAL and err: no list, or one of a single core
 * although there are more; -ENXIO: not all of them may be used. */
int place_cores(const char *text, const struct cpu_set *allowed, struct cpu_set *ret_load,
		struct cpu_set *ret_receive, struct trial_error *err);

/* place_packets - on the mirror until now, those that did not fit onto it included; of a real
 * interface, those that it has received. NaN: it has gone. */
double place_packets(const struct place *p);

/* place_url - of a file of the server. */
void place_url(const struct place *p, uint32_t body_bytes, char ret[128]);

/* refuse - a sentence, and the code back. */
int trial_refuse(struct trial_error *err, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
