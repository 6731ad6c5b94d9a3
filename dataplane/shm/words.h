/* words - the closed lists of the record: outcome, why, flags, tunnels.
 *
 * One X-macro each, X(name, meaning). The record, the ledger, the metrics and
 * every text made from them read these lists; a word is added here and nowhere
 * else. Order is part of the region's layout: append.
 */
#ifndef DATAPLANE_SHM_WORDS_H
#define DATAPLANE_SHM_WORDS_H

#define OUTCOME_LIST(X)                                                                            \
	X(paired, "a request and its response")                                                    \
	X(unanswered, "a request whose response was not seen")                                     \
	X(orphan, "a response whose request was not seen")                                         \
	X(oneway, "a message to which the protocol knows no answer")

/* Why a request stayed unanswered or a response an orphan. */
#define WHY_LIST(X)                                                                                \
	X(connection_closed, "the connection ended first")                                         \
	X(reset, "the connection was reset first")                                                 \
	X(timeout, "nothing came within the request timeout")                                      \
	X(gap, "captured bytes are missing where the other half would be")                         \
	X(midstream, "the capture began after the other half")                                     \
	X(evicted, "the flow had to make room")                                                    \
	X(limit, "more open requests than the limit allows")                                       \
	X(capture_ended, "the capture ended first")

#define FLAG_LIST(X)                                                                               \
	X(gap_in_body, "bytes of a body are missing")                                              \
	X(gap_in_head, "bytes of a head are missing")                                              \
	X(midstream, "the connection's start was not captured")                                    \
	X(cut_capture, "the snap length cut packets of this message")                              \
	X(overlap_conflict, "two copies of the same bytes differ")                                 \
	X(head_cut, "the head is over a limit; what is beyond is missing here")                    \
	X(body_cut, "the kept body is over --body-limit")                                          \
	X(early_response, "the response began before the request was complete")                    \
	X(hpack_unknown, "header table entries from before the capture are unknown")               \
	X(clock_backwards, "the capture clock was set between the two halves")                     \
	X(anomaly, "the message breaks its protocol's rules")                                      \
	X(from_server, "the connection's server began it: a push, or a question to the client")    \
	X(shunted, "the rest of a body was not followed (--shunt)")

/* What can be around a packet: X(id, "name in records", meaning). */
#define TUNNEL_LIST(X)                                                                             \
	X(mpls, "mpls", "a label stack; the id is the innermost label")                            \
	X(pppoe, "pppoe", "a PPPoE session")                                                       \
	X(gre, "gre", "GRE; the id is the key, where there is one")                                \
	X(nvgre, "nvgre", "NVGRE; the id is the virtual subnet")                                   \
	X(pptp, "pptp", "enhanced GRE of PPTP; the id is the call")                                \
	X(erspan, "erspan", "ERSPAN I, II or III; the id is the session, which type I has not")    \
	X(vxlan, "vxlan", "VXLAN")                                                                 \
	X(vxlan_gpe, "vxlan-gpe", "VXLAN with any payload")                                        \
	X(geneve, "geneve", "GENEVE")                                                              \
	X(gtp, "gtp", "GTP-U; the id is the TEID")                                                 \
	X(l2tp, "l2tp", "L2TP version 2; the id is the tunnel's, then the session's 16 bits")      \
	X(teredo, "teredo", "Teredo: IPv6 in UDP")                                                 \
	X(ipip, "ipip", "IPv4 in IPv4")                                                            \
	X(ip4in6, "4in6", "IPv4 in IPv6")                                                          \
	X(ip6in4, "6in4", "IPv6 in IPv4")                                                          \
	X(ip6in6, "6in6", "IPv6 in IPv6")                                                          \
	X(etherip, "etherip", "Ethernet in IP")

#define WORD_ENUM_OUTCOME(name, meaning) OUTCOME_##name,
#define WORD_ENUM_WHY(name, meaning)     WHY_##name,
#define WORD_ENUM_FLAG(name, meaning)    FLAG_BIT_##name,
#define WORD_ENUM_MASK(name, meaning)    FLAG_##name = 1u << FLAG_BIT_##name,

enum outcome { OUTCOME_LIST(WORD_ENUM_OUTCOME) OUTCOME_COUNT };
enum why { WHY_LIST(WORD_ENUM_WHY) WHY_COUNT, WHY_none = 255 };
enum flag_bit { FLAG_LIST(WORD_ENUM_FLAG) FLAG_COUNT };
enum flag { FLAG_LIST(WORD_ENUM_MASK) };

#define WORD_ENUM_TUNNEL(id, name, meaning) TUNNEL_##id,
enum tunnel_type { TUNNEL_LIST(WORD_ENUM_TUNNEL) TUNNEL_COUNT };

/* The names, for text. NULL for a number that is not in the list. */
const char *outcome_name(unsigned outcome);
const char *why_name(unsigned why);
const char *flag_name(unsigned bit);
const char *flag_meaning(unsigned bit);
const char *why_meaning(unsigned why);
const char *tunnel_name(unsigned type);

#endif
