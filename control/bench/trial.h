/* trial - one run of one cell: a load, a receiver, and what both and the machine say of it.
 *
 *     place_open -> trial_run, as often as there are runs -> place_close
 *
 * A place is the lab, or a real interface whose traffic is somebody else's. Load and server have
 * one core, the receiver the others: the report says so.
 *
 *     |<-------------------------- receiver -------------------------->|
 *        |<------------------------ load ------------------------>|
 *           settle |<-- measured: load.seconds -->| system calls
 *
 * Packets are counted from the first to the last, the machine's work in the window in between.
 * Every process of a trial ends with its caller (PR_SET_PDEATHSIG). From place_open() to
 * place_close() INT, TERM and HUP are held: they end what waits in here, and place_interrupted()
 * tells of them. If the caller is killed, a process that outlives it removes the lab.
 *
 * Threads: one at a time. Needs root for the lab.
 */
#ifndef CONTROL_BENCH_TRIAL_H
#define CONTROL_BENCH_TRIAL_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "control/bench/machine.h"
#include "control/bench/result.h"

/* ---- where ---- */

struct place_plan {
	const char *interface;  /* NULL: a lab is made; else the load is what is on it already */
	uint32_t queues;        /* of the lab's mirror port */
	bool server;            /* an nginx in the lab, for LOAD_HTTP and the tools */
	uint32_t body_bytes[4]; /* the files /N that it has; 0: no more */
	/* "0,1-3": the load's, then the receiver's. NULL: the first one that may be used, and the
	 * others. With a single core they share it. */
	const char *cores;
	/* How long a trial waits for a machine that does nothing else, at most. 0: not at all. */
	double patience_s;
};

struct place;

/* Cause and remedy, one sentence. */
struct trial_error {
	char text[1024];
};

/* place_open - Returns: 0 and *ret; -errno and err: a program is missing, no privilege, … */
int place_open(const struct place_plan *plan, struct place **ret, struct trial_error *err);
void place_close(struct place *p);

/* place_interface - what is captured: "tap0" of the lab, or the plan's. */
const char *place_interface(const struct place *p);

/* place_interrupted - somebody wants this to end: the number of the signal, or 0. */
int place_interrupted(void);

/* place_wait - sleep. Returns: false: interrupted. */
bool place_wait(double seconds);

/* place_machine - how work is counted here. */
struct machine *place_machine(const struct place *p);

/* place_receive_cores - how many cores the receiver has, and whether the load shares them. */
uint32_t place_receive_cores(const struct place *p, bool *ret_shared);

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
	double seconds;  /* measured; it lasts a little longer */
	/* LOAD_FRAMES: the receiver asks for one of the flows, which is its index + 1; 0: for all.
	 */
	uint32_t selected_flow;
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

/* What a histogram says; ns. count 0: there was none, and the rest is NaN. */
struct trial_times {
	double count, p50, p90, p99, p999, p9999, max, mean, min, p95;
};

/* NaN: not told by that load or receiver. */
struct trial_outcome {
	bool interrupted;
	double seconds; /* measured */
	double packets; /* on the mirror in that time */
	double offered; /* packets that the load put on the mirror, from begin to end */
	double rate;    /* of them, or of requests, a second: what the load reached */
	double late;    /* offered by the sender and refused by its own interface: never there */
	double received, refused, unexplained;
	struct trial_lost lost[TRIAL_LOST_MAX];
	uint32_t losses;
	double pairs, requests;      /* matched by the receiver; answered, as the client counted */
	double failed;               /* requests without a good answer */
	double due;                  /* requests asked for by the plan; LOAD_HTTP only */
	double load_s;               /* in which they were due */
	double matched;              /* pairs of the measured time */
	double matched_s;            /* which began and ended with a look at the capture */
	struct trial_times client;   /* latency: from due with LOAD_HTTP, from sent with wrk, hey */
	struct trial_times service;  /* from sent; LOAD_HTTP only */
	struct trial_times lateness; /* of the client's own sends; LOAD_HTTP only */
	/* From the time stamp of a pair's last packet until its record was written. */
	struct trial_times pair_delay;
	struct machine_work machine; /* while it was measured */
	double system_calls;         /* a second; counted after that */
	double disturbed;            /* cores that others kept busy before it began */
	/* Of all processes of the receiver; the memory's first, last and largest sample, one a
	 * second. */
	double receiver_cpu_s, receiver_pss_first_bytes, receiver_pss_bytes,
		receiver_pss_peak_bytes;
	/* Growth of that memory in the second half of the measured time, when rings have been gone
	 * through and tables are in use, and the pairs that were matched meanwhile. */
	double leaked, leaked_over;
	double heartbeat; /* share of seconds in which every worker's heartbeat moved */
	double stage_cycles[TRIAL_STAGES_MAX]; /* per packet, by the workers' own counters */
	const char *stage_name[TRIAL_STAGES_MAX];
	uint32_t stages;
	int receiver_status; /* its exit status */
	bool closed;         /* its ledger */
};

/* trial_lost - all names together; NaN where the receiver does not tell. */
double trial_lost(const struct trial_outcome *o);

/* trial_run - Returns: 0 and *ret, also after INT (interrupted); -errno and err: something around
 * the measurement failed, so there is no outcome. A receiver that loses packets is an outcome. */
int trial_run(struct place *p, const struct trial_load *load, const struct trial_receiver *receiver,
	      struct trial_outcome *ret, struct trial_error *err);

/* trial_result - the outcome as samples of figures of that cell, the same names for every
 * benchmark. RESULT.md lists them; those that somebody computes with:
 *
 *     offered received refused lost lost.NAME unexplained  packets
 *     rate                                                 packets (requests) a second
 *     cpu                                                  cycles/packet of the whole machine
 *     busy busy.process                                    % of one core
 *     cache_misses context_switches system_calls           per packet
 *     memory memory.peak                                   bytes
 *     pairs requests failed due
 *     matched                                              pairs/s, in the measured time
 *     growth                                               bytes, of memory in the measured time
 *     leaked leaked_over                                   bytes; pairs: in its second half
 *     seconds load_seconds                                 measured; by the load, of `due`
 *     latency.p50 … latency.p9999                          ns; of the client
 *     delay.p50 … delay.p9999                              ns; from packet to pair
 *     heartbeat                                            %
 *     stage.NAME                                           cycles/packet
 */
void trial_result(const struct trial_outcome *o, const char *cell, struct result *r);

/* trial_figure - a sample more, of the run that trial_result() was told of last, in its place among
 * the runs: those before that did not tell it are NaN. What no run told is no figure. */
void trial_figure(struct result *r, const char *cell, const char *name, const char *unit,
		  enum better better, double value);

#endif
