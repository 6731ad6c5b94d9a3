/* backends_plan - which cells `weir bench backends` has. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/bench/backends.h"
#include "dataplane/base/compiler.h"
#include "dataplane/base/ensure.h"

const struct backend_about backend_about[BACKENDS] = {
	[BACKEND_none] = { "none", NULL },
	[BACKEND_spin] = { "spin", NULL },
	[BACKEND_pcap] = { "pcap", "pcap:{iface}" },
	[BACKEND_af_packet] = { "af_packet", "af_packet:{iface}" },
	[BACKEND_af_xdp_generic] = { "af_xdp-generic", "af_xdp:{iface},mode=generic" },
	[BACKEND_af_xdp_native] = { "af_xdp-native", "af_xdp:{iface},mode=native" },
	[BACKEND_af_xdp_busy] = { "af_xdp-busy-poll", "af_xdp:{iface},mode=native,busy-poll=on" },
	[BACKEND_dpdk_af_packet] = { "dpdk-af_packet", "dpdk:net_af_packet0,iface={iface}" },
	[BACKEND_dpdk_af_xdp] = { "dpdk-af_xdp", "dpdk:net_af_xdp0,iface={iface}" },
};

/* One source port of ten, 9 to 18: frame n has port 9 + n % 10. */
static const char filter_text[] = "udp port 12";
enum { FILTER_FLOWS = 10, FILTER_FLOW = 3, FILTER_BYTES = 64 };

enum { BODY_BYTES = 1024 };

#define PART_NAME(name, about) #name,
static const char *const part_name[] = { BACKENDS_PARTS(PART_NAME) };

const char *backend_name(unsigned backend)
{
	return backend < BACKENDS ? backend_about[backend].name : NULL;
}

const char *backends_part_name(unsigned part)
{
	return part < PARTS ? part_name[part] : NULL;
}

/* ---- lists ---- */

static double scale_of(const char *suffix)
{
	if (suffix[0] == '\0' || suffix[0] == ',')
		return 1;
	if (suffix[1] != '\0' && suffix[1] != ',')
		return 0;
	switch (suffix[0]) {
	case 'k':
	case 'K': return 1e3;
	case 'm':
	case 'M': return 1e6;
	default: return 0;
	}
}

int backends_take_numbers(const char *text, double min, double max, double ret[BACKENDS_LIST_MAX])
{
	double list[BACKENDS_LIST_MAX];
	int count = 0;

	for (const char *at = text;; at++) {
		char *end;
		double number = *at >= '0' && *at <= '9' ? strtod(at, &end) * scale_of(end) : -1;

		if (!(number >= min && number <= max) || number != (double)(uint64_t)number ||
		    count == BACKENDS_LIST_MAX)
			return -EINVAL;
		list[count++] = number;
		at += strcspn(at, ",");
		if (*at == '\0')
			break;
	}
	memcpy(ret, list, sizeof(list[0]) * (size_t)count);
	return count;
}

int backends_take_names(const char *text, const char *(*name)(unsigned), unsigned count, bool *ret)
{
	bool on[32] = { false };

	ENSURE(count <= array_count(on));
	for (const char *at = text;; at++) {
		size_t bytes = strcspn(at, ",");
		bool found = false;

		for (unsigned i = 0; i < count && bytes > 0; i++)
			if (strncmp(name(i), at, bytes) == 0)
				on[i] = found = true;
		if (!found)
			return -EINVAL;
		at += bytes;
		if (*at == '\0')
			break;
	}
	memcpy(ret, on, sizeof(*ret) * count);
	return 0;
}

/* ---- presets ---- */

static bool any(const bool *list, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (list[i])
			return true;
	return false;
}

static void preset_lists(struct backends_plan *p)
{
	static const double rates[] = { 200e3, 500e3, 1e6 };
	static const uint32_t sizes[] = { 64, 512, 1500 };
	bool quick = p->common.quick;

	if (p->sizes == 0) {
		p->sizes = quick ? 1 : array_count(sizes);
		memcpy(p->size, sizes, sizeof(sizes));
	}
	if (p->rates == 0) {
		p->rates = quick ? 1 : array_count(rates);
		memcpy(p->rate, rates, sizeof(rates));
	}
}

void backends_preset(struct backends_plan *p)
{
	bool quick = p->common.quick;

	if (p->common.runs == 0)
		p->common.runs = quick ? 3 : 5;
	if (!(p->common.seconds > 0))
		p->common.seconds = quick ? 2 : 3;
	if (p->patience_s < 0)
		p->patience_s = quick ? 0 : 10;
	if (!(p->http_rate > 0))
		p->http_rate = 4000;
	if (p->connections == 0)
		p->connections = 50;
	preset_lists(p);
	p->chosen = any(p->use, BACKENDS);
	if (!p->chosen)
		memset(p->use, true, sizeof(p->use));
	p->use[BACKEND_none] = true; /* what all others are held against */
	if (any(p->part, PARTS))
		return;
	for (unsigned i = 0; i < PARTS; i++)
		p->part[i] = !quick || i == PART_rates || i == PART_http;
}

/* ---- cells ---- */

struct builder {
	const struct backends_plan *plan;
	struct backends_cells *to;
};

static void add_cell(struct builder *b, enum backend backend, const struct trial_load *load,
		     const char *filter)
{
	struct backends_group *g = &b->to->group[b->to->groups - 1];
	const struct backend_about *about = &backend_about[backend];
	bool whole = g->part == PART_http;
	struct series_cell *c;
	size_t n = 0;

	b->to->cell = realloc(b->to->cell, (b->to->cells + 1) * sizeof(*b->to->cell));
	ENSURE(b->to->cell != NULL);
	c = &b->to->cell[b->to->cells++];
	*c = (struct series_cell){ .load = *load,
				   .receiver = { .kind = RECEIVER_WEIR, .name = about->name } };
	(void)snprintf(c->name, sizeof(c->name), "%s/%s", about->name, g->traffic);
	g->cells++;
	if (about->rx == NULL) {
		c->receiver.kind = backend == BACKEND_spin ? RECEIVER_SPIN : RECEIVER_NONE;
		return;
	}
	c->receiver.word[n++] = "--rx";
	c->receiver.word[n++] = about->rx;
	c->receiver.word[n++] = "--until";
	c->receiver.word[n++] = whole ? "normal" : "rx";
	if (filter != NULL)
		c->receiver.word[n++] = filter;
}

/* A first look at HTTP is at one of each kind. */
static bool is_in_first_look(enum backend b)
{
	return b != BACKEND_af_xdp_generic && b != BACKEND_af_xdp_busy &&
	       b != BACKEND_dpdk_af_packet;
}

static bool belongs(const struct backends_plan *p, enum backends_part part, bool is_first,
		    enum backend b)
{
	if (!p->use[b])
		return false;
	if (b == BACKEND_spin) /* a control: one is enough, and one where nothing else happens */
		return is_first || part == PART_idle;
	return !p->common.quick || part != PART_http || p->chosen || is_in_first_look(b);
}

/* add_group - of the chosen back ends. */
static void add_group(struct builder *b, enum backends_part part, const char *traffic,
		      const char *title, const struct trial_load *load, const char *filter)
{
	struct backends_group *g = &b->to->group[b->to->groups++];

	*g = (struct backends_group){ .part = part, .first = b->to->cells };
	(void)snprintf(g->traffic, sizeof(g->traffic), "%s", traffic);
	(void)snprintf(g->title, sizeof(g->title), "%s", title);
	for (enum backend i = 0; i < BACKENDS; i++)
		if (belongs(b->plan, part, b->to->groups == 1, i))
			add_cell(b, i, load, filter);
}

static void add_rates(struct builder *b)
{
	const struct backends_plan *p = b->plan;

	for (uint32_t s = 0; s < p->sizes; s++) {
		for (uint32_t i = 0; i < p->rates; i++) {
			struct trial_load load = { .kind = LOAD_FRAMES,
						   .frame_bytes = p->size[s],
						   .flows = 1,
						   .rate = p->rate[i],
						   .seconds = p->common.seconds };
			char traffic[48], title[96];

			(void)snprintf(traffic, sizeof(traffic), "%u/%.0f", p->size[s], p->rate[i]);
			(void)snprintf(title, sizeof(title), "%u bytes, %.0f thousand frames/s",
				       p->size[s], p->rate[i] / 1e3);
			add_group(b, PART_rates, traffic, title, &load, NULL);
		}
	}
}

static void add_http(struct builder *b)
{
	const struct backends_plan *p = b->plan;
	struct trial_load load = { .kind = LOAD_HTTP,
				   .rate = p->http_rate,
				   .connections = p->connections,
				   .body_bytes = BODY_BYTES,
				   .seconds = p->common.seconds };
	char title[96];

	(void)snprintf(title, sizeof(title),
		       "HTTP, %.0f requests/s on %u connections, the whole way", p->http_rate,
		       p->connections);
	add_group(b, PART_http, "http", title, &load, NULL);
}

static void add_filter(struct builder *b)
{
	const struct backends_plan *p = b->plan;
	struct trial_load load = { .kind = LOAD_FRAMES,
				   .frame_bytes = FILTER_BYTES,
				   .flows = FILTER_FLOWS,
				   .selected_flow = FILTER_FLOW + 1,
				   .rate = p->rate[p->rates / 2],
				   .seconds = p->common.seconds };
	char title[96];

	(void)snprintf(title, sizeof(title),
		       "one frame in ten is asked for, %.0f thousand frames/s", load.rate / 1e3);
	add_group(b, PART_filter, "filter", title, &load, filter_text);
}

static void add_silence(struct builder *b, enum backends_part part, const char *traffic,
			const char *title)
{
	struct trial_load load = { .kind = LOAD_NONE, .seconds = b->plan->common.seconds };

	add_group(b, part, traffic, title, &load, NULL);
}

void backends_lay_out(const struct backends_plan *p, struct backends_cells *ret)
{
	struct builder b = { .plan = p, .to = ret };

	*ret = (struct backends_cells){ 0 };
	if (p->common.interface != NULL) {
		add_silence(&b, PART_rates, "live", "the traffic of the interface");
		return;
	}
	if (p->part[PART_rates])
		add_rates(&b);
	if (p->part[PART_http])
		add_http(&b);
	if (p->part[PART_filter])
		add_filter(&b);
	if (p->part[PART_idle])
		add_silence(&b, PART_idle, "idle", "no traffic");
}
