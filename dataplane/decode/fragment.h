/* fragment - IP datagrams put together again.
 *
 *     hash of the key -> datagram -> pieces, newest first      (who was there first wins)
 *                           |    \-> pieces, in order of offset (what is still missing)
 *                           \-> next younger datagram           (who has to go first)
 *
 * A piece is the copy of one fragment's captured bytes. A datagram is complete when its last
 * fragment is known and every byte before that end is covered; then its pieces are copied into one
 * buffer, newest first, so that the oldest copy of a byte is what stays.
 *
 * Life of a datagram:
 *     made        by any of its fragments
 *     completed   gone from the table; the buffer lives until fragments_release()
 *     condemned   it can no longer become whole: an IPv6 overlap (RFC 5722), or over a cap. Its
 *                 pieces are freed, the datagram stays and refuses fragments until its time is over
 *     given up    after the timeout, when the clock was set, or because it was the oldest
 *                 when room was needed: a flood makes room for real datagrams, and not the reverse
 *
 * Two decisions that the RFCs leave open. An exact copy of an IPv6 fragment is no overlap (RFC
 * 8200 4.5): a mirror port shows everything twice. A fragment cut by the snap length counts as
 * there, but from the first byte cut anywhere on the datagram counts as not captured.
 *
 * Impossible, so malformed: no bytes at all, an end beyond 65,535, a fragment with others to follow
 * whose length is no multiple of 8, an end that contradicts the last fragment's. The datagram waits
 * on.
 *
 * Caps: `fragment_bytes` for everything kept here, headers included, except completed
 *       datagrams: of those there is one per packet of a burst, of 64 KiB each.
 * Cost: a fragment in order, constant; else linear in the fragments of its datagram.
 *
 * Threads: the worker. Several workers on one file all keep all fragments; what is counted beside
 * the balance is counted by the owner of the packet that caused it.
 */
#ifndef DATAPLANE_DECODE_FRAGMENT_H
#define DATAPLANE_DECODE_FRAGMENT_H

#include "dataplane/decode/parts.h"

struct fragment_key {
	uint8_t address[2][16]; /* sender first */
	uint32_t id;
	uint16_t vlan[VLAN_DEPTH];
	uint8_t protocol; /* IPv4; 0 for IPv6, where the id is enough (RFC 8200 4.5) */
	uint8_t ip_version;
	uint16_t zero;
	uint32_t way; /* path_way() of the tunnels around it; 0: none */
};
static_assert(sizeof(struct fragment_key) == 48, "hashed and compared as six words, so no padding");

struct fragment {
	struct fragment_key key;
	uint32_t offset; /* in bytes */
	bool more;       /* it is not the last one */
	uint8_t protocol;
	struct layer payload;
};

struct fragments;

/* fragments_new - Returns: 0, -ENOMEM. `arena` and `counters` must outlive it. */
int fragments_new(const struct decode_settings *settings, struct arena *arena,
		  struct counters *counters, struct fragments **ret);
/* fragments_free - accepts NULL. */
void fragments_free(struct fragments *f);

/* fragments_clock - every packet's time passes here, not only that of fragments: a clock that saw
 * fragments alone would take an hour without any for an accident. */
void fragments_clock(struct fragments *f, uint64_t ts_ns);

/* fragments_add - keep a fragment, which came in packet `p`.
 *
 * Returns: C_fragment_kept;
 *          C_datagrams_completed: kept, and with it the datagram is complete: *ret_payload,
 * *ret_protocol; C_malformed_fragment, C_malformed_fragment_overlap, C_passed_fragment_limit.
 * Memory:  *ret_payload is borrowed until fragments_release().
 */
enum counter fragments_add(struct fragments *f, const struct packet *p, const struct fragment *part,
			   struct layer *ret_payload, uint8_t *ret_protocol);

/* fragments_release - free the datagrams that were completed. */
void fragments_release(struct fragments *f);

#endif
