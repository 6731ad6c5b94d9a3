/* pcapng - the blocks of a pcapng file (draft-ietf-opsawg-pcapng).
 *
 * Understood: section headers, each with its own byte order; interface
 * descriptions (link type, snap length, name, resolution and offset of time stamps);
 * enhanced, simple and obsolete packet blocks; the drop counts of packets and of
 * interface statistics. Everything else is skipped by its length.
 *
 * A simple packet has no time stamp: it gets that of the packet before it.
 */
#ifndef DATAPLANE_RX_PCAPNG_H
#define DATAPLANE_RX_PCAPNG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct capture;
struct packet;

enum {
	PCAPNG_INTERFACES_MAX = 65536, /* of a section; 40 bytes each */
	PCAPNG_NAME_BYTES = 64,        /* an interface's name is cut to this, with its 0 */
	/* Finest resolutions of time stamps that fit a 64-bit count of ticks with a second to
	   spare. */
	PCAPNG_DECIMAL_MAX = 18,
	PCAPNG_BINARY_MAX = 62,
};

/* One interface of the section being read. */
struct pcapng_interface {
	uint64_t tick_ns; /* a tick, where it is whole nanoseconds; else 0 */
	int64_t offset_s; /* added to every time stamp */
	uint64_t dropped; /* the largest count that its statistics have told */
	uint32_t snaplen_bytes;
	uint16_t link;
	uint16_t iface;
	uint8_t resolution; /* as in the file */
};

struct pcapng_file {
	struct pcapng_interface *interface;
	uint32_t count, room;
	uint32_t skipped_length; /* of the block that was skipped: its trailer must repeat it; 0:
				    none was */
	uint64_t last_ts_ns;
	bool swapped;
};

/* pcapng_begin - a new file; keeps the memory. */
void pcapng_begin(struct pcapng_file *f);
void pcapng_fini(struct pcapng_file *f);

/* pcapng_parse - a capture_parse_fn. */
uint32_t pcapng_parse(struct capture *c, struct packet *packet, uint32_t room);

/* pcapng_ns - `ticks` of this interface as ns since 1970, modulo 2^64. */
uint64_t pcapng_ns(const struct pcapng_interface *i, uint64_t ticks);

#endif
