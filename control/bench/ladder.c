/* ladder - rungs, and the prices between them. */
#include "control/bench/ladder.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* In the order of the tapper's script, whose numbers are those of its logs. */
static const struct rung tapper_rungs[] = {
	{ .name = "no_pcap", .word = { "--until", "open" }, .stage = STAGE_open },
	{ .name = "no_assembler", .word = { "--until", "decode" }, .stage = STAGE_decode },
	{ .name = "no_tcp_stream", .word = { "--until", "flow" }, .stage = STAGE_flow },
	{ .name = "only_http", .word = { "--dissectors", "http1,http2" }, .stage = -1 },
	{ .name = "no_dissectors", .word = { "--until", "reassembly" }, .stage = STAGE_reassembly },
	{ .name = "no_emit", .word = { "--until", "pair" }, .stage = STAGE_pair },
	{ .name = "no_send", .word = { "--until", "format" }, .stage = STAGE_format },
	{ .name = "normal", .stage = STAGE_normal },
};
enum { TAPPER_RUNGS = sizeof(tapper_rungs) / sizeof(tapper_rungs[0]) };

static bool has_stage(const struct rung *rung, uint32_t rungs, int stage)
{
	for (uint32_t i = 0; i < rungs; i++)
		if (rung[i].stage == stage)
			return true;
	return false;
}

uint32_t ladder_rungs(enum ladder which, struct rung ret[LADDER_RUNGS_MAX])
{
	uint32_t n = 0;

	for (size_t i = 0; i < TAPPER_RUNGS && which != LADDER_STAGES; i++)
		ret[n++] = tapper_rungs[i];
	for (int s = STAGE_open; s < STAGE_COUNT && which != LADDER_TAPPER; s++)
		if (!has_stage(ret, n, s))
			ret[n++] = (struct rung){ .name = stage_name((unsigned)s),
						  .word = { "--until", stage_name((unsigned)s) },
						  .stage = s };
	for (uint32_t i = 0; i < n; i++)
		(void)snprintf(ret[i].log, sizeof(ret[i].log), "%02u_%s", i + 1, ret[i].name);
	return n;
}

int ladder_stage(const char *name)
{
	for (int s = STAGE_open; s < STAGE_COUNT; s++)
		if (strcmp(name, stage_name((unsigned)s)) == 0)
			return s;
	return -1;
}

void ladder_costs_clear(struct ladder_costs *c)
{
	c->rounds = 0;
	for (size_t i = 0; i < LADDER_RUNGS_MAX; i++)
		for (size_t k = 0; k < LADDER_ROUNDS_MAX; k++)
			c->machine[i][k] = c->process[i][k] = c->workers[i][k] = NAN;
	for (size_t i = 0; i < STAGE_COUNT; i++)
		for (size_t k = 0; k < LADDER_ROUNDS_MAX; k++)
			c->counter[i][k] = NAN;
}

/* ---- prices ---- */

/* rung_of - NULL: no rung of the ladder cuts there. */
static const struct rung *rung_of(const struct rung *rung, uint32_t rungs, int stage)
{
	for (uint32_t i = 0; i < rungs; i++)
		if (rung[i].stage == stage)
			return &rung[i];
	return NULL;
}

/* name_price - the stages from..to; what `normal` does beyond format is to write. */
static void name_price(int from, int to, char ret[LADDER_NAME_BYTES])
{
	int n = snprintf(ret, LADDER_NAME_BYTES, "price/");

	for (int s = from; s <= to; s++)
		n += snprintf(ret + n, (size_t)(LADDER_NAME_BYTES - n), "%s%s",
			      s > from ? " + " : "",
			      s == STAGE_normal ? "write" : stage_name((unsigned)s));
}

/* counters_of - of all stages from..to in that round; NaN: one of them has none, because it is not
 * the workers'. */
static double counters_of(const struct ladder_costs *c, int from, int to, uint32_t round)
{
	double sum = 0;

	for (int s = from; s <= to; s++)
		sum += c->counter[s][round];
	return sum;
}

static void put_price(const struct rung *rung, const struct rung *before, const struct rung *here,
		      const struct ladder_costs *c, double noise, struct result *r)
{
	char cell[LADDER_NAME_BYTES];
	int from = before->stage + 1;
	size_t a = (size_t)(before - rung), b = (size_t)(here - rung);

	name_price(from, here->stage, cell);
	for (uint32_t i = 0; i < c->rounds; i++) {
		result_add(r, cell, "difference.machine", "cycles/packet", BETTER_LOWER,
			   c->machine[b][i] - c->machine[a][i]);
		result_add(r, cell, "difference.process", "cycles/packet", BETTER_LOWER,
			   c->process[b][i] - c->process[a][i]);
		result_add(r, cell, "difference.workers", "cycles/packet", BETTER_LOWER,
			   from > STAGE_rx ? c->workers[b][i] - c->workers[a][i] : NAN);
		result_add(r, cell, "counter", "cycles/packet", BETTER_LOWER,
			   counters_of(c, from, here->stage, i));
	}
	if (!isnan(noise))
		result_add(r, cell, "noise", "cycles/packet", BETTER_NEITHER, noise);
}

void ladder_prices(const struct rung *rung, uint32_t rungs, const struct ladder_costs *c,
		   double noise, struct result *r)
{
	const struct rung *before = NULL;

	for (int s = STAGE_open; s < STAGE_COUNT; s++) {
		const struct rung *here = rung_of(rung, rungs, s);

		if (here != NULL && before != NULL)
			put_price(rung, before, here, c, noise, r);
		before = here != NULL ? here : before;
	}
}
