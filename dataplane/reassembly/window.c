/* window - held segments, history, gaps and SYN payload of one direction. */
#include "dataplane/reassembly/window.h"

#include <string.h>

#include "dataplane/base/ensure.h"

bool window_has_room(const struct reassembly *r, const struct direction *d, uint64_t bytes)
{
	return d->held_count < r->settings.held_segments &&
	       d->held_bytes + bytes <= r->settings.held_bytes &&
	       r->held_bytes + bytes <= r->settings.held_worker_bytes;
}

static void link_held(struct direction *d, struct held *near, struct held *h)
{
	struct held **at = near == NULL ? &d->held : &near->next;

	if (d->held_last != NULL && d->held_last->offset < h->offset)
		at = &d->held_last->next;
	while (*at != NULL && (*at)->offset < h->offset)
		at = &(*at)->next;
	h->next = *at;
	*at = h;
	if (h->next == NULL)
		d->held_last = h;
}

bool window_hold(struct reassembly *r, struct direction *d, struct held **near, uint64_t offset,
		 struct slice bytes, const struct segment *from)
{
	struct held *h = arena_take(r->arena, sizeof(*h) + bytes.bytes);

	if (h == NULL)
		return false;
	*h = (struct held){
		.offset = offset,
		.bytes = (uint32_t)bytes.bytes,
		.ts_ns = from->ts_ns,
		.number = from->number,
		.acked = from->acked,
		.epoch = from->epoch,
		.conflict = from->conflict,
	};
	memcpy(h->data, bytes.at, bytes.bytes);
	link_held(d, *near, h);
	*near = h;
	d->held_bytes += h->bytes;
	d->held_count++;
	r->held_bytes += h->bytes;
	return true;
}

struct held *window_find(const struct direction *d, struct held *near, uint64_t offset)
{
	const struct held *last = d->held_last;

	if (last == NULL || last->offset + last->bytes <= offset)
		return NULL;
	for (struct held *h = near != NULL ? near : d->held; h != NULL; h = h->next)
		if (h->offset + h->bytes > offset)
			return h;
	return NULL;
}

struct held *window_pop(struct reassembly *r, struct direction *d)
{
	struct held *h = d->held;

	d->held = h->next;
	if (d->held == NULL)
		d->held_last = NULL;
	d->held_bytes -= h->bytes;
	d->held_count--;
	r->held_bytes -= h->bytes;
	return h;
}

void window_free(struct reassembly *r, struct held *h)
{
	arena_give(r->arena, h, sizeof(*h) + h->bytes);
}

/* ---- comparing copies ---- */

static uint64_t differing(const uint8_t *a, const uint8_t *b, uint64_t bytes)
{
	uint64_t n = 0;

	if (memcmp(a, b, bytes) == 0)
		return 0;
	for (uint64_t i = 0; i < bytes; i++)
		n += a[i] != b[i];
	return n;
}

uint64_t window_compare_held(const struct held *h, uint64_t offset, struct slice bytes)
{
	return differing(h->data + (offset - h->offset), bytes.at, bytes.bytes);
}

/* The direction's rarely needed part, made when first asked for; NULL: no memory. */
static struct direction_extra *extra(struct reassembly *r, struct direction *d)
{
	uint32_t history = r->settings.history_bytes;

	if (d->extra == NULL) {
		d->extra = arena_take(r->arena, sizeof(*d->extra) + history);
		if (d->extra == NULL)
			return NULL;
		*d->extra = (struct direction_extra){ .history_bytes = history,
						      .history_from = d->next,
						      .history_to = d->next };
	}
	return d->extra;
}

void window_keep_history(struct reassembly *r, struct direction *d, uint64_t offset,
			 struct slice bytes)
{
	struct direction_extra *e = extra(r, d);

	if (e == NULL)
		return;
	if (e->history_to != offset) /* behind a gap: what was kept is not next to it */
		e->history_from = offset;
	e->history_to = offset + bytes.bytes;
	if (bytes.bytes > e->history_bytes) {
		offset += bytes.bytes - e->history_bytes;
		bytes = slice_after(bytes, bytes.bytes - e->history_bytes);
	}
	while (bytes.bytes > 0) {
		uint64_t at = offset % e->history_bytes;
		uint64_t n = e->history_bytes - at;

		n = n < bytes.bytes ? n : bytes.bytes;
		memcpy(e->history + at, bytes.at, n);
		offset += n;
		bytes = slice_after(bytes, n);
	}
	if (e->history_to - e->history_from > e->history_bytes)
		e->history_from = e->history_to - e->history_bytes;
}

uint64_t window_compare_history(const struct direction *d, uint64_t offset, struct slice bytes)
{
	const struct direction_extra *e = d->extra;
	uint64_t n = 0;

	for (uint64_t i = 0; i < bytes.bytes; i++)
		if (offset + i >= e->history_from && offset + i < e->history_to)
			n += e->history[(offset + i) % e->history_bytes] != bytes.at[i];
	return n;
}

void window_note_duplicate(struct reassembly *r, struct direction *d, uint64_t bytes,
			   uint64_t differ)
{
	struct direction_extra *e = r->settings.history_bytes != 0 ? extra(r, d) : NULL;

	if (differ > 0) {
		count_by(r->counters, conflict_bytes, differ);
		d->seen |= SEEN_CONFLICT;
	}
	if (e != NULL) {
		e->duplicate_bytes += bytes;
		e->conflict_bytes += differ;
	}
}

/* ---- gaps ---- */

void window_remember_gap(struct reassembly *r, struct direction *d, uint64_t from, uint64_t to)
{
	struct direction_extra *e = extra(r, d);

	if (e == NULL)
		return;
	e->gap_from[e->gap_next % GAPS_REMEMBERED] = from;
	e->gap_to[e->gap_next % GAPS_REMEMBERED] = to;
	e->gap_next++;
}

bool window_shunt(struct reassembly *r, struct direction *d, uint64_t to)
{
	struct direction_extra *e = extra(r, d);

	if (e == NULL)
		return false;
	e->shunt_from = d->next;
	e->shunt_to = to;
	d->seen |= SEEN_SHUNT;
	return true;
}

uint64_t window_bytes_in_gaps(const struct direction *d, uint64_t from, uint64_t to)
{
	uint64_t n = 0;

	if (d->extra == NULL)
		return 0;
	for (int i = 0; i < GAPS_REMEMBERED; i++) {
		uint64_t a = d->extra->gap_from[i] > from ? d->extra->gap_from[i] : from;
		uint64_t b = d->extra->gap_to[i] < to ? d->extra->gap_to[i] : to;

		n += b > a ? b - a : 0;
	}
	return n;
}

/* ---- SYN payload ---- */

bool window_keep_syn(struct reassembly *r, struct direction *d, const struct packet *p)
{
	uint32_t bytes = p->payload_captured_bytes;
	struct direction_extra *e = extra(r, d);

	if (e == NULL || r->held_bytes + bytes > r->settings.held_worker_bytes)
		return false;
	e->syn = arena_take(r->arena, bytes);
	if (e->syn == NULL)
		return false;
	memcpy(e->syn, p->payload, bytes);
	e->syn_bytes = bytes;
	e->syn_ts_ns = p->ts_ns;
	e->syn_number = p->number;
	r->held_bytes += bytes;
	return true;
}

void window_drop_syn(struct reassembly *r, struct direction *d)
{
	arena_give(r->arena, d->extra->syn, d->extra->syn_bytes);
	d->extra->syn = NULL;
	d->extra->syn_bytes = 0;
}

void window_drop_held(struct reassembly *r, struct direction *d)
{
	while (d->held != NULL) {
		struct held *h = window_pop(r, d);

		if ((d->seen & SEEN_FIN) != 0 && h->offset >= d->fin_offset) {
			d->seen |= SEEN_AFTER_FIN;
			count_by(r->counters, discarded_after_fin, h->bytes);
		} else {
			count_by(r->counters, discarded_evicted, h->bytes);
		}
		window_free(r, h);
	}
}

void window_clear(struct reassembly *r, struct direction *d)
{
	window_drop_held(r, d);
	if (d->extra == NULL)
		return;
	if (d->extra->syn != NULL) {
		r->held_bytes -= d->extra->syn_bytes;
		count_by(r->counters, discarded_syn_refused, d->extra->syn_bytes);
		window_drop_syn(r, d);
	}
	arena_give(r->arena, d->extra, sizeof(*d->extra) + d->extra->history_bytes);
	d->extra = NULL;
}

/* ---- holes that wait ---- */

void window_link(struct reassembly *r, struct flow *f, enum side side, uint64_t since_ns)
{
	uint32_t id = f->index * 2 + (uint32_t)side;
	struct flow_wait *all = r->flows->wait, *w = &all[id];

	/* Nearly always the newest: a later gap that was acknowledged earlier goes before it. */
	uint32_t before = r->wait_last;

	while (before != FLOW_NONE && all[before].since_ns > since_ns)
		before = all[before].prev;
	w->since_ns = since_ns;
	w->prev = before;
	w->next = before == FLOW_NONE ? r->wait_first : all[before].next;
	if (before == FLOW_NONE)
		r->wait_first = id;
	else
		all[before].next = id;
	if (w->next == FLOW_NONE)
		r->wait_last = id;
	else
		all[w->next].prev = id;
}

void window_unlink(struct reassembly *r, const struct flow *f, enum side side)
{
	struct flow_wait *all = r->flows->wait;
	const struct flow_wait *w = &all[f->index * 2 + (uint32_t)side];

	if (w->prev == FLOW_NONE)
		r->wait_first = w->next;
	else
		all[w->prev].next = w->next;
	if (w->next == FLOW_NONE)
		r->wait_last = w->prev;
	else
		all[w->next].prev = w->prev;
}
