/* decode - headers found, offsets noted.
 *
 *     link type -> [VLAN tags] -> IPv4 | IPv6 + extension headers -> [fragments] -> TCP | UDP
 *                      ^                                                    |
 *                      └───────────────── tunnel.h <────────────────────────┘
 *
 * Each packet leaves decode with its key, side, TCP fields and payload, or it
 * leaves the burst with one line of the ledger. Nothing here trusts a length that
 * it has not compared with what was captured.
 *
 * Lengths: the payload is what the IP header says, not what the frame holds
 * (Ethernet padding is not payload). A total length of 0 is a super-packet that
 * the capturing host had not yet segmented: then the frame's length counts.
 * A snap length may have cut any of it: payload_captured_bytes says what is there.
 *
 * Fragments: whole datagrams take the first copy of every byte (IPv4); an IPv6 datagram
 * with overlapping fragments is dropped whole (RFC 5722), atomic fragments are
 * plain packets (RFC 6946). Every fragment is `fragment_kept`; a datagram that is complete
 * joins the burst in the place of its last fragment as a packet of its own (`datagrams_completed`),
 * with that fragment's time and number.
 *
 * Own packets: with several workers on a file every worker decodes everything; packets that end
 * here are counted (`received` and their reason) only by the worker that owns them: number %
 * workers, or for packets that reach a flow flow_key_spread() % workers. Packets of other workers'
 * flows leave the burst uncounted.
 *
 * Tunnels are opened one after the other, without recursion, until a packet is found that is none;
 * what ends, ends by what is innermost. A datagram put together may hold a tunnel, and a tunnel
 * fragments of its own, which are kept apart by all that is around them.
 *
 * Copies: with --dedup what a worker has seen before (dedup.h) leaves the burst as `duplicate`.
 *
 * Threads: the worker. Memory: datagrams under assembly come from the worker's arena, capped; a
 *          completed one is borrowed by the burst until the next decode_burst(), and so are paths.
 */
#ifndef DATAPLANE_DECODE_DECODE_H
#define DATAPLANE_DECODE_DECODE_H

#include "dataplane/base/arena.h"
#include "dataplane/base/clock.h"
#include "dataplane/burst.h"
#include "dataplane/ledger.h"

/* Where packets are handed over between workers: what decode finds out for it. */
struct decode_home {
	uint32_t worker, workers; /* workers 0: nothing is handed over */
	bool stays;               /* plain packets are where they belong, whatever their key says */
	bool fragments;           /* go to one worker; else every worker sees them all */
	bool keeps; /* of a file: nothing is dropped or counted as another worker's; that is
		       done where packets are handed over */
};

struct decode_settings {
	bool checksum;              /* verify IPv4, TCP and UDP checksums */
	uint32_t extension_headers; /* IPv6, per packet, at most */
	uint32_t encapsulations;    /* VLAN tags, label stacks and tunnels around, at most */
	bool key_without_vlan;      /* the flow key: VLAN ids are left out */
	bool key_without_tunnels;   /* ids of tunnels are left out */
	uint64_t dedup_ns;          /* 0: copies are not looked for */
	uint32_t dedup_packets;     /* remembered for it */
	uint64_t fragment_bytes;    /* all datagrams under assembly */
	uint32_t fragments_per_datagram;
	uint64_t fragment_timeout_ns;
	const struct settings_own *own; /* addresses that weir itself listens on */
	uint32_t own_count;
	const uint8_t *ignore_ports; /* bitmap of 65,536; NULL: none */
	struct hash_key hash_key;
	struct spread spread;
	uint32_t worker, workers;
	struct decode_home home;
};

struct fragments;
struct dedup;

struct decode {
	struct decode_settings settings;
	struct counters *counters;
	struct arena *arena;
	struct fragments *fragments;
	struct dedup *dedup; /* NULL: copies are not looked for */
	uint32_t depth;      /* headers around the packet under way, so far */
	uint32_t path;       /* where its path goes, if it gets one */
	uint32_t path_room;  /* bytes of one path */
	uint8_t *paths;      /* one for each packet of a burst */
};

/* decode_init - Returns: 0, -ENOMEM. decode_fini() accepts a zeroed decode. */
int decode_init(struct decode *d, const struct decode_settings *s, struct arena *arena,
		struct counters *counters);
void decode_fini(struct decode *d);

/* decode_burst - decode every packet of `b` in place; what ends here leaves the burst.
 * Counts `received` and `received_bytes` for every packet this worker owns. */
void decode_burst(struct decode *d, struct burst *b);

/* decode_copies - take out second copies. Part of decode_burst(), unless packets are handed over
 * between workers: then to be called when the packets of other workers' flows have gone. */
void decode_copies(struct decode *d, struct burst *b);

/* decode_one - one packet without a burst, for tests and the fuzzer.
 * Returns the counter of its ledger line, or C_to_flow if it may go on (then nothing is counted).
 */
enum counter decode_one(struct decode *d, struct packet *p);

#endif
