/* capture_file - packets out of pcap and pcapng files, read through one window.
 *
 *     stream  ->  | ... | record | record | record | rec...|  window
 *                        ^at                              ^end
 *
 * Records are parsed where they lie. A record that the window has only in
 * part ends the burst; when its frames have been given back the part moves to
 * the front and the window is filled again. Of a regular file it is filled
 * completely, so that where bursts end depends on the bytes of the capture
 * alone and several workers see the same bursts; of a pipe, which only one
 * worker can read, with what has come.
 *
 * The window is 256 KiB and grows only for a single record larger than that,
 * up to CAPTURE_RECORD_BYTES_MAX; a length that a file claims is compared with
 * that limit before any memory is taken for it.
 *
 * A file that is damaged is read up to the damage. What was wrong, and at
 * which offset, is in `damage`.
 */
#ifndef DATAPLANE_RX_CAPTURE_FILE_H
#define DATAPLANE_RX_CAPTURE_FILE_H

#include "dataplane/rx/pcapng.h"
#include "dataplane/rx/rx.h"
#include "dataplane/rx/stream.h"

enum {
	CAPTURE_HEAD_BYTES = 28, /* of a file: what tells its format */
	CAPTURE_WINDOW_BYTES = 256 * 1024,
	/* The snap length of tcpdump and dumpcap: a header that states less may have been written
	   by hand. */
	CAPTURE_SNAPLEN_BYTES = 256 * 1024,
	CAPTURE_RECORD_BYTES_MAX = 16 << 20,
};

enum capture_state { CAPTURE_OPEN, CAPTURE_END, CAPTURE_DAMAGED };

struct capture;

/* A format: parse records from `at`, at most `room`, into packets. It stops short when the next one
 * is not wholly in the window: `want_bytes` then says how many bytes it needs from `at`. It may
 * also stop to have `skip_bytes` skipped, or because of damage. */
typedef uint32_t capture_parse_fn(struct capture *c, struct packet *packet, uint32_t room);

/* The file header of a pcap file, digested. */
struct pcap_file {
	uint32_t record_head_bytes;
	uint32_t limit_bytes; /* of a frame */
	uint32_t tick_ns;     /* 1000 or 1 */
	uint16_t link;
	bool swapped;
};

struct capture {
	/* every packet */
	const uint8_t *at, *end;
	uint64_t records;   /* in all files so far: the number of the last packet */
	uint32_t cut_bytes; /* of a frame, at most; UINT32_MAX: all of it */
	uint32_t want_bytes;
	struct pcap_file pcap;
	struct pcapng_file pcapng;

	/* every window */
	capture_parse_fn *parse;
	uint64_t skip_bytes; /* from `at` on, before parsing goes on */
	uint64_t read_bytes; /* of this file: the offset of `end` */
	uint8_t *window;
	size_t window_bytes;
	bool borrowed; /* frames are lent out: nothing in the window may move */
	bool filling;  /* what is in the window has been parsed, and nothing more has come yet */
	struct stream *stream;

	/* set-up, and rare */
	enum capture_state state;
	const char *inside; /* what a file that ends here would end in */
	uint64_t drops;     /* packets lost before the capture, as the files say */
	rx_iface_fn *iface;
	void *iface_context;
	char damage[192];
};

/* capture_recognise - could a file that begins like this be read?
 * `bytes` is less than CAPTURE_HEAD_BYTES only when the file is that short.
 * Returns: NULL, or why not. */
const char *capture_recognise(const uint8_t *head, size_t bytes);

/* capture_init - `snaplen_bytes` 0: frames are not cut. Returns: 0, -ENOMEM. */
int capture_init(struct capture *c, uint32_t snaplen_bytes, rx_iface_fn *iface,
		 void *iface_context);
void capture_fini(struct capture *c);

/* capture_begin - read `s` from here on. Its first bytes must have been recognised before; if they
 * are others now that is damage. Packet numbers go on. Nothing may be borrowed. */
void capture_begin(struct capture *c, struct stream *s);

/* capture_pull - as rx_backend.pull, for one file. 0 with state CAPTURE_OPEN: nothing more is there
 * yet, or what was pulled before must be given back first. */
uint32_t capture_pull(struct capture *c, struct packet *packet, uint32_t room);
void capture_give_back(struct capture *c);

/* capture_damaged - for the formats: the file is damaged at `at`. */
__attribute__((format(printf, 3, 4))) void capture_damaged(struct capture *c, const uint8_t *at,
							   const char *format, ...);

/* capture_lost - for the formats: the file says that `packets` were lost before they could be
 * written. */
void capture_lost(struct capture *c, uint64_t packets);

static inline uint16_t capture_u16(const uint8_t *p, bool swapped)
{
	uint16_t v;

	__builtin_memcpy(&v, p, sizeof(v));
	return swapped ? __builtin_bswap16(v) : v;
}

static inline uint32_t capture_u32(const uint8_t *p, bool swapped)
{
	uint32_t v;

	__builtin_memcpy(&v, p, sizeof(v));
	return swapped ? __builtin_bswap32(v) : v;
}

/* capture_packet - the next record is this packet. */
static inline void capture_packet(struct capture *c, struct packet *p, const uint8_t *frame,
				  uint32_t caplen_bytes, uint32_t wire_bytes)
{
	p->frame = frame;
	p->number = ++c->records;
	/* A record that claims to have more than was on the wire is believed in what it has. */
	p->wire_bytes = wire_bytes > caplen_bytes ? wire_bytes : caplen_bytes;
	p->caplen_bytes = caplen_bytes < c->cut_bytes ? caplen_bytes : c->cut_bytes;
}

#endif
