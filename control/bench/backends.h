/* backends - the insides of `weir bench backends`: which cells there are, and what is made of them.
 *
 *     cell     BACK-END/TRAFFIC, of which TRAFFIC is
 *              64/200000 (bytes/frames a second), filter, http, idle, live (of an interface),
 * limit/64 group    the cells of one traffic; the first one is `none`, who receives nothing
 *
 * What a back end costs is its cell less `none` of the same round: figure `above`.
 */
#ifndef CONTROL_BENCH_BACKENDS_H
#define CONTROL_BENCH_BACKENDS_H

#include "control/bench/common.h"
#include "control/bench/series.h"

enum backend {
	BACKEND_none,
	BACKEND_spin,
	BACKEND_pcap,
	BACKEND_af_packet,
	BACKEND_af_xdp_generic,
	BACKEND_af_xdp_native,
	BACKEND_af_xdp_busy,
	BACKEND_dpdk_af_packet,
	BACKEND_dpdk_af_xdp,
	BACKENDS
};

struct backend_about {
	const char *name, *rx; /* rx: NULL of what is no weir */
};
extern const struct backend_about backend_about[BACKENDS];

/* X(name, "what it is") */
#define BACKENDS_PARTS(X)                                                                          \
	X(rates, "numbered frames of every size at every rate")                                    \
	X(http, "the whole way: pairs, and how long they take")                                    \
	X(filter, "frames of which the capture asks for one in ten")                               \
	X(idle, "no traffic: what waiting costs")                                                  \
	X(limit, "the largest rate without a loss, by bisection")
#define BACKENDS_PART(name, about) PART_##name,
enum backends_part { BACKENDS_PARTS(BACKENDS_PART) PARTS };

enum { BACKENDS_LIST_MAX = 8, BACKENDS_GROUPS_MAX = BACKENDS_LIST_MAX * BACKENDS_LIST_MAX + 4 };

struct backends_plan {
	struct common common; /* first: its options are taken through it */
	uint32_t size[BACKENDS_LIST_MAX], sizes;
	double rate[BACKENDS_LIST_MAX];
	uint32_t rates;
	bool part[PARTS], use[BACKENDS];
	bool chosen; /* the back ends were named */
	double http_rate;
	uint32_t connections;
	double patience_s; /* below 0: not given */
};

struct backends_group {
	char traffic[RESULT_NAME_BYTES / 2], title[96];
	enum backends_part part;
	uint32_t first, cells; /* of backends_cells.cell */
};

struct backends_cells {
	struct series_cell *cell; /* from malloc() */
	uint32_t cells;
	struct backends_group group[BACKENDS_GROUPS_MAX];
	uint32_t groups;
};

/* backends_preset - what was not given, and what --quick makes of it. */
void backends_preset(struct backends_plan *p);

/* backends_lay_out - the cells of a plan, but for PART_limit. */
void backends_lay_out(const struct backends_plan *p, struct backends_cells *ret);

/* backends_take_numbers - "200k,1m" or "64,1500". Returns: how many; -EINVAL. */
int backends_take_numbers(const char *text, double min, double max, double ret[BACKENDS_LIST_MAX]);

/* backends_take_names - "pcap,af_xdp" turns on all whose name begins with one of the words; the
 * rest is off. Returns: 0; -EINVAL: nothing begins so. */
int backends_take_names(const char *text, const char *(*name)(unsigned), unsigned count, bool *ret);
const char *backend_name(unsigned backend);
const char *backends_part_name(unsigned part);

/* backends_sum_up - figures that need two cells: `above`, and `loss`. */
void backends_sum_up(const struct backends_cells *c, struct result *r);

/* backends_unexplained - frames of all cells that nobody can account for. */
double backends_unexplained(const struct result *r);

/* backends_report - tables and plots; everything that common_end() leaves. Returns: a status. */
int backends_report(const struct backends_plan *p, const struct backends_cells *c, struct result *r,
		    const struct report_part *part, size_t parts);

#endif
