/* check - `weir check`: this machine, looked at before the tool is blamed. */
#include "control/host/check.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/host/show.h"
#include "control/weir/arguments.h"
#include "control/weir/command.h"
#include "control/weir/units.h"
#include "control/weir/workers.h"

static const char command_name[] = "weir check";

enum { INTERFACES_MAX = 64 };
static_assert(SETTINGS_WORKERS_MAX == 64, "--workers says so");

struct check_call {
	const char *interface[INTERFACES_MAX];
	uint32_t interfaces, workers;
	struct cpus cores;
	bool has_cores, fix, undo, dry, json, quiet, list;
};

/* ---- options ---- */

static int take_interface(const char *value, void *user)
{
	struct check_call *c = user;

	if (value[0] == 0 || c->interfaces == INTERFACES_MAX)
		return -EINVAL;
	c->interface[c->interfaces++] = value;
	return 0;
}

static int take_workers(const char *value, void *user)
{
	struct check_call *c = user;
	uint64_t v;

	if (strcmp(value, "auto") == 0) {
		c->workers = workers_most();
		return 0;
	}
	if (units_parse(UNIT_COUNT, value, &v) < 0 || v == 0 || v > SETTINGS_WORKERS_MAX)
		return -EINVAL;
	c->workers = (uint32_t)v;
	return 0;
}

static int take_cores(const char *value, void *user)
{
	struct check_call *c = user;

	if (value[0] == 0 || cpus_parse(value, &c->cores) < 0)
		return -EINVAL;
	c->has_cores = true;
	return 0;
}

static int take_fix(const char *value, void *user)
{
	struct check_call *c = user;

	(void)value;
	c->fix = true;
	return 0;
}

static int take_undo(const char *value, void *user)
{
	struct check_call *c = user;

	(void)value;
	c->undo = true;
	return 0;
}

static int take_dry(const char *value, void *user)
{
	struct check_call *c = user;

	(void)value;
	c->dry = true;
	return 0;
}

static int take_json(const char *value, void *user)
{
	struct check_call *c = user;

	(void)value;
	c->json = true;
	return 0;
}

static int take_quiet(const char *value, void *user)
{
	struct check_call *c = user;

	(void)value;
	c->quiet = true;
	return 0;
}

static int take_list(const char *value, void *user)
{
	struct check_call *c = user;

	(void)value;
	c->list = true;
	return 0;
}

/* clang-format off */
static const struct argument list[] = {
	{ "iface", 'i', "IF", "look at this interface, again for more (all that are up, without lo)", take_interface,
	  "it needs the name of an interface (`ip link` shows them), 64 times at most; without it all are looked at" },
	{ "workers", 0, "N", "as many workers as capture will have, or auto", take_workers,
	  "a number from 1 to 64, or auto, is needed" },
	{ "cores", 0, "LIST", "the cores they will run on, such as 2-5,8", take_cores,
	  "a list such as 2-5,8 is needed" },
	{ "fix", 0, NULL, "mend what can be put back exactly; each former value is written down first, in "
	  "/run/weir/undo", take_fix, NULL },
	{ "undo", 0, NULL, "put everything back, also what a capture or a check that was killed has left",
	  take_undo, NULL },
	{ "dry-run", 0, NULL, "with --fix or --undo: only show what would be changed", take_dry, NULL },
	{ "json", 0, NULL, "one JSON object", take_json, NULL },
	{ "quiet", 0, NULL, "only what is to mend", take_quiet, NULL },
	{ "list", 0, NULL, "the checks, and what each asks", take_list, NULL },
};
/* clang-format on */

static const struct arguments options = {
	.command = command_name,
	.usage = "weir check [-i IF]... [--fix | --undo] [OPTION...]",
	.about = "Looks at this machine as one would before blaming the tool. A line for each "
		 "question:\n"
		 "  ok    as it should be\n"
		 "  info  worth knowing; nothing has to be done\n"
		 "  warn  costs packets, speed or exactness, and there is a remedy\n"
		 "  fail  capture will not work, or not this way, and there is a remedy\n",
	.list = list,
	.count = sizeof(list) / sizeof(list[0]),
	.after =
		"--fix leaves an interface that has an address of this host alone unless -i names "
		"it.\n"
		"\n"
		"Exit status: 0 nothing to mend, 1 something to mend (or not put back), 2 usage, 5 "
		"no such\n"
		"interface\n",
	.example = "  sudo weir check -i eth0 --fix",
};

static int refuse(const char *text)
{
	fprintf(stderr, "%s: %s\n", command_name, text);
	return -EINVAL;
}

static int check_together(const struct check_call *c)
{
	if (c->fix && c->undo)
		return refuse("--fix and --undo exclude each other");
	if (c->dry && !c->fix && !c->undo)
		return refuse("--dry-run goes with --fix or --undo: without them nothing is "
			      "changed anyway");
	if (c->undo && c->interfaces > 0)
		return refuse(
			"--undo puts back everything that was changed; -i does not go with it");
	return 0;
}

static enum arguments_end parse(int argc, char **argv, struct check_call *c)
{
	int operands;
	enum arguments_end end = arguments_take(&options, argc, argv, c, &operands);

	if (end != ARGUMENTS_TAKEN)
		return end;
	if (operands > 0) {
		fprintf(stderr, "%s: %.80s: an interface is named with -i\n", command_name,
			argv[0]);
		return ARGUMENTS_REFUSED;
	}
	return check_together(c) < 0 ? ARGUMENTS_REFUSED : ARGUMENTS_TAKEN;
}

/* ---- the call ---- */

static void print_list(void)
{
	for (uint32_t i = 0; i < check_list_count; i++)
		for (const struct check *c = check_lists[i]; c->name != NULL; c++)
			printf("%-13s  %s%s\n", c->name, c->link != NULL ? "each interface: " : "",
			       c->what);
}

static bool wants_colour(void)
{
	return isatty(STDOUT_FILENO) && getenv("NO_COLOR") == NULL;
}

static void show(const struct check_call *c, int status, const struct report *r,
		 const struct deeds *d)
{
	if (c->json)
		show_json(status, r, d, c->quiet, stdout);
	else
		show_lines(r, d, wants_colour(), c->quiet, stdout);
}

static int explain(const char *what, int code)
{
	if (code == -EPERM || code == -EACCES)
		fprintf(stderr,
			"%s: %s changes this machine's settings, which only root may: use "
			"sudo\n",
			command_name, what);
	else if (code == -EBUSY)
		fprintf(stderr, "%s: another weir check is changing settings now: wait for it\n",
			command_name);
	else
		fprintf(stderr, "%s: %s: the journal in /run/weir/undo cannot be used: %s\n",
			command_name, what, strerror(-code));
	return STATUS_NO;
}

static int add_links(struct host *h, const struct check_call *c)
{
	int code = 0;

	if (c->interfaces == 0 && host_add_links(h) < 0)
		fprintf(stderr,
			"%s: the kernel does not say what interfaces there are: only the "
			"machine is looked at\n",
			command_name);
	for (uint32_t i = 0; i < c->interfaces && code == 0; i++) {
		code = host_add_link(h, c->interface[i]);
		if (code == -ENODEV)
			fprintf(stderr,
				"%s: %.64s: there is no such interface; `ip link` shows "
				"those there are\n",
				command_name, c->interface[i]);
		else if (code < 0)
			fprintf(stderr, "%s: %.64s: the kernel does not tell about it: %s\n",
				command_name, c->interface[i], strerror(-code));
	}
	return code;
}

static int look(const struct check_call *c, const struct host *h, const struct deeds *d)
{
	struct report r;
	int status;

	check_all(h, &r);
	status = check_worst(&r) >= LEVEL_WARN ? STATUS_NO : STATUS_DONE;
	show(c, status, &r, d);
	check_free(&r);
	return status;
}

/* look_again - the links too: what was changed may show in them. */
static int look_again(const struct check_call *c, struct host *h, const struct deeds *d)
{
	h->link_count = 0;
	if (add_links(h, c) < 0)
		return STATUS_SOURCE;
	return look(c, h, d);
}

static int fix(const struct check_call *c, struct host *h)
{
	struct deeds deeds;
	struct report r;
	int status, code;

	check_all(h, &r);
	code = mend_fix(h, &r, c->dry, &deeds);
	check_free(&r);
	if (code < 0)
		return explain("--fix", code);
	status = look_again(c, h, &deeds);
	if (!c->json && deeds.made > 0 && !c->dry)
		fprintf(stderr, "%s: %u setting%s changed; `weir check --undo` puts %s back\n",
			command_name, deeds.made, deeds.made == 1 ? "" : "s",
			deeds.made == 1 ? "it" : "them");
	if (!c->json && deeds.count == 0)
		fprintf(stderr, "%s: nothing that --fix could change\n", command_name);
	deeds_free(&deeds);
	return status;
}

static int undo(const struct check_call *c, const struct host *h)
{
	struct deeds deeds;
	int code = mend_undo(h, c->dry, &deeds), status;

	if (code < 0)
		return explain("--undo", code);
	status = deeds.failed > 0 ? STATUS_NO : STATUS_DONE;
	show(c, status, NULL, &deeds);
	if (!c->json && deeds.count == 0)
		fprintf(stderr, "%s: there is nothing to put back\n", command_name);
	deeds_free(&deeds);
	return status;
}

int command_check(int argc, char **argv)
{
	struct check_call call = { .workers = 0 };
	static struct host host;
	struct nic nic;
	int status;
	bool has_nic;

	switch (parse(argc, argv, &call)) {
	case ARGUMENTS_HELP: return STATUS_DONE;
	case ARGUMENTS_REFUSED: return STATUS_USAGE;
	case ARGUMENTS_TAKEN: break;
	}
	if (call.list) {
		print_list();
		return STATUS_DONE;
	}
	has_nic = nic_open(&nic) == 0;
	host_open(&host, has_nic ? &nic : NULL);
	host.workers = call.workers;
	host.cores = call.cores;
	host.has_cores = call.has_cores;
	if (call.has_cores && call.workers == 0)
		host.workers = cpus_count(&call.cores);
	if (call.undo)
		status = undo(&call, &host);
	else if (add_links(&host, &call) < 0)
		status = STATUS_SOURCE;
	else
		status = call.fix ? fix(&call, &host) : look(&call, &host, NULL);
	if (has_nic)
		nic_close(&nic);
	return status;
}
