/* af_xdp - frames straight from the driver, by an XDP program and AF_XDP sockets.
 *
 *     interface -> program (af_xdp_program) -> socket on the queue (af_xdp_socket) -> pull()
 *
 * Several workers share a queue's frames, and the program chooses among them by the flow; or each
 * has queues of his own (af_xdp_spread). Frames are parsed where the kernel put them; only a packet
 * in several frames is put together in a buffer of the port.
 *
 * Why the books close. The program counts each frame that it hands to a socket. From there it has
 * three ways to go: into the rx ring, or not, for want of room in the ring or of a free frame, and
 * the socket counts each of these: for every socket, so no worker counts what is another's, also on
 * a queue that they share. stop() shuts the slot in the program, waits until no processor can still
 * be inside it, and then all of these numbers stand still; what is in the ring is still pulled.
 * Nothing is computed as what must be missing, but for one case, which has no counter: an interface
 * that is moved to another network namespace keeps the program and loses its sockets.
 *
 * What the interface has dropped comes on top, but its counter may speak of the same frame. What
 * this kernel does (6.18, veth): in native mode a frame that a socket had no room for is counted in
 * rx_dropped again, in generic mode it is not; what the stack has no use for, after XDP_PASS,
 * is. So `driver` is only what rx_dropped has grown by beyond all of these.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <linux/capability.h>

#include "dataplane/base/compiler.h"
#include "dataplane/base/ensure.h"
#include "dataplane/base/log.h"
#include "dataplane/rx/af_xdp_busy.h"
#include "dataplane/rx/af_xdp_clock.h"
#include "dataplane/rx/af_xdp_program.h"
#include "dataplane/rx/af_xdp_shunt.h"
#include "dataplane/rx/af_xdp_socket.h"
#include "dataplane/rx/af_xdp_spread.h"
#include "dataplane/rx/af_xdp_umem.h"
#include "dataplane/rx/interface.h"
#include "dataplane/rx/options.h"
#include "dataplane/shm/settings.h"

enum {
	INTERFACE_NAME_BYTES = 48,
	LINK_HEADER_BYTES = 14 + 2 * 4, /* Ethernet and two VLAN tags, beyond the MTU */
	JOINED_BYTES_MAX = 65536 + 512, /* of a packet in several frames */
	JOINED_BYTES = 512 * 1024,      /* of all of them in a burst */
	UNDER_WAY_PER_QUEUE = 64,       /* frames a driver handles between two looks */
	LOOK_EVERY_NS = 10 * 1000 * 1000,
	SETTLE_MS = 500,
	SNAPSHOTS = 4,
};

extern const struct rx_backend rx_af_xdp;

/* ---- options ---- */

enum mode { MODE_AUTO, MODE_NATIVE, MODE_GENERIC };
enum refused { REFUSED_AUTO, REFUSED_PASS, REFUSED_DROP };
enum frags { FRAGS_AUTO, FRAGS_ON, FRAGS_OFF };

struct options {
	uint64_t mode, copy, queue, queues, spread, ring, frame, frames, busy, budget, huge,
		refused, frags;
};

static const char *const mode_words[] = { "auto", "native", "generic", NULL };
static const char *const copy_words[] = { "auto", "copy", "zerocopy", NULL };
static const char *const spread_words[] = { "auto", "on", "off", NULL };
static const char *const frame_words[] = { "2048", "4096", NULL };
static const char *const busy_words[] = { "off", "on", NULL };
static const char *const huge_words[] = { "auto", "on", "off", NULL };
static const char *const refused_words[] = { "auto", "pass", "drop", NULL };
static const char *const frags_words[] = { "auto", "on", "off", NULL };

/* clang-format off */
#define WORD(name, field, list, help)            { name, RX_OPTION_WORD,  offsetof(struct options, field), 0, 0, 0, list, help },
#define COUNT(name, field, def, min, max, help)  { name, RX_OPTION_COUNT, offsetof(struct options, field), def, min, max, NULL, help },

static const struct rx_option af_xdp_options[] = {
	WORD("mode",      mode,    mode_words,    "who runs the program: the driver (native) or the stack (generic)")
	WORD("copy",      copy,    copy_words,    "are frames copied, or received in place; auto: as the driver can")
	COUNT("queue",    queue,   0, 0, 4095,    "the first receive queue")
	COUNT("queues",   queues,  0, 1, AF_XDP_QUEUES, "how many from there on (default all); the others are left to the host")
	WORD("spread",    spread,  spread_words,  "every worker on every queue, flows shared out by the program; auto: unless RSS does so already")
	COUNT("ring",     ring,    8192, 64, 1 << 20, "packets that wait for a worker, per queue that it does not share; a power of two")
	WORD("frame",     frame,   frame_words,   "bytes per frame; 256 of them are the kernel's")
	COUNT("frames",   frames,  0, 64, 1 << 21, "frames per queue (default: its rings, and 128 for each)")
	WORD("busy-poll", busy,    busy_words,    "the worker drives the driver: for cores that do nothing else")
	COUNT("budget",   budget,  64, 8, 1024,   "packets per busy poll")
	WORD("huge",      huge,    huge_words,    "frames on huge pages of 2 MiB")
	WORD("refused",   refused, refused_words, "frames that the filter does not select; auto: dropped where this host has no address")
	WORD("frags",     frags,   frags_words,   "packets larger than a frame; auto: where they may come")
	{ .name = NULL },
};
/* clang-format on */

static int check_options(const struct options *o, const char *interface, struct rx_error *err)
{
	if (interface[0] == 0)
		snprintf(err->text, sizeof(err->text),
			 "af_xdp: name an interface: --rx af_xdp:eth0");
	else if ((o->ring & (o->ring - 1)) != 0)
		snprintf(err->text, sizeof(err->text),
			 "af_xdp: ring=%" PRIu64 " is no power of two: 4096 and 8192 are", o->ring);
	else
		return 0;
	return -EINVAL;
}

/* ---- the port ---- */

/* A number of each kind, of all sockets of the port, from one look. */
struct tally {
	uint64_t seen, redirected, too_big, shunted;
	struct af_xdp_losses lost;
	uint64_t waiting; /* packets in the rx rings */
};

struct af_xdp_port {
	struct rx_port_head head;
	/* every packet */
	uint64_t frame_mask; /* of the bits that say which frame */
	struct af_xdp_socket *socket;
	uint32_t socket_count;
	uint32_t cut_bytes;
	bool frags, busy_polls;
	uint16_t iface;
	uint64_t received, malformed; /* malformed: parts that make no packet */
	struct af_xdp_clock clock;
	uint8_t *joined; /* packets of this burst that came in parts; NULL without frags */
	uint32_t joined_bytes;
	/* chores */
	uint64_t look_ns;
	bool ended, gone; /* nothing new comes in; because the interface is gone */
	bool leads;       /* speaks for the interface: its losses, the filter's refusals */
	uint64_t unbound; /* handed to sockets that the kernel had unbound already */
	uint64_t driver;  /* as told: it never falls */
	uint32_t under_way_max;
	struct interface interface;
	struct interface_losses losses; /* of the interface, as asked last before the end */
	struct af_xdp_program *program;
	/* set-up */
	struct options options;
	struct af_xdp_spread spread;
	bool symmetric; /* the interface's own RSS */
	struct af_xdp_shunts shunts;
	uint32_t worker;
	uint32_t queue_index[AF_XDP_QUEUES]; /* of each socket, among those chosen */
	uint32_t queue_count;
	uint32_t ring; /* entries of each socket's */
	struct af_xdp_busy busy;
	int wait_fd; /* epoll: the interface, and the sockets while `listening` */
	bool listening;
	int fence_fd; /* a packet socket: see fence() */
	bool zero_copy;
};

static struct af_xdp_port *of(struct rx_port *p)
{
	return (struct af_xdp_port *)(void *)p;
}

/* ---- numbers ---- */

/* tally_once - Losses first, the program's counts last: what happens in between is then under way,
 * and never more than was offered. */
static void tally_once(const struct af_xdp_port *p, struct tally *ret)
{
	struct tally t = { 0 };

	for (uint32_t i = 0; i < p->socket_count; i++) {
		const struct af_xdp_socket *s = &p->socket[i];
		struct steer_counts c;

		af_xdp_losses(s->fd, &t.lost);
		t.waiting += af_xdp_waiting(s, p->frags);
		af_xdp_program_counts(p->program, s->slot, &c);
		t.seen += c.seen;
		t.redirected += c.redirected;
		t.too_big += c.too_big;
		t.shunted += c.shunted;
	}
	*ret = t;
}

/* unaccounted - handed to a socket, and neither here nor lost by its word. */
static int64_t unaccounted(const struct af_xdp_port *p, const struct tally *t)
{
	return (int64_t)(t->redirected - t->lost.ring_full - t->lost.no_frame - t->waiting -
			 p->received - p->malformed - p->unbound);
}

/* tally - the numbers change while they are read; a look in between two packets is better. */
static void tally(const struct af_xdp_port *p, struct tally *ret)
{
	for (int i = 0; i < SNAPSHOTS; i++) {
		tally_once(p, ret);
		if (unaccounted(p, ret) == 0)
			return;
	}
}

/* on_new_queues - frames of queues that the interface got after the start: no socket is there. */
static uint64_t on_new_queues(const struct af_xdp_port *p)
{
	struct steer_counts c;

	af_xdp_program_counts(p->program, af_xdp_program_slots(p->program), &c);
	return c.passed;
}

/* Of one who asked for all queues they are lost; who chose some did not ask for them. */
static uint64_t lost_on_new_queues(const struct af_xdp_port *p)
{
	uint64_t frames = p->options.queues == 0 && p->options.queue == 0 ? on_new_queues(p) : 0;

	if (frames > 0)
		log_warn("%s has receive queues that it did not have at the start; what comes "
			 "there is "
			 "lost{driver}: start the capture again",
			 p->interface.name);
	return frames;
}

/* driver_losses - what the interface says it dropped, without what is named elsewhere. The
 * interface is asked first: what falls in between is then told later, but never twice. */
static uint64_t driver_losses(struct af_xdp_port *p, uint64_t dropped)
{
	const struct af_xdp_program *program = p->program;
	struct af_xdp_program_about about;
	struct af_xdp_losses lost = { 0 };
	uint64_t named;

	af_xdp_program_about(program, &about);
	named = about.drops ? 0 : af_xdp_program_refused(program);
	for (uint32_t i = 0; i < af_xdp_program_slots(program); i++) {
		struct steer_counts c;

		af_xdp_program_counts(program, i, &c);
		named += c.passed + c.too_big;
		if (af_xdp_program_socket(program, i) >= 0)
			af_xdp_losses(af_xdp_program_socket(program, i), &lost);
	}
	named += lost.ring_full + lost.no_frame + p->unbound + on_new_queues(p);
	if (dropped > named && dropped - named > p->driver)
		p->driver = dropped - named;
	return p->driver;
}

/* interface_counts - of the whole interface, by the one port that speaks for it. rx_errors are not
 * among them: some drivers add up there what they also count as missed, and a damaged frame is no
 * packet. */
static void interface_counts(struct af_xdp_port *p, struct rx_counters *ret)
{
	uint64_t refused = af_xdp_program_refused(p->program);

	/* What the stack drops once it gets all frames again was not offered here. */
	if (!p->ended)
		interface_losses(&p->interface, &p->losses);
	ret->lost[RX_LOST_nic] = p->losses.missed;
	ret->lost[RX_LOST_driver] = driver_losses(p, p->losses.dropped) + lost_on_new_queues(p);
	ret->refused = refused;
	ret->offered = refused + ret->lost[RX_LOST_nic] + ret->lost[RX_LOST_driver];
}

/* ---- the end ---- */

static void nap(long ns)
{
	nanosleep(&(struct timespec){ .tv_nsec = ns }, NULL);
}

/* fence - return when no processor is inside a program that it entered before. Programs run in
 * read-side sections of RCU, and so does what hands frames to the sockets at the end of a driver's
 * poll; closing a packet socket waits for a grace period, which is the end of all of these. */
static void fence(struct af_xdp_port *p)
{
	if (p->fence_fd >= 0)
		close(p->fence_fd);
	p->fence_fd = -1;
}

/* end - nothing new comes in. */
static void end(struct af_xdp_port *p, bool gone)
{
	struct tally t;

	if (p->ended)
		return;
	p->interface.asked_ns = 0; /* a last time, and at once */
	interface_losses(&p->interface, &p->losses);
	p->ended = true;
	p->gone = gone;
	for (uint32_t i = 0; i < p->socket_count; i++)
		af_xdp_program_disconnect(p->program, p->socket[i].slot);
	fence(p);
	tally(p, &t);
	/* Where closing such a socket does not wait, time must do. */
	for (int ms = 0; ms < SETTLE_MS && unaccounted(p, &t) != 0 && !gone; ms++) {
		nap(1000 * 1000);
		tally(p, &t);
	}
	if (gone && unaccounted(p, &t) > 0)
		p->unbound += (uint64_t)unaccounted(p, &t);
}

static void look(struct af_xdp_port *p)
{
	if (!p->ended && interface_look(&p->interface) == INTERFACE_GONE)
		end(p, true);
}

/* ---- packets ---- */

/* time_of - from the stamp before the frame, which is taken away: the frame's next packet may come
 * without one. */
static uint64_t time_of(struct af_xdp_port *p, uint8_t *frame)
{
	struct steer_stamp s;
	const uint32_t none = 0;

	memcpy(&s, frame - sizeof(s), sizeof(s));
	if (unlikely(s.magic != STEER_STAMP_MAGIC))
		return clock_wall_ns();
	memcpy(frame - sizeof(s) + offsetof(struct steer_stamp, magic), &none, sizeof(none));
	return af_xdp_clock_wall_ns(&p->clock, s.monotonic_ns);
}

static void describe(struct af_xdp_port *p, const uint8_t *frame, uint32_t bytes, uint64_t ts_ns,
		     struct packet *ret)
{
	ret->frame = frame;
	ret->ts_ns = ts_ns;
	ret->number = 0;
	ret->wire_bytes = bytes;
	ret->caplen_bytes = bytes < p->cut_bytes ? bytes : p->cut_bytes;
	ret->link = LINK_ETHERNET;
	ret->iface = p->iface;
}

/* lend - a packet in one frame, where it is. */
static void lend(struct af_xdp_port *p, struct af_xdp_socket *s, const struct xdp_desc *d,
		 struct packet *ret)
{
	uint8_t *frame = s->area + d->addr;

	describe(p, frame, d->len, time_of(p, frame), ret);
	s->lent_at[s->lent++] = d->addr & p->frame_mask;
}

/* parts - descriptors of the packet that begins at `at`; 0: the end of it is not here yet. */
static uint32_t parts(const struct af_xdp_socket *s, uint32_t at, uint32_t end_at)
{
	for (uint32_t i = at; i != end_at; i++)
		if ((xsk_ring_cons__rx_desc(&s->rx, i)->options & XDP_PKT_CONTD) == 0)
			return i + 1 - at;
	return 0;
}

/* join - a packet in several frames, put together; the frames go back at once. Returns false if it
 * is larger than any packet can be. */
static bool join(struct af_xdp_port *p, struct af_xdp_socket *s, uint32_t at, uint32_t count,
		 struct packet *ret)
{
	uint8_t *to = p->joined + p->joined_bytes;
	uint64_t ts_ns = time_of(p, s->area + xsk_ring_cons__rx_desc(&s->rx, at)->addr);
	uint32_t bytes = 0;

	for (uint32_t i = 0; i < count; i++) {
		const struct xdp_desc *d = xsk_ring_cons__rx_desc(&s->rx, at + i);
		uint64_t frame = d->addr & p->frame_mask;

		if (d->len <= JOINED_BYTES_MAX && bytes + d->len <= JOINED_BYTES_MAX) {
			memcpy(to + bytes, s->area + d->addr, d->len);
			bytes += d->len;
		} else {
			bytes = JOINED_BYTES_MAX + 1;
		}
		af_xdp_give(s, &frame, 1);
	}
	if (bytes > JOINED_BYTES_MAX) {
		p->malformed++;
		return false;
	}
	p->joined_bytes += bytes;
	describe(p, to, bytes, ts_ns, ret);
	return true;
}

/* take - packets in one frame each. */
static uint32_t take(struct af_xdp_port *p, struct af_xdp_socket *s, struct packet *packet,
		     uint32_t room)
{
	uint32_t at, n = xsk_ring_cons__peek(&s->rx, room, &at);

	if (n == 0)
		return 0;
	for (uint32_t i = 0; i < n; i++)
		lend(p, s, xsk_ring_cons__rx_desc(&s->rx, at + i), &packet[i]);
	s->taken += n;
	return n;
}

/* take_parts - packets that may have several. One whose end has not come stays in the ring, and so
 * does one for which the buffer has no room left. */
static uint32_t take_parts(struct af_xdp_port *p, struct af_xdp_socket *s, struct packet *packet,
			   uint32_t room)
{
	uint32_t begin = s->rx.cached_cons, at = begin, n = 0, count;
	uint32_t end_at = __atomic_load_n(s->rx.producer, __ATOMIC_ACQUIRE);

	while (n < room && at != end_at && (count = parts(s, at, end_at)) != 0) {
		if (count > 1 && p->joined_bytes + JOINED_BYTES_MAX > JOINED_BYTES)
			break;
		if (count == 1)
			lend(p, s, xsk_ring_cons__rx_desc(&s->rx, at), &packet[n++]);
		else
			n += join(p, s, at, count, &packet[n]);
		at += count;
	}
	s->rx.cached_cons = at;
	s->taken += at - begin;
	return n;
}

static uint32_t take_from(struct af_xdp_port *p, struct af_xdp_socket *s, struct packet *packet,
			  uint32_t room)
{
	return p->frags ? take_parts(p, s, packet, room) : take(p, s, packet, room);
}

/* head_ns - when the first packet of the ring was seen; UINT64_MAX: it is empty. Where that is not
 * known, or cannot be, it is taken at once. */
static uint64_t head_ns(struct af_xdp_socket *s, uint64_t now_ns)
{
	struct steer_stamp stamp;
	const uint8_t *frame;

	if (s->rx.cached_cons == s->rx.cached_prod)
		s->rx.cached_prod = __atomic_load_n(s->rx.producer, __ATOMIC_ACQUIRE);
	if (s->rx.cached_cons == s->rx.cached_prod)
		return UINT64_MAX;
	frame = s->area + xsk_ring_cons__rx_desc(&s->rx, s->rx.cached_cons)->addr;
	memcpy(&stamp, frame - sizeof(stamp), sizeof(stamp));
	if (stamp.magic != STEER_STAMP_MAGIC || stamp.monotonic_ns > now_ns + CLOCK_SECOND_NS)
		return 0;
	return stamp.monotonic_ns;
}

static struct af_xdp_socket *oldest(const struct af_xdp_port *p)
{
	struct af_xdp_socket *found = &p->socket[0];

	for (uint32_t i = 1; i < p->socket_count; i++)
		if (p->socket[i].head_ns < found->head_ns)
			found = &p->socket[i];
	return found;
}

/* merge - of several rings in the order of time: a worker that is late finds much in each, and a
 * response must not overtake its request. What comes while it looks is left for the next time: it
 * may be younger than what comes into a ring that was empty a moment before. */
static uint32_t merge(struct af_xdp_port *p, struct packet *packet, uint32_t room)
{
	uint64_t now_ns = clock_monotonic_ns();
	uint32_t n = 0;

	for (uint32_t i = 0; i < p->socket_count; i++)
		p->socket[i].head_ns = head_ns(&p->socket[i], now_ns);
	while (n < room) {
		struct af_xdp_socket *s = oldest(p);
		uint32_t before = s->taken;

		if (s->head_ns > now_ns)
			break;
		n += take_from(p, s, packet + n, 1);
		s->head_ns = s->taken == before ? UINT64_MAX : head_ns(s, now_ns);
	}
	return n;
}

/* release - one store per burst: the kernel reads the word. */
static void release(struct af_xdp_port *p)
{
	for (uint32_t i = 0; i < p->socket_count; i++) {
		struct af_xdp_socket *s = &p->socket[i];

		if (s->taken > 0)
			xsk_ring_cons__release(&s->rx, s->taken);
		s->taken = 0;
	}
}

/* wake - the kernel said that it has stopped looking into the fill ring, or is driven by us: it is
 * the owner of the queue who does both. */
static void wake(const struct af_xdp_port *p, const struct af_xdp_socket *s)
{
	if (s->home == NULL &&
	    unlikely(p->busy_polls || xsk_ring_prod__needs_wakeup(&s->queue->fill)))
		(void)recvfrom(s->fd, NULL, 0, MSG_DONTWAIT, NULL, NULL);
}

static void idle(struct af_xdp_port *p)
{
	uint64_t now_ns = clock_monotonic_ns();

	for (uint32_t i = 0; i < p->socket_count && !p->ended; i++)
		wake(p, &p->socket[i]);
	if (now_ns - p->look_ns < LOOK_EVERY_NS)
		return;
	p->look_ns = now_ns;
	look(p);
}

static bool has_bell(const struct af_xdp_socket *s)
{
	return s->home == NULL && s->queue->bell_fd >= 0;
}

/* listen_to_sockets - have the sockets wake who sleeps on wait_fd, and who wants frames back, or
 * not. A socket in an epoll set calls back for every batch of frames, also while nobody sleeps
 * there: measured 300 to 400 cycles a packet. So they are in it only while the worker does. What
 * came before they are put in is reported at once. */
static void listen_to_sockets(struct af_xdp_port *p, bool on)
{
	struct epoll_event e = { .events = EPOLLIN };
	int op = on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL;

	if (p->listening == on)
		return;
	for (uint32_t i = 0; i < p->socket_count; i++) {
		const struct af_xdp_socket *s = &p->socket[i];
		uint64_t rung;

		(void)epoll_ctl(p->wait_fd, op, s->fd, &e);
		if (!has_bell(s))
			continue;
		(void)epoll_ctl(p->wait_fd, op, s->queue->bell_fd, &e);
		/* Heard: what it rang for is collected in the pull() that we are in. */
		if (!on && read(s->queue->bell_fd, &rung, sizeof(rung)) < 0)
			continue;
	}
	p->listening = on;
}

/* collect - what others have read of our queues. */
static void collect(struct af_xdp_port *p)
{
	for (uint32_t i = 0; i < p->socket_count; i++)
		af_xdp_collect(&p->socket[i]);
}

static uint32_t af_xdp_pull(struct rx_port *port, struct packet *packet, uint32_t room)
{
	struct af_xdp_port *p = of(port);
	uint32_t n;

	if (room > BURST_PACKETS)
		room = BURST_PACKETS;
	if (unlikely(p->listening))
		listen_to_sockets(p, false);
	if (p->spread.on)
		collect(p);
	n = p->socket_count == 1 ? take_from(p, &p->socket[0], packet, room)
				 : merge(p, packet, room);
	release(p);
	p->received += n;
	if (n == 0)
		idle(p);
	return n;
}

static void af_xdp_give_back(struct rx_port *port)
{
	struct af_xdp_port *p = of(port);

	p->joined_bytes = 0;
	for (uint32_t i = 0; i < p->socket_count; i++) {
		struct af_xdp_socket *s = &p->socket[i];

		if (s->lent == 0)
			continue;
		af_xdp_give(s, s->lent_at, s->lent);
		s->lent = 0;
		if (s->home == NULL && unlikely(xsk_ring_prod__needs_wakeup(&s->queue->fill)))
			(void)recvfrom(s->fd, NULL, 0, MSG_DONTWAIT, NULL, NULL);
	}
}

/* ---- telling ---- */

static enum rx_state af_xdp_state(struct rx_port *port, struct rx_error *err)
{
	struct af_xdp_port *p = of(port);

	if (!p->ended)
		return RX_OPEN;
	for (uint32_t i = 0; i < p->socket_count; i++)
		if (af_xdp_waiting(&p->socket[i], p->frags) > 0)
			return RX_OPEN;
	if (p->gone && err != NULL)
		snprintf(err->text, sizeof(err->text), "%s was removed: the capture ends here",
			 p->interface.name);
	return p->gone ? RX_GONE : RX_END;
}

static void af_xdp_counters(struct rx_port *port, struct rx_counters *ret)
{
	struct af_xdp_port *p = of(port);
	struct rx_counters c = { 0 };
	struct tally t;
	int64_t under_way;

	look(p);
	if (p->leads)
		interface_counts(p, &c);
	tally(p, &t);
	under_way = p->ended ? 0 : unaccounted(p, &t);
	/* A driver shows the frames of one poll all at once; more than that would be an error. */
	if (under_way < 0 || under_way > (int64_t)p->under_way_max)
		under_way = 0;
	c.offered += t.seen;
	c.lost[RX_LOST_rx_ring] = t.lost.ring_full;
	c.lost[RX_LOST_fill_ring] = t.lost.no_frame;
	c.lost[RX_LOST_invalid] = t.too_big + p->malformed;
	c.lost[RX_LOST_driver] += p->unbound;
	c.received = p->received;
	c.shunted = t.shunted;
	c.in_flight = t.waiting + (uint64_t)under_way;
	*ret = c;
}

static void af_xdp_about(struct rx_port *port, struct rx_about *ret)
{
	struct af_xdp_port *p = of(port);
	struct af_xdp_program_about program;
	char shared[32] = "";

	af_xdp_program_about(p->program, &program);
	*ret = (struct rx_about){ .clock = "xdp",
				  .spread = p->spread.on   ? RX_SPREAD_OWN
					    : p->symmetric ? RX_SPREAD_SYMMETRIC
							   : RX_SPREAD_ANY };
	/* With fewer frames than places in the rings it is the frames that run out. */
	ret->ring_packets = (uint32_t)p->options.frames / af_xdp_spread_members(&p->spread);
	if (ret->ring_packets > p->ring)
		ret->ring_packets = p->ring;
	if (p->spread.on)
		snprintf(shared, sizeof(shared), " shared by %u workers", p->spread.workers);
	snprintf(ret->interface, sizeof(ret->interface), "%s", p->interface.name);
	snprintf(ret->mode, sizeof(ret->mode), "%s, %s, %u queue%s%s, %s pages%s%s%s%s",
		 program.hardware ? "hardware"
		 : program.native ? "native"
				  : "generic",
		 p->zero_copy ? "zero-copy" : "copy", p->socket_count,
		 p->socket_count == 1 ? "" : "s", shared,
		 p->socket[0].queue->memory.huge ? "huge" : "normal", p->frags ? ", frags" : "",
		 p->busy_polls ? ", busy-poll" : "", program.filter[0] != 0 ? ", " : "",
		 program.filter);
}

static void af_xdp_shunt(struct rx_port *port, const struct rx_shunt *what)
{
	af_xdp_shunts_set(&of(port)->shunts, what, clock_monotonic_ns());
}

static int af_xdp_wait_fd(struct rx_port *port)
{
	listen_to_sockets(of(port), true);
	return of(port)->wait_fd;
}

static void af_xdp_stop(struct rx_port *port)
{
	struct af_xdp_port *p = of(port);

	look(p);
	end(p, false);
}

/* ---- opening ---- */

static int no_memory(struct rx_error *err)
{
	snprintf(err->text, sizeof(err->text), "af_xdp: no memory");
	return -ENOMEM;
}

/* own_queues - this worker's share. */
static int own_queues(struct af_xdp_port *p, const struct rx_open *how, struct rx_error *err)
{
	const char *name = p->interface.name;
	uint64_t first = p->options.queue, count = p->options.queues;
	uint32_t there = interface_rx_queues(name);
	enum af_xdp_spread_choice choice;

	if (first >= there || count > there - first) {
		snprintf(err->text, sizeof(err->text),
			 "%s: has %u receive queue%s, counted from 0: queue=%" PRIu64
			 ",queues=%" PRIu64 " is out of range",
			 name, there, there == 1 ? "" : "s", first, count == 0 ? 1 : count);
		return -EINVAL;
	}
	if (count == 0)
		count = there - first;
	p->symmetric = how->workers > 1 && interface_is_symmetric(name);
	/* With several sources a flow's directions may come in on two: there the program's choice is
	 * the better one, for it names the same worker on both. */
	choice = af_xdp_spread_choose((enum af_xdp_spread_choice)p->options.spread, how->workers,
				      (uint32_t)count,
				      p->symmetric && how->settings->rx_count == 1);
	if (choice == AF_XDP_SPREAD_OFF && how->workers > count) {
		snprintf(err->text, sizeof(err->text),
			 "%s: %" PRIu64
			 " receive queue%s cannot feed %u workers unless they share: leave out "
			 "spread=off, or use --workers %" PRIu64 " or less",
			 name, count, count == 1 ? "" : "s", how->workers, count);
		return -EINVAL;
	}
	af_xdp_spread_init(&p->spread, how->workers, (uint32_t)count, choice);
	for (uint32_t i = 0; i < count; i++) {
		if (!af_xdp_spread_reads(&p->spread, how->worker, i))
			continue;
		if (p->queue_count == AF_XDP_QUEUES) {
			snprintf(err->text, sizeof(err->text),
				 "%s: %" PRIu64
				 " receive queues are more than %d for each worker: choose some "
				 "with queue= and queues=, give it fewer with ethtool -L, or use "
				 "spread=off with more --workers",
				 name, count, AF_XDP_QUEUES);
			return -EINVAL;
		}
		p->queue_index[p->queue_count++] = i;
	}
	p->worker = how->worker;
	return 0;
}

/* One way to try. */
struct attempt {
	bool native, frags;
};

enum { ATTEMPTS = 4 };

/* attempts - the best first. Packets larger than a frame come where the interface's own frames are,
 * and from the stack, which puts segments together before the program sees them. A driver that can
 * receive in place may not be able to in parts, so parts are not asked for without need. */
static uint32_t attempts(const struct af_xdp_port *p, uint32_t frame_room, struct attempt *ret)
{
	uint32_t mtu = interface_mtu_bytes(p->interface.name), n = 0;
	bool fits = mtu + LINK_HEADER_BYTES <= frame_room;

	for (int native = 1; native >= 0; native--) {
		bool first = native ? !fits : true;

		if (p->options.mode == (native ? MODE_GENERIC : MODE_NATIVE))
			continue;
		if (p->options.frags != FRAGS_AUTO)
			first = p->options.frags == FRAGS_ON;
		ret[n++] = (struct attempt){ native, first };
		if (p->options.frags == FRAGS_AUTO)
			ret[n++] = (struct attempt){ native, !first };
	}
	return n;
}

/* another_may_do - a way that failed like this says nothing about the other ways. */
static bool another_may_do(int code)
{
	switch (-code) {
	case EPERM:
	case EACCES:
	case EBUSY:
	case ENODEV:
	case ENOMEM:
	case ENOBUFS:
	case EAFNOSUPPORT: return false;
	default: return true;
	}
}

static bool drops_refused(const struct af_xdp_port *p)
{
	if (p->options.refused != REFUSED_AUTO)
		return p->options.refused == REFUSED_DROP;
	/* Queues that were not chosen belong to the host. */
	return p->options.queue == 0 && p->options.queues == 0 &&
	       !interface_has_address(p->interface.name);
}

/* slot_of - where the program finds this worker's socket on a queue, as the interface counts them.
 */
static uint32_t slot_of(const struct af_xdp_port *p, uint32_t queue)
{
	return queue * af_xdp_spread_members(&p->spread) +
	       af_xdp_spread_member(&p->spread, p->worker);
}

static void sockets_close(struct af_xdp_port *p)
{
	while (p->socket_count > 0)
		af_xdp_socket_close(&p->socket[--p->socket_count]);
	free(p->socket);
	p->socket = NULL;
}

static int sockets_open(struct af_xdp_port *p, struct rx_error *err)
{
	struct af_xdp_program_about about;
	struct af_xdp_socket_how how = {
		.interface = p->interface.name,
		.ifindex = p->interface.index,
		.member = af_xdp_spread_member(&p->spread, p->worker),
		.members = af_xdp_spread_members(&p->spread),
		.ring = p->ring,
		.frame_bytes = p->options.frame == 0 ? 2048 : 4096,
		.frames = (uint32_t)p->options.frames,
		.huge = (enum af_xdp_huge)p->options.huge,
		.copy = (enum af_xdp_copy)p->options.copy,
	};
	int code = 0;

	af_xdp_program_about(p->program, &about);
	p->frags = how.frags = about.frags;
	p->socket = calloc(p->queue_count, sizeof(*p->socket));
	if (p->socket == NULL)
		return no_memory(err);
	for (uint32_t i = 0; i < p->queue_count && code == 0; i++) {
		how.queue = (uint32_t)p->options.queue + p->queue_index[i];
		how.owner = af_xdp_spread_owner(&p->spread, p->queue_index[i]);
		code = af_xdp_socket_open(&p->socket[i], &how, err);
		if (code < 0)
			break;
		p->socket[i].slot = slot_of(p, how.queue);
		p->socket_count++;
	}
	if (code == 0)
		p->zero_copy = af_xdp_zero_copy(&p->socket[0]);
	else
		sockets_close(p);
	return code;
}

static int open_attempt(struct af_xdp_port *p, const struct rx_open *how, const struct attempt *a,
			struct rx_error *err)
{
	struct af_xdp_program_how program = {
		.interface = p->interface.name,
		.ifindex = p->interface.index,
		.queues = interface_rx_queues(p->interface.name),
		.members = af_xdp_spread_members(&p->spread),
		.workers = how->workers,
		.shunts = how->settings->shunt_bytes != 0 ? AF_XDP_SHUNTS : 0,
		.address_factor = how->spread.address,
		.port_factor = how->spread.port,
		.native = a->native,
		.frags = a->frags,
		.drop = drops_refused(p),
		.filter = how->settings->filter,
	};
	int code = af_xdp_program_open(&program, &p->program, err);

	if (code < 0)
		return code;
	code = sockets_open(p, err);
	if (code == 0)
		return 0;
	af_xdp_program_close(p->program);
	p->program = NULL;
	return code;
}

/* open_first - the port that comes first chooses for all of its interface. */
static int open_first(struct af_xdp_port *p, const struct rx_open *how, uint32_t frame_room,
		      struct rx_error *err)
{
	struct attempt attempt[ATTEMPTS];
	uint32_t count = attempts(p, frame_room, attempt);
	int code = -EINVAL;

	p->leads = true;
	for (uint32_t i = 0; i < count; i++) {
		code = open_attempt(p, how, &attempt[i], err);
		if (code == 0 || !another_may_do(code))
			break;
	}
	return code;
}

/* What the driver takes out of a frame before the program sees it cannot be put back. */
static void tell_of_tags(const struct af_xdp_port *p)
{
	const char *name = p->interface.name;

	if (interface_strips_tags(name))
		log_each("%s takes VLAN tags out of frames, and AF_XDP does not see them; if there "
			 "are "
			 "any, keep them in with: ethtool -K %s rxvlan off",
			 name, name);
}

/* open_more - a further port of an interface. */
static int open_more(struct af_xdp_port *p, struct rx_error *err)
{
	for (uint32_t i = 0; i < p->queue_count; i++) {
		uint32_t queue = (uint32_t)p->options.queue + p->queue_index[i];
		uint32_t slot = slot_of(p, queue);

		if (slot < af_xdp_program_slots(p->program) &&
		    af_xdp_program_socket(p->program, slot) < 0)
			continue;
		snprintf(err->text, sizeof(err->text),
			 "%s: queue %u is captured already: name an interface once; its queues are "
			 "shared out among the workers",
			 p->interface.name, queue);
		return -EBUSY;
	}
	return sockets_open(p, err);
}

static int connect_sockets(struct af_xdp_port *p, uint32_t frame_room, struct rx_error *err)
{
	uint32_t bytes_max = p->frags ? JOINED_BYTES_MAX : frame_room;
	int code = 0;

	if (p->frags) {
		p->joined = malloc(JOINED_BYTES);
		if (p->joined == NULL)
			return no_memory(err);
	}
	for (uint32_t i = 0; i < p->socket_count && code == 0; i++)
		code = af_xdp_program_connect(p->program, p->socket[i].slot, p->socket[i].fd,
					      bytes_max, err);
	return code;
}

static int start_busy(struct af_xdp_port *p, struct rx_error *err)
{
	int code = 0;

	p->under_way_max = UNDER_WAY_PER_QUEUE * p->socket_count;
	if (p->options.busy == 0)
		return 0;
	if (p->options.budget > UNDER_WAY_PER_QUEUE)
		p->under_way_max = (uint32_t)p->options.budget * p->socket_count;
	p->busy_polls = true;
	for (uint32_t i = 0; i < p->socket_count && code == 0; i++)
		if (p->socket[i].home == NULL)
			code = af_xdp_busy_socket(p->socket[i].fd, (uint32_t)p->options.budget,
						  err);
	if (code == 0 && p->leads)
		code = af_xdp_busy_open(&p->busy, p->interface.name, p->interface.index, err);
	return code;
}

static int watch(int epoll_fd, int fd)
{
	struct epoll_event e = { .events = EPOLLIN };

	return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &e) < 0 ? -errno : 0;
}

/* open_descriptors - all that is waited for, and the fence. */
static int open_descriptors(struct af_xdp_port *p, struct rx_error *err)
{
	int code = 0;

	p->fence_fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	p->wait_fd = epoll_create1(EPOLL_CLOEXEC);
	if (p->fence_fd < 0 || p->wait_fd < 0)
		code = -errno;
	if (code == 0)
		code = watch(p->wait_fd, interface_poll_fd(&p->interface));
	if (code < 0)
		snprintf(err->text, sizeof(err->text), "af_xdp: no descriptor to wait on: %s",
			 strerror(-code));
	return code;
}

static int check_ethernet(const char *name, struct rx_error *err)
{
	uint16_t kind = 0;

	if (interface_is_ethernet(name, &kind))
		return 0;
	snprintf(err->text, sizeof(err->text),
		 "%s: is no Ethernet interface (type %u), and AF_XDP needs one: use --rx "
		 "af_packet:%s",
		 name, kind, name);
	return -ENOTSUP;
}

/* size - the rings, and as many frames as they hold: then nobody who stands still keeps frames from
 * the others. */
static void size(struct af_xdp_port *p)
{
	uint32_t frame_bytes = p->options.frame == 0 ? 2048 : 4096;

	p->ring = af_xdp_spread_ring(&p->spread, (uint32_t)p->options.ring);
	if (p->options.frames == 0)
		p->options.frames = (uint64_t)af_xdp_spread_members(&p->spread) *
				    (p->ring + AF_XDP_SPARE);
	p->frame_mask = ~(uint64_t)(frame_bytes - 1);
}

/* begin_losses - What the stack dropped while the program was not there yet is not ours. */
static void begin_losses(struct af_xdp_port *p)
{
	interface_losses(&p->interface, &p->losses);
	p->interface.before = p->interface.now;
	p->losses = (struct interface_losses){ 0 };
}

static int port_open(struct af_xdp_port *p, const struct rx_open *how, const char *name,
		     struct rx_error *err)
{
	uint32_t frame_bytes = p->options.frame == 0 ? 2048 : 4096;
	uint32_t frame_room = frame_bytes - AF_XDP_HEADROOM;
	int code = interface_open(&p->interface, name, how->settings->promiscuous != 0, err);

	if (code == 0)
		code = check_ethernet(name, err);
	if (code == 0)
		code = own_queues(p, how, err);
	if (code < 0)
		return code;
	size(p);
	p->program = af_xdp_program_find(p->interface.index);
	code = p->program != NULL ? open_more(p, err) : open_first(p, how, frame_room, err);
	if (code == 0)
		code = start_busy(p, err);
	if (code == 0)
		code = open_descriptors(p, err);
	if (code == 0)
		code = connect_sockets(p, frame_room, err);
	if (code == 0 &&
	    af_xdp_shunts_init(&p->shunts, af_xdp_program_shunts(p->program, p->worker),
			       how->spread.address) < 0)
		code = no_memory(err);
	if (code == 0 && p->leads)
		tell_of_tags(p);
	if (code == 0)
		begin_losses(p);
	return code;
}

static void af_xdp_close(struct rx_port *port)
{
	struct af_xdp_port *p = of(port);

	for (uint32_t i = 0; i < p->socket_count && p->program != NULL; i++) {
		const struct af_xdp_socket *s = &p->socket[i];

		af_xdp_program_disconnect(p->program, s->slot);
		if (af_xdp_program_socket(p->program, s->slot) == s->fd)
			af_xdp_program_release(p->program, s->slot);
	}
	/* The program goes first: it must not hand frames to a socket that is being closed. */
	af_xdp_program_close(p->program);
	fence(p);
	af_xdp_busy_close(&p->busy);
	sockets_close(p);
	interface_close(&p->interface);
	if (p->wait_fd >= 0)
		close(p->wait_fd);
	af_xdp_shunts_fini(&p->shunts);
	free(p->joined);
	free(p);
}

static int af_xdp_open(const struct rx_open *how, struct rx_port **ret, struct rx_error *err)
{
	struct af_xdp_port *p;
	char name[INTERFACE_NAME_BYTES];
	struct options options;
	int code = options_read("af_xdp", af_xdp_options, how->argument, name, sizeof(name),
				&options, err);

	if (code == 0)
		code = check_options(&options, name, err);
	if (code < 0)
		return code;
	p = calloc(1, sizeof(*p));
	if (p == NULL)
		return no_memory(err);
	p->head.backend = &rx_af_xdp;
	p->options = options;
	p->wait_fd = p->fence_fd = -1;
	p->interface.socket_fd = p->interface.promiscuous_fd = -1;
	p->cut_bytes = how->settings->snaplen_bytes != 0 ? (uint32_t)how->settings->snaplen_bytes
							 : UINT32_MAX;
	code = port_open(p, how, name, err);
	if (code < 0) {
		af_xdp_close((struct rx_port *)p);
		return code;
	}
	if (how->iface != NULL)
		p->iface = (uint16_t)(how->iface(how->iface_context, name) + 1);
	*ret = (struct rx_port *)p;
	return 0;
}

/* ---- probing ---- */

static bool has_capability(unsigned capability)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };

	return syscall(SYS_capget, &head, data) == 0 &&
	       (data[capability / 32].effective & 1U << capability % 32) != 0;
}

static int probe_host(struct rx_error *ret)
{
	int fd;

	if (!has_capability(CAP_NET_ADMIN) || !has_capability(CAP_NET_RAW) ||
	    !((has_capability(CAP_BPF) && has_capability(CAP_PERFMON)) ||
	      has_capability(CAP_SYS_ADMIN))) {
		snprintf(ret->text, sizeof(ret->text),
			 "it needs the capabilities CAP_NET_ADMIN, CAP_NET_RAW, CAP_BPF and "
			 "CAP_PERFMON: start "
			 "as root or with sudo");
		return -EPERM;
	}
	fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		snprintf(ret->text, sizeof(ret->text), "this kernel has no AF_XDP sockets (%s)",
			 strerror(errno));
		return -EAFNOSUPPORT;
	}
	close(fd);
	return 0;
}

/* probe_interface - Opening it asks what open() will ask. */
static int probe_interface(const char *name, struct rx_error *ret)
{
	struct interface i;
	int code = interface_open(&i, name, false, ret), index = i.index;

	if (code < 0)
		return code;
	interface_close(&i);
	code = check_ethernet(name, ret);
	if (code == 0)
		code = af_xdp_program_foreign(name, index, ret);
	if (code < 0)
		return code;
	if (!interface_has_address(name))
		return 0;
	snprintf(ret->text, sizeof(ret->text),
		 "it would take packets away from this host, which has an address on %s; to do it "
		 "all the same: --rx af_xdp:%s",
		 name, name);
	return -EADDRINUSE;
}

static int af_xdp_probe(const char *interface, struct rx_error *ret)
{
	int code = probe_host(ret);

	if (code == 0 && interface != NULL)
		code = probe_interface(interface, ret);
	if (code < 0)
		return code;
	snprintf(ret->text, sizeof(ret->text),
		 "native where the driver can, else generic; zero-copy where the driver can, else "
		 "copy");
	return 0;
}

const struct rx_backend rx_af_xdp = {
	.name = "af_xdp",
	.help = "IFACE: an XDP program and AF_XDP sockets, past the host's network stack",
	.options = af_xdp_options,
	.live = true,
	.preference = 30,
	.probe = af_xdp_probe,
	.open = af_xdp_open,
	.about = af_xdp_about,
	.stop = af_xdp_stop,
	.pull = af_xdp_pull,
	.give_back = af_xdp_give_back,
	.state = af_xdp_state,
	.counters = af_xdp_counters,
	.shunt = af_xdp_shunt,
	.wait_fd = af_xdp_wait_fd,
	.close = af_xdp_close,
};
