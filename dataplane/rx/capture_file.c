/* capture_file - packets out of pcap and pcapng files, read through one window. */
#include "dataplane/rx/capture_file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/clock.h"
#include "dataplane/base/compiler.h"
#include "dataplane/base/ensure.h"

/* Magic numbers in the byte order of the machine that wrote the file. */
#define MAGIC_US       UINT32_C(0xa1b2c3d4)
#define MAGIC_NS       UINT32_C(0xa1b23c4d)
#define MAGIC_MODIFIED UINT32_C(0xa1b2cd34) /* a kernel patch of old: longer record headers */
#define MAGIC_SECTION  UINT32_C(0x0a0d0d0a) /* a palindrome */
#define MAGIC_ORDER    UINT32_C(0x1a2b3c4d)

enum {
	PCAP_HEAD_BYTES = 24,
	RECORD_HEAD_BYTES = 16,
	MODIFIED_RECORD_HEAD_BYTES = 24,
	LINK_TYPE_MASK = 0xffff, /* above it: length of a frame check sequence, which may stay on
				    the frame */
};

/* No interface loses more: a larger claim is not a count. */
#define DROPS_MAX (UINT64_C(1) << 48)

void capture_damaged(struct capture *c, const uint8_t *at, const char *format, ...)
{
	uint64_t offset = c->read_bytes - (uint64_t)(c->end - at);
	va_list ap;
	int n = snprintf(c->damage, sizeof(c->damage), "damaged at offset %" PRIu64 "%s: ", offset,
			 c->stream->codec != NULL ? " of the decompressed data" : "");

	va_start(ap, format);
	vsnprintf(c->damage + n, sizeof(c->damage) - (size_t)n, format, ap);
	va_end(ap);
	c->state = CAPTURE_DAMAGED;
}

void capture_lost(struct capture *c, uint64_t packets)
{
	if (packets <= DROPS_MAX)
		c->drops += packets;
}

/* ---- pcap ---- */

static bool pcap_magic(const uint8_t *head, uint32_t *ret_magic, bool *ret_swapped)
{
	for (int swapped = 0; swapped <= 1; swapped++) {
		uint32_t magic = capture_u32(head, swapped);

		if (magic != MAGIC_US && magic != MAGIC_NS && magic != MAGIC_MODIFIED)
			continue;
		*ret_magic = magic;
		*ret_swapped = swapped;
		return true;
	}
	return false;
}

static struct pcap_file pcap_digest(const uint8_t *head, uint32_t magic, bool swapped)
{
	uint32_t snaplen = capture_u32(head + 16, swapped);
	uint32_t limit = snaplen > CAPTURE_SNAPLEN_BYTES ? snaplen : CAPTURE_SNAPLEN_BYTES;

	return (struct pcap_file){
		.record_head_bytes = magic == MAGIC_MODIFIED ? MODIFIED_RECORD_HEAD_BYTES
							     : RECORD_HEAD_BYTES,
		.limit_bytes = limit < CAPTURE_RECORD_BYTES_MAX ? limit : CAPTURE_RECORD_BYTES_MAX,
		.tick_ns = magic == MAGIC_NS ? 1 : 1000,
		.link = (uint16_t)(capture_u32(head + 20, swapped) & LINK_TYPE_MASK),
		.swapped = swapped,
	};
}

/* A fraction of a second beyond a second carries by itself. */
static uint64_t pcap_ns(const struct pcap_file *f, const uint8_t *record)
{
	return capture_u32(record, f->swapped) * CLOCK_SECOND_NS +
	       (uint64_t)capture_u32(record + 4, f->swapped) * f->tick_ns;
}

static uint32_t pcap_parse(struct capture *c, struct packet *packet, uint32_t room)
{
	const struct pcap_file f = c->pcap;
	const uint8_t *at = c->at, *end = c->end;
	uint32_t n = 0;

	c->inside = "a packet record";
	while (n < room) {
		size_t left = (size_t)(end - at);
		uint32_t caplen;

		c->want_bytes = f.record_head_bytes;
		if (left < c->want_bytes)
			break;
		caplen = capture_u32(at + 8, f.swapped);
		if (unlikely(caplen > f.limit_bytes)) {
			capture_damaged(c, at,
					"packet record says %" PRIu32 " bytes (limit %" PRIu32 ")",
					caplen, f.limit_bytes);
			break;
		}
		c->want_bytes += caplen;
		if (left < c->want_bytes)
			break;
		capture_packet(c, &packet[n], at + f.record_head_bytes, caplen,
			       capture_u32(at + 12, f.swapped));
		packet[n].ts_ns = pcap_ns(&f, at);
		packet[n].link = f.link;
		packet[n].iface = 0;
		at += c->want_bytes;
		n++;
	}
	c->at = at;
	return n;
}

/* ---- any format ---- */

const char *capture_recognise(const uint8_t *head, size_t bytes)
{
	uint32_t magic;
	bool swapped;

	if (bytes == 0)
		return "it is empty";
	if (bytes < sizeof(magic))
		return "it is too short to be a capture";
	if (capture_u32(head, false) == MAGIC_SECTION) {
		if (bytes < CAPTURE_HEAD_BYTES)
			return "its pcapng section header is cut short";
		if (capture_u32(head + 8, false) != MAGIC_ORDER &&
		    capture_u32(head + 8, true) != MAGIC_ORDER)
			return "its pcapng section header has no byte-order magic";
		return NULL;
	}
	if (!pcap_magic(head, &magic, &swapped))
		return "it is neither pcap nor pcapng, nor one of them compressed in a way that "
		       "this weir can read";
	return bytes < PCAP_HEAD_BYTES ? "its pcap header is cut short" : NULL;
}

int capture_init(struct capture *c, uint32_t snaplen_bytes, rx_iface_fn *iface, void *iface_context)
{
	*c = (struct capture){
		.cut_bytes = snaplen_bytes != 0 ? snaplen_bytes : UINT32_MAX,
		.window = malloc(CAPTURE_WINDOW_BYTES),
		.window_bytes = CAPTURE_WINDOW_BYTES,
		.iface = iface,
		.iface_context = iface_context,
		.state = CAPTURE_END,
	};
	return c->window != NULL ? 0 : -ENOMEM;
}

void capture_fini(struct capture *c)
{
	pcapng_fini(&c->pcapng);
	free(c->window);
	*c = (struct capture){ 0 };
}

/* file_head - a capture_parse_fn: the first bytes of the file, which say how the others are parsed.
 */
static uint32_t file_head(struct capture *c, struct packet *packet, uint32_t room)
{
	size_t left = (size_t)(c->end - c->at);
	const char *refused;
	uint32_t magic;
	bool swapped;

	(void)packet;
	(void)room;
	c->inside = "the file's header";
	c->want_bytes = CAPTURE_HEAD_BYTES;
	if (left < CAPTURE_HEAD_BYTES && (!c->stream->ended || c->stream->damage != NULL))
		return 0;
	refused = capture_recognise(c->at, left);
	if (refused != NULL) {
		capture_damaged(c, c->at, "%s", refused);
		return 0;
	}
	c->want_bytes = 0;
	c->parse = pcapng_parse;
	if (pcap_magic(c->at, &magic, &swapped)) {
		c->parse = pcap_parse;
		c->pcap = pcap_digest(c->at, magic, swapped);
		c->at += PCAP_HEAD_BYTES;
	}
	return 0;
}

void capture_begin(struct capture *c, struct stream *s)
{
	ENSURE(!c->borrowed);
	c->stream = s;
	c->parse = file_head;
	c->at = c->end = c->window;
	c->read_bytes = c->skip_bytes = 0;
	c->filling = false;
	c->state = CAPTURE_OPEN;
	c->damage[0] = 0;
	pcapng_begin(&c->pcapng);
}

/* make_room - the unparsed rest to the front of a window that holds at least what is wanted. */
static bool make_room(struct capture *c)
{
	size_t left = (size_t)(c->end - c->at);
	uint8_t *larger;

	memmove(c->window, c->at, left);
	c->at = c->window;
	c->end = c->window + left;
	if (c->want_bytes <= c->window_bytes)
		return true;
	larger = realloc(c->window, c->want_bytes);
	if (larger == NULL) {
		capture_damaged(c, c->at, "there is no memory for a record of %" PRIu32 " bytes",
				c->want_bytes);
		return false;
	}
	c->window = larger;
	c->window_bytes = c->want_bytes;
	c->at = larger;
	c->end = larger + left;
	return true;
}

/* fill - more bytes into the window: of a regular file as many as it is to hold, of a pipe what has
 * come. Returns false when there are none yet, or no memory for them. */
static bool fill(struct capture *c)
{
	/* A window that has grown is filled only as far as a record needs it: what was
	 * just read should still be in the cache when it is parsed. */
	size_t target, room, got;

	if (!c->filling && !make_room(c))
		return false;
	target = c->want_bytes > CAPTURE_WINDOW_BYTES ? c->want_bytes : CAPTURE_WINDOW_BYTES;
	room = target - (size_t)(c->end - c->window);
	got = stream_read(c->stream, c->window + (c->end - c->window), room);
	c->end += got;
	c->read_bytes += got;
	c->filling = got == 0 && !c->stream->ended;
	return !c->filling;
}

/* finish - the stream has ended and what is left of it is no whole record. */
static void finish(struct capture *c)
{
	uint64_t left = (uint64_t)(c->end - c->at);

	if (c->stream->damage != NULL)
		capture_damaged(c, c->end, "%s", c->stream->damage);
	else if (c->skip_bytes > 0)
		capture_damaged(c, c->end,
				"the file ends inside %s that it says is %" PRIu64 " bytes longer",
				c->inside, c->skip_bytes);
	else if (left > 0)
		capture_damaged(c, c->at,
				"the file ends inside %s, after %" PRIu64 " of %" PRIu32 " bytes",
				c->inside, left, c->want_bytes);
	else
		c->state = CAPTURE_END;
}

/* skip - what a format does not want to see. Returns false when it goes on behind the window. */
static bool skip(struct capture *c)
{
	uint64_t n = (uint64_t)(c->end - c->at);

	if (n > c->skip_bytes)
		n = c->skip_bytes;
	c->at += n;
	c->skip_bytes -= n;
	c->want_bytes = 0;
	return c->skip_bytes == 0;
}

uint32_t capture_pull(struct capture *c, struct packet *packet, uint32_t room)
{
	while (c->state == CAPTURE_OPEN && room > 0) {
		if (!c->filling && skip(c)) {
			uint32_t n = c->parse(c, packet, room);

			if (n > 0) {
				c->borrowed = true;
				return n;
			}
			if (c->state != CAPTURE_OPEN || c->want_bytes <= (size_t)(c->end - c->at))
				continue;
		}
		if (c->borrowed)
			break;
		if (c->stream->ended && !c->filling)
			finish(c);
		else if (!fill(c))
			break;
	}
	return 0;
}

void capture_give_back(struct capture *c)
{
	c->borrowed = false;
}
