/* reassembly - bytes in order. The rules are in reassembly.h; this file follows their order. */
#include "dataplane/reassembly/reassembly.h"

#include <netinet/in.h>
#include <string.h>

#include "dataplane/base/ballast.h"
#include "dataplane/base/ensure.h"
#include "dataplane/reassembly/early.h"
#include "dataplane/reassembly/window.h"

/* A receive window is at most 2^30 bytes (RFC 7323 2.3): what is further ahead is of another
 * connection. */
#define AHEAD_MAX_BYTES (INT64_C(1) << 30)

/* A piece of payload on its way into the stream. */
struct piece {
	uint64_t from, to; /* offsets */
	const uint8_t *at; /* of `from` */
	struct held *
		near; /* a held segment that begins before `from`, to look from; NULL: none known */
	struct segment segment;
};

static struct slice piece_bytes(const struct piece *p, uint64_t to)
{
	return slice_of(p->at, to - p->from);
}

static void piece_drop(struct piece *p, uint64_t to)
{
	p->at += to - p->from;
	p->from = to;
}

static void direction_close(struct reassembly *r, struct flow *f, enum side side, enum why why);
static void early_over(struct reassembly *r, struct flow *f);

/* ---- shunting ---- */

/* Of the rest of a body the source is told only where that pays, and never to the end: when that
 * came is part of the record. No part is so long that what comes behind it seems to be of another
 * connection. */
enum { TELL_LEAST_BYTES = 128 << 10, TELL_TAIL_BYTES = 64 << 10, TELL_MOST_BYTES = 512 << 20 };

static void shunt_take_back(struct reassembly *r, struct flow *f, enum side side)
{
	struct direction_extra *e = f->direction[side].extra;

	if (e == NULL || e->shunt_told == 0)
		return;
	e->shunt_told = 0;
	r->shunt(r->shunt_context, f, side, 0, 0);
}

static void shunt_tell(struct reassembly *r, struct flow *f, enum side side)
{
	struct direction *d = &f->direction[side];
	struct direction_extra *e = d->extra;
	uint64_t to = e->shunt_to - TELL_TAIL_BYTES;

	shunt_take_back(r, f, side);
	if (r->shunt == NULL || e->shunt_to - d->next < TELL_LEAST_BYTES)
		return;
	if (to - d->next > TELL_MOST_BYTES)
		to = d->next + TELL_MOST_BYTES;
	e->shunt_told = to;
	r->shunt(r->shunt_context, f, side, d->base_seq + (uint32_t)d->next,
		 d->base_seq + (uint32_t)to);
}

/* See whether what follows is the rest of a body. Not while something is held: it may be of it. */
static void shunt_begin(struct reassembly *r, struct flow *f, enum side side)
{
	struct direction *d = &f->direction[side];
	uint64_t to;

	if (r->sink.unfollowed == NULL || d->held != NULL || (d->seen & SEEN_SHUNT) != 0)
		return;
	to = r->sink.unfollowed(r->sink.context, f, side);
	if (to <= d->next)
		return;
	if (window_shunt(r, d, to))
		shunt_tell(r, f, side);
	else
		count(r->counters, out_of_memory);
}

/* The bytes before `to` are done with, whoever has seen them. */
static void shunt_advance(struct reassembly *r, struct flow *f, enum side side, uint64_t to,
			  const struct segment *from)
{
	struct direction *d = &f->direction[side];
	uint64_t offset = d->next, end = d->extra->shunt_to;

	if (to > end)
		to = end;
	if (to == end)
		d->seen &= ~(uint32_t)SEEN_SHUNT;
	if (to <= offset)
		return;
	d->next = to;
	count_by(r->counters, shunted_bytes, to - offset);
	r->sink.skip(r->sink.context, f, side, offset, to - offset, from);
	if (d->extra->shunt_told != 0 && to >= d->extra->shunt_told)
		shunt_tell(r, f, side);
	if (to == end)
		shunt_begin(r, f, side); /* one chunk may follow another */
}

/* ---- delivering ---- */

static void deliver(struct reassembly *r, struct flow *f, enum side side, struct slice bytes,
		    struct segment *from)
{
	struct direction *d = &f->direction[side];
	uint64_t offset = d->next;

	if (unlikely(d->seen & SEEN_CONFLICT)) {
		d->seen &= ~(uint32_t)SEEN_CONFLICT;
		from->conflict = true;
	}
	d->next += bytes.bytes;
	count(r->counters, segments_delivered);
	count_by(r->counters, payload_delivered, bytes.bytes);
	if (unlikely(r->settings.history_bytes != 0))
		window_keep_history(r, d, offset, bytes);
	r->sink.deliver(r->sink.context, f, side, offset, bytes, from);
	if (unlikely(r->settings.shunts))
		shunt_begin(r, f, side);
}

static void deliver_first_held(struct reassembly *r, struct flow *f, enum side side)
{
	struct held *h = window_pop(r, &f->direction[side]);
	struct segment from = { h->ts_ns, h->number, h->acked, h->epoch, h->conflict };

	deliver(r, f, side, slice_of(h->data, h->bytes), &from);
	window_free(r, h);
}

static void deliver_held(struct reassembly *r, struct flow *f, enum side side)
{
	const struct direction *d = &f->direction[side];

	while (d->held != NULL && d->held->offset == d->next)
		deliver_first_held(r, f, side);
}

static void close_if_complete(struct reassembly *r, struct flow *f, enum side side)
{
	const struct direction *d = &f->direction[side];

	if ((d->seen & (SEEN_FIN | SEEN_CLOSED)) == SEEN_FIN && d->next >= d->fin_offset)
		direction_close(r, f, side, WHY_connection_closed);
}

/* ---- gaps ---- */

static void gap_declare(struct reassembly *r, struct flow *f, enum side side, uint64_t to)
{
	struct direction *d = &f->direction[side];
	uint64_t from;

	if ((d->seen & SEEN_SHUNT) != 0)
		shunt_advance(r, f, side, to, NULL);
	from = d->next;
	if (from == to)
		return;
	count(r->counters, gaps);
	count_by(r->counters, gap_bytes, to - from);
	window_remember_gap(r, d, from, to);
	d->next = to;
	r->sink.gap(r->sink.context, f, side, from, to - from, (d->seen & SEEN_CUT) != 0);
}

/* The end of the first hole that the peer has acknowledged; `next` where there is none.
 * One byte behind everything we know may be the sequence number of a FIN that was not captured. */
static uint64_t acknowledged_hole(const struct direction *d)
{
	if (d->held != NULL)
		return d->acked >= d->held->offset ? d->held->offset : d->next;
	if ((d->seen & SEEN_FIN) != 0)
		return d->acked > d->next ? d->fin_offset : d->next;
	return d->acked > d->next + 1 ? d->acked : d->next;
}

static void wait_remove(struct reassembly *r, struct flow *f, enum side side)
{
	struct direction *d = &f->direction[side];

	if ((d->seen & SEEN_WAITING) == 0)
		return;
	d->seen &= ~(uint32_t)SEEN_WAITING;
	window_unlink(r, f, side);
}

static bool has_hole(const struct direction *d)
{
	return (d->seen & SEEN_CLOSED) == 0 && acknowledged_hole(d) > d->next;
}

/* See whether a hole waits now, since `at_ns`; called whenever `acked`, `next` or what is held
 * changed. */
static void wait_update(struct reassembly *r, struct flow *f, enum side side, uint64_t at_ns)
{
	struct direction *d = &f->direction[side];

	if (!has_hole(d)) {
		wait_remove(r, f, side);
		return;
	}
	if ((d->seen & SEEN_WAITING) != 0)
		return;
	d->seen |= SEEN_WAITING;
	window_link(r, f, side, at_ns);
	if (at_ns + r->settings.gap_wait_ns < r->due_ns)
		r->due_ns = at_ns + r->settings.gap_wait_ns;
}

/* The wait for a hole was over at `at_ns`, and for those behind it by `now_ns`. */
static void holes_over(struct reassembly *r, struct flow *f, enum side side, uint64_t at_ns,
		       uint64_t now_ns)
{
	const struct direction *d = &f->direction[side];

	wait_remove(r, f, side);
	for (;; at_ns += r->settings.gap_wait_ns) {
		gap_declare(r, f, side, acknowledged_hole(d));
		deliver_held(r, f, side);
		close_if_complete(r, f, side);
		if (!has_hole(d) || at_ns + r->settings.gap_wait_ns > now_ns)
			break;
	}
	/* The time it should have happened, not the time it did: the next hole's wait must not
	 * depend on which packets this worker happens to see. Where it depends on other workers
	 * anyhow it begins now: a place in the middle of the list would have to be looked for. */
	wait_update(r, f, side, r->certain_ns == UINT64_MAX ? at_ns : r->clock->now_ns);
}

void reassembly_timers(struct reassembly *r)
{
	uint64_t now = r->clock->now_ns, due = UINT64_MAX;

	now = now < r->certain_ns ? now : r->certain_ns;
	if (r->due_ns > now)
		return;
	while (r->wait_first != FLOW_NONE) {
		struct flow *f = &r->flows->flow[r->wait_first / 2];
		enum side side = (enum side)(r->wait_first % 2);
		uint64_t at = r->flows->wait[r->wait_first].since_ns + r->settings.gap_wait_ns;

		if (at > now) {
			due = at;
			break;
		}
		if (unlikely((f->direction[SIDE_A].seen & SEEN_EARLY) != 0)) {
			early_over(r, f);
			continue;
		}
		holes_over(r, f, side, at, now);
	}
	if (r->sink.timers != NULL) {
		uint64_t sink_due = r->sink.timers(r->sink.context, now);

		due = sink_due < due ? sink_due : due;
	}
	r->due_ns = due;
}

/* ---- ends ---- */

static void direction_close(struct reassembly *r, struct flow *f, enum side side, enum why why)
{
	struct direction *d = &f->direction[side];

	if ((d->seen & SEEN_CLOSED) != 0)
		return;
	wait_remove(r, f, side);
	shunt_take_back(r, f, side);
	window_drop_held(r, d);
	d->seen |= SEEN_CLOSED;
	r->sink.close(r->sink.context, f, side, why);
	if ((f->direction[side_other(side)].seen & SEEN_CLOSED) == 0)
		return;
	r->sink.end(r->sink.context, f);
	f->closed = 1;
	flow_classify(r->flows, f, FLOW_CLOSING);
}

/* Everything held goes out behind its gaps. */
static void flush(struct reassembly *r, struct flow *f, enum side side)
{
	struct direction *d = &f->direction[side];

	while (d->held != NULL) {
		if (d->held->offset > d->next)
			gap_declare(r, f, side, d->held->offset);
		deliver_held(r, f, side);
	}
	if ((d->seen & SEEN_CLOSED) == 0 && acknowledged_hole(d) > d->next)
		gap_declare(r, f, side, acknowledged_hole(&f->direction[side]));
}

static void finish(struct reassembly *r, struct flow *f, enum why why)
{
	enum side first = f->client == SIDE_B ? SIDE_B : SIDE_A;
	enum side second = side_other(first);

	if (f->closed)
		return;
	if (why != WHY_evicted) {
		flush(r, f, first);
		flush(r, f, second);
	}
	direction_close(r, f, first, why);
	direction_close(r, f, second, why);
}

static void finish_datagrams(struct reassembly *r, struct flow *f, enum why why)
{
	enum side first = f->client == SIDE_B ? SIDE_B : SIDE_A;

	r->sink.close(r->sink.context, f, first, why);
	r->sink.close(r->sink.context, f, side_other(first), why);
	r->sink.end(r->sink.context, f);
}

static void early_discard(struct reassembly *r, struct flow *f)
{
	struct early *next;

	for (struct early *e = early_take(r, f); e != NULL; e = next) {
		next = e->next;
		r->held_bytes -= e->packet.payload_captured_bytes;
		count_by(r->counters, discarded_evicted, e->packet.payload_captured_bytes);
		early_free(r, e);
	}
}

void reassembly_close(void *reassembly, struct flow *f, enum why why)
{
	struct reassembly *r = reassembly;

	if (f->key.protocol != IPPROTO_TCP) {
		if (f->sink != NULL)
			finish_datagrams(r, f, why);
		return;
	}
	if (why == WHY_evicted)
		early_discard(r, f);
	else
		early_over(r, f);
	finish(r, f, why);
	if (r->sink.forget != NULL)
		r->sink.forget(r->sink.context, f);
	for (int side = 0; side < 2; side++)
		window_clear(r, &f->direction[side]);
}

static void connection_reopen(struct reassembly *r, struct flow *f, const struct packet *p)
{
	reassembly_close(r, f, WHY_connection_closed);
	memset(f->direction, 0, sizeof(f->direction));
	f->generation++;
	f->client = SIDE_UNKNOWN;
	f->closed = 0;
	f->sides_seen = 0;
	f->first_ts_ns = p->ts_ns;
	flow_classify(r->flows, f, FLOW_HALF_OPEN);
	count(r->counters, ports_in_use_again);
}

/* ---- payload ---- */

/* [from, to) has been here before: count it, and compare where a copy is still kept. */
static void duplicate(struct reassembly *r, struct flow *f, enum side side, const struct piece *p,
		      uint64_t to)
{
	struct direction *d = &f->direction[side];
	struct slice bytes = piece_bytes(p, to);
	uint64_t late = window_bytes_in_gaps(d, p->from, to);
	uint64_t differ = 0;

	count_by(r->counters, payload_late, late);
	count_by(r->counters, payload_duplicate, bytes.bytes - late);
	if (d->extra != NULL && r->settings.history_bytes != 0)
		differ = window_compare_history(d, p->from, bytes);
	else if (r->sink.compare != NULL && !f->closed)
		differ = r->sink.compare(r->sink.context, f, side, p->from, bytes);
	window_note_duplicate(r, d, bytes.bytes - late, differ);
}

/* The piece begins inside a held segment: that part of it is a copy. */
static void overlap_held(struct reassembly *r, struct direction *d, struct held *h, struct piece *p)
{
	uint64_t end = h->offset + h->bytes;
	uint64_t to = end < p->to ? end : p->to;

	count_by(r->counters, payload_duplicate, to - p->from);
	window_note_duplicate(r, d, to - p->from,
			      window_compare_held(h, p->from, piece_bytes(p, to)));
	piece_drop(p, to);
	p->near = h;
}

/* Hold what lies between two held segments, or declare a gap when there is no room. Returns false
 * when a gap was declared: the caller looks again where the piece stands. */
static bool hold_or_give_way(struct reassembly *r, struct flow *f, enum side side, struct piece *p,
			     uint64_t to)
{
	struct direction *d = &f->direction[side];

	if (window_has_room(r, d, to - p->from)) {
		if (!window_hold(r, d, &p->near, p->from, piece_bytes(p, to), &p->segment)) {
			count(r->counters, out_of_memory);
			count_by(r->counters, discarded_worker_cap, to - p->from);
		}
		return true;
	}
	to = d->held != NULL && d->held->offset < p->from ? d->held->offset : p->from;
	gap_declare(r, f, side, to);
	deliver_held(r, f, side);
	p->near = NULL;
	return false;
}

/* The piece has filled the hole: what was held behind it goes out, compared with the piece where
 * both have the same bytes. */
static void deliver_held_under(struct reassembly *r, struct flow *f, enum side side,
			       struct piece *p)
{
	struct direction *d = &f->direction[side];

	while (d->held != NULL && d->held->offset == d->next) {
		if (p->from < p->to)
			overlap_held(r, d, d->held, p);
		deliver_first_held(r, f, side);
	}
}

/* A piece while the rest of a body goes by. Where it is behind that, the state has changed: the
 * caller looks again. */
static void shunt_step(struct reassembly *r, struct flow *f, enum side side, struct piece *p)
{
	struct direction *d = &f->direction[side];
	const struct direction_extra *e = d->extra;
	uint64_t to = p->to;

	if (p->from >= e->shunt_to) {
		shunt_advance(r, f, side, e->shunt_to, NULL);
		return;
	}
	if (p->from < e->shunt_from) {
		to = to < e->shunt_from ? to : e->shunt_from;
		duplicate(r, f, side, p, to);
	} else {
		to = to < e->shunt_to ? to : e->shunt_to;
		count_by(r->counters, payload_shunted, to - p->from);
		shunt_advance(r, f, side, to, &p->segment);
	}
	piece_drop(p, to);
}

/* One step of placing a piece: the overlap with what was delivered, the part that is next, the
 * overlap with what is held, or the part to hold. */
static void place_step(struct reassembly *r, struct flow *f, enum side side, struct piece *p)
{
	struct direction *d = &f->direction[side];
	struct held *h;
	uint64_t to;

	if (unlikely((d->seen & SEEN_SHUNT) != 0)) {
		shunt_step(r, f, side, p);
		return;
	}
	if (p->from < d->next) {
		to = p->to < d->next ? p->to : d->next;
		duplicate(r, f, side, p, to);
		piece_drop(p, to);
		return;
	}
	h = window_find(d, p->near, p->from);
	if (h != NULL && h->offset <= p->from) {
		overlap_held(r, d, h, p);
		return;
	}
	to = h != NULL && h->offset < p->to ? h->offset : p->to;
	if (p->from == d->next) {
		deliver(r, f, side, piece_bytes(p, to), &p->segment);
		piece_drop(p, to);
		deliver_held_under(r, f, side, p);
		p->near = NULL; /* it may have gone out */
	} else if (hold_or_give_way(r, f, side, p, to)) {
		piece_drop(p, to);
	}
}

static void place(struct reassembly *r, struct flow *f, enum side side, struct piece *p)
{
	while (p->from < p->to)
		place_step(r, f, side, p);
}

/* Payload at a signed distance from the start; trims what lies outside the stream. */
static void payload(struct reassembly *r, struct flow *f, enum side side, const struct packet *p,
		    int64_t offset, const struct segment *segment)
{
	struct direction *d = &f->direction[side];
	uint32_t bytes = p->payload_captured_bytes;
	struct piece piece = { .at = p->payload, .segment = *segment };

	if (p->payload_bytes != bytes) {
		d->seen |= SEEN_CUT;
		count_by(r->counters, not_captured_bytes, p->payload_bytes - bytes);
	}
	if (bytes == 1 && p->payload_bytes == 1 && offset >= 0 && (uint64_t)offset + 1 == d->next &&
	    (p->tcp_flags & TCP_FIN) == 0) {
		/* RFC 9293 3.8.4: a keep-alive sends the byte before the next one, with any
		 * content. */
		d->seen |= SEEN_KEEPALIVE;
		count(r->counters, payload_duplicate);
		return;
	}
	if (f->closed && (d->seen & SEEN_RESET) != 0) {
		d->seen |= SEEN_AFTER_RST;
		count_by(r->counters, discarded_after_reset, bytes);
		return;
	}
	if (offset - (int64_t)d->next > AHEAD_MAX_BYTES) {
		d->seen |= SEEN_FAR;
		count_by(r->counters, discarded_out_of_window, bytes);
		return;
	}
	if (offset < 0) {
		uint32_t before = -offset < (int64_t)bytes ? (uint32_t)-offset : bytes;

		d->seen |= SEEN_BEFORE;
		count_by(r->counters, payload_late, before);
		piece.at += before;
		bytes -= before;
		offset = 0;
	}
	piece.from = (uint64_t)offset;
	piece.to = piece.from + bytes;
	if ((d->seen & SEEN_FIN) != 0 && piece.to > d->fin_offset && bytes > 0) {
		uint64_t keep = piece.from > d->fin_offset ? piece.from : d->fin_offset;

		d->seen |= SEEN_AFTER_FIN;
		count_by(r->counters, discarded_after_fin, piece.to - keep);
		piece.to = keep;
	}
	if ((d->seen & SEEN_CLOSED) != 0 && piece.to > d->next) {
		/* Closed by time while this packet was on its way through the same burst. */
		uint64_t keep = piece.from > d->next ? piece.from : d->next;

		count_by(r->counters, payload_late, piece.to - keep);
		piece.to = keep;
	}
	place(r, f, side, &piece);
}

/* ---- headers ---- */

/* Offset that a sequence number stands for: its signed distance from `next`. */
static int64_t offset_of(const struct direction *d, uint32_t seq)
{
	return (int64_t)d->next + (int32_t)(seq - (d->base_seq + (uint32_t)d->next));
}

static void direction_start(struct direction *d, uint32_t base_seq)
{
	d->base_seq = base_seq;
	d->seen |= SEEN_START;
}

/* What this packet acknowledges of the other side's bytes. Returns the offset. */
static uint64_t take_ack(struct reassembly *r, struct flow *f, enum side side,
			 const struct packet *p)
{
	struct direction *o = &f->direction[side_other(side)];
	int64_t acked;

	if (unlikely((o->seen & SEEN_START) == 0)) {
		direction_start(o, p->ack);
		o->seen |= SEEN_BY_PEER;
	}
	if (unlikely((o->seen & SEEN_SYN_AGAIN) != 0) && o->next == 0 && o->held == NULL) {
		o->base_seq = p->ack;
		o->seen &= ~(uint32_t)SEEN_SYN_AGAIN;
	}
	acked = offset_of(o, p->ack);
	if (unlikely(acked < 0))
		return 0;
	if ((uint64_t)acked <= o->acked || acked - (int64_t)o->next > AHEAD_MAX_BYTES)
		return (uint64_t)acked;
	o->acked = (uint64_t)acked;
	if (unlikely(o->acked > o->next))
		wait_update(r, f, side_other(side), r->clock->now_ns);
	return (uint64_t)acked;
}

/* SYN payload waits for the SYN/ACK's word (RFC 7413 4.1). */
static void syn_payload(struct reassembly *r, struct direction *d, const struct packet *p)
{
	uint32_t bytes = p->payload_captured_bytes;

	if (bytes == 0)
		return;
	if (d->extra != NULL && d->extra->syn != NULL)
		count_by(r->counters, payload_duplicate, bytes);
	else if (!window_keep_syn(r, d, p))
		count_by(r->counters, discarded_worker_cap, bytes);
}

static void syn_decided(struct reassembly *r, struct flow *f, enum side side, uint32_t ack)
{
	struct direction *d = &f->direction[side];
	struct direction_extra *e = d->extra;
	struct piece p;
	uint32_t covered;

	if (e == NULL || e->syn == NULL)
		return;
	covered = ack - d->base_seq;
	covered = covered <= e->syn_bytes && (d->seen & SEEN_CLOSED) == 0 ? covered : 0;
	r->held_bytes -= e->syn_bytes;
	count_by(r->counters, discarded_syn_refused, e->syn_bytes - covered);
	if (covered > 0) {
		p = (struct piece){ .to = covered,
				    .at = e->syn,
				    .segment = { .ts_ns = e->syn_ts_ns, .number = e->syn_number } };
		d->seen |= SEEN_TFO;
		place(r, f, side, &p);
	}
	window_drop_syn(r, d);
	wait_update(r, f, side, r->clock->now_ns);
}

/* Captured before the first packet of the connection: it came by another way, and too late. */
static bool is_overtaken(const struct flow *f, const struct packet *p)
{
	int64_t before_ns = (int64_t)(f->first_ts_ns - p->ts_ns);

	return before_ns > 0 && before_ns <= CLOCK_REORDER_NS;
}

/* Of a connection that is known from its SYN on, another SYN with an earlier time is the next one's,
 * behind a clock that was set; or by another way one before it, where there is another way. */
static bool is_late_syn(const struct reassembly *r, const struct flow *f, enum side side,
			const struct packet *p)
{
	return is_overtaken(f, p) &&
	       (r->settings.starts_late || (f->direction[side].seen & SEEN_SYN) == 0);
}

static bool opens_anew(const struct reassembly *r, const struct flow *f, enum side side,
		       const struct packet *p)
{
	const struct direction *d = &f->direction[side], *o = &f->direction[side_other(side)];

	if ((p->tcp_flags & TCP_ACK) != 0 || (d->seen & SEEN_START) == 0 ||
	    d->base_seq == p->seq + 1 || is_late_syn(r, f, side, p))
		return false;
	return f->closed || d->next > 0 || o->next > 0 || d->held != NULL || o->held != NULL ||
	       (d->seen & SEEN_FIN) != 0;
}

static void take_syn(struct reassembly *r, struct flow *f, enum side side, const struct packet *p)
{
	struct direction *d = &f->direction[side];
	bool ack = (p->tcp_flags & TCP_ACK) != 0;
	struct segment segment = { p->ts_ns, p->number, 0, p->epoch, false };

	if (opens_anew(r, f, side, p))
		connection_reopen(r, f, p);
	if (d->next == 0 && d->held == NULL && (d->seen & SEEN_CLOSED) == 0) {
		if ((d->seen & SEEN_SYN) != 0 && d->base_seq != p->seq + 1)
			d->seen |= SEEN_SYN_AGAIN;
		if ((d->seen & SEEN_START) == 0 || (d->seen & SEEN_SYN) != 0 ||
		    d->base_seq != p->seq + 1)
			direction_start(d, p->seq + 1);
		d->seen |= SEEN_SYN;
	}
	if (f->client == SIDE_UNKNOWN)
		f->client = (uint8_t)(ack ? side_other(side) : side);
	if (!ack) {
		syn_payload(r, d, p);
		return;
	}
	segment.acked = take_ack(r, f, side, p);
	syn_decided(r, f, side_other(side), p->ack);
	if (p->payload_captured_bytes > 0) {
		d->seen |= SEEN_SYNACK_DATA;
		payload(r, f, side, p, offset_of(d, p->seq + 1), &segment);
		wait_update(r, f, side, r->clock->now_ns);
	}
}

/* In the rest of a body any place may be the next: what came last may not have been seen. */
static bool is_next(const struct direction *d, int64_t offset)
{
	if ((d->seen & SEEN_SHUNT) == 0)
		return offset == (int64_t)d->next;
	return offset >= (int64_t)d->next && offset <= (int64_t)d->extra->shunt_to;
}

/* RFC 5961 3.2: only a reset at exactly the next sequence number ends the connection. Before any
 * data has gone by it ends nothing here: if the connection was refused nothing follows anyway, and
 * if the reset was forged what follows must not be lost. */
static bool reset_ends(const struct flow *f, enum side side, const struct packet *p)
{
	const struct direction *d = &f->direction[side], *o = &f->direction[side_other(side)];

	return (d->seen & SEEN_START) != 0 && is_next(d, offset_of(d, p->seq)) &&
	       (d->next > 0 || o->next > 0 || d->held != NULL || o->held != NULL);
}

static void take_reset(struct reassembly *r, struct flow *f, enum side side, const struct packet *p)
{
	struct direction *d = &f->direction[side];

	d->seen |= p->payload_bytes > 0 ? SEEN_RST_DATA : SEEN_RST;
	count_by(r->counters, discarded_reset_payload, p->payload_captured_bytes);
	if (p->payload_bytes != p->payload_captured_bytes)
		count_by(r->counters, not_captured_bytes,
			 p->payload_bytes - p->payload_captured_bytes);
	if (f->closed)
		return;
	if (!reset_ends(f, side, p)) {
		if (f->class == FLOW_HALF_OPEN)
			flow_classify(r->flows, f, FLOW_CLOSING);
		return;
	}
	if ((d->seen & SEEN_SHUNT) != 0)
		shunt_advance(r, f, side, (uint64_t)offset_of(d, p->seq), NULL);
	finish(r, f, WHY_reset);
	f->direction[SIDE_A].seen |= SEEN_RESET;
	f->direction[SIDE_B].seen |= SEEN_RESET;
}

static void take_fin(struct flow *f, enum side side, int64_t end)
{
	struct direction *d = &f->direction[side], *o = &f->direction[side_other(side)];

	if ((d->seen & (SEEN_FIN | SEEN_CLOSED)) != 0 || end < (int64_t)d->next ||
	    end - (int64_t)d->next > AHEAD_MAX_BYTES)
		return;
	/* RFC 9293 3.10.7.3: who waits for the answer to his SYN drops a FIN that comes without
	 * one. */
	if ((d->seen & SEEN_SYN) == 0 && (o->seen & SEEN_SYN) != 0 && o->next == 0 && d->next == 0)
		return;
	d->seen |= SEEN_FIN;
	d->fin_offset = (uint64_t)end;
}

/* Everything but a plain segment in order. */
static void take_segment(struct reassembly *r, struct flow *f, enum side side,
			 const struct packet *p)
{
	struct direction *d = &f->direction[side];
	struct segment segment = { p->ts_ns, p->number, 0, p->epoch, false };
	int64_t offset;

	if (f->closed)
		count(r->counters, packets_after_close);
	if ((p->tcp_flags & TCP_RST) != 0) {
		take_reset(r, f, side, p);
		return;
	}
	if ((p->tcp_flags & TCP_SYN) != 0) {
		take_syn(r, f, side, p);
		return;
	}
	if ((p->tcp_flags & TCP_ACK) != 0)
		segment.acked = take_ack(r, f, side, p);
	if ((d->seen & SEEN_START) == 0)
		direction_start(d, p->seq);
	if ((p->tcp_flags & TCP_URG) != 0)
		d->seen |= SEEN_URG;
	offset = offset_of(d, p->seq);
	if (p->payload_bytes > 0)
		payload(r, f, side, p, offset, &segment);
	if ((p->tcp_flags & TCP_FIN) != 0)
		take_fin(f, side, offset + p->payload_bytes);
	close_if_complete(r, f, side);
	if ((d->seen & SEEN_CLOSED) == 0)
		wait_update(r, f, side, r->clock->now_ns);
}

/* No more packets are waited for: those that are there are taken as they were captured. */
static void early_over(struct reassembly *r, struct flow *f)
{
	struct early *e = early_take(r, f), *next;

	if (e != NULL && is_overtaken(f, &e->packet))
		f->first_ts_ns = e->packet.ts_ns;
	for (; e != NULL; e = next) {
		next = e->next;
		r->held_bytes -= e->packet.payload_captured_bytes;
		take_segment(r, f, (enum side)e->packet.side, &e->packet);
		early_free(r, e);
	}
}

/* Returns false if the packet need not wait, or cannot. */
static bool wait_early(struct reassembly *r, struct flow *f, const struct packet *p)
{
	if (likely(!early_wants(r, f, p)))
		return false;
	if (!early_keep(r, f, p)) {
		early_over(r, f);
		return false;
	}
	if (early_is_over(r, f))
		early_over(r, f);
	return true;
}

static void take_datagram(struct reassembly *r, const struct packet *p)
{
	struct segment segment = { p->ts_ns, p->number, 0, p->epoch, false };
	struct direction *d = &p->flow->direction[p->side];
	uint32_t bytes = p->payload_captured_bytes;

	count(r->counters, udp_packets);
	count_by(r->counters, datagrams_captured, bytes);
	count_by(r->counters, not_captured_bytes, p->payload_bytes - bytes);
	p->flow->sides_seen |= (uint8_t)(1u << p->side);
	if (r->sink.datagram == NULL)
		count_by(r->counters, datagrams_cut, bytes);
	else if (bytes > 0)
		r->sink.datagram(r->sink.context, p->flow, (enum side)p->side, d->next,
				 slice_of(p->payload, bytes), bytes < p->payload_bytes, &segment);
	d->next += bytes;
}

void reassembly_packet(struct reassembly *r, const struct packet *p)
{
	struct flow *f = p->flow;
	enum side side = (enum side)p->side;
	struct direction *d = &f->direction[side];
	const struct direction *o = &f->direction[side_other(side)];

	BALLAST(reassembly, 1);
	if (unlikely(r->due_ns <= r->clock->now_ns))
		reassembly_timers(r);
	if (unlikely(p->key.protocol != IPPROTO_TCP)) {
		take_datagram(r, p);
		return;
	}
	count(r->counters, tcp_packets);
	count_by(r->counters, payload_captured, p->payload_captured_bytes);
	f->sides_seen |= (uint8_t)(1u << side);
	if (unlikely(f->class != FLOW_LIVE) && !f->closed &&
	    (p->tcp_flags & (TCP_SYN | TCP_RST)) == 0)
		flow_classify(r->flows, f, FLOW_LIVE);

	if (likely((p->tcp_flags & (TCP_SYN | TCP_FIN | TCP_RST | TCP_URG | TCP_ACK)) == TCP_ACK &&
		   (d->seen & (SEEN_START | SEEN_FIN | SEEN_CLOSED | SEEN_WAITING | SEEN_SHUNT)) ==
			   SEEN_START &&
		   (o->seen & SEEN_START) != 0 && d->held == NULL &&
		   p->seq == d->base_seq + (uint32_t)d->next &&
		   p->payload_captured_bytes == p->payload_bytes)) {
		struct segment segment = { p->ts_ns, p->number, take_ack(r, f, side, p), p->epoch,
					   false };

		if (p->payload_bytes > 0)
			deliver(r, f, side, slice_of(p->payload, p->payload_bytes), &segment);
		return;
	}
	if (likely(!wait_early(r, f, p)))
		take_segment(r, f, side, p);
}

void reassembly_init(struct reassembly *r, const struct reassembly_settings *s,
		     struct flow_table *flows, struct arena *arena, struct counters *counters,
		     struct pipeline_clock *clock, struct sink sink)
{
	*r = (struct reassembly){
		.sink = sink,
		.counters = counters,
		.clock = clock,
		.flows = flows,
		.arena = arena,
		.settings = *s,
		.due_ns = UINT64_MAX,
		.certain_ns = UINT64_MAX,
		.wait_first = FLOW_NONE,
		.wait_last = FLOW_NONE,
	};
	if (sink.due_ns != NULL)
		*sink.due_ns = &r->due_ns;
}
