/* common - what every benchmark takes and leaves: options, an output folder, and the report in it.
 */
#include "control/bench/common.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "control/bench/folder.h"
#include "control/weir/command.h"
#include "control/weir/units.h"
#include "dataplane/base/clock.h"

enum { RUNS_MAX = 1000 };

/* ---- options ---- */

int common_take_output_dir(const char *value, void *user)
{
	struct common *c = user;

	if (*value == '\0')
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

/* ---- begin and end ---- */

int common_begin(struct common *c, const char *command, const char *what)
{
	char err[FOLDER_ERROR_BYTES];

	/* Whoever reads what is printed may go (`| head`): the files are what counts. */
	(void)signal(SIGPIPE, SIG_IGN);
	if (folder_make(what, c->output_dir, c->folder, err) == 0)
		return STATUS_DONE;
	fprintf(stderr, "%s: %s\n", command, err);
	return STATUS_OUTPUT;
}

void common_say_time(const char *command, double seconds, const char *folder)
{
	int whole = (int)ceil(seconds);

	fprintf(stderr, "%s: about %d:%02d min, into %s; Ctrl-C ends it and keeps what there is\n",
		command, whole / 60, whole % 60, folder);
}

static int complain(const char *command, const char *why)
{
	fprintf(stderr, "%s: %s\n", command, why);
	return STATUS_OUTPUT;
}

/* write_markdown - the tables once more, for a README. */
static int write_markdown(const struct result *r, const struct report *layout, const char *folder,
			  char err[RESULT_ERROR_BYTES])
{
	char path[PATH_MAX + 16];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/report.md", folder);
	f = fopen(path, "we");
	if (f != NULL)
		report_text(r, layout, REPORT_MARKDOWN, f);
	if (f != NULL && fclose(f) == 0)
		return 0;
	(void)snprintf(err, RESULT_ERROR_BYTES, "%.300s cannot be written: %s", path,
		       strerror(errno));
	return -EIO;
}

int common_end(const struct common *c, const char *command, const struct result *r,
	       const struct report *layout, const struct report_part *part, size_t parts)
{
	char err[RESULT_ERROR_BYTES] = "";

	report_text(r, layout, REPORT_PLAIN, stdout);
	fflush(stdout);
	if (result_write(r, c->folder, err) < 0 || report_html(r, layout, c->folder, err) < 0 ||
	    report_files(r, part, parts, c->folder, err) < 0 ||
	    write_markdown(r, layout, c->folder, err) < 0)
		return complain(command, err);
	fprintf(stderr, "%s: see %s/report.html\n", command, c->folder);
	return STATUS_DONE;
}
