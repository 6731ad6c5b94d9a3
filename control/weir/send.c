/* send - `weir send`: frames onto an interface, for tests and benchmarks. */
#include "control/send/send.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/send/pace.h"
#include "control/send/report.h"
#include "control/weir/arguments.h"
#include "control/weir/command.h"
#include "control/weir/units.h"

static const char command_name[] = "weir send";

enum { QUEUE_MAX = 65535 };

struct send_call {
	struct send_plan plan;
	bool json, quiet;
	bool has_size, has_flows; /* only numbered frames have them */
};

/* ---- values ---- */

static int read_number(const char *value, uint64_t min, uint64_t max, uint64_t *ret)
{
	uint64_t v;

	if (units_parse(UNIT_COUNT, value, &v) < 0 || v < min || v > max)
		return -EINVAL;
	*ret = v;
	return 0;
}

/* scale_of - thousands and millions of packets are not those of bytes. 0: no such suffix. */
static uint64_t scale_of(const char *suffix)
{
	if (suffix[0] == '\0')
		return 1;
	if (suffix[1] != '\0')
		return 0;
	switch (suffix[0]) {
	case 'k':
	case 'K': return 1000;
	case 'm':
	case 'M': return 1000000;
	default: return 0;
	}
}

static int read_scaled(const char *value, uint64_t max, uint64_t *ret)
{
	char *end = NULL;
	double number = value[0] >= '0' && value[0] <= '9' ? strtod(value, &end) : -1;
	double all = end != NULL ? number * (double)scale_of(end) : -1;

	/* Written so that no number at all is refused too, and half a packet. */
	if (!(all >= 1 && all <= (double)max) || all != (double)(uint64_t)all)
		return -EINVAL;
	*ret = (uint64_t)all;
	return 0;
}

/* read_switch - the name alone means on. */
static int read_switch(const char *value, bool *ret)
{
	uint64_t v = 1;

	if (value != NULL && units_parse(UNIT_SWITCH, value, &v) < 0)
		return -EINVAL;
	*ret = v != 0;
	return 0;
}

/* ---- options ---- */

static int take_iface(const char *value, void *user)
{
	struct send_call *c = user;

	c->plan.interface = value;
	return 0;
}

static int take_tx(const char *value, void *user)
{
	struct send_call *c = user;

	c->plan.tx = value;
	return 0;
}

static int take_queue(const char *value, void *user)
{
	struct send_call *c = user;
	uint64_t v;

	if (read_number(value, 0, QUEUE_MAX, &v) < 0)
		return -EINVAL;
	c->plan.queue = (uint32_t)v;
	return 0;
}

static int take_rate(const char *value, void *user)
{
	struct send_call *c = user;

	return read_scaled(value, PACE_RATE_MAX, &c->plan.rate);
}

static int take_count(const char *value, void *user)
{
	struct send_call *c = user;

	return read_scaled(value, UINT64_C(1) << 53, &c->plan.count);
}

static int take_duration(const char *value, void *user)
{
	struct send_call *c = user;
	uint64_t v;

	if (units_parse(UNIT_TIME_NS, value, &v) < 0 || v == 0)
		return -EINVAL;
	c->plan.duration_ns = v;
	return 0;
}

static int take_size(const char *value, void *user)
{
	struct send_call *c = user;
	uint64_t v;

	if (read_number(value, NUMBERED_BYTES_MIN, NUMBERED_BYTES_MAX, &v) < 0)
		return -EINVAL;
	c->plan.frames.size_bytes = (uint32_t)v;
	c->has_size = true;
	return 0;
}

static int take_flows(const char *value, void *user)
{
	struct send_call *c = user;
	uint64_t v;

	if (read_number(value, 1, NUMBERED_FLOWS_MAX, &v) < 0)
		return -EINVAL;
	c->plan.frames.flows = (uint32_t)v;
	c->has_flows = true;
	return 0;
}

static int take_rx(const char *value, void *user)
{
	static const char synth[] = "synth";
	size_t bytes = sizeof(synth) - 1;
	struct send_call *c = user;

	if (strncmp(value, synth, bytes) != 0 || (value[bytes] != '\0' && value[bytes] != ':'))
		return -EINVAL;
	c->plan.frames.synth = value + bytes + (value[bytes] == ':');
	return 0;
}

static int take_retry(const char *value, void *user)
{
	struct send_call *c = user;

	return read_switch(value, &c->plan.retry);
}

static int take_loop(const char *value, void *user)
{
	struct send_call *c = user;

	return read_switch(value, &c->plan.frames.loop);
}

static int take_json(const char *value, void *user)
{
	struct send_call *c = user;

	return read_switch(value, &c->json);
}

static int take_quiet(const char *value, void *user)
{
	struct send_call *c = user;

	return read_switch(value, &c->quiet);
}

static const char wanted_scaled[] = "a number such as 1000, 500k or 1.5m is needed";
static const char wanted_switch[] = "on or off is needed";
static_assert(NUMBERED_BYTES_MIN == 60 && NUMBERED_BYTES_MAX == 65549, "--size says so");
static_assert(NUMBERED_FLOWS_MAX == 60000, "--flows says so");
static_assert(QUEUE_MAX == 65535, "--queue says so");

/* clang-format off */
static const struct argument list[] = {
	{ "iface", 'i', "IF", "the interface to send on; needed", take_iface, NULL },
	{ "tx", 0, "NAME", "how: af_xdp, af_packet, or auto: the first that works (auto)", take_tx, NULL },
	{ "queue", 0, "Q", "af_xdp: the queue to send on; on a veth it is the other end's too (0)",
	  take_queue, "a number from 0 to 65535 is needed" },
	{ "rate", 0, "PPS", "packets a second, such as 1000, 500k, 1.5m (as fast as possible)",
	  take_rate, wanted_scaled },
	{ "count", 0, "N", "stop after so many frames", take_count, wanted_scaled },
	{ "duration", 0, "TIME", "stop after so long", take_duration,
	  "a time such as 500ms, 10s or 2m is needed" },
	{ "size", 0, "BYTES", "of a numbered frame, without its check sequence (64)", take_size,
	  "a number from 60 to 65549 is needed" },
	{ "flows", 0, "N", "spread numbered frames over so many source ports (1)", take_flows,
	  "a number from 1 to 60000 is needed" },
	{ "rx", 0, "synth", "send the HTTP traffic that synth[:OPTION=VALUE,...] invents", take_rx,
	  "frames can be invented with synth:OPTION=VALUE,... ; a capture is named without an option" },
	{ "loop", 0, "[=on|off]", "begin the capture again at its end", take_loop, wanted_switch },
	{ "retry", 0, "on|off", "offer a frame that the interface refused again, until it is accepted "
	  "(off: count it as dropped)", take_retry, wanted_switch },
	{ "json", 0, "[=on|off]", "report as a JSON object on standard output, not as a line on standard "
	  "error", take_json, wanted_switch },
	{ "quiet", 0, "[=on|off]", "no line but errors", take_quiet, wanted_switch },
};
/* clang-format on */

static const struct arguments options = {
	.command = command_name,
	.usage = "weir send --iface IF [OPTION...] [FILE | --rx synth:...]",
	.about = "Frames onto an interface, for tests and benchmarks.\n"
		 "Without FILE (pcap or pcapng, also compressed; - for standard input): numbered UDP "
		 "frames,\n"
		 "10.83.0.1 -> 10.83.0.2, until --count, --duration or a signal ends it.\n",
	.list = list,
	.count = sizeof(list) / sizeof(list[0]),
	.after = "Exit status: 0 done, 2 usage, 4 the file is damaged and what was before was sent,\n"
		 "5 the file cannot be read, the interface is not there or down, or there is no "
		 "privilege\n",
	.example = "  weir send --iface veth0 --rate 500k --duration 10s",
};

static int refuse_together(const char *text)
{
	fprintf(stderr, "%s: %s\n", command_name, text);
	return -EINVAL;
}

static int check_together(const struct send_call *c)
{
	const struct frames_plan *f = &c->plan.frames;
	bool captured = f->file != NULL || f->synth != NULL;

	if (c->plan.interface == NULL)
		return refuse_together("no interface is named; give --iface IF");
	if (f->file != NULL && f->synth != NULL)
		return refuse_together("a file and --rx exclude each other");
	if (captured && (c->has_size || c->has_flows))
		return refuse_together("--size and --flows are for numbered frames; a capture's "
				       "are sent as they are");
	if (!captured && f->loop)
		return refuse_together("--loop is for captures; numbered frames have no end");
	return 0;
}

static enum arguments_end parse(int argc, char **argv, struct send_call *c)
{
	int operands;
	enum arguments_end end = arguments_take(&options, argc, argv, c, &operands);

	if (end != ARGUMENTS_TAKEN)
		return end;
	if (operands > 1) {
		fprintf(stderr, "%s: one file at a time: %.80s and %.80s\n", command_name, argv[0],
			argv[1]);
		return ARGUMENTS_REFUSED;
	}
	if (operands == 1)
		c->plan.frames.file = argv[0];
	return check_together(c) < 0 ? ARGUMENTS_REFUSED : ARGUMENTS_TAKEN;
}

/* ---- the call ---- */

static void report(const struct send_call *c, const struct send_report *r)
{
	if (r->tx == NULL)
		return;
	if (c->json)
		report_json(r, stdout);
	else if (!c->quiet)
		report_line(r, stderr);
	if (!c->quiet && report_fell_short(r))
		fprintf(stderr, "%s: the rate fell short of the asked by %.1f %%\n", command_name,
			100 - 100 * r->rate / (double)r->asked);
}

static int status_of(enum send_end end)
{
	switch (end) {
	case SEND_DONE: return STATUS_DONE;
	case SEND_PLAN: return STATUS_USAGE;
	case SEND_FAILED: return STATUS_SOURCE;
	case SEND_DAMAGED: return STATUS_DAMAGED;
	}
	return STATUS_USAGE;
}

int command_send(int argc, char **argv)
{
	struct send_call call = {
		.plan = { .tx = "auto",
			  .queue = TX_ANY_QUEUE,
			  .frames = { .size_bytes = 64, .flows = 1 } },
	};
	struct send_report sent;
	struct send_error fallback, err;
	enum send_end end;

	switch (parse(argc, argv, &call)) {
	case ARGUMENTS_HELP: return STATUS_DONE;
	case ARGUMENTS_REFUSED: return STATUS_USAGE;
	case ARGUMENTS_TAKEN: break;
	}
	end = send_run(&call.plan, &sent, &fallback, &err);
	if (end == SEND_DONE && fallback.text[0] != '\0' && !call.quiet)
		fprintf(stderr, "%s: not the best way out: %s\n", command_name, fallback.text);
	if (end != SEND_DONE)
		fprintf(stderr, "%s: %s\n", command_name, err.text);
	report(&call, &sent);
	return status_of(end);
}
