/* l4 - TCP and UDP headers, and where their payload is. */
#ifndef DATAPLANE_DECODE_L4_H
#define DATAPLANE_DECODE_L4_H

#include "dataplane/decode/ip.h"

/* l4_decode - read the transport header of `ip`.
 *
 * Sets p's TCP fields, payload, ports and protocol of the key. The key is not put in order yet.
 * Returns: C_to_flow, or the ledger line where the packet ends.
 */
enum counter l4_decode(const struct decode_settings *s, struct packet *p,
		       const struct ip_packet *ip);

#endif
