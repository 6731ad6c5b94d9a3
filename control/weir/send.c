/* send - `weir send`: frames onto an interface, for tests and benchmarks. */
#include "control/send/send.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/send/pace.h"
#include "control/send/report.h"
#include "control/weir/command.h"
#include "control/weir/suggest.h"
#include "control/weir/units.h"

static const char command_name[] = "weir send";

struct send_call {
	struct send_plan plan;
	bool json, quiet, help;
	bool has_size, has_flows; /* only numbered frames have them */
};

/* Complaints are told where they are found. */
static int complain(const char *name, const char *value, const char *right)
{
	fprintf(stderr, "%s: --%s %.80s: %s\n", command_name, name, value, right);
	return -EINVAL;
}

/* ---- values ---- */

static int read_number(const char *name, const char *value, uint64_t min, uint64_t max,
		       uint64_t *ret)
{
	char right[80];
	uint64_t v;

	if (units_parse(UNIT_COUNT, value, &v) == 0 && v >= min && v <= max) {
		*ret = v;
		return 0;
	}
	(void)snprintf(right, sizeof(right), "a number from %llu to %llu is needed",
		       (unsigned long long)min, (unsigned long long)max);
	return complain(name, value, right);
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

static int read_scaled(const char *name, const char *value, uint64_t max, uint64_t *ret)
{
	char *end = NULL;
	double number = value[0] >= '0' && value[0] <= '9' ? strtod(value, &end) : -1;
	double all = end != NULL ? number * (double)scale_of(end) : -1;

	/* Written so that no number at all is refused too, and half a packet. */
	if (!(all >= 1 && all <= (double)max) || all != (double)(uint64_t)all)
		return complain(name, value, "a number such as 1000, 500k or 1.5m is needed");
	*ret = (uint64_t)all;
	return 0;
}

static int read_switch(const char *name, const char *value, bool *ret)
{
	uint64_t v;

	if (units_parse(UNIT_SWITCH, value, &v) < 0)
		return complain(name, value, "on or off is needed");
	*ret = v != 0;
	return 0;
}

/* ---- options ---- */

typedef int read_fn(const char *name, const char *value, struct send_call *c);

static int read_iface(const char *name, const char *value, struct send_call *c)
{
	(void)name;
	c->plan.interface = value;
	return 0;
}

static int read_tx(const char *name, const char *value, struct send_call *c)
{
	(void)name;
	c->plan.tx = value;
	return 0;
}

static int read_queue(const char *name, const char *value, struct send_call *c)
{
	uint64_t v;

	if (read_number(name, value, 0, 65535, &v) < 0)
		return -EINVAL;
	c->plan.queue = (uint32_t)v;
	return 0;
}

static int read_rate(const char *name, const char *value, struct send_call *c)
{
	return read_scaled(name, value, PACE_RATE_MAX, &c->plan.rate);
}

static int read_count(const char *name, const char *value, struct send_call *c)
{
	return read_scaled(name, value, UINT64_C(1) << 53, &c->plan.count);
}

static int read_duration(const char *name, const char *value, struct send_call *c)
{
	uint64_t v;

	if (units_parse(UNIT_TIME_NS, value, &v) < 0 || v == 0)
		return complain(name, value, "a time such as 500ms, 10s or 2m is needed");
	c->plan.duration_ns = v;
	return 0;
}

static int read_size(const char *name, const char *value, struct send_call *c)
{
	uint64_t v;

	if (read_number(name, value, NUMBERED_BYTES_MIN, NUMBERED_BYTES_MAX, &v) < 0)
		return -EINVAL;
	c->plan.frames.size_bytes = (uint32_t)v;
	c->has_size = true;
	return 0;
}

static int read_flows(const char *name, const char *value, struct send_call *c)
{
	uint64_t v;

	if (read_number(name, value, 1, NUMBERED_FLOWS_MAX, &v) < 0)
		return -EINVAL;
	c->plan.frames.flows = (uint32_t)v;
	c->has_flows = true;
	return 0;
}

static int read_rx(const char *name, const char *value, struct send_call *c)
{
	static const char synth[] = "synth";
	size_t bytes = sizeof(synth) - 1;

	if (strncmp(value, synth, bytes) != 0 || (value[bytes] != '\0' && value[bytes] != ':'))
		return complain(name, value,
				"frames can be invented with synth:OPTION=VALUE,... ; a capture is "
				"named without an option");
	c->plan.frames.synth = value + bytes + (value[bytes] == ':');
	return 0;
}

static int read_retry(const char *name, const char *value, struct send_call *c)
{
	return read_switch(name, value, &c->plan.retry);
}

static int read_loop(const char *name, const char *value, struct send_call *c)
{
	return read_switch(name, value, &c->plan.frames.loop);
}

static int read_json(const char *name, const char *value, struct send_call *c)
{
	return read_switch(name, value, &c->json);
}

static int read_quiet(const char *name, const char *value, struct send_call *c)
{
	return read_switch(name, value, &c->quiet);
}

static int read_help(const char *name, const char *value, struct send_call *c)
{
	(void)name;
	(void)value;
	c->help = true;
	return 0;
}

/* clang-format off */
static const struct send_option {
	const char *name;
	const char *argument; /* NULL: a switch; the name alone means on */
	read_fn *read;
	const char *help;
} options[] = {
	{ "iface",    "IF",    read_iface,    "the interface to send on (the same: -i IF); needed" },
	{ "tx",       "NAME",  read_tx,       "how: af_xdp, af_packet, or auto: the first that works (auto)" },
	{ "queue",    "Q",     read_queue,    "af_xdp: the queue to send on; on a veth it is the other end's too (0)" },
	{ "rate",     "PPS",   read_rate,     "packets a second, such as 1000, 500k, 1.5m (as fast as possible)" },
	{ "count",    "N",     read_count,    "stop after so many frames" },
	{ "duration", "TIME",  read_duration, "stop after so long" },
	{ "size",     "BYTES", read_size,     "of a numbered frame, without its check sequence (64)" },
	{ "flows",    "N",     read_flows,    "spread numbered frames over so many source ports (1)" },
	{ "rx",       "synth", read_rx,       "send the HTTP traffic that synth[:OPTION=VALUE,...] invents" },
	{ "loop",     NULL,    read_loop,     "begin the capture again at its end" },
	{ "retry",    "on|off", read_retry,   "offer a frame that the interface refused again, until it is accepted (off: count it as dropped)" },
	{ "json",     NULL,    read_json,     "report as a JSON object on standard output, not as a line on standard error" },
	{ "quiet",    NULL,    read_quiet,    "no line but errors" },
	{ "help",     NULL,    read_help,     "this text" },
};
/* clang-format on */

enum { OPTIONS = sizeof(options) / sizeof(options[0]) };

static void print_help(void)
{
	fputs("weir send - frames onto an interface, for tests and benchmarks\n"
	      "\n"
	      "usage: weir send --iface IF [OPTION...] [FILE | --rx synth:...]\n"
	      "\n"
	      "Without FILE (pcap or pcapng, also compressed; - for standard input): numbered UDP "
	      "frames,\n"
	      "10.83.0.1 -> 10.83.0.2, until --count, --duration or a signal ends it.\n"
	      "\n",
	      stdout);
	for (size_t i = 0; i < OPTIONS; i++)
		printf("  --%-9s%-7s %s\n", options[i].name,
		       options[i].argument != NULL ? options[i].argument : "", options[i].help);
	fputs("\n"
	      "Exit status: 0 done, 2 usage, 4 the file is damaged and what was before was sent,\n"
	      "5 the file cannot be read, the interface is not there or down, or there is no "
	      "privilege\n"
	      "\n"
	      "Example\n"
	      "  weir send --iface veth0 --rate 500k --duration 10s\n",
	      stdout);
}

static int refuse_option(const char *name, size_t bytes)
{
	char typed[32];
	struct suggest s;

	(void)snprintf(typed, sizeof(typed), "%.*s", (int)(bytes < 31 ? bytes : 31), name);
	suggest_begin(&s, typed);
	for (size_t i = 0; i < OPTIONS; i++)
		suggest_offer(&s, options[i].name);
	fprintf(stderr, "%s: no such option: --%s\n", command_name, typed);
	if (s.best != NULL)
		fprintf(stderr, "  did you mean --%s?\n", s.best);
	else
		fputs("  see `weir send --help`\n", stderr);
	return -EINVAL;
}

static const struct send_option *find_option(const char *name, size_t bytes)
{
	for (size_t i = 0; i < OPTIONS; i++)
		if (strlen(options[i].name) == bytes && memcmp(options[i].name, name, bytes) == 0)
			return &options[i];
	return NULL;
}

/* parse_option - `--NAME VALUE`, `--NAME=VALUE`, `--SWITCH`. Returns: words taken; -EINVAL. */
static int parse_option(int argc, char **argv, struct send_call *c)
{
	const char *name = argv[0] + 2, *value = strchr(name, '=');
	size_t bytes = value != NULL ? (size_t)(value - name) : strlen(name);
	const struct send_option *o = find_option(name, bytes);
	int words = 1;

	if (o == NULL)
		return refuse_option(name, bytes);
	if (value != NULL) {
		value++;
	} else if (o->argument == NULL) {
		value = "on";
	} else if (argc > 1) {
		value = argv[1];
		words = 2;
	} else {
		fprintf(stderr, "%s: --%s needs a value: --%s %s\n", command_name, o->name, o->name,
			o->argument);
		return -EINVAL;
	}
	return o->read(o->name, value, c) < 0 ? -EINVAL : words;
}

static int parse_operand(const char *word, struct send_call *c)
{
	if (c->plan.frames.file != NULL) {
		fprintf(stderr, "%s: one file at a time: %.80s and %.80s\n", command_name,
			c->plan.frames.file, word);
		return -EINVAL;
	}
	c->plan.frames.file = word;
	return 1;
}

static int refuse_together(const char *text)
{
	fprintf(stderr, "%s: %s\n", command_name, text);
	return -EINVAL;
}

static int check_together(const struct send_call *c)
{
	const struct frames_plan *f = &c->plan.frames;
	bool captured = f->file != NULL || f->synth != NULL;

	if (c->help)
		return 0;
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

static bool is_option(const char *word)
{
	return strncmp(word, "--", 2) == 0 && word[2] != '\0';
}

static int parse(int argc, char **argv, struct send_call *c)
{
	static char iface_option[] = "--iface"; /* what -i is short for */
	bool only_operands = false;
	int words;

	for (int i = 0; i < argc; i += words) {
		if (!only_operands && strcmp(argv[i], "--") == 0) {
			only_operands = true;
			words = 1;
		} else if (!only_operands && strcmp(argv[i], "-i") == 0) {
			argv[i] = iface_option;
			words = parse_option(argc - i, argv + i, c);
		} else if (!only_operands && is_option(argv[i])) {
			words = parse_option(argc - i, argv + i, c);
		} else if (!only_operands && (strcmp(argv[i], "-h") == 0)) {
			c->help = true;
			words = 1;
		} else if (!only_operands && argv[i][0] == '-' && argv[i][1] != '\0') {
			words = refuse_option(argv[i] + 1, strlen(argv[i] + 1));
		} else {
			words = parse_operand(argv[i], c);
		}
		if (words < 0)
			return -EINVAL;
	}
	return check_together(c);
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

	if (parse(argc, argv, &call) < 0)
		return STATUS_USAGE;
	if (call.help) {
		print_help();
		return STATUS_DONE;
	}
	end = send_run(&call.plan, &sent, &fallback, &err);
	if (end == SEND_DONE && fallback.text[0] != '\0' && !call.quiet)
		fprintf(stderr, "%s: not the best way out: %s\n", command_name, fallback.text);
	if (end != SEND_DONE)
		fprintf(stderr, "%s: %s\n", command_name, err.text);
	report(&call, &sent);
	return status_of(end);
}
