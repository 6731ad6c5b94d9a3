/* launch - settings sealed, daemons found and started, everything removed again. */
#include "control/weir/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/host/prepare.h"
#include "control/weir/command.h"
#include "control/weir/help.h"
#include "control/weir/locate.h"
#include "control/weir/runtime.h"
#include "control/weir/settings_parse.h"
#include "control/weir/supervisor.h"
#include "control/weir/workers.h"
#include "dataplane/base/clock.h"

enum { RUN_CHARACTERS = 6, COMMAND_NAME_BYTES = 32 };

/* The name that begins every message: "weir read". */
static const char *name_of(const struct settings *s)
{
	static char name[COMMAND_NAME_BYTES];

	(void)snprintf(name, sizeof(name), "weir %s", s->command);
	return name;
}

static int complain(const struct settings *s, const char *what, int err)
{
	fprintf(stderr, "%s: %s: %s\n", name_of(s), what, strerror(-err));
	return STATUS_USAGE;
}

/* ---- settings ---- */

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
	s->progress = shows_progress(s);
}

int launch_parse(const char *command, int argc, char **argv, struct settings **ret)
{
	uint64_t started_ns = clock_monotonic_ns();
	struct settings *s = malloc(sizeof(*s));
	enum settings_wish wish = SETTINGS_RUN;
	struct settings_error err;
	char why[WORKERS_TEXT_BYTES];
	int status = STATUS_DONE;

	*ret = NULL;
	if (s == NULL) {
		fprintf(stderr, "weir %s: no memory for the settings\n", command);
		return STATUS_USAGE;
	}
	if (settings_parse(command, argc, argv, getenv("WEIR_CONFIG"), s, &wish, &err) < 0) {
		fprintf(stderr, "weir %s: %s\n", command, err.text);
		status = err.status;
	} else if (wish == SETTINGS_HELP) {
		help_of(command, stdout);
	} else if (wish == SETTINGS_PRINT) {
		settings_print(s, stdout);
	} else if (wish == SETTINGS_RUN && s->service != SERVICE_CONTROL &&
		   workers_settle(s, why) < 0) {
		fprintf(stderr, "weir %s: %s\n", command, why);
		status = STATUS_USAGE;
	} else {
		s->list_rx = wish == SETTINGS_LIST_RX;
		if (s->workers == 0)
			s->workers = 1; /* of no interest here: nothing is captured */
		complete(s, started_ns);
		*ret = s;
		return STATUS_DONE;
	}
	free(s);
	return status;
}

/* ---- daemons ---- */

static int find_daemon(const struct settings *s, const struct locate_daemon *daemon,
		       char path[LOCATE_TEXT_BYTES])
{
	char executable_dir[PATH_MAX];
	struct locate where;

	locate_here(&where, executable_dir, sizeof(executable_dir));
	if (locate_find(&where, daemon, path) == 0)
		return 0;
	fprintf(stderr, "%s: %s is not there; looked for it as\n%s\n", name_of(s), daemon->name,
		path);
	return -ENOENT;
}

static int supervise(const struct settings *s, int settings_fd)
{
	static char dataplane[LOCATE_TEXT_BYTES], control[LOCATE_TEXT_BYTES];
	struct supervisor supervisor = {
		.name = name_of(s),
		.dataplane_path = dataplane,
		.control_path = control,
		.settings_fd = settings_fd,
		.restart_wait_ns = SUPERVISOR_RESTART_WAIT_NS,
		.drain_wait_ns = SUPERVISOR_DRAIN_WAIT_NS,
		.restarts_max = SUPERVISOR_RESTARTS_MAX,
	};

	if (find_daemon(s, &locate_dataplane, dataplane) < 0 ||
	    find_daemon(s, &locate_control, control) < 0)
		return STATUS_USAGE;
	return supervisor_run(&supervisor);
}

/* supervise_prepared - The dataplane gives up every right before its first packet, so the machine is
 * changed here, and put back when both daemons are gone. */
static int supervise_prepared(const struct settings *s, int settings_fd)
{
	struct prepared prepared = { .host = NULL };
	int status;

	if (s->live && geteuid() == 0)
		prepare_begin(&prepared, s, name_of(s));
	status = supervise(s, settings_fd);
	prepare_end(&prepared, name_of(s));
	return status;
}

/* Both daemons meet there as the user that they become. */
static int make_runtime(struct settings *s)
{
	struct runtime_base base = runtime_base_here();
	char name[sizeof(s->command) + sizeof(s->name) + 1];
	int err;

	if (s->name[0] != '\0')
		(void)snprintf(name, sizeof(name), "%s", s->name);
	else
		(void)snprintf(name, sizeof(name), "%s-%s", s->command, s->run);
	err = runtime_make(&base, name, s->runtime, sizeof(s->runtime));
	if (err == 0 && geteuid() == 0 && s->name[0] != '\0' && strstr(s->runtime, s->name) == NULL)
		fprintf(stderr,
			"%s: no directory can be made in /run/weir: this run is `weir ctl --name "
			"%s`\n",
			name_of(s), s->runtime);
	if (err == 0 && s->drops_user && chown(s->runtime, s->uid, s->gid) < 0)
		err = -errno;
	return err;
}

int launch_run(struct settings *s)
{
	int settings_fd, status, err;

	(void)signal(SIGXFSZ, SIG_IGN); /* a limit on file sizes is an error like any other */
	err = make_runtime(s);
	if (err == -EEXIST) {
		fprintf(stderr,
			"%s: --name %s: a capture of that name is running; see `weir ctl status`\n",
			name_of(s), s->name);
		return STATUS_USAGE;
	}
	if (err < 0)
		return complain(s, "no runtime directory can be made", err);
	s->weir_pid = (uint64_t)getpid();
	settings_fd = settings_seal(s);
	if (settings_fd < 0) {
		status = complain(s, "the settings cannot be sealed", settings_fd);
	} else {
		status = supervise_prepared(s, settings_fd);
		close(settings_fd);
	}
	err = runtime_remove(s->runtime);
	if (err < 0)
		(void)complain(s, s->runtime, err);
	return status;
}

int launch_become(struct settings *s)
{
	static char path[LOCATE_TEXT_BYTES];
	const struct locate_daemon *daemon = s->service == SERVICE_CONTROL ? &locate_control
									   : &locate_dataplane;
	char fd_text[16];
	int fd, err;

	if (find_daemon(s, daemon, path) < 0)
		return STATUS_USAGE;
	err = s->list_rx ? 0
			 : runtime_share(s->name, s->drops_user, s->uid, s->gid, s->runtime,
					 sizeof(s->runtime));
	if (err < 0)
		return complain(s, "no runtime directory can be made", err);
	fd = settings_seal(s);
	if (fd < 0)
		return complain(s, "the settings cannot be sealed", fd);
	(void)fcntl(fd, F_SETFD, 0);
	(void)snprintf(fd_text, sizeof(fd_text), "%d", fd);
	execl(path, daemon->name, "--settings-fd", fd_text, (char *)NULL);
	return complain(s, path, -errno);
}
