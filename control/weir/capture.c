/* capture - `weir capture`: packets from interfaces in, pairs out, by two supervised daemons or one
 * service each. */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/weir/address.h"
#include "control/weir/command.h"
#include "control/weir/launch.h"

static int refuse_user(const char *name, const char *why)
{
	fprintf(stderr, "weir capture: --user %s: %s\n", name, why);
	return -EINVAL;
}

/* The user behind sudo, else `weir`, else `nobody`: who packets are parsed as when root captures.
 */
static const struct passwd *default_user(void)
{
	const char *sudo = getenv("SUDO_UID");
	const struct passwd *who = NULL;

	if (sudo != NULL)
		who = getpwuid((uid_t)strtoul(sudo, NULL, 10));
	if (who == NULL || who->pw_uid == 0)
		who = getpwnam("weir");
	return who != NULL ? who : getpwnam("nobody");
}

static int choose_user(struct settings *s)
{
	const struct passwd *who = s->user[0] != '\0' ? getpwnam(s->user) : NULL;

	if (s->user[0] != '\0' && who == NULL)
		return refuse_user(s->user, "there is no such user");
	if (geteuid() != 0 && who != NULL && who->pw_uid != geteuid())
		return refuse_user(
			s->user,
			"only root can become another user; start weir as root, or leave it out");
	if (geteuid() != 0)
		return 0;
	if (who == NULL)
		who = default_user();
	if (who == NULL)
		return refuse_user(
			"nobody",
			"there is no such user; name one that packets are to be parsed as");
	s->drops_user = 1;
	s->uid = who->pw_uid;
	s->gid = who->pw_gid;
	return 0;
}

int command_capture(int argc, char **argv)
{
	struct settings *s;
	int status = launch_parse("capture", argc, argv, &s);

	if (s == NULL)
		return status;
	s->live = 1;
	address_own(s);
	if (choose_user(s) < 0)
		status = STATUS_USAGE;
	else if (s->list_rx || s->service != SERVICE_NONE)
		status = launch_become(s);
	else
		status = launch_run(s);
	free(s);
	return status;
}
