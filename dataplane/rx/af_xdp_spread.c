/* af_xdp_spread - which worker reads which queue. */
#include "dataplane/rx/af_xdp_spread.h"

enum { RING_MIN = 64 };

enum af_xdp_spread_choice af_xdp_spread_choose(enum af_xdp_spread_choice asked, uint32_t workers,
					       uint32_t queues, bool symmetric)
{
	bool as_well = symmetric && queues >= workers;

	return asked == AF_XDP_SPREAD_AUTO && as_well ? AF_XDP_SPREAD_OFF : asked;
}

void af_xdp_spread_init(struct af_xdp_spread *s, uint32_t workers, uint32_t queues,
			enum af_xdp_spread_choice choice)
{
	*s = (struct af_xdp_spread){ .workers = workers,
				     .queues = queues,
				     .on = workers > 1 && choice != AF_XDP_SPREAD_OFF };
}

uint32_t af_xdp_spread_members(const struct af_xdp_spread *s)
{
	return s->on ? s->workers : 1;
}

bool af_xdp_spread_reads(const struct af_xdp_spread *s, uint32_t worker, uint32_t queue)
{
	return s->on || queue % s->workers == worker;
}

uint32_t af_xdp_spread_member(const struct af_xdp_spread *s, uint32_t worker)
{
	return s->on ? worker : 0;
}

uint32_t af_xdp_spread_owner(const struct af_xdp_spread *s, uint32_t queue)
{
	return s->on ? queue % s->workers : 0;
}

uint32_t af_xdp_spread_ring(const struct af_xdp_spread *s, uint32_t ring)
{
	uint32_t share = s->workers < s->queues ? s->workers : s->queues, by = 1;

	while (s->on && by < share)
		by *= 2;
	return ring / by > RING_MIN ? ring / by : ring < RING_MIN ? ring : RING_MIN;
}
