/* pcapng - the blocks of a pcapng file. */
#include "dataplane/rx/pcapng.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/clock.h"
#include "dataplane/base/compiler.h"
#include "dataplane/rx/capture_file.h"

enum block_type {
	BLOCK_INTERFACE = 1,
	BLOCK_PACKET_OBSOLETE = 2,
	BLOCK_PACKET_SIMPLE = 3,
	BLOCK_STATISTICS = 5,
	BLOCK_PACKET = 6,
	BLOCK_SECTION = 0x0a0d0d0a,
};

#define ORDER_MAGIC UINT32_C(0x1a2b3c4d)

enum {
	BLOCK_FRAME_BYTES = 12, /* type, length, and the length again behind the body */
	BLOCK_BYTES_MAX = CAPTURE_RECORD_BYTES_MAX,
	BODY = 8, /* offset of the body in a block */
	NO_DROP_COUNT = 0xffff,
};

enum option_code {
	OPTION_END = 0,
	OPTION_IF_NAME = 2,
	OPTION_IF_TSRESOL = 9,
	OPTION_IF_TSOFFSET = 14,
	OPTION_EPB_DROPCOUNT = 4,
	OPTION_ISB_IFDROP = 5,
};

/* clang-format off */
static const uint64_t power_of_ten[PCAPNG_DECIMAL_MAX + 1] = {
	1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000, 1000000000,
	UINT64_C(10000000000), UINT64_C(100000000000), UINT64_C(1000000000000),
	UINT64_C(10000000000000), UINT64_C(100000000000000), UINT64_C(1000000000000000),
	UINT64_C(10000000000000000), UINT64_C(100000000000000000), UINT64_C(1000000000000000000),
};
/* clang-format on */

/* The top bit of if_tsresol says that the rest is an exponent of 2, not of 10. */
enum { RESOLUTION_BINARY = 0x80, RESOLUTION_US = 6 };

void pcapng_begin(struct pcapng_file *f)
{
	f->count = 0;
	f->skipped_length = 0;
	f->swapped = false;
}

void pcapng_fini(struct pcapng_file *f)
{
	free(f->interface);
	*f = (struct pcapng_file){ 0 };
}

static uint64_t u64(const uint8_t *p, bool swapped)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return swapped ? __builtin_bswap64(v) : v;
}

/* ---- options ---- */

struct option {
	uint16_t code, bytes;
	const uint8_t *value;
};

/* option_take - the next option between *at and end. Returns false at the end of the list, or where
 * the rest cannot be a list of options: *at is `end` in the first case only. */
static bool option_take(const uint8_t **at, const uint8_t *end, bool swapped, struct option *ret)
{
	size_t left = (size_t)(end - *at), padded;
	struct option o;

	if (left < 4)
		return false;
	o = (struct option){
		.code = capture_u16(*at, swapped),
		.bytes = capture_u16(*at + 2, swapped),
		.value = *at + 4,
	};
	if (o.code == OPTION_END) {
		*at = end;
		return false;
	}
	padded = 4 + ((size_t)o.bytes + 3) / 4 * 4;
	if (padded > left)
		return false;
	*at += padded;
	*ret = o;
	return true;
}

/* ---- time ---- */

/* resolution_set - Returns false for ticks so fine that no clock has them. */
static bool resolution_set(struct pcapng_interface *i, uint8_t resolution)
{
	uint8_t exponent = resolution & (RESOLUTION_BINARY - 1);

	i->resolution = resolution;
	i->tick_ns = 0;
	if (resolution & RESOLUTION_BINARY)
		return exponent <= PCAPNG_BINARY_MAX;
	if (exponent <= 9)
		i->tick_ns = power_of_ten[9 - exponent];
	return exponent <= PCAPNG_DECIMAL_MAX;
}

static uint64_t fine_ns(uint8_t resolution, uint64_t ticks)
{
	uint8_t exponent = resolution & (RESOLUTION_BINARY - 1);
	uint64_t fraction;

	if (!(resolution & RESOLUTION_BINARY))
		return ticks / power_of_ten[exponent - 9];
	fraction = ticks & ((UINT64_C(1) << exponent) - 1);
	return (ticks >> exponent) * CLOCK_SECOND_NS +
	       (uint64_t)((unsigned __int128)fraction * CLOCK_SECOND_NS >> exponent);
}

uint64_t pcapng_ns(const struct pcapng_interface *i, uint64_t ticks)
{
	uint64_t ns = i->tick_ns != 0 ? ticks * i->tick_ns : fine_ns(i->resolution, ticks);

	return ns + (uint64_t)i->offset_s * CLOCK_SECOND_NS;
}

/* ---- blocks that describe ---- */

/* A block that is wholly in the window. */
struct block {
	const uint8_t *at;
	uint32_t type, bytes;
};

static void section_take(struct capture *c, struct block b)
{
	struct pcapng_file *f = &c->pcapng;
	uint16_t major = capture_u16(b.at + 12, f->swapped);

	f->count = 0;
	if (major != 1)
		capture_damaged(c, b.at, "section of a version %u that did not exist", major);
}

/* interface_room - grow towards PCAPNG_INTERFACES_MAX as interfaces really come. */
static bool interface_room(struct capture *c, const uint8_t *at)
{
	struct pcapng_file *f = &c->pcapng;
	struct pcapng_interface *larger;
	uint32_t room = f->room == 0 ? 4 : f->room * 2;

	if (f->count < f->room)
		return true;
	if (f->count == PCAPNG_INTERFACES_MAX) {
		capture_damaged(c, at, "a section with more than %d interfaces",
				PCAPNG_INTERFACES_MAX);
		return false;
	}
	larger = realloc(f->interface, room * sizeof(*larger));
	if (larger == NULL) {
		capture_damaged(c, at, "there is no memory for %" PRIu32 " interfaces", room);
		return false;
	}
	f->interface = larger;
	f->room = room;
	return true;
}

static uint16_t interface_name(struct capture *c, struct option o)
{
	char name[PCAPNG_NAME_BYTES] = { 0 };

	memcpy(name, o.value, o.bytes < sizeof(name) ? o.bytes : sizeof(name) - 1);
	if (c->iface == NULL || name[0] == 0)
		return 0;
	return (uint16_t)(c->iface(c->iface_context, name) + 1);
}

/* interface_option - Returns false if it cannot be true. */
static bool interface_option(struct capture *c, struct pcapng_interface *i, struct option o)
{
	switch (o.code) {
	case OPTION_IF_NAME: i->iface = interface_name(c, o); return true;
	case OPTION_IF_TSRESOL: return o.bytes >= 1 && resolution_set(i, o.value[0]);
	case OPTION_IF_TSOFFSET:
		if (o.bytes >= 8)
			i->offset_s = (int64_t)u64(o.value, c->pcapng.swapped);
		return o.bytes >= 8;
	default: return true;
	}
}

/* A wrong time resolution would spoil every packet silently, so options of an interface must make
 * sense. */
static void interface_take(struct capture *c, struct block b)
{
	struct pcapng_file *f = &c->pcapng;
	const uint8_t *at = b.at + BODY + 8, *end = b.at + b.bytes - 4;
	struct pcapng_interface i = {
		.link = capture_u16(b.at + BODY, f->swapped),
		.snaplen_bytes = capture_u32(b.at + BODY + 4, f->swapped),
	};
	struct option o;

	resolution_set(&i, RESOLUTION_US);
	while (option_take(&at, end, f->swapped, &o)) {
		if (interface_option(c, &i, o))
			continue;
		capture_damaged(c, b.at, "interface %" PRIu32 " has an impossible option %u",
				f->count, o.code);
		return;
	}
	if (at != end) {
		capture_damaged(c, at, "the options of interface %" PRIu32 " do not end", f->count);
		return;
	}
	if (interface_room(c, b.at))
		f->interface[f->count++] = i;
}

/* Statistics count from the start of the capture, so each later block repeats what earlier ones
 * told. */
static void statistics_take(struct capture *c, struct block b)
{
	struct pcapng_file *f = &c->pcapng;
	const uint8_t *at = b.at + BODY + 12, *end = b.at + b.bytes - 4;
	uint32_t index = capture_u32(b.at + BODY, f->swapped);
	struct option o;

	if (index >= f->count)
		return;
	while (option_take(&at, end, f->swapped, &o)) {
		struct pcapng_interface *i = &f->interface[index];
		uint64_t dropped;

		if (o.code != OPTION_ISB_IFDROP || o.bytes < 8)
			continue;
		dropped = u64(o.value, f->swapped);
		if (dropped <= i->dropped)
			continue;
		capture_lost(c, dropped - i->dropped);
		i->dropped = dropped;
	}
}

/* ---- blocks that hold a packet ---- */

static void packet_options(struct capture *c, const uint8_t *at, const uint8_t *end)
{
	bool swapped = c->pcapng.swapped;
	struct option o;

	while (option_take(&at, end, swapped, &o))
		if (o.code == OPTION_EPB_DROPCOUNT && o.bytes >= 8)
			capture_lost(c, u64(o.value, swapped));
}

/* interface_of - NULL, and damage, for a packet of an interface that was never described. */
static const struct pcapng_interface *interface_of(struct capture *c, struct block b,
						   uint32_t index)
{
	struct pcapng_file *f = &c->pcapng;

	if (likely(index < f->count))
		return &f->interface[index];
	capture_damaged(c, b.at, "a packet of interface %" PRIu32 ", which is not described",
			index);
	return NULL;
}

static void packet_fill(struct packet *p, const struct pcapng_interface *i, uint64_t ts_ns)
{
	p->ts_ns = ts_ns;
	p->link = i->link;
	p->iface = i->iface;
}

/* packet_take - an enhanced packet block, or the obsolete one, which differs in one word. */
static uint32_t packet_take(struct capture *c, struct block b, struct packet *p)
{
	enum { DATA = 28 };
	struct pcapng_file *f = &c->pcapng;
	bool obsolete = b.type == BLOCK_PACKET_OBSOLETE, swapped = f->swapped;
	uint32_t index = obsolete ? capture_u16(b.at + 8, swapped) : capture_u32(b.at + 8, swapped);
	const struct pcapng_interface *i = interface_of(c, b, index);
	uint64_t ticks = (uint64_t)capture_u32(b.at + 12, swapped) << 32 |
			 capture_u32(b.at + 16, swapped);
	uint32_t caplen = capture_u32(b.at + 20, swapped), padded;

	if (unlikely(i == NULL))
		return 0;
	if (unlikely(caplen > b.bytes - DATA - 4)) {
		capture_damaged(c, b.at, "a packet of %" PRIu32 " bytes in a block of %" PRIu32,
				caplen, b.bytes);
		return 0;
	}
	f->last_ts_ns = pcapng_ns(i, ticks);
	capture_packet(c, p, b.at + DATA, caplen, capture_u32(b.at + 24, swapped));
	packet_fill(p, i, f->last_ts_ns);
	if (obsolete && capture_u16(b.at + 10, swapped) != NO_DROP_COUNT)
		capture_lost(c, capture_u16(b.at + 10, swapped));
	padded = (caplen + 3) & ~3u;
	if (DATA + padded + 4 < b.bytes)
		packet_options(c, b.at + DATA + padded, b.at + b.bytes - 4);
	return 1;
}

/* simple_take - a packet of the first interface; how much of it was captured follows from the
 * lengths. */
static uint32_t simple_take(struct capture *c, struct block b, struct packet *p)
{
	enum { DATA = 12 };
	const struct pcapng_interface *i = interface_of(c, b, 0);
	uint32_t wire = capture_u32(b.at + BODY, c->pcapng.swapped);
	uint32_t caplen = b.bytes - DATA - 4;

	if (i == NULL)
		return 0;
	if (caplen > wire)
		caplen = wire; /* the rest is padding */
	if (i->snaplen_bytes != 0 && caplen > i->snaplen_bytes)
		caplen = i->snaplen_bytes;
	capture_packet(c, p, b.at + DATA, caplen, wire);
	packet_fill(p, i, c->pcapng.last_ts_ns);
	return 1;
}

/* ---- walking the blocks ---- */

/* block_bytes_min - the fixed part of a block that is read here; 0 for one that is skipped. */
static uint32_t block_bytes_min(uint32_t type)
{
	switch (type) {
	case BLOCK_SECTION: return 28;
	case BLOCK_INTERFACE: return 20;
	case BLOCK_STATISTICS: return 24;
	case BLOCK_PACKET_SIMPLE: return 16;
	case BLOCK_PACKET_OBSOLETE:
	case BLOCK_PACKET: return 32;
	default: return 0;
	}
}

static bool section_order(struct capture *c, const uint8_t *at)
{
	bool swapped = capture_u32(at + 8, true) == ORDER_MAGIC;

	c->pcapng.swapped = swapped;
	if (swapped || capture_u32(at + 8, false) == ORDER_MAGIC)
		return true;
	capture_damaged(c, at, "a section without byte-order magic");
	return false;
}

static bool length_ok(struct capture *c, struct block b, uint32_t min)
{
	if (b.bytes < BLOCK_FRAME_BYTES || b.bytes < min || b.bytes % 4 != 0)
		capture_damaged(c, b.at, "block of type %" PRIu32 " says %" PRIu32 " bytes", b.type,
				b.bytes);
	else if (min != 0 && b.bytes > BLOCK_BYTES_MAX)
		capture_damaged(c, b.at,
				"block of type %" PRIu32 " says %" PRIu32 " bytes (limit %d)",
				b.type, b.bytes, BLOCK_BYTES_MAX);
	else
		return true;
	return false;
}

static bool trailer_ok(struct capture *c, const uint8_t *trailer, uint32_t bytes)
{
	uint32_t again = capture_u32(trailer, c->pcapng.swapped);

	if (likely(again == bytes))
		return true;
	capture_damaged(c, trailer,
			"block says %" PRIu32 " bytes at its start and %" PRIu32 " at its end",
			bytes, again);
	return false;
}

/* block_next - the block at `at`, once it is wholly in the window. Returns false otherwise: more
 * bytes are wanted or to be skipped, or there is damage. */
static bool block_next(struct capture *c, struct block *ret)
{
	size_t left = (size_t)(c->end - c->at);
	struct block b = { .at = c->at };
	uint32_t min;

	c->want_bytes = BLOCK_FRAME_BYTES;
	if (left < BLOCK_FRAME_BYTES)
		return false;
	b.type = capture_u32(b.at, c->pcapng.swapped);
	if (unlikely(b.type == BLOCK_SECTION) && !section_order(c, b.at))
		return false;
	b.bytes = capture_u32(b.at + 4, c->pcapng.swapped);
	min = block_bytes_min(b.type);
	if (unlikely(!length_ok(c, b, min)))
		return false;
	if (left < b.bytes && min == 0) {
		c->want_bytes = 0;
		c->skip_bytes = b.bytes - 4;
		c->pcapng.skipped_length = b.bytes;
		return false;
	}
	c->want_bytes = b.bytes;
	if (left < b.bytes || !trailer_ok(c, b.at + b.bytes - 4, b.bytes))
		return false;
	*ret = b;
	return true;
}

/* skipped_end - behind a block that was skipped. Returns false while its trailer is not there, or
 * is wrong. */
static bool skipped_end(struct capture *c)
{
	uint32_t bytes = c->pcapng.skipped_length;

	if (bytes == 0)
		return true;
	c->want_bytes = 4;
	if (c->end - c->at < 4 || !trailer_ok(c, c->at, bytes))
		return false;
	c->at += 4;
	c->pcapng.skipped_length = 0;
	return true;
}

/* block_take - Returns how many packets it held: 0 or 1. */
static uint32_t block_take(struct capture *c, struct block b, struct packet *p)
{
	switch (b.type) {
	case BLOCK_PACKET:
	case BLOCK_PACKET_OBSOLETE: return packet_take(c, b, p);
	case BLOCK_PACKET_SIMPLE: return simple_take(c, b, p);
	case BLOCK_SECTION: section_take(c, b); break;
	case BLOCK_INTERFACE: interface_take(c, b); break;
	case BLOCK_STATISTICS: statistics_take(c, b); break;
	default: break;
	}
	return 0;
}

uint32_t pcapng_parse(struct capture *c, struct packet *packet, uint32_t room)
{
	struct block b;
	uint32_t n = 0;

	c->inside = "a block";
	if (!skipped_end(c))
		return 0;
	while (n < room && block_next(c, &b)) {
		n += block_take(c, b, &packet[n]);
		if (unlikely(c->state != CAPTURE_OPEN))
			break;
		c->at += b.bytes;
	}
	return n;
}
