/* trial - one run of one cell: a load, a receiver, and what both and the machine say of it.
 *
 *     place_open -> trial_run, as often as there are runs -> place_close
 *
 * A place is the lab, or a real interface whose traffic is somebody else's. Load and server have
 * one core, the receiver the others: the report says so. Every process of a trial ends with its
 * caller (PR_SET_PDEATHSIG); INT and TERM end a trial early, and place_close() leaves nothing.
 *
 * Threads: one at a time. Needs root for the lab.
 */
#ifndef CONTROL_BENCH_TRIAL_H
#define CONTROL_BENCH_TRIAL_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "control/bench/hdr.h"
#include "control/bench/machine.h"
#include "control/bench/result.h"

/* ---- where ---- */

struct place_plan {
	const char *interface;  /* NULL: a lab is made; else the load is what is on it already */
	uint32_t queues;        /* of the lab's mirror port */
	bool server;            /* an nginx in the lab, for LOAD_HTTP and the tools */
	uint32_t body_bytes[4]; /* the files /N that it has; 0: no more */
};

struct place;

/* Cause and remedy, one sentence. */
struct trial_error {
	char text[1024];
};

/* place_open - Returns: 0 and *ret; -errno and err: a program is missing, no privilege, … */
int place_open(const struct place_plan *plan, struct place **ret, struct trial_error *err);
void place_close(struct place *p);

/* place_conditions - interface, driver, rings, queues, offloads, MTU, cores: into the result. */
void place_conditions(const struct place *p, struct result *r);

/* ---- what is sent ---- */

enum load_kind {
	LOAD_NONE,   /* silence, or what is on the interface anyway */
	LOAD_FRAMES, /* numbered UDP frames of one size, `weir send` */
	LOAD_HTTP,   /* our open-loop client against the server: pairs, through the mirror */
	LOAD_WRK,    /* where installed; closed loop */
	LOAD_HEY,
};

struct trial_load {
	enum load_kind kind;
	uint32_t frame_bytes; /* LOAD_FRAMES: with Ethernet header, without FCS */
	uint32_t flows;
	double rate;          /* frames or requests a second; 0: as fast as it goes */
	uint32_t connections; /* LOAD_HTTP, WRK, HEY */
	uint32_t body_bytes;
	const char *url; /* LOAD_HTTP, WRK, HEY: another server than the place's; NULL: that one */
	double seconds;
};

/* ---- who receives ---- */

enum receiver_kind {
	RECEIVER_NONE, /* nobody: what the load alone costs */
	RECEIVER_SPIN, /* a loop that does nothing on the receiver's core: control of the method */
	RECEIVER_WEIR, /* weir capture, with the words below */
};

enum { TRIAL_WORDS_MAX = 32 };

struct trial_receiver {
	enum receiver_kind kind;
	const char *name; /* of the cell */
	/* Behind `weir capture`; NULL-terminated. `{iface}` becomes the interface. --ledger,
	 * --output, --name and the stats interval are given by the trial unless they are here. */
	const char *word[TRIAL_WORDS_MAX];
	const char *executable;  /* another weir, to compare builds; NULL: this one */
	double stats_interval_s; /* of its stats lines; 0: none */
	const char *log_path;    /* where its standard error goes; NULL: only kept for errors */
};

/* ---- what came of it ---- */

enum { TRIAL_LOST_MAX = 16, TRIAL_STAGES_MAX = 12 };

struct trial_lost {
	char name[32];
	double packets;
};

/* NaN: not told by that load or receiver. */
struct trial_outcome {
	bool interrupted;
	double seconds; /* of load, measured */
	double offered; /* packets that the load put on the mirror */
	double received, refused, unexplained;
	struct trial_lost lost[TRIAL_LOST_MAX];
	uint32_t losses;
	double pairs, requests; /* matched by the receiver; answered, as the client counted */
	double failed;          /* requests without a good answer */
	struct hdr client;      /* latency from due, ns; LOAD_HTTP only */
	double client_p50_ns, client_p99_ns; /* of wrk and hey too */
	struct hdr pair_delay; /* ns: from the time stamp of a pair's last packet until its record
				  was written; empty where the receiver made no pairs */
	struct machine_work machine; /* while the load ran */
	double receiver_cpu_s, receiver_pss_bytes, receiver_pss_peak_bytes;
	double heartbeat; /* share of seconds in which every worker's heartbeat moved */
	double stage_cycles[TRIAL_STAGES_MAX]; /* per packet, by the workers' own counters */
	const char *stage_name[TRIAL_STAGES_MAX];
	uint32_t stages;
	int receiver_status; /* its exit status */
	bool closed;         /* its ledger */
};

/* trial_run - Returns: 0 and *ret, also after INT (interrupted); -errno and err: something around
 * the measurement failed, so there is no outcome. A receiver that loses packets is an outcome. */
int trial_run(struct place *p, const struct trial_load *load, const struct trial_receiver *receiver,
	      struct trial_outcome *ret, struct trial_error *err);

/* trial_result - the outcome as samples of figures of that cell, the same names for every
 * benchmark: offered received lost.NAME unexplained cpu (cycles/packet, whole machine) … */
void trial_result(const struct trial_outcome *o, const char *cell, struct result *r);

#endif
