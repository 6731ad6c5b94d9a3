/* flow - each packet has a flow: look-ups that hit and that miss, in small tables and large ones.
 */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "control/bench/micro/micro.h"
#include "dataplane/base/map.h"
#include "dataplane/flow/flow.h"

enum { PORTS = 1 << 14, SPARE = 1 << 16 };
#define FLOW_LIFE_NS (10 * CLOCK_SECOND_NS)
#define BEGIN_NS     (UINT64_C(1700000000) * CLOCK_SECOND_NS)

/* In the order in which the flows are visited: one that was made after another is not visited after
 * it. */
struct visit {
	uint64_t hash;
	uint32_t number;
};

struct looking {
	struct flow_table table;
	struct counters counters;
	struct pipeline_clock clock;
	struct arena arena;
	struct burst burst;
	struct visit *visit; /* of hits */
	uint32_t flows, next;
	uint32_t number;  /* of the next flow that nobody knows */
	uint64_t step_ns; /* of the clock per burst of misses: as many flows end as are made */
	uint64_t begun;   /* made when the table was filled */
	uint64_t found;
};

static void fill_key(struct packet *p, uint32_t number)
{
	p->key = (struct flow_key){
		.address = { { [10] = 0xff, 0xff, 10 }, { [10] = 0xff, 0xff, 11, 0, 0, 1 } },
		.port = { (uint16_t)(1024 + number % PORTS), 80 },
		.protocol = IPPROTO_TCP,
		.ip_version = 4,
	};
	number /= PORTS;
	memcpy(&p->key.address[0][13], &number, 3);
}

static void nothing_to_close(void *context, struct flow *f, enum why why)
{
	(void)context, (void)f, (void)why;
}

static struct packet *packet_of(struct looking *l, uint32_t i, uint32_t number)
{
	struct packet *p = &l->burst.packet[i];

	fill_key(p, number);
	p->now_ns = l->clock.now_ns;
	return p;
}

/* A burst of flows that were never seen. */
static void miss_burst(struct looking *l)
{
	l->burst.count = BURST_PACKETS;
	for (uint32_t i = 0; i < BURST_PACKETS; i++) {
		struct packet *p = packet_of(l, i, l->number++);

		p->hash = flow_key_hash(&p->key, (struct hash_key){ 1, 2 });
	}
	flow_burst(&l->table, &l->burst);
	micro_need(l->burst.count == BURST_PACKETS, "the table is full");
}

static struct looking *make(uint64_t flows, uint64_t room)
{
	struct looking *l = calloc(1, sizeof(*l));
	struct flow_settings s = { .flows = (uint32_t)room,
				   .half_open = (uint32_t)room,
				   .timeout_ns = { FLOW_LIFE_NS, FLOW_LIFE_NS, FLOW_LIFE_NS,
						   FLOW_LIFE_NS },
				   .workers = 1 };

	micro_need(l != NULL && arena_init(&l->arena) == 0, "there is no memory");
	s.arena = &l->arena;
	micro_need(flow_init(&l->table, &s, &l->counters, &l->clock, nothing_to_close, NULL) == 0,
		   "there is no memory for the table");
	clock_see(&l->clock, BEGIN_NS);
	l->flows = (uint32_t)flows;
	return l;
}

/* ---- hits ---- */

static void *open_hits(uint64_t flows)
{
	struct looking *l = make(flows, flows);

	l->visit = map_zeroed(flows * sizeof(*l->visit), true);
	micro_need(l->visit != NULL, "there is no memory");
	for (uint32_t i = 0; i < l->flows; i += BURST_PACKETS) {
		miss_burst(l);
		for (uint32_t k = 0; k < BURST_PACKETS; k++) {
			/* An odd multiple modulo a power of two: each once, far from its
			 * neighbours. */
			uint32_t at = (i + k) * UINT32_C(0x9e3779b1) & (l->flows - 1);

			l->visit[at] = (struct visit){ l->burst.packet[k].hash, i + k };
		}
	}
	l->begun = l->counters.value[C_flows_made];
	return l;
}

static uint64_t run_hits(void *of)
{
	struct looking *l = of;

	l->burst.count = BURST_PACKETS;
	for (uint32_t i = 0; i < BURST_PACKETS; i++) {
		const struct visit *v = &l->visit[l->next + i];

		packet_of(l, i, v->number)->hash = v->hash;
	}
	flow_burst(&l->table, &l->burst);
	for (uint32_t i = 0; i < l->burst.count; i++)
		l->found += flow_key_equal(&l->burst.packet[i].flow->key, &l->burst.packet[i].key);
	micro_use(l->found);
	l->next = (l->next + BURST_PACKETS) & (l->flows - 1);
	return BURST_PACKETS;
}

/* Each found the flow that has its key, and none was made for it. */
static uint64_t done_hits(const void *of)
{
	const struct looking *l = of;

	return l->counters.value[C_flows_made] == l->begun ? l->found : 0;
}

/* ---- misses ---- */

static void *open_misses(uint64_t flows)
{
	struct looking *l = make(flows, flows + flows / 8 + SPARE);

	l->step_ns = FLOW_LIFE_NS * BURST_PACKETS / flows;
	for (uint32_t i = 0; i < l->flows; i += BURST_PACKETS) {
		clock_see(&l->clock, l->clock.last_ns + l->step_ns);
		miss_burst(l);
	}
	l->begun = l->counters.value[C_flows_made];
	return l;
}

static uint64_t run_misses(void *of)
{
	struct looking *l = of;

	clock_see(&l->clock, l->clock.last_ns + l->step_ns);
	miss_burst(l);
	flow_release(&l->table);
	micro_use(l->table.count);
	return BURST_PACKETS;
}

static uint64_t done_misses(const void *of)
{
	const struct looking *l = of;

	return l->counters.value[C_flows_made] - l->begun;
}

static void end(void *of)
{
	struct looking *l = of;

	flow_close_all(&l->table, WHY_capture_ended);
	flow_fini(&l->table);
	arena_fini(&l->arena);
	map_free(l->visit, l->flows * sizeof(*l->visit));
	free(l);
}

enum { FEW = 1 << 10, MANY = 1 << 20 }; /* powers of two */

/* clang-format off */
#define HIT(how, n)                                                                                 \
	{ "flow/hit/" how, "packet", "the flow of a packet found among " how " in random order", NULL, true, open_hits, n, \
	  run_hits, done_hits, end }
#define MISS(how, n)                                                                                \
	{ "flow/miss/" how, "packet", "a flow made for a packet, and one that is over taken out, among " how, NULL, true, \
	  open_misses, n, run_misses, done_misses, end }
const struct micro_benchmark micro_flow[] = {
	HIT("1k", FEW), HIT("1M", MANY), MISS("1k", FEW), MISS("1M", MANY), { .name = NULL },
};
/* clang-format on */
