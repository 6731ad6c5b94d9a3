/* setup - settings become tables, pools, rings and open sources. */
#include "dataplane/setup.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "dataplane/base/cpu.h"
#include "dataplane/base/log.h"
#include "dataplane/reassembly/count.h"
#include "dataplane/rx/backends.h"

enum { EXIT_SETTINGS = 2, EXIT_SOURCE = 5, CONN_MEMORY_BYTES = 256 * 1024 };

/* As many connections as the second cache of a core holds, about. */
enum { CONNS_AWAKE = 2048, POOL_MIN = 4096 };

static struct hash_key hash_key(const struct settings *s)
{
	struct hash_key k = { s->hash_seed, ~s->hash_seed };

	/* Live, nobody may be able to choose packets that collide; a file must give the same every
	 * time. */
	if (s->live && s->hash_seed == 0 && getrandom(&k, sizeof(k), 0) != sizeof(k))
		log_warn("no random numbers: the flow hash can be guessed");
	return k;
}

/* From the key, so that it is as secret, and of a file the same every time. */
static struct spread spread_of(struct hash_key key)
{
	uint64_t word[1] = { 1 }, number = hash_words(key, word, 1);

	return (struct spread){ (uint32_t)number | 1, (uint32_t)(number >> 32) | 1 };
}

static struct decode_settings decode_settings(const struct settings *s, struct hash_key key,
					      uint32_t worker)
{
	return (struct decode_settings){
		.checksum = s->checksum != 0,
		.extension_headers = (uint32_t)s->extension_headers,
		.encapsulations = (uint32_t)s->encapsulations,
		.key_without_vlan = s->flow_key == FLOW_KEY_5tuple || s->dedup_ns != 0,
		.key_without_tunnels = s->flow_key == FLOW_KEY_5tuple,
		.dedup_ns = s->dedup_ns,
		.dedup_packets = (uint32_t)s->dedup_packets,
		.fragment_bytes = s->fragment_bytes,
		.fragments_per_datagram = (uint32_t)s->fragments_per_datagram,
		.fragment_timeout_ns = s->fragment_timeout_ns,
		.own = s->own,
		.own_count = s->own_count < SETTINGS_OWN_MAX ? s->own_count : SETTINGS_OWN_MAX,
		.ignore_ports = s->ignores_ports ? s->ignore_ports : NULL,
		.hash_key = key,
		.spread = spread_of(key),
		/* Of a file every worker walks all and keeps its own; a live port's share is its
		   own already. */
		.worker = s->live ? 0 : worker,
		.workers = s->live ? 1 : (uint32_t)s->workers,
	};
}

static struct flow_settings flow_settings(const struct settings *s, struct hash_key key,
					  uint32_t worker, struct arena *arena)
{
	return (struct flow_settings){
		.flows = (uint32_t)s->flows,
		.half_open = (uint32_t)s->half_open,
		.timeout_ns = { [FLOW_HALF_OPEN] = s->half_open_timeout_ns,
				[FLOW_LIVE] = s->idle_timeout_ns,
				[FLOW_CLOSING] = s->closing_timeout_ns,
				[FLOW_UDP] = s->udp_timeout_ns },
		.worker = worker,
		.workers = (uint32_t)s->workers,
		.paths = (uint32_t)s->tunnel_paths,
		.hash_key = key,
		.arena = arena,
	};
}

static struct reassembly_settings reassembly_settings(const struct settings *s)
{
	return (struct reassembly_settings){
		.gap_wait_ns = s->gap_wait_ns,
		.held_bytes = (uint32_t)s->held_bytes,
		.held_segments = (uint32_t)s->held_segments,
		.held_worker_bytes = s->held_worker_bytes,
		.history_bytes = (uint32_t)s->history_bytes,
		.shunts = s->shunt_bytes != 0,
	};
}

/* How much of what comes and goes with every exchange is kept for the next: as much as may be under
 * way at once where so many flows are expected. */
static uint32_t pooled(const struct settings *s)
{
	return s->flows / 8 > POOL_MIN ? (uint32_t)(s->flows / 8) : POOL_MIN;
}

static struct host_settings host_settings(const struct settings *s)
{
	return (struct host_settings){
		.gap_wait_ns = s->gap_wait_ns,
		.head_bytes = (uint32_t)s->head_bytes,
		.head_fields = (uint32_t)s->head_fields,
		.body_limit_bytes = (uint32_t)s->body_limit_bytes,
		.decode_bodies = s->decode_bodies != 0,
		.shunt_bytes = s->shunt_bytes,
		.conn_memory_bytes = CONN_MEMORY_BYTES,
		.conns_awake = CONNS_AWAKE,
		.spare_conns = pooled(s),
		.headers = s->headers,
		.header_names = s->header_names,
	};
}

/* Where reassembly ends: the choice of --format and --until. */
static struct sink choose_sink(struct worker *w, const struct settings *s)
{
	if (strcmp(s->format, "streams") == 0)
		return digest_sink(&w->digest);
	if (s->until == STAGE_reassembly)
		return count_sink();
	return host_sink(&w->host);
}

/* What reassembly does not follow need not come: whoever can keep it back is told. */
static void tell_ports(void *context, const struct flow *f, enum side side, uint32_t first,
		       uint32_t end)
{
	const struct ports *rx = context;
	struct rx_shunt what = { .key = &f->key, .side = side, .first = first, .end = end };

	for (uint32_t i = 0; i < rx->count; i++) {
		const struct rx_backend *b = rx_port_backend(rx->port[i]);

		if (b->shunt != NULL)
			b->shunt(rx->port[i], &what);
	}
}

static int say(int status, const char *what, int err)
{
	log_error("%s: %s", what, strerror(-err));
	return status;
}

/* ---- sources ---- */

static uint16_t add_interface(void *context, const char *name)
{
	return region_interface_add(context, name);
}

static void publish_about(struct worker *w, struct rx_port *port)
{
	const struct rx_backend *b = rx_port_backend(port);
	struct region_port_about about = { .clock = "file" };
	struct rx_about a = { "" };

	(void)snprintf(about.backend, sizeof(about.backend), "%s", b->name);
	if (b->about != NULL) {
		b->about(port, &a);
		memcpy(about.interface, a.interface, sizeof(about.interface));
		memcpy(about.mode, a.mode, sizeof(about.mode));
		memcpy(about.clock, a.clock, sizeof(about.clock));
		about.share = a.share;
	}
	if (w->rx.count == 0 || a.spread < w->spread)
		w->spread = a.spread;
	if (a.ring_packets != 0 &&
	    (w->nap.ring_packets == 0 || a.ring_packets < w->nap.ring_packets))
		w->nap.ring_packets = a.ring_packets;
	w->rx.published[w->rx.count] = region_port_add(&w->region, &about);
}

/* Every worker of a source must capture in the same way: what was chosen for the first is the
 * choice. */
static void settle_spec(struct dataplane *d, const struct worker *w, uint32_t source,
			const char *spec)
{
	const char *argument = strchr(spec, ':');
	char settled[sizeof(d->rx[source])];

	/* `spec` may lie where the answer goes. */
	(void)snprintf(settled, sizeof(settled), "%s%s", rx_port_backend(w->rx.port[source])->name,
		       argument != NULL ? argument : "");
	memcpy(d->rx[source], settled, sizeof(settled));
}

/* What was chosen for an interface, and on the same line why nothing better was. */
static void tell_choice(const struct worker *w, uint32_t source, char *why)
{
	const struct rx_backend *b = rx_port_backend(w->rx.port[source]);
	const struct region_port_about *about = &w->rx.published[source]->about;

	for (char *c = why; *c != 0; c++)
		if (*c == '\n')
			*c = c[1] != 0 ? ';' : 0;
	if (b->live)
		log_each("%s: %s (%s)%s%s", about->interface, b->name, about->mode,
			 why[0] != 0 ? "; " : "", why);
}

static int open_port(struct dataplane *d, struct worker *w, uint32_t source)
{
	static char why[4096];
	const char *spec = d->rx[source];
	struct rx_error err = { "" };
	struct rx_open how = { .settings = d->settings,
			       .worker = w->number,
			       .workers = w->workers,
			       .spread = w->decode.settings.spread,
			       .iface = add_interface,
			       .iface_context = &w->region };
	int code = backends_open(spec, &how, &w->rx.port[source], why, sizeof(why), &err);

	if (code < 0) {
		log_error("%s", err.text);
		return code == -EINVAL ? EXIT_SETTINGS : EXIT_SOURCE;
	}
	publish_about(w, w->rx.port[source]);
	d->makes_threads |= rx_port_backend(w->rx.port[source])->makes_threads;
	w->rx.count++;
	if (w->number == 0) {
		tell_choice(w, source, why);
		settle_spec(d, w, source, spec);
	}
	return 0;
}

static int open_ports(struct dataplane *d, struct worker *w)
{
	int status = 0;

	for (uint32_t i = 0; i < d->sources && status == 0; i++)
		status = open_port(d, w, i);
	return status;
}

/* ---- a worker ---- */

static int make_worker(struct dataplane *d, struct worker *w, uint32_t number, struct hash_key key)
{
	const struct settings *s = d->settings;
	struct decode_settings decode = decode_settings(s, key, number);
	struct flow_settings flow = flow_settings(s, key, number, &w->arena);
	struct reassembly_settings reassembly = reassembly_settings(s);
	struct host_settings host = host_settings(s);
	struct pair_settings pair = { .open_requests = (uint32_t)s->open_requests,
				      .pool_messages = pooled(s),
				      .request_timeout_ns = s->request_timeout_ns,
				      .stop = s->until == STAGE_dissect };
	struct emit_settings emit = { .waits = !d->live,
				      .cut = s->until == STAGE_emit,
				      .stop_pair = s->until == STAGE_pair,
				      .flows = &w->flow };
	struct rx_error error = { "" };
	int err;

	w->number = number;
	w->workers = d->workers;
	w->until = (enum stage)s->until;
	w->live = d->live;
	w->spin = s->spin != 0;
	/* A live worker has only a share: then the main thread counts. */
	w->packets_left = s->packets != 0 && (!d->live || d->workers == 1) ? s->packets
									   : UINT64_MAX;
	w->door = &d->door;
	w->start = &d->start;
	w->done_fd = d->done_fd;
	w->end = RX_END;
	err = arena_init(&w->arena);
	if (err < 0)
		return say(EXIT_SOURCE, "worker memory", err);
	w->arena.limit_bytes = s->worker_bytes;
	err = region_create(&w->region, number, d->workers, s->ring_bytes, dissector_count, s->run);
	if (err < 0)
		return say(EXIT_SOURCE, "shared memory for the record ring", err);
	if (filter_init(&w->filter, s->filter, d->live ? 0 : number, d->live ? 1 : d->workers,
			&w->counters, &error) < 0) {
		log_error("%s", error.text);
		return EXIT_SETTINGS;
	}
	err = decode_init(&w->decode, &decode, &w->arena, &w->counters);
	if (err < 0)
		return say(EXIT_SOURCE, "memory for fragments and copies", err);
	err = flow_init(&w->flow, &flow, &w->counters, &w->clock, reassembly_close, &w->reassembly);
	if (err < 0)
		return say(EXIT_SOURCE, "memory for the flow table", err);
	err = identify_init(&w->identify, d->identify, w->identify.enabled);
	if (err < 0)
		return say(EXIT_SOURCE, "memory for the pattern scanner", err);
	emit_init(&w->emit, &emit, &w->region, &w->counters, &d->door, d->bell_fd, &w->timer);
	pair_init(&w->pair, &pair, &w->emit, &w->arena, &w->counters, &w->clock, &w->timer);
	host_init(&w->host, &host, &w->identify, &w->pair, &w->arena, &w->counters, &w->clock,
		  &w->timer);
	w->digest = (struct digest){ &w->arena, &w->emit, &w->counters };
	reassembly_init(&w->reassembly, &reassembly, &w->flow, &w->arena, &w->counters, &w->clock,
			choose_sink(w, s));
	w->reassembly.shunt = tell_ports;
	w->reassembly.shunt_context = &w->rx;
	return open_ports(d, w);
}

static int compile_patterns(struct dataplane *d, uint64_t *ret_enabled)
{
	const char *bad = "";
	int err = identify_compile(d->settings->dissectors, &d->identify, ret_enabled, &bad);

	if (err == -EINVAL) {
		log_error("--dissectors: %s: no such dissector", bad);
		return EXIT_SETTINGS;
	}
	return err < 0 ? say(EXIT_SOURCE, "pattern scanner", err) : 0;
}

/* ---- all workers ---- */

/* The main thread goes to the processor where the worker will run: what it touches there, and what
 * the kernel makes for it, lies on that processor's NUMA node. */
static int go_to_core(const struct dataplane *d, struct worker *w, uint32_t number)
{
	uint32_t core = d->settings->core[number];
	int err = cpu_pin(core);

	if (err < 0) {
		log_error("--cores: processor %u cannot be used: %s", core, strerror(-err));
		return EXIT_SETTINGS;
	}
	w->is_pinned = true;
	w->core = core;
	return 0;
}

static void tell_cores(const struct dataplane *d)
{
	char text[SETTINGS_WORKERS_MAX * 24] = "";
	size_t used = 0;

	for (uint32_t i = 0; i < d->workers; i++) {
		int node = cpu_node(d->worker[i].core);

		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%u",
					 i > 0 ? ", " : "", d->worker[i].core);
		if (node >= 0)
			used += (size_t)snprintf(text + used, sizeof(text) - used, " (node %d)",
						 node);
	}
	log_info("a worker, and its memory, on processor %s", text);
}

static int make_workers(struct dataplane *d, uint64_t enabled, struct hash_key key)
{
	bool pinned = d->settings->core_count == d->workers;
	struct cpu_set before;
	int status = 0;

	pinned = pinned && cpu_allowed(&before) == 0;
	for (uint32_t i = 0; i < d->workers && status == 0; i++) {
		if (pinned)
			status = go_to_core(d, &d->worker[i], i);
		d->worker[i].identify.enabled = enabled;
		if (status == 0)
			status = make_worker(d, &d->worker[i], i, key);
	}
	if (pinned && status == 0)
		tell_cores(d);
	if (pinned && cpu_allow(&before) == 0)
		(void)cpu_avoid(d->settings->core, d->settings->core_count);
	return status;
}

/* Several workers, and each sees every packet: of a file. */
static bool all_walk_all(const struct dataplane *d)
{
	return !d->live && d->workers > 1 && d->worker[0].rx.port[0] != NULL &&
	       d->worker[0].rx.published[0]->about.share == 0;
}

static void keep_together(struct dataplane *d)
{
	if (!all_walk_all(d))
		return;
	together_init(&d->together, d->workers);
	for (uint32_t i = 0; i < d->workers; i++)
		d->worker[i].together = &d->together;
}

/* Of a live source packets may come to another worker than the one that owns them; of a file only
 * when that is asked for, and where all of it comes to all. */
static bool hands_over(const struct dataplane *d)
{
	const struct settings *s = d->settings;

	if (d->workers < 2 || s->until <= STAGE_decode)
		return false;
	return d->live || (s->force_handoff != 0 && all_walk_all(d));
}

static void connect_worker(struct dataplane *d, struct worker *w)
{
	struct handoff_settings s = { .worker = w->number,
				      .workers = d->workers,
				      .force_one_in = d->settings->force_handoff,
				      .waits = !d->live };

	w->decode.settings.home = (struct decode_home){
		.worker = w->number,
		.workers = d->workers,
		.stays = d->live && d->sources == 1 && w->spread == RX_SPREAD_SYMMETRIC,
		.fragments = d->live,
		.keeps = !d->live,
	};
	handoff_init(&w->handoff, &s, d->handoff, &w->counters);
	if (d->live && (w->spread == RX_SPREAD_ANY || d->sources > 1 || s.force_one_in != 0))
		worker_expect_lag(w);
}

static int connect_workers(struct dataplane *d)
{
	int err;

	keep_together(d);
	if (!hands_over(d)) {
		if (d->settings->force_handoff != 0)
			log_warn("--force-handoff: there is nobody to hand packets to; use "
				 "--workers 2 or "
				 "more, and --until flow or later");
		return 0;
	}
	err = handoff_net_make(&d->handoff, d->workers, d->settings->handoff_bytes);
	if (err < 0)
		return say(EXIT_SOURCE, "memory for packets handed over between workers", err);
	for (uint32_t i = 0; i < d->workers; i++)
		connect_worker(d, &d->worker[i]);
	if (d->live && d->worker[0].spread == RX_SPREAD_ANY)
		log_info("both directions of a flow may come to different workers, which then hand "
			 "packets over");
	return 0;
}

int setup_dataplane(struct dataplane *d, const struct settings *s)
{
	struct hash_key key = hash_key(s);
	uint64_t enabled = 0;
	int status;

	*d = (struct dataplane){ .settings = s,
				 .workers = (uint32_t)s->workers,
				 .live = s->live != 0,
				 .sources = s->rx_count > 0 ? s->rx_count : 1,
				 .bell_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
				 .done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) };
	for (uint32_t i = 0; i < d->sources; i++)
		(void)snprintf(d->rx[i], sizeof(d->rx[i]), "%s",
			       s->rx_count > 0 ? s->rx[i] : "file");
	pthread_barrier_init(&d->start, NULL, d->workers + 1);
	if (d->bell_fd < 0 || d->done_fd < 0)
		return say(EXIT_SOURCE, "eventfd", -errno);
	/* Each worker has pages of its own, which nobody has touched yet. */
	d->worker = mmap(NULL, sizeof(struct worker) * d->workers, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (d->worker == MAP_FAILED) {
		d->worker = NULL;
		return say(EXIT_SOURCE, "worker memory", -ENOMEM);
	}
	status = compile_patterns(d, &enabled);
	if (status == 0)
		status = make_workers(d, enabled, key);
	return status == 0 ? connect_workers(d) : status;
}

static void undo_worker(struct worker *w)
{
	for (uint32_t i = 0; i < w->rx.count; i++)
		rx_port_backend(w->rx.port[i])->close(w->rx.port[i]);
	host_fini(&w->host);
	identify_fini(&w->identify);
	flow_fini(&w->flow);
	decode_fini(&w->decode);
	filter_fini(&w->filter);
	pair_fini(&w->pair);
	arena_fini(&w->arena);
	region_destroy(&w->region);
}

void setup_undo(struct dataplane *d)
{
	for (uint32_t i = 0; i < d->workers && d->worker != NULL; i++)
		undo_worker(&d->worker[i]);
	if (d->worker != NULL)
		munmap(d->worker, sizeof(struct worker) * d->workers);
	handoff_net_free(d->handoff);
	identify_free(d->identify);
	if (d->bell_fd > 0)
		close(d->bell_fd);
	if (d->done_fd > 0)
		close(d->done_fd);
	if (d->workers > 0)
		pthread_barrier_destroy(&d->start);
	*d = (struct dataplane){ 0 };
}
