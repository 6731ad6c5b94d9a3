/* record - the unit of the ring: one exchange, as numbers and fields.
 *
 *     struct record (fixed)  | tunnels around it | request fields | response fields |
 *     each field: struct record_field, bytes, padding to 8
 *
 * Written once by dataplane/emit, in the ring itself; read by control, which
 * never sees traffic. Native byte order: both ends run on one machine.
 *
 * A reader trusts nothing: record_check() walks the whole record once and
 * refuses what does not add up, so that the code after it can walk fields
 * without a test.
 */
#ifndef DATAPLANE_SHM_RECORD_H
#define DATAPLANE_SHM_RECORD_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/shm/words.h"

#define RECORD_BYTES_MAX (UINT32_C(2) << 20)

enum record_type {
	RECORD_PAIR = 1, /* any outcome */
	RECORD_STREAM,   /* --format streams: one direction, struct record_stream */
};

/* A message as a record tells of it. Without one (unanswered, orphan) `present` is 0. */
struct record_message {
	uint8_t present;
	uint8_t proto; /* whose table its fields are of: index of dissectors/registry.h */
	uint16_t unused;
	uint32_t fields_bytes; /* of its fields behind the fixed part */
	uint64_t head_bytes, body_bytes;
	uint64_t duration_ns;
};

enum { RECORD_VLANS = 2, RECORD_TUNNELS_MAX = 64 };

/* One header around the packets of a flow. */
struct record_tunnel {
	uint8_t src[16], dst[16]; /* IPv4 as ::ffff:a.b.c.d */
	uint32_t id;
	uint16_t vlan[RECORD_VLANS]; /* tags of the frame that carried it: 12 bits, 0x8000 marks
					presence */
	uint8_t type;                /* enum tunnel_type */
	uint8_t ip_version;          /* of src and dst; 0: there is no IP around */
	uint8_t has_id;
	uint8_t unused[5];
};
static_assert(sizeof(struct record_tunnel) % 8 == 0, "what follows is aligned to 8");

struct record {
	uint32_t bytes; /* all of it, multiple of 8 */
	uint8_t type;   /* enum record_type */
	uint8_t outcome;
	uint8_t why;   /* enum why, 255: none */
	uint8_t proto; /* index of dissectors/registry.h */
	uint64_t seq;  /* per worker and run, from 0 */
	uint64_t ts_ns;
	uint64_t latency_ns; /* valid if outcome is paired */
	uint64_t conn;
	uint64_t index;     /* ordinal of the request on the connection, from 0 */
	uint64_t stream;    /* 1 + the protocol's own number of the exchange; 0: it has none */
	uint64_t frames[4]; /* first and last of request, of response; 0: none */
	uint32_t flags;     /* FLAG_* */
	uint8_t error;      /* the protocol says failure */
	uint8_t ip_version; /* 4: the last four of each 16 bytes are the address */
	uint16_t iface;     /* index + 1 of the region's interface names; 0: none */
	uint16_t client_port, server_port;
	uint16_t vlan[RECORD_VLANS]; /* 12 bits, 0x8000 marks presence */
	uint8_t client_ip[16], server_ip[16];
	struct record_message request, response;
	uint32_t tunnels; /* in front of the fields, outermost first; src is on the client's side */
	uint32_t unused;
	/* tunnels and fields follow */
};
static_assert(sizeof(struct record) % 8 == 0, "fields are aligned to 8");

/* One field. A pair has its name first, then its value. */
struct record_field {
	uint16_t id;         /* enum field_id, or FIELD_OWN + index */
	uint16_t name_bytes; /* of a pair; 0xffff in no pair */
	uint32_t bytes;      /* of name and value together; a number has 8 */
	uint8_t data[];
};
static_assert(sizeof(struct record_field) == 8, "header of a field");
#define RECORD_FIELD_PLAIN UINT16_C(0xffff)

/* record_field_room - bytes that a field with `bytes` of data takes. */
static inline uint64_t record_field_room(uint64_t bytes)
{
	return sizeof(struct record_field) + ((bytes + 7) & ~UINT64_C(7));
}

/* RECORD_STREAM: one direction of a connection as the digest saw it. Same first 8 bytes as struct
 * record. */
struct record_stream {
	uint32_t bytes;
	uint8_t type;
	uint8_t outcome, why, proto; /* unused: 0, 255, 255 */
	uint64_t seq;
	uint8_t src_ip[16], dst_ip[16];
	uint16_t src_port, dst_port;
	uint8_t ip_version;
	uint8_t start_is_syn;
	uint8_t unused[2];
	uint32_t epoch; /* ordinal of the connection on its tuple, from 0 */
	uint32_t seen;  /* bits: record_stream_flag_name() */
	uint64_t delivered, gap_bytes, conflict_bytes, duplicate_bytes;
	uint8_t sha256[32]; /* of the delivered bytes; all 0 where nothing was */
	uint32_t gap_count; /* entries of gap[] used: the first eight holes */
	uint32_t unused2;
	struct {
		uint64_t offset, bytes;
	} gap[8];
};
static_assert(sizeof(struct record_stream) % 8 == 0, "a record is a multiple of 8");

/* Names of record_stream.seen, in the order in which they are sorted and printed. */
#define RECORD_STREAM_FLAGS(X)                                                                     \
	X(AFTERFIN)                                                                                \
	X(AFTERRST) X(BEFORE) X(FARSEQ) X(KEEPALIVE) X(RST) X(RSTDATA) X(SYNACKDATA) X(TFO) X(URG) \
		X(WRAP)
#define RECORD_STREAM_BIT(name) STREAM_BIT_##name,
enum record_stream_bit { RECORD_STREAM_FLAGS(RECORD_STREAM_BIT) STREAM_BIT_COUNT };
const char *record_stream_flag_name(unsigned bit);

/* record_check - may the rest of the program walk this record?
 *
 * `bytes` is what the ring said. True only if type, outcome, why, flags and tunnels are in their
 * lists, every field lies inside its message and every message inside the record. */
bool record_check(const void *record, uint64_t bytes);

/* record_tunnels - of a checked record: r->tunnels of them. */
const struct record_tunnel *record_tunnels(const struct record *r);

/* record_fields - walk the fields of a checked record's request or response:
 *     for (f = record_first(r, REQUEST); f; f = record_next(r, REQUEST, f)) */
enum record_part { RECORD_REQUEST, RECORD_RESPONSE };
const struct record_field *record_first(const struct record *r, enum record_part part);
const struct record_field *record_next(const struct record *r, enum record_part part,
				       const struct record_field *f);

#endif
