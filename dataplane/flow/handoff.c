/* handoff - copies of packets, from worker to worker. */
#include "dataplane/flow/handoff.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "dataplane/base/ensure.h"
#include "dataplane/flow/path.h"
#include "dataplane/shm/record.h"

enum { ROOM_WAIT_MS = 100, TAKE_WAIT_NS = 20000, RECORD_ALIGN = 8 };

/* What crosses. The packet's pointers are those of the giver, into the `bytes` that lay at `base`.
 * Behind it lie its path, if it has one, and then these bytes. */
struct handed {
	uint32_t record_bytes; /* first, as the ring wants it */
	uint32_t path_bytes;
	uint32_t bytes;
	const uint8_t *base;
	struct packet packet;
	_Alignas(8) uint8_t data[];
};

/* `asleep`: its worker sets it, whoever wakes it clears it. */
struct bell {
	_Alignas(CACHE_LINE_BYTES) _Atomic uint32_t asleep;
	int fd;
};

/* `nothing_ns`: CLOCK_MONOTONIC; its worker writes it. */
struct said {
	_Alignas(CACHE_LINE_BYTES) _Atomic uint64_t nothing_ns;
};

struct pipe {
	struct ring_up up;
	struct ring_down down;
	uint8_t *data;
};

struct handoff_net {
	uint32_t workers;
	uint64_t ring_bytes;
	_Atomic uint32_t ended; /* workers whose sources have ended */
	struct said said[HANDOFF_WORKERS_MAX];
	struct bell *bell;
	struct pipe *pipe; /* [from * workers + to] */
};

/* ---- rings ---- */

static int pipe_make(struct pipe *p, uint64_t bytes)
{
	int fd = memfd_create("weir-handoff", MFD_CLOEXEC), err = 0;

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)bytes) < 0)
		err = -errno;
	if (err == 0) {
		p->data = ring_map(fd, 0, bytes, true);
		err = p->data == NULL ? -errno : 0;
	}
	close(fd);
	return err;
}

int handoff_net_make(struct handoff_net **ret, uint32_t workers, uint64_t ring_bytes)
{
	size_t pipes = (size_t)workers * workers;
	struct handoff_net *net = aligned_alloc(CACHE_LINE_BYTES, sizeof(*net));
	int err = 0;

	if (net == NULL)
		return -ENOMEM;
	memset(net, 0, sizeof(*net));
	net->workers = workers;
	net->ring_bytes = ring_bytes;
	net->bell = aligned_alloc(CACHE_LINE_BYTES, workers * sizeof(*net->bell));
	net->pipe = aligned_alloc(CACHE_LINE_BYTES, pipes * sizeof(*net->pipe));
	if (net->bell != NULL)
		memset(net->bell, 0, workers * sizeof(*net->bell));
	if (net->pipe != NULL)
		memset(net->pipe, 0, pipes * sizeof(*net->pipe));
	if (net->bell == NULL || net->pipe == NULL)
		err = -ENOMEM;
	for (uint32_t w = 0; w < workers && err == 0; w++) {
		net->bell[w].fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (net->bell[w].fd < 0)
			err = -errno;
	}
	for (size_t i = 0; i < pipes && err == 0; i++)
		if (i / workers != i % workers)
			err = pipe_make(&net->pipe[i], ring_bytes);
	if (err < 0)
		handoff_net_free(net);
	else
		*ret = net;
	return err;
}

void handoff_net_free(struct handoff_net *net)
{
	if (net == NULL)
		return;
	for (size_t i = 0; net->pipe != NULL && i < (size_t)net->workers * net->workers; i++)
		if (net->pipe[i].data != NULL)
			munmap(net->pipe[i].data, 2 * net->ring_bytes);
	for (uint32_t w = 0; net->bell != NULL && w < net->workers; w++)
		if (net->bell[w].fd > 0)
			close(net->bell[w].fd);
	free(net->pipe);
	free(net->bell);
	free(net);
}

void handoff_init(struct handoff *h, const struct handoff_settings *s, struct handoff_net *net,
		  struct counters *counters)
{
	uint32_t n = s->workers;

	*h = (struct handoff){ .net = net, .settings = *s, .counters = counters };
	for (uint32_t i = 0; net != NULL && i < n; i++) {
		struct pipe *out = &net->pipe[s->worker * n + i];
		struct pipe *in = &net->pipe[i * n + s->worker];

		if (i == s->worker)
			continue;
		ring_producer_init(&h->out[i], out->data, net->ring_bytes, &out->up, &out->down);
		ENSURE(ring_consumer_init(&h->in[i], in->data, net->ring_bytes, &in->up,
					  &in->down) == 0);
	}
}

/* ---- giving ---- */

static uint64_t bit(uint32_t worker)
{
	return UINT64_C(1) << worker;
}

/* The exchange puts an order between the two sides: either the sleeper's comes later, and then it
 * sees what was published before this one (handoff_may_sleep() looks again); or this one finds 1
 * and rings. */
static void wake(struct bell *b)
{
	uint64_t one = 1;

	if (atomic_exchange_explicit(&b->asleep, 0, memory_order_seq_cst) != 0 &&
	    write(b->fd, &one, sizeof(one)) < 0)
		return; /* the counter is full: it rings already */
}

static void publish(struct handoff *h)
{
	for (; h->given != 0; h->given &= h->given - 1) {
		uint32_t to = (uint32_t)__builtin_ctzll(h->given);

		(void)ring_publish(&h->out[to]);
		wake(&h->net->bell[to]);
	}
}

/* What of the packet is needed elsewhere, in one piece: the frame, or of a datagram what comes
 * behind its IP header. */
static const uint8_t *span(const struct packet *p, uint32_t *ret_bytes)
{
	const uint8_t *from = p->payload, *to = p->payload + p->payload_captured_bytes;

	*ret_bytes = p->caplen_bytes;
	if (!p->datagram)
		return p->frame;
	if (p->tcp_option_bytes > 0)
		from = p->tcp_options;
	*ret_bytes = (uint32_t)(to - from);
	return from;
}

static struct handed *room_for(struct handoff *h, uint32_t to, uint64_t bytes)
{
	struct ring_producer *r = &h->out[to];
	struct handed *at = ring_reserve(r, bytes);

	while (at == NULL && h->settings.waits && bytes <= r->mask + 1) {
		publish(h);
		ring_wait_room(r, ROOM_WAIT_MS);
		at = ring_reserve(r, bytes);
	}
	return at;
}

static void give(struct handoff *h, uint32_t to, const struct packet *p)
{
	uint32_t bytes, path = p->path == NULL || p->raw ? 0 : (uint32_t)path_bytes(p->path);
	const uint8_t *base = span(p, &bytes);
	uint64_t record = (sizeof(struct handed) + path + bytes + RECORD_ALIGN - 1) / RECORD_ALIGN *
			  RECORD_ALIGN;
	struct handed *at = record <= RECORD_BYTES_MAX ? room_for(h, to, record) : NULL;

	if (at == NULL) {
		count(h->counters, handoff_full);
		return;
	}
	at->record_bytes = (uint32_t)record;
	at->path_bytes = path;
	at->bytes = bytes;
	at->base = base;
	at->packet = *p;
	if (path > 0)
		memcpy(at->data, p->path, path);
	memcpy(at->data + path, base, bytes);
	ring_commit(&h->out[to], record);
	h->given |= bit(to);
	count(h->counters, handed_out);
}

/* ---- taking ---- */

static const uint8_t *moved(const uint8_t *pointer, const struct handed *from, const uint8_t *data)
{
	/* An empty payload may point right behind the last byte. */
	bool inside = pointer >= from->base && pointer <= from->base + from->bytes;

	return pointer != NULL && inside ? data + (pointer - from->base) : data;
}

/* The packet as it is here, with what lies behind it at `data`; times are this worker's. */
static void unpack(const struct handed *from, const uint8_t *data, struct packet *ret)
{
	uint64_t now_ns = ret->now_ns;
	uint32_t epoch = ret->epoch;

	*ret = from->packet;
	ret->now_ns = now_ns;
	ret->epoch = epoch;
	ret->handed = true;
	ret->path = from->path_bytes > 0 ? (const struct path *)(const void *)data : NULL;
	data += from->path_bytes;
	ret->frame = data;
	if (ret->datagram)
		ret->caplen_bytes = from->bytes;
	ret->payload = moved(ret->payload, from, data);
	ret->tcp_options = moved(ret->tcp_options, from, data);
}

static const struct handed *peek(struct handoff *h, uint32_t from)
{
	uint64_t bytes;
	const struct handed *at = ring_peek(&h->in[from], &bytes);

	ENSURE(at != NULL || bytes == 0);
	return at;
}

static void taken(struct handoff *h, uint32_t from, const struct handed *at)
{
	ring_next(&h->in[from], at->record_bytes);
	h->taken |= bit(from);
	count(h->counters, handed_in);
}

static void take(struct handoff *h, struct burst *b, uint32_t from)
{
	const struct handed *at;

	while (b->count + h->taken_count < BURST_PACKETS && (at = peek(h, from)) != NULL) {
		struct packet *to = at->packet.raw ? &b->packet[b->count++]
						   : &h->in_packet[h->taken_count++];

		unpack(at, at->data, to);
		to->raw = false;
		taken(h, from, at);
	}
}

uint32_t handoff_pull(struct handoff *h, struct burst *b)
{
	uint32_t before = b->count, n = h->settings.workers;

	if (likely(h->net == NULL || h->settings.waits))
		return 0;
	h->taken_count = 0;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t from = (h->first + i) % n;

		if (from != h->settings.worker)
			take(h, b, from);
	}
	h->first = (h->first + 1) % n;
	return b->count - before + h->taken_count;
}

uint32_t handoff_room(struct handoff *h)
{
	if (likely(h->net == NULL || h->settings.waits))
		return BURST_PACKETS;
	for (uint32_t i = 0; i < h->settings.workers; i++)
		if (i != h->settings.worker && peek(h, i) != NULL)
			return BURST_PACKETS / 2;
	return BURST_PACKETS;
}

/* ---- of a file: every worker sees every packet ---- */

static void nap(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = TAKE_WAIT_NS }, NULL);
}

/* The packet of this number from the ring of who received it. NULL: it will not come. */
static const struct handed *await(struct handoff *h, uint32_t from, uint64_t number)
{
	for (;;) {
		/* In this order: what was closed is complete. */
		bool closed = atomic_load_explicit(&h->in[from].up->closed, memory_order_acquire);
		const struct handed *at = peek(h, from);

		if (at != NULL)
			return at->packet.number == number ? at : NULL;
		if (closed)
			return NULL;
		publish(h);
		nap();
	}
}

/* Takes the place of the packet that this worker has seen itself. */
static bool take_number(struct handoff *h, uint32_t from, struct packet *p)
{
	const struct handed *at = await(h, from, p->number);
	uint32_t bytes = at == NULL ? 0 : at->path_bytes + at->bytes;
	uint8_t *copy = at == NULL ? NULL : malloc(bytes + 1);

	if (copy == NULL)
		return false;
	memcpy(copy, at->data, bytes);
	h->copy[h->copy_count++] = copy;
	unpack(at, copy, p);
	taken(h, from, at);
	ring_release(&h->in[from]);
	return true;
}

static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 33) * UINT64_C(0xff51afd7ed558ccd);
	return x ^ x >> 33;
}

/* A wrong worker for a packet in N; else the right one. */
static uint32_t receiver(const struct handoff *h, const struct packet *p, uint64_t number)
{
	uint64_t n = h->settings.force_one_in, random = mix(number + 1);
	uint32_t workers = h->settings.workers;

	if (n == 0 || random % n != 0)
		return p->home;
	return (uint32_t)((p->home + 1 + random / n % (workers - 1)) % workers);
}

static void count_received(struct handoff *h, const struct packet *p)
{
	if (p->datagram) {
		count(h->counters, datagrams_completed);
		return;
	}
	count(h->counters, received);
	count_by(h->counters, received_bytes, p->caplen_bytes);
	if (p->caplen_bytes < p->wire_bytes)
		count(h->counters, packets_cut);
}

/* Returns: does the packet go on here? */
static bool pass_file(struct handoff *h, struct packet *p)
{
	uint32_t self = h->settings.worker, by = receiver(h, p, p->number);

	if (by == self) {
		count_received(h, p);
		if (p->home == self)
			return true;
		give(h, p->home, p);
		return false;
	}
	return p->home == self && take_number(h, by, p);
}

/* ---- of an interface ---- */

static bool pass_live(struct handoff *h, struct packet *p)
{
	uint32_t self = h->settings.worker, to = p->home;

	if (to == self && !p->raw && !p->handed && h->settings.force_one_in != 0)
		to = receiver(h, p, h->packets++);
	if (to == self)
		return true;
	give(h, to, p);
	return false;
}

static void append_taken(struct handoff *h, struct burst *b)
{
	for (uint32_t i = 0; i < h->taken_count; i++) {
		struct packet *p = &h->in_packet[i];

		/* One that was sent the wrong way on purpose. */
		if (unlikely(p->home != h->settings.worker))
			give(h, p->home, p);
		else
			b->packet[b->count++] = *p;
	}
	h->taken_count = 0;
}

void handoff_burst(struct handoff *h, struct burst *b)
{
	uint32_t kept = 0;

	if (likely(h->net == NULL))
		return;
	for (uint32_t i = 0; i < b->count; i++) {
		struct packet *p = &b->packet[i];

		if (!(h->settings.waits ? pass_file(h, p) : pass_live(h, p)))
			continue;
		if (kept != i)
			b->packet[kept] = *p;
		kept++;
	}
	b->count = kept;
	append_taken(h, b);
}

void handoff_release(struct handoff *h)
{
	if (likely(h->net == NULL))
		return;
	while (h->copy_count > 0)
		free(h->copy[--h->copy_count]);
	for (; h->taken != 0; h->taken &= h->taken - 1)
		ring_release(&h->in[__builtin_ctzll(h->taken)]);
	publish(h);
}

uint64_t handoff_waiting(const struct handoff *h)
{
	uint64_t waiting = 0;

	for (uint32_t i = 0; h->net != NULL && i < h->settings.workers; i++)
		if (i != h->settings.worker)
			waiting += atomic_load_explicit(&h->in[i].up->records,
							memory_order_relaxed) -
				   h->in[i].records;
	return waiting;
}

/* ---- rounds ---- */

void handoff_found_nothing(struct handoff *h, uint64_t begun_ns)
{
	if (h->net == NULL)
		return;
	/* Pairs with the acquire in all_have_said(): what was given before is in the rings. */
	atomic_store_explicit(&h->net->said[h->settings.worker].nothing_ns, begun_ns,
			      memory_order_release);
}

static bool all_have_said(const struct handoff *h)
{
	for (uint32_t i = 0; i < h->settings.workers; i++)
		if (i != h->settings.worker &&
		    atomic_load_explicit(&h->net->said[i].nothing_ns, memory_order_acquire) <=
			    h->round.begun_ns)
			return false;
	return true;
}

static void note_what_is_given(struct handoff *h)
{
	for (uint32_t i = 0; i < h->settings.workers; i++)
		if (i != h->settings.worker)
			h->round.records[i] = atomic_load_explicit(&h->in[i].up->records,
								   memory_order_relaxed);
}

static bool all_is_taken(const struct handoff *h)
{
	for (uint32_t i = 0; i < h->settings.workers; i++)
		if (i != h->settings.worker && h->in[i].records < h->round.records[i])
			return false;
	return true;
}

static bool round_is_over(struct handoff *h)
{
	if (!h->round.all_have_said) {
		if (!all_have_said(h))
			return false;
		h->round.all_have_said = true;
		note_what_is_given(h);
	}
	return all_is_taken(h);
}

uint64_t handoff_certain(struct handoff *h, uint64_t monotonic_ns, uint64_t pipeline_ns)
{
	struct handoff_round *r = &h->round;

	if (h->net == NULL)
		return UINT64_MAX;
	if (!round_is_over(h) && monotonic_ns - r->begun_ns < HANDOFF_ROUND_NS)
		return r->certain_ns;
	r->certain_ns = r->before_ns;
	r->before_ns = r->pipeline_ns;
	r->pipeline_ns = pipeline_ns;
	r->begun_ns = monotonic_ns;
	r->all_have_said = false;
	return r->certain_ns;
}

/* ---- sleeping ---- */

bool handoff_may_sleep(struct handoff *h, int *ret_fd)
{
	*ret_fd = -1;
	if (h->net == NULL || h->settings.waits)
		return true;
	*ret_fd = h->net->bell[h->settings.worker].fd;
	(void)atomic_exchange_explicit(&h->net->bell[h->settings.worker].asleep, 1,
				       memory_order_seq_cst);
	return handoff_room(h) == BURST_PACKETS;
}

void handoff_awake(struct handoff *h)
{
	struct bell *b = h->net == NULL ? NULL : &h->net->bell[h->settings.worker];
	uint64_t rung;

	if (b == NULL || h->settings.waits)
		return;
	atomic_store_explicit(&b->asleep, 0, memory_order_relaxed);
	if (read(b->fd, &rung, sizeof(rung)) < 0)
		return; /* nobody has rung */
}

/* ---- the end ---- */

void handoff_sources_ended(struct handoff *h)
{
	if (h->net == NULL)
		return;
	publish(h);
	handoff_found_nothing(h, UINT64_MAX); /* nor will it any more */
	/* Pairs with the acquire in handoff_all_ended(): what was published before is there. */
	atomic_fetch_add_explicit(&h->net->ended, 1, memory_order_release);
}

bool handoff_all_ended(const struct handoff *h)
{
	return h->net == NULL ||
	       atomic_load_explicit(&h->net->ended, memory_order_acquire) == h->net->workers;
}

void handoff_close(struct handoff *h)
{
	for (uint32_t i = 0; h->net != NULL && i < h->settings.workers; i++)
		if (i != h->settings.worker)
			ring_close(&h->out[i]);
}

bool handoff_drained(struct handoff *h)
{
	for (uint32_t i = 0; h->net != NULL && i < h->settings.workers; i++)
		if (i != h->settings.worker && !ring_drained(&h->in[i]))
			return false;
	return true;
}

static void cut_ring(struct handoff *h, uint32_t from)
{
	const struct handed *at;

	while ((at = peek(h, from)) != NULL) {
		count(h->counters, cut_rx);
		taken(h, from, at);
		ring_release(&h->in[from]);
	}
}

/* Whoever still writes finds room, and so comes to its end and closes. */
void handoff_cut(struct handoff *h)
{
	while (!handoff_drained(h)) {
		for (uint32_t i = 0; i < h->settings.workers; i++)
			if (i != h->settings.worker)
				cut_ring(h, i);
		nap();
	}
}
