/* read - `weir read`: captures in, pairs out, by two supervised daemons. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "control/weir/command.h"
#include "control/weir/help.h"
#include "control/weir/locate.h"
#include "control/weir/runtime.h"
#include "control/weir/settings_parse.h"
#include "control/weir/supervisor.h"
#include "dataplane/base/clock.h"
#include "dataplane/shm/settings.h"

static const char command_name[] = "weir read";

enum { RUN_CHARACTERS = 6 };

static int complain(const char *what, int err)
{
	fprintf(stderr, "%s: %s: %s\n", command_name, what, strerror(-err));
	return STATUS_USAGE;
}

/* name_run - a name that another run of the same day is unlikely to have: 36^6. */
static void name_run(struct settings *s)
{
	static const char alphabet[] = "0123456789abcdefghijklmnopqrstuvwxyz";
	uint64_t random;

	if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
		random = clock_wall_ns() ^ (uint64_t)getpid() << 40;
	for (int i = 0; i < RUN_CHARACTERS; i++, random /= 36)
		s->run[i] = alphabet[random % 36];
	s->run[RUN_CHARACTERS] = '\0';
}

/* Progress among the records of the same terminal would help nobody. */
static bool shows_progress(const struct settings *s)
{
	return !s->quiet && isatty(STDERR_FILENO) &&
	       !(strcmp(s->output, "-") == 0 && isatty(STDOUT_FILENO));
}

static void complete(struct settings *s, uint64_t started_ns)
{
	name_run(s);
	s->started_ns = started_ns;
	s->started_wall_ns = clock_wall_ns();
	s->live = 0;
	s->progress = shows_progress(s);
	strcpy(s->command, "read");
}

static int find_daemon(const struct locate *where, const struct locate_daemon *daemon,
		       char path[LOCATE_TEXT_BYTES])
{
	if (locate_find(where, daemon, path) == 0)
		return 0;
	fprintf(stderr, "%s: %s is not there; looked for it as\n%s\n", command_name, daemon->name,
		path);
	return -ENOENT;
}

static int supervise(int settings_fd)
{
	static char dataplane[LOCATE_TEXT_BYTES], control[LOCATE_TEXT_BYTES];
	char executable_dir[PATH_MAX];
	struct locate where;
	struct supervisor supervisor = {
		.name = command_name,
		.dataplane_path = dataplane,
		.control_path = control,
		.settings_fd = settings_fd,
		.restart_wait_ns = SUPERVISOR_RESTART_WAIT_NS,
		.drain_wait_ns = SUPERVISOR_DRAIN_WAIT_NS,
		.restarts_max = SUPERVISOR_RESTARTS_MAX,
	};

	locate_here(&where, executable_dir, sizeof(executable_dir));
	if (find_daemon(&where, &locate_dataplane, dataplane) < 0 ||
	    find_daemon(&where, &locate_control, control) < 0)
		return STATUS_USAGE;
	return supervisor_run(&supervisor);
}

static int run(struct settings *s)
{
	struct runtime_base base = runtime_base_here();
	char name[sizeof("read-") + sizeof(s->run)];
	int settings_fd, status, err;

	(void)signal(SIGXFSZ, SIG_IGN); /* a limit on file sizes is an error like any other */
	(void)snprintf(name, sizeof(name), "read-%s", s->run);
	err = runtime_make(&base, name, s->runtime, sizeof(s->runtime));
	if (err < 0)
		return complain("no runtime directory can be made", err);
	s->weir_pid = (uint64_t)getpid();
	settings_fd = settings_seal(s);
	if (settings_fd < 0) {
		status = complain("the settings cannot be sealed", settings_fd);
	} else {
		status = supervise(settings_fd);
		close(settings_fd);
	}
	err = runtime_remove(s->runtime);
	if (err < 0)
		(void)complain(s->runtime, err);
	return status;
}

int command_read(int argc, char **argv)
{
	uint64_t started_ns = clock_monotonic_ns();
	struct settings *s = malloc(sizeof(*s));
	enum settings_wish wish = SETTINGS_RUN;
	struct settings_error err;
	int status = STATUS_DONE;

	if (s == NULL)
		return complain("settings", -ENOMEM);
	if (settings_parse(argc, argv, getenv("WEIR_CONFIG"), s, &wish, &err) < 0) {
		fprintf(stderr, "%s: %s\n", command_name, err.text);
		status = err.status;
	} else if (wish == SETTINGS_HELP) {
		help_read(stdout);
	} else if (wish == SETTINGS_PRINT) {
		settings_print(s, stdout);
	} else {
		complete(s, started_ns);
		status = run(s);
	}
	free(s);
	return status;
}
