/* upgrade - what http1 hands over with conn_become_with() when an Upgrade is granted.
 *
 *     target | subprotocol | extensions        each: 2 bytes of length, top bit: cut; the text
 *
 * What was not seen is empty. Subprotocol and extensions are those of WebSocket (RFC 6455 4.2.2):
 * as the server has granted them.
 */
#ifndef DISSECTORS_UPGRADE_H
#define DISSECTORS_UPGRADE_H

#include <string.h>

#include "dissectors/dissector.h"

enum { UPGRADE_TEXT_BYTES = 336, UPGRADE_CUT = 0x8000 };

struct upgrade_text {
	uint16_t bytes;
	bool cut;
	uint8_t at[UPGRADE_TEXT_BYTES];
};

struct upgrade {
	struct upgrade_text target, subprotocol, extensions;
};

_Static_assert(3 * (2 + UPGRADE_TEXT_BYTES) <= HANDED_BYTES, "a note");

/* upgrade_add - a line of a header that may be sent in several, or the target: `, ` in between. */
static inline void upgrade_add(struct upgrade_text *t, struct slice s)
{
	size_t room;

	if (t->bytes > 0 && t->bytes + 2 <= UPGRADE_TEXT_BYTES) {
		memcpy(t->at + t->bytes, ", ", 2);
		t->bytes += 2;
	}
	room = UPGRADE_TEXT_BYTES - t->bytes;
	if (s.bytes > room)
		t->cut = true;
	room = s.bytes < room ? s.bytes : room;
	if (room > 0)
		memcpy(t->at + t->bytes, s.at, room);
	t->bytes += (uint16_t)room;
}

static inline size_t upgrade_put(uint8_t *at, const struct upgrade_text *t)
{
	uint16_t length = (uint16_t)(t->bytes | (t->cut ? UPGRADE_CUT : 0));

	at[0] = (uint8_t)(length >> 8);
	at[1] = (uint8_t)length;
	memcpy(at + 2, t->at, t->bytes);
	return 2u + t->bytes;
}

/* upgrade_write - the note. Returns its bytes. */
static inline size_t upgrade_write(const struct upgrade *u, uint8_t ret[HANDED_BYTES])
{
	size_t n = upgrade_put(ret, &u->target);

	n += upgrade_put(ret + n, &u->subprotocol);
	return n + upgrade_put(ret + n, &u->extensions);
}

static inline struct slice upgrade_text_of(struct cursor *c, bool *ret_cut)
{
	uint16_t length = cursor_be16(c);

	*ret_cut = (length & UPGRADE_CUT) != 0;
	return cursor_take(c, length & 0x7fffu);
}

/* The parts of a note, borrowed from it. */
struct upgrade_read {
	struct slice target, subprotocol, extensions;
	bool target_cut, subprotocol_cut, extensions_cut;
};

/* upgrade_read - false: it is none, nothing is known. */
static inline bool upgrade_read(struct slice note, struct upgrade_read *ret)
{
	struct cursor c = cursor_over(note);
	struct upgrade_read r;

	r.target = upgrade_text_of(&c, &r.target_cut);
	r.subprotocol = upgrade_text_of(&c, &r.subprotocol_cut);
	r.extensions = upgrade_text_of(&c, &r.extensions_cut);
	if (c.failed)
		return false;
	*ret = r;
	return true;
}

#endif
