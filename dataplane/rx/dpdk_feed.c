/* dpdk_feed - frames in memory, and the threads that put them into the ring. */
#include "dataplane/rx/dpdk_feed.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

/* Before DPDK's, which would define container_of too. */
#include "dataplane/base/compiler.h"

#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "dataplane/base/threads.h"
#include "dataplane/rx/dpdk_capture.h"
#include "dataplane/rx/dpdk_rounds.h"

enum {
	BATCH = 32,
	ALIGN_BYTES = 64,
	FRAME_BYTES_MAX = 65535, /* of an mbuf */
	SPINS = 256,             /* before the processor is left to somebody else */
	NAP_NS = 20 * 1000,      /* a full ring lasts for some hundred microseconds */
};

struct fed {
	struct rte_mbuf *mbuf;
	struct dpdk_round_place place;
};

/* What one thread feeds. */
struct lane {
	pthread_t thread;
	struct dpdk_feed *feed;
	uint32_t queue;
	bool running;
	struct fed *fed;
	uint32_t count, room;
	/* The feeder writes, others read. */
	_Alignas(CACHE_LINE_BYTES) _Atomic uint64_t offered;
	atomic_bool over;
	/* The other way round. */
	_Alignas(CACHE_LINE_BYTES) atomic_bool stop;
};

struct dpdk_feed {
	struct lane *lane;
	uint32_t queues;
	uint16_t port;
	uint64_t rounds, core; /* rounds 0: without end */
	bool new_flows;
	struct spread spread;
	uint32_t link;
	uint8_t *frames;
	size_t frames_bytes, used_bytes;
	struct rte_mempool *pool;
	struct rte_mbuf_ext_shared_info shared;
};

/* ---- loading ---- */

static void never_free(void *address, void *context)
{
	(void)address;
	(void)context;
}

static struct fed *lane_room(struct lane *l)
{
	uint32_t room = l->room == 0 ? 1024 : l->room * 2;
	struct fed *larger;

	if (l->count < l->room)
		return &l->fed[l->count];
	larger = realloc(l->fed, room * sizeof(*larger));
	if (larger == NULL)
		return NULL;
	l->fed = larger;
	l->room = room;
	return &l->fed[l->count];
}

/* load - one packet. Longer ones than an mbuf can have are cut, as by a snap length. */
static int load(void *context, const struct packet *packet)
{
	struct dpdk_feed *f = context;
	uint32_t bytes = packet->caplen_bytes < FRAME_BYTES_MAX ? packet->caplen_bytes
								: FRAME_BYTES_MAX;
	uint8_t *at = f->frames + f->used_bytes;
	struct dpdk_round_place place = { 0 };
	struct rte_mbuf *m = rte_pktmbuf_alloc(f->pool);
	struct lane *l;
	struct fed *fed;

	if (packet->link == LINK_ETHERNET)
		place = dpdk_round_locate(packet->frame, bytes);
	l = &f->lane[dpdk_round_spread(packet->frame, place, bytes, f->spread) % f->queues];
	fed = lane_room(l);
	if (m == NULL || fed == NULL)
		return -ENOMEM;
	memcpy(at, packet->frame, bytes);
	rte_pktmbuf_attach_extbuf(m, at, (rte_iova_t)(uintptr_t)at, (uint16_t)bytes, &f->shared);
	m->data_off = 0;
	m->data_len = (uint16_t)bytes;
	m->pkt_len = bytes;
	*fed = (struct fed){ m, place };
	l->count++;
	f->link = packet->link;
	f->used_bytes += (bytes + ALIGN_BYTES - 1) & ~(size_t)(ALIGN_BYTES - 1);
	return 0;
}

static int make_room(struct dpdk_feed *f, const struct dpdk_capture_size *size)
{
	static uint32_t serial;
	char name[RTE_MEMPOOL_NAMESIZE];

	f->frames_bytes = size->bytes + size->packets * ALIGN_BYTES;
	f->frames = mmap(NULL, f->frames_bytes, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (f->frames == MAP_FAILED) {
		f->frames = NULL;
		return -ENOMEM;
	}
	/* A page of 4 KiB would be four frames: address translation is then what is measured. */
	madvise(f->frames, f->frames_bytes, MADV_HUGEPAGE);
	snprintf(name, sizeof(name), "weir_feed_%u", serial++);
	f->pool = rte_pktmbuf_pool_create(name, (unsigned)size->packets + 1, 0, 0, 0,
					  SOCKET_ID_ANY);
	return f->pool == NULL ? -ENOMEM : 0;
}

static int fill(struct dpdk_feed *f, const char *path, struct rx_error *err)
{
	struct dpdk_capture_size size;
	int code = dpdk_capture_measure(path, &size, err);

	if (code == 0 && size.packets == 0) {
		snprintf(err->text, sizeof(err->text), "dpdk: feed=%s: no packets are in it", path);
		return -ENODATA;
	}
	if (code == 0)
		code = make_room(f, &size);
	if (code == 0)
		code = dpdk_capture_walk(path, load, f, err);
	if (code == -ENOMEM)
		snprintf(err->text, sizeof(err->text),
			 "dpdk: feed=%s: there is no memory for its packets", path);
	return code;
}

int dpdk_feed_open(const struct dpdk_args *args, const struct rx_open *how, struct dpdk_feed **ret,
		   struct rx_error *err)
{
	struct dpdk_feed *f = calloc(1, sizeof(*f));
	uint32_t queues = how->workers;
	int code = -ENOMEM;

	if (f != NULL)
		f->lane = aligned_alloc(CACHE_LINE_BYTES, queues * sizeof(*f->lane));
	if (f == NULL || f->lane == NULL) {
		snprintf(err->text, sizeof(err->text), "dpdk: there is no memory for the feed");
		goto err_free;
	}
	memset(f->lane, 0, queues * sizeof(*f->lane));
	f->queues = queues;
	f->spread = how->spread;
	f->rounds = args->rounds;
	f->core = args->core;
	f->new_flows = args->flows == DPDK_FLOWS_NEW;
	f->shared.free_cb = never_free;
	rte_mbuf_ext_refcnt_set(&f->shared, 1);
	for (uint32_t i = 0; i < queues; i++) {
		f->lane[i].feed = f;
		f->lane[i].queue = i;
	}
	code = fill(f, args->feed, err);
	if (code < 0)
		goto err_free;
	*ret = f;
	return 0;

err_free:
	dpdk_feed_close(f);
	return code;
}

/* ---- running ---- */

static bool stopped(const struct lane *l)
{
	return atomic_load_explicit(&l->stop, memory_order_relaxed);
}

/* wait_a_little - The ring is full: the worker is what is measured, not this. */
static void wait_a_little(uint32_t *waits)
{
	if (++*waits % SPINS != 0)
		rte_pause();
	else
		nanosleep(&(struct timespec){ .tv_nsec = NAP_NS }, NULL);
}

/* lend - the mbuf once more, when the worker has done with it. False: stopped meanwhile. */
static bool lend(struct lane *l, struct fed *fed, uint32_t change)
{
	uint32_t waits = 0;

	/* Pairs with the release in the worker's decrement: it reads no more. (DPDK's own
	 * rte_mbuf_refcnt_read() is relaxed.) */
	while (__atomic_load_n(&fed->mbuf->refcnt, __ATOMIC_ACQUIRE) != 1) {
		if (stopped(l))
			return false;
		wait_a_little(&waits);
	}
	if (change != 0)
		dpdk_round_rewrite(rte_pktmbuf_mtod(fed->mbuf, uint8_t *), fed->place, change);
	rte_mbuf_refcnt_set(fed->mbuf, 2);
	return true;
}

/* put_in - Returns how many got in: fewer only when stopped. */
static uint32_t put_in(struct lane *l, struct rte_mbuf **batch, uint32_t count)
{
	uint32_t sent = 0, waits = 0;

	while (sent < count && !stopped(l)) {
		uint16_t n = rte_eth_tx_burst(l->feed->port, (uint16_t)l->queue, batch + sent,
					      (uint16_t)(count - sent));

		sent += n;
		if (n > 0)
			atomic_fetch_add_explicit(&l->offered, n, memory_order_release);
		else
			wait_a_little(&waits);
	}
	return sent;
}

static void feed_round(struct lane *l, uint32_t change)
{
	struct rte_mbuf *batch[BATCH];

	for (uint32_t at = 0; at < l->count && !stopped(l);) {
		uint32_t n = 0, sent;

		while (n < BATCH && at + n < l->count && lend(l, &l->fed[at + n], change)) {
			batch[n] = l->fed[at + n].mbuf;
			n++;
		}
		sent = put_in(l, batch, n);
		for (uint32_t i = sent; i < n; i++)
			rte_mbuf_refcnt_set(batch[i], 1);
		at += sent;
	}
}

static void *feeder(void *lane)
{
	struct lane *l = lane;
	const struct dpdk_feed *f = l->feed;
	uint64_t round = 0;

	while (!stopped(l) && l->count > 0 && (f->rounds == 0 || round < f->rounds)) {
		uint64_t before = round == 0 ? 0 : round - 1;

		feed_round(l, f->new_flows ? (uint32_t)(before ^ round) : 0);
		round++;
	}
	atomic_store_explicit(&l->over, true, memory_order_release);
	return NULL;
}

/* bind_to_core - of the user's choice. Otherwise the kernel keeps it away from what is busy. */
static void bind_to_core(const struct dpdk_feed *f, struct lane *l)
{
	cpu_set_t set;

	if (f->core == DPDK_NO_CORE || f->core + l->queue >= CPU_SETSIZE)
		return;
	CPU_ZERO(&set);
	CPU_SET(f->core + l->queue, &set);
	pthread_setaffinity_np(l->thread, sizeof(set), &set);
}

int dpdk_feed_start(struct dpdk_feed *f, uint16_t port)
{
	sigset_t all, before;
	int err = 0;

	f->port = port;
	sigfillset(&all);
	sigdelset(&all, THREADS_SIGNAL);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	for (uint32_t i = 0; i < f->queues && err == 0; i++) {
		struct lane *l = &f->lane[i];

		err = pthread_create(&l->thread, NULL, feeder, l);
		l->running = err == 0;
		if (l->running)
			bind_to_core(f, l);
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -err;
}

void dpdk_feed_stop(struct dpdk_feed *f, uint32_t queue)
{
	struct lane *l = &f->lane[queue];

	atomic_store_explicit(&l->stop, true, memory_order_relaxed);
	if (l->running)
		pthread_join(l->thread, NULL);
	l->running = false;
}

uint64_t dpdk_feed_offered(const struct dpdk_feed *f, uint32_t queue, bool *ret_over)
{
	const struct lane *l = &f->lane[queue];

	*ret_over = atomic_load_explicit(&l->over, memory_order_acquire);
	return atomic_load_explicit(&l->offered, memory_order_acquire);
}

uint32_t dpdk_feed_link(const struct dpdk_feed *f)
{
	return f->link;
}

void dpdk_feed_close(struct dpdk_feed *f)
{
	if (f == NULL)
		return;
	for (uint32_t i = 0; f->lane != NULL && i < f->queues; i++) {
		dpdk_feed_stop(f, i);
		free(f->lane[i].fed);
	}
	rte_mempool_free(f->pool);
	if (f->frames != NULL)
		munmap(f->frames, f->frames_bytes);
	free(f->lane);
	free(f);
}
