/* lab - `weir lab`: a client, a server and a capture host on this machine, made, used and removed.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "control/bench/lab.h"
#include "control/weir/command.h"
#include "control/weir/suggest.h"
#include "control/weir/units.h"

/* What the words behind `weir lab ACTION` said. */
struct request {
	struct lab_settings settings;
	int operands; /* from here on they are no options */
};

struct action {
	const char *name;
	const char *options; /* the names it takes, with blanks between and around them */
	int (*run)(const struct request *r, int argc, char **argv);
};

static void print_help(void)
{
	fputs("weir lab - a client, a server and a capture host on this machine, in namespaces of "
	      "their own\n"
	      "\n"
	      "usage: weir lab up [--name NAME] [--queues N] [--mtu BYTES] [--offloads on|off]\n"
	      "       weir lab exec [--name NAME] client|server|tap COMMAND...\n"
	      "       weir lab show\n"
	      "       weir lab down [--name NAME]\n"
	      "\n"
	      "  client                          server                          tap\n"
	      "  [wire0 10.83.0.1, fd83::1] ---- [wire0 10.83.0.2, fd83::2]\n"
	      "                                      | every packet, in and out\n"
	      "                                  [mirror0] --------------------- [tap0]  <- "
	      "capture "
	      "here\n"
	      "\n"
	      "  --name NAME        labs of different names stand side by side (default lab)\n"
	      "  --queues N         of mirror0 and tap0 (default 1)\n"
	      "  --mtu BYTES        of all interfaces, 1280 to 9000 (default 1500)\n"
	      "  --offloads on|off  off: packets as on a wire, each with its checksums (default);\n"
	      "                     on: up to 64 KiB each and without, as virtual machines hand "
	      "them "
	      "on\n"
	      "  --help             this text\n"
	      "\n"
	      "down ends no process: what still runs in the lab is listed, and has no network any "
	      "more.\n"
	      "\n"
	      "Example\n"
	      "  sudo weir lab up\n"
	      "  sudo weir lab exec server python3 -m http.server 80 &\n"
	      "  sudo weir lab exec tap weir capture -i tap0 &\n"
	      "  sudo weir lab exec client curl http://10.83.0.2/\n"
	      "  sudo weir lab down\n"
	      "\n"
	      "Exit status\n"
	      "  0  done; for down also: there was no such lab   5  not root, or a tool or the "
	      "kernel refuses\n"
	      "  2  usage, or for up: the lab is there already;  exec: that of the command\n"
	      "     for exec: there is none\n",
	      stdout);
}

/* ---- up ---- */

static int report(const char *action, int code, const struct lab_error *err)
{
	fprintf(stderr, "weir lab %s: %s\n", action, err->text);
	switch (code) {
	case -EINVAL:
	case -EEXIST:
	case -ENXIO: return STATUS_USAGE;
	default: return STATUS_SOURCE;
	}
}

/* name_option - what has to be typed to mean this lab and not the usual one. */
static const char *name_option(const char *name, char ret[LAB_NAME_BYTES + 16])
{
	bool is_preset = strcmp(name, LAB_SETTINGS_PRESET.name) == 0;

	(void)snprintf(ret, LAB_NAME_BYTES + 16, "%s%s", is_preset ? "" : " --name ",
		       is_preset ? "" : name);
	return ret;
}

static void print_lab(const struct lab_settings *s, double seconds)
{
	char namespace[LAB_HOSTS][LAB_NAMESPACE_BYTES], option[LAB_NAME_BYTES + 16];
	int width;

	for (enum lab_host h = 0; h < LAB_HOSTS; h++)
		lab_namespace(s->name, h, namespace[h]);
	width = (int)strlen(namespace[LAB_CLIENT]);
	printf("client  %-*s  wire0  10.83.0.1/24 fd83::1/64\n", width, namespace[LAB_CLIENT]);
	printf("server  %-*s  wire0  10.83.0.2/24 fd83::2/64, every packet copied to tap0\n", width,
	       namespace[LAB_SERVER]);
	printf("tap     %-*s  tap0   %" PRIu32 " queue%s, mtu %" PRIu32 ", offloads %s\n", width,
	       namespace[LAB_TAP], s -> queues, s -> queues == 1 ? "" : "s", s->mtu_bytes,
	       s->offloads ? "on" : "off");
	name_option(s->name, option);
	printf("next    weir lab exec%s tap weir capture -i tap0\n", option);
	printf("remove  weir lab down%s    (it took %.2f s to make)\n", option, seconds);
}

static double now_s(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int no_operands(const char *action, int argc, char **argv)
{
	if (argc == 0)
		return STATUS_DONE;
	fprintf(stderr, "weir lab %s: what is %.80s? It takes options only: weir lab --help\n",
		action, argv[0]);
	return STATUS_USAGE;
}

static int run_up(const struct request *r, int argc, char **argv)
{
	double begun_s = now_s();
	struct lab_error err;
	int code;

	if (no_operands("up", argc, argv) != STATUS_DONE)
		return STATUS_USAGE;
	code = lab_up(&r->settings, &err);
	if (code < 0)
		return report("up", code, &err);
	print_lab(&r->settings, now_s() - begun_s);
	return STATUS_DONE;
}

/* ---- down ---- */

static void warn_of(const struct lab_remains *remains)
{
	uint32_t listed = remains->found < LAB_PROCESSES_MAX ? remains->found : LAB_PROCESSES_MAX;

	if (remains->found == 0)
		return;
	fprintf(stderr,
		"weir lab down: %" PRIu32 " still running, without a network now:", remains->found);
	for (uint32_t i = 0; i < listed; i++)
		fprintf(stderr, "%s %d (%s on %s)", i > 0 ? "," : "", (int)remains->process[i].pid,
			remains->process[i].command, lab_host_name(remains->process[i].host));
	fputs(remains->found > listed ? ", and more\n" : "\n", stderr);
}

static int run_down(const struct request *r, int argc, char **argv)
{
	struct lab_remains remains;
	struct lab_error err;
	int code;

	if (no_operands("down", argc, argv) != STATUS_DONE)
		return STATUS_USAGE;
	code = lab_down(r->settings.name, &remains, &err);
	if (code == -ENXIO) {
		printf("there is no lab %s: nothing to remove\n", r->settings.name);
		return STATUS_DONE;
	}
	if (code < 0)
		return report("down", code, &err);
	warn_of(&remains);
	printf("lab %s is removed\n", r->settings.name);
	return STATUS_DONE;
}

/* ---- exec ---- */

static bool find_host(const char *word, enum lab_host *ret)
{
	for (enum lab_host h = 0; h < LAB_HOSTS; h++) {
		if (strcmp(word, lab_host_name(h)) == 0) {
			*ret = h;
			return true;
		}
	}
	return false;
}

static int refuse_host(const char *word)
{
	struct suggest s;

	suggest_begin(&s, word);
	for (enum lab_host h = 0; h < LAB_HOSTS; h++)
		suggest_offer(&s, lab_host_name(h));
	fprintf(stderr, "weir lab exec: no such host: %.80s; there are client, server and tap\n",
		word);
	if (s.best != NULL)
		fprintf(stderr, "  did you mean %s?\n", s.best);
	return STATUS_USAGE;
}

static int run_exec(const struct request *r, int argc, char **argv)
{
	struct lab_error err;
	enum lab_host host;

	if (argc > 0 && !find_host(argv[0], &host))
		return refuse_host(argv[0]);
	if (argc < 2) {
		fputs("weir lab exec: where, and which COMMAND? weir lab exec "
		      "client|server|tap COMMAND...\n",
		      stderr);
		return STATUS_USAGE;
	}
	return report("exec", lab_exec(r->settings.name, host, argc - 1, argv + 1, &err), &err);
}

/* ---- show ---- */

static void print_header(void)
{
	printf("%-*s  %-8s  %-8s  %15s  %18s  %10s\n", LAB_NAME_BYTES - 1, "lab", "port", "",
	       "packets", "bytes", "dropped");
}

static void print_row(const char *name, const char *port, const char *way, uint64_t packets,
		      uint64_t bytes, uint64_t dropped)
{
	printf("%-*s  %-8s  %-8s  %15" PRIu64 "  %18" PRIu64 "  %10" PRIu64 "\n",
	       LAB_NAME_BYTES - 1, name, port, way, packets, bytes, dropped);
}

/* show_lab - the two ends of the mirror: what the one sent and the other did not receive was lost
 * between them. */
static void show_lab(const char *name, void *user)
{
	struct lab_counters mirror, tap;

	(void)user;
	if (lab_state(name) != LAB_READY ||
	    lab_counters(name, LAB_SERVER, "mirror0", &mirror) < 0 ||
	    lab_counters(name, LAB_TAP, "tap0", &tap) < 0) {
		printf("%-*s  half-made: weir lab down --name %s\n", LAB_NAME_BYTES - 1, name,
		       name);
		return;
	}
	print_row(name, "mirror0", "sent", mirror.tx_packets, mirror.tx_bytes, mirror.tx_dropped);
	print_row(name, "tap0", "received", tap.rx_packets, tap.rx_bytes, tap.rx_dropped);
}

static void count_lab(const char *name, void *user)
{
	(void)name;
	++*(uint32_t *)user;
}

static int run_show(const struct request *r, int argc, char **argv)
{
	(void)r;
	if (no_operands("show", argc, argv) != STATUS_DONE)
		return STATUS_USAGE;
	if (lab_list(count_lab, &(uint32_t){ 0 }) == 0) {
		puts("there is no lab; next: weir lab up");
		return STATUS_DONE;
	}
	if (geteuid() != 0) {
		fputs("weir lab show: only root can look into a lab: use sudo\n", stderr);
		return STATUS_SOURCE;
	}
	print_header();
	(void)lab_list(show_lab, NULL);
	return STATUS_DONE;
}

/* ---- options ---- */

static const struct action actions[] = {
	{ "up", " name queues mtu offloads ", run_up },
	{ "exec", " name ", run_exec },
	{ "show", " ", run_show },
	{ "down", " name ", run_down },
};

enum { ACTIONS = sizeof(actions) / sizeof(actions[0]) };

static int refuse_value(const char *option, const char *value, enum setting_unit unit)
{
	fprintf(stderr, "weir lab: --%s cannot be %.80s: write %s\n", option, value,
		units_example(unit));
	return STATUS_USAGE;
}

static int take_number(const char *option, const char *value, enum setting_unit unit, uint32_t *ret)
{
	uint64_t number;

	if (units_parse(unit, value, &number) < 0 || number > UINT32_MAX)
		return refuse_value(option, value, unit);
	*ret = (uint32_t)number;
	return STATUS_DONE;
}

static int take_option(const char *option, const char *value, struct lab_settings *s)
{
	uint32_t number;
	int status = STATUS_DONE;

	if (strcmp(option, "name") == 0) {
		s->name = value;
	} else if (strcmp(option, "queues") == 0) {
		status = take_number(option, value, UNIT_COUNT, &s->queues);
	} else if (strcmp(option, "mtu") == 0) {
		status = take_number(option, value, UNIT_BYTES, &s->mtu_bytes);
	} else {
		status = take_number(option, value, UNIT_SWITCH, &number);
		if (status == STATUS_DONE)
			s->offloads = number != 0;
	}
	return status;
}

static bool takes(const struct action *a, const char *option)
{
	char word[32];

	(void)snprintf(word, sizeof(word), " %.20s ", option);
	return strlen(option) <= 20 && strchr(option, ' ') == NULL && *option != '\0' &&
	       strstr(a->options, word) != NULL;
}

static int refuse_option(const struct action *a, const char *option)
{
	static const char *const known[] = { "name", "queues", "mtu", "offloads" };
	struct suggest s;

	suggest_begin(&s, option);
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (takes(a, known[i]))
			suggest_offer(&s, known[i]);
	fprintf(stderr, "weir lab %s: no such option: --%.80s\n", a->name, option);
	if (s.best != NULL)
		fprintf(stderr, "  did you mean --%s?\n", s.best);
	else
		fputs("  see weir lab --help\n", stderr);
	return STATUS_USAGE;
}

/* take_options - up to the first word that is none, or behind `--`. */
static int take_options(const struct action *a, int argc, char **argv, struct request *r)
{
	int i = 0;

	while (i < argc && strncmp(argv[i], "--", 2) == 0) {
		char *option = argv[i++] + 2, *value = strchr(option, '=');
		int status;

		if (*option == '\0')
			break;
		if (value != NULL)
			*value++ = '\0';
		if (!takes(a, option))
			return refuse_option(a, option);
		if (value == NULL && i == argc) {
			fprintf(stderr, "weir lab %s: --%s needs a value\n", a->name, option);
			return STATUS_USAGE;
		}
		if (value == NULL)
			value = argv[i++];
		status = take_option(option, value, &r->settings);
		if (status != STATUS_DONE)
			return status;
	}
	r->operands = i;
	return STATUS_DONE;
}

static int refuse_action(const char *word)
{
	struct suggest s;

	suggest_begin(&s, word);
	for (size_t i = 0; i < ACTIONS; i++)
		suggest_offer(&s, actions[i].name);
	fprintf(stderr, "weir lab: no such action: %.80s; there are up, exec, show and down\n",
		word);
	if (s.best != NULL)
		fprintf(stderr, "  did you mean weir lab %s?\n", s.best);
	return STATUS_USAGE;
}

static bool is_help(const char *word)
{
	return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

static int run_action(const struct action *a, int argc, char **argv)
{
	struct request r = { .settings = LAB_SETTINGS_PRESET };
	int status;

	if (argc > 0 && is_help(argv[0])) {
		print_help();
		return STATUS_DONE;
	}
	status = take_options(a, argc, argv, &r);
	return status == STATUS_DONE ? a->run(&r, argc - r.operands, argv + r.operands) : status;
}

int command_lab(int argc, char **argv)
{
	if (argc > 0 && is_help(argv[0])) {
		print_help();
		return STATUS_DONE;
	}
	if (argc == 0) {
		fputs("weir lab: up, exec, show or down? weir lab --help\n", stderr);
		return STATUS_USAGE;
	}
	for (size_t i = 0; i < ACTIONS; i++)
		if (strcmp(argv[0], actions[i].name) == 0)
			return run_action(&actions[i], argc - 1, argv + 1);
	return refuse_action(argv[0]);
}
