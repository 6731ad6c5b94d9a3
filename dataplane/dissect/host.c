/* host - bytes of a connection become calls of its dissector. See host.h and
 * dissectors/dissector.h. */
#include "dataplane/dissect/host.h"

#include <string.h>

#include "dataplane/base/ballast.h"
#include "dataplane/base/ensure.h"
#include "dataplane/dissect/rest.h"

/* A side joined in the middle of a body is looked at afresh at so many segments before it is given
 * up. */
enum { MIDSTREAM_TRIES = 32, BECOMES_MAX = 4 };

/* Whom a connection becomes when that is still to be found out. */
enum { DISSECTOR_ANEW = 254 };

static bool apply_become(struct conn *c);
static void finish_closed(struct conn *c, struct conn_side *s);

/* ---- waiting for the peer ---- */

static void unlist(struct host *h, struct conn_side *s)
{
	if (!s->listed)
		return;
	s->listed = false;
	if (s->wait_prev == NULL)
		h->wait_first = s->wait_next;
	else
		s->wait_prev->wait_next = s->wait_next;
	if (s->wait_next == NULL)
		h->wait_last = s->wait_prev;
	else
		s->wait_next->wait_prev = s->wait_prev;
}

static void wait_end(struct host *h, struct conn_side *s)
{
	s->waiting = false;
	unlist(h, s);
}

/* A side that waits on, having taken nothing, keeps its time and its place in the list. So whoever
 * is put there is the newest, and nobody has to look for his place. */
static void wait_begin(struct host *h, struct conn_side *s)
{
	s->waiting = true;
	if (s->listed)
		return;
	s->listed = true;
	s->wait_since_ns = h->clock->now_ns;
	s->wait_prev = h->wait_last;
	s->wait_next = NULL;
	if (h->wait_last == NULL)
		h->wait_first = s;
	else
		h->wait_last->wait_next = s;
	h->wait_last = s;
	if (s->wait_since_ns + h->settings.gap_wait_ns < *h->due_ns)
		*h->due_ns = s->wait_since_ns + h->settings.gap_wait_ns;
}

/* ---- gathering ---- */

static void gathered_free(struct host *h, struct conn_side *s)
{
	if (s->gathered == NULL)
		return;
	arena_give(h->arena, s->gathered->at, s->gathered->room);
	arena_give(h->arena, s->gathered, sizeof(*s->gathered));
	s->gathered = NULL;
}

static bool gathered_grow(struct host *h, struct gathered *g, uint32_t need)
{
	uint32_t room = g->room == 0 ? 2048 : g->room;
	uint8_t *moved;

	while (room < need)
		room *= 2;
	moved = g->at == NULL ? arena_take(h->arena, room)
			      : arena_resize(h->arena, g->at, g->room, room);
	if (moved == NULL)
		return false;
	g->at = moved;
	g->room = room;
	return true;
}

static void gather(struct conn *c, struct conn_side *s, uint64_t offset, struct slice bytes)
{
	struct host *h = c->host;
	struct gathered *g = s->gathered;

	if (g == NULL) {
		g = s->gathered = arena_take(h->arena, sizeof(*g));
		if (g != NULL) /* marks are written before they are read */
			g->at = NULL, g->bytes = 0, g->room = 0, g->mark_count = 0;
	}
	if (g == NULL || (g->bytes + bytes.bytes > g->room &&
			  !gathered_grow(h, g, g->bytes + (uint32_t)bytes.bytes))) {
		count(h->counters, out_of_memory);
		s->opaque = true;
		gathered_free(h, s);
		return;
	}
	if (g->mark_count < MARKS)
		g->mark[g->mark_count++] = (struct mark){ offset, s->segment };
	else /* what the packets behind it acknowledged is not known any more: pairing must not go
		by it */
		g->mark[MARKS - 1].segment.acked = UINT64_MAX;
	memcpy(g->at + g->bytes, bytes.at, bytes.bytes);
	g->bytes += (uint32_t)bytes.bytes;
}

/* The first `bytes` gathered are done with. */
static void gathered_drop(struct conn *c, struct conn_side *s, size_t bytes)
{
	struct gathered *g = s->gathered;
	uint32_t keep = 0;

	if (bytes == g->bytes) {
		gathered_free(c->host, s);
		return;
	}
	memmove(g->at, g->at + bytes, g->bytes - bytes);
	g->bytes -= (uint32_t)bytes;
	while (keep + 1 < g->mark_count && g->mark[keep + 1].offset <= s->at)
		keep++;
	memmove(g->mark, g->mark + keep, (g->mark_count - keep) * sizeof(g->mark[0]));
	g->mark_count -= keep;
}

/* ---- feeding ---- */

static size_t take_skipped(struct conn *c, struct conn_side *s, struct slice in)
{
	size_t n = in.bytes < s->skip ? in.bytes : (size_t)s->skip;

	if (n > 0)
		message_skipped(c, s->skip_message, slice_of(in.at, n));
	if (s->skip != UINT64_MAX)
		s->skip -= n;
	return n;
}

static size_t take_opaque(struct conn *c, struct slice in)
{
	count_by(c->host->counters, opaque_bytes, in.bytes);
	return in.bytes;
}

/* What is gathered goes by unread. */
static void pass_over_gathered(struct conn *c, struct conn_side *s)
{
	if (s->gathered == NULL)
		return;
	s->at += take_opaque(c, slice_of(s->gathered->at, s->gathered->bytes));
	gathered_free(c->host, s);
}

/* Offer `in` until its end, or until the dissector wants more than is there. s->at follows what is
 * taken. Returns how many bytes are done with. */
static size_t feed(struct conn *c, struct conn_side *s, struct slice in)
{
	size_t total = 0;
	bool call = false; /* after skipped bytes feed() is owed a call, even with nothing */

	while (in.bytes > 0 || call) {
		bool owed = call, changed;
		size_t n;

		if (c->phase == CONN_OPAQUE || s->opaque) {
			n = take_opaque(c, in);
			call = false;
		} else if (s->skip > 0) {
			n = take_skipped(c, s, in);
			call = s->skip == 0;
		} else if (in.bytes < s->need && !s->last && !call) {
			return total;
		} else {
			s->need = 0;
			s->in = in;
			n = c->dissector->feed(c, (enum side)s->side, in);
			ENSURE(n <= in.bytes);
			s->in = (struct slice){ 0 };
			call = false;
			changed = apply_become(c);
			if (n == 0 && !owed && s->skip == 0 && !changed &&
			    c->phase == CONN_SPOKEN && !s->opaque)
				return total;
		}
		total += n;
		s->at += n;
		in = slice_after(in, n);
		if (unlikely(c->phase == CONN_UNDECIDED))
			return total;
	}
	return total;
}

/* Offer what is gathered. Returns true if any of it was taken. */
static bool feed_gathered(struct conn *c, struct conn_side *s)
{
	struct gathered *g = s->gathered;
	size_t taken;

	if (g == NULL)
		return false;
	taken = feed(c, s, slice_of(g->at, g->bytes));
	s->anew = false;
	if (taken > 0)
		gathered_drop(c, s, taken);
	if (s->listed && (taken > 0 || !s->waiting)) {
		unlist(c->host, s);
		if (s->waiting)
			wait_begin(c->host, s); /* for something new */
	}
	return taken > 0;
}

/* One side has moved: the other may have been waiting for just that, or somebody else reads it now;
 * and so on in turns. */
static void settle(struct conn *c, struct conn_side *moved)
{
	struct conn_side *s = &c->side[side_other((enum side)moved->side)];

	while ((s->waiting || s->anew) && c->phase == CONN_SPOKEN) {
		s->waiting = false;
		if (!feed_gathered(c, s))
			return;
		if (s->closing && !s->waiting && !c->anew)
			finish_closed(c, s);
		s = &c->side[side_other((enum side)s->side)];
	}
}

/* The wait is over, or can have no good end: the dissector must decide with what is there. */
static void decide(struct conn *c, struct conn_side *s)
{
	wait_end(c->host, s);
	s->waited = true;
	feed_gathered(c, s);
	s->waited = false;
}

static void give_up_side(struct conn *c, struct conn_side *s)
{
	wait_end(c->host, s);
	s->opaque = true;
	pass_over_gathered(c, s);
}

/* New bytes behind those gathered, or gathered bytes that may go on. */
static void move(struct conn *c, struct conn_side *s)
{
	if (s->gathered == NULL)
		return;
	if (s->waiting && s->gathered->bytes < c->host->settings.head_bytes)
		return;
	if (s->waiting)
		decide(c, s);
	else
		feed_gathered(c, s);
	if (s->gathered != NULL && !s->waiting && c->phase == CONN_SPOKEN &&
	    s->gathered->bytes >= c->host->settings.head_bytes)
		give_up_side(c, s);
}

/* ---- who speaks ---- */

static void become_opaque(struct conn *c)
{
	if (c->phase != CONN_OPAQUE)
		count(c->host->counters, flows_opaque);
	conn_state_free(c);
	c->phase = CONN_OPAQUE;
	c->dissector = NULL;
	for (int i = 0; i < 2; i++) {
		c->side[i].skip = 0;
		c->side[i].need = 0;
		wait_end(c->host, &c->side[i]);
	}
}

static void speak(struct conn *c, uint32_t proto)
{
	conn_state_free(c);
	for (int i = 0; i < 2; i++) {
		wait_end(c->host, &c->side[i]);
		c->side[i].need = 0;
		c->side[i].anew = c->side[i].gathered != NULL;
	}
	c->state = conn_state_take(c->host, proto);
	if (c->state == NULL) {
		count(c->host->counters, out_of_memory);
		become_opaque(c);
		return;
	}
	c->proto = (uint8_t)proto;
	c->dissector = dissectors[proto];
	c->phase = CONN_SPOKEN;
}

static bool is_spoken_here(const struct conn *c, const struct dissector *d)
{
	return conn_is_datagrams(c) ? d->datagrams != NULL : d->feed != NULL;
}

/* What follows is looked at like the beginning of a connection. */
static void forget_protocol(struct conn *c)
{
	conn_state_free(c);
	c->phase = CONN_UNDECIDED;
	c->dissector = NULL;
	c->anew = true;
	for (int i = 0; i < 2; i++) {
		struct conn_side *s = &c->side[i];

		wait_end(c->host, s);
		s->skip = 0;
		s->need = 0;
		s->segments = 0;
		s->tries = 0;
		s->refused = false;
		s->candidates = UINT64_MAX;
	}
}

/* A dissector asked for the change while it was running: it happens when it has returned. Returns
 * true if it did: what was not taken is for somebody else. */
static bool apply_become(struct conn *c)
{
	if (likely(!c->becomes_now))
		return false;
	c->becomes_now = false;
	conn_memory_free(c->host, &c->handed);
	c->handed = c->hands;
	c->hands = NULL;
	if (c->becomes == DISSECTOR_ANEW && !conn_is_datagrams(c) && c->changes++ < BECOMES_MAX)
		forget_protocol(c);
	else if (c->becomes >= dissector_count || !is_spoken_here(c, dissectors[c->becomes]) ||
		 c->changes++ >= BECOMES_MAX)
		become_opaque(c);
	else
		speak(c, c->becomes);
	return true;
}

static void replay_side(struct conn *c, struct conn_side *s)
{
	if (s->closed)
		finish_closed(c, s);
	else
		move(c, s);
}

/* The protocol is decided: what was gathered of both sides meanwhile goes its way. */
static void replay_gathered(struct conn *c, struct conn_side *first)
{
	struct conn_side *other = &c->side[side_other((enum side)first->side)];

	replay_side(c, first);
	if (other->gathered != NULL || other->closed) {
		replay_side(c, other);
		settle(c, other);
	}
	settle(c, first);
}

/* Forget what was gathered: the next bytes of an undecided side are looked at for themselves. */
static void look_afresh(struct conn *c, struct conn_side *s)
{
	wait_end(c->host, s);
	s->segments = 0;
	s->candidates = UINT64_MAX;
	pass_over_gathered(c, s);
}

/* Nobody knows this side's bytes. The other side may tell; a side joined in the middle of something
 * is looked at afresh with its next segment. */
static void refuse(struct conn *c, struct conn_side *s)
{
	const struct conn_side *o = &c->side[side_other((enum side)s->side)];

	wait_end(c->host, s);
	if (s->midstream && s->tries < MIDSTREAM_TRIES) {
		s->tries++;
		look_afresh(c, s);
		return;
	}
	s->refused = true;
	if (o->refused) {
		become_opaque(c);
		give_up_side(c, &c->side[SIDE_A]);
		give_up_side(c, &c->side[SIDE_B]);
	}
}

/* Nobody knew the side's beginning, and the other side has not spoken: little is kept for it.
 * Should it tell the protocol after all, this side is joined in the middle. */
static void pass_over(struct conn *c, struct conn_side *s, struct slice bytes)
{
	pass_over_gathered(c, s);
	s->midstream = true;
	s->at += take_opaque(c, bytes);
}

/* Why a side is looked at. */
enum pause { PAUSE_NONE, PAUSE_PEER_SPOKE, PAUSE_OVER };

static enum guess ask(const struct conn *c, struct conn_side *s, enum pause pause, uint32_t *ret)
{
	uint16_t port = c->flow->key.port[side_other((enum side)s->side)];
	struct slice first = slice_of(s->gathered->at, s->gathered->bytes);
	uint64_t candidates = s->candidates;
	enum guess guess;
	bool last;

	last = pause != PAUSE_NONE || first.bytes >= IDENTIFY_PROBE_BYTES ||
	       s->segments >= IDENTIFY_SEGMENTS;
	if (first.bytes > IDENTIFY_PROBE_BYTES)
		first.bytes = IDENTIFY_PROBE_BYTES;
	guess = identify_side(c->host->identify, first, port, last, &s->candidates, ret);
	if (guess != GUESS_NO || pause == PAUSE_OVER || s->midstream ||
	    first.bytes >= IDENTIFY_SCAN_BYTES)
		return guess;
	/* Three segments, or the peer's first, are enough for a yes. For a no they are not where
	 * segments are of a few bytes each, or come out of order. */
	s->candidates = candidates;
	return identify_side(c->host->identify, first, port, false, &s->candidates, ret);
}

static void identify(struct conn *c, struct conn_side *s, enum pause pause)
{
	uint32_t proto = DISSECTOR_NONE;

	if (s->gathered == NULL || s->refused)
		return;
	switch (ask(c, s, pause, &proto)) {
	case GUESS_YES:
	case GUESS_MAYBE:
		speak(c, proto);
		replay_gathered(c, s);
		break;
	case GUESS_MORE: break;
	case GUESS_NO: refuse(c, s); break;
	}
}

static void undecided(struct conn *c, struct conn_side *s, uint64_t offset, struct slice bytes)
{
	struct conn_side *o = &c->side[side_other((enum side)s->side)];
	size_t kept = s->gathered == NULL ? 0 : s->gathered->bytes;

	if (s->refused && kept + bytes.bytes > IDENTIFY_PROBE_BYTES) {
		pass_over(c, s, bytes);
		return;
	}
	gather(c, s, offset, bytes);
	if (s->gathered == NULL)
		return;
	if (s->segments < UINT8_MAX)
		s->segments++;
	/* The other side speaking is the pause that a short first message was waiting for. */
	if (o->gathered != NULL && !o->refused)
		identify(c, o, PAUSE_PEER_SPOKE);
	if (c->phase == CONN_UNDECIDED)
		identify(c, s, PAUSE_NONE);
	if (c->phase != CONN_UNDECIDED || s->gathered == NULL)
		return;
	if (!s->refused)
		wait_begin(c->host, s); /* a pause will do as well as more bytes */
	else if (s->gathered->bytes > IDENTIFY_PROBE_BYTES)
		pass_over(c, s, slice_of(NULL, 0));
}

/* Both sides go on as somebody else, and what is there of them is their first segment. */
static void identify_anew(struct conn *c)
{
	c->anew = false;
	for (int i = 0; i < 2 && c->phase == CONN_UNDECIDED; i++) {
		struct conn_side *s = &c->side[i];

		if (s->gathered == NULL)
			continue;
		s->segments = 1;
		identify(c, s, s->closing || s->closed ? PAUSE_OVER : PAUSE_NONE);
		if (c->phase == CONN_UNDECIDED && s->gathered != NULL && !s->refused)
			wait_begin(c->host, s);
	}
	for (int i = 0; i < 2 && !c->anew; i++)
		if (c->side[i].closing && !c->side[i].waiting)
			finish_closed(c, &c->side[i]);
	if (unlikely(c->anew))
		identify_anew(c); /* as often as it may change: BECOMES_MAX */
}

/* ---- the sink ---- */

static struct conn *conn_make(struct host *h, struct flow *f, enum side side, uint64_t offset)
{
	struct conn *c = conn_new(h, f);

	if (c == NULL)
		return NULL;
	c->queue.midstream = ((f->direction[0].seen | f->direction[1].seen) & SEEN_SYN) == 0;
	for (uint8_t i = 0; i < 2; i++) {
		/* Made late, for want of memory, it is joined in the middle too. */
		uint64_t seen = i == side ? offset : f->direction[i].next;

		c->side[i].midstream = c->queue.midstream || seen > 0;
	}
	return c;
}

/* The flow's connection: woken, or made now. */
static struct conn *conn_for(struct host *h, struct flow *f, enum side side, uint64_t offset)
{
	struct conn *c = f->sink;

	if (likely(c != NULL))
		return c;
	if (conn_rests_unread(f))
		return NULL;
	c = conn_wake(h, f);
	return c != NULL ? c : conn_make(h, f, side, offset);
}

static void take(struct conn *c, enum side side, uint64_t offset, struct slice bytes,
		 const struct segment *from)
{
	struct conn_side *s = &c->side[side];
	size_t taken;

	s->segment = *from;
	if (unlikely(from->conflict))
		conn_flag_messages(c, side, FLAG_overlap_conflict);
	/* Most segments are the middle of a body. */
	if (s->skip > bytes.bytes && s->gathered == NULL && c->phase == CONN_SPOKEN) {
		s->at = offset + take_skipped(c, s, bytes);
		return;
	}
	if (s->gathered == NULL)
		s->at = offset;
	if (unlikely(c->phase == CONN_UNDECIDED)) {
		undecided(c, s, offset, bytes);
		return;
	}
	if (likely(s->gathered == NULL)) {
		taken = feed(c, s, bytes);
		if (unlikely(taken < bytes.bytes)) {
			gather(c, s, offset + taken, slice_after(bytes, taken));
			/* They have just been offered: again only as all there will be. */
			if (s->gathered != NULL &&
			    s->gathered->bytes >= c->host->settings.head_bytes)
				move(c, s);
		}
	} else {
		gather(c, s, offset, bytes);
		move(c, s);
	}
	settle(c, s);
	if (unlikely(c->anew))
		identify_anew(c);
}

static void deliver(void *context, struct flow *f, enum side side, uint64_t offset,
		    struct slice bytes, const struct segment *from)
{
	struct host *h = context;
	enum stage before = stage_switch(h->timer, STAGE_dissect);
	struct conn *c = conn_for(h, f, side, offset);

	BALLAST(dissect, 1);
	if (likely(c != NULL)) {
		take(c, side, offset, bytes, from);
		if (unlikely(h->conns > h->settings.conns_awake || c->phase == CONN_OPAQUE))
			conn_rest(c);
	} else if (conn_rests_unread(f)) {
		count_by(h->counters, opaque_bytes, bytes.bytes);
	}
	stage_switch(h->timer, before);
}

/* ---- datagrams ---- */

/* Nobody knows this datagram. After two of a side nobody looks at more of it, after two of each at
 * none. */
static void refuse_datagram(struct host *h, struct flow *f, enum side side)
{
	const uint8_t all = IDENTIFY_DATAGRAMS << 4 | IDENTIFY_DATAGRAMS;

	f->refused = (uint8_t)(f->refused + (side == SIDE_A ? 1 : 1 << 4));
	if (f->refused == all)
		count(h->counters, flows_opaque);
}

static bool is_refused(const struct flow *f, enum side side)
{
	return (f->refused >> (side == SIDE_A ? 0 : 4) & 0xf) >= IDENTIFY_DATAGRAMS;
}

/* The connection of a datagram that somebody knows; NULL: nobody, or no memory. */
static struct conn *datagram_conn(struct host *h, struct flow *f, enum side side, uint64_t offset,
				  struct slice bytes)
{
	uint16_t port = f->key.port[side_other(side)];
	uint32_t proto;
	struct conn *c;

	if (is_refused(f, side))
		return NULL;
	if (!identify_datagram(h->identify, bytes, port, &proto)) {
		refuse_datagram(h, f, side);
		return NULL;
	}
	c = conn_make(h, f, side, offset);
	if (c == NULL)
		return NULL;
	/* No datagram says whether another came before it. */
	c->queue.midstream = false;
	c->queue.datagrams = true;
	c->side[SIDE_A].midstream = c->side[SIDE_B].midstream = false;
	c->side[SIDE_A].last = c->side[SIDE_B].last = true;
	speak(c, proto);
	return c;
}

static size_t take_datagram(struct conn *c, struct conn_side *s, struct slice in)
{
	size_t n;

	if (c->phase != CONN_SPOKEN)
		return 0;
	s->in = in;
	n = c->dissector->datagrams->take(c, (enum side)s->side, in);
	ENSURE(n <= in.bytes);
	s->in = (struct slice){ 0 };
	s->skip = 0;
	s->skip_message = NULL;
	wait_end(c->host, s);
	apply_become(c);
	return n;
}

static void datagram(void *context, struct flow *f, enum side side, uint64_t offset,
		     struct slice bytes, bool cut, const struct segment *from)
{
	struct host *h = context;
	struct conn *c = f->sink;
	enum stage before = stage_switch(h->timer, STAGE_dissect);
	size_t taken = 0;

	BALLAST(dissect, 1);
	if (c == NULL)
		c = datagram_conn(h, f, side, offset, bytes);
	if (c != NULL) {
		c->side[side].segment = *from;
		c->side[side].cut = cut;
		c->side[side].at = offset;
		taken = take_datagram(c, &c->side[side], bytes);
		c->side[side].at = offset + bytes.bytes;
	}
	count_by(h->counters, datagrams_read, taken);
	count_by(h->counters, datagrams_opaque, bytes.bytes - taken);
	stage_switch(h->timer, before);
}

/* ---- ends ---- */

/* Nothing can be added to what is gathered: offer it once more, then drop it. */
static void offer_rest(struct conn *c, struct conn_side *s)
{
	if (c->phase == CONN_UNDECIDED && s->gathered != NULL && !s->refused)
		identify(c, s, PAUSE_OVER);
	s->last = true;
	if (c->phase == CONN_SPOKEN)
		decide(c, s);
	s->last = s->closed;
	if (c->phase != CONN_UNDECIDED)
		pass_over_gathered(c, s);
}

/* The call that feed() is owed after the last skipped byte. */
static void feed_nothing(struct conn *c, struct conn_side *s)
{
	c->dissector->feed(c, (enum side)s->side, s->in);
	apply_become(c);
}

/* A gap in a body costs bytes, no message, and so does what is not followed. Where one body ends
 * another may begin: what lies between the chunks of HTTP is skipped as well. Returns what of the
 * gap lies behind the last of them. */
static uint64_t pass_in_body(struct conn *c, struct conn_side *s, uint64_t bytes, enum flag flag)
{
	while (bytes > 0 && s->skip > 0) {
		size_t n;

		message_flag(s->skip_message, flag);
		n = take_skipped(c, s, slice_of(NULL, bytes));
		s->at += n;
		bytes -= n;
		if (s->skip == 0 && c->phase == CONN_SPOKEN)
			feed_nothing(c, s);
	}
	return bytes;
}

static void gap(void *context, struct flow *f, enum side side, uint64_t offset, uint64_t bytes,
		bool cut)
{
	struct conn *c = conn_for(context, f, side, offset);
	struct conn_side *s;
	uint64_t left;

	if (c == NULL)
		return;
	s = &c->side[side];
	offer_rest(c, s);
	s->at = offset;
	s->cut = cut;
	left = pass_in_body(c, s, bytes, FLAG_gap_in_body);
	s->at = offset + bytes;
	if (left > 0) {
		bool server = c->client == SIDE_UNKNOWN ? c->phase == CONN_UNDECIDED
							: c->client != side;

		pair_gap(c->host->pair, &c->queue, server, offset + bytes - left, left);
		if (c->reverse != NULL)
			pair_gap(c->host->pair, c->reverse, !server, offset + bytes - left, left);
		if (c->phase == CONN_SPOKEN && !s->opaque) {
			if (c->dissector->gap(c, side, left) == RESYNC_OPAQUE)
				s->opaque = true;
			apply_become(c);
		}
		if (c->phase == CONN_UNDECIDED) {
			/* What is on both sides of the gap must not be joined. */
			s->midstream = true;
			if (s->gathered != NULL)
				look_afresh(c, s);
		}
	}
	s->cut = false;
	settle(c, s);
	if (unlikely(c->anew))
		identify_anew(c);
}

/* Enough of a body has been seen, and all that is kept of it. */
static uint64_t unfollowed(void *context, struct flow *f, enum side side)
{
	const struct host_settings *h = &((struct host *)context)->settings;
	const struct conn *c = f->sink;
	const struct conn_side *s = c == NULL ? NULL : &c->side[side];
	const struct message *m = s == NULL ? NULL : s->skip_message;

	if (m == NULL || c->phase != CONN_SPOKEN || s->gathered != NULL || s->skip == 0 ||
	    s->skip == UINT64_MAX || m->body_bytes < h->shunt_bytes ||
	    m->body_bytes < h->body_limit_bytes || m->body_bytes < m->keep_bytes)
		return 0;
	return s->at + s->skip;
}

static void skip(void *context, struct flow *f, enum side side, uint64_t offset, uint64_t bytes,
		 const struct segment *from)
{
	struct conn *c = f->sink;
	struct conn_side *s;
	uint64_t left;

	if (c == NULL)
		return;
	s = &c->side[side];
	if (from != NULL)
		s->segment = *from;
	s->at = offset;
	left = pass_in_body(c, s, bytes, FLAG_shunted);
	if (left > 0)
		gap(context, f, side, offset + bytes - left, left, false);
	settle(c, s);
}

/* Reassembly has closed the side, and it waits for nothing any more: what is left is offered, the
 * dissector has the last word, then its messages end. */
static void finish_closed(struct conn *c, struct conn_side *s)
{
	enum side side = (enum side)s->side;
	bool owed;

	offer_rest(c, s);
	if (unlikely(c->anew))
		return; /* somebody else may have something to say first */
	s->closing = false;
	s->closed = s->last = true;
	owed = s->skip != 0;
	if (c->phase == CONN_SPOKEN) {
		s->skip = 0;
		if (owed)
			feed_nothing(c, s);
		if (c->phase == CONN_SPOKEN && c->dissector->close != NULL)
			c->dissector->close(c, side, (enum why)c->why);
	}
	conn_finish_messages(c, side);
}

static void close_side(void *context, struct flow *f, enum side side, enum why why)
{
	struct conn *c = f->sink != NULL ? f->sink : conn_wake(context, f);
	struct conn_side *s, *o;

	if (c == NULL)
		return;
	s = &c->side[side];
	o = &c->side[side_other(side)];
	c->why = (uint8_t)why;
	s->closing = true;
	/* What waits for the peer may still get what it waits for. */
	if (!s->waiting || o->closed || c->phase != CONN_SPOKEN)
		finish_closed(c, s);
	settle(c, s);
	if (o->closing && s->closed)
		finish_closed(c, o);
	if (unlikely(c->anew))
		identify_anew(c);
}

static void end(void *context, struct flow *f)
{
	struct host *h = context;
	struct conn *c = f->sink;

	conn_forget(f);
	if (c == NULL)
		return;
	for (int i = 0; i < 2; i++) {
		if (c->side[i].closing)
			finish_closed(c, &c->side[i]);
		if (c->anew)
			identify_anew(c);
	}
	if (c->phase == CONN_UNDECIDED)
		become_opaque(c);
	for (int i = 0; i < 2; i++) {
		if (c->side[i].gathered != NULL)
			give_up_side(c, &c->side[i]);
		wait_end(h, &c->side[i]);
	}
	conn_finish_messages(c, SIDE_UNKNOWN);
	pair_close(h->pair, &c->queue, (enum why)c->why);
	if (c->reverse != NULL) {
		pair_close(h->pair, c->reverse, (enum why)c->why);
		arena_give(h->arena, c->reverse, sizeof(*c->reverse));
	}
	conn_memory_free(h, &c->handed);
	conn_free(c);
}

static uint64_t compare(void *context, const struct flow *f, enum side side, uint64_t offset,
			struct slice bytes)
{
	const struct conn *c = f->sink;
	const struct conn_side *s;
	uint64_t from, to, differ = 0;

	(void)context;
	if (c == NULL || c->side[side].gathered == NULL)
		return 0;
	s = &c->side[side];
	from = offset > s->at ? offset : s->at;
	to = offset + bytes.bytes;
	to = to < s->at + s->gathered->bytes ? to : s->at + s->gathered->bytes;
	for (uint64_t i = from; i < to; i++)
		differ += s->gathered->at[i - s->at] != bytes.at[i - offset];
	return differ;
}

static uint64_t timers(void *context, uint64_t now_ns)
{
	struct host *h = context;
	uint64_t due = UINT64_MAX, pair_due;

	while (h->wait_first != NULL) {
		struct conn_side *s = h->wait_first;
		uint64_t at = s->wait_since_ns + h->settings.gap_wait_ns;

		if (at > now_ns) {
			due = at;
			break;
		}
		if (conn_of(s)->phase == CONN_UNDECIDED) {
			wait_end(h, s);
			identify(conn_of(s), s, PAUSE_OVER);
		} else {
			decide(conn_of(s), s);
			if (s->closing && !conn_of(s)->anew)
				finish_closed(conn_of(s), s);
			settle(conn_of(s), s);
			if (unlikely(conn_of(s)->anew))
				identify_anew(conn_of(s));
		}
	}
	pair_due = pair_timers(h->pair, now_ns);
	return due < pair_due ? due : pair_due;
}

struct sink host_sink(struct host *h)
{
	return (struct sink){ .context = h,
			      .deliver = deliver,
			      .datagram = datagram,
			      .gap = gap,
			      .unfollowed = unfollowed,
			      .skip = skip,
			      .close = close_side,
			      .end = end,
			      .compare = compare,
			      .timers = timers,
			      .due_ns = &h->due_ns };
}

void host_init(struct host *h, const struct host_settings *s, const struct identify *identify_,
	       struct pair *pair, struct arena *arena, struct counters *counters,
	       struct pipeline_clock *clock, struct stage_timer *timer)
{
	*h = (struct host){ .pair = pair,
			    .counters = counters,
			    .clock = clock,
			    .timer = timer,
			    .identify = identify_,
			    .arena = arena,
			    .settings = *s };
}

void host_fini(struct host *h)
{
	if (h->arena != NULL)
		conn_spare_fini(h);
	*h = (struct host){ 0 };
}

/* ---- what dissectors call ---- */

void *conn_state(struct conn *c)
{
	return c->state;
}

enum side conn_client(const struct conn *c)
{
	return (enum side)c->client;
}

bool conn_is_midstream(const struct conn *c, enum side side)
{
	return c->side[side].midstream;
}

bool conn_is_cut(const struct conn *c, enum side side)
{
	return c->side[side].cut;
}

uint16_t conn_port(const struct conn *c, enum side side)
{
	return c->flow->key.port[side];
}

void conn_need(struct conn *c, enum side side, size_t bytes)
{
	uint32_t most = c->host->settings.head_bytes;

	c->side[side].need = bytes < most ? (uint32_t)bytes : most;
}

bool conn_full(const struct conn *c, enum side side)
{
	const struct conn_side *s = &c->side[side];

	return s->last || s->in.bytes >= c->host->settings.head_bytes;
}

void conn_skip(struct conn *c, enum side side, uint64_t bytes, struct message *m)
{
	c->side[side].skip = bytes;
	c->side[side].skip_message = m;
}

void conn_wait_peer(struct conn *c, enum side side)
{
	/* Who is asked to decide cannot put it off again. */
	if (!c->side[side].waited)
		wait_begin(c->host, &c->side[side]);
}

bool conn_waited(const struct conn *c, enum side side)
{
	return c->side[side].waited;
}

static struct memory *memory_of(void *data)
{
	return container_of(data, struct memory, data[0]);
}

static void memory_link(struct conn *c, struct memory *m)
{
	m->prev = NULL;
	m->next = c->memory;
	if (c->memory != NULL)
		c->memory->prev = m;
	c->memory = m;
	c->memory_bytes += (uint32_t)m->bytes;
}

static void memory_unlink(struct conn *c, struct memory *m)
{
	if (m->prev == NULL)
		c->memory = m->next;
	else
		m->prev->next = m->next;
	if (m->next != NULL)
		m->next->prev = m->prev;
	c->memory_bytes -= (uint32_t)m->bytes;
}

void *conn_take(struct conn *c, size_t bytes)
{
	struct memory *m;

	if (bytes > c->host->settings.conn_memory_bytes - c->memory_bytes)
		return NULL;
	m = arena_take_zeroed(c->host->arena, sizeof(*m) + bytes);
	if (m == NULL)
		return NULL;
	m->bytes = bytes;
	memory_link(c, m);
	return m->data;
}

void conn_give(struct conn *c, void *memory)
{
	struct memory *m;

	if (memory == NULL)
		return;
	m = memory_of(memory);
	memory_unlink(c, m);
	arena_give(c->host->arena, m, sizeof(*m) + m->bytes);
}

void *conn_resize(struct conn *c, void *memory, size_t bytes)
{
	struct memory *m, *moved;

	if (memory == NULL)
		return conn_take(c, bytes);
	m = memory_of(memory);
	if (bytes > m->bytes &&
	    bytes - m->bytes > c->host->settings.conn_memory_bytes - c->memory_bytes)
		return NULL;
	memory_unlink(c, m);
	moved = arena_resize(c->host->arena, m, sizeof(*m) + m->bytes, sizeof(*m) + bytes);
	if (moved == NULL) {
		memory_link(c, m);
		return NULL;
	}
	moved->bytes = bytes;
	memory_link(c, moved);
	return moved->data;
}

static uint32_t who_is(const struct conn *c, const char *name)
{
	uint32_t proto;

	if (name == NULL)
		return DISSECTOR_NONE;
	if (name[0] == 0)
		return DISSECTOR_ANEW;
	proto = dissector_find(name);
	if (proto != DISSECTOR_NONE && (c->host->identify->enabled >> proto & 1) == 0)
		return DISSECTOR_NONE;
	return proto;
}

void conn_become_with(struct conn *c, const char *name, struct slice note)
{
	struct memory *m = NULL;

	conn_memory_free(c->host, &c->hands);
	if (note.bytes > 0 && note.bytes <= HANDED_BYTES)
		m = arena_take_zeroed(c->host->arena, sizeof(*m) + note.bytes);
	if (m != NULL) {
		m->bytes = note.bytes;
		memcpy(m->data, note.at, note.bytes);
	}
	c->hands = m;
	c->becomes = who_is(c, name);
	c->becomes_now = true;
}

void conn_become(struct conn *c, const char *name)
{
	conn_become_with(c, name, slice_of(NULL, 0));
}

struct slice conn_handed(const struct conn *c)
{
	return c->handed == NULL ? slice_of(NULL, 0) : slice_of(c->handed->data, c->handed->bytes);
}

struct pair_queue *conn_queue(struct conn *c, enum side side, bool make)
{
	struct pair_queue *q;

	if (likely(c->client == SIDE_UNKNOWN || c->client == side))
		return &c->queue;
	if (c->reverse != NULL || !make)
		return c->reverse;
	q = arena_take_zeroed(c->host->arena, sizeof(*q));
	if (q == NULL) {
		count(c->host->counters, out_of_memory);
		return NULL;
	}
	q->main = &c->queue;
	q->midstream = c->queue.midstream;
	q->datagrams = c->queue.datagrams;
	q->flow = c->queue.flow;
	q->conn_id = c->queue.conn_id;
	c->reverse = q;
	return q;
}

enum request_known conn_request_note(struct conn *c, enum side side, const uint8_t *at,
				     uint64_t key, uint64_t *ret_note)
{
	const struct pair_queue *q = conn_queue(c, side_other(side), false);

	if (q == NULL)
		return REQUEST_NONE;
	return pair_known(c->host->pair, q, conn_offset_of(&c->side[side], at), key, ret_note);
}

bool conn_request_key(struct conn *c, enum side side, const uint8_t *at, uint64_t key,
		      uint64_t new_key)
{
	struct pair_queue *q = conn_queue(c, side_other(side), false);

	return q != NULL &&
	       pair_rekey(c->host->pair, q, conn_offset_of(&c->side[side], at), key, new_key);
}

bool conn_request_again(struct conn *c, enum side side, uint64_t key)
{
	struct pair_queue *q = conn_queue(c, side, false);

	return q != NULL && pair_again(q, key);
}

bool conn_request_close(struct conn *c, enum side side, uint64_t key, enum why why)
{
	struct pair_queue *q = conn_queue(c, side, false);

	return q != NULL && pair_unanswered(c->host->pair, q, key, why);
}
