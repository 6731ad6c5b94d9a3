/* captures - capture files made in memory, and ports opened on them.
 *
 * A blob grows while a file is put together and becomes a memfd, which has a path
 * (/proc/self/fd/N) that can be opened like any other. Frame bytes follow from the packet's
 * number, so a frame that moved or was overwritten shows.
 */
#ifndef TESTS_UNIT_DATAPLANE_RX_CAPTURES_H
#define TESTS_UNIT_DATAPLANE_RX_CAPTURES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "dataplane/rx/rx.h"
#include "dataplane/shm/settings.h"

struct blob {
	uint8_t *at;
	size_t bytes, room;
	bool swapped; /* numbers in the other byte order */
};

static inline void blob_put(struct blob *b, const void *at, size_t bytes)
{
	if (b->bytes + bytes > b->room) {
		b->room = (b->bytes + bytes) * 2;
		b->at = realloc(b->at, b->room);
		assert_non_null(b->at);
	}
	if (bytes > 0)
		memcpy(b->at + b->bytes, at, bytes);
	b->bytes += bytes;
}

static inline void blob_u16(struct blob *b, unsigned v)
{
	uint16_t w = (uint16_t)v;

	w = b->swapped ? __builtin_bswap16(w) : w;
	blob_put(b, &w, sizeof(w));
}

static inline void blob_u32(struct blob *b, uint32_t v)
{
	v = b->swapped ? __builtin_bswap32(v) : v;
	blob_put(b, &v, sizeof(v));
}

static inline void blob_u64(struct blob *b, uint64_t v)
{
	v = b->swapped ? __builtin_bswap64(v) : v;
	blob_put(b, &v, sizeof(v));
}

static inline uint8_t frame_byte(uint64_t number, uint32_t i)
{
	return (uint8_t)(number * 7 + i);
}

static inline void blob_frame(struct blob *b, uint64_t number, uint32_t bytes)
{
	for (uint32_t i = 0; i < bytes; i++) {
		uint8_t v = frame_byte(number, i);

		blob_put(b, &v, 1);
	}
}

static inline void blob_free(struct blob *b)
{
	free(b->at);
	*b = (struct blob){ 0 };
}

/* ---- pcap ---- */

#define PCAP_US       UINT32_C(0xa1b2c3d4)
#define PCAP_NS       UINT32_C(0xa1b23c4d)
#define PCAP_MODIFIED UINT32_C(0xa1b2cd34)

static inline void pcap_head(struct blob *b, uint32_t magic, uint32_t snaplen, uint32_t link)
{
	blob_u32(b, magic);
	blob_u16(b, 2);
	blob_u16(b, 4);
	blob_u64(b, 0);
	blob_u32(b, snaplen);
	blob_u32(b, link);
}

static inline void pcap_record_head(struct blob *b, uint32_t sec, uint32_t frac, uint32_t caplen,
				    uint32_t wire)
{
	blob_u32(b, sec);
	blob_u32(b, frac);
	blob_u32(b, caplen);
	blob_u32(b, wire);
}

static inline void pcap_record(struct blob *b, uint64_t number, uint32_t bytes)
{
	pcap_record_head(b, 1700000000, (uint32_t)number, bytes, bytes);
	blob_frame(b, number, bytes);
}

/* pcap_plain - `packets` records of changing sizes, numbers from `first` on. */
static inline struct blob pcap_plain(uint64_t first, uint32_t packets)
{
	struct blob b = { 0 };

	pcap_head(&b, PCAP_US, 65535, LINK_ETHERNET);
	for (uint32_t i = 0; i < packets; i++)
		pcap_record(&b, first + i, (uint32_t)((first + i) * 131 % 1515));
	return b;
}

/* ---- pcapng ---- */

/* A block is begun, filled, and ended; both of its lengths are put in at the end. */
static inline size_t block_begin(struct blob *b, uint32_t type)
{
	size_t at = b->bytes;

	blob_u32(b, type);
	blob_u32(b, 0);
	return at;
}

static inline void block_pad(struct blob *b)
{
	while (b->bytes % 4 != 0)
		blob_put(b, "", 1);
}

static inline void block_end(struct blob *b, size_t at)
{
	uint32_t bytes;

	block_pad(b);
	bytes = (uint32_t)(b->bytes - at + 4);
	blob_u32(b, bytes);
	memcpy(b->at + at + 4, b->at + b->bytes - 4, 4);
}

static inline void block_option(struct blob *b, unsigned code, const void *value, uint32_t bytes)
{
	blob_u16(b, code);
	blob_u16(b, bytes);
	blob_put(b, value, bytes);
	block_pad(b);
}

static inline void block_option_u64(struct blob *b, unsigned code, uint64_t value)
{
	value = b->swapped ? __builtin_bswap64(value) : value;
	block_option(b, code, &value, sizeof(value));
}

static inline void ng_section(struct blob *b)
{
	size_t at = block_begin(b, 0x0a0d0d0a);

	blob_u32(b, 0x1a2b3c4d);
	blob_u16(b, 1);
	blob_u16(b, 0);
	blob_u64(b, UINT64_MAX);
	block_end(b, at);
}

static inline size_t ng_interface_begin(struct blob *b, unsigned link, uint32_t snaplen)
{
	size_t at = block_begin(b, 1);

	blob_u16(b, link);
	blob_u16(b, 0);
	blob_u32(b, snaplen);
	return at;
}

static inline void ng_interface(struct blob *b, unsigned link, uint32_t snaplen)
{
	block_end(b, ng_interface_begin(b, link, snaplen));
}

static inline size_t ng_packet_begin(struct blob *b, uint32_t iface, uint64_t ticks,
				     uint64_t number, uint32_t bytes)
{
	size_t at = block_begin(b, 6);

	blob_u32(b, iface);
	blob_u32(b, (uint32_t)(ticks >> 32));
	blob_u32(b, (uint32_t)ticks);
	blob_u32(b, bytes);
	blob_u32(b, bytes);
	blob_frame(b, number, bytes);
	block_pad(b);
	return at;
}

static inline void ng_packet(struct blob *b, uint32_t iface, uint64_t ticks, uint64_t number,
			     uint32_t bytes)
{
	block_end(b, ng_packet_begin(b, iface, ticks, number, bytes));
}

/* ---- files and ports ---- */

/* A file in memory. */
struct held_file {
	int fd;
	char path[64];
};

static inline struct held_file file_of_bytes(const void *at, size_t bytes)
{
	struct held_file f = { .fd = memfd_create("capture", MFD_CLOEXEC) };

	assert_true(f.fd >= 0);
	if (bytes > 0)
		assert_int_equal(pwrite(f.fd, at, bytes, 0), (ssize_t)bytes);
	snprintf(f.path, sizeof(f.path), "/proc/self/fd/%d", f.fd);
	return f;
}

/* file_of - takes the blob. */
static inline struct held_file file_of(struct blob *b)
{
	struct held_file f = file_of_bytes(b->at, b->bytes);

	blob_free(b);
	return f;
}

static struct settings test_settings;

/* inputs_name - the settings for these `count` paths. */
static inline void inputs_name(uint32_t count, const char *const *path)
{
	size_t at = 0;

	memset(&test_settings, 0, offsetof(struct settings, input) + 4096);
	test_settings.input_count = count;
	for (uint32_t i = 0; i < count; i++) {
		strcpy(test_settings.input + at, path[i]);
		at += strlen(path[i]) + 1;
	}
	test_settings.input_bytes = (uint32_t)at;
}

static inline struct rx_open how_default(void)
{
	return (struct rx_open){ .settings = &test_settings, .workers = 1 };
}

static inline const struct rx_backend *backend(const char *name)
{
	const struct rx_backend *b = rx_backend_find(name, strlen(name));

	assert_non_null(b);
	return b;
}

static inline struct rx_port *port_open(const char *name, const struct rx_open *how)
{
	struct rx_error err = { "" };
	struct rx_port *p = NULL;

	if (backend(name)->open(how, &p, &err) != 0)
		fail_msg("%s", err.text);
	assert_non_null(p);
	return p;
}

/* file_port - on one file. */
static inline struct rx_port *file_port(const char *path)
{
	struct rx_open how = how_default();

	inputs_name(1, &path);
	return port_open("file", &how);
}

/* What came out of a port. */
struct drained {
	uint64_t packets;
	enum rx_state state;
	struct rx_error err;
	struct rx_counters counters;
	struct packet first, last; /* frames are no longer there */
};

/* drain - pull everything, check what must hold for every packet made by pcap_record() and the
 * like, close. */
static inline struct drained drain(struct rx_port *port, bool frames_are_known)
{
	const struct rx_backend *b = ((struct rx_port_head *)(void *)port)->backend;
	struct packet packet[BURST_PACKETS];
	struct drained d = { 0 };
	uint32_t n;

	while ((n = b->pull(port, packet, BURST_PACKETS)) > 0) {
		for (uint32_t i = 0; i < n; i++) {
			assert_int_equal(packet[i].number, ++d.packets);
			assert_true(packet[i].wire_bytes >= packet[i].caplen_bytes);
			for (uint32_t j = 0; frames_are_known && j < packet[i].caplen_bytes; j++)
				assert_int_equal(packet[i].frame[j], frame_byte(d.packets, j));
		}
		if (d.first.number == 0)
			d.first = packet[0];
		d.last = packet[n - 1];
		b->give_back(port);
	}
	d.state = b->state(port, &d.err);
	b->counters(port, &d.counters);
	b->close(port);
	assert_int_equal(d.counters.received, d.packets);
	return d;
}

static inline struct drained drain_blob(struct blob *blob)
{
	struct held_file f = file_of(blob);
	struct drained d = drain(file_port(f.path), true);

	close(f.fd);
	return d;
}

#endif
