/* af_xdp_spread - which worker reads which queue.
 *
 *     not spread    a queue is read by one worker: queue q of those chosen by worker q % workers
 *     spread        every worker has a socket on every queue, and the program chooses by the flow:
 *                   both directions of a connection meet on one worker, whatever queue they came in
 * on, and there may be more workers than queues
 *
 * Either way a queue has one *owner*, worker q % workers, who alone gives frames to the kernel.
 *
 * What the program reads are the first IP header of a frame and the ports behind it
 * (bpf/parse.bpf.h); of these it makes flow_key_spread(). So where a packet comes in differs from
 * the worker that its flow belongs to for fragments, whose ports only decode knows, and for what
 * came in a tunnel.
 *
 * Threads: any; pure.
 */
#ifndef DATAPLANE_RX_AF_XDP_SPREAD_H
#define DATAPLANE_RX_AF_XDP_SPREAD_H

#include <stdbool.h>
#include <stdint.h>

enum af_xdp_spread_choice { AF_XDP_SPREAD_AUTO, AF_XDP_SPREAD_ON, AF_XDP_SPREAD_OFF };

struct af_xdp_spread {
	uint32_t workers, queues; /* queues: of those chosen */
	bool on;
};

/* af_xdp_spread_choose - auto is off where the interface does as well: its own hash brings both
 * directions of a flow to one queue (`symmetric`), and every worker has a queue. A core then
 * touches only what it reads itself. */
enum af_xdp_spread_choice af_xdp_spread_choose(enum af_xdp_spread_choice asked, uint32_t workers,
					       uint32_t queues, bool symmetric);

/* af_xdp_spread_init - auto: on where there are several workers. */
void af_xdp_spread_init(struct af_xdp_spread *s, uint32_t workers, uint32_t queues,
			enum af_xdp_spread_choice choice);

/* af_xdp_spread_members - workers that read one queue. */
uint32_t af_xdp_spread_members(const struct af_xdp_spread *s);

/* af_xdp_spread_reads - has this worker a socket on the queue? */
bool af_xdp_spread_reads(const struct af_xdp_spread *s, uint32_t worker, uint32_t queue);

/* af_xdp_spread_member, _owner - the worker's, and the owner's, number among those who read the
 * queue. */
uint32_t af_xdp_spread_member(const struct af_xdp_spread *s, uint32_t worker);
uint32_t af_xdp_spread_owner(const struct af_xdp_spread *s, uint32_t queue);

/* af_xdp_spread_ring - entries of each socket's ring, of `ring` asked for: a worker with several
 * sockets has so many in all of them. A power of two, and never less than 64. */
uint32_t af_xdp_spread_ring(const struct af_xdp_spread *s, uint32_t ring);

#endif
