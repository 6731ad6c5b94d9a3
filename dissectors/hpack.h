/* hpack - header blocks of HTTP/2 (RFC 7541), one decoder for each side; nghttp2's, with what
 * watching needs around it.
 *
 * Who joins a connection late has not seen the entries that its table holds. The decoder then
 * begins with a table full of entries that stand for "unknown": a block may refer to them, the line
 * it makes is unknown and said to be, and entries that come later find their right places before
 * them. So nothing drifts: what is told is right. That holds while the table is no larger than the
 * protocol's default, which is what nearly everybody uses; where a block refers beyond it the
 * decoder is broken for good, and says so.
 *
 * Memory: the connection's, by conn_take() and its fellows.
 */
#ifndef DISSECTORS_HPACK_H
#define DISSECTORS_HPACK_H

#include "dissectors/dissector.h"

struct hpack;

/* A line of a block. `name.at` NULL: it refers to what was never seen. Borrowed for the call. */
typedef void hpack_line_fn(void *context, struct slice name, struct slice value);

/* hpack_new - NULL: no memory. `late`: the side's earlier blocks were not captured. */
struct hpack *hpack_new(struct conn *c, bool late);
/* hpack_free - accepts NULL. */
void hpack_free(struct hpack *h);

/* hpack_decode - a piece of a block; `last` ends the block. Returns false if it cannot be decoded:
 * then no later block can be either, and every further call returns false. */
bool hpack_decode(struct hpack *h, struct slice piece, bool last, hpack_line_fn *line,
		  void *context);

/* hpack_limit - the other side has allowed a table of so many bytes (SETTINGS_HEADER_TABLE_SIZE,
 * once it is acknowledged). */
void hpack_limit(struct hpack *h, uint32_t bytes);

#endif
