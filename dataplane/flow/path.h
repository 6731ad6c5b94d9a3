/* path - the tunnels around a packet, and the table of those that flows have.
 *
 *     Ethernet | IP | UDP | VXLAN 5 | Ethernet | IP | GRE | IP | TCP
 *                └──── tunnel 0 ──────────┘      └ 1 ┘   the packet
 *
 * Which of it says whose flow a packet is? A tunnel has two directions, and what differs between
 * them must not be asked: the second half of every pair would be lost.
 *
 *     differs by direction                          counts for the key
 *     outer addresses, ports of UDP                 no: swapped, and neither is the same after a
 *                                                   handover or behind several gateways
 *     GTP-U TEID, L2TP, PPTP call, MPLS labels      no: each end gives out its own
 *     GRE key                                       no: Linux has one per direction
 *     ERSPAN session                                no: often one per direction; it tells of the
 *                                                   mirror, not of the traffic
 *     VXLAN and GENEVE VNI, NVGRE subnet,           yes: names the network that the inner addresses
 *     PPPoE session                                 belong to
 *
 * What has no id that counts adds nothing, its presence included: behind a load balancer in tunnel
 * mode, a GRE scrubber or the last hop of an MPLS path one direction comes without any header
 * around it. A network whose two directions carry different VNIs (routing between two segments
 * at the first gateway; sources that mark packets with it) needs --flow-key 5tuple.
 *
 * VLAN tags are those of the innermost frame. Tags around an IP tunnel belong to what carries it
 * and are told with it; MPLS labels and PPPoE stand between a frame's tags and its packet.
 *
 * The table: a flow remembers the path of the first packet of each side, and anew at each SYN.
 * Equal paths are kept once. Threads: the worker.
 */
#ifndef DATAPLANE_FLOW_PATH_H
#define DATAPLANE_FLOW_PATH_H

#include "dataplane/base/arena.h"
#include "dataplane/flow/key.h"
#include "dataplane/ledger.h"
#include "dataplane/shm/record.h"

/* What is around a packet: src is on the side that sent it. */
struct path {
	uint32_t count;
	uint16_t vlan[VLAN_DEPTH]; /* of the innermost frame, as in the flow key */
	struct record_tunnel tunnel[];
};
static_assert(sizeof(struct path) == 8 && sizeof(struct record_tunnel) == 48,
	      "a path is hashed and compared as words, so no padding");
static_assert((int)VLAN_DEPTH == (int)RECORD_VLANS, "the tags of a tunnel are copied from a key");

static inline size_t path_bytes(const struct path *p)
{
	return sizeof(*p) + p->count * sizeof(p->tunnel[0]);
}

/* path_outer - the part of it that counts for the flow key; 0: nothing does. */
uint32_t path_outer(const struct path *p, struct hash_key secret);

/* path_way - all of it, for what can only come the same way: the fragments of a datagram. */
uint32_t path_way(const struct path *p, struct hash_key secret);

/* path_mirror - `to` becomes `count` tunnels as the other side's packets would have them: ends
 * swapped, ids that belong to one direction left out. A mirror session has only one direction. */
void path_mirror(struct record_tunnel *to, const struct record_tunnel *from, uint32_t count);

/* ---- the table ---- */

struct paths {
	struct arena *arena;
	struct counters *counters;
	struct hash_key secret;
	uint32_t limit, count;
	struct path_entry **bucket;
	uint32_t bucket_mask;
};

/* paths_init - at most `limit` different ones; 0: none is kept. Memory is mapped, touched only as
 * paths come.
 * Returns: 0, -ENOMEM. paths_fini() accepts a zeroed table; every path must have been given back.
 */
int paths_init(struct paths *t, uint32_t limit, struct hash_key secret, struct arena *arena,
	       struct counters *counters);
void paths_fini(struct paths *t);

/* paths_take - the table's own copy of `p`, until paths_give(); NULL, counted: no room. */
const struct path *paths_take(struct paths *t, const struct path *p);
void paths_give(struct paths *t, const struct path *p);

#endif
