/* early - keeping the first packets of a connection in the order in which they were captured. */
#include "dataplane/reassembly/early.h"

#include <string.h>

#include "dataplane/reassembly/window.h"

static bool has_early(const struct flow *f)
{
	return (f->direction[SIDE_A].seen & SEEN_EARLY) != 0;
}

static struct flow_wait *wait_of(const struct reassembly *r, const struct flow *f)
{
	return &r->flows->wait[f->index * 2 + SIDE_A];
}

static bool is_syn(const struct packet *p)
{
	return (p->tcp_flags & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN;
}

static bool is_syn_ack(const struct packet *p)
{
	return (p->tcp_flags & (TCP_SYN | TCP_ACK | TCP_RST)) == (TCP_SYN | TCP_ACK);
}

bool early_wants(const struct reassembly *r, const struct flow *f, const struct packet *p)
{
	const struct direction *d = &f->direction[p->side];
	const struct direction *o = &f->direction[side_other((enum side)p->side)];

	if (!r->settings.starts_late)
		return false;
	if (has_early(f))
		return true;
	if ((d->seen & o->seen & SEEN_START) != 0 || f->closed)
		return false;
	if (is_syn_ack(p))
		return (o->seen & SEEN_SYN) == 0;
	return !is_syn(p) && (p->tcp_flags & TCP_RST) == 0;
}

static bool has_room(const struct reassembly *r, const struct flow *f, uint32_t bytes)
{
	const struct flow_wait *w = wait_of(r, f);
	uint32_t count = has_early(f) ? w->early_count : 0;

	return count < EARLY_FEW && count < r->settings.held_segments &&
	       r->early_count < EARLY_MOST &&
	       r->held_bytes + bytes <= r->settings.held_worker_bytes;
}

/* Captured before what is there? Time stamps of two epochs say nothing. */
static bool is_before(const struct packet *p, const struct early *e)
{
	return p->epoch == e->packet.epoch && p->ts_ns < e->packet.ts_ns;
}

static void link_early(struct flow_wait *w, struct early *e)
{
	struct early **at = &w->early;

	if (w->early_last != NULL && !is_before(&e->packet, w->early_last))
		at = &w->early_last->next;
	while (*at != NULL && !is_before(&e->packet, *at))
		at = &(*at)->next;
	e->next = *at;
	*at = e;
	if (e->next == NULL)
		w->early_last = e;
}

bool early_keep(struct reassembly *r, struct flow *f, const struct packet *p)
{
	uint32_t bytes = p->payload_captured_bytes;
	struct flow_wait *w = wait_of(r, f);
	struct early *e = has_room(r, f, bytes) ? arena_take(r->arena, sizeof(*e) + bytes) : NULL;

	if (e == NULL)
		return false;
	e->packet = *p;
	e->packet.payload = e->data;
	e->packet.frame = NULL;
	e->packet.path = NULL;
	e->packet.tcp_options = NULL;
	e->packet.tcp_option_bytes = 0;
	if (bytes > 0)
		memcpy(e->data, p->payload, bytes);
	if (!has_early(f)) {
		w->early = w->early_last = NULL;
		w->early_count = 0;
		w->early_syn = w->early_syn_ack = false;
		f->direction[SIDE_A].seen |= SEEN_EARLY;
		window_link(r, f, SIDE_A, r->clock->now_ns);
		if (r->clock->now_ns + r->settings.gap_wait_ns < r->due_ns)
			r->due_ns = r->clock->now_ns + r->settings.gap_wait_ns;
	}
	link_early(w, e);
	w->early_count++;
	w->early_syn = w->early_syn || is_syn(p);
	w->early_syn_ack = w->early_syn_ack || is_syn_ack(p);
	r->early_count++;
	r->held_bytes += bytes;
	return true;
}

bool early_is_over(const struct reassembly *r, const struct flow *f)
{
	const struct flow_wait *w = wait_of(r, f);
	uint32_t seen = f->direction[SIDE_A].seen | f->direction[SIDE_B].seen;

	return has_early(f) && w->early_syn_ack && (w->early_syn || (seen & SEEN_SYN) != 0);
}

struct early *early_take(struct reassembly *r, struct flow *f)
{
	if (!has_early(f))
		return NULL;
	f->direction[SIDE_A].seen &= ~(uint32_t)SEEN_EARLY;
	window_unlink(r, f, SIDE_A);
	return wait_of(r, f)->early;
}

void early_free(struct reassembly *r, struct early *e)
{
	uint32_t bytes = e->packet.payload_captured_bytes;

	r->early_count--;
	arena_give(r->arena, e, sizeof(*e) + bytes);
}
