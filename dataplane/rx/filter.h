/* filter - the user's libpcap filter expression, run on every frame.
 *
 * The expression is compiled once per link type that decode knows, and run by
 * libpcap's interpreter on the frame as captured. All of that happens at the
 * start: names in an expression (hosts, services, protocols) are looked up in
 * files and on the network, which is no longer possible behind the sandbox.
 * Packets that it does not select leave the burst and are counted `filtered`
 * by the worker that owns them (number % workers).
 */
#ifndef DATAPLANE_RX_FILTER_H
#define DATAPLANE_RX_FILTER_H

#include "dataplane/burst.h"
#include "dataplane/ledger.h"
#include "dataplane/rx/rx.h"

enum { FILTER_LINKS = 16 };

struct filter {
	const char *expression; /* NULL or "": everything passes */
	uint32_t snaplen_bytes;
	uint32_t worker, workers;
	struct counters *counters;
	struct filter_program *program[FILTER_LINKS];
	uint32_t program_count;
};

/* filter_check - would `expression` compile? Returns 0, or -EINVAL with libpcap's words in err. */
int filter_check(const char *expression, struct rx_error *err);

/* filter_check_live - the same for what interfaces deliver: Ethernet, or IP without a link layer.
 */
int filter_check_live(const char *expression, struct rx_error *err);

/* filter_init - An expression that makes no sense for a link type selects none of its packets,
 * and none of a link type that decode does not know.
 *
 * Memory:  `expression` is borrowed until filter_fini(), which accepts a zeroed filter.
 * Returns: 0; -EINVAL with err: it makes no sense for any link type; -ENOMEM with err. */
int filter_init(struct filter *f, const char *expression, uint32_t worker, uint32_t workers,
		struct counters *counters, struct rx_error *err);
void filter_fini(struct filter *f);

/* filter_burst - drop from the burst what the expression does not select. Counts `received`,
 * `received_bytes` and `filtered` for owned packets that it drops. */
void filter_burst(struct filter *f, struct burst *b);

#endif
