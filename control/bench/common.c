/* common - what every benchmark takes and leaves: options, an output folder, and the report in it.
 */
#include "control/bench/common.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "control/weir/command.h"
#include "control/weir/units.h"
#include "dataplane/base/clock.h"

enum { RUNS_MAX = 1000 };

/* ---- options ---- */

int common_take_output_dir(const char *value, void *user)
{
	struct common *c = user;

	if (*value == '\0' || strlen(value) >= sizeof(c->folder) - 64)
		return -EINVAL;
	c->output_dir = value;
	return 0;
}

int common_take_interface(const char *value, void *user)
{
	((struct common *)user)->interface = value;
	return *value != '\0' ? 0 : -EINVAL;
}

int common_take_cores(const char *value, void *user)
{
	((struct common *)user)->cores = value;
	return *value != '\0' ? 0 : -EINVAL;
}

int common_take_runs(const char *value, void *user)
{
	uint64_t v;

	if (units_parse(UNIT_COUNT, value, &v) < 0 || v < 1 || v > RUNS_MAX)
		return -EINVAL;
	((struct common *)user)->runs = (uint32_t)v;
	return 0;
}

int common_take_seconds(const char *value, void *user)
{
	uint64_t v;

	if (units_parse(UNIT_TIME_NS, value, &v) < 0 || v < CLOCK_SECOND_NS / 10 ||
	    v > 3600 * CLOCK_SECOND_NS)
		return -EINVAL;
	((struct common *)user)->seconds = (double)v / (double)CLOCK_SECOND_NS;
	return 0;
}

int common_take_quick(const char *value, void *user)
{
	(void)value;
	((struct common *)user)->quick = true;
	return 0;
}

int common_take_quiet(const char *value, void *user)
{
	(void)value;
	((struct common *)user)->quiet = true;
	return 0;
}

/* ---- the folder ---- */

static void name_folder(struct common *c, const char *what)
{
	time_t now = time(NULL);
	char stamp[32];
	struct tm tm;

	if (c->output_dir != NULL) {
		(void)snprintf(c->folder, sizeof(c->folder), "%s", c->output_dir);
		return;
	}
	localtime_r(&now, &tm);
	(void)strftime(stamp, sizeof(stamp), "%Y%m%d-%H%M%S", &tm);
	(void)snprintf(c->folder, sizeof(c->folder), "weir-bench-%s-%s", what, stamp);
}

/* make_folders - those above too, one after the other. */
static int make_folders(char *path)
{
	for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		(void)mkdir(path, 0755); /* the last one says what is wrong */
		*slash = '/';
	}
	return mkdir(path, 0755) < 0 && errno != EEXIST ? -errno : 0;
}

int common_begin(struct common *c, const char *command, const char *what)
{
	struct stat st;
	int err;

	name_folder(c, what);
	err = make_folders(c->folder);
	if (err == 0 && (stat(c->folder, &st) < 0 || !S_ISDIR(st.st_mode)))
		err = -ENOTDIR;
	if (err == 0)
		return STATUS_DONE;
	fprintf(stderr, "%s: %s cannot be made: %s; name another place with --output-dir\n",
		command, c->folder, strerror(-err));
	return STATUS_OUTPUT;
}

void common_say_time(const char *command, double seconds, const char *folder)
{
	int whole = (int)ceil(seconds);

	fprintf(stderr, "%s: about %d:%02d min, into %s; Ctrl-C ends it and keeps what there is\n",
		command, whole / 60, whole % 60, folder);
}

/* ---- the report ---- */

static int complain(const char *command, const char *why)
{
	fprintf(stderr, "%s: %s\n", command, why);
	return STATUS_OUTPUT;
}

int common_end(const struct common *c, const char *command, const struct result *r,
	       const struct report *layout, const struct report_part *part, size_t parts)
{
	char err[RESULT_ERROR_BYTES] = "";

	report_text(r, layout, REPORT_PLAIN, stdout);
	fflush(stdout);
	if (result_write(r, c->folder, err) < 0 || report_html(r, layout, c->folder, err) < 0 ||
	    report_files(r, part, parts, c->folder, err) < 0)
		return complain(command, err);
	fprintf(stderr, "%s: see %s/report.html\n", command, c->folder);
	return STATUS_DONE;
}
