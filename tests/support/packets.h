/* packets - packets, conversations and captures in a line, for tests.
 *
 *     struct frame f;
 *
 *     packet_build(&f, PACKET(.from = endpoint("10.0.0.1", 40000), .to = endpoint("10.0.0.2", 80),
 *                             .seq = 1, .flags = TCP_ACK, PAYLOAD("GET / HTTP/1.1\r\n\r\n")));
 *
 * A spec says what differs from a plain packet: left at zero, a field has a sensible value
 * (Ethernet, TCP, a window of 64 KiB, TTL 64, right lengths, right checksums). To be wrong, build
 * and then scribble.
 *
 *     struct conversation c;
 *
 *     conversation_open(&c, &capture, endpoint("10.0.0.1", 40000), endpoint("10.0.0.2", 80));
 *     conversation_say(&c, CLIENT, "GET / HTTP/1.1\r\n\r\n", 18);
 *     conversation_say(&c, SERVER, ...);
 *     conversation_close(&c);
 *     capture_write(&capture, "a.pcap");
 *
 * A capture is an array: a test may reorder, duplicate, drop or shorten its packets before it
 * uses them. A test without memory ends with abort().
 */
#ifndef TESTS_SUPPORT_PACKETS_H
#define TESTS_SUPPORT_PACKETS_H

#include "dataplane/burst.h"

enum { FRAME_BYTES_MAX = 68 * 1024, SPEC_VLANS = 16, SPEC_EXTENSIONS = 24 };

/* ---- one packet ---- */

struct endpoint {
	uint8_t address[16]; /* IPv4: the first four */
	uint8_t version;     /* 4 or 6 */
	uint16_t port;
};

/* endpoint - from an address as text, IPv4 or IPv6. */
struct endpoint endpoint(const char *address, uint16_t port);

struct packet_spec {
	uint16_t link; /* enum link_type; LINK_NULL (0) stands for Ethernet: use .loopback for that
			  one */
	bool loopback;
	struct endpoint from, to;  /* of one version */
	uint16_t vlan[SPEC_VLANS]; /* ids, outermost first; the outermost of several is 802.1ad */
	uint32_t vlans;

	uint8_t protocol; /* 0: TCP. Others than TCP and UDP get the payload as it is */
	uint32_t seq, ack;
	uint8_t flags;       /* enum tcp_flag */
	uint16_t window;     /* 0: 65,535 */
	const void *options; /* of TCP; padded to four bytes with zeros */
	uint32_t option_bytes;
	const void *payload;
	uint32_t payload_bytes;

	uint32_t ip_option_bytes;           /* IPv4: that many no-operations, a multiple of 4 */
	uint8_t extension[SPEC_EXTENSIONS]; /* IPv6: protocol numbers of empty headers, in their
					       order */
	uint32_t extensions;

	/* A fragment: bytes [offset, offset + bytes) of what would have stood behind the IP header;
	 * zeros beyond its end. */
	struct {
		bool yes;
		uint32_t id;
		uint32_t offset, bytes;
		bool more;
	} fragment;
};

#define PACKET(...)   (&(const struct packet_spec){ __VA_ARGS__ })
#define PAYLOAD(text) .payload = (text), .payload_bytes = sizeof(text) - 1

struct frame {
	uint16_t link;
	uint32_t bytes;
	uint32_t network_at;   /* where the outermost IP header begins */
	uint32_t inside_at;    /* the innermost */
	uint32_t transport_at; /* where what is behind the IP headers begins */
	uint8_t at[FRAME_BYTES_MAX];
};

void packet_build(struct frame *ret, const struct packet_spec *spec);

/* packet_sum_ip - write the IPv4 header's checksum again, after scribbling. */
void packet_sum_ip(struct frame *f);

/* packet_of - the frame as rx would hand it on, whole. Borrows it. */
struct packet packet_of(const struct frame *f, uint64_t number, uint64_t ts_ns);

/* ---- tunnels ---- */

/* Every form of tunnel header; the name is that of the record's type where there is only one. */
#define WRAPPING_LIST(X)                                                                           \
	X(mpls)                                                                                    \
	X(mpls_frame) X(mpls_control_word) X(pppoe) X(gre) X(gre_all) X(gre_frame) X(gre_mpls)     \
		X(gre_ppp) X(wccp) X(nvgre) X(pptp) X(erspan_1) X(erspan_2) X(erspan_3)            \
			X(erspan_3_platform) X(vxlan) X(vxlan_policy) X(vxlan_linux) X(vxlan_gpe)  \
				X(vxlan_gpe_frame) X(geneve) X(geneve_options) X(geneve_ip) X(gtp) \
					X(gtp_sequence) X(gtp_extensions) X(l2tp) X(l2tp_all)      \
						X(teredo) X(teredo_all) X(ip) X(etherip)
#define WRAPPING_ENUM(name) WRAP_##name,
enum wrapping { WRAPPING_LIST(WRAPPING_ENUM) WRAPPINGS };

struct wrap_spec {
	enum wrapping as;
	struct endpoint from,
		to;    /* of the tunnel; MPLS and PPPoE have none. Ports as they must be */
	uint32_t id;   /* as it stands in the header */
	uint16_t vlan; /* of the frame around; 0: none */
};

/* packet_wrap - `f`, an Ethernet frame, becomes the Ethernet frame of a tunnel that carries it, or
 * its IP packet. Teredo carries IPv6 only. */
void packet_wrap(struct frame *f, const struct wrap_spec *spec);
#define WRAP(...) (&(const struct wrap_spec){ __VA_ARGS__ })

/* wrapping_name - as in the list. */
const char *wrapping_name(enum wrapping as);

/* wrapping_carries_frame - the whole frame, with its tags? */
bool wrapping_carries_frame(enum wrapping as);

/* ---- many packets ---- */

struct captured {
	uint8_t *at; /* wire_bytes of memory, whatever caplen_bytes says */
	uint64_t ts_ns;
	uint32_t caplen_bytes, wire_bytes;
	uint16_t link;
};

struct capture {
	struct captured *packet;
	uint32_t count, room;
};

void capture_add(struct capture *c, const struct frame *f, uint64_t ts_ns);
/* capture_fini - accepts a zeroed capture. */
void capture_fini(struct capture *c);

/* capture_packet - packet `i` as rx would hand it on; its number is i + 1. */
struct packet capture_packet(const struct capture *c, uint32_t i);

/* capture_write - a pcap file with nanoseconds; all packets have the link type of the first.
 * Returns: 0, -errno. */
int capture_write(const struct capture *c, const char *path);

/* ---- a TCP connection ---- */

enum speaker { CLIENT, SERVER };

struct conversation {
	struct capture *capture;
	struct endpoint end[2]; /* by enum speaker */
	uint32_t next_seq[2];
	uint64_t now_ns, step_ns; /* each packet is a step later than the one before */
	uint32_t segment_bytes;   /* 1,448; payload is cut into such segments */
	uint16_t link, vlan;      /* 0: Ethernet, none */
};

/* conversation_init - as if the handshake had been before the capture. */
void conversation_init(struct conversation *c, struct capture *capture, struct endpoint client,
		       struct endpoint server);
/* conversation_open - conversation_init() and the three packets of the handshake. */
void conversation_open(struct conversation *c, struct capture *capture, struct endpoint client,
		       struct endpoint server);
/* conversation_send - one packet, with whatever flags, at the speaker's place in the sequence. */
void conversation_send(struct conversation *c, enum speaker who, uint8_t flags, const void *payload,
		       uint32_t bytes);
/* conversation_say - payload in segments, then the other's acknowledgement. */
void conversation_say(struct conversation *c, enum speaker who, const void *payload,
		      uint32_t bytes);
/* conversation_close - FIN, FIN, acknowledgement. */
void conversation_close(struct conversation *c);

#endif
