/* nap - a running mean of the time between packets, and what a quarter of the rings makes of it. */
#include "dataplane/nap.h"

/* The mean moves half way to what was seen last: a burst that begins is believed at once. */
static void learn(struct nap *n, uint64_t now_ns)
{
	uint64_t seen_q8 = ((now_ns - n->asked_ns) << 8) / n->packets;

	n->gap_ns_q8 = n->gap_ns_q8 == 0 ? seen_q8 : (n->gap_ns_q8 + seen_q8) / 2;
}

uint64_t nap_ns(struct nap *n, uint64_t now_ns)
{
	uint64_t ns;

	if (n->packets > 0) {
		if (n->asked_ns != 0 && now_ns - n->asked_ns < NAP_QUIET_NS)
			learn(n, now_ns);
		n->busy_ns = now_ns;
	}
	n->packets = 0;
	n->asked_ns = now_ns;
	if (n->ring_packets == 0 || now_ns - n->busy_ns >= NAP_QUIET_NS)
		return 0;
	ns = n->ring_packets / 4 * n->gap_ns_q8 >> 8;
	if (ns < NAP_MIN_NS)
		return NAP_MIN_NS; /* also while the rate is not known */
	return ns < NAP_MAX_NS ? ns : NAP_MAX_NS;
}
