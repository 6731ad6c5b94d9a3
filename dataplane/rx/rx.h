/* rx - frames from somewhere: what a capture back end provides.
 *
 *     open ->  { pull -> (the worker's turn) -> give_back }*  -> stop -> { pull ... }* -> close
 *
 * One file per back end defines `const struct rx_backend rx_<name>`; one word
 * in rx/meson.build makes it known, in another list there as a module (module.h), loaded when it is
 * named. Every back end runs the same conformance test (tests/unit/dataplane/rx/test_conformance.c).
 *
 * A *source* is what the user named; a *port* is one worker's open view of it.
 * For `file` and `synth` every worker's port delivers the whole input (each walks all of it and
 * keeps its own flows), unless rx_about says `share`; for live back ends a port is a share of it.
 *
 * Threads: a port belongs to one worker after open(); open() and close() run in the main thread.
 * Between them the process has neither privilege nor path: what a port needs later, it opens in
 * open(). Memory:  frames are borrowed from pull() to give_back().
 */
#ifndef DATAPLANE_RX_RX_H
#define DATAPLANE_RX_RX_H

#include "dataplane/burst.h"

struct settings;

/* Why a source lost packets before weir saw them: the closed list of `lost{...}`. */
#define RX_LOST_LIST(X)                                                                            \
	X(nic, "the interface, or the capturing host's interface by its own word")                 \
	X(driver, "the driver")                                                                    \
	X(kernel_buffer, "the kernel's buffer was full")                                           \
	X(rx_ring, "the receive ring was full")                                                    \
	X(fill_ring, "no free frame was there to receive into")                                    \
	X(invalid, "frames that the back end could not take")
#define RX_LOST_ENUM(name, meaning) RX_LOST_##name,
enum rx_lost { RX_LOST_LIST(RX_LOST_ENUM) RX_LOST_COUNT };

#define RX_UNKNOWN UINT64_MAX

/* What a port counts. `offered` never comes from `received`: it is counted by somebody else
 * (the records in the file, the kernel, the XDP program, the generator), or it is RX_UNKNOWN. */
struct rx_counters {
	uint64_t offered;
	uint64_t lost[RX_LOST_COUNT];
	uint64_t received;  /* frames given to the worker by pull() */
	uint64_t refused;   /* of `offered`: the filter expression, run where they arrived, did not
			       select them */
	uint64_t shunted;   /* of `offered`: kept back as shunt() asked for */
	uint64_t in_flight; /* gauge: of `offered`, waiting in the rings now; 0 once state() is not
			       RX_OPEN */
	uint64_t position_bytes, position_total_bytes; /* of a file; total 0: unknown */
};

enum rx_state {
	RX_OPEN,    /* there may be more */
	RX_END,     /* the input is over, cleanly */
	RX_DAMAGED, /* the input is damaged here; everything before it was delivered. Exit status 4
		     */
	RX_GONE,    /* the source went away. Exit status 5 */
};

/* How the packets of a source are shared out among the ports of its workers. What comes to another
 * worker than the one that owns the flow is handed over (flow/handoff.h), which costs a copy. */
enum rx_spread {
	RX_SPREAD_ANY,       /* the directions of a flow may come to different workers */
	RX_SPREAD_SYMMETRIC, /* both directions come to one worker: by addresses and ports, the
				outermost, by somebody's rule. Fragments, tunnels and what
				comes from another source may come elsewhere */
	RX_SPREAD_OWN,       /* by flow_key_spread() modulo the workers, as far as the back end can
				see it: so packets come to the worker that owns them */
};

/* What an open port is, for the start line, the log and the naps of its worker. */
struct rx_about {
	char interface[48];    /* "": none */
	char mode[96];         /* for people: "native, copy" */
	char clock[16];        /* of the time stamps: file, kernel, hardware, xdp */
	uint32_t ring_packets; /* what its rings hold while nobody looks. 0: the kernel gathers
				  packets by itself and wakes in batches, so its wait_fd is what to
				  sleep on */
	uint8_t spread;        /* enum rx_spread; of no interest with one worker */
	bool share;            /* of a source that is not live: the ports share it, as of an
				  interface; else each delivers all of it */
};

/* One option of `--rx NAME:ARG,option=value`, for --list-rx and rx/options.h. */
struct rx_option;

/* Text for the user when something is wrong: the cause and the remedy, no newline. */
struct rx_error {
	char text[512];
};

struct rx_port; /* a back end's own; each begins with `const struct rx_backend *backend` */

/* Interfaces become known while a file is read: the back end tells their names. */
typedef uint16_t rx_iface_fn(void *context, const char *name);

struct rx_open {
	const struct settings *settings;
	const char *argument; /* behind `NAME:` of --rx; NULL for `file`, whose inputs are in the
				 settings */
	uint32_t worker, workers;
	struct spread spread; /* with it flow_key_spread() % workers is the worker that owns a flow
			       */
	rx_iface_fn *iface;   /* returns an index; packets carry it plus 1. NULL: nobody cares */
	void *iface_context;
};

/* A part of one direction of a connection that need not be given to the worker. */
struct rx_shunt {
	const struct flow_key *key;
	enum side side;      /* who sends it */
	uint32_t first, end; /* sequence numbers; equal: everything is wanted again */
};

struct rx_backend {
	const char *name;
	const char *help; /* one line, and one per option that is not in `options` */
	const struct rx_option
		*options;    /* rx/options.h; ends with one without a name. NULL: none */
	bool live;           /* a live source never waits for control */
	bool makes_threads;  /* behind the sandbox, in a library of its own */
	uint32_t preference; /* when the user names only an interface, higher is tried first; 0:
				never */

	/* probe - could this back end capture here? `interface` NULL: on any. Opens nothing that
	 * outlives the call. Returns: 0 with what it would be in ret ("native or generic; copy or
	 * zero-copy, as the driver can"); -errno with what is missing and the remedy. NULL: always.
	 */
	int (*probe)(const char *interface, struct rx_error *ret);

	/* Returns: 0 and *ret; -errno with err filled: -ENOENT, -EACCES …, -EINVAL (argument),
	 * -ENOTSUP (input of an unknown kind). */
	int (*open)(const struct rx_open *how, struct rx_port **ret, struct rx_error *err);

	void (*about)(struct rx_port *p, struct rx_about *ret); /* NULL: a file */

	/* stop - nothing new comes in from here on: what has come is still pulled, then state() is
	 * RX_END and the counters are final and balance. NULL: the worker just stops pulling. */
	void (*stop)(struct rx_port *p);

	/* pull - up to `room` packets: frame, ts_ns, number, caplen_bytes, wire_bytes, link, iface.
	 * 0 means none now: ask state(). Never blocks, except on a file's read(2). */
	uint32_t (*pull)(struct rx_port *p, struct packet *packet, uint32_t room);
	void (*give_back)(struct rx_port *p);

	/* state - and for RX_DAMAGED or RX_GONE what happened, in err (where it is not NULL). */
	enum rx_state (*state)(struct rx_port *p, struct rx_error *err);
	void (*counters)(struct rx_port *p, struct rx_counters *ret);
	/* shunt - keep back what it can of that, whole segments without FIN or RST, counted. What it
	 * does not keep back comes as ever. One part per direction at a time. NULL: it cannot. */
	void (*shunt)(struct rx_port *p, const struct rx_shunt *what);
	int (*wait_fd)(
		struct rx_port *p); /* to poll() for POLLIN when idle; -1: none. NULL: never idle */
	void (*close)(struct rx_port *p);
};

/* Those that are in the program. */
extern const struct rx_backend *const rx_backends[];
extern const uint32_t rx_backend_count;

/* rx_backend_find - by the length of a name that need not end in 0. NULL: unknown, or a module that
 * is not loaded. */
const struct rx_backend *rx_backend_find(const char *name, size_t bytes);

struct rx_port_head {
	const struct rx_backend *backend;
};

static inline const struct rx_backend *rx_port_backend(const struct rx_port *p)
{
	return ((const struct rx_port_head *)(const void *)p)->backend;
}

#endif
