/* settings - everything a run is told, as one struct in a sealed memfd.
 *
 * `weir` parses the command line and the INI file, validates both into this
 * struct and seals it; the daemons map it read-only and parse no text.
 *
 * The numbers are one list, from which the struct, the defaults, the limits,
 * the option names, the INI keys and --print-settings are made:
 *
 *     X(field, "name", default, min, max, unit, "help")
 */
#ifndef DATAPLANE_SHM_SETTINGS_H
#define DATAPLANE_SHM_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

/* How a number is written: BYTES `64k`, TIME_NS `20ms`, COUNT `1000`, SWITCH `on|off`, PORTION. */
enum setting_unit { UNIT_COUNT, UNIT_BYTES, UNIT_TIME_NS, UNIT_SWITCH };

/* clang-format off */
#define SETTINGS_LIST(X) \
	X(workers,            "workers",            1, 1, 64, UNIT_COUNT, "dataplane workers, each with its own flows; auto: as many as processors may be used, less one, and as the source can feed") \
	X(snaplen_bytes,      "snaplen",            0, 0, 1 << 30, UNIT_BYTES, "look at no more than this of each packet; 0: all of it") \
	X(checksum,           "checksum",           0, 0, 1, UNIT_SWITCH, "verify IPv4, TCP and UDP checksums; off, because captures on the sender see partial sums") \
	X(history_bytes,      "history",            0, 0, 16 << 20, UNIT_BYTES, "delivered bytes kept per direction, to compare retransmissions with") \
	X(gap_wait_ns,        "gap-wait",           20000000, 0, 60000000000, UNIT_TIME_NS, "how long an acknowledged hole may still be filled, in capture time") \
	X(body_limit_bytes,   "body-limit",         0, 0, 1 << 20, UNIT_BYTES, "bytes of each body to keep in the record") \
	X(decode_bodies,      "decode-bodies",      1, 0, 1, UNIT_SWITCH, "decode bodies that are kept: gzip, deflate, br, zstd, and messages of permessage-deflate") \
	X(shunt_bytes,        "shunt",              0, 0, UINT64_C(1) << 50, UNIT_BYTES, "of a body of known length follow no more than so many bytes; its size is still right, and it is flagged `shunted`; 0: follow all") \
	X(stats_interval_ns,  "stats-interval",     0, 0, 86400000000000, UNIT_TIME_NS, "write a stats line on stderr this often; 0: never") \
	X(rotate_bytes,       "rotate-size",        0, 0, UINT64_C(1) << 50, UNIT_BYTES, "begin a new output file after so many bytes; 0: never") \
	X(rotate_ns,          "rotate-interval",    0, 0, UINT64_C(31536000000000000), UNIT_TIME_NS, "begin a new output file this often; 0: never") \
	X(flows,              "flows",              131072, 16, 1 << 26, UNIT_COUNT, "flows per worker") \
	X(half_open,          "half-open",          32768, 4, 1 << 26, UNIT_COUNT, "of them half open, at most") \
	X(held_bytes,         "held",               1 << 20, 65536, 1 << 30, UNIT_BYTES, "bytes held ahead of a hole, per direction") \
	X(held_segments,      "held-segments",      1024, 1, 1 << 20, UNIT_COUNT, "segments held ahead of a hole, per direction") \
	X(held_worker_bytes,  "held-worker",        32 << 20, 65536, UINT64_C(1) << 36, UNIT_BYTES, "bytes held, per worker") \
	X(worker_bytes,       "worker-memory",      256 << 20, 1 << 20, UINT64_C(1) << 40, UNIT_BYTES, "all that a worker keeps of variable size: held bytes, heads, messages, connections") \
	X(head_bytes,         "head-limit",         65536, 1024, 1 << 20, UNIT_BYTES, "head of one message") \
	X(head_fields,        "head-fields",        256, 8, 65535, UNIT_COUNT, "header lines kept of one message") \
	X(open_requests,      "open-requests",      512, 1, 65536, UNIT_COUNT, "unanswered requests remembered per connection") \
	X(ring_bytes,         "ring",               8 << 20, 4 << 20, UINT64_C(1) << 32, UNIT_BYTES, "record ring per worker; a power of two") \
	X(fragment_bytes,     "fragments",          4 << 20, 65536, 1 << 30, UNIT_BYTES, "IP fragments kept, per worker") \
	X(fragments_per_datagram, "fragments-per-datagram", 64, 2, 8192, UNIT_COUNT, "fragments of one datagram") \
	X(fragment_timeout_ns, "fragment-timeout",  30000000000, 1000000, 600000000000, UNIT_TIME_NS, "how long an incomplete datagram is kept") \
	X(encapsulations,     "encapsulations",     8, 1, 64, UNIT_COUNT, "headers around a packet: VLAN tags, tunnels, MPLS label stacks") \
	X(tunnel_paths,       "tunnel-paths",       65536, 0, 1 << 26, UNIT_COUNT, "different ways through tunnels remembered for records, per worker; 0: none") \
	X(dedup_ns,           "dedup",              0, 0, 10000000000, UNIT_TIME_NS, "a packet seen again within this time is a copy that the mirror port made (10ms); 0: none is looked for") \
	X(dedup_packets,      "dedup-packets",      131072, 1024, 1 << 24, UNIT_COUNT, "packets remembered for --dedup, per worker") \
	X(extension_headers,  "extension-headers",  16, 1, 64, UNIT_COUNT, "IPv6 extension headers") \
	X(half_open_timeout_ns, "half-open-timeout", 10000000000, 1000000, UINT64_C(86400000000000), UNIT_TIME_NS, "idle time after which a half-open flow ends") \
	X(closing_timeout_ns, "closing-timeout",    10000000000, 1000000, UINT64_C(86400000000000), UNIT_TIME_NS, "how long a closed flow is remembered") \
	X(idle_timeout_ns,    "idle-timeout",       300000000000, 1000000, UINT64_C(86400000000000), UNIT_TIME_NS, "idle time after which a TCP flow ends") \
	X(udp_timeout_ns,     "udp-timeout",        60000000000, 1000000, UINT64_C(86400000000000), UNIT_TIME_NS, "idle time after which a UDP flow ends") \
	X(request_timeout_ns, "request-timeout",    60000000000, 1000000, UINT64_C(86400000000000), UNIT_TIME_NS, "how long a request waits for its response") \
	X(duration_ns,        "duration",           0, 0, UINT64_C(31536000000000000), UNIT_TIME_NS, "stop after so long; 0: never") \
	X(packets,            "count",              0, 0, UINT64_C(1) << 60, UNIT_COUNT, "stop after so many packets; 0: never. With several workers a few more") \
	X(promiscuous,        "promiscuous",        1, 0, 1, UNIT_SWITCH, "receive frames addressed to others too") \
	X(handoff_bytes,      "handoff-ring",       2 << 20, 65536, 1 << 30, UNIT_BYTES, "ring for packets that one worker has received for another, one for each two of them; a power of two") \
	X(force_handoff,      "force-handoff",      0, 0, 1 << 20, UNIT_COUNT, "for tests: 1/N sends one packet in N to the wrong worker, which hands it over; 0: none") \
	X(spin,               "poll",               0, 0, 1, UNIT_SWITCH, "never sleep: for cores that do nothing else") \
	X(hash_seed,          "hash-seed",          0, 0, UINT64_MAX, UNIT_COUNT, "seed of the flow hash; read uses a fixed one")
/* clang-format on */

/* Where the pipeline can be cut, in order. open: sources are opened, nothing is taken. */
#define STAGE_LIST(X)                                                                              \
	X(open) X(rx)                                                                              \
	X(decode) X(flow) X(reassembly) X(dissect) X(pair) X(emit) X(drain) X(format) X(normal)
#define STAGE_ENUM(name) STAGE_##name,
enum stage { STAGE_LIST(STAGE_ENUM) STAGE_COUNT };
const char *stage_name(unsigned stage); /* NULL: no such stage */

/* What makes a flow, beside addresses, ports and protocol. */
#define FLOW_KEY_LIST(X) X(full, "full") X(5tuple, "5tuple")
#define FLOW_KEY_ENUM(id, name) FLOW_KEY_##id,
enum flow_key_kind { FLOW_KEY_LIST(FLOW_KEY_ENUM) FLOW_KEY_COUNT };

enum headers_mode { HEADERS_ALL, HEADERS_NONE, HEADERS_NAMED };

#define SETTINGS_MAGIC UINT64_C(0x7765697273657403) /* last byte: version of this struct */
enum {
	SETTINGS_PATH_BYTES = 4096,
	SETTINGS_NAMES_BYTES = 4096,
	SETTINGS_FILTER_BYTES = 16384,
	SETTINGS_INPUT_BYTES = 4 << 20,
	SETTINGS_RX_MAX = 8,
	SETTINGS_METRICS_BYTES = 128,
	SETTINGS_NAME_BYTES = 33,
	SETTINGS_OWN_MAX = 32,
	SETTINGS_WORKERS_MAX = 64,
};

/* What a daemon is started for. */
enum service {
	SERVICE_NONE,      /* by weir, who stays as supervisor and removes the runtime directory */
	SERVICE_DATAPLANE, /* by itself, the other one beside it: the runtime directory stays */
	SERVICE_CONTROL,
};

/* An address that weir itself listens on; packets from or to it are its own traffic. */
struct settings_own {
	uint8_t ip[16]; /* IPv4 as ::ffff:a.b.c.d */
	uint16_t port;  /* host byte order */
};

struct settings {
	uint64_t magic;
	uint64_t bytes;      /* sizeof(struct settings) */
	char run[16];        /* names the start in records; [0-9a-z]+ */
	uint64_t started_ns; /* CLOCK_MONOTONIC when weir was called */
	uint64_t started_wall_ns;
	uint64_t weir_pid; /* who removes the runtime directory, if he lives */
#define SETTINGS_FIELD(field, name, def, min, max, unit, help) uint64_t field;
	SETTINGS_LIST(SETTINGS_FIELD)
	uint32_t until;    /* enum stage */
	uint32_t headers;  /* enum headers_mode */
	uint32_t flow_key; /* enum flow_key_kind */
	uint32_t progress; /* control shows progress on stderr (a terminal) */
	uint32_t quiet;    /* no table, no closing line */
	uint32_t live;
	uint32_t service;    /* enum service */
	uint32_t list_rx;    /* the dataplane tells what it could capture with, and leaves */
	uint32_t drops_user; /* both daemons become the user below before the first packet */
	uint32_t uid, gid;
	char user[64];                  /* --user; "": whom weir chooses */
	char name[SETTINGS_NAME_BYTES]; /* of the runtime directory; "": made from `run` */
	uint32_t core_count; /* of --cores: one worker on each, in this order; 0: anywhere */
	uint16_t core[SETTINGS_WORKERS_MAX];
	uint32_t own_count;
	struct settings_own own[SETTINGS_OWN_MAX];
	char metrics[SETTINGS_METRICS_BYTES];    /* ADDRESS:PORT of the metrics page; "": none */
	char command[16];                        /* the sub-command, for the closing line: "read" */
	char format[32];                         /* name in control's list of text formats */
	char output[SETTINGS_PATH_BYTES];        /* "-": standard output; "": none */
	char ledger[SETTINGS_PATH_BYTES];        /* "": none */
	char runtime[108 - 16];                  /* directory of attach.sock */
	char header_names[SETTINGS_NAMES_BYTES]; /* lower case, each ended by 0, the list by another
						  */
	char dissectors[SETTINGS_NAMES_BYTES];   /* the same; empty: all */
	char filter[SETTINGS_FILTER_BYTES];      /* "": none */
	uint8_t ignore_ports[65536 / 8];         /* bit p & 7 of byte p >> 3 */
	uint32_t ignores_ports;                  /* any bit set */
	uint32_t rx_count;                       /* 0: `file` with the inputs below */
	char rx[SETTINGS_RX_MAX][512];           /* NAME[:ARGUMENT] */
	uint32_t input_count;
	uint32_t input_bytes;
	char input[SETTINGS_INPUT_BYTES]; /* paths in order, each ended by 0 */
};

/* settings_defaults - a struct with every number at its default, everything else empty. */
void settings_defaults(struct settings *s);

/* settings_seal - copy `s` into a new memfd, sealed against every change.
 * Returns: the descriptor (close-on-exec), or -errno. */
int settings_seal(const struct settings *s);

/* settings_map - Returns: 0 and *ret, mapped read-only; -EPROTO if the seals, the size, the magic,
 * or a number outside its limits say that this is no settings of ours; -errno. */
int settings_map(int fd, const struct settings **ret);

#endif
