#include "control/daemon/sources.h"

#define LOST_NAME(name, meaning) #name,
const char *const sources_lost_name[RX_LOST_COUNT] = { RX_LOST_LIST(LOST_NAME) };

static void add(struct region_port_view *sum, const struct region_port_view *port)
{
	bool known = sum->offered != RX_UNKNOWN && port->offered != RX_UNKNOWN;

	sum->offered = known ? sum->offered + port->offered : RX_UNKNOWN;
	sum->received += port->received;
	sum->refused += port->refused;
	sum->shunted += port->shunted;
	sum->in_flight += port->in_flight;
	for (unsigned i = 0; i < RX_LOST_COUNT; i++)
		sum->lost[i] += port->lost[i];
}

void sources_sum(struct sources *ret, const struct books *b)
{
	ret->count = 0;
	for (uint32_t w = 0; w < b->workers && (w == 0 || b->live); w++) {
		const struct books_worker *worker = &b->worker[w];

		for (uint32_t p = 0; p < worker->ports; p++) {
			if (p < ret->count)
				add(&ret->source[p], &worker->port[p]);
			else
				ret->source[ret->count++] = worker->port[p];
		}
	}
}

uint64_t sources_lost(const struct region_port_view *source)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < RX_LOST_COUNT; i++)
		sum += source->lost[i];
	return sum;
}
