/* af_xdp_program - the XDP program on one interface, shared by the ports that capture there.
 *
 *     frame -> [ the user's filter ] -> steer -> the socket in its slot
 *                 |refused                |slot not open
 *                 v                       v
 *              dropped or to the stack    to the stack
 *
 * A *slot* is a place for a socket. A queue that one worker reads has one; a queue shared by
 * several has one for each of them, and the frame's flow chooses (bpf/shared.h).
 *
 * The first port of an interface loads and attaches the program, the others find it. It is attached
 * by a link that only descriptors of this process hold: however the process ends, nothing stays
 * behind. The program's numbers are read through a mapping, without a system call.
 *
 * What has no socket's count is not lost track of: the program counts what it hands to a socket,
 * and the socket counts what it had no room for.
 *
 * Threads: open, close and connect: main. The others: the worker whose slot it is.
 */
#ifndef DATAPLANE_RX_AF_XDP_PROGRAM_H
#define DATAPLANE_RX_AF_XDP_PROGRAM_H

#include "bpf/shared.h"
#include "dataplane/rx/rx.h"

struct af_xdp_program;

struct af_xdp_program_how {
	const char *interface;
	int ifindex;
	uint32_t queues;  /* that the interface has */
	uint32_t members; /* slots of each queue: queue q has q * members and those that follow */
	uint32_t address_factor, port_factor; /* of steer_number(), which chooses among them */
	uint32_t workers, shunts; /* shunts: places for each worker, a power of two; 0: none */
	bool native; /* the driver runs the program; otherwise the stack does */
	bool frags;  /* frames may lie in several buffers */
	bool drop;   /* what the filter refuses; otherwise the stack gets it */
	const char *filter;
};

/* af_xdp_program_find - the one on this interface, with one more user. NULL: none. */
struct af_xdp_program *af_xdp_program_find(int ifindex);

/* af_xdp_program_open - Returns: 0 and *ret with one user; -EBUSY with err: somebody else's program
 * is attached; -EPERM; -EOPNOTSUPP, -EINVAL and others: not in this mode; always with err. */
int af_xdp_program_open(const struct af_xdp_program_how *how, struct af_xdp_program **ret,
			struct rx_error *err);

/* af_xdp_program_close - one user less; the last one frees everything. */
void af_xdp_program_close(struct af_xdp_program *p);

/* af_xdp_program_connect - frames of `slot` go to this socket from now on.
 * Returns: 0; -EBUSY: the slot has one already, with err; -errno with err. */
int af_xdp_program_connect(struct af_xdp_program *p, uint32_t slot, int socket_fd,
			   uint32_t frame_bytes_max, struct rx_error *err);

/* af_xdp_program_disconnect - `slot` gets nothing more; with the last one of all the program is
 * detached. It may still be running on another processor when this returns. Needs no privilege.
 * A slot that is not connected is left as it is. */
void af_xdp_program_disconnect(struct af_xdp_program *p, uint32_t slot);

/* af_xdp_program_release - the slot's socket is about to be closed. */
void af_xdp_program_release(struct af_xdp_program *p, uint32_t slot);

/* af_xdp_program_counts - of one slot, over all processors; with af_xdp_program_slots() for
 * `slot`, of queues that the interface did not have at the start. */
void af_xdp_program_counts(const struct af_xdp_program *p, uint32_t slot, struct steer_counts *ret);

/* af_xdp_program_socket - of a slot; -1: not connected. */
int af_xdp_program_socket(const struct af_xdp_program *p, uint32_t slot);

uint32_t af_xdp_program_slots(const struct af_xdp_program *p);

/* af_xdp_program_shunts - the places of one worker; NULL: there are none. */
struct steer_shunt *af_xdp_program_shunts(const struct af_xdp_program *p, uint32_t worker);

/* af_xdp_program_refused - frames that the filter refused, on all queues. */
uint64_t af_xdp_program_refused(const struct af_xdp_program *p);

/* What it is: as asked for, and as the kernel says. */
struct af_xdp_program_about {
	bool native, frags;
	bool hardware; /* the kernel says that the interface itself runs it */
	bool filters;
	bool drops;         /* what the filter refuses */
	const char *filter; /* for people; "": there is no filter expression */
};
void af_xdp_program_about(const struct af_xdp_program *p, struct af_xdp_program_about *ret);

/* af_xdp_program_foreign - a program that is not ours on this interface: err names it.
 * Returns: 0: none; -EBUSY with err. */
int af_xdp_program_foreign(const char *interface, int ifindex, struct rx_error *err);

#endif
