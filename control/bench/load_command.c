/* load_command - `weir bench load`: options to a plan. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/bench/bench.h"
#include "control/bench/load.h"
#include "control/weir/arguments.h"
#include "control/weir/command.h"
#include "control/weir/units.h"
#include "dataplane/base/clock.h"

#define DURATION_MAX_NS (7 * 24 * 3600 * CLOCK_SECOND_NS)

static const char command_name[] = "weir bench load";

struct load_call {
	struct load_plan plan;
	bool json;
};

/* ---- values ---- */

static int take_rate(const char *value, void *user)
{
	struct load_call *c = user;
	char *end;
	double rate = value[0] >= '0' && value[0] <= '9' ? strtod(value, &end) : -1;

	if (rate < 0 || (*end == 'k' && end[1] != '\0') || (*end != '\0' && *end != 'k'))
		return -EINVAL;
	if (*end == 'k')
		rate *= 1000;
	if (!(rate == 0 || (rate >= 0.001 && rate <= LOAD_RATE_MAX)))
		return -EINVAL;
	c->plan.rate = rate;
	return 0;
}

static int take_connections(const char *value, void *user)
{
	struct load_call *c = user;
	uint64_t v;

	if (units_parse(UNIT_COUNT, value, &v) < 0 || v < 1 || v > LOAD_CONNECTIONS_MAX)
		return -EINVAL;
	c->plan.connections = (uint32_t)v;
	return 0;
}

static int take_time(const char *value, uint64_t min, uint64_t *ret)
{
	uint64_t v;

	if (units_parse(UNIT_TIME_NS, value, &v) < 0 || v < min || v > DURATION_MAX_NS)
		return -EINVAL;
	*ret = v;
	return 0;
}

static int take_duration(const char *value, void *user)
{
	return take_time(value, 1, &((struct load_call *)user)->plan.duration_ns);
}

static int take_warmup(const char *value, void *user)
{
	return take_time(value, 0, &((struct load_call *)user)->plan.warmup_ns);
}

static int take_closed(const char *value, void *user)
{
	(void)value;
	((struct load_call *)user)->plan.closed = true;
	return 0;
}

static int take_json(const char *value, void *user)
{
	(void)value;
	((struct load_call *)user)->json = true;
	return 0;
}

static const struct argument options[] = {
	{ "rate", 'r', "RATE", "requests a second, all together, 0: as fast as answers come (200)",
	  take_rate, "0, or a number of requests a second from 0.001 to 10000k is needed" },
	{ "connections", 'c', "N", "kept open, each for one request at a time (10)",
	  take_connections, "a number from 1 to 20000 is needed" },
	{ "duration", 'd', "TIME", "how long requests are due and measured (10s)", take_duration,
	  "a time such as 10s is needed, up to 7d" },
	{ "warmup", 'w', "TIME", "before that, in no figure (0s)", take_warmup,
	  "a time such as 2s is needed, up to 7d" },
	{ "closed", 0, NULL, "wait for the answer before the next request, as wrk and hey do",
	  take_closed, NULL },
	{ "json", 0, NULL, "one line of JSON on standard output", take_json, NULL },
};

static const struct arguments all = {
	.command = "weir bench load",
	.usage = "weir bench load URL [OPTION...]",
	.about = "Sends GET requests that are due at even times, whatever the server does, and "
		 "tells\n"
		 "latency from when each was due: a server that stalls makes all of them late, not "
		 "one.\n"
		 "Connections are made before, and again when the server ends them. Answers that "
		 "are not\n"
		 "there 2 s after the end have failed. INT ends it early and tells what was "
		 "measured.\n",
	.example = "  weir bench load http://10.83.0.2/1024 --rate 500 --connections 20 --duration "
		   "30s",
	.list = options,
	.count = sizeof(options) / sizeof(options[0]),
};

/* ---- the call ---- */

static int usage(const char *text, const char *what)
{
	fprintf(stderr, "%s: %.120s: %s\n", command_name, text, what);
	return STATUS_USAGE;
}

static int take_operand(int operands, char **argv, struct load_plan *plan)
{
	int err;

	if (operands != 1)
		return usage(operands == 0 ? "no URL" : argv[1],
			     "one URL is needed, such as http://10.83.0.2/1024");
	err = load_url(argv[0], plan);
	if (err == -EPROTONOSUPPORT)
		return usage(argv[0], "only http:// can be asked, not https://");
	if (err < 0)
		return usage(argv[0], "a URL such as http://10.83.0.2:8080/1024 is needed");
	return STATUS_DONE;
}

static void tell(const struct load_call *c, const struct load_report *r)
{
	if (c->json)
		load_json(r, stdout);
	else
		load_text(r, stdout);
	if (r->busy > LOAD_BUSY)
		fprintf(stderr,
			"%s: the generator itself was busy %.0f %% of the time, so these figures "
			"are its "
			"own, not the server's; ask for less, or give it a core of its own\n",
			command_name, 100 * r->busy);
	else if (!load_kept_up(r))
		fprintf(stderr,
			"%s: the generator itself was late, by %.2f ms at p99, so latency is "
			"partly its "
			"own; give it a core of its own, or trust `service`\n",
			command_name, (double)hdr_quantile(&r->lateness, 0.99) / 1e6);
}

static int run_call(const struct load_call *c)
{
	struct load_report *r = malloc(sizeof(*r));
	char err[LOAD_ERROR_BYTES];
	int status = STATUS_SOURCE;

	if (r == NULL) {
		fprintf(stderr, "%s: no memory\n", command_name);
		return STATUS_SOURCE;
	}
	if (load_run(&c->plan, r, err) < 0) {
		fprintf(stderr, "%s: %s\n", command_name, err);
	} else {
		tell(c, r);
		status = STATUS_DONE;
	}
	free(r);
	return status;
}

int bench_load(int argc, char **argv)
{
	struct load_call call = {
		.plan = { .rate = 200, .connections = 10, .duration_ns = 10 * CLOCK_SECOND_NS }
	};
	int operands, status;

	switch (arguments_take(&all, argc, argv, &call, &operands)) {
	case ARGUMENTS_HELP: return STATUS_DONE;
	case ARGUMENTS_REFUSED: return STATUS_USAGE;
	case ARGUMENTS_TAKEN: break;
	}
	status = take_operand(operands, argv, &call.plan);
	return status == STATUS_DONE ? run_call(&call) : status;
}
